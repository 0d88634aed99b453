/* batch.c: rows, and the processes that work on them. */
#include "app/batch/batch.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/common/model_file.h"
#include "app/common/place.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/parallel.h"
#include "model/files/checkpoint.h"

enum { MOST_PROCESSES = 64, MAX_REPORT_BYTES = 4 << 20 };

const char *mrc_outcome_name(enum mrc_outcome outcome) {
    static const char *const names[] = {
        [MRC_OUTCOME_TODO] = "to do",    [MRC_OUTCOME_DONE] = "done",
        [MRC_OUTCOME_KEPT] = "kept",     [MRC_OUTCOME_REFUSED] = "refused",
        [MRC_OUTCOME_FAILED] = "failed", [MRC_OUTCOME_OTHER] = "not asked for"};
    return names[outcome];
}

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the list of inputs");
}

static bool copy_text(char **out, const char *text) {
    *out = text != NULL ? mrc_strdup(text) : NULL;
    return text == NULL || *out != NULL;
}

static void row_clear(struct mrc_batch_row *row) {
    mrc_free(row->subject);
    mrc_free(row->session);
    mrc_free(row->input);
    mrc_free(row->series);
    mrc_free(row->output);
    mrc_free(row->report);
}

enum mrc_status mrc_batch_add_row(struct mrc_batch *batch, const struct mrc_batch_row *row,
                                  struct mrc_error *err) {
    if (!mrc_grow((void **)&batch->rows, &batch->capacity, batch->count + 1, sizeof *batch->rows))
        return no_memory(err);
    struct mrc_batch_row *own = &batch->rows[batch->count];
    *own = *row;
    bool whole = copy_text(&own->subject, row->subject);
    whole = copy_text(&own->session, row->session) && whole;
    whole = copy_text(&own->input, row->input) && whole;
    whole = copy_text(&own->series, row->series) && whole;
    whole = copy_text(&own->output, row->output) && whole;
    whole = copy_text(&own->report, row->report) && whole;
    if (!whole) {
        row_clear(own);
        return no_memory(err);
    }
    ++batch->count;
    return MRC_OK;
}

void mrc_batch_clear(struct mrc_batch *batch) {
    for (size_t n = 0; n < batch->count; ++n) row_clear(&batch->rows[n]);
    mrc_free(batch->rows);
    *batch = (struct mrc_batch){0};
}

static bool has_failed(const struct mrc_batch_row *row) {
    return row->outcome == MRC_OUTCOME_REFUSED || row->outcome == MRC_OUTCOME_FAILED;
}

enum mrc_status mrc_batch_status(const struct mrc_batch *batch) {
    for (size_t n = 0; n < batch->count; ++n)
        if (has_failed(&batch->rows[n])) return batch->rows[n].status;
    return MRC_OK;
}

/* An input that cannot be used is a fact about the input; a full disk is not. */
static void settle(struct mrc_batch_row *row, enum mrc_status status, const char *why) {
    const bool of_input = status == MRC_ERR_IO || status == MRC_ERR_FORMAT ||
                          status == MRC_ERR_UNSUPPORTED || status == MRC_ERR_RANGE;
    row->status = status;
    row->outcome = of_input ? MRC_OUTCOME_REFUSED : MRC_OUTCOME_FAILED;
    (void)snprintf(row->why, sizeof row->why, "%s", why);
}

/* --- What a report says --- */

static double number_of(const cJSON *root, const char *key) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(root, key);
    return cJSON_IsNumber(node) ? node->valuedouble : (double)NAN;
}

/* The first warning is that of every report. */
static void take_warning(struct mrc_batch_row *row, const cJSON *root) {
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(root, "Warnings");
    const cJSON *own = cJSON_GetArrayItem(all, 1);
    (void)snprintf(row->warning, sizeof row->warning, "%s",
                   cJSON_IsString(own) ? own->valuestring : "");
}

/* False: there is no such report, or it is of another model. `hash` NULL: of any. */
static bool read_report(struct mrc_batch_row *row, const char *hash) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(row->report, "report.json");
    bool own = path != NULL && mrc_read_file(&text, &size, path, MAX_REPORT_BYTES, NULL) == MRC_OK;
    cJSON *root = own ? cJSON_ParseWithLength((const char *)text, size) : NULL;
    const cJSON *made_by = cJSON_GetObjectItemCaseSensitive(root, "ModelHash");
    own = root != NULL &&
          (hash == NULL || (cJSON_IsString(made_by) && strcmp(made_by->valuestring, hash) == 0));
    if (own) {
        row->cycle_error = number_of(root, "CycleError");
        row->distance = number_of(root, "DistanceFromTraining");
        take_warning(row, root);
    }
    cJSON_Delete(root);
    mrc_free(text);
    mrc_free(path);
    return own;
}

/* --- Before the work --- */

static int compare_outputs(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum mrc_status check_places(const struct mrc_batch *batch, struct mrc_error *err) {
    const char **places = mrc_alloc(batch->count + 1, sizeof *places);
    size_t count = 0;
    enum mrc_status st = places != NULL ? MRC_OK : no_memory(err);
    for (size_t n = 0; st == MRC_OK && n < batch->count; ++n)
        if (batch->rows[n].outcome == MRC_OUTCOME_TODO) places[count++] = batch->rows[n].output;
    if (count > 0) qsort(places, count, sizeof *places, compare_outputs);
    for (size_t n = 1; st == MRC_OK && n < count; ++n)
        if (strcmp(places[n - 1], places[n]) == 0)
            st = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: the place of two results, expected inputs with different names",
                          places[n]);
    mrc_free(places);
    return st;
}

enum mrc_status mrc_batch_settle(struct mrc_translate_options *options, struct mrc_error *err) {
    struct mrc_checkpoint_info info;
    enum mrc_status st = mrc_model_file_describe(&info, options->model, err);
    return st == MRC_OK ? mrc_contract_settle_from(&options->from, &info.contract, options->to, err)
                        : st;
}

static enum mrc_status find_model(char hash[65], const char *given, struct mrc_error *err) {
    struct mrc_checkpoint_info info;
    enum mrc_status st = mrc_model_file_check(given, err);
    if (st == MRC_OK) st = mrc_model_file_describe(&info, given, err);
    if (st == MRC_OK) (void)snprintf(hash, 65, "%s", info.hash);
    return st;
}

/* What an earlier run left: a whole result of this model is kept, anything else is not touched. */
static void look_for_result(struct mrc_batch_row *row, const char *hash) {
    if (!mrc_path_exists(row->output)) return;
    if (read_report(row, hash)) {
        row->outcome = MRC_OUTCOME_KEPT;
        return;
    }
    char why[300];
    (void)snprintf(why, sizeof why,
                   "%.200s: exists already, and not as this model's, expected nothing (--replace "
                   "makes it anew)",
                   row->output);
    settle(row, MRC_ERR_WRITE, why);
}

/* --- The work --- */

/* One process at work: on which row, since when, and the end of the pipe that its words come by. */
struct worker {
    int pid, words;
    size_t row;
    double since;
};

struct job {
    const struct mrc_batch_options *options;
    const struct mrc_batch_row *row;
    int words, threads;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* In the child. */
static int work(void *context) {
    const struct job *job = context;
    struct mrc_translate_options o = job->options->translate;
    struct mrc_error err = {0};
    o.input = job->row->input;
    o.output = job->row->output;
    o.report = job->row->report;
    o.series = job->row->series;
    o.report_beside = false;
    mrc_parallel_set_threads(job->threads);
    enum mrc_status st = mrc_translate_run(&o, NULL, NULL, &err);
    if (st != MRC_OK && write(job->words, err.text, strlen(err.text)) < 0) return (int)st;
    return (int)st;
}

static enum mrc_status begin(struct worker *worker, struct mrc_batch *batch, size_t row,
                             const struct mrc_batch_options *options, int threads,
                             struct mrc_error *err) {
    int ends[2];
    if (pipe(ends) != 0) return mrc_fail(err, MRC_ERR_NOMEM, "no pipe to a process can be had");
    struct job job = {options, &batch->rows[row], ends[1], threads};
    const struct mrc_isolate_task task = {.run = work, .context = &job, .keep = ends[1]};
    enum mrc_status st = mrc_isolate_start(&worker->pid, &task, err);
    (void)close(ends[1]);
    if (st != MRC_OK) {
        (void)close(ends[0]);
        worker->pid = 0;
        return st;
    }
    worker->words = ends[0];
    worker->row = row;
    worker->since = now_s();
    return MRC_OK;
}

static void end(struct worker *worker, struct mrc_batch *batch, int code) {
    struct mrc_batch_row *row = &batch->rows[worker->row];
    char why[300] = "";
    ssize_t size = read(worker->words, why, sizeof why - 1);
    why[size > 0 ? size : 0] = '\0';
    (void)close(worker->words);
    worker->pid = 0;
    row->seconds = now_s() - worker->since;
    if (code < 0)
        (void)snprintf(why, sizeof why, "%.200s: crashes the translation (signal %d)", row->input,
                       -code);
    if (code == MRC_OK) {
        row->outcome = MRC_OUTCOME_DONE;
        row->status = MRC_OK;
        (void)read_report(row, NULL);
    } else {
        settle(row, code < 0 ? MRC_ERR_FORMAT : (enum mrc_status)code, why);
    }
}

static void wait_a_little(void) {
    const struct timespec a_little = {.tv_nsec = 5000000};
    (void)nanosleep(&a_little, NULL);
}

struct pool {
    struct worker workers[MOST_PROCESSES];
    int size, busy, threads;
    size_t next, done, todo;
    double since;
};

static void stop_all(struct pool *pool) {
    for (int n = 0; n < pool->size; ++n) {
        struct worker *worker = &pool->workers[n];
        int code = 0;
        if (worker->pid == 0) continue;
        mrc_isolate_kill(worker->pid);
        while (!mrc_isolate_ended(&code, worker->pid)) wait_a_little();
        (void)close(worker->words);
        worker->pid = 0;
    }
}

static void tell(const struct pool *pool, const struct mrc_batch_row *row,
                 const struct mrc_events *events) {
    const double left =
        (now_s() - pool->since) / (double)pool->done * (double)(pool->todo - pool->done);
    char how[330];
    if (row->outcome == MRC_OUTCOME_DONE)
        (void)snprintf(how, sizeof how, "%.200s: done in %.1f s", row->input, row->seconds);
    else
        (void)snprintf(how, sizeof how, "%s", row->why);
    mrc_events_note(events, "%s (%zu of %zu, about %.0f s left)", how, pool->done, pool->todo,
                    left);
    mrc_events_progress(events, "translating", (int64_t)pool->done, (int64_t)pool->todo);
}

static enum mrc_status collect(struct pool *pool, struct mrc_batch *batch,
                               const struct mrc_batch_options *o, const struct mrc_events *events,
                               struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (int n = 0; st == MRC_OK && n < pool->size; ++n) {
        struct worker *worker = &pool->workers[n];
        int code = 0;
        if (worker->pid == 0 || !mrc_isolate_ended(&code, worker->pid)) continue;
        end(worker, batch, code);
        --pool->busy;
        ++pool->done;
        tell(pool, &batch->rows[worker->row], events);
        if (o->after != NULL) st = o->after(o->context, batch, &batch->rows[worker->row], err);
    }
    return st;
}

static enum mrc_status hand_out(struct pool *pool, struct mrc_batch *batch,
                                const struct mrc_batch_options *o, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (int n = 0; st == MRC_OK && n < pool->size; ++n) {
        while (pool->next < batch->count && batch->rows[pool->next].outcome != MRC_OUTCOME_TODO)
            ++pool->next;
        if (pool->next == batch->count) break;
        if (pool->workers[n].pid != 0) continue;
        st = begin(&pool->workers[n], batch, pool->next, o, pool->threads, err);
        if (st != MRC_OK) break;
        ++pool->next;
        ++pool->busy;
    }
    return st;
}

static enum mrc_status translate_all(struct mrc_batch *batch, const struct mrc_batch_options *o,
                                     const struct mrc_events *events, struct mrc_error *err) {
    struct pool pool = {.size = o->processes > 0 ? o->processes : 1, .since = now_s()};
    if (pool.size > MOST_PROCESSES) pool.size = MOST_PROCESSES;
    pool.threads = mrc_parallel_threads() / pool.size;
    if (pool.threads < 1) pool.threads = 1;
    for (size_t n = 0; n < batch->count; ++n)
        pool.todo += batch->rows[n].outcome == MRC_OUTCOME_TODO;
    enum mrc_status st = MRC_OK;
    while (st == MRC_OK && pool.done < pool.todo) {
        st = hand_out(&pool, batch, o, err);
        if (st == MRC_OK && mrc_events_cancelled(events))
            st = mrc_fail(err, MRC_ERR_CANCELLED,
                          "stopped after %zu of %zu; the same command goes on", pool.done,
                          pool.todo);
        if (st == MRC_OK) wait_a_little();
        if (st == MRC_OK) st = collect(&pool, batch, o, events, err);
    }
    stop_all(&pool);
    return st;
}

enum mrc_status mrc_batch_run(struct mrc_batch *batch, const struct mrc_batch_options *options,
                              const struct mrc_events *events, struct mrc_error *err) {
    char hash[65];
    enum mrc_status st = check_places(batch, err);
    if (st == MRC_OK) st = find_model(hash, options->translate.model, err);
    for (size_t n = 0; st == MRC_OK && n < batch->count; ++n)
        if (batch->rows[n].outcome == MRC_OUTCOME_TODO && !options->translate.replace)
            look_for_result(&batch->rows[n], hash);
    return st == MRC_OK && !options->dry_run ? translate_all(batch, options, events, err) : st;
}
