/* fetch.h: series from an archive into a folder: found by C-FIND, brought by C-GET or C-MOVE. */
#ifndef MRC_APP_NODE_FETCH_H
#define MRC_APP_NODE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "app/common/events.h"
#include "base/status.h"
#include "io/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_fetch_options {
    struct mrc_net_peer peer;
    struct mrc_net_query query;
    const char *description;  /* pattern of a shell, in any case of letters; NULL: any */
    const char *modality;     /* NULL: any */
    const char *output;       /* a folder, new or not */
    bool move;                /* C-MOVE to `calling` at `port`, where the archive knows us */
    char bind[MRC_HOST_TEXT]; /* of our address, for C-MOVE */
    int port;
    int64_t most_images; /* more are refused before one is brought */
    int retries;         /* further attempts in a row that bring nothing */
    double wait_s;       /* before the first of them; doubled each time, at most a minute */
};
#define MRC_FETCH_DEFAULTS                                                                         \
    {                                                                                              \
        .peer = MRC_NET_PEER_DEFAULTS, .modality = "MR", .bind = "0.0.0.0", .most_images = 20000,  \
        .retries = 4, .wait_s = 2.0                                                                \
    }

struct mrc_fetch_report {
    int64_t series, images;  /* that were found and wanted */
    int64_t before, fetched; /* images that were there before; that came now */
};

/** Fetches. Images lie as they were sent in output/SERIES/INSTANCE.dcm, where both names are of
 * SHA-256 of the UIDs: nothing of the patient. What is there is not asked for again, and what was
 * not asked for is not taken. All that an archive says is read in child processes, which reach the
 * output folder alone. MRC_ERR_UNSUPPORTED: nothing of the kind is there. MRC_ERR_NETWORK: some
 * could not be brought, or nobody answers. MRC_ERR_PEER: the archive refuses. `report` and `events`
 * may be NULL. */
MRC_MUST_CHECK enum mrc_status mrc_fetch_run(const struct mrc_fetch_options *options,
                                             struct mrc_fetch_report *report,
                                             const struct mrc_events *events,
                                             struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
