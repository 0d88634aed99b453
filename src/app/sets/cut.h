/* cut.h: how a model's contract wants a volume cut into slices. `preprocess` knows no models, and a
 * model no volumes: this is where the one's record becomes the other's. */
#ifndef MRC_APP_SETS_CUT_H
#define MRC_APP_SETS_CUT_H

#include "base/status.h"
#include "io/volume.h"
#include "model/files/contract.h"
#include "preprocess/slices.h"

/** The options for images of `contrast`. `as_stored` tells the range of pictures where the contract
 * wants intensities as stored; `name` is what messages call it. A caller may change `size`: the field
 * of view stays. MRC_ERR_UNSUPPORTED for a contract that asks for other than square axial slices, and
 * for images without a range of stored intensities. */
MRC_MUST_CHECK enum mrc_status mrc_cut_options(struct mrc_slices_options *out,
                                               const struct mrc_contract *contract,
                                               enum mrc_contrast contrast,
                                               const mrc_volume *as_stored, const char *name,
                                               struct mrc_error *err);
/** Is it a contract that slices can be cut for? `name` is the model's or set's. */
MRC_MUST_CHECK enum mrc_status mrc_cut_check(const struct mrc_contract *contract, const char *name,
                                             struct mrc_error *err);
/** Does `has` want slices cut as `expected` does: sides, planes, intensities, contrasts (it
 * may have more)? MRC_ERR_ARGUMENT names the first that differs, as what `name` has and
 * what was expected. */
MRC_MUST_CHECK enum mrc_status mrc_cut_compare(const struct mrc_contract *has,
                                               const struct mrc_contract *expected,
                                               const char *name, struct mrc_error *err);

#endif
