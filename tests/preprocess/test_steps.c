/* test_steps.c: percentiles, foreground, limits and resampling, each against its slow truth. */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "preprocess/steps.h"
#include "tests/preprocess/head.h"

/* --- Percentiles --- */

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void test_percentiles_are_elements_of_the_sorted_values(void **state) {
    (void)state;
    enum { N = 5001 };
    static float v[N], sorted[N];
    static unsigned char mask[N];
    struct mrc_rng rng = mrc_rng_for(3, 0, 0, MRC_FOR_TEST);
    for (int kind = 0; kind < 4; ++kind) {
        size_t kept = 0;
        for (int n = 0; n < N; ++n) {
            double x = mrc_rng_normal(&rng);
            if (kind == 1) x = floor(4.0 * x); /* many equal */
            if (kind == 2) x = exp(30.0 * x);  /* huge range */
            if (kind == 3 && n % 11 == 0) x = (double)NAN;
            v[n] = (float)x;
            mask[n] = (unsigned char)(mrc_rng_below(&rng, 3) == 0);
            if (mask[n] && isfinite(v[n])) sorted[kept++] = v[n];
        }
        qsort(sorted, kept, sizeof *sorted, by_value);
        const double fractions[][2] = {{0.0, 1.0}, {0.005, 0.995}, {0.5, 0.5}};
        for (int f = 0; f < 3; ++f) {
            float got[2];
            uint64_t population = 0;
            assert_int_equal(
                mrc_order_select(got, fractions[f], 2, &population, v, N, mask, 1, NULL), MRC_OK);
            assert_int_equal(population, kept);
            for (int q = 0; q < 2; ++q) {
                size_t rank = (size_t)floor(fractions[f][q] * (double)(kept - 1) + 0.5);
                assert_true(got[q] == sorted[rank]);
            }
        }
    }
}

/* --- Foreground and limits --- */

static struct mrc_axial_record axial_of(const mrc_volume *vol) {
    struct mrc_axial_record record;
    struct mrc_reformat_record reformat;
    struct mrc_error err = {0};
    assert_ok(mrc_axial_find(&record, &reformat, mrc_volume_geometry(vol), mrc_volume_extent(vol),
                             MRC_CUT_AXIAL, 3.0, "test", &err),
              &err);
    assert_false(reformat.used);
    return record;
}

/* A head of `tissue` with a closed dark ventricle, a bone ring of `air`, and a capsule beside it.
 */
static mrc_volume *layered_head(float air, float bone, float csf, float grey, float white) {
    mrc_volume *vol = plain_axial(48, 48, 24, 2, 2, 2);
    float *v = mrc_volume_voxels(vol);
    for (int n = 0; n < 48 * 48 * 24; ++n) {
        double x = n % 48 - 23.5, y = n / 48 % 48 - 23.5, z = n / 2304 - 11.5;
        double r = sqrt(x * x + y * y + z * z * 4.0 / 3.0);
        v[n] = air;
        if (r < 21) v[n] = white * 1.2f; /* scalp */
        if (r < 19) v[n] = bone;
        if (r < 17) v[n] = csf;
        if (r < 16) v[n] = grey;
        if (r < 13) v[n] = white;
        if (r < 6) v[n] = csf;
        if (n % 48 > 45 && n / 48 % 48 < 4) v[n] = white * 2.0f; /* capsule */
    }
    return vol;
}

/* The definition: no air in the rectangle around it, as far as the field goes. */
static bool is_deep(const unsigned char *mask, int64_t n, int64_t reach) {
    int64_t x = n % 48, y = n / 48 % 48, z = n / 2304;
    for (int64_t b = y - reach; b <= y + reach; ++b)
        for (int64_t a = x - reach; a <= x + reach; ++a)
            if (a >= 0 && a < 48 && b >= 0 && b < 48 && mask[(z * 48 + b) * 48 + a] == MRC_IN_AIR)
                return false;
    return true;
}

static void test_the_head_is_filled_and_alone(void **state) {
    (void)state;
    const size_t count = 48 * 48 * 24;
    mrc_volume *vol = layered_head(0, 5, 100, 350, 500);
    const float *v = mrc_volume_voxels(vol);
    struct mrc_axial_record axial = axial_of(vol);
    struct mrc_normalise_record record = {0};
    struct mrc_error err = {0};
    int64_t per_slice[24], total = 0, in_ball = 0;
    unsigned char *mask = mrc_alloc(count, 1);
    assert_non_null(mask);
    assert_ok(mrc_foreground_find(mask, per_slice, &record, v, &axial, "x", &err), &err);
    for (size_t n = 0; n < count; ++n) {
        double x = (double)(n % 48) - 23.5, y = (double)(n / 48 % 48) - 23.5,
               z = (double)(n / 2304) - 11.5;
        bool head = x * x + y * y + z * z * 4.0 / 3.0 < 21.0 * 21.0;
        assert_int_equal(mask[n] != MRC_IN_AIR, head);
        in_ball += head;
    }
    for (int z = 0; z < 24; ++z) total += per_slice[z];
    assert_int_equal(total, in_ball);
    assert_true(fabs(record.foreground_fraction - (double)in_ball / (double)count) < 1e-12);
    assert_true(record.foreground_threshold > 5.0 && record.foreground_threshold < 350.0);
    int64_t reach = llround(0.3 * sqrt((double)per_slice[11] / acos(-1.0))), core = 0;
    for (int64_t n = 0; n < (int64_t)count; ++n) {
        assert_int_equal(mask[n] == MRC_IN_CORE, is_deep(mask, n, reach));
        core += mask[n] == MRC_IN_CORE;
    }
    assert_in_range(core, total / 10, total / 2);
    mrc_free(mask);
    mrc_volume_destroy(vol);
}

/* A stick is all rind: then it is all core. */
static void test_a_head_without_core_is_core(void **state) {
    (void)state;
    const size_t count = 40 * 40 * 10;
    mrc_volume *vol = plain_axial(40, 40, 10, 1, 1, 1);
    float *v = mrc_volume_voxels(vol);
    for (size_t n = 0; n < count; ++n) v[n] = n / 40 % 40 == 20 ? 100.0f : 0.0f;
    v[0] = 20.0f; /* the air is not one value */
    struct mrc_axial_record axial = axial_of(vol);
    struct mrc_normalise_record record = {0};
    struct mrc_error err = {0};
    int64_t per_slice[10];
    unsigned char *mask = mrc_alloc(count, 1);
    assert_non_null(mask);
    assert_ok(mrc_foreground_find(mask, per_slice, &record, v, &axial, "x", &err), &err);
    for (size_t n = 0; n < count; ++n)
        assert_int_equal(mask[n], n / 40 % 40 == 20 ? MRC_IN_CORE : MRC_IN_AIR);
    mrc_free(mask);
    mrc_volume_destroy(vol);
}

static struct mrc_normalise_record limits_of(const mrc_volume *vol) {
    const struct mrc_slices_options options = MRC_SLICES_DEFAULTS;
    struct mrc_axial_record axial = axial_of(vol);
    struct mrc_normalise_record record;
    struct mrc_error err = {0};
    int64_t per_slice[64];
    assert_ok(mrc_normalise_find(&record, per_slice, mrc_volume_voxels_const(vol), &axial, &options,
                                 "x", &err),
              &err);
    return record;
}

static void test_limits_keep_csf_apart_from_air(void **state) {
    (void)state;
    /* whole head; T2w, where CSF is brightest; skull-stripped; stripped with a shifted zero */
    const struct {
        float air, bone, csf, grey, white, scalp;
        double lo, hi;
    } cases[] = {{0, 5, 100, 350, 500, 600, 0, 500},
                 {2, 10, 900, 500, 300, 360, 2, 900},
                 {0, 0, 100, 350, 500, 0, 0, 500},
                 {-40, -40, 100, 350, 500, -40, -40, 500}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        mrc_volume *vol =
            layered_head(cases[c].air, cases[c].bone, cases[c].csf, cases[c].grey, cases[c].white);
        float *v = mrc_volume_voxels(vol);
        for (int n = 0; n < 48 * 48 * 24; ++n) {
            if (fabsf(v[n] - cases[c].white * 1.2f) < 1e-3f) v[n] = cases[c].scalp;
            if (fabsf(v[n] - cases[c].white * 2.0f) < 1e-3f) v[n] = cases[c].air;
        }
        struct mrc_normalise_record r = limits_of(vol);
        assert_true(fabs(r.lo - cases[c].lo) < 1e-3);
        assert_true(fabs(r.hi - cases[c].hi) < 1e-3);
        mrc_volume_destroy(vol);
    }
}

static void test_a_hot_voxel_changes_nothing(void **state) {
    (void)state;
    mrc_volume *vol = layered_head(0, 5, 100, 350, 500);
    struct mrc_normalise_record a = limits_of(vol);
    float *v = mrc_volume_voxels(vol);
    v[24 * 2304 / 2 + 24 * 48 + 30] = 3e38f;
    v[24 * 2304 / 2 + 24 * 48 + 14] = -3e38f;
    v[7] = NAN;
    v[24 * 2304 / 2 + 20 * 48 + 20] = INFINITY;
    struct mrc_normalise_record b = limits_of(vol);
    assert_true(a.lo == b.lo && a.hi == b.hi);
    assert_int_equal(a.nonfinite, 0);
    assert_int_equal(b.nonfinite, 2);
    struct mrc_slices s;
    struct mrc_error err = {0};
    const struct mrc_slices_options options = MRC_SLICES_DEFAULTS;
    assert_ok(mrc_slices_from_volume(&s, vol, "x", &options, &err), &err);
    for (int64_t n = 0; n < s.count * s.size * s.size; ++n)
        assert_true(s.pixels[n] >= 0.0f && s.pixels[n] <= 1.0f);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* --- Resampling --- */

/* The square's filter as a formula: padded samples, triangle, weights over the field of view. */
static double square_ref(const float *v, int64_t in, double in_mm, int64_t out, double out_mm,
                         double offset_mm, int64_t o) {
    double radius = fmax(in_mm, out_mm), sum = 0.0, weights = 0.0;
    double centre_mm = ((double)o + 0.5) * out_mm;
    for (int64_t s = -10000; s < 10000; ++s) {
        double at_mm = ((double)s + 0.5) * in_mm + offset_mm;
        if (at_mm < -1e-9 * in_mm || at_mm > (double)out * out_mm + 1e-9 * in_mm) continue;
        double w = fmax(0.0, 1.0 - fabs(at_mm - centre_mm) / radius);
        weights += w;
        if (s >= 0 && s < in) sum += w * (double)v[s];
    }
    return sum / weights;
}

static const struct {
    int64_t in;
    double in_mm;
    int64_t out;
    double out_mm, offset_mm;
} filters[] = {
    {256, 1.0, 64, 4.0, 0.0},   {181, 1.0, 64, 217.0 / 64.0, 18.0},
    {64, 3.5, 64, 3.5, 0.0},    {40, 5.0, 64, 3.125, 0.0},
    {33, 2.2, 64, 1.875, 23.7}, {512, 0.43, 64, 3.9, 14.72},
    {1, 2.0, 64, 1.0, 31.0},    {7, 0.9, 8, 3.0, 8.85},
    {384, 0.6, 256, 0.9, 0.0},
};

static void test_squares_agree_with_the_formula(void **state) {
    (void)state;
    struct mrc_rng rng = mrc_rng_for(4, 0, 0, MRC_FOR_TEST);
    static float src[512], dst[256];
    for (size_t c = 0; c < sizeof filters / sizeof *filters; ++c) {
        for (int64_t n = 0; n < filters[c].in; ++n) src[n] = (float)mrc_rng_uniform(&rng);
        struct mrc_filter f;
        assert_int_equal(mrc_filter_create_square(&f, filters[c].in, filters[c].in_mm,
                                                  filters[c].out, filters[c].out_mm,
                                                  filters[c].offset_mm, false, NULL),
                         MRC_OK);
        mrc_resample_axis(dst, src, (struct mrc_extent){filters[c].in, 1, 1}, 0, &f, NULL);
        for (int64_t o = 0; o < filters[c].out; ++o) {
            double want = square_ref(src, filters[c].in, filters[c].in_mm, filters[c].out,
                                     filters[c].out_mm, filters[c].offset_mm, o);
            assert_true(fabs((double)dst[o] - want) < 1e-5);
        }
        mrc_filter_clear(&f);
    }
}

/* A smooth bump keeps its mass and its centre, down and up again. */
static void test_mass_and_centre_stay(void **state) {
    (void)state;
    static float src[512], small[256], back[512];
    for (size_t c = 0; c < sizeof filters / sizeof *filters; ++c) {
        const double in_mm = filters[c].in_mm, out_mm = filters[c].out_mm;
        const double width_mm = (double)filters[c].in * in_mm, at_mm = 0.46 * width_mm;
        const double sigma_mm = 0.1 * width_mm;
        if (sigma_mm < 1.2 * fmax(in_mm, out_mm)) continue; /* too few samples to be smooth */
        double mass[3] = {0}, centre[3] = {0};
        struct mrc_filter down, up;
        for (int64_t n = 0; n < filters[c].in; ++n) {
            double d = (((double)n + 0.5) * in_mm - at_mm) / sigma_mm;
            src[n] = (float)exp(-0.5 * d * d);
        }
        assert_int_equal(mrc_filter_create_square(&down, filters[c].in, in_mm, filters[c].out,
                                                  out_mm, filters[c].offset_mm, false, NULL),
                         MRC_OK);
        assert_int_equal(mrc_filter_create_back(&up, filters[c].out, out_mm, filters[c].in, in_mm,
                                                filters[c].offset_mm, false, NULL),
                         MRC_OK);
        mrc_resample_axis(small, src, (struct mrc_extent){filters[c].in, 1, 1}, 0, &down, NULL);
        mrc_resample_axis(back, small, (struct mrc_extent){filters[c].out, 1, 1}, 0, &up, NULL);
        for (int64_t n = 0; n < filters[c].in; ++n) {
            double x_mm = ((double)n + 0.5) * in_mm;
            mass[0] += (double)src[n] * in_mm;
            centre[0] += (double)src[n] * in_mm * x_mm;
            mass[2] += (double)back[n] * in_mm;
            centre[2] += (double)back[n] * in_mm * x_mm;
        }
        for (int64_t n = 0; n < filters[c].out; ++n) {
            mass[1] += (double)small[n] * out_mm;
            centre[1] +=
                (double)small[n] * out_mm * (((double)n + 0.5) * out_mm - filters[c].offset_mm);
        }
        for (int i = 1; i < 3; ++i) {
            assert_true(fabs(mass[i] / mass[0] - 1.0) < 5e-3);
            assert_true(fabs(centre[i] / mass[i] - centre[0] / mass[0]) <
                        0.02 * fmax(in_mm, out_mm));
        }
        mrc_filter_clear(&down);
        mrc_filter_clear(&up);
    }
}

/* Catmull-Rom gives back straight lines exactly, away from the repeated edges, and constants
 * everywhere. */
static void test_up_sampling_keeps_lines(void **state) {
    (void)state;
    float line[64], flat[64], dst[300];
    for (int n = 0; n < 64; ++n) {
        line[n] = (float)(0.1 + 0.01 * n);
        flat[n] = 0.37f;
    }
    struct mrc_filter f;
    for (int flip = 0; flip < 2; ++flip) {
        assert_int_equal(mrc_filter_create_back(&f, 64, 4.0, 300, 0.8, 8.0, flip != 0, NULL),
                         MRC_OK);
        mrc_resample_axis(dst, line, (struct mrc_extent){64, 1, 1}, 0, &f, NULL);
        for (int n = 10; n < 290; ++n) {
            int logical = flip ? 299 - n : n;
            double want = 0.1 + 0.01 * (((logical + 0.5) * 0.8 + 8.0) / 4.0 - 0.5);
            assert_true(fabs((double)dst[n] - want) < 1e-6);
        }
        mrc_resample_axis(dst, flat, (struct mrc_extent){64, 1, 1}, 0, &f, NULL);
        for (int n = 0; n < 300; ++n) assert_true(fabsf(dst[n] - 0.37f) < 1e-6f);
        mrc_filter_clear(&f);
    }
}

/* The three axes are one operation: the same line along i, j or k gives the same bytes. */
static void test_all_axes_resample_alike(void **state) {
    (void)state;
    enum { IN = 50, OUT = 64, OTHER = 6 };
    static float line[IN], want[OUT], src[IN * OTHER * OTHER], dst[OUT * OTHER * OTHER];
    const struct mrc_normalise_record limits = {.lo = 0.1, .hi = 0.8};
    struct mrc_rng rng = mrc_rng_for(5, 0, 0, MRC_FOR_TEST);
    for (int n = 0; n < IN; ++n) line[n] = (float)mrc_rng_uniform(&rng);
    line[20] = NAN;
    for (int flip = 0; flip < 2; ++flip) {
        struct mrc_filter f;
        assert_int_equal(mrc_filter_create_square(&f, IN, 1.1, OUT, 1.0, 4.5, flip != 0, NULL),
                         MRC_OK);
        mrc_resample_axis(want, line, (struct mrc_extent){IN, 1, 1}, 0, &f, &limits);
        for (int axis = 0; axis < 3; ++axis) {
            int64_t side[3] = {OTHER, OTHER, OTHER}, stride = axis == 0   ? 1
                                                              : axis == 1 ? OTHER
                                                                          : 36;
            side[axis] = IN;
            for (int64_t n = 0; n < IN * OTHER * OTHER; ++n) src[n] = line[n / stride % IN];
            mrc_resample_axis(dst, src, (struct mrc_extent){side[0], side[1], side[2]}, axis, &f,
                              &limits);
            for (int64_t n = 0; n < OUT * OTHER * OTHER; ++n)
                assert_true(dst[n] == want[n / stride % OUT]);
        }
        mrc_filter_clear(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_are_elements_of_the_sorted_values),
        cmocka_unit_test(test_the_head_is_filled_and_alone),
        cmocka_unit_test(test_a_head_without_core_is_core),
        cmocka_unit_test(test_limits_keep_csf_apart_from_air),
        cmocka_unit_test(test_a_hot_voxel_changes_nothing),
        cmocka_unit_test(test_squares_agree_with_the_formula),
        cmocka_unit_test(test_mass_and_centre_stay),
        cmocka_unit_test(test_up_sampling_keeps_lines),
        cmocka_unit_test(test_all_axes_resample_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
