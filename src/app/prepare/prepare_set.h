/* prepare_set.h: a set in the making. Used by prepare*.c only. */
#ifndef MRC_APP_PREPARE_PREPARE_SET_H
#define MRC_APP_PREPARE_PREPARE_SET_H

#include "app/prepare/prepare.h"
#include "app/privacy/origin.h"
#include "base/hash.h"
#include "base/pseudonym.h"
#include "base/text.h"
#include "io/dicom/deidentify.h"
#include "io/image.h"

/** One series of the input: used, or refused with a reason. */
struct mrc_prepare_item {
    const struct mrc_image_info *info; /* NULL: a file that is no image */
    const char *path;
    struct mrc_origin origin; /* its texts are the item's */
    char id[MRC_PSEUDONYM_TEXT], subject[MRC_PSEUDONYM_TEXT], session[MRC_PSEUDONYM_TEXT];
    struct mrc_acquisition how;
    bool used;
    char reason[300];            /* clean; "" when used */
    char content[MRC_HASH_TEXT]; /* of all its slices */
    int64_t kept, total;         /* slices */
    struct mrc_text rows;        /* of the manifest, without the split */
    size_t group; /* the first item of the subjects that share a split with its own */
    int split;
};
struct mrc_prepare_set {
    const struct mrc_prepare_options *options;
    struct mrc_pseudonym_key key;
    struct mrc_image_list list;
    struct mrc_prepare_item *items; /* by id */
    size_t count;
    struct mrc_prepare_item *
        *by_subject; /* those that are used, once the subjects are shared out */
    size_t used_count;
    char *partial; /* the folder that becomes the set */
    int held;      /* its lock; less than 0: not held */
};

/** Of two items by id, so that neither names nor the order of the inputs decide anything (qsort).
 */
int mrc_prepare_item_order(const void *a, const void *b);

/** Makes the files of one series below set->partial, or finds them made; fills content, kept, total
 * and rows. What is wrong with the series itself is no failure: it becomes refused. */
enum mrc_status mrc_prepare_item_make(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                                      struct mrc_error *err);
/** Not used, for the reason `why`, which may hold names and the options of other commands: cleaned.
 */
void mrc_prepare_item_refuse(const struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                             const char *why);
/** "sub-…/[ses-…/]anat/sub-…_desc-axial64_T1w" + suffix; the caller's (mrc_free). */
char *mrc_prepare_item_name(const struct mrc_prepare_set *set, const struct mrc_prepare_item *item,
                            const char *suffix);
/** Makes set->partial, or finds what an interrupted run left of it, for this process alone:
 * MRC_ERR_WRITE when another one makes the set. */
enum mrc_status mrc_prepare_partial_hold(struct mrc_prepare_set *set, struct mrc_error *err);
/** Removes what is of none of the set's series; before the tables are written. */
enum mrc_status mrc_prepare_partial_clean(const struct mrc_prepare_set *set, struct mrc_error *err);
/** Gives set->partial the set's name. */
enum mrc_status mrc_prepare_partial_place(const struct mrc_prepare_set *set, struct mrc_error *err);
/** Ends the hold; what is made stays for the next run. */
void mrc_prepare_partial_let_go(struct mrc_prepare_set *set);
/** The manifest, participants, descriptions and reports, below set->partial. */
enum mrc_status mrc_prepare_write_tables(const struct mrc_prepare_set *set,
                                         const struct mrc_prepare_result *result,
                                         struct mrc_error *err);

#endif
