/* train_settings.h: what `train` can be asked for, a row each: the settings of the model
 * (model/gan/settings.h) and those of the run. settings.json, --repeat, --resume, presets and the
 * command line go by it. */
#ifndef MRC_APP_TRAIN_TRAIN_SETTINGS_H
#define MRC_APP_TRAIN_TRAIN_SETTINGS_H

#include <stddef.h>

#include "app/train/train.h"
#include "model/gan/settings.h"

/** Where a setting stands in settings.json. A run that goes on must have the same values of all but
 * the last. */
enum mrc_train_group {
    MRC_GROUP_MODEL,
    MRC_GROUP_TRAINING,
    MRC_GROUP_DATA,
    MRC_GROUP_FREE,
    MRC_GROUPS
};
struct mrc_train_setting {
    struct mrc_setting setting; /* offset: into struct mrc_train_options */
    enum mrc_train_group group;
};
size_t mrc_train_setting_count(void);
struct mrc_train_setting mrc_train_setting(size_t index);

#endif
