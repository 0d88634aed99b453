/* instance_norm.c: each channel of each sample to mean 0 and variance 1, then times gain plus
 * shift. y = (x - mean) rstd gain + shift,   rstd = 1 / sqrt(variance + eps),   variance over the
 * map, biased Ulyanov, Vedaldi, Lempitsky: "Instance normalization: the missing ingredient for fast
 * stylization" (2016).
 *
 * Sums run in double over values less the map's first one, so that a large mean costs no digits and
 * a constant map has a variance of exactly 0. A chunk is a block of channels of one sample: sums
 * are never cut. Saved: mean [n][c], rstd [n][c]. Scratch (backward): the two sums a channel,
 * [n][c] doubles each. */
#include "model/engine/ops/instance_norm.h"

#include <math.h>

#include "model/engine/ops/op_tools.h"

enum { BLOCK = 32 };

/* Columns (channels) of one sample, and what each has of its own. */
struct norm_columns {
    const float *x, *d; /* rows of pixels, `stride` floats apart */
    float *to;
    int64_t stride, pixels, count;
    float leak; /* of the LeakyReLU that comes after; 1: none */
    float centre[BLOCK], scale[BLOCK], shift[BLOCK]; /* y = (x - centre) scale + shift */
    float slope[BLOCK], mean_d[BLOCK];
    double sum[BLOCK], product[BLOCK]; /* added to */
};

/* Of the columns from `at` on. gradient: what d is before the activation. */
typedef void norm_loop(struct norm_columns *p, int64_t at);
struct norm_kernels {
    norm_loop *sums; /* of x - centre and its square */
    norm_loop *apply;
    norm_loop *gradient_sums; /* of the gradient, and of it times x - centre */
    norm_loop *gradient;      /* scale (gradient - mean_d) - (x - centre) slope */
};

#define LANES   1
#define NAME(x) x##_single
#define TARGET
#include "model/engine/ops/norm_kernels.inc"

#define LANES   2
#define NAME(x) x##_portable
#define TARGET
#define TAIL(x) x##_single
#include "model/engine/ops/norm_kernels.inc"

#if defined(__x86_64__)
#define LANES   4
#define NAME(x) x##_avx2
#define TARGET  __attribute__((target("avx2")))
#define TAIL(x) x##_single
#include "model/engine/ops/norm_kernels.inc"

#define LANES   8
#define NAME(x) x##_avx512
#define TARGET  __attribute__((target("avx512f,avx512vl")))
#define TAIL(x) x##_single
#include "model/engine/ops/norm_kernels.inc"
#endif

static enum mrc_winograd_lanes forced_lanes = MRC_WINOGRAD_BEST;

static const struct norm_kernels *kernels_of(enum mrc_winograd_lanes lanes) {
    const bool best = lanes == MRC_WINOGRAD_BEST;
#if defined(__x86_64__)
    if ((best || lanes == MRC_WINOGRAD_AVX512) && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512vl"))
        return &kernels_avx512;
    if ((best || lanes == MRC_WINOGRAD_AVX2) && __builtin_cpu_supports("avx2"))
        return &kernels_avx2;
#endif
    return best || lanes == MRC_WINOGRAD_PORTABLE ? &kernels_portable : NULL;
}

bool mrc_instance_norm_force(enum mrc_winograd_lanes lanes) {
    if (kernels_of(lanes) == NULL) return false;
    forced_lanes = lanes;
    return true;
}

struct job {
    const struct mrc_call *call;
    const struct norm_kernels *kernels;
    int64_t n, channels, pixels, blocks, width;
    float *mean, *rstd;
    double *sum_d, *sum_dx; /* of the gradient, and of it times normalised x */
    double eps;
    float leak;
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    if (!isfinite(node->attr.eps) || node->attr.eps <= 0.0f)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: eps is %g, expected a positive number",
                        node->name, (double)node->attr.eps);
    enum mrc_status st = mrc_declare_same(node, err);
    node->weight_count = node->bias_count = (size_t)node->channels;
    return st;
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    enum mrc_status st = mrc_infer_same(site, node, err);
    size_t planes = (size_t)site->in[0].n * (size_t)site->in[0].c;
    site->saved_bytes = st == MRC_OK ? planes * 2 * sizeof(float) : 0;
    site->scratch_bytes = st == MRC_OK ? planes * 2 * sizeof(double) : 0;
    return st;
}

static struct job job_for(const struct mrc_site *site, const struct mrc_call *call, float eps) {
    const struct mrc_shape s = site->in[0];
    struct job job = {.call = call, .n = s.n, .channels = s.c, .pixels = s.d * s.h * s.w};
    job.kernels = kernels_of(forced_lanes);
    job.eps = (double)eps;
    job.leak = call->leaks ? call->leak : 1.0f;
    job.width = s.n * s.c >= 512 ? BLOCK : BLOCK / 2; /* enough chunks for many threads */
    job.blocks = mrc_parts(s.c, job.width);
    job.mean = call->saved;
    job.rstd = job.mean + s.n * s.c;
    job.sum_d = call->scratch;
    job.sum_dx = job.sum_d + s.n * s.c;
    return job;
}

/* The part of a chunk: its first of [n][c], and its channels. */
struct block {
    int64_t plane, first;
};

static struct block begin_block(struct norm_columns *p, const struct job *job, size_t chunk) {
    const int64_t n = (int64_t)chunk / job->blocks;
    const int64_t first = (int64_t)chunk % job->blocks * job->width;
    const int64_t at = n * job->pixels * job->channels + first;
    p->x = job->call->src[0] + at;
    p->stride = job->channels;
    p->pixels = job->pixels;
    p->count = mrc_min_i64(job->width, job->channels - first);
    p->leak = job->leak;
    for (int i = 0; i < BLOCK; ++i) p->sum[i] = p->product[i] = 0.0;
    return (struct block){.plane = n * job->channels + first, .first = first};
}

static int64_t offset_in(const struct job *job, const struct norm_columns *p) {
    return p->x - job->call->src[0];
}

static void measure(const struct job *job, struct norm_columns *p, float *mean, float *rstd) {
    for (int64_t i = 0; i < p->count; ++i) p->centre[i] = p->x[i];
    job->kernels->sums(p, 0);
    for (int64_t i = 0; i < p->count; ++i) {
        double d = p->sum[i] / (double)job->pixels;
        double variance = fmax(0.0, p->product[i] / (double)job->pixels - d * d);
        mean[i] = (float)((double)p->centre[i] + d);
        rstd[i] = (float)(1.0 / sqrt(variance + job->eps));
    }
}

static void set_line(const struct job *job, struct norm_columns *p, struct block b) {
    for (int64_t i = 0; i < p->count; ++i) {
        p->centre[i] = job->mean[b.plane + i];
        p->scale[i] = job->rstd[b.plane + i] * job->call->weight[b.first + i];
        p->shift[i] = job->call->bias[b.first + i];
    }
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    struct norm_columns p;
    const struct block b = begin_block(&p, job, begin);
    measure(job, &p, job->mean + b.plane, job->rstd + b.plane);
    set_line(job, &p, b);
    p.to = job->call->dst + offset_in(job, &p);
    job->kernels->apply(&p, 0);
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    struct norm_columns p;
    const struct block b = begin_block(&p, job, begin);
    set_line(job, &p, b);
    p.d = job->call->d_dst + offset_in(job, &p);
    job->kernels->gradient_sums(&p, 0);
    for (int64_t i = 0; i < p.count; ++i) {
        job->sum_d[b.plane + i] = p.sum[i];
        job->sum_dx[b.plane + i] = p.product[i] * (double)job->rstd[b.plane + i];
    }
    if (job->call->d_src[0] == NULL) return;
    /* d_src = rstd gain (d - mean(d) - xhat mean(d xhat)) = scale (d - mean(d)) - (x - mean) slope
     */
    for (int64_t i = 0; i < p.count; ++i) {
        double rstd = (double)job->rstd[b.plane + i];
        double a = rstd * (double)job->call->weight[b.first + i];
        p.slope[i] = (float)(a * rstd * job->sum_dx[b.plane + i] / (double)job->pixels);
        p.mean_d[i] = (float)(p.sum[i] / (double)job->pixels);
    }
    p.to = job->call->d_src[0] + offset_in(job, &p);
    job->kernels->gradient(&p, 0);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = job_for(site, call, node->attr.eps);
    mrc_parallel_for((size_t)(job.n * job.blocks), 1, forward_chunk, &job);
}

/* to[c] = (add ? to[c] : 0) + the samples' sums in order. */
static void sum_samples(float *to, bool add, const double *sums, const struct job *job) {
    if (to == NULL) return;
    for (int64_t i = 0; i < job->channels; ++i) {
        double sum = 0.0;
        for (int64_t n = 0; n < job->n; ++n) sum += sums[n * job->channels + i];
        to[i] = (add ? to[i] : 0.0f) + (float)sum;
    }
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    struct job job = job_for(site, call, node->attr.eps);
    mrc_parallel_for((size_t)(job.n * job.blocks), 1, backward_chunk, &job);
    sum_samples(call->d_weight, !call->overwrite, job.sum_dx, &job);
    sum_samples(call->d_bias, !call->overwrite, job.sum_d, &job);
}

const struct mrc_op mrc_op_instance_norm = {.name = "instance_norm",
                                            .in_place = true,
                                            .backward_reads_src = true,
                                            .takes_leak = true,
                                            .declare = declare,
                                            .infer = infer,
                                            .forward = forward,
                                            .backward = backward};
