/* dicom_contrast.c: which contrast an MR image has, by its type, by its timing and by its name.
 * Where they speak and disagree, nobody guesses. Thresholds: docs/dicom.md, "Contrast" (common
 * clinical ranges; the T2w limit of 50 ms is dcm2niix's). */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/dicom/dicom_slice.h"

/* --- physics --- */

static bool has_code(const char *joined, const char *code) {
    size_t length = strlen(code);
    for (const char *at = joined; at != NULL; at = strchr(at, '\\')) {
        if (*at == '\\') ++at;
        while (*at == ' ') ++at;
        if (strncmp(at, code, length) == 0 &&
            (at[length] == '\0' || at[length] == '\\' || at[length] == ' '))
            return true;
    }
    return false;
}

static bool within(double x, double lo, double hi) {
    return x >= lo && x <= hi;
} /* false for NAN */

static enum mrc_contrast inversion_contrast(const struct mrc_dicom_physics *p) {
    if (within(p->inversion_ms, 1500.0, 3500.0) && p->repetition_ms > 4000.0 && p->echo_ms >= 70.0)
        return MRC_CONTRAST_FLAIR;
    if (within(p->inversion_ms, 300.0, 1400.0) && p->echo_ms <= 30.0) return MRC_CONTRAST_T1W;
    return MRC_CONTRAST_UNKNOWN; /* STIR and its kind */
}

static enum mrc_contrast gradient_contrast(const struct mrc_dicom_physics *p) {
    bool steady = has_code(p->variant, "SS") && !has_code(p->variant, "SP");
    if (p->inversion_ms > 0.0 || steady) return MRC_CONTRAST_UNKNOWN;
    if (p->echo_ms <= 10.0 && p->repetition_ms <= 50.0 && p->flip_deg >= 8.0)
        return MRC_CONTRAST_T1W;
    if (p->echo_ms <= 10.0 && within(p->repetition_ms, 50.0, 400.0) && p->flip_deg >= 50.0)
        return MRC_CONTRAST_T1W;
    if (within(p->echo_ms, 15.0, 50.0)) return MRC_CONTRAST_T2STARW;
    return MRC_CONTRAST_UNKNOWN;
}

static enum mrc_contrast spin_contrast(const struct mrc_dicom_physics *p) {
    if (within(p->repetition_ms, 200.0, 1000.0) && p->echo_ms <= 30.0) return MRC_CONTRAST_T1W;
    if (p->repetition_ms < 1900.0) return MRC_CONTRAST_UNKNOWN;
    if (p->echo_ms >= (p->echo_train > 1.0 ? 50.0 : 70.0)) return MRC_CONTRAST_T2W;
    return p->echo_ms < 50.0 ? MRC_CONTRAST_PDW : MRC_CONTRAST_UNKNOWN;
}

static enum mrc_contrast contrast_by_physics(const struct mrc_dicom_physics *p) {
    if (!(p->repetition_ms > 0.0) || !(p->echo_ms > 0.0)) return MRC_CONTRAST_UNKNOWN;
    if (has_code(p->sequence, "IR") || has_code(p->variant, "MP") || p->inversion_ms > 0.0) {
        enum mrc_contrast c = inversion_contrast(p);
        if (c != MRC_CONTRAST_UNKNOWN) return c;
    }
    if (has_code(p->sequence, "GR")) return gradient_contrast(p);
    if (has_code(p->sequence, "SE") && !has_code(p->sequence, "IR")) return spin_contrast(p);
    return MRC_CONTRAST_UNKNOWN;
}

/* --- image type --- */

/* A word among the values of ImageType that says: no weighted image, whatever its timing. */
static const char *unweighted_type(const struct mrc_dicom_physics *p) {
    static const char *const types[] = {
        "ADC",       "FA",        "TRACEW",       "T1 MAP",    "T2 MAP",      "T2_STAR MAP",
        "T1_MAP",    "T2_MAP",    "UNI",          "PERFUSION", "DENSITY MAP", "DIFFUSION MAP",
        "PHASE MAP", "FIELD MAP", "VELOCITY MAP", "PHASE",     "DIFFUSION",   NULL};
    for (const char *const *t = types; *t != NULL; ++t)
        if (has_code(p->image_type, *t) && (strcmp(*t, "DIFFUSION") != 0 || p->echo_ms > 0.0))
            return *t;
    return NULL;
}

/* AcquisitionContrast of PS3.3 C.8.13.3.1.1, and the one contrast that vendors name in ImageType.
 */
static enum mrc_contrast contrast_by_type(const struct mrc_dicom_physics *p) {
    static const struct {
        const char *word;
        enum mrc_contrast contrast;
    } terms[] = {{"T1", MRC_CONTRAST_T1W},
                 {"T2", MRC_CONTRAST_T2W},
                 {"PROTON_DENSITY", MRC_CONTRAST_PDW},
                 {"FLUID_ATTENUATED", MRC_CONTRAST_FLAIR},
                 {"T2_STAR", MRC_CONTRAST_T2STARW}};
    if (has_code(p->image_type, "SWI")) return MRC_CONTRAST_SWI;
    for (size_t t = 0; t < sizeof terms / sizeof *terms; ++t)
        if (strcmp(p->acquired_as, terms[t].word) == 0) return terms[t].contrast;
    return MRC_CONTRAST_UNKNOWN;
}

/* --- name --- */

/* The names in lower case, apart by spaces, everything but letters, digits, '+' and '*' as a space.
 */
struct words {
    char text[2 * MRC_DICOM_LONG + MRC_DICOM_CODE + 8];
};

static void collect_words(struct words *out, const struct mrc_dicom_physics *p) {
    (void)snprintf(out->text, sizeof out->text, " %s %s %s ", p->series_description,
                   p->protocol_name, p->sequence_name);
    for (char *c = out->text; *c != '\0'; ++c) {
        unsigned char u = (unsigned char)*c;
        *c = (char)(isalnum(u) || u == '+' || u == '*' ? tolower(u) : ' ');
    }
}

/* Does a word begin with `stem`, as whole word or followed by no digit? A leading 's' of vendors
 * ("sT1W") is skipped. */
static bool begins_word(const struct words *w, const char *stem) {
    size_t length = strlen(stem);
    for (const char *at = strstr(w->text, stem); at != NULL; at = strstr(at + 1, stem)) {
        bool start = at[-1] == ' ' || (at[-1] == 's' && at[-2] == ' ');
        if (start && !isdigit((unsigned char)at[length])) return true;
    }
    return false;
}

static bool is_word(const struct words *w, const char *word) {
    size_t length = strlen(word);
    for (const char *at = strstr(w->text, word); at != NULL; at = strstr(at + 1, word))
        if (at[-1] == ' ' && at[length] == ' ') return true;
    return false;
}

static bool contains_any(const struct words *w, const char *const *parts) {
    for (; *parts != NULL; ++parts)
        if (strstr(w->text, *parts) != NULL) return true;
    return false;
}

static enum mrc_contrast contrast_by_name(const struct words *w) {
    static const char *const quantitative[] = {"mp2rage", "t1rho", "relaxometry", "synth",
                                               "magic",   "adc",   NULL};
    static const char *const t1_names[] = {"mprage", "mp rage", "bravo", "spgr",
                                           "vibe",   "tfl3d",   NULL};
    static const char *const swi_names[] = {" swi", "swan", "venobold", NULL};
    static const char *const t2star_names[] = {"t2*", "t2star", "t2 star", NULL};
    static const char *const flair_names[] = {"flair", "dark fluid", "darkfluid", "tirm", NULL};
    if (contains_any(w, quantitative) || is_word(w, "map") || is_word(w, "t1map") ||
        is_word(w, "t2map"))
        return MRC_CONTRAST_UNKNOWN;
    bool t1 = begins_word(w, "t1") || contains_any(w, t1_names);
    bool t2 = begins_word(w, "t2");
    bool t2star = contains_any(w, t2star_names) || is_word(w, "medic") || is_word(w, "hemo");
    if (contains_any(w, swi_names)) return t1 ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_SWI;
    if (t2star) return t1 ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_T2STARW;
    if (contains_any(w, flair_names))
        return t1 ? MRC_CONTRAST_T1W : MRC_CONTRAST_FLAIR; /* T1-FLAIR is T1w */
    bool pd = is_word(w, "pd") || is_word(w, "pdw") || strstr(w->text, "proton density") != NULL;
    if ((int)t1 + (int)t2 + (int)pd != 1) return MRC_CONTRAST_UNKNOWN;
    return t1 ? MRC_CONTRAST_T1W : t2 ? MRC_CONTRAST_T2W : MRC_CONTRAST_PDW;
}

static bool agent_by_name(const struct words *w) {
    return is_word(w, "gd") || is_word(w, "+c") || is_word(w, "c+") || is_word(w, "+gd") ||
           is_word(w, "post") || is_word(w, "postgd") || is_word(w, "ce") || is_word(w, "gad") ||
           strstr(w->text, "gadolinium") != NULL || is_word(w, "t1c") || is_word(w, "t1ce") ||
           is_word(w, "t1+c") || is_word(w, "km");
}

/* --- all three --- */

static void describe_timing(char *out, size_t capacity, const struct mrc_dicom_physics *p) {
    int used = snprintf(out, capacity, "TR %.5g ms, TE %.4g ms", p->repetition_ms, p->echo_ms);
    if (used > 0 && (size_t)used < capacity && p->inversion_ms > 0.0)
        (void)snprintf(out + used, capacity - (size_t)used, ", TI %.5g ms", p->inversion_ms);
}

/* What one source says. */
struct vote {
    const char *who;
    enum mrc_contrast contrast;
};

/* Susceptibility weighting is T2* weighting, and the closer word. */
static bool agree(enum mrc_contrast *both, enum mrc_contrast a, enum mrc_contrast b) {
    bool swi = a == MRC_CONTRAST_SWI || b == MRC_CONTRAST_SWI;
    bool star = a == MRC_CONTRAST_T2STARW || b == MRC_CONTRAST_T2STARW;
    *both = swi && star ? MRC_CONTRAST_SWI : a;
    return a == b || (swi && star);
}

/* The contrast all that speak agree on, with their names joined; *against: the two that do not. */
static enum mrc_contrast count_votes(char *who, size_t capacity, const struct vote *against[2],
                                     const struct vote *votes, size_t count) {
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    const struct vote *first = NULL;
    who[0] = '\0';
    for (size_t v = 0; v < count; ++v) {
        if (votes[v].contrast == MRC_CONTRAST_UNKNOWN) continue;
        if (first == NULL) {
            first = &votes[v];
            contrast = first->contrast;
        } else if (!agree(&contrast, contrast, votes[v].contrast)) {
            against[0] = first;
            against[1] = &votes[v];
            return MRC_CONTRAST_UNKNOWN;
        }
        size_t used = strlen(who);
        (void)snprintf(who + used, capacity - used, "%s%s", used > 0 ? " and " : "", votes[v].who);
    }
    return contrast;
}

enum mrc_contrast mrc_dicom_contrast(char *reason, size_t capacity,
                                     const struct mrc_dicom_physics *physics) {
    struct words words;
    char timing[80], who[160];
    const struct vote *against[2] = {NULL, NULL};
    collect_words(&words, physics);
    describe_timing(timing, sizeof timing, physics);
    const struct vote votes[] = {{"the image type", contrast_by_type(physics)},
                                 {timing, contrast_by_physics(physics)},
                                 {"the series name", contrast_by_name(&words)}};
    const char *type = unweighted_type(physics);
    if (type != NULL) {
        (void)snprintf(reason, capacity, "contrast unknown: ImageType has %s, no weighted image",
                       type);
        return MRC_CONTRAST_UNKNOWN;
    }
    if (has_code(physics->sequence,
                 "EP")) { /* functional and diffusion series, whatever they say */
        (void)snprintf(reason, capacity, "contrast unknown: an echo-planar sequence");
        return MRC_CONTRAST_UNKNOWN;
    }
    enum mrc_contrast contrast =
        count_votes(who, sizeof who, against, votes, sizeof votes / sizeof *votes);
    if (against[0] != NULL)
        (void)snprintf(reason, capacity, "contrast unknown: %s says %s, %s says %s",
                       against[0]->who, mrc_contrast_name(against[0]->contrast), against[1]->who,
                       mrc_contrast_name(against[1]->contrast));
    else if (contrast == MRC_CONTRAST_UNKNOWN)
        (void)snprintf(reason, capacity,
                       "contrast unknown: neither timing nor series name tells it");
    if (contrast == MRC_CONTRAST_T2W && strcmp(who, votes[0].who) == 0) {
        (void)snprintf(
            reason, capacity,
            "contrast unknown: AcquisitionContrast is T2, which functional series say too");
        return MRC_CONTRAST_UNKNOWN;
    }
    if (contrast == MRC_CONTRAST_UNKNOWN) return contrast;
    bool agent = physics->contrast_agent || agent_by_name(&words);
    if (contrast == MRC_CONTRAST_T1W && agent) contrast = MRC_CONTRAST_T1W_CE;
    (void)snprintf(reason, capacity, "%s by %s%s", mrc_contrast_name(contrast), who,
                   contrast == MRC_CONTRAST_T1W_CE ? ", with contrast agent" : "");
    return contrast;
}
