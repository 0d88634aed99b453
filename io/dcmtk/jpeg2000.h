/* jpeg2000.h: JPEG 2000 (ISO 15444-1), which DCMTK does not decode, by OpenJPEG. */
#ifndef MRC_IO_DCMTK_JPEG2000_H
#define MRC_IO_DCMTK_JPEG2000_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/dcmtk/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Decodes one image, a bare codestream or one in a JP2 file, into `layout->bytes` of layout->size,
 * which the caller gives. Its size and its one component must be what *layout says, else
 * MRC_ERR_FORMAT. The stream knows its own precision: where that is less than BitsStored,
 * bits_stored and high_bit are set to it. Its sign is not believed, PixelRepresentation is:
 * encoders contradict it, and the bits are the same. */
MRC_MUST_CHECK enum mrc_status mrc_jpeg2000_decode(struct mrc_dcmtk_pixels *layout,
                                                   const uint8_t *data, size_t size,
                                                   const char *name, struct mrc_error *err);

const char *mrc_jpeg2000_version(void);

#ifdef __cplusplus
}
#endif
#endif
