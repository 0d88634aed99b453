/* group_norm.c: groups of channels (attr.groups) of each sample together to mean 0 and variance 1,
 * then each channel times its gain plus its shift. One group is layer norm over the whole map; as
 * many as channels is instance norm, which has an operation of its own.
 *     y = (x - mean) rstd gain + shift,   rstd = 1 / sqrt(variance + eps)
 *     d_x = rstd (g - mean(g) - xhat mean(g xhat)),   g = d gain,   means over the group
 * Wu, He: "Group normalization" (ECCV 2018); Ba, Kiros, Hinton: "Layer normalization" (2016).
 *
 * Sums run in double, channel by channel in the order of the pixels, over values less the map's
 * first one; then over the channels of a group. Saved: mean, rstd [n][groups]. Scratch: two doubles
 * a channel, [n][c][2]. */
#include <inttypes.h>
#include <math.h>

#include "model/engine/ops/op_tools.h"

struct job {
    const struct mrc_call *call;
    struct mrc_shape in;
    int64_t groups, width; /* channels of a group */
    double eps;
    float *mean, *rstd;
    double *sums; /* forward: mean and variance of a channel; backward: of d, and of d xhat */
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    const struct mrc_attributes *attr = &node->attr;
    if (!isfinite(attr->eps) || attr->eps <= 0.0f)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: eps is %g, expected a positive number",
                        node->name, (double)attr->eps);
    if (attr->groups < 1 || node->in_channels[0] % attr->groups != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: %" PRId64 " channels in %" PRId64
                        " groups, expected a number that divides them",
                        node->name, node->in_channels[0], attr->groups);
    enum mrc_status st = mrc_declare_same(node, err);
    node->weight_count = node->bias_count = (size_t)node->channels;
    return st;
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st != MRC_OK) return st;
    site->saved_bytes = (size_t)(site->in[0].n * node->attr.groups) * 2 * sizeof(float);
    site->scratch_bytes = (size_t)(site->in[0].n * site->in[0].c) * 2 * sizeof(double);
    return MRC_OK;
}

static struct job job_for(const struct mrc_node *node, const struct mrc_site *site,
                          const struct mrc_call *call) {
    struct job job = {.call = call,
                      .in = site->in[0],
                      .groups = node->attr.groups,
                      .width = site->in[0].c / node->attr.groups,
                      .eps = (double)node->attr.eps,
                      .mean = call->saved,
                      .sums = call->scratch};
    job.rstd = job.mean + job.in.n * job.groups;
    return job;
}

/* Which of the groups a channel is in, over all samples. */
static int64_t group_of(const struct job *job, const struct mrc_columns *at, int64_t k) {
    return at->n * job->groups + (at->first + k) / job->width;
}

/* Mean and variance of each channel. */
static void measure_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const int64_t pixels = mrc_map_pixels(job->in);
    const float *x = job->call->src[0] + at.offset;
    double sum[MRC_COLUMNS] = {0.0}, square[MRC_COLUMNS] = {0.0};
    for (int64_t i = 0; i < pixels; ++i)
        for (int64_t k = 0; k < at.count; ++k) {
            const double apart = (double)x[i * job->in.c + k] - (double)x[k];
            sum[k] += apart;
            square[k] += apart * apart;
        }
    double *to = job->sums + 2 * at.plane;
    for (int64_t k = 0; k < at.count; ++k) {
        const double mean = sum[k] / (double)pixels;
        to[2 * k] = (double)x[k] + mean;
        to[2 * k + 1] = fmax(0.0, square[k] / (double)pixels - mean * mean);
    }
}

/* The variance of a group: that within its channels, and that between their means. */
static void measure_groups(const struct job *job) {
    for (int64_t group = 0; group < job->in.n * job->groups; ++group) {
        const double *of = job->sums + 2 * group * job->width;
        double mean = 0.0, variance = 0.0;
        for (int64_t i = 0; i < job->width; ++i) mean += of[2 * i] / (double)job->width;
        for (int64_t i = 0; i < job->width; ++i)
            variance +=
                (of[2 * i + 1] + (of[2 * i] - mean) * (of[2 * i] - mean)) / (double)job->width;
        job->mean[group] = (float)mean;
        job->rstd[group] = (float)(1.0 / sqrt(variance + job->eps));
    }
}

static void apply_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    float centre[MRC_COLUMNS], scale[MRC_COLUMNS];
    for (int64_t k = 0; k < at.count; ++k) {
        centre[k] = job->mean[group_of(job, &at, k)];
        scale[k] = job->rstd[group_of(job, &at, k)] * job->call->weight[at.first + k];
    }
    const float *x = job->call->src[0] + at.offset, *shift = job->call->bias + at.first;
    float *y = job->call->dst + at.offset;
    for (int64_t i = 0; i < mrc_map_pixels(job->in); ++i, x += job->in.c, y += job->in.c)
        for (int64_t k = 0; k < at.count; ++k) y[k] = (x[k] - centre[k]) * scale[k] + shift[k];
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = job_for(node, site, call);
    const size_t chunks = mrc_columns_count(job.in);
    mrc_parallel_for(chunks, 1, measure_chunk, &job);
    measure_groups(&job);
    mrc_parallel_for(chunks, 1, apply_chunk, &job);
}

static void sum_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const float *x = job->call->src[0] + at.offset, *d = job->call->d_dst + at.offset;
    double sum[MRC_COLUMNS] = {0.0}, product[MRC_COLUMNS] = {0.0}, mean[MRC_COLUMNS];
    for (int64_t k = 0; k < at.count; ++k) mean[k] = (double)job->mean[group_of(job, &at, k)];
    for (int64_t i = 0; i < mrc_map_pixels(job->in); ++i, x += job->in.c, d += job->in.c)
        for (int64_t k = 0; k < at.count; ++k) {
            sum[k] += (double)d[k];
            product[k] += (double)d[k] * ((double)x[k] - mean[k]);
        }
    double *to = job->sums + 2 * at.plane;
    for (int64_t k = 0; k < at.count; ++k) {
        to[2 * k] = sum[k];
        to[2 * k + 1] = product[k] * (double)job->rstd[group_of(job, &at, k)];
    }
}

/* to[c] = (add ? to[c] : 0) + the samples' sums in order. */
static void sum_samples(float *to, const struct job *job, int which) {
    if (to == NULL) return;
    for (int64_t i = 0; i < job->in.c; ++i) {
        double sum = 0.0;
        for (int64_t n = 0; n < job->in.n; ++n) sum += job->sums[2 * (n * job->in.c + i) + which];
        to[i] = (job->call->overwrite ? 0.0f : to[i]) + (float)sum;
    }
}

/* The means over a channel's group: of the gradient times its gain, and of that times xhat. */
static void group_means(const struct job *job, int64_t group, double means[2]) {
    const double *of = job->sums + 2 * group * job->width;
    const float *gain = job->call->weight + group % job->groups * job->width;
    means[0] = means[1] = 0.0;
    for (int64_t i = 0; i < job->width; ++i)
        for (int k = 0; k < 2; ++k) means[k] += (double)gain[i] * of[2 * i + k];
    for (int k = 0; k < 2; ++k) means[k] /= (double)job->width * (double)mrc_map_pixels(job->in);
}

static void gradient_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    float mean[MRC_COLUMNS], scale[MRC_COLUMNS], offset[MRC_COLUMNS], slope[MRC_COLUMNS];
    for (int64_t k = 0; k < at.count; ++k) {
        const int64_t group = group_of(job, &at, k);
        const double rstd = (double)job->rstd[group];
        double means[2];
        group_means(job, group, means);
        mean[k] = job->mean[group];
        scale[k] = job->rstd[group] * job->call->weight[at.first + k];
        offset[k] = (float)(rstd * means[0]);
        slope[k] = (float)(rstd * rstd * means[1]);
    }
    const float *x = job->call->src[0] + at.offset, *d = job->call->d_dst + at.offset;
    float *to = job->call->d_src[0] + at.offset;
    for (int64_t i = 0; i < mrc_map_pixels(job->in); ++i) {
        for (int64_t k = 0; k < at.count; ++k)
            to[k] = scale[k] * d[k] - offset[k] - (x[k] - mean[k]) * slope[k];
        x += job->in.c, d += job->in.c, to += job->in.c;
    }
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    struct job job = job_for(node, site, call);
    const size_t chunks = mrc_columns_count(job.in);
    mrc_parallel_for(chunks, 1, sum_chunk, &job);
    sum_samples(call->d_weight, &job, 1);
    sum_samples(call->d_bias, &job, 0);
    if (call->d_src[0] != NULL) mrc_parallel_for(chunks, 1, gradient_chunk, &job);
}

const struct mrc_op mrc_op_group_norm = {.name = "group_norm",
                                         .in_place = true,
                                         .backward_reads_src = true,
                                         .declare = declare,
                                         .infer = infer,
                                         .forward = forward,
                                         .backward = backward};
