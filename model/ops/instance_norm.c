/* instance_norm.c: each channel of each sample to mean 0 and variance 1, then times gain plus
 * shift. y = (x - mean) rstd gain + shift,   rstd = 1 / sqrt(variance + eps),   variance over the
 * map, biased Ulyanov, Vedaldi, Lempitsky: "Instance normalization: the missing ingredient for fast
 * stylization" (2016).
 *
 * Sums run in double over values less the map's first one, so that a large mean costs no digits and
 * a constant map has a variance of exactly 0. A chunk is a block of channels of one sample: sums
 * are never cut. Saved: mean [n][c], rstd [n][c]. Scratch (backward): the two sums a channel,
 * [n][c] doubles each. */
#include <math.h>

#include "model/ops/op_tools.h"

enum { BLOCK = 32 };

struct job {
    const struct mrc_call *call;
    int64_t n, channels, pixels, blocks, width;
    float *mean, *rstd;
    double *sum_d, *sum_dx; /* of d_dst, and of d_dst times normalised x */
    double eps;
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
    job.eps = (double)eps;
    job.width = s.n * s.c >= 512 ? BLOCK : BLOCK / 2; /* enough chunks for many threads */
    job.blocks = mrc_parts(s.c, job.width);
    job.mean = call->saved;
    job.rstd = job.mean + s.n * s.c;
    job.sum_d = call->scratch;
    job.sum_dx = job.sum_d + s.n * s.c;
    return job;
}

/* The block's part of a chunk: first float in the map, first of [n][c], and the number of channels.
 */
struct block {
    int64_t at, plane, first, count;
};

static struct block block_of(const struct job *job, size_t chunk) {
    int64_t n = (int64_t)chunk / job->blocks, first = (int64_t)chunk % job->blocks * job->width;
    return (struct block){.at = n * job->pixels * job->channels + first,
                          .plane = n * job->channels + first,
                          .first = first,
                          .count = mrc_min_i64(job->width, job->channels - first)};
}

static void measure(const struct job *job, const struct block *b, float *mean, float *rstd) {
    const float *x = job->call->src[0] + b->at;
    double sum[BLOCK] = {0}, squares[BLOCK] = {0};
    float origin[BLOCK];
    for (int64_t i = 0; i < b->count; ++i) origin[i] = x[i];
    for (int64_t pixel = 0; pixel < job->pixels; ++pixel, x += job->channels)
        for (int64_t i = 0; i < b->count; ++i) {
            double d = (double)x[i] - (double)origin[i];
            sum[i] += d;
            squares[i] += d * d;
        }
    for (int64_t i = 0; i < b->count; ++i) {
        double d = sum[i] / (double)job->pixels;
        double variance = fmax(0.0, squares[i] / (double)job->pixels - d * d);
        mean[i] = (float)((double)origin[i] + d);
        rstd[i] = (float)(1.0 / sqrt(variance + job->eps));
    }
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct block b = block_of(job, begin);
    float *mean = job->mean + b.plane, *rstd = job->rstd + b.plane;
    measure(job, &b, mean, rstd);
    float centre[BLOCK], scale[BLOCK], shift[BLOCK];
    for (int64_t i = 0; i < b.count; ++i) {
        centre[i] = mean[i];
        scale[i] = rstd[i] * job->call->weight[b.first + i];
        shift[i] = job->call->bias[b.first + i];
    }
    const float *x = job->call->src[0] + b.at;
    float *y = job->call->dst + b.at;
    for (int64_t pixel = 0; pixel < job->pixels; ++pixel, x += job->channels, y += job->channels)
        for (int64_t i = 0; i < b.count; ++i) y[i] = (x[i] - centre[i]) * scale[i] + shift[i];
}

static void backward_sums(const struct job *job, const struct block *b, double *sum_d,
                          double *sum_dx) {
    const float *x = job->call->src[0] + b->at, *d = job->call->d_dst + b->at;
    const float *mean = job->mean + b->plane, *rstd = job->rstd + b->plane;
    double sum[BLOCK] = {0}, product[BLOCK] = {0};
    float centre[BLOCK];
    for (int64_t i = 0; i < b->count; ++i) centre[i] = mean[i];
    for (int64_t pixel = 0; pixel < job->pixels; ++pixel, x += job->channels, d += job->channels)
        for (int64_t i = 0; i < b->count; ++i) {
            sum[i] += (double)d[i];
            product[i] += (double)d[i] * (double)(x[i] - centre[i]);
        }
    for (int64_t i = 0; i < b->count; ++i) {
        sum_d[i] = sum[i];
        sum_dx[i] = product[i] * (double)rstd[i];
    }
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct block b = block_of(job, begin);
    const double *sum_d = job->sum_d + b.plane, *sum_dx = job->sum_dx + b.plane;
    backward_sums(job, &b, job->sum_d + b.plane, job->sum_dx + b.plane);
    float *d_src = job->call->d_src[0];
    if (d_src == NULL) return;
    /* d_src = rstd gain (d - mean(d) - xhat mean(d xhat)) = scale (d - mean(d)) - (x - mean) slope
     */
    float centre[BLOCK], scale[BLOCK], slope[BLOCK], mean_d[BLOCK];
    for (int64_t i = 0; i < b.count; ++i) {
        double rstd = (double)job->rstd[b.plane + i];
        double a = rstd * (double)job->call->weight[b.first + i];
        centre[i] = job->mean[b.plane + i];
        scale[i] = (float)a;
        slope[i] = (float)(a * rstd * sum_dx[i] / (double)job->pixels);
        mean_d[i] = (float)(sum_d[i] / (double)job->pixels);
    }
    const float *x = job->call->src[0] + b.at, *d = job->call->d_dst + b.at;
    d_src += b.at;
    for (int64_t pixel = 0; pixel < job->pixels; ++pixel) {
        for (int64_t i = 0; i < b.count; ++i)
            d_src[i] = scale[i] * (d[i] - mean_d[i]) - (x[i] - centre[i]) * slope[i];
        x += job->channels, d += job->channels, d_src += job->channels;
    }
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = job_for(site, call, node->attr.eps);
    mrc_parallel_for((size_t)(job.n * job.blocks), 1, forward_chunk, &job);
}

/* to[c] += the samples' sums in order. */
static void add_over_samples(float *to, const double *sums, const struct job *job) {
    if (to == NULL) return;
    for (int64_t i = 0; i < job->channels; ++i) {
        double sum = 0.0;
        for (int64_t n = 0; n < job->n; ++n) sum += sums[n * job->channels + i];
        to[i] += (float)sum;
    }
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    struct job job = job_for(site, call, node->attr.eps);
    mrc_parallel_for((size_t)(job.n * job.blocks), 1, backward_chunk, &job);
    add_over_samples(call->d_weight, job.sum_dx, &job);
    add_over_samples(call->d_bias, job.sum_d, &job);
}

const struct mrc_op mrc_op_instance_norm = {.name = "instance_norm",
                                            .backward_reads_src = true,
                                            .declare = declare,
                                            .infer = infer,
                                            .forward = forward,
                                            .backward = backward};
