/* detail.c: the way back to a grid finer than the slices. Plain upsampling gives an image as
 * blurred as 64 x 64 pixels are. The source has the missing detail, and around a point the
 * translation is nearly a line: T2w = gain * T1w + something. So what of the source lies beyond the
 * slices comes along, times that gain. */
#include <math.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/steps.h"

/* --- The gain of each pixel of the slices --- */

enum { SUMS = 4 };          /* of guide, image, guide^2, guide * image */
enum { SLICE_ROWS = 1024 }; /* a slice has no longer side */

struct gains {
    float *dst;
    const float *guide, *image;
    int64_t size, radius;
    double variance, largest;
    double *scratch; /* a lane's: [SUMS][size][size] */
};

/* Running sums along rows, then along columns: [y][x] becomes the sum over the window, which is cut
 * at the borders. */
static void box_sum(double *v, int64_t size, int64_t radius, int64_t step, int64_t line) {
    double copy[SLICE_ROWS];
    for (int64_t l = 0; l < size; ++l) {
        double *at = v + l * line, sum = 0.0;
        for (int64_t x = 0; x < size; ++x) copy[x] = at[x * step];
        for (int64_t x = 0; x < radius && x < size; ++x) sum += copy[x];
        for (int64_t x = 0; x < size; ++x) {
            if (x + radius < size) sum += copy[x + radius];
            if (x - radius - 1 >= 0) sum -= copy[x - radius - 1];
            at[x * step] = sum;
        }
    }
}

static void box(double *v, int64_t size, int64_t radius) {
    box_sum(v, size, radius, 1, size);
    box_sum(v, size, radius, size, 1);
}

static int64_t window(int64_t x, int64_t size, int64_t radius) {
    int64_t begin = x > radius ? x - radius : 0;
    int64_t end = x + radius < size ? x + radius : size - 1;
    return end - begin + 1;
}

static void fit_slice(const struct gains *g, int64_t z, double *sums) {
    const int64_t size = g->size, plane = size * size;
    const float *guide = g->guide + z * plane, *image = g->image + z * plane;
    float *dst = g->dst + z * plane;
    for (int64_t n = 0; n < plane; ++n) {
        double x = (double)guide[n], y = (double)image[n];
        sums[n] = x;
        sums[plane + n] = y;
        sums[2 * plane + n] = x * x;
        sums[3 * plane + n] = x * y;
    }
    for (int s = 0; s < SUMS; ++s) box(sums + s * plane, size, g->radius);
    for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x) {
            int64_t n = y * size + x;
            double area = (double)(window(x, size, g->radius) * window(y, size, g->radius));
            double mx = sums[n] / area, my = sums[plane + n] / area;
            double variance = sums[2 * plane + n] / area - mx * mx;
            double covariance = sums[3 * plane + n] / area - mx * my;
            double gain = covariance / (fmax(variance, 0.0) + g->variance);
            sums[n] = fmax(-g->largest, fmin(g->largest, gain));
        }
    box(sums, size, g->radius); /* the mean of all windows a pixel lies in */
    for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x)
            dst[y * size + x] = (float)(sums[y * size + x] / (double)(window(x, size, g->radius) *
                                                                      window(y, size, g->radius)));
}

static void fit_slices(void *context, size_t begin, size_t end, int lane) {
    const struct gains *g = context;
    double *sums = g->scratch + (size_t)lane * SUMS * (size_t)(g->size * g->size);
    for (size_t z = begin; z < end; ++z) fit_slice(g, (int64_t)z, sums);
}

static enum mrc_status find_gains(struct mrc_slices *out, const struct mrc_slices *after,
                                  const struct mrc_slices *before,
                                  const struct mrc_detail_options *options, struct mrc_error *err) {
    const size_t plane = (size_t)(after->size * after->size);
    *out = (struct mrc_slices){.count = after->count, .size = after->size, .record = after->record};
    out->pixels = mrc_alloc((size_t)after->count * plane, sizeof *out->pixels);
    double *scratch = mrc_alloc((size_t)mrc_parallel_threads() * SUMS * plane, sizeof *scratch);
    enum mrc_status st = MRC_OK;
    if (out->pixels == NULL || scratch == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the source's detail");
    if (st == MRC_OK) {
        struct gains g = {.dst = out->pixels,
                          .guide = before->pixels,
                          .image = after->pixels,
                          .size = after->size,
                          .radius = options->radius,
                          .variance = options->variance,
                          .largest = options->largest,
                          .scratch = scratch};
        mrc_parallel_for((size_t)after->count, 1, fit_slices, &g);
    }
    mrc_free(scratch);
    return st;
}

/* --- The sum --- */

struct sum {
    float *dst;          /* the network's image, spread; becomes the result */
    const float *source; /* raw voxels */
    const float *coarse; /* the slices the network saw, spread */
    const float *gain;
    float lo, scale;
};

static void add_detail(void *context, size_t begin, size_t end, int lane) {
    const struct sum *s = context;
    (void)lane;
    for (size_t n = begin; n < end; ++n) {
        float detail = mrc_limit(s->source[n], s->lo, s->scale) - s->coarse[n];
        float v = s->dst[n] + s->gain[n] * detail;
        v = v > 0.0f ? v : 0.0f; /* NaN too */
        s->dst[n] = v < 1.0f ? v : 1.0f;
    }
}

static enum mrc_status spread_all(float *dst, float *coarse, float *gain,
                                  const struct mrc_slices *after, const struct mrc_slices *before,
                                  const struct mrc_slices *gains, const mrc_volume *source,
                                  struct mrc_error *err) {
    enum mrc_status st = mrc_slices_spread(dst, after, source, err);
    if (st == MRC_OK) st = mrc_slices_spread(coarse, before, source, err);
    return st == MRC_OK ? mrc_slices_spread(gain, gains, source, err) : st;
}

enum mrc_status mrc_slices_to_volume_detailed(mrc_volume **out, const struct mrc_slices *after,
                                              const struct mrc_slices *before,
                                              const mrc_volume *source,
                                              const struct mrc_detail_options *options,
                                              struct mrc_error *err) {
    MRC_ASSERT(after->size == before->size && after->count == before->count &&
               after->size <= SLICE_ROWS && options->radius >= 1 && options->variance > 0.0);
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(source));
    const struct mrc_normalise_record *limits = &before->record.normalise;
    struct mrc_slices gains = {0};
    float *coarse = NULL, *gain = NULL;
    *out = NULL;
    enum mrc_status st = mrc_slices_check_source(after, source, err);
    if (st == MRC_OK) st = mrc_volume_create_like(out, source, err);
    if (st == MRC_OK) st = find_gains(&gains, after, before, options, err);
    if (st == MRC_OK) {
        coarse = mrc_alloc(count, sizeof *coarse);
        gain = mrc_alloc(count, sizeof *gain);
        if (coarse == NULL || gain == NULL)
            st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the source's detail");
    }
    if (st == MRC_OK)
        st = spread_all(mrc_volume_voxels(*out), coarse, gain, after, before, &gains, source, err);
    if (st == MRC_OK) {
        struct sum sum = {.dst = mrc_volume_voxels(*out),
                          .source = mrc_volume_voxels_const(source),
                          .coarse = coarse,
                          .gain = gain,
                          .lo = (float)limits->lo,
                          .scale = (float)(1.0 / (limits->hi - limits->lo))};
        mrc_parallel_for(count, 1 << 18, add_detail, &sum);
    }
    mrc_free(gain);
    mrc_free(coarse);
    mrc_slices_clear(&gains);
    if (st != MRC_OK) {
        mrc_volume_destroy(*out);
        *out = NULL;
    }
    return st;
}
