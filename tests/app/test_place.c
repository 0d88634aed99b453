/* test_place.c: what may be written where, and what is said when it may not. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/common/place.h"
#include "base/fs.h"

static char root[] = "/tmp/mrc-place-XXXXXX";

static void plant(const char *path, const char *text) {
    struct mrc_error err = {0};
    assert_ok(mrc_write_file(path, text, strlen(text), &err), &err);
}

static int enter(void **state) {
    (void)state;
    struct mrc_error err = {0};
    if (mkdtemp(root) == NULL || chdir(root) != 0) return -1;
    assert_ok(mrc_make_dirs("in/deep", &err), &err);
    assert_ok(mrc_make_dirs("empty", &err), &err);
    assert_ok(mrc_make_dirs("images", &err), &err);
    assert_ok(mrc_make_dirs("mixed/sub", &err), &err);
    assert_ok(mrc_make_dirs("run/samples", &err), &err);
    assert_ok(mrc_make_dirs("foreign", &err), &err);
    assert_ok(mrc_make_dirs("guest/samples", &err), &err);
    plant("in/deep/a.dcm", "a");
    plant("images/IM0001.dcm", "a");
    plant("mixed/IM0001.dcm", "a");
    plant("run/settings.json", "{\"program\": \"mrcycle 0.1.0\"}");
    plant("run/samples/epoch_0010.png", "p");
    plant("foreign/settings.json", "{}");
    plant("guest/settings.json", "{\"program\": \"mrcycle 0.1.0\"}");
    plant("guest/samples/scan.nii.gz", "s");
    plant("scan.nii", "a scan");
    return symlink("in", "link");
}

static int leave(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static void test_inside(void **state) {
    (void)state;
    static const struct {
        const char *inner, *outer;
        bool inside;
    } cases[] = {
        {"in", "in", true},          {"in", "in/", true},
        {"in/deep", "in", true},     {"in", "in/deep", false},
        {"in", "in2", false},        {"in2", "in", false},
        {"in/deep", "link", true},   {"link/deep/new", "in/deep", true},
        {"new/er/est", "new", true}, {"new", "new/er", false},
        {"in", "./in/../in", true},  {"in", ".", true},
        {"in", "/", true},
    };
    struct mrc_error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        bool inside = !cases[i].inside;
        assert_ok(mrc_place_is_inside(&inside, cases[i].inner, cases[i].outer, &err), &err);
        if (inside != cases[i].inside)
            fail_msg("%s in %s: %d", cases[i].inner, cases[i].outer, inside);
    }
}

static void test_input_is_kept(void **state) {
    (void)state;
    struct mrc_error err = {0};
    assert_int_equal(mrc_place_keep_input("in", "in/deep", &err), MRC_ERR_ARGUMENT);
    assert_string_equal(err.text, "in: is or holds the input in/deep, expected another place");
    mrc_error_clear(&err);
    assert_ok(mrc_place_keep_input("in/deep/out", "in/deep", &err), &err);
}

static void test_folders(void **state) {
    (void)state;
    static const char *const suffixes[] = {".dcm", NULL};
    static const struct {
        const char *path;
        bool replace;
        enum mrc_status status;
    } cases[] = {
        {"absent", false, MRC_OK},
        {"empty", false, MRC_OK},
        {"images", false, MRC_ERR_WRITE},
        {"images", true, MRC_OK},
        {"mixed", true, MRC_ERR_WRITE},
        {"run", true, MRC_ERR_WRITE},
        {"in/deep/a.dcm", true, MRC_ERR_WRITE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct mrc_error err = {0};
        enum mrc_status status =
            mrc_place_check_folder(cases[i].path, cases[i].replace, suffixes, &err);
        if (status != cases[i].status) fail_msg("%s: %s", cases[i].path, err.text);
    }
}

/* --replace removes what it recognises as its own, whole, and nothing that lies among it. */
static void test_kinds(void **state) {
    (void)state;
    static const char *const patterns[] = {"settings.json", "samples/epoch_*.png", NULL};
    static const struct mrc_place_kind run = {
        .mark = "settings.json", .words = "\"mrcycle ", .patterns = patterns};
    static const struct {
        const char *path;
        bool replace;
        const char *words; /* NULL: may be written */
    } cases[] = {
        {"absent", true, NULL},
        {"empty", false, NULL},
        {"run", true, NULL},
        {"run/", true, NULL},
        {"run", false,
         "run: exists already and holds 2 entries, expected a new or empty folder "
         "(--replace replaces it)"},
        {"images", true, "images: is not replaced, for it holds no settings.json of this program"},
        {"foreign", true,
         "foreign: is not replaced, for it holds no settings.json of this program"},
        {"guest", true,
         "guest: is not replaced, for it holds samples/scan.nii.gz, which is none of "
         "its own"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct mrc_error err = {0};
        enum mrc_status status = mrc_place_check_kind(cases[i].path, cases[i].replace, &run, &err);
        assert_int_equal(status, cases[i].words == NULL ? MRC_OK : MRC_ERR_WRITE);
        assert_string_equal(err.text, cases[i].words == NULL ? "" : cases[i].words);
    }
}

static void test_only_sheets_and_models_are_replaced(void **state) {
    (void)state;
    unsigned char picture[40] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n', [25] = 2};
    struct mrc_error err = {0};
    assert_ok(mrc_write_file("sheet.png", picture, sizeof picture, &err), &err);
    picture[25] = 0; /* grey, as slices of a scan are */
    assert_ok(mrc_write_file("slice.png", picture, sizeof picture, &err), &err);
    assert_ok(mrc_place_check_sheet("absent", false, &err), &err);
    assert_ok(mrc_place_check_sheet("sheet.png", true, &err), &err);
    assert_int_equal(mrc_place_check_sheet("sheet.png", false, NULL), MRC_ERR_WRITE);
    assert_int_equal(mrc_place_check_sheet("slice.png", true, NULL), MRC_ERR_WRITE);
    assert_int_equal(mrc_place_check_sheet("scan.nii", true, &err), MRC_ERR_WRITE);
    assert_string_equal(err.text, "scan.nii: is not replaced, for it is no sheet of this program");
    mrc_error_clear(&err);
    assert_ok(mrc_place_check_model("absent", false, &err), &err);
    assert_int_equal(mrc_place_check_model("scan.nii", true, &err), MRC_ERR_WRITE);
    assert_string_equal(err.text, "scan.nii: is not replaced, for it is no model of this program");
}

static void test_files(void **state) {
    (void)state;
    struct mrc_error err = {0};
    assert_ok(mrc_place_check_file("absent", false, &err), &err);
    assert_ok(mrc_place_check_file("run/settings.json", true, &err), &err);
    assert_int_equal(mrc_place_check_file("run/settings.json", false, &err), MRC_ERR_WRITE);
    mrc_error_clear(&err);
    assert_int_equal(mrc_place_check_file("run", true, &err), MRC_ERR_WRITE);
}

static void test_memory_failures(void **state) {
    (void)state;
    static const char *const suffixes[] = {".dcm", NULL};
    enum mrc_status status;
    bool inside;
    MRC_TRY_EVERY_FAILURE(status, mrc_place_is_inside(&inside, "a/b/c", "in/deep", NULL));
    assert_int_equal(status, MRC_OK);
    MRC_TRY_EVERY_FAILURE(status, mrc_place_check_folder("images", true, suffixes, NULL));
    assert_int_equal(status, MRC_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_input_is_kept),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_only_sheets_and_models_are_replaced),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
