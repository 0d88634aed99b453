/* test_dicom_check.c: a series that is right has no finding; each thing that can be wrong with it
 * has one. Files are changed byte by byte, as accidents do, not by the writer under test. */
#include "io/dicom_support.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/dicom/dicom_check.h"

/* A derived series of SIDE_K slices in a folder of its own. */
static char *make_derived(void) {
    struct mrc_error err = {0};
    char *source_folder = folder_make(), *folder = folder_make();
    mrc_volume *source = NULL, *vol = NULL;
    write_series(source_folder);
    source = load_folder(source_folder, false);
    assert_ok(mrc_volume_create_like(&vol, source, &err), &err);
    struct mrc_derivation derivation = {.from = MRC_CONTRAST_T1W,
                                        .to = MRC_CONTRAST_T2W,
                                        .software_version = "0.1.0",
                                        .model_name = "test",
                                        .model_hash = "00",
                                        .steps = "none",
                                        .settings = "none"};
    assert_ok(mrc_dicom_save_derived(vol, source, &derivation, folder, &err), &err);
    mrc_volume_destroy(vol);
    mrc_volume_destroy(source);
    folder_remove(source_folder);
    return folder;
}

static struct mrc_dicom_check check(const char *folder) {
    struct mrc_dicom_check out;
    struct mrc_error err = {0};
    assert_ok(mrc_dicom_check_folder(&out, folder, &err), &err);
    return out;
}

static bool has_finding(const struct mrc_dicom_check *c, const char *words) {
    for (size_t f = 0; f < c->count; ++f)
        if (strstr(c->findings[f].text, words) != NULL) return true;
    return false;
}

static void expect_finding(const char *folder, const char *words) {
    struct mrc_dicom_check c = check(folder);
    if (c.errors == 0 || !has_finding(&c, words))
        fail_msg("%zu errors, the first \"%s\", expected \"%s\"", c.errors,
                 c.count > 0 ? c.findings[0].text : "", words);
    mrc_dicom_check_clear(&c);
}

/* Replaces every `from` in the file by `to`, which is as long. */
static void change_bytes(const char *folder, const char *name, const char *from, const char *to,
                         size_t length) {
    struct mrc_error err = {0};
    unsigned char *bytes = NULL;
    size_t size = 0, found = 0;
    char *path = mrc_path_join(folder, name);
    assert_ok(mrc_read_file(&bytes, &size, path, 1 << 20, &err), &err);
    for (size_t at = 0; at + length <= size; ++at)
        if (memcmp(bytes + at, from, length) == 0) {
            memcpy(bytes + at, to, length);
            ++found;
        }
    if (found == 0) fail_msg("%s: holds no \"%s\"", name, from);
    assert_ok(mrc_write_file(path, bytes, size, &err), &err);
    mrc_free(bytes);
    mrc_free(path);
}

static void copy_file(const char *folder, const char *name, const char *to) {
    struct mrc_error err = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = mrc_path_join(folder, name), *other = mrc_path_join(folder, to);
    assert_ok(mrc_read_file(&bytes, &size, path, 1 << 20, &err), &err);
    assert_ok(mrc_write_file(other, bytes, size, &err), &err);
    mrc_free(bytes);
    mrc_free(path);
    mrc_free(other);
}

static void drop_file(const char *folder, const char *name) {
    char *path = mrc_path_join(folder, name);
    mrc_remove_tree(path);
    mrc_free(path);
}

static void test_what_is_written_is_right(void **state) {
    (void)state;
    char *folder = make_derived();
    struct mrc_dicom_check c = check(folder);
    if (c.count > 0) fail_msg("%s: %s", c.findings[0].file, c.findings[0].text);
    assert_int_equal(c.files, SIDE_K);
    assert_int_equal(c.errors + c.warnings, 0);
    assert_true(c.synthetic);
    assert_true(c.gap_mm > 1.999 && c.gap_mm < 2.001);
    mrc_dicom_check_clear(&c);
    folder_remove(folder);
}

static void test_missing_marks_are_found(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *words;
        size_t length;
    } cases[] = {
        {"\x08\0\x1C\0CS\4\0YES ", "\x08\0\x1C\0CS\4\0NO  ", "SyntheticData", 12},
        {"SYNTH T2w", "     T2w ", "SeriesDescription", 9},
        {"not for diagnosis", "good for diagnose", "ImageComments", 17},
        {"RESEARCH", "PRODUCT ", "ContentQualification", 8},
        {"DERIVED\\SECONDARY", "ORIGINAL\\PRIMARY ", "DERIVED", 17},
        {"OTHER\\SYNTH", "T2 MAP\\SYNT", "relaxometry", 11},
        {"109100", "109109", "Synthesizing Equipment", 6},
        {"109101", "109109", "Acquisition Equipment", 6},
        {"113085", "113000", "113085", 6},
        {"121322", "121300", "without its purpose", 6},
        {"\x10\0\x10\0PN\4\0Test", "\x10\0\x10\0PN\4\0T\xFCst",
         "PatientName (0010,0010) is not ASCII", 12},
        {"\x18\0\x20\0CS\2\0RM", "\x18\0\x20\0CS\2\0SE", "claims an acquisition", 10},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; ++n) {
        char *folder = make_derived();
        change_bytes(folder, "IM0002.dcm", cases[n].from, cases[n].to, cases[n].length);
        expect_finding(folder, cases[n].words);
        folder_remove(folder);
    }
}

static void test_geometry_that_is_wrong_is_found(void **state) {
    (void)state;
    char *folder = make_derived();
    copy_file(folder, "IM0002.dcm", "IM0009.dcm");
    expect_finding(folder, "SOPInstanceUID (0008,0018) is also that of");
    expect_finding(folder, "lies where");
    folder_remove(folder);

    folder = make_derived();
    drop_file(folder, "IM0002.dcm");
    expect_finding(folder, ".dcm, expected ");
    drop_file(folder, "IM0003.dcm");
    expect_finding(folder, "expected at least 3");
    folder_remove(folder);

    folder = make_derived();
    change_bytes(folder, "IM0001.dcm",
                 "\x20\0\x13\0IS\2\0"
                 "1 ",
                 "\x20\0\x13\0IS\2\0"
                 "7 ",
                 10);
    expect_finding(folder, "InstanceNumber (0020,0013) 2 follows 7");
    folder_remove(folder);

    folder = make_derived();
    change_bytes(folder, "IM0004.dcm", "\x28\0\x30\0DS", "\x28\0\x31\0DS", 6);
    expect_finding(folder, "PixelSpacing (0028,0030) has no value");
    folder_remove(folder);
}

static void test_two_series_are_found(void **state) {
    (void)state;
    char *folder = make_derived();
    struct slice_spec spec = slice_spec_default(9);
    write_slice(&spec, folder, "other.dcm");
    expect_finding(folder, "SeriesInstanceUID (0020,000E) is not that of the first file");
    folder_remove(folder);
}

static void change_study(struct slice_spec *spec) {
    spec->study_uid = "1.2.03.4"; /* a leading zero */
}

static void test_a_bad_uid_of_the_source_is_inherited(void **state) {
    (void)state;
    char *folder = folder_make();
    for (int n = 0; n < SIDE_K; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[24];
        change_study(&spec);
        (void)snprintf(name, sizeof name, "%d.dcm", n);
        write_slice(&spec, folder, name);
    }
    struct mrc_dicom_check c = check(folder);
    assert_true(has_finding(&c, "StudyInstanceUID (0020,000D) is no UID"));
    assert_true(c.inherited_errors >= SIDE_K);
    assert_false(c.synthetic);
    mrc_dicom_check_clear(&c);
    folder_remove(folder);
}

static void test_folders_without_a_series(void **state) {
    (void)state;
    struct mrc_dicom_check c;
    struct mrc_error err = {0};
    char *folder = folder_make();
    assert_int_equal(mrc_dicom_check_folder(&c, folder, &err), MRC_ERR_IO);
    assert_non_null(strstr(err.text, "holds no DICOM file"));
    mrc_error_clear(&err);
    struct slice_spec spec = slice_spec_default(0);
    spec.sop_class = "1.2.840.10008.5.1.4.1.1.2";
    write_slice(&spec, folder, "ct.dcm");
    assert_int_equal(mrc_dicom_check_folder(&c, folder, &err), MRC_ERR_UNSUPPORTED);
    folder_remove(folder);
}

/* --- Of a study --- */

static void write_numbered(const char *folder, const char *prefix, int series, int slices) {
    for (int n = 0; n < slices; ++n) {
        struct slice_spec spec = slice_spec_default(n);
        char name[24], uid[24], sop[24];
        (void)snprintf(name, sizeof name, "%s%d.dcm", prefix, n);
        (void)snprintf(uid, sizeof uid, "2.25.4%d", series);
        (void)snprintf(sop, sizeof sop, "2.25.5%d%d", series, n);
        spec.series_uid = uid;
        spec.sop_uid = sop;
        spec.series_number = series;
        if (series == 7) spec.sop_class = "1.2.840.10008.5.1.4.1.1.2";
        write_slice(&spec, folder, name);
    }
}

struct told {
    int64_t numbers[8];
    size_t files[8], count, errors;
    bool broken;
};

static enum mrc_status tell(void *context, const struct mrc_dicom_check *c, struct mrc_error *err) {
    struct told *t = context;
    (void)err;
    assert_true(t->count < 8);
    t->numbers[t->count] = c->number;
    t->files[t->count++] = c->files;
    t->errors += c->errors;
    t->broken = t->broken || has_finding(c, "is broken");
    return MRC_OK;
}

static void test_a_study_is_checked_series_by_series(void **state) {
    (void)state;
    struct told told = {.count = 0};
    struct mrc_error err = {0};
    char *folder = folder_make();
    write_numbered(folder, "b", 12, SIDE_K);
    assert_ok(mrc_dicom_check_study(folder, tell, &told, &err), &err);
    assert_true(told.count == 1 && told.numbers[0] == 0 && told.files[0] == SIDE_K);
    const size_t of_one = told.errors;

    told = (struct told){.count = 0};
    write_numbered(folder, "a", 3, SIDE_K - 1);
    write_numbered(folder, "c", 7, 2); /* a CT */
    assert_ok(mrc_dicom_check_study(folder, tell, &told, &err), &err);
    assert_true(told.count == 2 && told.numbers[0] == 3 && told.numbers[1] == 12);
    assert_true(told.files[0] == SIDE_K - 1 && told.files[1] == SIDE_K);
    assert_int_equal(told.errors, of_one / SIDE_K * (2 * SIDE_K - 1));

    /* what can be of any of them is told apart; other files are nothing */
    told = (struct told){.count = 0};
    copy_file(folder, "a0.dcm", "broken.dcm");
    change_bytes(folder, "broken.dcm", "\x08\0\x08\0CS", "\x08\0\x08\0QQ", 6);
    char *notes = mrc_path_join(folder, "notes.txt");
    assert_ok(mrc_write_file(notes, "no DICOM", 8, &err), &err);
    assert_ok(mrc_dicom_check_study(folder, tell, &told, &err), &err);
    assert_true(told.count == 3 && told.broken && told.numbers[0] == 0 && told.files[0] == 1);
    mrc_free(notes);
    folder_remove(folder);

    folder = folder_make();
    assert_int_equal(mrc_dicom_check_study(folder, tell, &told, &err), MRC_ERR_IO);
    mrc_error_clear(&err);
    write_numbered(folder, "c", 7, 2);
    assert_int_equal(mrc_dicom_check_study(folder, tell, &told, &err), MRC_ERR_UNSUPPORTED);
    folder_remove(folder);
}

/* Half of a Chinese or Japanese character may look like the backslash between values. */
static void test_a_character_is_no_end_of_a_value(void **state) {
    (void)state;
    static const struct {
        const char *set, *name;
        bool two;
    } cases[] = {
        {"GB18030", "\xd0\x5c^\xc3\xf7", false},
        {"GBK", "\x95\x5c\x95\x5c", false},
        {"\\ISO 2022 IR 87", "Yamada^Tarou=\x1b$B;3\x21\x5c\x1b(B^\x1b$B\x40\x5c\x1b(B", false},
        {"\\ISO 2022 IR 159", "A=\x1b$(D\x22\x5c\x1b(B", false},
        {"GB18030", "Wang\\Li", true},
        {"GBK", "\xd0\x5c\\Li", true},
        {"\\ISO 2022 IR 87", "A=\x1b$B;3\x1b(B\\B", true},
        {"ISO_IR 100", "M\xfcller\\Li", true},
        {"ISO_IR 192", "Li\\Li", true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        char *folder = folder_make();
        for (int n = 0; n < SIDE_K; ++n) {
            struct slice_spec spec = slice_spec_default(n);
            char name[] = {(char)('a' + n), '\0'};
            spec.character_set = cases[c].set;
            spec.patient_name = cases[c].name;
            write_slice(&spec, folder, name);
        }
        struct mrc_dicom_check found = check(folder);
        if (has_finding(&found, "PatientName (0010,0010) has 2 values") != cases[c].two)
            fail_msg("%s, case %zu: %s", cases[c].set, c,
                     cases[c].two ? "two values are one" : "one value is two");
        mrc_dicom_check_clear(&found);
        folder_remove(folder);
    }
}

static void test_memory_failures(void **state) {
    (void)state;
    char *folder = make_derived();
    drop_file(folder, "IM0002.dcm");
    enum mrc_status st;
    long n = 1;
    do {
        struct mrc_dicom_check c = {0};
        mrc_alloc_fail_after(n++);
        st = mrc_dicom_check_folder(&c, folder, NULL);
        mrc_alloc_fail_after(0);
        assert_true(st == MRC_OK || st == MRC_ERR_NOMEM);
        mrc_dicom_check_clear(&c);
    } while (st == MRC_ERR_NOMEM);
    assert_true(n > 5);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_right),
        cmocka_unit_test(test_missing_marks_are_found),
        cmocka_unit_test(test_geometry_that_is_wrong_is_found),
        cmocka_unit_test(test_two_series_are_found),
        cmocka_unit_test(test_a_bad_uid_of_the_source_is_inherited),
        cmocka_unit_test(test_folders_without_a_series),
        cmocka_unit_test(test_a_study_is_checked_series_by_series),
        cmocka_unit_test(test_a_character_is_no_end_of_a_value),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
