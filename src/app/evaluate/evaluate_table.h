/* evaluate_table.h: what an evaluation found, and how it is written down. For the files of
 * `evaluate`.
 */
#ifndef MRC_APP_EVALUATE_EVALUATE_TABLE_H
#define MRC_APP_EVALUATE_EVALUATE_TABLE_H

#include "app/evaluate/evaluate_lesion.h"
#include "app/evaluate/evaluate_score.h"
#include "model/files/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One way to translate, in one direction. */
struct mrc_eval_method {
    char name[80];
    bool own; /* a model or result, no baseline */
    size_t image_count;
    struct mrc_score_row *images;  /* [image_count], where there is a truth */
    struct mrc_score_row **slices; /* [image_count][slice_counts] */
    int64_t *slice_counts;
    struct mrc_score_row mean, deviation; /* over images; the deviation over slices when there is
                                             one image only */
    double rfd, kernel;                   /* to the true images' features */
    struct mrc_lesion_score lesion;
};
enum { MRC_EVAL_PICTURES = 6 };
/** A slice to look at: source, result, truth and |difference| as a sheet of one row. */
struct mrc_eval_picture {
    unsigned char *png;
    size_t bytes;
    char caption[160];
};
struct mrc_eval_direction {
    char name[32]; /* "T1w to T2w" */
    size_t slices; /* used, of the source */
    struct mrc_eval_method *methods;
    size_t method_count, method_capacity;
    struct mrc_score_row seed_mean, seed_deviation;      /* over models, where there are several */
    double floor_rfd, floor_kernel;                      /* between two halves of the true slices */
    struct mrc_eval_picture pictures[MRC_EVAL_PICTURES]; /* worst first */
    size_t picture_count;
};
struct mrc_evaluation {
    const struct mrc_evaluate_options *options;
    struct mrc_eval_direction directions[2];
    size_t direction_count;
    bool paired, fitted_to_reference;
    struct mrc_contract contract; /* how the images of a set were cut */
    bool mirror;                  /* of models: the mean over a slice and its mirror image */
    int64_t size;                 /* 0: as stored */
    size_t model_count;
    struct mrc_calibration calibration[2]; /* of the first model, into either contrast */
    char (*model_hashes)[65];
    double fid, kid; /* of imported features, NaN without */
};

/** The whole table in columns, for a terminal. */
void mrc_eval_print(struct mrc_text *out, const struct mrc_evaluation *e);
/** Writes scores.json, scores.csv, slices.csv and report.html into an existing folder. */
MRC_MUST_CHECK enum mrc_status mrc_eval_write(const struct mrc_evaluation *e, const char *folder,
                                              struct mrc_error *err);
void mrc_evaluation_clear(struct mrc_evaluation *e);

#ifdef __cplusplus
}
#endif
#endif
