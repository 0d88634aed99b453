/* dicom.c: the DICOM format as io/image.h wants it: probe, scan, load. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/plain.h"
#include "base/text.h"
#include "io/contrast_map.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_series.h"
#include "io/image.h"

static bool dicom_probe(const struct mrc_probe *file) {
    return mrc_dcmtk_probe(file->head, file->head_bytes);
}

/* The folder a file lies in, as the path the user knows. */
static char *folder_of(const char *path) {
    size_t length = (size_t)(mrc_path_name(path) - path);
    if (length > 1) --length; /* without the slash, but "/" stays */
    return length == 0 ? mrc_strdup(".") : mrc_asprintf("%.*s", (int)length, path);
}

/* The record is an array of struct mrc_dicom_slice. */
static enum mrc_status dicom_read(void **record, size_t *bytes, const char *path,
                                  struct mrc_error *err) {
    struct mrc_dicom_slices slices = {0};
    enum mrc_status st = mrc_dicom_slices_read(&slices, path, err);
    *record = slices.items;
    *bytes = slices.count * sizeof *slices.items;
    return st;
}

static bool is_slice(const void *record) {
#define FIELD(kind, member) MRC_PLAIN_AT(MRC_PLAIN_##kind, struct mrc_dicom_slice, member)
    static const double most = 4294967295.0;
    static const struct mrc_plain_field fields[] = {
        {FIELD(COUNT, frame), .most = MRC_DICOM_MAX_FRAMES},
        {FIELD(TEXT, study_uid)},
        {FIELD(TEXT, series_uid)},
        {FIELD(TEXT, sop_uid)},
        {FIELD(TEXT, sop_class)},
        {FIELD(TEXT, frame_uid)},
        {FIELD(TEXT, patient_name)},
        {FIELD(TEXT, patient_id)},
        {FIELD(TEXT, modality)},
        {FIELD(TEXT, manufacturer)},
        {FIELD(TEXT, station)},
        {FIELD(TEXT, body_part)},
        {FIELD(TEXT, image_type[0])},
        {FIELD(TEXT, image_type[1])},
        {FIELD(TEXT, image_type[2])},
        {FIELD(TEXT, image_type[3])},
        {FIELD(TEXT, image_type[4])},
        {FIELD(TEXT, image_type[5])},
        {FIELD(SIZE, image_types), .most = MRC_DICOM_TYPES},
        {FIELD(TEXT, complex_component)},
        {FIELD(TEXT, photometric)},
        {FIELD(TEXT, stack_id)},
        {FIELD(TEXT, physics.sequence)},
        {FIELD(TEXT, physics.variant)},
        {FIELD(TEXT, physics.sequence_name)},
        {FIELD(TEXT, physics.image_type)},
        {FIELD(TEXT, physics.acquired_as)},
        {FIELD(TEXT, physics.series_description)},
        {FIELD(TEXT, physics.protocol_name)},
        {FIELD(BOOL, physics.contrast_agent)},
        {FIELD(COUNT, rows), .least = -most, .most = most},
        {FIELD(COUNT, columns), .least = -most, .most = most},
        {FIELD(BOOL, placed)},
        {FIELD(BOOL, synthetic)},
        {FIELD(BOOL, derived)},
        {FIELD(BOOL, phantom)},
        {FIELD(BOOL, infant)},
        {FIELD(TEXT, reason)},
        {FIELD(ENUM, damage), .most = MRC_ERR_PEER},
    };
#undef FIELD
    return mrc_plain_check(record, fields, sizeof fields / sizeof *fields);
}

static bool dicom_check(const void *record, size_t bytes) {
    const size_t one = sizeof(struct mrc_dicom_slice);
    if (bytes == 0 || bytes % one != 0 || bytes / one > MRC_DICOM_MAX_FRAMES) return false;
    for (size_t at = 0; at < bytes; at += one)
        if (!is_slice((const char *)record + at)) return false;
    return true;
}

/* A slice of a series: the UIDs stand in the record. */
static bool dicom_part_of(const char **whole, const char **part,
                          const struct mrc_image_file *file) {
    const struct mrc_dicom_slice *first = file->record;
    if (file->record_bytes < sizeof *first || first->series_uid[0] == '\0' ||
        first->sop_uid[0] == '\0')
        return false;
    *whole = first->series_uid;
    *part = first->sop_uid;
    return true;
}

/* --- scan --- */

/* The folder around all files of a series. */
static char *folder_around_files(const struct mrc_dicom_series *series) {
    const char *first = series->slices[0]->path;
    size_t length = (size_t)(mrc_path_name(first) - first);
    for (size_t i = 1; i < series->count; ++i) {
        size_t end = 0;
        const char *path = series->slices[i]->path;
        for (size_t at = 0; at < length && path[at] == first[at]; ++at)
            if (path[at] == '/') end = at + 1;
        length = end;
    }
    if (length > 1) --length; /* without the slash, but "/" stays */
    return length == 0 ? mrc_strdup(".") : mrc_asprintf("%.*s", (int)length, first);
}

/* The grid as far as it is known. */
static void describe_grid(struct mrc_image_info *info, const struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *slice = series->slices[0];
    struct mrc_geometry geometry;
    double matrix[3][4];
    info->rows = slice->rows;
    info->columns = slice->columns;
    info->slices = series->usable ? (int64_t)series->planes : (int64_t)series->count;
    info->spacing_mm[0] = slice->spacing_mm[0];
    info->spacing_mm[1] = slice->spacing_mm[1];
    info->spacing_mm[2] = series->gap_mm;
    if (!series->usable) return;
    memcpy(matrix, series->index_to_lps_mm, sizeof matrix);
    if (mrc_geometry_from_lps(&geometry, matrix, slice->path, NULL) != MRC_OK) return;
    info->orientation = mrc_geometry_orientation(&geometry);
    info->physical = true;
    info->geometry = geometry;
    const char *askew = mrc_geometry_askew(&geometry);
    if (!info->usable || askew == NULL) return;
    info->usable = false; /* as translating would find it */
    info->status = MRC_ERR_UNSUPPORTED;
    (void)snprintf(info->reason, sizeof info->reason, "%s", askew);
}

/* Its files, each once, the one with the lowest slice first. */
static enum mrc_status list_members(struct mrc_image_info *info,
                                    const struct mrc_dicom_series *series, struct mrc_error *err) {
    info->frame = series->slices[0]->frame;
    info->members = mrc_alloc(series->count, sizeof *info->members);
    if (info->members == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its files", info->path);
    for (size_t i = 0; i < series->count; ++i) {
        const char *path = series->slices[i]->path;
        /* frames of one file share the pointer, and mostly follow each other */
        bool known = false;
        for (size_t k = i; !known && k > 0 && series->slices[i]->frame > 0; --k)
            known = series->slices[k - 1]->path == path;
        if (known || series->slices[i]->damage != MRC_OK) continue; /* the damaged are refused */
        info->members[info->member_count] = mrc_strdup(path);
        if (info->members[info->member_count] == NULL)
            return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its files", info->path);
        ++info->member_count;
    }
    info->files = (int64_t)info->member_count;
    return MRC_OK;
}

/* What a series says of itself, and what is recognised from it. */
static void describe_names(struct mrc_image_info *info, const struct mrc_dicom_series *series) {
    const struct mrc_dicom_slice *slice = series->slices[0];
    const struct mrc_dicom_physics *p = &slice->physics;
    info->kind = MRC_SOURCE_DICOM;
    info->contrast = series->contrast;
    info->series_number = slice->series_number;
    mrc_text_plain(info->manufacturer, sizeof info->manufacturer, slice->manufacturer);
    (void)snprintf(info->station, sizeof info->station, "%s", slice->station);
    (void)snprintf(info->body_part, sizeof info->body_part, "%s", slice->body_part);
    (void)snprintf(info->series_description, sizeof info->series_description, "%s",
                   p->series_description);
    (void)snprintf(info->protocol_name, sizeof info->protocol_name, "%s", p->protocol_name);
    (void)snprintf(info->sequence_name, sizeof info->sequence_name, "%s", p->sequence_name);
}

static enum mrc_status describe_series(struct mrc_image_list *list,
                                       const struct mrc_dicom_series *series,
                                       const struct mrc_dicom_refusal *broken,
                                       struct mrc_error *err) {
    const struct mrc_dicom_slice *slice = series->slices[0];
    struct mrc_image_info *info = NULL;
    enum mrc_status st = mrc_image_list_add(list, &info, err);
    if (st != MRC_OK) return st;
    info->path = folder_around_files(series);
    if (info->path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", slice->path);
    describe_names(info, series);
    mrc_text_plain(info->modality, sizeof info->modality, slice->modality);
    mrc_text_plain(info->series_uid, sizeof info->series_uid, slice->series_uid);
    (void)snprintf(info->selector, sizeof info->selector, "%s", series->selector);
    info->synthetic = series->synthetic;
    info->derived = series->derived && !series->synthetic;
    info->phantom = series->phantom;
    info->infant = series->infant;
    info->usable = series->usable && !info->synthetic && !info->derived && !series->gaps;
    info->status = info->usable               ? MRC_OK
                   : series->damage != MRC_OK ? series->damage
                                              : MRC_ERR_UNSUPPORTED;
    info->unweighted = series->unweighted;
    bool jitter = info->usable && series->jitter[0] != '\0';
    (void)snprintf(info->reason, sizeof info->reason, "%.*s%s%s", jitter ? 110 : 199,
                   info->usable ? series->contrast_reason : series->reason, jitter ? "; " : "",
                   jitter ? series->jitter : "");
    if (info->usable && broken != NULL) { /* as loading would find it */
        info->usable = false;
        info->status = broken->status;
        (void)snprintf(info->reason, sizeof info->reason, "%.60s beside it is broken: %.110s",
                       mrc_path_name(broken->path), broken->reason);
    }
    describe_grid(info, series);
    return list_members(info, series, err);
}

static enum mrc_status list_damaged(struct mrc_image_list *list,
                                    const struct mrc_dicom_study *study, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < study->refused_count; ++i)
        st = mrc_image_list_refuse(list, study->refused[i].path, study->refused[i].status, err,
                                   "%s", study->refused[i].reason);
    const struct mrc_dicom_slice *s = study->slices.items;
    for (size_t i = 0; st == MRC_OK && i < study->slices.count; ++i)
        if (s[i].damage != MRC_OK && (i == 0 || s[i].path != s[i - 1].path)) /* a file once */
            st = mrc_image_list_refuse(list, s[i].path, s[i].damage, err, "%s", s[i].reason);
    return st;
}

/* Files of which no image went into a series: the same images as in others. */
static enum mrc_status list_copies(struct mrc_image_list *list, const struct mrc_dicom_study *study,
                                   struct mrc_error *err) {
    const struct mrc_dicom_slice *s = study->slices.items;
    size_t count = study->slices.count;
    bool *used = mrc_alloc(count, sizeof *used);
    if (used == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu images", count);
    for (size_t i = 0; i < study->series_count; ++i)
        for (size_t k = 0; k < study->series[i].count; ++k)
            used[study->series[i].slices[k] - s] = true;
    enum mrc_status st = MRC_OK;
    for (size_t begin = 0, end; st == MRC_OK && begin < count; begin = end) {
        bool any = false;
        for (end = begin; end < count && s[end].path == s[begin].path; ++end)
            any = any || used[end];
        if (any) continue;
        st = mrc_image_list_refuse(list, s[begin].path, MRC_ERR_UNSUPPORTED, err,
                                   "a copy of another file of its series, left out");
        if (st == MRC_OK) list->refused[list->refused_count - 1].aside = true;
    }
    mrc_free(used);
    return st;
}

static enum mrc_status dicom_scan(struct mrc_image_list *list,
                                  const struct mrc_image_file *const *files, size_t count,
                                  struct mrc_error *err) {
    struct mrc_dicom_study study = {0};
    enum mrc_status st = mrc_dicom_study_group(&study, files, count, err);
    const struct mrc_dicom_refusal *broken = mrc_dicom_study_broken(&study);
    for (size_t i = 0; st == MRC_OK && i < study.series_count; ++i)
        st = describe_series(list, &study.series[i], broken, err);
    if (st == MRC_OK) st = list_damaged(list, &study, err);
    if (st == MRC_OK) st = list_copies(list, &study, err);
    mrc_dicom_study_clear(&study);
    return st;
}

/* --- load --- */

static bool is_asked_for(const struct mrc_dicom_study *study, const struct mrc_dicom_series *series,
                         const struct mrc_image_options *options) {
    if (options->member != NULL && !mrc_dicom_series_holds(series, options->member, options->frame))
        return false;
    return options->series == NULL || mrc_dicom_series_is_selected(study, series, options->series);
}

static bool acceptable(const struct mrc_dicom_study *study, const struct mrc_dicom_series *series,
                       const struct mrc_image_options *options) {
    return is_asked_for(study, series, options) && series->usable &&
           (series->synthetic ? options->allow_synthetic
                              : options->allow_derived || !series->derived) &&
           (options->allow_gaps || !series->gaps);
}

/* The series asked for, usable or not, when it is one. */
static const struct mrc_dicom_series *asked_series(const struct mrc_dicom_study *study,
                                                   const struct mrc_image_options *options) {
    const struct mrc_dicom_series *found = NULL;
    if (options->member == NULL && options->series == NULL) return NULL;
    for (size_t i = 0; i < study->series_count; ++i)
        if (found == NULL && is_asked_for(study, &study->series[i], options))
            found = &study->series[i];
    return found;
}

static size_t refusal_of(const struct mrc_dicom_study *study, const char *path) {
    for (size_t i = 0; path != NULL && i < study->refused_count; ++i)
        if (strcmp(study->refused[i].path, path) == 0) return i;
    return 0;
}

/* No series can be used: the reason of the one asked for, or of the first. */
static enum mrc_status fail_none(const struct mrc_dicom_study *study,
                                 const struct mrc_image_options *options, const char *folder,
                                 struct mrc_error *err) {
    const char *member = options->member;
    const struct mrc_dicom_series *asked = asked_series(study, options);
    if (asked == NULL && options->series != NULL && study->series_count > 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: none of %zu series found is '%s', expected the number of a series, or "
                        "the beginning of its UID",
                        folder, study->series_count, options->series);
    if (asked == NULL && study->refused_count > 0 && (member != NULL || study->series_count == 0)) {
        size_t r = refusal_of(study, member);
        return mrc_fail(err, study->refused[r].status, "%s: %s", study->refused[r].path,
                        study->refused[r].reason);
    }
    const struct mrc_dicom_series *first = asked != NULL ? asked : &study->series[0];
    enum mrc_status st = first->damage != MRC_OK ? first->damage : MRC_ERR_UNSUPPORTED;
    if (asked != NULL || study->series_count == 1)
        return mrc_fail(err, st, "%s: %s", member != NULL ? member : folder, first->reason);
    return mrc_fail(err, st, "%s: none of %zu series can be used; the first: %s", folder,
                    study->series_count, first->reason);
}

static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

/* Where the acceptable series lie when each has a folder of its own: the path of the folder around
 * them all is the first *length characters of what is returned. NULL when two share a folder. */
static const char *folder_around(size_t *length, const struct mrc_dicom_study *study,
                                 const struct mrc_image_options *options) {
    const char *previous = NULL;
    *length = 0;
    for (size_t i = 0; i < study->series_count; ++i) {
        if (!acceptable(study, &study->series[i], options)) continue;
        const char *path = study->series[i].slices[0]->path;
        size_t own = folder_length(path), end = 0;
        if (previous != NULL) {
            if (own == folder_length(previous) && strncmp(path, previous, own) == 0) return NULL;
            for (size_t at = 0; at <= *length && path[at] == previous[at]; ++at)
                if (path[at] == '/') end = at;
            own = end;
        }
        *length = own;
        previous = path;
    }
    return *length > 0 ? previous : NULL;
}

/* "4 T1w, 5:1 T2w, 5:2 T2w" */
static void name_candidates(struct mrc_text *names, const struct mrc_dicom_study *study,
                            const struct mrc_image_options *options) {
    enum { MOST = 6 };
    size_t found = 0;
    for (size_t rank = 0; rank < study->series_count; ++rank)
        for (size_t i = 0; i < study->series_count; ++i)
            if (study->series[i].rank == rank && acceptable(study, &study->series[i], options) &&
                ++found <= MOST)
                mrc_text_appendf(names, "%s%s %s", found > 1 ? ", " : "", study->series[i].selector,
                                 mrc_contrast_name(study->series[i].contrast));
    if (found > MOST) mrc_text_appendf(names, ", ...");
}

static enum mrc_status fail_several(const struct mrc_dicom_study *study, size_t usable,
                                    const struct mrc_image_options *options, const char *folder,
                                    struct mrc_error *err) {
    struct mrc_text names = {0};
    name_candidates(&names, study, options);
    size_t length = 0;
    const char *around = folder_around(&length, study, options);
    enum mrc_status st =
        mrc_fail(err, MRC_ERR_UNSUPPORTED, "%.*s: %zu series can be used (%s), expected one; %s",
                 around != NULL ? (int)length : (int)strlen(folder),
                 around != NULL ? around : folder, usable, names.data != NULL ? names.data : "",
                 around != NULL ? "name the folder of one, or choose with --series"
                                : "choose with --series");
    mrc_text_clear(&names);
    return st;
}

/* As recognised, or as the user's map has it. */
static enum mrc_contrast contrast_of(const struct mrc_dicom_series *series,
                                     const mrc_contrast_map *map, char *folder) {
    struct mrc_image_info info = {.path = folder};
    describe_names(&info, series);
    (void)mrc_contrast_map_apply(map, &info);
    return info.contrast;
}

/* Of several series that can be used the only one of the contrast asked for. */
static const struct mrc_dicom_series *only_wanted(const struct mrc_dicom_study *study,
                                                  const struct mrc_image_options *options,
                                                  char *folder) {
    const struct mrc_dicom_series *found = NULL;
    for (size_t i = 0; options->wanted != MRC_CONTRAST_UNKNOWN && i < study->series_count; ++i) {
        const struct mrc_dicom_series *series = &study->series[i];
        if (!acceptable(study, series, options) ||
            contrast_of(series, options->map, folder) != options->wanted)
            continue;
        if (found != NULL) return NULL;
        found = series;
    }
    return found;
}

/* The one series to load. A file broken before its series is known might be the slice that is
 * missing. */
static enum mrc_status choose(const struct mrc_dicom_series **out,
                              const struct mrc_dicom_study *study,
                              const struct mrc_image_options *options, char *folder,
                              struct mrc_error *err) {
    size_t usable = 0;
    const struct mrc_dicom_refusal *broken = mrc_dicom_study_broken(study);
    if (broken != NULL)
        return mrc_fail(err, broken->status, "%s: %s", broken->path, broken->reason);
    for (size_t i = 0; i < study->series_count; ++i) {
        if (!acceptable(study, &study->series[i], options)) continue;
        if (usable++ == 0) *out = &study->series[i];
    }
    if (usable == 0) return fail_none(study, options, folder, err);
    if (usable == 1) return MRC_OK;
    const struct mrc_dicom_series *wanted = only_wanted(study, options, folder);
    if (wanted == NULL) return fail_several(study, usable, options, folder, err);
    *out = wanted;
    return MRC_OK;
}

/* --- its voxels --- */

/* MONOCHROME1 shows its largest value black: inverted over the whole volume, so that slices stay
 * comparable. Padding (NAN so far) becomes the darkest value, which is at most 0: no signal. */
static void finish_values(float *voxels, size_t count, bool inverted) {
    float lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < count; ++i) {
        if (voxels[i] < lo) lo = voxels[i];
        if (voxels[i] > hi) hi = voxels[i];
    }
    if (!(lo <= hi)) hi = 0.0f; /* padding only */
    if (!(lo < 0.0f)) lo = 0.0f;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(voxels[i]))
            voxels[i] = inverted ? 0.0f : lo;
        else if (inverted)
            voxels[i] = hi - voxels[i];
    }
}

/* What the user is to know of how the slices became a volume. */
static void remark_on(char *out, size_t capacity, const struct mrc_dicom_series *series) {
    int64_t said = series->slices[0]->acquisition_images;
    if (series->missing > 0)
        (void)snprintf(out, capacity, "%zu slice%s missing, filled in between the neighbours",
                       series->missing, series->missing == 1 ? " is" : "s are");
    else if (series->resampled)
        (void)snprintf(out, capacity, "slices unevenly apart, interpolated to %.3f mm",
                       series->gap_mm);
    else if (said > (int64_t)series->count) /* cut at an end, a stack has no gap that would tell */
        (void)snprintf(out, capacity,
                       "%zu slices, but ImagesInAcquisition (0020,1002) is %lld: some may be "
                       "missing",
                       series->count, (long long)said);
    else
        (void)snprintf(out, capacity, "%s", series->jitter);
}

static enum mrc_status note_provenance(mrc_volume *vol, const struct mrc_dicom_series *series,
                                       enum mrc_contrast contrast, struct mrc_error *err) {
    struct mrc_provenance from = {.kind = MRC_SOURCE_DICOM, .contrast = contrast};
    remark_on(from.remark, sizeof from.remark, series);
    from.resampled = series->resampled;
    from.files = mrc_alloc(series->count, sizeof *from.files);
    from.frames = mrc_alloc(series->count, sizeof *from.frames);
    from.instances = mrc_alloc(series->count, sizeof *from.instances);
    bool whole = from.files != NULL && from.frames != NULL && from.instances != NULL;
    for (size_t i = 0; whole && i < series->count; ++i) {
        from.files[i] = mrc_strdup(series->slices[i]->path);
        from.frames[i] = series->slices[i]->frame;
        memcpy(from.instances[i], series->slices[i]->sop_uid, sizeof from.instances[i]);
        whole = from.files[i] != NULL;
        if (whole) ++from.file_count;
    }
    if (whole) mrc_volume_adopt_provenance(vol, &from);
    mrc_provenance_clear(&from);
    return whole ? MRC_OK
                 : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the names of %zu slices",
                            series->count);
}

/* Between two slices; padding of one (NAN) leaves the other. */
static void blend(float *out, const float *below, const float *above, size_t count, float part) {
    for (size_t i = 0; i < count; ++i) {
        if (isnan(below[i]) || isnan(above[i]))
            out[i] = isnan(below[i]) ? above[i] : below[i];
        else
            out[i] = below[i] + part * (above[i] - below[i]);
    }
}

/* Slices that do not lie on the even grid: linear between the two around each plane, by their true
 * positions. */
static void interpolate(float *voxels, const float *stack, const struct mrc_dicom_series *series,
                        size_t slice_voxels) {
    const struct mrc_dicom_slice *const *s = series->slices;
    double step = (s[series->count - 1]->along_mm - s[0]->along_mm) / (double)(series->planes - 1);
    size_t upper = 1;
    for (size_t k = 0; k < series->planes; ++k) {
        double along = s[0]->along_mm + step * (double)k;
        while (along > s[upper]->along_mm && upper + 1 < series->count) ++upper;
        double part =
            (along - s[upper - 1]->along_mm) / (s[upper]->along_mm - s[upper - 1]->along_mm);
        const float *above = stack + upper * slice_voxels;
        blend(voxels + k * slice_voxels, above - slice_voxels, above, slice_voxels,
              (float)fmin(1.0, fmax(0.0, part)));
    }
}

static enum mrc_status load_between(float *voxels, const struct mrc_dicom_series *series,
                                    size_t slice_voxels, struct mrc_error *err) {
    float *stack = mrc_alloc(series->count * slice_voxels, sizeof *stack);
    if (stack == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", series->slices[0]->path);
    enum mrc_status st = mrc_dicom_slices_decode(stack, series->slices, series->count, err);
    if (st == MRC_OK) interpolate(voxels, stack, series, slice_voxels);
    mrc_free(stack);
    return st;
}

static enum mrc_status load_voxels(float *voxels, const struct mrc_dicom_series *series,
                                   struct mrc_error *err) {
    const struct mrc_dicom_slice *first = series->slices[0];
    size_t slice_voxels = (size_t)first->columns * (size_t)first->rows;
    enum mrc_status st = series->resampled
                             ? load_between(voxels, series, slice_voxels, err)
                             : mrc_dicom_slices_decode(voxels, series->slices, series->count, err);
    if (st == MRC_OK)
        finish_values(voxels, slice_voxels * series->planes,
                      strcmp(first->photometric, "MONOCHROME1") == 0);
    return st;
}

static enum mrc_status load_series(mrc_volume **out, const struct mrc_dicom_series *series,
                                   char *folder, const mrc_contrast_map *map,
                                   struct mrc_error *err) {
    const struct mrc_dicom_slice *first = series->slices[0];
    struct mrc_extent extent = {first->columns, first->rows, (int64_t)series->planes};
    struct mrc_geometry geometry;
    double matrix[3][4];
    mrc_volume *vol = NULL;
    memcpy(matrix, series->index_to_lps_mm, sizeof matrix);
    enum mrc_status st = mrc_geometry_from_lps(&geometry, matrix, folder, err);
    if (st == MRC_OK) st = mrc_volume_create(&vol, extent, &geometry, err);
    if (st == MRC_OK) st = note_provenance(vol, series, contrast_of(series, map, folder), err);
    if (st == MRC_OK) st = load_voxels(mrc_volume_voxels(vol), series, err);
    if (st == MRC_OK) {
        *out = vol;
        vol = NULL;
    }
    mrc_volume_destroy(vol);
    return st;
}

static enum mrc_status dicom_load(mrc_volume **out, const struct mrc_image_file *const *files,
                                  size_t count, const struct mrc_image_options *options,
                                  struct mrc_error *err) {
    struct mrc_dicom_study study = {0};
    const struct mrc_dicom_series *series = NULL;
    static const struct mrc_image_options defaults = MRC_IMAGE_DEFAULTS;
    if (options == NULL) options = &defaults;
    *out = NULL;
    if (count == 0) return mrc_fail(err, MRC_ERR_FORMAT, "no DICOM file");
    char *folder = folder_of(files[0]->path);
    if (folder == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", files[0]->path);
    enum mrc_status st = mrc_dicom_study_group(&study, files, count, err);
    if (st == MRC_OK) st = choose(&series, &study, options, folder, err);
    if (st == MRC_OK) st = load_series(out, series, folder, options->map, err);
    if (st == MRC_OK)
        mrc_volume_add_left_out(*out,
                                mrc_dicom_study_left_out(&study, series, options->member != NULL));
    mrc_dicom_study_clear(&study);
    mrc_free(folder);
    return st;
}

const struct mrc_format mrc_format_dicom = {.name = "dicom",
                                            .kind = MRC_SOURCE_DICOM,
                                            .probe = dicom_probe,
                                            .read = dicom_read,
                                            .check = dicom_check,
                                            .part_of = dicom_part_of,
                                            .scan = dicom_scan,
                                            .load = dicom_load};
