/* cmd_view.c: mrcycle view. */
#include <stdio.h>

#include "app/compare/compare.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

static const struct argp_option table[] = {
    {.name = "output", .key = 'o', .arg = "PAGE.html", .doc = "The page to write"},
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of a NIfTI file without orientation as right, anterior, superior"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier page"},
    {0}};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct mrc_view_options *o = state->input;
    switch (key) {
    case 'o': o->output = value; break;
    case MRC_OPTION_ASSUME_RAS: o->assume_ras = true; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case ARGP_KEY_ARG:
        if (o->count == MRC_VIEW_IMAGES)
            mrc_option_fail(state, "more than %d images", MRC_VIEW_IMAGES);
        o->paths[o->count++] = value;
        break;
    case ARGP_KEY_END:
        if (o->count == 0) mrc_option_fail(state, "expected an IMAGE");
        if (o->output == NULL) mrc_option_fail(state, "expected -o PAGE.html");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "IMAGE... -o PAGE.html",
    .doc = "Writes a page to look at images of one head: three planes, blended, flickering, with a "
           "curtain between, or their difference.\v"
           "The page holds everything it shows and needs a browser, but no network. No name and no "
           "path stands in it. The images are laid over each other where they lie in the patient. "
           "Prints the page written."};

int mrc_cmd_view(int argc, char **argv) {
    struct mrc_view_options options = {.count = 0};
    mrc_option_parse(&argp, argc, argv, &options);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    mrc_terminal_catch_interrupts();
    struct mrc_error err = {0};
    enum mrc_status status = mrc_view_write(&options, &err);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    puts(options.output);
    return MRC_EXIT_OK;
}
