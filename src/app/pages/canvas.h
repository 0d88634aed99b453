/* canvas.h: a white page to draw on, which becomes a PNG in memory. Used by sheet.c and chart.c
 * only; the one place that shows cairo. */
#ifndef MRC_APP_PAGES_CANVAS_H
#define MRC_APP_PAGES_CANVAS_H

#include <cairo/cairo.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mrc_canvas {
    cairo_surface_t *surface;
    cairo_t *cr;
};

/** An anchor is the part of the text that lies on the given point. */
enum mrc_anchor { MRC_ANCHOR_LEFT, MRC_ANCHOR_CENTRE, MRC_ANCHOR_RIGHT };

/** MRC_ERR_RANGE when a side is not in 1 … 32767 pixels. */
enum mrc_status mrc_canvas_open(struct mrc_canvas *canvas, int width_px, int height_px,
                                struct mrc_error *err);
/** Draws text with its baseline at y in the current colour. `text` may be NULL. */
void mrc_canvas_text(struct mrc_canvas *canvas, double x, double y, double size_px,
                     enum mrc_anchor anchor, const char *text);
/** Width of the widest of `count` texts; no canvas is needed. 0 when `texts` is NULL. */
double mrc_text_width_px(const char *const *texts, size_t count, double size_px);
/** Grey pixels [rows][columns], smoothly scaled into the rectangle: 0 is black, `white` and what is
 * above is white. NaN is drawn black. */
enum mrc_status mrc_canvas_grey(struct mrc_canvas *canvas, const float *pixels, int columns,
                                int rows, double white, double x, double y, double width_px,
                                double height_px, struct mrc_error *err);
/** The page as PNG bytes, the caller's (mrc_free). */
enum mrc_status mrc_canvas_render(unsigned char **png, size_t *size_bytes,
                                  struct mrc_canvas *canvas, struct mrc_error *err);
/** The page as grey values, 0 black to 255 white, [height][width], the caller's (mrc_free). */
enum mrc_status mrc_canvas_values(uint16_t **out, int *width_px, int *height_px,
                                  struct mrc_canvas *canvas, struct mrc_error *err);
/** Grey pixels [rows][columns] as they are, as PNG bytes, the caller's (mrc_free). */
enum mrc_status mrc_canvas_grey_png(unsigned char **png, size_t *size_bytes,
                                    const unsigned char *pixels, int columns, int rows,
                                    struct mrc_error *err);
/** A zeroed canvas is fine. */
void mrc_canvas_close(struct mrc_canvas *canvas);

#endif
