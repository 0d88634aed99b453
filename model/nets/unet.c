/* unet.c: the generator of the reference design. Down to one pixel, up again, with a skip at every
 * side. Ronneberger, Fischer, Brox: "U-Net" (MICCAI 2015); blocks as in Isola et al., "pix2pix"
 * (CVPR 2017). The 1x1 bottleneck has no norm: the instance norm of a single element is always its
 * shift. */
#include <stdio.h>

#include "model/nets/builders.h"

enum { MAX_DEPTH = 16, CHANNEL_CAP = 8 };
static const float LEAK = 0.2f;

struct part_name {
    char text[32];
};

static const char *part(struct part_name *buffer, const char *block, int number, const char *what) {
    (void)snprintf(buffer->text, sizeof(buffer->text), "%s%d.%s", block, number, what);
    return buffer->text;
}

/* Channels of encoder block 1, 2, …: w, 2w, 4w, 8w, 8w, … */
static int64_t channels_of(int block, int64_t width) {
    int64_t factor = block > 4 ? CHANNEL_CAP : (int64_t)1 << (block - 1);
    return factor * width;
}

/* Blocks down, the first at full size. */
static int depth_of(const struct mrc_generator_settings *settings) {
    int depth = 1;
    for (int64_t side = settings->h; side > 1; side /= 2) ++depth;
    return settings->depth > 0 ? (int)settings->depth : depth;
}

/* Is one pixel left in this block? */
static bool is_one_pixel(const struct mrc_generator_settings *settings, int block) {
    return settings->d >> (block - 1) <= 1 && settings->h >> (block - 1) == 1 &&
           settings->w >> (block - 1) == 1;
}

static int add_encoder(mrc_net *net, int in, int block, int64_t width, bool one_pixel) {
    struct part_name name;
    int64_t channels = channels_of(block, width);
    int node =
        block == 1
            ? mrc_net_add_conv(net, part(&name, "enc", block, "conv"), in, channels, 3, 1, 1)
            : mrc_net_add_conv(net, part(&name, "enc", block, "conv"), in, channels, 4, 2, 1);
    if (block > 1 && !one_pixel)
        node = mrc_net_add_norm(net, part(&name, "enc", block, "norm"), node);
    return mrc_net_add_leaky_relu(net, part(&name, "enc", block, "act"), node, LEAK);
}

static int add_decoder(mrc_net *net, int in, int skip, int block, int64_t channels) {
    struct part_name name;
    int node =
        mrc_net_add_conv_transpose(net, part(&name, "dec", block, "conv"), in, channels, 4, 2, 1);
    node = mrc_net_add_norm(net, part(&name, "dec", block, "norm"), node);
    node = mrc_net_add_leaky_relu(net, part(&name, "dec", block, "act"), node, 0.0f);
    return mrc_net_add_binary(net, part(&name, "dec", block, "cat"), &mrc_op_concat, node, skip);
}

int net_add_unet_trunk(mrc_net *net, int in, const struct mrc_generator_settings *settings) {
    int depth = depth_of(settings), encoder[MAX_DEPTH + 1] = {in};
    MRC_ASSERT(depth <= MAX_DEPTH);
    for (int block = 1; block <= depth; ++block)
        encoder[block] = add_encoder(net, encoder[block - 1], block, settings->width,
                                     is_one_pixel(settings, block));
    int node = encoder[depth];
    for (int block = 1; block < depth; ++block) {
        int mirror = depth - block;
        node = add_decoder(net, node, encoder[mirror], block, channels_of(mirror, settings->width));
    }
    return node;
}

int net_add_unet_logits(mrc_net *net, int in, const struct mrc_generator_settings *settings) {
    int node = net_add_unet_trunk(net, in, settings);
    return mrc_net_add_conv(net, "head.conv", node, settings->channels, 3, 1, 1);
}

void net_build_unet(mrc_net *net, const struct mrc_generator_settings *settings) {
    int logits = net_add_unet_logits(net, 0, settings);
    (void)mrc_net_add_unary(net, "head.act", &mrc_op_sigmoid, logits);
}
