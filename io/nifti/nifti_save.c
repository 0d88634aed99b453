/* nifti_save.c: writing NIfTI single files. The header is niftilib's structure, the bytes go
 * through zlib into a temporary file that is renamed when whole; the gzip header carries neither
 * time nor name, so the same volume gives the same file. */
#include <cjson/cJSON.h>
#include <math.h>
#include <nifti/nifti2_io.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "io/dicom/derived.h"
#include "io/image_name.h"
#include "io/nifti/nifti_fields.h"
#include "io/nifti/nifti_header.h"

enum { PORTION = 1 << 15, GZIP_WINDOW = 15 + 16, GZIP_LEVEL = 3, NIFTI1_MAX_SIDE = 32767 };
static const double SAME_GRID_MM = 1e-4;
static const double MAX_QFORM_SHEAR = 1e-4;

/* --- bytes out --- */

struct sink {
    FILE *stream; /* owned by the output */
    bool packed, failed;
    z_stream z;
    unsigned char packed_bytes[PORTION];
};

static bool sink_open(struct sink *s, FILE *stream, bool packed) {
    s->stream = stream;
    s->packed = packed;
    s->failed = false;
    s->z = (z_stream){0};
    return !packed ||
           deflateInit2(&s->z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

static void sink_deflate(struct sink *s, int flush) {
    int code = Z_OK;
    do {
        s->z.next_out = s->packed_bytes;
        s->z.avail_out = sizeof s->packed_bytes;
        code = deflate(&s->z, flush);
        size_t size = sizeof s->packed_bytes - s->z.avail_out;
        if (fwrite(s->packed_bytes, 1, size, s->stream) != size) s->failed = true;
    } while (!s->failed && (s->z.avail_out == 0 || (flush == Z_FINISH && code == Z_OK)));
}

static void sink_write(struct sink *s, const void *data, size_t size) {
    if (s->failed) return;
    if (!s->packed) {
        s->failed = fwrite(data, 1, size, s->stream) != size;
        return;
    }
    s->z.next_in = (z_const Bytef *)(uintptr_t)data;
    s->z.avail_in = (uInt)size;
    sink_deflate(s, Z_NO_FLUSH);
}

/* A write that failed shows in the stream's error flag, which the output's commit turns into words.
 */
static void sink_close(struct sink *s) {
    if (!s->packed) return;
    if (!s->failed) sink_deflate(s, Z_FINISH);
    (void)deflateEnd(&s->z);
}

/* --- voxels --- */

static bool fits(float value, int datatype) {
    if (datatype == MRC_NIFTI_FLOAT32) return true;
    float lo = datatype == MRC_NIFTI_INT16 ? -32768.0f : 0.0f;
    float hi = datatype == MRC_NIFTI_INT16 ? 32767.0f : 255.0f;
    return value >= lo - 0.5f && value < hi + 0.5f; /* false for NaN */
}

/* Whole numbers of 1 / scale. */
static size_t pack(unsigned char *out, const float *src, size_t count, int datatype, float scale) {
    for (size_t v = 0; v < count; ++v) {
        if (datatype == MRC_NIFTI_UINT8) {
            out[v] = (unsigned char)lrintf(src[v] * scale);
        } else if (datatype == MRC_NIFTI_INT16) {
            int16_t value = (int16_t)lrintf(src[v] * scale);
            memcpy(out + 2 * v, &value, sizeof value);
        } else {
            memcpy(out + 4 * v, &src[v], sizeof src[v]);
        }
    }
    return count * mrc_nifti_type_bytes(datatype);
}

static enum mrc_status check_values(const mrc_volume *vol, int datatype, const char *path,
                                    struct mrc_error *err) {
    const float *voxels = mrc_volume_voxels_const(vol);
    int64_t count = mrc_extent_count(mrc_volume_extent(vol));
    for (int64_t v = 0; v < count; ++v) {
        if (fits(voxels[v], datatype)) continue;
        return mrc_fail(err, MRC_ERR_RANGE, "%s: a voxel of %g, expected values of NIfTI type %d",
                        path, (double)voxels[v], datatype);
    }
    return MRC_OK;
}

static void write_voxels(struct sink *s, unsigned char *buffer, const mrc_volume *vol,
                         const nifti_2_header *h) {
    const float scale = (float)(1.0 / h->scl_slope);
    const float *voxels = mrc_volume_voxels_const(vol);
    size_t count = (size_t)mrc_extent_count(mrc_volume_extent(vol)), part = PORTION / sizeof(float);
    for (size_t at = 0; at < count && !s->failed; at += part) {
        size_t n = count - at < part ? count - at : part;
        sink_write(s, buffer, pack(buffer, voxels + at, n, h->datatype, scale));
    }
}

/* Writes the whole file to its temporary; the caller commits or discards. */
static enum mrc_status write_temporary(struct mrc_output *out, const mrc_volume *vol,
                                       const nifti_2_header *fields, int version, const char *path,
                                       struct mrc_error *err) {
    bool packed = mrc_path_has_suffix(path, ".nii.gz");
    if (!packed && !mrc_path_has_suffix(path, ".nii")) {
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: expected a name ending in .nii or .nii.gz",
                        path);
    }
    unsigned char header[544];
    size_t header_bytes = mrc_nifti_fields_write(header, fields, version);
    struct sink *s = mrc_alloc(1, sizeof *s);
    unsigned char *buffer = mrc_alloc(PORTION, 1);
    enum mrc_status st = MRC_OK;
    if (s == NULL || buffer == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for writing", path);
    if (st == MRC_OK) st = mrc_output_open_file(out, path, err);
    if (st == MRC_OK && !sink_open(s, out->stream, packed)) {
        mrc_output_discard(out);
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for packing", path);
    }
    if (st == MRC_OK) {
        sink_write(s, header, header_bytes);
        write_voxels(s, buffer, vol, fields);
        sink_close(s);
    }
    mrc_free(buffer);
    mrc_free(s);
    return st;
}

/* --- header --- */

static void set_voxels(nifti_2_header *h, struct mrc_extent extent, int datatype) {
    const int64_t dim[8] = {3, extent.i, extent.j, extent.k, 1, 1, 1, 1};
    for (int d = 0; d < 8; ++d) h->dim[d] = dim[d];
    for (int d = 4; d < 8; ++d) h->pixdim[d] = 1.0;
    h->datatype = (int16_t)datatype;
    h->bitpix = (int16_t)(8 * mrc_nifti_type_bytes(datatype));
    h->scl_slope = 1.0;
    h->scl_inter = 0.0;
}

/* Both forms from the geometry with the given code; a sheared grid has no qform, and a stack of
 * pictures neither. */
static void set_forms(nifti_2_header *h, const struct mrc_geometry *g, int code) {
    h->pixdim[0] = 1.0;
    for (int d = 0; d < 3; ++d) h->pixdim[d + 1] = g->spacing_mm[d];
    if (!g->physical) return;
    h->xyzt_units = NIFTI_UNITS_MM;
    h->sform_code = code;
    nifti_dmat44 m = {.m = {[3] = {0.0, 0.0, 0.0, 1.0}}};
    for (int c = 0; c < 4; ++c) {
        h->srow_x[c] = m.m[0][c] = g->index_to_ras_mm[0][c];
        h->srow_y[c] = m.m[1][c] = g->index_to_ras_mm[1][c];
        h->srow_z[c] = m.m[2][c] = g->index_to_ras_mm[2][c];
    }
    if (mrc_geometry_shear(g) > MAX_QFORM_SHEAR) return;
    double b, c, d, x, y, z, qfac;
    nifti_dmat44_to_quatern(m, &b, &c, &d, &x, &y, &z, NULL, NULL, NULL, &qfac);
    h->qform_code = code;
    h->quatern_b = b;
    h->quatern_c = c;
    h->quatern_d = d;
    h->qoffset_x = x;
    h->qoffset_y = y;
    h->qoffset_z = z;
    h->pixdim[0] = qfac;
}

static void set_text(char *field, size_t capacity, const char *text) {
    memset(field, 0, capacity);
    (void)snprintf(field, capacity, "%s", text != NULL ? text : "");
}

static int version_for(struct mrc_extent e, const struct mrc_provenance *source) {
    bool wide = e.i > NIFTI1_MAX_SIDE || e.j > NIFTI1_MAX_SIDE || e.k > NIFTI1_MAX_SIDE;
    bool was_second = source != NULL && source->kind == MRC_SOURCE_NIFTI &&
                      source->header_bytes == MRC_NIFTI2_BYTES;
    return wide || was_second ? 2 : 1;
}

enum mrc_status mrc_nifti_save(const mrc_volume *vol, const char *path, int datatype,
                               const char *descrip, struct mrc_error *err) {
    MRC_ASSERT(datatype == MRC_NIFTI_FLOAT32 || datatype == MRC_NIFTI_INT16 ||
               datatype == MRC_NIFTI_UINT8);
    enum mrc_status st = check_values(vol, datatype, path, err);
    if (st != MRC_OK) return st;
    nifti_2_header h = {0};
    set_voxels(&h, mrc_volume_extent(vol), datatype);
    set_forms(&h, mrc_volume_geometry(vol), NIFTI_XFORM_SCANNER_ANAT);
    set_text(h.descrip, sizeof h.descrip, descrip);
    struct mrc_output out = {0};
    st = write_temporary(&out, vol, &h, version_for(mrc_volume_extent(vol), NULL), path, err);
    return st == MRC_OK ? mrc_output_commit(&out, err) : st;
}

/* --- derived --- */

/* The source's header where the volume lies on its grid: forms, codes, pixdim and units stay as
 * they are, bit by bit; what described the source's values or its making is cleared. */
static bool keep_source_header(nifti_2_header *h, const mrc_volume *vol, const mrc_volume *source) {
    const struct mrc_provenance *p = source != NULL ? mrc_volume_provenance(source) : NULL;
    if (p == NULL || p->kind != MRC_SOURCE_NIFTI || p->header == NULL) return false;
    struct mrc_extent a = mrc_volume_extent(vol), b = mrc_volume_extent(source);
    if (a.i != b.i || a.j != b.j || a.k != b.k) return false;
    if (!(mrc_geometry_distance(mrc_volume_geometry(vol), mrc_volume_geometry(source), a) <
          SAME_GRID_MM))
        return false;
    nifti_2_header kept;
    mrc_nifti_fields_read(&kept, p->header, p->header_bytes);
    *h = (nifti_2_header){.dim_info = kept.dim_info,
                          .xyzt_units = kept.xyzt_units,
                          .qform_code = kept.qform_code,
                          .sform_code = kept.sform_code,
                          .quatern_b = kept.quatern_b,
                          .quatern_c = kept.quatern_c,
                          .quatern_d = kept.quatern_d,
                          .qoffset_x = kept.qoffset_x,
                          .qoffset_y = kept.qoffset_y,
                          .qoffset_z = kept.qoffset_z};
    for (int d = 0; d < 4; ++d) {
        h->pixdim[d] = kept.pixdim[d];
        h->srow_x[d] = kept.srow_x[d];
        h->srow_y[d] = kept.srow_y[d];
        h->srow_z[d] = kept.srow_z[d];
    }
    return true;
}

/* The coordinates a new grid in the source's space is in: those of the form the source was read by.
 */
static int code_of_source(const mrc_volume *source) {
    const struct mrc_provenance *p = source != NULL ? mrc_volume_provenance(source) : NULL;
    if (p == NULL || p->kind != MRC_SOURCE_NIFTI || p->header == NULL)
        return NIFTI_XFORM_SCANNER_ANAT;
    nifti_2_header from;
    mrc_nifti_fields_read(&from, p->header, p->header_bytes);
    if (from.sform_code > 0) return from.sform_code;
    return from.qform_code > 0 ? from.qform_code : NIFTI_XFORM_ALIGNED_ANAT;
}

static void describe(char *out, size_t capacity, const struct mrc_derivation *d) {
    char from[32] = "";
    if (d->from != MRC_CONTRAST_UNKNOWN)
        (void)snprintf(from, sizeof from, " from %s", mrc_contrast_name(d->from));
    (void)snprintf(out, capacity, "%s" MRC_NIFTI_SYNTHETIC "%s%s (mrcycle %.20s), not acquired",
                   d->cycle_error ? "cycle error, " : "", mrc_contrast_name(d->to), from,
                   d->software_version);
}

/* Names of source files and of their folders are often names of patients: a source is told by kind
 * and number. */
static bool add_source(cJSON *json, const mrc_volume *source) {
    const struct mrc_provenance *p = source != NULL ? mrc_volume_provenance(source) : NULL;
    if (p == NULL || p->file_count == 0) return true;
    return cJSON_AddStringToObject(json, "SourceFormat", mrc_source_kind_name(p->kind)) != NULL &&
           cJSON_AddNumberToObject(json, "SourceFileCount", (double)p->file_count) != NULL;
}

static bool add_text(cJSON *json, const char *key, const char *text) {
    return text == NULL || cJSON_AddStringToObject(json, key, text) != NULL;
}

static char *sidecar_text(const mrc_volume *source, const struct mrc_derivation *d) {
    char description[80];
    describe(description, sizeof description, d);
    cJSON *json = mrc_json_begin(), *makers = NULL, *maker = NULL;
    bool whole =
        json != NULL && cJSON_AddTrueToObject(json, "SyntheticData") != NULL &&
        add_text(json, "Description", description) &&
        add_text(json, "Warning", "not acquired, not for diagnosis") &&
        add_text(json, "DerivedFromContrast", mrc_contrast_name(d->from)) &&
        add_text(json, "Contrast", mrc_contrast_name(d->to)) &&
        (!d->cycle_error || add_text(json, "Quantity", "cycle error, of the range 0 to 1")) &&
        add_source(json, source) && add_text(json, "ModelName", d->model_name) &&
        add_text(json, "ModelHash", d->model_hash) && add_text(json, "Steps", d->steps) &&
        add_text(json, "Settings", d->settings);
    if (whole) makers = cJSON_AddArrayToObject(json, "GeneratedBy");
    if (makers != NULL) maker = cJSON_CreateObject();
    if (maker != NULL && !cJSON_AddItemToArray(makers, maker)) {
        cJSON_Delete(maker);
        maker = NULL;
    }
    whole = maker != NULL && add_text(maker, "Name", "mrcycle") &&
            add_text(maker, "Version", d->software_version);
    char *text = whole ? mrc_json_print(json, true) : NULL;
    cJSON_Delete(json);
    return text;
}

/* Writes the sidecar to its temporary; the caller commits or discards. */
static enum mrc_status write_sidecar(struct mrc_output *out, const char *name,
                                     const mrc_volume *source,
                                     const struct mrc_derivation *derivation,
                                     struct mrc_error *err) {
    char *json = sidecar_text(source, derivation);
    enum mrc_status st = json != NULL
                             ? mrc_output_open_file(out, name, err)
                             : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for writing", name);
    if (st == MRC_OK) (void)fprintf(out->stream, "%s\n", json); /* the flush sees its failure */
    cJSON_free(json);
    return st;
}

enum mrc_status mrc_nifti_prepare_derived(struct mrc_nifti_files *out, const mrc_volume *vol,
                                          const mrc_volume *source,
                                          const struct mrc_derivation *derivation, const char *path,
                                          struct mrc_error *err) {
    struct mrc_extent extent = mrc_volume_extent(vol);
    nifti_2_header h = {0};
    if (!keep_source_header(&h, vol, source))
        set_forms(&h, mrc_volume_geometry(vol), code_of_source(source));
    set_voxels(&h, extent, derivation->int16 ? MRC_NIFTI_INT16 : MRC_NIFTI_FLOAT32);
    if (derivation->int16) h.scl_slope = 1.0 / INT16_MAX;
    h.cal_max = derivation->white > 0.0 ? derivation->white : 1.0;
    describe(h.descrip, sizeof h.descrip, derivation);
    int version = version_for(extent, source != NULL ? mrc_volume_provenance(source) : NULL);

    *out = (struct mrc_nifti_files){0};
    char *name = mrc_nifti_sidecar_path(path);
    enum mrc_status st =
        name != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    if (st == MRC_OK) st = mrc_output_clean(path, err);
    if (st == MRC_OK) st = mrc_output_clean(name, err);
    if (st == MRC_OK) st = write_temporary(&out->image, vol, &h, version, path, err);
    if (st == MRC_OK) st = write_sidecar(&out->sidecar, name, source, derivation, err);
    if (st == MRC_OK) st = mrc_output_flush(&out->image, err);
    if (st == MRC_OK) st = mrc_output_flush(&out->sidecar, err);
    mrc_free(name);
    if (st != MRC_OK) mrc_nifti_discard(out);
    return st;
}

/* The image goes first, for it is marked by itself: at no time does a new sidecar stand beside an
 * old image, or an image without any mark. Neither stays without the other. */
enum mrc_status mrc_nifti_place(struct mrc_nifti_files *files, struct mrc_error *err) {
    enum mrc_status st = mrc_output_place(&files->image, err);
    if (st == MRC_OK) st = mrc_output_place(&files->sidecar, err);
    if (st != MRC_OK) mrc_output_discard(&files->image);
    return st;
}

enum mrc_status mrc_nifti_commit(struct mrc_nifti_files *files, struct mrc_error *err) {
    enum mrc_status st = mrc_nifti_place(files, err);
    if (st == MRC_OK) st = mrc_output_commit(&files->image, err);
    return st == MRC_OK ? mrc_output_commit(&files->sidecar, err) : st;
}

void mrc_nifti_discard(struct mrc_nifti_files *files) {
    mrc_output_discard(&files->sidecar);
    mrc_output_discard(&files->image);
}

enum mrc_status mrc_nifti_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                       const struct mrc_derivation *derivation, const char *path,
                                       struct mrc_error *err) {
    struct mrc_nifti_files files;
    enum mrc_status st = mrc_nifti_prepare_derived(&files, vol, source, derivation, path, err);
    if (st == MRC_OK) st = mrc_nifti_commit(&files, err);
    mrc_nifti_discard(&files);
    return st;
}
