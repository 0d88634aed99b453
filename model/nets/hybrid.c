/* hybrid.c: sigmoid(local branch + U-Net): detail and honesty from the one, context from the other.
 */
#include "model/nets/builders.h"

void net_build_hybrid(mrc_net *net, const struct mrc_generator_settings *settings) {
    int local = net_add_local_logits(net, 0, settings->channels);
    int context = net_add_unet_logits(net, 0, settings);
    int sum = mrc_net_add_binary(net, "output.sum", &mrc_op_add, local, context);
    (void)mrc_net_add_unary(net, "output.act", &mrc_op_sigmoid, sum);
}
