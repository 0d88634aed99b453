/* bridge.h: the C face of DCMTK, and the only way to it. One file is one data set; its elements are
 * asked for by tag. Behind it lies the only C++ of the tree: every exception and every OFCondition
 * becomes a status here. */
#ifndef MRC_IO_DCMTK_BRIDGE_H
#define MRC_IO_DCMTK_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A tag as one number: MRC_TAG(0x0008, 0x0060). */
#define MRC_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

typedef struct mrc_dcmtk_file mrc_dcmtk_file; /* handle: a data set, read from a file or new */
typedef struct mrc_dcmtk_item
    mrc_dcmtk_item; /* a data set or an item of a sequence; belongs to its file */

/** Loads the dictionary and the codecs, once a process: before children are confined (base/confine.h),
 * who could not read them any more. */
void mrc_dcmtk_prepare(void);

/** "3.6.7". */
const char *mrc_dcmtk_version(void);

/** Is this the beginning of a DICOM file, with or without the Part 10 preamble? Strict and silent.
 */
bool mrc_dcmtk_probe(const unsigned char *head, size_t head_bytes);

/** Reads a file's header: everything before the pixels. Structure, nesting (at most 64) and
 * truncation are checked by our own walk before DCMTK sees a byte. Fails with MRC_ERR_IO, _FORMAT
 * or _RANGE. Thread-safe. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_open(mrc_dcmtk_file **out, const char *path,
                                              struct mrc_error *err);
/** The same of the elements up to and including the tag `until`, and no byte further: that takes
 * little memory, whatever comes behind. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_open_beginning(mrc_dcmtk_file **out, const char *path,
                                                        uint32_t until, struct mrc_error *err);
/** An empty data set. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_create(mrc_dcmtk_file **out, struct mrc_error *err);
/** NULL is fine. */
void mrc_dcmtk_close(mrc_dcmtk_file *file);

mrc_dcmtk_item *mrc_dcmtk_root(mrc_dcmtk_file *file);
/** UID of the encoding; of a headerless file the one its bytes show. "" for a new data set. */
const char *mrc_dcmtk_transfer_syntax(const mrc_dcmtk_file *file);
/** Has it pixels: PixelData (7FE0,0010), or floating-point ones (7FE0,0008), (7FE0,0009)? */
bool mrc_dcmtk_has_pixels(const mrc_dcmtk_file *file);
/** Does its transfer syntax say that they lie on a server (JPIP)? */
bool mrc_dcmtk_pixels_are_elsewhere(const mrc_dcmtk_file *file);

/* --- Asking. Absent and empty are the same: false, 0 or NULL, and so is a value of which neither
 * the file nor the dictionary says what it is. Elements of VR UN are what the dictionary has them
 * as, in implicit little endian (PS3.5 6.2.2). --- */

/** Number of values of an element, of items of a sequence. */
size_t mrc_dcmtk_count(mrc_dcmtk_item *item, uint32_t tag);
/** Value `index` of an element as text without padding, cut to capacity-1 bytes; "" and false where
 * there is none. Bytes are those of the file, in its character set. Binary numbers are printed. */
bool mrc_dcmtk_text(char *out, size_t capacity, mrc_dcmtk_item *item, uint32_t tag, size_t index);
/** All values of a text element as they stand, joined by backslashes. The bytes belong to the file.
 */
const char *mrc_dcmtk_raw(mrc_dcmtk_item *item, uint32_t tag, size_t *bytes);
/** Value `index` as a finite number; false where there is none or it is not one. */
bool mrc_dcmtk_number(double *out, mrc_dcmtk_item *item, uint32_t tag, size_t index);
bool mrc_dcmtk_integer(int64_t *out, mrc_dcmtk_item *item, uint32_t tag, size_t index);
/** Is the element there at all, be it empty? */
bool mrc_dcmtk_has(mrc_dcmtk_item *item, uint32_t tag);
mrc_dcmtk_item *mrc_dcmtk_child(mrc_dcmtk_item *item, uint32_t sequence, size_t index);
/** The first value of (group,bbee) where `bb` is a block, wherever it lies, that `creator` has
 * reserved in (group,00bb) (PS3.5 7.8.1), and `ee` is `element`. */
bool mrc_dcmtk_private_text(char *out, size_t capacity, mrc_dcmtk_item *item, uint16_t group,
                            const char *creator, uint8_t element);
/** The same as a finite number. `vr`, of IS, DS, US, SS, UL, SL, FL, FD, is what it is where the
 * file says UN or OB of it. */
bool mrc_dcmtk_private_number(double *out, mrc_dcmtk_item *item, uint16_t group,
                              const char *creator, uint8_t element, const char *vr);
/** Name of a UID for messages ("CTImageStorage"), or NULL. The text is static. */
const char *mrc_dcmtk_uid_name(const char *uid);

/* --- Pixels --- */

/** Decoded stored values of one frame, in this machine's byte order, and how they lie in their
 * cells. */
struct mrc_dcmtk_pixels {
    void *bytes; /* mrc_alloc; caller frees */
    size_t size; /* rows * columns * samples * bits_allocated / 8 */
    int64_t rows, columns, samples;
    int64_t bits_allocated, bits_stored, high_bit; /* 8, 16 or 32; 32 or 64 when is_float */
    bool is_signed;
    bool is_float; /* cells are float or double, and the other fields on bits say nothing more */
};
/** Are the pixels whole, and in a transfer syntax that can be decoded? Reads no pixel.
 *  MRC_ERR_FORMAT names the bytes found and expected, MRC_ERR_UNSUPPORTED the syntax and the
 * remedy. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_check_pixels(mrc_dcmtk_file *file, struct mrc_error *err);
/** Reads and decodes a frame, counted from 0: uncompressed in either byte order, deflated, RLE,
 * JPEG (baseline, extended, spectral selection, progressive, lossless), JPEG-LS, JPEG 2000. Frames
 * of one file are best read one after the other from one handle, which keeps what it decoded. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_read_frame(struct mrc_dcmtk_pixels *out,
                                                    mrc_dcmtk_file *file, size_t frame,
                                                    struct mrc_error *err);

/* --- Writing. `vr` is two letters, or NULL for the dictionary's. An element that is there is
 * replaced. --- */

/** Text, or a binary number in decimal; "" writes an empty element. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_put(mrc_dcmtk_item *item, uint32_t tag, const char *vr,
                                             const char *text, struct mrc_error *err);
/** Pixels as 16-bit words (VR OW). */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_put_words(mrc_dcmtk_item *item, uint32_t tag,
                                                   const uint16_t *words, size_t count,
                                                   struct mrc_error *err);
/** Copies an element byte by byte; private elements inside a sequence are left out. Absent in
 * `from`: nothing happens. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_copy(mrc_dcmtk_item *to, mrc_dcmtk_item *from,
                                              uint32_t tag, struct mrc_error *err);
/** The same, if the values of a text are as PS3.5 wants them, by form and length; of a sequence
 * those items whose texts are so. A code that is too long for CodeValue moves to LongCodeValue. A
 * sequence without such items is not copied. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_copy_valid(mrc_dcmtk_item *to, mrc_dcmtk_item *from,
                                                    uint32_t tag, struct mrc_error *err);
/** A new empty item at the end of a sequence, which is made when absent. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_append(mrc_dcmtk_item **out, mrc_dcmtk_item *item,
                                                uint32_t sequence, struct mrc_error *err);
/** The whole Part 10 file as bytes: explicit VR little endian, lengths explicit, group 2 from the
 * SOP UIDs. *out is the caller's (mrc_free). The same data set gives the same bytes. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_encode(unsigned char **out, size_t *size,
                                                mrc_dcmtk_file *file, struct mrc_error *err);

/* --- Rewriting --- */

/** Is it an element of binary numbers (US, SS, UL, SL, FL, FD) or tags, whose bytes can be nothing
 * else? */
bool mrc_dcmtk_is_binary_number(mrc_dcmtk_item *item, uint32_t tag);
/** Has the element this value representation, such as "FD"? */
bool mrc_dcmtk_has_vr(mrc_dcmtk_item *item, uint32_t tag, const char *vr);
/** As mrc_dcmtk_encode, with the PixelData of another file, whose pixels must be whole: compressed
 * ones byte by byte in their transfer syntax, others as explicit VR little endian. The data set
 * must hold what describes them, and no element behind them. */
MRC_MUST_CHECK enum mrc_status mrc_dcmtk_encode_around(unsigned char **out, size_t *size,
                                                       mrc_dcmtk_file *file,
                                                       mrc_dcmtk_file *pixels_of,
                                                       struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
