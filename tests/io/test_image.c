/* test_image.c: what a path is, and what is said about paths that are nothing; words in names. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "io/image.h"
#include "io/image_name.h"
#include "io/nifti/nifti_header.h"
#include "made.h"

static void assert_refused(const char *path, enum mrc_status expected, const char *words) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    enum mrc_status st = mrc_image_load(&vol, path, NULL, &err);
    if (st != expected || strstr(err.text, words) == NULL) {
        fail_msg("%s: \"%s\", expected %s: \"%s\"", mrc_status_name(st), err.text,
                 mrc_status_name(expected), words);
    }
    assert_null(vol);
}

static const char *folder(const char *name) {
    struct mrc_error err = {0};
    assert_ok(mrc_make_dirs(made_path(name), &err), &err);
    return made_path(name);
}

static void write_nifti(const char *name) {
    double matrix[3][4] = {{2, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 2, 0}};
    struct mrc_error err = {0};
    mrc_volume *vol = made_volume((struct mrc_extent){3, 4, 5}, matrix, 1.0f);
    assert_ok(mrc_nifti_save(vol, made_path(name), MRC_NIFTI_INT16, NULL, &err), &err);
    mrc_volume_destroy(vol);
}

static void write_png(const char *name) {
    static const float grey[9] = {0.5f};
    struct mrc_error err = {0};
    assert_ok(mrc_png_write(grey, 3, 3, 8, made_path(name), &err), &err);
}

static void test_what_is_no_image(void **state) {
    (void)state;
    assert_refused(made_path("missing"), MRC_ERR_IO, "missing: No such file");
    made_write(made_path("x.txt"), "hello\n", 6);
    assert_refused(made_path("x.txt"), MRC_ERR_UNSUPPORTED,
                   "x.txt: not a DICOM, NIfTI or PNG image");
    made_write(made_path("nothing"), "", 0);
    assert_refused(made_path("nothing"), MRC_ERR_UNSUPPORTED, "not a DICOM, NIfTI or PNG image");
    assert_refused(folder("empty"), MRC_ERR_IO, "an empty folder");
    (void)folder("texts/below");
    made_write(made_path("texts/below/x.txt"), "hello\n", 6);
    assert_refused(made_path("texts"), MRC_ERR_UNSUPPORTED, "none of 1 files is a DICOM");
    made_write(made_path("text.nii"), "hello\n", 6);
    assert_refused(made_path("text.nii"), MRC_ERR_FORMAT, "text.nii: the file ends after 6 bytes");
    assert_refused("/dev/null", MRC_ERR_IO, "/dev/null");
}

static void test_folders(void **state) {
    (void)state;
    const char *dir = folder("one");
    write_nifti("one/sub-1_T1w.nii.gz");
    made_write(made_path("one/sub-1_T1w.json"), "{}", 2);
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, dir, NULL, &err), &err);
    assert_int_equal(mrc_volume_provenance(vol)->contrast, MRC_CONTRAST_T1W);
    mrc_volume_destroy(vol);

    (void)folder("one/labels");
    write_nifti("one/labels/sub-1_dseg.nii.gz"); /* no image: the choice is clear */
    assert_ok(mrc_image_load(&vol, dir, NULL, &err), &err);
    mrc_volume_destroy(vol);
    write_nifti("one/sub-1_T2w.nii.gz");
    assert_refused(dir, MRC_ERR_UNSUPPORTED, "holds 2 NIfTI images, expected the path of one");

    dir = folder("mixed");
    write_nifti("mixed/a.nii");
    write_png("mixed/b.png");
    assert_refused(dir, MRC_ERR_UNSUPPORTED, "1 nifti and 1 png files, expected one kind");

    dir = folder("stacks");
    (void)folder("stacks/a");
    (void)folder("stacks/b");
    write_png("stacks/a/1.png");
    write_png("stacks/b/1.png");
    assert_refused(dir, MRC_ERR_UNSUPPORTED, "holds pictures in 2 folders");
    write_png("stacks/1.png");
    struct mrc_image_options flat = {.flat = true};
    assert_ok(mrc_image_load(&vol, dir, &flat, &err), &err);
    assert_int_equal(mrc_volume_provenance(vol)->file_count, 1);
    mrc_volume_destroy(vol);
}

/* They may lead anywhere: not followed, and never without a word. */
static void test_links_to_folders(void **state) {
    (void)state;
    const char *dir = folder("linked");
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    struct mrc_image_list list = {0};
    assert_int_equal(symlink("../one", made_path("linked/one")), 0);
    assert_refused(dir, MRC_ERR_IO, "holds no file but links to folders, which are not followed");
    write_png("linked/s1.png");
    assert_ok(mrc_image_load(&vol, dir, NULL, &err), &err);
    assert_int_equal(mrc_volume_provenance(vol)->left_links, 1);
    mrc_volume_destroy(vol);
    assert_ok(mrc_image_list_scan(&list, dir, &err), &err);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.refused_count, 1);
    assert_string_equal(list.refused[0].reason,
                        "a link to a folder, not followed (name it by itself)");
    mrc_image_list_clear(&list);
}

/* A stack has no geometry that would show a gap. */
static void test_a_lost_picture(void **state) {
    (void)state;
    const char *dir = folder("lost");
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    write_png("lost/s1.png");
    write_png("lost/s2.png");
    made_write(made_path("lost/notes"), "words\n", 6);
    assert_ok(mrc_image_load(&vol, dir, NULL, &err), &err);
    assert_int_equal(mrc_volume_provenance(vol)->left_out, 1);
    mrc_volume_destroy(vol);
    made_write(made_path("lost/s3.png"), "", 0);
    assert_refused(dir, MRC_ERR_FORMAT, "s3.png: may be a slice");
    assert_int_equal(unlink(made_path("lost/s3.png")), 0);
    assert_int_equal(symlink("gone", made_path("lost/s3.png")), 0);
    assert_refused(dir, MRC_ERR_IO, "s3.png: cannot be read");
}

static void test_scan(void **state) {
    (void)state;
    const char *dir = folder("tree");
    (void)folder("tree/a");
    (void)folder("tree/a/T2w");
    write_png("tree/a/1.png"); /* by bytes, T2w comes between 1 and 2 of the folder above */
    write_png("tree/a/T2w/1.png");
    write_png("tree/a/T2w/2.png");
    write_png("tree/a/b.png");
    write_nifti("tree/x_FLAIR.nii");
    made_write(made_path("tree/broken.nii"), "no", 2);
    made_write(made_path("tree/photo.jpg"), "\xff\xd8\xff", 3);
    made_write(made_path("tree/notes.txt"), "side files are passed over", 26);
    made_write(made_path("tree/.hidden"), "", 0);
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, dir, &err), &err);
    assert_int_equal(list.count, 3);
    int64_t slices = 0;
    for (size_t i = 0; i < list.count; ++i) {
        slices += list.items[i].slices;
        assert_true(list.items[i].usable);
    }
    assert_int_equal(slices, 2 + 2 + 5);
    assert_int_equal(list.refused_count, 4); /* every file is in the list */
    for (size_t r = 0; r < 4; ++r) {
        const char *name = mrc_path_name(list.refused[r].path);
        assert_int_equal(list.refused[r].aside,
                         strcmp(name, "notes.txt") == 0 || strcmp(name, ".hidden") == 0);
        bool broken = strstr(list.refused[r].path, "broken.nii") != NULL;
        assert_non_null(
            strstr(list.refused[r].reason, broken ? "the file ends after 2 bytes" : "not a DICOM"));
        assert_null(strstr(list.refused[r].reason, made_dir()));
    }
    /* A second path is added to the same list. */
    assert_ok(mrc_image_list_scan(&list, made_path("tree/x_FLAIR.nii"), &err), &err);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.items[3].contrast, MRC_CONTRAST_FLAIR);
    assert_int_equal(mrc_image_list_scan(&list, made_path("nowhere"), &err), MRC_ERR_IO);
    mrc_image_list_clear(&list);
}

static void test_contrast_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum mrc_contrast contrast;
    } cases[] = {
        {"sub-01_ses-2_T1w.nii.gz", MRC_CONTRAST_T1W},
        {"sub-01_T2w.nii", MRC_CONTRAST_T2W},
        {"sub-01_PDw.nii", MRC_CONTRAST_PDW},
        {"sub-01_FLAIR.nii.gz", MRC_CONTRAST_FLAIR},
        {"sub-01_T2starw.nii.gz", MRC_CONTRAST_T2STARW},
        {"sub-01_ce-gd_T1w.nii.gz", MRC_CONTRAST_T1W_CE},
        {"sub-t2study_T1w.nii.gz", MRC_CONTRAST_T1W},
        {"sub-t2_T1w.nii.gz", MRC_CONTRAST_T1W}, /* the suffix decides */
        {"Subj4_T1.nii.gz", MRC_CONTRAST_T1W},
        {"t2.nii.gz", MRC_CONTRAST_T2W},
        {"t2_flair.nii", MRC_CONTRAST_FLAIR},
        {"t1c.nii.gz", MRC_CONTRAST_T1W_CE},
        {"T1 Gd.nii", MRC_CONTRAST_T1W_CE},
        {"t2-star.nii", MRC_CONTRAST_T2STARW},
        {"MPRAGE.nii", MRC_CONTRAST_T1W},
        {"t1_to_t2.nii", MRC_CONTRAST_UNKNOWN},
        {"T1map.nii", MRC_CONTRAST_UNKNOWN},
        {"MR_Gd.nii.gz", MRC_CONTRAST_UNKNOWN},
        {"ch2.nii.gz", MRC_CONTRAST_UNKNOWN},
        {"T1w_mask.nii.gz", MRC_CONTRAST_UNKNOWN},
        {"", MRC_CONTRAST_UNKNOWN},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        enum mrc_contrast got = mrc_contrast_from_name(cases[c].name);
        if (got != cases[c].contrast) fail_msg("%s: %s", cases[c].name, mrc_contrast_name(got));
    }
    struct mrc_file_name_said said;
    mrc_file_name_read(&said, "sub-1_dseg.nii.gz");
    assert_true(said.labels);
    mrc_file_name_read(&said, "T1w_mask.nii");
    assert_true(said.labels);
    mrc_file_name_read(&said, "mask_T1w.nii");
    assert_false(said.labels);
    assert_true(said.unweighted);
}

static void test_names_of_objects(void **state) {
    (void)state;
    static const char *const objects[] = {"phantom", "Phantom01", "sub-phantom2_T1w.nii.gz",
                                          "ACR^Weekly"};
    static const char *const persons[] = {"CS-AI Test", "Test01", "FRUIT", "QA 2024"};
    static const char *const neither[] = {"",         "Testa^Anna", "Acrobat", "T1w",
                                          "fruity^x", "contest",    "2qa"};
    for (size_t i = 0; i < sizeof objects / sizeof *objects; ++i)
        assert_true(mrc_name_is_phantom(objects[i], false));
    for (size_t i = 0; i < sizeof persons / sizeof *persons; ++i) {
        assert_true(mrc_name_is_phantom(persons[i], true));
        assert_false(mrc_name_is_phantom(persons[i], false));
    }
    for (size_t i = 0; i < sizeof neither / sizeof *neither; ++i)
        assert_false(mrc_name_is_phantom(neither[i], true));
}

static void test_names_of_infants(void **state) {
    (void)state;
    static const char *const infants[] = {"/data/dcan_infant_jlf/template01/t1.nii.gz",
                                          "Neonatal T2", "fetal", "NEWBORN_2"};
    static const char *const others[] = {"/home/infanta/t1.nii.gz", "infantile", "T1w", ""};
    for (size_t i = 0; i < sizeof infants / sizeof *infants; ++i)
        assert_true(mrc_name_is_infant(infants[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        assert_false(mrc_name_is_infant(others[i]));
}

static void test_natural_compare(void **state) {
    (void)state;
    static const char *const rising[] = {
        "", "a", "a1", "a01", "a2", "a10", "a10b", "a99999999999999999999", "b", "b1c2", "b1c10"};
    size_t count = sizeof rising / sizeof *rising;
    for (size_t x = 0; x < count; ++x) {
        for (size_t y = 0; y < count; ++y) {
            /* equal numbers fall back to bytes: "a01" before "a1" */
            int expected = (x > y) - (x < y), got = mrc_natural_compare(rising[x], rising[y]);
            if (x + y == 5 && (x == 2 || x == 3)) expected = -expected;
            assert_int_equal((got > 0) - (got < 0), expected);
        }
    }
}

static int clear(void **state) {
    (void)state;
    made_clear();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_image),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_links_to_folders),
        cmocka_unit_test(test_a_lost_picture),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_contrast_names),
        cmocka_unit_test(test_names_of_objects),
        cmocka_unit_test(test_names_of_infants),
        cmocka_unit_test(test_natural_compare),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
