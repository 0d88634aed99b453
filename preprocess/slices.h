/* slices.h: from a volume of any acquisition to the square axial slices a model sees, and back. The
 * steps in order: reformat (oblique volumes only), axial (permute and flip axes), square (pad in
 * mm, never stretch), resample (anti-aliased), normalise (robust limits of the volume). Each leaves
 * a record; the way back is the records in reverse. */
#ifndef MRC_PREPROCESS_SLICES_H
#define MRC_PREPROCESS_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The planes slices are cut in, as they are shown: columns, rows and slices of axial ones run to
 * the patient's Left, Posterior and Superior; of sagittal ones to Posterior, Inferior and Right; of
 * coronal ones to Left, Inferior and Posterior. */
enum mrc_cut { MRC_CUT_AXIAL, MRC_CUT_SAGITTAL, MRC_CUT_CORONAL, MRC_CUT_COUNT };
MRC_API const char *mrc_cut_name(enum mrc_cut cut); /* "axial", "sagittal", "coronal" */

/** Which stored axis runs along columns, rows and slices of the cut, and whether backwards. For
 * stacks of pictures: the identity. */
struct mrc_axial_record {
    enum mrc_cut cut;
    int axis[3];
    bool flip[3];
    struct mrc_extent extent; /* after the permutation: columns, rows, slices */
    double spacing_mm[3];
};
/** An oblique volume is first sampled (trilinear, in the patient's space) on an axial grid around
 * it; the records that follow are of that grid. On the way back the result is sampled at the
 * source's voxels. */
struct mrc_reformat_record {
    bool used;
    struct mrc_extent source; /* the grid it was sampled from */
    struct mrc_extent extent; /* and to: columns to Left, rows to Posterior, slices to Superior */
    struct mrc_geometry grid;
};
/** Pad, or cut where the image is larger, to a square field of view of `side_mm`, centred, then
 * resample to size x size. */
struct mrc_square_record {
    int64_t size;        /* pixels a side for the model */
    double side_mm;      /* pixels for stacks of pictures */
    double pixel_mm;     /* side_mm / size */
    double offset_mm[2]; /* of the image's left / top edge inside the square; negative: so much is
                            cut off there */
    double cut_head;     /* part of the head's voxels that lie outside, 0 … 1 */
};
/** x -> clamp((x - lo) / (hi - lo), 0, 1), applied to voxels before they are resampled.
 *  Foreground: above Otsu's threshold (on square roots of the intensities), holes of axial slices
 * filled, largest 6-connected component. Its core: what lies deep inside, brain rather than scalp.
 * lo: its low percentile, or the median of the air around the head where that is lower, so that CSF
 * in a T1w is not cut to the background's black. hi: lo + room (p - lo), of the core's high
 * percentile p. Percentiles are exact. */
struct mrc_normalise_record {
    double lo, hi;
    double room; /* at least 1: how far above p intensities are told apart */
    double foreground_threshold;
    double foreground_fraction;
    int64_t nonfinite; /* voxels that were NaN or infinite, taken as lo */
};
struct mrc_slices_record {
    struct mrc_reformat_record reformat;
    struct mrc_axial_record axial;
    struct mrc_square_record square;
    struct mrc_normalise_record normalise;
};

struct mrc_slices_options {
    int64_t size;                           /* 64 */
    double low_percentile, high_percentile; /* of the core of the head */
    double room; /* 1: what is brighter than the high percentile is 1; 2: than twice as bright */
    double max_slice_mm; /* refuse stacks of another plane than `cut` whose slices lie further apart
                            (B4) */
    double
        stored_range; /* > 0: intensities 0 … stored_range become 0 … 1; 0: the limits are found */
    double field_mm; /* side of the square field of view; 0: that of the image is fitted to it */
    enum mrc_cut cut;
    const struct mrc_normalise_record *limits; /* of another cut of the same volume: the head is
                                                  not looked for again, and `foreground` is 0 */
};
#define MRC_SLICES_DEFAULTS                                                                        \
    { .size = 64, .low_percentile = 0.5, .high_percentile = 95.0, .room = 1.0, .max_slice_mm = 3.0 }

/** Slices [count][size][size] in [0,1]; of the axial ones slice 0 is the most inferior, row 0
 * anterior, column 0 the patient's right. `foreground`: fraction of each slice's pixels inside the head, for leaving empty
 * slices out of training. */
struct mrc_slices {
    float *pixels;
    float *foreground;
    int64_t count, size;
    struct mrc_slices_record record;
};
/** `name` is what messages call the volume. Sheared and empty volumes, oblique ones with slices far
 * apart, and those whose slices lie far apart in another plane than options->cut are
 * MRC_ERR_UNSUPPORTED, and so are pictures, which have no size, with field_mm. The limits do not
 * depend on the cut. */
MRC_STATUS mrc_slices_from_volume(struct mrc_slices *out, const mrc_volume *vol, const char *name,
                                  const struct mrc_slices_options *options, struct mrc_error *err);
/** The intensities that become 0 and 1 in every cut of the volume. MRC_ERR_UNSUPPORTED when there is
 * no head in it, or one without contrast. */
MRC_STATUS mrc_slices_find_limits(struct mrc_normalise_record *out, const mrc_volume *vol,
                                  const char *name, const struct mrc_slices_options *options,
                                  struct mrc_error *err);
/** What mrc_slices_from_volume would say of a grid alone: sheared, or its sagittal, coronal or
 * oblique slices too far apart (MRC_ERR_UNSUPPORTED). */
MRC_STATUS mrc_slices_check_grid(const struct mrc_geometry *geometry, struct mrc_extent extent,
                                 const char *name, const struct mrc_slices_options *options,
                                 struct mrc_error *err);
/** In which planes slices can be cut without crossing a gap, as bits 1 << MRC_CUT_…: of voxels
 * that are about as long as wide, all; of thick slices, theirs. `preferred`: the plane they were
 * acquired in, axial where that does not show. */
MRC_API unsigned mrc_slices_cuts(enum mrc_cut *preferred, const struct mrc_geometry *geometry,
                                 struct mrc_extent extent);
/** The way back: slices in [0,1] onto the grid of `like` (the source), as a volume in [0,1] with
 * its provenance. Up-sampling is cubic (Catmull-Rom), clamped to [0,1]; voxels whose centre lies
 * outside the square are 0. */
MRC_STATUS mrc_slices_to_volume(mrc_volume **out, const struct mrc_slices *slices,
                                const mrc_volume *like, struct mrc_error *err);
/** The same with the detail of the source, which the slices are too coarse for: what the source's
 * voxels have beyond `before` (the slices the network saw) is added to `after` (what it made of
 * them), times how the one follows the other around there. That gain is the slope of the guided
 * filter (He, Sun, Tang: "Guided Image Filtering", IEEE PAMI 2013), fitted on the slices and
 * spread as in the fast guided filter (He, Sun 2015); the network's own image stays as it is. */
struct mrc_detail_options {
    int64_t radius;  /* of the window, in pixels of the slices */
    double variance; /* added to the window's: below it grey values count as noise */
    double largest;  /* gains stay in -largest … largest */
};
#define MRC_DETAIL_DEFAULTS                                                                        \
    { .radius = 2, .variance = 1e-3, .largest = 2.0 }
MRC_STATUS mrc_slices_to_volume_detailed(mrc_volume **out, const struct mrc_slices *after,
                                         const struct mrc_slices *before, const mrc_volume *source,
                                         const struct mrc_detail_options *options,
                                         struct mrc_error *err);
/** Where the way back has an image: voxels [of `source`, from which the slices were cut] are 1, or 0
 * where the square was cut away. */
MRC_STATUS mrc_slices_cover(float *voxels, const struct mrc_slices *slices,
                            const mrc_volume *source, struct mrc_error *err);
/** The slices as a volume on their own grid: axial, `size` x `size`, with the geometry that lays it
 * over the source (half-pixel shifts included), and a copy of the source's provenance. */
MRC_STATUS mrc_slices_to_model_grid(mrc_volume **out, const struct mrc_slices *slices,
                                    const mrc_volume *source, struct mrc_error *err);
MRC_API void mrc_slices_clear(struct mrc_slices *slices);

/** mask [e.k][e.j][e.i]: 1 inside the head, as it is found in a volume (docs/preprocessing.md), of
 * axial images that lie in memory as slices do; all 0 when there is none. MRC_ERR_NOMEM. */
MRC_STATUS mrc_slices_find_head(unsigned char *mask, const float *pixels, struct mrc_extent e,
                                struct mrc_error *err);

/** The record in words, for DerivationDescription and sidecars; ASCII, no patient data. */
MRC_API void mrc_slices_record_print(struct mrc_text *out, const struct mrc_slices_record *record);

#ifdef __cplusplus
}
#endif
#endif
