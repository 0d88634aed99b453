/* add.c: y = a + b of the same shape. In place: y may be a, and d_a may be d_y. Backward reads
 * nothing but d_y. */
#include <inttypes.h>
#include <string.h>

#include "model/engine/ops/op_tools.h"

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    if (node->in_channels[0] != node->in_channels[1])
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: adding %" PRId64 " to %" PRId64 " channels, expected the same number",
                        node->name, node->in_channels[1], node->in_channels[0]);
    return mrc_declare_same(node, err);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    if (!mrc_shape_equal(site->in[0], site->in[1]))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: inputs of %" PRId64 "x%" PRId64 "x%" PRId64 " and %" PRId64 "x%" PRId64
                        "x%" PRId64 " (d h w) or of different counts, expected the same shape",
                        node->name, site->in[0].d, site->in[0].h, site->in[0].w, site->in[1].d,
                        site->in[1].h, site->in[1].w);
    return mrc_infer_same(site, node, err);
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct mrc_call *call = context;
    const float *a = call->src[0], *b = call->src[1];
    for (size_t i = begin; i < end; ++i) call->dst[i] = a[i] + b[i];
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct mrc_call *call = context;
    for (int k = 0; k < 2; ++k)
        if (call->d_src[k] != NULL && call->d_src[k] != call->d_dst)
            memcpy(call->d_src[k] + begin, call->d_dst + begin, (end - begin) * sizeof(float));
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
    struct mrc_call copy = *call;
    mrc_parallel_for(mrc_shape_count(site->out), MRC_ELEMENT_CHUNK, backward_chunk, &copy);
}

const struct mrc_op mrc_op_add = {.name = "add",
                                  .in_place = true,
                                  .declare = declare,
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward};
