/* apart.h: loading in a child process with limits (base/isolate.h), for formats whose reader has
 * the file's bytes in its hands: whatever they do to it, the caller gets a volume or one line. */
#ifndef MRC_IO_APART_H
#define MRC_IO_APART_H

#include "io/image.h"

/** format->load, in a child; the volume is sent home in pieces. A reader that crashes, or takes too
 * long or too much memory, is an error that names the first file. The provenance must have no
 * `frames`. */
enum mrc_status mrc_load_apart(mrc_volume **out, const struct mrc_format *format,
                               const struct mrc_image_file *const *files, size_t count,
                               const struct mrc_image_options *options, struct mrc_error *err);

#endif
