/* volume.c: the handle that carries voxels, their grid, and the record of where they came from. */
#include "io/volume.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"

enum { MAX_SIDE = 4096 };
static const int64_t MAX_VOXELS = INT64_C(1) << 29; /* 2 GiB */

struct mrc_volume {
    float *voxels;
    struct mrc_extent extent;
    struct mrc_geometry geometry;
    struct mrc_provenance provenance;
};

const char *mrc_source_kind_name(enum mrc_source_kind kind) {
    switch (kind) {
    case MRC_SOURCE_NONE: return "none";
    case MRC_SOURCE_DICOM: return "dicom";
    case MRC_SOURCE_NIFTI: return "nifti";
    case MRC_SOURCE_PNG: return "png";
    }
    return "none";
}

enum mrc_status mrc_volume_create(mrc_volume **out, struct mrc_extent extent,
                                  const struct mrc_geometry *geometry, struct mrc_error *err) {
    *out = NULL;
    int64_t count = mrc_extent_count(extent);
    bool fits = extent.i <= MAX_SIDE && extent.j <= MAX_SIDE && extent.k <= MAX_SIDE;
    if (count < 0 || count > MAX_VOXELS || !fits) {
        return mrc_fail(err, MRC_ERR_RANGE,
                        "a volume of %lld x %lld x %lld voxels, expected sides of 1 to %d and at "
                        "most 2^29 in all",
                        (long long)extent.i, (long long)extent.j, (long long)extent.k, MAX_SIDE);
    }
    mrc_volume *vol = mrc_alloc(1, sizeof *vol);
    if (vol != NULL) vol->voxels = mrc_alloc((size_t)count, sizeof *vol->voxels);
    if (vol == NULL || vol->voxels == NULL) {
        mrc_volume_destroy(vol);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a volume of %lld voxels",
                        (long long)count);
    }
    vol->extent = extent;
    vol->geometry = *geometry;
    *out = vol;
    return MRC_OK;
}

enum mrc_status mrc_volume_create_like(mrc_volume **out, const mrc_volume *like,
                                       struct mrc_error *err) {
    enum mrc_status st = mrc_volume_create(out, like->extent, &like->geometry, err);
    if (st == MRC_OK) st = mrc_provenance_copy(&(*out)->provenance, &like->provenance, err);
    if (st != MRC_OK) {
        mrc_volume_destroy(*out);
        *out = NULL;
    }
    return st;
}

void mrc_volume_destroy(mrc_volume *vol) {
    if (vol == NULL) return;
    mrc_provenance_clear(&vol->provenance);
    mrc_free(vol->voxels);
    mrc_free(vol);
}

float *mrc_volume_voxels(mrc_volume *vol) {
    return vol->voxels;
}
const float *mrc_volume_voxels_const(const mrc_volume *vol) {
    return vol->voxels;
}
struct mrc_extent mrc_volume_extent(const mrc_volume *vol) {
    return vol->extent;
}
const struct mrc_geometry *mrc_volume_geometry(const mrc_volume *vol) {
    return &vol->geometry;
}
const struct mrc_provenance *mrc_volume_provenance(const mrc_volume *vol) {
    return &vol->provenance;
}

void mrc_volume_adopt_provenance(mrc_volume *vol, struct mrc_provenance *provenance) {
    mrc_provenance_clear(&vol->provenance);
    vol->provenance = *provenance;
    *provenance = (struct mrc_provenance){0};
}

void mrc_volume_add_left_out(mrc_volume *vol, size_t files) {
    vol->provenance.left_out += files;
}

void mrc_volume_add_left_links(mrc_volume *vol, size_t links) {
    vol->provenance.left_links += links;
}

void mrc_provenance_clear(struct mrc_provenance *provenance) {
    for (size_t i = 0; i < provenance->file_count; ++i) mrc_free(provenance->files[i]);
    mrc_free(provenance->files);
    mrc_free(provenance->frames);
    mrc_free(provenance->instances);
    mrc_free(provenance->header);
    *provenance = (struct mrc_provenance){0};
}

enum mrc_status mrc_provenance_copy(struct mrc_provenance *out, const struct mrc_provenance *from,
                                    struct mrc_error *err) {
    *out = (struct mrc_provenance){.kind = from->kind,
                                   .contrast = from->contrast,
                                   .bit_depth = from->bit_depth,
                                   .resampled = from->resampled,
                                   .left_out = from->left_out,
                                   .left_links = from->left_links};
    memcpy(out->remark, from->remark, sizeof out->remark);
    bool whole = true;
    if (from->file_count > 0) {
        out->files = mrc_alloc(from->file_count, sizeof *out->files);
        whole = out->files != NULL;
    }
    if (whole && from->frames != NULL) {
        out->frames = mrc_alloc(from->file_count, sizeof *out->frames);
        whole = out->frames != NULL;
        if (whole) memcpy(out->frames, from->frames, from->file_count * sizeof *out->frames);
    }
    if (whole && from->instances != NULL) {
        out->instances = mrc_alloc(from->file_count, sizeof *out->instances);
        whole = out->instances != NULL;
        if (whole)
            memcpy(out->instances, from->instances, from->file_count * sizeof *out->instances);
    }
    for (size_t i = 0; whole && i < from->file_count; ++i) {
        out->files[i] = mrc_strdup(from->files[i]);
        whole = out->files[i] != NULL;
        out->file_count = i + (whole ? 1 : 0);
    }
    if (whole && from->header_bytes > 0) {
        out->header = mrc_alloc(from->header_bytes, 1);
        whole = out->header != NULL;
    }
    if (!whole) {
        mrc_provenance_clear(out);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the record of %zu source files",
                        from->file_count);
    }
    if (from->header_bytes > 0) memcpy(out->header, from->header, from->header_bytes);
    out->header_bytes = from->header_bytes;
    return MRC_OK;
}
