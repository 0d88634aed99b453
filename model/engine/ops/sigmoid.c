/* sigmoid.c: y = 1 / (1 + exp(-x)), without overflow on either side. dy/dx = y (1 - y). */
#include <math.h>

#include "model/engine/ops/op_tools.h"

static float logistic(float x) {
    float e = expf(-fabsf(x)); /* 0 … 1 */
    return x >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct mrc_call *call = context;
    for (size_t i = begin; i < end; ++i) call->dst[i] = logistic(call->src[0][i]);
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct mrc_call *call = context;
    for (size_t i = begin; i < end; ++i) {
        float y = call->dst[i];
        call->d_src[0][i] = call->d_dst[i] * y * (1.0f - y);
    }
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    (void)node;
    struct mrc_call copy = *call;
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, forward_chunk, &copy);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    (void)node;
    if (call->d_src[0] == NULL) return;
    struct mrc_call copy = *call;
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, backward_chunk, &copy);
}

const struct mrc_op mrc_op_sigmoid = {.name = "sigmoid",
                                      .in_place = true,
                                      .backward_reads_dst = true,
                                      .declare = mrc_declare_same,
                                      .infer = mrc_infer_same,
                                      .forward = forward,
                                      .backward = backward};
