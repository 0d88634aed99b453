/* patchgan.c: the discriminator: is each patch of the image real? Its output is a map of logits,
 * 6x6 for a 64x64 image. Isola, Zhu, Zhou, Efros: "Image-to-image translation with conditional
 * adversarial networks" (CVPR 2017). */
#include <inttypes.h>

#include "model/nets/builders.h"

enum { LARGEST_WIDTH = 512 };
static const float LEAK = 0.2f;

void net_build_patchgan(mrc_net *net, int64_t width) {
    int node = mrc_net_add_conv(net, "conv1.conv", 0, width, 4, 2, 1);
    node = mrc_net_add_leaky_relu(net, "conv1.act", node, LEAK);

    node = mrc_net_add_conv(net, "conv2.conv", node, 2 * width, 4, 2, 1);
    node = mrc_net_add_norm(net, "conv2.norm", node);
    node = mrc_net_add_leaky_relu(net, "conv2.act", node, LEAK);

    node = mrc_net_add_conv(net, "conv3.conv", node, 4 * width, 4, 2, 1);
    node = mrc_net_add_norm(net, "conv3.norm", node);
    node = mrc_net_add_leaky_relu(net, "conv3.act", node, LEAK);

    node = mrc_net_add_conv(net, "conv4.conv", node, 8 * width, 4, 1, 1);
    node = mrc_net_add_norm(net, "conv4.norm", node);
    node = mrc_net_add_leaky_relu(net, "conv4.act", node, LEAK);

    (void)mrc_net_add_conv(net, "conv5.conv", node, 1, 4, 1, 1);
}

enum mrc_status net_declare_patchgan(mrc_net **out, int dims, int64_t channels, int64_t width,
                                     struct mrc_error *err) {
    if (channels < 1 || channels > MRC_MOST_CHANNELS)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "discriminator with %" PRId64 " channels, expected 1 to %d", channels,
                        MRC_MOST_CHANNELS);
    if (width < 1 || width > LARGEST_WIDTH)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "discriminator of base width %" PRId64 ", expected 1 to %d", width,
                        LARGEST_WIDTH);
    mrc_net *net = NULL;
    enum mrc_status st = mrc_net_create(&net, channels, err);
    if (st == MRC_OK) {
        mrc_net_set_dims(net, dims);
        net_build_patchgan(net, width);
        st = net_check(net, err);
    }
    if (st != MRC_OK) {
        mrc_net_destroy(net);
        return st;
    }
    *out = net;
    return MRC_OK;
}

enum mrc_status mrc_patchgan_create(mrc_net **out, int dims, int64_t channels, int64_t width,
                                    struct mrc_error *err) {
    mrc_net *net = NULL;
    enum mrc_status st = net_declare_patchgan(&net, dims, channels, width, err);
    if (st == MRC_OK) st = mrc_net_finish(net, err);
    if (st != MRC_OK) {
        mrc_net_destroy(net);
        return st;
    }
    *out = net;
    return MRC_OK;
}
