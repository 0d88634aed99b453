/* group.c: the tables of all participants brought together, what lies apart first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/batch/bids.h"
#include "app/pages/html.h"
#include "base/alloc.h"
#include "base/fs.h"

enum { MAX_TABLE_BYTES = 16 << 20, MAX_PAGE_BYTES = 32 << 20, PICTURES = 6 };
static const double MAD_OF_NORMAL = 0.6745; /* of a normal distribution's deviation */

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the group");
}

/* --- Apartness --- */

static int compare_numbers(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    if (count == 0) return (double)NAN;
    qsort(values, count, sizeof *values, compare_numbers);
    return (values[(count - 1) / 2] + values[count / 2]) / 2.0;
}

struct spread {
    double middle, width; /* median; its absolute deviation, as a normal's standard deviation */
};

static double cycle_of(const struct mrc_batch_row *row) {
    return row->cycle_error;
}

static double distance_of(const struct mrc_batch_row *row) {
    return row->distance;
}

static struct spread spread_of(const struct mrc_batch *batch,
                               double (*figure)(const struct mrc_batch_row *row), double *scratch) {
    struct spread s;
    size_t count = 0;
    for (size_t n = 0; n < batch->count; ++n)
        if (isfinite(figure(&batch->rows[n]))) scratch[count++] = figure(&batch->rows[n]);
    s.middle = median(scratch, count);
    for (size_t n = 0; n < count; ++n) scratch[n] = fabs(scratch[n] - s.middle);
    s.width = median(scratch, count) / MAD_OF_NORMAL;
    return s;
}

/* Deviations above the middle: large errors and distances are what to look at. */
static double above(double value, const struct spread *s) {
    if (!isfinite(value) || !(s->width > 0.0)) return 0.0;
    return (value - s->middle) / s->width;
}

struct place {
    const struct mrc_batch_row *row;
    double apart; /* infinite: not translated */
};

static int compare_places(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->apart != y->apart) return x->apart < y->apart ? 1 : -1;
    return strcmp(x->row->input, y->row->input);
}

static enum mrc_status rank(struct place **out, struct spread spreads[2],
                            const struct mrc_batch *batch, struct mrc_error *err) {
    double *scratch = mrc_alloc(batch->count + 1, sizeof *scratch);
    struct place *places = mrc_alloc(batch->count + 1, sizeof *places);
    if (scratch == NULL || places == NULL) {
        mrc_free(places);
        mrc_free(scratch);
        return no_memory(err);
    }
    spreads[0] = spread_of(batch, cycle_of, scratch);
    spreads[1] = spread_of(batch, distance_of, scratch);
    for (size_t n = 0; n < batch->count; ++n) {
        const struct mrc_batch_row *row = &batch->rows[n];
        const bool made = row->outcome == MRC_OUTCOME_DONE || row->outcome == MRC_OUTCOME_KEPT;
        places[n].row = row;
        places[n].apart =
            made ? fmax(above(row->cycle_error, &spreads[0]), above(row->distance, &spreads[1]))
                 : (double)INFINITY;
    }
    if (batch->count > 0) qsort(places, batch->count, sizeof *places, compare_places);
    mrc_free(scratch);
    *out = places;
    return MRC_OK;
}

/* --- The page --- */

static void add_number(struct mrc_text *page, double value, int digits) {
    if (isfinite(value))
        mrc_text_appendf(page, "<td class=\"n\">%.*f</td>", digits, value);
    else
        mrc_text_appendf(page, "<td class=\"n\">-</td>");
}

/* A report's path from the page on; NULL: it has none. */
static const char *report_of(const struct mrc_batch_row *row, const char *folder) {
    size_t length = strlen(folder);
    if (row->report == NULL || !isfinite(row->cycle_error)) return NULL;
    return strncmp(row->report, folder, length) == 0 && row->report[length] == '/'
               ? row->report + length + 1
               : NULL;
}

static void add_name(struct mrc_text *page, const struct mrc_batch_row *row) {
    mrc_html_words(page, "sub-");
    mrc_html_words(page, row->subject != NULL ? row->subject : "?");
    if (row->session != NULL) {
        mrc_html_words(page, " ses-");
        mrc_html_words(page, row->session);
    }
}

static void add_row(struct mrc_text *page, const struct place *place, const char *folder) {
    const struct mrc_batch_row *row = place->row;
    const char *report = report_of(row, folder);
    mrc_text_appendf(page, "<tr><td>");
    if (report != NULL) {
        mrc_text_appendf(page, "<a href=\"");
        mrc_html_words(page, report);
        mrc_text_appendf(page, "/report.html\">");
    }
    add_name(page, row);
    mrc_text_appendf(page, "%s</td><td>%s</td>", report != NULL ? "</a>" : "",
                     mrc_outcome_name(row->outcome));
    add_number(page, row->cycle_error, 4);
    add_number(page, row->distance, 2);
    add_number(page, isfinite(place->apart) ? place->apart : (double)NAN, 1);
    add_number(page, row->seconds, 1);
    mrc_text_appendf(page, "<td>");
    mrc_html_words(page, row->why[0] != '\0' ? row->why : row->warning);
    mrc_text_appendf(page, "</td></tr>\n");
}

/* One dot a translation, from left to right as figures grow; pointing at it says whose it is. */
static void add_dots(struct mrc_text *page, const struct place *places, size_t count,
                     double (*figure)(const struct mrc_batch_row *row), const char *what) {
    enum { WIDTH = 720, HEIGHT = 60, EDGE = 12 };
    double least = (double)INFINITY, most = -(double)INFINITY;
    for (size_t n = 0; n < count; ++n) {
        if (!isfinite(figure(places[n].row))) continue;
        least = fmin(least, figure(places[n].row));
        most = fmax(most, figure(places[n].row));
    }
    if (!(most > least)) return;
    mrc_text_appendf(page,
                     "<figure><svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" "
                     "style=\"max-width:100%%\"><line x1=\"%d\" y1=\"30\" x2=\"%d\" y2=\"30\" "
                     "stroke=\"#888\"/>\n",
                     WIDTH, HEIGHT, WIDTH, EDGE, WIDTH - EDGE);
    for (size_t n = count; n > 0; --n) { /* what lies apart is drawn last, over the others */
        const double value = figure(places[n - 1].row);
        if (!isfinite(value)) continue;
        mrc_text_appendf(page,
                         "<circle cx=\"%.1f\" cy=\"30\" r=\"6\" fill=\"%s\" "
                         "fill-opacity=\".6\"><title>",
                         EDGE + (value - least) / (most - least) * (WIDTH - 2 * EDGE),
                         places[n - 1].apart > 3.0 ? "#c30" : "#37b");
        add_name(page, places[n - 1].row);
        mrc_text_appendf(page, ": %.4f</title></circle>\n", value);
    }
    mrc_text_appendf(page,
                     "<text x=\"%d\" y=\"56\" font-size=\"12\" fill=\"currentColor\">%.3f</text>"
                     "<text x=\"%d\" y=\"56\" font-size=\"12\" text-anchor=\"end\" "
                     "fill=\"currentColor\">%.3f</text></svg><figcaption>",
                     EDGE, least, WIDTH - EDGE, most);
    mrc_html_words(page, what);
    mrc_text_appendf(page, "</figcaption></figure>\n");
}

/* The first picture of its report, which is a page of its own. */
static void add_picture(struct mrc_text *page, const struct mrc_batch_row *row) {
    static const char begin[] = "src=\"data:image/png;base64,";
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(row->report, "report.html");
    const char *found = NULL;
    if (path != NULL && mrc_read_file(&text, &size, path, MAX_PAGE_BYTES, NULL) == MRC_OK)
        found = strstr((const char *)text, begin);
    size_t length = found != NULL ? strcspn(found + sizeof begin - 1, "\"<> ") : 0;
    if (length > 0) {
        mrc_text_appendf(page, "<figure><div class=\"scroll\"><img alt=\"slices\" %s", begin);
        for (size_t at = 0; at < length; at += 4096)
            mrc_text_appendf(page, "%.*s", (int)(length - at < 4096 ? length - at : 4096),
                             found + sizeof begin - 1 + at);
        mrc_text_appendf(page, "\"></div><figcaption>");
        add_name(page, row);
        mrc_text_appendf(page, "</figcaption></figure>\n");
    }
    mrc_free(text);
    mrc_free(path);
}

static void add_summary(struct mrc_text *page, const struct mrc_batch *batch,
                        const struct spread spreads[2]) {
    size_t made = 0;
    for (size_t n = 0; n < batch->count; ++n)
        made += batch->rows[n].outcome == MRC_OUTCOME_DONE ||
                batch->rows[n].outcome == MRC_OUTCOME_KEPT;
    mrc_text_appendf(page,
                     "<p class=\"note\">Synthetic, not acquired, not for diagnosis.</p>\n<p>%zu of "
                     "%zu images were translated.",
                     made, batch->count);
    if (isfinite(spreads[0].middle))
        mrc_text_appendf(page, " Cycle error: median %.4f.", spreads[0].middle);
    if (isfinite(spreads[1].middle))
        mrc_text_appendf(page, " Distance from the training images: median %.2f.",
                         spreads[1].middle);
    mrc_text_appendf(page, " What was not translated comes first, then what lies furthest above "
                           "the medians, in robust standard deviations (\"apart\"): above 3 it is "
                           "worth a look.</p>\n");
}

static enum mrc_status write_page(const struct mrc_batch *batch, const char *folder,
                                  struct mrc_error *err) {
    struct mrc_text page = {0};
    struct spread spreads[2] = {{0.0, 0.0}, {0.0, 0.0}};
    struct place *places = NULL;
    char *path = mrc_path_join(folder, "group.html");
    enum mrc_status st = path != NULL ? rank(&places, spreads, batch, err) : no_memory(err);
    if (st == MRC_OK) {
        mrc_html_begin(&page, "Synthetic images of a group");
        add_summary(&page, batch, spreads);
        add_dots(&page, places, batch->count, cycle_of, "Cycle errors; red: apart");
        add_dots(&page, places, batch->count, distance_of,
                 "Distances from the training images; red: apart");
        mrc_text_appendf(&page, "<div class=\"scroll\"><table>\n<tr><th>participant</th><th>outcome"
                                "</th><th class=\"n\">cycle error</th><th class=\"n\">distance</th>"
                                "<th class=\"n\">apart</th><th class=\"n\">seconds</th><th>words"
                                "</th></tr>\n");
        for (size_t n = 0; n < batch->count; ++n) add_row(&page, &places[n], folder);
        mrc_text_appendf(&page, "</table></div>\n<h2>The furthest</h2>\n");
        for (size_t n = 0, shown = 0; n < batch->count && shown < PICTURES; ++n)
            if (report_of(places[n].row, folder) != NULL) {
                add_picture(&page, places[n].row);
                ++shown;
            }
        mrc_html_end(&page);
        st = page.failed ? no_memory(err) : mrc_write_file(path, page.data, page.size, err);
    }
    mrc_text_clear(&page);
    mrc_free(places);
    mrc_free(path);
    return st;
}

/* --- The tables --- */

static enum mrc_status add_table(struct mrc_batch *batch, const char *logs, const char *name,
                                 const char *output, struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(logs, name);
    enum mrc_status st = path != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK) st = mrc_read_file(&text, &size, path, MAX_TABLE_BYTES, err);
    if (st == MRC_OK) st = mrc_batch_parse_tsv(batch, (const char *)text, output, path, err);
    mrc_free(text);
    mrc_free(path);
    return st;
}

static enum mrc_status read_tables(struct mrc_batch *batch, const char *output,
                                   struct mrc_error *err) {
    struct mrc_name_list names = {0};
    char *logs = mrc_path_join(output, "logs");
    enum mrc_status st = logs != NULL ? MRC_OK : no_memory(err);
    if (st == MRC_OK && !mrc_path_is_dir(logs))
        st = mrc_fail(err, MRC_ERR_IO, "%s: not there, expected the participants' tables", logs);
    if (st == MRC_OK) st = mrc_list_dir(&names, logs, err);
    for (size_t n = 0; st == MRC_OK && n < names.count; ++n)
        if (strncmp(names.names[n], "sub-", 4) == 0 && mrc_path_has_suffix(names.names[n], ".tsv"))
            st = add_table(batch, logs, names.names[n], output, err);
    if (st == MRC_OK && batch->count == 0)
        st = mrc_fail(err, MRC_ERR_IO, "%s: holds no table of a participant, expected sub-….tsv",
                      logs);
    mrc_name_list_clear(&names);
    mrc_free(logs);
    return st;
}

enum mrc_status mrc_bids_group(struct mrc_batch *batch, const char *output, struct mrc_error *err) {
    struct mrc_text text = {0};
    char *path = mrc_path_join(output, "synthesis.tsv");
    enum mrc_status st = path != NULL ? read_tables(batch, output, err) : no_memory(err);
    if (st == MRC_OK) {
        mrc_batch_print_tsv(&text, batch, output);
        st = text.failed ? no_memory(err) : mrc_write_file(path, text.data, text.size, err);
    }
    if (st == MRC_OK) st = write_page(batch, output, err);
    mrc_text_clear(&text);
    mrc_free(path);
    return st;
}
