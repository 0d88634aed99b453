/* queue.c: the folder, its locks, and files on their way in. */
#include "app/node/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/common/place.h"
#include "app/node/queue_folder.h"
#include "base/alloc.h"

static const char *const folders[] = {"receiving", "arriving", "new",    "running",
                                      "done",      "failed",   "skipped"};

const char *mrc_job_state_name(enum mrc_job_state state) {
    return folders[(int)state + 1];
}

const char *mrc_queue_dir(const mrc_queue *queue) {
    return queue->dir;
}

enum mrc_status mrc_queue_join(char out[MRC_JOB_PATH], const mrc_queue *queue, const char *a,
                               const char *b, const char *c, struct mrc_error *err) {
    int length = snprintf(out, MRC_JOB_PATH, "%s/%s%s%s%s%s", queue->dir, a, b != NULL ? "/" : "",
                          b != NULL ? b : "", c != NULL ? "/" : "", c != NULL ? c : "");
    if (length > 0 && length < MRC_JOB_PATH) return MRC_OK;
    return mrc_fail(err, MRC_ERR_RANGE, "%s: a path below it has more than %d characters",
                    queue->dir, MRC_JOB_PATH - 1);
}

enum mrc_status mrc_queue_path(char out[MRC_JOB_PATH], const mrc_queue *queue,
                               const struct mrc_job *job, const char *name, struct mrc_error *err) {
    return mrc_queue_join(out, queue, mrc_job_state_name(job->state), job->id, name, err);
}

enum mrc_status mrc_queue_receiving(char out[MRC_JOB_PATH], const mrc_queue *queue, int64_t number,
                                    struct mrc_error *err) {
    char name[64];
    snprintf(name, sizeof name, "%ld-%lld", (long)getpid(), (long long)number);
    return mrc_queue_join(out, queue, folders[0], name, NULL, err);
}

/* --- Opening --- */

static enum mrc_status make_folder(const char *path, struct mrc_error *err) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected to make a folder there", path,
                    strerror(errno));
}

/* It may have been there before us: others must not get at the images through it. */
static enum mrc_status check_private(const char *path, mode_t forbidden, struct mrc_error *err) {
    struct stat info;
    if ((forbidden == 022 ? stat(path, &info) : lstat(path, &info)) != 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: is no folder, expected one of the queue's own",
                        path);
    if (info.st_uid != geteuid() || (info.st_mode & forbidden) != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: mode %04o, owner %lld, expected a folder of our own that others do "
                        "not %s",
                        path, (unsigned)info.st_mode & 07777u, (long long)info.st_uid,
                        forbidden == 022 ? "change" : "see");
    return MRC_OK;
}

static enum mrc_status make_folders(mrc_queue *queue, struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    enum mrc_status status = make_folder(queue->dir, err);
    /* its own name, too; of a folder that we may not read it is no concern of ours */
    if (status == MRC_OK) status = mrc_queue_join(path, queue, "..", NULL, NULL, err);
    if (status == MRC_OK && mrc_sync_dir(path, NULL) != MRC_OK) status = MRC_OK;
    if (status == MRC_OK) status = check_private(queue->dir, 022, err);
    for (size_t f = 0; status == MRC_OK && f < sizeof folders / sizeof *folders; ++f) {
        status = mrc_queue_join(path, queue, folders[f], NULL, NULL, err);
        if (status == MRC_OK) status = make_folder(path, err);
        if (status == MRC_OK) status = check_private(path, 077, err);
    }
    return status == MRC_OK ? mrc_sync_dir(queue->dir, err) : status;
}

static enum mrc_status open_queue(mrc_queue *queue, const char *dir, bool create,
                                  struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    bool made = false;
    size_t length = strlen(dir);
    while (length > 1 && dir[length - 1] == '/') --length;
    if (length == 0 || length > MRC_JOB_PATH / 2)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%zu characters as the folder of a queue", length);
    snprintf(queue->dir, sizeof queue->dir, "%.*s", (int)length, dir);
    queue->lock = -1;
    enum mrc_status status = create ? mrc_place_make_parent(queue->dir, err) : MRC_OK;
    if (status == MRC_OK && create) status = make_folders(queue, err);
    if (status == MRC_OK) status = mrc_queue_join(path, queue, "key", NULL, NULL, err);
    if (status == MRC_OK && !create && !mrc_path_exists(path))
        return mrc_fail(err, MRC_ERR_IO, "%s: no queue, expected the folder of one", queue->dir);
    return status == MRC_OK ? mrc_pseudonym_key_load(&queue->key, &made, path, err) : status;
}

enum mrc_status mrc_queue_open(mrc_queue **out, const char *dir, bool create,
                               struct mrc_error *err) {
    mrc_queue *queue = mrc_alloc(1, sizeof *queue);
    if (queue == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a queue");
    enum mrc_status status = open_queue(queue, dir, create, err);
    if (status == MRC_OK)
        *out = queue;
    else
        mrc_queue_close(queue);
    return status;
}

void mrc_queue_close(mrc_queue *queue) {
    if (queue == NULL) return;
    if (queue->lock >= 0) (void)close(queue->lock);
    mrc_free(queue->turns);
    mrc_free(queue->seen);
    mrc_free(queue);
}

/* --- Locks. They end with the process that has them. --- */

static enum mrc_status lock_file(int *out, const mrc_queue *queue, const char *name, int how,
                                 struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_join(path, queue, name, NULL, NULL, err);
    if (status != MRC_OK) return status;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected a lock", path, strerror(errno));
    int failed = flock(file, how);
    while (failed != 0 && errno == EINTR) failed = flock(file, how);
    if (failed == 0) {
        *out = file;
        return MRC_OK;
    }
    int cause = errno;
    (void)close(file);
    if (cause == EWOULDBLOCK)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: another server works on this queue",
                        queue->dir);
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected a lock", path, strerror(cause));
}

enum mrc_status mrc_queue_hold(int *held, const mrc_queue *queue, struct mrc_error *err) {
    return lock_file(held, queue, "mutex", LOCK_EX, err);
}

void mrc_queue_let_go(int held) {
    (void)close(held);
}

/* --- After a crash --- */

static enum mrc_status empty_receiving(const mrc_queue *queue, const char *beginning,
                                       struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    enum mrc_status status = mrc_queue_join(path, queue, folders[0], NULL, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&names, path, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        if (strncmp(names.names[i], beginning, strlen(beginning)) != 0) continue;
        status = mrc_queue_join(path, queue, folders[0], names.names[i], NULL, err);
        if (status == MRC_OK) mrc_remove_tree(path);
    }
    mrc_name_list_clear(&names);
    return status;
}

void mrc_queue_drop_received(const mrc_queue *queue, int pid) {
    char beginning[32];
    snprintf(beginning, sizeof beginning, "%d-", pid);
    (void)empty_receiving(queue, beginning, NULL);
}

/* What was computed is whole when it stands under its name; what has a temporary one goes. */
static enum mrc_status clean_job(const char *folder, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    enum mrc_status status = mrc_list_dir(&names, folder, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        if (strstr(names.names[i], ".tmp-") == NULL) continue;
        char *path = mrc_path_join(folder, names.names[i]);
        if (path == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
        if (path != NULL) mrc_remove_tree(path);
        mrc_free(path);
    }
    mrc_name_list_clear(&names);
    return status;
}

void mrc_queue_clean(mrc_queue *queue, const struct mrc_job *job) {
    char path[MRC_JOB_PATH];
    if (mrc_queue_path(path, queue, job, NULL, NULL) == MRC_OK) (void)clean_job(path, NULL);
}

static enum mrc_status resume_running(mrc_queue *queue, int64_t *again, struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    struct mrc_name_list names = {0};
    enum mrc_status status =
        mrc_queue_join(path, queue, mrc_job_state_name(MRC_JOB_RUNNING), NULL, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&names, path, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        struct mrc_job job = {.state = MRC_JOB_RUNNING};
        snprintf(job.id, sizeof job.id, "%s", names.names[i]);
        status = mrc_queue_path(path, queue, &job, NULL, err);
        if (status == MRC_OK) status = clean_job(path, err);
        if (status != MRC_OK) break;
        status =
            mrc_queue_rename_held(queue, &job, path, MRC_JOB_NEW, err); /* the disk may be full */
        ++*again;
    }
    mrc_name_list_clear(&names);
    return status;
}

/* --- Associations: a series knows which are about to bring it more --- */

/* The mark "open-N" of an association that brings images goes when that is released, and is called
 * "broken" when it breaks off. Who brings more afterwards takes "broken" over as his own mark
 * (open_series): then his release makes good for it, and nobody else's does. */
static enum mrc_status mark_series(const char *folder, const char *open, bool released,
                                   struct mrc_error *err) {
    char *from = mrc_path_join(folder, open), *to = mrc_path_join(folder, "broken");
    enum mrc_status status = MRC_OK;
    if (from == NULL || to == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a path");
    else if ((released ? unlink(from) : rename(from, to)) != 0)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: %s", from, strerror(errno));
    mrc_free(to);
    mrc_free(from);
    return status;
}

/* Ends one association, or with peer < 0 all, in the series of this name. */
static enum mrc_status end_in_series(const mrc_queue *queue, const char *series, int peer,
                                     bool released, struct mrc_error *err) {
    char folder[MRC_JOB_PATH], open[32];
    struct mrc_name_list names = {0};
    snprintf(open, sizeof open, "open-%d", peer);
    enum mrc_status status = mrc_queue_join(folder, queue, folders[1], series, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&names, folder, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i)
        if (peer < 0 ? strncmp(names.names[i], "open-", 5) == 0 : strcmp(names.names[i], open) == 0)
            status = mark_series(folder, names.names[i], released, err);
    mrc_name_list_clear(&names);
    return status;
}

static enum mrc_status end_peer_held(mrc_queue *queue, int peer, bool released,
                                     struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    struct mrc_name_list series = {0};
    enum mrc_status status = mrc_queue_join(path, queue, folders[1], NULL, NULL, err);
    if (status == MRC_OK) status = mrc_list_dir(&series, path, err);
    for (size_t i = 0; status == MRC_OK && i < series.count; ++i)
        status = end_in_series(queue, series.names[i], peer, released, err);
    mrc_name_list_clear(&series);
    return status;
}

enum mrc_status mrc_queue_end_peer(mrc_queue *queue, int peer, bool released,
                                   struct mrc_error *err) {
    int held = -1;
    enum mrc_status status = mrc_queue_hold(&held, queue, err);
    if (status != MRC_OK) return status;
    status = end_peer_held(queue, peer, released, err);
    mrc_queue_let_go(held);
    return status;
}

enum mrc_status mrc_queue_serve(mrc_queue *queue, int64_t *again, struct mrc_error *err) {
    int held = -1;
    *again = 0;
    enum mrc_status status = lock_file(&queue->lock, queue, "lock", LOCK_EX | LOCK_NB, err);
    if (status == MRC_OK) status = mrc_queue_hold(&held, queue, err);
    if (status != MRC_OK) return status;
    status = end_peer_held(queue, -1, false, err);
    if (status == MRC_OK) status = empty_receiving(queue, "", err);
    if (status == MRC_OK) status = resume_running(queue, again, err);
    mrc_queue_let_go(held);
    return status;
}

/* --- Placing --- */

/* *same: both files hold the same bytes. One that cannot be read does not differ: that is asked
 * again. */
static enum mrc_status compare(bool *same, const char *one, const char *other,
                               struct mrc_error *err) {
    enum { CHUNK = 1 << 16 };
    FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
    unsigned char *room = mrc_alloc(2, CHUNK);
    bool readable = a != NULL && b != NULL && room != NULL;
    *same = readable;
    for (size_t got = 1; *same && got > 0;) {
        got = fread(room, 1, CHUNK, a);
        *same = fread(room + CHUNK, 1, CHUNK, b) == got && memcmp(room, room + CHUNK, got) == 0;
    }
    readable = readable && !ferror(a) && !ferror(b);
    mrc_free(room);
    if (a != NULL) (void)fclose(a);
    if (b != NULL) (void)fclose(b);
    return readable ? MRC_OK
                    : mrc_fail(err, MRC_ERR_IO, "%s: cannot be compared with what is there", one);
}

/* Of this instance `other` is there: *how is told apart by its bytes, or by what they say in another
 * transfer syntax, and left when it is not. */
static enum mrc_status meet(enum mrc_placed *how, const char *path, const char *other,
                            struct mrc_error *err) {
    bool same = false;
    if (!mrc_path_exists(other)) return MRC_OK;
    enum mrc_status status = compare(&same, path, other, err);
    if (status != MRC_OK) return status;
    *how = same || mrc_net_is_recoded(path, other) ? MRC_PLACED_KNOWN : MRC_PLACED_DIFFERS;
    return MRC_OK;
}

/* Is the instance in a job of the series? In one that failed, the same bytes are better tried
 * again. */
static enum mrc_status meet_jobs(enum mrc_placed *how, const mrc_queue *queue, const char *series,
                                 const char *name, const char *path, struct mrc_error *err) {
    struct mrc_job_list jobs = {0};
    enum mrc_status status = mrc_queue_jobs_of(&jobs, queue, series, err);
    for (size_t j = 0; status == MRC_OK && *how == MRC_PLACED && j < jobs.count; ++j) {
        char below[64], other[MRC_JOB_PATH];
        snprintf(below, sizeof below, "images/%s", name);
        status = mrc_queue_path(other, queue, &jobs.jobs[j], below, err);
        if (status == MRC_OK) status = meet(how, path, other, err);
        if (jobs.jobs[j].state == MRC_JOB_FAILED && *how == MRC_PLACED_KNOWN) *how = MRC_PLACED;
    }
    mrc_job_list_clear(&jobs);
    return status;
}

/* arriving/SERIES/images/ on the disk. */
static enum mrc_status make_series(const mrc_queue *queue, const char *series, const char *folder,
                                   struct mrc_error *err) {
    char path[MRC_JOB_PATH];
    enum mrc_status status = make_folder(folder, err);
    if (status == MRC_OK) status = mrc_queue_join(path, queue, folders[1], series, "images", err);
    if (status == MRC_OK) status = make_folder(path, err);
    if (status == MRC_OK) status = mrc_sync_dir(folder, err);
    if (status == MRC_OK) status = mrc_queue_join(path, queue, folders[1], NULL, NULL, err);
    return status == MRC_OK ? mrc_sync_dir(path, err) : status;
}

/* Where an image belongs, by keyed names. */
struct place {
    const char *series;
    char study[MRC_PSEUDONYM_TEXT], name[MRC_PSEUDONYM_TEXT + 4]; /* study "": not said */
};

/* A line each: who brought the first image of the series, so whose turn it will be; his title; and
 * the study. Without the file it is nobody's. */
static void name_origin(const char *folder, const struct mrc_queue_peer *peer, const char *study) {
    char *path = mrc_path_join(folder, "origin");
    char *text = mrc_asprintf("%s\n%s\n%s\n", peer->host, peer->calling, study);
    if (path != NULL && text != NULL && !mrc_path_exists(path) &&
        mrc_write_file(path, text, strlen(text), NULL) != MRC_OK)
        (void)unlink(path);
    mrc_free(text);
    mrc_free(path);
}

/* The folders, and then the mark of the association: where that is, all is. */
static enum mrc_status open_series(const mrc_queue *queue, const struct place *at,
                                   const struct mrc_queue_peer *peer, struct mrc_error *err) {
    const char *series = at->series;
    char folder[MRC_JOB_PATH], path[MRC_JOB_PATH], broken[MRC_JOB_PATH], mark[32];
    snprintf(mark, sizeof mark, "open-%d", peer->number);
    enum mrc_status status = mrc_queue_join(path, queue, folders[1], series, mark, err);
    if (status == MRC_OK) status = mrc_queue_join(folder, queue, folders[1], series, NULL, err);
    if (status == MRC_OK) status = mrc_queue_join(broken, queue, folders[1], series, "broken", err);
    if (status != MRC_OK || (mrc_path_exists(path) && !mrc_path_exists(broken))) return status;
    if (status == MRC_OK) status = make_series(queue, series, folder, err);
    if (status != MRC_OK) return status;
    name_origin(folder, peer, at->study);
    if (rename(broken, path) != 0) {
        int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || close(file) != 0)
            return mrc_fail(err, MRC_ERR_WRITE, "%s: %s", path, strerror(errno));
    }
    status = mrc_sync_dir(folder, err);
    if (status != MRC_OK) (void)rename(path, broken);
    return status;
}

/* The file gets its name; one that has it is not replaced, whoever put it there. */
static enum mrc_status give_name(const char *path, const char *target, struct mrc_error *err) {
    if (link(path, target) != 0)
        return mrc_fail(err, MRC_ERR_WRITE, "%s: %s", target, strerror(errno));
    (void)unlink(path); /* else the next start removes it */
    return MRC_OK;
}

static enum mrc_status place(enum mrc_placed *how, mrc_queue *queue, const struct place *at,
                             const char *path, const struct mrc_queue_peer *peer,
                             struct mrc_error *err) {
    char images[MRC_JOB_PATH], target[MRC_JOB_PATH];
    *how = MRC_PLACED;
    enum mrc_status status = mrc_queue_join(images, queue, folders[1], at->series, "images", err);
    if (status != MRC_OK) return status;
    int length = snprintf(target, sizeof target, "%s/%s", images, at->name);
    if (length < 0 || length >= (int)sizeof target)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: too long", images);
    status = meet_jobs(how, queue, at->series, at->name, path, err);
    if (status != MRC_OK || *how != MRC_PLACED) return status;
    status = meet(how, path, target, err);
    if (status != MRC_OK || *how == MRC_PLACED_DIFFERS) return status;
    status = open_series(queue, at, peer, err);
    if (status == MRC_OK && *how == MRC_PLACED) status = give_name(path, target, err);
    /* of one that is known: acknowledged once, and by now on the disk for sure. Without the sync
     * the image may stay: it comes again */
    return status == MRC_OK ? mrc_sync_dir(images, err) : status;
}

enum mrc_status mrc_queue_place(enum mrc_placed *how, char series[MRC_SERIES_TEXT],
                                mrc_queue *queue, const char *path,
                                const struct mrc_net_identity *identity,
                                const struct mrc_queue_peer *peer, struct mrc_error *err) {
    struct place at = {.series = series};
    char instance[MRC_PSEUDONYM_TEXT];
    int held = -1;
    enum mrc_status status =
        mrc_pseudonym_name(series, &queue->key, "series", identity->series, err);
    if (status == MRC_OK)
        status = mrc_pseudonym_name(instance, &queue->key, "instance", identity->instance, err);
    if (status == MRC_OK && identity->study[0] != '\0')
        status = mrc_pseudonym_name(at.study, &queue->key, "study", identity->study, err);
    if (status == MRC_OK) status = mrc_queue_hold(&held, queue, err);
    if (status == MRC_OK) {
        snprintf(at.name, sizeof at.name, "%s.dcm", instance);
        status = place(how, queue, &at, path, peer, err);
        mrc_queue_let_go(held);
    }
    if (status != MRC_OK || *how != MRC_PLACED) (void)unlink(path);
    return status;
}
