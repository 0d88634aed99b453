/* similarity.h: structural similarity. */
#ifndef MRC_METRICS_SIMILARITY_H
#define MRC_METRICS_SIMILARITY_H

#include "base/status.h"
#include "metrics/plane.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_SSIM_WINDOW = 11, MRC_MS_SSIM_SCALES = 5 };

/** Mean SSIM with the settings of Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from
 * error visibility to structural similarity" (IEEE TIP 2004): Gaussian window of 11 pixels and
 * sigma 1.5, K1 0.01, K2 0.03, range 1, population covariance. Equal to scikit-image's
 * structural_similarity(data_range=1, gaussian_weights=True, sigma=1.5,
 * use_sample_covariance=False): the mean is over the pixels whose window lies in the image. Those
 * of the mask where there is one; their windows may reach beyond it. *ssim is NaN when the image is
 * smaller than the window or no pixel counts. MRC_ERR_NOMEM. */
MRC_STATUS mrc_ssim(double *ssim, const struct mrc_pair *pair, struct mrc_error *err);

/** Five scales with the weights .0448, .2856, .3001, .2363, .1333 of Wang, Simoncelli, Bovik:
 * "Multiscale structural similarity for image quality assessment" (Asilomar 2003); halved by the
 * mean of 2x2 pixels; a negative factor counts as 0. The mask is not used. *ms_ssim is NaN for a
 * side below 176 pixels, where the coarsest scale is smaller than the window. MRC_ERR_NOMEM. */
MRC_STATUS mrc_ms_ssim(double *ms_ssim, const struct mrc_pair *pair, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
