/* image.c: the table of formats, and which files of a folder go to which. Files are told apart by
 * content. */
#include "io/image.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "io/apart.h"
#include "io/contrast_map.h"
#include "io/finds.h"

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
                                      enum mrc_status why, struct mrc_error *err, const char *fmt,
                                      ...) {
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
    r->status = why;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->reason, sizeof r->reason, fmt, args);
    va_end(args);
    return MRC_OK;
}

void mrc_image_list_clear(struct mrc_image_list *list) {
    for (size_t i = 0; i < list->count; ++i) {
        mrc_free(list->items[i].path);
        for (size_t m = 0; m < list->items[i].member_count; ++m)
            mrc_free(list->items[i].members[m]);
        mrc_free(list->items[i].members);
    }
    for (size_t r = 0; r < list->refused_count; ++r) mrc_free(list->refused[r].path);
    mrc_free(list->items);
    mrc_free(list->refused);
    *list = (struct mrc_image_list){0};
}

static size_t count_format(const struct mrc_finds *f, const struct mrc_format *format) {
    size_t count = 0;
    for (size_t i = 0; i < f->count; ++i) count += f->files[i].format == format;
    return count;
}

/* --- what usually lies beside images --- */

static bool is_side_file(const char *path) {
    static const char *const endings[] = {".json", ".tsv",  ".csv", ".txt",     ".md",   ".bval",
                                          ".bvec", ".html", ".pdf", "DICOMDIR", "README"};
    if (mrc_path_name(path)[0] == '.') return true;
    for (size_t e = 0; e < sizeof endings / sizeof *endings; ++e) {
        if (mrc_path_has_suffix(path, endings[e])) return true;
    }
    return false;
}

/* --- files that may be lost slices --- */

/* Names alike but for their numbers and the case: IM0020.dcm and im7.dcm. */
static bool alike(const char *a, const char *b) {
    static const char digits[] = "0123456789";
    a = mrc_path_name(a);
    b = mrc_path_name(b);
    while (*a != '\0' && *b != '\0') {
        size_t na = strspn(a, digits), nb = strspn(b, digits);
        if ((na > 0) != (nb > 0)) return false;
        if (na == 0 && tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        a += na > 0 ? na : 1;
        b += nb > 0 ? nb : 1;
    }
    return *a == *b;
}

/* From the last point of the name on, or "". */
static const char *ending_of(const char *path) {
    const char *name = mrc_path_name(path), *point = strrchr(name, '.');
    return point != NULL ? point : name + strlen(name);
}

/* May the file, which nobody claims, be a damaged slice of the images beside it? Named like one of
 * them, or as its format's files are; or with an ending as theirs (or none) and not a text. */
static bool may_be_slice(const struct mrc_finds *f, size_t begin, size_t end, size_t at,
                         const struct mrc_format *format) {
    enum { LIKES = 256 }; /* slices have names alike: looking at all of them tells no more */
    static const char *const own[] = {".dcm", ".ima", ".dicom", ".dic", ".png"};
    const struct mrc_image_file *file = &f->files[at];
    size_t first = format->kind == MRC_SOURCE_PNG ? 4 : 0, last = first == 4 ? 5 : 4, likes = 0;
    if (!file->probed) return true; /* unreadable, or fatal to its reader */
    for (size_t e = first; e < last; ++e) {
        if (mrc_path_has_suffix(file->path, own[e])) return true;
    }
    for (size_t i = begin; i < end && likes < LIKES; ++i) {
        if (f->files[i].format != format) continue;
        ++likes;
        if (alike(file->path, f->files[i].path)) return true;
        if (file->no_text && strcasecmp(ending_of(file->path), ending_of(f->files[i].path)) == 0)
            return true;
    }
    return false;
}

/* In a folder (files begin … end-1) with images of the format: the first file that may be a lost
 * slice of theirs, or NULL; *passed: the other files nobody claims, apart from what usually lies
 * beside images. */
static const struct mrc_image_file *find_lost_slice(size_t *passed, const struct mrc_finds *f,
                                                    size_t begin, size_t end,
                                                    const struct mrc_format *format) {
    bool there = false;
    *passed = 0;
    for (size_t i = begin; i < end; ++i) there = there || f->files[i].format == format;
    for (size_t i = begin; there && i < end; ++i) {
        const struct mrc_image_file *file = &f->files[i];
        if (file->format != NULL || is_side_file(file->path)) continue;
        if (may_be_slice(f, begin, end, i, format)) return file;
        ++*passed;
    }
    return NULL;
}

static enum mrc_status refuse_lost_slice(const struct mrc_image_file *file,
                                         const struct mrc_format *format, struct mrc_error *err) {
    if (!file->probed)
        return mrc_fail(err, file->status,
                        "%s: cannot be read, and may be a slice of the images beside it (%s)",
                        file->path, file->reason);
    return mrc_fail(err, MRC_ERR_FORMAT,
                    "%s: may be a slice of the images beside it, but does not begin as a %s file",
                    file->path, format->name);
}

/* Refuses when a slice may be lost; *passed: files nobody claims beside the images. */
static enum mrc_status check_lost_slices(size_t *passed, const struct mrc_finds *f,
                                         const struct mrc_format *format, struct mrc_error *err) {
    *passed = 0;
    for (size_t begin = 0, end; begin < f->count; begin = end) {
        size_t here = 0;
        end = mrc_finds_end_of_folder(f, begin);
        const struct mrc_image_file *lost = find_lost_slice(&here, f, begin, end, format);
        if (lost != NULL) return refuse_lost_slice(lost, format, err);
        *passed += here;
    }
    return MRC_OK;
}

/* --- describing --- */

/* A line for each file that nobody claims. */
static enum mrc_status refuse_strangers(struct mrc_image_list *list, const struct mrc_finds *f,
                                        size_t begin, size_t end, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = begin; st == MRC_OK && i < end; ++i) {
        const struct mrc_image_file *file = &f->files[i];
        if (file->format != NULL) continue;
        bool aside = file->probed && is_side_file(file->path);
        if (!file->probed)
            st = mrc_image_list_refuse(list, file->path, file->status, err,
                                       file->ended ? "%s" : "cannot be read: %s", file->reason);
        else
            st = mrc_image_list_refuse(list, file->path, MRC_ERR_UNSUPPORTED, err,
                                       "not a DICOM, NIfTI or PNG image");
        if (st == MRC_OK) list->refused[list->refused_count - 1].aside = aside;
    }
    return st;
}

/* As loading would find it. */
static void tell_lost_slice(struct mrc_image_list *list, size_t first, const struct mrc_finds *f,
                            size_t begin, size_t end, const struct mrc_format *format) {
    size_t passed = 0;
    const struct mrc_image_file *lost =
        format->kind == MRC_SOURCE_NIFTI ? NULL : find_lost_slice(&passed, f, begin, end, format);
    for (size_t i = first; lost != NULL && i < list->count; ++i) {
        struct mrc_image_info *info = &list->items[i];
        if (!info->usable) continue;
        info->usable = false;
        info->status = lost->probed ? MRC_ERR_FORMAT : lost->status;
        (void)snprintf(info->reason, sizeof info->reason,
                       "%.120s may be a slice of it, and cannot be read as one",
                       mrc_path_name(lost->path));
    }
}

/* --- folders that hold one series --- */

/* The files below one folder, and the folders it is described with, as a chain. */
struct folder {
    size_t begin, end; /* of its files */
    size_t parent;     /* towards the first of its chain; itself: it is that */
    size_t next, last; /* SIZE_MAX: none; `last` of the first one only */
};
struct folders {
    struct folder *items;
    size_t count;
};
/* A file that says of which whole it is a part. */
struct part {
    const char *whole, *name;
    size_t folder;
};

static int by_whole(const void *a, const void *b) {
    const struct part *x = a, *y = b;
    int order = strcmp(x->whole, y->whole);
    if (order == 0) order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->folder > y->folder) - (x->folder < y->folder);
}

static size_t first_of(const struct folders *f, size_t i) {
    while (f->items[i].parent != i) i = f->items[i].parent;
    return i;
}

/* Parts of one whole that lie in several folders and nowhere twice: those folders belong together.
 * The same part in two folders is a copy of the series, which is judged by itself. */
static void join_run(struct folders *f, const struct part *parts, size_t count) {
    for (size_t i = 1; i < count; ++i)
        if (strcmp(parts[i].name, parts[i - 1].name) == 0 && parts[i].folder != parts[i - 1].folder)
            return;
    for (size_t i = 1; i < count; ++i) {
        size_t a = first_of(f, parts[0].folder), b = first_of(f, parts[i].folder);
        f->items[a > b ? a : b].parent = a > b ? b : a;
    }
}

static enum mrc_status join_folders(struct folders *f, const struct mrc_finds *finds,
                                    const struct mrc_format *format, struct mrc_error *err) {
    struct part *parts = mrc_alloc(finds->count, sizeof *parts);
    size_t count = 0;
    if (parts == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
    for (size_t d = 0; d < f->count; ++d)
        for (size_t i = f->items[d].begin; i < f->items[d].end; ++i) {
            const struct mrc_image_file *file = &finds->files[i];
            parts[count].folder = d;
            count += file->format == format && file->record != NULL &&
                     format->part_of(&parts[count].whole, &parts[count].name, file);
        }
    if (count > 1) qsort(parts, count, sizeof *parts, by_whole);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && strcmp(parts[end].whole, parts[begin].whole) == 0;)
            ++end;
        join_run(f, parts + begin, end - begin);
    }
    mrc_free(parts);
    return MRC_OK;
}

/* Chains, in the order of the folders. */
static void link_chains(struct folders *f) {
    for (size_t d = 0; d < f->count; ++d) {
        size_t first = first_of(f, d);
        f->items[d].parent = first; /* shortens what is behind */
        f->items[d].next = SIZE_MAX;
        if (first != d) f->items[f->items[first].last].next = d;
        f->items[first].last = d;
    }
}

static enum mrc_status find_folders(struct folders *f, const struct mrc_finds *finds,
                                    struct mrc_error *err) {
    *f = (struct folders){.items = mrc_alloc(finds->count, sizeof *f->items)};
    if (f->items == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for folders");
    for (size_t begin = 0; begin < finds->count;) {
        struct folder *d = &f->items[f->count];
        *d = (struct folder){.begin = begin, .parent = f->count++};
        begin = d->end = mrc_finds_end_of_folder(finds, begin);
    }
    enum mrc_status st = MRC_OK;
    for (size_t k = 0; st == MRC_OK && k < FORMATS; ++k)
        if (formats[k]->part_of != NULL) st = join_folders(f, finds, formats[k], err);
    link_chains(f);
    return st;
}

/* --- describing, folder by folder --- */

/* The files of one format in a folder and those of its chain. */
static const struct mrc_image_file **select_chain(size_t *count, const struct mrc_finds *f,
                                                  const struct folders *folders, size_t first,
                                                  const struct mrc_format *format) {
    size_t room = 0;
    *count = 0;
    for (size_t d = first; d != SIZE_MAX; d = folders->items[d].next)
        room += folders->items[d].end - folders->items[d].begin;
    const struct mrc_image_file **files = mrc_alloc(room, sizeof(void *));
    for (size_t d = first; files != NULL && d != SIZE_MAX; d = folders->items[d].next)
        for (size_t i = folders->items[d].begin; i < folders->items[d].end; ++i)
            if (f->files[i].format == format) files[(*count)++] = &f->files[i];
    return files;
}

static enum mrc_status scan_format(struct mrc_image_list *list, const struct mrc_finds *f,
                                   const struct folders *folders, size_t first,
                                   const struct mrc_format *format, struct mrc_error *err) {
    size_t count = 0, before = list->count;
    const struct folder *d = &folders->items[first];
    const struct mrc_image_file **files =
        format->part_of != NULL ? select_chain(&count, f, folders, first, format)
                                : mrc_finds_select(&count, f, d->begin, d->end, format);
    if (files == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
    enum mrc_status st = count > 0 ? format->scan(list, files, count, err) : MRC_OK;
    mrc_free(files);
    if (st != MRC_OK || count == 0) return st;
    tell_lost_slice(list, before, f, d->begin, d->end, format);
    for (size_t n = d->next; format->part_of != NULL && n != SIZE_MAX; n = folders->items[n].next)
        tell_lost_slice(list, before, f, folders->items[n].begin, folders->items[n].end, format);
    return MRC_OK;
}

static enum mrc_status scan_folder(struct mrc_image_list *list, const struct mrc_finds *f,
                                   const struct folders *folders, size_t number,
                                   struct mrc_error *err) {
    const struct folder *d = &folders->items[number];
    enum mrc_status st = MRC_OK;
    for (size_t k = 0; st == MRC_OK && k < FORMATS; ++k)
        if (formats[k]->part_of == NULL || d->parent == number)
            st = scan_format(list, f, folders, number, formats[k], err);
    return st == MRC_OK ? refuse_strangers(list, f, d->begin, d->end, err) : st;
}

/* What is neither a file nor a folder to look into. */
static enum mrc_status refuse_oddities(struct mrc_image_list *list, const struct mrc_finds *f,
                                       struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < f->tree.odd_count; ++i) {
        const struct mrc_oddity *odd = &f->tree.odd[i];
        enum mrc_status why = odd->kind == MRC_ODD_UNREADABLE ? MRC_ERR_IO
                              : odd->kind == MRC_ODD_DEEP     ? MRC_ERR_RANGE
                                                              : MRC_ERR_UNSUPPORTED;
        st = mrc_image_list_refuse(list, odd->path, why, err, "%s", odd->why);
    }
    return st;
}

static enum mrc_status scan_finds(struct mrc_image_list *list, const struct mrc_finds *f,
                                  struct mrc_error *err) {
    struct folders folders;
    enum mrc_status st = find_folders(&folders, f, err);
    for (size_t d = 0; st == MRC_OK && d < folders.count; ++d)
        st = scan_folder(list, f, &folders, d, err);
    mrc_free(folders.items);
    return st;
}

/* A file that was asked for by name is there, and may be read. */
static enum mrc_status check_readable(const struct mrc_image_file *file, struct mrc_error *err) {
    if (file->probed || file->ended) return MRC_OK;
    return mrc_fail(err, file->status, "%s: %s", file->path, file->reason);
}

enum mrc_status mrc_image_list_scan_with(struct mrc_image_list *list, const char *path,
                                         const struct mrc_scan_options *options,
                                         struct mrc_error *err) {
    struct mrc_finds f;
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    enum mrc_status st = mrc_path_is_dir(path) ? mrc_finds_below(&f, path, options, err)
                                               : mrc_finds_of(&f, &copy, 1, err);
    mrc_free(copy);
    if (st != MRC_OK) return st;
    if (!mrc_path_is_dir(path)) st = check_readable(&f.files[0], err);
    if (st == MRC_OK) st = scan_finds(list, &f, err);
    if (st == MRC_OK) st = refuse_oddities(list, &f, err);
    mrc_finds_clear(&f);
    return st;
}

enum mrc_status mrc_image_list_scan(struct mrc_image_list *list, const char *path,
                                    struct mrc_error *err) {
    return mrc_image_list_scan_with(list, path, NULL, err);
}

enum mrc_status mrc_image_scan_each(char *const *paths, size_t count,
                                    enum mrc_status (*take)(void *context, const char *path,
                                                            const struct mrc_image_list *list,
                                                            struct mrc_error *err),
                                    void *context, struct mrc_error *err) {
    struct mrc_finds f;
    enum mrc_status st = mrc_finds_of(&f, paths, count, err);
    if (st != MRC_OK) return st;
    for (size_t i = 0; st == MRC_OK && i < f.count; ++i) {
        const struct mrc_finds alone = {.files = &f.files[i], .count = 1};
        struct mrc_image_list list = {0};
        st = check_readable(&f.files[i], err);
        if (st == MRC_OK) st = scan_finds(&list, &alone, err);
        if (st == MRC_OK) st = take(context, f.files[i].path, &list, err);
        mrc_image_list_clear(&list);
    }
    mrc_finds_clear(&f);
    return st;
}

/* --- loading --- */

static enum mrc_status check_choice(const struct mrc_format *format, const char *path,
                                    const struct mrc_image_options *options,
                                    struct mrc_error *err) {
    if (options->volume > 0 && format->kind != MRC_SOURCE_NIFTI)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: --volume chooses in a NIfTI file, and this is a %s image", path,
                        format->name);
    if (options->series == NULL || format->kind == MRC_SOURCE_DICOM) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "%s: --series chooses among DICOM series, and this is a %s image", path,
                    format->name);
}

static enum mrc_status load_with(mrc_volume **out, const struct mrc_format *format,
                                 const struct mrc_image_file *const *files, size_t count,
                                 const struct mrc_image_options *options, struct mrc_error *err) {
    enum mrc_status st = format->load_apart
                             ? mrc_load_apart(out, format, files, count, options, err)
                             : format->load(out, files, count, options, err);
    MRC_ASSERT(st == MRC_OK ? *out != NULL : *out == NULL);
    return st;
}

static enum mrc_status load_files(mrc_volume **out, const struct mrc_format *format,
                                  const struct mrc_finds *f,
                                  const struct mrc_image_options *options, struct mrc_error *err) {
    size_t count = 0, passed = 0;
    const struct mrc_image_file **files = mrc_finds_select(&count, f, 0, f->count, format);
    if (files == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
    enum mrc_status st = check_lost_slices(&passed, f, format, err);
    if (st == MRC_OK) st = load_with(out, format, files, count, options, err);
    if (st == MRC_OK) mrc_volume_add_left_out(*out, passed);
    mrc_free(files);
    return st;
}

static enum mrc_status load_found(mrc_volume **out, const struct mrc_image_file *file,
                                  const struct mrc_image_options *options, struct mrc_error *err) {
    if (file->status != MRC_OK)
        return mrc_fail(err, file->status, "%s: %s", file->path, file->reason);
    return load_with(out, file->format, &file, 1, options, err);
}

static enum mrc_status load_file(mrc_volume **out, const char *path,
                                 const struct mrc_image_options *options, struct mrc_error *err) {
    struct mrc_finds one, beside;
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    enum mrc_status st = mrc_finds_of(&one, &copy, 1, err);
    mrc_free(copy);
    if (st != MRC_OK) return st;
    const struct mrc_image_file *file = &one.files[0];
    if (file->probed && file->format == NULL)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: not a DICOM, NIfTI or PNG image", path);
    if (st == MRC_OK && file->probed) st = check_choice(file->format, path, options, err);
    if (st == MRC_OK && file->probed && file->format->kind == MRC_SOURCE_DICOM) {
        struct mrc_image_options its_series = *options; /* one of a series: the series */
        its_series.member = path;
        st = mrc_finds_beside(&beside, path, err);
        if (st == MRC_OK) st = load_files(out, file->format, &beside, &its_series, err);
        mrc_finds_clear(&beside);
    } else if (st == MRC_OK) {
        st = load_found(out, file, options, err);
    }
    mrc_finds_clear(&one);
    return st;
}

/* A tree of NIfTI files: the one that can be used. */
static enum mrc_status load_only_usable(mrc_volume **out, const struct mrc_finds *f,
                                        const char *dir, const struct mrc_image_options *options,
                                        struct mrc_error *err) {
    struct mrc_image_list list = {0};
    enum mrc_status st = scan_finds(&list, f, err);
    size_t usable = 0, last = 0, wanted = 0, of_wanted = 0;
    for (size_t i = 0; i < list.count; ++i) {
        (void)mrc_contrast_map_apply(options->map, &list.items[i]);
        if (!list.items[i].usable) continue;
        ++usable;
        last = i;
        if (list.items[i].contrast != options->wanted) continue;
        ++wanted;
        of_wanted = i;
    }
    if (usable > 1 && wanted == 1 && options->wanted != MRC_CONTRAST_UNKNOWN) {
        usable = 1;
        last = of_wanted;
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
        if (st == MRC_OK) mrc_volume_add_left_out(*out, list.count + list.refused_count - 1);
    }
    mrc_image_list_clear(&list);
    return st;
}

static enum mrc_status check_one_folder(const struct mrc_finds *f, const struct mrc_format *format,
                                        const char *dir, struct mrc_error *err) {
    const char *seen = NULL;
    size_t folders = 0;
    for (size_t i = 0; i < f->count; ++i) {
        if (f->files[i].format != format) continue;
        if (seen == NULL || !mrc_finds_same_folder(seen, f->files[i].path)) ++folders;
        seen = f->files[i].path;
    }
    if (folders <= 1) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: holds pictures in %zu folders, expected the path of one", dir, folders);
}

static size_t count_links(const struct mrc_finds *f) {
    size_t links = 0;
    for (size_t i = 0; i < f->tree.odd_count; ++i) links += f->tree.odd[i].kind == MRC_ODD_LINK;
    return links;
}

/* The one format found in a folder, or a line about what is there instead. */
static enum mrc_status only_format(const struct mrc_format **out, const struct mrc_finds *f,
                                   const char *dir, struct mrc_error *err) {
    *out = NULL;
    if (f->count == 0 && count_links(f) > 0)
        return mrc_fail(err, MRC_ERR_IO,
                        "%s: holds no file but links to folders, which are not followed; name the "
                        "folder of one image",
                        dir);
    if (f->count == 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: an empty folder, expected images", dir);
    for (size_t k = 0; k < FORMATS; ++k) {
        size_t count = count_format(f, formats[k]);
        if (count == 0) continue;
        if (*out != NULL) {
            return mrc_fail(
                err, MRC_ERR_UNSUPPORTED,
                "%s: holds %zu %s and %zu %s files, expected one kind; name the folder or "
                "file of one image",
                dir, count_format(f, *out), (*out)->name, count, formats[k]->name);
        }
        *out = formats[k];
    }
    if (*out != NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: none of %zu files is a DICOM, NIfTI or PNG image (the first: %s)", dir,
                    f->count, mrc_path_name(f->files[0].path));
}

/* A folder that cannot be looked into may hold slices. */
static enum mrc_status check_looked(const struct mrc_finds *f, struct mrc_error *err) {
    for (size_t i = 0; i < f->tree.odd_count; ++i) {
        const struct mrc_oddity *odd = &f->tree.odd[i];
        if (odd->kind == MRC_ODD_UNREADABLE || odd->kind == MRC_ODD_DEEP)
            return mrc_fail(err, odd->kind == MRC_ODD_DEEP ? MRC_ERR_RANGE : MRC_ERR_IO, "%s: %s",
                            odd->path, odd->why);
    }
    return MRC_OK;
}

static enum mrc_status finds_in(struct mrc_finds *f, const char *dir, bool flat,
                                struct mrc_error *err) {
    *f = (struct mrc_finds){0};
    if (!flat) {
        enum mrc_status st = mrc_finds_below(f, dir, NULL, err);
        return st == MRC_OK ? check_looked(f, err) : st;
    }
    char *path = mrc_asprintf("%s/", dir);
    if (path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", dir);
    enum mrc_status st = mrc_finds_beside(f, path, err);
    mrc_free(path);
    return st;
}

static enum mrc_status load_folder(mrc_volume **out, const char *dir,
                                   const struct mrc_image_options *options, struct mrc_error *err) {
    struct mrc_finds f;
    const struct mrc_format *format = NULL;
    enum mrc_status st = finds_in(&f, dir, options->flat, err);
    if (st == MRC_OK) st = only_format(&format, &f, dir, err);
    if (st == MRC_OK) st = check_choice(format, dir, options, err);
    if (st == MRC_OK && format->kind == MRC_SOURCE_PNG) st = check_one_folder(&f, format, dir, err);
    if (st == MRC_OK) {
        st = format->kind == MRC_SOURCE_NIFTI ? load_only_usable(out, &f, dir, options, err)
                                              : load_files(out, format, &f, options, err);
    }
    if (st == MRC_OK) mrc_volume_add_left_links(*out, count_links(&f));
    mrc_finds_clear(&f);
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

/* From its own files alone. */
static enum mrc_status load_members(mrc_volume **out, const struct mrc_image_info *item,
                                    const struct mrc_image_options *options,
                                    struct mrc_error *err) {
    struct mrc_finds f;
    size_t count = 0;
    enum mrc_status st = mrc_finds_of(&f, item->members, item->member_count, err);
    if (st != MRC_OK) return st;
    const struct mrc_image_file **files =
        mrc_finds_select(&count, &f, 0, f.count, &mrc_format_dicom);
    if (files == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a list of files");
    for (size_t i = 0; st == MRC_OK && i < f.count; ++i)
        if (f.files[i].format != &mrc_format_dicom)
            st = mrc_fail(err, MRC_ERR_IO, "%s: changed since its folder was searched%s%s",
                          f.files[i].path, f.files[i].reason != NULL ? ": " : "",
                          f.files[i].reason != NULL ? f.files[i].reason : "");
    if (st == MRC_OK) st = load_with(out, &mrc_format_dicom, files, count, options, err);
    mrc_free(files);
    mrc_finds_clear(&f);
    return st;
}

enum mrc_status mrc_image_load_item(mrc_volume **out, const struct mrc_image_info *item,
                                    const struct mrc_image_options *options,
                                    struct mrc_error *err) {
    struct mrc_image_options its_own = MRC_IMAGE_DEFAULTS;
    if (options != NULL) its_own = *options;
    *out = NULL;
    its_own.series = NULL;
    its_own.flat = true;
    its_own.member = item->member_count > 0 ? item->members[0] : NULL;
    its_own.frame = item->frame;
    if (item->kind == MRC_SOURCE_NIFTI) { /* told apart and judged already */
        const struct mrc_image_file file = {.path = item->path, .format = &mrc_format_nifti};
        return load_found(out, &file, &its_own, err);
    }
    return item->member_count > 0 ? load_members(out, item, &its_own, err)
                                  : mrc_image_load(out, item->path, &its_own, err);
}
