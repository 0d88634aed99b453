/* blas.c: OpenBLAS, held to one thread. Why: the cuts of the work are ours (by size, never by
 * thread count), so that the same bytes come out on any machine load; two pools of threads would
 * also fight for the cores. */
#include "model/engine/blas.h"

#include <cblas.h>
#include <pthread.h>

#include "base/status.h"
#include "model/engine/blas_select.h"

static pthread_once_t single_threaded = PTHREAD_ONCE_INIT;

static void make_single_threaded(void) {
    openblas_set_num_threads(1);
}

void mrc_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    MRC_ASSERT(m > 0 && n > 0 && k > 0 && m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX);
    pthread_once(&single_threaded, make_single_threaded);
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

const char *mrc_blas_kernel_name(void) {
    const char *name = openblas_get_corename();
    return name != NULL ? name : "unknown";
}

const char *mrc_blas_config(void) {
    const char *config = openblas_get_config();
    return config != NULL ? config : "unknown";
}
