/* write_checkpoint.c FOLDER: a complete checkpoint of a 64x64 model after one step, images and what
 * G makes of them, for test_load_in_torch.py. */
#include <stdio.h>

#include "base/fs.h"
#include "base/rng.h"
#include "model/files/checkpoint.h"

enum { BATCH = 2, SIDE = 64, FLOATS = BATCH * SIDE * SIDE };
static float input[FLOATS], output[FLOATS];

static enum mrc_status write_all(const char *folder, struct mrc_error *err) {
    struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
    settings.generator_width = settings.discriminator_width = 4;
    settings.batch = BATCH;
    const struct mrc_checkpoint_info words = {.name = "test", .version = "0", .data = "noise"};
    const struct mrc_checkpoint_options options = {.complete = true};
    struct mrc_checkpoint_info info;
    struct mrc_losses losses;
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < FLOATS; ++i) input[i] = (float)mrc_rng_uniform(&rng);

    char path[3][512];
    static const char *const names[3] = {"model.safetensors", "input.f32", "output.f32"};
    for (int i = 0; i < 3; ++i) (void)snprintf(path[i], sizeof(path[i]), "%s/%s", folder, names[i]);
    mrc_cyclegan *gan = NULL;
    mrc_generator *generator = NULL;
    enum mrc_status st = mrc_cyclegan_create(&gan, &settings, err);
    if (st == MRC_OK) st = mrc_cyclegan_step(gan, &losses, input, input, err);
    if (st == MRC_OK) st = mrc_checkpoint_save(gan, &words, &options, path[0], err);
    if (st == MRC_OK) st = mrc_generator_load(&generator, &info, path[0], MRC_NET_G, 0, BATCH, err);
    if (st == MRC_OK) {
        mrc_generator_apply(generator, output, input, BATCH);
        st = mrc_write_file(path[1], input, sizeof(input), err);
    }
    if (st == MRC_OK) st = mrc_write_file(path[2], output, sizeof(output), err);
    mrc_generator_destroy(generator);
    mrc_cyclegan_destroy(gan);
    return st;
}

int main(int argc, char **argv) {
    struct mrc_error err = {0};
    if (argc != 2 || write_all(argv[1], &err) != MRC_OK) {
        (void)fprintf(stderr, "write_checkpoint: %s\n",
                      argc != 2 ? "one folder is expected" : err.text);
        return 1;
    }
    return 0;
}
