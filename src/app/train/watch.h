/* watch.h: what a trained pair of generators does with a few fixed slices, judged without their
 * true counterparts: is it good, and is something going wrong? It is a function of the weights and
 * the set alone, so a run that was stopped judges as one that was not. Used by train.c only. */
#ifndef MRC_APP_TRAIN_WATCH_H
#define MRC_APP_TRAIN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "app/sets/dataset.h"
#include "app/train/sampler.h"
#include "base/status.h"
#include "base/text.h"

enum mrc_warning {
    MRC_WARN_NOT_FINITE = 1 << 0, /* an output holds a value that is no number */
    MRC_WARN_ALIKE = 1 << 1,      /* outputs differ less than LEAST_VARIETY of what real ones do */
    MRC_WARN_COPIES = 1 << 2,     /* outputs are the inputs */
    MRC_WARN_INVERTED = 1 << 3,   /* outputs are bright where the target is dark */
    MRC_WARN_CHECKERBOARD = 1 << 4, /* patterns of period 2 or 4, far stronger than in real ones */
    MRC_WARN_JUDGE_WON = 1 << 5     /* a discriminator tells every real image from every fake one */
};
/** Index 0: from X to Y and of Y images; 1: the way back and of X images. */
struct mrc_check {
    int64_t epoch, step;
    enum mrc_contrast contrasts[2]; /* X and Y */
    double selection;               /* what the best checkpoint has least of; docs/model.md */
    double cycle[2];                /* mean absolute difference of a slice from what comes back */
    double kid[2];          /* kernel distance of radiomic features, fakes from real images */
    double variety[2];      /* of fakes, as part of that of real images */
    double copy[2];         /* correlation of output and input inside the head */
    double polarity[2];     /* correlation of the mean fake and the mean real image in the head */
    double checkerboard[2]; /* of fakes, as multiple of that of real images */
    double verdict_gap[2];  /* mean verdict on real less that on fake images, as probabilities */
    unsigned warnings[2];   /* enum mrc_warning */
};
/** "copies (T1w to T2w)" and so on, with ", " between. */
void mrc_warnings_print(struct mrc_text *out, const struct mrc_check *check);

typedef struct mrc_watch mrc_watch;
/** Takes up to 16 evenly spaced slices of either domain. The set must outlive it. */
enum mrc_status mrc_watch_create(mrc_watch **out, struct mrc_dataset *dataset,
                                 struct mrc_error *err);
void mrc_watch_destroy(mrc_watch *watch);
/** Judges the generators of the sampler. `epoch` and `step` are the caller's to fill in. */
enum mrc_status mrc_watch_check(struct mrc_check *out, mrc_watch *watch, mrc_sampler *sampler,
                                struct mrc_error *err);

/* --- checks.csv: a row a check --- */

struct mrc_check_log {
    struct mrc_text text;
    double best; /* least selection so far, of one with a warning 1e6 more; infinite at first */
    double most_variety; /* the lesser of both directions */
    int alike;           /* checks since then, one after the other, in which outputs were alike */
};
/** The rows of `path` up to that step; nothing when there is no file. */
enum mrc_status mrc_check_log_open(struct mrc_check_log *log, const char *path, int64_t last_step,
                                   struct mrc_error *err);
/** Adds the check; *is_best when no earlier one was as good. */
void mrc_check_log_add(struct mrc_check_log *log, const struct mrc_check *check, bool *is_best);
enum mrc_status mrc_check_log_save(const struct mrc_check_log *log, const char *path,
                                   struct mrc_error *err);
/** The generators have lost what variety they had. */
bool mrc_check_log_collapsed(const struct mrc_check_log *log);
void mrc_check_log_clear(struct mrc_check_log *log);

#endif
