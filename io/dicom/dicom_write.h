/* dicom_write.h: what the writers of DICOM series share. Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_WRITE_H
#define MRC_IO_DICOM_DICOM_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "io/dcmtk/bridge.h"
#include "io/volume.h"

/* The words by which people tell a synthetic series. They are this program's, not a human's, and so
 * stay when a series is de-identified. */
#define MRC_DICOM_SYNTHETIC_COMMENT "Synthetic (AI), not acquired, not for diagnosis"
#define MRC_DICOM_SYNTHETIC_SERIES(to, from)                                                       \
    "SYNTH " to " from " from " (AI, not acquired, not for diagnosis)"
#define MRC_DICOM_ERROR_SERIES(to)   "SYNTH " to " cycle error (AI, not for diagnosis)"
#define MRC_DICOM_CAPTURE_SERIES(to) "SYNTH " to " report (AI, not for diagnosis)"
#define MRC_DICOM_SYNTHETIC_TYPE     "SYNTH_" /* in ImageType, before the contrast */
#define MRC_DICOM_PROGRAM            "mrcycle"

/** A data set being filled. The first failure stays in `st` and later calls do nothing, so it is
 * asked once at the end. */
struct mrc_dicom_draft {
    mrc_dcmtk_item *item;
    enum mrc_status st;
    struct mrc_error *err;
};
void mrc_dicom_draft_text(struct mrc_dicom_draft *d, uint32_t tag, const char *text);
/** With the VR named: for what the dictionary does not know or leaves open. */
void mrc_dicom_draft_text_as(struct mrc_dicom_draft *d, uint32_t tag, const char *vr,
                             const char *text);
void mrc_dicom_draft_number(struct mrc_dicom_draft *d, uint32_t tag, double value);
void mrc_dicom_draft_integer(struct mrc_dicom_draft *d, uint32_t tag, int64_t value);
void mrc_dicom_draft_copy(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, uint32_t tag);
void mrc_dicom_draft_copy_valid(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, uint32_t tag);
/** A draft of a new item of the sequence. Its failures are the parent's only after
 * mrc_dicom_draft_join. */
struct mrc_dicom_draft mrc_dicom_draft_item(struct mrc_dicom_draft *d, uint32_t sequence);
void mrc_dicom_draft_join(struct mrc_dicom_draft *d, const struct mrc_dicom_draft *item);
/** A code sequence of one item: value, scheme DCM, meaning. */
void mrc_dicom_draft_code(struct mrc_dicom_draft *d, uint32_t sequence, const char *value,
                          const char *meaning);

/** How a volume's slices become files: matrix in LPS, and the order of increasing position along
 * the normal. */
struct mrc_dicom_grid {
    struct mrc_extent extent;
    double index_to_lps_mm[3][4];
    double spacing_mm[3]; /* between columns (i), between rows (j), along the normal */
    bool reversed;        /* file n holds slice extent.k - 1 - n */
};
/** MRC_ERR_UNSUPPORTED when the axes are not orthogonal to `max_sine`: DICOM cannot say so. */
enum mrc_status mrc_dicom_grid_of(struct mrc_dicom_grid *out, const mrc_volume *vol,
                                  double max_sine, struct mrc_error *err);
int64_t mrc_dicom_grid_slice(const struct mrc_dicom_grid *grid, int64_t file);
void mrc_dicom_grid_position(double lps_mm[3], const struct mrc_dicom_grid *grid, int64_t slice);
/** Position along the normal in mm (SliceLocation). */
double mrc_dicom_grid_location(const struct mrc_dicom_grid *grid, int64_t slice);

enum { MRC_DICOM_DS_TEXT = 17, MRC_DICOM_LINE = 160 };
/** Numbers as one DS value each, joined by backslashes, into out[MRC_DICOM_LINE]; count <= 6. */
void mrc_dicom_print_numbers(char out[MRC_DICOM_LINE], const double *values, size_t count);

/** The rows of pixels every series has: 16 bits allocated, unsigned, `bits` stored; smallest and
 * largest value. */
void mrc_dicom_draft_pixels(struct mrc_dicom_draft *d, const uint16_t *pixels,
                            struct mrc_extent extent, int bits);
/** SyntheticData (0008,001C) YES; younger than DCMTK's dictionary. */
void mrc_dicom_draft_synthetic(struct mrc_dicom_draft *d);
/** "YYYYMMDD" and "hhmmss" of "YYYYMMDDhhmmss". MRC_ERR_ARGUMENT unless 14 digits. */
enum mrc_status mrc_dicom_split_time(char date[9], char time[7], const char *stamp,
                                     struct mrc_error *err);
/** Encodes the data set and writes it to dir/IM0001.dcm (number 0) … A file that cannot be written
 * is removed. */
enum mrc_status mrc_dicom_write_file(mrc_dcmtk_file *file, const char *dir, int64_t number,
                                     struct mrc_error *err);
/** Makes sure that the first `count` files are on the disk. Once for all is cheap, after each file
 * it is not. */
enum mrc_status mrc_dicom_sync_files(const char *dir, int64_t count, struct mrc_error *err);

#endif
