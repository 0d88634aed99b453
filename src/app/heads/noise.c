/* noise.c: the normal distribution's quantiles, and smooth fields by cubic B-splines. */
#include "app/heads/noise.h"

#include <math.h>
#include <string.h>

#include "app/heads/grid.h"
#include "base/alloc.h"

void mrc_sim_normals_init(struct mrc_sim_normals *normals) {
    double x = 0.0, square = 0.0;
    enum { HALF = MRC_SIM_QUANTILES / 2 };
    for (int q = 0; q < HALF; ++q) {
        const double p = (q + 0.5) / MRC_SIM_QUANTILES; /* above the middle; Newton's steps */
        for (int step = 0; step < 60; ++step) {
            const double density = 0.3989422804014327 * exp(-0.5 * x * x);
            const double change = (0.5 * erf(x * 0.7071067811865476) - p) / density;
            x -= change;
            if (fabs(change) < 1e-12) break;
        }
        normals->quantile[HALF + q] = (float)x;
        square += 2.0 * x * x / MRC_SIM_QUANTILES;
    }
    for (int q = 0; q < HALF; ++q) {
        normals->quantile[HALF + q] /= (float)sqrt(square);
        normals->quantile[HALF - 1 - q] = -normals->quantile[HALF + q];
    }
}

static const double HALF_BOX_MM = 170.0;
/* Mean over places of the square of a B-spline's weights, in three dimensions: (151/315)^3. */
static const double SPLINE_DEVIATION = 0.33190;

struct weights {
    int first;
    float w[4];
};

static struct weights spline(double at_mm, double feature_mm, int n) {
    double u = (at_mm + HALF_BOX_MM) / feature_mm + 1.0;
    u = fmin(fmax(u, 1.0), (double)n - 2.001);
    const double cell = floor(u), t = u - cell, s = 1.0 - t;
    return (struct weights){
        (int)cell - 1,
        {(float)(s * s * s / 6.0), (float)((3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0),
         (float)((3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0), (float)(t * t * t / 6.0)}};
}

/* out [outer][count][inner] from in [outer][n][inner]. */
static void along(float *out, const float *in, size_t outer, size_t inner, int n, int count,
                  const struct weights *w) {
    for (size_t o = 0; o < outer; ++o)
        for (int c = 0; c < count; ++c) {
            const float *row = in + (o * (size_t)n + (size_t)w[c].first) * inner;
            float *to = out + (o * (size_t)count + (size_t)c) * inner;
            const float a = w[c].w[0], b = w[c].w[1], d = w[c].w[2], e = w[c].w[3];
            for (size_t i = 0; i < inner; ++i)
                to[i] = a * row[i] + b * row[i + inner] + d * row[i + 2 * inner] +
                        e * row[i + 3 * inner];
        }
}

/* Planes first … last of the grid of normal numbers; each begins with a draw of its own. */
static void draw_planes(float *out, int first, int last, size_t square, struct mrc_sim_stream s) {
    const size_t draws = (square + 3) / 4;
    for (int k = first; k <= last; ++k) {
        float *plane = out + (size_t)(k - first) * square, rest[4];
        struct mrc_sim_stream own = mrc_sim_stream_after(s, (uint64_t)k * draws);
        size_t c = 0;
        for (; c + 4 <= square; c += 4) mrc_sim_normal4(plane + c, &own);
        if (c == square) continue;
        mrc_sim_normal4(rest, &own);
        memcpy(plane + c, rest, (square - c) * sizeof *plane);
    }
}

static void set_weights(struct weights *w, const struct mrc_sim_lattice *l, int axis,
                        double feature_mm, int n) {
    for (int i = 0; i < l->n[axis]; ++i)
        w[i] = spline(l->first_mm[axis] + l->step_mm[axis] * i, feature_mm, n);
}

enum mrc_status mrc_sim_field(float *out, const struct mrc_sim_lattice *l, double feature_mm,
                              struct mrc_sim_stream stream, struct mrc_error *err) {
    const int n = (int)ceil(2.0 * HALF_BOX_MM / feature_mm) + 4;
    const size_t square = (size_t)n * (size_t)n, planes = (size_t)l->n[2];
    const size_t rows = planes * (size_t)l->n[1];
    struct weights *w = mrc_alloc((size_t)(l->n[0] + l->n[1] + l->n[2]), sizeof *w);
    if (w == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a smooth field");
    struct weights *w1 = w + l->n[0], *w2 = w1 + l->n[1];
    set_weights(w, l, 0, feature_mm, n);
    set_weights(w1, l, 1, feature_mm, n);
    set_weights(w2, l, 2, feature_mm, n);
    const int a = w2[0].first, b = w2[planes - 1].first;
    const int first = a < b ? a : b, last = (a < b ? b : a) + 3;
    const size_t drawn = (size_t)(last - first + 1) * square;
    float *control = mrc_alloc(drawn + planes * square + rows * (size_t)n, sizeof *control);
    if (control == NULL) {
        mrc_free(w);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a smooth field");
    }
    float *second = control + drawn, *third = second + planes * square;
    draw_planes(control, first, last, square, stream);
    for (size_t c = 0; c < drawn; ++c) control[c] *= (float)(1.0 / SPLINE_DEVIATION);
    for (size_t k = 0; k < planes; ++k) w2[k].first -= first;
    along(second, control, 1, square, last - first + 1, l->n[2], w2);
    along(third, second, planes, (size_t)n, n, l->n[1], w1);
    along(out, third, rows, 1, n, l->n[0], w);
    mrc_free(control);
    mrc_free(w);
    return MRC_OK;
}
