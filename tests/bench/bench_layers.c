/* bench_layers.c: GFLOP/s of each convolution of the U-Net and the discriminator, and GB/s of the
 * other operations. Nominal work, padding taps included; medians of repeated runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "model/engine/blas.h"
#include "model/engine/blas_select.h"
#include "model/engine/op.h"
#include "tests/bench/bench.h"

enum { MOST_RUNS = 25 };
static const double seconds_per_kernel = 0.15;

struct layer {
    char name[16];
    const struct mrc_op *op;
    int64_t in, out, side, k, stride, pad;
};

struct setup {
    struct mrc_node node;
    struct mrc_site site;
    struct mrc_call call;
    float *buffers[8];
    int count;
};

/* On one thread CPU time, which a busy machine disturbs less. */
static double now_s(void) {
    return mrc_parallel_threads() == 1 ? bench_cpu_s() : bench_now_s();
}

static float *floats(struct setup *s, size_t count) {
    float *x = mrc_alloc(count, sizeof *x);
    if (x == NULL) {
        fprintf(stderr, "mrcycle-bench: layers: out of memory\n");
        exit(1);
    }
    struct mrc_rng rng = mrc_rng_for(1, 0, (uint64_t)s->count, MRC_FOR_TEST);
    for (size_t i = 0; i < count; ++i) x[i] = (float)mrc_rng_uniform(&rng) - 0.5f;
    s->buffers[s->count++] = x;
    return x;
}

static void setup_init(struct setup *s, const struct mrc_op *op, const struct mrc_attributes *attr,
                       struct mrc_shape in) {
    struct mrc_error err = {0};
    memset(s, 0, sizeof *s);
    s->node.op = op;
    snprintf(s->node.name, sizeof s->node.name, "%s", op->name);
    s->node.attr = *attr;
    s->node.inputs = 1;
    s->node.in_channels[0] = in.c;
    s->site.in[0] = in;
    if (op->declare(&s->node, &err) != MRC_OK || op->infer(&s->site, &s->node, &err) != MRC_OK) {
        fprintf(stderr, "mrcycle-bench: layers: %s\n", err.text);
        exit(1);
    }
    size_t src = mrc_shape_count(in), dst = mrc_shape_count(s->site.out);
    s->call = (struct mrc_call){.src = {floats(s, src)},
                                .dst = floats(s, dst),
                                .weight = floats(s, s->node.weight_count),
                                .bias = floats(s, s->node.bias_count)};
    s->call.d_dst = floats(s, dst);
    s->call.d_src[0] = floats(s, src);
    s->call.d_weight = floats(s, s->node.weight_count);
    s->call.d_bias = floats(s, s->node.bias_count);
    s->call.saved = mrc_alloc(s->site.saved_bytes, 1);
    s->call.scratch = mrc_alloc(s->site.scratch_bytes, 1);
    if (s->call.saved == NULL || s->call.scratch == NULL) exit(1);
}

static void setup_clear(struct setup *s) {
    for (int i = 0; i < s->count; ++i) mrc_free(s->buffers[i]);
    mrc_free(s->call.saved);
    mrc_free(s->call.scratch);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of op->forward or op->backward. */
static double time_of(const struct setup *s, const struct mrc_call *call, int backward) {
    double times[MOST_RUNS], total = 0.0;
    size_t runs = 0;
    void (*fn)(const struct mrc_node *, const struct mrc_site *, const struct mrc_call *) =
        backward ? s->node.op->backward : s->node.op->forward;
    fn(&s->node, &s->site, call);
    while (runs < MOST_RUNS && (runs < 3 || total < seconds_per_kernel)) {
        double start = now_s();
        fn(&s->node, &s->site, call);
        times[runs] = now_s() - start;
        total += times[runs++];
    }
    qsort(times, runs, sizeof *times, compare);
    return times[runs / 2];
}

static void bench_layer(const struct layer *l, int64_t batch, double total[4]) {
    struct setup s;
    const struct mrc_attributes attr = {.channels = l->out,
                                        .k = {1, l->k, l->k},
                                        .stride = {1, l->stride, l->stride},
                                        .pad = {0, l->pad, l->pad}};
    setup_init(&s, l->op, &attr, (struct mrc_shape){batch, l->in, 1, l->side, l->side});
    int64_t side = l->op == &mrc_op_conv ? s.site.out.h : l->side;
    double gflop = 2e-9 * (double)(batch * side * side * l->k * l->k * l->in * l->out);
    struct mrc_call data = s.call, weights = s.call, bias = s.call;
    data.d_weight = data.d_bias = NULL;
    weights.d_src[0] = weights.d_bias = NULL;
    bias.d_src[0] = bias.d_weight = NULL;
    double t[4] = {time_of(&s, &s.call, 0), time_of(&s, &data, 1), time_of(&s, &weights, 1),
                   time_of(&s, &bias, 1)};
    printf("%-6s %4lld -> %4lld, %2lldx%-2lld %7.3f GFLOP |", l->name, (long long)l->in,
           (long long)l->out, (long long)l->side, (long long)l->side, gflop);
    for (int i = 0; i < 3; ++i) printf(" %8.2f ms %6.1f", t[i] * 1e3, gflop / t[i]);
    printf(" | %6.2f ms | %6.1f MB\n", t[3] * 1e3, (double)s.site.scratch_bytes / 1e6);
    for (int i = 0; i < 4; ++i) total[i] += t[i];
    setup_clear(&s);
}

static void bench_element(const char *name, const struct mrc_op *op, struct mrc_shape in) {
    struct setup s;
    const struct mrc_attributes attr = {.slope = 0.2f, .eps = 1e-5f, .pad = {0, 1, 1}};
    setup_init(&s, op, &attr, in);
    double forward = time_of(&s, &s.call, 0), backward = time_of(&s, &s.call, 1);
    double mb = 4e-6 * (double)mrc_shape_count(in);
    printf("%-14s %4lld x %2lldx%-2lld %7.2f MB | forward %8.3f ms | backward %8.3f ms\n", name,
           (long long)in.c, (long long)in.h, (long long)in.w, mb, forward * 1e3, backward * 1e3);
    setup_clear(&s);
}

static void bench_sgemm(void) {
    enum { N = 1024 };
    struct setup s = {0};
    float *a = floats(&s, N * N), *b = floats(&s, N * N), *c = floats(&s, N * N);
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
        double start = now_s();
        mrc_sgemm(false, false, N, N, N, a, N, b, N, 0.0f, c, N);
        double t = now_s() - start;
        if (t < best) best = t;
    }
    printf("sgemm 1024 on one thread: %.1f GFLOP/s at best (%s)\n", 2e-9 * N * N * N / best,
           mrc_blas_kernel_name());
    setup_clear(&s);
}

enum mrc_status bench_layers(const struct bench_problem *p, struct mrc_error *err) {
    (void)err;
    const int64_t w = p->w, batch = p->b;
    const struct mrc_op *down = &mrc_op_conv, *up = &mrc_op_conv_transpose;
    const struct layer layers[] = {
        {"enc1", down, 1, w, 64, 3, 1, 1},         {"enc2", down, w, 2 * w, 64, 4, 2, 1},
        {"enc3", down, 2 * w, 4 * w, 32, 4, 2, 1}, {"enc4", down, 4 * w, 8 * w, 16, 4, 2, 1},
        {"enc5", down, 8 * w, 8 * w, 8, 4, 2, 1},  {"enc6", down, 8 * w, 8 * w, 4, 4, 2, 1},
        {"enc7", down, 8 * w, 8 * w, 2, 4, 2, 1},  {"dec1", up, 8 * w, 8 * w, 1, 4, 2, 1},
        {"dec2", up, 16 * w, 8 * w, 2, 4, 2, 1},   {"dec3", up, 16 * w, 8 * w, 4, 4, 2, 1},
        {"dec4", up, 16 * w, 4 * w, 8, 4, 2, 1},   {"dec5", up, 8 * w, 2 * w, 16, 4, 2, 1},
        {"dec6", up, 4 * w, w, 32, 4, 2, 1},       {"head", down, 2 * w, 1, 64, 3, 1, 1},
        {"D1", down, 1, w, 64, 4, 2, 1},           {"D2", down, w, 2 * w, 32, 4, 2, 1},
        {"D3", down, 2 * w, 4 * w, 16, 4, 2, 1},   {"D4", down, 4 * w, 8 * w, 10, 4, 1, 0},
        {"D5", down, 8 * w, 1, 9, 4, 1, 0},
    };
    double total[4] = {0};
    printf("width %lld, batch %lld, %d threads\n", (long long)w, (long long)batch,
           mrc_parallel_threads());
    bench_sgemm();
    printf("%-42s | %-18s  %-18s  %-18s | %-9s | scratch\n", "layer", "forward", "backward-data",
           "backward-weights", "bias");
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i)
        bench_layer(&layers[i], batch, total);
    printf("sum: forward %.1f ms, backward-data %.1f ms, backward-weights %.1f ms, bias %.1f ms\n",
           total[0] * 1e3, total[1] * 1e3, total[2] * 1e3, total[3] * 1e3);
    bench_element("instance_norm", &mrc_op_instance_norm, (struct mrc_shape){batch, w, 1, 64, 64});
    bench_element("instance_norm", &mrc_op_instance_norm,
                  (struct mrc_shape){batch, 4 * w, 1, 16, 16});
    bench_element("instance_norm", &mrc_op_instance_norm,
                  (struct mrc_shape){batch, 8 * w, 1, 2, 2});
    bench_element("leaky_relu", &mrc_op_leaky_relu, (struct mrc_shape){batch, w, 1, 64, 64});
    bench_element("pad", &mrc_op_pad, (struct mrc_shape){batch, 4 * w, 1, 8, 8});
    bench_element("sigmoid", &mrc_op_sigmoid, (struct mrc_shape){batch, 1, 1, 64, 64});
    return MRC_OK;
}
