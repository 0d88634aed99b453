/* serve_config.h: the settings of `mrcycle serve`, from one file of "key = value" lines
 * (docs/serve.md). */
#ifndef MRC_APP_NODE_SERVE_CONFIG_H
#define MRC_APP_NODE_SERVE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/node/rules.h"
#include "base/status.h"
#include "io/net/net.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_SERVE_ALLOWED = 256, MRC_SERVE_PEERS = MRC_RULE_PEERS, MRC_SERVE_PATH = 1024 };

struct mrc_serve_config {
    char queue[MRC_SERVE_PATH], audit[MRC_SERVE_PATH]; /* audit "": QUEUE/audit.jsonl */
    /* the network */
    char bind[MRC_HOST_TEXT];
    int port; /* 0: none is listened at */
    struct mrc_net_node node;
    struct mrc_net_rule allowed[MRC_SERVE_ALLOWED];
    size_t allowed_count;
    int associations, associations_per_host;
    double association_s, max_object_mb, min_free_mb;
    double min_rate_kb_s, receive_memory_mb; /* memory: of all associations together */
    double quiet_s, broken_quiet_s;
    double study_wait_s; /* less than 0: twice quiet_s */
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
    double retry_wait_s, retry_wait_max_s;
    bool report_dicom;
    int status_port; /* on loopback; 0: none */
    /* housekeeping; 0 hours: gone at once, 0 MB: of any size */
    double keep_done_h, keep_failed_h, keep_skipped_h;
    double keep_done_mb, keep_failed_mb, keep_skipped_mb;
    struct mrc_rule rules[MRC_RULES]; /* none: every series is wanted */
    size_t rule_count;
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

/** The log of a queue where the settings name none. */
MRC_MUST_CHECK enum mrc_status mrc_serve_config_name_log(struct mrc_serve_config *config,
                                                         const char *queue, struct mrc_error *err);

/** Can a node that serves by `old` go on by `new`? MRC_ERR_ARGUMENT names what needs a new start. */
MRC_MUST_CHECK enum mrc_status mrc_serve_config_can_follow(const struct mrc_serve_config *old,
                                                           const struct mrc_serve_config *new,
                                                           struct mrc_error *err);

/** A translation by the node's own settings, with what the rule (NULL: none) says otherwise. */
struct mrc_serve_translation {
    enum mrc_contrast to;
    const char *model; /* NULL: the shipped one */
    bool from_is_known, allow_gaps;
};
struct mrc_serve_translation mrc_serve_config_translation(const struct mrc_serve_config *config,
                                                          const struct mrc_rule *rule);

/** The contrast that such a translation starts from. MRC_ERR_ARGUMENT when the model does not make
 * `to`, or not from what the rule says. */
MRC_MUST_CHECK enum mrc_status mrc_serve_config_source(enum mrc_contrast *from,
                                                       const struct mrc_serve_config *config,
                                                       const struct mrc_rule *rule,
                                                       struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
