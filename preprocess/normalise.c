/* normalise.c: the two limits of a volume that become 0 and 1.
 * Per volume, never per slice: slices of one head must stay comparable.
 *   hi = the high percentile (95) of the head's core, or `room` times as far from lo: of a T2w's
 * core that limit is brain's, and fluid and eyes, twice as bright, would be cut to one white. The brightest voxels of a T1w are fat under
 * the skin and behind the eyes, and how bright depends on the coil: of the whole head, that limit
 * leaves white matter anywhere below it; deep in the head it is white matter's.
 *   lo = the low percentile (0.5) of the core, or the median of the air around the head where that
 * is lower. Why the air: MR signal has a natural zero. The darkest half per cent of a T1w's core is
 * CSF, and cutting there would make CSF and background the same black. With the air's level as the
 * floor both keep their distance, and noise-free data get lo at the background. The median is not
 * moved by ghosts or by a capsule beside the head. Less than 1 % of air (a tightly cut volume) is
 * not asked. A percentile is the element at round(p/100 (N-1)) of the sorted N values: exact, no
 * bins, no interpolation. */
#include <math.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/steps.h"

#define LEAST_AIR      0.01 /* of the volume */
#define MOST_NONFINITE 0.5

enum { GRAIN = 1 << 18 };

struct nonfinite_count {
    const float *v;
    int64_t *lanes;
};

static void count_nonfinite(void *context, size_t begin, size_t end, int lane) {
    const struct nonfinite_count *c = context;
    int64_t bad = 0;
    for (size_t n = begin; n < end; ++n) bad += !isfinite(c->v[n]);
    c->lanes[lane] += bad;
}

static enum mrc_status check_finite(int64_t *nonfinite, const float *v, size_t n, const char *name,
                                    struct mrc_error *err) {
    int64_t lanes[MRC_MAX_THREADS] = {0};
    struct nonfinite_count c = {.v = v, .lanes = lanes};
    mrc_parallel_for(n, GRAIN, count_nonfinite, &c);
    *nonfinite = 0;
    for (int lane = 0; lane < MRC_MAX_THREADS; ++lane) *nonfinite += lanes[lane];
    if ((double)*nonfinite <= MOST_NONFINITE * (double)n) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: %.1f %% of the voxels are NaN or infinite, expected at most %.0f %%", name,
                    100.0 * (double)*nonfinite / (double)n, 100.0 * MOST_NONFINITE);
}

/* Limits from the mask. */
static enum mrc_status find_limits(struct mrc_normalise_record *out, const float *v, size_t n,
                                   const unsigned char *mask,
                                   const struct mrc_slices_options *options, const char *name,
                                   struct mrc_error *err) {
    const double ends[2] = {options->low_percentile / 100.0, options->high_percentile / 100.0};
    const double middle = 0.5;
    float inside[2] = {0.0f, 0.0f}, air = 0.0f;
    uint64_t inside_count = 0, air_count = 0;
    enum mrc_status st =
        mrc_order_select(inside, ends, 2, &inside_count, v, n, mask, MRC_IN_CORE, err);
    if (st == MRC_OK)
        st = mrc_order_select(&air, &middle, 1, &air_count, v, n, mask, MRC_IN_AIR, err);
    if (st != MRC_OK) return st;
    out->lo = (double)inside[0];
    out->hi = (double)inside[1];
    if ((double)air_count >= LEAST_AIR * (double)n) out->lo = fmin(out->lo, (double)air);
    out->room = options->room;
    if (options->room > 1.0) out->hi = out->lo + options->room * (out->hi - out->lo);
    if (inside_count > 0 && isfinite((float)(1.0 / (out->hi - out->lo))) && out->hi > out->lo)
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: the head's intensities go from %g to %g, expected an image with contrast",
                    name, out->lo, out->hi);
}

enum mrc_status mrc_normalise_find(struct mrc_normalise_record *out, int64_t *per_slice,
                                   const float *voxels, const struct mrc_axial_record *axial,
                                   const struct mrc_slices_options *options, const char *name,
                                   struct mrc_error *err) {
    const size_t count = (size_t)mrc_extent_count(axial->extent);
    *out = (struct mrc_normalise_record){0};
    enum mrc_status st = check_finite(&out->nonfinite, voxels, count, name, err);
    if (st != MRC_OK) return st;
    unsigned char *mask = mrc_alloc(count, 1);
    if (mask == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for the head's mask", name);
    st = mrc_foreground_find(mask, per_slice, out, voxels, axial, name, err);
    if (st == MRC_OK) st = find_limits(out, voxels, count, mask, options, name, err);
    mrc_free(mask);
    return st;
}
