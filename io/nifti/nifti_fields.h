/* nifti_fields.h: the one form in which NIfTI headers are handled here. NIfTI-2 holds every field
 * of NIfTI-1 in a wider type, so both versions are read into, and written from, niftilib's
 * nifti_2_header. A value that came from a NIfTI-1 header goes back into one bit by bit. */
#ifndef MRC_IO_NIFTI_NIFTI_FIELDS_H
#define MRC_IO_NIFTI_NIFTI_FIELDS_H

#include <nifti/nifti2.h>
#include <stddef.h>

/** A header in native byte order, 348 or 540 bytes that passed mrc_nifti_check_header, as NIfTI-2
 * fields. */
void mrc_nifti_fields_read(nifti_2_header *out, const unsigned char *raw, size_t bytes);
/** Swaps a header of `bytes` (348 or 540) to the other byte order in place. */
void mrc_nifti_fields_swap(unsigned char *raw, size_t bytes);
/** The fields as the header of a single .nii file in native byte order: sizeof_hdr, magic and
 * vox_offset are set here, no extensions. Returns its bytes, extension flag included: 352 for
 * version 1, 544 for version 2. raw  [544]  written. */
size_t mrc_nifti_fields_write(unsigned char raw[544], const nifti_2_header *fields, int version);

/** index -> world in the header's own units, by the sform or the qform. */
void mrc_nifti_sform(double matrix[3][4], const nifti_2_header *fields);
void mrc_nifti_qform(double matrix[3][4], const nifti_2_header *fields);

#endif
