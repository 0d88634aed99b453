/* test_checkpoint.c: what is written is read again, bit by bit; what is not ours, or was changed,
 * is refused with a reason. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "model/files/checkpoint.h"
#include "model/files/safetensors.h"
#include "support.h"

static char folder[64];

static int make_folder(void **unused) {
    (void)unused;
    (void)snprintf(folder, sizeof(folder), "/tmp/mrc-checkpoint-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused) {
    (void)unused;
    mrc_remove_tree(folder);
    return 0;
}

static const char *path_of(const char *name) {
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static mrc_cyclegan *make_gan_of_width(int64_t width, enum mrc_generator_kind kind,
                                       double ema_decay, int steps) {
    struct mrc_error err = {0};
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    mrc_cyclegan *gan = NULL;
    struct mrc_losses losses;
    s.generator = kind;
    s.size = 32;
    s.generator_width = s.discriminator_width = width;
    s.batch = 2;
    s.ema_decay = ema_decay;
    s.learning_rate = 2.0e-4 / 3.0; /* no short decimal */
    s.seed = 123456789012345;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    size_t n = (size_t)(s.batch * s.size * s.size);
    float *x = mrc_alloc(n, sizeof(float)), *y = mrc_alloc(n, sizeof(float));
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    for (int step = 0; step < steps; ++step) {
        for (size_t i = 0; i < n; ++i) {
            x[i] = (float)mrc_rng_uniform(&rng);
            y[i] = (float)mrc_rng_uniform(&rng);
        }
        assert_ok(mrc_cyclegan_step(gan, &losses, x, y, &err), &err);
    }
    mrc_free(y);
    mrc_free(x);
    return gan;
}

static mrc_cyclegan *make_gan(enum mrc_generator_kind kind, double ema_decay, int steps) {
    return make_gan_of_width(2, kind, ema_decay, steps);
}

static const struct mrc_checkpoint_info words = {.name = "t1w-t2w-test",
                                                 .version = "0.1.0",
                                                 .data = "noise; \"quoted\", \xc3\xa9",
                                                 .epoch = 3,
                                                 .epochs = 250};

static void save(const mrc_cyclegan *gan, bool complete, bool half, const char *path) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_options options = {.complete = complete, .half = half};
    assert_ok(mrc_checkpoint_save(gan, &words, &options, path, &err), &err);
}

static void step_both(mrc_cyclegan *a, mrc_cyclegan *b) {
    struct mrc_error err = {0};
    struct mrc_losses of_a, of_b;
    const struct mrc_cyclegan_settings *s = mrc_cyclegan_get_settings(a);
    size_t n = (size_t)(s->batch * s->size * s->size);
    float *x = mrc_alloc(n, sizeof(float));
    for (size_t i = 0; i < n; ++i) x[i] = (float)(i % 17) / 17.0f;
    assert_ok(mrc_cyclegan_step(a, &of_a, x, x, &err), &err);
    assert_ok(mrc_cyclegan_step(b, &of_b, x, x, &err), &err);
    assert_memory_equal(&of_a, &of_b, sizeof(of_a));
    mrc_free(x);
}

static void assert_same_settings(const struct mrc_cyclegan_settings *a,
                                 const struct mrc_cyclegan_settings *b) {
    char one[MRC_SETTING_TEXT], other[MRC_SETTING_TEXT];
    for (size_t i = 0; i < MRC_CYCLEGAN_SETTING_COUNT; ++i) {
        mrc_setting_print(one, a, mrc_cyclegan_setting(i));
        mrc_setting_print(other, b, mrc_cyclegan_setting(i));
        assert_string_equal(one, other);
    }
}

static void test_round_trip(void **unused) {
    (void)unused;
    const double decays[] = {0.0, 0.99};
    for (int i = 0; i < 2; ++i) {
        struct mrc_error err = {0};
        struct mrc_checkpoint_info info, described;
        mrc_cyclegan *gan = make_gan(MRC_GENERATOR_HYBRID, decays[i], 2), *again = NULL;
        save(gan, true, false, path_of("complete.safetensors"));
        assert_ok(mrc_checkpoint_load(&again, &info, path_of("complete.safetensors"), &err), &err);
        assert_ok(mrc_checkpoint_describe(&described, path_of("complete.safetensors"), &err), &err);
        assert_memory_equal(&info, &described, sizeof(info));
        assert_same_settings(&info.settings, mrc_cyclegan_get_settings(gan));
        assert_string_equal(info.name, words.name);
        assert_string_equal(info.data, words.data);
        assert_int_equal(info.epoch, 3);
        assert_int_equal(info.step, 2);
        assert_int_equal(mrc_cyclegan_steps(again), 2);
        step_both(gan, again); /* moments and step are the same too */
        for (int k = 0; k < MRC_NET_COUNT; ++k) {
            mrc_net *a = mrc_cyclegan_net_of(gan, (enum mrc_cyclegan_net)k);
            mrc_net *b = mrc_cyclegan_net_of(again, (enum mrc_cyclegan_net)k);
            size_t bytes = mrc_net_size(a) * sizeof(float);
            assert_memory_equal(mrc_net_values(a), mrc_net_values(b), bytes);
            if (k > MRC_NET_F) continue;
            assert_memory_equal(mrc_cyclegan_best_weights(gan, (enum mrc_cyclegan_net)k),
                                mrc_cyclegan_best_weights(again, (enum mrc_cyclegan_net)k), bytes);
        }
        mrc_cyclegan_destroy(again);
        mrc_cyclegan_destroy(gan);
    }
}

/* --- Applying --- */

static void apply(float *dst, const float *src, int64_t count, const char *path,
                  enum mrc_cyclegan_net which, int64_t batch) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    assert_ok(mrc_generator_load(&g, &info, path, which, 0, batch, &err), &err);
    mrc_generator_apply(g, dst, src, count);
    mrc_generator_destroy(g);
}

static double furthest(const float *a, const float *b, size_t n) {
    double worst = 0.0;
    for (size_t i = 0; i < n; ++i) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

static void test_generator(void **unused) {
    (void)unused;
    enum { COUNT = 7, SLICE = 32 * 32, N = COUNT * SLICE };
    mrc_cyclegan *gan = make_gan(MRC_GENERATOR_UNET, 0.9, 3);
    float *src = mrc_alloc(N, sizeof(float)), *whole = mrc_alloc(N, sizeof(float)),
          *other = mrc_alloc(N, sizeof(float));
    struct mrc_rng rng = mrc_rng_for(2, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < N; ++i) src[i] = (float)mrc_rng_uniform(&rng);
    save(gan, true, false, path_of("complete.safetensors"));
    apply(whole, src, COUNT, path_of("complete.safetensors"), MRC_NET_G, COUNT);
    for (int64_t batch = 1; batch <= 8; ++batch) { /* 7 is no multiple of 2 to 6, and less than 8 */
        apply(other, src, COUNT, path_of("complete.safetensors"), MRC_NET_G, batch);
        assert_true(furthest(whole, other, N) < 1e-5);
    }
    save(gan, false, false, path_of("single.safetensors"));
    apply(other, src, COUNT, path_of("single.safetensors"), MRC_NET_G, COUNT);
    assert_memory_equal(whole, other, N * sizeof(float)); /* the moving average was shipped */
    save(gan, false, true, path_of("half.safetensors"));
    apply(other, src, COUNT, path_of("half.safetensors"), MRC_NET_G, COUNT);
    assert_true(furthest(whole, other, N) > 0.0 && furthest(whole, other, N) < 2e-3);
    apply(other, src, COUNT, path_of("single.safetensors"), MRC_NET_F, COUNT);
    assert_true(furthest(whole, other, N) > 1e-4);

    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_cyclegan *again = NULL;
    assert_int_equal(mrc_checkpoint_load(&again, &info, path_of("half.safetensors"), &err),
                     MRC_ERR_UNSUPPORTED);
    assert_null(again);
    mrc_free(other);
    mrc_free(whole);
    mrc_free(src);
    mrc_cyclegan_destroy(gan);
}

static void mirror(float *dst, const float *src, int rows, int columns, int channels) {
    for (int i = 0; i < rows * columns; ++i)
        for (int c = 0; c < channels; ++c)
            dst[i * channels + c] =
                src[(i / columns * columns + columns - 1 - i % columns) * channels + c];
}

/* What the mirrored slice becomes is the mirror image of what the slice becomes, to the bit. */
static void test_mirror(void **unused) {
    (void)unused;
    enum { COUNT = 5, SIDE = 32, C = 3, ROWS = COUNT * SIDE, N = ROWS * SIDE * C };
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
    settings.generator = MRC_GENERATOR_HYBRID;
    settings.size = SIDE;
    settings.channels = C;
    settings.generator_width = settings.discriminator_width = 2;
    mrc_cyclegan *gan = NULL;
    assert_ok(mrc_cyclegan_create(&gan, &settings, &err), &err);
    save(gan, false, false, path_of("mirror.safetensors"));
    float *src = mrc_alloc(N, sizeof(float)), *turned = mrc_alloc(N, sizeof(float)),
          *once = mrc_alloc(N, sizeof(float)), *other = mrc_alloc(N, sizeof(float)),
          *both = mrc_alloc(N, sizeof(float));
    struct mrc_rng rng = mrc_rng_for(2, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < N; ++i) src[i] = (float)mrc_rng_uniform(&rng);
    mirror(turned, src, ROWS, SIDE, C);
    assert_ok(mrc_generator_load(&g, &info, path_of("mirror.safetensors"), MRC_NET_G, 0, 2, &err),
              &err);
    mrc_generator_apply(g, once, src, COUNT);
    mrc_generator_apply(g, other, turned, COUNT);
    mrc_generator_set_mirror(g, true);
    mrc_generator_apply(g, both, src, COUNT);
    mrc_generator_apply(g, src, turned, COUNT);
    mirror(turned, both, ROWS, SIDE, C);
    assert_memory_equal(turned, src, N * sizeof(float));
    mirror(turned, other, ROWS, SIDE, C);
    assert_true(furthest(once, turned, N) > 1e-3); /* the generator itself is not symmetric */
    for (int i = 0; i < N; ++i) assert_true(both[i] == 0.5f * (once[i] + turned[i]));
    mrc_generator_destroy(g);
    mrc_cyclegan_destroy(gan);
    mrc_free(both);
    mrc_free(other);
    mrc_free(once);
    mrc_free(turned);
    mrc_free(src);
}

/* A local generator does not know how large an image is: what stands in a corner of a larger one
 * becomes the same, but for the rim that sees the neighbourhood. A U-Net down to one pixel keeps
 * its size. */
static void test_generator_sizes(void **unused) {
    (void)unused;
    enum { SMALL = 32, LARGE = 48, RIM = 4 };
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    float src[SMALL * SMALL], dst[SMALL * SMALL], larger[LARGE * LARGE], made[LARGE * LARGE];
    struct mrc_rng rng = mrc_rng_for(3, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < LARGE * LARGE; ++i) larger[i] = (float)mrc_rng_uniform(&rng);
    for (int i = 0; i < SMALL * SMALL; ++i) src[i] = larger[i / SMALL * LARGE + i % SMALL];
    mrc_cyclegan *gan = make_gan(MRC_GENERATOR_LOCAL, 0.0, 1);
    const char *path = path_of("local.safetensors");
    save(gan, false, false, path);
    apply(dst, src, 1, path, MRC_NET_G, 1);
    assert_ok(mrc_generator_load(&g, &info, path, MRC_NET_G, LARGE, 1, &err), &err);
    assert_int_equal(mrc_generator_size(g), LARGE);
    assert_int_equal(info.settings.size, SMALL);
    mrc_generator_apply(g, made, larger, 1);
    mrc_generator_destroy(g);
    for (int y = 0; y < SMALL - RIM; ++y)
        for (int x = 0; x < SMALL - RIM; ++x)
            assert_true(fabsf(dst[y * SMALL + x] - made[y * LARGE + x]) < 1e-5f);
    assert_int_equal(mrc_generator_load(&g, &info, path, MRC_NET_G, 8, 1, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    mrc_cyclegan_destroy(gan);

    gan = make_gan(MRC_GENERATOR_HYBRID, 0.0, 1);
    save(gan, false, false, path);
    assert_int_equal(mrc_generator_load(&g, &info, path, MRC_NET_G, LARGE, 1, &err),
                     MRC_ERR_UNSUPPORTED);
    mrc_error_clear(&err);
    assert_ok(mrc_generator_load(&g, &info, path, MRC_NET_G, SMALL, 1, &err), &err);
    mrc_generator_destroy(g);
    mrc_cyclegan_destroy(gan);
}

/* A U-Net that does not go down to one pixel is the same net for all sizes it can halve: weights
 * from small slices make of large ones what the net for large ones with those weights makes. */
static void test_shallow_unet_sizes(void **unused) {
    (void)unused;
    enum { SMALL = 32, LARGE = 48, STEP = 8 };
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    float src[LARGE * LARGE], dst[LARGE * LARGE];
    struct mrc_rng rng = mrc_rng_for(4, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < LARGE * LARGE; ++i) src[i] = (float)mrc_rng_uniform(&rng);
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    s.generator = MRC_GENERATOR_HYBRID;
    s.size = SMALL;
    s.generator_width = s.discriminator_width = 2;
    s.depth = 4; /* 32, 16, 8, 4 pixels */
    s.batch = 1;
    mrc_cyclegan *gan = NULL;
    assert_ok(mrc_cyclegan_create(&gan, &s, &err), &err);
    assert_int_equal(mrc_cyclegan_side_step(&s, MRC_NET_F), STEP);
    const char *path = path_of("shallow.safetensors");
    save(gan, false, false, path);
    assert_ok(mrc_generator_load(&g, &info, path, MRC_NET_G, LARGE, 1, &err), &err);
    mrc_generator_apply(g, dst, src, 1);
    mrc_generator_destroy(g);

    struct mrc_generator_settings large = {.channels = 1,
                                           .h = 2 * SMALL,
                                           .w = 2 * SMALL,
                                           .width = s.generator_width,
                                           .depth = s.depth};
    mrc_net *net = NULL, *trained = mrc_cyclegan_net_of(gan, MRC_NET_G);
    mrc_plan *plan = NULL;
    mrc_pass *pass = NULL;
    assert_ok(mrc_generator_net_create(&net, MRC_GENERATOR_HYBRID, &large, &err), &err);
    assert_int_equal(mrc_net_size(net), mrc_net_size(trained));
    memcpy(mrc_net_values(net), mrc_net_values(trained), mrc_net_size(net) * sizeof(float));
    struct mrc_shape in = {.n = 1, .c = 1, .d = 1, .h = LARGE, .w = LARGE};
    assert_ok(mrc_plan_create(&plan, net, in, MRC_PLAN_INFERENCE, &err), &err);
    void *scratch = mrc_alloc(mrc_plan_scratch_bytes(plan), 1);
    assert_ok(mrc_pass_create(&pass, net, plan, scratch, &err), &err);
    assert_memory_equal(mrc_pass_forward(pass, src), dst, sizeof dst);
    mrc_pass_destroy(pass);
    mrc_free(scratch);
    mrc_plan_destroy(plan);
    mrc_net_destroy(net);

    assert_int_equal(mrc_generator_load(&g, &info, path, MRC_NET_G, LARGE + 4, 1, &err),
                     MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "in steps of 8"));
    mrc_error_clear(&err);
    mrc_cyclegan_destroy(gan);
    s.depth = 6; /* down to one pixel */
    assert_int_equal(mrc_cyclegan_side_step(&s, MRC_NET_F), 0);
}

/* --- Half precision --- */

static void test_half(void **unused) {
    (void)unused;
    for (uint32_t h = 0; h <= 0xffff; ++h) {
        float f = mrc_half_to_float((uint16_t)h);
        if (isnan(f))
            assert_true((mrc_half_from_float(f) & 0x7fff) > 0x7c00);
        else if (mrc_half_from_float(f) != h)
            fail_msg("half %04x became %04x", h, mrc_half_from_float(f));
    }
    const struct {
        float value;
        uint16_t half;
    } cases[] = {
        {1.0f, 0x3c00},           {-2.0f, 0xc000},          {65504.0f, 0x7bff},
        {65519.996f, 0x7bff},     {65520.0f, 0x7c00},       {1e30f, 0x7c00},
        {-1e30f, 0xfc00},         {5.9604645e-8f, 0x0001},  {2.9802322e-8f, 0x0000},
        {2.9802326e-8f, 0x0001},  {8.9406967e-8f, 0x0002},  {6.0975552e-5f, 0x03ff},
        {6.1020e-5f, 0x0400},     {0.0f, 0x0000},           {-0.0f, 0x8000},
        {1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02}, {1.0004885f, 0x3c01},
        {0.1f, 0x2e66},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i)
        if (mrc_half_from_float(cases[i].value) != cases[i].half)
            fail_msg("%.9g became %04x, expected %04x", (double)cases[i].value,
                     mrc_half_from_float(cases[i].value), cases[i].half);
}

/* --- Files that are refused --- */

/* Bytes of a file with this header, and so many bytes of data. The caller frees. */
static unsigned char *make_file(const char *header, size_t data_bytes, size_t *size) {
    uint64_t length = strlen(header);
    *size = 8 + (size_t)length + data_bytes;
    unsigned char *bytes = mrc_alloc(*size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, (size_t)length);
    return bytes;
}

static void test_bad_headers(void **unused) {
    (void)unused;
    static const struct {
        const char *header;
        size_t data_bytes;
        enum mrc_status status;
        const char *says;
    } cases[] = {
        {"{}", 0, MRC_OK, ""},
        {"{}   \n ", 0, MRC_OK, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, MRC_OK, ""},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}}", 2, MRC_OK, ""},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0, MRC_OK, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"__metadata__\":{\"k\":"
         "\"v\"}}",
         8, MRC_OK, ""},
        {"", 0, MRC_ERR_FORMAT, "not one JSON object"},
        {"[]", 0, MRC_ERR_FORMAT, "not one JSON object"},
        {"{} x", 0, MRC_ERR_FORMAT, "not one JSON object"},
        {"{", 0, MRC_ERR_FORMAT, "not one JSON object"},
        {"{}", 4, MRC_ERR_FORMAT, "tensors take 0 bytes, the file holds 4"},
        {"{\"a\":1}", 0, MRC_ERR_FORMAT, "tensor a is not described by an object"},
        {"{\"a\":{}}", 0, MRC_ERR_FORMAT, "tensor a has no dtype"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT,
         "empty"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
         MRC_ERR_UNSUPPORTED, "BF16"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         MRC_ERR_FORMAT, "8 dim"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT,
         "does not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT,
         "does not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         MRC_ERR_FORMAT, "does not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT,
         "does not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, MRC_ERR_FORMAT,
         "do not match its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, MRC_ERR_FORMAT,
         "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, MRC_ERR_FORMAT,
         "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, MRC_ERR_FORMAT,
         "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, MRC_ERR_FORMAT,
         "gap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, MRC_ERR_FORMAT, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, MRC_ERR_FORMAT, "is there twice"},
        {"{\"__metadata__\":{\"k\":1}}", 0, MRC_ERR_FORMAT, "not a string"},
        {"{\"__metadata__\":[],\"b\":1}", 0, MRC_ERR_FORMAT, "not one object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct mrc_error err = {0};
        mrc_safetensors *file = NULL;
        size_t size = 0;
        unsigned char *bytes = make_file(cases[i].header, cases[i].data_bytes, &size);
        enum mrc_status st =
            mrc_safetensors_parse(&file, bytes, size, size, "file.safetensors", &err);
        if (st != cases[i].status)
            fail_msg("%s: %s %s", cases[i].header, mrc_status_name(st), err.text);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: says %s", cases[i].header, err.text);
        if (st != MRC_OK) assert_non_null(strstr(err.text, "file.safetensors: "));
        mrc_safetensors_close(file);
        mrc_free(bytes);
    }
}

static void test_header_length(void **unused) {
    (void)unused;
    const uint64_t lengths[] = {3, 100000001, UINT64_MAX};
    for (size_t i = 0; i < 3; ++i) {
        struct mrc_error err = {0};
        mrc_safetensors *file = NULL;
        unsigned char bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        memcpy(bytes, &lengths[i], 8);
        uint64_t file_bytes = i == 1 ? 200000000 : sizeof(bytes);
        assert_int_equal(mrc_safetensors_parse(&file, bytes, sizeof(bytes), file_bytes, "f", &err),
                         i == 1 ? MRC_ERR_RANGE : MRC_ERR_FORMAT);
        assert_null(file);
        mrc_error_clear(&err);
        assert_int_equal(mrc_safetensors_parse(&file, bytes, 7, 7, "f", &err), MRC_ERR_FORMAT);
    }
}

static void assert_refused(const char *path, enum mrc_status status, const char *says) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    enum mrc_status st = mrc_generator_load(&g, &info, path, MRC_NET_G, 0, 1, &err);
    if (st != status || strstr(err.text, says) == NULL)
        fail_msg("%s: %s", mrc_status_name(st), err.text);
    assert_null(g);
    assert_non_null(strstr(err.text, path));
}

static void test_changed_files(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    char path[128];
    (void)snprintf(path, sizeof(path), "%s", path_of("file.safetensors"));
    mrc_cyclegan *gan = make_gan(MRC_GENERATOR_UNET, 0.0, 0);
    save(gan, false, true, path);
    mrc_cyclegan_destroy(gan);
    unsigned char *bytes = NULL;
    size_t size = 0;
    assert_ok(mrc_read_file(&bytes, &size, path, (size_t)1 << 26, &err), &err);
    assert_true(mrc_checkpoint_probe(bytes, size));
    assert_false(mrc_checkpoint_probe((const unsigned char *)"\x89PNG\r\n\x1a\n{}", 10));
    uint64_t header = 0;
    memcpy(&header, bytes, 8);
    assert_int_equal(header % 8, 0);

    assert_refused(path_of("missing.safetensors"), MRC_ERR_IO, "No such file");
    assert_refused(folder, MRC_ERR_IO, "is a folder");
    assert_ok(mrc_write_file(path, bytes, 5, &err), &err);
    assert_refused(path, MRC_ERR_FORMAT, "file of 5 bytes");
    assert_ok(mrc_write_file(path, bytes, size - 2, &err), &err);
    assert_refused(path, MRC_ERR_FORMAT, "outside the file");
    assert_ok(mrc_write_file(path, bytes, 100, &err), &err);
    assert_refused(path, MRC_ERR_FORMAT, "cut short");
    bytes[size - 1] ^= 1;
    assert_ok(mrc_write_file(path, bytes, size, &err), &err);
    assert_refused(path, MRC_ERR_FORMAT, "the file was changed");
    bytes[size - 1] ^= 1;

    static const struct {
        const char *from, *to, *says; /* of equal length */
    } edits[] = {
        {"mrcycle-1", "mrcycle-9", "format \"mrcycle-9\", expected \"mrcycle-1\" or"},
        {"\"generator\":\"unet\"", "\"generator\":\"vnet\"", "\"generator\" is \"vnet\""},
        {"\"generator_width\":\"2\"", "\"generator_width\":\"3\"", "has a shape other than"},
        {"\"generator_width\":\"2\"", "\"generator_width\":\"x\"", "\"generator_width\" is \"x\""},
        {"\"size\":\"32\"", "\"size\":\"33\"", "a power of two"},
        {"\"size\":\"32\"", "\"size\":\"16\"", "\"size\" is \"16\""},
        {"\"0.5,95\"", "\"95,0.5\"", "metadata: normalise is \"95,0.5\", expected two percent"},
        {"\"1,1,32,32\"", "\"1,1,64,64\"", "sample is not of the networks' size"},
        {"\"channels\":", "\"chanells\":", "metadata without \"channels\""},
        {"G.dec2.conv.weight", "G.dec2.cone.weight", "tensor G.dec2.conv.weight is missing"},
    };
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); ++i) {
        size_t length = strlen(edits[i].from);
        unsigned char *at = NULL;
        for (size_t j = 8; j < 8 + header && at == NULL; ++j)
            if (memcmp(bytes + j, edits[i].from, length) == 0) at = bytes + j;
        assert_non_null(at);
        memcpy(at, edits[i].to, length);
        assert_ok(mrc_write_file(path, bytes, size, &err), &err);
        assert_refused(path, MRC_ERR_FORMAT, edits[i].says);
        memcpy(at, edits[i].from, length);
    }
    mrc_free(bytes);
}

static void test_cannot_write(void **unused) {
    (void)unused;
    struct mrc_error err = {0};
    struct mrc_checkpoint_options options = {.complete = true};
    mrc_cyclegan *gan = make_gan(MRC_GENERATOR_LOCAL, 0.0, 0);
    assert_int_equal(
        mrc_checkpoint_save(gan, &words, &options, path_of("none/file.safetensors"), &err),
        MRC_ERR_WRITE);
    assert_non_null(strstr(err.text, "none/file.safetensors"));
    mrc_cyclegan_destroy(gan);
}

/* --- Memory that runs out --- */

static enum mrc_status save_again(const mrc_cyclegan *gan) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_options options = {.complete = true};
    return mrc_checkpoint_save(gan, &words, &options, path_of("memory.safetensors"), &err);
}

static enum mrc_status load_again(void) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = mrc_checkpoint_load(&gan, &info, path_of("memory.safetensors"), &err);
    mrc_cyclegan_destroy(gan);
    return st;
}

static enum mrc_status load_one_again(void) {
    struct mrc_error err = {0};
    struct mrc_checkpoint_info info;
    mrc_generator *g = NULL;
    enum mrc_status st =
        mrc_generator_load(&g, &info, path_of("memory.safetensors"), MRC_NET_F, 0, 2, &err);
    mrc_generator_destroy(g);
    return st;
}

/* The contract comes back; where it is not the plain one, readers that would not heed it are told by
 * the format. */
static void test_contract(void **unused) {
    (void)unused;
    mrc_cyclegan *gan = make_gan(MRC_GENERATOR_LOCAL, 0.0, 0);
    struct mrc_checkpoint_options options = {.half = false};
    struct mrc_checkpoint_info info = words, read;
    struct mrc_error err = {0};
    save(gan, false, false, path_of("plain"));
    assert_ok(mrc_checkpoint_describe(&read, path_of("plain"), &err), &err);
    assert_string_equal(read.format, "mrcycle-1");
    assert_true(mrc_contract_is_plain(&read.contract));
    assert_int_equal(read.contract.sample.h, 32);
    info.contract = mrc_contract_of_slices(64, 1, false);
    info.contract.low_percentile = 1.0;
    info.contract.high_percentile = 99.0;
    info.contract.room[1] = 2.2;
    assert_ok(mrc_checkpoint_save(gan, &info, &options, path_of("roomy"), &err), &err);
    assert_ok(mrc_checkpoint_describe(&read, path_of("roomy"), &err), &err);
    assert_string_equal(read.format, "mrcycle-2");
    assert_true(read.contract.low_percentile == 1.0 && read.contract.high_percentile == 99.0);
    assert_true(read.contract.room[0] == 1.0 && read.contract.room[1] == 2.2);
    assert_int_equal(read.contract.sample.h, 32); /* the networks' */
    read.contract = mrc_contract_of_slices(32, 1, false);
    char roomy[128];
    (void)snprintf(roomy, sizeof roomy, "%s", path_of("roomy"));
    assert_ok(mrc_checkpoint_rewrite(roomy, &read, path_of("again"), &err), &err);
    assert_ok(mrc_checkpoint_describe(&read, path_of("again"), &err), &err);
    assert_string_equal(read.format, "mrcycle-1");
    mrc_cyclegan_destroy(gan);
}

/* A training that begins with a model has its weights, its averages too, and no steps behind it. */
static void test_begin_with(void **unused) {
    (void)unused;
    mrc_cyclegan *trained = make_gan(MRC_GENERATOR_HYBRID, 0.9, 3);
    mrc_cyclegan *fresh = make_gan(MRC_GENERATOR_HYBRID, 0.9, 0);
    mrc_cyclegan *other = make_gan(MRC_GENERATOR_LOCAL, 0.9, 0);
    struct mrc_checkpoint_info info;
    struct mrc_error err = {0};
    save(trained, true, false, path_of("all"));
    save(trained, false, false, path_of("generators"));
    for (int complete = 0; complete < 2; ++complete) {
        assert_ok(
            mrc_checkpoint_begin_with(fresh, &info, path_of(complete ? "all" : "generators"), &err),
            &err);
        assert_int_equal(mrc_cyclegan_steps(fresh), 0);
        for (int n = 0; n < MRC_NET_COUNT; ++n) {
            enum mrc_cyclegan_net which = (enum mrc_cyclegan_net)n;
            mrc_net *net = mrc_cyclegan_net_of(fresh, which);
            const size_t bytes = mrc_net_size(net) * sizeof(float);
            const bool generator = n < 2, taken = generator || complete == 1;
            const float *from = generator ? mrc_cyclegan_best_weights(trained, which)
                                          : mrc_net_values(mrc_cyclegan_net_of(trained, which));
            assert_int_equal(memcmp(mrc_net_values(net), from, bytes) == 0, taken);
            if (generator)
                assert_memory_equal(mrc_cyclegan_best_weights(fresh, which), from, bytes);
        }
    }
    assert_int_equal(mrc_checkpoint_begin_with(other, &info, path_of("all"), &err),
                     MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "of another kind"));
    mrc_cyclegan_destroy(other);
    mrc_cyclegan_destroy(fresh);
    mrc_cyclegan_destroy(trained);
}

static void test_out_of_memory(void **unused) {
    (void)unused;
    mrc_cyclegan *gan = make_gan_of_width(1, MRC_GENERATOR_LOCAL, 0.5, 0);
    enum mrc_status st = MRC_OK;
    MRC_TRY_EVERY_FAILURE(st, save_again(gan));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, load_again());
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, load_one_again());
    assert_int_equal(st, MRC_OK);
    mrc_cyclegan_destroy(gan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_generator_sizes),
        cmocka_unit_test(test_shallow_unet_sizes),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_changed_files),
        cmocka_unit_test(test_cannot_write),
        cmocka_unit_test(test_contract),
        cmocka_unit_test(test_begin_with),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
