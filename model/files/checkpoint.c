/* checkpoint.c: what of a cyclegan goes into a safetensors file, and back.
 * Tensors of a complete checkpoint: "G.<p>", "G.ema.<p>" with a moving average, "G.adam_m.<p>",
 * "G.adam_v.<p>", the same for F, and for D_X and D_Y without averages; "pool.fake_y" and
 * "pool.fake_x" [images][size][size][channels] with an image pool. A shipped one: "G.<p>" and
 * "F.<p>" only. On the way in, names and shapes are compared with the networks the metadata
 * describe before memory for them is taken. */
#include "model/files/checkpoint.h"
#include "model/files/checkpoint_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "model/files/safetensors.h"
#include "model/gan/cyclegan_internal.h"
#include "model/nets/builders.h"

static const char FORMAT[] = "mrcycle-1", WITH_CONTRACT[] = "mrcycle-2";
static const char COMPLETE[] = "complete", SHIPPED[] = "generators";

/* --- Which tensors --- */

/* One tensor of one block of one network. */
struct stored {
    struct mrc_tensor tensor;
    const mrc_net *net; /* NULL: the block is the tensor */
    size_t index;       /* parameter of the net */
    const float *from;  /* block to write from, or */
    float *to;          /* block to read into; NULL: only compare */
};
struct stored_list {
    struct stored *items;
    size_t count, capacity;
    bool failed; /* out of memory */
};

static void add_block(struct stored_list *list, enum mrc_cyclegan_net which, const char *group,
                      const mrc_net *net, const float *from, float *to, enum mrc_tensor_type type) {
    size_t parameters = mrc_net_parameter_count(net);
    void *items = list->items;
    if (!mrc_grow(&items, &list->capacity, list->count + parameters, sizeof(*list->items)))
        list->failed = true;
    list->items = items;
    for (size_t i = 0; !list->failed && i < parameters; ++i) {
        const struct mrc_parameter *p = mrc_net_parameter(net, i);
        struct stored *item = &list->items[list->count++];
        *item = (struct stored){.tensor = {.type = type, .rank = p->rank},
                                .net = net,
                                .index = i,
                                .from = from,
                                .to = to};
        (void)snprintf(item->tensor.name, sizeof(item->tensor.name), "%s.%s%s",
                       mrc_cyclegan_net_name(which), group, p->name);
        memcpy(item->tensor.shape, p->shape, sizeof(p->shape));
    }
}

static void add_pool(struct stored_list *list, int direction, float *images,
                     const struct mrc_cyclegan_settings *s) {
    void *items = list->items;
    if (!mrc_grow(&items, &list->capacity, list->count + 1, sizeof(*list->items)))
        list->failed = true;
    list->items = items;
    if (list->failed) return;
    struct stored *item = &list->items[list->count++];
    *item = (struct stored){.tensor = {.type = MRC_TENSOR_F32,
                                       .rank = 4,
                                       .shape = {s->pool_size, s->size, s->size, s->channels}},
                            .from = images,
                            .to = images};
    (void)snprintf(item->tensor.name, sizeof(item->tensor.name), "pool.fake_%c", "yx"[direction]);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct stored *)a)->tensor.name, ((const struct stored *)b)->tensor.name);
}

static enum mrc_status sort_list(struct stored_list *list, const char *path,
                                 struct mrc_error *err) {
    if (list->failed)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for the list of tensors", path);
    qsort(list->items, list->count, sizeof(*list->items), by_name);
    return MRC_OK;
}

/* All of a complete checkpoint. state NULL: names and shapes only, for nets without memory. */
static void list_complete(struct stored_list *list, mrc_net *const nets[MRC_NET_COUNT],
                          const struct cyclegan_state *state,
                          const struct mrc_cyclegan_settings *s) {
    for (int i = 0; i < MRC_NET_COUNT; ++i) {
        enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)i;
        float *values = state != NULL ? mrc_net_values(nets[i]) : NULL;
        float *m = state != NULL ? state->m[i] : NULL, *v = state != NULL ? state->v[i] : NULL;
        add_block(list, which, "", nets[i], values, values, MRC_TENSOR_F32);
        add_block(list, which, "adam_m.", nets[i], m, m, MRC_TENSOR_F32);
        add_block(list, which, "adam_v.", nets[i], v, v, MRC_TENSOR_F32);
        if (i >= GENERATORS) continue;
        if (s->pool_size > 0) add_pool(list, i, state != NULL ? state->pool[i] : NULL, s);
        if (!(s->ema_decay > 0.0)) continue;
        float *average = state != NULL ? state->average[i] : NULL;
        add_block(list, which, "ema.", nets[i], average, average, MRC_TENSOR_F32);
    }
}

/* --- Hash --- */

/* The hash covers the weights of the generators, not the moments. */
static bool is_hashed(const char *name) {
    bool of_generator = strncmp(name, "G.", 2) == 0 || strncmp(name, "F.", 2) == 0;
    return of_generator && strncmp(name + 2, "adam_", 5) != 0;
}

static void hash_tensor(mrc_hash *hash, const struct mrc_tensor *tensor,
                        const unsigned char *bytes) {
    char side[32];
    mrc_hash_add_text(hash, tensor->name);
    mrc_hash_add_text(hash, mrc_tensor_type_name(tensor->type));
    for (int i = 0; i < tensor->rank; ++i) {
        (void)snprintf(side, sizeof(side), "%" PRId64, tensor->shape[i]);
        mrc_hash_add_text(hash, side);
    }
    mrc_hash_add(hash, bytes, mrc_tensor_bytes(tensor));
}

static void finish_hash(mrc_hash *hash, char out[MRC_HASH_TEXT]) {
    uint8_t digest[MRC_HASH_BYTES];
    mrc_hash_finish(hash, digest);
    mrc_hash_print(out, digest);
}

/* --- Metadata --- */

/* What a checkpoint counts beside the settings of its model, which are rows of their own. */
static const struct field {
    const char *key;
    size_t offset; /* into struct mrc_checkpoint_info */
    bool later;    /* files of earlier versions do not have it: 0 */
} fields[] = {
#define FIELD(member, later)                                                                       \
    { #member, offsetof(struct mrc_checkpoint_info, member), later }
    FIELD(step, false),     FIELD(epoch, false), FIELD(epochs, false),
    FIELD(rollbacks, true), FIELD(finest, true),
#undef FIELD
};
enum {
    FIELDS = sizeof(fields) / sizeof(fields[0]),
    TEXTS = 11 + 2 * MRC_CONTRACT_CONTRASTS + MRC_CONTRACT_KEYS,
    NUMBER_TEXT = 40,
    TRAINED_TEXT = 200,
    CALIBRATION_TEXT = 9 * (MRC_CALIBRATION_HEADS + 1),
    KEY_TEXT = 32
};
/* Of the figures: others would have another number. */
static const char trained_form[] = "1", calibration_form[] = "1";

/* Metadata as they are written; numbers keep their text here. */
struct metadata {
    struct mrc_metadata pairs[FIELDS + MRC_CYCLEGAN_SETTING_COUNT + TEXTS];
    size_t count;
    char numbers[FIELDS][NUMBER_TEXT];
    char settings[MRC_CYCLEGAN_SETTING_COUNT][MRC_SETTING_TEXT];
    char trained[MRC_CONTRACT_CONTRASTS][TRAINED_TEXT];
    char trained_keys[MRC_CONTRACT_CONTRASTS][KEY_TEXT];
    char calibration[MRC_CONTRACT_CONTRASTS][CALIBRATION_TEXT];
    char calibration_keys[MRC_CONTRACT_CONTRASTS][KEY_TEXT];
    char contract[MRC_CONTRACT_KEYS][MRC_CONTRACT_TEXT];
};

static void put_text(struct metadata *out, const char *key, const char *value) {
    MRC_ASSERT(out->count < sizeof out->pairs / sizeof *out->pairs);
    out->pairs[out->count++] = (struct mrc_metadata){key, value};
}

/* "trained_T1w" */
static void contrast_key(char out[KEY_TEXT], const char *word, const struct mrc_contract *contract,
                         int which) {
    (void)snprintf(out, KEY_TEXT, "%s_%s", word, mrc_contrast_name(contract->contrasts[which]));
}

/* "1 32 -1.06 0.24 …": form, slices, figures. */
static void put_trained(struct metadata *out, int which, const struct mrc_trained_images *images,
                        const struct mrc_contract *contract) {
    char number[NUMBER_TEXT];
    size_t used = (size_t)snprintf(out->trained[which], TRAINED_TEXT, "%s %" PRId64, trained_form,
                                   images->slices);
    if (images->slices == 0) return;
    for (int f = 0; f < MRC_TRAINED_FIGURES; ++f) {
        mrc_print_decimal(number, 18, images->figures[f]);
        used += (size_t)snprintf(out->trained[which] + used, TRAINED_TEXT - used, " %s", number);
    }
    contrast_key(out->trained_keys[which], "trained", contract, which);
    put_text(out, out->trained_keys[which], out->trained[which]);
}

/* "1 0.0612 0.0581 …": form, a figure a head. */
static void put_calibration(struct metadata *out, int which, const struct mrc_calibration *heads,
                            const struct mrc_contract *contract) {
    char number[NUMBER_TEXT], *text = out->calibration[which];
    size_t used = (size_t)snprintf(text, CALIBRATION_TEXT, "%s", calibration_form);
    if (heads->count == 0) return;
    for (int64_t h = 0; h < heads->count; ++h) {
        mrc_print_decimal(number, 9, heads->errors[h]);
        used += (size_t)snprintf(text + used, CALIBRATION_TEXT - used, " %s", number);
    }
    contrast_key(out->calibration_keys[which], "calibration", contract, which);
    put_text(out, out->calibration_keys[which], text);
}

/* Two are numbers here, as they have been since before they had words. */
static void put_settings(struct metadata *out, const struct mrc_cyclegan_settings *settings) {
    for (size_t i = 0; i < MRC_CYCLEGAN_SETTING_COUNT; ++i) {
        const struct mrc_setting *s = mrc_cyclegan_setting(i);
        struct mrc_setting written = *s;
        if (s->kind == MRC_SETTING_GENERATOR_F || s->kind == MRC_SETTING_DIFF_AUGMENT)
            written.kind = MRC_SETTING_WHOLE;
        mrc_setting_print(out->settings[i], settings, &written);
        put_text(out, s->key, out->settings[i]);
    }
}

static void put_contract(struct metadata *out, const struct mrc_contract *contract) {
    for (int k = 0; k < MRC_CONTRACT_KEYS; ++k) {
        enum mrc_contract_key key = (enum mrc_contract_key)k;
        mrc_contract_print(out->contract[k], contract, key);
        put_text(out, mrc_contract_key_name(key), out->contract[k]);
    }
    put_text(out, "stored", contract->stored ? "1" : "0"); /* for readers of "mrcycle-1" */
}

static void put_all(struct metadata *out, const struct mrc_checkpoint_info *info, bool complete) {
    put_text(out, "format", mrc_contract_is_plain(&info->contract) ? FORMAT : WITH_CONTRACT);
    put_text(out, "content", complete ? COMPLETE : SHIPPED);
    put_text(out, "name", info->name);
    put_text(out, "version", info->version);
    put_text(out, "data", info->data);
    put_text(out, "hash", info->hash);
    put_settings(out, &info->settings);
    for (int i = 0; i < info->contract.contrast_count; ++i) {
        put_trained(out, i, &info->trained[i], &info->contract);
        put_calibration(out, i, &info->calibration[i], &info->contract);
    }
    put_contract(out, &info->contract);
    for (size_t i = 0; i < FIELDS; ++i) {
        int64_t whole;
        memcpy(&whole, (const char *)info + fields[i].offset, sizeof(whole));
        (void)snprintf(out->numbers[i], NUMBER_TEXT, "%" PRId64, whole);
        put_text(out, fields[i].key, out->numbers[i]);
    }
}

static enum mrc_status need_text(const char **out, const mrc_safetensors *file, const char *key,
                                 const char *path, struct mrc_error *err) {
    *out = mrc_safetensors_metadata(file, key);
    if (*out != NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_FORMAT,
                    "%s: metadata without \"%s\", expected a checkpoint of mrcycle", path, key);
}

static enum mrc_status bad_value(const char *path, const char *key, const char *text,
                                 struct mrc_error *err) {
    char plain[NUMBER_TEXT];
    mrc_text_plain(plain, sizeof(plain), text);
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: metadata \"%s\" is \"%s\", which cannot be used",
                    path, key, plain);
}

static enum mrc_status get_text(char *out, size_t capacity, const mrc_safetensors *file,
                                const char *key, const char *path, struct mrc_error *err) {
    const char *text = NULL;
    enum mrc_status st = need_text(&text, file, key, path, err);
    if (st == MRC_OK) mrc_text_plain(out, capacity, text);
    return st;
}

static enum mrc_status get_field(struct mrc_checkpoint_info *info, const struct field *field,
                                 const mrc_safetensors *file, const char *path,
                                 struct mrc_error *err) {
    const char *text = NULL;
    int64_t whole = 0;
    if (field->later && mrc_safetensors_metadata(file, field->key) == NULL) return MRC_OK;
    enum mrc_status st = need_text(&text, file, field->key, path, err);
    if (st != MRC_OK) return st;
    if (mrc_parse_i64(&whole, text, 0, INT64_MAX) != MRC_OK)
        return bad_value(path, field->key, text, err);
    memcpy((char *)info + field->offset, &whole, sizeof(whole));
    return MRC_OK;
}

static enum mrc_status get_setting(struct mrc_cyclegan_settings *settings,
                                   const struct mrc_setting *s, const mrc_safetensors *file,
                                   const char *path, struct mrc_error *err) {
    const char *text = mrc_safetensors_metadata(file, s->key);
    enum mrc_status st = MRC_OK;
    if (text == NULL) text = s->before;
    if (text == NULL) st = need_text(&text, file, s->key, path, err);
    if (st == MRC_OK && mrc_setting_parse(settings, s, text, NULL) != MRC_OK)
        st = bad_value(path, s->key, text, err);
    return st;
}

/* What a later version may write in another form is not understood and left. */
static enum mrc_status get_trained(struct mrc_trained_images *out, const char *key,
                                   const mrc_safetensors *file, const char *path,
                                   struct mrc_error *err) {
    const char *text = mrc_safetensors_metadata(file, key);
    char word[NUMBER_TEXT];
    *out = (struct mrc_trained_images){0};
    for (int w = 0; text != NULL && w < MRC_TRAINED_FIGURES + 2; ++w) {
        size_t length = strcspn(text, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)length, text);
        text += length + (text[length] == ' ');
        if (w == 0 && strcmp(word, trained_form) != 0) return MRC_OK;
        enum mrc_status st = MRC_OK;
        if (w == 1)
            st = mrc_parse_i64(&out->slices, word, 1, INT64_MAX);
        else if (w > 1)
            st = mrc_parse_f64(&out->figures[w - 2], word, -1e6, 1e6);
        if (st != MRC_OK) return bad_value(path, key, word, err);
    }
    return MRC_OK;
}

static enum mrc_status get_calibration(struct mrc_calibration *out, const char *key,
                                       const mrc_safetensors *file, const char *path,
                                       struct mrc_error *err) {
    const char *text = mrc_safetensors_metadata(file, key);
    char word[NUMBER_TEXT];
    *out = (struct mrc_calibration){0};
    for (int w = 0; text != NULL && *text != '\0'; ++w) {
        size_t length = strcspn(text, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)length, text);
        text += length + (text[length] == ' ');
        if (w == 0 && strcmp(word, calibration_form) != 0) return MRC_OK;
        if (w == 0) continue;
        if (w > MRC_CALIBRATION_HEADS ||
            mrc_parse_f64(&out->errors[w - 1], word, 0.0, 1e3) != MRC_OK)
            return bad_value(path, key, word, err);
        out->count = w;
    }
    return MRC_OK;
}

/* What a file does not say is what such files were trained on. */
static enum mrc_status get_contract(struct mrc_checkpoint_info *info, const mrc_safetensors *file,
                                    const char *path, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &info->settings;
    const char *stored = mrc_safetensors_metadata(file, "stored");
    struct mrc_contract *c = &info->contract;
    struct mrc_error why = {0};
    enum mrc_status st = MRC_OK;
    *c = mrc_contract_of_slices(s->size, s->channels, stored != NULL && strcmp(stored, "1") == 0);
    for (int k = 0; st == MRC_OK && k < MRC_CONTRACT_KEYS; ++k) {
        enum mrc_contract_key key = (enum mrc_contract_key)k;
        const char *text = mrc_safetensors_metadata(file, mrc_contract_key_name(key));
        if (text != NULL) st = mrc_contract_parse(c, key, text, &why);
    }
    if (st == MRC_OK) st = mrc_contract_check(c, &why);
    if (st == MRC_OK && (c->sample.c != s->channels || c->sample.h != s->size))
        st = mrc_fail(&why, MRC_ERR_FORMAT, "sample is not of the networks' size and channels");
    return st == MRC_OK ? st : mrc_fail(err, MRC_ERR_FORMAT, "%s: metadata: %s", path, why.text);
}

static enum mrc_status get_content(struct mrc_checkpoint_info *info, const mrc_safetensors *file,
                                   const char *path, struct mrc_error *err) {
    const char *text = NULL;
    enum mrc_status st = need_text(&text, file, "content", path, err);
    if (st != MRC_OK) return st;
    info->complete = strcmp(text, COMPLETE) == 0;
    if (!info->complete && strcmp(text, SHIPPED) != 0) return bad_value(path, "content", text, err);
    return MRC_OK;
}

static enum mrc_status check_complete(const struct mrc_checkpoint_info *info, const char *path,
                                      struct mrc_error *err) {
    if (info->complete) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: holds the generators only, expected a complete checkpoint to go on from",
                    path);
}

/* Metadata -> *info, with every setting in its range. */
static enum mrc_status read_info(struct mrc_checkpoint_info *info, const mrc_safetensors *file,
                                 const char *path, struct mrc_error *err) {
    *info = (struct mrc_checkpoint_info){0};
    enum mrc_status st = get_text(info->format, sizeof(info->format), file, "format", path, err);
    if (st == MRC_OK && strcmp(info->format, FORMAT) != 0 &&
        strcmp(info->format, WITH_CONTRACT) != 0)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: format \"%s\", expected \"%s\" or \"%s\"", path,
                      info->format, FORMAT, WITH_CONTRACT);
    if (st == MRC_OK) st = get_text(info->name, sizeof(info->name), file, "name", path, err);
    if (st == MRC_OK)
        st = get_text(info->version, sizeof(info->version), file, "version", path, err);
    if (st == MRC_OK) st = get_text(info->data, sizeof(info->data), file, "data", path, err);
    if (st == MRC_OK) st = get_text(info->hash, sizeof(info->hash), file, "hash", path, err);
    if (st == MRC_OK) st = get_content(info, file, path, err);
    for (size_t i = 0; st == MRC_OK && i < FIELDS; ++i)
        st = get_field(info, &fields[i], file, path, err);
    for (size_t i = 0; st == MRC_OK && i < MRC_CYCLEGAN_SETTING_COUNT; ++i)
        st = get_setting(&info->settings, mrc_cyclegan_setting(i), file, path, err);
    if (st != MRC_OK) return st;
    struct mrc_error reason = {0};
    if (cyclegan_check_settings(&info->settings, &reason) != MRC_OK)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: metadata: %s", path, reason.text);
    st = get_contract(info, file, path, err);
    for (int i = 0; st == MRC_OK && i < info->contract.contrast_count; ++i) {
        char key[KEY_TEXT];
        contrast_key(key, "trained", &info->contract, i);
        st = get_trained(&info->trained[i], key, file, path, err);
        contrast_key(key, "calibration", &info->contract, i);
        if (st == MRC_OK) st = get_calibration(&info->calibration[i], key, file, path, err);
    }
    return st;
}

/* --- Saving --- */

struct saving {
    const struct stored *items;
    float *values; /* room for the largest tensor */
};

static void fill(void *context, size_t index, unsigned char *bytes) {
    const struct saving *saving = context;
    const struct stored *item = &saving->items[index];
    const float *values = item->from;
    if (item->net != NULL) {
        mrc_net_export(item->net, item->index, item->from, saving->values);
        values = saving->values;
    }
    mrc_tensor_encode(bytes, values, mrc_tensor_count(&item->tensor), item->tensor.type);
}

static size_t largest_count(const struct stored_list *list) {
    size_t largest = 0;
    for (size_t i = 0; i < list->count; ++i) {
        size_t count = mrc_tensor_count(&list->items[i].tensor);
        if (count > largest) largest = count;
    }
    return largest;
}

static enum mrc_status hash_list(char out[MRC_HASH_TEXT], const struct stored_list *list,
                                 struct saving *saving, unsigned char *bytes,
                                 struct mrc_error *err) {
    mrc_hash *hash = NULL;
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    for (size_t i = 0; i < list->count; ++i) {
        if (!is_hashed(list->items[i].tensor.name)) continue;
        fill(saving, i, bytes);
        hash_tensor(hash, &list->items[i].tensor, bytes);
    }
    finish_hash(hash, out);
    mrc_hash_destroy(hash);
    return MRC_OK;
}

static enum mrc_status save_list(struct stored_list *list, struct mrc_checkpoint_info *info,
                                 bool complete, const char *path, struct mrc_error *err) {
    size_t largest = largest_count(list);
    struct saving saving = {.items = list->items, .values = mrc_alloc(largest, sizeof(float))};
    unsigned char *bytes = mrc_alloc(largest, sizeof(float));
    struct mrc_tensor *tensors = mrc_alloc(list->count, sizeof(*tensors));
    struct metadata *metadata = mrc_alloc(1, sizeof(*metadata));
    enum mrc_status st = MRC_OK;
    if (saving.values == NULL || bytes == NULL || tensors == NULL || metadata == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a checkpoint", path);
    if (st == MRC_OK) st = hash_list(info->hash, list, &saving, bytes, err);
    if (st == MRC_OK) {
        for (size_t i = 0; i < list->count; ++i) tensors[i] = list->items[i].tensor;
        put_all(metadata, info, complete);
        struct mrc_safetensors_content content = {.metadata = metadata->pairs,
                                                  .metadata_count = metadata->count,
                                                  .tensors = tensors,
                                                  .tensor_count = list->count,
                                                  .fill = fill,
                                                  .context = &saving};
        st = mrc_safetensors_save(&content, path, err);
    }
    mrc_free(metadata);
    mrc_free(tensors);
    mrc_free(bytes);
    mrc_free(saving.values);
    return st;
}

enum mrc_status mrc_checkpoint_save(const mrc_cyclegan *gan, const struct mrc_checkpoint_info *info,
                                    const struct mrc_checkpoint_options *options, const char *path,
                                    struct mrc_error *err) {
    MRC_ASSERT(gan != NULL && info != NULL && options != NULL && path != NULL);
    struct mrc_checkpoint_info written = *info;
    written.settings = *mrc_cyclegan_get_settings(gan);
    written.step = mrc_cyclegan_steps(gan);
    if (info->contract.contrast_count == 0) /* not told */
        written.contract = mrc_contract_of_slices(written.settings.size, written.settings.channels,
                                                  info->contract.stored);
    written.contract.sample.c = written.settings.channels;
    written.contract.sample.h = written.contract.sample.w = written.settings.size;

    struct stored_list list = {0};
    const struct cyclegan_state *state = cyclegan_state_of(gan);
    if (options->complete) {
        list_complete(&list, cyclegan_nets_of(gan), state, mrc_cyclegan_get_settings(gan));
    } else {
        enum mrc_tensor_type type = options->half ? MRC_TENSOR_F16 : MRC_TENSOR_F32;
        for (int i = 0; i < GENERATORS; ++i) {
            enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)i;
            add_block(&list, which, "", cyclegan_nets_of(gan)[i],
                      mrc_cyclegan_best_weights(gan, which), NULL, type);
        }
    }
    enum mrc_status st = sort_list(&list, path, err);
    if (st == MRC_OK) st = save_list(&list, &written, options->complete, path, err);
    mrc_free(list.items);
    return st;
}

/* --- Loading --- */

static enum mrc_status compare_tensor(const struct mrc_tensor *wanted, const mrc_safetensors *file,
                                      const char *path, struct mrc_error *err) {
    const struct mrc_tensor *found = mrc_safetensors_find(file, wanted->name);
    if (found == NULL)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: tensor %s is missing", path, wanted->name);
    bool same = found->rank == wanted->rank;
    for (int i = 0; same && i < wanted->rank; ++i) same = found->shape[i] == wanted->shape[i];
    if (!same)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: tensor %s has a shape other than the network of the metadata", path,
                        wanted->name);
    return MRC_OK;
}

static enum mrc_status compare_list(const struct stored_list *list, const mrc_safetensors *file,
                                    const char *path, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < list->count; ++i)
        st = compare_tensor(&list->items[i].tensor, file, path, err);
    return st;
}

static size_t largest_bytes(const mrc_safetensors *file) {
    size_t largest = 0;
    for (size_t i = 0; i < mrc_safetensors_count(file); ++i) {
        size_t bytes = mrc_tensor_bytes(mrc_safetensors_tensor(file, i));
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

/* Are the generators' weights those that were written? */
static enum mrc_status check_hash(mrc_safetensors *file, const struct mrc_checkpoint_info *info,
                                  const char *path, struct mrc_error *err) {
    mrc_hash *hash = NULL;
    char found[MRC_HASH_TEXT];
    unsigned char *bytes = mrc_alloc(largest_bytes(file), 1);
    if (bytes == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a tensor", path);
    enum mrc_status st = mrc_hash_create(&hash, err);
    for (size_t i = 0; st == MRC_OK && i < mrc_safetensors_count(file); ++i) {
        const struct mrc_tensor *tensor = mrc_safetensors_tensor(file, i);
        if (!is_hashed(tensor->name)) continue;
        st = mrc_safetensors_read(file, tensor, bytes, err);
        if (st == MRC_OK) hash_tensor(hash, tensor, bytes);
    }
    if (st == MRC_OK) {
        finish_hash(hash, found);
        if (strcmp(found, info->hash) != 0)
            st = mrc_fail(err, MRC_ERR_FORMAT,
                          "%s: weights have the hash %.16s..., the metadata say %.16s...: the file "
                          "was changed",
                          path, found, info->hash);
    }
    mrc_hash_destroy(hash);
    mrc_free(bytes);
    return st;
}

static enum mrc_status load_tensor(const struct stored *item, mrc_safetensors *file,
                                   unsigned char *bytes, float *values, const char *path,
                                   struct mrc_error *err) {
    const struct mrc_tensor *tensor = mrc_safetensors_find(file, item->tensor.name);
    MRC_ASSERT(tensor != NULL && item->to != NULL);
    enum mrc_status st = mrc_safetensors_read(file, tensor, bytes, err);
    if (st != MRC_OK) return st;
    size_t count = mrc_tensor_count(tensor);
    mrc_tensor_decode(values, bytes, count, tensor->type);
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i]))
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: tensor %s holds a value that is not finite",
                            path, tensor->name);
    if (item->net != NULL)
        mrc_net_import(item->net, item->index, values, item->to);
    else
        memcpy(item->to, values, count * sizeof(float));
    return MRC_OK;
}

/* Reads every tensor of a list that has been compared. */
static enum mrc_status load_list(const struct stored_list *list, mrc_safetensors *file,
                                 const char *path, struct mrc_error *err) {
    size_t largest = largest_count(list);
    unsigned char *bytes = mrc_alloc(largest, sizeof(float));
    float *values = mrc_alloc(largest, sizeof(float));
    enum mrc_status st = MRC_OK;
    if (bytes == NULL || values == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a tensor", path);
    for (size_t i = 0; st == MRC_OK && i < list->count; ++i)
        st = load_tensor(&list->items[i], file, bytes, values, path, err);
    mrc_free(values);
    mrc_free(bytes);
    return st;
}

static enum mrc_status open_file(mrc_safetensors **out, struct mrc_checkpoint_info *info,
                                 const char *path, struct mrc_error *err) {
    mrc_safetensors *file = NULL;
    enum mrc_status st = mrc_safetensors_open(&file, path, err);
    if (st == MRC_OK) st = read_info(info, file, path, err);
    if (st != MRC_OK) {
        mrc_safetensors_close(file);
        return st;
    }
    *out = file;
    return MRC_OK;
}

/* There is a generator for each of two contrasts; a file of more is for a later program. */
static enum mrc_status check_contrasts(const struct mrc_checkpoint_info *info, const char *path,
                                       struct mrc_error *err) {
    char words[MRC_CONTRACT_TEXT];
    if (info->contract.contrast_count == GENERATORS) return MRC_OK;
    mrc_contract_print(words, &info->contract, MRC_CONTRACT_LIST);
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: a model of %s, expected one of two contrasts: its two generators "
                    "translate between no more",
                    path, words);
}

static enum mrc_status open_networks(mrc_safetensors **out, struct mrc_checkpoint_info *info,
                                     const char *path, struct mrc_error *err) {
    enum mrc_status st = open_file(out, info, path, err);
    if (st == MRC_OK) st = check_contrasts(info, path, err);
    if (st == MRC_OK) return MRC_OK;
    mrc_safetensors_close(*out);
    *out = NULL;
    return st;
}

enum mrc_cyclegan_net mrc_checkpoint_generator(const struct mrc_checkpoint_info *info,
                                               enum mrc_contrast to) {
    return mrc_contract_index(&info->contract, to) == 1 ? MRC_NET_G : MRC_NET_F;
}

bool mrc_checkpoint_probe(const unsigned char *head, size_t size) {
    enum { LENGTH_BYTES = 8, LONGEST_HEADER_BYTES = 4 }; /* 100 MB fit in four bytes */
    if (size <= LENGTH_BYTES || head[LENGTH_BYTES] != '{') return false;
    for (int i = LONGEST_HEADER_BYTES; i < LENGTH_BYTES; ++i)
        if (head[i] != 0) return false;
    return true;
}

enum mrc_status mrc_checkpoint_describe(struct mrc_checkpoint_info *out, const char *path,
                                        struct mrc_error *err) {
    MRC_ASSERT(out != NULL && path != NULL);
    mrc_safetensors *file = NULL;
    enum mrc_status st = open_file(&file, out, path, err);
    mrc_safetensors_close(file);
    return st;
}

/* All tensors of a file, one behind the other. */
struct copying {
    const struct mrc_tensor *tensors;
    const unsigned char *bytes;
};

static void fill_copy(void *context, size_t index, unsigned char *bytes) {
    const struct copying *copying = context;
    const unsigned char *at = copying->bytes;
    for (size_t i = 0; i < index; ++i) at += mrc_tensor_bytes(&copying->tensors[i]);
    memcpy(bytes, at, mrc_tensor_bytes(&copying->tensors[index]));
}

static enum mrc_status rewrite(mrc_safetensors *file, const struct mrc_checkpoint_info *info,
                               const char *path, struct mrc_error *err) {
    const size_t count = mrc_safetensors_count(file);
    size_t all = 1, at = 0;
    for (size_t i = 0; i < count; ++i) all += mrc_tensor_bytes(mrc_safetensors_tensor(file, i));
    struct mrc_tensor *tensors = mrc_alloc(count, sizeof(*tensors));
    unsigned char *bytes = mrc_alloc(all, 1);
    struct metadata *metadata = mrc_alloc(1, sizeof(*metadata));
    enum mrc_status st = MRC_OK;
    if (tensors == NULL || bytes == NULL || metadata == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a checkpoint", path);
    for (size_t i = 0; st == MRC_OK && i < count; ++i) {
        tensors[i] = *mrc_safetensors_tensor(file, i);
        st = mrc_safetensors_read(file, &tensors[i], bytes + at, err);
        at += mrc_tensor_bytes(&tensors[i]);
    }
    if (st == MRC_OK) {
        struct copying copying = {.tensors = tensors, .bytes = bytes};
        put_all(metadata, info, info->complete);
        struct mrc_safetensors_content content = {.metadata = metadata->pairs,
                                                  .metadata_count = metadata->count,
                                                  .tensors = tensors,
                                                  .tensor_count = count,
                                                  .fill = fill_copy,
                                                  .context = &copying};
        st = mrc_safetensors_save(&content, path, err);
    }
    mrc_free(metadata);
    mrc_free(bytes);
    mrc_free(tensors);
    return st;
}

enum mrc_status mrc_checkpoint_rewrite(const char *from, const struct mrc_checkpoint_info *info,
                                       const char *path, struct mrc_error *err) {
    mrc_safetensors *file = NULL;
    struct mrc_checkpoint_info there;
    enum mrc_status st = open_file(&file, &there, from, err);
    if (st == MRC_OK) st = check_hash(file, &there, from, err);
    if (st == MRC_OK) st = rewrite(file, info, path, err);
    mrc_safetensors_close(file);
    return st;
}

/* The file holds what a model of these settings needs; nothing large has been allocated yet. */
static enum mrc_status compare_complete(const struct mrc_cyclegan_settings *s,
                                        const mrc_safetensors *file, const char *path,
                                        struct mrc_error *err) {
    mrc_net *nets[MRC_NET_COUNT] = {NULL};
    struct mrc_generator_settings generator = cyclegan_generator_settings(s);
    struct stored_list list = {0};
    enum mrc_status st = MRC_OK;
    for (int i = 0; st == MRC_OK && i < MRC_NET_COUNT; ++i)
        st = i < GENERATORS
                 ? net_declare_generator(&nets[i],
                                         mrc_cyclegan_generator_of(s, (enum mrc_cyclegan_net)i),
                                         &generator, err)
                 : net_declare_patchgan(&nets[i], 2, s->channels, s->discriminator_width, err);
    if (st == MRC_OK) list_complete(&list, nets, NULL, s);
    if (st == MRC_OK) st = sort_list(&list, path, err);
    if (st == MRC_OK) st = compare_list(&list, file, path, err);
    mrc_free(list.items);
    for (int i = 0; i < MRC_NET_COUNT; ++i) mrc_net_destroy(nets[i]);
    return st;
}

enum mrc_status mrc_checkpoint_load(mrc_cyclegan **out, struct mrc_checkpoint_info *info,
                                    const char *path, struct mrc_error *err) {
    MRC_ASSERT(out != NULL && info != NULL && path != NULL);
    mrc_safetensors *file = NULL;
    mrc_cyclegan *gan = NULL;
    struct stored_list list = {0};
    enum mrc_status st = open_networks(&file, info, path, err);
    if (st == MRC_OK) st = check_complete(info, path, err);
    if (st == MRC_OK) st = compare_complete(&info->settings, file, path, err);
    if (st == MRC_OK) st = check_hash(file, info, path, err);
    if (st == MRC_OK) st = mrc_cyclegan_create(&gan, &info->settings, err);
    if (st == MRC_OK) {
        struct cyclegan_state *state = cyclegan_state_of(gan);
        list_complete(&list, cyclegan_nets_of(gan), state, mrc_cyclegan_get_settings(gan));
        st = sort_list(&list, path, err);
    }
    if (st == MRC_OK) st = load_list(&list, file, path, err);
    if (st == MRC_OK) cyclegan_state_of(gan)->steps = info->step;
    mrc_free(list.items);
    mrc_safetensors_close(file);
    if (st != MRC_OK) {
        mrc_cyclegan_destroy(gan);
        return st;
    }
    *out = gan;
    return MRC_OK;
}

/* The moving average of a complete checkpoint is the generator to use. */
static const char *best_group(const mrc_safetensors *file, enum mrc_cyclegan_net which) {
    char prefix[16];
    (void)snprintf(prefix, sizeof(prefix), "%s.ema.", mrc_cyclegan_net_name(which));
    for (size_t i = 0; i < mrc_safetensors_count(file); ++i)
        if (strncmp(mrc_safetensors_tensor(file, i)->name, prefix, strlen(prefix)) == 0)
            return "ema.";
    return "";
}

/* Of the file only the best weights of the generators, and the discriminators where it has them. */
static void list_beginning(struct stored_list *list, mrc_cyclegan *gan, const mrc_safetensors *file,
                           bool complete) {
    mrc_net *const *nets = cyclegan_nets_of(gan);
    for (int i = 0; i < (complete ? MRC_NET_COUNT : GENERATORS); ++i) {
        enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)i;
        add_block(list, which, i < GENERATORS ? best_group(file, which) : "", nets[i], NULL,
                  mrc_net_values(nets[i]), MRC_TENSOR_F32);
    }
}

/* The tensors of one kind may be a part of another's. */
static enum mrc_status compare_generators(const struct mrc_cyclegan_settings *own,
                                          const struct mrc_cyclegan_settings *of_file,
                                          const char *path, struct mrc_error *err) {
    bool same = own->depth == of_file->depth && own->channels == of_file->channels;
    for (int i = 0; i < GENERATORS; ++i) {
        enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)i;
        same = same &&
               mrc_cyclegan_generator_of(own, which) == mrc_cyclegan_generator_of(of_file, which);
    }
    if (same) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "%s: generators of another kind, depth or number of channels, expected the "
                    "same as those to be trained (mrcycle info shows them)",
                    path);
}

static void begin_averages(mrc_cyclegan *gan) {
    struct cyclegan_state *state = cyclegan_state_of(gan);
    for (int i = 0; i < GENERATORS; ++i) {
        mrc_net *net = cyclegan_nets_of(gan)[i];
        if (state->average[i] != NULL)
            memcpy(state->average[i], mrc_net_values(net), mrc_net_size(net) * sizeof(float));
    }
}

enum mrc_status mrc_checkpoint_begin_with(mrc_cyclegan *gan, struct mrc_checkpoint_info *info,
                                          const char *path, struct mrc_error *err) {
    MRC_ASSERT(gan != NULL && info != NULL && path != NULL);
    mrc_safetensors *file = NULL;
    struct stored_list list = {0};
    struct mrc_error why = {0};
    enum mrc_status st = open_networks(&file, info, path, err);
    if (st == MRC_OK)
        st = compare_generators(mrc_cyclegan_get_settings(gan), &info->settings, path, err);
    if (st == MRC_OK) {
        list_beginning(&list, gan, file, info->complete);
        st = sort_list(&list, path, err);
    }
    if (st == MRC_OK && compare_list(&list, file, path, &why) != MRC_OK)
        st = mrc_fail(err, MRC_ERR_ARGUMENT, "%s, expected networks of the same kind and width",
                      why.text);
    if (st == MRC_OK) st = check_hash(file, info, path, err);
    if (st == MRC_OK) st = load_list(&list, file, path, err);
    if (st == MRC_OK) begin_averages(gan);
    mrc_free(list.items);
    mrc_safetensors_close(file);
    return st;
}

enum mrc_status checkpoint_load_generator(mrc_net **out, struct mrc_checkpoint_info *info,
                                          const char *path, enum mrc_cyclegan_net which,
                                          struct mrc_error *err) {
    mrc_safetensors *file = NULL;
    mrc_net *net = NULL;
    struct stored_list list = {0};
    enum mrc_status st = open_networks(&file, info, path, err);
    if (st != MRC_OK) return st;
    struct mrc_generator_settings settings = cyclegan_generator_settings(&info->settings);
    st = net_declare_generator(&net, mrc_cyclegan_generator_of(&info->settings, which), &settings,
                               err);
    if (st == MRC_OK) {
        add_block(&list, which, best_group(file, which), net, NULL, NULL, MRC_TENSOR_F32);
        st = sort_list(&list, path, err);
    }
    if (st == MRC_OK) st = compare_list(&list, file, path, err);
    if (st == MRC_OK) st = check_hash(file, info, path, err);
    if (st == MRC_OK) st = net_finish_values(net, err);
    if (st == MRC_OK) {
        for (size_t i = 0; i < list.count; ++i) list.items[i].to = mrc_net_values(net);
        st = load_list(&list, file, path, err);
    }
    mrc_free(list.items);
    mrc_safetensors_close(file);
    if (st != MRC_OK) {
        mrc_net_destroy(net);
        return st;
    }
    *out = net;
    return MRC_OK;
}
