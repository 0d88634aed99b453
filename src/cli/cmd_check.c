/* cmd_check.c: mrcycle check. */
#include <stdio.h>

#include "app/inspect/check.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { KEY_JSON = MRC_OPTION_OWN };

static const struct argp_option table[] = {
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object a series instead of lines"}, {0}};

struct arguments {
    char **paths;
    int path_count;
    bool json;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    (void)value;
    switch (key) {
    case KEY_JSON: a->json = true; break;
    case ARGP_KEY_ARGS:
        a->paths = state->argv + state->next;
        a->path_count = state->argc - state->next;
        break;
    case ARGP_KEY_END:
        if (a->path_count == 0) mrc_option_fail(state, "expected a DIR");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "DIR...",
    .doc = "Is each DICOM MR series in DIR consistent, and if it is synthetic, does it say so "
           "everywhere?\v"
           "Asks for one study, patient and frame of reference; one text of orientation "
           "and spacing; unique and even positions, InstanceNumber in their order; the attributes "
           "that MR images must have; valid UIDs; and of a synthetic series all marks and "
           "references. No patient data is printed. The exit code is 0 when every series is "
           "consistent, 21 when one is not, 20 when one holds no DICOM, 22 when it is no MR."};

static enum mrc_status check(const char *path, bool json, struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status status = mrc_check_apart(&text, path, json, err);
    if (text.data != NULL) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status;
}

int mrc_cmd_check(int argc, char **argv) {
    struct arguments a = {0};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    int code = MRC_EXIT_OK;
    for (int p = 0; p < a.path_count; ++p) {
        struct mrc_error err = {0};
        enum mrc_status status = check(a.paths[p], a.json, &err);
        if (status == MRC_OK) continue;
        int own = mrc_terminal_fail(&terminal, status, &err);
        if (code == MRC_EXIT_OK) code = own;
    }
    return code;
}
