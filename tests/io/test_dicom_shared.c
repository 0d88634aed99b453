/* test_dicom_shared.c: real files, where ../shared is: every verdict that matters, and one image in
 * many encodings. */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/dcmtk/bridge.h"

#define DICOM_DIR MRC_SHARED_DIR "/data/dicom/"

static bool absent(const char *path) {
    if (mrc_path_exists(path)) return false;
    print_message("skipped: %s is not there\n", path);
    return true;
}

static struct mrc_dcmtk_pixels pixels_of(const char *path) {
    struct mrc_error err = {0};
    struct mrc_dcmtk_pixels pixels = {0};
    mrc_dcmtk_file *file = NULL;
    assert_ok(mrc_dcmtk_open(&file, path, &err), &err);
    assert_ok(mrc_dcmtk_read_frame(&pixels, file, 0, &err), &err);
    mrc_dcmtk_close(file);
    return pixels;
}

/* Both byte orders, RLE, JPEG lossless, JPEG-LS, JPEG 2000: the same pixels. */
static void test_one_image_in_nine_syntaxes(void **state) {
    (void)state;
    if (absent(DICOM_DIR "siemens_ts_compressed/1.dcm")) return;
    struct mrc_dcmtk_pixels first = pixels_of(DICOM_DIR "siemens_ts_compressed/1.dcm");
    assert_int_equal(first.rows, 384);
    for (int n = 2; n <= 9; ++n) {
        char path[512];
        (void)snprintf(path, sizeof path, DICOM_DIR "siemens_ts_compressed/%d.dcm", n);
        struct mrc_dcmtk_pixels other = pixels_of(path);
        print_message("  %d\n", n);
        assert_int_equal(other.size, first.size);
        assert_memory_equal(other.bytes, first.bytes, first.size);
        mrc_free(other.bytes);
    }
    mrc_free(first.bytes);
}

struct verdict_case {
    const char *folder;
    size_t usable;
    const char *contrast, *reason; /* of the first usable item, or of the first item */
};
static const struct verdict_case verdict_cases[] = {
    {"dicom2nifti_tests/ge/anatomical/001", 1, "T1w", "T1w by TR"},
    {"dicom2nifti_tests/ge/anatomical/001_implicit", 1, "T1w", "T1w by TR"},
    {"dicom2nifti_tests/generic/compressed_jpeg", 1, "FLAIR", "FLAIR by TR"},
    {"dicom2nifti_tests/generic/compressed_rle", 1, "FLAIR", "FLAIR by TR"},
    {"dicom2nifti_tests/generic/compressed_j2k", 1, "FLAIR", "FLAIR by TR"},
    {"dicom2nifti_tests/generic/rgb", 0, NULL, "RGB"},
    {"dicom2nifti_tests/siemens/fmri/001", 0, NULL, "mosaic"},
    {"dicom2nifti_tests/ge/fmri/001", 2, "unknown", "contrast unknown"},
    {"dicom2nifti_tests/failing/gantrytilting", 0, NULL, "Modality is CT"},
    {"dicom2nifti_tests/failing/slicecount", 0, NULL, "2 slices"},
    {"dicom2nifti_tests/failing/sliceorientation", 0, NULL, "2 orientations"},
    {"ge_3plane_localizer", 0, NULL, "3 orientations in one series"},
    {"torchio_ct_small", 0, NULL, "Modality is CT"},
    {"xa30_siemens_enhanced/5_anat-T1w_acq-tfl", 1, "T1w", "T1w by TR"},
    {"xa30_siemens_enhanced/9_gre_field_mapping", 0, NULL, "not a magnitude image"},
    {"dicom2nifti_tests/philips_enhanced/anatomical/001", 1, "T1w", "T1w by the image type"},
    {"dicom2nifti_tests/philips_enhanced/fmri/001", 4, "unknown", "contrast unknown"},
    {"dicom2nifti_tests/siemens_multiframe/anatomical/001", 1, NULL, ""},
    {"enh_misc/Philips", 1, "unknown", "the series name has 'b0'"},
    {"philips_nonimage_raw", 0, NULL, NULL},
};

static void test_verdicts(void **state) {
    (void)state;
    if (absent(DICOM_DIR)) return;
    for (size_t c = 0; c < sizeof verdict_cases / sizeof *verdict_cases; ++c) {
        const struct verdict_case *k = &verdict_cases[c];
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        char path[512];
        (void)snprintf(path, sizeof path, DICOM_DIR "%s", k->folder);
        print_message("  %s\n", k->folder);
        assert_ok(mrc_image_list_scan(&list, path, &err), &err);
        size_t usable = 0;
        const struct mrc_image_info *first = list.count > 0 ? &list.items[0] : NULL;
        for (size_t i = 0; i < list.count; ++i)
            if (list.items[i].usable && usable++ == 0) first = &list.items[i];
        assert_int_equal(usable, k->usable);
        if (k->contrast != NULL)
            assert_string_equal(mrc_contrast_name(first->contrast), k->contrast);
        if (k->reason == NULL)
            assert_int_equal(list.count, 0);
        else if (strstr(first->reason, k->reason) == NULL)
            fail_msg("expected \"%s\" in: %s", k->reason, first->reason);
        mrc_image_list_clear(&list);
    }
}

/* The same volume in two encodings. */
struct pair_case {
    const char *one, *other;
};
static const struct pair_case pair_cases[] = {
    {"generic/compressed_rle", "generic/compressed_jpeg"},
    {"generic/compressed_rle", "generic/compressed_jpegls"},
    {"generic/compressed_rle", "generic/compressed_j2k"},
};

static void test_encodings_of_one_series(void **state) {
    (void)state;
    if (absent(DICOM_DIR "dicom2nifti_tests")) return;
    for (size_t c = 0; c < sizeof pair_cases / sizeof *pair_cases; ++c) {
        char path[2][512];
        (void)snprintf(path[0], sizeof path[0], DICOM_DIR "dicom2nifti_tests/%s",
                       pair_cases[c].one);
        (void)snprintf(path[1], sizeof path[1], DICOM_DIR "dicom2nifti_tests/%s",
                       pair_cases[c].other);
        print_message("  %s\n", pair_cases[c].other);
        mrc_volume *one = load_folder(path[0], false), *other = load_folder(path[1], false);
        struct mrc_extent e = mrc_volume_extent(one);
        assert_int_equal(mrc_extent_count(mrc_volume_extent(other)), mrc_extent_count(e));
        assert_memory_equal(mrc_volume_voxels_const(other), mrc_volume_voxels_const(one),
                            (size_t)mrc_extent_count(e) * sizeof(float));
        assert_true(mrc_geometry_distance(mrc_volume_geometry(one), mrc_volume_geometry(other), e) <
                    1e-6);
        mrc_volume_destroy(one);
        mrc_volume_destroy(other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_image_in_nine_syntaxes),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_encodings_of_one_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
