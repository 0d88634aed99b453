/* test_picture.c: sheets and charts are read back as pixels. */
#include "support.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/pages/chart.h"
#include "app/pages/sheet.h"

struct reader {
    const unsigned char *data;
    size_t size, at;
};

static cairo_status_t read_bytes(void *context, unsigned char *out, unsigned int length) {
    struct reader *reader = context;
    if (length > reader->size - reader->at) return CAIRO_STATUS_READ_ERROR;
    memcpy(out, reader->data + reader->at, length);
    reader->at += length;
    return CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *decode(const unsigned char *png, size_t size) {
    struct reader reader = {.data = png, .size = size};
    cairo_surface_t *page = cairo_image_surface_create_from_png_stream(read_bytes, &reader);
    assert_int_equal(cairo_surface_status(page), CAIRO_STATUS_SUCCESS);
    assert_int_equal(reader.at, size);
    return page;
}

static unsigned red_at(cairo_surface_t *page, int x, int y) {
    const unsigned char *data = cairo_image_surface_get_data(page);
    uint32_t word;
    memcpy(&word, data + (ptrdiff_t)y * cairo_image_surface_get_stride(page) + (ptrdiff_t)x * 4,
           sizeof word);
    return word >> 16 & 255u;
}

/* Two rows, three columns of 8 x 4 pixels; one cell empty. */
static void fill_images(float images[5][32]) {
    static const float greys[5] = {0.0f, 0.25f, 0.5f, 0.75f, 1.0f};
    for (int n = 0; n < 5; ++n)
        for (int p = 0; p < 32; ++p) images[n][p] = greys[n];
    images[4][0] = NAN;
}

static struct mrc_sheet make_sheet(const float *const *cells) {
    static const char *const columns[] = {"one", "two", "three"};
    static const char *const rows[] = {"first", "second"};
    return (struct mrc_sheet){.title = "a sheet",
                              .footer = "below",
                              .rows = 2,
                              .columns = 3,
                              .images = cells,
                              .image_width = 8,
                              .image_height = 4,
                              .zoom = 8,
                              .column_labels = columns,
                              .row_labels = rows};
}

static void test_sheet_places_its_images(void **state) {
    (void)state;
    float images[5][32];
    fill_images(images);
    const float *cells[6] = {images[0], images[1], images[2], images[3], NULL, images[4]};
    struct mrc_sheet sheet = make_sheet(cells);
    unsigned char *png = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_sheet_render(&png, &size, &sheet, &err), &err);
    cairo_surface_t *page = decode(png, size);
    int width = cairo_image_surface_get_width(page), height = cairo_image_surface_get_height(page);
    /* 14 px margin at the right; footer line of 17 px and margin below the last row; 6 px gaps */
    int left = width - 14 - (3 * 64 + 2 * 6), top = height - 14 - 17 - (2 * 32 + 6);
    static const unsigned expected[6] = {0, 64, 128, 191, 255, 255};
    for (int cell = 0; cell < 6; ++cell) {
        int x = left + cell % 3 * 70 + 32, y = top + cell / 3 * 38 + 20;
        assert_in_range(red_at(page, x, y), expected[cell] > 1 ? expected[cell] - 1 : 0,
                        expected[cell] + 1);
    }
    assert_int_equal(red_at(page, left + 2 * 70 + 2, top + 38 + 2), 0); /* NaN is black */
    assert_int_equal(red_at(page, left - 3, top + 16), 255);
    cairo_surface_destroy(page);
    mrc_free(png);
}

static void test_sheet_survives_memory_failures(void **state) {
    (void)state;
    float images[5][32];
    fill_images(images);
    const float *cells[6] = {images[0], images[1], images[2], images[3], NULL, images[4]};
    struct mrc_sheet sheet = make_sheet(cells);
    unsigned char *png = NULL;
    size_t size = 0;
    enum mrc_status status;
    MRC_TRY_EVERY_FAILURE(status, mrc_sheet_render(&png, &size, &sheet, NULL));
    assert_int_equal(status, MRC_OK);
    mrc_free(png);
}

static void test_sheet_refuses_a_huge_page(void **state) {
    (void)state;
    static float image[1];
    const float *cells[3000];
    for (int i = 0; i < 3000; ++i) cells[i] = image;
    struct mrc_sheet sheet = {.rows = 3000,
                              .columns = 1,
                              .images = cells,
                              .image_width = 1,
                              .image_height = 1,
                              .zoom = 16};
    unsigned char *png = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    assert_int_equal(mrc_sheet_render(&png, &size, &sheet, &err), MRC_ERR_RANGE);
    assert_null(png);
}

static void test_chart_steps_are_round(void **state) {
    (void)state;
    static const struct {
        double range;
        int most;
        double step;
    } cases[] = {{10.0, 10, 1.0}, {250.0, 10, 50.0}, {1.0, 6, 0.2}, {0.31, 6, 0.1}, {7.0, 6, 2.0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
        assert_true(fabs(mrc_chart_step(cases[i].range, cases[i].most) / cases[i].step - 1.0) <
                    1e-9);
}

static size_t coloured_pixels(cairo_surface_t *page) {
    size_t count = 0;
    for (int y = 0; y < cairo_image_surface_get_height(page); ++y)
        for (int x = 0; x < 780; ++x) { /* left of the legend */
            const unsigned char *p = cairo_image_surface_get_data(page) +
                                     (ptrdiff_t)y * cairo_image_surface_get_stride(page) +
                                     (ptrdiff_t)x * 4;
            count += abs(p[0] - p[2]) > 60;
        }
    return count;
}

static void test_chart_draws_its_curves(void **state) {
    (void)state;
    double x[40], rising[40], missing[40];
    for (int i = 0; i < 40; ++i) {
        x[i] = i + 1;
        rising[i] = i * 0.1;
        missing[i] = NAN;
    }
    struct mrc_curve curve = {"curve", rising};
    struct mrc_panel panel = {"panel", &curve, 1};
    struct mrc_chart chart = {.title = "chart",
                              .x_label = "epoch",
                              .x = x,
                              .count = 40,
                              .panels = &panel,
                              .panel_count = 1};
    unsigned char *png = NULL;
    size_t size = 0, drawn[2];
    struct mrc_error err = {0};
    for (int round = 0; round < 2; ++round) {
        curve.values = round == 0 ? rising : missing;
        assert_ok(mrc_chart_render(&png, &size, &chart, &err), &err);
        cairo_surface_t *page = decode(png, size);
        drawn[round] = coloured_pixels(page);
        cairo_surface_destroy(page);
        mrc_free(png);
    }
    assert_true(drawn[0] > 500); /* a line across the panel */
    assert_int_equal(drawn[1], 0);
    chart.count = 0;
    assert_ok(mrc_chart_render(&png, &size, &chart, &err), &err);
    mrc_free(png);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sheet_places_its_images),
        cmocka_unit_test(test_sheet_survives_memory_failures),
        cmocka_unit_test(test_sheet_refuses_a_huge_page),
        cmocka_unit_test(test_chart_steps_are_round),
        cmocka_unit_test(test_chart_draws_its_curves),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cairo_debug_reset_static_data();
    return failed;
}
