/* ssim_loss.h: structural similarity as a loss, with its gradient. */
#ifndef MRC_MODEL_GAN_SSIM_LOSS_H
#define MRC_MODEL_GAN_SSIM_LOSS_H

#include <stddef.h>
#include <stdint.h>

/** Floats of spare memory that mrc_ssim_loss needs for an image of h x w pixels. */
size_t mrc_ssim_loss_spare(int64_t h, int64_t w);

/** 1 - mean SSIM of one channel of two images [h][w], pixels `step` floats apart, over the pixels
 * whose Gaussian window of 11 pixels (sigma 1.5) lies in the image; d, laid out alike, gets
 * += weight * its derivative by a. Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from
 * error visibility to structural similarity" (IEEE TIP 2004), K1 0.01, K2 0.03; as a loss: Zhao,
 * Gallo, Frosio, Kautz: "Loss functions for image restoration with neural networks" (IEEE TCI
 * 2017). `range`: the span of grey values that the two constants are relative to. 0 for images
 * smaller than the window. */
double mrc_ssim_loss(float *d, const float *a, const float *b, int64_t h, int64_t w, int64_t step,
                     double range, double weight, float *spare);

#endif
