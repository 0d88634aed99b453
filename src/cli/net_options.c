/* net_options.c: see the header. */
#include "cli/net_options.h"

#include <stdio.h>
#include <string.h>

static void take_path(char *out, size_t capacity, const char *name, const char *value,
                      const struct argp_state *state) {
    if (value[0] == '\0' || strlen(value) >= capacity)
        mrc_option_fail(state, "%s has %zu characters, expected the name of a file", name,
                        strlen(value));
    snprintf(out, capacity, "%s", value);
}

error_t mrc_net_option(struct mrc_net_peer *peer, int key, const char *value,
                       const struct argp_state *state) {
    struct mrc_error err = {0};
    struct mrc_net_tls *tls = &peer->tls;
    switch (key) {
    case KEY_AET:
        if (mrc_net_parse_aet(peer->calling, value, &err) != MRC_OK)
            mrc_option_fail(state, "--aet: %s", err.text);
        return 0;
    case KEY_TLS_CA: take_path(tls->ca, sizeof tls->ca, "--tls-ca", value, state); return 0;
    case KEY_TLS_CERT: take_path(tls->cert, sizeof tls->cert, "--tls-cert", value, state); return 0;
    case KEY_TLS_KEY: take_path(tls->key, sizeof tls->key, "--tls-key", value, state); return 0;
    case KEY_TIMEOUT:
        peer->dimse_s = (int)mrc_option_integer(state, "--timeout", value, 1, 3600);
        if (peer->acse_s > peer->dimse_s) peer->acse_s = peer->dimse_s;
        if (peer->connect_s > peer->dimse_s) peer->connect_s = peer->dimse_s;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void mrc_net_option_peer(struct mrc_net_peer *peer, const char *name, const char *value,
                         const struct argp_state *state) {
    struct mrc_error err = {0};
    if (mrc_net_parse_peer(peer, value, &err) != MRC_OK)
        mrc_option_fail(state, "%s: %s", name, err.text);
}

void mrc_net_option_check(const struct mrc_net_peer *peer, const struct argp_state *state) {
    const struct mrc_net_tls *tls = &peer->tls;
    if ((tls->cert[0] != '\0') != (tls->key[0] != '\0'))
        mrc_option_fail(state, "--tls-cert and --tls-key belong together");
    if (tls->cert[0] != '\0' && tls->ca[0] == '\0')
        mrc_option_fail(state, "--tls-cert needs --tls-ca: who is on the other side?");
}

error_t mrc_net_option_retry(int *retries, double *wait_s, int key, const char *value,
                             const struct argp_state *state) {
    switch (key) {
    case KEY_RETRIES:
        *retries = (int)mrc_option_integer(state, "--retries", value, 0, 1000);
        return 0;
    case KEY_WAIT: *wait_s = mrc_option_number(state, "--wait", value, 0.0, 60.0); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}
