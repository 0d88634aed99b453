/* terminal.h: where words go. Results go to stdout; everything else is a line on stderr that begins
 * with "mrcycle: ", or a progress bar where stderr is a terminal. */
#ifndef MRC_CLI_TERMINAL_H
#define MRC_CLI_TERMINAL_H

#include <stdbool.h>

#include "app/batch/batch.h"
#include "app/common/events.h"
#include "app/train/train.h"
#include "base/status.h"

/** One stream of words. Zero-initialise. */
struct mrc_terminal {
    bool quiet;        /* only errors */
    bool bar_shown;    /* the cursor stands behind a progress bar */
    bool is_terminal;  /* stderr */
    double last_drawn; /* seconds */
};

void mrc_terminal_init(struct mrc_terminal *terminal, bool quiet);
/** Callbacks that write to this terminal, and stop when the user has interrupted. */
struct mrc_events mrc_terminal_events(struct mrc_terminal *terminal);
/** Takes the bar away, so that a line may follow. */
void mrc_terminal_clear_bar(struct mrc_terminal *terminal);
/** The shape of mrc_train_report_fn: a bar, or a line an epoch where stderr is no terminal. */
void mrc_terminal_training(void *terminal, const struct mrc_train_progress *progress);

/** From now on SIGINT and SIGTERM ask to stop instead of ending the program. */
void mrc_terminal_catch_interrupts(void);
/** And from now on SIGHUP asks a program without a terminal to read its settings anew. */
void mrc_terminal_catch_reload(void);
/** It does, since the last call. The shape of mrc_serve_reload.wanted. */
bool mrc_terminal_wants_reload(void *nothing);
/** One was caught. */
bool mrc_terminal_interrupted(void);

/** Prints the error and gives the exit code of its status. */
int mrc_terminal_fail(struct mrc_terminal *terminal, enum mrc_status status,
                      const struct mrc_error *err);
/** Prints the table of a batch that ended with `status`, and gives the exit code: the first row's
 * that was refused or failed, when there is one. */
int mrc_terminal_batch(struct mrc_terminal *terminal, const struct mrc_batch *batch,
                       enum mrc_status status, const struct mrc_error *err);
/** A wrong command line: one line, exit code 1. `command` may be NULL. */
MRC_PRINTF(2, 3) int mrc_terminal_usage(const char *command, const char *fmt, ...);
/** Exit code of a status. */
int mrc_exit_code(enum mrc_status status);

#endif
