/* serve_config.h: the settings of `mrcycle serve`, from one file of "key = value" lines
 * (docs/serve.md). */
#ifndef MRC_APP_NODE_SERVE_CONFIG_H
#define MRC_APP_NODE_SERVE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/net/net.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_SERVE_RULES = 256, MRC_SERVE_PEERS = 8, MRC_SERVE_PATH = 1024 };

struct mrc_serve_config {
    char queue[MRC_SERVE_PATH], audit[MRC_SERVE_PATH]; /* audit "": QUEUE/audit.jsonl */
    /* the network */
    char bind[MRC_HOST_TEXT];
    int port; /* 0: none is listened at */
    struct mrc_net_node node;
    struct mrc_net_rule rules[MRC_SERVE_RULES];
    size_t rule_count;
    int associations, associations_per_host;
    double association_s, max_object_mb, min_free_mb;
    double min_rate_kb_s, receive_memory_mb; /* memory: of all associations together */
    double quiet_s, broken_quiet_s;
    /* translating */
    enum mrc_contrast to;
    char model[MRC_SERVE_PATH];
    bool unknown_contrast, allow_gaps;
    int threads; /* 0: all */
    double job_s;
    /* sending */
    struct mrc_net_peer peers[MRC_SERVE_PEERS];
    size_t peer_count;
    char calling[MRC_AET_TEXT]; /* "": as aet */
    struct mrc_net_tls peer_tls;
    int retries;
    double retry_wait_s, retry_wait_max_s, keep_done_h;
    /* folders */
    char watch[MRC_SERVE_PATH], output[MRC_SERVE_PATH];
};

/** The defaults of docs/serve.md. */
void mrc_serve_config_init(struct mrc_serve_config *config);
/** Reads the file over them. MRC_ERR_ARGUMENT names the line. */
MRC_MUST_CHECK enum mrc_status mrc_serve_config_load(struct mrc_serve_config *config,
                                                     const char *path, struct mrc_error *err);
/** Do the settings fit together, and can the model be used? Completes the peers. */
MRC_MUST_CHECK enum mrc_status mrc_serve_config_check(struct mrc_serve_config *config,
                                                      struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
