/* cmd_fetch.c: mrcycle fetch. */
#include <stdio.h>
#include <string.h>

#include "app/node/fetch.h"
#include "cli/command.h"
#include "cli/net_options.h"
#include "cli/terminal.h"

enum {
    KEY_FROM = MRC_OPTION_OWN,
    KEY_PATIENT,
    KEY_STUDY,
    KEY_ACCESSION,
    KEY_DESCRIPTION,
    KEY_MODALITY,
    KEY_MOVE,
    KEY_BIND,
    KEY_MOST
};

static const struct argp_option table[] = {
    {.name = "from", .key = KEY_FROM, .arg = "AET@host:port", .doc = "The archive"},
    {.name = "patient", .key = KEY_PATIENT, .arg = "ID", .doc = "All studies of this PatientID"},
    {.name = "study", .key = KEY_STUDY, .arg = "UID", .doc = "The study"},
    {.name = "accession",
     .key = KEY_ACCESSION,
     .arg = "N",
     .doc = "The study of this AccessionNumber"},
    {.name = "series-description",
     .key = KEY_DESCRIPTION,
     .arg = "PATTERN",
     .doc = "Only series so described, as by a shell and in any case of letters: '*t1*'"},
    {.name = "modality",
     .key = KEY_MODALITY,
     .arg = "CODE",
     .doc = "Only series of this modality; default: MR; 'any'"},
    {.name = "output", .key = 'o', .arg = "DIR", .doc = "Where a folder a series goes"},
    {.name = "move",
     .key = KEY_MOVE,
     .arg = "PORT",
     .doc = "By C-MOVE: the archive knows our title, and sends to this port of ours; default: by "
            "C-GET"},
    {.name = "bind",
     .key = KEY_BIND,
     .arg = "HOST",
     .doc = "With --move: our address to listen at; default: all"},
    {.name = "most",
     .key = KEY_MOST,
     .arg = "N",
     .doc = "Fetch nothing when there are more images; default: 20000"},
    MRC_NET_RETRY_ROWS("bring"),
    MRC_NET_OPTION_ROWS,
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_fetch_options options;
    bool quiet;
};

/* A wildcard would bring other patients. */
static void take_key(char *out, size_t capacity, const char *name, const char *value,
                     const struct argp_state *state) {
    if (value[0] == '\0' || strlen(value) >= capacity || strpbrk(value, "*?\\") != NULL)
        mrc_option_fail(state, "%s has %zu characters, expected 1 to %zu, without *, ? and \\",
                        name, strlen(value), capacity - 1);
    snprintf(out, capacity, "%s", value);
}

static void check(const struct arguments *a, const struct argp_state *state) {
    const struct mrc_fetch_options *o = &a->options;
    int keys = (o->query.patient[0] != '\0') + (o->query.study[0] != '\0') +
               (o->query.accession[0] != '\0');
    if (o->peer.port == 0) mrc_option_fail(state, "expected --from AET@host:port");
    if (o->output == NULL) mrc_option_fail(state, "expected -o DIR");
    if (keys != 1) mrc_option_fail(state, "expected one of --patient, --study and --accession");
    mrc_net_option_check(&o->peer, state);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    struct mrc_fetch_options *o = &a->options;
    switch (key) {
    case 'q': a->quiet = true; break;
    case 'o': o->output = value; break;
    case KEY_FROM: mrc_net_option_peer(&o->peer, "--from", value, state); break;
    case KEY_PATIENT:
        take_key(o->query.patient, sizeof o->query.patient, "--patient", value, state);
        break;
    case KEY_STUDY: take_key(o->query.study, sizeof o->query.study, "--study", value, state); break;
    case KEY_ACCESSION:
        take_key(o->query.accession, sizeof o->query.accession, "--accession", value, state);
        break;
    case KEY_DESCRIPTION: o->description = value; break;
    case KEY_MODALITY: o->modality = strcmp(value, "any") == 0 ? NULL : value; break;
    case KEY_MOVE:
        o->move = true;
        o->port = (int)mrc_option_integer(state, "--move", value, 1, 65535);
        break;
    case KEY_BIND: take_key(o->bind, sizeof o->bind, "--bind", value, state); break;
    case KEY_MOST: o->most_images = mrc_option_integer(state, "--most", value, 1, 200000); break;
    case KEY_RETRIES:
    case KEY_WAIT: return mrc_net_option_retry(&o->retries, &o->wait_s, key, value, state);
    case ARGP_KEY_ARG: mrc_option_fail(state, "'%s', expected options alone", value);
    case ARGP_KEY_END: check(a, state); break;
    default: return mrc_net_option(&o->peer, key, value, state);
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "--from AET@host:port --study UID -o DIR",
    .doc = "Brings MR series of a patient or a study from an archive, as they are there.\vWhat is "
           "in DIR already is not brought again: the same command goes on after a break. Files and "
           "folders have names made of the UIDs, nothing of the patient. Exit code 60: some could "
           "not be brought; 61: the archive refuses."};

int mrc_cmd_fetch(int argc, char **argv) {
    static struct arguments a = {.options = MRC_FETCH_DEFAULTS};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    struct mrc_fetch_report r = {0};
    enum mrc_status status = mrc_fetch_run(&a.options, &r, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    printf("series %lld, images %lld: there before %lld, fetched %lld\n", (long long)r.series,
           (long long)r.images, (long long)r.before, (long long)r.fetched);
    return status == MRC_OK ? MRC_EXIT_OK : mrc_terminal_fail(&terminal, status, &err);
}
