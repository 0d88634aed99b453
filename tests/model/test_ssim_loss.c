/* test_ssim_loss.c: the loss against its definition, and its gradient against differences. */
#include "tests/support.h"

#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "model/gan/ssim_loss.h"

enum { H = 17, W = 14, STEP = 2, PIXELS = H * W, FLOATS = PIXELS * STEP };

static void fill(float *v, size_t n, uint64_t sample) {
    struct mrc_rng rng = mrc_rng_for(1, 0, sample, MRC_FOR_TEST);
    for (size_t i = 0; i < n; ++i) v[i] = (float)mrc_rng_uniform(&rng);
}

/* The definition, window by window. */
static double plain(const float *a, const float *b, double range) {
    double window[11][11], total = 0.0, sum = 0.0;
    int count = 0;
    for (int y = 0; y < 11; ++y)
        for (int x = 0; x < 11; ++x)
            total += window[y][x] =
                exp(-((y - 5.0) * (y - 5.0) + (x - 5.0) * (x - 5.0)) / (2.0 * 1.5 * 1.5));
    for (int y = 0; y + 11 <= H; ++y)
        for (int x = 0; x + 11 <= W; ++x, ++count) {
            double ma = 0.0, mb = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
            for (int i = 0; i < 11; ++i)
                for (int j = 0; j < 11; ++j) {
                    const double w = window[i][j] / total;
                    const double p = (double)a[((y + i) * W + x + j) * STEP];
                    const double q = (double)b[((y + i) * W + x + j) * STEP];
                    ma += w * p;
                    mb += w * q;
                    aa += w * p * p;
                    bb += w * q * q;
                    ab += w * p * q;
                }
            const double c1 = 1e-4 * range * range, c2 = 9e-4 * range * range;
            sum += (2.0 * ma * mb + c1) * (2.0 * (ab - ma * mb) + c2) /
                   ((ma * ma + mb * mb + c1) * (aa - ma * ma + bb - mb * mb + c2));
        }
    return 1.0 - sum / count;
}

static float *spare_for(int64_t h, int64_t w) {
    float *spare = mrc_alloc(mrc_ssim_loss_spare(h, w), sizeof *spare);
    assert_non_null(spare);
    return spare;
}

static void test_it_is_one_less_the_mean_ssim(void **state) {
    (void)state;
    float a[FLOATS], b[FLOATS], d[FLOATS] = {0}, *spare = spare_for(H, W);
    fill(a, FLOATS, 1);
    fill(b, FLOATS, 2);
    for (int channel = 0; channel < STEP; ++channel) {
        const double is =
            mrc_ssim_loss(d + channel, a + channel, b + channel, H, W, STEP, 0.7, 1.0, spare);
        assert_true(fabs(is - plain(a + channel, b + channel, 0.7)) < 1e-5);
    }
    assert_true(fabs(mrc_ssim_loss(d, a, a, H, W, STEP, 0.7, 1.0, spare)) < 1e-5);
    mrc_free(spare);
}

static void test_its_gradient_is_that_of_differences(void **state) {
    (void)state;
    float a[FLOATS], b[FLOATS], d[FLOATS], *spare = spare_for(H, W);
    const double weight = 3.0, by = 1e-3;
    fill(a, FLOATS, 3);
    fill(b, FLOATS, 4);
    for (int i = 0; i < FLOATS; ++i) d[i] = 1.0f; /* it is added to */
    (void)mrc_ssim_loss(d, a, b, H, W, STEP, 1.0, weight, spare);
    for (int pixel = 0; pixel < PIXELS; pixel += 7) {
        const float kept = a[pixel * STEP];
        a[pixel * STEP] = (float)((double)kept + by);
        const double up = plain(a, b, 1.0);
        a[pixel * STEP] = (float)((double)kept - by);
        const double down = plain(a, b, 1.0);
        a[pixel * STEP] = kept;
        const double want = weight * (up - down) / (2.0 * by);
        assert_true(fabs((double)d[pixel * STEP] - 1.0 - want) < 2e-4);
        assert_true(d[pixel * STEP + 1] == 1.0f); /* the other channel */
    }
    mrc_free(spare);
}

static void test_images_smaller_than_the_window_have_none(void **state) {
    (void)state;
    float a[10 * W] = {0}, d[10 * W] = {0}, *spare = spare_for(10, W);
    a[3] = 1.0f;
    assert_true(mrc_ssim_loss(d, a, d, 10, W, 1, 1.0, 1.0, spare) == 0.0);
    for (int i = 0; i < 10 * W; ++i) assert_true(d[i] == 0.0f);
    mrc_free(spare);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_one_less_the_mean_ssim),
        cmocka_unit_test(test_its_gradient_is_that_of_differences),
        cmocka_unit_test(test_images_smaller_than_the_window_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
