/* prepare_report.c: what stands beside the images of a set. No path, no time of day: the same set
 * gives the same bytes. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "app/pages/html.h"
#include "app/prepare/prepare_set.h"
#include "app/sets/prepared.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the tables of a set");
}

static enum mrc_status write_below(const struct mrc_prepare_set *set, const char *name,
                                   const char *text, struct mrc_error *err) {
    char *path = mrc_path_join(set->partial, name);
    enum mrc_status st = path != NULL && text != NULL
                             ? mrc_write_file(path, text, strlen(text), err)
                             : no_memory(err);
    mrc_free(path);
    return st;
}

static enum mrc_status write_text(const struct mrc_prepare_set *set, const char *name,
                                  struct mrc_text *text, struct mrc_error *err) {
    enum mrc_status st =
        write_below(set, name, text->failed || text->data == NULL ? NULL : text->data, err);
    mrc_text_clear(text);
    return st;
}

static enum mrc_status write_manifest(const struct mrc_prepare_set *set, struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_text_appendf(&text, "subject\tsession\tcontrast\tfile\tindex\tz_mm\tpixel_mm\tslice_mm\t"
                            "intensity_low\tintensity_high\tforeground\tsource\tscanner\t"
                            "manufacturer\tfield_t\tsha256\tsplit\n");
    for (size_t i = 0; i < set->count; ++i) {
        const struct mrc_prepare_item *item = &set->items[i];
        const char *row = item->used ? item->rows.data : NULL;
        while (row != NULL && *row != '\0') {
            size_t length = strcspn(row, "\n");
            mrc_text_appendf(&text, "%.*s\t%s\n", (int)length, row, mrc_split_name(item->split));
            row += length + (row[length] != '\0');
        }
    }
    return write_text(set, "manifest.tsv", &text, err);
}

/* Of a used item's contrast in the contract. */
static int index_of(const struct mrc_prepare_set *set, const struct mrc_prepare_item *item) {
    const int index = mrc_contract_index(&set->options->contract, item->info->contrast);
    MRC_ASSERT(index >= 0);
    return index;
}

static enum mrc_status write_participants(const struct mrc_prepare_set *set,
                                          struct mrc_error *err) {
    const struct mrc_contract *contract = &set->options->contract;
    struct mrc_text text = {0};
    mrc_text_appendf(&text, "participant_id\tsplit");
    for (int c = 0; c < contract->contrast_count; ++c)
        mrc_text_appendf(&text, "\t%s", mrc_contrast_name(contract->contrasts[c]));
    for (size_t i = 0, end; i < set->used_count; i = end) {
        const struct mrc_prepare_item *first = set->by_subject[i];
        int series[MRC_CONTRACT_CONTRASTS] = {0};
        for (end = i; end < set->used_count; ++end) {
            if (strcmp(set->by_subject[end]->subject, first->subject) != 0) break;
            ++series[index_of(set, set->by_subject[end])];
        }
        mrc_text_appendf(&text, "\nsub-%s\t%s", first->subject, mrc_split_name(first->split));
        for (int c = 0; c < contract->contrast_count; ++c)
            mrc_text_appendf(&text, "\t%d", series[c]);
    }
    mrc_text_appendf(&text, "\n");
    return write_text(set, "participants.tsv", &text, err);
}

static enum mrc_status write_description(const struct mrc_prepare_set *set, struct mrc_error *err) {
    char contrasts[MRC_CONTRACT_TEXT];
    struct mrc_text text = {0};
    mrc_contract_print(contrasts, &set->options->contract, MRC_CONTRACT_LIST);
    mrc_text_appendf(&text,
                     "{\n\t\"Name\": \"Axial slices for training: %s\",\n"
                     "\t\"BIDSVersion\": \"1.9.0\",\n\t\"DatasetType\": \"derivative\",\n"
                     "\t\"GeneratedBy\": [{\"Name\": \"mrcycle prepare\", \"Version\": "
                     "\"" MRC_VERSION "\"}]\n}\n",
                     contrasts);
    return write_text(set, "dataset_description.json", &text, err);
}

static enum mrc_status write_readme(const struct mrc_prepare_set *set, struct mrc_error *err) {
    const struct mrc_prepare_options *o = set->options;
    char contrasts[MRC_CONTRACT_TEXT];
    struct mrc_text text = {0};
    mrc_contract_print(contrasts, &o->contract, MRC_CONTRACT_LIST);
    mrc_text_appendf(
        &text,
        "Axial slices of brain MR (%s), %lld x %lld pixels in [0,1], for "
        "mrcycle train.\n\n"
        "manifest.tsv   one row a slice: whose, which file and index, place, limits, split, hash\n"
        "report.html    what was used, what was refused, and why\n"
        "sub-*/         the slices of a series as one NIfTI file, float32, and how it was made\n\n"
        "A slice is kept when %.3g %% of it show the head, from %.3g %% to %.3g %% of the height "
        "of "
        "such slices.\n"
        "Intensities: percentiles %.3g and %.3g of the head's core become 0 and 1, per series; "
        "contract.json has the room above.\n"
        "The split (train, val, test: %.3g, %.3g, %.3g) is by subject, from a keyed hash of the "
        "name.\n"
        "Names are keyed; dates, texts and names of the source are not in this folder. Faces are "
        "not removed.\n",
        contrasts, (long long)o->contract.sample.w, (long long)o->contract.sample.h,
        o->min_foreground * 100.0, o->keep_from, o->keep_to, o->contract.low_percentile,
        o->contract.high_percentile, o->split[0], o->split[1], o->split[2]);
    return write_text(set, "README", &text, err);
}

static enum mrc_status write_contract(const struct mrc_prepare_set *set, struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status st = mrc_prepared_contract_print(&text, &set->options->contract, err);
    if (st == MRC_OK) return write_text(set, "contract.json", &text, err);
    mrc_text_clear(&text);
    return st;
}

/* --- report.json --- */

static bool add_number(cJSON *json, const char *name, double value) {
    return cJSON_AddNumberToObject(json, name, value) != NULL;
}

static bool add_word(cJSON *json, const char *name, const char *value) {
    return cJSON_AddStringToObject(json, name, value) != NULL;
}

static bool add_settings(cJSON *json, const struct mrc_prepare_options *o) {
    cJSON *to = cJSON_AddObjectToObject(json, "settings");
    cJSON *split = to != NULL ? cJSON_AddArrayToObject(to, "split") : NULL;
    for (int i = 0; split != NULL && i < MRC_SPLITS; ++i)
        if (!cJSON_AddItemToArray(split, cJSON_CreateNumber(o->split[i]))) return false;
    return split != NULL && add_number(to, "size", (double)o->contract.sample.h) &&
           add_number(to, "channels", (double)o->contract.sample.c) &&
           add_number(to, "low_percentile", o->contract.low_percentile) &&
           add_number(to, "high_percentile", o->contract.high_percentile) &&
           add_number(to, "min_foreground", o->min_foreground) &&
           add_number(to, "keep_from", o->keep_from) && add_number(to, "keep_to", o->keep_to) &&
           add_number(to, "seed", (double)o->seed);
}

static bool add_item(cJSON *list, const struct mrc_prepare_item *item) {
    cJSON *to = cJSON_CreateObject();
    if (to == NULL || !cJSON_AddItemToArray(list, to)) return false;
    bool whole = add_word(to, "source", item->id) && cJSON_AddBoolToObject(to, "used", item->used);
    if (whole && item->info != NULL)
        whole = add_word(to, "format", mrc_source_kind_name(item->info->kind)) &&
                add_word(to, "contrast", mrc_contrast_name(item->info->contrast)) &&
                add_number(to, "files", (double)item->info->files);
    if (whole && !item->used) return add_word(to, "reason", item->reason);
    return whole && add_word(to, "subject", item->subject) &&
           add_word(to, "split", mrc_split_name(item->split)) &&
           add_number(to, "slices_kept", (double)item->kept) &&
           add_number(to, "slices", (double)item->total);
}

static enum mrc_status write_json(const struct mrc_prepare_set *set,
                                  const struct mrc_prepare_result *r, struct mrc_error *err) {
    cJSON *json = mrc_json_begin(), *list = NULL;
    bool whole = json != NULL && add_word(json, "made_by", "mrcycle prepare " MRC_VERSION) &&
                 add_settings(json, set->options) &&
                 add_number(json, "series", (double)r->series) &&
                 add_number(json, "refused", (double)r->refused) &&
                 add_number(json, "subjects", (double)r->subjects) &&
                 add_number(json, "slices_kept", (double)r->slices) &&
                 add_number(json, "slices_dropped", (double)r->dropped) &&
                 (list = cJSON_AddArrayToObject(json, "sources")) != NULL;
    for (size_t i = 0; whole && i < set->count; ++i) whole = add_item(list, &set->items[i]);
    char *text = whole ? mrc_json_print(json, true) : NULL;
    enum mrc_status st = write_below(set, "report.json", text, err);
    cJSON_free(text);
    cJSON_Delete(json);
    return st;
}

/* --- report.html --- */

static enum mrc_status append_picture(struct mrc_text *page, const struct mrc_prepare_set *set,
                                      const struct mrc_prepare_item *item, struct mrc_error *err) {
    unsigned char *png = NULL;
    size_t size = 0;
    char *path = mrc_asprintf("%s/.work/%s.png", set->partial, item->id);
    char *caption = mrc_asprintf("%s of sub-%s, %s: %lld of %lld slices kept (source %s)",
                                 mrc_contrast_name(item->info->contrast), item->subject,
                                 mrc_split_name(item->split), (long long)item->kept,
                                 (long long)item->total, item->id);
    enum mrc_status st = path != NULL && caption != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK) st = mrc_read_file(&png, &size, path, (size_t)1 << 26, err);
    if (st == MRC_OK) mrc_html_figure(page, png, size, caption);
    mrc_free(png);
    mrc_free(caption);
    mrc_free(path);
    return st;
}

static void append_refused(struct mrc_text *page, const struct mrc_prepare_set *set) {
    mrc_text_appendf(page,
                     "<h2>Not used</h2>\n<p>Which file a source is stands in the private table "
                     "beside the set. Words that could come from a name or a header are "
                     "starred.</p>\n<div class=\"scroll\"><table><tr><th>source</th><th>format"
                     "</th><th>contrast</th><th>files</th><th>reason</th></tr>\n");
    for (size_t i = 0; i < set->count; ++i) {
        const struct mrc_prepare_item *item = &set->items[i];
        if (item->used) continue;
        mrc_text_appendf(page,
                         "<tr><td><code>%s</code></td><td>%s</td><td>%s</td><td "
                         "class=\"n\">%lld</td><td>",
                         item->id, item->info != NULL ? mrc_source_kind_name(item->info->kind) : "",
                         item->info != NULL ? mrc_contrast_name(item->info->contrast) : "",
                         item->info != NULL ? (long long)item->info->files : 1LL);
        mrc_html_words(page, item->reason);
        mrc_text_appendf(page, "</td></tr>\n");
    }
    mrc_text_appendf(page, "</table></div>\n");
}

static void append_split(struct mrc_text *page, const struct mrc_prepare_set *set, int split) {
    int64_t slices[MRC_CONTRACT_CONTRASTS] = {0}, subjects = 0;
    for (size_t i = 0; i < set->used_count; ++i) {
        const struct mrc_prepare_item *item = set->by_subject[i];
        if (item->split != split) continue;
        subjects += i == 0 || strcmp(item->subject, set->by_subject[i - 1]->subject) != 0;
        slices[index_of(set, item)] += item->kept;
    }
    mrc_text_appendf(page, "<tr><td>%s</td><td class=\"n\">%lld</td>", mrc_split_name(split),
                     (long long)subjects);
    for (int c = 0; c < set->options->contract.contrast_count; ++c)
        mrc_text_appendf(page, "<td class=\"n\">%lld</td>", (long long)slices[c]);
    mrc_text_appendf(page, "</tr>\n");
}

static void append_splits(struct mrc_text *page, const struct mrc_prepare_set *set) {
    const struct mrc_contract *contract = &set->options->contract;
    mrc_text_appendf(page, "<div class=\"scroll\"><table><tr><th>split</th>"
                           "<th class=\"n\">subjects</th>");
    for (int c = 0; c < contract->contrast_count; ++c)
        mrc_text_appendf(page, "<th class=\"n\">%s slices</th>",
                         mrc_contrast_name(contract->contrasts[c]));
    mrc_text_appendf(page, "</tr>\n");
    for (int s = 0; s < MRC_SPLITS; ++s) append_split(page, set, s);
    mrc_text_appendf(page, "</table></div>\n<p>No subject and no equal slices stand on two sides: "
                           "checked.</p>\n");
}

static enum mrc_status write_html(const struct mrc_prepare_set *set,
                                  const struct mrc_prepare_result *r, struct mrc_error *err) {
    struct mrc_text page = {0};
    enum mrc_status st = MRC_OK;
    mrc_html_begin(&page, "Training set");
    mrc_text_appendf(
        &page,
        "<p>%zu series of %zu subjects, made by mrcycle %s: %lld slices of %lld x %lld "
        "pixels kept, %lld dropped for showing less than %.3g %% of the head or lying "
        "outside %.3g to %.3g %% of its height. %zu sources were not used.</p>\n"
        "<p class=\"note\">Names, dates and texts of the source are not in this set. "
        "Faces are not removed.</p>\n",
        r->series, r->subjects, MRC_VERSION, (long long)r->slices,
        (long long)set->options->contract.sample.h, (long long)set->options->contract.sample.h,
        (long long)r->dropped, set->options->min_foreground * 100.0, set->options->keep_from,
        set->options->keep_to, r->refused);
    append_splits(&page, set);
    mrc_text_appendf(&page, "<h2>Series</h2>\n");
    for (size_t i = 0; st == MRC_OK && i < set->count; ++i)
        if (set->items[i].used) st = append_picture(&page, set, &set->items[i], err);
    if (r->refused > 0) append_refused(&page, set);
    mrc_html_end(&page);
    if (st == MRC_OK) return write_text(set, "report.html", &page, err);
    mrc_text_clear(&page);
    return st;
}

enum mrc_status mrc_prepare_write_tables(const struct mrc_prepare_set *set,
                                         const struct mrc_prepare_result *result,
                                         struct mrc_error *err) {
    enum mrc_status st = write_manifest(set, err);
    if (st == MRC_OK) st = write_participants(set, err);
    if (st == MRC_OK) st = write_description(set, err);
    if (st == MRC_OK) st = write_readme(set, err);
    if (st == MRC_OK) st = write_contract(set, err);
    if (st == MRC_OK) st = write_json(set, result, err);
    return st == MRC_OK ? write_html(set, result, err) : st;
}
