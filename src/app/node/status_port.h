/* status_port.h: /health and /metrics over HTTP on loopback, for those who watch a node. No patient
 * data. It knows two questions and reads no further than to tell them apart; who is slow is sent
 * away. */
#ifndef MRC_APP_NODE_STATUS_PORT_H
#define MRC_APP_NODE_STATUS_PORT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/text.h"

enum { MRC_STATUS_CLIENTS = 8, MRC_STATUS_REQUEST = 1024 };

struct mrc_status_client {
    int socket;
    double since_s;
    char request[MRC_STATUS_REQUEST];
    size_t size;
};
struct mrc_status_port {
    int listener; /* -1: none */
    struct mrc_status_client clients[MRC_STATUS_CLIENTS];
    int client_count;
};
/** What is answered. */
struct mrc_status_pages {
    void *context;
    /** Prometheus text (version 0.0.4). */
    void (*metrics)(void *context, struct mrc_text *out);
    /** One JSON object; true: all is well. */
    bool (*health)(void *context, struct mrc_text *out);
};

/** Listens at 127.0.0.1; port 0: at none. MRC_ERR_NETWORK. */
MRC_MUST_CHECK enum mrc_status mrc_status_port_open(struct mrc_status_port *out, int port,
                                                    struct mrc_error *err);
/** The sockets to wait for; their number, at most MRC_STATUS_CLIENTS + 1. */
int mrc_status_port_polls(struct pollfd *out, const struct mrc_status_port *port);
/** Takes who knocks, and answers who has asked. Never waits. */
void mrc_status_port_turn(struct mrc_status_port *port, const struct mrc_status_pages *pages);
void mrc_status_port_close(struct mrc_status_port *port);

#endif
