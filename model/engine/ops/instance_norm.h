/* instance_norm.h: the vectors that instance norm computes in. */
#ifndef MRC_MODEL_ENGINE_OPS_INSTANCE_NORM_H
#define MRC_MODEL_ENGINE_OPS_INSTANCE_NORM_H

#include "model/engine/ops/winograd.h"

/** For tests: from now on in these vectors, MRC_WINOGRAD_BEST: the widest there are. False: this
 * processor has none of them, and nothing changes. */
bool mrc_instance_norm_force(enum mrc_winograd_lanes lanes);

#endif
