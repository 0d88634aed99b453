/* artefacts.h: what may go wrong with generated images, found without their true counterparts. */
#ifndef MRC_METRICS_ARTEFACTS_H
#define MRC_METRICS_ARTEFACTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Strength of patterns that repeat every 2 or 4 pixels, as transposed convolutions leave them
 * (Odena, Dumoulin, Olah: "Deconvolution and checkerboard artifacts", Distill 2016): of the
 * amplitudes of (-1)^x, (-1)^y, (-1)^(x+y), i^x and i^y in a tile of 8x8 pixels the largest, mean
 * over the tiles. Edges count as well, so compare with real images. 0 when no tile fits. */
MRC_API double mrc_checkerboard(const float *image, int64_t rows, int64_t columns);

/** Mean absolute difference of two different images of the set [count][pixels], over all pairs: 0
 * when a generator makes the same of everything (mode collapse), or count < 2. */
MRC_API double mrc_variety(const float *images, size_t count, size_t pixels);

/** Pearson's correlation of a and b where mask > threshold; 0 where either is constant. */
MRC_API double mrc_masked_correlation(const float *a, const float *b, const float *mask,
                                      float threshold, size_t n);

#ifdef __cplusplus
}
#endif
#endif
