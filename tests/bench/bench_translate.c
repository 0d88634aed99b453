/* bench_translate.c: a generated DICOM series to a DICOM series of the other contrast, with a model
 * of random weights: reading, translating, writing. What the program costs to start is not in it.
 */
#define _GNU_SOURCE /* mkdtemp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/heads/phantom.h"
#include "app/translate/translate.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "model/files/checkpoint.h"
#include "tests/bench/bench.h"

struct paths {
    char folder[64], scan[128], phantom[96], model[96], output[96];
};

/* When the stages of the last run began. */
struct stages {
    double translating, done;
};

static void on_progress(void *context, const char *stage, int64_t done, int64_t total) {
    struct stages *stages = context;
    (void)total;
    if (strcmp(stage, "reading") == 0 && done == 0) stages->translating = 0.0;
    if (strcmp(stage, "reading") == 0 && done == total) stages->translating = bench_now_s();
    if (strcmp(stage, "translating") == 0 && done == total) stages->done = bench_now_s();
}

static enum mrc_status write_inputs(const struct paths *at, const struct bench_problem *p,
                                    struct mrc_error *err) {
    static const double head_mm[3] = {210.0, 240.0, 173.0}; /* columns, rows, slices */
    struct mrc_phantom_options phantom = MRC_PHANTOM_DEFAULTS;
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    const struct mrc_checkpoint_info info = {.name = "bench", .version = "0", .data = "none"};
    const struct mrc_checkpoint_options model = {0};
    mrc_cyclegan *gan = NULL;
    phantom.voxel_mm[0] = head_mm[0] / (double)p->matrix;
    phantom.voxel_mm[1] = head_mm[1] / (double)p->matrix;
    phantom.voxel_mm[2] = head_mm[2] / (double)(p->slices > 0 ? p->slices : 176);
    s.generator = p->generator;
    s.generator_width = p->w;
    s.size = p->side;
    s.discriminator_width = s.batch = 1;
    enum mrc_status st = mrc_phantom_write(at->phantom, &phantom, NULL, err);
    if (st == MRC_OK) st = mrc_cyclegan_create(&gan, &s, err);
    if (st == MRC_OK) st = mrc_checkpoint_save(gan, &info, &model, at->model, err);
    mrc_cyclegan_destroy(gan);
    return st;
}

/* In a process of its own, so that its memory does not count. */
static enum mrc_status prepare(const struct paths *at, const struct bench_problem *p,
                               struct mrc_error *err) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct mrc_error wrong = {0};
        if (write_inputs(at, p, &wrong) == MRC_OK) _exit(0);
        fprintf(stderr, "mrcycle-bench: %s\n", wrong.text);
        _exit(1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: the inputs could not be made", at->folder);
    return MRC_OK;
}

static enum mrc_status time_runs(struct bench_times *times, struct stages *mean,
                                 const struct paths *at, const struct bench_problem *p,
                                 struct mrc_error *err) {
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    struct stages stages = {0};
    const struct mrc_events events = {.context = &stages, .progress = on_progress};
    options.input = at->scan;
    options.output = at->output;
    options.model = at->model;
    options.batch = p->b;
    options.allow_synthetic = options.replace = true;
    enum mrc_status st = MRC_OK;
    for (int64_t i = -1; st == MRC_OK && i < p->n; ++i) {
        struct bench_times warm_up = {0}, *now = i < 0 ? &warm_up : times;
        bench_begin(now);
        st = mrc_translate_run(&options, NULL, &events, err);
        bench_end(now);
        if (i < 0) continue;
        mean->translating += (stages.translating - now->begun) / (double)p->n;
        mean->done += (stages.done - now->begun) / (double)p->n;
    }
    return st;
}

enum mrc_status bench_translate(const struct bench_problem *p, struct mrc_error *err) {
    struct paths at = {.folder = "/tmp/mrcycle-bench-XXXXXX"};
    struct bench_times times = {0};
    struct stages mean = {0};
    if (mkdtemp(at.folder) == NULL)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: cannot be made", at.folder);
    snprintf(at.phantom, sizeof at.phantom, "%s/phantom", at.folder);
    snprintf(at.scan, sizeof at.scan, "%s/sub-01/dicom/T1w", at.phantom);
    snprintf(at.model, sizeof at.model, "%s/model.safetensors", at.folder);
    snprintf(at.output, sizeof at.output, "%s/output", at.folder);
    enum mrc_status st = prepare(&at, p, err);
    if (st == MRC_OK) st = time_runs(&times, &mean, &at, p, err);
    if (st == MRC_OK) {
        char more[120];
        double total = 0.0;
        for (int64_t i = 0; i < times.n; ++i) total += times.seconds[i] / (double)times.n;
        snprintf(more, sizeof more,
                 ", \"reading_s\": %.5f, \"translating_s\": %.5f, \"writing_s\": %.5f",
                 mean.translating, mean.done - mean.translating, total - mean.done);
        bench_print(p, &times, 0, more);
    }
    mrc_remove_tree(at.folder);
    return st;
}
