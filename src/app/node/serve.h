/* serve.h: a node that receives series, translates them and sends the results on; or does the same
 * between two folders. Its memory is the queue (queue.h). */
#ifndef MRC_APP_NODE_SERVE_H
#define MRC_APP_NODE_SERVE_H

#include "app/common/events.h"
#include "app/node/serve_config.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Serves until events->cancelled, then lets associations end for a few seconds and returns MRC_OK;
 * a job that runs then is done again by the next server. The config must have passed
 * mrc_serve_config_check. One thread, which forks: nothing of the caller may compute meanwhile. */
MRC_MUST_CHECK enum mrc_status mrc_serve_run(const struct mrc_serve_config *config,
                                             const struct mrc_events *events,
                                             struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
