/* separable.c: the frame of shuffle.c around residual blocks (9, or `depth`) of depthwise 7x7
 * convolutions, whose taps lie 1, 2, 4, 1, 2, 4, ... pixels apart, each with instance norm and two 1x1
 * between which there are twice the channels: wide sight for few multiplications. Chollet: "Xception"
 * (CVPR 2017); Liu et al.: "A ConvNet for the 2020s" (CVPR 2022). */
#include <stdio.h>

#include "model/nets/builders.h"

enum { USUAL_BLOCKS = 9, KERNEL = 7, WIDER = 2, DILATIONS = 3 };
static const float LEAK = 0.2f;

struct layer_name {
    char text[32];
};

static const char *layer(struct layer_name *buffer, int block, const char *what) {
    (void)snprintf(buffer->text, sizeof buffer->text, "sep%d%s", block, what);
    return buffer->text;
}

static int add_block(mrc_net *net, int block, int in, int64_t channels) {
    struct layer_name name;
    const int64_t dilation = (int64_t)1 << ((block - 1) % DILATIONS);
    int node = mrc_net_add_depthwise(net, layer(&name, block, "a.conv"), in, KERNEL, dilation);
    node = mrc_net_add_norm(net, layer(&name, block, "a.norm"), node);
    node = mrc_net_add_conv(net, layer(&name, block, "b.conv"), node, WIDER * channels, 1, 1, 0);
    node = mrc_net_add_leaky_relu(net, layer(&name, block, "b.act"), node, LEAK);
    node = mrc_net_add_conv(net, layer(&name, block, "c.conv"), node, channels, 1, 1, 0);
    return mrc_net_add_binary(net, layer(&name, block, ".sum"), &mrc_op_add, node, in);
}

static int add_blocks(mrc_net *net, int in, const struct mrc_generator_settings *settings) {
    const int blocks = settings->depth > 0 ? (int)settings->depth : USUAL_BLOCKS;
    int node = mrc_net_add_conv(net, "stem.conv", in, settings->width, 1, 1, 0);
    for (int i = 1; i <= blocks; ++i) node = add_block(net, i, node, settings->width);
    return node;
}

void net_build_separable(mrc_net *net, const struct mrc_generator_settings *settings) {
    net_build_on_blocks(net, settings, add_blocks);
}
