/* chart.h: curves over one common axis, in panels one below the other, as one PNG. */
#ifndef MRC_APP_PAGES_CHART_H
#define MRC_APP_PAGES_CHART_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_curve {
    const char *name;
    const double *values; /* [count]; what is not finite is a gap */
};
struct mrc_panel {
    const char *title;
    const struct mrc_curve *curves;
    size_t curve_count; /* up to 8 have a colour of their own */
};
struct mrc_chart {
    const char *title, *x_label;
    const double *x; /* [count], ascending */
    size_t count;
    const struct mrc_panel *panels;
    size_t panel_count;
};
/** The value axis of each panel runs from 0, or below where values are negative, to the largest
 * value. */
MRC_STATUS mrc_chart_render(unsigned char **png, size_t *size_bytes, const struct mrc_chart *chart,
                            struct mrc_error *err);
/** The chart as a file, whole or not at all. */
MRC_STATUS mrc_chart_save(const struct mrc_chart *chart, const char *path, struct mrc_error *err);

/** A round step (1, 2 or 5 times a power of ten) that cuts `range` (> 0) into at most `most` (> 0)
 * parts. */
MRC_API double mrc_chart_step(double range, int most);

#ifdef __cplusplus
}
#endif
#endif
