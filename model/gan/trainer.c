/* trainer.c: epochs over two unpaired sets. Everything random is keyed by (seed, epoch, place in
 * the epoch), so a run gives the same bytes on any number of threads, and a run that is taken up
 * again at step n gives the same as one never stopped. */
#include "model/gan/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/team.h"

enum { DOMAINS = 2, PAIRS = 2, LISTS = 3 }; /* what is drawn from: X, Y, their pairs */

/* The order of one set in one epoch. A set that is used up is shuffled anew: that is its next
 * round. */
struct order {
    size_t *indices, count;
    uint64_t round;
    bool is_ready; /* indices hold this epoch's `round` */
    /* with classes: the slices of class c are members[begin[c] … begin[c + 1] - 1], in the order of
     * pass[c] - 1; indices are the classes of this round, `count` of them */
    const uint32_t *classes;
    size_t slices, *members, *begin;
    uint64_t *pass;
};

/* What stands at one place of a batch. */
struct place {
    size_t index[DOMAINS]; /* of slices; of a made pair none */
    uint64_t number;       /* of the run's places, in epochs of whole batches */
    bool of_pair, is_made;
    enum mrc_status status;
    struct mrc_error err;
};

struct training {
    mrc_cyclegan *gan;
    const struct mrc_cyclegan_settings *model;
    const struct mrc_slice_source *source;
    const struct mrc_trainer_settings *settings;
    struct order orders[LISTS];
    bool *partners;        /* [share]; NULL without a paired loss */
    bool is_warming_up;    /* the step at hand */
    float *batch[DOMAINS]; /* [share][size][size][channels] */
    float *truth[DOMAINS]; /* as batch: its pairs as no scanner disturbed them; NULL: no pairs */
    float *spare;          /* [share][size][size][channels] */
    size_t share;          /* of the batch, that this process makes */
    size_t slice;          /* floats in a slice */
    struct place *places;  /* [share] */
    struct timespec begun;
};

static double seconds_since(const struct timespec *begun) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + 1e-9 * (double)(now.tv_nsec - begun->tv_nsec);
}

static void shuffle(struct order *order, uint64_t seed, int64_t epoch, int list, uint64_t round) {
    uint64_t sample = ((uint64_t)list << 32) | round;
    struct mrc_rng rng = mrc_rng_for(seed, (uint32_t)epoch, sample, MRC_FOR_SHUFFLE);
    for (size_t i = 0; i < order->count; ++i) order->indices[i] = i;
    mrc_rng_shuffle(&rng, order->indices, order->count);
    order->round = round;
    order->is_ready = true;
}

/* With classes: a round has each class once, so its number tells how often a class was drawn. */
static size_t member_at(struct training *t, int list, int64_t epoch, size_t class_, uint64_t n) {
    struct order *order = &t->orders[list];
    size_t *members = order->members + order->begin[class_];
    const size_t count = order->begin[class_ + 1] - order->begin[class_];
    const uint64_t pass = n / count;
    if (order->pass[class_] != pass + 1) {
        uint64_t sample = 1ull << 63 | (uint64_t)list << 56 | (uint64_t)class_ << 32 | pass;
        struct mrc_rng rng = mrc_rng_for(t->model->seed, (uint32_t)epoch, sample, MRC_FOR_SHUFFLE);
        size_t filled = 0;
        for (size_t i = 0; i < order->slices; ++i)
            if (order->classes[i] == class_) members[filled++] = i;
        mrc_rng_shuffle(&rng, members, count);
        order->pass[class_] = pass + 1;
    }
    return members[n % count];
}

/* Which slice, or pair, stands at this place of the epoch. Places are asked for in rising order. */
static size_t index_at(struct training *t, int list, int64_t epoch, uint64_t place) {
    struct order *order = &t->orders[list];
    uint64_t round = place / order->count;
    if (!order->is_ready || order->round != round)
        shuffle(order, t->model->seed, epoch, t->source->matched && list != PAIRS ? 0 : list,
                round);
    size_t index = order->indices[place % order->count];
    return order->members != NULL ? member_at(t, list, epoch, index, round) : index;
}

/* Every other place of an epoch shows a pair, so that all processes of a team count alike; during
 * the warm-up, and where nothing but pairs is made, every place does. */
static bool is_of_pair(const struct training *t, uint64_t place) {
    return t->partners != NULL &&
           (t->is_warming_up || t->source->made_an_epoch > 0 || place % 2 == 0);
}

static bool is_made(const struct training *t, int64_t epoch, uint64_t place) {
    if (t->source->make == NULL) return false;
    struct mrc_rng rng = mrc_rng_for(t->model->seed, (uint32_t)epoch, place, MRC_FOR_MADE);
    return t->source->pair_count == 0 || mrc_rng_uniform(&rng) < t->source->made_share;
}

struct fetch_task {
    struct training *training;
    int64_t epoch;
    uint64_t first_place;
};

static void mirror(float *slice, int64_t size, int64_t channels) {
    for (int64_t row = 0; row < size; ++row) {
        float *line = slice + row * size * channels;
        for (int64_t left = 0, right = size - 1; left < right; ++left, --right) {
            for (int64_t c = 0; c < channels; ++c) {
                float swap = line[left * channels + c];
                line[left * channels + c] = line[right * channels + c];
                line[right * channels + c] = swap;
            }
        }
    }
}

static void bend(float *slice, size_t n, double power) {
    for (size_t i = 0; i < n; ++i) slice[i] = powf(slice[i], (float)power);
}

/* What is drawn for a slice does not depend on which of the changes are switched on. A pair is
 * mirrored, turned, moved and coarsened alike (`shape`), and is as two scanners' in the rest. */
static void augment(const struct training *t, float *slice, float *spare,
                    const struct mrc_augmentation *most, double gamma, struct mrc_rng *rng,
                    struct mrc_rng *shape) {
    bool mirrored = (mrc_rng_u64(shape) & 1u) != 0;
    if (shape != rng) (void)mrc_rng_u64(rng);
    double exponent = 2.0 * mrc_rng_uniform(rng) - 1.0;
    if (shape != rng) (void)mrc_rng_uniform(shape);
    if (t->settings->flip && mirrored) mirror(slice, t->model->size, t->model->channels);
    mrc_augment(slice, spare, t->model->size, t->model->channels, most, rng, shape);
    if (gamma > 1.0) bend(slice, t->slice, pow(gamma, exponent));
}

/* What a translation into this slice should look like: where the slice lies in its batch, but as
 * sharp, as even and as free of noise as `truth` holds it. */
static void place_truth(const struct training *t, float *truth, float *spare, struct mrc_rng rng,
                        struct mrc_rng shape) {
    const struct mrc_augmentation *all = &t->settings->augment;
    const struct mrc_augmentation place = {
        .rotate = all->rotate, .zoom = all->zoom, .shift = all->shift, .resolution = 1.0};
    augment(t, truth, spare, &place, 1.0, &rng, &shape);
}

/* The slices of one place as they are found, and of a pair the true images. */
static enum mrc_status find_slices(struct training *t, size_t within, struct place *place) {
    float *image[DOMAINS], *truth[DOMAINS] = {NULL, NULL};
    for (int d = 0; d < DOMAINS; ++d) {
        image[d] = t->batch[d] + within * t->slice;
        if (place->of_pair) truth[d] = t->truth[d] + within * t->slice;
    }
    if (place->is_made)
        return t->source->make(t->source->maker, image, truth, place->number, &place->err);
    for (int d = 0; d < DOMAINS; ++d) {
        t->source->fetch(t->source->context, image[d], d, place->index[d]);
        if (place->of_pair) memcpy(truth[d], image[d], t->slice * sizeof(float));
    }
    return MRC_OK;
}

static void fetch_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct fetch_task *task = context;
    struct training *t = task->training;
    for (size_t i = begin; i < end; ++i) {
        struct place *place = &t->places[i];
        const uint64_t number = task->first_place + i;
        float *spare = t->spare + i * t->slice;
        place->status = find_slices(t, i, place);
        for (int domain = 0; place->status == MRC_OK && domain < DOMAINS; ++domain) {
            const uint64_t sample = ((uint64_t)domain << 48) | number;
            struct mrc_rng rng =
                mrc_rng_for(t->model->seed, (uint32_t)task->epoch, sample, MRC_FOR_AUGMENT);
            struct mrc_rng shape =
                mrc_rng_for(t->model->seed, (uint32_t)task->epoch, number, MRC_FOR_AUGMENT);
            if (place->of_pair) place_truth(t, t->truth[domain] + i * t->slice, spare, rng, shape);
            augment(t, t->batch[domain] + i * t->slice, spare, &t->settings->augment,
                    t->settings->gamma, &rng, place->of_pair ? &shape : &rng);
        }
    }
}

/* Places are asked for in rising order; a pair is drawn from the set also where one is made, so
 * that the order of the set's does not depend on what is made. */
static void choose_place(struct training *t, struct place *out, int64_t epoch, uint64_t place,
                         uint64_t places_an_epoch) {
    *out = (struct place){.number = (uint64_t)(epoch - 1) * places_an_epoch + place,
                          .of_pair = is_of_pair(t, place)};
    out->is_made = out->of_pair && is_made(t, epoch, place);
    if (out->is_made && t->source->pair_count == 0) return;
    if (out->of_pair) {
        const size_t pair = index_at(t, PAIRS, epoch, t->is_warming_up ? place : place / 2);
        memcpy(out->index, t->source->pairs[pair], sizeof out->index);
        return;
    }
    for (int domain = 0; domain < DOMAINS; ++domain)
        out->index[domain] = index_at(t, domain, epoch, t->partners != NULL ? place / 2 : place);
}

static enum mrc_status fetch_batches(struct training *t, int64_t epoch, int64_t step_of_epoch,
                                     int64_t steps_per_epoch, struct mrc_error *err) {
    const uint64_t batch = (uint64_t)t->model->batch;
    const uint64_t first_place =
        (uint64_t)(step_of_epoch - 1) * batch + (uint64_t)mrc_team_current()->rank * t->share;
    for (size_t i = 0; i < t->share; ++i) {
        choose_place(t, &t->places[i], epoch, first_place + i, (uint64_t)steps_per_epoch * batch);
        if (t->partners != NULL) t->partners[i] = t->places[i].of_pair;
    }
    struct fetch_task task = {.training = t, .epoch = epoch, .first_place = first_place};
    mrc_parallel_for(t->share, 1, fetch_range, &task);
    for (size_t i = 0; i < t->share; ++i)
        if (t->places[i].status != MRC_OK)
            return mrc_fail(err, t->places[i].status, "%s", t->places[i].err.text);
    if (t->partners != NULL)
        mrc_cyclegan_set_partners(t->gan, t->partners, t->truth[0], t->truth[1]);
    return MRC_OK;
}

static void losses_add(struct mrc_losses *sum, const struct mrc_losses *more, double factor) {
    for (size_t i = 0; i < MRC_LOSS_COUNT; ++i)
        mrc_loss_set(sum, i, mrc_loss_value(sum, i) + factor * mrc_loss_value(more, i));
}

/* --- The mean images a warm-up begins with --- */

static void add_mean(const struct training *t, double *sum, float *slice, int domain) {
    const size_t count = t->source->count[domain];
    for (size_t i = 0; i < count; ++i) {
        t->source->fetch(t->source->context, slice, domain, i);
        for (int side = 0; side < 2; ++side) {
            for (size_t p = 0; p < t->slice; ++p)
                sum[p] += (double)slice[p] / (2.0 * (double)count);
            if (t->settings->flip) mirror(slice, t->model->size, t->model->channels);
        }
    }
}

/* Of the slices as they are fetched, and mirrored where training mirrors them. */
static enum mrc_status set_means(struct training *t, struct mrc_error *err) {
    double *sum = mrc_alloc(t->slice, sizeof(*sum));
    float *means = mrc_alloc(DOMAINS * t->slice, sizeof(*means));
    enum mrc_status st = MRC_OK;
    if (sum == NULL || means == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the mean images");
    for (int domain = 0; st == MRC_OK && domain < DOMAINS; ++domain) {
        float *mean = means + (size_t)domain * t->slice;
        memset(sum, 0, t->slice * sizeof(*sum));
        add_mean(t, sum, mean, domain);
        for (size_t p = 0; p < t->slice; ++p) mean[p] = (float)sum[p];
    }
    if (st == MRC_OK) mrc_cyclegan_set_means(t->gan, means, means + t->slice);
    mrc_free(means);
    mrc_free(sum);
    return st;
}

/* Of the step after `done`. */
static double rate_factor(double decay, int64_t done, int64_t steps) {
    const double least = 0.02, left = (double)(steps - done) / (double)steps;
    return decay > 0.0 && left < decay ? fmax(left / decay, least) : 1.0;
}

struct report {
    mrc_trainer_report_fn *call;
    void *context;
};

/* Another epoch begins. */
static void forget(struct order *order) {
    order->is_ready = false;
    if (order->pass != NULL) memset(order->pass, 0, order->count * sizeof *order->pass);
}

static enum mrc_status run(struct training *t, int64_t steps_per_epoch, struct report report,
                           struct mrc_error *err) {
    struct mrc_trainer_progress progress = {.epochs = t->settings->epochs,
                                            .steps_per_epoch = steps_per_epoch,
                                            .steps = t->settings->epochs * steps_per_epoch};
    struct mrc_losses losses, sum = {0}, means;
    int64_t summed = 0;
    enum mrc_status st = MRC_OK;
    for (int64_t done = mrc_cyclegan_steps(t->gan); st == MRC_OK && done < progress.steps; ++done) {
        progress.step = done + 1;
        progress.epoch = done / steps_per_epoch + 1;
        progress.step_of_epoch = done % steps_per_epoch + 1;
        if (progress.step_of_epoch == 1) {
            for (int list = 0; list < LISTS; ++list) forget(&t->orders[list]);
        }
        t->is_warming_up = done < t->model->warm_up;
        st = fetch_batches(t, progress.epoch, progress.step_of_epoch, steps_per_epoch, err);
        if (st != MRC_OK) break;
        mrc_cyclegan_scale_rate(t->gan, ldexp(1.0, -(int)t->settings->halvings) *
                                            rate_factor(t->settings->decay, done, progress.steps));
        st = mrc_cyclegan_step(t->gan, &losses, t->batch[0], t->batch[1], err);
        if (st != MRC_OK) break;

        losses_add(&sum, &losses, 1.0);
        ++summed;
        bool epoch_ends = progress.step_of_epoch == steps_per_epoch;
        means = (struct mrc_losses){0};
        losses_add(&means, &sum, 1.0 / (double)summed);
        progress.losses = &losses;
        progress.epoch_means = epoch_ends ? &means : NULL;
        progress.seconds = seconds_since(&t->begun);
        if (report.call != NULL) st = report.call(report.context, t->gan, &progress, err);
        if (epoch_ends) {
            sum = (struct mrc_losses){0};
            summed = 0;
        }
    }
    return st;
}

static enum mrc_status check(const struct mrc_slice_source *source,
                             const struct mrc_trainer_settings *settings, struct mrc_error *err) {
    static const char *const names[DOMAINS] = {"X", "Y"};
    for (int domain = 0; domain < DOMAINS; ++domain) {
        if (source->count[domain] == 0)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "training set %s has no slices, expected at least one", names[domain]);
        if (source->count[domain] > UINT32_MAX)
            return mrc_fail(err, MRC_ERR_RANGE,
                            "training set %s has %zu slices, at most %u are supported",
                            names[domain], source->count[domain], UINT32_MAX);
    }
    if (settings->epochs < 1 || settings->epochs > INT32_MAX)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%" PRId64 " epochs, expected 1 to %d",
                        settings->epochs, INT32_MAX);
    if (!(settings->gamma >= 1.0 && settings->gamma <= MRC_TRAINER_LARGEST_GAMMA))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "gamma is %g, expected 1 to %g", settings->gamma,
                        MRC_TRAINER_LARGEST_GAMMA);
    for (size_t p = 0; p < source->pair_count; ++p)
        for (int domain = 0; domain < DOMAINS; ++domain)
            MRC_ASSERT(source->pairs[p][domain] < source->count[domain]);
    const struct mrc_augmentation *a = &settings->augment;
    const struct {
        const char *name;
        double value, lo, hi;
    } ranges[] = {
        {"rotation", a->rotate, 0.0, 180.0}, {"zoom", a->zoom, 0.0, 3.0},
        {"shift", a->shift, 0.0, 0.5},       {"loss of resolution", a->resolution, 0.0, 8.0},
        {"bias field", a->bias, 0.0, 2.0},   {"noise", a->noise, 0.0, 1.0}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); ++i)
        if (!(ranges[i].value >= ranges[i].lo && ranges[i].value <= ranges[i].hi))
            return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is %g, expected %g to %g", ranges[i].name,
                            ranges[i].value, ranges[i].lo, ranges[i].hi);
    if (settings->halvings < 0 || settings->halvings > 1000)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "learning rate halved %" PRId64 " times, expected 0 to 1000",
                        settings->halvings);
    if (!(settings->decay >= 0.0 && settings->decay <= 1.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "decay over %g of the steps, expected 0 to 1",
                        settings->decay);
    return MRC_OK;
}

/* false: out of memory. */
static bool create_order(struct order *order, size_t slices, const uint32_t *classes,
                         size_t class_count) {
    *order = (struct order){
        .count = classes != NULL ? class_count : slices, .classes = classes, .slices = slices};
    order->indices = mrc_alloc(order->count + 1, sizeof *order->indices);
    if (order->indices == NULL || classes == NULL) return order->indices != NULL;
    order->members = mrc_alloc(slices, sizeof *order->members);
    order->begin = mrc_alloc(order->count + 1, sizeof *order->begin);
    order->pass = mrc_alloc(order->count, sizeof *order->pass);
    if (order->members == NULL || order->begin == NULL || order->pass == NULL) return false;
    for (size_t i = 0; i < slices; ++i)
        if (classes[i] != MRC_NO_CLASS) ++order->begin[classes[i] + 1];
    for (size_t c = 0; c < order->count; ++c) {
        MRC_ASSERT(order->begin[c + 1] > 0); /* some slice has it */
        order->begin[c + 1] += order->begin[c];
    }
    return true;
}

enum mrc_status mrc_trainer_run(mrc_cyclegan *gan, const struct mrc_slice_source *source,
                                const struct mrc_trainer_settings *settings,
                                mrc_trainer_report_fn *report, void *context,
                                struct mrc_error *err) {
    MRC_ASSERT(gan != NULL && source != NULL && source->fetch != NULL && settings != NULL);
    enum mrc_status st = check(source, settings, err);
    const bool paired = mrc_cyclegan_get_settings(gan)->lambda_paired > 0.0;
    if (st == MRC_OK && source->make != NULL && !paired)
        st =
            mrc_fail(err, MRC_ERR_ARGUMENT, "pairs are made, expected a paired loss to learn from");
    if (st == MRC_OK && paired && source->pair_count == 0 && source->make == NULL)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "the training sets have no pairs, expected some for a paired loss");
    if (st != MRC_OK) return st;

    struct training t = {.gan = gan,
                         .model = mrc_cyclegan_get_settings(gan),
                         .source = source,
                         .settings = settings};
    size_t batch = (size_t)t.model->batch, largest = 0;
    t.slice = (size_t)(t.model->size * t.model->size * t.model->channels);
    t.share = batch / (size_t)mrc_team_current()->count;
    t.places = mrc_alloc(t.share, sizeof *t.places);
    t.spare = mrc_alloc(t.share * t.slice, sizeof(float));
    bool whole = t.places != NULL && t.spare != NULL;
    if (t.model->lambda_paired > 0.0) {
        t.partners = mrc_alloc(t.share, sizeof *t.partners);
        whole = t.partners != NULL && whole &&
                create_order(&t.orders[PAIRS], source->pair_count, source->pair_classes,
                             source->pair_class_count);
    }
    for (int domain = 0; domain < DOMAINS; ++domain) {
        size_t count = source->count[domain];
        if (count > largest) largest = count;
        t.batch[domain] = mrc_alloc(t.share * t.slice, sizeof(float));
        whole = create_order(&t.orders[domain], count, source->classes[domain],
                             source->class_count[domain]) &&
                t.batch[domain] != NULL && whole;
        if (t.partners == NULL) continue;
        t.truth[domain] = mrc_alloc(t.share * t.slice, sizeof(float));
        whole = t.truth[domain] != NULL && whole;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &t.begun);
    if (source->made_an_epoch > 0) largest = source->made_an_epoch;
    int64_t steps_per_epoch = (int64_t)((largest + batch - 1) / batch);
    if (!whole) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a batch of %zu slices", batch);
    if (st == MRC_OK && mrc_cyclegan_steps(gan) < t.model->warm_up) st = set_means(&t, err);
    if (st == MRC_OK) st = run(&t, steps_per_epoch, (struct report){report, context}, err);

    for (int domain = 0; domain < DOMAINS; ++domain) {
        mrc_free(t.batch[domain]);
        mrc_free(t.truth[domain]);
    }
    for (int list = 0; list < LISTS; ++list) {
        mrc_free(t.orders[list].indices);
        mrc_free(t.orders[list].members);
        mrc_free(t.orders[list].begin);
        mrc_free(t.orders[list].pass);
    }
    mrc_free(t.partners);
    mrc_free(t.spare);
    mrc_free(t.places);
    return st;
}
