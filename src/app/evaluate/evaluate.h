/* evaluate.h: how good are translated images? Of a model and a set of images, or of two folders,
 * with what costs nothing to make beside them. docs/model.md has the measures. */
#ifndef MRC_APP_EVALUATE_EVALUATE_H
#define MRC_APP_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "app/sets/split.h"
#include "base/status.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_pairing {
    MRC_PAIRING_NAMES, /* paired when the names agree but for the contrast, else not */
    MRC_PAIRING_ORDER, /* the n-th images of the two contrasts belong together, in order of names */
    MRC_PAIRING_NONE
};

struct mrc_evaluate_options {
    /* Either a set: a folder with T1w and T2w (or the model's contrasts) inside, normalised and cut as
       for training, or one side of a prepared set, as it is … */
    const char *set;
    const char *const
        *models;           /* as mrc_model_file_find takes them; runs that differ by their seed */
    size_t model_count;    /* 0: baselines only */
    const char *contrasts; /* without a model: two of the set's, "T1w,FLAIR"; NULL: the set's, or
                              T1w and T2w */
    int64_t size;          /* pixels a side; 0: the first model's, or 64 */
    bool no_mirror;        /* apply the models once, not to each slice and its mirror image */
    bool stored; /* intensities as files store them, not normalised to the head; a model that was
                    trained so has its own say */
    /* … or images on grids of their own: */
    const char *truth;  /* a folder of images, or one image */
    const char *result; /* the translated ones, paired with truth; NULL: baselines only */
    const char *source; /* what was translated; NULL: no baselines */
    double range; /* as stored, of which this becomes 1; 0 and `stored`: the PNGs' largest value,
                           or the truth's largest intensity */
    /* Features computed elsewhere, as .npy [images][features]: */
    const char *real_features, *fake_features;

    const char *reference; /* set the baselines are fitted to; NULL: to the evaluated images */
    const char *calibrate; /* the first model, with how far it was from the truth in each pair of
                              images, is written there; NULL: not */
    const char
        *output; /* folder for scores.json, scores.csv, slices.csv, report.html; NULL: none */
    int split;   /* of a prepared set, MRC_SPLIT_… */
    enum mrc_pairing pairing;
    double min_foreground; /* of a slice, to be counted */
    bool assume_ras, allow_synthetic, allow_derived, force;
    bool replace; /* an earlier evaluation at `output` may be replaced */
};
#define MRC_EVALUATE_DEFAULTS                                                                      \
    { .split = MRC_SPLIT_TEST, .min_foreground = 0.08 }

/** Are the intensities of truth, result and source taken as they are stored? Else each image's head
 * goes from 0 to 1 (docs/preprocessing.md), so that units do not matter. */
static inline bool mrc_evaluate_is_stored(const struct mrc_evaluate_options *options) {
    return options->stored || options->range > 0.0;
}

/** Evaluates, writes the folder when one is asked for, and appends the table to `table`. */
MRC_STATUS mrc_evaluate_run(struct mrc_text *table, const struct mrc_evaluate_options *options,
                            const struct mrc_events *events, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
