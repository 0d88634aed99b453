/* evaluate_table.c: the same numbers for a terminal, a program, a spreadsheet and a reader. */
#include "app/evaluate/evaluate_table.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

#include "app/pages/html.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "metrics/conformal.h"
#include "metrics/radiomics.h"

void mrc_evaluation_clear(struct mrc_evaluation *e) {
    for (size_t d = 0; d < e->direction_count; ++d) {
        struct mrc_eval_direction *direction = &e->directions[d];
        for (size_t n = 0; n < direction->method_count; ++n) {
            struct mrc_eval_method *m = &direction->methods[n];
            for (size_t i = 0; m->slices != NULL && i < m->image_count; ++i) mrc_free(m->slices[i]);
            mrc_free(m->slices);
            mrc_free(m->slice_counts);
            mrc_free(m->images);
        }
        for (size_t p = 0; p < MRC_EVAL_PICTURES; ++p) mrc_free(direction->pictures[p].png);
        mrc_free(direction->methods);
    }
    mrc_free(e->model_hashes);
    *e = (struct mrc_evaluation){0};
}

/* --- Columns --- */

/* What a reader looks at first; all scores are in the files. */
static const struct column {
    const char *head;
    int score, digits;
} COLUMNS[] = {
    {"PSNR dB", MRC_SCORE_PSNR, 2},
    {"SSIM", MRC_SCORE_SSIM, 3},
    {"MAE", MRC_SCORE_MAE, 4},
    {"head PSNR", MRC_SCORE_HEAD_PSNR, 2},
    {"head SSIM", MRC_SCORE_HEAD_SSIM, 3},
    {"head MAE", MRC_SCORE_HEAD_MAE, 4},
    {"NMI", MRC_SCORE_HEAD_NMI, 3},
    {"Dice dark", MRC_SCORE_DICE, 3},
    {"middle", MRC_SCORE_DICE + 1, 3},
    {"bright", MRC_SCORE_DICE + 2, 3},
    {"edges", MRC_SCORE_HEAD_SHARPNESS, 2},
    {"slices", MRC_SCORE_CONSISTENCY, 2},
    {"error of 90 %", MRC_SCORE_ERROR_90, 3},
    {"cycle MAE", MRC_SCORE_CYCLE, 4},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof *COLUMNS };

static void append_number(struct mrc_text *out, int width, int digits, double v) {
    if (isnan(v))
        mrc_text_appendf(out, "%*s", width, "-");
    else
        mrc_text_appendf(out, "%*.*f", width, digits, v);
}

/* --- For a terminal --- */

static bool has_cycle(const struct mrc_eval_method *m) {
    return !isnan(m->mean.value[MRC_SCORE_CYCLE]);
}

static void print_scores(struct mrc_text *out, const struct mrc_score_row *row, double rfd) {
    append_number(out, 8, 2, row->value[MRC_SCORE_PSNR]);
    append_number(out, 7, 3, row->value[MRC_SCORE_SSIM]);
    append_number(out, 7, 3, row->value[MRC_SCORE_MAE]);
    append_number(out, 7, 3, row->value[MRC_SCORE_HEAD_SSIM]);
    append_number(out, 7, 3, row->value[MRC_SCORE_HEAD_MAE]);
    for (int t = 0; t < 3; ++t)
        append_number(out, t == 0 ? 7 : 5, 2, row->value[MRC_SCORE_DICE + t]);
    append_number(out, 8, 1, rfd);
    mrc_text_appendf(out, "\n");
}

static void print_direction(struct mrc_text *out, const struct mrc_eval_direction *d,
                            const struct mrc_evaluation *e) {
    mrc_text_appendf(out, "%s, %zu slices\n%-24s%8s%7s%7s%7s%7s%17s%8s\n", d->name, d->slices, "",
                     "PSNR dB", "SSIM", "MAE", "hSSIM", "hMAE", "Dice of 3 tissues", "RFD");
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_eval_method *m = &d->methods[n];
        mrc_text_appendf(out, "%-24.24s", m->name);
        print_scores(out, &m->mean, m->rfd);
    }
    if (e->model_count > 1) {
        mrc_text_appendf(out, "%-24s", "mean of models");
        print_scores(out, &d->seed_mean, (double)NAN);
        mrc_text_appendf(out, "%-24s", "deviation of models");
        print_scores(out, &d->seed_deviation, (double)NAN);
    }
    mrc_text_appendf(out, "%-24s%60s", "truth, half against half", "");
    append_number(out, 8, 1, d->floor_rfd);
    mrc_text_appendf(out, "\n");
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_eval_method *m = &d->methods[n];
        if (has_cycle(m))
            mrc_text_appendf(out, "%.60s: cycle MAE %.4f\n", m->name,
                             m->mean.value[MRC_SCORE_CYCLE]);
        if (m->lesion.lesions > 0)
            mrc_text_appendf(out,
                             "%.60s: of %zu pasted lesions %.0f %% seen; contrast %.3f in, %.3f "
                             "out\n",
                             m->name, m->lesion.lesions, 100.0 * m->lesion.kept,
                             m->lesion.contrast_in, m->lesion.contrast_out);
    }
    mrc_text_appendf(out, "\n");
}

/* Did the heads keep the bound that the first model promises? */
static void print_coverage(struct mrc_text *out, const struct mrc_eval_direction *d,
                           const struct mrc_calibration *c) {
    const double bound = mrc_conformal_bound(c->errors, (size_t)c->count, MRC_CALIBRATION_COVERAGE);
    size_t within = 0, heads = 0;
    for (size_t n = 0; n < d->methods[0].image_count; ++n) {
        const double error = d->methods[0].images[n].value[MRC_SCORE_ERROR_90];
        if (isnan(error)) continue;
        ++heads;
        within += error <= bound;
    }
    if (isnan(bound) || heads == 0) return;
    mrc_text_appendf(
        out,
        "%.60s: calibrated: 90 %% of a head's voxels within +-%.1f %% of its range, in "
        "%.0f %% of heads; here in %zu of %zu (%.0f %%)\n",
        d->methods[0].name, 100.0 * bound, 100.0 * MRC_CALIBRATION_COVERAGE, within, heads,
        100.0 * (double)within / (double)heads);
}

static const char *fitted_words(const struct mrc_evaluation *e) {
    return e->fitted_to_reference
               ? "Baselines are fitted to the reference set."
               : "Baselines are fitted to the evaluated images themselves: upper bounds of theirs.";
}

static bool is_stored(const struct mrc_evaluation *e) {
    return e->size > 0 ? e->contract.stored : mrc_evaluate_is_stored(e->options);
}

static const char *intensity_words(const struct mrc_evaluation *e) {
    return is_stored(e) ? "Intensities are as stored."
                        : "Intensities are normalised to the head of each image.";
}

void mrc_eval_print(struct mrc_text *out, const struct mrc_evaluation *e) {
    for (size_t d = 0; d < e->direction_count; ++d) {
        print_direction(out, &e->directions[d], e);
        if (e->model_count > 0 && e->paired)
            print_coverage(out, &e->directions[d], &e->calibration[1 - d]);
    }
    if (e->direction_count > 0)
        mrc_text_appendf(out, "%s\n%s\n", intensity_words(e), fitted_words(e));
    if (!isnan(e->fid))
        mrc_text_appendf(out, "imported features: FID %.4f, KID %.6f\n", e->fid, e->kid);
}

/* --- For a program --- */

static void add_number(cJSON *node, const char *key, double v) {
    if (isfinite(v))
        cJSON_AddNumberToObject(node, key, v);
    else
        cJSON_AddNullToObject(node, key);
}

static void add_row(cJSON *parent, const char *key, const struct mrc_score_row *row) {
    cJSON *node = cJSON_AddObjectToObject(parent, key);
    for (int s = 0; s < MRC_SCORE_COUNT; ++s) add_number(node, mrc_score_name(s), row->value[s]);
}

static void add_method(cJSON *array, const struct mrc_eval_method *m) {
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    cJSON_AddStringToObject(node, "name", m->name);
    cJSON_AddStringToObject(node, "kind", m->own ? "translation" : "baseline");
    add_row(node, "mean", &m->mean);
    add_row(node, "sd", &m->deviation);
    add_number(node, "rfd", m->rfd);
    add_number(node, "radiomic_kernel_distance", m->kernel);
    if (m->lesion.lesions > 0) {
        cJSON *lesion = cJSON_AddObjectToObject(node, "lesion_test");
        cJSON_AddNumberToObject(lesion, "lesions", (double)m->lesion.lesions);
        add_number(lesion, "contrast_in", m->lesion.contrast_in);
        add_number(lesion, "contrast_out", m->lesion.contrast_out);
        add_number(lesion, "seen", m->lesion.kept);
        add_number(lesion, "spill", m->lesion.spill);
    }
    cJSON *images = cJSON_AddArrayToObject(node, "images");
    for (size_t n = 0; n < m->image_count; ++n) {
        cJSON *image = cJSON_CreateObject();
        cJSON_AddItemToArray(images, image);
        cJSON_AddNumberToObject(image, "image", (double)n + 1);
        add_row(image, "scores", &m->images[n]);
    }
}

/* What 1 was: scores of models with other limits are of other units. */
static void add_contract(cJSON *root, const struct mrc_evaluation *e) {
    static const enum mrc_contract_key keys[] = {MRC_CONTRACT_NORMALISE, MRC_CONTRACT_ROOM};
    char words[MRC_CONTRACT_TEXT];
    for (size_t k = 0; e->size > 0 && k < sizeof keys / sizeof *keys; ++k) {
        mrc_contract_print(words, &e->contract, keys[k]);
        cJSON_AddStringToObject(root, mrc_contract_key_name(keys[k]), words);
    }
}

static cJSON *to_json(const struct mrc_evaluation *e) {
    cJSON *root = mrc_json_begin();
    cJSON_AddStringToObject(root, "program", "mrcycle evaluation");
    cJSON_AddStringToObject(root, "version", MRC_VERSION);
    cJSON_AddBoolToObject(root, "paired", e->paired);
    cJSON_AddStringToObject(root, "intensities", is_stored(e) ? "stored" : "head");
    add_contract(root, e);
    if (e->model_count > 0) cJSON_AddBoolToObject(root, "mirror", e->mirror);
    cJSON_AddStringToObject(root, "baselines_fitted_to",
                            e->fitted_to_reference ? "reference set" : "evaluated images");
    if (e->size > 0) cJSON_AddNumberToObject(root, "size", (double)e->size);
    cJSON *hashes = cJSON_AddArrayToObject(root, "model_hashes");
    for (size_t n = 0; n < e->model_count; ++n)
        cJSON_AddItemToArray(hashes, cJSON_CreateString(e->model_hashes[n]));
    if (!isnan(e->fid)) {
        cJSON *imported = cJSON_AddObjectToObject(root, "imported_features");
        add_number(imported, "fid", e->fid);
        add_number(imported, "kid", e->kid);
    }
    cJSON *directions = cJSON_AddArrayToObject(root, "directions");
    for (size_t d = 0; d < e->direction_count; ++d) {
        const struct mrc_eval_direction *direction = &e->directions[d];
        cJSON *node = cJSON_CreateObject();
        cJSON_AddItemToArray(directions, node);
        cJSON_AddStringToObject(node, "name", direction->name);
        cJSON_AddNumberToObject(node, "slices", (double)direction->slices);
        add_number(node, "rfd_truth_halves", direction->floor_rfd);
        add_number(node, "radiomic_kernel_distance_truth_halves", direction->floor_kernel);
        if (e->model_count > 1) {
            add_row(node, "models_mean", &direction->seed_mean);
            add_row(node, "models_sd", &direction->seed_deviation);
        }
        cJSON *methods = cJSON_AddArrayToObject(node, "methods");
        for (size_t n = 0; n < direction->method_count; ++n)
            add_method(methods, &direction->methods[n]);
    }
    return root;
}

static enum mrc_status write_json(const struct mrc_evaluation *e, const char *path,
                                  struct mrc_error *err) {
    cJSON *root = to_json(e);
    char *text = mrc_json_print(root, true);
    enum mrc_status status = MRC_OK;
    if (text == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    size_t size = 0;
    while (text != NULL && text[size] != '\0') ++size;
    if (status == MRC_OK) status = mrc_write_file(path, text, size, err);
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

/* --- For a spreadsheet --- */

static void append_csv_name(struct mrc_text *out, const char *name) {
    mrc_text_appendf(out, "\"");
    for (; *name != '\0'; ++name) mrc_text_appendf(out, *name == '"' ? "\"\"" : "%c", *name);
    mrc_text_appendf(out, "\"");
}

static void append_csv_row(struct mrc_text *out, const struct mrc_eval_direction *d,
                           const char *method, const char *what, const struct mrc_score_row *row,
                           int scores) {
    mrc_text_appendf(out, "%s,", d->name);
    append_csv_name(out, method);
    mrc_text_appendf(out, ",%s", what);
    for (int s = 0; s < scores; ++s) {
        if (isfinite(row->value[s]))
            mrc_text_appendf(out, ",%.9g", row->value[s]);
        else
            mrc_text_appendf(out, ",");
    }
    mrc_text_appendf(out, "\n");
}

static void append_csv_head(struct mrc_text *out, const char *columns, int scores) {
    mrc_text_appendf(out, "direction,method,%s", columns);
    for (int s = 0; s < scores; ++s) mrc_text_appendf(out, ",%s", mrc_score_name(s));
    mrc_text_appendf(out, "\n");
}

static void append_images(struct mrc_text *out, const struct mrc_eval_direction *d) {
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_eval_method *m = &d->methods[n];
        char what[32];
        append_csv_row(out, d, m->name, "mean", &m->mean, MRC_SCORE_COUNT);
        append_csv_row(out, d, m->name, "sd", &m->deviation, MRC_SCORE_COUNT);
        for (size_t i = 0; i < m->image_count; ++i) {
            snprintf(what, sizeof what, "%zu", i + 1);
            append_csv_row(out, d, m->name, what, &m->images[i], MRC_SCORE_COUNT);
        }
    }
}

static void append_slices(struct mrc_text *out, const struct mrc_eval_direction *d) {
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_eval_method *m = &d->methods[n];
        for (size_t i = 0; i < m->image_count; ++i)
            for (int64_t k = 0; k < m->slice_counts[i]; ++k) {
                char what[64];
                if (isnan(m->slices[i][k].value[MRC_SCORE_MAE])) continue;
                snprintf(what, sizeof what, "%zu,%lld", i + 1, (long long)k + 1);
                append_csv_row(out, d, m->name, what, &m->slices[i][k], MRC_SCORE_SLICE_COUNT);
            }
    }
}

/* --- For a reader --- */

static void append_cell(struct mrc_text *page, int digits, double v, double deviation) {
    mrc_text_appendf(page, "<td class=\"n\">");
    if (isnan(v))
        mrc_text_appendf(page, "&ndash;");
    else if (isnan(deviation))
        mrc_text_appendf(page, "%.*f", digits, v);
    else
        mrc_text_appendf(page, "%.*f &plusmn; %.*f", digits, v, digits, deviation);
    mrc_text_appendf(page, "</td>");
}

static void append_row(struct mrc_text *page, const char *name, bool own,
                       const struct mrc_score_row *mean, const struct mrc_score_row *deviation,
                       double rfd, double kernel) {
    mrc_text_appendf(page, own ? "<tr class=\"own\"><td>" : "<tr><td>");
    mrc_html_words(page, name);
    mrc_text_appendf(page, "</td>");
    for (size_t c = 0; c < COLUMN_COUNT; ++c)
        append_cell(page, COLUMNS[c].digits, mean->value[COLUMNS[c].score],
                    deviation->value[COLUMNS[c].score]);
    append_cell(page, 1, rfd, (double)NAN);
    append_cell(page, 3, kernel, (double)NAN);
    mrc_text_appendf(page, "</tr>\n");
}

static void append_table(struct mrc_text *page, const struct mrc_evaluation *e,
                         const struct mrc_eval_direction *d) {
    mrc_text_appendf(page, "<div class=\"scroll\"><table><tr><th></th>");
    for (size_t c = 0; c < COLUMN_COUNT; ++c)
        mrc_text_appendf(page, "<th class=\"n\">%s</th>", COLUMNS[c].head);
    mrc_text_appendf(page, "<th class=\"n\">RFD</th><th class=\"n\">kernel</th></tr>\n");
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_eval_method *m = &d->methods[n];
        append_row(page, m->name, m->own, &m->mean, &m->deviation, m->rfd, m->kernel);
    }
    if (e->model_count > 1)
        append_row(page, "mean and deviation of the models", true, &d->seed_mean,
                   &d->seed_deviation, (double)NAN, (double)NAN);
    mrc_text_appendf(page,
                     "</table></div>\n<p>Half of the true slices against the other half: RFD "
                     "%.1f, kernel distance %.3f.</p>\n",
                     d->floor_rfd, d->floor_kernel);
}

static void append_lesions(struct mrc_text *page, const struct mrc_eval_direction *d) {
    for (size_t n = 0; n < d->method_count; ++n) {
        const struct mrc_lesion_score *l = &d->methods[n].lesion;
        if (l->lesions == 0) continue;
        mrc_text_appendf(page, "<p>Lesion test, ");
        mrc_html_words(page, d->methods[n].name);
        mrc_text_appendf(page,
                         ": of %zu pasted discs %.0f&nbsp;%% can be seen in the translation; "
                         "contrast in %.3f, contrast out %.3f, change beyond twice the radius "
                         "%.4f of the contrast in.</p>\n",
                         l->lesions, 100.0 * l->kept, l->contrast_in, l->contrast_out, l->spill);
    }
}

static void append_direction(struct mrc_text *page, const struct mrc_evaluation *e,
                             const struct mrc_eval_direction *d) {
    mrc_text_appendf(page, "<h2>%s</h2>\n<p>%zu slices.</p>\n", d->name, d->slices);
    append_table(page, e, d);
    append_lesions(page, d);
    for (size_t p = 0; p < d->picture_count; ++p)
        mrc_html_figure(page, d->pictures[p].png, d->pictures[p].bytes, d->pictures[p].caption);
}

static void append_page(struct mrc_text *page, const struct mrc_evaluation *e) {
    mrc_html_begin(page, "mrcycle: evaluation");
    mrc_text_appendf(page,
                     "<p class=\"note\">Synthetic images, not for diagnosis.</p>\n<p>%s %s "
                     "Means &plusmn; standard deviations over images (over slices where there "
                     "is one image). PSNR and SSIM of the range 1; SSIM after Wang 2004; "
                     "&ldquo;head&rdquo;, NMI, Dice, edges and slices inside the head. Edges: "
                     "mean gradient over the truth's; slices: step from slice to slice over "
                     "the truth's. RFD: Frechet distance of %d radiomic features, not FID.</p>"
                     "\n",
                     intensity_words(e), fitted_words(e), (int)MRC_RADIOMIC_FEATURES);
    if (!e->paired)
        mrc_text_appendf(page,
                         "<p>The images do not pair: there is no truth to score against.</p>\n");
    for (size_t d = 0; d < e->direction_count; ++d) append_direction(page, e, &e->directions[d]);
    if (!isnan(e->fid))
        mrc_text_appendf(page, "<h2>Imported features</h2><p>FID %.4f, KID %.6f</p>\n", e->fid,
                         e->kid);
    for (size_t n = 0; n < e->model_count; ++n)
        mrc_text_appendf(page, "%s<code>%.16s</code>", n == 0 ? "<p>Models: " : " ",
                         e->model_hashes[n]);
    mrc_text_appendf(page, "%s<p>mrcycle %s</p>\n", e->model_count > 0 ? "</p>" : "", MRC_VERSION);
    mrc_html_end(page);
}

/* --- The folder --- */

static enum mrc_status write_text(struct mrc_text *text, const char *folder, const char *name,
                                  struct mrc_error *err) {
    char *path = mrc_path_join(folder, name);
    enum mrc_status status = MRC_OK;
    if (path == NULL || text->failed)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", name);
    if (status == MRC_OK) status = mrc_write_file(path, text->data, text->size, err);
    mrc_free(path);
    mrc_text_clear(text);
    return status;
}

enum mrc_status mrc_eval_write(const struct mrc_evaluation *e, const char *folder,
                               struct mrc_error *err) {
    struct mrc_text images = {0}, slices = {0}, page = {0};
    char *path = mrc_path_join(folder, "scores.json");
    append_csv_head(&images, "image", MRC_SCORE_COUNT);
    append_csv_head(&slices, "image,slice", MRC_SCORE_SLICE_COUNT);
    for (size_t d = 0; d < e->direction_count; ++d) {
        append_images(&images, &e->directions[d]);
        append_slices(&slices, &e->directions[d]);
    }
    append_page(&page, e);
    enum mrc_status status = MRC_OK;
    if (path == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", folder);
    if (status == MRC_OK) status = write_json(e, path, err);
    if (status == MRC_OK) status = write_text(&images, folder, "scores.csv", err);
    if (status == MRC_OK) status = write_text(&slices, folder, "slices.csv", err);
    if (status == MRC_OK) status = write_text(&page, folder, "report.html", err);
    mrc_free(path);
    mrc_text_clear(&images);
    mrc_text_clear(&slices);
    mrc_text_clear(&page);
    return status;
}
