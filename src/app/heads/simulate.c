/* simulate.c: writing a set. Several subjects are made at a time, each by one thread; a single one
 * by all of them, slice by slice. A subject's folder gets its name when it is whole, so that an
 * interrupted run is gone on with by making what is missing. */
#include "app/heads/simulate.h"

#include <stdio.h>
#include <string.h>

#include "app/common/place.h"
#include "app/heads/head.h"
#include "app/heads/library.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/parallel.h"
#include "base/text.h"
#include "io/dicom/derived.h"

enum { NIFTI_UINT8 = 2, NIFTI_INT16 = 4, LONGEST_STEM = 24 };

struct set {
    const struct mrc_simulate_options *options;
    struct mrc_sim_library library;
    char *partial; /* the folder that becomes the set */
};

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a computed head");
}

static void stem_of(char out[LONGEST_STEM], int64_t subject) {
    snprintf(out, LONGEST_STEM, "sub-%05lld", (long long)subject);
}

/* --- One subject in memory --- */

/* Volumes of one head; NULL where a contrast is not wanted. */
struct volumes {
    mrc_volume *image[MRC_SIM_CONTRASTS], *tissue, *lesion;
};

static void volumes_clear(struct volumes *v) {
    for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) mrc_volume_destroy(v->image[c]);
    mrc_volume_destroy(v->tissue);
    mrc_volume_destroy(v->lesion);
}

static enum mrc_status volumes_create(struct volumes *v, const struct mrc_sim_grid *grid,
                                      unsigned contrasts, struct mrc_error *err) {
    struct mrc_geometry geometry;
    const struct mrc_extent extent = {grid->n[0], grid->n[1], grid->n[2]};
    *v = (struct volumes){.tissue = NULL};
    enum mrc_status st = mrc_sim_grid_geometry(&geometry, grid, err);
    if (st == MRC_OK) st = mrc_volume_create(&v->tissue, extent, &geometry, err);
    if (st == MRC_OK) st = mrc_volume_create(&v->lesion, extent, &geometry, err);
    for (int c = 0; c < MRC_SIM_CONTRASTS && st == MRC_OK; ++c)
        if (contrasts >> c & 1u) st = mrc_volume_create(&v->image[c], extent, &geometry, err);
    return st;
}

struct rendering {
    const struct mrc_sim_head *head;
    struct volumes *volumes;
    mrc_sim_scratch **scratch; /* one a lane */
};

static void render_slices(void *context, size_t begin, size_t end, int lane) {
    const struct rendering *r = context;
    const struct mrc_sim_grid *g = &r->head->scan.grid;
    const size_t slice = (size_t)g->n[0] * (size_t)g->n[1];
    for (size_t k = begin; k < end; ++k) {
        float *image[MRC_SIM_CONTRASTS] = {NULL};
        for (int c = 0; c < MRC_SIM_CONTRASTS; ++c)
            if (r->volumes->image[c] != NULL)
                image[c] = mrc_volume_voxels(r->volumes->image[c]) + k * slice;
        mrc_sim_head_render(r->head, (int)k, r->scratch[lane], image,
                            mrc_volume_voxels(r->volumes->tissue) + k * slice,
                            mrc_volume_voxels(r->volumes->lesion) + k * slice);
    }
}

/* `lanes` is 1 inside a loop over subjects. */
static enum mrc_status render(struct volumes *v, const struct mrc_sim_head *head, int lanes,
                              struct mrc_error *err) {
    mrc_sim_scratch *scratch[MRC_MAX_THREADS] = {NULL};
    const struct rendering r = {.head = head, .volumes = v, .scratch = scratch};
    enum mrc_status st = MRC_OK;
    for (int l = 0; l < lanes && st == MRC_OK; ++l)
        st = mrc_sim_scratch_create(&scratch[l], head, err);
    if (st == MRC_OK && lanes > 1)
        mrc_parallel_for((size_t)head->scan.grid.n[2], 1, render_slices, (void *)(uintptr_t)&r);
    if (st == MRC_OK && lanes == 1)
        render_slices((void *)(uintptr_t)&r, 0, (size_t)head->scan.grid.n[2], 0);
    for (int l = 0; l < lanes; ++l) mrc_sim_scratch_destroy(scratch[l]);
    return st;
}

/* --- One subject on the disk --- */

static enum mrc_status write_text(const char *dir, const char *name, struct mrc_text *text,
                                  struct mrc_error *err) {
    char *path = mrc_path_join(dir, name);
    enum mrc_status st = path == NULL || text->failed
                             ? no_memory(err)
                             : mrc_write_file(path, text->data, text->size, err);
    mrc_free(path);
    mrc_text_clear(text);
    return st;
}

static void append_seconds(struct mrc_text *text, const char *name, double ms) {
    char number[20];
    mrc_print_decimal(number, sizeof number, ms / 1000.0);
    mrc_text_appendf(text, ",\n  \"%s\": %s", name, number);
}

/* BIDS counts in seconds. */
static enum mrc_status write_sidecar(const char *anat, const char *stem, int contrast,
                                     const struct mrc_sim_head *head, struct mrc_error *err) {
    static const char *const scanning[] = {"SE", "SE", "SE_IR", "GR_IR", "GR"};
    const struct mrc_sim_sequence *s = &head->physics.sequence[contrast];
    const char *name = mrc_contrast_name(mrc_sim_contrasts[contrast]);
    struct mrc_text text = {0};
    char file[80];
    snprintf(file, sizeof file, "%s_%s.json", stem, name);
    mrc_text_appendf(&text,
                     "{\n  \"Modality\": \"MR\",\n  \"Manufacturer\": \"mrcycle simulate\",\n"
                     "  \"MagneticFieldStrength\": %.3g,\n  \"SeriesDescription\": \"%s %s\",\n"
                     "  \"ScanningSequence\": \"%s\",\n  \"MRAcquisitionType\": \"%s\"",
                     head->physics.field_t, name, mrc_sim_sequence_name(s->kind), scanning[s->kind],
                     head->scan.isotropic ? "3D" : "2D");
    append_seconds(&text, "EchoTime", s->te_ms);
    append_seconds(&text, "RepetitionTime", s->tr_ms);
    if (s->ti_ms > 0.0) append_seconds(&text, "InversionTime", s->ti_ms);
    mrc_text_appendf(&text,
                     ",\n  \"FlipAngle\": %.4g,\n  \"SliceThickness\": %.4g,\n"
                     "  \"SkullStripped\": %s,\n  \"Pathology\": \"%s\"\n}\n",
                     s->flip_deg,
                     head->scan.image[contrast].thickness * head->scan.grid.spacing_mm[2],
                     head->scan.stripped ? "true" : "false", mrc_sim_lesion_name(head->lesion));
    return write_text(anat, file, &text, err);
}

static enum mrc_status write_volume(const mrc_volume *vol, const char *anat, const char *stem,
                                    const char *suffix, int datatype, struct mrc_error *err) {
    char *path = mrc_asprintf("%s/%s_%s.nii.gz", anat, stem, suffix);
    enum mrc_status st =
        path == NULL ? no_memory(err)
                     : mrc_nifti_save(vol, path, datatype, "generated head, no patient", err);
    mrc_free(path);
    return st;
}

static enum mrc_status write_files(const char *anat, const char *stem,
                                   const struct mrc_sim_head *head, const struct volumes *v,
                                   struct mrc_error *err) {
    enum mrc_status st = mrc_make_dirs(anat, err);
    for (int c = 0; c < MRC_SIM_CONTRASTS && st == MRC_OK; ++c) {
        if (v->image[c] == NULL) continue;
        st = write_volume(v->image[c], anat, stem, mrc_contrast_name(mrc_sim_contrasts[c]),
                          NIFTI_INT16, err);
        if (st == MRC_OK) st = write_sidecar(anat, stem, c, head, err);
    }
    if (st == MRC_OK) st = write_volume(v->tissue, anat, stem, "dseg", NIFTI_UINT8, err);
    if (st == MRC_OK)
        st = write_volume(v->lesion, anat, stem, "label-lesion_mask", NIFTI_UINT8, err);
    return st;
}

static enum mrc_status write_folder(const char *dir, const char *stem,
                                    const struct mrc_sim_head *head, const struct volumes *v,
                                    struct mrc_error *err) {
    struct mrc_output output = {0};
    enum mrc_status st = mrc_output_open_dir(&output, dir, false, err);
    if (st != MRC_OK) return st;
    char *anat = mrc_path_join(output.temporary, "anat");
    st = anat == NULL ? no_memory(err) : write_files(anat, stem, head, v, err);
    if (st == MRC_OK) st = mrc_output_commit(&output, err);
    mrc_output_discard(&output);
    mrc_free(anat);
    return st;
}

static enum mrc_status draw_head(struct mrc_sim_head *head, const struct set *set, int64_t subject,
                                 struct mrc_error *err) {
    const struct mrc_simulate_options *o = set->options;
    const size_t map = mrc_sim_library_choose(&set->library, o->seed, (uint64_t)subject);
    return mrc_sim_head_init(head, &o->config, set->library.map[map], &set->library.normals,
                             o->seed, (uint64_t)subject, -1, err);
}

static enum mrc_status make_subject(const struct set *set, int64_t subject, int lanes,
                                    struct mrc_error *err) {
    struct mrc_sim_head head = {.map = NULL};
    struct volumes volumes = {.tissue = NULL};
    char stem[LONGEST_STEM];
    stem_of(stem, subject);
    char *dir = mrc_path_join(set->partial, stem);
    if (dir == NULL) return no_memory(err);
    if (mrc_path_is_dir(dir)) { /* made by a run that was interrupted */
        mrc_free(dir);
        return MRC_OK;
    }
    enum mrc_status st = draw_head(&head, set, subject, err);
    if (st == MRC_OK) st = mrc_sim_head_prepare(&head, 0, head.scan.grid.n[2] - 1, err);
    if (st == MRC_OK) st = volumes_create(&volumes, &head.scan.grid, set->options->contrasts, err);
    if (st == MRC_OK) st = render(&volumes, &head, lanes, err);
    if (st == MRC_OK) st = write_folder(dir, stem, &head, &volumes, err);
    volumes_clear(&volumes);
    mrc_sim_head_clear(&head);
    mrc_free(dir);
    return st;
}

/* --- All subjects --- */

struct batch {
    const struct set *set;
    int64_t first;
    struct mrc_error errors[MRC_MAX_THREADS];
    enum mrc_status status[MRC_MAX_THREADS];
};

static void make_some(void *context, size_t begin, size_t end, int lane) {
    struct batch *b = context;
    (void)lane;
    for (size_t n = begin; n < end; ++n)
        b->status[n] = make_subject(b->set, b->first + (int64_t)n, 1, &b->errors[n]);
}

static enum mrc_status make_batch(const struct set *set, int64_t first, int count,
                                  struct mrc_error *err) {
    if (count == 1) return make_subject(set, first, mrc_parallel_threads(), err);
    struct batch *b = mrc_alloc(1, sizeof *b);
    enum mrc_status st = MRC_OK;
    if (b == NULL) return no_memory(err);
    b->set = set;
    b->first = first;
    mrc_parallel_for((size_t)count, 1, make_some, b);
    for (int n = 0; n < count && st == MRC_OK; ++n)
        if (b->status[n] != MRC_OK) st = mrc_fail(err, b->status[n], "%s", b->errors[n].text);
    mrc_free(b);
    return st;
}

static enum mrc_status make_subjects(const struct set *set, const struct mrc_events *events,
                                     struct mrc_error *err) {
    const struct mrc_simulate_options *o = set->options;
    const int threads = mrc_parallel_threads();
    enum mrc_status st = MRC_OK;
    for (int64_t done = 0; done < o->subjects && st == MRC_OK;) {
        const int64_t left = o->subjects - done;
        const int count = left < threads ? (int)left : threads;
        if (mrc_events_cancelled(events))
            return mrc_fail(err, MRC_ERR_CANCELLED,
                            "simulate: stopped after %lld subjects, the same command goes on",
                            (long long)done);
        st = make_batch(set, o->first + done, count, err);
        done += count;
        mrc_events_progress(events, "computing heads", done, o->subjects);
    }
    return st;
}

static enum mrc_status read_maps(struct set *set, struct mrc_error *err) {
    const struct mrc_simulate_options *o = set->options;
    bool *wanted = mrc_alloc(set->library.count, sizeof *wanted);
    if (wanted == NULL) return no_memory(err);
    for (int64_t s = o->first; s < o->first + o->subjects; ++s)
        wanted[mrc_sim_library_choose(&set->library, o->seed, (uint64_t)s)] = true;
    enum mrc_status st = mrc_sim_library_read(&set->library, wanted, err);
    mrc_free(wanted);
    return st;
}

/* --- The set's own files --- */

static enum mrc_status write_description(const struct set *set, struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_text_appendf(&text,
                     "{\n  \"Name\": \"Computed heads, seed %llu\",\n  \"BIDSVersion\": "
                     "\"1.9.0\",\n  \"DatasetType\": \"derivative\",\n  \"GeneratedBy\": "
                     "[{\"Name\": \"mrcycle simulate\", \"Version\": \"%s\"}]\n}\n",
                     (unsigned long long)set->options->seed, MRC_VERSION);
    enum mrc_status st = write_text(set->partial, "dataset_description.json", &text, err);
    if (st != MRC_OK) return st;
    mrc_text_appendf(&text, "index\tname\tabbreviation\n");
    for (int t = 0; t < MRC_SIM_TISSUES; ++t)
        mrc_text_appendf(&text, "%d\t%s\t%s\n", t, mrc_sim_tissues[t].name,
                         mrc_sim_tissues[t].abbreviation);
    st = write_text(set->partial, "dseg.tsv", &text, err);
    if (st != MRC_OK) return st;
    mrc_text_appendf(&text,
                     "Computed heads, no patients: made by `mrcycle simulate` %s with seed %llu "
                     "from label maps.\n\nThe signal equations of each image's sequence (its "
                     "JSON) are applied to tissues with drawn relaxation times. sub-*_dseg.nii.gz "
                     "names the tissue that fills most of each voxel (dseg.tsv), "
                     "sub-*_label-lesion_mask.nii.gz the lesions.\n",
                     MRC_VERSION, (unsigned long long)set->options->seed);
    return write_text(set->partial, "README", &text, err);
}

static enum mrc_status append_participant(struct mrc_text *text, const struct set *set,
                                          int64_t subject, struct mrc_error *err) {
    static const char *const planes[] = {"axial", "sagittal", "coronal"};
    struct mrc_sim_head head = {.map = NULL};
    char stem[LONGEST_STEM];
    stem_of(stem, subject);
    enum mrc_status st = draw_head(&head, set, subject, err);
    if (st == MRC_OK)
        mrc_text_appendf(
            text, "%s\t%zu\t%s\t%.2f\t%s\t%s\t%s\n", stem,
            mrc_sim_library_choose(&set->library, set->options->seed, (uint64_t)subject) + 1,
            mrc_sim_lesion_name(head.lesion), head.physics.field_t,
            mrc_sim_sequence_name(head.physics.sequence[0].kind),
            head.scan.isotropic ? "isotropic" : planes[head.scan.grid.plane],
            head.scan.stripped ? "yes" : "no");
    mrc_sim_head_clear(&head);
    return st;
}

static enum mrc_status write_participants(const struct set *set, struct mrc_error *err) {
    struct mrc_text text = {0};
    enum mrc_status st = MRC_OK;
    mrc_text_appendf(&text,
                     "participant_id\tlabel_map\tpathology\tfield_t\tt1w\tplane\tstripped\n");
    for (int64_t s = 0; s < set->options->subjects && st == MRC_OK; ++s)
        st = append_participant(&text, set, set->options->first + s, err);
    if (st == MRC_OK) return write_text(set->partial, "participants.tsv", &text, err);
    mrc_text_clear(&text);
    return st;
}

/* All that the bytes of the set depend on. */
static enum mrc_status settings_text(struct mrc_text *out, const struct set *set,
                                     struct mrc_error *err) {
    const struct mrc_simulate_options *o = set->options;
    char maps[MRC_HASH_TEXT];
    enum mrc_status st = mrc_sim_library_digest(maps, &set->library, err);
    if (st != MRC_OK) return st;
    mrc_text_appendf(out,
                     "{\n  \"Version\": \"%s\",\n  \"Seed\": %llu,\n  \"FirstSubject\": %lld,\n"
                     "  \"Subjects\": %lld,\n  \"Contrasts\": %u,\n  \"LabelMaps\": %zu,\n"
                     "  \"LabelMapsSHA256\": \"%s\",\n  \"Ranges\": {",
                     MRC_VERSION, (unsigned long long)o->seed, (long long)o->first,
                     (long long)o->subjects, o->contrasts, set->library.count, maps);
    mrc_sim_config_append_json(out, &o->config);
    mrc_text_appendf(out, "\n  }\n}\n");
    return out->failed ? no_memory(err) : MRC_OK;
}

/* What an interrupted run left is gone on with when it was of the same settings. */
static enum mrc_status open_partial(const struct set *set, struct mrc_error *err) {
    enum { LARGEST = 1 << 20 };
    struct mrc_text text = {0};
    unsigned char *before = NULL;
    size_t size = 0;
    char *path = mrc_path_join(set->partial, "simulate.json");
    enum mrc_status st = path == NULL ? no_memory(err) : settings_text(&text, set, err);
    if (st == MRC_OK && mrc_path_exists(path)) {
        st = mrc_read_file(&before, &size, path, LARGEST, err);
        if (st == MRC_OK && (size != text.size || memcmp(before, text.data, size) != 0))
            st = mrc_fail(err, MRC_ERR_WRITE,
                          "%s: begun with other options or label maps, expected the same, or "
                          "nothing there",
                          set->partial);
    } else if (st == MRC_OK) {
        st = mrc_make_dirs(set->partial, err);
        if (st == MRC_OK) st = mrc_write_file(path, text.data, text.size, err);
    }
    mrc_free(before);
    mrc_free(path);
    mrc_text_clear(&text);
    return st;
}

static enum mrc_status check_place(const char *dir, bool replace, struct mrc_error *err) {
    static const char *const patterns[] = {"README",
                                           "dataset_description.json",
                                           "dseg.tsv",
                                           "participants.tsv",
                                           "simulate.json",
                                           "sub-*/anat/sub-*_*.json",
                                           "sub-*/anat/sub-*_*.nii.gz",
                                           NULL};
    static const struct mrc_place_kind sets = {
        .mark = "dataset_description.json", .words = "mrcycle simulate", .patterns = patterns};
    return mrc_place_check_kind(dir, replace, &sets, err);
}

static enum mrc_status make_set(struct set *set, const char *dir, const struct mrc_events *events,
                                struct mrc_error *err) {
    const struct mrc_simulate_options *o = set->options;
    enum mrc_status st = mrc_sim_library_open(&set->library, o->maps, o->map_count, o->table, err);
    if (st == MRC_OK) st = read_maps(set, err);
    if (st == MRC_OK) st = open_partial(set, err);
    if (st == MRC_OK) st = make_subjects(set, events, err);
    if (st == MRC_OK) st = write_participants(set, err);
    if (st == MRC_OK) st = write_description(set, err);
    return st == MRC_OK ? mrc_replace_dir(set->partial, dir, err) : st;
}

enum mrc_status mrc_simulate_write(const char *dir, const struct mrc_simulate_options *options,
                                   const struct mrc_events *events, struct mrc_error *err) {
    struct set set = {.options = options};
    int length = (int)strlen(dir);
    while (length > 1 && dir[length - 1] == '/') --length;
    enum mrc_status st = check_place(dir, options->replace, err);
    if (st != MRC_OK) return st;
    set.partial = mrc_asprintf("%.*s.partial", length, dir);
    st = set.partial == NULL ? no_memory(err) : make_set(&set, dir, events, err);
    mrc_sim_library_clear(&set.library);
    mrc_free(set.partial);
    return st;
}
