/* evaluate_score.c: the metrics, called. */
#include "app/evaluate/evaluate_score.h"

#include <math.h>

#include "base/alloc.h"
#include "metrics/conformal.h"
#include "metrics/difference.h"
#include "metrics/similarity.h"
#include "metrics/tissue.h"
#include "model/files/checkpoint.h"

const char *mrc_score_name(int score) {
    static const char *const names[MRC_SCORE_COUNT] = {"psnr",
                                                       "ssim",
                                                       "ms_ssim",
                                                       "mae",
                                                       "nmi",
                                                       "edge_sharpness",
                                                       "head_psnr",
                                                       "head_ssim",
                                                       "head_mae",
                                                       "head_nmi",
                                                       "head_edge_sharpness",
                                                       "dice_dark",
                                                       "dice_middle",
                                                       "dice_bright",
                                                       "volume_error_dark",
                                                       "volume_error_middle",
                                                       "volume_error_bright",
                                                       "slice_consistency",
                                                       "head_error_90",
                                                       "cycle_mae"};
    return names[score];
}

static void set_nan(struct mrc_score_row *row) {
    for (int s = 0; s < MRC_SCORE_COUNT; ++s) row->value[s] = (double)NAN;
}

static enum mrc_status score_slice(double *value, struct mrc_pair whole, struct mrc_error *err) {
    struct mrc_pair head = whole;
    whole.mask = NULL;
    value[MRC_SCORE_PSNR] = mrc_psnr(&whole);
    value[MRC_SCORE_MAE] = mrc_mae(&whole);
    value[MRC_SCORE_NMI] = mrc_nmi(&whole);
    value[MRC_SCORE_SHARPNESS] = mrc_edge_sharpness(&whole);
    value[MRC_SCORE_HEAD_PSNR] = mrc_psnr(&head);
    value[MRC_SCORE_HEAD_MAE] = mrc_mae(&head);
    value[MRC_SCORE_HEAD_NMI] = mrc_nmi(&head);
    value[MRC_SCORE_HEAD_SHARPNESS] = mrc_edge_sharpness(&head);
    enum mrc_status status = mrc_ssim(&value[MRC_SCORE_SSIM], &whole, err);
    if (status == MRC_OK) status = mrc_ssim(&value[MRC_SCORE_HEAD_SSIM], &head, err);
    if (status == MRC_OK) status = mrc_ms_ssim(&value[MRC_SCORE_MS_SSIM], &whole, err);
    return status;
}

/* Of the whole stack, head of the used slices or not: what is not used holds little of it. */
static enum mrc_status score_stack(double *value, const float *result,
                                   const struct mrc_eval_image *truth, struct mrc_error *err) {
    const int64_t plane = truth->rows * truth->columns;
    struct mrc_tissue_agreement tissue;
    enum mrc_status status = mrc_tissue_compare(&tissue, result, truth->pixels,
                                                (size_t)(truth->count * plane), truth->head, err);
    if (status != MRC_OK) return status;
    for (int t = 0; t < MRC_TISSUE_CLASSES; ++t) {
        value[MRC_SCORE_DICE + t] = tissue.dice[t];
        value[MRC_SCORE_VOLUME_ERROR + t] = tissue.volume_error[t];
    }
    value[MRC_SCORE_CONSISTENCY] =
        mrc_slice_consistency(result, truth->pixels, truth->head, truth->count, plane);
    return mrc_fitted_error(&value[MRC_SCORE_ERROR_90], result, truth->pixels, truth->head,
                            (size_t)(truth->count * plane), MRC_CALIBRATION_COVERAGE, err);
}

enum mrc_status mrc_score_image(struct mrc_score_row *out, struct mrc_score_row *slices,
                                const float *result, const struct mrc_eval_image *truth,
                                struct mrc_error *err) {
    const int64_t plane = truth->rows * truth->columns;
    struct mrc_score_row *own = mrc_alloc((size_t)truth->count, sizeof *own);
    if (own == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", truth->path);
    enum mrc_status status = MRC_OK;
    for (int64_t k = 0; status == MRC_OK && k < truth->count; ++k) {
        set_nan(&own[k]);
        if (!truth->used[k]) continue;
        struct mrc_pair pair = {.image = result + k * plane,
                                .truth = truth->pixels + k * plane,
                                .mask = truth->head + k * plane,
                                .rows = truth->rows,
                                .columns = truth->columns};
        status = score_slice(own[k].value, pair, err);
    }
    if (status == MRC_OK) mrc_score_average(out, NULL, own, (size_t)truth->count);
    if (status == MRC_OK) status = score_stack(out->value, result, truth, err);
    for (int64_t k = 0; slices != NULL && k < truth->count; ++k) slices[k] = own[k];
    mrc_free(own);
    return status;
}

void mrc_score_average(struct mrc_score_row *mean, struct mrc_score_row *deviation,
                       const struct mrc_score_row *rows, size_t count) {
    for (int s = 0; s < MRC_SCORE_COUNT; ++s) {
        double sum = 0.0, squares = 0.0, n = 0.0;
        for (size_t r = 0; r < count; ++r) {
            if (isnan(rows[r].value[s])) continue;
            sum += rows[r].value[s];
            n += 1.0;
        }
        double m = n > 0.0 ? sum / n : (double)NAN;
        for (size_t r = 0; r < count; ++r)
            if (!isnan(rows[r].value[s]))
                squares += (rows[r].value[s] - m) * (rows[r].value[s] - m);
        mean->value[s] = m;
        if (deviation != NULL)
            deviation->value[s] = n > 1.0 ? sqrt(squares / (n - 1.0)) : (double)NAN;
    }
}
