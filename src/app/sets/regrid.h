/* regrid.h: one volume seen on the grid of another, for comparing them. */
#ifndef MRC_APP_SETS_REGRID_H
#define MRC_APP_SETS_REGRID_H

#include "base/status.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** `vol` sampled (trilinear, in patient space) at the voxels of `like`; 0 outside. *out has the
 * geometry of `like` and no provenance. Stacks of pictures must have the same extent and are
 * copied. `name` is what messages call `vol`. MRC_ERR_UNSUPPORTED when the two cannot be laid over
 * each other. */
MRC_MUST_CHECK enum mrc_status mrc_regrid_like(mrc_volume **out, const mrc_volume *vol,
                                               const mrc_volume *like, const char *name,
                                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
