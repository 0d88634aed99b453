/* blas_kernel.h: the kernel OpenBLAS runs, settled before a network is computed. */
#ifndef MRC_CLI_BLAS_KERNEL_H
#define MRC_CLI_BLAS_KERNEL_H

#include "app/inspect/system.h"

/** First thing in main: no network is computed before mrc_blas_kernel_settle. `argv` is kept, for
 * the program may be run again with it, and must not change. */
void mrc_blas_kernel_begin(char **argv);
/** Before anything is read, written or printed. Where OpenBLAS took a kernel made for lesser
 * processors, and the user asked for none, the program is replaced by itself with OPENBLAS_CORETYPE
 * set: then this call does not return. MRC_ERR_NUMERIC: the kernel computes wrong sums and there is
 * no other to fall back to; nothing may be computed. */
enum mrc_status mrc_blas_kernel_settle(struct mrc_error *err);
/** Who chose the kernel that runs; after mrc_blas_kernel_settle. */
const struct mrc_kernel_choice *mrc_blas_kernel_choice(void);

#endif
