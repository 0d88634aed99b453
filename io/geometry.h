/* geometry.h: where a voxel grid lies in the patient. The only file that converts between NIfTI's
 * RAS+ and DICOM's LPS+. RAS+: towards the patient's Right, Anterior, Superior is positive. LPS+:
 * towards Left, Posterior, Superior. */
#ifndef MRC_IO_GEOMETRY_H
#define MRC_IO_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Numbers of voxels along the axes i (fastest in memory), j, k. */
struct mrc_extent {
    int64_t i, j, k;
};
/** Product, or -1 when a side is not positive or the product overflows. */
MRC_API int64_t mrc_extent_count(struct mrc_extent e);

struct mrc_geometry {
    double
        spacing_mm[3]; /* centre to centre along i, j, k; equals the column norms of the matrix */
    double index_to_ras_mm[3][4]; /* voxel index (i, j, k, 1) -> patient RAS+ position of the
                                     voxel's centre */
    bool physical; /* false: a stack of pictures; the matrix is the identity and means nothing */
};

enum mrc_orientation { MRC_AXIAL, MRC_SAGITTAL, MRC_CORONAL, MRC_OBLIQUE };
/** "axial", … */
MRC_API const char *mrc_orientation_name(enum mrc_orientation orientation);

/** Identity matrix, 1 mm, not physical. */
MRC_API void mrc_geometry_init(struct mrc_geometry *g);
/** Takes a matrix, derives the spacing, and checks: finite, columns of 1e-3 … 100 mm, and linearly
 * independent. `name` is the file the message names. */
MRC_STATUS mrc_geometry_from_ras(struct mrc_geometry *g, double index_to_ras_mm[3][4],
                                 const char *name, struct mrc_error *err);
MRC_STATUS mrc_geometry_from_lps(struct mrc_geometry *g, double index_to_lps_mm[3][4],
                                 const char *name, struct mrc_error *err);
MRC_API void mrc_geometry_to_lps(double index_to_lps_mm[3][4], const struct mrc_geometry *g);

/** The plane of the stored slices (fixed k), by the largest component of its normal; oblique when
 * that is below 0.95 (dicom-nifti rule B4). */
MRC_API enum mrc_orientation mrc_geometry_orientation(const struct mrc_geometry *g);
/** Largest |sine| between two index axes: 0 for an orthogonal grid, large for a sheared one (gantry
 * tilt). */
MRC_API double mrc_geometry_shear(const struct mrc_geometry *g);
/** RAS+ position of an index (which may be fractional). */
MRC_API void mrc_geometry_position(double ras_mm[3], const struct mrc_geometry *g, double i,
                                   double j, double k);
/** Largest distance in mm between the positions of the eight corner voxels in two geometries of the
 * same extent. */
MRC_API double mrc_geometry_distance(const struct mrc_geometry *a, const struct mrc_geometry *b,
                                     struct mrc_extent extent);

/** Do i, j, k run as x, y, z of a right-handed frame do? Two matrices of one image that differ in
 * this mirror each other. */
bool mrc_geometry_is_right_handed(const struct mrc_geometry *g);
/** Why preprocess would not make axial slices of the grid whatever its spacing ("a sheared grid"),
 * or NULL: axes off a right angle to each other by more than 0.81 degrees. */
const char *mrc_geometry_askew(const struct mrc_geometry *g);

#ifdef __cplusplus
}
#endif
#endif
