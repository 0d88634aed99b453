/* watch.c: judging generators without pairs. */
#include "app/train/watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/sets/stack.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "metrics/artefacts.h"
#include "metrics/distribution.h"
#include "metrics/radiomics.h"

enum { SLICES = 16, WAYS = 2, FEATURES = MRC_RADIOMIC_FEATURES };

/* Part of the real images' variety below which outputs are alike, and above which they were not. */
static const double LEAST_VARIETY = 0.05, ENOUGH_VARIETY = 0.25;
static const double COPY_CORRELATION = 0.97, INVERTED_CORRELATION = -0.2, SURE_POLARITY = 0.6;
static const double LARGEST_BOARD = 3.0, VISIBLE_BOARD = 0.005, WON = 0.96;
static const float HEAD = 0.1f; /* brighter than this is inside the head, nearly always */

/* Of one way a -> b. All images are middle channels, [SLICES][size][size]. */
struct way {
    float *real;           /* of b */
    double *features;      /* of the real ones, standardised */
    float *mean;           /* of the real ones */
    double spread;         /* mean absolute difference of a real image from the mean */
    double variety, board; /* of the real ones */
    double copy_kid;       /* of the untranslated a from b */
    bool has_polarity;     /* two halves of the real images have like means */
};
struct mrc_watch {
    struct mrc_dataset *dataset;
    size_t size, plane, floats; /* pixels a side, of a slice, and floats of a stack of channels */
    float *in[WAYS];            /* stacks of a: [SLICES][size][size][channels] */
    float *fake[WAYS], *again;
    float *shown, *shown_in; /* middle channels */
    double *features;        /* [SLICES][FEATURES] */
    double *raw[WAYS];       /* of the real b, not standardised */
    struct way ways[WAYS];
};

static void show(float *out, const float *stacks, const struct mrc_watch *w) {
    for (size_t n = 0; n < SLICES; ++n)
        mrc_stack_middle(out + n * w->plane, stacks + n * w->floats, (int64_t)w->size,
                         w->dataset->channels);
}

static enum mrc_status describe(double *out, const float *images, const struct mrc_watch *w,
                                struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t n = 0; st == MRC_OK && n < SLICES; ++n)
        st = mrc_radiomic_features(out + n * FEATURES, images + n * w->plane, (int64_t)w->size,
                                   (int64_t)w->size, NULL, err);
    return st;
}

/* Kernel distance of images from the real ones of a way; w->features is overwritten. */
static enum mrc_status distance(double *out, struct mrc_watch *w, int way, const float *images,
                                struct mrc_error *err) {
    struct mrc_features raw = {w->raw[way], SLICES, FEATURES},
                        real = {w->ways[way].features, SLICES, FEATURES},
                        own = {w->features, SLICES, FEATURES};
    enum mrc_status st = describe(w->features, images, w, err);
    if (st == MRC_OK) st = mrc_features_standardise(w->features, SLICES, &raw, err);
    if (st == MRC_OK) *out = mrc_kernel_distance(&own, &real);
    return st;
}

static double mean_board(const float *images, const struct mrc_watch *w) {
    double sum = 0.0;
    for (size_t n = 0; n < SLICES; ++n)
        sum += mrc_checkerboard(images + n * w->plane, (int64_t)w->size, (int64_t)w->size);
    return sum / SLICES;
}

/* Mean of every `step`-th image from `first`. */
static void average(float *out, const float *images, size_t first, size_t step,
                    const struct mrc_watch *w) {
    size_t count = (SLICES - first + step - 1) / step;
    for (size_t p = 0; p < w->plane; ++p) {
        double sum = 0.0;
        for (size_t n = first; n < SLICES; n += step) sum += (double)images[n * w->plane + p];
        out[p] = (float)(sum / (double)count);
    }
}

static double difference(const float *a, const float *b, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) sum += fabs((double)a[i] - (double)b[i]);
    return sum / (double)n;
}

/* What is known of the real images before any generator. */
static enum mrc_status know_real(struct mrc_watch *w, int k, struct mrc_error *err) {
    struct way *way = &w->ways[k];
    size_t bytes = SLICES * FEATURES * sizeof(double);
    struct mrc_features raw = {w->raw[k], SLICES, FEATURES};
    enum mrc_status st = describe(w->raw[k], way->real, w, err);
    if (st != MRC_OK) return st;
    memcpy(way->features, w->raw[k], bytes);
    st = mrc_features_standardise(way->features, SLICES, &raw, err);
    if (st != MRC_OK) return st;
    float *halves[2] = {w->shown, w->shown + w->plane};
    for (size_t h = 0; h < 2; ++h) average(halves[h], way->real, h, 2, w);
    average(way->mean, way->real, 0, 1, w);
    way->has_polarity =
        mrc_masked_correlation(halves[0], halves[1], way->mean, HEAD, w->plane) > SURE_POLARITY;
    for (size_t n = 0; n < SLICES; ++n)
        way->spread += difference(way->real + n * w->plane, way->mean, w->plane) / SLICES;
    way->variety = mrc_variety(way->real, SLICES, w->plane);
    way->board = mean_board(way->real, w);
    show(w->shown_in, w->in[k], w);
    return distance(&way->copy_kid, w, k, w->shown_in, err);
}

static enum mrc_status take_memory(struct mrc_watch *w, struct mrc_error *err) {
    size_t stacks = SLICES * w->floats, planes = SLICES * w->plane;
    bool whole = (w->again = mrc_alloc(stacks, sizeof(float))) != NULL &&
                 (w->shown = mrc_alloc(planes, sizeof(float))) != NULL &&
                 (w->shown_in = mrc_alloc(planes, sizeof(float))) != NULL &&
                 (w->features = mrc_alloc(SLICES * FEATURES, sizeof(double))) != NULL;
    for (int k = 0; whole && k < WAYS; ++k)
        whole = (w->in[k] = mrc_alloc(stacks, sizeof(float))) != NULL &&
                (w->fake[k] = mrc_alloc(stacks, sizeof(float))) != NULL &&
                (w->raw[k] = mrc_alloc(SLICES * FEATURES, sizeof(double))) != NULL &&
                (w->ways[k].real = mrc_alloc(planes, sizeof(float))) != NULL &&
                (w->ways[k].mean = mrc_alloc(w->plane, sizeof(float))) != NULL &&
                (w->ways[k].features = mrc_alloc(SLICES * FEATURES, sizeof(double))) != NULL;
    return whole ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for checks");
}

enum mrc_status mrc_watch_create(mrc_watch **out, struct mrc_dataset *dataset,
                                 struct mrc_error *err) {
    struct mrc_watch *w = mrc_alloc(1, sizeof *w);
    if (w == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for checks");
    w->dataset = dataset;
    w->size = (size_t)dataset->size;
    w->plane = w->size * w->size;
    w->floats = w->plane * (size_t)dataset->channels;
    enum mrc_status st = take_memory(w, err);
    for (int k = 0; st == MRC_OK && k < WAYS; ++k) {
        size_t count = dataset->domains[k].place_count; /* X goes in where Y comes out */
        for (size_t n = 0; n < SLICES; ++n)
            mrc_dataset_fetch(dataset, w->in[k] + n * w->floats, k,
                              (2 * n + 1) * count / (2 * SLICES));
        show(w->ways[1 - k].real, w->in[k], w);
    }
    for (int k = 0; st == MRC_OK && k < WAYS; ++k) st = know_real(w, k, err);
    if (st != MRC_OK) {
        mrc_watch_destroy(w);
        return st;
    }
    *out = w;
    return MRC_OK;
}

void mrc_watch_destroy(mrc_watch *w) {
    if (w == NULL) return;
    for (int k = 0; k < WAYS; ++k) {
        mrc_free(w->in[k]);
        mrc_free(w->fake[k]);
        mrc_free(w->raw[k]);
        mrc_free(w->ways[k].real);
        mrc_free(w->ways[k].mean);
        mrc_free(w->ways[k].features);
    }
    mrc_free(w->again);
    mrc_free(w->shown);
    mrc_free(w->shown_in);
    mrc_free(w->features);
    mrc_free(w);
}

static bool is_finite(const float *values, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (!isfinite(values[i])) return false;
    return true;
}

static double head_correlation(const struct mrc_watch *w) {
    return mrc_masked_correlation(w->shown, w->shown_in, w->shown_in, HEAD, SLICES * w->plane);
}

/* w->shown: the fakes; w->shown_in: what they were made of. */
static enum mrc_status judge_way(struct mrc_check *out, struct mrc_watch *w, int k,
                                 struct mrc_error *err) {
    const struct way *way = &w->ways[k];
    unsigned warnings = 0;
    out->variety[k] = mrc_variety(w->shown, SLICES, w->plane) / fmax(way->variety, 1e-6);
    out->copy[k] = head_correlation(w);
    double board = mean_board(w->shown, w);
    out->checkerboard[k] = board / fmax(way->board, 1e-6);
    enum mrc_status st = distance(&out->kid[k], w, k, w->shown, err);
    float *mean = w->again; /* its stacks are not needed any more */
    average(mean, w->shown, 0, 1, w);
    out->polarity[k] = mrc_masked_correlation(mean, way->mean, way->mean, HEAD, w->plane);
    if (out->variety[k] < LEAST_VARIETY) warnings |= MRC_WARN_ALIKE;
    if (out->copy[k] > COPY_CORRELATION)
        warnings |= MRC_WARN_COPIES; /* which are often inverted too */
    else if (way->has_polarity && out->polarity[k] < INVERTED_CORRELATION)
        warnings |= MRC_WARN_INVERTED;
    if (out->checkerboard[k] > LARGEST_BOARD && board > VISIBLE_BOARD)
        warnings |= MRC_WARN_CHECKERBOARD;
    if (out->verdict_gap[k] > WON) warnings |= MRC_WARN_JUDGE_WON;
    out->warnings[k] |= warnings;
    return st;
}

/* 1 of either part: no better than the untranslated set, or than the mean image. */
static double selection_of(const struct mrc_check *check, const struct mrc_watch *w) {
    double sum = 0.0;
    for (int k = 0; k < WAYS; ++k) {
        sum += fmax(check->kid[k], 0.0) / fmax(w->ways[k].copy_kid, 1e-3);
        sum += check->cycle[k] / fmax(w->ways[k].spread, 1e-6);
    }
    return sum / (2.0 * WAYS);
}

enum mrc_status mrc_watch_check(struct mrc_check *out, mrc_watch *w, mrc_sampler *sampler,
                                struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_check){.epoch = out->epoch,
                              .step = out->step,
                              .contrasts = {w->dataset->contrasts[0], w->dataset->contrasts[1]}};
    for (int k = 0; k < WAYS; ++k) mrc_sampler_apply(sampler, k, w->fake[k], w->in[k], SLICES);
    for (int k = 0; k < WAYS; ++k)
        if (!is_finite(w->fake[k], SLICES * w->floats)) out->warnings[k] |= MRC_WARN_NOT_FINITE;
    out->selection = INFINITY;
    if ((out->warnings[0] | out->warnings[1]) != 0) return MRC_OK;
    for (int k = 0; k < WAYS; ++k) { /* way 1 - k brings b back */
        mrc_sampler_apply(sampler, k, w->again, w->fake[1 - k], SLICES);
        out->cycle[k] = difference(w->again, w->in[1 - k], SLICES * w->floats);
    }
    mrc_sampler_judge(sampler, out->verdict_gap, (const float *const *)w->fake,
                      (const float *const *)w->in, SLICES);
    for (int k = 0; st == MRC_OK && k < WAYS; ++k) {
        show(w->shown, w->fake[k], w);
        show(w->shown_in, w->in[k], w);
        st = judge_way(out, w, k, err);
    }
    if (st == MRC_OK) out->selection = selection_of(out, w);
    return st;
}

void mrc_warnings_print(struct mrc_text *out, const struct mrc_check *check) {
    const unsigned *warnings = check->warnings;
    static const struct {
        unsigned bit;
        const char *words;
    } names[] = {{MRC_WARN_NOT_FINITE, "no numbers"},
                 {MRC_WARN_ALIKE, "outputs all alike"},
                 {MRC_WARN_COPIES, "outputs are copies of the inputs"},
                 {MRC_WARN_INVERTED, "inverted polarity"},
                 {MRC_WARN_CHECKERBOARD, "checkerboards"},
                 {MRC_WARN_JUDGE_WON, "the discriminator has won"}};
    const char *between = "";
    for (int k = 0; k < WAYS; ++k)
        for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
            if ((warnings[k] & names[i].bit) == 0) continue;
            mrc_text_appendf(out, "%s%s (%s to %s)", between, names[i].words,
                             mrc_contrast_name(check->contrasts[k]),
                             mrc_contrast_name(check->contrasts[1 - k]));
            between = "; ";
        }
}

/* --- checks.csv --- */

enum { COLUMNS = 19, MAX_LOG_BYTES = 1 << 28 };
static const char HEADER[] =
    "epoch,step,selection,cycle_y,cycle_x,kid_y,kid_x,variety_y,variety_x,copy_y,copy_x,polarity_y,"
    "polarity_x,checkerboard_y,checkerboard_x,verdict_gap_y,verdict_gap_x,flags_y,flags_x,"
    "warnings\n";

static void to_columns(double out[COLUMNS], const struct mrc_check *c) {
    const double *pairs[] = {c->cycle,    c->kid,          c->variety,    c->copy,
                             c->polarity, c->checkerboard, c->verdict_gap};
    size_t n = 0;
    out[n++] = (double)c->epoch;
    out[n++] = (double)c->step;
    out[n++] = fmin(c->selection, 1e9); /* INFINITY where nothing was measured */
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i)
        for (int k = 0; k < WAYS; ++k) out[n++] = pairs[i][k];
    for (int k = 0; k < WAYS; ++k) out[n++] = c->warnings[k];
}

/* What is remembered is what the row says, so that a run taken up again knows the same. */
static void add_row(struct mrc_check_log *log, const char *row, const double value[COLUMNS],
                    bool *is_best) {
    const unsigned last_resort =
        MRC_WARN_ALIKE | MRC_WARN_COPIES | MRC_WARN_INVERTED | MRC_WARN_CHECKERBOARD;
    const double behind = 1e12; /* all without a warning, of which none is above 1e9 */
    unsigned flags = (unsigned)value[COLUMNS - 2] | (unsigned)value[COLUMNS - 1];
    double variety = fmin(value[7], value[8]);
    double selection = value[2] + ((flags & last_resort) != 0 ? behind : 0.0);
    *is_best = (flags & MRC_WARN_NOT_FINITE) == 0 && selection < log->best;
    if (*is_best) log->best = selection;
    log->most_variety = fmax(log->most_variety, variety);
    bool lost = (flags & MRC_WARN_ALIKE) != 0 && log->most_variety > ENOUGH_VARIETY;
    log->alike = lost ? log->alike + 1 : 0;
    mrc_text_appendf(&log->text, "%s", row);
}

static bool read_columns(double out[COLUMNS], const char *row) {
    for (size_t c = 0; c < COLUMNS; ++c) {
        char field[32];
        size_t length = strcspn(row, ",\n");
        if (length == 0 || length >= sizeof field || row[length] != ',') return false;
        memcpy(field, row, length);
        field[length] = '\0';
        if (mrc_parse_f64(&out[c], field, -1e300, 1e300) != MRC_OK) return false;
        row += length + 1;
    }
    return true;
}

enum mrc_status mrc_check_log_open(struct mrc_check_log *log, const char *path, int64_t last_step,
                                   struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    enum mrc_status st = MRC_OK;
    *log = (struct mrc_check_log){.best = INFINITY};
    mrc_text_appendf(&log->text, "%s", HEADER);
    if (mrc_path_exists(path)) st = mrc_read_file(&text, &size, path, MAX_LOG_BYTES, err);
    const char *row = st == MRC_OK && text != NULL ? strchr((const char *)text, '\n') : NULL;
    for (; row != NULL && row[1] != '\0'; row = strchr(row + 1, '\n')) {
        double value[COLUMNS];
        bool is_best;
        if (!read_columns(value, row + 1) || value[1] > (double)last_step) break;
        char *line = mrc_asprintf("%.*s\n", (int)strcspn(row + 1, "\n"), row + 1);
        if (line != NULL)
            add_row(log, line, value, &is_best);
        else
            log->text.failed = true;
        mrc_free(line);
    }
    mrc_free(text);
    if (st == MRC_OK && log->text.failed) st = mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    return st;
}

void mrc_check_log_add(struct mrc_check_log *log, const struct mrc_check *check, bool *is_best) {
    double value[COLUMNS];
    struct mrc_text row = {0};
    to_columns(value, check);
    mrc_text_appendf(&row, "%lld,%lld,", (long long)check->epoch, (long long)check->step);
    for (size_t c = 2; c < COLUMNS; ++c) {
        char number[16];
        mrc_print_decimal(number, sizeof number, value[c]);
        mrc_text_appendf(&row, "%s,", number);
    }
    mrc_text_appendf(&row, "\"");
    mrc_warnings_print(&row, check);
    mrc_text_appendf(&row, "\"\n");
    *is_best = false;
    if (row.failed || !read_columns(value, row.data))
        log->text.failed = true;
    else
        add_row(log, row.data, value, is_best);
    mrc_text_clear(&row);
}

enum mrc_status mrc_check_log_save(const struct mrc_check_log *log, const char *path,
                                   struct mrc_error *err) {
    if (log->text.failed) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    return mrc_write_file(path, log->text.data, strlen(log->text.data), err);
}

bool mrc_check_log_collapsed(const struct mrc_check_log *log) {
    enum { PATIENCE = 2 };
    return log->alike >= PATIENCE;
}

void mrc_check_log_clear(struct mrc_check_log *log) {
    mrc_text_clear(&log->text);
}
