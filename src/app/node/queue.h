/* queue.h: jobs on the disk, which is all the memory that `mrcycle serve` has.
 *
 *   QUEUE/lock, mutex, key      one server a queue; one change at a time; of the keyed names
 *   QUEUE/receiving/            files on their way in; emptied at a start
 *   QUEUE/arriving/SERIES/      images of a series that is not yet complete, in images/; and origin
 *   QUEUE/new|running|done|failed|skipped/ID/   jobs: job.json, images/, later rule, out/, report/
 *                               and sent.list; of those that are skipped no images
 *
 * A job is a folder and changes its state by one rename, so that a crash at any moment leaves it in
 * one state. A file is synced before it gets its name, and the name before anything is built on it.
 * Names are keyed hashes of UIDs (base/pseudonym.h). Everything is for its owner only, behind
 * folders of mode 0700. */
#ifndef MRC_APP_NODE_QUEUE_H
#define MRC_APP_NODE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MRC_JOB_ID_TEXT = 40,
    MRC_JOB_PATH = 1024,
    MRC_JOB_WHY = 512,
    MRC_SERIES_TEXT = 17,
    MRC_JOB_RULE = 40
};

enum mrc_job_state {
    MRC_JOB_ARRIVING, /* a series that is not yet complete; its id is the series's name */
    MRC_JOB_NEW,
    MRC_JOB_RUNNING,
    MRC_JOB_DONE,
    MRC_JOB_FAILED,
    MRC_JOB_SKIPPED, /* not wanted: its images are not kept */
    MRC_JOB_STATES
};
/** "arriving", "new", … */
const char *mrc_job_state_name(enum mrc_job_state state);

struct mrc_job {
    char id[MRC_JOB_ID_TEXT];
    enum mrc_job_state state;
    int64_t created, changed, not_before; /* seconds since 1970; not_before: of the next attempt */
    int64_t images;
    int attempts, crashes;
    char why[MRC_JOB_WHY];            /* of the last failure; "" */
    char source[MRC_JOB_PATH];        /* what to translate where it is not the job's images; "" */
    char output[MRC_JOB_PATH];        /* where to where it is not the job's folder; "" */
    char host[MRC_HOST_TEXT];         /* of the peer that brought the first image; "" */
    char calling[MRC_AET_TEXT];       /* and its title */
    char rule[MRC_JOB_RULE];          /* that was followed last; "" */
    char absorbed[MRC_JOB_ID_TEXT];   /* an earlier job of the series that had not begun; "" */
    char supersedes[MRC_JOB_ID_TEXT]; /* the last job of the series that was done before; "" */
    int64_t bytes; /* on the disk when it was done, failed or skipped; 0: not known */
};

typedef struct mrc_queue mrc_queue;
/** Opens the queue in a folder, which is made when `create`. MRC_ERR_IO when it is none;
 * MRC_ERR_ARGUMENT when it holds links in place of folders, or others may look into these. */
MRC_MUST_CHECK enum mrc_status mrc_queue_open(mrc_queue **out, const char *dir, bool create,
                                              struct mrc_error *err);
/** NULL is fine. */
void mrc_queue_close(mrc_queue *queue);
const char *mrc_queue_dir(const mrc_queue *queue);
/** Takes the queue for one server until it is closed, then puts in order what a crash left: running
 * jobs are new again, associations are broken off, half-received files gone. MRC_ERR_ARGUMENT when
 * another server has it. *again: how many jobs were running. */
MRC_MUST_CHECK enum mrc_status mrc_queue_serve(mrc_queue *queue, int64_t *again,
                                               struct mrc_error *err);

/* --- Receiving; by any process --- */

/** A path for a file on its way in. */
MRC_MUST_CHECK enum mrc_status mrc_queue_receiving(char out[MRC_JOB_PATH], const mrc_queue *queue,
                                                   int64_t number, struct mrc_error *err);
/** Removes what a process that was killed left of files on their way in. */
void mrc_queue_drop_received(const mrc_queue *queue, int pid);
enum mrc_placed {
    MRC_PLACED,        /* in its series */
    MRC_PLACED_KNOWN,  /* the same bytes, or the same image in another lossless transfer syntax, are
                        * in the series, or in a job of it, already: removed */
    MRC_PLACED_DIFFERS /* other bytes of the same instance are: they stay, and these are removed */
};
/** Who brings images. */
struct mrc_queue_peer {
    int number;       /* of the association, for mrc_queue_end_peer */
    const char *host; /* its address: jobs are done in turns by it */
    const char *calling;
};
/** Puts a whole and synced file into its series; MRC_OK: it is safe, or of other bytes than one
 * that was acknowledged before, which no file ever replaces. Else the file is gone. `series`
 * receives the series's name. */
MRC_MUST_CHECK enum mrc_status mrc_queue_place(enum mrc_placed *how, char series[MRC_SERIES_TEXT],
                                               mrc_queue *queue, const char *path,
                                               const struct mrc_net_identity *identity,
                                               const struct mrc_queue_peer *peer,
                                               struct mrc_error *err);
/** The association is over; `released`: in good order, and the peer has sent what it wanted. To be
 * called until it succeeds: until then its series wait for more. */
MRC_MUST_CHECK enum mrc_status mrc_queue_end_peer(mrc_queue *queue, int peer, bool released,
                                                  struct mrc_error *err);

/* --- Jobs; by the server --- */

struct mrc_queue_patience {
    double quiet_s;  /* nothing new for so long after the last association: complete */
    double broken_s; /* the same after one that was broken off: the peer may come again */
    double study_s;  /* how much longer a series waits as long as others of its study arrive */
};
/** Makes a job of one series that is complete; *made is false when none is. Images that earlier
 * jobs of the series had and this one has not are added (late slices), and an earlier job that has
 * not begun is absorbed. To be called often: time is counted from the call that first saw the
 * series as it is. */
MRC_MUST_CHECK enum mrc_status mrc_queue_collect(bool *made, struct mrc_job *job, mrc_queue *queue,
                                                 const struct mrc_queue_patience *patience,
                                                 struct mrc_error *err);
/** Adds a job that lies elsewhere (source and output are set). `name` is what its id is made of:
 * MRC_OK and *made false when there is such a job in any state. */
MRC_MUST_CHECK enum mrc_status mrc_queue_add(bool *made, struct mrc_job *job, mrc_queue *queue,
                                             const char *name, struct mrc_error *err);
/** Of the new jobs whose time has come one of the host whose turn it is: the one whose last job is
 * longest ago, or that had none; of several the one that has waited longest. So a host that brings
 * a thousand series holds up another's by one. *found is false when there is none. */
MRC_MUST_CHECK enum mrc_status mrc_queue_next(bool *found, struct mrc_job *job, mrc_queue *queue,
                                              struct mrc_error *err);
/** Writes the record and moves the job; job->state is where it is then, also after a failure: a
 * move that could not be synced has taken place. */
MRC_MUST_CHECK enum mrc_status mrc_queue_move(mrc_queue *queue, struct mrc_job *job,
                                              enum mrc_job_state to, struct mrc_error *err);
/** Removes what a killed attempt left half-written in the job's folder. */
void mrc_queue_clean(mrc_queue *queue, const struct mrc_job *job);
/** How long jobs of a state are kept, and how many bytes of them; bytes 0: any. */
struct mrc_queue_limit {
    bool holds; /* false: for ever */
    double age_s, bytes;
};
/** Is told of each job that goes, and why: "age" or "size". */
struct mrc_queue_witness {
    void *context;
    void (*gone)(void *context, const struct mrc_job *job, const char *reason);
};
/** Removes the jobs of each state that are older, since they came into it, or with the newer ones
 * larger than its limit says. What stays of a job with a source are its record and its report. Only
 * for states in which nothing happens to a job. */
void mrc_queue_prune(mrc_queue *queue, const struct mrc_queue_limit limits[MRC_JOB_STATES],
                     const struct mrc_queue_witness *witness);

/* --- Looking, by anybody --- */

struct mrc_job_list {
    struct mrc_job *jobs;
    size_t count, capacity;
};
/** All jobs by state and time. */
MRC_MUST_CHECK enum mrc_status mrc_queue_list(struct mrc_job_list *out, mrc_queue *queue,
                                              struct mrc_error *err);
struct mrc_queue_survey {
    int64_t counts[MRC_JOB_STATES];
    int64_t oldest; /* when the oldest job that is new or running was made; 0: there is none */
};
/** How many there are; cheap, however many are done. */
MRC_MUST_CHECK enum mrc_status mrc_queue_survey(struct mrc_queue_survey *out, mrc_queue *queue,
                                                struct mrc_error *err);
void mrc_job_list_clear(struct mrc_job_list *list);
/** A failed job, or a new one that waits for its next attempt, gets all its attempts again at once.
 * MRC_ERR_ARGUMENT when there is no such job. */
MRC_MUST_CHECK enum mrc_status mrc_queue_retry(mrc_queue *queue, const char *id,
                                               struct mrc_error *err);
/** The one job whose id is or begins with `id`. MRC_ERR_ARGUMENT when there is none, or several. */
MRC_MUST_CHECK enum mrc_status mrc_queue_find(struct mrc_job *out, mrc_queue *queue, const char *id,
                                              struct mrc_error *err);
/** Removes a job that is new, done, failed or skipped, with all of it. MRC_ERR_ARGUMENT when it is
 * in none of these states by now. */
MRC_MUST_CHECK enum mrc_status mrc_queue_delete(mrc_queue *queue, const struct mrc_job *job,
                                                struct mrc_error *err);
/** "QUEUE/<state>/<id>/<name>"; name NULL: the folder. */
MRC_MUST_CHECK enum mrc_status mrc_queue_path(char out[MRC_JOB_PATH], const mrc_queue *queue,
                                              const struct mrc_job *job, const char *name,
                                              struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
