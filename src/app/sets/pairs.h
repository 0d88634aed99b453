/* pairs.h: which images of two contrasts show the same. */
#ifndef MRC_APP_SETS_PAIRS_H
#define MRC_APP_SETS_PAIRS_H

#include "app/sets/dataset.h"

/** The path below `folder` with every word for a contrast replaced by '*', so that
 * "sub-01_T1w.nii.gz" and "sub-01_T2w.nii.gz" are one name. On the heap; NULL: out of memory. */
char *mrc_pair_name(const char *path, const char *folder);

/** Images of X and Y that show the same, by their numbers: those that alone have their name in their
 * contrast, once mrc_pair_name and, in a prepared set, the entity acq are taken off, and that lie on
 * one grid. In order of names; there may be none. */
struct mrc_image_pairs {
    size_t (*images)[MRC_DOMAIN_COUNT];
    size_t count;
};
enum mrc_status mrc_image_pairs_find(struct mrc_image_pairs *out, const struct mrc_dataset *dataset,
                                     const char *set, struct mrc_error *err);
void mrc_image_pairs_clear(struct mrc_image_pairs *pairs);

/** Sets dataset->pairs to the slices of such images of which both contrasts are trained on.
 * MRC_ERR_UNSUPPORTED when there are none. */
enum mrc_status mrc_pairs_find(struct mrc_dataset *dataset, const char *set,
                               const struct mrc_events *events, struct mrc_error *err);

#endif
