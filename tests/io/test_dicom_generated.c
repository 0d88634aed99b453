/* test_dicom_generated.c: a generated series is written, read again, and lies where it lay. */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/dcmtk/bridge.h"

#define assert_near(found, expected, tolerance)                                                    \
    assert_true(fabs((double)(found) - (double)(expected)) <= (tolerance))

static struct mrc_generated_series plain_series(void) {
    return (struct mrc_generated_series){.contrast = MRC_CONTRAST_T1W,
                                         .patient_name = "Phantom^One",
                                         .patient_id = "PHANTOM-1",
                                         .study_uid = "2.25.11",
                                         .series_uid = "2.25.12",
                                         .frame_of_reference_uid = "2.25.13",
                                         .series_description = "T1w SE",
                                         .scanning_sequence = "SE",
                                         .sequence_variant = "NONE",
                                         .study_date_time = "20250102030405",
                                         .series_number = 2,
                                         .repetition_time_ms = 500.0,
                                         .echo_time_ms = 15.0,
                                         .slice_thickness_mm = 2.0,
                                         .field_strength_t = 1.5,
                                         .rescale_slope = 1.0};
}

/* A volume whose voxels all differ, on a grid given by its columns in RAS and an origin. */
static mrc_volume *numbered_volume(const double columns[3][3]) {
    struct mrc_error err = {0};
    struct mrc_geometry g;
    mrc_volume *vol = NULL;
    double matrix[3][4];
    for (int a = 0; a < 3; ++a) {
        for (int c = 0; c < 3; ++c) matrix[a][c] = columns[c][a];
        matrix[a][3] = 10.25 * (a + 1) - 30.0;
    }
    assert_ok(mrc_geometry_from_ras(&g, matrix, "test", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){SIDE_I, SIDE_J, SIDE_K}, &g, &err), &err);
    for (int v = 0; v < SIDE_I * SIDE_J * SIDE_K; ++v) mrc_volume_voxels(vol)[v] = (float)(v + 1);
    return vol;
}

/* Every voxel of b stands where a has the same value: compared by position, so the order of slices
 * is free. */
static void expect_same_places(const mrc_volume *a, const mrc_volume *b) {
    struct mrc_extent e = mrc_volume_extent(b);
    assert_true(e.i == SIDE_I && e.j == SIDE_J && e.k == SIDE_K);
    for (int k = 0; k < SIDE_K; ++k) {
        for (int j = 0; j < SIDE_J; ++j) {
            for (int i = 0; i < SIDE_I; ++i) {
                int v = (int)mrc_volume_voxels_const(b)[(k * SIDE_J + j) * SIDE_I + i] - 1;
                double in_a[3], in_b[3];
                mrc_geometry_position(in_b, mrc_volume_geometry(b), i, j, k);
                mrc_geometry_position(in_a, mrc_volume_geometry(a), v % SIDE_I, v / SIDE_I % SIDE_J,
                                      v / SIDE_I / SIDE_J);
                for (int x = 0; x < 3; ++x) assert_near(in_a[x], in_b[x], 1e-5);
            }
        }
    }
}

struct grid_case {
    const char *name;
    double columns[3][3]; /* along i, j, k in RAS */
    enum mrc_orientation orientation;
};
static const struct grid_case grid_cases[] = {
    {"axial", {{-1.5, 0, 0}, {0, -1.25, 0}, {0, 0, 3}}, MRC_AXIAL},
    {"axial, left-handed", {{-1.5, 0, 0}, {0, -1.25, 0}, {0, 0, -3}}, MRC_AXIAL},
    {"axial, mirrored columns", {{1.5, 0, 0}, {0, -1.25, 0}, {0, 0, 3}}, MRC_AXIAL},
    {"sagittal", {{0, -1, 0}, {0, 0, -1}, {-1.2, 0, 0}}, MRC_SAGITTAL},
    {"sagittal, left-handed", {{0, -1, 0}, {0, 0, -1}, {1.2, 0, 0}}, MRC_SAGITTAL},
    {"coronal", {{-1, 0, 0}, {0, 0, -1}, {0, 2, 0}}, MRC_CORONAL},
    {"coronal, left-handed", {{-1, 0, 0}, {0, 0, -1}, {0, -2, 0}}, MRC_CORONAL},
    {"turned by 10 degrees",
     {{-0.984807753012208, -0.173648177666930, 0},
      {0.173648177666930, -0.984807753012208, 0},
      {0, 0, 1}},
     MRC_AXIAL},
};

static void test_geometry_comes_back(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof grid_cases / sizeof *grid_cases; ++c) {
        print_message("  %s\n", grid_cases[c].name);
        char *folder = folder_make();
        struct mrc_error err = {0};
        struct mrc_generated_series series = plain_series();
        mrc_volume *vol = numbered_volume(grid_cases[c].columns);
        assert_ok(mrc_dicom_save_generated(vol, &series, folder, &err), &err);
        mrc_volume *back = load_folder(folder, false);
        expect_same_places(vol, back);
        assert_int_equal(mrc_geometry_orientation(mrc_volume_geometry(back)),
                         grid_cases[c].orientation);
        assert_int_equal(mrc_volume_provenance(back)->contrast, MRC_CONTRAST_T1W);
        assert_string_equal(mrc_path_name(mrc_volume_provenance(back)->files[0]), "IM0001.dcm");
        mrc_volume_destroy(back);
        mrc_volume_destroy(vol);
        folder_remove(folder);
    }
}

static void expect_text(mrc_dcmtk_item *item, uint32_t tag, const char *expected) {
    char text[70];
    assert_true(mrc_dcmtk_text(text, sizeof text, item, tag, 0));
    assert_string_equal(text, expected);
}

static void test_attributes(void **state) {
    (void)state;
    char *folder = folder_make();
    struct mrc_error err = {0};
    struct mrc_generated_series series = plain_series();
    series.series_description = "FLAIR";
    series.scanning_sequence = "SE\\IR";
    series.inversion_time_ms = 2500.0;
    series.repetition_time_ms = 9000.0;
    series.echo_time_ms = 100.0;
    series.rescale_slope = 0.5;
    mrc_volume *vol = numbered_volume(grid_cases[3].columns);
    assert_ok(mrc_dicom_save_generated(vol, &series, folder, &err), &err);
    char *path = mrc_path_join(folder, "IM0002.dcm");
    mrc_dcmtk_file *file = NULL;
    assert_ok(mrc_dcmtk_open(&file, path, &err), &err);
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    expect_text(item, MRC_TAG(0x0008, 0x0016), "1.2.840.10008.5.1.4.1.1.4");
    expect_text(item, MRC_TAG(0x0008, 0x001C), "YES");
    expect_text(item, MRC_TAG(0x0028, 0x0300), "YES");
    expect_text(item, MRC_TAG(0x0010, 0x0010), "Phantom^One");
    expect_text(item, MRC_TAG(0x0018, 0x0080), "9000");
    expect_text(item, MRC_TAG(0x0018, 0x0082), "2500");
    expect_text(item, MRC_TAG(0x0018, 0x5100), "HFS");
    expect_text(item, MRC_TAG(0x0020, 0x0013), "2");
    expect_text(item, MRC_TAG(0x0008, 0x0022), "20250102");
    expect_text(item, MRC_TAG(0x0008, 0x0032), "030405");
    mrc_dcmtk_close(file);
    mrc_volume *back = load_folder(folder, false); /* rescaled to what it was */
    expect_same_places(vol, back);
    assert_int_equal(mrc_volume_provenance(back)->contrast, MRC_CONTRAST_FLAIR);
    mrc_volume_destroy(back);
    mrc_volume_destroy(vol);
    mrc_free(path);
    folder_remove(folder);
}

static void test_same_in_same_out(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_generated_series series = plain_series();
    mrc_volume *vol = numbered_volume(grid_cases[0].columns);
    unsigned char *bytes[2] = {NULL, NULL};
    size_t size[2];
    for (int run = 0; run < 2; ++run) {
        char *folder = folder_make();
        assert_ok(mrc_dicom_save_generated(vol, &series, folder, &err), &err);
        char *path = mrc_path_join(folder, "IM0003.dcm");
        assert_ok(mrc_read_file(&bytes[run], &size[run], path, 1 << 20, &err), &err);
        mrc_free(path);
        folder_remove(folder);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    mrc_free(bytes[0]);
    mrc_free(bytes[1]);
    mrc_volume_destroy(vol);
}

static void test_what_cannot_be_written(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_generated_series series = plain_series();
    mrc_volume *vol = numbered_volume(grid_cases[0].columns);
    assert_int_equal(mrc_dicom_save_generated(vol, &series, "/nonexistent/folder", &err),
                     MRC_ERR_WRITE);
    assert_non_null(strstr(err.text, "/nonexistent/folder"));
    if (mrc_path_exists("/dev/full")) { /* a folder that is no folder */
        err = (struct mrc_error){0};
        assert_int_equal(mrc_dicom_save_generated(vol, &series, "/dev/full", &err), MRC_ERR_WRITE);
    }
    err = (struct mrc_error){0};
    series.study_date_time = "2025";
    assert_int_equal(mrc_dicom_save_generated(vol, &series, "/tmp", &err), MRC_ERR_ARGUMENT);
    mrc_volume_destroy(vol);
    static const double sheared[3][3] = {{-1, 0, 0}, {0, -1, 0}, {0.3, 0, 1}};
    series = plain_series();
    vol = numbered_volume(sheared);
    err = (struct mrc_error){0};
    assert_int_equal(mrc_dicom_save_generated(vol, &series, "/tmp", &err), MRC_ERR_UNSUPPORTED);
    mrc_volume_destroy(vol);
}

static void test_memory_runs_out(void **state) {
    (void)state;
    char *folder = folder_make();
    struct mrc_generated_series series = plain_series();
    mrc_volume *vol = numbered_volume(grid_cases[0].columns);
    enum mrc_status st;
    MRC_TRY_EVERY_FAILURE(st, mrc_dicom_save_generated(vol, &series, folder, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geometry_comes_back), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_same_in_same_out),    cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
