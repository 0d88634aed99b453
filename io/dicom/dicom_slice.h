/* dicom_slice.h: what a DICOM file says about its image or about each of its frames, and their
 * pixels as floats. Headers and pixels are read apart: describing a series touches no pixel.
 * Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_SLICE_H
#define MRC_IO_DICOM_DICOM_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/volume.h"

enum {
    MRC_DICOM_UID = 65,
    MRC_DICOM_CODE = 17,
    MRC_DICOM_LONG = 65,
    MRC_DICOM_TYPES = 6,
    MRC_DICOM_MAX_FRAMES = 4096
};

/** How the image was made, for the contrast. Times in ms; NAN where the file does not say. */
struct mrc_dicom_physics {
    double repetition_ms, echo_ms, inversion_ms, flip_deg, echo_train;
    char sequence[MRC_DICOM_LONG]; /* ScanningSequence, values joined by '\': "GR\IR" */
    char variant[MRC_DICOM_LONG];  /* SequenceVariant */
    char sequence_name[MRC_DICOM_CODE];
    char image_type[2 * MRC_DICOM_LONG]; /* ImageType or FrameType, values joined */
    char acquired_as[MRC_DICOM_CODE];    /* AcquisitionContrast (0008,9209) of enhanced images */
    char series_description[MRC_DICOM_LONG], protocol_name[MRC_DICOM_LONG];
    bool protocol_is_of_exam; /* ProtocolName is that of the whole examination (GE) */
    bool contrast_agent;
};

/** One image: a file, or a frame of a multi-frame file. Plain data but for `path`. */
struct mrc_dicom_slice {
    const char *path; /* the caller's */
    int64_t frame;    /* from 1; 0: the file is this one image */
    int64_t frames;   /* of its file; 0: the file is this one image */
    char study_uid[MRC_DICOM_UID], series_uid[MRC_DICOM_UID], sop_uid[MRC_DICOM_UID];
    char sop_class[MRC_DICOM_UID], frame_uid[MRC_DICOM_UID];
    char patient_name[MRC_DICOM_LONG], patient_id[MRC_DICOM_LONG]; /* to compare, never to tell */
    char modality[MRC_DICOM_CODE], manufacturer[MRC_DICOM_LONG];
    char station[MRC_DICOM_CODE], body_part[MRC_DICOM_CODE];
    char image_type[MRC_DICOM_TYPES][MRC_DICOM_CODE]; /* of a frame: its FrameType */
    size_t image_types;
    char complex_component[MRC_DICOM_CODE], photometric[MRC_DICOM_CODE], stack_id[MRC_DICOM_CODE];
    struct mrc_dicom_physics physics;
    double b_value, trigger_ms;                                 /* NAN: not said */
    int64_t series_number, instance_number;                     /* 0: not said */
    int64_t echo_number, temporal_position, acquisition_number; /* 0: not said */
    int64_t acquisition_images;        /* ImagesInAcquisition (0020,1002); 0: not said */
    char concatenation[MRC_DICOM_UID]; /* of whose parts the file is one; "": of none */
    int64_t part, parts;               /* which, and how many there are; 0: not said */
    int64_t rows, columns;
    double spacing_mm[2];  /* between rows, between columns */
    double orientation[6]; /* LPS: along increasing column, along increasing row */
    double position_mm[3]; /* LPS, centre of the first pixel */
    double thickness_mm;   /* SliceThickness, NAN: not said; never the distance of slices */
    double location_mm;    /* SliceLocation of a file of one image, from wherever; NAN: not said */
    double along_mm;       /* position projected on the normal */
    double slope, intercept; /* of the stored values; 1 and 0 where the file says nothing */
    bool placed;             /* position, orientation and spacing are there */
    bool synthetic, derived; /* allowed on demand */
    bool phantom;            /* of an object, by the header: told, not refused */
    bool infant;             /* younger than two years, by the header: the same */
    char reason[200];        /* why it cannot be used at all; "" it can */
    enum mrc_status damage;  /* reason tells of damage; MRC_OK: of kind */
};

/** A growing array. Clear with mrc_dicom_slices_clear. */
struct mrc_dicom_slices {
    struct mrc_dicom_slice *items;
    size_t count, capacity;
};
/** Reads one file's header and appends its image, or one for each of its frames. MRC_ERR_FORMAT,
 * _IO, _RANGE: the file is broken. MRC_ERR_UNSUPPORTED: it holds no image. An image that cannot be
 * used is MRC_OK with a reason. On failure nothing is appended. */
enum mrc_status mrc_dicom_slices_read(struct mrc_dicom_slices *out, const char *path,
                                      struct mrc_error *err);
void mrc_dicom_slices_clear(struct mrc_dicom_slices *slices);

/** The direction across the slice: orientation's cross product, a unit vector. */
void mrc_dicom_slice_normal(double normal[3], const struct mrc_dicom_slice *slice);

/** Pixels of slice after slice; the file of the last one stays open, since the next may be a frame
 * of it. Starts zeroed. */
struct mrc_dicom_reader {
    struct mrc_dcmtk_file *file;
    const char *path;
};
/** Rescaled values of the slice, rows x columns; NAN where the file says padding. MONOCHROME1 is
 * not yet inverted. */
enum mrc_status mrc_dicom_reader_load(float *out, struct mrc_dicom_reader *reader,
                                      const struct mrc_dicom_slice *slice, struct mrc_error *err);
void mrc_dicom_reader_close(struct mrc_dicom_reader *reader);
/** The same of `count` slices of one matrix, one after the other, several at a time in child
 * processes. MRC_ERR_FORMAT or _RANGE, with the file's name, also where decoding crashes, takes too
 * long or too much memory. */
enum mrc_status mrc_dicom_slices_decode(float *voxels, const struct mrc_dicom_slice *const *slices,
                                        size_t count, struct mrc_error *err);

/** The contrast by image type, physics and name, in that order (docs/dicom.md), with the reason in
 * words: those that speak must agree. *unweighted: something says that it is no plain weighted
 * image (a map, a scout, another weighting), and its contrast is unknown, unless it is a synthetic
 * image of this program's, which says which. No patient data. */
enum mrc_contrast mrc_dicom_contrast(char *reason, size_t capacity, bool *unweighted,
                                     const struct mrc_dicom_physics *physics);

#endif
