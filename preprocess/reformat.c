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

/* Widens the box [lo, hi] along the axes of the frame by the centre of a voxel. */
static void widen(double lo[3], double hi[3], double frame[3][3], double lps[3][4], double i,
                  double j, double k) {
    for (int a = 0; a < 3; ++a) {
        double at = 0.0;
        for (int r = 0; r < 3; ++r)
            at += frame[a][r] * (lps[r][0] * i + lps[r][1] * j + lps[r][2] * k + lps[r][3]);
        lo[a] = fmin(lo[a], at);
        hi[a] = fmax(hi[a], at);
    }
}

/* The box around the whole volume. */
static void box_of_volume(double lo[3], double hi[3], double frame[3][3], double lps[3][4],
                          struct mrc_extent e) {
    for (int corner = 0; corner < 8; ++corner)
        widen(lo, hi, frame, lps, corner & 1 ? (double)(e.i - 1) : 0.0,
              corner & 2 ? (double)(e.j - 1) : 0.0, corner & 4 ? (double)(e.k - 1) : 0.0);
}

/* And around the head, with some air. */
static void box_of_head(double lo[3], double hi[3], double frame[3][3], double lps[3][4],
                        struct mrc_extent e, const unsigned char *mask) {
    const double margin = 0.1; /* of the head; models are trained with some */
    for (int64_t k = 0; k < e.k; ++k)
        for (int64_t j = 0; j < e.j; ++j) {
            const unsigned char *row = mask + (k * e.j + j) * e.i;
            int64_t first = 0, last = e.i - 1;
            while (first < e.i && row[first] == MRC_IN_AIR) ++first;
            while (last > first && row[last] == MRC_IN_AIR) --last;
            if (first == e.i) continue;
            widen(lo, hi, frame, lps, (double)first, (double)j, (double)k);
            widen(lo, hi, frame, lps, (double)last, (double)j, (double)k);
        }
    for (int a = 0; a < 3; ++a) {
        double air = margin * (hi[a] - lo[a]);
        lo[a] -= air;
        hi[a] += air;
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

/* The grid along the frame that fills the box; along kept planes its steps are the planes. */
static enum mrc_status fill_box(struct mrc_reformat_record *out, const double lo[3],
                                const double hi[3], double frame[3][3], const double step_mm[3],
                                const char *name, struct mrc_error *err) {
    double axial[3][4] = {{0.0}};
    int64_t side[3];
    for (int a = 0; a < 3; ++a) {
        side[a] = (int64_t)fmin(ceil((hi[a] - lo[a]) / step_mm[a] - 1e-6), 1e6) + 1;
        double first = 0.5 * (lo[a] + hi[a]) - 0.5 * step_mm[a] * (double)(side[a] - 1);
        for (int r = 0; r < 3; ++r) {
            axial[r][a] = frame[a][r] * step_mm[a];
            axial[r][3] += frame[a][r] * first;
        }
    }
    out->extent = (struct mrc_extent){side[0], side[1], side[2]};
    enum mrc_status st = check_size(out->extent, name, err);
    return st == MRC_OK ? mrc_geometry_from_lps(&out->grid, axial, name, err) : st;
}

enum mrc_status mrc_reformat_find(struct mrc_reformat_record *out, const struct mrc_geometry *g,
                                  struct mrc_extent e, const unsigned char *mask,
                                  double max_slice_mm, const char *name, struct mrc_error *err) {
    double lps[3][4], frame[3][3];
    double lo[3] = {INFINITY, INFINITY, INFINITY}, hi[3] = {-INFINITY, -INFINITY, -INFINITY};
    double head_lo[3], head_hi[3];
    struct mrc_axial_record nearest;
    bool keeps_planes = false;
    mrc_axial_nearest(&nearest, g, e, MRC_CUT_AXIAL);
    mrc_geometry_to_lps(lps, g);
    choose_frame(frame, &keeps_planes, lps, &nearest);
    enum mrc_status st =
        check_spacing(g, keeps_planes ? &nearest.axis[2] : NULL, max_slice_mm, name, err);
    if (st != MRC_OK) return st;
    *out = (struct mrc_reformat_record){.used = true, .source = e};
    memcpy(head_lo, lo, sizeof lo);
    memcpy(head_hi, hi, sizeof hi);
    box_of_volume(lo, hi, frame, lps, e);
    if (mask != NULL) box_of_head(head_lo, head_hi, frame, lps, e, mask);
    for (int a = 0; mask != NULL && a < 3; ++a) {
        if (a == 2 && keeps_planes) continue; /* all of them, and none between */
        lo[a] = fmax(lo[a], head_lo[a]);
        hi[a] = fmin(hi[a], head_hi[a]);
    }
    return fill_box(out, lo, hi, frame, nearest.spacing_mm, name, err);
}
