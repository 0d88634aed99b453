/* bench_step.c: seconds a training step and a slice of inference take, as JSON.
 * Usage: mrcycle-bench-step [width [batch [threads [unet|local|hybrid [steps]]]]]. Numbers need a
 * quiet machine: compare the medians of runs made in turn. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/text.h"
#include "model/blas_select.h"
#include "model/cyclegan.h"

enum { MOST_STEPS = 200, WARM_UP = 2 };

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cpu_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Times `steps` steps; seconds[] is sorted afterwards. *cpu is the processor time of one, all
 * threads together. */
static enum mrc_status time_steps(double seconds[MOST_STEPS], double *cpu, int64_t steps,
                                  mrc_cyclegan *gan, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = mrc_cyclegan_get_settings(gan);
    size_t n = (size_t)(s->batch * s->size * s->size * s->channels);
    float *x = mrc_alloc(n, sizeof(float)), *y = mrc_alloc(n, sizeof(float));
    enum mrc_status st =
        x != NULL && y != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    for (size_t i = 0; st == MRC_OK && i < n; ++i) {
        x[i] = (float)mrc_rng_uniform(&rng);
        y[i] = (float)mrc_rng_uniform(&rng);
    }
    for (int64_t i = -WARM_UP; st == MRC_OK && i < steps; ++i) {
        struct mrc_losses losses;
        double begun = now_s();
        if (i == 0) *cpu = cpu_s();
        st = mrc_cyclegan_step(gan, &losses, x, y, err);
        if (i >= 0) seconds[i] = now_s() - begun;
    }
    *cpu = (cpu_s() - *cpu) / (double)steps;
    qsort(seconds, (size_t)steps, sizeof(*seconds), ascending);
    mrc_free(y);
    mrc_free(x);
    return st;
}

static enum mrc_status read_whole(int64_t *out, int argc, char **argv, int at, int64_t hi,
                                  struct mrc_error *err) {
    if (at >= argc || mrc_parse_i64(out, argv[at], 1, hi) == MRC_OK) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "\"%s\" is not a number from 1 to %d", argv[at],
                    (int)hi);
}

static enum mrc_status run(int argc, char **argv, struct mrc_error *err) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    int64_t threads = 2, steps = 7;
    double seconds[MOST_STEPS], cpu = 0.0;
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = read_whole(&s.generator_width, argc, argv, 1, 512, err);
    if (st == MRC_OK) st = read_whole(&s.batch, argc, argv, 2, 512, err);
    if (st == MRC_OK) st = read_whole(&threads, argc, argv, 3, MRC_MAX_THREADS, err);
    if (st == MRC_OK && argc > 4) st = mrc_generator_kind_parse(&s.generator, argv[4], err);
    if (st == MRC_OK) st = read_whole(&steps, argc, argv, 5, MOST_STEPS, err);
    if (st != MRC_OK) return st;
    s.discriminator_width = s.generator_width;
    mrc_parallel_set_threads((int)threads);
    st = mrc_cyclegan_create(&gan, &s, err);
    if (st == MRC_OK) st = time_steps(seconds, &cpu, steps, gan, err);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    if (st == MRC_OK)
        (void)printf("{\"generator\": \"%s\", \"w\": %d, \"b\": %d, \"thr\": %d, \"core\": \"%s\", "
                     "\"cpu\": %.4f, \"median\": %.4f, \"min\": %.4f, "
                     "\"max\": %.4f, \"n\": %d, \"gan_mb\": %zu, \"rss_mb\": %ld}\n",
                     mrc_generator_kind_name(s.generator), (int)s.generator_width, (int)s.batch,
                     (int)threads, mrc_blas_kernel_name(), cpu, seconds[steps / 2], seconds[0],
                     seconds[steps - 1], (int)steps, mrc_cyclegan_bytes(gan) >> 20,
                     usage.ru_maxrss >> 10);
    mrc_cyclegan_destroy(gan);
    return st;
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    if (run(argc, argv, &err) == MRC_OK) return 0;
    (void)fprintf(stderr, "mrcycle-bench-step: %s\n", err.text);
    return 1;
}
