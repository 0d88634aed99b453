/* dicom_derived.c: a computed volume as a derived MR series beside its source. Each data set begins
 * empty and is filled from an allow-list: nothing of the source comes along unnamed. Attribute by
 * attribute: docs/dicom.md; PS3.3 A.4, C.7.3.1, C.7.6.1, C.7.6.2, C.8.3.1, C.12.1; PS3.16 CID 7005,
 * 7202, 7203. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/dicom/derived.h"
#include "io/dicom/dicom_slice.h"
#include "io/dicom/dicom_source.h"
#include "io/dicom/dicom_write.h"

enum { STORED_BITS = 12, STORED_MAX = 4095, MAX_DERIVATION = 1024, MAX_LONG_TEXT = 64 };
enum { CHARACTER_SET = MRC_TAG(0x0008, 0x0005) };
static const double same_grid_mm = 1e-3;
static const char mr_image[] = "1.2.840.10008.5.1.4.1.1.4";
static const char secondary_capture[] = "1.2.840.10008.5.1.4.1.1.7";
static const char program[] = MRC_DICOM_PROGRAM;

struct job {
    const mrc_volume *vol;
    const struct mrc_derivation *derivation;
    struct mrc_dicom_grid grid;
    bool same_grid;                  /* slice k of the volume is slice k of the source */
    bool locations;                  /* SliceLocation is the source's */
    struct mrc_dicom_slice *sources; /* by position */
    size_t source_count;
    mrc_dcmtk_file
        *first;       /* the source's first slice: what is one for the series comes from here */
    uint16_t *stored; /* the whole volume */
    char series_uid[MRC_UID_TEXT], frame_uid[MRC_UID_TEXT], device_uid[MRC_UID_TEXT];
    char date[9], time[7];
    char orientation[MRC_DICOM_LINE], spacing[MRC_DICOM_LINE];
};

/* --- identity --- */

static void add_origin(mrc_hash *hash, const struct job *job, const char *purpose) {
    const struct mrc_derivation *d = job->derivation;
    mrc_hash_add_text(hash, purpose);
    mrc_hash_add_text(hash, d->software_version);
    mrc_hash_add_text(hash, d->model_hash);
    mrc_hash_add_text(hash, d->settings);
    mrc_hash_add_text(hash, d->time_stamp);
    mrc_hash_add_text(hash, mrc_contrast_name(d->from));
    mrc_hash_add_text(hash, mrc_contrast_name(d->to));
    mrc_hash_add_text(hash, job->sources[0].series_uid);
    for (size_t s = 0; s < job->source_count; ++s) {
        mrc_hash_add_text(hash, job->sources[s].sop_uid);
        if (job->sources[s].frame > 0)
            mrc_hash_add(hash, &job->sources[s].frame, sizeof job->sources[s].frame);
    }
    mrc_hash_add(hash, job->grid.index_to_lps_mm, sizeof job->grid.index_to_lps_mm);
}

/* Of the series (slice < 0: all pixels) or of one slice: whatever changes the content changes the
 * UID. */
static enum mrc_status make_uid(char uid[MRC_UID_TEXT], const struct job *job, int64_t slice,
                                struct mrc_error *err) {
    size_t plane = (size_t)job->grid.extent.i * (size_t)job->grid.extent.j;
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    char text[24];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    add_origin(hash, job, slice < 0 ? "mrcycle derived series" : "mrcycle derived image");
    if (job->derivation->cycle_error) mrc_hash_add_text(hash, "cycle error");
    (void)snprintf(text, sizeof text, "%lld", (long long)slice);
    mrc_hash_add_text(hash, text);
    if (slice < 0)
        mrc_hash_add(hash, job->stored, plane * (size_t)job->grid.extent.k * sizeof *job->stored);
    else
        mrc_hash_add(hash, job->stored + plane * (size_t)slice, plane * sizeof *job->stored);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print_uid(uid, digest);
    return MRC_OK;
}

static enum mrc_status uid_of_texts(char uid[MRC_UID_TEXT], const char *purpose, const char *a,
                                    const char *b, struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    mrc_hash_add_text(hash, purpose);
    mrc_hash_add_text(hash, a);
    mrc_hash_add_text(hash, b);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print_uid(uid, digest);
    return MRC_OK;
}

/* --- preparing the job --- */

static uint16_t stored_value(float value) {
    if (!(value > 0.0f)) return 0; /* NAN too */
    return value >= 1.0f ? STORED_MAX : (uint16_t)lround((double)value * STORED_MAX);
}

static enum mrc_status store_voxels(struct job *job, struct mrc_error *err) {
    size_t count = (size_t)mrc_extent_count(job->grid.extent);
    const float *voxels = mrc_volume_voxels_const(job->vol);
    job->stored = mrc_alloc(count, sizeof *job->stored);
    if (job->stored == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu pixels", count);
    for (size_t v = 0; v < count; ++v) job->stored[v] = stored_value(voxels[v]);
    return MRC_OK;
}

static enum mrc_status check_source(const struct mrc_dicom_slice *slice, struct mrc_error *err) {
    if (slice->study_uid[0] != '\0' && slice->series_uid[0] != '\0' && slice->sop_uid[0] != '\0')
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_FORMAT,
                    "%s: StudyInstanceUID, SeriesInstanceUID or SOPInstanceUID is missing, and a "
                    "derived series must refer to them",
                    slice->path);
}

/* The header of source k; *file holds the images of the file read last. */
static enum mrc_status read_source(struct job *job, struct mrc_dicom_slices *file,
                                   const struct mrc_provenance *from, size_t k,
                                   struct mrc_error *err) {
    const char *path = from->files[k];
    int64_t frame = from->frames != NULL ? from->frames[k] : 0;
    enum mrc_status st = MRC_OK;
    if (file->count == 0 || strcmp(file->items[0].path, path) != 0) {
        file->count = 0;
        st = mrc_dicom_slices_read(file, path, err);
    }
    size_t at = frame > 0 ? (size_t)frame - 1 : 0;
    const bool same =
        st == MRC_OK && at < file->count && file->items[at].frame == frame &&
        (from->instances == NULL || strcmp(file->items[at].sop_uid, from->instances[k]) == 0);
    if (st == MRC_OK && !same) /* its patient is not the one whose pixels were translated */
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: changed while it was read", path);
    if (st == MRC_OK) st = check_source(&file->items[at], err);
    if (st == MRC_OK) job->sources[k] = file->items[at];
    return st;
}

static enum mrc_status read_sources(struct job *job, const mrc_volume *source,
                                    struct mrc_error *err) {
    const struct mrc_provenance *from = mrc_volume_provenance(source);
    if (from->kind != MRC_SOURCE_DICOM || from->file_count == 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "a derived DICOM series needs a DICOM source, found %s",
                        mrc_source_kind_name(from->kind));
    job->sources = mrc_alloc(from->file_count, sizeof *job->sources);
    if (job->sources == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu DICOM headers",
                        from->file_count);
    struct mrc_dicom_slices file = {0};
    enum mrc_status st = MRC_OK;
    for (; st == MRC_OK && job->source_count < from->file_count; ++job->source_count)
        st = read_source(job, &file, from, job->source_count, err);
    mrc_dicom_slices_clear(&file);
    return st;
}

/* Values of a text as it stands, when each fits a decimal string; else numbers, printed anew. A
 * frame's values stand in its functional groups and are printed. */
static void keep_decimals(char out[MRC_DICOM_LINE], mrc_dcmtk_item *item, uint32_t tag,
                          const double *numbers, size_t count) {
    size_t bytes = 0, longest = 0, run = 0;
    const char *raw = item != NULL ? mrc_dcmtk_raw(item, tag, &bytes) : NULL;
    for (size_t i = 0; i < bytes; ++i) {
        run = raw[i] == '\\' ? 0 : run + 1;
        if (run > longest) longest = run;
    }
    if (bytes > 0 && bytes < MRC_DICOM_LINE && longest < MRC_DICOM_DS_TEXT)
        (void)snprintf(out, MRC_DICOM_LINE, "%.*s", (int)bytes, raw);
    else
        mrc_dicom_print_numbers(out, numbers, count);
}

/* Orientation and spacing are one text each for the whole series: viewers compare them. */
static void settle_plane(struct job *job) {
    const struct mrc_dicom_grid *g = &job->grid;
    const struct mrc_dicom_slice *first = &job->sources[0];
    double spacing[2] = {g->spacing_mm[1], g->spacing_mm[0]}, orientation[6];
    for (int a = 0; a < 3; ++a) {
        orientation[a] = g->index_to_lps_mm[a][0] / g->spacing_mm[0];
        orientation[a + 3] = g->index_to_lps_mm[a][1] / g->spacing_mm[1];
    }
    mrc_dicom_print_numbers(job->spacing, spacing, 2);
    mrc_dicom_print_numbers(job->orientation, orientation, 6);
    if (!job->same_grid) return;
    mrc_dcmtk_item *item = first->frame > 0 ? NULL : mrc_dcmtk_root(job->first);
    keep_decimals(job->spacing, item, MRC_TAG(0x0028, 0x0030), first->spacing_mm, 2);
    keep_decimals(job->orientation, item, MRC_TAG(0x0020, 0x0037), first->orientation, 6);
}

static bool lies_on(const mrc_volume *vol, const mrc_volume *source, size_t files) {
    struct mrc_extent a = mrc_volume_extent(vol), b = mrc_volume_extent(source);
    return !mrc_volume_provenance(source)->resampled && a.i == b.i && a.j == b.j && a.k == b.k &&
           (size_t)a.k == files &&
           mrc_geometry_distance(mrc_volume_geometry(vol), mrc_volume_geometry(source), a) <
               same_grid_mm;
}

static enum mrc_status settle_uids(struct job *job, struct mrc_error *err) {
    const struct mrc_dicom_slice *first = &job->sources[0];
    enum mrc_status st = make_uid(job->series_uid, job, -1, err);
    if (st == MRC_OK)
        st = uid_of_texts(job->device_uid, "mrcycle model", job->derivation->model_hash, "", err);
    if (st == MRC_OK && !mrc_dcmtk_text(job->frame_uid, sizeof job->frame_uid,
                                        mrc_dcmtk_root(job->first), MRC_TAG(0x0020, 0x0052), 0))
        st = uid_of_texts(job->frame_uid, "mrcycle frame of reference", first->study_uid,
                          first->series_uid, err);
    return st;
}

/* "hhmmss" of a TM, whose parts after the hour may be missing; "" when it is none. */
static void whole_seconds(char out[7], const char *tm) {
    size_t digits = strspn(tm, "0123456789");
    if (digits > 6) digits = 6;
    out[0] = '\0';
    if (digits < 2 || digits % 2 != 0) return;
    (void)snprintf(out, 7, "%.*s%s", (int)digits, tm, &"000000"[digits]);
}

/* Without a time stamp the series is dated as its source: made again from the same source it is the
 * same to the byte, as its unchanged UIDs demand (PS3.5 9). "" where the source is not dated. */
static void date_as_source(struct job *job) {
    static const uint32_t pairs[][2] = {
        {MRC_TAG(0x0008, 0x0023), MRC_TAG(0x0008, 0x0033)},  /* content */
        {MRC_TAG(0x0008, 0x0021), MRC_TAG(0x0008, 0x0031)},  /* series */
        {MRC_TAG(0x0008, 0x0022), MRC_TAG(0x0008, 0x0032)},  /* acquisition */
        {MRC_TAG(0x0008, 0x0020), MRC_TAG(0x0008, 0x0030)}}; /* study */
    mrc_dcmtk_item *first = mrc_dcmtk_root(job->first);
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; ++p) {
        char date[MRC_DICOM_LINE], tm[MRC_DICOM_LINE];
        if (!mrc_dcmtk_text(date, sizeof date, first, pairs[p][0], 0)) continue;
        if (strlen(date) != 8 || strspn(date, "0123456789") != 8) continue;
        (void)snprintf(job->date, sizeof job->date, "%.8s", date);
        if (mrc_dcmtk_text(tm, sizeof tm, first, pairs[p][1], 0)) whole_seconds(job->time, tm);
        return;
    }
}

static enum mrc_status settle_time(struct job *job, struct mrc_error *err) {
    const char *stamp = job->derivation->time_stamp;
    if (stamp != NULL) return mrc_dicom_split_time(job->date, job->time, stamp, err);
    date_as_source(job);
    return MRC_OK;
}

static int64_t number_of(const struct mrc_dicom_slice *slice) {
    return slice->frame > 0 ? slice->frame : slice->instance_number;
}

/* Slice by slice the numbers of the source's images rise, or fall: 1, -1; 0: neither. */
static int direction_of_numbers(const struct job *job) {
    int direction = 0;
    for (size_t s = 1; s < job->source_count; ++s) {
        const int64_t a = number_of(&job->sources[s - 1]), b = number_of(&job->sources[s]);
        const int step = b > a ? 1 : b < a ? -1 : 0;
        if (step == 0 || (direction != 0 && step != direction)) return 0;
        direction = step;
    }
    return direction;
}

/* Are the source's SliceLocations as far apart as its slices, in their order or against it? */
static bool has_locations(const struct job *job) {
    const struct mrc_dicom_slice *s = job->sources;
    double sign = 0.0;
    for (size_t n = 1; n < job->source_count; ++n) {
        const double moved = s[n].location_mm - s[0].location_mm;
        const double along = s[n].along_mm - s[0].along_mm;
        if (sign == 0.0) sign = moved * along < 0.0 ? -1.0 : 1.0;
        if (!(fabs(moved - sign * along) < 0.01)) return false; /* nor of NAN */
    }
    return job->source_count > 1 && s[0].frame == 0;
}

/* Image 5 of the one series shows what image 5 of the other shows, where both can be leafed through. */
static void follow_source(struct job *job) {
    const int direction = job->same_grid ? direction_of_numbers(job) : 0;
    if (direction != 0) job->grid.reversed = direction < 0;
    job->locations = job->same_grid && has_locations(job);
}

static enum mrc_status job_prepare(struct job *job, const mrc_volume *source,
                                   struct mrc_error *err) {
    enum mrc_status st = read_sources(job, source, err);
    if (st != MRC_OK) return st;
    job->same_grid = lies_on(job->vol, source, job->source_count);
    st = mrc_dicom_grid_of(&job->grid, job->vol, job->same_grid ? 0.02 : 1e-4, err);
    if (st == MRC_OK) st = mrc_dcmtk_open(&job->first, job->sources[0].path, err);
    if (st == MRC_OK) st = settle_time(job, err);
    if (st == MRC_OK) st = store_voxels(job, err);
    if (st == MRC_OK) st = settle_uids(job, err);
    if (st == MRC_OK) settle_plane(job);
    if (st == MRC_OK) follow_source(job);
    return st;
}

static void job_clear(struct job *job) {
    mrc_dcmtk_close(job->first);
    mrc_free(job->sources);
    mrc_free(job->stored);
}

/* --- what is copied --- */

struct copied {
    uint32_t tag;
    bool always; /* type 1 or 2: present, empty when the source has none */
};

/* From the first slice: one patient, study and frame for the whole series. */
static const struct copied series_copies[] = {
    {CHARACTER_SET, false},           /* with the bytes it explains */
    {MRC_TAG(0x0008, 0x0020), true},  /* StudyDate */
    {MRC_TAG(0x0008, 0x0030), true},  /* StudyTime */
    {MRC_TAG(0x0008, 0x0050), true},  /* AccessionNumber */
    {MRC_TAG(0x0008, 0x0051), false}, /* IssuerOfAccessionNumberSequence */
    {MRC_TAG(0x0008, 0x0090), true},  /* ReferringPhysicianName */
    {MRC_TAG(0x0008, 0x1030), false}, /* StudyDescription */
    {MRC_TAG(0x0008, 0x1032), false}, /* ProcedureCodeSequence */
    {MRC_TAG(0x0008, 0x1048), false}, /* PhysiciansOfRecord */
    {MRC_TAG(0x0008, 0x1080), false}, /* AdmittingDiagnosesDescription */
    {MRC_TAG(0x0010, 0x0010), true},  /* PatientName */
    {MRC_TAG(0x0010, 0x0020), true},  /* PatientID */
    {MRC_TAG(0x0010, 0x0021), false}, /* IssuerOfPatientID */
    {MRC_TAG(0x0010, 0x0024), false}, /* IssuerOfPatientIDQualifiersSequence */
    {MRC_TAG(0x0010, 0x0030), true},  /* PatientBirthDate */
    {MRC_TAG(0x0010, 0x0032), false}, /* PatientBirthTime */
    {MRC_TAG(0x0010, 0x0040), true},  /* PatientSex */
    {MRC_TAG(0x0010, 0x0200), false}, /* QualityControlSubject */
    {MRC_TAG(0x0010, 0x1000), false}, /* OtherPatientIDs */
    {MRC_TAG(0x0010, 0x1002), false}, /* OtherPatientIDsSequence */
    {MRC_TAG(0x0010, 0x1001), false}, /* OtherPatientNames */
    {MRC_TAG(0x0010, 0x1010), false}, /* PatientAge */
    {MRC_TAG(0x0010, 0x1020), false}, /* PatientSize */
    {MRC_TAG(0x0010, 0x1022), false}, /* PatientBodyMassIndex */
    {MRC_TAG(0x0010, 0x1030), false}, /* PatientWeight */
    {MRC_TAG(0x0010, 0x2000), false}, /* MedicalAlerts */
    {MRC_TAG(0x0010, 0x2110), false}, /* Allergies */
    {MRC_TAG(0x0010, 0x2160), false}, /* EthnicGroup */
    {MRC_TAG(0x0010, 0x2180), false}, /* Occupation */
    {MRC_TAG(0x0010, 0x21A0), false}, /* SmokingStatus */
    {MRC_TAG(0x0010, 0x21B0), false}, /* AdditionalPatientHistory */
    {MRC_TAG(0x0010, 0x21C0), false}, /* PregnancyStatus */
    {MRC_TAG(0x0010, 0x21D0), false}, /* LastMenstrualDate */
    {MRC_TAG(0x0010, 0x4000), false}, /* PatientComments */
    {MRC_TAG(0x0012, 0x0062), false}, /* PatientIdentityRemoved */
    {MRC_TAG(0x0012, 0x0063), false}, /* DeidentificationMethod */
    {MRC_TAG(0x0012, 0x0064), false}, /* DeidentificationMethodCodeSequence */
    {MRC_TAG(0x0018, 0x5100), true},  /* PatientPosition */
    {MRC_TAG(0x0020, 0x000D), true},  /* StudyInstanceUID */
    {MRC_TAG(0x0020, 0x0010), true},  /* StudyID */
    {MRC_TAG(0x0020, 0x1040), true},  /* PositionReferenceIndicator */
    {MRC_TAG(0x0028, 0x0303), false}, /* LongitudinalTemporalInformationModified */
    {MRC_TAG(0x0038, 0x0010), false}, /* AdmissionID */
    {MRC_TAG(0x0038, 0x0014), false}, /* IssuerOfAdmissionIDSequence */
    {MRC_TAG(0x0038, 0x0060), false}, /* ServiceEpisodeID */
    {MRC_TAG(0x0038, 0x0062), false}, /* ServiceEpisodeDescription */
    {MRC_TAG(0x0038, 0x0500), false}, /* PatientState */
    {MRC_TAG(0x0040, 0x0275), false}, /* RequestAttributesSequence */
};

/* From the slice it was computed from: when the data was acquired. */
static const struct copied slice_copies[] = {
    {MRC_TAG(0x0008, 0x0022), false}, /* AcquisitionDate */
    {MRC_TAG(0x0008, 0x002A), false}, /* AcquisitionDateTime */
    {MRC_TAG(0x0008, 0x0032), false}, /* AcquisitionTime */
    {MRC_TAG(0x0018, 0x0023), true},  /* MRAcquisitionType */
};

/* Of what may be there, values that are one of a few (C.2.3, C.7.1.1, C.7.2.2). */
static bool is_of_its_terms(mrc_dcmtk_item *from, uint32_t tag) {
    static const struct {
        uint32_t tag;
        const char *terms[4];
    } enumerated[] = {{MRC_TAG(0x0010, 0x0200), {"YES", "NO"}},
                      {MRC_TAG(0x0010, 0x21A0), {"YES", "NO", "UNKNOWN"}},
                      {MRC_TAG(0x0010, 0x21C0), {"1", "2", "3", "4"}}};
    for (size_t e = 0; e < sizeof enumerated / sizeof *enumerated; ++e) {
        char value[17] = "";
        if (enumerated[e].tag != tag || mrc_dcmtk_count(from, tag) == 0) continue;
        (void)mrc_dcmtk_text(value, sizeof value, from, tag, 0);
        for (size_t t = 0; t < 4 && enumerated[e].terms[t] != NULL; ++t)
            if (strcmp(value, enumerated[e].terms[t]) == 0) return true;
        return false;
    }
    return true;
}

/* What must be there is kept as it stands, for the source and its derivate must say the same of a
 * patient and study; what may be there comes along when it is sound. */
static void copy_listed(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, const struct copied *list,
                        size_t count) {
    for (size_t c = 0; c < count; ++c) {
        if (list[c].tag == CHARACTER_SET && !mrc_dicom_knows_character_set(from)) continue;
        if (!list[c].always && is_of_its_terms(from, list[c].tag))
            mrc_dicom_draft_copy_valid(d, from, list[c].tag);
        if (!list[c].always) continue;
        if (mrc_dcmtk_has(from, list[c].tag))
            mrc_dicom_draft_copy(d, from, list[c].tag);
        else
            mrc_dicom_draft_text(d, list[c].tag, "");
    }
}

static void copy_valid(struct mrc_dicom_draft *d, mrc_dcmtk_item *from, uint32_t tag) {
    if (mrc_dcmtk_count(from, tag) > 0) mrc_dicom_draft_copy_valid(d, from, tag);
}

/* Who says that the patient's identity was removed has to say how (C.7.1.1). Where the source does
 * not, that is what can be said of it. */
static void mend_deidentification(struct mrc_dicom_draft *d, mrc_dcmtk_item *from) {
    static const uint32_t ways[] = {MRC_TAG(0x0012, 0x0063), MRC_TAG(0x0012, 0x0064)};
    char removed[17];
    bool tried = false, told = false;
    for (size_t w = 0; w < 2; ++w) {
        tried = tried || mrc_dcmtk_count(from, ways[w]) > 0;
        told = told || mrc_dcmtk_count(d->item, ways[w]) > 0;
    }
    if (mrc_dcmtk_text(removed, sizeof removed, d->item, MRC_TAG(0x0012, 0x0062), 0) &&
        strcmp(removed, "YES") == 0 && !told)
        mrc_dicom_draft_text(
            d, ways[0], tried ? "not validly stated by the source" : "not stated by the source");
}

static bool is_utf8(const unsigned char *text, size_t size) {
    for (size_t i = 0; i < size;) {
        size_t more = text[i] < 0x80                      ? 0
                      : text[i] >= 0xC2 && text[i] < 0xE0 ? 1
                      : text[i] >= 0xE0 && text[i] < 0xF0 ? 2
                      : text[i] >= 0xF0 && text[i] < 0xF5 ? 3
                                                          : size;
        if (more >= size - i) return false;
        for (size_t k = 1; k <= more; ++k)
            if ((text[i + k] & 0xC0) != 0x80) return false;
        i += more + 1;
    }
    return true;
}

/* A source that has bytes beyond ASCII and does not say in which character set, or names none that
 * there is (which was not copied), breaks PS3.5 6.1.2.3. Said here is what they can be: UTF-8 when
 * all of them are, else Latin 1. */
static void mend_character_set(struct mrc_dicom_draft *d, mrc_dcmtk_item *from) {
    bool beyond_ascii = false, utf8 = true;
    if (mrc_dcmtk_count(d->item, CHARACTER_SET) > 0) return;
    for (size_t c = 0; c < sizeof series_copies / sizeof *series_copies; ++c) {
        size_t bytes = 0;
        const char *raw = mrc_dcmtk_raw(from, series_copies[c].tag, &bytes);
        for (size_t i = 0; i < bytes; ++i)
            beyond_ascii = beyond_ascii || (unsigned char)raw[i] >= 0x80;
        utf8 = utf8 && is_utf8((const unsigned char *)raw, bytes);
    }
    if (beyond_ascii) mrc_dicom_draft_text(d, CHARACTER_SET, utf8 ? "ISO_IR 192" : "ISO_IR 100");
}

/* --- what is new --- */

/* ASCII, without the backslash that separates values. */
static void plain_ascii(char *out, size_t capacity, const char *text) {
    mrc_text_plain(out, capacity, text != NULL ? text : "");
    for (char *c = out; *c != '\0'; ++c)
        if ((unsigned char)*c >= 0x80) *c = '_';
}

/* Beside the source's number: T1w 1, T2w 2, their errors 3 and 4, PDw 5, FLAIR 6, … */
static int64_t new_series_number(const struct job *job) {
    const int64_t nth = (int64_t)job->derivation->to - MRC_CONTRAST_T1W;
    int64_t source = 0, offset = nth / 2 * 4 + nth % 2 + 1;
    if (job->derivation->cycle_error) offset += 2;
    bool known = mrc_dcmtk_integer(&source, mrc_dcmtk_root(job->first), MRC_TAG(0x0020, 0x0011), 0);
    return known && source > 0 && source <= (INT32_MAX - offset) / 100 ? source * 100 + offset
                                                                       : 9000 + offset;
}

/* "T2w" -> "SYNTH_T2W", a code string. */
static void synth_code(char *out, size_t capacity, enum mrc_contrast to) {
    (void)snprintf(out, capacity, MRC_DICOM_SYNTHETIC_TYPE "%s", mrc_contrast_name(to));
    for (char *c = out; *c != '\0'; ++c) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (!(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9'))
            *c = '_';
    }
}

static const char *source_name(const struct job *job) {
    return job->derivation->from != MRC_CONTRAST_UNKNOWN ? mrc_contrast_name(job->derivation->from)
                                                         : "MR";
}

static void put_series(struct mrc_dicom_draft *d, const struct job *job) {
    char text[MAX_LONG_TEXT + 1];
    const char *body = MRC_VERSION;
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0060), "MR");
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x000E), job->series_uid);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0011), new_series_number(job));
    if (job->derivation->cycle_error)
        (void)snprintf(text, sizeof text, MRC_DICOM_ERROR_SERIES("%s"),
                       mrc_contrast_name(job->derivation->to));
    else
        (void)snprintf(text, sizeof text, MRC_DICOM_SYNTHETIC_SERIES("%s", "%s"),
                       mrc_contrast_name(job->derivation->to), source_name(job));
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x103E), text);
    if (job->date[0] != '\0') mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0021), job->date);
    if (job->time[0] != '\0') mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0031), job->time);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0052), job->frame_uid);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0070), program);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1090), program);
    plain_ascii(text, sizeof text,
                job->derivation->software_version != NULL ? job->derivation->software_version
                                                          : body);
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x1020), text);
}

static void put_body_part(struct mrc_dicom_draft *d, mrc_dcmtk_item *first) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0015), "HEAD");
    copy_valid(d, first, MRC_TAG(0x0018, 0x0015)); /* takes its place */
    copy_valid(d, first, MRC_TAG(0x0020, 0x0060));
}

/* No sequence made this image: research mode, no timing. Copied timing would claim an acquisition.
 */
static void put_no_acquisition(struct mrc_dicom_draft *d) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0020), "RM");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0021), "NONE");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0022), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0080), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0081), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x0091), "");
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x9004), "RESEARCH");
}

static void put_marks(struct mrc_dicom_draft *d, const struct job *job, mrc_dcmtk_item *source) {
    char code[17], type[64], answer[17];
    if (job->derivation->cycle_error)
        (void)snprintf(code, sizeof code, MRC_DICOM_SYNTHETIC_TYPE "ERROR");
    else
        synth_code(code, sizeof code, job->derivation->to);
    (void)snprintf(type, sizeof type, "DERIVED\\SECONDARY\\OTHER\\%s", code);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0008), type);
    mrc_dicom_draft_synthetic(d);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x4000), MRC_DICOM_SYNTHETIC_COMMENT);
    /* what was burned into the source's pixels may still be read; a head without a face stays so */
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0301),
                         mrc_dicom_may_be_burned_in(source) ? "YES" : "NO");
    bool defaced = mrc_dcmtk_text(answer, sizeof answer, source, MRC_TAG(0x0028, 0x0302), 0) &&
                   strcmp(answer, "NO") == 0;
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0302), defaced ? "NO" : "YES");
    if (mrc_dcmtk_text(answer, sizeof answer, source, MRC_TAG(0x0028, 0x0300), 0) &&
        strcmp(answer, "YES") == 0)
        mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0300), "YES");
}

/* Once lossy, always lossy: the network did not bring back what was lost. */
static void put_lossy(struct mrc_dicom_draft *d, mrc_dcmtk_file *file) {
    static const char *const lossy_syntaxes[] = {
        "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53",
        "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"};
    mrc_dcmtk_item *source = mrc_dcmtk_root(file);
    char flag[17];
    bool lossy = mrc_dcmtk_text(flag, sizeof flag, source, MRC_TAG(0x0028, 0x2110), 0) &&
                 strcmp(flag, "01") == 0;
    for (size_t s = 0; s < sizeof lossy_syntaxes / sizeof *lossy_syntaxes; ++s)
        lossy = lossy || strcmp(mrc_dcmtk_transfer_syntax(file), lossy_syntaxes[s]) == 0;
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x2110), lossy ? "01" : "00");
    if (!lossy) return;
    copy_valid(d, source, MRC_TAG(0x0028, 0x2112));
    copy_valid(d, source, MRC_TAG(0x0028, 0x2114));
}

static void put_derivation(struct mrc_dicom_draft *d, const struct job *job,
                           struct mrc_text *scratch) {
    const struct mrc_derivation *v = job->derivation;
    char text[MAX_DERIVATION + 1];
    if (v->cycle_error)
        mrc_text_appendf(scratch, "Cycle error, |%s - its way to %s and back|, of the range: ",
                         source_name(job), mrc_contrast_name(v->to));
    mrc_text_appendf(scratch,
                     "Synthetic %s from %s, not acquired, not for diagnosis. %s %s, model %s, "
                     "weights SHA-256 %s. %s",
                     mrc_contrast_name(v->to), source_name(job), program,
                     v->software_version != NULL ? v->software_version : "",
                     v->model_name != NULL ? v->model_name : "",
                     v->model_hash != NULL ? v->model_hash : "", v->steps != NULL ? v->steps : "");
    if (scratch->failed) {
        if (d->st == MRC_OK)
            d->st = mrc_fail(d->err, MRC_ERR_NOMEM, "out of memory for DerivationDescription");
        return;
    }
    plain_ascii(text, sizeof text, scratch->data);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x2111), text);
    mrc_dicom_draft_code(d, MRC_TAG(0x0008, 0x9215), "113085", "Spatial resampling");
    if (v->reformatted)
        mrc_dicom_draft_code(d, MRC_TAG(0x0008, 0x9215), "113072", "Multiplanar reformatting");
}

/* --- where it comes from --- */

static void put_reference(struct mrc_dicom_draft *d, const struct mrc_dicom_slice *source) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1150),
                         source->sop_class[0] != '\0' ? source->sop_class : mr_image);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1155), source->sop_uid);
}

static bool same_instance(const struct mrc_dicom_slice *a, const struct mrc_dicom_slice *b) {
    return a->frame > 0 && strcmp(a->sop_uid, b->sop_uid) == 0;
}

/* `count` sources of one instance: an image, or frames of it, whose numbers are listed in `frames`.
 */
static void put_source_image(struct mrc_dicom_draft *d, const struct job *job, size_t source,
                             const struct mrc_text *frames) {
    struct mrc_dicom_draft item = mrc_dicom_draft_item(d, MRC_TAG(0x0008, 0x2112));
    put_reference(&item, &job->sources[source]);
    if (frames->data != NULL) mrc_dicom_draft_text(&item, MRC_TAG(0x0008, 0x1160), frames->data);
    mrc_dicom_draft_text(&item, MRC_TAG(0x0028, 0x135A), job->same_grid ? "YES" : "NO");
    mrc_dicom_draft_code(&item, MRC_TAG(0x0040, 0xA170), "121322",
                         "Source image for image processing operation");
    mrc_dicom_draft_join(d, &item);
}

/* Distance of a source slice's plane from a slice's centre, in mm; the planes must be parallel. */
static double plane_distance(const struct job *job, int64_t slice, size_t source) {
    double normal[3], origin[3], distance = 0.0;
    const struct mrc_dicom_grid *g = &job->grid;
    mrc_dicom_slice_normal(normal, &job->sources[source]);
    mrc_dicom_grid_position(origin, g, slice);
    for (int a = 0; a < 3; ++a) {
        double centre = origin[a] + g->index_to_lps_mm[a][0] * (double)(g->extent.i - 1) / 2.0 +
                        g->index_to_lps_mm[a][1] * (double)(g->extent.j - 1) / 2.0;
        distance += normal[a] * (centre - job->sources[source].position_mm[a]);
    }
    return fabs(distance);
}

static bool is_parallel(const struct job *job) {
    double normal[3], cosine[2] = {0.0, 0.0};
    mrc_dicom_slice_normal(normal, &job->sources[0]);
    for (int c = 0; c < 2; ++c)
        for (int a = 0; a < 3; ++a)
            cosine[c] += normal[a] * job->grid.index_to_lps_mm[a][c] / job->grid.spacing_mm[c];
    return fabs(cosine[0]) < 1e-3 && fabs(cosine[1]) < 1e-3;
}

static size_t nearest_source(const struct job *job, int64_t slice) {
    size_t nearest = 0;
    if (job->same_grid) return (size_t)slice;
    for (size_t s = 1; s < job->source_count; ++s)
        if (plane_distance(job, slice, s) < plane_distance(job, slice, nearest)) nearest = s;
    return nearest;
}

static void put_plane(struct mrc_dicom_draft *d, const struct job *job, int64_t slice,
                      mrc_dcmtk_item *source) {
    char text[MRC_DICOM_LINE];
    const struct mrc_dicom_slice *nearest = &job->sources[nearest_source(job, slice)];
    double position[3];
    mrc_dicom_grid_position(position, &job->grid, slice);
    if (job->same_grid)
        keep_decimals(text, nearest->frame > 0 ? NULL : source, MRC_TAG(0x0020, 0x0032),
                      nearest->position_mm, 3);
    else
        mrc_dicom_print_numbers(text, position, 3);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0032), text);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0037), job->orientation);
    mrc_dicom_draft_text(d, MRC_TAG(0x0028, 0x0030), job->spacing);
    bool known = nearest->thickness_mm > 0.0; /* not of NAN */
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0050),
                           known && job->same_grid ? nearest->thickness_mm
                                                   : job->grid.spacing_mm[2]);
    mrc_dicom_draft_number(d, MRC_TAG(0x0018, 0x0088), job->grid.spacing_mm[2]);
    mrc_dicom_draft_number(d, MRC_TAG(0x0020, 0x1041),
                           job->locations ? nearest->location_mm
                                          : mrc_dicom_grid_location(&job->grid, slice));
}

static double source_gap(const struct job *job) {
    const struct mrc_dicom_slice *s = job->sources;
    return job->source_count > 1 ? fabs(s[job->source_count - 1].along_mm - s[0].along_mm) /
                                       (double)(job->source_count - 1)
                                 : 0.0;
}

static bool is_part(const struct job *job, int64_t slice, size_t source, size_t nearest,
                    double reach) {
    if (source == nearest) return true;
    if (job->same_grid) return false;
    return !is_parallel(job) || plane_distance(job, slice, source) < reach;
}

/* The slices that went into this one: its own on the source's grid; those within reach on a
 * parallel grid; all when the planes cross. Frames of one instance are one item. */
static void put_sources(struct mrc_dicom_draft *d, const struct job *job, int64_t slice) {
    size_t nearest = nearest_source(job, slice);
    double reach = fmax(job->grid.spacing_mm[2], source_gap(job));
    const struct mrc_dicom_slice *s = job->sources;
    for (size_t begin = 0, end; begin < job->source_count; begin = end) {
        struct mrc_text frames = {0};
        size_t first = job->source_count;
        for (end = begin; end < job->source_count; ++end) {
            if (end > begin && !same_instance(&s[begin], &s[end])) break;
            if (!is_part(job, slice, end, nearest, reach)) continue;
            if (s[end].frame > 0)
                mrc_text_appendf(&frames, "%s%lld", first < job->source_count ? "\\" : "",
                                 (long long)s[end].frame);
            if (first == job->source_count) first = end;
        }
        if (frames.failed && d->st == MRC_OK)
            d->st = mrc_fail(d->err, MRC_ERR_NOMEM, "out of memory for ReferencedFrameNumber");
        if (first < job->source_count) put_source_image(d, job, first, &frames);
        mrc_text_clear(&frames);
    }
}

static void put_referenced_series(struct mrc_dicom_draft *d, const struct job *job) {
    struct mrc_dicom_draft series = mrc_dicom_draft_item(d, MRC_TAG(0x0008, 0x1115));
    mrc_dicom_draft_text(&series, MRC_TAG(0x0020, 0x000E), job->sources[0].series_uid);
    for (size_t s = 0; s < job->source_count; ++s) {
        if (s > 0 && same_instance(&job->sources[s - 1], &job->sources[s])) continue;
        struct mrc_dicom_draft item = mrc_dicom_draft_item(&series, MRC_TAG(0x0008, 0x114A));
        put_reference(&item, &job->sources[s]);
        mrc_dicom_draft_join(&series, &item);
    }
    mrc_dicom_draft_join(d, &series);
}

/* The scanner: what the source says of itself. */
static void put_scanner(struct mrc_dicom_draft *d, mrc_dcmtk_item *first) {
    static const uint32_t texts[] = {MRC_TAG(0x0008, 0x0080), MRC_TAG(0x0008, 0x1010),
                                     MRC_TAG(0x0008, 0x1090), MRC_TAG(0x0018, 0x1000),
                                     MRC_TAG(0x0018, 0x1020)};
    struct mrc_dicom_draft item = mrc_dicom_draft_item(d, MRC_TAG(0x0018, 0xA001));
    mrc_dicom_draft_text(&item, MRC_TAG(0x0008, 0x0070), "unknown");
    copy_valid(&item, first, MRC_TAG(0x0008, 0x0070)); /* takes its place */
    for (size_t t = 0; t < sizeof texts / sizeof *texts; ++t) copy_valid(&item, first, texts[t]);
    mrc_dicom_draft_code(&item, MRC_TAG(0x0040, 0xA170), "109101", "Acquisition Equipment");
    mrc_dicom_draft_join(d, &item);
}

static void put_program(struct mrc_dicom_draft *d, const struct job *job, const char *code,
                        const char *meaning, const char *description) {
    const struct mrc_derivation *v = job->derivation;
    char version[2 * MAX_LONG_TEXT + 2], name[33];
    plain_ascii(name, sizeof name, v->model_name);
    (void)snprintf(version, sizeof version, "%.40s\\%s %.16s",
                   v->software_version != NULL ? v->software_version : MRC_VERSION, name,
                   v->model_hash != NULL ? v->model_hash : "");
    struct mrc_dicom_draft item = mrc_dicom_draft_item(d, MRC_TAG(0x0018, 0xA001));
    mrc_dicom_draft_text(&item, MRC_TAG(0x0008, 0x0070), program);
    mrc_dicom_draft_text(&item, MRC_TAG(0x0008, 0x1090), program);
    mrc_dicom_draft_text(&item, MRC_TAG(0x0018, 0x1002), job->device_uid);
    mrc_dicom_draft_text(&item, MRC_TAG(0x0018, 0x1020), version);
    if (v->time_stamp != NULL) mrc_dicom_draft_text(&item, MRC_TAG(0x0018, 0xA002), v->time_stamp);
    mrc_dicom_draft_text(&item, MRC_TAG(0x0018, 0xA003), description);
    mrc_dicom_draft_code(&item, MRC_TAG(0x0040, 0xA170), code, meaning);
    mrc_dicom_draft_join(d, &item);
}

static void put_equipment(struct mrc_dicom_draft *d, const struct job *job) {
    mrc_dcmtk_item *first = mrc_dcmtk_root(job->first);
    copy_valid(d, first, MRC_TAG(0x0018, 0xA001));
    put_scanner(d, first);
    put_program(d, job, "109102", "Processing Equipment", "Resampling and intensity normalisation");
    put_program(d, job, "109100", "Synthesizing Equipment",
                "Synthesis of an MR contrast by a neural network");
}

/* --- one file --- */

static void fill(struct mrc_dicom_draft *d, const struct job *job, int64_t slice,
                 mrc_dcmtk_file *source) {
    mrc_dcmtk_item *first = mrc_dcmtk_root(job->first), *from = mrc_dcmtk_root(source);
    struct mrc_text scratch = {0};
    copy_listed(d, first, series_copies, sizeof series_copies / sizeof *series_copies);
    mend_character_set(d, first);
    mend_deidentification(d, first);
    copy_listed(d, from, slice_copies, sizeof slice_copies / sizeof *slice_copies);
    put_series(d, job);
    put_body_part(d, first);
    put_no_acquisition(d);
    put_marks(d, job, from);
    put_lossy(d, source);
    put_derivation(d, job, &scratch);
    put_plane(d, job, slice, from);
    put_sources(d, job, slice);
    put_referenced_series(d, job);
    put_equipment(d, job);
    mrc_text_clear(&scratch);
}

static void put_instance(struct mrc_dicom_draft *d, const struct job *job, int64_t number,
                         const char *uid) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0016), mr_image);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0018), uid);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0013), number + 1);
    if (job->derivation->time_stamp != NULL) {
        mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0012), job->date);
        mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0013), job->time);
    }
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0023), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0033), job->time);
    /* 0 … 4095 (C.11.2.1.2.1); an error of a quarter of the range is white already */
    const double white = job->derivation->cycle_error   ? 0.25
                         : job->derivation->white > 0.0 ? job->derivation->white
                                                        : 1.0;
    const int64_t width = llround((STORED_MAX + 1) * white);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x1050), width / 2);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x1051), width);
    mrc_dicom_draft_text(d, MRC_TAG(0x2050, 0x0020), "IDENTITY");
}

/* The source file read last; the frames of a multi-frame source lie in one. */
struct reader {
    const char *path;
    mrc_dcmtk_file *file;
};

static enum mrc_status open_source(struct reader *reader, const char *path, struct mrc_error *err) {
    if (reader->path != NULL && strcmp(reader->path, path) == 0) return MRC_OK;
    mrc_dcmtk_close(reader->file);
    *reader = (struct reader){0};
    enum mrc_status st = mrc_dcmtk_open(&reader->file, path, err);
    if (st == MRC_OK) reader->path = path;
    return st;
}

static enum mrc_status save_slice(const struct job *job, int64_t number, struct reader *reader,
                                  const char *dir, struct mrc_error *err) {
    int64_t slice = mrc_dicom_grid_slice(&job->grid, number);
    size_t plane = (size_t)job->grid.extent.i * (size_t)job->grid.extent.j;
    char uid[MRC_UID_TEXT];
    mrc_dcmtk_file *file = NULL;
    enum mrc_status st = make_uid(uid, job, slice, err);
    if (st == MRC_OK) st = open_source(reader, job->sources[nearest_source(job, slice)].path, err);
    if (st == MRC_OK) st = mrc_dcmtk_create(&file, err);
    if (st == MRC_OK) {
        struct mrc_dicom_draft d = {.item = mrc_dcmtk_root(file), .err = err};
        fill(&d, job, slice, reader->file);
        put_instance(&d, job, number, uid);
        mrc_dicom_draft_pixels(&d, job->stored + plane * (size_t)slice, job->grid.extent,
                               STORED_BITS);
        st = d.st;
    }
    if (st == MRC_OK) st = mrc_dicom_write_file(file, dir, number, err);
    mrc_dcmtk_close(file);
    return st;
}

enum mrc_status mrc_dicom_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                       const struct mrc_derivation *derivation, const char *dir,
                                       struct mrc_error *err) {
    struct job job = {.vol = vol, .derivation = derivation};
    struct reader reader = {0};
    enum mrc_status st = job_prepare(&job, source, err);
    for (int64_t n = 0; st == MRC_OK && n < job.grid.extent.k; ++n)
        st = save_slice(&job, n, &reader, dir, err);
    mrc_dcmtk_close(reader.file);
    if (st == MRC_OK) st = mrc_dicom_sync_files(dir, job.grid.extent.k, err);
    job_clear(&job);
    return st;
}

/* --- a picture of it --- */

static enum mrc_status capture_uid(char uid[MRC_UID_TEXT], const struct job *job,
                                   const struct mrc_dicom_capture *capture, const char *purpose,
                                   struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    const int64_t sides[] = {capture->columns, capture->rows};
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    add_origin(hash, job, purpose);
    mrc_hash_add(hash, sides, sizeof sides);
    mrc_hash_add(hash, capture->grey,
                 (size_t)(capture->columns * capture->rows) * sizeof *capture->grey);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print_uid(uid, digest);
    return MRC_OK;
}

static void put_capture_series(struct mrc_dicom_draft *d, const struct job *job) {
    const struct mrc_derivation *v = job->derivation;
    char text[MAX_LONG_TEXT + 1];
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0060), "OT");
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0064), "WSD"); /* ConversionType: a workstation */
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x000E), job->series_uid);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0011), new_series_number(job) + 4);
    (void)snprintf(text, sizeof text, MRC_DICOM_CAPTURE_SERIES("%s"), mrc_contrast_name(v->to));
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x103E), text);
    if (job->date[0] != '\0') mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0021), job->date);
    if (job->time[0] != '\0') mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0031), job->time);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0070), program);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x1090), program);
    plain_ascii(text, sizeof text, v->software_version);
    mrc_dicom_draft_text(d, MRC_TAG(0x0018, 0x1020), text);
}

static void put_capture_image(struct mrc_dicom_draft *d, const struct job *job,
                              const struct mrc_dicom_capture *capture, const char *uid) {
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0016), secondary_capture);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0018), uid);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0023), job->date);
    mrc_dicom_draft_text(d, MRC_TAG(0x0008, 0x0033), job->time);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0020, 0x0013), 1);
    mrc_dicom_draft_text(d, MRC_TAG(0x0020, 0x0020), ""); /* slices of several directions */
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x1050), 128);
    mrc_dicom_draft_integer(d, MRC_TAG(0x0028, 0x1051), 256);
    mrc_dicom_draft_pixels(d, capture->grey,
                           (struct mrc_extent){.i = capture->columns, .j = capture->rows, .k = 1},
                           8);
}

/* It shows slices of all of them. */
static void put_capture_sources(struct mrc_dicom_draft *d, const struct job *job) {
    struct mrc_text frames = {0};
    for (size_t s = 0; s < job->source_count; ++s)
        if (s == 0 || !same_instance(&job->sources[s - 1], &job->sources[s]))
            put_source_image(d, job, s, &frames);
}

static enum mrc_status fill_capture(mrc_dcmtk_file *file, const struct job *job,
                                    const struct mrc_dicom_capture *capture, const char *uid,
                                    struct mrc_error *err) {
    struct mrc_dicom_draft d = {.item = mrc_dcmtk_root(file), .err = err};
    mrc_dcmtk_item *first = mrc_dcmtk_root(job->first);
    struct mrc_text scratch = {0};
    copy_listed(&d, first, series_copies, sizeof series_copies / sizeof *series_copies);
    mend_character_set(&d, first);
    mend_deidentification(&d, first);
    put_capture_series(&d, job);
    put_body_part(&d, first);
    put_marks(&d, job, first);
    put_lossy(&d, job->first);
    put_derivation(&d, job, &scratch);
    put_capture_sources(&d, job);
    put_referenced_series(&d, job);
    put_equipment(&d, job);
    put_capture_image(&d, job, capture, uid);
    mrc_text_clear(&scratch);
    return d.st;
}

static enum mrc_status save_capture(const struct job *job, const struct mrc_dicom_capture *capture,
                                    const char *uid, const char *path, struct mrc_error *err) {
    mrc_dcmtk_file *file = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0;
    enum mrc_status st = mrc_dcmtk_create(&file, err);
    if (st == MRC_OK) st = fill_capture(file, job, capture, uid, err);
    if (st == MRC_OK) st = mrc_dcmtk_encode(&bytes, &size, file, err);
    if (st == MRC_OK) st = mrc_write_file(path, bytes, size, err);
    mrc_free(bytes);
    mrc_dcmtk_close(file);
    return st;
}

enum mrc_status mrc_dicom_save_capture(const struct mrc_dicom_capture *capture,
                                       const mrc_volume *source,
                                       const struct mrc_derivation *derivation, const char *path,
                                       struct mrc_error *err) {
    struct job job = {.derivation = derivation};
    char uid[MRC_UID_TEXT];
    enum mrc_status st = read_sources(&job, source, err);
    if (st == MRC_OK) st = mrc_dcmtk_open(&job.first, job.sources[0].path, err);
    if (st == MRC_OK) st = settle_time(&job, err);
    if (st == MRC_OK)
        st = uid_of_texts(job.device_uid, "mrcycle model", derivation->model_hash, "", err);
    if (st == MRC_OK)
        st = capture_uid(job.series_uid, &job, capture, "mrcycle capture series", err);
    if (st == MRC_OK) st = capture_uid(uid, &job, capture, "mrcycle capture image", err);
    if (st == MRC_OK) st = save_capture(&job, capture, uid, path, err);
    job_clear(&job);
    return st;
}
