/* cmd_send.c: mrcycle send. */
#include <stdio.h>

#include "app/node/send.h"
#include "cli/command.h"
#include "cli/net_options.h"
#include "cli/terminal.h"

enum { KEY_TO = MRC_OPTION_OWN, KEY_LIST, MOST_PATHS = 4096 };

static const struct argp_option table[] = {
    {.name = "to", .key = KEY_TO, .arg = "AET@host:port", .doc = "Where to store"},
    {.name = "list",
     .key = KEY_LIST,
     .arg = "FILE",
     .doc = "Note here what was stored, and do not send again what is noted"},
    MRC_NET_RETRY_ROWS("store"),
    MRC_NET_OPTION_ROWS,
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_send_options options;
    const char *paths[MOST_PATHS];
    bool quiet;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case 'q': a->quiet = true; break;
    case KEY_TO: mrc_net_option_peer(&a->options.peer, "--to", value, state); break;
    case KEY_LIST: a->options.list = value; break;
    case KEY_RETRIES:
    case KEY_WAIT:
        return mrc_net_option_retry(&a->options.retries, &a->options.wait_s, key, value, state);
    case ARGP_KEY_ARG:
        if (a->options.path_count == MOST_PATHS)
            mrc_option_fail(state, "more than %d paths", MOST_PATHS);
        a->paths[a->options.path_count++] = value;
        break;
    case ARGP_KEY_END:
        if (a->options.path_count == 0) mrc_option_fail(state, "expected a PATH");
        if (a->options.peer.port == 0) mrc_option_fail(state, "expected --to AET@host:port");
        mrc_net_option_check(&a->options.peer, state);
        break;
    default: return mrc_net_option(&a->options.peer, key, value, state);
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "PATH... --to AET@host:port",
    .doc = "Stores DICOM files in a PACS by C-STORE; folders are searched to the bottom.\v"
           "What is not yet stored is tried again; sending twice changes nothing in the archive. "
           "Prints how many were stored. Exit code 60: some could not be sent; 61: some were "
           "refused."};

int mrc_cmd_send(int argc, char **argv) {
    static struct arguments a = {.options = MRC_SEND_DEFAULTS};
    a.options.paths = a.paths;
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    struct mrc_send_report report = {0};
    enum mrc_status status = mrc_send_run(&a.options, &report, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    printf("stored %lld, with warning %lld, sent before %lld, refused %lld, not sent %lld\n",
           (long long)report.stored, (long long)report.warned, (long long)report.skipped,
           (long long)report.refused, (long long)report.unsent);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
