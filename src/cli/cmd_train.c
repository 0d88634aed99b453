/* cmd_train.c: mrcycle train. */
#include <stdio.h>
#include <string.h>

#include "app/train/train.h"
#include "app/train/train_settings.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "base/team.h"
#include "cli/command.h"
#include "cli/mpi_team.h"
#include "cli/options.h"
#include "cli/preset.h"
#include "cli/terminal.h"

/* The options that no row of train_settings.h is for; those of rows follow behind. */
enum { KEY_NO_FLIP = MRC_OPTION_OWN, KEY_RESUME, KEY_MAX_MEMORY, KEY_PRESET, KEY_REPEAT, KEY_ROWS };
enum { MOST_OPTIONS = 120 };

static const struct argp_option own[] = {
    {.doc = "Where it goes:", .group = 1},
    {.name = "output", .key = 'o', .arg = "RUN", .doc = "The folder to write", .group = 1},
    {.doc = "How it learns:", .group = 2},
    {.name = "preset",
     .key = KEY_PRESET,
     .arg = "NAME",
     .doc = "Recipe the options below begin with: mrcycle (default: what measured best unpaired), "
            "paired (where patients have both contrasts on one grid), computed (with --simulate), "
            "paper (the reference design), "
            "or a file of options, a line each: name = value",
     .group = MRC_TOPIC_TRAINING},
    {.doc = "Networks:", .group = MRC_TOPIC_NETWORKS},
    {.doc = "What they see:", .group = 4},
    {.name = "no-flip", .key = KEY_NO_FLIP, .doc = "No random mirroring", .group = MRC_TOPIC_DATA},
    {.name = "map",
     .key = MRC_OPTION_MAP,
     .arg = "FILE.tsv",
     .doc =
         "Contrasts that overrule recognition: lines of field, pattern, contrast, apart by tabs; "
         "fields are SeriesDescription, ProtocolName, SequenceName, SeriesNumber, Manufacturer, "
         "path",
     .group = MRC_TOPIC_DATA},
    {.doc = "Checks and checkpoints:", .group = 5},
    {.name = "resume",
     .key = KEY_RESUME,
     .doc = "Go on with the run in RUN from its newest checkpoint; other options as when it began, "
            "but for --epochs",
     .group = MRC_TOPIC_RUN},
    {.name = "repeat",
     .key = KEY_REPEAT,
     .arg = "RUN",
     .doc =
         "Make that run again, with its settings and set, which must be unchanged (SET says where "
         "it lies now); no other option but -o and those about the machine",
     .group = MRC_TOPIC_RUN},
    {.name = "replace",
     .key = MRC_OPTION_REPLACE,
     .doc = "Replace an earlier run in RUN",
     .group = MRC_TOPIC_RUN},
    {.doc = "How it runs:", .group = 6},
    {.name = "threads",
     .key = MRC_OPTION_THREADS,
     .arg = "N",
     .doc = "Default: all cores",
     .group = 6},
    {.name = "max-memory",
     .key = KEY_MAX_MEMORY,
     .arg = "SIZE",
     .doc = "Refuse to begin when training needs more, e.g. 512M or 2G",
     .group = 6},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors", .group = 6}};

/* Own options and one of each row, group by group, with an end. */
static struct argp_option table[MOST_OPTIONS];

static size_t add_row(size_t count, size_t index) {
    /* what these have been called before */
    static const struct {
        const char *option, *before;
    } names[] = {{"gan-mode", "gan"}, {"keep-every", "checkpoint-every"}};
    const struct mrc_setting s = mrc_train_setting(index).setting;
    const struct argp_option option = {.name = s.option,
                                       .key = KEY_ROWS + (int)index,
                                       .arg = s.arg,
                                       .doc = s.help,
                                       .group = (int)s.topic};
    MRC_ASSERT(count + 2 < MOST_OPTIONS);
    table[count++] = option;
    for (size_t n = 0; n < sizeof names / sizeof *names; ++n) {
        if (strcmp(names[n].option, s.option) != 0) continue;
        table[count] = option;
        table[count].name = names[n].before;
        table[count].doc = NULL;
        table[count++].flags = OPTION_HIDDEN;
    }
    return count;
}

static void fill_table(void) {
    enum { GROUPS = 6 };
    size_t count = 0;
    for (int group = 1; group <= GROUPS; ++group) {
        for (size_t i = 0; i < sizeof own / sizeof *own; ++i)
            if (own[i].group == group) table[count++] = own[i];
        for (size_t i = 0; i < mrc_train_setting_count(); ++i) {
            const struct mrc_setting s = mrc_train_setting(i).setting;
            if (s.option != NULL && (int)s.topic == group) count = add_row(count, i);
        }
    }
}

struct arguments {
    struct mrc_train_options options;
    const char *map;
    bool quiet;
    const char *repeat; /* the run to make again */
    bool has_settings;  /* an option that --repeat takes from the run was given */
    bool is_preset;     /* the options come from a preset */
    bool warms_up;      /* a warm-up was asked for by name */
};

/* false when the key is no row's. */
static bool parse_row(int key, char *value, struct argp_state *state, struct arguments *a) {
    if (key == KEY_NO_FLIP) a->options.trainer.flip = false;
    if (key < KEY_ROWS || (size_t)(key - KEY_ROWS) >= mrc_train_setting_count())
        return key == KEY_NO_FLIP;
    const struct mrc_setting s = mrc_train_setting((size_t)(key - KEY_ROWS)).setting;
    struct mrc_error err = {0};
    const char *text = value != NULL ? value : "true";
    if (s.kind == MRC_SETTING_WORDS && s.hi > 0.0) /* goes into the model */
        text = mrc_option_words(state, s.option, value, (int)s.hi);
    if (mrc_setting_parse(&a->options, &s, text, &err) != MRC_OK)
        mrc_option_fail(state, "--%s", err.text);
    a->warms_up = a->warms_up || (!a->is_preset && strcmp(s.key, "warm_up") == 0);
    return true;
}

static void check(struct argp_state *state, struct mrc_train_options *o) {
    const struct arguments *a = state->input;
    if (a->repeat != NULL && a->has_settings)
        mrc_option_fail(state, "--repeat takes the settings of the run, expected no others");
    if (o->data.set == NULL && a->repeat == NULL) {
        if (o->simulate[0] == '\0') mrc_option_fail(state, "expected a SET, or --simulate MAPS");
        o->data.set = "";
    }
    if (o->run == NULL) mrc_option_fail(state, "expected -o RUN");
    if (o->init[0] != '\0' && !a->warms_up) o->model.warm_up = 0;
    if (o->resume && o->replace)
        mrc_option_fail(state, "--resume and --replace exclude each other");
}

static error_t parse(int key, char *value, struct argp_state *state);

/* The preset that the command line names, wherever it stands there; the last one counts. */
static const char *named_preset(char **argv, int argc) {
    static const char name[] = "--preset";
    const size_t shortest = strlen("--pr"); /* argp takes what is unambiguous */
    const char *preset = "mrcycle";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; ++i) {
        size_t length = strcspn(argv[i], "=");
        if (length < shortest || length >= sizeof name || strncmp(argv[i], name, length) != 0)
            continue;
        if (argv[i][length] == '=')
            preset = argv[i] + length + 1;
        else if (i + 1 < argc)
            preset = argv[++i];
    }
    return preset;
}

static void begin_with_preset(struct argp_state *state, struct arguments *a) {
    static const char *const never[] = {
        "output",    "quiet", "preset",          "resume",        "repeat", "replace",
        "threads",   "map",   "max-memory",      "init",          "name",   "half",
        "data-note", "force", "allow-synthetic", "allow-derived", NULL};
    const char *preset = named_preset(state->argv, state->argc);
    a->is_preset = true;
    mrc_preset_apply(preset, table, never, parse, state);
    a->is_preset = false;
    a->options.preset = mrc_preset_text(preset) != NULL ? preset : "file";
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    if (parse_row(key, value, state, a)) {
        a->has_settings = a->has_settings || !a->is_preset;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT: begin_with_preset(state, a); break;
    case KEY_PRESET: a->has_settings = true; break; /* it came first */
    case KEY_REPEAT: a->repeat = value; break;
    case KEY_RESUME: a->options.resume = true; break;
    case MRC_OPTION_REPLACE: a->options.replace = true; break;
    case KEY_MAX_MEMORY:
        a->options.max_bytes = mrc_option_bytes(state, "--max-memory", value);
        break;
    case 'o': a->options.run = value; break;
    case MRC_OPTION_MAP: a->map = value; break;
    case 'q': a->quiet = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        if (a->options.data.set != NULL)
            mrc_option_fail(state, "a second set '%s', expected one", value);
        a->options.data.set = value;
        break;
    case ARGP_KEY_END: check(state, &a->options); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* What the option is without being given: the default, or the preset's. */
static char *add_default(int key, const char *text, void *input) {
    const struct arguments *a = input;
    char value[MRC_SETTING_TEXT];
    if (key < KEY_ROWS || (size_t)(key - KEY_ROWS) >= mrc_train_setting_count() || text == NULL)
        return (char *)text;
    const struct mrc_setting s = mrc_train_setting((size_t)(key - KEY_ROWS)).setting;
    if (s.kind == MRC_SETTING_WORDS ||
        (s.kind == MRC_SETTING_WHOLE && a->options.model.size == 0 &&
         (strcmp(s.key, "size") == 0 || strcmp(s.key, "channels") == 0)))
        return (char *)text; /* of the set, or none */
    mrc_setting_print(value, &a->options, &s);
    char *whole = mrc_asprintf("%s; default: %s", text, value); /* argp frees it */
    return whole != NULL ? whole : (char *)text;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .help_filter = add_default,
    .args_doc = "SET -o RUN\n--simulate MAPS [SET] -o RUN\n--repeat RUN [SET] -o AGAIN",
    .doc = "Learns to translate T1w to T2w and back from unpaired images (CycleGAN).\v"
           "SET holds two folders, T1w and T2w, with DICOM series, NIfTI files and PNG slices at "
           "any depth; with --simulate heads are computed instead, or besides. RUN gets "
           "settings.json, log.csv, losses.png, samples, checkpoints and "
           "model.safetensors, whose path is printed. An interrupt finishes the step and saves; "
           "--resume goes on."};

/* The settings of the run to repeat, with what the command line says about this machine. */
static enum mrc_status take_record(struct mrc_train_record *record, struct arguments *a,
                                   const struct mrc_events *events, struct mrc_error *err) {
    enum mrc_status status = mrc_train_record_read(record, a->repeat, err);
    if (status != MRC_OK) return status;
    const struct mrc_train_options given = a->options;
    a->options = record->options;
    a->options.run = given.run;
    a->options.replace = given.replace;
    a->options.resume = given.resume;
    a->options.max_bytes = given.max_bytes;
    if (given.data.set != NULL) a->options.data.set = given.data.set;
    if (strcmp(record->version, MRC_VERSION) != 0)
        mrc_events_note(
            events, "the run was made by version %s, this is " MRC_VERSION ": its bytes may differ",
            record->version);
    if (strcmp(record->kernel, mrc_train_kernel()) != 0)
        mrc_events_note(events,
                        "the run was made with the BLAS kernel %s, this is %s: its bytes "
                        "may differ",
                        record->kernel, mrc_train_kernel());
    return MRC_OK;
}

int mrc_cmd_train(int argc, char **argv) {
    struct arguments a = {.options = MRC_TRAIN_DEFAULTS};
    a.options.model.size = a.options.model.channels = 0; /* those of the set */
    fill_table();
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    struct mrc_train_record record = {.owner = NULL};
    enum mrc_status status = mrc_mpi_begin(&err);
    bool writes = mrc_team_current()->rank == 0;
    if (!writes) terminal.quiet = true;
    if (status == MRC_OK && a.repeat != NULL) status = take_record(&record, &a, &events, &err);
    mrc_contrast_map *map = NULL;
    if (status == MRC_OK && a.map != NULL) status = mrc_contrast_map_load(&map, a.map, &err);
    a.options.data.map = map;
    if (status == MRC_OK) status = mrc_train_run(&a.options, &events, mrc_terminal_training, &err);
    mrc_contrast_map_destroy(map);
    mrc_terminal_clear_bar(&terminal);
    int code = mrc_exit_code(status);
    if (status != MRC_OK && (writes || status != MRC_ERR_CANCELLED)) /* all stop: one says so */
        mrc_terminal_fail(&terminal, status, &err);
    /* what ends the first process alone (a full disk) ends all */
    mrc_mpi_end(status != MRC_ERR_WRITE && status != MRC_ERR_IO && status != MRC_ERR_NOMEM, code);
    mrc_train_record_clear(&record);
    if (status != MRC_OK || !writes) return code;
    char *model = mrc_path_join(a.options.run, "model.safetensors");
    if (model != NULL) puts(model);
    mrc_free(model);
    return MRC_EXIT_OK;
}
