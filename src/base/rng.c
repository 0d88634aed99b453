/* rng.c: Philox4x32-10, two 64-bit draws a block; a draw is recomputed from its number, so streams
 * need no state. */
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>

#include "base/status.h"

/* Four words by value: they stay in registers. */
struct block {
    uint32_t a, b, c, d;
};

static struct block philox(struct block x, uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = (uint64_t)0xD2511F53u * x.a, c = (uint64_t)0xCD9E8D57u * x.c;
        x = (struct block){(uint32_t)(c >> 32) ^ x.b ^ key0, (uint32_t)c,
                           (uint32_t)(a >> 32) ^ x.d ^ key1, (uint32_t)a};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return x;
}

static uint64_t low_half(struct block x) {
    return (uint64_t)x.b << 32 | x.a;
}

static uint64_t high_half(struct block x) {
    return (uint64_t)x.d << 32 | x.c;
}

struct mrc_rng mrc_rng_for(uint64_t seed, uint32_t epoch, uint64_t sample,
                           enum mrc_purpose purpose) {
    /* Philox's key has 64 bits; the seed takes them, and (epoch, purpose) are mixed into the seed
     * by one block. */
    const struct block mixed =
        philox((struct block){epoch, (uint32_t)purpose, 0x6d726379u, 0x636c6521u}, (uint32_t)seed,
               (uint32_t)(seed >> 32));
    return (struct mrc_rng){.key = {low_half(mixed), high_half(mixed)}, .sample = sample};
}

/* The block of a draw: of an even one and the next. */
static struct block block_of(const struct mrc_rng *rng) {
    const uint64_t block = rng->count >> 1, sample = rng->sample ^ rng->key[1];
    const struct block x = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)sample,
                            (uint32_t)(sample >> 32)};
    return philox(x, (uint32_t)rng->key[0], (uint32_t)(rng->key[0] >> 32));
}

uint64_t mrc_rng_u64(struct mrc_rng *rng) {
    const struct block x = block_of(rng);
    return (rng->count++ & 1u) == 0 ? low_half(x) : high_half(x);
}

static double uniform_of(uint64_t draw) {
    return (double)(draw >> 11) * 0x1p-53;
}

double mrc_rng_uniform(struct mrc_rng *rng) {
    return uniform_of(mrc_rng_u64(rng));
}

/* Two draws, mostly of one block. */
double mrc_rng_normal(struct mrc_rng *rng) {
    const double two_pi = 6.283185307179586;
    const struct block x = block_of(rng);
    const bool even = (rng->count++ & 1u) == 0;
    const double u = 1.0 - uniform_of(even ? low_half(x) : high_half(x)); /* in (0, 1] */
    const double v = uniform_of(even ? high_half(x) : low_half(block_of(rng)));
    ++rng->count;
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
