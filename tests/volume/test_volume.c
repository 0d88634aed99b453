/* test_volume.c: geometry between RAS+ and LPS+, orientation, and volumes that own what they carry.
 */
#include "tests/support.h"

#include <math.h>
#include <string.h>

#include "io/volume.h"

static void test_lps_and_ras_differ_in_two_signs(void **state) {
    (void)state;
    double lps[3][4] = {{-1, 0, 0, 10}, {0, 2, 0, -20}, {0, 0, 3, 30}}, back[3][4];
    struct mrc_geometry g;
    struct mrc_error err = {0};
    assert_ok(mrc_geometry_from_lps(&g, lps, "x", &err), &err);
    assert_true(g.physical);
    double p[3];
    mrc_geometry_position(p, &g, 1, 1, 1);
    assert_true(p[0] == -9 && p[1] == 18 && p[2] == 33);
    assert_true(g.spacing_mm[0] == 1 && g.spacing_mm[1] == 2 && g.spacing_mm[2] == 3);
    mrc_geometry_to_lps(back, &g);
    assert_memory_equal(back, lps, sizeof lps);
}

static void test_orientation_by_the_normal(void **state) {
    (void)state;
    const struct {
        double m[3][4];
        enum mrc_orientation is;
    } cases[] = {{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}, MRC_AXIAL},
                 {{{0, 0, 1, 0}, {1, 0, 0, 0}, {0, -1, 0, 0}}, MRC_SAGITTAL},
                 {{{1, 0, 0, 0}, {0, 0, 1, 0}, {0, -1, 0, 0}}, MRC_CORONAL},
                 {{{1, 0, 0, 0}, {0, 0.9, -0.43589, 0}, {0, 0.43589, 0.9, 0}}, MRC_OBLIQUE},
                 {{{1, 0, 0, 0}, {0, 0.98, -0.199, 0}, {0, 0.199, 0.98, 0}}, MRC_AXIAL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct mrc_geometry g;
        struct mrc_error err = {0};
        double m[3][4];
        memcpy(m, cases[i].m, sizeof m);
        assert_ok(mrc_geometry_from_ras(&g, m, "x", &err), &err);
        assert_int_equal(mrc_geometry_orientation(&g), cases[i].is);
        assert_true(mrc_geometry_shear(&g) < 1e-3);
    }
}

static void test_bad_matrices_are_refused(void **state) {
    (void)state;
    double bad[][3][4] = {{{NAN, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
                          {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
                          {{1, 0, 0, 0}, {0, 500, 0, 0}, {0, 0, 1, 0}},
                          {{1, 1, 0, 0}, {0, 0, 0, 0}, {0, 0, 1, 0}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        struct mrc_geometry g;
        struct mrc_error err = {0};
        assert_int_equal(mrc_geometry_from_ras(&g, bad[i], "file.nii", &err), MRC_ERR_FORMAT);
        assert_ptr_equal(strstr(err.text, "file.nii: "), err.text);
    }
}

static void test_shear_and_distance(void **state) {
    (void)state;
    double m[3][4] = {{1, 0, 0.2, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    struct mrc_geometry g, h;
    struct mrc_error err = {0};
    assert_ok(mrc_geometry_from_ras(&g, m, "x", &err), &err);
    assert_true(fabs(mrc_geometry_shear(&g) - 0.2 / sqrt(1.04)) < 1e-12);
    h = g;
    h.index_to_ras_mm[1][3] = 0.25;
    assert_true(fabs(mrc_geometry_distance(&g, &h, (struct mrc_extent){5, 5, 5}) - 0.25) < 1e-12);
}

static void test_extent_counts(void **state) {
    (void)state;
    assert_int_equal(mrc_extent_count((struct mrc_extent){2, 3, 4}), 24);
    assert_int_equal(mrc_extent_count((struct mrc_extent){0, 3, 4}), -1);
    assert_int_equal(mrc_extent_count((struct mrc_extent){INT64_MAX, 2, 1}), -1);
    assert_int_equal(mrc_extent_count((struct mrc_extent){INT64_MAX / 2, 2, 2}), -1);
    struct mrc_geometry g;
    mrc_geometry_init(&g);
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    assert_int_equal(mrc_volume_create(&vol, (struct mrc_extent){5000, 1, 1}, &g, &err),
                     MRC_ERR_RANGE);
    assert_null(vol);
}

static enum mrc_status copy_a_volume(void) {
    struct mrc_geometry g;
    mrc_geometry_init(&g);
    mrc_volume *a = NULL, *b = NULL;
    struct mrc_error err = {0};
    enum mrc_status st = mrc_volume_create(&a, (struct mrc_extent){2, 2, 2}, &g, &err);
    struct mrc_provenance p = {.kind = MRC_SOURCE_PNG, .bit_depth = 8};
    if (st == MRC_OK) {
        p.files = mrc_alloc(2, sizeof *p.files);
        p.header = mrc_alloc(4, 1);
        if (p.files != NULL && (p.files[0] = mrc_strdup("a.png")) != NULL) p.file_count = 1;
        if (p.file_count == 1 && (p.files[1] = mrc_strdup("b.png")) != NULL) p.file_count = 2;
        p.header_bytes = 4;
        if (p.file_count < 2 || p.header == NULL) st = MRC_ERR_NOMEM;
    }
    if (st == MRC_OK) {
        mrc_volume_adopt_provenance(a, &p);
        st = mrc_volume_create_like(&b, a, &err);
    }
    if (st == MRC_OK) {
        assert_int_equal(mrc_volume_provenance(b)->file_count, 2);
        assert_string_equal(mrc_volume_provenance(b)->files[1], "b.png");
        assert_int_equal(mrc_volume_provenance(b)->bit_depth, 8);
    }
    mrc_provenance_clear(&p);
    mrc_volume_destroy(a);
    mrc_volume_destroy(b);
    return st;
}

static void test_volume_survives_allocation_failures(void **state) {
    (void)state;
    enum mrc_status st;
    MRC_TRY_EVERY_FAILURE(st, copy_a_volume());
    assert_int_equal(st, MRC_OK);
}

static void test_contrast_names(void **state) {
    (void)state;
    enum mrc_contrast c;
    struct mrc_error err = {0};
    assert_ok(mrc_contrast_parse(&c, "t2W", &err), &err);
    assert_int_equal(c, MRC_CONTRAST_T2W);
    assert_ok(mrc_contrast_parse(&c, "T1", &err), &err);
    assert_int_equal(c, MRC_CONTRAST_T1W);
    assert_ok(mrc_contrast_parse(&c, "t2", &err), &err);
    assert_int_equal(c, MRC_CONTRAST_T2W);
    assert_ok(mrc_contrast_parse(&c, "flair", &err), &err);
    assert_int_equal(c, MRC_CONTRAST_FLAIR);
    assert_int_equal(mrc_contrast_parse(&c, "unknown", &err), MRC_ERR_ARGUMENT);
    assert_int_equal(c, MRC_CONTRAST_FLAIR);
    assert_string_equal(mrc_contrast_name(MRC_CONTRAST_T1W_CE), "T1w-ce");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lps_and_ras_differ_in_two_signs),
        cmocka_unit_test(test_orientation_by_the_normal),
        cmocka_unit_test(test_bad_matrices_are_refused),
        cmocka_unit_test(test_shear_and_distance),
        cmocka_unit_test(test_extent_counts),
        cmocka_unit_test(test_volume_survives_allocation_failures),
        cmocka_unit_test(test_contrast_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
