/* compare.c: a result against the truth, once their units are brought together. */
#include "app/compare/compare.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "app/common/place.h"
#include "app/compare/images.h"
#include "app/pages/html.h"
#include "app/sets/regrid.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "metrics/difference.h"
#include "metrics/similarity.h"
#include "preprocess/slices.h"

static const double LOWEST = 0.005, HIGHEST = 0.995;
enum { LEAST_HEAD = 100 }; /* pixels from which on a slice shows the head */

struct work {
    mrc_volume *truth, *result, *source; /* result and source: on the truth's grid */
    unsigned char *head;
    size_t count;
};

static void work_clear(struct work *w) {
    mrc_volume_destroy(w->truth);
    mrc_volume_destroy(w->result);
    mrc_volume_destroy(w->source);
    mrc_free(w->head);
}

/* *out: the image on the truth's grid. */
static enum mrc_status load_beside(mrc_volume **out, bool *resampled, const struct work *w,
                                   const char *path, bool assume_ras, struct mrc_error *err) {
    mrc_volume *vol = NULL;
    enum mrc_status st = compare_load(&vol, path, assume_ras, err);
    if (st == MRC_OK) st = mrc_regrid_like(out, vol, w->truth, path, err);
    if (st == MRC_OK && resampled != NULL) {
        const struct mrc_extent a = mrc_volume_extent(vol), b = mrc_volume_extent(w->truth);
        *resampled = a.i != b.i || a.j != b.j || a.k != b.k ||
                     mrc_geometry_distance(mrc_volume_geometry(vol), mrc_volume_geometry(w->truth),
                                           a) > 1e-3;
    }
    mrc_volume_destroy(vol);
    return st;
}

static void map(mrc_volume *vol, double slope, double shift) {
    float *x = mrc_volume_voxels(vol);
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(vol));
    for (size_t n = 0; n < count; ++n) {
        double y = slope * (double)x[n] + shift;
        x[n] = isfinite(y) ? (float)fmin(fmax(y, 0.0), 1.0) : 0.0f;
    }
}

/* From the image's darkest to the head's brightest. */
static enum mrc_status stretch(mrc_volume *vol, const struct work *w, const char *path,
                               struct mrc_error *err) {
    const float *x = mrc_volume_voxels_const(vol);
    double low = 0.0, high = 0.0;
    enum mrc_status st = compare_quantile(&low, x, NULL, w->count, LOWEST, err);
    if (st == MRC_OK) st = compare_quantile(&high, x, w->head, w->count, HIGHEST, err);
    if (st == MRC_OK && !(high > low))
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: shows one grey only, expected a head", path);
    if (st == MRC_OK) map(vol, 1.0 / (high - low), -low / (high - low));
    return st;
}

static enum mrc_status find_head(struct work *w, const char *path, struct mrc_error *err) {
    w->count = (size_t)mrc_extent_count(mrc_volume_extent(w->truth));
    w->head = mrc_alloc(w->count, 1);
    if (w->head == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    enum mrc_status st = mrc_slices_find_head(w->head, mrc_volume_voxels_const(w->truth),
                                              mrc_volume_extent(w->truth), err);
    if (st == MRC_OK && memchr(w->head, 1, w->count) == NULL)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: shows no head, expected one", path);
    return st;
}

/* The line that brings the result nearest to the truth inside the head. */
static enum mrc_status fit(struct mrc_comparison *c, const struct work *w, const char *path,
                           struct mrc_error *err) {
    const float *x = mrc_volume_voxels_const(w->result), *y = mrc_volume_voxels_const(w->truth);
    double n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0, syy = 0.0;
    for (size_t i = 0; i < w->count; ++i) {
        if (w->head[i] == 0 || !isfinite(x[i])) continue;
        n += 1.0;
        sx += (double)x[i];
        sy += (double)y[i];
    }
    const double mx = sx / n, my = sy / n;
    for (size_t i = 0; i < w->count; ++i) {
        if (w->head[i] == 0 || !isfinite(x[i])) continue;
        sxx += ((double)x[i] - mx) * ((double)x[i] - mx);
        sxy += ((double)x[i] - mx) * ((double)y[i] - my);
        syy += ((double)y[i] - my) * ((double)y[i] - my);
    }
    if (!(sxx > 0.0))
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: one grey only where the truth shows the head, expected an image",
                        path);
    c->slope = sxy / sxx;
    c->shift = my - c->slope * mx;
    c->correlation = sxy / sqrt(sxx * syy);
    return MRC_OK;
}

/* --- Scores --- */

struct mean {
    double sum, count;
};

static void add(struct mean *mean, double value) {
    if (!isfinite(value)) return;
    mean->sum += value;
    mean->count += 1.0;
}

static double mean_of(const struct mean *mean) {
    return mean->count > 0.0 ? mean->sum / mean->count : (double)NAN;
}

static size_t count_head(const unsigned char *head, size_t count) {
    size_t found = 0;
    for (size_t n = 0; n < count; ++n) found += head[n] != 0;
    return found;
}

/* What is made of slices: SSIM and sharpness. */
static enum mrc_status score_slices(struct mrc_comparison *c, int where, const struct work *w,
                                    struct mrc_error *err) {
    const struct mrc_extent e = mrc_volume_extent(w->truth);
    const size_t plane = (size_t)(e.i * e.j);
    struct mean ssim = {0.0, 0.0}, sharpness = {0.0, 0.0};
    enum mrc_status st = MRC_OK;
    for (int64_t k = 0; st == MRC_OK && k < e.k; ++k) {
        const size_t at = plane * (size_t)k;
        double value = 0.0;
        if (count_head(w->head + at, plane) < LEAST_HEAD) continue;
        const struct mrc_pair pair = {.image = mrc_volume_voxels_const(w->result) + at,
                                      .truth = mrc_volume_voxels_const(w->truth) + at,
                                      .mask = where == 0 ? w->head + at : NULL,
                                      .rows = e.j,
                                      .columns = e.i};
        st = mrc_ssim(&value, &pair, err);
        add(&ssim, value);
        add(&sharpness, mrc_edge_sharpness(&pair));
    }
    c->ssim[where] = mean_of(&ssim);
    c->sharpness[where] = mean_of(&sharpness);
    return st;
}

static enum mrc_status score(struct mrc_comparison *c, const struct work *w,
                             struct mrc_error *err) {
    const struct mrc_extent e = mrc_volume_extent(w->truth);
    enum mrc_status st = MRC_OK;
    for (int where = 0; st == MRC_OK && where < 2; ++where) {
        const struct mrc_pair all = {.image = mrc_volume_voxels_const(w->result),
                                     .truth = mrc_volume_voxels_const(w->truth),
                                     .mask = where == 0 ? w->head : NULL,
                                     .rows = e.j * e.k,
                                     .columns = e.i};
        c->psnr_db[where] = mrc_psnr(&all);
        c->mae[where] = mrc_mae(&all);
        c->nmi[where] = mrc_nmi(&all);
        st = score_slices(c, where, w, err);
    }
    return st;
}

/* --- Telling --- */

static const struct row {
    const char *name, *key, *unit;
    size_t at;
    int digits;
} rows[] = {
    {"PSNR", "PSNR", "dB", offsetof(struct mrc_comparison, psnr_db), 2},
    {"SSIM", "SSIM", "", offsetof(struct mrc_comparison, ssim), 3},
    {"mean |difference|", "MAE", "", offsetof(struct mrc_comparison, mae), 4},
    {"mutual information", "NMI", "", offsetof(struct mrc_comparison, nmi), 3},
    {"edge sharpness", "EdgeSharpness", "", offsetof(struct mrc_comparison, sharpness), 3},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const double *values_of(const struct mrc_comparison *c, const struct row *row) {
    return (const double *)(const void *)((const char *)c + row->at);
}

void mrc_comparison_print(struct mrc_text *out, const struct mrc_comparison *c) {
    mrc_text_appendf(out, "%-21s %12s %12s\n", "", "in the head", "whole image");
    for (size_t n = 0; n < ROWS; ++n) {
        const double *values = values_of(c, &rows[n]);
        mrc_text_appendf(out, "%-18s %2s %12.*f %12.*f\n", rows[n].name, rows[n].unit,
                         rows[n].digits, values[0], rows[n].digits, values[1]);
    }
    mrc_text_appendf(out, "%-21s %12.3f\n", "correlation", c->correlation);
    mrc_text_appendf(out, "intensities brought together by %.4g x %+.4g%s%s\n", c->slope, c->shift,
                     c->slope < 0.0 ? ": the contrast is INVERTED" : "",
                     c->resampled ? "; the result was resampled to the truth's grid" : "");
}

static void add_number(cJSON *node, const char *key, double value) {
    if (isfinite(value))
        cJSON_AddNumberToObject(node, key, value);
    else
        cJSON_AddNullToObject(node, key);
}

enum mrc_status mrc_comparison_print_json(struct mrc_text *out, const struct mrc_comparison *c,
                                          struct mrc_error *err) {
    static const char *const places[] = {"InHead", "WholeImage"};
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "Report", "mrcycle comparison");
    cJSON_AddStringToObject(root, "Version", MRC_VERSION);
    for (int where = 0; where < 2; ++where) {
        cJSON *node = cJSON_AddObjectToObject(root, places[where]);
        for (size_t n = 0; n < ROWS; ++n)
            add_number(node, rows[n].key, values_of(c, &rows[n])[where]);
    }
    add_number(root, "Correlation", c->correlation);
    add_number(root, "Slope", c->slope);
    add_number(root, "Shift", c->shift);
    cJSON_AddBoolToObject(root, "Resampled", c->resampled);
    char *text = cJSON_Print(root);
    if (text != NULL) mrc_text_appendf(out, "%s\n", text);
    const bool failed = text == NULL || out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return failed ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory to compare") : MRC_OK;
}

static void add_table(struct mrc_text *page, const struct mrc_comparison *c) {
    mrc_text_appendf(page, "<div class=\"scroll\"><table><tr><th></th><th class=\"n\">in the "
                           "head</th><th class=\"n\">whole image</th></tr>\n");
    for (size_t n = 0; n < ROWS; ++n) {
        const double *values = values_of(c, &rows[n]);
        mrc_text_appendf(page,
                         "<tr><td>%s %s</td><td class=\"n\">%.*f</td><td class=\"n\">%.*f"
                         "</td></tr>\n",
                         rows[n].name, rows[n].unit, rows[n].digits, values[0], rows[n].digits,
                         values[1]);
    }
    mrc_text_appendf(page,
                     "<tr><td>correlation</td><td class=\"n\">%.3f</td><td></td></tr>\n"
                     "</table></div>\n<p>Intensities were brought together by the line %.4g x "
                     "%+.4g, fitted in the head%s.%s</p>\n",
                     c->correlation, c->slope, c->shift,
                     c->slope < 0.0 ? ": the contrast is inverted" : "",
                     c->resampled ? " The result was resampled to the truth's grid." : "");
}

/* All on the page's grid, around the truth. */
static enum mrc_status add_viewer(struct mrc_text *page, const struct work *w,
                                  struct mrc_error *err) {
    const mrc_volume *vols[] = {w->truth, w->result, w->source};
    static const char *const names[] = {"truth", "result", "source"};
    mrc_volume *grid = NULL, *shown[3] = {NULL, NULL, NULL};
    const size_t count = w->source != NULL ? 3 : 2;
    enum mrc_status st = compare_make_grid(&grid, w->truth, err);
    for (size_t n = 0; st == MRC_OK && n < count; ++n)
        st = mrc_regrid_like(&shown[n], vols[n], grid, names[n], err);
    if (st == MRC_OK) st = compare_append_viewer(page, shown, names, count, err);
    for (size_t n = 0; n < count; ++n) mrc_volume_destroy(shown[n]);
    mrc_volume_destroy(grid);
    return st;
}

static enum mrc_status write_into(const char *folder, const struct mrc_comparison *c,
                                  const struct work *w, struct mrc_error *err) {
    struct mrc_text page = {0}, json = {0};
    char *html_path = mrc_path_join(folder, "compare.html");
    char *json_path = mrc_path_join(folder, "compare.json");
    enum mrc_status st = html_path != NULL && json_path != NULL
                             ? mrc_comparison_print_json(&json, c, err)
                             : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", folder);
    mrc_html_begin(&page, "A result against the truth");
    add_table(&page, c);
    if (st == MRC_OK) st = add_viewer(&page, w, err);
    mrc_html_end(&page);
    if (st == MRC_OK && page.failed) st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", folder);
    if (st == MRC_OK) st = mrc_write_file(json_path, json.data, json.size, err);
    if (st == MRC_OK) st = mrc_write_file(html_path, page.data, page.size, err);
    mrc_free(json_path);
    mrc_free(html_path);
    mrc_text_clear(&json);
    mrc_text_clear(&page);
    return st;
}

static enum mrc_status write_folder(const struct mrc_compare_options *o,
                                    const struct mrc_comparison *c, const struct work *w,
                                    struct mrc_error *err) {
    struct mrc_output out = {0};
    enum mrc_status st = mrc_place_make_parent(o->output, err);
    if (st == MRC_OK) st = mrc_output_open_dir(&out, o->output, o->replace, err);
    if (st == MRC_OK) st = write_into(out.temporary, c, w, err);
    if (st == MRC_OK) st = mrc_output_commit(&out, err);
    mrc_output_discard(&out);
    return st;
}

static enum mrc_status check_places(const struct mrc_compare_options *o, struct mrc_error *err) {
    static const char *const files[] = {"compare.html", "compare.json", NULL};
    static const struct mrc_place_kind kind = {
        .mark = "compare.json", .words = "\"mrcycle comparison\"", .patterns = files};
    const char *const inputs[] = {o->result, o->truth, o->source};
    if (o->output == NULL) return MRC_OK;
    enum mrc_status st = mrc_place_check_kind(o->output, o->replace, &kind, err);
    for (size_t n = 0; st == MRC_OK && n < 3; ++n)
        if (inputs[n] != NULL) st = mrc_place_keep_input(o->output, inputs[n], err);
    return st;
}

enum mrc_status mrc_compare_run(struct mrc_comparison *out, const struct mrc_compare_options *o,
                                struct mrc_error *err) {
    struct work w = {.truth = NULL};
    *out = (struct mrc_comparison){0};
    enum mrc_status st = check_places(o, err);
    if (st == MRC_OK) st = compare_load(&w.truth, o->truth, o->assume_ras, err);
    if (st == MRC_OK)
        st = load_beside(&w.result, &out->resampled, &w, o->result, o->assume_ras, err);
    if (st == MRC_OK && o->source != NULL)
        st = load_beside(&w.source, NULL, &w, o->source, o->assume_ras, err);
    if (st == MRC_OK) st = find_head(&w, o->truth, err);
    if (st == MRC_OK) st = stretch(w.truth, &w, o->truth, err);
    if (st == MRC_OK && w.source != NULL) st = stretch(w.source, &w, o->source, err);
    if (st == MRC_OK) st = fit(out, &w, o->result, err);
    if (st == MRC_OK) {
        map(w.result, out->slope, out->shift);
        st = score(out, &w, err);
    }
    if (st == MRC_OK && o->output != NULL) st = write_folder(o, out, &w, err);
    work_clear(&w);
    return st;
}
