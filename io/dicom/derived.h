/* derived.h: the one way out. A computed volume is written in one of the three formats, as what it
 * is: a synthetic image derived from a source. The rules are PS3.3 C.7.6.1, C.12.1 (SyntheticData),
 * PS3.15 and docs/dicom.md. */
#ifndef MRC_IO_DICOM_DERIVED_H
#define MRC_IO_DICOM_DERIVED_H

#include "base/fs.h"
#include "base/status.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a derived image says about its making. ASCII texts; they go into headers that stay with the
 * patient. */
struct mrc_derivation {
    enum mrc_contrast from, to;
    const char *software_version; /* "0.1.0" */
    const char *model_name;       /* "t1w-t2w-64" */
    const char *model_hash;       /* 64 hexadecimal digits over the weights */
    const char *steps;    /* the records of preprocessing in words, for DerivationDescription */
    const char *settings; /* everything else that changes pixels, canonical; enters the UIDs */
    double white;         /* what a viewer is to show as white at first; 0: 1 */
    bool cycle_error;     /* the volume is not the image, but how far the image's way back to
                               `from` misses the source, voxel by voxel */
    bool reformatted;     /* cut across the source's slices (an oblique source) */
    bool deidentified;    /* a picture is not named as its source (mrc_dicom_deidentify does the
                               rest of a DICOM series; NIfTI takes nothing but the grid anyway) */
    bool int16; /* NIfTI: whole numbers, 0 … 32767 for 0 … 1 by its slope; else float32 */
    const char *time_stamp; /* "YYYYMMDDhhmmss" of the processing, for DICOM dates; enters the UIDs.
                               NULL: the series is dated as its source, and the same in gives the
                               same bytes out */
};

/** A DICOM series, one MR Image Storage file a slice, named IM0001.dcm … and numbered in the order of
 * the source's InstanceNumber where `vol` lies on its grid and that rises or falls with the position,
 * else in order of position along the normal, into the existing folder `dir`. `vol` is in [0,1], stored as round(4095 x) in 12 of
 * 16 bits with one window, 0 … `white`, for the series. `source` is the DICOM volume it was computed from:
 * patient, study, frame of reference and equipment are taken from its files, slice by slice when
 * `vol` lies on its grid. Everything else is new (allow-list). UIDs are SHA-256 of source UIDs,
 * model, settings, version and pixels: the same in gives the same out. */
MRC_STATUS mrc_dicom_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                  const struct mrc_derivation *derivation, const char *dir,
                                  struct mrc_error *err);
/** A picture that tells of a derived series, as Secondary Capture in the source's study: a file of
 * its own at `path`, marked as the series are, in a series of its own. `grey` is [rows][columns],
 * 0 black to 255 white. The words in it must not name the patient. The same in gives the same out. */
struct mrc_dicom_capture {
    const uint16_t *grey;
    int64_t columns, rows;
};
MRC_MUST_CHECK enum mrc_status mrc_dicom_save_capture(const struct mrc_dicom_capture *capture,
                                                      const mrc_volume *source,
                                                      const struct mrc_derivation *derivation,
                                                      const char *path, struct mrc_error *err);
/** NIfTI-1 (NIfTI-2 when a side exceeds 32767 or the source is NIfTI-2), float32 or int16, `.nii` or
 * `.nii.gz` by the name. When `source` is NIfTI and shares the grid: its sform, qform, codes and
 * units bit by bit; else both forms from the geometry, with the code of the form the source was
 * read by (1 for DICOM). A sheared grid has no qform, a stack of pictures neither form. descrip
 * says synthetic; extensions are not copied. Beside it, a sidecar "name.json" says SyntheticData,
 * the model and the steps; of the source the format and the number of files, no name or path. The
 * image appears before the sidecar, both once they are whole. `source` may be NULL. */
MRC_STATUS mrc_nifti_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                  const struct mrc_derivation *derivation, const char *path,
                                  struct mrc_error *err);
/** The same in two steps, so that outputs that belong together can all be whole before any appears:
 * image and sidecar lie flushed under temporary names, and what can fail of the commit is the
 * renaming (place: that alone, undone by discard; see mrc_output_place). A failure leaves what was
 * there. discard also after a commit, or of a zeroed record. */
struct mrc_nifti_files {
    struct mrc_output image, sidecar;
};
MRC_STATUS mrc_nifti_prepare_derived(struct mrc_nifti_files *out, const mrc_volume *vol,
                                     const mrc_volume *source,
                                     const struct mrc_derivation *derivation, const char *path,
                                     struct mrc_error *err);
MRC_MUST_CHECK enum mrc_status mrc_nifti_place(struct mrc_nifti_files *files,
                                               struct mrc_error *err);
MRC_STATUS mrc_nifti_commit(struct mrc_nifti_files *files, struct mrc_error *err);
MRC_API void mrc_nifti_discard(struct mrc_nifti_files *files);
/** One greyscale PNG a slice into the existing folder `dir`: source file names kept where the
 * source is a PNG stack of as many slices, else slice_0001.png …; depth as the source's, else 16
 * bit. tEXt chunks say synthetic. */
MRC_STATUS mrc_png_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                const struct mrc_derivation *derivation, const char *dir,
                                struct mrc_error *err);

/* --- Plain writing, for generated patients and for tests --- */

/** NIfTI with sform and qform from the geometry (code 1), float32, or int16/uint8 when `datatype`
 * says so (NIfTI codes 16, 4, 2). */
MRC_STATUS mrc_nifti_save(const mrc_volume *vol, const char *path, int datatype,
                          const char *descrip, struct mrc_error *err);
/** One 8- or 16-bit greyscale picture of `columns` x `rows` values in [0,1], row by row. */
MRC_STATUS mrc_png_write(const float *pixels, int64_t columns, int64_t rows, int bit_depth,
                         const char *path, struct mrc_error *err);

/** A generated MR series as a scanner would have written it. */
struct mrc_generated_series {
    enum mrc_contrast contrast;
    const char *patient_name, *patient_id; /* ASCII */
    const char *study_uid, *series_uid, *frame_of_reference_uid;
    const char *series_description, *scanning_sequence, *sequence_variant;
    const char *study_date_time; /* "YYYYMMDDhhmmss" */
    int series_number;
    double repetition_time_ms, echo_time_ms, inversion_time_ms; /* inversion 0: not written */
    double slice_thickness_mm, field_strength_t;
    double rescale_slope; /* stored = round(value / slope), 16 bit */
};
/** Writes a generated series as MR Image Storage, ImageType ORIGINAL\PRIMARY\OTHER,
 * QualityControlImage (0028,0300) YES and SyntheticData (0008,001C) YES, one file a slice
 * (IM0001.dcm …) into the existing folder `dir`. */
MRC_STATUS mrc_dicom_save_generated(const mrc_volume *vol,
                                    const struct mrc_generated_series *series, const char *dir,
                                    struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
