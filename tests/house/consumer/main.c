/* A stranger's program: a volume of its own, saved as NIfTI and loaded again; a network applied; an
 * error read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mrcycle.h"

/* Saves a ramp on a grid of 2 mm and loads it again. */
static enum mrc_status there_and_back(const char *path, struct mrc_error *err) {
    struct mrc_extent extent = {4, 5, 6};
    double index_to_ras_mm[3][4] = {{-2, 0, 0, 10}, {0, -2, 0, 20}, {0, 0, 2, 30}};
    struct mrc_geometry geometry;
    mrc_volume *made = NULL, *loaded = NULL;
    enum mrc_status st = mrc_geometry_from_ras(&geometry, index_to_ras_mm, path, err);
    if (st == MRC_OK) st = mrc_volume_create(&made, extent, &geometry, err);
    if (st == MRC_OK) {
        float *voxels = mrc_volume_voxels(made);
        for (int64_t n = 0; n < mrc_extent_count(extent); ++n) voxels[n] = (float)n;
        st = mrc_nifti_save(made, path, 16, "consumer test", err);
    }
    if (st == MRC_OK) st = mrc_image_load(&loaded, path, NULL, err);
    if (st == MRC_OK) {
        const float *voxels = mrc_volume_voxels_const(loaded);
        for (int64_t n = 0; st == MRC_OK && n < mrc_extent_count(extent); ++n) {
            if (fabsf(voxels[n] - (float)n) > 0.0f)
                st = mrc_fail(err, MRC_ERR_NUMERIC, "voxel %d came back as %g", (int)n,
                              (double)voxels[n]);
        }
        if (st == MRC_OK &&
            mrc_geometry_distance(mrc_volume_geometry(loaded), &geometry, extent) > 1e-3)
            st = mrc_fail(err, MRC_ERR_NUMERIC, "the grid came back elsewhere");
    }
    mrc_volume_destroy(loaded);
    mrc_volume_destroy(made);
    return st;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct mrc_error err = {0};
    if (there_and_back(argv[1], &err) != MRC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    mrc_volume *none = NULL;
    if (mrc_image_load(&none, "no/such/file.nii", NULL, &err) != MRC_ERR_IO ||
        strstr(err.text, "no/such/file.nii") == NULL) {
        fprintf(stderr, "a missing file gave: %s\n", err.text);
        return 1;
    }
    printf("mrcycle works from outside: %s\n", err.text);
    char *model = NULL; /* beside the library, wherever that was put */
    mrc_error_clear(&err);
    if (mrc_model_file_find(&model, NULL, &err) == MRC_OK) printf("model: %s\n", model);
    mrc_free(model);
    return 0;
}
