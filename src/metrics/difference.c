/* difference.c: sums over pixels, in double and in the order of memory, so that they do not depend
 * on threads. */
#include "metrics/difference.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static bool counts(const struct mrc_pair *p, int64_t i) {
    return p->mask == NULL || p->mask[i] != 0;
}

double mrc_mae(const struct mrc_pair *pair) {
    double sum = 0.0, n = 0.0;
    for (int64_t i = 0; i < pair->rows * pair->columns; ++i) {
        if (!counts(pair, i)) continue;
        sum += fabs((double)pair->image[i] - (double)pair->truth[i]);
        n += 1.0;
    }
    return sum / n;
}

double mrc_mse(const struct mrc_pair *pair) {
    double sum = 0.0, n = 0.0;
    for (int64_t i = 0; i < pair->rows * pair->columns; ++i) {
        if (!counts(pair, i)) continue;
        double d = (double)pair->image[i] - (double)pair->truth[i];
        sum += d * d;
        n += 1.0;
    }
    return sum / n;
}

double mrc_psnr(const struct mrc_pair *pair) {
    return -10.0 * log10(mrc_mse(pair));
}

/* --- Normalised mutual information --- */

enum { BINS = 100 };

struct axis {
    double lo, hi, step;
};

static struct axis find_axis(const struct mrc_pair *p, const float *v) {
    struct axis a = {INFINITY, -INFINITY, 0.0};
    for (int64_t i = 0; i < p->rows * p->columns; ++i) {
        if (!counts(p, i)) continue;
        a.lo = fmin(a.lo, (double)v[i]);
        a.hi = fmax(a.hi, (double)v[i]);
    }
    a.step = (a.hi - a.lo) / BINS;
    return a;
}

/* The bin whose edges lo + b step hold v; the last one holds its upper edge too. */
static int bin_of(const struct axis *a, double v) {
    int b = (int)((v - a->lo) / a->step);
    if (b > BINS - 1) b = BINS - 1;
    while (b > 0 && v < a->lo + a->step * b) --b;
    while (b < BINS - 1 && v >= a->lo + a->step * (b + 1)) ++b;
    return b;
}

static double entropy(const double *histogram, int n, double total) {
    double h = 0.0;
    for (int b = 0; b < n; ++b)
        if (histogram[b] > 0.0) h -= histogram[b] / total * log(histogram[b] / total);
    return h;
}

double mrc_nmi(const struct mrc_pair *pair) {
    double joint[BINS * BINS] = {0}, x[BINS] = {0}, y[BINS] = {0}, n = 0.0;
    struct axis ax = find_axis(pair, pair->image), ay = find_axis(pair, pair->truth);
    if (!(ax.step > 0.0) || !(ay.step > 0.0)) return 1.0;
    for (int64_t i = 0; i < pair->rows * pair->columns; ++i) {
        if (!counts(pair, i)) continue;
        int bx = bin_of(&ax, (double)pair->image[i]), by = bin_of(&ay, (double)pair->truth[i]);
        joint[bx * BINS + by] += 1.0;
        x[bx] += 1.0;
        y[by] += 1.0;
        n += 1.0;
    }
    return (entropy(x, BINS, n) + entropy(y, BINS, n)) / entropy(joint, BINS * BINS, n);
}

/* --- Gradients --- */

static double gradient(const float *v, int64_t at, int64_t columns) {
    double dx = ((double)v[at + 1] - (double)v[at - 1]) / 2.0;
    double dy = ((double)v[at + columns] - (double)v[at - columns]) / 2.0;
    return sqrt(dx * dx + dy * dy);
}

double mrc_edge_sharpness(const struct mrc_pair *pair) {
    int64_t w = pair->columns;
    double image = 0.0, truth = 0.0;
    for (int64_t r = 1; r + 1 < pair->rows; ++r) {
        for (int64_t c = 1; c + 1 < w; ++c) {
            int64_t at = r * w + c;
            if (!(counts(pair, at) && counts(pair, at - 1) && counts(pair, at + 1) &&
                  counts(pair, at - w) && counts(pair, at + w)))
                continue;
            image += gradient(pair->image, at, w);
            truth += gradient(pair->truth, at, w);
        }
    }
    return truth > 0.0 ? image / truth : (double)NAN;
}

double mrc_slice_consistency(const float *image, const float *truth, const unsigned char *mask,
                             int64_t count, int64_t plane) {
    double a = 0.0, t = 0.0;
    for (int64_t i = 0; i < (count - 1) * plane; ++i) {
        if (mask != NULL && (mask[i] == 0 || mask[i + plane] == 0)) continue;
        a += fabs((double)image[i + plane] - (double)image[i]);
        t += fabs((double)truth[i + plane] - (double)truth[i]);
    }
    return t > 0.0 ? a / t : (double)NAN;
}
