/* queue_admin.h: what a person or a script does with a queue, beside the server: asks, tries again,
 * deletes. `id` may be the beginning of a job's id, if no other begins so. */
#ifndef MRC_APP_NODE_QUEUE_ADMIN_H
#define MRC_APP_NODE_QUEUE_ADMIN_H

#include "app/node/queue.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The page that says how far the job's result can be trusted; false: there is none. */
bool mrc_queue_report(char out[MRC_JOB_PATH], const mrc_queue *queue, const struct mrc_job *job);
/** mrc_queue_retry of a job, or with "all" of all that failed. */
MRC_MUST_CHECK enum mrc_status mrc_queue_retry_asked(mrc_queue *queue, const char *id,
                                                     struct mrc_error *err);
/** Deletes a job, or with "done", "failed" or "skipped" all in that state; the audit log at `log`
 * is told of each. */
MRC_MUST_CHECK enum mrc_status mrc_queue_delete_asked(mrc_queue *queue, const char *id,
                                                      const char *log, struct mrc_error *err);
/** One JSON object: of the job, or with NULL of all ("counts" by state, "jobs"). */
MRC_MUST_CHECK enum mrc_status mrc_queue_print_json(struct mrc_text *out, mrc_queue *queue,
                                                    const char *id, struct mrc_error *err);
/** All that is known of the job, a line each. */
MRC_MUST_CHECK enum mrc_status mrc_queue_print_job(struct mrc_text *out, mrc_queue *queue,
                                                   const char *id, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
