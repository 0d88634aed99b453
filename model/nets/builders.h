/* builders.h: the lists of layers behind generator.h. Not installed. */
#ifndef MRC_MODEL_NETS_BUILDERS_H
#define MRC_MODEL_NETS_BUILDERS_H

#include "model/engine/net_internal.h"
#include "model/nets/generator.h"

/* The lists of layers. They add nodes only; the blocks of parameters are allocated by
 * mrc_net_finish. */
void net_build_unet(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_local(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_hybrid(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_shuffle(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_resnet(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_mesh(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_separable(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_patchgan(mrc_net *net, int64_t width);

/* The branches of a generator, from node `in`, without the sigmoid; the trunk without its head too.
 * Each returns its last node, or -1. */
typedef int net_trunk(mrc_net *net, int in, const struct mrc_generator_settings *settings);
net_trunk net_add_unet_trunk;
int net_add_unet_logits(mrc_net *net, int in, const struct mrc_generator_settings *settings);
int net_add_local_logits(mrc_net *net, int in, int64_t channels);
/* A generator around a trunk that works on blocks of 4x4 pixels as channels (shuffle.c). */
void net_build_on_blocks(mrc_net *net, const struct mrc_generator_settings *settings,
                         net_trunk *trunk);

enum { NET_LOCAL_LAYERS = 5 };                          /* of the local branch */
enum { NET_SHUFFLE_BLOCK = 4, NET_SHUFFLE_LAYERS = 4 }; /* pixels a side; of full size */
int net_shuffle_depth(const struct mrc_generator_settings *settings);
int64_t net_shuffle_pixels(const struct mrc_generator_settings *settings); /* of a block */

/** Channels, sides, width and depth in their ranges? */
enum mrc_status net_check_generator(enum mrc_generator_kind kind,
                                    const struct mrc_generator_settings *settings,
                                    struct mrc_error *err);
/* Names and shapes of all tensors, checked; no memory for them yet. mrc_net_finish makes the net
 * usable. */
enum mrc_status net_declare_generator(mrc_net **out, enum mrc_generator_kind kind,
                                      const struct mrc_generator_settings *settings,
                                      struct mrc_error *err);
enum mrc_status net_declare_patchgan(mrc_net **out, int dims, int64_t channels, int64_t width,
                                     struct mrc_error *err);
/* How first weights are drawn: see mrc_net_init. */
struct net_init {
    const struct mrc_generator_settings *settings; /* of a generator */
    enum mrc_init_kind kind;
    double gain;
    uint64_t seed;
    uint32_t stream;
};
/* The first weights of a finished generator; its local branch has a way of its own. */
void net_init_generator(mrc_net *net, enum mrc_generator_kind kind, const struct net_init *init);

#endif
