/* conv_flipped.h: how tests make conv_flipped.c do what it would not choose. */
#ifndef MRC_MODEL_OPS_CONV_FLIPPED_H
#define MRC_MODEL_OPS_CONV_FLIPPED_H

#include "model/ops/winograd.h"

/** From now on in vectors of these lanes. Where the processor has none of them, it uses the
 * portable ones. */
void mrc_conv_flipped_force(enum mrc_winograd_lanes lanes);

#endif
