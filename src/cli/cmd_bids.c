/* cmd_bids.c: mrcycle bids, a BIDS-App: positional arguments and options by its convention. */
#include <stdio.h>
#include <string.h>

#include "app/batch/bids.h"
#include "base/alloc.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_PARTICIPANT = MRC_OPTION_OWN,
    KEY_SESSION,
    KEY_SKIP_VALIDATOR,
    KEY_TO,
    KEY_MODEL,
    KEY_PROCESSES,
    KEY_DRY_RUN
};
enum { MOST_LABELS = 4096, POSITIONALS = 3 };

static const struct argp_option table[] = {
    {.doc = "Whom:", .group = 1},
    {.name = "participant-label",
     .key = KEY_PARTICIPANT,
     .arg = "LABEL...",
     .doc = "These participants only, with or without \"sub-\"; default: all"},
    {.name = "session-label",
     .key = KEY_SESSION,
     .arg = "LABEL...",
     .doc = "These sessions only, with or without \"ses-\"; default: all"},
    {.doc = "What:", .group = 2},
    {.name = "to",
     .key = KEY_TO,
     .arg = "CONTRAST",
     .doc = "The contrast to make, one of the model's, of its other one; default: T2w"},
    {.name = "model",
     .key = KEY_MODEL,
     .arg = "FILE",
     .doc = "A model or the folder of a training run; default: the shipped model"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Make anew what is there already"},
    {.doc = "How:", .group = 3},
    {.name = "n-procs",
     .key = KEY_PROCESSES,
     .arg = "N",
     .doc = "Images at a time, each on its share of the threads; default: 1"},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "dry-run", .key = KEY_DRY_RUN, .doc = "Say what would be done, and write nothing"},
    {.name = "skip-bids-validator",
     .key = KEY_SKIP_VALIDATOR,
     .doc = "Accepted, for the convention: no validator is run"},
    {.name = "verbose", .key = 'v', .doc = "Accepted, for the convention; see --quiet"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors and the table"},
    {0}};

struct arguments {
    struct mrc_bids_options options;
    const char *participants[MOST_LABELS], *sessions[MOST_LABELS], *positional[POSITIONALS];
    int positionals;
    bool group, quiet;
};

static void add_label(struct argp_state *state, const char *name, const char **labels,
                      size_t *count, const char *label) {
    if (*count == MOST_LABELS)
        mrc_option_fail(state, "%s has more than %d labels", name, MOST_LABELS);
    if (label[0] == '\0' || strpbrk(label, "/\\") != NULL)
        mrc_option_fail(state, "%s is '%s', expected a label such as 01", name, label);
    labels[(*count)++] = label;
}

static void check(struct argp_state *state, struct arguments *a) {
    static const char *const levels[] = {"participant", "group", NULL};
    if (a->positionals != POSITIONALS)
        mrc_option_fail(state, "expected BIDS_DIR OUT participant|group");
    a->group = mrc_option_choice(state, "the level", a->positional[2], levels) == 1;
    a->options.dataset = a->positional[0];
    a->options.output = a->positional[1];
    a->options.participants = a->participants;
    a->options.sessions = a->sessions;
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    struct mrc_bids_options *o = &a->options;
    switch (key) {
    case KEY_PARTICIPANT:
        add_label(state, "--participant-label", a->participants, &o->participant_count, value);
        break;
    case KEY_SESSION:
        add_label(state, "--session-label", a->sessions, &o->session_count, value);
        break;
    case KEY_SKIP_VALIDATOR: break;
    case KEY_TO: o->translate.to = mrc_option_contrast(state, "--to", value); break;
    case KEY_MODEL: o->translate.model = value; break;
    case MRC_OPTION_REPLACE: o->translate.replace = true; break;
    case KEY_PROCESSES:
        o->processes = (int)mrc_option_integer(state, "--n-procs", value, 1, 64);
        break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case KEY_DRY_RUN: o->dry_run = true; break;
    case 'v': break;
    case 'q': a->quiet = true; break;
    case ARGP_KEY_ARG:
        if (a->positionals == POSITIONALS)
            mrc_option_fail(state, "'%s' is too much, expected BIDS_DIR OUT participant|group",
                            value);
        a->positional[a->positionals++] = value;
        break;
    case ARGP_KEY_END: check(state, a); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "BIDS_DIR OUT participant|group",
    .doc =
        "Translates a BIDS dataset into a derivative, by the BIDS-App convention.\v"
        "participant: every anat/…_T1w becomes OUT/sub-…/anat/…_desc-synth_T2w.nii.gz (with --to "
        "T2w of a model of both), with a report in OUT/reports. What cannot be translated is told "
        "in the table at the end, and "
        "the rest goes on; so does the same command after a break. Labels may follow one "
        "another: --participant-label 01 02. group: brings the participants' tables together "
        "in OUT/synthesis.tsv and OUT/group.html, what lies apart first."};

/* "--participant-label 01 02" as "--participant-label 01 --participant-label 02", since argp knows
 * one value an option. *count words; the caller's (mrc_free). */
static char **spread_labels(int *count, int argc, char **argv) {
    char **out = mrc_alloc(2 * (size_t)argc + 2, sizeof *out), *list = NULL;
    int n = 0, labels = 0;
    for (int i = 0; out != NULL && i < argc; ++i) {
        const bool option = argv[i][0] == '-';
        if (option) {
            list = strcmp(argv[i], "--participant-label") == 0 ||
                           strcmp(argv[i], "--session-label") == 0
                       ? argv[i]
                       : NULL;
            labels = 0;
        } else if (list != NULL && labels++ > 0) {
            out[n++] = list;
        }
        out[n++] = argv[i];
    }
    *count = n;
    return out;
}

int mrc_cmd_bids(int argc, char **argv) {
    static struct arguments a = {.options.translate = MRC_TRANSLATE_DEFAULTS};
    int count = 0;
    static char **words; /* reached still where the command is left at its options */
    words = spread_labels(&count, argc, argv);
    struct mrc_terminal terminal;
    struct mrc_error err = {0};
    mrc_terminal_init(&terminal, false);
    if (words == NULL) {
        (void)mrc_fail(&err, MRC_ERR_NOMEM, "out of memory");
        return mrc_terminal_fail(&terminal, MRC_ERR_NOMEM, &err);
    }
    mrc_option_parse(&argp, count, words, &a);
    terminal.quiet = a.quiet;
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_batch batch = {0};
    enum mrc_status status = a.group ? mrc_bids_group(&batch, a.options.output, &err)
                                     : mrc_bids_participants(&batch, &a.options, &events, &err);
    int code = mrc_terminal_batch(&terminal, &batch, status, &err);
    mrc_batch_clear(&batch);
    mrc_free(words);
    return a.group && status == MRC_OK ? MRC_EXIT_OK : code;
}
