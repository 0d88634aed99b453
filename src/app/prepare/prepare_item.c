/* prepare_item.c: one series becomes one NIfTI file of axial slices, its sidecar, its rows. A
 * record below .work, written last, says that all are there and what they were made of. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/pages/sheet.h"
#include "app/prepare/prepare_set.h"
#include "app/privacy/clean_words.h"
#include "app/sets/cut.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "io/dicom/derived.h"
#include "preprocess/slices.h"

enum { SHEET_COLUMNS = 8, SHEET_ROWS = 2, RECORD_LIMIT = 1 << 26, FLOAT32 = 16 };

int mrc_prepare_item_order(const void *a, const void *b) {
    return strcmp(((const struct mrc_prepare_item *)a)->id,
                  ((const struct mrc_prepare_item *)b)->id);
}

char *mrc_prepare_item_name(const struct mrc_prepare_set *set, const struct mrc_prepare_item *item,
                            const char *suffix) {
    const char *s = item->subject, *contrast = mrc_contrast_name(item->info->contrast);
    int size = (int)set->options->contract.sample.h;
    if (item->session[0] == '\0')
        return mrc_asprintf("sub-%s/anat/sub-%s_acq-%s_desc-axial%d_%s%s", s, s, item->id, size,
                            contrast, suffix);
    return mrc_asprintf("sub-%s/ses-%s/anat/sub-%s_ses-%s_acq-%s_desc-axial%d_%s%s", s,
                        item->session, s, item->session, item->id, size, contrast, suffix);
}

static char *place_of(const struct mrc_prepare_set *set, const struct mrc_prepare_item *item,
                      const char *suffix) {
    char *name = mrc_prepare_item_name(set, item, suffix);
    char *path = name != NULL ? mrc_path_join(set->partial, name) : NULL;
    mrc_free(name);
    return path;
}

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a series of the set");
}

/* --- why it is not used --- */

/* Reasons name the option that lifts them, for all commands; one that prepare does not have would
 * mislead: " (--volume K takes the K-th)" is cut out. */
static void drop_strange_options(char *text) {
    static const char force[] = "(--force overrides)", map[] = "(--map overrules)";
    char *contrast = strstr(text, force);
    if (contrast != NULL) {
        memmove(contrast, map, sizeof map - 1);
        memmove(contrast + sizeof map - 1, contrast + sizeof force - 1,
                strlen(contrast + sizeof force - 1) + 1);
    }
    static const char *const own[] = {"assume-ras ", "allow-synthetic ", "allow-derived ", "map "};
    static const char mark[] = " (--";
    for (char *at = strstr(text, mark); at != NULL; at = strstr(at, mark)) {
        const char *name = at + sizeof mark - 1;
        char *end = strchr(at, ')');
        bool known = end == NULL;
        for (size_t i = 0; i < sizeof own / sizeof *own; ++i)
            known = known || strncmp(name, own[i], strlen(own[i])) == 0;
        if (known)
            ++at;
        else
            memmove(at, end + 1, strlen(end + 1) + 1);
    }
}

/* Files that the reason may name: the series' own, and the damaged ones among them, which are
 * refused by themselves. The paths stay the list's; false: out of memory. */
static bool list_names(struct mrc_name_list *out, const struct mrc_prepare_set *set,
                       const struct mrc_prepare_item *item) {
    const struct mrc_image_list *list = &set->list;
    bool damaged = item->info != NULL && item->info->status != MRC_OK &&
                   item->info->status != MRC_ERR_UNSUPPORTED;
    size_t members = item->info != NULL ? item->info->member_count : 0, length = strlen(item->path);
    size_t most = members + (damaged ? list->refused_count : 0);
    if (most == 0) return true;
    out->names = mrc_alloc(most, sizeof *out->names);
    if (out->names == NULL) return false;
    for (size_t m = 0; m < members; ++m) out->names[out->count++] = item->info->members[m];
    for (size_t r = 0; damaged && r < list->refused_count; ++r)
        if (strncmp(list->refused[r].path, item->path, length) == 0)
            out->names[out->count++] = list->refused[r].path;
    return true;
}

void mrc_prepare_item_refuse(const struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                             const char *why) {
    struct mrc_name_list names = {0};
    char text[1000];
    size_t length = strlen(item->path);
    bool of_member = strncmp(why, item->path, length) == 0 && strstr(why, ": ") != NULL;
    (void)snprintf(text, sizeof text, "%s", of_member ? strstr(why, ": ") + 2 : why);
    drop_strange_options(text);
    item->used = false;
    if (list_names(&names, set, item))
        mrc_clean_words(item->reason, sizeof item->reason, text, item->path, &names);
    else
        (void)snprintf(item->reason, sizeof item->reason, "not used");
    mrc_free(names.names);
}

/* --- what it was made of --- */

static void add_file(mrc_hash *hash, const char *path) {
    struct stat facts = {0};
    char text[80];
    mrc_hash_add_text(hash, path);
    if (stat(path, &facts) != 0) return;
    (void)snprintf(text, sizeof text, "%lld %lld %ld", (long long)facts.st_size,
                   (long long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
    mrc_hash_add_text(hash, text);
}

/* Options and files: when they are the same, so is what was made. */
static enum mrc_status fingerprint(char out[MRC_HASH_TEXT], const struct mrc_prepare_set *set,
                                   const struct mrc_prepare_item *item, struct mrc_error *err) {
    const struct mrc_prepare_options *o = set->options;
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    char text[300];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    (void)snprintf(text, sizeof text, "%s %d %d %.17g %.17g %.17g %.17g %.17g %.17g %.17g %d %d",
                   MRC_VERSION, (int)o->contract.sample.h, (int)o->contract.sample.c,
                   o->contract.pixel_mm, o->contract.low_percentile, o->contract.high_percentile,
                   mrc_contract_room(&o->contract, item->info->contrast), o->min_foreground,
                   o->keep_from, o->keep_to, o->assume_ras, item->info->synthetic);
    mrc_hash_add(hash, set->key.bytes, sizeof set->key.bytes);
    mrc_hash_add_text(hash, text);
    mrc_hash_add_text(hash, item->subject);
    mrc_hash_add_text(hash, item->session);
    mrc_hash_add_text(hash, mrc_contrast_name(item->info->contrast));
    add_file(hash, item->path);
    for (size_t m = 0; m < item->info->member_count; ++m) add_file(hash, item->info->members[m]);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print(out, digest);
    return MRC_OK;
}

/* --- the record --- */

static char *work_path(const struct mrc_prepare_set *set, const struct mrc_prepare_item *item,
                       const char *suffix) {
    return mrc_asprintf("%s/.work/%s%s", set->partial, item->id, suffix);
}

/* The record is "fingerprint\ncontent\nkept total\n" and the rows. */
static bool parse_record(struct mrc_prepare_item *item, const char *text, const char *print) {
    size_t length = strlen(print);
    int64_t kept = 0, total = 0;
    char numbers[64];
    if (strncmp(text, print, length) != 0 || text[length] != '\n') return false;
    text += length + 1;
    if (strcspn(text, "\n") != MRC_HASH_TEXT - 1) return false;
    (void)snprintf(item->content, sizeof item->content, "%.64s", text);
    text += MRC_HASH_TEXT;
    size_t line = strcspn(text, "\n");
    if (text[line] != '\n' || line >= sizeof numbers) return false;
    (void)snprintf(numbers, sizeof numbers, "%.*s", (int)line, text);
    char *second = strchr(numbers, ' ');
    if (second == NULL) return false;
    *second++ = '\0';
    if (mrc_parse_i64(&kept, numbers, 0, INT32_MAX) != MRC_OK ||
        mrc_parse_i64(&total, second, 0, INT32_MAX) != MRC_OK)
        return false;
    item->kept = kept;
    item->total = total;
    mrc_text_appendf(&item->rows, "%s", text + line + 1);
    return !item->rows.failed;
}

static bool find_record(const struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                        const char *print) {
    char *path = work_path(set, item, ".txt"), *image = place_of(set, item, ".nii.gz");
    unsigned char *text = NULL;
    size_t size = 0;
    bool found = path != NULL && image != NULL && mrc_path_exists(image) && mrc_path_exists(path) &&
                 mrc_read_file(&text, &size, path, RECORD_LIMIT, NULL) == MRC_OK &&
                 parse_record(item, (const char *)text, print);
    mrc_free(text);
    mrc_free(image);
    mrc_free(path);
    return found;
}

static enum mrc_status write_record(const struct mrc_prepare_set *set,
                                    const struct mrc_prepare_item *item, const char *print,
                                    struct mrc_error *err) {
    struct mrc_text text = {0};
    char *path = work_path(set, item, ".txt");
    mrc_text_appendf(&text, "%s\n%s\n%lld %lld\n%s", print, item->content, (long long)item->kept,
                     (long long)item->total, item->rows.data);
    enum mrc_status st = path != NULL && !text.failed
                             ? mrc_write_file(path, text.data, strlen(text.data), err)
                             : no_memory(err);
    mrc_free(path);
    mrc_text_clear(&text);
    return st;
}

/* --- slices --- */

/* Which slices are kept: enough of the head, and within the asked part of those. */
struct choice {
    bool *keep;
    int64_t first, last; /* kept ones; last < first: none */
};

static bool choose(struct choice *c, const struct mrc_slices *s,
                   const struct mrc_prepare_options *o) {
    int64_t low = s->count, high = -1;
    c->keep = mrc_alloc((size_t)s->count, sizeof *c->keep);
    if (c->keep == NULL) return false;
    for (int64_t k = 0; k < s->count; ++k) {
        if ((double)s->foreground[k] < o->min_foreground) continue;
        if (low > k) low = k;
        high = k;
    }
    c->first = s->count;
    c->last = -1;
    for (int64_t k = low; k <= high; ++k) {
        double part = 100.0 * ((double)(k - low) + 0.5) / (double)(high - low + 1);
        c->keep[k] = (double)s->foreground[k] >= o->min_foreground && part >= o->keep_from &&
                     part <= o->keep_to;
        if (!c->keep[k]) continue;
        if (c->first > k) c->first = k;
        c->last = k;
    }
    return true;
}

static enum mrc_status hash_floats(char out[MRC_HASH_TEXT], const float *values, size_t count,
                                   struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    enum mrc_status st = mrc_hash_create(&hash, err);
    if (st != MRC_OK) return st;
    mrc_hash_add(hash, values, count * sizeof *values);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print(out, digest);
    return MRC_OK;
}

static void number(char out[32], double value) {
    if (isfinite(value))
        mrc_print_decimal(out, 17, value);
    else
        (void)snprintf(out, 32, "n/a");
}

static enum mrc_status add_rows(const struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                                const struct mrc_slices *s, const struct choice *c,
                                const mrc_volume *vol, struct mrc_error *err) {
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    size_t plane = (size_t)s->size * (size_t)s->size;
    char *name = mrc_prepare_item_name(set, item, ".nii.gz");
    char lo[32], hi[32], z[32], head[32], field[32], in_plane[32], between[32], sha[MRC_HASH_TEXT];
    enum mrc_status st = name != NULL ? MRC_OK : no_memory(err);
    number(lo, s->record.normalise.lo);
    number(hi, s->record.normalise.hi);
    number(field, item->how.field_t);
    number(in_plane, g->spacing_mm[0]);
    number(between, g->spacing_mm[2]);
    for (int64_t k = c->first; st == MRC_OK && k <= c->last; ++k) {
        if (!c->keep[k]) continue;
        double middle = (double)(s->size - 1) / 2.0, index = (double)k;
        number(z, g->index_to_ras_mm[2][0] * middle + g->index_to_ras_mm[2][1] * middle +
                      g->index_to_ras_mm[2][2] * index + g->index_to_ras_mm[2][3]);
        number(head, (double)s->foreground[k]);
        st = hash_floats(sha, mrc_volume_voxels_const(vol) + (size_t)k * plane, plane, err);
        mrc_text_appendf(
            &item->rows,
            "sub-%s\t%s%s\t%s\t%s\t%lld\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t"
            "%s\t%s\t%s",
            item->subject, item->session[0] != '\0' ? "ses-" : "n/a", item->session,
            mrc_contrast_name(item->info->contrast), name, (long long)k, z, in_plane, between, lo,
            hi, head, item->id, item->how.scanner[0] != '\0' ? item->how.scanner : "n/a",
            item->how.manufacturer[0] != '\0' ? item->how.manufacturer : "n/a", field, sha);
        mrc_text_appendf(&item->rows, "\n");
        ++item->kept;
    }
    if (st == MRC_OK && item->rows.failed) st = no_memory(err);
    mrc_free(name);
    return st;
}

/* --- sidecar and picture --- */

static bool add_number(cJSON *json, const char *name, double value) {
    return !isfinite(value) || cJSON_AddNumberToObject(json, name, value) != NULL;
}

static bool add_word(cJSON *json, const char *name, const char *value) {
    return value[0] == '\0' || cJSON_AddStringToObject(json, name, value) != NULL;
}

/* BIDS gives times in seconds, DICOM in milliseconds. */
static bool fill_sidecar(cJSON *json, const struct mrc_prepare_set *set,
                         const struct mrc_prepare_item *item, const struct mrc_slices *s,
                         const char *steps) {
    const struct mrc_acquisition *a = &item->how;
    bool dicom = item->info->kind == MRC_SOURCE_DICOM;
    cJSON *own = NULL;
    return add_word(json, "Modality", "MR") && add_word(json, "Manufacturer", a->manufacturer) &&
           add_number(json, "MagneticFieldStrength", a->field_t) &&
           add_number(json, "EchoTime", a->echo_ms / 1000.0) &&
           add_number(json, "RepetitionTime", a->repetition_ms / 1000.0) &&
           add_number(json, "InversionTime", a->inversion_ms / 1000.0) &&
           add_number(json, "FlipAngle", a->flip_deg) &&
           add_number(json, "SliceThickness", a->thickness_mm) &&
           add_word(json, "ScanningSequence", a->sequence) &&
           add_word(json, "SequenceVariant", a->variant) &&
           add_word(json, "MRAcquisitionType", a->acquisition_type) &&
           add_word(json, "SpatialReference", "orig") &&
           (!item->info->synthetic || cJSON_AddTrueToObject(json, "SyntheticData") != NULL) &&
           (own = cJSON_AddObjectToObject(json, "mrcycle")) != NULL &&
           add_word(own, "Version", MRC_VERSION) && add_word(own, "Source", item->id) &&
           add_word(own, "SourceFormat", dicom ? "DICOM" : "NIfTI") &&
           add_number(own, "Size", (double)set->options->contract.sample.h) &&
           add_number(own, "IntensityLow", s->record.normalise.lo) &&
           add_number(own, "IntensityHigh", s->record.normalise.hi) &&
           add_number(own, "Room", s->record.normalise.room) &&
           add_number(own, "ForegroundFraction", s->record.normalise.foreground_fraction) &&
           add_word(own, "Steps", steps);
}

static enum mrc_status write_sidecar(const struct mrc_prepare_set *set,
                                     const struct mrc_prepare_item *item,
                                     const struct mrc_slices *s, struct mrc_error *err) {
    struct mrc_text steps = {0};
    cJSON *json = mrc_json_begin();
    char *path = place_of(set, item, ".json");
    mrc_slices_record_print(&steps, &s->record);
    char *text = json != NULL && !steps.failed &&
                         fill_sidecar(json, set, item, s, steps.data != NULL ? steps.data : "")
                     ? mrc_json_print(json, true)
                     : NULL;
    enum mrc_status st = path != NULL && text != NULL
                             ? mrc_write_file(path, text, strlen(text), err)
                             : no_memory(err);
    cJSON_free(text);
    cJSON_Delete(json);
    mrc_free(path);
    mrc_text_clear(&steps);
    return st;
}

static enum mrc_status write_picture(const struct mrc_prepare_set *set,
                                     const struct mrc_prepare_item *item,
                                     const struct mrc_slices *s, const struct choice *c,
                                     struct mrc_error *err) {
    const float *images[SHEET_COLUMNS * SHEET_ROWS] = {0};
    size_t plane = (size_t)s->size * (size_t)s->size, cells = SHEET_COLUMNS * SHEET_ROWS;
    int64_t span = c->last - c->first + 1;
    for (size_t i = 0; i < cells; ++i) {
        int64_t k =
            c->first + (int64_t)((double)i * (double)(span - 1) / (double)(cells - 1) + 0.5);
        if ((int64_t)cells > span) k = c->first + (int64_t)i;
        if (k <= c->last) images[i] = s->pixels + (size_t)k * plane;
    }
    struct mrc_sheet sheet = {.rows = SHEET_ROWS,
                              .columns = SHEET_COLUMNS,
                              .images = images,
                              .image_width = s->size,
                              .image_height = s->size,
                              .zoom = s->size < 96 ? 2 : 1};
    char *path = work_path(set, item, ".png");
    enum mrc_status st = path != NULL ? mrc_sheet_save(&sheet, path, err) : no_memory(err);
    mrc_free(path);
    return st;
}

/* --- one series --- */

static enum mrc_status write_files(const struct mrc_prepare_set *set,
                                   const struct mrc_prepare_item *item, const struct mrc_slices *s,
                                   const mrc_volume *grid, const struct choice *c,
                                   struct mrc_error *err) {
    char *path = place_of(set, item, ".nii.gz");
    if (path == NULL) return no_memory(err);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    enum mrc_status st = mrc_make_dirs(path, err);
    *slash = '/';
    if (st == MRC_OK) /* its name for the data is all that the header says */
        st = mrc_nifti_save(grid, path, FLOAT32, item->info->synthetic ? "synthetic" : "", err);
    if (st == MRC_OK) st = write_sidecar(set, item, s, err);
    if (st == MRC_OK) st = write_picture(set, item, s, c, err);
    mrc_free(path);
    return st;
}

/* Its rows and its hash, and unless it is a dry run its files: of all its slices, for images on one
 * grid stay on one grid, whatever of each shows the head, and so can be paired. */
static enum mrc_status keep(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                            const struct mrc_slices *s, const mrc_volume *grid,
                            const struct choice *c, struct mrc_error *err) {
    const size_t count = (size_t)mrc_extent_count(mrc_volume_extent(grid));
    enum mrc_status st = hash_floats(item->content, mrc_volume_voxels_const(grid), count, err);
    if (st == MRC_OK) st = add_rows(set, item, s, c, grid, err);
    return st == MRC_OK && !set->options->dry_run ? write_files(set, item, s, grid, c, err) : st;
}

static enum mrc_status cut(struct mrc_slices *s, mrc_volume **grid,
                           const struct mrc_prepare_set *set, const struct mrc_prepare_item *item,
                           struct mrc_error *err) {
    struct mrc_image_options how = MRC_IMAGE_DEFAULTS;
    struct mrc_slices_options options;
    mrc_volume *vol = NULL;
    how.assume_ras = set->options->assume_ras;
    how.allow_synthetic = set->options->allow_synthetic;
    how.allow_derived = set->options->allow_derived;
    enum mrc_status st = mrc_image_load_item(&vol, item->info, &how, err);
    if (st == MRC_OK)
        st = mrc_cut_options(&options, &set->options->contract, item->info->contrast, vol,
                             item->path, err);
    if (st == MRC_OK) st = mrc_slices_from_volume(s, vol, item->path, &options, err);
    if (st == MRC_OK) st = mrc_slices_to_model_grid(grid, s, vol, err);
    mrc_volume_destroy(vol);
    return st;
}

static enum mrc_status make(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                            struct mrc_error *err) {
    struct mrc_slices s = {0};
    struct choice c = {0};
    struct mrc_error own = {0};
    mrc_volume *grid = NULL;
    enum mrc_status st = cut(&s, &grid, set, item, &own);
    if (st == MRC_ERR_NOMEM || st == MRC_ERR_CANCELLED) {
        st = mrc_fail(err, st, "%s", own.text);
    } else if (st != MRC_OK) {
        mrc_prepare_item_refuse(set, item, own.text);
        st = MRC_OK;
    } else if (!choose(&c, &s, set->options)) {
        st = no_memory(err);
    } else if (c.last < c.first) {
        mrc_prepare_item_refuse(set, item, "no slice shows enough of the head");
    } else {
        item->total = s.count;
        st = keep(set, item, &s, grid, &c, err);
    }
    mrc_free(c.keep);
    mrc_volume_destroy(grid);
    mrc_slices_clear(&s);
    return st;
}

enum mrc_status mrc_prepare_item_make(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                                      struct mrc_error *err) {
    char print[MRC_HASH_TEXT];
    enum mrc_status st = MRC_OK;
    if (!set->options->dry_run) {
        st = fingerprint(print, set, item, err);
        if (st != MRC_OK || find_record(set, item, print)) return st;
        item->kept = item->total = 0;
        mrc_text_clear(&item->rows);
    }
    st = make(set, item, err);
    if (st == MRC_OK && item->used && !set->options->dry_run)
        st = write_record(set, item, print, err);
    return st;
}
