/* test_regrid.c: a linear function of patient space looks the same on every grid; channels are
 * neighbours. */
#include "support.h"

#include <math.h>

#include "app/head.h"
#include "app/sets/regrid.h"
#include "app/sets/stack.h"

static double linear(const double ras[3]) {
    return 300.0 + ras[0] - 0.5 * ras[1] + 0.25 * ras[2];
}

static void fill_linear(mrc_volume *vol) {
    struct mrc_extent e = mrc_volume_extent(vol);
    double ras[3];
    for (int64_t k = 0; k < e.k; ++k)
        for (int64_t j = 0; j < e.j; ++j)
            for (int64_t i = 0; i < e.i; ++i) {
                mrc_geometry_position(ras, mrc_volume_geometry(vol), (double)i, (double)j,
                                      (double)k);
                mrc_volume_voxels(vol)[(k * e.j + j) * e.i + i] = (float)linear(ras);
            }
}

static void test_regrid_between_orientations(void **state) {
    (void)state;
    static const char *const axes[] = {"LPS", "PIL", "LIP", "RAS", "ASR"};
    struct mrc_error err = {0};
    mrc_volume *like = NULL;
    assert_ok(head_create(&like, "LPS", 0.0, &err), &err);
    struct mrc_extent e = mrc_volume_extent(like);
    for (size_t n = 0; n < sizeof axes / sizeof axes[0]; ++n) {
        mrc_volume *vol = NULL, *seen = NULL;
        assert_ok(head_create(&vol, axes[n], n == 0 ? 0.0 : 9.0, &err), &err);
        fill_linear(vol);
        assert_ok(mrc_regrid_like(&seen, vol, like, "test", &err), &err);
        assert_true(
            mrc_geometry_distance(mrc_volume_geometry(seen), mrc_volume_geometry(like), e) == 0.0);
        for (int64_t k = e.k / 4; k < e.k * 3 / 4; ++k)
            for (int64_t j = e.j / 4; j < e.j * 3 / 4; ++j)
                for (int64_t i = e.i / 4; i < e.i * 3 / 4; ++i) {
                    double ras[3];
                    mrc_geometry_position(ras, mrc_volume_geometry(like), (double)i, (double)j,
                                          (double)k);
                    double got = (double)mrc_volume_voxels(seen)[(k * e.j + j) * e.i + i];
                    if (fabs(got - linear(ras)) > 1e-3)
                        fail_msg("%s: %g, expected %g", axes[n], got, linear(ras));
                }
        mrc_volume_destroy(seen);
        mrc_volume_destroy(vol);
    }
    mrc_volume_destroy(like);
}

static void test_pictures_need_the_same_extent(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_geometry none;
    mrc_geometry_init(&none);
    mrc_volume *a = NULL, *b = NULL, *out = NULL;
    assert_ok(mrc_volume_create(&a, (struct mrc_extent){4, 3, 2}, &none, &err), &err);
    assert_ok(mrc_volume_create(&b, (struct mrc_extent){4, 3, 5}, &none, &err), &err);
    mrc_volume_voxels(a)[23] = 7.0f;
    assert_int_equal(mrc_regrid_like(&out, a, b, "a", &err), MRC_ERR_UNSUPPORTED);
    mrc_error_clear(&err);
    assert_ok(mrc_regrid_like(&out, a, a, "a", &err), &err);
    assert_true(mrc_volume_voxels(out)[23] == 7.0f);
    mrc_volume_destroy(out);
    mrc_volume_destroy(b);
    mrc_volume_destroy(a);
}

static void test_neighbours_become_channels(void **state) {
    (void)state;
    static const float pixels[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};
    float stack[12], middle[4];
    mrc_stack_gather(stack, pixels[0], 3, 2, 3, 0);
    static const float first[12] = {1, 1, 5, 2, 2, 6, 3, 3, 7, 4, 4, 8};
    assert_memory_equal(stack, first, sizeof first);
    mrc_stack_gather(stack, pixels[0], 3, 2, 3, 2);
    static const float last[12] = {5, 9, 9, 6, 10, 10, 7, 11, 11, 8, 12, 12};
    assert_memory_equal(stack, last, sizeof last);
    mrc_stack_middle(middle, stack, 2, 3);
    assert_memory_equal(middle, pixels[2], sizeof middle);
    mrc_stack_gather(middle, pixels[0], 3, 2, 1, 1);
    assert_memory_equal(middle, pixels[1], sizeof middle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regrid_between_orientations),
        cmocka_unit_test(test_pictures_need_the_same_extent),
        cmocka_unit_test(test_neighbours_become_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
