/* fs.h: files and folders. What is written gets a temporary name beside its place and is renamed
 * when whole. */
#ifndef MRC_BASE_FS_H
#define MRC_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

MRC_API bool mrc_path_exists(const char *path);
MRC_API bool mrc_path_is_dir(const char *path);
/** "dir/name" on the heap (mrc_free); NULL when memory is exhausted. */
MRC_API char *mrc_path_join(const char *dir, const char *name);
/** The part after the last '/', inside `path`. A trailing '/' gives "". */
MRC_API const char *mrc_path_name(const char *path);
/** Case-insensitive test of how a name ends: mrc_path_has_suffix(p, ".nii.gz"). */
MRC_API bool mrc_path_has_suffix(const char *path, const char *suffix);

/** Names (not paths), sorted by byte value, without "." and "..". Owned by the list. More than a
 * million are MRC_ERR_RANGE. */
struct mrc_name_list {
    char **names;
    size_t count, capacity;
};
MRC_STATUS mrc_list_dir(struct mrc_name_list *out, const char *dir, struct mrc_error *err);
/** Is there a regular file, or a link to one? A link whose target is gone counts: a file is missing
 * there, which opening it says. Folders, pipes, sockets and devices do not. */
bool mrc_path_is_file(const char *path);
/** What a folder holds besides files and folders to look into. */
enum mrc_oddity_kind {
    MRC_ODD_LINK,       /* a symbolic link to a folder: not followed, it may lead in circles */
    MRC_ODD_SPECIAL,    /* a pipe, socket or device: reading it might never end */
    MRC_ODD_UNREADABLE, /* a folder that cannot be listed */
    MRC_ODD_DEEP        /* a folder too far below: not looked into */
};
struct mrc_oddity {
    char *path;
    enum mrc_oddity_kind kind;
    char why[80]; /* "a pipe, expected a file" */
};
/** All that lies below a folder. Zero-initialise; clear with mrc_tree_clear. */
struct mrc_tree {
    struct mrc_name_list files; /* mrc_path_is_file; paths that begin with the folder's, sorted */
    struct mrc_oddity *odd;     /* by path */
    size_t odd_count, odd_capacity;
};
/** Lists everything below `dir`. Fails when `dir` itself cannot be listed (MRC_ERR_IO); what cannot
 * be looked into below it is an oddity. More than `limit` files, or folders beyond all reason, are
 * MRC_ERR_RANGE. */
MRC_STATUS mrc_tree_list(struct mrc_tree *out, const char *dir, size_t limit,
                         struct mrc_error *err);
MRC_API void mrc_tree_clear(struct mrc_tree *tree);
/** The files of mrc_tree_list alone, where none may escape: a folder that cannot be looked into is
 * an error. */
MRC_STATUS mrc_list_tree(struct mrc_name_list *out, const char *dir, size_t limit,
                         struct mrc_error *err);
MRC_API void mrc_name_list_clear(struct mrc_name_list *list);

/** A whole file, at most `limit` bytes, NUL-terminated beyond *size. *out is the caller's
 * (mrc_free). */
MRC_STATUS mrc_read_file(unsigned char **out, size_t *size, const char *path, size_t limit,
                         struct mrc_error *err);
/** The first bytes of a file: up to `capacity`, *size says how many. */
MRC_STATUS mrc_read_head(unsigned char *out, size_t capacity, size_t *size, const char *path,
                         struct mrc_error *err);

/** Creates a folder and its parents (mode 0777 less umask). One that exists is fine. */
MRC_STATUS mrc_make_dirs(const char *path, struct mrc_error *err);
/** Removes a file or a folder with all in it; what is not there is fine. Does not follow links. */
MRC_API void mrc_remove_tree(const char *path);

/** A file or folder that appears under its name only when whole:
 *    mrc_output_open_file -> write to output.stream -> mrc_output_commit, or mrc_output_discard.
 *    mrc_output_open_dir  -> write files into output.temporary -> the same two.
 *  Several that belong together: mrc_output_place each, then commit all, or discard all.
 *  discard after commit, and of a zeroed record, does nothing. */
struct mrc_output {
    char *path, *temporary;
    FILE *stream; /* files only; NULL once flushed */
    int lock;     /* of the temporary, while this process lives; less than 0: cannot be had there */
    bool replace, folder, flushed;
    bool fresh;           /* nothing was there at the opening */
    bool placed, swapped; /* it has its name; what was there has the temporary's */
};
/** Opens path's temporary twin for binary writing. A file of that name is replaced at commit; one
 * that appears only after the opening is somebody else's, and the commit fails. */
MRC_STATUS mrc_output_open_file(struct mrc_output *out, const char *path, struct mrc_error *err);
/** The same of a file that only its owner may read (mode 0600). Halves of it that killed processes
 * left are removed. */
MRC_MUST_CHECK enum mrc_status mrc_output_open_private_file(struct mrc_output *out,
                                                            const char *path,
                                                            struct mrc_error *err);
/** Makes a temporary folder beside `path` (beside its target when that is a link). With replace
 * false, `path` must not exist or be an empty folder; with replace true, what is there is replaced
 * at commit. What killed processes left of the same output goes (mrc_output_clean). */
MRC_STATUS mrc_output_open_dir(struct mrc_output *out, const char *path, bool replace,
                               struct mrc_error *err);
/** Removes the temporaries of `path` whose processes are no more; those that another process still
 * writes stay, and so does everything where files cannot be locked. Fails for lack of memory alone.
 */
MRC_MUST_CHECK enum mrc_status mrc_output_clean(const char *path, struct mrc_error *err);
/** Flushes and syncs the temporary: what can fail of a commit but the renaming, so that two outputs
 * that belong together can both be whole before either appears. On failure the temporary is
 * removed. */
MRC_MUST_CHECK enum mrc_status mrc_output_flush(struct mrc_output *out, struct mrc_error *err);
/** Flushes, and gives the output its name; what was there is kept until the commit, which then
 * cannot fail, or comes back with discard. On failure the temporary is removed and `path` is as it
 * was. */
MRC_MUST_CHECK enum mrc_status mrc_output_place(struct mrc_output *out, struct mrc_error *err);
/** Places, and syncs the folder around. On failure the temporary is removed and `path` is as it
 * was. */
MRC_STATUS mrc_output_commit(struct mrc_output *out, struct mrc_error *err);
MRC_API void mrc_output_discard(struct mrc_output *out);

/** Gives the folder `whole`, on the same disk, the name `path`. A folder of that name goes only
 * after the new one stands: whenever the program is killed, one of them is there. */
MRC_MUST_CHECK enum mrc_status mrc_replace_dir(const char *whole, const char *path,
                                               struct mrc_error *err);
/** Waits until the names in a folder are on the disk. */
MRC_STATUS mrc_sync_dir(const char *path, struct mrc_error *err);
/** Writes bytes as a file, whole or not at all. */
MRC_STATUS mrc_write_file(const char *path, const void *data, size_t size, struct mrc_error *err);
/** The same as a file that only its owner may read (mode 0600). Halves of it that killed processes
 * left are removed. */
MRC_MUST_CHECK enum mrc_status mrc_write_private_file(const char *path, const void *data,
                                                      size_t size, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
