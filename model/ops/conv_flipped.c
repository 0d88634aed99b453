/* conv_flipped.c: a convolution from many channels to few (the generator's head: 128 to 1). As
 * patches times weights it is a product with one column, which no BLAS is fast at. With stride 1 it
 * is also the adjoint of the convolution from the few channels to the many with the kernel mirrored
 * and padding k - 1 - pad: then the patches lie on the side with few channels, and the product is
 * [pixels][many] * [many][taps]. The three kernels change places; only the (small) weights are
 * copied. */
#include <math.h>

#include "model/ops/conv_kernel.h"
#include "model/ops/op_tools.h"

/* Where it can, it is better than any other; few channels are left out, where it gains nothing. */
static double flipped_cost(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    (void)direction;
    int64_t taps = 1;
    for (int axis = 0; axis < 3; ++axis) {
        if (c->stride[axis] != 1 || c->pad[axis] >= c->k[axis]) return (double)INFINITY;
        taps *= c->k[axis];
    }
    return taps > 1 && c->cout * 4 <= c->cin ? 0.0 : (double)INFINITY;
}

static struct mrc_conv mirror(const struct mrc_conv *c) {
    struct mrc_shape in = {c->n, c->cout, c->out[0], c->out[1], c->out[2]};
    struct mrc_shape out = {c->n, c->cin, c->in[0], c->in[1], c->in[2]};
    struct mrc_attributes attr = {.stride = {1, 1, 1}};
    for (int axis = 0; axis < 3; ++axis) {
        attr.k[axis] = c->k[axis];
        attr.pad[axis] = c->k[axis] - 1 - c->pad[axis];
    }
    return mrc_conv_between(in, out, &attr, c->lanes);
}

static int64_t weight_count(const struct mrc_conv *c) {
    return c->k[0] * c->k[1] * c->k[2] * c->cin * c->cout;
}

static int64_t aligned_count(const struct mrc_conv *c) {
    return (weight_count(c) + 15) / 16 * 16;
}

/* The mirrored kernel [taps, backwards][cout][cin] of weight [taps][cin][cout]. Mirroring all axes
 * of a box is counting its taps from the end. */
static void mirror_weights(float *to, const float *weight, const struct mrc_conv *c) {
    const int64_t taps = c->k[0] * c->k[1] * c->k[2], plane = c->cin * c->cout;
    for (int64_t tap = 0; tap < taps; ++tap) {
        const float *from = weight + (taps - 1 - tap) * plane;
        for (int64_t o = 0; o < c->cout; ++o)
            for (int64_t i = 0; i < c->cin; ++i) *to++ = from[i * c->cout + o];
    }
}

static void add_mirrored(float *d_weight, const float *mirrored, const struct mrc_conv *c) {
    const int64_t taps = c->k[0] * c->k[1] * c->k[2], plane = c->cin * c->cout;
    for (int64_t tap = 0; tap < taps; ++tap) {
        float *to = d_weight + (taps - 1 - tap) * plane;
        for (int64_t o = 0; o < c->cout; ++o)
            for (int64_t i = 0; i < c->cin; ++i) to[i * c->cout + o] += *mirrored++;
    }
}

static enum mrc_conv_direction mirrored_direction(enum mrc_conv_direction direction) {
    if (direction == MRC_CONV_FORWARD) return MRC_CONV_BACKWARD_DATA;
    return direction == MRC_CONV_BACKWARD_DATA ? MRC_CONV_FORWARD : MRC_CONV_BACKWARD_WEIGHTS;
}

static size_t flipped_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    struct mrc_conv m = mirror(c);
    return (size_t)aligned_count(c) * sizeof(float) +
           mrc_conv_gemm.scratch_bytes(&m, mirrored_direction(direction));
}

static void flipped_forward(const struct mrc_conv *c, float *dst, const float *src,
                            const float *weight, const float *bias, void *scratch) {
    struct mrc_conv m = mirror(c);
    float *mirrored = scratch;
    mirror_weights(mirrored, weight, c);
    mrc_conv_gemm.backward_data(&m, dst, src, mirrored, bias, mirrored + aligned_count(c));
}

static void flipped_backward_data(const struct mrc_conv *c, float *d_src, const float *d_dst,
                                  const float *weight, const float *bias, void *scratch) {
    struct mrc_conv m = mirror(c);
    float *mirrored = scratch;
    mirror_weights(mirrored, weight, c);
    mrc_conv_gemm.forward(&m, d_src, d_dst, mirrored, bias, mirrored + aligned_count(c));
}

static void flipped_backward_weights(const struct mrc_conv *c, float *d_weight, const float *src,
                                     const float *d_dst, void *scratch) {
    struct mrc_conv m = mirror(c);
    float *mirrored = scratch;
    for (int64_t i = 0; i < weight_count(c); ++i) mirrored[i] = 0.0f;
    mrc_conv_gemm.backward_weights(&m, mirrored, d_dst, src, mirrored + aligned_count(c));
    add_mirrored(d_weight, mirrored, c);
}

const struct mrc_conv_algorithm mrc_conv_flipped = {.name = "flipped",
                                                    .cost = flipped_cost,
                                                    .scratch_bytes = flipped_scratch_bytes,
                                                    .forward = flipped_forward,
                                                    .backward_data = flipped_backward_data,
                                                    .backward_weights = flipped_backward_weights};
