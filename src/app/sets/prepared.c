/* prepared.c: see prepared.h. Columns are found by their names. */
#include "app/sets/prepared.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"

enum { LIMIT = 1 << 30, MOST_COLUMNS = 64 };
enum { SUBJECT, CONTRAST, NAME, INDEX, LOW, HIGH, FOREGROUND, HASH, SPLIT, WANTED };
static const char *const wanted[WANTED] = {"subject",    "contrast",      "file",
                                           "index",      "intensity_low", "intensity_high",
                                           "foreground", "sha256",        "split"};

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
