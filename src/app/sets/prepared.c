/* prepared.c: see prepared.h. Columns are found by their names. */
#include "app/sets/prepared.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"

enum { LIMIT = 1 << 30, MOST_COLUMNS = 64 };
enum { SUBJECT, CONTRAST, NAME, INDEX, LOW, HIGH, FOREGROUND, HASH, SPLIT, WANTED };
static const char *const wanted[WANTED] = {"subject",    "contrast",      "file",
                                           "index",      "intensity_low", "intensity_high",
                                           "foreground", "sha256",        "split"};

const char *mrc_split_name(int split) {
    static const char *const names[] = {"train", "val", "test"};
    return names[split];
}

static char *path_of(const char *set) {
    return mrc_path_join(set, "manifest.tsv");
}

bool mrc_prepared_is_there(const char *set) {
    char *path = path_of(set);
    bool there = path != NULL && mrc_path_exists(path);
    mrc_free(path);
    return there;
}

/* Cuts a line into its fields. */
static size_t cut(char **fields, char *line) {
    size_t count = 0;
    while (line != NULL && count < MOST_COLUMNS) {
        char *tab = strchr(line, '\t');
        fields[count++] = line;
        if (tab != NULL) *tab++ = '\0';
        line = tab;
    }
    return count;
}

static char *next_line(char **at) {
    char *line = *at, *end;
    if (line == NULL || *line == '\0') return NULL;
    end = strchr(line, '\n');
    if (end != NULL) *end++ = '\0';
    *at = end;
    return line;
}

/* Below the set, and nowhere else. */
static bool is_safe(const char *file) {
    return strncmp(file, "sub-", 4) == 0 && strstr(file, "..") == NULL;
}

static bool fill(struct mrc_prepared_slice *s, char **fields, const size_t *columns,
                 const char *label) {
    *s = (struct mrc_prepared_slice){.subject = fields[columns[SUBJECT]],
                                     .contrast = fields[columns[CONTRAST]],
                                     .file = fields[columns[NAME]],
                                     .hash = fields[columns[HASH]],
                                     .split = fields[columns[SPLIT]],
                                     .label = label};
    return is_safe(s->file) &&
           mrc_parse_i64(&s->index, fields[columns[INDEX]], 0, 4095) == MRC_OK &&
           mrc_parse_f64(&s->low, fields[columns[LOW]], -1e300, 1e300) == MRC_OK &&
           mrc_parse_f64(&s->high, fields[columns[HIGH]], -1e300, 1e300) == MRC_OK &&
           mrc_parse_f64(&s->foreground, fields[columns[FOREGROUND]], 0.0, 1.0) == MRC_OK;
}

static enum mrc_status parse(struct mrc_prepared *out, const char *path, struct mrc_error *err) {
    char *at = out->text, *fields[MOST_COLUMNS], *line = next_line(&at);
    size_t columns[WANTED], count = line != NULL ? cut(fields, line) : 0, row = 1;
    for (size_t w = 0; w < WANTED; ++w) {
        columns[w] = 0;
        while (columns[w] < count && strcmp(fields[columns[w]], wanted[w]) != 0) ++columns[w];
        if (columns[w] == count)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: no column '%s'", path, wanted[w]);
    }
    size_t label = 0;
    while (label < count && strcmp(fields[label], "class") != 0) ++label;
    while ((line = next_line(&at)) != NULL) {
        void *slices = out->slices;
        ++row;
        if (!mrc_grow(&slices, &out->capacity, out->count + 1, sizeof *out->slices))
            return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
        out->slices = slices;
        if (cut(fields, line) != count ||
            !fill(&out->slices[out->count], fields, columns, label < count ? fields[label] : ""))
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: row %zu is broken", path, row);
        ++out->count;
    }
    return MRC_OK;
}

static int by_subject(const void *a, const void *b) {
    return strcmp((*(const struct mrc_prepared_slice *const *)a)->subject,
                  (*(const struct mrc_prepared_slice *const *)b)->subject);
}

static int by_hash(const void *a, const void *b) {
    return strcmp((*(const struct mrc_prepared_slice *const *)a)->hash,
                  (*(const struct mrc_prepared_slice *const *)b)->hash);
}

/* What was learned from must not be what is scored. */
static enum mrc_status check_sides(const struct mrc_prepared *p, const char *path,
                                   struct mrc_error *err) {
    const struct mrc_prepared_slice **order = mrc_alloc(p->count, sizeof *order);
    enum mrc_status st = MRC_OK;
    if (order == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < p->count; ++i) order[i] = &p->slices[i];
    if (p->count > 1) qsort(order, p->count, sizeof *order, by_subject);
    for (size_t i = 1; st == MRC_OK && i < p->count; ++i)
        if (by_subject(&order[i - 1], &order[i]) == 0 &&
            strcmp(order[i - 1]->split, order[i]->split) != 0)
            st = mrc_fail(err, MRC_ERR_FORMAT, "%s: %s stands in %s and in %s", path,
                          order[i]->subject, order[i - 1]->split, order[i]->split);
    if (p->count > 1) qsort(order, p->count, sizeof *order, by_hash);
    for (size_t i = 1; st == MRC_OK && i < p->count; ++i)
        if (by_hash(&order[i - 1], &order[i]) == 0 &&
            strcmp(order[i - 1]->split, order[i]->split) != 0)
            st = mrc_fail(err, MRC_ERR_FORMAT, "%s: equal slices stand in %s and in %s", path,
                          order[i - 1]->split, order[i]->split);
    mrc_free(order);
    return st;
}

enum mrc_status mrc_prepared_read(struct mrc_prepared *out, const char *set,
                                  struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = path_of(set);
    *out = (struct mrc_prepared){0};
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", set);
    enum mrc_status st = mrc_read_file(&bytes, &size, path, LIMIT, err);
    out->text = (char *)bytes;
    if (st == MRC_OK) st = parse(out, path, err);
    if (st == MRC_OK) st = check_sides(out, path, err);
    mrc_free(path);
    if (st != MRC_OK) mrc_prepared_clear(out);
    return st;
}

void mrc_prepared_clear(struct mrc_prepared *prepared) {
    mrc_free(prepared->slices);
    mrc_free(prepared->text);
    *prepared = (struct mrc_prepared){0};
}

/* --- The contract --- */

/* *out stays NULL when there is no such file. */
static enum mrc_status read_json(cJSON **out, const char *set, const char *name,
                                 struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(set, name);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", set);
    enum mrc_status st = MRC_OK;
    if (mrc_path_exists(path)) {
        st = mrc_read_file(&text, &size, path, LIMIT, err);
        bool exhausted = false;
        if (st == MRC_OK) *out = mrc_json_parse((const char *)text, size, NULL, &exhausted);
        if (exhausted) st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
        if (st == MRC_OK && *out == NULL)
            st = mrc_fail(err, MRC_ERR_FORMAT, "%s: not JSON, expected what prepare wrote", path);
    }
    mrc_free(text);
    mrc_free(path);
    return st;
}

static double number_of(const cJSON *settings, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(settings, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1.0;
}

/* The settings that sets had before they had a contract. */
static enum mrc_status take_settings(struct mrc_contract *out, const cJSON *settings,
                                     const char *set, struct mrc_error *err) {
    double size = number_of(settings, "size"), channels = number_of(settings, "channels");
    if (!(size >= 1.0 && size <= 1024.0) || !(channels >= 1.0 && channels <= 3.0))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: report.json has no size and channels", set);
    *out = mrc_contract_of_slices((int64_t)size, (int64_t)channels, false);
    out->low_percentile = number_of(settings, "low_percentile");
    out->high_percentile = number_of(settings, "high_percentile");
    return MRC_OK;
}

static enum mrc_status take_words(struct mrc_contract *out, const cJSON *json, const char *set,
                                  struct mrc_error *err) {
    struct mrc_error why = {0};
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_contract)MRC_CONTRACT_DEFAULTS;
    for (int k = 0; st == MRC_OK && k < MRC_CONTRACT_KEYS; ++k) {
        enum mrc_contract_key key = (enum mrc_contract_key)k;
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, mrc_contract_key_name(key));
        if (cJSON_IsString(item)) st = mrc_contract_parse(out, key, item->valuestring, &why);
        if (!cJSON_IsString(item))
            st = mrc_fail(&why, MRC_ERR_FORMAT, "no %s", mrc_contract_key_name(key));
    }
    return st == MRC_OK ? MRC_OK
                        : mrc_fail(err, MRC_ERR_FORMAT, "%s/contract.json: %s", set, why.text);
}

enum mrc_status mrc_prepared_contract(struct mrc_contract *out, const char *set,
                                      struct mrc_error *err) {
    cJSON *json = NULL, *report = NULL;
    struct mrc_error why = {0};
    enum mrc_status st = read_json(&json, set, "contract.json", err);
    if (st == MRC_OK && json == NULL) st = read_json(&report, set, "report.json", err);
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(report, "settings");
    if (st == MRC_OK && json != NULL) st = take_words(out, json, set, err);
    if (st == MRC_OK && settings != NULL) st = take_settings(out, settings, set, err);
    if (st == MRC_OK && mrc_contract_check(out, &why) != MRC_OK)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: its contract: %s", set, why.text);
    cJSON_Delete(report);
    cJSON_Delete(json);
    return st;
}

enum mrc_status mrc_prepared_contract_print(struct mrc_text *out,
                                            const struct mrc_contract *contract,
                                            struct mrc_error *err) {
    char words[MRC_CONTRACT_TEXT];
    mrc_text_appendf(out, "{\n\t\"made_by\": \"mrcycle prepare " MRC_VERSION "\"");
    for (int key = 0; key < MRC_CONTRACT_KEYS; ++key) {
        mrc_contract_print(words, contract, (enum mrc_contract_key)key);
        mrc_text_appendf(out, ",\n\t\"%s\": \"%s\"",
                         mrc_contract_key_name((enum mrc_contract_key)key), words);
    }
    mrc_text_appendf(out, "\n}\n");
    return out->failed ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a set") : MRC_OK;
}
