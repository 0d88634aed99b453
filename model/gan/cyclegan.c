/* cyclegan.c: the four networks and one training step.
 *
 * The two translations are the same thing twice, so what a step asks of them is written for a
 * `direction` a -> b with its generator and the discriminator of b, and run for both. Instance norm
 * has no statistics across samples, so a generator takes together whatever is there to be taken: F
 * the batch [y; x], for translation and identity, then G the batch [x; y; F(y)], its cycle too, and
 * last F what G made of x. The fewer passes, the less often weights are read and transformed. The
 * discriminator does not change while the generators' losses are made, so its verdict on a fake is
 * computed once and serves both losses. All forward passes and losses come first: a loss that is
 * not finite stops the step before anything changes. */
#include "model/gan/cyclegan.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "base/team.h"
#include "model/gan/cyclegan_internal.h"
#include "model/gan/ssim_loss.h"
#include "model/nets/builders.h"

enum { TO_Y, TO_X, DIRECTIONS }; /* by G, by F */
enum { BLOCK_GRAIN = 1 << 16, LARGEST_BATCH = 4096, PENALTY_EVERY = 8 };
enum seen { SEEN_FAKE, SEEN_POOLED, SEEN_REAL, SEEN_KINDS }; /* by a discriminator */
static const double WARM_UP_RATE = 10.0;                     /* times the learning rate */
static const double SSIM_RANGE = 0.5; /* the grey values of most tissue, with room above them */
static const float PROBE = 0.01f;     /* largest change of a pixel by which R1 is differentiated */

/* The name of a network is its place in the enum; both directions' networks are found here. */
static const struct {
    enum mrc_cyclegan_net generator, judge;
} networks_of[DIRECTIONS] = {[TO_Y] = {MRC_NET_G, MRC_NET_D_Y}, [TO_X] = {MRC_NET_F, MRC_NET_D_X}};

struct direction {
    mrc_net *generator, *judge;
    mrc_plan *first_plan, *cycle_plan, *warm_plan;
    mrc_pass *first; /* generator on [a; b], or on a alone, and G's cycle: [fake b; same b; b] */
    mrc_pass *cycle; /* F on G's fake: b again; NULL for G */
    mrc_pass *warm;  /* generator on a alone, for the warm-up; NULL without one */
    mrc_pass *judge_fake, *judge_real;
    mrc_pass *judge_pool;    /* of fakes from the pool; NULL without one */
    float *pooled;           /* a batch of them */
    float *seen[SEEN_KINDS]; /* what a discriminator sees of images; NULL without DiffAugment */
    size_t parts;            /* batches of images in `first` */
    float *in, *d_first;     /* input of `first`, gradient at its output */
    float *d_map_adversarial, *d_map_fake, *d_map_real;
    float *mean;                  /* image of b; NULL without warm-up */
    const float *out, *cycle_out; /* of the last step */
};

struct mrc_cyclegan {
    struct mrc_cyclegan_settings settings;
    struct cyclegan_state *state;
    mrc_net *nets[MRC_NET_COUNT];
    mrc_plan *judge_plan; /* both directions have the same */
    struct direction directions[DIRECTIONS];
    float *d_cycle, *d_fake;  /* gradients of one batch of images */
    float *d_in;              /* at the input of G's first pass */
    double *spare;            /* of the structure loss */
    float *ssim_spare;        /* [share] times mrc_ssim_loss_spare; NULL without lambda_ssim */
    bool *partners;           /* [share]; NULL without a paired loss */
    float *truth[DIRECTIONS]; /* of a batch of images: what G(x), F(y) are compared with there */
    void *scratch;
    size_t scratch_bytes;
    struct mrc_arena memory;
    size_t images, map; /* floats in a batch of images, in a batch of patch maps */
    int64_t share;      /* of the batch, that this process makes: see base/team.h */
    bool with_identity, has_means;
    double rate_factor;
    size_t bytes;
};

/* --- Names --- */

const char *mrc_cyclegan_net_name(enum mrc_cyclegan_net which) {
    static const char *const names[MRC_NET_COUNT] = {
        [MRC_NET_G] = "G", [MRC_NET_F] = "F", [MRC_NET_D_X] = "D_X", [MRC_NET_D_Y] = "D_Y"};
    MRC_ASSERT((unsigned)which < MRC_NET_COUNT);
    return names[which];
}

static const char *const gan_modes[] = {
    [MRC_GAN_BCE] = "bce", [MRC_GAN_LSGAN] = "lsgan", [MRC_GAN_HINGE] = "hinge"};

const char *mrc_gan_mode_name(enum mrc_gan_mode mode) {
    MRC_ASSERT((unsigned)mode < sizeof(gan_modes) / sizeof(gan_modes[0]));
    return gan_modes[mode];
}

enum mrc_status mrc_gan_mode_parse(enum mrc_gan_mode *out, const char *text,
                                   struct mrc_error *err) {
    for (size_t i = 0; i < sizeof(gan_modes) / sizeof(gan_modes[0]); ++i) {
        if (strcmp(text, gan_modes[i]) != 0) continue;
        *out = (enum mrc_gan_mode)i;
        return MRC_OK;
    }
    if (strcmp(text, "vanilla") == 0) {
        *out = MRC_GAN_BCE;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "adversarial loss \"%s\" is unknown, expected vanilla, lsgan or hinge", text);
}

/* --- Settings --- */

enum mrc_status cyclegan_check_settings(const struct mrc_cyclegan_settings *s,
                                        struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < MRC_CYCLEGAN_SETTING_COUNT; ++i)
        st = mrc_setting_check(s, mrc_cyclegan_setting(i), err);
    int team = mrc_team_current()->count;
    if (st == MRC_OK && s->batch % team != 0)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "batch is %" PRId64 ", expected a multiple of the %d processes", s->batch,
                      team);
    if (st == MRC_OK && team > 1 && s->pool_size > 0)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "image pool of %" PRId64 " with %d processes, expected none with several",
                      s->pool_size, team);
    const struct mrc_generator_settings generator = cyclegan_generator_settings(s);
    for (int i = 0; st == MRC_OK && i < GENERATORS; ++i)
        st = net_check_generator(mrc_cyclegan_generator_of(s, (enum mrc_cyclegan_net)i), &generator,
                                 err);
    return st;
}

struct mrc_generator_settings cyclegan_generator_settings(const struct mrc_cyclegan_settings *s) {
    return (struct mrc_generator_settings){.channels = s->channels,
                                           .h = s->size,
                                           .w = s->size,
                                           .width = s->generator_width,
                                           .depth = s->depth};
}

enum mrc_generator_kind mrc_cyclegan_generator_of(const struct mrc_cyclegan_settings *s,
                                                  enum mrc_cyclegan_net which) {
    return which == MRC_NET_F && s->generator_f > 0 ? (enum mrc_generator_kind)(s->generator_f - 1)
                                                    : s->generator;
}

int64_t mrc_cyclegan_side_step(const struct mrc_cyclegan_settings *s, enum mrc_cyclegan_net which) {
    const struct mrc_generator_settings generator = cyclegan_generator_settings(s);
    return mrc_generator_step(mrc_cyclegan_generator_of(s, which), &generator);
}

bool mrc_cyclegan_takes_side(const struct mrc_cyclegan_settings *s, enum mrc_cyclegan_net which,
                             int64_t side) {
    int64_t step = mrc_cyclegan_side_step(s, which);
    if (side == s->size) return true;
    return step > 0 && side % step == 0 && side >= MRC_SMALLEST_SIDE && side <= MRC_LARGEST_SIDE;
}

/* --- Creating --- */

static enum mrc_status declare_nets(mrc_cyclegan *gan, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    struct mrc_generator_settings generator = cyclegan_generator_settings(s);
    enum mrc_status st = MRC_OK;
    for (int i = 0; st == MRC_OK && i < MRC_NET_COUNT; ++i) {
        st = i < GENERATORS
                 ? net_declare_generator(&gan->nets[i],
                                         mrc_cyclegan_generator_of(s, (enum mrc_cyclegan_net)i),
                                         &generator, err)
                 : net_declare_patchgan(&gan->nets[i], 2, s->channels, s->discriminator_width, err);
        if (st == MRC_OK) gan->bytes += 2 * mrc_net_size(gan->nets[i]) * sizeof(float);
    }
    return st;
}

static enum mrc_status create_nets(mrc_cyclegan *gan, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct mrc_generator_settings generator = cyclegan_generator_settings(s);
    for (int i = 0; i < MRC_NET_COUNT; ++i) {
        enum mrc_status st = mrc_net_finish(gan->nets[i], err);
        if (st != MRC_OK) return st;
        const struct net_init init = {&generator, s->init_type, s->init_gain, s->seed, (uint32_t)i};
        if (i < GENERATORS)
            net_init_generator(gan->nets[i], mrc_cyclegan_generator_of(s, (enum mrc_cyclegan_net)i),
                               &init);
        else
            mrc_net_init(gan->nets[i], init.kind, init.gain, init.seed, init.stream);
    }
    return MRC_OK;
}

static enum mrc_status create_plans(mrc_cyclegan *gan, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    struct mrc_shape image = {
        .n = gan->share, .c = s->channels, .d = 1, .h = s->size, .w = s->size};
    enum mrc_status st = MRC_OK;
    for (int k = 0; st == MRC_OK && k < DIRECTIONS; ++k) {
        struct direction *way = &gan->directions[k];
        struct mrc_shape first = image;
        way->parts = (gan->with_identity ? 2u : 1u) + (k == TO_Y ? 1u : 0u);
        first.n *= (int64_t)way->parts;
        st = mrc_plan_create(&way->first_plan, gan->nets[networks_of[k].generator], first,
                             MRC_PLAN_TRAINING, err);
        if (st == MRC_OK && s->warm_up > 0)
            st = mrc_plan_create(&way->warm_plan, gan->nets[networks_of[k].generator], image,
                                 MRC_PLAN_TRAINING, err);
    }
    if (st == MRC_OK)
        st = mrc_plan_create(&gan->directions[TO_X].cycle_plan, gan->nets[MRC_NET_F], image,
                             MRC_PLAN_TRAINING, err);
    if (st == MRC_OK)
        st = mrc_plan_create(&gan->judge_plan, gan->nets[MRC_NET_D_X], image, MRC_PLAN_TRAINING,
                             err);
    if (st != MRC_OK) return st;
    gan->images = mrc_shape_count(image);
    gan->map = mrc_shape_count(mrc_plan_output(gan->judge_plan));

    const struct direction *way = gan->directions;
    const mrc_plan *const plans[] = {way[TO_Y].first_plan, way[TO_X].first_plan,
                                     way[TO_X].cycle_plan, gan->judge_plan,
                                     way[TO_Y].warm_plan,  way[TO_X].warm_plan};
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); ++i)
        if (plans[i] != NULL && mrc_plan_scratch_bytes(plans[i]) > gan->scratch_bytes)
            gan->scratch_bytes = mrc_plan_scratch_bytes(plans[i]);
    gan->bytes += gan->scratch_bytes;
    return MRC_OK;
}

static size_t image_floats(const mrc_cyclegan *gan) {
    return gan->images / (size_t)gan->share;
}

/* Runs twice: measuring, then handing out. */
static void take_memory(mrc_cyclegan *gan) {
    struct mrc_arena *memory = &gan->memory;
    for (int i = 0; i < MRC_NET_COUNT; ++i) {
        size_t block = mrc_net_size(gan->nets[i]) * sizeof(float);
        gan->state->m[i] = mrc_arena_take(memory, block);
        gan->state->v[i] = mrc_arena_take(memory, block);
        if (i < GENERATORS && gan->settings.ema_decay > 0.0)
            gan->state->average[i] = mrc_arena_take(memory, block);
    }
    for (int k = 0; k < DIRECTIONS; ++k) {
        struct direction *way = &gan->directions[k];
        const size_t first = way->parts * gan->images * sizeof(float);
        way->in = mrc_arena_take(memory, first);
        way->d_first = mrc_arena_take(memory, first);
        way->d_map_adversarial = mrc_arena_take(memory, gan->map * sizeof(float));
        way->d_map_fake = mrc_arena_take(memory, gan->map * sizeof(float));
        way->d_map_real = mrc_arena_take(memory, gan->map * sizeof(float));
        if (gan->settings.warm_up > 0)
            way->mean = mrc_arena_take(memory, image_floats(gan) * sizeof(float));
        for (int seen = 0; seen < SEEN_KINDS && gan->settings.diff_augment != 0; ++seen)
            if (seen != SEEN_POOLED || gan->settings.pool_size > 0)
                way->seen[seen] = mrc_arena_take(memory, gan->images * sizeof(float));
        if (gan->settings.pool_size == 0) continue;
        way->pooled = mrc_arena_take(memory, gan->images * sizeof(float));
        gan->state->pool[k] = mrc_arena_take(memory, (size_t)gan->settings.pool_size *
                                                         image_floats(gan) * sizeof(float));
    }
    gan->d_cycle = mrc_arena_take(memory, gan->images * sizeof(float));
    gan->d_fake = mrc_arena_take(memory, gan->images * sizeof(float));
    gan->d_in = mrc_arena_take(memory, gan->directions[TO_Y].parts * gan->images * sizeof(float));
    if (gan->settings.lambda_paired > 0.0) {
        gan->partners = mrc_arena_take(memory, (size_t)gan->share * sizeof(bool));
        for (int k = 0; k < DIRECTIONS; ++k)
            gan->truth[k] = mrc_arena_take(memory, gan->images * sizeof(float));
    }
    if (gan->settings.lambda_ssim > 0.0)
        gan->ssim_spare =
            mrc_arena_take(memory, (size_t)gan->share *
                                       mrc_ssim_loss_spare(gan->settings.size, gan->settings.size) *
                                       sizeof(float));
    if (gan->settings.lambda_structure > 0.0)
        gan->spare = mrc_arena_take(
            memory,
            mrc_structure_spare(gan->settings.structure, gan->settings.size) * sizeof(double));
}

static void measure_memory(mrc_cyclegan *gan) {
    take_memory(gan);
    gan->memory.size = gan->memory.used;
    gan->memory.used = 0;
    gan->bytes += gan->memory.size;
    for (int k = 0; k < DIRECTIONS; ++k)
        gan->bytes += mrc_plan_pass_bytes(gan->directions[k].first_plan) +
                      (gan->settings.pool_size > 0 ? 3 : 2) * mrc_plan_pass_bytes(gan->judge_plan);
    for (int k = 0; k < DIRECTIONS && gan->settings.warm_up > 0; ++k)
        gan->bytes += mrc_plan_pass_bytes(gan->directions[k].warm_plan);
    gan->bytes += mrc_plan_pass_bytes(gan->directions[TO_X].cycle_plan);
}

static enum mrc_status create_memory(mrc_cyclegan *gan, struct mrc_error *err) {
    gan->scratch = mrc_alloc(gan->scratch_bytes, 1);
    if (gan->scratch == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory: training needs %zu bytes of scratch",
                        gan->scratch_bytes);
    gan->memory.base = mrc_alloc(gan->memory.size, 1);
    if (gan->memory.base == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM,
                        "out of memory: training needs %zu bytes beside the networks",
                        gan->memory.size);
    take_memory(gan);
    for (int i = 0; i < GENERATORS; ++i)
        if (gan->state->average[i] != NULL)
            memcpy(gan->state->average[i], mrc_net_values(gan->nets[i]),
                   mrc_net_size(gan->nets[i]) * sizeof(float));
    return MRC_OK;
}

static enum mrc_status create_directions(mrc_cyclegan *gan, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (int k = 0; st == MRC_OK && k < DIRECTIONS; ++k) {
        struct direction *way = &gan->directions[k];
        way->generator = gan->nets[networks_of[k].generator];
        way->judge = gan->nets[networks_of[k].judge];
        st = mrc_pass_create(&way->first, way->generator, way->first_plan, gan->scratch, err);
        if (st == MRC_OK && way->warm_plan != NULL)
            st = mrc_pass_create(&way->warm, way->generator, way->warm_plan, gan->scratch, err);
        if (st == MRC_OK && way->cycle_plan != NULL)
            st = mrc_pass_create(&way->cycle, way->generator, way->cycle_plan, gan->scratch, err);
        if (st == MRC_OK)
            st = mrc_pass_create(&way->judge_fake, way->judge, gan->judge_plan, gan->scratch, err);
        if (st == MRC_OK)
            st = mrc_pass_create(&way->judge_real, way->judge, gan->judge_plan, gan->scratch, err);
        if (st == MRC_OK && gan->settings.pool_size > 0)
            st = mrc_pass_create(&way->judge_pool, way->judge, gan->judge_plan, gan->scratch, err);
    }
    return st;
}

/* Everything but its memory: what it will need is known then. */
static enum mrc_status lay_out(mrc_cyclegan **out, const struct mrc_cyclegan_settings *settings,
                               struct mrc_error *err) {
    enum mrc_status st = cyclegan_check_settings(settings, err);
    if (st != MRC_OK) return st;
    mrc_cyclegan *gan = mrc_alloc(1, sizeof(*gan));
    if (gan != NULL) gan->state = mrc_alloc(1, sizeof(*gan->state));
    if (gan == NULL || gan->state == NULL) {
        mrc_cyclegan_destroy(gan);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a model");
    }
    gan->settings = *settings;
    gan->share = settings->batch / mrc_team_current()->count;
    gan->rate_factor = 1.0;
    gan->with_identity = settings->lambda_identity > 0.0;
    gan->bytes = sizeof(*gan) + sizeof(*gan->state);
    st = declare_nets(gan, err);
    if (st == MRC_OK) st = create_plans(gan, err);
    if (st != MRC_OK) {
        mrc_cyclegan_destroy(gan);
        return st;
    }
    measure_memory(gan);
    *out = gan;
    return MRC_OK;
}

enum mrc_status mrc_cyclegan_create(mrc_cyclegan **out,
                                    const struct mrc_cyclegan_settings *settings,
                                    struct mrc_error *err) {
    MRC_ASSERT(out != NULL && settings != NULL);
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = lay_out(&gan, settings, err);
    if (st == MRC_OK) st = create_nets(gan, err);
    if (st == MRC_OK) st = create_memory(gan, err);
    if (st == MRC_OK) st = create_directions(gan, err);
    if (st != MRC_OK) {
        mrc_cyclegan_destroy(gan);
        return st;
    }
    *out = gan;
    return MRC_OK;
}

enum mrc_status mrc_cyclegan_measure(size_t *bytes, const struct mrc_cyclegan_settings *settings,
                                     struct mrc_error *err) {
    MRC_ASSERT(bytes != NULL && settings != NULL);
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = lay_out(&gan, settings, err);
    if (st == MRC_OK) *bytes = gan->bytes;
    mrc_cyclegan_destroy(gan);
    return st;
}

void mrc_cyclegan_destroy(mrc_cyclegan *gan) {
    if (gan == NULL) return;
    for (int k = 0; k < DIRECTIONS; ++k) {
        mrc_pass_destroy(gan->directions[k].judge_pool);
        mrc_pass_destroy(gan->directions[k].judge_real);
        mrc_pass_destroy(gan->directions[k].judge_fake);
        mrc_pass_destroy(gan->directions[k].cycle);
        mrc_pass_destroy(gan->directions[k].warm);
        mrc_pass_destroy(gan->directions[k].first);
    }
    mrc_free(gan->state);
    mrc_free(gan->memory.base);
    mrc_free(gan->scratch);
    mrc_plan_destroy(gan->judge_plan);
    for (int k = 0; k < DIRECTIONS; ++k) {
        mrc_plan_destroy(gan->directions[k].warm_plan);
        mrc_plan_destroy(gan->directions[k].cycle_plan);
        mrc_plan_destroy(gan->directions[k].first_plan);
    }
    for (int i = 0; i < MRC_NET_COUNT; ++i) mrc_net_destroy(gan->nets[i]);
    mrc_free(gan);
}

void mrc_cyclegan_set_means(mrc_cyclegan *gan, const float *mean_x, const float *mean_y) {
    size_t bytes = image_floats(gan) * sizeof(float);
    MRC_ASSERT(gan->settings.warm_up > 0);
    memcpy(gan->directions[TO_Y].mean, mean_y, bytes);
    memcpy(gan->directions[TO_X].mean, mean_x, bytes);
    gan->has_means = true;
}

void mrc_cyclegan_scale_rate(mrc_cyclegan *gan, double factor) {
    MRC_ASSERT(factor >= 0.0 && factor <= 1.0);
    gan->rate_factor = factor;
}

void mrc_cyclegan_set_partners(mrc_cyclegan *gan, const bool *partners, const float *true_x,
                               const float *true_y) {
    MRC_ASSERT(gan->partners != NULL && partners != NULL && true_x != NULL && true_y != NULL);
    memcpy(gan->partners, partners, (size_t)gan->share * sizeof(bool));
    memcpy(gan->truth[TO_Y], true_y, gan->images * sizeof(float));
    memcpy(gan->truth[TO_X], true_x, gan->images * sizeof(float));
}

/* --- Reading --- */

const struct mrc_cyclegan_settings *mrc_cyclegan_get_settings(const mrc_cyclegan *gan) {
    return &gan->settings;
}

mrc_net *mrc_cyclegan_net_of(mrc_cyclegan *gan, enum mrc_cyclegan_net which) {
    MRC_ASSERT((unsigned)which < MRC_NET_COUNT);
    return gan->nets[which];
}

size_t mrc_cyclegan_bytes(const mrc_cyclegan *gan) {
    return gan->bytes;
}

int64_t mrc_cyclegan_steps(const mrc_cyclegan *gan) {
    return gan->state->steps;
}

struct cyclegan_state *cyclegan_state_of(const mrc_cyclegan *gan) {
    return gan->state;
}

mrc_net *const *cyclegan_nets_of(const mrc_cyclegan *gan) {
    return gan->nets;
}

const mrc_pass *cyclegan_pass_of(const mrc_cyclegan *gan, int index, enum mrc_cyclegan_net *net) {
    const struct direction *to_y = &gan->directions[TO_Y], *to_x = &gan->directions[TO_X];
    const struct {
        const mrc_pass *pass;
        enum mrc_cyclegan_net net;
    } passes[CYCLEGAN_PASSES] = {{to_x->first, MRC_NET_F},        {to_y->first, MRC_NET_G},
                                 {to_x->cycle, MRC_NET_F},        {to_y->judge_fake, MRC_NET_D_Y},
                                 {to_y->judge_real, MRC_NET_D_Y}, {to_x->judge_fake, MRC_NET_D_X},
                                 {to_x->judge_real, MRC_NET_D_X}};
    MRC_ASSERT(index >= 0 && index < CYCLEGAN_PASSES);
    *net = passes[index].net;
    return passes[index].pass;
}

const float *mrc_cyclegan_best_weights(const mrc_cyclegan *gan, enum mrc_cyclegan_net which) {
    MRC_ASSERT((unsigned)which < GENERATORS);
    const float *average = gan->state->average[which];
    return average != NULL ? average : mrc_net_values(gan->nets[which]);
}

struct mrc_cyclegan_images mrc_cyclegan_last_images(const mrc_cyclegan *gan) {
    const struct direction *to_y = &gan->directions[TO_Y], *to_x = &gan->directions[TO_X];
    struct mrc_cyclegan_images images = {.fake_y = to_y->out,
                                         .fake_x = to_x->out,
                                         .cycle_x = to_x->cycle_out,
                                         .cycle_y = to_y->cycle_out};
    if (gan->with_identity && to_y->cycle_out != NULL) {
        images.same_y = to_y->out + gan->images;
        images.same_x = to_x->out + gan->images;
    }
    return images;
}

/* --- One step --- */

/* Losses of one direction a -> b: in the domain b. */
struct direction_losses {
    double adversarial, cycle, identity, structure, paired, real, fake;
};
enum { LOSSES = 7 };
_Static_assert(sizeof(struct direction_losses) == LOSSES * sizeof(double), "shared as numbers");

/* Where G's cycle begins in its first pass, in floats. */
static size_t cycle_of(const mrc_cyclegan *gan) {
    return (gan->directions[TO_Y].parts - 1) * gan->images;
}

static void forward(mrc_cyclegan *gan, const float *const real[DIRECTIONS][2]) {
    const size_t bytes = gan->images * sizeof(float);
    struct direction *to_y = &gan->directions[TO_Y], *to_x = &gan->directions[TO_X];
    for (int k = 0; k < DIRECTIONS; ++k) {
        float *in = gan->directions[k].in;
        memcpy(in, real[k][0], bytes);
        if (gan->with_identity) memcpy(in + gan->images, real[k][1], bytes);
    }
    to_x->out = mrc_pass_forward(to_x->first, to_x->in);
    memcpy(to_y->in + cycle_of(gan), to_x->out, bytes);
    to_y->out = mrc_pass_forward(to_y->first, to_y->in);
    to_y->cycle_out = to_y->out + cycle_of(gan);
    to_x->cycle_out = mrc_pass_forward(to_x->cycle, to_y->out);
}

/* A history of fakes (Shrivastava et al.: "Learning from simulated and unsupervised images through
 * adversarial training", CVPR 2017) as CycleGAN uses it: until the pool is full each new fake is
 * kept and shown; then it is shown as it is, or, by the toss of a coin, takes the place of a kept
 * one, which is shown instead. How many are kept follows from the steps, and what is drawn from
 * their number, so the images are all there is to remember. */
static void draw_from_pool(mrc_cyclegan *gan, int k) {
    struct direction *way = &gan->directions[k];
    const struct mrc_cyclegan_settings *s = &gan->settings;
    size_t image = image_floats(gan), bytes = image * sizeof(float);
    int64_t kept = (gan->state->steps - s->warm_up) * s->batch;
    struct mrc_rng rng =
        mrc_rng_for(s->seed, (uint32_t)k, (uint64_t)gan->state->steps, MRC_FOR_POOL);
    for (int64_t i = 0; i < s->batch; ++i, ++kept) {
        const float *fake = way->out + (size_t)i * image;
        float *shown = way->pooled + (size_t)i * image;
        bool is_full = kept >= s->pool_size, swaps = is_full && (mrc_rng_u64(&rng) & 1u) != 0;
        uint64_t place = is_full ? mrc_rng_below(&rng, (uint64_t)s->pool_size) : (uint64_t)kept;
        float *old = gan->state->pool[k] + place * image;
        memcpy(shown, swaps ? old : fake, bytes);
        if (swaps || !is_full) memcpy(old, fake, bytes);
    }
}

static struct mrc_diff_draw draw_for(const mrc_cyclegan *gan, int k, enum seen what, int64_t i) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    int64_t place = gan->state->steps * s->batch + mrc_team_current()->rank * gan->share + i;
    struct mrc_rng rng = mrc_rng_for(s->seed, (uint32_t)(k * SEEN_KINDS + (int)what),
                                     (uint64_t)place, MRC_FOR_DIFF_AUGMENT);
    return mrc_diff_augment_draw(s->diff_augment, s->size, &rng);
}

/* What a discriminator sees of a batch of images. */
static const float *show(mrc_cyclegan *gan, int k, enum seen what, const float *images) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    if (s->diff_augment == 0) return images;
    float *seen = gan->directions[k].seen[what];
    for (int64_t i = 0; i < gan->share; ++i) {
        size_t at = (size_t)i * image_floats(gan);
        struct mrc_diff_draw draw = draw_for(gan, k, what, i);
        mrc_diff_augment_apply(seen + at, images + at, s->size, s->channels, &draw);
    }
    return seen;
}

/* Adds to d, at the fakes, what gan->d_fake is at what was shown of them. */
static void add_seen_gradient(const mrc_cyclegan *gan, int k, float *d) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    if (s->diff_augment == 0)
        for (size_t i = 0; i < gan->images; ++i) d[i] += gan->d_fake[i];
    for (int64_t i = 0; s->diff_augment != 0 && i < gan->share; ++i) {
        size_t at = (size_t)i * image_floats(gan);
        struct mrc_diff_draw draw = draw_for(gan, k, SEEN_FAKE, i);
        mrc_diff_augment_backward(d + at, gan->d_fake + at, s->size, s->channels, &draw);
    }
}

/* The discriminators' part: verdicts, their losses, and the gradients at the patch maps. */
static void judge(mrc_cyclegan *gan, int k, const float *real_b, struct direction_losses *losses) {
    struct direction *way = &gan->directions[k];
    enum mrc_gan_mode mode = gan->settings.gan_mode;
    const float *verdict = mrc_pass_forward(way->judge_fake, show(gan, k, SEEN_FAKE, way->out));
    losses->adversarial = mrc_loss_adversarial(way->d_map_adversarial, verdict, gan->map,
                                               MRC_TERM_GENERATOR, mode, 1.0f);
    if (way->judge_pool != NULL) {
        draw_from_pool(gan, k);
        verdict = mrc_pass_forward(way->judge_pool, show(gan, k, SEEN_POOLED, way->pooled));
    }
    losses->fake =
        mrc_loss_adversarial(way->d_map_fake, verdict, gan->map, MRC_TERM_FAKE, mode, 0.5f);
    verdict = mrc_pass_forward(way->judge_real, show(gan, k, SEEN_REAL, real_b));
    losses->real =
        mrc_loss_adversarial(way->d_map_real, verdict, gan->map, MRC_TERM_REAL, mode, 0.5f);
}

/* Isola, Zhu, Zhou, Efros: "Image-to-image translation with conditional adversarial networks" (CVPR
 * 2017): the L1 distance of a translation to what is known to be right. An image without a partner
 * counts 0, so that the mean over a team is that of the batch. d NULL: no gradient; else added. */
static double compare_partners(const mrc_cyclegan *gan, int k, float *d) {
    const float *out = gan->directions[k].out, *truth = gan->truth[k];
    const size_t image = image_floats(gan);
    double sum = 0.0;
    for (int64_t i = 0; i < gan->share; ++i) {
        const size_t at = (size_t)i * image;
        if (!gan->partners[i]) continue;
        sum += mrc_loss_l1(d != NULL ? d + at : NULL, out + at, truth + at, image,
                           (float)(gan->settings.lambda_paired / (double)gan->share), true);
    }
    return sum / (double)gan->share;
}

/* The images' losses that need no gradient yet; their gradients are made when backward needs them.
 */
static void compare(const mrc_cyclegan *gan, int k, const float *const real[2],
                    struct direction_losses *losses) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct direction *way = &gan->directions[k];
    const float *real_b = real[1];
    losses->structure = 0.0;
    if (s->lambda_structure > 0.0)
        losses->structure = mrc_loss_structure(NULL, way->out, real[0], (size_t)gan->share, s->size,
                                               s->channels, s->structure, 0.0f, gan->spare);
    losses->cycle = mrc_loss_l1(NULL, way->cycle_out, real_b, gan->images, 0.0f, false);
    losses->identity = 0.0;
    losses->paired = s->lambda_paired > 0.0 ? compare_partners(gan, k, NULL) : 0.0;
    if (gan->with_identity)
        losses->identity =
            mrc_loss_l1(NULL, way->out + gan->images, real_b, gan->images, 0.0f, false);
}

static struct mrc_losses collect(const mrc_cyclegan *gan,
                                 const struct direction_losses part[DIRECTIONS]) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct direction_losses *y = &part[0], *x = &part[1];
    struct mrc_losses all = {
        .adversarial_g = y->adversarial,
        .adversarial_f = x->adversarial,
        .cycle_x = x->cycle,
        .cycle_y = y->cycle,
        .identity_x = x->identity,
        .identity_y = y->identity,
        .d_y_real = y->real,
        .d_y_fake = y->fake,
        .d_x_real = x->real,
        .d_x_fake = x->fake,
        .total_d_x = 0.5 * (x->real + x->fake),
        .total_d_y = 0.5 * (y->real + y->fake),
        .structure_g = y->structure,
        .structure_f = x->structure,
        .paired_x = x->paired,
        .paired_y = y->paired,
    };
    all.total_generator = y->adversarial + x->adversarial +
                          s->lambda_cycle * (x->cycle + y->cycle) +
                          s->lambda_identity * (x->identity + y->identity) +
                          s->lambda_structure * (x->structure + y->structure) +
                          s->lambda_paired * (x->paired + y->paired);
    return all;
}

static enum mrc_status check_finite(const mrc_cyclegan *gan, const struct mrc_losses *losses,
                                    struct mrc_error *err) {
    const struct {
        const char *name;
        double value;
    } totals[] = {{"generators", losses->total_generator},
                  {"discriminator D_X", losses->total_d_x},
                  {"discriminator D_Y", losses->total_d_y}};
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); ++i)
        if (!isfinite(totals[i].value))
            return mrc_fail(err, MRC_ERR_NUMERIC,
                            "step %" PRId64 ": loss of the %s is %g, expected a finite number",
                            gan->state->steps + 1, totals[i].name, totals[i].value);
    return MRC_OK;
}

/* Adds to d_first what asks something of the fakes, and sets it where the identity is. */
static void add_first_gradients(mrc_cyclegan *gan, int k, const float *const real[2]) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    struct direction *way = &gan->directions[k];
    mrc_pass_backward(way->judge_fake, way->d_map_adversarial, gan->d_fake, MRC_GRADIENTS_NONE);
    add_seen_gradient(gan, k, way->d_first);
    if (s->lambda_structure > 0.0)
        (void)mrc_loss_structure(way->d_first, way->out, real[0], (size_t)gan->share, s->size,
                                 s->channels, s->structure, (float)s->lambda_structure, gan->spare);
    if (s->lambda_paired > 0.0) (void)compare_partners(gan, k, way->d_first);
    if (gan->with_identity)
        (void)mrc_loss_l1(way->d_first + gan->images, way->out + gan->images, real[1], gan->images,
                          (float)s->lambda_identity, false);
}

/* Against the order of forward; what reads a fake reaches it before its generator's turn. */
static void backward_generators(mrc_cyclegan *gan, const float *const real[DIRECTIONS][2]) {
    const float cycle = (float)gan->settings.lambda_cycle;
    struct direction *to_y = &gan->directions[TO_Y], *to_x = &gan->directions[TO_X];
    (void)mrc_loss_l1(gan->d_cycle, to_x->cycle_out, real[TO_X][1], gan->images, cycle, false);
    mrc_pass_backward(to_x->cycle, gan->d_cycle, to_y->d_first, MRC_GRADIENTS_SET);
    add_first_gradients(gan, TO_Y, real[TO_Y]);
    (void)mrc_loss_l1(to_y->d_first + cycle_of(gan), to_y->cycle_out, real[TO_Y][1], gan->images,
                      cycle, false);
    mrc_pass_backward(to_y->first, to_y->d_first, gan->d_in, MRC_GRADIENTS_SET);
    memcpy(to_x->d_first, gan->d_in + cycle_of(gan), gan->images * sizeof(float));
    add_first_gradients(gan, TO_X, real[TO_X]);
    mrc_pass_backward(to_x->first, to_x->d_first, NULL, MRC_GRADIENTS_ADD);
}

static void backward_discriminators(mrc_cyclegan *gan) {
    for (int k = 0; k < DIRECTIONS; ++k) {
        struct direction *way = &gan->directions[k];
        mrc_pass_backward(way->judge_real, way->d_map_real, NULL, MRC_GRADIENTS_SET);
        mrc_pass_backward(way->judge_pool != NULL ? way->judge_pool : way->judge_fake,
                          way->d_map_fake, NULL, MRC_GRADIENTS_ADD);
    }
}

/* R1 of Mescheder, Geiger, Nowozin: "Which training methods for GANs do actually converge?" (ICML
 * 2018): gamma / 2 times the mean of |g|^2, g the gradient of a real image's mean verdict with
 * respect to the image; weighted by the steps it stands for. Its derivative with respect to a
 * weight is that of g . v at v = g held still, and since derivatives may change places that is how
 * the weight's gradient changes along v: a difference of two ordinary backward passes, no second
 * derivative of any operation. */
static enum mrc_status add_penalty(mrc_cyclegan *gan, struct direction *way, const float *real_b,
                                   struct mrc_error *err) {
    if (way->seen[SEEN_REAL] != NULL) real_b = way->seen[SEEN_REAL];
    const float per_verdict = (float)((double)gan->share / (double)gan->map);
    float *g = gan->d_fake, *moved = gan->d_cycle;
    double largest = 0.0;
    for (size_t i = 0; i < gan->map; ++i) way->d_map_real[i] = per_verdict;
    mrc_pass_backward(way->judge_real, way->d_map_real, g, MRC_GRADIENTS_NONE);
    for (size_t i = 0; i < gan->images; ++i) largest = fmax(largest, fabs((double)g[i]));
    enum mrc_status st = mrc_team_largest(&largest, err);
    if (st != MRC_OK || !(largest > 0.0)) return st;
    const float step = PROBE / (float)largest;
    const double weight = PENALTY_EVERY * gan->settings.r1_gamma / (double)gan->share;
    for (int side = -1; side <= 1; side += 2) {
        for (size_t i = 0; i < gan->images; ++i) moved[i] = real_b[i] + (float)side * step * g[i];
        (void)mrc_pass_forward(way->judge_real, moved);
        for (size_t i = 0; i < gan->map; ++i)
            way->d_map_real[i] =
                (float)(weight * (double)per_verdict * side / (2.0 * (double)step));
        mrc_pass_backward(way->judge_real, way->d_map_real, NULL, MRC_GRADIENTS_ADD);
    }
    return MRC_OK;
}

struct average_task {
    float *average;
    const float *values;
    float decay;
};

static void average_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct average_task t = *(const struct average_task *)context;
    for (size_t i = begin; i < end; ++i)
        t.average[i] = t.decay * t.average[i] + (1.0f - t.decay) * t.values[i];
}

/* Over all processes: every rank has the losses and gradients of the whole batch. The part that a
 * lost process would leave undone changes no weight. */
static enum mrc_status share_losses(struct direction_losses part[DIRECTIONS],
                                    struct mrc_error *err) {
    double values[DIRECTIONS * LOSSES];
    for (int k = 0; k < DIRECTIONS; ++k) memcpy(values + k * LOSSES, &part[k], sizeof part[k]);
    enum mrc_status st = mrc_team_mean(values, DIRECTIONS * LOSSES, err);
    for (int k = 0; st == MRC_OK && k < DIRECTIONS; ++k)
        memcpy(&part[k], values + k * LOSSES, sizeof part[k]);
    return st;
}

static enum mrc_status share_gradients(const mrc_cyclegan *gan, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (int i = 0; st == MRC_OK && i < MRC_NET_COUNT; ++i)
        st = mrc_team_mean_floats(mrc_net_gradients(gan->nets[i]), mrc_net_size(gan->nets[i]), err);
    return st;
}

static void update(mrc_cyclegan *gan) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct mrc_adam adam = {.learning_rate = s->learning_rate * gan->rate_factor,
                                  .beta1 = s->beta1,
                                  .beta2 = s->beta2,
                                  .eps = s->adam_eps};
    gan->state->steps += 1;
    for (int i = 0; i < MRC_NET_COUNT; ++i)
        mrc_adam_update(mrc_net_values(gan->nets[i]), gan->state->m[i], gan->state->v[i],
                        mrc_net_gradients(gan->nets[i]), mrc_net_size(gan->nets[i]), &adam,
                        gan->state->steps - s->warm_up);
    for (int i = 0; i < GENERATORS; ++i) {
        if (gan->state->average[i] == NULL) continue;
        struct average_task task = {gan->state->average[i], mrc_net_values(gan->nets[i]),
                                    (float)s->ema_decay};
        mrc_parallel_for(mrc_net_size(gan->nets[i]), BLOCK_GRAIN, average_range, &task);
    }
}

/* --- Warm-up --- */

/* Of one image: mean square, or mean |difference| and 1 - SSIM. */
struct warm_task {
    const mrc_cyclegan *gan;
    int k;
    double *losses; /* [share] */
};

static double square_difference(float *d, const float *a, const float *b, size_t n, double scale) {
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
        d[i] = (float)(2.0 * scale * difference);
    }
    return sum * scale;
}

static void compare_range(void *context, size_t begin, size_t end, int lane) {
    const struct warm_task *t = context;
    const mrc_cyclegan *gan = t->gan;
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct direction *way = &gan->directions[t->k];
    const size_t image = image_floats(gan);
    const double share = (double)gan->share;
    (void)lane;
    for (size_t n = begin; n < end; ++n) {
        const bool has_partner = gan->partners != NULL && gan->partners[n];
        const float *out = way->out + n * image;
        const float *target = has_partner ? gan->truth[t->k] + n * image : way->mean;
        float *d = way->d_first + n * image;
        if (!has_partner || s->lambda_ssim <= 0.0) {
            t->losses[n] = square_difference(d, out, target, image, 1.0 / (double)gan->images);
            continue;
        }
        t->losses[n] = mrc_loss_l1(d, out, target, image, (float)(1.0 / share), false) / share;
        for (int64_t c = 0; c < s->channels; ++c) {
            const double weight = s->lambda_ssim / (share * (double)s->channels);
            float *spare = gan->ssim_spare + n * mrc_ssim_loss_spare(s->size, s->size);
            t->losses[n] += weight * mrc_ssim_loss(d + c, out + c, target + c, s->size, s->size,
                                                   s->channels, SSIM_RANGE, weight, spare);
        }
    }
}

/* The translations against their true images where those are known, elsewhere against the mean
 * image of b; the gradient goes to d_first. */
static double compare_with_targets(const mrc_cyclegan *gan, int k) {
    double losses[LARGEST_BATCH], sum = 0.0;
    struct warm_task task = {gan, k, losses};
    mrc_parallel_for((size_t)gan->share, 1, compare_range, &task);
    for (int64_t n = 0; n < gan->share; ++n) sum += losses[n];
    return sum;
}

/* Adam begins anew where the warm-up ends: the moments of so different a loss would make the first
 * adversarial steps leaps. */
static void update_warming(mrc_cyclegan *gan) {
    const struct mrc_cyclegan_settings *s = &gan->settings;
    const struct mrc_adam adam = {.learning_rate =
                                      WARM_UP_RATE * s->learning_rate * gan->rate_factor,
                                  .beta1 = s->beta1,
                                  .beta2 = s->beta2,
                                  .eps = s->adam_eps};
    gan->state->steps += 1;
    const double young = (1.0 + (double)gan->state->steps) / (10.0 + (double)gan->state->steps);
    for (int i = 0; i < GENERATORS; ++i) {
        const size_t size = mrc_net_size(gan->nets[i]), bytes = size * sizeof(float);
        mrc_adam_update(mrc_net_values(gan->nets[i]), gan->state->m[i], gan->state->v[i],
                        mrc_net_gradients(gan->nets[i]), size, &adam, gan->state->steps);
        if (gan->state->average[i] != NULL) {
            struct average_task task = {gan->state->average[i], mrc_net_values(gan->nets[i]),
                                        (float)fmin(s->ema_decay, young)};
            mrc_parallel_for(size, BLOCK_GRAIN, average_range, &task);
        }
        if (gan->state->steps < s->warm_up) continue;
        memset(gan->state->m[i], 0, bytes);
        memset(gan->state->v[i], 0, bytes);
    }
}

static enum mrc_status warm_up_step(mrc_cyclegan *gan, struct mrc_losses *losses,
                                    const float *const real[DIRECTIONS][2], struct mrc_error *err) {
    MRC_ASSERT(gan->has_means);
    *losses = (struct mrc_losses){0};
    for (int k = 0; k < DIRECTIONS; ++k) {
        struct direction *way = &gan->directions[k];
        way->out = mrc_pass_forward(way->warm, real[k][0]);
        way->cycle_out = NULL;
        losses->total_generator += compare_with_targets(gan, k);
    }
    enum mrc_status st = mrc_team_mean(&losses->total_generator, 1, err);
    if (st == MRC_OK) st = check_finite(gan, losses, err);
    if (st != MRC_OK) return st;
    for (int k = 0; k < DIRECTIONS; ++k)
        mrc_pass_backward(gan->directions[k].warm, gan->directions[k].d_first, NULL,
                          MRC_GRADIENTS_SET);
    st = share_gradients(gan, err);
    if (st == MRC_OK) update_warming(gan);
    return st;
}

enum mrc_status mrc_cyclegan_step(mrc_cyclegan *gan, struct mrc_losses *losses, const float *x,
                                  const float *y, struct mrc_error *err) {
    MRC_ASSERT(gan != NULL && losses != NULL && x != NULL && y != NULL);
    const float *const real[DIRECTIONS][2] = {{x, y}, {y, x}}; /* a, b of each direction */
    struct direction_losses part[DIRECTIONS];
    if (gan->state->steps < gan->settings.warm_up) return warm_up_step(gan, losses, real, err);
    forward(gan, real);
    for (int k = 0; k < DIRECTIONS; ++k) {
        judge(gan, k, real[k][1], &part[k]);
        compare(gan, k, real[k], &part[k]);
    }
    enum mrc_status st = share_losses(part, err);
    if (st != MRC_OK) return st;
    *losses = collect(gan, part);
    st = check_finite(gan, losses, err);
    if (st != MRC_OK) return st;

    backward_generators(gan, real);
    backward_discriminators(gan);
    if (gan->settings.r1_gamma > 0.0 && (gan->state->steps + 1) % PENALTY_EVERY == 0)
        for (int k = 0; st == MRC_OK && k < DIRECTIONS; ++k)
            st = add_penalty(gan, &gan->directions[k], real[k][1], err);
    if (st == MRC_OK) st = share_gradients(gan, err);
    if (st == MRC_OK) update(gan);
    return st;
}
