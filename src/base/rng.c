/* rng.c: Philox4x32-10, two 64-bit draws a block; a draw is recomputed from its number, so streams
 * need no state. */
#include "base/rng.h"

#include <math.h>

#include "base/status.h"

static void philox_round(uint32_t counter[4], const uint32_t key[2]) {
    uint64_t a = (uint64_t)0xD2511F53u * counter[0], b = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key[0], (uint32_t)b,
                        (uint32_t)(a >> 32) ^ counter[3] ^ key[1], (uint32_t)a};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
}

static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
    uint32_t key[2] = {key0, key1};
    for (int round = 0; round < 10; ++round) {
        philox_round(counter, key);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
}

struct mrc_rng mrc_rng_for(uint64_t seed, uint32_t epoch, uint64_t sample,
                           enum mrc_purpose purpose) {
    /* Philox's key has 64 bits; the seed takes them, and (epoch, purpose) are mixed into the seed
     * by one block. */
    uint32_t mixed[4] = {epoch, (uint32_t)purpose, 0x6d726379u, 0x636c6521u};
    philox(mixed, (uint32_t)seed, (uint32_t)(seed >> 32));
    struct mrc_rng rng = {
        .key = {(uint64_t)mixed[1] << 32 | mixed[0], (uint64_t)mixed[3] << 32 | mixed[2]},
        .sample = sample};
    return rng;
}

uint64_t mrc_rng_u64(struct mrc_rng *rng) {
    uint64_t block = rng->count >> 1;
    uint64_t sample = rng->sample ^ rng->key[1];
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)sample,
                           (uint32_t)(sample >> 32)};
    philox(counter, (uint32_t)rng->key[0], (uint32_t)(rng->key[0] >> 32));
    unsigned half = (unsigned)(rng->count++ & 1u) * 2u;
    return (uint64_t)counter[half + 1] << 32 | counter[half];
}

double mrc_rng_uniform(struct mrc_rng *rng) {
    return (double)(mrc_rng_u64(rng) >> 11) * 0x1p-53;
}

double mrc_rng_normal(struct mrc_rng *rng) {
    const double two_pi = 6.283185307179586;
    double u = 1.0 - mrc_rng_uniform(rng); /* in (0, 1] */
    double v = mrc_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

uint64_t mrc_rng_below(struct mrc_rng *rng, uint64_t n) {
    MRC_ASSERT(n > 0);
    uint64_t reject_from = UINT64_MAX - UINT64_MAX % n; /* a multiple of n */
    uint64_t draw;
    do draw = mrc_rng_u64(rng);
    while (draw >= reject_from);
    return draw % n;
}

void mrc_rng_shuffle(struct mrc_rng *rng, size_t *items, size_t n) {
    for (size_t i = n; i > 1; --i) {
        size_t j = (size_t)mrc_rng_below(rng, i);
        size_t swapped = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swapped;
    }
}
