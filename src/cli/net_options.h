/* net_options.h: what echo, send and fetch share: who is spoken to, and how. */
#ifndef MRC_CLI_NET_OPTIONS_H
#define MRC_CLI_NET_OPTIONS_H

#include <argp.h>

#include "app/node/send.h"
#include "cli/options.h"

enum {
    KEY_AET = MRC_OPTION_OWN + 50,
    KEY_TLS_CA,
    KEY_TLS_CERT,
    KEY_TLS_KEY,
    KEY_TIMEOUT,
    KEY_RETRIES,
    KEY_WAIT
};

#define MRC_NET_OPTION_ROWS                                                                        \
    {.name = "aet", .key = KEY_AET, .arg = "AET", .doc = "Our AE title; default: MRCYCLE"},        \
        {.name = "tls-ca",                                                                         \
         .key = KEY_TLS_CA,                                                                        \
         .arg = "FILE",                                                                            \
         .doc = "Use TLS, and trust the certificates in this PEM file"},                           \
        {.name = "tls-cert",                                                                       \
         .key = KEY_TLS_CERT,                                                                      \
         .arg = "FILE",                                                                            \
         .doc = "Show this certificate (PEM), with --tls-key"},                                    \
        {.name = "tls-key",                                                                        \
         .key = KEY_TLS_KEY,                                                                       \
         .arg = "FILE",                                                                            \
         .doc = "Its key (PEM, without a password)"},                                              \
    {                                                                                              \
        .name = "timeout", .key = KEY_TIMEOUT, .arg = "S",                                         \
        .doc = "Longest wait for an answer; default: 60 seconds"                                   \
    }

/* Of commands that try again. verb: what an attempt in vain does not do. */
#define MRC_NET_RETRY_ROWS(verb)                                                                   \
    {.name = "retries",                                                                            \
     .key = KEY_RETRIES,                                                                           \
     .arg = "N",                                                                                   \
     .doc = "Further attempts in a row that " verb " nothing; default: 4"},                        \
    {                                                                                              \
        .name = "wait", .key = KEY_WAIT, .arg = "S",                                               \
        .doc = "Seconds before the first of them, then twice as long each time; default: 2"        \
    }

/** 0, or ARGP_ERR_UNKNOWN when the key is none of the rows'. */
error_t mrc_net_option_retry(int *retries, double *wait_s, int key, const char *value,
                             const struct argp_state *state);
error_t mrc_net_option(struct mrc_net_peer *peer, int key, const char *value,
                       const struct argp_state *state);
void mrc_net_option_peer(struct mrc_net_peer *peer, const char *name, const char *value,
                         const struct argp_state *state);
/** At the end: do they fit together? */
void mrc_net_option_check(const struct mrc_net_peer *peer, const struct argp_state *state);

#endif
