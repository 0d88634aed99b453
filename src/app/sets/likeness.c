/* likeness.c: see likeness.h. Figures of the core only: what lies there is brain in heads with and
 * without skull alike, and normalisation has seen to level and range. The skewness tells which of
 * dark and bright is the rare one, the correlation with the local spread whether the bright tissue
 * is the homogeneous one (T1w) or that of thin folds (T2w), the skewness of the difference of blurs
 * whether thin structures are bright or dark: three views of the order of CSF, grey and white
 * matter. The correlation of neighbours falls with noise, the range is nil in a CT. */
#include "app/sets/likeness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SKEW, RANGE, NEIGHBOURS, SPREAD, FOLDS };
enum { LARGEST = 64, INNER = 1, OUTER = 3, AROUND = 2, STEP = 3, DIAGONAL = 4 };
static const double CORE_DEPTH = 0.3; /* of the radius of a disc of the slice's area */

/* One slice's plane at a time; the pixels of the core of all. */
struct sums {
    double n, x, xx, xxx;
};
struct measure {
    int64_t size, count;
    float *pixels;       /* [count][size][size] */
    unsigned char *head; /* the same */
    float *core;         /* grey values of the core */
    size_t core_count;
    int64_t slices;
    struct sums grey, folds;
    double neighbours[6], spread[6]; /* n, x, y, xx, yy, xy */
};

static void add(struct sums *s, double x) {
    s->n += 1.0;
    s->x += x;
    s->xx += x * x;
    s->xxx += x * x * x;
}

static double skewness(const struct sums *s) {
    double mean = s->x / s->n, second = s->xx / s->n - mean * mean;
    double third = s->xxx / s->n - 3.0 * mean * s->xx / s->n + 2.0 * mean * mean * mean;
    return second > 1e-12 ? third / pow(second, 1.5) : 0.0;
}

static void add_pair(double p[6], double x, double y) {
    const double terms[] = {1.0, x, y, x * x, y * y, x * y};
    for (int i = 0; i < 6; ++i) p[i] += terms[i];
}

static double correlation(const double p[6]) {
    double x = p[1] / p[0], y = p[2] / p[0];
    double variance = (p[3] / p[0] - x * x) * (p[4] / p[0] - y * y);
    return variance > 1e-12 ? (p[5] / p[0] - x * y) / sqrt(variance) : 0.0;
}

/* Mean and standard deviation of the pixels within `reach` rows and columns. */
static void look_around(double *mean, double *deviation, const float *plane, int64_t size,
                        int64_t row, int64_t column, int64_t reach) {
    double sum = 0.0, squares = 0.0, n = 0.0;
    for (int64_t r = row - reach; r <= row + reach; ++r)
        for (int64_t c = column - reach; c <= column + reach; ++c) {
            if (r < 0 || c < 0 || r >= size || c >= size) continue;
            double x = (double)plane[r * size + c];
            sum += x;
            squares += x * x;
            n += 1.0;
        }
    *mean = sum / n;
    *deviation = sqrt(fmax(0.0, squares / n - *mean * *mean));
}

/* Distances to the edge of the head, a step counting STEP and a diagonal one DIAGONAL (chamfer). */
static void find_depths(int *depth, const unsigned char *head, int64_t size) {
    const int far = 1 << 20;
    for (int pass = 0; pass < 2; ++pass) {
        int back = pass == 0 ? -1 : 1;
        for (int64_t n = 0; n < size * size; ++n) {
            int64_t at = pass == 0 ? n : size * size - 1 - n, row = at / size, column = at % size;
            int least = head[at] == 0 ? 0 : pass == 0 ? far : depth[at];
            const int64_t steps[][2] = {{0, back}, {back, -1}, {back, 0}, {back, 1}};
            for (int s = 0; s < 4; ++s) {
                int64_t r = row + steps[s][0], c = column + steps[s][1];
                bool inside = r >= 0 && c >= 0 && r < size && c < size;
                int cost = steps[s][0] != 0 && steps[s][1] != 0 ? DIAGONAL : STEP;
                int there = (inside ? depth[r * size + c] : 0) + cost;
                if (head[at] != 0 && there < least) least = there;
            }
            depth[at] = least;
        }
    }
}

static void measure_slice(struct measure *m, int64_t k, const int *depth, double least) {
    const int64_t size = m->size;
    const float *plane = m->pixels + k * size * size;
    for (int64_t at = 0; at < size * size; ++at) {
        double inner, outer, around, spread, unused;
        if (depth[at] <= least) continue;
        look_around(&inner, &unused, plane, size, at / size, at % size, INNER);
        look_around(&outer, &unused, plane, size, at / size, at % size, OUTER);
        look_around(&around, &spread, plane, size, at / size, at % size, AROUND);
        double x = (double)plane[at];
        m->core[m->core_count++] = plane[at];
        add(&m->grey, x);
        add(&m->folds, inner - outer);
        add_pair(m->spread, x, spread);
        if (at % size + 1 < size && depth[at + 1] > least)
            add_pair(m->neighbours, x, (double)plane[at + 1]);
        if (at + size < size * size && depth[at + size] > least)
            add_pair(m->neighbours, x, (double)plane[at + size]);
    }
}

/* Halves slices that are finer than those the figures are known for. */
static void shrink(struct measure *m) {
    while (m->size > LARGEST && m->size % 2 == 0) {
        const int64_t from = m->size, to = m->size / 2;
        for (int64_t n = 0; n < m->count * to * to; ++n) { /* in place: reads run ahead */
            int64_t k = n / (to * to), row = n / to % to, column = n % to;
            const float *x = m->pixels + (k * from + 2 * row) * from + 2 * column;
            m->pixels[n] = 0.25F * (x[0] + x[1] + x[from] + x[from + 1]);
        }
        m->size = to;
    }
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void measure_all(struct measure *m, int *depth) {
    const int64_t plane = m->size * m->size;
    int64_t most = 0;
    for (int pass = 0; pass < 2; ++pass)
        for (int64_t k = 0; k < m->count; ++k) {
            int64_t area = 0;
            for (int64_t n = k * plane; n < (k + 1) * plane; ++n) area += m->head[n];
            if (pass == 0 && area > most) most = area;
            if (pass == 0 || area < 1 || 2 * area < most) continue; /* the ends are all edge */
            find_depths(depth, m->head + k * plane, m->size);
            measure_slice(m, k, depth, STEP * CORE_DEPTH * sqrt((double)area / acos(-1.0)));
            ++m->slices;
        }
}

static void conclude(struct mrc_trained_images *out, struct measure *m) {
    enum { LEAST = 100 };
    *out = (struct mrc_trained_images){0};
    if (m->core_count < LEAST) return;
    qsort(m->core, m->core_count, sizeof *m->core, by_value);
    out->slices = m->slices;
    out->figures[SKEW] = skewness(&m->grey);
    out->figures[RANGE] =
        (double)m->core[3 * m->core_count / 4] - (double)m->core[m->core_count / 4];
    out->figures[NEIGHBOURS] = correlation(m->neighbours);
    out->figures[SPREAD] = correlation(m->spread);
    out->figures[FOLDS] = skewness(&m->folds);
}

enum mrc_status mrc_likeness_measure(struct mrc_trained_images *out,
                                     const struct mrc_slices *slices, struct mrc_error *err) {
    const size_t all = (size_t)(slices->count * slices->size * slices->size);
    struct measure m = {.size = slices->size, .count = slices->count};
    int *depth = mrc_alloc((size_t)(slices->size * slices->size), sizeof *depth);
    m.pixels = mrc_alloc(all, sizeof *m.pixels);
    m.core = mrc_alloc(all, sizeof *m.core);
    m.head = mrc_alloc(all, 1);
    enum mrc_status st = MRC_OK;
    if (depth == NULL || m.pixels == NULL || m.core == NULL || m.head == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory to compare images");
    if (st == MRC_OK) {
        memcpy(m.pixels, slices->pixels, all * sizeof *m.pixels);
        shrink(&m);
        const struct mrc_extent extent = {m.size, m.size, m.count};
        st = mrc_slices_find_head(m.head, m.pixels, extent, err);
    }
    if (st == MRC_OK) measure_all(&m, depth);
    if (st == MRC_OK) conclude(out, &m);
    mrc_free(m.head);
    mrc_free(m.core);
    mrc_free(m.pixels);
    mrc_free(depth);
    return st;
}

enum mrc_status mrc_likeness_of_domain(struct mrc_trained_images *out,
                                       const struct mrc_dataset_domain *domain,
                                       struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_trained_images){0};
    for (size_t i = 0; st == MRC_OK && i < domain->count; ++i) {
        struct mrc_trained_images one;
        if (domain->images[i].used == 0) continue;
        st = mrc_likeness_measure(&one, &domain->images[i].slices, err);
        if (st != MRC_OK || one.slices == 0) continue;
        out->slices += one.slices;
        for (int f = 0; f < MRC_TRAINED_FIGURES; ++f)
            out->figures[f] += (double)one.slices * one.figures[f];
    }
    for (int f = 0; f < MRC_TRAINED_FIGURES && out->slices > 0; ++f)
        out->figures[f] /= (double)out->slices;
    return st;
}

/* Ranges differ by factors; the rest adds. */
static double difference(const double *input, const double *trained, int figure) {
    const double nil = 0.01; /* of a range */
    if (figure != RANGE) return fabs(input[figure] - trained[figure]);
    return fabs(log((input[figure] + nil) / (trained[figure] + nil)));
}

double mrc_likeness_distance(const struct mrc_trained_images *input,
                             const struct mrc_trained_images *trained, enum mrc_contrast contrast) {
    enum { T1W, OTHERS }; /* of T2w; those of PDw and FLAIR are not known to be smaller */
    static const double units[][MRC_TRAINED_FIGURES] = {
        [T1W] = {[SKEW] = 1.2, [RANGE] = 0.85, [NEIGHBOURS] = 0.15, [SPREAD] = 0.6, [FOLDS] = 0.7},
        [OTHERS] = {
            [SKEW] = 2.6, [RANGE] = 0.85, [NEIGHBOURS] = 0.15, [SPREAD] = 0.6, [FOLDS] = 0.9}};
    const int of = contrast == MRC_CONTRAST_T1W ? T1W : OTHERS;
    double most = 0.0;
    if (input->slices == 0 || trained->slices == 0) return (double)NAN;
    for (int f = 0; f < MRC_TRAINED_FIGURES; ++f)
        most = fmax(most, difference(input->figures, trained->figures, f) / units[of][f]);
    return most;
}
