/* pixel_shuffle.c: blocks of pixels as channels, and channels as blocks of pixels: the same values in
 * another order, so each is the other's inverse and its gradient. attr.stride is the block's side
 * along depth, height and width. Channel (i r1 + j) r2 + k times c plus the channel, for pixel
 * (i, j, k) of a block: with channels last a row of a block is one run. ONNX calls this order DCR;
 * from or to one channel it is PyTorch's too. Shi et al.: "Real-time single image and video
 * super-resolution using an efficient sub-pixel convolutional neural network" (CVPR 2016). */
#include <inttypes.h>
#include <string.h>

#include "model/engine/ops/op_tools.h"

enum { LARGEST_BLOCK = 64 };

/* fine: pixels as they are; coarse: a pixel a block. */
struct job {
    const float *from;
    float *to;
    struct mrc_shape fine, coarse;
    int64_t block[3];
    bool to_coarse;
};

static int64_t block_pixels(const struct mrc_node *node) {
    return node->attr.stride[0] * node->attr.stride[1] * node->attr.stride[2];
}

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    for (int axis = 0; axis < 3; ++axis)
        if (node->attr.stride[axis] < 1 || node->attr.stride[axis] > LARGEST_BLOCK)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: a block of %" PRId64 "x%" PRId64 "x%" PRId64
                            " pixels (d h w), expected sides from 1 to %d",
                            node->name, node->attr.stride[0], node->attr.stride[1],
                            node->attr.stride[2], LARGEST_BLOCK);
    return mrc_declare_same(node, err);
}

static enum mrc_status declare_to_depth(struct mrc_node *node, struct mrc_error *err) {
    enum mrc_status st = declare(node, err);
    if (st == MRC_OK) node->channels = node->in_channels[0] * block_pixels(node);
    return st;
}

static enum mrc_status declare_to_space(struct mrc_node *node, struct mrc_error *err) {
    enum mrc_status st = declare(node, err);
    if (st != MRC_OK) return st;
    if (node->in_channels[0] % block_pixels(node) != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: %" PRId64 " channels, expected a multiple of the block's %" PRId64
                        " pixels",
                        node->name, node->in_channels[0], block_pixels(node));
    node->channels = node->in_channels[0] / block_pixels(node);
    return MRC_OK;
}

static enum mrc_status infer_to_depth(struct mrc_site *site, const struct mrc_node *node,
                                      struct mrc_error *err) {
    const int64_t *block = node->attr.stride;
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st != MRC_OK) return st;
    const struct mrc_shape in = site->in[0];
    if (in.d % block[0] != 0 || in.h % block[1] != 0 || in.w % block[2] != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: input of %" PRId64 "x%" PRId64 "x%" PRId64
                        " (d h w), expected multiples of %" PRId64 "x%" PRId64 "x%" PRId64,
                        node->name, in.d, in.h, in.w, block[0], block[1], block[2]);
    site->out =
        (struct mrc_shape){in.n, node->channels, in.d / block[0], in.h / block[1], in.w / block[2]};
    return mrc_check_shape(site->out, node->name, "output", err);
}

static enum mrc_status infer_to_space(struct mrc_site *site, const struct mrc_node *node,
                                      struct mrc_error *err) {
    const int64_t *block = node->attr.stride;
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st != MRC_OK) return st;
    const struct mrc_shape in = site->in[0];
    site->out =
        (struct mrc_shape){in.n, node->channels, in.d * block[0], in.h * block[1], in.w * block[2]};
    return mrc_check_shape(site->out, node->name, "output", err);
}

static void copy(float *to, const float *from, int64_t count) {
    if (count >= MRC_CACHE_LINE_FLOATS) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

/* One row of pixels, fine: counted over n d h. */
static void move_row(const struct job *job, int64_t row) {
    const struct mrc_shape fine = job->fine, coarse = job->coarse;
    const int64_t h = row % fine.h, plane = row / fine.h, d = plane % fine.d, n = plane / fine.d;
    const int64_t run = job->block[2] * fine.c;
    const int64_t part = (d % job->block[0] * job->block[1] + h % job->block[1]) * run;
    const int64_t coarse_row = (n * coarse.d + d / job->block[0]) * coarse.h + h / job->block[1];
    int64_t at_fine = row * fine.w * fine.c, at_coarse = coarse_row * coarse.w * coarse.c + part;
    for (int64_t w = 0; w < coarse.w; ++w, at_fine += run, at_coarse += coarse.c)
        if (job->to_coarse)
            copy(job->to + at_coarse, job->from + at_fine, run);
        else
            copy(job->to + at_fine, job->from + at_coarse, run);
}

static void move_rows(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    for (size_t row = begin; row < end; ++row) move_row(context, (int64_t)row);
}

static void run(const struct mrc_node *node, struct job job) {
    memcpy(job.block, node->attr.stride, sizeof job.block);
    size_t grain = (size_t)mrc_max_i64(1, MRC_ELEMENT_CHUNK / (job.fine.w * job.fine.c));
    mrc_parallel_for((size_t)(job.fine.n * job.fine.d * job.fine.h), grain, move_rows, &job);
}

static void to_depth_forward(const struct mrc_node *node, const struct mrc_site *site,
                             const struct mrc_call *call) {
    run(node, (struct job){.from = call->src[0],
                           .to = call->dst,
                           .fine = site->in[0],
                           .coarse = site->out,
                           .to_coarse = true});
}

static void to_depth_backward(const struct mrc_node *node, const struct mrc_site *site,
                              const struct mrc_call *call) {
    if (call->d_src[0] == NULL) return;
    run(node,
        (struct job){
            .from = call->d_dst, .to = call->d_src[0], .fine = site->in[0], .coarse = site->out});
}

static void to_space_forward(const struct mrc_node *node, const struct mrc_site *site,
                             const struct mrc_call *call) {
    run(node, (struct job){
                  .from = call->src[0], .to = call->dst, .fine = site->out, .coarse = site->in[0]});
}

static void to_space_backward(const struct mrc_node *node, const struct mrc_site *site,
                              const struct mrc_call *call) {
    if (call->d_src[0] == NULL) return;
    run(node, (struct job){.from = call->d_dst,
                           .to = call->d_src[0],
                           .fine = site->out,
                           .coarse = site->in[0],
                           .to_coarse = true});
}

const struct mrc_op mrc_op_space_to_depth = {.name = "space_to_depth",
                                             .declare = declare_to_depth,
                                             .infer = infer_to_depth,
                                             .forward = to_depth_forward,
                                             .backward = to_depth_backward};
const struct mrc_op mrc_op_depth_to_space = {.name = "depth_to_space",
                                             .declare = declare_to_space,
                                             .infer = infer_to_space,
                                             .forward = to_space_forward,
                                             .backward = to_space_backward};
