/* png_codec.h: one greyscale PNG between bytes and pixels. The only place that includes libpng and
 * its long jumps. */
#ifndef MRC_IO_PNG_PNG_CODEC_H
#define MRC_IO_PNG_PNG_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

struct mrc_png_facts {
    int64_t columns, rows;
    int bit_depth;  /* 8 or 16 */
    bool synthetic; /* a text chunk SyntheticData says YES (before the pixels) */
};

/** Is this the signature of a PNG? */
bool mrc_png_probe_bytes(const unsigned char *data, size_t size);
/** Reads what stands before the pixels. Greyscale of 8 or 16 bits without transparency, sides of 1
 * … 4096; colour, palette and other depths are MRC_ERR_UNSUPPORTED, broken chunks MRC_ERR_FORMAT.
 * `name` is what messages call the file. */
enum mrc_status mrc_png_inspect(struct mrc_png_facts *out, const unsigned char *data, size_t size,
                                const char *name, struct mrc_error *err);
/** Reads a whole picture: pixels [rows][columns], the stored values 0 … 2^depth - 1 as floats, into
 * the caller's buffer, which is made for *expected; a file of another size or depth is
 * MRC_ERR_FORMAT. */
enum mrc_status mrc_png_decode(float *pixels, const struct mrc_png_facts *expected,
                               const unsigned char *data, size_t size, const char *name,
                               struct mrc_error *err);

/** Key and value of a text chunk; ASCII. */
struct mrc_png_text {
    const char *key, *value;
};
/** Writes pixels [rows][columns] in [0,1] (clamped, NaN as 0) as 8 or 16 bits. A write that fails
 * shows in the stream's error flag too. */
enum mrc_status mrc_png_encode(FILE *stream, const float *pixels, int64_t columns, int64_t rows,
                               int bit_depth, const struct mrc_png_text *texts, size_t text_count,
                               const char *name, struct mrc_error *err);

const char *mrc_png_version(void);
const char *mrc_png_zlib_version(void); /* of the library that unpacks pictures and NIfTI files */

#endif
