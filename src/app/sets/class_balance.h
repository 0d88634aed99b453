/* class_balance.h: which class a slice of a training set belongs to, so that classes can be drawn
 * equally often. A CycleGAN whose two sets differ in what they show, and not in contrast alone,
 * paints in or removes what only one of them has (Cohen, Luck, Honari, MICCAI 2018). */
#ifndef MRC_APP_SETS_CLASS_BALANCE_H
#define MRC_APP_SETS_CLASS_BALANCE_H

#include <stdint.h>

#include "app/common/events.h"
#include "app/sets/dataset.h"
#include "base/status.h"
#include "model/gan/trainer.h"

enum mrc_class_balance {
    MRC_BALANCE_NONE,    /* all slices of a contrast equally often */
    MRC_BALANCE_IMAGE,   /* all images of a contrast equally often, and of all pairs of images,
                            however many slices each has */
    MRC_BALANCE_CLASS,   /* classes: the folder below T1w and T2w, or `class` of the manifest */
    MRC_BALANCE_POSITION /* tenths of the head's height (Yang et al. 2018) */
};
extern const char *const mrc_class_balance_names[]; /* ends with NULL */

/** The classes of source->count slices, for the trainer. Of a class or a tenth both contrasts show
 * the same one at a time; slices of classes that the other contrast lacks are not drawn, with a
 * note. MRC_ERR_UNSUPPORTED when no class is in both. What source->classes and
 * source->pair_classes point at is the caller's (mrc_free, all three). */
enum mrc_status mrc_class_balance_find(struct mrc_slice_source *source,
                                       const struct mrc_dataset *dataset,
                                       enum mrc_class_balance balance, const char *set,
                                       const struct mrc_events *events, struct mrc_error *err);

#endif
