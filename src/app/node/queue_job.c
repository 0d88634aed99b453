/* queue_job.c: jobs: their records, where they come from, and how they move. */
#define _DEFAULT_SOURCE /* strsep */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "app/node/queue_folder.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

enum { MAX_RECORD = 1 << 16, MAX_ORIGIN = 1024, MOST_TURNS = 4096, MOST_FILES = 200000 };

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the queue");
}

/* --- Records --- */

static int64_t get_integer(const cJSON *root, const char *name) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(root, name);
    return cJSON_IsNumber(node) && node->valuedouble > -1e15 && node->valuedouble < 1e15
               ? (int64_t)node->valuedouble
               : 0;
}

static void get_text(char *out, size_t capacity, const cJSON *root, const char *name) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(root, name);
    const char *text = cJSON_IsString(node) ? node->valuestring : "";
    snprintf(out, capacity, "%s", text);
}

void mrc_job_read(struct mrc_job *job, const char *folder) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(folder, "job.json");
    cJSON *root = NULL;
    if (path != NULL && mrc_read_file(&text, &size, path, MAX_RECORD, NULL) == MRC_OK)
        root = cJSON_Parse((const char *)text);
    job->created = get_integer(root, "created");
    job->changed = get_integer(root, "changed");
    job->not_before = get_integer(root, "not_before");
    job->images = get_integer(root, "images");
    job->attempts = (int)get_integer(root, "attempts");
    job->crashes = (int)get_integer(root, "crashes");
    get_text(job->why, sizeof job->why, root, "why");
    get_text(job->source, sizeof job->source, root, "source");
    get_text(job->output, sizeof job->output, root, "output");
    get_text(job->host, sizeof job->host, root, "host");
    get_text(job->calling, sizeof job->calling, root, "calling");
    get_text(job->rule, sizeof job->rule, root, "rule");
    get_text(job->supersedes, sizeof job->supersedes, root, "supersedes");
    get_text(job->absorbed, sizeof job->absorbed, root, "absorbed");
    job->bytes = get_integer(root, "bytes");
    cJSON_Delete(root);
    mrc_free(text);
    mrc_free(path);
}

static bool add_number(cJSON *root, const char *name, double value) {
    return cJSON_AddNumberToObject(root, name, value) != NULL;
}

static bool add_text(cJSON *root, const char *name, const char *value) {
    return value[0] == '\0' || cJSON_AddStringToObject(root, name, value) != NULL;
}

/* False: out of memory, and the record is not whole. */
static bool describe(cJSON *root, const struct mrc_job *job) {
    return add_number(root, "created", (double)job->created) &&
           add_number(root, "changed", (double)job->changed) &&
           add_number(root, "not_before", (double)job->not_before) &&
           add_number(root, "images", (double)job->images) &&
           add_number(root, "attempts", job->attempts) &&
           add_number(root, "crashes", job->crashes) &&
           cJSON_AddStringToObject(root, "why", job->why) != NULL &&
           add_text(root, "source", job->source) && add_text(root, "output", job->output) &&
           add_text(root, "host", job->host) && add_text(root, "calling", job->calling) &&
           add_text(root, "rule", job->rule) && add_text(root, "absorbed", job->absorbed) &&
           add_text(root, "supersedes", job->supersedes) &&
           add_number(root, "bytes", (double)job->bytes);
}

enum mrc_status mrc_job_write(const struct mrc_job *job, const char *folder,
                              struct mrc_error *err) {
    char *path = mrc_path_join(folder, "job.json");
    cJSON *root = mrc_json_begin();
    char *text = describe(root, job) ? mrc_json_print(root, true) : NULL;
    enum mrc_status status = path != NULL && text != NULL
                                 ? mrc_write_file(path, text, strlen(text), err)
                                 : no_memory(err);
    cJSON_free(text);
    cJSON_Delete(root);
    mrc_free(path);
    return status;
}

/* --- Moving --- */

static enum mrc_status sync_state(const mrc_queue *queue, enum mrc_job_state state,
                                  struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    enum mrc_status status =
        mrc_queue_join(path, queue, mrc_job_state_name(state), NULL, NULL, err);
    return status == MRC_OK ? mrc_sync_dir(path, err) : status;
}

/* The folder `from` becomes the job's. The target is synced first: a crash in between leaves both
 * names or one, never none. */
enum mrc_status mrc_queue_rename_held(mrc_queue *queue, struct mrc_job *job, const char *from,
                                      enum mrc_job_state to, struct mrc_error *err) {
    char target[MRC_JOB_PATH];
    enum mrc_job_state before = job->state;
    enum mrc_status status =
        mrc_queue_join(target, queue, mrc_job_state_name(to), job->id, NULL, err);
    if (status == MRC_OK && rename(from, target) != 0)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: %s", target, strerror(errno));
    if (status != MRC_OK) return status;
    job->state = to;
    status = sync_state(queue, to, err);
    return status == MRC_OK ? sync_state(queue, before, err) : status;
}

/* Files below the folder; two names of one file count twice. */
static int64_t size_of(const char *folder) {
    struct mrc_name_list files = {0};
    int64_t bytes = 0;
    struct stat info;
    if (mrc_list_tree(&files, folder, MOST_FILES, NULL) == MRC_OK)
        for (size_t i = 0; i < files.count; ++i)
            if (stat(files.names[i], &info) == 0) bytes += (int64_t)info.st_size;
    mrc_name_list_clear(&files);
    return bytes;
}

void mrc_job_strip(const mrc_queue *queue, const struct mrc_job *job) {
    static const char *const parts[] = {"images", "out", "sent.list", "why"};
    char path[MRC_JOB_PATH];
    for (size_t p = 0; p < sizeof parts / sizeof *parts; ++p)
        if (mrc_queue_path(path, queue, job, parts[p], NULL) == MRC_OK) mrc_remove_tree(path);
}

enum mrc_status mrc_queue_move_held(mrc_queue *queue, struct mrc_job *job, enum mrc_job_state to,
                                    struct mrc_error *err) {
    char folder[MRC_JOB_PATH];
    job->changed = (int64_t)time(NULL);
    enum mrc_status status = mrc_queue_path(folder, queue, job, NULL, err);
    if (status == MRC_OK && (to == MRC_JOB_DONE || to == MRC_JOB_FAILED))
        job->bytes = size_of(folder);
    if (status == MRC_OK) status = mrc_job_write(job, folder, err);
    if (status != MRC_OK || job->state == to) return status;
    status = mrc_queue_rename_held(queue, job, folder, to, err);
    if (job->state == MRC_JOB_SKIPPED) mrc_job_strip(queue, job);
    return status;
}

enum mrc_status mrc_queue_move(mrc_queue *queue, struct mrc_job *job, enum mrc_job_state to,
                               struct mrc_error *err) {
    int held = -1;
    enum mrc_status status = mrc_queue_hold(&held, queue, err);
    if (status != MRC_OK) return status;
    status = mrc_queue_move_held(queue, job, to, err);
    mrc_queue_let_go(held);
    return status;
}

/* --- Lists --- */

void mrc_job_list_clear(struct mrc_job_list *list) {
    mrc_free(list->jobs);
    *list = (struct mrc_job_list){0};
}

static enum mrc_status add_job(struct mrc_job_list *list, const struct mrc_job *job,
                               struct mrc_error *err) {
    void *jobs = list->jobs;
    if (!mrc_grow(&jobs, &list->capacity, list->count + 1, sizeof *list->jobs))
        return no_memory(err);
    list->jobs = jobs;
    list->jobs[list->count++] = *job;
    return MRC_OK;
}

/* Those of one state, whose id begins with `beginning`; records are read when asked for. One that
 * moves on meanwhile may be missed. */
static enum mrc_status list_state(struct mrc_job_list *out, const mrc_queue *queue,
                                  enum mrc_job_state state, const char *beginning, bool read,
                                  struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    enum mrc_status status =
        mrc_queue_join(path, queue, mrc_job_state_name(state), NULL, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&names, path, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        struct mrc_job job = {.state = state};
        if (strlen(names.names[i]) >= sizeof job.id) continue;
        if (strncmp(names.names[i], beginning, strlen(beginning)) != 0) continue;
        snprintf(job.id, sizeof job.id, "%s", names.names[i]);
        status = mrc_queue_path(path, queue, &job, NULL, err);
        if (status == MRC_OK && read) {
            if (!mrc_path_is_dir(path)) continue;
            mrc_job_read(&job, path);
        }
        if (status == MRC_OK) status = add_job(out, &job, err);
    }
    mrc_name_list_clear(&names);
    return status;
}

int64_t mrc_job_number(const char *id) {
    int64_t number = 0;
    const char *dash = strrchr(id, '-');
    return dash != NULL && mrc_parse_i64(&number, dash + 1, 1, INT32_MAX) == MRC_OK ? number : 0;
}

static int by_number(const void *a, const void *b) {
    int64_t left = mrc_job_number(((const struct mrc_job *)a)->id);
    int64_t right = mrc_job_number(((const struct mrc_job *)b)->id);
    return (left < right) - (left > right);
}

enum mrc_status mrc_queue_jobs_of(struct mrc_job_list *out, const mrc_queue *queue,
                                  const char *series, struct mrc_error *err) {
    char beginning[MRC_JOB_ID_TEXT];
    enum mrc_status status = MRC_OK;
    snprintf(beginning, sizeof beginning, "%s-", series);
    for (int s = MRC_JOB_NEW; status == MRC_OK && s < MRC_JOB_STATES; ++s)
        status = list_state(out, queue, (enum mrc_job_state)s, beginning, false, err);
    if (status == MRC_OK && out->count > 1)
        qsort(out->jobs, out->count, sizeof *out->jobs, by_number);
    return status;
}

static int by_time(const void *a, const void *b) {
    const struct mrc_job *left = a, *right = b;
    if (left->state != right->state) return (left->state > right->state) ? 1 : -1;
    if (left->created != right->created) return left->created > right->created ? 1 : -1;
    return strcmp(left->id, right->id);
}

enum mrc_status mrc_queue_list(struct mrc_job_list *out, mrc_queue *queue, struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (int s = MRC_JOB_ARRIVING; status == MRC_OK && s < MRC_JOB_STATES; ++s)
        status = list_state(out, queue, (enum mrc_job_state)s, "", true, err);
    for (size_t i = 0; status == MRC_OK && i < out->count; ++i) {
        struct mrc_job *job = &out->jobs[i];
        char images[MRC_JOB_PATH];
        struct mrc_name_list names = {0};
        if (job->state != MRC_JOB_ARRIVING) continue;
        status = mrc_queue_path(images, queue, job, "images", err);
        if (status == MRC_OK && mrc_list_dir(&names, images, NULL) == MRC_OK)
            job->images = (int64_t)names.count;
        mrc_name_list_clear(&names);
    }
    if (status == MRC_OK && out->count > 1)
        qsort(out->jobs, out->count, sizeof *out->jobs, by_time);
    if (status != MRC_OK) mrc_job_list_clear(out);
    return status;
}

enum mrc_status mrc_queue_survey(struct mrc_queue_survey *out, mrc_queue *queue,
                                 struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    *out = (struct mrc_queue_survey){.oldest = 0};
    for (int s = MRC_JOB_ARRIVING; status == MRC_OK && s < MRC_JOB_STATES; ++s) {
        struct mrc_job_list list = {0};
        bool waits = s == MRC_JOB_NEW || s == MRC_JOB_RUNNING;
        status = list_state(&list, queue, (enum mrc_job_state)s, "", waits, err);
        out->counts[s] = (int64_t)list.count;
        for (size_t i = 0; waits && i < list.count; ++i) {
            int64_t created = list.jobs[i].created;
            if (created > 0 && (out->oldest == 0 || created < out->oldest)) out->oldest = created;
        }
        mrc_job_list_clear(&list);
    }
    return status;
}

/* --- Turns --- */

static uint64_t turn_of(const mrc_queue *queue, const char *host) {
    for (size_t i = 0; i < queue->turn_count; ++i)
        if (strcmp(queue->turns[i].host, host) == 0) return queue->turns[i].turn;
    return 0;
}

/* The host whose turn is longest ago makes room for another: hosts are few, addresses are not. */
static struct mrc_queue_turn *make_turn(mrc_queue *queue, struct mrc_error *err) {
    void *grown = queue->turns;
    if (queue->turn_count < MOST_TURNS) {
        if (!mrc_grow(&grown, &queue->turn_capacity, queue->turn_count + 1, sizeof *queue->turns)) {
            (void)no_memory(err);
            return NULL;
        }
        queue->turns = grown;
        return &queue->turns[queue->turn_count++];
    }
    struct mrc_queue_turn *oldest = queue->turns;
    for (size_t i = 1; i < queue->turn_count; ++i)
        if (queue->turns[i].turn < oldest->turn) oldest = &queue->turns[i];
    return oldest;
}

static enum mrc_status give_turn(mrc_queue *queue, const char *host, struct mrc_error *err) {
    struct mrc_queue_turn *turn = NULL;
    for (size_t i = 0; i < queue->turn_count && turn == NULL; ++i)
        if (strcmp(queue->turns[i].host, host) == 0) turn = &queue->turns[i];
    if (turn == NULL) turn = make_turn(queue, err);
    if (turn == NULL) return MRC_ERR_NOMEM;
    snprintf(turn->host, sizeof turn->host, "%s", host);
    turn->turn = ++queue->last_turn;
    return MRC_OK;
}

/* Does the one come before the other? */
static bool is_before(const mrc_queue *queue, const struct mrc_job *one,
                      const struct mrc_job *other) {
    uint64_t a = turn_of(queue, one->host), b = turn_of(queue, other->host);
    return a != b ? a < b : one->created < other->created;
}

enum mrc_status mrc_queue_next(bool *found, struct mrc_job *job, mrc_queue *queue,
                               struct mrc_error *err) {
    struct mrc_job_list list = {0};
    int64_t now = (int64_t)time(NULL);
    *found = false;
    enum mrc_status status = list_state(&list, queue, MRC_JOB_NEW, "", true, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i) {
        const struct mrc_job *other = &list.jobs[i];
        bool clock_went_back = other->changed > now; /* by how much nobody knows: no wait then */
        if (other->not_before > now && !clock_went_back) continue;
        if (*found && !is_before(queue, other, job)) continue;
        *job = *other;
        *found = true;
    }
    mrc_job_list_clear(&list);
    return status == MRC_OK && *found ? give_turn(queue, job->host, err) : status;
}

static enum mrc_status retry_held(mrc_queue *queue, const char *id, struct mrc_error *err) {
    static const enum mrc_job_state from[] = {MRC_JOB_FAILED, MRC_JOB_NEW};
    char path[MRC_JOB_PATH];
    for (size_t i = 0; i < sizeof from / sizeof *from; ++i) {
        struct mrc_job job = {.state = from[i]};
        if (strlen(id) >= sizeof job.id || strchr(id, '/') != NULL || id[0] == '.') break;
        snprintf(job.id, sizeof job.id, "%s", id);
        enum mrc_status status = mrc_queue_path(path, queue, &job, NULL, err);
        if (status != MRC_OK) return status;
        if (!mrc_path_is_dir(path)) continue;
        mrc_job_read(&job, path);
        job.attempts = job.crashes = 0;
        job.not_before = 0;
        return mrc_queue_move_held(queue, &job, MRC_JOB_NEW, err);
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: no job '%.40s' that failed or waits",
                    mrc_queue_dir(queue), id);
}

enum mrc_status mrc_queue_retry(mrc_queue *queue, const char *id, struct mrc_error *err) {
    int held = -1;
    enum mrc_status status = mrc_queue_hold(&held, queue, err);
    if (status != MRC_OK) return status;
    status = retry_held(queue, id, err);
    mrc_queue_let_go(held);
    return status;
}

/* --- From series to job --- */

/* How an arriving series looks; `mark` differs whenever anything was added or ended. */
struct look {
    uint64_t mark;
    size_t images;
    bool open, broken;
};

static uint64_t time_of(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return 0;
    return (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec;
}

static enum mrc_status look_at(struct look *out, const mrc_queue *queue, const char *series,
                               struct mrc_error *err) {
    char folder[MRC_JOB_PATH], images[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    *out = (struct look){0};
    enum mrc_status status = mrc_queue_join(folder, queue, "arriving", series, NULL, err);
    if (status == MRC_OK) status = mrc_queue_join(images, queue, "arriving", series, "images", err);
    if (status == MRC_OK) status = mrc_list_dir(&names, folder, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        out->open = out->open || strncmp(names.names[i], "open-", 5) == 0;
        out->broken = out->broken || strcmp(names.names[i], "broken") == 0;
    }
    mrc_name_list_clear(&names);
    if (status != MRC_OK) return status;
    if (mrc_list_dir(&names, images, NULL) == MRC_OK) out->images = names.count;
    mrc_name_list_clear(&names);
    out->mark = time_of(images) * 31u + out->images * 4u + (out->open ? 2u : 0u) + out->broken;
    return MRC_OK;
}

/* The lines of a series's file "origin"; "" where it does not say. */
struct origin {
    char host[MRC_HOST_TEXT], calling[MRC_AET_TEXT], study[MRC_SERIES_TEXT];
};

static void take_line(char *out, size_t capacity, char **rest) {
    const char *line = strsep(rest, "\n");
    snprintf(out, capacity, "%s", line != NULL ? line : "");
}

static void read_origin(struct origin *out, const mrc_queue *queue, const char *series) {
    char path[MRC_JOB_PATH];
    unsigned char *text = NULL;
    size_t size = 0;
    *out = (struct origin){.host = ""};
    if (mrc_queue_join(path, queue, "arriving", series, "origin", NULL) != MRC_OK ||
        mrc_read_file(&text, &size, path, MAX_ORIGIN, NULL) != MRC_OK)
        return;
    char *rest = (char *)text;
    take_line(out->host, sizeof out->host, &rest);
    take_line(out->calling, sizeof out->calling, &rest);
    take_line(out->study, sizeof out->study, &rest);
    mrc_free(text);
}

static struct mrc_queue_seen *find_seen(const mrc_queue *queue, const char *series) {
    for (size_t i = 0; i < queue->seen_count; ++i)
        if (strcmp(queue->seen[i].series, series) == 0) return &queue->seen[i];
    return NULL;
}

static struct mrc_queue_seen *add_seen(mrc_queue *queue, const char *series) {
    void *grown = queue->seen;
    if (!mrc_grow(&grown, &queue->seen_capacity, queue->seen_count + 1, sizeof *queue->seen))
        return NULL;
    queue->seen = grown;
    struct mrc_queue_seen *seen = &queue->seen[queue->seen_count++];
    *seen = (struct mrc_queue_seen){.open = true}; /* so that its time begins now */
    snprintf(seen->series, sizeof seen->series, "%s", series);
    return seen;
}

/* Since when the series has looked so, by the clock that nobody sets. */
static enum mrc_status see(mrc_queue *queue, const char *series, struct mrc_error *err) {
    struct look look;
    enum mrc_status status = look_at(&look, queue, series, err);
    if (status != MRC_OK) return status;
    struct mrc_queue_seen *seen = find_seen(queue, series);
    if (seen == NULL) seen = add_seen(queue, series);
    if (seen == NULL) return no_memory(err);
    if (seen->mark != look.mark || seen->open) {
        struct origin origin;
        read_origin(&origin, queue, series); /* it may have been seen without */
        memcpy(seen->study, origin.study, sizeof seen->study);
        seen->since_s = now_s();
    }
    seen->mark = look.mark;
    seen->open = look.open;
    return MRC_OK;
}

/* Is more of its study on its way, or was lately? */
static bool study_is_quiet(const mrc_queue *queue, const struct mrc_queue_seen *series,
                           double quiet_s) {
    for (size_t i = 0; series->study[0] != '\0' && i < queue->seen_count; ++i) {
        const struct mrc_queue_seen *other = &queue->seen[i];
        if (strcmp(other->study, series->study) != 0) continue;
        if (other->open || now_s() - other->since_s < quiet_s) return false;
    }
    return true;
}

static void forget(mrc_queue *queue, const char *series) {
    for (size_t i = 0; i < queue->seen_count; ++i)
        if (strcmp(queue->seen[i].series, series) == 0) {
            queue->seen[i] = queue->seen[--queue->seen_count];
            return;
        }
}

/* Links into `images` what the job has and `images` has not. */
static enum mrc_status add_images_of(const mrc_queue *queue, const struct mrc_job *job,
                                     const char *images, struct mrc_error *err) {
    char folder[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    enum mrc_status status = mrc_queue_path(folder, queue, job, "images", err);
    if (status != MRC_OK || !mrc_path_is_dir(folder)) return status;
    status = mrc_list_dir(&names, folder, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        char *from = mrc_path_join(folder, names.names[i]);
        char *to = mrc_path_join(images, names.names[i]);
        if (from == NULL || to == NULL)
            status = no_memory(err);
        else if (link(from, to) != 0 && errno != EEXIST)
            status = mrc_fail(err, MRC_ERR_WRITE, "%s: %s", to, strerror(errno));
        mrc_free(to);
        mrc_free(from);
    }
    mrc_name_list_clear(&names);
    return status;
}

/* The marks of a series that arrives are none of a job's. */
static enum mrc_status unmark(const char *folder, struct mrc_error *err) {
    static const char *const marks[] = {"broken", "origin"};
    for (size_t m = 0; m < sizeof marks / sizeof *marks; ++m) {
        char *mark = mrc_path_join(folder, marks[m]);
        if (mark == NULL) return no_memory(err);
        (void)unlink(mark);
        mrc_free(mark);
    }
    return mrc_sync_dir(folder, err);
}

/* What has not begun need not be done: all its images are in the new job, too. */
static void absorb(struct mrc_job *job, const mrc_queue *queue, const struct mrc_job *earlier) {
    char folder[MRC_JOB_PATH], aside[MRC_JOB_PATH];
    struct mrc_job before = *earlier;
    if (before.state != MRC_JOB_NEW || mrc_queue_path(folder, queue, &before, NULL, NULL) != MRC_OK)
        return;
    mrc_job_read(&before, folder);
    if (before.attempts > 0 ||
        mrc_queue_join(aside, queue, "receiving", before.id, NULL, NULL) != MRC_OK ||
        rename(folder, aside) != 0)
        return;
    mrc_remove_tree(aside);
    memcpy(job->absorbed, before.id, sizeof job->absorbed);
}

/* The record of a series that becomes a job. */
static enum mrc_status describe_job(struct mrc_job *job, mrc_queue *queue, const char *series,
                                    int64_t number, struct mrc_error *err) {
    struct look look;
    struct origin origin;
    enum mrc_status status = look_at(&look, queue, series, err);
    if (status != MRC_OK) return status;
    read_origin(&origin, queue, series);
    job->images = (int64_t)look.images;
    memcpy(job->host, origin.host, sizeof job->host);
    memcpy(job->calling, origin.calling, sizeof job->calling);
    snprintf(job->id, sizeof job->id, "%s-%lld", series, (long long)number);
    return MRC_OK;
}

/* The series becomes a job: its record is written before it moves. */
static enum mrc_status make_job(struct mrc_job *job, mrc_queue *queue, const char *series,
                                struct mrc_error *err) {
    char folder[MRC_JOB_PATH], images[MRC_JOB_PATH];
    struct mrc_job_list before = {0};
    *job = (struct mrc_job){.state = MRC_JOB_ARRIVING, .created = (int64_t)time(NULL)};
    job->changed = job->created;
    enum mrc_status status = mrc_queue_join(folder, queue, "arriving", series, NULL, err);
    if (status == MRC_OK) status = mrc_queue_join(images, queue, "arriving", series, "images", err);
    if (status == MRC_OK) status = mrc_queue_jobs_of(&before, queue, series, err);
    for (size_t i = 0; status == MRC_OK && i < before.count; ++i)
        status = add_images_of(queue, &before.jobs[i], images, err);
    if (status == MRC_OK && before.count > 0) status = mrc_sync_dir(images, err);
    int64_t number = before.count > 0 ? mrc_job_number(before.jobs[0].id) + 1 : 1;
    if (status == MRC_OK) status = describe_job(job, queue, series, number, err);
    for (size_t i = before.count; status == MRC_OK && i > 0; --i) /* the newest last */
        if (before.jobs[i - 1].state == MRC_JOB_DONE)
            memcpy(job->supersedes, before.jobs[i - 1].id, sizeof job->supersedes);
    if (status == MRC_OK) status = mrc_job_write(job, folder, err);
    if (status == MRC_OK) status = unmark(folder, err);
    if (status == MRC_OK) status = mrc_queue_rename_held(queue, job, folder, MRC_JOB_NEW, err);
    for (size_t i = 0; status == MRC_OK && i < before.count; ++i)
        absorb(job, queue, &before.jobs[i]);
    mrc_job_list_clear(&before);
    return status;
}

/* Under the lock, for it may have got an image since it was looked at. */
static enum mrc_status collect_one(bool *made, struct mrc_job *job, mrc_queue *queue,
                                   const char *series, uint64_t mark, struct mrc_error *err) {
    char folder[MRC_JOB_PATH];
    struct look look;
    int held = -1;
    enum mrc_status status = mrc_queue_hold(&held, queue, err);
    if (status != MRC_OK) return status;
    status = look_at(&look, queue, series, err);
    if (status == MRC_OK && look.mark == mark && look.images > 0) {
        status = make_job(job, queue, series, err);
        *made = status == MRC_OK;
    } else if (status == MRC_OK && look.mark == mark) {
        status = mrc_queue_join(folder, queue, "arriving", series, NULL, err);
        if (status == MRC_OK) mrc_remove_tree(folder); /* not one image was kept */
    }
    mrc_queue_let_go(held);
    return status;
}

static enum mrc_status collect_if_quiet(bool *made, struct mrc_job *job, mrc_queue *queue,
                                        const char *series,
                                        const struct mrc_queue_patience *patience,
                                        struct mrc_error *err) {
    struct look look;
    const struct mrc_queue_seen *seen = find_seen(queue, series);
    if (seen == NULL || seen->open) return MRC_OK;
    enum mrc_status status = look_at(&look, queue, series, err);
    if (status != MRC_OK || look.mark != seen->mark) return status;
    double quiet_s = look.broken ? patience->broken_s : patience->quiet_s;
    double waited_s = now_s() - seen->since_s;
    if (waited_s < quiet_s) return MRC_OK;
    if (waited_s < quiet_s + patience->study_s && !study_is_quiet(queue, seen, patience->quiet_s))
        return MRC_OK;
    status = collect_one(made, job, queue, series, look.mark, err);
    if (status == MRC_OK) forget(queue, series); /* what came meanwhile is seen anew */
    return status;
}

enum mrc_status mrc_queue_collect(bool *made, struct mrc_job *job, mrc_queue *queue,
                                  const struct mrc_queue_patience *patience,
                                  struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    struct mrc_error first = {0}; /* one series that cannot be moved does not hold up others */
    *made = false;
    enum mrc_status status = mrc_queue_join(path, queue, "arriving", NULL, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&names, path, err);
    for (size_t i = 0; status == MRC_OK && i < 2 * names.count; ++i) { /* all are seen first */
        const char *series = names.names[i % names.count];
        struct mrc_error why = {0};
        if (*made || strlen(series) >= MRC_SERIES_TEXT) continue;
        enum mrc_status done = i < names.count
                                   ? see(queue, series, &why)
                                   : collect_if_quiet(made, job, queue, series, patience, &why);
        if (done != MRC_OK && first.code == MRC_OK) first = why;
    }
    mrc_name_list_clear(&names);
    if (status == MRC_OK && !*made && first.code != MRC_OK)
        status = mrc_fail(err, first.code, "%s", first.text);
    return status;
}

/* --- Jobs that lie elsewhere --- */

enum mrc_status mrc_queue_add(bool *made, struct mrc_job *job, mrc_queue *queue, const char *name,
                              struct mrc_error *err) {
    char series[MRC_PSEUDONYM_TEXT], folder[MRC_JOB_PATH];
    struct mrc_job_list known = {0};
    *made = false;
    enum mrc_status status = mrc_pseudonym_name(series, &queue->key, "source", name, err);
    if (status == MRC_OK) status = mrc_queue_jobs_of(&known, queue, series, err);
    size_t count = known.count;
    mrc_job_list_clear(&known);
    if (status != MRC_OK || count > 0) return status;
    job->state = MRC_JOB_ARRIVING;
    job->created = job->changed = (int64_t)time(NULL);
    snprintf(job->id, sizeof job->id, "%s-1", series);
    status = mrc_queue_join(folder, queue, "receiving", job->id, NULL, err);
    if (status == MRC_OK && mkdir(folder, 0700) != 0 && errno != EEXIST)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: %s", folder, strerror(errno));
    if (status == MRC_OK) status = mrc_job_write(job, folder, err);
    if (status == MRC_OK) status = mrc_queue_rename_held(queue, job, folder, MRC_JOB_NEW, err);
    *made = status == MRC_OK;
    return status;
}

/* --- What goes --- */

/* By one rename, so that a crash leaves no half of a job, and of several who move it one does. Nobody
 * is held up while its files go. */
static bool remove_job(const mrc_queue *queue, const struct mrc_job *job) {
    char path[MRC_JOB_PATH], aside[MRC_JOB_PATH];
    if (mrc_queue_path(path, queue, job, NULL, NULL) != MRC_OK ||
        mrc_queue_join(aside, queue, "receiving", job->id, NULL, NULL) != MRC_OK ||
        rename(path, aside) != 0)
        return false;
    mrc_remove_tree(aside);
    return true;
}

static int newest_first(const void *a, const void *b) {
    const struct mrc_job *left = a, *right = b;
    if (left->changed != right->changed) return left->changed < right->changed ? 1 : -1;
    return strcmp(left->id, right->id);
}

/* NULL: it stays. *bytes: of the jobs that stay so far. */
static const char *why_it_goes(double *bytes, const struct mrc_job *job,
                               const struct mrc_queue_limit *limit, int64_t now) {
    if ((double)(now - job->changed) > limit->age_s) return "age";
    if (job->source[0] == '\0') *bytes += (double)job->bytes;
    return limit->bytes > 0.0 && *bytes > limit->bytes ? "size" : NULL;
}

static void prune_state(mrc_queue *queue, enum mrc_job_state state,
                        const struct mrc_queue_limit *limit,
                        const struct mrc_queue_witness *witness) {
    struct mrc_job_list list = {0};
    int64_t now = (int64_t)time(NULL);
    double bytes = 0.0;
    if (list_state(&list, queue, state, "", true, NULL) == MRC_OK && list.count > 1)
        qsort(list.jobs, list.count, sizeof *list.jobs, newest_first);
    for (size_t i = 0; i < list.count; ++i) {
        const struct mrc_job *job = &list.jobs[i];
        const char *why = why_it_goes(&bytes, job, limit, now);
        if (state == MRC_JOB_SKIPPED) mrc_job_strip(queue, job); /* after a crash */
        if (why == NULL) continue;
        if (job->source[0] != '\0')
            mrc_job_strip(queue, job); /* else it would be done again */
        else if (remove_job(queue, job))
            witness->gone(witness->context, job, why);
    }
    mrc_job_list_clear(&list);
}

void mrc_queue_prune(mrc_queue *queue, const struct mrc_queue_limit limits[MRC_JOB_STATES],
                     const struct mrc_queue_witness *witness) {
    for (int s = 0; s < MRC_JOB_STATES; ++s)
        if (limits[s].holds) prune_state(queue, (enum mrc_job_state)s, &limits[s], witness);
}

enum mrc_status mrc_queue_delete(mrc_queue *queue, const struct mrc_job *job,
                                 struct mrc_error *err) {
    if (job->state == MRC_JOB_RUNNING || job->state == MRC_JOB_ARRIVING)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: job %s is %s, expected one that rests",
                        queue->dir, job->id, mrc_job_state_name(job->state));
    if (remove_job(queue, job)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: job %s is no longer %s", queue->dir, job->id,
                    mrc_job_state_name(job->state));
}

enum mrc_status mrc_queue_find(struct mrc_job *out, mrc_queue *queue, const char *id,
                               struct mrc_error *err) {
    struct mrc_job_list list = {0};
    size_t found = 0;
    enum mrc_status status = mrc_queue_list(&list, queue, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i) {
        bool whole = strcmp(list.jobs[i].id, id) == 0;
        if (!whole && strncmp(list.jobs[i].id, id, strlen(id)) != 0) continue;
        *out = list.jobs[i];
        found = whole ? 1 : found + 1;
        if (whole) break;
    }
    mrc_job_list_clear(&list);
    if (status != MRC_OK || found == 1) return status;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "%s: %zu jobs whose id begins with '%.40s', expected one", queue->dir, found,
                    id);
}
