/* local.c: contrast as a local function of intensity: four 3x3 convolutions of 24 channels and a
 * 1x1, no norm and no down-sampling. It sees 9 pixels, cannot move anatomy, and runs on images of
 * any size. */
#include "model/nets/builders.h"

enum { LOCAL_CHANNELS = 24 };
static const float LEAK = 0.2f;

int net_add_local_logits(mrc_net *net, int in, int64_t channels) {
    int node = mrc_net_add_conv(net, "local1.conv", in, LOCAL_CHANNELS, 3, 1, 1);
    node = mrc_net_add_leaky_relu(net, "local1.act", node, LEAK);
    node = mrc_net_add_conv(net, "local2.conv", node, LOCAL_CHANNELS, 3, 1, 1);
    node = mrc_net_add_leaky_relu(net, "local2.act", node, LEAK);
    node = mrc_net_add_conv(net, "local3.conv", node, LOCAL_CHANNELS, 3, 1, 1);
    node = mrc_net_add_leaky_relu(net, "local3.act", node, LEAK);
    node = mrc_net_add_conv(net, "local4.conv", node, LOCAL_CHANNELS, 3, 1, 1);
    node = mrc_net_add_leaky_relu(net, "local4.act", node, LEAK);
    return mrc_net_add_conv(net, "local5.conv", node, channels, 1, 1, 0);
}

void net_build_local(mrc_net *net, const struct mrc_generator_settings *settings) {
    int logits = net_add_local_logits(net, 0, settings->channels);
    (void)mrc_net_add_unary(net, "output.act", &mrc_op_sigmoid, logits);
}
