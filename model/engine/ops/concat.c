/* concat.c: the channels of a, then those of b, at each position. */
#include <inttypes.h>
#include <string.h>

#include "model/engine/ops/op_tools.h"

struct job {
    const struct mrc_call *call;
    size_t channels[MRC_NODE_INPUTS];
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    enum mrc_status st = mrc_declare_same(node, err);
    if (node->in_channels[0] <= 0 || node->in_channels[1] <= 0 ||
        node->in_channels[0] > INT32_MAX || node->in_channels[1] > INT32_MAX)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: joining %" PRId64 " and %" PRId64 " channels, expected 1 … %" PRId32,
                        node->name, node->in_channels[0], node->in_channels[1], INT32_MAX);
    node->channels = node->in_channels[0] + node->in_channels[1];
    return st;
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    const struct mrc_shape a = site->in[0], b = site->in[1];
    if (a.n != b.n || a.d != b.d || a.h != b.h || a.w != b.w)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: inputs of %" PRId64 "x%" PRId64 "x%" PRId64 " and %" PRId64 "x%" PRId64
                        "x%" PRId64 " (d h w) or of different counts, expected the same sides",
                        node->name, a.d, a.h, a.w, b.d, b.h, b.w);
    site->out = a;
    site->out.c = a.c + b.c;
    site->saved_bytes = site->scratch_bytes = 0;
    site->threads = mrc_parallel_threads();
    enum mrc_status st = mrc_check_shape(a, node->name, "input", err);
    return st != MRC_OK ? st : mrc_check_shape(site->out, node->name, "output", err);
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const size_t a = job->channels[0], b = job->channels[1];
    for (size_t i = begin; i < end; ++i) {
        float *to = job->call->dst + i * (a + b);
        memcpy(to, job->call->src[0] + i * a, a * sizeof *to);
        memcpy(to + a, job->call->src[1] + i * b, b * sizeof *to);
    }
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const size_t a = job->channels[0], b = job->channels[1];
    float *const d_a = job->call->d_src[0], *const d_b = job->call->d_src[1];
    for (size_t i = begin; i < end; ++i) {
        const float *from = job->call->d_dst + i * (a + b);
        if (d_a != NULL) memcpy(d_a + i * a, from, a * sizeof *from);
        if (d_b != NULL) memcpy(d_b + i * b, from + a, b * sizeof *from);
    }
}

static void run(const struct mrc_site *site, const struct mrc_call *call, mrc_range_fn *fn) {
    struct job job = {.call = call, .channels = {(size_t)site->in[0].c, (size_t)site->in[1].c}};
    size_t grain = (size_t)mrc_max_i64(1, MRC_ELEMENT_CHUNK / site->out.c);
    mrc_parallel_for((size_t)mrc_shape_pixels(site->out), grain, fn, &job);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    (void)node;
    run(site, call, forward_chunk);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    (void)node;
    run(site, call, backward_chunk);
}

const struct mrc_op mrc_op_concat = {
    .name = "concat", .declare = declare, .infer = infer, .forward = forward, .backward = backward};
