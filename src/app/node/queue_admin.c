/* queue_admin.c: what a person or a script does with a queue, beside the server. */
#include "app/node/queue_admin.h"

#include <string.h>
#include <time.h>

#include "app/node/audit.h"
#include "base/fs.h"
#include "base/json.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the jobs");
}

bool mrc_queue_report(char out[MRC_JOB_PATH], const mrc_queue *queue, const struct mrc_job *job) {
    return mrc_queue_path(out, queue, job, "report/report.html", NULL) == MRC_OK &&
           mrc_path_exists(out);
}

enum mrc_status mrc_queue_retry_asked(mrc_queue *queue, const char *id, struct mrc_error *err) {
    struct mrc_job_list list = {0};
    struct mrc_job job;
    if (strcmp(id, "all") != 0) {
        enum mrc_status status = mrc_queue_find(&job, queue, id, err);
        return status == MRC_OK ? mrc_queue_retry(queue, job.id, err) : status;
    }
    enum mrc_status status = mrc_queue_list(&list, queue, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i)
        if (list.jobs[i].state == MRC_JOB_FAILED)
            status = mrc_queue_retry(queue, list.jobs[i].id, err);
    mrc_job_list_clear(&list);
    return status;
}

/* --- Deleting --- */

static enum mrc_status delete_one(mrc_queue *queue, const struct mrc_job *job,
                                  struct mrc_audit *audit, struct mrc_error *err) {
    enum mrc_status status = mrc_queue_delete(queue, job, err);
    if (status == MRC_OK) mrc_audit_deleted(audit, job, "asked");
    return status;
}

/* *state: which jobs the word means; false: it is an id. */
static bool parse_state(enum mrc_job_state *state, const char *word) {
    static const enum mrc_job_state states[] = {MRC_JOB_DONE, MRC_JOB_FAILED, MRC_JOB_SKIPPED};
    for (size_t s = 0; s < sizeof states / sizeof *states; ++s)
        if (strcmp(word, mrc_job_state_name(*state = states[s])) == 0) return true;
    return false;
}

static enum mrc_status delete_all(mrc_queue *queue, enum mrc_job_state state,
                                  struct mrc_audit *audit, struct mrc_error *err) {
    struct mrc_job_list list = {0};
    enum mrc_status status = mrc_queue_list(&list, queue, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i)
        if (list.jobs[i].state == state) status = delete_one(queue, &list.jobs[i], audit, err);
    mrc_job_list_clear(&list);
    return status;
}

enum mrc_status mrc_queue_delete_asked(mrc_queue *queue, const char *id, const char *log,
                                       struct mrc_error *err) {
    struct mrc_audit audit = {.path = log};
    enum mrc_job_state state;
    struct mrc_job job;
    enum mrc_status status;
    if (parse_state(&state, id)) {
        status = delete_all(queue, state, &audit, err);
    } else {
        status = mrc_queue_find(&job, queue, id, err);
        if (status == MRC_OK) status = delete_one(queue, &job, &audit, err);
    }
    if (!mrc_audit_flush(&audit) && status == MRC_OK)
        status =
            mrc_fail(err, MRC_ERR_WRITE, "%s: the audit log did not take what was deleted", log);
    mrc_audit_clear(&audit);
    return status;
}

/* --- For programs --- */

static void add_text(cJSON *node, const char *name, const char *text) {
    if (text[0] != '\0') cJSON_AddStringToObject(node, name, text);
}

static cJSON *describe(cJSON *node, const mrc_queue *queue, const struct mrc_job *job) {
    char report[MRC_JOB_PATH];
    cJSON_AddStringToObject(node, "id", job->id);
    cJSON_AddStringToObject(node, "state", mrc_job_state_name(job->state));
    cJSON_AddNumberToObject(node, "created", (double)job->created);
    cJSON_AddNumberToObject(node, "changed", (double)job->changed);
    cJSON_AddNumberToObject(node, "not_before", (double)job->not_before);
    if (job->source[0] == '\0') cJSON_AddNumberToObject(node, "images", (double)job->images);
    cJSON_AddNumberToObject(node, "attempts", job->attempts);
    cJSON_AddNumberToObject(node, "crashes", job->crashes);
    cJSON_AddNumberToObject(node, "bytes", (double)job->bytes);
    add_text(node, "why", job->why);
    add_text(node, "rule", job->rule);
    add_text(node, "host", job->host);
    add_text(node, "calling", job->calling);
    add_text(node, "absorbed", job->absorbed);
    add_text(node, "supersedes", job->supersedes);
    add_text(node, "source", job->source);
    add_text(node, "output", job->output);
    if (mrc_queue_report(report, queue, job)) add_text(node, "report", report);
    return node;
}

static enum mrc_status print_json(struct mrc_text *out, cJSON *root, struct mrc_error *err) {
    char *text = root != NULL ? mrc_json_print(root, true) : NULL;
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    bool whole = text != NULL && !out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return whole ? MRC_OK : no_memory(err);
}

static cJSON *describe_all(const mrc_queue *queue, const struct mrc_job_list *list) {
    int64_t counts[MRC_JOB_STATES] = {0};
    cJSON *root = mrc_json_begin(), *count = cJSON_AddObjectToObject(root, "counts");
    cJSON *jobs = cJSON_AddArrayToObject(root, "jobs");
    for (size_t i = 0; i < list->count; ++i) {
        cJSON_AddItemToArray(jobs, describe(cJSON_CreateObject(), queue, &list->jobs[i]));
        ++counts[list->jobs[i].state];
    }
    for (int s = 0; s < MRC_JOB_STATES; ++s)
        cJSON_AddNumberToObject(count, mrc_job_state_name((enum mrc_job_state)s),
                                (double)counts[s]);
    return root;
}

enum mrc_status mrc_queue_print_json(struct mrc_text *out, mrc_queue *queue, const char *id,
                                     struct mrc_error *err) {
    struct mrc_job_list list = {0};
    struct mrc_job job;
    if (id != NULL) {
        enum mrc_status status = mrc_queue_find(&job, queue, id, err);
        return status == MRC_OK ? print_json(out, describe(mrc_json_begin(), queue, &job), err)
                                : status;
    }
    enum mrc_status status = mrc_queue_list(&list, queue, err);
    if (status == MRC_OK) status = print_json(out, describe_all(queue, &list), err);
    mrc_job_list_clear(&list);
    return status;
}

/* --- One job --- */

static void print_time(struct mrc_text *out, const char *label, int64_t seconds) {
    char text[40];
    struct tm parts = {0};
    time_t at = (time_t)seconds;
    if (seconds <= 0 || gmtime_r(&at, &parts) == NULL) return;
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    mrc_text_appendf(out, "%-10s %s\n", label, text);
}

static void print_line(struct mrc_text *out, const char *label, const char *text) {
    if (text[0] != '\0') mrc_text_appendf(out, "%-10s %s\n", label, text);
}

static void print_count(struct mrc_text *out, const char *label, int64_t count) {
    mrc_text_appendf(out, "%-10s %lld\n", label, (long long)count);
}

static void print_all(struct mrc_text *out, const mrc_queue *queue, const struct mrc_job *job) {
    char path[MRC_JOB_PATH];
    print_line(out, "id", job->id);
    print_line(out, "state", mrc_job_state_name(job->state));
    print_line(out, "why", job->why);
    print_line(out, "rule", job->rule);
    print_time(out, "created", job->created);
    print_time(out, "changed", job->changed);
    print_time(out, "again at", job->state == MRC_JOB_NEW ? job->not_before : 0);
    print_count(out, "attempts", job->attempts);
    print_count(out, "crashes", job->crashes);
    if (job->source[0] == '\0') print_count(out, "images", job->images);
    print_line(out, "from host", job->host);
    print_line(out, "calling", job->calling);
    print_line(out, "source", job->source);
    print_line(out, "output", job->output);
    print_line(out, "absorbed", job->absorbed);
    print_line(out, "supersedes", job->supersedes);
    if (job->bytes > 0) print_count(out, "bytes", job->bytes);
    if (mrc_queue_path(path, queue, job, NULL, NULL) == MRC_OK) print_line(out, "folder", path);
    if (mrc_queue_report(path, queue, job)) print_line(out, "report", path);
}

enum mrc_status mrc_queue_print_job(struct mrc_text *out, mrc_queue *queue, const char *id,
                                    struct mrc_error *err) {
    struct mrc_job job;
    enum mrc_status status = mrc_queue_find(&job, queue, id, err);
    if (status == MRC_OK) print_all(out, queue, &job);
    return status == MRC_OK && out->failed ? no_memory(err) : status;
}
