/* augment.c: geometry, resolution, bias field, noise, in the order a scan gets them. */
#include "model/gan/augment.h"

#include <math.h>
#include <string.h>

static double clamp(double value, double lo, double hi) {
    return fmin(fmax(value, lo), hi);
}

static double pixel(const float *slice, int64_t size, int64_t channels, int64_t y, int64_t x,
                    int64_t c) {
    if (x < 0 || y < 0 || x >= size || y >= size) return 0.0;
    return (double)slice[(y * size + x) * channels + c];
}

static float bilinear(const float *slice, int64_t size, int64_t channels, double y, double x,
                      int64_t c) {
    double y0 = floor(y), x0 = floor(x), v = y - y0, u = x - x0;
    int64_t r = (int64_t)y0, q = (int64_t)x0;
    return (float)((1.0 - v) * ((1.0 - u) * pixel(slice, size, channels, r, q, c) +
                                u * pixel(slice, size, channels, r, q + 1, c)) +
                   v * ((1.0 - u) * pixel(slice, size, channels, r + 1, q, c) +
                        u * pixel(slice, size, channels, r + 1, q + 1, c)));
}

/* Where a pixel comes from: about the centre, zoomed, turned, then shifted. */
struct map {
    double a, b, y, x;
};

static void move(float *slice, float *spare, int64_t size, int64_t channels, const struct map *m) {
    const double middle = (double)(size - 1) / 2.0;
    memcpy(spare, slice, (size_t)(size * size * channels) * sizeof *slice);
    for (int64_t r = 0; r < size; ++r)
        for (int64_t q = 0; q < size; ++q) {
            double y = (double)r - middle - m->y, x = (double)q - middle - m->x;
            for (int64_t c = 0; c < channels; ++c)
                slice[(r * size + q) * channels + c] =
                    bilinear(spare, size, channels, middle + m->a * y + m->b * x,
                             middle + m->a * x - m->b * y, c);
        }
}

/* As if pixels had been `factor` times as large: tent-filtered down, interpolated up, which is a
 * tent of that width in each direction. */
static void coarsen_line(float *line, const float *from, int64_t size, int64_t stride,
                         double factor) {
    int64_t reach = (int64_t)ceil(factor);
    for (int64_t i = 0; i < size; ++i) {
        double sum = 0.0, weights = 0.0;
        for (int64_t k = -reach; k <= reach; ++k) {
            double weight = 1.0 - fabs((double)k) / factor;
            if (weight <= 0.0 || i + k < 0 || i + k >= size) continue;
            sum += weight * (double)from[(i + k) * stride];
            weights += weight;
        }
        line[i * stride] = (float)(sum / weights);
    }
}

static void coarsen(float *slice, float *spare, int64_t size, int64_t channels, double factor) {
    int64_t row = size * channels;
    for (int64_t i = 0; i < size; ++i)
        for (int64_t c = 0; c < channels; ++c)
            coarsen_line(spare + i * row + c, slice + i * row + c, size, channels, factor);
    for (int64_t i = 0; i < row; ++i) coarsen_line(slice + i, spare + i, size, row, factor);
}

static void shade(float *slice, int64_t size, int64_t channels, const double field[4]) {
    for (int64_t r = 0; r < size; ++r)
        for (int64_t q = 0; q < size; ++q) {
            double y = 2.0 * (double)r / (double)(size - 1) - 1.0;
            double x = 2.0 * (double)q / (double)(size - 1) - 1.0;
            double b = exp(0.5 * (field[0] * x + field[1] * y + field[2] * x * y +
                                  field[3] * (x * x + y * y - 1.0)));
            for (int64_t c = 0; c < channels; ++c) {
                float *at = &slice[(r * size + q) * channels + c];
                *at = (float)clamp((double)*at * b, 0.0, 1.0);
            }
        }
}

static void add_noise(float *slice, int64_t count, double deviation, struct mrc_rng *rng) {
    for (int64_t i = 0; i < count; ++i) {
        double real = (double)slice[i] + deviation * mrc_rng_normal(rng);
        slice[i] = (float)clamp(hypot(real, deviation * mrc_rng_normal(rng)), 0.0, 1.0);
    }
}

static void draw(double either[8], double part[2], struct mrc_rng *rng) {
    for (int i = 0; i < 8; ++i) either[i] = 2.0 * mrc_rng_uniform(rng) - 1.0;
    for (int i = 0; i < 2; ++i) part[i] = mrc_rng_uniform(rng);
}

void mrc_augment(float *slice, float *spare, int64_t size, int64_t channels,
                 const struct mrc_augmentation *most, struct mrc_rng *rng, struct mrc_rng *shape) {
    const double degree = acos(-1.0) / 180.0;
    double either[8], part[2];
    draw(either, part, rng);
    if (shape != rng) { /* what both streams have alike stays at the same place of either */
        double own[8], own_part[2];
        draw(own, own_part, shape);
        for (int i = 0; i < 4; ++i) either[i] = own[i];
        part[0] = own_part[0];
    }
    if (most->rotate > 0.0 || most->zoom > 0.0 || most->shift > 0.0) {
        double angle = most->rotate * degree * either[0], zoom = pow(1.0 + most->zoom, either[1]);
        struct map map = {.a = cos(angle) / zoom,
                          .b = sin(angle) / zoom,
                          .y = most->shift * (double)size * either[2],
                          .x = most->shift * (double)size * either[3]};
        move(slice, spare, size, channels, &map);
    }
    if (most->resolution > 1.0)
        coarsen(slice, spare, size, channels, 1.0 + (most->resolution - 1.0) * part[0]);
    if (most->bias > 0.0) {
        double field[4];
        for (int i = 0; i < 4; ++i) field[i] = most->bias * either[4 + i];
        shade(slice, size, channels, field);
    }
    if (most->noise > 0.0) add_noise(slice, size * size * channels, most->noise * part[1], rng);
}
