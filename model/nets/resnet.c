/* resnet.c: the generator of the CycleGAN paper: 7x7 to w channels, twice 3x3 with stride 2, residual
 * blocks of two 3x3 (9, or `depth`), and back by transposed convolutions and a 7x7. Zhu et al. (ICCV
 * 2017), after Johnson, Alahi, Fei-Fei: "Perceptual losses for real-time style transfer" (ECCV 2016).
 * Borders are zeros instead of reflected, up-sampling is 4x4 with stride 2, and the last activation a
 * sigmoid, since images run from 0 to 1. */
#include <stdio.h>

#include "model/nets/builders.h"

enum { USUAL_BLOCKS = 9 };

struct block_name {
    char text[32];
};

static const char *part(struct block_name *buffer, const char *block, const char *what) {
    (void)snprintf(buffer->text, sizeof buffer->text, "%s.%s", block, what);
    return buffer->text;
}

/* Norm and, where there is one, relu, behind the convolution `node` of `block`. */
static int add_norm(mrc_net *net, const char *block, int node, bool with_relu) {
    struct block_name name;
    node = mrc_net_add_norm(net, part(&name, block, "norm"), node);
    return with_relu ? mrc_net_add_leaky_relu(net, part(&name, block, "act"), node, 0.0f) : node;
}

static int add_conv(mrc_net *net, const char *block, int in, int64_t channels, int64_t k,
                    int64_t stride, bool with_relu) {
    struct block_name name;
    const int node =
        mrc_net_add_conv(net, part(&name, block, "conv"), in, channels, k, stride, k / 2);
    return add_norm(net, block, node, with_relu);
}

static int add_up(mrc_net *net, const char *block, int in, int64_t channels) {
    struct block_name name;
    const int node =
        mrc_net_add_conv_transpose(net, part(&name, block, "conv"), in, channels, 4, 2, 1);
    return add_norm(net, block, node, true);
}

static int add_residual(mrc_net *net, int number, int in, int64_t channels) {
    char first[24], second[24], sum[24];
    (void)snprintf(first, sizeof first, "res%da", number);
    (void)snprintf(second, sizeof second, "res%db", number);
    (void)snprintf(sum, sizeof sum, "res%d.sum", number);
    int node = add_conv(net, first, in, channels, 3, 1, true);
    node = add_conv(net, second, node, channels, 3, 1, false);
    return mrc_net_add_binary(net, sum, &mrc_op_add, node, in);
}

void net_build_resnet(mrc_net *net, const struct mrc_generator_settings *settings) {
    const int blocks = settings->depth > 0 ? (int)settings->depth : USUAL_BLOCKS;
    const int64_t w = settings->width;
    int node = add_conv(net, "enc1", 0, w, 7, 1, true);
    node = add_conv(net, "enc2", node, 2 * w, 3, 2, true);
    node = add_conv(net, "enc3", node, 4 * w, 3, 2, true);
    for (int i = 1; i <= blocks; ++i) node = add_residual(net, i, node, 4 * w);
    node = add_up(net, "dec1", node, 2 * w);
    node = add_up(net, "dec2", node, w);
    node = mrc_net_add_conv(net, "head.conv", node, settings->channels, 7, 1, 3);
    (void)mrc_net_add_unary(net, "output.act", &mrc_op_sigmoid, node);
}
