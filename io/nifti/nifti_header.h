/* nifti_header.h: the bounded check that stands in front of niftilib. It reads bytes, never a file,
 * and nothing of a header reaches niftilib before it has passed. Why: niftilib 3.0.1 writes past
 * its arrays on a NIfTI-2 dim[0] outside 1 … 7, multiplies dimensions without looking for overflow,
 * allocates what a header of 348 bytes asks for, and silently replaces NaN and zero spacings. */
#ifndef MRC_IO_NIFTI_NIFTI_HEADER_H
#define MRC_IO_NIFTI_NIFTI_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/geometry.h"

enum { MRC_NIFTI1_BYTES = 348, MRC_NIFTI2_BYTES = 540 };

/** The datatype codes that are read. */
enum mrc_nifti_type {
    MRC_NIFTI_UINT8 = 2,
    MRC_NIFTI_INT16 = 4,
    MRC_NIFTI_INT32 = 8,
    MRC_NIFTI_FLOAT32 = 16,
    MRC_NIFTI_FLOAT64 = 64,
    MRC_NIFTI_INT8 = 256,
    MRC_NIFTI_UINT16 = 512,
    MRC_NIFTI_UINT32 = 768,
    MRC_NIFTI_INT64 = 1024,
    MRC_NIFTI_UINT64 = 1280
};
/** Bytes a voxel, or 0 for a type that is not read. */
size_t mrc_nifti_type_bytes(int datatype);

/* How the descrip of a file that mrcycle has computed begins; its contrast follows. */
#define MRC_NIFTI_SYNTHETIC "synthetic "

/** What a header that passed says. */
struct mrc_nifti_facts {
    int version;         /* 1 or 2 */
    size_t header_bytes; /* 348 or 540 */
    bool swapped;        /* the file's byte order is not this machine's */
    bool pair;           /* voxels lie in a file of their own (.img) */
    struct mrc_extent extent;
    int datatype; /* enum mrc_nifti_type */
    size_t voxel_bytes;
    int64_t data_offset;  /* of the first voxel, in the file that holds voxels */
    int64_t data_bytes;   /* of one volume */
    int64_t volumes;      /* product of the dimensions beyond the third; they follow each other */
    double slope, inter;  /* value = stored * slope + inter; 1 and 0 where the header says "none" */
    double unit_mm;       /* length of one spatial unit: 1, 1000, 0.001 */
    bool unit_said;       /* the header says it; else millimetres are assumed */
    double spacing_mm[3]; /* from pixdim */
    int qform_code, sform_code; /* > 0: that form holds */
    int intent_code;
    char descrip[81]; /* NUL-terminated; may hold names, never for printing */
};

/** Are these the first bytes of a NIfTI-1 or -2 header, by size and magic, in either byte order?
 * Silent. */
bool mrc_nifti_probe_header(const uint8_t *data, size_t size);

/** Checks a header and says what it holds. `data` are the first `size` bytes (540 are enough) of
 * the uncompressed file, `file_bytes` the length of the uncompressed file that holds the voxels, or
 * -1 when that is not known (gzip, or a pair). Accepts 3 dimensions and more, at most 2^16 volumes
 * in the further ones; sides of 3 … 4096; at most 2^29 voxels and 2 GiB; the datatypes above with
 * bitpix to match; voxels behind the header and inside the file; finite positive spacings up to 100
 * mm. MRC_ERR_FORMAT: broken; MRC_ERR_UNSUPPORTED: valid and refused; MRC_ERR_RANGE: too large.
 * `name` is what messages call the file. On failure *out is undefined. */
enum mrc_status mrc_nifti_check_header(struct mrc_nifti_facts *out, const uint8_t *data,
                                       size_t size, int64_t file_bytes, const char *name,
                                       struct mrc_error *err);

#endif
