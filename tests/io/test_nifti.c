/* test_nifti.c: NIfTI written and read back: geometry of every kind of storage, headers kept bit by
 * bit, marks of what is synthetic, and failures on the way. */
#include "support.h"

#include <math.h>
#include <nifti/nifti1.h>
#include <nifti/nifti2.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "io/image.h"
#include "io/nifti/nifti_header.h"
#include "made.h"

static const struct mrc_extent EXTENT = {7, 6, 5};

/* Storage orders of one head: rows of the matrix are R, A, S. */
struct storage {
    const char *name;
    double matrix[3][4];
    enum mrc_orientation orientation;
};
static struct storage storages[] = {
    {"axial LAS", {{-2, 0, 0, 90}, {0, 1.5, 0, -126}, {0, 0, 3, -72}}, MRC_AXIAL},
    {"axial RAS", {{2, 0, 0, -90}, {0, 1.5, 0, -126}, {0, 0, 3, -72}}, MRC_AXIAL},
    {"axial LPS", {{-2, 0, 0, 90}, {0, -1.5, 0, 126}, {0, 0, 3, -72}}, MRC_AXIAL},
    {"axial, slices downwards", {{-2, 0, 0, 90}, {0, 1.5, 0, -126}, {0, 0, -3, 72}}, MRC_AXIAL},
    {"sagittal PSR", {{0, 0, 1.2, -80}, {-1, 0, 0, 100}, {0, 1, 0, -90}}, MRC_SAGITTAL},
    {"sagittal ASL", {{0, 0, -1.2, 80}, {1, 0, 0, -100}, {0, 1, 0, -90}}, MRC_SAGITTAL},
    {"coronal LSA", {{-1, 0, 0, 90}, {0, 0, 2.5, -100}, {0, 1, 0, -80}}, MRC_CORONAL},
    {"coronal RSP", {{1, 0, 0, -90}, {0, 0, -2.5, 100}, {0, 1, 0, -80}}, MRC_CORONAL},
    {"oblique 20 degrees",
     {{0.9396926208, 0, 0.3420201433, -10}, {0, 1, 0, -20}, {-0.3420201433, 0, 0.9396926208, -30}},
     MRC_OBLIQUE},
};

static void assert_same_grid(const mrc_volume *a, const mrc_volume *b, double limit_mm) {
    struct mrc_extent e = mrc_volume_extent(a), f = mrc_volume_extent(b);
    assert_true(e.i == f.i && e.j == f.j && e.k == f.k);
    double mm = mrc_geometry_distance(mrc_volume_geometry(a), mrc_volume_geometry(b), e);
    if (!(mm <= limit_mm)) fail_msg("grids lie %g mm apart", mm);
}

static void assert_same_voxels(const mrc_volume *a, const mrc_volume *b) {
    size_t count = (size_t)mrc_extent_count(mrc_volume_extent(a));
    assert_memory_equal(mrc_volume_voxels_const(a), mrc_volume_voxels_const(b),
                        count * sizeof(float));
}

static mrc_volume *load(const char *path) {
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, path, NULL, &err), &err);
    return vol;
}

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

/* --- round trips --- */

static void round_trip(struct storage *s, const char *name, int datatype) {
    struct mrc_error err = {0};
    const char *path = made_path(name);
    mrc_volume *vol = made_volume(EXTENT, s->matrix, datatype == MRC_NIFTI_UINT8 ? -310.0f : -3.0f);
    if (datatype == MRC_NIFTI_UINT8) { /* into 0 … 255 */
        for (int v = 0; v < 7 * 6 * 5; ++v) mrc_volume_voxels(vol)[v] = (float)v;
    }
    assert_ok(mrc_nifti_save(vol, path, datatype, "made by a test", &err), &err);
    mrc_volume *back = load(path);
    assert_same_grid(vol, back, 1e-4);
    assert_same_voxels(vol, back);
    assert_int_equal(mrc_geometry_orientation(mrc_volume_geometry(back)), s->orientation);
    const struct mrc_provenance *p = mrc_volume_provenance(back);
    assert_int_equal(p->kind, MRC_SOURCE_NIFTI);
    assert_int_equal(p->header_bytes, MRC_NIFTI1_BYTES);
    assert_int_equal(p->file_count, 1);
    assert_string_equal(p->files[0], path);
    mrc_volume_destroy(back);
    mrc_volume_destroy(vol);
}

static void test_round_trips(void **state) {
    (void)state;
    static const int types[] = {MRC_NIFTI_FLOAT32, MRC_NIFTI_INT16, MRC_NIFTI_UINT8};
    for (size_t s = 0; s < sizeof storages / sizeof *storages; ++s) {
        for (size_t t = 0; t < 3; ++t) {
            round_trip(&storages[s], "a.nii", types[t]);
            round_trip(&storages[s], "a.nii.gz", types[t]);
        }
    }
}

/* The qform alone must say the same as the sform. */
static void test_qform_alone(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof storages / sizeof *storages; ++s) {
        struct mrc_error err = {0};
        const char *path = made_path("q.nii");
        mrc_volume *vol = made_volume(EXTENT, storages[s].matrix, 0.0f);
        assert_ok(mrc_nifti_save(vol, path, MRC_NIFTI_FLOAT32, NULL, &err), &err);
        size_t size = 0;
        unsigned char *file = made_read(path, &size);
        struct nifti_1_header h;
        memcpy(&h, file, sizeof h);
        h.sform_code = 0;
        memset(h.srow_x, 0, sizeof h.srow_x);
        memcpy(file, &h, sizeof h);
        made_write(path, file, size);
        mrc_volume *back = load(path);
        assert_same_grid(vol, back, 1e-3);
        mrc_volume_destroy(back);
        mrc_volume_destroy(vol);
        mrc_free(file);
    }
}

static void test_deterministic(void **state) {
    (void)state;
    struct mrc_error err = {0};
    mrc_volume *vol = made_volume(EXTENT, storages[0].matrix, 0.0f);
    size_t sizes[2];
    unsigned char *files[2];
    for (int n = 0; n < 2; ++n) {
        const char *path = made_path(n == 0 ? "one.nii.gz" : "two.nii.gz");
        assert_ok(mrc_nifti_save(vol, path, MRC_NIFTI_FLOAT32, NULL, &err), &err);
        files[n] = made_read(path, &sizes[n]);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(files[0], files[1], sizes[0]);
    assert_memory_equal(files[0] + 3, "\0\0\0\0\0", 5); /* no flags (no name), no time */
    mrc_free(files[0]);
    mrc_free(files[1]);
    mrc_volume_destroy(vol);
}

static void test_values_that_do_not_fit(void **state) {
    (void)state;
    static const struct {
        float value;
        int datatype;
        enum mrc_status status;
    } cases[] = {
        {32767.4f, MRC_NIFTI_INT16, MRC_OK},     {32768.0f, MRC_NIFTI_INT16, MRC_ERR_RANGE},
        {-32768.0f, MRC_NIFTI_INT16, MRC_OK},    {-32769.0f, MRC_NIFTI_INT16, MRC_ERR_RANGE},
        {255.0f, MRC_NIFTI_UINT8, MRC_OK},       {256.0f, MRC_NIFTI_UINT8, MRC_ERR_RANGE},
        {-1.0f, MRC_NIFTI_UINT8, MRC_ERR_RANGE}, {NAN, MRC_NIFTI_INT16, MRC_ERR_RANGE},
        {NAN, MRC_NIFTI_FLOAT32, MRC_OK},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        mrc_volume *vol = made_volume((struct mrc_extent){3, 3, 3}, storages[0].matrix, 0.0f);
        for (int v = 0; v < 27; ++v) mrc_volume_voxels(vol)[v] = 1.0f;
        mrc_volume_voxels(vol)[13] = cases[c].value;
        struct mrc_error err = {0};
        const char *path = made_path("fit.nii");
        assert_int_equal(mrc_nifti_save(vol, path, cases[c].datatype, NULL, &err), cases[c].status);
        assert_int_equal(mrc_path_exists(path), cases[c].status == MRC_OK);
        mrc_remove_tree(path);
        mrc_volume_destroy(vol);
    }
}

/* --- headers made by hand --- */

static struct nifti_1_header plain_header(void) {
    struct nifti_1_header h = {.sizeof_hdr = 348,
                               .dim = {3, 4, 5, 6, 1, 1, 1, 1},
                               .datatype = MRC_NIFTI_INT16,
                               .bitpix = 16,
                               .pixdim = {1, 2, 2, 2, 1, 1, 1, 1},
                               .vox_offset = 352,
                               .xyzt_units = 2,
                               .sform_code = 1,
                               .srow_x = {2, 0, 0, 0},
                               .srow_y = {0, 2, 0, 0},
                               .srow_z = {0, 0, 2, 0},
                               .magic = "n+1"};
    return h;
}

/* A file of that header and 120 voxels 0, 1, 2 … of 16 bits. */
static const char *write_plain(const char *name, const struct nifti_1_header *h) {
    unsigned char file[352 + 240] = {0};
    memcpy(file, h, sizeof *h);
    for (int16_t v = 0; v < 120; ++v) memcpy(file + 352 + 2 * v, &v, 2);
    made_write(made_path(name), file, sizeof file);
    return made_path(name);
}

static void test_no_forms(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.sform_code = 0;
    const char *path = write_plain("formless.nii", &h);
    assert_refused(path, MRC_ERR_UNSUPPORTED, "sform_code and qform_code are 0");
    struct mrc_image_options options = {.assume_ras = true};
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, path, &options, &err), &err);
    double centre[3];
    mrc_geometry_position(centre, mrc_volume_geometry(vol), 1.5, 2.0, 2.5);
    assert_true(mrc_volume_geometry(vol)->index_to_ras_mm[0][0] == 2.0);
    for (int d = 0; d < 3; ++d) assert_true(fabs(centre[d]) < 1e-12);

    struct mrc_image_list list = {0};
    assert_ok(mrc_image_list_scan(&list, path, &err), &err);
    assert_int_equal(list.count, 1);
    assert_false(list.items[0].usable);
    assert_false(list.items[0].physical);
    mrc_image_list_clear(&list);
    mrc_volume_destroy(vol);
}

static const char *remark_of(const char *path) {
    static char remark[200];
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_image_load(&vol, path, NULL, &err), &err);
    (void)snprintf(remark, sizeof remark, "%s", mrc_volume_provenance(vol)->remark);
    mrc_volume_destroy(vol);
    return remark;
}

/* Two forms that put left on two sides: neither can be believed. */
static void test_forms_that_mirror(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.qform_code = 1;
    assert_string_equal(remark_of(write_plain("same.nii", &h)), "");
    h.pixdim[0] = -1.0f; /* z of the qform is reversed */
    assert_refused(write_plain("mirror.nii", &h), MRC_ERR_FORMAT,
                   "sform and qform mirror each other");
    h.pixdim[0] = 1.0f;
    h.srow_x[0] = -2.0f;
    assert_refused(write_plain("mirror.nii", &h), MRC_ERR_FORMAT,
                   "sform and qform mirror each other");
    h.qform_code = 0; /* the sform alone */
    assert_string_equal(remark_of(write_plain("left.nii", &h)), "");
    h.pixdim[2] = 3.0f;
    assert_non_null(strstr(remark_of(write_plain("spacing.nii", &h)),
                           "sform has voxels of 2 mm along axis 2 and pixdim of 3 mm"));
}

static void test_forms_that_disagree(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.qform_code = 1;
    h.qoffset_x = 3.0f; /* the sform says 0 */
    const char *path = write_plain("two_T1w.nii", &h);
    mrc_volume *vol = load(path);
    assert_true(mrc_volume_geometry(vol)->index_to_ras_mm[0][3] == 0.0);
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, path, &err), &err);
    assert_true(list.items[0].usable);
    assert_int_equal(list.items[0].contrast, MRC_CONTRAST_T1W);
    assert_non_null(strstr(list.items[0].reason, "differ by 3.0 mm, sform is used"));
    mrc_image_list_clear(&list);
    mrc_volume_destroy(vol);
}

static void test_shear_and_flat(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.srow_x[1] = 0.5f;
    mrc_volume *vol = load(write_plain("shear.nii", &h)); /* preprocess refuses it, not we */
    assert_true(mrc_geometry_shear(mrc_volume_geometry(vol)) > 0.2);
    mrc_volume_destroy(vol);
    h.srow_x[1] = 2.0f; /* j runs along i */
    h.srow_y[1] = 0.0f;
    assert_refused(write_plain("flat.nii", &h), MRC_ERR_FORMAT, "lie in one plane");
    h = plain_header();
    h.srow_x[0] = NAN;
    assert_refused(write_plain("nan.nii", &h), MRC_ERR_FORMAT, "finite numbers");
}

static void test_units(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.xyzt_units = 1; /* metres */
    for (int d = 1; d < 4; ++d) h.pixdim[d] = 0.002f;
    h.srow_x[0] = h.srow_y[1] = h.srow_z[2] = 0.002f;
    h.srow_z[3] = -0.05f;
    mrc_volume *vol = load(write_plain("metres.nii", &h));
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    assert_true(fabs(g->spacing_mm[0] - 2.0) < 1e-6);
    assert_true(fabs(g->index_to_ras_mm[2][3] + 50.0) < 1e-5);
    mrc_volume_destroy(vol);
}

/* What is no number is background: 0, or the least value where that is below 0. */
static void test_nan_is_background(void **state) {
    (void)state;
    mrc_volume *vol = made_volume((struct mrc_extent){3, 3, 3}, storages[0].matrix, 0.0f);
    struct mrc_error err = {0};
    for (int v = 0; v < 25; ++v) mrc_volume_voxels(vol)[v] = NAN;
    mrc_volume_voxels(vol)[25] = INFINITY;
    mrc_volume_voxels(vol)[26] = 7.0f;
    assert_ok(mrc_nifti_save(vol, made_path("nan26.nii"), MRC_NIFTI_FLOAT32, NULL, &err), &err);
    mrc_volume *back = load(made_path("nan26.nii"));
    for (int v = 0; v < 26; ++v) assert_true(mrc_volume_voxels(back)[v] == 0.0f);
    assert_true(mrc_volume_voxels(back)[26] == 7.0f);
    assert_non_null(strstr(mrc_volume_provenance(back)->remark, "26 voxels are NaN or infinite"));
    mrc_volume_destroy(back);
    mrc_volume_voxels(vol)[26] = -7.0f;
    assert_ok(mrc_nifti_save(vol, made_path("nan26.nii"), MRC_NIFTI_FLOAT32, NULL, &err), &err);
    back = load(made_path("nan26.nii"));
    for (int v = 0; v < 27; ++v) assert_true(mrc_volume_voxels(back)[v] == -7.0f);
    mrc_volume_destroy(back);
    mrc_volume_voxels(vol)[26] = NAN;
    assert_ok(mrc_nifti_save(vol, made_path("nan27.nii"), MRC_NIFTI_FLOAT32, NULL, &err), &err);
    assert_refused(made_path("nan27.nii"), MRC_ERR_UNSUPPORTED, "nearly all voxels are NaN");
    mrc_volume_destroy(vol);
}

/* Labels and probabilities under the name of a T1w; the same told by the header. */
static void test_values_tell_labels(void **state) {
    (void)state;
    static const struct {
        const char *name, *words;
        float first, second;
        int period; /* voxels of one value */
    } cases[] = {{"two_T1w.nii", "a label map by its values", 2.0f, 41.0f, 9},
                 {"binary_T1w.nii", "a label map by its values", 1.0f, 0.0f, 9},
                 {"parts_T1w.nii", "probabilities by its values", 1.0f, 0.3f, 1},
                 {"noise_T1w.nii", NULL, 100.0f, 101.0f, 1}};
    struct mrc_error err = {0};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        mrc_volume *vol = made_volume((struct mrc_extent){9, 9, 9}, storages[0].matrix, 0.0f);
        float *v = mrc_volume_voxels(vol);
        for (int i = 0; i < 729; ++i)
            v[i] = i / cases[c].period % 2 == 0 ? cases[c].first : cases[c].second;
        const char *path = made_path(cases[c].name);
        assert_ok(mrc_nifti_save(vol, path, MRC_NIFTI_FLOAT32, NULL, &err), &err);
        mrc_volume_destroy(vol);
        struct mrc_image_list list = {0};
        assert_ok(mrc_image_list_scan(&list, path, &err), &err);
        assert_int_equal(list.items[0].usable, cases[c].words == NULL);
        if (cases[c].words != NULL) {
            assert_non_null(strstr(list.items[0].reason, cases[c].words));
            assert_refused(path, MRC_ERR_UNSUPPORTED, cases[c].words);
        }
        mrc_image_list_clear(&list);
    }
    struct nifti_1_header h = plain_header();
    h.intent_code = 3;
    assert_refused(write_plain("statistics.nii", &h), MRC_ERR_UNSUPPORTED, "statistics");
    h.intent_code = 0;
    (void)snprintf(h.descrip, sizeof h.descrip, "Tissue class 1");
    assert_refused(write_plain("spm.nii", &h), MRC_ERR_UNSUPPORTED, "the map of a tissue");
}

static void test_wide_integers(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.datatype = MRC_NIFTI_UINT64;
    h.bitpix = 64;
    h.dim[1] = h.dim[2] = h.dim[3] = 3;
    unsigned char file[352 + 27 * 8] = {0};
    memcpy(file, &h, sizeof h);
    uint64_t big = UINT64_C(1) << 60;
    memcpy(file + 352 + 80, &big, 8);
    made_write(made_path("wide.nii"), file, sizeof file);
    assert_refused(made_path("wide.nii"), MRC_ERR_RANGE, "at most 2^53");
}

/* --- gzip --- */

static void write_gz(const char *path, const void *data, size_t size, size_t zeros) {
    gzFile file = gzopen(path, "wb9");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)size), (int)size);
    static const unsigned char nothing[65536];
    for (; zeros >= sizeof nothing; zeros -= sizeof nothing)
        assert_int_equal(gzwrite(file, nothing, sizeof nothing), sizeof nothing);
    assert_int_equal(gzclose(file), Z_OK);
}

static void test_bombs(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    unsigned char file[352 + 240] = {0};
    memcpy(file, &h, sizeof h);
    write_gz(made_path("long.nii.gz"), file, sizeof file, 8u << 20); /* 8 MiB behind the voxels */
    assert_refused(made_path("long.nii.gz"), MRC_ERR_RANGE, "follow the voxels");

    h.dim[1] = h.dim[2] = 512;
    h.dim[3] = 1000; /* 512 MB declared by a file of some hundred bytes */
    memcpy(file, &h, sizeof h);
    write_gz(made_path("claims.nii.gz"), file, sizeof file, 0);
    assert_refused(made_path("claims.nii.gz"), MRC_ERR_FORMAT, "can hold");
    made_write(made_path("claims.nii"), file, sizeof file);
    assert_refused(made_path("claims.nii"), MRC_ERR_FORMAT, "the file holds 592 bytes");
    h.dim[1] = h.dim[2] = h.dim[3] = 4096;
    memcpy(file, &h, sizeof h);
    made_write(made_path("claims.nii"), file, sizeof file);
    assert_refused(made_path("claims.nii"), MRC_ERR_RANGE, "2^29 voxels");
}

static void test_every_truncation(void **state) {
    (void)state;
    struct mrc_error err = {0};
    mrc_volume *vol = made_volume(EXTENT, storages[0].matrix, 0.0f);
    assert_ok(mrc_nifti_save(vol, made_path("w.nii.gz"), MRC_NIFTI_FLOAT32, NULL, &err), &err);
    size_t size = 0;
    unsigned char *file = made_read(made_path("w.nii.gz"), &size);
    for (size_t cut = 0; cut < size; cut += cut + 20 < size ? 17 : 1) {
        made_write(made_path("cut.nii.gz"), file, cut);
        mrc_volume *back = NULL;
        enum mrc_status st = mrc_image_load(&back, made_path("cut.nii.gz"), NULL, &err);
        assert_int_equal(st, MRC_ERR_FORMAT);
        assert_non_null(strstr(err.text, "cut.nii.gz"));
        assert_null(back);
        mrc_error_clear(&err);
    }
    mrc_free(file);
    mrc_volume_destroy(vol);
}

/* --- derived --- */

static void test_derived_keeps_header(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.qform_code = 3; /* values no two writers would compute alike */
    h.sform_code = 4;
    h.quatern_b = 0.1234567f;
    h.qoffset_y = -17.77777f;
    h.pixdim[0] = -1.0f;
    h.srow_z[2] = -2.0f; /* left-handed, both */
    h.pixdim[2] = 2.0000002f;
    h.srow_x[3] = 1.0f / 3.0f;
    h.xyzt_units = 10;
    h.scl_slope = 0.5f;
    h.cal_max = 77.0f;
    h.intent_code = 2016;
    (void)snprintf(h.descrip, sizeof h.descrip, "DOE^JANE");
    (void)snprintf(h.aux_file, sizeof h.aux_file, "doe.txt");
    (void)snprintf(h.db_name, sizeof h.db_name, "doe");
    mrc_volume *source = load(write_plain("source_T1w.nii", &h));
    mrc_volume *result = made_result(source);
    struct mrc_error err = {0};
    const char *path = made_path("result.nii.gz");
    assert_ok(mrc_nifti_save_derived(result, source, &made_derivation, path, &err), &err);

    unsigned char raw[352 + 4 * 120];
    gzFile file = gzopen(path, "rb");
    assert_int_equal(gzread(file, raw, sizeof raw), sizeof raw);
    assert_int_equal(gzclose(file), Z_OK);
    struct nifti_1_header out;
    memcpy(&out, raw, sizeof out);
    assert_int_equal(out.qform_code, 3);
    assert_int_equal(out.sform_code, 4);
    assert_memory_equal(&out.quatern_b, &h.quatern_b, 6 * sizeof(float));
    assert_memory_equal(out.srow_x, h.srow_x, 12 * sizeof(float));
    assert_memory_equal(out.pixdim, h.pixdim, 4 * sizeof(float));
    assert_int_equal(out.xyzt_units, 10);
    assert_int_equal(out.datatype, MRC_NIFTI_FLOAT32);
    assert_true(out.scl_slope == 1.0f && out.scl_inter == 0.0f && out.cal_max == 1.0f);
    assert_int_equal(out.intent_code, 0);
    assert_string_equal(out.descrip, "synthetic T2w from T1w (mrcycle 0.1.0), not acquired");
    struct mrc_image_list list = {0};
    assert_ok(mrc_image_list_scan(&list, path, &err), &err);
    assert_int_equal(list.items[0].contrast, MRC_CONTRAST_T2W); /* told, and no input for that */
    assert_true(list.items[0].synthetic && list.items[0].unweighted && !list.items[0].usable);
    mrc_image_list_clear(&list);
    assert_string_equal(out.aux_file, "");
    assert_string_equal(out.db_name, "");
    assert_memory_equal(raw + 348, "\0\0\0\0", 4);
    assert_memory_equal(raw + 352, mrc_volume_voxels_const(result), 4 * 120);

    /* What we wrote is known as synthetic again, by the header and by the sidecar. */
    assert_refused(path, MRC_ERR_UNSUPPORTED, "marked as synthetic");
    struct mrc_image_options options = {.allow_synthetic = true};
    mrc_volume *back = NULL;
    assert_ok(mrc_image_load(&back, path, &options, &err), &err);
    assert_same_grid(source, back, 0.0);
    assert_same_voxels(result, back);
    size_t size = 0;
    unsigned char *json = made_read(made_path("result.json"), &size);
    assert_non_null(strstr((char *)json, "\"SyntheticData\":\ttrue"));
    assert_non_null(strstr((char *)json, "\"SourceFormat\":\t\"nifti\""));
    assert_non_null(strstr((char *)json, "\"SourceFileCount\":\t1"));
    assert_null(
        strstr((char *)json, "source_T1w")); /* names of files are often names of patients */
    assert_null(strstr((char *)json, made_dir()));
    assert_null(strstr((char *)json, "DOE"));
    mrc_free(json);

    /* A sidecar that cannot be written stops the image too. */
    assert_ok(mrc_make_dirs(made_path("blocked.json"), &err), &err);
    assert_int_equal(
        mrc_nifti_save_derived(result, source, &made_derivation, made_path("blocked.nii"), &err),
        MRC_ERR_WRITE);
    assert_false(mrc_path_exists(made_path("blocked.nii")));
    mrc_volume_destroy(back);
    mrc_volume_destroy(result);
    mrc_volume_destroy(source);
}

static void test_derived_second_version(void **state) {
    (void)state;
    struct nifti_2_header h = {.sizeof_hdr = 540,
                               .magic = "n+2\0\r\n\032",
                               .dim = {3, 4, 5, 6, 1, 1, 1, 1},
                               .datatype = MRC_NIFTI_FLOAT64,
                               .bitpix = 64,
                               .pixdim = {1, 1.0 / 3.0, 2, 2, 1, 1, 1, 1},
                               .vox_offset = 544,
                               .xyzt_units = 2,
                               .sform_code = 2,
                               .srow_x = {1.0 / 3.0, 0, 0, 0.1},
                               .srow_y = {0, 2, 0, 0.2},
                               .srow_z = {0, 0, 2, 0.3}};
    h.magic[7] = '\n';
    unsigned char file[544 + 120 * 8] = {0};
    memcpy(file, &h, sizeof h);
    made_write(made_path("second.nii"), file, sizeof file);
    mrc_volume *source = load(made_path("second.nii")), *result = made_result(source);
    assert_int_equal(mrc_volume_provenance(source)->header_bytes, MRC_NIFTI2_BYTES);
    struct mrc_error err = {0};
    assert_ok(mrc_nifti_save_derived(result, source, &made_derivation, made_path("r2.nii"), &err),
              &err);
    size_t size = 0;
    unsigned char *raw = made_read(made_path("r2.nii"), &size);
    assert_int_equal(size, 544 + 120 * 4);
    struct nifti_2_header out;
    memcpy(&out, raw, sizeof out);
    assert_memory_equal(out.magic, h.magic, 8);
    assert_memory_equal(out.srow_x, h.srow_x, 12 * sizeof(double));
    assert_memory_equal(out.pixdim, h.pixdim, 4 * sizeof(double));
    mrc_free(raw);
    mrc_volume_destroy(result);
    mrc_volume_destroy(source);
}

/* Another grid than the source's: forms of its own, in the source's coordinates. */
static void test_derived_other_grid(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.sform_code = 4;
    mrc_volume *source = load(write_plain("mni.nii", &h));
    double matrix[3][4] = {{-4, 0, 0, 8}, {0, 4, 0, -9}, {0, 0, 2, 0}};
    mrc_volume *result = made_volume((struct mrc_extent){4, 4, 6}, matrix, 0.0f);
    struct mrc_error err = {0};
    struct mrc_image_options options = {.allow_synthetic = true};
    mrc_volume *back = NULL;
    const char *path = made_path("grid.nii.gz");
    assert_ok(mrc_nifti_save_derived(result, source, &made_derivation, path, &err), &err);
    assert_ok(mrc_image_load(&back, path, &options, &err), &err);
    assert_same_grid(result, back, 1e-4);
    struct nifti_1_header out;
    memcpy(&out, mrc_volume_provenance(back)->header, sizeof out);
    assert_int_equal(out.sform_code, 4);
    assert_int_equal(out.qform_code, 4);
    mrc_volume_destroy(back);
    mrc_volume_destroy(result);
    mrc_volume_destroy(source);
}

/* Two bytes a voxel, whose slope gives back the values to half a step, and 0 and 1 exactly. */
static void test_derived_as_whole_numbers(void **state) {
    (void)state;
    double matrix[3][4] = {{-4, 0, 0, 8}, {0, 4, 0, -9}, {0, 0, 2, 0}};
    const struct mrc_extent e = {11, 10, 10};
    mrc_volume *result = made_volume(e, matrix, 0.0f), *back = NULL;
    struct mrc_derivation derivation = made_derivation;
    struct mrc_image_options options = {.allow_synthetic = true};
    struct mrc_error err = {0};
    const char *path = made_path("whole.nii");
    const int64_t count = mrc_extent_count(e);
    for (int64_t v = 0; v < count; ++v)
        mrc_volume_voxels(result)[v] = (float)v / (float)(count - 1);
    derivation.int16 = true;
    assert_ok(mrc_nifti_save_derived(result, NULL, &derivation, path, &err), &err);
    assert_ok(mrc_image_load(&back, path, &options, &err), &err);
    struct nifti_1_header out;
    memcpy(&out, mrc_volume_provenance(back)->header, sizeof out);
    assert_true(out.datatype == 4 && out.bitpix == 16 && out.scl_inter == 0.0f);
    assert_true(fabs((double)out.scl_slope * 32767.0 - 1.0) < 1e-6 && out.cal_max == 1.0f);
    for (int64_t v = 0; v < count; ++v)
        assert_true(fabs((double)mrc_volume_voxels(back)[v] -
                         (double)mrc_volume_voxels(result)[v]) < 0.51 / 32767.0);
    assert_true(mrc_volume_voxels(back)[0] == 0.0f);
    assert_true(fabs((double)mrc_volume_voxels(back)[count - 1] - 1.0) < 1e-6);
    mrc_volume_destroy(back);
    mrc_volume_destroy(result);
}

static void test_pictures_have_no_forms(void **state) {
    (void)state;
    mrc_volume *stack = made_volume(EXTENT, NULL, 0.0f);
    struct mrc_error err = {0};
    const char *path = made_path("stack.nii");
    assert_ok(mrc_nifti_save_derived(stack, NULL, &made_derivation, path, &err), &err);
    struct mrc_image_options options = {.allow_synthetic = true};
    mrc_volume *back = NULL;
    assert_int_equal(mrc_image_load(&back, path, &options, &err), MRC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "sform_code and qform_code are 0"));
    mrc_volume_destroy(stack);
}

/* --- marks --- */

static void test_sidecar_marks(void **state) {
    (void)state;
    static const struct {
        const char *json;
        bool synthetic;
    } cases[] = {
        {"{\"SyntheticData\": true}", true},
        {"{\"SyntheticData\": \"YES\"}", true},
        {"{\"SyntheticData\": false}", false},
        {"{\"Manufacturer\": \"synthetic\"}", false},
        {"{\"SyntheticData\": tr", false}, /* broken: says nothing */
        {"[[[[[[[[", false},
        {"", false},
    };
    struct nifti_1_header h = plain_header();
    const char *path = write_plain("marked.nii", &h);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        made_write(made_path("marked.json"), cases[c].json, strlen(cases[c].json));
        struct mrc_image_list list = {0};
        struct mrc_error err = {0};
        assert_ok(mrc_image_list_scan(&list, path, &err), &err);
        assert_int_equal(list.items[0].synthetic, cases[c].synthetic);
        assert_int_equal(list.items[0].usable, !cases[c].synthetic);
        mrc_image_list_clear(&list);
    }
}

static void test_label_maps(void **state) {
    (void)state;
    struct nifti_1_header h = plain_header();
    h.intent_code = 1002;
    assert_refused(write_plain("labels_by_code.nii", &h), MRC_ERR_UNSUPPORTED, "a label map");
}

/* --- failures on the way --- */

/* A limit on the size of files stands for a disk that is full in the middle of a write. */
static void test_full_disk(void **state) {
    (void)state;
    mrc_volume *vol = made_volume((struct mrc_extent){40, 40, 40}, storages[0].matrix, 0.0f);
    struct mrc_error err = {0};
    static const char *const names[] = {"full.nii", "full.nii.gz"};
    for (int n = 0; n < 2; ++n) {
        const char *path = made_path(names[n]);
        made_limit_files(8192);
        enum mrc_status plain = mrc_nifti_save(vol, path, MRC_NIFTI_FLOAT32, NULL, &err);
        mrc_error_clear(&err);
        enum mrc_status derived = mrc_nifti_save_derived(vol, NULL, &made_derivation, path, &err);
        made_limit_files(0);
        assert_int_equal(plain, MRC_ERR_WRITE);
        assert_int_equal(derived, MRC_ERR_WRITE);
        assert_non_null(strstr(err.text, names[n]));
        mrc_error_clear(&err);
    }
    struct mrc_name_list left = {0};
    assert_ok(mrc_list_dir(&left, made_dir(), &err), &err);
    for (size_t f = 0; f < left.count; ++f) assert_null(strstr(left.names[f], "full"));
    mrc_name_list_clear(&left);
    mrc_volume_destroy(vol);
}

static void test_names(void **state) {
    (void)state;
    mrc_volume *vol = made_volume((struct mrc_extent){3, 3, 3}, storages[0].matrix, 0.0f);
    struct mrc_error err = {0};
    assert_int_equal(mrc_nifti_save(vol, made_path("a.img"), MRC_NIFTI_FLOAT32, NULL, &err),
                     MRC_ERR_ARGUMENT);
    assert_false(mrc_path_exists(made_path("a.img")));
    mrc_error_clear(&err);
    assert_int_equal(mrc_nifti_save(vol, made_path("no/a.nii"), MRC_NIFTI_FLOAT32, NULL, &err),
                     MRC_ERR_WRITE);
    mrc_volume_destroy(vol);
}

static enum mrc_status load_once(const char *path) {
    mrc_volume *vol = NULL;
    enum mrc_status st = mrc_image_load(&vol, path, NULL, NULL);
    mrc_volume_destroy(vol);
    return st;
}

static enum mrc_status scan_once(const char *path) {
    struct mrc_image_list list = {0};
    enum mrc_status st = mrc_image_list_scan(&list, path, NULL);
    mrc_image_list_clear(&list);
    return st;
}

static void test_allocation_failures(void **state) {
    (void)state;
    enum mrc_status st;
    struct nifti_1_header h = plain_header();
    const char *path = write_plain("memory.nii", &h);
    MRC_TRY_EVERY_FAILURE(st, load_once(path));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, scan_once(path));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, scan_once(made_dir()));
    assert_int_equal(st, MRC_OK);
    mrc_volume *source = load(path);
    const char *result = made_path("memory_out.nii.gz");
    MRC_TRY_EVERY_FAILURE(st, mrc_nifti_save(source, result, MRC_NIFTI_INT16, NULL, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st,
                          mrc_nifti_save_derived(source, source, &made_derivation, result, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(source);
}

static int clear(void **state) {
    (void)state;
    made_clear();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_qform_alone),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_values_that_do_not_fit),
        cmocka_unit_test(test_no_forms),
        cmocka_unit_test(test_forms_that_mirror),
        cmocka_unit_test(test_forms_that_disagree),
        cmocka_unit_test(test_shear_and_flat),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_nan_is_background),
        cmocka_unit_test(test_values_tell_labels),
        cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_derived_keeps_header),
        cmocka_unit_test(test_derived_second_version),
        cmocka_unit_test(test_derived_other_grid),
        cmocka_unit_test(test_derived_as_whole_numbers),
        cmocka_unit_test(test_pictures_have_no_forms),
        cmocka_unit_test(test_sidecar_marks),
        cmocka_unit_test(test_label_maps),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
