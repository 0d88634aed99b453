/* test_blas.c: which kernel of OpenBLAS is asked for, and the check that finds a wrong one. */
#include "tests/support.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/watched.h"
#include "model/engine/blas.h"
#include "model/engine/blas_select.h"
#include "model/engine/net.h"
#include "model/engine/ops/winograd.h"
#include "model/nets/generator.h"

static void test_choice(void **state) {
    (void)state;
    static const struct mrc_cpu old = {.name = "old"}, avx2 = {.avx2_fma = true},
                                avx512 = {.avx2_fma = true, .avx512 = true};
    static const struct {
        const struct mrc_cpu *cpu;
        const char *running, *wanted, *expected;
    } cases[] = {
        {&avx512, "Prescott", NULL, "SkylakeX"},
        {&avx512, "Haswell", NULL, "SkylakeX"},
        {&avx512, "Zen", NULL, "SkylakeX"},
        {&avx512, "SkylakeX", NULL, NULL},
        {&avx512, "Cooperlake", NULL, NULL},
        {&avx2, "Prescott", NULL, "Haswell"},
        {&avx2, "Sandybridge", NULL, "Haswell"},
        {&avx2, "Haswell", NULL, NULL},
        {&avx2, "Zen", NULL, NULL},
        {&avx2, "SkylakeX", NULL, NULL},
        {&old, "Prescott", NULL, NULL},
        {&old, "Nehalem", NULL, NULL},
        {&avx512, "Prescott", "Prescott", NULL},
        {&avx512, "Prescott", "", "SkylakeX"},
        {&avx512, "GraniteRapids", NULL, NULL},
        {&old, "neoversen1", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const char *got = mrc_blas_faster_kernel(cases[i].cpu, cases[i].running, cases[i].wanted);
        if (cases[i].expected == NULL)
            assert_null(got);
        else
            assert_string_equal(got, cases[i].expected);
    }
}

static void test_cpu(void **state) {
    (void)state;
    struct mrc_cpu cpu;
    memset(&cpu, 0xff, sizeof cpu);
    mrc_cpu_describe(&cpu);
    assert_true(strlen(cpu.name) > 0 && strlen(cpu.name) < sizeof cpu.name);
    assert_true(cpu.avx2_fma || !cpu.avx512); /* there is no processor with only the second */
}

static void test_running_kernel(void **state) {
    (void)state;
    struct mrc_error err = {0};
    double worst = -1.0;
    assert_ok(mrc_blas_check(&worst, &err), &err);
    assert_true(worst > 0.0 && worst < 1e-6);
    assert_true(strlen(mrc_blas_config()) > 0);
    enum mrc_status st = MRC_OK;
    MRC_TRY_EVERY_FAILURE(st, mrc_blas_check(NULL, NULL));
    assert_int_equal(st, MRC_OK);
}

/* No network without a check, where one is required. */
static void test_required(void **state) {
    (void)state;
    struct mrc_error err = {0};
    const struct mrc_generator_settings settings = {.channels = 1, .h = 64, .w = 64, .width = 1};
    const struct mrc_shape in = {1, 1, 1, 64, 64};
    mrc_net *net = NULL;
    mrc_plan *plan = NULL;
    mrc_pass *pass = NULL;
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_LOCAL, &settings, &err), &err);
    assert_ok(mrc_plan_create(&plan, net, in, MRC_PLAN_INFERENCE, &err), &err);
    void *scratch = mrc_alloc(mrc_plan_scratch_bytes(plan), 1);
    mrc_blas_require_check();
    assert_int_equal(mrc_pass_create(&pass, net, plan, scratch, &err), MRC_ERR_NUMERIC);
    assert_null(pass);
    assert_non_null(strstr(err.text, "not checked"));
    mrc_error_clear(&err);
    assert_ok(mrc_blas_check(NULL, &err), &err);
    assert_ok(mrc_pass_create(&pass, net, plan, scratch, &err), &err);
    mrc_pass_destroy(pass);
    mrc_free(scratch);
    mrc_plan_destroy(plan);
    mrc_net_destroy(net);
}

/* --- Products with one fault each --- */

static void no_beta(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                    const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    (void)beta;
    mrc_sgemm(ta, tb, m, n, k, a, lda, b, ldb, 0.0f, c, ldc);
}

static void reads_c(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                    const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    float before = c[0];
    mrc_sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
    if (beta == 0.0f) c[0] += 0.0f * before;
}

static void wrong_edge(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a,
                       int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                       int64_t ldc) {
    mrc_sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
    if (m * n * k > 1000000 && ta && tb) c[(m - 1) * ldc + n - 1] *= 1.01f;
}

static void no_transpose(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a,
                         int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                         int64_t ldc) {
    (void)ta; /* every matrix is padded, so the wrong one is inside its memory */
    mrc_sgemm(false, tb, m, n, k, a, lda > k ? lda : k, b, ldb, beta, c, ldc);
}

static void test_check_can_fail(void **state) {
    (void)state;
    static mrc_blas_product_fn *const wrong[] = {no_beta, reads_c, wrong_edge, no_transpose};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        struct mrc_error err = {0};
        double worst = 0.0;
        assert_int_equal(mrc_blas_check_product(wrong[i], &worst, &err), MRC_ERR_NUMERIC);
        assert_true(worst > 1e-5);
        assert_non_null(strstr(err.text, "expected"));
    }
}

/* Does AddressSanitizer end the process that makes this product? */
static bool is_reported(const struct mrc_winograd *w, const struct mrc_winograd_product *p) {
    int outcome = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        w->multiply(p);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &outcome, 0), child);
    return !WIFEXITED(outcome) || WEXITSTATUS(outcome) != 0;
}

/* The inner loops of a product are not watched: what it touches is, before them. */
static void test_products_are_watched(void **state) {
    (void)state;
    enum { ROWS = 4, COLUMNS = 32, SUM = 8 }; /* whole cache lines, as mrc_alloc gives them */
    const struct mrc_winograd *w = mrc_winograd_kernels(2, MRC_WINOGRAD_BEST);
    float *a = mrc_alloc(ROWS * SUM, sizeof *a), *b = mrc_alloc(SUM * COLUMNS, sizeof *b);
    float *c = mrc_alloc(ROWS * COLUMNS, sizeof *c);
    const struct mrc_winograd_product right = {.c = c,
                                               .a = a,
                                               .b = b,
                                               .rows = ROWS,
                                               .columns = COLUMNS,
                                               .sum = SUM,
                                               .a_row = SUM,
                                               .a_column = 1,
                                               .b_row = COLUMNS,
                                               .c_row = COLUMNS};
#if defined(MRC_WATCHES_ADDRESSES)
    struct mrc_winograd_product wrong[4] = {right, right, right, right};
    wrong[0].c = c + 1;
    wrong[1].a = a - 1;
    wrong[2].b = b + 1;
    wrong[3].a_row = 1;
    wrong[3].a_column = ROWS + 1;
    for (size_t i = 0; w->multiply != NULL && i < sizeof wrong / sizeof wrong[0]; ++i)
        if (!is_reported(w, &wrong[i])) fail_msg("product %zu is past its memory", i);
#endif
    if (w->multiply != NULL) assert_false(is_reported(w, &right));
    mrc_free(a);
    mrc_free(b);
    mrc_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),         cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_running_kernel), cmocka_unit_test(test_required),
        cmocka_unit_test(test_check_can_fail), cmocka_unit_test(test_products_are_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
