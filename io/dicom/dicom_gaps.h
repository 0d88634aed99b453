/* dicom_gaps.h: how evenly the slices of a stack lie; one measure for the reader, which refuses or
 * mends, and for the check of what was written. Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_GAPS_H
#define MRC_IO_DICOM_DICOM_GAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MRC_DICOM_EVEN_MM 0.01

struct mrc_dicom_gaps {
    double median_mm;    /* of the gaps */
    double tolerance_mm; /* up to which a gap is like the median */
    double off_grid_mm;  /* the most that a slice lies off the even grid between first and last */
    bool alike;          /* every gap is like the median */
    bool near_grid;      /* every slice is near that grid, as where decimals were cut */
};
/** along_mm[count], count >= 2: positions along the normal, ascending. */
MRC_MUST_CHECK enum mrc_status mrc_dicom_gaps_measure(struct mrc_dicom_gaps *out,
                                                      const double *along_mm, size_t count,
                                                      struct mrc_error *err);

#endif
