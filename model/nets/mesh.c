/* mesh.c: ten 3x3 convolutions of full size whose taps lie 1, 1, 2, 4, 8, 16, 8, 4, 2 and 1 pixels
 * apart, each with instance norm and LeakyReLU, then a 1x1: far sight and every detail without
 * down-sampling, with few weights. Yu, Koltun: "Multi-scale context aggregation by dilated
 * convolutions" (ICLR 2016); Fedorov et al.: "End-to-end learning of brain tissue segmentation from
 * imperfect labeling" (IJCNN 2017, MeshNet). */
#include <stdio.h>

#include "model/nets/builders.h"

static const float LEAK = 0.2f;
static const int64_t dilations[] = {1, 1, 2, 4, 8, 16, 8, 4, 2, 1};
enum { LAYERS = sizeof dilations / sizeof dilations[0] };

void net_build_mesh(mrc_net *net, const struct mrc_generator_settings *settings) {
    int node = 0;
    for (int i = 0; i < LAYERS; ++i) {
        char conv[32], norm[32], act[32];
        (void)snprintf(conv, sizeof conv, "mesh%d.conv", i + 1);
        (void)snprintf(norm, sizeof norm, "mesh%d.norm", i + 1);
        (void)snprintf(act, sizeof act, "mesh%d.act", i + 1);
        node = mrc_net_add_dilated(net, conv, node, settings->width, 3, dilations[i]);
        node = mrc_net_add_norm(net, norm, node);
        node = mrc_net_add_leaky_relu(net, act, node, LEAK);
    }
    node = mrc_net_add_conv(net, "head.conv", node, settings->channels, 1, 1, 0);
    (void)mrc_net_add_unary(net, "output.act", &mrc_op_sigmoid, node);
}
