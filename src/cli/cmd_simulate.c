/* cmd_simulate.c: mrcycle simulate. */
#include <stdio.h>
#include <string.h>

#include "app/heads/simulate.h"
#include "base/alloc.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_SEED = MRC_OPTION_OWN,
    KEY_SUBJECTS,
    KEY_FIRST,
    KEY_LABELS,
    KEY_CONTRASTS,
    KEY_PLANE,
    KEY_VOXEL,
    KEY_STRIP,
    KEY_LESIONS,
    KEY_CONFIG,
    KEY_PRINT_CONFIG
};

static const struct argp_option table[] = {
    {.name = "output", .key = 'o', .arg = "SET", .doc = "The folder to write"},
    {.name = "subjects", .key = KEY_SUBJECTS, .arg = "N", .doc = "How many heads; 1"},
    {.name = "first", .key = KEY_FIRST, .arg = "N", .doc = "Number of the first head; 1"},
    {.name = "seed", .key = KEY_SEED, .arg = "N", .doc = "Which heads; 1"},
    {.name = "labels",
     .key = KEY_LABELS,
     .arg = "TABLE",
     .doc =
         "What the maps' numbers mean: freesurfer (also SynthSeg's), brainweb, phantom (the dseg "
         "of "
         "mrcycle phantom), or a file of "
         "lines number, tab, tissue; default: the first of the first two that knows all numbers"},
    {.name = "contrasts",
     .key = KEY_CONTRASTS,
     .arg = "LIST",
     .doc = "Of T1w, T2w, PDw, FLAIR, apart by commas; default: all"},
    {.name = "plane",
     .key = KEY_PLANE,
     .arg = "PLANE",
     .doc = "axial, sagittal or coronal slices, isotropic volumes, or any (default)"},
    {.name = "voxel",
     .key = KEY_VOXEL,
     .arg = "MM",
     .doc = "One number: cubes of that side; two: pixel,slice spacing; default: drawn"},
    {.name = "strip", .key = KEY_STRIP, .arg = "SHARE", .doc = "Heads without skull; 0.5"},
    {.name = "lesions", .key = KEY_LESIONS, .arg = "SHARE", .doc = "Heads with pathology; 0.42"},
    {.name = "config",
     .key = KEY_CONFIG,
     .arg = "FILE",
     .doc = "Ranges that differ from the defaults: lines of name = low high"},
    {.name = "print-config",
     .key = KEY_PRINT_CONFIG,
     .doc = "Print all ranges as such a file, and end"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier set in SET"},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    const char *output;
    struct mrc_simulate_options options;
    const char **maps;
    size_t capacity;
    bool quiet, print_config;
};

static void set_part(struct mrc_sim_config *c, enum mrc_sim_key key, double value) {
    c->lo[key] = c->hi[key] = value;
}

static void parse_contrasts(struct argp_state *state, unsigned *contrasts, char *value) {
    static const char *const names[] = {"T1w", "T2w", "PDw", "FLAIR", NULL};
    char *rest = NULL;
    *contrasts = 0;
    for (char *name = strtok_r(value, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        *contrasts |= 1u << mrc_option_choice(state, "--contrasts", name, names);
    if (*contrasts == 0) mrc_option_fail(state, "--contrasts names none, expected T1w,T2w");
}

static void parse_plane(struct argp_state *state, struct mrc_sim_config *c, const char *value) {
    static const char *const names[] = {"axial", "sagittal", "coronal", "isotropic", "any", NULL};
    const int plane = mrc_option_choice(state, "--plane", value, names);
    for (int p = 0; p < 4 && plane < 4; ++p)
        set_part(c, (enum mrc_sim_key)(MRC_SIM_AXIAL_RANGE + p), p == plane ? 1.0 : 0.0);
}

/* One number makes cubes, whatever the plane; two, slices. */
static void parse_voxel(struct argp_state *state, struct mrc_sim_config *c, char *value) {
    char *comma = strchr(value, ',');
    if (comma != NULL) *comma++ = '\0';
    const double pixel = mrc_option_number(state, "--voxel", value, 0.3, 8.0);
    const double slice =
        comma != NULL ? mrc_option_number(state, "--voxel", comma, 0.3, 12.0) : pixel;
    set_part(c, MRC_SIM_PIXEL_RANGE, pixel);
    set_part(c, MRC_SIM_CUBE_RANGE, pixel);
    set_part(c, MRC_SIM_SPACING_RANGE, slice);
}

/* A wrong line is a wrong command line: the message says where. */
static void load_config(struct argp_state *state, struct mrc_sim_config *c, const char *path) {
    struct mrc_error err = {0};
    if (mrc_sim_config_load(c, path, &err) != MRC_OK) mrc_option_fail(state, "%s", err.text);
}

static int print_config(const struct mrc_sim_config *c) {
    struct mrc_text text = {0};
    mrc_sim_config_append_text(&text, c);
    if (!text.failed) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return MRC_EXIT_OK;
}

static void check(struct argp_state *state, const struct arguments *a) {
    const struct mrc_simulate_options *o = &a->options;
    if (a->print_config) return;
    if (a->output == NULL) mrc_option_fail(state, "expected -o SET");
    if (o->map_count == 0) mrc_option_fail(state, "no label maps, expected files or folders");
    if (o->first + o->subjects - 1 > MRC_SIM_MOST_SUBJECTS)
        mrc_option_fail(state, "heads up to %lld, expected at most %d",
                        (long long)(o->first + o->subjects - 1), (int)MRC_SIM_MOST_SUBJECTS);
}

static void add_map(struct argp_state *state, struct arguments *a, const char *path) {
    void *maps = (void *)(uintptr_t)a->maps;
    if (!mrc_grow(&maps, &a->capacity, a->options.map_count + 1, sizeof *a->maps))
        mrc_option_fail(state, "out of memory for the names of label maps");
    a->maps = maps;
    a->maps[a->options.map_count++] = path;
    a->options.maps = a->maps;
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    struct mrc_simulate_options *o = &a->options;
    switch (key) {
    case 'o': a->output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_SEED:
        o->seed = (uint64_t)mrc_option_integer(state, "--seed", value, 0, INT64_MAX);
        break;
    case KEY_SUBJECTS:
        o->subjects = mrc_option_integer(state, "--subjects", value, 1, MRC_SIM_MOST_SUBJECTS);
        break;
    case KEY_FIRST:
        o->first = mrc_option_integer(state, "--first", value, 1, MRC_SIM_MOST_SUBJECTS);
        break;
    case KEY_LABELS: o->table = value; break;
    case KEY_CONTRASTS: parse_contrasts(state, &o->contrasts, value); break;
    case KEY_PLANE: parse_plane(state, &o->config, value); break;
    case KEY_VOXEL: parse_voxel(state, &o->config, value); break;
    case KEY_STRIP:
        set_part(&o->config, MRC_SIM_STRIP_RANGE, mrc_option_number(state, "--strip", value, 0, 1));
        break;
    case KEY_LESIONS:
        set_part(&o->config, MRC_SIM_LESIONS_RANGE,
                 mrc_option_number(state, "--lesions", value, 0, 1));
        break;
    case KEY_CONFIG: load_config(state, &o->config, value); break;
    case KEY_PRINT_CONFIG: a->print_config = true; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG: add_map(state, a, value); break;
    case ARGP_KEY_END: check(state, a); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "LABELS... -o SET",
    .doc = "Computes heads from label maps: T1w, T2w, PDw and FLAIR images of one anatomy, with "
           "the map of their tissues and the mask of their lesions, as a BIDS set.\v"
           "LABELS are NIfTI label maps, or folders of them, or the word phantom: eight generated "
           "heads (phantom:5: the one of seed 5). Head 17 is the same alone or among a "
           "thousand. SET appears when it is whole; an interrupted run is gone on with by the same "
           "command. Prints the folder written."};

int mrc_cmd_simulate(int argc, char **argv) {
    struct arguments a = {.options = {.seed = 1, .first = 1, .subjects = 1, .contrasts = 0xf}};
    mrc_sim_config_init(&a.options.config);
    mrc_option_parse(&argp, argc, argv, &a);
    if (a.print_config) return print_config(&a.options.config);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    enum mrc_status status = mrc_simulate_write(a.output, &a.options, &events, &err);
    mrc_free((void *)(uintptr_t)a.maps);
    mrc_terminal_clear_bar(&terminal);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    puts(a.output);
    return MRC_EXIT_OK;
}
