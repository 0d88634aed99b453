/* generator.c: the table of generators: name, list of layers, first weights. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/nets/builders.h"

enum { LARGEST_WIDTH = 512, LARGEST_DEPTH = 11 };

static void init_unet(mrc_net *net, const struct net_init *init) {
    mrc_net_init(net, init->kind, init->gain, init->seed, init->stream);
}

/* The local branch starts near a copy of its input, sigmoid(6 x - 3), with uniform weights of half
 * PyTorch's spread around it. From uniform weights alone it starts as grey fog, and a discriminator
 * that has won before any anatomy shows never lets go again. */
static void init_local(mrc_net *net, const struct net_init *init) {
    mrc_net_init_uniform(net, "local", init->seed, init->stream);
    for (int i = 1; i <= 5; ++i) {
        char node[24], weight[32];
        (void)snprintf(node, sizeof(node), "local%d.conv", i);
        (void)snprintf(weight, sizeof(weight), "%s.weight", node);
        mrc_net_scale(net, weight, 0.5f);
        mrc_net_add_copy(net, node, i < 5 ? 1.0f : 6.0f, i < 5 ? 0.0f : -3.0f);
    }
}

/* The residual starts small, so that training begins with the honest local branch. */
static void init_hybrid(mrc_net *net, const struct net_init *init) {
    init_unet(net, init);
    init_local(net, init);
    mrc_net_scale(net, "head.conv.weight", 0.1f);
}

static const struct generator {
    const char *name;
    void (*build)(mrc_net *net, const struct mrc_generator_settings *settings);
    void (*init)(mrc_net *net, const struct net_init *init);
} generators[] = {
    [MRC_GENERATOR_UNET] = {"unet", net_build_unet, init_unet},
    [MRC_GENERATOR_LOCAL] = {"local", net_build_local, init_local},
    [MRC_GENERATOR_HYBRID] = {"hybrid", net_build_hybrid, init_hybrid},
};
enum { KINDS = sizeof(generators) / sizeof(generators[0]) };

const char *mrc_generator_kind_name(enum mrc_generator_kind kind) {
    MRC_ASSERT((size_t)kind < KINDS);
    return generators[kind].name;
}

enum mrc_status mrc_generator_kind_parse(enum mrc_generator_kind *out, const char *text,
                                         struct mrc_error *err) {
    for (int i = 0; i < KINDS; ++i) {
        if (strcmp(text, generators[i].name) != 0) continue;
        *out = (enum mrc_generator_kind)i;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "generator \"%s\" is unknown, expected unet, local or hybrid", text);
}

enum mrc_status net_check_generator(const struct mrc_generator_settings *s, struct mrc_error *err) {
    if (s->channels != 1 && s->channels != 3)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "generator with %" PRId64 " channels, expected 1 or 3", s->channels);
    if (s->size < MRC_SMALLEST_SIDE || s->size > MRC_LARGEST_SIDE || (s->size & (s->size - 1)) != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "generator for images of side %" PRId64
                        ", expected a power of two from %d to %d",
                        s->size, MRC_SMALLEST_SIDE, MRC_LARGEST_SIDE);
    if (s->depth != 0 &&
        (s->depth < 2 || s->depth > LARGEST_DEPTH || s->size >> (s->depth - 1) < 1))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "generator of %" PRId64 " blocks for images of side %" PRId64
                        ", expected 2 or more and at least one pixel left",
                        s->depth, s->size);
    if (s->width < 1 || s->width > LARGEST_WIDTH)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "generator of base width %" PRId64 ", expected 1 to %d", s->width,
                        LARGEST_WIDTH);
    return MRC_OK;
}

enum mrc_status net_declare_generator(mrc_net **out, enum mrc_generator_kind kind,
                                      const struct mrc_generator_settings *settings,
                                      struct mrc_error *err) {
    mrc_net *net = NULL;
    enum mrc_status st = net_check_generator(settings, err);
    if (st == MRC_OK) st = mrc_net_create(&net, settings->channels, err);
    if (st == MRC_OK) {
        generators[kind].build(net, settings);
        st = net_check(net, err);
    }
    if (st != MRC_OK) {
        mrc_net_destroy(net);
        return st;
    }
    *out = net;
    return MRC_OK;
}

static enum mrc_status create(mrc_net **out, enum mrc_generator_kind kind,
                              const struct mrc_generator_settings *settings,
                              struct mrc_error *err) {
    mrc_net *net = NULL;
    enum mrc_status st = net_declare_generator(&net, kind, settings, err);
    if (st == MRC_OK) st = mrc_net_finish(net, err);
    if (st != MRC_OK) {
        mrc_net_destroy(net);
        return st;
    }
    *out = net;
    return MRC_OK;
}

enum mrc_status mrc_unet_create(mrc_net **out, const struct mrc_generator_settings *settings,
                                struct mrc_error *err) {
    return create(out, MRC_GENERATOR_UNET, settings, err);
}

enum mrc_status mrc_local_create(mrc_net **out, const struct mrc_generator_settings *settings,
                                 struct mrc_error *err) {
    return create(out, MRC_GENERATOR_LOCAL, settings, err);
}

enum mrc_status mrc_hybrid_create(mrc_net **out, const struct mrc_generator_settings *settings,
                                  struct mrc_error *err) {
    return create(out, MRC_GENERATOR_HYBRID, settings, err);
}

void net_init_generator(mrc_net *net, enum mrc_generator_kind kind, const struct net_init *init) {
    generators[kind].init(net, init);
}
