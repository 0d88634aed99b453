/* adam.c: one pass over the flat block: 16 bytes read and 12 written a parameter, so memory sets
 * the pace. PyTorch's form: m and v are not corrected themselves; the corrections go into the step
 * and the denominator. */
#include <math.h>

#include "base/parallel.h"
#include "model/gan/cyclegan.h"

enum { ADAM_GRAIN = 1 << 16 };

struct adam_task {
    float *values, *m, *v;
    const float *gradients;
    float beta1, beta2, keep1, keep2; /* keep = 1 - beta */
    float step_size;                  /* learning_rate / (1 - beta1^t) */
    float root_correction;            /* sqrt(1 - beta2^t) */
    float eps;
};

static void adam_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct adam_task t = *(const struct adam_task *)context;
    float *restrict values = t.values, *restrict m = t.m, *restrict v = t.v;
    const float *restrict gradients = t.gradients;
    for (size_t i = begin; i < end; ++i) {
        float g = gradients[i];
        float mean = t.beta1 * m[i] + t.keep1 * g;
        float square = t.beta2 * v[i] + t.keep2 * g * g;
        m[i] = mean;
        v[i] = square;
        values[i] -= t.step_size * (mean / (sqrtf(square) / t.root_correction + t.eps));
    }
}

void mrc_adam_update(float *values, float *m, float *v, const float *gradients, size_t n,
                     const struct mrc_adam *adam, int64_t step) {
    MRC_ASSERT(step >= 1);
    double correction1 = 1.0 - pow(adam->beta1, (double)step);
    double correction2 = 1.0 - pow(adam->beta2, (double)step);
    struct adam_task task = {
        .values = values,
        .m = m,
        .v = v,
        .gradients = gradients,
        .beta1 = (float)adam->beta1,
        .keep1 = (float)(1.0 - adam->beta1),
        .beta2 = (float)adam->beta2,
        .keep2 = (float)(1.0 - adam->beta2),
        .step_size = (float)(adam->learning_rate / correction1),
        .root_correction = (float)sqrt(correction2),
        .eps = (float)adam->eps,
    };
    mrc_parallel_for(n, ADAM_GRAIN, adam_range, &task);
}
