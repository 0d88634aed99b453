/* train_settings.c: the rows of a run, behind those of its model. */
#include "app/train/train_settings.h"

#include "app/sets/class_balance.h"

static const char *const intensities[] = {"head", "stored", NULL};
static const char *const on[] = {"false", "true", NULL};

/* member, KIND, lo, hi, GROUP, option, its value, TOPIC, choices, `before`, key, help */
#define MRC_TRAIN_ROWS(ROW)                                                                        \
    ROW(trainer.epochs, WHOLE, 1, 2147483647, FREE, "epochs", "N", TRAINING, NULL, NULL, "epochs", \
        "Times through the larger set")                                                            \
    ROW(trainer.decay, REAL, 0, 1, TRAINING, "decay", "PART", TRAINING, NULL, NULL, "decay",       \
        "The last part of the run over which the learning rate falls, e.g. 0.5; 0: none")          \
    ROW(init, WORDS, 0, 0, MODEL, "init", "MODEL", TRAINING, NULL, "", "init",                     \
        "Begin with the weights of this model or run, of networks of the same kind and width, "    \
        "instead of random ones; without a warm-up, unless --warm-up asks for one")                \
    ROW(data.balance, CHOICE, 0, 0, TRAINING, "class-balance", "WHAT", TRAINING,                   \
        mrc_class_balance_names, NULL, "class_balance",                                            \
        "Draw equally often: image (every image of a contrast, every pair of images), class "      \
        "(every folder below the "                                                                 \
        "contrasts', of the same names in both, e.g. glioma and healthy), position (every tenth "  \
        "of the head's height); the last two show the same one of both contrasts at a time; none") \
    ROW(trainer.flip, FLAG, 0, 0, TRAINING, "flip", NULL, DATA, on, NULL, "flip",                  \
        "Mirror left to right at random")                                                          \
    ROW(trainer.gamma, REAL, 1, MRC_TRAINER_LARGEST_GAMMA, TRAINING, "gamma", "G", DATA, NULL,     \
        NULL, "gamma", "Raise each slice to a random power from 1/G to G; 1: none")                \
    ROW(trainer.augment.rotate, REAL, 0, 180, TRAINING, "rotate", "DEG", DATA, NULL, NULL,         \
        "rotate", "Turn each slice by up to DEG degrees at random; this and those below: 0: none") \
    ROW(trainer.augment.zoom, REAL, 0, 3, TRAINING, "zoom", "PART", DATA, NULL, NULL, "zoom",      \
        "Grow or shrink it by a factor of up to 1 + PART")                                         \
    ROW(trainer.augment.shift, REAL, 0, 0.5, TRAINING, "shift", "PART", DATA, NULL, NULL, "shift", \
        "Shift it by up to PART of its side")                                                      \
    ROW(trainer.augment.resolution, REAL, 1, 8, TRAINING, "resolution", "K", DATA, NULL, NULL,     \
        "resolution", "Blur it as pixels up to K times as large would; 1: none")                   \
    ROW(trainer.augment.bias, REAL, 0, 2, TRAINING, "bias-field", "S", DATA, NULL, NULL,           \
        "bias_field", "Shade it by a smooth field of strength up to S, e.g. 0.3")                  \
    ROW(trainer.augment.noise, REAL, 0, 1, TRAINING, "noise", "SD", DATA, NULL, NULL, "noise",     \
        "Add Rician noise of a deviation up to SD of the range, e.g. 0.03")                        \
    ROW(stored, FLAG, 0, 0, DATA, "intensities", "HOW", DATA, intensities, NULL, "intensities",    \
        "head: normalised to the head of each image; stored: as PNG pictures hold them, for sets " \
        "that are normalised already")                                                             \
    ROW(normalise, WORDS, 0, 0, DATA, "normalise", "LOW,HIGH", DATA, NULL, "0.5,95", "normalise",  \
        "Percentiles of the head's core that become 0 and 1 (0: the air, where darker); default: " \
        "those of a prepared set, else 0.5,95")                                                    \
    ROW(contrasts, WORDS, 0, 0, DATA, "contrasts", "X,Y", DATA, NULL, "T1w,T2w", "contrasts",      \
        "The two to translate between, which the folders of SET are called as: of T1w, T2w, PDw, " \
        "FLAIR, ...; default: those of a prepared set, else T1w,T2w")                              \
    ROW(room, WORDS, 0, 0, DATA, "room", "CONTRAST=X,...", DATA, NULL, "T1w=1,T2w=1", "room",      \
        "Leave room above the high percentile: X times as far from the lower limit becomes 1, so " \
        "that what is brighter than brain is told apart; T2w=2.2 keeps fluid and eyes; default: "  \
        "those of a prepared set, else none")                                                      \
    ROW(simulate, WORDS, 0, 0, DATA, "simulate", "MAPS", DATA, NULL, "", "simulate",               \
        "Train on heads computed from label maps, a new one each time, besides SET or without "    \
        "one: files and folders, or phantom, apart by commas, as mrcycle simulate takes them; "    \
        "needs a paired loss (--preset computed)")                                                 \
    ROW(simulate_labels, WORDS, 0, 0, DATA, "simulate-labels", "TABLE", DATA, NULL, "",            \
        "simulate_labels", "What the maps' numbers mean, as for mrcycle simulate")                 \
    ROW(simulate_config, WORDS, 0, 0, DATA, "simulate-config", "FILE", DATA, NULL, "",             \
        "simulate_config", "Ranges that heads are drawn from, as for mrcycle simulate")            \
    ROW(simulate_pairs, WHOLE, 1, 2147483647, TRAINING, "simulate-pairs", "N", DATA, NULL, "4000", \
        "simulate_pairs", "Computed pairs an epoch, where there is no SET")                        \
    ROW(simulate_share, REAL, 0, 1, TRAINING, "simulate-share", "PART", DATA, NULL, "0.5",         \
        "simulate_share", "How many of the pairs are computed, where SET has pairs too")           \
    ROW(planes, WORDS, 0, 0, DATA, "planes", "PLANE,...", DATA, NULL, "axial", "planes",           \
        "Of computed slices: axial, sagittal, coronal; those of SET are axial; default: axial")    \
    ROW(data.min_foreground, REAL, 0, 1, DATA, "min-foreground", "PART", DATA, NULL, NULL,         \
        "min_foreground", "Leave out slices that show less of the head")                           \
    ROW(data.assume_ras, FLAG, 0, 0, DATA, "assume-ras", NULL, DATA, on, NULL, "assume_ras",       \
        "Take the axes of NIfTI files without orientation as right, anterior, superior")           \
    ROW(data.allow_synthetic, FLAG, 0, 0, DATA, "allow-synthetic", NULL, DATA, on, NULL,           \
        "allow_synthetic", "Use images marked as synthetic")                                       \
    ROW(data.allow_derived, FLAG, 0, 0, DATA, "allow-derived", NULL, DATA, on, NULL,               \
        "allow_derived",                                                                           \
        "Accept what a scanner or workstation computed from acquired images (MPR, maps)")          \
    ROW(data.force, FLAG, 0, 0, DATA, "force", NULL, DATA, on, NULL, "force",                      \
        "Use images recognised as another contrast than their folder's")                           \
    ROW(data.set, WORDS, 0, 0, DATA, NULL, NULL, DATA, NULL, NULL, "set", NULL)                    \
    ROW(data_note, WORDS, 0, 255, DATA, "data-note", "TEXT", RUN, NULL, NULL, "note",              \
        "Words about the training data, kept in the model")                                        \
    ROW(name, WORDS, 0, 63, FREE, "name", "NAME", RUN, NULL, NULL, "name", "The model's name")     \
    ROW(preset, WORDS, 0, 0, FREE, NULL, NULL, RUN, NULL, NULL, "preset", NULL)                    \
    ROW(check_every, WHOLE, 0, 1e9, TRAINING, "check-every", "K", RUN, NULL, NULL, "check_every",  \
        "Epochs between checks of the generators, each with newest.safetensors; 0: the last only") \
    ROW(keep_every, WHOLE, 0, 1e9, FREE, "keep-every", "K", RUN, NULL, NULL, "keep_every",         \
        "Epochs between checkpoints that are kept; 0: none but the newest, the best and the last") \
    ROW(rollbacks, WHOLE, 0, 1e6, TRAINING, "rollbacks", "N", RUN, NULL, NULL, "rollbacks",        \
        "Times a run whose numbers left the finite ones or that collapsed goes back to its last "  \
        "good checkpoint, each with half the rate")                                                \
    ROW(sample_every, WHOLE, 0, 1e9, FREE, "sample-every", "K", RUN, NULL, NULL, "sample_every",   \
        "Epochs between sample sheets; 0: none but the last")                                      \
    ROW(half, FLAG, 0, 0, FREE, "half", NULL, RUN, on, NULL, "half",                               \
        "Write the final model in half precision")

static const struct mrc_train_setting rows[] = {
#define ROW(member_, kind_, lo_, hi_, group_, option_, arg_, topic_, choices_, before_, key_,      \
            help_)                                                                                 \
    {{.key = key_,                                                                                 \
      .json = key_,                                                                                \
      .option = option_,                                                                           \
      .arg = arg_,                                                                                 \
      .help = help_,                                                                               \
      .before = before_,                                                                           \
      .choices = choices_,                                                                         \
      .kind = MRC_SETTING_##kind_,                                                                 \
      .topic = MRC_TOPIC_##topic_,                                                                 \
      .offset = offsetof(struct mrc_train_options, member_),                                       \
      .lo = lo_,                                                                                   \
      .hi = hi_},                                                                                  \
     MRC_GROUP_##group_},
    MRC_TRAIN_ROWS(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof rows[0] };

size_t mrc_train_setting_count(void) {
    return (size_t)MRC_CYCLEGAN_SETTING_COUNT + ROWS;
}

struct mrc_train_setting mrc_train_setting(size_t index) {
    if (index >= MRC_CYCLEGAN_SETTING_COUNT) return rows[index - MRC_CYCLEGAN_SETTING_COUNT];
    struct mrc_train_setting of_model = {*mrc_cyclegan_setting(index), MRC_GROUP_MODEL};
    of_model.setting.offset += offsetof(struct mrc_train_options, model);
    return of_model;
}
