/* blas.h: the door to the BLAS. Only blas.c knows which library stands behind it. */
#ifndef MRC_MODEL_ENGINE_BLAS_H
#define MRC_MODEL_ENGINE_BLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Takes what OpenBLAS needs, once a process, for as many products at a time as there are threads,
 * or fewer where memory is short. MRC_ERR_NOMEM: not even for one; then mrc_sgemm would never
 * return. */
MRC_MUST_CHECK enum mrc_status mrc_blas_reserve(struct mrc_error *err);

/** c [m][n] = op(a) [m][k] * op(b) [k][n] + beta c, row-major; op transposes where its flag is set,
 * and then the matrix lies in memory as [k][m] or [n][k]. lda, ldb, ldc: floats from one row in
 * memory to the next. With beta 0 nothing of c is read. Runs on the calling thread only, and may be
 * called from several at once. The bits of c depend on m, n, k, the flags and the numbers, not on
 * what other threads do. m, n, k and the strides are 1 … INT32_MAX. Cannot fail. */
void mrc_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#ifdef __cplusplus
}
#endif
#endif
