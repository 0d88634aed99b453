/* config.c: the ranges by name. */
#include "app/heads/config.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"

static const struct {
    const char *name, *words;
    double lo, hi, least, most;
    bool part;
} keys[MRC_SIM_KEYS] = {
#define MRC_SIM_SECTION(title)
#define MRC_SIM_RANGE(id, name, lo, hi, least, most, words)                                        \
    [MRC_SIM_##id##_RANGE] = {name, words, lo, hi, least, most, false},
#define MRC_SIM_PART(id, name, value, most, words)                                                 \
    [MRC_SIM_##id##_RANGE] = {name, words, value, value, 0, most, true},
    MRC_SIM_CONFIG_LIST(MRC_SIM_SECTION, MRC_SIM_RANGE, MRC_SIM_PART)
#undef MRC_SIM_RANGE
#undef MRC_SIM_PART
#undef MRC_SIM_SECTION
};

void mrc_sim_config_init(struct mrc_sim_config *config) {
    for (int k = 0; k < MRC_SIM_KEYS; ++k) {
        config->lo[k] = keys[k].lo;
        config->hi[k] = keys[k].hi;
    }
}

double mrc_sim_draw(struct mrc_rng *rng, const struct mrc_sim_config *config,
                    enum mrc_sim_key key) {
    return config->lo[key] + (config->hi[key] - config->lo[key]) * mrc_rng_uniform(rng);
}

bool mrc_sim_chance(struct mrc_rng *rng, const struct mrc_sim_config *config,
                    enum mrc_sim_key key) {
    return mrc_rng_uniform(rng) < config->lo[key];
}

int mrc_sim_choose(struct mrc_rng *rng, const struct mrc_sim_config *config, enum mrc_sim_key first,
                   int count) {
    double all = 0.0;
    for (int n = 0; n < count; ++n) all += config->lo[(int)first + n];
    double left = all * mrc_rng_uniform(rng);
    for (int n = 0; n < count; ++n) {
        left -= config->lo[(int)first + n];
        if (left < 0.0) return n;
    }
    return count - 1;
}

/* --- As a file --- */

static const char *const file_head =
    "# What heads are drawn from: `mrcycle simulate --config FILE` (docs/heads.md).\n"
    "# name = low high: drawn uniformly between the two. name = value: a share of the heads, or a\n"
    "# weight among several. What a file does not name keeps its default, which is what stands "
    "here.\n";

static void append_number(struct mrc_text *text, double x) {
    char number[24];
    mrc_print_decimal(number, sizeof number, x);
    mrc_text_appendf(text, "%s", number);
}

void mrc_sim_config_append_json(struct mrc_text *text, const struct mrc_sim_config *config) {
    for (int k = 0; k < MRC_SIM_KEYS; ++k) {
        mrc_text_appendf(text, "%s\n    \"%s\": %s", k == 0 ? "" : ",", keys[k].name,
                         keys[k].part ? "" : "[");
        append_number(text, config->lo[k]);
        if (keys[k].part) continue;
        mrc_text_appendf(text, ", ");
        append_number(text, config->hi[k]);
        mrc_text_appendf(text, "]");
    }
}

static void append_line(struct mrc_text *text, const struct mrc_sim_config *config, int key) {
    char line[120], lo[24], hi[24];
    (void)snprintf(lo, sizeof lo, "%.10g", config->lo[key]);
    (void)snprintf(hi, sizeof hi, "%.10g", config->hi[key]);
    (void)snprintf(line, sizeof line, "%s = %s%s%s", keys[key].name, lo, keys[key].part ? "" : " ",
                   keys[key].part ? "" : hi);
    if (keys[key].words[0] == '\0')
        mrc_text_appendf(text, "%s\n", line);
    else
        mrc_text_appendf(text, "%-36s # %s\n", line, keys[key].words);
}

void mrc_sim_config_append_text(struct mrc_text *text, const struct mrc_sim_config *config) {
    mrc_text_appendf(text, "%s", file_head);
#define MRC_SIM_SECTION(title) mrc_text_appendf(text, "\n# --- %s ---\n", title);
#define MRC_SIM_RANGE(id, name, lo, hi, least, most, words)                                        \
    append_line(text, config, MRC_SIM_##id##_RANGE);
#define MRC_SIM_PART(id, name, value, most, words) append_line(text, config, MRC_SIM_##id##_RANGE);
    MRC_SIM_CONFIG_LIST(MRC_SIM_SECTION, MRC_SIM_RANGE, MRC_SIM_PART)
#undef MRC_SIM_RANGE
#undef MRC_SIM_PART
#undef MRC_SIM_SECTION
}

/* Where messages point to. */
struct place {
    const char *path;
    int line;
};

static int find_key(const char *name) {
    for (int k = 0; k < MRC_SIM_KEYS; ++k)
        if (strcmp(name, keys[k].name) == 0) return k;
    return -1;
}

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL) text[--length] = '\0';
    return text;
}

/* "low high", or one number for both. */
static enum mrc_status set_key(struct mrc_sim_config *c, int k, char *value, struct place at,
                               struct mrc_error *err) {
    double lo, hi;
    char *second = value + strcspn(value, " \t");
    if (*second != '\0') *second++ = '\0';
    second = trim(second);
    if (*second != '\0' && keys[k].part)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: two numbers for %s, expected one", at.path,
                        at.line, keys[k].name);
    if (*second == '\0') second = value;
    if (mrc_parse_f64(&lo, value, keys[k].least, keys[k].most) != MRC_OK ||
        mrc_parse_f64(&hi, second, keys[k].least, keys[k].most) != MRC_OK || lo > hi)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: %s is no %s within %g to %g", at.path, at.line,
                        keys[k].name, keys[k].part ? "number" : "range from low to high",
                        keys[k].least, keys[k].most);
    c->lo[k] = lo;
    c->hi[k] = hi;
    return MRC_OK;
}

static enum mrc_status read_line(struct mrc_sim_config *c, char *line, struct place at,
                                 struct mrc_error *err) {
    char word[48];
    line[strcspn(line, "#")] = '\0';
    line = trim(line);
    if (*line == '\0') return MRC_OK;
    char *value = strchr(line, '=');
    if (value == NULL)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s:%d: no '=', expected name = low high", at.path,
                        at.line);
    *value++ = '\0';
    const char *name = trim(line);
    const int k = find_key(name);
    mrc_text_plain(word, sizeof word, name);
    if (k < 0)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s:%d: no range '%s', expected one that --print-config shows", at.path,
                        at.line, word);
    return set_key(c, k, trim(value), at, err);
}

static double sum_of(const struct mrc_sim_config *c, enum mrc_sim_key first, int count) {
    double all = 0.0;
    for (int n = 0; n < count; ++n) all += c->lo[(int)first + n];
    return all;
}

/* Weights of which one is chosen must not all be 0. */
static enum mrc_status check_weights(const struct mrc_sim_config *c, const char *path,
                                     struct mrc_error *err) {
    static const struct {
        enum mrc_sim_key first;
        int count;
        const char *words;
    } groups[] = {{MRC_SIM_SPIN_ECHO_RANGE, 3, "kinds of T1w"},
                  {MRC_SIM_AXIAL_RANGE, 4, "planes"},
                  {MRC_SIM_HYPERINTENSITIES_RANGE, 6, "kinds of pathology"}};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; ++g)
        if (sum_of(c, groups[g].first, groups[g].count) <= 0.0)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: the weights of the %s are all 0", path,
                            groups[g].words);
    return MRC_OK;
}

enum mrc_status mrc_sim_config_load(struct mrc_sim_config *config, const char *path,
                                    struct mrc_error *err) {
    enum { LARGEST = 1 << 20 };
    unsigned char *text = NULL;
    size_t size = 0;
    struct place at = {.path = path};
    char *rest = NULL;
    enum mrc_status st = mrc_read_file(&text, &size, path, LARGEST, err);
    if (st == MRC_OK && memchr(text, '\0', size) != NULL)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: no text, expected lines of name = low high", path);
    for (char *line = (char *)text; st == MRC_OK && line != NULL; line = rest) {
        rest = strchr(line, '\n');
        if (rest != NULL) *rest++ = '\0';
        ++at.line;
        st = read_line(config, line, at, err);
    }
    mrc_free(text);
    return st == MRC_OK ? check_weights(config, path, err) : st;
}
