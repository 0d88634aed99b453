/* subject.h: whose image a NIfTI file is, by its name, and what the image is called in BIDS. */
#ifndef MRC_APP_PRIVACY_SUBJECT_H
#define MRC_APP_PRIVACY_SUBJECT_H

#include <stdbool.h>

#include "base/pseudonym.h"
#include "io/volume.h"

/** Keyed names for the subject and the session ("" for none) of a NIfTI file, whose path is given
 * from its data set on (app/privacy/origin.h). A subject is its BIDS label ("sub-") in its data set, else
 * its folder; with `shared`, the folder's images are of several, and the name without the contrast
 * tells them apart. */
MRC_MUST_CHECK enum mrc_status mrc_subject_of_path(char subject[MRC_PSEUDONYM_TEXT],
                                                   char session[MRC_PSEUDONYM_TEXT],
                                                   const struct mrc_pseudonym_key *key,
                                                   const char *dataset, const char *path,
                                                   bool shared, struct mrc_error *err);

/** Where the synthetic twin of an image stands in a BIDS derivative, with `key` under keyed labels:
 * "sub-…/[ses-…/]anat/sub-…[_ses-…]…_desc-synth_T2w.nii.gz". Without a key the labels are those of
 * the source's own name, and a source that is no NIfTI file with a BIDS name is MRC_ERR_ARGUMENT:
 * a label made from a patient's ID would tell it. The caller's (mrc_free). */
MRC_MUST_CHECK enum mrc_status mrc_subject_synthetic_name(char **out, const mrc_volume *source,
                                                          enum mrc_contrast contrast,
                                                          const struct mrc_pseudonym_key *key,
                                                          struct mrc_error *err);

/** The same from the name of a file that is called by BIDS; NULL where it is not, or memory is
 * exhausted. The caller's (mrc_free). */
char *mrc_subject_synthetic_twin(const char *name, enum mrc_contrast contrast);

#endif
