/* nifti_header.c: NIfTI-1 and -2 headers read field by field from bytes, each by its offset in the
 * standard (nifti1.h, nifti2.h of niftilib), in either byte order. */
#include "io/nifti/nifti_header.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MIN_SIDE = 3, MAX_SIDE = 4096, MAX_DIMS = 7, MAX_VOLUMES = 1 << 16 };
static const int64_t MAX_VOXELS = INT64_C(1) << 29;     /* 2 GiB as float32 */
static const int64_t MAX_DATA_BYTES = INT64_C(1) << 31; /* 2 GiB as stored */
static const int64_t MAX_OFFSET = INT64_C(1) << 28;     /* extensions before the voxels */
static const double MAX_SPACING_MM = 100.0;

size_t mrc_nifti_type_bytes(int datatype) {
    switch (datatype) {
    case MRC_NIFTI_UINT8:
    case MRC_NIFTI_INT8: return 1;
    case MRC_NIFTI_INT16:
    case MRC_NIFTI_UINT16: return 2;
    case MRC_NIFTI_INT32:
    case MRC_NIFTI_UINT32:
    case MRC_NIFTI_FLOAT32: return 4;
    case MRC_NIFTI_FLOAT64:
    case MRC_NIFTI_INT64:
    case MRC_NIFTI_UINT64: return 8;
    default: return 0;
    }
}

/* Valid types of the standard that are no grey values. */
static const char *refused_type_name(int64_t datatype) {
    switch (datatype) {
    case 1: return "1-bit";
    case 32: return "complex";
    case 128: return "RGB colour";
    case 1536: return "128-bit float";
    case 1792: return "complex";
    case 2048: return "complex";
    case 2304: return "RGBA colour";
    default: return NULL;
    }
}

/* --- fields --- */

struct field_reader {
    const uint8_t *data;
    bool swapped;
};

static uint64_t read_bits(const struct field_reader *r, size_t offset, size_t bytes) {
    static const uint16_t one = 1;
    bool little_machine = *(const uint8_t *)&one == 1;
    bool little_file = little_machine != r->swapped;
    uint64_t bits = 0;
    for (size_t b = 0; b < bytes; ++b) {
        uint64_t byte = r->data[offset + b];
        bits |= byte << (8 * (little_file ? b : bytes - 1 - b));
    }
    return bits;
}

static int64_t read_i16(const struct field_reader *r, size_t offset) {
    return (int16_t)(uint16_t)read_bits(r, offset, 2);
}
static int64_t read_i32(const struct field_reader *r, size_t offset) {
    return (int32_t)(uint32_t)read_bits(r, offset, 4);
}
static int64_t read_i64(const struct field_reader *r, size_t offset) {
    return (int64_t)read_bits(r, offset, 8);
}
static double read_f32(const struct field_reader *r, size_t offset) {
    uint32_t bits = (uint32_t)read_bits(r, offset, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}
static double read_f64(const struct field_reader *r, size_t offset) {
    uint64_t bits = read_bits(r, offset, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The fields we look at, whatever the version. */
struct fields {
    int64_t dim[8], datatype, bitpix, qform_code, sform_code, xyzt_units, intent_code;
    double pixdim[8], vox_offset, slope, inter;
    char magic[4];
    char descrip[81];
};

static void read_fields_1(struct fields *f, const struct field_reader *r) {
    for (size_t d = 0; d < 8; ++d) {
        f->dim[d] = read_i16(r, 40 + 2 * d);
        f->pixdim[d] = read_f32(r, 76 + 4 * d);
    }
    f->intent_code = read_i16(r, 68);
    f->datatype = read_i16(r, 70);
    f->bitpix = read_i16(r, 72);
    f->vox_offset = read_f32(r, 108);
    f->slope = read_f32(r, 112);
    f->inter = read_f32(r, 116);
    f->xyzt_units = r->data[123];
    memcpy(f->descrip, r->data + 148, 80);
    f->qform_code = read_i16(r, 252);
    f->sform_code = read_i16(r, 254);
    memcpy(f->magic, r->data + 344, 4);
}

static void read_fields_2(struct fields *f, const struct field_reader *r) {
    for (size_t d = 0; d < 8; ++d) {
        f->dim[d] = read_i64(r, 16 + 8 * d);
        f->pixdim[d] = read_f64(r, 104 + 8 * d);
    }
    f->datatype = read_i16(r, 12);
    f->bitpix = read_i16(r, 14);
    f->vox_offset = (double)read_i64(r, 168);
    f->slope = read_f64(r, 176);
    f->inter = read_f64(r, 184);
    memcpy(f->descrip, r->data + 240, 80);
    f->qform_code = read_i32(r, 344);
    f->sform_code = read_i32(r, 348);
    f->xyzt_units = read_i32(r, 500);
    f->intent_code = read_i32(r, 504);
    memcpy(f->magic, r->data + 4, 4);
}

/* --- recognition --- */

/* Version by sizeof_hdr in either byte order, or 0. */
static int header_version(bool *swapped, const uint8_t *data, size_t size) {
    if (size < 4) return 0;
    for (int order = 0; order < 2; ++order) {
        struct field_reader r = {data, order == 1};
        int64_t bytes = read_i32(&r, 0);
        *swapped = r.swapped;
        if (bytes == MRC_NIFTI1_BYTES) return 1;
        if (bytes == MRC_NIFTI2_BYTES) return 2;
    }
    *swapped = false;
    return 0;
}

static bool magic_is(const char magic[4], char kind, int version) {
    return magic[0] == 'n' && magic[1] == kind && magic[2] == '0' + version && magic[3] == '\0';
}

/* "\r\n\032\n" after a NIfTI-2 magic shows that no transfer has changed line ends. */
static bool signature_2_is_whole(const uint8_t *data) {
    static const uint8_t tail[4] = {'\r', '\n', 032, '\n'};
    return memcmp(data + 8, tail, sizeof tail) == 0;
}

bool mrc_nifti_probe_header(const uint8_t *data, size_t size) {
    bool swapped = false;
    int version = header_version(&swapped, data, size);
    size_t at = version == 1 ? 344 : 4;
    if (version == 0 || size < at + 4) return false;
    char magic[4];
    memcpy(magic, data + at, sizeof magic);
    return magic_is(magic, '+', version) || magic_is(magic, 'i', version);
}

/* --- rules --- */

static enum mrc_status check_identity(struct mrc_nifti_facts *out, struct fields *f,
                                      const uint8_t *data, size_t size, const char *name,
                                      struct mrc_error *err) {
    out->version = header_version(&out->swapped, data, size);
    out->header_bytes = out->version == 2 ? MRC_NIFTI2_BYTES : MRC_NIFTI1_BYTES;
    if (size < MRC_NIFTI1_BYTES || size < out->header_bytes) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the file ends after %zu bytes, expected a NIfTI header of %zu", name,
                        size, out->header_bytes);
    }
    struct field_reader r = {data, out->swapped};
    if (out->version == 0) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: sizeof_hdr is %lld, expected 348 (NIfTI-1) or 540 (NIfTI-2)", name,
                        (long long)read_i32(&r, 0));
    }
    if (out->version == 1)
        read_fields_1(f, &r);
    else
        read_fields_2(f, &r);
    out->pair = magic_is(f->magic, 'i', out->version);
    bool whole = out->version == 1 || signature_2_is_whole(data);
    if ((out->pair || magic_is(f->magic, '+', out->version)) && whole) return MRC_OK;
    if (out->version == 1 && f->magic[0] == '\0') {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: an ANALYZE 7.5 header without orientation, expected NIfTI", name);
    }
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: the NIfTI-%d magic is wrong, expected n+%d or ni%d",
                    name, out->version, out->version, out->version);
}

static enum mrc_status check_dims(struct mrc_nifti_facts *out, const struct fields *f,
                                  const char *name, struct mrc_error *err) {
    const int64_t *dim = f->dim;
    if (dim[0] < 1 || dim[0] > MAX_DIMS) {
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: dim[0] is %lld, expected 1 to 7", name,
                        (long long)dim[0]);
    }
    int64_t side[8] = {0, 1, 1, 1, 1, 1, 1, 1}, volumes = 1;
    for (int d = 1; d <= (int)dim[0]; ++d) {
        side[d] = dim[d];
        if (side[d] <= 0) {
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: dim[%d] is %lld, expected at least 1", name,
                            d, (long long)side[d]);
        }
        if (side[d] > (d > 3 ? MAX_VOLUMES : MAX_SIDE)) {
            return mrc_fail(err, MRC_ERR_RANGE, "%s: dim[%d] is %lld, expected at most %d", name, d,
                            (long long)side[d], d > 3 ? MAX_VOLUMES : MAX_SIDE);
        }
        if (d > 3) volumes *= side[d];
        if (volumes > MAX_VOLUMES)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: %lld volumes, expected at most %d", name,
                            (long long)volumes, MAX_VOLUMES);
    }
    if (side[1] < MIN_SIDE || side[2] < MIN_SIDE || side[3] < MIN_SIDE) {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: %lld x %lld x %lld voxels, expected a volume of at least %d a side",
                        name, (long long)side[1], (long long)side[2], (long long)side[3], MIN_SIDE);
    }
    out->extent = (struct mrc_extent){side[1], side[2], side[3]};
    out->volumes = volumes;
    return MRC_OK;
}

static enum mrc_status check_type(struct mrc_nifti_facts *out, const struct fields *f,
                                  const char *name, struct mrc_error *err) {
    const char *refused = refused_type_name(f->datatype);
    if (refused != NULL) {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: %s voxels (datatype %lld), expected real greyscale", name, refused,
                        (long long)f->datatype);
    }
    out->datatype = (int)f->datatype;
    out->voxel_bytes = mrc_nifti_type_bytes(out->datatype);
    if (out->voxel_bytes == 0) {
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: datatype %lld is none of NIfTI's", name,
                        (long long)f->datatype);
    }
    if (f->bitpix != (int64_t)(8 * out->voxel_bytes)) {
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: bitpix is %lld, expected %zu for datatype %d",
                        name, (long long)f->bitpix, 8 * out->voxel_bytes, out->datatype);
    }
    int64_t voxels = mrc_extent_count(out->extent);
    if (voxels > MAX_VOXELS || voxels * (int64_t)out->voxel_bytes > MAX_DATA_BYTES) {
        return mrc_fail(err, MRC_ERR_RANGE,
                        "%s: %lld x %lld x %lld voxels of %zu bytes, expected at most 2^29 voxels "
                        "and 2 GiB",
                        name, (long long)out->extent.i, (long long)out->extent.j,
                        (long long)out->extent.k, out->voxel_bytes);
    }
    out->data_bytes = voxels * (int64_t)out->voxel_bytes;
    return MRC_OK;
}

static enum mrc_status check_place(struct mrc_nifti_facts *out, const struct fields *f,
                                   int64_t file_bytes, const char *name, struct mrc_error *err) {
    double least = out->pair ? 0.0 : (double)out->header_bytes + 4.0; /* 4: the extension flag */
    double offset = f->vox_offset;
    if (!isfinite(offset) || offset < least || offset != floor(offset)) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: vox_offset is %g, expected a whole number from %g up", name, offset,
                        least);
    }
    if (offset > (double)MAX_OFFSET) {
        return mrc_fail(err, MRC_ERR_RANGE, "%s: vox_offset is %.0f, expected at most %lld", name,
                        offset, (long long)MAX_OFFSET);
    }
    out->data_offset = (int64_t)offset;
    int64_t whole = out->data_bytes * out->volumes;
    if (file_bytes >= 0 && out->data_offset + whole > file_bytes) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the file holds %lld bytes, expected %lld (%lld of voxels from %lld)",
                        name, (long long)file_bytes, (long long)(out->data_offset + whole),
                        (long long)whole, (long long)out->data_offset);
    }
    return MRC_OK;
}

static enum mrc_status check_space(struct mrc_nifti_facts *out, const struct fields *f,
                                   const char *name, struct mrc_error *err) {
    out->unit_said = (f->xyzt_units & 7) != 0;
    switch (f->xyzt_units & 7) {
    case 0: /* millimetres, as every other reader takes it */
    case 2: out->unit_mm = 1.0; break;
    case 1: out->unit_mm = 1000.0; break;
    case 3: out->unit_mm = 0.001; break;
    default:
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: spatial unit code %lld, expected 0 to 3 (unknown, m, mm, um)", name,
                        (long long)(f->xyzt_units & 7));
    }
    for (int d = 0; d < 3; ++d) {
        double spacing = f->pixdim[d + 1] * out->unit_mm;
        if (!(spacing > 0.0 && spacing <= MAX_SPACING_MM)) {
            return mrc_fail(err, MRC_ERR_FORMAT,
                            "%s: pixdim[%d] gives a spacing of %g mm, expected more than 0 and at "
                            "most %g",
                            name, d + 1, spacing, MAX_SPACING_MM);
        }
        out->spacing_mm[d] = spacing;
    }
    out->qform_code = f->qform_code > 0 ? (int)f->qform_code : 0;
    out->sform_code = f->sform_code > 0 ? (int)f->sform_code : 0;
    return MRC_OK;
}

/* The standard: slope 0 means no scaling. A slope that is no number is taken for 0 (many writers
 * mean that), but a real slope with an intercept that is none says nothing usable. */
static enum mrc_status check_scaling(struct mrc_nifti_facts *out, const struct fields *f,
                                     const char *name, struct mrc_error *err) {
    out->slope = 1.0;
    out->inter = 0.0;
    if (!isfinite(f->slope) || f->slope == 0.0) return MRC_OK;
    if (!isfinite(f->inter)) {
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: scl_inter is %g, expected a finite number", name,
                        f->inter);
    }
    out->slope = f->slope;
    out->inter = f->inter;
    return MRC_OK;
}

enum mrc_status mrc_nifti_check_header(struct mrc_nifti_facts *out, const uint8_t *data,
                                       size_t size, int64_t file_bytes, const char *name,
                                       struct mrc_error *err) {
    *out = (struct mrc_nifti_facts){0};
    struct fields f = {0};
    enum mrc_status st = check_identity(out, &f, data, size, name, err);
    if (st == MRC_OK) st = check_dims(out, &f, name, err);
    if (st == MRC_OK) st = check_type(out, &f, name, err);
    if (st == MRC_OK) st = check_place(out, &f, file_bytes, name, err);
    if (st == MRC_OK) st = check_space(out, &f, name, err);
    if (st == MRC_OK) st = check_scaling(out, &f, name, err);
    out->intent_code = (int)f.intent_code;
    memcpy(out->descrip, f.descrip, sizeof out->descrip);
    return st;
}
