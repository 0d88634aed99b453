/* plane.h: what the metrics measure: one grey image, and where in it. They see plain arrays only,
 * never a network or a file. */
#ifndef MRC_METRICS_PLANE_H
#define MRC_METRICS_PLANE_H

#include <stdint.h>

/** Two images of one size. Intensities run from 0 to 1, and `mask` is NULL (the whole image) or
 * tells with anything but 0 which pixels count. All of [rows][columns]; nothing is owned. */
struct mrc_pair {
    const float *image, *truth;
    const unsigned char *mask;
    int64_t rows, columns;
};

#endif
