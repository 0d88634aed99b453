/* regrid.h: the values of one grid at the voxels of another, in the patient's space. */
#ifndef MRC_PREPROCESS_REGRID_H
#define MRC_PREPROCESS_REGRID_H

#include "io/geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

/** dst [to.k][to.j][to.i] = src [from.k][from.j][from.i], trilinear between voxel centres; what
 * lies off the source's grid counts as `outside`. Both geometries are physical. dst and src do not
 * overlap. Cannot fail; the same bytes on any number of threads. */
void mrc_regrid(float *dst, struct mrc_extent to, const struct mrc_geometry *to_geometry,
                const float *src, struct mrc_extent from, const struct mrc_geometry *from_geometry,
                float outside);

#ifdef __cplusplus
}
#endif
#endif
