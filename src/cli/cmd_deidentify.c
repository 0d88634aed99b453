/* cmd_deidentify.c: mrcycle deidentify. */
#include <stdio.h>

#include "app/privacy/deidentify.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { KEY_KEY = MRC_OPTION_OWN };

static const struct argp_option table[] = {
    {.name = "output", .key = 'o', .arg = "OUT", .doc = "The folder to write"},
    {.name = "key",
     .key = KEY_KEY,
     .arg = "FILE",
     .doc = "The key that names are made with, created when absent; default: OUT.key"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier result"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_deidentify_options options;
    bool quiet;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case 'o': a->options.output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_KEY: a->options.key = value; break;
    case MRC_OPTION_REPLACE: a->options.replace = true; break;
    case ARGP_KEY_ARG:
        if (a->options.input != NULL)
            mrc_option_fail(state, "a second input '%s', expected one", value);
        a->options.input = value;
        break;
    case ARGP_KEY_END:
        if (a->options.input == NULL) mrc_option_fail(state, "expected an INPUT");
        if (a->options.output == NULL) mrc_option_fail(state, "expected -o OUT");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "INPUT -o OUT",
    .doc =
        "Writes the MR images below INPUT as DICOM without the patients: only what a list lets "
        "in is kept (PS3.15 Basic Profile).\v"
        "Names and UIDs are keyed: the same key gives the same ones. The key and OUT.sources.tsv, "
        "which says what became of each file, lie beside OUT and are not to be passed on. Faces "
        "are not removed. Prints the folder written."};

int mrc_cmd_deidentify(int argc, char **argv) {
    struct arguments a = {.options = {0}};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_deidentify_result result;
    struct mrc_error err = {0};
    enum mrc_status status = mrc_deidentify_run(&a.options, &result, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    puts(a.options.output);
    return MRC_EXIT_OK;
}
