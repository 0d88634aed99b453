/* artefacts.c: patterns, variety and correlation. */
#include "metrics/artefacts.h"

#include <math.h>

enum { TILE = 8 };

/* The largest amplitude of the patterns in one tile. */
static double tile_pattern(const float *tile, int64_t columns) {
    double both = 0.0, across = 0.0, down = 0.0, cosine[2] = {0}, sine[2] = {0};
    static const double c4[4] = {1, 0, -1, 0}, s4[4] = {0, 1, 0, -1};
    for (int y = 0; y < TILE; ++y)
        for (int x = 0; x < TILE; ++x) {
            double value = (double)tile[y * columns + x];
            both += (x + y) % 2 == 0 ? value : -value;
            across += x % 2 == 0 ? value : -value;
            down += y % 2 == 0 ? value : -value;
            cosine[0] += c4[x % 4] * value, sine[0] += s4[x % 4] * value;
            cosine[1] += c4[y % 4] * value, sine[1] += s4[y % 4] * value;
        }
    double most = fmax(fabs(both), fmax(fabs(across), fabs(down)));
    for (int i = 0; i < 2; ++i) most = fmax(most, 2.0 * hypot(cosine[i], sine[i]));
    return most / (TILE * TILE);
}

double mrc_checkerboard(const float *image, int64_t rows, int64_t columns) {
    double sum = 0.0;
    int64_t tiles = 0;
    for (int64_t y = 0; y + TILE <= rows; y += TILE)
        for (int64_t x = 0; x + TILE <= columns; x += TILE, ++tiles)
            sum += tile_pattern(image + y * columns + x, columns);
    return tiles > 0 ? sum / (double)tiles : 0.0;
}

double mrc_variety(const float *images, size_t count, size_t pixels) {
    double sum = 0.0;
    for (size_t a = 0; a < count; ++a)
        for (size_t b = a + 1; b < count; ++b)
            for (size_t p = 0; p < pixels; ++p)
                sum += fabs((double)images[a * pixels + p] - (double)images[b * pixels + p]);
    return count > 1 ? 2.0 * sum / ((double)count * (double)(count - 1) * (double)pixels) : 0.0;
}

double mrc_masked_correlation(const float *a, const float *b, const float *mask, float threshold,
                              size_t n) {
    double count = 0.0, sum[2] = {0}, product[3] = {0};
    for (size_t i = 0; i < n; ++i)
        if (mask[i] > threshold) count += 1.0, sum[0] += (double)a[i], sum[1] += (double)b[i];
    if (count < 2.0) return 0.0;
    for (size_t i = 0; i < n; ++i) {
        if (!(mask[i] > threshold)) continue;
        double u = (double)a[i] - sum[0] / count, v = (double)b[i] - sum[1] / count;
        product[0] += u * u, product[1] += v * v, product[2] += u * v;
    }
    double scale = sqrt(product[0] * product[1]);
    return scale > 0.0 ? product[2] / scale : 0.0;
}
