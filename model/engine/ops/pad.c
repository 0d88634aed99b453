/* pad.c: zeros on either side of depth, height and width. Backward cuts them off again. */
#include <inttypes.h>
#include <string.h>

#include "model/engine/ops/op_tools.h"

struct job {
    const struct mrc_call *call;
    const struct mrc_site *site;
    int64_t pad[3];
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    for (int axis = 0; axis < 3; ++axis)
        if (node->attr.pad[axis] < 0 || node->attr.pad[axis] > INT32_MAX)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: padding of %" PRId64 ", expected 0 … %" PRId32, node->name,
                            node->attr.pad[axis], INT32_MAX);
    return mrc_declare_same(node, err);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st != MRC_OK) return st;
    site->out.d += 2 * node->attr.pad[0];
    site->out.h += 2 * node->attr.pad[1];
    site->out.w += 2 * node->attr.pad[2];
    return mrc_check_shape(site->out, node->name, "output", err);
}

/* Output rows begin … end-1, counted over n d h. */
static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const struct mrc_shape in = job->site->in[0], out = job->site->out;
    for (int64_t row = (int64_t)begin; row < (int64_t)end; ++row) {
        int64_t h = row % out.h - job->pad[1], plane = row / out.h;
        int64_t d = plane % out.d - job->pad[0], n = plane / out.d;
        float *to = job->call->dst + row * out.w * out.c;
        memset(to, 0, (size_t)(out.w * out.c) * sizeof *to);
        if (h < 0 || h >= in.h || d < 0 || d >= in.d) continue;
        memcpy(to + job->pad[2] * out.c,
               job->call->src[0] + ((n * in.d + d) * in.h + h) * in.w * in.c,
               (size_t)(in.w * in.c) * sizeof *to);
    }
}

/* Input rows begin … end-1. */
static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const struct mrc_shape in = job->site->in[0], out = job->site->out;
    for (int64_t row = (int64_t)begin; row < (int64_t)end; ++row) {
        int64_t h = row % in.h + job->pad[1], plane = row / in.h;
        int64_t d = plane % in.d + job->pad[0], n = plane / in.d;
        const float *from =
            job->call->d_dst + (((n * out.d + d) * out.h + h) * out.w + job->pad[2]) * out.c;
        memcpy(job->call->d_src[0] + row * in.w * in.c, from, (size_t)(in.w * in.c) * sizeof *from);
    }
}

static void run(const struct mrc_node *node, const struct mrc_site *site,
                const struct mrc_call *call, struct mrc_shape rows_of, mrc_range_fn *fn) {
    struct job job = {.call = call, .site = site};
    memcpy(job.pad, node->attr.pad, sizeof job.pad);
    size_t grain = (size_t)mrc_max_i64(1, MRC_ELEMENT_CHUNK / (rows_of.w * rows_of.c));
    mrc_parallel_for((size_t)(rows_of.n * rows_of.d * rows_of.h), grain, fn, &job);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    run(node, site, call, site->out, forward_chunk);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    if (call->d_src[0] != NULL) run(node, site, call, site->in[0], backward_chunk);
}

const struct mrc_op mrc_op_pad = {
    .name = "pad", .declare = declare, .infer = infer, .forward = forward, .backward = backward};
