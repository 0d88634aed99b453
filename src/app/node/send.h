/* send.h: files to a peer by C-STORE, each until it is stored or refused for good. */
#ifndef MRC_APP_NODE_SEND_H
#define MRC_APP_NODE_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "base/status.h"
#include "io/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_send_options {
    const char *const *paths; /* files, and folders that are searched to the bottom */
    size_t path_count;
    struct mrc_net_peer peer;
    const char *list; /* file of what was stored, read and added to; NULL: none */
    int retries;      /* further attempts in a row that store nothing */
    double wait_s;    /* before the first of them; doubled each time, at most a minute */
};
#define MRC_SEND_DEFAULTS                                                                          \
    { .peer = MRC_NET_PEER_DEFAULTS, .retries = 4, .wait_s = 2.0 }

struct mrc_send_report {
    int64_t stored, warned, refused; /* warned: stored with a warning */
    int64_t skipped;                 /* in the list as stored there before */
    int64_t unsent; /* neither stored nor refused when the attempts were over, or unreadable */
};

/** Sends. An image is sent again only when it is not yet known to be stored, and sending it twice
 * is harmless: its UID is the same. Files in a folder that are no DICOM objects are left out with a
 * note; one that cannot be read whole is named at the end (MRC_ERR_FORMAT). MRC_ERR_PEER: the peer
 * refused some; MRC_ERR_NETWORK: some could not be sent; MRC_ERR_UNSUPPORTED: nothing to send.
 * `report` and `events` may be NULL.
 *
 * A line of the list is "<stored|warning|refused> TAB <status> TAB <SHA-256 of the peer and the
 * file's bytes>", added and synced when the answer is there; lines that are not so are ignored. */
MRC_MUST_CHECK enum mrc_status mrc_send_run(const struct mrc_send_options *options,
                                            struct mrc_send_report *report,
                                            const struct mrc_events *events, struct mrc_error *err);
/** Opens an association, C-ECHO, releases. */
MRC_MUST_CHECK enum mrc_status mrc_send_echo(const struct mrc_net_peer *peer,
                                             struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
