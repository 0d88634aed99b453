/* image.c: the table of formats, and which files of a folder go to which. Files are told apart by
 * content. */
#include "io/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"

enum { HEAD_BYTES = 4096, MAX_FILES = 50000 };

static const struct mrc_format *const formats[] = {&mrc_format_dicom, &mrc_format_nifti,
                                                   &mrc_format_png};
enum { FORMATS = sizeof formats / sizeof *formats };

/* --- lists --- */

enum mrc_status mrc_image_list_add(struct mrc_image_list *list, struct mrc_image_info **item,
                                   struct mrc_error *err) {
    void *items = list->items;
    *item = NULL;
    if (!mrc_grow(&items, &list->capacity, list->count + 1, sizeof *list->items))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu images", list->count + 1);
    list->items = items;
    *item = &list->items[list->count++];
    **item = (struct mrc_image_info){0};
    return MRC_OK;
}

enum mrc_status mrc_image_list_refuse(struct mrc_image_list *list, const char *path,
                                      struct mrc_error *err, const char *fmt, ...) {
    void *refused = list->refused;
    char *copy = mrc_strdup(path);
    if (copy == NULL || !mrc_grow(&refused, &list->refused_capacity, list->refused_count + 1,
                                  sizeof *list->refused)) {
        mrc_free(copy);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu refusals",
                        list->refused_count + 1);
    }
    list->refused = refused;
    struct mrc_image_refusal *r = &list->refused[list->refused_count++];
    r->path = copy;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->reason, sizeof r->reason, fmt, args);
    va_end(args);
    return MRC_OK;
}

void mrc_image_list_clear(struct mrc_image_list *list) {
    for (size_t i = 0; i < list->count; ++i) mrc_free(list->items[i].path);
    for (size_t r = 0; r < list->refused_count; ++r) mrc_free(list->refused[r].path);
    mrc_free(list->items);
    mrc_free(list->refused);
    *list = (struct mrc_image_list){0};
}

/* --- which file is what --- */

/* The format that claims the file, or NULL. */
static enum mrc_status probe_file(const struct mrc_format **out, const char *path,
                                  struct mrc_error *err) {
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    *out = NULL;
    enum mrc_status st = mrc_read_head(head, sizeof head, &size, path, err);
    struct mrc_probe file = {.path = path, .head = head, .head_bytes = size};
    for (size_t f = 0; st == MRC_OK && *out == NULL && f < FORMATS; ++f) {
        if (formats[f]->probe(&file)) *out = formats[f];
    }
    return st;
}

struct found_file {
    char *path;                      /* the list's */
    const struct mrc_format *format; /* NULL: nobody's */
    bool unreadable;
};
/* All files below one path, folder by folder. */
struct finds {
    struct mrc_name_list names;
    struct found_file *files;
    size_t count;
};

static size_t folder_length(const char *path) {
    return (size_t)(mrc_path_name(path) - path);
}

static bool same_folder(const char *a, const char *b) {
    size_t length = folder_length(a);
    return length == folder_length(b) && memcmp(a, b, length) == 0;
}

/* By folder, then by name: a folder's files stand together, which they do not by plain bytes. */
static int by_folder(const void *a, const void *b) {
    const char *x = ((const struct found_file *)a)->path, *y = ((const struct found_file *)b)->path;
    size_t nx = folder_length(x), ny = folder_length(y);
    int order = memcmp(x, y, nx < ny ? nx : ny);
    if (order != 0) return order;
    if (nx != ny) return nx < ny ? -1 : 1;
    return strcmp(x, y);
}

static void finds_clear(struct finds *f) {
    mrc_free(f->files);
    mrc_name_list_clear(&f->names);
    *f = (struct finds){0};
}

static enum mrc_status finds_probe(struct finds *f, const char *path, struct mrc_error *err) {
    f->files = mrc_alloc(f->names.count, sizeof *f->files);
    if (f->files == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %zu files", path,
                        f->names.count);
    f->count = f->names.count;
    for (size_t i = 0; i < f->count; ++i) {
        f->files[i].path = f->names.names[i];
        enum mrc_status st = probe_file(&f->files[i].format, f->files[i].path, NULL);
        if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s: out of memory", path);
        f->files[i].unreadable = st != MRC_OK;
    }
    if (f->count > 1) qsort(f->files, f->count, sizeof *f->files, by_folder);
    return MRC_OK;
}

/* Lists and probes everything below a folder. */
static enum mrc_status finds_below(struct finds *f, const char *dir, struct mrc_error *err) {
    *f = (struct finds){0};
    enum mrc_status st = mrc_list_tree(&f->names, dir, MAX_FILES, err);
    if (st == MRC_OK) st = finds_probe(f, dir, err);
    if (st != MRC_OK) finds_clear(f);
    return st;
}

/* Lists and probes the files beside a file, its folder's subfolders not. */
static enum mrc_status finds_beside(struct finds *f, const char *path, struct mrc_error *err) {
    *f = (struct finds){0};
    size_t length = folder_length(path);
    char *dir = length > 0 ? mrc_asprintf("%.*s", (int)length, path) : mrc_strdup(".");
    if (dir == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    enum mrc_status st = mrc_list_dir(&f->names, dir, err);
    for (size_t i = 0; st == MRC_OK && i < f->names.count; ++i) {
        char *joined = mrc_asprintf("%.*s%s", (int)length, path, f->names.names[i]);
        if (joined == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
        if (joined == NULL) break;
        mrc_free(f->names.names[i]);
        f->names.names[i] = joined;
    }
    if (st == MRC_OK) st = finds_probe(f, dir, err);
    mrc_free(dir);
    if (st != MRC_OK) finds_clear(f);
    return st;
}

/* The paths of one format among files begin … end-1; *count says how many. The array is the
 * caller's. */
static char **select_format(size_t *count, const struct finds *f, size_t begin, size_t end,
                            const struct mrc_format *format) {
    char **paths = mrc_alloc(end - begin, sizeof *paths);
    *count = 0;
    for (size_t i = begin; paths != NULL && i < end; ++i) {
        if (f->files[i].format == format) paths[(*count)++] = f->files[i].path;
    }
    return paths;
}

static size_t count_format(const struct finds *f, const struct mrc_format *format) {
    size_t count = 0;
    for (size_t i = 0; i < f->count; ++i) count += f->files[i].format == format;
    return count;
}

/* --- describing --- */

static bool is_side_file(const char *path) {
    static const char *const endings[] = {".json", ".tsv",  ".csv",  ".txt", ".md",
                                          ".bval", ".bvec", ".html", ".pdf", "DICOMDIR"};
    if (mrc_path_name(path)[0] == '.') return true;
    for (size_t e = 0; e < sizeof endings / sizeof *endings; ++e) {
        if (mrc_path_has_suffix(path, endings[e])) return true;
    }
    return false;
}

/* One line for all files of a folder that nobody claims; what usually lies beside images is passed
 * over. */
static enum mrc_status refuse_strangers(struct mrc_image_list *list, const struct finds *f,
                                        size_t begin, size_t end, struct mrc_error *err) {
    size_t strangers = 0, first = 0;
    for (size_t i = begin; i < end; ++i) {
        const struct found_file *file = &f->files[i];
        if (file->format != NULL) continue;
        if (file->unreadable) {
            enum mrc_status st = mrc_image_list_refuse(list, file->path, err, "cannot be read");
            if (st != MRC_OK) return st;
        } else if (!is_side_file(file->path)) {
            if (strangers++ == 0) first = i;
        }
    }
    if (strangers == 0) return MRC_OK;
    const char *path = f->files[first].path;
    if (strangers == 1)
        return mrc_image_list_refuse(list, path, err, "not a DICOM, NIfTI or PNG image");
    return mrc_image_list_refuse(list, path, err,
                                 "not a DICOM, NIfTI or PNG image, and %zu more in its folder",
                                 strangers - 1);
}

static enum mrc_status scan_folder(struct mrc_image_list *list, const struct finds *f, size_t begin,
                                   size_t end, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t k = 0; st == MRC_OK && k < FORMATS; ++k) {
        size_t count = 0;
        char **paths = select_format(&count, f, begin, end, formats[k]);
        if (paths == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
        if (st == MRC_OK && count > 0) st = formats[k]->scan(list, paths, count, err);
        mrc_free(paths);
    }
    if (st == MRC_OK) st = refuse_strangers(list, f, begin, end, err);
    return st;
}

static enum mrc_status scan_finds(struct mrc_image_list *list, const struct finds *f,
                                  struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t begin = 0; st == MRC_OK && begin < f->count;) {
        size_t end = begin + 1;
        while (end < f->count && same_folder(f->files[begin].path, f->files[end].path)) ++end;
        st = scan_folder(list, f, begin, end, err);
        begin = end;
    }
    return st;
}

enum mrc_status mrc_image_list_scan(struct mrc_image_list *list, const char *path,
                                    struct mrc_error *err) {
    if (mrc_path_is_dir(path)) {
        struct finds f;
        enum mrc_status st = finds_below(&f, path, err);
        if (st == MRC_OK) st = scan_finds(list, &f, err);
        finds_clear(&f);
        return st;
    }
    const struct mrc_format *format = NULL;
    enum mrc_status st = probe_file(&format, path, err);
    if (st != MRC_OK) return st;
    if (format == NULL)
        return mrc_image_list_refuse(list, path, err, "not a DICOM, NIfTI or PNG image");
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    st = format->scan(list, &copy, 1, err);
    mrc_free(copy);
    return st;
}

/* --- loading --- */

static enum mrc_status load_files(mrc_volume **out, const struct mrc_format *format,
                                  const struct finds *f, const struct mrc_image_options *options,
                                  struct mrc_error *err) {
    size_t count = 0;
    char **paths = select_format(&count, f, 0, f->count, format);
    if (paths == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
    enum mrc_status st = format->load(out, paths, count, options, err);
    MRC_ASSERT(st == MRC_OK ? *out != NULL : *out == NULL);
    mrc_free(paths);
    return st;
}

static enum mrc_status load_file(mrc_volume **out, const char *path,
                                 const struct mrc_image_options *options, struct mrc_error *err) {
    const struct mrc_format *format = NULL;
    enum mrc_status st = probe_file(&format, path, err);
    if (st != MRC_OK) return st;
    if (format == NULL)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: not a DICOM, NIfTI or PNG image", path);
    if (format->kind == MRC_SOURCE_DICOM) { /* one file of a series: the series */
        struct finds f;
        struct mrc_image_options its_series = *options;
        its_series.member = path;
        st = finds_beside(&f, path, err);
        if (st == MRC_OK) st = load_files(out, format, &f, &its_series, err);
        finds_clear(&f);
        return st;
    }
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    st = format->load(out, &copy, 1, options, err);
    mrc_free(copy);
    return st;
}

/* A tree of NIfTI files: the one that can be used. */
static enum mrc_status load_only_usable(mrc_volume **out, const struct finds *f, const char *dir,
                                        const struct mrc_image_options *options,
                                        struct mrc_error *err) {
    struct mrc_image_list list = {0};
    enum mrc_status st = scan_finds(&list, f, err);
    size_t usable = 0, last = 0;
    for (size_t i = 0; i < list.count; ++i) {
        if (!list.items[i].usable) continue;
        ++usable;
        last = i;
    }
    if (st == MRC_OK && usable == 0 && list.count + list.refused_count == 1) {
        const char *path = list.count == 1 ? list.items[0].path : list.refused[0].path;
        st = load_file(out, path, options, err); /* it says what is wrong, or options allow it */
    } else if (st == MRC_OK && usable == 0) {
        bool refused = list.count == 0;
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: none of %zu NIfTI files can be used (the first: %s)", dir,
                      list.count + list.refused_count,
                      refused ? list.refused[0].reason : list.items[0].reason);
    } else if (st == MRC_OK && usable > 1) {
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: holds %zu NIfTI images, expected the path of one", dir, usable);
    } else if (st == MRC_OK) {
        st = load_file(out, list.items[last].path, options, err);
    }
    mrc_image_list_clear(&list);
    return st;
}

static enum mrc_status check_one_folder(const struct finds *f, const struct mrc_format *format,
                                        const char *dir, struct mrc_error *err) {
    const char *seen = NULL;
    size_t folders = 0;
    for (size_t i = 0; i < f->count; ++i) {
        if (f->files[i].format != format) continue;
        if (seen == NULL || !same_folder(seen, f->files[i].path)) ++folders;
        seen = f->files[i].path;
    }
    if (folders <= 1) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: holds pictures in %zu folders, expected the path of one", dir, folders);
}

/* The one format found in a folder, or a line about what is there instead. */
static enum mrc_status only_format(const struct mrc_format **out, const struct finds *f,
                                   const char *dir, struct mrc_error *err) {
    *out = NULL;
    if (f->count == 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: an empty folder, expected images", dir);
    for (size_t k = 0; k < FORMATS; ++k) {
        size_t count = count_format(f, formats[k]);
        if (count == 0) continue;
        if (*out != NULL) {
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: holds %zu %s and %zu %s files, expected one kind", dir,
                            count_format(f, *out), (*out)->name, count, formats[k]->name);
        }
        *out = formats[k];
    }
    if (*out != NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: none of %zu files is a DICOM, NIfTI or PNG image (the first: %s)", dir,
                    f->count, mrc_path_name(f->files[0].path));
}

static enum mrc_status load_folder(mrc_volume **out, const char *dir,
                                   const struct mrc_image_options *options, struct mrc_error *err) {
    struct finds f;
    const struct mrc_format *format = NULL;
    enum mrc_status st = finds_below(&f, dir, err);
    if (st == MRC_OK) st = only_format(&format, &f, dir, err);
    if (st == MRC_OK && format->kind == MRC_SOURCE_PNG) st = check_one_folder(&f, format, dir, err);
    if (st == MRC_OK) {
        st = format->kind == MRC_SOURCE_NIFTI ? load_only_usable(out, &f, dir, options, err)
                                              : load_files(out, format, &f, options, err);
    }
    finds_clear(&f);
    return st;
}

enum mrc_status mrc_image_load(mrc_volume **out, const char *path,
                               const struct mrc_image_options *options, struct mrc_error *err) {
    static const struct mrc_image_options defaults = MRC_IMAGE_DEFAULTS;
    if (options == NULL) options = &defaults;
    *out = NULL;
    return mrc_path_is_dir(path) ? load_folder(out, path, options, err)
                                 : load_file(out, path, options, err);
}
