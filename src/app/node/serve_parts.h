/* serve_parts.h: what the server's child processes do, and how it watches a folder. Used by
 * serve*.c only. */
#ifndef MRC_APP_NODE_SERVE_PARTS_H
#define MRC_APP_NODE_SERVE_PARTS_H

#include <stdatomic.h>

#include "app/common/events.h"
#include "app/node/queue.h"
#include "app/node/serve_config.h"
#include "base/text.h"

/** What the processes of a node share, and each may write: for those who watch, and to choose who is
 * sent away. Nothing is built on it. */
enum { MRC_SERVE_MOST_PEERS = 256 };
struct mrc_serve_board {
    atomic_llong stored_ms[MRC_SERVE_MOST_PEERS];            /* less than 0: free */
    atomic_llong stored, known, differing, refused, no_room; /* images */
};

/** One association, in a child of its own. */
struct mrc_serve_peer {
    const struct mrc_serve_config *config;
    mrc_queue *queue;
    int socket, number; /* number: of the association, for the queue */
    char host[MRC_HOST_TEXT];
    struct mrc_serve_board *board;
    atomic_llong *stored_ms; /* on it: when the last image was stored, by CLOCK_MONOTONIC */
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
/** The name of the rule that was followed last; false: none was. */
bool mrc_serve_job_rule(char out[MRC_RULE_NAME], const mrc_queue *queue, const struct mrc_job *job);
enum { MRC_SERVE_SKIPPED = 200 };
/** The shape of mrc_isolate_task.run: the status of the attempt, or MRC_SERVE_SKIPPED: no rule wants
 * it. Why stands in the job's file "why", and the name of the rule that was followed in "rule". */
int mrc_serve_work(void *attempt);

/** What a node has done since it began, and how it is. */
struct mrc_serve_tally {
    int64_t began, last_association; /* seconds since 1970; 0: never */
    int64_t associations, turned_away;
    int64_t ended[MRC_JOB_STATES]; /* attempts, by the state that the job went into */
    int64_t deleted, reloads;
    double work_s; /* of all attempts */
};
struct mrc_serve_view {
    const struct mrc_serve_config *config;
    mrc_queue *queue;
    const struct mrc_serve_board *board;
    struct mrc_serve_tally tally;
    int open;       /* associations */
    bool log_waits; /* the audit log does not take its lines */
};
/** The shapes of mrc_status_pages.metrics and .health; `view` is a struct mrc_serve_view. */
void mrc_serve_metrics(void *view, struct mrc_text *out);
bool mrc_serve_health(void *view, struct mrc_text *out);

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
