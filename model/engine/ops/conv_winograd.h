/* conv_winograd.h: how tests make conv_winograd.c do what it would not choose. */
#ifndef MRC_MODEL_ENGINE_OPS_CONV_WINOGRAD_H
#define MRC_MODEL_ENGINE_OPS_CONV_WINOGRAD_H

#include "model/engine/ops/winograd.h"

/** From now on tiles of outputs x outputs (2 or 4; 0: its own choice) and kernels of these lanes.
 * Not while a plan made before is in use: its scratch was measured for another choice. */
void mrc_conv_winograd_force(int outputs, enum mrc_winograd_lanes lanes);

#endif
