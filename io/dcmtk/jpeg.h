/* jpeg.h: a look at the tables of JPEG streams (ITU-T T.81) before DCMTK decodes them. Why: DCMTK
 * 3.6.7's lossless decoder takes any byte of a Huffman table for a number of bits and reads beyond
 * its own tables with it. */
#ifndef MRC_IO_DCMTK_JPEG_H
#define MRC_IO_DCMTK_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Images one after the other, as the fragments of a file hold them. MRC_ERR_FORMAT when a segment
 * goes beyond the end, or a table of differences names more than 16 bits. What lies inside the
 * segments otherwise is the decoder's to judge. */
MRC_MUST_CHECK enum mrc_status mrc_jpeg_check(const uint8_t *data, size_t size, const char *name,
                                              struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
