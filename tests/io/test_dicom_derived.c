/* test_dicom_derived.c: a derived series says what it is, keeps patient, study and place, and
 * nothing else comes along. */
#include "io/dicom/dicom_check.h"
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "io/dcmtk/bridge.h"

#define assert_near(found, expected, tolerance)                                                    \
    assert_true(fabs((double)(found) - (double)(expected)) <= (tolerance))

static struct mrc_derivation plain_derivation(void) {
    return (struct mrc_derivation){
        .from = MRC_CONTRAST_T1W,
        .to = MRC_CONTRAST_T2W,
        .software_version = "0.1.0",
        .model_name = "test-model",
        .model_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        .steps = "axial; square; 64 x 64",
        .settings = "size=64",
        .time_stamp = "20260304050607"};
}

/* A folder with a source series, each slice first changed; the loaded volume; and a computed one on
 * its grid. */
struct scene {
    char *source_folder, *folder;
    mrc_volume *source, *vol;
};
typedef void change_fn(struct slice_spec *spec);

static struct scene scene_make(change_fn *change) {
    struct mrc_error err = {0};
    struct scene s = {.source_folder = folder_make(), .folder = folder_make()};
    static const char *const names[SIDE_K] = {"z", "y", "x", "w"}; /* not in order */
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        if (change != NULL) change(&spec);
        write_slice(&spec, s.source_folder, names[n]);
    }
    s.source = load_folder(s.source_folder, false);
    assert_ok(mrc_volume_create_like(&s.vol, s.source, &err), &err);
    for (int v = 0; v < SIDE_I * SIDE_J * SIDE_K; ++v)
        mrc_volume_voxels(s.vol)[v] = (float)v / 139.0f;
    return s;
}

static void scene_save(struct scene *s, const struct mrc_derivation *derivation) {
    struct mrc_error err = {0};
    assert_ok(mrc_dicom_save_derived(s->vol, s->source, derivation, s->folder, &err), &err);
}

static void scene_clear(struct scene *s) {
    mrc_volume_destroy(s->source);
    mrc_volume_destroy(s->vol);
    folder_remove(s->source_folder);
    folder_remove(s->folder);
}

static mrc_dcmtk_file *open_slice(const struct scene *s, const char *name) {
    struct mrc_error err = {0};
    mrc_dcmtk_file *file = NULL;
    char *path = mrc_path_join(s->folder, name);
    assert_ok(mrc_dcmtk_open(&file, path, &err), &err);
    mrc_free(path);
    return file;
}

static void expect_raw(mrc_dcmtk_item *item, uint32_t tag, const char *expected) {
    size_t bytes = 0;
    const char *raw = mrc_dcmtk_raw(item, tag, &bytes);
    char text[1100] = "";
    if (raw != NULL) (void)snprintf(text, sizeof text, "%.*s", (int)bytes, raw);
    assert_string_equal(text, expected);
}

static int slices_put;
static void put_falling_location(mrc_dcmtk_item *item) {
    struct mrc_error err = {0};
    char text[16];
    (void)snprintf(text, sizeof text, "%d.5", 100 - 2 * slices_put++);
    assert_ok(mrc_dcmtk_put(item, MRC_TAG(0x0020, 0x1041), NULL, text, &err), &err);
}
static void number_from_the_top(struct slice_spec *spec) {
    spec->instance_number = 20 - 3 * spec->number;
    spec->extra = put_falling_location;
}
static void number_in_disorder(struct slice_spec *spec) {
    spec->instance_number = spec->number == 1 ? 9 : spec->number + 1;
}

/* File n shows what the source's n-th image shows; without an order there, the positions decide. */
static void test_slices_are_numbered_as_the_source(void **state) {
    (void)state;
    static const struct {
        change_fn *change;
        const char *lowest, *location; /* the name and SliceLocation of the lowest slice */
    } cases[] = {{NULL, "IM0001.dcm", "30"},
                 {number_from_the_top, "IM0004.dcm", "100.5"},
                 {number_in_disorder, "IM0001.dcm", "30"}};
    assert_int_equal(SIDE_K, 4);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        slices_put = 0;
        struct scene s = scene_make(cases[c].change);
        struct mrc_derivation derivation = plain_derivation();
        struct mrc_dicom_check check;
        struct mrc_error err = {0};
        scene_save(&s, &derivation);
        mrc_dcmtk_file *file = open_slice(&s, cases[c].lowest);
        mrc_dcmtk_item *item = mrc_dcmtk_root(file);
        expect_raw(item, MRC_TAG(0x0020, 0x0032), "-10\\-20\\30");
        expect_raw(item, MRC_TAG(0x0020, 0x1041), cases[c].location);
        expect_raw(item, MRC_TAG(0x0020, 0x0013), cases[c].lowest[5] == '1' ? "1" : "4");
        mrc_dcmtk_close(file);
        assert_ok(mrc_dicom_check_folder(&check, s.folder, &err), &err);
        for (size_t f = 0; f < check.count; ++f)
            if (strstr(check.findings[f].text, "Number") != NULL ||
                strstr(check.findings[f].text, "Location") != NULL)
                fail_msg("case %zu: %s", c, check.findings[f].text);
        mrc_dicom_check_clear(&check);
        scene_clear(&s);
    }
}

static void change_patient(struct slice_spec *spec) {
    spec->patient_name = "Somebody^Else";
    spec->sop_uid = "2.25.77001";
}

/* A file that was exchanged after its pixels were read lends its patient to nothing. */
static void test_an_exchanged_file_is_refused(void **state) {
    (void)state;
    for (int again = 0; again < 2; ++again) { /* also of a copy of the volume */
        struct scene s = scene_make(NULL);
        struct mrc_derivation derivation = plain_derivation();
        struct slice_spec spec = slice_spec_default(2);
        struct mrc_error err = {0};
        mrc_volume *copy = NULL;
        assert_ok(mrc_volume_create_like(&copy, s.source, &err), &err);
        change_patient(&spec);
        write_slice(&spec, s.source_folder, "x");
        assert_int_equal(
            mrc_dicom_save_derived(s.vol, again ? copy : s.source, &derivation, s.folder, &err),
            MRC_ERR_FORMAT);
        assert_non_null(strstr(err.text, "/x: changed while it was read"));
        mrc_volume_destroy(copy);
        scene_clear(&s);
    }
}

static void test_attributes(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0003.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    expect_raw(item, MRC_TAG(0x0008, 0x0008), "DERIVED\\SECONDARY\\OTHER\\SYNTH_T2W");
    expect_raw(item, MRC_TAG(0x0008, 0x0016), "1.2.840.10008.5.1.4.1.1.4");
    expect_raw(item, MRC_TAG(0x0008, 0x001C), "YES");
    expect_raw(item, MRC_TAG(0x0008, 0x0021), "20260304");
    expect_raw(item, MRC_TAG(0x0008, 0x0033), "050607");
    expect_raw(item, MRC_TAG(0x0008, 0x103E),
               "SYNTH T2w from T1w (AI, not acquired, not for diagnosis)");
    expect_raw(item, MRC_TAG(0x0010, 0x0010), "Test");
    expect_raw(item, MRC_TAG(0x0010, 0x0020), "ID1");
    expect_raw(item, MRC_TAG(0x0018, 0x0015), "HEAD");
    expect_raw(item, MRC_TAG(0x0018, 0x0020), "RM");
    expect_raw(item, MRC_TAG(0x0018, 0x0021), "NONE");
    expect_raw(item, MRC_TAG(0x0018, 0x9004), "RESEARCH");
    expect_raw(item, MRC_TAG(0x0018, 0x0088), "2");
    expect_raw(item, MRC_TAG(0x0020, 0x000D), "2.25.1000");
    expect_raw(item, MRC_TAG(0x0020, 0x0013), "3");
    expect_raw(item, MRC_TAG(0x0020, 0x0032), "-10\\-20\\34"); /* the source's own text */
    expect_raw(item, MRC_TAG(0x0020, 0x0037), "1\\0\\0\\0\\1\\0");
    expect_raw(item, MRC_TAG(0x0028, 0x0030), "1.5\\1.25");
    expect_raw(item, MRC_TAG(0x0028, 0x0301), "NO");
    expect_raw(item, MRC_TAG(0x0028, 0x1050), "2048");
    expect_raw(item, MRC_TAG(0x0028, 0x1051), "4096");
    expect_raw(item, MRC_TAG(0x0028, 0x2110), "00");
    static const uint32_t empty[] = {MRC_TAG(0x0018, 0x0022), MRC_TAG(0x0018, 0x0080),
                                     MRC_TAG(0x0018, 0x0081), MRC_TAG(0x0018, 0x0091),
                                     MRC_TAG(0x0018, 0x5100), MRC_TAG(0x0008, 0x0050)};
    for (size_t t = 0; t < sizeof empty / sizeof *empty; ++t) {
        assert_true(mrc_dcmtk_has(item, empty[t]));
        assert_int_equal(mrc_dcmtk_count(item, empty[t]), 0);
    }
    static const uint32_t absent[] = {MRC_TAG(0x0018, 0x0082), MRC_TAG(0x0018, 0x1314),
                                      MRC_TAG(0x0028, 0x1052), MRC_TAG(0x0028, 0x1053),
                                      MRC_TAG(0x0028, 0x0300), MRC_TAG(0x0018, 0x1030)};
    for (size_t t = 0; t < sizeof absent / sizeof *absent; ++t)
        assert_false(mrc_dcmtk_has(item, absent[t]));
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

static void test_where_it_comes_from(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0002.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    assert_int_equal(mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x2112)), 1);
    mrc_dcmtk_item *source = mrc_dcmtk_child(item, MRC_TAG(0x0008, 0x2112), 0);
    expect_raw(source, MRC_TAG(0x0008, 0x1155), "2.25.20001");
    expect_raw(source, MRC_TAG(0x0028, 0x135A), "YES");
    expect_raw(mrc_dcmtk_child(source, MRC_TAG(0x0040, 0xA170), 0), MRC_TAG(0x0008, 0x0100),
               "121322");
    mrc_dcmtk_item *series = mrc_dcmtk_child(item, MRC_TAG(0x0008, 0x1115), 0);
    expect_raw(series, MRC_TAG(0x0020, 0x000E), "2.25.1001");
    assert_int_equal(mrc_dcmtk_count(series, MRC_TAG(0x0008, 0x114A)), SIDE_K);
    static const char *const purposes[] = {"109101", "109102", "109100"};
    assert_int_equal(mrc_dcmtk_count(item, MRC_TAG(0x0018, 0xA001)), 3);
    for (size_t e = 0; e < 3; ++e) {
        mrc_dcmtk_item *equipment = mrc_dcmtk_child(item, MRC_TAG(0x0018, 0xA001), e);
        expect_raw(mrc_dcmtk_child(equipment, MRC_TAG(0x0040, 0xA170), 0), MRC_TAG(0x0008, 0x0100),
                   purposes[e]);
        assert_int_equal(mrc_dcmtk_count(equipment, MRC_TAG(0x0008, 0x0070)), 1);
    }
    expect_raw(mrc_dcmtk_child(item, MRC_TAG(0x0008, 0x9215), 0), MRC_TAG(0x0008, 0x0100),
               "113085");
    size_t bytes = 0;
    const char *text = mrc_dcmtk_raw(item, MRC_TAG(0x0008, 0x2111), &bytes);
    assert_non_null(text);
    assert_non_null(strstr(text, "not for diagnosis"));
    assert_non_null(strstr(text, derivation.model_hash));
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

static void test_pixels_and_place(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    mrc_volume_voxels(s.vol)[5] = NAN;
    mrc_volume_voxels(s.vol)[6] = -1.0f;
    mrc_volume_voxels(s.vol)[7] = 2.0f;
    scene_save(&s, &derivation);
    mrc_volume *back = load_folder(s.folder, true);
    const float *found = mrc_volume_voxels_const(back);
    for (int v = 8; v < SIDE_I * SIDE_J * SIDE_K; ++v)
        assert_near(found[v], round(v / 139.0 * 4095.0), 0.51);
    assert_near(found[5], 0.0, 0.0);
    assert_near(found[6], 0.0, 0.0);
    assert_near(found[7], 4095.0, 0.0);
    assert_near(mrc_geometry_distance(mrc_volume_geometry(back), mrc_volume_geometry(s.source),
                                      mrc_volume_extent(back)),
                0.0, 1e-9);
    mrc_volume_destroy(back);
    expect_refusal(s.folder, MRC_ERR_UNSUPPORTED, "synthetic"); /* not without being asked to */
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, s.folder, &err), &err);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].contrast, MRC_CONTRAST_T2W); /* told, and no input for that */
    assert_true(list.items[0].synthetic && list.items[0].unweighted && !list.items[0].usable);
    mrc_image_list_clear(&list);
    scene_clear(&s);
}

/* Texts too long for a decimal string, as real converters write them. */
static void change_long_decimals(struct slice_spec *s) {
    static const char *const positions[] = {
        "-10.1234567890123456\\-20\\30", "-10.1234567890123456\\-20\\32",
        "-10.1234567890123456\\-20\\34", "-10.1234567890123456\\-20\\36"};
    s->position = positions[s->number];
    s->spacing = "0.666666686534882\\0.699987828731537";
}

static void test_long_decimals_are_shortened(void **state) {
    (void)state;
    struct scene s = scene_make(change_long_decimals);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    char text[40];
    for (size_t i = 0; i < 2; ++i) {
        assert_true(mrc_dcmtk_text(text, sizeof text, item, MRC_TAG(0x0028, 0x0030), i));
        assert_true(strlen(text) <= 16);
    }
    assert_true(mrc_dcmtk_text(text, sizeof text, item, MRC_TAG(0x0020, 0x0032), 0));
    assert_true(strlen(text) <= 16);
    mrc_dcmtk_close(file);
    mrc_volume *back = load_folder(s.folder, true);
    assert_near(mrc_geometry_distance(mrc_volume_geometry(back), mrc_volume_geometry(s.source),
                                      mrc_volume_extent(back)),
                0.0, 1e-6);
    mrc_volume_destroy(back);
    scene_clear(&s);
}

/* What need not be there comes along only when it is sound. */
static void change_age(struct slice_spec *s) {
    s->patient_age = "042Y";
}
static void change_broken_age(struct slice_spec *s) {
    s->patient_age = "42";
}

static void test_broken_values_stay_behind(void **state) {
    (void)state;
    for (int broken = 0; broken < 2; ++broken) {
        struct scene s = scene_make(broken ? change_broken_age : change_age);
        struct mrc_derivation derivation = plain_derivation();
        scene_save(&s, &derivation);
        mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
        expect_raw(mrc_dcmtk_root(file), MRC_TAG(0x0010, 0x1010), broken ? "" : "042Y");
        mrc_dcmtk_close(file);
        scene_clear(&s);
    }
}

static void put_text(mrc_dcmtk_item *item, uint32_t tag, const char *text) {
    struct mrc_error err = {0};
    assert_ok(mrc_dcmtk_put(item, tag, NULL, text, &err), &err);
}

/* Too long, in another case, in a sequence: what dciodvfy would call an error. */
static void put_unsound(mrc_dcmtk_item *item) {
    struct mrc_error err = {0};
    mrc_dcmtk_item *code = NULL;
    put_text(item, MRC_TAG(0x0008, 0x1030),
             "a description of more than the sixty-four letters that PS3.5 allows it to have");
    put_text(item, MRC_TAG(0x0010, 0x21A0), "UNKNOWN");
    put_text(item, MRC_TAG(0x0010, 0x21C0), "0"); /* PregnancyStatus, 1 to 4 */
    put_text(item, MRC_TAG(0x0018, 0x0015), "Brain of the patient");
    put_text(item, MRC_TAG(0x0008, 0x0080), "Hospital");
    put_text(item, MRC_TAG(0x0008, 0x1010), "a name of a station of more than 16");
    assert_ok(mrc_dcmtk_append(&code, item, MRC_TAG(0x0008, 0x1032), &err), &err);
    put_text(code, MRC_TAG(0x0008, 0x0102), "a scheme of more than 16");
    assert_ok(mrc_dcmtk_append(&code, item, MRC_TAG(0x0040, 0x0275), &err), &err);
    put_text(code, MRC_TAG(0x0040, 0x0007), "sound");
}
static void change_unsound(struct slice_spec *s) {
    s->extra = put_unsound;
}

static void test_unsound_texts_stay_behind(void **state) {
    (void)state;
    struct scene s = scene_make(change_unsound);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    assert_false(mrc_dcmtk_has(item, MRC_TAG(0x0008, 0x1030)));
    assert_false(mrc_dcmtk_has(item, MRC_TAG(0x0008, 0x1032)));
    assert_false(mrc_dcmtk_has(item, MRC_TAG(0x0010, 0x21C0)));
    expect_raw(item, MRC_TAG(0x0010, 0x21A0), "UNKNOWN");
    expect_raw(item, MRC_TAG(0x0018, 0x0015), "HEAD");
    assert_int_equal(mrc_dcmtk_count(item, MRC_TAG(0x0040, 0x0275)), 1);
    mrc_dcmtk_item *scanner = mrc_dcmtk_child(item, MRC_TAG(0x0018, 0xA001), 0);
    expect_raw(scanner, MRC_TAG(0x0008, 0x0080), "Hospital");
    assert_false(mrc_dcmtk_has(scanner, MRC_TAG(0x0008, 0x1010)));
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

/* Of the patient's study, and not of one series of it. */
static const uint32_t study_tags[] = {MRC_TAG(0x0008, 0x1080), MRC_TAG(0x0010, 0x1001),
                                      MRC_TAG(0x0010, 0x21A0), MRC_TAG(0x0010, 0x2180),
                                      MRC_TAG(0x0038, 0x0010), MRC_TAG(0x0038, 0x0060),
                                      MRC_TAG(0x0038, 0x0062), MRC_TAG(0x0038, 0x0500)};

static void put_study(mrc_dcmtk_item *item) {
    for (size_t t = 0; t < sizeof study_tags / sizeof *study_tags; ++t)
        put_text(item, study_tags[t], "YES");
}
static void change_study(struct slice_spec *s) {
    s->extra = put_study;
}

static void test_all_of_the_study_is_kept(void **state) {
    (void)state;
    struct scene s = scene_make(change_study);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    for (size_t t = 0; t < sizeof study_tags / sizeof *study_tags; ++t)
        expect_raw(mrc_dcmtk_root(file), study_tags[t], "YES");
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

static void put_deidentified(mrc_dcmtk_item *item) {
    put_text(item, MRC_TAG(0x0012, 0x0062), "YES");
    put_text(item, MRC_TAG(0x0028, 0x0301), "YES");
    put_text(item, MRC_TAG(0x0028, 0x0302), "NO");
}
static void put_method(mrc_dcmtk_item *item) {
    put_deidentified(item);
    put_text(item, MRC_TAG(0x0012, 0x0063), "by hand");
    put_text(item, MRC_TAG(0x0028, 0x0301), "NO\\YES"); /* one too many */
}
static void change_deidentified(struct slice_spec *s) {
    s->extra = put_deidentified;
}
static void change_method(struct slice_spec *s) {
    s->extra = put_method;
}

/* What the source says of its patient's privacy stays true of what is made of it. */
static void test_privacy_marks(void **state) {
    (void)state;
    for (int method = 0; method < 2; ++method) {
        struct scene s = scene_make(method ? change_method : change_deidentified);
        struct mrc_derivation derivation = plain_derivation();
        scene_save(&s, &derivation);
        mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
        mrc_dcmtk_item *item = mrc_dcmtk_root(file);
        expect_raw(item, MRC_TAG(0x0012, 0x0062), "YES");
        expect_raw(item, MRC_TAG(0x0012, 0x0063), method ? "by hand" : "not stated by the source");
        expect_raw(item, MRC_TAG(0x0028, 0x0301), "YES");
        expect_raw(item, MRC_TAG(0x0028, 0x0302), "NO");
        mrc_dcmtk_close(file);
        scene_clear(&s);
    }
}

/* Codes: a sound one, two whose values are too long for CodeValue, one whose meaning is too long.
 */
static const char *const code_values[] = {"113100", "replace_recognizable",
                                          "urn:lex:us:federal:hipaa", "113107"};
static const char *const code_meanings[] = {
    "Basic Application Confidentiality Profile", "Replace face", "A law",
    "a meaning of more than the sixty-four letters that PS3.5 allows it to have"};

static void put_codes(mrc_dcmtk_item *item, size_t begin, size_t end) {
    struct mrc_error err = {0};
    put_text(item, MRC_TAG(0x0012, 0x0062), "YES");
    for (size_t c = begin; c < end; ++c) {
        mrc_dcmtk_item *code = NULL;
        assert_ok(mrc_dcmtk_append(&code, item, MRC_TAG(0x0012, 0x0064), &err), &err);
        put_text(code, MRC_TAG(0x0008, 0x0100), code_values[c]);
        put_text(code, MRC_TAG(0x0008, 0x0102), "99MADE");
        put_text(code, MRC_TAG(0x0008, 0x0104), code_meanings[c]);
    }
}
static void put_all_codes(mrc_dcmtk_item *item) {
    put_codes(item, 0, 4);
}
static void put_broken_code(mrc_dcmtk_item *item) {
    put_codes(item, 3, 4);
}
static void change_codes(struct slice_spec *s) {
    s->extra = put_all_codes;
}
static void change_broken_code(struct slice_spec *s) {
    s->extra = put_broken_code;
}

/* One unsound item costs none but itself, and never the word how the identity was removed. */
static void test_codes_are_copied_one_by_one(void **state) {
    (void)state;
    const uint32_t codes = MRC_TAG(0x0012, 0x0064);
    struct mrc_derivation derivation = plain_derivation();
    struct scene s = scene_make(change_codes);
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    assert_int_equal(mrc_dcmtk_count(item, codes), 3);
    expect_raw(mrc_dcmtk_child(item, codes, 0), MRC_TAG(0x0008, 0x0100), code_values[0]);
    mrc_dcmtk_item *mended = mrc_dcmtk_child(item, codes, 1);
    expect_raw(mended, MRC_TAG(0x0008, 0x0119), code_values[1]); /* LongCodeValue */
    assert_false(mrc_dcmtk_has(mended, MRC_TAG(0x0008, 0x0100)));
    expect_raw(mended, MRC_TAG(0x0008, 0x0104), code_meanings[1]);
    mended = mrc_dcmtk_child(item, codes, 2);
    expect_raw(mended, MRC_TAG(0x0008, 0x0120), code_values[2]); /* URNCodeValue */
    assert_false(mrc_dcmtk_has(mended, MRC_TAG(0x0008, 0x0100)));
    assert_false(mrc_dcmtk_has(item, MRC_TAG(0x0012, 0x0063)));
    mrc_dcmtk_close(file);
    scene_clear(&s);

    s = scene_make(change_broken_code);
    scene_save(&s, &derivation);
    file = open_slice(&s, "IM0001.dcm");
    item = mrc_dcmtk_root(file);
    assert_false(mrc_dcmtk_has(item, codes));
    expect_raw(item, MRC_TAG(0x0012, 0x0063), "not validly stated by the source");
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

/* --- character sets --- */

static void change_latin1(struct slice_spec *s) {
    s->character_set = "ISO_IR 100";
    s->patient_name = "M\xFCller^J\xF6rg";
}
static void change_utf8(struct slice_spec *s) {
    s->character_set = "ISO_IR 192";
    s->patient_name = "M\xC3\xBCller^\xE5\xB1\xB1";
}
static void change_silent_latin1(struct slice_spec *s) {
    s->patient_name = "M\xFCller";
}
static void change_silent_utf8(struct slice_spec *s) {
    s->patient_name = "M\xC3\xBCller";
}

/* No such character set: it is not copied, and what the bytes are is said instead. */
static void change_wrong_name(struct slice_spec *s) {
    s->character_set = "ISO-8859-1";
    s->patient_name = "M\xFCller";
}

static void change_undefined(struct slice_spec *s) {
    s->character_set = "ISO_IR 999";
    s->patient_name = "M\xFCller";
}
static void change_undefined_among(struct slice_spec *s) {
    s->character_set = "\\ISO 2022 IR 99";
    s->patient_name = "M\xC3\xBCller";
}

/* The examples of PS3.5 H.3.1, H.3.2 and I.2: Yamada^Tarou, and Hong^Gildong. */
static void change_japanese(struct slice_spec *s) {
    s->character_set = "\\ISO 2022 IR 87";
    s->patient_name = "Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B"
                      "=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B";
}
static void change_half_width(struct slice_spec *s) {
    s->character_set = "ISO 2022 IR 13\\ISO 2022 IR 87";
    s->patient_name = "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\033$B;3ED\033(J^\033$BB@O:\033(J"
                      "=\033$B$d$^$@\033(J^\033$B$?$m$&\033(J";
}
static void change_korean(struct slice_spec *s) {
    s->character_set = "\\ISO 2022 IR 149";
    s->patient_name = "Hong^Gildong=\033$)C\xFB\xF3^\033$)C\xD1\xCE\xD4\xD7"
                      "=\033$)C\xC8\xAB^\033$)C\xB1\xE6\xB5\xBF";
}

static void expect_name(change_fn *change, const char *character_set) {
    struct scene s = scene_make(change);
    struct slice_spec spec = slice_spec_default(0);
    struct mrc_derivation derivation = plain_derivation();
    if (change != NULL) change(&spec);
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    expect_raw(mrc_dcmtk_root(file), MRC_TAG(0x0010, 0x0010), spec.patient_name);
    expect_raw(mrc_dcmtk_root(file), MRC_TAG(0x0008, 0x0005), character_set);
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

static void test_character_sets(void **state) {
    (void)state;
    expect_name(NULL, "");
    expect_name(change_latin1, "ISO_IR 100");
    expect_name(change_utf8, "ISO_IR 192");
    expect_name(change_silent_latin1, "ISO_IR 100");
    expect_name(change_silent_utf8, "ISO_IR 192");
    expect_name(change_wrong_name, "ISO_IR 100");
    expect_name(change_undefined, "ISO_IR 100");
    expect_name(change_undefined_among, "ISO_IR 192");
    expect_name(change_japanese, "\\ISO 2022 IR 87");
    expect_name(change_half_width, "ISO 2022 IR 13\\ISO 2022 IR 87");
    expect_name(change_korean, "\\ISO 2022 IR 149");
}

/* --- phantoms --- */

static void change_phantom(struct slice_spec *s) {
    s->synthetic = "YES";
    s->quality_control = "YES";
}

/* A generated phantom may come in, and what is computed from it says phantom too, but may not come
 * in again. */
static void test_phantoms_stay_phantoms(void **state) {
    (void)state;
    struct scene s = scene_make(change_phantom);
    struct mrc_derivation derivation = plain_derivation();
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    expect_raw(mrc_dcmtk_root(file), MRC_TAG(0x0028, 0x0300), "YES");
    mrc_dcmtk_close(file);
    expect_refusal(s.folder, MRC_ERR_UNSUPPORTED, "synthetic");
    scene_clear(&s);
}

/* --- identity --- */

static void uid_of(char uid[65], const struct scene *s, uint32_t tag) {
    mrc_dcmtk_file *file = open_slice(s, "IM0002.dcm");
    assert_true(mrc_dcmtk_text(uid, 65, mrc_dcmtk_root(file), tag, 0));
    mrc_dcmtk_close(file);
}

static void read_slice(unsigned char **bytes, size_t *size, const struct scene *s) {
    struct mrc_error err = {0};
    char *path = mrc_path_join(s->folder, "IM0002.dcm");
    assert_ok(mrc_read_file(bytes, size, path, 1 << 20, &err), &err);
    mrc_free(path);
}

/* Of all its dates this source knows the study's, and its time to the minute. */
static void dated_in_part(struct slice_spec *spec) {
    spec->study_date = "20250102";
    spec->study_time = "0304";
}

static void test_undated_is_dated_as_its_source(void **state) {
    (void)state;
    struct scene s = scene_make(dated_in_part);
    struct mrc_derivation derivation = plain_derivation();
    derivation.time_stamp = NULL;
    scene_save(&s, &derivation);
    mrc_dcmtk_file *file = open_slice(&s, "IM0002.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    expect_raw(item, MRC_TAG(0x0008, 0x0021), "20250102");
    expect_raw(item, MRC_TAG(0x0008, 0x0033), "030400");
    assert_false(mrc_dcmtk_has(item, MRC_TAG(0x0008, 0x0012)));
    mrc_dcmtk_close(file);
    scene_clear(&s);
}

static void test_same_in_same_out(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    unsigned char *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    scene_save(&s, &derivation);
    read_slice(&first, &first_size, &s);
    scene_save(&s, &derivation);
    read_slice(&second, &second_size, &s);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    mrc_free(first);
    mrc_free(second);
    scene_clear(&s);
}

static void test_uids_follow_content(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    char series[3][65], image[3][65];
    uint32_t tags[2] = {MRC_TAG(0x0020, 0x000E), MRC_TAG(0x0008, 0x0018)};
    scene_save(&s, &derivation);
    uid_of(series[0], &s, tags[0]);
    uid_of(image[0], &s, tags[1]);
    scene_save(&s, &derivation); /* again: sending again is harmless */
    uid_of(series[1], &s, tags[0]);
    uid_of(image[1], &s, tags[1]);
    assert_string_equal(series[0], series[1]);
    assert_string_equal(image[0], image[1]);
    derivation.time_stamp = "20270101000000"; /* stands in the file: another file, another UID */
    scene_save(&s, &derivation);
    uid_of(series[2], &s, tags[0]);
    assert_string_not_equal(series[0], series[2]);
    derivation.time_stamp = plain_derivation().time_stamp;
    mrc_volume_voxels(s.vol)[0] += 0.5f; /* in another slice */
    scene_save(&s, &derivation);
    uid_of(series[1], &s, tags[0]);
    uid_of(image[1], &s, tags[1]);
    assert_string_not_equal(series[0], series[1]);
    assert_string_equal(image[0], image[1]);
    derivation.model_hash = "another";
    scene_save(&s, &derivation);
    uid_of(series[2], &s, tags[0]);
    uid_of(image[2], &s, tags[1]);
    assert_string_not_equal(series[1], series[2]);
    assert_string_not_equal(image[1], image[2]);
    assert_int_equal(strncmp(image[2], "2.25.", 5), 0);
    scene_clear(&s);
}

/* --- another grid --- */

static void test_model_grid(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_error err = {0};
    struct mrc_derivation derivation = plain_derivation();
    struct mrc_geometry g;
    mrc_volume *coarse = NULL;
    double lps[3][4] = {{3, 0, 0, -9}, {0, 3, 0, -19}, {0, 0, 2, 30}};
    assert_ok(mrc_geometry_from_lps(&g, lps, "test", &err), &err);
    assert_ok(mrc_volume_create(&coarse, (struct mrc_extent){4, 4, 4}, &g, &err), &err);
    assert_ok(mrc_dicom_save_derived(coarse, s.source, &derivation, s.folder, &err), &err);
    mrc_dcmtk_file *file = open_slice(&s, "IM0001.dcm");
    mrc_dcmtk_item *item = mrc_dcmtk_root(file);
    expect_raw(item, MRC_TAG(0x0020, 0x0032), "-9\\-19\\30");
    expect_raw(item, MRC_TAG(0x0028, 0x0030), "3\\3");
    assert_int_equal(mrc_dcmtk_count(item, MRC_TAG(0x0008, 0x2112)),
                     1); /* its neighbours lie a whole gap away */
    expect_raw(mrc_dcmtk_child(item, MRC_TAG(0x0008, 0x2112), 0), MRC_TAG(0x0028, 0x135A), "NO");
    mrc_dcmtk_close(file);
    mrc_volume *back = load_folder(s.folder, true);
    assert_near(mrc_geometry_distance(mrc_volume_geometry(back), &g, mrc_volume_extent(back)), 0.0,
                1e-9);
    mrc_volume_destroy(back);
    mrc_volume_destroy(coarse);
    scene_clear(&s);
}

static void change_uneven(struct slice_spec *s) {
    static const char *const positions[SIDE_K] = {"0\\0\\0.1", "0\\0\\4", "0\\0\\8.2",
                                                  "0\\0\\12.1"};
    s->position = positions[s->number];
}

/* Slices that lie unevenly become an even grid; its places, not the source slices', are written. */
static void test_uneven_source(void **state) {
    (void)state;
    struct scene s = scene_make(change_uneven);
    struct mrc_error err = {0};
    struct mrc_derivation derivation = plain_derivation();
    assert_true(mrc_volume_provenance(s.source)->resampled);
    assert_true(mrc_volume_provenance(s.vol)->resampled); /* made like it */
    scene_save(&s, &derivation);
    for (int n = 1; n <= SIDE_K; ++n) {
        char name[24], position[64];
        (void)snprintf(name, sizeof name, "IM%04d.dcm", n);
        mrc_dcmtk_file *file = open_slice(&s, name);
        assert_true(mrc_dcmtk_text(position, sizeof position, mrc_dcmtk_root(file),
                                   MRC_TAG(0x0020, 0x0032), 2));
        assert_near(strtod(position, NULL), 0.1 + (n - 1) * 4.0, 1e-4);
        mrc_dcmtk_close(file);
    }
    char *nifti = mrc_path_join(s.source_folder, "same.nii.gz");
    assert_ok(mrc_nifti_save(s.vol, nifti, 16, "head", &err), &err);
    mrc_volume *back = load_folder(s.folder, true), *same = NULL;
    assert_ok(mrc_image_load(&same, nifti, &(struct mrc_image_options)MRC_IMAGE_DEFAULTS, &err),
              &err);
    for (int v = 0; v < SIDE_I * SIDE_J * SIDE_K; ++v)
        assert_near(mrc_volume_voxels_const(back)[v],
                    4095.0 * (double)mrc_volume_voxels_const(same)[v], 0.51);
    assert_near(mrc_geometry_distance(mrc_volume_geometry(back), mrc_volume_geometry(same),
                                      mrc_volume_extent(back)),
                0.0, 1e-4);
    mrc_volume_destroy(back);
    mrc_volume_destroy(same);
    mrc_free(nifti);
    scene_clear(&s);
}

/* --- trouble --- */

static void test_full_disk(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_error err = {0};
    struct mrc_derivation derivation = plain_derivation();
    if (!mrc_path_exists("/dev/full")) {
        print_message("skipped: no /dev/full\n");
    } else {
        char *path = mrc_path_join(s.folder, "IM0003.dcm");
        assert_int_equal(symlink("/dev/full", path), 0);
        assert_int_equal(mrc_dicom_save_derived(s.vol, s.source, &derivation, s.folder, &err),
                         MRC_ERR_WRITE);
        assert_non_null(strstr(err.text, "IM0003.dcm"));
        assert_non_null(strstr(err.text, "No space left"));
        assert_false(mrc_path_exists(path));
        mrc_free(path);
    }
    scene_clear(&s);
}

static void test_source_must_be_dicom(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_error err = {0};
    struct mrc_derivation derivation = plain_derivation();
    struct mrc_provenance none = {0};
    mrc_volume_adopt_provenance(s.source, &none);
    assert_int_equal(mrc_dicom_save_derived(s.vol, s.source, &derivation, s.folder, &err),
                     MRC_ERR_ARGUMENT);
    scene_clear(&s);
}

static void test_memory_runs_out(void **state) {
    (void)state;
    struct scene s = scene_make(NULL);
    struct mrc_derivation derivation = plain_derivation();
    enum mrc_status st;
    MRC_TRY_EVERY_FAILURE(st, mrc_dicom_save_derived(s.vol, s.source, &derivation, s.folder, NULL));
    assert_int_equal(st, MRC_OK);
    scene_clear(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_are_numbered_as_the_source),
        cmocka_unit_test(test_an_exchanged_file_is_refused),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_where_it_comes_from),
        cmocka_unit_test(test_pixels_and_place),
        cmocka_unit_test(test_long_decimals_are_shortened),
        cmocka_unit_test(test_broken_values_stay_behind),
        cmocka_unit_test(test_unsound_texts_stay_behind),
        cmocka_unit_test(test_all_of_the_study_is_kept),
        cmocka_unit_test(test_privacy_marks),
        cmocka_unit_test(test_codes_are_copied_one_by_one),
        cmocka_unit_test(test_character_sets),
        cmocka_unit_test(test_phantoms_stay_phantoms),
        cmocka_unit_test(test_undated_is_dated_as_its_source),
        cmocka_unit_test(test_same_in_same_out),
        cmocka_unit_test(test_uids_follow_content),
        cmocka_unit_test(test_model_grid),
        cmocka_unit_test(test_uneven_source),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_source_must_be_dicom),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
