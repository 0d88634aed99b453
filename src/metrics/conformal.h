/* conformal.h: how far translated images lie from the truth, as a bound that holds for the next head.
 * Split conformal prediction (Papadopoulos et al., "Inductive confidence machines for regression",
 * ECML 2002; Angelopoulos, Bates: "A gentle introduction to conformal prediction", 2021) with one
 * figure a head: heads can be exchanged with each other, voxels cannot. */
#ifndef MRC_METRICS_CONFORMAL_H
#define MRC_METRICS_CONFORMAL_H

#include <stddef.h>

#include "base/export.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** *error: the value that `part` (0 … 1) of the voxels inside `mask` [n] do not exceed of |a image +
 * b - truth|, with a and b fitted by least squares, in parts of the truth's range of grey values
 * there (from the 0.5th to the 99.5th percentile). Units of neither image matter. NaN for an empty
 * mask and a flat truth. MRC_ERR_NOMEM. */
MRC_STATUS mrc_fitted_error(double *error, const float *image, const float *truth,
                            const unsigned char *mask, size_t n, double part,
                            struct mrc_error *err);

/** The bound that another head of the same kind keeps with a probability of at least `coverage`: the
 * ceil((count + 1) coverage)-th smallest of the errors of `count` heads. NaN when they are too few
 * for one. */
MRC_API double mrc_conformal_bound(const double *errors, size_t count, double coverage);
/** How many heads that takes at least. */
MRC_API size_t mrc_conformal_needed(double coverage);

#ifdef __cplusplus
}
#endif
#endif
