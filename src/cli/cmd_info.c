/* cmd_info.c: mrcycle info. */
#include <stdio.h>
#include <string.h>

#include "app/common/model_file.h"
#include "app/inspect/survey.h"
#include "app/inspect/system.h"
#include "base/fs.h"
#include "cli/blas_kernel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_JSON = MRC_OPTION_OWN,
    KEY_FILES,
    KEY_PLAN,
    KEY_SYSTEM,
    KEY_MAX_FILES,
    KEY_MODEL,
    KEY_QUIET = 'q'
};
enum { MOST_FILES = 10000000 };

static const struct argp_option table[] = {
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object instead of tables"},
    {.name = "files",
     .key = KEY_FILES,
     .doc = "With --json: also the path of every file of a series"},
    {.name = "max-files",
     .key = KEY_MAX_FILES,
     .arg = "N",
     .doc = "Refuse to search a folder with more files (default 50000)"},
    {.name = "model",
     .key = KEY_MODEL,
     .arg = "FILE",
     .doc = "Say what of it this model or training run translates; default: the shipped model"},
    MRC_OPTION_MAP_ENTRY,
    {.name = "quiet", .key = KEY_QUIET, .doc = "No progress bar"},
    {.name = "plan",
     .key = KEY_PLAN,
     .doc = "Also the networks of models, layer by layer: shapes, bytes, algorithms"},
    {.name = "system",
     .key = KEY_SYSTEM,
     .doc =
         "Instead: what this machine computes with, and whether it is fit: the kernel of OpenBLAS, "
         "memory, the model, child processes"},
    {0}};

struct arguments {
    char **paths;
    int path_count;
    bool json, files, plan, machine, quiet;
    const char *map, *model;
    struct mrc_survey_options options;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case KEY_JSON: a->json = true; break;
    case KEY_PLAN: a->plan = true; break;
    case KEY_FILES: a->files = true; break;
    case MRC_OPTION_MAP: a->map = value; break;
    case KEY_MODEL: a->model = value; break;
    case KEY_QUIET: a->quiet = true; break;
    case KEY_MAX_FILES:
        a->options.most_files =
            (size_t)mrc_option_integer(state, "--max-files", value, 1, MOST_FILES);
        break;
    case KEY_SYSTEM: a->machine = true; break;
    case ARGP_KEY_ARGS:
        a->paths = state->argv + state->next;
        a->path_count = state->argc - state->next;
        break;
    case ARGP_KEY_END:
        if (a->machine && (a->path_count > 0 || a->plan))
            mrc_option_fail(state, "--system stands alone or with --json");
        if (!a->machine && a->path_count == 0) mrc_option_fail(state, "expected a PATH");
        if (a->files && !a->json) mrc_option_fail(state, "--files needs --json");
        if (a->json && a->plan) mrc_option_fail(state, "expected either --json or --plan");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "PATH...\n--system",
    .doc = "Describes the DICOM series, NIfTI files, PNG folders and models at each PATH.\v"
           "No patient data is printed. The exit code is 0 when there is anything translate can "
           "use."};

/* --- Tables --- */

static void print_plain(const char *text) {
    char plain[512];
    mrc_text_plain(plain, sizeof plain, text);
    fputs(plain, stdout);
}

static void print_image(const struct mrc_image_info *image) {
    char matrix[64], spacing[64];
    snprintf(matrix, sizeof matrix, "%lldx%lldx%lld", (long long)image->columns,
             (long long)image->rows, (long long)image->slices);
    snprintf(spacing, sizeof spacing, "-");
    if (image->physical)
        snprintf(spacing, sizeof spacing, "%.4gx%.4gx%.4g", image->spacing_mm[1],
                 image->spacing_mm[0], image->spacing_mm[2]);
    printf("%-6s %-5s %-8s %-8s %-13s %-18s %-8s %5lld\n  ", image->usable ? "yes" : "no",
           mrc_source_kind_name(image->kind), image->modality[0] != '\0' ? image->modality : "-",
           mrc_contrast_name(image->contrast), matrix, spacing,
           image->physical ? mrc_orientation_name(image->orientation) : "-",
           (long long)image->files);
    print_plain(image->path);
    if (image->selector[0] != '\0') printf("  (--series %s)", image->selector);
    if (image->reason[0] != '\0') {
        printf("\n  ");
        print_plain(image->reason);
    }
    printf("\n");
}

static void print_images(const struct mrc_image_list *images) {
    if (images->count == 0) return;
    printf("%-6s %-5s %-8s %-8s %-13s %-18s %-8s %5s\n", "usable", "kind", "modality", "contrast",
           "matrix", "spacing mm", "plane", "files");
    for (size_t i = 0; i < images->count; ++i) print_image(&images->items[i]);
}

/* Does the second say of its file what the first says of one in the same folder? */
static bool says_the_same(const struct mrc_image_refusal *a, const struct mrc_image_refusal *b) {
    size_t length = (size_t)(mrc_path_name(a->path) - a->path);
    return strcmp(a->reason, b->reason) == 0 &&
           length == (size_t)(mrc_path_name(b->path) - b->path) &&
           memcmp(a->path, b->path, length) == 0;
}

/* Files of one folder that are refused for one reason are told once, and what usually lies beside
 * images is counted only. */
static void print_refusals(const struct mrc_image_list *images) {
    size_t aside = 0;
    for (size_t i = 0, same; i < images->refused_count; i += same + 1) {
        const struct mrc_image_refusal *first = &images->refused[i];
        same = 0;
        aside += first->aside;
        if (first->aside) continue;
        while (i + same + 1 < images->refused_count &&
               says_the_same(first, &images->refused[i + same + 1]) && !first[same + 1].aside)
            ++same;
        printf("refused ");
        print_plain(first->path);
        if (same > 0) printf(" and %zu more in its folder", same);
        printf("\n  ");
        print_plain(first->reason);
        printf("\n");
    }
    if (aside > 0)
        printf("passed over: %zu file%s such as lie beside images\n", aside, aside == 1 ? "" : "s");
}

/* "name words", with a comma before it and on a new line where it must; *column: 0 at first. */
static void print_wrapped(size_t *column, const char *name, const char *words) {
    enum { WIDTH = 66 };
    const size_t length = strlen(name) + strlen(words) + 3;
    const bool wraps = *column > 0 && *column + length > WIDTH;
    printf("%s%s%s %s", *column > 0 ? "," : "",
           wraps         ? "\n            "
           : *column > 0 ? " "
                         : "",
           name, words);
    *column = wraps ? length : *column + length;
}

/* All that is not told above, with the words of settings.json. */
static void print_settings(const struct mrc_cyclegan_settings *settings) {
    char text[MRC_SETTING_TEXT];
    size_t column = 0;
    printf("  training  ");
    for (size_t i = 0; i < MRC_CYCLEGAN_SETTING_COUNT; ++i) {
        const struct mrc_setting *s = mrc_cyclegan_setting(i);
        if (s->topic != MRC_TOPIC_TRAINING) continue;
        mrc_setting_print(text, settings, s);
        print_wrapped(&column, s->json, text);
    }
    printf("\n");
}

static void print_contract(const struct mrc_contract *contract) {
    char words[MRC_CONTRACT_TEXT];
    size_t column = 0;
    printf("  contract  ");
    for (int k = 0; k < MRC_CONTRACT_KEYS; ++k) {
        const enum mrc_contract_key key = (enum mrc_contract_key)k;
        mrc_contract_print(words, contract, key);
        print_wrapped(&column, mrc_contract_key_name(key), words);
    }
    printf("\n");
}

static void print_checkpoint(const struct mrc_survey_checkpoint *checkpoint) {
    const struct mrc_checkpoint_info *info = &checkpoint->info;
    const struct mrc_cyclegan_settings *s = &info->settings;
    printf("%s ", info->complete ? "checkpoint" : "model");
    print_plain(checkpoint->path);
    printf("\n  name      ");
    print_plain(info->name);
    printf("\n  networks  G and F: %s", mrc_generator_kind_name(s->generator));
    if (s->generator_f > 0)
        printf(" and %s", mrc_generator_kind_name(mrc_cyclegan_generator_of(s, MRC_NET_F)));
    if (s->generator != MRC_GENERATOR_LOCAL ||
        mrc_cyclegan_generator_of(s, MRC_NET_F) != MRC_GENERATOR_LOCAL) /* its width is fixed */
        printf(" of width %lld", (long long)s->generator_width);
    printf(", %lld channel%s, %lld x %lld pixels", (long long)s->channels,
           s->channels == 1 ? "" : "s", (long long)s->size, (long long)s->size);
    if (info->complete)
        printf("\n            D_X and D_Y of width %lld; Adam's moments",
               (long long)s->discriminator_width);
    printf("\n");
    print_settings(s);
    print_contract(&info->contract);
    printf("  progress  epoch %lld of %lld, step %lld\n", (long long)info->epoch,
           (long long)info->epochs, (long long)info->step);
    printf("  data      ");
    print_plain(info->data[0] != '\0' ? info->data : "-");
    printf("\n  written   mrcycle ");
    print_plain(info->version);
    printf(", format ");
    print_plain(info->format);
    printf("\n  hash      ");
    print_plain(info->hash);
    printf("\n");
}

static enum mrc_status print_tables(const struct mrc_survey *survey, bool plan,
                                    struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    print_images(&survey->images);
    print_refusals(&survey->images);
    for (size_t i = 0; i < survey->checkpoint_count; ++i) {
        print_checkpoint(&survey->checkpoints[i]);
        if (!plan || status != MRC_OK) continue;
        struct mrc_text text = {0};
        status = mrc_survey_print_plans(&text, &survey->checkpoints[i].info, err);
        if (status == MRC_OK) fputs(text.data, stdout);
        mrc_text_clear(&text);
    }
    return status;
}

static enum mrc_status print_json(const struct mrc_survey *survey, bool files,
                                  struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status status = mrc_survey_print_json(&text, survey, files, err);
    if (status == MRC_OK) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status;
}

/* Nothing usable: why, in one line, of the first thing that is there. */
static enum mrc_status explain(const struct mrc_survey *survey, const char *path,
                               struct mrc_error *err) {
    const struct mrc_image_list *images = &survey->images;
    if (images->count > 0)
        return mrc_fail(err, images->items[0].status, "%s: %s", images->items[0].path,
                        images->items[0].reason);
    const struct mrc_image_refusal *first = NULL;
    for (size_t i = images->refused_count; i > 0; --i)
        if (first == NULL || first->aside || !images->refused[i - 1].aside)
            first = &images->refused[i - 1];
    if (first != NULL) return mrc_fail(err, first->status, "%s: %s", first->path, first->reason);
    return mrc_fail(err, MRC_ERR_IO, "%s: holds no file, expected images or a model", path);
}

static enum mrc_status print_system(bool json, struct mrc_error *err) {
    struct mrc_system machine;
    struct mrc_text text = {0};
    enum mrc_status status = mrc_blas_kernel_settle(err);
    if (status == MRC_OK) status = mrc_system_describe(&machine, mrc_blas_kernel_choice(), err);
    if (status == MRC_OK)
        status = json ? mrc_system_print_json(&text, &machine, err)
                      : mrc_system_print(&text, &machine, err);
    if (status == MRC_OK && !json) {
        struct mrc_fitness fitness;
        mrc_system_check(&fitness, &machine);
        mrc_system_print_fitness(&text, &fitness, &machine);
    }
    if (status == MRC_OK && text.data != NULL) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status;
}

/* Of the model that is asked for, or else the shipped one, should there be one. */
static enum mrc_status settle_contract(struct mrc_checkpoint_info *info, struct arguments *a,
                                       struct mrc_error *err) {
    struct mrc_error none = {0};
    enum mrc_status status =
        mrc_model_file_describe(info, a->model, a->model != NULL ? err : &none);
    if (status == MRC_OK) a->options.contract = &info->contract;
    return a->model != NULL ? status : MRC_OK;
}

int mrc_cmd_info(int argc, char **argv) {
    struct arguments a = {0};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_survey survey = {0};
    struct mrc_error err = {0};
    if (a.machine) {
        enum mrc_status told = print_system(a.json, &err);
        return told == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, told, &err);
    }
    mrc_contrast_map *map = NULL;
    enum mrc_status status = a.map != NULL ? mrc_contrast_map_load(&map, a.map, &err) : MRC_OK;
    a.options.map = map;
    struct mrc_checkpoint_info model;
    if (status == MRC_OK) status = settle_contract(&model, &a, &err);
    for (int i = 0; status == MRC_OK && i < a.path_count; ++i)
        status = mrc_survey_add_with(&survey, a.paths[i], &a.options, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    if (status == MRC_OK)
        status = a.json ? print_json(&survey, a.files, &err) : print_tables(&survey, a.plan, &err);
    if (status == MRC_OK && !mrc_survey_is_useful(&survey))
        status = explain(&survey, a.paths[0], &err);
    mrc_survey_clear(&survey);
    mrc_contrast_map_destroy(map);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
