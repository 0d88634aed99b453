/* dicom_slice.c: one file's header, judged, and its pixels. Rules: docs/dicom.md; PS3.3 C.7.6.2,
 * C.7.6.3, C.8.3.1. */
#include "io/dicom_slice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "io/dcmtk/bridge.h"

static const char mr_image[] = "1.2.840.10008.5.1.4.1.1.4";
static const char enhanced_mr[] = "1.2.840.10008.5.1.4.1.1.4.1";
static const char legacy_enhanced_mr[] = "1.2.840.10008.5.1.4.1.1.4.4";

/* The first reason stays. */
MRC_PRINTF(2, 3)
static void object_to(struct mrc_dicom_slice *slice, const char *fmt, ...) {
    if (slice->reason[0] != '\0') return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(slice->reason, sizeof slice->reason, fmt, args);
    va_end(args);
}

static double number_or_nan(mrc_dcmtk_item *item, uint32_t tag) {
    double value = 0.0;
    return mrc_dcmtk_number(&value, item, tag, 0) ? value : (double)NAN;
}

static int64_t integer_or_0(mrc_dcmtk_item *item, uint32_t tag) {
    int64_t value = 0;
    return mrc_dcmtk_integer(&value, item, tag, 0) ? value : 0;
}

/* All values, joined by backslashes. */
static void joined(char *out, size_t capacity, mrc_dcmtk_item *item, uint32_t tag) {
    size_t bytes = 0;
    const char *raw = mrc_dcmtk_raw(item, tag, &bytes);
    (void)snprintf(out, capacity, "%.*s", (int)(bytes < capacity ? bytes : capacity - 1),
                   raw != NULL ? raw : "");
}

static void read_physics(struct mrc_dicom_physics *p, mrc_dcmtk_item *item) {
    p->repetition_ms = number_or_nan(item, MRC_TAG(0x0018, 0x0080));
    p->echo_ms = number_or_nan(item, MRC_TAG(0x0018, 0x0081));
    p->inversion_ms = number_or_nan(item, MRC_TAG(0x0018, 0x0082));
    p->flip_deg = number_or_nan(item, MRC_TAG(0x0018, 0x1314));
    p->echo_train = number_or_nan(item, MRC_TAG(0x0018, 0x0091));
    joined(p->sequence, sizeof p->sequence, item, MRC_TAG(0x0018, 0x0020));
    joined(p->variant, sizeof p->variant, item, MRC_TAG(0x0018, 0x0021));
    (void)mrc_dcmtk_text(p->sequence_name, sizeof p->sequence_name, item, MRC_TAG(0x0018, 0x0024),
                         0);
    (void)mrc_dcmtk_text(p->series_description, sizeof p->series_description, item,
                         MRC_TAG(0x0008, 0x103E), 0);
    (void)mrc_dcmtk_text(p->protocol_name, sizeof p->protocol_name, item, MRC_TAG(0x0018, 0x1030),
                         0);
    char agent[MRC_DICOM_LONG];
    p->contrast_agent = mrc_dcmtk_text(agent, sizeof agent, item, MRC_TAG(0x0018, 0x0010), 0) &&
                        strcmp(agent, "NO") != 0 && strcmp(agent, "NONE") != 0 &&
                        strcmp(agent, "no") != 0 && strcmp(agent, "none") != 0;
}

static void read_identity(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    (void)mrc_dcmtk_text(s->study_uid, sizeof s->study_uid, item, MRC_TAG(0x0020, 0x000D), 0);
    (void)mrc_dcmtk_text(s->series_uid, sizeof s->series_uid, item, MRC_TAG(0x0020, 0x000E), 0);
    (void)mrc_dcmtk_text(s->sop_uid, sizeof s->sop_uid, item, MRC_TAG(0x0008, 0x0018), 0);
    (void)mrc_dcmtk_text(s->frame_uid, sizeof s->frame_uid, item, MRC_TAG(0x0020, 0x0052), 0);
    (void)mrc_dcmtk_text(s->patient_name, sizeof s->patient_name, item, MRC_TAG(0x0010, 0x0010), 0);
    (void)mrc_dcmtk_text(s->patient_id, sizeof s->patient_id, item, MRC_TAG(0x0010, 0x0020), 0);
    (void)mrc_dcmtk_text(s->modality, sizeof s->modality, item, MRC_TAG(0x0008, 0x0060), 0);
    (void)mrc_dcmtk_text(s->manufacturer, sizeof s->manufacturer, item, MRC_TAG(0x0008, 0x0070), 0);
    (void)mrc_dcmtk_text(s->complex_component, sizeof s->complex_component, item,
                         MRC_TAG(0x0008, 0x9208), 0);
    (void)mrc_dcmtk_text(s->photometric, sizeof s->photometric, item, MRC_TAG(0x0028, 0x0004), 0);
    size_t types = mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x0008));
    s->image_types = types < MRC_DICOM_TYPES ? types : MRC_DICOM_TYPES;
    for (size_t i = 0; i < s->image_types; ++i)
        (void)mrc_dcmtk_text(s->image_type[i], sizeof s->image_type[i], item,
                             MRC_TAG(0x0008, 0x0008), i);
    s->b_value = number_or_nan(item, MRC_TAG(0x0018, 0x9087));
    s->trigger_ms = number_or_nan(item, MRC_TAG(0x0018, 0x1060));
    s->echo_number = integer_or_0(item, MRC_TAG(0x0018, 0x0086));
    s->temporal_position = integer_or_0(item, MRC_TAG(0x0020, 0x0100));
    s->acquisition_number = integer_or_0(item, MRC_TAG(0x0020, 0x0012));
    s->acquisition_images = integer_or_0(item, MRC_TAG(0x0020, 0x1002));
    s->rows = integer_or_0(item, MRC_TAG(0x0028, 0x0010));
    s->columns = integer_or_0(item, MRC_TAG(0x0028, 0x0011));
}

/* --- geometry --- */

static double dot(const double a[3], const double b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

void mrc_dicom_slice_normal(double normal[3], const struct mrc_dicom_slice *slice) {
    const double *x = slice->orientation, *y = slice->orientation + 3;
    normal[0] = x[1] * y[2] - x[2] * y[1];
    normal[1] = x[2] * y[0] - x[0] * y[2];
    normal[2] = x[0] * y[1] - x[1] * y[0];
    double length = sqrt(dot(normal, normal));
    for (int i = 0; i < 3 && length > 0.0; ++i) normal[i] /= length;
}

static bool numbers(double *out, size_t count, mrc_dcmtk_item *item, uint32_t tag) {
    if (mrc_dcmtk_count(item, tag) != count) return false;
    for (size_t i = 0; i < count; ++i)
        if (!mrc_dcmtk_number(&out[i], item, tag, i)) return false;
    return true;
}

/* Also of an image that is refused already: it tells where such images lie in their series. */
static void read_geometry(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    bool position = numbers(s->position_mm, 3, item, MRC_TAG(0x0020, 0x0032));
    bool orientation = numbers(s->orientation, 6, item, MRC_TAG(0x0020, 0x0037));
    bool spacing = numbers(s->spacing_mm, 2, item, MRC_TAG(0x0028, 0x0030));
    if (!position) object_to(s, "ImagePositionPatient (0020,0032) is missing or not 3 numbers");
    if (!orientation)
        object_to(s, "ImageOrientationPatient (0020,0037) is missing or not 6 numbers");
    if (!spacing) object_to(s, "PixelSpacing (0028,0030) is missing or not 2 numbers");
    s->placed = position && orientation && spacing;
    if (!s->placed) return;
    for (int i = 0; i < 2; ++i)
        if (!(s->spacing_mm[i] >= 1e-3 && s->spacing_mm[i] <= 100.0))
            object_to(s, "PixelSpacing (0028,0030) is %g mm, expected 0.001 to 100",
                      s->spacing_mm[i]);
    const double *x = s->orientation, *y = s->orientation + 3;
    if (fabs(dot(x, x) - 1.0) > 2e-3 || fabs(dot(y, y) - 1.0) > 2e-3 || fabs(dot(x, y)) > 1e-3)
        object_to(s,
                  "ImageOrientationPatient (0020,0037) is not two orthogonal unit vectors "
                  "(lengths %.4f and %.4f, product %.4f)",
                  sqrt(dot(x, x)), sqrt(dot(y, y)), dot(x, y));
    double normal[3], length[2] = {sqrt(dot(x, x)), sqrt(dot(y, y))};
    for (int i = 0; i < 6; ++i) /* cosines of few decimals would scale the image */
        if (length[i / 3] > 0.0) s->orientation[i] /= length[i / 3];
    mrc_dicom_slice_normal(normal, s);
    s->along_mm = dot(s->position_mm, normal);
}

/* --- verdicts --- */

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

static void judge_kind(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char sop_class[MRC_DICOM_UID], plain[MRC_DICOM_LONG];
    int64_t frames = integer_or_0(item, MRC_TAG(0x0028, 0x0008));
    (void)mrc_dcmtk_text(sop_class, sizeof sop_class, item, MRC_TAG(0x0008, 0x0016), 0);
    if (strcmp(s->modality, "MR") != 0) {
        mrc_text_plain(plain, sizeof plain, s->modality[0] != '\0' ? s->modality : "missing");
        object_to(s, "Modality is %s, expected MR", plain);
    }
    if (strcmp(sop_class, enhanced_mr) == 0 || strcmp(sop_class, legacy_enhanced_mr) == 0)
        object_to(s, "Enhanced MR with %lld frames in one file, expected one file a slice",
                  (long long)frames);
    if (frames > 1) object_to(s, "%lld frames in one file, expected one", (long long)frames);
    if (strcmp(s->photometric, "MONOCHROME1") != 0 && strcmp(s->photometric, "MONOCHROME2") != 0) {
        mrc_text_plain(plain, sizeof plain, s->photometric[0] != '\0' ? s->photometric : "missing");
        object_to(s, "PhotometricInterpretation is %s, expected MONOCHROME1 or MONOCHROME2", plain);
    }
    if (sop_class[0] != '\0' && strcmp(sop_class, mr_image) != 0) {
        const char *name = mrc_dcmtk_uid_name(sop_class);
        object_to(s, "SOP class is %s, expected MR Image Storage", name != NULL ? name : "unknown");
    }
}

/* A magnitude image in value 3: "M", "M_SE", … */
static bool is_magnitude(const char *type) {
    return type[0] == 'M' && (type[1] == '\0' || type[1] == '_');
}

/* DERIVED alone says little: converters and de-identifiers write DERIVED\SECONDARY on untouched
 * scans, and vendors DERIVED\PRIMARY\M. Refused is what names a computation: any other value 3, or
 * a word of the list. */
static void judge_image_type(struct mrc_dicom_slice *s) {
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
    if (has_type(s, "MOSAIC")) object_to(s, "a Siemens mosaic, expected one slice an image");
    if (has_any_type(s, parts, &word))
        object_to(s, "not a magnitude image (ImageType has %s)", word);
    if (s->complex_component[0] != '\0' && strcmp(s->complex_component, "MAGNITUDE") != 0)
        object_to(s, "not a magnitude image (by ComplexImageComponent (0008,9208))");
    if (has_type(s, "LOCALIZER")) object_to(s, "a localizer");
    if (has_any_type(s, computed, &word)) s->derived = true;
    if (s->image_types > 2 && strcmp(s->image_type[0], "DERIVED") == 0 &&
        !is_magnitude(s->image_type[2]))
        s->derived = true;
    for (size_t i = 0; i < s->image_types; ++i)
        if (strncmp(s->image_type[i], "SYNTH", 5) == 0) s->synthetic = true;
}

/* SyntheticData YES, unless the series is a phantom that says so (QualityControlImage YES) and was
 * not computed. */
static void judge_synthetic(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    char synthetic[MRC_DICOM_CODE], phantom[MRC_DICOM_CODE];
    (void)mrc_dcmtk_text(synthetic, sizeof synthetic, item, MRC_TAG(0x0008, 0x001C), 0);
    (void)mrc_dcmtk_text(phantom, sizeof phantom, item, MRC_TAG(0x0028, 0x0300), 0);
    if (strcmp(synthetic, "YES") == 0 && strcmp(phantom, "YES") != 0) s->synthetic = true;
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
    object_to(s, "%.190s", text);
    if (first && st != MRC_ERR_UNSUPPORTED) s->damage = st;
}

static void judge_rescale(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    uint32_t tags[2] = {MRC_TAG(0x0028, 0x1053), MRC_TAG(0x0028, 0x1052)};
    for (int i = 0; i < 2; ++i) {
        double value = 1.0;
        if (mrc_dcmtk_count(item, tags[i]) == 0) continue;
        if (!mrc_dcmtk_number(&value, item, tags[i], 0) || (i == 0 && value == 0.0)) {
            object_to(s, "%s is not a finite number%s",
                      i == 0 ? "RescaleSlope (0028,1053)" : "RescaleIntercept (0028,1052)",
                      i == 0 ? " other than 0" : "");
            s->damage = MRC_ERR_FORMAT;
        }
    }
}

/* A data set without pixels: what is it? */
static enum mrc_status refuse_no_image(mrc_dcmtk_item *item, const char *path,
                                       struct mrc_error *err) {
    char sop_class[MRC_DICOM_UID];
    bool index = mrc_dcmtk_has(item, MRC_TAG(0x0004, 0x1220));
    (void)mrc_dcmtk_text(sop_class, sizeof sop_class, item, MRC_TAG(0x0008, 0x0016), 0);
    const char *name = index ? "DICOMDIR, an index" : mrc_dcmtk_uid_name(sop_class);
    /* an MR image must have pixels: cut between two elements, the file looks whole */
    if (!index && (sop_class[0] == '\0' || strcmp(sop_class, mr_image) == 0))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: truncated: %s without PixelData (7FE0,0010)",
                        path, sop_class[0] == '\0' ? "a data set" : "an MR image");
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no image: %s without PixelData (7FE0,0010)",
                    path, name != NULL ? name : "an unknown SOP class");
}

enum mrc_status mrc_dicom_slice_read(struct mrc_dicom_slice *out, const char *path,
                                     struct mrc_error *err) {
    *out = (struct mrc_dicom_slice){.path = path};
    mrc_dcmtk_file *file = NULL;
    enum mrc_status st = mrc_dcmtk_open(&file, path, err);
    if (st != MRC_OK) return st;
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    if (!mrc_dcmtk_has_pixels(file)) {
        st = refuse_no_image(item, path, err);
    } else {
        read_identity(out, item);
        read_physics(&out->physics, item);
        judge_kind(out, item);
        judge_image_type(out);
        judge_synthetic(out, item);
        judge_pixels(out, file);
        if (out->reason[0] == '\0') judge_rescale(out, item);
        read_geometry(out, item);
    }
    mrc_dcmtk_close(file);
    return st;
}

/* --- pixels --- */

/* Values that mean "outside the image", as stored. */
struct padding {
    bool present;
    int64_t lo, hi;
};

static struct padding read_padding(mrc_dcmtk_item *item, const struct mrc_dcmtk_pixels *pixels) {
    struct padding pad = {0};
    if (!mrc_dcmtk_integer(&pad.lo, item, MRC_TAG(0x0028, 0x0120), 0)) return pad;
    pad.hi = pad.lo;
    (void)mrc_dcmtk_integer(&pad.hi, item, MRC_TAG(0x0028, 0x0121), 0);
    if (pixels->is_signed) { /* implicit VR reads both as unsigned */
        if (pad.lo > INT16_MAX) pad.lo -= 65536;
        if (pad.hi > INT16_MAX) pad.hi -= 65536;
    }
    if (pad.lo > pad.hi) {
        int64_t swap = pad.lo;
        pad.lo = pad.hi;
        pad.hi = swap;
    }
    pad.present = true;
    return pad;
}

static uint32_t cell(const struct mrc_dcmtk_pixels *pixels, size_t i) {
    if (pixels->bits_allocated == 8) return ((const uint8_t *)pixels->bytes)[i];
    if (pixels->bits_allocated == 16) return ((const uint16_t *)pixels->bytes)[i];
    return ((const uint32_t *)pixels->bytes)[i];
}

/* Stored bits end at HighBit; what lies above and below may be overlays. */
static void convert_cells(float *out, const struct mrc_dcmtk_pixels *pixels, double slope,
                          double intercept, struct padding pad) {
    int shift = (int)(pixels->high_bit + 1 - pixels->bits_stored);
    uint32_t mask = pixels->bits_stored == 32 ? UINT32_MAX : (1u << pixels->bits_stored) - 1u;
    int64_t sign = pixels->is_signed ? INT64_C(1) << (pixels->bits_stored - 1) : 0;
    size_t count = (size_t)pixels->rows * (size_t)pixels->columns;
    for (size_t i = 0; i < count; ++i) {
        int64_t value = cell(pixels, i) >> shift & mask;
        if (value & sign) value -= sign * 2;
        bool outside = pad.present && value >= pad.lo && value <= pad.hi;
        out[i] = outside ? NAN : (float)((double)value * slope + intercept);
    }
}

enum mrc_status mrc_dicom_slice_load(float *out, const struct mrc_dicom_slice *slice,
                                     struct mrc_error *err) {
    mrc_dcmtk_file *file = NULL;
    struct mrc_dcmtk_pixels pixels = {0};
    enum mrc_status st = mrc_dcmtk_open(&file, slice->path, err);
    if (st == MRC_OK) st = mrc_dcmtk_read_pixels(&pixels, file, err);
    if (st == MRC_OK &&
        (pixels.rows != slice->rows || pixels.columns != slice->columns || pixels.samples != 1))
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: changed while it was read", slice->path);
    if (st == MRC_OK) {
        mrc_dcmtk_item *item = mrc_dcmtk_root(file);
        double slope = 1.0, intercept = 0.0;
        (void)mrc_dcmtk_number(&slope, item, MRC_TAG(0x0028, 0x1053), 0);
        (void)mrc_dcmtk_number(&intercept, item, MRC_TAG(0x0028, 0x1052), 0);
        convert_cells(out, &pixels, slope, intercept, read_padding(item, &pixels));
    }
    mrc_free(pixels.bytes);
    mrc_dcmtk_close(file);
    return st;
}
