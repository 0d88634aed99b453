/* dicom_contrast.c: which contrast an MR image has, by its type, by its timing and by its name.
 * Where they speak and disagree, nobody guesses. Thresholds: docs/dicom.md, "Contrast" (common
 * clinical ranges; the T2w limit of 50 ms is dcm2niix's). */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/dicom/dicom_slice.h"
#include "io/dicom/dicom_write.h"
#include "io/name_words.h"

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
static const struct mrc_name_word *unweighted_type(const struct mrc_dicom_physics *p) {
    struct mrc_name_said said = {0};
    bool untimed = has_code(p->image_type, "DIFFUSION") && !(p->echo_ms > 0.0);
    if (!untimed) mrc_name_listen(&said, p->image_type, MRC_NAME_OF_SERIES);
    return said.veto;
}

/* AcquisitionContrast that is none of ours. */
static bool is_acquired_otherwise(const struct mrc_dicom_physics *p) {
    static const char *const terms[] = {
        "DIFFUSION", "FLOW_ENCODED",           "PERFUSION", "STIR", "TAGGING",
        "TOF",       "MAGNETIZATION_TRANSFER", NULL};
    for (const char *const *t = terms; *t != NULL; ++t)
        if (strcmp(p->acquired_as, *t) == 0) return true;
    return false;
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

/* What mrcycle has computed names its contrast in ImageType: SYNTH_T2W. It is refused as synthetic
 * all the same (dicom_verdict.c). */
static enum mrc_contrast contrast_by_mark(const struct mrc_dicom_physics *p) {
    char word[MRC_DICOM_CODE];
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    const char *at = strstr(p->image_type, MRC_DICOM_SYNTHETIC_TYPE);
    if (at == NULL) return MRC_CONTRAST_UNKNOWN;
    at += strlen(MRC_DICOM_SYNTHETIC_TYPE);
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(at, "\\ "), at);
    for (char *c = word; *c != '\0'; ++c)
        if (*c == '_') *c = '-'; /* a code string has no other */
    return mrc_contrast_parse(&contrast, word, NULL) == MRC_OK ? contrast : MRC_CONTRAST_UNKNOWN;
}

/* --- name --- */

/* What the names of a series say, and what of contrast agents the first of them that speaks of it.
 */
struct names {
    struct mrc_name_said all;
    unsigned agents;
};

static void listen_to_names(struct names *out, const struct mrc_dicom_physics *p) {
    const unsigned of_agents = MRC_SAYS_AGENT | MRC_SAYS_NO_AGENT | MRC_SAYS_MAYBE_AGENT;
    *out = (struct names){.agents = 0};
    mrc_name_listen(&out->all, p->series_description, MRC_NAME_OF_SERIES);
    out->agents = out->all.says & of_agents;
    if (!p->protocol_is_of_exam || p->series_description[0] == '\0')
        mrc_name_listen(&out->all, p->protocol_name, MRC_NAME_OF_SERIES);
    mrc_name_listen(&out->all, p->sequence_name, MRC_NAME_OF_SERIES);
    if (out->agents == 0) out->agents = out->all.says & of_agents;
}

/* Of a T1w: with contrast agent or without; unknown, and why, where nobody can tell. */
static enum mrc_contrast judge_agent(const char **why, const struct names *names, bool given) {
    bool said = (names->agents & MRC_SAYS_AGENT) != 0;
    bool denied = (names->agents & MRC_SAYS_NO_AGENT) != 0;
    *why = NULL;
    if (said && denied)
        *why = "the series name says both with and without contrast agent";
    else if (given && denied)
        *why = "the header names a contrast agent, the series name says that none was given";
    else if (said || given)
        return MRC_CONTRAST_T1W_CE;
    else if ((names->agents & MRC_SAYS_MAYBE_AGENT) != 0)
        *why = "the series name may say that a contrast agent was given";
    return *why != NULL ? MRC_CONTRAST_UNKNOWN : MRC_CONTRAST_T1W;
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

/* A pattern's words in capitals, as ImageType has them. */
static struct mrc_name_text in_capitals(const struct mrc_name_word *word) {
    struct mrc_name_text text = mrc_name_word_text(word);
    for (char *c = text.text; *c != '\0'; ++c) *c = (char)toupper((unsigned char)*c);
    return text;
}

/* What says that the image is no plain weighted one, before any timing: true, with the reason. */
static bool is_vetoed(char *reason, size_t capacity, const struct mrc_dicom_physics *p,
                      const struct names *names) {
    const struct mrc_name_word *type = unweighted_type(p), *name = names->all.veto;
    if (type != NULL)
        (void)snprintf(reason, capacity, "contrast unknown: ImageType has %s, no weighted image",
                       in_capitals(type).text);
    else if (has_code(p->sequence, "EP")) /* functional and diffusion, whatever they say */
        (void)snprintf(reason, capacity, "contrast unknown: an echo-planar sequence");
    else if (is_acquired_otherwise(p))
        (void)snprintf(reason, capacity, "contrast unknown: AcquisitionContrast is %s",
                       p->acquired_as);
    else if (name != NULL)
        (void)snprintf(reason, capacity, "contrast unknown: the series name has '%s', %s",
                       mrc_name_word_text(name).text, mrc_name_veto_words(name->says));
    else
        return false;
    return true;
}

enum mrc_contrast mrc_dicom_contrast(char *reason, size_t capacity, bool *unweighted,
                                     const struct mrc_dicom_physics *physics) {
    struct names names;
    char timing[80], who[160];
    const struct vote *against[2] = {NULL, NULL};
    listen_to_names(&names, physics);
    *unweighted = is_vetoed(reason, capacity, physics, &names);
    if (*unweighted) {
        const enum mrc_contrast marked = contrast_by_mark(physics);
        if (marked != MRC_CONTRAST_UNKNOWN)
            (void)snprintf(reason, capacity, "synthetic %s by ImageType",
                           mrc_contrast_name(marked));
        return marked;
    }
    describe_timing(timing, sizeof timing, physics);
    const struct vote votes[] = {{"the image type", contrast_by_type(physics)},
                                 {timing, contrast_by_physics(physics)},
                                 {"the series name", mrc_name_contrast(names.all.says)}};
    enum mrc_contrast contrast =
        count_votes(who, sizeof who, against, votes, sizeof votes / sizeof *votes);
    const char *why = NULL;
    if (against[0] != NULL)
        (void)snprintf(reason, capacity, "contrast unknown: %s says %s, %s says %s",
                       against[0]->who, mrc_contrast_name(against[0]->contrast), against[1]->who,
                       mrc_contrast_name(against[1]->contrast));
    else if (contrast == MRC_CONTRAST_UNKNOWN)
        why = "neither timing nor series name tells it";
    else if (contrast == MRC_CONTRAST_T2W && strcmp(who, votes[0].who) == 0)
        why = "AcquisitionContrast is T2, which functional series say too";
    else if (contrast == MRC_CONTRAST_T1W)
        contrast = judge_agent(&why, &names, physics->contrast_agent);
    if (why != NULL) (void)snprintf(reason, capacity, "contrast unknown: %s", why);
    if (why != NULL || against[0] != NULL) return MRC_CONTRAST_UNKNOWN;
    (void)snprintf(reason, capacity, "%s by %s%s", mrc_contrast_name(contrast), who,
                   contrast == MRC_CONTRAST_T1W_CE ? ", with contrast agent" : "");
    return contrast;
}
