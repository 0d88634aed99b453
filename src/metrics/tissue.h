/* tissue.h: dark, middle and bright tissue of a head, and how well two images agree on them. */
#ifndef MRC_METRICS_TISSUE_H
#define MRC_METRICS_TISSUE_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_TISSUE_CLASSES = 3 };
/** "dark", "middle", "bright". */
MRC_API const char *mrc_tissue_class_name(int tissue);

/** Three-class k-means of the intensities v[n] where mask[n] is not 0 (NULL: all), begun at the
 * 1/6, 1/2 and 5/6 quantiles and run until nothing moves (Lloyd, IEEE Trans. Inf. Theory 1982; in
 * one dimension, on the sorted values). between[2]: the two intensities that separate the classes,
 * each belonging to the brighter. MRC_ERR_NOMEM; NaN when nothing counts. */
MRC_STATUS mrc_tissue_thresholds(double between[MRC_TISSUE_CLASSES - 1], const float *v, size_t n,
                                 const unsigned char *mask, struct mrc_error *err);

/** Of the classes of two images of n pixels, either with its own thresholds, over the mask:
 *  dice[t] = 2 |A and T| / (|A| + |T|)   (Dice, Ecology 1945); NaN when the class is in neither;
 *  volume_error[t] = (|A| - |T|) / |T|; NaN when the class is not in the truth. */
struct mrc_tissue_agreement {
    double dice[MRC_TISSUE_CLASSES], volume_error[MRC_TISSUE_CLASSES];
};
MRC_STATUS mrc_tissue_compare(struct mrc_tissue_agreement *out, const float *image,
                              const float *truth, size_t n, const unsigned char *mask,
                              struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
