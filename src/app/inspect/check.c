/* check.c: findings as lines and as JSON. */
#include "app/inspect/check.h"

#include <cjson/cJSON.h>

#include "base/isolate.h"
#include "base/json.h"
#include "io/image.h"

static const struct mrc_finding *first_error(const struct mrc_dicom_check *check) {
    for (size_t f = 0; f < check->count; ++f)
        if (check->findings[f].level == MRC_FINDING_ERROR) return &check->findings[f];
    return NULL;
}

enum mrc_status mrc_check_verdict(const struct mrc_dicom_check *check, const char *path,
                                  struct mrc_error *err) {
    const struct mrc_finding *f = first_error(check);
    if (f == NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_FORMAT, "%s%s%s: %s (%zu error%s in all)", path,
                    f->file != NULL ? "/" : "", f->file != NULL ? f->file : "", f->text,
                    check->errors, check->errors == 1 ? "" : "s");
}

void mrc_check_print(struct mrc_text *out, const struct mrc_dicom_check *check, const char *path) {
    mrc_text_appendf(out, "%s", path);
    if (check->number > 0) mrc_text_appendf(out, " (series %lld)", (long long)check->number);
    mrc_text_appendf(out, ": %s, %s series of %zu files",
                     check->errors == 0 ? "consistent" : "NOT consistent",
                     check->synthetic ? "a synthetic" : "an MR", check->files);
    if (check->gap_mm > 0.0) mrc_text_appendf(out, ", %.4g mm apart", check->gap_mm);
    mrc_text_appendf(out, "; %zu error%s, %zu warning%s\n", check->errors,
                     check->errors == 1 ? "" : "s", check->warnings,
                     check->warnings == 1 ? "" : "s");
    for (size_t f = 0; f < check->count; ++f)
        mrc_text_appendf(out, "  %s: %s%s%s\n",
                         check->findings[f].level == MRC_FINDING_ERROR ? "error" : "warning",
                         check->findings[f].file != NULL ? check->findings[f].file : "",
                         check->findings[f].file != NULL ? ": " : "", check->findings[f].text);
}

static void add_finding(cJSON *array, const struct mrc_finding *f) {
    cJSON *node = cJSON_CreateObject();
    cJSON_AddItemToArray(array, node);
    cJSON_AddStringToObject(node, "level", f->level == MRC_FINDING_ERROR ? "error" : "warning");
    char file[300];
    mrc_text_plain(file, sizeof file, f->file != NULL ? f->file : "");
    if (f->file != NULL) cJSON_AddStringToObject(node, "file", file);
    cJSON_AddStringToObject(node, "text", f->text);
    cJSON_AddBoolToObject(node, "inherited", f->inherited);
}

enum mrc_status mrc_check_print_json(struct mrc_text *out, const struct mrc_dicom_check *check,
                                     const char *path, struct mrc_error *err) {
    cJSON *root = mrc_json_begin();
    cJSON_AddStringToObject(root, "path", path);
    if (check->number > 0) cJSON_AddNumberToObject(root, "series", (double)check->number);
    cJSON_AddBoolToObject(root, "consistent", check->errors == 0);
    cJSON_AddBoolToObject(root, "synthetic", check->synthetic);
    cJSON_AddBoolToObject(root, "deidentified", check->deidentified);
    cJSON_AddNumberToObject(root, "files", (double)check->files);
    cJSON_AddNumberToObject(root, "other_files", (double)check->other_files);
    cJSON_AddNumberToObject(root, "gap_mm", check->gap_mm);
    cJSON_AddNumberToObject(root, "errors", (double)check->errors);
    cJSON_AddNumberToObject(root, "warnings", (double)check->warnings);
    cJSON *findings = cJSON_AddArrayToObject(root, "findings");
    for (size_t f = 0; f < check->count; ++f) add_finding(findings, &check->findings[f]);
    char *text = mrc_json_print(root, true);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    bool failed = text == NULL || out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return failed ? mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path) : MRC_OK;
}

/* --- in a child --- */

enum { PORTION = 1 << 16, MOST_TEXT = 1 << 28 };

struct checking {
    const char *dir;
    bool json;
    struct mrc_text *out;
};

static enum mrc_status send_text(mrc_isolate_sink *sink, const struct mrc_text *text,
                                 struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t at = 0; status == MRC_OK && at < text->size; at += PORTION) {
        size_t part = text->size - at < PORTION ? text->size - at : PORTION;
        status = mrc_isolate_send(sink, text->data + at, part, err);
    }
    return status;
}

/* One series to the parent; what the first that is not consistent has wrong is the verdict. */
struct telling {
    const struct checking *c;
    mrc_isolate_sink *sink;
    struct mrc_error verdict;
};

static enum mrc_status tell_one(void *context, const struct mrc_dicom_check *check,
                                struct mrc_error *err) {
    struct telling *t = context;
    struct mrc_text text = {0};
    struct mrc_error wrong = {0};
    enum mrc_status status = MRC_OK;
    if (t->c->json)
        status = mrc_check_print_json(&text, check, t->c->dir, err);
    else
        mrc_check_print(&text, check, t->c->dir);
    if (status == MRC_OK && text.failed)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", t->c->dir);
    if (status == MRC_OK) status = send_text(t->sink, &text, err);
    if (mrc_check_verdict(check, t->c->dir, &wrong) != MRC_OK && t->verdict.code == MRC_OK)
        t->verdict = wrong;
    mrc_text_clear(&text);
    return status;
}

static enum mrc_status check_one(void *context, size_t job, mrc_isolate_sink *sink,
                                 struct mrc_error *err) {
    struct telling telling = {.c = context, .sink = sink};
    (void)job;
    enum mrc_status status = mrc_dicom_check_study(telling.c->dir, tell_one, &telling, err);
    if (status != MRC_OK || telling.verdict.code == MRC_OK) return status;
    return mrc_fail(err, telling.verdict.code, "%s", telling.verdict.text);
}

/* It goes to a terminal: nothing that one would obey. */
static enum mrc_status take_text(void *context, size_t job, const void *bytes, size_t size,
                                 struct mrc_error *err) {
    const struct checking *c = context;
    const char *text = bytes;
    (void)job;
    if (c->out->size + size > MOST_TEXT)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader does not cease to speak", c->dir);
    for (size_t i = 0; i < size; ++i) {
        bool control = (unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t';
        mrc_text_appendf(c->out, "%c", control || text[i] == 127 ? '?' : text[i]);
    }
    return c->out->failed ? mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", c->dir) : MRC_OK;
}

static enum mrc_status end_check(void *context, size_t job, enum mrc_status status, const char *why,
                                 bool ended, struct mrc_error *err) {
    const struct checking *c = context;
    (void)job;
    if (status == MRC_OK) return MRC_OK;
    return ended ? mrc_fail(err, status, "%s: %s", c->dir, why) : mrc_fail(err, status, "%s", why);
}

static const char *folder_to_read(void *context, size_t number) {
    return number == 0 ? ((const struct checking *)context)->dir : NULL;
}

enum mrc_status mrc_check_apart(struct mrc_text *out, const char *dir, bool json,
                                struct mrc_error *err) {
    struct checking c = {.dir = dir, .json = json, .out = out};
    const struct mrc_isolate_work work = {.context = &c,
                                          .run = check_one,
                                          .take = take_text,
                                          .finish = end_check,
                                          .file = folder_to_read};
    struct mrc_isolate_limits limits = MRC_ISOLATE_VOXELS;
    limits.processor_s = 600.0; /* of many files */
    limits.elapsed_s = 1800.0;
    mrc_image_prepare();
    return mrc_isolate_run(&work, 1, &limits, err);
}
