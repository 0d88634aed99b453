/* prepare.h: from scanner exports to a training set: axial slices of volumes of the
 * contract's contrasts as a BIDS derivative, de-identified, split by subject, with a manifest of every slice and a report of every
 * series. SET appears when it is whole; until then the work lies in SET.partial, from which an
 * interrupted run goes on. The same input, options and key give the same bytes.
 * Names are keyed (base/pseudonym.h). Paths of the input stand only in SET.sources.tsv (mode 0600),
 * beside the set as the key is, not in it. */
#ifndef MRC_APP_PREPARE_PREPARE_H
#define MRC_APP_PREPARE_PREPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "app/sets/split.h"
#include "base/status.h"
#include "io/contrast_map.h"
#include "model/files/contract.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_prepare_options {
    const char *const *inputs;
    size_t input_count;
    const char *output;
    const char *key;              /* key file, made when absent; NULL: OUTPUT.key */
    struct mrc_contract contract; /* how slices are cut; files hold all slices, so that a kept
                                     one has its neighbours */
    double min_foreground;        /* least part of a kept slice that shows the head */
    double keep_from, keep_to;    /* percent of the extent of such slices, from below */
    double split[MRC_SPLITS];     /* parts of train, val and test */
    uint64_t seed;                /* of the split */
    const mrc_contrast_map *map;  /* overrules what is recognised; NULL: none */
    bool assume_ras, allow_synthetic, allow_derived;
    bool dry_run; /* judge and count only; nothing is written */
    bool replace; /* an earlier set at `output` may be replaced */
};
#define MRC_PREPARE_DEFAULTS                                                                       \
    {                                                                                              \
        .contract = MRC_CONTRACT_DEFAULTS, .min_foreground = 0.08, .keep_from = 0.0,               \
        .keep_to = 100.0, .split = {                                                               \
            80.0,                                                                                  \
            10.0,                                                                                  \
            10.0                                                                                   \
        }                                                                                          \
    }
struct mrc_prepare_result {
    size_t series, refused, subjects;
    int64_t slices, dropped;
};
/** MRC_ERR_UNSUPPORTED when nothing can be used. `events` may be NULL. */
MRC_STATUS mrc_prepare_run(const struct mrc_prepare_options *options,
                           struct mrc_prepare_result *result, const struct mrc_events *events,
                           struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
