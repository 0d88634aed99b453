/* dicom_source.c: attributes of classic images and of frames, under one roof. */
#include "io/dicom/dicom_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/dicom/deidentify.h"

static mrc_dcmtk_item *holder(mrc_dcmtk_item *group, uint32_t sequence, uint32_t tag) {
    mrc_dcmtk_item *item = group != NULL ? mrc_dcmtk_child(group, sequence, 0) : NULL;
    return item != NULL && mrc_dcmtk_count(item, tag) > 0 ? item : NULL;
}

mrc_dcmtk_item *mrc_dicom_source_item(const struct mrc_dicom_source *source, uint32_t sequence,
                                      uint32_t tag) {
    mrc_dcmtk_item *item = holder(source->own, sequence, tag);
    if (item == NULL) item = holder(source->shared, sequence, tag);
    if (item == NULL) item = holder(source->own, MRC_TAG(0x0020, 0x9171), tag);
    if (item == NULL) item = holder(source->shared, MRC_TAG(0x0020, 0x9170), tag);
    return item != NULL ? item : source->root;
}

double mrc_dicom_source_number(const struct mrc_dicom_source *source, uint32_t sequence,
                               uint32_t tag) {
    double value = 0.0;
    bool there = mrc_dcmtk_number(&value, mrc_dicom_source_item(source, sequence, tag), tag, 0);
    return there ? value : (double)NAN;
}

int64_t mrc_dicom_source_integer(const struct mrc_dicom_source *source, uint32_t sequence,
                                 uint32_t tag) {
    int64_t value = 0;
    bool there = mrc_dcmtk_integer(&value, mrc_dicom_source_item(source, sequence, tag), tag, 0);
    return there ? value : 0;
}

bool mrc_dicom_source_numbers(double *out, size_t count, const struct mrc_dicom_source *source,
                              uint32_t sequence, uint32_t tag) {
    mrc_dcmtk_item *item = mrc_dicom_source_item(source, sequence, tag);
    if (mrc_dcmtk_count(item, tag) != count) return false;
    for (size_t i = 0; i < count; ++i)
        if (!mrc_dcmtk_number(&out[i], item, tag, i)) return false;
    return true;
}

void mrc_dicom_source_text(char *out, size_t capacity, const struct mrc_dicom_source *source,
                           uint32_t sequence, uint32_t tag) {
    (void)mrc_dcmtk_text(out, capacity, mrc_dicom_source_item(source, sequence, tag), tag, 0);
}

bool mrc_dicom_knows_character_set(mrc_dcmtk_item *root) {
    static const char *const alone[] = {"ISO_IR 192", "GB18030", "GBK"};
    static const char *const sets[] = {"100", "101", "109", "110", "144", "127",
                                       "126", "138", "148", "203", "13",  "166"};
    static const char *const extensions[] = {"6", "87", "159", "149", "58"}; /* ISO 2022 only */
    const uint32_t tag = MRC_TAG(0x0008, 0x0005);
    const size_t count = mrc_dcmtk_count(root, tag);
    for (size_t v = 0; v < count; ++v) {
        char value[65] = "", term[32];
        if (!mrc_dcmtk_text(value, sizeof value, root, tag, v) && count == 1) return false;
        bool known = v == 0 && count > 1 && value[0] == '\0'; /* the default repertoire */
        for (size_t a = 0; a < sizeof alone / sizeof *alone; ++a)
            known = known || (count == 1 && strcmp(value, alone[a]) == 0);
        for (size_t s = 0; s < sizeof sets / sizeof *sets; ++s) {
            (void)snprintf(term, sizeof term, "ISO_IR %s", sets[s]);
            known = known || (count == 1 && strcmp(value, term) == 0);
            (void)snprintf(term, sizeof term, "ISO 2022 IR %s", sets[s]);
            known = known || strcmp(value, term) == 0;
        }
        for (size_t e = 0; e < sizeof extensions / sizeof *extensions; ++e) {
            (void)snprintf(term, sizeof term, "ISO 2022 IR %s", extensions[e]);
            known = known || strcmp(value, term) == 0;
        }
        if (!known) return false;
    }
    return count > 0;
}

bool mrc_dicom_may_be_burned_in(mrc_dcmtk_item *root) {
    const uint32_t tag = MRC_TAG(0x0028, 0x0301);
    const size_t count = mrc_dcmtk_count(root, tag);
    char value[65];
    for (size_t i = 0; i < count; ++i)
        if (!mrc_dcmtk_text(value, sizeof value, root, tag, i) ||
            (value[0] != '\0' && strcasecmp(value, "NO") != 0))
            return true;
    return false;
}

/* --- physics --- */

enum { /* macros of the functional groups */
       MR_TIMING = MRC_TAG(0x0018, 0x9112),
       MR_ECHO = MRC_TAG(0x0018, 0x9114),
       MR_MODIFIER = MRC_TAG(0x0018, 0x9115),
       MR_FRAME_TYPE = MRC_TAG(0x0018, 0x9226)
};

static double first_of(double a, double b) {
    return isnan(a) ? b : a;
}

/* All values, joined by backslashes. */
static void joined(char *out, size_t capacity, const struct mrc_dicom_source *source,
                   uint32_t sequence, uint32_t tag) {
    size_t bytes = 0;
    const char *raw = mrc_dcmtk_raw(mrc_dicom_source_item(source, sequence, tag), tag, &bytes);
    (void)snprintf(out, capacity, "%.*s", (int)(bytes < capacity ? bytes : capacity - 1),
                   raw != NULL ? raw : "");
}

static bool says(const struct mrc_dicom_source *source, uint32_t sequence, uint32_t tag,
                 const char *word) {
    char text[MRC_DICOM_CODE];
    mrc_dicom_source_text(text, sizeof text, source, sequence, tag);
    return strcmp(text, word) == 0;
}

/* Enhanced images name the pulse sequence in other words: as ScanningSequence and SequenceVariant
 * would have them. */
static void enhanced_sequence(struct mrc_dicom_physics *p, const struct mrc_dicom_source *source) {
    const uint32_t pulse = MRC_TAG(0x0018, 0x9008), spoiling = MRC_TAG(0x0018, 0x9016);
    const char *kind = says(source, 0, pulse, "SPIN")       ? "SE"
                       : says(source, 0, pulse, "GRADIENT") ? "GR"
                                                            : "";
    if (says(source, 0, MRC_TAG(0x0018, 0x9018), "YES")) kind = "EP";
    bool inverted = says(source, MR_MODIFIER, MRC_TAG(0x0018, 0x9009), "YES");
    if (p->sequence[0] == '\0' && (kind[0] != '\0' || inverted))
        (void)snprintf(p->sequence, sizeof p->sequence, "%s%s%s", kind,
                       kind[0] != '\0' && inverted ? "\\" : "", inverted ? "IR" : "");
    bool spoiled = says(source, 0, spoiling, "RF") || says(source, 0, spoiling, "RF_AND_GRADIENT");
    if (p->variant[0] == '\0' && spoiled) (void)snprintf(p->variant, sizeof p->variant, "SP");
}

static bool has_agent(const struct mrc_dicom_source *source) {
    static const char *const none[] = {"NO",   "NONE", "N",     "N/A",     "NA",  "0",    "-",
                                       "OHNE", "KEIN", "KEINE", "WITHOUT", "NIL", "SANS", "NON"};
    char agent[MRC_DICOM_LONG];
    if (mrc_dcmtk_count(source->root, MRC_TAG(0x0018, 0x0012)) > 0) return true;
    mrc_dicom_source_text(agent, sizeof agent, source, 0, MRC_TAG(0x0018, 0x0010));
    for (size_t n = 0; n < sizeof none / sizeof *none; ++n)
        if (strcasecmp(agent, none[n]) == 0) return false;
    return agent[0] != '\0';
}

void mrc_dicom_read_physics(struct mrc_dicom_physics *p, const struct mrc_dicom_source *source) {
    char maker[MRC_DICOM_LONG];
    mrc_dicom_source_text(maker, sizeof maker, source, 0, MRC_TAG(0x0008, 0x0070));
    p->protocol_is_of_exam = strcmp(mrc_manufacturer_name(maker), "GE") == 0;
    p->repetition_ms = mrc_dicom_source_number(source, MR_TIMING, MRC_TAG(0x0018, 0x0080));
    p->echo_ms = first_of(mrc_dicom_source_number(source, MR_ECHO, MRC_TAG(0x0018, 0x9082)),
                          mrc_dicom_source_number(source, MR_ECHO, MRC_TAG(0x0018, 0x0081)));
    p->inversion_ms =
        first_of(mrc_dicom_source_number(source, MR_MODIFIER, MRC_TAG(0x0018, 0x9079)),
                 mrc_dicom_source_number(source, MR_MODIFIER, MRC_TAG(0x0018, 0x0082)));
    p->flip_deg = mrc_dicom_source_number(source, MR_TIMING, MRC_TAG(0x0018, 0x1314));
    p->echo_train = mrc_dicom_source_number(source, MR_TIMING, MRC_TAG(0x0018, 0x0091));
    joined(p->sequence, sizeof p->sequence, source, 0, MRC_TAG(0x0018, 0x0020));
    joined(p->variant, sizeof p->variant, source, 0, MRC_TAG(0x0018, 0x0021));
    mrc_dicom_source_text(p->sequence_name, sizeof p->sequence_name, source, 0,
                          MRC_TAG(0x0018, 0x0024));
    if (source->own != NULL) {
        enhanced_sequence(p, source);
        if (p->sequence_name[0] == '\0')
            mrc_dicom_source_text(p->sequence_name, sizeof p->sequence_name, source, 0,
                                  MRC_TAG(0x0018, 0x9005));
    }
    mrc_dicom_source_text(p->series_description, sizeof p->series_description, source, 0,
                          MRC_TAG(0x0008, 0x103E));
    mrc_dicom_source_text(p->protocol_name, sizeof p->protocol_name, source, 0,
                          MRC_TAG(0x0018, 0x1030));
    joined(p->image_type, sizeof p->image_type, source, MR_FRAME_TYPE,
           source->own != NULL ? MRC_TAG(0x0008, 0x9007) : MRC_TAG(0x0008, 0x0008));
    mrc_dicom_source_text(p->acquired_as, sizeof p->acquired_as, source, MR_FRAME_TYPE,
                          MRC_TAG(0x0008, 0x9209));
    p->contrast_agent = has_agent(source);
}
