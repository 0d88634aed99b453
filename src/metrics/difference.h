/* difference.h: how far two images lie apart, pixel by pixel. A measure that does not exist (an
 * empty mask, equal images' PSNR) is NaN or infinite, as IEEE arithmetic gives it. */
#ifndef MRC_METRICS_DIFFERENCE_H
#define MRC_METRICS_DIFFERENCE_H

#include "base/export.h"
#include "metrics/plane.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Mean of |image - truth|. */
MRC_API double mrc_mae(const struct mrc_pair *pair);
/** Mean of (image - truth)^2. */
MRC_API double mrc_mse(const struct mrc_pair *pair);
/** 10 log10(1 / MSE) in dB, of the range 1; infinite for equal images. */
MRC_API double mrc_psnr(const struct mrc_pair *pair);
/** (H(image) + H(truth)) / H(image, truth), 1 … 2, over a joint histogram of 100 x 100 bins that
 * spans either image's own range: Studholme, Hill, Hawkes: "An overlap invariant entropy measure of
 * 3D medical image alignment" (Pattern Recognition 1999), as scikit-image has it. 1 where an image
 * is constant. */
MRC_API double mrc_nmi(const struct mrc_pair *pair);
/** Mean gradient magnitude (central differences) of the image over that of the truth: 1 equally
 * sharp, less when smoothed. Pixels whose four neighbours count too. NaN when the truth is flat. */
MRC_API double mrc_edge_sharpness(const struct mrc_pair *pair);

/** Mean |a[k+1] - a[k]| over mean |t[k+1] - t[k]| of two stacks [count][plane]: 1 when slices
 * follow each other as in the truth, more when they jump. `mask` as in mrc_pair, for the whole
 * stack; a step counts when both its pixels do. NaN for a single slice. */
MRC_API double mrc_slice_consistency(const float *image, const float *truth,
                                     const unsigned char *mask, int64_t count, int64_t plane);

#ifdef __cplusplus
}
#endif
#endif
