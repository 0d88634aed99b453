/* shuffle.c: context on a quarter of the sides, detail at full size. Blocks of 4x4 pixels become
 * channels, a U-Net works on these, and what it knows comes back as channels of full size by the same
 * way. There a short branch of its own has kept the detail, and the last convolutions read both: a
 * U-Net of 16 times fewer positions, which sees as far as one with two more blocks.
 * Shi et al.: sub-pixel convolution (CVPR 2016). */
#include "model/nets/builders.h"

enum { BLOCK = NET_SHUFFLE_BLOCK, DETAIL_UNIT = 8, USUAL_DEPTH = 4 };
static const float LEAK = 0.2f;

int net_shuffle_depth(const struct mrc_generator_settings *settings) {
    return settings->depth > 0 ? (int)settings->depth : USUAL_DEPTH;
}

int64_t net_shuffle_pixels(const struct mrc_generator_settings *settings) {
    return (int64_t)BLOCK * BLOCK * (settings->d > 1 ? BLOCK : 1);
}

/* Channels of full size: of the detail, and as many of what comes back. Whole vectors; not fewer
 * than are read and made, which a first copy passes through. */
static int64_t detail_channels(const struct mrc_generator_settings *s) {
    int64_t most = s->in_channels > s->channels ? s->in_channels : s->channels;
    if (s->width / 4 > most) most = s->width / 4;
    return (most + DETAIL_UNIT - 1) / DETAIL_UNIT * DETAIL_UNIT;
}

static int add_conv_act(mrc_net *net, const char *conv, const char *act, int in, int64_t channels,
                        int64_t k) {
    int node = mrc_net_add_conv(net, conv, in, channels, k, 1, k / 2);
    return mrc_net_add_leaky_relu(net, act, node, LEAK);
}

static int add_context(mrc_net *net, const struct mrc_generator_settings *s, net_trunk *trunk) {
    int node = mrc_net_add_space_to_depth(net, "stem.blocks", 0, BLOCK);
    node = trunk(net, node, s);
    node = add_conv_act(net, "head.conv", "head.act", node,
                        net_shuffle_pixels(s) * detail_channels(s), 1);
    return mrc_net_add_depth_to_space(net, "head.pixels", node, BLOCK);
}

void net_build_on_blocks(mrc_net *net, const struct mrc_generator_settings *s, net_trunk *trunk) {
    const int64_t channels = detail_channels(s);
    int detail = add_conv_act(net, "local1.conv", "local1.act", 0, channels, 3);
    detail = add_conv_act(net, "local2.conv", "local2.act", detail, channels, 3);
    int node = add_context(net, s, trunk);
    node = mrc_net_add_binary(net, "local3.cat", &mrc_op_concat, detail, node);
    node = add_conv_act(net, "local3.conv", "local3.act", node, channels, 3);
    node = mrc_net_add_conv(net, "local4.conv", node, s->channels, 3, 1, 1);
    (void)mrc_net_add_unary(net, "output.act", &mrc_op_sigmoid, node);
}

static int add_unet(mrc_net *net, int in, const struct mrc_generator_settings *s) {
    struct mrc_generator_settings trunk = *s;
    trunk.h /= BLOCK;
    trunk.w /= BLOCK;
    if (s->d > 1) trunk.d /= BLOCK;
    trunk.depth = net_shuffle_depth(s);
    return net_add_unet_trunk(net, in, &trunk);
}

void net_build_shuffle(mrc_net *net, const struct mrc_generator_settings *s) {
    net_build_on_blocks(net, s, add_unet);
}
