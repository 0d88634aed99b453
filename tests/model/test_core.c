/* test_core.c: nets, plans, passes, the step and the trainer: what agreement with PyTorch does not
 * say. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "model/engine/net_internal.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/conv_winograd.h"
#include "model/gan/augment.h"
#include "model/gan/trainer.h"
#include "support.h"

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g, expected %.9g within %g", found, expected, tolerance);
}

static struct mrc_cyclegan_settings small_settings(enum mrc_generator_kind kind, int64_t channels) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    s.generator = kind;
    s.channels = channels;
    s.size = 32;
    s.generator_width = s.discriminator_width = 2;
    s.batch = 3;
    s.ema_decay = 0.9;
    return s;
}

static float *random_floats(size_t n, uint64_t sample) {
    struct mrc_rng rng = mrc_rng_for(7, 0, sample, MRC_FOR_TEST);
    float *x = mrc_alloc(n, sizeof(float));
    assert_non_null(x);
    for (size_t i = 0; i < n; ++i) x[i] = (float)mrc_rng_uniform(&rng);
    return x;
}

/* --- Nets and plans --- */

/* One net, one plan, one pass, for a test. */
struct bench {
    mrc_net *net;
    mrc_plan *plan;
    mrc_pass *pass;
    void *scratch;
};

static void bench_open(struct bench *b, mrc_net *net, struct mrc_shape in,
                       enum mrc_plan_mode mode) {
    struct mrc_error err = {0};
    *b = (struct bench){.net = net};
    assert_ok(mrc_plan_create(&b->plan, net, in, mode, &err), &err);
    b->scratch = mrc_alloc(mrc_plan_scratch_bytes(b->plan), 1);
    assert_ok(mrc_pass_create(&b->pass, net, b->plan, b->scratch, &err), &err);
}

static void bench_close(struct bench *b) {
    mrc_pass_destroy(b->pass);
    mrc_free(b->scratch);
    mrc_plan_destroy(b->plan);
}

static void test_unet_sizes(void **unused) {
    (void)unused;
    const struct {
        int64_t channels, size, width;
        size_t tensors;
    } cases[] = {{1, 64, 4, 50}, {3, 128, 2, 58}, {1, 256, 1, 66}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct mrc_error err = {0};
        struct mrc_generator_settings s = {.channels = cases[i].channels,
                                           .h = cases[i].size,
                                           .w = cases[i].size,
                                           .width = cases[i].width};
        struct mrc_shape in = {1, s.channels, 1, s.h, s.w};
        struct bench b;
        mrc_net *net = NULL;
        assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_UNET, &s, &err), &err);
        assert_int_equal(mrc_net_parameter_count(net), cases[i].tensors);
        bench_open(&b, net, in, MRC_PLAN_TRAINING);
        struct mrc_shape out = mrc_plan_output(b.plan), latent;
        assert_memory_equal(&out, &in, sizeof(in));
        char last[32];
        int depth = 1;
        for (int64_t side = s.h; side > 1; side /= 2) ++depth;
        (void)snprintf(last, sizeof(last), "enc%d.act", depth);
        (void)mrc_pass_node(b.pass, mrc_net_find(net, last), &latent);
        assert_int_equal(latent.h, 1);
        assert_int_equal(latent.c, 8 * s.width);
        bench_close(&b);
        mrc_net_destroy(net);
    }
}

/* The number architecture.md gives for this generator. */
static void test_local_is_small(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_generator_settings s = {.channels = 1, .h = 64, .w = 64, .width = 1};
    mrc_net *net = NULL;
    size_t numbers = 0;
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_LOCAL, &s, &err), &err);
    for (size_t i = 0; i < mrc_net_parameter_count(net); ++i)
        numbers += mrc_net_parameter(net, i)->count;
    assert_int_equal(numbers, 15889);
    mrc_net_destroy(net);
}

/* Which input pixels the output's pixel at (row, column) depends on: how many rows and columns. */
static void seen_from(int64_t extent[2], mrc_net *net, struct mrc_shape in, int64_t row,
                      int64_t column) {
    struct bench b;
    bench_open(&b, net, in, MRC_PLAN_TRAINING);
    const struct mrc_shape out = mrc_plan_output(b.plan);
    float *src = random_floats(mrc_shape_count(in), 1),
          *d_src = random_floats(mrc_shape_count(in), 2);
    float *d = mrc_alloc(mrc_shape_count(out), sizeof *d);
    assert_non_null(d);
    d[(row * out.w + column) * out.c] = 1.0f;
    (void)mrc_pass_forward(b.pass, src);
    mrc_pass_backward(b.pass, d, d_src, MRC_GRADIENTS_NONE);
    int64_t lo[2] = {in.h, in.w}, hi[2] = {-1, -1};
    for (int64_t i = 0; i < (int64_t)mrc_shape_count(in); ++i) {
        const int64_t at[2] = {i / in.c / in.w, i / in.c % in.w};
        for (int axis = 0; d_src[i] != 0.0f && axis < 2; ++axis) {
            lo[axis] = at[axis] < lo[axis] ? at[axis] : lo[axis];
            hi[axis] = at[axis] > hi[axis] ? at[axis] : hi[axis];
        }
    }
    for (int axis = 0; axis < 2; ++axis) extent[axis] = hi[axis] - lo[axis] + 1;
    mrc_free(d);
    mrc_free(d_src);
    mrc_free(src);
    bench_close(&b);
}

/* Not square, not the sides of its settings, another number of channels in than out; and it sees as
 * far as the hybrid with two blocks more. */
static void test_shuffle(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    const struct mrc_generator_settings s = {
        .channels = 1, .in_channels = 3, .h = 64, .w = 96, .width = 4, .depth = 3};
    struct mrc_generator_settings deeper = s;
    deeper.depth += 2;
    mrc_net *net = NULL, *hybrid = NULL;
    int64_t far[2], as_far[2];
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_SHUFFLE, &s, &err), &err);
    assert_ok(mrc_generator_net_create(&hybrid, MRC_GENERATOR_HYBRID, &deeper, &err), &err);
    assert_int_equal(mrc_generator_step(MRC_GENERATOR_SHUFFLE, &s), 16);
    assert_int_equal(mrc_generator_step(MRC_GENERATOR_HYBRID, &deeper), 16);
    mrc_net_init(net, MRC_INIT_KAIMING, 0.0, 1, 0);
    mrc_net_init(hybrid, MRC_INIT_KAIMING, 0.0, 1, 0);
    const struct mrc_shape in = {2, 3, 1, 48, 80};
    struct bench b;
    bench_open(&b, net, in, MRC_PLAN_INFERENCE);
    const struct mrc_shape out = mrc_plan_output(b.plan), expected = {2, 1, 1, 48, 80};
    assert_memory_equal(&out, &expected, sizeof out);
    bench_close(&b);
    /* Norms see all of an image, so without them: gains of 0 would hide what is behind them. */
    const struct mrc_shape large = {1, 3, 1, 160, 192};
    seen_from(far, net, large, 80, 96);
    seen_from(as_far, hybrid, large, 80, 96);
    for (int axis = 0; axis < 2; ++axis) assert_true(far[axis] >= as_far[axis]);
    mrc_net_destroy(hybrid);
    mrc_net_destroy(net);
}

/* Every kind in three dimensions: kernels are cubes, sides come back, all weights get a gradient,
 * and inference gives the bytes of training. */
static void test_volumes(void **unused) {
    (void)unused;
    for (int kind = 0; kind < MRC_GENERATOR_KINDS; ++kind) {
        struct mrc_error err = {0};
        const struct mrc_generator_settings s = {
            .channels = 1, .d = 8, .h = 16, .w = 24, .width = 4, .depth = 2};
        const struct mrc_shape in = {1, 1, s.d, s.h, s.w};
        const size_t n = mrc_shape_count(in);
        mrc_net *net = NULL;
        struct bench t, i;
        assert_ok(mrc_generator_net_create(&net, (enum mrc_generator_kind)kind, &s, &err), &err);
        mrc_net_init(net, MRC_INIT_KAIMING, 0.0, 1, 0);
        bench_open(&t, net, in, MRC_PLAN_TRAINING);
        bench_open(&i, net, in, MRC_PLAN_INFERENCE);
        const struct mrc_shape out = mrc_plan_output(t.plan);
        assert_memory_equal(&out, &in, sizeof out);
        float *src = random_floats(n, 1), *d = random_floats(n, 2), *d_src = random_floats(n, 3);
        assert_memory_equal(mrc_pass_forward(t.pass, src), mrc_pass_forward(i.pass, src),
                            n * sizeof(float));
        mrc_pass_backward(t.pass, d, d_src, MRC_GRADIENTS_SET);
        for (size_t k = 0; k < mrc_net_parameter_count(net); ++k) {
            const struct mrc_parameter *p = mrc_net_parameter(net, k);
            if (p->rank > 1) {
                assert_int_equal(p->rank, 5);
                assert_int_equal(p->shape[2], p->shape[4]);
            }
            double largest = 0.0;
            for (size_t at = 0; at < p->count; ++at)
                largest = fmax(largest, fabs((double)mrc_net_gradients(net)[p->offset + at]));
            if (!(largest > 0.0 && isfinite(largest)))
                fail_msg("%s of %s has gradients up to %g", p->name,
                         mrc_generator_kind_name((enum mrc_generator_kind)kind), largest);
        }
        mrc_free(d_src);
        mrc_free(d);
        mrc_free(src);
        bench_close(&i);
        bench_close(&t);
        mrc_net_destroy(net);
    }
    struct mrc_error err = {0};
    mrc_net *judge = NULL;
    struct bench b;
    assert_ok(mrc_patchgan_create(&judge, 3, 1, 2, &err), &err);
    bench_open(&b, judge, (struct mrc_shape){1, 1, 32, 32, 40}, MRC_PLAN_INFERENCE);
    const struct mrc_shape map = mrc_plan_output(b.plan), expected = {1, 1, 2, 2, 3};
    assert_memory_equal(&map, &expected, sizeof map);
    bench_close(&b);
    mrc_net_destroy(judge);
}

static void test_bad_settings(void **unused) {
    (void)unused;
    const struct {
        enum mrc_generator_kind kind;
        struct mrc_generator_settings settings;
        const char *words;
    } bad[] = {
        {MRC_GENERATOR_UNET, {65, 0, 64, 64, 8, 0, 0}, "channels: 65, expected 1 to 64"},
        {MRC_GENERATOR_UNET, {1, -1, 64, 64, 8, 0, 0}, "reads channels: -1"},
        {MRC_GENERATOR_UNET,
         {1, 0, 48, 48, 8, 0, 0},
         "48x48 down to one pixel, expected equal sides"},
        {MRC_GENERATOR_HYBRID, {1, 0, 64, 32, 8, 0, 0}, "expected equal sides"},
        {MRC_GENERATOR_UNET, {1, 0, 8, 8, 8, 0, 0}, "height 8, expected 16 to 1024"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 64, 0, 0, 0}, "base width 0"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 2048, 1, 0, 0}, "width 2048"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 64, 8, 1, 0}, "blocks: 1, expected 2 to 11"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 64, 8, 8, 0}, "8 blocks for images of 64x64"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 72, 8, 5, 0}, "64x72, expected multiples of 16"},
        {MRC_GENERATOR_SHUFFLE, {1, 0, 96, 48, 8, 4, 0}, "96x48, expected multiples of 32"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 64, 8, 4, 12}, "depth 12, expected a multiple of 8"},
        {MRC_GENERATOR_UNET, {1, 0, 64, 64, 8, 0, 32}, "expected equal sides"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        struct mrc_error err = {0};
        mrc_net *net = NULL;
        assert_int_equal(mrc_generator_net_create(&net, bad[i].kind, &bad[i].settings, &err),
                         MRC_ERR_ARGUMENT);
        assert_null(net);
        assert_non_null(strstr(err.text, bad[i].words));
    }
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_UNET, 1);
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    s.learning_rate = (double)NAN;
    assert_int_equal(mrc_cyclegan_create(&gan, &s, &err), MRC_ERR_ARGUMENT);
    s = small_settings(MRC_GENERATOR_UNET, 1);
    s.size = 16; /* fits the generator, too small for the discriminator */
    mrc_error_clear(&err);
    assert_int_equal(mrc_cyclegan_create(&gan, &s, &err), MRC_ERR_ARGUMENT);
    assert_null(gan);
}

static void test_builder_failures(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    mrc_net *net = NULL;
    assert_ok(mrc_net_create(&net, 1, &err), &err);
    int a = mrc_net_add_conv(net, "a", 0, 4, 3, 1, 1);
    assert_int_equal(mrc_net_add_conv(net, "a", a, 4, 3, 1, 1), -1);
    assert_int_equal(mrc_net_add_norm(net, "later", -1), -1); /* quiet once anything failed */
    assert_int_equal(mrc_net_finish(net, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "named a"));
    mrc_net_destroy(net);

    mrc_error_clear(&err);
    assert_ok(mrc_net_create(&net, 1, &err), &err);
    (void)mrc_net_add_conv(net, "unread", 0, 4, 3, 1, 1);
    (void)mrc_net_add_conv(net, "out", 0, 1, 3, 1, 1);
    assert_int_equal(mrc_net_finish(net, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "unread"));
    mrc_net_destroy(net);
}

static void test_torch_order(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_generator_settings s = {.channels = 3, .h = 16, .w = 16, .width = 2};
    mrc_net *net = NULL;
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_UNET, &s, &err), &err);
    mrc_net_init(net, MRC_INIT_NORMAL, 0.02, 1, 0);
    size_t size = mrc_net_size(net);
    float *copy = mrc_alloc(size, sizeof(float)), *tensor = mrc_alloc(size, sizeof(float));
    for (size_t i = 0; i < mrc_net_parameter_count(net); ++i) {
        mrc_net_export(net, i, mrc_net_values(net), tensor);
        mrc_net_import(net, i, tensor, copy);
    }
    assert_memory_equal(copy, mrc_net_values(net), size * sizeof(float));
    mrc_free(tensor);
    mrc_free(copy);
    mrc_net_destroy(net);
}

static double spread_of(mrc_net *net, const char *name, double *mean) {
    for (size_t i = 0; i < mrc_net_parameter_count(net); ++i) {
        const struct mrc_parameter *p = mrc_net_parameter(net, i);
        if (strcmp(p->name, name) != 0) continue;
        const float *x = mrc_net_values(net) + p->offset;
        double sum = 0.0, square = 0.0;
        for (size_t j = 0; j < p->count; ++j) sum += (double)x[j];
        *mean = sum / (double)p->count;
        for (size_t j = 0; j < p->count; ++j)
            square += ((double)x[j] - *mean) * ((double)x[j] - *mean);
        return sqrt(square / (double)p->count);
    }
    fail_msg("no parameter %s", name);
    return 0.0;
}

static void test_first_weights(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_HYBRID, 1);
    s.generator_width = 8;
    mrc_cyclegan *gan = NULL;
    double mean = 0.0;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    mrc_net *g = mrc_cyclegan_net_of(gan, MRC_NET_G);
    assert_near(spread_of(g, "enc4.conv.weight", &mean), 0.02, 0.001);
    assert_near(spread_of(g, "head.conv.weight", &mean), 0.002, 0.0005);
    assert_near(spread_of(g, "enc4.norm.weight", &mean), 0.02, 0.01);
    assert_near(mean, 1.0, 0.01);
    assert_near(spread_of(g, "enc4.norm.bias", &mean), 0.0, 0.0);
    double bound = 1.0 / sqrt(24.0 * 9.0);    /* U(-b, b) has the deviation b / sqrt(3) */
    double copies = sqrt(1.0 / (24.0 * 9.0)); /* deviation that 24 ones among the weights add */
    assert_near(spread_of(g, "local3.conv.weight", &mean), hypot(0.5 * bound / sqrt(3.0), copies),
                0.03 * bound);
    assert_true(spread_of(g, "local3.conv.bias", &mean) > 0.2 * bound);
    mrc_net *f = mrc_cyclegan_net_of(gan, MRC_NET_F);
    assert_memory_not_equal(mrc_net_values(g), mrc_net_values(f), mrc_net_size(g) * sizeof(float));
    mrc_cyclegan_destroy(gan);
}

/* The local branch starts near a copy, so that training begins with anatomy: bright stays bright,
 * and every channel follows its own. */
static void test_local_starts_near_copy(void **unused) {
    (void)unused;
    enum { CHANNELS = 3, PIXELS = 32 * 32 };
    for (uint64_t seed = 1; seed <= 3; ++seed) {
        struct mrc_error err = {0};
        struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, CHANNELS);
        mrc_cyclegan *gan = NULL;
        s.seed = seed;
        assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
        struct bench b;
        bench_open(&b, mrc_cyclegan_net_of(gan, MRC_NET_G),
                   (struct mrc_shape){1, CHANNELS, 1, 32, 32}, MRC_PLAN_INFERENCE);
        float src[PIXELS * CHANNELS];
        for (int i = 0; i < PIXELS; ++i) /* channel c is bright where the row says so */
            for (int c = 0; c < CHANNELS; ++c)
                src[i * CHANNELS + c] = i / 32 % 16 / 4 == c ? 0.9f : 0.1f;
        const float *out = mrc_pass_forward(b.pass, src);
        for (int c = 0; c < CHANNELS; ++c) {
            double bright = 0.0, dark = 0.0; /* means: a quarter of the rows, and the rest */
            for (int i = 0; i < PIXELS; ++i) {
                bool is_bright = i / 32 % 16 / 4 == c;
                *(is_bright ? &bright : &dark) +=
                    (double)out[i * CHANNELS + c] / (PIXELS * (is_bright ? 0.25 : 0.75));
            }
            assert_true(bright > 0.3 + dark);
        }
        bench_close(&b);
        mrc_cyclegan_destroy(gan);
    }
}

/* --- Gradients through fan-out, skips and buffers that are used again --- */

static double weighted_sum(const float *out, const float *weights, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) sum += (double)out[i] * (double)weights[i];
    return sum;
}

/* Central differences of <w, net(x)> against backward, at a handful of places of the parameters and
 * of the input. */
static void check_gradients(mrc_net *net, struct mrc_shape in) {
    enum { PLACES = 40 };
    const float h = 1e-2f;
    struct bench b;
    bench_open(&b, net, in, MRC_PLAN_TRAINING);
    size_t in_count = mrc_shape_count(in), out_count = mrc_shape_count(mrc_plan_output(b.plan));
    float *src = random_floats(in_count, 1), *w = random_floats(out_count, 2);
    float *d_src = random_floats(in_count, 3); /* overwritten */
    (void)mrc_pass_forward(b.pass, src);
    mrc_pass_backward(b.pass, w, d_src, MRC_GRADIENTS_ADD);
    struct mrc_rng rng = mrc_rng_for(3, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < 2 * PLACES; ++i) {
        bool of_input = i >= PLACES;
        const struct mrc_parameter *p =
            mrc_net_parameter(net, mrc_rng_below(&rng, mrc_net_parameter_count(net)));
        size_t at =
            of_input ? mrc_rng_below(&rng, in_count) : p->offset + mrc_rng_below(&rng, p->count);
        float *x = of_input ? src + at : mrc_net_values(net) + at, before = *x;
        double found = (double)(of_input ? d_src : mrc_net_gradients(net))[at];
        *x = before + h;
        double up = weighted_sum(mrc_pass_forward(b.pass, src), w, out_count);
        *x = before - h;
        double down = weighted_sum(mrc_pass_forward(b.pass, src), w, out_count);
        *x = before;
        double expected = (up - down) / (2.0 * (double)h);
        if (!(fabs(found - expected) <= 2e-3 + 1e-2 * fabs(expected)))
            fail_msg("%s: gradient %g, expected %g", of_input ? "input" : p->name, found, expected);
    }
    mrc_free(d_src);
    mrc_free(w);
    mrc_free(src);
    bench_close(&b);
}

/* One output read three times, twice by the same node; the input read twice; smooth operations
 * only. */
static void test_fan_out(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    mrc_net *net = NULL;
    assert_ok(mrc_net_create(&net, 2, &err), &err);
    int a =
        mrc_net_add_unary(net, "a", &mrc_op_tanh, mrc_net_add_conv(net, "a.conv", 0, 3, 3, 1, 1));
    int twice = mrc_net_add_binary(net, "twice", &mrc_op_add, a, a);
    int b = mrc_net_add_unary(net, "b", &mrc_op_sigmoid,
                              mrc_net_add_conv(net, "b.conv", 0, 3, 3, 1, 1));
    int cat = mrc_net_add_binary(net, "cat", &mrc_op_concat, twice, b);
    int c =
        mrc_net_add_unary(net, "c", &mrc_op_tanh, mrc_net_add_conv(net, "c.conv", cat, 3, 1, 1, 0));
    int sum = mrc_net_add_binary(net, "sum", &mrc_op_add, c, a);
    int more = mrc_net_add_binary(net, "more", &mrc_op_add, b, sum);
    (void)mrc_net_add_unary(net, "out", &mrc_op_tanh, more);
    assert_ok(mrc_net_finish(net, &err), &err);
    mrc_net_init_uniform(net, "", 5, 0);
    struct mrc_shape in = {2, 2, 1, 6, 5};
    check_gradients(net, in);

    /* inference reuses buffers that training keeps: same output */
    struct bench training, inference;
    bench_open(&training, net, in, MRC_PLAN_TRAINING);
    bench_open(&inference, net, in, MRC_PLAN_INFERENCE);
    float *src = random_floats(mrc_shape_count(in), 9);
    size_t bytes = mrc_shape_count(mrc_plan_output(training.plan)) * sizeof(float);
    assert_memory_equal(mrc_pass_forward(training.pass, src), mrc_pass_forward(inference.pass, src),
                        bytes);
    assert_true(mrc_plan_pass_bytes(inference.plan) < mrc_plan_pass_bytes(training.plan));
    mrc_free(src);
    bench_close(&training);
    bench_close(&inference);
    mrc_net_destroy(net);
}

/* All that one application of a net gives. */
struct applied {
    float *out, *d_src, *gradients;
    size_t outs, ins, weights;
    bool skips; /* a concatenation is never made */
};

/* A net as it was made, which is destroyed. */
static struct applied apply(mrc_net *net, struct mrc_shape in, enum mrc_plan_mode mode, bool apart,
                            enum mrc_gradients how) {
    struct bench b;
    plan_keep_apart(apart);
    bench_open(&b, net, in, mode);
    plan_keep_apart(false);
    struct mrc_text text = {0};
    mrc_plan_print(&text, b.plan, net);
    struct applied a = {.outs = mrc_shape_count(mrc_plan_output(b.plan)),
                        .ins = mrc_shape_count(in),
                        .weights = mrc_net_size(net),
                        .skips = strstr(text.data, "not made") != NULL};
    mrc_text_clear(&text);

    float *src = random_floats(a.ins, 1), *d_out = random_floats(a.outs, 2);
    a.out = random_floats(a.outs, 3);
    a.d_src = random_floats(a.ins, 3);
    a.gradients = random_floats(a.weights, 3);
    memcpy(a.out, mrc_pass_forward(b.pass, src), a.outs * sizeof(float));
    if (mode == MRC_PLAN_TRAINING) {
        mrc_pass_backward(b.pass, d_out, a.d_src, how);
        memcpy(a.gradients, mrc_net_gradients(net), a.weights * sizeof(float));
    }
    mrc_free(src);
    mrc_free(d_out);
    bench_close(&b);
    mrc_net_destroy(net);
    return a;
}

static void applied_clear(struct applied *a) {
    mrc_free(a->out);
    mrc_free(a->d_src);
    mrc_free(a->gradients);
}

/* To the byte; both are cleared. */
static void assert_same(struct applied *a, struct applied *b) {
    assert_memory_equal(a->out, b->out, a->outs * sizeof(float));
    assert_memory_equal(a->d_src, b->d_src, a->ins * sizeof(float));
    assert_memory_equal(a->gradients, b->gradients, a->weights * sizeof(float));
    applied_clear(a);
    applied_clear(b);
}

static mrc_net *unet_of_16(void) {
    const struct mrc_generator_settings settings = {.channels = 1, .h = 32, .w = 32, .width = 16};
    struct mrc_error err = {0};
    mrc_net *net = NULL;
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_UNET, &settings, &err), &err);
    mrc_net_init(net, MRC_INIT_NORMAL, 0.02, 3, 0);
    return net;
}

static int let_plans_choose(void **unused) {
    (void)unused;
    plan_keep_apart(false);
    mrc_conv_force(NULL);
    mrc_conv_winograd_force(0, MRC_WINOGRAD_BEST);
    return 0;
}

/* What a plan merges changes no byte, of the output nor of a gradient. */
static void test_merged_is_apart(void **unused) {
    (void)unused;
    static const enum mrc_plan_mode modes[] = {MRC_PLAN_TRAINING, MRC_PLAN_INFERENCE};
    const struct mrc_shape in = {2, 1, 1, 32, 32};
    mrc_conv_force(&mrc_conv_winograd); /* else deep layers of so small a batch take patches */
    for (int i = 0; i < 4; ++i) {
        mrc_conv_winograd_force(i < 2 ? 2 : 4, MRC_WINOGRAD_BEST);
        struct applied merged = apply(unet_of_16(), in, modes[i % 2], false, MRC_GRADIENTS_ADD);
        struct applied apart = apply(unet_of_16(), in, modes[i % 2], true, MRC_GRADIENTS_ADD);
        assert_true(merged.skips && !apart.skips);
        assert_same(&merged, &apart);
    }
}

/* A concatenation that a transposed convolution reads; its parts are read again later, so that
 * their gradients have more than one source. */
enum cat_kind { CAT_ALONE, CAT_OF_INPUT, CAT_OF_ONE, CAT_READ_TWICE, CAT_KINDS };

static mrc_net *net_with_cat(enum cat_kind kind) {
    struct mrc_error err = {0};
    mrc_net *net = NULL;
    assert_ok(mrc_net_create(&net, 16, &err), &err);
    int a =
        mrc_net_add_unary(net, "a", &mrc_op_tanh, mrc_net_add_conv(net, "a.conv", 0, 16, 3, 1, 1));
    int b =
        mrc_net_add_unary(net, "b", &mrc_op_tanh, mrc_net_add_conv(net, "b.conv", 0, 20, 3, 1, 1));
    int cat = kind == CAT_OF_INPUT ? mrc_net_add_binary(net, "cat", &mrc_op_concat, 0, b)
              : kind == CAT_OF_ONE ? mrc_net_add_binary(net, "cat", &mrc_op_concat, a, a)
                                   : mrc_net_add_binary(net, "cat", &mrc_op_concat, a, b);
    int up = mrc_net_add_conv_transpose(net, "up.conv", cat, 16, 4, 2, 1);
    int down = mrc_net_add_conv(net, "down.conv", up, 20, 4, 2, 1);
    int sum = mrc_net_add_binary(net, "sum", &mrc_op_add, down, b);
    int again = mrc_net_add_conv(net, "again.conv", a, 20, 3, 1, 1);
    sum = mrc_net_add_binary(net, "more", &mrc_op_add, sum, again);
    if (kind == CAT_READ_TWICE)
        sum = mrc_net_add_binary(net, "most", &mrc_op_add, sum,
                                 mrc_net_add_conv(net, "most.conv", cat, 20, 3, 1, 1));
    (void)mrc_net_add_unary(net, "out", &mrc_op_tanh, sum);
    assert_ok(mrc_net_finish(net, &err), &err);
    mrc_net_init_uniform(net, "", 5, 0);
    return net;
}

static void test_parts_of_concatenation(void **unused) {
    (void)unused;
    const struct mrc_shape in = {2, 16, 1, 8, 8};
    mrc_conv_force(&mrc_conv_winograd);
    for (enum cat_kind kind = CAT_ALONE; kind < CAT_KINDS; ++kind) {
        struct applied merged =
            apply(net_with_cat(kind), in, MRC_PLAN_TRAINING, false, MRC_GRADIENTS_SET);
        struct applied apart =
            apply(net_with_cat(kind), in, MRC_PLAN_TRAINING, true, MRC_GRADIENTS_SET);
        assert_int_equal(merged.skips, kind == CAT_ALONE);
        assert_false(apart.skips);
        assert_same(&merged, &apart);
    }
}

/* The generators in both modes give the same image, and backward may be called again with the same
 * result. */
static void test_generator_modes(void **unused) {
    (void)unused;
    for (int kind = MRC_GENERATOR_UNET; kind < MRC_GENERATOR_KINDS; ++kind) {
        struct mrc_error err = {0};
        struct mrc_cyclegan_settings s = small_settings((enum mrc_generator_kind)kind, 3);
        mrc_cyclegan *gan = NULL;
        assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
        mrc_net *net = mrc_cyclegan_net_of(gan, MRC_NET_G);
        struct mrc_shape in = {2, 3, 1, 32, 32};
        size_t n = mrc_shape_count(in);
        struct bench t, i;
        bench_open(&t, net, in, MRC_PLAN_TRAINING);
        bench_open(&i, net, in, MRC_PLAN_INFERENCE);
        float *src = random_floats(n, 1), *d = random_floats(n, 2), *d_src[2];
        assert_memory_equal(mrc_pass_forward(t.pass, src), mrc_pass_forward(i.pass, src),
                            n * sizeof(float));
        for (int k = 0; k < 2; ++k) {
            d_src[k] = random_floats(n, 3);
            mrc_pass_backward(t.pass, d, d_src[k], MRC_GRADIENTS_NONE);
        }
        assert_memory_equal(d_src[0], d_src[1], n * sizeof(float));
        for (size_t j = 0; j < mrc_net_size(net); ++j) /* frozen */
            if (mrc_net_gradients(net)[j] != 0.0f) fail_msg("a frozen net got a gradient");
        mrc_free(d_src[0]);
        mrc_free(d_src[1]);
        mrc_free(d);
        mrc_free(src);
        bench_close(&t);
        bench_close(&i);
        mrc_cyclegan_destroy(gan);
    }
}

static void test_plan_print(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    const struct mrc_generator_settings s = {.channels = 1, .h = 64, .w = 64, .width = 16};
    mrc_net *net = NULL;
    mrc_plan *plan = NULL;
    struct mrc_text text = {0};
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_UNET, &s, &err), &err);
    assert_ok(
        mrc_plan_create(&plan, net, (struct mrc_shape){2, 1, 1, 64, 64}, MRC_PLAN_TRAINING, &err),
        &err);
    mrc_plan_print(&text, plan, net);
    assert_false(text.failed);
    assert_non_null(strstr(text.data, "enc7.conv"));
    assert_non_null(strstr(text.data, "2 128 1 1 1"));
    assert_non_null(strstr(text.data, "in place"));
    assert_non_null(strstr(text.data, "F(4x4,2x2), F(4x4,2x2), F(4x4,2x2)\n"));
    assert_non_null(strstr(text.data, "gemm, gemm, gemm\n"));
    mrc_text_clear(&text);
    mrc_plan_destroy(plan);
    mrc_net_destroy(net);
}

/* --- Losses --- */

static void test_bce_is_stable(void **unused) {
    (void)unused;
    const float map[] = {0.0f, 100.0f, -100.0f, 1e30f, -1e30f};
    const double real[] = {0.69314718055994531, 0.0, 100.0, 0.0, 1e30};
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); ++i) {
        float d = 0.0f;
        double loss = mrc_loss_adversarial(&d, &map[i], 1, MRC_TERM_REAL, MRC_GAN_BCE, 2.0f);
        assert_true(fabs(loss - real[i]) <= 1e-6 * fmax(1.0, real[i]));
        assert_true(isfinite(d) && d <= 0.0f && d >= -2.0f);
        double mirrored = mrc_loss_adversarial(NULL, &map[i], 1, MRC_TERM_FAKE, MRC_GAN_BCE, 1.0f);
        assert_true(isfinite(mirrored));
    }
}

static void test_l1(void **unused) {
    (void)unused;
    const float a[] = {1.0f, 2.0f, 3.0f, 4.0f}, b[] = {2.0f, 2.0f, 1.0f, 4.5f};
    float d[] = {1.0f, 1.0f, 1.0f, 1.0f};
    assert_near(mrc_loss_l1(d, a, b, 4, 8.0f, true), 3.5 / 4.0, 1e-12);
    const float expected[] = {-1.0f, 1.0f, 3.0f, -1.0f};
    assert_memory_equal(d, expected, sizeof(d));
    (void)mrc_loss_l1(d, a, b, 4, 4.0f, false);
    const float overwritten[] = {-1.0f, 0.0f, 1.0f, -1.0f};
    assert_memory_equal(d, overwritten, sizeof(d));
}

/* --- The step --- */

static void test_not_finite(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_UNET, 1);
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    size_t n = (size_t)(s.batch * s.size * s.size);
    float *x = random_floats(n, 1), *y = random_floats(n, 2);
    mrc_net *d = mrc_cyclegan_net_of(gan, MRC_NET_D_X), *g = mrc_cyclegan_net_of(gan, MRC_NET_G);
    float *before = mrc_alloc(mrc_net_size(g), sizeof(float));
    memcpy(before, mrc_net_values(g), mrc_net_size(g) * sizeof(float));
    mrc_net_values(d)[0] = (float)INFINITY;
    assert_int_equal(mrc_cyclegan_step(gan, &losses, x, y, &err), MRC_ERR_NUMERIC);
    assert_int_equal(mrc_cyclegan_steps(gan), 0);
    assert_memory_equal(before, mrc_net_values(g), mrc_net_size(g) * sizeof(float));
    mrc_free(before);
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(gan);
}

/* Without an identity loss the first passes are shorter; the rest of the step must not notice. */
static void test_without_identity(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings with = small_settings(MRC_GENERATOR_UNET, 1), without = with;
    with.lambda_identity = 1e-30;
    without.lambda_identity = 0.0;
    mrc_cyclegan *a = NULL, *b = NULL;
    struct mrc_losses losses_a, losses_b;
    assert_ok(mrc_cyclegan_create(&a, &with, &err), &err);
    assert_ok(mrc_cyclegan_create(&b, &without, &err), &err);
    assert_true(mrc_cyclegan_bytes(b) < mrc_cyclegan_bytes(a));
    size_t bytes = 0;
    assert_ok(mrc_cyclegan_measure(&bytes, &with, &err), &err);
    assert_int_equal(bytes, mrc_cyclegan_bytes(a));
    enum mrc_status st = MRC_OK;
    MRC_TRY_EVERY_FAILURE(st, mrc_cyclegan_measure(&bytes, &with, NULL));
    assert_int_equal(st, MRC_OK);
    size_t n = (size_t)(with.batch * with.size * with.size);
    float *x = random_floats(n, 1), *y = random_floats(n, 2);
    for (int i = 0; i < 2; ++i) {
        assert_ok(mrc_cyclegan_step(a, &losses_a, x, y, &err), &err);
        assert_ok(mrc_cyclegan_step(b, &losses_b, x, y, &err), &err);
    }
    assert_near(losses_a.total_generator, losses_b.total_generator, 1e-4);
    assert_near(losses_a.total_d_x, losses_b.total_d_x, 1e-4);
    assert_null(mrc_cyclegan_last_images(b).same_x);
    assert_non_null(mrc_cyclegan_last_images(a).same_x);
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(a);
    mrc_cyclegan_destroy(b);
}

static void test_moving_average(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    mrc_net *g = mrc_cyclegan_net_of(gan, MRC_NET_G);
    size_t n = (size_t)(s.batch * s.size * s.size), size = mrc_net_size(g);
    float *x = random_floats(n, 1), *y = random_floats(n, 2),
          *first = mrc_alloc(size, sizeof(float));
    memcpy(first, mrc_net_values(g), size * sizeof(float));
    assert_memory_equal(mrc_cyclegan_best_weights(gan, MRC_NET_G), first, size * sizeof(float));
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    for (size_t i = 0; i < size; ++i) {
        float expected = 0.9f * first[i] + 0.1f * mrc_net_values(g)[i];
        assert_near((double)mrc_cyclegan_best_weights(gan, MRC_NET_G)[i], (double)expected, 1e-6);
    }
    mrc_free(first);
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(gan);
}

/* A way back of another kind than the way there. */
static void test_two_kinds_of_generators(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    s.generator_f = 1 + MRC_GENERATOR_HYBRID;
    s.depth = 3;
    assert_int_equal(mrc_cyclegan_generator_of(&s, MRC_NET_G), MRC_GENERATOR_LOCAL);
    assert_int_equal(mrc_cyclegan_generator_of(&s, MRC_NET_F), MRC_GENERATOR_HYBRID);
    size_t bytes = 0;
    assert_ok(mrc_cyclegan_measure(&bytes, &s, &err), &err);
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_int_equal(mrc_cyclegan_bytes(gan), bytes);
    size_t n = (size_t)(s.batch * s.size * s.size);
    float *x = random_floats(n, 1), *y = random_floats(n, 2);
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    assert_true(mrc_net_weights(mrc_cyclegan_net_of(gan, MRC_NET_F)) >
                mrc_net_weights(mrc_cyclegan_net_of(gan, MRC_NET_G)));
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(gan);
    s.generator_f = MRC_GENERATOR_KINDS + 1;
    assert_int_equal(mrc_cyclegan_measure(&bytes, &s, &err), MRC_ERR_ARGUMENT);
}

/* --- R1 --- */

/* Sum over the images of their mean verdicts for these weights. */
static double verdicts_of(struct bench *b, const float *weights, const float *y, size_t batch) {
    size_t map = mrc_shape_count(mrc_plan_output(b->plan));
    double sum = 0.0;
    memcpy(mrc_net_values(b->net), weights, mrc_net_size(b->net) * sizeof(float));
    const float *verdict = mrc_pass_forward(b->pass, y);
    for (size_t i = 0; i < map; ++i) sum += (double)verdict[i];
    return sum * (double)batch / (double)map;
}

/* g = the gradient of that sum with respect to the images; returns the sum of its squares. */
static double slope_of(float *g, struct bench *b, const float *weights, const float *y,
                       size_t batch, size_t n) {
    size_t map = mrc_shape_count(mrc_plan_output(b->plan));
    float *d = mrc_alloc(map, sizeof(float));
    double squares = 0.0;
    (void)verdicts_of(b, weights, y, batch);
    for (size_t i = 0; i < map; ++i) d[i] = (float)batch / (float)map;
    mrc_pass_backward(b->pass, d, g, MRC_GRADIENTS_NONE);
    for (size_t i = 0; i < n; ++i) squares += (double)g[i] * (double)g[i];
    mrc_free(d);
    return squares;
}

/* Weights of D_Y before the 8th step, and what the penalty adds to their gradient in it. */
static void find_penalty(float **before, float **gradient, size_t *size,
                         struct mrc_cyclegan_settings s, const float *x, const float *y) {
    enum { STEPS = 8 };
    struct mrc_error err = {0};
    struct mrc_losses losses;
    for (int with = 0; with < 2; ++with) {
        mrc_cyclegan *gan = NULL;
        s.r1_gamma = with;
        assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
        mrc_net *judge = mrc_cyclegan_net_of(gan, MRC_NET_D_Y);
        *size = mrc_net_size(judge);
        if (with == 0) {
            *before = mrc_alloc(*size, sizeof(float));
            *gradient = mrc_alloc(*size, sizeof(float));
        }
        for (int step = 1; step <= STEPS; ++step) {
            if (step == STEPS) memcpy(*before, mrc_net_values(judge), *size * sizeof(float));
            assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
        }
        for (size_t i = 0; i < *size; ++i)
            (*gradient)[i] = mrc_net_gradients(judge)[i] - (*gradient)[i];
        mrc_cyclegan_destroy(gan);
    }
}

/* The penalty is the slope of the verdicts along their own gradient g, which is |g|^2; what is
 * added to a weight's gradient is how that slope, over the step the code takes, changes with the
 * weight. */
static void test_penalty_has_its_own_gradient(void **unused) {
    (void)unused;
    const struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    const size_t batch = (size_t)s.batch, n = batch * (size_t)(s.size * s.size);
    float *x = random_floats(n, 1), *y = random_floats(n, 2), *g = random_floats(n, 3);
    float *moved = random_floats(n, 4), *before, *gradient, largest = 0.0f;
    size_t size = 0;
    struct mrc_error err = {0};
    struct bench b;
    mrc_net *judge = NULL;
    find_penalty(&before, &gradient, &size, s, x, y);
    assert_ok(mrc_patchgan_create(&judge, 2, 1, s.discriminator_width, &err), &err);
    bench_open(&b, judge, (struct mrc_shape){.n = s.batch, .c = 1, .d = 1, .h = 32, .w = 32},
               MRC_PLAN_TRAINING);
    double squares = slope_of(g, &b, before, y, batch, n), along = 0.0;
    for (size_t i = 0; i < n; ++i) largest = fmaxf(largest, fabsf(g[i]));
    for (size_t i = 0; i < size; ++i) along += (double)gradient[i] * (double)gradient[i];
    assert_true(along > 0.0);
    const double step = 0.01 / (double)largest, h = 1e-5 / sqrt(along);
    double slope[3]; /* before, and with the weights moved down and up along the gradient */
    float *weights = mrc_alloc(size, sizeof(float));
    for (int at = 0; at < 3; ++at) {
        slope[at] = 0.0;
        for (size_t i = 0; i < size; ++i)
            weights[i] = (float)((double)before[i] + (at == 0   ? 0.0
                                                      : at == 1 ? -h
                                                                : h) *
                                                         (double)gradient[i]);
        for (int side = -1; side <= 1; side += 2) {
            for (size_t i = 0; i < n; ++i)
                moved[i] = (float)((double)y[i] + side * step * (double)g[i]);
            slope[at] += side * verdicts_of(&b, weights, moved, batch) / (2.0 * step);
        }
    }
    assert_near(slope[0] / squares, 1.0, 0.1);
    /* gamma / 2 of a mean over the batch for 8 steps, and the square's factor 2 */
    assert_near((slope[2] - slope[1]) / (2.0 * h) * 8.0 / (double)batch / along, 1.0, 0.1);
    mrc_free(weights);
    bench_close(&b);
    mrc_net_destroy(judge);
    mrc_free(gradient);
    mrc_free(before);
    mrc_free(moved);
    mrc_free(g);
    mrc_free(y);
    mrc_free(x);
}

/* --- Warm-up --- */

static void test_warm_up_learns_the_mean_and_nothing_else(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    s.warm_up = 20;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    size_t n = (size_t)(s.batch * s.size * s.size), image = n / (size_t)s.batch;
    float *x = random_floats(n, 1), *y = random_floats(n, 2), *mean = random_floats(image, 3);
    for (size_t i = 0; i < image; ++i) mean[i] = 0.2f;
    mrc_cyclegan_set_means(gan, mean, mean);
    mrc_net *judge = mrc_cyclegan_net_of(gan, MRC_NET_D_X);
    float *judged = mrc_alloc(mrc_net_size(judge), sizeof(float));
    memcpy(judged, mrc_net_values(judge), mrc_net_size(judge) * sizeof(float));
    mrc_net *f = mrc_cyclegan_net_of(gan, MRC_NET_F);
    float *begun = mrc_alloc(mrc_net_size(f), sizeof(float));
    memcpy(begun, mrc_net_values(f), mrc_net_size(f) * sizeof(float));
    double first = 0.0;
    for (int64_t step = 0; step < s.warm_up; ++step) {
        assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
        if (step == 0) first = losses.total_generator;
        assert_true(losses.cycle_x == 0.0 && losses.adversarial_g == 0.0);
    }
    assert_true(losses.total_generator < 0.5 * first);
    assert_memory_equal(judged, mrc_net_values(judge), mrc_net_size(judge) * sizeof(float));
    /* the moving average, young, is close behind */
    double behind = 0.0, moved = 0.0;
    for (size_t i = 0; i < mrc_net_size(f); ++i) {
        const double now = (double)mrc_net_values(f)[i];
        behind += fabs((double)mrc_cyclegan_best_weights(gan, MRC_NET_F)[i] - now);
        moved += fabs((double)begun[i] - now);
    }
    assert_true(behind > 0.0 && behind < 0.5 * moved);
    mrc_free(begun);
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    assert_true(losses.adversarial_g > 0.0);
    /* Adam begins at its first step: no weight moves further than the learning rate */
    for (size_t i = 0; i < mrc_net_size(judge); ++i)
        assert_near((double)mrc_net_values(judge)[i], (double)judged[i], 1.01 * s.learning_rate);
    mrc_free(judged);
    mrc_free(mean);
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(gan);
}

static void test_a_rate_of_zero_changes_no_weight(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    mrc_net *g = mrc_cyclegan_net_of(gan, MRC_NET_G);
    size_t n = (size_t)(s.batch * s.size * s.size), size = mrc_net_size(g);
    float *x = random_floats(n, 1), *y = random_floats(n, 2);
    float *first = mrc_alloc(size, sizeof(float));
    memcpy(first, mrc_net_values(g), size * sizeof(float));
    mrc_cyclegan_scale_rate(gan, 0.0);
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    assert_memory_equal(first, mrc_net_values(g), size * sizeof(float));
    mrc_cyclegan_scale_rate(gan, 1.0);
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    assert_memory_not_equal(first, mrc_net_values(g), size * sizeof(float));
    mrc_free(first);
    mrc_free(y);
    mrc_free(x);
    mrc_cyclegan_destroy(gan);
}

/* --- The trainer --- */

enum { X_SLICES = 7, Y_SLICES = 4, SIDE = 32 };

struct seen {
    int times[2][X_SLICES]; /* how often each slice was fetched; one thread only */
    int64_t steps, stop_at;
    double sum_g, mean_g;
    int means;
};

static float slice_value(int domain, size_t index, int column) {
    return (float)(0.1 * domain + 0.08 * (double)index + 0.01 * column);
}

static void fetch(void *context, float *dst, int domain, size_t index) {
    (void)context;
    for (int i = 0; i < SIDE * SIDE; ++i) dst[i] = slice_value(domain, index, i % SIDE);
}

static void fetch_counting(void *context, float *dst, int domain, size_t index) {
    ((struct seen *)context)->times[domain][index] += 1;
    fetch(NULL, dst, domain, index);
}

static enum mrc_status report(void *context, mrc_cyclegan *gan,
                              const struct mrc_trainer_progress *p, struct mrc_error *err) {
    struct seen *seen = context;
    assert_int_equal(mrc_cyclegan_steps(gan), p->step);
    assert_int_equal(p->step, (p->epoch - 1) * p->steps_per_epoch + p->step_of_epoch);
    seen->steps += 1;
    seen->sum_g += p->losses->total_generator;
    if (p->epoch_means != NULL) {
        assert_int_equal(p->step_of_epoch, p->steps_per_epoch);
        seen->mean_g = p->epoch_means->total_generator;
        seen->means += 1;
    }
    if (p->step == seen->stop_at)
        return mrc_fail(err, MRC_ERR_CANCELLED, "stopped at step %d", (int)p->step);
    return MRC_OK;
}

static void test_trainer_epoch(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    struct mrc_trainer_settings t = MRC_TRAINER_DEFAULTS;
    struct seen seen = {0};
    struct mrc_slice_source source = {
        .context = &seen, .count = {X_SLICES, Y_SLICES}, .fetch = fetch_counting};
    mrc_cyclegan *gan = NULL;
    t.epochs = 1;
    mrc_parallel_set_threads(1);
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_ok(mrc_trainer_run(gan, &source, &t, report, &seen, &err), &err);
    assert_int_equal(seen.steps, 3); /* ceil(7 / 3) */
    assert_int_equal(seen.means, 1);
    assert_near(seen.mean_g, seen.sum_g / 3.0, 1e-9);
    for (int i = 0; i < X_SLICES; ++i) assert_in_range(seen.times[0][i], 1, 2); /* 9 draws of 7 */
    for (int i = 0; i < Y_SLICES; ++i) assert_in_range(seen.times[1][i], 2, 3); /* 9 draws of 4 */
    mrc_cyclegan_destroy(gan);

    t.gamma = 0.9;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_int_equal(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    mrc_cyclegan_destroy(gan);
    t.gamma = 1.0;
    source.count[1] = 0;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_int_equal(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_cyclegan_destroy(gan);
    mrc_parallel_set_threads(0);
}

/* A run of six steps, stopped and taken up again after `stop` of them; weights of all networks as
 * bytes. */
static mrc_cyclegan *train(int threads, int64_t stop, enum mrc_generator_kind kind) {
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(kind, 1);
    struct mrc_trainer_settings t = {.epochs = 2, .flip = true, .gamma = 1.5};
    struct mrc_slice_source source = {.count = {X_SLICES, Y_SLICES}, .fetch = fetch};
    struct seen seen = {.stop_at = stop};
    mrc_cyclegan *gan = NULL;
    mrc_parallel_set_threads(threads);
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    if (stop > 0) {
        assert_int_equal(mrc_trainer_run(gan, &source, &t, report, &seen, &err), MRC_ERR_CANCELLED);
        assert_int_equal(mrc_cyclegan_steps(gan), stop);
        seen.stop_at = 0;
        mrc_error_clear(&err);
    }
    assert_ok(mrc_trainer_run(gan, &source, &t, report, &seen, &err), &err);
    assert_int_equal(mrc_cyclegan_steps(gan), 6);
    mrc_parallel_set_threads(0);
    return gan;
}

static void assert_same_weights(mrc_cyclegan *a, mrc_cyclegan *b) {
    for (int i = 0; i < MRC_NET_COUNT; ++i) {
        mrc_net *p = mrc_cyclegan_net_of(a, (enum mrc_cyclegan_net)i),
                *q = mrc_cyclegan_net_of(b, (enum mrc_cyclegan_net)i);
        assert_memory_equal(mrc_net_values(p), mrc_net_values(q), mrc_net_size(p) * sizeof(float));
    }
}

static void test_same_bytes(void **unused) {
    (void)unused;
    for (int kind = MRC_GENERATOR_UNET; kind <= MRC_GENERATOR_HYBRID; kind += 2) {
        mrc_cyclegan *one = train(1, 0, (enum mrc_generator_kind)kind),
                     *two = train(2, 0, (enum mrc_generator_kind)kind);
        mrc_cyclegan *resumed = train(2, 2, (enum mrc_generator_kind)kind);
        assert_same_weights(one, two);
        assert_same_weights(one, resumed);
        mrc_cyclegan_destroy(one);
        mrc_cyclegan_destroy(two);
        mrc_cyclegan_destroy(resumed);
    }
}

static void fetch_half(void *context, float *dst, int domain, size_t index) {
    (void)domain;
    (void)index;
    for (int i = 0; i < SIDE * SIDE; ++i) dst[i] = i % 2 != 0 ? *(const float *)context : 1.0f;
}

/* One step on slices of `value` and white. */
static mrc_cyclegan *train_on(float value, double gamma) {
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    struct mrc_trainer_settings t = {.epochs = 1, .flip = true, .gamma = gamma};
    struct mrc_slice_source source = {.context = &value, .count = {2, 2}, .fetch = fetch_half};
    mrc_cyclegan *gan = NULL;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_ok(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), &err);
    return gan;
}

/* A power bends what lies between black and white, and nothing else. */
static void test_gamma(void **unused) {
    (void)unused;
    const float values[] = {0.0f, 0.5f};
    for (int i = 0; i < 2; ++i) {
        mrc_cyclegan *plain = train_on(values[i], 1.0), *bent = train_on(values[i], 2.0);
        mrc_net *p = mrc_cyclegan_net_of(plain, MRC_NET_G),
                *b = mrc_cyclegan_net_of(bent, MRC_NET_G);
        bool same =
            memcmp(mrc_net_values(p), mrc_net_values(b), mrc_net_size(p) * sizeof(float)) == 0;
        assert_int_equal(same, i == 0);
        mrc_cyclegan_destroy(plain);
        mrc_cyclegan_destroy(bent);
    }
}

/* --- Memory that runs out --- */

static enum mrc_status create_and_destroy(const struct mrc_cyclegan_settings *settings) {
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = mrc_cyclegan_create(&gan, settings, &err);
    assert_true((st == MRC_OK) == (gan != NULL));
    assert_true((st == MRC_OK) == (err.text[0] == '\0'));
    mrc_cyclegan_destroy(gan);
    return st;
}

static void test_out_of_memory(void **unused) {
    (void)unused;
    for (int kind = MRC_GENERATOR_UNET; kind <= MRC_GENERATOR_HYBRID; ++kind) {
        struct mrc_cyclegan_settings s = small_settings((enum mrc_generator_kind)kind, 1);
        enum mrc_status st = MRC_OK;
        MRC_TRY_EVERY_FAILURE(st, create_and_destroy(&s));
        assert_int_equal(st, MRC_OK);
    }
}

static enum mrc_status train_one_epoch(mrc_cyclegan *gan) {
    struct mrc_error err = {0};
    struct mrc_trainer_settings t = {.epochs = 1, .flip = false, .gamma = 1.0};
    struct mrc_slice_source source = {.count = {2, 1}, .fetch = fetch};
    return mrc_trainer_run(gan, &source, &t, NULL, NULL, &err);
}

static void test_trainer_out_of_memory(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = small_settings(MRC_GENERATOR_LOCAL, 1);
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = MRC_OK;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    MRC_TRY_EVERY_FAILURE(st, train_one_epoch(gan));
    assert_int_equal(st, MRC_OK);
    assert_int_equal(mrc_cyclegan_steps(gan), 1);
    mrc_cyclegan_destroy(gan);
}

/* Nothing switched on changes nothing; each change does what its name says, and nothing leaves
 * [0,1]. */
static void test_augmentation(void **state) {
    (void)state;
    enum { PLANE = SIDE * SIDE };
    static float slice[PLANE], made[PLANE], spare[PLANE];
    struct mrc_augmentation none = MRC_AUGMENTATION_NONE;
    for (int i = 0; i < PLANE; ++i) {
        double y = i / SIDE - 15.5, x = i % SIDE - 15.5;
        slice[i] = x * x + 2.0 * y * y < 150.0 ? (float)(0.5 + x / 40.0) : 0.0f;
    }
    const struct {
        struct mrc_augmentation most;
        double least, largest; /* mean difference from what went in */
    } cases[] = {{none, 0.0, 0.0},
                 {{.rotate = 20.0, .resolution = 1.0}, 0.005, 0.1},
                 {{.zoom = 0.3, .resolution = 1.0}, 0.005, 0.2},
                 {{.shift = 0.2, .resolution = 1.0}, 0.005, 0.3},
                 {{.resolution = 4.0}, 0.002, 0.05},
                 {{.resolution = 1.0, .bias = 0.5}, 0.002, 0.1},
                 {{.resolution = 1.0, .noise = 0.1}, 0.005, 0.1}};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; ++n) {
        double difference = 0.0;
        for (int draw = 0; draw < 8; ++draw) {
            struct mrc_rng rng = mrc_rng_for(3, 0, (uint64_t)draw, MRC_FOR_AUGMENT);
            memcpy(made, slice, sizeof made);
            mrc_augment(made, spare, SIDE, 1, &cases[n].most, &rng, &rng);
            for (int i = 0; i < PLANE; ++i) {
                assert_true(made[i] >= 0.0f && made[i] <= 1.0f);
                difference += fabs((double)made[i] - (double)slice[i]) / (8.0 * PLANE);
            }
        }
        if (!(difference >= cases[n].least && difference <= cases[n].largest))
            fail_msg("change %zu: mean difference %g, expected %g to %g", n, difference,
                     cases[n].least, cases[n].largest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_augmentation),
        cmocka_unit_test(test_unet_sizes),
        cmocka_unit_test(test_local_is_small),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_builder_failures),
        cmocka_unit_test(test_torch_order),
        cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_local_starts_near_copy),
        cmocka_unit_test(test_fan_out),
        cmocka_unit_test_teardown(test_merged_is_apart, let_plans_choose),
        cmocka_unit_test_teardown(test_parts_of_concatenation, let_plans_choose),
        cmocka_unit_test(test_generator_modes),
        cmocka_unit_test(test_plan_print),
        cmocka_unit_test(test_bce_is_stable),
        cmocka_unit_test(test_l1),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_without_identity),
        cmocka_unit_test(test_moving_average),
        cmocka_unit_test(test_two_kinds_of_generators),
        cmocka_unit_test(test_penalty_has_its_own_gradient),
        cmocka_unit_test(test_warm_up_learns_the_mean_and_nothing_else),
        cmocka_unit_test(test_a_rate_of_zero_changes_no_weight),
        cmocka_unit_test(test_trainer_epoch),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_gamma),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_trainer_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
