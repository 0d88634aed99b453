/* bench.c: mrcycle-bench PROBLEM...: how long the parts of training and translation take.
 * Times need a quiet machine: make runs in turn and compare their medians. */
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "cli/blas_kernel.h"
#include "model/engine/blas_select.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/conv_winograd.h"

static const char help[] =
    "Usage: mrcycle-bench PROBLEM...\n"
    "  layers      GFLOP/s of every convolution, GB/s of the rest\n"
    "  forward     one generator over a series of slices, b at a time\n"
    "  step        one training step with b images of each contrast\n"
    "  translate   a DICOM series to a DICOM series\n"
    "with, after a colon and separated by commas:\n"
    "  w=64 base width, b=8 batch, threads=0 (all cores), n=7 runs, side=64 pixels,\n"
    "  d=1 (depth of volumes, forward only),\n"
    "  generator=unet, depth=0 (its usual one), dw=0 (width of the discriminators, 0: w),\n"
    "  identity=5 (weight of its loss), algorithm=table (of convolutions; gemm, winograd2, "
    "winograd4), slices=176, "
    "matrix=256 (of the scan that translate reads)\n"
    "such as step:w=32,b=8,threads=2\n";

/* --- Time --- */

static double seconds_of(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_now_s(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

double bench_cpu_s(void) {
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_begin(struct bench_times *times) {
    times->cpu_begun = bench_cpu_s();
    times->begun = bench_now_s();
}

void bench_end(struct bench_times *times) {
    times->seconds[times->n] = bench_now_s() - times->begun;
    times->cpu += bench_cpu_s() - times->cpu_begun;
    ++times->n;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_print(const struct bench_problem *p, struct bench_times *times, size_t planned,
                 const char *more) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    qsort(times->seconds, (size_t)times->n, sizeof times->seconds[0], ascending);
    printf("{\"problem\": \"%s\", \"threads\": %d, \"kernel\": \"%s\", \"n\": %d, "
           "\"median_s\": %.5f, \"min_s\": %.5f, \"max_s\": %.5f, \"cpu_s\": %.5f, "
           "\"planned_mib\": %.1f, \"peak_mib\": %.1f%s}\n",
           p->text, mrc_parallel_threads(), mrc_blas_kernel_name(), (int)times->n,
           times->seconds[times->n / 2], times->seconds[0], times->seconds[times->n - 1],
           times->cpu / (double)times->n, (double)planned / 1048576.0,
           (double)usage.ru_maxrss / 1024.0, more);
    fflush(stdout);
}

/* --- Numbers --- */

void bench_fill(float *x, size_t count, const char *name, double centre, double spread) {
    uint32_t salt = 2166136261u; /* FNV-1a */
    for (const char *c = name; *c != '\0'; ++c) salt = (salt ^ (unsigned char)*c) * 16777619u;
    for (size_t i = 0; i < count; ++i) {
        uint32_t h = (uint32_t)i * 2654435761u + salt; /* then MurmurHash3's finaliser */
        h = (h ^ (h >> 16)) * 0x85ebca6bu;
        h = (h ^ (h >> 13)) * 0xc2b2ae35u;
        h ^= h >> 16;
        x[i] = (float)(centre + spread * ((double)(h >> 8) / 16777216.0 - 0.5));
    }
}

enum mrc_status bench_fill_net(mrc_net *net, const char *prefix, struct mrc_error *err) {
    static const double deviation = 0.02;
    for (size_t i = 0; i < mrc_net_parameter_count(net); ++i) {
        const struct mrc_parameter *parameter = mrc_net_parameter(net, i);
        bool bias = strstr(parameter->name, ".bias") != NULL;
        char *name = mrc_asprintf("%s.%s", prefix, parameter->name);
        float *values = mrc_alloc(parameter->count, sizeof *values);
        if (name == NULL || values == NULL) {
            mrc_free(values);
            mrc_free(name);
            return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for weights");
        }
        if (parameter->rank > 1)
            bench_fill(values, parameter->count, name, 0.0, deviation * sqrt(12.0));
        else
            bench_fill(values, parameter->count, name, bias ? 0.0 : 1.0, 0.0);
        mrc_net_import(net, i, values, mrc_net_values(net));
        mrc_free(values);
        mrc_free(name);
    }
    return MRC_OK;
}

/* --- Problems --- */

static const struct kind {
    const char *name;
    bench_fn *run;
} kinds[] = {{"layers", bench_layers},
             {"forward", bench_forward},
             {"step", bench_step},
             {"translate", bench_translate}};

/* Of the convolutions: this one wherever it can, or what the table chooses. */
static enum mrc_status set_algorithm(const char *name, struct mrc_error *err) {
    static const struct {
        const char *name;
        const struct mrc_conv_algorithm *algorithm;
        int outputs;
    } algorithms[] = {{"table", NULL, 0},
                      {"gemm", &mrc_conv_gemm, 0},
                      {"winograd2", &mrc_conv_winograd, 2},
                      {"winograd4", &mrc_conv_winograd, 4}};
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; ++i) {
        if (strcmp(name, algorithms[i].name) != 0) continue;
        mrc_conv_force(algorithms[i].algorithm);
        mrc_conv_winograd_force(algorithms[i].outputs, MRC_WINOGRAD_BEST);
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "algorithm '%s', expected table, gemm, winograd2 or winograd4", name);
}

static enum mrc_status set(struct bench_problem *p, const char *key, const char *value,
                           struct mrc_error *err) {
    const struct {
        const char *name;
        int64_t *number, lo, hi;
    } numbers[] = {{"w", &p->w, 1, 512},
                   {"b", &p->b, 1, 512},
                   {"threads", &p->threads, 0, MRC_MAX_THREADS},
                   {"n", &p->n, 1, BENCH_MOST_RUNS},
                   {"side", &p->side, 32, 1024},
                   {"d", &p->d, 1, 1024},
                   {"depth", &p->depth, 0, 11},
                   {"dw", &p->dw, 0, 512},
                   {"identity", &p->identity, 0, 1000},
                   {"slices", &p->slices, 1, 4096},
                   {"matrix", &p->matrix, 24, 400}};
    if (strcmp(key, "algorithm") == 0) return set_algorithm(value, err);
    if (strcmp(key, "generator") == 0) return mrc_generator_kind_parse(&p->generator, value, err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        if (strcmp(key, numbers[i].name) != 0) continue;
        if (mrc_parse_i64(numbers[i].number, value, numbers[i].lo, numbers[i].hi) == MRC_OK)
            return MRC_OK;
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is '%s', expected a number from %d to %d", key,
                        value, (int)numbers[i].lo, (int)numbers[i].hi);
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "no setting '%s'", key);
}

static enum mrc_status run(const char *text, struct mrc_error *err) {
    struct bench_problem p = {
        .text = text, .w = 64, .b = 8, .n = 7, .side = 64, .d = 1, .identity = 5, .matrix = 256};
    size_t name = strcspn(text, ":");
    char *settings = mrc_strdup(text[name] == ':' ? text + name + 1 : ""), *rest = NULL;
    enum mrc_status st = set_algorithm("table", err);
    if (settings == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    for (char *key = strtok_r(settings, ",", &rest); st == MRC_OK && key != NULL;
         key = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(key, '=');
        if (equals != NULL) *equals = '\0';
        st = set(&p, key, equals != NULL ? equals + 1 : "", err);
    }
    mrc_free(settings);
    if (st != MRC_OK) return st;
    mrc_parallel_set_threads((int)p.threads);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i)
        if (strlen(kinds[i].name) == name && strncmp(kinds[i].name, text, name) == 0)
            return kinds[i].run(&p, err);
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "no such benchmark, expected layers, forward, step or "
                    "translate");
}

int main(int argc, char **argv) {
    struct mrc_error kernel = {0};
    mrc_blas_kernel_begin(argv);
    if (mrc_blas_kernel_settle(&kernel) != MRC_OK) {
        fprintf(stderr, "mrcycle-bench: %s\n", kernel.text);
        return 1;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2;
    }
    for (int i = 1; i < argc; ++i) {
        struct mrc_error err = {0};
        if (run(argv[i], &err) == MRC_OK) continue;
        fprintf(stderr, "mrcycle-bench: %s: %s\n", argv[i], err.text);
        return 1;
    }
    return 0;
}
