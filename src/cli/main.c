/* main.c: the table of commands. Which one was asked for, and what to say when there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/blas_kernel.h"
#include "cli/command.h"
#include "cli/manual.h"
#include "cli/spelling.h"
#include "cli/terminal.h"

static const struct mrc_command commands[] = {
    {"translate", "make the other contrast of an image: T1w to T2w, or back",
     "mrcycle translate patient/t1 -o patient/t2_synth --to T2w", mrc_cmd_translate, true},
    {"bids", "translate a BIDS dataset into a derivative",
     "mrcycle bids /data/study /data/study/derivatives/mrcycle participant", mrc_cmd_bids, true},
    {"view", "a page to look at images of one head",
     "mrcycle view t1.nii.gz t2.nii.gz -o look.html", mrc_cmd_view, false},
    {"compare", "score an image against the true one",
     "mrcycle compare t2_synth.nii.gz t2_true.nii.gz -o compared", mrc_cmd_compare, false},
    {"train", "learn both translations from a set of T1w and T2w images",
     "mrcycle train set -o run1 --preset paired", mrc_cmd_train, true},
    {"evaluate", "score translations, with baselines beside them",
     "mrcycle evaluate heldout --model run1 -o scores", mrc_cmd_evaluate, true},
    {"export", "write the model of a training run as one small file",
     "mrcycle export run1 -o mine.safetensors --name mine --half", mrc_cmd_export, true},
    {"info", "describe images and models", "mrcycle info /data/patient7", mrc_cmd_info, false},
    {"prepare", "make a training set of scanner exports",
     "mrcycle prepare /data/export -o set --dry-run", mrc_cmd_prepare, false},
    {"deidentify", "DICOM without the patients", "mrcycle deidentify /data/export -o /data/anon",
     mrc_cmd_deidentify, false},
    {"check", "is a DICOM folder one consistent series, and marked if synthetic?",
     "mrcycle check patient/t2_synth", mrc_cmd_check, false},
    {"phantom", "generate patients with a known answer", "mrcycle phantom -o phantoms --subjects 4",
     mrc_cmd_phantom, false},
    {"simulate", "compute training heads from label maps",
     "mrcycle simulate labels -o heads --subjects 20 --seed 1", mrc_cmd_simulate, false},
    {"echo", "ask a PACS whether it answers", "mrcycle echo ORTHANC@10.0.0.7:4242", mrc_cmd_echo,
     false},
    {"send", "store DICOM files in a PACS",
     "mrcycle send patient/t2_synth --to ORTHANC@10.0.0.7:4242", mrc_cmd_send, false},
    {"fetch", "bring series from a PACS",
     "mrcycle fetch --from ORTHANC@10.0.0.7:4242 --accession A123 -o in", mrc_cmd_fetch, false},
    {"serve", "receive, translate and send on, or watch a folder",
     "mrcycle serve --watch in -o out", mrc_cmd_serve, true},
    {"queue", "list the jobs of serve; retry or delete them",
     "mrcycle queue /var/lib/mrcycle/queue", mrc_cmd_queue, false},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct mrc_command *find(const char *name) {
    for (size_t i = 0; i < COMMANDS; ++i)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

const char *mrc_command_example(const char *name) {
    const struct mrc_command *command = find(name);
    return command != NULL ? command->example : NULL;
}

static int unknown_command(const char *name) {
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; ++i) names[i] = commands[i].name;
    int nearest = mrc_spelling_nearest(name, names, COMMANDS);
    if (nearest >= 0)
        return mrc_terminal_usage(NULL, "no command '%.40s', did you mean '%s'?", name,
                                  names[nearest]);
    return mrc_terminal_usage(NULL, "no command '%.40s'", name);
}

static void print_help(void) {
    printf("Usage: mrcycle COMMAND [OPTION...] [ARGUMENT...]\n"
           "Synthetic T2-weighted from T1-weighted brain MR images, and back.\n"
           "What it writes is synthetic and not for diagnosis.\n\n");
    for (size_t i = 0; i < COMMANDS; ++i)
        printf("  %-11s %s\n", commands[i].name, commands[i].summary);
    printf("\n  mrcycle help COMMAND   the options of a command\n"
           "  mrcycle --version\n\n"
           "Results go to standard output, words to standard error. Exit codes: 1 usage;\n"
           "20 input unreadable, 21 broken, 22 refused, 23 beyond a limit; 40 output;\n"
           "60 network, 61 refused by the peer; 80 memory, 81 numbers, 82 stopped.\n");
}

static int fail(enum mrc_status status, const struct mrc_error *err) {
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, false);
    return mrc_terminal_fail(&terminal, status, err);
}

/* The command may change the array it is given; main's stays, for a second run of the program. */
static int run(const struct mrc_command *command, int argc, char **argv) {
    char *name = mrc_asprintf("mrcycle %s", command->name);
    char **own = mrc_alloc((size_t)argc + 1, sizeof *own);
    int code = MRC_EXIT_PROCESSING;
    if (name != NULL && own != NULL) {
        memcpy(own, argv, (size_t)argc * sizeof *own);
        own[0] = name;
        code = command->run(argc, own);
    }
    mrc_free(own);
    mrc_free(name);
    return code;
}

/* argv: the words after "mrcycle help". */
static int help(int argc, char **argv) {
    const char *word = argc > 0 ? argv[0] : "help", *form = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--man") == 0) {
        mrc_manual_print_program(commands, COMMANDS);
        return MRC_EXIT_OK;
    }
    if (strcmp(word, "--completion") == 0)
        return mrc_manual_print_completion(form, commands, COMMANDS);
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0) {
        print_help();
        return MRC_EXIT_OK;
    }
    const struct mrc_command *command = find(word);
    if (command == NULL) return unknown_command(word);
    if (strcmp(form, "--man") == 0) return mrc_manual_print_command(command);
    char program[] = "mrcycle", option[] = "--help";
    char *arguments[] = {program, option, NULL};
    return run(command, 2, arguments);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        return mrc_terminal_usage(NULL, "no command given");
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("mrcycle %s\n", MRC_VERSION);
        return MRC_EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return help(0, argv);
    if (strcmp(name, "help") == 0) return help(argc - 2, argv + 2);
    const struct mrc_command *command = find(name);
    if (command == NULL) return unknown_command(name);
    struct mrc_error err = {0};
    enum mrc_status status = command->networks ? mrc_blas_kernel_settle(&err) : MRC_OK;
    return status == MRC_OK ? run(command, argc - 1, argv + 1) : fail(status, &err);
}

int main(int argc, char **argv) {
    mrc_blas_kernel_begin(argv);
    int code = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("mrcycle: standard output: cannot be written\n", stderr);
        if (code == MRC_EXIT_OK) code = MRC_EXIT_OUTPUT;
    }
    return code;
}
