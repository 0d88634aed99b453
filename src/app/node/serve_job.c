/* serve_job.c: one attempt at one job: translate, unless that is done, and send what is not yet
 * stored. Every step may be done twice: the same images give the same UIDs and bytes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/common/place.h"
#include "app/node/send.h"
#include "app/node/serve_parts.h"
#include "app/translate/translate.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"

/* An attempt that was killed after it wrote the result and before the report has both made again.
 */
static enum mrc_status translate(const struct mrc_serve_attempt *a, const char *input,
                                 const char *output, const char *report, struct mrc_error *err) {
    const struct mrc_serve_config *config = a->config;
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    options.input = input;
    options.output = output;
    options.report = report;
    options.replace = true;
    options.to = config->to;
    options.model = config->model[0] != '\0' ? config->model : NULL;
    options.format = a->job.source[0] == '\0' ? MRC_SOURCE_DICOM : MRC_SOURCE_NONE;
    options.allow_gaps = config->allow_gaps;
    options.from_is_known = config->unknown_contrast;
    if (config->threads > 0) mrc_parallel_set_threads(config->threads);
    return mrc_translate_run(&options, NULL, NULL, err);
}

/* Each peer gets what it has not yet, whatever becomes of the others. Of several failures one that
 * may pass is told, so that the job is tried again. */
static enum mrc_status send_on(const struct mrc_serve_attempt *a, const char *output,
                               struct mrc_error *err) {
    char list[MRC_JOB_PATH];
    struct mrc_error worst = {0};
    enum mrc_status status = mrc_queue_path(list, a->queue, &a->job, "sent.list", err);
    if (status != MRC_OK) return status;
    for (size_t p = 0; p < a->config->peer_count; ++p) {
        struct mrc_send_options options = MRC_SEND_DEFAULTS;
        struct mrc_error why = {0};
        options.paths = &output;
        options.path_count = 1;
        options.peer = a->config->peers[p];
        options.list = list;
        options.retries = 0; /* the queue tries again */
        status = mrc_send_run(&options, NULL, NULL, &why);
        if (status != MRC_OK && (worst.code == MRC_OK || status == MRC_ERR_NETWORK)) worst = why;
    }
    return worst.code == MRC_OK ? MRC_OK : mrc_fail(err, worst.code, "%s", worst.text);
}

/* A result that a PACS can take: not NIfTI, and not a folder of PNG slices. */
static bool is_dicom(const char *output) {
    struct mrc_name_list names = {0};
    bool found = false;
    if (mrc_path_is_dir(output) && mrc_list_dir(&names, output, NULL) == MRC_OK)
        for (size_t i = 0; i < names.count && !found; ++i)
            found = mrc_path_has_suffix(names.names[i], ".dcm");
    mrc_name_list_clear(&names);
    return found;
}

/* What a killed attempt left beside the result of a watched image. */
static void clean_beside(const char *output) {
    struct mrc_name_list names = {0};
    const char *name = mrc_path_name(output);
    char *folder = mrc_asprintf("%.*s", (int)(name - output), output);
    char *beginning = mrc_asprintf("%s.tmp-", name);
    if (folder != NULL && beginning != NULL && mrc_list_dir(&names, folder, NULL) == MRC_OK)
        for (size_t i = 0; i < names.count; ++i) {
            char *path = mrc_path_join(folder, names.names[i]);
            if (path != NULL && strncmp(names.names[i], beginning, strlen(beginning)) == 0)
                mrc_remove_tree(path);
            mrc_free(path);
        }
    mrc_name_list_clear(&names);
    mrc_free(beginning);
    mrc_free(folder);
}

static enum mrc_status attempt(const struct mrc_serve_attempt *a, struct mrc_error *err) {
    char input[MRC_JOB_PATH], output[MRC_JOB_PATH], report[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_path(input, a->queue, &a->job, "images", err);
    if (status == MRC_OK) status = mrc_queue_path(output, a->queue, &a->job, "out", err);
    if (status == MRC_OK) status = mrc_queue_path(report, a->queue, &a->job, "report", err);
    if (status != MRC_OK) return status;
    if (a->job.source[0] != '\0') {
        snprintf(input, sizeof input, "%s", a->job.source);
        snprintf(output, sizeof output, "%s", a->job.output);
        clean_beside(output);
    }
    if (!mrc_path_exists(output) || !mrc_path_exists(report))
        status = translate(a, input, output, report, err);
    else if (a->job.source[0] != '\0') /* of an attempt that was interrupted, or somebody else's */
        status = mrc_place_check_replaced(output, err);
    return status == MRC_OK && is_dicom(output) ? send_on(a, output, err) : status;
}

int mrc_serve_work(void *context) {
    const struct mrc_serve_attempt *a = context;
    struct mrc_error err = {0};
    char why[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_path(why, a->queue, &a->job, "why", &err);
    if (status != MRC_OK) return (int)status;
    (void)unlink(why); /* of an attempt whose server was killed */
    status = attempt(a, &err);
    if (status != MRC_OK && mrc_write_file(why, err.text, strlen(err.text), NULL) != MRC_OK)
        return (int)status; /* without the words */
    return (int)status;
}
