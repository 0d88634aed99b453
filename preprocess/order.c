/* order.c: exact percentiles of many floats in two passes and little memory.
 * A float's bits, with the sign undone, sort as an integer. The first pass counts the upper 16
 * bits, the second the lower 16 of those values that share the wanted upper half. Counts are
 * integers: the same on any number of threads, and no outlier can spoil the bins as it would with
 * bins of equal width. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "preprocess/steps.h"

enum { HALF = 1 << 16, GRAIN = 1 << 18 };

struct counting {
    const float *v;
    const unsigned char *mask;
    unsigned char want;
    int passes;       /* histograms a lane: 1 over the upper half, or one a wanted upper half */
    bool upper;       /* first pass */
    uint32_t high[2]; /* second pass: the wanted upper halves */
    uint32_t *lanes;  /* [lanes][2][HALF] */
};

static uint32_t key_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float value_of(uint32_t key) {
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void count_range(void *context, size_t begin, size_t end, int lane) {
    const struct counting *c = context;
    uint32_t *histogram = c->lanes + (size_t)lane * 2 * HALF;
    for (size_t n = begin; n < end; ++n) {
        if (c->mask != NULL && c->mask[n] != c->want) continue;
        if (!isfinite(c->v[n])) continue;
        uint32_t key = key_of(c->v[n]);
        if (c->upper) {
            ++histogram[key >> 16];
            continue;
        }
        for (int q = 0; q < c->passes; ++q)
            if (key >> 16 == c->high[q]) ++histogram[(size_t)q * HALF + (key & 0xffffu)];
    }
}

/* Counts, and adds the lanes up into the first. */
static void count_all(struct counting *c, size_t n, int lanes) {
    memset(c->lanes, 0, (size_t)lanes * 2 * HALF * sizeof *c->lanes);
    mrc_parallel_for(n, GRAIN, count_range, c);
    for (int lane = 1; lane < lanes; ++lane)
        for (size_t b = 0; b < 2 * HALF; ++b) c->lanes[b] += c->lanes[(size_t)lane * 2 * HALF + b];
}

/* The bin that holds the rank-th element (from 0); *rank becomes its rank inside the bin. */
static uint32_t find_bin(const uint32_t *histogram, uint64_t *rank) {
    uint32_t bin = 0;
    while (bin < HALF - 1 && *rank >= histogram[bin]) *rank -= histogram[bin++];
    return bin;
}

enum mrc_status mrc_order_select(float *value, const double *fraction, int count,
                                 uint64_t *population, const float *v, size_t n,
                                 const unsigned char *mask, unsigned char want,
                                 struct mrc_error *err) {
    MRC_ASSERT(count >= 1 && count <= 2);
    const int lanes = mrc_parallel_threads();
    struct counting c = {.v = v, .mask = mask, .want = want, .passes = count, .upper = true};
    c.lanes = mrc_alloc((size_t)lanes * 2 * HALF, sizeof *c.lanes);
    if (c.lanes == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a histogram");

    count_all(&c, n, lanes);
    uint64_t total = 0, rank[2] = {0, 0};
    for (size_t b = 0; b < HALF; ++b) total += c.lanes[b];
    *population = total;
    if (total > 0) {
        for (int q = 0; q < count; ++q) {
            rank[q] = (uint64_t)floor(fraction[q] * (double)(total - 1) + 0.5);
            c.high[q] = find_bin(c.lanes, &rank[q]);
        }
        c.upper = false;
        count_all(&c, n, lanes);
        for (int q = 0; q < count; ++q)
            value[q] = value_of(c.high[q] << 16 | find_bin(c.lanes + (size_t)q * HALF, &rank[q]));
    }
    mrc_free(c.lanes);
    return MRC_OK;
}
