/* run_folder.c: settings.json, log.csv, losses.png, the event file. */
#include "app/train/run_folder.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/common/place.h"
#include "app/pages/chart.h"
#include "app/train/run_settings.h"
#include "app/train/tensorboard.h"
#include "base/alloc.h"
#include "base/fs.h"

enum { CURVE_TEXT = 48, MAX_TEXT_BYTES = 1 << 28, MAX_SAMPLES_BYTES = 1 << 28 };

/* TensorBoard takes files of such names: a number (of seconds, usually; ours is one file a run) and
 * who wrote it. */
#define EVENT_FILE "events.out.tfevents.0.mrcycle"

struct mrc_run_folder {
    const char *contrasts[MRC_DOMAIN_COUNT];
    char *path;
    struct mrc_text log, events; /* of log.csv and events.csv */
    mrc_tensorboard *board;
    double *epochs;                 /* [rows] */
    double *losses[MRC_LOSS_COUNT]; /* [rows] each */
    size_t rows, capacity;
};

enum mrc_status mrc_run_folder_path(char **out, const mrc_run_folder *folder, const char *below,
                                    const char *name, int64_t epoch, const char *suffix,
                                    struct mrc_error *err) {
    char number[32];
    snprintf(number, sizeof number, "epoch_%04lld", (long long)epoch);
    *out = mrc_asprintf("%s/%s%s%s%s", folder->path, below != NULL ? below : "",
                        below != NULL ? "/" : "", name != NULL ? name : number, suffix);
    return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
}

static enum mrc_status save_text(const mrc_run_folder *folder, const char *name, const char *text,
                                 struct mrc_error *err) {
    char *path = NULL;
    enum mrc_status status = mrc_run_folder_path(&path, folder, NULL, name, 0, "", err);
    if (status == MRC_OK) status = mrc_write_file(path, text, strlen(text), err);
    mrc_free(path);
    return status;
}

static enum mrc_status save_settings(const mrc_run_folder *folder,
                                     const struct mrc_train_options *options,
                                     const struct mrc_dataset *dataset, struct mrc_error *err) {
    char *text = NULL;
    enum mrc_status status = mrc_run_settings_print(&text, options, dataset, err);
    if (status == MRC_OK) status = save_text(folder, "settings.json", text, err);
    mrc_free(text);
    return status;
}

/* --- The rows of log.csv --- */

static void append_number(struct mrc_text *text, double value) {
    char number[12]; /* eight digits are more than a mean is worth */
    mrc_print_decimal(number, sizeof number, value);
    mrc_text_appendf(text, ",%s", number);
}

static bool add_row(mrc_run_folder *folder, int64_t epoch, const struct mrc_losses *losses) {
    size_t needed = folder->rows + 1, capacity = folder->capacity;
    for (size_t c = 0; c <= MRC_LOSS_COUNT; ++c) {
        double **column = c < MRC_LOSS_COUNT ? &folder->losses[c] : &folder->epochs;
        void *items = *column;
        capacity = folder->capacity;
        if (!mrc_grow(&items, &capacity, needed, sizeof(double))) return false;
        *column = items;
    }
    folder->capacity = capacity;
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c)
        folder->losses[c][folder->rows] = mrc_loss_value(losses, c);
    folder->epochs[folder->rows++] = (double)epoch;
    return true;
}

/* A row of log.csv as it was written; false when the line is none. */
static bool read_row(int64_t *epoch, int64_t *step, struct mrc_losses *losses, const char *line) {
    double value[4 + MRC_LOSS_COUNT];
    for (size_t c = 0; c < sizeof value / sizeof *value; ++c) {
        char field[32];
        size_t length = strcspn(line, ",\n");
        if (length == 0 || length >= sizeof field) return false;
        memcpy(field, line, length);
        field[length] = '\0';
        if (mrc_parse_f64(&value[c], field, -DBL_MAX, DBL_MAX) != MRC_OK) return false;
        bool is_last = c + 1 == sizeof value / sizeof *value;
        if (line[length] != (is_last ? '\n' : ',')) return false;
        line += length + 1;
    }
    *epoch = (int64_t)value[0];
    *step = (int64_t)value[1];
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c) mrc_loss_set(losses, c, value[4 + c]);
    return true;
}

/* The rows of the earlier log up to the step that training goes on from. */
static enum mrc_status keep_rows(mrc_run_folder *folder, int64_t steps_done,
                                 struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = NULL;
    enum mrc_status status = mrc_run_folder_path(&path, folder, NULL, "log", 0, ".csv", err);
    if (status == MRC_OK && mrc_path_exists(path))
        status = mrc_read_file(&text, &size, path, MAX_TEXT_BYTES, err);
    const char *line = (const char *)text;
    while (status == MRC_OK && line != NULL && (line = strchr(line, '\n')) != NULL) {
        int64_t epoch, step;
        struct mrc_losses losses = {0};
        ++line; /* the first line is the header */
        if (!read_row(&epoch, &step, &losses, line) || step > steps_done) break;
        mrc_text_appendf(&folder->log, "%.*s\n", (int)strcspn(line, "\n"), line);
        if (folder->log.failed || !add_row(folder, epoch, &losses))
            status = mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    }
    mrc_free(text);
    mrc_free(path);
    return status;
}

/* --- The event file --- */

static enum mrc_status open_board(mrc_run_folder *folder, int64_t steps_done,
                                  struct mrc_error *err) {
    char *path = NULL;
    enum mrc_status status = mrc_run_folder_path(&path, folder, NULL, EVENT_FILE, 0, "", err);
    if (status == MRC_OK) status = mrc_tensorboard_open(&folder->board, path, steps_done, err);
    mrc_free(path);
    return status;
}

static double now_seconds(void) {
    return (double)time(NULL);
}

static enum mrc_status log_to_board(mrc_run_folder *folder, const struct mrc_trainer_progress *at,
                                    double images_per_second, struct mrc_error *err) {
    double now = now_seconds();
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c) {
        char tag[64];
        snprintf(tag, sizeof tag, "loss/%s", mrc_loss_row(c)->name);
        mrc_tensorboard_scalar(folder->board, at->step, now, tag,
                               mrc_loss_value(at->epoch_means, c));
    }
    mrc_tensorboard_scalar(folder->board, at->step, now, "images_per_second", images_per_second);
    return mrc_tensorboard_flush(folder->board, err);
}

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

enum mrc_status mrc_run_folder_samples(mrc_run_folder *folder, int64_t step, const char *png,
                                       struct mrc_error *err) {
    enum { WIDTH_AT = 16, HEIGHT_AT = 20, HEAD_BYTES = 24 }; /* of IHDR, PNG section 11.2.2 */
    unsigned char *data = NULL;
    size_t size = 0;
    enum mrc_status status = mrc_read_file(&data, &size, png, MAX_SAMPLES_BYTES, err);
    if (status == MRC_OK && size < HEAD_BYTES)
        status = mrc_fail(err, MRC_ERR_FORMAT, "%s: %zu bytes, expected a PNG", png, size);
    if (status == MRC_OK) {
        mrc_tensorboard_picture(folder->board, step, now_seconds(), "samples", data, size,
                                big_endian(data + WIDTH_AT), big_endian(data + HEIGHT_AT));
        status = mrc_tensorboard_flush(folder->board, err);
    }
    mrc_free(data);
    return status;
}

/* --- The folder --- */

enum mrc_status mrc_run_folder_check(const struct mrc_train_options *options,
                                     struct mrc_error *err) {
    static const char *const patterns[] = {"settings.json",
                                           "log.csv",
                                           "checks.csv",
                                           "events.csv",
                                           "report.html",
                                           "losses.png",
                                           EVENT_FILE,
                                           "model.safetensors",
                                           "samples/epoch_*.png",
                                           "checkpoints/last.safetensors",
                                           "checkpoints/newest.safetensors",
                                           "checkpoints/best.safetensors",
                                           "checkpoints/epoch_*.safetensors",
                                           NULL};
    static const struct mrc_place_kind run = {
        .mark = "settings.json", .words = "\"mrcycle ", .patterns = patterns};
    if (options->resume) return MRC_OK; /* its settings are compared once the set is read */
    return mrc_place_check_kind(options->run, options->replace, &run, err);
}

static enum mrc_status make_folders(mrc_run_folder *folder, const struct mrc_train_options *options,
                                    struct mrc_error *err) {
    static const char *const below[] = {"samples", "checkpoints"};
    enum mrc_status status = mrc_run_folder_check(options, err);
    if (status != MRC_OK) return status;
    folder->path = mrc_strdup(options->run);
    if (folder->path == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    if (options->replace && !options->resume) mrc_remove_tree(options->run);
    for (size_t i = 0; status == MRC_OK && i < 2; ++i) {
        char *path = mrc_path_join(folder->path, below[i]);
        status = path != NULL ? mrc_make_dirs(path, err)
                              : mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
        mrc_free(path);
    }
    return status;
}

/* The header of log.csv and its rows up to that step. */
static enum mrc_status begin_log(mrc_run_folder *folder, int64_t steps_done,
                                 struct mrc_error *err) {
    mrc_text_clear(&folder->log);
    folder->rows = 0;
    mrc_text_appendf(&folder->log, "epoch,step,seconds,images_per_second");
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c)
        mrc_text_appendf(&folder->log, ",%s", mrc_loss_row(c)->name);
    mrc_text_appendf(&folder->log, "\n");
    return steps_done >= 0 ? keep_rows(folder, steps_done, err) : MRC_OK;
}

enum mrc_status mrc_run_folder_rewind(mrc_run_folder *folder, int64_t step, struct mrc_error *err) {
    enum mrc_status status = begin_log(folder, step, err);
    if (status == MRC_OK) status = save_text(folder, "log.csv", folder->log.data, err);
    mrc_tensorboard_close(folder->board);
    folder->board = NULL;
    return status == MRC_OK ? open_board(folder, step, err) : status;
}

/* --- events.csv --- */

/* Those up to that step: what comes later will happen again. */
static enum mrc_status keep_events(mrc_run_folder *folder, int64_t steps_done,
                                   struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    char *path = NULL;
    mrc_text_appendf(&folder->events, "step,epoch,event\n");
    enum mrc_status status = mrc_run_folder_path(&path, folder, NULL, "events", 0, ".csv", err);
    if (status == MRC_OK && steps_done >= 0 && mrc_path_exists(path))
        status = mrc_read_file(&text, &size, path, MAX_TEXT_BYTES, err);
    const char *line = status == MRC_OK && text != NULL ? strchr((const char *)text, '\n') : NULL;
    for (; line != NULL && line[1] != '\0'; line = strchr(line + 1, '\n')) {
        int64_t step = 0;
        char field[24];
        snprintf(field, sizeof field, "%.*s", (int)strcspn(line + 1, ",\n"), line + 1);
        if (mrc_parse_i64(&step, field, 0, INT64_MAX) != MRC_OK || step > steps_done) break;
        mrc_text_appendf(&folder->events, "%.*s\n", (int)strcspn(line + 1, "\n"), line + 1);
    }
    mrc_free(text);
    mrc_free(path);
    return status;
}

enum mrc_status mrc_run_folder_event(mrc_run_folder *folder, int64_t epoch, int64_t step,
                                     const char *words, struct mrc_error *err) {
    mrc_text_appendf(&folder->events, "%lld,%lld,\"", (long long)step, (long long)epoch);
    for (; *words != '\0'; ++words)
        mrc_text_appendf(&folder->events, *words == '"' ? "\"\"" : "%c", *words);
    mrc_text_appendf(&folder->events, "\"\n");
    if (folder->events.failed) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    return save_text(folder, "events.csv", folder->events.data, err);
}

enum mrc_status mrc_run_folder_create(mrc_run_folder **out, const struct mrc_train_options *options,
                                      const struct mrc_dataset *dataset, int64_t steps_done,
                                      struct mrc_error *err) {
    mrc_run_folder *folder = mrc_alloc(1, sizeof *folder);
    if (folder == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain)
        folder->contrasts[domain] = mrc_dataset_contrast(dataset, domain);
    enum mrc_status status =
        options->resume ? mrc_run_settings_compare(options, dataset, err) : MRC_OK;
    if (status == MRC_OK) status = make_folders(folder, options, err);
    if (status == MRC_OK) status = save_settings(folder, options, dataset, err);
    if (status == MRC_OK) status = begin_log(folder, options->resume ? steps_done : -1, err);
    if (status == MRC_OK) status = keep_events(folder, options->resume ? steps_done : -1, err);
    if (status == MRC_OK) status = open_board(folder, steps_done, err);
    if (status != MRC_OK) {
        mrc_run_folder_destroy(folder);
        return status;
    }
    *out = folder;
    return MRC_OK;
}

void mrc_run_folder_destroy(mrc_run_folder *folder) {
    if (folder == NULL) return;
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c) mrc_free(folder->losses[c]);
    mrc_free(folder->epochs);
    mrc_text_clear(&folder->log);
    mrc_text_clear(&folder->events);
    mrc_tensorboard_close(folder->board);
    mrc_free(folder->path);
    mrc_free(folder);
}

/* --- log.csv and losses.png --- */

enum mrc_status mrc_run_folder_log(mrc_run_folder *folder, const struct mrc_trainer_progress *at,
                                   double images_per_second, struct mrc_error *err) {
    MRC_ASSERT(at->epoch_means != NULL);
    mrc_text_appendf(&folder->log, "%lld,%lld", (long long)at->epoch, (long long)at->step);
    append_number(&folder->log, at->seconds);
    append_number(&folder->log, images_per_second);
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c)
        append_number(&folder->log, mrc_loss_value(at->epoch_means, c));
    mrc_text_appendf(&folder->log, "\n");
    if (folder->log.failed || !add_row(folder, at->epoch, at->epoch_means))
        return mrc_fail(err, MRC_ERR_NOMEM, "run: out of memory");
    enum mrc_status status = save_text(folder, "log.csv", folder->log.data, err);
    return status == MRC_OK ? log_to_board(folder, at, images_per_second, err) : status;
}

/* "cycle X" -> "cycle T1w". */
static void label_curve(char out[CURVE_TEXT], const char *label,
                        const char *const contrasts[MRC_DOMAIN_COUNT]) {
    size_t used = 0;
    for (; *label != '\0' && used + 1 < CURVE_TEXT; ++label) {
        const int domain = *label == 'X' ? MRC_DOMAIN_X : MRC_DOMAIN_Y;
        const bool alone = label[1] == '\0' || label[1] == ' ';
        if ((*label == 'X' || *label == 'Y') && alone && used > 0 && out[used - 1] == ' ')
            used += (size_t)snprintf(out + used, CURVE_TEXT - used, "%s", contrasts[domain]);
        else
            out[used++] = *label;
    }
    out[used < CURVE_TEXT ? used : CURVE_TEXT - 1] = '\0';
}

static bool is_used(const mrc_run_folder *folder, size_t loss) {
    bool any = false;
    for (size_t row = 0; row < folder->rows; ++row) any = any || folder->losses[loss][row] != 0.0;
    return any;
}

/* Those of a chart that are anything but 0; where none is, all. */
static size_t list_curves(struct mrc_curve out[MRC_LOSS_COUNT],
                          char labels[MRC_LOSS_COUNT][CURVE_TEXT], const mrc_run_folder *folder,
                          enum mrc_loss_chart chart) {
    size_t count = 0;
    bool all = true;
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c)
        all = all && !(mrc_loss_row(c)->chart == chart && is_used(folder, c));
    for (size_t c = 0; c < MRC_LOSS_COUNT; ++c) {
        if (mrc_loss_row(c)->chart != chart || !(all || is_used(folder, c))) continue;
        label_curve(labels[c], mrc_loss_row(c)->label, folder->contrasts);
        out[count++] = (struct mrc_curve){labels[c], folder->losses[c]};
    }
    return count;
}

enum mrc_status mrc_run_folder_draw(mrc_run_folder *folder, struct mrc_error *err) {
    if (folder->rows == 0) return MRC_OK;
    struct mrc_curve images[MRC_LOSS_COUNT], contest[MRC_LOSS_COUNT];
    char labels[MRC_LOSS_COUNT][CURVE_TEXT];
    const struct mrc_panel panels[] = {{"of images: mean absolute difference, before weighting",
                                        images,
                                        list_curves(images, labels, folder, MRC_CHART_IMAGES)},
                                       {"adversarial losses, before weighting", contest,
                                        list_curves(contest, labels, folder, MRC_CHART_CONTEST)}};
    struct mrc_chart chart = {.title = "Losses, means of each epoch",
                              .x_label = "epoch",
                              .x = folder->epochs,
                              .count = folder->rows,
                              .panels = panels,
                              .panel_count = 2};
    char *path = NULL;
    enum mrc_status status = mrc_run_folder_path(&path, folder, NULL, "losses", 0, ".png", err);
    if (status == MRC_OK) status = mrc_chart_save(&chart, path, err);
    mrc_free(path);
    return status;
}
