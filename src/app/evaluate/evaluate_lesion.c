/* evaluate_lesion.c: where there is room, paste, translate, compare. */
#include "app/evaluate/evaluate_lesion.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { SLICES = 5, NEIGHBOURS = 3 };
static const double RADIUS = 0.05;   /* of the image's side */
static const double CONTRAST = 0.25; /* of the range */
static const double KEPT = 0.2;      /* of the contrast, to call it seen */

struct site {
    int64_t row, column;
    double radius;
};

static double distance(const struct site *s, int64_t r, int64_t c) {
    return hypot((double)(r - s->row), (double)(c - s->column));
}

/* Is the disc of three radii around it all head? The share of the range by which its inside varies.
 */
static bool measure_site(double *spread, const struct site *s, const float *v,
                         const unsigned char *head, int64_t size) {
    int64_t reach = (int64_t)ceil(3.0 * s->radius);
    double sum = 0.0, squares = 0.0, n = 0.0;
    for (int64_t r = s->row - reach; r <= s->row + reach; ++r)
        for (int64_t c = s->column - reach; c <= s->column + reach; ++c) {
            double d = distance(s, r, c);
            if (d > 3.0 * s->radius) continue;
            if (r < 0 || c < 0 || r >= size || c >= size || !head[r * size + c]) return false;
            if (d > s->radius) continue;
            double x = (double)v[r * size + c];
            sum += x;
            squares += x * x;
            n += 1.0;
        }
    *spread = squares / n - sum / n * (sum / n);
    return true;
}

/* The most even place deep in the head, first in reading order of equals. */
static bool find_site(struct site *best, const float *v, const unsigned char *head, int64_t size) {
    double least = INFINITY;
    struct site s = {.radius = fmax(RADIUS * (double)size, 1.5)};
    for (s.row = 0; s.row < size; ++s.row)
        for (s.column = 0; s.column < size; ++s.column) {
            double spread;
            if (!measure_site(&spread, &s, v, head, size) || spread >= least) continue;
            least = spread;
            *best = s;
        }
    return isfinite(least);
}

/* Full inside the radius but for a soft rim of a pixel. */
static double profile(const struct site *s, int64_t r, int64_t c) {
    double t = s->radius + 0.5 - distance(s, r, c);
    return t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
}

struct bench {
    mrc_lesion_translate_fn *translate;
    void *context;
    float *with, *plain_out, *with_out;
    struct mrc_lesion_score *sum;
};

static double mean_inside(const float *a, const float *b, const struct site *s, int64_t size) {
    double sum = 0.0, n = 0.0;
    for (int64_t r = 0; r < size; ++r)
        for (int64_t c = 0; c < size; ++c) {
            if (distance(s, r, c) > s->radius) continue;
            sum += (double)a[r * size + c] - (double)b[r * size + c];
            n += 1.0;
        }
    return sum / n;
}

static double mean_beyond(const float *a, const float *b, const struct site *s, int64_t size) {
    double sum = 0.0, n = 0.0;
    for (int64_t r = 0; r < size; ++r)
        for (int64_t c = 0; c < size; ++c) {
            if (distance(s, r, c) <= 2.0 * s->radius) continue;
            sum += fabs((double)a[r * size + c] - (double)b[r * size + c]);
            n += 1.0;
        }
    return sum / n;
}

/* A slice of the image and its neighbours, which a model of several channels looks at. */
struct window {
    const float *pixels;
    int64_t count, at, size;
};

static struct window window_of(const struct mrc_eval_image *image, int64_t k) {
    const int64_t plane = image->rows * image->rows, first = k > 0 ? k - 1 : 0;
    const int64_t last = k + 1 < image->count ? k + 1 : k;
    return (struct window){.pixels = image->pixels + first * plane,
                           .count = last - first + 1,
                           .at = k - first,
                           .size = image->rows};
}

/* One lesion of the given sign; plain_out is the translation without it. */
static void paste_and_measure(struct bench *b, const struct window *w, const struct site *s,
                              double sign) {
    const int64_t size = w->size, plane = size * size;
    const float *before = w->pixels + w->at * plane;
    float *slice = b->with + w->at * plane;
    memcpy(b->with, w->pixels, (size_t)(w->count * plane) * sizeof *b->with);
    for (int64_t r = 0; r < size; ++r)
        for (int64_t c = 0; c < size; ++c) {
            double v = (double)before[r * size + c] + sign * CONTRAST * profile(s, r, c);
            slice[r * size + c] = (float)fmin(fmax(v, 0.0), 1.0);
        }
    b->translate(b->context, b->with_out, b->with, w->count, size);
    double in = fabs(mean_inside(slice, before, s, size));
    const float *plain = b->plain_out + w->at * plane, *changed = b->with_out + w->at * plane;
    double out = fabs(mean_inside(changed, plain, s, size));
    b->sum->lesions += 1;
    b->sum->contrast_in += in;
    b->sum->contrast_out += out;
    b->sum->kept += out >= KEPT * in ? 1.0 : 0.0;
    b->sum->spill += in > 0.0 ? mean_beyond(changed, plain, s, size) / in : 0.0;
}

static void test_slice(struct bench *b, const struct mrc_eval_image *image, int64_t k) {
    const struct window w = window_of(image, k);
    const int64_t plane = w.size * w.size;
    struct site s;
    if (!find_site(&s, image->pixels + k * plane, image->head + k * plane, w.size)) return;
    b->translate(b->context, b->plain_out, w.pixels, w.count, w.size);
    paste_and_measure(b, &w, &s, -1.0);
    paste_and_measure(b, &w, &s, 1.0);
}

/* At most SLICES of the image's used ones, evenly spread. */
static void test_image(struct bench *b, const struct mrc_eval_image *image) {
    int64_t used = 0, seen = 0;
    for (int64_t k = 0; k < image->count; ++k) used += image->used[k];
    const int64_t tested = used < SLICES ? used : SLICES;
    for (int64_t k = 0, next = 0; k < image->count && next < tested; ++k) {
        if (!image->used[k]) continue;
        if (seen++ != (2 * next + 1) * used / (2 * tested)) continue;
        test_slice(b, image, k);
        ++next;
    }
}

enum mrc_status mrc_lesion_test(struct mrc_lesion_score *out, const struct mrc_eval_domain *sources,
                                mrc_lesion_translate_fn *translate, void *context,
                                struct mrc_error *err) {
    int64_t most = 0;
    *out = (struct mrc_lesion_score){0};
    for (size_t n = 0; n < sources->count; ++n) {
        const struct mrc_eval_image *m = &sources->images[n];
        if (NEIGHBOURS * m->rows * m->rows > most) most = NEIGHBOURS * m->rows * m->rows;
    }
    float *room = mrc_alloc((size_t)(3 * most), sizeof *room);
    if (room == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "lesion test: out of memory");
    struct bench b = {.translate = translate,
                      .context = context,
                      .with = room,
                      .plain_out = room + most,
                      .with_out = room + 2 * most,
                      .sum = out};
    for (size_t n = 0; n < sources->count; ++n) test_image(&b, &sources->images[n]);
    if (out->lesions > 0) {
        double n = (double)out->lesions;
        out->contrast_in /= n;
        out->contrast_out /= n;
        out->kept /= n;
        out->spill /= n;
    }
    mrc_free(room);
    return MRC_OK;
}
