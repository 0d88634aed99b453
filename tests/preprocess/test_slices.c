/* test_slices.c: from a volume to the model's slices and back: sides, places, refusals, same bytes.
 */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "preprocess/slices.h"
#include "tests/preprocess/head.h"

static const struct mrc_slices_options defaults = MRC_SLICES_DEFAULTS;
static const int straight[3] = {0, 1, 2};
static const bool forwards[3] = {false, false, false};

static struct mrc_slices slices_of(const mrc_volume *vol,
                                   const struct mrc_slices_options *options) {
    struct mrc_slices out;
    struct mrc_error err = {0};
    assert_ok(mrc_slices_from_volume(&out, vol, "test", options, &err), &err);
    return out;
}

static size_t pixel_count(const struct mrc_slices *s) {
    return (size_t)(s->count * s->size * s->size);
}

/* The weighted centre of what is brighter than `above`, in model pixels. */
static void bright_centre(double at[3], const struct mrc_slices *s, float above) {
    double weight = 0.0;
    at[0] = at[1] = at[2] = 0.0;
    for (int64_t n = 0; n < (int64_t)pixel_count(s); ++n) {
        if (s->pixels[n] <= above) continue;
        double w = (double)(s->pixels[n] - above);
        weight += w;
        at[0] += w * (double)(n % s->size);
        at[1] += w * (double)(n / s->size % s->size);
        at[2] += w * (double)(n / (s->size * s->size));
    }
    assert_true(weight > 0.0);
    for (int a = 0; a < 3; ++a) at[a] /= weight;
}

/* --- Where things end up --- */

static void test_the_marker_is_left_in_all_48_orders(void **state) {
    (void)state;
    mrc_volume *vol = head_create(straight, forwards);
    const struct mrc_slices_options o = {.size = 64,
                                         .low_percentile = 0.5,
                                         .high_percentile = 100.0,
                                         .room = 1.0,
                                         .max_slice_mm = 3.0};
    struct mrc_slices first = slices_of(vol, &o);
    mrc_volume_destroy(vol);
    assert_int_equal(first.count, HEAD_SLICES);

    /* 120 mm square, 1.875 mm pixels; the 80 mm wide image begins at 20 mm */
    double centre[3];
    bright_centre(centre, &first, 0.8f);
    assert_true(fabs(centre[0] - (20.0 + (MARK_X + 0.5) * HEAD_COLUMN_MM) / 1.875 + 0.5) < 0.2);
    assert_true(fabs(centre[1] - (MARK_Y + 0.5) * HEAD_ROW_MM / 1.875 + 0.5) < 0.2);
    assert_true(centre[2] == MARK_Z);
    assert_true(centre[0] > 32.0 && centre[1] < 32.0); /* Left of the middle, in front of it */

    for (int n = 0; n < 48; ++n) {
        int axis[3];
        bool flip[3];
        head_order(axis, flip, n);
        vol = head_create(axis, flip);
        struct mrc_slices s = slices_of(vol, &o);
        assert_memory_equal(s.record.axial.axis, axis, sizeof axis);
        assert_memory_equal(s.record.axial.flip, flip, sizeof flip);
        assert_memory_equal(s.pixels, first.pixels, pixel_count(&s) * sizeof *s.pixels);
        assert_memory_equal(s.foreground, first.foreground, (size_t)s.count * sizeof *s.foreground);
        mrc_slices_clear(&s);
        mrc_volume_destroy(vol);
    }
    mrc_slices_clear(&first);
}

/* Value of a volume at the voxel nearest to a patient position. */
static float value_at(const mrc_volume *vol, const double ras[3]) {
    const struct mrc_extent e = mrc_volume_extent(vol);
    double best = 1e9;
    int64_t where = 0;
    for (int64_t n = 0; n < mrc_extent_count(e); ++n) {
        double p[3];
        mrc_geometry_position(p, mrc_volume_geometry(vol), (double)(n % e.i),
                              (double)(n / e.i % e.j), (double)(n / (e.i * e.j)));
        double d = hypot(hypot(p[0] - ras[0], p[1] - ras[1]), p[2] - ras[2]);
        if (d < best) {
            best = d;
            where = n;
        }
    }
    return mrc_volume_voxels_const(vol)[where];
}

/* Room moves the upper limit alone, and what was cut to one white is told apart. */
static void test_room_keeps_what_is_bright(void **state) {
    (void)state;
    mrc_volume *vol = head_create(straight, forwards);
    struct mrc_slices_options o = MRC_SLICES_DEFAULTS;
    struct mrc_slices cut = slices_of(vol, &o);
    o.room = 2.5;
    struct mrc_slices kept = slices_of(vol, &o);
    const struct mrc_normalise_record *a = &cut.record.normalise, *b = &kept.record.normalise;
    size_t white = 0, apart = 0;
    assert_true(a->room == 1.0 && b->room == 2.5 && a->lo == b->lo);
    assert_true(fabs((b->hi - b->lo) / (a->hi - a->lo) - 2.5) < 1e-12);
    for (size_t n = 0; n < pixel_count(&cut); ++n) {
        if (cut.pixels[n] < 0.99f) continue;
        ++white;
        apart += kept.pixels[n] > 1.02f / 2.5f;
    }
    assert_true(white > 20 && apart > white / 4);
    mrc_slices_clear(&kept);
    mrc_slices_clear(&cut);
    mrc_volume_destroy(vol);
}

static void test_the_way_back_lands_on_the_source_grid(void **state) {
    (void)state;
    const struct mrc_slices_options o = {.size = 64,
                                         .low_percentile = 0.5,
                                         .high_percentile = 100.0,
                                         .room = 1.0,
                                         .max_slice_mm = 3.0};
    double mark[3], mirrored[3];
    head_position(mark, MARK_X, MARK_Y, MARK_Z);
    head_position(mirrored, HEAD_COLUMNS - 1 - MARK_X, MARK_Y, MARK_Z);
    for (int n = 0; n < 48; n += 5) {
        int axis[3];
        bool flip[3];
        struct mrc_error err = {0};
        mrc_volume *back = NULL, *grid = NULL;
        head_order(axis, flip, n);
        mrc_volume *vol = head_create(axis, flip);
        struct mrc_slices s = slices_of(vol, &o);
        assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
        assert_memory_equal(mrc_volume_geometry(back), mrc_volume_geometry(vol),
                            sizeof(struct mrc_geometry));
        assert_true(value_at(back, mark) > 0.9f && value_at(back, mirrored) < 0.7f);
        double error = 0.0;
        const float *a = mrc_volume_voxels_const(vol), *b = mrc_volume_voxels_const(back);
        size_t count = (size_t)(HEAD_COLUMNS * HEAD_ROWS * HEAD_SLICES);
        for (size_t v = 0; v < count; ++v)
            error += fabs(((double)a[v] - s.record.normalise.lo) /
                              (s.record.normalise.hi - s.record.normalise.lo) -
                          (double)b[v]);
        assert_true(error / (double)count < 0.02);

        assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
        assert_int_equal(mrc_geometry_orientation(mrc_volume_geometry(grid)), MRC_AXIAL);
        assert_true(value_at(grid, mark) > 0.9f && value_at(grid, mirrored) < 0.7f);
        mrc_volume_destroy(grid);
        mrc_volume_destroy(back);
        mrc_slices_clear(&s);
        mrc_volume_destroy(vol);
    }
}

/* The marker's centre as a cut shows it, in millimetres of the patient: how far from the image's
 * edge, and which slice. */
static const struct {
    enum mrc_cut cut;
    double column_mm, row_mm, side_mm, offset_mm[2];
    int64_t count, slice;
} shown[] = {{MRC_CUT_SAGITTAL,
              (MARK_Y + 0.5) * HEAD_ROW_MM,
              (HEAD_SLICES - 1 - MARK_Z + 0.5) * HEAD_SLICE_MM,
              120.0,
              {0.0, 43.5},
              HEAD_COLUMNS,
              HEAD_COLUMNS - 1 - MARK_X},
             {MRC_CUT_CORONAL,
              (MARK_X + 0.5) * HEAD_COLUMN_MM,
              (HEAD_SLICES - 1 - MARK_Z + 0.5) * HEAD_SLICE_MM,
              80.0,
              {0.0, 23.5},
              HEAD_ROWS,
              MARK_Y}};

static void test_other_cuts_show_the_head_upright_in_all_48_orders(void **state) {
    (void)state;
    mrc_volume *plain = head_create(straight, forwards);
    const struct mrc_slices axial = slices_of(plain, &defaults);
    double mark[3], mirrored[3];
    head_position(mark, MARK_X, MARK_Y, MARK_Z);
    head_position(mirrored, HEAD_COLUMNS - 1 - MARK_X, MARK_Y, MARK_Z);
    for (size_t c = 0; c < sizeof shown / sizeof *shown; ++c) {
        struct mrc_slices_options o = {.size = 64,
                                       .low_percentile = 0.5,
                                       .high_percentile = 100.0,
                                       .room = 1.0,
                                       .max_slice_mm = 3.0};
        o.cut = shown[c].cut;
        struct mrc_slices first = slices_of(plain, &o), plainly;
        const double pixel_mm = shown[c].side_mm / 64.0;
        double centre[3];
        assert_int_equal(first.count, shown[c].count);
        assert_true(first.record.square.side_mm == shown[c].side_mm);
        for (int a = 0; a < 2; ++a)
            assert_true(first.record.square.offset_mm[a] == shown[c].offset_mm[a]);
        bright_centre(centre, &first, 0.8f);
        assert_true(fabs(centre[0] - (shown[c].column_mm / pixel_mm - 0.5)) < 0.3);
        assert_true(fabs(centre[1] - ((shown[c].row_mm + shown[c].offset_mm[1]) / pixel_mm - 0.5)) <
                    0.3);
        assert_true(fabs(centre[2] - (double)shown[c].slice) < 0.3);

        o.high_percentile = defaults.high_percentile;
        plainly = slices_of(plain, &o);
        assert_true(plainly.record.normalise.lo == axial.record.normalise.lo);
        assert_true(plainly.record.normalise.hi == axial.record.normalise.hi);
        struct mrc_slices_options known = o; /* the limits of another cut: the same slices */
        known.limits = &axial.record.normalise;
        struct mrc_slices again = slices_of(plain, &known);
        assert_memory_equal(again.pixels, plainly.pixels,
                            pixel_count(&again) * sizeof *again.pixels);
        assert_memory_equal(&again.record, &plainly.record, sizeof again.record);
        for (int64_t z = 0; z < again.count; ++z) assert_true(again.foreground[z] == 0.0f);
        mrc_slices_clear(&again);
        mrc_slices_clear(&plainly);
        o.high_percentile = 100.0;
        for (int n = 0; n < 48; ++n) {
            int axis[3];
            bool flip[3];
            struct mrc_error err = {0};
            mrc_volume *back = NULL, *grid = NULL;
            head_order(axis, flip, n);
            mrc_volume *vol = head_create(axis, flip);
            struct mrc_slices s = slices_of(vol, &o);
            assert_memory_equal(s.pixels, first.pixels, pixel_count(&s) * sizeof *s.pixels);
            assert_memory_equal(s.foreground, first.foreground,
                                (size_t)s.count * sizeof *s.foreground);
            if (n % 5 == 0) {
                assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
                assert_true(value_at(back, mark) > 0.8f && value_at(back, mirrored) < 0.7f);
                assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
                assert_int_equal(mrc_geometry_orientation(mrc_volume_geometry(grid)),
                                 shown[c].cut == MRC_CUT_SAGITTAL ? MRC_SAGITTAL : MRC_CORONAL);
                assert_true(value_at(grid, mark) > 0.8f && value_at(grid, mirrored) < 0.7f);
                mrc_volume_destroy(grid);
                mrc_volume_destroy(back);
            }
            mrc_slices_clear(&s);
            mrc_volume_destroy(vol);
        }
        mrc_slices_clear(&first);
    }
    struct mrc_slices clear = axial;
    mrc_slices_clear(&clear);
    mrc_volume_destroy(plain);
}

/* Thick slices are cut in their own plane only; what is about as long as wide in all three. */
static void test_thick_stacks_are_cut_in_their_plane(void **state) {
    (void)state;
    static const enum mrc_cut planes[3] = {MRC_CUT_SAGITTAL, MRC_CUT_CORONAL, MRC_CUT_AXIAL};
    for (int thick = 0; thick < 3; ++thick) {
        struct mrc_geometry g;
        struct mrc_error err = {0};
        enum mrc_cut preferred;
        double m[3][4] = {{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}};
        const struct mrc_extent e = {20, 20, 20};
        m[thick][thick] *= 4.8;
        assert_ok(mrc_geometry_from_ras(&g, m, "thick", &err), &err);
        assert_int_equal(mrc_slices_cuts(&preferred, &g, e), 1u << planes[thick]);
        assert_int_equal(preferred, planes[thick]);
        for (int cut = 0; cut < MRC_CUT_COUNT; ++cut) {
            struct mrc_slices_options o = defaults;
            o.cut = (enum mrc_cut)cut;
            assert_int_equal(mrc_slices_check_grid(&g, e, "x", &o, NULL),
                             o.cut == planes[thick] ? MRC_OK : MRC_ERR_UNSUPPORTED);
        }
    }
    struct mrc_geometry even;
    struct mrc_error err = {0};
    enum mrc_cut preferred;
    double m[3][4] = {{-1, 0, 0, 0}, {0, -1.1, 0, 0}, {0, 0, 1.3, 0}};
    assert_ok(mrc_geometry_from_ras(&even, m, "even", &err), &err);
    assert_int_equal(mrc_slices_cuts(&preferred, &even, (struct mrc_extent){9, 9, 9}), 7);
    assert_int_equal(preferred, MRC_CUT_AXIAL);
    mrc_geometry_init(&even);
    assert_int_equal(mrc_slices_cuts(&preferred, &even, (struct mrc_extent){9, 9, 9}), 1);
}

/* Rule A8 by hand: a sagittal grid, padded; the model pixel's centre in the patient. */
static void test_the_model_grid_has_exact_positions(void **state) {
    (void)state;
    for (int n = 0; n < 48; ++n) {
        int axis[3];
        bool flip[3];
        struct mrc_error err = {0};
        mrc_volume *grid = NULL;
        head_order(axis, flip, n);
        mrc_volume *vol = head_create(axis, flip);
        struct mrc_slices s = slices_of(vol, &defaults);
        assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
        for (int corner = 0; corner < 8; ++corner) {
            double u = corner & 1 ? 63 : 0, v = corner & 2 ? 63 : 0, w = corner & 4 ? 11 : 0;
            double is[3], want[3];
            mrc_geometry_position(is, mrc_volume_geometry(grid), u, v, w);
            head_position(want, ((u + 0.5) * 1.875 - 20.0) / HEAD_COLUMN_MM - 0.5,
                          (v + 0.5) * 1.875 / HEAD_ROW_MM - 0.5, w);
            for (int a = 0; a < 3; ++a) assert_true(fabs(is[a] - want[a]) < 1e-9);
        }
        const struct mrc_extent e = mrc_volume_extent(grid);
        assert_true(e.i == 64 && e.j == 64 && e.k == HEAD_SLICES);
        mrc_volume_destroy(grid);
        mrc_slices_clear(&s);
        mrc_volume_destroy(vol);
    }
}

static void test_a_grid_of_the_models_size_is_left_alone(void **state) {
    (void)state;
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    struct mrc_error err = {0};
    mrc_volume *vol = plain_axial(64, 64, 5, 3.6, 3.6, 5.0), *back = NULL, *grid = NULL;
    float *v = mrc_volume_voxels(vol);
    for (int n = 0; n < 64 * 64 * 5; ++n) {
        bool head = n % 64 > 15 && n % 64 < 48 && n / 64 % 64 > 9 && n / 64 % 64 < 60;
        v[n] = (float)(head ? 100.0 + 400.0 * mrc_rng_uniform(&rng) : 10.0 * mrc_rng_uniform(&rng));
    }
    struct mrc_slices s = slices_of(vol, &defaults);
    assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
    assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
    const struct mrc_normalise_record *r = &s.record.normalise;
    for (int n = 0; n < 64 * 64 * 5; ++n) {
        double want = fmin(fmax(((double)v[n] - r->lo) / (r->hi - r->lo), 0.0), 1.0);
        assert_true(fabs((double)s.pixels[n] - want) < 1e-6);
    }
    assert_memory_equal(mrc_volume_voxels(back), s.pixels, pixel_count(&s) * sizeof(float));
    assert_memory_equal(mrc_volume_voxels(grid), s.pixels, pixel_count(&s) * sizeof(float));
    assert_true(mrc_geometry_distance(mrc_volume_geometry(grid), mrc_volume_geometry(vol),
                                      mrc_volume_extent(vol)) < 1e-9);
    mrc_volume_destroy(grid);
    mrc_volume_destroy(back);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* A disc of 60 mm in an image of 192 x 96 mm with pixels of 1 x 2 mm must stay a disc. */
static void test_padding_does_not_stretch(void **state) {
    (void)state;
    mrc_volume *vol = plain_axial(192, 48, 1, 1.0, 2.0, 5.0);
    float *v = mrc_volume_voxels(vol);
    for (int y = 0; y < 48; ++y)
        for (int x = 0; x < 192; ++x) {
            double a = x - 95.5, b = 2.0 * (y - 23.5);
            v[y * 192 + x] = a * a + b * b < 900.0 ? (float)(100.0 + 0.1 * x) : 1.0f;
        }
    struct mrc_slices s = slices_of(vol, &defaults);
    assert_true(s.record.square.side_mm == 192.0 && s.record.square.pixel_mm == 3.0);
    assert_true(s.record.square.offset_mm[0] == 0.0 && s.record.square.offset_mm[1] == 48.0);
    int across = 0, down = 0, padding = 0;
    for (int n = 0; n < 64; ++n) {
        across += s.pixels[32 * 64 + n] > 0.4f;
        down += s.pixels[n * 64 + 32] > 0.4f;
        padding += s.pixels[15 * 64 + n] == 0.0f && s.pixels[48 * 64 + n] == 0.0f;
    }
    assert_int_equal(across, 20);
    assert_int_equal(down, 20);
    assert_int_equal(padding, 64);
    assert_true(fabs((double)s.foreground[0] - 3.14159265 * 900.0 / (192.0 * 192.0)) < 2e-3);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* 128 pixels of 1.5 mm around an image of 80 x 120 mm; of 1.5 mm and 64 pixels, 96 mm, which cut 12 mm
 * off in front and behind. The centre of every pixel lies where it lay, in all 48 orders. */
static void test_pixels_of_a_size_have_exact_positions(void **state) {
    (void)state;
    const int64_t sizes[2] = {128, 64};
    const double left_mm[2] = {56.0, 8.0}, top_mm[2] = {36.0, -12.0};
    for (int n = 0; n < 96; ++n) {
        const int which = n % 2;
        struct mrc_slices_options o = MRC_SLICES_DEFAULTS;
        struct mrc_error err = {0};
        int axis[3];
        bool flip[3];
        mrc_volume *grid = NULL;
        o.size = sizes[which];
        o.field_mm = 1.5 * (double)o.size;
        head_order(axis, flip, n / 2);
        mrc_volume *vol = head_create(axis, flip);
        struct mrc_slices s = slices_of(vol, &o);
        const struct mrc_square_record *square = &s.record.square;
        assert_true(square->pixel_mm == 1.5 && square->side_mm == o.field_mm);
        assert_true(square->offset_mm[0] == left_mm[which] &&
                    square->offset_mm[1] == top_mm[which]);
        assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
        const double last = (double)(o.size - 1);
        for (int corner = 0; corner < 8; ++corner) {
            double u = corner & 1 ? last : 0, v = corner & 2 ? last : 0, w = corner & 4 ? 11 : 0;
            double is[3], want[3];
            mrc_geometry_position(is, mrc_volume_geometry(grid), u, v, w);
            head_position(want, ((u + 0.5) * 1.5 - left_mm[which]) / HEAD_COLUMN_MM - 0.5,
                          ((v + 0.5) * 1.5 - top_mm[which]) / HEAD_ROW_MM - 0.5, w);
            for (int a = 0; a < 3; ++a) assert_true(fabs(is[a] - want[a]) < 1e-9);
        }
        mrc_volume_destroy(grid);
        mrc_slices_clear(&s);
        mrc_volume_destroy(vol);
    }
}

/* A field of 40 x 40 mm in an image of 64 x 52 mm, with pixels as large as voxels: the voxels
 * themselves, in their places, and nothing beyond. */
static void test_a_cut_field_is_the_middle_of_the_image(void **state) {
    (void)state;
    enum { I = 64, J = 52, K = 3, SIDE = 40, LEFT = 12, TOP = 6 };
    struct mrc_rng rng = mrc_rng_for(3, 0, 0, MRC_FOR_TEST);
    struct mrc_slices_options o = MRC_SLICES_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *vol = plain_axial(I, J, K, 1.0, 1.0, 5.0), *back = NULL;
    float *v = mrc_volume_voxels(vol), cover[I * J * K];
    int64_t all = 0, inside = 0, shows[K] = {0};
    for (int n = 0; n < I * J * K; ++n) {
        const int x = n % I, y = n / I % J;
        const bool head = x >= 4 && x < 50 && y >= 3 && y < 48;
        const bool in = x >= LEFT && x < LEFT + SIDE && y >= TOP && y < TOP + SIDE;
        v[n] = (float)(head ? 100.0 + 400.0 * mrc_rng_uniform(&rng) : 10.0 * mrc_rng_uniform(&rng));
        all += head;
        inside += head && in;
        shows[n / (I * J)] += head && in;
    }
    o.size = SIDE;
    o.field_mm = SIDE;
    struct mrc_slices s = slices_of(vol, &o);
    const struct mrc_normalise_record *r = &s.record.normalise;
    assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
    assert_ok(mrc_slices_cover(cover, &s, vol, &err), &err);
    for (int n = 0; n < I * J * K; ++n) {
        const int x = n % I - LEFT, y = n / I % J - TOP;
        const float is = mrc_volume_voxels(back)[n];
        const bool in = x >= 0 && x < SIDE && y >= 0 && y < SIDE;
        const double want = fmin(fmax(((double)v[n] - r->lo) / (r->hi - r->lo), 0.0), 1.0);
        assert_true(cover[n] == (in ? 1.0f : 0.0f));
        assert_true(in ? fabs((double)is - want) < 1e-6 : is == 0.0f);
        if (in) assert_true(is == s.pixels[(n / (I * J) * SIDE + y) * SIDE + x]);
    }
    for (int k = 0; k < K; ++k)
        assert_true(fabs((double)s.foreground[k] - (double)shows[k] / (SIDE * SIDE)) < 1e-6);
    assert_true(fabs(s.record.square.cut_head - (double)(all - inside) / (double)all) < 1e-12);

    /* what is not cut is covered and has all of its head */
    mrc_slices_clear(&s);
    o.field_mm = 80.0;
    s = slices_of(vol, &o);
    assert_ok(mrc_slices_cover(cover, &s, vol, &err), &err);
    for (int n = 0; n < I * J * K; ++n) assert_true(cover[n] == 1.0f);
    assert_true(s.record.square.cut_head == 0.0);
    mrc_slices_clear(&s);
    mrc_volume_destroy(back);
    mrc_volume_destroy(vol);
}

/* 10 x 10 voxels of 5 mm have their centres in a square of 48 mm, and reach beyond it. */
static void test_a_slice_is_no_more_than_head(void **state) {
    (void)state;
    struct mrc_slices_options o = MRC_SLICES_DEFAULTS;
    mrc_volume *vol = plain_axial(18, 18, 3, 5.0, 5.0, 5.0);
    for (int n = 0; n < 18 * 18 * 3; ++n) {
        const int x = n % 18, y = n / 18 % 18;
        const bool head = x > 1 && x < 16 && y > 1 && y < 16;
        mrc_volume_voxels(vol)[n] = head ? (float)(100 + n % 50) : (float)(n % 3);
    }
    o.size = 32;
    o.field_mm = 48.0;
    struct mrc_slices s = slices_of(vol, &o);
    for (int k = 0; k < 3; ++k) assert_true(s.foreground[k] == 1.0f);
    assert_true(s.record.square.cut_head > 0.4 && s.record.square.cut_head < 0.6);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* The limits are those of the whole image, and detail comes from the source inside the field only. */
static void test_a_cut_field_changes_no_grey_value(void **state) {
    (void)state;
    struct mrc_slices_options fitted = MRC_SLICES_DEFAULTS, cut = MRC_SLICES_DEFAULTS;
    const struct mrc_detail_options detail = MRC_DETAIL_DEFAULTS;
    struct mrc_error err = {0};
    mrc_volume *vol = head_create(straight, forwards), *back = NULL;
    const struct mrc_extent e = mrc_volume_extent(vol);
    cut.size = 32;
    cut.field_mm = 60.0;
    for (int plane = 0; plane < MRC_CUT_COUNT; ++plane) {
        fitted.cut = cut.cut = (enum mrc_cut)plane;
        struct mrc_slices a = slices_of(vol, &fitted), b = slices_of(vol, &cut);
        float *cover = malloc((size_t)mrc_extent_count(e) * sizeof *cover);
        int64_t beyond = 0;
        assert_non_null(cover);
        assert_true(a.record.normalise.lo == b.record.normalise.lo &&
                    a.record.normalise.hi == b.record.normalise.hi);
        assert_ok(mrc_slices_to_volume_detailed(&back, &b, &b, vol, &detail, &err), &err);
        assert_ok(mrc_slices_cover(cover, &b, vol, &err), &err);
        for (int64_t n = 0; n < mrc_extent_count(e); ++n) {
            if (cover[n] == 1.0f) continue;
            ++beyond;
            assert_true(mrc_volume_voxels(back)[n] == 0.0f);
        }
        assert_true(beyond >= mrc_extent_count(e) / 4);
        free(cover);
        mrc_volume_destroy(back);
        mrc_slices_clear(&b);
        mrc_slices_clear(&a);
    }
    mrc_volume_destroy(vol);
}

static void test_pictures_keep_their_order(void **state) {
    (void)state;
    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL, *grid = NULL;
    mrc_geometry_init(&g);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){181, 217, 3}, &g, &err), &err);
    float *v = mrc_volume_voxels(vol);
    for (int z = 0; z < 3; ++z)
        for (int y = 40; y < 180; ++y)
            for (int x = 30; x < 150; ++x)
                v[(z * 217 + y) * 181 + x] = (float)(60 + x / 3 + z) / 255.0f;
    struct mrc_slices s;
    struct mrc_slices_options sized = MRC_SLICES_DEFAULTS;
    sized.field_mm = 200.0; /* a picture has no millimetres */
    assert_int_equal(mrc_slices_from_volume(&s, vol, "picture", &sized, &err), MRC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "picture: pixels without a size"));
    s = slices_of(vol, &defaults);
    assert_true(s.record.square.side_mm == 217.0 && s.record.square.offset_mm[0] == 18.0);
    assert_memory_equal(s.record.axial.axis, straight, sizeof straight);
    assert_memory_equal(s.record.axial.flip, forwards, sizeof forwards);
    double centre[3];
    bright_centre(centre, &s, 0.75f);
    assert_true(centre[0] > 34.0); /* brighter towards growing x, as stored */
    assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
    assert_false(mrc_volume_geometry(grid)->physical);
    mrc_volume_destroy(grid);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* A turn of `deg` about the patient's axis (0 R, 1 A, 2 S) of a grid stored in `axis` order, axes
 * backwards where `flip` says so. */
static mrc_volume *turned_order(const int axis[3], const bool flip[3], int about, double deg,
                                double shear) {
    int64_t n[3] = {HEAD_COLUMNS, HEAD_ROWS, HEAD_SLICES}, side[3];
    double m[3][4] = {{0}}, turn[3][4] = {{0}};
    const double c = cos(deg * 0.017453292519943295), s = sin(deg * 0.017453292519943295);
    const double mm[3] = {-HEAD_COLUMN_MM, -HEAD_ROW_MM, HEAD_SLICE_MM};
    const int p = (about + 1) % 3, q = (about + 2) % 3;
    for (int a = 0; a < 3; ++a) {
        m[a][axis[a]] = flip[a] ? -mm[a] : mm[a];
        side[axis[a]] = n[a];
    }
    for (int column = 0; column < 3; ++column) {
        turn[about][column] = m[about][column];
        turn[p][column] = c * m[p][column] - s * m[q][column];
        turn[q][column] = s * m[p][column] + c * m[q][column];
    }
    for (int row = 0; row < 3; ++row) turn[row][0] += shear * turn[row][1];
    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL, *like = head_create(axis, flip);
    assert_ok(mrc_geometry_from_ras(&g, turn, "turned", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){side[0], side[1], side[2]}, &g, &err),
              &err);
    memcpy(mrc_volume_voxels(vol), mrc_volume_voxels(like),
           (size_t)(n[0] * n[1] * n[2]) * sizeof(float));
    mrc_volume_destroy(like);
    return vol;
}

static mrc_volume *turned(const int axis[3], int about, double deg, double shear) {
    return turned_order(axis, forwards, about, deg, shear);
}

static void test_small_tilts_keep_the_grid(void **state) {
    (void)state;
    mrc_volume *plain = head_create(straight, forwards);
    struct mrc_slices want = slices_of(plain, &defaults);
    for (int about = 0; about < 3; ++about) {
        struct mrc_error err = {0};
        mrc_volume *vol = turned(straight, about, 15.0, 0.0), *grid = NULL;
        struct mrc_slices s = slices_of(vol, &defaults);
        assert_memory_equal(s.pixels, want.pixels, pixel_count(&s) * sizeof(float));
        /* the model grid is tilted with its source: opposite corners lie 120 mm x sqrt 2 apart */
        assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
        double a[3], b[3], mid[3];
        mrc_geometry_position(a, mrc_volume_geometry(grid), -0.5, -0.5, 0);
        mrc_geometry_position(b, mrc_volume_geometry(grid), 63.5, 63.5, 0);
        mrc_geometry_position(mid, mrc_volume_geometry(vol), 19.5, 23.5, 0);
        double d = hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
        assert_true(fabs(d - 120.0 * sqrt(2.0)) < 1e-9);
        for (int i = 0; i < 3; ++i) assert_true(fabs((a[i] + b[i]) / 2.0 - mid[i]) < 1e-9);
        mrc_volume_destroy(grid);
        mrc_slices_clear(&s);
        mrc_volume_destroy(vol);
    }
    mrc_slices_clear(&want);
    mrc_volume_destroy(plain);
}

/* --- Refusals --- */

static void assert_refused(mrc_volume *vol, enum mrc_status code, const char *words) {
    struct mrc_slices s;
    struct mrc_error err = {0};
    assert_int_equal(mrc_slices_from_volume(&s, vol, "scan.nii", &defaults, &err), code);
    assert_ptr_equal(strstr(err.text, "scan.nii: "), err.text);
    if (strstr(err.text, words) == NULL) fail_msg("no '%s' in: %s", words, err.text);
    assert_null(s.pixels);
    mrc_volume_destroy(vol);
}

static void test_sheared_grids_are_refused(void **state) {
    (void)state;
    assert_refused(turned(straight, 0, 0.0, 0.1), MRC_ERR_UNSUPPORTED, "sheared");
    assert_refused(turned(straight, 0, 30.0, 0.1), MRC_ERR_UNSUPPORTED, "sheared");
}

/* Planes tilted beyond the limit and 4 mm apart cannot be cut across; turned in themselves they
 * can. */
static void test_thick_oblique_stacks(void **state) {
    (void)state;
    const double c = cos(0.5), s = sin(0.5);
    double tilted[3][4] = {{1, 0, 0, 0}, {0, c, -4 * s, 0}, {0, s, 4 * c, 0}};
    double in_plane[3][4] = {{c, -s, 0, 0}, {s, c, 0, 0}, {0, 0, 4, 0}};
    struct mrc_geometry g;
    struct mrc_error err = {0};
    mrc_volume *vol = NULL;
    assert_ok(mrc_geometry_from_lps(&g, tilted, "x", &err), &err);
    assert_ok(mrc_volume_create(&vol, (struct mrc_extent){20, 20, 20}, &g, &err), &err);
    assert_refused(vol, MRC_ERR_UNSUPPORTED, "28.6 degrees off");
    assert_ok(mrc_geometry_from_lps(&g, in_plane, "x", &err), &err);
    assert_ok(mrc_slices_check_grid(&g, (struct mrc_extent){20, 20, 20}, "x", &defaults, &err),
              &err);
}

/* --- Oblique --- */

/* The middle of what is nearly as bright as the brightest voxel. */
static void find_marker(double ras_mm[3], const mrc_volume *vol) {
    const struct mrc_extent e = mrc_volume_extent(vol);
    const float *v = mrc_volume_voxels_const(vol);
    float most = 0.0f;
    double count = 0.0, sum[3] = {0.0, 0.0, 0.0};
    for (int64_t n = 0; n < mrc_extent_count(e); ++n) most = v[n] > most ? v[n] : most;
    for (int64_t n = 0; n < mrc_extent_count(e); ++n) {
        double at[3];
        if (v[n] < 0.88f * most) continue;
        mrc_geometry_position(at, mrc_volume_geometry(vol), (double)(n % e.i),
                              (double)(n / e.i % e.j), (double)(n / e.i / e.j));
        for (int a = 0; a < 3; ++a) sum[a] += at[a];
        count += 1.0;
    }
    for (int a = 0; a < 3; ++a) ras_mm[a] = sum[a] / count;
}

static void assert_marker(const mrc_volume *vol, const double marker[3]) {
    double found[3];
    find_marker(found, vol);
    for (int a = 0; a < 3; ++a)
        if (!(fabs(found[a] - marker[a]) < 2.5))
            fail_msg("marker at %.1f %.1f %.1f, expected %.1f %.1f %.1f", found[0], found[1],
                     found[2], marker[0], marker[1], marker[2]);
}

static double correlation(const float *a, const float *b, int64_t n) {
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int64_t i = 0; i < n; ++i) {
        double x = (double)a[i], y = (double)b[i];
        sa += x;
        sb += y;
        saa += x * x;
        sbb += y * y;
        sab += x * y;
    }
    double m = (double)n;
    return (sab - sa * sb / m) / sqrt((saa - sa * sa / m) * (sbb - sb * sb / m));
}

/* A brighter block around the head's own marker, so large that interpolating leaves its middle. */
static void paint_marker(mrc_volume *vol, const int axis[3], const bool flip[3]) {
    const int64_t n[3] = {HEAD_COLUMNS, HEAD_ROWS, HEAD_SLICES};
    const struct mrc_extent e = mrc_volume_extent(vol);
    const int64_t stride[3] = {1, e.i, e.i * e.j};
    for (int64_t z = MARK_Z - 1; z <= MARK_Z + 1; ++z)
        for (int64_t y = MARK_Y - 2; y <= MARK_Y + 2; ++y)
            for (int64_t x = MARK_X - 2; x <= MARK_X + 2; ++x) {
                const int64_t at[3] = {x, y, z};
                int64_t offset = 0;
                for (int a = 0; a < 3; ++a)
                    offset += stride[axis[a]] * (flip[a] ? n[a] - 1 - at[a] : at[a]);
                mrc_volume_voxels(vol)[offset] = 1500.0f;
            }
}

/* All 48 orders, turned about each axis of the patient: the marker on the patient's left is where
 * it was, in the model's slices and on the source's own grid, and the head with it. */
static void test_oblique_there_and_back(void **state) {
    (void)state;
    static const double angles[] = {20.0, -33.0, 45.0};
    struct mrc_slices_options options = MRC_SLICES_DEFAULTS;
    options.size = 128;
    options.high_percentile = 100.0; /* the marker alone is as bright as that */
    for (int order = 0; order < 48; ++order) {
        int axis[3], about = order % 3;
        bool flip[3];
        head_order(axis, flip, order);
        mrc_volume *vol = turned_order(axis, flip, about, angles[order / 3 % 3], 0.0), *grid = NULL,
                   *back = NULL;
        struct mrc_error err = {0};
        struct mrc_slices s;
        double marker[3];
        paint_marker(vol, axis, flip);
        find_marker(marker, vol);
        assert_ok(mrc_slices_from_volume(&s, vol, "head", &options, &err), &err);
        assert_true(s.record.reformat.used);
        assert_ok(mrc_slices_to_model_grid(&grid, &s, vol, &err), &err);
        assert_marker(grid, marker);
        assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
        assert_marker(back, marker);
        assert_true(mrc_geometry_distance(mrc_volume_geometry(back), mrc_volume_geometry(vol),
                                          mrc_volume_extent(vol)) < 1e-9);
        assert_true(correlation(mrc_volume_voxels_const(back), mrc_volume_voxels_const(vol),
                                mrc_extent_count(mrc_volume_extent(vol))) > 0.95);
        mrc_slices_clear(&s);
        mrc_volume_destroy(grid);
        mrc_volume_destroy(back);
        mrc_volume_destroy(vol);
    }
}

static void test_thick_sagittal_and_coronal_stacks_are_refused(void **state) {
    (void)state;
    const struct {
        double lps[3][4];
        const char *words;
    } cases[] = {
        {{{0, 0, 4, 0}, {1, 0, 0, 0}, {0, -1, 0, 0}},
         "sagittal slices lie 4.00 mm apart (along axis k)"},
        {{{1, 0, 0, 0}, {0, 0, 5, 0}, {0, -1, 0, 0}},
         "coronal slices lie 5.00 mm apart (along axis k)"},
        {{{5, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
         "sagittal slices lie 5.00 mm apart (along axis i)"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        struct mrc_geometry g;
        struct mrc_error err = {0};
        mrc_volume *vol = NULL;
        double lps[3][4];
        memcpy(lps, cases[c].lps, sizeof lps);
        assert_ok(mrc_geometry_from_lps(&g, lps, "x", &err), &err);
        assert_ok(mrc_volume_create(&vol, (struct mrc_extent){20, 20, 20}, &g, &err), &err);
        assert_refused(vol, MRC_ERR_UNSUPPORTED, cases[c].words);
    }
}

static mrc_volume *filled(float outside, float inside, int side) {
    mrc_volume *vol = plain_axial(32, 32, 16, 5, 5, 5);
    float *v = mrc_volume_voxels(vol);
    for (int n = 0; n < 32 * 32 * 16; ++n) v[n] = outside;
    for (int z = 0; z < side && z < 16; ++z)
        for (int y = 0; y < side; ++y)
            for (int x = 0; x < side; ++x) v[(z * 32 + y + 5) * 32 + x + 5] = inside;
    return vol;
}

static void test_empty_volumes_are_refused(void **state) {
    (void)state;
    assert_refused(filled(0.0f, 0.0f, 1), MRC_ERR_UNSUPPORTED, "one value (0)");
    assert_refused(filled(700.0f, 700.0f, 1), MRC_ERR_UNSUPPORTED, "one value (700)");
    assert_refused(filled(0.0f, 1.0f, 2), MRC_ERR_UNSUPPORTED, "one value (0)");
    assert_refused(filled(NAN, 1.0f, 16), MRC_ERR_UNSUPPORTED, "NaN or infinite");
    assert_refused(filled(INFINITY, 1.0f, 16), MRC_ERR_UNSUPPORTED, "NaN or infinite");
    /* specks, none of which is a head */
    mrc_volume *vol = filled(0.0f, 0.0f, 1);
    for (int n = 0; n < 32 * 32 * 16; n += 7) mrc_volume_voxels(vol)[n] = (float)(1 + n % 5);
    assert_refused(vol, MRC_ERR_UNSUPPORTED, "largest bright region");
}

static void test_bad_requests_are_refused(void **state) {
    (void)state;
    struct mrc_slices_options bad[10];
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) bad[n] = defaults;
    bad[0].size = 4;
    bad[1].size = 5000;
    bad[2].low_percentile = 99.5;
    bad[3].low_percentile = -1.0;
    bad[4].high_percentile = (double)NAN;
    bad[5].max_slice_mm = 0.0;
    bad[6].room = 0.5;
    bad[7].room = (double)NAN;
    bad[8].field_mm = -1.0;
    bad[9].field_mm = (double)NAN;
    mrc_volume *vol = head_create(straight, forwards), *other = plain_axial(9, 9, 9, 1, 1, 1);
    mrc_volume *out = NULL;
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) {
        struct mrc_slices s;
        assert_int_equal(mrc_slices_from_volume(&s, vol, "x", &bad[n], NULL), MRC_ERR_ARGUMENT);
    }
    struct mrc_slices s = slices_of(vol, &defaults);
    assert_int_equal(mrc_slices_to_volume(&out, &s, other, NULL), MRC_ERR_ARGUMENT);
    assert_int_equal(mrc_slices_to_model_grid(&out, &s, other, NULL), MRC_ERR_ARGUMENT);
    mrc_slices_clear(&s);
    mrc_volume_destroy(other);
    mrc_volume_destroy(vol);
}

/* --- Same bytes, no leaks, words --- */

static void test_threads_do_not_change_a_byte(void **state) {
    (void)state;
    struct mrc_rng rng = mrc_rng_for(2, 0, 0, MRC_FOR_TEST);
    mrc_volume *vol = plain_axial(90, 110, 70, 2, 2, 2);
    float *v = mrc_volume_voxels(vol);
    for (int n = 0; n < 90 * 110 * 70; ++n) {
        double x = n % 90 - 45, y = n / 90 % 110 - 55, z = n / 9900 - 35;
        v[n] = (float)((x * x + y * y + z * z < 1000 ? 300 : 20) + 40 * mrc_rng_normal(&rng));
    }
    float *want_slices = NULL, *want_back = NULL;
    const int threads[] = {1, 2, 5};
    for (int t = 0; t < 3; ++t) {
        struct mrc_error err = {0};
        mrc_volume *back = NULL;
        mrc_parallel_set_threads(threads[t]);
        struct mrc_slices s = slices_of(vol, &defaults);
        assert_ok(mrc_slices_to_volume(&back, &s, vol, &err), &err);
        size_t slices_bytes = pixel_count(&s) * sizeof(float), back_bytes = 693000 * sizeof(float);
        if (t == 0) {
            want_slices = mrc_alloc(slices_bytes, 1);
            want_back = mrc_alloc(back_bytes, 1);
            assert_true(want_slices != NULL && want_back != NULL);
            memcpy(want_slices, s.pixels, slices_bytes);
            memcpy(want_back, mrc_volume_voxels(back), back_bytes);
        }
        assert_memory_equal(s.pixels, want_slices, slices_bytes);
        assert_memory_equal(mrc_volume_voxels(back), want_back, back_bytes);
        mrc_volume_destroy(back);
        mrc_slices_clear(&s);
    }
    mrc_parallel_set_threads(0);
    mrc_free(want_slices);
    mrc_free(want_back);
    mrc_volume_destroy(vol);
}

static void test_every_failed_allocation_is_survived(void **state) {
    (void)state;
    enum mrc_status st;
    struct mrc_slices s;
    mrc_volume *vol = head_create(straight, forwards), *back = NULL, *grid = NULL;
    MRC_TRY_EVERY_FAILURE(st, mrc_slices_from_volume(&s, vol, "x", &defaults, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, mrc_slices_to_volume(&back, &s, vol, NULL));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, mrc_slices_to_model_grid(&grid, &s, vol, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(grid);
    mrc_volume_destroy(back);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

static void test_the_record_reads_in_words(void **state) {
    (void)state;
    const int axis[3] = {2, 0, 1};
    const bool flip[3] = {true, false, true};
    mrc_volume *vol = head_create(axis, flip);
    struct mrc_slices s = slices_of(vol, &defaults);
    struct mrc_text text = {0};
    s.record.normalise.lo = 3.0;
    s.record.normalise.hi = 720.5;
    mrc_slices_record_print(&text, &s.record);
    assert_string_equal(
        text.data, "axial slices: Left = -k, Posterior = i, Superior = -j (40 x 48 x 12 at 2 x 2.5 "
                   "x 2.75 mm); padded to 120 mm square, resampled to 64 x 64 at 1.875 mm "
                   "(antialiased); intensity 3..720.5 to 0..1");
    mrc_text_clear(&text);
    mrc_slices_clear(&s);
    mrc_volume_destroy(vol);
}

/* --- The source's detail --- */

/* Mean distance of a volume from the source's normalised voxels, or from their negative. */
static double off_source(const mrc_volume *vol, const mrc_volume *source,
                         const struct mrc_normalise_record *n, bool negative) {
    size_t count = (size_t)mrc_extent_count(mrc_volume_extent(vol));
    double sum = 0.0;
    for (size_t v = 0; v < count; ++v) {
        double x = ((double)mrc_volume_voxels_const(source)[v] - n->lo) / (n->hi - n->lo);
        x = fmax(0.0, fmin(1.0, x));
        sum += fabs((double)mrc_volume_voxels_const(vol)[v] - (negative ? 1.0 - x : x));
    }
    return sum / (double)count;
}

/* The slices are 16 x 16, far coarser than the source: a copy and a negative of them must come back
 * with the source's detail, upright and turned over. */
static void test_detail_comes_from_the_source(void **state) {
    (void)state;
    struct mrc_slices_options o = MRC_SLICES_DEFAULTS;
    o.size = 16;
    o.high_percentile = 100.0;
    const struct mrc_detail_options detail = MRC_DETAIL_DEFAULTS;
    for (int n = 0; n < 48; n += 7) {
        int axis[3];
        bool flip[3];
        struct mrc_error err = {0};
        head_order(axis, flip, n);
        mrc_volume *vol = head_create(axis, flip);
        struct mrc_slices before = slices_of(vol, &o), after = slices_of(vol, &o);
        for (int negative = 0; negative < 2; ++negative) {
            mrc_volume *plain = NULL, *rich = NULL;
            if (negative)
                for (size_t p = 0; p < pixel_count(&after); ++p)
                    after.pixels[p] = 1.0f - before.pixels[p];
            assert_ok(mrc_slices_to_volume(&plain, &after, vol, &err), &err);
            assert_ok(mrc_slices_to_volume_detailed(&rich, &after, &before, vol, &detail, &err),
                      &err);
            double coarse = off_source(plain, vol, &before.record.normalise, negative);
            double fine = off_source(rich, vol, &before.record.normalise, negative);
            if (!(fine < 0.35 * coarse))
                fail_msg("order %d, negative %d: %.4f off with detail, %.4f without", n, negative,
                         fine, coarse);
            mrc_volume_destroy(rich);
            mrc_volume_destroy(plain);
        }
        mrc_slices_clear(&after);
        mrc_slices_clear(&before);
        mrc_volume_destroy(vol);
    }
}

static void test_detail_memory_failures(void **state) {
    (void)state;
    const struct mrc_detail_options detail = MRC_DETAIL_DEFAULTS;
    mrc_volume *vol = head_create(straight, forwards), *out = NULL;
    struct mrc_slices before = slices_of(vol, &defaults);
    enum mrc_status st;
    long n = 1;
    do {
        mrc_alloc_fail_after(n++);
        st = mrc_slices_to_volume_detailed(&out, &before, &before, vol, &detail, NULL);
        mrc_alloc_fail_after(0);
        if (st != MRC_OK) assert_null(out);
    } while (st == MRC_ERR_NOMEM);
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(out);
    mrc_slices_clear(&before);
    mrc_volume_destroy(vol);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detail_comes_from_the_source),
        cmocka_unit_test(test_detail_memory_failures),
        cmocka_unit_test(test_the_marker_is_left_in_all_48_orders),
        cmocka_unit_test(test_room_keeps_what_is_bright),
        cmocka_unit_test(test_the_way_back_lands_on_the_source_grid),
        cmocka_unit_test(test_other_cuts_show_the_head_upright_in_all_48_orders),
        cmocka_unit_test(test_thick_stacks_are_cut_in_their_plane),
        cmocka_unit_test(test_the_model_grid_has_exact_positions),
        cmocka_unit_test(test_a_grid_of_the_models_size_is_left_alone),
        cmocka_unit_test(test_padding_does_not_stretch),
        cmocka_unit_test(test_pixels_of_a_size_have_exact_positions),
        cmocka_unit_test(test_a_cut_field_is_the_middle_of_the_image),
        cmocka_unit_test(test_a_slice_is_no_more_than_head),
        cmocka_unit_test(test_a_cut_field_changes_no_grey_value),
        cmocka_unit_test(test_pictures_keep_their_order),
        cmocka_unit_test(test_small_tilts_keep_the_grid),
        cmocka_unit_test(test_sheared_grids_are_refused),
        cmocka_unit_test(test_thick_oblique_stacks),
        cmocka_unit_test(test_oblique_there_and_back),
        cmocka_unit_test(test_thick_sagittal_and_coronal_stacks_are_refused),
        cmocka_unit_test(test_empty_volumes_are_refused),
        cmocka_unit_test(test_bad_requests_are_refused),
        cmocka_unit_test(test_threads_do_not_change_a_byte),
        cmocka_unit_test(test_every_failed_allocation_is_survived),
        cmocka_unit_test(test_the_record_reads_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
