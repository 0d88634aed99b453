/* dicom_series.h: images grouped into volumes, slices in order, and the verdict over each. A volume
 * is not a SeriesInstanceUID: echoes, time points, b-values and stacks share one. Private to the
 * package io. */
#ifndef MRC_IO_DICOM_DICOM_SERIES_H
#define MRC_IO_DICOM_DICOM_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "io/dicom/dicom_slice.h"
#include "io/image.h"

enum { MRC_DICOM_SELECTOR = 24 };
/** By how much EchoTime and RepetitionTime may differ inside a volume, as a part of them. */
#define MRC_DICOM_JITTER 0.02

/** Slices of one volume, by increasing position along the normal. */
struct mrc_dicom_series {
    const struct mrc_dicom_slice **slices;
    size_t count, capacity;
    size_t copies;                     /* images that were left out for being the same as a slice */
    char selector[MRC_DICOM_SELECTOR]; /* what chooses it in the study: "4", or "4:2" for the second
                                          volume of the series numbered 4 */
    size_t kin_first, kin_next, kin_last; /* of the volumes of its SeriesInstanceUID, in the order
                                             of the study: the first; the next, SIZE_MAX: none; and
                                             of the first the last */
    size_t rank;                          /* in the order of such names */
    double index_to_lps_mm[3][4];         /* when usable; of an even grid of `planes` */
    double gap_mm;                        /* centre to centre, 0 when unknown */
    size_t planes;       /* slices of the even grid: more than `count` where some are missing */
    bool resampled;      /* the slices do not lie on the grid; it is interpolated between them */
    size_t missing;      /* slices lost between others, filled in when that is allowed */
    char gap_words[280]; /* the first gap that tells of it */
    enum mrc_contrast contrast;
    char contrast_reason[160];
    bool unweighted;  /* told to be no plain weighted image */
    char jitter[100]; /* what differs a little from slice to slice; "": nothing does */
    bool usable;      /* apart from the three marks below */
    bool synthetic, derived, gaps;
    bool phantom; /* of an object */
    bool infant;
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
    struct mrc_dicom_slices slices;
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
/** Files that hold neither slices of `series` nor copies of them. With `of_it_only` those of other
 * series do not count. */
size_t mrc_dicom_study_left_out(const struct mrc_dicom_study *study,
                                const struct mrc_dicom_series *series, bool of_it_only);
/** Does the text choose this volume? "4": series number 4; "4:2": its second volume; a text with a
 * point: the beginning of the series UID, or of it and ":2". */
bool mrc_dicom_series_is_selected(const struct mrc_dicom_study *study,
                                  const struct mrc_dicom_series *series, const char *text);
/** Does it hold an image of the file, or the given frame of it (frame 0: any)? */
bool mrc_dicom_series_holds(const struct mrc_dicom_series *series, const char *path, int64_t frame);
void mrc_dicom_study_clear(struct mrc_dicom_study *study);

#endif
