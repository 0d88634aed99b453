/* test_png.c: stacks of greyscale pictures: written, read back, put in order, refused. */
#include "support.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/image.h"
#include "io/png/png_codec.h"
#include "made.h"

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

static const char *folder(const char *name) {
    struct mrc_error err = {0};
    const char *path = made_path(name);
    mrc_remove_tree(path);
    assert_ok(mrc_make_dirs(path, &err), &err);
    return path;
}

/* A picture of one grey. */
static void write_grey(const char *path, int64_t columns, int64_t rows, int depth, float grey) {
    float pixels[64];
    struct mrc_error err = {0};
    assert_true(columns * rows <= 64);
    for (int p = 0; p < 64; ++p) pixels[p] = grey;
    assert_ok(mrc_png_write(pixels, columns, rows, depth, path, &err), &err);
}

/* Pictures of kinds that we never write, straight from libpng. */
static void write_kind(const char *path, int colour_type, int depth, int interlace) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, stream);
    png_set_IHDR(png, info, 9, 7, depth, colour_type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    static const png_color palette[2] = {{0, 0, 0}, {255, 255, 255}};
    if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 2);
    png_write_info(png, info);
    png_byte data[7][64] = {{0}};
    png_bytep rows[7];
    for (int r = 0; r < 7; ++r) {
        rows[r] = data[r];
        for (int c = 0; c < 9 && colour_type == PNG_COLOR_TYPE_GRAY; ++c)
            data[r][c] = (png_byte)(10 * r + c);
    }
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(stream), 0);
}

static void test_depths(void **state) {
    (void)state;
    static const float values[] = {0.0f, 1.0f, 0.5f, -1.0f, 2.0f, NAN, 1.0f / 255.0f, 0.25f};
    static const float as8[] = {0, 255, 128, 0, 255, 0, 1, 64};
    static const float as16[] = {0, 65535, 32768, 0, 65535, 0, 257, 16384};
    struct mrc_error err = {0};
    for (int depth = 8; depth <= 16; depth += 8) {
        const char *path = made_path("depth.png");
        assert_ok(mrc_png_write(values, 4, 2, depth, path, &err), &err);
        mrc_volume *vol = load(path);
        struct mrc_extent e = mrc_volume_extent(vol);
        assert_true(e.i == 4 && e.j == 2 && e.k == 1);
        assert_memory_equal(mrc_volume_voxels(vol), depth == 8 ? as8 : as16, sizeof as8);
        assert_false(mrc_volume_geometry(vol)->physical);
        assert_int_equal(mrc_volume_provenance(vol)->bit_depth, depth);
        assert_int_equal(mrc_volume_provenance(vol)->kind, MRC_SOURCE_PNG);
        mrc_volume_destroy(vol);
    }
}

static void test_natural_order(void **state) {
    (void)state;
    static const char *const names[] = {"Image #100.png", "Image #9.png", "Image #10.PNG",
                                        "Image #2.png"};
    static const float greys[] = {100, 9, 10, 2}, order[] = {2, 9, 10, 100};
    char path[600];
    const char *dir = folder("T2w");
    for (int f = 0; f < 4; ++f) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[f]);
        write_grey(path, 3, 3, 8, greys[f] / 255.0f);
    }
    mrc_volume *vol = load(dir);
    for (int k = 0; k < 4; ++k) assert_true(mrc_volume_voxels(vol)[9 * k] == order[k]);
    assert_int_equal(mrc_volume_provenance(vol)->contrast,
                     MRC_CONTRAST_T2W); /* the folder's name */
    assert_non_null(strstr(mrc_volume_provenance(vol)->files[3], "#100"));

    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, dir, &err), &err);
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].usable);
    assert_string_equal(list.items[0].path, dir);
    assert_int_equal(list.items[0].slices, 4);
    assert_int_equal(list.items[0].contrast, MRC_CONTRAST_T2W);
    mrc_image_list_clear(&list);
    mrc_volume_destroy(vol);
}

static void test_a_gap_in_the_numbers_is_told(void **state) {
    (void)state;
    static const int numbers[] = {8, 9, 10, 12};
    for (size_t count = 1; count <= 4; ++count) {
        const char *dir = folder("gap");
        for (size_t n = 0; n < count; ++n) {
            char name[32];
            (void)snprintf(name, sizeof name, "gap/s7_%d_x.png", numbers[n]);
            write_grey(made_path(name), 3, 3, 8, 0.5f);
        }
        mrc_volume *vol = load(dir);
        const char *remark = mrc_volume_provenance(vol)->remark;
        if (count < 4)
            assert_string_equal(remark, "");
        else
            assert_non_null(strstr(remark, "go from 10 to 12"));
        mrc_volume_destroy(vol);
    }
}

static void test_kinds(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int colour_type, depth;
        const char *words;
    } cases[] = {
        {"rgb.png", PNG_COLOR_TYPE_RGB, 8, "a colour image, expected greyscale"},
        {"rgba.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, "a colour image with transparency"},
        {"palette.png", PNG_COLOR_TYPE_PALETTE, 1, "a palette image"},
        {"ga.png", PNG_COLOR_TYPE_GRAY_ALPHA, 16, "grey with transparency"},
        {"bit.png", PNG_COLOR_TYPE_GRAY, 1, "1 bits a pixel, expected 8 or 16"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        write_kind(made_path(cases[c].name), cases[c].colour_type, cases[c].depth,
                   PNG_INTERLACE_NONE);
        assert_refused(made_path(cases[c].name), MRC_ERR_UNSUPPORTED, cases[c].words);
        assert_refused(made_path(cases[c].name), MRC_ERR_UNSUPPORTED, cases[c].name);
    }
}

static void test_interlaced(void **state) {
    (void)state;
    write_kind(made_path("adam7.png"), PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7);
    mrc_volume *vol = load(made_path("adam7.png"));
    for (int r = 0; r < 7; ++r) {
        for (int c = 0; c < 9; ++c)
            assert_true(mrc_volume_voxels(vol)[9 * r + c] == (float)(10 * r + c));
    }
    mrc_volume_destroy(vol);
}

static void test_uneven_stacks(void **state) {
    (void)state;
    const char *dir = folder("uneven");
    write_grey(made_path("uneven/a1.png"), 3, 3, 8, 0.5f);
    write_grey(made_path("uneven/a2.png"), 3, 4, 8, 0.5f);
    assert_refused(dir, MRC_ERR_FORMAT, "a2.png: 3 x 4 pixels of 8 bits, expected 3 x 3 of 8");
    write_grey(made_path("uneven/a2.png"), 3, 3, 16, 0.5f);
    assert_refused(dir, MRC_ERR_FORMAT, "expected 3 x 3 of 8");
    struct mrc_image_list list = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_image_list_scan(&list, dir, &err), &err);
    assert_int_equal(list.count, 1);
    assert_false(list.items[0].usable);
    assert_non_null(strstr(list.items[0].reason, "differ"));
    mrc_image_list_clear(&list);
}

/* Every cut and every flipped byte: refused, or the pixels as they are; never anything else. */
static void test_damage(void **state) {
    (void)state;
    float pixels[48];
    for (int p = 0; p < 48; ++p) pixels[p] = (float)(p * 37 % 48) / 47.0f;
    struct mrc_error err = {0};
    const char *path = made_path("whole.png");
    assert_ok(mrc_png_write(pixels, 8, 6, 16, path, &err), &err);
    size_t size = 0;
    unsigned char *file = made_read(path, &size);
    struct mrc_png_facts facts;
    float whole[48], read[48];
    assert_ok(mrc_png_inspect(&facts, file, size, "whole", &err), &err);
    assert_ok(mrc_png_decode(whole, &facts, file, size, "whole", &err), &err);
    for (size_t cut = 0; cut < size; ++cut) {
        enum mrc_status st = mrc_png_decode(read, &facts, file, cut, "cut.png", &err);
        assert_int_equal(st, MRC_ERR_FORMAT);
        assert_non_null(strstr(err.text, "cut.png"));
        mrc_error_clear(&err);
    }
    size_t refused = 0;
    for (size_t at = 0; at < size; ++at) {
        file[at] ^= 0x41;
        if (mrc_png_decode(read, &facts, file, size, "flipped.png", NULL) == MRC_OK)
            assert_memory_equal(read, whole, sizeof whole);
        else
            ++refused;
        file[at] ^= 0x41;
    }
    assert_int_equal(refused, size); /* every byte is under some checksum */
    mrc_free(file);
}

static void test_derived(void **state) {
    (void)state;
    const char *from = folder("T1w");
    write_grey(made_path("T1w/Image #9.png"), 4, 3, 8, 0.25f);
    write_grey(made_path("T1w/Image #10.png"), 4, 3, 8, 0.5f);
    mrc_volume *source = load(from), *result = made_result(source);
    struct mrc_error err = {0};
    const char *to = folder("out");
    assert_ok(mrc_png_save_derived(result, source, &made_derivation, to, &err), &err);
    struct mrc_name_list names = {0};
    assert_ok(mrc_list_dir(&names, to, &err), &err);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "Image #10.png");
    assert_string_equal(names.names[1], "Image #9.png");
    mrc_name_list_clear(&names);

    assert_refused(to, MRC_ERR_UNSUPPORTED, "marked as synthetic");
    struct mrc_image_options options = {.allow_synthetic = true};
    mrc_volume *back = NULL;
    assert_ok(mrc_image_load(&back, to, &options, &err), &err);
    for (int v = 0; v < 24; ++v) {
        float expected = roundf(mrc_volume_voxels(result)[v] * 255.0f);
        assert_true(mrc_volume_voxels(back)[v] == expected);
    }
    mrc_volume_destroy(back);

    /* Without a PNG source: 16 bits and names of our own. */
    to = folder("out16");
    assert_ok(mrc_png_save_derived(result, NULL, &made_derivation, to, &err), &err);
    assert_true(mrc_path_exists(made_path("out16/slice_0001.png")));
    assert_true(mrc_path_exists(made_path("out16/slice_0002.png")));
    assert_ok(mrc_image_load(&back, to, &options, &err), &err);
    assert_int_equal(mrc_volume_provenance(back)->bit_depth, 16);
    mrc_volume_destroy(back);
    mrc_volume_destroy(result);
    mrc_volume_destroy(source);
}

static void test_full_disk(void **state) {
    (void)state;
    mrc_volume *vol = made_volume((struct mrc_extent){100, 100, 1}, NULL, 0.0f);
    for (int v = 0; v < 10000; ++v)
        mrc_volume_voxels(vol)[v] = (float)(v * 7919 % 10007) / 10007.0f;
    struct mrc_error err = {0};
    const char *dir = folder("full");
    made_limit_files(4096);
    enum mrc_status st = mrc_png_save_derived(vol, NULL, &made_derivation, dir, &err);
    made_limit_files(0);
    assert_int_equal(st, MRC_ERR_WRITE);
    assert_non_null(strstr(err.text, "slice_0001.png"));
    struct mrc_name_list left = {0};
    mrc_error_clear(&err);
    assert_ok(mrc_list_dir(&left, dir, &err), &err);
    assert_int_equal(left.count, 0);
    mrc_name_list_clear(&left);
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
    const char *dir = folder("memory"), *out = folder("memory_out");
    write_grey(made_path("memory/1.png"), 3, 3, 8, 0.5f);
    write_grey(made_path("memory/2.png"), 3, 3, 8, 0.5f);
    MRC_TRY_EVERY_FAILURE(st, load_once(dir));
    assert_int_equal(st, MRC_OK);
    MRC_TRY_EVERY_FAILURE(st, scan_once(dir));
    assert_int_equal(st, MRC_OK);
    mrc_volume *vol = load(dir);
    MRC_TRY_EVERY_FAILURE(st, mrc_png_save_derived(vol, vol, &made_derivation, out, NULL));
    assert_int_equal(st, MRC_OK);
    mrc_volume_destroy(vol);
}

/* The reference slices: 43 and 46 of 181 x 217, in the order of their numbers. */
static void test_reference_slices(void **state) {
    (void)state;
    const char *dir = MRC_SHARED_DIR "/data/slices/T1w";
    if (!mrc_path_is_dir(dir)) {
        print_message("SKIP: %s is not there\n", dir);
        skip();
    }
    mrc_volume *vol = load(dir);
    struct mrc_extent e = mrc_volume_extent(vol);
    assert_true(e.i == 181 && e.j == 217 && e.k == 43);
    const struct mrc_provenance *p = mrc_volume_provenance(vol);
    assert_int_equal(p->contrast, MRC_CONTRAST_T1W);
    assert_string_equal(mrc_path_name(p->files[0]), "Image #10.png");
    assert_string_equal(mrc_path_name(p->files[42]), "Image #55.png");
    mrc_volume_destroy(vol);
}

static int clear(void **state) {
    (void)state;
    made_clear();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_natural_order),
        cmocka_unit_test(test_a_gap_in_the_numbers_is_told),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_interlaced),
        cmocka_unit_test(test_uneven_stacks),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_reference_slices),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
