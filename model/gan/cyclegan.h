/* cyclegan.h: the four networks and one training step.
 * Zhu, Park, Isola, Efros: "Unpaired image-to-image translation using cycle-consistent adversarial
 * networks" (ICCV 2017). Names follow the paper: G: X -> Y, F: Y -> X; D_Y judges y against G(x),
 * D_X judges x against F(y). X is T1w, Y is T2w. */
#ifndef MRC_MODEL_GAN_CYCLEGAN_H
#define MRC_MODEL_GAN_CYCLEGAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
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

struct mrc_cyclegan_settings {
    enum mrc_generator_kind generator; /* of G, and of F where generator_f is 0 */
    int64_t generator_f;               /* else 1 + F's enum mrc_generator_kind */
    enum mrc_gan_mode gan_mode;
    int64_t channels, size;
    int64_t generator_width, discriminator_width;
    int64_t depth; /* blocks of unet and hybrid on the way down, the first at full size; 0: down to
                      one pixel */
    int64_t batch;
    double lambda_cycle, lambda_identity;
    double learning_rate, beta1, beta2, adam_eps;
    double ema_decay; /* exponential moving average of the generators; 0: none */
    double r1_gamma;  /* weight of the R1 penalty of the discriminators; 0: none */
    int64_t warm_up;  /* first steps, in which each generator only learns the true image where the
                         partner is known and else the mean image of its target: a start at the
                         right place and polarity; 0: none */
    enum mrc_structure_kind structure;
    double lambda_structure; /* weight of the structure loss between source and output; 0: none */
    double lambda_ssim;      /* of the warm-up where the partner is known: mean |difference| +
                             lambda_ssim (1 - SSIM) instead of the mean square; 0: that */
    double lambda_paired; /* weight of the paired loss, on images whose partner is known; 0: none */
    int64_t diff_augment; /* enum mrc_diff_augment: what the discriminators' images go through */
    enum mrc_init_kind init_type; /* of all convolutions but those of the local branch */
    double init_gain;
    int64_t pool_size; /* fakes of each domain kept for the discriminators to see again; 0: none */
    uint64_t seed;     /* at most INT64_MAX, so that it can be typed */
};
/** The reference design (docs/architecture.md): U-Net, BCE, width 64, batch 8, cycle 10, identity
 * 5, Adam 2e-4, 0.5, 0.999, weights N(0, 0.02); no average, no penalty, no warm-up. */
#define MRC_CYCLEGAN_DEFAULTS                                                                      \
    {                                                                                              \
        .generator = MRC_GENERATOR_UNET, .gan_mode = MRC_GAN_BCE, .channels = 1, .size = 64,       \
        .generator_width = 64, .discriminator_width = 64, .batch = 8, .lambda_cycle = 10.0,        \
        .lambda_identity = 5.0, .learning_rate = 2e-4, .beta1 = 0.5, .beta2 = 0.999,               \
        .adam_eps = 1e-8, .ema_decay = 0.0, .r1_gamma = 0.0, .warm_up = 0, .seed = 1,              \
        .structure = MRC_STRUCTURE_NGF, .lambda_structure = 0.0, .lambda_paired = 0.0,             \
        .lambda_ssim = 0.0, .diff_augment = 0, .init_type = MRC_INIT_NORMAL, .init_gain = 0.02     \
    }

/** Means over all elements, before weighting; the D terms before the factor one half. */
struct mrc_losses {
    double adversarial_g, adversarial_f; /* G against D_Y, F against D_X */
    double cycle_x, cycle_y, identity_x, identity_y;
    double d_y_real, d_y_fake, d_x_real, d_x_fake;
    double total_generator, total_d_x, total_d_y;
    double structure_g, structure_f; /* of G(x) against x, of F(y) against y */
    double paired_x, paired_y;       /* of F(y) against x, of G(x) against y, where partners */
};

enum mrc_cyclegan_net { MRC_NET_G, MRC_NET_F, MRC_NET_D_X, MRC_NET_D_Y, MRC_NET_COUNT };
MRC_API const char *mrc_cyclegan_net_name(enum mrc_cyclegan_net which); /* "G", "F", "D_X", "D_Y" */

/** The kind of generator `which` (MRC_NET_G or MRC_NET_F) is. */
MRC_API enum mrc_generator_kind mrc_cyclegan_generator_of(const struct mrc_cyclegan_settings *s,
                                                          enum mrc_cyclegan_net which);
/** What the sides of slices for generator `which` are multiples of (mrc_generator_step). 0: it takes
 * slices of s->size only. */
MRC_API int64_t mrc_cyclegan_side_step(const struct mrc_cyclegan_settings *s,
                                       enum mrc_cyclegan_net which);
/** Does it take slices of `side` pixels a side: s->size, or such a multiple in this range? */
MRC_API bool mrc_cyclegan_takes_side(const struct mrc_cyclegan_settings *s,
                                     enum mrc_cyclegan_net which, int64_t side);

typedef struct mrc_cyclegan mrc_cyclegan;
/** Networks with initial weights, plans, passes and Adam state: everything a step needs.
 * MRC_ERR_ARGUMENT for settings out of range. Scratch is measured for the number of threads at this
 * call: with more threads later, steps run on one. */
MRC_STATUS mrc_cyclegan_create(mrc_cyclegan **out, const struct mrc_cyclegan_settings *settings,
                               struct mrc_error *err);
MRC_API void mrc_cyclegan_destroy(mrc_cyclegan *gan);
MRC_API const struct mrc_cyclegan_settings *mrc_cyclegan_get_settings(const mrc_cyclegan *gan);
MRC_API mrc_net *mrc_cyclegan_net_of(mrc_cyclegan *gan, enum mrc_cyclegan_net which);
/** Bytes this object holds, known before the first step. */
MRC_API size_t mrc_cyclegan_bytes(const mrc_cyclegan *gan);
/** *bytes: what mrc_cyclegan_create would take with these settings and the threads of this moment,
 * found without taking it. */
MRC_STATUS mrc_cyclegan_measure(size_t *bytes, const struct mrc_cyclegan_settings *settings,
                                struct mrc_error *err);

/** The mean images of X and Y [size][size][channels], which are copied. Needed before the first
 * step with warm_up > 0, and only then. */
MRC_API void mrc_cyclegan_set_means(mrc_cyclegan *gan, const float *mean_x, const float *mean_y);
/** For later steps: the settings' learning rate times `factor`, 0 … 1. */
MRC_API void mrc_cyclegan_scale_rate(mrc_cyclegan *gan, double factor);

/** For the next step: is y[i] the partner of x[i], the same slice of the same patient? Where it is,
 * F(y[i]) is compared with true_x[i] and G(x[i]) with true_y[i], which may be x[i] and y[i] or
 * these as they would be without noise. Copied; partners [batch], true_x, true_y
 * [batch][size][size][channels], of a team this process's share. At first none is. */
MRC_API void mrc_cyclegan_set_partners(mrc_cyclegan *gan, const bool *partners, const float *true_x,
                                       const float *true_y);

/** One step on x, y [batch][size][size][channels] in [0,1]: generators against the discriminators
 * as they are, discriminators on the fakes made before the generators' update, then four Adam
 * updates. The gradients stay in the nets until the next step. Every 8th step adds the R1 penalty.
 * The first warm_up steps are others: mean |G(x) - target|^2 and its twin, at ten times the rate,
 * the discriminators untouched; their sum is total_generator and all other losses are 0. The target
 * is true_y where y is the partner, else the mean y. With lambda_ssim the loss against a partner is
 * mean |G(x) - true_y| + lambda_ssim (1 - SSIM) instead (model/gan/ssim_loss.h).
 * MRC_ERR_NUMERIC when a loss is not finite: *losses tells which, and no weight was changed.
 * In a team (base/team.h) x, y are this process's share, [batch / count]; losses and gradients are
 * means over the team, so all come to the same weights, those of one process to rounding;
 * MRC_ERR_CANCELLED, and no weight changed, when a process is lost. */
MRC_STATUS mrc_cyclegan_step(mrc_cyclegan *gan, struct mrc_losses *losses, const float *x,
                             const float *y, struct mrc_error *err);
MRC_API int64_t mrc_cyclegan_steps(const mrc_cyclegan *gan);
/** Images of the last step, [batch][size][size][channels]: G(x), F(y), F(G(x)), G(F(y)), F(x),
 * G(y). NULL before the first step; same_x, same_y without an identity loss; all but the fakes after
 * a step of the warm-up. Valid until the next step. */
struct mrc_cyclegan_images {
    const float *fake_y, *fake_x, *cycle_x, *cycle_y, *same_x, *same_y;
};
MRC_API struct mrc_cyclegan_images mrc_cyclegan_last_images(const mrc_cyclegan *gan);
/** The generator's weights to use: the moving average where there is one, else the weights
 * themselves; memory order. */
MRC_API const float *mrc_cyclegan_best_weights(const mrc_cyclegan *gan,
                                               enum mrc_cyclegan_net which);

/* --- Parts, for tests and for readers --- */

/** What is wanted of a discriminator's verdict, and by whom: by itself on a real and on a fake
 * image, by the generator on its fake. */
enum mrc_adversarial_term { MRC_TERM_REAL, MRC_TERM_FAKE, MRC_TERM_GENERATOR };
/** Adversarial loss of a patch map, mean over n; d[i] = weight * dL/dmap[i]. Both losses return the
 * mean without the weight; d NULL skips the gradient. Formulas in docs/model.md. */
MRC_API double mrc_loss_adversarial(float *d, const float *map, size_t n,
                                    enum mrc_adversarial_term term, enum mrc_gan_mode mode,
                                    float weight);
/** mean |a - b|; d[i] (+)= weight * sign(a - b) / n, sign(0) = 0. accumulate adds to d, else
 * overwrites. */
MRC_API double mrc_loss_l1(float *d, const float *a, const float *b, size_t n, float weight,
                           bool accumulate);

/** Kingma, Ba: "Adam" (ICLR 2015), in PyTorch's form. One pass over a flat block; step counts
 * from 1. Deterministic. */
struct mrc_adam {
    double learning_rate, beta1, beta2, eps;
};
MRC_API void mrc_adam_update(float *values, float *m, float *v, const float *gradients, size_t n,
                             const struct mrc_adam *adam, int64_t step);

#ifdef __cplusplus
}
#endif
#endif
