/* augment.h: random changes that a scanner or a patient could have made. */
#ifndef MRC_MODEL_GAN_AUGMENT_H
#define MRC_MODEL_GAN_AUGMENT_H

#include <stdint.h>

#include "base/export.h"
#include "base/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The largest change of each kind; what is done to a slice is drawn evenly up to it. 0: none; a
 * resolution of 1 too. */
struct mrc_augmentation {
    double rotate;     /* degrees, either way */
    double zoom;       /* grows or shrinks by a factor of up to 1 + zoom */
    double shift;      /* part of the side, along either axis, either way */
    double resolution; /* times as coarse, at least 1 */
    double bias;       /* strength of a smooth field b of second order, |log b| up to about this */
    double noise;      /* standard deviation of Rician noise (Gudbjartsson, Patz, Magn. Reson. Med.
                          1995), of the range */
};
#define MRC_AUGMENTATION_NONE                                                                      \
    { .resolution = 1.0 }

/** Changes slice [size][size][channels] in [0,1] in place, all channels alike but for the noise; it
 * stays in [0,1], 0 comes in at the borders. spare: as large as the slice. The first 10 draws are
 * the same whatever is switched on. Rotation, zoom, shift and resolution are drawn from `shape`, so
 * that two slices with equal ones still lie on each other; it may be `rng` itself. */
MRC_API void mrc_augment(float *slice, float *spare, int64_t size, int64_t channels,
                         const struct mrc_augmentation *most, struct mrc_rng *rng,
                         struct mrc_rng *shape);

#ifdef __cplusplus
}
#endif
#endif
