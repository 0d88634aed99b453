/* serve_job.c: one attempt at one job: translate, unless that is done, and send what is not yet
 * stored. Every step may be done twice: the same images give the same UIDs and bytes. */
#include <stdio.h>
#include <string.h>

#include "app/place.h"
#include "app/send.h"
#include "app/serve_parts.h"
#include "app/translate.h"
#include "base/fs.h"
#include "base/parallel.h"

static enum mrc_status translate(const struct mrc_serve_attempt *a, const char *input,
                                 const char *output, struct mrc_error *err) {
    const struct mrc_serve_config *config = a->config;
    struct mrc_translate_options options = MRC_TRANSLATE_DEFAULTS;
    options.input = input;
    options.output = output;
    options.to = config->to;
    options.model = config->model[0] != '\0' ? config->model : NULL;
    options.format = a->job.source[0] == '\0' ? MRC_SOURCE_DICOM : MRC_SOURCE_NONE;
    options.allow_gaps = config->allow_gaps;
    options.from_is_known = config->unknown_contrast;
    if (config->threads > 0) mrc_parallel_set_threads(config->threads);
    return mrc_translate_run(&options, NULL, NULL, err);
}

static enum mrc_status send_on(const struct mrc_serve_attempt *a, const char *output,
                               struct mrc_error *err) {
    char list[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_path(list, a->queue, &a->job, "sent.list", err);
    for (size_t p = 0; status == MRC_OK && p < a->config->peer_count; ++p) {
        struct mrc_send_options options = MRC_SEND_DEFAULTS;
        options.paths = &output;
        options.path_count = 1;
        options.peer = a->config->peers[p];
        options.list = list;
        options.retries = 0; /* the queue tries again */
        status = mrc_send_run(&options, NULL, NULL, err);
    }
    return status;
}

static enum mrc_status attempt(const struct mrc_serve_attempt *a, struct mrc_error *err) {
    char input[MRC_JOB_PATH], output[MRC_JOB_PATH];
    enum mrc_status status = mrc_queue_path(input, a->queue, &a->job, "images", err);
    if (status == MRC_OK) status = mrc_queue_path(output, a->queue, &a->job, "out", err);
    if (status != MRC_OK) return status;
    if (a->job.source[0] != '\0') {
        snprintf(input, sizeof input, "%s", a->job.source);
        snprintf(output, sizeof output, "%s", a->job.output);
    }
    if (!mrc_path_exists(output))
        status = translate(a, input, output, err);
    else if (a->job.source[0] != '\0') /* of an attempt that was interrupted, or somebody else's */
        status = mrc_place_check_replaced(output, err);
    bool dicom = a->job.source[0] == '\0' || mrc_path_is_dir(output);
    return status == MRC_OK && dicom ? send_on(a, output, err) : status;
}

int mrc_serve_work(void *context) {
    const struct mrc_serve_attempt *a = context;
    struct mrc_error err = {0};
    char why[MRC_JOB_PATH];
    enum mrc_status status = attempt(a, &err);
    if (status != MRC_OK && mrc_queue_path(why, a->queue, &a->job, "why", NULL) == MRC_OK &&
        mrc_write_file(why, err.text, strlen(err.text), NULL) != MRC_OK)
        return (int)status; /* without the words */
    return (int)status;
}
