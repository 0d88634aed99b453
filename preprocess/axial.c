/* axial.c: which stored axis runs to the patient's Left, Posterior and Superior.
 * Why a permutation and not a re-slicing: the way back then lands exactly on the source's grid. A
 * grid tilted by a few degrees keeps its tilt, as a scanner's own axial slices would; what is
 * tilted further is reformatted first (reformat.c). */
#include <math.h>
#include <string.h>

#include "preprocess/steps.h"

#define LARGEST_SHEAR 0.0142 /* sine; rule B3's 0.9999 of the slice direction along the normal */
#define THICK_AGAINST_OWN                                                                          \
    1.5                  /* an in-plane pixel this much longer than wide comes from thick slices */
#define ROUNDING_MM 1e-3 /* spacing is computed from positions that were written as decimals */

static const int permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
static const char *const axis_names[3] = {"i", "j", "k"};

/* cosine[a][s]: of stored axis s along axial axis a (Left, Posterior, Superior). */
static void direction_cosines(double cosine[3][3], const struct mrc_geometry *g) {
    double lps[3][4];
    mrc_geometry_to_lps(lps, g);
    for (int s = 0; s < 3; ++s) {
        double norm = sqrt(lps[0][s] * lps[0][s] + lps[1][s] * lps[1][s] + lps[2][s] * lps[2][s]);
        for (int a = 0; a < 3; ++a) cosine[a][s] = lps[a][s] / norm;
    }
}

static const int *nearest_permutation(double cosine[3][3]) {
    const int *best = permutations[0];
    double best_sum = -1.0;
    for (int p = 0; p < 6; ++p) {
        double sum = 0.0;
        for (int a = 0; a < 3; ++a) sum += fabs(cosine[a][permutations[p][a]]);
        if (sum > best_sum) {
            best_sum = sum;
            best = permutations[p];
        }
    }
    return best;
}

double mrc_axial_tilt(const struct mrc_geometry *g) {
    double cosine[3][3], worst = 1.0;
    direction_cosines(cosine, g);
    const int *axis = nearest_permutation(cosine);
    for (int a = 0; a < 3; ++a) worst = fmin(worst, fabs(cosine[a][axis[a]]));
    return acos(fmin(1.0, worst));
}

bool mrc_axial_is_oblique(const struct mrc_geometry *g) {
    return g->physical && mrc_axial_tilt(g) > acos(MRC_SMALLEST_COSINE);
}

static enum mrc_status check_shear(const struct mrc_geometry *g, const char *name,
                                   struct mrc_error *err) {
    double shear = mrc_geometry_shear(g);
    if (shear <= LARGEST_SHEAR) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: sheared, two axes meet at %.2f degrees off the right angle, expected at "
                    "most %.2f",
                    name, asin(fmin(shear, 1.0)) * 57.29577951308232,
                    asin(LARGEST_SHEAR) * 57.29577951308232);
}

static enum mrc_status check_thickness(const struct mrc_axial_record *r, double max_slice_mm,
                                       const char *name, struct mrc_error *err) {
    for (int a = 0; a < 2; ++a) {
        double own = r->spacing_mm[a], other = r->spacing_mm[1 - a];
        bool stacked = r->axis[a] == 2 || own > THICK_AGAINST_OWN * other;
        if (own > max_slice_mm + ROUNDING_MM && stacked)
            return mrc_fail(
                err, MRC_ERR_UNSUPPORTED,
                "%s: %s slices lie %.2f mm apart (along axis %s), expected at most %.2f "
                "to make axial slices of",
                name, a == 0 ? "sagittal" : "coronal", own, axis_names[r->axis[a]], max_slice_mm);
    }
    return MRC_OK;
}

void mrc_axial_nearest(struct mrc_axial_record *out, const struct mrc_geometry *g,
                       struct mrc_extent e) {
    const int64_t side[3] = {e.i, e.j, e.k};
    const int *axis = permutations[0];
    double cosine[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    if (g->physical) {
        direction_cosines(cosine, g);
        axis = nearest_permutation(cosine);
    }
    memset(out, 0, sizeof *out);
    for (int a = 0; a < 3; ++a) {
        out->axis[a] = axis[a];
        out->flip[a] = cosine[a][axis[a]] < 0.0;
        out->spacing_mm[a] = g->physical ? g->spacing_mm[axis[a]] : 1.0;
    }
    out->extent = (struct mrc_extent){side[axis[0]], side[axis[1]], side[axis[2]]};
}

enum mrc_status mrc_axial_find(struct mrc_axial_record *out, struct mrc_reformat_record *reformat,
                               const struct mrc_geometry *g, struct mrc_extent e,
                               double max_slice_mm, const char *name, struct mrc_error *err) {
    *reformat = (struct mrc_reformat_record){0};
    if (g->physical) {
        enum mrc_status st = check_shear(g, name, err);
        if (st != MRC_OK) return st;
    }
    if (mrc_axial_is_oblique(g)) {
        enum mrc_status st = mrc_reformat_find(reformat, g, e, NULL, max_slice_mm, name, err);
        if (st == MRC_OK) mrc_axial_nearest(out, &reformat->grid, reformat->extent);
        return st;
    }
    mrc_axial_nearest(out, g, e);
    return g->physical ? check_thickness(out, max_slice_mm, name, err) : MRC_OK;
}

struct mrc_extent mrc_axial_stored_extent(const struct mrc_axial_record *record) {
    const int64_t axial[3] = {record->extent.i, record->extent.j, record->extent.k};
    int64_t stored[3] = {0, 0, 0};
    for (int a = 0; a < 3; ++a) stored[record->axis[a]] = axial[a];
    return (struct mrc_extent){stored[0], stored[1], stored[2]};
}

struct mrc_axial_view mrc_axial_view_of(const struct mrc_axial_record *record) {
    const struct mrc_extent stored = mrc_axial_stored_extent(record);
    const int64_t stride[3] = {1, stored.i, stored.i * stored.j};
    const int64_t axial[3] = {record->extent.i, record->extent.j, record->extent.k};
    struct mrc_axial_view view = {.origin = 0, .extent = record->extent};
    for (int a = 0; a < 3; ++a) {
        view.stride[a] = stride[record->axis[a]];
        if (record->flip[a]) {
            view.origin += (axial[a] - 1) * view.stride[a];
            view.stride[a] = -view.stride[a];
        }
    }
    return view;
}
