/* serve_metrics.c: how a node is, for programs that watch it. Counters begin anew with the node;
 * what the audit log says stays. */
#include <cjson/cJSON.h>
#include <math.h>
#include <sys/statvfs.h>
#include <time.h>

#include "app/node/serve_parts.h"
#include "base/json.h"

static double free_bytes(const mrc_queue *queue) {
    struct statvfs info;
    if (statvfs(mrc_queue_dir(queue), &info) != 0) return NAN;
    return (double)info.f_bavail * (double)info.f_frsize;
}

static void head(struct mrc_text *out, const char *name, const char *kind, const char *help) {
    mrc_text_appendf(out, "# HELP mrcycle_%s %s\n# TYPE mrcycle_%s %s\n", name, help, name, kind);
}

static void one(struct mrc_text *out, const char *name, const char *kind, double value,
                const char *help) {
    head(out, name, kind, help);
    if (isnan(value))
        mrc_text_appendf(out, "mrcycle_%s NaN\n", name);
    else
        mrc_text_appendf(out, "mrcycle_%s %.15g\n", name, value);
}

static void print_queue(struct mrc_text *out, const struct mrc_serve_view *v) {
    struct mrc_queue_survey survey;
    if (mrc_queue_survey(&survey, v->queue, NULL) != MRC_OK) return;
    double oldest = survey.oldest > 0 ? difftime(time(NULL), (time_t)survey.oldest) : 0.0;
    head(out, "jobs", "gauge", "Jobs in the queue by state.");
    for (int s = 0; s < MRC_JOB_STATES; ++s)
        mrc_text_appendf(out, "mrcycle_jobs{state=\"%s\"} %lld\n",
                         mrc_job_state_name((enum mrc_job_state)s), (long long)survey.counts[s]);
    one(out, "oldest_job_seconds", "gauge", oldest > 0.0 ? oldest : 0.0,
        "Age of the oldest job that is new or running.");
}

static void print_images(struct mrc_text *out, const struct mrc_serve_board *board) {
    const struct {
        const char *name;
        long long count;
    } rows[] = {{"stored", atomic_load(&board->stored)},
                {"known", atomic_load(&board->known)},
                {"differing", atomic_load(&board->differing)},
                {"refused", atomic_load(&board->refused)},
                {"no_room", atomic_load(&board->no_room)}};
    head(out, "images_total", "counter", "Images that were offered, by the answer.");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r)
        mrc_text_appendf(out, "mrcycle_images_total{answer=\"%s\"} %lld\n", rows[r].name,
                         rows[r].count);
}

static void print_attempts(struct mrc_text *out, const struct mrc_serve_tally *t) {
    static const struct {
        const char *name;
        enum mrc_job_state state;
    } rows[] = {{"done", MRC_JOB_DONE},
                {"failed", MRC_JOB_FAILED},
                {"skipped", MRC_JOB_SKIPPED},
                {"again", MRC_JOB_NEW}};
    head(out, "attempts_total", "counter", "Attempts at jobs, by what became of the job.");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r)
        mrc_text_appendf(out, "mrcycle_attempts_total{outcome=\"%s\"} %lld\n", rows[r].name,
                         (long long)t->ended[rows[r].state]);
    one(out, "attempt_seconds_total", "counter", t->work_s, "Time that these took.");
}

void mrc_serve_metrics(void *view, struct mrc_text *out) {
    const struct mrc_serve_view *v = view;
    const struct mrc_serve_tally *t = &v->tally;
    print_queue(out, v);
    print_images(out, v->board);
    print_attempts(out, t);
    one(out, "free_bytes", "gauge", free_bytes(v->queue), "Free on the disk of the queue.");
    one(out, "associations_open", "gauge", v->open, "Associations at this moment.");
    one(out, "associations_total", "counter", (double)t->associations, "Associations begun.");
    one(out, "turned_away_total", "counter", (double)t->turned_away,
        "Connections refused for their host or for want of a place.");
    one(out, "last_association_timestamp_seconds", "gauge", (double)t->last_association,
        "When the last association began; 0: none has.");
    one(out, "deleted_total", "counter", (double)t->deleted, "Jobs removed by age or size.");
    one(out, "reloads_total", "counter", (double)t->reloads, "Times the settings were read anew.");
    one(out, "log_waits", "gauge", v->log_waits, "1: the audit log does not take its lines.");
    one(out, "start_timestamp_seconds", "gauge", (double)t->began, "When the node began.");
}

static void object(cJSON *array, bool holds, const char *reason) {
    if (holds) cJSON_AddItemToArray(array, cJSON_CreateString(reason));
}

bool mrc_serve_health(void *view, struct mrc_text *out) {
    const struct mrc_serve_view *v = view;
    struct mrc_queue_survey survey;
    double room = free_bytes(v->queue);
    cJSON *root = mrc_json_begin(), *reasons = cJSON_CreateArray();
    object(reasons, mrc_queue_survey(&survey, v->queue, NULL) != MRC_OK,
           "the queue cannot be read");
    object(reasons, !(room >= v->config->min_free_mb * 1048576.0),
           "less is free on the disk of the queue than min_free_mb");
    object(reasons, v->log_waits, "the audit log does not take its lines");
    bool well = cJSON_GetArraySize(reasons) == 0;
    cJSON_AddStringToObject(root, "status", well ? "ok" : "trouble");
    cJSON_AddItemToObject(root, "reasons", reasons);
    char *text = mrc_json_print(root, false);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
    return well;
}
