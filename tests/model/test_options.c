/* test_options.c: what a recipe may add to the reference design: hinge loss, structure losses,
 * DiffAugment, first weights. Each gradient against differences of the loss itself. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "model/gan/cyclegan.h"
#include "model/gan/trainer.h"
#include "support.h"

static void fill(float *out, size_t n, uint64_t stream, double lo, double hi) {
    struct mrc_rng rng = mrc_rng_for(5, 0, stream, MRC_FOR_TEST);
    for (size_t i = 0; i < n; ++i) out[i] = (float)(lo + (hi - lo) * mrc_rng_uniform(&rng));
}

static void assert_close(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g, expected %.9g +- %g", found, expected, tolerance);
}

/* --- Hinge --- */

static void test_hinge(void **unused) {
    (void)unused;
    static const float map[] = {-2.0f, -0.5f, 0.5f, 2.0f};
    static const struct {
        enum mrc_adversarial_term term;
        double loss;
        float d[4]; /* with weight 4: of each verdict alone */
    } cases[] = {{MRC_TERM_REAL, (3.0 + 1.5 + 0.5 + 0.0) / 4.0, {-1.0f, -1.0f, -1.0f, 0.0f}},
                 {MRC_TERM_FAKE, (0.0 + 0.5 + 1.5 + 3.0) / 4.0, {0.0f, 1.0f, 1.0f, 1.0f}},
                 {MRC_TERM_GENERATOR, 0.0, {-1.0f, -1.0f, -1.0f, -1.0f}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        float d[4];
        assert_close(mrc_loss_adversarial(d, map, 4, cases[i].term, MRC_GAN_HINGE, 4.0f),
                     cases[i].loss, 1e-12);
        assert_memory_equal(d, cases[i].d, sizeof d);
    }
    enum mrc_gan_mode mode = MRC_GAN_BCE;
    struct mrc_error err = {0};
    assert_ok(mrc_gan_mode_parse(&mode, "hinge", &err), &err);
    assert_int_equal(mode, MRC_GAN_HINGE);
    assert_string_equal(mrc_gan_mode_name(mode), "hinge");
}

/* --- Structure losses --- */

enum { SIDE = 9, CHANNELS = 3, COUNT = 2, FLOATS = COUNT * SIDE * SIDE * CHANNELS };

static const enum mrc_structure_kind kinds[] = {MRC_STRUCTURE_NGF, MRC_STRUCTURE_MIND};

static double structure(float *d, const float *output, const float *source, float weight,
                        enum mrc_structure_kind kind) {
    double *spare = mrc_alloc(mrc_structure_spare(kind, SIDE) + 1, sizeof *spare);
    double loss = mrc_loss_structure(d, output, source, COUNT, SIDE, CHANNELS, kind, weight, spare);
    mrc_free(spare);
    return loss;
}

static void test_structure_gradient(void **unused) {
    (void)unused;
    static float output[FLOATS], source[FLOATS], d[FLOATS], moved[FLOATS];
    const double h = 1e-3;
    fill(output, FLOATS, 1, 0.1, 0.9);
    fill(source, FLOATS, 2, 0.1, 0.9);
    for (size_t k = 0; k < 2; ++k) {
        double largest = 0.0;
        for (size_t i = 0; i < FLOATS; ++i) d[i] = 1.0f; /* it is added */
        double loss = structure(d, output, source, 3.0f, kinds[k]);
        assert_close(structure(NULL, output, source, 0.0f, kinds[k]), loss, 0.0);
        for (size_t i = 0; i < FLOATS; ++i) largest = fmax(largest, fabs((double)d[i] - 1.0));
        size_t crossed = 0;
        for (size_t i = 0; i < FLOATS; ++i) {
            double slope = 0.0;
            for (int side = -1; side <= 1; side += 2) {
                memcpy(moved, output, sizeof moved);
                moved[i] = (float)((double)output[i] + side * h);
                slope += side * 3.0 * structure(NULL, moved, source, 0.0f, kinds[k]) / (2.0 * h);
            }
            bool near = fabs(slope - ((double)d[i] - 1.0)) <= 0.01 * largest;
            crossed +=
                near ? 0 : 1; /* MIND has kinks: of |.|, and where the least distance changes */
        }
        assert_true(largest > 0.0);
        assert_in_range(crossed, 0, kinds[k] == MRC_STRUCTURE_MIND ? FLOATS / 20 : 0);
    }
}

/* Both ask where the edges are and not which side is bright. */
static void test_structure_is_blind_to_contrast(void **unused) {
    (void)unused;
    static float source[FLOATS], same[FLOATS], inverted[FLOATS], shifted[FLOATS];
    for (size_t i = 0; i < FLOATS; ++i) {
        size_t x = i / CHANNELS % SIDE, y = i / CHANNELS / SIDE % SIDE;
        source[i] = x > 3 && y > 2 ? 0.8f : 0.1f;
        same[i] = 0.1f + 0.5f * source[i];
        inverted[i] = 1.0f - source[i];
        shifted[i] = x > 5 && y > 4 ? 0.8f : 0.1f;
    }
    for (size_t k = 0; k < 2; ++k) {
        double moved = structure(NULL, shifted, source, 0.0f, kinds[k]);
        double inverse = structure(NULL, inverted, source, 0.0f, kinds[k]);
        double weaker = structure(NULL, same, source, 0.0f, kinds[k]);
        assert_close(inverse, structure(NULL, source, source, 0.0f, kinds[k]), 1e-6);
        assert_true(moved > inverse + 0.05);
        assert_true(moved > weaker + 0.05);
    }
    enum mrc_structure_kind kind = MRC_STRUCTURE_NGF;
    struct mrc_error err = {0};
    assert_ok(mrc_structure_kind_parse(&kind, "mind", &err), &err);
    assert_int_equal(kind, MRC_STRUCTURE_MIND);
    assert_int_equal(mrc_structure_kind_parse(&kind, "ssim", &err), MRC_ERR_ARGUMENT);
}

/* --- DiffAugment --- */

static void test_diff_augment_names(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *printed;
        int64_t policy;
    } good[] = {{"none", "none", 0},
                {"color,translation,cutout", "color,translation,cutout", MRC_DIFF_ALL},
                {"contrast,brightness", "color", MRC_DIFF_COLOR},
                {"cutout,contrast", "contrast,cutout", MRC_DIFF_CUTOUT | MRC_DIFF_CONTRAST}};
    static const char *const bad[] = {"", "colour", "color,", ",color", "none,color", "col"};
    char text[MRC_DIFF_AUGMENT_TEXT];
    struct mrc_error err = {0};
    int64_t policy = -1;
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        assert_ok(mrc_diff_augment_parse(&policy, good[i].text, &err), &err);
        assert_int_equal(policy, good[i].policy);
        mrc_diff_augment_print(text, policy);
        assert_string_equal(text, good[i].printed);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        assert_int_equal(mrc_diff_augment_parse(&policy, bad[i], &err), MRC_ERR_ARGUMENT);
        mrc_error_clear(&err);
    }
}

/* As the authors' code does it, step by step. */
static void change_slowly(float *dst, const float *src, const struct mrc_diff_draw *draw) {
    double mean = 0.0;
    for (int i = 0; i < SIDE * SIDE * CHANNELS; ++i) mean += (double)src[i] + draw->brightness;
    mean /= SIDE * SIDE * CHANNELS;
    for (int64_t y = 0; y < SIDE; ++y)
        for (int64_t x = 0; x < SIDE; ++x)
            for (int64_t c = 0; c < CHANNELS; ++c) {
                int64_t v = y - draw->shift_y, u = x - draw->shift_x;
                double value = 0.0;
                if (v >= 0 && v < SIDE && u >= 0 && u < SIDE) {
                    value = (double)src[(v * SIDE + u) * CHANNELS + c] + draw->brightness;
                    value = (value - mean) * draw->contrast + mean;
                }
                if (y >= draw->cut_top && y < draw->cut_bottom && x >= draw->cut_left &&
                    x < draw->cut_right)
                    value = 0.0;
                dst[(y * SIDE + x) * CHANNELS + c] = (float)value;
            }
}

static void test_diff_augment(void **unused) {
    (void)unused;
    enum { IMAGE = SIDE * SIDE * CHANNELS };
    static float x[IMAGE], y[IMAGE], seen[IMAGE], slow[IMAGE], none[IMAGE], zero[IMAGE], d[IMAGE];
    fill(x, IMAGE, 3, 0.0, 1.0);
    fill(y, IMAGE, 4, -1.0, 1.0);
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    int64_t most_shift = 0, cut = 0;
    double most_brightness = 0.0, most_contrast = 0.0;
    for (int round = 0; round < 200; ++round) {
        struct mrc_diff_draw draw = mrc_diff_augment_draw(MRC_DIFF_ALL, SIDE, &rng);
        mrc_diff_augment_apply(seen, x, SIDE, CHANNELS, &draw);
        change_slowly(slow, x, &draw);
        for (int i = 0; i < IMAGE; ++i) assert_close((double)seen[i], (double)slow[i], 1e-6);
        /* <A x, y> = <x, A' y>, A the linear part */
        mrc_diff_augment_apply(none, zero, SIDE, CHANNELS, &draw);
        for (int i = 0; i < IMAGE; ++i) d[i] = 1.0f;
        mrc_diff_augment_backward(d, y, SIDE, CHANNELS, &draw);
        double there = 0.0, back = 0.0;
        for (int i = 0; i < IMAGE; ++i) {
            there += ((double)seen[i] - (double)none[i]) * (double)y[i];
            back += (double)x[i] * ((double)d[i] - 1.0);
        }
        assert_close(there, back, 1e-4);
        if (llabs(draw.shift_x) > most_shift) most_shift = llabs(draw.shift_x);
        cut += (draw.cut_bottom - draw.cut_top) * (draw.cut_right - draw.cut_left);
        most_brightness = fmax(most_brightness, fabs(draw.brightness));
        most_contrast = fmax(most_contrast, fabs(draw.contrast - 1.0));
    }
    assert_int_equal(most_shift, 1); /* an eighth of 9 */
    assert_in_range(cut / 200, 10, 25);
    assert_true(most_brightness > 0.23 && most_brightness <= 0.25);
    assert_true(most_contrast > 0.45 && most_contrast <= 0.5);
    struct mrc_diff_draw nothing = mrc_diff_augment_draw(0, SIDE, &rng);
    mrc_diff_augment_apply(seen, x, SIDE, CHANNELS, &nothing);
    assert_memory_equal(seen, x, sizeof x);
}

/* --- First weights --- */

static void test_first_weights(void **unused) {
    (void)unused;
    static const double gain = 0.5;
    struct mrc_generator_settings s = {.channels = 1, .h = 16, .w = 16, .width = 8};
    struct mrc_error err = {0};
    for (int kind = MRC_INIT_NORMAL; kind <= MRC_INIT_ORTHOGONAL; ++kind) {
        mrc_net *net = NULL, *again = NULL;
        assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_UNET, &s, &err), &err);
        assert_ok(mrc_generator_net_create(&again, MRC_GENERATOR_UNET, &s, &err), &err);
        mrc_net_init(net, (enum mrc_init_kind)kind, gain, 3, 1);
        mrc_parallel_set_threads(3);
        mrc_net_init(again, (enum mrc_init_kind)kind, gain, 3, 1);
        mrc_parallel_set_threads(0);
        assert_memory_equal(mrc_net_values(net), mrc_net_values(again),
                            mrc_net_size(net) * sizeof(float));
        for (size_t i = 0; i < mrc_net_parameter_count(net); ++i) {
            const struct mrc_parameter *p = mrc_net_parameter(net, i);
            if (p->rank < 3) continue; /* not of a convolution */
            size_t rows = (size_t)p->shape[0], columns = p->count / rows;
            double in = (double)columns, out = in / (double)p->shape[1] * (double)rows;
            float *w = mrc_alloc(p->count, sizeof *w);
            mrc_net_export(net, i, mrc_net_values(net), w);
            double squares = 0.0, deviation = gain;
            for (size_t j = 0; j < p->count; ++j) squares += (double)w[j] * (double)w[j];
            if (kind == MRC_INIT_XAVIER) deviation = gain * sqrt(2.0 / (in + out));
            if (kind == MRC_INIT_KAIMING) deviation = sqrt(2.0 / in);
            if (kind != MRC_INIT_ORTHOGONAL)
                assert_close(sqrt(squares / (double)p->count) / deviation, 1.0,
                             4.0 / sqrt(2.0 * (double)p->count));
            bool by_rows = rows <= columns;
            size_t count = by_rows ? rows : columns, length = by_rows ? columns : rows;
            for (size_t a = 0; kind == MRC_INIT_ORTHOGONAL && a < count; ++a)
                for (size_t b = 0; b <= a; ++b) {
                    double dot = 0.0;
                    for (size_t j = 0; j < length; ++j)
                        dot += by_rows ? (double)w[a * columns + j] * (double)w[b * columns + j]
                                       : (double)w[j * columns + a] * (double)w[j * columns + b];
                    assert_close(dot, a == b ? gain * gain : 0.0, 1e-6);
                }
            mrc_free(w);
        }
        mrc_net_destroy(again);
        mrc_net_destroy(net);
    }
}

/* --- All of it in a step --- */

static struct mrc_cyclegan_settings step_settings(void) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    s.generator = MRC_GENERATOR_LOCAL;
    s.size = 32;
    s.discriminator_width = 2;
    s.batch = 2;
    s.pool_size = 1;
    s.lambda_cycle = 1.0;
    s.lambda_identity = 0.5;
    s.gan_mode = MRC_GAN_HINGE;
    s.diff_augment = MRC_DIFF_ALL;
    s.lambda_structure = 2.0;
    s.lambda_paired = 3.0;
    s.init_type = MRC_INIT_XAVIER;
    s.init_gain = 1.0;
    return s;
}

enum { STEPS = 3, IMAGES = 2 * 32 * 32 };

/* Losses of the third step, with the weights of one net moved by h along `along` before it; `along`
 * NULL: its gradient of that step goes to *gradient. */
static struct mrc_losses third_step(const struct mrc_cyclegan_settings *s,
                                    enum mrc_cyclegan_net which, const float *along, double h,
                                    float **gradient) {
    static float x[IMAGES], y[IMAGES];
    struct mrc_error err = {0};
    struct mrc_losses losses = {0};
    mrc_cyclegan *gan = NULL;
    fill(x, IMAGES, 6, 0.0, 1.0);
    fill(y, IMAGES, 7, 0.0, 1.0);
    assert_ok(mrc_cyclegan_create(&gan, s, &err), &err);
    mrc_cyclegan_set_partners(gan, (const bool[]){false, true}, x, y);
    mrc_net *net = mrc_cyclegan_net_of(gan, which);
    for (int step = 1; step <= STEPS; ++step) {
        for (size_t i = 0; step == STEPS && along != NULL && i < mrc_net_size(net); ++i)
            mrc_net_values(net)[i] = (float)((double)mrc_net_values(net)[i] + h * (double)along[i]);
        assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    }
    if (along == NULL) {
        *gradient = mrc_alloc(mrc_net_size(net), sizeof(float));
        memcpy(*gradient, mrc_net_gradients(net), mrc_net_size(net) * sizeof(float));
    }
    mrc_cyclegan_destroy(gan);
    return losses;
}

/* The gradient of each network is that of its own total loss: along it the loss rises by its
 * square. The pool has shown a kept fake by then, and what DiffAugment draws is the same again. */
static void test_step_has_the_gradient_of_its_losses(void **unused) {
    (void)unused;
    for (int kind = 0; kind < 2; ++kind)
        for (int which = 0; which < MRC_NET_COUNT; ++which) {
            struct mrc_cyclegan_settings s = step_settings();
            s.structure = kinds[kind];
            float *gradient = NULL;
            enum mrc_cyclegan_net net = (enum mrc_cyclegan_net)which;
            struct mrc_losses losses = third_step(&s, net, NULL, 0.0, &gradient), moved[2];
            assert_true(losses.structure_g > 0.0 && losses.structure_f > 0.0);
            assert_true(losses.paired_x > 0.0 && losses.paired_y > 0.0);
            assert_close(losses.total_generator,
                         losses.adversarial_g + losses.adversarial_f + losses.cycle_x +
                             losses.cycle_y + 0.5 * (losses.identity_x + losses.identity_y) +
                             2.0 * (losses.structure_g + losses.structure_f) +
                             3.0 * (losses.paired_x + losses.paired_y),
                         1e-9);
            mrc_cyclegan *gan = NULL;
            struct mrc_error err = {0};
            assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
            size_t size = mrc_net_size(mrc_cyclegan_net_of(gan, net));
            mrc_cyclegan_destroy(gan);
            double squares = 0.0;
            for (size_t i = 0; i < size; ++i) squares += (double)gradient[i] * (double)gradient[i];
            assert_true(squares > 0.0);
            const double h = 1e-4 / sqrt(squares);
            for (int side = 0; side < 2; ++side)
                moved[side] = third_step(&s, net, gradient, side == 0 ? -h : h, NULL);
            double rise = net == MRC_NET_D_X ? moved[1].total_d_x - moved[0].total_d_x
                          : net == MRC_NET_D_Y
                              ? moved[1].total_d_y - moved[0].total_d_y
                              : moved[1].total_generator - moved[0].total_generator;
            assert_close(rise / (2.0 * h) / squares, 1.0, 0.04); /* |.| has kinks */
            mrc_free(gradient);
        }
}

/* --- Classes --- */

struct diary {
    size_t seen[2][1000], count[2];
};

static void note_fetch(void *context, float *dst, int domain, size_t index) {
    struct diary *diary = context;
    diary->seen[domain][diary->count[domain]++] = index;
    for (int i = 0; i < 32 * 32; ++i) dst[i] = (float)((i * 7 + (int)index) % 100) / 100.0f;
}

/* What is fetched in three epochs, training being taken up again after every `stop` of them. */
static void follow(struct diary *diary, const struct mrc_slice_source *classes, int64_t stop) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    struct mrc_trainer_settings t = MRC_TRAINER_DEFAULTS;
    struct mrc_slice_source source = *classes;
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    s.generator = MRC_GENERATOR_LOCAL;
    s.size = 32;
    s.discriminator_width = 1;
    s.batch = 3;
    s.lambda_identity = 0.0;
    *diary = (struct diary){.count = {0, 0}};
    source.context = diary;
    source.fetch = note_fetch;
    mrc_parallel_set_threads(1); /* fetched in order */
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    for (t.epochs = stop; t.epochs <= 3; t.epochs += stop)
        assert_ok(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), &err);
    mrc_parallel_set_threads(0);
    mrc_cyclegan_destroy(gan);
}

static void test_classes_are_drawn_equally_often(void **unused) {
    (void)unused;
    static struct diary once, parts;
    static uint32_t classes[2][20];
    struct mrc_slice_source source = {.count = {20, 9}, .class_count = {3, 3}, .matched = true};
    size_t drawn[2][20] = {{0}}, of_class[3] = {0};
    for (uint32_t i = 0; i < 20; ++i) { /* 1, 4 and 14 of X, one of no class; 5, 3, 1 of Y */
        classes[0][i] = i == 19 ? MRC_NO_CLASS : i < 1 ? 0 : i < 5 ? 1 : 2;
        classes[1][i] = i < 5 ? 0 : i < 8 ? 1 : 2;
    }
    for (int domain = 0; domain < 2; ++domain) source.classes[domain] = classes[domain];
    follow(&once, &source, 3);
    assert_int_equal(once.count[0], 3 * 21); /* three epochs of ceil(20 / 3) batches */
    assert_int_equal(once.count[1], once.count[0]);
    for (size_t i = 0; i < once.count[0]; ++i) {
        uint32_t x = classes[0][once.seen[0][i]], y = classes[1][once.seen[1][i]];
        assert_int_equal(x, y);
        assert_true(x < 3);
        ++of_class[x];
        for (int domain = 0; domain < 2; ++domain) ++drawn[domain][once.seen[domain][i]];
    }
    for (int c = 0; c < 3; ++c) assert_int_equal(of_class[c], 21);
    assert_int_equal(drawn[0][0], 21);                              /* the only one of its class */
    for (int i = 1; i < 5; ++i) assert_in_range(drawn[0][i], 3, 6); /* 7 of 4 an epoch */
    for (int i = 5; i < 19; ++i) assert_in_range(drawn[0][i], 0, 3);
    assert_int_equal(drawn[0][19], 0);
    follow(&parts, &source, 1); /* taken up again after each epoch */
    assert_memory_equal(&parts, &once, sizeof once);

    source.matched = false; /* each contrast has classes of its own */
    source.class_count[1] = 9;
    for (uint32_t i = 0; i < 9; ++i) classes[1][i] = i;
    follow(&once, &source, 3);
    memset(drawn, 0, sizeof drawn);
    for (size_t i = 0; i < once.count[1]; ++i) ++drawn[1][once.seen[1][i]];
    for (int i = 0; i < 9; ++i) assert_in_range(drawn[1][i], 6, 9);
}

/* --- Pairs --- */

/* What the first image of the second pair gives is asked of a batch without it. */
static void test_only_partners_are_compared(void **unused) {
    (void)unused;
    static float x[IMAGES], y[IMAGES], true_x[IMAGES], true_y[IMAGES];
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_error err = {0};
    double paired[4];
    fill(x, IMAGES, 6, 0.0, 1.0);
    fill(y, IMAGES, 7, 0.0, 1.0);
    fill(true_x, IMAGES, 8, 0.0, 1.0);
    fill(true_y, IMAGES, 9, 0.0, 1.0);
    for (int which = 0; which < 4; ++which) {
        struct mrc_losses losses;
        mrc_cyclegan *gan = NULL;
        assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
        if (which > 0)
            mrc_cyclegan_set_partners(gan, (const bool[]){(which & 1) != 0, (which & 2) != 0},
                                      true_x, true_y);
        assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
        const float *fake = mrc_cyclegan_last_images(gan).fake_y;
        double sum = 0.0;
        for (int i = 0; i < IMAGES; ++i)
            if (which >> (i / (IMAGES / 2)) & 1) sum += fabs((double)fake[i] - (double)true_y[i]);
        assert_close(losses.paired_y, sum / IMAGES, 1e-6);
        paired[which] = losses.paired_x;
        const float *fake_x = mrc_cyclegan_last_images(gan).fake_x;
        sum = 0.0;
        for (int i = 0; i < IMAGES; ++i)
            if (which >> (i / (IMAGES / 2)) & 1) sum += fabs((double)fake_x[i] - (double)true_x[i]);
        assert_close(losses.paired_x, sum / IMAGES, 1e-6);
        mrc_cyclegan_destroy(gan);
    }
    assert_true(paired[0] == 0.0 && paired[1] > 0.0 && paired[2] > 0.0);
    assert_close(paired[1] + paired[2], paired[3], 1e-9);
}

/* Six blots; X and Y alike. */
static void fetch_blot(void *context, float *dst, int domain, size_t index) {
    (void)context;
    (void)domain;
    for (int i = 0; i < 32; ++i)
        for (int j = 0; j < 32; ++j)
            dst[i * 32 + j] = hypot(i - 6.0 - 4.0 * (double)index, j - 9.0) < 5.0 ? 0.8f : 0.1f;
}

static enum mrc_status keep_losses(void *context, mrc_cyclegan *gan,
                                   const struct mrc_trainer_progress *p, struct mrc_error *err) {
    (void)gan;
    (void)err;
    *(double *)context += p->losses->paired_y;
    return MRC_OK;
}

/* Mean paired loss of a run whose generators change nothing: the local ones begin as copies. */
static double paired_loss(size_t (*pairs)[2], size_t pair_count, enum mrc_status expected) {
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_slice_source source = {
        .count = {6, 6}, .fetch = fetch_blot, .pairs = pairs, .pair_count = pair_count};
    struct mrc_trainer_settings t = {
        .epochs = 4, .flip = true, .gamma = 1.0, .augment = {90.0, 0.2, 0.2, 2.0, 0.0, 0.0}};
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    double sum = 0.0;
    s.learning_rate = 1e-12;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_int_equal(mrc_trainer_run(gan, &source, &t, keep_losses, &sum, &err), expected);
    mrc_error_clear(&err);
    mrc_cyclegan_destroy(gan);
    return sum / (4.0 * 3.0);
}

/* Both of a pair are mirrored, turned, moved and coarsened alike. */
static void test_pairs_stay_on_each_other(void **unused) {
    (void)unused;
    static size_t alike[][2] = {{0, 0}, {1, 1}, {2, 2}, {3, 3}},
                  apart[][2] = {{0, 5}, {1, 4}, {5, 0}, {4, 1}};
    double near = paired_loss(alike, 4, MRC_OK), far = paired_loss(apart, 4, MRC_OK);
    print_message("pairs that are: %g, that are not: %g\n", near, far);
    assert_true(near > 0.0 && near < 0.5 * far);
    (void)paired_loss(NULL, 0, MRC_ERR_ARGUMENT);
}

/* X is white, which no power changes; Y is grey. */
static void fetch_flat(void *context, float *dst, int domain, size_t index) {
    (void)context;
    (void)index;
    for (int i = 0; i < 32 * 32; ++i) dst[i] = domain == 0 ? 1.0f : 0.5f;
}

struct range {
    double least, most;
};

static enum mrc_status keep_range(void *context, mrc_cyclegan *gan,
                                  const struct mrc_trainer_progress *p, struct mrc_error *err) {
    (void)gan;
    (void)err;
    struct range *range = context;
    range->least = fmin(range->least, p->losses->paired_y);
    range->most = fmax(range->most, p->losses->paired_y);
    return MRC_OK;
}

/* The power drawn for y is not in what G(x), always the same here, is compared with. */
static void test_truth_is_as_found(void **unused) {
    (void)unused;
    static size_t pairs[][2] = {{0, 0}, {1, 1}};
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_slice_source source = {
        .count = {2, 2}, .fetch = fetch_flat, .pairs = pairs, .pair_count = 2};
    struct mrc_trainer_settings t = {.epochs = 6, .gamma = 3.0, .augment = MRC_AUGMENTATION_NONE};
    struct range range = {HUGE_VAL, 0.0};
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    s.learning_rate = 1e-12;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_ok(mrc_trainer_run(gan, &source, &t, keep_range, &range, &err), &err);
    mrc_cyclegan_destroy(gan);
    print_message("paired loss %g to %g\n", range.least, range.most);
    assert_true(range.least > 0.1 && range.most - range.least < 1e-5);
}

/* --- Made pairs --- */

enum { MOST_MADE = 64 };
struct made {
    atomic_int times[MOST_MADE], read;
    uint64_t fails_at;
};

/* White, whose true image is grey; of no two is a number alike. */
static enum mrc_status make_flat(void *maker, float *const image[2], float *const truth[2],
                                 uint64_t number, struct mrc_error *err) {
    struct made *made = maker;
    assert_true(number < MOST_MADE);
    if (number == made->fails_at) return mrc_fail(err, MRC_ERR_NOMEM, "no memory for a pair");
    ++made->times[number];
    for (int d = 0; d < 2; ++d)
        for (int i = 0; i < 32 * 32; ++i) {
            image[d][i] = 1.0f;
            truth[d][i] = 0.5f;
        }
    return MRC_OK;
}

static void fetch_black(void *context, float *dst, int domain, size_t index) {
    struct made *made = context;
    (void)domain;
    (void)index;
    ++made->read;
    for (int i = 0; i < 32 * 32; ++i) dst[i] = 0.0f;
}

/* Trains up to each of the epochs in turn; the mean paired loss of all steps. */
static double learn_made(struct made *made, double share, size_t pair_count, size_t made_an_epoch,
                         const int64_t *epochs, enum mrc_status expected) {
    static size_t pairs[][2] = {{0, 0}, {1, 1}};
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_slice_source source = {.context = made,
                                      .count = {4, 4},
                                      .fetch = fetch_black,
                                      .pairs = pairs,
                                      .pair_count = pair_count,
                                      .make = make_flat,
                                      .maker = made,
                                      .made_share = share,
                                      .made_an_epoch = made_an_epoch};
    struct mrc_trainer_settings t = {.gamma = 1.0, .augment = MRC_AUGMENTATION_NONE};
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    double sum = 0.0;
    s.learning_rate = 1e-12;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    for (; *epochs > 0; ++epochs) {
        t.epochs = *epochs;
        assert_int_equal(mrc_trainer_run(gan, &source, &t, keep_losses, &sum, &err), expected);
    }
    sum /= (double)mrc_cyclegan_steps(gan);
    mrc_cyclegan_destroy(gan);
    return sum;
}

/* Epochs of 5 are 3 batches of 2: every number once, also when training is taken up again; and what
 * G makes of white is compared with grey, not with white. */
static void test_made_pairs_are_new_each_time(void **unused) {
    (void)unused;
    static const int64_t at_once[] = {4, 0}, in_parts[] = {1, 3, 4, 0};
    const int64_t *const ways[] = {at_once, in_parts};
    for (int way = 0; way < 2; ++way) {
        struct made made = {.fails_at = MOST_MADE};
        const double loss = learn_made(&made, 0.0, 0, 5, ways[way], MRC_OK);
        for (int n = 0; n < MOST_MADE; ++n) assert_int_equal(made.times[n], n < 4 * 6);
        assert_int_equal(made.read, 0);
        assert_close(loss, 0.5, 0.02); /* the local generators begin as copies */
    }
}

/* Beside a set: places of pairs, every other one of 16, are made as often as the share says, and
 * all of them where the set has none. */
static void test_made_pairs_beside_a_set(void **unused) {
    (void)unused;
    static const int64_t epochs[] = {8, 0};
    static const double shares[] = {0.0, 0.5, 1.0, 0.0};
    static const int least[] = {0, 4, 16, 16}, most[] = {0, 12, 16, 16};
    for (int n = 0; n < 4; ++n) {
        struct made made = {.fails_at = MOST_MADE};
        (void)learn_made(&made, shares[n], n < 3 ? 2 : 0, 0, epochs, MRC_OK);
        int all = 0;
        for (int k = 0; k < MOST_MADE; ++k) all += made.times[k];
        assert_in_range(all, least[n], most[n]);
        assert_int_equal(made.read, 2 * (32 - all));
    }
}

static void test_a_pair_that_cannot_be_made_ends_the_run(void **unused) {
    (void)unused;
    static const int64_t epochs[] = {4, 0};
    struct made made = {.fails_at = 5};
    (void)learn_made(&made, 1.0, 0, 5, epochs, MRC_ERR_NOMEM);
    assert_int_equal(made.times[6], 0);
}

/* The second image has no partner: its target is the mean image. */
static void test_warm_up_learns_the_partners(void **unused) {
    (void)unused;
    static float x[IMAGES], y[IMAGES], true_x[IMAGES], true_y[IMAGES], mean[IMAGES / 2];
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_losses losses;
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    s.warm_up = 1;
    fill(x, IMAGES, 6, 0.0, 1.0);
    fill(y, IMAGES, 7, 0.0, 1.0);
    fill(true_x, IMAGES, 8, 0.0, 1.0);
    fill(true_y, IMAGES, 9, 0.0, 1.0);
    fill(mean, IMAGES / 2, 10, 0.0, 1.0);
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    mrc_cyclegan_set_means(gan, mean, mean);
    mrc_cyclegan_set_partners(gan, (const bool[]){true, false}, true_x, true_y);
    assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    const float *fake_x = mrc_cyclegan_last_images(gan).fake_x,
                *fake_y = mrc_cyclegan_last_images(gan).fake_y;
    double sum = 0.0;
    for (int i = 0; i < IMAGES; ++i) {
        bool known = i < IMAGES / 2;
        double far_x = (double)fake_x[i] - (double)(known ? true_x[i] : mean[i - IMAGES / 2]),
               far_y = (double)fake_y[i] - (double)(known ? true_y[i] : mean[i - IMAGES / 2]);
        sum += far_x * far_x + far_y * far_y;
    }
    assert_close(losses.total_generator, sum / IMAGES, 1e-6);
    assert_true(losses.paired_x == 0.0 && losses.adversarial_g == 0.0);
    mrc_cyclegan_destroy(gan);
}

static void count_fetch(void *context, float *dst, int domain, size_t index) {
    atomic_int(*fetched)[4] = context;
    ++fetched[domain][index];
    for (int i = 0; i < 32 * 32; ++i) dst[i] = 0.25f;
}

/* Two epochs of warm-up, four places each: all of the pair, and every slice is read once before for
 * the mean images. In two epochs more half of the places are of any slice. */
static void test_warm_up_shows_pairs_only(void **unused) {
    (void)unused;
    enum { SLICES = 4, X_OF_PAIR = 2, Y_OF_PAIR = 1 };
    static size_t pairs[][2] = {{X_OF_PAIR, Y_OF_PAIR}};
    for (int goes_on = 0; goes_on < 2; ++goes_on) {
        atomic_int fetched[2][SLICES] = {{0}};
        struct mrc_cyclegan_settings s = step_settings();
        struct mrc_slice_source source = {.count = {SLICES, SLICES},
                                          .fetch = count_fetch,
                                          .context = fetched,
                                          .pairs = pairs,
                                          .pair_count = 1};
        struct mrc_trainer_settings t = {
            .epochs = goes_on ? 4 : 2, .gamma = 1.0, .augment = MRC_AUGMENTATION_NONE};
        struct mrc_error err = {0};
        mrc_cyclegan *gan = NULL;
        s.warm_up = 4; /* of two slices each */
        assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
        assert_ok(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), &err);
        mrc_cyclegan_destroy(gan);
        for (int domain = 0; domain < 2; ++domain) {
            int of_pair = fetched[domain][pairs[0][domain]], others = -of_pair;
            for (int i = 0; i < SLICES; ++i) others += fetched[domain][i];
            if (!goes_on) {
                assert_int_equal(of_pair, 1 + 8);
                assert_int_equal(others, SLICES - 1);
            } else {
                assert_int_equal(of_pair + others, SLICES + 8 + 8);
                assert_true(others >= SLICES - 1 + 2); /* at most one of two draws is X_OF_PAIR */
            }
        }
    }
}

/* Three pairs of one image and one of another: two epochs of warm-up have eight places, four for
 * each image, but for what an epoch's end leaves over. */
static void test_classes_of_pairs_are_drawn_equally_often(void **unused) {
    (void)unused;
    static size_t pairs[][2] = {{0, 0}, {1, 1}, {2, 2}, {3, 3}};
    static uint32_t of_image[] = {0, 0, 0, 1};
    atomic_int fetched[2][4] = {{0}};
    struct mrc_cyclegan_settings s = step_settings();
    struct mrc_slice_source source = {.context = fetched,
                                      .count = {4, 4},
                                      .fetch = count_fetch,
                                      .pairs = pairs,
                                      .pair_count = 4,
                                      .pair_classes = of_image,
                                      .pair_class_count = 2};
    struct mrc_trainer_settings t = {.epochs = 2, .gamma = 1.0, .augment = MRC_AUGMENTATION_NONE};
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    s.warm_up = 4;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_ok(mrc_trainer_run(gan, &source, &t, NULL, NULL, &err), &err);
    mrc_cyclegan_destroy(gan);
    for (int domain = 0; domain < 2; ++domain) {
        assert_int_equal(fetched[domain][3], 1 + 4); /* once for the mean image */
        for (int i = 0; i < 3; ++i) assert_in_range(fetched[domain][i], 1, 1 + 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_of_pairs_are_drawn_equally_often),
        cmocka_unit_test(test_warm_up_learns_the_partners),
        cmocka_unit_test(test_made_pairs_are_new_each_time),
        cmocka_unit_test(test_made_pairs_beside_a_set),
        cmocka_unit_test(test_a_pair_that_cannot_be_made_ends_the_run),
        cmocka_unit_test(test_warm_up_shows_pairs_only),
        cmocka_unit_test(test_hinge),
        cmocka_unit_test(test_structure_gradient),
        cmocka_unit_test(test_structure_is_blind_to_contrast),
        cmocka_unit_test(test_diff_augment_names),
        cmocka_unit_test(test_diff_augment),
        cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_step_has_the_gradient_of_its_losses),
        cmocka_unit_test(test_only_partners_are_compared),
        cmocka_unit_test(test_pairs_stay_on_each_other),
        cmocka_unit_test(test_truth_is_as_found),
        cmocka_unit_test(test_classes_are_drawn_equally_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
