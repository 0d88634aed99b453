/* contrast_map.c: see contrast_map.h. */
#define _GNU_SOURCE /* FNM_CASEFOLD */
#include "io/contrast_map.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"

enum { MAX_MAP_BYTES = 1 << 20 };

enum field { DESCRIPTION, PROTOCOL, SEQUENCE, NUMBER, MANUFACTURER, PATH, FIELDS };
static const char *const field_names[FIELDS] = {"SeriesDescription", "ProtocolName", "SequenceName",
                                                "SeriesNumber",      "Manufacturer", "path"};

struct rule {
    enum field field;
    const char *pattern; /* in the map's text */
    enum mrc_contrast contrast;
    size_t line;
};

struct mrc_contrast_map {
    char *text; /* the file, cut into words */
    struct rule *rules;
    size_t count, capacity;
};

static bool parse_contrast(enum mrc_contrast *out, const char *text) {
    for (int c = 0; c < MRC_CONTRASTS; ++c) {
        *out = (enum mrc_contrast)c;
        if (strcasecmp(text, mrc_contrast_name(*out)) == 0) return true;
    }
    return false;
}

static bool parse_field(enum field *out, const char *text) {
    for (int f = 0; f < FIELDS; ++f) {
        *out = (enum field)f;
        if (strcasecmp(text, field_names[f]) == 0) return true;
    }
    return false;
}

/* Cuts the line at its tabs; several in a row are one. */
static size_t cut_columns(char *columns[3], char *line) {
    size_t count = 0;
    for (char *at = line; *at != '\0';) {
        at += strspn(at, "\t\r");
        if (*at == '\0') break;
        if (count == 3) return 4;
        columns[count++] = at;
        at += strcspn(at, "\t\r");
        if (*at != '\0') *at++ = '\0';
    }
    return count;
}

static enum mrc_status add_line(mrc_contrast_map *map, char *line, size_t number, const char *path,
                                struct mrc_error *err) {
    char *columns[3];
    struct rule rule = {.line = number};
    void *rules = map->rules;
    size_t count = cut_columns(columns, line);
    if (count == 0 || columns[0][0] == '#') return MRC_OK;
    if (count != 3)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: line %zu has %s%zu columns, expected 3 apart by tabs: field, pattern, "
                        "contrast",
                        path, number, count > 3 ? "at least " : "", count);
    if (!parse_field(&rule.field, columns[0]))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: line %zu: no field '%.40s', expected SeriesDescription, ProtocolName, "
                        "SequenceName, SeriesNumber, Manufacturer or path",
                        path, number, columns[0]);
    if (!parse_contrast(&rule.contrast, columns[2]))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: line %zu: no contrast '%.40s', expected T1w, T2w, PDw, FLAIR, T1w-ce, "
                        "T2starw, SWI or unknown",
                        path, number, columns[2]);
    if (!mrc_grow(&rules, &map->capacity, map->count + 1, sizeof *map->rules))
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    rule.pattern = columns[1];
    map->rules = rules;
    map->rules[map->count++] = rule;
    return MRC_OK;
}

enum mrc_status mrc_contrast_map_load(mrc_contrast_map **out, const char *path,
                                      struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0, number = 0;
    *out = NULL;
    enum mrc_status st = mrc_read_file(&bytes, &size, path, MAX_MAP_BYTES, err);
    if (st != MRC_OK) return st;
    mrc_contrast_map *map = mrc_alloc(1, sizeof *map);
    if (map == NULL) {
        mrc_free(bytes);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    map->text = (char *)bytes;
    if (memchr(bytes, 0, size) != NULL)
        st = mrc_fail(err, MRC_ERR_ARGUMENT, "%s: holds zeros, expected lines of text", path);
    for (char *line = map->text; st == MRC_OK && line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL) *end++ = '\0';
        st = add_line(map, line, ++number, path, err);
        line = end;
    }
    if (st == MRC_OK)
        *out = map;
    else
        mrc_contrast_map_destroy(map);
    return st;
}

void mrc_contrast_map_destroy(mrc_contrast_map *map) {
    if (map == NULL) return;
    mrc_free(map->text);
    mrc_free(map->rules);
    mrc_free(map);
}

static bool fits(const struct rule *rule, const struct mrc_image_info *image) {
    char number[24];
    (void)snprintf(number, sizeof number, "%lld", (long long)image->series_number);
    const char *const values[FIELDS] = {
        [DESCRIPTION] = image->series_description, [PROTOCOL] = image->protocol_name,
        [SEQUENCE] = image->sequence_name,         [NUMBER] = number,
        [MANUFACTURER] = image->manufacturer,      [PATH] = image->path};
    return fnmatch(rule->pattern, values[rule->field], FNM_CASEFOLD) == 0;
}

bool mrc_contrast_map_apply(const mrc_contrast_map *map, struct mrc_image_info *image) {
    for (size_t r = 0; map != NULL && r < map->count; ++r) {
        const struct rule *rule = &map->rules[r];
        if (!fits(rule, image)) continue;
        image->contrast = rule->contrast;
        image->phantom = image->infant = image->unweighted =
            false; /* who names it has looked at it */
        if (image->doubted) {
            image->usable = true;
            image->doubted = false;
            image->status = MRC_OK;
        }
        if (image->usable)
            (void)snprintf(image->reason, sizeof image->reason, "%s by line %zu of the map (%s)",
                           mrc_contrast_name(rule->contrast), rule->line, field_names[rule->field]);
        return true;
    }
    return false;
}
