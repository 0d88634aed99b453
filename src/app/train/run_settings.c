/* run_settings.c: the rows of train_settings.h written, compared and read. */
#include "app/train/run_settings.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "app/train/train_settings.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/text.h"
#include "model/engine/blas_select.h"

enum { MAX_SETTINGS_BYTES = 1 << 28 };

static const char *const group_names[MRC_GROUPS] = {"model", "training", "data", NULL};
static const char stored[] = "stored"; /* intensities */

/* --- Writing --- */

static bool is_number(enum mrc_setting_kind kind) {
    return kind == MRC_SETTING_WHOLE || kind == MRC_SETTING_REAL;
}

static bool is_truth(const struct mrc_setting *s) {
    return s->kind == MRC_SETTING_FLAG && strcmp(s->choices[1], "true") == 0;
}

static bool add_setting(cJSON *node, const struct mrc_setting *s,
                        const struct mrc_train_options *o) {
    const char *at = (const char *)o + s->offset;
    char text[MRC_SETTING_TEXT];
    double number = 0.0;
    if (s->kind == MRC_SETTING_WORDS) /* of any length */
        return cJSON_AddStringToObject(node, s->json, *(const char *const *)at) != NULL;
    if (is_truth(s)) return cJSON_AddBoolToObject(node, s->json, *(const bool *)at) != NULL;
    mrc_setting_print(text, o, s);
    if (!is_number(s->kind)) return cJSON_AddStringToObject(node, s->json, text) != NULL;
    return mrc_parse_f64(&number, text, -1e300, 1e300) == MRC_OK &&
           cJSON_AddNumberToObject(node, s->json, number) != NULL;
}

static bool add_number(cJSON *node, const char *key, double value) {
    return cJSON_AddNumberToObject(node, key, value) != NULL;
}

static bool add_image(cJSON *images, const struct mrc_dataset_image *image) {
    const struct mrc_normalise_record *limits = &image->slices.record.normalise;
    cJSON *node = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(images, node)) {
        cJSON_Delete(node);
        return false;
    }
    return cJSON_AddStringToObject(node, "path", image->path) != NULL &&
           add_number(node, "slices", (double)image->slices.count) &&
           add_number(node, "used", (double)image->used) && add_number(node, "lo", limits->lo) &&
           add_number(node, "hi", limits->hi);
}

static bool add_images(cJSON *data, const struct mrc_dataset *dataset, int domain) {
    const struct mrc_dataset_domain *d = &dataset->domains[domain];
    cJSON *node = cJSON_AddObjectToObject(data, mrc_dataset_contrast(dataset, domain));
    bool whole = add_number(node, "slices", (double)d->place_count) &&
                 add_number(node, "slices_left_out", (double)d->left_out_slices) &&
                 add_number(node, "images_left_out", (double)d->left_out_images);
    cJSON *images = whole ? cJSON_AddArrayToObject(node, "images") : NULL;
    whole = images != NULL;
    for (size_t i = 0; whole && i < d->count; ++i) whole = add_image(images, &d->images[i]);
    return whole;
}

static bool fill_tree(cJSON *root, const struct mrc_train_options *options,
                      const struct mrc_dataset *dataset, const char *hash) {
    cJSON *nodes[MRC_GROUPS] = {NULL};
    bool whole = cJSON_AddStringToObject(root, "program", "mrcycle " MRC_VERSION) != NULL;
    for (int g = 0; whole && g < MRC_GROUPS; ++g) {
        nodes[g] = group_names[g] != NULL ? cJSON_AddObjectToObject(root, group_names[g]) : root;
        whole = nodes[g] != NULL;
    }
    for (size_t i = 0; whole && i < mrc_train_setting_count(); ++i) {
        const struct mrc_train_setting s = mrc_train_setting(i);
        whole = add_setting(nodes[s.group], &s.setting, options);
    }
    whole = whole && cJSON_AddStringToObject(nodes[MRC_GROUP_DATA], "sha256", hash) != NULL;
    for (int domain = 0; whole && domain < MRC_DOMAIN_COUNT; ++domain)
        whole = add_images(nodes[MRC_GROUP_DATA], dataset, domain);
    cJSON *ran_on = whole ? cJSON_AddObjectToObject(root, "system") : NULL;
    return ran_on != NULL && /* another kernel, other last bits */
           cJSON_AddStringToObject(ran_on, "blas_kernel", mrc_blas_kernel_name()) != NULL &&
           add_number(ran_on, "threads", mrc_parallel_threads());
}

static enum mrc_status print_tree(cJSON **out, const struct mrc_train_options *options,
                                  const struct mrc_dataset *dataset, struct mrc_error *err) {
    char hash[MRC_DATASET_HASH_TEXT];
    enum mrc_status status = mrc_dataset_hash(hash, dataset, err);
    if (status != MRC_OK) return status;
    cJSON *root = mrc_json_begin();
    if (root == NULL || !fill_tree(root, options, dataset, hash)) {
        cJSON_Delete(root);
        return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    }
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

/* Of runs with intensities as stored, too, which said so elsewhere. */
static const char *words_before(const struct mrc_setting *s, const cJSON *node) {
    const char *how = cJSON_GetStringValue(cJSON_GetObjectItem(node, "intensities"));
    bool as_stored = strcmp(s->json, "normalise") == 0 && how != NULL && strcmp(how, stored) == 0;
    return as_stored ? stored : s->before;
}

/* Settings that a run of an earlier version has not written, as it had them. Out of memory leaves
 * them out, which the comparison or the reading finds. */
static void add_older(cJSON *root) {
    double number = 0.0;
    for (size_t i = 0; i < mrc_train_setting_count(); ++i) {
        const struct mrc_train_setting row = mrc_train_setting(i);
        const struct mrc_setting *s = &row.setting;
        const char *group = group_names[row.group];
        cJSON *node = group != NULL ? cJSON_GetObjectItem(root, group) : root;
        if (s->before == NULL || node == NULL || cJSON_HasObjectItem(node, s->json)) continue;
        if (is_number(s->kind) && mrc_parse_f64(&number, s->before, -1e300, 1e300) == MRC_OK)
            cJSON_AddNumberToObject(node, s->json, number);
        else
            cJSON_AddStringToObject(node, s->json, words_before(s, node));
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
        bool exhausted = false;
        *out = mrc_json_parse((const char *)text, size, NULL, &exhausted);
        const cJSON *program = cJSON_GetObjectItemCaseSensitive(*out, "program");
        if (exhausted) {
            status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
        } else if (!cJSON_IsString(program) || strncmp(program->valuestring, "mrcycle ", 8) != 0) {
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
static void drop_names(cJSON *data, const struct mrc_dataset *dataset) {
    cJSON_DeleteItemFromObject(data, "set");
    cJSON_DeleteItemFromObject(data, "note");
    cJSON_DeleteItemFromObject(data, "simulate"); /* what they hold is in the hash */
    cJSON_DeleteItemFromObject(data, "simulate_labels");
    cJSON_DeleteItemFromObject(data, "simulate_config");
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        cJSON *node = cJSON_GetObjectItem(data, mrc_dataset_contrast(dataset, domain)),
              *image = NULL;
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
    for (int g = MRC_GROUP_MODEL; status == MRC_OK && other == NULL && g <= MRC_GROUP_TRAINING; ++g)
        other = first_difference(cJSON_GetObjectItem(then, group_names[g]),
                                 cJSON_GetObjectItem(now, group_names[g]));
    if (other != NULL)
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: the run began with another %s (settings.json), expected the same",
                          options->run, other);
    if (status == MRC_OK) {
        cJSON *data = cJSON_GetObjectItem(now, group_names[MRC_GROUP_DATA]);
        drop_names(data, dataset);
        drop_names(cJSON_GetObjectItem(then, group_names[MRC_GROUP_DATA]), dataset);
        other = first_difference(cJSON_GetObjectItem(then, group_names[MRC_GROUP_DATA]), data);
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

/* false: the value is not one of its kind. */
static bool read_setting(struct mrc_train_options *o, const cJSON *item,
                         const struct mrc_setting *s) {
    char number[40];
    if (is_truth(s)) {
        *(bool *)((char *)o + s->offset) = cJSON_IsTrue(item) != 0;
        return cJSON_IsBool(item) != 0;
    }
    if (is_number(s->kind) != (cJSON_IsNumber(item) != 0)) return false;
    if (is_number(s->kind)) /* every digit of a double; none after the point of a whole one */
        (void)snprintf(number, sizeof number, "%.17g", item->valuedouble);
    const char *text = is_number(s->kind) ? number : cJSON_GetStringValue(item);
    return text != NULL && mrc_setting_parse(o, s, text, NULL) == MRC_OK;
}

enum mrc_status mrc_train_record_read(struct mrc_train_record *out, const char *run,
                                      struct mrc_error *err) {
    *out = (struct mrc_train_record){.options = MRC_TRAIN_DEFAULTS};
    cJSON *root = NULL;
    enum mrc_status status = read_tree(&root, run, err);
    if (status != MRC_OK) return status;
    out->owner = root;
    for (size_t i = 0; status == MRC_OK && i < mrc_train_setting_count(); ++i) {
        const struct mrc_train_setting row = mrc_train_setting(i);
        const char *group = group_names[row.group], *key = row.setting.json;
        const cJSON *node = group != NULL ? cJSON_GetObjectItem(root, group) : root;
        if (!read_setting(&out->options, cJSON_GetObjectItem(node, key), &row.setting))
            status = mrc_fail(err, MRC_ERR_FORMAT,
                              "%s/settings.json: %s is missing or out of range, expected a run of "
                              "this version",
                              run, key);
    }
    const cJSON *hash =
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, group_names[MRC_GROUP_DATA]), "sha256");
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
