/* images.h: what view and compare share: images brought onto one axial grid and into [0,1]. */
#ifndef MRC_APP_COMPARE_IMAGES_H
#define MRC_APP_COMPARE_IMAGES_H

#include "base/status.h"
#include "base/text.h"
#include "io/volume.h"

/** Any image, synthetic and derived ones too. */
enum mrc_status compare_load(mrc_volume **out, const char *path, bool assume_ras,
                             struct mrc_error *err);
/** An empty axial grid around `vol` (columns to Left, rows to Posterior, slices to Superior), of its
 * finest spacing where that stays within a page's size; of a stack of pictures its own. */
enum mrc_status compare_make_grid(mrc_volume **out, const mrc_volume *vol, struct mrc_error *err);
/** The part-th quantile (0 … 1) of the values where `mask` (NULL: everywhere) is not 0; NaN where
 * there is none. MRC_ERR_NOMEM. */
enum mrc_status compare_quantile(double *out, const float *values, const unsigned char *mask,
                                 size_t count, double part, struct mrc_error *err);
/** Appends a viewer of volumes that lie on one such grid, in [0,1]. */
enum mrc_status compare_append_viewer(struct mrc_text *page, mrc_volume *const *vols,
                                      const char *const *names, size_t count,
                                      struct mrc_error *err);

#endif
