/* cmd_train.c: mrcycle train. */
#include <stdio.h>
#include <string.h>

#include "app/sets/class_balance.h"
#include "app/train/train.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "base/team.h"
#include "cli/command.h"
#include "cli/mpi_team.h"
#include "cli/options.h"
#include "cli/preset.h"
#include "cli/terminal.h"

enum {
    KEY_EPOCHS = MRC_OPTION_OWN,
    KEY_BATCH,
    KEY_WIDTH,
    KEY_DISC_WIDTH,
    KEY_LR,
    KEY_BETA1,
    KEY_LAMBDA_CYCLE,
    KEY_LAMBDA_IDENTITY,
    KEY_GAN,
    KEY_GENERATOR,
    KEY_SIZE,
    KEY_CHANNELS,
    KEY_SEED,
    KEY_FLIP,
    KEY_NO_FLIP,
    KEY_GAMMA,
    KEY_ROTATE,
    KEY_ZOOM,
    KEY_SHIFT,
    KEY_RESOLUTION,
    KEY_BIAS_FIELD,
    KEY_NOISE,
    KEY_POOL,
    KEY_LAMBDA_PAIRED,
    KEY_LAMBDA_SSIM,
    KEY_LAMBDA_STRUCTURE,
    KEY_STRUCTURE,
    KEY_DIFFAUGMENT,
    KEY_INIT_TYPE,
    KEY_INIT_GAIN,
    KEY_EMA,
    KEY_DEPTH,
    KEY_INTENSITIES,
    KEY_NORMALISE,
    KEY_ROOM,
    KEY_INIT,
    KEY_CLASS_BALANCE,
    KEY_R1,
    KEY_WARM_UP,
    KEY_DECAY,
    KEY_RESUME,
    KEY_CHECK_EVERY,
    KEY_KEEP_EVERY,
    KEY_ROLLBACKS,
    KEY_SAMPLE_EVERY,
    KEY_MIN_FOREGROUND,
    KEY_NAME,
    KEY_DATA_NOTE,
    KEY_HALF,
    KEY_MAX_MEMORY,
    KEY_PRESET,
    KEY_REPEAT
};

static const struct argp_option table[] = {
    {.doc = "Where it goes:", .group = 1},
    {.name = "output", .key = 'o', .arg = "RUN", .doc = "The folder to write", .group = 1},
    {.doc = "How it learns:", .group = 2},
    {.name = "preset",
     .key = KEY_PRESET,
     .arg = "NAME",
     .doc =
         "Recipe the options below begin with: mrcycle (default: what measured best unpaired), "
         "paired (where patients have both contrasts on one grid), paper (the reference design), "
         "or a file of options, a line each: name = value",
     .group = 2},
    {.name = "epochs", .key = KEY_EPOCHS, .arg = "N", .doc = "Times through the larger set"},
    {.name = "batch", .key = KEY_BATCH, .arg = "N", .doc = "Slices of each contrast a step"},
    {.name = "lr", .key = KEY_LR, .arg = "X", .doc = "Adam's learning rate, usually 2e-4"},
    {.name = "beta1", .key = KEY_BETA1, .arg = "X", .doc = "Adam's first decay, usually 0.5"},
    {.name = "lambda-cycle",
     .key = KEY_LAMBDA_CYCLE,
     .arg = "X",
     .doc = "Weight of the cycle loss"},
    {.name = "lambda-identity",
     .key = KEY_LAMBDA_IDENTITY,
     .arg = "X",
     .doc = "Weight of the identity loss"},
    {.name = "lambda-paired",
     .key = KEY_LAMBDA_PAIRED,
     .arg = "X",
     .doc = "Weight of the distance to the true image, where T1w and T2w images of SET belong "
            "together: their names agree but for the contrast and they lie on one grid; every "
            "other place of a batch is such a pair; 0: none"},
    {.name = "lambda-ssim",
     .key = KEY_LAMBDA_SSIM,
     .arg = "X",
     .doc = "Weight of 1 - SSIM beside the mean absolute difference from the true image of a pair "
            "during the warm-up; 0: the mean square alone"},
    {.name = "lambda-structure",
     .key = KEY_LAMBDA_STRUCTURE,
     .arg = "X",
     .doc = "Weight of a loss that asks the output to have its edges where the source has them, "
            "usually 0.5 to 5; 0: none"},
    {.name = "structure-loss",
     .key = KEY_STRUCTURE,
     .arg = "LOSS",
     .doc = "That loss: ngf (squared normalised gradient fields) or mind (neighbourhood "
            "descriptors)"},
    {.name = "gan-mode",
     .key = KEY_GAN,
     .arg = "LOSS",
     .doc = "vanilla (binary cross-entropy, also called bce), lsgan or hinge"},
    {.name = "gan", .key = KEY_GAN, .arg = "LOSS", .flags = OPTION_HIDDEN},
    {.name = "ema",
     .key = KEY_EMA,
     .arg = "DECAY",
     .doc = "Keep a moving average of the generators, e.g. 0.999, and use it; 0: none"},
    {.name = "r1",
     .key = KEY_R1,
     .arg = "GAMMA",
     .doc =
         "Weight of the R1 penalty, every 8th step, that keeps discriminators from winning; 1 is "
         "usual; 0: none"},
    {.name = "diffaugment",
     .key = KEY_DIFFAUGMENT,
     .arg = "POLICY",
     .doc = "Change what the discriminators see, real and fake alike: color (brightness and "
            "contrast, which can be named alone), translation, cutout, with commas between; none"},
    {.name = "init-type",
     .key = KEY_INIT_TYPE,
     .arg = "KIND",
     .doc = "First weights of the discriminators and U-Nets: normal, xavier, kaiming or "
            "orthogonal; a local branch begins near a copy"},
    {.name = "init-gain",
     .key = KEY_INIT_GAIN,
     .arg = "X",
     .doc = "Deviation of normal, gain of xavier and orthogonal weights; usually 0.02"},
    {.name = "warm-up",
     .key = KEY_WARM_UP,
     .arg = "N",
     .doc = "First steps, in which the generators learn the mean image of their target only, "
            "which needs heads that lie alike; with --lambda-paired the true images of pairs; "
            "0: none"},
    {.name = "decay",
     .key = KEY_DECAY,
     .arg = "PART",
     .doc = "The last part of the run over which the learning rate falls, e.g. 0.5; 0: none"},
    {.name = "init",
     .key = KEY_INIT,
     .arg = "MODEL",
     .doc = "Begin with the weights of this model or run, of networks of the same kind and width, "
            "instead of random ones; without a warm-up, unless --warm-up asks for one"},
    {.name = "seed", .key = KEY_SEED, .arg = "N", .doc = "Default 1"},
    {.doc = "Networks and set:", .group = 3},
    {.name = "generator",
     .key = KEY_GENERATOR,
     .arg = "KIND",
     .doc = "unet, local, hybrid, shuffle, resnet, mesh or separable; local,hybrid: local from T1w "
            "to T2w, hybrid back",
     .group = 3},
    {.name = "width",
     .key = KEY_WIDTH,
     .arg = "N",
     .doc = "Base width of the generators, but of local"},
    {.name = "disc-width",
     .key = KEY_DISC_WIDTH,
     .arg = "N",
     .doc = "Base width of the discriminators"},
    {.name = "size",
     .key = KEY_SIZE,
     .arg = "N",
     .doc = "Pixels a side, 32 to 1024: 64 (default), of a prepared set its own; a power of two "
            "where the "
            "U-Net goes down to one pixel"},
    {.name = "channels",
     .key = KEY_CHANNELS,
     .arg = "N",
     .doc = "1 (default), or 3: a slice and its neighbours; of a prepared set its own"},
    {.name = "class-balance",
     .key = KEY_CLASS_BALANCE,
     .arg = "WHAT",
     .doc = "Draw equally often: image (every image of a contrast), class (every folder below T1w "
            "and T2w, of the same names in both, e.g. glioma and healthy), position (every tenth "
            "of the head's height); the last two show the same one of both contrasts at a time; "
            "none (default)"},
    {.doc = "What they see:", .group = 4},
    {.name = "flip", .key = KEY_FLIP, .doc = "Mirror left to right at random", .group = 4},
    {.name = "no-flip", .key = KEY_NO_FLIP, .doc = "No random mirroring"},
    {.name = "gamma",
     .key = KEY_GAMMA,
     .arg = "G",
     .doc = "Raise each slice to a random power from 1/G to G; 1: none"},
    {.name = "rotate",
     .key = KEY_ROTATE,
     .arg = "DEG",
     .doc = "Turn each slice by up to DEG degrees at random; this and those below: 0: none"},
    {.name = "zoom",
     .key = KEY_ZOOM,
     .arg = "PART",
     .doc = "Grow or shrink it by a factor of up to 1 + PART"},
    {.name = "shift", .key = KEY_SHIFT, .arg = "PART", .doc = "Shift it by up to PART of its side"},
    {.name = "resolution",
     .key = KEY_RESOLUTION,
     .arg = "K",
     .doc = "Blur it as pixels up to K times as large would; 1: none"},
    {.name = "bias-field",
     .key = KEY_BIAS_FIELD,
     .arg = "S",
     .doc = "Shade it by a smooth field of strength up to S, e.g. 0.3"},
    {.name = "noise",
     .key = KEY_NOISE,
     .arg = "SD",
     .doc = "Add Rician noise of a deviation up to SD of the range, e.g. 0.03"},
    {.name = "pool",
     .key = KEY_POOL,
     .arg = "N",
     .doc = "Show discriminators earlier fakes out of a pool of N, usually 50; 0: none",
     .group = 2},
    {.name = "depth",
     .key = KEY_DEPTH,
     .arg = "N",
     .doc =
         "Blocks of the U-Net on the way down, the first at full size (of shuffle at a quarter of "
         "the sides); 0: down to one pixel (of shuffle 4 blocks); of resnet "
         "and separable the residual blocks, 0: 9",
     .group = 3},
    {.name = "intensities",
     .key = KEY_INTENSITIES,
     .arg = "HOW",
     .doc =
         "head: normalised to the head of each image (default); stored: as PNG pictures hold them, "
         "for sets that are normalised already",
     .group = 4},
    {.name = "normalise",
     .key = KEY_NORMALISE,
     .arg = "LOW,HIGH",
     .doc = "Percentiles of the head's core that become 0 and 1 (0: the air, where darker); "
            "default: those of a prepared set, else 0.5,95"},
    MRC_OPTION_ROOM_ENTRY(KEY_ROOM),
    {.name = "min-foreground",
     .key = KEY_MIN_FOREGROUND,
     .arg = "PART",
     .doc = "Leave out slices that show less of the head; 0.08"},
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of NIfTI files without orientation as right, anterior, superior"},
    {.name = "allow-synthetic",
     .key = MRC_OPTION_ALLOW_SYNTHETIC,
     .doc = "Use images marked as synthetic"},
    MRC_OPTION_ALLOW_DERIVED_ENTRY,
    MRC_OPTION_MAP_ENTRY,
    {.name = "force",
     .key = MRC_OPTION_FORCE,
     .doc = "Use images recognised as another contrast than their folder's"},
    {.doc = "Checks and checkpoints:", .group = 5},
    {.name = "check-every",
     .key = KEY_CHECK_EVERY,
     .arg = "K",
     .doc = "Epochs between checks of the generators, each with newest.safetensors; 10, 0 for the "
            "last only",
     .group = 5},
    {.name = "keep-every",
     .key = KEY_KEEP_EVERY,
     .arg = "K",
     .doc = "Epochs between checkpoints that are kept; 50, 0 for none but the newest, the best and "
            "the last"},
    {.name = "checkpoint-every", .key = KEY_KEEP_EVERY, .arg = "K", .flags = OPTION_HIDDEN},
    {.name = "rollbacks",
     .key = KEY_ROLLBACKS,
     .arg = "N",
     .doc = "Times a run that has come to no numbers or collapsed goes back to its last good "
            "checkpoint, each with half the rate; 3"},
    {.name = "sample-every",
     .key = KEY_SAMPLE_EVERY,
     .arg = "K",
     .doc = "Epochs between sample sheets; 10, 0 for none but the last"},
    {.name = "name", .key = KEY_NAME, .arg = "NAME", .doc = "The model's name; t1w-t2w"},
    {.name = "data-note",
     .key = KEY_DATA_NOTE,
     .arg = "TEXT",
     .doc = "Words about the training data, kept in the model"},
    {.name = "half", .key = KEY_HALF, .doc = "Write the final model in half precision"},
    {.name = "resume",
     .key = KEY_RESUME,
     .doc = "Go on with the run in RUN from its newest checkpoint; other options as when it began, "
            "but for --epochs"},
    {.name = "repeat",
     .key = KEY_REPEAT,
     .arg = "RUN",
     .doc =
         "Make that run again, with its settings and set, which must be unchanged (SET says where "
         "it lies now); no other option but -o and those about the machine"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier run in RUN"},
    {.doc = "How it runs:", .group = 6},
    {.name = "threads",
     .key = MRC_OPTION_THREADS,
     .arg = "N",
     .doc = "Default: all cores",
     .group = 6},
    {.name = "max-memory",
     .key = KEY_MAX_MEMORY,
     .arg = "SIZE",
     .doc = "Refuse to begin when training needs more, e.g. 512M or 2G"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_train_options options;
    const char *map;
    bool quiet;
    const char *repeat; /* the run to make again */
    bool has_settings;  /* an option that --repeat takes from the run was given */
    bool is_preset;     /* the options come from a preset */
    bool warms_up;      /* a warm-up was asked for by name */
};

/* "local", or "local,hybrid": of G, and of F. */
static void parse_generators(const char *value, struct argp_state *state,
                             struct mrc_cyclegan_settings *model) {
    const char *comma = strchr(value, ',');
    char first[16];
    enum mrc_generator_kind back;
    snprintf(first, sizeof first, "%.*s", comma != NULL ? (int)(comma - value) : 15, value);
    bool known = mrc_generator_kind_parse(&model->generator, first, NULL) == MRC_OK;
    model->generator_f = 0;
    if (comma != NULL && mrc_generator_kind_parse(&back, comma + 1, NULL) == MRC_OK)
        model->generator_f = 1 + (int64_t)back;
    else
        known = known && comma == NULL;
    if (!known)
        mrc_option_fail(
            state,
            "--generator is '%s', expected unet, local, hybrid, shuffle, resnet, mesh or separable",
            value);
}

static void parse_kinds(int key, const char *value, struct argp_state *state,
                        struct mrc_cyclegan_settings *model) {
    if (key == KEY_GAN && mrc_gan_mode_parse(&model->gan_mode, value, NULL) != MRC_OK)
        mrc_option_fail(state, "--gan-mode is '%s', expected vanilla, lsgan or hinge", value);
    if (key == KEY_STRUCTURE && mrc_structure_kind_parse(&model->structure, value, NULL) != MRC_OK)
        mrc_option_fail(state, "--structure-loss is '%s', expected ngf or mind", value);
    if (key == KEY_INIT_TYPE && mrc_init_kind_parse(&model->init_type, value, NULL) != MRC_OK)
        mrc_option_fail(
            state, "--init-type is '%s', expected normal, xavier, kaiming or orthogonal", value);
    if (key == KEY_DIFFAUGMENT &&
        mrc_diff_augment_parse(&model->diff_augment, value, NULL) != MRC_OK)
        mrc_option_fail(state,
                        "--diffaugment is '%s', expected none, or color, brightness, contrast, "
                        "translation, cutout with commas between",
                        value);
    if (key == KEY_GENERATOR) parse_generators(value, state, model);
}

/* The settings of the model; false when the key is none of them. */
static bool parse_model(int key, const char *value, struct argp_state *state,
                        struct mrc_cyclegan_settings *model) {
    switch (key) {
    case KEY_BATCH: model->batch = mrc_option_integer(state, "--batch", value, 1, 256); break;
    case KEY_WIDTH:
        model->generator_width = mrc_option_integer(state, "--width", value, 1, 256);
        break;
    case KEY_DISC_WIDTH:
        model->discriminator_width = mrc_option_integer(state, "--disc-width", value, 1, 256);
        break;
    case KEY_LR: model->learning_rate = mrc_option_number(state, "--lr", value, 1e-9, 1); break;
    case KEY_BETA1: model->beta1 = mrc_option_number(state, "--beta1", value, 0, 0.9999); break;
    case KEY_LAMBDA_CYCLE:
        model->lambda_cycle = mrc_option_number(state, "--lambda-cycle", value, 0, 1e4);
        break;
    case KEY_LAMBDA_IDENTITY:
        model->lambda_identity = mrc_option_number(state, "--lambda-identity", value, 0, 1e4);
        break;
    case KEY_LAMBDA_PAIRED:
        model->lambda_paired = mrc_option_number(state, "--lambda-paired", value, 0, 1e4);
        break;
    case KEY_LAMBDA_SSIM:
        model->lambda_ssim = mrc_option_number(state, "--lambda-ssim", value, 0, 1e4);
        break;
    case KEY_LAMBDA_STRUCTURE:
        model->lambda_structure = mrc_option_number(state, "--lambda-structure", value, 0, 1e4);
        break;
    case KEY_INIT_GAIN:
        model->init_gain = mrc_option_number(state, "--init-gain", value, 0, 100);
        break;
    case KEY_STRUCTURE:
    case KEY_DIFFAUGMENT:
    case KEY_INIT_TYPE:
    case KEY_GAN:
    case KEY_GENERATOR: parse_kinds(key, value, state, model); break;
    case KEY_R1: model->r1_gamma = mrc_option_number(state, "--r1", value, 0, 1e4); break;
    case KEY_POOL: model->pool_size = mrc_option_integer(state, "--pool", value, 0, 65536); break;
    case KEY_WARM_UP:
        model->warm_up = mrc_option_integer(state, "--warm-up", value, 0, 1000000);
        break;
    case KEY_EMA: model->ema_decay = mrc_option_number(state, "--ema", value, 0, 0.99999); break;
    case KEY_SEED:
        model->seed = (uint64_t)mrc_option_integer(state, "--seed", value, 0, INT64_MAX);
        break;
    case KEY_DEPTH: model->depth = mrc_option_integer(state, "--depth", value, 0, 11); break;
    case KEY_SIZE: model->size = mrc_option_integer(state, "--size", value, 32, 1024); break;
    case KEY_CHANNELS:
        model->channels = mrc_option_integer(state, "--channels", value, 1, 3);
        if (model->channels == 2) mrc_option_fail(state, "--channels is 2, expected 1 or 3");
        break;
    default: return false;
    }
    return true;
}

/* What goes in and what comes out; false when the key is none of it. */
static bool parse_run(int key, char *value, struct argp_state *state, struct mrc_train_options *o) {
    static const char *const intensities[] = {"head", "stored", NULL};
    struct mrc_augmentation *augment = &o->trainer.augment;
    struct mrc_contract contract = MRC_CONTRACT_DEFAULTS; /* which the words could be of */
    switch (key) {
    case KEY_EPOCHS:
        o->trainer.epochs = mrc_option_integer(state, "--epochs", value, 1, 100000);
        break;
    case KEY_FLIP:
    case KEY_NO_FLIP: o->trainer.flip = key == KEY_FLIP; break;
    case KEY_GAMMA:
        o->trainer.gamma =
            mrc_option_number(state, "--gamma", value, 1.0, MRC_TRAINER_LARGEST_GAMMA);
        break;
    case KEY_ROTATE: augment->rotate = mrc_option_number(state, "--rotate", value, 0, 180); break;
    case KEY_ZOOM: augment->zoom = mrc_option_number(state, "--zoom", value, 0, 3); break;
    case KEY_SHIFT: augment->shift = mrc_option_number(state, "--shift", value, 0, 0.5); break;
    case KEY_RESOLUTION:
        augment->resolution = mrc_option_number(state, "--resolution", value, 1, 8);
        break;
    case KEY_BIAS_FIELD:
        augment->bias = mrc_option_number(state, "--bias-field", value, 0, 2);
        break;
    case KEY_NOISE: augment->noise = mrc_option_number(state, "--noise", value, 0, 1); break;
    case KEY_INTENSITIES:
        o->stored = mrc_option_choice(state, "--intensities", value, intensities) == 1;
        break;
    case KEY_NORMALISE:
        o->normalise = mrc_option_contract(state, &contract, MRC_CONTRACT_NORMALISE, value);
        break;
    case KEY_ROOM: o->room = mrc_option_contract(state, &contract, MRC_CONTRACT_ROOM, value); break;
    case KEY_INIT: o->init = value; break;
    case KEY_CLASS_BALANCE:
        o->data.balance =
            mrc_option_choice(state, "--class-balance", value, mrc_class_balance_names);
        break;
    case KEY_DECAY: o->trainer.decay = mrc_option_number(state, "--decay", value, 0.0, 1.0); break;
    case KEY_CHECK_EVERY:
        o->check_every = mrc_option_integer(state, "--check-every", value, 0, 100000);
        break;
    case KEY_KEEP_EVERY:
        o->keep_every = mrc_option_integer(state, "--keep-every", value, 0, 100000);
        break;
    case KEY_ROLLBACKS:
        o->rollbacks = mrc_option_integer(state, "--rollbacks", value, 0, 1000);
        break;
    case KEY_SAMPLE_EVERY:
        o->sample_every = mrc_option_integer(state, "--sample-every", value, 0, 100000);
        break;
    case KEY_MIN_FOREGROUND:
        o->data.min_foreground = mrc_option_number(state, "--min-foreground", value, 0, 1);
        break;
    case KEY_NAME: o->name = mrc_option_words(state, "--name", value, 63); break;
    case KEY_DATA_NOTE: o->data_note = mrc_option_words(state, "--data-note", value, 255); break;
    case KEY_HALF: o->half = true; break;
    case KEY_MAX_MEMORY: o->max_bytes = mrc_option_bytes(state, "--max-memory", value); break;
    case MRC_OPTION_ASSUME_RAS: o->data.assume_ras = true; break;
    case MRC_OPTION_ALLOW_SYNTHETIC: o->data.allow_synthetic = true; break;
    case MRC_OPTION_ALLOW_DERIVED: o->data.allow_derived = true; break;
    case MRC_OPTION_FORCE: o->data.force = true; break;
    case KEY_RESUME: o->resume = true; break;
    case MRC_OPTION_REPLACE: o->replace = true; break;
    default: return false;
    }
    return true;
}

static void check(struct argp_state *state, struct mrc_train_options *o) {
    const struct arguments *a = state->input;
    if (a->repeat != NULL && a->has_settings)
        mrc_option_fail(state, "--repeat takes the settings of the run, expected no others");
    if (o->data.set == NULL && a->repeat == NULL) mrc_option_fail(state, "expected a SET");
    if (o->run == NULL) mrc_option_fail(state, "expected -o RUN");
    if (o->init[0] != '\0' && !a->warms_up) o->model.warm_up = 0;
    if (o->resume && o->replace)
        mrc_option_fail(state, "--resume and --replace exclude each other");
}

static error_t parse(int key, char *value, struct argp_state *state);

/* The preset that the command line names, wherever it stands there; the last one counts. */
static const char *named_preset(char **argv, int argc) {
    static const char name[] = "--preset";
    const size_t shortest = strlen("--pr"); /* argp takes what is unambiguous */
    const char *preset = "mrcycle";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; ++i) {
        size_t length = strcspn(argv[i], "=");
        if (length < shortest || length >= sizeof name || strncmp(argv[i], name, length) != 0)
            continue;
        if (argv[i][length] == '=')
            preset = argv[i] + length + 1;
        else if (i + 1 < argc)
            preset = argv[++i];
    }
    return preset;
}

static void begin_with_preset(struct argp_state *state, struct arguments *a) {
    static const int never[] = {MRC_OPTION_MAP,
                                KEY_REPEAT,
                                'o',
                                'q',
                                KEY_PRESET,
                                KEY_RESUME,
                                KEY_INIT,
                                KEY_NAME,
                                KEY_HALF,
                                MRC_OPTION_REPLACE,
                                KEY_DATA_NOTE,
                                MRC_OPTION_THREADS,
                                KEY_MAX_MEMORY,
                                MRC_OPTION_FORCE,
                                MRC_OPTION_ALLOW_SYNTHETIC,
                                MRC_OPTION_ALLOW_DERIVED,
                                0};
    const char *preset = named_preset(state->argv, state->argc);
    a->is_preset = true;
    mrc_preset_apply(preset, table, never, parse, state);
    a->is_preset = false;
    a->options.preset = mrc_preset_text(preset) != NULL ? preset : "file";
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct arguments *a = state->input;
    static const int of_the_machine[] = {KEY_RESUME, MRC_OPTION_REPLACE, KEY_MAX_MEMORY};
    bool is_setting = !a->is_preset;
    a->warms_up = a->warms_up || (is_setting && key == KEY_WARM_UP);
    for (size_t i = 0; i < sizeof of_the_machine / sizeof *of_the_machine; ++i)
        is_setting = is_setting && key != of_the_machine[i];
    if (parse_model(key, value, state, &a->options.model) ||
        parse_run(key, value, state, &a->options)) {
        a->has_settings = a->has_settings || is_setting;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT: begin_with_preset(state, a); break;
    case KEY_PRESET: a->has_settings = true; break; /* it came first */
    case KEY_REPEAT: a->repeat = value; break;
    case 'o': a->options.run = value; break;
    case MRC_OPTION_MAP: a->map = value; break;
    case 'q': a->quiet = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        if (a->options.data.set != NULL)
            mrc_option_fail(state, "a second set '%s', expected one", value);
        a->options.data.set = value;
        break;
    case ARGP_KEY_END: check(state, &a->options); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "SET -o RUN\n--repeat RUN [SET] -o AGAIN",
    .doc = "Learns to translate T1w to T2w and back from unpaired images (CycleGAN).\v"
           "SET holds two folders, T1w and T2w, with DICOM series, NIfTI files and PNG slices at "
           "any depth. RUN gets settings.json, log.csv, losses.png, samples, checkpoints and "
           "model.safetensors, whose path is printed. An interrupt finishes the step and saves; "
           "--resume goes on."};

/* The settings of the run to repeat, with what the command line says about this machine. */
static enum mrc_status take_record(struct mrc_train_record *record, struct arguments *a,
                                   const struct mrc_events *events, struct mrc_error *err) {
    enum mrc_status status = mrc_train_record_read(record, a->repeat, err);
    if (status != MRC_OK) return status;
    const struct mrc_train_options given = a->options;
    a->options = record->options;
    a->options.run = given.run;
    a->options.replace = given.replace;
    a->options.resume = given.resume;
    a->options.max_bytes = given.max_bytes;
    if (given.data.set != NULL) a->options.data.set = given.data.set;
    if (strcmp(record->version, MRC_VERSION) != 0)
        mrc_events_note(
            events, "the run was made by version %s, this is " MRC_VERSION ": its bytes may differ",
            record->version);
    if (strcmp(record->kernel, mrc_train_kernel()) != 0)
        mrc_events_note(events,
                        "the run was made with the BLAS kernel %s, this is %s: its bytes "
                        "may differ",
                        record->kernel, mrc_train_kernel());
    return MRC_OK;
}

int mrc_cmd_train(int argc, char **argv) {
    struct arguments a = {.options = MRC_TRAIN_DEFAULTS};
    a.options.model.size = a.options.model.channels = 0; /* those of the set */
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    struct mrc_train_record record = {.owner = NULL};
    enum mrc_status status = mrc_mpi_begin(&err);
    bool writes = mrc_team_current()->rank == 0;
    if (!writes) terminal.quiet = true;
    if (status == MRC_OK && a.repeat != NULL) status = take_record(&record, &a, &events, &err);
    mrc_contrast_map *map = NULL;
    if (status == MRC_OK && a.map != NULL) status = mrc_contrast_map_load(&map, a.map, &err);
    a.options.data.map = map;
    if (status == MRC_OK) status = mrc_train_run(&a.options, &events, mrc_terminal_training, &err);
    mrc_contrast_map_destroy(map);
    mrc_terminal_clear_bar(&terminal);
    int code = mrc_exit_code(status);
    if (status != MRC_OK && (writes || status != MRC_ERR_CANCELLED)) /* all stop: one says so */
        mrc_terminal_fail(&terminal, status, &err);
    /* what ends the first process alone (a full disk) ends all */
    mrc_mpi_end(status != MRC_ERR_WRITE && status != MRC_ERR_IO && status != MRC_ERR_NOMEM, code);
    mrc_train_record_clear(&record);
    if (status != MRC_OK || !writes) return code;
    char *model = mrc_path_join(a.options.run, "model.safetensors");
    if (model != NULL) puts(model);
    mrc_free(model);
    return MRC_EXIT_OK;
}
