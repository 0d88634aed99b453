/* library.c: finding and reading label maps. */
#include "app/heads/library.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "base/text.h"

enum { MOST_FILES = 100000 };
static const size_t LARGEST_FILE = (size_t)1 << 30;

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for label maps");
}

static enum mrc_status add(struct mrc_sim_library *l, const char *path, struct mrc_error *err) {
    void *paths = l->paths;
    char *copy = mrc_strdup(path);
    if (copy == NULL || !mrc_grow(&paths, &l->capacity, l->count + 1, sizeof *l->paths)) {
        mrc_free(copy);
        return no_memory(err);
    }
    l->paths = paths;
    l->paths[l->count++] = copy;
    return MRC_OK;
}

static bool is_volume(const char *path) {
    return mrc_path_has_suffix(path, ".nii.gz") || mrc_path_has_suffix(path, ".nii");
}

/* "phantom" is eight generated heads, "phantom:5" the one of seed 5. */
static const char generated[] = "phantom";

static bool is_generated(const char *path) {
    const size_t length = sizeof generated - 1;
    return strncmp(path, generated, length) == 0 && (path[length] == '\0' || path[length] == ':') &&
           !mrc_path_exists(path);
}

static enum mrc_status seed_of(uint64_t *seed, const char *path, struct mrc_error *err) {
    int64_t number = 0;
    if (mrc_parse_i64(&number, path + sizeof generated, 0, INT64_MAX) != MRC_OK)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: no seed, expected phantom or phantom:NUMBER",
                        path);
    *seed = (uint64_t)number;
    return MRC_OK;
}

static enum mrc_status add_generated(struct mrc_sim_library *l, const char *path,
                                     struct mrc_error *err) {
    enum { HEADS = 8 };
    uint64_t seed;
    char name[24];
    enum mrc_status st = MRC_OK;
    if (path[sizeof generated - 1] == ':') {
        st = seed_of(&seed, path, err);
        return st == MRC_OK ? add(l, path, err) : st;
    }
    for (int n = 1; n <= HEADS && st == MRC_OK; ++n) {
        (void)snprintf(name, sizeof name, "%s:%d", generated, n);
        st = add(l, name, err);
    }
    return st;
}

static enum mrc_status add_all(struct mrc_sim_library *l, const char *path, struct mrc_error *err) {
    struct mrc_name_list files = {0};
    if (is_generated(path)) return add_generated(l, path, err);
    if (!mrc_path_exists(path))
        return mrc_fail(err, MRC_ERR_IO, "%s: not there, expected a label map or a folder of them",
                        path);
    if (!mrc_path_is_dir(path)) return add(l, path, err);
    const size_t before = l->count;
    enum mrc_status st = mrc_list_tree(&files, path, MOST_FILES, err);
    for (size_t f = 0; st == MRC_OK && f < files.count; ++f)
        if (is_volume(files.names[f])) st = add(l, files.names[f], err);
    mrc_name_list_clear(&files);
    if (st == MRC_OK && l->count == before)
        st = mrc_fail(err, MRC_ERR_IO, "%s: no NIfTI file in it, expected label maps", path);
    return st;
}

enum mrc_status mrc_sim_library_open(struct mrc_sim_library *out, const char *const *paths,
                                     size_t count, const char *table, struct mrc_error *err) {
    enum { MOST_MAPS = 1000 };
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_sim_library){.paths = NULL};
    mrc_sim_normals_init(&out->normals);
    if (table != NULL) {
        st = mrc_sim_table_load(&out->table, table, err);
        out->has_table = true;
    }
    for (size_t p = 0; st == MRC_OK && p < count; ++p) st = add_all(out, paths[p], err);
    if (st == MRC_OK && out->count > MOST_MAPS)
        st = mrc_fail(err, MRC_ERR_RANGE, "%zu label maps, expected at most %d", out->count,
                      (int)MOST_MAPS);
    if (st != MRC_OK) return st;
    out->map = mrc_alloc(out->count, sizeof *out->map);
    return out->map != NULL ? MRC_OK : no_memory(err);
}

void mrc_sim_library_clear(struct mrc_sim_library *l) {
    for (size_t m = 0; m < l->count; ++m) {
        if (l->map != NULL) mrc_sim_map_destroy(l->map[m]);
        mrc_free(l->paths[m]);
    }
    mrc_free(l->paths);
    mrc_free(l->map);
    mrc_sim_table_clear(&l->table);
    *l = (struct mrc_sim_library){.paths = NULL};
}

size_t mrc_sim_library_choose(const struct mrc_sim_library *library, uint64_t seed,
                              uint64_t number) {
    enum { MAP = 16 }; /* beside the parts of a head */
    struct mrc_rng rng = mrc_rng_for(seed, MAP, number, MRC_FOR_SIMULATE);
    return (size_t)mrc_rng_below(&rng, library->count);
}

struct reading {
    struct mrc_sim_library *library;
    const bool *wanted;
    struct mrc_error *errors;
    enum mrc_status *status;
};

static enum mrc_status read_one(struct mrc_sim_map **out, const struct mrc_sim_library *l,
                                const char *path, struct mrc_error *err) {
    uint64_t seed = 0;
    if (!is_generated(path))
        return mrc_sim_map_load(out, path, l->has_table ? &l->table : NULL, err);
    enum mrc_status st = seed_of(&seed, path, err);
    return st == MRC_OK ? mrc_sim_map_generate(out, seed, err) : st;
}

static void read_maps(void *context, size_t begin, size_t end, int lane) {
    const struct reading *r = context;
    (void)lane;
    for (size_t m = begin; m < end; ++m) {
        struct mrc_sim_library *l = r->library;
        if (!r->wanted[m] || l->map[m] != NULL) continue;
        r->status[m] = read_one(&l->map[m], l, l->paths[m], &r->errors[m]);
    }
}

enum mrc_status mrc_sim_library_read(struct mrc_sim_library *l, const bool *wanted,
                                     struct mrc_error *err) {
    struct reading r = {.library = l, .wanted = wanted};
    enum mrc_status st = MRC_OK;
    r.errors = mrc_alloc(l->count, sizeof *r.errors);
    r.status = mrc_alloc(l->count, sizeof *r.status);
    if (r.errors == NULL || r.status == NULL) {
        mrc_free(r.errors);
        mrc_free(r.status);
        return no_memory(err);
    }
    mrc_parallel_for(l->count, 1, read_maps, &r);
    for (size_t m = 0; st == MRC_OK && m < l->count; ++m)
        if (r.errors[m].code != MRC_OK)
            st = mrc_fail(err, r.errors[m].code, "%s", r.errors[m].text);
    mrc_free(r.errors);
    mrc_free(r.status);
    return st;
}

static enum mrc_status add_file(mrc_hash *hash, const char *path, struct mrc_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    if (is_generated(path)) {
        mrc_hash_add_text(hash, path);
        return MRC_OK;
    }
    enum mrc_status st = mrc_read_file(&bytes, &size, path, LARGEST_FILE, err);
    if (st == MRC_OK) mrc_hash_add(hash, bytes, size);
    mrc_free(bytes);
    return st;
}

enum mrc_status mrc_sim_library_digest(char out[MRC_HASH_TEXT], const struct mrc_sim_library *l,
                                       struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    enum mrc_status st = mrc_hash_create(&hash, err);
    for (size_t m = 0; st == MRC_OK && m < l->count; ++m) st = add_file(hash, l->paths[m], err);
    for (size_t r = 0; st == MRC_OK && r < l->table.count; ++r)
        mrc_hash_add(hash, &l->table.rows[r], sizeof l->table.rows[r]);
    if (st == MRC_OK) {
        mrc_hash_finish(hash, digest);
        mrc_hash_print(out, digest);
    }
    mrc_hash_destroy(hash);
    return st;
}
