/* run_folder.h: the files of a training run (see train.h), each rewritten whole, but for the event
 * file, which grows. Used by train.c only. */
#ifndef MRC_APP_TRAIN_RUN_FOLDER_H
#define MRC_APP_TRAIN_RUN_FOLDER_H

#include <stdint.h>

#include "app/train/train.h"
#include "base/status.h"
#include "model/files/checkpoint.h"
#include "model/gan/trainer.h"

typedef struct mrc_run_folder mrc_run_folder;

/** Whether the run may be written where the options say (place.h). */
enum mrc_status mrc_run_folder_check(const struct mrc_train_options *options,
                                     struct mrc_error *err);
/** Makes the folder (an earlier run in it is removed when options->replace) and writes
 * settings.json. With options->resume the folder stays, its settings must be those of the options
 * (but for the epochs and how often things are saved), and log.csv keeps its rows up to
 * `steps_done`: MRC_ERR_ARGUMENT names what differs. */
enum mrc_status mrc_run_folder_create(mrc_run_folder **out, const struct mrc_train_options *options,
                                      const struct mrc_dataset *dataset, int64_t steps_done,
                                      struct mrc_error *err);
/** Forgets the rows and events of later steps: the run goes back to that one. */
enum mrc_status mrc_run_folder_rewind(mrc_run_folder *folder, int64_t step, struct mrc_error *err);
/** Adds a line to events.csv. */
enum mrc_status mrc_run_folder_event(mrc_run_folder *folder, int64_t epoch, int64_t step,
                                     const char *words, struct mrc_error *err);
void mrc_run_folder_destroy(mrc_run_folder *folder);
/** Adds a row to log.csv, a point to the curves, and scalars to the event file. */
enum mrc_status mrc_run_folder_log(mrc_run_folder *folder, const struct mrc_trainer_progress *at,
                                   double images_per_second, struct mrc_error *err);
/** Adds a sample sheet, a PNG that was written, to the event file. */
enum mrc_status mrc_run_folder_samples(mrc_run_folder *folder, int64_t step, const char *png,
                                       struct mrc_error *err);
/** Rewrites losses.png from the rows so far; nothing to do before the first. */
enum mrc_status mrc_run_folder_draw(mrc_run_folder *folder, struct mrc_error *err);
/** "<run>/<folder>/epoch_0010<suffix>", or "<run>/<folder>/<name><suffix>" when name is not NULL;
 * folder may be NULL. The caller's (mrc_free). */
enum mrc_status mrc_run_folder_path(char **out, const mrc_run_folder *folder, const char *below,
                                    const char *name, int64_t epoch, const char *suffix,
                                    struct mrc_error *err);

#endif
