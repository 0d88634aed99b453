/* serve_job.c: one attempt at one job: translate, unless that is done, and send what is not yet
 * stored. Every step may be done twice: the same images give the same UIDs and bytes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/common/place.h"
#include "app/node/audit.h"
#include "app/node/send.h"
#include "app/node/serve_parts.h"
#include "app/translate/translate.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "io/image.h"

/* --- Which rule --- */

/* What is done with the job's images. Clear with plan_clear. */
struct plan {
    const struct mrc_rule *rule; /* NULL: the node's own settings */
    bool skipped;
    char *series; /* of several images of the series the one to translate; NULL: there is one */
};

static void plan_clear(struct plan *plan) {
    mrc_free(plan->series);
}

static enum mrc_status name_rule(const struct mrc_serve_attempt *a, const struct mrc_rule *rule,
                                 struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_path(path, a->queue, &a->job, "rule", err);
    if (status != MRC_OK) return status;
    return mrc_write_file(path, rule->name, strlen(rule->name), err);
}

/* The rule that an earlier attempt followed, if there is still one of the name. */
static const struct mrc_rule *find_named_rule(const struct mrc_serve_attempt *a) {
    const struct mrc_serve_config *config = a->config;
    const struct mrc_rule *found = NULL;
    char name[MRC_RULE_NAME];
    if (!mrc_serve_job_rule(name, a->queue, &a->job)) return NULL;
    for (size_t r = 0; r < config->rule_count && found == NULL; ++r)
        if (strcmp(config->rules[r].name, name) == 0) found = &config->rules[r];
    return found;
}

bool mrc_serve_job_rule(char out[MRC_RULE_NAME], const mrc_queue *queue,
                        const struct mrc_job *job) {
    char path[MRC_JOB_PATH];
    unsigned char *text = NULL;
    size_t size = 0;
    out[0] = '\0';
    if (mrc_queue_path(path, queue, job, "rule", NULL) == MRC_OK && mrc_path_exists(path) &&
        mrc_read_file(&text, &size, path, MRC_RULE_NAME - 1, NULL) == MRC_OK)
        snprintf(out, MRC_RULE_NAME, "%s", (const char *)text);
    mrc_free(text);
    return out[0] != '\0';
}

static enum mrc_status judge(struct plan *plan, const struct mrc_serve_attempt *a,
                             const struct mrc_image_list *list, const char *input,
                             struct mrc_error *err) {
    struct mrc_rule_verdict verdict;
    if (list->count == 0 && list->refused_count > 0)
        return mrc_fail(err, list->refused[0].status, "%s", list->refused[0].reason);
    if (list->count == 0) return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: holds no image", input);
    const struct mrc_image_info **images = mrc_alloc(list->count, sizeof *images);
    if (images == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", input);
    for (size_t i = 0; i < list->count; ++i) images[i] = &list->items[i];
    enum mrc_status status = mrc_rules_judge(&verdict, a->config->rules, a->config->rule_count,
                                             images, list->count, a->job.calling, err);
    mrc_free(images);
    if (status != MRC_OK) return status;
    plan->rule = verdict.rule;
    plan->skipped = verdict.rule == NULL;
    if (plan->skipped) return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s", verdict.why);
    if (verdict.image != NULL && list->count > 1 && verdict.image->selector[0] != '\0') {
        plan->series = mrc_strdup(verdict.image->selector);
        if (plan->series == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", input);
    }
    return name_rule(a, verdict.rule, err);
}

/* Of a series that is not wanted it fails, and says why. */
static enum mrc_status make_plan(struct plan *plan, const struct mrc_serve_attempt *a,
                                 const char *input, bool translated, struct mrc_error *err) {
    struct mrc_image_list list = {0};
    *plan = (struct plan){.rule = NULL};
    if (a->config->rule_count == 0) return MRC_OK;
    if (translated) plan->rule = find_named_rule(a);
    if (plan->rule != NULL) return MRC_OK;
    enum mrc_status status = mrc_image_list_scan(&list, input, err);
    if (status == MRC_OK) status = judge(plan, a, &list, input, err);
    mrc_image_list_clear(&list);
    return status;
}

/* --- Translating --- */

/* An attempt that was killed after it wrote the result and before the report has both made again.
 */
static enum mrc_status translate(const struct mrc_serve_attempt *a, const struct plan *plan,
                                 const char *input, const char *output, const char *report,
                                 struct mrc_error *err) {
    const struct mrc_serve_config *config = a->config;
    const struct mrc_serve_translation how = mrc_serve_config_translation(config, plan->rule);
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    options.input = input;
    options.output = output;
    options.report = report;
    options.report_dicom = config->report_dicom && a->job.source[0] == '\0';
    options.replace = true;
    options.to = how.to;
    options.model = how.model;
    options.series = plan->series;
    options.format = a->job.source[0] == '\0' ? MRC_SOURCE_DICOM : MRC_SOURCE_NONE;
    options.allow_gaps = how.allow_gaps;
    options.from_is_known = how.from_is_known;
    if (config->threads > 0) mrc_parallel_set_threads(config->threads);
    return mrc_translate_run(&options, NULL, NULL, err);
}

/* --- Sending --- */

static void log_sent(const struct mrc_serve_attempt *a, const struct mrc_net_peer *peer,
                     const struct mrc_send_report *report, enum mrc_status status) {
    char *to = mrc_asprintf("%s@%s:%d", peer->called, peer->host, peer->port);
    struct mrc_audit audit = {.path = a->config->audit};
    cJSON *line = mrc_audit_begin("sent");
    cJSON_AddStringToObject(line, "id", a->job.id);
    cJSON_AddStringToObject(line, "to", to != NULL ? to : "");
    cJSON_AddStringToObject(line, "outcome", status == MRC_OK ? "sent" : mrc_status_name(status));
    cJSON_AddNumberToObject(line, "stored", (double)(report->stored + report->warned));
    cJSON_AddNumberToObject(line, "before", (double)report->skipped);
    cJSON_AddNumberToObject(line, "refused", (double)report->refused);
    cJSON_AddNumberToObject(line, "unsent", (double)report->unsent);
    mrc_audit_end(line, &audit);
    mrc_audit_clear(&audit);
    mrc_free(to);
}

/* Each peer gets what it has not yet, whatever becomes of the others. Of several failures one that
 * may pass is told, so that the job is tried again. */
static enum mrc_status send_on(const struct mrc_serve_attempt *a, const struct mrc_rule *rule,
                               const char *const *paths, size_t path_count, struct mrc_error *err) {
    const bool own = rule != NULL && rule->peer_count > 0;
    const struct mrc_net_peer *peers = own ? rule->peers : a->config->peers;
    const size_t count = own ? rule->peer_count : a->config->peer_count;
    char list[MRC_JOB_PATH];
    struct mrc_error worst = {0};
    enum mrc_status status = mrc_queue_path(list, a->queue, &a->job, "sent.list", err);
    if (status != MRC_OK) return status;
    for (size_t p = 0; p < count; ++p) {
        struct mrc_send_options options = MRC_SEND_DEFAULTS;
        struct mrc_send_report report = {0};
        struct mrc_error why = {0};
        options.paths = paths;
        options.path_count = path_count;
        options.peer = peers[p];
        options.list = list;
        options.retries = 0; /* the queue tries again */
        status = mrc_send_run(&options, &report, NULL, &why);
        log_sent(a, &peers[p], &report, status);
        if (status != MRC_OK && (worst.code == MRC_OK || status == MRC_ERR_NETWORK)) worst = why;
    }
    return worst.code == MRC_OK ? MRC_OK : mrc_fail(err, worst.code, "%s", worst.text);
}

/* A result that a PACS can take: not NIfTI, and not a folder of PNG slices. */
static bool is_dicom(const char *output) {
    struct mrc_name_list names = {0};
    bool found = false;
    if (mrc_path_is_dir(output) && mrc_list_dir(&names, output, NULL) == MRC_OK)
        for (size_t i = 0; i < names.count && !found; ++i)
            found = mrc_path_has_suffix(names.names[i], ".dcm");
    mrc_name_list_clear(&names);
    return found;
}

/* What a killed attempt left beside the result of a watched image. */
static void clean_beside(const char *output) {
    struct mrc_name_list names = {0};
    const char *name = mrc_path_name(output);
    char *folder = mrc_asprintf("%.*s", (int)(name - output), output);
    char *beginning = mrc_asprintf("%s.tmp-", name);
    if (folder != NULL && beginning != NULL && mrc_list_dir(&names, folder, NULL) == MRC_OK)
        for (size_t i = 0; i < names.count; ++i) {
            char *path = mrc_path_join(folder, names.names[i]);
            if (path != NULL && strncmp(names.names[i], beginning, strlen(beginning)) == 0)
                mrc_remove_tree(path);
            mrc_free(path);
        }
    mrc_name_list_clear(&names);
    mrc_free(beginning);
    mrc_free(folder);
}

/* The places of a job. */
struct places {
    char input[MRC_JOB_PATH], output[MRC_JOB_PATH], report[MRC_JOB_PATH];
    char capture[MRC_JOB_PATH]; /* of the report, for the archive; in its folder */
};

static enum mrc_status find_places(struct places *out, const struct mrc_serve_attempt *a,
                                   struct mrc_error *err) {
    enum mrc_status status = mrc_queue_path(out->input, a->queue, &a->job, "images", err);
    if (status == MRC_OK) status = mrc_queue_path(out->output, a->queue, &a->job, "out", err);
    if (status == MRC_OK) status = mrc_queue_path(out->report, a->queue, &a->job, "report", err);
    if (status == MRC_OK)
        status = mrc_queue_path(out->capture, a->queue, &a->job, "report/report.dcm", err);
    if (status != MRC_OK || a->job.source[0] == '\0') return status;
    snprintf(out->input, sizeof out->input, "%s", a->job.source);
    snprintf(out->output, sizeof out->output, "%s", a->job.output);
    clean_beside(out->output);
    return MRC_OK;
}

static enum mrc_status attempt(bool *skipped, const struct mrc_serve_attempt *a,
                               struct mrc_error *err) {
    struct places at;
    struct plan plan = {.rule = NULL};
    enum mrc_status status = find_places(&at, a, err);
    if (status != MRC_OK) return status;
    bool translated = mrc_path_exists(at.output) && mrc_path_exists(at.report);
    status = make_plan(&plan, a, at.input, translated, err);
    *skipped = plan.skipped;
    bool routed = plan.rule != NULL && plan.rule->action == MRC_RULE_ROUTE;
    if (status != MRC_OK || routed)
        ;
    else if (!translated)
        status = translate(a, &plan, at.input, at.output, at.report, err);
    else if (a->job.source[0] != '\0') /* of an attempt that was interrupted, or somebody else's */
        status = mrc_place_check_replaced(at.output, err);
    const char *const paths[] = {routed ? at.input : at.output, at.capture};
    bool with_capture = !routed && mrc_path_exists(at.capture);
    if (status == MRC_OK && (routed || is_dicom(at.output)))
        status = send_on(a, plan.rule, paths, with_capture ? 2 : 1, err);
    plan_clear(&plan);
    return status;
}

/* A record is read by people who typed nothing: no options of a command line, and no path of the
 * queue's, which changes. */
static void make_plain(char *text, const struct mrc_serve_attempt *a) {
    char *hint = strstr(text, " (--"), *end = hint != NULL ? strchr(hint, ')') : NULL;
    char folder[MRC_JOB_PATH];
    if (end != NULL) memmove(hint, end + 1, strlen(end + 1) + 1);
    if (mrc_queue_path(folder, a->queue, &a->job, NULL, NULL) != MRC_OK) return;
    size_t length = strlen(folder);
    if (strncmp(text, folder, length) == 0 && text[length] == '/')
        memmove(text, text + length + 1, strlen(text + length + 1) + 1);
}

int mrc_serve_work(void *context) {
    const struct mrc_serve_attempt *a = context;
    struct mrc_error err = {0};
    char why[MRC_JOB_PATH];
    bool skipped = false;
    enum mrc_status status = mrc_queue_path(why, a->queue, &a->job, "why", &err);
    if (status != MRC_OK) return (int)status;
    (void)unlink(why); /* of an attempt whose server was killed */
    status = attempt(&skipped, a, &err);
    make_plain(err.text, a);
    int code = skipped ? MRC_SERVE_SKIPPED : (int)status;
    if (status != MRC_OK && mrc_write_file(why, err.text, strlen(err.text), NULL) != MRC_OK)
        return code; /* without the words */
    return code;
}
