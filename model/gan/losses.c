/* losses.c: adversarial and L1 losses with their gradients; sums in double. */
#include <math.h>

#include "model/gan/cyclegan.h"

/* Binary cross-entropy of sigmoid(z) against t, without overflow for any z: max(z,0) - zt + log(1 +
 * exp(-|z|)). */
static double bce(double *slope, double z, double t) {
    double e = exp(-fabs(z));
    double sigmoid = z >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    *slope = sigmoid - t;
    return fmax(z, 0.0) - z * t + log1p(e);
}

/* Mao et al.: "Least squares generative adversarial networks" (ICCV 2017). */
static double least_squares(double *slope, double z, double t) {
    *slope = 2.0 * (z - t);
    return (z - t) * (z - t);
}

/* Lim, Ye: "Geometric GAN" (arXiv 1705.02894): the discriminator wants z > 1 of a real image and z
 * < -1 of a fake one and no more than that, the generator a large z. */
static double hinge(double *slope, double z, enum mrc_adversarial_term term) {
    if (term == MRC_TERM_GENERATOR) {
        *slope = -1.0;
        return -z;
    }
    double sign = term == MRC_TERM_REAL ? -1.0 : 1.0;
    *slope = 1.0 + sign * z > 0.0 ? sign : 0.0;
    return fmax(0.0, 1.0 + sign * z);
}

double mrc_loss_adversarial(float *d, const float *map, size_t n, enum mrc_adversarial_term term,
                            enum mrc_gan_mode mode, float weight) {
    MRC_ASSERT(n > 0);
    double sum = 0.0, scale = (double)weight / (double)n;
    const double target = term == MRC_TERM_FAKE ? 0.0 : 1.0;
    for (size_t i = 0; i < n; ++i) {
        double slope = 0.0, z = (double)map[i];
        switch (mode) {
        case MRC_GAN_BCE: sum += bce(&slope, z, target); break;
        case MRC_GAN_LSGAN: sum += least_squares(&slope, z, target); break;
        case MRC_GAN_HINGE: sum += hinge(&slope, z, term); break;
        }
        if (d != NULL) d[i] = (float)(scale * slope);
    }
    return sum / (double)n;
}

double mrc_loss_l1(float *d, const float *a, const float *b, size_t n, float weight,
                   bool accumulate) {
    MRC_ASSERT(n > 0);
    double sum = 0.0;
    const float scale = (float)((double)weight / (double)n);
    for (size_t i = 0; i < n; ++i) {
        float difference = a[i] - b[i];
        float slope = difference > 0.0f ? scale : difference < 0.0f ? -scale : 0.0f;
        sum += (double)fabsf(difference);
        if (d != NULL) d[i] = accumulate ? d[i] + slope : slope;
    }
    return sum / (double)n;
}
