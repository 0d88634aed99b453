/* prepare_partial.c: the folder in which a set is made. A process holds it by a lock, which ends
 * with the process however that ends; what it leaves there the next one goes on from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/prepare/prepare_set.h"
#include "base/alloc.h"
#include "base/fs.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the folder of a set");
}

/* --- one process at a time --- */

/* Is it the folder of that name still? Who held it before may have renamed or removed it. */
static bool has_name(int folder, const char *path) {
    struct stat opened, named;
    return fstat(folder, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* *held: less than 0 when the folder was renamed meanwhile; try again. Where nothing can be locked
 * (some network file systems) the folder is taken as it is. */
static enum mrc_status try_to_hold(int *held, const char *path, struct mrc_error *err) {
    enum mrc_status st = mrc_make_dirs(path, err);
    if (st != MRC_OK) return st;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno != ENOENT)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected a folder", path, strerror(errno));
    if (folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        st =
            mrc_fail(err, MRC_ERR_WRITE,
                     "%s: another mrcycle prepare makes this set, expected it to have ended", path);
    if (st == MRC_OK && folder >= 0 && has_name(folder, path))
        *held = folder;
    else if (folder >= 0)
        (void)close(folder);
    return st;
}

enum mrc_status mrc_prepare_partial_hold(struct mrc_prepare_set *set, struct mrc_error *err) {
    enum { TRIES = 100 };
    enum mrc_status st = MRC_OK;
    for (int n = 0; st == MRC_OK && set->held < 0 && n < TRIES; ++n)
        st = try_to_hold(&set->held, set->partial, err);
    if (st != MRC_OK) return st;
    if (set->held < 0)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: vanishes, expected a folder", set->partial);
    char *work = mrc_path_join(set->partial, ".work");
    st = work != NULL ? mrc_make_dirs(work, err) : no_memory(err);
    mrc_free(work);
    return st;
}

/* --- what stays in it --- */

/* Is the file of the partial folder one that a series of the set has? Its name holds the series'
 * id, by which the items stand. */
static bool is_wanted(const struct mrc_prepare_set *set, const char *path, const char *id) {
    struct mrc_prepare_item key;
    if (strlen(id) < sizeof key.id - 1) return false;
    (void)snprintf(key.id, sizeof key.id, "%.*s", (int)sizeof key.id - 1, id);
    const struct mrc_prepare_item *item =
        set->count > 0
            ? bsearch(&key, set->items, set->count, sizeof *set->items, mrc_prepare_item_order)
            : NULL;
    while (item != NULL && item > set->items && strcmp(item[-1].id, item->id) == 0) --item;
    while (item != NULL && !item->used && item + 1 < set->items + set->count &&
           strcmp(item[1].id, item->id) == 0)
        ++item; /* of twins the one that is used */
    bool wanted = false;
    static const char *const suffixes[] = {".nii.gz", ".json"};
    for (size_t s = 0; item != NULL && item->used && s < 2 && !wanted; ++s) {
        char *name = mrc_prepare_item_name(set, item, suffixes[s]);
        wanted = name == NULL || strcmp(path + strlen(set->partial) + 1, name) == 0;
        mrc_free(name);
    }
    return wanted;
}

/* Folders below `dir` in which nothing is left. */
static void remove_empty(const char *dir) {
    struct mrc_name_list names = {0};
    if (mrc_list_dir(&names, dir, NULL) != MRC_OK) return;
    for (size_t i = 0; i < names.count; ++i) {
        char *path = mrc_path_join(dir, names.names[i]);
        if (path != NULL && mrc_path_is_dir(path)) {
            remove_empty(path);
            (void)remove(path); /* stays where something is in it */
        }
        mrc_free(path);
    }
    mrc_name_list_clear(&names);
}

/* What an earlier, interrupted run left: files of series that are gone, refused or of another
 * contrast now, tables, and halves under temporary names. The tables are written after this. */
enum mrc_status mrc_prepare_partial_clean(const struct mrc_prepare_set *set,
                                          struct mrc_error *err) {
    struct mrc_name_list files = {0};
    size_t length = strlen(set->partial) + 1;
    enum mrc_status st = mrc_list_tree(&files, set->partial, 10000000, err);
    for (size_t i = 0; st == MRC_OK && i < files.count; ++i) {
        if (strncmp(files.names[i] + length, ".work/", 6) == 0) continue;
        const char *id = strstr(mrc_path_name(files.names[i]), "_acq-");
        if (id == NULL || !is_wanted(set, files.names[i], id + 5)) (void)remove(files.names[i]);
    }
    mrc_name_list_clear(&files);
    if (st == MRC_OK) remove_empty(set->partial);
    return st;
}

enum mrc_status mrc_prepare_partial_place(const struct mrc_prepare_set *set,
                                          struct mrc_error *err) {
    char *work = mrc_path_join(set->partial, ".work");
    if (work == NULL) return no_memory(err);
    mrc_remove_tree(work);
    mrc_free(work);
    /* A set that is replaced has the partial name until it is removed: it is held, too. */
    int old = open(set->options->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old >= 0) (void)flock(old, LOCK_EX | LOCK_NB);
    enum mrc_status st = mrc_replace_dir(set->partial, set->options->output, err);
    if (old >= 0) (void)close(old);
    return st;
}

void mrc_prepare_partial_let_go(struct mrc_prepare_set *set) {
    if (set->held < 0) return;
    if (has_name(set->held, set->partial)) {
        remove_empty(set->partial);
        (void)remove(set->partial); /* stays where something is made */
    }
    (void)close(set->held);
    set->held = -1;
}
