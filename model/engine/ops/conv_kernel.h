/* conv_kernel.h: the convolution and its two adjoints, for both operations that use them. A
 * transposed convolution is a convolution run backwards: its forward is the backward-data of the
 * convolution from its output to its input.
 *
 * Throughout, "in" and "out" are the sides of the convolution, and
 *   src, d_src   [n][d][h][w][cin]          of the in side
 *   dst, d_dst   [n][d][h][w][cout]         of the out side
 *   weight       [kd][kh][kw][cin][cout]    K = kd kh kw cin rows of cout floats
 * out = (in + 2 pad - (k - 1) dilation - 1) / stride + 1 on each axis, cross-correlation as in
 * PyTorch. Buffers never
 * overlap. A side is a list of buffers: one, or two where what would be concatenated lies in two,
 * each with channels of its own (in_first, out_first). */
#ifndef MRC_MODEL_ENGINE_OPS_CONV_KERNEL_H
#define MRC_MODEL_ENGINE_OPS_CONV_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/engine/op.h"

enum { MRC_PART_UNIT = 16 }; /* channels: the widest vector */

/** A convolution with all sizes settled. Axes are depth, height, width. */
struct mrc_conv {
    int64_t n, cin, cout;
    int64_t in[3], out[3], k[3], stride[3], pad[3], dilation[3];
    /* Taps lo <= t < hi fall inside the input somewhere; the others only ever meet padding and are
     * left out (4x4 on a 2x2 map of one output: 4 of 16 taps act). Their weights get no gradient.
     */
    int64_t lo[3], hi[3];
    int lanes; /* threads the scratch is measured for */
    /* Channels of the first buffer of a side that lies in two, in whole vectors, so that the sums
     * are those of one buffer to the byte; 0: it lies in one. */
    int64_t in_first, out_first;
};

/** Channels of a side that lie in one buffer: `channels` of them, which follow `first` others. */
struct mrc_conv_part {
    int64_t first, channels;
};
static inline int mrc_conv_buffers(int64_t side_first) {
    return side_first > 0 ? 2 : 1;
}
static inline struct mrc_conv_part mrc_conv_part_of(int64_t side_first, int64_t channels, int k) {
    if (k == 0) return (struct mrc_conv_part){0, side_first > 0 ? side_first : channels};
    return (struct mrc_conv_part){side_first, channels - side_first};
}

static inline int64_t mrc_conv_in_pixels(const struct mrc_conv *c) {
    return c->n * c->in[0] * c->in[1] * c->in[2];
}
static inline int64_t mrc_conv_out_pixels(const struct mrc_conv *c) {
    return c->n * c->out[0] * c->out[1] * c->out[2];
}

static inline int64_t mrc_conv_weight_count(const struct mrc_conv *c) {
    return c->k[0] * c->k[1] * c->k[2] * c->cin * c->cout;
}

/** The pixels that a kernel spans along an axis: (k - 1) dilation + 1. */
static inline int64_t mrc_conv_span(const struct mrc_attributes *attr, int axis) {
    return (attr->k[axis] - 1) * mrc_dilation(attr, axis) + 1;
}
/** Any dilation but 1? */
bool mrc_conv_is_dilated(const struct mrc_conv *c);
/** Are there taps that only ever meet padding? */
bool mrc_conv_has_dead_taps(const struct mrc_conv *c);

/** Checks k, stride, pad and the channels of a node: MRC_ERR_ARGUMENT, or MRC_ERR_NOMEM where the
 * weights are too many. *weight_count = kd kh kw in_channels channels. */
enum mrc_status mrc_conv_check_node(size_t *weight_count, const struct mrc_node *node,
                                    struct mrc_error *err);

/** Settles a convolution from the shape of its in side. MRC_ERR_ARGUMENT: the kernel is larger than
 * the padded input; MRC_ERR_NOMEM: a size overflows. */
enum mrc_status mrc_conv_settle(struct mrc_conv *c, struct mrc_shape in, int64_t cout,
                                const struct mrc_node *node, struct mrc_error *err);
/** The same from two shapes that are known to belong together. Cannot fail. */
struct mrc_conv mrc_conv_between(struct mrc_shape in, struct mrc_shape out,
                                 const struct mrc_attributes *attr, int lanes);

/** Scratch for any of the kernels below; 64-byte aligned blocks of it. */
size_t mrc_conv_scratch_bytes(const struct mrc_conv *c);

/** dst = conv(src) + bias. bias [cout], NULL: none. */
void mrc_conv_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                      const float *weight, const float *bias, void *scratch);
/** d_src = conv'(d_dst) + bias, overwritten. bias [cin] (for the transposed convolution), NULL:
 * none. */
void mrc_conv_backward_data(const struct mrc_conv *c, float *const *d_src,
                            const float *const *d_dst, const float *weight, const float *bias,
                            void *scratch);
/** d_weight = (add ? d_weight : 0) + the gradient. */
void mrc_conv_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                               const float *const *src, const float *const *d_dst, void *scratch);

/** d_bias [channels] = (add ? d_bias : 0) + sums of x [pixels][channels] over pixels, in double, in
 * chunks of fixed size. */
void mrc_conv_backward_bias(float *d_bias, bool add, const float *x, int64_t pixels,
                            int64_t channels, int lanes, void *scratch);
size_t mrc_conv_bias_scratch_bytes(int64_t pixels, int64_t channels);

/** A way to compute the three kernels. The row of the table in conv_kernel.c that costs least is
 * used. */
enum mrc_conv_direction { MRC_CONV_FORWARD, MRC_CONV_BACKWARD_DATA, MRC_CONV_BACKWARD_WEIGHTS };
struct mrc_conv_algorithm {
    const char *name;
    /** About the time it takes, in units of one multiplication and addition of a large matrix
     * product; INFINITY: it cannot. Depends on sizes only. */
    double (*cost)(const struct mrc_conv *c, enum mrc_conv_direction direction);
    /** Says which of several forms it takes; NULL: it has one, `name`. */
    const char *(*form)(const struct mrc_conv *c, enum mrc_conv_direction direction);
    /** Can the sides lie in two buffers as c says? NULL: never. */
    bool (*takes_parts)(const struct mrc_conv *c, enum mrc_conv_direction direction);
    size_t (*scratch_bytes)(const struct mrc_conv *c, enum mrc_conv_direction direction);
    void (*forward)(const struct mrc_conv *c, float *const *dst, const float *const *src,
                    const float *weight, const float *bias, void *scratch);
    void (*backward_data)(const struct mrc_conv *c, float *const *d_src, const float *const *d_dst,
                          const float *weight, const float *bias, void *scratch);
    /** Without `add` all taps are live. */
    void (*backward_weights)(const struct mrc_conv *c, float *d_weight, bool add,
                             const float *const *src, const float *const *d_dst, void *scratch);
};
/** Bands of patches and sgemm: for all. */
extern const struct mrc_conv_algorithm mrc_conv_gemm;
/** The patches on the side with few output channels: the convolution as the adjoint of its mirror
 * image. */
extern const struct mrc_conv_algorithm mrc_conv_flipped;
/** A padded copy of the input as the matrix of patches: stride 1, some channels on either side. */
extern const struct mrc_conv_algorithm mrc_conv_padded;
/** Minimal filtering: 4x4, stride 2 with padding 1, or stride 1. */
extern const struct mrc_conv_algorithm mrc_conv_winograd;

/** The algorithm chosen for a convolution: depends on its sizes only. */
const struct mrc_conv_algorithm *mrc_conv_algorithm_for(const struct mrc_conv *c,
                                                        enum mrc_conv_direction direction);
/** Can those chosen for `count` directions work on sides that lie in two buffers as c says? */
bool mrc_conv_takes_parts(const struct mrc_conv *c, const enum mrc_conv_direction *directions,
                          int count);
/** The names of those chosen for `count` directions, with commas between them. */
void mrc_conv_describe(char *out, size_t capacity, const struct mrc_conv *c,
                       const enum mrc_conv_direction *directions, int count);
/** For tests and benchmarks: from now on this algorithm wherever it can, NULL: the cheapest again.
 * Not while a plan made before is in use: its scratch was measured for another choice. */
void mrc_conv_force(const struct mrc_conv_algorithm *algorithm);

#endif
