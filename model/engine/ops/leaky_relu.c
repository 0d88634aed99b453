/* leaky_relu.c: y = x for x > 0, slope x otherwise; slope 0 is relu. The sign of y tells the sign
 * of x (slope >= 0), so backward reads y and the operation works in place. The derivative at
 * exactly 0 is the slope. */
#include <math.h>

#include "model/engine/ops/op_tools.h"

struct job {
    float *to;
    const float *from, *y;
    float slope;
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    if (!isfinite(node->attr.slope) || node->attr.slope < 0.0f)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: slope is %g, expected a finite number of 0 or more", node->name,
                        (double)node->attr.slope);
    return mrc_declare_same(node, err);
}

/* Times 1 or the slope: a choice between constants needs no branch for each element. Apart and in
 * place are two loops, because buffers that may overlap cannot be computed several elements at a
 * time. */
static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const float slope = job->slope;
    const float *restrict from = job->from;
    float *restrict to = job->to;
    if (job->to == job->from)
        for (size_t i = begin; i < end; ++i) to[i] *= to[i] > 0.0f ? 1.0f : slope;
    else
        for (size_t i = begin; i < end; ++i) to[i] = from[i] * (from[i] > 0.0f ? 1.0f : slope);
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const float slope = job->slope;
    const float *restrict from = job->from, *restrict y = job->y;
    float *restrict to = job->to;
    if (job->to == job->from)
        for (size_t i = begin; i < end; ++i) to[i] *= y[i] > 0.0f ? 1.0f : slope;
    else
        for (size_t i = begin; i < end; ++i) to[i] = from[i] * (y[i] > 0.0f ? 1.0f : slope);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = {.to = call->dst, .from = call->src[0], .slope = node->attr.slope};
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, forward_chunk, &job);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    if (call->d_src[0] == NULL) return;
    struct job job = {
        .to = call->d_src[0], .from = call->d_dst, .y = call->dst, .slope = node->attr.slope};
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, backward_chunk, &job);
}

const struct mrc_op mrc_op_leaky_relu = {.name = "leaky_relu",
                                         .in_place = true,
                                         .backward_reads_dst = true,
                                         .declare = declare,
                                         .infer = mrc_infer_same,
                                         .forward = forward,
                                         .backward = backward};
