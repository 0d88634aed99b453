/* check.c: findings as lines and as JSON. */
#include "app/inspect/check.h"

#include <cjson/cJSON.h>

#include "base/json.h"

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
    mrc_text_appendf(out, "%s: %s, %s series of %zu files", path,
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
