/* tissue.c: k-means in one dimension. On sorted values a class is a run, and its mean a difference
 * of two running sums. */
#include "metrics/tissue.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/order.h"

enum { TISSUES = MRC_TISSUE_CLASSES, MOST_ROUNDS = 1000 };

const char *mrc_tissue_class_name(int tissue) {
    static const char *const names[TISSUES] = {"dark", "middle", "bright"};
    return names[tissue];
}

/* The first of sorted v[n] that is not below `at`. */
static size_t lower_bound(const float *v, size_t n, double at) {
    size_t lo = 0;
    while (n > 0) {
        size_t half = n / 2;
        if ((double)v[lo + half] < at) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

/* sum[i]: of the first i of v. A class that loses all its members keeps its centre. */
static void lloyd(double between[TISSUES - 1], const float *v, const double *sum, size_t n) {
    double centre[TISSUES];
    size_t first[TISSUES + 1] = {0, 0, 0, n};
    for (size_t t = 0; t < TISSUES; ++t) centre[t] = (double)v[(2 * t + 1) * n / (2 * TISSUES)];
    for (int round = 0; round < MOST_ROUNDS; ++round) {
        size_t moved = 0;
        for (size_t t = 1; t < TISSUES; ++t) {
            between[t - 1] = (centre[t - 1] + centre[t]) / 2.0;
            size_t at = lower_bound(v, n, between[t - 1]);
            moved += at != first[t];
            first[t] = at;
        }
        if (moved == 0 && round > 0) break;
        for (size_t t = 0; t < TISSUES; ++t)
            if (first[t + 1] > first[t])
                centre[t] = (sum[first[t + 1]] - sum[first[t]]) / (double)(first[t + 1] - first[t]);
    }
}

enum mrc_status mrc_tissue_thresholds(double between[TISSUES - 1], const float *v, size_t n,
                                      const unsigned char *mask, struct mrc_error *err) {
    float *sorted = mrc_alloc(n, sizeof *sorted);
    double *sum = mrc_alloc(n + 1, sizeof *sum);
    size_t count = 0;
    enum mrc_status status = MRC_OK;
    if (sorted == NULL || sum == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "tissue classes: out of memory");
    for (size_t i = 0; status == MRC_OK && i < n; ++i)
        if (mask == NULL || mask[i] != 0) sorted[count++] = v[i];
    for (int t = 0; t + 1 < TISSUES; ++t) between[t] = (double)NAN;
    if (status == MRC_OK && count > 0) {
        qsort(sorted, count, sizeof *sorted, mrc_ascending_float);
        for (size_t i = 0; i < count; ++i) sum[i + 1] = sum[i] + (double)sorted[i];
        lloyd(between, sorted, sum, count);
    }
    mrc_free(sum);
    mrc_free(sorted);
    return status;
}

static int class_of(double v, const double between[TISSUES - 1]) {
    int t = 0;
    while (t + 1 < TISSUES && v >= between[t]) ++t;
    return t;
}

enum mrc_status mrc_tissue_compare(struct mrc_tissue_agreement *out, const float *image,
                                   const float *truth, size_t n, const unsigned char *mask,
                                   struct mrc_error *err) {
    double of_image[TISSUES - 1], of_truth[TISSUES - 1];
    double a[TISSUES] = {0}, t[TISSUES] = {0}, both[TISSUES] = {0};
    enum mrc_status status = mrc_tissue_thresholds(of_image, image, n, mask, err);
    if (status == MRC_OK) status = mrc_tissue_thresholds(of_truth, truth, n, mask, err);
    if (status != MRC_OK) return status;
    for (size_t i = 0; i < n; ++i) {
        if (mask != NULL && mask[i] == 0) continue;
        int ca = class_of((double)image[i], of_image), ct = class_of((double)truth[i], of_truth);
        a[ca] += 1.0;
        t[ct] += 1.0;
        if (ca == ct) both[ca] += 1.0;
    }
    for (int c = 0; c < TISSUES; ++c) {
        out->dice[c] = a[c] + t[c] > 0.0 ? 2.0 * both[c] / (a[c] + t[c]) : (double)NAN;
        out->volume_error[c] = t[c] > 0.0 ? (a[c] - t[c]) / t[c] : (double)NAN;
    }
    return MRC_OK;
}
