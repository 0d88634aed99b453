/* model_file.c: the places a model may lie in, in order. */
#define _GNU_SOURCE /* dladdr */
#include "app/common/model_file.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "model/files/checkpoint.h"

static const char shipped[] = "brain-contrast"; /* used where none is named */

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "model: out of memory");
}

/* <prefix>/share/mrcycle/models, where the prefix is `path` without its last `levels` names; false:
 * there is none. */
static bool models_of(char out[PATH_MAX], const char *path, int levels) {
    static const char tail[] = "/share/mrcycle/models";
    (void)snprintf(out, PATH_MAX, "%s", path);
    for (int level = 0; level < levels; ++level) {
        char *slash = strrchr(out, '/');
        if (slash == NULL) return false;
        *slash = '\0';
    }
    const size_t length = strlen(out);
    if (length + sizeof tail > PATH_MAX) return false;
    memcpy(out + length, tail, sizeof tail);
    return mrc_path_is_dir(out);
}

/* Of the program at <prefix>/bin/mrcycle; else of the library that another program has loaded, at
 * <prefix>/lib/libmrcycle.so or <prefix>/lib/x86_64-linux-gnu/libmrcycle.so. "" where there is none. */
static void installed_folder(char out[PATH_MAX]) {
    char path[PATH_MAX];
    Dl_info library;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    if (models_of(out, path, 2)) return;
    if (dladdr(shipped, &library) != 0 && library.dli_fname != NULL &&
        realpath(library.dli_fname, path) != NULL &&
        (models_of(out, path, 2) || models_of(out, path, 3)))
        return;
    out[0] = '\0';
}

/* *out stays NULL when it does not lie there. */
static enum mrc_status look_in(char **out, const char *folder, const char *name,
                               struct mrc_error *err) {
    char *path = mrc_asprintf("%s/%s.safetensors", folder, name);
    if (path == NULL) return no_memory(err);
    if (mrc_path_exists(path))
        *out = path;
    else
        mrc_free(path);
    return MRC_OK;
}

/* A model that came with the program; *out NULL: there is none of that name. */
static enum mrc_status find_named(char **out, const char *name, struct mrc_error *err) {
    char installed[PATH_MAX];
    const char *asked = getenv("MRCYCLE_MODEL_DIR");
    enum mrc_status status = MRC_OK;
    *out = NULL;
    if (asked != NULL && asked[0] != '\0') /* another model would be a surprise */
        return look_in(out, asked, name, err);
    installed_folder(installed);
    if (installed[0] != '\0') status = look_in(out, installed, name, err);
    if (status == MRC_OK && *out == NULL && MRC_SOURCE_MODEL_DIR[0] != '\0')
        status = look_in(out, MRC_SOURCE_MODEL_DIR, name, err);
    return status;
}

static enum mrc_status find_shipped(char **out, struct mrc_error *err) {
    const char *asked = getenv("MRCYCLE_MODEL_DIR");
    enum mrc_status status = find_named(out, shipped, err);
    if (status != MRC_OK || *out != NULL) return status;
    if (asked != NULL && asked[0] != '\0')
        return mrc_fail(err, MRC_ERR_IO,
                        "%s: holds no %s.safetensors, expected the model in MRCYCLE_MODEL_DIR",
                        asked, shipped);
    return mrc_fail(err, MRC_ERR_IO,
                    "%s.safetensors: not found in share/mrcycle/models beside the program's or the "
                    "library's folder, expected the shipped model (--model names another)",
                    shipped);
}

static enum mrc_status find_given(char **out, const char *given, const char *in_run,
                                  struct mrc_error *err) {
    if (!mrc_path_exists(given)) {
        enum mrc_status status = MRC_OK;
        if (in_run[0] != '\0' && strchr(given, '/') == NULL) status = find_named(out, given, err);
        if (status != MRC_OK || *out != NULL) return status;
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a model", given);
    }
    if (!mrc_path_is_dir(given)) {
        *out = mrc_strdup(given);
        return *out != NULL ? MRC_OK : no_memory(err);
    }
    char *path = mrc_path_join(given, in_run);
    if (path == NULL) return no_memory(err);
    if (!mrc_path_exists(path)) {
        mrc_free(path);
        return mrc_fail(err, MRC_ERR_IO, "%s: holds no %s, expected the folder of a training run",
                        given, in_run);
    }
    *out = path;
    return MRC_OK;
}

enum mrc_status mrc_model_file_find(char **out, const char *given, struct mrc_error *err) {
    *out = NULL;
    if (given == NULL) return find_shipped(out, err);
    return find_given(out, given, "model.safetensors", err);
}

enum mrc_status mrc_model_file_describe(struct mrc_checkpoint_info *info, const char *given,
                                        struct mrc_error *err) {
    char *path = NULL;
    enum mrc_status status = mrc_model_file_find(&path, given, err);
    if (status == MRC_OK) status = mrc_checkpoint_describe(info, path, err);
    mrc_free(path);
    return status;
}

/* The complete checkpoint of a run that has made most steps: "last" is older than the others where
 * a run was taken up again and killed. */
static enum mrc_status find_newest(char **out, const char *run, struct mrc_error *err) {
    struct mrc_name_list names = {0};
    int64_t most = -1;
    char *folder = mrc_path_join(run, "checkpoints");
    if (folder == NULL) return no_memory(err);
    enum mrc_status status = MRC_OK;
    if (mrc_path_is_dir(folder)) status = mrc_list_dir(&names, folder, err);
    for (size_t i = 0; status == MRC_OK && i < names.count; ++i) {
        struct mrc_checkpoint_info info;
        struct mrc_error none = {0};
        char *path = mrc_path_join(folder, names.names[i]);
        if (path == NULL) status = no_memory(err);
        if (path != NULL && mrc_checkpoint_describe(&info, path, &none) == MRC_OK &&
            info.complete && info.step > most) {
            most = info.step;
            mrc_free(*out);
            *out = path;
        } else {
            mrc_free(path);
        }
    }
    mrc_name_list_clear(&names);
    mrc_free(folder);
    if (status == MRC_OK && *out == NULL)
        status = mrc_fail(err, MRC_ERR_IO,
                          "%s: holds no complete checkpoint, expected the folder of a training run",
                          run);
    if (status == MRC_OK) return MRC_OK;
    mrc_free(*out);
    *out = NULL;
    return status;
}

enum mrc_status mrc_model_file_find_complete(char **out, const char *given, struct mrc_error *err) {
    *out = NULL;
    if (mrc_path_is_dir(given)) return find_newest(out, given, err);
    return find_given(out, given, "", err);
}

/* --- Can it be used? --- */

static enum mrc_status load_one(void *context, size_t job, mrc_isolate_sink *sink,
                                struct mrc_error *err) {
    static const enum mrc_cyclegan_net nets[] = {MRC_NET_G, MRC_NET_F};
    struct mrc_checkpoint_info info;
    mrc_generator *generator = NULL;
    (void)sink;
    enum mrc_status status = mrc_generator_load(&generator, &info, context, nets[job], 0, 1, err);
    mrc_generator_destroy(generator);
    return status;
}

static enum mrc_status take_nothing(void *context, size_t job, const void *bytes, size_t size,
                                    struct mrc_error *err) {
    (void)context, (void)job, (void)bytes, (void)size, (void)err;
    return MRC_OK;
}

static enum mrc_status finish_one(void *context, size_t job, enum mrc_status status,
                                  const char *why, bool ended, struct mrc_error *err) {
    (void)job;
    if (status == MRC_OK) return MRC_OK;
    if (!ended) return mrc_fail(err, status, "%s", why);
    return mrc_fail(err, status, "%s: reading the model %s", (const char *)context, why);
}

static const char *file_to_read(void *context, size_t number) {
    return number == 0 ? context : NULL;
}

enum mrc_status mrc_model_file_check(const char *given, struct mrc_error *err) {
    struct mrc_isolate_limits limits = MRC_ISOLATE_VOXELS; /* a model may be large, too */
    char *path = NULL;
    enum mrc_status status = mrc_model_file_find(&path, given, err);
    const struct mrc_isolate_work work = {.context = path,
                                          .run = load_one,
                                          .take = take_nothing,
                                          .finish = finish_one,
                                          .file = file_to_read};
    limits.processes = 1;
    if (status == MRC_OK) status = mrc_isolate_run(&work, 2, &limits, err);
    mrc_free(path);
    return status;
}
