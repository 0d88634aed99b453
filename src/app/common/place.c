/* place.c: checks of output paths. They come early, for the sake of the user's time; the renaming
 * in base/fs.c is what guarantees that nothing is left half-written. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "app/common/place.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/image.h"
#include "model/files/checkpoint.h"
#include "model/files/onnx.h"

enum { MAX_TEXT_BYTES = 1 << 24, MAX_FILES = 1000000 };

/* Without slashes at the end, but for "/" itself. */
static size_t length_without_slashes(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') --length;
    return length;
}

/* Parent of a path as written: "a/b/" -> "a", "a" -> ".", "/a" -> "/". */
static enum mrc_status parent_of(char **out, const char *path, struct mrc_error *err) {
    size_t length = length_without_slashes(path);
    while (length > 0 && path[length - 1] != '/') --length;
    while (length > 1 && path[length - 1] == '/') --length;
    *out = length == 0 ? mrc_strdup(".") : mrc_asprintf("%.*s", (int)length, path);
    return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
}

enum mrc_status mrc_place_resolve(char **out, const char *path, struct mrc_error *err) {
    char resolved[PATH_MAX];
    if (strlen(path) >= PATH_MAX)
        return mrc_fail(err, MRC_ERR_RANGE,
                        "%.80s...: a path of %zu characters, expected at most %d", path,
                        strlen(path), PATH_MAX - 1);
    if (realpath(path, resolved) != NULL) {
        *out = mrc_strdup(resolved);
        return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    char *parent = NULL, *above = NULL;
    enum mrc_status status = parent_of(&parent, path, err);
    if (status == MRC_OK && strcmp(parent, path) == 0)
        status = mrc_fail(err, MRC_ERR_IO, "%s: cannot be resolved", path);
    if (status == MRC_OK) status = mrc_place_resolve(&above, parent, err);
    if (status == MRC_OK) {
        size_t end = length_without_slashes(path), begin = end;
        while (begin > 0 && path[begin - 1] != '/') --begin;
        const char *slash = strcmp(above, "/") == 0 ? "" : "/";
        *out = mrc_asprintf("%s%s%.*s", above, slash, (int)(end - begin), path + begin);
        if (*out == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    mrc_free(above);
    mrc_free(parent);
    return status;
}

enum mrc_status mrc_place_is_inside(bool *inside, const char *inner, const char *outer,
                                    struct mrc_error *err) {
    char *a = NULL, *b = NULL;
    enum mrc_status status = mrc_place_resolve(&a, inner, err);
    if (status == MRC_OK) status = mrc_place_resolve(&b, outer, err);
    if (status == MRC_OK) {
        size_t length = strlen(b);
        bool begins = strncmp(a, b, length) == 0;
        *inside = begins && (a[length] == '\0' || a[length] == '/' || strcmp(b, "/") == 0);
    }
    mrc_free(b);
    mrc_free(a);
    return status;
}

enum mrc_status mrc_place_keep_input(const char *output, const char *input, struct mrc_error *err) {
    bool inside = false;
    enum mrc_status status = mrc_place_is_inside(&inside, input, output, err);
    if (status != MRC_OK || !inside) return status;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: is or holds the input %s, expected another place",
                    output, input);
}

enum mrc_status mrc_place_check_file(const char *path, bool replace, struct mrc_error *err) {
    if (!mrc_path_exists(path)) return MRC_OK;
    if (mrc_path_is_dir(path))
        return mrc_fail(err, MRC_ERR_WRITE, "%s: is a folder, expected the name of a file", path);
    if (replace) return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE,
                    "%s: exists already, expected a new name (--replace replaces it)", path);
}

/* The first entry of a folder that is not a file of one of the suffixes; NULL when there is none.
 */
static enum mrc_status find_stranger(char **out, const char *path, const struct mrc_name_list *list,
                                     const char *const *suffixes, struct mrc_error *err) {
    for (size_t i = 0; i < list->count; ++i) {
        bool known = false;
        for (const char *const *s = suffixes; *s != NULL; ++s)
            known = known || mrc_path_has_suffix(list->names[i], *s);
        char *entry = mrc_path_join(path, list->names[i]);
        if (entry == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
        if (!known || mrc_path_is_dir(entry)) {
            *out = entry;
            return MRC_OK;
        }
        mrc_free(entry);
    }
    return MRC_OK;
}

/* What holds for both kinds of folder; *settled: nothing more needs to be asked. */
static enum mrc_status check_folder(bool *settled, struct mrc_name_list *list, const char *path,
                                    bool replace, struct mrc_error *err) {
    *settled = true;
    if (!mrc_path_exists(path)) return MRC_OK;
    if (!mrc_path_is_dir(path))
        return mrc_fail(err, MRC_ERR_WRITE, "%s: is a file, expected the name of a folder", path);
    enum mrc_status status = mrc_list_dir(list, path, err);
    if (status != MRC_OK || list->count == 0) return status;
    if (!replace)
        return mrc_fail(err, MRC_ERR_WRITE,
                        "%s: exists already and holds %zu entries, expected a new or empty folder "
                        "(--replace replaces it)",
                        path, list->count);
    *settled = false;
    return MRC_OK;
}

enum mrc_status mrc_place_check_folder(const char *path, bool replace, const char *const *suffixes,
                                       struct mrc_error *err) {
    struct mrc_name_list list = {0};
    char *stranger = NULL;
    bool settled;
    enum mrc_status status = check_folder(&settled, &list, path, replace, err);
    if (status == MRC_OK && !settled) status = find_stranger(&stranger, path, &list, suffixes, err);
    if (status == MRC_OK && stranger != NULL)
        status = mrc_fail(err, MRC_ERR_WRITE,
                          "%s: is not replaced, for it holds %s, expected images only", path,
                          mrc_path_name(stranger));
    mrc_free(stranger);
    mrc_name_list_clear(&list);
    return status;
}

static bool file_says(const char *dir, const char *name, const char *words) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = mrc_path_join(dir, name);
    bool says = path != NULL && mrc_read_file(&text, &size, path, MAX_TEXT_BYTES, NULL) == MRC_OK &&
                strstr((const char *)text, words) != NULL;
    mrc_free(text);
    mrc_free(path);
    return says;
}

static bool fits(const char *const *patterns, const char *path) {
    for (const char *const *p = patterns; *p != NULL; ++p)
        if (fnmatch(*p, path, FNM_PATHNAME) == 0) return true;
    return false;
}

/* What is there is a folder with something inside, and to be replaced. */
static enum mrc_status check_kind(const char *path, const struct mrc_place_kind *kind,
                                  struct mrc_error *err) {
    if (!file_says(path, kind->mark, kind->words))
        return mrc_fail(err, MRC_ERR_WRITE,
                        "%s: is not replaced, for it holds no %s of this program", path,
                        kind->mark);
    struct mrc_name_list files = {0};
    size_t begin = length_without_slashes(path);
    enum mrc_status status = mrc_list_tree(&files, path, MAX_FILES, err);
    for (size_t i = 0; status == MRC_OK && i < files.count; ++i) {
        const char *below = files.names[i] + begin;
        while (*below == '/') ++below;
        if (!fits(kind->patterns, below))
            status = mrc_fail(err, MRC_ERR_WRITE,
                              "%s: is not replaced, for it holds %s, which is none of its own",
                              path, below);
    }
    mrc_name_list_clear(&files);
    return status;
}

enum mrc_status mrc_place_check_kind(const char *path, bool replace,
                                     const struct mrc_place_kind *kind, struct mrc_error *err) {
    struct mrc_name_list list = {0};
    bool settled;
    enum mrc_status status = check_folder(&settled, &list, path, replace, err);
    mrc_name_list_clear(&list);
    return status == MRC_OK && !settled ? check_kind(path, kind, err) : status;
}

static enum mrc_status fail_kept(const char *path, const char *what, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_WRITE, "%s: is not replaced, for it is no %s of this program",
                    path, what);
}

enum mrc_status mrc_place_check_sheet(const char *path, bool replace, struct mrc_error *err) {
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    enum { COLOUR_TYPE_AT = 25, COLOURS = 2 }; /* PNG (third edition), 11.2.1 */
    unsigned char head[COLOUR_TYPE_AT + 1];
    size_t size = 0;
    enum mrc_status status = mrc_place_check_file(path, replace, err);
    if (status != MRC_OK || !mrc_path_exists(path)) return status;
    status = mrc_read_head(head, sizeof head, &size, path, err);
    if (status != MRC_OK) return status;
    bool colour = size == sizeof head && memcmp(head, signature, sizeof signature) == 0 &&
                  (head[COLOUR_TYPE_AT] & COLOURS) != 0;
    return colour ? MRC_OK : fail_kept(path, "sheet", err);
}

static bool is_own_onnx(const char *path) {
    unsigned char head[16];
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(head, 1, sizeof head, file) : 0;
    if (file != NULL) fclose(file);
    return mrc_onnx_is_ours(head, size);
}

enum mrc_status mrc_place_check_model(const char *path, bool replace, struct mrc_error *err) {
    struct mrc_checkpoint_info info = {0};
    enum mrc_status status = mrc_place_check_file(path, replace, err);
    if (status != MRC_OK || !mrc_path_exists(path)) return status;
    if (is_own_onnx(path)) return MRC_OK;
    status = mrc_checkpoint_describe(&info, path, NULL);
    return status == MRC_OK ? MRC_OK : fail_kept(path, "model", err);
}

/* A DICOM series may be marked by a scanner that derived it; ours names its maker. */
static bool is_own_image(const struct mrc_image_list *list) {
    if (list->count != 1 || list->refused_count != 0 || !list->items[0].synthetic) return false;
    return list->items[0].kind != MRC_SOURCE_DICOM ||
           strcmp(list->items[0].manufacturer, "mrcycle") == 0;
}

static bool is_own_sidecar(const char *path) {
    unsigned char *text = NULL;
    size_t size = 0;
    bool own = mrc_read_file(&text, &size, path, MAX_TEXT_BYTES, NULL) == MRC_OK &&
               strstr((const char *)text, "\"SyntheticData\"") != NULL;
    mrc_free(text);
    return own;
}

static enum mrc_status fail_strange(const char *path, const char *whole, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_WRITE,
                    "%s: is not replaced, for %s does not say that it was computed by this program",
                    whole, strcmp(path, whole) == 0 ? "it" : mrc_path_name(path));
}

/* context: the path of all that would be replaced. */
static enum mrc_status check_own_image(void *context, const char *path,
                                       const struct mrc_image_list *list, struct mrc_error *err) {
    return is_own_image(list) ? MRC_OK : fail_strange(path, context, err);
}

/* Is each of the files, which are `whole` or lie in it, this program's? */
static enum mrc_status check_own_files(char *const *paths, size_t count, char *whole,
                                       struct mrc_error *err) {
    size_t images = 0;
    char **image_paths = mrc_alloc(count, sizeof *image_paths);
    if (image_paths == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", whole);
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < count; ++i) {
        if (!mrc_path_has_suffix(paths[i], ".json"))
            image_paths[images++] = paths[i];
        else if (!is_own_sidecar(paths[i]))
            status = fail_strange(paths[i], whole, err);
    }
    if (status == MRC_OK)
        status = mrc_image_scan_each(image_paths, images, check_own_image, whole, err);
    mrc_free(image_paths);
    return status;
}

static enum mrc_status check_own_folder(char *dir, struct mrc_error *err) {
    struct mrc_name_list entries = {0};
    enum mrc_status status = mrc_list_dir(&entries, dir, err);
    for (size_t i = 0; status == MRC_OK && i < entries.count; ++i) {
        char *path = mrc_path_join(dir, entries.names[i]);
        if (path == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", dir);
        mrc_free(entries.names[i]);
        entries.names[i] = path;
    }
    if (status == MRC_OK) status = check_own_files(entries.names, entries.count, dir, err);
    mrc_name_list_clear(&entries);
    return status;
}

enum mrc_status mrc_place_check_replaced(const char *path, struct mrc_error *err) {
    if (!mrc_path_exists(path)) return MRC_OK;
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    enum mrc_status status =
        mrc_path_is_dir(path) ? check_own_folder(copy, err) : check_own_files(&copy, 1, copy, err);
    mrc_free(copy);
    return status;
}

enum mrc_status mrc_place_make_parent(const char *path, struct mrc_error *err) {
    char *parent = NULL;
    enum mrc_status status = parent_of(&parent, path, err);
    if (status == MRC_OK) status = mrc_make_dirs(parent, err);
    mrc_free(parent);
    return status;
}
