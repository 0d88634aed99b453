/* survey_json.c: a survey for other programs to read. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "app/survey.h"

static void add_image(cJSON *array, const struct mrc_image_info *image) {
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    cJSON_AddStringToObject(node, "path", image->path);
    cJSON_AddStringToObject(node, "kind", mrc_source_kind_name(image->kind));
    cJSON_AddStringToObject(node, "modality", image->modality);
    cJSON_AddStringToObject(node, "contrast", mrc_contrast_name(image->contrast));
    cJSON_AddBoolToObject(node, "usable", image->usable);
    cJSON_AddStringToObject(node, "reason", image->reason);
    cJSON_AddBoolToObject(node, "synthetic", image->synthetic);
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
    cJSON_AddStringToObject(node, "manufacturer", image->manufacturer);
}

static void add_settings(cJSON *parent, const struct mrc_cyclegan_settings *s) {
    cJSON *node = cJSON_AddObjectToObject(parent, "settings");
    cJSON_AddStringToObject(node, "generator", mrc_generator_kind_name(s->generator));
    cJSON_AddStringToObject(node, "gan", mrc_gan_mode_name(s->gan_mode));
    cJSON_AddNumberToObject(node, "channels", (double)s->channels);
    cJSON_AddNumberToObject(node, "size", (double)s->size);
    cJSON_AddNumberToObject(node, "generator_width", (double)s->generator_width);
    cJSON_AddNumberToObject(node, "discriminator_width", (double)s->discriminator_width);
    cJSON_AddNumberToObject(node, "batch", (double)s->batch);
    cJSON_AddNumberToObject(node, "lambda_cycle", s->lambda_cycle);
    cJSON_AddNumberToObject(node, "lambda_identity", s->lambda_identity);
    cJSON_AddNumberToObject(node, "learning_rate", s->learning_rate);
    cJSON_AddNumberToObject(node, "beta1", s->beta1);
    cJSON_AddNumberToObject(node, "beta2", s->beta2);
    cJSON_AddNumberToObject(node, "ema_decay", s->ema_decay);
    char seed[24]; /* as text: a double does not hold every seed */
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    cJSON_AddStringToObject(node, "seed", seed);
}

static void add_checkpoint(cJSON *array, const struct mrc_survey_checkpoint *checkpoint) {
    const struct mrc_checkpoint_info *info = &checkpoint->info;
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    cJSON_AddStringToObject(node, "path", checkpoint->path);
    cJSON_AddStringToObject(node, "format", info->format);
    cJSON_AddStringToObject(node, "name", info->name);
    cJSON_AddStringToObject(node, "version", info->version);
    cJSON_AddStringToObject(node, "data", info->data);
    cJSON_AddStringToObject(node, "hash", info->hash);
    cJSON *networks = cJSON_AddArrayToObject(node, "networks");
    for (int n = 0; n < (info->complete ? MRC_NET_COUNT : 2); ++n)
        cJSON_AddItemToArray(networks,
                             cJSON_CreateString(mrc_cyclegan_net_name((enum mrc_cyclegan_net)n)));
    cJSON_AddNumberToObject(node, "step", (double)info->step);
    cJSON_AddNumberToObject(node, "epoch", (double)info->epoch);
    cJSON_AddNumberToObject(node, "epochs", (double)info->epochs);
    add_settings(node, &info->settings);
}

enum mrc_status mrc_survey_print_json(struct mrc_text *out, const struct mrc_survey *survey,
                                      struct mrc_error *err) {
    cJSON *root = cJSON_CreateObject();
    cJSON *series = cJSON_AddArrayToObject(root, "series");
    for (size_t i = 0; i < survey->images.count; ++i) add_image(series, &survey->images.items[i]);
    cJSON *refused = cJSON_AddArrayToObject(root, "refused");
    for (size_t i = 0; i < survey->images.refused_count; ++i) {
        cJSON *node = cJSON_CreateObject();
        cJSON_AddItemToArray(refused, node);
        cJSON_AddStringToObject(node, "path", survey->images.refused[i].path);
        cJSON_AddStringToObject(node, "reason", survey->images.refused[i].reason);
    }
    cJSON *checkpoints = cJSON_AddArrayToObject(root, "checkpoints");
    for (size_t i = 0; i < survey->checkpoint_count; ++i)
        add_checkpoint(checkpoints, &survey->checkpoints[i]);
    char *text = cJSON_Print(root);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    bool failed = text == NULL || out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return failed ? mrc_fail(err, MRC_ERR_NOMEM, "info: out of memory") : MRC_OK;
}
