/* translate.c: the data's way through the house, there and back (docs/architecture.md, section 1).
 */
#include "app/translate/translate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/common/model_file.h"
#include "app/common/place.h"
#include "app/pages/sheet.h"
#include "app/privacy/deidentify.h"
#include "app/privacy/subject.h"
#include "app/sets/cut.h"
#include "app/sets/likeness.h"
#include "app/sets/regrid.h"
#include "app/sets/stack.h"
#include "app/translate/report.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/dicom/derived.h"
#include "io/dicom/dicom_check.h"
#include "io/image.h"
#include "io/image_name.h"
#include "model/files/checkpoint.h"
#include "preprocess/slices.h"

/* What is in hand while one image is translated. */
struct work {
    int64_t batch; /* slices translated at once */
    const struct mrc_translate_options *options;
    struct mrc_translate_options
        settled;                      /* the caller's, with the places that follow from others */
    char *output, *report, *key_path; /* those */
    struct mrc_pseudonym_key key;
    const struct mrc_events *events;
    enum mrc_cut cut; /* the plane the slices shown are of */
    unsigned others;  /* planes, as bits, whose results are fused with that one's */
    enum mrc_contrast from;
    enum mrc_source_kind format;
    mrc_volume *source, *truth, *result, *error; /* error: the cycle's, voxel by voxel */
    struct mrc_slices before, after, wanted;     /* wanted: of the truth */
    struct mrc_slices cycle;                     /* for the report: back again, from `after` … */
    struct mrc_slices trained[2];      /* … or from these, before and after, of the model's
                                          own size */
    const struct mrc_slices *there[2]; /* before and after, of which `cycle` is the way back */
    char *model;                       /* its file */
    mrc_generator *generator;
    struct mrc_checkpoint_info info;
    struct mrc_trained_images looks; /* of the source, as the model was trained on such */
    struct mrc_text steps, settings; /* what was done, in words and as settings */
};

static void work_clear(struct work *w) {
    mrc_text_clear(&w->settings);
    mrc_text_clear(&w->steps);
    mrc_generator_destroy(w->generator);
    mrc_free(w->model);
    mrc_slices_clear(&w->cycle);
    for (int n = 0; n < 2; ++n) mrc_slices_clear(&w->trained[n]);
    mrc_slices_clear(&w->wanted);
    mrc_slices_clear(&w->after);
    mrc_slices_clear(&w->before);
    mrc_volume_destroy(w->error);
    mrc_volume_destroy(w->result);
    mrc_volume_destroy(w->truth);
    mrc_volume_destroy(w->source);
    mrc_free(w->key_path);
    mrc_free(w->report);
    mrc_free(w->output);
}

static enum mrc_status no_memory(const struct work *w, struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", w->options->input);
}

static enum mrc_status check_cancelled(const struct work *w, struct mrc_error *err) {
    if (!mrc_events_cancelled(w->events)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_CANCELLED, "%s: stopped before anything was written",
                    w->options->input);
}

/* --- The input --- */

static bool names_nifti(const char *path) {
    return path[mrc_nifti_stem(path)] != '\0';
}

static enum mrc_status load_source(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    struct mrc_image_options image = MRC_IMAGE_DEFAULTS;
    image.assume_ras = o->assume_ras;
    image.allow_synthetic = o->allow_synthetic;
    image.allow_derived = o->allow_derived;
    image.allow_gaps = o->allow_gaps;
    image.series = o->series;
    image.volume = o->volume;
    image.map = o->map;
    image.wanted = w->from;
    mrc_events_progress(w->events, "reading", 0, 1);
    enum mrc_status status = mrc_image_load(&w->source, o->input, &image, err);
    if (status != MRC_OK) return status;
    mrc_events_progress(w->events, "reading", 1, 1);

    const struct mrc_provenance *from = mrc_volume_provenance(w->source);
    if (from->left_out > 0)
        mrc_events_note(w->events, "%s: %zu file%s found with the %zu of the image left out",
                        o->input, from->left_out, from->left_out == 1 ? "" : "s", from->file_count);
    if (from->left_links > 0)
        mrc_events_note(w->events, "%s: %zu link%s to a folder not followed", o->input,
                        from->left_links, from->left_links == 1 ? "" : "s");
    if (from->remark[0] != '\0') mrc_events_note(w->events, "%s: %s", o->input, from->remark);
    enum mrc_contrast found = from->contrast;
    if (found == MRC_CONTRAST_UNKNOWN && !o->from_is_known && !o->force)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: contrast not recognised, expected %s for a translation to %s "
                        "(--from %s says that it is one)",
                        o->input, mrc_contrast_name(w->from), mrc_contrast_name(o->to),
                        mrc_contrast_name(w->from));
    if (found == MRC_CONTRAST_UNKNOWN)
        mrc_events_note(w->events, "%s: contrast not recognised, taken as %s", o->input,
                        mrc_contrast_name(w->from));
    else if (found != w->from && !o->force)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: recognised as %s, expected %s for a translation to %s (--force "
                        "overrides)",
                        o->input, mrc_contrast_name(found), mrc_contrast_name(w->from),
                        mrc_contrast_name(o->to));
    else if (found != w->from)
        mrc_events_note(w->events, "%s: recognised as %s, taken as %s as asked", o->input,
                        mrc_contrast_name(found), mrc_contrast_name(w->from));
    return MRC_OK;
}

/* --- The output, as far as it can be settled before any computing --- */

static enum mrc_status name_sidecar(char **out, const char *path, struct mrc_error *err) {
    *out = mrc_nifti_sidecar_path(path);
    return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
}

/* A file that is written, and what it would take the place of. */
static enum mrc_status check_file(const char *path, bool replace, struct mrc_error *err) {
    enum mrc_status status = mrc_place_check_file(path, replace, err);
    return status == MRC_OK && replace ? mrc_place_check_replaced(path, err) : status;
}

/* The file and the sidecar that is written beside it. */
static enum mrc_status check_nifti(const char *path, bool replace, struct mrc_error *err) {
    char *sidecar = NULL;
    if (!names_nifti(path))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: a NIfTI output needs a name ending in .nii or .nii.gz", path);
    enum mrc_status status = check_file(path, replace, err);
    if (status == MRC_OK) status = name_sidecar(&sidecar, path, err);
    if (status == MRC_OK) status = check_file(sidecar, replace, err);
    mrc_free(sidecar);
    return status;
}

static enum mrc_status check_output(const char *path, bool replace, enum mrc_source_kind format,
                                    struct mrc_error *err) {
    static const char *const dicom[] = {".dcm", NULL}, *const png[] = {".png", NULL};
    if (format == MRC_SOURCE_NIFTI) return check_nifti(path, replace, err);
    enum mrc_status status =
        mrc_place_check_folder(path, replace, format == MRC_SOURCE_PNG ? png : dicom, err);
    return status == MRC_OK && replace ? mrc_place_check_replaced(path, err) : status;
}

/* The paths say what was asked for, an image's provenance what was read: no file of it is written
 * over, be it named by its folder, by another file of its series, or by a link. */
static enum mrc_status keep_files(const struct mrc_translate_options *o, const mrc_volume *vol,
                                  struct mrc_error *err) {
    const struct mrc_provenance *from = mrc_volume_provenance(vol);
    const char *const places[] = {o->output, o->sheet, o->report, o->uncertainty, o->key};
    enum mrc_status status = MRC_OK;
    for (size_t p = 0; p < sizeof places / sizeof *places; ++p)
        for (size_t f = 0; status == MRC_OK && places[p] != NULL && f < from->file_count; ++f)
            status = mrc_place_keep_input(places[p], from->files[f], err);
    return status;
}

/* "a.nii" and "a.nii.gz" have one sidecar, "a.json": written for the one, it would say of the
 * other, the input, that it is synthetic. */
static enum mrc_status keep_sidecar(const struct work *w, const char *path, struct mrc_error *err) {
    const struct mrc_provenance *from = mrc_volume_provenance(w->source);
    char *own = NULL, *new = NULL;
    if (!names_nifti(path) || from->kind != MRC_SOURCE_NIFTI) return MRC_OK;
    enum mrc_status status = name_sidecar(&own, from->files[0], err);
    if (status == MRC_OK) status = name_sidecar(&new, path, err);
    if (status == MRC_OK) status = mrc_place_keep_input(new, own, err);
    mrc_free(new);
    mrc_free(own);
    return status;
}

static const char *const report_files[] = {"report.json", "report.html", "report.dcm", NULL};
static const struct mrc_place_kind report_kind = {
    .mark = "report.json", .words = "\"mrcycle translation\"", .patterns = report_files};

/* Every output has a place of its own, and none lies in another: a folder of DICOM files holds
 * nothing else. */
static enum mrc_status check_apart(const struct mrc_translate_options *o, struct mrc_error *err) {
    const struct {
        const char *path, *what;
    } all[] = {{o->output, "output"},
               {o->uncertainty, "uncertainty"},
               {o->report, "report"},
               {o->sheet, "sheet"},
               {o->key, "key"}};
    enum mrc_status status = MRC_OK;
    for (size_t a = 1; a < sizeof all / sizeof *all; ++a)
        for (size_t b = 0; status == MRC_OK && b < a; ++b) {
            bool inside = false, around = false;
            if (all[a].path == NULL || all[b].path == NULL) continue;
            status = mrc_place_is_inside(&inside, all[a].path, all[b].path, err);
            if (status == MRC_OK)
                status = mrc_place_is_inside(&around, all[b].path, all[a].path, err);
            if (status == MRC_OK && (inside || around))
                status = mrc_fail(err, MRC_ERR_ARGUMENT, "%s: the %s and the %s %s need two places",
                                  all[a].path, all[a].what, all[b].what, all[b].path);
        }
    return status;
}

static enum mrc_status check_sheet(const struct mrc_translate_options *o, struct mrc_error *err) {
    enum mrc_status status = mrc_place_keep_input(o->sheet, o->input, err);
    if (status == MRC_OK) status = mrc_place_check_sheet(o->sheet, o->replace, err);
    if (status == MRC_OK && !mrc_path_has_suffix(o->sheet, ".png"))
        status =
            mrc_fail(err, MRC_ERR_ARGUMENT, "%s: a sheet needs a name ending in .png", o->sheet);
    return status;
}

static enum mrc_status check_report(const struct mrc_translate_options *o, struct mrc_error *err) {
    enum mrc_status status = mrc_place_keep_input(o->report, o->input, err);
    if (status == MRC_OK) status = mrc_place_check_kind(o->report, o->replace, &report_kind, err);
    return status;
}

/* Before the input is read: what the paths alone tell. */
static enum mrc_status check_places(const struct mrc_translate_options *o, struct mrc_error *err) {
    if (!mrc_path_exists(o->input))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected an image", o->input);
    enum mrc_status status = mrc_place_keep_input(o->output, o->input, err);
    if (status == MRC_OK && o->truth != NULL) {
        if (!mrc_path_exists(o->truth))
            return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected an image", o->truth);
        status = mrc_place_keep_input(o->output, o->truth, err);
        if (status == MRC_OK && o->report != NULL)
            status = mrc_place_keep_input(o->report, o->truth, err);
        if (status == MRC_OK && o->uncertainty != NULL)
            status = mrc_place_keep_input(o->uncertainty, o->truth, err);
    }
    if (status == MRC_OK) status = check_apart(o, err);
    if (status == MRC_OK && o->uncertainty != NULL)
        status = mrc_place_keep_input(o->uncertainty, o->input, err);
    if (status == MRC_OK && o->sheet != NULL) status = check_sheet(o, err);
    if (status == MRC_OK && o->report != NULL) status = check_report(o, err);
    if (status == MRC_OK && o->format != MRC_SOURCE_NONE)
        status = check_output(o->output, o->replace, o->format, err);
    return status;
}

/* --- Places that follow from others --- */

/* "x.nii.gz" or "folder/" and the ending: "x_report", "folder_report". */
static enum mrc_status name_beside(char **out, const char *output, const char *ending,
                                   struct mrc_error *err) {
    size_t stem = mrc_nifti_stem(output);
    while (stem > 1 && output[stem - 1] == '/') --stem;
    *out = mrc_asprintf("%.*s%s", (int)stem, output, ending);
    return *out != NULL ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", output);
}

static enum mrc_status settle_key(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (!o->deidentify) return MRC_OK;
    enum mrc_status status = MRC_OK;
    if (o->key == NULL) status = name_beside(&w->key_path, o->output, ".key", err);
    if (status == MRC_OK && o->key == NULL) w->settled.key = w->key_path;
    return status;
}

/* Only names are made with the key: without any there is none to keep. */
static enum mrc_status load_key(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    bool created = false;
    if (!o->deidentify || (!o->bids && w->format != MRC_SOURCE_DICOM)) return MRC_OK;
    enum mrc_status status = mrc_place_make_parent(o->key, err);
    if (status == MRC_OK) status = mrc_pseudonym_key_load(&w->key, &created, o->key, err);
    if (status == MRC_OK && created)
        mrc_events_note(w->events,
                        "%s: a new key; keep it, and keep it from those who get the files", o->key);
    return status;
}

/* A capture lies in the report's folder and in the source's study: both have to be there. */
static enum mrc_status check_capture(const struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (!o->report_dicom) return MRC_OK;
    if (o->report == NULL || o->deidentify)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "a report as DICOM needs %s",
                        o->report == NULL ? "a report" : "the patient's study");
    if (mrc_volume_provenance(w->source)->kind == MRC_SOURCE_DICOM) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "%s: is no DICOM, expected a study that a report as "
                    "DICOM can lie in",
                    o->input);
}

static enum mrc_status settle_report(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (!o->report_beside || o->report != NULL) return MRC_OK;
    enum mrc_status status = name_beside(&w->report, o->output, "_report", err);
    w->settled.report = w->report;
    return status;
}

/* The data set that the input is part of is no derivative. */
static enum mrc_status settle_bids(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    bool inside = false;
    char *name = NULL;
    if (!o->bids) return MRC_OK;
    enum mrc_status status = mrc_place_is_inside(&inside, o->input, o->output, err);
    if (status == MRC_OK && inside)
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: holds the input, expected a derivative's own folder, such as %s/%s",
                          o->output, o->output, "derivatives/mrcycle");
    if (status == MRC_OK && o->key != NULL)
        status = mrc_place_is_inside(&inside, o->key, o->output, err);
    if (status == MRC_OK && inside)
        status =
            mrc_fail(err, MRC_ERR_ARGUMENT,
                     "%s: the key would lie with what it protects, expected another place", o->key);
    w->format = MRC_SOURCE_NIFTI;
    if (status == MRC_OK) status = load_key(w, err);
    if (status == MRC_OK)
        status = mrc_subject_synthetic_name(&name, w->source, o->to, o->deidentify ? &w->key : NULL,
                                            err);
    if (status == MRC_OK) {
        w->output = mrc_path_join(o->output, name);
        w->settled.output = w->output;
        if (w->output == NULL) status = no_memory(w, err);
    }
    mrc_free(name);
    if (status == MRC_OK) status = settle_report(w, err);
    return status == MRC_OK ? check_places(o, err) : status;
}

/* What makes the folder a BIDS derivative, unless it is one. */
static enum mrc_status write_description(struct mrc_output *out, const char *folder,
                                         struct mrc_error *err) {
    static const char text[] = "{\n\t\"Name\": \"Synthetic MR images, not acquired\",\n"
                               "\t\"BIDSVersion\": \"1.9.0\",\n"
                               "\t\"DatasetType\": \"derivative\",\n"
                               "\t\"GeneratedBy\": [{\"Name\": \"mrcycle translate\", "
                               "\"Version\": \"" MRC_VERSION "\"}]\n}\n";
    char *path = mrc_path_join(folder, "dataset_description.json");
    enum mrc_status status = MRC_OK;
    if (path == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", folder);
    if (status == MRC_OK && !mrc_path_exists(path)) {
        status = mrc_place_make_parent(path, err);
        if (status == MRC_OK) status = mrc_output_open_file(out, path, err);
        out->fresh = false; /* one that comes meanwhile is of a translation beside this one */
        if (status == MRC_OK) (void)fputs(text, out->stream); /* the flush sees its failure */
        if (status == MRC_OK) status = mrc_output_flush(out, err);
    }
    mrc_free(path);
    return status;
}

static enum mrc_source_kind format_at(const struct work *w, const char *path) {
    return names_nifti(path) ? MRC_SOURCE_NIFTI : w->format;
}

static enum mrc_status check_uncertainty(const struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (format_at(w, o->uncertainty) == MRC_SOURCE_PNG)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: beside PNG slices the uncertainty is NIfTI, expected a name ending in "
                        ".nii or .nii.gz",
                        o->uncertainty);
    enum mrc_status status = keep_sidecar(w, o->uncertainty, err);
    return status == MRC_OK
               ? check_output(o->uncertainty, o->replace, format_at(w, o->uncertainty), err)
               : status;
}

static enum mrc_status settle_format(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    enum mrc_source_kind kind = mrc_volume_provenance(w->source)->kind;
    w->format = o->bids ? MRC_SOURCE_NIFTI : o->format;
    if (w->format == MRC_SOURCE_NONE) w->format = names_nifti(o->output) ? MRC_SOURCE_NIFTI : kind;
    if (w->format == MRC_SOURCE_DICOM && kind != MRC_SOURCE_DICOM)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: is %s, expected DICOM for DICOM output (patient and study come from "
                        "it)",
                        o->input, mrc_source_kind_name(kind));
    if (w->format != MRC_SOURCE_NIFTI && o->int16)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: would be %s, expected NIfTI for int16",
                        o->output, mrc_source_kind_name(w->format));
    enum mrc_status status = keep_files(o, w->source, err);
    if (status == MRC_OK) status = keep_sidecar(w, o->output, err);
    if (status == MRC_OK) status = check_output(o->output, o->replace, w->format, err);
    if (status == MRC_OK && !o->bids) status = load_key(w, err);
    return status == MRC_OK && o->uncertainty != NULL ? check_uncertainty(w, err) : status;
}

/* --- The model --- */

/* Is what makes `to` good for slices of that size? A local generator, which sees no shapes, is; a
 * U-Net where the model says so. */
static bool knows_size(const struct work *w, enum mrc_contrast to, int64_t size) {
    const struct mrc_cyclegan_settings *trained = &w->info.settings;
    enum mrc_cyclegan_net which = mrc_checkpoint_generator(&w->info, to);
    bool good = size == trained->size || size <= w->info.finest ||
                mrc_cyclegan_generator_of(trained, which) == MRC_GENERATOR_LOCAL;
    return good && mrc_cyclegan_takes_side(trained, which, size);
}

/* Has the scan pixels of half the model's size? */
static bool is_finer(const struct work *w, int64_t finer) {
    const struct mrc_extent e = mrc_volume_extent(w->source);
    const double *mm = mrc_volume_geometry(w->source)->spacing_mm;
    const double pixel_mm = w->info.contract.pixel_mm;
    if (pixel_mm == 0.0) return e.i >= finer || e.j >= finer || e.k >= finer;
    return fmin(mm[0], fmin(mm[1], mm[2])) <= 0.5 * pixel_mm;
}

/* A scan's own grid gets slices cut finer than those trained on, where the generator can. Not as
 * fine as the scan: what it sees around a pixel shrinks with the pixel, and the middle of a wide
 * ventricle then looks like air (docs/preprocessing.md). */
static int64_t choose_size(const struct work *w) {
    enum { FINER = 2 };
    int64_t own = w->info.settings.size, finer = FINER * own;
    if (w->options->size != 0) return w->options->size;
    const bool gains = w->options->grid == MRC_GRID_SOURCE && is_finer(w, finer);
    return gains && knows_size(w, w->options->to, finer) ? finer : own;
}

/* Slices at once: more of them share the work on the weights, which is most of it in the deep
 * layers; on larger slices there is more to do on each, and their maps take the memory. */
static int64_t choose_batch(const struct work *w, int64_t size) {
    enum { MOST = 44, LEAST = 8 };
    const int64_t pixels_at_once = (int64_t)MOST * 64 * 64;
    int64_t most = pixels_at_once / (size * size);
    if (w->options->batch != 0) return w->options->batch;
    return most < LEAST ? LEAST : most > MOST ? MOST : most;
}

/* Thick slices are translated in the plane they were acquired in, where the model knows it; what is
 * about as fine in all planes in all that it knows, for each is blind to steps across it. */
static void settle_cuts(struct work *w) {
    const unsigned known = w->info.contract.planes;
    const unsigned possible =
        mrc_slices_cuts(&w->cut, mrc_volume_geometry(w->source), mrc_volume_extent(w->source)) &
        known;
    if ((possible & 1u << w->cut) == 0) w->cut = MRC_CUT_AXIAL;
    w->others = possible & ~(1u << w->cut);
    if (w->options->grid == MRC_GRID_MODEL || w->options->one_plane) w->others = 0;
}

/* One that does not say its name is called as its file. */
static void name_model(struct work *w) {
    static const char ending[] = ".safetensors";
    const char *name = mrc_path_name(w->model);
    const size_t length =
        strlen(name) - (mrc_path_has_suffix(name, ending) ? sizeof ending - 1 : 0);
    if (w->info.name[0] == '\0')
        (void)snprintf(w->info.name, sizeof w->info.name, "%.*s", (int)length, name);
}

/* The generator that makes `to`. size 0: chosen. */
static enum mrc_status load_generator(struct work *w, enum mrc_contrast to, int64_t size,
                                      struct mrc_error *err) {
    mrc_generator_destroy(w->generator);
    w->generator = NULL;
    settle_cuts(w);
    if (size == 0) size = choose_size(w);
    w->batch = choose_batch(w, size);
    enum mrc_status status =
        mrc_generator_load(&w->generator, &w->info, w->model,
                           mrc_checkpoint_generator(&w->info, to), size, w->batch, err);
    if (status != MRC_OK) return status;
    mrc_generator_set_mirror(w->generator, !w->options->no_mirror && w->others == 0);
    name_model(w);
    return MRC_OK;
}

static enum mrc_status translate_slices(struct mrc_slices *out, const struct mrc_slices *in,
                                        const struct work *w, const char *stage,
                                        struct mrc_error *err) {
    int64_t size = in->size, count = in->count;
    int64_t channels = w->info.settings.channels, batch = w->batch;
    int64_t plane = size * size;
    float *src = mrc_alloc((size_t)(batch * plane * channels), sizeof *src);
    float *dst = mrc_alloc((size_t)(batch * plane * channels), sizeof *dst);
    out->pixels = mrc_alloc((size_t)(count * plane), sizeof(float));
    out->size = size;
    out->count = count;
    out->record = in->record;
    enum mrc_status status = MRC_OK;
    if (src == NULL || dst == NULL || out->pixels == NULL) status = no_memory(w, err);
    for (int64_t first = 0; status == MRC_OK && first < count; first += batch) {
        int64_t n = count - first < batch ? count - first : batch;
        for (int64_t s = 0; s < n; ++s)
            mrc_stack_gather(src + s * plane * channels, in->pixels, count, size, channels,
                             first + s);
        mrc_generator_apply(w->generator, dst, src, n);
        for (int64_t s = 0; s < n; ++s)
            mrc_stack_middle(out->pixels + (first + s) * plane, dst + s * plane * channels, size,
                             channels);
        mrc_events_progress(w->events, stage, first + n, count);
        status = check_cancelled(w, err);
    }
    mrc_free(dst);
    mrc_free(src);
    return status;
}

static enum mrc_status cut_options(struct mrc_slices_options *options, const struct work *w,
                                   int64_t size, enum mrc_contrast contrast, const mrc_volume *vol,
                                   const char *name, struct mrc_error *err) {
    enum mrc_status status = mrc_cut_options(options, &w->info.contract, contrast, vol, name, err);
    options->size = size;
    options->cut = w->cut;
    return status;
}

static enum mrc_status cut_slices(struct mrc_slices *out, const struct work *w, int64_t size,
                                  enum mrc_contrast contrast, const mrc_volume *vol,
                                  const char *name, struct mrc_error *err) {
    struct mrc_slices_options options;
    enum mrc_status status = cut_options(&options, w, size, contrast, vol, name, err);
    return status == MRC_OK ? mrc_slices_from_volume(out, vol, name, &options, err) : status;
}

static enum mrc_status make_slices(struct mrc_slices *out, const struct work *w,
                                   enum mrc_contrast contrast, const mrc_volume *vol,
                                   const char *name, struct mrc_error *err) {
    return cut_slices(out, w, mrc_generator_size(w->generator), contrast, vol, name, err);
}

static double room_of(const struct work *w, enum mrc_contrast contrast) {
    return mrc_contract_room(&w->info.contract, contrast);
}

static const struct mrc_trained_images *trained_images(const struct work *w) {
    return &w->info.trained[mrc_contract_index(&w->info.contract, w->from)];
}

/* In slices of the size that was trained on, whatever size is worked on. */
static enum mrc_status compare_with_training(struct work *w, struct mrc_error *err) {
    struct mrc_slices slices = {0};
    if (trained_images(w)->slices == 0) return MRC_OK;
    enum mrc_status status =
        cut_slices(&slices, w, w->info.settings.size, w->from, w->source, w->options->input, err);
    if (status == MRC_OK) status = mrc_likeness_measure(&w->looks, &slices, err);
    mrc_slices_clear(&slices);
    if (status == MRC_OK &&
        mrc_likeness_distance(&w->looks, trained_images(w), w->from) >= MRC_LIKENESS_FAR)
        mrc_events_note(w->events, "%s: far from the images the model was trained on",
                        w->options->input);
    return status;
}

/* --- The sheet --- */

static enum mrc_status load_truth(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    struct mrc_image_options image = {
        .assume_ras = o->assume_ras, .allow_synthetic = true, .allow_derived = true};
    mrc_volume *raw = NULL;
    enum mrc_status status = mrc_image_load(&raw, o->truth, &image, err);
    if (status == MRC_OK) {
        enum mrc_contrast found = mrc_volume_provenance(raw)->contrast;
        if (found != MRC_CONTRAST_UNKNOWN && found != o->to)
            mrc_events_note(w->events, "%s: recognised as %s, shown as the true %s", o->truth,
                            mrc_contrast_name(found), mrc_contrast_name(o->to));
        status = keep_files(o, raw, err);
    }
    if (status == MRC_OK) status = mrc_regrid_like(&w->truth, raw, w->source, o->truth, err);
    mrc_volume_destroy(raw);
    if (status == MRC_OK) status = make_slices(&w->wanted, w, o->to, w->truth, o->truth, err);
    return status;
}

enum { SHEET_ROWS = 6, SHEET_COLUMNS = 3 };

/* Evenly spaced slices between the first and the last that show the head. */
static size_t choose_slices(int64_t chosen[SHEET_ROWS], const struct mrc_slices *slices) {
    int64_t first = 0, last = slices->count - 1;
    while (first < last && slices->foreground[first] < 0.1f) ++first;
    while (last > first && slices->foreground[last] < 0.1f) --last;
    int64_t span = last - first + 1;
    int64_t rows = span < SHEET_ROWS ? span : SHEET_ROWS;
    for (int64_t r = 0; r < rows; ++r)
        chosen[rows - 1 - r] = first + (2 * r + 1) * span / (2 * rows);
    return (size_t)rows;
}

static enum mrc_status render_sheet(unsigned char **png, size_t *size, const struct work *w,
                                    struct mrc_error *err) {
    int64_t chosen[SHEET_ROWS], plane = w->before.size * w->before.size;
    size_t rows = choose_slices(chosen, &w->before), columns = w->wanted.pixels != NULL ? 3 : 2;
    const float *images[SHEET_ROWS * SHEET_COLUMNS];
    const double result_white = 1.0 / room_of(w, w->options->to);
    const double white[SHEET_COLUMNS] = {1.0 / room_of(w, w->from), result_white, result_white};
    char row_text[SHEET_ROWS][32], source_text[32], result_text[48], truth_text[32];
    const char *row_labels[SHEET_ROWS];
    const char *column_labels[SHEET_COLUMNS] = {source_text, result_text, truth_text};
    char footer[160];
    for (size_t r = 0; r < rows; ++r) {
        images[r * columns] = w->before.pixels + chosen[r] * plane;
        images[r * columns + 1] = w->after.pixels + chosen[r] * plane;
        if (columns == 3) images[r * columns + 2] = w->wanted.pixels + chosen[r] * plane;
        snprintf(row_text[r], sizeof row_text[r], "slice %lld", (long long)chosen[r] + 1);
        row_labels[r] = row_text[r];
    }
    snprintf(source_text, sizeof source_text, "%s (source)", mrc_contrast_name(w->from));
    snprintf(result_text, sizeof result_text, "%s (synthetic)", mrc_contrast_name(w->options->to));
    snprintf(truth_text, sizeof truth_text, "%s (true)", mrc_contrast_name(w->options->to));
    snprintf(footer, sizeof footer, "Synthetic images, not for diagnosis. Model %s%s.",
             w->info.name,
             mrc_volume_geometry(w->source)->physical ? "; patient's right is on the left" : "");
    struct mrc_sheet sheet = {.footer = footer,
                              .rows = rows,
                              .columns = columns,
                              .images = images,
                              .image_width = w->before.size,
                              .image_height = w->before.size,
                              .zoom = w->before.size > 128  ? 1
                                      : w->before.size > 64 ? 2
                                                            : 3,
                              .column_white = white,
                              .column_labels = column_labels,
                              .row_labels = row_labels};
    return mrc_sheet_render(png, size, &sheet, err);
}

/* The sheet under its temporary name; nothing to do when none is wanted. */
static enum mrc_status prepare_sheet(struct mrc_output *out, struct work *w,
                                     struct mrc_error *err) {
    if (w->options->sheet == NULL) return MRC_OK;
    unsigned char *png = NULL;
    size_t size = 0;
    enum mrc_status status = MRC_OK;
    if (w->options->truth != NULL) status = load_truth(w, err);
    if (status == MRC_OK) status = render_sheet(&png, &size, w, err);
    if (status == MRC_OK) status = mrc_place_make_parent(w->options->sheet, err);
    if (status == MRC_OK) status = mrc_output_clean(w->options->sheet, err);
    if (status == MRC_OK) status = mrc_output_open_file(out, w->options->sheet, err);
    if (status == MRC_OK && fwrite(png, 1, size, out->stream) != size)
        status = mrc_fail(err, MRC_ERR_WRITE, "%s: cannot be written", w->options->sheet);
    if (status == MRC_OK)
        status = mrc_output_flush(out, err); /* a full disk shows before the rest */
    mrc_free(png);
    return status;
}

/* --- Writing --- */

/* What would appear is asked as if somebody else had written it. What the source's patient or study
 * has wrong stays wrong: the series of one study must not differ. */
static enum mrc_status check_series(const char *folder, const char *output, struct mrc_error *err) {
    struct mrc_dicom_check check;
    enum mrc_status status = mrc_dicom_check_folder(&check, folder, err);
    if (status != MRC_OK) return status;
    for (size_t f = 0; status == MRC_OK && f < check.count; ++f)
        if (check.findings[f].level == MRC_FINDING_ERROR && !check.findings[f].inherited)
            status = mrc_fail(
                err, MRC_ERR_FORMAT, "%s: not written, for %s of the new series would be wrong: %s",
                output, check.findings[f].file != NULL ? check.findings[f].file : "all",
                check.findings[f].text);
    if (status == MRC_OK && !check.synthetic)
        status = mrc_fail(err, MRC_ERR_FORMAT,
                          "%s: not written, for the new series would not be marked as synthetic",
                          output);
    mrc_dicom_check_clear(&check);
    return status;
}

static const char *upsampling_name(enum mrc_upsampling upsampling) {
    return upsampling == MRC_UPSAMPLE_CUBIC ? "cubic" : "guided";
}

static enum mrc_status describe(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    const struct mrc_contract *c = &w->info.contract;
    mrc_slices_record_print(&w->steps, &w->before.record);
    if (o->grid == MRC_GRID_SOURCE)
        mrc_text_appendf(&w->steps, "; back to the source's grid, %s",
                         o->upsampling == MRC_UPSAMPLE_CUBIC
                             ? "cubic"
                             : "with the source's detail beyond the slices (guided)");
    for (int cut = 0; cut < MRC_CUT_COUNT; ++cut)
        if ((w->others & 1u << cut) != 0)
            mrc_text_appendf(&w->steps, "; fused with %s slices (mean)",
                             mrc_cut_name((enum mrc_cut)cut));
    mrc_text_appendf(&w->settings,
                     "from=%s;to=%s;generator=%s;channels=%lld;size=%lld;low_percentile=%g;"
                     "high_percentile=%g;grid=%s;upsampling=%s;mirror=%d;assume_ras=%d",
                     mrc_contrast_name(w->from), mrc_contrast_name(o->to),
                     mrc_generator_kind_name(mrc_cyclegan_generator_of(
                         &w->info.settings, mrc_checkpoint_generator(&w->info, o->to))),
                     (long long)w->info.settings.channels, (long long)w->before.size,
                     c->low_percentile, c->high_percentile,
                     o->grid == MRC_GRID_MODEL ? "model" : "source",
                     o->grid == MRC_GRID_MODEL ? "none" : upsampling_name(o->upsampling),
                     !o->no_mirror && w->others == 0, o->assume_ras);
    if (o->int16) mrc_text_appendf(&w->settings, ";datatype=int16");
    if (c->pixel_mm > 0.0) mrc_text_appendf(&w->settings, ";pixel_mm=%g", c->pixel_mm);
    if (room_of(w, w->from) > 1.0 || room_of(w, o->to) > 1.0)
        mrc_text_appendf(&w->settings, ";room_from=%g;room_to=%g", room_of(w, w->from),
                         room_of(w, o->to));
    return w->steps.failed || w->settings.failed ? no_memory(w, err) : MRC_OK;
}

/* An image and the place it is written to; first under a temporary name. */
struct image {
    const mrc_volume *vol;
    const char *path;
    enum mrc_source_kind format;
    struct mrc_derivation derivation;
    struct mrc_output folder;
    struct mrc_nifti_files files; /* instead of a folder, for NIfTI */
};

static struct image make_image(const struct work *w, const mrc_volume *vol, const char *path) {
    return (struct image){
        .vol = vol,
        .path = path,
        .format = path != NULL ? format_at(w, path) : MRC_SOURCE_NONE,
        .derivation = {.from = w->from,
                       .to = w->options->to,
                       .software_version = MRC_VERSION,
                       .model_name = w->info.name,
                       .model_hash = w->info.hash,
                       .steps = w->steps.data,
                       .settings = w->settings.data,
                       .cycle_error = vol == w->error,
                       .white = vol == w->error ? 0.0 : 1.0 / room_of(w, w->options->to),
                       .deidentified = w->options->deidentify,
                       .int16 = w->options->int16,
                       .reformatted = w->before.record.reformat.used}};
}

/* All that can fail but the renaming. */
static enum mrc_status prepare_image(struct image *image, const struct work *w,
                                     struct mrc_error *err) {
    const bool replace = w->options->replace;
    struct mrc_output *out = &image->folder;
    enum mrc_status status = check_cancelled(w, err);
    if (status == MRC_OK) /* it may have come meanwhile */
        status = check_output(image->path, replace, image->format, err);
    if (status == MRC_OK) status = mrc_place_make_parent(image->path, err);
    if (status == MRC_OK && image->format == MRC_SOURCE_NIFTI)
        return mrc_nifti_prepare_derived(&image->files, image->vol, w->source, &image->derivation,
                                         image->path, err);
    if (status != MRC_OK) return status;
    status = mrc_output_open_dir(out, image->path, replace, err);
    if (status == MRC_OK && image->format == MRC_SOURCE_DICOM)
        status =
            mrc_dicom_save_derived(image->vol, w->source, &image->derivation, out->temporary, err);
    else if (status == MRC_OK)
        status =
            mrc_png_save_derived(image->vol, w->source, &image->derivation, out->temporary, err);
    if (status == MRC_OK && image->format == MRC_SOURCE_DICOM && w->options->deidentify)
        status = mrc_deidentify_in_place(out->temporary, &w->key, err);
    if (status == MRC_OK && image->format == MRC_SOURCE_DICOM)
        status = check_series(out->temporary, image->path, err);
    return status == MRC_OK ? check_cancelled(w, err) : status;
}

static enum mrc_status place_image(struct image *image, struct mrc_error *err) {
    return image->format == MRC_SOURCE_NIFTI ? mrc_nifti_place(&image->files, err)
                                             : mrc_output_place(&image->folder, err);
}

static enum mrc_status finish_image(struct image *image, struct mrc_error *err) {
    return image->format == MRC_SOURCE_NIFTI ? mrc_nifti_commit(&image->files, err)
                                             : mrc_output_commit(&image->folder, err);
}

static void discard_image(struct image *image) {
    mrc_nifti_discard(&image->files);
    mrc_output_discard(&image->folder);
}

/* What goes with the images: the sheet, the report, the description of a BIDS folder; those that
 * are not wanted have no path. */
enum { COMPANIONS = 3 };

/* All are whole before any appears, and the result is the last: where it is, the rest is. Where one
 * cannot get its name, what had the others' comes back. */
static enum mrc_status write_all(const struct work *w, struct mrc_output companions[COMPANIONS],
                                 struct mrc_error *err) {
    struct image result = make_image(w, w->result, w->options->output);
    struct image error = make_image(w, w->error, w->options->uncertainty);
    const bool with_error = w->error != NULL;
    enum mrc_status status = prepare_image(&result, w, err);
    if (status == MRC_OK && with_error) status = prepare_image(&error, w, err);
    if (status == MRC_OK && with_error) status = place_image(&error, err);
    for (int c = 0; c < COMPANIONS; ++c)
        if (status == MRC_OK && companions[c].path != NULL)
            status = mrc_output_place(&companions[c], err);
    if (status == MRC_OK) status = place_image(&result, err);
    if (status == MRC_OK && with_error) status = finish_image(&error, err);
    for (int c = 0; c < COMPANIONS; ++c)
        if (status == MRC_OK && companions[c].path != NULL)
            status = mrc_output_commit(&companions[c], err);
    if (status == MRC_OK) status = finish_image(&result, err);
    discard_image(&error);
    discard_image(&result);
    return status;
}

/* --- The way back --- */

/* Where the way there knows a size that the way back does not, both are gone at the model's own. */
static enum mrc_status settle_cycle(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    w->there[0] = &w->before;
    w->there[1] = &w->after;
    if (knows_size(w, w->from, w->before.size)) return MRC_OK;
    enum mrc_status status = load_generator(w, o->to, w->info.settings.size, err);
    if (status == MRC_OK)
        status = make_slices(&w->trained[0], w, w->from, w->source, o->input, err);
    if (status == MRC_OK)
        status = translate_slices(&w->trained[1], &w->trained[0], w, "translating", err);
    for (int n = 0; n < 2; ++n) w->there[n] = &w->trained[n];
    return status;
}

static enum mrc_status go_back(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (o->report == NULL && o->uncertainty == NULL) return MRC_OK;
    enum mrc_status status = settle_cycle(w, err);
    if (status == MRC_OK) status = load_generator(w, w->from, w->there[0]->size, err);
    return status == MRC_OK ? translate_slices(&w->cycle, w->there[1], w, "there and back", err)
                            : status;
}

static enum mrc_status save_capture(const struct mrc_report *report, const struct work *w,
                                    const char *folder, struct mrc_error *err) {
    const struct image result = make_image(w, w->result, NULL);
    uint16_t *grey = NULL;
    int width = 0, height = 0;
    char *path = mrc_path_join(folder, "report.dcm");
    enum mrc_status status = path != NULL ? MRC_OK : no_memory(w, err);
    if (status == MRC_OK) status = mrc_report_picture(&grey, &width, &height, report, err);
    const struct mrc_dicom_capture capture = {.grey = grey, .columns = width, .rows = height};
    if (status == MRC_OK && grey != NULL)
        status = mrc_dicom_save_capture(&capture, w->source, &result.derivation, path, err);
    mrc_free(path);
    mrc_free(grey);
    return status;
}

/* The report in its temporary folder; nothing to do when none is wanted. */
static enum mrc_status prepare_report(struct mrc_output *out, struct work *w,
                                      struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (o->report == NULL) return MRC_OK;
    struct mrc_report report = {
        .from = w->from,
        .to = o->to,
        .recognised = mrc_volume_provenance(w->source)->contrast,
        .of_pictures = mrc_volume_provenance(w->source)->kind == MRC_SOURCE_PNG,
        .version = MRC_VERSION,
        .model_name = w->info.name,
        .model_hash = w->info.hash,
        .steps = w->steps.data,
        .settings = w->settings.data,
        .input = &w->looks,
        .trained = trained_images(w),
        .calibration = &w->info.calibration[mrc_contract_index(&w->info.contract, o->to)],
        .room = room_of(w, w->from),
        .room_to = room_of(w, o->to),
        .before = w->there[0],
        .after = w->there[1],
        .cycle = &w->cycle};
    enum mrc_status status = mrc_report_measure(&report, err);
    if (status == MRC_OK) status = mrc_place_make_parent(o->report, err);
    if (status == MRC_OK) status = mrc_output_open_dir(out, o->report, o->replace, err);
    if (status == MRC_OK) status = mrc_report_write(&report, out->temporary, err);
    if (status == MRC_OK && o->report_dicom) status = save_capture(&report, w, out->temporary, err);
    mrc_report_clear(&report);
    return status;
}

/* |source - there and back| of the slices, laid where the result lies. */
static enum mrc_status lay_out_error(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    if (o->uncertainty == NULL) return MRC_OK;
    const int64_t count = w->cycle.count * w->cycle.size * w->cycle.size;
    struct mrc_slices error = w->cycle;
    error.pixels = mrc_alloc((size_t)count, sizeof *error.pixels);
    if (error.pixels == NULL) return no_memory(w, err);
    for (int64_t n = 0; n < count; ++n)
        error.pixels[n] = fabsf(w->there[0]->pixels[n] - w->cycle.pixels[n]);
    enum mrc_status status = o->grid == MRC_GRID_MODEL
                                 ? mrc_slices_to_model_grid(&w->error, &error, w->source, err)
                                 : mrc_slices_to_volume(&w->error, &error, w->source, err);
    mrc_free(error.pixels);
    return status;
}

static void fill_report(struct mrc_translate_report *report, const struct work *w) {
    if (report == NULL) return;
    *report =
        (struct mrc_translate_report){.format = w->format,
                                      .recognised = mrc_volume_provenance(w->source)->contrast,
                                      .extent = mrc_volume_extent(w->result),
                                      .slices = w->before.count};
    memcpy(report->model_name, w->info.name, sizeof report->model_name);
    (void)snprintf(report->output, sizeof report->output, "%s", w->options->output);
}

/* Translated slices on the grid they are wanted on. */
static enum mrc_status lay_out(mrc_volume **out, const struct work *w,
                               const struct mrc_slices *after, const struct mrc_slices *before,
                               struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    struct mrc_detail_options detail = MRC_DETAIL_DEFAULTS;
    if (o->grid == MRC_GRID_MODEL) return mrc_slices_to_model_grid(out, after, w->source, err);
    if (o->upsampling == MRC_UPSAMPLE_CUBIC)
        return mrc_slices_to_volume(out, after, w->source, err);
    /* grey values of a contrast with room are so many times smaller */
    const double from = room_of(w, w->from), to = room_of(w, o->to);
    detail.variance /= from * from;
    detail.largest *= from / to;
    return mrc_slices_to_volume_detailed(out, after, before, w->source, &detail, err);
}

/* *planes grows where these slices have an image: everywhere, unless the field of view was cut. */
static enum mrc_status count_plane(float *planes, const struct work *w,
                                   const struct mrc_slices *slices, struct mrc_error *err) {
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(w->source));
    float *covered = mrc_alloc(count, sizeof *covered);
    if (covered == NULL) return no_memory(w, err);
    enum mrc_status status = mrc_slices_cover(covered, slices, w->source, err);
    for (size_t v = 0; status == MRC_OK && v < count; ++v) planes[v] += covered[v];
    mrc_free(covered);
    return status;
}

/* What slices of another plane say, added to the result. */
static enum mrc_status add_plane(struct work *w, float *planes, enum mrc_cut cut,
                                 struct mrc_error *err) {
    const char *name = w->options->input;
    struct mrc_slices_options options;
    struct mrc_slices before = {0}, after = {0};
    mrc_volume *vol = NULL;
    enum mrc_status status =
        cut_options(&options, w, mrc_generator_size(w->generator), w->from, w->source, name, err);
    options.cut = cut;
    options.limits = &w->before.record.normalise;
    if (status == MRC_OK) status = mrc_slices_from_volume(&before, w->source, name, &options, err);
    if (status == MRC_OK) status = translate_slices(&after, &before, w, mrc_cut_name(cut), err);
    if (status == MRC_OK) status = lay_out(&vol, w, &after, &before, err);
    if (status == MRC_OK) status = count_plane(planes, w, &before, err);
    if (status == MRC_OK) {
        const float *more = mrc_volume_voxels_const(vol);
        float *sum = mrc_volume_voxels(w->result);
        const int64_t count = mrc_extent_count(mrc_volume_extent(vol));
        for (int64_t v = 0; v < count; ++v) sum[v] += more[v];
    }
    mrc_volume_destroy(vol);
    mrc_slices_clear(&after);
    mrc_slices_clear(&before);
    return status;
}

/* The mean over all planes: slice-wise translation leaves steps between slices, and each plane's
 * lie across another's images. */
static enum mrc_status fuse_planes(struct work *w, struct mrc_error *err) {
    enum mrc_status status = lay_out(&w->result, w, &w->after, &w->before, err);
    if (status != MRC_OK || w->others == 0) return status;
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(w->result));
    float *planes = mrc_alloc(count, sizeof *planes);
    status = planes != NULL ? count_plane(planes, w, &w->before, err) : no_memory(w, err);
    for (int cut = 0; status == MRC_OK && cut < MRC_CUT_COUNT; ++cut)
        if ((w->others & 1u << cut) != 0) status = add_plane(w, planes, (enum mrc_cut)cut, err);
    float *sum = mrc_volume_voxels(w->result);
    for (size_t v = 0; status == MRC_OK && v < count; ++v)
        if (planes[v] > 1.0f) sum[v] /= planes[v];
    mrc_free(planes);
    return status;
}

/* Beyond the field of view that the model was trained on there is no result. */
static void tell_what_is_cut(const struct work *w) {
    const struct mrc_square_record *square = &w->before.record.square;
    if (square->cut_head > 0.0)
        mrc_events_note(w->events,
                        "%s: %.2g %% of the head lie outside the model's field of view of %g mm, "
                        "where the result is 0",
                        w->options->input, 100.0 * square->cut_head, square->side_mm);
}

/* From the source's voxels to the result's. */
static enum mrc_status compute(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    enum mrc_status status = load_generator(w, o->to, 0, err);
    if (status == MRC_OK) status = make_slices(&w->before, w, w->from, w->source, o->input, err);
    if (status == MRC_OK) tell_what_is_cut(w);
    if (status == MRC_OK) status = compare_with_training(w, err);
    if (status == MRC_OK) status = translate_slices(&w->after, &w->before, w, "translating", err);
    return status == MRC_OK ? fuse_planes(w, err) : status;
}

static enum mrc_status run(struct work *w, struct mrc_error *err) {
    const struct mrc_translate_options *o = w->options;
    struct mrc_output companions[COMPANIONS] = {0};
    struct mrc_output *sheet = &companions[0], *page = &companions[1],
                      *description = &companions[2];
    enum mrc_status status = load_source(w, err);
    const char *root = o->output;
    if (status == MRC_OK) status = check_capture(w, err);
    if (status == MRC_OK) status = settle_bids(w, err);
    if (status == MRC_OK) status = settle_format(w, err);
    if (status == MRC_OK) status = check_cancelled(w, err);
    if (status == MRC_OK) status = compute(w, err);
    if (status == MRC_OK) status = prepare_sheet(sheet, w, err);
    if (status == MRC_OK) status = describe(w, err);
    if (status == MRC_OK) status = go_back(w, err);
    if (status == MRC_OK) status = lay_out_error(w, err);
    if (status == MRC_OK) status = prepare_report(page, w, err);
    if (status == MRC_OK && o->bids) status = write_description(description, root, err);
    if (status == MRC_OK) status = write_all(w, companions, err);
    for (int c = COMPANIONS - 1; c >= 0; --c) mrc_output_discard(&companions[c]);
    return status;
}

/* What the model makes `to` from. */
static enum mrc_status settle_contrasts(struct work *w, struct mrc_error *err) {
    enum mrc_status status = mrc_model_file_find(&w->model, w->options->model, err);
    if (status == MRC_OK) status = mrc_checkpoint_describe(&w->info, w->model, err);
    w->from = w->options->from;
    return status == MRC_OK
               ? mrc_contract_settle_from(&w->from, &w->info.contract, w->options->to, err)
               : status;
}

enum mrc_status mrc_translate_run(const struct mrc_translate_options *options,
                                  struct mrc_translate_report *report,
                                  const struct mrc_events *events, struct mrc_error *err) {
    MRC_ASSERT(options->input != NULL && options->output != NULL && options->batch >= 0);
    struct work w = {.settled = *options, .events = events};
    w.options = &w.settled;
    enum mrc_status status = settle_contrasts(&w, err);
    if (status == MRC_OK) status = settle_key(&w, err);
    if (status == MRC_OK && !options->bids) status = settle_report(&w, err);
    if (status == MRC_OK && !options->bids) status = check_places(&w.settled, err);
    if (status == MRC_OK) status = run(&w, err);
    if (status == MRC_OK) fill_report(report, &w);
    work_clear(&w);
    return status;
}

enum mrc_status mrc_translate_volume(mrc_volume **out, const mrc_volume *source,
                                     const struct mrc_translate_options *options,
                                     const struct mrc_events *events, struct mrc_error *err) {
    struct work w = {.settled = *options, .events = events, .source = (mrc_volume *)source};
    w.options = &w.settled;
    w.settled.input = "the volume";
    enum mrc_status status = settle_contrasts(&w, err);
    if (status == MRC_OK) status = compute(&w, err);
    if (status == MRC_OK) {
        *out = w.result;
        w.result = NULL;
    }
    w.source = NULL; /* the caller's */
    work_clear(&w);
    return status;
}
