/* cyclegan.h: the four networks and one training step.
 * Zhu, Park, Isola, Efros: "Unpaired image-to-image translation using cycle-consistent adversarial
 * networks" (ICCV 2017). Names follow the paper: G: X -> Y, F: Y -> X; D_Y judges y against G(x),
 * D_X judges x against F(y). X and Y are the first and the
 * second contrast of the contract, T1w and T2w where nothing else is said. */
#ifndef MRC_MODEL_GAN_CYCLEGAN_H
#define MRC_MODEL_GAN_CYCLEGAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
#include "model/engine/net.h"
#include "model/gan/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

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
