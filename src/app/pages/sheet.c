/* sheet.c: the page is measured first (labels, grid, footer), then drawn. */
#include "app/pages/sheet.h"

#include <math.h>

#include "app/pages/canvas.h"
#include "base/alloc.h"
#include "base/fs.h"

static const double margin_px = 14.0, gap_px = 6.0;
static const double title_px = 17.0, label_px = 13.0, footer_px = 11.0;

/* Where things lie on the page. */
struct layout {
    double cell_width, cell_height; /* page pixels of an image */
    double left, top;               /* of the first image */
    double width, height;           /* of the page */
};

static struct layout measure(const struct mrc_sheet *sheet) {
    struct layout at;
    at.cell_width = (double)sheet->image_width * sheet->zoom;
    at.cell_height = (double)sheet->image_height * sheet->zoom;
    double labels = mrc_text_width_px(sheet->row_labels, sheet->rows, label_px);
    at.left = margin_px + (labels > 0.0 ? ceil(labels) + gap_px : 0.0);
    at.top = margin_px + (sheet->title != NULL ? title_px + 2.0 * gap_px : 0.0) +
             (sheet->column_labels != NULL ? label_px + gap_px : 0.0);
    double grid = (double)sheet->columns * (at.cell_width + gap_px) - gap_px;
    double words = fmax(mrc_text_width_px(&sheet->title, 1, title_px),
                        mrc_text_width_px(&sheet->footer, 1, footer_px));
    at.width = ceil(fmax(at.left + grid, margin_px + words) + margin_px);
    at.height = at.top + (double)sheet->rows * (at.cell_height + gap_px) - gap_px +
                (sheet->footer != NULL ? footer_px + gap_px : 0.0) + margin_px;
    return at;
}

static void draw_words(struct mrc_canvas *canvas, const struct mrc_sheet *sheet,
                       const struct layout *at) {
    mrc_canvas_text(canvas, margin_px, margin_px + title_px, title_px, MRC_ANCHOR_LEFT,
                    sheet->title);
    for (size_t c = 0; sheet->column_labels != NULL && c < sheet->columns; ++c)
        mrc_canvas_text(canvas,
                        at->left + (double)c * (at->cell_width + gap_px) + at->cell_width / 2.0,
                        at->top - gap_px, label_px, MRC_ANCHOR_CENTRE, sheet->column_labels[c]);
    for (size_t r = 0; sheet->row_labels != NULL && r < sheet->rows; ++r)
        mrc_canvas_text(canvas, at->left - gap_px,
                        at->top + (double)r * (at->cell_height + gap_px) + at->cell_height / 2.0 +
                            label_px / 3.0,
                        label_px, MRC_ANCHOR_RIGHT, sheet->row_labels[r]);
    cairo_set_source_rgb(canvas->cr, 0.35, 0.35, 0.35);
    mrc_canvas_text(canvas, margin_px, at->height - margin_px, footer_px, MRC_ANCHOR_LEFT,
                    sheet->footer);
}

static enum mrc_status draw_images(struct mrc_canvas *canvas, const struct mrc_sheet *sheet,
                                   const struct layout *at, struct mrc_error *err) {
    for (size_t r = 0; r < sheet->rows; ++r) {
        for (size_t c = 0; c < sheet->columns; ++c) {
            const float *image = sheet->images[r * sheet->columns + c];
            if (image == NULL) continue;
            enum mrc_status status =
                mrc_canvas_grey(canvas, image, (int)sheet->image_width, (int)sheet->image_height,
                                sheet->column_white != NULL ? sheet->column_white[c] : 1.0,
                                at->left + (double)c * (at->cell_width + gap_px),
                                at->top + (double)r * (at->cell_height + gap_px), at->cell_width,
                                at->cell_height, err);
            if (status != MRC_OK) return status;
        }
    }
    return MRC_OK;
}

/* The page, drawn; to be closed also after a failure. */
static enum mrc_status draw(struct mrc_canvas *canvas, const struct mrc_sheet *sheet,
                            struct mrc_error *err) {
    MRC_ASSERT(sheet->rows > 0 && sheet->columns > 0 && sheet->zoom >= 1 && sheet->zoom <= 16);
    MRC_ASSERT(sheet->image_width > 0 && sheet->image_height > 0);
    struct layout at = measure(sheet);
    *canvas = (struct mrc_canvas){.surface = NULL};
    if (!(at.width < 1e6 && at.height < 1e6))
        return mrc_fail(err, MRC_ERR_RANGE, "sheet: %.0f x %.0f pixels, expected fewer than 32768",
                        at.width, at.height);
    enum mrc_status status = mrc_canvas_open(canvas, (int)at.width, (int)at.height, err);
    if (status == MRC_OK) status = draw_images(canvas, sheet, &at, err);
    if (status == MRC_OK) draw_words(canvas, sheet, &at);
    return status;
}

enum mrc_status mrc_sheet_render(unsigned char **png, size_t *size_bytes,
                                 const struct mrc_sheet *sheet, struct mrc_error *err) {
    struct mrc_canvas canvas;
    enum mrc_status status = draw(&canvas, sheet, err);
    if (status == MRC_OK) status = mrc_canvas_render(png, size_bytes, &canvas, err);
    mrc_canvas_close(&canvas);
    return status;
}

enum mrc_status mrc_sheet_values(uint16_t **out, int *width_px, int *height_px,
                                 const struct mrc_sheet *sheet, struct mrc_error *err) {
    struct mrc_canvas canvas;
    enum mrc_status status = draw(&canvas, sheet, err);
    if (status == MRC_OK) status = mrc_canvas_values(out, width_px, height_px, &canvas, err);
    mrc_canvas_close(&canvas);
    return status;
}

enum mrc_status mrc_sheet_save(const struct mrc_sheet *sheet, const char *path,
                               struct mrc_error *err) {
    unsigned char *png = NULL;
    size_t size = 0;
    enum mrc_status status = mrc_sheet_render(&png, &size, sheet, err);
    if (status == MRC_OK) status = mrc_write_file(path, png, size, err);
    mrc_free(png);
    return status;
}
