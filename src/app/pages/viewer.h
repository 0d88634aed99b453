/* viewer.h: three planes through several images of one grid, inside a page: slices to go through,
 * images to blend, to flicker, to draw a curtain between, and their difference. Needs a browser and
 * no network; the script (viewer.js, 15 KB) is our own, since the libraries that could do it weigh
 * a hundred times as much and bring what a page of 8-bit slices does not need. */
#ifndef MRC_APP_PAGES_VIEWER_H
#define MRC_APP_PAGES_VIEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

enum { MRC_VIEWER_IMAGES = 9 };

/** Images [size[2]][size[1]][size[0]] in [0,1] (what is beyond is cut): columns to the patient's
 * left, rows to the back, slices to the head. */
struct mrc_viewer {
    int64_t size[3];
    double spacing_mm[3];
    bool letters; /* R, L, A, P, S, I at the edges: false where the images do not know them */
    size_t count; /* 1 … MRC_VIEWER_IMAGES */
    const float *images[MRC_VIEWER_IMAGES];
    const char *names[MRC_VIEWER_IMAGES];
};

/** Appends the viewer. Images of more than 4 million voxels are shown at half their resolution, or
 * a quarter …. MRC_ERR_NOMEM, MRC_ERR_RANGE (beyond any page). */
enum mrc_status mrc_viewer_append(struct mrc_text *page, const struct mrc_viewer *viewer,
                                  struct mrc_error *err);

/** viewer.js, line by line; the last is NULL. */
extern const char *const mrc_viewer_script[];

#endif
