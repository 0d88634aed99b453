/* conv_depthwise.c: every channel convolved with a kernel of its own, with bias, 2-D and 3-D:
 *     y[o][c] = bias[c] + sum over taps t of x[o stride - pad + t dilation][c] weight[t][c]
 * out = (in + 2 pad - (k - 1) dilation - 1) / stride + 1. Weights [kd][kh][kw][c], bias [c]; PyTorch's
 * order [c][1][kh][kw]. With a 1x1 convolution behind it, it is a separable one. Chollet: "Xception"
 * (CVPR 2017).
 *
 * A chunk is some rows of the side that is written. Gradients of weights are summed in float along a
 * row, and over rows in double, in chunks of fixed size that are added in order. */
#include <inttypes.h>
#include <string.h>

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"

enum { PARTIAL_CHUNKS = 16 };

struct job {
    const struct mrc_call *call;
    struct mrc_shape in, out;
    int64_t k[3], stride[3], pad[3], dilation[3], taps;
    double *partial; /* [chunks][taps + 1][c]: of the weights, then of the bias */
    float *line;     /* [chunks][taps + 1][c] */
    int64_t chunks;
};

static int64_t tap_count(const struct mrc_node *node) {
    return node->attr.k[0] * node->attr.k[1] * node->attr.k[2];
}

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    if (node->attr.channels != node->in_channels[0])
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: %" PRId64 " -> %" PRId64
                        " channels, expected the same number of a depthwise convolution",
                        node->name, node->in_channels[0], node->attr.channels);
    enum mrc_status st = mrc_conv_check_node(&node->weight_count, node, err);
    node->channels = node->attr.channels;
    node->bias_count = (size_t)node->channels;
    if (st == MRC_OK) node->weight_count /= (size_t)node->channels;
    return st;
}

static int64_t partial_chunks(struct mrc_shape out) {
    return mrc_min_i64(PARTIAL_CHUNKS, out.n * out.d * out.h);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    struct mrc_conv c;
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st == MRC_OK) st = mrc_conv_settle(&c, site->in[0], node->channels, node, err);
    if (st != MRC_OK) return st;
    site->out = (struct mrc_shape){c.n, c.cout, c.out[0], c.out[1], c.out[2]};
    site->scratch_bytes = (size_t)(partial_chunks(site->out) * (tap_count(node) + 1) * c.cout) *
                          (sizeof(double) + sizeof(float));
    return MRC_OK;
}

static struct job job_for(const struct mrc_node *node, const struct mrc_site *site,
                          const struct mrc_call *call) {
    struct job job = {.call = call,
                      .in = site->in[0],
                      .out = site->out,
                      .taps = tap_count(node),
                      .chunks = partial_chunks(site->out),
                      .partial = call->scratch};
    for (int axis = 0; axis < 3; ++axis) {
        job.k[axis] = node->attr.k[axis];
        job.stride[axis] = node->attr.stride[axis];
        job.pad[axis] = node->attr.pad[axis];
        job.dilation[axis] = mrc_dilation(&node->attr, axis);
    }
    job.line = (float *)(void *)(job.partial + job.chunks * (job.taps + 1) * job.out.c);
    return job;
}

/* What tap t reads at output o along one axis; -1: padding. */
static int64_t input_under(const struct job *job, int axis, int64_t out, int64_t tap,
                           int64_t side) {
    const int64_t at = out * job->stride[axis] - job->pad[axis] + tap * job->dilation[axis];
    return at < side ? mrc_max_i64(at, -1) : -1;
}

/* The output that reads input `in` by tap t along one axis; -1: none. */
static int64_t output_over(const struct job *job, int axis, int64_t in, int64_t tap,
                           int64_t out_side) {
    const int64_t at = in + job->pad[axis] - tap * job->dilation[axis];
    if (at < 0 || at % job->stride[axis] != 0) return -1;
    return at / job->stride[axis] < out_side ? at / job->stride[axis] : -1;
}

static void add_products(float *restrict to, const float *restrict a, const float *restrict b,
                         int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += a[i] * b[i];
}

/* Rows are counted over n d h. The other side's row under (or over) taps (kd, kh) of this side's
 * row; -1: none. */
typedef int64_t other_fn(const struct job *job, int axis, int64_t here, int64_t tap, int64_t side);
static int64_t other_row(const struct job *job, int64_t row, struct mrc_shape here,
                         struct mrc_shape there, int64_t kd, int64_t kh, other_fn *other) {
    const int64_t n = row / here.h / here.d;
    const int64_t d = other(job, 0, row / here.h % here.d, kd, there.d);
    const int64_t h = other(job, 1, row % here.h, kh, there.h);
    return d < 0 || h < 0 ? -1 : (n * there.d + d) * there.h + h;
}

/* to [row of `here`] += weight * what the taps find in `from`, of the shape `there`. */
static void gather_row(const struct job *job, float *to, const float *from, int64_t row,
                       struct mrc_shape here, struct mrc_shape there, other_fn *other) {
    const int64_t c = here.c;
    const float *weight = job->call->weight;
    for (int64_t kd = 0; kd < job->k[0]; ++kd)
        for (int64_t kh = 0; kh < job->k[1]; ++kh, weight += job->k[2] * c) {
            const int64_t under = other_row(job, row, here, there, kd, kh, other);
            if (under < 0) continue;
            for (int64_t w = 0; w < here.w; ++w)
                for (int64_t kw = 0; kw < job->k[2]; ++kw) {
                    const int64_t at = other(job, 2, w, kw, there.w);
                    if (at >= 0)
                        add_products(to + w * c, from + (under * there.w + at) * c, weight + kw * c,
                                     c);
                }
        }
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const int64_t floats = job->out.w * job->out.c;
    for (int64_t row = (int64_t)begin; row < (int64_t)end; ++row) {
        float *to = job->call->dst + row * floats;
        mrc_fill_rows(to, job->out.w, job->out.c, job->out.c, job->call->bias);
        gather_row(job, to, job->call->src[0], row, job->out, job->in, input_under);
    }
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const int64_t floats = job->in.w * job->in.c;
    for (int64_t row = (int64_t)begin; row < (int64_t)end; ++row) {
        float *to = job->call->d_src[0] + row * floats;
        mrc_fill_rows(to, 1, floats, 0, NULL);
        gather_row(job, to, job->call->d_dst, row, job->in, job->out, output_over);
    }
}

/* One row of d_dst times what its taps read, and its sum. */
static void sum_row(const struct job *job, float *line, int64_t row) {
    const int64_t c = job->out.c;
    const float *d = job->call->d_dst + row * job->out.w * c;
    float *to = line;
    for (int64_t kd = 0; kd < job->k[0]; ++kd)
        for (int64_t kh = 0; kh < job->k[1]; ++kh, to += job->k[2] * c) {
            const int64_t under = other_row(job, row, job->out, job->in, kd, kh, input_under);
            if (under < 0) continue;
            for (int64_t w = 0; w < job->out.w; ++w)
                for (int64_t kw = 0; kw < job->k[2]; ++kw) {
                    const int64_t at = input_under(job, 2, w, kw, job->in.w);
                    if (at >= 0)
                        add_products(to + kw * c, d + w * c,
                                     job->call->src[0] + (under * job->in.w + at) * c, c);
                }
        }
    for (int64_t w = 0; w < job->out.w; ++w)
        for (int64_t i = 0; i < c; ++i) to[i] += d[w * c + i];
}

static void weights_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const int64_t rows = job->out.n * job->out.d * job->out.h;
    const int64_t count = (job->taps + 1) * job->out.c, chunk = (int64_t)begin;
    double *sums = job->partial + chunk * count;
    float *line = job->line + chunk * count;
    for (int64_t i = 0; i < count; ++i) sums[i] = 0.0;
    for (int64_t row = chunk * rows / job->chunks; row < (chunk + 1) * rows / job->chunks; ++row) {
        mrc_fill_rows(line, 1, count, 0, NULL);
        sum_row(job, line, row);
        for (int64_t i = 0; i < count; ++i) sums[i] += (double)line[i];
    }
}

static void add_chunks(float *to, const struct job *job, int64_t first, int64_t count) {
    if (to == NULL) return;
    for (int64_t i = 0; i < count; ++i) {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < job->chunks; ++chunk)
            sum += job->partial[chunk * (job->taps + 1) * job->out.c + first + i];
        to[i] = (job->call->overwrite ? 0.0f : to[i]) + (float)sum;
    }
}

static void run(struct mrc_shape rows_of, mrc_range_fn *fn, struct job *job) {
    size_t grain = (size_t)mrc_max_i64(1, MRC_ELEMENT_CHUNK / (rows_of.w * rows_of.c * job->taps));
    mrc_parallel_for((size_t)(rows_of.n * rows_of.d * rows_of.h), grain, fn, job);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = job_for(node, site, call);
    run(job.out, forward_chunk, &job);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    struct job job = job_for(node, site, call);
    if (call->d_src[0] != NULL) run(job.in, backward_chunk, &job);
    if (call->d_weight == NULL && call->d_bias == NULL) return;
    mrc_parallel_for((size_t)job.chunks, 1, weights_chunk, &job);
    add_chunks(call->d_weight, &job, 0, job.taps * job.out.c);
    add_chunks(call->d_bias, &job, job.taps * job.out.c, job.out.c);
}

const struct mrc_op mrc_op_conv_depthwise = {.name = "conv_depthwise",
                                             .backward_reads_src = true,
                                             .declare = declare,
                                             .infer = infer,
                                             .forward = forward,
                                             .backward = backward};
