/* apart.c: one job: load, then send what the volume is, the texts of its provenance, its voxels. */
#include "io/apart.h"

#include <string.h>

#include "base/alloc.h"
#include "base/isolate.h"
#include "base/plain.h"
#include "io/image_name.h"

/* What is sent first. Of `provenance` the pointers are the child's: the texts follow. */
struct description {
    struct mrc_extent extent;
    struct mrc_geometry geometry;
    struct mrc_provenance provenance;
};

struct loading {
    const struct mrc_format *format;
    const struct mrc_image_file *const *files;
    size_t count;
    const struct mrc_image_options *options;
    size_t portion_bytes; /* of voxels, in a piece */
    char *room;           /* of the name that was asked for last */
    /* in the caller */
    mrc_volume *volume;
    struct description description;
    size_t pieces, texts, voxel_bytes; /* that came */
};

/* --- in the child --- */

static enum mrc_status send_texts(mrc_isolate_sink *sink, const struct mrc_provenance *p,
                                  struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t f = 0; st == MRC_OK && f < p->file_count; ++f)
        st = mrc_isolate_send(sink, p->files[f], strlen(p->files[f]) + 1, err);
    if (st == MRC_OK && p->header != NULL)
        st = mrc_isolate_send(sink, p->header, p->header_bytes, err);
    return st;
}

static enum mrc_status send_voxels(mrc_isolate_sink *sink, const mrc_volume *vol, size_t portion,
                                   struct mrc_error *err) {
    const char *at = (const char *)mrc_volume_voxels_const(vol);
    size_t left = (size_t)mrc_extent_count(mrc_volume_extent(vol)) * sizeof(float);
    enum mrc_status st = MRC_OK;
    while (st == MRC_OK && left > 0) {
        size_t part = left < portion ? left : portion;
        st = mrc_isolate_send(sink, at, part, err);
        at += part;
        left -= part;
    }
    return st;
}

static enum mrc_status load(void *context, size_t job, mrc_isolate_sink *sink,
                            struct mrc_error *err) {
    const struct loading *l = context;
    mrc_volume *vol = NULL;
    (void)job;
    enum mrc_status st = l->format->load(&vol, l->files, l->count, l->options, err);
    if (st != MRC_OK) return st;
    const struct mrc_provenance *p = mrc_volume_provenance(vol);
    MRC_ASSERT(p->frames == NULL);
    struct description description = {
        .extent = mrc_volume_extent(vol), .geometry = *mrc_volume_geometry(vol), .provenance = *p};
    st = mrc_isolate_send(sink, &description, sizeof description, err);
    if (st == MRC_OK) st = send_texts(sink, p, err);
    if (st == MRC_OK) st = send_voxels(sink, vol, l->portion_bytes, err);
    mrc_volume_destroy(vol);
    return st;
}

/* --- in the caller --- */

static enum mrc_status odd(const struct loading *l, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader sent what is no volume",
                    l->files[0]->path);
}

static enum mrc_status no_memory(const struct loading *l, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a volume", l->files[0]->path);
}

static bool is_description(const void *bytes) {
#define FIELD(kind, member) MRC_PLAIN_AT(MRC_PLAIN_##kind, struct description, member)
    static const double most = 4294967295.0;
    static const struct mrc_plain_field fields[] = {
        {FIELD(COUNT, extent), .least = 1, .most = 4096},
        {FIELD(FINITE, geometry.spacing_mm)},
        {FIELD(FINITE, geometry.index_to_ras_mm)},
        {FIELD(BOOL, geometry.physical)},
        {FIELD(ENUM, provenance.contrast), .most = MRC_CONTRASTS - 1},
        {FIELD(NULL, provenance.frames)},
        {FIELD(ENUM, provenance.bit_depth), .most = 16},
        {FIELD(BOOL, provenance.resampled)},
        {FIELD(TEXT, provenance.remark)},
        {FIELD(SIZE, provenance.left_out), .most = most},
        {FIELD(SIZE, provenance.left_links), .most = most},
    };
#undef FIELD
    return mrc_plain_check(bytes, fields, sizeof fields / sizeof *fields);
}

/* A volume on its grid, with room for the texts. */
static enum mrc_status begin(struct loading *l, const void *bytes, size_t size,
                             struct mrc_error *err) {
    if (size != sizeof l->description) return odd(l, err);
    if (!is_description(bytes)) return odd(l, err);
    memcpy(&l->description, bytes, size);
    struct mrc_provenance p = l->description.provenance;
    bool has_header = p.header != NULL;
    if (p.file_count > l->count || p.header_bytes > l->portion_bytes) return odd(l, err);
    p.kind = l->format->kind;
    enum mrc_status st =
        mrc_volume_create(&l->volume, l->description.extent, &l->description.geometry, err);
    if (st != MRC_OK) return st;
    p.files = mrc_alloc(p.file_count, sizeof *p.files);
    p.header = has_header ? mrc_alloc(p.header_bytes, 1) : NULL;
    bool whole = (p.files != NULL || p.file_count == 0) && (p.header != NULL || !has_header);
    if (whole) mrc_volume_adopt_provenance(l->volume, &p);
    mrc_free(p.files); /* NULL when adopted */
    mrc_free(p.header);
    return whole ? MRC_OK : no_memory(l, err);
}

/* The next path, or the header behind the last one. */
static enum mrc_status take_text(struct loading *l, const void *bytes, size_t size,
                                 struct mrc_error *err) {
    struct mrc_provenance p = *mrc_volume_provenance(l->volume); /* shares its buffers */
    size_t at = l->texts++;
    if (at == p.file_count) {
        if (size != p.header_bytes) return odd(l, err);
        memcpy(p.header, bytes, size);
        return MRC_OK;
    }
    if (size == 0 || ((const char *)bytes)[size - 1] != '\0') return odd(l, err);
    p.files[at] = mrc_strdup(bytes);
    return p.files[at] != NULL ? MRC_OK : no_memory(l, err);
}

static enum mrc_status take(void *context, size_t job, const void *bytes, size_t size,
                            struct mrc_error *err) {
    struct loading *l = context;
    (void)job;
    if (l->pieces++ == 0) return begin(l, bytes, size, err);
    const struct mrc_provenance *p = mrc_volume_provenance(l->volume);
    if (l->texts < p->file_count + (p->header != NULL)) return take_text(l, bytes, size, err);
    size_t all = (size_t)mrc_extent_count(mrc_volume_extent(l->volume)) * sizeof(float);
    if (size > all - l->voxel_bytes) return odd(l, err);
    memcpy((char *)mrc_volume_voxels(l->volume) + l->voxel_bytes, bytes, size);
    l->voxel_bytes += size;
    return MRC_OK;
}

static enum mrc_status finish(void *context, size_t job, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err) {
    const struct loading *l = context;
    (void)job;
    if (ended) return mrc_fail(err, status, "%s: %s", l->files[0]->path, why);
    if (status != MRC_OK) return mrc_fail(err, status, "%s", why);
    bool whole =
        l->volume != NULL &&
        l->voxel_bytes == (size_t)mrc_extent_count(mrc_volume_extent(l->volume)) * sizeof(float);
    return whole ? MRC_OK : odd(l, err);
}

static const char *file_to_read(void *context, size_t number) {
    struct loading *l = context;
    size_t file = number / MRC_IMAGE_READS;
    if (file >= l->count) return NULL;
    return mrc_image_reads(&l->room, l->files[file]->path, number % MRC_IMAGE_READS);
}

enum mrc_status mrc_load_apart(mrc_volume **out, const struct mrc_format *format,
                               const struct mrc_image_file *const *files, size_t count,
                               const struct mrc_image_options *options, struct mrc_error *err) {
    const struct mrc_isolate_limits limits = MRC_ISOLATE_VOXELS;
    struct loading l = {.format = format,
                        .files = files,
                        .count = count,
                        .options = options,
                        .portion_bytes = limits.piece_bytes};
    const struct mrc_isolate_work work = {
        .context = &l, .run = load, .take = take, .finish = finish, .file = file_to_read};
    *out = NULL;
    enum mrc_status st = mrc_isolate_run(&work, 1, &limits, err);
    mrc_free(l.room);
    if (st == MRC_OK)
        *out = l.volume;
    else
        mrc_volume_destroy(l.volume);
    return st;
}
