/* image_name.c: words in file names. */
#include "io/image_name.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/name_words.h"

static size_t stem_length(const char *name) {
    static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".img", ".png", ".dcm"};
    for (size_t e = 0; e < sizeof endings / sizeof *endings; ++e) {
        if (mrc_path_has_suffix(name, endings[e])) return strlen(name) - strlen(endings[e]);
    }
    return strlen(name);
}

enum { NAME = 256 };

/* --- BIDS: sub-01_part-phase_T1w --- */

/* What the value of an entity may say: nothing, what its words do, or something by being there. */
enum entity_rule { PASSED, HEARD, LABELLED, MEASURED, WEIGHTED, OF_AGENT, OF_PART };
static const struct {
    const char *key;
    enum entity_rule rule;
} entities[] = {{"sub", PASSED},   {"ses", PASSED},     {"run", PASSED},    {"space", PASSED},
                {"dir", PASSED},   {"echo", PASSED},    {"res", PASSED},    {"den", PASSED},
                {"hemi", PASSED},  {"chunk", PASSED},   {"split", PASSED},  {"flip", PASSED},
                {"from", PASSED},  {"to", PASSED},      {"mode", PASSED},   {"recording", PASSED},
                {"acq", HEARD},    {"rec", HEARD},      {"desc", HEARD},    {"proc", HEARD},
                {"mod", HEARD},    {"label", LABELLED}, {"seg", LABELLED},  {"atlas", LABELLED},
                {"inv", MEASURED}, {"mt", WEIGHTED},    {"task", WEIGHTED}, {"ce", OF_AGENT},
                {"part", OF_PART}};
static const struct mrc_name_word entity_label = {"label-", MRC_SAYS_LABELS, 0},
                                  entity_inversion = {"inv-", MRC_SAYS_MAP, 0},
                                  entity_transfer = {"mt-", MRC_SAYS_WEIGHTING, 0},
                                  entity_part = {"part-", MRC_SAYS_PART, 0};

static void say(struct mrc_name_said *said, const struct mrc_name_word *word) {
    said->says |= word->says;
    if (said->veto == NULL) said->veto = word;
}

static void hear_entity(struct mrc_name_said *said, enum entity_rule rule, const char *value) {
    switch (rule) {
    case PASSED: break;
    case HEARD: mrc_name_listen(said, value, MRC_NAME_OF_FILE); break;
    case LABELLED: say(said, &entity_label); break;
    case MEASURED: say(said, &entity_inversion); break;
    case WEIGHTED: say(said, &entity_transfer); break;
    case OF_AGENT:
        said->says |=
            (unsigned)(strcasecmp(value, "none") == 0 ? MRC_SAYS_NO_AGENT : MRC_SAYS_AGENT);
        break;
    case OF_PART:
        if (strcasecmp(value, "mag") != 0) say(said, &entity_part);
        break;
    }
}

/* "key-value": false where it is none of BIDS. */
static bool hear_if_entity(struct mrc_name_said *said, char *piece) {
    char *value = strchr(piece, '-');
    for (size_t e = 0; value != NULL && e < sizeof entities / sizeof *entities; ++e) {
        size_t length = strlen(entities[e].key);
        if ((size_t)(value - piece) != length || strncasecmp(piece, entities[e].key, length) != 0)
            continue;
        hear_entity(said, entities[e].rule, value + 1);
        return true;
    }
    return false;
}

/* A name of BIDS by its pieces; of what is no entity the words count. */
static void hear_bids(struct mrc_name_said *said, char *stem) {
    char *rest = NULL;
    for (char *piece = strtok_r(stem, "_", &rest); piece != NULL;
         piece = strtok_r(NULL, "_", &rest))
        if (!hear_if_entity(said, piece)) mrc_name_listen(said, piece, MRC_NAME_OF_FILE);
}

/* --- SPM and CAT: c1name, mwp2name, and y_name of a deformation --- */

static bool is_tissue_of_spm(const char *stem) {
    static const char *const before[] = {"mwr", "smw", "mw", "rw", "sw", "w", "r", "s", "m", ""};
    for (size_t b = 0; b < sizeof before / sizeof *before; ++b) {
        size_t length = strlen(before[b]);
        const char *at = stem + length;
        if (strncmp(stem, before[b], length) == 0 && (at[0] == 'c' || at[0] == 'p') &&
            at[1] >= '0' && at[1] <= '6' && isalpha((unsigned char)at[2]))
            return true;
    }
    return false;
}

static bool is_field_of_spm(const char *stem) {
    static const char *const begins[] = {"y_", "iy_", "wj_", "j_", "u_rc1", "BiasField_"};
    for (size_t b = 0; b < sizeof begins / sizeof *begins; ++b)
        if (strncmp(stem, begins[b], strlen(begins[b])) == 0) return true;
    return false;
}

/* --- all --- */

/* The word a name ends with, where it is a suffix of BIDS or of label maps; 0: it is none. */
static unsigned last_word_says(const char *stem) {
    static const struct {
        const char *word;
        unsigned says;
    } suffixes[] = {{"t1w", MRC_SAYS_T1},        {"t2w", MRC_SAYS_T2},
                    {"pdw", MRC_SAYS_PD},        {"flair", MRC_SAYS_FLAIR},
                    {"swi", MRC_SAYS_SWI},       {"t2starw", MRC_SAYS_T2 | MRC_SAYS_STAR},
                    {"mask", MRC_SAYS_LABELS},   {"dseg", MRC_SAYS_LABELS},
                    {"seg", MRC_SAYS_LABELS},    {"probseg", MRC_SAYS_LABELS},
                    {"label", MRC_SAYS_LABELS},  {"labels", MRC_SAYS_LABELS},
                    {"lesion", MRC_SAYS_LABELS}, {"lesions", MRC_SAYS_LABELS},
                    {"tumor", MRC_SAYS_LABELS},  {"tumour", MRC_SAYS_LABELS}};
    size_t end = strlen(stem);
    while (end > 0 && !isalnum((unsigned char)stem[end - 1])) --end;
    size_t begin = end;
    while (begin > 0 && isalnum((unsigned char)stem[begin - 1])) --begin;
    for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; ++s)
        if (strlen(suffixes[s].word) == end - begin &&
            strncasecmp(suffixes[s].word, stem + begin, end - begin) == 0)
            return suffixes[s].says;
    return 0;
}

static enum mrc_contrast contrast_of(unsigned says) {
    enum mrc_contrast contrast = mrc_name_contrast(says);
    if (contrast != MRC_CONTRAST_T1W) return contrast;
    if ((says & MRC_SAYS_AGENT) != 0)
        return (says & MRC_SAYS_NO_AGENT) != 0 ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_T1W_CE;
    return (says & MRC_SAYS_MAYBE_AGENT) != 0 ? MRC_CONTRAST_UNKNOWN : contrast;
}

void mrc_file_name_read(struct mrc_file_name_said *out, const char *name) {
    static const struct mrc_name_word tissue = {"c1 or the like of SPM", MRC_SAYS_LABELS, 0},
                                      field = {"y_ or the like of SPM", MRC_SAYS_COMPUTED, 0},
                                      ending = {"its last word", MRC_SAYS_LABELS, 0};
    struct mrc_name_said said = {0};
    char stem[NAME], pieces[NAME];
    (void)snprintf(stem, sizeof stem, "%.*s", (int)stem_length(name), name);
    (void)snprintf(pieces, sizeof pieces, "%s", stem);
    unsigned last = last_word_says(stem);
    if (strncasecmp(stem, "sub-", 4) == 0)
        hear_bids(&said, pieces);
    else
        mrc_name_listen(&said, stem, MRC_NAME_OF_FILE);
    if (is_tissue_of_spm(stem)) say(&said, &tissue);
    if (is_field_of_spm(stem)) say(&said, &field);
    if (last == MRC_SAYS_LABELS) say(&said, &ending);
    unsigned agent = MRC_SAYS_AGENT | MRC_SAYS_NO_AGENT | MRC_SAYS_MAYBE_AGENT;
    unsigned says = last != 0 && last != MRC_SAYS_LABELS ? last | (said.says & agent) : said.says;
    *out = (struct mrc_file_name_said){.contrast = MRC_CONTRAST_UNKNOWN,
                                       .labels = last == MRC_SAYS_LABELS};
    if (said.veto == NULL) {
        out->contrast = contrast_of(says);
        return;
    }
    out->unweighted = true;
    (void)snprintf(out->veto, sizeof out->veto, "'%s', %s", mrc_name_word_text(said.veto).text,
                   mrc_name_veto_words(said.veto->says));
}

enum mrc_contrast mrc_contrast_from_name(const char *name) {
    struct mrc_file_name_said said;
    mrc_file_name_read(&said, name);
    return said.contrast;
}

/* Does one of the words stand in the name between non-letters, with no number before it? */
static bool has_word(const char *name, const char *const *wanted) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *at = name + strcspn(name, letters); *at != '\0';) {
        size_t length = strspn(at, letters);
        bool number_before = at > name && isdigit((unsigned char)at[-1]);
        for (const char *const *w = wanted; *w != NULL && !number_before; ++w)
            if (strlen(*w) == length && strncasecmp(*w, at, length) == 0) return true;
        at += length;
        at += strcspn(at, letters);
    }
    return false;
}

bool mrc_name_is_phantom(const char *name, bool who) {
    static const char *const objects[] = {"phantom", "phantoms", "phantome", "fantom", "acr", NULL};
    static const char *const persons[] = {"test",     "testing", "qa",     "qc",     "dailyqa",
                                          "weeklyqa", "fruit",   "fruits", "bottle", NULL};
    return has_word(name, objects) || (who && has_word(name, persons));
}

bool mrc_name_is_infant(const char *name) {
    static const char *const young[] = {"infant",   "infants", "neonate", "neonates",
                                        "neonatal", "newborn", "preterm", "fetus",
                                        "fetal",    "foetal",  NULL};
    return has_word(name, young);
}

/* Compares the digit runs at *a and *b and moves both behind them. */
static int compare_numbers(const char **a, const char **b) {
    while (**a == '0') ++*a;
    while (**b == '0') ++*b;
    size_t digits_a = strspn(*a, "0123456789"), digits_b = strspn(*b, "0123456789");
    int order = digits_a != digits_b ? (digits_a < digits_b ? -1 : 1) : strncmp(*a, *b, digits_a);
    *a += digits_a;
    *b += digits_b;
    return order;
}

size_t mrc_nifti_stem(const char *name) {
    size_t length = strlen(name);
    if (mrc_path_has_suffix(name, ".nii.gz")) return length - strlen(".nii.gz");
    return mrc_path_has_suffix(name, ".nii") ? length - strlen(".nii") : length;
}

char *mrc_nifti_sidecar_path(const char *path) {
    size_t stem = mrc_nifti_stem(path);
    bool is_pair = mrc_path_has_suffix(path, ".hdr") || mrc_path_has_suffix(path, ".img");
    return mrc_asprintf("%.*s.json", (int)(is_pair ? stem - strlen(".hdr") : stem), path);
}

char *mrc_nifti_twin(const char *path) {
    static const char hdr[] = "hdr", img[] = "img", upper_hdr[] = "HDR", upper_img[] = "IMG";
    char *twin = mrc_strdup(path);
    if (twin == NULL) return NULL;
    char *end = twin + strlen(twin) - 3;
    bool is_header = strcasecmp(end, hdr) == 0, upper = end[0] == 'H' || end[0] == 'I';
    memcpy(end, is_header ? (upper ? upper_img : img) : (upper ? upper_hdr : hdr), 3);
    return twin;
}

const char *mrc_image_reads(char **room, const char *path, size_t which) {
    bool is_pair = mrc_path_has_suffix(path, ".hdr") || mrc_path_has_suffix(path, ".img");
    bool is_nifti = is_pair || path[mrc_nifti_stem(path)] != '\0';
    mrc_free(*room);
    *room = NULL;
    if (which == 0) return path;
    if (which >= MRC_IMAGE_READS) return NULL;
    if (which == 1 && is_nifti) *room = mrc_nifti_sidecar_path(path);
    if (which == 2 && is_pair) *room = mrc_nifti_twin(path);
    return *room != NULL ? *room : "";
}

int mrc_natural_compare(const char *a, const char *b) {
    const char *x = a, *y = b;
    while (*x != '\0' && *y != '\0') {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            int order = compare_numbers(&x, &y);
            if (order != 0) return order;
        } else {
            if (*x != *y) return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
            ++x;
            ++y;
        }
    }
    if (*x != *y) return *x == '\0' ? -1 : 1;
    return strcmp(a, b); /* differ in leading zeros at most */
}
