/* origin.h: which data set a NIfTI file is part of. A label such as sub-01 is one person's within a
 * data set, and another's in the next. */
#ifndef MRC_APP_PRIVACY_ORIGIN_H
#define MRC_APP_PRIVACY_ORIGIN_H

#include <stddef.h>

#include "base/status.h"

struct mrc_origin {
    char *dataset; /* its folder's name, with those above it that tell it from the others' */
    char *path;    /* of the file, from that folder on */
};

/** The data set of each path is the nearest folder above it with a dataset_description.json (of
 * derivatives, sourcedata and rawdata: that around them); where there is none, the deepest of
 * `inputs` that holds the path, or what holds that one's subject folder. out[count] is zeroed;
 * clear with mrc_origins_clear also after a failure. */
MRC_MUST_CHECK enum mrc_status mrc_origins_find(struct mrc_origin *out, const char *const *paths,
                                                size_t count, const char *const *inputs,
                                                size_t input_count, struct mrc_error *err);
void mrc_origins_clear(struct mrc_origin *origins, size_t count);

#endif
