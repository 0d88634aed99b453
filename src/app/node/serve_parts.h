/* serve_parts.h: what the server's child processes do, and how it watches a folder. Used by
 * serve*.c only. */
#ifndef MRC_APP_NODE_SERVE_PARTS_H
#define MRC_APP_NODE_SERVE_PARTS_H

#include <stdatomic.h>

#include "app/common/events.h"
#include "app/node/queue.h"
#include "app/node/serve_config.h"

/** One association, in a child of its own. */
struct mrc_serve_peer {
    const struct mrc_serve_config *config;
    mrc_queue *queue;
    int socket, number; /* number: of the association, for the queue */
    char host[MRC_HOST_TEXT];
    atomic_llong *stored_ms; /* shared: when the last image was stored, by CLOCK_MONOTONIC */
};
/** How an association ended, as the exit code of its process says. */
enum mrc_serve_parting {
    MRC_PARTED_RELEASED,     /* in good order, and there was room for all */
    MRC_PARTED_BROKEN,       /* in any other way */
    MRC_PARTED_UNLOGGED = 2, /* added to one of them: the audit log did not take its line */
    MRC_PARTINGS = 4
};
/** The shape of mrc_isolate_task.run: an enum mrc_serve_parting. */
int mrc_serve_receive(void *peer);

/** One attempt at one job, in a child of its own. */
struct mrc_serve_attempt {
    const struct mrc_serve_config *config;
    mrc_queue *queue;
    struct mrc_job job;
};
/** The shape of mrc_isolate_task.run: the status of the attempt. Why it failed stands in the job's
 * file "why". */
int mrc_serve_work(void *attempt);

/** What was seen in the watched folder, and since when. Zero-initialise. */
struct mrc_serve_watch {
    struct mrc_watched *entries;
    size_t count, capacity;
};
/** Looks through the folder, and makes jobs of what is complete: *made, and the last of them in
 * *job. */
MRC_MUST_CHECK enum mrc_status mrc_serve_watch_look(struct mrc_serve_watch *watch, bool *made,
                                                    struct mrc_job *job, mrc_queue *queue,
                                                    const struct mrc_serve_config *config,
                                                    struct mrc_error *err);
void mrc_serve_watch_clear(struct mrc_serve_watch *watch);

#endif
