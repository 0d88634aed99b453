/* test_simulate.c: computed heads: label maps that cannot be used, anatomy without folds, images
 * against the closed formula, the same bytes whatever the threads and wherever the slice. */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/heads/grid.h"
#include "app/heads/head.h"
#include "app/heads/library.h"
#include "app/heads/phantom_image.h"
#include "app/heads/source.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "io/dicom/derived.h"

#define DIR_NAME "test_simulate.tmp"
#define MAP      DIR_NAME "/map.nii.gz"
#define TABLE    DIR_NAME "/dseg.tsv"

enum { NIFTI_FLOAT = 16, NIFTI_UINT8 = 2 };

/* The generated head's own tissues are the label map of these tests. */
static int make_map(void **state) {
    struct mrc_phantom_options o = MRC_PHANTOM_DEFAULTS;
    mrc_volume *image[MRC_PHANTOM_SEQUENCES], *tissue = NULL;
    struct mrc_error err = {0};
    struct mrc_text text = {0};
    (void)state;
    for (int a = 0; a < 3; ++a) o.voxel_mm[a] = 2.9;
    assert_ok(mrc_phantom_render(image, &tissue, &o, 1, &err), &err);
    for (int c = 0; c < MRC_PHANTOM_SEQUENCES; ++c) mrc_volume_destroy(image[c]);
    assert_ok(mrc_make_dirs(DIR_NAME, &err), &err);
    assert_ok(mrc_nifti_save(tissue, MAP, NIFTI_UINT8, "labels", &err), &err);
    mrc_volume_destroy(tissue);
    mrc_text_appendf(&text, "index\tname\tabbreviation\n");
    for (int t = 0; t < MRC_TISSUES; ++t)
        mrc_text_appendf(&text, "%d\t%s\t-\n", t, mrc_tissue_name((enum mrc_tissue)t));
    assert_ok(mrc_write_file(TABLE, text.data, text.size, &err), &err);
    mrc_text_clear(&text);
    return 0;
}

static int remove_map(void **state) {
    (void)state;
    mrc_remove_tree(DIR_NAME);
    return 0;
}

static void open_library(struct mrc_sim_library *l) {
    static const char *const paths[] = {MAP};
    static const bool wanted[] = {true};
    struct mrc_error err = {0};
    assert_ok(mrc_sim_library_open(l, paths, 1, TABLE, &err), &err);
    assert_ok(mrc_sim_library_read(l, wanted, &err), &err);
}

static void set(struct mrc_sim_config *c, enum mrc_sim_key key, double value) {
    c->lo[key] = c->hi[key] = value;
}

/* --- Label maps that cannot be used --- */

static void expect_refused(float value, enum mrc_status status, const char *words) {
    const char *path = DIR_NAME "/bad.nii.gz";
    mrc_volume *vol = NULL;
    struct mrc_sim_map *map = NULL;
    struct mrc_error err = {0};
    double m[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    struct mrc_geometry g;
    assert_ok(mrc_geometry_from_ras(&g, m, "test", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){9, 9, 9}, &g, &err), &err);
    mrc_volume_voxels(vol)[364] = value;
    assert_ok(mrc_nifti_save(vol, path, NIFTI_FLOAT, "labels", &err), &err);
    assert_int_equal(mrc_sim_map_load(&map, path, NULL, &err), status);
    assert_null(map);
    if (strstr(err.text, words) == NULL || strstr(err.text, path) != err.text)
        fail_msg("'%s' does not say '%s'", err.text, words);
    mrc_volume_destroy(vol);
}

static void test_bad_maps_are_refused(void **state) {
    (void)state;
    expect_refused(2.5f, MRC_ERR_UNSUPPORTED, "a value of 2.5, expected whole labels");
    expect_refused(-3.0f, MRC_ERR_UNSUPPORTED, "a value of -3, expected labels from 0");
    expect_refused(999.0f, MRC_ERR_UNSUPPORTED, "label 999, which neither");
    expect_refused(0.0f, MRC_ERR_UNSUPPORTED, "nothing but air");
    expect_refused(2.0f, MRC_ERR_UNSUPPORTED, "no brain: 0 cm3 of white matter");
}

static void test_bad_tables_are_refused(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {{"1 white\n", ":1: no tab"},
                 {"index\tname\nx\twhite matter\n", ":2: no label number"},
                 {"1\tcheese\n", ":1: no tissue 'cheese'"},
                 {"1\tfat\n1\tmuscle\n", ":2: label 1 stands there twice"},
                 {"# nothing\n", "no labels"}};
    (void)state;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; ++n) {
        struct mrc_sim_table table;
        struct mrc_error err = {0};
        assert_ok(mrc_write_file(DIR_NAME "/bad.tsv", cases[n].text, strlen(cases[n].text), &err),
                  &err);
        assert_int_equal(mrc_sim_table_load(&table, DIR_NAME "/bad.tsv", &err), MRC_ERR_FORMAT);
        if (strstr(err.text, cases[n].words) == NULL) fail_msg("%s", err.text);
        mrc_sim_table_clear(&table);
    }
}

/* --- Anatomy --- */

/* Determinant of the map's derivative inside a cell, by differences of what rendering reads. */
static double volume_change(float *const x[3], const struct mrc_sim_lattice *l,
                            const struct mrc_sim_map *map, struct mrc_rng *rng) {
    float at[3];
    double d[3][3];
    for (int a = 0; a < 3; ++a) at[a] = (float)(mrc_rng_uniform(rng) * (l->n[a] - 1.01));
    for (int a = 0; a < 3; ++a) {
        const float cell = floorf(at[a]);
        float lo[3] = {at[0], at[1], at[2]}, hi[3] = {at[0], at[1], at[2]};
        lo[a] = cell;
        hi[a] = cell + 1.0f;
        for (int r = 0; r < 3; ++r)
            d[r][a] = (double)(mrc_grid_sample_float(x[r], l->n, hi) -
                               mrc_grid_sample_float(x[r], l->n, lo)) *
                      map->spacing_mm[r] / l->step_mm[a];
    }
    return d[0][0] * (d[1][1] * d[2][2] - d[1][2] * d[2][1]) -
           d[0][1] * (d[1][0] * d[2][2] - d[1][2] * d[2][0]) +
           d[0][2] * (d[1][0] * d[2][1] - d[1][1] * d[2][0]);
}

static void test_nothing_is_folded(void **state) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    int made_smaller = 0;
    (void)state;
    open_library(&l);
    mrc_sim_config_init(&config);
    set(&config, MRC_SIM_LESIONS_RANGE, 1.0);
    for (uint64_t n = 0; n < 10; ++n) {
        struct mrc_sim_head h;
        struct mrc_error err = {0};
        if (n >= 6) set(&config, MRC_SIM_COARSE_RANGE, (double)n + 2.0); /* far too much */
        if (n >= 6) set(&config, MRC_SIM_VENTRICLE_MM_RANGE, 10.0);
        assert_ok(mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 1, n, -1, &err), &err);
        assert_ok(mrc_sim_head_prepare(&h, 0, h.scan.grid.n[2] - 1, &err), &err);
        assert_true(mrc_sim_anatomy_least_stretch(h.channel, &h.anatomy, h.map, &h.lattice,
                                                  h.scan.grid.axis) > 0.0);
        for (int k = 0; k < 1000; ++k) {
            const double change = volume_change(h.channel, &h.lattice, h.map, &rng);
            const int odd = h.scan.grid.plane != MRC_AXIAL && h.scan.grid.plane != MRC_SAGITTAL;
            assert_true((h.anatomy.mirrored ? -change : change) * (odd ? -1.0 : 1.0) > 0.0);
        }
        made_smaller += h.deformation_kept < 1.0;
        mrc_sim_head_clear(&h);
    }
    assert_true(made_smaller > 0); /* or the test never met a fold */
    mrc_sim_library_clear(&l);
}

static void test_a_fold_is_seen(void **state) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    struct mrc_sim_head h;
    struct mrc_error err = {0};
    (void)state;
    open_library(&l);
    mrc_sim_config_init(&config);
    assert_ok(mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 1, 1, -1, &err), &err);
    assert_ok(mrc_sim_head_prepare(&h, 0, h.scan.grid.n[2] - 1, &err), &err);
    const size_t middle =
        mrc_grid_at(h.lattice.n, h.lattice.n[0] / 2, h.lattice.n[1] / 2, h.lattice.n[2] / 2);
    h.channel[0][middle] += 30.0f;
    assert_true(mrc_sim_anatomy_least_stretch(h.channel, &h.anatomy, h.map, &h.lattice,
                                              h.scan.grid.axis) < 0.0);
    mrc_sim_head_clear(&h);
    mrc_sim_library_clear(&l);
}

/* --- Images --- */

/* A scanner without faults, and tissues without texture. */
static void make_perfect(struct mrc_sim_config *c) {
    static const enum mrc_sim_key none[] = {
        MRC_SIM_NOISE_RANGE,   MRC_SIM_BLUR_RANGE,     MRC_SIM_BIAS_RANGE,
        MRC_SIM_TEXTURE_RANGE, MRC_SIM_STRONG_RANGE,   MRC_SIM_CURVED_RANGE,
        MRC_SIM_BRIGHT_RANGE,  MRC_SIM_RINGING_RANGE,  MRC_SIM_GHOST_RANGE,
        MRC_SIM_STRIP_RANGE,   MRC_SIM_LESIONS_RANGE,  MRC_SIM_PULSATION_RANGE,
        MRC_SIM_MASKED_RANGE,  MRC_SIM_FAT_SHIFT_RANGE};
    mrc_sim_config_init(c);
    for (size_t n = 0; n < sizeof none / sizeof none[0]; ++n) set(c, none[n], 0.0);
    set(c, MRC_SIM_CUBE_RANGE, 2.0);
    for (int p = 0; p < 4; ++p)
        set(c, (enum mrc_sim_key)(MRC_SIM_AXIAL_RANGE + p), p == 3 ? 1.0 : 0.0);
}

/* All slices of one head. */
struct images {
    float *image[MRC_SIM_CONTRASTS], *tissue, *lesion;
    size_t slice, count;
};

static void render_all(struct images *m, struct mrc_sim_head *h, int first, int last) {
    struct mrc_error err = {0};
    mrc_sim_scratch *scratch = NULL;
    const int *n = h->scan.grid.n;
    assert_ok(mrc_sim_head_prepare(h, first, last, &err), &err);
    assert_ok(mrc_sim_scratch_create(&scratch, h, &err), &err);
    m->slice = (size_t)n[0] * (size_t)n[1];
    m->count = m->slice * (size_t)(last - first + 1);
    float *all = mrc_alloc((MRC_SIM_CONTRASTS + 2) * m->count, sizeof *all);
    assert_non_null(all);
    for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) m->image[c] = all + (size_t)c * m->count;
    m->tissue = all + MRC_SIM_CONTRASTS * m->count;
    m->lesion = m->tissue + m->count;
    for (int k = first; k <= last; ++k) {
        const size_t at = (size_t)(k - first) * m->slice;
        float *image[MRC_SIM_CONTRASTS];
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) image[c] = m->image[c] + at;
        mrc_sim_head_render(h, k, scratch, image, m->tissue + at, m->lesion + at);
    }
    mrc_sim_scratch_destroy(scratch);
}

/* Is all around, two voxels far, of the same tissue? */
static bool is_pure(const struct images *m, const int n[3], size_t v) {
    const int at[3] = {(int)(v % (size_t)n[0]), (int)(v / (size_t)n[0] % (size_t)n[1]),
                       (int)(v / m->slice)};
    for (int a = 0; a < 3; ++a)
        if (at[a] < 2 || at[a] + 2 >= n[a]) return false;
    for (int k = -2; k <= 2; ++k)
        for (int j = -2; j <= 2; ++j)
            for (int i = -2; i <= 2; ++i)
                if (m->tissue[mrc_grid_at(n, at[0] + i, at[1] + j, at[2] + k)] != m->tissue[v])
                    return false;
    return true;
}

static void test_means_are_the_formula(void **state) {
    static const double none[3] = {0, 0, 0};
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    int tissues = 0;
    (void)state;
    open_library(&l);
    make_perfect(&config);
    for (uint64_t number = 0; number < 2; ++number) {
        struct mrc_sim_head h;
        struct images m;
        struct mrc_error err = {0};
        double sum[MRC_SIM_TISSUES][MRC_SIM_CONTRASTS] = {{0}}, count[MRC_SIM_TISSUES] = {0};
        assert_ok(mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 3, number, -1, &err), &err);
        render_all(&m, &h, 0, h.scan.grid.n[2] - 1);
        for (size_t v = 0; v < m.count; ++v) {
            const int t = (int)m.tissue[v];
            if (!is_pure(&m, h.scan.grid.n, v)) continue;
            count[t] += 1.0;
            for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) sum[t][c] += (double)m.image[c][v];
        }
        for (int t = 0; t < MRC_SIM_TISSUES; ++t) {
            if (count[t] < 8.0) continue;
            ++tissues;
            for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
                double brightest = 0.0;
                const enum mrc_sim_tissue among[] = {MRC_SIM_WHITE, MRC_SIM_CORTEX,
                                                     MRC_SIM_VENTRICLE};
                for (int b = 0; b < 3; ++b)
                    brightest =
                        fmax(brightest, fabs(mrc_sim_tissue_signal(&h.physics, among[b], c, none)));
                const double formula =
                    1000.0 / brightest *
                    fabs(mrc_sim_tissue_signal(&h.physics, (enum mrc_sim_tissue)t, c, none));
                if (fabs(sum[t][c] / count[t] - formula) > 1.0 + 0.01 * formula)
                    fail_msg("%s of contrast %d: %g, expected %g", mrc_sim_tissues[t].name, c,
                             sum[t][c] / count[t], formula);
            }
        }
        mrc_free(m.image[0]);
        mrc_sim_head_clear(&h);
    }
    assert_true(tissues >= 10);
    mrc_sim_library_clear(&l);
}

static void test_lesions_are_where_their_mask_is(void **state) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    (void)state;
    open_library(&l);
    make_perfect(&config);
    set(&config, MRC_SIM_CUBE_RANGE, 3.0);
    set(&config, MRC_SIM_LESIONS_RANGE, 1.0);
    for (int kind = 0; kind < MRC_SIM_LESION_KINDS - 1; ++kind) {
        struct mrc_sim_head h;
        struct images m;
        struct mrc_error err = {0};
        size_t ill = 0;
        for (int k = 0; k < MRC_SIM_LESION_KINDS - 1; ++k)
            set(&config, (enum mrc_sim_key)(MRC_SIM_HYPERINTENSITIES_RANGE + k), k == kind);
        assert_ok(mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 4, 7, -1, &err), &err);
        assert_int_equal(h.lesion, kind + 1);
        render_all(&m, &h, 0, h.scan.grid.n[2] - 1);
        for (size_t v = 0; v < m.count; ++v) {
            ill += m.lesion[v] == 1.0f;
            if (m.lesion[v] == 0.0f && mrc_sim_tissues[(int)m.tissue[v]].lesion)
                assert_true(m.tissue[v] != 0.0f); /* fewer than half of the samples */
        }
        assert_true(ill > 5 && ill < m.count / 10);
        mrc_free(m.image[0]);
        mrc_sim_head_clear(&h);
    }
    mrc_sim_library_clear(&l);
}

/* A slice by itself has the tissues it has in the whole. */
static void test_a_slice_is_the_slice_of_the_whole(void **state) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    struct mrc_sim_head h;
    struct images whole, one;
    struct mrc_error err = {0};
    size_t differ = 0;
    (void)state;
    open_library(&l);
    mrc_sim_config_init(&config);
    set(&config, MRC_SIM_PIXEL_RANGE, 2.0);
    set(&config, MRC_SIM_CUBE_RANGE, 3.0);
    assert_ok(mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 1, 5, -1, &err), &err);
    const int last = h.scan.grid.n[2] - 1, k = last / 2;
    render_all(&whole, &h, 0, last);
    render_all(&one, &h, k, k);
    for (size_t p = 0; p < one.slice; ++p)
        differ += one.tissue[p] != whole.tissue[(size_t)k * whole.slice + p];
    assert_true(differ < one.slice / 50); /* the lattices differ, by less than a voxel */
    mrc_free(whole.image[0]);
    mrc_free(one.image[0]);
    mrc_sim_head_clear(&h);
    mrc_sim_library_clear(&l);
}

/* Where there is no data: the procedural head, with its pallidum, without its marker. */
static void test_generated_maps(void **state) {
    static const char *const paths[] = {"phantom:3"}, *const bad[] = {"phantom:x"};
    struct mrc_sim_library l;
    const bool wanted[] = {true};
    struct mrc_error err = {0};
    size_t count[MRC_SIM_CODES] = {0};
    (void)state;
    assert_ok(mrc_sim_library_open(&l, paths, 1, NULL, &err), &err);
    assert_ok(mrc_sim_library_read(&l, wanted, &err), &err);
    for (size_t v = 0; v < mrc_grid_count(l.map[0]->n); ++v) ++count[l.map[0]->code[v] & 0x7f];
    assert_true(count[MRC_SIM_PALLIDUM] > 100);
    assert_true(count[MRC_SIM_WHITE] > 50000 && count[MRC_SIM_LENS] > 0);
    mrc_sim_library_clear(&l);
    assert_int_equal(mrc_sim_library_open(&l, bad, 1, NULL, &err), MRC_ERR_ARGUMENT);
    mrc_sim_library_clear(&l);
}

/* --- Samples --- */

enum { SIDE = 64, PIXELS = SIDE * SIDE, SAMPLES = 6 };

static void set_samples(struct mrc_sim_sample s[SAMPLES], float *values) {
    for (int n = 0; n < SAMPLES; ++n) {
        float *own = values + n * 6 * PIXELS;
        s[n] = (struct mrc_sim_sample){.tissue = own + 4 * PIXELS, .lesion = own + 5 * PIXELS};
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) s[n].image[c] = own + c * PIXELS;
    }
}

/* The same whatever the order, the threads and what was asked before; of the planes asked for. */
static void test_samples_depend_on_their_number_alone(void **state) {
    static const char *const paths[] = {MAP};
    static float all[SAMPLES * 6 * PIXELS], one[SAMPLES * 6 * PIXELS];
    struct mrc_sim_sample batch[SAMPLES], single[SAMPLES];
    struct mrc_sim_source_options o;
    mrc_sim_source *source = NULL;
    struct mrc_error err = {0};
    unsigned planes = 0;
    (void)state;
    mrc_sim_source_options_init(&o);
    o.maps = paths;
    o.map_count = 1;
    o.table = TABLE;
    o.planes = 1u << MRC_SAGITTAL | 1u << MRC_CORONAL;
    assert_ok(mrc_sim_source_create(&source, &o, &err), &err);
    set_samples(batch, all);
    set_samples(single, one);
    assert_ok(mrc_sim_source_fetch_batch(source, batch, SAMPLES, 100, &err), &err);
    for (int n = SAMPLES - 1; n >= 0; --n) {
        assert_ok(mrc_sim_source_fetch(source, &single[n], 100 + (uint64_t)n, &err), &err);
        planes |= 1u << single[n].plane;
    }
    assert_memory_equal(all, one, sizeof all);
    assert_int_equal(planes, o.planes);
    for (int n = 0; n < SAMPLES; ++n) {
        double brain = 0.0, sum = 0.0;
        for (int p = 0; p < PIXELS; ++p) {
            for (int c = 0; c < MRC_SIM_CONTRASTS; ++c)
                assert_true(batch[n].image[c][p] >= 0.0f && batch[n].image[c][p] <= 1.0f);
            if ((int)batch[n].tissue[p] != MRC_SIM_WHITE) continue;
            brain += 1.0;
            sum += (double)batch[n].image[0][p];
        }
        if (brain > 100.0) assert_true(sum / brain > 0.5); /* white matter is bright in T1w */
    }
    mrc_sim_source_destroy(source);
}

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The median of an image where the tissue fills a pixel and those around it; -1: hardly anywhere. */
static double level_of(const float *image, const float *tissue, enum mrc_sim_tissue wanted) {
    static float found[PIXELS];
    size_t count = 0;
    for (int p = 65; p < PIXELS - 65; ++p) {
        bool inside = true;
        for (int a = -1; a <= 1; ++a)
            for (int b = -1; b <= 1; ++b) inside &= (int)tissue[p + 64 * a + b] == (int)wanted;
        if (inside) found[count++] = image[p];
    }
    if (count < 20) return -1.0;
    qsort(found, count, sizeof *found, ascending);
    return (double)found[count / 2];
}

/* The correlation of two images inside white matter. */
static double correlation_in_white(const float *a, const float *b, const float *tissue) {
    double n = 0.0, x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    for (int p = 65; p < PIXELS - 65; ++p) {
        bool inside = true;
        for (int q = -65; q <= 65; ++q)
            if (abs(q % 64) <= 1) inside &= (int)tissue[p + q] == MRC_SIM_WHITE;
        if (!inside) continue;
        n += 1.0;
        x += (double)a[p];
        y += (double)b[p];
        xx += (double)a[p] * (double)a[p];
        yy += (double)b[p] * (double)b[p];
        xy += (double)a[p] * (double)b[p];
    }
    return (xy - x * y / n) / sqrt((xx - x * x / n) * (yy - y * y / n));
}

/* A tissue is as bright in one sample as in another, whatever was drawn, and they stand in their
 * usual order; air is black. Texture is
 * dark in T1w where it is bright in T2w. */
static void test_true_images_look_alike(void **state) {
    static const char *const paths[] = {MAP};
    static float image[PIXELS], truth[2][PIXELS], tissue[PIXELS];
    struct mrc_sim_source_options o;
    mrc_sim_source *source = NULL;
    struct mrc_error err = {0};
    double usual[2] = {-1.0, -1.0};
    int seen = 0;
    (void)state;
    mrc_sim_source_options_init(&o);
    o.maps = paths;
    o.map_count = 1;
    o.table = TABLE;
    o.room[1] = 2.0;
    assert_ok(mrc_sim_source_create(&source, &o, &err), &err);
    for (uint64_t n = 0; n < 2 * SAMPLES; ++n) {
        struct mrc_sim_sample s = {
            .image = {image}, .truth = {truth[0], truth[1]}, .tissue = tissue};
        assert_ok(mrc_sim_source_fetch(source, &s, n, &err), &err);
        for (int c = 0; c < 2; ++c) {
            const double white = level_of(truth[c], tissue, MRC_SIM_WHITE);
            const double grey = level_of(truth[c], tissue, MRC_SIM_CORTEX);
            for (int p = 0; p < PIXELS; ++p) assert_in_range((long)(1e3f * truth[c][p]), 0, 1000);
            assert_true(level_of(truth[c], tissue, MRC_SIM_AIR) <= 0.0);
            if (white < 0.0) continue;
            if (usual[c] < 0.0) usual[c] = white;
            if (c == 1) assert_true(correlation_in_white(truth[0], truth[1], tissue) < -0.5);
            assert_true(fabs(white - usual[c]) < 0.02);
            if (grey < 0.0) continue;
            assert_true(c == 0 ? grey < 0.9 * white : grey > 1.2 * white);
            ++seen;
        }
    }
    print_message("white matter %.3f in T1w, %.3f in T2w; grey matter in %d images\n", usual[0],
                  usual[1], seen);
    assert_true(usual[0] > 0.5 && usual[1] > 0.1 && usual[1] < 0.5 && seen > 2);
    mrc_sim_source_destroy(source);
}

static void test_memory_runs_out(void **state) {
    struct mrc_sim_library l;
    struct mrc_sim_config config;
    struct mrc_sim_head h;
    struct mrc_sim_map *map = NULL;
    enum mrc_status st;
    struct mrc_error err = {0};
    (void)state;
    open_library(&l);
    mrc_sim_config_init(&config);
    set(&config, MRC_SIM_LESIONS_RANGE, 1.0);
    set(&config, MRC_SIM_PIXEL_RANGE, 4.0);
    set(&config, MRC_SIM_CUBE_RANGE, 4.0);
    for (long n = 1;; ++n) {
        err = (struct mrc_error){0};
        mrc_alloc_fail_after(n);
        st = mrc_sim_head_init(&h, &config, l.map[0], &l.normals, 2, 3, -1, &err);
        if (st == MRC_OK) st = mrc_sim_head_prepare(&h, 3, 4, &err);
        mrc_alloc_fail_after(0);
        mrc_sim_head_clear(&h);
        if (st != MRC_ERR_NOMEM) break;
    }
    assert_ok(st, &err);
    for (long n = 1; st == MRC_OK || st == MRC_ERR_NOMEM; ++n) {
        err = (struct mrc_error){0};
        mrc_alloc_fail_after(n);
        st = mrc_sim_map_load(&map, MAP, &l.table, &err);
        mrc_alloc_fail_after(0);
        if (st == MRC_OK) break;
        assert_null(map);
    }
    assert_ok(st, &err);
    mrc_sim_map_destroy(map);
    mrc_sim_library_clear(&l);
}

/* --- Ranges --- */

static void test_ranges_survive_their_file(void **state) {
    struct mrc_sim_config a, b;
    struct mrc_text text = {0};
    struct mrc_error err = {0};
    (void)state;
    mrc_sim_config_init(&a);
    set(&a, MRC_SIM_WHITE_T1_RANGE, 701.25);
    mrc_sim_config_append_text(&text, &a);
    assert_ok(mrc_write_file(DIR_NAME "/c.conf", text.data, text.size, &err), &err);
    mrc_sim_config_init(&b);
    assert_ok(mrc_sim_config_load(&b, DIR_NAME "/c.conf", &err), &err);
    assert_memory_equal(&a, &b, sizeof a);
    mrc_text_clear(&text);
}

static void test_the_default_file_is_the_default(void **state) {
    struct mrc_sim_config c;
    struct mrc_text text = {0};
    struct mrc_error err = {0};
    unsigned char *file = NULL;
    size_t size = 0;
    (void)state;
    mrc_sim_config_init(&c);
    mrc_sim_config_append_text(&text, &c);
    assert_ok(
        mrc_read_file(&file, &size, MRC_TEST_DIR "/../share/heads/default.conf", 1 << 20, &err),
        &err);
    assert_string_equal((char *)file, text.data);
    mrc_free(file);
    mrc_text_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_maps_are_refused),
        cmocka_unit_test(test_bad_tables_are_refused),
        cmocka_unit_test(test_nothing_is_folded),
        cmocka_unit_test(test_a_fold_is_seen),
        cmocka_unit_test(test_means_are_the_formula),
        cmocka_unit_test(test_lesions_are_where_their_mask_is),
        cmocka_unit_test(test_a_slice_is_the_slice_of_the_whole),
        cmocka_unit_test(test_generated_maps),
        cmocka_unit_test(test_samples_depend_on_their_number_alone),
        cmocka_unit_test(test_true_images_look_alike),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_ranges_survive_their_file),
        cmocka_unit_test(test_the_default_file_is_the_default),
    };
    return cmocka_run_group_tests(tests, make_map, remove_map);
}
