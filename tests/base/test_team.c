/* test_team.c: what is made of the sums over a team; tests/cli/team.sh has real ones. */
#include "tests/support.h"

#include <stdbool.h>

#include "base/team.h"

/* Stands for three others: what they would add, or that one of them is lost. */
struct others {
    double more[4];
    bool is_lost;
};

static enum mrc_status sum(void *context, double *values, size_t n, struct mrc_error *err) {
    const struct others *others = context;
    if (others->is_lost) return mrc_fail(err, MRC_ERR_CANCELLED, "lost");
    for (size_t i = 0; i < n; ++i) values[i] += others->more[i];
    return MRC_OK;
}

static enum mrc_status sum_floats(void *context, float *values, size_t n, struct mrc_error *err) {
    double wide[4];
    for (size_t i = 0; i < n; ++i) wide[i] = (double)values[i];
    enum mrc_status status = sum(context, wide, n, err);
    for (size_t i = 0; i < n; ++i) values[i] = (float)wide[i];
    return status;
}

static void test_alone(void **state) {
    (void)state;
    struct mrc_error err = {0};
    double value = 3.0;
    float narrow = 5.0f;
    assert_int_equal(mrc_team_current()->count, 1);
    assert_int_equal(mrc_team_current()->rank, 0);
    assert_ok(mrc_team_mean(&value, 1, &err), &err);
    assert_ok(mrc_team_mean_floats(&narrow, 1, &err), &err);
    assert_ok(mrc_team_largest(&value, &err), &err);
    assert_true(value == 3.0 && narrow == 5.0f);
}

static void test_four(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct others others = {.more = {2.0, 9.0, 0.0, 4.0}};
    const struct mrc_team team = {
        .rank = 2, .count = 4, .context = &others, .sum = sum, .sum_floats = sum_floats};
    double values[2] = {6.0, -1.0}, largest = 7.0;
    float narrow[2] = {6.0f, -1.0f};
    mrc_team_join(&team);
    assert_ptr_equal(mrc_team_current(), &team);
    assert_ok(mrc_team_mean(values, 2, &err), &err);
    assert_true(values[0] == 2.0 && values[1] == 2.0);
    assert_ok(mrc_team_mean_floats(narrow, 2, &err), &err);
    assert_true(narrow[0] == 2.0f && narrow[1] == 2.0f);
    assert_ok(mrc_team_largest(&largest, &err), &err); /* of 2, 9, 7 and 4 */
    assert_true(largest == 9.0);
    others.is_lost = true;
    struct mrc_error lost[3] = {0};
    assert_int_equal(mrc_team_mean(values, 2, &lost[0]), MRC_ERR_CANCELLED);
    assert_int_equal(mrc_team_mean_floats(narrow, 2, &lost[1]), MRC_ERR_CANCELLED);
    assert_int_equal(mrc_team_largest(&largest, &lost[2]), MRC_ERR_CANCELLED);
    mrc_team_join(NULL);
    assert_int_equal(mrc_team_current()->count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_four)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
