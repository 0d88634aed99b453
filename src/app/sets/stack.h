/* stack.h: from slices to what a model of one or three channels takes. Three channels are the slice
 * and its two neighbours; the ends repeat. */
#ifndef MRC_APP_SETS_STACK_H
#define MRC_APP_SETS_STACK_H

#include <stdint.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** dst [size][size][channels] from slice `k` of pixels [count][size][size]. channels is odd. */
void mrc_stack_gather(float *dst, const float *pixels, int64_t count, int64_t size,
                      int64_t channels, int64_t k);
/** dst [size][size] from the middle channel of src [size][size][channels]. */
void mrc_stack_middle(float *dst, const float *src, int64_t size, int64_t channels);

#ifdef __cplusplus
}
#endif
#endif
