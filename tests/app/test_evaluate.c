/* test_evaluate.c: scores of images whose scores are known, baselines that must find what they are
 * fitted to, and the published baselines of the reference slices. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/evaluate/evaluate.h"
#include "app/evaluate/evaluate_baseline.h"
#include "app/evaluate/evaluate_lesion.h"
#include "app/evaluate/evaluate_score.h"
#include "app/evaluate/evaluate_set.h"
#include "app/evaluate/npy.h"
#include "app/head.h"
#include "app/pages/html.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/text.h"
#include "io/image.h"
#include "metrics/difference.h"
#include "metrics/similarity.h"
#include "preprocess/steps.h"

enum { SIDE = 64, SLICES = 4, PLANE = SIDE * SIDE, VOXELS = SLICES * PLANE };

static char root[] = "/tmp/mrc-evaluate-XXXXXX";

/* --- A head of our own: rings of tissue, a little different in each slice --- */

static float source_at(int k, int r, int c) {
    double d = hypot(r - SIDE / 2.0, c - SIDE / 2.0 + k);
    if (d > 20.0) return 0.0f;
    return (float)(0.2 + 0.03 * floor(d) + 0.05 * k);
}

/* What a paired table can know, and nothing else can: not monotone. */
static float truth_of(float v) {
    return v > 0.06f ? (float)(0.5 + 0.45 * sin(7.0 * (double)v)) : 0.0f;
}

static void make_pair(float *source, float *truth) {
    for (int k = 0; k < SLICES; ++k)
        for (int r = 0; r < SIDE; ++r)
            for (int c = 0; c < SIDE; ++c) {
                float v = source_at(k, r, c);
                source[(k * SIDE + r) * SIDE + c] = v;
                truth[(k * SIDE + r) * SIDE + c] = truth_of(v);
            }
}

static void add_pair(struct mrc_eval_set *set, const float *source, const float *truth) {
    struct mrc_error err = {0};
    assert_ok(
        mrc_eval_set_add(set, MRC_EVAL_FROM, "source", source, SLICES, SIDE, SIDE, 0.08, &err),
        &err);
    assert_ok(mrc_eval_set_add(set, MRC_EVAL_TO, "truth", truth, SLICES, SIDE, SIDE, 0.08, &err),
              &err);
    set->paired = true;
    mrc_eval_set_join_heads(set, 0.08);
}

static void save_pictures(const char *folder, const float *v, float times, float plus) {
    struct mrc_error err = {0};
    static float slice[PLANE];
    assert_ok(mrc_make_dirs(folder, &err), &err);
    for (int k = 0; k < SLICES; ++k) {
        char path[64];
        snprintf(path, sizeof path, "%s/%03d.png", folder, k);
        for (int i = 0; i < PLANE; ++i) slice[i] = times * v[k * PLANE + i] + plus;
        assert_ok(mrc_png_write(slice, SIDE, SIDE, 16, path, &err), &err);
    }
}

static int enter(void **state) {
    (void)state;
    static float source[VOXELS], truth[VOXELS];
    struct mrc_error err = {0};
    if (mkdtemp(root) == NULL || chdir(root) != 0) return -1;
    make_pair(source, truth);
    save_pictures("source", source, 1.0f, 0.0f);
    save_pictures("truth", truth, 1.0f, 0.0f);
    save_pictures("brighter", truth, 1.0f, 0.01f);
    save_pictures("dimmed", truth, 0.25f, 0.0f);
    save_pictures("set/T1w", source, 1.0f, 0.0f);
    save_pictures("set/T2w", truth, 1.0f, 0.0f);
    assert_ok(head_save_model("model.safetensors", SIDE, 1, &err), &err);
    return 0;
}

static int leave(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.6f, expected %.6f", value, expected);
}

static char *read_text(const char *path) {
    unsigned char *text = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(&text, &size, path, 1 << 24, &err), &err);
    return (char *)text;
}

/* The n-th number behind the name of a method. */
static double number_of(const char *table, const char *method, int n) {
    const char *row = strstr(table, method);
    struct mrc_error err = {0};
    char text[16] = "";
    double number = (double)NAN;
    if (row == NULL) fail_msg("no %s in %s", method, table);
    assert_int_equal(sscanf(row + strlen(method),
                            n == 1   ? "%15s"
                            : n == 2 ? "%*s %15s"
                                     : "%*s %*s %15s",
                            text),
                     1);
    assert_ok(mrc_parse_f64(&number, text, -100.0, 100.0), &err);
    return number;
}

/* --- Folders of images --- */

static void test_results_are_scored_as_stored(void **state) {
    (void)state;
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.truth = "truth";
    options.result = "brighter";
    options.source = "source";
    options.stored = true;
    options.output = "scores";
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    /* 0.01 everywhere: 40 dB, MAE 0.01 (16-bit pictures round to 8e-6) */
    const double psnr = number_of(table.data, "result", 1);
    const double ssim = number_of(table.data, "result", 2);
    const double mae = number_of(table.data, "result", 3);
    assert_near(psnr, 40.0, 0.011);
    assert_near(mae, 0.01, 1e-3);
    assert_true(ssim > 0.5 && ssim < 1.0); /* black and 0.01 are not alike */
    assert_non_null(strstr(table.data, "paired-lut"));
    assert_non_null(strstr(table.data, "Intensities are as stored."));
    mrc_text_clear(&table);

    static const char *const files[] = {"scores/scores.json", "scores/scores.csv",
                                        "scores/slices.csv", "scores/report.html"};
    for (size_t f = 0; f < sizeof files / sizeof *files; ++f)
        if (!mrc_path_exists(files[f])) fail_msg("%s is missing", files[f]);
    char *page = read_text("scores/report.html");
    assert_non_null(strstr(page, "worst: image 1, slice"));
    assert_non_null(strstr(page, "data:image/png;base64,iVBOR"));
    assert_null(strstr(page, "http")); /* opens without a network */
    mrc_free(page);
    char *csv = read_text("scores/slices.csv");
    assert_non_null(strstr(csv, "source to truth,\"result\",1,4,"));
    mrc_free(csv);
}

/* A result in other units than the truth's is none the worse, unless that is what is asked. */
static void test_units_do_not_matter(void **state) {
    (void)state;
    for (int stored = 0; stored < 2; ++stored) {
        struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
        struct mrc_error err = {0};
        struct mrc_text table = {0};
        options.truth = "truth";
        options.result = "dimmed";
        options.output = "units";
        options.replace = true;
        options.stored = stored == 1;
        assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
        const double ssim = number_of(table.data, "result", 2);
        const double mae = number_of(table.data, "result", 3);
        if (stored == 0 ? ssim < 0.999 || mae > 0.001 : ssim > 0.9 || mae < 0.05)
            fail_msg("stored %d: SSIM %g, MAE %g", stored, ssim, mae);
        assert_non_null(strstr(table.data, stored ? "Intensities are as stored."
                                                  : "Intensities are normalised to the head"));
        char *json = read_text("units/scores.json");
        assert_non_null(
            strstr(json, stored ? "\"intensities\":\t\"stored\"" : "\"intensities\":\t\"head\""));
        mrc_free(json);
        mrc_text_clear(&table);
    }
}

static void test_equal_images_have_no_finite_psnr(void **state) {
    (void)state;
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.truth = options.result = "truth";
    options.output = "equal";
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    char *json = read_text("equal/scores.json");
    assert_non_null(strstr(json, "\"psnr\":\tnull"));
    assert_non_null(strstr(json, "\"ssim\":\t1"));
    mrc_free(json);
    mrc_text_clear(&table);
}

static void test_what_is_there_is_not_overwritten(void **state) {
    (void)state;
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.truth = options.result = "truth";
    options.output = "source"; /* slices, no evaluation */
    options.replace = true;
    assert_int_equal(mrc_evaluate_run(&table, &options, NULL, &err), MRC_ERR_WRITE);
    mrc_error_clear(&err);
    options.output = "equal";
    options.replace = false;
    assert_int_equal(mrc_evaluate_run(&table, &options, NULL, &err), MRC_ERR_WRITE);
    mrc_error_clear(&err);
    options.replace = true;
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    options.output = "truth/inside";
    assert_int_equal(mrc_evaluate_run(&table, &options, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_text_clear(&table);
}

static void test_folders_must_agree(void **state) {
    (void)state;
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.truth = "truth";
    options.result = "nowhere";
    assert_int_equal(mrc_evaluate_run(&table, &options, NULL, &err), MRC_ERR_IO);
    mrc_error_clear(&err);
    options.result = "truth/000.png";
    assert_int_equal(mrc_evaluate_run(&table, &options, NULL, &err), MRC_ERR_UNSUPPORTED);
    mrc_text_clear(&table);
}

/* --- A model and a set --- */

static void test_model_and_baselines_share_a_table(void **state) {
    (void)state;
    static const char *const models[] = {"model.safetensors", "model.safetensors"};
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.set = "set";
    options.models = models;
    options.model_count = 2;
    options.output = "of-a-model";
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    static const char *const rows[] = {"T1w to T2w, 4 slices",
                                       "T2w to T1w, 4 slices",
                                       "copy",
                                       "inverted",
                                       "histogram",
                                       "mean-target",
                                       "grid-lut",
                                       "paired-lut",
                                       "adjacent-truth",
                                       "mean of models",
                                       "truth, half against half",
                                       "cycle MAE",
                                       "pasted lesions"};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r)
        if (strstr(table.data, rows[r]) == NULL) fail_msg("no \"%s\" in\n%s", rows[r], table.data);
    mrc_text_clear(&table);
    char *json = read_text("of-a-model/scores.json");
    assert_non_null(strstr(json, "\"lesion_test\""));
    assert_non_null(strstr(json, "\"models_sd\""));
    mrc_free(json);
}

static void test_a_set_without_pairs_has_no_truth(void **state) {
    (void)state;
    static const char *const models[] = {"model.safetensors"};
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    options.set = "set";
    options.models = models;
    options.model_count = 1;
    options.pairing = MRC_PAIRING_NONE;
    options.output = "unpaired";
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    assert_null(strstr(table.data, "paired-lut"));
    assert_null(strstr(table.data, "adjacent-truth"));
    assert_non_null(strstr(table.data, "cycle MAE"));
    mrc_text_clear(&table);
}

/* A head of each contrast's folder as two DICOM series in one folder, as archives hand them over.
 */
static void save_series(const char *folder, enum mrc_contrast contrast) {
    struct mrc_error err = {0};
    for (int n = 0; n < 2; ++n) {
        mrc_volume *head = NULL;
        struct mrc_name_list files = {0};
        assert_ok(mrc_make_dirs("one", &err), &err);
        assert_ok(mrc_make_dirs(folder, &err), &err);
        assert_ok(head_create(&head, "LPS", 2.0 * n, &err), &err);
        assert_ok(head_thin(&head, 4, &err), &err); /* for time */
        assert_ok(head_save_dicom(head, contrast, "one", &err), &err);
        assert_ok(mrc_list_tree(&files, "one", 1000, &err), &err);
        for (size_t f = 0; f < files.count; ++f) {
            char place[200];
            snprintf(place, sizeof place, "%s/%d_%.150s", folder, n, mrc_path_name(files.names[f]));
            assert_int_equal(rename(files.names[f], place), 0);
        }
        mrc_name_list_clear(&files);
        mrc_volume_destroy(head);
    }
}

/* One path for two images names no pairs; in order they are pairs. */
static void test_series_may_share_a_folder(void **state) {
    (void)state;
    static const char *const models[] = {"model.safetensors"};
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_error err = {0};
    struct mrc_text table = {0};
    save_series("shared/T1w", MRC_CONTRAST_T1W);
    save_series("shared/T2w", MRC_CONTRAST_T2W);
    options.set = "shared";
    options.models = models;
    options.model_count = 1;
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    assert_null(strstr(table.data, "paired-lut"));
    mrc_text_clear(&table);
    options.pairing = MRC_PAIRING_ORDER;
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    assert_non_null(strstr(table.data, "paired-lut"));
    mrc_text_clear(&table);
}

/* --- Baselines --- */

struct scores {
    double psnr, ssim; /* means over the slices */
};

/* Only the two that have known values: all scores of an image take several times as long. */
static struct scores score_baseline(const struct mrc_eval_set *set,
                                    const struct mrc_baseline_fit *fit, enum mrc_baseline which,
                                    int from, int to) {
    struct scores sum = {0};
    struct mrc_error err = {0};
    int64_t slices = 0;
    for (size_t n = 0; n < set->domains[from].count; ++n) {
        const struct mrc_eval_image *source = &set->domains[from].images[n];
        const struct mrc_eval_image *truth = &set->domains[to].images[n];
        const int64_t plane = source->rows * source->columns;
        float *result = mrc_alloc((size_t)(source->count * plane), sizeof *result);
        assert_non_null(result);
        mrc_baseline_apply(result, fit, which, source, truth);
        for (int64_t k = 0; k < truth->count; ++k) {
            const struct mrc_pair pair = {.image = result + k * plane,
                                          .truth = truth->pixels + k * plane,
                                          .rows = truth->rows,
                                          .columns = truth->columns};
            double ssim = 0.0;
            if (!truth->used[k]) continue;
            assert_ok(mrc_ssim(&ssim, &pair, &err), &err);
            sum.psnr += mrc_psnr(&pair);
            sum.ssim += ssim;
            ++slices;
        }
        mrc_free(result);
    }
    assert_true(slices > 0);
    return (struct scores){sum.psnr / (double)slices, sum.ssim / (double)slices};
}

static void test_baselines_find_what_they_are_fitted_to(void **state) {
    (void)state;
    static float source[VOXELS], truth[VOXELS], monotone[VOXELS];
    struct mrc_error err = {0};
    struct mrc_eval_set set = {0}, other = {0};
    struct mrc_baseline_fit fit;
    struct scores found;
    make_pair(source, truth);
    add_pair(&set, source, truth);
    assert_ok(mrc_baseline_fit(&fit, &set, MRC_EVAL_FROM, MRC_EVAL_TO, &err), &err);
    found = score_baseline(&set, &fit, MRC_BASELINE_LUT, MRC_EVAL_FROM, MRC_EVAL_TO);
    assert_true(found.psnr > 45.0);
    found = score_baseline(&set, &fit, MRC_BASELINE_COPY, MRC_EVAL_FROM, MRC_EVAL_TO);
    assert_true(found.psnr < 15.0);
    mrc_baseline_fit_clear(&fit);

    for (int i = 0; i < VOXELS; ++i) monotone[i] = source[i] * source[i];
    add_pair(&other, source, monotone);
    assert_ok(mrc_baseline_fit(&fit, &other, MRC_EVAL_FROM, MRC_EVAL_TO, &err), &err);
    found = score_baseline(&other, &fit, MRC_BASELINE_HISTOGRAM, MRC_EVAL_FROM, MRC_EVAL_TO);
    assert_true(found.psnr > 45.0);
    mrc_baseline_fit_clear(&fit);
    mrc_eval_set_clear(&other);
    mrc_eval_set_clear(&set);
}

static void test_fitting_may_run_out_of_memory(void **state) {
    (void)state;
    static float source[VOXELS], truth[VOXELS];
    struct mrc_eval_set set = {0};
    struct mrc_baseline_fit fit;
    struct mrc_score_row row;
    enum mrc_status st;
    make_pair(source, truth);
    add_pair(&set, source, truth);
    MRC_TRY_EVERY_FAILURE(st, mrc_baseline_fit(&fit, &set, MRC_EVAL_FROM, MRC_EVAL_TO, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_baseline_fit_clear(&fit);
    MRC_TRY_EVERY_FAILURE(
        st, mrc_score_image(&row, NULL, truth, &set.domains[MRC_EVAL_TO].images[0], NULL));
    assert_int_equal(st, MRC_OK);
    mrc_eval_set_clear(&set);
}

/* --- Lesions --- */

static void keep(void *context, float *dst, const float *src, int64_t count, int64_t size) {
    (void)context;
    memcpy(dst, src, (size_t)(count * size * size) * sizeof *dst);
}

static void forget(void *context, float *dst, const float *src, int64_t count, int64_t size) {
    (void)context;
    (void)src;
    for (int64_t i = 0; i < count * size * size; ++i) dst[i] = 0.5f;
}

static void test_lesions_survive_a_copy_and_no_constant(void **state) {
    (void)state;
    static float source[VOXELS], truth[VOXELS];
    struct mrc_eval_set set = {0};
    struct mrc_error err = {0};
    struct mrc_lesion_score score;
    make_pair(source, truth);
    add_pair(&set, source, truth);
    assert_ok(mrc_lesion_test(&score, &set.domains[MRC_EVAL_FROM], keep, NULL, &err), &err);
    assert_int_equal(score.lesions, 2 * SLICES);
    assert_near(score.contrast_out, score.contrast_in, 1e-9);
    assert_near(score.kept, 1.0, 0.0);
    assert_near(score.spill, 0.0, 0.0);
    assert_true(score.contrast_in > 0.1);
    assert_ok(mrc_lesion_test(&score, &set.domains[MRC_EVAL_FROM], forget, NULL, &err), &err);
    assert_near(score.contrast_out, 0.0, 0.0);
    assert_near(score.kept, 0.0, 0.0);
    mrc_eval_set_clear(&set);
}

/* --- The reference slices: ../shared/docs/training.md, section 1, at 64 x 64 --- */

enum { PAIRS = 43, HELD_OUT = 9, GAP = 2, SMALL = 64 };

/* One stored picture, stretched to 64 x 64 by the anti-aliased triangle. */
static void load_small(float *dst, const char *path) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    struct mrc_filter across = {0}, down = {0};
    assert_ok(mrc_image_load(&vol, path, NULL, &err), &err);
    struct mrc_extent e = mrc_volume_extent(vol), narrow = {SMALL, e.j, 1};
    assert_ok(
        mrc_filter_create_square(&across, e.i, 1.0, SMALL, (double)e.i / SMALL, 0.0, false, &err),
        &err);
    assert_ok(
        mrc_filter_create_square(&down, e.j, 1.0, SMALL, (double)e.j / SMALL, 0.0, false, &err),
        &err);
    float *room = mrc_alloc((size_t)(SMALL * e.j), sizeof *room);
    assert_non_null(room);
    mrc_resample_axis(room, mrc_volume_voxels_const(vol), e, 0, &across, NULL);
    mrc_resample_axis(dst, room, narrow, 1, &down, NULL);
    for (int i = 0; i < SMALL * SMALL; ++i) dst[i] /= 255.0f;
    mrc_free(room);
    mrc_filter_clear(&down);
    mrc_filter_clear(&across);
    mrc_volume_destroy(vol);
}

/* The picture of that number in the folder, whatever its name begins with. */
static void load_numbered(float *dst, const char *folder, int number) {
    struct mrc_error err = {0};
    struct mrc_name_list names = {0};
    char ending[16], *path = NULL;
    snprintf(ending, sizeof ending, "%d.png", number);
    assert_ok(mrc_list_dir(&names, folder, &err), &err);
    for (size_t n = 0; n < names.count; ++n) {
        size_t length = strlen(names.names[n]), tail = strlen(ending);
        if (!mrc_path_has_suffix(names.names[n], ending)) continue;
        char before = length > tail ? names.names[n][length - tail - 1] : '_';
        if (before >= '1' && before <= '9') continue;
        path = mrc_path_join(folder, names.names[n]);
    }
    if (path == NULL) fail_msg("%s: no picture %d", folder, number);
    load_small(dst, path);
    mrc_free(path);
    mrc_name_list_clear(&names);
}

static int number_of_pair(int pair) { /* T1w #10 … #19, #23 … #55 */
    return pair < 10 ? 10 + pair : 13 + pair;
}

static void add_reference_slices(struct mrc_eval_set *set, int first, int count) {
    static float x[SMALL * SMALL], y[SMALL * SMALL];
    struct mrc_error err = {0};
    for (int p = first; p < first + count; ++p) {
        int number = number_of_pair(p);
        load_numbered(x, MRC_SHARED_DIR "/data/slices/T1w", number);
        load_numbered(y, MRC_SHARED_DIR "/data/slices/T2w", number + (number <= 40 ? 60 : 70));
        assert_ok(mrc_eval_set_add(set, MRC_EVAL_FROM, "T1w", x, 1, SMALL, SMALL, 0.0, &err), &err);
        assert_ok(mrc_eval_set_add(set, MRC_EVAL_TO, "T2w", y, 1, SMALL, SMALL, 0.0, &err), &err);
    }
    set->paired = true;
    mrc_eval_set_join_heads(set, 0.0);
}

static void test_published_baselines_of_the_reference_slices(void **state) {
    (void)state;
    static const struct {
        enum mrc_baseline which;
        bool held_out; /* fitted to all but the last nine pairs and the gap, scored on those nine */
        double psnr[2], ssim[2];
    } published[] = {
        {MRC_BASELINE_COPY, false, {12.44, 12.44}, {-0.284, -0.284}},
        {MRC_BASELINE_INVERTED, false, {14.74, 12.88}, {0.712, 0.585}},
        {MRC_BASELINE_HISTOGRAM, false, {12.87, 12.39}, {-0.205, -0.238}},
        {MRC_BASELINE_MEAN, false, {17.60, 18.80}, {0.421, 0.460}},
        {MRC_BASELINE_LUT, false, {22.63, 19.59}, {0.886, 0.727}},
        {MRC_BASELINE_LUT, true, {23.53, 20.07}, {0.889, 0.718}},
    };
    if (!mrc_path_is_dir(MRC_SHARED_DIR "/data/slices")) {
        print_message("SKIP: %s is not there\n", MRC_SHARED_DIR "/data/slices");
        skip();
    }
    struct mrc_error err = {0};
    struct mrc_eval_set all = {0}, train = {0}, test = {0};
    add_reference_slices(&all, 0, PAIRS);
    add_reference_slices(&train, 0, PAIRS - HELD_OUT - GAP);
    add_reference_slices(&test, PAIRS - HELD_OUT, HELD_OUT);
    for (int direction = 0; direction < 2; ++direction) {
        const int from = direction == 0 ? MRC_EVAL_FROM : MRC_EVAL_TO;
        const int to = direction == 0 ? MRC_EVAL_TO : MRC_EVAL_FROM;
        struct mrc_baseline_fit of_all, of_train;
        assert_ok(mrc_baseline_fit(&of_all, &all, from, to, &err), &err);
        assert_ok(mrc_baseline_fit(&of_train, &train, from, to, &err), &err);
        for (size_t n = 0; n < sizeof published / sizeof *published; ++n) {
            bool held_out = published[n].held_out;
            struct scores found =
                score_baseline(held_out ? &test : &all, held_out ? &of_train : &of_all,
                               published[n].which, from, to);
            print_message("%s%s: %.2f dB %.3f\n", mrc_baseline_name(published[n].which),
                          held_out ? ", held out" : "", found.psnr, found.ssim);
            assert_near(found.psnr, published[n].psnr[direction], 0.08);
            assert_near(found.ssim, published[n].ssim[direction], 0.008);
        }
        mrc_baseline_fit_clear(&of_train);
        mrc_baseline_fit_clear(&of_all);
    }
    mrc_eval_set_clear(&test);
    mrc_eval_set_clear(&train);
    mrc_eval_set_clear(&all);
}

/* --- Imported features, words of a page --- */

static void save_npy(const char *path, const char *type, const char *shape, const void *data,
                     size_t size) {
    struct mrc_error err = {0};
    unsigned char file[512];
    char header[118];
    memset(header, ' ', sizeof header);
    int n = snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    header[n] = ' ';
    header[sizeof header - 1] = '\n';
    memcpy(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(file + 10, header, sizeof header);
    memcpy(file + 128, data, size);
    assert_ok(mrc_write_file(path, file, 128 + size, &err), &err);
}

static void test_imported_features(void **state) {
    (void)state;
    static const float narrow[6] = {1.0f, 2.5f, 3.0f, -4.0f, 0.0f, 6.0f};
    static const double wide[6] = {1.0, 2.5, 3.0, -4.0, 0.0, 6.0};
    struct mrc_error err = {0};
    double *values = NULL;
    size_t rows = 0, columns = 0;
    save_npy("a.npy", "<f4", "(3, 2)", narrow, sizeof narrow);
    save_npy("b.npy", "<f8", "(3, 2)", wide, sizeof wide);
    assert_ok(mrc_npy_load(&values, &rows, &columns, "a.npy", &err), &err);
    assert_int_equal(rows, 3);
    assert_int_equal(columns, 2);
    for (int i = 0; i < 6; ++i) assert_true(values[i] == wide[i]);
    mrc_free(values);
    static const struct {
        const char *type, *shape;
    } broken[] = {{"<i8", "(3, 2)"},    {"<f8", "(6,)"},  {"<f8", "(4, 2)"},
                  {"<f8", "(3, 2, 1)"}, {"|O", "(3, 2)"}, {"<f8", "(3, -2)"}};
    for (size_t n = 0; n < sizeof broken / sizeof *broken; ++n) {
        save_npy("c.npy", broken[n].type, broken[n].shape, wide, sizeof wide);
        assert_int_equal(mrc_npy_load(&values, &rows, &columns, "c.npy", &err), MRC_ERR_FORMAT);
        mrc_error_clear(&err);
    }
    struct mrc_evaluate_options options = MRC_EVALUATE_DEFAULTS;
    struct mrc_text table = {0};
    options.real_features = "a.npy";
    options.fake_features = "b.npy";
    assert_ok(mrc_evaluate_run(&table, &options, NULL, &err), &err);
    assert_non_null(strstr(table.data, "imported features: FID"));
    mrc_text_clear(&table);
}

static void test_words_of_a_page_are_escaped(void **state) {
    (void)state;
    struct mrc_text page = {0};
    mrc_html_words(&page, "<a href=\"x\">&'\xC3\xA9\xFF");
    assert_string_equal(page.data, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\xC3\xA9\xEF\xBF\xBD");
    mrc_text_clear(&page);
    static const unsigned char bytes[5] = {'h', 'e', 'l', 'l', 'o'};
    mrc_html_figure(&page, bytes, sizeof bytes, "a < b");
    assert_non_null(strstr(page.data, "base64,aGVsbG8=\""));
    assert_non_null(strstr(page.data, "a &lt; b"));
    mrc_text_clear(&page);
}

int main(void) {
    mrc_isolate_disable(true); /* forks under ASan are slow; cli_hostile tests them */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_scored_as_stored),
        cmocka_unit_test(test_units_do_not_matter),
        cmocka_unit_test(test_equal_images_have_no_finite_psnr),
        cmocka_unit_test(test_what_is_there_is_not_overwritten),
        cmocka_unit_test(test_folders_must_agree),
        cmocka_unit_test(test_model_and_baselines_share_a_table),
        cmocka_unit_test(test_a_set_without_pairs_has_no_truth),
        cmocka_unit_test(test_series_may_share_a_folder),
        cmocka_unit_test(test_baselines_find_what_they_are_fitted_to),
        cmocka_unit_test(test_fitting_may_run_out_of_memory),
        cmocka_unit_test(test_lesions_survive_a_copy_and_no_constant),
        cmocka_unit_test(test_published_baselines_of_the_reference_slices),
        cmocka_unit_test(test_imported_features),
        cmocka_unit_test(test_words_of_a_page_are_escaped),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
