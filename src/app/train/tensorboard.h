/* tensorboard.h: an event file that TensorBoard shows: scalars and pictures over steps.
 *
 * Source of the format: TensorFlow's tfrecord framing (length, masked CRC-32C, bytes, masked
 * CRC-32C; all little endian) around tensorflow/core/util/event.proto and summary.proto. The file
 * only grows, so that TensorBoard can follow it while training goes on; what a crash leaves
 * half-written at its end is cut off at the next opening. */
#ifndef MRC_APP_TRAIN_TENSORBOARD_H
#define MRC_APP_TRAIN_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct mrc_tensorboard mrc_tensorboard;

/** Opens `path` for appending. Of a file that is there, the whole records of steps up to
 * `last_step` stay and the rest goes: a run that goes on from an older checkpoint tells each step
 * once. MRC_ERR_FORMAT when it is no event file. */
enum mrc_status mrc_tensorboard_open(mrc_tensorboard **out, const char *path, int64_t last_step,
                                     struct mrc_error *err);
/** What goes wrong in writing is kept and told by flush. `seconds` since 1970, as TensorBoard's
 * relative time wants. */
void mrc_tensorboard_scalar(mrc_tensorboard *board, int64_t step, double seconds, const char *tag,
                            double value);
/** A PNG of width x height pixels in grey or colour. */
void mrc_tensorboard_picture(mrc_tensorboard *board, int64_t step, double seconds, const char *tag,
                             const unsigned char *png, size_t size, int64_t width, int64_t height);
/** All so far is in the file. MRC_ERR_IO when it cannot be written. */
enum mrc_status mrc_tensorboard_flush(mrc_tensorboard *board, struct mrc_error *err);
/** Closes; NULL is fine. */
void mrc_tensorboard_close(mrc_tensorboard *board);

#endif
