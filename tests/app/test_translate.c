/* test_translate.c: whole translations with a model that only changes brightness. The written image
 * lies where the input lies, and the ball on the patient's left stays there, through DICOM and
 * NIfTI, for each orientation. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/head.h"
#include "app/translate/translate.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "io/image.h"
#include "model/files/checkpoint.h"
#include "preprocess/slices.h"

static char root[] = "/tmp/mrc-translate-XXXXXX";

static int enter(void **state) {
    (void)state;
    struct mrc_error err = {0};
    if (mkdtemp(root) == NULL || chdir(root) != 0) return -1;
    assert_ok(head_save_model("model.safetensors", 64, 1, &err), &err);
    assert_ok(head_save_model("model3.safetensors", 64, 3, &err), &err);
    return 0;
}

static int leave(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static void save_input(const char *path, bool dicom, const mrc_volume *vol) {
    struct mrc_error err = {0};
    if (dicom) {
        assert_ok(mrc_make_dirs(path, &err), &err);
        assert_ok(head_save_dicom(vol, MRC_CONTRAST_T1W, path, &err), &err);
    } else {
        assert_ok(mrc_nifti_save(vol, path, 16, "head", &err), &err);
    }
}

static void make_input(const char *path, bool dicom, const char *axes, double tilt_deg,
                       mrc_volume **vol) {
    struct mrc_error err = {0};
    assert_ok(head_create(vol, axes, tilt_deg, &err), &err);
    save_input(path, dicom, *vol);
}

/* Of a third of the slices, where they do not matter. */
static void make_small(const char *path, bool dicom, mrc_volume **vol) {
    struct mrc_error err = {0};
    assert_ok(head_create(vol, "LPS", 0.0, &err), &err);
    assert_ok(head_thin(vol, 3, &err), &err);
    save_input(path, dicom, *vol);
}

static struct mrc_translate_options make_options(const char *input, const char *output) {
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    options.input = input;
    options.output = output;
    options.model = "model.safetensors";
    options.allow_synthetic = true;
    options.from_is_known = true; /* NIfTI files and pictures do not tell */
    options.no_mirror = true;     /* for time */
    return options;
}

static mrc_volume *load(const char *path) {
    struct mrc_image_options options = {.allow_synthetic = true};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, path, &options, &err), &err);
    return vol;
}

/* The brightest tenth; DICOM is stored in 12 bits, so voxel values are relative. */
static void check_marker(const mrc_volume *vol, double tolerance_mm, const char *what) {
    struct mrc_extent e = mrc_volume_extent(vol);
    const float *voxels = mrc_volume_voxels_const(vol);
    float top = 0.0f;
    for (int64_t n = 0; n < e.i * e.j * e.k; ++n) top = fmaxf(top, voxels[n]);
    double at[3], off = 0.0;
    assert_true(head_find_marker(at, vol, 0.88f * top));
    for (int a = 0; a < 3; ++a) off += pow(at[a] - head_marker_ras_mm[a], 2.0);
    if (sqrt(off) > tolerance_mm)
        fail_msg("%s: ball at %.1f %.1f %.1f mm, expected %.1f %.1f %.1f", what, at[0], at[1],
                 at[2], head_marker_ras_mm[0], head_marker_ras_mm[1], head_marker_ras_mm[2]);
}

static void check_same_grid(const mrc_volume *a, const mrc_volume *b, const char *what) {
    struct mrc_extent e = mrc_volume_extent(a), f = mrc_volume_extent(b);
    assert_int_equal(e.i, f.i);
    assert_int_equal(e.j, f.j);
    assert_int_equal(e.k, f.k);
    double apart = mrc_geometry_distance(mrc_volume_geometry(a), mrc_volume_geometry(b), e);
    if (!(apart < 1e-3)) fail_msg("%s: grids %g mm apart", what, apart);
}

static void test_geometry_is_kept(void **state) {
    (void)state;
    static const struct {
        const char *axes;
        double tilt_deg;
    } cases[] = {{"LPS", 0.0}, {"PIL", 0.0},  {"LIP", 0.0}, {"RAS", 0.0},
                 {"LPS", 6.0}, {"AIR", 33.0}, {"RSA", 5.0}, {"LPI", -25.0}};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; ++n) {
        for (int dicom = n % 5 == 0 ? 0 : 1; dicom < 2; ++dicom) { /* NIfTI: straight and turned */
            char in[64], out[64];
            snprintf(in, sizeof in, "in%zu%s", n, dicom ? "" : ".nii.gz");
            snprintf(out, sizeof out, "out%zu%s", n, dicom ? "" : ".nii.gz");
            mrc_volume *vol = NULL;
            make_input(in, dicom, cases[n].axes, cases[n].tilt_deg, &vol);
            struct mrc_translate_options options = make_options(in, out);
            options.no_mirror = n > 0;
            struct mrc_translate_report report;
            struct mrc_error err = {0};
            assert_ok(mrc_translate_run(&options, &report, NULL, &err), &err);
            assert_int_equal(report.format, dicom ? MRC_SOURCE_DICOM : MRC_SOURCE_NIFTI);
            assert_string_equal(report.model_name, "brightness");
            mrc_volume *read_in = load(in), *read_out = load(out);
            check_same_grid(read_in, read_out, cases[n].axes);
            check_marker(read_in, 1.0, in);
            check_marker(read_out, 2.0, out);
            mrc_volume_destroy(read_out);
            mrc_volume_destroy(read_in);
            mrc_volume_destroy(vol);
        }
    }
}

static void test_model_grid_lies_over_the_source(void **state) {
    (void)state;
    static const char *const outs[] = {"grid_dicom", "grid.nii"};
    mrc_volume *vol = NULL;
    make_input("grid_in", true, "PIL", 0.0, &vol);
    for (int n = 0; n < 2; ++n) {
        struct mrc_translate_options options = make_options("grid_in", outs[n]);
        options.grid = MRC_GRID_MODEL;
        struct mrc_error err = {0};
        assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
        mrc_volume *out = load(outs[n]);
        assert_int_equal(mrc_volume_extent(out).i, 64);
        assert_int_equal(mrc_volume_extent(out).j, 64);
        check_marker(out, 2.0, outs[n]);
        mrc_volume_destroy(out);
    }
    mrc_volume_destroy(vol);
}

static void test_three_channels_give_the_same(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    make_small("channels.nii", false, &vol);
    struct mrc_translate_options options = make_options("channels.nii", "channels1.nii");
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    options.output = "channels3.nii";
    options.model = "model3.safetensors";
    options.batch = 5; /* does not divide the slices */
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    mrc_volume *one = load("channels1.nii"), *three = load("channels3.nii");
    struct mrc_extent e = mrc_volume_extent(one);
    float most = 0.0f;
    for (int64_t n = 0; n < e.i * e.j * e.k; ++n)
        most = fmaxf(most, fabsf(mrc_volume_voxels(one)[n] - mrc_volume_voxels(three)[n]));
    assert_true(most < 1e-5f);
    mrc_volume_destroy(three);
    mrc_volume_destroy(one);
    mrc_volume_destroy(vol);
}

/* A U-Net of three blocks, with first weights. */
static void save_shallow(const char *path, int64_t finest) {
    struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
    struct mrc_checkpoint_info info = {.name = "shallow", .version = "0", .finest = finest};
    struct mrc_checkpoint_options options = {0};
    struct mrc_error err = {0};
    mrc_cyclegan *gan = NULL;
    settings.generator = MRC_GENERATOR_HYBRID;
    settings.depth = 3;
    settings.size = 32;
    settings.generator_width = settings.discriminator_width = 2;
    settings.batch = 1;
    assert_ok(mrc_cyclegan_create(&gan, &settings, &err), &err);
    assert_ok(mrc_checkpoint_save(gan, &info, &options, path, &err), &err);
    mrc_cyclegan_destroy(gan);
}

static void assert_same_image(const char *a, const char *b, bool same) {
    mrc_volume *one = load(a), *other = load(b);
    struct mrc_extent e = mrc_volume_extent(one);
    size_t bytes = (size_t)(e.i * e.j * e.k) * sizeof(float);
    assert_int_equal(
        memcmp(mrc_volume_voxels_const(one), mrc_volume_voxels_const(other), bytes) == 0, same);
    mrc_volume_destroy(other);
    mrc_volume_destroy(one);
}

/* Slices twice as fine as the model's are used where the model says that it is good for them. */
static void test_finer_slices_where_known(void **state) {
    (void)state;
    static const struct {
        const char *model, *output;
        int64_t size;
    } runs[] = {{"shallow.safetensors", "finer_not.nii", 0},
                {"finest.safetensors", "finer.nii", 0},
                {"shallow.safetensors", "finer_32.nii", 32},
                {"shallow.safetensors", "finer_64.nii", 64}};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    save_shallow("shallow.safetensors", 0);
    save_shallow("finest.safetensors", 64);
    make_small("finer_in.nii", false, &vol);
    for (size_t n = 0; n < sizeof runs / sizeof *runs; ++n) {
        struct mrc_translate_options options = make_options("finer_in.nii", runs[n].output);
        options.model = runs[n].model;
        options.size = runs[n].size;
        assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    }
    assert_same_image("finer_not.nii", "finer_32.nii", true);
    assert_same_image("finer.nii", "finer_64.nii", true);
    assert_same_image("finer_32.nii", "finer_64.nii", false);
    mrc_volume_destroy(vol);
}

static void test_png_in_and_out(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    assert_ok(head_create(&vol, "LPI", 0.0, &err), &err);
    struct mrc_extent e = mrc_volume_extent(vol);
    assert_ok(mrc_make_dirs("png_in", &err), &err);
    float *voxels = mrc_volume_voxels(vol);
    for (int64_t n = 0; n < e.i * e.j * e.k; ++n) voxels[n] /= 1000.0f;
    for (int64_t k = 0; k < e.k; ++k) {
        char path[64];
        snprintf(path, sizeof path, "png_in/head_%03d.png", (int)k);
        assert_ok(mrc_png_write(voxels + k * e.i * e.j, e.i, e.j, 8, path, &err), &err);
    }
    struct mrc_translate_options options = make_options("png_in", "png_out");
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    assert_true(mrc_path_exists("png_out/head_007.png"));
    mrc_volume *in = load("png_in"), *out = load("png_out");
    check_same_grid(in, out, "png");
    mrc_volume_destroy(out);
    mrc_volume_destroy(in);
    mrc_volume_destroy(vol);
}

static size_t entries(const char *folder) {
    struct mrc_name_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_list_dir(&list, folder, &err), &err);
    size_t count = list.count;
    mrc_name_list_clear(&list);
    return count;
}

static void test_sheet_with_truth(void **state) {
    (void)state;
    mrc_volume *vol = NULL, *truth = NULL;
    struct mrc_error err = {0};
    make_small("sheet_in.nii", false, &vol);
    assert_ok(head_create(&truth, "PIL", 4.0, &err), &err); /* another grid */
    assert_ok(mrc_make_dirs("sheet", &err), &err);
    assert_ok(mrc_nifti_save(truth, "sheet_truth.nii", 16, "head", &err), &err);
    struct mrc_translate_options options = make_options("sheet_in.nii", "sheet/out.nii");
    options.sheet = "sheet/sheet.png";
    options.truth = "sheet_truth.nii";
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    unsigned char head[8];
    size_t size = 0;
    assert_ok(mrc_read_head(head, sizeof head, &size, "sheet/sheet.png", &err), &err);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(entries("sheet"), 3); /* sheet, image, sidecar */
    mrc_volume_destroy(truth);
    mrc_volume_destroy(vol);
}

static enum mrc_status run_on_t2(bool force, struct mrc_error *err) {
    struct mrc_translate_options options = make_options("contrast_in", "contrast_out");
    options.force = force;
    return mrc_translate_run(&options, NULL, NULL, err);
}

static void test_contrast_is_checked(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    assert_ok(head_create(&vol, "LPS", 0.0, &err), &err);
    assert_ok(mrc_make_dirs("contrast_in", &err), &err);
    assert_ok(head_save_dicom(vol, MRC_CONTRAST_T2W, "contrast_in", &err), &err);
    assert_int_equal(run_on_t2(false, &err), MRC_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "contrast_in: recognised as T2w, expected T1w for a translation "
                                  "to T2w (--force overrides)");
    assert_false(mrc_path_exists("contrast_out"));
    mrc_error_clear(&err);
    assert_ok(run_on_t2(true, &err), &err);
    assert_true(mrc_path_exists("contrast_out/IM0001.dcm"));
    mrc_volume_destroy(vol);
}

static enum mrc_status run_on_unknown(const char *path, bool known, bool force) {
    struct mrc_translate_options options = make_options(path, "unknown_out.nii");
    options.from_is_known = known;
    options.force = force;
    options.replace = true;
    return mrc_translate_run(&options, NULL, NULL, NULL);
}

/* Whoever is not told what an image is does not guess. */
static void test_unknown_contrast_is_refused(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    make_small("unknown_in", true, &vol);
    assert_ok(mrc_nifti_save(vol, "unknown_in.nii", 16, "head", &err), &err);
    assert_ok(mrc_nifti_save(vol, "sub-1_T1w.nii", 16, "head", &err), &err);
    assert_int_equal(run_on_unknown("unknown_in.nii", false, false), MRC_ERR_UNSUPPORTED);
    assert_false(mrc_path_exists("unknown_out.nii"));
    assert_int_equal(run_on_unknown("unknown_in.nii", false, true), MRC_OK);
    assert_int_equal(run_on_unknown("unknown_in.nii", true, false), MRC_OK);
    assert_int_equal(run_on_unknown("unknown_in", false, false), MRC_OK); /* the header tells */
    assert_int_equal(run_on_unknown("sub-1_T1w.nii", false, false), MRC_OK);
    mrc_volume_destroy(vol);
}

static const char *read_text(unsigned char **owner, const char *path) {
    size_t size = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(owner, &size, path, 1 << 24, &err), &err);
    return (const char *)*owner;
}

static double number_of(const char *json, const char *key) {
    const char *at = strstr(json, key);
    if (at == NULL) fail_msg("the report lacks %s", key);
    return strtod(at + strlen(key), NULL);
}

/* The mean of the voxels' errors in the head is what the report says; neither tells whose
 * head it is. */
static void test_report_and_uncertainty(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    make_small("sure_in", true, &vol);
    struct mrc_translate_options options = make_options("sure_in", "sure/out");
    options.report = "sure/report";
    options.uncertainty = "sure/error";
    options.grid = MRC_GRID_MODEL;
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    assert_int_equal(entries("sure"), 3);
    assert_int_equal(entries("sure/out"), entries("sure/error"));
    assert_int_equal(entries("sure/report"), 2);

    mrc_volume *error = load("sure/error"), *made = load("sure/out");
    check_same_grid(made, error, "the error");
    const float *e = mrc_volume_voxels_const(error);
    struct mrc_extent extent = mrc_volume_extent(error);
    const int64_t count = extent.i * extent.j * extent.k;
    unsigned char *head = mrc_alloc((size_t)count, 1);
    struct mrc_slices slices = {0};
    struct mrc_slices_options sliced = MRC_SLICES_DEFAULTS;
    mrc_volume *source = load("sure_in");
    assert_ok(mrc_slices_from_volume(&slices, source, "in", &sliced, &err), &err);
    assert_int_equal(slices.count, extent.k);
    assert_ok(mrc_slices_find_head(head, slices.pixels, extent, &err), &err);
    double sum = 0.0, inside = 0.0;
    for (int64_t n = 0; n < count; ++n) {
        if (head[n] == 0) continue;
        sum += (double)e[n] / 4095.0;
        inside += 1.0;
    }
    unsigned char *owners[2] = {NULL, NULL};
    const char *json = read_text(&owners[0], "sure/report/report.json");
    const char *html = read_text(&owners[1], "sure/report/report.html");
    assert_true(inside > 0.0 && sum > 0.0);
    assert_true(fabs(number_of(json, "\"CycleError\":") - sum / inside) < 1e-3);
    assert_true(number_of(json, "\"WorstCycleError\":") >= sum / inside);
    assert_non_null(strstr(json, "\"Recognised\":\t\"T1w\""));
    assert_non_null(strstr(html, "not for diagnosis"));
    assert_non_null(strstr(html, "right is on the left"));
    static const char *const secrets[] = {"sure_in", "Phantom", "PHANTOM", "2.25."};
    for (size_t s = 0; s < sizeof secrets / sizeof *secrets; ++s) {
        if (strstr(json, secrets[s]) != NULL) fail_msg("report.json tells %s", secrets[s]);
        if (strstr(html, secrets[s]) != NULL) fail_msg("report.html tells %s", secrets[s]);
    }
    for (int n = 0; n < 2; ++n) mrc_free(owners[n]);
    mrc_free(head);
    mrc_slices_clear(&slices);
    mrc_volume_destroy(source);
    mrc_volume_destroy(made);
    mrc_volume_destroy(error);
    mrc_volume_destroy(vol);
}

static enum mrc_status save_mixed(const char *path, enum mrc_generator_kind g,
                                  enum mrc_generator_kind f, struct mrc_error *err) {
    struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
    const struct mrc_checkpoint_info info = {.name = "mixed", .version = "0", .data = "none"};
    const struct mrc_checkpoint_options options = {0};
    mrc_cyclegan *gan = NULL;
    settings.generator = g;
    settings.generator_f = 1 + (int64_t)f;
    settings.generator_width = settings.discriminator_width = 4;
    settings.batch = 1;
    settings.size = 32;
    enum mrc_status status = mrc_cyclegan_create(&gan, &settings, err);
    if (status == MRC_OK) status = mrc_checkpoint_save(gan, &info, &options, path, err);
    mrc_cyclegan_destroy(gan);
    return status;
}

/* The way there at twice the model's size where its generator can, the way back where its own can:
 * report and error image come out for each, on the source's grid; a size that the way there cannot
 * work at is refused. */
static void test_way_back_of_another_kind(void **state) {
    (void)state;
    static const enum mrc_generator_kind kinds[] = {MRC_GENERATOR_LOCAL, MRC_GENERATOR_UNET,
                                                    MRC_GENERATOR_HYBRID};
    static const enum mrc_contrast to[] = {MRC_CONTRAST_T2W, MRC_CONTRAST_T1W};
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    make_small("mixed.nii", false, &vol);
    const struct mrc_extent e = mrc_volume_extent(vol);
    assert_true(e.i >= 64 || e.j >= 64 || e.k >= 64); /* worth twice the size */
    for (int k = 1; k < 3; ++k)
        for (int turned = 0; turned < 2; ++turned) {
            assert_ok(
                save_mixed("mixed.safetensors", kinds[turned ? k : 0], kinds[turned ? 0 : k], &err),
                &err);
            for (int d = 0; d < 2; ++d) {
                struct mrc_translate_options options = make_options("mixed.nii", "mixed/out.nii");
                options.model = "mixed.safetensors";
                options.to = to[d];
                options.report = "mixed/report";
                options.uncertainty = "mixed/error.nii";
                options.replace = true;
                assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
                mrc_volume *error = load("mixed/error.nii");
                check_same_grid(vol, error, "the error");
                mrc_volume_destroy(error);
                unsigned char *owner = NULL;
                const char *json = read_text(&owner, "mixed/report/report.json");
                const double cycle = number_of(json, "\"CycleError\":");
                assert_true(cycle > 0.0 && cycle < 1.0);
                mrc_free(owner);
                options.size = 64;
                const bool there_is_local = d == turned;
                enum mrc_status status = mrc_translate_run(&options, NULL, NULL, &err);
                assert_int_equal(status, there_is_local ? MRC_OK : MRC_ERR_UNSUPPORTED);
                if (!there_is_local) assert_non_null(strstr(err.text, "local"));
                mrc_error_clear(&err);
            }
        }
    mrc_volume_destroy(vol);
}

static void expect_kept(struct mrc_translate_options options, enum mrc_status expected,
                        const char *words) {
    struct mrc_error err = {0};
    options.replace = true;
    enum mrc_status status = mrc_translate_run(&options, NULL, NULL, &err);
    if (status != expected || strstr(err.text, words) == NULL)
        fail_msg("%s -> %s: \"%s\", expected \"%s\"", options.input, options.output, err.text,
                 words);
}

/* --replace is about results of an earlier run: neither the input nor another scan is ever gone. */
static void test_scans_are_never_replaced(void **state) {
    (void)state;
    mrc_volume *vol = NULL, *other = NULL;
    struct mrc_error err = {0};
    assert_ok(mrc_make_dirs("keep/nii", &err), &err);
    make_small("keep/nii/a.nii", false, &vol);
    expect_kept(make_options("keep/nii", "keep/nii/a.nii"), MRC_ERR_ARGUMENT,
                "is or holds the input keep/nii/a.nii");
    expect_kept(make_options("keep/nii/a.nii", "keep/nii/a.nii.gz"), MRC_ERR_ARGUMENT,
                "keep/nii/a.json: is or holds the input keep/nii/a.json");
    assert_int_equal(entries("keep/nii"), 1);

    make_small("keep/b.nii", false, &other);
    expect_kept(make_options("keep/nii/a.nii", "keep/b.nii"), MRC_ERR_WRITE, "is not replaced");
    struct mrc_translate_options options = make_options("keep/nii/a.nii", "keep/c.nii");
    assert_ok(mrc_write_file("keep/c.json", "{\"EchoTime\": 0.1}", 17, &err), &err);
    expect_kept(options, MRC_ERR_WRITE, "keep/c.json: is not replaced");
    assert_ok(mrc_write_file("keep/c.json", "{\"SyntheticData\": true}", 23, &err), &err);
    options.replace = true;
    for (int run = 0; run < 2; ++run)
        assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    mrc_volume_destroy(other);
    mrc_volume_destroy(vol);
}

static void test_series_are_never_replaced(void **state) {
    (void)state;
    mrc_volume *vol = NULL, *other = NULL;
    make_small("keep2/t1/1", true, &vol);
    make_small("keep2/other", true, &other);
    size_t slices = entries("keep2/t1/1");
    expect_kept(make_options("keep2/t1", "keep2/t1/1"), MRC_ERR_ARGUMENT, "is or holds the input");
    expect_kept(make_options("keep2/t1", "keep2/other"), MRC_ERR_WRITE,
                "keep2/other: is not replaced, for IM0001.dcm does not say");
    struct mrc_translate_options options = make_options("keep2/t1", "keep2/new");
    options.sheet = "keep2/t1/1/IM0001.dcm";
    expect_kept(options, MRC_ERR_WRITE, "is not replaced");
    assert_int_equal(entries("keep2/t1/1"), slices);
    assert_int_equal(entries("keep2/other"), slices);
    assert_int_equal(entries("keep2"), 2);
    mrc_volume_destroy(other);
    mrc_volume_destroy(vol);
}

struct counter {
    int calls, limit;
};

static bool cancelled_after(void *context) {
    struct counter *counter = context;
    return ++counter->calls > counter->limit;
}

static void test_interruption_leaves_nothing(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    make_small("stop/in", true, &vol);
    enum mrc_status status = MRC_ERR_CANCELLED;
    int limit = 0;
    for (; status == MRC_ERR_CANCELLED && limit < 100; ++limit) {
        struct counter counter = {.limit = limit};
        struct mrc_events events = {.context = &counter, .cancelled = cancelled_after};
        struct mrc_translate_options options = make_options("stop/in", "stop/out");
        options.sheet = "stop/sheet.png";
        options.report = "stop/report";
        options.uncertainty = "stop/error";
        status = mrc_translate_run(&options, NULL, &events, NULL);
        assert_int_equal(entries("stop"), status == MRC_OK ? 5 : 1);
    }
    assert_int_equal(status, MRC_OK);
    assert_in_range(limit, 5, 99);
    mrc_volume_destroy(vol);
}

/* Somebody puts something else where the result is to go, once it is whole under another name. */
static bool block_result(void *context) {
    const char *output = context;
    const bool nifti = mrc_path_has_suffix(output, ".nii");
    char beginning[32];
    struct mrc_name_list names = {0};
    struct mrc_error err = {0};
    bool whole = false;
    (void)snprintf(beginning, sizeof beginning, "%s.tmp-", mrc_path_name(output));
    assert_ok(mrc_list_dir(&names, "blocked", &err), &err);
    for (size_t n = 0; n < names.count; ++n)
        whole = whole || strncmp(names.names[n], beginning, strlen(beginning)) == 0;
    mrc_name_list_clear(&names);
    if (!whole) return false;
    mrc_remove_tree(output);
    if (nifti)
        assert_ok(mrc_make_dirs(output, &err), &err);
    else
        assert_ok(mrc_write_file(output, "x", 1, &err), &err);
    return false;
}

static ino_t number_of_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

/* A result that cannot get its name takes nothing along: what belongs to it does not appear, and
 * what it replaces comes back. */
static void test_blocked_result_leaves_what_was_there(void **state) {
    (void)state;
    static const struct {
        const char *input, *output, *error, *others[3];
    } cases[] = {
        {"block_in", "blocked/out", "blocked/error", {"blocked/sheet.png", "blocked/report"}},
        {"block_in.nii",
         "blocked/out.nii",
         "blocked/error.nii",
         {"blocked/error.json", "blocked/sheet.png", "blocked/report"}}};
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    make_small("block_in", true, &vol);
    assert_ok(mrc_nifti_save(vol, "block_in.nii", 16, "head", &err), &err);
    for (size_t c = 0; c < 2; ++c) {
        char output[32];
        struct mrc_translate_options options = make_options(cases[c].input, cases[c].output);
        options.grid = MRC_GRID_MODEL; /* fewer pixels to write */
        options.sheet = "blocked/sheet.png";
        options.report = "blocked/report";
        options.uncertainty = cases[c].error;
        snprintf(output, sizeof output, "%s", cases[c].output);
        struct mrc_events events = {.context = output, .cancelled = block_result};
        assert_ok(mrc_make_dirs("blocked", &err), &err);
        assert_int_equal(mrc_translate_run(&options, NULL, &events, &err), MRC_ERR_WRITE);
        assert_non_null(strstr(err.text, "renaming into place"));
        mrc_error_clear(&err);
        assert_int_equal(entries("blocked"), 1); /* what is in the way */
        mrc_remove_tree(output);

        assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
        const size_t count = entries("blocked");
        ino_t before[4] = {number_of_file(cases[c].error)};
        for (int n = 0; n < 3; ++n)
            if (cases[c].others[n] != NULL) before[n + 1] = number_of_file(cases[c].others[n]);
        options.replace = true;
        assert_int_equal(mrc_translate_run(&options, NULL, &events, &err), MRC_ERR_WRITE);
        assert_int_equal(entries("blocked"), count);
        assert_true(before[0] != 0 && number_of_file(cases[c].error) == before[0]);
        for (int n = 0; n < 3; ++n)
            if (cases[c].others[n] != NULL &&
                (before[n + 1] == 0 || number_of_file(cases[c].others[n]) != before[n + 1]))
                fail_msg("%s is another", cases[c].others[n]);
        mrc_error_clear(&err);
        mrc_remove_tree("blocked");
    }
    mrc_volume_destroy(vol);
}

static void test_memory_failures_leave_nothing(void **state) {
    (void)state;
    mrc_volume *vol = NULL;
    struct mrc_error err = {0};
    assert_ok(mrc_make_dirs("memory", &err), &err);
    make_small("memory/in.nii", false, &vol);
    struct mrc_translate_options options = make_options("memory/in.nii", "memory/out.nii");
    options.sheet = "memory/sheet.png";
    options.report = "memory/report";
    options.uncertainty = "memory/error.nii";
    enum mrc_status status;
    long n = 1;
    do { /* every 61st, for time: each try is a whole translation */
        mrc_alloc_fail_after(n);
        status = mrc_translate_run(&options, NULL, NULL, NULL);
        mrc_alloc_fail_after(0);
        if (status != MRC_OK) assert_int_equal(entries("memory"), 1);
        n += 61;
    } while (status == MRC_ERR_NOMEM);
    assert_int_equal(status, MRC_OK);
    mrc_volume_destroy(vol);
}

int main(void) {
    mrc_isolate_disable(true); /* forks under ASan are slow; cli_hostile tests them */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geometry_is_kept),
        cmocka_unit_test(test_model_grid_lies_over_the_source),
        cmocka_unit_test(test_three_channels_give_the_same),
        cmocka_unit_test(test_finer_slices_where_known),
        cmocka_unit_test(test_png_in_and_out),
        cmocka_unit_test(test_sheet_with_truth),
        cmocka_unit_test(test_contrast_is_checked),
        cmocka_unit_test(test_unknown_contrast_is_refused),
        cmocka_unit_test(test_report_and_uncertainty),
        cmocka_unit_test(test_way_back_of_another_kind),
        cmocka_unit_test(test_scans_are_never_replaced),
        cmocka_unit_test(test_series_are_never_replaced),
        cmocka_unit_test(test_interruption_leaves_nothing),
        cmocka_unit_test(test_blocked_result_leaves_what_was_there),
        cmocka_unit_test(test_memory_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
