/* cmd_compare.c: mrcycle compare. */
#include <stdio.h>

#include "app/compare/compare.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { KEY_SOURCE = MRC_OPTION_OWN, KEY_JSON };

static const struct argp_option table[] = {
    {.name = "output",
     .key = 'o',
     .arg = "DIR",
     .doc = "Also write a page to look at both (compare.html), and the scores (compare.json)"},
    {.name = "source", .key = KEY_SOURCE, .arg = "IMAGE", .doc = "Shown in the page, too"},
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object instead of a table"},
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of a NIfTI file without orientation as right, anterior, superior"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier comparison"},
    {0}};

struct arguments {
    struct mrc_compare_options options;
    bool json;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case 'o': a->options.output = value; break;
    case KEY_SOURCE: a->options.source = value; break;
    case KEY_JSON: a->json = true; break;
    case MRC_OPTION_ASSUME_RAS: a->options.assume_ras = true; break;
    case MRC_OPTION_REPLACE: a->options.replace = true; break;
    case ARGP_KEY_ARG:
        if (a->options.truth != NULL)
            mrc_option_fail(state, "a third image '%s', expected RESULT and TRUTH", value);
        *(a->options.result == NULL ? &a->options.result : &a->options.truth) = value;
        break;
    case ARGP_KEY_END:
        if (a->options.truth == NULL) mrc_option_fail(state, "expected RESULT and TRUTH");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "RESULT TRUTH",
    .doc = "Scores an image against the true one, once their intensities are brought together.\v"
           "RESULT is laid where TRUTH lies in the patient, and brought to its intensities by the "
           "straight line that fits best inside the head, so that units do not matter and a line "
           "that falls tells of an inverted contrast. docs/model.md says what each score is."};

int mrc_cmd_compare(int argc, char **argv) {
    struct arguments a = {.json = false};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    mrc_terminal_catch_interrupts();
    struct mrc_comparison comparison;
    struct mrc_text text = {0};
    struct mrc_error err = {0};
    enum mrc_status status = mrc_compare_run(&comparison, &a.options, &err);
    if (status == MRC_OK && a.json) status = mrc_comparison_print_json(&text, &comparison, &err);
    if (status == MRC_OK && !a.json) mrc_comparison_print(&text, &comparison);
    if (status == MRC_OK && text.data != NULL) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
