/* evaluate_score.h: one translated image against the truth, as numbers, and means of such numbers.
 * For the files of `evaluate` and their tests. */
#ifndef MRC_APP_EVALUATE_EVALUATE_SCORE_H
#define MRC_APP_EVALUATE_EVALUATE_SCORE_H

#include "app/evaluate/evaluate_set.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Per slice, whole and inside the head; then per image, inside the head. */
enum mrc_score {
    MRC_SCORE_PSNR, /* dB */
    MRC_SCORE_SSIM,
    MRC_SCORE_MS_SSIM,
    MRC_SCORE_MAE,
    MRC_SCORE_NMI,
    MRC_SCORE_SHARPNESS,
    MRC_SCORE_HEAD_PSNR,
    MRC_SCORE_HEAD_SSIM,
    MRC_SCORE_HEAD_MAE,
    MRC_SCORE_HEAD_NMI,
    MRC_SCORE_HEAD_SHARPNESS,
    MRC_SCORE_SLICE_COUNT,
    MRC_SCORE_DICE = MRC_SCORE_SLICE_COUNT, /* three tissues */
    MRC_SCORE_VOLUME_ERROR = MRC_SCORE_DICE + 3,
    MRC_SCORE_CONSISTENCY = MRC_SCORE_VOLUME_ERROR + 3,
    MRC_SCORE_ERROR_90, /* mrc_fitted_error of nine tenths of the head's voxels */
    MRC_SCORE_CYCLE,    /* mean |F(G(x)) - x|; NaN for what has no way back */
    MRC_SCORE_COUNT
};
/** "psnr", "ssim", …, "head_psnr", …, "dice_dark", "volume_error_dark", …, "slice_consistency",
 * "head_error_90", "cycle_mae". */
const char *mrc_score_name(int score);

struct mrc_score_row {
    double value[MRC_SCORE_COUNT]; /* NaN where there is none */
};
/** Scores of result, like truth->pixels, over the used slices. slices[truth->count] gets those of
 * each slice (all NaN of one that is not used), and may be NULL. The cycle's is NaN. */
MRC_MUST_CHECK enum mrc_status mrc_score_image(struct mrc_score_row *out,
                                               struct mrc_score_row *slices, const float *result,
                                               const struct mrc_eval_image *truth,
                                               struct mrc_error *err);
/** Means and sample deviations of the values that are not NaN; *deviation is NaN of fewer than two.
 */
void mrc_score_average(struct mrc_score_row *mean, struct mrc_score_row *deviation,
                       const struct mrc_score_row *rows, size_t count);

#ifdef __cplusplus
}
#endif
#endif
