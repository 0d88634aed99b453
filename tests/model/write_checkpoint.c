/* write_checkpoint.c FOLDER: for each kind of generator a folder with a complete checkpoint after one
 * step (complete.safetensors), the generators alone (model.safetensors), G and F as ONNX, images, and
 * what G and F make of them; for test_load_in_torch.py and test_onnx.py. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/rng.h"
#include "model/files/checkpoint.h"
#include "model/files/onnx.h"

enum { BATCH = 2, IMAGES = 3 };

static const struct kind {
    const char *name;
    enum mrc_generator_kind generator;
    int64_t generator_f, size, depth, channels, side; /* side: applied to, where it is not `size` */
    double ema;
} kinds[] = {
    {"unet", MRC_GENERATOR_UNET, 0, 64, 0, 1, 0, 0.0},
    {"unet_of_depth", MRC_GENERATOR_UNET, 0, 64, 4, 3, 48, 0.9},
    {"local", MRC_GENERATOR_LOCAL, 0, 64, 0, 1, 50, 0.0},
    {"hybrid", MRC_GENERATOR_HYBRID, 0, 64, 0, 1, 0, 0.0},
    {"hybrid_of_depth", MRC_GENERATOR_HYBRID, 0, 64, 4, 1, 96, 0.99},
    {"shuffle", MRC_GENERATOR_SHUFFLE, 0, 64, 0, 1, 96, 0.9},
    {"shuffle_of_depth", MRC_GENERATOR_SHUFFLE, 0, 64, 3, 3, 0, 0.0},
    {"local_and_hybrid", MRC_GENERATOR_LOCAL, 1 + MRC_GENERATOR_HYBRID, 32, 3, 3, 0, 0.99},
};

static enum mrc_status write_floats(const char *folder, const char *name, const float *values,
                                    size_t count, struct mrc_error *err) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s.f32", folder, name);
    return mrc_write_file(path, values, count * sizeof *values, err);
}

/* One generator: what it makes of the images, and itself as ONNX. */
static enum mrc_status write_generator(const char *folder, const char *model,
                                       enum mrc_cyclegan_net which, const float *in, int64_t side,
                                       size_t count, struct mrc_error *err) {
    struct mrc_checkpoint_info info;
    mrc_generator *generator = NULL;
    char path[600];
    float *out = mrc_alloc(count, sizeof *out);
    if (out == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    enum mrc_status st = mrc_generator_load(&generator, &info, model, which, side, BATCH, err);
    if (st == MRC_OK) {
        mrc_generator_apply(generator, out, in, IMAGES);
        st = write_floats(folder, mrc_cyclegan_net_name(which), out, count, err);
    }
    (void)snprintf(path, sizeof path, "%s/%s.onnx", folder, mrc_cyclegan_net_name(which));
    if (st == MRC_OK) st = mrc_onnx_save(model, which, path, err);
    mrc_generator_destroy(generator);
    mrc_free(out);
    return st;
}

static enum mrc_status write_models(const char *folder, const struct kind *kind,
                                    struct mrc_error *err) {
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    s.generator = kind->generator;
    s.generator_f = kind->generator_f;
    s.size = kind->size;
    s.depth = kind->depth;
    s.channels = kind->channels;
    s.ema_decay = kind->ema;
    s.generator_width = s.discriminator_width = 4;
    s.init_gain = 0.1;
    s.batch = BATCH;
    const struct mrc_checkpoint_info words = {.name = "test", .version = "0", .data = "noise"};
    struct mrc_losses losses;
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    const size_t count = (size_t)(BATCH * s.size * s.size * s.channels);
    float *images = mrc_alloc(count, sizeof *images);
    if (images == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < count; ++i) images[i] = (float)mrc_rng_uniform(&rng);
    mrc_cyclegan *gan = NULL;
    enum mrc_status st = mrc_cyclegan_create(&gan, &s, err);
    if (st == MRC_OK) st = mrc_cyclegan_step(gan, &losses, images, images, err);
    for (int complete = 0; st == MRC_OK && complete < 2; ++complete) {
        const struct mrc_checkpoint_options options = {.complete = complete != 0};
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s.safetensors", folder,
                       complete != 0 ? "complete" : "model");
        st = mrc_checkpoint_save(gan, &words, &options, path, err);
    }
    mrc_cyclegan_destroy(gan);
    mrc_free(images);
    return st;
}

static enum mrc_status write_kind(const char *parent, const struct kind *kind,
                                  struct mrc_error *err) {
    char folder[500], model[600];
    (void)snprintf(folder, sizeof folder, "%s/%s", parent, kind->name);
    (void)snprintf(model, sizeof model, "%s/model.safetensors", folder);
    const int64_t side = kind->side > 0 ? kind->side : kind->size;
    const size_t count = (size_t)(IMAGES * side * side * kind->channels);
    struct mrc_rng rng = mrc_rng_for(2, 0, 0, MRC_FOR_TEST);
    float *in = mrc_alloc(count, sizeof *in);
    if (in == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < count; ++i) in[i] = (float)mrc_rng_uniform(&rng);
    enum mrc_status st = mrc_make_dirs(folder, err);
    if (st == MRC_OK) st = write_models(folder, kind, err);
    if (st == MRC_OK) st = write_floats(folder, "input", in, count, err);
    for (int which = MRC_NET_G; st == MRC_OK && which <= MRC_NET_F; ++which)
        st = write_generator(folder, model, (enum mrc_cyclegan_net)which, in, side, count, err);
    mrc_free(in);
    return st;
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    enum mrc_status st = argc == 2 ? MRC_OK : mrc_fail(&err, MRC_ERR_ARGUMENT, "one folder");
    for (size_t n = 0; st == MRC_OK && n < sizeof kinds / sizeof *kinds; ++n)
        st = write_kind(argv[1], &kinds[n], &err);
    if (st != MRC_OK) (void)fprintf(stderr, "write_checkpoint: %s\n", err.text);
    return st != MRC_OK;
}
