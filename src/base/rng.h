/* rng.h: keyed random streams. A draw depends on (seed, epoch, sample, purpose) and its place in
 * that stream only, so results do not change with the number of threads or the order in which
 * streams are used. Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). */
#ifndef MRC_BASE_RNG_H
#define MRC_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_purpose {
    MRC_FOR_INIT,
    MRC_FOR_SHUFFLE,
    MRC_FOR_AUGMENT,
    MRC_FOR_POOL,
    MRC_FOR_PHANTOM,
    MRC_FOR_NOISE,
    MRC_FOR_TEST,
    MRC_FOR_DIFF_AUGMENT,
    MRC_FOR_SIMULATE,
    MRC_FOR_MADE /* which pairs are made, which are of the set */
};

struct mrc_rng {
    uint64_t key[2]; /* seed; epoch, purpose */
    uint64_t sample; /* upper half of the counter */
    uint64_t count;  /* draws so far */
};

MRC_API struct mrc_rng mrc_rng_for(uint64_t seed, uint32_t epoch, uint64_t sample,
                                   enum mrc_purpose purpose);
/** 64 uniform bits. */
MRC_API uint64_t mrc_rng_u64(struct mrc_rng *rng);
/** Uniform in [0, 1), 53 bits. */
MRC_API double mrc_rng_uniform(struct mrc_rng *rng);
/** Standard normal (Box-Muller; two draws each). */
MRC_API double mrc_rng_normal(struct mrc_rng *rng);
/** Uniform in 0 … n-1, without bias; n > 0. */
MRC_API uint64_t mrc_rng_below(struct mrc_rng *rng, uint64_t n);
/** Fisher-Yates shuffle of n indices. */
MRC_API void mrc_rng_shuffle(struct mrc_rng *rng, size_t *items, size_t n);

#ifdef __cplusplus
}
#endif
#endif
