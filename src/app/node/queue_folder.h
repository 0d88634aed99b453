/* queue_folder.h: what the files of the queue share. Used by queue*.c only. */
#ifndef MRC_APP_NODE_QUEUE_FOLDER_H
#define MRC_APP_NODE_QUEUE_FOLDER_H

#include "app/node/queue.h"
#include "base/fs.h"
#include "base/pseudonym.h"

/* A series that is arriving, as it was seen and since when. */
struct mrc_queue_seen {
    char series[MRC_SERIES_TEXT];
    char study[MRC_SERIES_TEXT]; /* "": not known */
    uint64_t mark;
    double since_s;
    bool open; /* somebody is about to bring more */
};
/* A host, and when one of its jobs was taken last: the turns that were given so far. */
struct mrc_queue_turn {
    char host[MRC_HOST_TEXT];
    uint64_t turn;
};
struct mrc_queue {
    char dir[MRC_JOB_PATH];
    int lock; /* -1: not ours */
    struct mrc_pseudonym_key key;
    struct mrc_queue_seen *seen;
    size_t seen_count, seen_capacity;
    struct mrc_queue_turn *turns;
    size_t turn_count, turn_capacity;
    uint64_t last_turn;
};

/** "dir/a[/b[/c]]"; b and c may be NULL. MRC_ERR_RANGE when it does not fit. */
enum mrc_status mrc_queue_join(char out[MRC_JOB_PATH], const mrc_queue *queue, const char *a,
                               const char *b, const char *c, struct mrc_error *err);
/** Waits until no other process changes the queue. *held is for mrc_queue_let_go. */
enum mrc_status mrc_queue_hold(int *held, const mrc_queue *queue, struct mrc_error *err);
void mrc_queue_let_go(int held);

/** Removes the images and the result of a job, and all that belongs to these alone. */
void mrc_job_strip(const mrc_queue *queue, const struct mrc_job *job);
/** Reads the record of the job in its folder; without one it is a job that knows nothing. */
void mrc_job_read(struct mrc_job *job, const char *folder);
enum mrc_status mrc_job_write(const struct mrc_job *job, const char *folder, struct mrc_error *err);
/** mrc_queue_move for one who holds the queue. */
enum mrc_status mrc_queue_move_held(mrc_queue *queue, struct mrc_job *job, enum mrc_job_state to,
                                    struct mrc_error *err);

/** The folder `from` becomes the job's in the state `to`, and nothing is written: that needs no
 * room. For one who holds the queue. */
enum mrc_status mrc_queue_rename_held(mrc_queue *queue, struct mrc_job *job, const char *from,
                                      enum mrc_job_state to, struct mrc_error *err);

/** The jobs of a series, the newest first. Clear with mrc_job_list_clear; only id and state are
 * set. */
enum mrc_status mrc_queue_jobs_of(struct mrc_job_list *out, const mrc_queue *queue,
                                  const char *series, struct mrc_error *err);
/** The number at the end of an id, or 0. */
int64_t mrc_job_number(const char *id);

#endif
