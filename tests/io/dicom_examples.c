/* dicom_examples.c DIR: writes one series of each kind that the program can write, for other
 * people's readers to look at: DIR/generated, DIR/generated_ir, DIR/generated_coronal    as mrcycle
 * phantom does DIR/derived       from DIR/generated, on its grid         as mrcycle translate does
 *   DIR/model_grid    from DIR/generated, on a coarser grid   as mrcycle translate --grid model
 * does DIR/sparse, DIR/derived_sparse    from a source that says no more of itself than it must, in
 * Latin 1 */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

static const struct mrc_derivation derivation = {
    .from = MRC_CONTRAST_T1W,
    .to = MRC_CONTRAST_T2W,
    .software_version = "0.1.0",
    .model_name = "example",
    .model_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .steps = "axial; square 32 mm; 16 x 16; percentiles 0.5 and 99.5",
    .settings = "size=16",
    .time_stamp = "20260304050607"};

static char *folder_below(const char *dir, const char *name) {
    struct mrc_error err = {0};
    char *path = mrc_path_join(dir, name);
    assert_ok(mrc_make_dirs(path, &err), &err);
    return path;
}

static mrc_volume *head(int64_t i, int64_t j, int64_t k, double lps[3][4]) {
    struct mrc_error err = {0};
    struct mrc_geometry g;
    mrc_volume *vol = NULL;
    assert_ok(mrc_geometry_from_lps(&g, lps, "example", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){i, j, k}, &g, &err), &err);
    for (int64_t v = 0; v < i * j * k; ++v) {
        double x = (double)(v % i) / (double)i - 0.5, y = (double)(v / i % j) / (double)j - 0.5;
        mrc_volume_voxels(vol)[v] = (float)(exp(-8.0 * (x * x + y * y)) * (1.0 + 0.1 * x));
    }
    return vol;
}

static void generate(const char *dir, const char *name, bool inversion, double lps[3][4]) {
    struct mrc_error err = {0};
    struct mrc_generated_series series = {.contrast =
                                              inversion ? MRC_CONTRAST_FLAIR : MRC_CONTRAST_T1W,
                                          .patient_name = "Phantom^Example",
                                          .patient_id = "EXAMPLE-1",
                                          .study_uid = "2.25.300",
                                          .frame_of_reference_uid = "2.25.301",
                                          .series_uid = inversion ? "2.25.303" : "2.25.302",
                                          .series_description = inversion ? "FLAIR" : "T1w SE",
                                          .scanning_sequence = inversion ? "SE\\IR" : "SE",
                                          .sequence_variant = "NONE",
                                          .study_date_time = "20250102030405",
                                          .series_number = inversion ? 3 : 2,
                                          .repetition_time_ms = inversion ? 9000.0 : 500.0,
                                          .echo_time_ms = inversion ? 100.0 : 15.0,
                                          .inversion_time_ms = inversion ? 2500.0 : 0.0,
                                          .slice_thickness_mm = 2.0,
                                          .field_strength_t = 1.5,
                                          .rescale_slope = 1.0 / 1024.0};
    char *folder = folder_below(dir, name);
    mrc_volume *vol = head(16, 18, 5, lps);
    if (lps[2][2] == 0.0) series.series_uid = "2.25.304";
    assert_ok(mrc_dicom_save_generated(vol, &series, folder, &err), &err);
    mrc_volume_destroy(vol);
    mrc_free(folder);
}

static void derive(const char *dir, const char *from, const char *name, bool coarse) {
    struct mrc_error err = {0};
    char *source_folder = mrc_path_join(dir, from), *folder = folder_below(dir, name);
    mrc_volume *source = load_folder(source_folder, false), *vol = NULL;
    double lps[3][4] = {{4, 0, 0, -14}, {0, 4, 0, -16}, {0, 0, 2, 5}};
    if (coarse)
        vol = head(8, 9, 5, lps);
    else
        assert_ok(mrc_volume_create_like(&vol, source, &err), &err);
    assert_ok(mrc_dicom_save_derived(vol, source, &derivation, folder, &err), &err);
    mrc_volume_destroy(vol);
    mrc_volume_destroy(source);
    mrc_free(source_folder);
    mrc_free(folder);
}

static void write_sparse(const char *dir) {
    char *folder = folder_below(dir, "sparse");
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {(char)('a' + n), '\0'};
        spec.character_set = "ISO_IR 100";
        spec.patient_name = "M\xFCller^J\xF6rg";
        write_slice(&spec, folder, name);
    }
    mrc_free(folder);
}

static const char *target;

static void write_all(void **state) {
    (void)state;
    double axial[3][4] = {{2, 0, 0, -15}, {0, 2, 0, -17}, {0, 0, 2, 5}};
    double coronal[3][4] = {{2, 0, 0, -15}, {0, 0, 2, -17}, {0, -2, 0, 5}};
    generate(target, "generated", false, axial);
    generate(target, "generated_ir", true, axial);
    generate(target, "generated_coronal", false, coronal);
    write_sparse(target);
    derive(target, "generated", "derived", false);
    derive(target, "generated", "model_grid", true);
    derive(target, "sparse", "derived_sparse", false);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        (void)fprintf(stderr, "usage: dicom_examples DIR\n");
        return 2;
    }
    target = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(write_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
