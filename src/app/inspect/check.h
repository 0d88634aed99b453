/* check.h: the findings over a DICOM folder (io/dicom/dicom_check.h), for people and for programs. */
#ifndef MRC_APP_INSPECT_CHECK_H
#define MRC_APP_INSPECT_CHECK_H

#include "base/status.h"
#include "base/text.h"
#include "io/dicom/dicom_check.h"

#ifdef __cplusplus
extern "C" {
#endif

/** MRC_OK when the series is one consistent volume (and, if synthetic, fully marked), else
 * MRC_ERR_FORMAT with the first error and how many more there are. */
MRC_STATUS mrc_check_verdict(const struct mrc_dicom_check *check, const char *path,
                             struct mrc_error *err);
/** A line on what it is, then a line a finding. */
MRC_API void mrc_check_print(struct mrc_text *out, const struct mrc_dicom_check *check,
                             const char *path);
/** One JSON object: path, consistent, synthetic, files, gap_mm, errors, warnings, findings. */
MRC_STATUS mrc_check_print_json(struct mrc_text *out, const struct mrc_dicom_check *check,
                                const char *path, struct mrc_error *err);

/** Checks the series of the folder in a child process with limits (base/isolate.h), whatever its files
 * do to their reader: lines or a JSON object a series are appended to `out`, and the verdict is that
 * of mrc_check_verdict on the first that is not consistent. */
MRC_MUST_CHECK enum mrc_status mrc_check_apart(struct mrc_text *out, const char *dir, bool json,
                                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
