/* rules.c: see the header. One row of the table is one key of a block. */
#define _GNU_SOURCE /* FNM_CASEFOLD */
#include "app/node/rules.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum key { PATTERN, SLICES, ACTION, FROM, TO, MODEL, GAPS, PACS };
struct row {
    const char *name;
    enum key key;
    enum mrc_rule_field field; /* of PATTERN */
};
static const struct row rows[] = {
    {"calling", PATTERN, MRC_RULE_CALLING},
    {"station", PATTERN, MRC_RULE_STATION},
    {"modality", PATTERN, MRC_RULE_MODALITY},
    {"description", PATTERN, MRC_RULE_DESCRIPTION},
    {"protocol", PATTERN, MRC_RULE_PROTOCOL},
    {"body_part", PATTERN, MRC_RULE_BODY_PART},
    {"contrast", PATTERN, MRC_RULE_CONTRAST},
    {"plane", PATTERN, MRC_RULE_PLANE},
    {.name = "slices", .key = SLICES},
    {.name = "do", .key = ACTION},
    {.name = "from", .key = FROM},
    {.name = "to", .key = TO},
    {.name = "model", .key = MODEL},
    {.name = "allow_gaps", .key = GAPS},
    {.name = "pacs", .key = PACS},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const action_names[] = {"", "translate", "route", "ignore"};

const char *mrc_rule_action_name(enum mrc_rule_action action) {
    return action_names[action];
}

/* --- From text --- */

enum mrc_status mrc_rule_begin(struct mrc_rule *rule, const char *text, struct mrc_error *err) {
    size_t length = strlen(text);
    bool plain = length > 0 && length < sizeof rule->name;
    for (size_t i = 0; plain && i < length; ++i)
        plain = isalnum((unsigned char)text[i]) || strchr("-_.", text[i]) != NULL;
    if (!plain)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "a rule named '%.80s', expected 1 to %d letters, digits, '-', '_', '.'",
                        text, MRC_RULE_NAME - 1);
    *rule = (struct mrc_rule){.action = MRC_RULE_UNSAID};
    snprintf(rule->name, sizeof rule->name, "%s", text);
    return MRC_OK;
}

/* A word that is no contrast fits nothing, and so would its rule. */
static enum mrc_status settle_contrast(const char **value, struct mrc_error *err) {
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    if (strcasecmp(*value, mrc_contrast_name(contrast)) != 0) {
        enum mrc_status status = mrc_contrast_parse(&contrast, *value, err);
        if (status != MRC_OK) return status;
    }
    *value = mrc_contrast_name(contrast);
    return MRC_OK;
}

static enum mrc_status check_plane(const char *value, struct mrc_error *err) {
    for (int o = MRC_AXIAL; o <= MRC_OBLIQUE; ++o)
        if (strcasecmp(value, mrc_orientation_name((enum mrc_orientation)o)) == 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "plane is '%.80s', expected axial, sagittal, coronal or oblique", value);
}

static enum mrc_status add_pattern(struct mrc_rule *rule, const struct row *row, const char *value,
                                   struct mrc_error *err) {
    struct mrc_rule_patterns *patterns = &rule->fields[row->field];
    enum mrc_status status = MRC_OK;
    if (row->field == MRC_RULE_CONTRAST) status = settle_contrast(&value, err);
    if (row->field == MRC_RULE_PLANE) status = check_plane(value, err);
    if (status != MRC_OK) return status;
    if (patterns->count == MRC_RULE_PATTERNS)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d lines of %s in a rule", MRC_RULE_PATTERNS,
                        row->name);
    if (strlen(value) >= MRC_RULE_PATTERN)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s has %zu characters, expected at most %d",
                        row->name, strlen(value), MRC_RULE_PATTERN - 1);
    snprintf(patterns->texts[patterns->count++], MRC_RULE_PATTERN, "%s", value);
    return MRC_OK;
}

/* "24", "20-400", "20-". */
static enum mrc_status set_slices(struct mrc_rule *rule, const char *value, struct mrc_error *err) {
    enum { MOST = 100000 };
    char least[16];
    const char *dash = strchr(value, '-');
    size_t length = dash != NULL ? (size_t)(dash - value) : strlen(value);
    int64_t lo = 0, hi = 0;
    snprintf(least, sizeof least, "%.*s", (int)(length < sizeof least ? length : 0), value);
    bool whole = mrc_parse_i64(&lo, least, 1, MOST) == MRC_OK;
    if (dash == NULL)
        hi = lo;
    else if (dash[1] != '\0')
        whole = whole && mrc_parse_i64(&hi, dash + 1, lo, MOST) == MRC_OK;
    if (!whole)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "slices is '%.80s', expected a number, or two as 20-400, or 20- for more",
                        value);
    rule->least_slices = lo;
    rule->most_slices = hi;
    return MRC_OK;
}

static enum mrc_status set_action(struct mrc_rule *rule, const char *value, struct mrc_error *err) {
    for (int a = MRC_RULE_TRANSLATE; a <= MRC_RULE_IGNORE; ++a)
        if (strcmp(value, action_names[a]) == 0) {
            rule->action = (enum mrc_rule_action)a;
            return MRC_OK;
        }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "do is '%.80s', expected translate, route or ignore",
                    value);
}

static enum mrc_status set_model(struct mrc_rule *rule, const char *value, struct mrc_error *err) {
    if (strlen(value) >= sizeof rule->model)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "model has %zu characters, expected at most %zu",
                        strlen(value), sizeof rule->model - 1);
    snprintf(rule->model, sizeof rule->model, "%s", value);
    return MRC_OK;
}

static enum mrc_status set_gaps(struct mrc_rule *rule, const char *value, struct mrc_error *err) {
    rule->has_gaps = true;
    rule->allow_gaps = strcmp(value, "yes") == 0;
    if (rule->allow_gaps || strcmp(value, "no") == 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "allow_gaps is '%.80s', expected yes or no", value);
}

static enum mrc_status add_peer(struct mrc_rule *rule, const char *value, struct mrc_error *err) {
    if (rule->peer_count == MRC_RULE_PEERS)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d lines of pacs in a rule", MRC_RULE_PEERS);
    struct mrc_net_peer *peer = &rule->peers[rule->peer_count++];
    *peer = (struct mrc_net_peer)MRC_NET_PEER_DEFAULTS;
    return mrc_net_parse_peer(peer, value, err);
}

static enum mrc_status set(struct mrc_rule *rule, const struct row *row, const char *value,
                           struct mrc_error *err) {
    switch (row->key) {
    case PATTERN: return add_pattern(rule, row, value, err);
    case SLICES: return set_slices(rule, value, err);
    case ACTION: return set_action(rule, value, err);
    case FROM: return mrc_contrast_parse(&rule->from, value, err);
    case TO: return mrc_contrast_parse(&rule->to, value, err);
    case MODEL: return set_model(rule, value, err);
    case GAPS: return set_gaps(rule, value, err);
    case PACS: return add_peer(rule, value, err);
    }
    return MRC_OK;
}

enum mrc_status mrc_rule_set(struct mrc_rule *rule, const char *name, const char *value,
                             struct mrc_error *err) {
    for (size_t r = 0; r < ROWS; ++r)
        if (strcmp(rows[r].name, name) == 0) return set(rule, &rows[r], value, err);
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "no key '%.80s' of a rule; the node's own settings stand before the first rule",
                    name);
}

enum mrc_status mrc_rule_check(const struct mrc_rule *rule, struct mrc_error *err) {
    if (rule->action == MRC_RULE_UNSAID)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "rule %s does nothing, expected do = translate, route or ignore",
                        rule->name);
    if (rule->action == MRC_RULE_IGNORE && rule->peer_count > 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "rule %s: pacs without anything to send",
                        rule->name);
    bool translates = rule->from != MRC_CONTRAST_UNKNOWN || rule->to != MRC_CONTRAST_UNKNOWN ||
                      rule->model[0] != '\0' || rule->has_gaps;
    if (rule->action != MRC_RULE_TRANSLATE && translates)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "rule %s: from, to, model and allow_gaps are of a rule that translates",
                        rule->name);
    return MRC_OK;
}

/* --- Judging --- */

static bool fits_patterns(const struct mrc_rule_patterns *patterns, const char *value) {
    for (size_t p = 0; p < patterns->count; ++p)
        if (fnmatch(patterns->texts[p], value, FNM_CASEFOLD) == 0) return true;
    return patterns->count == 0;
}

bool mrc_rule_fits(const struct mrc_rule *rule, const struct mrc_image_info *image,
                   const char *calling) {
    const char *const values[MRC_RULE_FIELDS] = {
        [MRC_RULE_CALLING] = calling,
        [MRC_RULE_STATION] = image->station,
        [MRC_RULE_MODALITY] = image->modality,
        [MRC_RULE_DESCRIPTION] = image->series_description,
        [MRC_RULE_PROTOCOL] = image->protocol_name,
        [MRC_RULE_BODY_PART] = image->body_part,
        [MRC_RULE_CONTRAST] = mrc_contrast_name(image->contrast),
        [MRC_RULE_PLANE] = image->physical ? mrc_orientation_name(image->orientation) : "",
    };
    /* a PACS may send us back what it got from us */
    if (rule->action == MRC_RULE_TRANSLATE && (image->synthetic || image->derived)) return false;
    for (int f = 0; f < MRC_RULE_FIELDS; ++f)
        if (!fits_patterns(&rule->fields[f], values[f])) return false;
    return image->slices >= rule->least_slices &&
           (rule->most_slices == 0 || image->slices <= rule->most_slices);
}

const struct mrc_rule *mrc_rules_find(const struct mrc_rule *rules, size_t count,
                                      const struct mrc_image_info *image, const char *calling) {
    for (size_t r = 0; r < count; ++r)
        if (mrc_rule_fits(&rules[r], image, calling)) return &rules[r];
    return NULL;
}

/* "no rule wants it (contrast T2w, 24 axial slices)" */
static void say_unwanted(struct mrc_rule_verdict *out, const struct mrc_rule *ignored,
                         const struct mrc_image_info *image) {
    char who[64] = "no rule wants it";
    if (ignored != NULL) snprintf(who, sizeof who, "rule %s ignores it", ignored->name);
    snprintf(out->why, sizeof out->why, "%s (contrast %s, %lld%s%s slices%s%s)", who,
             mrc_contrast_name(image->contrast), (long long)image->slices,
             image->physical ? " " : "",
             image->physical ? mrc_orientation_name(image->orientation) : "",
             image->synthetic ? ", synthetic" : "", image->derived ? ", derived" : "");
}

enum mrc_status mrc_rules_judge(struct mrc_rule_verdict *out, const struct mrc_rule *rules,
                                size_t count, const struct mrc_image_info *const *images,
                                size_t image_count, const char *calling, struct mrc_error *err) {
    size_t wanted = 0;
    *out = (struct mrc_rule_verdict){.rule = NULL};
    for (size_t i = 0; i < image_count; ++i) {
        const struct mrc_rule *rule = mrc_rules_find(rules, count, images[i], calling);
        if (rule == NULL || rule->action == MRC_RULE_IGNORE) {
            if (out->why[0] == '\0') say_unwanted(out, rule, images[i]);
        } else if (out->rule == NULL || rule < out->rule) {
            out->rule = rule;
            out->image = images[i];
            wanted = 1;
        } else if (rule == out->rule) {
            ++wanted;
        }
    }
    if (out->rule == NULL) return MRC_OK;
    snprintf(out->why, sizeof out->why, "rule %s: %s", out->rule->name,
             mrc_rule_action_name(out->rule->action));
    if (out->rule->action == MRC_RULE_ROUTE) out->image = NULL;
    if (out->rule->action != MRC_RULE_TRANSLATE || wanted == 1) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "rule %s: wants %zu images of the series (echoes, time points or the like), "
                    "expected one",
                    out->rule->name, wanted);
}
