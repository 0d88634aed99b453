/* phantom_field.c: see phantom_field.h. */
#include "app/heads/phantom_field.h"

#include <math.h>
#include <stddef.h>

#include "base/watched.h"

/* --- Noise --- */

MRC_UNWATCHED static uint32_t mix(uint32_t h) { /* finaliser of MurmurHash3 */
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    return h ^ h >> 16;
}

static const double directions[16][3] = {
    {1, 1, 0}, {-1, 1, 0}, {1, -1, 0}, {-1, -1, 0}, {1, 0, 1}, {-1, 0, 1}, {1, 0, -1}, {-1, 0, -1},
    {0, 1, 1}, {0, -1, 1}, {0, 1, -1}, {0, -1, -1}, {1, 1, 0}, {-1, 1, 0}, {0, -1, 1}, {0, -1, -1}};

/* Points and gradients have three numbers each. */
MRC_UNWATCHED double mrc_field_noise(double gradient[3], uint32_t seed, const double p[3]) {
    uint32_t cell[3];
    double f[3], fade[3], slope[3], value = 0.0, g[3] = {0, 0, 0};
    for (int a = 0; a < 3; ++a) {
        double whole = floor(p[a]), t = p[a] - whole;
        cell[a] = (uint32_t)(int32_t)whole;
        f[a] = t;
        fade[a] = t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        slope[a] = 30.0 * t * t * (t - 1.0) * (t - 1.0);
    }
    for (int c = 0; c < 8; ++c) {
        const int o[3] = {c & 1, c >> 1 & 1, c >> 2};
        uint32_t h = seed;
        double w[3], dw[3], dot = 0.0;
        for (int a = 0; a < 3; ++a)
            h = mix(h ^ (cell[a] + (uint32_t)o[a]) * 0x9e3779b1u) + 0x7f4a7c15u;
        const double *d = directions[h >> 28];
        for (int a = 0; a < 3; ++a) {
            w[a] = o[a] ? fade[a] : 1.0 - fade[a];
            dw[a] = o[a] ? slope[a] : -slope[a];
            dot += d[a] * (f[a] - o[a]);
        }
        double weight = w[0] * w[1] * w[2];
        value += weight * dot;
        g[0] += weight * d[0] + dw[0] * w[1] * w[2] * dot;
        g[1] += weight * d[1] + w[0] * dw[1] * w[2] * dot;
        g[2] += weight * d[2] + w[0] * w[1] * dw[2] * dot;
    }
    if (gradient != NULL)
        for (int a = 0; a < 3; ++a) gradient[a] = g[a];
    return value;
}

double mrc_field_noise_mm(uint32_t seed, const double p[3], double cell_mm) {
    const double q[3] = {p[0] / cell_mm, p[1] / cell_mm, p[2] / cell_mm};
    return mrc_field_noise(NULL, seed, q);
}

/* --- Distances --- */

MRC_UNWATCHED double mrc_field_ellipsoid(const double p[3], const double centre[3],
                                         const double radius[3]) {
    double k0 = 0.0, k1 = 0.0;
    for (int a = 0; a < 3; ++a) {
        double u = (p[a] - centre[a]) / radius[a], v = u / radius[a];
        k0 += u * u;
        k1 += v * v;
    }
    if (k1 <= 0.0) return -fmin(radius[0], fmin(radius[1], radius[2]));
    k0 = sqrt(k0);
    return k0 * (k0 - 1.0) / sqrt(k1);
}

MRC_UNWATCHED double mrc_field_rod(const double p[3], const double a[3], double ra,
                                   const double b[3], double rb) {
    double along = 0.0, length2 = 0.0, d2 = 0.0;
    for (int i = 0; i < 3; ++i) {
        along += (p[i] - a[i]) * (b[i] - a[i]);
        length2 += (b[i] - a[i]) * (b[i] - a[i]);
    }
    double t = fmin(fmax(along / length2, 0.0), 1.0);
    for (int i = 0; i < 3; ++i) {
        double d = p[i] - a[i] - t * (b[i] - a[i]);
        d2 += d * d;
    }
    return sqrt(d2) - (ra + t * (rb - ra));
}

double mrc_field_unite(double a, double b, double soft) {
    double h = fmax(soft - fabs(a - b), 0.0) / soft;
    return fmin(a, b) - 0.25 * h * h * soft;
}

double mrc_field_intersect(double a, double b, double soft) {
    return -mrc_field_unite(-a, -b, soft);
}
