/* find.c: from what lies below a path to rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/batch/batch.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/image.h"
#include "io/image_name.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the list of inputs");
}

/* The path of an image from the input's own name on: "study" and "study/t1/a.nii" give
 * "study/t1/a.nii". */
static const char *from_input_on(const char *path, const char *input) {
    size_t length = strlen(input);
    while (length > 1 && input[length - 1] == '/') --length;
    size_t name = length;
    while (name > 0 && input[name - 1] != '/') --name;
    const char *all = strncmp(path, input, length) == 0 ? path + name : mrc_path_name(path);
    while (all[0] == '/' || (all[0] == '.' && all[1] == '/')) ++all;
    return all;
}

static enum mrc_source_kind format_of(const struct mrc_image_info *image,
                                      const struct mrc_batch_options *o) {
    return o->translate.format != MRC_SOURCE_NONE ? o->translate.format : image->kind;
}

/* "out/study/t1_4-2_synthetic_T2w.nii.gz", and its report beside it. */
static enum mrc_status name_places(struct mrc_batch_row *row, const struct mrc_image_info *image,
                                   const char *input, bool choose,
                                   const struct mrc_batch_options *o, struct mrc_error *err) {
    const char *name = from_input_on(image->path, input);
    char series[32] = "";
    if (choose) (void)snprintf(series, sizeof series, "_series-%s", image->selector);
    for (char *c = series; *c != '\0'; ++c)
        if (*c == ':') *c = '-';
    int stem = (int)mrc_nifti_stem(name);
    while (stem > 0 && name[stem - 1] == '/') --stem;
    char *base = mrc_asprintf("%s/%.*s%s_synthetic_%s", o->output, stem, name, series,
                              mrc_contrast_name(o->translate.to));
    if (base == NULL) return no_memory(err);
    row->output =
        mrc_asprintf("%s%s", base, format_of(image, o) == MRC_SOURCE_NIFTI ? ".nii.gz" : "");
    row->report = mrc_asprintf("%s_report", base);
    mrc_free(base);
    return row->output != NULL && row->report != NULL ? MRC_OK : no_memory(err);
}

static bool is_asked_for(const struct mrc_image_info *image, const struct mrc_batch_options *o) {
    if (image->contrast == MRC_CONTRAST_UNKNOWN)
        return o->translate.from_is_known || o->translate.force;
    if (image->synthetic && !o->translate.allow_synthetic) return o->translate.force;
    return image->contrast == o->translate.from || o->translate.force;
}

static enum mrc_status add_image(struct mrc_batch *batch, const struct mrc_image_list *list,
                                 const struct mrc_image_info *image, const char *input,
                                 const struct mrc_batch_options *o, struct mrc_error *err) {
    struct mrc_batch_row row = {.input = image->path,
                                .cycle_error = (double)NAN,
                                .distance = (double)NAN,
                                .seconds = (double)NAN};
    size_t there = 0; /* in this place */
    for (size_t n = 0; n < list->count; ++n) there += strcmp(list->items[n].path, image->path) == 0;
    const bool choose = there > 1 && image->selector[0] != '\0';
    if (image->selector[0] != '\0') row.series = (char *)image->selector;
    enum mrc_status st = MRC_OK;
    if (!is_asked_for(image, o)) {
        row.outcome = MRC_OUTCOME_OTHER;
        (void)snprintf(row.why, sizeof row.why, "%s%s", image->synthetic ? "synthetic " : "",
                       mrc_contrast_name(image->contrast));
    } else if (!image->usable && image->status != MRC_ERR_UNSUPPORTED) {
        row.outcome = MRC_OUTCOME_REFUSED;
        row.status = image->status;
        (void)snprintf(row.why, sizeof row.why, "%s", image->reason);
    } else { /* what is refused for a reason that an option lifts is for translate to judge */
        st = name_places(&row, image, input, choose, o, err);
    }
    if (st == MRC_OK) st = mrc_batch_add_row(batch, &row, err);
    mrc_free(row.output);
    mrc_free(row.report);
    return st;
}

static enum mrc_status add_refusal(struct mrc_batch *batch, const struct mrc_image_refusal *refusal,
                                   struct mrc_error *err) {
    struct mrc_batch_row row = {.input = refusal->path,
                                .outcome = MRC_OUTCOME_REFUSED,
                                .status = refusal->status,
                                .cycle_error = (double)NAN,
                                .distance = (double)NAN,
                                .seconds = (double)NAN};
    if (refusal->aside) return MRC_OK;
    (void)snprintf(row.why, sizeof row.why, "%s", refusal->reason);
    return mrc_batch_add_row(batch, &row, err);
}

struct listening {
    const struct mrc_events *events;
};

static void on_progress(void *context, int64_t done, int64_t total) {
    mrc_events_progress(((struct listening *)context)->events, "looking", done, total);
}

static bool on_cancelled(void *context) {
    return mrc_events_cancelled(((struct listening *)context)->events);
}

enum mrc_status mrc_batch_add(struct mrc_batch *batch, const char *input,
                              const struct mrc_batch_options *options,
                              const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_image_list list = {0};
    struct listening listening = {events};
    const struct mrc_scan_options scan = {
        .context = &listening, .progress = on_progress, .cancelled = on_cancelled};
    enum mrc_status st = mrc_image_list_scan_with(&list, input, &scan, err);
    for (size_t n = 0; st == MRC_OK && n < list.count; ++n)
        st = add_image(batch, &list, &list.items[n], input, options, err);
    for (size_t n = 0; st == MRC_OK && n < list.refused_count; ++n)
        st = add_refusal(batch, &list.refused[n], err);
    mrc_image_list_clear(&list);
    return st;
}
