/* deidentify.h: a folder of DICOM files without the patients (io/dicom/deidentify.h), and the report that
 * says what was done and what was not.
 * OUT holds sub-<patient>/ses-<study>/ser-<series>/<image>.dcm, all names keyed; report.json and
 * report.html name no path of the input. Which file became which is in a table beside OUT,
 * OUT.sources.tsv (mode 0600), that is not to leave the house. */
#ifndef MRC_APP_PRIVACY_DEIDENTIFY_H
#define MRC_APP_PRIVACY_DEIDENTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "app/common/events.h"
#include "base/pseudonym.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_deidentify_options {
    const char *input, *output;
    const char *key; /* key file, made when absent; NULL: OUTPUT.key */
    bool replace;    /* an earlier result of this command at `output` may be replaced */
};
struct mrc_deidentify_result {
    size_t files, patients, studies, series; /* written */
    size_t refused;                          /* DICOM files that were not */
    size_t passed;                           /* files that are no DICOM */
};
/** MRC_ERR_UNSUPPORTED when nothing can be written. `events` may be NULL. */
MRC_STATUS mrc_deidentify_run(const struct mrc_deidentify_options *options,
                              struct mrc_deidentify_result *result, const struct mrc_events *events,
                              struct mrc_error *err);

/** Rewrites each DICOM file of a folder in its place by the same rules: a series of this program's
 * own making, on its way to its name. MRC_ERR_UNSUPPORTED when its pixels may show text of the
 * source's. */
MRC_STATUS mrc_deidentify_in_place(const char *folder, const struct mrc_pseudonym_key *key,
                                   struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
