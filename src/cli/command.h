/* command.h: a subcommand is one file and one row (main.c). */
#ifndef MRC_CLI_COMMAND_H
#define MRC_CLI_COMMAND_H

#include <stdbool.h>

/** Exit codes tell the cause by range; each is one status (see exit_code in terminal.c). */
enum {
    MRC_EXIT_OK = 0,
    MRC_EXIT_USAGE = 1,
    MRC_EXIT_INPUT = 20, /* 20 unreadable, 21 broken, 22 refused, 23 exceeds a limit */
    MRC_EXIT_OUTPUT = 40,
    MRC_EXIT_NETWORK = 60,   /* 60 no connection, 61 refused by the peer */
    MRC_EXIT_PROCESSING = 80 /* 80 memory, 81 numbers, 82 stopped */
};

/** The codes in words; the last row has none. */
extern const struct mrc_exit_meaning {
    int code;
    const char *words;
} mrc_exit_meanings[];

/** argv[0] is "mrcycle <name>". Returns the exit code. */
typedef int mrc_command_fn(int argc, char **argv);

struct mrc_command {
    const char *name, *summary, *example;
    mrc_command_fn *run;
    bool networks; /* creates them, so the kernel of OpenBLAS is settled first */
};
/** One line to type; NULL for no command of ours. */
const char *mrc_command_example(const char *name);

mrc_command_fn mrc_cmd_echo, mrc_cmd_fetch, mrc_cmd_queue, mrc_cmd_send, mrc_cmd_serve;
mrc_command_fn mrc_cmd_bids, mrc_cmd_compare, mrc_cmd_view, mrc_cmd_check, mrc_cmd_deidentify,
    mrc_cmd_evaluate, mrc_cmd_export, mrc_cmd_info, mrc_cmd_phantom, mrc_cmd_prepare,
    mrc_cmd_simulate, mrc_cmd_train, mrc_cmd_translate;

#endif
