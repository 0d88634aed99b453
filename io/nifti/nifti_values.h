/* nifti_values.h: what the values of a volume tell of it: a label map, a map of probabilities,
 * background that is no number. Looked at as they are read, a portion at a time. Private to the
 * package io. */
#ifndef MRC_IO_NIFTI_VALUES_H
#define MRC_IO_NIFTI_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Starts as MRC_NIFTI_VALUES_NONE. */
struct mrc_nifti_values {
    int64_t count, nonfinite;
    int64_t inside;      /* values that are numbers and not 0 */
    int64_t pairs, same; /* neighbours inside, along the rows; and those of one value */
    int64_t full;        /* values of .98 and more */
    float lo, hi, last;
    bool integers;
};
#define MRC_NIFTI_VALUES_NONE                                                                      \
    { .lo = 1.0f, .hi = 0.0f, .integers = true }

/** Values that follow those before, in the order of the file. */
void mrc_nifti_values_see(struct mrc_nifti_values *seen, const float *values, size_t count);
/** Why a whole volume of such values is no image, in words; NULL: it may be one. */
const char *mrc_nifti_values_objection(const struct mrc_nifti_values *seen);
/** What stands for a value that is no number: no signal. */
float mrc_nifti_values_background(const struct mrc_nifti_values *seen);

#endif
