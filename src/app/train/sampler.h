/* sampler.h: what the generators make of a few fixed slices, as a sheet; the same slices every
 * time, so that sheets of one run can be compared. */
#ifndef MRC_APP_TRAIN_SAMPLER_H
#define MRC_APP_TRAIN_SAMPLER_H

#include "app/sets/dataset.h"
#include "base/status.h"
#include "model/gan/cyclegan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mrc_sampler mrc_sampler;

/** Takes evenly spaced slices of both domains. `gan` and `dataset` must outlive the sampler. */
MRC_MUST_CHECK enum mrc_status mrc_sampler_create(mrc_sampler **out, mrc_cyclegan *gan,
                                                  struct mrc_dataset *dataset,
                                                  struct mrc_error *err);
/** Bytes it holds. */
size_t mrc_sampler_bytes(const mrc_sampler *sampler);
void mrc_sampler_destroy(mrc_sampler *sampler);
/** Columns: T1w real, T2w fake, T1w reconstructed; T2w real, T1w fake, T2w reconstructed. Between
 * two training steps; weights are as they were afterwards. */
MRC_MUST_CHECK enum mrc_status mrc_sampler_save(mrc_sampler *sampler, const char *title,
                                                const char *path, struct mrc_error *err);
/** dst, src [count][size][size][channels]: G (generator 0) or F (1) with the weights one would use;
 * count is a multiple of 4. Between two training steps. */
void mrc_sampler_apply(mrc_sampler *sampler, int generator, float *dst, const float *src,
                       int64_t count);
/** gap[k]: mean verdict on real images less that on fake ones, verdicts as probabilities (of
 * least-squares verdicts, what lies in [0,1] of them; of hinge verdicts, of (1 + verdict) / 2).
 * fake[0] are of Y and judged by D_Y, fake[1] of X; real[0] are of X, real[1] of Y. */
void mrc_sampler_judge(mrc_sampler *sampler, double gap[2], const float *const fake[2],
                       const float *const real[2], int64_t count);

#ifdef __cplusplus
}
#endif
#endif
