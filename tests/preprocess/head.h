/* head.h: a small head with a marker on its left, stored in any of the 48 orders of axes. */
#ifndef MRC_TESTS_PREPROCESS_HEAD_H
#define MRC_TESTS_PREPROCESS_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "io/volume.h"

enum { HEAD_COLUMNS = 40, HEAD_ROWS = 48, HEAD_SLICES = 12 };
#define HEAD_COLUMN_MM 2.0
#define HEAD_ROW_MM    2.5
#define HEAD_SLICE_MM  2.75
/** Axial index of the marker: towards Left, Anterior, Superior of the centre. */
enum { MARK_X = 24, MARK_Y = 18, MARK_Z = 5 };

/** Intensity at an axial index: an ellipsoid with dark middle, a gradient, and the marker. */
float head_value(int64_t x, int64_t y, int64_t z);
/** RAS position of an axial index (x to Left, y to Posterior, z to Superior). */
void head_position(double ras_mm[3], double x, double y, double z);
/** The head stored with axial axis a along stored axis axis[a], backwards when flip[a]. Fails the
 * test on errors. */
mrc_volume *head_create(const int axis[3], const bool flip[3]);

/** Number `n` of the 48: a permutation and three flips. */
void head_order(int axis[3], bool flip[3], int n);

/** A zeroed volume with a diagonal axial LPS matrix; physical. */
mrc_volume *plain_axial(int64_t i, int64_t j, int64_t k, double i_mm, double j_mm, double k_mm);

#endif
