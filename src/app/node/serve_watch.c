/* serve_watch.c: a folder in place of the network. What lies in it is an image each: a folder of
 * DICOM or PNG files, or a NIfTI file. It is only read. It is complete when a file "done" lies in
 * it ("NAME.done" beside a NIfTI file), or nothing of it has changed for the quiet time. What
 * changes afterwards is another image, with a result of its own. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "app/node/serve_parts.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "io/image_name.h"

enum { MAX_FILES = 50000, MAX_RESULTS = 10000 };

struct mrc_watched {
    char *name;
    char mark[MRC_HASH_TEXT];
    double since_s;
    bool handled, here;
};

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the watched folder");
}

static bool is_nifti(const char *name) {
    return name[mrc_nifti_stem(name)] != '\0';
}

static void add_to_mark(mrc_hash *hash, const char *path, const char *name) {
    struct stat info = {0};
    if (stat(path, &info) != 0) return;
    int64_t numbers[] = {(int64_t)info.st_size, (int64_t)info.st_mtim.tv_sec,
                         (int64_t)info.st_mtim.tv_nsec};
    mrc_hash_add_text(hash, name);
    mrc_hash_add(hash, numbers, sizeof numbers);
}

/* A digest of the names, sizes and times of what belongs to the image, and whether it was said to
 * be complete. */
static enum mrc_status take_mark(char mark[MRC_HASH_TEXT], bool *done, const char *path,
                                 struct mrc_error *err) {
    struct mrc_name_list files = {0};
    mrc_hash *hash = NULL;
    char *beside = mrc_asprintf("%s.done", path);
    size_t length = strlen(path);
    *done = beside != NULL && mrc_path_exists(beside);
    mrc_free(beside);
    enum mrc_status status = mrc_hash_create(&hash, err);
    if (status == MRC_OK && mrc_path_is_dir(path))
        status = mrc_list_tree(&files, path, MAX_FILES, err);
    else if (status == MRC_OK)
        add_to_mark(hash, path, "");
    for (size_t i = 0; status == MRC_OK && i < files.count; ++i) {
        const char *name = files.names[i] + length + 1;
        if (strcmp(name, "done") == 0)
            *done = true;
        else
            add_to_mark(hash, files.names[i], name);
    }
    if (status == MRC_OK) {
        uint8_t digest[MRC_HASH_BYTES];
        mrc_hash_finish(hash, digest);
        mrc_hash_print(mark, digest);
    }
    mrc_hash_destroy(hash);
    mrc_name_list_clear(&files);
    return status;
}

static enum mrc_status find(struct mrc_watched **out, struct mrc_serve_watch *watch,
                            const char *name, struct mrc_error *err) {
    for (size_t i = 0; i < watch->count; ++i)
        if (strcmp(watch->entries[i].name, name) == 0) {
            *out = &watch->entries[i];
            return MRC_OK;
        }
    void *entries = watch->entries;
    if (!mrc_grow(&entries, &watch->capacity, watch->count + 1, sizeof *watch->entries))
        return no_memory(err);
    watch->entries = entries;
    struct mrc_watched entry = {.name = mrc_strdup(name)};
    if (entry.name == NULL) return no_memory(err);
    watch->entries[watch->count] = entry;
    *out = &watch->entries[watch->count++];
    return MRC_OK;
}

static bool is_promised(const struct mrc_job_list *jobs, const char *output) {
    for (size_t i = 0; i < jobs->count; ++i)
        if (strcmp(jobs->jobs[i].output, output) == 0) return true;
    return false;
}

/* "_synthetic_T2w"; "_synthetic" where rules, which are not asked yet, make several contrasts. */
static void name_ending(char *out, size_t capacity, const struct mrc_serve_config *config) {
    bool one = true;
    for (size_t r = 0; r < config->rule_count; ++r)
        one = one &&
              (config->rules[r].to == MRC_CONTRAST_UNKNOWN || config->rules[r].to == config->to);
    (void)snprintf(out, capacity, "_synthetic%s%s", one ? "_" : "",
                   one ? mrc_contrast_name(config->to) : "");
}

/* OUTPUT/NAME_synthetic_T2w, as `translate --all` calls it, or where something is there or another
 * job will put it, OUTPUT/NAME_synthetic_T2w.2 …; of "head.nii.gz" OUTPUT/head_synthetic_T2w.nii.gz. */
static enum mrc_status choose_output(struct mrc_job *job, const struct mrc_job_list *jobs,
                                     const struct mrc_serve_config *config, const char *name,
                                     struct mrc_error *err) {
    const char *folder = config->output;
    char ending[40];
    name_ending(ending, sizeof ending, config);
    size_t stem = mrc_nifti_stem(name);
    for (int n = 1; n < MAX_RESULTS; ++n) {
        char number[16] = "";
        if (n > 1) snprintf(number, sizeof number, ".%d", n);
        int length = snprintf(job->output, sizeof job->output, "%s/%.*s%s%s%s", folder, (int)stem,
                              name, ending, number, name + stem);
        if (length < 0 || length >= (int)sizeof job->output)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: too long a path for a result", folder);
        if (!mrc_path_exists(job->output) && !is_promised(jobs, job->output)) return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_WRITE, "%s: more than %d results of one name", folder,
                    MAX_RESULTS);
}

static enum mrc_status add_job(bool *made, struct mrc_job *job, mrc_queue *queue,
                               const struct mrc_serve_config *config,
                               const struct mrc_watched *entry, struct mrc_error *err) {
    struct mrc_job new = {.images = 0};
    int length = snprintf(new.source, sizeof new.source, "%s/%s", config->watch, entry->name);
    if (length < 0 || length >= (int)sizeof new.source)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: too long a path in it", config->watch);
    bool added = false;
    struct mrc_job_list jobs = {0};
    char *id = mrc_asprintf("%s\n%s", entry->name, entry->mark);
    enum mrc_status status = id != NULL ? MRC_OK : no_memory(err);
    if (status == MRC_OK) status = mrc_queue_list(&jobs, queue, err);
    if (status == MRC_OK) status = choose_output(&new, &jobs, config, entry->name, err);
    if (status == MRC_OK) status = mrc_queue_add(&added, &new, queue, id, err);
    mrc_job_list_clear(&jobs);
    mrc_free(id);
    if (!added) return status;
    *made = true;
    *job = new;
    return status;
}

static enum mrc_status look_at(struct mrc_serve_watch *watch, bool *made, struct mrc_job *job,
                               mrc_queue *queue, const struct mrc_serve_config *config,
                               const char *name, struct mrc_error *err) {
    char mark[MRC_HASH_TEXT];
    struct mrc_watched *entry = NULL;
    bool done = false;
    char *path = mrc_path_join(config->watch, name);
    if (path == NULL) return no_memory(err);
    bool image = name[0] != '.' && (mrc_path_is_dir(path) || is_nifti(name));
    enum mrc_status status = MRC_OK;
    if (image) status = take_mark(mark, &done, path, err);
    mrc_free(path);
    if (!image || status != MRC_OK) return status;
    status = find(&entry, watch, name, err);
    if (status != MRC_OK) return status;
    entry->here = true;
    if (strcmp(entry->mark, mark) != 0) {
        snprintf(entry->mark, sizeof entry->mark, "%s", mark);
        entry->since_s = now_s();
        entry->handled = false;
    }
    if (entry->handled || (!done && now_s() - entry->since_s < config->quiet_s)) return MRC_OK;
    status = add_job(made, job, queue, config, entry, err);
    entry->handled = status == MRC_OK;
    return status;
}

static void forget_gone(struct mrc_serve_watch *watch) {
    size_t kept = 0;
    for (size_t i = 0; i < watch->count; ++i) {
        if (watch->entries[i].here)
            watch->entries[kept++] = watch->entries[i];
        else
            mrc_free(watch->entries[i].name);
    }
    watch->count = kept;
}

enum mrc_status mrc_serve_watch_look(struct mrc_serve_watch *watch, bool *made, struct mrc_job *job,
                                     mrc_queue *queue, const struct mrc_serve_config *config,
                                     struct mrc_error *err) {
    struct mrc_name_list names = {0};
    struct mrc_error first = {0}; /* one that cannot be read does not hold up others */
    *made = false;
    for (size_t i = 0; i < watch->count; ++i) watch->entries[i].here = false;
    enum mrc_status status = mrc_list_dir(&names, config->watch, err);
    if (status != MRC_OK) return status;
    for (size_t i = 0; i < names.count && !*made; ++i) {
        struct mrc_error why = {0};
        if (look_at(watch, made, job, queue, config, names.names[i], &why) != MRC_OK &&
            first.code == MRC_OK)
            first = why;
    }
    mrc_name_list_clear(&names);
    if (!*made) forget_gone(watch); /* all were looked at */
    return first.code == MRC_OK || *made ? MRC_OK : mrc_fail(err, first.code, "%s", first.text);
}

void mrc_serve_watch_clear(struct mrc_serve_watch *watch) {
    for (size_t i = 0; i < watch->count; ++i) mrc_free(watch->entries[i].name);
    mrc_free(watch->entries);
    *watch = (struct mrc_serve_watch){0};
}
