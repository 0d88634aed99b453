/* serve.h: a node that receives series, translates them and sends the results on; or does the same
 * between two folders. Its memory is the queue (queue.h). */
#ifndef MRC_APP_NODE_SERVE_H
#define MRC_APP_NODE_SERVE_H

#include "app/common/events.h"
#include "app/node/serve_config.h"
#include "base/status.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings that may be read anew while the node serves; zero: never. */
struct mrc_serve_reload {
    void *context;
    bool (*wanted)(void *context); /* asked again and again; true: once */
    /** Fills in settings that have passed mrc_serve_config_check. */
    enum mrc_status (*load)(void *context, struct mrc_serve_config *out, struct mrc_error *err);
};

/** Serves until events->cancelled, then lets associations end for a few seconds and returns MRC_OK;
 * a job that runs then is done again by the next server. The config must have passed
 * mrc_serve_config_check; `reload` may be NULL. New settings hold for what begins
 * after them; those that are wrong, or would need another queue, port, log or folder, are refused
 * with a note, and the old ones stay. One thread, which forks: nothing of the caller may compute meanwhile. */
MRC_MUST_CHECK enum mrc_status mrc_serve_run(const struct mrc_serve_config *config,
                                             const struct mrc_serve_reload *reload,
                                             const struct mrc_events *events,
                                             struct mrc_error *err);

/** What each series in a folder of DICOM would do if it came from the peer with this title: a line
 * each, with the rule and the reason. No patient data but what stands in paths. The config must
 * have passed mrc_serve_config_check. MRC_ERR_UNSUPPORTED when there is none. */
MRC_MUST_CHECK enum mrc_status mrc_serve_explain(struct mrc_text *out,
                                                 const struct mrc_serve_config *config,
                                                 const char *folder, const char *calling,
                                                 struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
