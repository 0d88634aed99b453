/* steps.h: the single steps behind slices.h, for the files of this package and its tests.
 * "Stored" is the order in memory (i fastest); "axial" is Left, Posterior, Superior (struct
 * mrc_axial_record), or what a sagittal or coronal cut has in its place. */
#ifndef MRC_PREPROCESS_STEPS_H
#define MRC_PREPROCESS_STEPS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "preprocess/slices.h"

/* --- axial.c --- */

#define MRC_SMALLEST_COSINE                                                                        \
    0.95 /* of an axis with the patient's, else oblique; dicom-nifti rule B4 */

/** Where slices of a cut lie in a grid (said here of the axial one): an axis permutation, if each stored axis lies within
 * acos(0.95) = 18.2 degrees of its axial axis (dicom-nifti rule B4, asked of all three axes: a
 * sagittal stack turned in its own plane gives tilted axial slices although its normal is exact);
 * else the record is that of an axial grid to be reformatted to (reformat->used). Axes must be
 * square to each other, and slices at most max_slice_mm apart unless they are axial. `name` is for
 * messages. */
enum mrc_status mrc_axial_find(struct mrc_axial_record *out, struct mrc_reformat_record *reformat,
                               const struct mrc_geometry *g, struct mrc_extent e, enum mrc_cut cut,
                               double max_slice_mm, const char *name, struct mrc_error *err);
/** The permutation nearest to the axes of the cut, however far off they are. */
void mrc_axial_nearest(struct mrc_axial_record *out, const struct mrc_geometry *g,
                       struct mrc_extent e, enum mrc_cut cut);
/** Largest angle in rad between a stored axis and its nearest axis of the patient; beyond 18.2
 * degrees the grid is oblique. */
double mrc_axial_tilt(const struct mrc_geometry *g);
bool mrc_axial_is_oblique(const struct mrc_geometry *g);

/* --- reformat.c --- */

/** The axial grid around an oblique one, as fine along each axis as the nearest of the oblique
 * one's. Axial planes turned in themselves are kept. MRC_ERR_UNSUPPORTED when voxels that would be
 * cut across are longer than max_slice_mm, MRC_ERR_RANGE when the grid is too large. */
enum mrc_status mrc_reformat_find(struct mrc_reformat_record *out, const struct mrc_geometry *g,
                                  struct mrc_extent e, const unsigned char *mask,
                                  double max_slice_mm, const char *name, struct mrc_error *err);

/* --- axial.c --- */

/** Stored offset of the axial voxel (x, y, z) is origin + x stride[0] + y stride[1] + z stride[2],
 * in voxels. */
struct mrc_axial_view {
    int64_t origin, stride[3];
    struct mrc_extent extent; /* axial */
};
struct mrc_axial_view mrc_axial_view_of(const struct mrc_axial_record *record);
/** The extent of the stored volume the record was found on. */
struct mrc_extent mrc_axial_stored_extent(const struct mrc_axial_record *record);

/* --- square.c --- */

/** field_mm 0: as large as the image's longer side. */
struct mrc_square_record mrc_square_find(const struct mrc_axial_record *axial, int64_t size,
                                         double field_mm);

/* --- resample.c: one axis at a time, in stored order --- */

/** Output o is the sum of weight[o * stride + t] * input[first[o] + t * step], t = 0 … taps[o]-1.
 */
struct mrc_filter {
    int64_t in, out, stride;
    int64_t *first, *taps;
    int step; /* -1 when the input runs backwards */
    float *weight;
};
/** From `in` samples of in_mm to `out` samples of out_mm whose field begins offset_mm before the
 * input's (negative: inside it): a triangle as wide as the larger of the two spacings (linear interpolation when
 * up-sampling). What lies inside the output's field but outside the input counts as 0; beyond the
 * field nothing counts. `flip`: the input is stored backwards. */
enum mrc_status mrc_filter_create_square(struct mrc_filter *f, int64_t in, double in_mm,
                                         int64_t out, double out_mm, double offset_mm, bool flip,
                                         struct mrc_error *err);
/** The way back: from the square's `in` pixels to `out` samples on the source's axis. Catmull-Rom
 * when up-sampling, the triangle when down-sampling; edges repeat, but samples with their centre
 * outside the square are 0. `flip`: the output is stored backwards. */
enum mrc_status mrc_filter_create_back(struct mrc_filter *f, int64_t in, double in_mm, int64_t out,
                                       double out_mm, double offset_mm, bool flip,
                                       struct mrc_error *err);
void mrc_filter_clear(struct mrc_filter *f);

/** dst = src [e.k][e.j][e.i] with `axis` (0: i, 1: j, 2: k) resampled. With `limits`, each source
 * value goes through them first (non-finite gives 0). Sums run in the order of the axial axis, so
 * all orientations of one image give the same bytes. dst must not overlap src. */
void mrc_resample_axis(float *dst, const float *src, struct mrc_extent e, int axis,
                       const struct mrc_filter *f, const struct mrc_normalise_record *limits);

/** x through the limits: clamped to [0,1], non-finite gives 0. scale = 1 / (hi - lo). */
static inline float mrc_limit(float x, float lo, float scale) {
    float y = (x - lo) * scale;
    y = y > 0.0f ? y : 0.0f;
    y = y < 1.0f ? y : 1.0f;
    return fabsf(x) <= FLT_MAX ? y : 0.0f;
}

/* --- slices.c --- */

/** The way back without the clamp: a field on the slices' pixels (overshoot and all) onto the grid
 * of the volume they were cut from. */
enum mrc_status mrc_slices_spread(float *voxels, const struct mrc_slices *slices,
                                  const mrc_volume *source, struct mrc_error *err);
enum mrc_status mrc_slices_check_source(const struct mrc_slices *slices, const mrc_volume *vol,
                                        struct mrc_error *err);

/* --- order.c --- */

/** Exact order statistics of the finite values v[n] with mask[n] == want (mask NULL: all). value[q]
 * is the element at round(fraction[q] (N-1)) of the sorted N, for count = 1 or 2 fractions.
 * *population = N; with N = 0 nothing is written. */
enum mrc_status mrc_order_select(float *value, const double *fraction, int count,
                                 uint64_t *population, const float *v, size_t n,
                                 const unsigned char *mask, unsigned char want,
                                 struct mrc_error *err);

/* --- foreground.c --- */

enum { MRC_IN_AIR, MRC_IN_HEAD, MRC_IN_CORE };
/** mask [stored order]. The head: above Otsu's threshold, holes of each axial slice filled, largest
 * 6-connected component. Its core (MRC_IN_CORE instead of MRC_IN_HEAD): what an axial rectangle,
 * reaching 0.3 of the head's radius all ways, does not touch the air from; the whole head where
 * that leaves next to nothing. per_slice [axial slices]: voxels inside the head. Writes threshold
 * and fraction into *record. */
enum mrc_status mrc_foreground_find(unsigned char *mask, int64_t *per_slice,
                                    struct mrc_normalise_record *record, const float *voxels,
                                    const struct mrc_axial_record *axial, const char *name,
                                    struct mrc_error *err);

/* --- normalise.c --- */

/** Limits of a volume, and voxels of the head in each axial slice. */
enum mrc_status mrc_normalise_find(struct mrc_normalise_record *out, int64_t *per_slice,
                                   const float *voxels, const struct mrc_axial_record *axial,
                                   const struct mrc_slices_options *options, const char *name,
                                   struct mrc_error *err);

#endif
