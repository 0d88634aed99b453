/* diff_augment.h: what all images go through before a discriminator sees them, real and fake alike,
 * so that a small set is not learned by heart and the generator does not learn the changes (Zhao et
 * al.: "Differentiable augmentation for data-efficient GAN training", NeurIPS 2020). Every change
 * is affine in the image, so its derivative is its adjoint. */
#ifndef MRC_MODEL_GAN_DIFF_AUGMENT_H
#define MRC_MODEL_GAN_DIFF_AUGMENT_H

#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_rng; /* base/rng.h */

/** A policy is a sum of these. */
enum mrc_diff_augment {
    MRC_DIFF_BRIGHTNESS = 1 << 0,  /* up to a quarter of the range is added or taken away */
    MRC_DIFF_CONTRAST = 1 << 1,    /* 0.5 to 1.5 times the distance from the image's mean */
    MRC_DIFF_TRANSLATION = 1 << 2, /* by whole pixels, up to an eighth of the side; 0 comes in */
    MRC_DIFF_CUTOUT = 1 << 3,      /* a square of half the side becomes 0 */
    MRC_DIFF_COLOR = MRC_DIFF_BRIGHTNESS | MRC_DIFF_CONTRAST, /* the authors' name for both */
    MRC_DIFF_ALL = (1 << 4) - 1
};
enum { MRC_DIFF_AUGMENT_TEXT = 48 };
/** "color,translation,cutout"; "none" of 0. */
MRC_API void mrc_diff_augment_print(char out[MRC_DIFF_AUGMENT_TEXT], int64_t policy);
/** "none", or the names brightness, contrast, color, translation, cutout with commas between. */
MRC_STATUS mrc_diff_augment_parse(int64_t *out, const char *text, struct mrc_error *err);

/** What is done to one image. */
struct mrc_diff_draw {
    double brightness, contrast;
    int64_t shift_y, shift_x;                         /* pixels, down and to the right */
    int64_t cut_top, cut_bottom, cut_left, cut_right; /* cut out; the ends are not */
};
MRC_API struct mrc_diff_draw mrc_diff_augment_draw(int64_t policy, int64_t size,
                                                   struct mrc_rng *rng);
/** dst, src [size][size][channels], apart from each other. */
MRC_API void mrc_diff_augment_apply(float *dst, const float *src, int64_t size, int64_t channels,
                                    const struct mrc_diff_draw *draw);
/** Adds to d the gradient at the image, given that at what was made of it; all of that shape. */
MRC_API void mrc_diff_augment_backward(float *d, const float *d_seen, int64_t size,
                                       int64_t channels, const struct mrc_diff_draw *draw);

#ifdef __cplusplus
}
#endif
#endif
