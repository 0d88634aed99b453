/* dicom_check.h: is a folder one consistent MR series, and if it is synthetic, does it say so
 * everywhere? Asked of every derived series before it appears under its name, and by
 * `mrcycle check`. PS3.3 A.4 and the modules it names; docs/dicom.md, "Checked". */
#ifndef MRC_IO_DICOM_DICOM_CHECK_H
#define MRC_IO_DICOM_DICOM_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_finding_level { MRC_FINDING_WARNING, MRC_FINDING_ERROR };

struct mrc_finding {
    enum mrc_finding_level level;
    bool inherited; /* of patient, study or frame of reference: a derived series has it from its
                       source, and may not say otherwise */
    char *file;     /* the name in the folder; NULL: of the series as a whole */
    char text[240]; /* no patient data */
};

/** Zero-initialise. */
struct mrc_dicom_check {
    size_t files;       /* DICOM files looked at */
    size_t other_files; /* files that are no DICOM */
    bool synthetic;     /* a mark of a synthetic series was found */
    bool deidentified;  /* PatientIdentityRemoved YES: may do without references to its source */
    int64_t number;     /* SeriesNumber, where there are several series; 0: not said */
    double gap_mm;      /* centre to centre along the normal; 0 where not even */
    struct mrc_finding *findings; /* at most 8 of one kind, then one that counts the others */
    size_t count, capacity;
    size_t errors, warnings, inherited_errors;
};

/** Reads the headers of all files in the folder and below. One consistent series has no error.
 *  Errors: a file that is broken or no MR image; more than one series, study, patient or frame of
 * reference; an orientation or spacing that is not the same text in every slice; positions that
 * repeat, are uneven, off the normal, or not in the order of InstanceNumber; a missing attribute of
 * type 1; a UID that is none; of a synthetic series a missing mark or an attribute of type 2.
 * MRC_ERR_IO when the folder or a file cannot be read at all, or holds no DICOM file. */
MRC_STATUS mrc_dicom_check_folder(struct mrc_dicom_check *out, const char *dir,
                                  struct mrc_error *err);
/** The series that lie in the folder and below one by one, in order of their numbers: each is told to
 * `tell`, which may not keep it; a failure of that ends the check. What is broken or names no series
 * belongs to the only one, or else is told apart. Series without an MR image are passed over;
 * MRC_ERR_UNSUPPORTED when there is no other. */
typedef enum mrc_status mrc_dicom_check_teller(void *context, const struct mrc_dicom_check *check,
                                               struct mrc_error *err);
MRC_MUST_CHECK enum mrc_status mrc_dicom_check_study(const char *dir, mrc_dicom_check_teller *tell,
                                                     void *context, struct mrc_error *err);
MRC_API void mrc_dicom_check_clear(struct mrc_dicom_check *check);

#ifdef __cplusplus
}
#endif
#endif
