/* resample.c: separable resampling along one stored axis at a time.
 * Why in stored order: a sagittal volume of 150 MB would be read with a stride of a whole slice if
 * axial slices were cut first. Along j and k a result row is a weighted sum of source rows, along i
 * each result is a short dot product: memory is always read forwards. Conventions: sample s covers
 * [s, s+1) x spacing, its centre is at s + 1/2 (no half-pixel shift between grids); weights of an
 * output sum to 1 over its field of view. Kernels: triangle with anti-aliasing support (as PIL and
 * torch `antialias=True`); Catmull-Rom (Keys 1981, a = -1/2). */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/steps.h"

enum { BLOCK = 2048, ROW_GRAIN = 64 };

/* --- Filters --- */

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double catmull_rom(double x) {
    x = fabs(x);
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0) return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    return 0.0;
}

struct kernel {
    double (*at)(double x);
    double radius; /* where it ends, for scale 1 */
    double scale;  /* input samples by which it is stretched */
};

static enum mrc_status filter_reserve(struct mrc_filter *f, int64_t in, int64_t out,
                                      const struct kernel *k, struct mrc_error *err) {
    int64_t reach = (int64_t)ceil(2.0 * k->radius * k->scale) + 2;
    *f = (struct mrc_filter){.in = in, .out = out, .stride = reach < in ? reach : in, .step = 1};
    f->first = mrc_alloc((size_t)out, sizeof *f->first);
    f->taps = mrc_alloc((size_t)out, sizeof *f->taps);
    f->weight = mrc_alloc((size_t)out * (size_t)f->stride, sizeof *f->weight);
    if (f->first != NULL && f->taps != NULL && f->weight != NULL) return MRC_OK;
    mrc_filter_clear(f);
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a resampling filter");
}

void mrc_filter_clear(struct mrc_filter *f) {
    mrc_free(f->first);
    mrc_free(f->taps);
    mrc_free(f->weight);
    *f = (struct mrc_filter){0};
}

/* One output centred at `centre` (input samples). Samples below `lowest` or above `highest` do not
 * exist; between those and the input they are 0 (repeat false) or the input's end (repeat true). */
static void filter_fill(struct mrc_filter *f, int64_t o, double centre, const struct kernel *k,
                        double lowest, double highest, bool repeat) {
    double reach = k->radius * k->scale, total = 0.0;
    if (fabs(centre - round(centre)) < 1e-9) centre = round(centre); /* equal grids copy exactly */
    int64_t begin = (int64_t)fmax(ceil(centre - reach), lowest);
    int64_t end = (int64_t)fmin(floor(centre + reach), highest);
    int64_t last = f->in - 1;
    int64_t first = begin < 0 ? 0 : begin > last ? last : begin;
    int64_t final = end < 0 ? 0 : end > last ? last : end;
    float *weight = f->weight + o * f->stride;
    f->first[o] = first;
    f->taps[o] = final - first + 1;
    MRC_ASSERT(f->taps[o] <= f->stride);

    for (int64_t s = begin; s <= end; ++s) total += k->at(((double)s - centre) / k->scale);
    if (!(fabs(total) > 1e-12)) return; /* cannot happen inside the field; weights stay 0 */
    double part = 0.0;
    for (int64_t s = begin, held = first; s <= end; ++s) {
        int64_t t = s < 0 ? 0 : s > last ? last : s;
        if (t != s && !repeat) continue;
        if (t != held) {
            part = 0.0;
            held = t;
        }
        part += k->at(((double)s - centre) / k->scale) / total;
        weight[t - first] = (float)part;
    }
}

enum mrc_status mrc_filter_create_square(struct mrc_filter *f, int64_t in, double in_mm,
                                         int64_t out, double out_mm, double offset_mm, bool flip,
                                         struct mrc_error *err) {
    const struct kernel k = {triangle, 1.0, fmax(1.0, out_mm / in_mm)};
    enum mrc_status st = filter_reserve(f, in, out, &k, err);
    if (st != MRC_OK) return st;
    /* 1e-9: a sample's centre exactly on the border belongs to the field on both sides alike */
    const double lowest = ceil(-offset_mm / in_mm - 0.5 - 1e-9);
    const double highest = floor(((double)out * out_mm - offset_mm) / in_mm - 0.5 + 1e-9);
    for (int64_t o = 0; o < out; ++o) {
        double centre = (((double)o + 0.5) * out_mm - offset_mm) / in_mm - 0.5;
        filter_fill(f, o, centre, &k, lowest, highest, false);
        if (flip) f->first[o] = in - 1 - f->first[o];
    }
    f->step = flip ? -1 : 1;
    return MRC_OK;
}

enum mrc_status mrc_filter_create_back(struct mrc_filter *f, int64_t in, double in_mm, int64_t out,
                                       double out_mm, double offset_mm, bool flip,
                                       struct mrc_error *err) {
    const bool up = out_mm <= in_mm;
    const struct kernel k = {up ? catmull_rom : triangle, up ? 2.0 : 1.0,
                             fmax(1.0, out_mm / in_mm)};
    enum mrc_status st = filter_reserve(f, in, out, &k, err);
    if (st != MRC_OK) return st;
    for (int64_t o = 0; o < out; ++o) {
        const int64_t at = flip ? out - 1 - o : o;
        const double centre = (((double)o + 0.5) * out_mm + offset_mm) / in_mm - 0.5;
        if (centre > -0.5 - 1e-9 && centre < (double)in - 0.5 + 1e-9)
            filter_fill(f, at, centre, &k, -1e9, 1e9, true);
        else
            f->first[at] = f->taps[at] = 0; /* cut off */
    }
    return MRC_OK;
}

/* --- Applying them --- */

struct resampling {
    float *dst;
    const float *src;
    size_t inner; /* contiguous values that share their place on the axis */
    const struct mrc_filter *f;
    bool limited;
    float lo, scale;
};

/* Axis i: items are rows. */
static void along_rows(void *context, size_t begin, size_t end, int lane) {
    const struct resampling *r = context;
    const struct mrc_filter *f = r->f;
    float limited[4096]; /* mrc_volume_create allows no longer row */
    (void)lane;
    for (size_t row = begin; row < end; ++row) {
        const float *src = r->src + row * (size_t)f->in;
        float *dst = r->dst + row * (size_t)f->out;
        if (r->limited) {
            for (int64_t s = 0; s < f->in; ++s) limited[s] = mrc_limit(src[s], r->lo, r->scale);
            src = limited;
        }
        for (int64_t o = 0; o < f->out; ++o) {
            const float *weight = f->weight + o * f->stride, *at = src + f->first[o];
            float sum = 0.0f;
            for (int64_t t = 0; t < f->taps[o]; ++t) sum += weight[t] * at[t * f->step];
            dst[o] = sum;
        }
    }
}

/* dst[n] += weight * src[n], through the limits if there are any. */
static void add_row(float *restrict dst, const float *restrict src, float weight, size_t n,
                    const struct resampling *r) {
    if (r->limited)
        for (size_t x = 0; x < n; ++x) dst[x] += weight * mrc_limit(src[x], r->lo, r->scale);
    else
        for (size_t x = 0; x < n; ++x) dst[x] += weight * src[x];
}

/* Axes j and k: items are result rows (outer index, output), each of `inner` values. */
static void across_rows(void *context, size_t begin, size_t end, int lane) {
    const struct resampling *r = context;
    const struct mrc_filter *f = r->f;
    (void)lane;
    for (size_t item = begin; item < end; ++item) {
        size_t outer = item / (size_t)f->out, o = item % (size_t)f->out;
        const float *src = r->src + outer * (size_t)f->in * r->inner;
        const float *weight = f->weight + o * (size_t)f->stride;
        for (size_t x = 0; x < r->inner; x += BLOCK) {
            size_t n = r->inner - x < BLOCK ? r->inner - x : BLOCK;
            float *dst = r->dst + item * r->inner + x;
            memset(dst, 0, n * sizeof *dst);
            for (int64_t t = 0; t < f->taps[o]; ++t)
                add_row(dst, src + (size_t)(f->first[o] + t * f->step) * r->inner + x, weight[t], n,
                        r);
        }
    }
}

void mrc_resample_axis(float *dst, const float *src, struct mrc_extent e, int axis,
                       const struct mrc_filter *f, const struct mrc_normalise_record *limits) {
    MRC_ASSERT(axis >= 0 && axis < 3 && e.i <= 4096);
    MRC_ASSERT(f->in == (axis == 0 ? e.i : axis == 1 ? e.j : e.k));
    struct resampling r = {.dst = dst, .src = src, .f = f, .limited = limits != NULL};
    if (limits != NULL) {
        r.lo = (float)limits->lo;
        r.scale = (float)(1.0 / (limits->hi - limits->lo));
    }
    if (axis == 0) {
        mrc_parallel_for((size_t)(e.j * e.k), ROW_GRAIN, along_rows, &r);
        return;
    }
    r.inner = (size_t)(axis == 1 ? e.i : e.i * e.j);
    size_t items = (size_t)(axis == 1 ? e.k : 1) * (size_t)f->out;
    mrc_parallel_for(items, axis == 1 ? ROW_GRAIN : 1, across_rows, &r);
}
