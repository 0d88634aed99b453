/* cyclegan_internal.h: what model/files and tests must reach inside a cyclegan. Not installed. */
#ifndef MRC_MODEL_GAN_CYCLEGAN_INTERNAL_H
#define MRC_MODEL_GAN_CYCLEGAN_INTERNAL_H

#include "model/gan/cyclegan.h"

enum { GENERATORS = 2 }; /* MRC_NET_G and MRC_NET_F come first */

/* What training has made beside the weights; blocks in memory order. */
struct cyclegan_state {
    int64_t steps;
    float *m[MRC_NET_COUNT], *v[MRC_NET_COUNT]; /* Adam's moments */
    float *pool[GENERATORS];    /* fake y, fake x: [pool_size][size][size][channels]; or NULL */
    float *average[GENERATORS]; /* NULL without ema_decay */
};
struct cyclegan_state *cyclegan_state_of(const mrc_cyclegan *gan);
mrc_net *const *cyclegan_nets_of(const mrc_cyclegan *gan); /* MRC_NET_COUNT */

/** For tests: the passes of the last step, which still hold their activations, and whose they are:
 * those of the generators in their order, then of each discriminator on the fake and on the real.
 */
enum { CYCLEGAN_PASSES = 7 };
const mrc_pass *cyclegan_pass_of(const mrc_cyclegan *gan, int index, enum mrc_cyclegan_net *net);

/** The checks of mrc_cyclegan_create that need no memory. */
enum mrc_status cyclegan_check_settings(const struct mrc_cyclegan_settings *settings,
                                        struct mrc_error *err);
struct mrc_generator_settings cyclegan_generator_settings(
    const struct mrc_cyclegan_settings *settings);

#endif
