/* cmd_echo.c: mrcycle echo. */
#include <stdio.h>

#include "app/node/send.h"
#include "cli/command.h"
#include "cli/net_options.h"
#include "cli/terminal.h"

static const struct argp_option table[] = {MRC_NET_OPTION_ROWS, {0}};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct mrc_net_peer *peer = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (peer->port != 0) mrc_option_fail(state, "a second peer '%s', expected one", value);
        mrc_net_option_peer(peer, "the peer", value, state);
        return 0;
    case ARGP_KEY_END:
        if (peer->port == 0) mrc_option_fail(state, "expected AET@host:port");
        mrc_net_option_check(peer, state);
        return 0;
    default: return mrc_net_option(peer, key, value, state);
    }
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "AET@host:port",
    .doc = "Asks a PACS by C-ECHO whether it answers.\vPrints the peer when it does. Exit code 60: "
           "no connection; 61: refused."};

int mrc_cmd_echo(int argc, char **argv) {
    struct mrc_net_peer peer = MRC_NET_PEER_DEFAULTS;
    mrc_option_parse(&argp, argc, argv, &peer);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    struct mrc_error err = {0};
    enum mrc_status status = mrc_send_echo(&peer, &err);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    printf("%s@%s:%d answers\n", peer.called, peer.host, peer.port);
    return MRC_EXIT_OK;
}
