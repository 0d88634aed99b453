/* test_metrics.c: the metrics on small images whose scores are known: by hand, or from scikit-image
 * 0.19 and SciPy 1.10 on the same numbers (metrics_peer.py compares many more where those are
 * installed). */
#include "tests/support.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/artefacts.h"
#include "metrics/conformal.h"
#include "metrics/difference.h"
#include "metrics/distribution.h"
#include "metrics/radiomics.h"
#include "metrics/similarity.h"
#include "metrics/tissue.h"

enum { SIDE = 24, PIXELS = SIDE * SIDE };

/* Two smooth images any program can make again. */
static void make_images(float image[PIXELS], float truth[PIXELS]) {
    for (int r = 0; r < SIDE; ++r)
        for (int c = 0; c < SIDE; ++c) {
            image[r * SIDE + c] = (float)((r * 7 + c * 3) % 23) / 23.0f;
            truth[r * SIDE + c] = (float)((r * 5 + c * 11) % 19) / 19.0f;
        }
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g, expected %.12g", value, expected);
}

static void test_scores_of_known_images(void **state) {
    (void)state;
    static float image[PIXELS], truth[PIXELS];
    static unsigned char mask[PIXELS];
    struct mrc_error err = {0};
    make_images(image, truth);
    for (int i = 0; i < PIXELS; ++i)
        mask[i] = (unsigned char)(i / SIDE >= 4 && i / SIDE < 20 && i % SIDE >= 6 && i % SIDE < 18);
    struct mrc_pair pair = {image, truth, NULL, SIDE, SIDE};
    double ssim = 0.0;
    assert_ok(mrc_ssim(&ssim, &pair, &err), &err);
    assert_near(ssim, 0.0458116926703, 1e-6);
    assert_near(mrc_psnr(&pair), 7.8662574015, 1e-6);
    assert_near(mrc_mae(&pair), 0.330159071438, 1e-6);
    assert_near(mrc_nmi(&pair), 1.17816082751, 1e-6);
    pair.mask = mask;
    assert_ok(mrc_ssim(&ssim, &pair, &err), &err);
    assert_near(ssim, 0.0548659036552, 1e-6);
    assert_near(mrc_mae(&pair), 0.32720728496, 1e-6);
}

static void test_equal_images(void **state) {
    (void)state;
    static float image[PIXELS], truth[PIXELS];
    struct mrc_error err = {0};
    make_images(image, truth);
    struct mrc_pair pair = {image, image, NULL, SIDE, SIDE};
    struct mrc_tissue_agreement tissue;
    double ssim = 0.0, ms_ssim = 0.0;
    assert_ok(mrc_ssim(&ssim, &pair, &err), &err);
    assert_near(ssim, 1.0, 1e-12);
    assert_true(isinf(mrc_psnr(&pair)) && mrc_psnr(&pair) > 0.0);
    assert_near(mrc_nmi(&pair), 2.0, 1e-12);
    assert_near(mrc_edge_sharpness(&pair), 1.0, 1e-12);
    assert_ok(mrc_ms_ssim(&ms_ssim, &pair, &err), &err);
    assert_true(isnan(ms_ssim)); /* too small for five scales */
    assert_ok(mrc_tissue_compare(&tissue, image, image, PIXELS, NULL, &err), &err);
    for (int t = 0; t < MRC_TISSUE_CLASSES; ++t) {
        assert_near(tissue.dice[t], 1.0, 0.0);
        assert_near(tissue.volume_error[t], 0.0, 0.0);
    }
}

static void test_what_does_not_exist_is_nan(void **state) {
    (void)state;
    static const float one[1] = {0.5f}, flat[16] = {0};
    static const unsigned char nothing[1] = {0};
    struct mrc_error err = {0};
    struct mrc_pair small = {one, one, NULL, 1, 1}, empty = {one, one, nothing, 1, 1};
    struct mrc_pair even = {flat, flat, NULL, 4, 4};
    double ssim = 0.0, between[2];
    assert_ok(mrc_ssim(&ssim, &small, &err), &err);
    assert_true(isnan(ssim));
    assert_true(isnan(mrc_mae(&empty)));
    assert_true(isnan(mrc_edge_sharpness(&even)));
    assert_near(mrc_nmi(&even), 1.0, 0.0);
    assert_ok(mrc_tissue_thresholds(between, one, 1, nothing, &err), &err);
    assert_true(isnan(between[0]) && isnan(between[1]));
    assert_true(isnan(mrc_slice_consistency(flat, flat, NULL, 1, 16)));
}

static void test_slices_that_jump(void **state) {
    (void)state;
    static const float truth[8] = {0.0f, 0.0f, 0.1f, 0.1f, 0.2f, 0.2f, 0.3f, 0.3f};
    static const float jumps[8] = {0.0f, 0.0f, 0.3f, 0.3f, 0.0f, 0.0f, 0.3f, 0.3f};
    static const unsigned char first[8] = {1, 0, 1, 0, 1, 0, 1, 0};
    assert_near(mrc_slice_consistency(jumps, truth, NULL, 4, 2), 3.0, 1e-6);
    assert_near(mrc_slice_consistency(jumps, truth, first, 4, 2), 3.0, 1e-6);
    assert_near(mrc_slice_consistency(truth, truth, NULL, 4, 2), 1.0, 1e-12);
}

static void test_classes(void **state) {
    (void)state;
    /* three clear groups: thresholds half-way between their means */
    static const float v[9] = {0.1f, 0.9f, 0.5f, 0.12f, 0.52f, 0.92f, 0.08f, 0.48f, 0.88f};
    static const float swapped[9] = {0.9f, 0.9f, 0.5f, 0.12f, 0.52f, 0.92f, 0.08f, 0.48f, 0.88f};
    struct mrc_error err = {0};
    double between[2];
    struct mrc_tissue_agreement tissue;
    assert_ok(mrc_tissue_thresholds(between, v, 9, NULL, &err), &err);
    assert_near(between[0], 0.3, 1e-6);
    assert_near(between[1], 0.7, 1e-6);
    assert_ok(mrc_tissue_compare(&tissue, swapped, v, 9, NULL, &err), &err);
    assert_near(tissue.dice[0], 0.8, 1e-12); /* 2 2 / (2 + 3) */
    assert_near(tissue.dice[2], 6.0 / 7.0, 1e-12);
    assert_near(tissue.volume_error[0], -1.0 / 3.0, 1e-12);
}

static void test_distances_of_known_sets(void **state) {
    (void)state;
    /* diagonal covariances: |m1 - m2|^2 + (s1 - s2)^2 a feature */
    static const double a[8] = {-1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 1.0};
    static const double b[8] = {1.0, 2.0, 5.0, 2.0, 3.0, 0.0, 3.0, 4.0};
    const struct mrc_features fa = {a, 4, 2}, fb = {b, 4, 2};
    struct mrc_error err = {0};
    double distance = 0.0;
    const double s1 = sqrt(2.0 / 3.0), s2 = sqrt(8.0 / 3.0);
    assert_ok(mrc_frechet_distance(&distance, &fa, &fb, &err), &err);
    assert_near(distance, 9.0 + 4.0 + 2.0 * (s1 - s2) * (s1 - s2), 1e-9);
    assert_ok(mrc_frechet_distance(&distance, &fa, &fa, &err), &err);
    assert_near(distance, 0.0, 1e-9);
    assert_near(mrc_kernel_distance(&fa, &fb), 517.666666667, 1e-9);
    const struct mrc_features one = {a, 1, 2};
    assert_ok(mrc_frechet_distance(&distance, &one, &fb, &err), &err);
    assert_true(isnan(distance) && isnan(mrc_kernel_distance(&one, &fb)));
    double broken[8];
    memcpy(broken, a, sizeof broken);
    broken[3] = (double)NAN;
    const struct mrc_features nan = {broken, 4, 2};
    assert_int_equal(mrc_frechet_distance(&distance, &nan, &fb, &err), MRC_ERR_NUMERIC);
}

static void test_features_are_standardised_by_the_reference(void **state) {
    (void)state;
    static const double reference[6] = {1.0, 7.0, 2.0, 7.0, 3.0, 7.0};
    double values[4] = {4.0, 9.0, 2.0, 7.0};
    const struct mrc_features f = {reference, 3, 2};
    struct mrc_error err = {0};
    assert_ok(mrc_features_standardise(values, 2, &f, &err), &err);
    assert_near(values[0], 2.0, 1e-12);
    assert_near(values[1], 2.0, 1e-12); /* constant in the reference: only its mean goes */
    assert_near(values[2], 0.0, 1e-12);
}

/* A sharper, noisier or inverted image must look different, a shifted one nearly the same. */
static void test_features_tell_images_apart(void **state) {
    (void)state;
    enum { N = 64 };
    static float plain[N * N], shifted[N * N], inverted[N * N];
    double p[MRC_RADIOMIC_FEATURES], s[MRC_RADIOMIC_FEATURES], i[MRC_RADIOMIC_FEATURES];
    struct mrc_error err = {0};
    for (int r = 0; r < N; ++r)
        for (int c = 0; c < N; ++c) {
            double d = hypot(r - 32.0, c - 30.0), e = hypot(r - 32.0, c - 34.0);
            plain[r * N + c] = (float)(d < 20.0 ? 0.5 + 0.4 * cos(d) : 0.0);
            shifted[r * N + c] = (float)(e < 20.0 ? 0.5 + 0.4 * cos(e) : 0.0);
            inverted[r * N + c] = 1.0f - plain[r * N + c];
        }
    assert_ok(mrc_radiomic_features(p, plain, N, N, NULL, &err), &err);
    assert_ok(mrc_radiomic_features(s, shifted, N, N, NULL, &err), &err);
    assert_ok(mrc_radiomic_features(i, inverted, N, N, NULL, &err), &err);
    double near = 0.0, far = 0.0;
    for (int f = 0; f < MRC_RADIOMIC_FEATURES; ++f) {
        assert_true(isfinite(p[f]));
        near += fabs(p[f] - s[f]);
        far += fabs(p[f] - i[f]);
    }
    assert_true(near < 0.1 * far);
}

static void test_an_empty_mask_gives_finite_features(void **state) {
    (void)state;
    static const float image[64] = {0};
    static const unsigned char nothing[64] = {0};
    double f[MRC_RADIOMIC_FEATURES];
    struct mrc_error err = {0};
    assert_ok(mrc_radiomic_features(f, image, 8, 8, nothing, &err), &err);
    for (int n = 0; n < MRC_RADIOMIC_FEATURES; ++n) assert_true(isfinite(f[n]));
}

static void test_memory_may_run_out(void **state) {
    (void)state;
    static float image[PIXELS], truth[PIXELS];
    static const double a[6] = {1.0, 2.0, 4.0, 1.0, 3.0, 3.0};
    const struct mrc_features f = {a, 3, 2};
    double value = 0.0, features[MRC_RADIOMIC_FEATURES];
    struct mrc_tissue_agreement tissue;
    enum mrc_status st;
    make_images(image, truth);
    struct mrc_pair pair = {image, truth, NULL, SIDE, SIDE};
    MRC_TRY_EVERY_FAILURE(st, mrc_ssim(&value, &pair, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, mrc_tissue_compare(&tissue, image, truth, PIXELS, NULL, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, mrc_frechet_distance(&value, &f, &f, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, mrc_radiomic_features(features, image, SIDE, SIDE, NULL, NULL));
    assert_int_equal(st, MRC_OK);
}

static void test_artefacts_of_known_images(void **state) {
    (void)state;
    enum { PLAIN, RAMP, PERIOD_2, PERIOD_4, KINDS };
    static float images[KINDS][PIXELS], mask[PIXELS];
    for (int i = 0; i < PIXELS; ++i) {
        int x = i % SIDE, y = i / SIDE;
        mask[i] = x < SIDE / 2 ? 1.0f : 0.0f;
        images[PLAIN][i] = 0.5f;
        images[RAMP][i] = (float)x / (float)SIDE;
        images[PERIOD_2][i] = 0.5f + ((x + y) % 2 == 0 ? 0.1f : -0.1f);
        images[PERIOD_4][i] = 0.5f + (x % 4 == 0 ? 0.1f : x % 4 == 2 ? -0.1f : 0.0f);
    }
    assert_near(mrc_checkerboard(images[PLAIN], SIDE, SIDE), 0.0, 1e-7);
    assert_near(mrc_checkerboard(images[PERIOD_2], SIDE, SIDE), 0.1, 1e-6);
    assert_near(mrc_checkerboard(images[PERIOD_4], SIDE, SIDE), 0.1, 1e-6);
    assert_near(mrc_checkerboard(images[PLAIN], 7, 7), 0.0, 0.0);
    /* steps of h: (-1)^x gives h/2, i^x sums to h (-2 + 2i) in every four */
    assert_near(mrc_checkerboard(images[RAMP], SIDE, SIDE), sqrt(2.0) / SIDE, 1e-6);
    assert_near(mrc_variety(images[PERIOD_2], 2, PIXELS), 0.1, 0.02);
    assert_near(mrc_variety(images[PLAIN], 1, PIXELS), 0.0, 0.0);
    memcpy(images[PERIOD_2], images[PLAIN], sizeof images[PLAIN]);
    assert_near(mrc_variety(images[PERIOD_2], 2, PIXELS), 0.05, 0.01); /* of PERIOD_4 */
    for (int i = 0; i < PIXELS; ++i) /* falls where the ramp rises, but outside the mask */
        images[PERIOD_4][i] = mask[i] > 0.0f ? 3.0f - images[RAMP][i] : images[RAMP][i];
    assert_near(mrc_masked_correlation(images[RAMP], images[PERIOD_4], mask, 0.5f, PIXELS), -1.0,
                1e-9);
    assert_near(mrc_masked_correlation(images[RAMP], images[PLAIN], mask, 0.5f, PIXELS), 0.0, 0.0);
}

/* --- Calibration --- */

/* Any line of the truth has no error; a step in a tenth of the voxels is the largest of all but that
 * tenth's. */
static void test_errors_after_a_fit(void **state) {
    (void)state;
    static float image[PIXELS], truth[PIXELS], line[PIXELS], flat[PIXELS];
    static unsigned char mask[PIXELS], none[PIXELS];
    struct mrc_error err = {0};
    double error = 0.0;
    make_images(image, truth);
    for (int i = 0; i < PIXELS; ++i) {
        line[i] = 400.0f - 300.0f * truth[i];
        mask[i] = i >= SIDE;
        if (i < SIDE) line[i] = 1e6f; /* outside the mask */
    }
    assert_int_equal(mrc_fitted_error(&error, line, truth, mask, PIXELS, 0.9, &err), MRC_OK);
    assert_near(error, 0.0, 1e-6);
    assert_int_equal(mrc_fitted_error(&error, line, truth, none, PIXELS, 0.9, &err), MRC_OK);
    assert_true(isnan(error));
    assert_int_equal(mrc_fitted_error(&error, truth, flat, mask, PIXELS, 0.9, &err), MRC_OK);
    assert_true(isnan(error));
    for (int i = 0; i < PIXELS; ++i) image[i] = truth[i] + (i % 2 == 0 ? 0.01f : -0.01f);
    assert_int_equal(mrc_fitted_error(&error, image, truth, mask, PIXELS, 0.9, &err), MRC_OK);
    assert_near(error, 0.01 / (18.0 / 19.0), 0.001); /* the truth goes from 0 to 18/19 */
}

/* The promise: of heads drawn from whatever distribution, the next one keeps the bound of `count`
 * others with a probability from 0.9 to 0.9 + 1 / (count + 1). */
static void test_bounds_hold_for_the_next_head(void **state) {
    (void)state;
    enum { COUNT = 14, TIMES = 20000 };
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    double errors[COUNT];
    int kept = 0;
    for (int t = 0; t < TIMES; ++t) {
        for (int i = 0; i < COUNT; ++i) errors[i] = exp(mrc_rng_normal(&rng));
        kept += exp(mrc_rng_normal(&rng)) <= mrc_conformal_bound(errors, COUNT, 0.9);
    }
    assert_near((double)kept / TIMES, 14.0 / 15.0, 0.006);
    assert_int_equal(mrc_conformal_needed(0.9), 9);
    assert_true(isnan(mrc_conformal_bound(errors, 8, 0.9)));
    assert_true(isnan(mrc_conformal_bound(errors, 0, 0.9)));
    assert_true(mrc_conformal_bound(errors, 9, 0.9) > 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_after_a_fit),
        cmocka_unit_test(test_bounds_hold_for_the_next_head),
        cmocka_unit_test(test_artefacts_of_known_images),
        cmocka_unit_test(test_scores_of_known_images),
        cmocka_unit_test(test_equal_images),
        cmocka_unit_test(test_what_does_not_exist_is_nan),
        cmocka_unit_test(test_slices_that_jump),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_distances_of_known_sets),
        cmocka_unit_test(test_features_are_standardised_by_the_reference),
        cmocka_unit_test(test_features_tell_images_apart),
        cmocka_unit_test(test_an_empty_mask_gives_finite_features),
        cmocka_unit_test(test_memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
