/* images.c: see the header. */
#include "app/compare/images.h"

#include <math.h>
#include <stdlib.h>

#include "app/pages/viewer.h"
#include "base/alloc.h"
#include "io/image.h"

enum { MOST_VOXELS = 16000000 };

enum mrc_status compare_load(mrc_volume **out, const char *path, bool assume_ras,
                             struct mrc_error *err) {
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    options.assume_ras = assume_ras;
    options.allow_synthetic = true;
    options.allow_derived = true;
    return mrc_image_load(out, path, &options, err);
}

/* The corners' extent along Left, Posterior and Superior. */
static void bound(double low[3], double high[3], const mrc_volume *vol) {
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const struct mrc_extent e = mrc_volume_extent(vol);
    for (int corner = 0; corner < 8; ++corner) {
        double ras[3];
        mrc_geometry_position(ras, g, corner & 1 ? (double)(e.i - 1) : 0.0,
                              corner & 2 ? (double)(e.j - 1) : 0.0,
                              corner & 4 ? (double)(e.k - 1) : 0.0);
        for (int a = 0; a < 3; ++a) {
            double lps = a < 2 ? -ras[a] : ras[a];
            if (corner == 0 || lps < low[a]) low[a] = lps;
            if (corner == 0 || lps > high[a]) high[a] = lps;
        }
    }
}

static struct mrc_extent count_voxels(const double low[3], const double high[3], double spacing) {
    int64_t n[3];
    for (int a = 0; a < 3; ++a) n[a] = (int64_t)floor((high[a] - low[a]) / spacing + 0.5) + 1;
    return (struct mrc_extent){n[0], n[1], n[2]};
}

enum mrc_status compare_make_grid(mrc_volume **out, const mrc_volume *vol, struct mrc_error *err) {
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    struct mrc_geometry axial;
    double low[3], high[3];
    if (!g->physical) return mrc_volume_create_like(out, vol, err);
    bound(low, high, vol);
    double spacing = fmin(g->spacing_mm[0], fmin(g->spacing_mm[1], g->spacing_mm[2]));
    while ((double)mrc_extent_count(count_voxels(low, high, spacing)) > (double)MOST_VOXELS)
        spacing *= 1.25;
    double lps[3][4] = {{0.0}};
    for (int a = 0; a < 3; ++a) {
        lps[a][a] = spacing;
        lps[a][3] = low[a];
    }
    enum mrc_status st = mrc_geometry_from_lps(&axial, lps, "the page's grid", err);
    return st == MRC_OK ? mrc_volume_create(out, count_voxels(low, high, spacing), &axial, err)
                        : st;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

enum mrc_status compare_quantile(double *out, const float *values, const unsigned char *mask,
                                 size_t count, double part, struct mrc_error *err) {
    float *sorted = mrc_alloc(count, sizeof *sorted);
    size_t kept = 0;
    if (sorted == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory to compare");
    for (size_t n = 0; n < count; ++n)
        if ((mask == NULL || mask[n] != 0) && isfinite(values[n])) sorted[kept++] = values[n];
    if (kept > 0) qsort(sorted, kept, sizeof *sorted, compare_floats);
    *out = kept > 0 ? (double)sorted[(size_t)(part * (double)(kept - 1))] : (double)NAN;
    mrc_free(sorted);
    return MRC_OK;
}

enum mrc_status compare_append_viewer(struct mrc_text *page, mrc_volume *const *vols,
                                      const char *const *names, size_t count,
                                      struct mrc_error *err) {
    const struct mrc_extent e = mrc_volume_extent(vols[0]);
    const struct mrc_geometry *g = mrc_volume_geometry(vols[0]);
    struct mrc_viewer viewer = {.size = {e.i, e.j, e.k}, .letters = g->physical, .count = count};
    for (int a = 0; a < 3; ++a) viewer.spacing_mm[a] = g->physical ? g->spacing_mm[a] : 1.0;
    for (size_t n = 0; n < count; ++n) {
        viewer.images[n] = mrc_volume_voxels_const(vols[n]);
        viewer.names[n] = names[n];
    }
    return mrc_viewer_append(page, &viewer, err);
}
