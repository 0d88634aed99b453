/* origin.c: see origin.h. */
#include "app/privacy/origin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "app/common/place.h"
#include "base/alloc.h"
#include "base/fs.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the names of data sets");
}

/* --- an absolute path, of which links below the input stay as they are --- */

/* Where the path's part below an input begins; NULL: it does not lie there. */
static const char *below(const char *path, const char *input) {
    size_t length = strlen(input);
    while (length > 1 && input[length - 1] == '/') --length;
    if (length == 0 || strncmp(path, input, length) != 0) return NULL;
    const char *rest = path + length;
    if (*rest != '\0' && *rest != '/' && rest[-1] != '/') return NULL; /* "s1" is not "s10" */
    if (*rest == '\0') return mrc_path_name(path);
    while (*rest == '/') ++rest;
    return rest;
}

/* *input: the length of the folder it was found in. */
static enum mrc_status make_absolute(char **out, size_t *input, const char *path,
                                     const char *const *inputs, size_t input_count,
                                     struct mrc_error *err) {
    const char *rest = NULL;
    for (size_t i = 0; i < input_count; ++i) {
        const char *found = below(path, inputs[i]);
        if (found != NULL && (rest == NULL || found > rest)) rest = found;
    }
    if (rest == NULL) rest = mrc_path_name(path);
    char *folder = rest > path ? mrc_asprintf("%.*s", (int)(rest - path), path) : mrc_strdup(".");
    char *whole = NULL;
    enum mrc_status st = folder != NULL ? mrc_place_resolve(&whole, folder, err) : no_memory(err);
    if (st == MRC_OK) {
        *input = strlen(whole);
        *out = mrc_path_join(whole, rest);
        if (*out == NULL) st = no_memory(err);
    }
    mrc_free(whole);
    mrc_free(folder);
    return st;
}

/* --- the folder of the data set: so many bytes of the absolute path, without a slash at the end
 * --- */

/* The length of the folder that holds the first `length` bytes; 0 at the root. */
static size_t parent(const char *path, size_t length) {
    while (length > 0 && path[length - 1] != '/') --length;
    while (length > 0 && path[length - 1] == '/') --length;
    return length;
}

static bool is_called(const char *path, size_t length, const char *name) {
    size_t begin = length, size = strlen(name);
    while (begin > 0 && path[begin - 1] != '/') --begin;
    return length - begin == size && strncmp(path + begin, name, size) == 0;
}

static bool is_described(const char *path, size_t length) {
    char *description = mrc_asprintf("%.*s/dataset_description.json", (int)length, path);
    bool is = description != NULL && mrc_path_is_file(description);
    mrc_free(description);
    return is;
}

/* Raw data and what was made of them are of the same people. */
static size_t around_derivatives(const char *path, size_t length) {
    size_t up = parent(path, length);
    if (is_called(path, up, "derivatives")) return parent(path, up);
    bool part = is_called(path, length, "derivatives") || is_called(path, length, "rawdata") ||
                is_called(path, length, "sourcedata");
    return part ? up : length;
}

static size_t find_dataset(const char *path, size_t input) {
    for (size_t at = parent(path, strlen(path)); at > 0; at = parent(path, at))
        if (is_described(path, at)) return around_derivatives(path, at);
    const char *subject = strstr(path, "/sub-");
    return subject != NULL && (size_t)(subject - path) < input ? (size_t)(subject - path) : input;
}

/* --- its name --- */

/* Where the last `names` names of a folder begin. */
static const char *last_names(const char *folder, size_t names) {
    size_t at = strlen(folder);
    for (size_t n = 0; n < names && at > 0; ++n) at = parent(folder, at);
    return folder + at + (folder[at] == '/');
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As many names as tell the folder from all others, which are sorted and differ. */
static const char *name_of(const char *folder, char *const *all, size_t count) {
    const char *name = folder;
    for (size_t names = 1; name != last_names(folder, names) || names == 1; ++names) {
        name = last_names(folder, names);
        bool shared = false;
        for (size_t i = 0; i < count && !shared; ++i)
            shared = strcmp(all[i], folder) != 0 && strcmp(last_names(all[i], names), name) == 0;
        if (!shared) break;
    }
    return name;
}

/* Folders become names. */
static enum mrc_status name_all(struct mrc_origin *origins, size_t count, struct mrc_error *err) {
    size_t folders = 0;
    char **all = mrc_alloc(count + 1, sizeof *all), **names = mrc_alloc(count + 1, sizeof *names);
    enum mrc_status st = all != NULL && names != NULL ? MRC_OK : no_memory(err);
    for (size_t i = 0; st == MRC_OK && i < count; ++i) all[i] = origins[i].dataset;
    if (st == MRC_OK && count > 1) qsort(all, count, sizeof *all, by_text);
    for (size_t i = 0; st == MRC_OK && i < count; ++i)
        if (folders == 0 || strcmp(all[folders - 1], all[i]) != 0) all[folders++] = all[i];
    for (size_t i = 0; st == MRC_OK && i < count; ++i) {
        bool same = i > 0 && strcmp(origins[i].dataset, origins[i - 1].dataset) == 0;
        names[i] = mrc_strdup(same ? names[i - 1] : name_of(origins[i].dataset, all, folders));
        if (names[i] == NULL) st = no_memory(err);
    }
    for (size_t i = 0; names != NULL && i < count; ++i) {
        if (st == MRC_OK) {
            mrc_free(origins[i].dataset);
            origins[i].dataset = names[i];
        } else {
            mrc_free(names[i]);
        }
    }
    mrc_free(names);
    mrc_free(all);
    return st;
}

enum mrc_status mrc_origins_find(struct mrc_origin *out, const char *const *paths, size_t count,
                                 const char *const *inputs, size_t input_count,
                                 struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < count; ++i) {
        char *path = NULL;
        size_t input = 0;
        st = make_absolute(&path, &input, paths[i], inputs, input_count, err);
        if (st != MRC_OK) break;
        size_t length = find_dataset(path, input);
        out[i].dataset = mrc_asprintf("%.*s", (int)length, path);
        out[i].path = mrc_strdup(path + length + strspn(path + length, "/"));
        if (out[i].dataset == NULL || out[i].path == NULL) st = no_memory(err);
        mrc_free(path);
    }
    return st == MRC_OK ? name_all(out, count, err) : st;
}

void mrc_origins_clear(struct mrc_origin *origins, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        mrc_free(origins[i].dataset);
        mrc_free(origins[i].path);
        origins[i] = (struct mrc_origin){0};
    }
}
