/* conv.c: convolution with bias, 2-D and 3-D. out = (in + 2 pad - k) / stride + 1. */
#include <inttypes.h>

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    node->channels = node->attr.channels;
    node->bias_count = (size_t)mrc_max_i64(0, node->attr.channels);
    return mrc_conv_check_node(&node->weight_count, node, err);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    const struct mrc_shape in = mrc_joined_input(site);
    struct mrc_conv c;
    if (in.c != node->in_channels[0])
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: %" PRId64 " input channels, expected %" PRId64,
                        node->name, in.c, node->in_channels[0]);
    enum mrc_status st = mrc_conv_settle(&c, in, node->channels, node, err);
    if (st != MRC_OK) return st;
    c.in_first = mrc_first_part(site);
    site->out = (struct mrc_shape){c.n, c.cout, c.out[0], c.out[1], c.out[2]};
    site->saved_bytes = 0;
    site->threads = c.lanes;
    site->scratch_bytes = mrc_conv_scratch_bytes(&c);
    size_t bias = mrc_conv_bias_scratch_bytes(mrc_conv_out_pixels(&c), c.cout);
    if (bias > site->scratch_bytes) site->scratch_bytes = bias;
    return MRC_OK;
}

static struct mrc_conv settled(const struct mrc_node *node, const struct mrc_site *site) {
    struct mrc_conv c =
        mrc_conv_between(mrc_joined_input(site), site->out, &node->attr, site->threads);
    c.in_first = mrc_first_part(site);
    return c;
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    const struct mrc_conv c = settled(node, site);
    mrc_conv_forward(&c, &call->dst, call->src, call->weight, call->bias, call->scratch);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    const struct mrc_conv c = settled(node, site);
    if (call->d_src[0] != NULL)
        mrc_conv_backward_data(&c, call->d_src, &call->d_dst, call->weight, NULL, call->scratch);
    if (call->d_weight != NULL)
        mrc_conv_backward_weights(&c, call->d_weight, !call->overwrite, call->src, &call->d_dst,
                                  call->scratch);
    if (call->d_bias != NULL)
        mrc_conv_backward_bias(call->d_bias, !call->overwrite, call->d_dst, mrc_conv_out_pixels(&c),
                               c.cout, c.lanes, call->scratch);
}

static const enum mrc_conv_direction order[] = {MRC_CONV_FORWARD, MRC_CONV_BACKWARD_DATA,
                                                MRC_CONV_BACKWARD_WEIGHTS};

static bool takes_parts(const struct mrc_node *node, const struct mrc_site *site, bool training) {
    const struct mrc_conv c = settled(node, site);
    return mrc_conv_takes_parts(&c, order, training ? 3 : 1);
}

static void describe(char *out, size_t capacity, const struct mrc_node *node,
                     const struct mrc_site *site, bool training) {
    const struct mrc_conv c = settled(node, site);
    mrc_conv_describe(out, capacity, &c, order, training ? 3 : 1);
}

const struct mrc_op mrc_op_conv = {.name = "conv",
                                   .backward_reads_src = true,
                                   .declare = declare,
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward,
                                   .takes_parts = takes_parts,
                                   .describe = describe};
