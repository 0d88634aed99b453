/* ssim_loss.c: five weighted means around each pixel, the map of them, and the way back: each mean
 * is a product with one and the same symmetric window, so its derivative is spread by that window.
 * Sums run in one order, whatever the number of threads. */
#include "model/gan/ssim_loss.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 11, REACH = WINDOW / 2, MAPS = 5 };
static const double SIGMA = 1.5, K1 = 0.01, K2 = 0.03;

struct sides {
    int64_t h, w;   /* of the image */
    int64_t vh, vw; /* of the maps: windows that lie in the image */
};

static struct sides sides_of(int64_t h, int64_t w) {
    return (struct sides){h, w, h - WINDOW + 1, w - WINDOW + 1};
}

size_t mrc_ssim_loss_spare(int64_t h, int64_t w) {
    return (size_t)(h * w) * (MAPS + 3);
}

static void fill_window(float window[WINDOW]) {
    double sum = 0.0, value[WINDOW];
    for (int i = 0; i < WINDOW; ++i) {
        value[i] = exp(-0.5 * (i - REACH) * (i - REACH) / (SIGMA * SIGMA));
        sum += value[i];
    }
    for (int i = 0; i < WINDOW; ++i) window[i] = (float)(value[i] / sum);
}

/* map [vh][vw]: weighted means of image [h][w]. between: [vh][w]. */
static void gather(float *map, const float *image, const float window[WINDOW],
                   const struct sides *s, float *between) {
    for (int64_t y = 0; y < s->vh; ++y) {
        float *row = between + y * s->w;
        memset(row, 0, (size_t)s->w * sizeof *row);
        for (int t = 0; t < WINDOW; ++t) {
            const float *from = image + (y + t) * s->w, weight = window[t];
            for (int64_t x = 0; x < s->w; ++x) row[x] += weight * from[x];
        }
        float *to = map + y * s->vw;
        memset(to, 0, (size_t)s->vw * sizeof *to);
        for (int t = 0; t < WINDOW; ++t)
            for (int64_t x = 0; x < s->vw; ++x) to[x] += window[t] * row[x + t];
    }
}

/* The adjoint of gather: image = spread of map. */
static void spread(float *image, const float *map, const float window[WINDOW],
                   const struct sides *s, float *between) {
    memset(image, 0, (size_t)(s->h * s->w) * sizeof *image);
    for (int64_t y = 0; y < s->vh; ++y) {
        float *row = between;
        memset(row, 0, (size_t)s->w * sizeof *row);
        const float *from = map + y * s->vw;
        for (int t = 0; t < WINDOW; ++t)
            for (int64_t x = 0; x < s->vw; ++x) row[x + t] += window[t] * from[x];
        for (int t = 0; t < WINDOW; ++t) {
            float *to = image + (y + t) * s->w, weight = window[t];
            for (int64_t x = 0; x < s->w; ++x) to[x] += weight * row[x];
        }
    }
}

/* map[0 … 4]: means of a, b, aa, bb, ab; on return [0], [2], [4] are the derivatives of the SSIM by
 * the first, third and fifth. Returns the sum of the SSIM. */
static double differentiate(float *const map[MAPS], size_t n, double range) {
    const double c1 = (K1 * range) * (K1 * range), c2 = (K2 * range) * (K2 * range);
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) {
        const double ma = (double)map[0][i], mb = (double)map[1][i];
        const double va = (double)map[2][i] - ma * ma, vb = (double)map[3][i] - mb * mb;
        const double vab = (double)map[4][i] - ma * mb;
        const double a1 = 2.0 * ma * mb + c1, a2 = 2.0 * vab + c2;
        const double b1 = ma * ma + mb * mb + c1, b2 = va + vb + c2;
        const double s = a1 * a2 / (b1 * b2);
        sum += s;
        map[0][i] =
            (float)(2.0 * mb * (a2 - a1) / (b1 * b2) - 2.0 * ma * s * (1.0 / b1 - 1.0 / b2));
        map[2][i] = (float)(-s / b2);
        map[4][i] = (float)(2.0 * a1 / (b1 * b2));
    }
    return sum;
}

double mrc_ssim_loss(float *d, const float *a, const float *b, int64_t h, int64_t w, int64_t step,
                     double range, double weight, float *spare) {
    const struct sides s = sides_of(h, w);
    if (s.vh < 1 || s.vw < 1) return 0.0;
    const size_t pixels = (size_t)(h * w), n = (size_t)(s.vh * s.vw);
    float window[WINDOW], *map[MAPS], *image = spare, *between = spare + pixels;
    float *sum = spare + 2 * pixels;
    for (int m = 0; m < MAPS; ++m) map[m] = spare + (size_t)(3 + m) * pixels;
    fill_window(window);
    for (int m = 0; m < MAPS; ++m) {
        for (size_t i = 0; i < pixels; ++i) {
            const float p = a[i * (size_t)step], q = b[i * (size_t)step];
            image[i] = m == 0 ? p : m == 1 ? q : m == 2 ? p * p : m == 3 ? q * q : p * q;
        }
        gather(map[m], image, window, &s, between);
    }
    const double similarity = differentiate(map, n, range) / (double)n;
    const float scale = (float)(-weight / (double)n);
    for (int m = 0; m < MAPS; m += 2) {
        spread(m == 0 ? sum : image, map[m], window, &s, between);
        for (size_t i = 0; m > 0 && i < pixels; ++i)
            sum[i] += image[i] * (m == 2 ? 2.0f * a[i * (size_t)step] : b[i * (size_t)step]);
    }
    for (size_t i = 0; i < pixels; ++i) d[i * (size_t)step] += scale * sum[i];
    return 1.0 - similarity;
}
