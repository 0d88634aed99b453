/* slices.c: the steps in order, and their records in reverse.
 * Intensities go through their limits before resampling, not after: a clipped vessel or hot voxel
 * then weighs no more in its pixel than any bright voxel, and non-finite ones weigh nothing. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/regrid.h"
#include "preprocess/steps.h"

enum { SMALLEST_SIZE = 8, LARGEST_SIZE = 1024 };
static const double LARGEST_ROOM = 10.0, LARGEST_FIELD_MM = 1e5;

static enum mrc_status check_options(const struct mrc_slices_options *o, struct mrc_error *err) {
    if (o->size < SMALLEST_SIZE || o->size > LARGEST_SIZE)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "slices of %lld pixels a side, expected %d to %d",
                        (long long)o->size, SMALLEST_SIZE, LARGEST_SIZE);
    if (!(o->low_percentile >= 0.0 && o->low_percentile < o->high_percentile &&
          o->high_percentile <= 100.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "percentiles %g and %g, expected 0 <= low < high <= 100", o->low_percentile,
                        o->high_percentile);
    if (!(o->room >= 1.0 && o->room <= LARGEST_ROOM))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "room of %g, expected 1 to %g", o->room,
                        LARGEST_ROOM);
    if (!(o->max_slice_mm > 0.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "largest slice distance %g mm, expected a positive one", o->max_slice_mm);
    if (!(o->field_mm >= 0.0 && o->field_mm <= LARGEST_FIELD_MM))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "field of view of %g mm, expected 0 to %g",
                        o->field_mm, LARGEST_FIELD_MM);
    return MRC_OK;
}

static struct mrc_extent with_side(struct mrc_extent e, int axis, int64_t side) {
    if (axis == 0) e.i = side;
    if (axis == 1) e.j = side;
    if (axis == 2) e.k = side;
    return e;
}

/* --- The planes of a volume in stored order that has `size` along the stored axes of columns and
 * rows, to and from [z][y][x]. Axial x and y already run forwards there; only z may be stored
 * backwards. --- */

struct plane_copy {
    float *stored, *slices;
    int64_t size, count, stride[3];
    bool flip;
    bool back;
};

static void copy_planes(void *context, size_t begin, size_t end, int lane) {
    const struct plane_copy *c = context;
    (void)lane;
    for (int64_t z = (int64_t)begin; z < (int64_t)end; ++z) {
        int64_t stored_z = c->flip ? c->count - 1 - z : z;
        float *plane = c->slices + z * c->size * c->size;
        for (int64_t y = 0; y < c->size; ++y)
            for (int64_t x = 0; x < c->size; ++x) {
                float *at =
                    c->stored + x * c->stride[0] + y * c->stride[1] + stored_z * c->stride[2];
                if (c->back)
                    *at = plane[y * c->size + x];
                else
                    plane[y * c->size + x] = *at;
            }
    }
}

static void exchange_planes(float *stored, struct mrc_extent e, float *slices, int64_t size,
                            const struct mrc_axial_record *axial, bool back) {
    const int64_t stride[3] = {1, e.i, e.i * e.j};
    struct plane_copy c = {.stored = stored,
                           .slices = slices,
                           .size = size,
                           .count = axial->extent.k,
                           .flip = axial->flip[2],
                           .back = back};
    for (int a = 0; a < 3; ++a) c.stride[a] = stride[axial->axis[a]];
    mrc_parallel_for((size_t)c.count, 4, copy_planes, &c);
}

/* --- There --- */

/* Columns first, then rows: the same sums in the same order whatever the stored order is. */
static enum mrc_status resample_down(struct mrc_slices *out, const float *voxels,
                                     struct mrc_error *err) {
    const struct mrc_axial_record *axial = &out->record.axial;
    const struct mrc_square_record *square = &out->record.square;
    const int64_t sides[2] = {axial->extent.i, axial->extent.j};
    const struct mrc_extent whole = mrc_axial_stored_extent(axial);
    const struct mrc_extent narrow = with_side(whole, axial->axis[0], square->size);
    const struct mrc_extent small = with_side(narrow, axial->axis[1], square->size);
    struct mrc_filter f[2] = {{0}, {0}};
    enum mrc_status st = MRC_OK;
    for (int a = 0; a < 2 && st == MRC_OK; ++a)
        st = mrc_filter_create_square(&f[a], sides[a], axial->spacing_mm[a], square->size,
                                      square->pixel_mm, square->offset_mm[a], axial->flip[a], err);
    float *first = NULL, *second = NULL;
    if (st == MRC_OK) {
        first = mrc_alloc((size_t)mrc_extent_count(narrow), sizeof *first);
        second = mrc_alloc((size_t)mrc_extent_count(small), sizeof *second);
        if (first == NULL || second == NULL)
            st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for resampling");
    }
    if (st == MRC_OK) {
        mrc_resample_axis(first, voxels, whole, axial->axis[0], &f[0], &out->record.normalise);
        mrc_resample_axis(second, first, narrow, axial->axis[1], &f[1], NULL);
        exchange_planes(second, small, out->pixels, square->size, axial, false);
    }
    mrc_free(first);
    mrc_free(second);
    for (int a = 0; a < 2; ++a) mrc_filter_clear(&f[a]);
    return st;
}

static bool cuts_off(const struct mrc_square_record *square) {
    return square->offset_mm[0] < 0.0 || square->offset_mm[1] < 0.0;
}

/* The samples, from *first to before *end, whose centres lie in the square. */
static void find_inside(int64_t *first, int64_t *end, const struct mrc_slices_record *r, int axis) {
    const double step = r->axial.spacing_mm[axis], before = r->square.offset_mm[axis];
    const int64_t side = axis == 0 ? r->axial.extent.i : r->axial.extent.j;
    *first = 0;
    while (*first < side && ((double)*first + 0.5) * step + before < 0.0) ++*first;
    *end = side;
    while (*end > *first && ((double)*end - 0.5) * step + before > r->square.side_mm) --*end;
}

/* Of a head that the square cuts, what of it each slice shows, and the part that none does. */
static void count_inside(int64_t *per_slice, struct mrc_slices_record *r,
                         const unsigned char *mask) {
    const struct mrc_axial_view view = mrc_axial_view_of(&r->axial);
    int64_t first[2], end[2], all = 0, inside = 0;
    for (int a = 0; a < 2; ++a) find_inside(&first[a], &end[a], r, a);
    for (int64_t z = 0; z < view.extent.k; ++z) {
        all += per_slice[z];
        per_slice[z] = 0;
        for (int64_t y = first[1]; y < end[1]; ++y)
            for (int64_t x = first[0]; x < end[0]; ++x)
                per_slice[z] += mask[view.origin + x * view.stride[0] + y * view.stride[1] +
                                     z * view.stride[2]] != MRC_IN_AIR;
        inside += per_slice[z];
    }
    r->square.cut_head = all > 0 ? (double)(all - inside) / (double)all : 0.0;
}

/* Fractions of the square from counts of voxels: both are areas of the same plane. Voxels on the edge
 * of a cut one reach beyond it. */
static void set_foreground(struct mrc_slices *out, const int64_t *per_slice) {
    const double voxel_mm2 = out->record.axial.spacing_mm[0] * out->record.axial.spacing_mm[1];
    const double square_mm2 = out->record.square.side_mm * out->record.square.side_mm;
    for (int64_t z = 0; z < out->count; ++z)
        out->foreground[z] = (float)fmin(1.0, (double)per_slice[z] * voxel_mm2 / square_mm2);
}

enum mrc_status mrc_slices_check_grid(const struct mrc_geometry *geometry, struct mrc_extent extent,
                                      const char *name, const struct mrc_slices_options *options,
                                      struct mrc_error *err) {
    struct mrc_axial_record record;
    struct mrc_reformat_record reformat;
    return mrc_axial_find(&record, &reformat, geometry, extent, options->cut, options->max_slice_mm,
                          name, err);
}

static enum mrc_status alloc_slices(struct mrc_slices *out, const char *name,
                                    struct mrc_error *err) {
    out->pixels = mrc_alloc((size_t)(out->count * out->size * out->size), sizeof *out->pixels);
    out->foreground = mrc_alloc((size_t)out->count, sizeof *out->foreground);
    if (out->pixels != NULL && out->foreground != NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its slices", name);
}

/* The limits the options ask for: those stored, or those found. */
static enum mrc_status find_limits(struct mrc_normalise_record *limits, int64_t *per_slice,
                                   const float *voxels, const struct mrc_axial_record *axial,
                                   const struct mrc_slices_options *options, const char *name,
                                   struct mrc_error *err) {
    enum mrc_status st = mrc_normalise_find(limits, per_slice, voxels, axial, options, name, err);
    if (st == MRC_OK && options->stored_range > 0.0) {
        limits->lo = 0.0;
        limits->hi = options->stored_range;
        limits->room = 1.0;
    }
    return st;
}

/* With limits that are known; the head is found for the shares of the slices. */
static enum mrc_status cut_with(struct mrc_slices *out, const float *voxels,
                                const struct mrc_normalise_record *limits, const char *name,
                                struct mrc_error *err) {
    struct mrc_normalise_record own = {0};
    int64_t *per_slice = mrc_alloc((size_t)out->count, sizeof *per_slice);
    unsigned char *mask = mrc_alloc((size_t)mrc_extent_count(out->record.axial.extent), 1);
    enum mrc_status st = MRC_OK;
    out->record.normalise = *limits;
    if (per_slice == NULL || mask == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for the head's mask", name);
    if (st == MRC_OK)
        st = mrc_foreground_find(mask, per_slice, &own, voxels, &out->record.axial, name, err);
    if (st == MRC_OK && cuts_off(&out->record.square)) count_inside(per_slice, &out->record, mask);
    if (st == MRC_OK) st = resample_down(out, voxels, err);
    if (st == MRC_OK) set_foreground(out, per_slice);
    mrc_free(mask);
    mrc_free(per_slice);
    return st;
}

/* Limits and slices of voxels that have an axial order. */
static enum mrc_status cut(struct mrc_slices *out, const float *voxels,
                           const struct mrc_slices_options *options, const char *name,
                           struct mrc_error *err) {
    int64_t *per_slice = mrc_alloc((size_t)out->count, sizeof *per_slice);
    if (per_slice == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its slices", name);
    enum mrc_status st = find_limits(&out->record.normalise, per_slice, voxels, &out->record.axial,
                                     options, name, err);
    const bool again = cuts_off(&out->record.square); /* shares of what is left */
    if (st == MRC_OK && !again) st = resample_down(out, voxels, err);
    if (st == MRC_OK && !again) set_foreground(out, per_slice);
    mrc_free(per_slice);
    if (st != MRC_OK || !again) return st;
    const struct mrc_normalise_record limits = out->record.normalise;
    return cut_with(out, voxels, &limits, name, err);
}

enum mrc_status mrc_slices_find_limits(struct mrc_normalise_record *out, const mrc_volume *vol,
                                       const char *name, const struct mrc_slices_options *options,
                                       struct mrc_error *err) {
    struct mrc_axial_record axial;
    mrc_axial_nearest(&axial, mrc_volume_geometry(vol), mrc_volume_extent(vol), MRC_CUT_AXIAL);
    int64_t *per_slice = mrc_alloc((size_t)axial.extent.k, sizeof *per_slice);
    if (per_slice == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its slices", name);
    enum mrc_status st =
        find_limits(out, per_slice, mrc_volume_voxels_const(vol), &axial, options, name, err);
    mrc_free(per_slice);
    return st;
}

/* The same for a cut other than the axial one, with the limits that that would have or had. */
static enum mrc_status cut_across(struct mrc_slices *out, const mrc_volume *vol,
                                  const struct mrc_slices_options *options, const char *name,
                                  struct mrc_error *err) {
    const float *voxels = mrc_volume_voxels_const(vol);
    struct mrc_normalise_record limits;
    if (options->limits != NULL) {
        out->record.normalise = *options->limits;
        return resample_down(out, voxels, err);
    }
    enum mrc_status st = mrc_slices_find_limits(&limits, vol, name, options, err);
    return st == MRC_OK ? cut_with(out, voxels, &limits, name, err) : st;
}

/* The grids of everything that follows. */
static enum mrc_status settle(struct mrc_slices *out, const struct mrc_slices_options *options,
                              const char *name, struct mrc_error *err) {
    out->record.square = mrc_square_find(&out->record.axial, out->size, options->field_mm);
    out->count = out->record.axial.extent.k;
    return alloc_slices(out, name, err);
}

/* The limits, and the axial grid around the head, are found in the voxels that were acquired. */
static enum mrc_status find_oblique(struct mrc_slices *out, struct mrc_normalise_record *limits,
                                    const mrc_volume *vol, const struct mrc_slices_options *options,
                                    const char *name, struct mrc_error *err) {
    struct mrc_slices_record *r = &out->record;
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const struct mrc_extent e = mrc_volume_extent(vol);
    const float *voxels = mrc_volume_voxels_const(vol);
    struct mrc_axial_record stored;
    struct mrc_normalise_record head;
    mrc_axial_nearest(&stored, g, e, MRC_CUT_AXIAL);
    int64_t *per_slice = mrc_alloc((size_t)stored.extent.k, sizeof *per_slice);
    unsigned char *mask = mrc_alloc((size_t)mrc_extent_count(e), 1);
    enum mrc_status st = MRC_OK;
    if (per_slice == NULL || mask == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for reformatting", name);
    if (st == MRC_OK)
        st = mrc_normalise_find(limits, per_slice, voxels, &stored, options, name, err);
    if (st == MRC_OK) st = mrc_foreground_find(mask, per_slice, &head, voxels, &stored, name, err);
    if (st == MRC_OK)
        st = mrc_reformat_find(&r->reformat, g, e, mask, options->max_slice_mm, name, err);
    if (st == MRC_OK)
        mrc_axial_nearest(&r->axial, &r->reformat.grid, r->reformat.extent, options->cut);
    mrc_free(mask);
    mrc_free(per_slice);
    return st;
}

/* What lies off the source's grid is given the value that becomes 0. */
static enum mrc_status reformat_and_cut(struct mrc_slices *out, const mrc_volume *vol,
                                        const struct mrc_slices_options *options, const char *name,
                                        struct mrc_error *err) {
    const struct mrc_reformat_record *r = &out->record.reformat;
    struct mrc_normalise_record limits;
    enum mrc_status st = find_oblique(out, &limits, vol, options, name, err);
    if (st == MRC_OK) st = settle(out, options, name, err);
    if (st != MRC_OK) return st;
    float *axial = mrc_alloc((size_t)mrc_extent_count(r->extent), sizeof *axial);
    if (axial == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for reformatting", name);
    mrc_regrid(axial, r->extent, &r->grid, mrc_volume_voxels_const(vol), r->source,
               mrc_volume_geometry(vol), (float)limits.lo);
    st = cut_with(out, axial, &limits, name, err);
    mrc_free(axial);
    return st;
}

enum mrc_status mrc_slices_from_volume(struct mrc_slices *out, const mrc_volume *vol,
                                       const char *name, const struct mrc_slices_options *options,
                                       struct mrc_error *err) {
    *out = (struct mrc_slices){0};
    enum mrc_status st = check_options(options, err);
    if (st == MRC_OK && options->field_mm > 0.0 && !mrc_volume_geometry(vol)->physical)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: pixels without a size, expected an image with one for a field of view "
                      "of %g mm",
                      name, options->field_mm);
    if (st == MRC_OK)
        st = mrc_axial_find(&out->record.axial, &out->record.reformat, mrc_volume_geometry(vol),
                            mrc_volume_extent(vol), options->cut, options->max_slice_mm, name, err);
    if (st != MRC_OK) return st;
    out->size = options->size;
    if (out->record.reformat.used) {
        st = reformat_and_cut(out, vol, options, name, err);
    } else {
        st = settle(out, options, name, err);
        if (st == MRC_OK)
            st = options->cut == MRC_CUT_AXIAL && options->limits == NULL
                     ? cut(out, mrc_volume_voxels_const(vol), options, name, err)
                     : cut_across(out, vol, options, name, err);
    }
    if (st != MRC_OK) mrc_slices_clear(out);
    return st;
}

void mrc_slices_clear(struct mrc_slices *slices) {
    mrc_free(slices->pixels);
    mrc_free(slices->foreground);
    *slices = (struct mrc_slices){0};
}

/* --- And back --- */

static void clamp_range(void *context, size_t begin, size_t end, int lane) {
    float *v = context;
    (void)lane;
    for (size_t n = begin; n < end; ++n) {
        v[n] = v[n] > 0.0f ? v[n] : 0.0f; /* NaN too */
        v[n] = v[n] < 1.0f ? v[n] : 1.0f;
    }
}

/* Rows first, then columns, so that the larger array is written once. */
static enum mrc_status resample_back(float *voxels, const struct mrc_slices *slices,
                                     struct mrc_error *err) {
    const struct mrc_axial_record *axial = &slices->record.axial;
    const struct mrc_square_record *square = &slices->record.square;
    const int64_t sides[2] = {axial->extent.i, axial->extent.j};
    const struct mrc_extent whole = mrc_axial_stored_extent(axial);
    const struct mrc_extent narrow = with_side(whole, axial->axis[0], square->size);
    const struct mrc_extent small = with_side(narrow, axial->axis[1], square->size);
    struct mrc_filter f[2] = {{0}, {0}};
    enum mrc_status st = MRC_OK;
    for (int a = 0; a < 2 && st == MRC_OK; ++a)
        st =
            mrc_filter_create_back(&f[a], square->size, square->pixel_mm, sides[a],
                                   axial->spacing_mm[a], square->offset_mm[a], axial->flip[a], err);
    float *first = NULL, *second = NULL;
    if (st == MRC_OK) {
        first = mrc_alloc((size_t)mrc_extent_count(small), sizeof *first);
        second = mrc_alloc((size_t)mrc_extent_count(narrow), sizeof *second);
        if (first == NULL || second == NULL)
            st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for resampling");
    }
    if (st == MRC_OK) {
        exchange_planes(first, small, slices->pixels, square->size, axial, true);
        mrc_resample_axis(second, first, small, axial->axis[1], &f[1], NULL);
        mrc_resample_axis(voxels, second, narrow, axial->axis[0], &f[0], NULL);
    }
    mrc_free(first);
    mrc_free(second);
    for (int a = 0; a < 2; ++a) mrc_filter_clear(&f[a]);
    return st;
}

enum mrc_status mrc_slices_check_source(const struct mrc_slices *slices, const mrc_volume *vol,
                                        struct mrc_error *err) {
    const struct mrc_reformat_record *r = &slices->record.reformat;
    const struct mrc_extent want =
        r->used ? r->source : mrc_axial_stored_extent(&slices->record.axial);
    const struct mrc_extent have = mrc_volume_extent(vol);
    if (have.i == want.i && have.j == want.j && have.k == want.k) return MRC_OK;
    return mrc_fail(
        err, MRC_ERR_ARGUMENT,
        "a grid of %lld x %lld x %lld voxels, expected the slices' source with %lld x %lld x "
        "%lld",
        (long long)have.i, (long long)have.j, (long long)have.k, (long long)want.i,
        (long long)want.j, (long long)want.k);
}

/* Onto the axial grid first, and from there to where the source's voxels lie. */
static enum mrc_status reformat_back(float *voxels, const struct mrc_slices *slices,
                                     const struct mrc_geometry *source, struct mrc_error *err) {
    const struct mrc_reformat_record *r = &slices->record.reformat;
    float *axial = mrc_alloc((size_t)mrc_extent_count(r->extent), sizeof *axial);
    if (axial == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for reformatting");
    enum mrc_status st = resample_back(axial, slices, err);
    if (st == MRC_OK) mrc_regrid(voxels, r->source, source, axial, r->extent, &r->grid, 0.0f);
    mrc_free(axial);
    return st;
}

enum mrc_status mrc_slices_spread(float *voxels, const struct mrc_slices *slices,
                                  const mrc_volume *source, struct mrc_error *err) {
    return slices->record.reformat.used
               ? reformat_back(voxels, slices, mrc_volume_geometry(source), err)
               : resample_back(voxels, slices, err);
}

enum mrc_status mrc_slices_cover(float *voxels, const struct mrc_slices *slices,
                                 const mrc_volume *source, struct mrc_error *err) {
    const size_t pixels = (size_t)(slices->count * slices->size * slices->size);
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(source));
    struct mrc_slices full = *slices;
    if (!cuts_off(&slices->record.square)) {
        for (size_t n = 0; n < count; ++n) voxels[n] = 1.0f;
        return MRC_OK;
    }
    full.pixels = mrc_alloc(pixels, sizeof *full.pixels);
    if (full.pixels == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for resampling");
    for (size_t n = 0; n < pixels; ++n) full.pixels[n] = 1.0f;
    enum mrc_status st = mrc_slices_spread(voxels, &full, source, err);
    for (size_t n = 0; st == MRC_OK && n < count; ++n) voxels[n] = voxels[n] > 0.5f ? 1.0f : 0.0f;
    mrc_free(full.pixels);
    return st;
}

enum mrc_status mrc_slices_to_volume(mrc_volume **out, const struct mrc_slices *slices,
                                     const mrc_volume *like, struct mrc_error *err) {
    *out = NULL;
    enum mrc_status st = mrc_slices_check_source(slices, like, err);
    if (st == MRC_OK) st = mrc_volume_create_like(out, like, err);
    if (st == MRC_OK) st = mrc_slices_spread(mrc_volume_voxels(*out), slices, like, err);
    if (st != MRC_OK) {
        mrc_volume_destroy(*out);
        *out = NULL;
        return st;
    }
    mrc_parallel_for((size_t)mrc_extent_count(mrc_volume_extent(*out)), 1 << 18, clamp_range,
                     mrc_volume_voxels(*out));
    return MRC_OK;
}

/* --- The model's own grid --- */

/* Model index (u, v, w) -> stored index -> patient: both steps are affine, so their product is
 * exact (rule A8: pixel u's centre lies (u + 1/2) pixel_mm - offset_mm from the image's edge, half
 * a voxel before voxel 0's centre). */
static void model_matrix(double out[3][4], const struct mrc_geometry *g,
                         const struct mrc_slices_record *record) {
    const int64_t side[3] = {record->axial.extent.i, record->axial.extent.j,
                             record->axial.extent.k};
    double step[3], start[3];
    for (int a = 0; a < 2; ++a) {
        step[a] = record->square.pixel_mm / record->axial.spacing_mm[a];
        start[a] = (0.5 * record->square.pixel_mm - record->square.offset_mm[a]) /
                       record->axial.spacing_mm[a] -
                   0.5;
    }
    step[2] = 1.0;
    start[2] = 0.0;
    for (int row = 0; row < 3; ++row) {
        out[row][3] = g->index_to_ras_mm[row][3];
        for (int a = 0; a < 3; ++a) {
            double column = g->index_to_ras_mm[row][record->axial.axis[a]];
            double sign = record->axial.flip[a] ? -1.0 : 1.0;
            double origin = record->axial.flip[a] ? (double)(side[a] - 1) - start[a] : start[a];
            out[row][a] = sign * step[a] * column;
            out[row][3] += origin * column;
        }
    }
}

enum mrc_status mrc_slices_to_model_grid(mrc_volume **out, const struct mrc_slices *slices,
                                         const mrc_volume *source, struct mrc_error *err) {
    const struct mrc_geometry *from = mrc_volume_geometry(source);
    struct mrc_geometry g;
    struct mrc_provenance provenance = {0};
    *out = NULL;
    enum mrc_status st = mrc_slices_check_source(slices, source, err);
    if (st != MRC_OK) return st;
    mrc_geometry_init(&g);
    if (from->physical) {
        double matrix[3][4];
        const struct mrc_reformat_record *r = &slices->record.reformat;
        model_matrix(matrix, r->used ? &r->grid : from, &slices->record);
        st = mrc_geometry_from_ras(&g, matrix, "model grid", err);
    }
    if (st == MRC_OK) st = mrc_provenance_copy(&provenance, mrc_volume_provenance(source), err);
    struct mrc_extent e = {slices->size, slices->size, slices->count};
    if (st == MRC_OK) st = mrc_volume_create(out, e, &g, err);
    if (st == MRC_OK) {
        mrc_volume_adopt_provenance(*out, &provenance);
        float *v = mrc_volume_voxels(*out);
        memcpy(v, slices->pixels, (size_t)mrc_extent_count(e) * sizeof *v);
        clamp_range(v, 0, (size_t)mrc_extent_count(e), 0);
    }
    mrc_provenance_clear(&provenance);
    return st;
}

/* --- In words --- */

void mrc_slices_record_print(struct mrc_text *out, const struct mrc_slices_record *record) {
    static const char *const towards[MRC_CUT_COUNT][3] = {
        [MRC_CUT_AXIAL] = {"Left", "Posterior", "Superior"},
        [MRC_CUT_SAGITTAL] = {"Posterior", "Inferior", "Right"},
        [MRC_CUT_CORONAL] = {"Left", "Inferior", "Posterior"}};
    static const char *const stored[3] = {"i", "j", "k"};
    const struct mrc_axial_record *a = &record->axial;
    const struct mrc_square_record *s = &record->square;
    const struct mrc_normalise_record *n = &record->normalise;
    if (record->reformat.used)
        mrc_text_appendf(out, "reformatted from oblique to axial (trilinear); ");
    mrc_text_appendf(out, "%s slices: ", mrc_cut_name(a->cut));
    for (int d = 0; d < 3; ++d)
        mrc_text_appendf(out, "%s%s = %s%s", d > 0 ? ", " : "", towards[a->cut][d],
                         a->flip[d] ? "-" : "", stored[a->axis[d]]);
    mrc_text_appendf(out, " (%lld x %lld x %lld at %.4g x %.4g x %.4g mm)", (long long)a->extent.i,
                     (long long)a->extent.j, (long long)a->extent.k, a->spacing_mm[0],
                     a->spacing_mm[1], a->spacing_mm[2]);
    mrc_text_appendf(out,
                     "; %s to %.6g mm square, resampled to %lld x %lld at %.4g mm (antialiased)",
                     cuts_off(s) ? "cut" : "padded", s->side_mm, (long long)s->size,
                     (long long)s->size, s->pixel_mm);
    mrc_text_appendf(out, "; intensity %.6g..%.6g to 0..1", n->lo, n->hi);
    if (n->nonfinite > 0)
        mrc_text_appendf(out, " (%lld non-finite voxels as 0)", (long long)n->nonfinite);
}

enum mrc_status mrc_slices_find_head(unsigned char *mask, const float *pixels, struct mrc_extent e,
                                     struct mrc_error *err) {
    const size_t count = (size_t)mrc_extent_count(e);
    struct mrc_axial_record axial = {.axis = {0, 1, 2}, .extent = e, .spacing_mm = {1.0, 1.0, 1.0}};
    struct mrc_normalise_record record = {0};
    struct mrc_error own = {0};
    int64_t *per_slice = mrc_alloc((size_t)e.k, sizeof *per_slice);
    if (per_slice == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "head: out of memory");
    enum mrc_status st =
        mrc_foreground_find(mask, per_slice, &record, pixels, &axial, "slices", &own);
    mrc_free(per_slice);
    if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s", own.text);
    for (size_t n = 0; n < count; ++n) mask[n] = st == MRC_OK && mask[n] != MRC_IN_AIR ? 1 : 0;
    return MRC_OK;
}
