/* codestream.h: compressed pictures with nothing in them but what the picture is made of: comments,
 * application segments and what stands behind the end are left out, samples stay bit by bit.
 * ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000), PS3.5 annex G (RLE). */
#ifndef MRC_IO_DCMTK_CODESTREAM_H
#define MRC_IO_DCMTK_CODESTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_codestream {
    MRC_CODESTREAM_NONE, /* of no kind that is known here */
    MRC_CODESTREAM_JPEG,
    MRC_CODESTREAM_JPEG_LS,
    MRC_CODESTREAM_JPEG2000,
    MRC_CODESTREAM_RLE
};
/** Of a transfer syntax's UID. */
enum mrc_codestream mrc_codestream_of(const char *transfer_syntax);

/** Strips one frame's stream. *out (mrc_alloc, the caller's) has at most count + 32 bytes. Of RLE,
 * `plane_bytes` is the number of samples of a frame; of others it is not used. *precision: bits a
 * sample as the stream has them; 0: it does not say (RLE). Segments that are not known, or hold
 * more than they may, and streams without an end are MRC_ERR_FORMAT. `name` begins messages. */
enum mrc_status mrc_codestream_strip(unsigned char **out, size_t *size, int *precision,
                                     enum mrc_codestream kind, const uint8_t *bytes, size_t count,
                                     size_t plane_bytes, const char *name, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
