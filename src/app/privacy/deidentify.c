/* deidentify.c: every file below the input, in order; then the report. A child process with limits
 * reads and rewrites them (base/isolate.h), and this one writes what comes of it: one child, so
 * that of two files with one name the same is always first. Files already written are remembered by
 * their keyed names only. */
#include "app/privacy/deidentify.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/common/place.h"
#include "app/pages/html.h"
#include "app/privacy/clean_words.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/json.h"
#include "base/plain.h"
#include "io/dicom/deidentify.h"
#include "io/image.h"

static const double MOST_BYTES = 4294967296.0;
enum { MAX_FILES = 1000000, HEAD_BYTES = 4096, REASON = 300, SHOWN = 2000, PORTION = 1 << 20 };

struct refusal {
    size_t file; /* number in the list of sources, from 1 */
    char reason[REASON];
};

/* What a child says first of a file. */
struct rewritten {
    bool dicom;
    struct mrc_deidentified names;
    size_t size; /* of the new file, which follows */
};

struct run {
    const struct mrc_deidentify_options *options;
    struct mrc_deidentify_result *result;
    struct mrc_pseudonym_key key;
    struct mrc_name_list files;
    struct mrc_tree tree; /* what is no file */
    struct mrc_output out;
    struct mrc_text sources; /* the private table */
    struct refusal *refused;
    size_t refused_count, refused_capacity;
    size_t copies, compressed, without_id, synthetic;
    const struct mrc_events *events;
    /* the file that the child is at */
    struct rewritten now;
    unsigned char *bytes; /* those that came of it */
    size_t used;
    bool begun; /* its head came */
};

static const char *const limits[] = {
    "Faces are not removed: a head can be recognised from its surface. The files say so "
    "(RecognizableVisualFeatures YES) and do not claim code 113102.",
    "Text drawn into the pixels is not looked for (no code 113101). Files that say of themselves "
    "that they hold such text are refused.",
    "Samples are copied bit by bit; bits beside them are cleared, comments in compressed streams "
    "and "
    "what stands behind their end are left out.",
    "Numbers of the scan (echo time, field strength, position, series number) are kept, and so is "
    "the "
    "maker's name: whoever has the original can find its copy.",
};

/* --- files --- */

static enum mrc_status probe(bool *dicom, const char *path, struct mrc_error *err) {
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    enum mrc_status st = mrc_read_head(head, sizeof head, &size, path, err);
    if (st != MRC_OK) return st;
    mrc_fault_check(head, size);
    *dicom =
        mrc_format_dicom.probe(&(struct mrc_probe){.path = path, .head = head, .head_bytes = size});
    return MRC_OK;
}

/* Of the files and then of the oddities, in the table from 1. */
static const char *path_of(const struct run *r, size_t number) {
    return number < r->files.count ? r->files.names[number]
                                   : r->tree.odd[number - r->files.count].path;
}

static enum mrc_status refuse(struct run *r, size_t file, const struct mrc_error *why,
                              struct mrc_error *err) {
    const char *path = path_of(r, file);
    void *items = r->refused;
    if (!mrc_grow(&items, &r->refused_capacity, r->refused_count + 1, sizeof *r->refused))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu refusals", r->refused_count + 1);
    r->refused = items;
    struct refusal *refusal = &r->refused[r->refused_count++];
    refusal->file = file + 1;
    mrc_clean_words(refusal->reason, sizeof refusal->reason, why->text, path, &r->files);
    ++r->result->refused;
    mrc_text_appendf(&r->sources, "refused: %s\n", refusal->reason);
    return MRC_OK;
}

/* Makes the folder a file goes to, and counts what is new. */
static enum mrc_status make_folder(char **out, struct run *r, const struct mrc_deidentified *names,
                                   struct mrc_error *err) {
    const char *root = r->out.temporary;
    char *patient = mrc_asprintf("%s/sub-%s", root, names->subject);
    char *study = mrc_asprintf("%s/sub-%s/ses-%s", root, names->subject, names->study);
    char *series =
        mrc_asprintf("%s/sub-%s/ses-%s/ser-%s", root, names->subject, names->study, names->series);
    enum mrc_status st = MRC_OK;
    *out = NULL;
    if (patient == NULL || study == NULL || series == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    if (st == MRC_OK) {
        r->result->patients += !mrc_path_is_dir(patient);
        r->result->studies += !mrc_path_is_dir(study);
        r->result->series += !mrc_path_is_dir(series);
        st = mrc_make_dirs(series, err);
    }
    if (st == MRC_OK) {
        *out = series;
        series = NULL;
    }
    mrc_free(series);
    mrc_free(study);
    mrc_free(patient);
    return st;
}

/* What came of a file that was written before under the same name: a copy, or a contradiction. */
static enum mrc_status meet_again(struct run *r, const char *path, const unsigned char *bytes,
                                  size_t size, struct mrc_error *own) {
    unsigned char *there = NULL;
    size_t there_size = 0;
    enum mrc_status st = mrc_read_file(&there, &there_size, path, (size_t)4 << 30, own);
    if (st == MRC_OK && (there_size != size || memcmp(there, bytes, size) != 0))
        st = mrc_fail(own, MRC_ERR_FORMAT, "another image with the same UID was written before");
    mrc_free(there);
    if (st == MRC_OK) ++r->copies;
    return st;
}

static enum mrc_status store(struct run *r, const struct mrc_deidentified *names,
                             const unsigned char *bytes, size_t size, struct mrc_error *own,
                             struct mrc_error *err) {
    char *folder = NULL, *path = NULL;
    enum mrc_status st = make_folder(&folder, r, names, err);
    if (st == MRC_OK) {
        path = mrc_asprintf("%s/%s.dcm", folder, names->instance);
        if (path == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    }
    if (st == MRC_OK && mrc_path_exists(path)) {
        st = meet_again(r, path, bytes, size, own);
        if (st == MRC_OK) mrc_text_appendf(&r->sources, "copy\n");
    } else if (st == MRC_OK) {
        st = mrc_write_file(path, bytes, size, err);
        if (st == MRC_OK) {
            ++r->result->files;
            mrc_text_appendf(&r->sources, "sub-%s/ses-%s/ser-%s/%s.dcm\n", names->subject,
                             names->study, names->series, names->instance);
        }
    }
    mrc_free(path);
    mrc_free(folder);
    return st;
}

/* --- in the child --- */

static enum mrc_status rewrite_file(unsigned char **bytes, size_t *size,
                                    struct mrc_deidentified *names, const char *path,
                                    const struct mrc_pseudonym_key *key, struct mrc_error *err) {
    enum mrc_status st = mrc_dicom_deidentify(bytes, size, names, path, key, err);
    if (st != MRC_OK || !names->burned_in) return st;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: says that text is drawn into its pixels", path);
}

static enum mrc_status rewrite(void *context, size_t file, mrc_isolate_sink *sink,
                               struct mrc_error *err) {
    const struct run *r = context;
    const char *path = r->files.names[file];
    struct rewritten head = {0};
    unsigned char *bytes = NULL;
    enum mrc_status st = probe(&head.dicom, path, err);
    if (st == MRC_OK && head.dicom)
        st = rewrite_file(&bytes, &head.size, &head.names, path, &r->key, err);
    if (st == MRC_OK) st = mrc_isolate_send(sink, &head, sizeof head, err);
    for (size_t at = 0; st == MRC_OK && at < head.size; at += PORTION) {
        size_t part = head.size - at < PORTION ? head.size - at : PORTION;
        st = mrc_isolate_send(sink, bytes + at, part, err);
    }
    mrc_free(bytes);
    return st;
}

/* --- in this process --- */

static bool is_rewritten(const void *bytes) {
#define FIELD(kind, member) MRC_PLAIN_AT(MRC_PLAIN_##kind, struct rewritten, member)
    static const struct mrc_plain_field fields[] = {
        {FIELD(BOOL, dicom)},           {FIELD(NAME, names.subject)},
        {FIELD(NAME, names.study)},     {FIELD(NAME, names.series)},
        {FIELD(NAME, names.instance)},  {FIELD(BOOL, names.without_id)},
        {FIELD(BOOL, names.burned_in)}, {FIELD(BOOL, names.compressed)},
        {FIELD(BOOL, names.synthetic)}, {FIELD(SIZE, size), .most = MOST_BYTES},
    };
#undef FIELD
    static const struct rewritten passed; /* no DICOM file */
    return memcmp(bytes, &passed, sizeof passed) == 0 ||
           mrc_plain_check(bytes, fields, sizeof fields / sizeof *fields);
}

static enum mrc_status take(void *context, size_t file, const void *bytes, size_t size,
                            struct mrc_error *err) {
    struct run *r = context;
    if (!r->begun) {
        if (size != sizeof r->now || !is_rewritten(bytes))
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader sent what is no file",
                            r->files.names[file]);
        memcpy(&r->now, bytes, size);
        r->begun = true;
        r->bytes = r->now.size > 0 ? mrc_alloc(r->now.size, 1) : NULL;
        return r->now.size == 0 || r->bytes != NULL
                   ? MRC_OK
                   : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", r->files.names[file]);
    }
    if (size > r->now.size - r->used)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader sent more than it said",
                        r->files.names[file]);
    memcpy(r->bytes + r->used, bytes, size);
    r->used += size;
    return MRC_OK;
}

/* Tabs and line ends would break the table. */
static void begin_row(struct run *r, size_t file) {
    mrc_text_appendf(&r->sources, "%zu\t", file + 1);
    for (const char *c = path_of(r, file); *c != '\0'; ++c)
        mrc_text_appendf(&r->sources, "%c", (unsigned char)*c < ' ' ? '?' : *c);
    mrc_text_appendf(&r->sources, "\t");
}

static enum mrc_status keep(struct run *r, size_t file, struct mrc_error *err) {
    const struct mrc_deidentified *names = &r->now.names;
    struct mrc_error own = {0}, fatal = {0};
    if (!r->now.dicom) {
        ++r->result->passed;
        mrc_text_appendf(&r->sources, "no DICOM file\n");
        return MRC_OK;
    }
    enum mrc_status st = store(r, names, r->bytes, r->used, &own, &fatal);
    r->compressed += names->compressed;
    r->without_id += names->without_id;
    r->synthetic += names->synthetic;
    if (st == MRC_OK) return MRC_OK;
    if (st == MRC_ERR_NOMEM || fatal.code != MRC_OK)
        return mrc_fail(err, st, "%s", fatal.code != MRC_OK ? fatal.text : own.text);
    return refuse(r, file, &own, err);
}

static enum mrc_status finish(void *context, size_t file, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err) {
    struct run *r = context;
    struct mrc_error own = {.code = status};
    (void)ended;
    begin_row(r, file);
    if (status == MRC_OK && (!r->begun || r->used != r->now.size)) {
        status = own.code = MRC_ERR_FORMAT;
        why = "not all of it was rewritten";
    }
    if (status != MRC_OK) (void)snprintf(own.text, sizeof own.text, "%s", why);
    enum mrc_status st = status == MRC_OK ? keep(r, file, err) : refuse(r, file, &own, err);
    mrc_free(r->bytes);
    r->bytes = NULL;
    r->used = 0;
    r->begun = false;
    mrc_events_progress(r->events, "de-identifying", (int64_t)file + 1, (int64_t)r->files.count);
    return st;
}

static const char *file_to_read(void *context, size_t number) {
    const struct run *r = context;
    return number < r->files.count ? r->files.names[number] : NULL;
}

static bool is_stopped(void *context) {
    return mrc_events_cancelled(((const struct run *)context)->events);
}

/* Links to folders, pipes, folders that cannot be looked into: what may lie there is not known. */
static enum mrc_status refuse_oddities(struct run *r, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < r->tree.odd_count; ++i) {
        struct mrc_error why = {.code = MRC_ERR_UNSUPPORTED};
        (void)snprintf(why.text, sizeof why.text, "%s", r->tree.odd[i].why);
        begin_row(r, r->files.count + i);
        st = refuse(r, r->files.count + i, &why, err);
    }
    return st;
}

static enum mrc_status do_files(struct run *r, struct mrc_error *err) {
    const struct mrc_isolate_work work = {.context = r,
                                          .run = rewrite,
                                          .take = take,
                                          .finish = finish,
                                          .stop = is_stopped,
                                          .file = file_to_read};
    struct mrc_isolate_limits held = MRC_ISOLATE_VOXELS;
    struct mrc_error why = {0};
    held.processes = 1;
    mrc_text_appendf(&r->sources, "number\tpath\tresult\n");
    mrc_image_prepare();
    enum mrc_status st = mrc_isolate_run(&work, r->files.count, &held, &why);
    mrc_free(r->bytes);
    r->bytes = NULL;
    if (st == MRC_ERR_CANCELLED) return mrc_fail(err, st, "%s: %s", r->options->output, why.text);
    if (st != MRC_OK) return mrc_fail(err, st, "%s", why.text);
    st = refuse_oddities(r, err);
    if (st != MRC_OK) return st;
    if (r->sources.failed)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the table of sources");
    if (r->result->files > 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: none of %zu files is an MR image that can be de-identified%s%s",
                    r->options->input, r->files.count, r->refused_count > 0 ? "; the first: " : "",
                    r->refused_count > 0 ? r->refused[0].reason : "");
}

/* --- report --- */

static bool add_counts(cJSON *to, const struct run *r) {
    const struct {
        const char *name;
        size_t count;
    } counts[] = {{"files_written", r->result->files}, {"patients", r->result->patients},
                  {"studies", r->result->studies},     {"series", r->result->series},
                  {"copies_left_out", r->copies},      {"refused", r->result->refused},
                  {"no_dicom", r->result->passed},     {"without_patient_id", r->without_id},
                  {"compressed", r->compressed},       {"marked_synthetic", r->synthetic}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        if (cJSON_AddNumberToObject(to, counts[i].name, (double)counts[i].count) == NULL)
            return false;
    return true;
}

static bool add_refused(cJSON *to, const struct run *r) {
    cJSON *list = cJSON_AddArrayToObject(to, "refused_files");
    for (size_t i = 0; list != NULL && i < r->refused_count; ++i) {
        cJSON *item = cJSON_CreateObject();
        if (item == NULL || !cJSON_AddItemToArray(list, item) ||
            cJSON_AddNumberToObject(item, "number", (double)r->refused[i].file) == NULL ||
            cJSON_AddStringToObject(item, "reason", r->refused[i].reason) == NULL)
            return false;
    }
    return list != NULL;
}

static bool add_limits(cJSON *to) {
    cJSON *list = cJSON_AddArrayToObject(to, "not_done");
    for (size_t i = 0; list != NULL && i < sizeof limits / sizeof *limits; ++i)
        if (!cJSON_AddItemToArray(list, cJSON_CreateString(limits[i]))) return false;
    return list != NULL;
}

static enum mrc_status write_below(const struct run *r, const char *name, const char *text,
                                   struct mrc_error *err) {
    char *path = mrc_path_join(r->out.temporary, name);
    if (path == NULL || text == NULL) {
        mrc_free(path);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %s", name);
    }
    enum mrc_status st = mrc_write_file(path, text, strlen(text), err);
    mrc_free(path);
    return st;
}

static enum mrc_status write_json(const struct run *r, struct mrc_error *err) {
    cJSON *json = mrc_json_begin();
    bool whole = json != NULL &&
                 cJSON_AddStringToObject(json, "made_by", "mrcycle deidentify " MRC_VERSION) &&
                 cJSON_AddStringToObject(
                     json, "profile",
                     "PS3.15 Basic Application Confidentiality Profile (113100), no options") &&
                 add_counts(json, r) && add_limits(json) && add_refused(json, r);
    char *text = whole ? mrc_json_print(json, true) : NULL;
    enum mrc_status st = write_below(r, "report.json", text, err);
    cJSON_free(text);
    cJSON_Delete(json);
    return st;
}

static void append_table(struct mrc_text *page) {
    struct mrc_text table = {0};
    mrc_dicom_deidentify_print_table(&table);
    mrc_text_appendf(page, "<h2>What may enter</h2>\n<p>All other elements, all private ones, and "
                           "every value of another form are left out. Patient ID and name are the "
                           "keyed name of the folder; dates and other elements a reader asks for "
                           "are empty.</p>\n<details><summary>The table</summary><pre>");
    if (table.data != NULL) mrc_html_words(page, table.data);
    page->failed = page->failed || table.failed;
    mrc_text_appendf(page, "</pre></details>\n");
    mrc_text_clear(&table);
}

static enum mrc_status write_html(const struct run *r, struct mrc_error *err) {
    const struct mrc_deidentify_result *n = r->result;
    struct mrc_text page = {0};
    mrc_html_begin(&page, "De-identified DICOM");
    mrc_text_appendf(
        &page,
        "<p>%zu files of %zu patients, %zu studies, %zu series were written by mrcycle "
        "%s by the Basic Application Confidentiality Profile (DICOM PS3.15, code "
        "113100). %zu files and folders were refused, %zu files were copies of others, %zu "
        "were no DICOM. In %zu files no patient ID stood: each study counts as a "
        "patient there.</p>\n<h2>What was not done</h2>\n<ul>",
        n->files, n->patients, n->studies, n->series, MRC_VERSION, n->refused, r->copies, n->passed,
        r->without_id);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i)
        mrc_text_appendf(&page, "<li>%s</li>\n", limits[i]);
    mrc_text_appendf(&page, "</ul>\n<h2>Refused</h2>\n");
    if (r->refused_count == 0) mrc_text_appendf(&page, "<p>Nothing.</p>\n");
    if (r->refused_count > 0)
        mrc_text_appendf(&page, "<p>Numbers are those of the private table of sources; words that "
                                "could come from a name or a header are starred.</p><div "
                                "class=\"scroll\"><table><tr><th>file</th><th>reason</th></tr>\n");
    for (size_t i = 0; i < r->refused_count && i < SHOWN; ++i) {
        mrc_text_appendf(&page, "<tr><td class=\"n\">%zu</td><td>", r->refused[i].file);
        mrc_html_words(&page, r->refused[i].reason);
        mrc_text_appendf(&page, "</td></tr>\n");
    }
    if (r->refused_count > 0) mrc_text_appendf(&page, "</table></div>\n");
    if (r->refused_count > SHOWN)
        mrc_text_appendf(&page, "<p>%zu more are in report.json.</p>\n", r->refused_count - SHOWN);
    append_table(&page);
    mrc_html_end(&page);
    enum mrc_status st = write_below(r, "report.html", page.failed ? NULL : page.data, err);
    mrc_text_clear(&page);
    return st;
}

/* --- the run --- */

static enum mrc_status list_input(struct run *r, struct mrc_error *err) {
    const char *input = r->options->input;
    if (mrc_path_is_dir(input)) {
        enum mrc_status st = mrc_tree_list(&r->tree, input, MAX_FILES, err);
        r->files = r->tree.files;
        r->tree.files = (struct mrc_name_list){0};
        return st;
    }
    if (!mrc_path_exists(input))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a file or a folder", input);
    r->files.names = mrc_alloc(1, sizeof *r->files.names);
    if (r->files.names != NULL) r->files.names[0] = mrc_strdup(input);
    if (r->files.names == NULL || r->files.names[0] == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", input);
    r->files.count = r->files.capacity = 1;
    return MRC_OK;
}

static enum mrc_status check_places(const struct mrc_deidentify_options *o, const char *key,
                                    struct mrc_error *err) {
    static const char *const patterns[] = {"report.json", "report.html", "sub-*/ses-*/ser-*/*.dcm",
                                           NULL};
    static const struct mrc_place_kind kind = {
        .mark = "report.json", .words = "mrcycle deidentify", .patterns = patterns};
    bool inside = false;
    enum mrc_status st = mrc_place_check_kind(o->output, o->replace, &kind, err);
    if (st == MRC_OK) st = mrc_place_keep_input(o->output, o->input, err);
    if (st == MRC_OK) st = mrc_place_is_inside(&inside, o->output, o->input, err);
    if (st == MRC_OK && inside)
        st = mrc_fail(err, MRC_ERR_ARGUMENT, "%s: lies inside the input, expected another place",
                      o->output);
    if (st == MRC_OK) st = mrc_place_is_inside(&inside, key, o->output, err);
    if (st == MRC_OK && inside)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "%s: the key would lie with what it protects, expected another place", key);
    if (st == MRC_OK) st = mrc_place_make_parent(o->output, err);
    return st;
}

/* The table and the folder appear together or not at all. */
static enum mrc_status place_both(struct run *r, const char *sources, struct mrc_error *err) {
    struct mrc_output table = {0};
    enum mrc_status st = mrc_output_open_private_file(&table, sources, err);
    if (st != MRC_OK) return st;
    (void)fputs(r->sources.data, table.stream); /* place sees the stream's error */
    st = mrc_output_place(&table, err);
    if (st == MRC_OK) st = mrc_output_commit(&r->out, err);
    if (st == MRC_OK) st = mrc_output_commit(&table, err);
    mrc_output_discard(&table);
    return st;
}

static enum mrc_status run_all(struct run *r, const char *key, const char *sources,
                               const struct mrc_events *events, struct mrc_error *err) {
    bool created = false;
    enum mrc_status st = check_places(r->options, key, err);
    if (st == MRC_OK) st = list_input(r, err);
    if (st == MRC_OK) st = mrc_pseudonym_key_load(&r->key, &created, key, err);
    if (st == MRC_OK && created)
        mrc_events_note(events, "%s: a new key; keep it, and keep it from those who get the files",
                        key);
    if (st == MRC_OK)
        st = mrc_output_open_dir(&r->out, r->options->output, r->options->replace, err);
    if (st == MRC_OK) st = do_files(r, err);
    if (st == MRC_OK) st = write_json(r, err);
    if (st == MRC_OK) st = write_html(r, err);
    return st == MRC_OK ? place_both(r, sources, err) : st;
}

enum mrc_status mrc_deidentify_run(const struct mrc_deidentify_options *options,
                                   struct mrc_deidentify_result *result,
                                   const struct mrc_events *events, struct mrc_error *err) {
    struct run r = {.options = options, .result = result, .events = events};
    size_t length = strlen(options->output);
    *result = (struct mrc_deidentify_result){0};
    while (length > 1 && options->output[length - 1] == '/') --length;
    char *key = options->key != NULL ? mrc_strdup(options->key)
                                     : mrc_asprintf("%.*s.key", (int)length, options->output);
    char *sources = mrc_asprintf("%.*s.sources.tsv", (int)length, options->output);
    enum mrc_status st = key != NULL && sources != NULL
                             ? run_all(&r, key, sources, events, err)
                             : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    if (st == MRC_OK)
        mrc_events_note(events,
                        "%zu files of %zu patients written, %zu refused; faces are not removed "
                        "(report.html)",
                        result->files, result->patients, result->refused);
    mrc_output_discard(&r.out);
    mrc_text_clear(&r.sources);
    mrc_name_list_clear(&r.files);
    mrc_tree_clear(&r.tree);
    mrc_free(r.refused);
    mrc_free(sources);
    mrc_free(key);
    return st;
}

enum mrc_status mrc_deidentify_in_place(const char *folder, const struct mrc_pseudonym_key *key,
                                        struct mrc_error *err) {
    struct mrc_name_list files = {0};
    enum mrc_status st = mrc_list_tree(&files, folder, MAX_FILES, err);
    for (size_t i = 0; st == MRC_OK && i < files.count; ++i) {
        unsigned char *bytes = NULL;
        size_t size = 0;
        struct mrc_deidentified names;
        struct mrc_error own = {0};
        st = rewrite_file(&bytes, &size, &names, files.names[i], key, &own);
        if (st != MRC_OK) /* the temporary name is nobody's business */
            st = mrc_fail(err, st, "cannot be de-identified: %s",
                          strncmp(own.text, files.names[i], strlen(files.names[i])) == 0
                              ? own.text + strlen(files.names[i]) + 2
                              : own.text);
        if (st == MRC_OK) st = mrc_write_file(files.names[i], bytes, size, err);
        mrc_free(bytes);
    }
    mrc_name_list_clear(&files);
    return st;
}
