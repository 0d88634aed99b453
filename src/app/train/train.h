/* train.h: from a set of two contrasts to a model, with a folder that tells how the run went. */
#ifndef MRC_APP_TRAIN_TRAIN_H
#define MRC_APP_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "app/common/events.h"
#include "app/sets/dataset.h"
#include "base/status.h"
#include "model/gan/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_train_options {
    struct mrc_dataset_options data; /* the contract is settled from what follows; data.set "":
                                        none, computed heads alone */
    const char *run;                 /* the folder to write */
    struct mrc_cyclegan_settings
        model;   /* size, channels 0: those of a prepared set, else 64 and 1 */
    bool stored; /* intensities as pictures store them, not normalised to the head */
    const char
        *normalise; /* words of the contract (model/files/contract.h), such as "0.5,95"; NULL:
                              those of a prepared set, else the defaults */
    const char *contrasts; /* the same, such as "FLAIR,T2w": the folders of the set, and X and Y */
    const char *room;      /* the same, such as "T2w=2.2" */
    const char *simulate;  /* label maps (app/heads/library.h) whose computed heads are trained on,
                              apart by commas, besides the set or without one; "": none */
    const char *simulate_labels, *simulate_config; /* table of their numbers, file of ranges; "":
                                                      found, the defaults */
    int64_t simulate_pairs;                        /* pairs an epoch, without a set */
    double simulate_share; /* of the places of pairs, beside the pairs of a set */
    const char *planes;    /* words of the contract, such as "axial,coronal": of computed slices;
                               those of a set are axial; NULL: axial */
    const char *init;      /* begin with the weights of this model or run; "": with random ones */
    struct mrc_trainer_settings trainer;
    int64_t check_every, keep_every, sample_every; /* epochs; 0: only at the end */
    int64_t rollbacks;     /* at most so many times back to the last good checkpoint */
    const char *data_hash; /* refuse a set other than the one of this mrc_dataset_hash; NULL: any */
    const char *preset;    /* what the settings began with, for settings.json; "": nothing */
    const char *name, *data_note; /* go into the model; at most 63 and 255 characters */
    bool half;                    /* the final model in half precision */
    uint64_t max_bytes;           /* refuse to train with more memory; 0: no limit */
    bool replace; /* an earlier run in the folder may be replaced; nothing else is */
    bool resume;  /* go on with the run in the folder from its newest checkpoint, with the same
                     options and set; `trainer.epochs` may be more than before */
};
/** Stands for the contrasts of the model, "flair-t2w". */
#define MRC_TRAIN_NAME "t1w-t2w"
#define MRC_TRAIN_DEFAULTS                                                                         \
    {                                                                                              \
        .data = MRC_DATASET_DEFAULTS, .model = MRC_CYCLEGAN_DEFAULTS,                              \
        .trainer = MRC_TRAINER_DEFAULTS, .check_every = 10, .keep_every = 50, .sample_every = 10,  \
        .rollbacks = 3, .preset = "", .init = "", .name = MRC_TRAIN_NAME, .data_note = "",         \
        .simulate = "", .simulate_labels = "", .simulate_config = "", .simulate_pairs = 4000,      \
        .simulate_share = 0.5                                                                      \
    }

/** How far training is; called after every step. */
struct mrc_train_progress {
    const struct mrc_trainer_progress *at;
    double images_per_second; /* of both contrasts together, over the run so far */
    double seconds_left;
};
typedef void mrc_train_report_fn(void *context, const struct mrc_train_progress *progress);

/** The run folder:
 *    settings.json                   everything needed to repeat the run
 *    log.csv                         a row an epoch: means of all losses
 *    checks.csv                      a row a check: what the generators do with fixed slices
 *    events.csv                      warnings and rollbacks: step, epoch, words
 *    losses.png                      the losses as curves
 *    report.html                     all of it on one page that needs no network
 *    events.out.tfevents.0.mrcycle   losses and sample sheets for TensorBoard
 *    samples/epoch_0010.png          real, fake, reconstructed, both ways
 *    checkpoints/newest.safetensors  complete; of the newest check at which nothing was wrong
 *    checkpoints/best.safetensors    the generators of the check with the least `selection`
 *    checkpoints/epoch_0050.safetensors  complete; every keep_every-th epoch's
 *    checkpoints/last.safetensors    complete; of the end, or of where the run was stopped
 *    model.safetensors               the two generators
 * Every file is written whole or not at all, but for the event file, which grows. The folder is
 * made once the set has been read. When events->cancelled says so, the step is finished,
 * last.safetensors is saved, and MRC_ERR_CANCELLED returned. MRC_ERR_NOMEM, before anything is
 * written, when networks, images and samples take more than max_bytes; the program itself, some
 * 50 MiB, does not count.
 *
 * A loss or an output that is not finite, and generators that make the same of everything after
 * they did not, lead back to newest.safetensors (the beginning, where there is none) with half the
 * learning rate. MRC_ERR_NUMERIC after `rollbacks` of these; log and checkpoints until then stay.
 * Copies of the inputs, inverted polarity, checkerboards and discriminators that have won are noted
 * (metrics/artefacts.h, docs/model.md). All of that depends on the weights only, so a run that was
 * stopped or killed and goes on does the same. */
MRC_STATUS mrc_train_run(const struct mrc_train_options *options, const struct mrc_events *events,
                         mrc_train_report_fn *report, struct mrc_error *err);

/** The settings of an earlier run, to make it again: with the same set, program and BLAS kernel
 * mrc_train_run then writes the same checkpoints, byte for byte, on any number of threads. */
struct mrc_train_record {
    struct mrc_train_options options; /* texts belong to the record; `run` is still to be set */
    const char *version, *kernel;     /* of the program then, and of its sums */
    void *owner;
};
MRC_STATUS mrc_train_record_read(struct mrc_train_record *out, const char *run,
                                 struct mrc_error *err);
/** The BLAS kernel of this process. */
MRC_API const char *mrc_train_kernel(void);
MRC_API void mrc_train_record_clear(struct mrc_train_record *record);

/** Writes the generators of a complete checkpoint (a file, or the folder of a run) as a model to
 * ship. `name` and `data_note` replace what the checkpoint says when not NULL. */
struct mrc_export_options {
    const char *checkpoint, *output, *name, *data_note;
    const char *normalise, *room; /* words of the contract that the model should have said; NULL:
                                     what it says stays */
    const char
        *trained_on; /* the set it was trained on: what its images look like is recorded, also
                        in a model of the generators alone; NULL: what it recorded stays */
    int64_t finest; /* slices up to that side translate may use unasked, though they were smaller in
                       training; both generators must take them; 0: what it recorded stays */
    bool half, replace;
    bool
        onnx; /* instead: the generator that makes `to`, as ONNX (model/files/onnx.h), of a complete
                  checkpoint or of a model; nothing but output and replace is heeded */
    enum mrc_contrast to;
};
MRC_STATUS mrc_train_export(const struct mrc_export_options *options, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
