/* run_settings.h: settings.json of a run folder: what training was asked for, what it learned from,
 * and what it ran on. Enough to make the run again. */
#ifndef MRC_APP_TRAIN_RUN_SETTINGS_H
#define MRC_APP_TRAIN_RUN_SETTINGS_H

#include "app/sets/dataset.h"
#include "app/train/train.h"
#include "base/status.h"

/** The text of settings.json; the caller's (mrc_free). */
enum mrc_status mrc_run_settings_print(char **out, const struct mrc_train_options *options,
                                       const struct mrc_dataset *dataset, struct mrc_error *err);
/** Whether options->run began with these settings and this set; what may differ is where the set
 * lies, the epochs, and how often things are saved. MRC_ERR_ARGUMENT names what differs. */
enum mrc_status mrc_run_settings_compare(const struct mrc_train_options *options,
                                         const struct mrc_dataset *dataset, struct mrc_error *err);

#endif
