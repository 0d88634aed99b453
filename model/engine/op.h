/* op.h: what an operation of a network is. One operation is one file in model/ops/ with one
 * constant record (conventions C15); net, plan and pass know operations only through this record.
 *
 * Memory layout, one decision for the whole core: channels last, [n][d][h][w][c], c fastest. Shapes
 * are still spoken of as n c d h w, and checkpoints keep PyTorch's order. 2-D is d == 1. Weights in
 * memory are [kd][kh][kw][c_in][c_out] for a convolution and [kd][kh][kw][c_out][c_in] for a
 * transposed one (which is the convolution c_out -> c_in run backwards): every product is a
 * row-major GEMM whose long side is pixels, and every im2col row is a contiguous copy. */
#ifndef MRC_MODEL_ENGINE_OP_H
#define MRC_MODEL_ENGINE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_shape {
    int64_t n, c, d, h, w;
};
/** Product of all five. */
static inline size_t mrc_shape_count(struct mrc_shape s) {
    return (size_t)s.n * (size_t)s.c * (size_t)s.d * (size_t)s.h * (size_t)s.w;
}

enum { MRC_NODE_INPUTS = 2, MRC_NO_PARAMETER = -1 };

/** Settings of an operation; each uses the fields its file names. */
struct mrc_attributes {
    int64_t channels;                /* conv, conv_transpose: output channels */
    int64_t k[3], stride[3], pad[3]; /* depth, height, width; pad op: zeros on either side; stride
                                        also: sides of blocks, factors of enlarging */
    int64_t dilation[3];             /* of convolutions: pixels between taps; 0 is 1 */
    int64_t groups;                  /* group_norm */
    float slope;                     /* leaky_relu; 0 is relu */
    float eps;                       /* instance_norm */
};

/** Pixels between the taps of a kernel along an axis. */
static inline int64_t mrc_dilation(const struct mrc_attributes *attr, int axis) {
    return attr->dilation[axis] > 0 ? attr->dilation[axis] : 1;
}

/** One operation in a net, before any input size is known. */
struct mrc_node {
    const struct mrc_op *op;
    char name[32]; /* "enc3.conv": parameters are "enc3.conv.weight" and "enc3.conv.bias" */
    int inputs;
    int in[MRC_NODE_INPUTS]; /* indices of earlier nodes; node 0 is the net's input (op NULL) */
    struct mrc_attributes attr;
    int64_t in_channels[MRC_NODE_INPUTS], channels;
    ptrdiff_t weight, bias; /* offsets in floats into the net's parameter block; MRC_NO_PARAMETER */
    size_t weight_count, bias_count;
};

/** One operation in a plan: input shapes given, the rest settled by `infer`. */
struct mrc_site {
    /* in[1] of an operation with one input: has no channels, or is what follows in[0] where the
     * operation reads a concatenation's inputs as they lie (takes_parts). */
    struct mrc_shape in[MRC_NODE_INPUTS], out;
    size_t saved_bytes;   /* forward writes, its own backward reads; one per pass */
    size_t scratch_bytes; /* dead at return; one block a process, for all threads together */
    int threads;          /* number of lanes scratch_bytes was counted for */
};

/** One application. Buffers never overlap, except dst == src[0] where the op is `in_place`. */
struct mrc_call {
    const float *src[MRC_NODE_INPUTS];
    float *dst;
    const float *weight, *bias;
    void *saved, *scratch;
    /* A LeakyReLU that follows is done along, where the op `takes_leak`: dst is its output, d_dst
     * the gradient there. */
    bool leaks;
    float leak;
    /* backward only */
    const float *d_dst;
    float *d_src[MRC_NODE_INPUTS]; /* overwritten; NULL skips, of an input in parts both */
    float *d_weight, *d_bias;      /* added to, or overwritten; NULL skips */
    bool overwrite;                /* d_weight and d_bias */
};

struct mrc_op {
    const char *name;
    bool in_place;           /* dst may be src[0], and d_src[0] may be d_dst */
    bool backward_reads_src; /* src must survive until backward */
    bool backward_reads_dst;
    bool takes_leak; /* can do the LeakyReLU that follows along */
    /** Channels of the output and counts of weights and biases, from in_channels and attr. */
    enum mrc_status (*declare)(struct mrc_node *node, struct mrc_error *err);
    /** site->in -> out, saved_bytes, scratch_bytes. All that can fail fails here. */
    enum mrc_status (*infer)(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err);
    void (*forward)(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call);
    void (*backward)(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call);
    /** Can it read, in place of its one input, the two that are concatenated to it, and write both
     * their gradients? site->in: theirs. Forward alone, or also backward. NULL: no. */
    bool (*takes_parts)(const struct mrc_node *node, const struct mrc_site *site, bool training);
    /** For a plan's table: the algorithms that the site's sizes choose, those of forward alone or
     * also of the gradients by input and by weights. NULL: there is one way to compute it. */
    void (*describe)(char *out, size_t capacity, const struct mrc_node *node,
                     const struct mrc_site *site, bool training);
};

extern const struct mrc_op mrc_op_conv;           /* channels, k, stride, pad; weight and bias */
extern const struct mrc_op mrc_op_conv_depthwise; /* the same, channels as they are */
extern const struct mrc_op mrc_op_conv_transpose; /* the same; out = (in - 1) stride - 2 pad + k */
extern const struct mrc_op mrc_op_instance_norm;  /* eps; weight = gain, bias = shift */
extern const struct mrc_op mrc_op_group_norm;     /* the same of groups of channels */
extern const struct mrc_op mrc_op_leaky_relu;     /* slope; derivative at 0 is the slope */
extern const struct mrc_op mrc_op_sigmoid;
extern const struct mrc_op mrc_op_tanh;
extern const struct mrc_op mrc_op_concat;         /* along channels, in order */
extern const struct mrc_op mrc_op_add;            /* same shapes */
extern const struct mrc_op mrc_op_space_to_depth; /* stride: the block that becomes channels */
extern const struct mrc_op mrc_op_depth_to_space; /* and back */
extern const struct mrc_op mrc_op_upsample_nearest, mrc_op_upsample_linear; /* stride: factors */
extern const struct mrc_op mrc_op_global_average;                           /* to one pixel */
extern const struct mrc_op
    mrc_op_scale_shift;                /* in[1]: a scale and a shift for each channel of in[0] */
extern const struct mrc_op mrc_op_pad; /* zeros, attr.pad on either side of d, h, w */

#ifdef __cplusplus
}
#endif
#endif
