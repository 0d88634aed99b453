/* test_phantom.c: generated patients: sides, contrasts, tissues, the same bytes, and both formats
 * alike. */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/heads/phantom_image.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "io/image.h"

#define VOXEL_MM 2.9 /* as coarse as one sample a voxel allows: fast */

static struct mrc_phantom_options coarse(enum mrc_orientation acquisition) {
    struct mrc_phantom_options o = MRC_PHANTOM_DEFAULTS;
    o.acquisition = acquisition;
    o.lesions = 2;
    for (int a = 0; a < 3; ++a) o.voxel_mm[a] = VOXEL_MM;
    return o;
}

struct head_images {
    mrc_volume *image[MRC_PHANTOM_SEQUENCES], *tissue;
    size_t count;
};

static struct head_images render(const struct mrc_phantom_options *o) {
    struct head_images h;
    struct mrc_error err = {0};
    assert_ok(mrc_phantom_render(h.image, &h.tissue, o, 1, &err), &err);
    h.count = (size_t)mrc_extent_count(mrc_volume_extent(h.tissue));
    return h;
}

static void clear(struct head_images *h) {
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) mrc_volume_destroy(h->image[c]);
    mrc_volume_destroy(h->tissue);
}

static void position(double ras_mm[3], const mrc_volume *vol, size_t n) {
    const struct mrc_extent e = mrc_volume_extent(vol);
    int64_t at = (int64_t)n;
    mrc_geometry_position(ras_mm, mrc_volume_geometry(vol), (double)(at % e.i),
                          (double)(at / e.i % e.j), (double)(at / (e.i * e.j)));
}

static float value_near(const mrc_volume *vol, const double ras_mm[3]) {
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(vol));
    double best = 1e9;
    size_t where = 0;
    for (size_t n = 0; n < count; ++n) {
        double p[3];
        position(p, vol, n);
        double d = fabs(p[0] - ras_mm[0]) + fabs(p[1] - ras_mm[1]) + fabs(p[2] - ras_mm[2]);
        if (d < best) {
            best = d;
            where = n;
        }
    }
    return mrc_volume_voxels_const(vol)[where];
}

/* Middle of the marker, from the map of tissues. */
static void marker_place(double ras_mm[3], const mrc_volume *tissue) {
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(tissue));
    size_t voxels = 0;
    ras_mm[0] = ras_mm[1] = ras_mm[2] = 0.0;
    for (size_t n = 0; n < count; ++n) {
        double p[3];
        if ((int)mrc_volume_voxels_const(tissue)[n] != MRC_TISSUE_MARKER) continue;
        position(p, tissue, n);
        for (int a = 0; a < 3; ++a) ras_mm[a] += p[a];
        ++voxels;
    }
    assert_true(voxels > 30);
    for (int a = 0; a < 3; ++a) ras_mm[a] /= (double)voxels;
}

/* --- Anatomy and physics --- */

static void test_the_marker_is_on_the_left_in_every_plane(void **state) {
    (void)state;
    double first[3] = {0, 0, 0};
    for (int plane = MRC_AXIAL; plane <= MRC_CORONAL; ++plane) {
        struct mrc_phantom_options o = coarse((enum mrc_orientation)plane);
        struct head_images h = render(&o);
        double mark[3];
        assert_int_equal(mrc_geometry_orientation(mrc_volume_geometry(h.tissue)), plane);
        marker_place(mark, h.tissue);
        assert_true(mark[0] < -70.0); /* RAS+: Left is negative */
        const double mirrored[3] = {-mark[0], mark[1], mark[2]};
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c)
            assert_true(value_near(h.image[c], mark) > 1200.0f &&
                        value_near(h.image[c], mirrored) < 500.0f);
        if (plane == MRC_AXIAL) memcpy(first, mark, sizeof first);
        for (int a = 0; a < 3; ++a) assert_true(fabs(mark[a] - first[a]) < 0.5);
        clear(&h);
    }
}

static void test_contrasts_are_in_order(void **state) {
    (void)state;
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    struct head_images h = render(&o);
    double mean[MRC_PHANTOM_SEQUENCES][MRC_TISSUES] = {{0}};
    size_t voxels[MRC_TISSUES] = {0};
    for (size_t n = 0; n < h.count; ++n) {
        int t = (int)mrc_volume_voxels_const(h.tissue)[n];
        assert_in_range(t, 0, MRC_TISSUES - 1);
        ++voxels[t];
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c)
            mean[c][t] += (double)mrc_volume_voxels_const(h.image[c])[n];
    }
    for (int t = 0; t < MRC_TISSUES; ++t) {
        assert_true(voxels[t] > 5); /* every tissue is there */
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) mean[c][t] /= (double)voxels[t];
    }
    enum { T1W, T2W, PDW, FLAIR };
    const int white = MRC_TISSUE_WHITE, grey = MRC_TISSUE_CORTEX, csf = MRC_TISSUE_VENTRICLE;
    assert_true(mean[T1W][white] > 1.1 * mean[T1W][grey] && mean[T1W][grey] > 1.4 * mean[T1W][csf]);
    assert_true(mean[T2W][csf] > 1.7 * mean[T2W][grey] && mean[T2W][grey] > 1.2 * mean[T2W][white]);
    assert_true(mean[T2W][white] > 1.02 * mean[T2W][MRC_TISSUE_PALLIDUM]);
    assert_true(mean[PDW][grey] > mean[PDW][white]);
    assert_true(mean[FLAIR][csf] < 0.4 * mean[FLAIR][white]);
    assert_true(mean[FLAIR][MRC_TISSUE_LESION] > 1.4 * mean[FLAIR][white]);
    assert_true(mean[T1W][MRC_TISSUE_FAT] > mean[T1W][white]);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) assert_true(mean[c][MRC_TISSUE_AIR] < 200.0);
    /* a brain's proportions, in litres */
    const double litre = VOXEL_MM * VOXEL_MM * VOXEL_MM * 1e-6;
    double brain = litre * (double)(voxels[white] + voxels[grey] + voxels[MRC_TISSUE_DEEP_GREY]);
    assert_true(brain > 0.8 && brain < 1.6);
    double ratio = (double)voxels[grey] / (double)voxels[white];
    assert_true(ratio > 0.7 && ratio < 2.5);
    clear(&h);
}

static void test_equations_agree_with_hand_calculation(void **state) {
    (void)state;
    /* white matter, T1w: 0.77 (1 - exp(-500/500)) exp(-12/70) */
    double white = mrc_phantom_signal(MRC_TISSUE_WHITE, &mrc_phantom_sequences[0]);
    assert_true(fabs(white - 0.77 * (1.0 - exp(-1.0)) * exp(-12.0 / 70.0)) < 1e-12);
    /* the FLAIR nulls CSF: to a hundredth of its full signal */
    assert_true(fabs(mrc_phantom_signal(MRC_TISSUE_CSF, &mrc_phantom_sequences[3])) < 0.01);
    assert_true(mrc_phantom_signal(MRC_TISSUE_AIR, &mrc_phantom_sequences[0]) == 0.0);
}

static void test_noise_is_what_was_asked_for(void **state) {
    (void)state;
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    o.noise = 0.05;
    struct head_images h = render(&o);
    const float *v = mrc_volume_voxels_const(h.image[0]), *t = mrc_volume_voxels_const(h.tissue);
    double square = 0.0;
    size_t voxels = 0;
    for (size_t n = 0; n < 20000; ++n) { /* a corner of the box: air only, far from any boundary */
        if (t[n] != (float)MRC_TISSUE_AIR || n % 73 > 6) continue;
        square += (double)v[n] * (double)v[n];
        ++voxels;
    }
    /* Rayleigh: mean square 2 sigma^2 */
    double sigma = 4000.0 * 0.05 * mrc_phantom_signal(MRC_TISSUE_CORTEX, &mrc_phantom_sequences[0]);
    assert_true(voxels > 300);
    assert_true(fabs(sqrt(square / (double)voxels / 2.0) / sigma - 1.0) < 0.1);
    clear(&h);
}

static void test_seeds_and_subjects_differ_threads_do_not(void **state) {
    (void)state;
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    struct mrc_error err = {0};
    o.voxel_mm[2] = 10.0;
    mrc_parallel_set_threads(1);
    struct head_images a = render(&o);
    mrc_parallel_set_threads(3);
    struct head_images b = render(&o), c;
    mrc_parallel_set_threads(0);
    assert_ok(mrc_phantom_render(c.image, &c.tissue, &o, 2, &err), &err);
    size_t changed = 0;
    for (int s = 0; s < MRC_PHANTOM_SEQUENCES; ++s)
        assert_memory_equal(mrc_volume_voxels(a.image[s]), mrc_volume_voxels(b.image[s]),
                            a.count * sizeof(float));
    assert_memory_equal(mrc_volume_voxels(a.tissue), mrc_volume_voxels(b.tissue),
                        a.count * sizeof(float));
    for (size_t n = 0; n < a.count; ++n)
        changed += mrc_volume_voxels(a.tissue)[n] != mrc_volume_voxels(c.tissue)[n];
    assert_true(changed > a.count / 50);
    clear(&a);
    clear(&b);
    clear(&c);
}

static void test_lesions_are_counted(void **state) {
    (void)state;
    struct mrc_head head, again;
    mrc_head_init(&head, 7, 1, 12);
    mrc_head_init(&again, 7, 1, 12);
    assert_int_equal(head.lesions, 12);
    assert_memory_equal(&head, &again, sizeof head);
    mrc_head_init(&head, 7, 1, 0);
    assert_int_equal(head.lesions, 0);
    int most = 0;
    for (int s = 1; s < 20; ++s) {
        mrc_head_init(&head, 7, s, -1);
        most = head.lesions > most ? head.lesions : most;
    }
    assert_in_range(most, 1, 4);
}

static void test_every_head_stays_in_the_box(void **state) {
    (void)state;
    const double box[3] = MRC_HEAD_BOX_MM;
    for (int s = 1; s <= 30; ++s) {
        struct mrc_head head;
        double fraction[MRC_TISSUES];
        mrc_head_init(&head, 99, s, 0);
        for (int u = -8; u <= 8; ++u)
            for (int v = -8; v <= 8; ++v)
                for (int side = -1; side <= 1; side += 2) {
                    const double beside[3] = {side * box[0] / 2, u * box[1] / 17, v * box[2] / 17};
                    const double before[3] = {u * box[0] / 17, side * box[1] / 2, v * box[2] / 17};
                    const double above[3] = {u * box[0] / 17, v * box[1] / 17, box[2] / 2};
                    mrc_head_at(fraction, &head, beside, 1.0);
                    assert_true(fraction[MRC_TISSUE_AIR] == 1.0);
                    mrc_head_at(fraction, &head, before, 1.0);
                    assert_true(fraction[MRC_TISSUE_AIR] == 1.0);
                    mrc_head_at(fraction, &head, above, 1.0);
                    assert_true(fraction[MRC_TISSUE_AIR] == 1.0);
                }
    }
}

static void test_failed_allocations_leave_no_image(void **state) {
    (void)state;
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    struct head_images h;
    enum mrc_status st;
    long failures = 0;
    o.voxel_mm[0] = o.voxel_mm[1] = 10.0;
    for (;; ++failures) {
        mrc_alloc_fail_after(failures + 1);
        st = mrc_phantom_render(h.image, &h.tissue, &o, 1, NULL);
        mrc_alloc_fail_after(0);
        if (st == MRC_OK) break;
        assert_int_equal(st, MRC_ERR_NOMEM);
        assert_null(h.tissue);
        for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) assert_null(h.image[c]);
    }
    assert_true(failures >= 2 * (MRC_PHANTOM_SEQUENCES + 1));
    clear(&h);
}

/* --- The folder --- */

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mrc_phantom_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    mrc_remove_tree(folder);
    return 0;
}

static void test_both_formats_hold_the_same_head(void **state) {
    (void)state;
    for (int plane = MRC_AXIAL; plane <= MRC_CORONAL; ++plane) {
        struct mrc_phantom_options o = coarse((enum mrc_orientation)plane);
        struct mrc_error err = {0};
        struct mrc_image_options image = MRC_IMAGE_DEFAULTS;
        char dir[96], path[160];
        image.allow_synthetic = image.labels = true;
        snprintf(dir, sizeof dir, "%s/%s", folder,
                 mrc_orientation_name((enum mrc_orientation)plane));
        assert_ok(mrc_phantom_write(dir, &o, NULL, &err), &err);
        mrc_volume *tissue = NULL, *nifti = NULL, *dicom = NULL;
        snprintf(path, sizeof path, "%s/sub-01/anat/sub-01_dseg.nii.gz", dir);
        assert_ok(mrc_image_load(&tissue, path, &image, &err), &err);
        snprintf(path, sizeof path, "%s/sub-01/anat/sub-01_T2w.nii.gz", dir);
        assert_ok(mrc_image_load(&nifti, path, &image, &err), &err);
        snprintf(path, sizeof path, "%s/sub-01/dicom/T2w", dir);
        assert_ok(mrc_image_load(&dicom, path, &image, &err), &err);
        assert_int_equal(mrc_volume_provenance(dicom)->contrast, MRC_CONTRAST_T2W);
        assert_int_equal(mrc_volume_provenance(nifti)->contrast, MRC_CONTRAST_T2W);

        double mark[3];
        marker_place(mark, tissue);
        const double mirrored[3] = {-mark[0], mark[1], mark[2]};
        assert_true(mark[0] < -70.0);
        assert_true(value_near(nifti, mark) > 1200.0f && value_near(nifti, mirrored) < 500.0f);
        assert_true(value_near(dicom, mark) > 1200.0f && value_near(dicom, mirrored) < 500.0f);
        assert_true(mrc_geometry_distance(mrc_volume_geometry(nifti), mrc_volume_geometry(dicom),
                                          mrc_volume_extent(nifti)) < 1e-3);
        assert_memory_equal(mrc_volume_voxels(nifti), mrc_volume_voxels(dicom),
                            (size_t)mrc_extent_count(mrc_volume_extent(nifti)) * sizeof(float));
        mrc_volume_destroy(tissue);
        mrc_volume_destroy(nifti);
        mrc_volume_destroy(dicom);
    }
}

static void test_the_folder_is_complete(void **state) {
    (void)state;
    static const char *const expected[] = {"dataset_description.json",
                                           "participants.tsv",
                                           "dseg.tsv",
                                           "README",
                                           "sub-01/anat/sub-01_T1w.nii.gz",
                                           "sub-01/anat/sub-01_T1w.json",
                                           "sub-01/anat/sub-01_FLAIR.nii.gz",
                                           "sub-02/anat/sub-02_dseg.nii.gz",
                                           "sub-02/dicom/PDw/IM0001.dcm",
                                           "sub-02/dicom/T1w/IM0018.dcm"};
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    struct mrc_error err = {0};
    char dir[96], path[192];
    o.subjects = 2;
    o.voxel_mm[2] = 10.0;
    snprintf(dir, sizeof dir, "%s/two", folder);
    assert_ok(mrc_phantom_write(dir, &o, NULL, &err), &err);
    for (size_t n = 0; n < sizeof expected / sizeof *expected; ++n) {
        snprintf(path, sizeof path, "%s/%s", dir, expected[n]);
        if (!mrc_path_exists(path)) fail_msg("%s is missing", expected[n]);
    }
    /* not over an existing folder, unless asked to */
    assert_int_not_equal(mrc_phantom_write(dir, &o, NULL, NULL), MRC_OK);
    o.subjects = 1;
    o.replace = true;
    assert_ok(mrc_phantom_write(dir, &o, NULL, &err), &err);
    snprintf(path, sizeof path, "%s/sub-02", dir);
    assert_false(mrc_path_exists(path));
}

static bool stop(void *context) {
    int *calls = context;
    return ++*calls == 3;
}

static void test_cancelling_leaves_nothing(void **state) {
    (void)state;
    struct mrc_phantom_options o = coarse(MRC_AXIAL);
    int calls = 0;
    struct mrc_events events = {.context = &calls, .cancelled = stop};
    struct mrc_name_list list = {0};
    struct mrc_error err = {0};
    char dir[96];
    o.voxel_mm[0] = o.voxel_mm[1] = o.voxel_mm[2] = 10.0;
    snprintf(dir, sizeof dir, "%s/empty/stopped", folder);
    *strrchr(dir, '/') = 0;
    assert_ok(mrc_make_dirs(dir, &err), &err);
    dir[strlen(dir)] = '/';
    assert_int_equal(mrc_phantom_write(dir, &o, &events, &err), MRC_ERR_CANCELLED);
    *strrchr(dir, '/') = 0;
    mrc_error_clear(&err);
    assert_ok(mrc_list_dir(&list, dir, &err), &err);
    assert_int_equal(list.count, 0);
    mrc_name_list_clear(&list);
}

static void test_bad_options_are_named(void **state) {
    (void)state;
    struct mrc_phantom_options good = MRC_PHANTOM_DEFAULTS, bad[8];
    const char *const words[] = {"0 subjects",    "1000 subjects", "41 lesions", "oblique",
                                 "voxels of 0.1", "voxels of nan", "noise -1",   "bias 2"};
    for (int n = 0; n < 8; ++n) bad[n] = good;
    bad[0].subjects = 0;
    bad[1].subjects = 1000;
    bad[2].lesions = 41;
    bad[3].acquisition = MRC_OBLIQUE;
    bad[4].voxel_mm[2] = 0.1;
    bad[5].voxel_mm[0] = (double)NAN;
    bad[6].noise = -1;
    bad[7].bias = 2;
    for (int n = 0; n < 8; ++n) {
        struct mrc_error err = {0};
        assert_int_equal(mrc_phantom_write("/nowhere/at/all", &bad[n], NULL, &err),
                         MRC_ERR_ARGUMENT);
        if (strstr(err.text, words[n]) == NULL) fail_msg("no '%s' in: %s", words[n], err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_marker_is_on_the_left_in_every_plane),
        cmocka_unit_test(test_contrasts_are_in_order),
        cmocka_unit_test(test_equations_agree_with_hand_calculation),
        cmocka_unit_test(test_noise_is_what_was_asked_for),
        cmocka_unit_test(test_seeds_and_subjects_differ_threads_do_not),
        cmocka_unit_test(test_lesions_are_counted),
        cmocka_unit_test(test_every_head_stays_in_the_box),
        cmocka_unit_test(test_failed_allocations_leave_no_image),
        cmocka_unit_test(test_both_formats_hold_the_same_head),
        cmocka_unit_test(test_the_folder_is_complete),
        cmocka_unit_test(test_cancelling_leaves_nothing),
        cmocka_unit_test(test_bad_options_are_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
