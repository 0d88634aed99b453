/* settings.h: every setting of a model and every loss of its training, a row each. From the rows come
 * the members of the records, their defaults and ranges, the strings in checkpoints, settings.json,
 * the options and help of `train`, presets, `info`, the columns of log.csv and the curves. So a new
 * setting or loss is a row here and the place that uses it. */
#ifndef MRC_MODEL_GAN_SETTINGS_H
#define MRC_MODEL_GAN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/engine/net.h"
#include "model/gan/diff_augment.h"
#include "model/gan/structure.h"
#include "model/nets/generator.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_gan_mode { MRC_GAN_BCE, MRC_GAN_LSGAN, MRC_GAN_HINGE };
MRC_API const char *mrc_gan_mode_name(
    enum mrc_gan_mode mode); /* "bce" (with logits), "lsgan", "hinge" */
/** "vanilla" is "bce" too, as other programs call it. */
MRC_STATUS mrc_gan_mode_parse(enum mrc_gan_mode *out, const char *text, struct mrc_error *err);

/* --- Settings of any record --- */

/** What a member is, and how it is written. */
enum mrc_setting_kind {
    MRC_SETTING_WHOLE, /* int64_t */
    MRC_SETTING_REAL,  /* double */
    MRC_SETTING_SEED, /* uint64_t up to INT64_MAX; in JSON a string, for a double does not hold it */
    MRC_SETTING_FLAG,        /* bool; with `choices`, the second of two words is true */
    MRC_SETTING_CHOICE,      /* int64_t, the number of one of `choices` */
    MRC_SETTING_WORDS,       /* const char *, of the caller; at most `hi` characters, 0: any */
    MRC_SETTING_GENERATOR,   /* enum mrc_generator_kind; "local,hybrid" sets the next one too */
    MRC_SETTING_GENERATOR_F, /* int64_t: 0 as G, else 1 + the kind */
    MRC_SETTING_GAN_MODE,
    MRC_SETTING_STRUCTURE,    /* enum mrc_structure_kind */
    MRC_SETTING_DIFF_AUGMENT, /* int64_t, bits of enum mrc_diff_augment */
    MRC_SETTING_INIT_TYPE     /* enum mrc_init_kind */
};
#define MRC_TYPE_WHOLE        int64_t
#define MRC_TYPE_REAL         double
#define MRC_TYPE_SEED         uint64_t
#define MRC_TYPE_GENERATOR    enum mrc_generator_kind
#define MRC_TYPE_GENERATOR_F  int64_t
#define MRC_TYPE_GAN_MODE     enum mrc_gan_mode
#define MRC_TYPE_STRUCTURE    enum mrc_structure_kind
#define MRC_TYPE_DIFF_AUGMENT int64_t
#define MRC_TYPE_INIT_TYPE    enum mrc_init_kind

/** Under which heading of the help an option stands. */
enum mrc_setting_topic {
    MRC_TOPIC_TRAINING = 2,
    MRC_TOPIC_NETWORKS,
    MRC_TOPIC_DATA,
    MRC_TOPIC_RUN
};
struct mrc_setting {
    const char *key;                 /* the member, as checkpoints call it */
    const char *json;                /* in settings.json and `info --json` */
    const char *option, *arg, *help; /* of `train`, and in presets; option NULL: none */
    const char *before; /* the words of files that were written before there was such a setting;
                           NULL: all have it */
    const char *const *choices; /* ends with NULL */
    enum mrc_setting_kind kind;
    enum mrc_setting_topic topic;
    size_t offset; /* into the record */
    double lo, hi; /* of numbers */
};
enum { MRC_SETTING_TEXT = 256 };
/** The words that mrc_setting_parse reads. */
MRC_API void mrc_setting_print(char out[MRC_SETTING_TEXT], const void *record,
                               const struct mrc_setting *setting);
/** Sets the member of the record. MRC_ERR_ARGUMENT: "batch is "x", expected …". WORDS keep the
 * pointer. */
MRC_STATUS mrc_setting_parse(void *record, const struct mrc_setting *setting, const char *text,
                             struct mrc_error *err);
/** Is the number in its range? MRC_ERR_ARGUMENT. */
MRC_STATUS mrc_setting_check(const void *record, const struct mrc_setting *setting,
                             struct mrc_error *err);

/* --- Settings of a model --- */

/* member, KIND, default, lo, hi, key in JSON, option, its value, TOPIC, `before`, help */
#define MRC_CYCLEGAN_SETTINGS(ROW)                                                                 \
    ROW(generator, GENERATOR, MRC_GENERATOR_UNET, 0, 0, "generator", "generator", "KIND",          \
        NETWORKS, NULL,                                                                            \
        "unet, local, hybrid, shuffle, resnet, mesh or separable; local,hybrid: local one way, "   \
        "hybrid back")                                                                             \
    ROW(generator_f, GENERATOR_F, 0, 0, MRC_GENERATOR_KINDS, "generator_f", NULL, NULL, NETWORKS,  \
        "0", NULL)                                                                                 \
    ROW(depth, WHOLE, 0, 0, 16, "depth", "depth", "N", NETWORKS, "0",                              \
        "Blocks of the U-Net on the way down, the first at full size (of shuffle at a quarter of " \
        "the sides); 0: down to one pixel (of shuffle 4 blocks); of resnet and separable the "     \
        "residual blocks, 0: 9")                                                                   \
    ROW(gan_mode, GAN_MODE, MRC_GAN_BCE, 0, 0, "gan", "gan-mode", "LOSS", TRAINING, NULL,          \
        "vanilla (binary cross-entropy, also called bce), lsgan or hinge")                         \
    ROW(size, WHOLE, 64, 32, 1024, "size", "size", "N", NETWORKS, NULL,                            \
        "Pixels a side; of a prepared set its own; a power of two where the U-Net goes down to "   \
        "one pixel")                                                                               \
    ROW(channels, WHOLE, 1, 1, 3, "channels", "channels", "N", NETWORKS, NULL,                     \
        "1, or 3: a slice and its neighbours; of a prepared set its own")                          \
    ROW(generator_width, WHOLE, 64, 1, 512, "generator_width", "width", "N", NETWORKS, NULL,       \
        "Base width of the generators, but of local")                                              \
    ROW(discriminator_width, WHOLE, 64, 1, 512, "discriminator_width", "disc-width", "N",          \
        NETWORKS, NULL, "Base width of the discriminators")                                        \
    ROW(batch, WHOLE, 8, 1, 4096, "batch", "batch", "N", TRAINING, NULL,                           \
        "Slices of each contrast a step")                                                          \
    ROW(lambda_cycle, REAL, 10.0, 0, 1e6, "lambda_cycle", "lambda-cycle", "X", TRAINING, NULL,     \
        "Weight of the cycle loss")                                                                \
    ROW(lambda_identity, REAL, 5.0, 0, 1e6, "lambda_identity", "lambda-identity", "X", TRAINING,   \
        NULL, "Weight of the identity loss; 0: none")                                              \
    ROW(learning_rate, REAL, 2e-4, 1e-12, 1, "learning_rate", "lr", "X", TRAINING, NULL,           \
        "Adam's learning rate")                                                                    \
    ROW(beta1, REAL, 0.5, 0, 1.0 - 1e-9, "beta1", "beta1", "X", TRAINING, NULL,                    \
        "Adam's first decay")                                                                      \
    ROW(beta2, REAL, 0.999, 0, 1.0 - 1e-9, "beta2", NULL, NULL, TRAINING, NULL, NULL)              \
    ROW(adam_eps, REAL, 1e-8, 1e-30, 1, "adam_eps", NULL, NULL, TRAINING, NULL, NULL)              \
    ROW(ema_decay, REAL, 0.0, 0, 1.0 - 1e-9, "ema_decay", "ema", "DECAY", TRAINING, NULL,          \
        "Keep a moving average of the generators, e.g. 0.999, and use it; 0: none")                \
    ROW(r1_gamma, REAL, 0.0, 0, 1e6, "r1_gamma", "r1", "GAMMA", TRAINING, "0",                     \
        "Weight of the R1 penalty, every 8th step, that keeps discriminators from winning; 1 is "  \
        "usual; 0: none")                                                                          \
    ROW(warm_up, WHOLE, 0, 0, 1e9, "warm_up", "warm-up", "N", TRAINING, "0",                       \
        "First steps, in which the generators learn the mean image of their target only, which "   \
        "needs heads that lie alike; with --lambda-paired the true images of pairs; 0: none")      \
    ROW(structure, STRUCTURE, MRC_STRUCTURE_NGF, 0, 0, "structure_loss", "structure-loss", "LOSS", \
        TRAINING, "ngf",                                                                           \
        "The structure loss: ngf (squared normalised gradient fields) or mind (neighbourhood "     \
        "descriptors)")                                                                            \
    ROW(lambda_structure, REAL, 0.0, 0, 1e6, "lambda_structure", "lambda-structure", "X",          \
        TRAINING, "0",                                                                             \
        "Weight of the structure loss, that asks the output to have its edges where the source "   \
        "has them, usually 0.5 to 5; 0: none")                                                     \
    ROW(lambda_paired, REAL, 0.0, 0, 1e6, "lambda_paired", "lambda-paired", "X", TRAINING, "0",    \
        "Weight of the distance to the true image, where images of SET belong together: their "    \
        "names agree but for the contrast and they lie on one grid; every other place of a batch " \
        "is such a pair; 0: none")                                                                 \
    ROW(lambda_ssim, REAL, 0.0, 0, 1e6, "lambda_ssim", "lambda-ssim", "X", TRAINING, "0",          \
        "Weight of 1 - SSIM beside the mean absolute difference from the true image of a pair "    \
        "during the warm-up; 0: the mean square alone")                                            \
    ROW(diff_augment, DIFF_AUGMENT, 0, 0, MRC_DIFF_ALL, "diffaugment", "diffaugment", "POLICY",    \
        TRAINING, "0",                                                                             \
        "Change what the discriminators see, real and fake alike: color (brightness and "          \
        "contrast, which can be named alone), translation, cutout, with commas between; none")     \
    ROW(init_type, INIT_TYPE, MRC_INIT_NORMAL, 0, 0, "init_type", "init-type", "KIND", TRAINING,   \
        "normal",                                                                                  \
        "First weights of the discriminators and U-Nets: normal, xavier, kaiming or orthogonal; "  \
        "a local branch begins near a copy")                                                       \
    ROW(init_gain, REAL, 0.02, 0, 100, "init_gain", "init-gain", "X", TRAINING, "0",               \
        "Deviation of normal, gain of xavier and orthogonal weights")                              \
    ROW(pool_size, WHOLE, 0, 0, 65536, "pool_size", "pool", "N", TRAINING, "0",                    \
        "Show discriminators earlier fakes out of a pool of N, usually 50; 0: none")               \
    ROW(seed, SEED, 1, 0, 0, "seed", "seed", "N", TRAINING, NULL, "Of everything random")

struct mrc_cyclegan_settings {
#define MRC_MEMBER_(member, kind, ...) MRC_TYPE_##kind member;
    MRC_CYCLEGAN_SETTINGS(MRC_MEMBER_)
#undef MRC_MEMBER_
};
/** The reference design (docs/architecture.md). */
#define MRC_DEFAULT_(member, kind, value, ...) .member = value,
#define MRC_CYCLEGAN_DEFAULTS                                                                      \
    { MRC_CYCLEGAN_SETTINGS(MRC_DEFAULT_) }
#define MRC_ONE_(...) +1
enum { MRC_CYCLEGAN_SETTING_COUNT = 0 MRC_CYCLEGAN_SETTINGS(MRC_ONE_) };
/** Rows of struct mrc_cyclegan_settings, in the order above. */
MRC_API const struct mrc_setting *mrc_cyclegan_setting(size_t index);

/* --- Losses --- */

enum mrc_loss_chart { MRC_CHART_NONE, MRC_CHART_IMAGES, MRC_CHART_CONTEST };
/* member, CHART, label: X and Y stand for the contrasts. In the order of the columns of log.csv. */
#define MRC_LOSSES(ROW)                                                                            \
    ROW(adversarial_g, CONTEST, "G against D_Y") /* of the generators' fakes */                    \
    ROW(adversarial_f, CONTEST, "F against D_X")                                                   \
    ROW(cycle_x, IMAGES, "cycle X")                                                                \
    ROW(cycle_y, IMAGES, "cycle Y")                                                                \
    ROW(identity_x, IMAGES, "identity X")                                                          \
    ROW(identity_y, IMAGES, "identity Y")                                                          \
    ROW(d_y_real, NONE, "D_Y on real") /* before the factor one half */                            \
    ROW(d_y_fake, NONE, "D_Y on fake")                                                             \
    ROW(d_x_real, NONE, "D_X on real")                                                             \
    ROW(d_x_fake, NONE, "D_X on fake")                                                             \
    ROW(total_d_x, CONTEST, "D_X")                                                                 \
    ROW(total_d_y, CONTEST, "D_Y")                                                                 \
    ROW(total_generator, NONE, "generators")                                                       \
    ROW(structure_g, IMAGES, "structure X to Y") /* of G(x) against x */                           \
    ROW(structure_f, IMAGES, "structure Y to X")                                                   \
    ROW(paired_x, IMAGES, "paired X") /* of F(y) against x, where partners */                      \
    ROW(paired_y, IMAGES, "paired Y")

/** Means over all elements, before weighting. */
struct mrc_losses {
#define MRC_MEMBER_(member, ...) double member;
    MRC_LOSSES(MRC_MEMBER_)
#undef MRC_MEMBER_
};
enum { MRC_LOSS_COUNT = 0 MRC_LOSSES(MRC_ONE_) };
struct mrc_loss {
    const char *name, *label; /* the column of log.csv; in pictures */
    enum mrc_loss_chart chart;
    size_t offset; /* into struct mrc_losses */
};
/** Rows of struct mrc_losses, in the order above. */
MRC_API const struct mrc_loss *mrc_loss_row(size_t index);
MRC_API double mrc_loss_value(const struct mrc_losses *losses, size_t index);
MRC_API void mrc_loss_set(struct mrc_losses *losses, size_t index, double value);

#ifdef __cplusplus
}
#endif
#endif
