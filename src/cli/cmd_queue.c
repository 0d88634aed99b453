/* cmd_queue.c: mrcycle queue. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/node/queue.h"
#include "app/node/queue_admin.h"
#include "app/node/serve_config.h"
#include "base/fs.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { KEY_RETRY = MRC_OPTION_OWN, KEY_DELETE, KEY_WHY, KEY_JSON };

static const struct argp_option table[] = {
    {.name = "retry",
     .key = KEY_RETRY,
     .arg = "ID",
     .doc = "Give this job, which failed or waits, all its attempts again; 'all' for all failed"},
    {.name = "delete",
     .key = KEY_DELETE,
     .arg = "ID",
     .doc = "Remove this job, which is new, done, failed or skipped, with its images and results; "
            "'done', 'failed' or 'skipped' for all such"},
    {.name = "why",
     .key = KEY_WHY,
     .arg = "ID",
     .doc = "All that is known of this job; the beginning of an ID is enough"},
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object in place of the list"},
    {0}};

struct arguments {
    const char *place, *retry, *delete, *why;
    bool json;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case KEY_RETRY: a->retry = value; break;
    case KEY_DELETE: a->delete = value; break;
    case KEY_WHY: a->why = value; break;
    case KEY_JSON: a->json = true; break;
    case ARGP_KEY_ARG:
        if (a->place != NULL) mrc_option_fail(state, "a second queue '%s', expected one", value);
        a->place = value;
        break;
    case ARGP_KEY_END:
        if (a->place == NULL) mrc_option_fail(state, "expected a CONFIG file or a queue's folder");
        if ((a->retry != NULL) + (a->delete != NULL) + (a->why != NULL) > 1 ||
            (a->json && (a->retry != NULL || a->delete != NULL)))
            mrc_option_fail(state, "--retry, --delete, --why and --json one at a time, but --json "
                                   "goes with --why");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "CONFIG|DIR",
    .doc = "Lists the jobs of mrcycle serve: id, state, age, images, attempts, and why the last "
           "one failed; below it the image in a watched folder, and the page that says how far its "
           "result can be trusted."};

static void print_age(char *out, size_t capacity, int64_t seconds) {
    if (seconds < 0) seconds = 0;
    if (seconds < 120)
        snprintf(out, capacity, "%llds", (long long)seconds);
    else if (seconds < 7200)
        snprintf(out, capacity, "%lldmin", (long long)seconds / 60);
    else if (seconds < 172800)
        snprintf(out, capacity, "%lldh", (long long)seconds / 3600);
    else
        snprintf(out, capacity, "%lldd", (long long)seconds / 86400);
}

static void print_job(const mrc_queue *queue, const struct mrc_job *job, int64_t now) {
    char age[32] = "-", wait[48] = "", images[24] = "-", report[MRC_JOB_PATH];
    const bool watched = job->source[0] != '\0'; /* its images are not counted */
    if (job->created > 0) print_age(age, sizeof age, now - job->created);
    if (job->state == MRC_JOB_NEW && job->not_before > now)
        snprintf(wait, sizeof wait, "again in %llds%s", (long long)(job->not_before - now),
                 job->why[0] != '\0' ? ": " : "");
    if (!watched) snprintf(images, sizeof images, "%lld", (long long)job->images);
    printf("%-18s %-8s %7s %6s %3d  %s%s\n", job->id, mrc_job_state_name(job->state), age, images,
           job->attempts, wait, job->why);
    if (watched) printf("%-18s of %s\n", "", job->source);
    if (mrc_queue_report(report, queue, job)) printf("%-18s %s\n", "", report);
}

static enum mrc_status show(mrc_queue *queue, struct mrc_error *err) {
    struct mrc_job_list list = {0};
    int64_t now = (int64_t)time(NULL), counts[MRC_JOB_STATES] = {0};
    enum mrc_status status = mrc_queue_list(&list, queue, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i) {
        if (i == 0) printf("%-18s %-8s %7s %6s %3s\n", "ID", "STATE", "AGE", "IMAGES", "TRY");
        print_job(queue, &list.jobs[i], now);
        ++counts[list.jobs[i].state];
    }
    for (int s = 0; status == MRC_OK && s < MRC_JOB_STATES; ++s)
        printf("%s%s %lld", s > 0 ? ", " : "", mrc_job_state_name((enum mrc_job_state)s),
               (long long)counts[s]);
    if (status == MRC_OK) printf("\n");
    mrc_job_list_clear(&list);
    return status;
}

static enum mrc_status act(mrc_queue *queue, const struct arguments *a, const char *log,
                           struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status status;
    if (a->retry != NULL) return mrc_queue_retry_asked(queue, a->retry, err);
    if (a->delete != NULL) return mrc_queue_delete_asked(queue, a->delete, log, err);
    if (a->why == NULL && !a->json) return show(queue, err);
    status = a->json ? mrc_queue_print_json(&text, queue, a->why, err)
                     : mrc_queue_print_job(&text, queue, a->why, err);
    if (status == MRC_OK) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status;
}

int mrc_cmd_queue(int argc, char **argv) {
    static struct mrc_serve_config config;
    struct arguments a = {0};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    struct mrc_error err = {0};
    mrc_queue *queue = NULL;
    enum mrc_status status = MRC_OK;
    const char *dir = a.place;
    mrc_serve_config_init(&config);
    if (!mrc_path_is_dir(a.place)) {
        status = mrc_serve_config_load(&config, a.place, &err);
        dir = config.queue;
    }
    if (status == MRC_OK) status = mrc_queue_open(&queue, dir, false, &err);
    if (status == MRC_OK && config.audit[0] == '\0')
        status = mrc_serve_config_name_log(&config, dir, &err);
    if (status == MRC_OK) status = act(queue, &a, config.audit, &err);
    mrc_queue_close(queue);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
