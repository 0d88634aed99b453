/* similarity.c: SSIM's five local means come from one separable Gaussian, applied where it fits. */
#include "metrics/similarity.h"

#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"

enum { WINDOW = MRC_SSIM_WINDOW, RADIUS = WINDOW / 2, MOMENTS = 5 };
static const double SIGMA = 1.5, K1 = 0.01, K2 = 0.03;

/* Means of a, b, aa, bb, ab over each window that fits: moment[m] is [rows - 10][columns - 10]. */
struct moments {
    double *block, *moment[MOMENTS], *line;
    int64_t rows, columns;
};

static void find_window(double w[WINDOW]) {
    double sum = 0.0;
    for (int t = 0; t < WINDOW; ++t) {
        double d = (t - RADIUS) / SIGMA;
        w[t] = exp(-0.5 * d * d);
        sum += w[t];
    }
    for (int t = 0; t < WINDOW; ++t) w[t] /= sum;
}

static double product(int moment, double a, double b) {
    switch (moment) {
    case 0: return a;
    case 1: return b;
    case 2: return a * a;
    case 3: return b * b;
    default: return a * b;
    }
}

/* Down the columns of each window's rows, then along the row. */
static void blur(struct moments *m, int which, const struct mrc_pair *p, const double *w) {
    for (int64_t r = 0; r < m->rows; ++r) {
        for (int64_t c = 0; c < p->columns; ++c) {
            double sum = 0.0;
            for (int t = 0; t < WINDOW; ++t) {
                int64_t at = (r + t) * p->columns + c;
                sum += w[t] * product(which, (double)p->image[at], (double)p->truth[at]);
            }
            m->line[c] = sum;
        }
        double *out = m->moment[which] + r * m->columns;
        for (int64_t c = 0; c < m->columns; ++c) {
            double sum = 0.0;
            for (int t = 0; t < WINDOW; ++t) sum += w[t] * m->line[c + t];
            out[c] = sum;
        }
    }
}

static enum mrc_status find_moments(struct moments *m, const struct mrc_pair *p,
                                    struct mrc_error *err) {
    double w[WINDOW];
    *m = (struct moments){.rows = p->rows - WINDOW + 1, .columns = p->columns - WINDOW + 1};
    int64_t plane = m->rows * m->columns;
    m->block = mrc_alloc((size_t)(MOMENTS * plane + p->columns), sizeof *m->block);
    if (m->block == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "SSIM: out of memory");
    for (int i = 0; i < MOMENTS; ++i) m->moment[i] = m->block + i * plane;
    m->line = m->block + MOMENTS * plane;
    find_window(w);
    for (int i = 0; i < MOMENTS; ++i) blur(m, i, p, w);
    return MRC_OK;
}

struct similarity {
    double ssim, contrast; /* means of l c s, and of c s */
};

/* Means over the windows whose centre counts; NaN when there is none. */
static struct similarity average(const struct moments *m, const struct mrc_pair *p) {
    double c1 = K1 * K1, c2 = K2 * K2, n = 0.0;
    struct similarity sum = {0};
    for (int64_t r = 0; r < m->rows; ++r) {
        for (int64_t c = 0; c < m->columns; ++c) {
            if (p->mask != NULL && p->mask[(r + RADIUS) * p->columns + c + RADIUS] == 0) continue;
            int64_t at = r * m->columns + c;
            double a = m->moment[0][at], b = m->moment[1][at];
            double va = m->moment[2][at] - a * a, vb = m->moment[3][at] - b * b;
            double vab = m->moment[4][at] - a * b;
            double cs = (2.0 * vab + c2) / (va + vb + c2);
            sum.contrast += cs;
            sum.ssim += cs * (2.0 * a * b + c1) / (a * a + b * b + c1);
            n += 1.0;
        }
    }
    return (struct similarity){sum.ssim / n, sum.contrast / n};
}

static bool fits(const struct mrc_pair *p) {
    return p->rows >= WINDOW && p->columns >= WINDOW;
}

static enum mrc_status measure(struct similarity *out, const struct mrc_pair *p,
                               struct mrc_error *err) {
    struct moments m;
    enum mrc_status status = find_moments(&m, p, err);
    if (status == MRC_OK) *out = average(&m, p);
    mrc_free(m.block);
    return status;
}

enum mrc_status mrc_ssim(double *ssim, const struct mrc_pair *pair, struct mrc_error *err) {
    struct similarity s = {(double)NAN, (double)NAN};
    enum mrc_status status = fits(pair) ? measure(&s, pair, err) : MRC_OK;
    *ssim = s.ssim;
    return status;
}

/* --- Several scales --- */

/* [rows / 2][columns / 2], each the mean of four; may be `src` itself. */
static void halve(float *dst, const float *src, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows / 2; ++r)
        for (int64_t c = 0; c < columns / 2; ++c) {
            const float *at = src + 2 * r * columns + 2 * c;
            dst[r * (columns / 2) + c] = 0.25f * (at[0] + at[1] + at[columns] + at[columns + 1]);
        }
}

enum mrc_status mrc_ms_ssim(double *ms_ssim, const struct mrc_pair *pair, struct mrc_error *err) {
    static const double weight[MRC_MS_SSIM_SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    const int64_t smallest = (int64_t)WINDOW << (MRC_MS_SSIM_SCALES - 1);
    *ms_ssim = (double)NAN;
    if (pair->rows < smallest || pair->columns < smallest) return MRC_OK;
    size_t quarter = (size_t)((pair->rows / 2) * (pair->columns / 2));
    float *a = mrc_alloc(2 * quarter, sizeof *a);
    if (a == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "MS-SSIM: out of memory");
    float *b = a + quarter;
    struct mrc_pair p = *pair;
    p.mask = NULL;
    double product_of_scales = 1.0;
    enum mrc_status status = MRC_OK;
    for (int s = 0; status == MRC_OK && s < MRC_MS_SSIM_SCALES; ++s) {
        struct similarity found = {0};
        status = measure(&found, &p, err);
        double factor = s + 1 < MRC_MS_SSIM_SCALES ? found.contrast : found.ssim;
        product_of_scales *= pow(fmax(factor, 0.0), weight[s]);
        halve(a, p.image, p.rows, p.columns);
        halve(b, p.truth, p.rows, p.columns);
        p.image = a;
        p.truth = b;
        p.rows /= 2;
        p.columns /= 2;
    }
    if (status == MRC_OK) *ms_ssim = product_of_scales;
    mrc_free(a);
    return status;
}
