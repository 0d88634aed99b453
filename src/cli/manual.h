/* manual.h: the manual pages and the shells' completion, told by the tables of options themselves:
 * `mrcycle help [COMMAND] --man` and `mrcycle help --completion bash|zsh|fish`. The build makes the
 * installed files by these two, so they cannot disagree with --help. */
#ifndef MRC_CLI_MANUAL_H
#define MRC_CLI_MANUAL_H

#include <stddef.h>

#include "cli/command.h"

/** The page of the program itself, in roff's man macros, on standard output. */
void mrc_manual_print_program(const struct mrc_command *commands, size_t count);
/** The page of one command. Returns the exit code. */
int mrc_manual_print_command(const struct mrc_command *command);
/** Completion of all commands and their options for `shell`; exit code 1 when it is none of bash,
 * zsh, fish. */
int mrc_manual_print_completion(const char *shell, const struct mrc_command *commands,
                                size_t count);

#endif
