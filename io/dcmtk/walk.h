/* walk.h: a bounded walk over the elements of a DICOM file, in front of DCMTK.
 * Why: DCMTK 3.6.7 recurses without a limit into nested sequences (10 000 levels overflow its
 * stack). The walk needs no stack and no dictionary; it finds the encoding, the depth and the place
 * of the pixels, and reads no more of a file than its header. PS3.5 sections 7 (elements,
 * sequences) and A.4 (encapsulated pixels), PS3.10 section 7 (file). */
#ifndef MRC_IO_DCMTK_WALK_H
#define MRC_IO_DCMTK_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MRC_WALK_MAX_DEPTH = 64,
    MRC_WALK_MAX_ELEMENTS = 100000,
    MRC_WALK_UID_TEXT = 65,
};
#define MRC_WALK_UNDEFINED UINT64_MAX /* a length given by a delimiter */

enum mrc_walk_encoding { MRC_WALK_IMPLICIT_LE, MRC_WALK_EXPLICIT_LE, MRC_WALK_EXPLICIT_BE };

/** Where the parts of a file lie, as offsets from its first byte. */
struct mrc_walk {
    char transfer_syntax[MRC_WALK_UID_TEXT]; /* of a headerless data set: the one its bytes look
                                                like */
    enum mrc_walk_encoding encoding;         /* of the data set; after inflation when deflated */
    bool deflated, encapsulated;
    size_t dataset_at; /* first byte of the data set (deflated: of the compressed stream) */
    uint32_t until; /* set by the caller between the two walks: group << 16 | element beyond which
                       the data set is not looked at; 0: up to the pixels */
    size_t header_end; /* end of the elements before the pixels, or up to `until` */
    bool has_unknown;  /* an element before them has the value representation UN */
    bool has_pixels;
    uint16_t pixel_element; /* 0x0010, or 0x0008, 0x0009 for floating point */
    bool pixels_are_bytes;  /* OB: a stream of bytes, which has no byte order (PS3.5 6.2) */
    size_t pixels_at;       /* first byte of their value */
    uint64_t pixels_bytes;  /* MRC_WALK_UNDEFINED: fragments */
};

/** Silent test of a file's first bytes: is this DICOM, with or without the Part 10 preamble? */
bool mrc_walk_probe(const uint8_t *bytes, size_t size);

/** The file's first part: preamble, group 2, transfer syntax. Sets everything up to dataset_at.
 *  `bytes` holds the first `size` bytes of a file of `file_bytes`. When more bytes are needed to
 * tell, *more is set and the status is MRC_OK. `name` is what messages call the file. */
enum mrc_status mrc_walk_meta(struct mrc_walk *out, bool *more, const uint8_t *bytes, size_t size,
                              uint64_t file_bytes, const char *name, struct mrc_error *err);
/** The data set from dataset_at to the pixels or the end, same rules. Broken structure, an
 * encoding other than the transfer syntax says, and a file that ends inside an element are MRC_ERR_FORMAT; nesting or element counts beyond the limits
 * MRC_ERR_RANGE. */
enum mrc_status mrc_walk_dataset(struct mrc_walk *out, bool *more, const uint8_t *bytes,
                                 size_t size, uint64_t file_bytes, const char *name,
                                 struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
