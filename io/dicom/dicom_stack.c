/* dicom_stack.c: do the images of one volume make a stack? Copies, identity, gaps, tilt. Tolerances
 * and their origins: docs/dicom.md, "Slices". */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/dicom/dicom_gaps.h"
#include "io/dicom/dicom_stack.h"

static const double uneven_fraction =
    0.1;                           /* up to here slices are resampled, beyond some are missing */
static const double line_mm = 0.2; /* of a slice against the line through the stack */
static const double min_cosine = 0.9999; /* of the stack's direction against the normal */

void mrc_dicom_series_object_to(struct mrc_dicom_series *series, const char *fmt, ...) {
    if (series->reason[0] != '\0') return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(series->reason, sizeof series->reason, fmt, args);
    va_end(args);
}

struct mrc_dicom_name mrc_dicom_slice_name(const struct mrc_dicom_slice *slice) {
    struct mrc_dicom_name name;
    if (slice->frame > 0)
        (void)snprintf(name.text, sizeof name.text, "%.80s frame %lld", mrc_path_name(slice->path),
                       (long long)slice->frame);
    else
        (void)snprintf(name.text, sizeof name.text, "%.100s", mrc_path_name(slice->path));
    return name;
}

static int by_position(const void *a, const void *b) {
    const struct mrc_dicom_slice *p = *(const struct mrc_dicom_slice *const *)a,
                                 *q = *(const struct mrc_dicom_slice *const *)b;
    if (p->along_mm != q->along_mm) return p->along_mm < q->along_mm ? -1 : 1;
    int order = strcmp(p->sop_uid, q->sop_uid); /* copies side by side */
    if (order == 0) order = (p->frame > q->frame) - (p->frame < q->frame);
    return order != 0 ? order : strcmp(p->path, q->path);
}

/* A reason of any slice is one of the series; damage comes first and names the file. */
void mrc_dicom_stack_judge_slices(struct mrc_dicom_series *series) {
    size_t damaged = 0;
    const struct mrc_dicom_slice *first = NULL;
    for (size_t i = 0; i < series->count; ++i) {
        if (series->slices[i]->damage == MRC_OK) continue;
        if (damaged++ == 0) first = series->slices[i];
    }
    if (damaged > 0) {
        mrc_dicom_series_object_to(series, "%zu of %zu slices damaged, %s: %s", damaged,
                                   series->count, mrc_dicom_slice_name(first).text, first->reason);
        series->damage = first->damage;
    }
    for (size_t i = 0; i < series->count; ++i) {
        const struct mrc_dicom_slice *slice = series->slices[i];
        if (slice->reason[0] != '\0') mrc_dicom_series_object_to(series, "%s", slice->reason);
        series->synthetic = series->synthetic || slice->synthetic;
        series->derived = series->derived || slice->derived;
        series->phantom = series->phantom || slice->phantom;
        series->infant = series->infant || slice->infant;
    }
}

static enum mrc_status same_bytes(bool *same, const char *a, const char *b, struct mrc_error *err) {
    enum { LIMIT = 1 << 30 };
    unsigned char *bytes[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    enum mrc_status st = mrc_read_file(&bytes[0], &size[0], a, LIMIT, err);
    if (st == MRC_OK) st = mrc_read_file(&bytes[1], &size[1], b, LIMIT, err);
    *same = st == MRC_OK && size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
    mrc_free(bytes[0]);
    mrc_free(bytes[1]);
    return st;
}

/* Two files compared last: their frames come one after the other. */
struct compared {
    const char *a, *b;
    bool same;
};

static enum mrc_status compare_files(struct compared *c, const char *a, const char *b,
                                     struct mrc_error *err) {
    if (c->a != NULL && strcmp(c->a, a) == 0 && strcmp(c->b, b) == 0) return MRC_OK;
    c->a = a;
    c->b = b;
    return same_bytes(&c->same, a, b, err);
}

static bool same_image(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return a->sop_uid[0] != '\0' && strcmp(a->sop_uid, b->sop_uid) == 0 && a->frame == b->frame;
}

static void object_to_uid(struct mrc_dicom_series *series, const struct mrc_dicom_slice *a,
                          const struct mrc_dicom_slice *b) {
    mrc_dicom_series_object_to(series,
                               "%s and %s carry the same SOPInstanceUID (0008,0018) and differ",
                               mrc_dicom_slice_name(a).text, mrc_dicom_slice_name(b).text);
}

/* The same file twice counts once; one UID with two contents is an error of whoever wrote them. A
 * file that cannot be read any more (its header could) damages the series. */
static enum mrc_status drop_copies(struct mrc_dicom_series *series, struct mrc_error *err) {
    size_t kept = series->count > 0 ? 1 : 0;
    struct compared compared = {0};
    for (size_t i = 1; i < series->count; ++i) {
        const struct mrc_dicom_slice *last = series->slices[kept - 1], *slice = series->slices[i];
        bool copy = same_image(last, slice);
        if (copy) {
            struct mrc_error own = {0};
            enum mrc_status st = compare_files(&compared, last->path, slice->path, &own);
            if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s", own.text);
            copy = st == MRC_OK && compared.same;
            if (st != MRC_OK) {
                mrc_dicom_series_object_to(series, "%s and %s could not be read to their ends",
                                           mrc_dicom_slice_name(last).text,
                                           mrc_dicom_slice_name(slice).text);
                series->damage = st;
            } else if (!copy) {
                object_to_uid(series, last, slice);
            }
        }
        if (!copy) series->slices[kept++] = slice;
        if (copy && slice->frame <= 1) ++series->copies;
    }
    series->count = kept;
    return MRC_OK;
}

enum mrc_status mrc_dicom_stack_sort(struct mrc_dicom_series *series, struct mrc_error *err) {
    qsort(series->slices, series->count, sizeof *series->slices, by_position);
    return series->reason[0] == '\0' ? drop_copies(series, err) : MRC_OK;
}

static int by_sop_uid(const void *a, const void *b) {
    const struct mrc_dicom_slice *p = *(const struct mrc_dicom_slice *const *)a,
                                 *q = *(const struct mrc_dicom_slice *const *)b;
    int order = strcmp(p->sop_uid, q->sop_uid);
    return order != 0 ? order : (p->frame > q->frame) - (p->frame < q->frame);
}

/* One UID is one image: what refers to the slices would refer to the wrong ones. */
static enum mrc_status judge_uids(struct mrc_dicom_series *series, struct mrc_error *err) {
    const struct mrc_dicom_slice **order = mrc_alloc(series->count, sizeof(void *));
    if (order == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count);
    memcpy(order, series->slices, series->count * sizeof *order);
    qsort(order, series->count, sizeof *order, by_sop_uid);
    for (size_t i = 1; i < series->count; ++i)
        if (same_image(order[i - 1], order[i])) object_to_uid(series, order[i - 1], order[i]);
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
            mrc_dicom_series_object_to(
                series, "%s and %s name different patients, expected one in a series",
                mrc_dicom_slice_name(first).text, mrc_dicom_slice_name(slice).text);
        if (strcmp(first->frame_uid, slice->frame_uid) != 0)
            mrc_dicom_series_object_to(
                series,
                "%s and %s have different frames of reference (0020,0052), expected one in a "
                "series",
                mrc_dicom_slice_name(first).text, mrc_dicom_slice_name(slice).text);
    }
}

/* Positions that repeat: several times each (4-D), or here and there (a double). */
static void judge_repeats(struct mrc_dicom_series *series) {
    size_t positions = 1, first_repeat = 0;
    for (size_t i = 1; i < series->count; ++i) {
        bool repeats = series->slices[i]->along_mm - series->slices[i - 1]->along_mm <
                       MRC_DICOM_SAME_POSITION_MM;
        if (!repeats)
            ++positions;
        else if (first_repeat == 0)
            first_repeat = i;
    }
    if (first_repeat == 0) return;
    if (series->count % positions == 0 && positions >= MRC_DICOM_MIN_SLICES &&
        series->count / positions > 1)
        mrc_dicom_series_object_to(series, "4-D: %zu images at each of %zu positions, expected one",
                                   series->count / positions, positions);
    mrc_dicom_series_object_to(series, "slices %s and %s lie at the same position",
                               mrc_dicom_slice_name(series->slices[first_repeat - 1]).text,
                               mrc_dicom_slice_name(series->slices[first_repeat]).text);
}

static double gap_after(const struct mrc_dicom_series *series, size_t i) {
    return series->slices[i + 1]->along_mm - series->slices[i]->along_mm;
}

/* Slices missing between others, if every gap is about a whole number of medians; and the first
 * wide gap. False: the gaps are neither this nor that. */
static bool count_missing(size_t *missing, size_t *first, const struct mrc_dicom_series *series,
                          double median) {
    bool whole = true;
    *missing = 0;
    *first = series->count;
    for (size_t i = 0; i + 1 < series->count; ++i) {
        double gap = gap_after(series, i), times = fmax(1.0, round(gap / median));
        bool wide = fabs(gap - median) > fmax(MRC_DICOM_EVEN_MM, uneven_fraction * median);
        if (wide && *first == series->count) *first = i;
        whole = whole &&
                fabs(gap - times * median) <= fmax(MRC_DICOM_EVEN_MM, uneven_fraction * median) &&
                times < (double)series->count;
        if (whole) *missing += (size_t)times - 1;
    }
    return whole && *missing < series->count;
}

/* An even stack; one uneven by so little that interpolating makes it even; or one with slices lost,
 * which is told and not mended unasked (rule B3). */
static void judge_gaps(struct mrc_dicom_series *series, const struct mrc_dicom_gaps *gaps) {
    size_t missing = 0, at = 0;
    double median = gaps->median_mm;
    series->planes = series->count;
    if (gaps->alike || gaps->near_grid) return;
    bool whole = count_missing(&missing, &at, series, median);
    series->resampled = true;
    if (whole && missing == 0) return;
    (void)snprintf(series->gap_words, sizeof series->gap_words,
                   "slices %s and %s lie %.2f mm apart, expected %.2f mm",
                   mrc_dicom_slice_name(series->slices[at]).text,
                   mrc_dicom_slice_name(series->slices[at + 1]).text, gap_after(series, at),
                   median);
    if (!whole) mrc_dicom_series_object_to(series, "%s", series->gap_words);
    series->gaps = whole;
    series->missing = missing;
    series->planes = series->count + missing;
}

/* How far a slice lies off the line through the first and the last, at its own height. */
static double off_line(const struct mrc_dicom_series *series, size_t i, const double line[3]) {
    const struct mrc_dicom_slice *const *s = series->slices;
    double along = s[i]->along_mm - s[0]->along_mm, off = 0.0;
    for (int a = 0; a < 3; ++a) {
        double d = s[i]->position_mm[a] - s[0]->position_mm[a] - line[a] * along;
        off += d * d;
    }
    return sqrt(off);
}

/* The stack must run along the normal: the matrix has one direction for k, and slices that wander
 * off it have none. */
static void judge_line(struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *const *s = series->slices;
    size_t last = series->count - 1;
    double normal[3], line[3], length = 0.0,
                               cosine = 0.0; /* line: mm for each mm along the normal */
    double height = s[last]->along_mm - s[0]->along_mm;
    mrc_dicom_slice_normal(normal, s[0]);
    for (int a = 0; a < 3; ++a) {
        line[a] = (s[last]->position_mm[a] - s[0]->position_mm[a]) / height;
        length += line[a] * line[a];
        cosine += line[a] * normal[a];
    }
    length = sqrt(length);
    cosine /= length;
    if (!(cosine > min_cosine))
        mrc_dicom_series_object_to(
            series, "the stack is tilted by %.2f degrees against the slices' normal, expected none",
            acos(fmin(1.0, cosine)) * 180.0 / 3.14159265358979323846);
    for (size_t i = 0; i <= last; ++i) {
        double off = off_line(series, i, line);
        if (off > line_mm)
            mrc_dicom_series_object_to(series, "slice %s lies %.2f mm off the line of the others",
                                       mrc_dicom_slice_name(s[i]).text, off);
    }
    double step_mm = height / (double)(series->planes - 1);
    series->gap_mm = length * step_mm;
    for (int a = 0; a < 3; ++a) {
        const double *x = s[0]->orientation, *y = x + 3;
        double columns[4] = {x[a] * s[0]->spacing_mm[1], y[a] * s[0]->spacing_mm[0],
                             line[a] * step_mm, s[0]->position_mm[a]};
        memcpy(series->index_to_lps_mm[a], columns, sizeof columns);
    }
}

/* A time in ms of the slices: how it spreads, and where by too much. */
static void judge_spread(struct mrc_dicom_series *series, const char *name, size_t offset) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < series->count; ++i) {
        double value = 0.0;
        memcpy(&value, (const char *)&series->slices[i]->physics + offset, sizeof value);
        least = fmin(least, value);
        most = fmax(most, value);
    }
    if (!(most > least)) return; /* also where none says it */
    if (most - least > fmax(2e-2, MRC_DICOM_JITTER * most))
        mrc_dicom_series_object_to(
            series, "%s differs from slice to slice (%g to %g ms), expected one, 2 %% aside", name,
            least, most);
    else if (series->jitter[0] == '\0')
        (void)snprintf(series->jitter, sizeof series->jitter,
                       "%s differs from slice to slice (%g to %g ms)", name, least, most);
}

static enum mrc_status judge_geometry(struct mrc_dicom_series *series, struct mrc_error *err) {
    if (series->count < MRC_DICOM_MIN_SLICES) {
        mrc_dicom_series_object_to(series, "%zu slice%s, expected at least %d", series->count,
                                   series->count == 1 ? "" : "s", (int)MRC_DICOM_MIN_SLICES);
        return MRC_OK;
    }
    judge_repeats(series);
    if (series->reason[0] != '\0') return MRC_OK;
    struct mrc_dicom_gaps gaps;
    double *along_mm = mrc_alloc(series->count, sizeof *along_mm);
    if (along_mm == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count);
    for (size_t i = 0; i < series->count; ++i) along_mm[i] = series->slices[i]->along_mm;
    enum mrc_status st = mrc_dicom_gaps_measure(&gaps, along_mm, series->count, err);
    mrc_free(along_mm);
    if (st != MRC_OK) return st;
    judge_gaps(series, &gaps);
    judge_line(series);
    return MRC_OK;
}

enum mrc_status mrc_dicom_stack_judge(struct mrc_dicom_series *series, struct mrc_error *err) {
    judge_identity(series);
    judge_spread(series, "EchoTime (0018,0081)", offsetof(struct mrc_dicom_physics, echo_ms));
    judge_spread(series, "RepetitionTime (0018,0080)",
                 offsetof(struct mrc_dicom_physics, repetition_ms));
    enum mrc_status st = judge_uids(series, err);
    return st == MRC_OK ? judge_geometry(series, err) : st;
}
