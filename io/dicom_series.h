/* dicom_series.h: files grouped into series, slices in order, and the verdict over each. Private to
 * the package io. */
#ifndef MRC_IO_DICOM_SERIES_H
#define MRC_IO_DICOM_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "io/dicom_slice.h"
#include "io/image.h"

/** Slices of one volume, by increasing position along the normal. */
struct mrc_dicom_series {
    const struct mrc_dicom_slice **slices;
    size_t count, capacity;
    size_t copies; /* files that were left out for having the same bytes as a slice */
    double index_to_lps_mm[3][4]; /* when usable */
    double gap_mm;                /* centre to centre, 0 when not even */
    enum mrc_contrast contrast;
    char contrast_reason[160];
    bool usable; /* apart from the two marks below */
    bool synthetic, derived;
    char reason[300];       /* why not usable, or what the marks say */
    enum mrc_status damage; /* reason tells of damage; MRC_OK: of kind */
};

struct mrc_dicom_refusal {
    const char *path;
    enum mrc_status status; /* MRC_ERR_UNSUPPORTED: sound, but no image; else broken */
    char reason[300];       /* without the path */
};

/** All that a set of files holds. */
struct mrc_dicom_study {
    struct mrc_dicom_slice *slices;
    size_t slice_count;
    struct mrc_dicom_series *series;
    size_t series_count, series_capacity;
    struct mrc_dicom_refusal *refused;
    size_t refused_count;
};

/** Groups the headers that were read of `count` files, and judges. Broken files are refusals, not
 * errors. `files` must outlive *out. */
enum mrc_status mrc_dicom_study_group(struct mrc_dicom_study *out,
                                      const struct mrc_image_file *const *files, size_t count,
                                      struct mrc_error *err);
/** The first file that is broken, so that nobody knows whether a slice is missing; NULL: none is.
 */
const struct mrc_dicom_refusal *mrc_dicom_study_broken(const struct mrc_dicom_study *study);
/** Files that are neither slices of `series` nor copies of them. With `of_it_only` those of other
 * series do not count. */
size_t mrc_dicom_study_left_out(const struct mrc_dicom_study *study,
                                const struct mrc_dicom_series *series, bool of_it_only);
void mrc_dicom_study_clear(struct mrc_dicom_study *study);

#endif
