/* checkpoint_internal.h: what inference.c asks of checkpoint.c. Not installed. */
#ifndef MRC_MODEL_FILES_CHECKPOINT_INTERNAL_H
#define MRC_MODEL_FILES_CHECKPOINT_INTERNAL_H

#include "model/engine/net.h"
#include "model/files/checkpoint.h"

/** One generator of a checkpoint with its best weights: names, shapes and hash checked. */
enum mrc_status checkpoint_load_generator(mrc_net **out, struct mrc_checkpoint_info *info,
                                          const char *path, enum mrc_cyclegan_net which,
                                          struct mrc_error *err);

#endif
