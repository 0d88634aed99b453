/* foreground.c: which voxels are head. Otsu's threshold, the holes of each axial slice, and the
 * largest component. Otsu's method (IEEE Trans. SMC 9, 1979) runs here on the square roots of the
 * intensities: with plain intensities a bright class (CSF in T2w, fat in T1w) can outweigh the air
 * around the head and be split off in its place; the root pulls bright classes together and air
 * away from tissue. Bins span the 0.1st to the 99.9th percentile, so that a few hot voxels cannot
 * squeeze the head into one bin. The ventricles and the skull are dark in T1w, but closed in by
 * brighter tissue in axial slices: filling brings them back. Filling comes before choosing the
 * component: the dark skull would else part the scalp from the brain, and which of the two were
 * kept, with or without fat, would be chance. The core is what lies deep in the head: brain, not
 * scalp. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/steps.h"

#define SMALLEST_FRACTION                                                                          \
    0.001 /* of the volume; a head is some per cent even in a wide field of view */

#define LEAST_CORE 0.02 /* of the head */
#define CORE_DEPTH 0.3  /* of the radius of a disc as large as the widest slice of the head */

enum { BINS = 1024, GRAIN = 1 << 18 };

/* --- Threshold --- */

struct binning {
    const float *v;
    float lo, scale;
    uint64_t *lanes; /* [lanes][BINS] */
};

static void bin_range(void *context, size_t begin, size_t end, int lane) {
    const struct binning *b = context;
    uint64_t *histogram = b->lanes + (size_t)lane * BINS;
    for (size_t n = begin; n < end; ++n) {
        if (!isfinite(b->v[n])) continue;
        float x = fminf(fmaxf((b->v[n] - b->lo) * b->scale, 0.0f), 1.0f);
        ++histogram[(int)(sqrtf(x) * (float)(BINS - 1) + 0.5f)];
    }
}

/* The bin after which the variance between the two classes is largest; the middle one where several
 * are. */
static double otsu(const uint64_t histogram[BINS]) {
    double total = 0.0, moment = 0.0, below = 0.0, below_moment = 0.0, best = -1.0;
    int first = 0, last = 0;
    for (int b = 0; b < BINS; ++b) {
        total += (double)histogram[b];
        moment += b * (double)histogram[b];
    }
    for (int b = 0; b < BINS - 1; ++b) {
        below += (double)histogram[b];
        below_moment += b * (double)histogram[b];
        double above = total - below;
        if (below <= 0.0 || above <= 0.0) continue;
        double d = below_moment / below - (moment - below_moment) / above;
        double between = below * above * d * d;
        if (between > best) {
            best = between;
            first = b;
        }
        if (between >= best) last = b;
    }
    return 0.5 * (first + last) + 0.5;
}

static enum mrc_status find_threshold(double *threshold, const float *v, size_t n, const char *name,
                                      struct mrc_error *err) {
    static const double ends[2] = {0.001, 0.999};
    float range[2] = {0.0f, 0.0f};
    uint64_t finite = 0;
    enum mrc_status st = mrc_order_select(range, ends, 2, &finite, v, n, NULL, 0, err);
    if (st != MRC_OK) return st;
    if (finite == 0 || !(range[1] > range[0]))
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: at least 99.8 %% of the voxels have one value (%g), expected an image",
                        name, (double)range[0]);
    const int lanes = mrc_parallel_threads();
    struct binning b = {.v = v, .lo = range[0], .scale = 1.0f / (range[1] - range[0])};
    if (!isfinite(b.scale) || b.scale <= 0.0f)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: intensities from %g to %g, expected a usable range", name,
                        (double)range[0], (double)range[1]);
    b.lanes = mrc_alloc((size_t)lanes * BINS, sizeof *b.lanes);
    if (b.lanes == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a histogram");
    mrc_parallel_for(n, GRAIN, bin_range, &b);
    for (int lane = 1; lane < lanes; ++lane)
        for (int bin = 0; bin < BINS; ++bin) b.lanes[bin] += b.lanes[lane * BINS + bin];
    double root = otsu(b.lanes) / (BINS - 1);
    *threshold = (double)range[0] + root * root * ((double)range[1] - (double)range[0]);
    mrc_free(b.lanes);
    return MRC_OK;
}

struct cutting {
    unsigned char *mask;
    const float *v;
    float threshold;
};

static void cut_range(void *context, size_t begin, size_t end, int lane) {
    const struct cutting *c = context;
    (void)lane;
    for (size_t n = begin; n < end; ++n)
        c->mask[n] = isfinite(c->v[n]) && c->v[n] > c->threshold ? 1 : 0;
}

/* --- Largest component: union-find over the runs of each row --- */

struct run {
    int32_t begin, end;
    uint32_t parent;
};
struct runs {
    struct run *items;
    size_t count, capacity;
    size_t *row_first; /* [rows + 1] */
};

static uint32_t root_of(struct run *runs, uint32_t r) {
    while (runs[r].parent != r) {
        runs[r].parent = runs[runs[r].parent].parent;
        r = runs[r].parent;
    }
    return r;
}

static void join(struct run *runs, uint32_t a, uint32_t b) {
    a = root_of(runs, a);
    b = root_of(runs, b);
    if (a < b)
        runs[b].parent = a;
    else
        runs[a].parent = b;
}

static void join_rows(struct runs *r, size_t row, size_t neighbour) {
    size_t a = r->row_first[row], b = r->row_first[neighbour];
    const size_t a_end = r->row_first[row + 1], b_end = r->row_first[neighbour + 1];
    while (a < a_end && b < b_end) {
        const struct run *x = &r->items[a], *y = &r->items[b];
        if (x->begin < y->end && y->begin < x->end) join(r->items, (uint32_t)a, (uint32_t)b);
        if (x->end < y->end)
            ++a;
        else
            ++b;
    }
}

static int add_runs_of_row(struct runs *r, const unsigned char *row, int64_t length) {
    for (int64_t i = 0; i < length;) {
        if (!row[i]) {
            const unsigned char *next = memchr(row + i, 1, (size_t)(length - i));
            if (next == NULL) break;
            i = next - row;
        }
        int64_t begin = i;
        while (i < length && row[i]) ++i;
        if (!mrc_grow((void **)&r->items, &r->capacity, r->count + 1, sizeof *r->items)) return 0;
        r->items[r->count] = (struct run){(int32_t)begin, (int32_t)i, (uint32_t)r->count};
        ++r->count;
    }
    return 1;
}

/* Adds a run to the counts of the axial slices it lies in. */
static void count_run(int64_t *per_slice, const struct run *x, size_t row, struct mrc_extent e,
                      const struct mrc_axial_record *axial) {
    const int64_t last = axial->extent.k - 1;
    if (axial->axis[2] == 0) {
        for (int64_t i = x->begin; i < x->end; ++i) ++per_slice[axial->flip[2] ? last - i : i];
        return;
    }
    int64_t z = axial->axis[2] == 1 ? (int64_t)row % e.j : (int64_t)row / e.j;
    per_slice[axial->flip[2] ? last - z : z] += x->end - x->begin;
}

static void keep_component(unsigned char *mask, int64_t *per_slice, const struct runs *r,
                           uint32_t component, struct mrc_extent e,
                           const struct mrc_axial_record *axial) {
    for (size_t row = 0; row < (size_t)(e.j * e.k); ++row)
        for (size_t n = r->row_first[row]; n < r->row_first[row + 1]; ++n) {
            const struct run *x = &r->items[n];
            if (root_of(r->items, (uint32_t)n) == component)
                count_run(per_slice, x, row, e, axial);
            else
                memset(mask + row * (size_t)e.i + x->begin, 0, (size_t)(x->end - x->begin));
        }
}

/* *voxels: its size, per_slice: its parts in the axial slices. Of equals, the one met first stays.
 */
static enum mrc_status keep_largest(unsigned char *mask, int64_t *voxels, int64_t *per_slice,
                                    const struct mrc_axial_record *axial, struct mrc_error *err) {
    const struct mrc_extent e = mrc_axial_stored_extent(axial);
    const size_t rows = (size_t)(e.j * e.k);
    struct runs r = {0};
    int64_t *size = NULL;
    int ok = (r.row_first = mrc_alloc(rows + 1, sizeof *r.row_first)) != NULL;
    for (size_t row = 0; ok && row < rows; ++row) {
        r.row_first[row] = r.count;
        ok = add_runs_of_row(&r, mask + row * (size_t)e.i, e.i);
        r.row_first[row + 1] = r.count;
        if (ok && row % (size_t)e.j != 0) join_rows(&r, row, row - 1);
        if (ok && row >= (size_t)e.j) join_rows(&r, row, row - (size_t)e.j);
    }
    ok = ok && (size = mrc_alloc(r.count, sizeof *size)) != NULL;
    *voxels = 0;
    memset(per_slice, 0, (size_t)axial->extent.k * sizeof *per_slice);
    if (ok && r.count > 0) {
        uint32_t best = 0;
        for (size_t n = 0; n < r.count; ++n)
            size[root_of(r.items, (uint32_t)n)] += r.items[n].end - r.items[n].begin;
        for (size_t n = 1; n < r.count; ++n)
            if (size[n] > size[best]) best = (uint32_t)n;
        *voxels = size[best];
        keep_component(mask, per_slice, &r, best, e, axial);
    }
    mrc_free(size);
    mrc_free(r.items);
    mrc_free(r.row_first);
    return ok ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the head's components");
}

/* --- The mask, one axial slice at a time --- */

/* slice [y][x] may be changed; spare holds as many 32-bit numbers. */
typedef void slice_fn(unsigned char *slice, int32_t nx, int32_t ny, int32_t *spare,
                      const void *context);

struct walk {
    unsigned char *mask;
    struct mrc_axial_view view;
    int64_t depth;         /* slices gathered at once: many when they lie side by side in memory */
    unsigned char *slices; /* [lanes][depth][y][x] */
    int32_t *spares;       /* [lanes][y * x] */
    slice_fn *call;
    const void *context;
};

/* Copies slices z … z+depth-1 between the volume and `slices`, in an order that walks memory
 * forwards. */
static void exchange(const struct walk *f, unsigned char *slices, int64_t z, int64_t depth,
                     bool back) {
    const int64_t nx = f->view.extent.i, ny = f->view.extent.j, *stride = f->view.stride;
    const bool x_inner = llabs(stride[0]) < llabs(stride[1]);
    const int64_t outer_n = x_inner ? ny : nx, inner_n = x_inner ? nx : ny;
    const int64_t outer_stride = stride[x_inner ? 1 : 0], inner_stride = stride[x_inner ? 0 : 1];
    const int64_t outer_at = x_inner ? nx : 1, inner_at = x_inner ? 1 : nx;
    for (int64_t o = 0; o < outer_n; ++o) {
        unsigned char *stored = f->mask + f->view.origin + o * outer_stride + z * stride[2];
        unsigned char *own = slices + o * outer_at;
        for (int64_t n = 0; n < inner_n; ++n, stored += inner_stride, own += inner_at)
            for (int64_t d = 0; d < depth; ++d) {
                if (back)
                    stored[d * stride[2]] = own[d * nx * ny];
                else
                    own[d * nx * ny] = stored[d * stride[2]];
            }
    }
}

static void walk_range(void *context, size_t begin, size_t end, int lane) {
    const struct walk *f = context;
    const int64_t nx = f->view.extent.i, ny = f->view.extent.j, nz = f->view.extent.k;
    unsigned char *slices = f->slices + (int64_t)lane * f->depth * nx * ny;
    int32_t *spare = f->spares + (int64_t)lane * nx * ny;
    for (size_t block = begin; block < end; ++block) {
        int64_t z = (int64_t)block * f->depth;
        int64_t depth = nz - z < f->depth ? nz - z : f->depth;
        exchange(f, slices, z, depth, false);
        for (int64_t d = 0; d < depth; ++d)
            f->call(slices + d * nx * ny, (int32_t)nx, (int32_t)ny, spare, f->context);
        exchange(f, slices, z, depth, true);
    }
}

static enum mrc_status walk_slices(unsigned char *mask, const struct mrc_axial_record *axial,
                                   slice_fn *call, const void *context, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    const size_t lanes = (size_t)mrc_parallel_threads();
    struct walk f = {
        .mask = mask, .view = mrc_axial_view_of(axial), .call = call, .context = context};
    const size_t plane = (size_t)(f.view.extent.i * f.view.extent.j);
    f.depth = llabs(f.view.stride[2]) == 1 ? 32 : 1;
    f.slices = mrc_alloc(lanes * (size_t)f.depth, plane);
    f.spares = mrc_alloc(lanes * plane, sizeof *f.spares);
    if (f.slices != NULL && f.spares != NULL)
        mrc_parallel_for((size_t)((f.view.extent.k + f.depth - 1) / f.depth), 1, walk_range, &f);
    else
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the head's slices");
    mrc_free(f.slices);
    mrc_free(f.spares);
    return st;
}

/* --- Holes of axial slices --- */

enum { AIR = 2 };

static int32_t reach_air(unsigned char *slice, int32_t at, int32_t *stack, int32_t held) {
    if (slice[at] == 0) {
        slice[at] = AIR;
        stack[held++] = at;
    }
    return held;
}

/* What air cannot reach from the slice's border, over 4-connected steps, is head. */
static void fill_slice(unsigned char *slice, int32_t nx, int32_t ny, int32_t *stack,
                       const void *context) {
    (void)context;
    int32_t held = 0;
    for (int32_t x = 0; x < nx; ++x) {
        held = reach_air(slice, x, stack, held);
        held = reach_air(slice, (ny - 1) * nx + x, stack, held);
    }
    for (int32_t y = 0; y < ny; ++y) {
        held = reach_air(slice, y * nx, stack, held);
        held = reach_air(slice, y * nx + nx - 1, stack, held);
    }
    while (held > 0) {
        int32_t at = stack[--held], x = at % nx;
        if (x > 0) held = reach_air(slice, at - 1, stack, held);
        if (x < nx - 1) held = reach_air(slice, at + 1, stack, held);
        if (at >= nx) held = reach_air(slice, at - nx, stack, held);
        if (at < nx * (ny - 1)) held = reach_air(slice, at + nx, stack, held);
    }
    for (int32_t n = 0; n < nx * ny; ++n) slice[n] = slice[n] != AIR;
}

/* --- The core of the head --- */

struct core_reach {
    int64_t x, y; /* voxels */
};

/* Takes `reach` voxels off both ends of each stretch of 1s, but not where the line ends. */
static void shorten_stretches(unsigned char *line, int64_t n, int64_t stride, int64_t reach) {
    for (int64_t i = 0; i < n;) {
        if (line[i * stride] == 0) {
            ++i;
            continue;
        }
        int64_t begin = i;
        while (i < n && line[i * stride] != 0) ++i;
        int64_t keep_from = begin > 0 ? begin + reach : 0, keep_to = i < n ? i - reach : n;
        for (int64_t at = begin; at < i; ++at)
            if (at < keep_from || at >= keep_to) line[at * stride] = 0;
    }
}

/* What is left after a rectangle's erosion is core. Beyond the field of view may be more head. */
static void find_core_of_slice(unsigned char *slice, int32_t nx, int32_t ny, int32_t *spare,
                               const void *context) {
    const struct core_reach *reach = context;
    unsigned char *left = (unsigned char *)spare;
    memcpy(left, slice, (size_t)nx * (size_t)ny);
    for (int32_t y = 0; y < ny; ++y) shorten_stretches(left + (int64_t)y * nx, nx, 1, reach->x);
    for (int32_t x = 0; x < nx; ++x) shorten_stretches(left + x, ny, nx, reach->y);
    for (int64_t n = 0; n < (int64_t)nx * ny; ++n)
        if (left[n] != 0) slice[n] = MRC_IN_CORE;
}

/* Depth is measured on the widest slice, so that the crown, all scalp and skull, has no core. An
 * odd shape with next to no core is core as a whole. */
static enum mrc_status mark_core(unsigned char *mask, int64_t head, const int64_t *per_slice,
                                 const struct mrc_axial_record *axial, struct mrc_error *err) {
    int64_t widest = 0;
    for (int64_t z = 0; z < axial->extent.k; ++z)
        if (per_slice[z] > widest) widest = per_slice[z];
    const double *mm = axial->spacing_mm;
    double depth_mm = CORE_DEPTH * sqrt((double)widest * mm[0] * mm[1] / acos(-1.0));
    const struct core_reach reach = {llround(depth_mm / mm[0]), llround(depth_mm / mm[1])};
    enum mrc_status st = walk_slices(mask, axial, find_core_of_slice, &reach, err);
    if (st != MRC_OK) return st;
    const int64_t count = mrc_extent_count(axial->extent);
    int64_t core = 0;
    for (int64_t n = 0; n < count; ++n) core += mask[n] == MRC_IN_CORE;
    if ((double)core >= LEAST_CORE * (double)head) return MRC_OK;
    for (int64_t n = 0; n < count; ++n)
        if (mask[n] != MRC_IN_AIR) mask[n] = MRC_IN_CORE;
    return MRC_OK;
}

enum mrc_status mrc_foreground_find(unsigned char *mask, int64_t *per_slice,
                                    struct mrc_normalise_record *record, const float *voxels,
                                    const struct mrc_axial_record *axial, const char *name,
                                    struct mrc_error *err) {
    const int64_t count = mrc_extent_count(axial->extent);
    double threshold = 0.0;
    int64_t largest = 0;
    enum mrc_status st = find_threshold(&threshold, voxels, (size_t)count, name, err);
    if (st != MRC_OK) return st;
    struct cutting cut = {.mask = mask, .v = voxels, .threshold = (float)threshold};
    mrc_parallel_for((size_t)count, GRAIN, cut_range, &cut);
    st = walk_slices(mask, axial, fill_slice, NULL, err);
    if (st == MRC_OK) st = keep_largest(mask, &largest, per_slice, axial, err);
    if (st != MRC_OK) return st;
    record->foreground_threshold = threshold;
    record->foreground_fraction = (double)largest / (double)count;
    if (record->foreground_fraction >= SMALLEST_FRACTION)
        return mark_core(mask, largest, per_slice, axial, err);
    return mrc_fail(
        err, MRC_ERR_UNSUPPORTED,
        "%s: the largest bright region has %.3f %% of the voxels, expected a head (%.1f %% "
        "or more)",
        name, 100.0 * record->foreground_fraction, 100.0 * SMALLEST_FRACTION);
}
