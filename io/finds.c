/* finds.c: listing, telling apart by content, and reading headers; see finds.h. */
#include "io/finds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/isolate.h"
#include "io/dcmtk/bridge.h"
#include "io/image_name.h"

enum { HEAD_BYTES = 4096, MAX_FILES = 50000 };
static const int64_t most_file_bytes = INT64_C(2) << 30;

static const struct mrc_format *const formats[] = {&mrc_format_dicom, &mrc_format_nifti,
                                                   &mrc_format_png};
enum { FORMATS = sizeof formats / sizeof *formats };

void mrc_image_prepare(void) {
    mrc_dcmtk_prepare();
}

/* --- one file, in a child --- */

/* What a child says first of a file it could open. */
struct verdict {
    int format; /* index into formats, -1: nobody's */
    int no_text;
};

static enum mrc_status probe_file(struct verdict *out, const char *path, struct mrc_error *err) {
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    enum mrc_status st = mrc_read_head(head, sizeof head, &size, path, err);
    struct mrc_probe probe = {.path = path, .head = head, .head_bytes = size};
    *out = (struct verdict){.format = -1, .no_text = size == 0 || memchr(head, 0, size) != NULL};
    for (int f = 0; st == MRC_OK && out->format < 0 && f < FORMATS; ++f)
        if (formats[f]->probe(&probe)) out->format = f;
    if (st == MRC_OK) mrc_fault_check(head, size);
    return st;
}

static enum mrc_status check_size(const char *path, struct mrc_error *err) {
    struct stat info;
    if (stat(path, &info) != 0 || info.st_size <= most_file_bytes) return MRC_OK;
    return mrc_fail(err, MRC_ERR_RANGE, "%s: %lld bytes, expected at most %lld", path,
                    (long long)info.st_size, (long long)most_file_bytes);
}

struct reading {
    struct mrc_finds *finds;
    const struct mrc_scan_options *options;
    size_t done;
    char *room; /* of the name that was asked for last */
};

static enum mrc_status read_one(void *context, size_t job, mrc_isolate_sink *sink,
                                struct mrc_error *err) {
    const struct reading *r = context;
    const char *path = r->finds->files[job].path;
    struct verdict verdict;
    void *record = NULL;
    size_t bytes = 0;
    enum mrc_status st = probe_file(&verdict, path, err);
    if (st == MRC_OK) st = mrc_isolate_send(sink, &verdict, sizeof verdict, err);
    if (st == MRC_OK && verdict.format >= 0) st = check_size(path, err);
    if (st == MRC_OK && verdict.format >= 0) {
        st = formats[verdict.format]->read(&record, &bytes, path, err);
        if (st == MRC_OK) st = mrc_isolate_send(sink, record, bytes, err);
        mrc_free(record);
    }
    return st;
}

/* --- what it found, in the caller --- */

static enum mrc_status take_piece(void *context, size_t job, const void *bytes, size_t size,
                                  struct mrc_error *err) {
    const struct reading *r = context;
    struct mrc_image_file *file = &r->finds->files[job];
    if (!file->probed) {
        struct verdict verdict = {.format = -1};
        if (size == sizeof verdict) memcpy(&verdict, bytes, size);
        if (verdict.format >= 0 && verdict.format < FORMATS) file->format = formats[verdict.format];
        file->no_text = verdict.no_text != 0;
        file->probed = true;
        return MRC_OK;
    }
    if (file->format == NULL || !file->format->check(bytes, size)) {
        file->odd = true;
        return MRC_OK;
    }
    mrc_free(file->record);
    file->record = mrc_alloc(size, 1);
    if (file->record == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its header", file->path);
    memcpy(file->record, bytes, size);
    file->record_bytes = size;
    return MRC_OK;
}

/* A reason without the path it begins with. */
static char *reason_of(const char *why, const char *path) {
    size_t length = strlen(path);
    bool begins = strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0;
    return mrc_strdup(begins ? why + length + 2 : why);
}

static enum mrc_status finish_file(void *context, size_t job, enum mrc_status status,
                                   const char *why, bool ended, struct mrc_error *err) {
    struct reading *r = context;
    struct mrc_image_file *file = &r->finds->files[job];
    const struct mrc_scan_options *o = r->options;
    if (status == MRC_OK && (file->odd || (file->format != NULL && file->record == NULL))) {
        status = MRC_ERR_FORMAT;
        why = "its reader sent what is no header";
    }
    file->status = status;
    file->ended = ended;
    if (status != MRC_OK) file->reason = reason_of(why, file->path);
    if (status != MRC_OK && file->reason == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", file->path);
    ++r->done;
    if (o != NULL && o->progress != NULL)
        o->progress(o->context, (int64_t)r->done, (int64_t)r->finds->count);
    return MRC_OK;
}

static bool stop_reading(void *context) {
    const struct reading *r = context;
    return r->options != NULL && r->options->cancelled != NULL &&
           r->options->cancelled(r->options->context);
}

static const char *file_to_read(void *context, size_t number) {
    struct reading *r = context;
    size_t file = number / MRC_IMAGE_READS;
    if (file >= r->finds->count) return NULL;
    return mrc_image_reads(&r->room, r->finds->files[file].path, number % MRC_IMAGE_READS);
}

static size_t folder_length(const char *path) {
    return (size_t)(mrc_path_name(path) - path);
}

bool mrc_finds_same_folder(const char *a, const char *b) {
    size_t length = folder_length(a);
    return length == folder_length(b) && memcmp(a, b, length) == 0;
}

/* By folder, then by name: a folder's files stand together, which they do not by plain bytes. */
static int by_folder(const void *a, const void *b) {
    const char *x = ((const struct mrc_image_file *)a)->path,
               *y = ((const struct mrc_image_file *)b)->path;
    size_t nx = folder_length(x), ny = folder_length(y);
    int order = memcmp(x, y, nx < ny ? nx : ny);
    if (order != 0) return order;
    if (nx != ny) return nx < ny ? -1 : 1;
    return strcmp(x, y);
}

/* Reads the headers of all files that are listed; clears the finds when that fails. */
static enum mrc_status read_all(struct mrc_finds *f, const struct mrc_scan_options *options,
                                struct mrc_error *err) {
    const struct mrc_name_list *names = &f->tree.files;
    struct reading r = {.finds = f, .options = options};
    const struct mrc_isolate_work work = {.context = &r,
                                          .run = read_one,
                                          .take = take_piece,
                                          .finish = finish_file,
                                          .stop = stop_reading,
                                          .file = file_to_read};
    const struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    enum mrc_status st = MRC_OK;
    f->files = mrc_alloc(names->count, sizeof *f->files);
    if (f->files == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu files", names->count);
    if (st == MRC_OK) {
        f->count = names->count;
        for (size_t i = 0; i < f->count; ++i) f->files[i].path = names->names[i];
        if (f->count > 1) qsort(f->files, f->count, sizeof *f->files, by_folder);
        mrc_image_prepare();
        st = mrc_isolate_run(&work, f->count, &limits, err);
        mrc_free(r.room);
    }
    if (st != MRC_OK) mrc_finds_clear(f);
    return st;
}

enum mrc_status mrc_finds_below(struct mrc_finds *out, const char *dir,
                                const struct mrc_scan_options *options, struct mrc_error *err) {
    size_t most = options != NULL && options->most_files > 0 ? options->most_files : MAX_FILES;
    *out = (struct mrc_finds){0};
    enum mrc_status st = mrc_tree_list(&out->tree, dir, most, err);
    return st == MRC_OK ? read_all(out, options, err) : st;
}

/* Adopts the path. */
static enum mrc_status add_name(struct mrc_name_list *list, char *path, struct mrc_error *err) {
    void *names = list->names;
    if (path == NULL || !mrc_grow(&names, &list->capacity, list->count + 1, sizeof *list->names)) {
        mrc_free(path);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    }
    list->names = names;
    list->names[list->count++] = path;
    return MRC_OK;
}

enum mrc_status mrc_finds_beside(struct mrc_finds *out, const char *path, struct mrc_error *err) {
    size_t length = folder_length(path);
    struct mrc_name_list here = {0};
    *out = (struct mrc_finds){0};
    char *dir = length > 0 ? mrc_asprintf("%.*s", (int)length, path) : mrc_strdup(".");
    if (dir == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for a path", path);
    enum mrc_status st = mrc_list_dir(&here, dir, err);
    for (size_t i = 0; st == MRC_OK && i < here.count; ++i) {
        char *joined = mrc_asprintf("%.*s%s", (int)length, path, here.names[i]);
        if (joined != NULL && !mrc_path_is_file(joined))
            mrc_free(joined);
        else
            st = add_name(&out->tree.files, joined, err);
    }
    if (st == MRC_OK && out->tree.files.count > MAX_FILES)
        st = mrc_fail(err, MRC_ERR_RANGE, "%s: more than %d files", dir, MAX_FILES);
    mrc_name_list_clear(&here);
    mrc_free(dir);
    if (st == MRC_OK) return read_all(out, NULL, err);
    mrc_finds_clear(out);
    return st;
}

enum mrc_status mrc_finds_of(struct mrc_finds *out, char *const *paths, size_t count,
                             struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_finds){0};
    for (size_t i = 0; st == MRC_OK && i < count; ++i)
        st = add_name(&out->tree.files, mrc_strdup(paths[i]), err);
    if (st == MRC_OK) return read_all(out, NULL, err);
    mrc_finds_clear(out);
    return st;
}

void mrc_finds_clear(struct mrc_finds *f) {
    for (size_t i = 0; i < f->count; ++i) {
        mrc_free(f->files[i].record);
        mrc_free(f->files[i].reason);
    }
    mrc_free(f->files);
    mrc_tree_clear(&f->tree);
    *f = (struct mrc_finds){0};
}

size_t mrc_finds_end_of_folder(const struct mrc_finds *f, size_t begin) {
    size_t end = begin + 1;
    while (end < f->count && mrc_finds_same_folder(f->files[begin].path, f->files[end].path)) ++end;
    return end;
}

const struct mrc_image_file **mrc_finds_select(size_t *count, const struct mrc_finds *f,
                                               size_t begin, size_t end,
                                               const struct mrc_format *format) {
    const struct mrc_image_file **files = mrc_alloc(end - begin, sizeof(void *));
    *count = 0;
    for (size_t i = begin; files != NULL && i < end; ++i)
        if (f->files[i].format == format) files[(*count)++] = &f->files[i];
    return files;
}
