/* test_dicom_contrast.c: timing and names against the contrast they mean. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "io/contrast_map.h"
#include "io/dicom/dicom_slice.h"

struct contrast_case {
    const char *name; /* the series description */
    const char *sequence, *variant;
    double tr, te, ti, flip, etl;
    bool agent;
    enum mrc_contrast expected;
};
#define NONE NAN
static const struct contrast_case cases[] = {
    {"ax", "SE", "", 500, 15, NONE, 90, NONE, false, MRC_CONTRAST_T1W},
    {"AX T1 SE", "SE", "SK", 600, 12, NONE, 90, 1, false, MRC_CONTRAST_T1W},
    {"MPRAGE", "GR\\IR", "SK\\SP\\MP", 2300, 3, 900, 9, NONE, false, MRC_CONTRAST_T1W},
    {"Ax BRAVO", "GR", "SS\\SP\\SK", 8.2, 3.2, 450, 12, NONE, false, MRC_CONTRAST_T1W},
    {"", "GR", "SP", 30, 4, NONE, 30, NONE, false, MRC_CONTRAST_T1W},
    {"", "GR", "SP", 250, 2.5, NONE, 70, NONE, false, MRC_CONTRAST_T1W},
    {"t1_flair", "SE\\IR", "SK", 2200, 9, 860, 90, 8, false, MRC_CONTRAST_T1W},
    {"", "SE", "SK", 4000, 100, NONE, 150, 15, false, MRC_CONTRAST_T2W},
    {"", "SE", "SK", 4000, 60, NONE, 150, 15, false, MRC_CONTRAST_T2W},
    {"", "SE", "SK", 4000, 60, NONE, 90, 1, false, MRC_CONTRAST_UNKNOWN},
    {"T2W_TSE", "SE", "SK", 3000, 80, NONE, 90, 15, false, MRC_CONTRAST_T2W},
    {"", "SE", "SK", 3000, 15, NONE, 90, 4, false, MRC_CONTRAST_PDW},
    {"", "SE\\IR", "SK", 9000, 120, 2500, 150, 15, false, MRC_CONTRAST_FLAIR},
    {"STIR", "SE\\IR", "SK", 4500, 50, 150, 150, 15, false, MRC_CONTRAST_UNKNOWN},
    {"", "GR", "SP", 700, 20, NONE, 20, NONE, false, MRC_CONTRAST_T2STARW},
    {"trufi", "GR", "SS\\SK", 4, 2, NONE, 60, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"ep2d_bold T2", "EP\\GR", "SK", 3000, 80, NONE, 90, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"ep2d", "EP", "SK", 3000, 80, NONE, 90, NONE, false, MRC_CONTRAST_UNKNOWN},
    /* nothing but a name */
    {"anat-T1w", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_T1W},
    {"sT1W_3D_TFE", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_T1W},
    {"t2_tse_tra", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_T2W},
    {"t2_tirm_tra_dark-fluid", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_FLAIR},
    {"AX T2* GRE", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_T2STARW},
    {"PD T2 dual", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"t1_mp2rage_UNI", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"T2 map", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"SYNTH T2w from T1w", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"T10 spine", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"localizer", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"MedICal head", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_UNKNOWN},
    {"SWI_Images", "GR", "SP", 28, 20, NONE, 15, NONE, false, MRC_CONTRAST_SWI},
    {"Ax SWAN", "GR", "SP", 40, 25, NONE, 15, NONE, false, MRC_CONTRAST_SWI},
    {"swi", "SE", "SK", 4000, 100, NONE, 150, 15, false, MRC_CONTRAST_UNKNOWN},
    /* contrast agent, by tag and by name */
    {"AX T1", "SE", "SK", 600, 12, NONE, 90, 1, true, MRC_CONTRAST_T1W_CE},
    {"AX T1 +C", "SE", "SK", 600, 12, NONE, 90, 1, false, MRC_CONTRAST_T1W_CE},
    {"t1 post gd", "", "", NONE, NONE, NONE, NONE, NONE, false, MRC_CONTRAST_T1W_CE},
    {"t2 tra", "SE", "SK", 4000, 100, NONE, 150, 15, true, MRC_CONTRAST_T2W},
    /* timing and name disagree: nobody guesses */
    {"AX T2", "SE", "SK", 600, 12, NONE, 90, 1, false, MRC_CONTRAST_UNKNOWN},
    {"flair", "SE", "SK", 4000, 100, NONE, 150, 15, false, MRC_CONTRAST_UNKNOWN},
};

/* The contrast of what mrcycle has computed is told; to be an image of it is not. */
static void test_mark_of_our_own(void **state) {
    (void)state;
    static const struct {
        const char *type;
        enum mrc_contrast expected;
    } marks[] = {{"DERIVED\\SECONDARY\\OTHER\\SYNTH_T2W", MRC_CONTRAST_T2W},
                 {"DERIVED\\SECONDARY\\OTHER\\SYNTH_FLAIR", MRC_CONTRAST_FLAIR},
                 {"DERIVED\\SECONDARY\\OTHER\\SYNTH_T1W_CE", MRC_CONTRAST_T1W_CE},
                 {"DERIVED\\SECONDARY\\OTHER\\SYNTH_ERROR", MRC_CONTRAST_UNKNOWN},
                 {"DERIVED\\PRIMARY\\OTHER\\SYNTHETIC", MRC_CONTRAST_UNKNOWN}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; ++i) {
        struct mrc_dicom_physics p = {.repetition_ms = 500, .echo_ms = 12};
        char reason[200];
        bool unweighted = false;
        (void)snprintf(p.image_type, sizeof p.image_type, "%s", marks[i].type);
        (void)snprintf(p.series_description, sizeof p.series_description, "T1w");
        (void)snprintf(p.sequence, sizeof p.sequence, "SE");
        assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                         marks[i].expected);
        assert_true(unweighted);
    }
}

static void test_table(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const struct contrast_case *k = &cases[c];
        struct mrc_dicom_physics p = {.repetition_ms = k->tr,
                                      .echo_ms = k->te,
                                      .inversion_ms = k->ti,
                                      .flip_deg = k->flip,
                                      .echo_train = k->etl,
                                      .contrast_agent = k->agent};
        (void)snprintf(p.sequence, sizeof p.sequence, "%s", k->sequence);
        (void)snprintf(p.variant, sizeof p.variant, "%s", k->variant);
        (void)snprintf(p.series_description, sizeof p.series_description, "%s", k->name);
        char reason[160];
        bool unweighted = false;
        enum mrc_contrast found = mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p);
        if (found != k->expected)
            fail_msg("case %zu \"%s\": %s, expected %s (%s)", c, k->name, mrc_contrast_name(found),
                     mrc_contrast_name(k->expected), reason);
        assert_true(strlen(reason) > 0);
    }
}

/* The image type is asked first: it may say that nothing is weighted, or speak for a contrast. */
static void test_image_type(void **state) {
    (void)state;
    static const struct {
        const char *types, *acquired_as, *name;
        enum mrc_contrast expected;
        const char *reason;
    } types[] = {
        {"ORIGINAL\\PRIMARY\\M\\ND", "", "", MRC_CONTRAST_T1W, "T1w by TR 600 ms, TE 12 ms"},
        {"DERIVED\\PRIMARY\\ADC", "", "", MRC_CONTRAST_UNKNOWN, "ImageType has ADC"},
        {"DERIVED\\PRIMARY\\T1 MAP\\NONE", "", "T1", MRC_CONTRAST_UNKNOWN, "has T1 MAP"},
        {"ORIGINAL\\PRIMARY\\M", "T1", "t1", MRC_CONTRAST_T1W,
         "T1w by the image type and TR 600 ms, TE 12 ms and the series name"},
        {"ORIGINAL\\PRIMARY\\M", "T2", "", MRC_CONTRAST_UNKNOWN,
         "the image type says T2w, TR 600 ms, TE 12 ms says T1w"},
        {"ORIGINAL\\PRIMARY\\M", "UNKNOWN", "", MRC_CONTRAST_T1W, "by TR"},
        {"ORIGINAL\\PRIMARY\\M\\SWI", "", "", MRC_CONTRAST_UNKNOWN, "the image type says SWI"},
    };
    for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
        struct mrc_dicom_physics p = {
            .repetition_ms = 600, .echo_ms = 12, .inversion_ms = NAN, .flip_deg = 90};
        char reason[160];
        bool unweighted = false;
        (void)snprintf(p.sequence, sizeof p.sequence, "SE");
        (void)snprintf(p.image_type, sizeof p.image_type, "%s", types[t].types);
        (void)snprintf(p.acquired_as, sizeof p.acquired_as, "%s", types[t].acquired_as);
        (void)snprintf(p.series_description, sizeof p.series_description, "%s", types[t].name);
        assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                         types[t].expected);
        if (strstr(reason, types[t].reason) == NULL)
            fail_msg("\"%s\", expected \"%s\"", reason, types[t].reason);
    }
}

/* A functional series of an enhanced image says T2, and nothing else. */
static void test_declared_t2_alone(void **state) {
    (void)state;
    struct mrc_dicom_physics p = {
        .repetition_ms = NAN, .echo_ms = NAN, .inversion_ms = NAN, .flip_deg = NAN};
    char reason[160];
    bool unweighted = false;
    (void)snprintf(p.acquired_as, sizeof p.acquired_as, "T2");
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                     MRC_CONTRAST_UNKNOWN);
    (void)snprintf(p.series_description, sizeof p.series_description, "t2_tse");
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p), MRC_CONTRAST_T2W);
}

static void test_map(void **state) {
    (void)state;
    static const char text[] = "# field\tpattern\tcontrast\n\nseriesdescription\t*AX fl*\tFLAIR\r\n"
                               "SeriesNumber\t7\tunknown\npath\t*/x?.nii\t\tT1w\n";
    static const char bad[] = "path\t*\tT3w\n", few[] = "path *\tT1w\n";
    char path[] = "/tmp/mrc-test-map-XXXXXX", one[] = "a/b/x1.nii";
    struct mrc_error err = {0};
    mrc_contrast_map *map = NULL;
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_ok(mrc_write_file(path, text, sizeof text - 1, &err), &err);
    assert_ok(mrc_contrast_map_load(&map, path, &err), &err);
    struct mrc_image_info image = {.path = one, .usable = true, .series_number = 7};
    (void)snprintf(image.series_description, sizeof image.series_description, "ax FLAIR 3mm");
    assert_true(mrc_contrast_map_apply(map, &image));
    assert_int_equal(image.contrast, MRC_CONTRAST_FLAIR);
    assert_string_equal(image.reason, "FLAIR by line 3 of the map (SeriesDescription)");
    image.series_description[0] = '\0';
    assert_true(mrc_contrast_map_apply(map, &image));
    assert_int_equal(image.contrast, MRC_CONTRAST_UNKNOWN);
    image.series_number = 70;
    assert_true(mrc_contrast_map_apply(map, &image));
    assert_int_equal(image.contrast, MRC_CONTRAST_T1W);
    one[6] = '\0';
    assert_false(mrc_contrast_map_apply(map, &image));
    assert_false(mrc_contrast_map_apply(NULL, &image));
    mrc_contrast_map_destroy(map);
    assert_ok(mrc_write_file(path, bad, sizeof bad - 1, &err), &err);
    assert_int_equal(mrc_contrast_map_load(&map, path, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "line 1: no contrast 'T3w'"));
    mrc_error_clear(&err);
    assert_ok(mrc_write_file(path, few, sizeof few - 1, &err), &err);
    assert_int_equal(mrc_contrast_map_load(&map, path, &err), MRC_ERR_ARGUMENT);
    assert_null(map);
    (void)unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_mark_of_our_own),
        cmocka_unit_test(test_image_type), cmocka_unit_test(test_declared_t2_alone),
        cmocka_unit_test(test_map)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
