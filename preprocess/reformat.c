/* reformat.c: the axial grid on which an oblique volume is seen.
 * Why: a permutation of axes cannot turn what lies beyond 18 degrees off the patient's axes into
 * axial slices (axial.c). Where only the images are turned in their own plane, their planes are
 * kept and nothing is mixed across slices; else the grid is the patient's own. It covers the volume
 * whole, so that the way back finds every voxel's value. Slices that lie far apart are not cut
 * across: between them there is nothing to interpolate. */
#include <math.h>
#include <string.h>

#include "preprocess/steps.h"

#define ROUNDING_MM 1e-3 /* spacing is computed from positions that were written as decimals */

/* Unit vectors of the grid's axes in LPS+: frame[a] is axis a. Along slices that are all but axial,
 * the source's own normal and Left as it lies in their plane. */
static void choose_frame(double frame[3][3], bool *keeps_planes, double lps[3][4],
                         const struct mrc_axial_record *nearest) {
    const double patient[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    const int k = nearest->axis[2];
    double normal[3], length = 0.0;
    memcpy(frame, patient, sizeof patient);
    for (int r = 0; r < 3; ++r)
        normal[r] = (nearest->flip[2] ? -1.0 : 1.0) * lps[r][k] / nearest->spacing_mm[2];
    *keeps_planes = normal[2] >= MRC_SMALLEST_COSINE;
    if (!*keeps_planes) return;
    for (int r = 0; r < 3; ++r) frame[0][r] = patient[0][r] - normal[0] * normal[r];
    for (int r = 0; r < 3; ++r) length += frame[0][r] * frame[0][r];
    for (int r = 0; r < 3; ++r) frame[0][r] /= sqrt(length);
    memcpy(frame[2], normal, sizeof normal);
    for (int r = 0; r < 3; ++r)
        frame[1][r] = normal[(r + 1) % 3] * frame[0][(r + 2) % 3] -
                      normal[(r + 2) % 3] * frame[0][(r + 1) % 3];
}

/* The box around the centres of the corner voxels, along the axes of the frame. */
static void bounding_box(double lo[3], double hi[3], double frame[3][3], double lps[3][4],
                         struct mrc_extent e) {
    for (int a = 0; a < 3; ++a) {
        lo[a] = INFINITY;
        hi[a] = -INFINITY;
    }
    for (int corner = 0; corner < 8; ++corner) {
        const double index[4] = {corner & 1 ? (double)(e.i - 1) : 0.0,
                                 corner & 2 ? (double)(e.j - 1) : 0.0,
                                 corner & 4 ? (double)(e.k - 1) : 0.0, 1.0};
        for (int a = 0; a < 3; ++a) {
            double at = 0.0;
            for (int r = 0; r < 3; ++r)
                for (int s = 0; s < 4; ++s) at += frame[a][r] * lps[r][s] * index[s];
            lo[a] = fmin(lo[a], at);
            hi[a] = fmax(hi[a], at);
        }
    }
}

static enum mrc_status check_spacing(const struct mrc_geometry *g, const int *kept,
                                     double max_slice_mm, const char *name, struct mrc_error *err) {
    const double angle = mrc_axial_tilt(g) * 57.29577951308232;
    for (int s = 0; s < 3; ++s)
        if (g->spacing_mm[s] > max_slice_mm + ROUNDING_MM && (kept == NULL || s != *kept))
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: oblique, an axis lies %.1f degrees off the patient's axes, and "
                            "slices lie %.2f mm apart, expected at most %.2f to reformat it",
                            name, angle, g->spacing_mm[s], max_slice_mm);
    return MRC_OK;
}

static enum mrc_status check_size(struct mrc_extent e, const char *name, struct mrc_error *err) {
    enum { MOST_SIDE = 4096, MOST_VOXELS = 1 << 29 };
    int64_t count = mrc_extent_count(e);
    if (e.i <= MOST_SIDE && e.j <= MOST_SIDE && e.k <= MOST_SIDE && count > 0 &&
        count <= MOST_VOXELS)
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_RANGE,
                    "%s: oblique, and %lld x %lld x %lld voxels when reformatted, expected at most "
                    "%d a side and %d in all",
                    name, (long long)e.i, (long long)e.j, (long long)e.k, (int)MOST_SIDE,
                    (int)MOST_VOXELS);
}

enum mrc_status mrc_reformat_find(struct mrc_reformat_record *out, const struct mrc_geometry *g,
                                  struct mrc_extent e, double max_slice_mm, const char *name,
                                  struct mrc_error *err) {
    double lps[3][4], frame[3][3], lo[3], hi[3], axial[3][4] = {{0.0}};
    struct mrc_axial_record nearest;
    int64_t side[3];
    bool keeps_planes = false;
    mrc_axial_nearest(&nearest, g, e);
    mrc_geometry_to_lps(lps, g);
    choose_frame(frame, &keeps_planes, lps, &nearest);
    enum mrc_status st =
        check_spacing(g, keeps_planes ? &nearest.axis[2] : NULL, max_slice_mm, name, err);
    if (st != MRC_OK) return st;
    bounding_box(lo, hi, frame, lps, e);
    for (int a = 0; a < 3; ++a) {
        double step = nearest.spacing_mm[a];
        side[a] = (int64_t)fmin(ceil((hi[a] - lo[a]) / step - 1e-6), 1e6) + 1;
        double first = 0.5 * (lo[a] + hi[a]) - 0.5 * step * (double)(side[a] - 1);
        for (int r = 0; r < 3; ++r) {
            axial[r][a] = frame[a][r] * step;
            axial[r][3] += frame[a][r] * first;
        }
    }
    *out = (struct mrc_reformat_record){
        .used = true, .source = e, .extent = {side[0], side[1], side[2]}};
    st = check_size(out->extent, name, err);
    return st == MRC_OK ? mrc_geometry_from_lps(&out->grid, axial, name, err) : st;
}
