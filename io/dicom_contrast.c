/* dicom_contrast.c: which contrast an MR image has, by its timing and by its name. Where both speak
 * and disagree, nobody guesses. Thresholds: docs/dicom.md, "Contrast" (common clinical ranges; the
 * T2w limit of 50 ms is dcm2niix's). */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/dicom_slice.h"

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
    if (has_code(p->sequence, "EP")) return MRC_CONTRAST_UNKNOWN;
    if (has_code(p->sequence, "IR") || has_code(p->variant, "MP") || p->inversion_ms > 0.0) {
        enum mrc_contrast c = inversion_contrast(p);
        if (c != MRC_CONTRAST_UNKNOWN) return c;
    }
    if (has_code(p->sequence, "GR")) return gradient_contrast(p);
    if (has_code(p->sequence, "SE") && !has_code(p->sequence, "IR")) return spin_contrast(p);
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
    static const char *const t2star_names[] = {"t2*", "t2star", "t2 star", " swi", NULL};
    static const char *const flair_names[] = {"flair", "dark fluid", "darkfluid", "tirm", NULL};
    if (contains_any(w, quantitative) || is_word(w, "map") || is_word(w, "t1map") ||
        is_word(w, "t2map"))
        return MRC_CONTRAST_UNKNOWN;
    bool t1 = begins_word(w, "t1") || contains_any(w, t1_names);
    bool t2 = begins_word(w, "t2");
    bool t2star = contains_any(w, t2star_names) || is_word(w, "medic") || is_word(w, "hemo") ||
                  is_word(w, "swan");
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

/* --- both --- */

static void describe_timing(char *out, size_t capacity, const struct mrc_dicom_physics *p) {
    int used = snprintf(out, capacity, "TR %.5g ms, TE %.4g ms", p->repetition_ms, p->echo_ms);
    if (used > 0 && (size_t)used < capacity && p->inversion_ms > 0.0)
        (void)snprintf(out + used, capacity - (size_t)used, ", TI %.5g ms", p->inversion_ms);
}

enum mrc_contrast mrc_dicom_contrast(char *reason, size_t capacity,
                                     const struct mrc_dicom_physics *physics) {
    struct words words;
    char timing[80];
    collect_words(&words, physics);
    describe_timing(timing, sizeof timing, physics);
    enum mrc_contrast by_physics = contrast_by_physics(physics);
    enum mrc_contrast by_name = contrast_by_name(&words);
    if (by_physics != MRC_CONTRAST_UNKNOWN && by_name != MRC_CONTRAST_UNKNOWN &&
        by_physics != by_name) {
        (void)snprintf(reason, capacity, "contrast unknown: %s says %s, the series name says %s",
                       timing, mrc_contrast_name(by_physics), mrc_contrast_name(by_name));
        return MRC_CONTRAST_UNKNOWN;
    }
    enum mrc_contrast contrast = by_physics != MRC_CONTRAST_UNKNOWN ? by_physics : by_name;
    bool agent = physics->contrast_agent || agent_by_name(&words);
    if (contrast == MRC_CONTRAST_T1W && agent) contrast = MRC_CONTRAST_T1W_CE;
    if (contrast == MRC_CONTRAST_UNKNOWN)
        (void)snprintf(reason, capacity,
                       "contrast unknown: neither timing nor series name tells it");
    else
        (void)snprintf(reason, capacity, "%s by %s%s%s", mrc_contrast_name(contrast),
                       by_physics != MRC_CONTRAST_UNKNOWN ? timing : "the series name",
                       by_physics != MRC_CONTRAST_UNKNOWN && by_name != MRC_CONTRAST_UNKNOWN
                           ? " and the series name"
                           : "",
                       contrast == MRC_CONTRAST_T1W_CE ? ", with contrast agent" : "");
    return contrast;
}
