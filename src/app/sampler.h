/* sampler.h: what the generators make of a few fixed slices, as a sheet; the same slices every
 * time, so that sheets of one run can be compared. */
#ifndef MRC_APP_SAMPLER_H
#define MRC_APP_SAMPLER_H

#include "app/dataset.h"
#include "base/status.h"
#include "model/cyclegan.h"

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

#ifdef __cplusplus
}
#endif
#endif
