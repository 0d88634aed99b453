/* noise.h: many normal numbers, quickly, and smooth fields made of them.
 * base/rng.h gives each stream its key; what follows from it here is a mixed counter (SplitMix64)
 * and a table of the normal distribution's quantiles, which is all that image noise needs. */
#ifndef MRC_APP_HEADS_NOISE_H
#define MRC_APP_HEADS_NOISE_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

enum { MRC_SIM_QUANTILES = 4096 };
/** Quantiles of the standard normal distribution, with deviation 1. */
struct mrc_sim_normals {
    float quantile[MRC_SIM_QUANTILES];
};
void mrc_sim_normals_init(struct mrc_sim_normals *normals);

struct mrc_sim_stream {
    uint64_t state;
    const float *quantile;
};
/** Numbered streams of one key. */
static inline struct mrc_sim_stream mrc_sim_stream_of(const struct mrc_sim_normals *normals,
                                                      uint64_t key, uint64_t number) {
    struct mrc_sim_stream s = {.state = key ^ (number + 1) * 0xD1342543DE82EF95u,
                               .quantile = normals->quantile};
    return s;
}
static inline uint64_t mrc_sim_bits(struct mrc_sim_stream *s) {
    uint64_t z = s->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
/** The stream as it is after `draws` of mrc_sim_bits. */
static inline struct mrc_sim_stream mrc_sim_stream_after(struct mrc_sim_stream s, uint64_t draws) {
    s.state += draws * 0x9E3779B97F4A7C15u;
    return s;
}
/** Four standard normal numbers: sums and differences of two quantiles each, which are independent
 * and reach to more than five deviations. */
static inline void mrc_sim_normal4(float out[4], struct mrc_sim_stream *s) {
    const uint64_t bits = mrc_sim_bits(s);
    const float a = s->quantile[bits & 0xfff], b = s->quantile[bits >> 12 & 0xfff];
    const float c = s->quantile[bits >> 24 & 0xfff], d = s->quantile[bits >> 36 & 0xfff];
    out[0] = (a + b) * 0.70710678f;
    out[1] = (a - b) * 0.70710678f;
    out[2] = (c + d) * 0.70710678f;
    out[3] = (c - d) * 0.70710678f;
}

/** Places where fields are wanted: a lattice along three axes through the middle of the head. */
struct mrc_sim_lattice {
    int n[3];
    double first_mm[3], step_mm[3]; /* steps may be negative */
};
/** A smooth field (cubic B-splines of normal numbers on a grid of `feature_mm` around the middle of
 * the head) of deviation 1 and mean 0: the same at the same place whatever the lattice covers.
 * out [n2][n1][n0]. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_sim_field(float *out, const struct mrc_sim_lattice *lattice,
                                             double feature_mm, struct mrc_sim_stream stream,
                                             struct mrc_error *err);

#endif
