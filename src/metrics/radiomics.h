/* radiomics.h: what a slice looks like, in numbers that do not ask where: the grey values, how they
 * lie beside each other, edges, small patterns, and energy by scale. After the families of
 * Zwanenburg et al.: "The Image Biomarker Standardization Initiative" (Radiology 2020). */
#ifndef MRC_METRICS_RADIOMICS_H
#define MRC_METRICS_RADIOMICS_H

#include "base/status.h"
#include "metrics/plane.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MRC_RADIOMIC_FIRST_ORDER = 13,  /* mean, deviation, skewness, excess kurtosis, percentiles 10 25
                                       50  75 90, quartile range, mean absolute deviation, entropy
                                       and  uniformity of 32 grey levels of [0,1] */
    MRC_RADIOMIC_COOCCURRENCE = 12, /* contrast, dissimilarity, homogeneity, energy, correlation,
                                       entropy of 16 levels at distances 1 and 2, over four
                                       directions (Haralick, Shanmugam, Dinstein, IEEE SMC 1973) */
    MRC_RADIOMIC_GRADIENT = 4,      /* of its magnitude: mean, deviation, percentiles 50 and 90 */
    MRC_RADIOMIC_PATTERN = 10, /* rotation-invariant uniform local binary patterns of 8 neighbours
                                  (Ojala, Pietikainen, Maenpaa, IEEE PAMI 2002) */
    MRC_RADIOMIC_WAVELET = 9,  /* log mean energy of the Haar bands LH, HL, HH at 3 scales */
    MRC_RADIOMIC_FEATURES = MRC_RADIOMIC_FIRST_ORDER + MRC_RADIOMIC_COOCCURRENCE +
                            MRC_RADIOMIC_GRADIENT + MRC_RADIOMIC_PATTERN + MRC_RADIOMIC_WAVELET
};

/** out [MRC_RADIOMIC_FEATURES] of image [rows][columns] in [0,1] inside the mask (NULL: the whole
 * image); wavelets are of the whole image, 0 outside the mask. All finite, 0 for what is undefined.
 * The Frechet distance of these, standardised by the real images, is called RFD, and is not FID.
 * MRC_ERR_NOMEM. */
MRC_STATUS mrc_radiomic_features(double *out, const float *image, int64_t rows, int64_t columns,
                                 const unsigned char *mask, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
