/* bench_networks.c: a generator over a series of slices, and a training step. The same weights,
 * images and losses as torch_peer.py. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/nets/builders.h"
#include "tests/bench/bench.h"

/* --- forward --- */

struct series {
    mrc_net *net;
    mrc_plan *plan;
    mrc_pass *pass;
    void *scratch;
    float *src; /* [slices, rounded up to whole batches][side][side] */
    int64_t batches;
    size_t batch, count; /* floats in a batch, in the series */
};

static enum mrc_status series_init(struct series *s, const struct bench_problem *p,
                                   struct mrc_error *err) {
    struct mrc_shape in = {.n = p->b, .c = 1, .d = p->d, .h = p->side, .w = p->side};
    const struct mrc_generator_settings generator = {
        .channels = 1, .d = p->d, .h = p->side, .w = p->side, .width = p->w, .depth = p->depth};
    int64_t slices = p->slices > 0 ? p->slices : p->b;
    s->batches = (slices + p->b - 1) / p->b;
    s->batch = mrc_shape_count(in);
    s->count = (size_t)(slices * p->d * p->side * p->side);
    s->src = mrc_alloc((size_t)s->batches * s->batch, sizeof *s->src);
    enum mrc_status st =
        s->src != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for slices");
    if (st == MRC_OK) st = net_declare_generator(&s->net, p->generator, &generator, err);
    if (st == MRC_OK) st = net_finish_values(s->net, err);
    if (st == MRC_OK) st = bench_fill_net(s->net, "G", err);
    if (st == MRC_OK) st = mrc_plan_create(&s->plan, s->net, in, MRC_PLAN_INFERENCE, err);
    if (st != MRC_OK) return st;
    bench_fill(s->src, (size_t)s->batches * s->batch, "x", 0.5, 1.0);
    s->scratch = mrc_alloc(mrc_plan_scratch_bytes(s->plan), 1);
    if (s->scratch == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for scratch");
    return mrc_pass_create(&s->pass, s->net, s->plan, s->scratch, err);
}

static void series_clear(struct series *s) {
    mrc_pass_destroy(s->pass);
    mrc_free(s->scratch);
    mrc_plan_destroy(s->plan);
    mrc_net_destroy(s->net);
    mrc_free(s->src);
}

/* *sum: of the output, what was rounded up left out; NULL skips. */
static void series_run(struct series *s, double *sum) {
    for (int64_t k = 0; k < s->batches; ++k) {
        const float *out = mrc_pass_forward(s->pass, s->src + (size_t)k * s->batch);
        size_t left = s->count - (size_t)k * s->batch;
        for (size_t i = 0; sum != NULL && i < s->batch && i < left; ++i) *sum += (double)out[i];
    }
}

enum mrc_status bench_forward(const struct bench_problem *p, struct mrc_error *err) {
    struct series s = {0};
    struct bench_times times = {0};
    double sum = 0.0;
    enum mrc_status st = series_init(&s, p, err);
    if (st == MRC_OK) series_run(&s, NULL);
    if (st == MRC_OK) series_run(&s, &sum);
    for (int64_t i = 0; st == MRC_OK && i < p->n; ++i) {
        bench_begin(&times);
        series_run(&s, NULL);
        bench_end(&times);
    }
    if (st == MRC_OK) {
        char more[80];
        snprintf(more, sizeof more, ", \"mean\": %.8f", sum / (double)s.count);
        size_t planned = mrc_plan_pass_bytes(s.plan) + mrc_plan_scratch_bytes(s.plan) +
                         mrc_net_size(s.net) * sizeof(float);
        bench_print(p, &times, planned, more);
    }
    series_clear(&s);
    return st;
}

/* --- step --- */

static enum mrc_status create_gan(mrc_cyclegan **out, const struct bench_problem *p,
                                  struct mrc_error *err) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    s.generator = p->generator;
    s.generator_width = p->w;
    s.discriminator_width = p->dw > 0 ? p->dw : p->w;
    s.depth = p->depth;
    s.lambda_identity = (double)p->identity;
    s.batch = p->b;
    s.size = p->side;
    s.gan_mode = MRC_GAN_LSGAN;
    enum mrc_status st = mrc_cyclegan_create(out, &s, err);
    for (int i = 0; st == MRC_OK && i < MRC_NET_COUNT; ++i) {
        enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)i;
        st = bench_fill_net(mrc_cyclegan_net_of(*out, which), mrc_cyclegan_net_name(which), err);
    }
    return st;
}

enum mrc_status bench_step(const struct bench_problem *p, struct mrc_error *err) {
    mrc_cyclegan *gan = NULL;
    struct bench_times times = {0};
    struct mrc_losses losses[BENCH_WARM_UP], later;
    size_t n = (size_t)(p->b * p->side * p->side);
    float *x = mrc_alloc(n, sizeof *x), *y = mrc_alloc(n, sizeof *y);
    enum mrc_status st =
        x != NULL && y != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for images");
    if (st == MRC_OK) st = create_gan(&gan, p, err);
    if (st == MRC_OK) {
        bench_fill(x, n, "x", 0.5, 1.0);
        bench_fill(y, n, "y", 0.5, 1.0);
    }
    for (int i = 0; st == MRC_OK && i < BENCH_WARM_UP; ++i)
        st = mrc_cyclegan_step(gan, &losses[i], x, y, err);
    for (int64_t i = 0; st == MRC_OK && i < p->n; ++i) {
        bench_begin(&times);
        st = mrc_cyclegan_step(gan, &later, x, y, err);
        bench_end(&times);
    }
    if (st == MRC_OK) {
        char more[160];
        snprintf(more, sizeof more, ", \"losses\": [[%.7g, %.7g], [%.7g, %.7g]]",
                 losses[0].total_generator, losses[0].total_d_x + losses[0].total_d_y,
                 losses[1].total_generator, losses[1].total_d_x + losses[1].total_d_y);
        bench_print(p, &times, mrc_cyclegan_bytes(gan), more);
    }
    mrc_cyclegan_destroy(gan);
    mrc_free(y);
    mrc_free(x);
    return st;
}
