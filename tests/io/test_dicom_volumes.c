/* test_dicom_volumes.c: what makes a volume of its own, how one is chosen, and volumes in
 * multi-frame files. */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

#define assert_near(found, expected, tolerance)                                                    \
    assert_true(fabs((double)(found) - (double)(expected)) <= (tolerance))

/* Volume v of `volumes`, slice n: all names and instance numbers out of order. */
typedef void change_fn(struct slice_spec *spec, int volume);

static char *volumes_of_one_series(int volumes, change_fn *change) {
    char *folder = folder_make();
    for (int v = 0; v < volumes; ++v) {
        for (int n = 0; n < SIDE_K; ++n) {
            struct slice_spec spec = slice_spec_default(n);
            char name[24], uid[32];
            (void)snprintf(name, sizeof name, "%d%c", (7 * n + 5 * v) % 13, 'a' + v);
            (void)snprintf(uid, sizeof uid, "2.25.3%d%d", v, n);
            spec.series_number = 4;
            spec.sop_uid = uid;
            spec.instance_number = 1 + v * SIDE_K + n;
            spec.intercept = v == 0 ? "1000" : v == 1 ? "2000" : "3000";
            change(&spec, v);
            write_slice(&spec, folder, name);
        }
    }
    return folder;
}

static mrc_volume *load_series(const char *folder, const char *series) {
    struct mrc_error err = {0};
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    mrc_volume *vol = NULL;
    options.series = series;
    assert_ok(mrc_image_load(&vol, folder, &options, &err), &err);
    return vol;
}

static void expect_volume(const mrc_volume *vol, int v) {
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    for (int k = 0; k < SIDE_K; ++k)
        assert_near(mrc_volume_voxels_const(vol)[(k * SIDE_J + 2) * SIDE_I + 3],
                    stored_ramp(3, 2, k) + 1000 * (v + 1), 1e-3);
}

/* --- what tells volumes apart --- */

static void by_echo(struct slice_spec *s, int v) {
    s->te = v == 0 ? "15" : "30";
    s->echo_number = v + 1;
}
static void by_time(struct slice_spec *s, int v) {
    s->temporal_position = v + 1;
}
static void by_acquisition(struct slice_spec *s, int v) {
    s->acquisition_number = v + 1;
}
static void by_trigger(struct slice_spec *s, int v) {
    s->trigger_time = v == 0 ? "100" : "350";
}
static void by_filter(struct slice_spec *s, int v) {
    s->image_type = v == 0 ? "ORIGINAL\\PRIMARY\\M\\ND" : "ORIGINAL\\PRIMARY\\M\\NORM";
}
static void by_order_only(struct slice_spec *s, int v) {
    (void)s;
    (void)v;
}
static void by_inversion(struct slice_spec *s, int v) {
    s->ti = v == 0 ? "900" : "2000";
}

static const struct {
    const char *name;
    change_fn *change;
} keys[] = {{"echo", by_echo},          {"time", by_time},
            {"trigger", by_trigger},    {"acquisition", by_acquisition},
            {"filter", by_filter},      {"order", by_order_only},
            {"inversion", by_inversion}};

static void test_volumes_of_one_series(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof keys / sizeof *keys; ++c) {
        print_message("  %s\n", keys[c].name);
        char *folder = volumes_of_one_series(2, keys[c].change);
        expect_refusal(folder, MRC_ERR_UNSUPPORTED, "2 series can be used (4:1 |4:2 |--series");
        for (int v = 0; v < 2; ++v) {
            mrc_volume *vol = load_series(folder, v == 0 ? "4:1" : "4:2");
            expect_volume(vol, v);
            assert_int_equal(mrc_volume_provenance(vol)->left_out, SIDE_K);
            mrc_volume_destroy(vol);
        }
        folder_remove(folder);
    }
}

/* Every item of a list can be loaded by itself, from its own files. */
static void test_items_are_loaded_one_by_one(void **state) {
    (void)state;
    char *folder = volumes_of_one_series(3, by_time);
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < list.count; ++i) {
        const struct mrc_image_info *item = &list.items[i];
        mrc_volume *vol = NULL;
        assert_true(item->usable);
        assert_int_equal(item->member_count, SIDE_K);
        assert_int_equal(item->series_number, 4);
        assert_ok(mrc_image_load_item(&vol, item, NULL, &err), &err);
        assert_true(strncmp(item->selector, "4:", 2) == 0);
        expect_volume(vol, item->selector[2] - '1');
        assert_int_equal(mrc_volume_provenance(vol)->left_out, 0);
        mrc_volume_destroy(vol);
    }
    mrc_image_list_clear(&list);
    folder_remove(folder);
}

/* SIDE_K slices of one series, every other one in a folder of its own below the first. */
static char *scattered_series(void) {
    struct mrc_error err = {0};
    char *folder = folder_make(), *below = mrc_path_join(folder, "more");
    assert_ok(mrc_make_dirs(below, &err), &err);
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {(char)('a' + n), '\0'};
        write_slice(&spec, n % 2 == 0 ? folder : below, name);
    }
    mrc_free(below);
    return folder;
}

/* Archives deal the files of a series out to folders. */
static void test_series_in_several_folders(void **state) {
    (void)state;
    char *folder = scattered_series();
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.refused_count, 0);
    assert_true(list.items[0].usable);
    assert_int_equal(list.items[0].member_count, SIDE_K);
    assert_string_equal(list.items[0].path, folder); /* around them all, as translate takes it */
    assert_ok(mrc_image_load_item(&vol, &list.items[0], NULL, &err), &err);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    mrc_volume_destroy(vol);
    mrc_image_list_clear(&list);
    folder_remove(folder);
}

/* Copies of a series are judged each by itself. */
static void test_copies_in_several_folders(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_image_list list = {0};
    char *folder = folder_make(), *copies[2];
    for (int c = 0; c < 2; ++c) {
        copies[c] = mrc_path_join(folder, c == 0 ? "one" : "other");
        assert_ok(mrc_make_dirs(copies[c], &err), &err);
        write_series(copies[c]);
    }
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 2);
    for (size_t c = 0; c < 2; ++c) {
        assert_true(list.items[c].usable);
        assert_string_equal(list.items[c].path, copies[c]);
        mrc_free(copies[c]);
    }
    mrc_image_list_clear(&list);
    folder_remove(folder);
}

/* A file goes, or becomes another, between listing and loading: its name in one line. */
static void test_files_change_after_listing(void **state) {
    (void)state;
    for (int gone = 0; gone < 2; ++gone) {
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        mrc_volume *vol = NULL;
        char *folder = folder_make();
        write_series(folder);
        char *path = mrc_path_join(folder, "c.dcm");
        assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
        assert_int_equal(list.count, 1);
        if (gone)
            assert_int_equal(remove(path), 0);
        else
            assert_ok(mrc_write_file(path, "now a text", 10, &err), &err);
        assert_int_equal(mrc_image_load_item(&vol, &list.items[0], NULL, &err), MRC_ERR_IO);
        assert_null(vol);
        assert_non_null(strstr(err.text, "c.dcm: changed since its folder was searched"));
        mrc_image_list_clear(&list);
        mrc_free(path);
        folder_remove(folder);
    }
}

/* Of the third volume one slice was lost, so that nothing but the order tells them apart. */
static void test_repeats_that_do_not_come_out_even(void **state) {
    (void)state;
    char *folder = volumes_of_one_series(2, by_order_only);
    char *path = mrc_path_join(folder, "5b");
    assert_true(mrc_path_exists(path));
    assert_int_equal(remove(path), 0);
    expect_refusal(folder, MRC_ERR_UNSUPPORTED, "same position");
    mrc_free(path);
    folder_remove(folder);
}

/* Cut at an end a volume has no gap; its sibling's length tells. */
static void test_volume_shorter_than_its_sibling(void **state) {
    (void)state;
    char *folder = volumes_of_one_series(2, by_time);
    char *path = mrc_path_join(folder, "5b"); /* slice 0 of volume 1 */
    assert_int_equal(remove(path), 0);
    mrc_volume *vol = load_folder(folder, false);
    expect_volume(vol, 0);
    mrc_volume_destroy(vol);
    struct mrc_error err = {0};
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    options.series = "4:2";
    assert_int_equal(mrc_image_load(&vol, folder, &options, &err), MRC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "3 slices, but 4 in another volume of its series"));
    mrc_free(path);
    folder_remove(folder);
}

/* --- choosing --- */

static void test_choosing(void **state) {
    (void)state;
    static const struct {
        const char *series, *words; /* words NULL: can be loaded */
    } cases[] = {
        {"4:1", NULL},
        {"2.25.1001:2", NULL},
        {"2.25.1001", "2 series can be used"},
        {"2.25.1:1", NULL},
        {"4", "2 series can be used"},
        {"4:3", "none of 2 series found is '4:3'"},
        {"5", "none of 2 series found is '5'"},
        {"4:0", "is '4:0'"},
        {"4:x", "is '4:x'"},
        {"", "is ''"},
        {"1.2.840", "is '1.2.840'"},
    };
    char *folder = volumes_of_one_series(2, by_echo);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        struct mrc_error err = {0};
        struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
        mrc_volume *vol = NULL;
        options.series = cases[c].series;
        print_message("  %s\n", cases[c].series);
        enum mrc_status st = mrc_image_load(&vol, folder, &options, &err);
        assert_true((st == MRC_OK) == (cases[c].words == NULL));
        if (cases[c].words != NULL && strstr(err.text, cases[c].words) == NULL)
            fail_msg("expected \"%s\" in: %s", cases[c].words, err.text);
        mrc_volume_destroy(vol);
    }
    folder_remove(folder);
}

/* --- gaps --- */

static void test_irregular_gaps_stay_refused(void **state) {
    (void)state;
    char *folder = folder_make();
    for (int n = 0; n < 7; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {(char)('0' + n), '\0'};
        if (n != 2 && n != 4 && n != 5) write_slice(&spec, folder, name);
    }
    expect_refusal(folder, MRC_ERR_UNSUPPORTED, "slices 0 and 1 lie 2.00 mm apart, expected 4.00");
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    options.allow_gaps = true;
    assert_int_equal(mrc_image_load(&vol, folder, &options, &err), MRC_ERR_UNSUPPORTED);
    folder_remove(folder);
}

static void gap_positions(struct slice_spec *s, int v) {
    static const char *const positions[] = {"0\\0\\0", "0\\0\\2", "0\\0\\4", "0\\0\\8"};
    (void)v;
    s->position = positions[s->number];
}

static void uneven_positions(struct slice_spec *s, int v) {
    static const char *const positions[] = {"0\\0\\0", "0\\0\\4", "0\\0\\8", "0\\0\\12.3"};
    (void)v;
    s->position = positions[s->number];
}

static void test_gap_at_its_true_positions(void **state) {
    (void)state;
    char *folder = volumes_of_one_series(1, gap_positions);
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    options.allow_gaps = true;
    assert_ok(mrc_image_load(&vol, folder, &options, &err), &err);
    assert_int_equal(mrc_volume_extent(vol).k, 5);
    assert_near(mrc_volume_geometry(vol)->spacing_mm[2], 2.0, 1e-9);
    static const double slices[] = {0, 1, 2, 2.5, 3};
    for (int k = 0; k < 5; ++k)
        assert_near(mrc_volume_voxels_const(vol)[(k * SIDE_J + 2) * SIDE_I + 3],
                    1000 + 100 * slices[k] + 23, 1e-3);
    assert_non_null(strstr(mrc_volume_provenance(vol)->remark, "1 slice is missing"));
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void test_slightly_uneven_slices_are_resampled(void **state) {
    (void)state;
    char *folder = volumes_of_one_series(1, uneven_positions);
    mrc_volume *vol = load_folder(folder, false);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    assert_near(mrc_volume_geometry(vol)->spacing_mm[2], 4.1, 1e-9);
    static const double slices[] = {0, 1.025, 2 + 0.2 / 4.3, 3};
    for (int k = 0; k < SIDE_K; ++k)
        assert_near(mrc_volume_voxels_const(vol)[(k * SIDE_J + 2) * SIDE_I + 3],
                    1000 + 100 * slices[k] + 23, 1e-2);
    assert_non_null(strstr(mrc_volume_provenance(vol)->remark, "unevenly"));
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volumes_of_one_series),
        cmocka_unit_test(test_items_are_loaded_one_by_one),
        cmocka_unit_test(test_series_in_several_folders),
        cmocka_unit_test(test_copies_in_several_folders),
        cmocka_unit_test(test_files_change_after_listing),
        cmocka_unit_test(test_repeats_that_do_not_come_out_even),
        cmocka_unit_test(test_volume_shorter_than_its_sibling),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_irregular_gaps_stay_refused),
        cmocka_unit_test(test_gap_at_its_true_positions),
        cmocka_unit_test(test_slightly_uneven_slices_are_resampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
