/* dicom_slice.c: one file's header as images: itself, or its frames. Rules: docs/dicom.md; PS3.3
 * C.7.6.2 (plane), C.7.6.16 (functional groups), C.8.3.1 and C.8.13 (MR image, enhanced MR image).
 */
#include "io/dicom/dicom_slice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_source.h"

enum { /* macros of the functional groups */
       FRAME_CONTENT = MRC_TAG(0x0020, 0x9111),
       PLANE_POSITION = MRC_TAG(0x0020, 0x9113),
       PLANE_ORIENTATION = MRC_TAG(0x0020, 0x9116),
       PIXEL_MEASURES = MRC_TAG(0x0028, 0x9110),
       PIXEL_VALUES = MRC_TAG(0x0028, 0x9145),
       CARDIAC = MRC_TAG(0x0018, 0x9118),
       DIFFUSION = MRC_TAG(0x0018, 0x9117),
       FRAME_TYPE = MRC_TAG(0x0018, 0x9226)
};
static const uint32_t per_frame_groups = MRC_TAG(0x5200, 0x9230);
static const uint32_t shared_groups = MRC_TAG(0x5200, 0x9229);

void mrc_dicom_object_to(struct mrc_dicom_slice *slice, const char *fmt, ...) {
    if (slice->reason[0] != '\0') return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(slice->reason, sizeof slice->reason, fmt, args);
    va_end(args);
}

static int64_t integer_or_0(mrc_dcmtk_item *item, uint32_t tag) {
    int64_t value = 0;
    return mrc_dcmtk_integer(&value, item, tag, 0) ? value : 0;
}

/* What all frames of a file share. */
static void read_identity(struct mrc_dicom_slice *s, mrc_dcmtk_item *item) {
    (void)mrc_dcmtk_text(s->study_uid, sizeof s->study_uid, item, MRC_TAG(0x0020, 0x000D), 0);
    (void)mrc_dcmtk_text(s->series_uid, sizeof s->series_uid, item, MRC_TAG(0x0020, 0x000E), 0);
    (void)mrc_dcmtk_text(s->sop_uid, sizeof s->sop_uid, item, MRC_TAG(0x0008, 0x0018), 0);
    (void)mrc_dcmtk_text(s->sop_class, sizeof s->sop_class, item, MRC_TAG(0x0008, 0x0016), 0);
    (void)mrc_dcmtk_text(s->frame_uid, sizeof s->frame_uid, item, MRC_TAG(0x0020, 0x0052), 0);
    (void)mrc_dcmtk_text(s->patient_name, sizeof s->patient_name, item, MRC_TAG(0x0010, 0x0010), 0);
    (void)mrc_dcmtk_text(s->patient_id, sizeof s->patient_id, item, MRC_TAG(0x0010, 0x0020), 0);
    (void)mrc_dcmtk_text(s->modality, sizeof s->modality, item, MRC_TAG(0x0008, 0x0060), 0);
    (void)mrc_dcmtk_text(s->manufacturer, sizeof s->manufacturer, item, MRC_TAG(0x0008, 0x0070), 0);
    (void)mrc_dcmtk_text(s->station, sizeof s->station, item, MRC_TAG(0x0008, 0x1010), 0);
    (void)mrc_dcmtk_text(s->body_part, sizeof s->body_part, item, MRC_TAG(0x0018, 0x0015), 0);
    (void)mrc_dcmtk_text(s->photometric, sizeof s->photometric, item, MRC_TAG(0x0028, 0x0004), 0);
    s->series_number = integer_or_0(item, MRC_TAG(0x0020, 0x0011));
    s->instance_number = integer_or_0(item, MRC_TAG(0x0020, 0x0013));
    s->echo_number = integer_or_0(item, MRC_TAG(0x0018, 0x0086));
    s->acquisition_images = integer_or_0(item, MRC_TAG(0x0020, 0x1002));
    (void)mrc_dcmtk_text(s->concatenation, sizeof s->concatenation, item, MRC_TAG(0x0020, 0x9161),
                         0);
    s->part = integer_or_0(item, MRC_TAG(0x0020, 0x9162));
    s->parts = integer_or_0(item, MRC_TAG(0x0020, 0x9163));
    s->rows = integer_or_0(item, MRC_TAG(0x0028, 0x0010));
    s->columns = integer_or_0(item, MRC_TAG(0x0028, 0x0011));
}

static void read_types(struct mrc_dicom_slice *s, const struct mrc_dicom_source *source) {
    uint32_t tag = source->own != NULL ? MRC_TAG(0x0008, 0x9007) : MRC_TAG(0x0008, 0x0008);
    mrc_dcmtk_item *item = mrc_dicom_source_item(source, FRAME_TYPE, tag);
    if (mrc_dcmtk_count(item, tag) == 0) tag = MRC_TAG(0x0008, 0x0008); /* of the whole file */
    size_t types = mrc_dcmtk_count(item, tag);
    s->image_types = types < MRC_DICOM_TYPES ? types : MRC_DICOM_TYPES;
    for (size_t i = 0; i < s->image_types; ++i)
        (void)mrc_dcmtk_text(s->image_type[i], sizeof s->image_type[i], item, tag, i);
    mrc_dicom_source_text(s->complex_component, sizeof s->complex_component, source, FRAME_TYPE,
                          MRC_TAG(0x0008, 0x9208));
}

/* What tells volumes of one series apart. */
static void read_place_in_series(struct mrc_dicom_slice *s, const struct mrc_dicom_source *source) {
    bool frame = source->own != NULL;
    s->b_value = mrc_dicom_source_number(source, DIFFUSION, MRC_TAG(0x0018, 0x9087));
    s->trigger_ms = mrc_dicom_source_number(
        source, CARDIAC, frame ? MRC_TAG(0x0020, 0x9153) : MRC_TAG(0x0018, 0x1060));
    s->temporal_position = mrc_dicom_source_integer(
        source, FRAME_CONTENT, frame ? MRC_TAG(0x0020, 0x9128) : MRC_TAG(0x0020, 0x0100));
    s->acquisition_number = mrc_dicom_source_integer(
        source, FRAME_CONTENT, frame ? MRC_TAG(0x0020, 0x9156) : MRC_TAG(0x0020, 0x0012));
    mrc_dicom_source_text(s->stack_id, sizeof s->stack_id, source, FRAME_CONTENT,
                          MRC_TAG(0x0020, 0x9056));
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

static void check_spacing(struct mrc_dicom_slice *s) {
    for (int i = 0; i < 2; ++i)
        if (!(s->spacing_mm[i] >= 1e-3 && s->spacing_mm[i] <= 100.0))
            mrc_dicom_object_to(s, "PixelSpacing (0028,0030) is %g mm, expected 0.001 to 100",
                                s->spacing_mm[i]);
}

/* Also of an image that is refused already: it tells where such images lie in their series. */
static void read_geometry(struct mrc_dicom_slice *s, const struct mrc_dicom_source *source) {
    bool position = mrc_dicom_source_numbers(s->position_mm, 3, source, PLANE_POSITION,
                                             MRC_TAG(0x0020, 0x0032));
    bool orientation = mrc_dicom_source_numbers(s->orientation, 6, source, PLANE_ORIENTATION,
                                                MRC_TAG(0x0020, 0x0037));
    bool spacing =
        mrc_dicom_source_numbers(s->spacing_mm, 2, source, PIXEL_MEASURES, MRC_TAG(0x0028, 0x0030));
    s->thickness_mm = mrc_dicom_source_number(source, PIXEL_MEASURES, MRC_TAG(0x0018, 0x0050));
    s->location_mm = NAN;
    if (source->own == NULL)
        (void)mrc_dcmtk_number(&s->location_mm, source->root, MRC_TAG(0x0020, 0x1041), 0);
    if (!position)
        mrc_dicom_object_to(s, "ImagePositionPatient (0020,0032) is missing or not 3 numbers");
    if (!orientation)
        mrc_dicom_object_to(s, "ImageOrientationPatient (0020,0037) is missing or not 6 numbers");
    if (!spacing) mrc_dicom_object_to(s, "PixelSpacing (0028,0030) is missing or not 2 numbers");
    s->placed = position && orientation && spacing;
    if (!s->placed) return;
    check_spacing(s);
    const double *x = s->orientation, *y = s->orientation + 3;
    if (fabs(dot(x, x) - 1.0) > 2e-3 || fabs(dot(y, y) - 1.0) > 2e-3 || fabs(dot(x, y)) > 1e-3)
        mrc_dicom_object_to(s,
                            "ImageOrientationPatient (0020,0037) is not two orthogonal unit "
                            "vectors (lengths %.4f and %.4f, product %.4f)",
                            sqrt(dot(x, x)), sqrt(dot(y, y)), dot(x, y));
    double normal[3], length[2] = {sqrt(dot(x, x)), sqrt(dot(y, y))};
    for (int i = 0; i < 6; ++i) /* cosines of few decimals would scale the image */
        if (length[i / 3] > 0.0) s->orientation[i] /= length[i / 3];
    mrc_dicom_slice_normal(normal, s);
    s->along_mm = dot(s->position_mm, normal);
}

/* --- values --- */

static bool read_factor(double *out, const struct mrc_dicom_source *source, uint32_t tag) {
    mrc_dcmtk_item *item = mrc_dicom_source_item(source, PIXEL_VALUES, tag);
    return mrc_dcmtk_count(item, tag) == 0 || mrc_dcmtk_number(out, item, tag, 0);
}

static void read_rescale(struct mrc_dicom_slice *s, const struct mrc_dicom_source *source) {
    const char *wrong = NULL;
    s->slope = 1.0;
    s->intercept = 0.0;
    if (!read_factor(&s->intercept, source, MRC_TAG(0x0028, 0x1052)))
        wrong = "RescaleIntercept (0028,1052) is not a finite number";
    if (!read_factor(&s->slope, source, MRC_TAG(0x0028, 0x1053)) || s->slope == 0.0)
        wrong = "RescaleSlope (0028,1053) is not a finite number other than 0";
    if (wrong == NULL || s->reason[0] != '\0') return;
    mrc_dicom_object_to(s, "%s", wrong);
    s->damage = MRC_ERR_FORMAT;
}

/* --- a file's images --- */

static void read_image(struct mrc_dicom_slice *s, const struct mrc_dicom_source *source) {
    read_types(s, source);
    read_place_in_series(s, source);
    mrc_dicom_read_physics(&s->physics, source);
    mrc_dicom_judge_image(s, source);
    read_rescale(s, source);
    read_geometry(s, source);
}

static enum mrc_status append(struct mrc_dicom_slices *out, const struct mrc_dicom_slice *slice,
                              size_t count, struct mrc_error *err) {
    void *items = out->items;
    if (!mrc_grow(&items, &out->capacity, out->count + count, sizeof *out->items))
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %zu DICOM images", slice->path,
                        out->count + count);
    out->items = items;
    for (size_t i = 0; i < count; ++i) out->items[out->count + i] = *slice;
    out->count += count;
    return MRC_OK;
}

/* A frame for each item of the per-frame groups; they must be as many as NumberOfFrames says. */
static enum mrc_status read_frames(struct mrc_dicom_slices *out, const struct mrc_dicom_slice *file,
                                   mrc_dcmtk_item *root, struct mrc_error *err) {
    size_t count = mrc_dcmtk_count(root, per_frame_groups), first = out->count;
    int64_t said = integer_or_0(root, MRC_TAG(0x0028, 0x0008));
    if (said < 1) said = 1;
    if ((int64_t)count != said)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: NumberOfFrames (0028,0008) is %lld, but %zu frames are described in "
                        "(5200,9230)",
                        file->path, (long long)said, count);
    if (count > MRC_DICOM_MAX_FRAMES)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: %zu frames, expected at most %d", file->path,
                        count, (int)MRC_DICOM_MAX_FRAMES);
    enum mrc_status st = append(out, file, count, err);
    struct mrc_dicom_source source = {.root = root,
                                      .shared = mrc_dcmtk_child(root, shared_groups, 0)};
    for (size_t f = 0; st == MRC_OK && f < count; ++f) {
        struct mrc_dicom_slice *slice = &out->items[first + f];
        source.own = mrc_dcmtk_child(root, per_frame_groups, f);
        slice->frame = (int64_t)f + 1;
        slice->frames = (int64_t)count;
        read_image(slice, &source);
    }
    return st;
}

/* A data set without pixels: what is it? */
static enum mrc_status refuse_no_image(mrc_dcmtk_file *file, const char *path,
                                       struct mrc_error *err) {
    static const char mr_image[] = "1.2.840.10008.5.1.4.1.1.4";
    char sop_class[MRC_DICOM_UID];
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    if (mrc_dcmtk_pixels_are_elsewhere(file)) return mrc_dcmtk_check_pixels(file, err);
    bool index = mrc_dcmtk_has(item, MRC_TAG(0x0004, 0x1220));
    (void)mrc_dcmtk_text(sop_class, sizeof sop_class, item, MRC_TAG(0x0008, 0x0016), 0);
    const char *name = index ? "DICOMDIR, an index" : mrc_dcmtk_uid_name(sop_class);
    /* an MR image must have pixels: cut between two elements, the file looks whole */
    bool must = sop_class[0] == '\0' || strcmp(sop_class, mr_image) == 0 ||
                mrc_dcmtk_has(item, per_frame_groups);
    if (!index && must)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: truncated: %s without PixelData (7FE0,0010)",
                        path, sop_class[0] == '\0' ? "a data set" : "an MR image");
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no image: %s without PixelData (7FE0,0010)",
                    path, name != NULL ? name : "an unknown SOP class");
}

enum mrc_status mrc_dicom_slices_read(struct mrc_dicom_slices *out, const char *path,
                                      struct mrc_error *err) {
    struct mrc_dicom_slice whole = {.path = path};
    mrc_dcmtk_file *file = NULL;
    size_t before = out->count;
    enum mrc_status st = mrc_dcmtk_open(&file, path, err);
    if (st != MRC_OK) return st;
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    if (!mrc_dcmtk_has_pixels(file)) {
        st = refuse_no_image(file, path, err);
    } else {
        read_identity(&whole, root);
        mrc_dicom_judge_file(&whole, file);
        if (mrc_dcmtk_count(root, per_frame_groups) > 0) {
            st = read_frames(out, &whole, root, err);
        } else {
            struct mrc_dicom_source source = {.root = root};
            read_image(&whole, &source);
            st = append(out, &whole, 1, err);
        }
    }
    mrc_dcmtk_close(file);
    if (st != MRC_OK) out->count = before;
    return st;
}

void mrc_dicom_slices_clear(struct mrc_dicom_slices *slices) {
    mrc_free(slices->items);
    *slices = (struct mrc_dicom_slices){0};
}
