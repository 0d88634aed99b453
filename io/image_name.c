/* image_name.c: words in file names. */
#include "io/image_name.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"

enum { MAX_WORD = 16 };

/* One word per bit, so that a name's words are a set. */
enum {
    SAYS_T1 = 1 << 0,
    SAYS_T2 = 1 << 1,
    SAYS_PD = 1 << 2,
    SAYS_FLAIR = 1 << 3,
    SAYS_STAR = 1 << 4,
    SAYS_AGENT = 1 << 5,
    SAYS_LABELS = 1 << 6,
    SAYS_SWI = 1 << 7
};
static const struct {
    const char *word;
    unsigned says;
    bool bids_suffix;
} words[] = {
    {"t1w", SAYS_T1, true},
    {"t2w", SAYS_T2, true},
    {"pdw", SAYS_PD, true},
    {"flair", SAYS_FLAIR, true},
    {"t2starw", SAYS_T2 | SAYS_STAR, true},
    {"t1", SAYS_T1, false},
    {"mprage", SAYS_T1, false},
    {"t2", SAYS_T2, false},
    {"pd", SAYS_PD, false},
    {"t2star", SAYS_T2 | SAYS_STAR, false},
    {"star", SAYS_STAR, false},
    {"swi", SAYS_SWI, true},
    {"t1c", SAYS_T1 | SAYS_AGENT, false},
    {"t1ce", SAYS_T1 | SAYS_AGENT, false},
    {"t1gd", SAYS_T1 | SAYS_AGENT, false},
    {"ce", SAYS_AGENT, false},
    {"gd", SAYS_AGENT, false},
    {"gad", SAYS_AGENT, false},
    {"mask", SAYS_LABELS, false},
    {"dseg", SAYS_LABELS, false},
    {"probseg", SAYS_LABELS, false},
    {"seg", SAYS_LABELS, false},
    {"label", SAYS_LABELS, false},
    {"labels", SAYS_LABELS, false},
};

static size_t stem_length(const char *name) {
    static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".img", ".png", ".dcm"};
    for (size_t e = 0; e < sizeof endings / sizeof *endings; ++e) {
        if (mrc_path_has_suffix(name, endings[e])) return strlen(name) - strlen(endings[e]);
    }
    return strlen(name);
}

/* Adds what the words of a name say; *last is what the last one says, when it is a suffix of BIDS
 * or of label maps. */
static unsigned name_says(unsigned *last, const char *name) {
    unsigned all = 0;
    *last = 0;
    size_t length = stem_length(name), at = 0;
    while (at < length) {
        size_t end = at;
        while (end < length && isalnum((unsigned char)name[end])) ++end;
        if (end > at) {
            *last = 0;
            for (size_t w = 0; w < sizeof words / sizeof *words; ++w) {
                const char *word = words[w].word;
                if (strlen(word) != end - at || strncasecmp(word, name + at, end - at) != 0)
                    continue;
                all |= words[w].says;
                if (words[w].bids_suffix || words[w].says == SAYS_LABELS) *last = words[w].says;
            }
        }
        at = end + 1;
    }
    return all;
}

enum mrc_contrast mrc_contrast_from_name(const char *name) {
    unsigned last = 0, all = name_says(&last, name);
    unsigned said = last != 0 ? last | (all & SAYS_AGENT) : all & ~(unsigned)SAYS_LABELS;
    switch (said) {
    case SAYS_T1: return MRC_CONTRAST_T1W;
    case SAYS_T1 | SAYS_AGENT: return MRC_CONTRAST_T1W_CE;
    case SAYS_T2: return MRC_CONTRAST_T2W;
    case SAYS_T2 | SAYS_STAR: return MRC_CONTRAST_T2STARW;
    case SAYS_SWI: return MRC_CONTRAST_SWI;
    case SAYS_PD: return MRC_CONTRAST_PDW;
    case SAYS_FLAIR:
    case SAYS_FLAIR | SAYS_T2: return MRC_CONTRAST_FLAIR;
    default: return MRC_CONTRAST_UNKNOWN;
    }
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

bool mrc_name_is_label_map(const char *name) {
    unsigned last = 0;
    (void)name_says(&last, name);
    return last == SAYS_LABELS;
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
