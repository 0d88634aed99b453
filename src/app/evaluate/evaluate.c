/* evaluate.c: each direction, each way to translate, each score. */
#include "app/evaluate/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/common/model_file.h"
#include "app/common/place.h"
#include "app/evaluate/evaluate_baseline.h"
#include "app/evaluate/evaluate_lesion.h"
#include "app/evaluate/evaluate_score.h"
#include "app/evaluate/evaluate_set.h"
#include "app/evaluate/evaluate_table.h"
#include "app/evaluate/npy.h"
#include "app/pages/sheet.h"
#include "app/sets/cut.h"
#include "app/sets/prepared.h"
#include "app/sets/stack.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/volume.h"
#include "metrics/distribution.h"
#include "metrics/radiomics.h"
#include "model/files/checkpoint.h"

enum { BATCH = 8, F = MRC_RADIOMIC_FEATURES };

/* One of the models that are compared: its two generators. */
struct model {
    char name[80];
    mrc_generator *to[2]; /* the set's contrasts, MRC_EVAL_FROM and MRC_EVAL_TO */
    int64_t channels;
};

struct work {
    const struct mrc_evaluate_options *options;
    const struct mrc_events *events;
    struct mrc_eval_set set, reference;
    struct model *models;
    struct mrc_evaluation found;
};

/* One direction of it: from a domain of the set to another. */
struct task {
    struct work *work;
    int from, to;
    struct mrc_eval_direction *direction;
    struct mrc_baseline_fit fit;
    double *true_features; /* [true_count][F], as measured */
    size_t true_count;
    float *best; /* what the first own method gave, one image after the other; for the pictures */
};

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "evaluation: out of memory");
}

/* --- Models --- */

static void load_name(struct model *m, const struct mrc_checkpoint_info *info, const char *path) {
    const char *name = info->name[0] != '\0' ? info->name : mrc_path_name(path);
    char plain[64];
    mrc_text_plain(plain, sizeof plain, name);
    snprintf(m->name, sizeof m->name, "%s (seed %llu)", plain,
             (unsigned long long)info->settings.seed);
}

/* One set is cut for all: as the first wants it, whatever size each was trained on. */
static enum mrc_status compare_contracts(const struct mrc_contract *contract,
                                         const struct mrc_contract *first, const char *path,
                                         struct mrc_error *err) {
    struct mrc_contract same_size = *contract;
    struct mrc_error why = {0};
    same_size.sample = first->sample;
    if (mrc_cut_compare(&same_size, first, path, &why) == MRC_OK) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s as the first model", why.text);
}

/* The generators that make the two contrasts of the set, one of the other. */
static enum mrc_status load_generators(struct model *m, struct mrc_checkpoint_info *info,
                                       const struct work *w, const char *path, int64_t size,
                                       struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (int k = 0; status == MRC_OK && k < 2; ++k) {
        const enum mrc_contrast to = w->found.contract.contrasts[k];
        status = mrc_generator_load(&m->to[k], info, path, mrc_checkpoint_generator(info, to), size,
                                    BATCH, err);
        if (status == MRC_OK) mrc_generator_set_mirror(m->to[k], !w->options->no_mirror);
    }
    return status;
}

static enum mrc_status load_model(struct work *w, size_t n, int64_t size, struct mrc_error *err) {
    struct model *m = &w->models[n];
    struct mrc_checkpoint_info info;
    char *path = NULL;
    enum mrc_status status = mrc_model_file_find(&path, w->options->models[n], err);
    if (status == MRC_OK) status = mrc_checkpoint_describe(&info, path, err);
    if (status == MRC_OK && n == 0)
        w->found.contract = info.contract;
    else if (status == MRC_OK)
        status = compare_contracts(&info.contract, &w->found.contract, path, err);
    if (status == MRC_OK) status = load_generators(m, &info, w, path, size, err);
    if (status == MRC_OK) {
        load_name(m, &info, path);
        m->channels = info.settings.channels;
        memcpy(w->found.model_hashes[n], info.hash, sizeof info.hash);
        if (n == 0) memcpy(w->found.calibration, info.calibration, sizeof w->found.calibration);
    }
    mrc_free(path);
    return status;
}

/* Another number of pixels for the same field of view. */
static void set_size(struct mrc_contract *c, int64_t size) {
    c->pixel_mm *= (double)c->sample.h / (double)size;
    c->sample.h = c->sample.w = size;
}

/* Without a model: as a prepared set was cut, or as by default. */
static enum mrc_status settle_contract(struct work *w, struct mrc_error *err) {
    const struct mrc_evaluate_options *o = w->options;
    struct mrc_contract *c = &w->found.contract;
    enum mrc_status status = MRC_OK;
    *c = mrc_contract_of_slices(64, 1, o->stored);
    if (mrc_prepared_is_there(o->set)) status = mrc_prepared_contract(c, o->set, err);
    if (status == MRC_OK && o->contrasts != NULL)
        status = mrc_contract_parse(c, MRC_CONTRACT_LIST, o->contrasts, err);
    if (o->size > 0) set_size(c, o->size);
    w->found.size = c->sample.h;
    if (status == MRC_OK && c->contrast_count != 2)
        status = mrc_fail(err, MRC_ERR_ARGUMENT, "%s: %lld contrasts, expected two to score",
                          o->set, (long long)c->contrast_count);
    return status == MRC_OK ? mrc_contract_check(c, err) : status;
}

static enum mrc_status load_models(struct work *w, struct mrc_error *err) {
    const size_t count = w->options->model_count;
    int64_t size = w->options->size;
    enum mrc_status status = MRC_OK;
    w->found.mirror = !w->options->no_mirror;
    if (count == 0) return settle_contract(w, err);
    w->models = mrc_alloc(count, sizeof *w->models);
    w->found.model_hashes = mrc_alloc(count, sizeof *w->found.model_hashes);
    if (w->models == NULL || w->found.model_hashes == NULL) return no_memory(err);
    w->found.model_count = count;
    for (size_t n = 0; status == MRC_OK && n < count; ++n) {
        status = load_model(w, n, size, err);
        if (status == MRC_OK && size == 0) size = mrc_generator_size(w->models[0].to[0]);
    }
    w->found.size = size;
    if (status == MRC_OK) set_size(&w->found.contract, size);
    return status;
}

/* dst, src [count][size][size]. */
static void translate_stack(const struct model *m, int to, float *dst, const float *src,
                            int64_t count, float *room) {
    mrc_generator *generator = m->to[to];
    const int64_t size = mrc_generator_size(generator), plane = size * size;
    float *in = room, *out = room + BATCH * plane * m->channels;
    for (int64_t first = 0; first < count; first += BATCH) {
        int64_t n = count - first < BATCH ? count - first : BATCH;
        for (int64_t s = 0; s < n; ++s)
            mrc_stack_gather(in + s * plane * m->channels, src, count, size, m->channels,
                             first + s);
        mrc_generator_apply(generator, out, in, n);
        for (int64_t s = 0; s < n; ++s)
            mrc_stack_middle(dst + (first + s) * plane, out + s * plane * m->channels, size,
                             m->channels);
    }
}

struct translation {
    const struct model *model;
    int to;
    float *room;
};

static void translate_for_lesions(void *context, float *dst, const float *src, int64_t count,
                                  int64_t size) {
    const struct translation *t = context;
    (void)size;
    translate_stack(t->model, t->to, dst, src, count, t->room);
}

/* --- Features of slices --- */

/* features [used slices][F] of the domain's images, or of `result` in their places. */
static enum mrc_status find_features(double **out, size_t *count,
                                     const struct mrc_eval_domain *domain, const float *result,
                                     struct mrc_error *err) {
    size_t used = 0;
    for (size_t n = 0; n < domain->count; ++n)
        for (int64_t k = 0; k < domain->images[n].count; ++k) used += domain->images[n].used[k];
    *out = mrc_alloc(used * F, sizeof **out);
    *count = used;
    if (*out == NULL) return no_memory(err);
    double *next = *out;
    enum mrc_status status = MRC_OK;
    for (size_t n = 0; status == MRC_OK && n < domain->count; ++n) {
        const struct mrc_eval_image *m = &domain->images[n];
        const int64_t plane = m->rows * m->columns;
        const float *pixels = result != NULL ? result : m->pixels;
        for (int64_t k = 0; status == MRC_OK && k < m->count; ++k) {
            if (!m->used[k]) continue;
            status = mrc_radiomic_features(next, pixels + k * plane, m->rows, m->columns,
                                           m->head + k * plane, err);
            next += F;
        }
        if (result != NULL) result += m->count * plane;
    }
    return status;
}

/* Distances of `features` to the true ones, both standardised by the true ones. */
static enum mrc_status measure_distance(double *rfd, double *kernel, const struct task *t,
                                        double *features, size_t count, struct mrc_error *err) {
    const struct mrc_features truth = {t->true_features, t->true_count, F};
    double *standard = mrc_alloc(t->true_count * F, sizeof *standard);
    if (standard == NULL) return no_memory(err);
    memcpy(standard, t->true_features, t->true_count * F * sizeof *standard);
    enum mrc_status status = mrc_features_standardise(features, count, &truth, err);
    if (status == MRC_OK) status = mrc_features_standardise(standard, t->true_count, &truth, err);
    const struct mrc_features a = {features, count, F}, b = {standard, t->true_count, F};
    if (status == MRC_OK) status = mrc_frechet_distance(rfd, &a, &b, err);
    if (status == MRC_OK) *kernel = mrc_kernel_distance(&a, &b);
    mrc_free(standard);
    return status;
}

/* Every other true slice against the rest. */
static enum mrc_status measure_floor(struct task *t, struct mrc_error *err) {
    const size_t even = (t->true_count + 1) / 2, odd = t->true_count / 2;
    const struct mrc_features truth = {t->true_features, t->true_count, F};
    double *halves = mrc_alloc(t->true_count * F, sizeof *halves);
    if (halves == NULL) return no_memory(err);
    for (size_t i = 0; i < t->true_count; ++i)
        memcpy(halves + (i % 2 == 0 ? i / 2 : even + i / 2) * F, t->true_features + i * F,
               F * sizeof *halves);
    enum mrc_status status = mrc_features_standardise(halves, t->true_count, &truth, err);
    const struct mrc_features a = {halves, even, F}, b = {halves + even * F, odd, F};
    if (status == MRC_OK) status = mrc_frechet_distance(&t->direction->floor_rfd, &a, &b, err);
    if (status == MRC_OK) t->direction->floor_kernel = mrc_kernel_distance(&a, &b);
    mrc_free(halves);
    return status;
}

/* --- Methods --- */

static enum mrc_status add_method(struct mrc_eval_method **out, struct task *t, const char *name,
                                  bool own, struct mrc_error *err) {
    struct mrc_eval_direction *d = t->direction;
    const struct mrc_eval_domain *truth = &t->work->set.domains[t->to];
    void *methods = d->methods;
    if (!mrc_grow(&methods, &d->method_capacity, d->method_count + 1, sizeof *d->methods))
        return no_memory(err);
    d->methods = methods;
    struct mrc_eval_method *m = &d->methods[d->method_count++];
    *m = (struct mrc_eval_method){.own = own, .rfd = (double)NAN, .kernel = (double)NAN};
    snprintf(m->name, sizeof m->name, "%s", name);
    for (int s = 0; s < MRC_SCORE_COUNT; ++s)
        m->mean.value[s] = m->deviation.value[s] = (double)NAN;
    *out = m;
    if (!t->work->set.paired) return MRC_OK;
    m->images = mrc_alloc(truth->count, sizeof *m->images);
    m->slices = mrc_alloc(truth->count, sizeof *m->slices);
    m->slice_counts = mrc_alloc(truth->count, sizeof *m->slice_counts);
    if (m->images == NULL || m->slices == NULL || m->slice_counts == NULL) return no_memory(err);
    m->image_count = truth->count;
    for (size_t n = 0; n < truth->count; ++n) {
        m->slice_counts[n] = truth->images[n].count;
        m->slices[n] = mrc_alloc((size_t)truth->images[n].count, sizeof **m->slices);
        if (m->slices[n] == NULL) return no_memory(err);
    }
    return MRC_OK;
}

/* The truth, image by image, and the means over them. */
static enum mrc_status score_images(struct mrc_eval_method *m, const struct mrc_eval_domain *truth,
                                    const float *result, const double *cycles,
                                    struct mrc_error *err) {
    struct mrc_score_row unused;
    enum mrc_status status = MRC_OK;
    for (size_t n = 0; status == MRC_OK && n < m->image_count; ++n) {
        const struct mrc_eval_image *image = &truth->images[n];
        status = mrc_score_image(&m->images[n], m->slices[n], result, image, err);
        if (cycles != NULL) m->images[n].value[MRC_SCORE_CYCLE] = cycles[n];
        result += image->count * image->rows * image->columns;
    }
    if (status != MRC_OK) return status;
    mrc_score_average(&m->mean, &m->deviation, m->images, m->image_count);
    if (m->image_count == 1)
        mrc_score_average(&unused, &m->deviation, m->slices[0], (size_t)truth->images[0].count);
    return MRC_OK;
}

/* result: of all images, one after the other. Scores against the truth where the set is paired, and
 * features in any case. cycles[source images], or NULL. */
static enum mrc_status score_method(struct mrc_eval_method *m, struct task *t, const float *result,
                                    const double *cycles, struct mrc_error *err) {
    const struct mrc_eval_set *set = &t->work->set;
    const size_t sources = set->domains[t->from].count;
    enum mrc_status status = MRC_OK;
    if (set->paired)
        status = score_images(m, &set->domains[t->to], result, cycles, err);
    else if (cycles != NULL) {
        m->mean.value[MRC_SCORE_CYCLE] = 0.0;
        for (size_t n = 0; n < sources; ++n)
            m->mean.value[MRC_SCORE_CYCLE] += cycles[n] / (double)sources;
    }
    double *features = NULL;
    size_t count = 0;
    const struct mrc_eval_domain *shape = &set->domains[set->paired ? t->to : t->from];
    if (status == MRC_OK) status = find_features(&features, &count, shape, result, err);
    if (status == MRC_OK) status = measure_distance(&m->rfd, &m->kernel, t, features, count, err);
    mrc_free(features);
    return status;
}

static size_t pixels_of(const struct mrc_eval_domain *domain) {
    size_t sum = 0;
    for (size_t n = 0; n < domain->count; ++n)
        sum +=
            (size_t)(domain->images[n].count * domain->images[n].rows * domain->images[n].columns);
    return sum;
}

/* The first own result is kept for the pictures. */
static void keep_best(struct task *t, float **result) {
    if (t->best != NULL) return;
    t->best = *result;
    *result = NULL;
}

/* There and back: result and back are like all source images, one after the other. cycles[image]:
 * mean |back - source| over the used slices. */
static void translate_all(struct task *t, const struct translation *way, float *result, float *back,
                          double *cycles) {
    const struct mrc_eval_domain *source = &t->work->set.domains[t->from];
    const int64_t plane = t->work->found.size * t->work->found.size;
    for (size_t n = 0; n < source->count; ++n) {
        const struct mrc_eval_image *x = &source->images[n];
        double sum = 0.0, pixels = 0.0;
        translate_stack(way->model, way->to, result, x->pixels, x->count, way->room);
        translate_stack(way->model, 1 - way->to, back, result, x->count, way->room);
        for (int64_t i = 0; i < x->count * plane; ++i) {
            if (!x->used[i / plane]) continue;
            sum += fabs((double)back[i] - (double)x->pixels[i]);
            pixels += 1.0;
        }
        cycles[n] = sum / pixels;
        result += x->count * plane;
        back += x->count * plane;
        mrc_events_progress(t->work->events, "translating", (int64_t)n + 1, (int64_t)source->count);
    }
}

static enum mrc_status run_model(struct task *t, const struct model *model, struct mrc_error *err) {
    const struct mrc_eval_domain *source = &t->work->set.domains[t->from];
    const size_t plane = (size_t)(t->work->found.size * t->work->found.size);
    const size_t total = pixels_of(source);
    struct mrc_eval_method *m = NULL;
    struct translation way = {.model = model, .to = t->to};
    float *result = mrc_alloc(total, sizeof *result), *back = mrc_alloc(total, sizeof *back);
    double *cycles = mrc_alloc(source->count, sizeof *cycles);
    way.room = mrc_alloc(2 * BATCH * plane * (size_t)model->channels, sizeof *way.room);
    enum mrc_status status = add_method(&m, t, model->name, true, err);
    if (status == MRC_OK && (result == NULL || back == NULL || cycles == NULL || way.room == NULL))
        status = no_memory(err);
    if (status == MRC_OK) {
        translate_all(t, &way, result, back, cycles);
        status = score_method(m, t, result, cycles, err);
        keep_best(t, &result);
    }
    if (status == MRC_OK)
        status = mrc_lesion_test(&m->lesion, source, translate_for_lesions, &way, err);
    mrc_free(way.room);
    mrc_free(cycles);
    mrc_free(back);
    mrc_free(result);
    return status;
}

static enum mrc_status run_result(struct task *t, struct mrc_error *err) {
    const struct mrc_eval_domain *results = &t->work->set.domains[MRC_EVAL_RESULT];
    struct mrc_eval_method *m = NULL;
    enum mrc_status status = add_method(&m, t, "result", true, err);
    if (status != MRC_OK) return status;
    float *all = mrc_alloc(pixels_of(results), sizeof *all), *next = all;
    if (all == NULL) return no_memory(err);
    for (size_t n = 0; n < results->count; ++n) {
        const struct mrc_eval_image *image = &results->images[n];
        size_t pixels = (size_t)(image->count * image->rows * image->columns);
        memcpy(next, image->pixels, pixels * sizeof *next);
        next += pixels;
    }
    status = score_method(m, t, all, NULL, err);
    keep_best(t, &all);
    mrc_free(all);
    return status;
}

static bool can_apply(const struct task *t, enum mrc_baseline which) {
    const struct mrc_eval_domain *source = &t->work->set.domains[t->from];
    bool grid = which == MRC_BASELINE_MEAN;
    if (which == MRC_BASELINE_ADJACENT && !t->work->set.paired) return false;
    for (size_t n = 0; n < source->count; ++n) {
        const struct mrc_eval_image *m = &source->images[n];
        if (grid && (m->rows != t->fit.rows || m->columns != t->fit.columns)) return false;
        if (which == MRC_BASELINE_ADJACENT && m->count < 2) return false;
    }
    return t->fit.has[which];
}

static enum mrc_status run_baseline(struct task *t, enum mrc_baseline which,
                                    struct mrc_error *err) {
    const struct mrc_eval_set *set = &t->work->set;
    const struct mrc_eval_domain *source = &set->domains[t->from];
    struct mrc_eval_method *m = NULL;
    enum mrc_status status = add_method(&m, t, mrc_baseline_name(which), false, err);
    if (status != MRC_OK) return status;
    float *result = mrc_alloc(pixels_of(source), sizeof *result), *next = result;
    if (result == NULL) return no_memory(err);
    for (size_t n = 0; n < source->count; ++n) {
        const struct mrc_eval_image *image = &source->images[n];
        mrc_baseline_apply(next, &t->fit, which, image,
                           set->paired ? &set->domains[t->to].images[n] : NULL);
        next += image->count * image->rows * image->columns;
    }
    status = score_method(m, t, result, NULL, err);
    mrc_free(result);
    return status;
}

/* --- Pictures: the worst slices and the best --- */

struct place {
    size_t image;
    int64_t k;
    double score; /* SSIM inside the head, or over all where that is not to be had */
};

static double slice_score(const struct mrc_score_row *row) {
    double head = row->value[MRC_SCORE_HEAD_SSIM];
    return isnan(head) ? row->value[MRC_SCORE_SSIM] : head;
}

/* The n-th worst, or n-th best, slice that is not in `taken`. */
static bool find_place(struct place *out, const struct mrc_eval_method *m,
                       const struct mrc_eval_domain *truth, const struct place *taken,
                       size_t taken_count, bool worst) {
    bool found = false;
    for (size_t n = 0; n < m->image_count; ++n)
        for (int64_t k = 0; k < truth->images[n].count; ++k) {
            double s = slice_score(&m->slices[n][k]);
            bool again = isnan(s);
            for (size_t i = 0; i < taken_count; ++i)
                again = again || (taken[i].image == n && taken[i].k == k);
            if (again || (found && (worst ? s >= out->score : s <= out->score))) continue;
            *out = (struct place){n, k, s};
            found = true;
        }
    return found;
}

static enum mrc_status draw_place(struct mrc_eval_picture *out, const struct task *t,
                                  const struct place *p, bool worst, struct mrc_error *err) {
    const struct mrc_eval_set *set = &t->work->set;
    const struct mrc_eval_image *truth = &set->domains[t->to].images[p->image];
    const int64_t plane = truth->rows * truth->columns;
    const float *result = t->best;
    for (size_t n = 0; n < p->image; ++n) {
        const struct mrc_eval_image *m = &set->domains[t->to].images[n];
        result += m->count * m->rows * m->columns;
    }
    result += p->k * plane;
    float *difference = mrc_alloc((size_t)plane, sizeof *difference);
    if (difference == NULL) return no_memory(err);
    const float *true_slice = truth->pixels + p->k * plane;
    for (int64_t i = 0; i < plane; ++i) difference[i] = fabsf(result[i] - true_slice[i]);
    const bool has_source = set->domains[t->from].count > 0;
    const float *images[4] = {
        has_source ? set->domains[t->from].images[p->image].pixels + p->k * plane : NULL, result,
        true_slice, difference};
    static const char *const labels[4] = {"source", "translated", "truth", "|difference|"};
    struct mrc_sheet sheet = {.rows = 1,
                              .columns = has_source ? 4 : 3,
                              .images = has_source ? images : images + 1,
                              .image_width = truth->columns,
                              .image_height = truth->rows,
                              .zoom = truth->columns <= 96 ? 3 : 1,
                              .column_labels = has_source ? labels : labels + 1};
    enum mrc_status status = mrc_sheet_render(&out->png, &out->bytes, &sheet, err);
    snprintf(out->caption, sizeof out->caption, "%s: image %zu, slice %lld, SSIM %.3f",
             worst ? "worst" : "best", p->image + 1, (long long)p->k + 1, p->score);
    mrc_free(difference);
    return status;
}

static enum mrc_status draw_pictures(struct task *t, const struct mrc_eval_method *m,
                                     struct mrc_error *err) {
    const struct mrc_eval_domain *truth = &t->work->set.domains[t->to];
    struct place places[MRC_EVAL_PICTURES];
    struct mrc_eval_direction *d = t->direction;
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < MRC_EVAL_PICTURES; ++i) {
        bool worst = i < MRC_EVAL_PICTURES / 2;
        if (!find_place(&places[d->picture_count], m, truth, places, d->picture_count, worst))
            break;
        status =
            draw_place(&d->pictures[d->picture_count], t, &places[d->picture_count], worst, err);
        if (status == MRC_OK) ++d->picture_count;
    }
    return status;
}

/* --- A direction --- */

static enum mrc_status run_models(struct task *t, struct mrc_error *err) {
    const struct work *w = t->work;
    const size_t count = w->options->model_count;
    struct mrc_score_row *means = mrc_alloc(count, sizeof *means);
    enum mrc_status status = means != NULL ? MRC_OK : no_memory(err);
    for (size_t n = 0; status == MRC_OK && n < count; ++n) {
        status = run_model(t, &w->models[n], err);
        if (status == MRC_OK) means[n] = t->direction->methods[n].mean;
        if (status == MRC_OK && mrc_events_cancelled(w->events))
            status = mrc_fail(err, MRC_ERR_CANCELLED, "stopped before anything was written");
    }
    if (status == MRC_OK)
        mrc_score_average(&t->direction->seed_mean, &t->direction->seed_deviation, means, count);
    mrc_free(means);
    return status;
}

static enum mrc_status run_direction(struct task *t, struct mrc_error *err) {
    struct work *w = t->work;
    const struct mrc_eval_set *set = &w->set;
    const struct mrc_eval_set *reference = w->options->reference != NULL ? &w->reference : set;
    struct mrc_eval_direction *d = t->direction;
    enum mrc_status status =
        find_features(&t->true_features, &t->true_count, &set->domains[t->to], NULL, err);
    if (status == MRC_OK) status = measure_floor(t, err);
    if (status == MRC_OK) status = mrc_baseline_fit(&t->fit, reference, t->from, t->to, err);
    if (status == MRC_OK && w->options->model_count > 0) status = run_models(t, err);
    if (status == MRC_OK && w->options->result != NULL) status = run_result(t, err);
    for (int b = 0; status == MRC_OK && b < MRC_BASELINE_COUNT; ++b)
        if (set->domains[t->from].count > 0 && can_apply(t, (enum mrc_baseline)b))
            status = run_baseline(t, (enum mrc_baseline)b, err);
    if (status == MRC_OK && set->paired && t->best != NULL)
        status = draw_pictures(t, &d->methods[0], err);
    mrc_free(t->best);
    mrc_free(t->true_features);
    mrc_baseline_fit_clear(&t->fit);
    return status;
}

static enum mrc_status run_directions(struct work *w, struct mrc_error *err) {
    const bool of_set = w->options->set != NULL;
    w->found.paired = w->set.paired;
    w->found.direction_count = of_set ? 2 : 1;
    enum mrc_status status = MRC_OK;
    for (size_t n = 0; status == MRC_OK && n < w->found.direction_count; ++n) {
        struct mrc_eval_direction *d = &w->found.directions[n];
        struct task t = {.work = w, .direction = d};
        t.from = n == 0 ? MRC_EVAL_FROM : MRC_EVAL_TO;
        t.to = n == 0 ? MRC_EVAL_TO : MRC_EVAL_FROM;
        if (of_set)
            snprintf(d->name, sizeof d->name, "%s to %s",
                     mrc_contrast_name(w->found.contract.contrasts[t.from]),
                     mrc_contrast_name(w->found.contract.contrasts[t.to]));
        else
            snprintf(d->name, sizeof d->name, "source to truth");
        const struct mrc_eval_domain *counted =
            &w->set.domains[w->set.domains[t.from].count > 0 ? t.from : t.to];
        for (size_t i = 0; i < counted->count; ++i)
            for (int64_t k = 0; k < counted->images[i].count; ++k)
                d->slices += counted->images[i].used[k];
        if (d->slices == 0)
            status = mrc_fail(err, MRC_ERR_UNSUPPORTED, "no slice shows %g %% head",
                              100.0 * w->options->min_foreground);
        if (status == MRC_OK) status = run_direction(&t, err);
    }
    return status;
}

/* --- Imported features --- */

static enum mrc_status run_imported(struct work *w, struct mrc_error *err) {
    struct mrc_features a = {0}, b = {0};
    double *real = NULL, *fake = NULL;
    w->found.fid = w->found.kid = (double)NAN;
    if (w->options->real_features == NULL) return MRC_OK;
    enum mrc_status status =
        mrc_npy_load(&real, &a.count, &a.features, w->options->real_features, err);
    if (status == MRC_OK)
        status = mrc_npy_load(&fake, &b.count, &b.features, w->options->fake_features, err);
    if (status == MRC_OK && a.features != b.features)
        status =
            mrc_fail(err, MRC_ERR_FORMAT, "%s: %zu features, expected %zu as in %s",
                     w->options->fake_features, b.features, a.features, w->options->real_features);
    a.values = real;
    b.values = fake;
    if (status == MRC_OK) status = mrc_frechet_distance(&w->found.fid, &a, &b, err);
    if (status == MRC_OK) w->found.kid = mrc_kernel_distance(&a, &b);
    mrc_free(fake);
    mrc_free(real);
    return status;
}

/* --- All of it --- */

static const struct mrc_place_kind EVALUATION = {
    .mark = "scores.json",
    .words = "mrcycle evaluation",
    .patterns =
        (const char *const[]){"scores.json", "scores.csv", "slices.csv", "report.html", NULL}};

static enum mrc_status check_output(const struct mrc_evaluate_options *o, struct mrc_error *err) {
    const char *const inputs[] = {o->set, o->truth, o->result, o->source, o->reference};
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < sizeof inputs / sizeof *inputs; ++i) {
        bool inside = false;
        if (inputs[i] == NULL) continue;
        status = mrc_place_keep_input(o->output, inputs[i], err);
        if (status == MRC_OK) status = mrc_place_is_inside(&inside, o->output, inputs[i], err);
        if (status == MRC_OK && inside)
            status = mrc_fail(err, MRC_ERR_ARGUMENT,
                              "%s: would lie among the images of %s, expected another place",
                              o->output, inputs[i]);
    }
    return status == MRC_OK ? mrc_place_check_kind(o->output, o->replace, &EVALUATION, err)
                            : status;
}

static enum mrc_status load_sets(struct work *w, struct mrc_error *err) {
    const struct mrc_evaluate_options *o = w->options;
    enum mrc_status status = MRC_OK;
    if (o->set != NULL)
        status = mrc_eval_set_load(&w->set, o->set, &w->found.contract, o, w->events, err);
    else if (o->truth != NULL)
        status = mrc_eval_set_load_folders(&w->set, o, w->events, err);
    if (status == MRC_OK && o->set != NULL && !w->set.paired)
        mrc_events_note(w->events,
                        "%s: %s and %s images do not pair by name: scored without a truth", o->set,
                        mrc_contrast_name(w->found.contract.contrasts[MRC_EVAL_FROM]),
                        mrc_contrast_name(w->found.contract.contrasts[MRC_EVAL_TO]));
    if (status == MRC_OK && o->reference != NULL) {
        struct mrc_evaluate_options training = *o; /* baselines learn from what models learn from */
        training.split = MRC_SPLIT_TRAIN;
        status = mrc_eval_set_load(&w->reference, o->reference, &w->found.contract, &training,
                                   w->events, err);
        w->found.fitted_to_reference = true;
    }
    return status;
}

static enum mrc_status write_folder(const struct work *w, struct mrc_error *err) {
    struct mrc_output folder = {0};
    const struct mrc_evaluate_options *o = w->options;
    enum mrc_status status = mrc_place_make_parent(o->output, err);
    if (status == MRC_OK) status = mrc_output_open_dir(&folder, o->output, o->replace, err);
    if (status == MRC_OK) status = mrc_eval_write(&w->found, folder.temporary, err);
    if (status == MRC_OK) status = mrc_output_commit(&folder, err);
    mrc_output_discard(&folder);
    return status;
}

/* --- Calibration --- */

/* A figure a head, of translations into contrast `to`. */
static enum mrc_status calibrate(struct mrc_calibration *out, const struct work *w,
                                 const struct mrc_eval_direction *d, struct mrc_error *err) {
    const struct mrc_eval_method *m = &d->methods[0];
    *out = (struct mrc_calibration){0};
    for (size_t n = 0; n < m->image_count; ++n) {
        const double error = m->images[n].value[MRC_SCORE_ERROR_90];
        if (isnan(error)) continue;
        if (out->count == MRC_CALIBRATION_HEADS)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: more than %d pairs, expected at most so many",
                            w->options->set, MRC_CALIBRATION_HEADS);
        out->errors[out->count++] = error;
    }
    return MRC_OK;
}

static enum mrc_status write_calibrated(const struct work *w, struct mrc_error *err) {
    const struct mrc_evaluate_options *o = w->options;
    struct mrc_checkpoint_info info;
    char *path = NULL;
    enum mrc_status status = MRC_OK;
    if (!w->set.paired)
        status = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                          "%s: images do not pair, expected a truth to calibrate with", o->set);
    if (status == MRC_OK) status = mrc_model_file_find(&path, o->models[0], err);
    if (status == MRC_OK) status = mrc_checkpoint_describe(&info, path, err);
    if (status == MRC_OK && info.complete)
        status =
            mrc_fail(err, MRC_ERR_ARGUMENT,
                     "%s: a checkpoint to go on from, expected a model (mrcycle export)", path);
    for (size_t n = 0; status == MRC_OK && n < w->found.direction_count; ++n) /* into Y, into X */
        status = calibrate(&info.calibration[1 - n], w, &w->found.directions[n], err);
    if (status == MRC_OK) status = mrc_place_make_parent(o->calibrate, err);
    if (status == MRC_OK) status = mrc_checkpoint_rewrite(path, &info, o->calibrate, err);
    mrc_free(path);
    return status;
}

static enum mrc_status check_calibrated(const struct mrc_evaluate_options *o,
                                        struct mrc_error *err) {
    enum mrc_status status = mrc_place_keep_input(o->calibrate, o->set, err);
    return status == MRC_OK ? mrc_place_check_model(o->calibrate, o->replace, err) : status;
}

static void work_clear(struct work *w) {
    for (size_t n = 0; w->models != NULL && n < w->options->model_count; ++n)
        for (int d = 0; d < 2; ++d) mrc_generator_destroy(w->models[n].to[d]);
    mrc_free(w->models);
    mrc_eval_set_clear(&w->reference);
    mrc_eval_set_clear(&w->set);
    mrc_evaluation_clear(&w->found);
}

enum mrc_status mrc_evaluate_run(struct mrc_text *table, const struct mrc_evaluate_options *options,
                                 const struct mrc_events *events, struct mrc_error *err) {
    MRC_ASSERT((options->set == NULL || options->truth == NULL) &&
               (options->set != NULL || options->model_count == 0));
    struct work w = {.options = options, .events = events, .found = {.options = options}};
    enum mrc_status status = options->output != NULL ? check_output(options, err) : MRC_OK;
    if (status == MRC_OK && options->calibrate != NULL) status = check_calibrated(options, err);
    if (status == MRC_OK) status = run_imported(&w, err);
    if (status == MRC_OK && options->set != NULL) status = load_models(&w, err);
    if (status == MRC_OK) status = load_sets(&w, err);
    if (status == MRC_OK && (options->set != NULL || options->truth != NULL))
        status = run_directions(&w, err);
    if (status == MRC_OK && options->calibrate != NULL) status = write_calibrated(&w, err);
    if (status == MRC_OK && options->output != NULL) status = write_folder(&w, err);
    if (status == MRC_OK) mrc_eval_print(table, &w.found);
    if (status == MRC_OK && table->failed) status = no_memory(err);
    work_clear(&w);
    return status;
}
