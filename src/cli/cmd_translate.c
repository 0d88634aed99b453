/* cmd_translate.c: mrcycle translate. */
#include <stdio.h>
#include <string.h>

#include "app/batch/batch.h"
#include "app/translate/translate.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum {
    KEY_TO = MRC_OPTION_OWN,
    KEY_MODEL,
    KEY_FORMAT,
    KEY_GRID,
    KEY_SIZE,
    KEY_ONE_PLANE,
    KEY_NO_MIRROR,
    KEY_UPSAMPLE,
    KEY_FROM,
    KEY_REPORT,
    KEY_NO_REPORT,
    KEY_REPORT_DICOM,
    KEY_UNCERTAINTY,
    KEY_SHEET,
    KEY_TRUTH,
    KEY_SERIES,
    KEY_ALLOW_GAPS,
    KEY_VOLUME,
    KEY_DATATYPE,
    KEY_BIDS,
    KEY_DEIDENTIFY,
    KEY_KEY,
    KEY_ALL,
    KEY_JOBS,
    KEY_DRY_RUN
};
enum { MOST_INPUTS = 4096 };

static const struct argp_option table[] = {
    {.doc = "What it makes:", .group = 1},
    {.name = "to",
     .key = KEY_TO,
     .arg = "T2w|T1w",
     .doc = "The contrast to make, one of the model's; of brain-contrast T2w or T1w"},
    {.name = "model",
     .key = KEY_MODEL,
     .arg = "FILE",
     .doc = "A model or the folder of a training run; default: the shipped model"},
    {.name = "size",
     .key = KEY_SIZE,
     .arg = "N",
     .doc = "Pixels a side of the slices worked on, where the model takes others than its own: a "
            "local one any, one with a shallow U-Net (train --depth) some; default: on the input's "
            "grid twice the model's where it is good for them, else the model's"},
    {.name = "one-plane",
     .key = KEY_ONE_PLANE,
     .doc =
         "Translate slices of one plane only where the model knows three and the voxels are about "
         "as long as wide: three times as fast, with steps between the slices"},
    {.name = "no-mirror",
     .key = KEY_NO_MIRROR,
     .doc = "Apply the model once, not to each slice and its mirror image for the mean of both: "
            "twice as fast, less good"},
    {.name = "upsample",
     .key = KEY_UPSAMPLE,
     .arg = "guided|cubic",
     .doc = "From the slices' pixels to the input's grid: guided, with the input's own detail "
            "(default), or cubic, as smooth as the slices"},
    {.name = "grid",
     .key = KEY_GRID,
     .arg = "source|model",
     .doc = "source: the input's own rows, columns and slices (default); model: the axial "
            "slices the model works on"},
    {.doc = "Where it goes:", .group = 2},
    {.name = "output",
     .key = 'o',
     .arg = "OUTPUT",
     .doc = "Where to write: a folder for DICOM and PNG, a .nii or .nii.gz file for NIfTI"},
    {.name = "format",
     .key = KEY_FORMAT,
     .arg = "dicom|nifti|png",
     .doc = "dicom, nifti or png; default: NIfTI when OUTPUT ends so, else the input's own"},
    {.name = "datatype",
     .key = KEY_DATATYPE,
     .arg = "float32|int16",
     .doc = "Of NIfTI: float32 (default), or int16, half the size, with a slope by which it reads "
            "from 0 to 1 too"},
    {.name = "bids",
     .key = KEY_BIDS,
     .doc = "OUTPUT is the folder of a BIDS derivative, where the result is NIfTI and called "
            "sub-…/anat/sub-…_desc-synth_T2w.nii.gz"},
    {.name = "replace", .key = MRC_OPTION_REPLACE, .doc = "Replace an earlier result"},
    {.name = "sheet",
     .key = KEY_SHEET,
     .arg = "FILE",
     .doc = "Also write a PNG of some slices, source beside result"},
    {.name = "truth",
     .key = KEY_TRUTH,
     .arg = "PATH",
     .doc = "The true image of the asked contrast, shown in the sheet"},
    {.name = "report",
     .key = KEY_REPORT,
     .arg = "DIR",
     .doc = "Where report.json and report.html go: the error of translating there and back, "
            "warnings, pictures; default: OUTPUT, without .nii.gz, and _report"},
    {.name = "report-dicom",
     .key = KEY_REPORT_DICOM,
     .arg = "KIND",
     .doc = "sc: there also report.dcm, its pictures as a Secondary Capture in the source's study"},
    {.name = "no-report", .key = KEY_NO_REPORT, .doc = "Write no report"},
    {.name = "uncertainty",
     .key = KEY_UNCERTAINTY,
     .arg = "PATH",
     .doc = "Also write the error of translating there and back of each voxel, as a further series "
            "or NIfTI file"},
    {.name = "deidentify",
     .key = KEY_DEIDENTIFY,
     .doc = "Write nothing of the patient but the image, by the rules of mrcycle deidentify"},
    {.name = "key",
     .key = KEY_KEY,
     .arg = "FILE",
     .doc = "For --deidentify: the key that names and UIDs are made with, created when absent; "
            "default: OUTPUT, without .nii.gz, and .key"},
    {.doc = "What it reads:", .group = 3},
    {.name = "from",
     .key = KEY_FROM,
     .arg = "CONTRAST",
     .doc = "What INPUT is, where it does not tell itself: what the model makes the other of, such "
            "as T1w"},
    {.name = "all",
     .key = KEY_ALL,
     .doc =
         "Translate all that can be below INPUT, as is done of several: OUTPUT is a folder then, "
         "and translations.tsv in it says what became of each"},
    {.name = "series",
     .key = KEY_SERIES,
     .arg = "N",
     .doc = "Of several DICOM series the one with this number, or N:K, its K-th volume (echo, time "
            "point), as info lists them; or the beginning of its UID"},
    {.name = "volume",
     .key = KEY_VOLUME,
     .arg = "K",
     .doc = "Of a NIfTI file with several volumes (4-D) the K-th, from 1"},
    MRC_OPTION_MAP_ENTRY,
    {.name = "allow-gaps",
     .key = KEY_ALLOW_GAPS,
     .doc = "Fill in the slices that are missing inside a DICOM series from their neighbours"},
    {.name = "assume-ras",
     .key = MRC_OPTION_ASSUME_RAS,
     .doc = "Take the axes of a NIfTI file without orientation as right, anterior, superior"},
    {.name = "allow-synthetic",
     .key = MRC_OPTION_ALLOW_SYNTHETIC,
     .doc = "Work on an input that is marked as synthetic"},
    MRC_OPTION_ALLOW_DERIVED_ENTRY,
    {.name = "force",
     .key = MRC_OPTION_FORCE,
     .doc = "Work on an input that was recognised as another contrast"},
    {.doc = "How it runs:", .group = 4},
    {.name = "jobs",
     .key = KEY_JOBS,
     .arg = "N",
     .doc = "Of several, translate N at a time, each on its share of the threads; default: 1"},
    {.name = "dry-run",
     .key = KEY_DRY_RUN,
     .doc = "Of several, say what would be done, and write nothing"},
    {.name = "threads", .key = MRC_OPTION_THREADS, .arg = "N", .doc = "Default: all cores"},
    {.name = "quiet", .key = 'q', .doc = "Say nothing but errors"},
    {0}};

struct arguments {
    struct mrc_translate_options options;
    const char *map, *inputs[MOST_INPUTS];
    size_t input_count;
    int jobs;
    bool has_direction, no_report, quiet, all, dry_run;
};

/* Several results go into one folder, with a table. */
static bool is_of_many(const struct arguments *a) {
    return a->all || a->input_count > 1;
}

static void parse_direction(struct argp_state *state, struct arguments *a, const char *text) {
    a->options.to = mrc_option_contrast(state, "--to", text);
    a->has_direction = true;
}

static void parse_from(struct argp_state *state, struct arguments *a, const char *text) {
    a->options.from = mrc_option_contrast(state, "--from", text);
    a->options.from_is_known = true;
}

/* What names one file, or chooses in one input. */
static void check_many(struct argp_state *state, const struct arguments *a) {
    const struct mrc_translate_options *o = &a->options;
    const struct {
        bool given;
        const char *name;
    } of_one[] = {{o->sheet != NULL, "--sheet"},
                  {o->truth != NULL, "--truth"},
                  {o->report != NULL, "--report"},
                  {o->uncertainty != NULL, "--uncertainty"},
                  {o->series != NULL, "--series"},
                  {o->volume != 0, "--volume"},
                  {a->no_report, "--no-report"},
                  {o->deidentify, "--deidentify"},
                  {o->bids, "--bids"}};
    for (size_t n = 0; is_of_many(a) && n < sizeof of_one / sizeof *of_one; ++n)
        if (of_one[n].given)
            mrc_option_fail(state, "%s is of one input, expected one and not --all%s",
                            of_one[n].name, o->bids ? "; mrcycle bids translates a dataset" : "");
    if (!is_of_many(a) && (a->jobs > 0 || a->dry_run))
        mrc_option_fail(state,
                        "--jobs and --dry-run are of several inputs, expected such or --all");
}

static void check(struct argp_state *state, const struct arguments *a) {
    if (a->input_count == 0) mrc_option_fail(state, "expected an INPUT");
    check_many(state, a);
    if (a->options.output == NULL) mrc_option_fail(state, "expected -o OUTPUT");
    if (!a->has_direction) mrc_option_fail(state, "expected --to CONTRAST, such as --to T2w");
    if (a->options.from_is_known && a->options.from == a->options.to)
        mrc_option_fail(state, "--from and --to are both %s, expected two contrasts",
                        mrc_contrast_name(a->options.from));
    if (a->no_report && a->options.report != NULL)
        mrc_option_fail(state, "--report and --no-report, expected one of them");
    if (a->options.key != NULL && !a->options.deidentify)
        mrc_option_fail(state, "--key is used with --deidentify only, expected both");
    if (a->options.bids && a->options.format != MRC_SOURCE_NONE &&
        a->options.format != MRC_SOURCE_NIFTI)
        mrc_option_fail(state, "--bids writes NIfTI, expected no other --format");
    if (a->options.truth != NULL && a->options.sheet == NULL)
        mrc_option_fail(state, "--truth is shown in a sheet only, expected --sheet too");
}

static error_t parse(int key, char *value, struct argp_state *state) {
    static const char *const formats[] = {"dicom", "nifti", "png", NULL};
    static const enum mrc_source_kind kinds[] = {MRC_SOURCE_DICOM, MRC_SOURCE_NIFTI,
                                                 MRC_SOURCE_PNG};
    static const char *const datatypes[] = {"float32", "int16", NULL};
    static const char *const grids[] = {"source", "model", NULL};
    static const char *const upsamplings[] = {"guided", "cubic", NULL};
    struct arguments *a = state->input;
    switch (key) {
    case 'o': a->options.output = value; break;
    case 'q': a->quiet = true; break;
    case KEY_TO: parse_direction(state, a, value); break;
    case KEY_MODEL: a->options.model = value; break;
    case KEY_FORMAT:
        a->options.format = kinds[mrc_option_choice(state, "--format", value, formats)];
        break;
    case KEY_DATATYPE:
        a->options.int16 = mrc_option_choice(state, "--datatype", value, datatypes) == 1;
        break;
    case KEY_GRID:
        a->options.grid = mrc_option_choice(state, "--grid", value, grids) == 0 ? MRC_GRID_SOURCE
                                                                                : MRC_GRID_MODEL;
        break;
    case KEY_UPSAMPLE:
        a->options.upsampling = mrc_option_choice(state, "--upsample", value, upsamplings) == 0
                                    ? MRC_UPSAMPLE_GUIDED
                                    : MRC_UPSAMPLE_CUBIC;
        break;
    case KEY_ONE_PLANE: a->options.one_plane = true; break;
    case KEY_NO_MIRROR: a->options.no_mirror = true; break;
    case KEY_SIZE: a->options.size = mrc_option_integer(state, "--size", value, 16, 1024); break;
    case KEY_FROM: parse_from(state, a, value); break;
    case KEY_REPORT: a->options.report = value; break;
    case KEY_REPORT_DICOM:
        if (strcmp(value, "sc") != 0)
            mrc_option_fail(state, "--report-dicom is '%s', expected sc", value);
        a->options.report_dicom = true;
        break;
    case KEY_NO_REPORT: a->no_report = true; break;
    case KEY_UNCERTAINTY: a->options.uncertainty = value; break;
    case KEY_SHEET: a->options.sheet = value; break;
    case KEY_TRUTH: a->options.truth = value; break;
    case KEY_SERIES: a->options.series = value; break;
    case KEY_VOLUME:
        a->options.volume = mrc_option_integer(state, "--volume", value, 1, 65536);
        break;
    case KEY_ALL: a->all = true; break;
    case KEY_DRY_RUN: a->dry_run = true; break;
    case KEY_JOBS: a->jobs = (int)mrc_option_integer(state, "--jobs", value, 1, 64); break;
    case KEY_BIDS: a->options.bids = true; break;
    case KEY_DEIDENTIFY: a->options.deidentify = true; break;
    case KEY_KEY: a->options.key = value; break;
    case MRC_OPTION_MAP: a->map = value; break;
    case KEY_ALLOW_GAPS: a->options.allow_gaps = true; break;
    case MRC_OPTION_ASSUME_RAS: a->options.assume_ras = true; break;
    case MRC_OPTION_ALLOW_SYNTHETIC: a->options.allow_synthetic = true; break;
    case MRC_OPTION_ALLOW_DERIVED: a->options.allow_derived = true; break;
    case MRC_OPTION_FORCE: a->options.force = true; break;
    case MRC_OPTION_REPLACE: a->options.replace = true; break;
    case MRC_OPTION_THREADS:
        mrc_parallel_set_threads(
            (int)mrc_option_integer(state, "--threads", value, 1, MRC_MAX_THREADS));
        break;
    case ARGP_KEY_ARG:
        if (a->input_count == MOST_INPUTS)
            mrc_option_fail(state, "more than %d inputs, expected the folder they lie in",
                            MOST_INPUTS);
        a->inputs[a->input_count++] = value;
        break;
    case ARGP_KEY_END: check(state, a); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = table,
    .parser = parse,
    .args_doc = "INPUT -o OUTPUT --to CONTRAST\nINPUT... -o FOLDER --to CONTRAST",
    .doc = "Makes the other contrast of a brain MR image, on the image's own grid.\v"
           "INPUT is a folder with one DICOM series, a NIfTI file, or a folder of PNG slices. "
           "Prints the path written. Of several, or with --all, everything that can be translated "
           "below each is, into one folder; what cannot is told in the table at the end. The same "
           "command goes on after a break."};

/* --- Many --- */

static enum mrc_status write_table(void *context, const struct mrc_batch *batch,
                                   const struct mrc_batch_row *row, struct mrc_error *err) {
    const char *folder = context;
    struct mrc_text text = {0};
    (void)row;
    char *path = mrc_path_join(folder, "translations.tsv");
    mrc_batch_print_tsv(&text, batch, folder);
    enum mrc_status status = path != NULL && !text.failed
                                 ? mrc_write_file(path, text.data, text.size, err)
                                 : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", folder);
    mrc_free(path);
    mrc_text_clear(&text);
    return status;
}

static enum mrc_status translate_many(const struct arguments *a, struct mrc_batch *batch,
                                      const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_batch_options options = {.translate = a->options,
                                        .output = a->options.output,
                                        .processes = a->jobs,
                                        .dry_run = a->dry_run,
                                        .after = write_table,
                                        .context = (void *)a->options.output};
    enum mrc_status status = mrc_batch_settle(&options.translate, err);
    for (size_t n = 0; status == MRC_OK && n < a->input_count; ++n)
        status = mrc_batch_add(batch, a->inputs[n], &options, events, err);
    if (status == MRC_OK && !a->dry_run) status = mrc_make_dirs(a->options.output, err);
    if (status == MRC_OK) status = mrc_batch_run(batch, &options, events, err);
    return status == MRC_OK && !a->dry_run
               ? write_table((void *)a->options.output, batch, NULL, err)
               : status;
}

static int run_many(const struct arguments *a, struct mrc_terminal *terminal,
                    const struct mrc_events *events) {
    struct mrc_batch batch = {0};
    struct mrc_error err = {0};
    enum mrc_status status = translate_many(a, &batch, events, &err);
    int code = mrc_terminal_batch(terminal, &batch, status, &err);
    mrc_batch_clear(&batch);
    return code;
}

/* --- One --- */

static int run_one(struct arguments *a, struct mrc_terminal *terminal,
                   const struct mrc_events *events) {
    struct mrc_error err = {0};
    struct mrc_translate_report report;
    a->options.input = a->inputs[0];
    a->options.report_beside = !a->no_report;
    enum mrc_status status = mrc_translate_run(&a->options, &report, events, &err);
    mrc_terminal_clear_bar(terminal);
    if (status != MRC_OK) return mrc_terminal_fail(terminal, status, &err);
    puts(report.output);
    return MRC_EXIT_OK;
}

int mrc_cmd_translate(int argc, char **argv) {
    static struct arguments a = {.options = MRC_TRANSLATE_DEFAULTS};
    mrc_option_parse(&argp, argc, argv, &a);
    struct mrc_terminal terminal;
    mrc_terminal_init(&terminal, a.quiet);
    mrc_terminal_catch_interrupts();
    struct mrc_events events = mrc_terminal_events(&terminal);
    struct mrc_error err = {0};
    mrc_contrast_map *map = NULL;
    enum mrc_status status = a.map != NULL ? mrc_contrast_map_load(&map, a.map, &err) : MRC_OK;
    a.options.map = map;
    int code = status != MRC_OK ? mrc_terminal_fail(&terminal, status, &err)
               : is_of_many(&a) ? run_many(&a, &terminal, &events)
                                : run_one(&a, &terminal, &events);
    mrc_contrast_map_destroy(map);
    return code;
}
