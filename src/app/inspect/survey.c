/* survey.c: images are described by io, checkpoints by model; this file decides which is which, and
 * what of the images translate takes. */
#include "app/inspect/survey.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "model/engine/net.h"
#include "preprocess/slices.h"

enum { HEAD_BYTES = 16 };

static enum mrc_status no_memory(const char *path, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
}

/* A checkpoint that cannot be described becomes a refusal. */
static enum mrc_status add_checkpoint(struct mrc_survey *survey, const char *path,
                                      struct mrc_error *err) {
    struct mrc_checkpoint_info info = {0};
    struct mrc_error own = {0};
    enum mrc_status status = mrc_checkpoint_describe(&info, path, &own);
    if (status == MRC_ERR_NOMEM) return mrc_fail(err, status, "%s", own.text);
    if (status != MRC_OK) {
        size_t length = strlen(path);
        bool named =
            strncmp(own.text, path, length) == 0 && strncmp(own.text + length, ": ", 2) == 0;
        return mrc_image_list_refuse(&survey->images, path, status, err, "%s",
                                     own.text + (named ? length + 2 : 0));
    }
    char *copy = mrc_strdup(path);
    void *items = survey->checkpoints;
    if (copy == NULL || !mrc_grow(&items, &survey->checkpoint_capacity,
                                  survey->checkpoint_count + 1, sizeof *survey->checkpoints)) {
        mrc_free(copy);
        return no_memory(path, err);
    }
    survey->checkpoints = items;
    survey->checkpoints[survey->checkpoint_count++] =
        (struct mrc_survey_checkpoint){.path = copy, .info = info};
    return MRC_OK;
}

/* io refuses a checkpoint as no image; that refusal says nothing the user needs. */
static void forget_refusal(struct mrc_image_list *images, size_t first, const char *path) {
    for (size_t i = first; i < images->refused_count; ++i) {
        if (strcmp(images->refused[i].path, path) != 0) continue;
        mrc_free(images->refused[i].path);
        memmove(&images->refused[i], &images->refused[i + 1],
                (images->refused_count - i - 1) * sizeof images->refused[0]);
        --images->refused_count;
        return;
    }
}

/* The pictures that a training run draws are no images somebody lost. */
static bool is_picture_of_run(const char *path) {
    const char *name = mrc_path_name(path);
    bool sample = strncmp(name, "epoch_", 6) == 0;
    if (!sample && strcmp(name, "losses.png") != 0) return false;
    static const char samples[] = "samples/";
    size_t length = (size_t)(name - path), tail = sizeof samples - 1;
    if (sample && (length < tail || strncmp(name - tail, samples, tail) != 0)) return false;
    char *settings = mrc_asprintf("%.*ssettings.json", (int)(length - (sample ? tail : 0)), path);
    bool is_run = settings != NULL && mrc_path_exists(settings);
    mrc_free(settings);
    return is_run;
}

static void forget_pictures(struct mrc_image_list *images, size_t first) {
    for (size_t i = images->refused_count; i > first; --i)
        if (is_picture_of_run(images->refused[i - 1].path))
            forget_refusal(images, i - 1, images->refused[i - 1].path);
}

/* Not for translate after all. `why` may begin with the path. */
static void object_to(struct mrc_image_info *image, enum mrc_status status, const char *why) {
    size_t length = strlen(image->path);
    bool named = strncmp(why, image->path, length) == 0 && strncmp(why + length, ": ", 2) == 0;
    image->usable = false;
    image->status = status;
    snprintf(image->reason, sizeof image->reason, "%.*s", (int)sizeof image->reason - 1,
             why + (named ? length + 2 : 0));
}

/* Thick slices that no axial one can be made of, and the model knows no others. */
static void name_plane(struct mrc_image_info *image, enum mrc_cut plane) {
    char text[sizeof image->reason];
    snprintf(text, sizeof text, "%.130s; by a model that knows %s slices", image->reason,
             mrc_cut_name(plane));
    snprintf(image->reason, sizeof image->reason, "%s", text);
}

/* io says what can be loaded; translate wants more. */
static void judge(struct mrc_image_info *image, const struct mrc_contract *contract) {
    struct mrc_slices_options options = MRC_SLICES_DEFAULTS;
    char expected[MRC_CONTRACT_TEXT];
    struct mrc_extent extent = {image->columns, image->rows, image->slices};
    struct mrc_error why = {0};
    char text[sizeof image->reason];
    if (!image->usable) return;
    mrc_contract_print_choice(expected, contract, MRC_CONTRAST_UNKNOWN);
    if (image->contrast != MRC_CONTRAST_UNKNOWN &&
        mrc_contract_index(contract, image->contrast) < 0) {
        snprintf(text, sizeof text, "%.130s; expected %.32s (--force overrides)", image->reason,
                 expected);
        object_to(image, MRC_ERR_UNSUPPORTED, text);
        return;
    }
    if (image->physical) {
        const unsigned planes = mrc_slices_cuts(&options.cut, &image->geometry, extent);
        enum mrc_status status =
            mrc_slices_check_grid(&image->geometry, extent, image->path, &options, &why);
        if (status != MRC_OK)
            object_to(image, status, why.text);
        else if ((planes & (contract->planes | 1u << MRC_CUT_AXIAL)) == 0)
            name_plane(image, options.cut);
    }
    if (image->usable && image->contrast == MRC_CONTRAST_UNKNOWN) {
        snprintf(text, sizeof text, "%.130s; expected %.32s (--from says which it is)",
                 image->reason, expected);
        object_to(image, MRC_ERR_UNSUPPORTED, text);
        image->unnamed = true;
    }
}

static void tell_progress(void *events, int64_t done, int64_t total) {
    mrc_events_progress(events, "reading headers", done, total);
}

static bool is_cancelled(void *events) {
    return mrc_events_cancelled(events);
}

/* --- one path --- */

struct task {
    struct mrc_survey *survey;
    const struct mrc_survey_options *options;
    const struct mrc_events *events;
};

static enum mrc_status scan_images(const struct task *t, const char *path, struct mrc_error *err) {
    static const struct mrc_contract plain = MRC_CONTRACT_DEFAULTS;
    const bool told = t->options != NULL && t->options->contract != NULL;
    const struct mrc_contract *contract = told ? t->options->contract : &plain;
    struct mrc_image_list *images = &t->survey->images;
    const struct mrc_scan_options options = {.most_files =
                                                 t->options != NULL ? t->options->most_files : 0,
                                             .context = (void *)t->events,
                                             .progress = tell_progress,
                                             .cancelled = is_cancelled};
    size_t first = images->count, refused = images->refused_count;
    enum mrc_status status = mrc_image_list_scan_with(images, path, &options, err);
    for (size_t i = first; status == MRC_OK && i < images->count; ++i) {
        if (t->options != NULL) (void)mrc_contrast_map_apply(t->options->map, &images->items[i]);
        judge(&images->items[i], contract);
    }
    forget_pictures(images, refused);
    return status;
}

/* Checkpoints are among what io refused as no images: that says nothing the user needs. */
static enum mrc_status take_checkpoints(struct mrc_survey *survey, size_t first,
                                        struct mrc_error *err) {
    struct mrc_image_list *images = &survey->images;
    enum mrc_status status = MRC_OK;
    for (size_t i = first, last = images->refused_count; status == MRC_OK && i < last;) {
        char *path = images->refused[i].path;
        if (!mrc_path_has_suffix(path, ".safetensors") || !mrc_path_is_file(path)) {
            ++i;
            continue;
        }
        memmove(&images->refused[i], &images->refused[i + 1],
                (images->refused_count - i - 1) * sizeof images->refused[0]);
        --images->refused_count;
        --last;
        status = add_checkpoint(survey, path, err); /* may refuse it, at the end */
        mrc_free(path);
    }
    return status;
}

static enum mrc_status add_folder(const struct task *t, const char *path, struct mrc_error *err) {
    size_t first = t->survey->images.refused_count;
    enum mrc_status status = scan_images(t, path, err);
    return status == MRC_OK ? take_checkpoints(t->survey, first, err) : status;
}

enum mrc_status mrc_survey_add_with(struct mrc_survey *survey, const char *path,
                                    const struct mrc_survey_options *options,
                                    const struct mrc_events *events, struct mrc_error *err) {
    const struct task task = {.survey = survey, .options = options, .events = events};
    if (!mrc_path_exists(path))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a file or a folder", path);
    if (mrc_path_is_dir(path)) return add_folder(&task, path, err);
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    enum mrc_status status = mrc_read_head(head, sizeof head, &size, path, err);
    if (status != MRC_OK) return status;
    if (mrc_path_has_suffix(path, ".safetensors") || mrc_checkpoint_probe(head, size))
        return add_checkpoint(survey, path, err);
    return scan_images(&task, path, err);
}

enum mrc_status mrc_survey_add(struct mrc_survey *survey, const char *path, struct mrc_error *err) {
    return mrc_survey_add_with(survey, path, NULL, NULL, err);
}

void mrc_survey_clear(struct mrc_survey *survey) {
    for (size_t i = 0; i < survey->checkpoint_count; ++i) mrc_free(survey->checkpoints[i].path);
    mrc_free(survey->checkpoints);
    mrc_image_list_clear(&survey->images);
    *survey = (struct mrc_survey){0};
}

bool mrc_survey_is_useful(const struct mrc_survey *survey) {
    for (size_t i = 0; i < survey->images.count; ++i)
        if (survey->images.items[i].usable) return true;
    return survey->checkpoint_count > 0;
}

/* --- Plans --- */

static enum mrc_status create_generator(mrc_net **out, const struct mrc_cyclegan_settings *s,
                                        enum mrc_cyclegan_net which, struct mrc_error *err) {
    const struct mrc_generator_settings settings = {.channels = s->channels,
                                                    .h = s->size,
                                                    .w = s->size,
                                                    .width = s->generator_width,
                                                    .depth = s->depth};
    return mrc_generator_net_create(out, mrc_cyclegan_generator_of(s, which), &settings, err);
}

static enum mrc_status print_plan(struct mrc_text *out, const char *title, const mrc_net *net,
                                  struct mrc_shape in, struct mrc_error *err) {
    mrc_plan *plan = NULL;
    enum mrc_status status = mrc_plan_create(&plan, net, in, MRC_PLAN_INFERENCE, err);
    if (status == MRC_OK) {
        mrc_text_appendf(out, "%s: %zu weights\n", title, mrc_net_weights(net));
        mrc_plan_print(out, plan, net);
    }
    mrc_plan_destroy(plan);
    return status;
}

enum mrc_status mrc_survey_print_plans(struct mrc_text *out, const struct mrc_checkpoint_info *info,
                                       struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &info->settings;
    struct mrc_shape in = {1, s->channels, 1, s->size, s->size};
    mrc_net *generator = NULL, *discriminator = NULL;
    mrc_net *back = NULL;
    enum mrc_status status = create_generator(&generator, s, MRC_NET_G, err);
    if (status == MRC_OK)
        status = print_plan(out, s->generator_f > 0 ? "generator G" : "generators G and F",
                            generator, in, err);
    if (status == MRC_OK && s->generator_f > 0) {
        status = create_generator(&back, s, MRC_NET_F, err);
        if (status == MRC_OK) status = print_plan(out, "generator F", back, in, err);
    }
    if (status == MRC_OK && info->complete)
        status = mrc_patchgan_create(&discriminator, 2, s->channels, s->discriminator_width, err);
    if (status == MRC_OK && info->complete)
        status = print_plan(out, "discriminators D_X and D_Y", discriminator, in, err);
    mrc_net_destroy(discriminator);
    mrc_net_destroy(back);
    mrc_net_destroy(generator);
    if (status == MRC_OK && out->failed) status = no_memory("plan", err);
    return status;
}
