/* cmd_prepare.c: mrcycle prepare. */
#include <stdio.h>
#include <string.h>

#include "app/prepare/prepare.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_KEY = MRC_OPTION_OWN,
    KEY_SIZE,
    KEY_CHANNELS,
    KEY_PIXEL,
    KEY_CONTRASTS,
    KEY_NORMALISE,
    KEY_ROOM,
    KEY_FOREGROUND,
    KEY_KEEP,
    KEY_SPLIT,
    KEY_SEED,
    KEY_DRY_RUN
};
enum { MOST_INPUTS = 1000 };

static const struct argp_option table[] = {
    {.doc = "Where it goes:", .group = 1},
    {.name = "output", .key = 'o', .arg = "SET", .doc = "The folder to write"},
    {.name = "key",
     .key = KEY_KEY,
     .arg = "FILE",
     .doc = "The key that names are made with, created when absent; default: SET.key"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier set"},
    {.name = "dry-run", .key = KEY_DRY_RUN, .doc = "Judge and count; write nothing"},
    {.doc = "Slices:", .group = 2},
    {.name = "contrasts",
     .key = KEY_CONTRASTS,
     .arg = "A,B,...",
     .doc = "Which to take: T1w, T2w, PDw, FLAIR, ..., up to 8; default: T1w,T2w. train learns "
            "between two of them"},
    {.name = "size", .key = KEY_SIZE, .arg = "N", .doc = "Pixels a side, 32 to 1024; default: 64"},
    {.name = "pixel-mm",
     .key = KEY_PIXEL,
     .arg = "MM",
     .doc =
         "Pixels of this size, 0.1 to 10: the field of view is cut or padded to N of them, never "
         "stretched; default: each image's own field of view is fitted to N pixels"},
    {.name = "channels",
     .key = KEY_CHANNELS,
     .arg = "N",
     .doc = "1, or 3 to keep the neighbours of each slice too"},
    {.name = "normalise",
     .key = KEY_NORMALISE,
     .arg = "LOW,HIGH",
     .doc = "Percentiles of the head's core that become 0 and 1 (0: the air, where darker); "
            "default: 0.5,95"},
    MRC_OPTION_ROOM_ENTRY(KEY_ROOM),
    {.name = "min-foreground",
     .key = KEY_FOREGROUND,
     .arg = "F",
     .doc = "Least part of a kept slice that shows the head; default: 0.08"},
    {.name = "keep-slices",
     .key = KEY_KEEP,
     .arg = "FROM,TO",
     .doc = "Only these percent of the height of such slices, from below; default: 0,100"},
    {.doc = "Split:", .group = 3},
    {.name = "split",
     .key = KEY_SPLIT,
     .arg = "A,B,C",
     .doc = "Parts of train, val and test; default: 80,10,10"},
    {.name = "seed", .key = KEY_SEED, .arg = "N", .doc = "Of the split; default: 0"},
    {.doc = "What it reads:", .group = 4},
    MRC_OPTION_MAP_ENTRY,
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of a NIfTI file without orientation as right, anterior, superior"},
    {.name = "allow-synthetic",
     .key = MRC_OPTION_ALLOW_SYNTHETIC,
     .doc = "Use what is marked as synthetic"},
    MRC_OPTION_ALLOW_DERIVED_ENTRY,
    {.doc = "How it runs:", .group = 5},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_prepare_options options;
    const char *inputs[MOST_INPUTS], *map, *room;
    bool quiet;
};

static void parse_numbers(struct argp_state *state, const char *name, char *text, double *out,
                          int count) {
    char *rest = NULL;
    int found = 0;
    for (char *part = strtok_r(text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        if (found == count) mrc_option_fail(state, "%s has more than %d numbers", name, count);
        out[found++] = mrc_option_number(state, name, part, 0.0, 100.0);
    }
    if (found != count)
        mrc_option_fail(state, "%s has %d numbers, expected %d", name, found, count);
}

static void parse_range(struct argp_state *state, const char *name, char *text, double *low,
                        double *high) {
    double both[2];
    parse_numbers(state, name, text, both, 2);
    if (both[0] >= both[1])
        mrc_option_fail(state, "%s is %g,%g, expected the lower one first", name, both[0], both[1]);
    *low = both[0];
    *high = both[1];
}

static void parse_split(struct argp_state *state, char *text, double split[MRC_SPLITS]) {
    parse_numbers(state, "--split", text, split, MRC_SPLITS);
    if (!(split[0] > 0.0)) mrc_option_fail(state, "--split leaves nothing to train on");
}

static error_t parse(int key, char *value, struct argp_state *state) {
    static const char *const channels[] = {"1", "3", NULL};
    struct arguments *a = state->input;
    struct mrc_prepare_options *o = &a->options;
    struct mrc_contract *contract = &o->contract;
    switch (key) {
    case 'o': o->output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_KEY: o->key = value; break;
    case KEY_SIZE:
        contract->sample.h = contract->sample.w =
            mrc_option_integer(state, "--size", value, 32, 1024);
        break;
    case KEY_CHANNELS:
        contract->sample.c = contract->out_channels =
            1 + 2 * mrc_option_choice(state, "--channels", value, channels);
        contract->channels = contract->sample.c > 1 ? MRC_CHANNELS_NEIGHBOURS : MRC_CHANNELS_SLICE;
        break;
    case KEY_PIXEL: mrc_option_contract(state, contract, MRC_CONTRACT_PIXEL, value); break;
    case KEY_CONTRASTS: mrc_option_contract(state, contract, MRC_CONTRACT_LIST, value); break;
    case KEY_NORMALISE:
        parse_range(state, "--normalise", value, &contract->low_percentile,
                    &contract->high_percentile);
        break;
    case KEY_ROOM: a->room = value; break; /* of contrasts that a later option may name */
    case KEY_FOREGROUND:
        o->min_foreground = mrc_option_number(state, "--min-foreground", value, 0.0, 1.0);
        break;
    case KEY_KEEP: parse_range(state, "--keep-slices", value, &o->keep_from, &o->keep_to); break;
    case KEY_SPLIT: parse_split(state, value, o->split); break;
    case KEY_SEED:
        o->seed = (uint64_t)mrc_option_integer(state, "--seed", value, 0, INT64_MAX);
        break;
    case MRC_OPTION_MAP: a->map = value; break;
    case KEY_DRY_RUN: o->dry_run = true; break;
    case MRC_OPTION_ASSUME_RAS: o->assume_ras = true; break;
    case MRC_OPTION_ALLOW_SYNTHETIC: o->allow_synthetic = true; break;
    case MRC_OPTION_ALLOW_DERIVED: o->allow_derived = true; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        if (o->input_count == MOST_INPUTS)
            mrc_option_fail(state, "more than %d inputs", MOST_INPUTS);
        a->inputs[o->input_count++] = value;
        break;
    case ARGP_KEY_END:
        if (a->room != NULL) mrc_option_contract(state, contract, MRC_CONTRACT_ROOM, a->room);
        if (o->input_count == 0) mrc_option_fail(state, "expected an INPUT");
        if (o->output == NULL) mrc_option_fail(state, "expected -o SET");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "INPUT... -o SET",
    .doc =
        "Makes a training set of the T1w and T2w images (or --contrasts) below INPUT: axial "
        "slices, "
        "de-identified, split by subject, with a manifest and a report.\v"
        "An interrupted run goes on when the command is given again. The key and SET.sources.tsv, "
        "which says what became of each file, lie beside SET and are not to be passed on. "
        "mrcycle train takes SET as it is. Prints the folder written."};

int mrc_cmd_prepare(int argc, char **argv) {
    static struct arguments a = {.options = MRC_PREPARE_DEFAULTS};
    mrc_option_parse(&argp, argc, argv, &a);
    a.options.inputs = a.inputs;
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_prepare_result result;
    struct mrc_error err = {0};
    mrc_contrast_map *map = NULL;
    enum mrc_status status = a.map != NULL ? mrc_contrast_map_load(&map, a.map, &err) : MRC_OK;
    a.options.map = map;
    if (status == MRC_OK) status = mrc_prepare_run(&a.options, &result, &events, &err);
    mrc_contrast_map_destroy(map);
    mrc_terminal_clear_bar(&terminal);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    if (a.options.dry_run)
        printf("%zu series, %zu subjects, %lld slices, %zu refused\n", result.series,
               result.subjects, (long long)result.slices, result.refused);
    else
        puts(a.options.output);
    return MRC_EXIT_OK;
}
