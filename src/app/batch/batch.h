/* batch.h: many translations, one after the other or several at a time, each in a process of its
 * own: what one input does to its reader costs one row. A batch is a list of rows; a run fills them
 * in, and goes on where an earlier one stopped: what has its result and its report is not made
 * again. */
#ifndef MRC_APP_BATCH_BATCH_H
#define MRC_APP_BATCH_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "app/common/events.h"
#include "app/translate/translate.h"
#include "base/status.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_outcome {
    MRC_OUTCOME_TODO,    /* not yet tried */
    MRC_OUTCOME_DONE,    /* by this run */
    MRC_OUTCOME_KEPT,    /* by an earlier one */
    MRC_OUTCOME_REFUSED, /* the input is not such as can be translated */
    MRC_OUTCOME_FAILED,  /* anything else went wrong */
    MRC_OUTCOME_OTHER    /* not asked for: another contrast */
};
MRC_API const char *mrc_outcome_name(enum mrc_outcome outcome); /* "done", "kept", … */

/** One input and what became of it. Texts are the row's. */
struct mrc_batch_row {
    char *subject, *session; /* labels without "sub-" and "ses-"; NULL: not known */
    char *input, *series;    /* series: NULL, or what chooses it (mrc_translate_options.series) */
    char *output, *report;   /* NULL where nothing will be written */
    enum mrc_outcome outcome;
    enum mrc_status status;       /* MRC_OK, or what it was refused or failed with */
    char why[300];                /* that, in words */
    double cycle_error, distance; /* of its report; NaN: not known */
    double seconds;               /* of this run; NaN: none */
    char warning[200];            /* the first of the report's that is its own; "" none */
};

/** Zero-initialise; clear with mrc_batch_clear. */
struct mrc_batch {
    struct mrc_batch_row *rows;
    size_t count, capacity;
};

struct mrc_batch_options {
    struct mrc_translate_options translate; /* for each; input, output, report and series are the
                                               rows'; `from` is settled */
    const char *output;                     /* folder of all */
    int processes;                          /* at a time; 0: one */
    bool dry_run;                           /* finds out what would be done, and writes nothing */
    /** Called after each row, in the caller, may be NULL; a failure ends the run. */
    enum mrc_status (*after)(void *context, const struct mrc_batch *batch,
                             const struct mrc_batch_row *row, struct mrc_error *err);
    void *context;
};

/** Sets options->from to what the model makes `to` of, unless it says so already. */
MRC_STATUS mrc_batch_settle(struct mrc_translate_options *options, struct mrc_error *err);
/** Adds what lies at or below `input`, each with its place below options->output:
 * "<path from input>_synthetic_T2w", with ".nii.gz" for NIfTI. What is no image to translate is a
 * row too, with its reason. MRC_ERR_IO when nothing lies there. */
MRC_STATUS mrc_batch_add(struct mrc_batch *batch, const char *input,
                         const struct mrc_batch_options *options, const struct mrc_events *events,
                         struct mrc_error *err);
/** A new row; texts are copied, each may be NULL. */
MRC_STATUS mrc_batch_add_row(struct mrc_batch *batch, const struct mrc_batch_row *row,
                             struct mrc_error *err);
/** Translates every row that is to do. Rows are refused or fail without an error here; an error is
 * what concerns all: two rows with one place (MRC_ERR_ARGUMENT), no usable model, no memory, being
 * stopped. The caller must have no threads. */
MRC_STATUS mrc_batch_run(struct mrc_batch *batch, const struct mrc_batch_options *options,
                         const struct mrc_events *events, struct mrc_error *err);
/** MRC_OK when every row is done, kept or not asked for; else the status of the first that is not. */
MRC_API enum mrc_status mrc_batch_status(const struct mrc_batch *batch);
MRC_API void mrc_batch_clear(struct mrc_batch *batch);

/** For people: one line a row, aligned, and a line of counts. */
MRC_API void mrc_batch_print(struct mrc_text *out, const struct mrc_batch *batch);
/** Tab-separated, with a line of names; "n/a" where nothing is known. Outputs are told from
 * `folder` on. */
MRC_API void mrc_batch_print_tsv(struct mrc_text *out, const struct mrc_batch *batch,
                                 const char *folder);
/** Adds the rows of such a text. */
MRC_STATUS mrc_batch_parse_tsv(struct mrc_batch *batch, const char *text, const char *folder,
                               const char *file, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
