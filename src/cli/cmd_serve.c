/* cmd_serve.c: mrcycle serve. */
#include <stdio.h>
#include <string.h>

#include "app/node/serve.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_WATCH = MRC_OPTION_OWN,
    KEY_QUEUE,
    KEY_TO,
    KEY_MODEL,
    KEY_QUIET,
    KEY_CHECK,
    KEY_CALLING,
    KEY_STATUS
};

static const struct argp_option table[] = {
    {.name = "watch",
     .key = KEY_WATCH,
     .arg = "DIR",
     .doc = "Translate what is put into this folder; needs -o"},
    {.name = "output", .key = 'o', .arg = "DIR", .doc = "Where the results of --watch go"},
    {.name = "queue",
     .key = KEY_QUEUE,
     .arg = "DIR",
     .doc = "Where jobs are kept; with --watch the default is OUTPUT.queue"},
    {.name = "to", .key = KEY_TO, .arg = "CONTRAST", .doc = "T2w (default) or T1w"},
    {.name = "model",
     .key = KEY_MODEL,
     .arg = "FILE",
     .doc = "A model or the folder of a training run; default: the shipped model"},
    {.name = "quiet-time",
     .key = KEY_QUIET,
     .arg = "S",
     .doc = "Seconds without anything new before a series counts as complete; default: 30"},
    {.name = "check",
     .key = KEY_CHECK,
     .doc = "Only check the configuration and the model; with a FOLDER of DICOM, say what each of "
            "its series would do"},
    {.name = "calling",
     .key = KEY_CALLING,
     .arg = "AET",
     .doc = "With --check FOLDER: as if this peer had sent it"},
    {.name = "status-port",
     .key = KEY_STATUS,
     .arg = "N",
     .doc = "Answer /health and /metrics by HTTP at this port of 127.0.0.1"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_serve_config config;
    const char *file, *folder, *watch, *output, *queue, *model, *calling;
    enum mrc_contrast to;
    double quiet_s;  /* 0: not given */
    int status_port; /* the same */
    bool check, quiet;
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    switch (key) {
    case 'o': a->output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_WATCH: a->watch = value; break;
    case KEY_QUEUE: a->queue = value; break;
    case KEY_MODEL: a->model = value; break;
    case KEY_CHECK: a->check = true; break;
    case KEY_STATUS:
        a->status_port = (int)mrc_option_integer(state, "--status-port", value, 1, 65535);
        break;
    case KEY_CALLING: a->calling = value; break;
    case KEY_TO: a->to = mrc_option_contrast(state, "--to", value); break;
    case KEY_QUIET: a->quiet_s = mrc_option_number(state, "--quiet-time", value, 0.1, 86400); break;
    case ARGP_KEY_ARG:
        if (a->folder != NULL) mrc_option_fail(state, "a third path '%s', expected two", value);
        *(a->file == NULL ? &a->file : &a->folder) = value;
        break;
    case ARGP_KEY_END:
        if (a->folder != NULL && !a->check)
            mrc_option_fail(state, "a second path '%s', expected one, or --check", a->folder);
        if (a->calling != NULL && a->folder == NULL)
            mrc_option_fail(state, "--calling belongs to --check FOLDER");
        if (a->file == NULL && a->watch == NULL)
            mrc_option_fail(state, "expected a CONFIG file or --watch DIR");
        if ((a->watch != NULL) != (a->output != NULL))
            mrc_option_fail(state, "--watch and -o belong together");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "[CONFIG [FOLDER]]",
    .doc = "Receives MR series, translates them, and sends the results to a PACS; or does so "
           "between two folders.\vCONFIG holds lines of key = value (docs/serve.md); options "
           "overrule it. Reads CONFIG anew at SIGHUP. Ends in good order at SIGTERM or Ctrl-C; "
           "whatever ends it, nothing that "
           "was acknowledged is lost."};

static enum mrc_status put(char *out, size_t capacity, const char *value, struct mrc_error *err) {
    if (value == NULL) return MRC_OK;
    if (strlen(value) >= capacity)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "a path of %zu characters", strlen(value));
    snprintf(out, capacity, "%s", value);
    return MRC_OK;
}

/* The file, and over it the options. */
static enum mrc_status settle(void *arguments, struct mrc_serve_config *c, struct mrc_error *err) {
    const struct arguments *a = arguments;
    enum mrc_status status = MRC_OK;
    mrc_serve_config_init(c);
    if (a->file != NULL) status = mrc_serve_config_load(c, a->file, err);
    if (status == MRC_OK) status = put(c->watch, sizeof c->watch, a->watch, err);
    if (status == MRC_OK) status = put(c->output, sizeof c->output, a->output, err);
    if (status == MRC_OK) status = put(c->queue, sizeof c->queue, a->queue, err);
    if (status == MRC_OK) status = put(c->model, sizeof c->model, a->model, err);
    if (status != MRC_OK) return status;
    if (c->queue[0] == '\0' && a->output != NULL) {
        int length = (int)strlen(a->output);
        while (length > 1 && a->output[length - 1] == '/') --length;
        snprintf(c->queue, sizeof c->queue, "%.*s.queue", length, a->output);
    }
    if (a->to != MRC_CONTRAST_UNKNOWN) c->to = a->to;
    if (a->quiet_s > 0.0) c->quiet_s = a->quiet_s;
    if (a->status_port > 0) c->status_port = a->status_port;
    return mrc_serve_config_check(c, err);
}

static enum mrc_status explain(const struct arguments *a, struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status status =
        mrc_serve_explain(&text, &a->config, a->folder, a->calling != NULL ? a->calling : "", err);
    if (status == MRC_OK) fputs(text.data, stdout);
    mrc_text_clear(&text);
    return status;
}

int mrc_cmd_serve(int argc, char **argv) {
    static struct arguments a = {.to = MRC_CONTRAST_UNKNOWN};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    const struct mrc_serve_reload reload = {
        .context = &a, .wanted = mrc_terminal_wants_reload, .load = settle};
    enum mrc_status status = settle(&a, &a.config, &err);
    if (status == MRC_OK && a.folder != NULL) status = explain(&a, &err);
    if (a.file != NULL) mrc_terminal_catch_reload();
    if (status == MRC_OK && !a.check)
        status = mrc_serve_run(&a.config, a.file != NULL ? &reload : NULL, &events, &err);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
