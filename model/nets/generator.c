/* generator.c: the table of generators: name, list of layers, first weights. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/nets/builders.h"

enum { LARGEST_WIDTH = 512, LARGEST_DEPTH = 11 };

static void init_unet(mrc_net *net, const struct net_init *init) {
    mrc_net_init(net, init->kind, init->gain, init->seed, init->stream);
}

/* Which input channel the first output channel begins as a copy of: the middle one of neighbours. */
static int64_t copied_channel(const struct net_init *init) {
    const struct mrc_generator_settings *s = init->settings;
    return s->in_channels > s->channels ? (s->in_channels - s->channels) / 2 : 0;
}

/* The local branch starts near a copy of its input, sigmoid(6 x - 3), with uniform weights of half
 * PyTorch's spread around it. From uniform weights alone it starts as grey fog, and a discriminator
 * that has won before any anatomy shows never lets go again. */
static void init_branch(mrc_net *net, const struct net_init *init, int layers) {
    mrc_net_init_uniform(net, "local", init->seed, init->stream);
    for (int i = 1; i <= layers; ++i) {
        const bool last = i == layers;
        char node[24], weight[32];
        (void)snprintf(node, sizeof(node), "local%d.conv", i);
        (void)snprintf(weight, sizeof(weight), "%s.weight", node);
        mrc_net_scale(net, weight, 0.5f);
        mrc_net_add_copy(net, node, last ? copied_channel(init) : 0, last ? 6.0f : 1.0f,
                         last ? -3.0f : 0.0f);
    }
}

static void init_local(mrc_net *net, const struct net_init *init) {
    init_branch(net, init, NET_LOCAL_LAYERS);
}

/* The residual starts small, so that training begins with the honest local branch. */
static void init_hybrid(mrc_net *net, const struct net_init *init) {
    init_unet(net, init);
    init_local(net, init);
    mrc_net_scale(net, "head.conv.weight", 0.1f);
}

/* The pixels of a block start alike: what differs from the start shows as a pattern of blocks, which
 * training is slow to take away. Aitken et al.: "Checkerboard artifact free sub-pixel convolution"
 * (2017). */
static void init_shuffle(mrc_net *net, const struct net_init *init) {
    init_unet(net, init);
    init_branch(net, init, NET_SHUFFLE_LAYERS);
    mrc_net_repeat(net, "head.conv.weight", net_shuffle_pixels(init->settings));
}

/* Without norms behind the 1x1 convolutions, deviations of .02 would leave nothing of a signal. */
static void init_separable(mrc_net *net, const struct net_init *init) {
    init_shuffle(net, init);
    mrc_net_init_uniform(net, "sep", init->seed, init->stream);
    mrc_net_init_uniform(net, "stem", init->seed, init->stream);
}

static int64_t step_of_local(const struct mrc_generator_settings *s) {
    (void)s;
    return 1;
}

static int64_t step_of_unet(const struct mrc_generator_settings *s) {
    return s->depth > 0 ? (int64_t)1 << (s->depth - 1) : 0;
}

static int64_t step_of_shuffle(const struct mrc_generator_settings *s) {
    return (int64_t)NET_SHUFFLE_BLOCK << (net_shuffle_depth(s) - 1);
}

static int64_t step_of_quarter(const struct mrc_generator_settings *s) {
    (void)s;
    return 4;
}

static const struct generator {
    const char *name;
    void (*build)(mrc_net *net, const struct mrc_generator_settings *settings);
    void (*init)(mrc_net *net, const struct net_init *init);
    int64_t (*step)(const struct mrc_generator_settings *settings); /* 0: down to one pixel */
} generators[] = {
    [MRC_GENERATOR_UNET] = {"unet", net_build_unet, init_unet, step_of_unet},
    [MRC_GENERATOR_LOCAL] = {"local", net_build_local, init_local, step_of_local},
    [MRC_GENERATOR_HYBRID] = {"hybrid", net_build_hybrid, init_hybrid, step_of_unet},
    [MRC_GENERATOR_SHUFFLE] = {"shuffle", net_build_shuffle, init_shuffle, step_of_shuffle},
    [MRC_GENERATOR_RESNET] = {"resnet", net_build_resnet, init_unet, step_of_quarter},
    [MRC_GENERATOR_MESH] = {"mesh", net_build_mesh, init_unet, step_of_local},
    [MRC_GENERATOR_SEPARABLE] = {"separable", net_build_separable, init_separable, step_of_quarter},
};
_Static_assert(sizeof(generators) / sizeof(generators[0]) == MRC_GENERATOR_KINDS, "a row for each");

const char *mrc_generator_kind_name(enum mrc_generator_kind kind) {
    MRC_ASSERT((size_t)kind < MRC_GENERATOR_KINDS);
    return generators[kind].name;
}

enum mrc_status mrc_generator_kind_parse(enum mrc_generator_kind *out, const char *text,
                                         struct mrc_error *err) {
    for (int i = 0; i < MRC_GENERATOR_KINDS; ++i) {
        if (strcmp(text, generators[i].name) != 0) continue;
        *out = (enum mrc_generator_kind)i;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "generator \"%s\" is unknown, expected unet, local, hybrid, shuffle, resnet, "
                    "mesh or separable",
                    text);
}

int64_t mrc_generator_step(enum mrc_generator_kind kind,
                           const struct mrc_generator_settings *settings) {
    MRC_ASSERT((size_t)kind < MRC_GENERATOR_KINDS);
    const int64_t step = generators[kind].step(settings);
    return step < settings->h && step < settings->w ? step : 0; /* one pixel is no step */
}

static enum mrc_status check_range(const char *what, int64_t value, int64_t lo, int64_t hi,
                                   struct mrc_error *err) {
    if (value >= lo && value <= hi) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "generator %s %" PRId64 ", expected %" PRId64 " to %" PRId64, what, value, lo,
                    hi);
}

static enum mrc_status check_sides(enum mrc_generator_kind kind,
                                   const struct mrc_generator_settings *s, struct mrc_error *err) {
    const int64_t step = generators[kind].step(s);
    const bool is_volume = s->d > 1;
    if (step == 0 && (s->h != s->w || (is_volume && s->d != s->h) || (s->h & (s->h - 1)) != 0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "generator for images of %" PRId64 "x%" PRId64
                        " down to one pixel, expected equal sides that are a power of two",
                        s->h, s->w);
    if (step > 0 && is_volume && s->d % step != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s generator of %" PRId64 " blocks for volumes of depth %" PRId64
                        ", expected a multiple of %" PRId64,
                        mrc_generator_kind_name(kind), s->depth, s->d, step);
    if (step > 0 && (s->h % step != 0 || s->w % step != 0))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s generator of %" PRId64 " blocks for images of %" PRId64 "x%" PRId64
                        ", expected multiples of %" PRId64,
                        mrc_generator_kind_name(kind), s->depth, s->h, s->w, step);
    return MRC_OK;
}

enum mrc_status net_check_generator(enum mrc_generator_kind kind,
                                    const struct mrc_generator_settings *s, struct mrc_error *err) {
    enum mrc_status st =
        check_range("that makes channels:", s->channels, 1, MRC_MOST_CHANNELS, err);
    if (st == MRC_OK)
        st = check_range("that reads channels:", s->in_channels, 0, MRC_MOST_CHANNELS, err);
    if (st == MRC_OK)
        st = check_range("for images of height", s->h, MRC_SMALLEST_SIDE, MRC_LARGEST_SIDE, err);
    if (st == MRC_OK)
        st = check_range("for images of width", s->w, MRC_SMALLEST_SIDE, MRC_LARGEST_SIDE, err);
    if (st == MRC_OK) st = check_range("for volumes of depth", s->d, 0, MRC_LARGEST_SIDE, err);
    if (st == MRC_OK) st = check_range("of base width", s->width, 1, LARGEST_WIDTH, err);
    if (st == MRC_OK && s->depth != 0)
        st = check_range("with blocks:", s->depth, 2, LARGEST_DEPTH, err);
    return st == MRC_OK ? check_sides(kind, s, err) : st;
}

enum mrc_status net_declare_generator(mrc_net **out, enum mrc_generator_kind kind,
                                      const struct mrc_generator_settings *settings,
                                      struct mrc_error *err) {
    mrc_net *net = NULL;
    enum mrc_status st = net_check_generator(kind, settings, err);
    const int64_t in_channels =
        settings->in_channels > 0 ? settings->in_channels : settings->channels;
    if (st == MRC_OK) st = mrc_net_create(&net, in_channels, err);
    if (st == MRC_OK) {
        mrc_net_set_dims(net, settings->d > 1 ? 3 : 2);
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

enum mrc_status mrc_generator_net_create(mrc_net **out, enum mrc_generator_kind kind,
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

void net_init_generator(mrc_net *net, enum mrc_generator_kind kind, const struct net_init *init) {
    generators[kind].init(net, init);
}
