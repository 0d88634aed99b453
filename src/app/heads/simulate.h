/* simulate.h: a BIDS set of heads computed from label maps, in every contrast, with every tissue
 * and lesion known. */
#ifndef MRC_APP_HEADS_SIMULATE_H
#define MRC_APP_HEADS_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "app/heads/config.h"

enum { MRC_SIM_MOST_SUBJECTS = 99999, MRC_SIM_MOST_MAPS = 1000 };

struct mrc_simulate_options {
    const char *const *maps; /* label maps, or folders of them */
    size_t map_count;
    const char
        *table; /* "freesurfer", "brainweb" or a file; NULL: the one that knows the numbers */
    uint64_t seed;
    int64_t first, subjects; /* numbers first … first + subjects - 1; the first is 1 */
    unsigned contrasts;      /* bit c: mrc_sim_contrasts[c] is written */
    bool replace;            /* an earlier set of this program may be replaced */
    struct mrc_sim_config config;
};

/** Writes the folder `dir`:
 *    dataset_description.json, participants.tsv, dseg.tsv, README, simulate.json
 *    sub-00001/anat/sub-00001_T1w.nii.gz, _T2w, _PDw, _FLAIR with JSON beside them, _dseg.nii.gz
 *    (tissues, by dseg.tsv), _label-lesion_mask.nii.gz
 * It appears when it is whole. Until then the work lies in dir.partial, from which the same options
 * go on. Subject n depends on the seed, n, the ranges and the maps only. Same options, same bytes,
 * on any number of threads. events may be NULL. */
MRC_MUST_CHECK enum mrc_status mrc_simulate_write(const char *dir,
                                                  const struct mrc_simulate_options *options,
                                                  const struct mrc_events *events,
                                                  struct mrc_error *err);

#endif
