/* conv_flipped.h: the mirror image of a convolution with stride 1, whose adjoint it is; and how
 * tests make conv_flipped.c do what it would not choose. */
#ifndef MRC_MODEL_ENGINE_OPS_CONV_FLIPPED_H
#define MRC_MODEL_ENGINE_OPS_CONV_FLIPPED_H

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/winograd.h"

/** The convolution from the out side to the in side with the kernel mirrored and padding k - 1 -
 * pad. Stride 1, pad < k. */
struct mrc_conv mrc_conv_mirror(const struct mrc_conv *c);
/** Its weights [taps, backwards][cout][cin], of weight [taps][cin][cout]. */
void mrc_conv_mirror_weights(float *to, const float *weight, const struct mrc_conv *c);

/** From now on in vectors of these lanes. Where the processor has none of them, it uses the
 * portable ones. */
void mrc_conv_flipped_force(enum mrc_winograd_lanes lanes);

#endif
