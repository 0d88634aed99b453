/* bench.h: what the benchmarks share. A problem is one string, "step:w=64,b=8,threads=2"; its
 * answer is one line of JSON (layers: a table). */
#ifndef MRC_TESTS_BENCH_H
#define MRC_TESTS_BENCH_H

#include "model/gan/cyclegan.h"

enum { BENCH_MOST_RUNS = 200, BENCH_WARM_UP = 2 };

struct bench_problem {
    const char *text;   /* as typed */
    int64_t w, b;       /* base width; images of each contrast a step, or slices at once */
    int64_t threads, n; /* 0: all cores; runs that are timed, after BENCH_WARM_UP more */
    int64_t side;       /* of the network's images */
    int64_t d;          /* forward: depth of volumes, which then are the slices; 1: images */
    int64_t depth;      /* of the generator; 0: its usual one */
    int64_t dw;         /* step: base width of the discriminators, 0: w */
    int64_t identity;   /* step: weight of the identity loss */
    int64_t slices;     /* forward: of the series, 0: b; translate: of the scan */
    int64_t matrix;     /* translate: rows and columns of the scan */
    enum mrc_generator_kind generator;
};
typedef enum mrc_status bench_fn(const struct bench_problem *p, struct mrc_error *err);
bench_fn bench_layers, bench_forward, bench_step, bench_translate;

double bench_now_s(void);
double bench_cpu_s(void); /* of all threads together */

struct bench_times {
    double seconds[BENCH_MOST_RUNS], begun, cpu_begun, cpu; /* cpu: of one run */
    int64_t n;
};
/** Around each run that counts. */
void bench_begin(struct bench_times *times);
void bench_end(struct bench_times *times);
/** Prints the problem, OpenBLAS's kernel, the times, `planned` bytes (0: unknown) and this
 * process's peak memory, then `more`: further fields, each beginning with a comma. Sorts the times.
 */
void bench_print(const struct bench_problem *p, struct bench_times *times, size_t planned,
                 const char *more);

/** Numbers that torch_peer.py makes too: x[i] = centre + spread (u - 1/2) with u in [0,1) hashed
 * from i and the name. */
void bench_fill(float *x, size_t count, const char *name, double centre, double spread);
/** All parameters of a net from their names after `prefix`: weights +-0.035, gains 1, biases 0. */
enum mrc_status bench_fill_net(mrc_net *net, const char *prefix, struct mrc_error *err);

#endif
