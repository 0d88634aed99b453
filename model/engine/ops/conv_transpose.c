/* conv_transpose.c: transposed convolution with bias: the convolution from its output to its input,
 * run backwards. out = (in - 1) stride - 2 pad + (k - 1) dilation + 1. */
#include <inttypes.h>

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    node->channels = node->attr.channels;
    node->bias_count = (size_t)mrc_max_i64(0, node->attr.channels);
    return mrc_conv_check_node(&node->weight_count, node, err);
}

/* The side of the output along one axis, or -1 where it is too large; 0 or less: nothing is left of
 * it. */
static int64_t output_side(const struct mrc_attributes *attr, int axis, int64_t in) {
    int64_t span = mrc_checked_product(in - 1, attr->stride[axis], INT32_MAX);
    if (span < 0 || span + mrc_conv_span(attr, axis) > INT32_MAX) return INT64_C(1) << 32;
    return span + mrc_conv_span(attr, axis) - 2 * attr->pad[axis];
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    const struct mrc_shape in = mrc_joined_input(site);
    if (in.c != node->in_channels[0])
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: %" PRId64 " input channels, expected %" PRId64,
                        node->name, in.c, node->in_channels[0]);
    enum mrc_status st = mrc_check_shape(in, node->name, "input", err);
    if (st != MRC_OK) return st;
    const struct mrc_shape out = {in.n, node->channels, output_side(&node->attr, 0, in.d),
                                  output_side(&node->attr, 1, in.h),
                                  output_side(&node->attr, 2, in.w)};
    struct mrc_conv c;
    st = mrc_check_shape(out, node->name, "output", err);
    if (st == MRC_OK) st = mrc_conv_settle(&c, out, in.c, node, err);
    if (st != MRC_OK) return st;
    c.out_first = mrc_first_part(site);
    site->out = out;
    site->saved_bytes = 0;
    site->threads = c.lanes;
    site->scratch_bytes = mrc_conv_scratch_bytes(&c);
    size_t bias = mrc_conv_bias_scratch_bytes(mrc_conv_in_pixels(&c), c.cin);
    if (bias > site->scratch_bytes) site->scratch_bytes = bias;
    return MRC_OK;
}

/* Its input is the out side. */
static struct mrc_conv settled(const struct mrc_node *node, const struct mrc_site *site) {
    struct mrc_conv c =
        mrc_conv_between(site->out, mrc_joined_input(site), &node->attr, site->threads);
    c.out_first = mrc_first_part(site);
    return c;
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    const struct mrc_conv c = settled(node, site);
    mrc_conv_backward_data(&c, &call->dst, call->src, call->weight, call->bias, call->scratch);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    const struct mrc_conv c = settled(node, site);
    if (call->d_src[0] != NULL)
        mrc_conv_forward(&c, call->d_src, &call->d_dst, call->weight, NULL, call->scratch);
    if (call->d_weight != NULL)
        mrc_conv_backward_weights(&c, call->d_weight, !call->overwrite, &call->d_dst, call->src,
                                  call->scratch);
    if (call->d_bias != NULL)
        mrc_conv_backward_bias(call->d_bias, !call->overwrite, call->d_dst, mrc_conv_in_pixels(&c),
                               c.cin, c.lanes, call->scratch);
}

static const enum mrc_conv_direction order[] = {MRC_CONV_BACKWARD_DATA, MRC_CONV_FORWARD,
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

const struct mrc_op mrc_op_conv_transpose = {.name = "conv_transpose",
                                             .backward_reads_src = true,
                                             .declare = declare,
                                             .infer = infer,
                                             .forward = forward,
                                             .backward = backward,
                                             .takes_parts = takes_parts,
                                             .describe = describe};
