/* npy.h: a table of numbers from NumPy's format. */
#ifndef MRC_APP_EVALUATE_NPY_H
#define MRC_APP_EVALUATE_NPY_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** values [rows][columns] of a .npy file (versions 1 and 2) with float32 or float64 of either byte
 * order, two-dimensional, C order; the caller's (mrc_free). MRC_ERR_FORMAT says what was found. */
MRC_MUST_CHECK enum mrc_status mrc_npy_load(double **values, size_t *rows, size_t *columns,
                                            const char *path, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
