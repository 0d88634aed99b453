/* cmd_export.c: mrcycle export. */
#include <stdio.h>

#include "app/train/train.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_HALF = MRC_OPTION_OWN,
    KEY_NAME,
    KEY_DATA_NOTE,
    KEY_TRAINED_ON,
    KEY_FINEST,
    KEY_NORMALISE,
    KEY_ROOM,
    KEY_FORMAT,
    KEY_TO
};

static const struct argp_option table[] = {
    {.name = "output", .key = 'o', .arg = "FILE", .doc = "The model to write"},
    {.name = "format",
     .key = KEY_FORMAT,
     .arg = "safetensors|onnx",
     .doc =
         "safetensors: a model for translate (default); onnx: one generator, for onnxruntime and "
         "others, also of a model that holds the generators only"},
    {.name = "to",
     .key = KEY_TO,
     .arg = "CONTRAST",
     .doc = "For onnx: what the generator makes, one of the model's contrasts"},
    {.name = "half", .key = KEY_HALF, .doc = "Write half precision: half the size"},
    {.name = "finest",
     .key = KEY_FINEST,
     .arg = "N",
     .doc = "Record that the model is good for slices of N pixels a side too, which translate then "
            "uses where a scan's grid is as fine; find it out with evaluate --size"},
    {.name = "name", .key = KEY_NAME, .arg = "NAME", .doc = "Another name for the model"},
    {.name = "data-note",
     .key = KEY_DATA_NOTE,
     .arg = "TEXT",
     .doc = "Other words about the training data"},
    {.name = "trained-on",
     .key = KEY_TRAINED_ON,
     .arg = "SET",
     .doc =
         "Record what the images of SET look like, that it was trained on: for models of earlier "
         "versions, also such of the generators alone"},
    {.name = "normalise",
     .key = KEY_NORMALISE,
     .arg = "LOW,HIGH",
     .doc = "Record the percentiles that were 0 and 1 in its training images, where the model does "
            "not say it or not rightly"},
    {.name = "room",
     .key = KEY_ROOM,
     .arg = "CONTRAST=X,...",
     .doc = "Record the room above, such as T2w=2.2, for the same reason"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier model"},
    {0}};

static void check(struct argp_state *state, const struct mrc_export_options *o) {
    if (o->checkpoint == NULL) mrc_option_fail(state, "expected a RUN or CHECKPOINT");
    if (o->output == NULL) mrc_option_fail(state, "expected -o FILE");
    if (o->onnx && o->to == MRC_CONTRAST_UNKNOWN)
        mrc_option_fail(state, "--format onnx is of one generator, expected --to CONTRAST");
    if (!o->onnx && o->to != MRC_CONTRAST_UNKNOWN)
        mrc_option_fail(state, "--to is for --format onnx, expected both");
    if (o->onnx && (o->half || o->finest > 0 || o->name != NULL || o->data_note != NULL ||
                    o->trained_on != NULL))
        mrc_option_fail(state, "--format onnx takes --to and --replace, expected no other option");
}

static error_t parse(int key, char *value, struct argp_state *state) {
    static const char *const formats[] = {"safetensors", "onnx", NULL};
    struct mrc_export_options *o = state->input;
    struct mrc_contract contract = MRC_CONTRACT_DEFAULTS; /* which the words could be of */
    switch (key) {
    case 'o': o->output = value; break;
    case KEY_FORMAT: o->onnx = mrc_option_choice(state, "--format", value, formats) == 1; break;
    case KEY_TO: o->to = mrc_option_contrast(state, "--to", value); break;
    case KEY_HALF: o->half = true; break;
    case KEY_NAME: o->name = mrc_option_words(state, "--name", value, 63); break;
    case KEY_DATA_NOTE: o->data_note = mrc_option_words(state, "--data-note", value, 255); break;
    case KEY_TRAINED_ON: o->trained_on = value; break;
    case KEY_FINEST: o->finest = mrc_option_integer(state, "--finest", value, 16, 1024); break;
    case KEY_NORMALISE:
        o->normalise = mrc_option_contract(state, &contract, MRC_CONTRACT_NORMALISE, value);
        break;
    case KEY_ROOM: o->room = mrc_option_contract(state, &contract, MRC_CONTRACT_ROOM, value); break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case ARGP_KEY_ARG:
        if (o->checkpoint != NULL)
            mrc_option_fail(state, "a second checkpoint '%s', expected one", value);
        o->checkpoint = value;
        break;
    case ARGP_KEY_END: check(state, o); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "RUN|CHECKPOINT -o FILE",
    .doc = "Writes the two generators of a complete checkpoint as a model for translate, or one of "
           "them "
           "as ONNX.\v"
           "Of a run's folder, the last checkpoint is taken. Prints the path written."};

int mrc_cmd_export(int argc, char **argv) {
    struct mrc_export_options options = {0};
    mrc_option_parse(&argp, argc, argv, &options);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    mrc_terminal_catch_interrupts();
    struct mrc_error err = {0};
    enum mrc_status status = mrc_train_export(&options, &err);
    if (status != MRC_OK) return mrc_terminal_fail(&terminal, status, &err);
    puts(options.output);
    return MRC_EXIT_OK;
}
