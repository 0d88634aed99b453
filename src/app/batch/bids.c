/* bids.c: from a dataset to rows, and each participant's rows to its table. */
#include "app/batch/bids.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/common/place.h"
#include "app/privacy/subject.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/image_name.h"

/* What BIDS has no names for. */
static const char ignored[] = "reports/\nlogs/\nsynthesis.tsv\ngroup.html\n";
static const char description[] =
    "{\n\t\"Name\": \"Synthetic MR images, not acquired\",\n\t\"BIDSVersion\": \"1.9.0\",\n"
    "\t\"DatasetType\": \"derivative\",\n"
    "\t\"GeneratedBy\": [{\"Name\": \"mrcycle\", \"Version\": \"" MRC_VERSION "\",\n"
    "\t\t\"Description\": \"mrcycle bids: what it makes is computed, not acquired, and not for "
    "diagnosis\"}]\n}\n";

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the dataset");
}

/* "sub-01" and "01" are one label. */
static bool is_asked(const char *name, const char *prefix, const char *const *labels,
                     size_t count) {
    const char *label = name + strlen(prefix);
    for (size_t n = 0; n < count; ++n) {
        const char *asked = labels[n];
        if (strncmp(asked, prefix, strlen(prefix)) == 0) asked += strlen(prefix);
        if (strcmp(asked, label) == 0) return true;
    }
    return count == 0;
}

/* --- From folders to rows --- */

struct finding {
    struct mrc_batch *batch;
    const struct mrc_bids_options *options;
    char suffix[32]; /* "_T1w" */
};

static bool is_wanted(const char *name, const char *suffix) {
    const char *ends[] = {".nii.gz", ".nii"};
    for (size_t n = 0; n < 2; ++n) {
        char end[32];
        (void)snprintf(end, sizeof end, "%s%s", suffix, ends[n]);
        size_t length = strlen(end), all = strlen(name);
        if (all > length && strcmp(name + all - length, end) == 0) return true;
    }
    return false;
}

static enum mrc_status add_file(const struct finding *f, const char *folder, const char *name,
                                const char *subject, const char *session, struct mrc_error *err) {
    const struct mrc_bids_options *o = f->options;
    struct mrc_batch_row row = {.subject = (char *)subject,
                                .session = (char *)session,
                                .cycle_error = (double)NAN,
                                .distance = (double)NAN,
                                .seconds = (double)NAN};
    char *twin = mrc_subject_synthetic_twin(name, o->translate.to);
    row.input = mrc_path_join(folder, name);
    enum mrc_status st = row.input != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK && twin == NULL) {
        row.outcome = MRC_OUTCOME_REFUSED;
        row.status = MRC_ERR_FORMAT;
        (void)snprintf(row.why, sizeof row.why,
                       "%.200s: not named by BIDS, expected sub-01_T1w.nii.gz or the like",
                       row.input);
    } else if (st == MRC_OK) {
        row.output = mrc_path_join(o->output, twin);
        row.report = mrc_asprintf("%s/reports/%.*s", o->output,
                                  (int)mrc_nifti_stem(mrc_path_name(twin)), mrc_path_name(twin));
        if (row.output == NULL || row.report == NULL) st = no_memory(err);
    }
    if (st == MRC_OK) st = mrc_batch_add_row(f->batch, &row, err);
    mrc_free(row.report);
    mrc_free(row.output);
    mrc_free(row.input);
    mrc_free(twin);
    return st;
}

static enum mrc_status add_anat(const struct finding *f, const char *folder, const char *subject,
                                const char *session, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    char *anat = mrc_path_join(folder, "anat");
    enum mrc_status st = anat != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK && mrc_path_is_dir(anat)) st = mrc_list_dir(&names, anat, err);
    for (size_t n = 0; st == MRC_OK && n < names.count; ++n)
        if (is_wanted(names.names[n], f->suffix))
            st = add_file(f, anat, names.names[n], subject, session, err);
    mrc_name_list_clear(&names);
    mrc_free(anat);
    return st;
}

static enum mrc_status add_subject(const struct finding *f, const char *name,
                                   struct mrc_error *err) {
    const struct mrc_bids_options *o = f->options;
    struct mrc_name_list names = {0};
    char *folder = mrc_path_join(o->dataset, name);
    enum mrc_status st = folder != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK && o->session_count == 0) st = add_anat(f, folder, name + 4, NULL, err);
    if (st == MRC_OK) st = mrc_list_dir(&names, folder, err);
    for (size_t n = 0; st == MRC_OK && n < names.count; ++n) {
        const char *session = names.names[n];
        if (strncmp(session, "ses-", 4) != 0 ||
            !is_asked(session, "ses-", o->sessions, o->session_count))
            continue;
        char *inside = mrc_path_join(folder, session);
        st = inside != NULL ? add_anat(f, inside, name + 4, session + 4, err) : no_memory(err);
        mrc_free(inside);
    }
    mrc_name_list_clear(&names);
    mrc_free(folder);
    return st;
}

static bool is_there(const struct mrc_name_list *names, const char *label) {
    for (size_t n = 0; n < names->count; ++n)
        if (strncmp(names->names[n], "sub-", 4) == 0 &&
            is_asked(names->names[n], "sub-", &label, 1))
            return true;
    return false;
}

static enum mrc_status find(struct mrc_batch *batch, const struct mrc_bids_options *o,
                            enum mrc_contrast from, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    struct finding finding = {.batch = batch, .options = o};
    (void)snprintf(finding.suffix, sizeof finding.suffix, "_%s", mrc_contrast_name(from));
    size_t subjects = 0;
    enum mrc_status st = mrc_list_dir(&names, o->dataset, err);
    for (size_t n = 0; st == MRC_OK && n < o->participant_count; ++n)
        if (!is_there(&names, o->participants[n]))
            st = mrc_fail(err, MRC_ERR_IO,
                          "%s: holds no participant %.60s, expected a folder sub-%s", o->dataset,
                          o->participants[n], "LABEL");
    for (size_t n = 0; st == MRC_OK && n < names.count; ++n) {
        const char *name = names.names[n];
        if (strncmp(name, "sub-", 4) != 0 ||
            !is_asked(name, "sub-", o->participants, o->participant_count))
            continue;
        ++subjects;
        st = add_subject(&finding, name, err);
    }
    if (st == MRC_OK && subjects == 0)
        st = mrc_fail(err, MRC_ERR_IO, "%s: holds no folder sub-…, expected a BIDS dataset",
                      o->dataset);
    if (st == MRC_OK && batch->count == 0)
        st = mrc_fail(err, MRC_ERR_IO, "%s: no anat/…%s.nii.gz of these participants and sessions",
                      o->dataset, finding.suffix);
    mrc_name_list_clear(&names);
    return st;
}

/* --- What stays --- */

/* The rows of one participant, with those of sessions that an earlier run worked on. */
static enum mrc_status merge(struct mrc_batch *out, const struct mrc_batch *batch,
                             const char *subject, const char *output, const char *path,
                             struct mrc_error *err) {
    struct mrc_batch old = {0};
    unsigned char *text = NULL;
    size_t size = 0;
    enum mrc_status st = MRC_OK;
    if (mrc_path_exists(path)) st = mrc_read_file(&text, &size, path, 16 << 20, err);
    if (st == MRC_OK && text != NULL)
        st = mrc_batch_parse_tsv(&old, (const char *)text, output, path, err);
    for (size_t n = 0; st == MRC_OK && n < batch->count; ++n)
        if (batch->rows[n].subject != NULL && strcmp(batch->rows[n].subject, subject) == 0)
            st = mrc_batch_add_row(out, &batch->rows[n], err);
    const size_t own = out->count;
    for (size_t n = 0; st == MRC_OK && n < old.count; ++n) {
        const struct mrc_batch_row *row = &old.rows[n];
        size_t same = 0;
        while (same < own && strcmp(out->rows[same].input, row->input) != 0) ++same;
        if (same == own)
            st = mrc_batch_add_row(out, row, err);
        else if (out->rows[same].outcome == MRC_OUTCOME_KEPT) /* it took what it took then */
            out->rows[same].seconds = row->seconds;
    }
    mrc_free(text);
    mrc_batch_clear(&old);
    return st;
}

static enum mrc_status keep_table(const struct mrc_batch *batch, const char *subject,
                                  const char *output, struct mrc_error *err) {
    struct mrc_batch own = {0};
    struct mrc_text text = {0};
    char *path = mrc_asprintf("%s/logs/sub-%s.tsv", output, subject);
    enum mrc_status st = path != NULL ? mrc_place_make_parent(path, err) : no_memory(err);
    if (st == MRC_OK) st = merge(&own, batch, subject, output, path, err);
    if (st == MRC_OK) {
        mrc_batch_print_tsv(&text, &own, output);
        st = text.failed ? no_memory(err) : mrc_write_file(path, text.data, text.size, err);
    }
    mrc_text_clear(&text);
    mrc_batch_clear(&own);
    mrc_free(path);
    return st;
}

static enum mrc_status after_row(void *context, const struct mrc_batch *batch,
                                 const struct mrc_batch_row *row, struct mrc_error *err) {
    const struct mrc_bids_options *o = context;
    return keep_table(batch, row->subject, o->output, err);
}

/* Also of participants with which nothing was to do. */
static enum mrc_status keep_tables(const struct mrc_batch *batch, const struct mrc_bids_options *o,
                                   struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t n = 0; st == MRC_OK && n < batch->count; ++n)
        if (n == 0 || strcmp(batch->rows[n - 1].subject, batch->rows[n].subject) != 0)
            st = keep_table(batch, batch->rows[n].subject, o->output, err);
    return st;
}

static enum mrc_status write_once(const char *folder, const char *name, const char *text,
                                  struct mrc_error *err) {
    char *path = mrc_path_join(folder, name);
    enum mrc_status st = path != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK && !mrc_path_exists(path)) st = mrc_place_make_parent(path, err);
    if (st == MRC_OK && !mrc_path_exists(path)) st = mrc_write_file(path, text, strlen(text), err);
    mrc_free(path);
    return st;
}

enum mrc_status mrc_bids_participants(struct mrc_batch *batch, const struct mrc_bids_options *o,
                                      const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_batch_options options = {.translate = o->translate,
                                        .output = o->output,
                                        .processes = o->processes,
                                        .dry_run = o->dry_run,
                                        .after = after_row,
                                        .context = (void *)o};
    bool inside = false;
    enum mrc_status st = mrc_place_is_inside(&inside, o->dataset, o->output, err);
    if (st == MRC_OK && inside)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "%s: holds the dataset, expected a derivative's own folder, such as "
                      "%s/derivatives/mrcycle",
                      o->output, o->dataset);
    if (st == MRC_OK) st = mrc_batch_settle(&options.translate, err);
    if (st == MRC_OK) st = find(batch, o, options.translate.from, err);
    if (st == MRC_OK && !o->dry_run)
        st = write_once(o->output, "dataset_description.json", description, err);
    if (st == MRC_OK && !o->dry_run) st = write_once(o->output, ".bidsignore", ignored, err);
    if (st == MRC_OK) st = mrc_batch_run(batch, &options, events, err);
    return st == MRC_OK && !o->dry_run ? keep_tables(batch, o, err) : st;
}
