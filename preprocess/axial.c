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
/* Along the patient's axis a (Left, Posterior, Superior) lie the slices of this plane. */
static const char *const planes_across[3] = {"sagittal", "coronal", "axial"};
/* Columns, rows, slices: the patient's axis, and whether against it. */
static const struct {
    const char *name;
    int axis[3];
    bool against[3];
} cuts[MRC_CUT_COUNT] = {[MRC_CUT_AXIAL] = {"axial", {0, 1, 2}, {false, false, false}},
                         [MRC_CUT_SAGITTAL] = {"sagittal", {1, 2, 0}, {false, true, true}},
                         [MRC_CUT_CORONAL] = {"coronal", {0, 2, 1}, {false, true, false}}};
#define FINE_MM 3.0 /* voxels at most this long may be cut across */
#define THICK   1.5 /* voxels this much longer than wide are thick slices */

const char *mrc_cut_name(enum mrc_cut cut) {
    return cuts[cut].name;
}

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
                "to make %s slices of",
                name, planes_across[cuts[r->cut].axis[a]], own, axis_names[r->axis[a]],
                max_slice_mm, cuts[r->cut].name);
    }
    return MRC_OK;
}

void mrc_axial_nearest(struct mrc_axial_record *out, const struct mrc_geometry *g,
                       struct mrc_extent e, enum mrc_cut cut) {
    const int64_t side[3] = {e.i, e.j, e.k};
    const int *axis = permutations[0];
    double cosine[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    MRC_ASSERT(g->physical || cut == MRC_CUT_AXIAL);
    if (g->physical) {
        direction_cosines(cosine, g);
        axis = nearest_permutation(cosine);
    }
    memset(out, 0, sizeof *out);
    out->cut = cut;
    for (int a = 0; a < 3; ++a) {
        const int patient = cuts[cut].axis[a], stored = axis[patient];
        out->axis[a] = stored;
        out->flip[a] = (cosine[patient][stored] < 0.0) != cuts[cut].against[a];
        out->spacing_mm[a] = g->physical ? g->spacing_mm[stored] : 1.0;
    }
    out->extent = (struct mrc_extent){side[out->axis[0]], side[out->axis[1]], side[out->axis[2]]};
}

unsigned mrc_slices_cuts(enum mrc_cut *preferred, const struct mrc_geometry *g,
                         struct mrc_extent e) {
    static const enum mrc_cut across[3] = {MRC_CUT_SAGITTAL, MRC_CUT_CORONAL, MRC_CUT_AXIAL};
    struct mrc_axial_record r;
    *preferred = MRC_CUT_AXIAL;
    if (!g->physical) return 1u << MRC_CUT_AXIAL;
    mrc_axial_nearest(&r, g, e, MRC_CUT_AXIAL);
    int longest = 2, shortest = 2;
    for (int a = 1; a >= 0; --a) {
        if (r.spacing_mm[a] > r.spacing_mm[longest]) longest = a;
        if (r.spacing_mm[a] < r.spacing_mm[shortest]) shortest = a;
    }
    if (r.spacing_mm[longest] <= THICK * r.spacing_mm[shortest] + ROUNDING_MM) {
        if (r.spacing_mm[longest] <= FINE_MM + ROUNDING_MM) return (1u << MRC_CUT_COUNT) - 1;
        for (int a = 0; a < 3; ++a) /* coarse all over: as it was stacked */
            if (r.axis[a] == 2) longest = a;
    }
    *preferred = across[longest];
    return 1u << across[longest];
}

enum mrc_status mrc_axial_find(struct mrc_axial_record *out, struct mrc_reformat_record *reformat,
                               const struct mrc_geometry *g, struct mrc_extent e, enum mrc_cut cut,
                               double max_slice_mm, const char *name, struct mrc_error *err) {
    *reformat = (struct mrc_reformat_record){0};
    if (!g->physical && cut != MRC_CUT_AXIAL)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: pictures, which have no place in a patient, expected a volume to "
                        "make %s slices of",
                        name, cuts[cut].name);
    if (g->physical) {
        enum mrc_status st = check_shear(g, name, err);
        if (st != MRC_OK) return st;
    }
    if (mrc_axial_is_oblique(g)) {
        enum mrc_status st = mrc_reformat_find(reformat, g, e, NULL, max_slice_mm, name, err);
        if (st == MRC_OK) mrc_axial_nearest(out, &reformat->grid, reformat->extent, cut);
        return st == MRC_OK && cut != MRC_CUT_AXIAL ? check_thickness(out, max_slice_mm, name, err)
                                                    : st;
    }
    mrc_axial_nearest(out, g, e, cut);
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
