/* radiomics.c: one family of features after the other, each writing where the last one ended. */
#include "metrics/radiomics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/order.h"

struct slice {
    const float *v;
    const unsigned char *mask;
    int64_t rows, columns;
    float *sorted; /* room for one slice */
};

static bool counts(const struct slice *s, int64_t r, int64_t c) {
    if (r < 0 || c < 0 || r >= s->rows || c >= s->columns) return false;
    return s->mask == NULL || s->mask[r * s->columns + c] != 0;
}

static double at(const struct slice *s, int64_t r, int64_t c) {
    return (double)s->v[r * s->columns + c];
}

static double percentile(const float *sorted, size_t n, double p) {
    double place = p / 100.0 * (double)(n - 1);
    size_t i = (size_t)place;
    double rest = place - (double)i;
    return i + 1 < n ? (double)sorted[i] * (1.0 - rest) + (double)sorted[i + 1] * rest
                     : (double)sorted[n - 1];
}

static int level_of(double v, int levels) {
    int l = (int)(v * levels);
    return l < 0 ? 0 : l >= levels ? levels - 1 : l;
}

static double *entropy_and_energy(double *out, const double *p, int n) {
    double entropy = 0.0, energy = 0.0;
    for (int i = 0; i < n; ++i) {
        energy += p[i] * p[i];
        if (p[i] > 0.0) entropy -= p[i] * log2(p[i]);
    }
    *out++ = entropy;
    *out++ = energy;
    return out;
}

static double *first_order(double *out, struct slice *s) {
    enum { LEVELS = 32 };
    double p[LEVELS] = {0}, mean = 0.0, m2 = 0.0, m3 = 0.0, m4 = 0.0, mad = 0.0;
    size_t n = 0;
    for (int64_t r = 0; r < s->rows; ++r)
        for (int64_t c = 0; c < s->columns; ++c)
            if (counts(s, r, c)) s->sorted[n++] = s->v[r * s->columns + c];
    if (n == 0) return out + MRC_RADIOMIC_FIRST_ORDER;
    qsort(s->sorted, n, sizeof *s->sorted, mrc_ascending_float);
    for (size_t i = 0; i < n; ++i) mean += (double)s->sorted[i] / (double)n;
    for (size_t i = 0; i < n; ++i) {
        double d = (double)s->sorted[i] - mean;
        m2 += d * d / (double)n;
        m3 += d * d * d / (double)n;
        m4 += d * d * d * d / (double)n;
        mad += fabs(d) / (double)n;
        p[level_of((double)s->sorted[i], LEVELS)] += 1.0 / (double)n;
    }
    *out++ = mean;
    *out++ = sqrt(m2);
    *out++ = m2 > 0.0 ? m3 / pow(m2, 1.5) : 0.0;
    *out++ = m2 > 0.0 ? m4 / (m2 * m2) - 3.0 : 0.0;
    static const double percentiles[] = {10.0, 25.0, 50.0, 75.0, 90.0};
    for (int i = 0; i < 5; ++i) *out++ = percentile(s->sorted, n, percentiles[i]);
    *out++ = percentile(s->sorted, n, 75.0) - percentile(s->sorted, n, 25.0);
    *out++ = mad;
    return entropy_and_energy(out, p, LEVELS);
}

enum { GREYS = 16 };

/* Pairs of levels `distance` apart to the right, down, and both ways across, each counted twice. */
static double find_cooccurrence(double p[GREYS * GREYS], const struct slice *s, int64_t distance) {
    static const int step[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
    double n = 0.0;
    for (int i = 0; i < GREYS * GREYS; ++i) p[i] = 0.0;
    for (int64_t r = 0; r < s->rows; ++r)
        for (int64_t c = 0; c < s->columns; ++c)
            for (int d = 0; d < 4; ++d) {
                int64_t r2 = r + step[d][0] * distance, c2 = c + step[d][1] * distance;
                if (!counts(s, r, c) || !counts(s, r2, c2)) continue;
                int a = level_of(at(s, r, c), GREYS), b = level_of(at(s, r2, c2), GREYS);
                p[a * GREYS + b] += 1.0;
                p[b * GREYS + a] += 1.0;
                n += 2.0;
            }
    for (int i = 0; i < GREYS * GREYS && n > 0.0; ++i) p[i] /= n;
    return n;
}

static double *cooccurrence(double *out, const struct slice *s, int64_t distance) {
    double p[GREYS * GREYS], contrast = 0.0, unlike = 0.0, like = 0.0, mean = 0.0, var = 0.0,
                             joint = 0.0;
    if (find_cooccurrence(p, s, distance) == 0.0) return out + MRC_RADIOMIC_COOCCURRENCE / 2;
    for (int i = 0; i < GREYS * GREYS; ++i) mean += p[i] * (i / GREYS);
    for (int i = 0; i < GREYS * GREYS; ++i) {
        double a = i / GREYS, b = i % GREYS;
        contrast += p[i] * (a - b) * (a - b);
        unlike += p[i] * fabs(a - b);
        like += p[i] / (1.0 + (a - b) * (a - b));
        var += p[i] * (a - mean) * (a - mean);
        joint += p[i] * (a - mean) * (b - mean);
    }
    *out++ = contrast;
    *out++ = unlike;
    *out++ = like;
    *out++ = var > 0.0 ? joint / var : 0.0;
    return entropy_and_energy(out, p, GREYS * GREYS);
}

static double *gradients(double *out, struct slice *s) {
    size_t n = 0;
    double mean = 0.0, var = 0.0;
    for (int64_t r = 0; r < s->rows; ++r)
        for (int64_t c = 0; c < s->columns; ++c) {
            if (!(counts(s, r, c) && counts(s, r - 1, c) && counts(s, r + 1, c) &&
                  counts(s, r, c - 1) && counts(s, r, c + 1)))
                continue;
            double dy = (at(s, r + 1, c) - at(s, r - 1, c)) / 2.0;
            double dx = (at(s, r, c + 1) - at(s, r, c - 1)) / 2.0;
            s->sorted[n++] = (float)sqrt(dx * dx + dy * dy);
        }
    if (n == 0) return out + MRC_RADIOMIC_GRADIENT;
    qsort(s->sorted, n, sizeof *s->sorted, mrc_ascending_float);
    for (size_t i = 0; i < n; ++i) mean += (double)s->sorted[i] / (double)n;
    for (size_t i = 0; i < n; ++i)
        var += ((double)s->sorted[i] - mean) * ((double)s->sorted[i] - mean) / (double)n;
    *out++ = mean;
    *out++ = sqrt(var);
    *out++ = percentile(s->sorted, n, 50.0);
    *out++ = percentile(s->sorted, n, 90.0);
    return out;
}

/* 0 … 8: so many neighbours in one run are at least as bright; 9: no single run. */
static int pattern_of(const struct slice *s, int64_t r, int64_t c) {
    static const int around[8][2] = {{0, 1},  {1, 1},   {1, 0},  {1, -1},
                                     {0, -1}, {-1, -1}, {-1, 0}, {-1, 1}};
    bool bright[8];
    int ones = 0, changes = 0;
    for (int i = 0; i < 8; ++i) {
        bright[i] = at(s, r + around[i][0], c + around[i][1]) >= at(s, r, c);
        ones += bright[i];
    }
    for (int i = 0; i < 8; ++i) changes += bright[i] != bright[(i + 1) % 8];
    return changes <= 2 ? ones : 9;
}

static double *patterns(double *out, const struct slice *s) {
    double n = 0.0;
    for (int64_t r = 1; r + 1 < s->rows; ++r)
        for (int64_t c = 1; c + 1 < s->columns; ++c) {
            if (!counts(s, r, c)) continue;
            out[pattern_of(s, r, c)] += 1.0;
            n += 1.0;
        }
    for (int i = 0; i < MRC_RADIOMIC_PATTERN && n > 0.0; ++i) out[i] /= n;
    return out + MRC_RADIOMIC_PATTERN;
}

/* One scale in place: low [rows / 2][columns / 2] replaces v; the other three bands only leave
 * their energies. An odd last row or column is left out. */
static void haar(double energy[3], float *v, int64_t rows, int64_t columns) {
    double n = (double)((rows / 2) * (columns / 2));
    energy[0] = energy[1] = energy[2] = 0.0;
    for (int64_t r = 0; r < rows / 2; ++r)
        for (int64_t c = 0; c < columns / 2; ++c) {
            const float *p = v + 2 * r * columns + 2 * c;
            double a = (double)p[0], b = (double)p[1];
            double d = (double)p[columns], e = (double)p[columns + 1];
            double lh = (a - b + d - e) / 2.0, hl = (a + b - d - e) / 2.0,
                   hh = (a - b - d + e) / 2.0;
            energy[0] += lh * lh / n;
            energy[1] += hl * hl / n;
            energy[2] += hh * hh / n;
            v[r * (columns / 2) + c] = (float)((a + b + d + e) / 2.0);
        }
}

static double *wavelets(double *out, struct slice *s) {
    const double floor = 1e-12; /* of the logarithm: far below a grey level's energy */
    int64_t rows = s->rows, columns = s->columns;
    for (int64_t i = 0; i < rows * columns; ++i)
        s->sorted[i] = s->mask == NULL || s->mask[i] != 0 ? s->v[i] : 0.0f;
    for (int scale = 0; scale < MRC_RADIOMIC_WAVELET / 3; ++scale) {
        double energy[3];
        haar(energy, s->sorted, rows, columns);
        for (int b = 0; b < 3; ++b) *out++ = log10(energy[b] + floor);
        rows /= 2;
        columns /= 2;
    }
    return out;
}

enum mrc_status mrc_radiomic_features(double *out, const float *image, int64_t rows,
                                      int64_t columns, const unsigned char *mask,
                                      struct mrc_error *err) {
    struct slice s = {.v = image, .mask = mask, .rows = rows, .columns = columns};
    s.sorted = mrc_alloc((size_t)(rows * columns), sizeof *s.sorted);
    if (s.sorted == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "features: out of memory");
    for (int i = 0; i < MRC_RADIOMIC_FEATURES; ++i) out[i] = 0.0;
    double *next = first_order(out, &s);
    next = cooccurrence(next, &s, 1);
    next = cooccurrence(next, &s, 2);
    next = gradients(next, &s);
    next = patterns(next, &s);
    next = wavelets(next, &s);
    MRC_ASSERT(next == out + MRC_RADIOMIC_FEATURES);
    mrc_free(s.sorted);
    return MRC_OK;
}
