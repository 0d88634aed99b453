/* grid.h: arithmetic on plain three-dimensional arrays: smoothing, distances, interpolation.
 * An array of sides n[0], n[1], n[2] has its first index fastest. */
#ifndef MRC_APP_HEADS_GRID_H
#define MRC_APP_HEADS_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

static inline size_t mrc_grid_count(const int n[3]) {
    return (size_t)n[0] * (size_t)n[1] * (size_t)n[2];
}
static inline size_t mrc_grid_at(const int n[3], int i, int j, int k) {
    return (size_t)i + (size_t)n[0] * ((size_t)j + (size_t)n[1] * (size_t)k);
}

/** Gaussian of the given standard deviation (in steps of the grid), in place; outside is 0. */
MRC_MUST_CHECK enum mrc_status mrc_grid_smooth(float *x, const int n[3], double sigma,
                                               struct mrc_error *err);
/** Distance in steps from each place to the nearest one where inside[] is 0, itself included; where
 * there is none, the longest side. Exact (Felzenszwalb and Huttenlocher 2012). */
MRC_MUST_CHECK enum mrc_status mrc_grid_distance(float *out, const uint8_t *inside, const int n[3],
                                                 struct mrc_error *err);
/** Trilinear value at a place in steps; the nearest inside for places outside. */
float mrc_grid_sample(const uint8_t *x, const int n[3], const float at[3]);
float mrc_grid_sample_float(const float *x, const int n[3], const float at[3]);

#endif
