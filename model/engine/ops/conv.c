/* conv.c: convolution with bias, 2-D and 3-D, and the transposed one, which is the convolution from
 * its output to its input run backwards.
 *   conv            out = (in + 2 pad - (k - 1) dilation - 1) / stride + 1
 *   conv_transpose  out = (in - 1) stride - 2 pad + (k - 1) dilation + 1 */
#include <inttypes.h>

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"

static bool is_transposed(const struct mrc_node *node) {
    return node->op == &mrc_op_conv_transpose;
}

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    node->channels = node->attr.channels;
    node->bias_count = (size_t)mrc_max_i64(0, node->attr.channels);
    return mrc_conv_check_node(&node->weight_count, node, err);
}

/* --- Shapes --- */

/* The side of a transposed one's output along one axis; more than any may have where it is too
 * large, 0 or less where nothing is left of it. */
static int64_t transposed_side(const struct mrc_attributes *attr, int axis, int64_t in) {
    int64_t span = mrc_checked_product(in - 1, attr->stride[axis], INT32_MAX);
    if (span < 0 || span + mrc_conv_span(attr, axis) > INT32_MAX) return INT64_C(1) << 32;
    return span + mrc_conv_span(attr, axis) - 2 * attr->pad[axis];
}

static enum mrc_status infer_transposed(struct mrc_conv *c, struct mrc_shape *out,
                                        struct mrc_shape in, const struct mrc_node *node,
                                        struct mrc_error *err) {
    enum mrc_status st = mrc_check_shape(in, node->name, "input", err);
    if (st != MRC_OK) return st;
    *out = (struct mrc_shape){in.n, node->channels, transposed_side(&node->attr, 0, in.d),
                              transposed_side(&node->attr, 1, in.h),
                              transposed_side(&node->attr, 2, in.w)};
    st = mrc_check_shape(*out, node->name, "output", err);
    return st == MRC_OK ? mrc_conv_settle(c, *out, in.c, node, err) : st;
}

static enum mrc_status infer_plain(struct mrc_conv *c, struct mrc_shape *out, struct mrc_shape in,
                                   const struct mrc_node *node, struct mrc_error *err) {
    enum mrc_status st = mrc_conv_settle(c, in, node->channels, node, err);
    if (st == MRC_OK) *out = (struct mrc_shape){c->n, c->cout, c->out[0], c->out[1], c->out[2]};
    return st;
}

/* An input in two parts is the side of the convolution that is read. */
static void set_parts(struct mrc_conv *c, const struct mrc_node *node,
                      const struct mrc_site *site) {
    *(is_transposed(node) ? &c->out_first : &c->in_first) = mrc_first_part(site);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    const struct mrc_shape in = mrc_joined_input(site);
    struct mrc_shape out;
    struct mrc_conv c;
    if (in.c != node->in_channels[0])
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: %" PRId64 " input channels, expected %" PRId64,
                        node->name, in.c, node->in_channels[0]);
    enum mrc_status st = is_transposed(node) ? infer_transposed(&c, &out, in, node, err)
                                             : infer_plain(&c, &out, in, node, err);
    if (st != MRC_OK) return st;
    set_parts(&c, node, site);
    site->out = out;
    site->saved_bytes = 0;
    site->threads = c.lanes;
    site->scratch_bytes = mrc_conv_scratch_bytes(&c);
    size_t bias = mrc_conv_bias_scratch_bytes(mrc_shape_pixels(out), out.c);
    if (bias > site->scratch_bytes) site->scratch_bytes = bias;
    return MRC_OK;
}

/* The convolution: of a transposed one from its output to its input. */
static struct mrc_conv settled(const struct mrc_node *node, const struct mrc_site *site) {
    const struct mrc_shape in = mrc_joined_input(site);
    struct mrc_conv c = is_transposed(node)
                            ? mrc_conv_between(site->out, in, &node->attr, site->threads)
                            : mrc_conv_between(in, site->out, &node->attr, site->threads);
    set_parts(&c, node, site);
    return c;
}

/* --- Forward and backward --- */

/* To the out side of the convolution, or back. */
typedef void direction_fn(const struct mrc_conv *c, float *const *to, const float *const *from,
                          const float *weight, const float *bias, void *scratch);

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    direction_fn *run = is_transposed(node) ? mrc_conv_backward_data : mrc_conv_forward;
    const struct mrc_conv c = settled(node, site);
    run(&c, &call->dst, call->src, call->weight, call->bias, call->scratch);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    const bool transposed = is_transposed(node);
    direction_fn *run = transposed ? mrc_conv_forward : mrc_conv_backward_data;
    const struct mrc_conv c = settled(node, site);
    if (call->d_src[0] != NULL)
        run(&c, call->d_src, &call->d_dst, call->weight, NULL, call->scratch);
    if (call->d_weight != NULL)
        mrc_conv_backward_weights(&c, call->d_weight, !call->overwrite,
                                  transposed ? &call->d_dst : call->src,
                                  transposed ? call->src : &call->d_dst, call->scratch);
    if (call->d_bias != NULL)
        mrc_conv_backward_bias(call->d_bias, !call->overwrite, call->d_dst,
                               mrc_shape_pixels(site->out), site->out.c, c.lanes, call->scratch);
}

/* --- Algorithms --- */

enum { DIRECTIONS = 3 }; /* first the one that forward runs */
static const enum mrc_conv_direction orders[2][DIRECTIONS] = {
    {MRC_CONV_FORWARD, MRC_CONV_BACKWARD_DATA, MRC_CONV_BACKWARD_WEIGHTS},
    {MRC_CONV_BACKWARD_DATA, MRC_CONV_FORWARD, MRC_CONV_BACKWARD_WEIGHTS}};

static bool takes_parts(const struct mrc_node *node, const struct mrc_site *site, bool training) {
    const struct mrc_conv c = settled(node, site);
    return mrc_conv_takes_parts(&c, orders[is_transposed(node)], training ? DIRECTIONS : 1);
}

static void describe(char *out, size_t capacity, const struct mrc_node *node,
                     const struct mrc_site *site, bool training) {
    const struct mrc_conv c = settled(node, site);
    mrc_conv_describe(out, capacity, &c, orders[is_transposed(node)], training ? DIRECTIONS : 1);
}

#define CONVOLUTION(name_)                                                                         \
    {                                                                                              \
        .name = (name_), .backward_reads_src = true, .declare = declare, .infer = infer,           \
        .forward = forward, .backward = backward, .takes_parts = takes_parts, .describe = describe \
    }
const struct mrc_op mrc_op_conv = CONVOLUTION("conv");
const struct mrc_op mrc_op_conv_transpose = CONVOLUTION("conv_transpose");
