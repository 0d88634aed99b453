/* test_nifti_edge.c: the 60 variants of one volume in ../shared/data/nifti_edge/derived, and
 * nibabel's own test files: each is read as nibabel reads it, or refused for the reason it was made
 * for. Values are nibabel's (mean of the finite voxels, middle voxel) unless the file is one that
 * nibabel takes and we do not. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/image.h"

#define EDGE_DIR MRC_SHARED_DIR "/data/nifti_edge/"

struct edge_case {
    const char *file;
    enum mrc_status status;
    const char *words; /* in the message, for a refusal */
    int side[3];
    double mean, middle;
    double spacing_mm; /* along i */
    double x_of_i;     /* element 0,0 of the index-to-RAS matrix */
};

#define BASE                                                                                       \
    { 46, 55, 46 }
static const struct edge_case derived[] = {
    {"dt_uint8.nii.gz", MRC_OK, NULL, BASE, 0.0, 0.0, 4.0, -4.0},
    {"dt_int8.nii.gz", MRC_OK, NULL, BASE, 0.0, 0.0, 4.0, -4.0},
    {"dt_int16.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_uint16.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_int32.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_uint32.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_int64.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_uint64.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"dt_float32.nii.gz", MRC_OK, NULL, BASE, 10.724658403387362, 2.9803922176361084, 4.0, -4.0},
    {"dt_float64.nii.gz", MRC_OK, NULL, BASE, 10.724658403387362, 2.9803922176361084, 4.0, -4.0},
    {"dt_complex64.nii.gz", MRC_ERR_UNSUPPORTED, "complex", .mean = 0},
    {"dt_complex128.nii.gz", MRC_ERR_UNSUPPORTED, "complex", .mean = 0},
    {"dt_rgb24.nii.gz", MRC_ERR_UNSUPPORTED, "RGB", .mean = 0},
    {"nifti2_int16.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"pair_int16.hdr", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"pair_int16.img", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"pair_nifti2.hdr", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"pair_nifti2.img", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"bigendian_int16.nii", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"bigendian_float32.nii.gz", MRC_OK, NULL, BASE, 10.724658403387362, 2.9803922176361084, 4.0,
     -4.0},
    {"sform_qform_disagree.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"oblique.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -3.912590503692627},
    {"sform_shear.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    /* has sform_code 2 all the same, whatever its name says. So have sform_shear and
     * sform_qform_disagree their plain forms; test_nifti.c makes the true cases. */
    {"no_sform_no_qform.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"qform_only_qfac-1.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"series4d.nii.gz", MRC_ERR_UNSUPPORTED, "5 volumes, expected one", .mean = 0},
    {"dim4_singleton.nii.gz", MRC_OK, NULL, BASE, 0.0, 0.0, 4.0, -4.0},
    {"dim5_vector.nii.gz", MRC_ERR_UNSUPPORTED, "2 volumes, expected one", .mean = 0},
    {"single_slice.nii.gz", MRC_ERR_UNSUPPORTED, "46 x 55 x 1 voxels", .mean = 0},
    {"dim2.nii.gz", MRC_ERR_UNSUPPORTED, "46 x 55 x 1 voxels", .mean = 0},
    {"nan_inf_float32.nii.gz", MRC_OK, NULL, BASE, NAN, 2.9803922176361084, 4.0, -4.0},
    {"all_zero.nii.gz", MRC_OK, NULL, BASE, 0.0, 0.0, 4.0, -4.0},
    {"constant_100.nii.gz", MRC_OK, NULL, BASE, 100.0, 100.0, 4.0, -4.0},
    {"negative_int16.nii.gz", MRC_OK, NULL, BASE, -1012.8009451795841, -1021.0, 4.0, -4.0},
    {"anisotropic_5mm.nii.gz", MRC_OK, NULL, {46, 55, 16}, 10.047455533596837, 2.0, 4.0, -4.0},
    {"sagittal_storage.nii.gz", MRC_OK, NULL, {46, 46, 55}, 10.21088675030074, 0.0, 4.0, 0.0},
    {"coronal_storage.nii.gz", MRC_OK, NULL, {46, 46, 55}, 10.21088675030074, 2.0, 4.0, -4.0},
    {"flip_RAS.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, 4.0},
    {"scl_slope_0.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"scl_slope_half_inter.nii.gz", MRC_OK, NULL, BASE, -94.89455662484963, -99.0, 4.0, -4.0},
    {"scl_slope_nan.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"vox_offset_0.nii.gz", MRC_ERR_FORMAT, "vox_offset is 0", .mean = 0},
    {"pixdim_negative.nii.gz", MRC_ERR_FORMAT, "pixdim[2] gives a spacing of -4 mm", .mean = 0},
    {"pixdim_zero.nii.gz", MRC_ERR_FORMAT, "pixdim[3] gives a spacing of 0 mm", .mean = 0},
    {"bad_datatype.nii.gz", MRC_ERR_FORMAT, "datatype 9999", .mean = 0},
    {"bad_dim0.nii.gz", MRC_ERR_FORMAT, "dim[0] is 12", .mean = 0},
    {"bad_dim_negative.nii.gz", MRC_ERR_FORMAT, "expected at least 1", .mean = 0},
    {"huge_dim.nii.gz", MRC_ERR_RANGE, "dim[1] is 32767", .mean = 0},
    {"bad_sizeof_hdr.nii.gz", MRC_ERR_FORMAT, "sizeof_hdr is 1234", .mean = 0},
    {"bitpix_mismatch.nii.gz", MRC_ERR_FORMAT, "bitpix is 8, expected 16", .mean = 0},
    {"vox_offset_1e9.nii.gz", MRC_ERR_RANGE, "vox_offset is 1000000000", .mean = 0},
    {"units_micron.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 0.004, -0.004},
    {"bad_magic.nii.gz", MRC_ERR_FORMAT, "magic", .mean = 0},
    {"trunc_gz.nii.gz", MRC_ERR_FORMAT, "ends early", .mean = 0},
    {"gz_bad_crc.nii.gz", MRC_ERR_FORMAT, "incorrect data check", .mean = 0},
    {"not_gz_named_gz.nii.gz", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"gz_named_nii.nii", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"trunc_raw.nii", MRC_ERR_FORMAT, "100000 bytes, expected 233112", .mean = 0},
    {"trunc_header.nii", MRC_ERR_FORMAT, "ends after 200 bytes", .mean = 0},
    {"empty.nii", MRC_ERR_FORMAT, "ends after 0 bytes", .mean = 0},
    {"trailing_garbage.nii", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
    {"extension.nii", MRC_OK, NULL, BASE, 10.21088675030074, 2.0, 4.0, -4.0},
};

static const struct edge_case nibabel[] = {
    {"anatomical.nii", MRC_OK, NULL, {33, 41, 25}, 8401.066725794532, 11881.0, 2.0, -2.0},
    {"example4d.nii.gz", MRC_ERR_UNSUPPORTED, "2 volumes, expected one", .mean = 0},
    {"example_nifti2.nii.gz", MRC_ERR_UNSUPPORTED, "2 volumes, expected one", .mean = 0},
    {"functional.nii", MRC_ERR_UNSUPPORTED, "20 volumes, expected one", .mean = 0},
    {"reoriented_anat_moved.nii", MRC_OK, NULL, {21, 26, 22}, 2725.588532230912, 0.0, 4.0, 4.0},
    {"resampled_anat_moved.nii",
     MRC_OK,
     NULL,
     {17, 21, 3},
     7236.18776719, /* of all voxels: those that are no number are background */
     10849.904296875,
     4.0,
     -4.0},
    {"standard.nii.gz", MRC_OK, NULL, {4, 5, 7}, 54.642857142857146, 0.0, 1.0, 1.0},
    {"nifti1.hdr", MRC_ERR_IO, "expected an .img beside it", .mean = 0},
    {"nifti2.hdr", MRC_ERR_IO, "expected an .img beside it", .mean = 0},
    {"analyze.hdr", MRC_ERR_UNSUPPORTED, "ANALYZE", .mean = 0},
    {"row_major.dconn.nii", MRC_ERR_UNSUPPORTED, "1 x 1 x 1 voxels", .mean = 0},
    {"test.mgz", MRC_ERR_UNSUPPORTED, "not a DICOM, NIfTI or PNG image", .mean = 0},
    {"tiny.mnc", MRC_ERR_UNSUPPORTED, "not a DICOM, NIfTI or PNG image", .mean = 0},
};

static double finite_mean(const float *x, int64_t count) {
    double sum = 0.0;
    int64_t finite = 0;
    for (int64_t v = 0; v < count; ++v) {
        if (!isfinite(x[v])) continue;
        sum += (double)x[v];
        ++finite;
    }
    return sum / (double)finite;
}

static int near(double got, double expected) {
    return isnan(expected) || fabs(got - expected) <= 1e-6 * fmax(1.0, fabs(expected));
}

static int check_read(const struct edge_case *c, const mrc_volume *vol) {
    struct mrc_extent e = mrc_volume_extent(vol);
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const float *x = mrc_volume_voxels_const(vol);
    int64_t count = mrc_extent_count(e);
    /* numpy counts in C order, so its middle element is this one of ours */
    int64_t middle = count / 2, k = middle % e.k, j = middle / e.k % e.j, i = middle / e.k / e.j;
    double mean = finite_mean(x, count), at = (double)x[i + e.i * (j + e.j * k)];
    bool right = e.i == c->side[0] && e.j == c->side[1] && e.k == c->side[2] &&
                 near(mean, c->mean) && near(at, c->middle) &&
                 near(g->spacing_mm[0], c->spacing_mm) && near(g->index_to_ras_mm[0][0], c->x_of_i);
    if (!right) {
        print_error("%s: %lld x %lld x %lld, mean %.12g, middle %.12g, spacing %g, x of i %g\n",
                    c->file, (long long)e.i, (long long)e.j, (long long)e.k, mean, at,
                    g->spacing_mm[0], g->index_to_ras_mm[0][0]);
    }
    return right ? 0 : 1;
}

static int check_case(const struct edge_case *c, const char *dir) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", dir, c->file);
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    enum mrc_status st = mrc_image_load(&vol, path, NULL, &err);
    int wrong = 0;
    if (st != c->status || (c->words != NULL && strstr(err.text, c->words) == NULL)) {
        print_error("%s: %s: \"%s\"; expected %s: \"%s\"\n", c->file, mrc_status_name(st), err.text,
                    mrc_status_name(c->status), c->words != NULL ? c->words : "");
        wrong = 1;
    } else if (st == MRC_OK) {
        wrong = check_read(c, vol);
    } else if (strstr(err.text, c->file) == NULL && strstr(err.text, ".img") == NULL) {
        print_error("%s: the message does not name it: %s\n", c->file, err.text);
        wrong = 1;
    }
    mrc_volume_destroy(vol);
    return wrong;
}

static void check_all(const struct edge_case *cases, size_t count, const char *dir) {
    if (!mrc_path_is_dir(dir)) {
        print_message("SKIP: %s is not there\n", dir);
        skip();
    }
    int wrong = 0;
    for (size_t c = 0; c < count; ++c) wrong += check_case(&cases[c], dir);
    assert_int_equal(wrong, 0);
}

static void test_derived(void **state) {
    (void)state;
    check_all(derived, sizeof derived / sizeof *derived, EDGE_DIR "derived/");
}

static void test_nibabel(void **state) {
    (void)state;
    check_all(nibabel, sizeof nibabel / sizeof *nibabel, EDGE_DIR "nibabel/");
}

static void test_scan(void **state) {
    (void)state;
    if (!mrc_path_is_dir(EDGE_DIR "derived")) skip();
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, EDGE_DIR "derived", &err), &err);
    size_t readable = 0;
    for (size_t c = 0; c < sizeof derived / sizeof *derived; ++c)
        readable += derived[c].status == MRC_OK && !mrc_path_has_suffix(derived[c].file, ".img");
    /* gz_bad_crc has a good header and a good length, and a scan does not read voxels (trunc_gz's
     * length tells); series4d and dim5_vector can be used when a volume is chosen */
    assert_int_equal(list.count, readable + 3);
    for (size_t i = 0; i < list.count; ++i)
        assert_int_equal(list.items[i].usable, list.items[i].volumes == 1);
    mrc_image_list_clear(&list);
}

/* Means are nibabel's. */
static void test_one_of_several_volumes(void **state) {
    (void)state;
    static const char path[] = EDGE_DIR "nibabel/functional.nii";
    static const struct {
        int64_t volume;
        double mean;
    } cases[] = {{1, 3626.28062776}, {2, 3626.69561251}, {20, 3630.31958271}};
    if (!mrc_path_exists(path)) skip();
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        options.volume = cases[c].volume;
        assert_ok(mrc_image_load(&vol, path, &options, &err), &err);
        const float *x = mrc_volume_voxels_const(vol);
        assert_true(near(finite_mean(x, mrc_extent_count(mrc_volume_extent(vol))), cases[c].mean));
        mrc_volume_destroy(vol);
    }
    options.volume = 21;
    assert_int_equal(mrc_image_load(&vol, path, &options, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "--volume is 21, expected 1 to 20"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_nibabel),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_one_of_several_volumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
