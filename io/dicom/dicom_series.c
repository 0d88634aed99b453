/* dicom_series.c: which images make one volume. Never by file name; by InstanceNumber only where
 * nothing else tells images at one place apart. Keys and their origins: docs/dicom.md, "Volumes".
 */
#include "io/dicom/dicom_series.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "io/dicom/dicom_stack.h"

/* Stacks in as few slices and in several planes under one series are a localizer. */
enum { LOCALIZER_SLICES = 8 };

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

/* Rounding, and repeats that wait for the heart, let these differ from slice to slice. */
static bool near_number(double a, double b, double fraction) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return fabs(a - b) <= fmax(1e-2, fraction * fmax(fabs(a), fabs(b)));
}

static bool same_timing(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    const struct mrc_dicom_physics *p = &a->physics, *q = &b->physics;
    return near_number(p->echo_ms, q->echo_ms, MRC_DICOM_JITTER) &&
           same_number(p->inversion_ms, q->inversion_ms, 1e-2) &&
           near_number(p->repetition_ms, q->repetition_ms, MRC_DICOM_JITTER) &&
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
           same_orientation(a, b) && a->temporal_position == b->temporal_position &&
           strcmp(a->stack_id, b->stack_id) == 0;
}

/* A further volume of the series UID that volume `first` has; SIZE_MAX: of another one. */
static enum mrc_status new_series(struct mrc_dicom_series **out, struct mrc_dicom_study *study,
                                  size_t first, struct mrc_error *err) {
    size_t number = study->series_count;
    void *items = study->series;
    if (!mrc_grow(&items, &study->series_capacity, study->series_count + 1, sizeof *study->series))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu series",
                        study->series_count + 1);
    study->series = items;
    *out = &study->series[study->series_count++];
    **out = (struct mrc_dicom_series){
        .kin_first = first == SIZE_MAX ? number : first, .kin_next = SIZE_MAX, .kin_last = number};
    if (first == SIZE_MAX) return MRC_OK;
    study->series[study->series[first].kin_last].kin_next = number;
    study->series[first].kin_last = number;
    return MRC_OK;
}

static enum mrc_status put_slice(struct mrc_dicom_series *series,
                                 const struct mrc_dicom_slice *slice, struct mrc_error *err) {
    void *slices = series->slices;
    if (!mrc_grow(&slices, &series->capacity, series->count + 1, sizeof *series->slices))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", series->count + 1);
    series->slices = slices;
    series->slices[series->count++] = slice;
    return MRC_OK;
}

/* The first volume of each series UID, by the hash of the UID: a study may have very many. */
struct index {
    size_t *slots; /* number + 1; 0: free */
    size_t mask;
    size_t last; /* the volume that the slice before went to */
};

static enum mrc_status create_index(struct index *index, size_t slices, struct mrc_error *err) {
    size_t room = 16;
    while (room < 2 * slices) room *= 2;
    *index = (struct index){
        .slots = mrc_alloc(room, sizeof *index->slots), .mask = room - 1, .last = SIZE_MAX};
    return index->slots != NULL
               ? MRC_OK
               : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", slices);
}

/* FNV-1a. */
static uint64_t hash_uid(const char *uid) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *uid != '\0'; ++uid) hash = (hash ^ (unsigned char)*uid) * UINT64_C(1099511628211);
    return hash;
}

/* Where the first volume of the slice's series stands, or may be put. */
static size_t *find_slot(const struct index *index, const struct mrc_dicom_study *study,
                         const struct mrc_dicom_slice *slice) {
    size_t at = (size_t)hash_uid(slice->series_uid) & index->mask;
    while (index->slots[at] != 0 &&
           !same_series(study->series[index->slots[at] - 1].slices[0], slice))
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static enum mrc_status add_slice(struct mrc_dicom_study *study, struct index *index,
                                 const struct mrc_dicom_slice *slice, struct mrc_error *err) {
    size_t found = index->last; /* neighbours tend to belong together */
    struct mrc_dicom_series *series = NULL;
    if (found == SIZE_MAX || !belongs(study->series[found].slices[0], slice)) {
        size_t *slot = find_slot(index, study, slice);
        size_t first = *slot - 1; /* SIZE_MAX: none yet */
        for (found = first; found != SIZE_MAX; found = study->series[found].kin_next)
            if (belongs(study->series[found].slices[0], slice)) break;
        if (found == SIZE_MAX) {
            enum mrc_status st = new_series(&series, study, first, err);
            if (st != MRC_OK) return st;
            found = study->series_count - 1;
            if (*slot == 0) *slot = found + 1;
        }
    }
    index->last = found;
    return put_slice(&study->series[found], slice, err);
}

/* --- images at the same place: volumes that the key does not tell apart --- */

static bool repeats(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return fabs(a->along_mm - b->along_mm) < MRC_DICOM_SAME_POSITION_MM;
}

static bool has_repeats(const struct mrc_dicom_series *series) {
    for (size_t i = 1; i < series->count; ++i)
        if (repeats(series->slices[i - 1], series->slices[i])) return true;
    return false;
}

static int compare_numbers(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

/* Of echoes so close that their slices went into one group. */
static int by_timing(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    int order = compare_numbers(a->physics.echo_ms, b->physics.echo_ms);
    return order != 0 ? order : compare_numbers(a->physics.repetition_ms, b->physics.repetition_ms);
}

static int by_trigger(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return compare_numbers(a->trigger_ms, b->trigger_ms);
}

static int by_acquisition(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return (a->acquisition_number > b->acquisition_number) -
           (a->acquisition_number < b->acquisition_number);
}

/* The further values of ImageType: "NORM" and "ND" of one scan, filtered and not. */
static int by_further_types(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    int order = 0;
    for (size_t i = 3; order == 0 && i < MRC_DICOM_TYPES; ++i)
        order = strcmp(a->image_type[i], b->image_type[i]);
    return order;
}

static int by_instance(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    int order =
        (a->instance_number > b->instance_number) - (a->instance_number < b->instance_number);
    return order != 0 ? order : (a->frame > b->frame) - (a->frame < b->frame);
}

/* An image and the volume it goes to. */
struct part {
    const struct mrc_dicom_slice *slice;
    size_t volume;
};

static int by_volume(const void *a, const void *b) {
    const struct part *p = a, *q = b;
    if (p->volume != q->volume) return p->volume < q->volume ? -1 : 1;
    return compare_numbers(p->slice->along_mm, q->slice->along_mm);
}

static int part_by_timing(const void *a, const void *b) {
    return by_timing(((const struct part *)a)->slice, ((const struct part *)b)->slice);
}

static int part_by_trigger(const void *a, const void *b) {
    return by_trigger(((const struct part *)a)->slice, ((const struct part *)b)->slice);
}

static int part_by_acquisition(const void *a, const void *b) {
    return by_acquisition(((const struct part *)a)->slice, ((const struct part *)b)->slice);
}

static int part_by_further_types(const void *a, const void *b) {
    return by_further_types(((const struct part *)a)->slice, ((const struct part *)b)->slice);
}

typedef int compare_fn(const void *a, const void *b);

/* What compares as equal is one volume. */
static void number_by(struct part *parts, size_t count, compare_fn *compare) {
    qsort(parts, count, sizeof *parts, compare);
    for (size_t i = 0; i < count; ++i)
        parts[i].volume = i > 0 && compare(&parts[i - 1], &parts[i]) == 0 ? parts[i - 1].volume : i;
}

/* The last resort: at each position the first by InstanceNumber to the first volume, and so on.
 * Only where every position has as many, and no number comes twice (dicom-nifti rule B2). */
static bool number_by_order(struct part *parts, size_t count) {
    size_t depth = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && repeats(parts[end - 1].slice, parts[end].slice);)
            ++end;
        if (begin > 0 && end - begin != depth) return false;
        depth = end - begin;
        for (size_t i = begin; i < end; ++i) {
            parts[i].volume = 0;
            for (size_t k = begin; k < end; ++k) {
                int order = by_instance(parts[k].slice, parts[i].slice);
                if (order == 0 && k != i) return false;
                parts[i].volume += order < 0;
            }
        }
    }
    return true;
}

/* Has every volume each position once, and is there more than one? Leaves the parts sorted. */
static bool separates(struct part *parts, size_t count) {
    qsort(parts, count, sizeof *parts, by_volume);
    for (size_t i = 1; i < count; ++i)
        if (parts[i].volume == parts[i - 1].volume && repeats(parts[i - 1].slice, parts[i].slice))
            return false;
    return parts[count - 1].volume > parts[0].volume;
}

/* Have sorted parts volumes of equally many slices? */
static bool are_equally_long(const struct part *parts, size_t count) {
    size_t length = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && parts[end].volume == parts[begin].volume;) ++end;
        if (begin > 0 && end - begin != length) return false;
        length = end - begin;
    }
    return true;
}

static void reset_parts(struct part *parts, const struct mrc_dicom_series *series) {
    for (size_t i = 0; i < series->count; ++i) parts[i] = (struct part){.slice = series->slices[i]};
}

static bool find_parts(struct part *parts, const struct mrc_dicom_series *series) {
    static compare_fn *const compares[] = {part_by_trigger, part_by_acquisition,
                                           part_by_further_types};
    reset_parts(parts, series);
    number_by(parts, series->count, part_by_timing);
    if (separates(parts, series->count) && are_equally_long(parts, series->count)) return true;
    for (size_t c = 0; c < sizeof compares / sizeof *compares; ++c) {
        reset_parts(parts, series);
        number_by(parts, series->count, compares[c]);
        if (separates(parts, series->count)) return true;
    }
    reset_parts(parts, series);
    return number_by_order(parts, series->count) && separates(parts, series->count);
}

/* The first volume stays in the series at `index`, each other becomes one of its own. */
static enum mrc_status move_parts(struct mrc_dicom_study *study, size_t index,
                                  const struct part *parts, size_t count, struct mrc_error *err) {
    size_t kept = 0;
    while (kept < count && parts[kept].volume == parts[0].volume) {
        study->series[index].slices[kept] = parts[kept].slice;
        ++kept;
    }
    study->series[index].count = kept;
    struct mrc_dicom_series *series = NULL;
    for (size_t i = kept; i < count; ++i) {
        enum mrc_status st = MRC_OK;
        if (parts[i].volume != parts[i - 1].volume)
            st = new_series(&series, study, study->series[index].kin_first, err);
        if (st == MRC_OK) st = put_slice(series, parts[i].slice, err);
        if (st != MRC_OK) return st;
    }
    return MRC_OK;
}

static enum mrc_status split_repeats(struct mrc_dicom_study *study, size_t index,
                                     struct mrc_error *err) {
    struct mrc_dicom_series *series = &study->series[index];
    if (series->reason[0] != '\0' || !has_repeats(series)) return MRC_OK;
    size_t count = series->count;
    struct part *parts = mrc_alloc(count, sizeof *parts);
    if (parts == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", count);
    enum mrc_status st = MRC_OK;
    if (find_parts(parts, series)) st = move_parts(study, index, parts, count, err);
    mrc_free(parts);
    return st;
}

/* --- what volumes of one series say of each other --- */

static bool has_part(const struct mrc_dicom_study *study, const struct mrc_dicom_series *series,
                     const struct mrc_dicom_slice *of, int64_t part) {
    for (size_t i = series->kin_first; i != SIZE_MAX; i = study->series[i].kin_next)
        for (size_t k = 0; k < study->series[i].count; ++k) {
            const struct mrc_dicom_slice *s = study->series[i].slices[k];
            if (s->part == part && strcmp(s->concatenation, of->concatenation) == 0) return true;
        }
    return false;
}

/* An object cut into several files (PS3.3 C.7.6.16.2.2.4) needs all of them: at an end, the stack
 * would have no gap that tells. */
static void judge_parts(const struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    int64_t parts = 0, part = 1;
    if (first->concatenation[0] == '\0') return;
    for (size_t i = series->kin_first; i != SIZE_MAX; i = study->series[i].kin_next)
        for (size_t k = 0; k < study->series[i].count; ++k) {
            const struct mrc_dicom_slice *s = study->series[i].slices[k];
            if (strcmp(s->concatenation, first->concatenation) != 0) continue;
            parts = s->parts > parts ? s->parts : parts;
            parts = s->part > parts ? s->part : parts;
        }
    while (part <= parts && has_part(study, series, first, part)) ++part;
    if (part <= parts)
        mrc_dicom_series_object_to(
            series, "part %lld of the %lld of its concatenation (0020,9163) is missing",
            (long long)part, (long long)parts);
}

/* Do the other volume's slices lie between those of this one, nowhere at the place of one? Both are
 * sorted. */
static bool interleaves(const struct mrc_dicom_series *series,
                        const struct mrc_dicom_series *other) {
    const struct mrc_dicom_slice *const *s = series->slices, *const *o = other->slices;
    size_t at = 0, between = 0;
    for (size_t i = 0; i < other->count; ++i) {
        while (at < series->count && s[at]->along_mm < o[i]->along_mm) ++at;
        if ((at < series->count && repeats(s[at], o[i])) || (at > 0 && repeats(s[at - 1], o[i])))
            return false;
        between += at > 0 && at < series->count;
    }
    return between > 0;
}

/* One stack whose timing differs from slice to slice by more than a rounding is told as that, not
 * as two with gaps. */
static void judge_timing(const struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const double alike = 0.2;
    const struct mrc_dicom_slice *a = series->slices[0];
    if (!a->placed || a->reason[0] != '\0') return;
    for (size_t i = series->kin_first; i != SIZE_MAX && series->reason[0] == '\0';
         i = study->series[i].kin_next) {
        const struct mrc_dicom_series *other = &study->series[i];
        const struct mrc_dicom_slice *b = other->slices[0];
        const struct mrc_dicom_physics *p = &a->physics, *q = &b->physics;
        bool near = near_number(p->echo_ms, q->echo_ms, alike) &&
                    near_number(p->repetition_ms, q->repetition_ms, alike) &&
                    a->echo_number == b->echo_number;
        if (other == series || !near || same_timing(a, b) || !b->placed || !same_kind(a, b) ||
            !same_grid(a, b) || !same_orientation(a, b) || !interleaves(series, other))
            continue;
        bool echo = !near_number(p->echo_ms, q->echo_ms, MRC_DICOM_JITTER);
        mrc_dicom_series_object_to(
            series, "%s differs from slice to slice (%g and %g ms), expected one, 2 %% aside",
            echo ? "EchoTime (0018,0081)" : "RepetitionTime (0018,0080)",
            echo ? p->echo_ms : p->repetition_ms, echo ? q->echo_ms : q->repetition_ms);
    }
}

/* Is it the first volume of its series in its plane? */
static bool opens_plane(const struct mrc_dicom_study *study, size_t index) {
    const struct mrc_dicom_series *s = study->series;
    const struct mrc_dicom_slice *first = s[index].slices[0];
    for (size_t i = s[index].kin_first; i != index; i = s[i].kin_next) {
        const struct mrc_dicom_slice *other = s[i].slices[0];
        if (other->placed && same_orientation(first, other)) return false;
    }
    return true;
}

/* A few slices each in several planes: a localizer. */
static void judge_planes(const struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    size_t planes = 0;
    if (first->reason[0] != '\0' || !first->placed || series->count >= LOCALIZER_SLICES) return;
    for (size_t i = series->kin_first; i != SIZE_MAX; i = study->series[i].kin_next)
        planes += study->series[i].slices[0]->placed && opens_plane(study, i);
    if (planes <= 1 || (series->reason[0] != '\0' && series->count >= MRC_DICOM_MIN_SLICES)) return;
    series->reason[0] = '\0'; /* the better reason than "1 slice" */
    mrc_dicom_series_object_to(series, "%zu orientations in one series (a localizer), expected one",
                               planes);
}

/* Volumes of one series on one grid have equally many slices, or one was cut short: at an end,
 * which leaves no gap to tell. */
static void judge_lengths(const struct mrc_dicom_study *study, struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *first = series->slices[0];
    for (size_t i = series->kin_first; i != SIZE_MAX && series->reason[0] == '\0';
         i = study->series[i].kin_next) {
        const struct mrc_dicom_series *other = &study->series[i];
        const struct mrc_dicom_slice *s = other->slices[0];
        if (other == series || s->reason[0] != '\0' || other->count <= series->count) continue;
        if (same_kind(first, s) && same_grid(first, s) && same_orientation(first, s) &&
            strcmp(first->stack_id, s->stack_id) == 0)
            mrc_dicom_series_object_to(
                series, "%zu slices, but %zu in another volume of its series, expected as many",
                series->count, other->count);
    }
}

/* Does an image of the other volume lie beyond the ends of this one, on the same grid? */
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
    for (size_t i = series->kin_first; i != SIZE_MAX && series->reason[0] == '\0';
         i = study->series[i].kin_next) {
        const struct mrc_dicom_series *other = &study->series[i];
        const struct mrc_dicom_slice *stray = other->slices[0];
        if (other == series) continue;
        if (other->damage != MRC_OK) {
            mrc_dicom_series_object_to(series, "an image of the series is damaged (%.180s)",
                                       other->reason);
            series->damage = other->damage;
        } else if (same_kind(first, stray) && other->count < MRC_DICOM_MIN_SLICES) {
            mrc_dicom_series_object_to(
                series, "%zu of %zu images of the series differ%s in %s (%s), expected one kind",
                other->count, other->count + series->count, other->count == 1 ? "s" : "",
                same_grid(first, stray) ? "timing or acquisition" : "matrix or spacing",
                mrc_dicom_slice_name(stray).text);
        } else if (!same_kind(first, stray) && (stray = continuation(series, other)) != NULL) {
            mrc_dicom_series_object_to(series,
                                       "%s continues the series, but is an image of another kind",
                                       mrc_dicom_slice_name(stray).text);
        }
    }
}

static void finish(struct mrc_dicom_series *series) {
    series->usable = series->reason[0] == '\0';
    if (!series->usable) return;
    const struct mrc_dicom_slice *s = series->slices[0];
    if (series->synthetic)
        mrc_dicom_series_object_to(series,
                                   "synthetic (SyntheticData or ImageType), expected an acquired "
                                   "image (--allow-synthetic accepts it)");
    if (series->derived)
        mrc_dicom_series_object_to(
            series,
            "derived: ImageType (0008,0008) is %s\\%s\\%s, expected an acquired image "
            "(--allow-derived accepts it)",
            s->image_type[0], s->image_type[1], s->image_type[2]);
    if (series->gaps)
        mrc_dicom_series_object_to(series, "%s (--allow-gaps fills in what is missing)",
                                   series->gap_words);
}

/* --- choosing --- */

static int compare_series(const void *a, const void *b) {
    const struct mrc_dicom_series *x = *(struct mrc_dicom_series *const *)a,
                                  *y = *(struct mrc_dicom_series *const *)b;
    const struct mrc_dicom_slice *p = x->slices[0], *q = y->slices[0];
    int order = (p->series_number > q->series_number) - (p->series_number < q->series_number);
    if (order == 0) order = strcmp(p->series_uid, q->series_uid);
    if (order == 0) order = (p->echo_number > q->echo_number) - (p->echo_number < q->echo_number);
    if (order == 0) order = compare_numbers(p->physics.echo_ms, q->physics.echo_ms);
    if (order == 0) order = compare_numbers(p->physics.inversion_ms, q->physics.inversion_ms);
    if (order == 0) order = compare_numbers(p->b_value, q->b_value);
    for (size_t i = 0; order == 0 && i < MRC_DICOM_TYPES; ++i)
        order = strcmp(p->image_type[i], q->image_type[i]);
    if (order == 0) order = strcmp(p->stack_id, q->stack_id);
    if (order == 0)
        order = (p->temporal_position > q->temporal_position) -
                (p->temporal_position < q->temporal_position);
    if (order == 0) order = by_trigger(p, q);
    if (order == 0) order = by_acquisition(p, q);
    if (order == 0) order = by_instance(p, q);
    for (size_t i = 0; order == 0 && i < 6; ++i)
        order = compare_numbers(p->orientation[i], q->orientation[i]);
    if (order == 0) order = compare_numbers(p->along_mm, q->along_mm);
    return order != 0 ? order : strcmp(p->path, q->path);
}

/* The order of the series, by what they are and not by the names of files, and what each is called.
 */
static enum mrc_status name_series(struct mrc_dicom_study *study, struct mrc_error *err) {
    struct mrc_dicom_series **order = mrc_alloc(study->series_count + 1, sizeof(void *));
    if (order == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of series");
    for (size_t i = 0; i < study->series_count; ++i) order[i] = &study->series[i];
    if (study->series_count > 1) qsort(order, study->series_count, sizeof *order, compare_series);
    for (size_t begin = 0, end; begin < study->series_count; begin = end) {
        int64_t number = order[begin]->slices[0]->series_number;
        for (end = begin + 1; end < study->series_count; ++end)
            if (order[end]->slices[0]->series_number != number) break;
        for (size_t i = begin; i < end; ++i) {
            order[i]->rank = i;
            if (end - begin == 1)
                (void)snprintf(order[i]->selector, MRC_DICOM_SELECTOR, "%lld", (long long)number);
            else
                (void)snprintf(order[i]->selector, MRC_DICOM_SELECTOR, "%lld:%zu",
                               (long long)number, i - begin + 1);
        }
    }
    mrc_free(order);
    return MRC_OK;
}

static bool is_called(const struct mrc_dicom_series *series, const char *text, size_t length) {
    const struct mrc_dicom_slice *first = series->slices[0];
    int64_t number = 0;
    char digits[24];
    if (memchr(text, '.', length) != NULL) return strncmp(first->series_uid, text, length) == 0;
    if (length >= sizeof digits) return false;
    (void)snprintf(digits, sizeof digits, "%.*s", (int)length, text);
    return mrc_parse_i64(&number, digits, 0, INT64_MAX) == MRC_OK && number == first->series_number;
}

bool mrc_dicom_series_is_selected(const struct mrc_dicom_study *study,
                                  const struct mrc_dicom_series *series, const char *text) {
    size_t length = strcspn(text, ":");
    int64_t wanted = 0, before = 0;
    if (!is_called(series, text, length)) return false;
    if (text[length] == '\0') return true;
    if (mrc_parse_i64(&wanted, text + length + 1, 1, INT64_MAX) != MRC_OK) return false;
    for (size_t i = 0; i < study->series_count; ++i)
        before +=
            study->series[i].rank < series->rank && is_called(&study->series[i], text, length);
    return before == wanted - 1;
}

bool mrc_dicom_series_holds(const struct mrc_dicom_series *series, const char *path,
                            int64_t frame) {
    for (size_t i = 0; i < series->count; ++i)
        if ((frame == 0 || series->slices[i]->frame == frame) &&
            strcmp(series->slices[i]->path, path) == 0)
            return true;
    return false;
}

/* --- from files to series --- */

static void record_refusal(struct mrc_dicom_study *study, const struct mrc_image_file *file) {
    struct mrc_dicom_refusal *refusal = &study->refused[study->refused_count++];
    refusal->path = file->path;
    refusal->status = file->status;
    (void)snprintf(refusal->reason, sizeof refusal->reason, "%.*s", (int)sizeof refusal->reason - 1,
                   file->reason);
}

static enum mrc_status append_slices(struct mrc_dicom_slices *slices,
                                     const struct mrc_image_file *file, struct mrc_error *err) {
    size_t count = file->record_bytes / sizeof *slices->items;
    void *items = slices->items;
    if (!mrc_grow(&items, &slices->capacity, slices->count + count, sizeof *slices->items))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu DICOM images",
                        slices->count + count);
    slices->items = items;
    memcpy(slices->items + slices->count, file->record, count * sizeof *slices->items);
    for (size_t i = 0; i < count; ++i) slices->items[slices->count++].path = file->path;
    return MRC_OK;
}

static enum mrc_status collect_slices(struct mrc_dicom_study *study,
                                      const struct mrc_image_file *const *files, size_t count,
                                      struct mrc_error *err) {
    study->refused = mrc_alloc(count, sizeof *study->refused);
    if (study->refused == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu DICOM files", count);
    for (size_t i = 0; i < count; ++i) {
        enum mrc_status st = MRC_OK;
        if (files[i]->status != MRC_OK)
            record_refusal(study, files[i]);
        else
            st = append_slices(&study->slices, files[i], err);
        if (st != MRC_OK) return st;
    }
    return MRC_OK;
}

static enum mrc_status judge_series(struct mrc_dicom_series *series, struct mrc_error *err) {
    series->contrast = mrc_dicom_contrast(series->contrast_reason, sizeof series->contrast_reason,
                                          &series->unweighted, &series->slices[0]->physics);
    mrc_dicom_stack_judge_slices(series); /* anew: the volume may have been split */
    return series->reason[0] == '\0' ? mrc_dicom_stack_judge(series, err) : MRC_OK;
}

static enum mrc_status group(struct mrc_dicom_study *study, struct mrc_error *err) {
    struct index index;
    enum mrc_status st = create_index(&index, study->slices.count, err);
    for (size_t i = 0; st == MRC_OK && i < study->slices.count; ++i)
        st = add_slice(study, &index, &study->slices.items[i], err);
    mrc_free(index.slots);
    size_t count = study->series_count; /* splitting appends */
    for (size_t i = 0; st == MRC_OK && i < count; ++i) {
        mrc_dicom_stack_judge_slices(&study->series[i]);
        st = mrc_dicom_stack_sort(&study->series[i], err);
        if (st == MRC_OK) st = split_repeats(study, i, err);
    }
    return st;
}

enum mrc_status mrc_dicom_study_group(struct mrc_dicom_study *out,
                                      const struct mrc_image_file *const *files, size_t count,
                                      struct mrc_error *err) {
    *out = (struct mrc_dicom_study){0};
    enum mrc_status st = collect_slices(out, files, count, err);
    if (st == MRC_OK) st = group(out, err);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i) {
        judge_parts(out, &out->series[i]);
        judge_timing(out, &out->series[i]);
        st = judge_series(&out->series[i], err);
    }
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i) {
        judge_planes(out, &out->series[i]);
        judge_lengths(out, &out->series[i]);
    }
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i)
        judge_strays(out, &out->series[i]);
    for (size_t i = 0; st == MRC_OK && i < out->series_count; ++i) finish(&out->series[i]);
    if (st == MRC_OK) st = name_series(out, err);
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
    const struct mrc_dicom_slice *s = study->slices.items;
    size_t same = 0, others = 0;
    for (size_t i = 0; i < study->slices.count; ++i) {
        if (i > 0 && s[i].path == s[i - 1].path) continue; /* a frame of the same file */
        if (!same_series(&s[i], series->slices[0]))
            ++others;
        else if (!mrc_dicom_series_holds(series, s[i].path, 0))
            ++same;
    }
    for (size_t i = 0; i < study->refused_count; ++i)
        if (!mrc_path_has_suffix(study->refused[i].path, "DICOMDIR")) ++others;
    return same - series->copies + (of_it_only ? 0 : others);
}

void mrc_dicom_study_clear(struct mrc_dicom_study *study) {
    for (size_t i = 0; i < study->series_count; ++i) mrc_free(study->series[i].slices);
    mrc_free(study->series);
    mrc_dicom_slices_clear(&study->slices);
    mrc_free(study->refused);
    *study = (struct mrc_dicom_study){0};
}
