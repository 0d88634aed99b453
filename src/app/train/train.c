/* train.c: joins the set, the trainer and the run folder. */
#include "app/train/train.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/common/model_file.h"
#include "app/common/place.h"
#include "app/sets/class_balance.h"
#include "app/sets/cut.h"
#include "app/sets/likeness.h"
#include "app/sets/prepared.h"
#include "app/train/computed.h"
#include "app/train/run_folder.h"
#include "app/train/run_report.h"
#include "app/train/sampler.h"
#include "app/train/watch.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/team.h"
#include "base/text.h"
#include "model/files/checkpoint.h"
#include "model/files/onnx.h"

struct work {
    struct mrc_train_options settled; /* the caller's, with the contract */
    char words[MRC_CONTRACT_KEYS][MRC_CONTRACT_TEXT], name[64];
    const struct mrc_train_options *options; /* those */
    const struct mrc_events *events;
    mrc_train_report_fn *report;
    struct mrc_dataset dataset;
    mrc_computed *computed;     /* NULL without --simulate */
    struct mrc_dataset watched; /* the side `val` of a prepared set, where it has both contrasts */
    struct mrc_trained_images trained[MRC_DOMAIN_COUNT]; /* what it looks like */
    mrc_cyclegan *gan;
    mrc_sampler *sampler;
    mrc_run_folder *folder;
    mrc_watch *watch;
    struct mrc_check_log checks;
    int64_t rollbacks;   /* so far, of the whole run */
    bool writes;         /* the first process of a team alone does */
    bool state_saved;    /* where training was stopped */
    int64_t epochs_done; /* whole ones */
    int64_t first_step;  /* made before, by the run that goes on */
};

static void work_clear(struct work *w) {
    mrc_run_folder_destroy(w->folder);
    mrc_check_log_clear(&w->checks);
    mrc_watch_destroy(w->watch);
    mrc_sampler_destroy(w->sampler);
    mrc_cyclegan_destroy(w->gan);
    mrc_dataset_clear(&w->watched);
    mrc_dataset_clear(&w->dataset);
    mrc_computed_destroy(w->computed);
}

static bool has_set(const struct mrc_train_options *o) {
    return o->data.set[0] != '\0';
}

static struct mrc_checkpoint_info describe(const struct work *w, int64_t epoch) {
    struct mrc_checkpoint_info info = {.step = mrc_cyclegan_steps(w->gan),
                                       .epoch = epoch,
                                       .epochs = w->options->trainer.epochs,
                                       .contract = w->options->data.contract,
                                       .rollbacks = w->rollbacks};
    snprintf(info.name, sizeof info.name, "%s", w->options->name);
    snprintf(info.version, sizeof info.version, "%s", MRC_VERSION);
    snprintf(info.data, sizeof info.data, "%s", w->options->data_note);
    memcpy(info.trained, w->trained, sizeof w->trained);
    return info;
}

/* name NULL: the epoch's number. */
static enum mrc_status save_checkpoint(const struct work *w, const char *name, int64_t epoch,
                                       struct mrc_error *err) {
    struct mrc_checkpoint_info info = describe(w, epoch);
    struct mrc_checkpoint_options complete = {.complete = true};
    char *path = NULL;
    enum mrc_status status =
        mrc_run_folder_path(&path, w->folder, "checkpoints", name, epoch, ".safetensors", err);
    if (status == MRC_OK) status = mrc_checkpoint_save(w->gan, &info, &complete, path, err);
    mrc_free(path);
    return status;
}

/* The two generators: model.safetensors, or checkpoints/best.safetensors. */
static enum mrc_status save_model(const struct work *w, const char *below, const char *name,
                                  int64_t epoch, struct mrc_error *err) {
    struct mrc_checkpoint_info info = describe(w, epoch);
    struct mrc_checkpoint_options model = {.half = w->options->half};
    char *path = NULL;
    enum mrc_status status =
        mrc_run_folder_path(&path, w->folder, below, name, 0, ".safetensors", err);
    if (status == MRC_OK) status = mrc_checkpoint_save(w->gan, &info, &model, path, err);
    mrc_free(path);
    return status;
}

static enum mrc_status save_samples(const struct work *w, int64_t epoch, struct mrc_error *err) {
    char title[96];
    snprintf(title, sizeof title, "epoch %lld of %lld", (long long)epoch,
             (long long)w->options->trainer.epochs);
    char *path = NULL;
    enum mrc_status status =
        mrc_run_folder_path(&path, w->folder, "samples", NULL, epoch, ".png", err);
    if (status == MRC_OK) status = mrc_sampler_save(w->sampler, title, path, err);
    if (status == MRC_OK)
        status = mrc_run_folder_samples(w->folder, mrc_cyclegan_steps(w->gan), path, err);
    if (status == MRC_OK) status = mrc_run_folder_draw(w->folder, err);
    mrc_free(path);
    return status;
}

static bool is_due(int64_t epoch, int64_t every) {
    return every > 0 && epoch % every == 0;
}

/* --- Checks --- */

/* With the rows up to that step; -1: none. */
static enum mrc_status open_checks(struct work *w, int64_t last_step, struct mrc_error *err) {
    mrc_check_log_clear(&w->checks);
    char *path = mrc_path_join(w->options->run, "checks.csv");
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    enum mrc_status status = mrc_check_log_open(&w->checks, path, last_step, err);
    mrc_free(path);
    return status;
}

/* A line for the user, in the log of events too. */
static enum mrc_status tell(struct work *w, int64_t epoch, int64_t step, const char *words,
                            struct mrc_error *err) {
    mrc_events_note(w->events, "epoch %lld, step %lld: %s", (long long)epoch, (long long)step,
                    words);
    return w->writes ? mrc_run_folder_event(w->folder, epoch, step, words, err) : MRC_OK;
}

static enum mrc_status tell_warnings(struct work *w, const struct mrc_check *check,
                                     struct mrc_error *err) {
    if ((check->warnings[0] | check->warnings[1]) == 0) return MRC_OK;
    struct mrc_text words = {0};
    mrc_text_appendf(&words, "warning: ");
    mrc_warnings_print(&words, check);
    enum mrc_status status = words.failed ? mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory")
                                          : tell(w, check->epoch, check->step, words.data, err);
    mrc_text_clear(&words);
    return status;
}

/* What was learned since the last good checkpoint is of no use. */
static enum mrc_status check_collapse(const struct work *w, const struct mrc_check *check,
                                      struct mrc_error *err) {
    unsigned warnings = check->warnings[0] | check->warnings[1];
    if ((warnings & MRC_WARN_NOT_FINITE) != 0)
        return mrc_fail(err, MRC_ERR_NUMERIC, "epoch %lld: the generators' outputs are no numbers",
                        (long long)check->epoch);
    if (mrc_check_log_collapsed(&w->checks))
        return mrc_fail(err, MRC_ERR_NUMERIC,
                        "epoch %lld: the generators make the same of everything (collapse)",
                        (long long)check->epoch);
    return MRC_OK;
}

/* Every process of a team checks the same weights on the same slices; the first one writes. */
static enum mrc_status check_epoch(struct work *w, int64_t epoch, bool keep,
                                   struct mrc_error *err) {
    struct mrc_check check = {.epoch = epoch, .step = mrc_cyclegan_steps(w->gan)};
    bool is_best = false;
    enum mrc_status status = mrc_watch_check(&check, w->watch, w->sampler, err);
    if (status != MRC_OK) return status;
    mrc_check_log_add(&w->checks, &check, &is_best);
    char *path = mrc_path_join(w->options->run, "checks.csv");
    if (path == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    if (status == MRC_OK && w->writes) status = mrc_check_log_save(&w->checks, path, err);
    mrc_free(path);
    if (status == MRC_OK) status = tell_warnings(w, &check, err);
    if (status == MRC_OK) status = check_collapse(w, &check, err);
    if (status != MRC_OK || !w->writes) return status;
    if (is_best) status = save_model(w, "checkpoints", "best", epoch, err);
    if (w->checks.alike > 0) return status; /* nothing to go on from */
    if (status == MRC_OK && keep) status = save_checkpoint(w, NULL, epoch, err);
    return status == MRC_OK ? save_checkpoint(w, "newest", epoch, err) : status;
}

static enum mrc_status end_epoch(struct work *w, const struct mrc_trainer_progress *at,
                                 double images_per_second, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    bool last = at->epoch == at->epochs, keep = !last && is_due(at->epoch, o->keep_every);
    enum mrc_status status = MRC_OK;
    if (w->writes) status = mrc_run_folder_log(w->folder, at, images_per_second, err);
    if (status == MRC_OK && w->writes && (last || is_due(at->epoch, o->sample_every)))
        status = save_samples(w, at->epoch, err);
    if (status == MRC_OK && (last || keep || is_due(at->epoch, o->check_every)))
        status = check_epoch(w, at->epoch, keep, err);
    if (status == MRC_OK && w->writes && (last || is_due(at->epoch, o->sample_every)))
        status = mrc_run_report_save(o->run, err);
    return status;
}

static enum mrc_status stop(struct work *w, const struct mrc_trainer_progress *at,
                            struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    if (w->writes) status = save_checkpoint(w, "last", w->epochs_done, err);
    if (status == MRC_OK && w->writes) status = mrc_run_folder_draw(w->folder, err);
    if (status == MRC_OK && w->writes) status = mrc_run_report_save(w->options->run, err);
    if (status != MRC_OK) return status;
    w->state_saved = true;
    return mrc_fail(err, MRC_ERR_CANCELLED,
                    "%s: stopped in epoch %lld of %lld at step %lld of %lld, state saved "
                    "(train --resume goes on)",
                    w->options->run, (long long)at->epoch, (long long)at->epochs,
                    (long long)at->step, (long long)at->steps);
}

/* In a team all stop after the same step, though a signal reaches them in different ones. */
static enum mrc_status is_stopped(bool *stopped, const struct work *w, struct mrc_error *err) {
    double part = mrc_events_cancelled(w->events) ? 1.0 : 0.0;
    enum mrc_status status = mrc_team_mean(&part, 1, err);
    *stopped = part > 0.0;
    return status;
}

#ifdef MRC_FAULT_HOOK
static bool fault_from(int64_t *step, const char *variable) {
    const char *text = getenv(variable);
    return text != NULL && mrc_parse_i64(step, text, 0, INT64_MAX) == MRC_OK;
}
#endif

/* For tests of what follows, until the first rollback: after step $MRC_FAULT_STEP weights are no
 * numbers; from step $MRC_FAULT_COLLAPSE on the generator makes the same of everything. */
static void poison(struct work *w) {
#ifdef MRC_FAULT_HOOK
    int64_t step = 0, now = mrc_cyclegan_steps(w->gan);
    float value = 0.0F;
    if (w->rollbacks > 0) return;
    if (fault_from(&step, "MRC_FAULT_STEP") && now == step)
        value = NAN;
    else if (!fault_from(&step, "MRC_FAULT_COLLAPSE") || now < step)
        return;
    mrc_net *net = mrc_cyclegan_net_of(w->gan, MRC_NET_G);
    for (size_t i = 0; i < mrc_net_size(net); ++i) mrc_net_values(net)[i] = value;
#else
    (void)w;
#endif
}

static enum mrc_status after_step(void *context, mrc_cyclegan *gan,
                                  const struct mrc_trainer_progress *at, struct mrc_error *err) {
    struct work *w = context;
    (void)gan;
    struct mrc_train_progress progress = {.at = at};
    double images = 2.0 * (double)w->options->model.batch;
    double made = (double)(at->step - w->first_step);
    if (at->seconds > 0.0) progress.images_per_second = images * made / at->seconds;
    progress.seconds_left = at->seconds / made * (double)(at->steps - at->step);
    enum mrc_status status = MRC_OK;
    bool stopped = false;
    w->epochs_done = at->epoch_means != NULL ? at->epoch : at->epoch - 1;
    poison(w);
    if (at->epoch_means != NULL) status = end_epoch(w, at, progress.images_per_second, err);
    if (status == MRC_OK && w->report != NULL && w->writes)
        w->report(w->events != NULL ? w->events->context : NULL, &progress);
    if (status == MRC_OK && at->step < at->steps) status = is_stopped(&stopped, w, err);
    if (status == MRC_OK && stopped) status = stop(w, at, err);
    return status;
}

static enum mrc_status check_places(const struct mrc_train_options *o, struct mrc_error *err) {
    if (o->simulate[0] != '\0' && !(o->model.lambda_paired > 0.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "--simulate computes pairs, expected --lambda-paired above 0 or --preset "
                        "computed");
    if (has_set(o) && !mrc_path_is_dir(o->data.set))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a folder with T1w and T2w inside",
                        o->data.set);
    enum mrc_status status = has_set(o) ? mrc_place_keep_input(o->run, o->data.set, err) : MRC_OK;
    if (mrc_team_current()->rank > 0) return status; /* nor does it write there */
    return status == MRC_OK ? mrc_run_folder_check(o, err) : status;
}

static double mib(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

/* What is known to be needed so far. */
static enum mrc_status check_memory(const struct mrc_train_options *o, size_t bytes,
                                    struct mrc_error *err) {
    if (o->max_bytes == 0 || bytes <= o->max_bytes) return MRC_OK;
    return mrc_fail(err, MRC_ERR_NOMEM,
                    "%s: training needs %.0f MiB of memory, expected at most %.0f MiB "
                    "(a smaller --batch, --width or --size needs less)",
                    o->run, ceil(mib(bytes)), mib((size_t)o->max_bytes));
}

/* --- Going on with a run --- */

/* The checkpoint is to be the run's own; settings.json is compared later, and names what differs.
 */
static bool is_same_model(const struct mrc_cyclegan_settings *a,
                          const struct mrc_cyclegan_settings *b) {
    return a->generator == b->generator && a->generator_f == b->generator_f &&
           a->depth == b->depth && a->gan_mode == b->gan_mode && a->size == b->size &&
           a->channels == b->channels && a->generator_width == b->generator_width &&
           a->discriminator_width == b->discriminator_width && a->batch == b->batch &&
           a->seed == b->seed && (a->ema_decay > 0.0) == (b->ema_decay > 0.0) &&
           a->warm_up == b->warm_up && a->pool_size == b->pool_size &&
           a->diff_augment == b->diff_augment && a->init_type == b->init_type &&
           (a->lambda_structure > 0.0) == (b->lambda_structure > 0.0) &&
           (!(a->lambda_structure > 0.0) || a->structure == b->structure) &&
           (a->lambda_paired > 0.0) == (b->lambda_paired > 0.0) &&
           (a->lambda_identity > 0.0) == (b->lambda_identity > 0.0);
}

/* A run that was killed before its first checkpoint begins anew; one with a checkpoint, be it
 * broken, never does. */
static bool has_only_begun(const char *run) {
    struct mrc_name_list names = {0};
    struct mrc_error none = {0};
    char *settings = mrc_path_join(run, "settings.json"),
         *checkpoints = mrc_path_join(run, "checkpoints");
    bool begun = settings != NULL && checkpoints != NULL && mrc_path_exists(settings);
    if (begun && mrc_path_exists(checkpoints))
        begun = mrc_list_dir(&names, checkpoints, &none) == MRC_OK;
    for (size_t i = 0; i < names.count; ++i)
        begun = begun && !mrc_path_has_suffix(names.names[i], ".safetensors");
    mrc_name_list_clear(&names);
    mrc_free(checkpoints);
    mrc_free(settings);
    return begun;
}

/* With random weights, or those of another model. */
static enum mrc_status begin(struct work *w, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    struct mrc_checkpoint_info info;
    char *path = NULL;
    enum mrc_status status = mrc_cyclegan_create(&w->gan, &o->model, err);
    if (status != MRC_OK || o->init[0] == '\0') return status;
    status = mrc_model_file_find(&path, o->init, err);
    if (status == MRC_OK) status = mrc_checkpoint_begin_with(w->gan, &info, path, err);
    if (status == MRC_OK) {
        struct mrc_error other = {0};
        if (mrc_cut_compare(&info.contract, &o->data.contract, path, &other) != MRC_OK)
            mrc_events_note(w->events, "%s", other.text);
        mrc_events_note(w->events, "begins with the weights of %s%s", path,
                        info.complete ? ", discriminators too" : "");
    }
    mrc_free(path);
    return status;
}

static enum mrc_status load_newest(struct work *w, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    struct mrc_checkpoint_info info;
    char *path = NULL;
    enum mrc_status status = mrc_model_file_find_complete(&path, o->run, err);
    if (status == MRC_ERR_IO && has_only_begun(o->run)) {
        mrc_error_clear(err);
        mrc_events_note(w->events, "%s: no checkpoint yet, begins anew", o->run);
        return begin(w, err);
    }
    if (status == MRC_OK) status = mrc_checkpoint_load(&w->gan, &info, path, err);
    if (status == MRC_OK && !is_same_model(&info.settings, &o->model))
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: begun with other settings (mrcycle info shows them), expected the "
                          "same options",
                          path);
    if (status == MRC_OK) w->first_step = info.step;
    if (status == MRC_OK) w->rollbacks = info.rollbacks;
    if (status == MRC_OK) w->epochs_done = info.epoch;
    if (status == MRC_OK)
        mrc_events_note(w->events, "going on from epoch %lld, step %lld", (long long)info.epoch,
                        (long long)info.step);
    mrc_free(path);
    return status;
}

/* --- What checks are made on --- */

static bool has_slices(const struct mrc_dataset *dataset) {
    return dataset->domains[MRC_DOMAIN_X].place_count > 0 &&
           dataset->domains[MRC_DOMAIN_Y].place_count > 0;
}

/* Slices that are not learned from tell better which generators are best. */
static enum mrc_status load_watched(struct work *w, const struct mrc_dataset_options *training,
                                    struct mrc_error *err) {
    struct mrc_dataset_options data = *training;
    data.split = MRC_SPLIT_VAL;
    data.may_lack = true;
    data.paired = false;
    enum mrc_status status = mrc_dataset_load(&w->watched, &data, w->events, err);
    if (status == MRC_OK && has_slices(&w->watched))
        return mrc_dataset_hash(w->dataset.watched, &w->watched, err);
    for (int d = 0; status == MRC_OK && d < MRC_DOMAIN_COUNT; ++d)
        if (w->watched.domains[d].place_count == 0 && w->watched.domains[1 - d].place_count > 0)
            mrc_events_note(w->events,
                            "warning: no %s slice on the side val, checks are made on training "
                            "slices",
                            mrc_dataset_contrast(&w->watched, d));
    return status;
}

static enum mrc_status create_model(struct work *w, size_t gan, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    size_t images = mrc_dataset_bytes(&w->dataset) + mrc_dataset_bytes(&w->watched);
    enum mrc_status status = check_memory(o, gan + images, err);
    if (status == MRC_OK) status = o->resume ? load_newest(w, err) : begin(w, err);
    if (status == MRC_OK) status = mrc_sampler_create(&w->sampler, w->gan, &w->dataset, err);
    if (status == MRC_OK)
        status =
            mrc_watch_create(&w->watch, has_slices(&w->watched) ? &w->watched : &w->dataset, err);
    if (status == MRC_OK) status = open_checks(w, o->resume ? w->first_step : -1, err);
    if (status != MRC_OK) return status;
    size_t samples = mrc_sampler_bytes(w->sampler);
    char width[32] = ""; /* of the local generator it is fixed */
    if (o->model.generator != MRC_GENERATOR_LOCAL)
        snprintf(width, sizeof width, " of width %lld", (long long)o->model.generator_width);
    mrc_events_note(w->events, "model: %s%s, %zu weights a generator",
                    mrc_generator_kind_name(o->model.generator), width,
                    mrc_net_weights(mrc_cyclegan_net_of(w->gan, MRC_NET_G)));
    mrc_events_note(w->events,
                    "memory: %.0f MiB for networks at batch %lld, %.0f for images, %.0f for "
                    "samples",
                    mib(gan), (long long)o->model.batch, mib(images), mib(samples));
    return check_memory(o, gan + images + samples, err);
}

static enum mrc_status check_data(const struct work *w, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    char hash[MRC_DATASET_HASH_TEXT];
    if (o->data_hash == NULL) return MRC_OK;
    enum mrc_status status = mrc_dataset_hash(hash, &w->dataset, err);
    if (status != MRC_OK || strcmp(hash, o->data_hash) == 0) return status;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "%s: the slices have the hash %.16s..., expected those of the run, %.16s...",
                    o->data.set, hash, o->data_hash);
}

/* --- How slices are cut --- */

/* Words that were asked for change what is not settled by a set, and must not contradict one. */
static enum mrc_status ask(struct mrc_contract *contract, enum mrc_contract_key key,
                           const char *words, struct mrc_error *err) {
    return words != NULL ? mrc_contract_parse(contract, key, words, err) : MRC_OK;
}

static enum mrc_status ask_all(struct mrc_contract *contract, const struct mrc_train_options *o,
                               struct mrc_error *err) {
    const int64_t size = o->model.size, channels = o->model.channels;
    if (size > 0) contract->sample.h = contract->sample.w = size;
    if (channels > 0) {
        contract->sample.c = contract->out_channels = channels;
        contract->channels = channels > 1 ? MRC_CHANNELS_NEIGHBOURS : MRC_CHANNELS_SLICE;
    }
    if (o->stored) contract->stored = true;
    enum mrc_status status = ask(contract, MRC_CONTRACT_NORMALISE, o->normalise, err);
    if (status == MRC_OK) status = ask(contract, MRC_CONTRACT_LIST, o->contrasts, err);
    if (status == MRC_OK) status = ask(contract, MRC_CONTRACT_ROOM, o->room, err);
    if (status == MRC_OK) status = ask(contract, MRC_CONTRACT_PLANES, o->planes, err);
    if (status == MRC_OK && contract->planes != MRC_PLANE_AXIAL && o->simulate[0] == '\0')
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "--planes %s: slices of a set are axial, expected --simulate", o->planes);
    if (status == MRC_OK && contract->contrast_count != MRC_DOMAIN_COUNT)
        status =
            mrc_fail(err, MRC_ERR_ARGUMENT, "%lld contrasts, expected two to translate between",
                     (long long)contract->contrast_count);
    if (status == MRC_OK && o->stored && !contract->stored)
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "intensities as stored and normalised to %s, expected one of them",
                          o->normalise);
    return status == MRC_OK ? mrc_contract_check(contract, err) : status;
}

/* "flair-t2w" */
static const char *name_by_contrasts(struct work *w) {
    const struct mrc_contract *c = &w->options->data.contract;
    snprintf(w->name, sizeof w->name, "%s-%s", mrc_contrast_name(c->contrasts[0]),
             mrc_contrast_name(c->contrasts[1]));
    for (char *letter = w->name; *letter != '\0'; ++letter)
        *letter = (char)tolower((unsigned char)*letter);
    return w->name;
}

static enum mrc_status settle_contract(struct work *w, struct mrc_error *err) {
    struct mrc_train_options *o = &w->settled;
    struct mrc_contract of_set = MRC_CONTRACT_DEFAULTS;
    const bool prepared = has_set(o) && mrc_prepared_is_there(o->data.set);
    enum mrc_status status = MRC_OK;
    if (prepared && o->model.size > 0) of_set.sample.h = of_set.sample.w = o->model.size;
    if (prepared) status = mrc_prepared_contract(&of_set, o->data.set, err);
    o->data.contract = of_set;
    if (status == MRC_OK) status = ask_all(&o->data.contract, o, err);
    of_set.planes = o->data.contract.planes;
    if (status == MRC_OK && prepared)
        status = mrc_cut_compare(&of_set, &o->data.contract, o->data.set, err);
    o->model.size = o->data.contract.sample.h;
    o->model.channels = o->data.contract.sample.c;
    for (int key = 0; key < MRC_CONTRACT_KEYS; ++key)
        mrc_contract_print(w->words[key], &o->data.contract, (enum mrc_contract_key)key);
    o->normalise = w->words[MRC_CONTRACT_NORMALISE];
    o->room = w->words[MRC_CONTRACT_ROOM];
    o->contrasts = w->words[MRC_CONTRACT_LIST];
    o->planes = w->words[MRC_CONTRACT_PLANES];
    if (strcmp(o->name, MRC_TRAIN_NAME) == 0) o->name = name_by_contrasts(w);
    return status;
}

static enum mrc_status load_images(struct work *w, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    struct mrc_dataset_options data = o->data;
    enum mrc_status status = MRC_OK;
    data.paired = o->model.lambda_paired > 0.0;
    data.may_lack_pairs = o->simulate[0] != '\0';
    data.contract.planes = MRC_PLANE_AXIAL; /* of a set; computed slices may lie in more */
    if (data.may_lack_pairs) status = mrc_computed_create(&w->computed, o, err);
    if (status == MRC_OK && has_set(o)) {
        status = mrc_dataset_load(&w->dataset, &data, w->events, err);
        if (status == MRC_OK && w->dataset.is_prepared) status = load_watched(w, &data, err);
    } else if (status == MRC_OK) {
        status = mrc_computed_watched(&w->dataset, w->computed, err);
    }
    if (status == MRC_OK && w->computed != NULL)
        status = mrc_computed_hash(w->dataset.computed, w->computed, err);
    return status;
}

static enum mrc_status prepare(struct work *w, struct mrc_error *err) {
    const struct mrc_train_options *o = w->options;
    size_t gan = 0;
    enum mrc_status status = mrc_cyclegan_measure(&gan, &o->model, err);
    if (status == MRC_OK) status = check_memory(o, gan, err);
    if (status == MRC_OK) status = load_images(w, err);
    if (status == MRC_OK) status = check_data(w, err);
    for (int d = 0; status == MRC_OK && d < MRC_DOMAIN_COUNT; ++d)
        status = mrc_likeness_of_domain(&w->trained[d], &w->dataset.domains[d], err);
    if (status == MRC_OK) status = create_model(w, gan, err);
    return status;
}

/* --- In a team --- */

/* The first bytes of the SHA-256 of all slices: enough to tell one set from another. */
static enum mrc_status digest_set(double *out, const struct work *w, struct mrc_error *err) {
    char hash[MRC_DATASET_HASH_TEXT];
    enum mrc_status status = mrc_dataset_hash(hash, &w->dataset, err);
    if (status != MRC_OK) return status;
    for (int i = 0; i < 12; ++i)
        *out = 16.0 * *out + (hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10);
    return MRC_OK;
}

/* All or none go on: a process that fails alone would leave the others waiting. */
static enum mrc_status agree(enum mrc_status status, struct mrc_error *err) {
    const struct mrc_team *team = mrc_team_current();
    double failed = status != MRC_OK ? 1.0 : 0.0;
    struct mrc_error lost = {0};
    enum mrc_status said = mrc_team_mean(&failed, 1, &lost);
    if (status != MRC_OK || (said == MRC_OK && failed == 0.0)) return status;
    if (said != MRC_OK) return mrc_fail(err, said, "%s", lost.text);
    return mrc_fail(err, MRC_ERR_CANCELLED, "rank %d of %d: another process cannot go on",
                    team->rank, team->count);
}

/* Have all read the same set, and go on from the same step? */
static enum mrc_status compare_team(struct work *w, struct mrc_error *err) {
    const struct mrc_team *team = mrc_team_current();
    if (team->count == 1) return MRC_OK;
    double own[2] = {0}, mean[2];
    enum mrc_status status = agree(digest_set(&own[0], w, err), err);
    own[1] = (double)mrc_cyclegan_steps(w->gan);
    memcpy(mean, own, sizeof mean);
    if (status == MRC_OK) status = mrc_team_mean(mean, 2, err);
    if (status != MRC_OK) return status;
    for (int i = 0; i < 2; ++i) /* whole numbers: nothing is rounded when all are the same */
        if (status == MRC_OK && mean[i] != own[i])
            status = mrc_fail(err, MRC_ERR_ARGUMENT,
                              "rank %d of %d: other %s than another process, expected the same",
                              team->rank, team->count, i == 0 ? "images" : "checkpoint");
    return agree(status, err);
}

/* A lost process: the weights are those of the last whole step. */
static void save_after_loss(struct work *w) {
    struct mrc_error err = {0};
    if (save_checkpoint(w, "last", w->epochs_done, &err) == MRC_OK)
        mrc_events_note(w->events, "%s: state of step %lld saved (train --resume goes on)",
                        w->options->run, (long long)mrc_cyclegan_steps(w->gan));
    else
        mrc_events_note(w->events, "%s", err.text);
}

/* --- Back to the last good checkpoint --- */

static enum mrc_status load_good(struct work *w, struct mrc_error *err) {
    struct mrc_checkpoint_info info;
    char *path = mrc_asprintf("%s/checkpoints/newest.safetensors", w->options->run);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    mrc_sampler_destroy(w->sampler);
    w->sampler = NULL;
    mrc_cyclegan_destroy(w->gan);
    w->gan = NULL;
    enum mrc_status status =
        mrc_path_exists(path) ? mrc_checkpoint_load(&w->gan, &info, path, err) : begin(w, err);
    if (status == MRC_OK) status = mrc_sampler_create(&w->sampler, w->gan, &w->dataset, err);
    mrc_free(path);
    return status;
}

/* Where the run was stopped after the last good checkpoint: --resume would go on from there. */
static enum mrc_status forget_last(const struct work *w, struct mrc_error *err) {
    char *path = mrc_asprintf("%s/checkpoints/last.safetensors", w->options->run);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    enum mrc_status status = MRC_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        status = mrc_fail(err, MRC_ERR_IO, "%s: %s, expected to be removed", path, strerror(errno));
    mrc_free(path);
    return status;
}

/* *err says why; the log says so too. Whether a run was stopped in between makes no difference:
 * newest.safetensors is of an epoch's end that every such run passes. */
static enum mrc_status roll_back(struct work *w, struct mrc_error *err) {
    int64_t step = mrc_cyclegan_steps(w->gan);
    char words[sizeof err->text + 100];
    struct mrc_error reason = *err;
    mrc_error_clear(err);
    w->rollbacks += 1;
    enum mrc_status status = load_good(w, err);
    if (status != MRC_OK) return status;
    int64_t back = mrc_cyclegan_steps(w->gan);
    snprintf(words, sizeof words, "%s; back to step %lld, rate times %g (rollback %lld of %lld)",
             reason.text, (long long)back, pow(0.5, (double)w->rollbacks), (long long)w->rollbacks,
             (long long)w->options->rollbacks);
    status = tell(w, w->epochs_done + 1, step, words, err);
    if (status == MRC_OK && w->writes) status = forget_last(w, err);
    if (status == MRC_OK && w->writes) status = mrc_run_folder_rewind(w->folder, back, err);
    return status == MRC_OK ? open_checks(w, back, err) : status;
}

static enum mrc_status train(struct work *w, struct mrc_error *err) {
    struct mrc_trainer_settings trainer = w->options->trainer;
    struct mrc_slice_source source = {.context = &w->dataset,
                                      .fetch = mrc_dataset_fetch,
                                      .pairs = w->dataset.pairs,
                                      .pair_count = w->dataset.pair_count};
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain)
        source.count[domain] = w->dataset.domains[domain].place_count;
    if (w->computed != NULL) {
        source.make = mrc_computed_make;
        source.maker = w->computed;
        source.made_share = w->options->simulate_share;
        if (!has_set(w->options)) source.made_an_epoch = (size_t)w->options->simulate_pairs;
    }
    trainer.halvings = w->rollbacks;
    enum mrc_status status = MRC_OK;
    if (has_set(w->options))
        status = mrc_class_balance_find(&source, &w->dataset,
                                        (enum mrc_class_balance)w->options->data.balance,
                                        w->options->data.set, w->events, err);
    if (status == MRC_OK) status = mrc_trainer_run(w->gan, &source, &trainer, after_step, w, err);
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) mrc_free(source.classes[domain]);
    mrc_free(source.pair_classes);
    return status;
}

enum mrc_status mrc_train_run(const struct mrc_train_options *options,
                              const struct mrc_events *events, mrc_train_report_fn *report,
                              struct mrc_error *err) {
    struct work w = {.settled = *options, .events = events, .report = report};
    w.options = &w.settled;
    w.writes = mrc_team_current()->rank == 0;
    enum mrc_status status = check_places(options, err);
    if (status == MRC_OK) status = settle_contract(&w, err);
    if (status == MRC_OK) status = prepare(&w, err);
    status = agree(status, err);
    if (status == MRC_OK) status = compare_team(&w, err);
    if (status == MRC_OK && w.writes)
        status = mrc_run_folder_create(&w.folder, w.options, &w.dataset, w.first_step, err);
    status = agree(status, err);
    if (status == MRC_OK) {
        status = train(&w, err);
        while (status == MRC_ERR_NUMERIC && w.rollbacks < options->rollbacks) {
            status = roll_back(&w, err);
            if (status == MRC_OK) status = train(&w, err);
        }
        if (status == MRC_ERR_CANCELLED && w.writes && !w.state_saved) save_after_loss(&w);
    }
    if (status == MRC_OK && w.writes)
        status = save_checkpoint(&w, "last", options->trainer.epochs, err);
    if (status == MRC_OK && w.writes)
        status = save_model(&w, NULL, "model", options->trainer.epochs, err);
    work_clear(&w);
    return status;
}

/* What the images of a set look like, as a model of those settings would have seen them. */
static enum mrc_status look_at_set(struct mrc_checkpoint_info *info, const char *set,
                                   struct mrc_error *err) {
    struct mrc_dataset dataset = {0};
    struct mrc_dataset_options data = MRC_DATASET_DEFAULTS;
    data.set = set;
    data.contract = info->contract;
    enum mrc_status status = mrc_dataset_load(&dataset, &data, NULL, err);
    for (int d = 0; status == MRC_OK && d < MRC_DOMAIN_COUNT; ++d)
        status = mrc_likeness_of_domain(&info->trained[d], &dataset.domains[d], err);
    mrc_dataset_clear(&dataset);
    return status;
}

static enum mrc_status set_finest(struct mrc_checkpoint_info *info, int64_t side, const char *path,
                                  struct mrc_error *err) {
    for (int which = MRC_NET_G; which <= MRC_NET_F; ++which)
        if (side < info->settings.size ||
            !mrc_cyclegan_takes_side(&info->settings, (enum mrc_cyclegan_net)which, side))
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: --finest %lld, expected a side that both generators take, and no "
                            "smaller one than the %lld they were trained on",
                            path, (long long)side, (long long)info->settings.size);
    info->finest = side;
    return MRC_OK;
}

/* What a model of an earlier version, or of another program, was trained on and does not say. */
static enum mrc_status amend_contract(struct mrc_checkpoint_info *info,
                                      const struct mrc_export_options *o, struct mrc_error *err) {
    enum mrc_status status = ask(&info->contract, MRC_CONTRACT_NORMALISE, o->normalise, err);
    if (status == MRC_OK) status = ask(&info->contract, MRC_CONTRACT_ROOM, o->room, err);
    return status == MRC_OK ? mrc_contract_check(&info->contract, err) : status;
}

/* A model of generators alone keeps its weights; of a complete checkpoint they are written anew. */
static enum mrc_status export_model(const struct mrc_export_options *o, const char *path,
                                    struct mrc_error *err) {
    mrc_cyclegan *gan = NULL;
    struct mrc_checkpoint_info info = {0};
    struct mrc_checkpoint_options model = {.half = o->half};
    enum mrc_status status = mrc_checkpoint_describe(&info, path, err);
    const bool rewrite =
        status == MRC_OK && !info.complete &&
        (o->trained_on != NULL || o->finest > 0 || o->normalise != NULL || o->room != NULL);
    if (rewrite && o->half)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: holds the generators only, whose precision stays, expected no --half",
                        path);
    if (status == MRC_OK && !rewrite) status = mrc_checkpoint_load(&gan, &info, path, err);
    if (status == MRC_OK) status = amend_contract(&info, o, err);
    if (status == MRC_OK && o->trained_on != NULL) status = look_at_set(&info, o->trained_on, err);
    if (status == MRC_OK && o->finest > 0) status = set_finest(&info, o->finest, path, err);
    if (status == MRC_OK) {
        if (o->name != NULL) snprintf(info.name, sizeof info.name, "%s", o->name);
        if (o->data_note != NULL) snprintf(info.data, sizeof info.data, "%s", o->data_note);
        status = mrc_place_make_parent(o->output, err);
    }
    if (status == MRC_OK)
        status = rewrite ? mrc_checkpoint_rewrite(path, &info, o->output, err)
                         : mrc_checkpoint_save(gan, &info, &model, o->output, err);
    mrc_cyclegan_destroy(gan);
    return status;
}

static enum mrc_status export_onnx(const struct mrc_export_options *o, const char *path,
                                   struct mrc_error *err) {
    enum mrc_status status = mrc_place_make_parent(o->output, err);
    if (status != MRC_OK) return status;
    struct mrc_checkpoint_info info;
    status = mrc_checkpoint_describe(&info, path, err);
    if (status == MRC_OK && mrc_contract_index(&info.contract, o->to) < 0)
        status =
            mrc_fail(err, MRC_ERR_ARGUMENT, "%s: does not make %s", path, mrc_contrast_name(o->to));
    return status == MRC_OK
               ? mrc_onnx_save(path, mrc_checkpoint_generator(&info, o->to), o->output, err)
               : status;
}

enum mrc_status mrc_train_export(const struct mrc_export_options *options, struct mrc_error *err) {
    char *path = NULL;
    enum mrc_status status = mrc_model_file_find_complete(&path, options->checkpoint, err);
    if (status == MRC_OK) status = mrc_place_keep_input(options->output, path, err);
    if (status == MRC_OK) status = mrc_place_check_model(options->output, options->replace, err);
    if (status == MRC_OK)
        status = options->onnx ? export_onnx(options, path, err) : export_model(options, path, err);
    mrc_free(path);
    return status;
}
