/* dicom_source.h: where the attributes of one image stand. A classic image has them in its data
 * set; a frame of an enhanced one in functional groups, its own or those shared by all (PS3.3
 * C.7.6.16); a frame converted from classic images also among those the conversion could not assign
 * (C.7.6.16.2.25, C.7.6.16.2.26). Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_SOURCE_H
#define MRC_IO_DICOM_DICOM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_slice.h"

struct mrc_dicom_source {
    mrc_dcmtk_item *root;
    mrc_dcmtk_item *own, *shared; /* functional groups; both NULL: a classic image */
};

/** The item in which `tag` has a value: of a frame the macro `sequence` of its own or the shared
 * groups, or the unassigned attributes; else the data set. Never NULL. */
mrc_dcmtk_item *mrc_dicom_source_item(const struct mrc_dicom_source *source, uint32_t sequence,
                                      uint32_t tag);
/** First value as a number, NAN where there is none; as an integer, 0. */
double mrc_dicom_source_number(const struct mrc_dicom_source *source, uint32_t sequence,
                               uint32_t tag);
int64_t mrc_dicom_source_integer(const struct mrc_dicom_source *source, uint32_t sequence,
                                 uint32_t tag);
/** All `count` values; false when there are more, fewer, or such that are no numbers. */
bool mrc_dicom_source_numbers(double *out, size_t count, const struct mrc_dicom_source *source,
                              uint32_t sequence, uint32_t tag);
/** First value as text; "" where there is none. */
void mrc_dicom_source_text(char *out, size_t capacity, const struct mrc_dicom_source *source,
                           uint32_t sequence, uint32_t tag);

/** Are all values of SpecificCharacterSet defined terms (PS3.3 C.12.1.1.2)? False without any. */
bool mrc_dicom_knows_character_set(mrc_dcmtk_item *root);
/** May names be drawn into the pixels? Unless no value of BurnedInAnnotation is other than NO. */
bool mrc_dicom_may_be_burned_in(mrc_dcmtk_item *root);

/** Timing and names, for the contrast. */
void mrc_dicom_read_physics(struct mrc_dicom_physics *out, const struct mrc_dicom_source *source);

/** The first objection to an image stays. */
MRC_PRINTF(2, 3) void mrc_dicom_object_to(struct mrc_dicom_slice *slice, const char *fmt, ...);
/** What can be said of a whole file: SOP class, kind of pixels, their encoding and length. */
void mrc_dicom_judge_file(struct mrc_dicom_slice *slice, mrc_dcmtk_file *file);
/** What ImageType and ComplexImageComponent say: magnitude or not, acquired or computed. */
void mrc_dicom_judge_types(struct mrc_dicom_slice *slice);
/** And of one image: acquired or computed, magnitude or not, by image type and vendor's marks. */
void mrc_dicom_judge_image(struct mrc_dicom_slice *slice, const struct mrc_dicom_source *source);

#endif
