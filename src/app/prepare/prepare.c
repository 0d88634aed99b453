/* prepare.c: look, name, make each series, share out the subjects, write the tables, give the set
 * its name. */
#include "app/prepare/prepare_set.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/common/place.h"
#include "app/inspect/survey.h"
#include "app/privacy/subject.h"
#include "app/sets/cut.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/plain.h"

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a set");
}

/* --- whose image is it --- */

static size_t folder_length(const char *path) {
    return (size_t)(mrc_path_name(path) - path);
}

/* Does the folder hold two usable images of a contrast? Then it is not one person's. */
static bool is_shared_folder(const struct mrc_prepare_set *set,
                             const struct mrc_prepare_item *item) {
    size_t length = folder_length(item->path);
    int seen[MRC_CONTRASTS] = {0};
    for (size_t i = 0; i < set->count; ++i) {
        const struct mrc_prepare_item *other = &set->items[i];
        if (!other->used || other->info->kind != MRC_SOURCE_NIFTI ||
            folder_length(other->path) != length || strncmp(other->path, item->path, length) != 0)
            continue;
        ++seen[other->info->contrast];
    }
    for (int c = 0; c < MRC_CONTRASTS; ++c)
        if (seen[c] > 1) return true;
    return false;
}

/* Length of the first folder in the path that is called as a contrast, with its slash, and where it
 * begins; 0: none. */
static size_t contrast_folder(const char **begin, enum mrc_contrast *contrast, const char *path) {
    char word[16];
    for (const char *at = path; strchr(at, '/') != NULL; at = strchr(at, '/') + 1) {
        size_t length = strcspn(at, "/");
        (void)snprintf(word, sizeof word, "%.*s", (int)length, at);
        if (length >= sizeof word || mrc_contrast_parse(contrast, word, NULL) != MRC_OK) continue;
        *begin = at;
        return length + 1;
    }
    return 0;
}

/* In folders of contrasts, such as train takes, T1w/p7.nii.gz and T2w/p7.nii.gz are both p7's. */
static enum mrc_status name_in_contrast_folder(struct mrc_prepare_set *set,
                                               struct mrc_prepare_item *item, const char *begin,
                                               size_t length, struct mrc_error *err) {
    const char *path = item->origin.path;
    bool directly = strchr(begin + length, '/') == NULL;
    char *rest = mrc_asprintf("%.*s%s", (int)(begin - path), path, begin + length);
    if (rest == NULL) return no_memory(err);
    enum mrc_status st =
        mrc_subject_of_path(item->subject, item->session, &set->key, item->origin.dataset, rest,
                            directly || is_shared_folder(set, item), err);
    mrc_free(rest);
    return st;
}

static enum mrc_status name_nifti(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                                  struct mrc_error *err) {
    const char *begin = NULL;
    enum mrc_contrast contrast;
    double unknown = (double)NAN; /* a NIfTI file does not say how it was made */
    item->how.echo_ms = item->how.repetition_ms = item->how.inversion_ms = unknown;
    item->how.flip_deg = item->how.field_t = item->how.thickness_mm = unknown;
    size_t length = contrast_folder(&begin, &contrast, item->origin.path);
    if (length > 0) return name_in_contrast_folder(set, item, begin, length, err);
    return mrc_subject_of_path(item->subject, item->session, &set->key, item->origin.dataset,
                               item->origin.path, is_shared_folder(set, item), err);
}

static enum mrc_status make_id(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                               struct mrc_error *err) {
    const struct mrc_image_info *info = item->info;
    bool dicom = info->kind == MRC_SOURCE_DICOM; /* told by its UID, wherever it lies */
    char *text =
        mrc_asprintf("%s %s/%s %s %lld", info->series_uid, dicom ? "" : item->origin.dataset,
                     dicom ? "" : item->origin.path, info->selector, (long long)info->frame);
    enum mrc_status st = text != NULL
                             ? mrc_pseudonym_name(item->id, &set->key, "series of set", text, err)
                             : no_memory(err);
    mrc_free(text);
    return st;
}

/* --- what may enter --- */

static void judge(const struct mrc_prepare_set *set, struct mrc_prepare_item *item) {
    const struct mrc_prepare_options *o = set->options;
    const struct mrc_image_info *info = item->info;
    char expected[MRC_CONTRACT_TEXT], words[MRC_CONTRACT_TEXT + 40];
    mrc_contract_print_choice(expected, &o->contract, MRC_CONTRAST_UNKNOWN);
    (void)snprintf(words, sizeof words, "not of %s (--map names contrasts)", expected);
    item->used = true;
    if (info->kind != MRC_SOURCE_DICOM && info->kind != MRC_SOURCE_NIFTI)
        mrc_prepare_item_refuse(set, item,
                                "pictures lie nowhere in a patient, expected DICOM or NIfTI");
    else if (info->kind == MRC_SOURCE_DICOM && info->member_count == 0)
        mrc_prepare_item_refuse(set, item, "no files");
    else if (!info->usable && !(info->synthetic && o->allow_synthetic) &&
             !(info->derived && o->allow_derived))
        mrc_prepare_item_refuse(set, item, info->reason);
    else if (info->phantom)
        mrc_prepare_item_refuse(
            set, item,
            "of an object, by QualityControlImage (0028,0300) or by words "
            "such as phantom, test, fruit in its names (--map with its contrast takes it)");
    else if (info->infant)
        mrc_prepare_item_refuse(
            set, item,
            "of a child below two years, by PatientAge (0010,1010) or by its names: contrasts are "
            "nearly reversed (--map with its contrast takes it)");
    else if (mrc_contract_index(&o->contract, info->contrast) < 0)
        mrc_prepare_item_refuse(set, item, words);
}

/* --- headers, read in children --- */

static enum mrc_status read_acquisition(void *context, size_t job, mrc_isolate_sink *sink,
                                        struct mrc_error *err) {
    const struct mrc_prepare_set *set = context;
    const struct mrc_prepare_item *item = &set->items[job];
    struct mrc_acquisition how;
    if (!item->used || item->info->kind != MRC_SOURCE_DICOM) return MRC_OK;
    enum mrc_status st = mrc_acquisition_read(&how, item->info->members[0], &set->key, err);
    return st == MRC_OK ? mrc_isolate_send(sink, &how, sizeof how, err) : st;
}

static bool is_acquisition(const void *bytes, size_t size) {
#define FIELD(kind, member) MRC_PLAIN_AT(MRC_PLAIN_##kind, struct mrc_acquisition, member)
    static const struct mrc_plain_field fields[] = {
        {FIELD(NAME, subject)},    {FIELD(NAME, study)},           {FIELD(NAME, series)},
        {FIELD(NAME, instance)},   {FIELD(NAME, scanner)},         {FIELD(CODE, manufacturer)},
        {FIELD(CODE, sequence)},   {FIELD(CODE, variant)},         {FIELD(CODE, acquisition_type)},
        {FIELD(NUMBER, echo_ms)},  {FIELD(NUMBER, repetition_ms)}, {FIELD(NUMBER, inversion_ms)},
        {FIELD(NUMBER, flip_deg)}, {FIELD(NUMBER, field_t)},       {FIELD(NUMBER, thickness_mm)},
    };
#undef FIELD
    return size == sizeof(struct mrc_acquisition) &&
           mrc_plain_check(bytes, fields, sizeof fields / sizeof *fields);
}

static const char *file_to_read(void *context, size_t number) {
    const struct mrc_prepare_set *set = context;
    if (number >= set->list.count) return NULL;
    const struct mrc_image_info *info = set->items[number].info;
    return info->kind == MRC_SOURCE_DICOM && info->member_count > 0 ? info->members[0] : "";
}

static enum mrc_status take_acquisition(void *context, size_t job, const void *bytes, size_t size,
                                        struct mrc_error *err) {
    struct mrc_prepare_item *item = &((struct mrc_prepare_set *)context)->items[job];
    if (!is_acquisition(bytes, size))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader sent what is no header", item->path);
    memcpy(&item->how, bytes, size);
    memcpy(item->subject, item->how.subject, sizeof item->subject);
    memcpy(item->session, item->how.study, sizeof item->session);
    return MRC_OK;
}

static enum mrc_status finish_acquisition(void *context, size_t job, enum mrc_status status,
                                          const char *why, bool ended, struct mrc_error *err) {
    struct mrc_prepare_set *set = context;
    (void)ended;
    (void)err;
    if (status != MRC_OK) mrc_prepare_item_refuse(set, &set->items[job], why);
    return MRC_OK;
}

static enum mrc_status name_all(struct mrc_prepare_set *set, struct mrc_error *err) {
    const struct mrc_isolate_work work = {.context = set,
                                          .run = read_acquisition,
                                          .take = take_acquisition,
                                          .finish = finish_acquisition,
                                          .file = file_to_read};
    const struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < set->list.count; ++i) {
        struct mrc_prepare_item *item = &set->items[i];
        st = make_id(set, item, err);
        if (st == MRC_OK && item->used && item->info->kind == MRC_SOURCE_NIFTI)
            st = name_nifti(set, item, err);
    }
    mrc_image_prepare();
    return st == MRC_OK ? mrc_isolate_run(&work, set->list.count, &limits, err) : st;
}

static enum mrc_status name_refused(struct mrc_prepare_set *set, struct mrc_prepare_item *item,
                                    struct mrc_error *err) {
    char *text = mrc_asprintf("%s/%s", item->origin.dataset, item->origin.path);
    enum mrc_status st = text != NULL
                             ? mrc_pseudonym_name(item->id, &set->key, "refused file", text, err)
                             : no_memory(err);
    mrc_free(text);
    return st;
}

static enum mrc_status find_origins(struct mrc_prepare_set *set, struct mrc_error *err) {
    const struct mrc_prepare_options *o = set->options;
    const char **paths = mrc_alloc(set->count + 1, sizeof *paths);
    struct mrc_origin *origins = mrc_alloc(set->count + 1, sizeof *origins);
    enum mrc_status st = paths != NULL && origins != NULL ? MRC_OK : no_memory(err);
    for (size_t i = 0; st == MRC_OK && i < set->count; ++i) paths[i] = set->items[i].path;
    if (st == MRC_OK)
        st = mrc_origins_find(origins, paths, set->count, o->inputs, o->input_count, err);
    for (size_t i = 0; origins != NULL && i < set->count; ++i) set->items[i].origin = origins[i];
    mrc_free(origins);
    mrc_free(paths);
    return st;
}

/* What neither header nor name tells, a folder that is called as a contrast does. */
static void take_folder(struct mrc_image_info *info, const char *path) {
    const char *begin = NULL;
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    if (info->contrast != MRC_CONTRAST_UNKNOWN || contrast_folder(&begin, &contrast, path) == 0)
        return;
    info->contrast = contrast;
    if (info->unnamed) info->usable = true;
}

static enum mrc_status list_items(struct mrc_prepare_set *set, struct mrc_error *err) {
    const struct mrc_image_list *list = &set->list;
    set->items = mrc_alloc(list->count + list->refused_count, sizeof *set->items);
    if (set->items == NULL) return no_memory(err);
    for (size_t i = 0; i < list->count; ++i) {
        struct mrc_prepare_item *item = &set->items[set->count++];
        item->info = &list->items[i];
        item->path = list->items[i].path;
    }
    for (size_t i = 0; i < list->refused_count; ++i) {
        struct mrc_prepare_item *item = &set->items[set->count++];
        item->path = list->refused[i].path;
        mrc_prepare_item_refuse(set, item, list->refused[i].reason);
    }
    enum mrc_status st = find_origins(set, err);
    for (size_t i = 0; st == MRC_OK && i < list->count; ++i) {
        take_folder(&set->list.items[i], set->items[i].origin.path);
        judge(set, &set->items[i]);
    }
    if (st == MRC_OK) st = name_all(set, err);
    for (size_t i = 0; st == MRC_OK && i < list->refused_count; ++i)
        st = name_refused(set, &set->items[list->count + i], err);
    if (st == MRC_OK && set->count > 1)
        qsort(set->items, set->count, sizeof *set->items, mrc_prepare_item_order);
    return st;
}

/* The same series twice (copied folders, an input named twice) is one. */
static void drop_twins(struct mrc_prepare_set *set) {
    const struct mrc_prepare_item *kept = NULL;
    for (size_t i = 0; i < set->count; ++i) {
        struct mrc_prepare_item *item = &set->items[i];
        if (!item->used) continue;
        if (kept != NULL && strcmp(kept->id, item->id) == 0)
            mrc_prepare_item_refuse(set, item, "the same series as another one");
        else
            kept = item;
    }
}

static enum mrc_status make_items(struct mrc_prepare_set *set, const struct mrc_events *events,
                                  struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 0; st == MRC_OK && i < set->count; ++i) {
        if (set->items[i].used) st = mrc_prepare_item_make(set, &set->items[i], err);
        mrc_events_progress(events, "preparing", (int64_t)i + 1, (int64_t)set->count);
        if (st == MRC_OK && mrc_events_cancelled(events))
            st = mrc_fail(err, MRC_ERR_CANCELLED, "%s: stopped; the same command goes on from %s",
                          set->options->output, set->partial);
    }
    return st;
}

/* --- sharing out --- */

static size_t root_of(const struct mrc_prepare_set *set, size_t i) {
    while (set->items[i].group != i) i = set->items[i].group;
    return i;
}

static void join_groups(struct mrc_prepare_set *set, size_t i, size_t j) {
    size_t x = root_of(set, i), y = root_of(set, j);
    set->items[x > y ? x : y].group = x > y ? y : x;
}

static int by_subject(const void *a, const void *b) {
    const struct mrc_prepare_item *x = *(struct mrc_prepare_item *const *)a,
                                  *y = *(struct mrc_prepare_item *const *)b;
    int order = strcmp(x->subject, y->subject);
    return order != 0 ? order : strcmp(x->id, y->id);
}

static int by_content(const void *a, const void *b) {
    const struct mrc_prepare_item *x = *(struct mrc_prepare_item *const *)a,
                                  *y = *(struct mrc_prepare_item *const *)b;
    int order = strcmp(x->content, y->content);
    return order != 0 ? order : strcmp(x->id, y->id);
}

/* A kept slice of a series, by its hash, which ends its row. */
struct slice {
    const char *hash;
    struct mrc_prepare_item *item;
};
struct slices {
    struct slice *slices;
    size_t count;
};

static int by_hash(const void *a, const void *b) {
    return strncmp(((const struct slice *)a)->hash, ((const struct slice *)b)->hash,
                   MRC_HASH_TEXT - 1);
}

/* All slices of the series in `order`, equal ones together. */
static enum mrc_status list_slices(struct slices *out, struct mrc_prepare_item *const *order,
                                   size_t count, struct mrc_error *err) {
    size_t most = 1;
    for (size_t i = 0; i < count; ++i) most += (size_t)order[i]->kept;
    out->slices = mrc_alloc(most, sizeof *out->slices);
    if (out->slices == NULL) return no_memory(err);
    for (size_t i = 0; i < count; ++i) {
        const char *row = order[i]->rows.data, *end = NULL;
        for (; row != NULL && (end = strchr(row, '\n')) != NULL && out->count < most; row = end + 1)
            if (end - row >= MRC_HASH_TEXT)
                out->slices[out->count++] =
                    (struct slice){.hash = end - (MRC_HASH_TEXT - 1), .item = order[i]};
    }
    if (out->count > 1) qsort(out->slices, out->count, sizeof *out->slices, by_hash);
    return MRC_OK;
}

/* Of equal series one stays, and none where they are called by two contrasts: one of the names is
 * wrong. */
static void judge_equals(const struct mrc_prepare_set *set, struct mrc_prepare_item *const *equals,
                         size_t count) {
    bool one_contrast = true;
    for (size_t i = 1; i < count; ++i)
        one_contrast = one_contrast && equals[i]->info->contrast == equals[0]->info->contrast;
    for (size_t i = one_contrast ? 1 : 0; count > 1 && i < count; ++i)
        mrc_prepare_item_refuse(set, equals[i],
                                one_contrast ? "the same slices as another series"
                                             : "the same slices as a series of the other contrast");
}

static void refuse_equals(const struct mrc_prepare_set *set, struct mrc_prepare_item **order,
                          size_t count) {
    if (count > 1) qsort(order, count, sizeof *order, by_content);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1;
             end < count && strcmp(order[end]->content, order[begin]->content) == 0;)
            ++end;
        judge_equals(set, order + begin, end - begin);
    }
}

/* Series of one subject, and of subjects that share a slice, are one group. `order` has the series
 * that were made, by subject. */
static void link_subjects(struct mrc_prepare_set *set, struct mrc_prepare_item *const *order,
                          size_t count, const struct slices *all) {
    for (size_t i = 0; i < set->count; ++i) set->items[i].group = i;
    for (size_t i = 1; i < count; ++i)
        if (strcmp(order[i]->subject, order[i - 1]->subject) == 0)
            join_groups(set, (size_t)(order[i] - set->items), (size_t)(order[i - 1] - set->items));
    for (size_t i = 1; i < all->count; ++i)
        if (by_hash(&all->slices[i], &all->slices[i - 1]) == 0)
            join_groups(set, (size_t)(all->slices[i].item - set->items),
                        (size_t)(all->slices[i - 1].item - set->items));
}

/* A keyed hash of the subject alone decides, so nobody changes sides when others come. */
static enum mrc_status draw_split(int *split, const struct mrc_prepare_set *set,
                                  const char *subject, struct mrc_error *err) {
    uint8_t digest[MRC_HASH_BYTES];
    char text[64];
    uint64_t bits = 0;
    (void)snprintf(text, sizeof text, "%llu %s", (unsigned long long)set->options->seed, subject);
    enum mrc_status st = mrc_pseudonym_digest(digest, &set->key, "split", text, strlen(text), err);
    if (st != MRC_OK) return st;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | digest[i];
    const double *parts = set->options->split;
    double at = (double)(bits >> 11) * 0x1p-53 * (parts[0] + parts[1] + parts[2]);
    *split = at < parts[0]              ? MRC_SPLIT_TRAIN
             : at < parts[0] + parts[1] ? MRC_SPLIT_VAL
                                        : MRC_SPLIT_TEST;
    return MRC_OK;
}

/* All of a group follow the subject whose name is smallest: the first of it in `order`, which is by
 * subject. */
static enum mrc_status draw_splits(struct mrc_prepare_set *set,
                                   struct mrc_prepare_item *const *order, size_t count,
                                   struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    struct mrc_prepare_item **least = mrc_alloc(set->count, sizeof(void *));
    if (least == NULL) return no_memory(err);
    for (size_t i = 0; st == MRC_OK && i < count; ++i) {
        size_t root = root_of(set, (size_t)(order[i] - set->items));
        if (least[root] == NULL) {
            least[root] = order[i];
            st = draw_split(&order[i]->split, set, order[i]->subject, err);
        }
        order[i]->split = least[root]->split;
    }
    mrc_free(least);
    return st;
}

/* What must hold, whatever the code above does: what is used of a subject, or has a slice that
 * another series has too, stands on one side. `order` is by subject. */
static enum mrc_status check_sides(struct mrc_prepare_item *const *order, size_t count,
                                   const struct slices *all, struct mrc_error *err) {
    for (size_t i = 1; i < count; ++i)
        if (strcmp(order[i - 1]->subject, order[i]->subject) == 0 &&
            order[i - 1]->split != order[i]->split)
            return mrc_fail(err, MRC_ERR_NUMERIC, "sub-%s: stands on two sides of the split",
                            order[i]->subject);
    for (size_t i = 1; i < all->count; ++i)
        if (by_hash(&all->slices[i], &all->slices[i - 1]) == 0 &&
            all->slices[i].item->split != all->slices[i - 1].item->split)
            return mrc_fail(err, MRC_ERR_NUMERIC,
                            "sub-%s: a slice of it stands on two sides of the split",
                            all->slices[i].item->subject);
    return MRC_OK;
}

/* Sides for all that is used; set->by_subject lists it. */
static enum mrc_status share_out(struct mrc_prepare_set *set, struct mrc_error *err) {
    size_t count = 0;
    struct slices all = {0};
    struct mrc_prepare_item **order = mrc_alloc(set->count, sizeof(void *));
    if (order == NULL) return no_memory(err);
    set->by_subject = order;
    for (size_t i = 0; i < set->count; ++i)
        if (set->items[i].used) order[count++] = &set->items[i];
    refuse_equals(set, order, count); /* but they link their subjects */
    if (count > 1) qsort(order, count, sizeof *order, by_subject);
    enum mrc_status st = list_slices(&all, order, count, err);
    if (st == MRC_OK) link_subjects(set, order, count, &all);
    if (st == MRC_OK) st = draw_splits(set, order, count, err);
    if (st == MRC_OK) st = check_sides(order, count, &all, err);
    for (size_t i = 0; i < count; ++i)
        if (order[i]->used) order[set->used_count++] = order[i];
    mrc_free(all.slices);
    return st;
}

static void count_all(struct mrc_prepare_result *r, const struct mrc_prepare_set *set) {
    r->series = set->used_count;
    r->refused = set->count - set->used_count;
    for (size_t i = 0; i < set->used_count; ++i) {
        const struct mrc_prepare_item *item = set->by_subject[i];
        r->slices += item->kept;
        r->dropped += item->total - item->kept;
        r->subjects += i == 0 || strcmp(item->subject, set->by_subject[i - 1]->subject) != 0;
    }
}

/* --- places --- */

static enum mrc_status check_output(const struct mrc_prepare_options *o, struct mrc_error *err) {
    static const char *const patterns[] = {"dataset_description.json",
                                           "participants.tsv",
                                           "README",
                                           "manifest.tsv",
                                           "contract.json",
                                           "report.json",
                                           "report.html",
                                           "sub-*/anat/sub-*",
                                           "sub-*/ses-*/anat/sub-*",
                                           NULL};
    static const struct mrc_place_kind kind = {
        .mark = "report.json", .words = "mrcycle prepare", .patterns = patterns};
    return mrc_place_check_kind(o->output, o->replace, &kind, err);
}

static enum mrc_status check_places(const struct mrc_prepare_options *o, const char *key,
                                    struct mrc_error *err) {
    bool inside = false;
    enum mrc_status st = check_output(o, err);
    for (size_t i = 0; st == MRC_OK && i < o->input_count; ++i) {
        st = mrc_place_keep_input(o->output, o->inputs[i], err);
        if (st == MRC_OK) st = mrc_place_is_inside(&inside, o->output, o->inputs[i], err);
        if (st == MRC_OK && inside)
            st = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "%s: lies inside the input, expected another place", o->output);
    }
    if (st == MRC_OK) st = mrc_place_is_inside(&inside, key, o->output, err);
    if (st == MRC_OK && inside)
        st = mrc_fail(err, MRC_ERR_ARGUMENT,
                      "%s: the key would lie with what it protects, expected another place", key);
    return st;
}

static void append_source(struct mrc_text *text, const struct mrc_prepare_item *item,
                          const char *path) {
    char plain[4096];
    mrc_text_plain(plain, sizeof plain, path);
    mrc_text_appendf(text, "%s\t%s%s\t%s%s\t%s\n", item->id,
                     item->subject[0] != '\0' ? "sub-" : "n/a", item->subject,
                     item->used ? "used" : "refused: ", item->reason, plain);
}

/* A row a file. */
static enum mrc_status write_sources(struct mrc_output *out, const struct mrc_prepare_set *set,
                                     const char *path, struct mrc_error *err) {
    struct mrc_text text = {0};
    mrc_text_appendf(&text, "source\tsubject\tresult\tpath\n");
    for (size_t i = 0; i < set->count; ++i) {
        const struct mrc_prepare_item *item = &set->items[i];
        size_t members = item->info != NULL ? item->info->member_count : 0;
        for (size_t m = 0; m < members; ++m) append_source(&text, item, item->info->members[m]);
        if (members == 0) append_source(&text, item, item->path);
    }
    enum mrc_status st =
        text.failed ? no_memory(err) : mrc_output_open_private_file(out, path, err);
    if (st == MRC_OK) (void)fputs(text.data, out->stream); /* place sees the stream's error */
    mrc_text_clear(&text);
    return st;
}

/* --- the run --- */

static enum mrc_status scan(struct mrc_prepare_set *set, const struct mrc_events *events,
                            struct mrc_error *err) {
    struct mrc_survey survey = {0};
    enum mrc_status st = MRC_OK;
    const struct mrc_survey_options many = {
        .most_files = 1000000, .map = set->options->map, .contract = &set->options->contract};
    for (size_t i = 0; st == MRC_OK && i < set->options->input_count; ++i)
        st = mrc_survey_add_with(&survey, set->options->inputs[i], &many, events, err);
    set->list = survey.images;
    survey.images = (struct mrc_image_list){0};
    mrc_survey_clear(&survey);
    return st;
}

/* The table of sources and the folder appear together or not at all. */
static enum mrc_status finish(struct mrc_prepare_set *set, struct mrc_prepare_result *result,
                              const char *sources, struct mrc_error *err) {
    struct mrc_output table = {0};
    enum mrc_status st = mrc_prepare_partial_clean(set, err);
    if (st == MRC_OK) st = mrc_prepare_write_tables(set, result, err);
    if (st == MRC_OK) st = write_sources(&table, set, sources, err);
    if (st == MRC_OK) st = mrc_output_place(&table, err);
    if (st == MRC_OK) st = mrc_prepare_partial_place(set, err);
    if (st == MRC_OK) st = mrc_output_commit(&table, err);
    mrc_output_discard(&table);
    return st;
}

static enum mrc_status run(struct mrc_prepare_set *set, struct mrc_prepare_result *result,
                           const char *key, const char *sources, const struct mrc_events *events,
                           struct mrc_error *err) {
    const struct mrc_prepare_options *o = set->options;
    bool created = false;
    enum mrc_status st = mrc_contract_check(&o->contract, err);
    if (st == MRC_OK) st = mrc_cut_check(&o->contract, o->output, err);
    if (st == MRC_OK) st = check_places(o, key, err);
    if (st == MRC_OK && !o->dry_run) st = mrc_place_make_parent(o->output, err);
    if (st == MRC_OK && !o->dry_run) st = mrc_prepare_partial_hold(set, err);
    if (st == MRC_OK) st = check_output(o, err); /* who held it may have made the set */
    if (st == MRC_OK) st = scan(set, events, err);
    if (st == MRC_OK)
        st = o->dry_run ? mrc_pseudonym_key_try(&set->key, key, err)
                        : mrc_pseudonym_key_load(&set->key, &created, key, err);
    if (created)
        mrc_events_note(events, "%s: a new key; keep it, and keep it from those who get the set",
                        key);
    if (st == MRC_OK) st = list_items(set, err);
    if (st == MRC_OK) drop_twins(set);
    if (st == MRC_OK) st = make_items(set, events, err);
    if (st == MRC_OK) st = share_out(set, err);
    if (st == MRC_OK) count_all(result, set);
    if (st == MRC_OK && result->series == 0)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED, "none of %zu images can be used%s%s", set->count,
                      set->count > 0 ? "; one: " : "", set->count > 0 ? set->items[0].reason : "");
    return st == MRC_OK && !o->dry_run ? finish(set, result, sources, err) : st;
}

enum mrc_status mrc_prepare_run(const struct mrc_prepare_options *options,
                                struct mrc_prepare_result *result, const struct mrc_events *events,
                                struct mrc_error *err) {
    struct mrc_prepare_set set = {.options = options, .held = -1};
    int length = (int)strlen(options->output);
    *result = (struct mrc_prepare_result){0};
    while (length > 1 && options->output[length - 1] == '/') --length;
    char *key = options->key != NULL ? mrc_strdup(options->key)
                                     : mrc_asprintf("%.*s.key", length, options->output);
    char *sources = mrc_asprintf("%.*s.sources.tsv", length, options->output);
    set.partial = mrc_asprintf("%.*s.partial", length, options->output);
    enum mrc_status st = key != NULL && sources != NULL && set.partial != NULL
                             ? run(&set, result, key, sources, events, err)
                             : no_memory(err);
    if (st == MRC_OK)
        mrc_events_note(events,
                        "%zu series of %zu subjects: %lld slices kept, %lld dropped; %zu "
                        "refused",
                        result->series, result->subjects, (long long)result->slices,
                        (long long)result->dropped, result->refused);
    for (size_t i = 0; i < set.count; ++i) {
        mrc_text_clear(&set.items[i].rows);
        mrc_origins_clear(&set.items[i].origin, 1);
    }
    mrc_prepare_partial_let_go(&set);
    mrc_free(set.by_subject);
    mrc_free(set.items);
    mrc_image_list_clear(&set.list);
    mrc_free(set.partial);
    mrc_free(sources);
    mrc_free(key);
    return st;
}
