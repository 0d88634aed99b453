/* deidentify.h: DICOM without the patient, by what is let in and not by what is taken out.
 * A new data set is written from a table of elements that may enter (dicom_deidentify_table.c),
 * each with the form its value must have: numbers that are numbers, words of a closed list, UIDs
 * that become keyed ones. No text a human typed, no date and no private element has a way in. The
 * actions are those of the Basic Application Confidentiality Profile (PS3.15 Annex E, table E.1-1).
 */
#ifndef MRC_IO_DICOM_DEIDENTIFY_H
#define MRC_IO_DICOM_DEIDENTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pseudonym.h"
#include "base/status.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Keyed names of what a file belongs to, and what else is worth saying of it. */
struct mrc_deidentified {
    char subject[MRC_PSEUDONYM_TEXT]; /* from PatientID, else from the study's UID */
    char study[MRC_PSEUDONYM_TEXT], series[MRC_PSEUDONYM_TEXT], instance[MRC_PSEUDONYM_TEXT];
    bool without_id; /* PatientID is empty: each study is a patient of its own */
    bool burned_in;  /* the file says that its pixels hold text (BurnedInAnnotation YES) */
    bool compressed; /* pixels stay compressed, with nothing in their streams but the picture */
    bool synthetic;  /* marked so, and so it stays */
};
/** The de-identified file as bytes (mrc_free), pixels bit by bit as they were. MR and enhanced MR
 * images only, else MRC_ERR_UNSUPPORTED. The same file and key give the same bytes. */
MRC_STATUS mrc_dicom_deidentify(unsigned char **out, size_t *size, struct mrc_deidentified *names,
                                const char *path, const struct mrc_pseudonym_key *key,
                                struct mrc_error *err);

/** The name of the patient a DICOM file belongs to, as mrc_dicom_deidentify gives it.
 * *without_id may be NULL. */
MRC_STATUS mrc_dicom_subject(char out[MRC_PSEUDONYM_TEXT], bool *without_id, const char *path,
                             const struct mrc_pseudonym_key *key, struct mrc_error *err);

/** How a scan was made, as far as it is safe to say: numbers, and words of closed lists. NAN and ""
 * where the file does not say. */
struct mrc_acquisition {
    char subject[MRC_PSEUDONYM_TEXT], study[MRC_PSEUDONYM_TEXT], series[MRC_PSEUDONYM_TEXT];
    char instance[MRC_PSEUDONYM_TEXT], scanner[MRC_PSEUDONYM_TEXT];
    char manufacturer[16]; /* "Siemens", "GE", … or "other" */
    char sequence[24], variant[32], acquisition_type[4];
    double echo_ms, repetition_ms, inversion_ms, flip_deg, field_t, thickness_mm;
};
/** Of one DICOM file. `scanner` is a keyed name of maker, model, station and serial number. */
MRC_STATUS mrc_acquisition_read(struct mrc_acquisition *out, const char *path,
                                const struct mrc_pseudonym_key *key, struct mrc_error *err);
/** "Siemens", "GE", "Philips" … for what a header calls the maker, "other" for what it does not
 * know, "" for "". */
MRC_API const char *mrc_manufacturer_name(const char *text);

/** What is done with each element that may enter, as lines "(gggg,eeee)\taction". */
MRC_API void mrc_dicom_deidentify_print_table(struct mrc_text *out);

#ifdef __cplusplus
}
#endif
#endif
