/* volume.h: voxels, their extent, where they lie in the patient, and where they came from. */
#ifndef MRC_IO_VOLUME_H
#define MRC_IO_VOLUME_H

#include <stddef.h>

#include "base/contrast.h"
#include "base/status.h"
#include "io/geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_source_kind { MRC_SOURCE_NONE, MRC_SOURCE_DICOM, MRC_SOURCE_NIFTI, MRC_SOURCE_PNG };
/** "dicom", "nifti", "png" or "none". */
MRC_API const char *mrc_source_kind_name(enum mrc_source_kind kind);

enum { MRC_INSTANCE_TEXT = 65 };
/** What a writer needs to know of the input to give back its form: kept by the volume it was loaded
 * into, and shared by volumes computed from it. Voxel values are never in here. */
struct mrc_provenance {
    enum mrc_source_kind kind;
    enum mrc_contrast contrast; /* recognised or unknown */
    char **files; /* DICOM, PNG: the source file of each slice k (of a DICOM stack with gaps, of
                     each slice there is); NIfTI: one file */
    size_t file_count;
    int64_t *frames; /* DICOM: the frame of each in its file, from 1; 0: the file is the slice; else
                        NULL */
    char (*instances)[MRC_INSTANCE_TEXT]; /* DICOM: the SOP Instance UID of each file as it was when
                                             its pixels were taken; else NULL */
    unsigned char
        *header; /* NIfTI: the raw header, 348 or 540 bytes in native byte order; else NULL */
    size_t header_bytes;
    int bit_depth;    /* PNG: 8 or 16; else 0 */
    bool resampled;   /* between unevenly spaced slices: voxels lie on no source slice's place */
    char remark[120]; /* what the user is to know of how it was read; no patient data; "" nothing */
    size_t left_out;  /* files found with it that are no part of it; the user is to be told */
    size_t left_links; /* and links to folders, which were not followed */
};

/** Handle. Voxels are float32, i fastest, then j, then k. */
typedef struct mrc_volume mrc_volume;

/** A zeroed volume on the given grid. MRC_ERR_RANGE when a side is not in 1 … 4096 or the count
 * exceeds 2^29. */
MRC_STATUS mrc_volume_create(mrc_volume **out, struct mrc_extent extent,
                             const struct mrc_geometry *geometry, struct mrc_error *err);
/** A zeroed volume on the same grid as `like`, with a copy of its provenance. */
MRC_STATUS mrc_volume_create_like(mrc_volume **out, const mrc_volume *like, struct mrc_error *err);
/** NULL is fine. */
MRC_API void mrc_volume_destroy(mrc_volume *vol);

MRC_API float *mrc_volume_voxels(mrc_volume *vol);
MRC_API const float *mrc_volume_voxels_const(const mrc_volume *vol);
MRC_API struct mrc_extent mrc_volume_extent(const mrc_volume *vol);
MRC_API const struct mrc_geometry *mrc_volume_geometry(const mrc_volume *vol);
MRC_API const struct mrc_provenance *mrc_volume_provenance(const mrc_volume *vol);
/** Moves *provenance into the volume (its pointers must come from mrc_alloc) and zeroes it; what
 * was there is freed. */
MRC_API void mrc_volume_adopt_provenance(mrc_volume *vol, struct mrc_provenance *provenance);
/** Counts files that lay with those the volume was made of and were left out. */
void mrc_volume_add_left_out(mrc_volume *vol, size_t files);
/** Counts links to folders that were not followed where the volume's files were looked for. */
void mrc_volume_add_left_links(mrc_volume *vol, size_t links);
MRC_API void mrc_provenance_clear(struct mrc_provenance *provenance);
MRC_STATUS mrc_provenance_copy(struct mrc_provenance *out, const struct mrc_provenance *from,
                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
