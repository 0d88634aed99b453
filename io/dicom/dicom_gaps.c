/* dicom_gaps.c: tolerances and their origins: docs/dicom.md, "Slices". */
#include "io/dicom/dicom_gaps.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

static const double even_fraction = 0.01; /* of the median */
static const double rounding_mm = 0.1, rounding_fraction = 0.1;

static int by_value(const void *a, const void *b) {
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

enum mrc_status mrc_dicom_gaps_measure(struct mrc_dicom_gaps *out, const double *along_mm,
                                       size_t count, struct mrc_error *err) {
    size_t last = count - 1;
    double step = (along_mm[last] - along_mm[0]) / (double)last;
    double *gaps = mrc_alloc(last, sizeof *gaps);
    if (gaps == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu slices", count);
    for (size_t i = 0; i < last; ++i) gaps[i] = along_mm[i + 1] - along_mm[i];
    qsort(gaps, last, sizeof *gaps, by_value);
    double median = gaps[last / 2];
    *out = (struct mrc_dicom_gaps){.median_mm = median,
                                   .tolerance_mm = fmax(MRC_DICOM_EVEN_MM, even_fraction * median)};
    out->alike =
        median - gaps[0] <= out->tolerance_mm && gaps[last - 1] - median <= out->tolerance_mm;
    for (size_t i = 1; i < last; ++i)
        out->off_grid_mm =
            fmax(out->off_grid_mm, fabs(along_mm[i] - along_mm[0] - step * (double)i));
    out->near_grid = out->off_grid_mm <= fmin(rounding_mm, rounding_fraction * median);
    mrc_free(gaps);
    return MRC_OK;
}
