/* canvas.c: drawing with cairo on an image surface. */
#include "app/pages/canvas.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum { SIDE_LIMIT_PX = 32767 };

#if defined(__SANITIZE_ADDRESS__)
/* fontconfig, which cairo finds its fonts with, keeps its tables until the process ends. */
MRC_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig\n";
}
MRC_API const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return "print_suppressions=0";
}
#endif

static enum mrc_status check(cairo_status_t status, struct mrc_error *err) {
    if (status == CAIRO_STATUS_SUCCESS) return MRC_OK;
    return mrc_fail(err, MRC_ERR_NOMEM, "picture: %s", cairo_status_to_string(status));
}

static void choose_font(cairo_t *cr, double size_px) {
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size_px);
}

enum mrc_status mrc_canvas_open(struct mrc_canvas *canvas, int width_px, int height_px,
                                struct mrc_error *err) {
    *canvas = (struct mrc_canvas){0};
    if (width_px < 1 || height_px < 1 || width_px > SIDE_LIMIT_PX || height_px > SIDE_LIMIT_PX)
        return mrc_fail(err, MRC_ERR_RANGE, "picture: %d x %d pixels, expected at most %d a side",
                        width_px, height_px, SIDE_LIMIT_PX);
    canvas->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width_px, height_px);
    canvas->cr = cairo_create(canvas->surface);
    cairo_set_source_rgb(canvas->cr, 1.0, 1.0, 1.0);
    cairo_paint(canvas->cr);
    cairo_set_source_rgb(canvas->cr, 0.0, 0.0, 0.0);
    enum mrc_status status = check(cairo_status(canvas->cr), err);
    if (status != MRC_OK) mrc_canvas_close(canvas);
    return status;
}

void mrc_canvas_close(struct mrc_canvas *canvas) {
    if (canvas->cr != NULL) cairo_destroy(canvas->cr);
    if (canvas->surface != NULL) cairo_surface_destroy(canvas->surface);
    *canvas = (struct mrc_canvas){0};
}

static double advance_px(cairo_t *cr, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

void mrc_canvas_text(struct mrc_canvas *canvas, double x, double y, double size_px,
                     enum mrc_anchor anchor, const char *text) {
    if (text == NULL) return;
    choose_font(canvas->cr, size_px);
    double width = advance_px(canvas->cr, text);
    if (anchor == MRC_ANCHOR_CENTRE) x -= width / 2.0;
    if (anchor == MRC_ANCHOR_RIGHT) x -= width;
    cairo_move_to(canvas->cr, x, y);
    cairo_show_text(canvas->cr, text);
    cairo_new_path(canvas->cr);
}

double mrc_text_width_px(const char *const *texts, size_t count, double size_px) {
    double widest = 0.0;
    if (texts == NULL) return widest;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(surface);
    choose_font(cr, size_px);
    for (size_t i = 0; i < count; ++i)
        if (texts[i] != NULL) widest = fmax(widest, advance_px(cr, texts[i]));
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return widest;
}

static void fill_grey(cairo_surface_t *surface, const float *pixels, int columns, int rows,
                      double white) {
    const float scale = (float)(1.0 / white);
    cairo_surface_flush(surface);
    unsigned char *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < columns; ++c) {
            float value = scale * pixels[(size_t)r * (size_t)columns + (size_t)c];
            if (!(value > 0.0f)) value = 0.0f; /* NaN too */
            if (value > 1.0f) value = 1.0f;
            uint32_t grey = (uint32_t)lrintf(value * 255.0f);
            uint32_t word = grey << 16 | grey << 8 | grey;
            memcpy(data + (size_t)r * stride + (size_t)c * sizeof word, &word, sizeof word);
        }
    }
    cairo_surface_mark_dirty(surface);
}

enum mrc_status mrc_canvas_grey(struct mrc_canvas *canvas, const float *pixels, int columns,
                                int rows, double white, double x, double y, double width_px,
                                double height_px, struct mrc_error *err) {
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, columns, rows);
    enum mrc_status status = check(cairo_surface_status(image), err);
    if (status == MRC_OK) {
        cairo_t *cr = canvas->cr;
        fill_grey(image, pixels, columns, rows, white);
        cairo_save(cr);
        cairo_rectangle(cr, x, y, width_px, height_px);
        cairo_clip(cr);
        cairo_translate(cr, x, y);
        cairo_scale(cr, width_px / columns, height_px / rows);
        cairo_set_source_surface(cr, image, 0.0, 0.0);
        cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BILINEAR);
        cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
        cairo_paint(cr);
        cairo_restore(cr);
        status = check(cairo_status(cr), err);
    }
    cairo_surface_destroy(image);
    return status;
}

struct bytes {
    unsigned char *data;
    size_t size, capacity;
};

static cairo_status_t append(void *context, const unsigned char *data, unsigned int length) {
    struct bytes *bytes = context;
    if (!mrc_grow((void **)&bytes->data, &bytes->capacity, bytes->size + length, 1))
        return CAIRO_STATUS_NO_MEMORY;
    memcpy(bytes->data + bytes->size, data, length);
    bytes->size += length;
    return CAIRO_STATUS_SUCCESS;
}

static enum mrc_status encode(unsigned char **png, size_t *size_bytes, cairo_surface_t *surface,
                              struct mrc_error *err) {
    struct bytes bytes = {0};
    cairo_surface_flush(surface);
    enum mrc_status status = check(cairo_surface_write_to_png_stream(surface, append, &bytes), err);
    if (status != MRC_OK) {
        mrc_free(bytes.data);
        return status;
    }
    *png = bytes.data;
    *size_bytes = bytes.size;
    return MRC_OK;
}

enum mrc_status mrc_canvas_render(unsigned char **png, size_t *size_bytes,
                                  struct mrc_canvas *canvas, struct mrc_error *err) {
    enum mrc_status status = check(cairo_status(canvas->cr), err);
    return status == MRC_OK ? encode(png, size_bytes, canvas->surface, err) : status;
}

/* Of a page without colours one channel says all; in ARGB32 and RGB24 green is the middle one. */
enum mrc_status mrc_canvas_values(uint16_t **out, int *width_px, int *height_px,
                                  struct mrc_canvas *canvas, struct mrc_error *err) {
    cairo_surface_flush(canvas->surface);
    enum mrc_status status = check(cairo_status(canvas->cr), err);
    if (status != MRC_OK) return status;
    const unsigned char *from = cairo_image_surface_get_data(canvas->surface);
    const size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
    const size_t width = (size_t)cairo_image_surface_get_width(canvas->surface);
    const size_t height = (size_t)cairo_image_surface_get_height(canvas->surface);
    *out = mrc_alloc(width * height, sizeof **out);
    if (*out == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a picture");
    for (size_t row = 0; row < height; ++row)
        for (size_t column = 0; column < width; ++column) {
            uint32_t pixel;
            memcpy(&pixel, from + row * stride + 4 * column, sizeof pixel);
            (*out)[row * width + column] = (uint16_t)(pixel >> 8 & 0xffu);
        }
    *width_px = (int)width;
    *height_px = (int)height;
    return MRC_OK;
}

enum mrc_status mrc_canvas_grey_png(unsigned char **png, size_t *size_bytes,
                                    const unsigned char *pixels, int columns, int rows,
                                    struct mrc_error *err) {
    if (columns < 1 || rows < 1 || columns > SIDE_LIMIT_PX || rows > SIDE_LIMIT_PX)
        return mrc_fail(err, MRC_ERR_RANGE, "picture: %d x %d pixels, expected at most %d a side",
                        columns, rows, SIDE_LIMIT_PX);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, columns, rows);
    enum mrc_status status = check(cairo_surface_status(surface), err);
    if (status == MRC_OK) {
        unsigned char *to = cairo_image_surface_get_data(surface);
        const int stride = cairo_image_surface_get_stride(surface);
        for (int row = 0; row < rows; ++row)
            memcpy(to + (size_t)row * (size_t)stride, pixels + (size_t)row * (size_t)columns,
                   (size_t)columns);
        cairo_surface_mark_dirty(surface);
        status = encode(png, size_bytes, surface, err);
    }
    cairo_surface_destroy(surface);
    return status;
}
