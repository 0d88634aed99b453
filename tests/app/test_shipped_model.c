/* test_shipped_model.c: the shipped model on generated patients, whose tissues are known: the order
 * of the tissues' brightness is that of the contrast asked for. */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/heads/phantom.h"
#include "app/translate/translate.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "io/image.h"

enum { SUBJECTS = 2, CSF = 1, GREY = 2, WHITE = 3, VENTRICLES = 5, LABELS = 6 }; /* dseg.tsv */

static char root[] = "/tmp/mrcycle-test-XXXXXX";

static int make_patients(void **state) {
    (void)state;
    struct mrc_phantom_options options = MRC_PHANTOM_DEFAULTS;
    struct mrc_error err = {0};
    options.seed = 5;
    options.subjects = SUBJECTS;
    for (int a = 0; a < 3; ++a) options.voxel_mm[a] = a < 2 ? 1.5 : 4.0; /* few slices, for time */
    if (mkdtemp(root) == NULL || chdir(root) != 0) return -1;
    return mrc_phantom_write("patients", &options, NULL, &err) == MRC_OK ? 0 : -1;
}

static int remove_patients(void **state) {
    (void)state;
    if (chdir("/") != 0) return -1;
    mrc_remove_tree(root);
    return 0;
}

static mrc_volume *load(const char *path) {
    struct mrc_image_options options = {.allow_synthetic = true, .labels = true};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, path, &options, &err), &err);
    return vol;
}

static mrc_volume *load_anat(int subject, const char *suffix) {
    char path[128];
    snprintf(path, sizeof path, "patients/sub-%02d/anat/sub-%02d_%s.nii.gz", subject, subject,
             suffix);
    return load(path);
}

static const char *model; /* NULL: the one that is used where none is named */

static mrc_volume *translate(int subject, const char *from, enum mrc_contrast to,
                             enum mrc_upsampling upsampling) {
    char input[128];
    snprintf(input, sizeof input, "patients/sub-%02d/anat/sub-%02d_%s.nii.gz", subject, subject,
             from);
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    struct mrc_error err = {0};
    options.input = input;
    options.output = "out.nii";
    options.to = to;
    options.upsampling = upsampling;
    options.replace = true;
    options.model = model;
    assert_ok(mrc_translate_run(&options, NULL, NULL, &err), &err);
    return load("out.nii");
}

static int64_t voxel_count(const mrc_volume *vol) {
    struct mrc_extent e = mrc_volume_extent(vol);
    return e.i * e.j * e.k;
}

static void tissue_means(double mean[LABELS], int subject, const char *from, enum mrc_contrast to) {
    mrc_volume *made = translate(subject, from, to, MRC_UPSAMPLE_GUIDED),
               *labels = load_anat(subject, "dseg");
    const float *v = mrc_volume_voxels_const(made), *label = mrc_volume_voxels_const(labels);
    double sum[LABELS] = {0}, count[LABELS] = {0};
    for (int64_t n = 0; n < voxel_count(made); ++n) {
        if (label[n] >= (float)LABELS) continue;
        sum[(int)label[n]] += (double)v[n];
        count[(int)label[n]] += 1.0;
    }
    for (int l = 0; l < LABELS; ++l) mean[l] = sum[l] / count[l];
    mrc_volume_destroy(labels);
    mrc_volume_destroy(made);
}

/* Pearson's, over brain and CSF. */
static double correlation_with_truth(const mrc_volume *made, int subject) {
    mrc_volume *truth = load_anat(subject, "T2w"), *labels = load_anat(subject, "dseg");
    const float *a = mrc_volume_voxels_const(made), *b = mrc_volume_voxels_const(truth),
                *label = mrc_volume_voxels_const(labels);
    double n = 0.0, sa = 0.0, sb = 0.0, saa = 0.0, sbb = 0.0, sab = 0.0;
    for (int64_t i = 0; i < voxel_count(made); ++i) {
        if (label[i] < (float)CSF || label[i] > (float)VENTRICLES) continue;
        double x = (double)a[i], y = (double)b[i];
        n += 1.0;
        sa += x;
        sb += y;
        saa += x * x;
        sbb += y * y;
        sab += x * y;
    }
    mrc_volume_destroy(labels);
    mrc_volume_destroy(truth);
    return (n * sab - sa * sb) / sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
}

/* On the scan's grid the source's own detail makes up for slices coarser than the scan. */
static void test_detail_is_nearer_to_the_truth(void **state) {
    (void)state;
    double near[2];
    for (int detailed = 0; detailed < 2; ++detailed) {
        mrc_volume *made = translate(1, "T1w", MRC_CONTRAST_T2W,
                                     detailed ? MRC_UPSAMPLE_GUIDED : MRC_UPSAMPLE_CUBIC);
        near[detailed] = correlation_with_truth(made, 1);
        mrc_volume_destroy(made);
    }
    printf("correlation with the true T2w: %.3f, with the source's detail %.3f\n", near[0],
           near[1]);
    assert_true(near[0] > 0.75);
    assert_true(near[1] > near[0] + 0.02);
}

static void test_t2w_looks_like_t2w(void **state) {
    (void)state;
    for (int subject = 1; subject <= SUBJECTS; ++subject) {
        double mean[LABELS];
        tissue_means(mean, subject, "T1w", MRC_CONTRAST_T2W);
        assert_true(mean[GREY] > mean[WHITE] + 0.08);
        assert_true(mean[CSF] > mean[GREY] + 0.05); /* sulci are thinner than a pixel */
        assert_true(mean[VENTRICLES] > mean[WHITE] + 0.25);
        assert_true(mean[0] < 0.1);
    }
}

static void test_t1w_looks_like_t1w(void **state) {
    (void)state;
    for (int subject = 1; subject <= SUBJECTS; ++subject) {
        double mean[LABELS];
        tissue_means(mean, subject, "T2w", MRC_CONTRAST_T1W);
        assert_true(mean[WHITE] > mean[GREY] + 0.08);
        assert_true(mean[GREY] > mean[CSF] + 0.05);
        assert_true(mean[WHITE] > mean[VENTRICLES] + 0.2);
        assert_true(mean[0] < 0.1);
    }
}

/* The model that users get, which has never seen a generated patient: brighter fluid than grey than
 * white in a T2w, the other way round in a T1w, and air that is air. */
static void test_the_default_model(void **state) {
    (void)state;
    double mean[LABELS];
    model = MRC_SAMPLE_DIR "/models/brain-contrast.safetensors";
    mrc_volume *made = translate(1, "T1w", MRC_CONTRAST_T2W, MRC_UPSAMPLE_GUIDED);
    const double near = correlation_with_truth(made, 1);
    mrc_volume_destroy(made);
    printf("correlation with the true T2w: %.3f\n", near);
    assert_true(near > 0.7);
    tissue_means(mean, 1, "T1w", MRC_CONTRAST_T2W);
    assert_true(mean[CSF] > mean[GREY] && mean[GREY] > mean[WHITE]);
    assert_true(mean[VENTRICLES] > 1.5 * mean[WHITE] && mean[0] < 0.12);
    tissue_means(mean, 1, "T2w", MRC_CONTRAST_T1W);
    assert_true(mean[WHITE] > mean[GREY] && mean[GREY] > mean[VENTRICLES]);
    assert_true(mean[0] < 0.12);
    model = NULL;
}

int main(void) {
    mrc_isolate_disable(true); /* forks under ASan are slow; cli_hostile tests them */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t2w_looks_like_t2w),
        cmocka_unit_test(test_t1w_looks_like_t1w),
        cmocka_unit_test(test_detail_is_nearer_to_the_truth),
        cmocka_unit_test(test_the_default_model),
    };
    return cmocka_run_group_tests(tests, make_patients, remove_patients);
}
