/* table.c: a batch as a table, for people and for programs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/batch/batch.h"
#include "base/alloc.h"
#include "base/fs.h"

/* --- For people --- */

static void print_number(char *out, size_t capacity, int digits, double value) {
    (void)snprintf(out, capacity, "-");
    if (isfinite(value)) (void)snprintf(out, capacity, "%.*f", digits, value);
}

static void print_row(struct mrc_text *out, const struct mrc_batch_row *row) {
    char cycle[24], distance[24], seconds[24], words[320];
    print_number(cycle, sizeof cycle, 4, row->cycle_error);
    print_number(distance, sizeof distance, 2, row->distance);
    print_number(seconds, sizeof seconds, 1, row->seconds);
    mrc_text_plain(words, sizeof words, row->why[0] != '\0' ? row->why : row->warning);
    mrc_text_appendf(out, "%-13s %9s %9s %8s  ", mrc_outcome_name(row->outcome), cycle, distance,
                     seconds);
    if (row->subject != NULL) mrc_text_appendf(out, "sub-%s ", row->subject);
    if (row->session != NULL) mrc_text_appendf(out, "ses-%s ", row->session);
    if (row->subject == NULL) {
        char input[300];
        mrc_text_plain(input, sizeof input, row->input);
        mrc_text_appendf(out, "%s", input);
        if (row->series != NULL) mrc_text_appendf(out, " (series %s)", row->series);
    }
    mrc_text_appendf(out, "%s%s\n", words[0] != '\0' ? "\n                " : "", words);
}

void mrc_batch_print(struct mrc_text *out, const struct mrc_batch *batch) {
    size_t counts[MRC_OUTCOME_OTHER + 1] = {0};
    mrc_text_appendf(out, "%-13s %9s %9s %8s  %s\n", "outcome", "cycle", "distance", "seconds",
                     "input");
    for (size_t n = 0; n < batch->count; ++n) {
        ++counts[batch->rows[n].outcome];
        if (batch->rows[n].outcome != MRC_OUTCOME_OTHER) print_row(out, &batch->rows[n]);
    }
    for (int outcome = 0, said = 0; outcome <= MRC_OUTCOME_OTHER; ++outcome)
        if (counts[outcome] > 0)
            mrc_text_appendf(out, "%s%zu %s", said++ > 0 ? ", " : "", counts[outcome],
                             mrc_outcome_name((enum mrc_outcome)outcome));
    mrc_text_appendf(out, "%s\n", batch->count == 0 ? "no input" : "");
}

/* --- For programs --- */

enum column {
    SUBJECT,
    SESSION,
    INPUT,
    SERIES,
    OUTCOME,
    CYCLE,
    DISTANCE,
    SECONDS,
    OUTPUT,
    REPORT,
    STATUS,
    WORDS,
    COLUMNS
};
static const char *const names[COLUMNS] = {"participant_id", "session_id",  "input",    "series",
                                           "outcome",        "cycle_error", "distance", "seconds",
                                           "output",         "report",      "status",   "words"};

static void put_words(struct mrc_text *out, const char *text) {
    mrc_text_appendf(out, "\t");
    for (const char *c = text; *c != '\0'; ++c)
        mrc_text_appendf(out, "%c", (unsigned char)*c < ' ' ? ' ' : *c);
    if (text[0] == '\0') mrc_text_appendf(out, "n/a");
}

static void put_number(struct mrc_text *out, double value) {
    char text[24] = "n/a";
    if (isfinite(value)) (void)snprintf(text, sizeof text, "%.6g", value);
    mrc_text_appendf(out, "\t%s", text);
}

static const char *below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    if (path == NULL) return "";
    if (strncmp(path, folder, length) != 0 || path[length] != '/') return path;
    while (path[length] == '/') ++length;
    return path + length;
}

static void put_row(struct mrc_text *out, const struct mrc_batch_row *row, const char *folder) {
    mrc_text_appendf(out, "%s%s", row->subject != NULL ? "sub-" : "n/a",
                     row->subject != NULL ? row->subject : "");
    put_words(out, row->session != NULL ? row->session : "");
    put_words(out, row->input);
    put_words(out, row->series != NULL ? row->series : "");
    put_words(out, mrc_outcome_name(row->outcome));
    put_number(out, row->cycle_error);
    put_number(out, row->distance);
    put_number(out, row->seconds);
    put_words(out, below(row->output, folder));
    put_words(out, below(row->report, folder));
    mrc_text_appendf(out, "\t%d", (int)row->status);
    put_words(out, row->why[0] != '\0' ? row->why : row->warning);
    mrc_text_appendf(out, "\n");
}

void mrc_batch_print_tsv(struct mrc_text *out, const struct mrc_batch *batch, const char *folder) {
    for (int n = 0; n < COLUMNS; ++n) mrc_text_appendf(out, "%s%s", n > 0 ? "\t" : "", names[n]);
    mrc_text_appendf(out, "\n");
    for (size_t n = 0; n < batch->count; ++n) put_row(out, &batch->rows[n], folder);
}

/* --- Back --- */

static char *known(char *cell) {
    return strcmp(cell, "n/a") == 0 ? NULL : cell;
}

static double number(const char *cell) {
    double value = (double)NAN;
    if (mrc_parse_f64(&value, cell, -1e30, 1e30) != MRC_OK) value = (double)NAN;
    return value;
}

static enum mrc_status parse_row(struct mrc_batch *batch, char *cells[COLUMNS], const char *folder,
                                 struct mrc_error *err) {
    struct mrc_batch_row row = {.subject = known(cells[SUBJECT]),
                                .session = known(cells[SESSION]),
                                .input = cells[INPUT],
                                .series = known(cells[SERIES]),
                                .cycle_error = number(cells[CYCLE]),
                                .distance = number(cells[DISTANCE]),
                                .seconds = number(cells[SECONDS])};
    int64_t status = 0;
    if (row.subject != NULL && strncmp(row.subject, "sub-", 4) == 0) row.subject += 4;
    for (int n = 0; n <= MRC_OUTCOME_OTHER; ++n)
        if (strcmp(cells[OUTCOME], mrc_outcome_name((enum mrc_outcome)n)) == 0)
            row.outcome = (enum mrc_outcome)n;
    if (mrc_parse_i64(&status, cells[STATUS], 0, 255) == MRC_OK)
        row.status = (enum mrc_status)status;
    const char *words = known(cells[WORDS]) != NULL ? cells[WORDS] : "";
    if (row.outcome == MRC_OUTCOME_DONE || row.outcome == MRC_OUTCOME_KEPT)
        (void)snprintf(row.warning, sizeof row.warning, "%s", words);
    else
        (void)snprintf(row.why, sizeof row.why, "%s", words);
    char *output = known(cells[OUTPUT]) != NULL ? mrc_path_join(folder, cells[OUTPUT]) : NULL;
    char *report = known(cells[REPORT]) != NULL ? mrc_path_join(folder, cells[REPORT]) : NULL;
    row.output = output;
    row.report = report;
    enum mrc_status st = mrc_batch_add_row(batch, &row, err);
    mrc_free(report);
    mrc_free(output);
    return st;
}

/* Cuts at tabs; false: another number of cells than there are columns. */
static bool cut(char *cells[COLUMNS], char *line) {
    int count = 0;
    for (char *cell = line; cell != NULL; ++count) {
        char *tab = strchr(cell, '\t');
        if (tab != NULL) *tab++ = '\0';
        if (count < COLUMNS) cells[count] = cell;
        cell = tab;
    }
    return count == COLUMNS;
}

enum mrc_status mrc_batch_parse_tsv(struct mrc_batch *batch, const char *text, const char *folder,
                                    const char *file, struct mrc_error *err) {
    char *own = mrc_strdup(text);
    enum mrc_status st =
        own != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", file);
    int number_of_line = 0;
    for (char *line = own; st == MRC_OK && line != NULL && line[0] != '\0';) {
        char *cells[COLUMNS], *end = strchr(line, '\n');
        if (end != NULL) *end++ = '\0';
        ++number_of_line;
        if (!cut(cells, line) || (number_of_line == 1 && strcmp(cells[INPUT], names[INPUT]) != 0))
            st = mrc_fail(err, MRC_ERR_FORMAT, "%s: line %d is no row of a table of translations",
                          file, number_of_line);
        else if (number_of_line > 1)
            st = parse_row(batch, cells, folder, err);
        line = end;
    }
    mrc_free(own);
    return st;
}
