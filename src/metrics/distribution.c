/* distribution.c: moments of the features, and LAPACK for the root of a product of covariances. */
#include "metrics/distribution.h"

#include <limits.h>
#include <math.h>

#include "base/alloc.h"

/* LAPACK and BLAS by their Fortran names: the BLAS brings no header for LAPACK. Column-major, which
 * for symmetric matrices is the same. */
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *info);
extern void dgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                   const double *alpha, const double *a, const int *lda, const double *b,
                   const int *ldb, const double *beta, double *c, const int *ldc);

static void find_mean(double *mean, const struct mrc_features *f) {
    for (size_t j = 0; j < f->features; ++j) mean[j] = 0.0;
    for (size_t i = 0; i < f->count; ++i)
        for (size_t j = 0; j < f->features; ++j) mean[j] += f->values[i * f->features + j];
    for (size_t j = 0; j < f->features; ++j) mean[j] /= (double)f->count;
}

/* c [features][features], with n - 1; centred is room for one row. */
static void find_covariance(double *c, double *centred, const double *mean,
                            const struct mrc_features *f) {
    size_t d = f->features;
    for (size_t j = 0; j < d * d; ++j) c[j] = 0.0;
    for (size_t i = 0; i < f->count; ++i) {
        for (size_t j = 0; j < d; ++j) centred[j] = f->values[i * d + j] - mean[j];
        for (size_t j = 0; j < d; ++j)
            for (size_t k = 0; k <= j; ++k) c[j * d + k] += centred[j] * centred[k];
    }
    for (size_t j = 0; j < d; ++j)
        for (size_t k = 0; k <= j; ++k)
            c[j * d + k] = c[k * d + j] = c[j * d + k] / (double)(f->count - 1);
}

/* --- Symmetric matrices --- */

/* Eigenvalues into w; with vectors, a becomes them, one a column of the column-major matrix. */
static enum mrc_status eigen(double *a, double *w, int n, char job, struct mrc_error *err) {
    int ask = -1, info = 0;
    double best = 0.0;
    dsyev_(&job, "U", &n, a, &n, w, &best, &ask, &info);
    int room = (int)best;
    double *work = mrc_alloc((size_t)room, sizeof *work);
    if (work == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "eigenvalues: out of memory");
    dsyev_(&job, "U", &n, a, &n, w, work, &room, &info);
    mrc_free(work);
    if (info != 0)
        return mrc_fail(err, MRC_ERR_NUMERIC, "eigenvalues of a covariance did not converge");
    return MRC_OK;
}

static void multiply(double *c, const double *a, char ta, const double *b, char tb, int n) {
    const double one = 1.0, zero = 0.0;
    dgemm_(&ta, &tb, &n, &n, &n, &one, a, &n, b, &n, &zero, c, &n);
}

/* tr((C1 C2)^(1/2)) from the eigenvalues of R^T C2 R with R = V L^(1/2), C1 = V L V^T, which are
 * those of C1^(1/2) C2 C1^(1/2). c1, c2 are used up. */
static enum mrc_status trace_of_root(double *trace, double *c1, double *c2, double *room, double *w,
                                     int n, struct mrc_error *err) {
    enum mrc_status status = eigen(c1, w, n, 'V', err);
    if (status != MRC_OK) return status;
    for (int j = 0; j < n; ++j) {
        double root = sqrt(fmax(w[j], 0.0));
        for (int i = 0; i < n; ++i) c1[(size_t)j * (size_t)n + (size_t)i] *= root;
    }
    multiply(room, c2, 'N', c1, 'N', n);
    multiply(c2, c1, 'T', room, 'N', n);
    status = eigen(c2, w, n, 'N', err);
    *trace = 0.0;
    for (int j = 0; status == MRC_OK && j < n; ++j) *trace += sqrt(fmax(w[j], 0.0));
    return status;
}

static int is_finite(const struct mrc_features *f) {
    for (size_t i = 0; i < f->count * f->features; ++i)
        if (!isfinite(f->values[i])) return 0;
    return 1;
}

static enum mrc_status frechet(double *distance, double *block, const struct mrc_features *a,
                               const struct mrc_features *b, struct mrc_error *err) {
    size_t d = a->features;
    double *m1 = block, *m2 = m1 + d, *w = m2 + d, *c1 = w + d, *c2 = c1 + d * d,
           *room = c2 + d * d;
    double squares = 0.0, traces = 0.0, root = 0.0;
    find_mean(m1, a);
    find_mean(m2, b);
    find_covariance(c1, w, m1, a);
    find_covariance(c2, w, m2, b);
    for (size_t j = 0; j < d; ++j) {
        squares += (m1[j] - m2[j]) * (m1[j] - m2[j]);
        traces += c1[j * d + j] + c2[j * d + j];
    }
    enum mrc_status status = trace_of_root(&root, c1, c2, room, w, (int)d, err);
    if (status == MRC_OK) *distance = squares + traces - 2.0 * root;
    return status;
}

enum mrc_status mrc_frechet_distance(double *distance, const struct mrc_features *a,
                                     const struct mrc_features *b, struct mrc_error *err) {
    MRC_ASSERT(a->features == b->features);
    size_t d = a->features;
    *distance = (double)NAN;
    if (a->count < 2 || b->count < 2) return MRC_OK;
    if (!is_finite(a) || !is_finite(b))
        return mrc_fail(err, MRC_ERR_NUMERIC, "Frechet distance: a feature is not finite");
    if (d == 0 || d > 16384)
        return mrc_fail(err, MRC_ERR_RANGE, "Frechet distance: %zu features, expected 1 to 16384",
                        d);
    double *block = mrc_alloc(3 * d + 3 * d * d, sizeof *block);
    if (block == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "Frechet distance: out of memory");
    enum mrc_status status = frechet(distance, block, a, b, err);
    mrc_free(block);
    return status;
}

/* --- Kernel distance --- */

static double kernel(const double *x, const double *y, size_t d) {
    double dot = 0.0;
    for (size_t j = 0; j < d; ++j) dot += x[j] * y[j];
    double k = dot / (double)d + 1.0;
    return k * k * k;
}

static double mean_kernel_within(const struct mrc_features *f) {
    double sum = 0.0;
    for (size_t i = 0; i < f->count; ++i)
        for (size_t j = 0; j < i; ++j)
            sum += kernel(f->values + i * f->features, f->values + j * f->features, f->features);
    return 2.0 * sum / ((double)f->count * (double)(f->count - 1));
}

double mrc_kernel_distance(const struct mrc_features *a, const struct mrc_features *b) {
    MRC_ASSERT(a->features == b->features);
    if (a->count < 2 || b->count < 2) return (double)NAN;
    double sum = 0.0;
    for (size_t i = 0; i < a->count; ++i)
        for (size_t j = 0; j < b->count; ++j)
            sum += kernel(a->values + i * a->features, b->values + j * b->features, a->features);
    return mean_kernel_within(a) + mean_kernel_within(b) -
           2.0 * sum / ((double)a->count * (double)b->count);
}

enum mrc_status mrc_features_standardise(double *values, size_t count,
                                         const struct mrc_features *reference,
                                         struct mrc_error *err) {
    size_t d = reference->features;
    double *mean = mrc_alloc(2 * d, sizeof *mean);
    if (mean == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "features: out of memory");
    double *deviation = mean + d;
    find_mean(mean, reference);
    for (size_t i = 0; i < reference->count; ++i)
        for (size_t j = 0; j < d; ++j) {
            double x = reference->values[i * d + j] - mean[j];
            deviation[j] += x * x;
        }
    for (size_t j = 0; j < d; ++j) {
        deviation[j] = sqrt(deviation[j] / fmax((double)reference->count - 1.0, 1.0));
        if (!(deviation[j] > 1e-12)) deviation[j] = 1.0;
    }
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < d; ++j)
            values[i * d + j] = (values[i * d + j] - mean[j]) / deviation[j];
    mrc_free(mean);
    return MRC_OK;
}
