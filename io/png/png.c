/* png.c: a folder of greyscale PNGs as a stack of slices, in the natural order of their names.
 * Pictures say nothing of the patient's space, so the geometry is not physical. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/plain.h"
#include "base/text.h"
#include "io/contrast_map.h"
#include "io/dicom/derived.h"
#include "io/image.h"
#include "io/image_name.h"
#include "io/png/png_codec.h"

enum { MAX_FILE_BYTES = 128 << 20, MAX_SLICES = 4096 };

static bool png_probe(const struct mrc_probe *file) {
    return mrc_png_probe_bytes(file->head, file->head_bytes);
}

/* --- reading --- */

static int by_nature(const void *a, const void *b) {
    return mrc_natural_compare(*(char *const *)a, *(char *const *)b);
}

/* The same paths in natural order; the array is the caller's, the texts are not. */
static char **ordered(const struct mrc_image_file *const *files, size_t count) {
    char **order = mrc_alloc(count, sizeof *order);
    if (order == NULL) return NULL;
    for (size_t f = 0; f < count; ++f) order[f] = files[f]->path;
    qsort(order, count, sizeof *order, by_nature);
    return order;
}

static enum mrc_status inspect_file(struct mrc_png_facts *out, const char *path,
                                    struct mrc_error *err) {
    unsigned char *data = NULL;
    size_t size = 0;
    enum mrc_status st = mrc_read_file(&data, &size, path, MAX_FILE_BYTES, err);
    if (st == MRC_OK) st = mrc_png_inspect(out, data, size, path, err);
    mrc_free(data);
    return st;
}

static enum mrc_status decode_file(float *pixels, const struct mrc_png_facts *like,
                                   const char *path, struct mrc_error *err) {
    unsigned char *data = NULL;
    size_t size = 0;
    enum mrc_status st = mrc_read_file(&data, &size, path, MAX_FILE_BYTES, err);
    if (st == MRC_OK) st = mrc_png_decode(pixels, like, data, size, path, err);
    mrc_free(data);
    return st;
}

/* The name that may tell the contrast: the file's for a single picture, else its folder's. */
static enum mrc_contrast contrast_of(const char *path, size_t count) {
    const char *name = mrc_path_name(path);
    enum mrc_contrast contrast = count == 1 ? mrc_contrast_from_name(name) : MRC_CONTRAST_UNKNOWN;
    if (contrast != MRC_CONTRAST_UNKNOWN || name == path) return contrast;
    const char *end = name - 1, *begin = end;
    while (begin > path && begin[-1] != '/') --begin;
    char folder[256];
    if ((size_t)(end - begin) >= sizeof folder) return MRC_CONTRAST_UNKNOWN;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(end - begin), begin);
    return mrc_contrast_from_name(folder);
}

static char *folder_of(const char *path) {
    const char *name = mrc_path_name(path);
    if (name == path) return mrc_strdup(".");
    return mrc_asprintf("%.*s", (int)(name - path > 1 ? name - path - 1 : 1), path);
}

/* The last number of a file's name; -1: it has none, or one too long to compare. */
static int64_t last_number(const char *path) {
    const char *name = mrc_path_name(path);
    size_t end = strlen(name);
    char digits[16];
    int64_t number = -1;
    while (end > 0 && strchr("0123456789", name[end - 1]) == NULL) --end;
    size_t begin = end;
    while (begin > 0 && strchr("0123456789", name[begin - 1]) != NULL) --begin;
    if (end == begin || end - begin >= sizeof digits) return -1;
    (void)snprintf(digits, sizeof digits, "%.*s", (int)(end - begin), name + begin);
    return mrc_parse_i64(&number, digits, 0, INT64_MAX) == MRC_OK ? number : -1;
}

/* Pictures have no positions that would show a gap, but their numbers may. */
static void remark_on_numbers(char *out, size_t capacity, char *const *files, size_t count) {
    int64_t step = count > 1 ? last_number(files[1]) - last_number(files[0]) : 0;
    out[0] = '\0';
    for (size_t f = 1; f < count && out[0] == '\0'; ++f) {
        int64_t before = last_number(files[f - 1]), number = last_number(files[f]);
        if (before < 0 || number < 0) return;
        if (number - before != step)
            (void)snprintf(out, capacity,
                           "the numbers in the names go from %lld to %lld: some may be missing",
                           (long long)before, (long long)number);
    }
}

static enum mrc_status keep_provenance(mrc_volume *vol, char *const *files, size_t count,
                                       int bit_depth, const mrc_contrast_map *map,
                                       struct mrc_error *err) {
    struct mrc_provenance p = {.kind = MRC_SOURCE_PNG, .bit_depth = bit_depth};
    struct mrc_image_info info = {.contrast = contrast_of(files[0], count)};
    info.path = count == 1 ? mrc_strdup(files[0]) : folder_of(files[0]);
    if (info.path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    (void)mrc_contrast_map_apply(map, &info);
    p.contrast = info.contrast;
    mrc_free(info.path);
    remark_on_numbers(p.remark, sizeof p.remark, files, count);
    p.files = mrc_alloc(count, sizeof *p.files);
    for (size_t f = 0; p.files != NULL && f < count; ++f) {
        p.files[f] = mrc_strdup(files[f]);
        if (p.files[f] == NULL) break;
        p.file_count = f + 1;
    }
    if (p.file_count != count) {
        mrc_provenance_clear(&p);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu file names", count);
    }
    mrc_volume_adopt_provenance(vol, &p);
    return MRC_OK;
}

static enum mrc_status load_stack(mrc_volume **out, char *const *files, size_t count,
                                  const struct mrc_image_options *options, struct mrc_error *err) {
    struct mrc_png_facts facts = {0};
    enum mrc_status st = inspect_file(&facts, files[0], err);
    if (st != MRC_OK) return st;
    if (facts.synthetic && !options->allow_synthetic) {
        return mrc_fail(
            err, MRC_ERR_UNSUPPORTED,
            "%s: marked as synthetic, expected an acquired image (--allow-synthetic accepts it)",
            files[0]);
    }
    if (count > MAX_SLICES) {
        return mrc_fail(err, MRC_ERR_RANGE, "%s and others: %zu pictures, expected at most %d",
                        files[0], count, MAX_SLICES);
    }
    struct mrc_extent extent = {facts.columns, facts.rows, (int64_t)count};
    struct mrc_geometry geometry;
    mrc_geometry_init(&geometry);
    mrc_volume *vol = NULL;
    st = mrc_volume_create(&vol, extent, &geometry, err);
    if (st == MRC_OK) st = keep_provenance(vol, files, count, facts.bit_depth, options->map, err);
    for (size_t f = 0; st == MRC_OK && f < count; ++f) {
        float *slice = mrc_volume_voxels(vol) + f * (size_t)(facts.columns * facts.rows);
        st = decode_file(slice, &facts, files[f], err);
    }
    if (st != MRC_OK) {
        mrc_volume_destroy(vol);
        return st;
    }
    *out = vol;
    return MRC_OK;
}

static enum mrc_status png_load(mrc_volume **out, const struct mrc_image_file *const *files,
                                size_t count, const struct mrc_image_options *options,
                                struct mrc_error *err) {
    MRC_ASSERT(count > 0 && options != NULL);
    *out = NULL;
    char **order = ordered(files, count);
    if (order == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu file names", count);
    enum mrc_status st = load_stack(out, order, count, options, err);
    mrc_free(order);
    return st;
}

/* --- describing --- */

/* Headers of all files: the good ones alike make the stack, the rest is refused one by one. */
struct stack_facts {
    struct mrc_png_facts first;
    size_t good;
    bool uneven, synthetic;
};

static enum mrc_status png_read(void **record, size_t *bytes, const char *path,
                                struct mrc_error *err) {
    struct mrc_png_facts *facts = mrc_alloc(1, sizeof *facts);
    if (facts == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    *record = facts;
    *bytes = sizeof *facts;
    return inspect_file(facts, path, err);
}

static bool png_check(const void *record, size_t bytes) {
    static const struct mrc_plain_field fields[] = {
        {MRC_PLAIN_AT(MRC_PLAIN_COUNT, struct mrc_png_facts, columns), .least = 1, .most = 4096},
        {MRC_PLAIN_AT(MRC_PLAIN_COUNT, struct mrc_png_facts, rows), .least = 1, .most = 4096},
        {MRC_PLAIN_AT(MRC_PLAIN_ENUM, struct mrc_png_facts, bit_depth), .most = 16},
        {MRC_PLAIN_AT(MRC_PLAIN_BOOL, struct mrc_png_facts, synthetic)},
    };
    return bytes == sizeof(struct mrc_png_facts) &&
           mrc_plain_check(record, fields, sizeof fields / sizeof *fields);
}

static enum mrc_status look_at_one(struct stack_facts *s, struct mrc_image_list *list,
                                   const struct mrc_image_file *file, struct mrc_error *err) {
    struct mrc_png_facts facts;
    if (file->status != MRC_OK)
        return mrc_image_list_refuse(list, file->path, file->status, err, "%s", file->reason);
    MRC_ASSERT(file->record_bytes == sizeof facts);
    memcpy(&facts, file->record, sizeof facts);
    if (s->good == 0) s->first = facts;
    s->uneven = s->uneven || facts.columns != s->first.columns || facts.rows != s->first.rows ||
                facts.bit_depth != s->first.bit_depth;
    s->synthetic = s->synthetic || facts.synthetic;
    ++s->good;
    return MRC_OK;
}

static void describe(struct mrc_image_info *info, const struct stack_facts *s, const char *path,
                     bool whole) {
    info->kind = MRC_SOURCE_PNG;
    info->contrast = contrast_of(path, s->good);
    info->files = info->slices = (int64_t)s->good;
    info->rows = s->first.rows;
    info->columns = s->first.columns;
    for (int d = 0; d < 3; ++d) info->spacing_mm[d] = 1.0;
    info->orientation = MRC_AXIAL;
    info->physical = false;
    info->synthetic = s->synthetic;
    info->usable = whole && !s->uneven && !s->synthetic;
    info->status = info->usable          ? MRC_OK
                   : whole && !s->uneven ? MRC_ERR_UNSUPPORTED
                                         : MRC_ERR_FORMAT;
    const char *reason = info->contrast != MRC_CONTRAST_UNKNOWN ? "contrast by the folder's name"
                                                                : "the name tells no contrast";
    if (!whole)
        reason = "some pictures of the stack cannot be read";
    else if (s->uneven)
        reason = "the pictures differ in size or depth";
    else if (s->synthetic)
        reason = "marked as synthetic (--allow-synthetic accepts it)";
    (void)snprintf(info->reason, sizeof info->reason, "%s", reason);
}

static enum mrc_status png_scan(struct mrc_image_list *list,
                                const struct mrc_image_file *const *files, size_t count,
                                struct mrc_error *err) {
    struct stack_facts s = {0};
    enum mrc_status st = MRC_OK;
    for (size_t f = 0; st == MRC_OK && f < count; ++f) st = look_at_one(&s, list, files[f], err);
    if (st != MRC_OK || s.good == 0) return st;
    struct mrc_image_info *info = NULL;
    st = mrc_image_list_add(list, &info, err);
    if (st != MRC_OK) return st;
    describe(info, &s, files[0]->path, s.good == count);
    info->path = count == 1 ? mrc_strdup(files[0]->path) : folder_of(files[0]->path);
    if (info->path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    return MRC_OK;
}

const struct mrc_format mrc_format_png = {
    .name = "png",
    .kind = MRC_SOURCE_PNG,
    .probe = png_probe,
    .read = png_read,
    .check = png_check,
    .scan = png_scan,
    .load_apart = true,
    .load = png_load,
};

/* --- writing --- */

static enum mrc_status write_picture(const float *pixels, int64_t columns, int64_t rows,
                                     int bit_depth, const struct mrc_png_text *texts, size_t count,
                                     const char *path, struct mrc_error *err) {
    struct mrc_output out = {0};
    enum mrc_status st = mrc_output_open_file(&out, path, err);
    if (st != MRC_OK) return st;
    st = mrc_png_encode(out.stream, pixels, columns, rows, bit_depth, texts, count, path, err);
    if (st == MRC_OK) st = mrc_output_commit(&out, err);
    mrc_output_discard(&out);
    return st;
}

enum mrc_status mrc_png_write(const float *pixels, int64_t columns, int64_t rows, int bit_depth,
                              const char *path, struct mrc_error *err) {
    return write_picture(pixels, columns, rows, bit_depth, NULL, 0, path, err);
}

static char *slice_path(const char *dir, const struct mrc_provenance *names, int64_t k) {
    if (names != NULL) return mrc_path_join(dir, mrc_path_name(names->files[k]));
    char name[32];
    (void)snprintf(name, sizeof name, "slice_%04lld.png", (long long)k + 1);
    return mrc_path_join(dir, name);
}

enum mrc_status mrc_png_save_derived(const mrc_volume *vol, const mrc_volume *source,
                                     const struct mrc_derivation *derivation, const char *dir,
                                     struct mrc_error *err) {
    struct mrc_extent e = mrc_volume_extent(vol);
    const struct mrc_provenance *p = source != NULL ? mrc_volume_provenance(source) : NULL;
    bool from_png = p != NULL && p->kind == MRC_SOURCE_PNG;
    bool keep = from_png && p->file_count == (size_t)e.k && !derivation->deidentified;
    const struct mrc_provenance *names = keep ? p : NULL;
    int bit_depth = from_png && p->bit_depth == 8 ? 8 : 16;
    char what[128], software[64];
    (void)snprintf(what, sizeof what, "synthetic %s from %s, not acquired, not for diagnosis",
                   mrc_contrast_name(derivation->to), mrc_contrast_name(derivation->from));
    (void)snprintf(software, sizeof software, "mrcycle %.40s", derivation->software_version);
    const char *hash = derivation->model_hash != NULL ? derivation->model_hash : "";
    const struct mrc_png_text texts[] = {{"SyntheticData", "YES"},
                                         {"Description", what},
                                         {"Software", software},
                                         {"ModelHash", hash}};
    enum mrc_status st = MRC_OK;
    for (int64_t k = 0; st == MRC_OK && k < e.k; ++k) {
        char *path = slice_path(dir, names, k);
        if (path == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
        const float *slice = mrc_volume_voxels_const(vol) + k * e.i * e.j;
        if (st == MRC_OK) {
            st = write_picture(slice, e.i, e.j, bit_depth, texts, sizeof texts / sizeof *texts,
                               path, err);
        }
        mrc_free(path);
    }
    return st;
}
