/* dicom_verdict.c: can the image be used? What it is, what it claims to be, and what vendors tell
 * elsewhere. Rules: docs/dicom.md, "Series" and "Vendors". */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/deidentify.h"
#include "io/dicom/dicom_source.h"
#include "io/image_name.h"

static const char mr_image[] = "1.2.840.10008.5.1.4.1.1.4";
static const char enhanced_mr[] = "1.2.840.10008.5.1.4.1.1.4.1";
static const char legacy_enhanced_mr[] = "1.2.840.10008.5.1.4.1.1.4.4";

static bool has_type(const struct mrc_dicom_slice *s, const char *word) {
    for (size_t i = 0; i < s->image_types; ++i)
        if (strcmp(s->image_type[i], word) == 0) return true;
    return false;
}

static bool has_any_type(const struct mrc_dicom_slice *s, const char *const *words,
                         const char **which) {
    for (; *words != NULL; ++words) {
        *which = *words;
        if (has_type(s, *words)) return true;
    }
    return false;
}

static bool is_enhanced(const struct mrc_dicom_slice *s) {
    return strcmp(s->sop_class, enhanced_mr) == 0;
}

static bool is_readable_class(const struct mrc_dicom_slice *s) {
    return s->sop_class[0] == '\0' || strcmp(s->sop_class, mr_image) == 0 || is_enhanced(s) ||
           strcmp(s->sop_class, legacy_enhanced_mr) == 0;
}

static void judge_kind(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char plain[MRC_DICOM_LONG];
    int64_t frames = 1;
    if (strcmp(s->modality, "MR") != 0) {
        mrc_text_plain(plain, sizeof plain, s->modality[0] != '\0' ? s->modality : "missing");
        mrc_dicom_object_to(s, "Modality is %s, expected MR", plain);
    }
    if (strcmp(s->photometric, "MONOCHROME1") != 0 && strcmp(s->photometric, "MONOCHROME2") != 0) {
        mrc_text_plain(plain, sizeof plain, s->photometric[0] != '\0' ? s->photometric : "missing");
        mrc_dicom_object_to(
            s, "PhotometricInterpretation is %s, expected MONOCHROME1 or MONOCHROME2", plain);
    }
    if (!is_readable_class(s)) {
        const char *name = mrc_dcmtk_uid_name(s->sop_class);
        mrc_dicom_object_to(s, "SOP class is %s, expected MR Image Storage",
                            name != NULL ? name : "unknown");
    }
    (void)mrc_dcmtk_integer(&frames, item, MRC_TAG(0x0028, 0x0008), 0);
    if ((frames > 1 || is_enhanced(s)) && mrc_dcmtk_count(item, MRC_TAG(0x5200, 0x9230)) == 0)
        mrc_dicom_object_to(
            s, "%lld frame%s without functional groups (5200,9230), which would place %s",
            (long long)frames, frames == 1 ? "" : "s", frames == 1 ? "it" : "them");
}

/* A magnitude image in value 3: "M", "M_SE", … */
static bool is_magnitude(const char *type) {
    return type[0] == 'M' && (type[1] == '\0' || type[1] == '_');
}

/* DERIVED alone says little in a classic image: converters and de-identifiers write
 * DERIVED\SECONDARY on untouched scans, and vendors DERIVED\PRIMARY\M. Refused is what names a
 * computation: any other value 3, or a word of the list. In an enhanced frame value 1 is reliable
 * (C.8.16.1.1). */
void mrc_dicom_judge_types(struct mrc_dicom_slice *s) {
    static const char *const parts[] = {
        "P",     "PHASE", "PHASE MAP", "P_SE",      "P_FFE", "R",     "REAL",         "R_SE",
        "R_FFE", "R_IR",  "I",         "IMAGINARY", "I_SE",  "I_FFE", "VELOCITY MAP", NULL};
    static const char *const computed[] = {"ADC",
                                           "FA",
                                           "TRACEW",
                                           "MPR",
                                           "MIP",
                                           "MINIP",
                                           "MIN IP",
                                           "CSA MPR",
                                           "SUB",
                                           "SUBTRACT",
                                           "SUBTRACTION",
                                           "PROJECTION IMAGE",
                                           "T1 MAP",
                                           "T2 MAP",
                                           "T2_STAR MAP",
                                           "DIFFUSION MAP",
                                           "DENSITY MAP",
                                           "IMAGE ADDITION",
                                           "MODULUS SUBTRACT",
                                           "PHASE SUBTRACT",
                                           "PERFUSION",
                                           "MTT",
                                           "RCBV",
                                           "RCBF",
                                           "TTP",
                                           "UNI",
                                           "SECONDARY CAPTURE",
                                           NULL};
    const char *word = "";
    if (has_type(s, "MOSAIC") && s->frames <= 1) /* frames are slices, each in its place */
        mrc_dicom_object_to(s, "a Siemens mosaic, expected one slice an image");
    if (has_type(s, "VFRAME"))
        mrc_dicom_object_to(s, "a United Imaging mosaic (VFRAME), expected one slice an image");
    if (has_any_type(s, parts, &word))
        mrc_dicom_object_to(s, "not a magnitude image (ImageType has %s)", word);
    if (s->complex_component[0] != '\0' && strcmp(s->complex_component, "MAGNITUDE") != 0)
        mrc_dicom_object_to(s, "not a magnitude image (by ComplexImageComponent (0008,9208))");
    if (has_type(s, "LOCALIZER")) mrc_dicom_object_to(s, "a localizer");
    if (has_any_type(s, computed, &word)) s->derived = true;
    if (s->image_types > 0 && strcmp(s->image_type[0], "DERIVED") == 0 &&
        (is_enhanced(s) || (s->image_types > 2 && !is_magnitude(s->image_type[2]))))
        s->derived = true;
    for (size_t i = 0; i < s->image_types; ++i)
        if (strncmp(s->image_type[i], "SYNTH", 5) == 0) s->synthetic = true;
}

/* Diffusion weights make a contrast of their own, whatever the timing is. */
static void judge_diffusion(struct mrc_dicom_slice *s) {
    if (s->b_value > 0.0)
        mrc_dicom_object_to(s, "diffusion-weighted (b = %g s/mm2), expected none", s->b_value);
}

/* --- what vendors tell elsewhere, in blocks that may lie anywhere (PS3.5 7.8.1) --- */

static const char ge_creator[] = "GEMS_PARM_01", siemens_creator[] = "SIEMENS MR HEADER",
                  uih_creator[] = "Image Private Header",
                  philips_creator[] = "Philips MR Imaging DD 001",
                  philips_diffusion_creator[] = "Philips Imaging DD 001";

/* GE's ImageType is ORIGINAL\PRIMARY\OTHER of phase, real and imaginary images too. */
static void judge_ge(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    static const char *const kinds[] = {"magnitude", "phase", "real", "imaginary"};
    double kind = 0.0;
    if (mrc_dcmtk_private_number(&kind, item, 0x0043, ge_creator, 0x2F, "SS") &&
        (kind == 1.0 || kind == 2.0 || kind == 3.0))
        mrc_dicom_object_to(s, "not a magnitude image (%s, by GE's (0043,102F))", kinds[(int)kind]);
}

/* NumberOfImagesInMosaic, where an anonymiser has changed ImageType. */
static void judge_siemens(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    double images = 0.0;
    if (s->frames <= 1 &&
        mrc_dcmtk_private_number(&images, item, 0x0019, siemens_creator, 0x0A, "US") &&
        images > 1.0)
        mrc_dicom_object_to(s, "a Siemens mosaic of %g slices, expected one slice an image",
                            images);
}

/* MRImageType, where an archive has changed ImageType. */
static void judge_philips(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char type[MRC_DICOM_CODE];
    if (mrc_dcmtk_private_text(type, sizeof type, item, 0x2005, philips_creator, 0x11) &&
        (strcmp(type, "P") == 0 || strcmp(type, "R") == 0 || strcmp(type, "I") == 0))
        mrc_dicom_object_to(s, "not a magnitude image (%s, by Philips' (2005,1011))", type);
}

/* "b=1500(0.4,0.0,0.9)", as Canon has it in ImageComments (0020,4000). */
static bool read_canon_diffusion(double *value, const struct mrc_dicom_slice *s,
                                 mrc_dcmtk_item *item) {
    char text[MRC_DICOM_LONG], digits[MRC_DICOM_LONG];
    if (strcmp(mrc_manufacturer_name(s->manufacturer), "Canon") != 0 ||
        !mrc_dcmtk_text(text, sizeof text, item, MRC_TAG(0x0020, 0x4000), 0) ||
        strncmp(text, "b=", 2) != 0)
        return false;
    (void)snprintf(digits, sizeof digits, "%.*s", (int)strspn(text + 2, "0123456789."), text + 2);
    return mrc_parse_f64(value, digits, 0.0, 1e6) == MRC_OK;
}

/* The b-value where the makers put it. */
static void read_vendor_diffusion(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    static const struct {
        uint16_t group;
        uint8_t element;
        const char *creator, *vr;
    } places[] = {{0x0065, 0x09, uih_creator, "FD"},
                  {0x0019, 0x0C, siemens_creator, "IS"},
                  {0x2001, 0x03, philips_diffusion_creator, "FL"}};
    double value = 0.0;
    if (s->b_value > 0.0) return;
    for (size_t p = 0; p < sizeof places / sizeof *places; ++p)
        if (mrc_dcmtk_private_number(&value, item, places[p].group, places[p].creator,
                                     places[p].element, places[p].vr) &&
            value > 0.0) {
            s->b_value = value;
            return;
        }
    if (read_canon_diffusion(&value, s, item)) s->b_value = value;
}

/* The number of images in a grid, where ImageType does not say VFRAME. */
static void judge_uih(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    double images = 0.0;
    if (!has_type(s, "VFRAME") &&
        mrc_dcmtk_private_number(&images, item, 0x0065, uih_creator, 0x50, "DS") && images > 1.0)
        mrc_dicom_object_to(s, "a United Imaging mosaic of %g slices, expected one slice an image",
                            images);
}

void mrc_dicom_judge_image(struct mrc_dicom_slice *slice, const struct mrc_dicom_source *source) {
    read_vendor_diffusion(slice, source->root);
    mrc_dicom_judge_types(slice);
    judge_diffusion(slice);
    judge_ge(slice, source->root);
    judge_siemens(slice, source->root);
    judge_philips(slice, source->root);
    judge_uih(slice, source->root);
}

/* --- the file --- */

/* Does what technicians call the part, the study, the series or the protocol have such a word? */
static bool is_called(mrc_dcmtk_item *item, bool (*has_word)(const char *name)) {
    static const uint32_t tags[] = {MRC_TAG(0x0018, 0x0015), MRC_TAG(0x0008, 0x1030),
                                    MRC_TAG(0x0008, 0x103E), MRC_TAG(0x0018, 0x1030)};
    char text[MRC_DICOM_LONG];
    for (size_t t = 0; t < sizeof tags / sizeof *tags; ++t)
        if (mrc_dcmtk_text(text, sizeof text, item, tags[t], 0) && has_word(text)) return true;
    return false;
}

static bool is_object(const char *name) {
    return mrc_name_is_phantom(name, false);
}

enum { INFANT_MONTHS = 24, AGE_UNKNOWN = -1 };

/* PatientAge (0010,1010) is "018M", or weeks, days and years; in months. */
static int64_t age_said(mrc_dcmtk_item *item) {
    char age[MRC_DICOM_CODE], digits[4];
    int64_t count = 0;
    (void)mrc_dcmtk_text(age, sizeof age, item, MRC_TAG(0x0010, 0x1010), 0);
    (void)snprintf(digits, sizeof digits, "%.3s", age);
    if (strlen(age) != 4 || mrc_parse_i64(&count, digits, 0, 999) != MRC_OK) return AGE_UNKNOWN;
    switch (age[3]) {
    case 'D': return count * 12 / 365;
    case 'W': return count * 12 / 52;
    case 'M': return count;
    case 'Y': return count * 12;
    default: return AGE_UNKNOWN;
    }
}

/* The date at a tag as days and months since year 0; false: none that a calendar has. */
static bool read_date(int64_t *months, int64_t *day, mrc_dcmtk_item *item, uint32_t tag) {
    char text[MRC_DICOM_LONG], digits[9] = "";
    int64_t number = 0;
    size_t size = 0;
    (void)mrc_dcmtk_text(text, sizeof text, item, tag, 0);
    for (const char *c = text; *c != '\0' && size < 8; ++c) /* once written 2020.01.31 */
        if (*c != '.') digits[size++] = *c;
    if (size != 8 || mrc_parse_i64(&number, digits, 18000101, 99991231) != MRC_OK) return false;
    int64_t month = number / 100 % 100;
    *day = number % 100;
    *months = number / 10000 * 12 + month;
    return month >= 1 && month <= 12 && *day >= 1 && *day <= 31;
}

/* PatientBirthDate against the date of the study, or of what else is dated; in months. */
static int64_t age_by_dates(mrc_dcmtk_item *item) {
    static const uint32_t dates[] = {MRC_TAG(0x0008, 0x0020), MRC_TAG(0x0008, 0x0022),
                                     MRC_TAG(0x0008, 0x002A), MRC_TAG(0x0008, 0x0021),
                                     MRC_TAG(0x0008, 0x0023)};
    int64_t born = 0, born_day = 0, then = 0, then_day = 0;
    if (!read_date(&born, &born_day, item, MRC_TAG(0x0010, 0x0030))) return AGE_UNKNOWN;
    for (size_t d = 0; d < sizeof dates / sizeof *dates; ++d)
        if (read_date(&then, &then_day, item, dates[d])) {
            int64_t months = then - born - (then_day < born_day);
            bool stamp = then == born && then_day == born_day; /* a de-identifier's one date */
            return months >= 0 && !stamp ? months : AGE_UNKNOWN;
        }
    return AGE_UNKNOWN;
}

/* Where age and dates were taken away, 000Y is what is left of any age. */
static bool is_deidentified(mrc_dcmtk_item *item) {
    char removed[MRC_DICOM_CODE];
    (void)mrc_dcmtk_text(removed, sizeof removed, item, MRC_TAG(0x0012, 0x0062), 0);
    return strcmp(removed, "YES") == 0 || mrc_dcmtk_count(item, MRC_TAG(0x0012, 0x0063)) > 0 ||
           mrc_dcmtk_count(item, MRC_TAG(0x0012, 0x0064)) > 0;
}

/* Taller or heavier than any child below two years. */
static bool is_grown(mrc_dcmtk_item *item) {
    double size_m = 0.0, weight_kg = 0.0;
    (void)mrc_dcmtk_number(&size_m, item, MRC_TAG(0x0010, 0x1020), 0);
    (void)mrc_dcmtk_number(&weight_kg, item, MRC_TAG(0x0010, 0x1030), 0);
    return (size_m >= 1.2 && size_m < 2.5) || (weight_kg >= 30.0 && weight_kg < 400.0);
}

/* A PatientAge of some years counts before dates, which de-identifiers change; one of 000Y says
 * less than they do, and nothing of whom other words say that it cannot be so. */
static void judge_age(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char age[MRC_DICOM_CODE];
    int64_t said = age_said(item), counted = age_by_dates(item);
    (void)mrc_dcmtk_text(age, sizeof age, item, MRC_TAG(0x0010, 0x1010), 0);
    if (strcmp(age, "000Y") == 0 && (is_deidentified(item) || is_grown(item))) said = AGE_UNKNOWN;
    int64_t months = said > 0 || counted == AGE_UNKNOWN ? said : counted;
    s->infant =
        (months != AGE_UNKNOWN && months < INFANT_MONTHS) || is_called(item, mrc_name_is_infant);
}

/* SyntheticData YES, unless the series is a generated head that says so (QualityControlImage YES)
 * and was not computed. What is otherwise of an object and no patient: by QualityControlImage, or
 * by what technicians call it. */
static void judge_origin(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char synthetic[MRC_DICOM_CODE], quality[MRC_DICOM_CODE];
    (void)mrc_dcmtk_text(synthetic, sizeof synthetic, item, MRC_TAG(0x0008, 0x001C), 0);
    (void)mrc_dcmtk_text(quality, sizeof quality, item, MRC_TAG(0x0028, 0x0300), 0);
    bool computed = strcmp(synthetic, "YES") == 0, object = strcmp(quality, "YES") == 0;
    if (computed && !object) s->synthetic = true;
    if (computed) return;
    s->phantom = object || mrc_name_is_phantom(s->patient_name, true) ||
                 mrc_name_is_phantom(s->patient_id, true) || is_called(item, is_object);
}

/* Pixels: damage is told from kinds that are refused. */
static void judge_pixels(struct mrc_dicom_slice *s, mrc_dcmtk_file *file) {
    struct mrc_error local = {0};
    enum mrc_status st = mrc_dcmtk_check_pixels(file, &local);
    if (st == MRC_OK) return;
    size_t prefix = strlen(s->path) + 2; /* the bridge's messages begin with "path: " */
    const char *text = strlen(local.text) > prefix && strncmp(local.text, s->path, prefix - 2) == 0
                           ? local.text + prefix
                           : local.text;
    bool first = s->reason[0] == '\0';
    mrc_dicom_object_to(s, "%.190s", text);
    if (first && st != MRC_ERR_UNSUPPORTED) s->damage = st;
}

/* The axes of an animal's scan are named otherwise (C.7.6.1.1.1): left and right would not be. */
static void judge_body(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char type[MRC_DICOM_CODE];
    if (mrc_dcmtk_text(type, sizeof type, item, MRC_TAG(0x0010, 0x2210), 0) &&
        strcmp(type, "BIPED") != 0)
        mrc_dicom_object_to(s, "AnatomicalOrientationType (0010,2210) is not BIPED");
}

void mrc_dicom_judge_file(struct mrc_dicom_slice *slice, mrc_dcmtk_file *file) {
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    judge_kind(slice, root);
    judge_origin(slice, root);
    judge_age(slice, root);
    judge_body(slice, root);
    judge_pixels(slice, file);
}
