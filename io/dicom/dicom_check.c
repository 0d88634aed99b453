/* dicom_check.c: what a viewer and a PACS take for granted of a series, asked file by file and then
 * of all files together. Nothing here knows how the series was written: the check is of the files.
 */
#include "io/dicom/dicom_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_gaps.h"
#include "io/dicom/dicom_source.h"

enum { FILE_LIMIT = 50000, MOST_OF_A_KIND = 8, HEAD_BYTES = 1024, KINDS = 1024 };
static const double unit_tolerance = 1e-4, line_mm = 0.2, same_place_mm = 1e-3;
static const char mr_image[] = "1.2.840.10008.5.1.4.1.1.4";

/* What is kept of a file until all are compared. */
struct facts {
    char *name;
    char sop_uid[MRC_UID_TEXT];
    double position_mm[3], orientation[6];
    double along_mm, location_mm;
    int64_t number;
    bool placed, numbered;
};

struct work {
    struct mrc_dicom_check *out;
    mrc_dcmtk_file *first; /* what the others are compared with */
    struct facts *facts;
    size_t count;
    size_t foreign;          /* files of another SOP class than a classic MR image */
    size_t of_a_kind[KINDS]; /* findings of each kind so far */
    bool failed;             /* out of memory */
};

/* A finding's kind is the line of code that makes it, or the attribute it is about: of four hundred
 * slices without a position eight are told. */
MRC_PRINTF(6, 7)
static void find(struct work *w, int kind, enum mrc_finding_level level, bool inherited,
                 const char *file, const char *fmt, ...) {
    struct mrc_dicom_check *c = w->out;
    void *items = c->findings;
    if (level == MRC_FINDING_ERROR)
        ++c->errors;
    else
        ++c->warnings;
    if (level == MRC_FINDING_ERROR && inherited) ++c->inherited_errors;
    if (++w->of_a_kind[kind % KINDS] > MOST_OF_A_KIND) return;
    if (!mrc_grow(&items, &c->capacity, c->count + 1, sizeof *c->findings)) {
        w->failed = true;
        return;
    }
    c->findings = items;
    struct mrc_finding *f = &c->findings[c->count++];
    *f = (struct mrc_finding){.level = level, .inherited = inherited};
    if (file != NULL && (f->file = mrc_strdup(file)) == NULL) w->failed = true;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}
#define WRONG(w, file, ...)    find(w, __LINE__, MRC_FINDING_ERROR, false, file, __VA_ARGS__)
#define DOUBTFUL(w, file, ...) find(w, __LINE__, MRC_FINDING_WARNING, false, file, __VA_ARGS__)

/* --- One file --- */

enum { ATTRIBUTE_KINDS = 700 }; /* beyond the lines of this file; four for each attribute */
enum { OF_SOURCE = 1, IS_UID = 2, ONE_FOR_SERIES = 4 };
struct attribute {
    uint32_t tag;
    const char *name;
    int type;      /* 1: a value; 2: there, be it empty; 3: may be missing */
    size_t values; /* 0: any number */
    int what;
};

/* Modules Patient, General Study, General Series, Frame of Reference, General Equipment, General
 * Image, Image Plane, Image Pixel, MR Image, SOP Common (PS3.3 A.4). */
static const struct attribute attributes[] = {
    {MRC_TAG(0x0008, 0x0008), "ImageType", 1, 0, ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0016), "SOPClassUID", 1, 1, IS_UID | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0018), "SOPInstanceUID", 1, 1, IS_UID},
    {MRC_TAG(0x0008, 0x0060), "Modality", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0018, 0x0020), "ScanningSequence", 1, 0, 0},
    {MRC_TAG(0x0018, 0x0021), "SequenceVariant", 1, 0, 0},
    {MRC_TAG(0x0020, 0x000D), "StudyInstanceUID", 1, 1, OF_SOURCE | IS_UID | ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x000E), "SeriesInstanceUID", 1, 1, IS_UID | ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x0052), "FrameOfReferenceUID", 1, 1, OF_SOURCE | IS_UID | ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x0032), "ImagePositionPatient", 1, 3, 0},
    {MRC_TAG(0x0020, 0x0037), "ImageOrientationPatient", 1, 6, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0030), "PixelSpacing", 1, 2, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0002), "SamplesPerPixel", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0004), "PhotometricInterpretation", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0010), "Rows", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0011), "Columns", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0100), "BitsAllocated", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0101), "BitsStored", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0102), "HighBit", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0028, 0x0103), "PixelRepresentation", 1, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0020), "StudyDate", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0030), "StudyTime", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0050), "AccessionNumber", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0070), "Manufacturer", 2, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0090), "ReferringPhysicianName", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0010, 0x0010), "PatientName", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0010, 0x0020), "PatientID", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0010, 0x0030), "PatientBirthDate", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0010, 0x0040), "PatientSex", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0018, 0x0022), "ScanOptions", 2, 0, 0},
    {MRC_TAG(0x0018, 0x0023), "MRAcquisitionType", 2, 1, 0},
    {MRC_TAG(0x0018, 0x0050), "SliceThickness", 2, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0018, 0x0080), "RepetitionTime", 2, 1, 0},
    {MRC_TAG(0x0018, 0x0081), "EchoTime", 2, 1, 0},
    {MRC_TAG(0x0018, 0x0091), "EchoTrainLength", 2, 1, 0},
    {MRC_TAG(0x0018, 0x5100), "PatientPosition", 2, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x0010), "StudyID", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x0011), "SeriesNumber", 2, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0020, 0x0013), "InstanceNumber", 2, 1, 0},
    {MRC_TAG(0x0020, 0x1040), "PositionReferenceIndicator", 2, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0005), "SpecificCharacterSet", 3, 0, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0021), "SeriesDate", 3, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x0031), "SeriesTime", 3, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x1030), "StudyDescription", 3, 1, OF_SOURCE | ONE_FOR_SERIES},
    {MRC_TAG(0x0008, 0x103E), "SeriesDescription", 3, 1, ONE_FOR_SERIES},
    {MRC_TAG(0x0018, 0x0088), "SpacingBetweenSlices", 3, 1, ONE_FOR_SERIES},
};
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static bool is_uid(const char *text) {
    size_t length = strlen(text), part = 0;
    if (length == 0 || length > 64) return false;
    for (const char *c = text; *c != '\0'; c += part + (c[part] == '.')) {
        part = strspn(c, "0123456789");
        if (part == 0 || (part > 1 && *c == '0') || (c[part] != '.' && c[part] != '\0'))
            return false;
        if (c[part] == '.' && c[part + 1] == '\0') return false;
    }
    return true;
}

static int kind_of(const struct attribute *a) {
    return ATTRIBUTE_KINDS + 4 * (int)(a - attributes);
}

static void check_attribute(struct work *w, const struct attribute *a, mrc_dcmtk_item *item,
                            const char *file) {
    size_t values = mrc_dcmtk_count(item, a->tag);
    unsigned group = a->tag >> 16, element = a->tag & 0xFFFFu;
    bool of_source = (a->what & OF_SOURCE) != 0;
    int kind = kind_of(a);
    enum mrc_finding_level level =
        a->type == 1 || w->out->synthetic ? MRC_FINDING_ERROR : MRC_FINDING_WARNING;
    if (a->type == 1 && values == 0)
        find(w, kind, level, of_source, file, "%s (%04X,%04X) has no value", a->name, group,
             element);
    else if (a->type == 2 && !mrc_dcmtk_has(item, a->tag))
        find(w, kind + 1, level, of_source, file, "%s (%04X,%04X) is missing", a->name, group,
             element);
    if (values == 0) return;
    if (a->values != 0 && values != a->values)
        find(w, kind + 2, MRC_FINDING_ERROR, of_source, file,
             "%s (%04X,%04X) has %zu values, expected %zu", a->name, group, element, values,
             a->values);
    char uid[MRC_UID_TEXT + 2];
    if ((a->what & IS_UID) != 0 && mrc_dcmtk_text(uid, sizeof uid, item, a->tag, 0) && !is_uid(uid))
        find(w, kind + 3, MRC_FINDING_ERROR, of_source, file,
             "%s (%04X,%04X) is no UID (digits and points, at most 64, no leading zero)", a->name,
             group, element);
}

/* Names nobody can read, or that a viewer shows as somebody else's. */
static void check_character_set(struct work *w, mrc_dcmtk_item *item, const char *file) {
    static const struct {
        uint32_t tag;
        const char *name;
    } texts[] = {{MRC_TAG(0x0010, 0x0010), "PatientName"},
                 {MRC_TAG(0x0010, 0x0020), "PatientID"},
                 {MRC_TAG(0x0008, 0x0080), "InstitutionName"},
                 {MRC_TAG(0x0008, 0x0090), "ReferringPhysicianName"},
                 {MRC_TAG(0x0008, 0x1030), "StudyDescription"},
                 {MRC_TAG(0x0008, 0x103E), "SeriesDescription"},
                 {MRC_TAG(0x0010, 0x4000), "PatientComments"},
                 {MRC_TAG(0x0020, 0x4000), "ImageComments"}};
    const enum mrc_finding_level level =
        w->out->synthetic ? MRC_FINDING_ERROR : MRC_FINDING_WARNING;
    if (mrc_dicom_knows_character_set(item)) return;
    if (mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x0005)) > 0)
        find(w, __LINE__, level, true, file,
             "SpecificCharacterSet (0008,0005) names no character set that there is");
    for (size_t t = 0; t < sizeof texts / sizeof *texts; ++t) {
        size_t bytes = 0, at = 0;
        const char *raw = mrc_dcmtk_raw(item, texts[t].tag, &bytes);
        while (at < bytes && (unsigned char)raw[at] < 0x80 && raw[at] != '\033') ++at;
        if (at < bytes)
            find(w, __LINE__, level, true, file,
                 "%s (%04X,%04X) is not ASCII, and SpecificCharacterSet (0008,0005) does not say "
                 "what it is",
                 texts[t].name, texts[t].tag >> 16, texts[t].tag & 0xFFFFu);
    }
}

static bool is_text(mrc_dcmtk_item *item, uint32_t tag, size_t index, const char *expected) {
    char text[80];
    return mrc_dcmtk_text(text, sizeof text, item, tag, index) && strcmp(text, expected) == 0;
}

static bool begins(mrc_dcmtk_item *item, uint32_t tag, size_t index, const char *expected) {
    char text[80];
    return mrc_dcmtk_text(text, sizeof text, item, tag, index) &&
           strncmp(text, expected, strlen(expected)) == 0;
}

static bool is_marked(mrc_dcmtk_item *item) {
    bool phantom = is_text(item, MRC_TAG(0x0028, 0x0300), 0, "YES") &&
                   is_text(item, MRC_TAG(0x0008, 0x0008), 0, "ORIGINAL");
    bool marked = is_text(item, MRC_TAG(0x0008, 0x001C), 0, "YES");
    for (size_t v = 0; v < mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x0008)); ++v)
        marked = marked || begins(item, MRC_TAG(0x0008, 0x0008), v, "SYNTH");
    return marked && !phantom; /* a generated scan stands for an acquired one */
}

static void check_pixels(struct work *w, mrc_dcmtk_file *dataset, const char *file) {
    mrc_dcmtk_item *item = mrc_dcmtk_root(dataset);
    struct mrc_error err = {0};
    int64_t allocated = 0, stored = 0, high = 0;
    if (!is_text(item, MRC_TAG(0x0008, 0x0060), 0, "MR"))
        WRONG(w, file, "Modality (0008,0060) is not MR");
    bool classic = is_text(item, MRC_TAG(0x0008, 0x0016), 0, mr_image);
    if (!classic) ++w->foreign;
    if (!classic) WRONG(w, file, "SOPClassUID (0008,0016) is not that of a classic MR image");
    if (mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x0008)) < 3)
        DOUBTFUL(w, file, "ImageType (0008,0008) has fewer than 3 values");
    if (!mrc_dcmtk_has_pixels(dataset))
        WRONG(w, file, "PixelData (7FE0,0010) is missing");
    else if (mrc_dcmtk_check_pixels(dataset, &err) != MRC_OK)
        WRONG(w, file, "the pixels: %.180s", err.text);
    if (mrc_dcmtk_integer(&allocated, item, MRC_TAG(0x0028, 0x0100), 0) &&
        mrc_dcmtk_integer(&stored, item, MRC_TAG(0x0028, 0x0101), 0) &&
        mrc_dcmtk_integer(&high, item, MRC_TAG(0x0028, 0x0102), 0) &&
        (allocated != 16 || stored > allocated || high != stored - 1))
        DOUBTFUL(w, file, "BitsAllocated, BitsStored, HighBit are %d, %d, %d, expected 16, n, n-1",
                 (int)allocated, (int)stored, (int)high);
}

static void place(struct facts *f, mrc_dcmtk_item *item) {
    f->placed = true;
    for (size_t a = 0; a < 3; ++a)
        f->placed =
            mrc_dcmtk_number(&f->position_mm[a], item, MRC_TAG(0x0020, 0x0032), a) && f->placed;
    for (size_t a = 0; a < 6; ++a)
        f->placed =
            mrc_dcmtk_number(&f->orientation[a], item, MRC_TAG(0x0020, 0x0037), a) && f->placed;
    f->numbered = mrc_dcmtk_integer(&f->number, item, MRC_TAG(0x0020, 0x0013), 0);
    if (!mrc_dcmtk_number(&f->location_mm, item, MRC_TAG(0x0020, 0x1041), 0)) f->location_mm = NAN;
}

/* --- The marks of a synthetic series (docs/dicom.md, A2, A3, A5, A6) --- */

static bool has_code(mrc_dcmtk_item *item, uint32_t sequence, const char *code) {
    for (size_t c = 0; c < mrc_dcmtk_count(item, sequence); ++c) {
        mrc_dcmtk_item *child = mrc_dcmtk_child(item, sequence, c);
        if (is_text(child, MRC_TAG(0x0008, 0x0100), 0, code) &&
            is_text(child, MRC_TAG(0x0008, 0x0102), 0, "DCM"))
            return true;
    }
    return false;
}

static bool has_equipment(mrc_dcmtk_item *item, const char *purpose) {
    const uint32_t sequence = MRC_TAG(0x0018, 0xA001);
    for (size_t e = 0; e < mrc_dcmtk_count(item, sequence); ++e) {
        mrc_dcmtk_item *equipment = mrc_dcmtk_child(item, sequence, e);
        if (has_code(equipment, MRC_TAG(0x0040, 0xA170), purpose) &&
            mrc_dcmtk_count(equipment, MRC_TAG(0x0008, 0x0070)) > 0)
            return true;
    }
    return false;
}

static bool says_not_for_diagnosis(mrc_dcmtk_item *item, uint32_t tag) {
    size_t bytes = 0;
    const char *raw = mrc_dcmtk_raw(item, tag, &bytes);
    static const char words[] = "not for diagnosis";
    const size_t length = sizeof words - 1;
    for (size_t at = 0; at + length <= bytes; ++at)
        if (memcmp(raw + at, words, length) == 0) return true;
    return false;
}

static void check_words(struct work *w, mrc_dcmtk_item *item, const char *file) {
    bool says = is_text(item, MRC_TAG(0x0008, 0x001C), 0, "YES");
    if (!says) WRONG(w, file, "SyntheticData (0008,001C) is not YES");
    if (!is_text(item, MRC_TAG(0x0008, 0x0008), 0, "DERIVED") ||
        !is_text(item, MRC_TAG(0x0008, 0x0008), 1, "SECONDARY"))
        WRONG(w, file, "ImageType (0008,0008) does not begin with DERIVED\\SECONDARY");
    if (is_text(item, MRC_TAG(0x0008, 0x0008), 2, "T1 MAP") ||
        is_text(item, MRC_TAG(0x0008, 0x0008), 2, "T2 MAP"))
        WRONG(w, file, "ImageType (0008,0008) claims a relaxometry map");
    if (!w->out->deidentified && !begins(item, MRC_TAG(0x0008, 0x103E), 0, "SYNTH"))
        WRONG(w, file, "SeriesDescription (0008,103E) does not begin with SYNTH");
    if (!w->out->deidentified && !says_not_for_diagnosis(item, MRC_TAG(0x0020, 0x4000)))
        WRONG(w, file, "ImageComments (0020,4000) does not say \"not for diagnosis\"");
    if (!is_text(item, MRC_TAG(0x0018, 0x9004), 0, "RESEARCH"))
        WRONG(w, file, "ContentQualification (0018,9004) is not RESEARCH");
    if (!is_text(item, MRC_TAG(0x0018, 0x0020), 0, "RM"))
        WRONG(w, file, "ScanningSequence (0018,0020) claims an acquisition, expected RM");
    if (mrc_dcmtk_count(item, MRC_TAG(0x0018, 0x0081)) > 0 ||
        mrc_dcmtk_count(item, MRC_TAG(0x0018, 0x0080)) > 0)
        WRONG(w, file, "EchoTime or RepetitionTime claims an acquisition, expected no value");
    if (mrc_dcmtk_count(item, MRC_TAG(0x0028, 0x1050)) != 1 ||
        mrc_dcmtk_count(item, MRC_TAG(0x0028, 0x1051)) != 1)
        WRONG(w, file, "WindowCenter and WindowWidth are not one pair");
    if (mrc_dcmtk_has(item, MRC_TAG(0x0028, 0x1052)) ||
        mrc_dcmtk_has(item, MRC_TAG(0x0028, 0x1053)))
        WRONG(w, file, "a rescale pair (0028,1052) is not of the MR image");
}

static void check_reference(struct work *w, mrc_dcmtk_item *item, const char *file,
                            const char *what) {
    char uid[MRC_UID_TEXT + 2], own[MRC_UID_TEXT + 2] = "";
    (void)mrc_dcmtk_text(own, sizeof own, mrc_dcmtk_root(w->first), MRC_TAG(0x0008, 0x0018), 0);
    if (mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x1150)) != 1 ||
        !mrc_dcmtk_text(uid, sizeof uid, item, MRC_TAG(0x0008, 0x1155), 0) || uid[0] == '\0')
        WRONG(w, file, "%s holds an item without SOP class or instance", what);
    else if (strcmp(uid, own) == 0)
        WRONG(w, file, "%s names an image of this series itself", what);
}

static void check_provenance(struct work *w, mrc_dcmtk_item *item, const char *file) {
    const uint32_t images = MRC_TAG(0x0008, 0x2112), series = MRC_TAG(0x0008, 0x1115);
    static const struct {
        const char *purpose, *name;
    } equipment[] = {{"109101", "Acquisition Equipment"},
                     {"109102", "Processing Equipment"},
                     {"109100", "Synthesizing Equipment"}};
    for (size_t e = 0; e < sizeof equipment / sizeof *equipment; ++e)
        if (!has_equipment(item, equipment[e].purpose) && !(w->out->deidentified && e == 0))
            WRONG(w, file, "ContributingEquipmentSequence (0018,A001) lacks %s", equipment[e].name);
    if (!has_code(item, MRC_TAG(0x0008, 0x9215), "113085"))
        WRONG(w, file, "DerivationCodeSequence (0008,9215) lacks 113085, Spatial resampling");
    if (w->out->deidentified) return; /* PS3.15 removes what would name the source */
    if (!says_not_for_diagnosis(item, MRC_TAG(0x0008, 0x2111)))
        WRONG(w, file, "DerivationDescription (0008,2111) does not say \"not for diagnosis\"");
    if (mrc_dcmtk_count(item, images) == 0)
        WRONG(w, file, "SourceImageSequence (0008,2112) is missing");
    for (size_t s = 0; s < mrc_dcmtk_count(item, images); ++s) {
        mrc_dcmtk_item *source = mrc_dcmtk_child(item, images, s);
        check_reference(w, source, file, "SourceImageSequence (0008,2112)");
        if (!has_code(source, MRC_TAG(0x0040, 0xA170), "121322"))
            WRONG(w, file, "SourceImageSequence (0008,2112) without its purpose");
    }
    char own[MRC_UID_TEXT + 2] = "", other[MRC_UID_TEXT + 2] = "";
    (void)mrc_dcmtk_text(own, sizeof own, item, MRC_TAG(0x0020, 0x000E), 0);
    mrc_dcmtk_item *referenced = mrc_dcmtk_child(item, series, 0);
    if (referenced == NULL ||
        !mrc_dcmtk_text(other, sizeof other, referenced, MRC_TAG(0x0020, 0x000E), 0))
        WRONG(w, file, "ReferencedSeriesSequence (0008,1115) is missing");
    else if (strcmp(own, other) == 0)
        WRONG(w, file, "ReferencedSeriesSequence (0008,1115) names this series itself");
}

/* --- All files --- */

/* Values that must be the same text in every file. Which one differs is found by comparing with the
 * first file while both are open. */
static void compare_with_first(struct work *w, mrc_dcmtk_item *item, const char *file) {
    mrc_dcmtk_item *first = mrc_dcmtk_root(w->first);
    for (size_t a = 0; a < ATTRIBUTES; ++a) {
        if ((attributes[a].what & ONE_FOR_SERIES) == 0) continue;
        uint32_t tag = attributes[a].tag;
        size_t values = mrc_dcmtk_count(item, tag);
        bool same = values == mrc_dcmtk_count(first, tag);
        for (size_t v = 0; same && v < values; ++v) {
            char mine[160] = "", theirs[160] = "";
            (void)mrc_dcmtk_text(mine, sizeof mine, item, tag, v);
            (void)mrc_dcmtk_text(theirs, sizeof theirs, first, tag, v);
            same = strcmp(mine, theirs) == 0;
        }
        if (same) continue;
        bool hard = attributes[a].type < 3 || w->out->synthetic;
        find(w, kind_of(&attributes[a]) + 3, hard ? MRC_FINDING_ERROR : MRC_FINDING_WARNING, false,
             file, "%s (%04X,%04X) is not that of the first file, expected one for the series",
             attributes[a].name, (unsigned)(tag >> 16), (unsigned)(tag & 0xFFFFu));
    }
}

static void check_file(struct work *w, mrc_dcmtk_file *dataset, struct facts *f) {
    mrc_dcmtk_item *item = mrc_dcmtk_root(dataset);
    for (size_t a = 0; a < ATTRIBUTES; ++a) check_attribute(w, &attributes[a], item, f->name);
    check_character_set(w, item, f->name);
    check_pixels(w, dataset, f->name);
    if (dataset != w->first) compare_with_first(w, item, f->name);
    if (w->out->synthetic) {
        check_words(w, item, f->name);
        check_provenance(w, item, f->name);
    }
    (void)mrc_dcmtk_text(f->sop_uid, sizeof f->sop_uid, item, MRC_TAG(0x0008, 0x0018), 0);
    place(f, item);
}

static int by_uid(const void *a, const void *b) {
    return strcmp(((const struct facts *)a)->sop_uid, ((const struct facts *)b)->sop_uid);
}

static int by_place(const void *a, const void *b) {
    const struct facts *x = a, *y = b;
    if (x->along_mm != y->along_mm) return x->along_mm < y->along_mm ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void check_instances(struct work *w) {
    qsort(w->facts, w->count, sizeof *w->facts, by_uid);
    for (size_t i = 1; i < w->count; ++i)
        if (w->facts[i].sop_uid[0] != '\0' &&
            strcmp(w->facts[i - 1].sop_uid, w->facts[i].sop_uid) == 0)
            WRONG(w, w->facts[i].name, "SOPInstanceUID (0008,0018) is also that of %.100s",
                  w->facts[i - 1].name);
}

static bool check_orientation(struct work *w, double normal[3]) {
    const double *x = w->facts[0].orientation, *y = x + 3;
    double xx = 0.0, yy = 0.0, xy = 0.0;
    for (size_t i = 0; i < w->count; ++i)
        if (!w->facts[i].placed) return false; /* which was said */
    for (int a = 0; a < 3; ++a) {
        xx += x[a] * x[a];
        yy += y[a] * y[a];
        xy += x[a] * y[a];
        normal[a] = x[(a + 1) % 3] * y[(a + 2) % 3] - x[(a + 2) % 3] * y[(a + 1) % 3];
    }
    if (fabs(sqrt(xx) - 1.0) < unit_tolerance && fabs(sqrt(yy) - 1.0) < unit_tolerance &&
        fabs(xy) < unit_tolerance)
        return true;
    WRONG(w, w->facts[0].name,
          "ImageOrientationPatient (0020,0037): lengths %.6g and %.6g, product "
          "%.2g, expected two unit vectors at right angles",
          sqrt(xx), sqrt(yy), xy);
    return false;
}

/* Scanners round positions: a slice near the even grid is even, though its gaps are not. */
static void check_gaps(struct work *w, const struct mrc_dicom_gaps *gaps) {
    bool repeats = false;
    for (size_t i = 1; i < w->count; ++i) {
        const struct facts *a = &w->facts[i - 1], *b = &w->facts[i];
        double gap = b->along_mm - a->along_mm;
        bool fits = fabs(gap - gaps->median_mm) <= gaps->tolerance_mm;
        if (gap < same_place_mm)
            WRONG(w, b->name, "lies where %.100s lies", a->name);
        else if (!fits && !gaps->near_grid)
            WRONG(w, b->name, "lies %.3f mm from %.100s, expected %.3f mm", gap, a->name,
                  gaps->median_mm);
        repeats = repeats || gap < same_place_mm;
    }
    if (!repeats && (gaps->alike || gaps->near_grid)) w->out->gap_mm = gaps->median_mm;
    if (!gaps->alike && gaps->near_grid)
        DOUBTFUL(w, NULL, "positions are rounded: up to %.3f mm off the even grid",
                 gaps->off_grid_mm);
}

static void check_line(struct work *w, const double normal[3]) {
    const struct facts *first = &w->facts[0];
    for (size_t i = 1; i < w->count; ++i) {
        double off = 0.0, along = w->facts[i].along_mm - first->along_mm;
        for (int a = 0; a < 3; ++a) {
            double d = w->facts[i].position_mm[a] - first->position_mm[a] - along * normal[a];
            off += d * d;
        }
        if (sqrt(off) > fmax(line_mm, 0.0142 * along)) /* 0.81 degrees, as the reader has it */
            WRONG(w, w->facts[i].name, "lies %.2f mm off the normal of the first slice", sqrt(off));
    }
}

static int64_t step_of(const struct facts *a, const struct facts *b) {
    if (!a->numbered || !b->numbered) return 0;
    return b->number > a->number ? 1 : b->number < a->number ? -1 : 0;
}

/* A viewer sorts by one or by the other. Most steps tell whether numbers rise or fall. */
static void check_order(struct work *w) {
    int64_t sum = 0;
    for (size_t i = 1; i < w->count; ++i) sum += step_of(&w->facts[i - 1], &w->facts[i]);
    for (size_t i = 1; i < w->count; ++i) {
        const struct facts *a = &w->facts[i - 1], *b = &w->facts[i];
        if (a->numbered && b->numbered && step_of(a, b) != (sum < 0 ? -1 : 1))
            WRONG(w, b->name,
                  "InstanceNumber (0020,0013) %lld follows %lld, expected the order of "
                  "the positions",
                  (long long)b->number, (long long)a->number);
    }
}

/* Its zero and its sign are the scanner's. */
static void check_locations(struct work *w) {
    const struct facts *first = &w->facts[0], *last = &w->facts[w->count - 1];
    const double sign = last->location_mm < first->location_mm ? -1.0 : 1.0;
    for (size_t i = 0; w->out->synthetic && i < w->count; ++i) {
        const struct facts *f = &w->facts[i];
        const double moved = sign * (f->location_mm - first->location_mm);
        if (!(fabs(moved - (f->along_mm - first->along_mm)) < 0.01))
            WRONG(w, f->name, "SliceLocation (0020,1041) does not follow the positions");
    }
}

static enum mrc_status check_volume(struct work *w, struct mrc_error *err) {
    double normal[3] = {0.0, 0.0, 0.0};
    if (w->count < 3) WRONG(w, NULL, "%zu slices, expected at least 3 for a volume", w->count);
    if (!check_orientation(w, normal) || w->count < 2) return MRC_OK;
    for (size_t i = 0; i < w->count; ++i) {
        w->facts[i].along_mm = 0.0;
        for (int a = 0; a < 3; ++a) w->facts[i].along_mm += normal[a] * w->facts[i].position_mm[a];
    }
    qsort(w->facts, w->count, sizeof *w->facts, by_place);
    struct mrc_dicom_gaps gaps;
    double *along_mm = mrc_alloc(w->count, sizeof *along_mm);
    if (along_mm == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory to check %zu slices", w->count);
    for (size_t i = 0; i < w->count; ++i) along_mm[i] = w->facts[i].along_mm;
    enum mrc_status st = mrc_dicom_gaps_measure(&gaps, along_mm, w->count, err);
    mrc_free(along_mm);
    if (st != MRC_OK) return st;
    check_gaps(w, &gaps);
    check_line(w, normal);
    check_order(w);
    check_locations(w);
    return MRC_OK;
}

/* --- The folder --- */

static enum mrc_status check_path(struct work *w, const char *dir, const char *path,
                                  struct mrc_error *err) {
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    mrc_dcmtk_file *dataset = NULL;
    struct mrc_error own = {0};
    const char *name = path + strlen(dir);
    while (*name == '/') ++name;
    enum mrc_status st = mrc_read_head(head, sizeof head, &size, path, err);
    if (st != MRC_OK) return st;
    if (!mrc_dcmtk_probe(head, size)) {
        ++w->out->other_files;
        return MRC_OK;
    }
    ++w->out->files;
    st = mrc_dcmtk_open(&dataset, path, &own);
    if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s", own.text);
    if (st != MRC_OK) {
        size_t prefix = strncmp(own.text, path, strlen(path)) == 0 ? strlen(path) + 2 : 0;
        WRONG(w, name, "is broken: %.200s", own.text + prefix);
        return MRC_OK;
    }
    struct facts *f = &w->facts[w->count++];
    f->name = mrc_strdup(name);
    if (f->name == NULL) w->failed = true;
    if (w->first == NULL) {
        w->first = dataset;
        w->out->synthetic = is_marked(mrc_dcmtk_root(dataset));
        w->out->deidentified = is_text(mrc_dcmtk_root(dataset), MRC_TAG(0x0012, 0x0062), 0, "YES");
    }
    if (!w->failed) check_file(w, dataset, f);
    if (dataset != w->first) mrc_dcmtk_close(dataset);
    return MRC_OK;
}

static void count_the_rest(struct work *w) {
    size_t told = w->out->count, all = w->out->errors + w->out->warnings;
    if (all > told)
        find(w, 0, MRC_FINDING_WARNING, false, NULL, "%zu more findings of the same kinds",
             all - told);
}

/* The files, which lie below dir, as one series. */
static enum mrc_status check_files(struct mrc_dicom_check *out, const char *dir,
                                   const char *const *paths, size_t count, struct mrc_error *err) {
    struct work w = {.out = out};
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_dicom_check){0};
    w.facts = mrc_alloc(count + 1, sizeof *w.facts);
    if (w.facts == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %zu files", dir, count);
    for (size_t i = 0; st == MRC_OK && i < count; ++i) st = check_path(&w, dir, paths[i], err);
    if (st == MRC_OK && out->files == 0)
        st = mrc_fail(err, MRC_ERR_IO, "%s: holds no DICOM file, expected a series", dir);
    if (st == MRC_OK && w.foreign == out->files)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: %zu DICOM files and no classic MR image, expected a series of them", dir,
                      out->files);
    if (st == MRC_OK && w.count > 0 && !w.failed) {
        check_instances(&w);
        st = check_volume(&w, err);
        count_the_rest(&w);
    }
    if (st == MRC_OK && w.failed)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for findings", dir);
    for (size_t i = 0; i < w.count; ++i) mrc_free(w.facts[i].name);
    mrc_free(w.facts);
    mrc_dcmtk_close(w.first);
    if (st != MRC_OK) mrc_dicom_check_clear(out);
    return st;
}

static enum mrc_status list_files(struct mrc_name_list *files, const char *dir,
                                  struct mrc_error *err) {
    if (mrc_path_is_dir(dir)) return mrc_list_tree(files, dir, FILE_LIMIT, err);
    return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a folder with a DICOM series", dir,
                    mrc_path_exists(dir) ? "is a file" : "not found");
}

enum mrc_status mrc_dicom_check_folder(struct mrc_dicom_check *out, const char *dir,
                                       struct mrc_error *err) {
    struct mrc_name_list files = {0};
    *out = (struct mrc_dicom_check){0};
    enum mrc_status st = list_files(&files, dir, err);
    if (st == MRC_OK)
        st = check_files(out, dir, (const char *const *)files.names, files.count, err);
    mrc_name_list_clear(&files);
    return st;
}

/* --- A study, series by series --- */

struct member {
    const char *path;
    char series[MRC_UID_TEXT]; /* "": broken, no DICOM, or it does not say */
    int64_t number;
};

static enum mrc_status read_member(struct member *out, const char *path, struct mrc_error *err) {
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    mrc_dcmtk_file *file = NULL;
    struct mrc_error own = {0};
    *out = (struct member){.path = path};
    enum mrc_status st = mrc_read_head(head, sizeof head, &size, path, err);
    if (st != MRC_OK || !mrc_dcmtk_probe(head, size)) return st;
    st = mrc_dcmtk_open(&file, path, &own);
    if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s", own.text);
    if (st != MRC_OK) return MRC_OK; /* the check says so */
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    (void)mrc_dcmtk_text(out->series, sizeof out->series, item, MRC_TAG(0x0020, 0x000E), 0);
    (void)mrc_dcmtk_integer(&out->number, item, MRC_TAG(0x0020, 0x0011), 0);
    mrc_dcmtk_close(file);
    return MRC_OK;
}

static int by_series(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    const int order = strcmp(x->series, y->series);
    return order != 0 ? order : strcmp(x->path, y->path);
}

/* One number for all files of a series, whatever each says. */
static void settle_numbers(struct member *members, size_t count) {
    for (size_t i = 1; i < count; ++i)
        if (strcmp(members[i - 1].series, members[i].series) == 0)
            members[i].number = members[i - 1].number;
}

static int by_number(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return by_series(a, b);
}

/* Where the series of members[begin] ends. */
static size_t end_of_series(const struct member *members, size_t begin, size_t count) {
    size_t end = begin + 1;
    while (end < count && strcmp(members[end].series, members[begin].series) == 0) ++end;
    return end;
}

struct study {
    const char *dir;
    mrc_dicom_check_teller *tell;
    void *context;
    const char **paths;
    size_t told;
    struct mrc_error passed_over; /* the last series without an MR image */
};

static enum mrc_status check_series(struct study *s, const struct member *members, size_t count,
                                    bool only, struct mrc_error *err) {
    struct mrc_dicom_check check;
    struct mrc_error own = {0};
    for (size_t i = 0; i < count; ++i) s->paths[i] = members[i].path;
    enum mrc_status st = check_files(&check, s->dir, s->paths, count, &own);
    const bool stray = !only && members[0].series[0] == '\0' && st == MRC_ERR_IO; /* no DICOM */
    if (!only && (st == MRC_ERR_UNSUPPORTED || stray)) {
        if (!stray) s->passed_over = own;
        return MRC_OK;
    }
    if (st != MRC_OK) return mrc_fail(err, st, "%s", own.text);
    if (!only) check.number = members[0].number;
    ++s->told;
    st = s->tell(s->context, &check, err);
    mrc_dicom_check_clear(&check);
    return st;
}

static size_t count_series(const struct member *members, size_t count) {
    size_t series = 0;
    for (size_t i = 0; i < count; ++i)
        series += members[i].series[0] != '\0' &&
                  (i == 0 || strcmp(members[i - 1].series, members[i].series) != 0);
    return series;
}

static enum mrc_status check_all(struct study *s, struct member *members, size_t count,
                                 struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    if (count > 0) qsort(members, count, sizeof *members, by_series);
    const bool only = count_series(members, count) < 2;
    settle_numbers(members, count);
    if (only) return check_series(s, members, count, true, err);
    qsort(members, count, sizeof *members, by_number);
    for (size_t begin = 0, end; st == MRC_OK && begin < count; begin = end) {
        end = end_of_series(members, begin, count);
        st = check_series(s, members + begin, end - begin, false, err);
    }
    if (st == MRC_OK && s->told == 0)
        st = mrc_fail(err, s->passed_over.code, "%s", s->passed_over.text);
    return st;
}

enum mrc_status mrc_dicom_check_study(const char *dir, mrc_dicom_check_teller *tell, void *context,
                                      struct mrc_error *err) {
    struct mrc_name_list files = {0};
    struct study s = {.dir = dir, .tell = tell, .context = context};
    enum mrc_status st = list_files(&files, dir, err);
    struct member *members = mrc_alloc(files.count + 1, sizeof *members);
    s.paths = mrc_alloc(files.count + 1, sizeof *s.paths);
    if (st == MRC_OK && (members == NULL || s.paths == NULL))
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %zu files", dir, files.count);
    for (size_t i = 0; st == MRC_OK && i < files.count; ++i)
        st = read_member(&members[i], files.names[i], err);
    if (st == MRC_OK) st = check_all(&s, members, files.count, err);
    mrc_free(s.paths);
    mrc_free(members);
    mrc_name_list_clear(&files);
    return st;
}

void mrc_dicom_check_clear(struct mrc_dicom_check *check) {
    for (size_t i = 0; i < check->count; ++i) mrc_free(check->findings[i].file);
    mrc_free(check->findings);
    *check = (struct mrc_dicom_check){0};
}
