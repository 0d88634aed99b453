/* nifti.c: reading NIfTI-1 and -2, single files and simple .hdr/.img pairs, plain or
 * gzip-compressed. niftilib's part is the header's structure, byte order and quaternions; its file
 * reader is not used: it opens by name only, allocates before it looks, and takes a gzip stream
 * with a wrong checksum. */
#include <float.h>
#include <math.h>
#include <nifti/nifti2_io.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/plain.h"
#include "base/text.h"
#include "io/contrast_map.h"
#include "io/image.h"
#include "io/image_name.h"
#include "io/nifti/nifti_fields.h"
#include "io/nifti/nifti_header.h"
#include "io/nifti/nifti_sidecar.h"
#include "io/nifti/nifti_stream.h"
#include "io/nifti/nifti_values.h"

enum {
    PORTION = 1 << 16,
    LABEL_INTENT = 1002,
    FIRST_STATISTIC = 2, /* NIFTI_FIRST_STATCODE … */
    LAST_STATISTIC = 24,
    FIRST_OTHER_INTENT = 1001, /* estimates, matrices, vectors, shapes */
    LAST_OTHER_INTENT = 1011
};

/* An opened file whose header passed. */
struct nifti_input {
    char *header_path, *voxel_path; /* the same string's copy for single files */
    struct mrc_nifti_stream stream; /* stands before the voxels */
    struct mrc_nifti_facts facts;
    unsigned char raw[MRC_NIFTI2_BYTES]; /* native byte order */
    struct mrc_geometry geometry;
    bool oriented;          /* sform or qform holds */
    double disagreement_mm; /* between sform and qform, when both hold */
    bool synthetic;
    struct mrc_nifti_sidecar sidecar;
    struct mrc_file_name_said name;
    struct mrc_nifti_values values; /* once they were read */
};

static void input_close(struct nifti_input *in) {
    mrc_nifti_stream_close(&in->stream);
    mrc_free(in->header_path);
    mrc_free(in->voxel_path);
    *in = (struct nifti_input){0};
}

/* --- names --- */

static bool twin_exists(const char *path) {
    char *twin = mrc_nifti_twin(path);
    bool there = twin != NULL && mrc_path_exists(twin) && !mrc_path_is_dir(twin);
    mrc_free(twin);
    return there;
}

static enum mrc_status name_files(struct nifti_input *in, const char *path, struct mrc_error *err) {
    bool voxels_named = mrc_path_has_suffix(path, ".img");
    in->header_path = voxels_named ? mrc_nifti_twin(path) : mrc_strdup(path);
    if (in->header_path != NULL) {
        in->voxel_path = mrc_path_has_suffix(in->header_path, ".hdr")
                             ? mrc_nifti_twin(in->header_path)
                             : mrc_strdup(path);
    }
    if (in->voxel_path == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for file names", path);
    return MRC_OK;
}

/* --- header --- */

/* Opens the file of the voxels of a pair, and checks what the header alone could not tell. */
static enum mrc_status open_pair(struct nifti_input *in, struct mrc_error *err) {
    mrc_nifti_stream_close(&in->stream);
    if (!mrc_path_has_suffix(in->header_path, ".hdr")) {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: the header of a .hdr/.img pair, expected a name ending in .hdr",
                        in->header_path);
    }
    if (!twin_exists(in->header_path)) {
        return mrc_fail(err, MRC_ERR_IO, "%s: its voxels are not there, expected an .img beside it",
                        in->header_path);
    }
    return mrc_nifti_stream_open(&in->stream, in->voxel_path, err);
}

static enum mrc_status read_header(struct nifti_input *in, struct mrc_error *err) {
    enum mrc_status st = mrc_nifti_stream_open(&in->stream, in->header_path, err);
    size_t size = 0;
    if (st == MRC_OK)
        st = mrc_nifti_stream_read_some(&in->stream, in->raw, sizeof in->raw, &size, err);
    if (st != MRC_OK) return st;
    struct mrc_nifti_facts *f = &in->facts;
    /* A pair's header says nothing about the length of the other file. */
    bool length_known = !in->stream.packed && !mrc_path_has_suffix(in->header_path, ".hdr");
    st = mrc_nifti_check_header(f, in->raw, size, length_known ? in->stream.stored_bytes : -1,
                                in->header_path, err);
    if (st == MRC_OK && f->pair) {
        st = open_pair(in, err);
        size = 0;
    }
    if (st != MRC_OK) return st;
    int64_t needed = f->data_offset + f->data_bytes * f->volumes;
    if (!mrc_nifti_stream_can_hold(&in->stream, needed)) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the header declares %lld bytes, more than the file's %lld can hold",
                        in->stream.path, (long long)needed, (long long)in->stream.stored_bytes);
    }
    /* The stream stands behind the bytes read for the header; with a small NIfTI-1 header those
     * may reach into the voxels, so it is opened anew then. */
    if (f->data_offset < (int64_t)size) {
        mrc_nifti_stream_close(&in->stream);
        st = mrc_nifti_stream_open(&in->stream, in->voxel_path, err);
        size = 0;
    }
    if (st == MRC_OK) st = mrc_nifti_stream_skip(&in->stream, f->data_offset - (int64_t)size, err);
    if (f->swapped) mrc_nifti_fields_swap(in->raw, f->header_bytes);
    return st;
}

static void scale(double m[3][4], double unit_mm) {
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c) m[r][c] *= unit_mm;
    }
}

/* Neither form holds: the axes as they are stored, centred on the origin. */
static void assumed_ras(double m[3][4], const struct mrc_nifti_facts *f) {
    const int64_t sides[3] = {f->extent.i, f->extent.j, f->extent.k};
    memset(m, 0, 3 * sizeof *m);
    for (int d = 0; d < 3; ++d) {
        m[d][d] = f->spacing_mm[d];
        m[d][3] = -0.5 * (double)(sides[d] - 1) * f->spacing_mm[d];
    }
}

/* nibabel's and the standard's order: sform, else qform. */
static enum mrc_status read_geometry(struct nifti_input *in, struct mrc_error *err) {
    const struct mrc_nifti_facts *f = &in->facts;
    nifti_2_header fields;
    mrc_nifti_fields_read(&fields, in->raw, f->header_bytes);
    double sform[3][4], qform[3][4];
    mrc_nifti_sform(sform, &fields);
    mrc_nifti_qform(qform, &fields);
    scale(sform, f->unit_mm);
    scale(qform, f->unit_mm);
    in->oriented = f->sform_code > 0 || f->qform_code > 0;
    if (!in->oriented) assumed_ras(sform, f);
    bool by_qform = f->sform_code == 0 && f->qform_code > 0;
    enum mrc_status st =
        mrc_geometry_from_ras(&in->geometry, by_qform ? qform : sform, in->header_path, err);
    if (st != MRC_OK || f->sform_code == 0 || f->qform_code == 0) return st;
    struct mrc_geometry other;
    if (mrc_geometry_from_ras(&other, qform, in->header_path, NULL) != MRC_OK) return MRC_OK;
    if (mrc_geometry_is_right_handed(&in->geometry) != mrc_geometry_is_right_handed(&other)) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: sform and qform mirror each other, expected them to agree about left "
                        "and right",
                        in->header_path);
    }
    in->disagreement_mm = mrc_geometry_distance(&in->geometry, &other, f->extent);
    return MRC_OK;
}

/* --- marks --- */

static bool contains_word(const char *text, const char *word) {
    for (size_t length = strlen(word); *text != '\0'; ++text) {
        if (strncasecmp(text, word, length) == 0) return true;
    }
    return false;
}

/* What mrcycle has computed names its contrast in the header's words (nifti_save.c). */
static enum mrc_contrast contrast_by_mark(const struct nifti_input *in) {
    char word[16];
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    const char *text = in->facts.descrip;
    const size_t mark = strlen(MRC_NIFTI_SYNTHETIC);
    if (!in->synthetic || strncmp(text, MRC_NIFTI_SYNTHETIC, mark) != 0)
        return MRC_CONTRAST_UNKNOWN;
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(text + mark, " "), text + mark);
    return mrc_contrast_parse(&contrast, word, NULL) == MRC_OK ? contrast : MRC_CONTRAST_UNKNOWN;
}

/* By the file's name and by its sidecar; where both speak they must agree, and either may say that
 * it is no plain weighted image. */
static enum mrc_contrast contrast_of(char *reason, size_t capacity, bool *unweighted,
                                     const struct nifti_input *in) {
    enum mrc_contrast by_name = in->name.contrast, by_sidecar = MRC_CONTRAST_UNKNOWN;
    const enum mrc_contrast marked = contrast_by_mark(in);
    char words[160] = "";
    *unweighted = marked != MRC_CONTRAST_UNKNOWN;
    if (*unweighted) {
        (void)snprintf(reason, capacity, "synthetic %s by its header", mrc_contrast_name(marked));
        return marked;
    }
    if (in->sidecar.there)
        by_sidecar = mrc_dicom_contrast(words, sizeof words, unweighted, &in->sidecar.physics);
    if (*unweighted) {
        (void)snprintf(reason, capacity, "by its sidecar: %s", words);
        return by_sidecar;
    }
    if (in->name.unweighted) {
        *unweighted = true;
        (void)snprintf(reason, capacity, "contrast unknown: the file's name has %s", in->name.veto);
        return MRC_CONTRAST_UNKNOWN;
    }
    if (by_sidecar == MRC_CONTRAST_UNKNOWN || by_sidecar == by_name) {
        (void)snprintf(reason, capacity, "%s%s%s",
                       by_name != MRC_CONTRAST_UNKNOWN ? "contrast by the file's name"
                                                       : "the name tells no contrast",
                       by_sidecar != MRC_CONTRAST_UNKNOWN ? " and its sidecar: " : "",
                       by_sidecar != MRC_CONTRAST_UNKNOWN ? words : "");
        return by_name;
    }
    bool agent = by_name == MRC_CONTRAST_T1W_CE || by_sidecar == MRC_CONTRAST_T1W_CE;
    bool t1 = by_name == MRC_CONTRAST_T1W || by_sidecar == MRC_CONTRAST_T1W;
    if (by_name == MRC_CONTRAST_UNKNOWN || (agent && t1)) { /* who speaks of an agent knows */
        (void)snprintf(reason, capacity, "contrast by %s: %s",
                       by_name == MRC_CONTRAST_UNKNOWN ? "its sidecar" : "its name and sidecar",
                       words);
        return by_name == MRC_CONTRAST_UNKNOWN ? by_sidecar : MRC_CONTRAST_T1W_CE;
    }
    (void)snprintf(reason, capacity, "contrast unknown: the file's name says %s, its sidecar %s",
                   mrc_contrast_name(by_name), words);
    return MRC_CONTRAST_UNKNOWN;
}

static enum mrc_status input_open(struct nifti_input *in, const char *path, struct mrc_error *err) {
    *in = (struct nifti_input){0};
    enum mrc_status st = name_files(in, path, err);
    if (st == MRC_OK) st = read_header(in, err);
    if (st == MRC_OK) st = read_geometry(in, err);
    if (st == MRC_OK) {
        mrc_nifti_sidecar_read(&in->sidecar, in->header_path);
        mrc_file_name_read(&in->name, mrc_path_name(in->header_path));
        in->values = (struct mrc_nifti_values)MRC_NIFTI_VALUES_NONE;
        in->synthetic = in->sidecar.synthetic || contains_word(in->facts.descrip, "synthetic");
    } else {
        input_close(in);
    }
    return st;
}

/* --- voxels --- */

static double stored_value(const unsigned char *at, int datatype) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v;
    memcpy(&v, at, mrc_nifti_type_bytes(datatype));
    switch (datatype) {
    case MRC_NIFTI_UINT8: return v.u8;
    case MRC_NIFTI_INT8: return v.i8;
    case MRC_NIFTI_UINT16: return v.u16;
    case MRC_NIFTI_INT16: return v.i16;
    case MRC_NIFTI_UINT32: return v.u32;
    case MRC_NIFTI_INT32: return v.i32;
    case MRC_NIFTI_UINT64: return (double)v.u64;
    case MRC_NIFTI_INT64: return (double)v.i64;
    case MRC_NIFTI_FLOAT32: return (double)v.f32;
    default: return v.f64;
    }
}

static float to_float(double value) {
    if (value > (double)FLT_MAX) return INFINITY;
    if (value < -(double)FLT_MAX) return -INFINITY;
    return (float)value; /* NaN stays NaN */
}

/* One portion of stored voxels to floats. */
static enum mrc_status convert(float *dst, unsigned char *src, size_t count,
                               const struct nifti_input *in, struct mrc_error *err) {
    const struct mrc_nifti_facts *f = &in->facts;
    const double exact = 9007199254740992.0; /* 2^53: beyond, a double skips integers */
    bool wide = f->datatype == MRC_NIFTI_INT64 || f->datatype == MRC_NIFTI_UINT64;
    if (f->swapped && f->voxel_bytes > 1)
        nifti_swap_Nbytes((int64_t)count, (int)f->voxel_bytes, src);
    for (size_t v = 0; v < count; ++v) {
        double stored = stored_value(src + v * f->voxel_bytes, f->datatype);
        if (wide && fabs(stored) > exact) {
            return mrc_fail(err, MRC_ERR_RANGE,
                            "%s: a 64-bit voxel value of %g, expected at most 2^53", in->voxel_path,
                            stored);
        }
        dst[v] = to_float(stored * f->slope + f->inter);
    }
    return MRC_OK;
}

/* The voxels of a volume, portion by portion: into `voxels`, where that is not NULL, and what they
 * tell into in->values. */
static enum mrc_status read_portions(float *voxels, struct nifti_input *in, struct mrc_error *err) {
    const struct mrc_nifti_facts *f = &in->facts;
    size_t count = (size_t)mrc_extent_count(f->extent), part = PORTION / f->voxel_bytes;
    unsigned char *buffer = mrc_alloc(PORTION, 1);
    float *values = mrc_alloc(part, sizeof *values);
    enum mrc_status st = MRC_OK;
    if (buffer == NULL || values == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for reading", in->voxel_path);
    for (size_t at = 0; st == MRC_OK && at < count; at += part) {
        size_t n = count - at < part ? count - at : part;
        float *to = voxels != NULL ? voxels + at : values;
        st = mrc_nifti_stream_read(&in->stream, buffer, n * f->voxel_bytes, err);
        if (st == MRC_OK && at == 0) mrc_fault_check(buffer, n * f->voxel_bytes);
        if (st == MRC_OK) st = convert(to, buffer, n, in, err);
        if (st == MRC_OK) mrc_nifti_values_see(&in->values, to, n);
    }
    mrc_free(values);
    mrc_free(buffer);
    return st;
}

/* Volume `which` (from 0) of the file; a compressed one is read to its end, for its checksum. What
 * is no number is background. */
static enum mrc_status read_voxels(float *voxels, struct nifti_input *in, int64_t which,
                                   struct mrc_error *err) {
    const struct mrc_nifti_facts *f = &in->facts;
    enum mrc_status st = mrc_nifti_stream_skip(&in->stream, which * f->data_bytes, err);
    if (st == MRC_OK) st = read_portions(voxels, in, err);
    if (st == MRC_OK && in->stream.packed)
        st = mrc_nifti_stream_skip(&in->stream, (f->volumes - 1 - which) * f->data_bytes, err);
    if (st == MRC_OK) st = mrc_nifti_stream_finish(&in->stream, err);
    const float background = mrc_nifti_values_background(&in->values);
    size_t count = voxels != NULL && in->values.nonfinite > 0 ? (size_t)in->values.count : 0;
    for (size_t v = 0; st == MRC_OK && v < count; ++v)
        if (!isfinite(voxels[v])) voxels[v] = background;
    return st;
}

/* --- the format --- */

static bool nifti_probe(const struct mrc_probe *file) {
    unsigned char head[MRC_NIFTI2_BYTES];
    size_t size = mrc_nifti_unpack_head(head, sizeof head, file->head, file->head_bytes);
    if (size > 0 && mrc_nifti_probe_header(head, size)) return true;
    if (size == 0 && mrc_nifti_probe_header(file->head, file->head_bytes)) return true;
    /* By name, so that a broken header is told as such and not as an unknown file. */
    if (file->path[mrc_nifti_stem(file->path)] != '\0') return true;
    if (mrc_path_has_suffix(file->path, ".img")) return twin_exists(file->path);
    static const unsigned char analyze[2][4] = {{0x5c, 1, 0, 0}, {0, 0, 1, 0x5c}};
    return mrc_path_has_suffix(file->path, ".hdr") && file->head_bytes >= 4 &&
           (memcmp(file->head, analyze[0], 4) == 0 || memcmp(file->head, analyze[1], 4) == 0);
}

/* What the header says twice and differently; viewers may show the image elsewhere. */
static void remark_on(char *out, size_t capacity, const struct nifti_input *in) {
    out[0] = '\0';
    if (in->disagreement_mm > 0.1)
        (void)snprintf(out, capacity, "sform and qform differ by %.1f mm, sform is used",
                       in->disagreement_mm);
    for (int d = 0; d < 3 && out[0] == '\0' && in->facts.sform_code > 0; ++d) {
        double spacing = in->geometry.spacing_mm[d], pixdim = in->facts.spacing_mm[d];
        if (fabs(spacing - pixdim) > 0.01 * spacing)
            (void)snprintf(out, capacity,
                           "sform has voxels of %g mm along axis %d and pixdim of "
                           "%g mm, sform is used",
                           spacing, d + 1, pixdim);
    }
    if (out[0] == '\0' && in->values.nonfinite > 0)
        (void)snprintf(out, capacity, "%lld voxels are NaN or infinite, taken as background",
                       (long long)in->values.nonfinite);
    if (out[0] == '\0' && !in->facts.unit_said)
        (void)snprintf(out, capacity, "xyzt_units names no unit of length, millimetres are taken");
}

/* What a file says of itself, and what is recognised from it. */
static void describe_names(struct mrc_image_info *info, char *how, size_t capacity,
                           const struct nifti_input *in) {
    const struct mrc_dicom_physics *p = &in->sidecar.physics;
    info->kind = MRC_SOURCE_NIFTI;
    info->contrast = contrast_of(how, capacity, &info->unweighted, in);
    mrc_text_plain(info->manufacturer, sizeof info->manufacturer, in->sidecar.manufacturer);
    (void)snprintf(info->series_description, sizeof info->series_description, "%s",
                   p->series_description);
    (void)snprintf(info->protocol_name, sizeof info->protocol_name, "%s", p->protocol_name);
    (void)snprintf(info->sequence_name, sizeof info->sequence_name, "%s", p->sequence_name);
}

static void object_to(struct mrc_image_info *info, const char *reason) {
    info->usable = false;
    info->status = MRC_ERR_UNSUPPORTED;
    (void)snprintf(info->reason, sizeof info->reason, "%s", reason);
}

/* The same by what only looks so: who has looked at it may know better. */
static void doubt(struct mrc_image_info *info, const char *reason) {
    object_to(info, reason);
    info->doubted = true;
}

/* Statistics, estimates and labels (intent_code), tissues as SPM describes them; NULL: it may be an
 * image. */
static const char *no_image_by_header(const struct mrc_nifti_facts *f) {
    if (f->intent_code == LABEL_INTENT) return "a label map (intent_code 1002), expected an image";
    if ((f->intent_code >= FIRST_STATISTIC && f->intent_code <= LAST_STATISTIC) ||
        (f->intent_code >= FIRST_OTHER_INTENT && f->intent_code <= LAST_OTHER_INTENT))
        return "statistics, an estimate or vectors by its intent_code, expected an image";
    if (contains_word(f->descrip, "tissue class"))
        return "the map of a tissue, as SPM describes it, expected an image";
    return NULL;
}

static void describe(struct mrc_image_info *info, const struct nifti_input *in) {
    const struct mrc_nifti_facts *f = &in->facts;
    const char *name = mrc_path_name(in->header_path);
    char how[200];
    describe_names(info, how, sizeof how, in);
    info->files = f->pair ? 2 : 1;
    info->columns = f->extent.i;
    info->rows = f->extent.j;
    info->volumes = f->volumes;
    info->slices = f->extent.k;
    info->spacing_mm[0] = in->geometry.spacing_mm[1];
    info->spacing_mm[1] = in->geometry.spacing_mm[0];
    info->spacing_mm[2] = in->geometry.spacing_mm[2];
    info->orientation = mrc_geometry_orientation(&in->geometry);
    info->physical = in->oriented;
    if (in->oriented) info->geometry = in->geometry;
    info->synthetic = in->synthetic;
    info->phantom = !in->synthetic && (mrc_name_is_phantom(name, false) ||
                                       mrc_name_is_phantom(info->series_description, false) ||
                                       mrc_name_is_phantom(info->protocol_name, false));
    info->infant = mrc_name_is_infant(in->header_path) ||
                   mrc_name_is_infant(info->series_description) ||
                   mrc_name_is_infant(info->protocol_name);
    info->derived = in->sidecar.derived && !in->synthetic;
    info->usable = true;
    (void)snprintf(info->reason, sizeof info->reason, "%s", how);
    const char *askew = mrc_geometry_askew(&in->geometry);
    char several[80];
    (void)snprintf(several, sizeof several,
                   "%lld volumes, expected one (--volume K takes the K-th)", (long long)f->volumes);
    if (f->volumes > 1)
        object_to(info, several);
    else if (!in->oriented)
        object_to(info, "neither sform nor qform says where the axes point (--assume-ras takes "
                        "them as RAS+)");
    else if (in->synthetic)
        object_to(info, "marked as synthetic (--allow-synthetic accepts it)");
    else if (in->sidecar.refused[0] != '\0')
        object_to(info, in->sidecar.refused);
    else if (info->derived)
        object_to(info, "derived, by its sidecar, expected an acquired image (--allow-derived "
                        "accepts it)");
    else if (no_image_by_header(f) != NULL)
        object_to(info, no_image_by_header(f));
    else if (in->name.labels)
        doubt(info, "a label map by its name, not an image (a --map with its contrast takes it)");
    else if (askew != NULL)
        object_to(info, askew);
}

/* And what its values say, once they were read. */
static void describe_values(struct mrc_image_info *info, const struct nifti_input *in) {
    const char *objection = mrc_nifti_values_objection(&in->values);
    char words[200], remark[sizeof((struct mrc_provenance *)0)->remark];
    if (objection != NULL) {
        (void)snprintf(words, sizeof words, "%s (a --map with its contrast takes it)", objection);
        doubt(info, words);
        return;
    }
    remark_on(remark, sizeof remark, in);
    size_t at = strlen(info->reason);
    if (remark[0] != '\0')
        (void)snprintf(info->reason + at, sizeof info->reason - at, "; %s", remark);
}

/* A compressed file whose end does not speak for it is unpacked once: whether it was cut is known
 * also of one that cannot be used as it is. */
static enum mrc_status check_end(struct nifti_input *in, struct mrc_error *err) {
    const struct mrc_nifti_facts *f = &in->facts;
    int64_t bytes = f->data_bytes * f->volumes;
    if (mrc_nifti_stream_tells_size(&in->stream, f->data_offset + bytes)) return MRC_OK;
    enum mrc_status st = mrc_nifti_stream_skip(&in->stream, bytes, err);
    return st == MRC_OK ? mrc_nifti_stream_finish(&in->stream, err) : st;
}

/* What a header says, as it is kept between reading it and describing the folder. */
static enum mrc_status nifti_read(void **record, size_t *bytes, const char *path,
                                  struct mrc_error *err) {
    struct nifti_input in;
    *record = NULL;
    enum mrc_status st = input_open(&in, path, err);
    if (st != MRC_OK) return st;
    struct mrc_image_info *info = mrc_alloc(1, sizeof *info);
    if (info == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    if (st == MRC_OK) {
        describe(info, &in);
        const bool weighted = mrc_contrast_is_weighted(info->contrast);
        st = info->usable && weighted ? read_voxels(NULL, &in, 0, err) : check_end(&in, err);
    }
    if (st == MRC_OK && info->usable) describe_values(info, &in);
    if (st != MRC_OK) {
        mrc_free(info);
        info = NULL;
    }
    input_close(&in);
    *record = info;
    *bytes = sizeof *info;
    return st;
}

static bool nifti_check(const void *record, size_t bytes) {
#define FIELD(kind, member) MRC_PLAIN_AT(MRC_PLAIN_##kind, struct mrc_image_info, member)
    static const double most = 1e15;
    static const struct mrc_plain_field fields[] = {
        {FIELD(NULL, path)},
        {FIELD(NULL, members)},
        {FIELD(SIZE, member_count), .most = 0},
        {FIELD(ENUM, kind), .most = MRC_SOURCE_PNG},
        {FIELD(TEXT, modality)},
        {FIELD(ENUM, contrast), .most = MRC_CONTRASTS - 1},
        {FIELD(BOOL, usable)},
        {FIELD(ENUM, status), .most = MRC_ERR_PEER},
        {FIELD(TEXT, reason)},
        {FIELD(COUNT, files), .least = 1, .most = 2},
        {FIELD(COUNT, slices), .least = 0, .most = most},
        {FIELD(COUNT, rows), .least = 0, .most = most},
        {FIELD(COUNT, columns), .least = 0, .most = most},
        {FIELD(COUNT, volumes), .least = 0, .most = most},
        {FIELD(NUMBER, spacing_mm)},
        {FIELD(ENUM, orientation), .most = MRC_OBLIQUE},
        {FIELD(BOOL, physical)},
        {FIELD(NUMBER, geometry.spacing_mm)},
        {FIELD(NUMBER, geometry.index_to_ras_mm)},
        {FIELD(BOOL, geometry.physical)},
        {FIELD(TEXT, manufacturer)},
        {FIELD(TEXT, series_uid)},
        {FIELD(TEXT, series_description)},
        {FIELD(TEXT, protocol_name)},
        {FIELD(TEXT, sequence_name)},
        {FIELD(TEXT, selector)},
        {FIELD(BOOL, synthetic)},
        {FIELD(BOOL, derived)},
        {FIELD(BOOL, phantom)},
        {FIELD(BOOL, infant)},
    };
#undef FIELD
    return bytes == sizeof(struct mrc_image_info) &&
           mrc_plain_check(record, fields, sizeof fields / sizeof *fields);
}

static bool list_pair(struct mrc_image_info *info) {
    info->members = mrc_alloc(2, sizeof *info->members);
    if (info->members == NULL) return false;
    info->members[0] = mrc_strdup(info->path);
    info->members[1] = mrc_nifti_twin(info->path);
    info->member_count = 2;
    return info->members[0] != NULL && info->members[1] != NULL;
}

static enum mrc_status scan_one(struct mrc_image_list *list, const struct mrc_image_file *file,
                                struct mrc_error *err) {
    struct mrc_image_info *info = NULL;
    if (file->status != MRC_OK)
        return mrc_image_list_refuse(list, file->path, file->status, err, "%s", file->reason);
    enum mrc_status st = mrc_image_list_add(list, &info, err);
    if (st != MRC_OK) return st;
    MRC_ASSERT(file->record_bytes == sizeof *info);
    memcpy(info, file->record, sizeof *info);
    info->path = mrc_path_has_suffix(file->path, ".img") ? mrc_nifti_twin(file->path)
                                                         : mrc_strdup(file->path);
    bool whole = info->path != NULL && (info->files == 1 || list_pair(info));
    return whole ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
}

static bool list_holds(const struct mrc_image_file *const *files, size_t count, const char *path) {
    for (size_t f = 0; f < count; ++f) {
        if (strcmp(files[f]->path, path) == 0) return true;
    }
    return false;
}

static enum mrc_status nifti_scan(struct mrc_image_list *list,
                                  const struct mrc_image_file *const *files, size_t count,
                                  struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t f = 0; st == MRC_OK && f < count; ++f) {
        bool told_by_header = false;
        if (mrc_path_has_suffix(files[f]->path, ".img")) {
            char *header = mrc_nifti_twin(files[f]->path);
            told_by_header = header != NULL && list_holds(files, count, header);
            mrc_free(header);
        }
        if (!told_by_header) st = scan_one(list, files[f], err);
    }
    return st;
}

/* One of several volumes is chosen, never the first taken for the only one. */
static enum mrc_status check_volume(const struct nifti_input *in, int64_t wanted,
                                    struct mrc_error *err) {
    int64_t volumes = in->facts.volumes;
    if (wanted == 0 && volumes > 1)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: %lld volumes, expected one (--volume K takes the K-th)",
                        in->header_path, (long long)volumes);
    if (wanted > volumes)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: --volume is %lld, expected 1 to %lld",
                        in->header_path, (long long)wanted, (long long)volumes);
    return MRC_OK;
}

static enum mrc_status check_wanted(const struct nifti_input *in,
                                    const struct mrc_image_options *options,
                                    struct mrc_error *err) {
    enum mrc_status st = check_volume(in, options->volume, err);
    if (st != MRC_OK) return st;
    if (!in->oriented && !options->assume_ras) {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: sform_code and qform_code are 0, expected one that says where the "
                        "axes point (--assume-ras takes them as right, anterior, superior)",
                        in->header_path);
    }
    if (in->synthetic && !options->allow_synthetic) {
        return mrc_fail(
            err, MRC_ERR_UNSUPPORTED,
            "%s: marked as synthetic, expected an acquired image (--allow-synthetic accepts it)",
            in->header_path);
    }
    if (in->sidecar.refused[0] != '\0' && !options->labels)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %s", in->header_path, in->sidecar.refused);
    if (in->sidecar.derived && !in->synthetic && !options->allow_derived)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: derived, by its sidecar, expected an acquired image (--allow-derived "
                        "accepts it)",
                        in->header_path);
    const char *other = options->labels ? NULL : no_image_by_header(&in->facts);
    return other == NULL ? MRC_OK
                         : mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %s", in->header_path, other);
}

/* What only looks as if it were no image: by its name, or by its values once they were read. Who
 * names its contrast in a map knows better. */
static enum mrc_status check_looks(const struct nifti_input *in, const mrc_contrast_map *map,
                                   bool read, struct mrc_error *err) {
    struct mrc_image_info info = {.path = in->header_path};
    char how[200];
    const char *objection = NULL;
    if (read) objection = mrc_nifti_values_objection(&in->values);
    if (!read && in->name.labels) objection = "a label map by its name, not an image";
    if (objection == NULL) return MRC_OK;
    describe_names(&info, how, sizeof how, in);
    if (mrc_contrast_map_apply(map, &info)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %s (a --map with its contrast takes it)",
                    in->header_path, objection);
}

static enum mrc_status keep_provenance(mrc_volume *vol, const struct nifti_input *in,
                                       const mrc_contrast_map *map, struct mrc_error *err) {
    struct mrc_provenance p = {.kind = MRC_SOURCE_NIFTI};
    struct mrc_image_info info = {.path = in->header_path};
    char how[200];
    describe_names(&info, how, sizeof how, in);
    (void)mrc_contrast_map_apply(map, &info);
    p.contrast = info.contrast;
    remark_on(p.remark, sizeof p.remark, in);
    p.files = mrc_alloc(1, sizeof *p.files);
    if (p.files != NULL) p.files[0] = mrc_strdup(in->header_path);
    p.file_count = p.files != NULL && p.files[0] != NULL ? 1 : 0;
    p.header = mrc_alloc(in->facts.header_bytes, 1);
    if (p.file_count == 0 || p.header == NULL) {
        mrc_provenance_clear(&p);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its header", in->header_path);
    }
    p.header_bytes = in->facts.header_bytes;
    memcpy(p.header, in->raw, p.header_bytes);
    mrc_volume_adopt_provenance(vol, &p);
    return MRC_OK;
}

static enum mrc_status nifti_load(mrc_volume **out, const struct mrc_image_file *const *files,
                                  size_t count, const struct mrc_image_options *options,
                                  struct mrc_error *err) {
    MRC_ASSERT(count == 1 && options != NULL);
    (void)count;
    *out = NULL;
    struct nifti_input in;
    mrc_volume *vol = NULL;
    enum mrc_status st = input_open(&in, files[0]->path, err);
    if (st != MRC_OK) return st;
    st = check_wanted(&in, options, err);
    if (st == MRC_OK && !options->labels) st = check_looks(&in, options->map, false, err);
    if (st == MRC_OK) st = mrc_volume_create(&vol, in.facts.extent, &in.geometry, err);
    if (st == MRC_OK)
        st = read_voxels(mrc_volume_voxels(vol), &in, options->volume > 0 ? options->volume - 1 : 0,
                         err);
    if (st == MRC_OK && !options->labels) st = check_looks(&in, options->map, true, err);
    if (st == MRC_OK) st = keep_provenance(vol, &in, options->map, err);
    input_close(&in);
    if (st != MRC_OK) {
        mrc_volume_destroy(vol);
        return st;
    }
    *out = vol;
    return MRC_OK;
}

const struct mrc_format mrc_format_nifti = {
    .name = "nifti",
    .kind = MRC_SOURCE_NIFTI,
    .probe = nifti_probe,
    .read = nifti_read,
    .check = nifti_check,
    .scan = nifti_scan,
    .load_apart = true,
    .load = nifti_load,
};
