/* bench_conv.c: each 4x4 stride-2 convolution of the U-Net and the discriminator by each algorithm
 * that can compute it. Usage: mrcycle-bench-conv [width [batch [threads [rounds]]]]. The algorithms
 * take turns, and the least of their times counts: so a busy machine disturbs all alike, and the
 * ratios little. Processor time with one thread. '*' marks the table's choice. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "cli/blas_kernel.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/conv_winograd.h"

enum { DIRECTIONS = 3, WAYS = 3 };

static const struct way {
    const char *name;
    const struct mrc_conv_algorithm *algorithm;
    int outputs;
} ways[WAYS] = {{"gemm", &mrc_conv_gemm, 0},
                {"F(2x2)", &mrc_conv_winograd, 2},
                {"F(4x4)", &mrc_conv_winograd, 4}};

struct layer {
    const char *name;
    int64_t cin, cout, side; /* of the convolution: the up layers run it backwards */
};

static double now_s(void) {
    struct timespec t;
    clock_gettime(mrc_parallel_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(int64_t count, uint64_t stream) {
    float *x = mrc_alloc((size_t)count, sizeof *x);
    if (x == NULL) {
        fprintf(stderr, "mrcycle-bench-conv: out of memory\n");
        exit(1);
    }
    struct mrc_rng rng = mrc_rng_for(1, 0, stream, MRC_FOR_TEST);
    for (int64_t i = 0; i < count; ++i) x[i] = (float)mrc_rng_uniform(&rng) - 0.5f;
    return x;
}

static void force(const struct way *way) {
    mrc_conv_force(way != NULL ? way->algorithm : NULL);
    mrc_conv_winograd_force(way != NULL ? way->outputs : 0, MRC_WINOGRAD_BEST);
}

struct buffers {
    float *in, *out, *weight;
    void *scratch;
};

static double time_once(const struct mrc_conv *c, const struct buffers *b, int direction) {
    double begun = now_s();
    if (direction == MRC_CONV_FORWARD)
        mrc_conv_forward(c, &b->out, (const float *const *)&b->in, b->weight, NULL, b->scratch);
    else if (direction == MRC_CONV_BACKWARD_DATA)
        mrc_conv_backward_data(c, &b->in, (const float *const *)&b->out, b->weight, NULL,
                               b->scratch);
    else
        mrc_conv_backward_weights(c, b->weight, true, (const float *const *)&b->in,
                                  (const float *const *)&b->out, b->scratch);
    return now_s() - begun;
}

/* The way the table takes: the one whose cost it is. */
static int chosen(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    force(NULL);
    const struct mrc_conv_algorithm *algorithm = mrc_conv_algorithm_for(c, direction);
    double cost = algorithm->cost(c, direction);
    for (int k = 1; algorithm == &mrc_conv_winograd && k < WAYS; ++k) {
        force(&ways[k]);
        if (algorithm->cost(c, direction) <= cost) return k;
    }
    return 0;
}

static void bench_layer(const struct layer *l, int64_t batch, int rounds, double sums[WAYS + 1]) {
    const struct mrc_attributes attr = {.k = {1, 4, 4}, .stride = {1, 2, 2}, .pad = {0, 1, 1}};
    const struct mrc_conv c =
        mrc_conv_between((struct mrc_shape){batch, l->cin, 1, l->side, l->side},
                         (struct mrc_shape){batch, l->cout, 1, l->side / 2, l->side / 2}, &attr,
                         mrc_parallel_threads());
    struct buffers b = {.in = floats(mrc_conv_in_pixels(&c) * c.cin, 0),
                        .out = floats(mrc_conv_out_pixels(&c) * c.cout, 1),
                        .weight = floats(16 * c.cin * c.cout, 2)};
    size_t bytes = 0;
    for (int k = 0; k < WAYS; ++k) {
        force(&ways[k]);
        if (mrc_conv_scratch_bytes(&c) > bytes) bytes = mrc_conv_scratch_bytes(&c);
    }
    b.scratch = mrc_alloc(bytes, 1);
    if (b.scratch == NULL) exit(1);
    double least[WAYS][DIRECTIONS];
    for (int i = 0; i < WAYS * DIRECTIONS; ++i)
        least[i / DIRECTIONS][i % DIRECTIONS] = (double)INFINITY;
    for (int round = 0; round < rounds; ++round)
        for (int k = 0; k < WAYS; ++k) {
            force(&ways[k]);
            for (int d = 0; d < DIRECTIONS; ++d)
                if (mrc_conv_algorithm_for(&c, (enum mrc_conv_direction)d) == ways[k].algorithm)
                    least[k][d] = fmin(least[k][d], time_once(&c, &b, d));
        }
    printf("%-5s %4lld x %2lldx%-2lld - %4lld |", l->name, (long long)l->cin, (long long)l->side,
           (long long)l->side, (long long)l->cout);
    for (int d = 0; d < DIRECTIONS; ++d) {
        int best = chosen(&c, (enum mrc_conv_direction)d);
        for (int k = 0; k < WAYS; ++k) {
            printf(" %7.2f%c", least[k][d] * 1e3, k == best ? '*' : ' ');
            sums[k] += isfinite(least[k][d]) ? least[k][d] : least[0][d]; /* inf: it cannot */
        }
        printf(" %5.2fx |", least[0][d] / least[best][d]);
        sums[WAYS] += least[best][d];
    }
    printf("\n");
    mrc_free(b.in);
    mrc_free(b.out);
    mrc_free(b.weight);
    mrc_free(b.scratch);
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    mrc_blas_kernel_begin(argv);
    if (mrc_blas_kernel_settle(&err) != MRC_OK) {
        fprintf(stderr, "mrcycle-bench-conv: %s\n", err.text);
        return 1;
    }
    const int64_t w = argc > 1 ? atoi(argv[1]) : 64, batch = argc > 2 ? atoi(argv[2]) : 8;
    const int rounds = argc > 4 ? atoi(argv[4]) : 7;
    mrc_parallel_set_threads(argc > 3 ? atoi(argv[3]) : 1);
    const struct layer layers[] = {
        {"enc2", w, 2 * w, 64},     {"enc3", 2 * w, 4 * w, 32},  {"enc4", 4 * w, 8 * w, 16},
        {"enc5", 8 * w, 8 * w, 8},  {"enc6", 8 * w, 8 * w, 4},   {"dec2", 8 * w, 16 * w, 4},
        {"dec3", 8 * w, 16 * w, 8}, {"dec4", 4 * w, 16 * w, 16}, {"dec5", 2 * w, 8 * w, 32},
        {"dec6", w, 4 * w, 64},     {"D2", w, 2 * w, 32},        {"D3", 2 * w, 4 * w, 16},
    };
    double sums[WAYS + 1] = {0};
    printf("width %lld, batch %lld, %d threads: ms of gemm, F(2x2), F(4x4), and the gain\n",
           (long long)w, (long long)batch, mrc_parallel_threads());
    printf("%-24s | %-33s | %-33s | %-33s |\n", "layer", "forward", "backward-data",
           "backward-weights");
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i)
        bench_layer(&layers[i], batch, rounds, sums);
    printf(
        "sum: gemm %.1f ms, F(2x2) %.1f ms, F(4x4) %.1f ms, the table's choice %.1f ms (%.2fx)\n",
        sums[0] * 1e3, sums[1] * 1e3, sums[2] * 1e3, sums[WAYS] * 1e3, sums[0] / sums[WAYS]);
    return 0;
}
