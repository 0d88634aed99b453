/* fs.c: files and folders over POSIX. */
#define _GNU_SOURCE /* renameat2, d_type */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

bool mrc_path_exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

bool mrc_path_is_dir(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool mrc_path_is_file(const char *path) {
    struct stat entry, target;
    if (lstat(path, &entry) != 0) return false;
    if (!S_ISLNK(entry.st_mode)) return S_ISREG(entry.st_mode);
    return stat(path, &target) != 0 || S_ISREG(target.st_mode);
}

char *mrc_path_join(const char *dir, const char *name) {
    size_t length = strlen(dir);
    const char *separator = length > 0 && dir[length - 1] == '/' ? "" : "/";
    return mrc_asprintf("%s%s%s", dir, separator, name);
}

const char *mrc_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool mrc_path_has_suffix(const char *path, const char *suffix) {
    size_t length = strlen(path), end = strlen(suffix);
    return length >= end && strcasecmp(path + length - end, suffix) == 0;
}

/* --- lists --- */

static enum mrc_status list_adopt(struct mrc_name_list *list, char *name, struct mrc_error *err) {
    void *names = list->names;
    if (name == NULL || !mrc_grow(&names, &list->capacity, list->count + 1, sizeof *list->names)) {
        mrc_free(name);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for %zu file names", list->count + 1);
    }
    list->names = names;
    list->names[list->count++] = name;
    return MRC_OK;
}

void mrc_name_list_clear(struct mrc_name_list *list) {
    for (size_t i = 0; i < list->count; ++i) mrc_free(list->names[i]);
    mrc_free(list->names);
    *list = (struct mrc_name_list){0};
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { MAX_ENTRIES = 1000000, MAX_FOLDERS = 100000, MAX_FOLDER_DEPTH = 64 };

enum mrc_status mrc_list_dir(struct mrc_name_list *out, const char *dir, struct mrc_error *err) {
    *out = (struct mrc_name_list){0};
    DIR *stream = opendir(dir);
    if (stream == NULL) {
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a readable folder", dir,
                        strerror(errno));
    }
    enum mrc_status st = MRC_OK;
    errno = 0;
    for (struct dirent *entry; st == MRC_OK && (entry = readdir(stream)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        st = out->count < MAX_ENTRIES
                 ? list_adopt(out, mrc_strdup(entry->d_name), err)
                 : mrc_fail(err, MRC_ERR_RANGE, "%s: more than %d entries", dir, MAX_ENTRIES);
    }
    if (st == MRC_OK && errno != 0) {
        st = mrc_fail(err, MRC_ERR_IO, "%s: %s while listing the folder", dir, strerror(errno));
    }
    (void)closedir(stream);
    if (st != MRC_OK)
        mrc_name_list_clear(out);
    else if (out->count > 1)
        qsort(out->names, out->count, sizeof *out->names, by_bytes);
    return st;
}

/* --- trees --- */

struct walk {
    struct mrc_tree *tree;
    size_t limit, folders;
};

static enum mrc_status walk(struct walk *w, const char *dir, int depth, struct mrc_error *err);

MRC_PRINTF(5, 6)
static enum mrc_status add_oddity(struct mrc_tree *tree, const char *path,
                                  enum mrc_oddity_kind kind, struct mrc_error *err, const char *fmt,
                                  ...) {
    void *odd = tree->odd;
    char *copy = mrc_strdup(path);
    if (copy == NULL ||
        !mrc_grow(&odd, &tree->odd_capacity, tree->odd_count + 1, sizeof *tree->odd)) {
        mrc_free(copy);
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name");
    }
    tree->odd = odd;
    struct mrc_oddity *it = &tree->odd[tree->odd_count++];
    *it = (struct mrc_oddity){.path = copy, .kind = kind};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(it->why, sizeof it->why, fmt, args);
    va_end(args);
    return MRC_OK;
}

static const char *name_special(mode_t mode) {
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

/* Adopts the path of a file. */
static enum mrc_status walk_file(struct walk *w, const char *dir, char *path,
                                 struct mrc_error *err) {
    if (w->tree->files.count < w->limit) return list_adopt(&w->tree->files, path, err);
    mrc_free(path);
    return mrc_fail(err, MRC_ERR_RANGE, "%s: more than %zu files", dir, w->limit);
}

/* Adopts the path of whatever it is. */
static enum mrc_status walk_entry(struct walk *w, const char *dir, char *path, unsigned char type,
                                  int depth, struct mrc_error *err) {
    struct stat entry, target;
    enum mrc_status st = MRC_OK;
    if (type == DT_REG) return walk_file(w, dir, path, err);
    if (lstat(path, &entry) != 0) {
        if (errno != ENOENT) /* else gone meanwhile */
            st = add_oddity(w->tree, path, MRC_ODD_UNREADABLE, err, "%s", strerror(errno));
    } else if (S_ISREG(entry.st_mode)) {
        return walk_file(w, dir, path, err);
    } else if (S_ISDIR(entry.st_mode)) {
        st = walk(w, path, depth + 1, err);
    } else if (!S_ISLNK(entry.st_mode)) {
        st = add_oddity(w->tree, path, MRC_ODD_SPECIAL, err, "%s, expected a file",
                        name_special(entry.st_mode));
    } else if (stat(path, &target) != 0 || S_ISREG(target.st_mode)) {
        return walk_file(w, dir, path, err); /* whose target may be gone: opening it says so */
    } else if (S_ISDIR(target.st_mode)) {
        st = add_oddity(w->tree, path, MRC_ODD_LINK, err,
                        "a link to a folder, not followed (name it by itself)");
    } else {
        st = add_oddity(w->tree, path, MRC_ODD_SPECIAL, err, "a link to %s, expected a file",
                        name_special(target.st_mode));
    }
    mrc_free(path);
    return st;
}

/* The folder was no link when it was found, and is opened only as long as it is none. */
static DIR *open_folder(const char *dir, bool found) {
    int file = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (found ? O_NOFOLLOW : 0));
    DIR *stream = file >= 0 ? fdopendir(file) : NULL;
    if (stream == NULL && file >= 0) (void)close(file);
    return stream;
}

static enum mrc_status walk_entries(struct walk *w, const char *dir, DIR *stream, int depth,
                                    struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    errno = 0;
    for (struct dirent *entry; st == MRC_OK && (entry = readdir(stream)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = mrc_path_join(dir, entry->d_name);
        st = path != NULL ? walk_entry(w, dir, path, entry->d_type, depth, err)
                          : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a file name");
    }
    if (st == MRC_OK && errno != 0)
        st = add_oddity(w->tree, dir, MRC_ODD_UNREADABLE, err, "%s while listing the folder",
                        strerror(errno));
    return st;
}

static enum mrc_status walk(struct walk *w, const char *dir, int depth, struct mrc_error *err) {
    if (++w->folders > MAX_FOLDERS)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: more than %d folders", dir, MAX_FOLDERS);
    if (depth > MAX_FOLDER_DEPTH)
        return add_oddity(w->tree, dir, MRC_ODD_DEEP, err,
                          "a folder nested deeper than %d, not looked into", MAX_FOLDER_DEPTH);
    DIR *stream = open_folder(dir, depth > 0);
    if (stream == NULL && depth == 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a readable folder", dir,
                        strerror(errno));
    if (stream == NULL)
        return add_oddity(w->tree, dir, MRC_ODD_UNREADABLE, err, "%s, expected a readable folder",
                          strerror(errno));
    enum mrc_status st = walk_entries(w, dir, stream, depth, err);
    (void)closedir(stream);
    return st;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct mrc_oddity *)a)->path, ((const struct mrc_oddity *)b)->path);
}

enum mrc_status mrc_tree_list(struct mrc_tree *out, const char *dir, size_t limit,
                              struct mrc_error *err) {
    *out = (struct mrc_tree){0};
    struct walk w = {.tree = out, .limit = limit};
    enum mrc_status st = walk(&w, dir, 0, err);
    if (st != MRC_OK) mrc_tree_clear(out);
    struct mrc_name_list *files = &out->files;
    if (files->count > 1) qsort(files->names, files->count, sizeof *files->names, by_bytes);
    if (out->odd_count > 1) qsort(out->odd, out->odd_count, sizeof *out->odd, by_path);
    return st;
}

void mrc_tree_clear(struct mrc_tree *tree) {
    mrc_name_list_clear(&tree->files);
    for (size_t i = 0; i < tree->odd_count; ++i) mrc_free(tree->odd[i].path);
    mrc_free(tree->odd);
    *tree = (struct mrc_tree){0};
}

enum mrc_status mrc_list_tree(struct mrc_name_list *out, const char *dir, size_t limit,
                              struct mrc_error *err) {
    struct mrc_tree tree;
    *out = (struct mrc_name_list){0};
    enum mrc_status st = mrc_tree_list(&tree, dir, limit, err);
    for (size_t i = 0; st == MRC_OK && i < tree.odd_count; ++i) {
        const struct mrc_oddity *odd = &tree.odd[i];
        if (odd->kind == MRC_ODD_UNREADABLE || odd->kind == MRC_ODD_DEEP)
            st = mrc_fail(err, odd->kind == MRC_ODD_DEEP ? MRC_ERR_RANGE : MRC_ERR_IO, "%s: %s",
                          odd->path, odd->why);
    }
    if (st == MRC_OK) {
        *out = tree.files;
        tree.files = (struct mrc_name_list){0};
    }
    mrc_tree_clear(&tree);
    return st;
}

/* --- reading --- */

static enum mrc_status open_regular(FILE **out, const char *path, struct mrc_error *err) {
    *out = NULL;
    struct stat info;
    errno = 0;
    if (stat(path, &info) != 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a file", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) {
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a regular file", path,
                        S_ISDIR(info.st_mode) ? "is a folder" : "is a special file");
    }
    /* not to block, should a pipe have taken its place since */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode)) *out = fdopen(file, "rb");
    if (*out != NULL) return MRC_OK;
    enum mrc_status st = mrc_fail(err, MRC_ERR_IO, "%s: %s", path,
                                  errno != 0 ? strerror(errno) : "is no regular file");
    if (file >= 0) (void)close(file);
    return st;
}

enum mrc_status mrc_read_file(unsigned char **out, size_t *size, const char *path, size_t limit,
                              struct mrc_error *err) {
    *out = NULL;
    *size = 0;
    FILE *stream = NULL;
    enum mrc_status st = open_regular(&stream, path, err);
    if (st != MRC_OK) return st;
    struct stat info;
    if (fstat(fileno(stream), &info) != 0) {
        st = mrc_fail(err, MRC_ERR_IO, "%s: %s", path, strerror(errno));
    } else if ((uintmax_t)info.st_size > limit) {
        st = mrc_fail(err, MRC_ERR_RANGE, "%s: %jd bytes, expected at most %zu", path,
                      (intmax_t)info.st_size, limit);
    }
    unsigned char *data = NULL;
    if (st == MRC_OK) {
        data = mrc_alloc((size_t)info.st_size + 1, 1);
        if (data == NULL)
            st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for %jd bytes", path,
                          (intmax_t)info.st_size);
    }
    if (st == MRC_OK) {
        *size = fread(data, 1, (size_t)info.st_size, stream);
        if (*size != (size_t)info.st_size) {
            st = mrc_fail(err, MRC_ERR_IO, "%s: %zu bytes could be read, expected %jd", path, *size,
                          (intmax_t)info.st_size);
        }
    }
    (void)fclose(stream);
    if (st != MRC_OK) {
        mrc_free(data);
        *size = 0;
        return st;
    }
    *out = data;
    return MRC_OK;
}

enum mrc_status mrc_read_head(unsigned char *out, size_t capacity, size_t *size, const char *path,
                              struct mrc_error *err) {
    *size = 0;
    FILE *stream = NULL;
    enum mrc_status st = open_regular(&stream, path, err);
    if (st != MRC_OK) return st;
    *size = fread(out, 1, capacity, stream);
    if (ferror(stream)) st = mrc_fail(err, MRC_ERR_IO, "%s: cannot be read", path);
    (void)fclose(stream);
    return st;
}

/* --- folders --- */

enum mrc_status mrc_make_dirs(const char *path, struct mrc_error *err) {
    char *copy = mrc_strdup(path);
    if (copy == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    enum mrc_status st = MRC_OK;
    for (char *c = copy + 1; st == MRC_OK && copy[0] != '\0'; ++c) {
        if (*c != '/' && *c != '\0') continue;
        char kept = *c;
        *c = '\0';
        if (mkdir(copy, 0777) != 0 && !(errno == EEXIST && mrc_path_is_dir(copy))) {
            st = mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected to make a folder", copy,
                          strerror(errno));
        }
        *c = kept;
        if (kept == '\0') break;
    }
    mrc_free(copy);
    return st;
}

void mrc_remove_tree(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) {
        (void)unlink(path);
        return;
    }
    struct mrc_name_list names = {0};
    if (mrc_list_dir(&names, path, NULL) == MRC_OK) {
        for (size_t i = 0; i < names.count; ++i) {
            char *entry = mrc_path_join(path, names.names[i]);
            if (entry != NULL) mrc_remove_tree(entry);
            mrc_free(entry);
        }
        mrc_name_list_clear(&names);
    }
    (void)rmdir(path);
}

/* --- outputs --- */

/* The path without trailing slashes, so that a temporary lies beside it and not in it. */
static char *trimmed(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') --length;
    return mrc_asprintf("%.*s", (int)length, path);
}

static enum mrc_status output_init(struct mrc_output *out, const char *path,
                                   struct mrc_error *err) {
    *out = (struct mrc_output){.lock = -1};
    out->path = trimmed(path);
    return out->path != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
}

static void output_clear(struct mrc_output *out) {
    if (out->temporary != NULL && out->lock >= 0) (void)close(out->lock);
    mrc_free(out->path);
    mrc_free(out->temporary);
    *out = (struct mrc_output){0};
}

/* Names of temporaries need only differ; that nobody else has one is what O_EXCL and mkdir say. */
static unsigned next_number(void) {
    static atomic_uint calls;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned)now.tv_nsec * 2654435761u + (unsigned)getpid() * 40503u +
           atomic_fetch_add(&calls, 1u);
}

/* Why not mkstemp and mkdtemp: they make private files, and to give those what the umask allows one
 * has to read it, which means to change it for all threads. Made by open and mkdir, they have it.
 */
static int make_file(const char *path) {
    return open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0666);
}
static int make_private_file(const char *path) {
    return open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
}
static int make_folder(const char *path) {
    if (mkdir(path, 0777) != 0) return -1;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), cause = errno;
    if (folder < 0) (void)rmdir(path);
    errno = cause;
    return folder;
}

static const char temporary_mark[] = ".tmp-";
enum { MARK_DIGITS = 8 };

static char *name_temporary(const char *path) {
    return mrc_asprintf("%s%s%0*x", path, temporary_mark, MARK_DIGITS, next_number());
}

/* Does the open file still have this name? */
static bool has_name(int file, const char *path) {
    struct stat opened, named;
    return fstat(file, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

/* A lock says that the temporary's process lives: it ends with it, however that ends. False: a
 * cleaner (mrc_output_clean) was faster, and the name is lost to it. */
static bool lock_temporary(int file, const char *path) {
    return (flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) && has_name(file, path);
}

/* Sets out->temporary and makes it. Returns it open, or less than 0: `errno` says why not, or NULL
 * for lack of memory. */
static int make_temporary(struct mrc_output *out, int (*make)(const char *path)) {
    enum { TRIES = 100 };
    int made = -1;
    errno = EEXIST;
    for (int n = 0; made < 0 && errno == EEXIST && n < TRIES; ++n) {
        mrc_free(out->temporary);
        out->temporary = name_temporary(out->path);
        if (out->temporary == NULL) return -1;
        made = make(out->temporary);
        if (made < 0 || lock_temporary(made, out->temporary)) continue;
        (void)close(made);
        made = -1;
        errno = EEXIST;
    }
    return made;
}

/* "name.tmp-0123abcd", of that name. */
static bool is_temporary_of(const char *entry, const char *name) {
    const size_t length = strlen(name), mark = sizeof temporary_mark - 1;
    return strncmp(entry, name, length) == 0 &&
           strncmp(entry + length, temporary_mark, mark) == 0 &&
           strspn(entry + length + mark, "0123456789abcdef") == MARK_DIGITS &&
           entry[length + mark + MARK_DIGITS] == '\0';
}

static void remove_when_stale(const char *path) {
    struct stat info;
    int file = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 && errno == EISDIR)
        file = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return;
    if (fstat(file, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) &&
        info.st_uid == geteuid() && flock(file, LOCK_EX | LOCK_NB) == 0 && has_name(file, path))
        mrc_remove_tree(path);
    (void)close(file);
}

enum mrc_status mrc_output_clean(const char *path, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    char *whole = trimmed(path);
    const char *name = whole != NULL ? mrc_path_name(whole) : NULL;
    char *folder = whole != NULL ? mrc_asprintf("%.*s", (int)(name - whole), whole) : NULL;
    enum mrc_status st = folder != NULL ? MRC_OK : MRC_ERR_NOMEM;
    if (st == MRC_OK) st = mrc_list_dir(&names, folder[0] != '\0' ? folder : ".", NULL);
    for (size_t i = 0; st == MRC_OK && i < names.count; ++i) {
        if (!is_temporary_of(names.names[i], name)) continue;
        char *stale = mrc_asprintf("%s%s", folder, names.names[i]);
        if (stale == NULL)
            st = MRC_ERR_NOMEM;
        else
            remove_when_stale(stale);
        mrc_free(stale);
    }
    mrc_name_list_clear(&names);
    mrc_free(folder);
    mrc_free(whole);
    return st == MRC_ERR_NOMEM ? mrc_fail(err, st, "out of memory for a path") : MRC_OK;
}

static enum mrc_status fail_to_make(struct mrc_output *out, const char *what,
                                    struct mrc_error *err) {
    int cause = errno;
    enum mrc_status st = out->temporary == NULL
                             ? mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path")
                             : mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected to %s there",
                                        out->path, strerror(cause), what);
    output_clear(out);
    return st;
}

static enum mrc_status open_file(struct mrc_output *out, const char *path,
                                 int (*make)(const char *path), struct mrc_error *err) {
    enum mrc_status st = output_init(out, path, err);
    if (st != MRC_OK) return st;
    out->replace = true;
    out->fresh = !mrc_path_exists(out->path);
    if (mrc_path_is_dir(out->path)) {
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: is a folder, expected a file name to write",
                      out->path);
        output_clear(out);
        return st;
    }
    int file = make_temporary(out, make);
    if (file >= 0) out->stream = fdopen(file, "wb");
    if (out->stream != NULL) {
        out->lock = fcntl(file, F_DUPFD_CLOEXEC, 0); /* the stream is closed before the end */
        return MRC_OK;
    }
    if (file >= 0) {
        (void)close(file);
        (void)unlink(out->temporary);
    }
    return fail_to_make(out, "write a file", err);
}

enum mrc_status mrc_output_open_private_file(struct mrc_output *out, const char *path,
                                             struct mrc_error *err) {
    enum mrc_status st = mrc_output_clean(path, err);
    return st == MRC_OK ? open_file(out, path, make_private_file, err) : st;
}

enum mrc_status mrc_output_open_file(struct mrc_output *out, const char *path,
                                     struct mrc_error *err) {
    return open_file(out, path, make_file, err);
}

static bool dir_is_empty(const char *path) {
    struct mrc_name_list names = {0};
    bool empty = mrc_list_dir(&names, path, NULL) == MRC_OK && names.count == 0;
    mrc_name_list_clear(&names);
    return empty;
}

/* A link to a folder stands for it: renaming would put a folder in the place of the link. */
static enum mrc_status follow_link(struct mrc_output *out, struct mrc_error *err) {
    struct stat info;
    char target[PATH_MAX];
    if (lstat(out->path, &info) != 0 || !S_ISLNK(info.st_mode) || !mrc_path_is_dir(out->path) ||
        realpath(out->path, target) == NULL)
        return MRC_OK;
    mrc_free(out->path);
    out->path = mrc_strdup(target);
    return out->path != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
}

enum mrc_status mrc_output_open_dir(struct mrc_output *out, const char *path, bool replace,
                                    struct mrc_error *err) {
    enum mrc_status st = output_init(out, path, err);
    if (st == MRC_OK) st = follow_link(out, err);
    if (st == MRC_OK) st = mrc_output_clean(out->path, err);
    if (st != MRC_OK) {
        output_clear(out);
        return st;
    }
    out->replace = replace;
    out->folder = true;
    if (mrc_path_exists(out->path) && !mrc_path_is_dir(out->path)) {
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: is a file, expected a folder name to write",
                      out->path);
    } else if (!replace && mrc_path_exists(out->path) && !dir_is_empty(out->path)) {
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: exists and is not empty, expected a new folder",
                      out->path);
    } else {
        out->lock = make_temporary(out, make_folder);
        if (out->lock < 0) return fail_to_make(out, "make a folder", err);
    }
    if (st != MRC_OK) output_clear(out);
    return st;
}

static enum mrc_status sync_path(const char *path, int flags, struct mrc_error *err) {
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0) return mrc_fail(err, MRC_ERR_WRITE, "%s: %s", path, strerror(errno));
    enum mrc_status st = MRC_OK;
    if (fsync(file) != 0 && errno != EINVAL && errno != ENOTSUP) {
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: %s while flushing to disk", path, strerror(errno));
    }
    (void)close(file);
    return st;
}

enum mrc_status mrc_sync_dir(const char *path, struct mrc_error *err) {
    return sync_path(path, O_RDONLY | O_DIRECTORY, err);
}

static enum mrc_status finish_stream(struct mrc_output *out, struct mrc_error *err) {
    bool bad = ferror(out->stream) != 0;
    errno = 0;
    bad = fflush(out->stream) != 0 || bad;
    bad = (fsync(fileno(out->stream)) != 0 && errno != EINVAL && errno != ENOTSUP) || bad;
    int cause = errno;
    bad = fclose(out->stream) != 0 || bad;
    out->stream = NULL;
    if (!bad) return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s while writing", out->path,
                    cause != 0 ? strerror(cause) : "failed");
}

enum mrc_status mrc_output_flush(struct mrc_output *out, struct mrc_error *err) {
    MRC_ASSERT(out->path != NULL);
    if (out->flushed) return MRC_OK;
    enum mrc_status st = out->folder ? sync_path(out->temporary, O_RDONLY | O_DIRECTORY, err)
                                     : finish_stream(out, err);
    out->flushed = true;
    if (st != MRC_OK) mrc_output_discard(out);
    return st;
}

/* The renaming itself is on the disk when the folder around is. The new file stands by now, so
 * nothing that fails here is the user's concern (a folder that may be written but not read, say).
 */
static void sync_parent(const char *path) {
    size_t length = (size_t)(mrc_path_name(path) - path);
    char *parent = length > 0 ? mrc_asprintf("%.*s", (int)length, path) : mrc_strdup(".");
    if (parent != NULL) (void)sync_path(parent, O_RDONLY | O_DIRECTORY, NULL);
    mrc_free(parent);
}

/* 0, or -1 with errno. Not all file systems can do it at once: on those, what a kill leaves aside
 * is called otherwise than temporaries, which may be removed. */
static int exchange(const char *a, const char *b) {
    if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    char *aside = mrc_asprintf("%s.old-%08x", b, next_number());
    int result = aside != NULL ? rename(b, aside) : -1;
    if (result == 0) {
        result = rename(a, b);
        int cause = errno;
        (void)rename(aside, result == 0 ? a : b);
        errno = cause;
    }
    mrc_free(aside);
    return result;
}

enum mrc_status mrc_replace_dir(const char *whole, const char *path, struct mrc_error *err) {
    if (rename(whole, path) != 0) {
        if ((errno != ENOTEMPTY && errno != EEXIST) || exchange(whole, path) != 0)
            return mrc_fail(err, MRC_ERR_WRITE, "%s: %s while renaming into place", path,
                            strerror(errno));
        sync_parent(path); /* the new name is on the disk before the old folder goes */
        mrc_remove_tree(whole);
    }
    sync_parent(path);
    return MRC_OK;
}

static bool swap(const struct mrc_output *out) {
    return exchange(out->temporary, out->path) == 0;
}

/* False, with errno. With `keep`, a file that is replaced is kept too. File systems that cannot
 * leave alone what came meanwhile are trusted to be quiet. */
static bool rename_into_place(struct mrc_output *out, bool keep) {
    if (out->folder) {
        if (rename(out->temporary, out->path) == 0) return true;
        if (!out->replace || (errno != ENOTEMPTY && errno != EEXIST)) return false;
        out->swapped = swap(out);
        return out->swapped;
    }
    if (out->fresh) {
        if (renameat2(AT_FDCWD, out->temporary, AT_FDCWD, out->path, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EINVAL && errno != ENOSYS) return false;
    } else if (keep && !mrc_path_is_dir(out->path)) {
        out->swapped = swap(out);
    }
    return out->swapped || rename(out->temporary, out->path) == 0;
}

static enum mrc_status place(struct mrc_output *out, bool keep, struct mrc_error *err) {
    enum mrc_status st = mrc_output_flush(out, err);
    if (st != MRC_OK || out->placed) return st;
    out->placed = rename_into_place(out, keep);
    if (out->placed) return MRC_OK;
    st = mrc_fail(err, MRC_ERR_WRITE, "%s: %s while renaming into place", out->path,
                  strerror(errno));
    mrc_output_discard(out);
    return st;
}

enum mrc_status mrc_output_place(struct mrc_output *out, struct mrc_error *err) {
    return place(out, true, err);
}

static void remove_placed(const struct mrc_output *out, const char *path) {
    if (out->folder)
        mrc_remove_tree(path);
    else
        (void)unlink(path); /* and never a folder that somebody put there */
}

enum mrc_status mrc_output_commit(struct mrc_output *out, struct mrc_error *err) {
    enum mrc_status st = place(out, false, err);
    if (st != MRC_OK) return st;
    sync_parent(out->path); /* the new name is on the disk before the old one goes */
    if (out->swapped) remove_placed(out, out->temporary);
    output_clear(out);
    return MRC_OK;
}

/* Of one that is placed: back to what was there. */
static void take_back(const struct mrc_output *out) {
    if (out->swapped) {
        if (swap(out)) remove_placed(out, out->temporary);
    } else if (out->folder || out->fresh) {
        remove_placed(out, out->path);
    }
}

void mrc_output_discard(struct mrc_output *out) {
    if (out->stream != NULL) (void)fclose(out->stream);
    out->stream = NULL;
    if (out->placed)
        take_back(out);
    else if (out->path != NULL && out->temporary != NULL)
        mrc_remove_tree(out->temporary);
    output_clear(out);
}

enum mrc_status mrc_write_file(const char *path, const void *data, size_t size,
                               struct mrc_error *err) {
    struct mrc_output out;
    enum mrc_status st = mrc_output_open_file(&out, path, err);
    if (st != MRC_OK) return st;
    (void)fwrite(data, 1, size, out.stream); /* commit sees the stream's error */
    return mrc_output_commit(&out, err);
}

enum mrc_status mrc_write_private_file(const char *path, const void *data, size_t size,
                                       struct mrc_error *err) {
    struct mrc_output out;
    enum mrc_status st = mrc_output_open_private_file(&out, path, err);
    if (st != MRC_OK) return st;
    (void)fwrite(data, 1, size, out.stream); /* commit sees the stream's error */
    return mrc_output_commit(&out, err);
}
