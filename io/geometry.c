/* geometry.c: index-to-patient matrices. RAS+ (NIfTI) and LPS+ (DICOM) differ in the signs of the
 * first two rows. */
#include "io/geometry.h"

#include <float.h>
#include <math.h>
#include <string.h>

int64_t mrc_extent_count(struct mrc_extent e) {
    if (e.i <= 0 || e.j <= 0 || e.k <= 0) return -1;
    if (e.i > INT64_MAX / e.j || e.i * e.j > INT64_MAX / e.k) return -1;
    return e.i * e.j * e.k;
}

const char *mrc_orientation_name(enum mrc_orientation orientation) {
    switch (orientation) {
    case MRC_AXIAL: return "axial";
    case MRC_SAGITTAL: return "sagittal";
    case MRC_CORONAL: return "coronal";
    case MRC_OBLIQUE: return "oblique";
    }
    return "oblique";
}

void mrc_geometry_init(struct mrc_geometry *g) {
    *g = (struct mrc_geometry){.spacing_mm = {1.0, 1.0, 1.0},
                               .index_to_ras_mm = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
}

static double column_norm(double m[3][4], int c) {
    return sqrt(m[0][c] * m[0][c] + m[1][c] * m[1][c] + m[2][c] * m[2][c]);
}

static double determinant(double m[3][4]) {
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

enum mrc_status mrc_geometry_from_ras(struct mrc_geometry *g, double index_to_ras_mm[3][4],
                                      const char *name, struct mrc_error *err) {
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c) {
            if (isfinite(index_to_ras_mm[r][c])) continue;
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: geometry holds %g, expected finite numbers",
                            name, index_to_ras_mm[r][c]);
        }
    }
    struct mrc_geometry made = {.physical = true};
    memcpy(made.index_to_ras_mm, index_to_ras_mm, sizeof made.index_to_ras_mm);
    double volume = 1.0;
    for (int c = 0; c < 3; ++c) {
        made.spacing_mm[c] = column_norm(index_to_ras_mm, c);
        volume *= made.spacing_mm[c];
        if (made.spacing_mm[c] >= 1e-3 && made.spacing_mm[c] <= 100.0) continue;
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: voxel spacing %g mm along axis %d, expected 0.001 to 100 mm", name,
                        made.spacing_mm[c], c + 1);
    }
    double fill = fabs(determinant(index_to_ras_mm)) / volume;
    if (fill < 1e-3) {
        return mrc_fail(
            err, MRC_ERR_FORMAT,
            "%s: voxel axes lie in one plane (relative volume %g), expected three directions", name,
            fill);
    }
    *g = made;
    return MRC_OK;
}

static void flip_xy(double out[3][4], double m[3][4]) {
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c)
            out[r][c] = r < 2 && m[r][c] != 0.0 ? -m[r][c] : m[r][c]; /* no -0 */
    }
}

enum mrc_status mrc_geometry_from_lps(struct mrc_geometry *g, double index_to_lps_mm[3][4],
                                      const char *name, struct mrc_error *err) {
    double ras[3][4];
    flip_xy(ras, index_to_lps_mm);
    return mrc_geometry_from_ras(g, ras, name, err);
}

void mrc_geometry_to_lps(double index_to_lps_mm[3][4], const struct mrc_geometry *g) {
    double ras[3][4];
    memcpy(ras, g->index_to_ras_mm, sizeof ras);
    flip_xy(index_to_lps_mm, ras);
}

enum mrc_orientation mrc_geometry_orientation(const struct mrc_geometry *g) {
    double a[3], b[3];
    for (int r = 0; r < 3; ++r) {
        a[r] = g->index_to_ras_mm[r][0] / g->spacing_mm[0];
        b[r] = g->index_to_ras_mm[r][1] / g->spacing_mm[1];
    }
    double normal[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                        a[0] * b[1] - a[1] * b[0]};
    static const enum mrc_orientation planes[3] = {MRC_SAGITTAL, MRC_CORONAL, MRC_AXIAL};
    for (int r = 0; r < 3; ++r) {
        if (fabs(normal[r]) >= 0.95) return planes[r];
    }
    return MRC_OBLIQUE;
}

double mrc_geometry_shear(const struct mrc_geometry *g) {
    double largest = 0.0;
    for (int a = 0; a < 3; ++a) {
        int b = (a + 1) % 3;
        double dot = 0.0;
        for (int r = 0; r < 3; ++r) dot += g->index_to_ras_mm[r][a] * g->index_to_ras_mm[r][b];
        double sine = fabs(dot) / (g->spacing_mm[a] * g->spacing_mm[b]);
        if (sine > largest) largest = sine;
    }
    return largest;
}

bool mrc_geometry_is_right_handed(const struct mrc_geometry *g) {
    double m[3][4];
    memcpy(m, g->index_to_ras_mm, sizeof m);
    return determinant(m) > 0.0;
}

const char *mrc_geometry_askew(const struct mrc_geometry *g) {
    if (mrc_geometry_shear(g) > 0.0142) return "a sheared grid";
    return NULL;
}

void mrc_geometry_position(double ras_mm[3], const struct mrc_geometry *g, double i, double j,
                           double k) {
    for (int r = 0; r < 3; ++r) {
        const double *m = g->index_to_ras_mm[r];
        ras_mm[r] = m[0] * i + m[1] * j + m[2] * k + m[3];
    }
}

double mrc_geometry_distance(const struct mrc_geometry *a, const struct mrc_geometry *b,
                             struct mrc_extent extent) {
    double largest = 0.0;
    for (int corner = 0; corner < 8; ++corner) {
        double i = corner & 1 ? (double)(extent.i - 1) : 0.0,
               j = corner & 2 ? (double)(extent.j - 1) : 0.0;
        double k = corner & 4 ? (double)(extent.k - 1) : 0.0, p[3], q[3], sum = 0.0;
        mrc_geometry_position(p, a, i, j, k);
        mrc_geometry_position(q, b, i, j, k);
        for (int r = 0; r < 3; ++r) sum += (p[r] - q[r]) * (p[r] - q[r]);
        if (sum > largest) largest = sum;
    }
    return sqrt(largest);
}
