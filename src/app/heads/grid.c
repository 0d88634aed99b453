/* grid.c: separable passes over three-dimensional arrays. */
#include "app/heads/grid.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"

/* A line of an array: n values, `step` apart, from `first` on. */
struct line {
    size_t first, step;
    int n;
};

static struct line line_of(const int n[3], int axis, size_t number) {
    const size_t step[3] = {1, (size_t)n[0], (size_t)n[0] * (size_t)n[1]};
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    const size_t i = number % (size_t)n[a], j = number / (size_t)n[a];
    return (struct line){i * step[a] + j * step[b], step[axis], n[axis]};
}

static size_t lines_of(const int n[3], int axis) {
    return mrc_grid_count(n) / (size_t)n[axis];
}

/* A pass along one axis, with two scratch lines of the longest side a lane. */
struct pass {
    float *x;
    const int *n;
    int axis, longest;
    const float *tap;
    int reach;
    float *scratch;
};

static void load(float *to, const float *x, struct line l) {
    for (int i = 0; i < l.n; ++i) to[i] = x[l.first + (size_t)i * l.step];
}
static void store(float *x, const float *from, struct line l) {
    for (int i = 0; i < l.n; ++i) x[l.first + (size_t)i * l.step] = from[i];
}

static void smooth_lines(void *context, size_t begin, size_t end, int lane) {
    const struct pass *p = context;
    const int room = p->longest + 2 * p->reach;
    float *in = p->scratch + (size_t)lane * 2 * (size_t)room, *out = in + room;
    for (size_t number = begin; number < end; ++number) {
        const struct line l = line_of(p->n, p->axis, number);
        memset(in, 0, (size_t)room * sizeof *in);
        load(in + p->reach, p->x, l);
        for (int i = 0; i < l.n; ++i) out[i] = p->tap[0] * in[i + p->reach];
        for (int t = 1; t <= p->reach; ++t)
            for (int i = 0; i < l.n; ++i)
                out[i] += p->tap[t] * (in[i + p->reach - t] + in[i + p->reach + t]);
        store(p->x, out, l);
    }
}

static int longest_side(const int n[3]) {
    const int a = n[0] > n[1] ? n[0] : n[1];
    return a > n[2] ? a : n[2];
}

enum mrc_status mrc_grid_smooth(float *x, const int n[3], double sigma, struct mrc_error *err) {
    enum { MOST_TAPS = 64, GRAIN = 64 };
    float tap[MOST_TAPS + 1];
    double all = 1.0;
    const int reach = (int)fmin(ceil(3.0 * sigma), MOST_TAPS);
    for (int t = 1; t <= reach; ++t) all += 2.0 * exp(-0.5 * t * t / (sigma * sigma));
    for (int t = 0; t <= reach; ++t) tap[t] = (float)(exp(-0.5 * t * t / (sigma * sigma)) / all);
    struct pass p = {.x = x, .n = n, .longest = longest_side(n), .tap = tap, .reach = reach};
    p.scratch = mrc_alloc((size_t)mrc_parallel_threads() * 2 * (size_t)(p.longest + 2 * reach),
                          sizeof *p.scratch);
    if (p.scratch == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for smoothing");
    for (p.axis = 0; p.axis < 3; ++p.axis)
        mrc_parallel_for(lines_of(n, p.axis), GRAIN, smooth_lines, &p);
    mrc_free(p.scratch);
    return MRC_OK;
}

/* Lower envelope of the parabolas f[q] + (p - q)^2, read off at 0 … n-1. */
static void distance_line(float *d, const float *f, int n, int *v, float *z) {
    int k = 0;
    v[0] = 0;
    z[0] = -HUGE_VALF;
    z[1] = HUGE_VALF;
    for (int q = 1; q < n; ++q) {
        float s = 0.0f;
        for (;; --k) {
            s = ((f[q] + (float)(q * q)) - (f[v[k]] + (float)(v[k] * v[k]))) /
                (float)(2 * q - 2 * v[k]);
            if (s > z[k] || k == 0) break;
        }
        if (s <= z[k]) k = -1;
        v[++k] = q;
        z[k] = k == 0 ? -HUGE_VALF : s;
        z[k + 1] = HUGE_VALF;
    }
    k = 0;
    for (int q = 0; q < n; ++q) {
        while (z[k + 1] < (float)q) ++k;
        d[q] = (float)((q - v[k]) * (q - v[k])) + f[v[k]];
    }
}

static void distance_lines(void *context, size_t begin, size_t end, int lane) {
    const struct pass *p = context;
    float *f = p->scratch + (size_t)lane * 4 * (size_t)(p->longest + 1);
    float *d = f + p->longest + 1, *z = d + p->longest + 1;
    int *v = (int *)(void *)(z + p->longest + 1);
    for (size_t number = begin; number < end; ++number) {
        const struct line l = line_of(p->n, p->axis, number);
        load(f, p->x, l);
        distance_line(d, f, l.n, v, z);
        store(p->x, d, l);
    }
}

enum mrc_status mrc_grid_distance(float *out, const uint8_t *inside, const int n[3],
                                  struct mrc_error *err) {
    enum { GRAIN = 64 };
    const size_t count = mrc_grid_count(n);
    struct pass p = {.x = out, .n = n, .longest = longest_side(n)};
    const float far = (float)p.longest * (float)p.longest;
    p.scratch =
        mrc_alloc((size_t)mrc_parallel_threads() * 4 * (size_t)(p.longest + 1), sizeof *p.scratch);
    if (p.scratch == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for distances");
    for (size_t v = 0; v < count; ++v) out[v] = inside[v] ? far : 0.0f;
    for (p.axis = 0; p.axis < 3; ++p.axis)
        mrc_parallel_for(lines_of(n, p.axis), GRAIN, distance_lines, &p);
    for (size_t v = 0; v < count; ++v) out[v] = sqrtf(fminf(out[v], far));
    mrc_free(p.scratch);
    return MRC_OK;
}

/* Cell and place in it along one axis. */
static int cell_of(float *part, float at, int n) {
    const float inside = at < 0.0f ? 0.0f : at > (float)(n - 1) ? (float)(n - 1) : at;
    int cell = (int)inside;
    if (cell > n - 2) cell = n > 1 ? n - 2 : 0;
    *part = inside - (float)cell;
    return cell;
}

static float mix(float a, float b, float part) {
    return a + (b - a) * part;
}

#define SAMPLE(x, n, at)                                                                           \
    float p, q, r;                                                                                 \
    const int i = cell_of(&p, (at)[0], (n)[0]), j = cell_of(&q, (at)[1], (n)[1]),                  \
              k = cell_of(&r, (at)[2], (n)[2]);                                                    \
    const size_t a = mrc_grid_at((n), i, j, k), di = (n)[0] > 1,                                   \
                 dj = (n)[1] > 1 ? (size_t)(n)[0] : 0,                                             \
                 dk = (n)[2] > 1 ? (size_t)(n)[0] * (size_t)(n)[1] : 0;                            \
    return mix(mix(mix((x)[a], (x)[a + di], p), mix((x)[a + dj], (x)[a + dj + di], p), q),         \
               mix(mix((x)[a + dk], (x)[a + dk + di], p),                                          \
                   mix((x)[a + dk + dj], (x)[a + dk + dj + di], p), q),                            \
               r)

float mrc_grid_sample(const uint8_t *x, const int n[3], const float at[3]) {
    SAMPLE(x, n, at);
}

float mrc_grid_sample_float(const float *x, const int n[3], const float at[3]) {
    SAMPLE(x, n, at);
}
