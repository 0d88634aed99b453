/* survey_json.c: a survey for other programs to read. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "app/inspect/survey.h"

#include "base/json.h"

/* Length of the UTF-8 letter at `text`, 0 where there is none (RFC 3629). */
static size_t letter_bytes(const unsigned char *text) {
    static const struct {
        unsigned char first, last, second_low, second_high;
        size_t bytes;
    } forms[] = {
        {0x01, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; ++f) {
        if (text[0] < forms[f].first || text[0] > forms[f].last) continue;
        if (forms[f].bytes == 1) return 1;
        if (text[1] < forms[f].second_low || text[1] > forms[f].second_high) return 0;
        for (size_t i = 2; i < forms[f].bytes; ++i)
            if ((text[i] & 0xC0) != 0x80) return 0;
        return forms[f].bytes;
    }
    return 0;
}

/* Names of files may be any bytes, JSON is UTF-8: what is none becomes U+FFFD. */
static cJSON *create_text(const char *text) {
    struct mrc_text out = {0};
    cJSON *node = NULL;
    while (*text != '\0') {
        size_t bytes = letter_bytes((const unsigned char *)text);
        if (bytes > 0)
            mrc_text_appendf(&out, "%.*s", (int)bytes, text);
        else
            mrc_text_appendf(&out, "\xEF\xBF\xBD");
        text += bytes > 0 ? bytes : 1;
    }
    if (!out.failed) node = cJSON_CreateString(out.data != NULL ? out.data : "");
    mrc_text_clear(&out);
    return node;
}

static void add_text(cJSON *node, const char *key, const char *text) {
    cJSON_AddItemToObject(node, key, create_text(text));
}

static void add_files(cJSON *node, const struct mrc_image_info *image) {
    cJSON *array = cJSON_AddArrayToObject(node, "file_paths");
    for (size_t m = 0; m < image->member_count; ++m)
        cJSON_AddItemToArray(array, create_text(image->members[m]));
}

static void add_image(cJSON *array, const struct mrc_image_info *image, bool files) {
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    add_text(node, "path", image->path);
    cJSON_AddStringToObject(node, "kind", mrc_source_kind_name(image->kind));
    if (image->selector[0] != '\0') add_text(node, "selector", image->selector);
    add_text(node, "modality", image->modality);
    cJSON_AddStringToObject(node, "contrast", mrc_contrast_name(image->contrast));
    cJSON_AddBoolToObject(node, "usable", image->usable);
    add_text(node, "reason", image->reason);
    cJSON_AddBoolToObject(node, "synthetic", image->synthetic);
    cJSON_AddBoolToObject(node, "derived", image->derived);
    cJSON_AddBoolToObject(node, "phantom", image->phantom);
    cJSON_AddBoolToObject(node, "infant", image->infant);
    cJSON_AddNumberToObject(node, "files", (double)image->files);
    cJSON_AddNumberToObject(node, "slices", (double)image->slices);
    cJSON_AddNumberToObject(node, "rows", (double)image->rows);
    cJSON_AddNumberToObject(node, "columns", (double)image->columns);
    if (image->physical) {
        cJSON_AddItemToObject(node, "spacing_mm", cJSON_CreateDoubleArray(image->spacing_mm, 3));
        cJSON_AddStringToObject(node, "orientation", mrc_orientation_name(image->orientation));
    } else {
        cJSON_AddNullToObject(node, "spacing_mm");
        cJSON_AddNullToObject(node, "orientation");
    }
    add_text(node, "manufacturer", image->manufacturer);
    if (files) add_files(node, image);
}

static void add_settings(cJSON *parent, const struct mrc_cyclegan_settings *settings) {
    cJSON *node = cJSON_AddObjectToObject(parent, "settings");
    char text[MRC_SETTING_TEXT];
    double number = 0.0;
    for (size_t i = 0; i < MRC_CYCLEGAN_SETTING_COUNT; ++i) {
        const struct mrc_setting *s = mrc_cyclegan_setting(i);
        bool is_number = s->kind == MRC_SETTING_WHOLE || s->kind == MRC_SETTING_REAL;
        mrc_setting_print(text, settings, s);
        if (is_number && mrc_parse_f64(&number, text, -1e300, 1e300) == MRC_OK)
            cJSON_AddNumberToObject(node, s->json, number);
        else
            cJSON_AddStringToObject(node, s->json, text);
    }
}

static void add_contract(cJSON *parent, const struct mrc_contract *contract) {
    char words[MRC_CONTRACT_TEXT];
    cJSON *node = cJSON_AddObjectToObject(parent, "contract");
    for (int k = 0; k < MRC_CONTRACT_KEYS; ++k) {
        enum mrc_contract_key key = (enum mrc_contract_key)k;
        mrc_contract_print(words, contract, key);
        cJSON_AddStringToObject(node, mrc_contract_key_name(key), words);
    }
}

static void add_checkpoint(cJSON *array, const struct mrc_survey_checkpoint *checkpoint) {
    const struct mrc_checkpoint_info *info = &checkpoint->info;
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    add_text(node, "path", checkpoint->path);
    add_text(node, "format", info->format);
    add_text(node, "name", info->name);
    add_text(node, "version", info->version);
    add_text(node, "data", info->data);
    cJSON_AddStringToObject(node, "hash", info->hash);
    cJSON *networks = cJSON_AddArrayToObject(node, "networks");
    for (int n = 0; n < (info->complete ? MRC_NET_COUNT : 2); ++n)
        cJSON_AddItemToArray(networks,
                             cJSON_CreateString(mrc_cyclegan_net_name((enum mrc_cyclegan_net)n)));
    cJSON_AddNumberToObject(node, "step", (double)info->step);
    cJSON_AddNumberToObject(node, "epoch", (double)info->epoch);
    cJSON_AddNumberToObject(node, "epochs", (double)info->epochs);
    add_contract(node, &info->contract);
    add_settings(node, &info->settings);
}

enum mrc_status mrc_survey_print_json(struct mrc_text *out, const struct mrc_survey *survey,
                                      bool files, struct mrc_error *err) {
    cJSON *root = mrc_json_begin();
    cJSON *series = cJSON_AddArrayToObject(root, "series");
    for (size_t i = 0; i < survey->images.count; ++i)
        add_image(series, &survey->images.items[i], files);
    cJSON *refused = cJSON_AddArrayToObject(root, "refused");
    for (size_t i = 0; i < survey->images.refused_count; ++i) {
        cJSON *node = cJSON_CreateObject();
        cJSON_AddItemToArray(refused, node);
        add_text(node, "path", survey->images.refused[i].path);
        add_text(node, "reason", survey->images.refused[i].reason);
    }
    cJSON *checkpoints = cJSON_AddArrayToObject(root, "checkpoints");
    for (size_t i = 0; i < survey->checkpoint_count; ++i)
        add_checkpoint(checkpoints, &survey->checkpoints[i]);
    char *text = mrc_json_print(root, true);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    bool failed = text == NULL || out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return failed ? mrc_fail(err, MRC_ERR_NOMEM, "info: out of memory") : MRC_OK;
}
