/* distribution.h: how far two sets of images lie apart, from features of each: no pairs are needed.
 * A table of features is [count][features], row-major, one row an image. */
#ifndef MRC_METRICS_DISTRIBUTION_H
#define MRC_METRICS_DISTRIBUTION_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_features {
    const double *values;
    size_t count, features;
};

/** Frechet distance of the normal distributions with the sets' means and sample covariances (n -
 * 1): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))   (Dowson, Landau, J. Multivariate Analysis
 * 1982). The FID of Heusel et al. (NeurIPS 2017) where the features are Inception's; otherwise call
 * it by its features' name. The root's trace comes from eigenvalues of C1^(1/2) C2 C1^(1/2), so
 * singular covariances are fine. Biased upward for few images. Either set needs two rows, else
 * *distance is NaN. MRC_ERR_NOMEM; MRC_ERR_NUMERIC when a value is not finite. */
MRC_STATUS mrc_frechet_distance(double *distance, const struct mrc_features *a,
                                const struct mrc_features *b, struct mrc_error *err);

/** Kernel distance: the unbiased estimate of MMD^2 with the kernel (x.y / features + 1)^3 over all
 * rows (Binkowski, Sutherland, Arbel, Gretton: "Demystifying MMD GANs", ICLR 2018; KID where the
 * features are Inception's). May be a little below 0. NaN with fewer than two rows. Cannot fail. */
MRC_API double mrc_kernel_distance(const struct mrc_features *a, const struct mrc_features *b);

/** Replaces values [count][features] by (v - mean) / deviation, with the means and deviations of
 * the columns of `reference`; a column constant there becomes v - mean. MRC_ERR_NOMEM. */
MRC_STATUS mrc_features_standardise(double *values, size_t count,
                                    const struct mrc_features *reference, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
