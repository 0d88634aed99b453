/* head.c: see head.h. */
#include "tests/support.h"

#include <math.h>
#include <string.h>

#include "tests/preprocess/head.h"

float head_value(int64_t x, int64_t y, int64_t z) {
    if (x >= MARK_X - 1 && x <= MARK_X + 1 && y >= MARK_Y - 1 && y <= MARK_Y + 1 && z == MARK_Z)
        return 1000.0f;
    double u = ((double)x - 19.5) / 16.0, v = ((double)y - 23.5) / 20.0,
           w = ((double)z - 4.0) / 9.0;
    double r = sqrt(u * u + v * v + w * w);
    if (r > 1.0) return 3.0f;
    if (r < 0.3) return 90.0f;
    return (float)(400.0 + 6.0 * (double)x + 3.0 * (double)y + 10.0 * (double)z);
}

void head_position(double ras_mm[3], double x, double y, double z) {
    ras_mm[0] = -(HEAD_COLUMN_MM * x - 38.0);
    ras_mm[1] = -(HEAD_ROW_MM * y - 61.0);
    ras_mm[2] = HEAD_SLICE_MM * z - 20.0;
}

void head_order(int axis[3], bool flip[3], int n) {
    static const int permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                           {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int a = 0; a < 3; ++a) {
        axis[a] = permutations[n / 8][a];
        flip[a] = (n >> a & 1) != 0;
    }
}

mrc_volume *head_create(const int axis[3], const bool flip[3]) {
    const int64_t n[3] = {HEAD_COLUMNS, HEAD_ROWS, HEAD_SLICES};
    int64_t side[3], at[3];
    double matrix[3][4], origin[3], corner[3] = {0, 0, 0};
    for (int a = 0; a < 3; ++a) {
        side[axis[a]] = n[a];
        corner[a] = flip[a] ? (double)(n[a] - 1) : 0.0;
    }
    head_position(origin, corner[0], corner[1], corner[2]);
    for (int a = 0; a < 3; ++a) {
        double next[3], to[3] = {corner[0], corner[1], corner[2]};
        to[a] += flip[a] ? -1.0 : 1.0;
        head_position(next, to[0], to[1], to[2]);
        for (int row = 0; row < 3; ++row) matrix[row][axis[a]] = next[row] - origin[row];
    }
    for (int row = 0; row < 3; ++row) matrix[row][3] = origin[row];

    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_geometry_from_ras(&g, matrix, "head", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){side[0], side[1], side[2]}, &g, &err),
              &err);
    float *v = mrc_volume_voxels(vol);
    for (at[2] = 0; at[2] < side[2]; ++at[2])
        for (at[1] = 0; at[1] < side[1]; ++at[1])
            for (at[0] = 0; at[0] < side[0]; ++at[0]) {
                int64_t axial[3];
                for (int a = 0; a < 3; ++a)
                    axial[a] = flip[a] ? n[a] - 1 - at[axis[a]] : at[axis[a]];
                *v++ = head_value(axial[0], axial[1], axial[2]);
            }
    return vol;
}

mrc_volume *plain_axial(int64_t i, int64_t j, int64_t k, double i_mm, double j_mm, double k_mm) {
    double lps[3][4] = {{i_mm, 0, 0, -50}, {0, j_mm, 0, -60}, {0, 0, k_mm, -70}};
    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_geometry_from_lps(&g, lps, "plain", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){i, j, k}, &g, &err), &err);
    return vol;
}
