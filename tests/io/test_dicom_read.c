/* test_dicom_read.c: from files to a volume, and the words when there is none. */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

/* cmocka's own comparison is one of floats. */
#define assert_near(found, expected, tolerance)                                                    \
    assert_true(fabs((double)(found) - (double)(expected)) <= (tolerance))

/* Writes SIDE_K slices, each first changed by `change`, loads them and gives the volume. */
typedef void change_fn(struct slice_spec *spec);

static char *changed_series(change_fn *change) {
    char *folder = folder_make();
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[16];
        (void)snprintf(name, sizeof name, "IM%d", n);
        change(&spec);
        write_slice(&spec, folder, name);
    }
    return folder;
}

static double voxel(const mrc_volume *vol, int i, int j, int k) {
    return (double)mrc_volume_voxels_const(vol)[(k * SIDE_J + j) * SIDE_I + i];
}

static void expect_ramp(const mrc_volume *vol, double slope, double intercept) {
    for (int k = 0; k < SIDE_K; ++k)
        for (int j = 0; j < SIDE_J; ++j)
            for (int i = 0; i < SIDE_I; ++i)
                assert_near(voxel(vol, i, j, k), slope * stored_ramp(i, j, k) + intercept, 1e-3);
}

static void test_plain_series(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    mrc_volume *vol = load_folder(folder, false);
    struct mrc_extent e = mrc_volume_extent(vol);
    assert_true(e.i == SIDE_I && e.j == SIDE_J && e.k == SIDE_K);
    expect_ramp(vol, 1.0, 0.0);
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    double expected[3][4] = {{-1.25, 0, 0, 10}, {0, -1.5, 0, 20}, {0, 0, 2, 30}}; /* RAS */
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 4; ++c) assert_near(g->index_to_ras_mm[r][c], expected[r][c], 1e-9);
    const struct mrc_provenance *from = mrc_volume_provenance(vol);
    assert_int_equal(from->kind, MRC_SOURCE_DICOM);
    assert_int_equal(from->contrast, MRC_CONTRAST_T1W);
    assert_int_equal(from->file_count, SIDE_K);
    assert_string_equal(mrc_path_name(from->files[2]), "c.dcm");
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void test_one_file_stands_for_its_folder(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    char *path = mrc_path_join(folder, "b.dcm");
    mrc_volume *vol = load_folder(path, false);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    mrc_volume_destroy(vol);
    mrc_free(path);
    folder_remove(folder);
}

/* Names and InstanceNumber say the opposite of the positions: the positions win. */
static void test_order_is_that_of_positions(void **state) {
    (void)state;
    char *folder = folder_make();
    static const char *const names[SIDE_K] = {"z", "m", "q", "a"};
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        spec.instance_number = SIDE_K - n;
        write_slice(&spec, folder, names[n]);
    }
    mrc_volume *vol = load_folder(folder, false);
    expect_ramp(vol, 1.0, 0.0);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

/* --- pixels --- */

static void change_rescale(struct slice_spec *s) {
    s->slope = s->number % 2 == 0 ? "2" : "0.5";
    s->intercept = "-100";
}

static void test_rescale_is_per_slice(void **state) {
    (void)state;
    char *folder = changed_series(change_rescale);
    mrc_volume *vol = load_folder(folder, false);
    for (int k = 0; k < SIDE_K; ++k)
        assert_near(voxel(vol, 3, 2, k), (k % 2 == 0 ? 2.0 : 0.5) * stored_ramp(3, 2, k) - 100.0,
                    1e-3);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

/* -5 … in 12 bits of 16, with an overlay in the bits above. */
static uint16_t stored_signed(int i, int j, int number) {
    return (uint16_t)(((unsigned)(i - 5 + 10 * j + number) & 0x0FFFu) |
                      0xF000u * (unsigned)(i % 2));
}

static void change_signed(struct slice_spec *s) {
    s->is_signed = 1;
    s->stored = stored_signed;
}

static void test_signed_twelve_bits(void **state) {
    (void)state;
    char *folder = changed_series(change_signed);
    mrc_volume *vol = load_folder(folder, false);
    for (int i = 0; i < SIDE_I; ++i) assert_near(voxel(vol, i, 1, 2), i - 5 + 10 + 2, 1e-6);
    assert_near(voxel(vol, 0, 0, 0), -5.0, 1e-6);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static uint16_t stored_high(int i, int j, int number) {
    return (uint16_t)(stored_ramp(i, j, number) << 4 | 0xA);
}

static void change_high_bit(struct slice_spec *s) {
    s->high_bit = 15;
    s->stored = stored_high;
}

static void test_high_bit_fifteen(void **state) {
    (void)state;
    char *folder = changed_series(change_high_bit);
    mrc_volume *vol = load_folder(folder, false);
    expect_ramp(vol, 1.0, 0.0);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_eight(struct slice_spec *s) {
    s->bits_allocated = s->bits_stored = 8;
    s->high_bit = 7;
}

static void test_eight_bits_of_odd_length(void **state) {
    (void)state;
    char *folder = changed_series(change_eight); /* 35 bytes and one of padding */
    mrc_volume *vol = load_folder(folder, false);
    assert_near(voxel(vol, 6, 4, 2), 246.0, 1e-6);
    assert_near(voxel(vol, 0, 0, 3), 300.0 - 256.0, 1e-6);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_thirty_two(struct slice_spec *s) {
    s->bits_allocated = s->bits_stored = 32;
    s->high_bit = 31;
}

static void test_thirty_two_bits(void **state) {
    (void)state;
    char *folder = changed_series(change_thirty_two);
    mrc_volume *vol = load_folder(folder, false);
    expect_ramp(vol, 1.0, 0.0);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_inverted(struct slice_spec *s) {
    s->photometric = "MONOCHROME1";
}

static void test_monochrome1_is_inverted(void **state) {
    (void)state;
    char *folder = changed_series(change_inverted);
    mrc_volume *vol = load_folder(folder, false);
    expect_ramp(vol, -1.0, stored_ramp(SIDE_I - 1, SIDE_J - 1, SIDE_K - 1));
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static uint16_t stored_padded(int i, int j, int number) {
    return i == 0 ? (uint16_t)4000 : (uint16_t)(50 + stored_ramp(i, j, number));
}

static void change_padded(struct slice_spec *s) {
    s->stored = stored_padded;
    s->padding = "4000";
}

static void test_padding_is_background(void **state) {
    (void)state;
    char *folder = changed_series(change_padded);
    mrc_volume *vol = load_folder(folder, false);
    assert_near(voxel(vol, 0, 2, 1), 0.0, 1e-6); /* no signal, as nothing is darker */
    assert_near(voxel(vol, 1, 0, 0), 51.0, 1e-6);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_padded_below(struct slice_spec *s) {
    change_padded(s);
    s->intercept = "-60";
}

static void test_padding_is_the_darkest_value(void **state) {
    (void)state;
    char *folder = changed_series(change_padded_below);
    mrc_volume *vol = load_folder(folder, false);
    assert_near(voxel(vol, 0, 2, 1), -9.0, 1e-6);
    assert_near(voxel(vol, 1, 0, 0), -9.0, 1e-6);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_short_cosines(struct slice_spec *s) {
    s->orientation = "0.9995\\0\\0\\0\\0.9995\\0";
}

/* Cosines of few decimals are directions: they do not make the image smaller. */
static void test_cosines_do_not_scale(void **state) {
    (void)state;
    char *folder = changed_series(change_short_cosines);
    mrc_volume *vol = load_folder(folder, false);
    assert_near(mrc_volume_geometry(vol)->spacing_mm[0], 1.25, 1e-9);
    assert_near(mrc_volume_geometry(vol)->spacing_mm[1], 1.5, 1e-9);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void change_oblique(struct slice_spec *s) {
    static const char *const positions[] = {"0\\0\\0", "0\\-1.2\\1.6", "0\\-2.4\\3.2",
                                            "0\\-3.6\\4.8"};
    s->orientation = "1\\0\\0\\0\\0.8\\0.6";
    s->position = positions[s->number];
}

static void test_oblique_can_be_used(void **state) {
    (void)state;
    char *folder = changed_series(change_oblique);
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].usable);
    assert_int_equal(list.items[0].orientation, MRC_OBLIQUE);
    mrc_image_list_clear(&list);
    folder_remove(folder);
}

/* --- refusals --- */

static void change_ct(struct slice_spec *s) {
    s->modality = "CT";
    s->sop_class = "1.2.840.10008.5.1.4.1.1.2";
}
static void change_rgb(struct slice_spec *s) {
    s->photometric = "RGB";
    s->samples = 3;
    s->bits_allocated = s->bits_stored = 8;
    s->high_bit = 7;
}
static void change_ct_scout(struct slice_spec *s) {
    change_ct(s);
    if (s->number > 1) s->orientation = "1\\0\\0\\0\\0\\-1";
}
static void change_bits(struct slice_spec *s) {
    s->high_bit = 16;
}
static void change_slope(struct slice_spec *s) {
    s->slope = "0";
}
static void change_long_pixels(struct slice_spec *s) {
    if (s->number == 1) s->pixel_bytes = 100;
}
static void change_enhanced(struct slice_spec *s) {
    s->sop_class = "1.2.840.10008.5.1.4.1.1.4.1";
}
static void change_secondary(struct slice_spec *s) {
    s->sop_class = "1.2.840.10008.5.1.4.1.1.7";
}
static void change_mosaic(struct slice_spec *s) {
    s->image_type = "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC";
}
static void change_phase(struct slice_spec *s) {
    s->image_type = "ORIGINAL\\PRIMARY\\P\\ND";
}
static void change_derived(struct slice_spec *s) {
    s->image_type = "DERIVED\\PRIMARY\\MPR";
}
static void change_synthetic(struct slice_spec *s) {
    s->synthetic = "YES";
}
static void change_skew(struct slice_spec *s) {
    s->orientation = "1\\0\\0\\0.1\\0.995\\0";
}
static void change_scale(struct slice_spec *s) {
    s->orientation = "1.1\\0\\0\\0\\1\\0";
}
static void change_no_spacing(struct slice_spec *s) {
    s->spacing = NULL;
}
static void change_position_words(struct slice_spec *s) {
    s->position = "nan\\0\\0";
}
static void change_copies(struct slice_spec *s) {
    static const char *const positions[] = {"0\\0\\0", "0\\0\\2", "0\\0\\2", "0\\0\\4"};
    s->position = positions[s->number];
}
static void change_gap(struct slice_spec *s) {
    static const char *const positions[] = {"0\\0\\0", "0\\0\\2", "0\\0\\4", "0\\0\\8"};
    s->position = positions[s->number];
}
static void change_tilt(struct slice_spec *s) {
    static const char *const positions[] = {"0\\0\\0", "0\\1\\2", "0\\2\\4", "0\\3\\6"};
    s->position = positions[s->number];
}
static void change_wander(struct slice_spec *s) {
    static const char *const positions[] = {"0\\0\\0", "0\\1\\2", "0\\0\\4", "0\\0\\6"};
    s->position = positions[s->number];
}
static void change_time(struct slice_spec *s) {
    s->temporal_position = s->number / 2 + 1;
    s->position = s->number % 2 == 0 ? "0\\0\\0" : "0\\0\\2";
}
static void change_same_uid(struct slice_spec *s) {
    if (s->number == 2) {
        s->sop_uid = "2.25.20001";
        s->position = "-10\\-20\\32";
    }
}
static void change_planes(struct slice_spec *s) {
    if (s->number % 2 == 1) s->orientation = "1\\0\\0\\0\\0\\-1";
}

static void change_patient(struct slice_spec *s) {
    if (s->number == 3) s->patient_name = "Another";
}
static void change_frame(struct slice_spec *s) {
    s->frame_uid = s->number == 3 ? "2.25.9" : "2.25.8";
}
static void change_distant_uid(struct slice_spec *s) {
    if (s->number == 3) s->sop_uid = "2.25.20000";
}
static void change_last_timing(struct slice_spec *s) {
    if (s->number == 3) s->te = "16";
}
static void change_last_spacing(struct slice_spec *s) {
    if (s->number == 3) s->spacing = NULL;
}
static void change_last_kind(struct slice_spec *s) {
    if (s->number == 3) s->image_type = "DERIVED\\SECONDARY";
}
static void change_last_damage(struct slice_spec *s) {
    if (s->number != 3) return;
    s->spacing = "3\\3"; /* its own group */
    s->pixel_bytes = 60;
}

struct refusal_case {
    const char *name;
    change_fn *change;
    enum mrc_status status;
    const char *words;
};
static const struct refusal_case refusal_cases[] = {
    {"CT", change_ct, MRC_ERR_UNSUPPORTED, "Modality is CT, expected MR"},
    {"CT scout", change_ct_scout, MRC_ERR_UNSUPPORTED, "Modality is CT, expected MR"},
    {"RGB", change_rgb, MRC_ERR_UNSUPPORTED, "PhotometricInterpretation is RGB"},
    {"bits", change_bits, MRC_ERR_FORMAT, "IM0|HighBit 16"},
    {"slope", change_slope, MRC_ERR_FORMAT, "IM0|RescaleSlope"},
    {"length", change_long_pixels, MRC_ERR_FORMAT, "IM1|1 of 4|has 100 bytes, expected 70"},
    {"enhanced", change_enhanced, MRC_ERR_UNSUPPORTED, "1 frame without functional groups"},
    {"screen shot", change_secondary, MRC_ERR_UNSUPPORTED, "SecondaryCapture"},
    {"mosaic", change_mosaic, MRC_ERR_UNSUPPORTED, "mosaic"},
    {"phase", change_phase, MRC_ERR_UNSUPPORTED, "not a magnitude image (ImageType has P)"},
    {"derived", change_derived, MRC_ERR_UNSUPPORTED, "DERIVED\\PRIMARY\\MPR"},
    {"synthetic", change_synthetic, MRC_ERR_UNSUPPORTED, "synthetic"},
    {"skew", change_skew, MRC_ERR_UNSUPPORTED, "orthogonal"},
    {"scale", change_scale, MRC_ERR_UNSUPPORTED, "unit vectors"},
    {"spacing", change_no_spacing, MRC_ERR_UNSUPPORTED, "PixelSpacing (0028,0030)"},
    {"position", change_position_words, MRC_ERR_UNSUPPORTED, "ImagePositionPatient"},
    {"double", change_copies, MRC_ERR_UNSUPPORTED, "IM1|IM2|same position"},
    {"missing slice", change_gap, MRC_ERR_UNSUPPORTED, "IM2|IM3|4.00 mm apart, expected 2.00 mm"},
    {"tilt", change_tilt, MRC_ERR_UNSUPPORTED, "tilted by 26.57 degrees"},
    {"wander", change_wander, MRC_ERR_UNSUPPORTED, "IM1 lies 1.00 mm off"},
    {"time", change_time, MRC_ERR_UNSUPPORTED, "none of 2 series|2 slices, expected at least 3"},
    {"one UID, two contents", change_same_uid, MRC_ERR_UNSUPPORTED, "SOPInstanceUID"},
    {"planes", change_planes, MRC_ERR_UNSUPPORTED, "2 orientations"},
    {"two patients", change_patient, MRC_ERR_UNSUPPORTED, "IM0|IM3|different patients"},
    {"two frames", change_frame, MRC_ERR_UNSUPPORTED, "IM0|IM3|frames of reference"},
    {"one UID, two places", change_distant_uid, MRC_ERR_UNSUPPORTED, "IM0|IM3|SOPInstanceUID"},
    {"last slice's timing", change_last_timing, MRC_ERR_UNSUPPORTED, "1 of 4|timing|IM3"},
    {"last slice's spacing", change_last_spacing, MRC_ERR_UNSUPPORTED, "1 of 4|spacing|IM3"},
    {"last slice's kind", change_last_kind, MRC_ERR_UNSUPPORTED, "IM3|continues|kind"},
    {"last slice's damage", change_last_damage, MRC_ERR_FORMAT, "IM3|60 bytes, expected 70"},
};

static void test_refusals(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof refusal_cases / sizeof *refusal_cases; ++c) {
        print_message("  %s\n", refusal_cases[c].name);
        char *folder = changed_series(refusal_cases[c].change);
        expect_refusal(folder, refusal_cases[c].status, refusal_cases[c].words);
        folder_remove(folder);
    }
}

/* Each of the two has an option of its own. */
static void test_derived_and_synthetic_are_apart(void **state) {
    (void)state;
    static const struct {
        change_fn *change;
        bool synthetic;
    } cases[] = {{change_derived, false}, {change_synthetic, true}};
    for (size_t c = 0; c < 2; ++c) {
        char *folder = changed_series(cases[c].change);
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].synthetic, cases[c].synthetic);
        assert_int_equal(list.items[0].derived, !cases[c].synthetic);
        for (int allowed = 0; allowed < 2; ++allowed) {
            struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
            mrc_volume *vol = NULL;
            options.allow_synthetic = allowed == 0;
            options.allow_derived = allowed == 1;
            enum mrc_status st = mrc_image_load_item(&vol, &list.items[0], &options, NULL);
            assert_int_equal(st,
                             cases[c].synthetic == (allowed == 0) ? MRC_OK : MRC_ERR_UNSUPPORTED);
            mrc_volume_destroy(vol);
        }
        mrc_image_list_clear(&list);
        folder_remove(folder);
    }
}

static void change_quality_control(struct slice_spec *s) {
    s->quality_control = "YES";
}
static void change_generated(struct slice_spec *s) {
    s->quality_control = s->synthetic = "YES";
}
static void change_name_to_test(struct slice_spec *s) {
    s->patient_name = "CS-AI^Test";
}
static void change_name_to_person(struct slice_spec *s) {
    s->patient_name = "Testa^Anna";
}
static void change_description(struct slice_spec *s) {
    s->patient_name = "Testa^Anna";
    s->series_description = "ACR T1 loc";
}

static void test_objects_are_told(void **state) {
    (void)state;
    static const struct {
        change_fn *change;
        bool object;
    } cases[] = {{change_quality_control, true},
                 {change_generated, false},
                 {change_name_to_test, true},
                 {change_name_to_person, false},
                 {change_description, true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        char *folder = changed_series(cases[c].change);
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
        assert_int_equal(list.items[0].phantom, cases[c].object);
        assert_true(list.items[0].usable);
        mrc_image_list_clear(&list);
        folder_remove(folder);
    }
}

static void put_extra(mrc_dcmtk_item *item, uint32_t tag, const char *text) {
    struct mrc_error err = {0};
    assert_ok(mrc_dcmtk_put(item, tag, NULL, text, &err), &err);
}
static void is_removed(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0012, 0x0062), "YES");
}
static void has_method(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0012, 0x0063), "somebody's");
}
static void is_heavy(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0010, 0x1030), "72.5");
}
static void is_light(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0010, 0x1030), "4");
    put_extra(item, MRC_TAG(0x0012, 0x0062), "NO");
}
static void is_tall(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0010, 0x1020), "1.7");
}
static void was_born_long_ago(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0010, 0x0030), "19700101");
    put_extra(item, MRC_TAG(0x0008, 0x0022), "20200101");
}
static void was_born_lately(mrc_dcmtk_item *item) {
    put_extra(item, MRC_TAG(0x0010, 0x0030), "20190801");
    put_extra(item, MRC_TAG(0x0008, 0x0022), "20200101");
    is_removed(item);
}

/* 000Y is also what de-identifiers leave of any age. */
static void test_infants_are_told(void **state) {
    (void)state;
    static const struct {
        const char *age, *description;
        bool infant;
        void (*extra)(mrc_dcmtk_item *item);
    } cases[] = {{"000D", "T1", true, NULL},
                 {"103W", "T1", true, NULL},
                 {"018M", "T1", true, NULL},
                 {"001Y", "T1", true, NULL},
                 {"024M", "T1", false, NULL},
                 {"002Y", "T1", false, NULL},
                 {"035Y", "T1", false, NULL},
                 {"000Y", "T1", true, NULL},
                 {NULL, "T1", false, NULL},
                 {"18M", "T1", false, NULL},
                 {NULL, "neonatal T1", true, NULL},
                 {"000Y", "T1", false, is_removed},
                 {"000Y", "T1", false, has_method},
                 {"000Y", "T1", false, is_heavy},
                 {"000Y", "T1", false, is_tall},
                 {"000Y", "T1", true, is_light},
                 {"000Y", "T1", false, was_born_long_ago},
                 {"000Y", "T1", true, was_born_lately},
                 {"000Y", "neonatal T1", true, is_removed},
                 {"006M", "T1", true, is_removed},
                 {"003D", "T1", true, is_removed}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        char *folder = folder_make(), name[16];
        for (int n = 0; n < SIDE_K; ++n) {
            struct slice_spec spec = slice_spec_default(n);
            spec.patient_age = cases[c].age;
            spec.series_description = cases[c].description;
            spec.extra = cases[c].extra;
            (void)snprintf(name, sizeof name, "%d", n);
            write_slice(&spec, folder, name);
        }
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
        if (list.items[0].infant != cases[c].infant)
            fail_msg("case %zu: %s, %s", c, cases[c].age != NULL ? cases[c].age : "no age",
                     cases[c].description);
        mrc_image_list_clear(&list);
        folder_remove(folder);
    }
}

static void test_two_slices(void **state) {
    (void)state;
    char *folder = folder_make();
    for (int n = 0; n < 2; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        write_slice(&spec, folder, n == 0 ? "a" : "b");
    }
    expect_refusal(folder, MRC_ERR_UNSUPPORTED, "2 slices, expected at least 3");
    folder_remove(folder);
}

static void test_two_series_in_one_folder(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {(char)('p' + n), '\0'};
        spec.series_uid = "2.25.7";
        spec.tr = "4000";
        spec.te = "100";
        write_slice(&spec, folder, name);
    }
    expect_refusal(folder, MRC_ERR_UNSUPPORTED,
                   "2 series can be used (0:1 T1w, 0:2 T2w), expected one");
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 2);
    assert_true(list.items[0].usable && list.items[1].usable);
    assert_int_equal(list.items[1].contrast, MRC_CONTRAST_T2W);
    assert_int_equal(list.items[1].slices, SIDE_K);
    assert_near(list.items[1].spacing_mm[0], 1.5, 1e-9);
    assert_near(list.items[1].spacing_mm[1], 1.25, 1e-9);
    assert_near(list.items[1].spacing_mm[2], 2.0, 1e-9);
    assert_int_equal(list.items[1].orientation, MRC_AXIAL);
    assert_string_equal(list.items[1].series_uid, "2.25.7");
    mrc_image_list_clear(&list);
    /* A file's path chooses the series that holds it. */
    char *file = mrc_path_join(folder, "q");
    mrc_volume *vol = load_folder(file, false);
    assert_int_equal(mrc_volume_provenance(vol)->contrast, MRC_CONTRAST_T2W);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    mrc_volume_destroy(vol);
    mrc_free(file);
    folder_remove(folder);
}

static void test_a_copied_file_counts_once(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    struct slice_spec spec = slice_spec_default(1);
    write_slice(&spec, folder, "copy of b.dcm");
    mrc_volume *vol = load_folder(folder, false);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    expect_ramp(vol, 1.0, 0.0);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

/* --- damage --- */

static void cut_file(const char *folder, const char *name, size_t keep, bool from_end) {
    struct mrc_error err = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = mrc_path_join(folder, name);
    assert_ok(mrc_read_file(&bytes, &size, path, 1 << 20, &err), &err);
    assert_true(keep < size);
    assert_ok(mrc_write_file(path, bytes, from_end ? size - keep : keep, &err), &err);
    mrc_free(bytes);
    mrc_free(path);
}

static void test_a_truncated_slice_is_named(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    cut_file(folder, "c.dcm", 10, true);
    expect_refusal(folder, MRC_ERR_FORMAT, "c.dcm|truncated|60 of 70 bytes");
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
    assert_int_equal(list.count, 1);
    assert_false(list.items[0].usable);
    assert_int_equal(list.refused_count, 1);
    assert_non_null(strstr(list.refused[0].path, "c.dcm"));
    mrc_image_list_clear(&list);
    folder_remove(folder);
}

/* The header breaks before its series is known: it might be the slice that is missing. */
static void test_a_truncated_header_stops_the_load(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    cut_file(folder, "d.dcm", 400, false);
    expect_refusal(folder, MRC_ERR_FORMAT, "d.dcm|truncated");
    folder_remove(folder);
}

static void write_bytes(const char *folder, const char *name, const char *bytes, size_t size) {
    struct mrc_error err = {0};
    char *path = mrc_path_join(folder, name);
    assert_ok(mrc_write_file(path, bytes, size, &err), &err);
    mrc_free(path);
}

/* Files that nobody takes for DICOM any more, but that were: the last slice leaves no gap. */
static void test_a_lost_slice_stops_the_load(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
    } cases[] = {
        {"d.dcm", "", 0}, {"E.DCM", "\0\0\0\0", 4}, {"D.dcm", "text\n", 5}, {"e.ima", "text\n", 5}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        char *folder = folder_make();
        write_series(folder);
        write_bytes(folder, cases[c].name, cases[c].bytes, cases[c].size);
        print_message("  %s\n", cases[c].name);
        char words[64];
        (void)snprintf(words, sizeof words, "%s|may be a slice", cases[c].name);
        expect_refusal(folder, MRC_ERR_FORMAT, words);
        char *member = mrc_path_join(folder, "a.dcm");
        expect_refusal(member, MRC_ERR_FORMAT, words);
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        assert_ok(mrc_image_list_scan(&list, folder, &err), &err);
        assert_int_equal(list.count, 1);
        assert_false(list.items[0].usable); /* info says what translate would */
        mrc_image_list_clear(&list);
        mrc_free(member);
        folder_remove(folder);
    }
}

/* Of slices without an ending, told by their neighbours: a text is none of them. */
static void test_neighbours_without_ending(void **state) {
    (void)state;
    char *folder = folder_make();
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[] = {'I', 'M', '0', (char)('1' + n), '\0'};
        write_slice(&spec, folder, name);
    }
    write_bytes(folder, "VERSION", "text\n", 5);
    write_bytes(folder, "notes.doc", "\0binary", 7);
    write_bytes(folder, ".DS_Store", "\0binary", 7);
    mrc_volume *vol = load_folder(folder, false);
    assert_int_equal(mrc_volume_extent(vol).k, SIDE_K);
    assert_int_equal(mrc_volume_provenance(vol)->left_out, 2);
    mrc_volume_destroy(vol);
    write_bytes(folder, "im0100", "x", 1);
    expect_refusal(folder, MRC_ERR_FORMAT, "im0100|may be a slice");
    write_bytes(folder, "im0100.txt", "x", 1);
    char *path = mrc_path_join(folder, "im0100");
    mrc_remove_tree(path);
    mrc_free(path);
    write_bytes(folder, "XYZ", "x\0", 2);
    expect_refusal(folder, MRC_ERR_FORMAT, "XYZ|may be a slice");
    folder_remove(folder);
}

/* As a set of links leaves it whose files were not fetched. */
static void test_a_dangling_link_stops_the_load(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    char *path = mrc_path_join(folder, "e.dcm");
    assert_int_equal(symlink("gone", path), 0);
    expect_refusal(folder, MRC_ERR_IO, "e.dcm|cannot be read");
    mrc_free(path);
    folder_remove(folder);
}

static void put_five_images(mrc_dcmtk_item *item) {
    struct mrc_error err = {0};
    assert_ok(mrc_dcmtk_put(item, MRC_TAG(0x0020, 0x1002), NULL, "5", &err), &err);
}
static void change_five_images(struct slice_spec *s) {
    s->extra = put_five_images;
}

static void test_a_count_that_is_not_met_is_told(void **state) {
    (void)state;
    char *folder = changed_series(change_five_images);
    mrc_volume *vol = load_folder(folder, false);
    assert_non_null(strstr(mrc_volume_provenance(vol)->remark, "4 slices, but"));
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

static void test_what_is_left_out_is_counted(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    for (int n = 0; n < 2; ++n) { /* a phase image of two slices, and two of another series */
        struct slice_spec spec = slice_spec_default(n);
        spec.image_type = "ORIGINAL\\PRIMARY\\P";
        spec.sop_uid = n == 0 ? "2.25.1" : "2.25.2";
        write_slice(&spec, folder, n == 0 ? "p" : "q");
        spec.series_uid = "2.25.7";
        write_slice(&spec, folder, n == 0 ? "r" : "s");
    }
    struct slice_spec copy = slice_spec_default(1);
    write_slice(&copy, folder, "copy of b.dcm");
    mrc_volume *vol = load_folder(folder, false);
    assert_int_equal(mrc_volume_provenance(vol)->left_out, 4);
    mrc_volume_destroy(vol);
    char *member = mrc_path_join(folder, "a.dcm");
    vol = load_folder(member, false);
    assert_int_equal(mrc_volume_provenance(vol)->left_out, 2); /* of this series */
    mrc_volume_destroy(vol);
    mrc_free(member);
    folder_remove(folder);
}

static void test_every_cut_is_refused_or_read(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    struct mrc_error err = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = mrc_path_join(folder, "d.dcm");
    assert_ok(mrc_read_file(&bytes, &size, path, 1 << 20, &err), &err);
    for (size_t keep = 0; keep < size; keep += keep < 140 ? 20 : 3) {
        assert_ok(mrc_write_file(path, bytes, keep, &err), &err);
        mrc_volume *vol = NULL;
        assert_int_not_equal(mrc_image_load(&vol, folder, NULL, NULL), MRC_OK);
    }
    mrc_free(bytes);
    mrc_free(path);
    folder_remove(folder);
}

static void test_memory_runs_out(void **state) {
    (void)state;
    char *folder = folder_make();
    write_series(folder);
    mrc_volume *vol = NULL;
    enum mrc_status st;
    MRC_TRY_EVERY_FAILURE(st, mrc_image_load(&vol, folder, NULL, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(vol);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_series),
        cmocka_unit_test(test_one_file_stands_for_its_folder),
        cmocka_unit_test(test_order_is_that_of_positions),
        cmocka_unit_test(test_rescale_is_per_slice),
        cmocka_unit_test(test_signed_twelve_bits),
        cmocka_unit_test(test_high_bit_fifteen),
        cmocka_unit_test(test_eight_bits_of_odd_length),
        cmocka_unit_test(test_thirty_two_bits),
        cmocka_unit_test(test_monochrome1_is_inverted),
        cmocka_unit_test(test_padding_is_background),
        cmocka_unit_test(test_padding_is_the_darkest_value),
        cmocka_unit_test(test_cosines_do_not_scale),
        cmocka_unit_test(test_oblique_can_be_used),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_derived_and_synthetic_are_apart),
        cmocka_unit_test(test_objects_are_told),
        cmocka_unit_test(test_infants_are_told),
        cmocka_unit_test(test_two_slices),
        cmocka_unit_test(test_two_series_in_one_folder),
        cmocka_unit_test(test_a_copied_file_counts_once),
        cmocka_unit_test(test_a_truncated_slice_is_named),
        cmocka_unit_test(test_a_truncated_header_stops_the_load),
        cmocka_unit_test(test_a_lost_slice_stops_the_load),
        cmocka_unit_test(test_neighbours_without_ending),
        cmocka_unit_test(test_a_dangling_link_stops_the_load),
        cmocka_unit_test(test_a_count_that_is_not_met_is_told),
        cmocka_unit_test(test_what_is_left_out_is_counted),
        cmocka_unit_test(test_every_cut_is_refused_or_read),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
