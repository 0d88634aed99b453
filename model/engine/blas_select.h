/* blas_select.h: which of OpenBLAS's kernels runs, and whether this processor has a faster one.
 *
 * OpenBLAS holds kernels for many processors and takes one when it is loaded, once, before main. A
 * release does not know the processors that came after it and then takes a kernel that is several
 * times too slow: OpenBLAS 0.3.21 was seen to take "Prescott" (SSE3) on a processor with AVX-512.
 *
 * The program mrcycle notices and runs itself again with OPENBLAS_CORETYPE set
 * (src/cli/blas_kernel.c). libmrcycle does nothing of the kind to the program it is part of: who
 * uses it asks mrc_blas_faster_kernel, and sets OPENBLAS_CORETYPE to the answer before the process
 * starts. */
#ifndef MRC_MODEL_ENGINE_BLAS_SELECT_H
#define MRC_MODEL_ENGINE_BLAS_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The processor family whose kernels run: "Zen", "SkylakeX", "Prescott" … Never NULL. */
MRC_API const char *mrc_blas_kernel_name(void);
/** The library's words about itself: "OpenBLAS 0.3.21 DYNAMIC_ARCH …". Never NULL. */
MRC_API const char *mrc_blas_config(void);

/** The kernel to ask for, a value of OPENBLAS_CORETYPE: "SkylakeX" or "Haswell" when `cpu` can run
 * it and `running` is one made for lesser processors; else NULL. A name it does not know is newer
 * than it, and stays. `wanted` is the user's OPENBLAS_CORETYPE or NULL: a user's choice stays. */
MRC_API const char *mrc_blas_faster_kernel(const struct mrc_cpu *cpu, const char *running,
                                           const char *wanted);

/** c (+)= op(a) op(b), as mrc_sgemm (model/engine/blas.h) says. */
typedef void mrc_blas_product_fn(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                                 int64_t k, const float *a, int64_t lda, const float *b,
                                 int64_t ldb, float beta, float *c, int64_t ldc);
/** Computes a few products (odd sizes, all transposes, beta 0 and 1) with the running kernel and in
 * double with plain loops; takes some milliseconds. MRC_ERR_NUMERIC when an element is off by more
 * than rounding. *worst, when not NULL: the largest |error| / sum |a b|. */
MRC_STATUS mrc_blas_check(double *worst, struct mrc_error *err);
/** From now on mrc_pass_create fails (MRC_ERR_NUMERIC) until mrc_blas_check has passed: a program
 * that checks only where it computes a network cannot forget to. Before any thread starts. */
MRC_API void mrc_blas_require_check(void);
/** False: a check is required and has not passed. */
MRC_API bool mrc_blas_may_compute(void);
/** The same for another product; for tests. */
MRC_STATUS mrc_blas_check_product(mrc_blas_product_fn *product, double *worst,
                                  struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
