/* nifti_sidecar.h: what the JSON file beside a NIfTI file says (BIDS; dcm2niix). Private to the
 * package io. */
#ifndef MRC_IO_NIFTI_NIFTI_SIDECAR_H
#define MRC_IO_NIFTI_NIFTI_SIDECAR_H

#include <stdbool.h>

#include "io/dicom/dicom_slice.h"

struct mrc_nifti_sidecar {
    bool there;        /* there is one, and it can be read */
    bool synthetic;    /* SyntheticData is true or "YES" */
    bool derived;      /* ImageType, or RawImage false: computed from images */
    char refused[120]; /* why it is no magnitude image at all: by ImageType, ComplexImageComponent
                          or Units; "": it may be one */
    struct mrc_dicom_physics physics; /* in ms, as of a DICOM header; NAN: not said */
    char manufacturer[MRC_DICOM_LONG];
};

/** Reads "name.json" for "name.nii", "name.nii.gz" or "name.hdr". One that is missing or broken
 * says nothing. */
void mrc_nifti_sidecar_read(struct mrc_nifti_sidecar *out, const char *path);

#endif
