/* dicom_deidentify_number.h: how many numbers an element may hold, of which kind, and how large.
 * Why: eight bytes of a name are a floating point number as well as any, and a date is a whole one.
 * Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_DEIDENTIFY_NUMBER_H
#define MRC_IO_DICOM_DICOM_DEIDENTIFY_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mrc_deidentify_number {
    uint32_t tag;
    char vr[3];       /* of the standard (PS3.6) */
    int fewest, most; /* values */
    double low, high; /* of each of them */
};
/** NULL: the tag is of no number that may enter. */
const struct mrc_deidentify_number *mrc_deidentify_number_of(uint32_t tag);
/** Is the text a number as DS or IS write one, and within the range? */
bool mrc_deidentify_number_fits(const struct mrc_deidentify_number *bounds, const char *text);
/** Of one that fits and has more characters than DS may have (16): rounded to 10 digits. */
void mrc_deidentify_number_shorten(char *text, size_t capacity,
                                   const struct mrc_deidentify_number *bounds);

#endif
