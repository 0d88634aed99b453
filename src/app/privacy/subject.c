/* subject.c: see subject.h. */
#include "app/privacy/subject.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app/common/place.h"
#include "app/privacy/origin.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "io/dicom/deidentify.h"
#include "io/image_name.h"

static const char label_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a name");
}

/* The value of a BIDS entity such as "sub-" in the folders or the name of a path; its length, or 0.
 */
static size_t find_entity(const char **value, const char *path, const char *entity) {
    size_t length = strlen(entity);
    for (const char *at = path; at != NULL; at = strpbrk(at, "/_")) {
        at += *at == '/' || *at == '_';
        if (strncmp(at, entity, length) != 0) continue;
        *value = at + length;
        return strspn(at + length, label_letters);
    }
    return 0;
}

static bool is_contrast_word(const char *word, size_t length) {
    static const char *const words[] = {"t1", "t1w", "t1n", "t2", "t2w", "mprage", "nii", "gz"};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        if (strlen(words[i]) == length && strncasecmp(word, words[i], length) == 0) return true;
    return false;
}

/* "p7_T1w.nii.gz" and "p7_T2w.nii.gz" are both p7's. */
static void append_stem(struct mrc_text *text, const char *name) {
    while (*name != '\0') {
        size_t length = strcspn(name, "_.- ");
        if (!is_contrast_word(name, length)) mrc_text_appendf(text, "%.*s|", (int)length, name);
        name += length + (name[length] != '\0');
    }
}

enum mrc_status mrc_subject_of_path(char subject[MRC_PSEUDONYM_TEXT],
                                    char session[MRC_PSEUDONYM_TEXT],
                                    const struct mrc_pseudonym_key *key, const char *dataset,
                                    const char *path, bool shared, struct mrc_error *err) {
    const char *value = NULL, *name = mrc_path_name(path);
    struct mrc_text who = {0};
    size_t length = find_entity(&value, path, "sub-");
    session[0] = '\0';
    mrc_text_appendf(&who, "%s|", dataset);
    if (length > 0) {
        mrc_text_appendf(&who, "sub-%.*s", (int)length, value);
    } else {
        mrc_text_appendf(&who, "%.*s|", (int)(name - path), path);
        if (shared) append_stem(&who, name);
    }
    enum mrc_status st = who.failed
                             ? no_memory(err)
                             : mrc_pseudonym_name(subject, key, "patient by path", who.data, err);
    mrc_text_clear(&who);
    length = find_entity(&value, path, "ses-");
    if (st != MRC_OK || length == 0) return st;
    char *text = mrc_asprintf("%s %.*s", subject, (int)length, value);
    st = text != NULL ? mrc_pseudonym_name(session, key, "session by path", text, err)
                      : no_memory(err);
    mrc_free(text);
    return st;
}

/* --- names in BIDS --- */

/* Entities, then "_desc-synth_" and the contrast, in the folders of the subject and session. */
static char *place_name(const char *entities, size_t size, enum mrc_contrast contrast) {
    size_t subject = strcspn(entities, "_");
    if (subject > size) subject = size;
    const char *session = entities + subject + 1;
    const char *name = mrc_contrast_name(contrast);
    if (subject + 5 > size || strncmp(session, "ses-", 4) != 0)
        return mrc_asprintf("%.*s/anat/%.*s_desc-synth_%s.nii.gz", (int)subject, entities,
                            (int)size, entities, name);
    return mrc_asprintf("%.*s/%.*s/anat/%.*s_desc-synth_%s.nii.gz", (int)subject, entities,
                        (int)strcspn(session, "_"), session, (int)size, entities, name);
}

/* Length of "sub-01_ses-1_run-2" in "sub-01_ses-1_run-2_desc-x_T1w.nii.gz"; 0 for a name that is
 * not BIDS's. */
static size_t entities_length(const char *name) {
    size_t stem = mrc_nifti_stem(name), at = 0;
    if (strncmp(name, "sub-", 4) != 0) return 0;
    for (;;) {
        size_t key = strspn(name + at, label_letters);
        if (at + key >= stem || name[at + key] != '-') return 0;
        size_t value = strspn(name + at + key + 1, label_letters);
        size_t end = at + key + 1 + value;
        if (value == 0 || end >= stem || name[end] != '_') return 0;
        size_t suffix = strspn(name + end + 1, label_letters);
        bool last = end + 1 + suffix == stem && suffix > 0;
        bool described = strncmp(name + end + 1, "desc-", 5) == 0; /* comes last */
        if (last || described) return end;
        at = end + 1;
    }
}

/* "_acq-…_run-2_echo-1" of a name in BIDS: numbers as they are; all else, which may be a patient's,
 * under one keyed label. */
static enum mrc_status append_entities(struct mrc_text *text, const char *name,
                                       const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    const size_t end = entities_length(name);
    struct mrc_text words = {0}, numbers = {0};
    for (size_t at = 0; at < end;) {
        const size_t length = strcspn(name + at, "_"), entity = strcspn(name + at, "-") + 1;
        const size_t digits = strspn(name + at + entity, "0123456789");
        const bool counts =
            strncmp(name + at, "run-", 4) == 0 || strncmp(name + at, "echo-", 5) == 0;
        if (counts && entity + digits == length && digits <= 3)
            mrc_text_appendf(&numbers, "_%.*s", (int)length, name + at);
        else if (strncmp(name + at, "sub-", 4) != 0 && strncmp(name + at, "ses-", 4) != 0)
            mrc_text_appendf(&words, "_%.*s", (int)length, name + at);
        at += length + 1;
    }
    enum mrc_status st = words.failed || numbers.failed ? no_memory(err) : MRC_OK;
    if (st == MRC_OK && words.size > 0) {
        char label[MRC_PSEUDONYM_TEXT];
        st = mrc_pseudonym_name(label, key, "acquisition by name", words.data, err);
        if (st == MRC_OK) mrc_text_appendf(text, "_acq-%s", label);
    }
    if (st == MRC_OK && numbers.size > 0) mrc_text_appendf(text, "%s", numbers.data);
    mrc_text_clear(&words);
    mrc_text_clear(&numbers);
    return st;
}

/* A name in BIDS tells the subject within its data set; any other only together with its folder. */
static enum mrc_status name_nifti(struct mrc_text *text, const char *path,
                                  const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    char subject[MRC_PSEUDONYM_TEXT], session[MRC_PSEUDONYM_TEXT];
    const char *name = mrc_path_name(path);
    struct mrc_origin origin = {0};
    char *whole = NULL;
    bool bids = entities_length(name) > 0;
    enum mrc_status st = bids ? mrc_origins_find(&origin, &path, 1, &path, 1, err)
                              : mrc_place_resolve(&whole, path, err);
    if (st == MRC_OK)
        st = mrc_subject_of_path(subject, session, key, bids ? origin.dataset : "",
                                 bids ? name : whole, true, err);
    mrc_origins_clear(&origin, 1);
    mrc_free(whole);
    if (st != MRC_OK) return st;
    mrc_text_appendf(text, "sub-%s%s%s", subject, session[0] != '\0' ? "_ses-" : "", session);
    return append_entities(text, name, key, err);
}

/* A series may hold several volumes (echoes, stacks, time points), wherever they are exported to:
 * each is known by its first image. */
static enum mrc_status name_volume(struct mrc_text *text, const struct mrc_acquisition *how,
                                   const struct mrc_provenance *from,
                                   const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    char first[64], label[MRC_PSEUDONYM_TEXT];
    long long frame = from->frames != NULL ? (long long)from->frames[0] : 0;
    (void)snprintf(first, sizeof first, "%s %lld", how->instance, frame);
    enum mrc_status st = mrc_pseudonym_name(label, key, "volume", first, err);
    if (st == MRC_OK)
        mrc_text_appendf(text, "sub-%s_ses-%s_acq-%s_rec-%s", how->subject, how->study, how->series,
                         label);
    return st;
}

static enum mrc_status name_keyed(char **out, const mrc_volume *source, enum mrc_contrast contrast,
                                  const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    const struct mrc_provenance *from = mrc_volume_provenance(source);
    struct mrc_text text = {0};
    enum mrc_status st = MRC_OK;
    if (from->kind == MRC_SOURCE_DICOM) {
        struct mrc_acquisition how;
        st = mrc_acquisition_read(&how, from->files[0], key, err);
        if (st == MRC_OK) st = name_volume(&text, &how, from, key, err);
    } else {
        st = name_nifti(&text, from->files[0], key, err);
    }
    if (st == MRC_OK && !text.failed) *out = place_name(text.data, text.size, contrast);
    mrc_text_clear(&text);
    return st == MRC_OK && *out == NULL ? no_memory(err) : st;
}

enum mrc_status mrc_subject_synthetic_name(char **out, const mrc_volume *source,
                                           enum mrc_contrast contrast,
                                           const struct mrc_pseudonym_key *key,
                                           struct mrc_error *err) {
    const struct mrc_provenance *from = mrc_volume_provenance(source);
    *out = NULL;
    if (from->kind == MRC_SOURCE_PNG || from->file_count == 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "pictures lie nowhere in a patient, expected DICOM or NIfTI for BIDS");
    if (key != NULL) return name_keyed(out, source, contrast, key, err);
    const char *name = mrc_path_name(from->files[0]);
    size_t size = from->kind == MRC_SOURCE_NIFTI ? entities_length(name) : 0;
    if (size == 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: not named by BIDS (sub-01_T1w.nii.gz), expected such a name, or "
                        "--deidentify, which makes keyed labels",
                        from->files[0]);
    *out = place_name(name, size, contrast);
    return *out != NULL ? MRC_OK : no_memory(err);
}

char *mrc_subject_synthetic_twin(const char *name, enum mrc_contrast contrast) {
    size_t size = entities_length(name);
    return size > 0 ? place_name(name, size, contrast) : NULL;
}
