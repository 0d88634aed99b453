/* bids.h: the BIDS-App convention: a dataset in, a derivative out, by participant and then for the
 * group. Participants may be worked on by different processes and machines: each keeps a table of
 * its own in logs/, and the group brings them together. */
#ifndef MRC_APP_BATCH_BIDS_H
#define MRC_APP_BATCH_BIDS_H

#include "app/batch/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_bids_options {
    const char *dataset, *output;
    const char *const *participants; /* labels with or without "sub-"; none: all */
    size_t participant_count;
    const char *const *sessions; /* with or without "ses-"; none: all */
    size_t session_count;
    struct mrc_translate_options translate; /* as mrc_batch_options.translate; `to` matters */
    int processes;
    bool dry_run;
};

/** Translates the participants' anat/…_T1w.nii[.gz] (of what the model makes `to` from) to
 * OUT/sub-…/[ses-…/]anat/…_desc-synth_T2w.nii.gz, with reports in OUT/reports. What cannot be
 * translated is a row. MRC_ERR_IO: no participant, or none of that label. */
MRC_STATUS mrc_bids_participants(struct mrc_batch *batch, const struct mrc_bids_options *options,
                                 const struct mrc_events *events, struct mrc_error *err);
/** Brings the participants' tables together: OUT/synthesis.tsv and OUT/group.html, in which what
 * lies apart from the others comes first. */
MRC_STATUS mrc_bids_group(struct mrc_batch *batch, const char *output, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
