/* array.c: a translation for callers that have an array and no volume. */
#include <stdio.h>
#include <string.h>

#include "app/translate/translate.h"

static enum mrc_status make_volume(mrc_volume **out, const float *voxels, const int64_t n[3],
                                   const double ras[12], struct mrc_error *err) {
    struct mrc_geometry geometry;
    double matrix[3][4];
    const struct mrc_extent extent = {n[0], n[1], n[2]};
    memcpy(matrix, ras, sizeof matrix);
    enum mrc_status st = mrc_geometry_from_ras(&geometry, matrix, "the array", err);
    if (st == MRC_OK) st = mrc_volume_create(out, extent, &geometry, err);
    if (st == MRC_OK)
        memcpy(mrc_volume_voxels(*out), voxels, (size_t)mrc_extent_count(extent) * sizeof *voxels);
    return st;
}

int mrc_translate_array(float *out, const float *voxels, const int64_t n[3],
                        const double index_to_ras_mm[12], const char *to, const char *model,
                        int64_t size, int cubic, int mirror, char *why, size_t capacity) {
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *source = NULL, *result = NULL;
    options.model = model != NULL && model[0] != '\0' ? model : NULL;
    options.size = size;
    options.upsampling = cubic != 0 ? MRC_UPSAMPLE_CUBIC : MRC_UPSAMPLE_GUIDED;
    options.no_mirror = mirror == 0;
    enum mrc_status st = mrc_contrast_parse(&options.to, to, &err);
    if (st == MRC_OK) st = make_volume(&source, voxels, n, index_to_ras_mm, &err);
    if (st == MRC_OK) st = mrc_translate_volume(&result, source, &options, NULL, &err);
    if (st == MRC_OK)
        memcpy(out, mrc_volume_voxels_const(result),
               (size_t)mrc_extent_count(mrc_volume_extent(result)) * sizeof *out);
    mrc_volume_destroy(result);
    mrc_volume_destroy(source);
    if (why != NULL && capacity > 0) (void)snprintf(why, capacity, "%s", err.text);
    return (int)st;
}
