/* phantom.c: the folder of generated patients, as a scanner and a BIDS converter would leave it. */
#include "app/heads/phantom.h"

#include <stdio.h>
#include <string.h>

#include "app/common/place.h"
#include "app/heads/phantom_image.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/dicom/derived.h"

#define STUDY_DATE_TIME "20200101120000"

enum { NIFTI_UINT8 = 2, NIFTI_INT16 = 4, STEPS_A_SUBJECT = 6, LONGEST_STEM = 16 };

enum mrc_status mrc_phantom_check(const struct mrc_phantom_options *o, struct mrc_error *err) {
    if (o->subjects < 1 || o->subjects > 999)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%d subjects, expected 1 to 999", o->subjects);
    if (o->lesions > MRC_MAX_LESIONS)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%d lesions, expected 0 to %d", o->lesions,
                        MRC_MAX_LESIONS);
    if (o->acquisition != MRC_AXIAL && o->acquisition != MRC_SAGITTAL &&
        o->acquisition != MRC_CORONAL)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "acquisition %s, expected axial, sagittal or coronal",
                        mrc_orientation_name(o->acquisition));
    for (int a = 0; a < 3; ++a)
        if (!(o->voxel_mm[a] >= 0.5 && o->voxel_mm[a] <= 10.0))
            return mrc_fail(err, MRC_ERR_ARGUMENT, "voxels of %g mm, expected 0.5 to 10",
                            o->voxel_mm[a]);
    if (!(o->noise >= 0.0 && o->noise <= 1.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "noise %g, expected 0 to 1", o->noise);
    if (!(o->bias >= 0.0 && o->bias <= 1.0))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "bias %g, expected 0 to 1", o->bias);
    return MRC_OK;
}

struct job {
    const struct mrc_phantom_options *options;
    const struct mrc_events *events;
    int64_t done;
};

static enum mrc_status step(struct job *job, struct mrc_error *err) {
    mrc_events_progress(job->events, "phantom", ++job->done,
                        (int64_t)job->options->subjects * STEPS_A_SUBJECT);
    if (!mrc_events_cancelled(job->events)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_CANCELLED, "phantom: stopped, nothing was written");
}

/* --- Texts --- */

static enum mrc_status write_text(const char *dir, const char *name, struct mrc_text *text,
                                  struct mrc_error *err) {
    char *path = mrc_path_join(dir, name);
    enum mrc_status st = path == NULL || text->failed
                             ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %s", name)
                             : mrc_write_file(path, text->data, text->size, err);
    mrc_free(path);
    mrc_text_clear(text);
    return st;
}

static enum mrc_status write_dataset_texts(const char *dir, const struct mrc_phantom_options *o,
                                           struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_text_appendf(
        &text,
        "{\n  \"Name\": \"Generated heads, seed %llu\",\n  \"BIDSVersion\": \"1.9.0\",\n"
        "  \"DatasetType\": \"derivative\",\n  \"GeneratedBy\": [{\"Name\": \"mrcycle phantom\", "
        "\"Version\": \"%s\"}]\n}\n",
        (unsigned long long)o->seed, MRC_VERSION);
    enum mrc_status st = write_text(dir, "dataset_description.json", &text, err);
    if (st != MRC_OK) return st;

    mrc_text_appendf(&text, "index\tname\tabbreviation\n");
    for (int t = 0; t < MRC_TISSUES; ++t)
        mrc_text_appendf(&text, "%d\t%s\t%s\n", t, mrc_tissue_name((enum mrc_tissue)t),
                         mrc_tissue_abbreviation((enum mrc_tissue)t));
    st = write_text(dir, "dseg.tsv", &text, err);
    if (st != MRC_OK) return st;

    mrc_text_appendf(&text, "**/dicom/**\n");
    st = write_text(dir, ".bidsignore", &text, err);
    if (st != MRC_OK) return st;

    mrc_text_appendf(
        &text,
        "Generated heads, no patients: made by `mrcycle phantom` %s with seed %llu.\n\n"
        "Each head is imaged as T1w, T2w, PDw and FLAIR (spin echo, inversion recovery, tissue "
        "values at %g T), with "
        "Rician noise and a receive field. NIfTI and DICOM hold the same images. sub-*_dseg.nii.gz "
        "names the tissue that "
        "fills most of each voxel (dseg.tsv). The bright capsule outside the scalp is on the "
        "patient's LEFT.\n",
        MRC_VERSION, (unsigned long long)o->seed, MRC_PHANTOM_FIELD_T);
    return write_text(dir, "README", &text, err);
}

static void stem_of(char out[LONGEST_STEM], int subject, int subjects) {
    snprintf(out, LONGEST_STEM, "sub-%0*d", subjects > 99 ? 3 : 2, subject);
}

static enum mrc_status write_participants(const char *dir, const struct mrc_phantom_options *o,
                                          struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_text_appendf(&text, "participant_id\tlesions\n");
    for (int s = 1; s <= o->subjects; ++s) {
        char stem[LONGEST_STEM];
        struct mrc_head head;
        stem_of(stem, s, o->subjects);
        mrc_head_init(&head, o->seed, s, o->lesions);
        mrc_text_appendf(&text, "%s\t%d\n", stem, head.lesions);
    }
    return write_text(dir, "participants.tsv", &text, err);
}

/* BIDS counts in seconds. */
static enum mrc_status write_sidecar(const char *anat, const char *stem,
                                     const struct mrc_phantom_sequence *s, struct mrc_error *err) {
    struct mrc_text text = {0};
    char name[64], te[20], tr[20], ti[20];
    snprintf(name, sizeof name, "%s_%s.json", stem, mrc_contrast_name(s->contrast));
    mrc_print_decimal(te, sizeof te, s->echo_time_ms / 1000.0);
    mrc_print_decimal(tr, sizeof tr, s->repetition_time_ms / 1000.0);
    mrc_print_decimal(ti, sizeof ti, s->inversion_time_ms / 1000.0);
    mrc_text_appendf(
        &text,
        "{\n  \"Modality\": \"MR\",\n  \"Manufacturer\": \"mrcycle phantom\",\n"
        "  \"MagneticFieldStrength\": %g,\n  \"SeriesDescription\": \"%s\",\n"
        "  \"ScanningSequence\": \"%s\",\n  \"EchoTime\": %s,\n  \"RepetitionTime\": %s",
        MRC_PHANTOM_FIELD_T, s->description,
        s->inversion_time_ms > 0.0 ? "SE_IR" : s->scanning_sequence, te, tr);
    if (s->inversion_time_ms > 0.0) mrc_text_appendf(&text, ",\n  \"InversionTime\": %s", ti);
    mrc_text_appendf(&text, "\n}\n");
    return write_text(anat, name, &text, err);
}

/* --- Images --- */

static enum mrc_status write_nifti(const mrc_volume *vol, const char *anat, const char *stem,
                                   const char *suffix, int datatype, struct mrc_error *err) {
    char *path = mrc_asprintf("%s/%s_%s.nii.gz", anat, stem, suffix);
    enum mrc_status st =
        path == NULL ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name")
                     : mrc_nifti_save(vol, path, datatype, "generated head, no patient", err);
    mrc_free(path);
    return st;
}

/* A UID of everything that changes the images, and of what it is for. */
static enum mrc_status make_uid(char out[MRC_UID_TEXT], const struct mrc_phantom_options *o,
                                int subject, const char *what, struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    char *key =
        mrc_asprintf("%s|%llu|%d|%d|%d|%.17g|%.17g|%.17g|%.17g|%.17g|%s", MRC_VERSION,
                     (unsigned long long)o->seed, subject, o->lesions, (int)o->acquisition,
                     o->voxel_mm[0], o->voxel_mm[1], o->voxel_mm[2], o->noise, o->bias, what);
    if (key == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a UID");
    mrc_hash_add_text(hash, "mrcycle phantom");
    mrc_hash_add_text(hash, key);
    mrc_hash_finish(hash, digest);
    mrc_hash_print_uid(out, digest);
    mrc_hash_destroy(hash);
    mrc_free(key);
    return st;
}

static enum mrc_status write_dicom(const mrc_volume *vol, const char *subject_dir,
                                   const struct mrc_phantom_options *o, int subject, int sequence,
                                   struct mrc_error *err) {
    const struct mrc_phantom_sequence *s = &mrc_phantom_sequences[sequence];
    char study[MRC_UID_TEXT], series[MRC_UID_TEXT], frame[MRC_UID_TEXT];
    char name[32], id[48], description[65];
    enum mrc_status st = make_uid(study, o, subject, "study", err);
    if (st == MRC_OK) st = make_uid(frame, o, subject, "frame of reference", err);
    if (st == MRC_OK) st = make_uid(series, o, subject, mrc_contrast_name(s->contrast), err);
    if (st != MRC_OK) return st;
    snprintf(name, sizeof name, "PHANTOM^SUB%02d", subject);
    snprintf(id, sizeof id, "PHANTOM-%llu-%02d", (unsigned long long)o->seed, subject);
    snprintf(description, sizeof description, "%s phantom", s->description);
    const struct mrc_generated_series record = {
        .contrast = s->contrast,
        .patient_name = name,
        .patient_id = id,
        .study_uid = study,
        .series_uid = series,
        .frame_of_reference_uid = frame,
        .series_description = description,
        .scanning_sequence = s->scanning_sequence,
        .sequence_variant = "NONE",
        .study_date_time = STUDY_DATE_TIME,
        .series_number = sequence + 1,
        .repetition_time_ms = s->repetition_time_ms,
        .echo_time_ms = s->echo_time_ms,
        .inversion_time_ms = s->inversion_time_ms,
        .slice_thickness_mm = o->voxel_mm[2],
        .field_strength_t = MRC_PHANTOM_FIELD_T,
        .rescale_slope = 1.0,
    };
    char *dir = mrc_asprintf("%s/dicom/%s", subject_dir, mrc_contrast_name(s->contrast));
    st = dir == NULL ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name")
                     : mrc_make_dirs(dir, err);
    if (st == MRC_OK) st = mrc_dicom_save_generated(vol, &record, dir, err);
    mrc_free(dir);
    return st;
}

static enum mrc_status write_images(mrc_volume *const image[], const mrc_volume *tissue,
                                    const char *subject_dir, const char *stem, int subject,
                                    struct job *job, struct mrc_error *err) {
    char *anat = mrc_path_join(subject_dir, "anat");
    enum mrc_status st = anat == NULL
                             ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name")
                             : mrc_make_dirs(anat, err);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES && st == MRC_OK; ++c) {
        const struct mrc_phantom_sequence *s = &mrc_phantom_sequences[c];
        st = write_nifti(image[c], anat, stem, mrc_contrast_name(s->contrast), NIFTI_INT16, err);
        if (st == MRC_OK) st = write_sidecar(anat, stem, s, err);
        if (st == MRC_OK) st = write_dicom(image[c], subject_dir, job->options, subject, c, err);
        if (st == MRC_OK) st = step(job, err);
    }
    if (st == MRC_OK) st = write_nifti(tissue, anat, stem, "dseg", NIFTI_UINT8, err);
    if (st == MRC_OK) st = step(job, err);
    mrc_free(anat);
    return st;
}

static enum mrc_status write_subject(const char *dir, int subject, struct job *job,
                                     struct mrc_error *err) {
    mrc_volume *image[MRC_PHANTOM_SEQUENCES], *tissue = NULL;
    char stem[LONGEST_STEM];
    stem_of(stem, subject, job->options->subjects);
    enum mrc_status st = mrc_phantom_render(image, &tissue, job->options, subject, err);
    if (st != MRC_OK) return st;
    st = step(job, err);
    char *subject_dir = mrc_path_join(dir, stem);
    if (st == MRC_OK && subject_dir == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name");
    if (st == MRC_OK) st = write_images(image, tissue, subject_dir, stem, subject, job, err);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) mrc_volume_destroy(image[c]);
    mrc_volume_destroy(tissue);
    mrc_free(subject_dir);
    return st;
}

static enum mrc_status check_place(const char *dir, bool replace, struct mrc_error *err) {
    static const char *const patterns[] = {".bidsignore",
                                           "README",
                                           "dataset_description.json",
                                           "dseg.tsv",
                                           "participants.tsv",
                                           "sub-*/anat/sub-*_*.json",
                                           "sub-*/anat/sub-*_*.nii.gz",
                                           "sub-*/dicom/*/IM*.dcm",
                                           NULL};
    static const struct mrc_place_kind phantoms = {
        .mark = "dataset_description.json", .words = "mrcycle phantom", .patterns = patterns};
    return mrc_place_check_kind(dir, replace, &phantoms, err);
}

enum mrc_status mrc_phantom_write(const char *dir, const struct mrc_phantom_options *options,
                                  const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_output output = {0};
    struct job job = {.options = options, .events = events};
    enum mrc_status st = mrc_phantom_check(options, err);
    if (st == MRC_OK) st = check_place(dir, options->replace, err);
    if (st == MRC_OK) st = mrc_output_open_dir(&output, dir, options->replace, err);
    if (st != MRC_OK) return st;
    st = write_dataset_texts(output.temporary, options, err);
    if (st == MRC_OK) st = write_participants(output.temporary, options, err);
    for (int s = 1; s <= options->subjects && st == MRC_OK; ++s)
        st = write_subject(output.temporary, s, &job, err);
    if (st == MRC_OK) st = mrc_output_commit(&output, err);
    mrc_output_discard(&output);
    return st;
}
