/* finds.h: the files below a folder, what kind each is, and what its header says. Private to the
 * package io. Headers are read in child processes (base/isolate.h), for they may be anything: a
 * file that crashes or hangs its reader gets a status like any other broken one. Pixels are not
 * read. */
#ifndef MRC_IO_FINDS_H
#define MRC_IO_FINDS_H

#include <stddef.h>

#include "base/fs.h"
#include "base/status.h"
#include "io/image.h"

/** Files stand folder by folder, by name within each. */
struct mrc_finds {
    struct mrc_tree tree;
    struct mrc_image_file *files;
    size_t count;
};

/** Everything below a folder. */
enum mrc_status mrc_finds_below(struct mrc_finds *out, const char *dir,
                                const struct mrc_scan_options *options, struct mrc_error *err);
/** The files in the folder that `path` names a file of ("dir/" for those of dir); not those of its
 * subfolders. */
enum mrc_status mrc_finds_beside(struct mrc_finds *out, const char *path, struct mrc_error *err);
/** These files and no others. One that cannot be read is found as such. */
enum mrc_status mrc_finds_of(struct mrc_finds *out, char *const *paths, size_t count,
                             struct mrc_error *err);
void mrc_finds_clear(struct mrc_finds *finds);

/** Do two paths lie in one folder? */
bool mrc_finds_same_folder(const char *a, const char *b);
/** The end of the run of files that lie in the folder of file `begin`. */
size_t mrc_finds_end_of_folder(const struct mrc_finds *finds, size_t begin);
/** The files of one format among begin … end-1; *count says how many. The array is the caller's
 * (mrc_free), the files the finds'; NULL when memory is exhausted. */
const struct mrc_image_file **mrc_finds_select(size_t *count, const struct mrc_finds *finds,
                                               size_t begin, size_t end,
                                               const struct mrc_format *format);

#endif
