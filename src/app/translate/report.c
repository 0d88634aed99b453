/* report.c: the cycle there and back, measured inside the head, and told. */
#include "app/translate/report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/pages/html.h"
#include "app/pages/sheet.h"
#include "app/pages/viewer.h"
#include "app/sets/likeness.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "metrics/conformal.h"

enum { ROWS = 5, COLUMNS = 4, HEAD_PIXELS = 20, SLIVER = 5 };
/* --- Figures --- */

/* Pixels of the head from which on a slice counts: the last bits of a crown are all edge. */
static size_t least_head(const unsigned char *head, const struct mrc_slices *x) {
    const size_t plane = (size_t)(x->size * x->size);
    size_t most = 0;
    for (int64_t k = 0; k < x->count; ++k) {
        size_t count = 0;
        for (size_t n = plane * (size_t)k; n < plane * (size_t)(k + 1); ++n) count += head[n] != 0;
        if (count > most) most = count;
    }
    return most / SLIVER > HEAD_PIXELS ? most / SLIVER : HEAD_PIXELS;
}

enum mrc_status mrc_report_measure(struct mrc_report *r, struct mrc_error *err) {
    const struct mrc_slices *x = r->before;
    const struct mrc_extent e = {x->size, x->size, x->count};
    const size_t plane = (size_t)(x->size * x->size), all = plane * (size_t)x->count;
    unsigned char *head = mrc_alloc(all, 1);
    r->errors = mrc_alloc((size_t)x->count, sizeof *r->errors);
    enum mrc_status st = MRC_OK;
    if (head == NULL || r->errors == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the report");
    if (st == MRC_OK) st = mrc_slices_find_head(head, x->pixels, e, err);
    double total = 0.0;
    size_t pixels = 0, flat = 0, least = 0;
    r->distance = mrc_likeness_distance(r->input, r->trained, r->from);
    r->worst = 0.0;
    r->worst_slice = -1;
    r->head_slices = 0;
    if (st == MRC_OK) least = least_head(head, x);
    for (int64_t k = 0; st == MRC_OK && k < x->count; ++k) {
        double sum = 0.0;
        size_t count = 0;
        for (size_t n = plane * (size_t)k; n < plane * (size_t)(k + 1); ++n) {
            if (head[n] == 0) continue;
            sum += r->room * fabs((double)x->pixels[n] - (double)r->cycle->pixels[n]);
            flat += r->after->pixels[n] <= 0.002f || r->after->pixels[n] >= 0.998f;
            ++count;
        }
        r->errors[k] = count >= least ? sum / (double)count : (double)NAN;
        total += sum;
        pixels += count;
        if (count < least) continue;
        ++r->head_slices;
        if (r->worst_slice >= 0 && r->errors[k] <= r->worst) continue;
        r->worst = r->errors[k];
        r->worst_slice = k;
    }
    r->error = pixels > 0 ? total / (double)pixels : (double)NAN;
    r->expected = mrc_conformal_bound(r->calibration->errors, (size_t)r->calibration->count,
                                      MRC_CALIBRATION_COVERAGE);
    r->saturated = pixels > 0 ? (double)flat / (double)pixels : (double)NAN;
    mrc_free(head);
    if (st != MRC_OK) mrc_report_clear(r);
    return st;
}

void mrc_report_clear(struct mrc_report *r) {
    mrc_free(r->errors);
    r->errors = NULL;
}

/* No warning hangs on the cycle error: measured on real heads it is 0.12 for the shipped model's
 * own training slices, 0.10 for an infant and 0.13 for a T2w passed off as T1w. It tells of the
 * model's two directions, and not whether an input is one the model knows. Warning `n`, or NULL
 * when there are no more. */
static const char *warning(const struct mrc_report *r, int n) {
    const struct {
        bool holds;
        const char *text;
    } all[] = {
        {true, "Synthetic, not acquired, not for diagnosis."},
        {r->trained->slices == 0,
         "How far the input lies from what the model was trained on is not recorded in "
         "the model."},
        {r->trained->slices > 0 && !isfinite(r->distance),
         "The input shows no head that could be compared with the training images."},
        {r->distance >= MRC_LIKENESS_FAR,
         "The input is far from the images the model was trained on: another contrast, noise or no "
         "head of an adult. The result means nothing until somebody has looked at it."},
        {r->from == MRC_CONTRAST_T1W && (r->to == MRC_CONTRAST_T2W || r->to == MRC_CONTRAST_FLAIR),
         "A lesion that the T1w does not show cannot appear in the result."},
        {r->before->record.square.cut_head > 0.0,
         "Part of the head lies outside the model's field of view. The result is 0 there."},
        {r->recognised == MRC_CONTRAST_UNKNOWN,
         "The input's contrast was not recognised; it was taken as what was asked for."},
        {r->recognised != MRC_CONTRAST_UNKNOWN && r->recognised != r->from,
         "The input was recognised as another contrast than it was taken for."},
    };
    for (size_t w = 0; w < sizeof all / sizeof *all; ++w)
        if (all[w].holds && n-- == 0) return all[w].text;
    return NULL;
}

/* --- report.json --- */

static void add_number(cJSON *node, const char *key, double value) {
    if (isfinite(value))
        cJSON_AddNumberToObject(node, key, value);
    else
        cJSON_AddNullToObject(node, key);
}

static void add_figures_of(cJSON *root, const char *key, const struct mrc_trained_images *images) {
    if (images->slices > 0)
        cJSON_AddItemToObject(root, key,
                              cJSON_CreateDoubleArray(images->figures, MRC_TRAINED_FIGURES));
}

static char *json_text(const struct mrc_report *r) {
    cJSON *root = mrc_json_begin();
    cJSON_AddStringToObject(root, "Report", "mrcycle translation");
    cJSON_AddStringToObject(root, "Version", r->version);
    cJSON_AddStringToObject(root, "From", mrc_contrast_name(r->from));
    cJSON_AddStringToObject(root, "To", mrc_contrast_name(r->to));
    cJSON_AddStringToObject(root, "Recognised", mrc_contrast_name(r->recognised));
    cJSON_AddStringToObject(root, "ModelName", r->model_name);
    cJSON_AddStringToObject(root, "ModelHash", r->model_hash);
    cJSON_AddStringToObject(root, "Steps", r->steps);
    cJSON_AddStringToObject(root, "Settings", r->settings);
    cJSON_AddNumberToObject(root, "Slices", (double)r->before->count);
    cJSON_AddNumberToObject(root, "SlicesWithHead", (double)r->head_slices);
    add_number(root, "CycleError", r->error);
    add_number(root, "WorstCycleError", r->worst_slice >= 0 ? r->worst : (double)NAN);
    add_number(root, "WorstSlice",
               r->worst_slice >= 0 ? (double)r->worst_slice + 1.0 : (double)NAN);
    add_number(root, "SaturatedPart", r->saturated);
    add_number(root, "ExpectedError", r->expected);
    cJSON_AddNumberToObject(root, "CalibrationHeads", (double)r->calibration->count);
    if (r->trained->slices > 0)
        add_number(root, "DistanceFromTraining", r->distance);
    else
        cJSON_AddStringToObject(root, "DistanceFromTraining", "not recorded");
    cJSON_AddNumberToObject(root, "FarFrom", MRC_LIKENESS_FAR);
    add_figures_of(root, "FiguresOfInput", r->input);
    add_figures_of(root, "FiguresOfTraining", r->trained);
    cJSON *errors = cJSON_AddArrayToObject(root, "CycleErrorBySlice");
    for (int64_t k = 0; errors != NULL && k < r->before->count; ++k)
        cJSON_AddItemToArray(errors, isfinite(r->errors[k]) ? cJSON_CreateNumber(r->errors[k])
                                                            : cJSON_CreateNull());
    cJSON *warnings = cJSON_AddArrayToObject(root, "Warnings");
    for (int n = 0; warning(r, n) != NULL; ++n)
        cJSON_AddItemToArray(warnings, cJSON_CreateString(warning(r, n)));
    char *text = mrc_json_print(root, true);
    cJSON_Delete(root);
    return text;
}

/* --- report.html --- */

/* Evenly spaced slices that show the head, the highest first, and the worst one last. */
static size_t choose(int64_t chosen[ROWS], const struct mrc_report *r) {
    size_t rows = 0;
    int64_t want = ROWS - 1, seen = 0;
    for (int64_t k = r->before->count - 1; k >= 0 && rows < ROWS - 1; --k) {
        if (!isfinite(r->errors[k])) continue;
        if (seen >= (2 * (int64_t)rows + 1) * r->head_slices / (2 * want)) chosen[rows++] = k;
        ++seen;
    }
    if (r->worst_slice >= 0) chosen[rows++] = r->worst_slice;
    return rows;
}

static const char *const captions[MRC_CUT_COUNT] = {
    [MRC_CUT_AXIAL] = "Axial slices; the patient's right is on the left.",
    [MRC_CUT_SAGITTAL] = "Sagittal slices; the patient's front is on the left.",
    [MRC_CUT_CORONAL] = "Coronal slices; the patient's right is on the left."};

/* What is done with the figure, whose parts live as long as the call. */
typedef enum mrc_status use_figure(void *context, const struct mrc_sheet *sheet,
                                   struct mrc_error *err);

/* Nothing is done where no slice shows the head. */
static enum mrc_status draw_figure(const struct mrc_report *r, const char *title,
                                   const char *footer, use_figure *use, void *context,
                                   struct mrc_error *err) {
    int64_t chosen[ROWS];
    const size_t rows = choose(chosen, r);
    const int64_t size = r->before->size, plane = size * size;
    const float scale = (float)(4.0 * r->room);
    const double white[COLUMNS] = {1.0 / r->room, 1.0 / r->room_to, 1.0 / r->room, 1.0};
    const float *images[ROWS * COLUMNS];
    char labels[ROWS][40], source[32], result[48];
    const char *row_labels[ROWS];
    const char *column_labels[COLUMNS] = {source, result, "cycle (there and back)",
                                          "difference x 4"};
    if (rows == 0) return MRC_OK;
    float *difference = mrc_alloc(rows * (size_t)plane, sizeof *difference);
    if (difference == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the report");
    for (size_t row = 0; row < rows; ++row) {
        const float *x = r->before->pixels + chosen[row] * plane;
        const float *cycle = r->cycle->pixels + chosen[row] * plane;
        float *d = difference + (int64_t)row * plane;
        for (int64_t n = 0; n < plane; ++n) d[n] = fminf(1.0f, scale * fabsf(x[n] - cycle[n]));
        images[row * COLUMNS] = x;
        images[row * COLUMNS + 1] = r->after->pixels + chosen[row] * plane;
        images[row * COLUMNS + 2] = cycle;
        images[row * COLUMNS + 3] = d;
        snprintf(labels[row], sizeof labels[row], "%s %lld", row + 1 == rows ? "worst:" : "slice",
                 (long long)chosen[row] + 1);
        row_labels[row] = labels[row];
    }
    snprintf(source, sizeof source, "%s (source)", mrc_contrast_name(r->from));
    snprintf(result, sizeof result, "%s (synthetic)", mrc_contrast_name(r->to));
    struct mrc_sheet sheet = {.title = title,
                              .footer = footer,
                              .rows = rows,
                              .columns = COLUMNS,
                              .images = images,
                              .image_width = size,
                              .image_height = size,
                              .zoom = size > 128  ? 1
                                      : size > 64 ? 2
                                                  : 3,
                              .column_white = white,
                              .column_labels = column_labels,
                              .row_labels = row_labels};
    enum mrc_status st = use(context, &sheet, err);
    mrc_free(difference);
    return st;
}

static const char *caption_of(const struct mrc_report *r) {
    return r->of_pictures ? "Slices as the pictures show them."
                          : captions[r->before->record.axial.cut];
}

struct html_figure {
    struct mrc_text *page;
    const struct mrc_report *report;
};

static enum mrc_status add_figure(void *context, const struct mrc_sheet *sheet,
                                  struct mrc_error *err) {
    const struct html_figure *f = context;
    unsigned char *png = NULL;
    size_t bytes = 0;
    enum mrc_status st = mrc_sheet_render(&png, &bytes, sheet, err);
    if (st == MRC_OK) mrc_html_figure(f->page, png, bytes, caption_of(f->report));
    mrc_free(png);
    return st;
}

static enum mrc_status add_pictures(struct mrc_text *page, const struct mrc_report *r,
                                    struct mrc_error *err) {
    struct html_figure figure = {.page = page, .report = r};
    return draw_figure(r, NULL, NULL, add_figure, &figure, err);
}

struct picture {
    uint16_t **out;
    int *width_px, *height_px;
};

static enum mrc_status take_values(void *context, const struct mrc_sheet *sheet,
                                   struct mrc_error *err) {
    const struct picture *p = context;
    return mrc_sheet_values(p->out, p->width_px, p->height_px, sheet, err);
}

enum mrc_status mrc_report_picture(uint16_t **out, int *width_px, int *height_px,
                                   const struct mrc_report *r, struct mrc_error *err) {
    struct picture picture = {.out = out, .width_px = width_px, .height_px = height_px};
    char title[120], footer[240];
    *out = NULL;
    snprintf(title, sizeof title, "Synthetic %s from %s (AI), not for diagnosis",
             mrc_contrast_name(r->to), mrc_contrast_name(r->from));
    snprintf(footer, sizeof footer,
             "%s There and back misses the source by %.1f %% of its range, in the worst slice by "
             "%.1f %%. Model %.60s.",
             caption_of(r), 100.0 * r->error, 100.0 * r->worst, r->model_name);
    return draw_figure(r, title, footer, take_values, &picture, err);
}

/* Where a voxel of axial order (Left, Posterior, Superior) stands in slices of another cut. */
static int64_t place_in_cut(enum mrc_cut cut, const int64_t at[3], int64_t side, int64_t count) {
    int64_t column = at[0], row = at[1], slice = at[2];
    if (cut == MRC_CUT_SAGITTAL) { /* columns to Posterior, rows to Inferior, slices to Right */
        column = at[1];
        row = side - 1 - at[2];
        slice = count - 1 - at[0];
    } else if (cut == MRC_CUT_CORONAL) { /* to Left, to Inferior, to Posterior */
        row = side - 1 - at[2];
        slice = at[1];
    }
    return (slice * side + row) * side + column;
}

static void order_axially(float *out, const struct mrc_slices *slices, const int64_t size[3]) {
    int64_t at[3];
    for (at[2] = 0; at[2] < size[2]; ++at[2])
        for (at[1] = 0; at[1] < size[1]; ++at[1])
            for (at[0] = 0; at[0] < size[0]; ++at[0])
                *out++ = slices->pixels[place_in_cut(slices->record.axial.cut, at, slices->size,
                                                     slices->count)];
}

/* The axis of axial order that the slices of a cut follow each other along. */
static int axis_across(enum mrc_cut cut) {
    return cut == MRC_CUT_SAGITTAL ? 0 : cut == MRC_CUT_CORONAL ? 1 : 2;
}

/* The whole stack, to go through. */
static enum mrc_status add_viewer(struct mrc_text *page, const struct mrc_report *r,
                                  struct mrc_error *err) {
    enum { IMAGES = 3 };
    const struct mrc_slices_record *record = &r->before->record;
    const struct mrc_slices *const stacks[IMAGES] = {r->before, r->after, r->cycle};
    const bool physical = !r->of_pictures;
    const size_t count = (size_t)(r->before->size * r->before->size * r->before->count);
    char source[40], result[40];
    snprintf(source, sizeof source, "%s (source)", mrc_contrast_name(r->from));
    snprintf(result, sizeof result, "%s (synthetic)", mrc_contrast_name(r->to));
    struct mrc_viewer viewer = {
        .letters = physical, .count = IMAGES, .names = {source, result, "there and back"}};
    for (int a = 0; a < 3; ++a) {
        const bool across = a == axis_across(record->axial.cut);
        viewer.size[a] = across ? r->before->count : r->before->size;
        viewer.spacing_mm[a] = !physical ? 1.0
                               : across  ? record->axial.spacing_mm[2]
                                         : record->square.pixel_mm;
    }
    float *ordered = mrc_alloc(IMAGES * count, sizeof *ordered);
    if (ordered == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the report");
    for (size_t n = 0; n < IMAGES; ++n) {
        order_axially(ordered + n * count, stacks[n], viewer.size);
        viewer.images[n] = ordered + n * count;
    }
    mrc_text_appendf(page, "<h2>Look at it</h2>\n");
    enum mrc_status st = mrc_viewer_append(page, &viewer, err);
    mrc_free(ordered);
    return st;
}

static void add_row(struct mrc_text *page, const char *name, const char *value) {
    mrc_text_appendf(page, "<tr><td>");
    mrc_html_words(page, name);
    mrc_text_appendf(page, "</td><td>");
    mrc_html_words(page, value);
    mrc_text_appendf(page, "</td></tr>\n");
}

static void print_expected(char *out, size_t size, const struct mrc_report *r) {
    const size_t needed = mrc_conformal_needed(MRC_CALIBRATION_COVERAGE);
    if (isnan(r->expected))
        snprintf(out, size, "not calibrated: %lld of %zu heads", (long long)r->calibration->count,
                 needed);
    else if (r->distance >= MRC_LIKENESS_FAR)
        snprintf(out, size, "nobody knows: the input is far from the training images");
    else
        snprintf(out, size,
                 "in 9 of 10 heads like those of the calibration, 90 %% of voxels lie within "
                 "%.1f %% of the range from the truth; calibrated on %lld heads (%zu needed)",
                 100.0 * r->expected, (long long)r->calibration->count, needed);
}

static void add_figures(struct mrc_text *page, const struct mrc_report *r) {
    char text[200];
    mrc_text_appendf(page, "<h2>Figures</h2><div class=\"scroll\"><table>\n");
    snprintf(text, sizeof text, "%s to %s; the input was recognised as %s",
             mrc_contrast_name(r->from), mrc_contrast_name(r->to),
             mrc_contrast_name(r->recognised));
    add_row(page, "Translation", text);
    snprintf(text, sizeof text, "%.4f", r->error);
    add_row(page, "Cycle error: mean |input - there and back| in the head, of 0 to 1", text);
    snprintf(text, sizeof text, "%.4f in slice %lld", r->worst, (long long)r->worst_slice + 1);
    if (r->worst_slice >= 0) add_row(page, "Worst slice", text);
    snprintf(text, sizeof text, "%lld of %lld", (long long)r->head_slices,
             (long long)r->before->count);
    add_row(page, "Slices that show enough of the head", text);
    snprintf(text, sizeof text, "%.2f %%", 100.0 * r->saturated);
    add_row(page, "Head that came out black or white", text);
    print_expected(text, sizeof text, r);
    add_row(page, "Error to expect, after a linear fit of grey values", text);
    if (r->trained->slices == 0)
        snprintf(text, sizeof text, "not recorded in the model");
    else if (isfinite(r->distance))
        snprintf(text, sizeof text,
                 "%.2f: %s (heads from other scanners lie below 1, far begins at %g)", r->distance,
                 r->distance < MRC_LIKENESS_FAR ? "not far" : "far", MRC_LIKENESS_FAR);
    else
        snprintf(text, sizeof text, "no head to compare");
    add_row(page, "Distance from the training images", text);
    snprintf(text, sizeof text, "%.63s, weights %.16s", r->model_name, r->model_hash);
    add_row(page, "Model", text);
    add_row(page, "Program", r->version);
    mrc_text_appendf(page, "</table></div>\n");
}

static enum mrc_status html_text(struct mrc_text *page, const struct mrc_report *r,
                                 struct mrc_error *err) {
    char title[80];
    snprintf(title, sizeof title, "Synthetic %s from %s", mrc_contrast_name(r->to),
             mrc_contrast_name(r->from));
    mrc_html_begin(page, title);
    for (int n = 0; warning(r, n) != NULL; ++n) {
        mrc_text_appendf(page, "<p class=\"note\">");
        mrc_html_words(page, warning(r, n));
        mrc_text_appendf(page, "</p>\n");
    }
    enum mrc_status st = add_pictures(page, r, err);
    if (st == MRC_OK) st = add_viewer(page, r, err);
    add_figures(page, r);
    mrc_text_appendf(page,
                     "<p>A cycle error tells how well the way back finds the input again. "
                     "It does not tell whether the synthetic image is right. The distance "
                     "compares a few figures of the inside of the head with those of the "
                     "training images: a large one tells that the model does not know such an "
                     "input, a small one does not prove that it does.</p>\n<h2>Steps</h2><p>");
    mrc_html_words(page, r->steps);
    mrc_text_appendf(page, "</p>\n");
    mrc_html_end(page);
    return st;
}

static enum mrc_status write_text(const char *folder, const char *name, const char *text,
                                  struct mrc_error *err) {
    char *path = mrc_path_join(folder, name);
    enum mrc_status st = path != NULL && text != NULL
                             ? mrc_write_file(path, text, strlen(text), err)
                             : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the report");
    mrc_free(path);
    return st;
}

enum mrc_status mrc_report_write(const struct mrc_report *r, const char *folder,
                                 struct mrc_error *err) {
    struct mrc_text page = {0};
    char *json = json_text(r);
    enum mrc_status st = write_text(folder, "report.json", json, err);
    if (st == MRC_OK) st = html_text(&page, r, err);
    if (st == MRC_OK) st = write_text(folder, "report.html", page.failed ? NULL : page.data, err);
    mrc_text_clear(&page);
    cJSON_free(json);
    return st;
}
