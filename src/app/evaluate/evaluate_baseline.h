/* evaluate_baseline.h: predictions that need no learning, to hold a model against: what it must
 * beat, and what stands above it. For the files of `evaluate` and their tests. */
#ifndef MRC_APP_EVALUATE_EVALUATE_BASELINE_H
#define MRC_APP_EVALUATE_EVALUATE_BASELINE_H

#include "app/evaluate/evaluate_set.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_baseline {
    MRC_BASELINE_COPY,      /* the source itself */
    MRC_BASELINE_INVERTED,  /* 1 - v where the source shows more than 6 % of the range, else 0 */
    MRC_BASELINE_HISTOGRAM, /* the monotone map that gives the source the target's histogram */
    MRC_BASELINE_MEAN,      /* the mean of all target slices, whatever the source */
    MRC_BASELINE_GRID_LUT,  /* unpaired: the mean target image averaged where the source has a grey
                               value, then given the target's histogram; needs one common grid */
    MRC_BASELINE_LUT,       /* paired: the mean of the target where the source has a grey value. An
                               upper reference for what unpaired training can know */
    MRC_BASELINE_ADJACENT,  /* the true target one slice further: a leak, no method */
    MRC_BASELINE_COUNT
};
/** "copy", "inverted", "histogram", "mean-target", "grid-lut", "paired-lut", "adjacent-truth". */
const char *mrc_baseline_name(enum mrc_baseline which);

enum { MRC_BASELINE_LEVELS = 256, MRC_BASELINE_FINE = 4096 };
/** What is learned from a reference set for one direction. */
struct mrc_baseline_fit {
    bool has[MRC_BASELINE_COUNT];
    float *mean; /* [rows][columns] of the target; NULL when its slices differ in size */
    int64_t rows, columns;
    float lut[MRC_BASELINE_LEVELS];
    float grid_lut[MRC_BASELINE_LEVELS];
    float monotone[MRC_BASELINE_FINE];
};
/** From the used slices of domain `from` to those of domain `to`. Which baselines the set allows is
 * in `has`. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_baseline_fit(struct mrc_baseline_fit *out,
                                                const struct mrc_eval_set *set, int from, int to,
                                                struct mrc_error *err);
void mrc_baseline_fit_clear(struct mrc_baseline_fit *fit);
/** dst, like source->pixels, is overwritten. truth is for ADJACENT only. has[which] must hold. */
void mrc_baseline_apply(float *dst, const struct mrc_baseline_fit *fit, enum mrc_baseline which,
                        const struct mrc_eval_image *source, const struct mrc_eval_image *truth);

#ifdef __cplusplus
}
#endif
#endif
