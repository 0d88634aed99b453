/* run_settings.c: one table of settings serves writing, comparing and reading. */
#include "app/train/run_settings.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "app/sets/class_balance.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/text.h"
#include "model/engine/blas_select.h"

enum { MAX_SETTINGS_BYTES = 1 << 28 };

/* --- The table --- */

enum kind {
    WHOLE,
    REAL,
    FLAG,
    WORDS,
    GENERATOR,
    GENERATOR_F,
    GAN_MODE,
    STRUCTURE,
    DIFF_AUGMENT,
    INIT_TYPE,
    INTENSITIES,
    BALANCE,
    SEED
};
/* A run that goes on must have the same values of the first two groups. */
enum group { MODEL, TRAINING, DATA, FREE, GROUPS };

static const struct setting {
    const char *key;
    enum group group;
    enum kind kind;
    size_t offset;      /* into struct mrc_train_options */
    double lo, hi;      /* of numbers */
    const char *before; /* words of runs that were made before there was such a setting */
} settings[] = {
#define AT(member) offsetof(struct mrc_train_options, member)
    {"generator", MODEL, GENERATOR, AT(model.generator), 0, 0, NULL},
    {"generator_f", MODEL, GENERATOR_F, AT(model.generator_f), 0, 0, NULL},
    {"depth", MODEL, WHOLE, AT(model.depth), 0, 16, NULL},
    {"gan", MODEL, GAN_MODE, AT(model.gan_mode), 0, 0, NULL},
    {"size", MODEL, WHOLE, AT(model.size), 32, 1024, NULL},
    {"channels", MODEL, WHOLE, AT(model.channels), 1, 3, NULL},
    {"generator_width", MODEL, WHOLE, AT(model.generator_width), 1, 512, NULL},
    {"discriminator_width", MODEL, WHOLE, AT(model.discriminator_width), 1, 512, NULL},
    {"batch", MODEL, WHOLE, AT(model.batch), 1, 4096, NULL},
    {"lambda_cycle", MODEL, REAL, AT(model.lambda_cycle), 0, 1e6, NULL},
    {"lambda_identity", MODEL, REAL, AT(model.lambda_identity), 0, 1e6, NULL},
    {"learning_rate", MODEL, REAL, AT(model.learning_rate), 1e-12, 1, NULL},
    {"beta1", MODEL, REAL, AT(model.beta1), 0, 1, NULL},
    {"beta2", MODEL, REAL, AT(model.beta2), 0, 1, NULL},
    {"adam_eps", MODEL, REAL, AT(model.adam_eps), 1e-30, 1, NULL},
    {"ema_decay", MODEL, REAL, AT(model.ema_decay), 0, 1, NULL},
    {"r1_gamma", MODEL, REAL, AT(model.r1_gamma), 0, 1e6, NULL},
    {"warm_up", MODEL, WHOLE, AT(model.warm_up), 0, 1e9, NULL},
    {"structure_loss", MODEL, STRUCTURE, AT(model.structure), 0, 0, NULL},
    {"lambda_structure", MODEL, REAL, AT(model.lambda_structure), 0, 1e6, NULL},
    {"lambda_paired", MODEL, REAL, AT(model.lambda_paired), 0, 1e6, NULL},
    {"lambda_ssim", MODEL, REAL, AT(model.lambda_ssim), 0, 1e6, NULL},
    {"diffaugment", MODEL, DIFF_AUGMENT, AT(model.diff_augment), 0, 0, NULL},
    {"init_type", MODEL, INIT_TYPE, AT(model.init_type), 0, 0, NULL},
    {"init_gain", MODEL, REAL, AT(model.init_gain), 0, 100, NULL},
    {"pool_size", MODEL, WHOLE, AT(model.pool_size), 0, 65536, NULL},
    {"seed", MODEL, SEED, AT(model.seed), 0, 0, NULL},
    {"flip", TRAINING, FLAG, AT(trainer.flip), 0, 1, NULL},
    {"gamma", TRAINING, REAL, AT(trainer.gamma), 1, MRC_TRAINER_LARGEST_GAMMA, NULL},
    {"decay", TRAINING, REAL, AT(trainer.decay), 0, 1, NULL},
    {"rotate", TRAINING, REAL, AT(trainer.augment.rotate), 0, 180, NULL},
    {"zoom", TRAINING, REAL, AT(trainer.augment.zoom), 0, 3, NULL},
    {"shift", TRAINING, REAL, AT(trainer.augment.shift), 0, 0.5, NULL},
    {"resolution", TRAINING, REAL, AT(trainer.augment.resolution), 1, 8, NULL},
    {"bias_field", TRAINING, REAL, AT(trainer.augment.bias), 0, 2, NULL},
    {"noise", TRAINING, REAL, AT(trainer.augment.noise), 0, 1, NULL},
    {"class_balance", TRAINING, BALANCE, AT(data.balance), 0, 0, NULL},
    {"min_foreground", DATA, REAL, AT(data.min_foreground), 0, 1, NULL},
    {"intensities", DATA, INTENSITIES, AT(stored), 0, 0, NULL},
    {"normalise", DATA, WORDS, AT(normalise), 0, 0, "0.5,95"},
    {"room", DATA, WORDS, AT(room), 0, 0, "T1w=1,T2w=1"},
    {"assume_ras", DATA, FLAG, AT(data.assume_ras), 0, 1, NULL},
    {"allow_synthetic", DATA, FLAG, AT(data.allow_synthetic), 0, 1, NULL},
    {"allow_derived", DATA, FLAG, AT(data.allow_derived), 0, 1, NULL},
    {"force", DATA, FLAG, AT(data.force), 0, 1, NULL},
    {"set", DATA, WORDS, AT(data.set), 0, 0, NULL},
    {"note", DATA, WORDS, AT(data_note), 0, 0, NULL},
    {"init", MODEL, WORDS, AT(init), 0, 0, ""},
    {"name", FREE, WORDS, AT(name), 0, 0, NULL},
    {"preset", FREE, WORDS, AT(preset), 0, 0, NULL},
    {"epochs", FREE, WHOLE, AT(trainer.epochs), 1, 2147483647, NULL},
    {"check_every", TRAINING, WHOLE, AT(check_every), 0, 1e9, NULL},
    {"rollbacks", TRAINING, WHOLE, AT(rollbacks), 0, 1e6, NULL},
    {"keep_every", FREE, WHOLE, AT(keep_every), 0, 1e9, NULL},
    {"sample_every", FREE, WHOLE, AT(sample_every), 0, 1e9, NULL},
    {"half", FREE, FLAG, AT(half), 0, 1, NULL},
#undef AT
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };
static const char *const group_names[GROUPS] = {"model", "training", "data", NULL};
static const char *const intensities[] = {"head", "stored"};

/* --- Writing --- */

static void add_setting(cJSON *node, const struct setting *s, const struct mrc_train_options *o) {
    const char *at = (const char *)o + s->offset;
    const struct mrc_cyclegan_settings *m = &o->model;
    char text[MRC_DIFF_AUGMENT_TEXT];
    switch (s->kind) {
    case WHOLE: cJSON_AddNumberToObject(node, s->key, (double)*(const int64_t *)at); break;
    case REAL: cJSON_AddNumberToObject(node, s->key, *(const double *)at); break;
    case FLAG: cJSON_AddBoolToObject(node, s->key, *(const bool *)at); break;
    case WORDS: cJSON_AddStringToObject(node, s->key, *(const char *const *)at); break;
    case GENERATOR:
        cJSON_AddStringToObject(node, s->key, mrc_generator_kind_name(m->generator));
        break;
    case GENERATOR_F:
        cJSON_AddStringToObject(node, s->key,
                                mrc_generator_kind_name(mrc_cyclegan_generator_of(m, MRC_NET_F)));
        break;
    case GAN_MODE: cJSON_AddStringToObject(node, s->key, mrc_gan_mode_name(m->gan_mode)); break;
    case STRUCTURE:
        cJSON_AddStringToObject(node, s->key, mrc_structure_kind_name(m->structure));
        break;
    case DIFF_AUGMENT:
        mrc_diff_augment_print(text, m->diff_augment);
        cJSON_AddStringToObject(node, s->key, text);
        break;
    case INIT_TYPE: cJSON_AddStringToObject(node, s->key, mrc_init_kind_name(m->init_type)); break;
    case INTENSITIES: cJSON_AddStringToObject(node, s->key, intensities[o->stored]); break;
    case BALANCE:
        cJSON_AddStringToObject(node, s->key, mrc_class_balance_names[o->data.balance]);
        break;
    case SEED: /* as text: a double does not hold every seed */
        snprintf(text, sizeof text, "%llu", (unsigned long long)m->seed);
        cJSON_AddStringToObject(node, s->key, text);
        break;
    }
}

static void add_images(cJSON *data, const struct mrc_dataset *dataset) {
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        const struct mrc_dataset_domain *d = &dataset->domains[domain];
        cJSON *node = cJSON_AddObjectToObject(data, mrc_dataset_domain_name(domain));
        cJSON_AddNumberToObject(node, "slices", (double)d->place_count);
        cJSON_AddNumberToObject(node, "slices_left_out", (double)d->left_out_slices);
        cJSON_AddNumberToObject(node, "images_left_out", (double)d->left_out_images);
        cJSON *images = cJSON_AddArrayToObject(node, "images");
        for (size_t i = 0; i < d->count; ++i) {
            cJSON *image = cJSON_CreateObject();
            cJSON_AddStringToObject(image, "path", d->images[i].path);
            cJSON_AddNumberToObject(image, "slices", (double)d->images[i].slices.count);
            cJSON_AddNumberToObject(image, "used", (double)d->images[i].used);
            cJSON_AddNumberToObject(image, "lo", d->images[i].slices.record.normalise.lo);
            cJSON_AddNumberToObject(image, "hi", d->images[i].slices.record.normalise.hi);
            cJSON_AddItemToArray(images, image);
        }
    }
}

static enum mrc_status print_tree(cJSON **out, const struct mrc_train_options *options,
                                  const struct mrc_dataset *dataset, struct mrc_error *err) {
    char hash[MRC_DATASET_HASH_TEXT];
    enum mrc_status status = mrc_dataset_hash(hash, dataset, err);
    if (status != MRC_OK) return status;
    cJSON *root = mrc_json_begin(), *nodes[GROUPS];
    cJSON_AddStringToObject(root, "program", "mrcycle " MRC_VERSION);
    for (int g = 0; g < GROUPS; ++g)
        nodes[g] = group_names[g] != NULL ? cJSON_AddObjectToObject(root, group_names[g]) : root;
    for (size_t i = 0; i < SETTINGS; ++i)
        add_setting(nodes[settings[i].group], &settings[i], options);
    cJSON_AddStringToObject(nodes[DATA], "sha256", hash);
    add_images(nodes[DATA], dataset);
    cJSON *ran_on = cJSON_AddObjectToObject(root, "system"); /* another kernel, other last bits */
    cJSON_AddStringToObject(ran_on, "blas_kernel", mrc_blas_kernel_name());
    cJSON_AddNumberToObject(ran_on, "threads", mrc_parallel_threads());
    *out = root;
    return MRC_OK;
}

enum mrc_status mrc_run_settings_print(char **out, const struct mrc_train_options *options,
                                       const struct mrc_dataset *dataset, struct mrc_error *err) {
    cJSON *root = NULL;
    enum mrc_status status = print_tree(&root, options, dataset, err);
    if (status != MRC_OK) return status;
    char *text = mrc_json_print(root, true);
    *out = text != NULL ? mrc_strdup(text) : NULL;
    cJSON_free(text);
    cJSON_Delete(root);
    return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
}

/* --- Reading --- */

/* Settings that a run of an earlier version has not written, as it had them. Out of memory leaves
 * them out, which the comparison or the reading finds. */
static void add_older(cJSON *root) {
    for (size_t i = 0; i < SETTINGS; ++i) {
        const struct setting *s = &settings[i];
        cJSON *node =
            group_names[s->group] != NULL ? cJSON_GetObjectItem(root, group_names[s->group]) : root;
        if (s->before == NULL || node == NULL || cJSON_HasObjectItem(node, s->key)) continue;
        const cJSON *how = cJSON_GetObjectItem(node, "intensities");
        bool stored = strcmp(s->key, "normalise") == 0 && cJSON_IsString(how) &&
                      strcmp(how->valuestring, intensities[1]) == 0;
        cJSON_AddStringToObject(node, s->key, stored ? intensities[1] : s->before);
    }
}

static enum mrc_status read_tree(cJSON **out, const char *run, struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(run, "settings.json");
    enum mrc_status status = path != NULL
                                 ? mrc_read_file(&text, &size, path, MAX_SETTINGS_BYTES, err)
                                 : mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    if (status == MRC_OK) {
        *out = cJSON_ParseWithLength((const char *)text, size);
        const cJSON *program = cJSON_GetObjectItemCaseSensitive(*out, "program");
        if (!cJSON_IsString(program) || strncmp(program->valuestring, "mrcycle ", 8) != 0) {
            cJSON_Delete(*out);
            *out = NULL;
            status = mrc_fail(err, MRC_ERR_FORMAT, "%s: not the settings of a run", path);
        }
        add_older(*out);
    }
    mrc_free(text);
    mrc_free(path);
    return status;
}

/* --- The settings of a run that is to go on --- */

/* What may differ: where the set lies, and the words about it. */
static void drop_names(cJSON *data) {
    cJSON_DeleteItemFromObject(data, "set");
    cJSON_DeleteItemFromObject(data, "note");
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        cJSON *node = cJSON_GetObjectItem(data, mrc_dataset_domain_name(domain)), *image = NULL;
        cJSON_ArrayForEach(image, cJSON_GetObjectItem(node, "images"))
            cJSON_DeleteItemFromObject(image, "path");
    }
}

/* The first member of `now` that `then` has otherwise; NULL: none. */
static const char *first_difference(const cJSON *then, const cJSON *now) {
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, now) if (!cJSON_Compare(cJSON_GetObjectItem(then, item->string), item,
                                                     true)) return item->string;
    return NULL;
}

enum mrc_status mrc_run_settings_compare(const struct mrc_train_options *options,
                                         const struct mrc_dataset *dataset, struct mrc_error *err) {
    cJSON *then = NULL, *now = NULL;
    const char *other = NULL;
    enum mrc_status status = read_tree(&then, options->run, err);
    if (status == MRC_OK) status = print_tree(&now, options, dataset, err);
    for (int g = MODEL; status == MRC_OK && other == NULL && g <= TRAINING; ++g)
        other = first_difference(cJSON_GetObjectItem(then, group_names[g]),
                                 cJSON_GetObjectItem(now, group_names[g]));
    if (other != NULL)
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: the run began with another %s (settings.json), expected the same",
                          options->run, other);
    if (status == MRC_OK) {
        cJSON *data = cJSON_GetObjectItem(now, group_names[DATA]);
        drop_names(data);
        drop_names(cJSON_GetObjectItem(then, group_names[DATA]));
        other = first_difference(cJSON_GetObjectItem(then, group_names[DATA]), data);
        if (other != NULL)
            status = mrc_fail(err, MRC_ERR_ARGUMENT,
                              "%s: the run began with another set (%s in settings.json), expected "
                              "the same",
                              options->run, other);
    }
    cJSON_Delete(now);
    cJSON_Delete(then);
    return status;
}

/* --- The settings of a run that is to be made again --- */

static bool read_number(double *out, const cJSON *item, const struct setting *s) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= s->lo && item->valuedouble <= s->hi))
        return false;
    *out = item->valuedouble;
    return true;
}

/* false: the value is not one of its kind. */
static bool read_setting(struct mrc_train_options *o, const cJSON *item, const struct setting *s) {
    char *at = (char *)o + s->offset;
    double number = 0.0;
    enum mrc_generator_kind kind = MRC_GENERATOR_UNET;
    const char *text = cJSON_IsString(item) ? item->valuestring : NULL;
    switch (s->kind) {
    case WHOLE:
        if (!read_number(&number, item, s)) return false;
        *(int64_t *)at = (int64_t)number;
        return (double)(int64_t)number == number;
    case REAL: return read_number((double *)at, item, s);
    case FLAG: *(bool *)at = cJSON_IsTrue(item) != 0; return cJSON_IsBool(item) != 0;
    case WORDS: *(const char **)at = text; return text != NULL;
    case GENERATOR:
        return text != NULL && mrc_generator_kind_parse(&o->model.generator, text, NULL) == MRC_OK;
    case GENERATOR_F:
        if (text == NULL || mrc_generator_kind_parse(&kind, text, NULL) != MRC_OK) return false;
        o->model.generator_f = kind == o->model.generator ? 0 : 1 + (int64_t)kind;
        return true;
    case GAN_MODE:
        return text != NULL && mrc_gan_mode_parse(&o->model.gan_mode, text, NULL) == MRC_OK;
    case STRUCTURE:
        return text != NULL && mrc_structure_kind_parse(&o->model.structure, text, NULL) == MRC_OK;
    case DIFF_AUGMENT:
        return text != NULL && mrc_diff_augment_parse(&o->model.diff_augment, text, NULL) == MRC_OK;
    case INIT_TYPE:
        return text != NULL && mrc_init_kind_parse(&o->model.init_type, text, NULL) == MRC_OK;
    case INTENSITIES:
        if (text == NULL) return false;
        o->stored = strcmp(text, intensities[1]) == 0;
        return o->stored || strcmp(text, intensities[0]) == 0;
    case BALANCE:
        for (int64_t i = 0; text != NULL && mrc_class_balance_names[i] != NULL; ++i) {
            if (strcmp(text, mrc_class_balance_names[i]) != 0) continue;
            o->data.balance = i;
            return true;
        }
        return false;
    case SEED: {
        int64_t seed = 0;
        if (text == NULL || mrc_parse_i64(&seed, text, 0, INT64_MAX) != MRC_OK) return false;
        o->model.seed = (uint64_t)seed;
        return true;
    }
    }
    return false;
}

enum mrc_status mrc_train_record_read(struct mrc_train_record *out, const char *run,
                                      struct mrc_error *err) {
    *out = (struct mrc_train_record){.options = MRC_TRAIN_DEFAULTS};
    cJSON *root = NULL;
    enum mrc_status status = read_tree(&root, run, err);
    if (status != MRC_OK) return status;
    out->owner = root;
    for (size_t i = 0; status == MRC_OK && i < SETTINGS; ++i) {
        const struct setting *s = &settings[i];
        const char *group = group_names[s->group];
        const cJSON *node = group != NULL ? cJSON_GetObjectItem(root, group) : root;
        if (!read_setting(&out->options, cJSON_GetObjectItem(node, s->key), s))
            status = mrc_fail(err, MRC_ERR_FORMAT,
                              "%s/settings.json: %s is missing or out of range, expected a run of "
                              "this version",
                              run, s->key);
    }
    const cJSON *hash = cJSON_GetObjectItem(cJSON_GetObjectItem(root, group_names[DATA]), "sha256");
    const cJSON *kernel = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "system"), "blas_kernel");
    if (status == MRC_OK && (!cJSON_IsString(hash) || !cJSON_IsString(kernel)))
        status =
            mrc_fail(err, MRC_ERR_FORMAT,
                     "%s/settings.json: no hash of the data, expected a run of this version", run);
    if (status != MRC_OK) {
        mrc_train_record_clear(out);
        return status;
    }
    out->options.data_hash = hash->valuestring;
    out->version = cJSON_GetObjectItem(root, "program")->valuestring + strlen("mrcycle ");
    out->kernel = kernel->valuestring;
    return MRC_OK;
}

void mrc_train_record_clear(struct mrc_train_record *record) {
    cJSON_Delete(record->owner);
    *record = (struct mrc_train_record){.owner = NULL};
}

const char *mrc_train_kernel(void) {
    return mrc_blas_kernel_name();
}
