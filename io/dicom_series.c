/* dicom_series.c: which slices make one volume, and whether they make one. Never by file name or
 * InstanceNumber: neither is reliable. Keys, tolerances and their origins: docs/dicom.md, "Series"
 * and "Slices". */
#include "io/dicom_series.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/dcmtk/bridge.h"

enum { MIN_SLICES = 3 };
static const double same_position_mm = 1e-3;
static const double even_mm = 0.01, even_fraction = 0.01; /* of a gap against the median */
static const double rounding_mm = 0.1;   /* of a slice against the even grid: decimals were cut */
static const double line_mm = 0.1;       /* of a slice against the line through the stack */
static const double min_cosine = 0.9999; /* of the stack's direction against the normal */

/* --- grouping --- */

static bool same_number(double a, double b, double absolute) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return fabs(a - b) <= absolute + 1e-4 * fabs(a);
}

static bool same_orientation(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    for (int i = 0; i < 6; ++i)
        if (fabs(a->orientation[i] - b->orientation[i]) > 1e-4) return false;
    return true;
}

static bool same_series(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return strcmp(a->series_uid, b->series_uid) == 0 && strcmp(a->study_uid, b->study_uid) == 0;
}

static bool same_kind(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    for (size_t i = 0; i < 3; ++i)
        if (strcmp(a->image_type[i], b->image_type[i]) != 0) return false;
    return strcmp(a->modality, b->modality) == 0 &&
           strcmp(a->complex_component, b->complex_component) == 0 &&
           strcmp(a->photometric, b->photometric) == 0;
}

static bool same_timing(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    const struct mrc_dicom_physics *p = &a->physics, *q = &b->physics;
    return same_number(p->echo_ms, q->echo_ms, 1e-3) &&
           same_number(p->inversion_ms, q->inversion_ms, 1e-2) &&
           same_number(p->repetition_ms, q->repetition_ms, 1e-2) &&
           same_number(p->flip_deg, q->flip_deg, 1e-2) &&
           same_number(a->b_value, b->b_value, 1e-2) && a->echo_number == b->echo_number;
}

static bool same_grid(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return a->rows == b->rows && a->columns == b->columns &&
           fabs(a->spacing_mm[0] - b->spacing_mm[0]) <= 1e-4 &&
           fabs(a->spacing_mm[1] - b->spacing_mm[1]) <= 1e-4;
}

static bool belongs(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return same_series(a, b) && same_kind(a, b) && same_timing(a, b) && same_grid(a, b) &&
           same_orientation(a, b) && a->temporal_position == b->temporal_position;
}

static enum mrc_status add_slice(struct mrc_dicom_study *study, const struct mrc_dicom_slice *slice,
                                 struct mrc_error *err) {
    struct mrc_dicom_series *series = NULL;
    for (size_t i = study->series_count; i > 0 && series == NULL;
         --i) /* neighbours in the folder tend to belong together */
        if (belongs(study->series[i - 1].slices[0], slice)) series = &study->series[i - 1];
    if (series == NULL) {
        void *items = study->series;
        if (!mrc_grow(&items, &study->series_capacity, study->series_count + 1,
                      sizeof *study->series))
            return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu series",
                            study->series_count + 1);
        study->series = items;
        series = &study->series[study->series_count++];
        *series = (struct mrc_dicom_series){0};
    }
    void *slices = series->slices;
    if (!mrc_grow(&slices, &series->capacity, series->count + 1, sizeof *series->slices)) {
        if (series->count == 0) --study->series_count;
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count + 1);
    }
    series->slices = slices;
    series->slices[series->count++] = slice;
    return MRC_OK;
}

/* --- the verdict over one series --- */

MRC_PRINTF(2, 3)
static void object_to(struct mrc_dicom_series *series, const char *fmt, ...) {
    if (series->reason[0] != '\0') return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(series->reason, sizeof series->reason, fmt, args);
    va_end(args);
}

static const char *name_of(const struct mrc_dicom_slice *slice) {
    return mrc_path_name(slice->path);
}

static int by_position(const void *a, const void *b) {
    const struct mrc_dicom_slice *p = *(const struct mrc_dicom_slice *const *)a,
                                 *q = *(const struct mrc_dicom_slice *const *)b;
    if (p->along_mm != q->along_mm) return p->along_mm < q->along_mm ? -1 : 1;
    return strcmp(p->path, q->path);
}

static int by_value(const void *a, const void *b) {
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* A reason of any slice is one of the series; damage comes first and names the file. */
static void judge_slices(struct mrc_dicom_series *series) {
    size_t damaged = 0;
    const struct mrc_dicom_slice *first = NULL;
    for (size_t i = 0; i < series->count; ++i) {
        if (series->slices[i]->damage == MRC_OK) continue;
        if (damaged++ == 0) first = series->slices[i];
    }
    if (damaged > 0) {
        object_to(series, "%zu of %zu slices damaged, %s: %s", damaged, series->count,
                  name_of(first), first->reason);
        series->damage = first->damage;
    }
    for (size_t i = 0; i < series->count; ++i) {
        const struct mrc_dicom_slice *slice = series->slices[i];
        if (slice->reason[0] != '\0') object_to(series, "%s", slice->reason);
        series->synthetic = series->synthetic || slice->synthetic;
        series->derived = series->derived || slice->derived;
    }
}

static enum mrc_status same_bytes(bool *same, const char *a, const char *b, struct mrc_error *err) {
    enum { LIMIT = 1 << 28 };
    unsigned char *bytes[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    enum mrc_status st = mrc_read_file(&bytes[0], &size[0], a, LIMIT, err);
    if (st == MRC_OK) st = mrc_read_file(&bytes[1], &size[1], b, LIMIT, err);
    *same = st == MRC_OK && size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
    mrc_free(bytes[0]);
    mrc_free(bytes[1]);
    return st;
}

/* The same file twice counts once; one UID with two contents is an error of whoever wrote them. */
static enum mrc_status drop_copies(struct mrc_dicom_series *series, struct mrc_error *err) {
    size_t kept = series->count > 0 ? 1 : 0;
    for (size_t i = 1; i < series->count; ++i) {
        const struct mrc_dicom_slice *last = series->slices[kept - 1], *slice = series->slices[i];
        bool same = false;
        if (slice->sop_uid[0] != '\0' && strcmp(last->sop_uid, slice->sop_uid) == 0) {
            enum mrc_status st = same_bytes(&same, last->path, slice->path, err);
            if (st != MRC_OK) return st;
            if (!same)
                object_to(series, "%s and %s carry the same SOPInstanceUID (0008,0018) and differ",
                          name_of(last), name_of(slice));
        }
        if (!same) series->slices[kept++] = slice;
    }
    series->copies = series->count - kept;
    series->count = kept;
    return MRC_OK;
}

static int by_sop_uid(const void *a, const void *b) {
    const struct mrc_dicom_slice *p = *(const struct mrc_dicom_slice *const *)a,
                                 *q = *(const struct mrc_dicom_slice *const *)b;
    return strcmp(p->sop_uid, q->sop_uid);
}

/* One UID is one image: what refers to the slices would refer to the wrong ones. */
static enum mrc_status judge_uids(struct mrc_dicom_series *series, struct mrc_error *err) {
    const struct mrc_dicom_slice **order = mrc_alloc(series->count, sizeof(void *));
    if (order == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count);
    memcpy(order, series->slices, series->count * sizeof *order);
    qsort(order, series->count, sizeof *order, by_sop_uid);
    for (size_t i = 1; i < series->count; ++i)
        if (order[i]->sop_uid[0] != '\0' && strcmp(order[i - 1]->sop_uid, order[i]->sop_uid) == 0)
            object_to(series, "%s and %s carry the same SOPInstanceUID (0008,0018) and differ",
                      name_of(order[i - 1]), name_of(order[i]));
    mrc_free(order);
    return MRC_OK;
}

/* Whoever gave all images one series UID may have mixed patients; and positions compare within one
 * frame of reference only. */
static void judge_identity(struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    for (size_t i = 1; i < series->count; ++i) {
        const struct mrc_dicom_slice *slice = series->slices[i];
        if (strcmp(first->patient_id, slice->patient_id) != 0 ||
            strcmp(first->patient_name, slice->patient_name) != 0)
            object_to(series, "%s and %s name different patients, expected one in a series",
                      name_of(first), name_of(slice));
        if (strcmp(first->frame_uid, slice->frame_uid) != 0)
            object_to(series,
                      "%s and %s have different frames of reference (0020,0052), expected one in a "
                      "series",
                      name_of(first), name_of(slice));
    }
}

/* Positions that repeat: several times each (4-D), or here and there (a double). */
static void judge_repeats(struct mrc_dicom_series *series) {
    size_t positions = 1, first_repeat = 0;
    for (size_t i = 1; i < series->count; ++i) {
        bool repeats =
            series->slices[i]->along_mm - series->slices[i - 1]->along_mm < same_position_mm;
        if (!repeats)
            ++positions;
        else if (first_repeat == 0)
            first_repeat = i;
    }
    if (first_repeat == 0) return;
    if (series->count % positions == 0 && positions >= MIN_SLICES && series->count / positions > 1)
        object_to(series, "4-D: %zu images at each of %zu positions, expected one",
                  series->count / positions, positions);
    object_to(series, "slices %s and %s lie at the same position",
              name_of(series->slices[first_repeat - 1]), name_of(series->slices[first_repeat]));
}

static double median_gap(const struct mrc_dicom_series *series, double *scratch) {
    size_t gaps = series->count - 1;
    for (size_t i = 0; i < gaps; ++i)
        scratch[i] = series->slices[i + 1]->along_mm - series->slices[i]->along_mm;
    qsort(scratch, gaps, sizeof *scratch, by_value);
    return scratch[gaps / 2];
}

/* Every gap like the median, or every slice near the even grid. */
static void judge_gaps(struct mrc_dicom_series *series, double median) {
    const struct mrc_dicom_slice *const *s = series->slices;
    size_t last = series->count - 1, bad = 0;
    double step = (s[last]->along_mm - s[0]->along_mm) / (double)last,
           tolerance = fmax(even_mm, even_fraction * median);
    bool near_grid = true;
    for (size_t i = 0; i < last; ++i) {
        double gap = s[i + 1]->along_mm - s[i]->along_mm;
        if (fabs(gap - median) > tolerance && bad == 0) bad = i + 1;
        if (fabs(s[i]->along_mm - s[0]->along_mm - step * (double)i) >
            fmin(rounding_mm, 0.1 * median))
            near_grid = false;
    }
    if (bad == 0 || near_grid) return;
    object_to(series, "slices %s and %s lie %.2f mm apart, expected %.2f mm", name_of(s[bad - 1]),
              name_of(s[bad]), s[bad]->along_mm - s[bad - 1]->along_mm, median);
}

/* The stack must run along the normal: the matrix has one direction for k, and slices that wander
 * off it have none. */
static void judge_line(struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *const *s = series->slices;
    size_t last = series->count - 1;
    double normal[3], step[3], length = 0.0, along = 0.0;
    mrc_dicom_slice_normal(normal, s[0]);
    for (int a = 0; a < 3; ++a) {
        step[a] = (s[last]->position_mm[a] - s[0]->position_mm[a]) / (double)last;
        length += step[a] * step[a];
        along += step[a] * normal[a];
    }
    length = sqrt(length);
    if (!(along > min_cosine * length))
        object_to(series,
                  "the stack is tilted by %.2f degrees against the slices' normal, expected none",
                  acos(fmin(1.0, along / length)) * 180.0 / 3.14159265358979323846);
    for (size_t i = 0; i <= last; ++i) {
        double off = 0.0;
        for (int a = 0; a < 3; ++a) {
            double d = s[i]->position_mm[a] - s[0]->position_mm[a] - step[a] * (double)i;
            off += d * d;
        }
        if (sqrt(off) > line_mm + rounding_mm)
            object_to(series, "slice %s lies %.2f mm off the line of the others", name_of(s[i]),
                      sqrt(off));
    }
    series->gap_mm = length;
    for (int a = 0; a < 3; ++a) {
        const double *x = s[0]->orientation, *y = x + 3;
        double columns[4] = {x[a] * s[0]->spacing_mm[1], y[a] * s[0]->spacing_mm[0], step[a],
                             s[0]->position_mm[a]};
        memcpy(series->index_to_lps_mm[a], columns, sizeof columns);
    }
}

static enum mrc_status judge_geometry(struct mrc_dicom_series *series, struct mrc_error *err) {
    if (series->count < MIN_SLICES) {
        object_to(series, "%zu slice%s, expected at least %d", series->count,
                  series->count == 1 ? "" : "s", (int)MIN_SLICES);
        return MRC_OK;
    }
    judge_repeats(series);
    if (series->reason[0] != '\0') return MRC_OK;
    double *scratch = mrc_alloc(series->count, sizeof *scratch);
    if (scratch == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count);
    judge_gaps(series, median_gap(series, scratch));
    mrc_free(scratch);
    judge_line(series);
    return MRC_OK;
}

static enum mrc_status judge_series(struct mrc_dicom_series *series, struct mrc_error *err) {
    judge_slices(series);
    qsort(series->slices, series->count, sizeof *series->slices, by_position);
    series->contrast = mrc_dicom_contrast(series->contrast_reason, sizeof series->contrast_reason,
                                          &series->slices[0]->physics);
    if (series->reason[0] != '\0') return MRC_OK;
    judge_identity(series);
    enum mrc_status st = drop_copies(series, err);
    if (st == MRC_OK) st = judge_uids(series, err);
    if (st == MRC_OK) st = judge_geometry(series, err);
    return st;
}

/* Several volumes under one series UID: different planes are a localizer, different times 4-D. */
static void judge_siblings(struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    size_t planes = 1, times = 1;
    for (size_t i = 0; i < study->series_count; ++i) {
        const struct mrc_dicom_slice *other = study->series[i].slices[0];
        if (other == first || !same_series(first, other)) continue;
        if (!same_orientation(first, other))
            planes += first->placed && other->placed;
        else if (same_timing(first, other) && first->temporal_position != other->temporal_position)
            ++times;
    }
    if (series->reason[0] != '\0' && series->count >= MIN_SLICES) return;
    if (first->reason[0] != '\0') return; /* a CT's scout is refused for being a CT */
    if (planes > 1 || times > 1) series->reason[0] = '\0'; /* the better reason than "1 slice" */
    if (planes > 1)
        object_to(series, "%zu orientations in one series (a localizer), expected one", planes);
    if (times > 1) object_to(series, "4-D: %zu time points in one series, expected one", times);
}

/* Does an image of the other group lie beyond the ends of this one, on the same grid? */
static const struct mrc_dicom_slice *continuation(const struct mrc_dicom_series *series,
                                                  const struct mrc_dicom_series *other) {
    const struct mrc_dicom_slice *first = series->slices[0];
    double lowest = first->along_mm - series->gap_mm / 2.0;
    double highest = series->slices[series->count - 1]->along_mm + series->gap_mm / 2.0;
    if (!other->slices[0]->placed || !same_grid(first, other->slices[0]) ||
        !same_orientation(first, other->slices[0]))
        return NULL;
    for (size_t i = 0; i < other->count; ++i)
        if (!(other->slices[i]->along_mm >= lowest && other->slices[i]->along_mm <= highest))
            return other->slices[i];
    return NULL;
}

/* Images under the same series UID that went to another group, and might be slices that this one
 * lacks: damaged ones; a few that differ where slices of one acquisition do not (two such images
 * are no second volume); and those of another kind that lie beyond its ends. */
static void judge_strays(const struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    for (size_t i = 0; i < study->series_count && series->reason[0] == '\0'; ++i) {
        const struct mrc_dicom_series *other = &study->series[i];
        const struct mrc_dicom_slice *stray = other->slices[0];
        if (other == series || !same_series(first, stray)) continue;
        if (other->damage != MRC_OK) {
            object_to(series, "an image of the series is damaged (%.180s)", other->reason);
            series->damage = other->damage;
        } else if (same_kind(first, stray) && other->count < MIN_SLICES) {
            object_to(series,
                      "%zu of %zu images of the series differ%s in %s (%s), expected one kind",
                      other->count, other->count + series->count, other->count == 1 ? "s" : "",
                      same_grid(first, stray) ? "timing" : "matrix or spacing", name_of(stray));
        } else if (!same_kind(first, stray) && (stray = continuation(series, other)) != NULL) {
            object_to(series, "%s continues the series, but is an image of another kind",
                      name_of(stray));
        }
    }
}

static void finish(struct mrc_dicom_series *series) {
    series->usable = series->reason[0] == '\0';
    if (!series->usable) return;
    const struct mrc_dicom_slice *s = series->slices[0];
    if (series->synthetic)
        object_to(series, "synthetic (SyntheticData or ImageType), expected an acquired image "
                          "(--allow-synthetic accepts it)");
    if (series->derived)
        object_to(series,
                  "ImageType (0008,0008) is %s\\%s\\%s, expected an acquired image "
                  "(--allow-synthetic accepts it)",
                  s->image_type[0], s->image_type[1], s->image_type[2]);
}

/* --- from files to series --- */

static void record_refusal(struct mrc_dicom_study *study, const struct mrc_image_file *file) {
    struct mrc_dicom_refusal *refusal = &study->refused[study->refused_count++];
    refusal->path = file->path;
    refusal->status = file->status;
    (void)snprintf(refusal->reason, sizeof refusal->reason, "%.*s", (int)sizeof refusal->reason - 1,
                   file->reason);
}

static enum mrc_status collect_slices(struct mrc_dicom_study *study,
                                      const struct mrc_image_file *const *files, size_t count,
                                      struct mrc_error *err) {
    study->slices = mrc_alloc(count, sizeof *study->slices);
    study->refused = mrc_alloc(count, sizeof *study->refused);
    if (study->slices == NULL || study->refused == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu DICOM headers", count);
    for (size_t i = 0; i < count; ++i) {
        if (files[i]->status != MRC_OK) {
            record_refusal(study, files[i]);
            continue;
        }
        struct mrc_dicom_slice *slice = &study->slices[study->slice_count++];
        MRC_ASSERT(files[i]->record_bytes == sizeof *slice);
        memcpy(slice, files[i]->record, sizeof *slice);
        slice->path = files[i]->path;
    }
    return MRC_OK;
}

enum mrc_status mrc_dicom_study_group(struct mrc_dicom_study *out,
                                      const struct mrc_image_file *const *files, size_t count,
                                      struct mrc_error *err) {
    *out = (struct mrc_dicom_study){0};
    enum mrc_status st = collect_slices(out, files, count, err);
    for (size_t i = 0; st == MRC_OK && i < out->slice_count; ++i)
        st = add_slice(out, &out->slices[i], err);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i)
        st = judge_series(&out->series[i], err);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i)
        judge_siblings(out, &out->series[i]);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i)
        judge_strays(out, &out->series[i]);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i) finish(&out->series[i]);
    if (st != MRC_OK) mrc_dicom_study_clear(out);
    return st;
}

const struct mrc_dicom_refusal *mrc_dicom_study_broken(const struct mrc_dicom_study *study) {
    for (size_t i = 0; i < study->refused_count; ++i)
        if (study->refused[i].status != MRC_ERR_UNSUPPORTED) return &study->refused[i];
    return NULL;
}

size_t mrc_dicom_study_left_out(const struct mrc_dicom_study *study,
                                const struct mrc_dicom_series *series, bool of_it_only) {
    size_t same = 0, others = 0;
    for (size_t i = 0; i < study->slice_count; ++i)
        if (same_series(&study->slices[i], series->slices[0])) ++same;
    others = study->slice_count - same;
    for (size_t i = 0; i < study->refused_count; ++i)
        if (!mrc_path_has_suffix(study->refused[i].path, "DICOMDIR")) ++others;
    return same - series->count - series->copies + (of_it_only ? 0 : others);
}

void mrc_dicom_study_clear(struct mrc_dicom_study *study) {
    for (size_t i = 0; i < study->series_count; ++i) mrc_free(study->series[i].slices);
    mrc_free(study->series);
    mrc_free(study->slices);
    mrc_free(study->refused);
    *study = (struct mrc_dicom_study){0};
}
