/* cmd_phantom.c: mrcycle phantom. */
#include <stdio.h>
#include <string.h>

#include "app/heads/phantom.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_SEED = MRC_OPTION_OWN,
    KEY_SUBJECTS,
    KEY_LESIONS,
    KEY_ORIENTATION,
    KEY_VOXEL,
    KEY_NOISE,
    KEY_BIAS,
    KEY_NO_NOISE
};

static const struct argp_option table[] = {
    {.name = "output", .key = 'o', .arg = "DIR", .doc = "The folder to write"},
    {.name = "subjects", .key = KEY_SUBJECTS, .arg = "N", .doc = "How many patients; 1"},
    {.name = "seed", .key = KEY_SEED, .arg = "N", .doc = "Which patients; 1"},
    {.name = "lesions",
     .key = KEY_LESIONS,
     .arg = "N",
     .doc = "Lesions in each head, 0 to 40; default: 0 to 4, by the seed"},
    {.name = "orientation",
     .key = KEY_ORIENTATION,
     .arg = "PLANE",
     .doc = "Plane of the slices: axial (default), sagittal or coronal"},
    {.name = "voxel",
     .key = KEY_VOXEL,
     .arg = "MM",
     .doc = "Size of a voxel: one number, or columns,rows,slices; 1.25"},
    {.name = "noise",
     .key = KEY_NOISE,
     .arg = "PART",
     .doc = "Noise as a part of grey matter's signal; 0.03"},
    {.name = "bias", .key = KEY_BIAS, .arg = "PART", .doc = "Unevenness of the coil; 0.15"},
    {.name = "no-noise", .key = KEY_NO_NOISE, .doc = "Neither noise nor unevenness"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace earlier phantoms in DIR"},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    const char *output;
    struct mrc_phantom_options options;
    bool quiet;
};

/* "1.25" or "1,1,5". */
static void parse_voxel(struct argp_state *state, double voxel_mm[3], char *value) {
    char *rest = NULL;
    int count = 0;
    for (char *part = strtok_r(value, ",", &rest); part != NULL;
         part = strtok_r(NULL, ",", &rest)) {
        if (count == 3) mrc_option_fail(state, "--voxel has more than three numbers");
        voxel_mm[count++] = mrc_option_number(state, "--voxel", part, 0.5, 10.0);
    }
    if (count == 1)
        voxel_mm[1] = voxel_mm[2] = voxel_mm[0];
    else if (count != 3)
        mrc_option_fail(state, "--voxel has %d numbers, expected 1 or 3", count);
}

static void parse_orientation(struct argp_state *state, struct mrc_phantom_options *o,
                              const char *value) {
    static const char *const planes[] = {"axial", "sagittal", "coronal", NULL};
    static const enum mrc_orientation orientations[] = {MRC_AXIAL, MRC_SAGITTAL, MRC_CORONAL};
    o->acquisition = orientations[mrc_option_choice(state, "--orientation", value, planes)];
}

static void check(struct argp_state *state, const struct arguments *a) {
    struct mrc_error err = {0};
    if (a->output == NULL) mrc_option_fail(state, "expected -o DIR");
    if (mrc_phantom_check(&a->options, &err) != MRC_OK) mrc_option_fail(state, "%s", err.text);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    struct mrc_phantom_options *o = &a->options;
    switch (key) {
    case 'o': a->output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_SEED:
        o->seed = (uint64_t)mrc_option_integer(state, "--seed", value, 0, INT64_MAX);
        break;
    case KEY_SUBJECTS:
        o->subjects = (int)mrc_option_integer(state, "--subjects", value, 1, 999);
        break;
    case KEY_LESIONS: o->lesions = (int)mrc_option_integer(state, "--lesions", value, 0, 40); break;
    case KEY_ORIENTATION: parse_orientation(state, o, value); break;
    case KEY_VOXEL: parse_voxel(state, o->voxel_mm, value); break;
    case KEY_NOISE: o->noise = mrc_option_number(state, "--noise", value, 0.0, 1.0); break;
    case KEY_BIAS: o->bias = mrc_option_number(state, "--bias", value, 0.0, 1.0); break;
    case KEY_NO_NOISE: o->noise = o->bias = 0.0; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        mrc_option_fail(state, "an argument '%s', expected none (-o names the folder)", value);
    case ARGP_KEY_END: check(state, a); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "-o DIR",
    .doc = "Generates patients with a known answer: heads in T1w, T2w, PDw and FLAIR with tissue "
           "labels, as NIfTI files and as DICOM series of one study.\v"
           "Each head carries a bright capsule on the patient's left. The same options give the "
           "same images. Prints the folder written."};

int mrc_cmd_phantom(int argc, char **argv) {
    struct arguments a = {.options = MRC_PHANTOM_DEFAULTS};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    enum mrc_status status = mrc_phantom_write(a.output, &a.options, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    puts(a.output);
    return MRC_EXIT_OK;
}
