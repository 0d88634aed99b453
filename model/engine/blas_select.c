/* blas_select.c: the order of OpenBLAS's kernels, and a check of the one that runs. */
#include "model/engine/blas_select.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "model/engine/blas.h"

/* --- Which kernel --- */

enum rank { RANK_OLD, RANK_AVX2, RANK_AVX512, RANK_UNKNOWN };

/* OpenBLAS's names for x86-64 (driver/others/dynamic.c of 0.3.21). */
static const struct kernel {
    const char *name;
    enum rank rank;
} kernels[] = {
    {"Unknown", RANK_OLD},     {"Katmai", RANK_OLD},        {"Coppermine", RANK_OLD},
    {"Northwood", RANK_OLD},   {"Prescott", RANK_OLD},      {"Banias", RANK_OLD},
    {"Atom", RANK_OLD},        {"Core2", RANK_OLD},         {"Penryn", RANK_OLD},
    {"Dunnington", RANK_OLD},  {"Nehalem", RANK_OLD},       {"Athlon", RANK_OLD},
    {"Opteron", RANK_OLD},     {"Opteron_SSE3", RANK_OLD},  {"Barcelona", RANK_OLD},
    {"Bobcat", RANK_OLD},      {"Nano", RANK_OLD},          {"Sandybridge", RANK_OLD},
    {"Bulldozer", RANK_OLD},   {"Piledriver", RANK_OLD},    {"Steamroller", RANK_OLD},
    {"Excavator", RANK_AVX2},  {"Haswell", RANK_AVX2},      {"Zen", RANK_AVX2},
    {"SkylakeX", RANK_AVX512}, {"Cooperlake", RANK_AVX512}, {"SapphireRapids", RANK_AVX512},
};

static enum rank rank_of(const char *name) {
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; ++i)
        if (strcmp(kernels[i].name, name) == 0) return kernels[i].rank;
    return RANK_UNKNOWN;
}

const char *mrc_blas_faster_kernel(const struct mrc_cpu *cpu, const char *running,
                                   const char *wanted) {
    if (wanted != NULL && wanted[0] != '\0') return NULL;
    enum rank rank = rank_of(running);
    if (cpu->avx512 && rank < RANK_AVX512) return "SkylakeX";
    if (cpu->avx2_fma && rank < RANK_AVX2) return "Haswell";
    return NULL;
}

/* --- Does it compute? --- */

struct product {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    float beta;
};

/* Below a million multiplications OpenBLAS has other kernels than above, for one row or one column
 * others again; odd sides reach the edges of their tiles. */
static const struct product products[] = {
    {false, false, 1, 1, 1, 0.0f},      {false, false, 5, 3, 7, 1.0f},
    {true, false, 17, 9, 33, 0.0f},     {false, true, 31, 65, 15, 1.0f},
    {true, true, 47, 16, 3, 0.0f},      {false, false, 1, 67, 129, 0.0f},
    {false, true, 129, 1, 67, 1.0f},    {true, false, 1, 1, 301, 1.0f},
    {false, false, 131, 97, 101, 0.0f}, {true, false, 97, 131, 103, 1.0f},
    {false, true, 131, 101, 97, 0.0f},  {true, true, 101, 97, 131, 1.0f},
};

enum { LARGEST_SIDE = 301, PAD = 3, LARGEST = 131 * (131 + PAD) };
static const double tolerance = 1e-5; /* of sum |a b|; a right kernel stays below 5e-7 */

struct bench {
    float a[LARGEST], b[LARGEST], c[LARGEST], before[LARGEST];
    double op_b[LARGEST];
    double sum[LARGEST_SIDE], magnitude[LARGEST_SIDE]; /* of one row of c */
};

static void fill(float *x, size_t count, uint64_t stream) {
    struct mrc_rng rng = mrc_rng_for(0, 0, stream, MRC_FOR_TEST);
    for (size_t i = 0; i < count; ++i) x[i] = (float)mrc_rng_uniform(&rng) - 0.5f;
}

/* Row i of op(a) op(b) + beta c; op_b [k][n]. */
static void reference_row(struct bench *t, const struct product *p, int64_t i, int64_t lda,
                          int64_t ldc) {
    for (int64_t j = 0; j < p->n; ++j) {
        t->sum[j] = p->beta != 0.0f ? (double)p->beta * (double)t->before[i * ldc + j] : 0.0;
        t->magnitude[j] = fabs(t->sum[j]);
    }
    for (int64_t l = 0; l < p->k; ++l) {
        double a = (double)t->a[p->transpose_a ? l * lda + i : i * lda + l];
        const double *b = t->op_b + l * p->n;
        for (int64_t j = 0; j < p->n; ++j) {
            t->sum[j] += a * b[j];
            t->magnitude[j] += fabs(a * b[j]);
        }
    }
}

/* The largest |error| / sum |a b| of one product; infinite where it is no number. */
static double error_of(struct bench *t, const struct product *p, mrc_blas_product_fn *product) {
    int64_t lda = (p->transpose_a ? p->m : p->k) + PAD;
    int64_t ldb = (p->transpose_b ? p->k : p->n) + PAD, ldc = p->n + PAD;
    for (int i = 0; i < LARGEST; ++i) /* with beta 0 nothing of c may be read */
        t->c[i] = p->beta != 0.0f ? t->before[i] : NAN;
    product(p->transpose_a, p->transpose_b, p->m, p->n, p->k, t->a, lda, t->b, ldb, p->beta, t->c,
            ldc);
    for (int64_t l = 0; l < p->k; ++l)
        for (int64_t j = 0; j < p->n; ++j)
            t->op_b[l * p->n + j] = (double)t->b[p->transpose_b ? j * ldb + l : l * ldb + j];
    double worst = 0.0;
    for (int64_t i = 0; i < p->m; ++i) {
        reference_row(t, p, i, lda, ldc);
        for (int64_t j = 0; j < p->n; ++j) {
            double error = fabs((double)t->c[i * ldc + j] - t->sum[j]) / t->magnitude[j];
            if (!(error <= worst)) worst = isfinite(error) ? error : (double)INFINITY;
        }
    }
    return worst;
}

enum mrc_status mrc_blas_check_product(mrc_blas_product_fn *product, double *worst,
                                       struct mrc_error *err) {
    struct bench *t = mrc_alloc(1, sizeof *t);
    if (t == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory to check OpenBLAS");
    fill(t->a, LARGEST, 1);
    fill(t->b, LARGEST, 2);
    fill(t->before, LARGEST, 3);
    enum mrc_status status = MRC_OK;
    double largest = 0.0;
    for (size_t i = 0; status == MRC_OK && i < sizeof products / sizeof products[0]; ++i) {
        const struct product *p = &products[i];
        double error = error_of(t, p, product);
        if (error > largest) largest = error;
        if (error > tolerance)
            status = mrc_fail(err, MRC_ERR_NUMERIC,
                              "OpenBLAS's kernel %s: a product of %lld x %lld x %lld is wrong by "
                              "%.2g of its terms, expected at most %g",
                              mrc_blas_kernel_name(), (long long)p->m, (long long)p->n,
                              (long long)p->k, error, tolerance);
    }
    if (worst != NULL) *worst = largest;
    mrc_free(t);
    return status;
}

static bool check_is_due;

enum mrc_status mrc_blas_check(double *worst, struct mrc_error *err) {
    enum mrc_status status = mrc_blas_reserve(err);
    if (status == MRC_OK) status = mrc_blas_check_product(mrc_sgemm, worst, err);
    if (status == MRC_OK) check_is_due = false;
    return status;
}

void mrc_blas_require_check(void) {
    check_is_due = true;
}

bool mrc_blas_may_compute(void) {
    return !check_is_due;
}
