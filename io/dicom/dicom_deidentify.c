/* dicom_deidentify.c: see deidentify.h. */
#include "io/dicom/deidentify.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_deidentify_number.h"
#include "io/dicom/dicom_deidentify_table.h"
#include "io/dicom/dicom_source.h"
#include "io/dicom/dicom_write.h"

enum { VALUE = 65, MOST_VALUES = 4096, DEEPEST = 8 };

static const char standard_root[] = "1.2.840.10008.", frame_root[] = "1.2.840.10008.1.4.";

/* A data set on its way: what is read, what is written, under which key. */
struct passage {
    mrc_dcmtk_item *from;
    struct mrc_dicom_draft to;
    const struct mrc_pseudonym_key *key;
    int depth;
};

/* --- values --- */

static bool is_listed(const char *value, const char *words) {
    size_t length = strlen(value);
    for (const char *at = words; length > 0 && at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
    }
    return false;
}

static bool is_uid(const char *text) {
    size_t length = strlen(text);
    return length > 0 && length <= 64 && text[strspn(text, "0123456789.")] == '\0';
}

static void append(struct mrc_text *text, const char *value) {
    mrc_text_appendf(text, "%s%s", text->size > 0 ? "\\" : "", value);
}

/* Writes what was gathered, or what stands in for nothing. */
static void put_gathered(struct passage *p, const struct mrc_deidentify_rule *rule,
                         struct mrc_text *text) {
    const char *value = text->size > 0 ? text->data : rule->fallback;
    if (text->failed) {
        if (p->to.st == MRC_OK) p->to.st = mrc_fail(p->to.err, MRC_ERR_NOMEM, "out of memory");
    } else if (value != NULL) {
        bool synthetic = rule->tag == MRC_TAG(0x0008, 0x001C); /* younger than the dictionary */
        mrc_dicom_draft_text_as(&p->to, rule->tag, synthetic ? "CS" : NULL, value);
    } else if (rule->empty) {
        mrc_dicom_draft_text(&p->to, rule->tag, "");
    }
    mrc_text_clear(text);
}

/* A stored value: its VR is that of the pixels, and files without VRs do not tell. */
static void put_stored_value(struct passage *p, const struct mrc_deidentify_rule *rule) {
    int64_t value = 0, is_signed = 0;
    if (!mrc_dcmtk_integer(&value, p->from, rule->tag, 0)) return;
    (void)mrc_dcmtk_integer(&is_signed, p->from, MRC_TAG(0x0028, 0x0103), 0);
    if (is_signed == 1 && value > INT16_MAX && value <= UINT16_MAX) value -= UINT16_MAX + 1;
    if (is_signed != 1 && value < 0 && value >= INT16_MIN) value += UINT16_MAX + 1;
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    mrc_dicom_draft_text_as(&p->to, rule->tag, is_signed == 1 ? "SS" : "US", text);
}

static bool is_stored_value(uint32_t tag) {
    return tag == MRC_TAG(0x0028, 0x0106) || tag == MRC_TAG(0x0028, 0x0107) ||
           tag == MRC_TAG(0x0028, 0x0120) || tag == MRC_TAG(0x0028, 0x0121);
}

static bool is_text_number(const struct mrc_deidentify_number *bounds) {
    return strcmp(bounds->vr, "DS") == 0 || strcmp(bounds->vr, "IS") == 0 ||
           strcmp(bounds->vr, "SH") == 0;
}

/* As many values as there may be, each of them in its range. Tags are no numbers: there they count.
 */
static bool all_fit(const struct passage *p, const struct mrc_deidentify_number *bounds,
                    size_t count) {
    char value[VALUE];
    if (count < (size_t)bounds->fewest || count > (size_t)bounds->most) return false;
    if (strcmp(bounds->vr, "AT") == 0) return mrc_dcmtk_has_vr(p->from, bounds->tag, "AT");
    for (size_t i = 0; i < count; ++i)
        if (!mrc_dcmtk_text(value, sizeof value, p->from, bounds->tag, i) ||
            !mrc_deidentify_number_fits(bounds, value))
            return false;
    return true;
}

static void put_numbers(struct passage *p, const struct mrc_deidentify_rule *rule) {
    const struct mrc_deidentify_number *bounds = mrc_deidentify_number_of(rule->tag);
    struct mrc_text text = {0};
    char value[VALUE];
    size_t count = mrc_dcmtk_count(p->from, rule->tag);
    if (is_stored_value(rule->tag)) {
        put_stored_value(p, rule);
        return;
    }
    MRC_ASSERT(bounds != NULL);
    if (!all_fit(p, bounds, count)) count = 0; /* all of them, or none */
    if (count > 0 && mrc_dcmtk_is_binary_number(p->from, rule->tag)) {
        if (mrc_dcmtk_has_vr(p->from, rule->tag, bounds->vr)) {
            mrc_dicom_draft_copy(&p->to, p->from, rule->tag);
            return;
        }
        if (!is_text_number(bounds)) count = 0; /* another kind of number than the standard's */
    }
    for (size_t i = 0; i < count; ++i) {
        (void)mrc_dcmtk_text(value, sizeof value, p->from, rule->tag, i);
        mrc_deidentify_number_shorten(value, sizeof value, bounds);
        append(&text, value);
    }
    put_gathered(p, rule, &text);
}

static void put_words(struct passage *p, const struct mrc_deidentify_rule *rule) {
    struct mrc_text text = {0};
    char value[VALUE];
    size_t count = mrc_dcmtk_count(p->from, rule->tag);
    for (size_t i = 0; i < count && i < MOST_VALUES; ++i)
        if (mrc_dcmtk_text(value, sizeof value, p->from, rule->tag, i) &&
            is_listed(value, rule->words))
            append(&text, value);
    put_gathered(p, rule, &text);
}

/* The first three values have meanings by their place: an unknown third becomes OTHER. */
static void put_type(struct passage *p, const struct mrc_deidentify_rule *rule) {
    struct mrc_text text = {0};
    char value[VALUE];
    size_t count = mrc_dcmtk_count(p->from, rule->tag);
    for (size_t i = 0; i < count && i < 8; ++i) {
        bool known = mrc_dcmtk_text(value, sizeof value, p->from, rule->tag, i) &&
                     is_listed(value, rule->words);
        if (known)
            append(&text, value);
        else if (i < 4)
            append(&text, i == 0   ? "DERIVED"
                          : i == 1 ? "SECONDARY"
                          : i == 2 ? rule->fallback
                                   : "NONE");
    }
    if (count < 3) append(&text, rule->fallback);
    put_gathered(p, rule, &text);
}

static void put_uid(struct passage *p, const struct mrc_deidentify_rule *rule) {
    char value[VALUE], own[MRC_UID_TEXT];
    if (!mrc_dcmtk_text(value, sizeof value, p->from, rule->tag, 0)) return;
    /* Under the standard's root anyone could write what he likes: only what it names is kept, and
     * only where such a name belongs. An image, series or study has none. */
    const char *root = rule->action == MRC_DEIDENTIFY_FRAME_UID ? frame_root : standard_root;
    bool known = rule->action != MRC_DEIDENTIFY_UID && is_uid(value) &&
                 strncmp(value, root, strlen(root)) == 0 && mrc_dcmtk_uid_name(value) != NULL;
    if (rule->action == MRC_DEIDENTIFY_KNOWN_UID && !known) return;
    if (known) {
        mrc_dicom_draft_text(&p->to, rule->tag, value);
        return;
    }
    if (p->to.st == MRC_OK) p->to.st = mrc_pseudonym_uid(own, p->key, value, p->to.err);
    mrc_dicom_draft_text(&p->to, rule->tag, own);
}

/* --- codes --- */

static const struct code {
    const char *value, *scheme, *meaning;
} codes[] = {
    {"T-A0100", "SRT", "Brain"},
    {"12738006", "SCT", "Brain"},
    {"T-D1100", "SRT", "Head"},
    {"69536005", "SCT", "Head"},
    {"T-D1400", "SRT", "Skull"},
    {"109100", "DCM", "Synthesizing Equipment"},
    {"109102", "DCM", "Processing Equipment"},
    {"113072", "DCM", "Multiplanar reformatting"},
    {"113085", "DCM", "Spatial resampling"},
    {"113091", "DCM", "Pixel by pixel averaging"},
    {"113130", "DCM", "Predecessor containing group of imaging subjects"},
    {"121311", "DCM", "Localizer"},
    {"121322", "DCM", "Source image for image processing operation"},
    {"121329", "DCM", "Source image for montage"},
    {"121330", "DCM", "Lossy compressed predecessor"},
};

/* Only codes we know enter, with the meaning that we know. */
static void put_code(struct passage *p, const struct mrc_deidentify_rule *rule) {
    size_t count = mrc_dcmtk_count(p->from, rule->tag);
    for (size_t i = 0; i < count && i < DEEPEST; ++i) {
        mrc_dcmtk_item *item = mrc_dcmtk_child(p->from, rule->tag, i);
        char value[VALUE], scheme[VALUE];
        if (item == NULL) return;
        (void)mrc_dcmtk_text(value, sizeof value, item, MRC_TAG(0x0008, 0x0100), 0);
        (void)mrc_dcmtk_text(scheme, sizeof scheme, item, MRC_TAG(0x0008, 0x0102), 0);
        for (size_t c = 0; c < sizeof codes / sizeof *codes; ++c) {
            if (strcmp(codes[c].value, value) != 0 || strcmp(codes[c].scheme, scheme) != 0)
                continue;
            struct mrc_dicom_draft out = mrc_dicom_draft_item(&p->to, rule->tag);
            mrc_dicom_draft_text(&out, MRC_TAG(0x0008, 0x0100), codes[c].value);
            mrc_dicom_draft_text(&out, MRC_TAG(0x0008, 0x0102), codes[c].scheme);
            mrc_dicom_draft_text(&out, MRC_TAG(0x0008, 0x0104), codes[c].meaning);
            mrc_dicom_draft_join(&p->to, &out);
        }
    }
}

/* --- data sets --- */

static void put_all(struct passage *p);

/* An item about this program is known by maker and product; whoever copies both says what is true
 * of anybody. */
static bool is_about_program(mrc_dcmtk_item *item) {
    char maker[VALUE], model[VALUE];
    return mrc_dcmtk_text(maker, sizeof maker, item, MRC_TAG(0x0008, 0x0070), 0) &&
           mrc_dcmtk_text(model, sizeof model, item, MRC_TAG(0x0008, 0x1090), 0) &&
           strcmp(maker, MRC_DICOM_PROGRAM) == 0 && strcmp(model, MRC_DICOM_PROGRAM) == 0;
}

static void put_sequence(struct passage *p, const struct mrc_deidentify_rule *rule) {
    size_t count = mrc_dcmtk_count(p->from, rule->tag);
    if (p->depth >= DEEPEST) return;
    for (size_t i = 0; i < count && p->to.st == MRC_OK; ++i) {
        struct passage item = {
            .from = mrc_dcmtk_child(p->from, rule->tag, i), .key = p->key, .depth = p->depth + 1};
        if (item.from == NULL) return;
        if (rule->action == MRC_DEIDENTIFY_PROGRAM && !is_about_program(item.from)) continue;
        item.to = mrc_dicom_draft_item(&p->to, rule->tag);
        put_all(&item);
        mrc_dicom_draft_join(&p->to, &item.to);
    }
}

static void put_rule(struct passage *p, const struct mrc_deidentify_rule *rule) {
    char value[VALUE];
    switch (rule->action) {
    case MRC_DEIDENTIFY_NUMBERS: put_numbers(p, rule); break;
    case MRC_DEIDENTIFY_WORDS: put_words(p, rule); break;
    case MRC_DEIDENTIFY_TYPE: put_type(p, rule); break;
    case MRC_DEIDENTIFY_MAKER:
        (void)mrc_dcmtk_text(value, sizeof value, p->from, rule->tag, 0);
        mrc_dicom_draft_text(&p->to, rule->tag, mrc_manufacturer_name(value));
        break;
    case MRC_DEIDENTIFY_KNOWN_UID:
    case MRC_DEIDENTIFY_UID:
    case MRC_DEIDENTIFY_FRAME_UID: put_uid(p, rule); break;
    case MRC_DEIDENTIFY_DATE_TIME: mrc_dicom_draft_text(&p->to, rule->tag, "19000101000000"); break;
    case MRC_DEIDENTIFY_DUMMY: mrc_dicom_draft_text(&p->to, rule->tag, rule->words); break;
    case MRC_DEIDENTIFY_CODE: put_code(p, rule); break;
    case MRC_DEIDENTIFY_SEQUENCE:
    case MRC_DEIDENTIFY_PROGRAM: put_sequence(p, rule); break;
    }
}

static void put_all(struct passage *p) {
    for (size_t r = 0; r < mrc_deidentify_rule_count && p->to.st == MRC_OK; ++r)
        if (mrc_dcmtk_has(p->from, mrc_deidentify_rules[r].tag))
            put_rule(p, &mrc_deidentify_rules[r]);
}

/* Type 2 elements of patient and study, empty, and the patient's new name. */
static void put_patient(struct mrc_dicom_draft *d, const struct mrc_deidentified *names) {
    static const uint32_t empty[] = {MRC_TAG(0x0008, 0x0020), MRC_TAG(0x0008, 0x0030),
                                     MRC_TAG(0x0008, 0x0050), MRC_TAG(0x0008, 0x0090),
                                     MRC_TAG(0x0010, 0x0030), MRC_TAG(0x0010, 0x0040),
                                     MRC_TAG(0x0020, 0x0010), MRC_TAG(0x0020, 0x1040)};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; ++i) mrc_dicom_draft_text(d, empty[i], "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0010), names->subject);
    mrc_dicom_draft_text(d, MRC_TAG(0x0010, 0x0020), names->subject);
}

/* Says what was done and nothing beyond: no 113101 (pixels), no 113102 (faces). */
static void put_flags(struct mrc_dicom_draft *d, mrc_dcmtk_item *from) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0012, 0x0062), "YES");
    mrc_dicom_draft_text(d, MRC_TAG(0x0012, 0x0063), "mrcycle " MRC_VERSION ": allow-list");
    mrc_dicom_draft_code(d, MRC_TAG(0x0012, 0x0064), "113100",
                         "Basic Application Confidentiality Profile");
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0303), "REMOVED");
    if (!mrc_dcmtk_has(from, MRC_TAG(0x0028, 0x0302))) /* a head shows a face until it is removed */
        mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0302), "YES");
}

/* Elements a classic MR image must have, empty where the source lacks them. */
static void put_missing(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, bool enhanced) {
    static const uint32_t any[] = {MRC_TAG(0x0008, 0x0070), MRC_TAG(0x0020, 0x0011),
                                   MRC_TAG(0x0020, 0x0013)};
    static const uint32_t classic[] = {MRC_TAG(0x0018, 0x0022), MRC_TAG(0x0018, 0x0023),
                                       MRC_TAG(0x0018, 0x0080), MRC_TAG(0x0018, 0x0081),
                                       MRC_TAG(0x0018, 0x0091), MRC_TAG(0x0018, 0x5100)};
    for (size_t i = 0; i < sizeof any / sizeof *any; ++i)
        if (!mrc_dcmtk_has(from, any[i])) mrc_dicom_draft_text(d, any[i], "");
    for (size_t i = 0; !enhanced && i < sizeof classic / sizeof *classic; ++i)
        if (!mrc_dcmtk_has(from, classic[i])) mrc_dicom_draft_text(d, classic[i], "");
    if (enhanced) mrc_dicom_draft_text(d, MRC_TAG(0x0040, 0x0555), ""); /* AcquisitionContext */
    if (!enhanced && !mrc_dcmtk_has(d->item, MRC_TAG(0x0018, 0x0015)) &&
        !mrc_dcmtk_has(d->item, MRC_TAG(0x0020, 0x0060))) /* may be one of a pair */
        mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0060), "");
}

/* --- names --- */

static enum mrc_status name_subject(char out[MRC_PSEUDONYM_TEXT], bool *without_id,
                                    mrc_dcmtk_item *root, const struct mrc_pseudonym_key *key,
                                    struct mrc_error *err) {
    char id[VALUE], study[VALUE];
    bool known = mrc_dcmtk_text(id, sizeof id, root, MRC_TAG(0x0010, 0x0020), 0);
    (void)mrc_dcmtk_text(study, sizeof study, root, MRC_TAG(0x0020, 0x000D), 0);
    for (char *c = id; *c != '\0'; ++c) *c = (char)toupper((unsigned char)*c);
    *without_id = !known;
    return mrc_pseudonym_name(out, key, known ? "patient" : "patient of study", known ? id : study,
                              err);
}

static enum mrc_status name_uid(char out[MRC_PSEUDONYM_TEXT], mrc_dcmtk_item *root, uint32_t tag,
                                const char *purpose, const struct mrc_pseudonym_key *key,
                                struct mrc_error *err) {
    char uid[VALUE];
    (void)mrc_dcmtk_text(uid, sizeof uid, root, tag, 0);
    return mrc_pseudonym_name(out, key, purpose, uid, err);
}

static bool says_yes(mrc_dcmtk_item *root, uint32_t tag) {
    char value[VALUE];
    return mrc_dcmtk_text(value, sizeof value, root, tag, 0) && strcmp(value, "YES") == 0;
}

static enum mrc_status name_all(struct mrc_deidentified *out, mrc_dcmtk_file *file,
                                const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    *out = (struct mrc_deidentified){0};
    enum mrc_status st = name_subject(out->subject, &out->without_id, root, key, err);
    if (st == MRC_OK) st = name_uid(out->study, root, MRC_TAG(0x0020, 0x000D), "study", key, err);
    if (st == MRC_OK) st = name_uid(out->series, root, MRC_TAG(0x0020, 0x000E), "series", key, err);
    if (st == MRC_OK)
        st = name_uid(out->instance, root, MRC_TAG(0x0008, 0x0018), "instance", key, err);
    out->burned_in = mrc_dicom_may_be_burned_in(root);
    out->synthetic = says_yes(root, MRC_TAG(0x0008, 0x001C));
    out->compressed = strncmp(mrc_dcmtk_transfer_syntax(file), "1.2.840.10008.1.2.4.", 20) == 0;
    return st;
}

/* --- one file --- */

static enum mrc_status check_class(bool *enhanced, mrc_dcmtk_file *file, const char *path,
                                   struct mrc_error *err) {
    static const char classic[] = "1.2.840.10008.5.1.4.1.1.4",
                      multi[] = "1.2.840.10008.5.1.4.1.1.4.1",
                      converted[] = "1.2.840.10008.5.1.4.1.1.4.4";
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    char value[VALUE];
    (void)mrc_dcmtk_text(value, sizeof value, root, MRC_TAG(0x0008, 0x0016), 0);
    *enhanced = strcmp(value, multi) == 0 || strcmp(value, converted) == 0;
    if (!*enhanced && strcmp(value, classic) != 0) {
        const char *name = is_uid(value) ? mrc_dcmtk_uid_name(value) : NULL;
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %s, expected an MR image", path,
                        name != NULL ? name : "of no known kind");
    }
    for (size_t i = 0; i < 3; ++i) {
        static const uint32_t uids[] = {MRC_TAG(0x0008, 0x0018), MRC_TAG(0x0020, 0x000D),
                                        MRC_TAG(0x0020, 0x000E)};
        if (!mrc_dcmtk_text(value, sizeof value, root, uids[i], 0))
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: without a UID of image, study or series",
                            path);
    }
    (void)mrc_dcmtk_text(value, sizeof value, root, MRC_TAG(0x0028, 0x0004), 0);
    if (strncmp(value, "MONOCHROME", 10) != 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: a colour image, expected a grey one", path);
    return MRC_OK;
}

enum mrc_status mrc_dicom_deidentify(unsigned char **out, size_t *size,
                                     struct mrc_deidentified *names, const char *path,
                                     const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    mrc_dcmtk_file *source = NULL, *target = NULL;
    bool enhanced = false;
    *out = NULL;
    *size = 0;
    enum mrc_status st = mrc_dcmtk_open(&source, path, err);
    if (st == MRC_OK) st = check_class(&enhanced, source, path, err);
    if (st == MRC_OK) st = name_all(names, source, key, err);
    if (st == MRC_OK) st = mrc_dcmtk_create(&target, err);
    if (st == MRC_OK) {
        struct passage p = {.from = mrc_dcmtk_root(source),
                            .to = {.item = mrc_dcmtk_root(target), .err = err},
                            .key = key};
        put_all(&p);
        put_patient(&p.to, names);
        put_missing(&p.to, p.from, enhanced);
        put_flags(&p.to, p.from);
        st = p.to.st;
    }
    if (st == MRC_OK) st = mrc_dcmtk_encode_around(out, size, target, source, err);
    mrc_dcmtk_close(target);
    mrc_dcmtk_close(source);
    return st;
}

enum mrc_status mrc_dicom_subject(char out[MRC_PSEUDONYM_TEXT], bool *without_id, const char *path,
                                  const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    mrc_dcmtk_file *file = NULL;
    bool none = false;
    enum mrc_status st = mrc_dcmtk_open(&file, path, err);
    if (st == MRC_OK) st = name_subject(out, &none, mrc_dcmtk_root(file), key, err);
    if (without_id != NULL) *without_id = none;
    mrc_dcmtk_close(file);
    return st;
}

/* --- how a scan was made --- */

const char *mrc_manufacturer_name(const char *text) {
    static const struct {
        const char *begin, *name;
    } makers[] = {{"siemens", "Siemens"},
                  {"philips", "Philips"},
                  {"ge ", "GE"},
                  {"ge_", "GE"},
                  {"toshiba", "Canon"},
                  {"canon", "Canon"},
                  {"hitachi", "Hitachi"},
                  {"fujifilm", "Fujifilm"},
                  {"uih", "UIH"},
                  {"united imaging", "UIH"},
                  {"hyperfine", "Hyperfine"},
                  {"bruker", "Bruker"},
                  {"esaote", "Esaote"},
                  {"mrcycle", "mrcycle"}};
    if (text[0] == '\0') return "";
    if (strcasecmp(text, "ge") == 0) return "GE";
    for (size_t i = 0; i < sizeof makers / sizeof *makers; ++i)
        if (strncasecmp(text, makers[i].begin, strlen(makers[i].begin)) == 0) return makers[i].name;
    return "other";
}

static double number_of(mrc_dcmtk_item *root, uint32_t tag) {
    double value = (double)NAN;
    (void)mrc_dcmtk_number(&value, root, tag, 0);
    return value;
}

static void words_of(char *out, size_t capacity, mrc_dcmtk_item *root, uint32_t tag,
                     const char *words) {
    char value[VALUE];
    size_t used = 0, count = mrc_dcmtk_count(root, tag);
    out[0] = '\0';
    for (size_t i = 0; i < count && i < DEEPEST; ++i) {
        if (!mrc_dcmtk_text(value, sizeof value, root, tag, i) || !is_listed(value, words))
            continue;
        if (used + strlen(value) + 2 > capacity) return;
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", used > 0 ? "_" : "", value);
    }
}

static enum mrc_status name_scanner(struct mrc_acquisition *out, mrc_dcmtk_item *root,
                                    const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    static const uint32_t tags[] = {MRC_TAG(0x0008, 0x0070), MRC_TAG(0x0008, 0x1090),
                                    MRC_TAG(0x0018, 0x1000), MRC_TAG(0x0008, 0x1010),
                                    MRC_TAG(0x0018, 0x0087)};
    struct mrc_text all = {0};
    char value[VALUE];
    for (size_t i = 0; i < sizeof tags / sizeof *tags; ++i) {
        (void)mrc_dcmtk_text(value, sizeof value, root, tags[i], 0);
        mrc_text_appendf(&all, "%s\n", value);
    }
    enum mrc_status st = all.failed
                             ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory")
                             : mrc_pseudonym_name(out->scanner, key, "scanner", all.data, err);
    mrc_text_clear(&all);
    return st;
}

enum mrc_status mrc_acquisition_read(struct mrc_acquisition *out, const char *path,
                                     const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    mrc_dcmtk_file *file = NULL;
    char value[VALUE];
    bool without_id = false;
    *out = (struct mrc_acquisition){0};
    enum mrc_status st = mrc_dcmtk_open(&file, path, err);
    if (st != MRC_OK) return st;
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    (void)mrc_dcmtk_text(value, sizeof value, root, MRC_TAG(0x0008, 0x0070), 0);
    (void)snprintf(out->manufacturer, sizeof out->manufacturer, "%s", mrc_manufacturer_name(value));
    words_of(out->sequence, sizeof out->sequence, root, MRC_TAG(0x0018, 0x0020), "SE|IR|GR|EP|RM");
    words_of(out->variant, sizeof out->variant, root, MRC_TAG(0x0018, 0x0021),
             "SK|MTC|SS|TRSS|SP|MP|OSP|TOF|NONE");
    words_of(out->acquisition_type, sizeof out->acquisition_type, root, MRC_TAG(0x0018, 0x0023),
             "2D|3D");
    out->echo_ms = number_of(root, MRC_TAG(0x0018, 0x0081));
    out->repetition_ms = number_of(root, MRC_TAG(0x0018, 0x0080));
    out->inversion_ms = number_of(root, MRC_TAG(0x0018, 0x0082));
    out->flip_deg = number_of(root, MRC_TAG(0x0018, 0x1314));
    out->field_t = number_of(root, MRC_TAG(0x0018, 0x0087));
    out->thickness_mm = number_of(root, MRC_TAG(0x0018, 0x0050));
    st = name_subject(out->subject, &without_id, root, key, err);
    if (st == MRC_OK) st = name_uid(out->study, root, MRC_TAG(0x0020, 0x000D), "study", key, err);
    if (st == MRC_OK) st = name_uid(out->series, root, MRC_TAG(0x0020, 0x000E), "series", key, err);
    if (st == MRC_OK)
        st = name_uid(out->instance, root, MRC_TAG(0x0008, 0x0018), "instance", key, err);
    if (st == MRC_OK) st = name_scanner(out, root, key, err);
    mrc_dcmtk_close(file);
    return st;
}

void mrc_dicom_deidentify_print_table(struct mrc_text *out) {
    static const char *const actions[] = {
        [MRC_DEIDENTIFY_NUMBERS] = "kept when it is a number",
        [MRC_DEIDENTIFY_WORDS] = "kept when it is a word of the list",
        [MRC_DEIDENTIFY_TYPE] = "kept when it is a word of the list, else OTHER",
        [MRC_DEIDENTIFY_MAKER] = "the maker's plain name",
        [MRC_DEIDENTIFY_KNOWN_UID] = "kept when it is a UID of the standard",
        [MRC_DEIDENTIFY_UID] = "another UID, under the key",
        [MRC_DEIDENTIFY_FRAME_UID] = "another UID, under the key, but for the standard's own",
        [MRC_DEIDENTIFY_DATE_TIME] = "1900-01-01",
        [MRC_DEIDENTIFY_DUMMY] = "a fixed word",
        [MRC_DEIDENTIFY_CODE] = "kept when it is a code of the list",
        [MRC_DEIDENTIFY_SEQUENCE] = "each item by this table",
        [MRC_DEIDENTIFY_PROGRAM] = "items about this program, by this table"};
    for (size_t r = 0; r < mrc_deidentify_rule_count; ++r)
        mrc_text_appendf(out, "(%04x,%04x)\t%s\n", (unsigned)(mrc_deidentify_rules[r].tag >> 16),
                         (unsigned)(mrc_deidentify_rules[r].tag & 0xFFFFu),
                         actions[mrc_deidentify_rules[r].action]);
}
