/* conformal.c: see conformal.h. */
#include "metrics/conformal.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/order.h"

/* Of `count` sorted values. */
static double percentile(const float *sorted, size_t count, double part) {
    return (double)sorted[(size_t)lrint(part * (double)(count - 1))];
}

struct line {
    double slope, offset;
};

static struct line fit(const float *image, const float *truth, const unsigned char *mask,
                       size_t n) {
    double count = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
    for (size_t i = 0; i < n; ++i) {
        if (!mask[i]) continue;
        const double a = (double)image[i], b = (double)truth[i];
        count += 1.0;
        x += a;
        y += b;
        xx += a * a;
        xy += a * b;
    }
    const double spread = xx - x * x / count;
    struct line line = {.slope = spread > 1e-12 * xx ? (xy - x * y / count) / spread : 0.0};
    line.offset = (y - line.slope * x) / count;
    return line;
}

enum mrc_status mrc_fitted_error(double *error, const float *image, const float *truth,
                                 const unsigned char *mask, size_t n, double part,
                                 struct mrc_error *err) {
    size_t count = 0;
    *error = (double)NAN;
    for (size_t i = 0; i < n; ++i) count += mask[i] != 0;
    if (count == 0) return MRC_OK;
    float *values = mrc_alloc(count, sizeof *values), *next = values;
    if (values == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for errors of voxels");
    for (size_t i = 0; i < n; ++i)
        if (mask[i]) *next++ = truth[i];
    qsort(values, count, sizeof *values, mrc_ascending_float);
    const double range = percentile(values, count, 0.995) - percentile(values, count, 0.005);
    const struct line line = fit(image, truth, mask, n);
    next = values;
    for (size_t i = 0; i < n; ++i)
        if (mask[i])
            *next++ = (float)fabs(line.slope * (double)image[i] + line.offset - (double)truth[i]);
    qsort(values, count, sizeof *values, mrc_ascending_float);
    if (range > 0.0) *error = percentile(values, count, part) / range;
    mrc_free(values);
    return MRC_OK;
}

size_t mrc_conformal_needed(double coverage) {
    return (size_t)ceil(coverage / (1.0 - coverage) - 1e-9);
}

double mrc_conformal_bound(const double *errors, size_t count, double coverage) {
    const size_t rank = (size_t)ceil(((double)count + 1.0) * coverage - 1e-9);
    double *sorted = rank >= 1 && rank <= count ? mrc_alloc(count, sizeof *sorted) : NULL;
    if (sorted == NULL) return (double)NAN;
    for (size_t i = 0; i < count; ++i) sorted[i] = errors[i];
    qsort(sorted, count, sizeof *sorted, mrc_ascending_double);
    const double bound = sorted[rank - 1];
    mrc_free(sorted);
    return bound;
}
