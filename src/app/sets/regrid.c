/* regrid.c: see regrid.h. */
#include "app/sets/regrid.h"

#include <string.h>

#include "preprocess/regrid.h"

enum mrc_status mrc_regrid_like(mrc_volume **out, const mrc_volume *vol, const mrc_volume *like,
                                const char *name, struct mrc_error *err) {
    const struct mrc_geometry *from = mrc_volume_geometry(vol), *to = mrc_volume_geometry(like);
    struct mrc_extent a = mrc_volume_extent(vol), b = mrc_volume_extent(like);
    bool same = a.i == b.i && a.j == b.j && a.k == b.k;
    if (!same && !(from->physical && to->physical))
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: %lld x %lld x %lld pixels without a place in the patient, expected "
                        "%lld x %lld x %lld",
                        name, (long long)a.i, (long long)a.j, (long long)a.k, (long long)b.i,
                        (long long)b.j, (long long)b.k);
    enum mrc_status status = mrc_volume_create(out, b, to, err);
    if (status != MRC_OK) return status;
    const float *src = mrc_volume_voxels_const(vol);
    float *dst = mrc_volume_voxels(*out);
    if (same && (!from->physical || !to->physical || mrc_geometry_distance(from, to, a) < 1e-3))
        memcpy(dst, src, (size_t)mrc_extent_count(a) * sizeof *dst);
    else
        mrc_regrid(dst, b, to, src, a, from, 0.0f);
    return MRC_OK;
}
