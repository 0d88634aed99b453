/* squash.c: what squashes all numbers into a range. Backward reads y.
 *   sigmoid  y = 1 / (1 + exp(-x)), without overflow on either side; dy/dx = y (1 - y)
 *   tanh     hyperbolic tangent; dy/dx = 1 - y^2 */
#include <math.h>

#include "model/engine/ops/op_tools.h"

struct curve {
    float (*y)(float x);
    float (*d_x)(float d_y, float y);
};

static float logistic(float x) {
    float e = expf(-fabsf(x)); /* 0 … 1 */
    return x >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);
}

static float logistic_back(float d_y, float y) {
    return d_y * y * (1.0f - y);
}

static float tanh_back(float d_y, float y) {
    return d_y * (1.0f - y * y);
}

struct job {
    struct mrc_call call;
    struct curve curve;
};

static struct job job_of(const struct mrc_node *node, const struct mrc_call *call) {
    static const struct curve sigmoid = {logistic, logistic_back}, tangent = {tanhf, tanh_back};
    return (struct job){*call, node->op == &mrc_op_tanh ? tangent : sigmoid};
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    for (size_t i = begin; i < end; ++i) job->call.dst[i] = job->curve.y(job->call.src[0][i]);
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    const struct mrc_call *call = &job->call;
    for (size_t i = begin; i < end; ++i)
        call->d_src[0][i] = job->curve.d_x(call->d_dst[i], call->dst[i]);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    struct job job = job_of(node, call);
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, forward_chunk, &job);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    if (call->d_src[0] == NULL) return;
    struct job job = job_of(node, call);
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, backward_chunk, &job);
}

#define SQUASH(name_)                                                                              \
    {                                                                                              \
        .name = (name_), .in_place = true, .backward_reads_dst = true,                             \
        .declare = mrc_declare_same, .infer = mrc_infer_same, .forward = forward,                  \
        .backward = backward                                                                       \
    }
const struct mrc_op mrc_op_sigmoid = SQUASH("sigmoid");
const struct mrc_op mrc_op_tanh = SQUASH("tanh");
