/* computed.h: pairs without end for training, computed from label maps (app/heads/source.h), in the
 * shape that a model's contract asks for. Used by train.c only. */
#ifndef MRC_APP_TRAIN_COMPUTED_H
#define MRC_APP_TRAIN_COMPUTED_H

#include "app/sets/dataset.h"
#include "app/train/train.h"

typedef struct mrc_computed mrc_computed;
/** Reads the maps that options->simulate names. options->data.contract is settled. MRC_ERR_ARGUMENT
 * for contrasts or channels that are not computed. */
MRC_MUST_CHECK enum mrc_status mrc_computed_create(mrc_computed **out,
                                                   const struct mrc_train_options *options,
                                                   struct mrc_error *err);
void mrc_computed_destroy(mrc_computed *computed);
/** SHA-256 of all that the pairs depend on, as 64 hexadecimal digits. */
MRC_MUST_CHECK enum mrc_status mrc_computed_hash(char out[MRC_DATASET_HASH_TEXT],
                                                 const mrc_computed *computed,
                                                 struct mrc_error *err);
/** A few slices that are not trained on, of both contrasts, where there is no set: checks and
 * samples are made on them. */
MRC_MUST_CHECK enum mrc_status mrc_computed_watched(struct mrc_dataset *out,
                                                    const mrc_computed *computed,
                                                    struct mrc_error *err);
/** mrc_slice_source.make; maker is the mrc_computed. */
MRC_MUST_CHECK enum mrc_status mrc_computed_make(void *maker, float *const image[MRC_DOMAIN_COUNT],
                                                 float *const truth[MRC_DOMAIN_COUNT],
                                                 uint64_t number, struct mrc_error *err);

#endif
