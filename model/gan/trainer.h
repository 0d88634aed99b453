/* trainer.h: epochs over two unpaired sets. The trainer knows slices through a callback and reports
 * through another; it never sees a volume, a file format or a terminal. */
#ifndef MRC_MODEL_GAN_TRAINER_H
#define MRC_MODEL_GAN_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/gan/augment.h"
#include "model/gan/cyclegan.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Two sets of slices. fetch writes one slice [size][size][channels] in [0,1]; it is called from
 * several threads at once. */
#define MRC_NO_CLASS UINT32_MAX
struct mrc_slice_source {
    void *context;
    size_t count[2]; /* of X and of Y */
    /** Classes that are drawn equally often: of each slice its number below class_count, each of
     * which some slice has, or MRC_NO_CLASS (never drawn). NULL: every slice equally often.
     * Matched: a class is the same for X and Y, of which the n-th slice of a batch show the same
     * one. */
    uint32_t *classes[2];
    size_t class_count[2];
    bool matched;
    /** Slices known to show the same: pairs[p] are a slice of X and its partner of Y. With
     * lambda_paired > 0 every other place of a batch is one of them, during the warm-up every
     * place; they are drawn equally often, or with pair_classes [pair_count] every class of theirs
     * is. */
    size_t (*pairs)[2];
    size_t pair_count;
    uint32_t *pair_classes;
    size_t pair_class_count;
    void (*fetch)(void *context, float *dst, int domain, size_t index);
    /** Pairs without end, besides those of the set or without any: makes pair `number` of a run,
     * image[0] of X and image[1] of Y, and truth[], what a translation into them should look like;
     * all [size][size][channels] in [0,1]. A function of the number alone, called from several
     * threads at once. NULL: there are none. Needs lambda_paired > 0. */
    enum mrc_status (*make)(void *maker, float *const image[2], float *const truth[2],
                            uint64_t number, struct mrc_error *err);
    void *maker;
    double made_share;    /* of the places of pairs, drawn at random; 1 without other pairs */
    size_t made_an_epoch; /* > 0: nothing but these, in epochs of so many; X and Y are not
                             trained on */
};
struct mrc_trainer_settings {
    int64_t epochs; /* an epoch is ceil(max(count) / batch) steps, or of made pairs so many as the
                       source says; the smaller set is drawn around again */
    bool flip;      /* mirror left-right with probability 1/2 */
    double gamma;   /* raise a slice to a power between 1/gamma and gamma, evenly drawn on the
                       logarithm, so that a scanner's contrast is not learned by heart; 1: none */
    double decay;   /* last part of the steps over which the learning rate falls linearly to 2 % of
                       itself, 0 … 1; 0: none */
    struct mrc_augmentation augment; /* after mirroring, before the power */
    int64_t halvings;                /* of the learning rate, one a rollback */
};
#define MRC_TRAINER_LARGEST_GAMMA 4.0
#define MRC_TRAINER_DEFAULTS                                                                       \
    {                                                                                              \
        .epochs = 250, .flip = true, .gamma = 1.0, .decay = 0.0, .augment = MRC_AUGMENTATION_NONE, \
        .halvings = 0                                                                              \
    }

struct mrc_trainer_progress {
    int64_t epoch, epochs; /* epoch counts from 1 */
    int64_t step, steps;   /* of the whole run, from 1 */
    int64_t step_of_epoch, steps_per_epoch;
    const struct mrc_losses *losses; /* of this step */
    const struct mrc_losses
        *epoch_means; /* not NULL at the last step of an epoch; over the steps made in this call */
    double seconds;   /* since training began */
};
/** Called after every step on the training thread; a status other than MRC_OK ends the run with
 * that status. */
typedef enum mrc_status mrc_trainer_report_fn(void *context, mrc_cyclegan *gan,
                                              const struct mrc_trainer_progress *progress,
                                              struct mrc_error *err);
/** Trains. Shuffling, flips, powers and all else are keyed by (seed, epoch, sample): the same bytes
 * on any number of threads. The two sets are shuffled independently. A gan that has made steps
 * already (a loaded checkpoint) goes on from there, with the bytes of a run that was never stopped.
 * report may be NULL. */
MRC_STATUS mrc_trainer_run(mrc_cyclegan *gan, const struct mrc_slice_source *source,
                           const struct mrc_trainer_settings *settings,
                           mrc_trainer_report_fn *report, void *context, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
