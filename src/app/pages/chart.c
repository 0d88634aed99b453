/* chart.c: axes with round numbers, thin grid, a legend beside each panel. */
#include "app/pages/chart.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "app/pages/canvas.h"
#include "base/alloc.h"
#include "base/fs.h"

static const double page_width_px = 960.0, plot_left_px = 70.0, plot_right_px = 790.0;
static const double panel_height_px = 260.0, panel_pitch_px = 320.0, first_top_px = 76.0;
static const double text_px = 12.0;

/* Okabe and Ito's colours, which colour-blind readers tell apart. */
static const double colours[8][3] = {{0.00, 0.45, 0.70}, {0.84, 0.37, 0.00}, {0.00, 0.62, 0.45},
                                     {0.80, 0.47, 0.65}, {0.34, 0.71, 0.91}, {0.90, 0.62, 0.00},
                                     {0.00, 0.00, 0.00}, {0.60, 0.60, 0.60}};

/* A panel's rectangle on the page and the values at its edges. */
struct frame {
    double top, bottom;
    double x_lo, x_hi, y_lo, y_hi;
};

double mrc_chart_step(double range, int most) {
    double rough = range / most;
    double power = pow(10.0, floor(log10(rough)));
    static const double multiples[] = {1.0, 2.0, 5.0, 10.0};
    for (size_t i = 0; i < 3; ++i)
        if (multiples[i] * power >= rough * (1.0 - 1e-9)) return multiples[i] * power;
    return 10.0 * power;
}

static double page_x(const struct frame *f, double x) {
    return plot_left_px + (x - f->x_lo) / (f->x_hi - f->x_lo) * (plot_right_px - plot_left_px);
}

static double page_y(const struct frame *f, double y) {
    return f->bottom - (y - f->y_lo) / (f->y_hi - f->y_lo) * (f->bottom - f->top);
}

static struct frame frame_of(const struct mrc_chart *chart, size_t index) {
    const struct mrc_panel *panel = &chart->panels[index];
    struct frame f = {.top = first_top_px + (double)index * panel_pitch_px, .x_lo = 0, .x_hi = 1};
    f.bottom = f.top + panel_height_px;
    if (chart->count > 0) {
        f.x_lo = chart->x[0];
        f.x_hi = chart->x[chart->count - 1];
    }
    if (!(f.x_hi > f.x_lo)) f.x_hi = f.x_lo + 1.0;
    for (size_t c = 0; c < panel->curve_count; ++c) {
        for (size_t i = 0; i < chart->count; ++i) {
            double value = panel->curves[c].values[i];
            if (!isfinite(value)) continue;
            f.y_lo = fmin(f.y_lo, value);
            f.y_hi = fmax(f.y_hi, value);
        }
    }
    if (!(f.y_hi > f.y_lo)) f.y_hi = f.y_lo + 1.0;
    double step = mrc_chart_step(f.y_hi - f.y_lo, 6);
    f.y_hi = ceil(f.y_hi / step - 1e-9) * step;
    f.y_lo = floor(f.y_lo / step + 1e-9) * step;
    return f;
}

static void line(cairo_t *cr, double x0, double y0, double x1, double y1) {
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

static void draw_grid(struct mrc_canvas *canvas, const struct frame *f, const char *x_label) {
    cairo_t *cr = canvas->cr;
    char text[32];
    cairo_set_line_width(cr, 1.0);
    double step = mrc_chart_step(f->y_hi - f->y_lo, 6);
    for (double y = f->y_lo; y <= f->y_hi + step * 1e-6; y += step) {
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        line(cr, plot_left_px, page_y(f, y), plot_right_px, page_y(f, y));
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        snprintf(text, sizeof text, "%.4g", fabs(y) < step * 1e-6 ? 0.0 : y);
        mrc_canvas_text(canvas, plot_left_px - 8.0, page_y(f, y) + 4.0, text_px, MRC_ANCHOR_RIGHT,
                        text);
    }
    step = fmax(1.0, mrc_chart_step(f->x_hi - f->x_lo, 10));
    for (double x = ceil(f->x_lo / step) * step; x <= f->x_hi + step * 1e-6; x += step) {
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        line(cr, page_x(f, x), f->top, page_x(f, x), f->bottom);
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        snprintf(text, sizeof text, "%.4g", x);
        mrc_canvas_text(canvas, page_x(f, x), f->bottom + 16.0, text_px, MRC_ANCHOR_CENTRE, text);
    }
    mrc_canvas_text(canvas, plot_right_px + 10.0, f->bottom + 16.0, text_px, MRC_ANCHOR_LEFT,
                    x_label);
    cairo_rectangle(cr, plot_left_px, f->top, plot_right_px - plot_left_px, f->bottom - f->top);
    cairo_stroke(cr);
}

static void draw_curve(struct mrc_canvas *canvas, const struct frame *f,
                       const struct mrc_chart *chart, const double *values) {
    cairo_t *cr = canvas->cr;
    bool pen_down = false;
    for (size_t i = 0; i < chart->count; ++i) {
        if (!isfinite(values[i])) {
            pen_down = false;
            continue;
        }
        double x = page_x(f, chart->x[i]), y = page_y(f, values[i]);
        if (pen_down)
            cairo_line_to(cr, x, y);
        else
            cairo_move_to(cr, x, y);
        pen_down = true;
    }
    cairo_stroke(cr);
    for (size_t i = 0; chart->count <= 30 && i < chart->count; ++i) {
        if (!isfinite(values[i])) continue;
        cairo_arc(cr, page_x(f, chart->x[i]), page_y(f, values[i]), 2.5, 0.0, 4.0 * acos(0.0));
        cairo_fill(cr);
    }
}

static void draw_panel(struct mrc_canvas *canvas, const struct mrc_chart *chart, size_t index) {
    const struct mrc_panel *panel = &chart->panels[index];
    struct frame f = frame_of(chart, index);
    cairo_t *cr = canvas->cr;
    draw_grid(canvas, &f, chart->x_label);
    cairo_set_source_rgb(cr, 0.0, 0.0, 0.0);
    mrc_canvas_text(canvas, plot_left_px, f.top - 8.0, 14.0, MRC_ANCHOR_LEFT, panel->title);
    cairo_set_line_width(cr, 1.8);
    for (size_t c = 0; c < panel->curve_count; ++c) {
        const double *rgb = colours[c % 8];
        double y = f.top + 14.0 + 20.0 * (double)c;
        cairo_set_source_rgb(cr, rgb[0], rgb[1], rgb[2]);
        draw_curve(canvas, &f, chart, panel->curves[c].values);
        line(cr, plot_right_px + 14.0, y, plot_right_px + 38.0, y);
        mrc_canvas_text(canvas, plot_right_px + 44.0, y + 4.0, text_px, MRC_ANCHOR_LEFT,
                        panel->curves[c].name);
    }
}

enum mrc_status mrc_chart_render(unsigned char **png, size_t *size_bytes,
                                 const struct mrc_chart *chart, struct mrc_error *err) {
    struct mrc_canvas canvas;
    double height = first_top_px + panel_pitch_px * (double)chart->panel_count;
    enum mrc_status status = mrc_canvas_open(&canvas, (int)page_width_px, (int)height, err);
    if (status != MRC_OK) return status;
    mrc_canvas_text(&canvas, plot_left_px, 34.0, 17.0, MRC_ANCHOR_LEFT, chart->title);
    for (size_t p = 0; p < chart->panel_count; ++p) draw_panel(&canvas, chart, p);
    status = mrc_canvas_render(png, size_bytes, &canvas, err);
    mrc_canvas_close(&canvas);
    return status;
}

enum mrc_status mrc_chart_save(const struct mrc_chart *chart, const char *path,
                               struct mrc_error *err) {
    unsigned char *png = NULL;
    size_t size = 0;
    enum mrc_status status = mrc_chart_render(&png, &size, chart, err);
    if (status == MRC_OK) status = mrc_write_file(path, png, size, err);
    mrc_free(png);
    return status;
}
