/* evaluate_baseline.c: histograms and tables of grey values. */
#include "app/evaluate/evaluate_baseline.h"

#include <string.h>

#include "base/alloc.h"

enum { LEVELS = MRC_BASELINE_LEVELS, FINE = MRC_BASELINE_FINE };
static const float SHOWS = 0.06f; /* of the range: brighter than air */

const char *mrc_baseline_name(enum mrc_baseline which) {
    static const char *const names[MRC_BASELINE_COUNT] = {
        "copy", "inverted", "histogram", "mean-target", "grid-lut", "paired-lut", "adjacent-truth"};
    return names[which];
}

static int level_of(float v, int levels) {
    float l = v * (float)(levels - 1) + 0.5f;
    return l >= (float)levels ? levels - 1 : l > 0.0f ? (int)l : 0;
}

static float value_of(int level, int levels) {
    return (float)level / (float)(levels - 1);
}

/* --- Walking over the used slices of a domain --- */

struct walk {
    const struct mrc_eval_domain *domain;
    size_t image;
    int64_t k;
};

/* The next used slice, or NULL. */
static const float *next_slice(struct walk *w, const struct mrc_eval_image **image, int64_t *k) {
    for (; w->image < w->domain->count; ++w->image, w->k = 0) {
        const struct mrc_eval_image *m = &w->domain->images[w->image];
        while (w->k < m->count && !m->used[w->k]) ++w->k;
        if (w->k >= m->count) continue;
        *image = m;
        *k = w->k++;
        return m->pixels + *k * m->rows * m->columns;
    }
    return NULL;
}

static bool same_size(const struct mrc_eval_set *set, int from, int to) {
    const struct mrc_eval_image *first =
        set->domains[from].count > 0 ? &set->domains[from].images[0] : NULL;
    const int domains[2] = {from, to};
    for (int d = 0; d < 2; ++d)
        for (size_t n = 0; n < set->domains[domains[d]].count; ++n) {
            const struct mrc_eval_image *m = &set->domains[domains[d]].images[n];
            if (m->rows != first->rows || m->columns != first->columns) return false;
        }
    return first != NULL;
}

/* --- Monotone matching --- */

struct histogram {
    double below[FINE]; /* fraction of the values at a level or below */
};

static void count_domain(double *bins, const struct mrc_eval_domain *domain, const float *map) {
    struct walk w = {.domain = domain};
    const struct mrc_eval_image *image;
    int64_t k;
    for (const float *v; (v = next_slice(&w, &image, &k)) != NULL;)
        for (int64_t i = 0; i < image->rows * image->columns; ++i)
            bins[level_of(map != NULL ? map[level_of(v[i], LEVELS)] : v[i], FINE)] += 1.0;
}

static bool find_histogram(struct histogram *h, const struct mrc_eval_domain *domain,
                           const float *map) {
    double total = 0.0;
    memset(h, 0, sizeof *h);
    count_domain(h->below, domain, map);
    for (int b = 0; b < FINE; ++b) {
        total += h->below[b];
        h->below[b] = total;
    }
    for (int b = 0; b < FINE; ++b) h->below[b] /= total;
    return total > 0.0;
}

/* map[level of the source] = the target's value at the same quantile, linear between the levels
 * that the target has (as scikit-image's match_histograms). */
static void match(float map[FINE], const struct histogram *source, const struct histogram *target) {
    int at = 0, before = -1;
    while (at < FINE - 1 && target->below[at] <= 0.0) ++at;
    for (int b = 0; b < FINE; ++b) {
        double q = source->below[b];
        while (at < FINE - 1 && target->below[at] < q) {
            before = at;
            do ++at;
            while (at < FINE - 1 && target->below[at] <= target->below[before]);
        }
        double hi = target->below[at], lo = before >= 0 ? target->below[before] : hi;
        double t = hi > lo ? (q - lo) / (hi - lo) : 1.0;
        double low = before >= 0 ? (double)value_of(before, FINE) : (double)value_of(at, FINE);
        t = t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
        map[b] = (float)(low + t * ((double)value_of(at, FINE) - low));
    }
}

/* --- Tables of means --- */

struct means {
    double sum[LEVELS], count[LEVELS];
};

static void add_slice(struct means *m, const float *source, const float *target, int64_t plane) {
    for (int64_t i = 0; i < plane; ++i) {
        int l = level_of(source[i], LEVELS);
        m->sum[l] += (double)target[i];
        m->count[l] += 1.0;
    }
}

/* Levels that never occurred lie on the line between their neighbours that did. */
static bool finish_table(float table[LEVELS], const struct means *m) {
    int last = -1;
    for (int l = 0; l < LEVELS; ++l) {
        if (m->count[l] <= 0.0) continue;
        table[l] = (float)(m->sum[l] / m->count[l]);
        for (int gap = last + 1; gap < l; ++gap) {
            float t = last >= 0 ? (float)(gap - last) / (float)(l - last) : 1.0f;
            float from = last >= 0 ? table[last] : table[l];
            table[gap] = from + t * (table[l] - from);
        }
        last = l;
    }
    for (int gap = last + 1; last >= 0 && gap < LEVELS; ++gap) table[gap] = table[last];
    return last >= 0;
}

static void fit_paired(struct mrc_baseline_fit *out, const struct mrc_eval_set *set, int from,
                       int to) {
    struct means m = {0};
    struct walk w = {.domain = &set->domains[from]};
    const struct mrc_eval_image *image;
    int64_t k;
    for (const float *v; (v = next_slice(&w, &image, &k)) != NULL;) {
        size_t n = (size_t)(image - set->domains[from].images);
        int64_t plane = image->rows * image->columns;
        add_slice(&m, v, set->domains[to].images[n].pixels + k * plane, plane);
    }
    out->has[MRC_BASELINE_LUT] = finish_table(out->lut, &m);
}

static enum mrc_status find_mean(struct mrc_baseline_fit *out, const struct mrc_eval_domain *target,
                                 struct mrc_error *err) {
    struct walk w = {.domain = target};
    const struct mrc_eval_image *image;
    int64_t k, plane = target->images[0].rows * target->images[0].columns;
    double slices = 0.0, *sum = mrc_alloc((size_t)plane, sizeof *sum);
    out->mean = mrc_alloc((size_t)plane, sizeof *out->mean);
    if (sum == NULL || out->mean == NULL) {
        mrc_free(sum);
        return mrc_fail(err, MRC_ERR_NOMEM, "baselines: out of memory");
    }
    for (const float *v; (v = next_slice(&w, &image, &k)) != NULL; slices += 1.0)
        for (int64_t i = 0; i < plane; ++i) sum[i] += (double)v[i];
    for (int64_t i = 0; i < plane && slices > 0.0; ++i) out->mean[i] = (float)(sum[i] / slices);
    mrc_free(sum);
    out->rows = target->images[0].rows;
    out->columns = target->images[0].columns;
    out->has[MRC_BASELINE_MEAN] = slices > 0.0;
    return MRC_OK;
}

/* `room` holds two histograms and a map. */
static void fit_grid(struct mrc_baseline_fit *out, const struct mrc_eval_set *set, int from, int to,
                     struct histogram *room, float *map) {
    struct means m = {0};
    struct walk w = {.domain = &set->domains[from]};
    const struct mrc_eval_image *image;
    int64_t k;
    for (const float *v; (v = next_slice(&w, &image, &k)) != NULL;)
        add_slice(&m, v, out->mean, out->rows * out->columns);
    if (!finish_table(out->grid_lut, &m)) return;
    out->has[MRC_BASELINE_GRID_LUT] =
        find_histogram(&room[0], &set->domains[from], out->grid_lut) &&
        find_histogram(&room[1], &set->domains[to], NULL);
    if (!out->has[MRC_BASELINE_GRID_LUT]) return;
    match(map, &room[0], &room[1]);
    for (int l = 0; l < LEVELS; ++l) out->grid_lut[l] = map[level_of(out->grid_lut[l], FINE)];
}

enum mrc_status mrc_baseline_fit(struct mrc_baseline_fit *out, const struct mrc_eval_set *set,
                                 int from, int to, struct mrc_error *err) {
    *out = (struct mrc_baseline_fit){0};
    out->has[MRC_BASELINE_COPY] = out->has[MRC_BASELINE_INVERTED] = true;
    out->has[MRC_BASELINE_ADJACENT] = set->paired;
    if (set->domains[from].count == 0 || set->domains[to].count == 0) return MRC_OK;
    struct histogram *room = mrc_alloc(2, sizeof *room);
    float *map = mrc_alloc(FINE, sizeof *map);
    enum mrc_status status = MRC_OK;
    if (room == NULL || map == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "baselines: out of memory");
    if (status == MRC_OK && set->paired) fit_paired(out, set, from, to);
    if (status == MRC_OK && find_histogram(&room[0], &set->domains[from], NULL) &&
        find_histogram(&room[1], &set->domains[to], NULL)) {
        match(out->monotone, &room[0], &room[1]);
        out->has[MRC_BASELINE_HISTOGRAM] = true;
    }
    if (status == MRC_OK && same_size(set, from, to)) {
        status = find_mean(out, &set->domains[to], err);
        if (status == MRC_OK && out->has[MRC_BASELINE_MEAN])
            fit_grid(out, set, from, to, room, map);
    }
    mrc_free(map);
    mrc_free(room);
    if (status != MRC_OK) mrc_baseline_fit_clear(out);
    return status;
}

void mrc_baseline_fit_clear(struct mrc_baseline_fit *fit) {
    mrc_free(fit->mean);
    *fit = (struct mrc_baseline_fit){0};
}

/* --- Application --- */

static float apply_one(const struct mrc_baseline_fit *fit, enum mrc_baseline which, float v) {
    switch (which) {
    case MRC_BASELINE_INVERTED: return v > SHOWS ? 1.0f - v : 0.0f;
    case MRC_BASELINE_HISTOGRAM: return fit->monotone[level_of(v, FINE)];
    case MRC_BASELINE_GRID_LUT: return fit->grid_lut[level_of(v, LEVELS)];
    case MRC_BASELINE_LUT: return fit->lut[level_of(v, LEVELS)];
    default: return v;
    }
}

/* The next slice of the truth; of the last one, the one before. */
static void apply_adjacent(float *dst, const struct mrc_eval_image *truth) {
    int64_t plane = truth->rows * truth->columns;
    for (int64_t k = 0; k < truth->count; ++k) {
        int64_t other = k + 1 < truth->count ? k + 1 : k > 0 ? k - 1 : 0;
        memcpy(dst + k * plane, truth->pixels + other * plane, (size_t)plane * sizeof *dst);
    }
}

void mrc_baseline_apply(float *dst, const struct mrc_baseline_fit *fit, enum mrc_baseline which,
                        const struct mrc_eval_image *source, const struct mrc_eval_image *truth) {
    int64_t plane = source->rows * source->columns;
    MRC_ASSERT(fit->has[which]);
    if (which == MRC_BASELINE_ADJACENT) {
        apply_adjacent(dst, truth);
        return;
    }
    if (which == MRC_BASELINE_MEAN) {
        for (int64_t k = 0; k < source->count; ++k)
            memcpy(dst + k * plane, fit->mean, (size_t)plane * sizeof *dst);
        return;
    }
    for (int64_t i = 0; i < source->count * plane; ++i)
        dst[i] = apply_one(fit, which, source->pixels[i]);
}
