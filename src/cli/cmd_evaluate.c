/* cmd_evaluate.c: mrcycle evaluate. */
#include <stdio.h>

#include "app/evaluate/evaluate.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { MOST_MODELS = 32 };
enum {
    KEY_MODEL = MRC_OPTION_OWN,
    KEY_REFERENCE,
    KEY_PAIRS,
    KEY_SPLIT,
    KEY_CONTRASTS,
    KEY_SIZE,
    KEY_NO_MIRROR,
    KEY_INTENSITIES,
    KEY_RESULT,
    KEY_TRUTH,
    KEY_SOURCE,
    KEY_RANGE,
    KEY_REAL,
    KEY_FAKE,
    KEY_FOREGROUND,
    KEY_CALIBRATE
};

static const struct argp_option table[] = {
    {.doc = "What is scored:", .group = 1},
    {.name = "model",
     .key = KEY_MODEL,
     .arg = "FILE",
     .doc = "A model or the folder of a training run; may be given again, for runs that differ by "
            "their seed"},
    {.name = "pairs",
     .key = KEY_PAIRS,
     .arg = "HOW",
     .doc = "name: images of the two contrasts belong together when their names agree but for the "
            "contrast "
            "(default); order: the n-th to the n-th; none: score without a truth"},
    {.name = "split",
     .key = KEY_SPLIT,
     .arg = "SIDE",
     .doc = "Of a SET made by mrcycle prepare: train, val or test (default)"},
    {.name = "contrasts",
     .key = KEY_CONTRASTS,
     .arg = "A,B",
     .doc =
         "Without a model: two of the set's; default: T1w,T2w, or those of a SET of two. A model "
         "has its own"},
    {.name = "size",
     .key = KEY_SIZE,
     .arg = "N",
     .doc = "Pixels a side of the slices; default: the model's, 64 without one"},
    {.name = "no-mirror",
     .key = KEY_NO_MIRROR,
     .doc = "Apply the models once, not to each slice and its mirror image for the mean of both: "
            "twice as fast, less good"},
    {.name = "intensities",
     .key = KEY_INTENSITIES,
     .arg = "HOW",
     .doc = "head, normalised to the head of each image (default), or stored, as files hold them; "
            "of SET a model says it itself"},
    {.name = "min-foreground",
     .key = KEY_FOREGROUND,
     .arg = "FRACTION",
     .doc = "Count slices with at least so much head; default 0.08"},
    {.doc = "Images of any origin:", .group = 2},
    {.name = "truth",
     .key = KEY_TRUTH,
     .arg = "IMAGES",
     .doc = "Instead of SET: the true images, taken as they are stored"},
    {.name = "result",
     .key = KEY_RESULT,
     .arg = "IMAGES",
     .doc = "The translated images, in the order of the true ones"},
    {.name = "source",
     .key = KEY_SOURCE,
     .arg = "IMAGES",
     .doc = "What was translated, for the baselines"},
    {.name = "range",
     .key = KEY_RANGE,
     .arg = "MAX",
     .doc = "Of --truth: intensities as stored, of which this counts as 1; default with "
            "--intensities stored: what a PNG can hold, else the largest of the true image"},
    {.name = "real-features",
     .key = KEY_REAL,
     .arg = "FILE.npy",
     .doc = "With --fake-features: FID and KID of features computed elsewhere, [images][features]"},
    {.name = "fake-features", .key = KEY_FAKE, .arg = "FILE.npy", .doc = "See --real-features"},
    {.doc = "Against what, and where to:", .group = 3},
    {.name = "reference",
     .key = KEY_REFERENCE,
     .arg = "SET",
     .doc = "The set the baselines are fitted to, such as the training set; default: the evaluated "
            "images themselves"},
    {.name = "output",
     .key = 'o',
     .arg = "FOLDER",
     .doc = "Also write scores.json, scores.csv, slices.csv and report.html there"},
    {.name = "calibrate",
     .key = KEY_CALIBRATE,
     .arg = "MODEL",
     .doc =
         "Write the model there with how far it was from the truth in each pair of SET, heads it "
         "was not trained on: reports of translate then say what to expect (nine pairs or more)"},
    {.name = "replace",
     .key = MRC_OPTION_REPLACE,
     .doc = "Replace an earlier evaluation or calibrated model"},
    {.doc = "What it reads:", .group = 4},
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of a NIfTI file without orientation as right, anterior, superior"},
    {.name = "allow-synthetic",
     .key = MRC_OPTION_ALLOW_SYNTHETIC,
     .doc = "Accept images of SET that are marked as synthetic"},
    MRC_OPTION_ALLOW_DERIVED_ENTRY,
    {.name = "force",
     .key = MRC_OPTION_FORCE,
     .doc = "Accept images of SET recognised as another contrast than their folder's"},
    {.doc = "How it runs:", .group = 5},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but the table and errors"},
    {0}};

struct arguments {
    struct mrc_evaluate_options options;
    const char *models[MOST_MODELS];
    bool quiet;
};

static void check(struct argp_state *state, const struct arguments *a) {
    const struct mrc_evaluate_options *o = &a->options;
    const bool features = o->real_features != NULL;
    if (o->set == NULL && o->truth == NULL && !features)
        mrc_option_fail(state, "expected a SET, or --truth IMAGES");
    if (o->set != NULL && (o->truth != NULL || o->result != NULL || o->source != NULL))
        mrc_option_fail(state, "expected either a SET or --truth, --result and --source");
    if (o->truth == NULL && (o->result != NULL || o->source != NULL))
        mrc_option_fail(state, "expected --truth with --result and --source");
    if (o->truth != NULL && o->result == NULL && o->source == NULL)
        mrc_option_fail(state, "expected --result or --source with --truth");
    if (o->set == NULL && (o->model_count > 0 || o->reference != NULL || o->size != 0))
        mrc_option_fail(state, "--model, --reference and --size are for a SET");
    if (o->calibrate != NULL && (o->model_count != 1 || o->pairing == MRC_PAIRING_NONE))
        mrc_option_fail(state, "--calibrate needs pairs and one --model");
    if (o->contrasts != NULL && (o->set == NULL || o->model_count > 0))
        mrc_option_fail(state, "--contrasts is for a SET without --model, expected no other");
    if (features != (o->fake_features != NULL))
        mrc_option_fail(state, "expected both --real-features and --fake-features");
}

static void add_model(struct argp_state *state, struct arguments *a, const char *path) {
    if (a->options.model_count == MOST_MODELS)
        mrc_option_fail(state, "expected at most %d models", MOST_MODELS);
    a->models[a->options.model_count++] = path;
}

static error_t parse(int key, char *value, struct argp_state *state) {
    static const char *const intensities[] = {"head", "stored", NULL};
    static const char *const splits[] = {"train", "val", "test", NULL};
    static const char *const pairings[] = {"name", "order", "none", NULL};
    struct arguments *a = state->input;
    struct mrc_evaluate_options *o = &a->options;
    switch (key) {
    case 'o': o->output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_MODEL: add_model(state, a, value); break;
    case KEY_REFERENCE: o->reference = value; break;
    case KEY_PAIRS:
        o->pairing = (enum mrc_pairing)mrc_option_choice(state, "--pairs", value, pairings);
        break;
    case KEY_SPLIT: o->split = mrc_option_choice(state, "--split", value, splits); break;
    case KEY_CONTRASTS: o->contrasts = value; break;
    case KEY_INTENSITIES:
        o->stored = mrc_option_choice(state, "--intensities", value, intensities) == 1;
        break;
    case KEY_NO_MIRROR: o->no_mirror = true; break;
    case KEY_SIZE: o->size = mrc_option_integer(state, "--size", value, 16, 1024); break;
    case KEY_RESULT: o->result = value; break;
    case KEY_TRUTH: o->truth = value; break;
    case KEY_SOURCE: o->source = value; break;
    case KEY_CALIBRATE: o->calibrate = value; break;
    case KEY_RANGE: o->range = mrc_option_number(state, "--range", value, 1e-9, 1e9); break;
    case KEY_REAL: o->real_features = value; break;
    case KEY_FAKE: o->fake_features = value; break;
    case KEY_FOREGROUND:
        o->min_foreground = mrc_option_number(state, "--min-foreground", value, 0.0, 1.0);
        break;
    case MRC_OPTION_ASSUME_RAS: o->assume_ras = true; break;
    case MRC_OPTION_ALLOW_SYNTHETIC: o->allow_synthetic = true; break;
    case MRC_OPTION_ALLOW_DERIVED: o->allow_derived = true; break;
    case MRC_OPTION_FORCE: o->force = true; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        if (o->set != NULL) mrc_option_fail(state, "a second set '%s', expected one", value);
        o->set = value;
        break;
    case ARGP_KEY_END: check(state, a); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "SET [--model FILE...]\n--truth IMAGES [--result IMAGES] [--source IMAGES]",
    .doc =
        "Scores translated images, with baselines that need no learning beside them.\v"
        "SET is a folder with T1w and T2w inside, or the model's contrasts, of images that the "
        "model was not trained on; "
        "they are normalised and cut as for training. Or it was made by mrcycle prepare, of which "
        "the side test is taken. Where they pair, each is the truth of the "
        "other's translation. Means are over images. docs/model.md says what each score is."};

int mrc_cmd_evaluate(int argc, char **argv) {
    struct arguments a = {.options = MRC_EVALUATE_DEFAULTS};
    a.options.models = a.models;
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    struct mrc_text text = {0};
    enum mrc_status status = mrc_evaluate_run(&text, &a.options, &events, &err);
    mrc_terminal_clear_bar(&terminal);
    if (status != MRC_OK) {
        mrc_text_clear(&text);
        return mrc_terminal_fail(&terminal, status, &err);
    }
    fputs(text.data != NULL ? text.data : "", stdout);
    mrc_text_clear(&text);
    return MRC_EXIT_OK;
}
