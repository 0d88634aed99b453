/* dicom_stack.h: the verdict over the images of one volume. Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_STACK_H
#define MRC_IO_DICOM_DICOM_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "io/dicom/dicom_series.h"

enum { MRC_DICOM_MIN_SLICES = 3 };
#define MRC_DICOM_SAME_POSITION_MM 1e-3

/** The first objection stays. */
MRC_PRINTF(2, 3)
void mrc_dicom_series_object_to(struct mrc_dicom_series *series, const char *fmt, ...);
/** What messages call an image: the file's name, and of a frame its number. */
struct mrc_dicom_name {
    char text[112];
};
struct mrc_dicom_name mrc_dicom_slice_name(const struct mrc_dicom_slice *slice);

/** Objections to single images are objections to the series; damage comes first and names the file.
 */
void mrc_dicom_stack_judge_slices(struct mrc_dicom_series *series);
/** Sorts by position and leaves images out that come twice with the same bytes. */
enum mrc_status mrc_dicom_stack_sort(struct mrc_dicom_series *series, struct mrc_error *err);
/** Of sorted images without objections: one patient, one frame of reference, UIDs unique, positions
 * on an even grid along the normal. Sets the geometry. */
enum mrc_status mrc_dicom_stack_judge(struct mrc_dicom_series *series, struct mrc_error *err);

#endif
