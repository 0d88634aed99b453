/* isolate.h: jobs in child processes, for code that strangers' bytes may crash, hang or fatten: a
 * job that does so costs itself, never the program. The children are forked when a run begins and
 * see the caller's memory as it was then, so a job is a number and reads its arguments where they
 * lie; what it finds comes back as bytes. Children keep no file, socket or thread of the caller,
 * leave no core dump, and end with it. Before the first job they give up all that a job does not
 * need, where the kernel lets them (base/confine.h): they read the files of the run and nothing
 * else, write none, make no socket and no process. The caller may have threads, as long as none
 * of them is inside the library that the jobs call: a lock held while the child is forked stays
 * locked in it. (glibc's heap and mrc_parallel_for are safe.) */
#ifndef MRC_BASE_ISOLATE_H
#define MRC_BASE_ISOLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/confine.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where a job puts what it found. */
typedef struct mrc_isolate_sink mrc_isolate_sink;
/** Sends bytes to the caller's `take`; a job may do so any number of times, pieces keep their
 * order. */
MRC_STATUS mrc_isolate_send(mrc_isolate_sink *sink, const void *bytes, size_t size,
                            struct mrc_error *err);

/** The four functions of a run; `context` is passed to each. */
struct mrc_isolate_work {
    void *context;
    /** Does job number `job`, in a child. */
    enum mrc_status (*run)(void *context, size_t job, mrc_isolate_sink *sink,
                           struct mrc_error *err);
    /** One piece that the job sent, in the caller. A failure ends the whole run with it. */
    enum mrc_status (*take)(void *context, size_t job, const void *bytes, size_t size,
                            struct mrc_error *err);
    /** The job is over, in the caller, once for each. `why` (NULL when MRC_OK) is what `run` failed
     * with, or: it crashed (MRC_ERR_FORMAT), took too long or too much memory (MRC_ERR_RANGE); then
     * it begins with a verb in the third person ("crashes …"), names nothing, and `ended` is true.
     * A failure ends the whole run with it. */
    enum mrc_status (*finish)(void *context, size_t job, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err);
    /** Asked between jobs, may be NULL: true ends the run with MRC_ERR_CANCELLED. */
    bool (*stop)(void *context);
    /** The files that the jobs may read, one after the other, until NULL; a folder stands for all
     * below it. Asked in the caller when the run begins. NULL: they read none. */
    const char *(*file)(void *context, size_t number);
};

struct mrc_isolate_limits {
    int processes;       /* at most; 0: mrc_parallel_threads() */
    double processor_s;  /* of one job; rounded up to whole seconds */
    double elapsed_s;    /* of one job, waiting included */
    size_t memory_bytes; /* of a child, beyond what the caller has; not held under sanitizers */
    size_t piece_bytes;  /* longest that a job may send at once */
};
#define MRC_ISOLATE_DEFAULTS                                                                       \
    {                                                                                              \
        .processes = 0, .processor_s = 20.0, .elapsed_s = 60.0, .memory_bytes = (size_t)1 << 30,   \
        .piece_bytes = (size_t)1 << 26                                                             \
    }

/** For jobs that decode voxels, of which there may be 2 GiB. */
#define MRC_ISOLATE_VOXELS                                                                         \
    {                                                                                              \
        .processes = 0, .processor_s = 120.0, .elapsed_s = 300.0, .memory_bytes = (size_t)4 << 30, \
        .piece_bytes = (size_t)1 << 20                                                             \
    }

/** Runs jobs 0 … count-1; their order of arrival is not fixed. A job inside a job runs in its own
 * process. MRC_ERR_NOMEM when no child can be started. */
MRC_STATUS mrc_isolate_run(const struct mrc_isolate_work *work, size_t count,
                           const struct mrc_isolate_limits *limits, struct mrc_error *err);

/** A child process of its own, for work that is no job of a run: it may write files and take its
 * time. Like those it keeps no file of the caller but one, has signals as in a new program, leaves
 * no core dump and ends with the caller. It may use all threads; the caller must have none. */
struct mrc_isolate_task {
    int (*run)(void *context); /* what it returns, 0 … 255, is the exit code */
    void *context;
    int keep;            /* a file or socket that stays open in the child; -1: none */
    size_t memory_bytes; /* beyond what the caller has; 0: no limit; not held under sanitizers */
    const struct mrc_confine_files *confined; /* NULL: not at all. As MRC_CONFINE_RECEIVER */
    int nice;                                 /* how much it gives way to others, 0 … 19 */
};
/** *pid: the child. MRC_ERR_NOMEM when none can be started. */
MRC_STATUS mrc_isolate_start(int *pid, const struct mrc_isolate_task *task, struct mrc_error *err);
/** Has it ended? Then *code is its exit code, or less than 0: the signal that ended it. Does not
 * wait; to be asked until it is true, once. */
MRC_API bool mrc_isolate_ended(int *code, int pid);
/** Ends it at once; mrc_isolate_ended still has to be asked. */
MRC_API void mrc_isolate_kill(int pid);

/** What holds of a decoder's confinement on this kernel (base/confine.h), tried in a child. */
struct mrc_confined mrc_isolate_probe(void);

/** For tests that count allocations and for debuggers: runs all jobs in the calling process. */
MRC_API void mrc_isolate_disable(bool disabled);

#ifdef __cplusplus
}
#endif
#endif
