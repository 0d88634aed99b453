/* evaluate_set.c: scan, pair by name, load, cut. */
#include "app/evaluate/evaluate_set.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/sets/cut.h"
#include "app/sets/dataset.h"
#include "app/sets/pairs.h"
#include "app/sets/prepared.h"
#include "app/sets/regrid.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/image.h"
#include "preprocess/slices.h"

/* --- Images in memory --- */

static void mark_used(struct mrc_eval_image *image, double min_foreground) {
    const int64_t plane = image->rows * image->columns;
    for (int64_t k = 0; k < image->count; ++k) {
        int64_t inside = 0;
        for (int64_t i = 0; i < plane; ++i) inside += image->head[k * plane + i];
        image->used[k] = (double)inside >= min_foreground * (double)plane && inside > 0;
    }
}

static void image_clear(struct mrc_eval_image *image) {
    mrc_free(image->path);
    mrc_free(image->pixels);
    mrc_free(image->head);
    mrc_free(image->used);
}

enum mrc_status mrc_eval_set_add(struct mrc_eval_set *set, int domain, const char *path,
                                 const float *pixels, int64_t count, int64_t rows, int64_t columns,
                                 double min_foreground, struct mrc_error *err) {
    struct mrc_eval_domain *d = &set->domains[domain];
    const size_t voxels = (size_t)(count * rows * columns);
    struct mrc_eval_image image = {.count = count, .rows = rows, .columns = columns};
    image.path = mrc_strdup(path);
    image.pixels = mrc_alloc(voxels, sizeof *image.pixels);
    image.head = mrc_alloc(voxels, 1);
    image.used = mrc_alloc((size_t)count, 1);
    void *images = d->images;
    enum mrc_status status = MRC_OK;
    if (image.path == NULL || image.pixels == NULL || image.head == NULL || image.used == NULL ||
        !mrc_grow(&images, &d->capacity, d->count + 1, sizeof *d->images))
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    if (images != NULL) d->images = images;
    if (status == MRC_OK) {
        memcpy(image.pixels, pixels, voxels * sizeof *pixels);
        status = mrc_slices_find_head(
            image.head, pixels, (struct mrc_extent){.i = columns, .j = rows, .k = count}, err);
    }
    if (status != MRC_OK) {
        image_clear(&image);
        return status;
    }
    mark_used(&image, min_foreground);
    d->images[d->count++] = image;
    return MRC_OK;
}

void mrc_eval_set_join_heads(struct mrc_eval_set *set, double min_foreground) {
    struct mrc_eval_domain *from = &set->domains[MRC_EVAL_FROM], *to = &set->domains[MRC_EVAL_TO];
    for (size_t n = 0; n < from->count && n < to->count; ++n) {
        struct mrc_eval_image *a = &from->images[n], *b = &to->images[n];
        for (int64_t i = 0; i < a->count * a->rows * a->columns; ++i)
            a->head[i] = b->head[i] = a->head[i] | b->head[i];
        mark_used(a, min_foreground);
        mark_used(b, min_foreground);
    }
}

void mrc_eval_set_clear(struct mrc_eval_set *set) {
    for (int d = 0; d < MRC_EVAL_DOMAINS; ++d) {
        for (size_t n = 0; n < set->domains[d].count; ++n) image_clear(&set->domains[d].images[n]);
        mrc_free(set->domains[d].images);
    }
    *set = (struct mrc_eval_set){0};
}

/* --- Scanning --- */

struct loader {
    const struct mrc_evaluate_options *options;
    const struct mrc_events *events;
    struct mrc_image_list lists[MRC_EVAL_DOMAINS]; /* usable items only, in order of paths */
    const char *folders[MRC_EVAL_DOMAINS];
    const struct mrc_contract *contract;
};

static void loader_clear(struct loader *l) {
    for (int d = 0; d < MRC_EVAL_DOMAINS; ++d) mrc_image_list_clear(&l->lists[d]);
}

/* What cannot be used, or is another contrast than its folder says, stops an evaluation: scores of
 * what is left would not be of what was asked for. */
static enum mrc_status check_item(const struct loader *l, const struct mrc_image_info *item,
                                  enum mrc_contrast wanted, struct mrc_error *err) {
    const struct mrc_evaluate_options *o = l->options;
    bool any = wanted == MRC_CONTRAST_UNKNOWN; /* as stored, whatever it is */
    if (!item->usable && !(item->synthetic && (any || o->allow_synthetic)) &&
        !(item->derived && (any || o->allow_derived)))
        return mrc_fail(err, item->status != MRC_OK ? item->status : MRC_ERR_UNSUPPORTED, "%s: %s",
                        item->path, item->reason);
    if (wanted != MRC_CONTRAST_UNKNOWN && item->contrast != MRC_CONTRAST_UNKNOWN &&
        item->contrast != wanted && !o->force)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: recognised as %s, expected %s (--force overrides)", item->path,
                        mrc_contrast_name(item->contrast), mrc_contrast_name(wanted));
    return MRC_OK;
}

static enum mrc_status scan(struct loader *l, int domain, const char *folder,
                            enum mrc_contrast wanted, struct mrc_error *err) {
    struct mrc_image_list *list = &l->lists[domain];
    l->folders[domain] = folder;
    if (!mrc_path_exists(folder))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected images", folder);
    enum mrc_status status = mrc_image_list_scan(list, folder, err);
    for (size_t i = 0; status == MRC_OK && i < list->refused_count; ++i)
        mrc_events_note(l->events, "left out: %s: %s", list->refused[i].path,
                        list->refused[i].reason);
    for (size_t i = 0; status == MRC_OK && i < list->count; ++i)
        status = check_item(l, &list->items[i], wanted, err);
    if (status == MRC_OK && list->count == 0)
        status = mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no image that can be used", folder);
    return status;
}

static bool same_grid_of_pictures(const struct mrc_image_info *a, const struct mrc_image_info *b) {
    return a->kind != MRC_SOURCE_PNG || b->kind != MRC_SOURCE_PNG ||
           (a->slices == b->slices && a->rows == b->rows && a->columns == b->columns);
}

/* Several series in one folder have one path, which tells none of them apart. */
static bool has_names(const struct mrc_image_list *list) {
    for (size_t i = 1; i < list->count; ++i)
        if (strcmp(list->items[i - 1].path, list->items[i].path) == 0) return false;
    return true;
}

/* Do all images of the two domains belong together, one by one? */
static enum mrc_status find_pairs(bool *paired, const struct loader *l, struct mrc_error *err) {
    const struct mrc_image_list *a = &l->lists[MRC_EVAL_FROM], *b = &l->lists[MRC_EVAL_TO];
    *paired = a->count == b->count && l->options->pairing != MRC_PAIRING_NONE;
    if (l->options->pairing == MRC_PAIRING_ORDER && !*paired)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: %zu images, and %zu in %s, expected as many to pair them in order",
                        l->folders[MRC_EVAL_FROM], a->count, b->count, l->folders[MRC_EVAL_TO]);
    if (l->options->pairing != MRC_PAIRING_ORDER) *paired = *paired && has_names(a) && has_names(b);
    for (size_t i = 0; *paired && i < a->count; ++i) {
        *paired = same_grid_of_pictures(&a->items[i], &b->items[i]);
        if (!*paired || l->options->pairing == MRC_PAIRING_ORDER) continue;
        char *x = mrc_pair_name(a->items[i].path, l->folders[MRC_EVAL_FROM]);
        char *y = mrc_pair_name(b->items[i].path, l->folders[MRC_EVAL_TO]);
        bool memory = x != NULL && y != NULL;
        *paired = memory && strcmp(x, y) == 0;
        mrc_free(y);
        mrc_free(x);
        if (!memory) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", a->items[i].path);
    }
    return MRC_OK;
}

static enum mrc_status load_volume(mrc_volume **out, const struct loader *l,
                                   const struct mrc_image_info *item, bool any,
                                   struct mrc_error *err) {
    struct mrc_image_options image = MRC_IMAGE_DEFAULTS;
    image.assume_ras = l->options->assume_ras;
    image.allow_synthetic = any || l->options->allow_synthetic;
    image.allow_derived = any || l->options->allow_derived;
    return mrc_image_load_item(out, item, &image, err); /* one of several in its folder, maybe */
}

/* --- A set, normalised and cut as for training --- */

/* whole: vol before it was laid on another grid, which knows how it was stored. */
static enum mrc_status add_cut(struct mrc_eval_set *out, int domain, const struct loader *l,
                               const mrc_volume *vol, const mrc_volume *whole, const char *path,
                               struct mrc_error *err) {
    const int64_t size = l->contract->sample.h;
    struct mrc_slices_options cut;
    struct mrc_slices slices = {0};
    enum mrc_status status =
        mrc_cut_options(&cut, l->contract, l->contract->contrasts[domain], whole, path, err);
    if (status == MRC_OK) status = mrc_slices_from_volume(&slices, vol, path, &cut, err);
    if (status == MRC_OK)
        status = mrc_eval_set_add(out, domain, path, slices.pixels, slices.count, size, size,
                                  l->options->min_foreground, err);
    mrc_slices_clear(&slices);
    return status;
}

/* The n-th image of the one contrast, and of the other on its grid. */
static enum mrc_status load_pair(struct mrc_eval_set *out, const struct loader *l, size_t n,
                                 struct mrc_error *err) {
    const struct mrc_image_info *x = &l->lists[MRC_EVAL_FROM].items[n];
    const struct mrc_image_info *y = &l->lists[MRC_EVAL_TO].items[n];
    mrc_volume *from = NULL, *raw = NULL, *to = NULL;
    enum mrc_status status = load_volume(&from, l, x, false, err);
    if (status == MRC_OK) status = load_volume(&raw, l, y, false, err);
    if (status == MRC_OK) status = mrc_regrid_like(&to, raw, from, y->path, err);
    if (status == MRC_OK) status = add_cut(out, MRC_EVAL_FROM, l, from, from, x->path, err);
    if (status == MRC_OK) status = add_cut(out, MRC_EVAL_TO, l, to, raw, y->path, err);
    mrc_volume_destroy(to);
    mrc_volume_destroy(raw);
    mrc_volume_destroy(from);
    return status;
}

static enum mrc_status load_alone(struct mrc_eval_set *out, const struct loader *l, int domain,
                                  size_t n, struct mrc_error *err) {
    const struct mrc_image_info *item = &l->lists[domain].items[n];
    mrc_volume *vol = NULL;
    enum mrc_status status = load_volume(&vol, l, item, false, err);
    if (status == MRC_OK) status = add_cut(out, domain, l, vol, vol, item->path, err);
    mrc_volume_destroy(vol);
    return status;
}

static enum mrc_status check_cancelled(const struct loader *l, struct mrc_error *err) {
    if (!mrc_events_cancelled(l->events)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_CANCELLED, "stopped before anything was written");
}

static enum mrc_status load_all(struct mrc_eval_set *out, const struct loader *l,
                                struct mrc_error *err) {
    const size_t x = l->lists[MRC_EVAL_FROM].count, y = l->lists[MRC_EVAL_TO].count;
    const size_t all = out->paired ? x : x + y;
    enum mrc_status status = MRC_OK;
    for (size_t n = 0; status == MRC_OK && n < all; ++n) {
        if (out->paired)
            status = load_pair(out, l, n, err);
        else
            status = n < x ? load_alone(out, l, MRC_EVAL_FROM, n, err)
                           : load_alone(out, l, MRC_EVAL_TO, n - x, err);
        mrc_events_progress(l->events, "reading", (int64_t)n + 1, (int64_t)all);
        if (status == MRC_OK) status = check_cancelled(l, err);
    }
    return status;
}

/* --- One side of a prepared set --- */

static enum mrc_status add_prepared(struct mrc_eval_set *out, int domain,
                                    const struct mrc_dataset *set, size_t n, double min_foreground,
                                    struct mrc_error *err) {
    const struct mrc_dataset_image *image = &set->domains[domain].images[n];
    return mrc_eval_set_add(out, domain, image->path, image->slices.pixels, image->slices.count,
                            image->slices.size, image->slices.size, min_foreground, err);
}

/* Those that pair, where there are any; else all. */
static enum mrc_status take_prepared(struct mrc_eval_set *out, const struct loader *l,
                                     const struct mrc_dataset *set, const char *folder,
                                     struct mrc_error *err) {
    const double head = l->options->min_foreground;
    struct mrc_image_pairs pairs;
    enum mrc_status st = mrc_image_pairs_find(&pairs, set, folder, err);
    if (st != MRC_OK) return st;
    out->paired = pairs.count > 0 && l->options->pairing != MRC_PAIRING_NONE;
    for (int d = 0; d < MRC_DOMAIN_COUNT; ++d) {
        const size_t all = set->domains[d].count, count = out->paired ? pairs.count : all;
        for (size_t n = 0; st == MRC_OK && n < count; ++n)
            st = add_prepared(out, d, set, out->paired ? pairs.images[n][d] : n, head, err);
        if (st == MRC_OK && count < all)
            mrc_events_note(l->events, "%s: %zu of %zu images have no partner and are not scored",
                            mrc_dataset_contrast(set, d), all - count, all);
    }
    mrc_image_pairs_clear(&pairs);
    return st;
}

static enum mrc_status load_prepared(struct mrc_eval_set *out, const struct loader *l,
                                     const char *folder, struct mrc_error *err) {
    struct mrc_dataset set = {0};
    struct mrc_dataset_options options = MRC_DATASET_DEFAULTS;
    options.set = folder;
    options.contract = *l->contract;
    options.split = l->options->split;
    options.allow_synthetic = l->options->allow_synthetic;
    enum mrc_status st = mrc_dataset_load(&set, &options, l->events, err);
    if (st == MRC_OK) st = take_prepared(out, l, &set, folder, err);
    mrc_dataset_clear(&set);
    return st;
}

/* --- Folders of contrasts --- */

static enum mrc_status load_folders(struct mrc_eval_set *out, struct loader *l, const char *set,
                                    struct mrc_error *err) {
    const enum mrc_contrast *contrasts = l->contract->contrasts;
    char *x = mrc_path_join(set, mrc_contrast_name(contrasts[MRC_EVAL_FROM]));
    char *y = mrc_path_join(set, mrc_contrast_name(contrasts[MRC_EVAL_TO]));
    enum mrc_status status = MRC_OK;
    if (x == NULL || y == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", set);
    if (status == MRC_OK) status = scan(l, MRC_EVAL_FROM, x, contrasts[MRC_EVAL_FROM], err);
    if (status == MRC_OK) status = scan(l, MRC_EVAL_TO, y, contrasts[MRC_EVAL_TO], err);
    if (status == MRC_OK) status = find_pairs(&out->paired, l, err);
    if (status == MRC_OK) status = load_all(out, l, err);
    mrc_free(y);
    mrc_free(x);
    return status;
}

enum mrc_status mrc_eval_set_load(struct mrc_eval_set *out, const char *set,
                                  const struct mrc_contract *contract,
                                  const struct mrc_evaluate_options *options,
                                  const struct mrc_events *events, struct mrc_error *err) {
    struct loader l = {.options = options, .events = events, .contract = contract};
    *out = (struct mrc_eval_set){0};
    if (!mrc_path_is_dir(set))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a folder with %s and %s inside",
                        set, mrc_contrast_name(contract->contrasts[MRC_EVAL_FROM]),
                        mrc_contrast_name(contract->contrasts[MRC_EVAL_TO]));
    enum mrc_status status = mrc_prepared_is_there(set) ? load_prepared(out, &l, set, err)
                                                        : load_folders(out, &l, set, err);
    if (status == MRC_OK && out->paired) mrc_eval_set_join_heads(out, options->min_foreground);
    if (status != MRC_OK) mrc_eval_set_clear(out);
    loader_clear(&l);
    return status;
}

/* --- Images on the grid of the truth --- */

static double largest(const mrc_volume *vol) {
    const float *v = mrc_volume_voxels_const(vol);
    int64_t count = mrc_extent_count(mrc_volume_extent(vol));
    double most = 0.0;
    for (int64_t i = 0; i < count; ++i)
        if (isfinite(v[i]) && (double)v[i] > most) most = (double)v[i];
    return most;
}

static double range_of(const struct loader *l, const mrc_volume *vol) {
    int depth = mrc_volume_provenance(vol)->bit_depth;
    if (l->options->range > 0.0) return l->options->range;
    return depth > 0 ? (double)((1 << depth) - 1) : largest(vol);
}

/* What becomes 0 and 1. */
struct limits {
    double lo, hi;
};

/* Of the image's own head; or, as stored, 0 and the range: a result is in the truth's units then,
 * whose limits *out still holds, unless it says by itself what it may reach. */
static enum mrc_status find_limits(struct limits *out, const struct loader *l, int domain,
                                   const mrc_volume *vol, const char *path, struct mrc_error *err) {
    const struct mrc_slices_options plain = MRC_SLICES_DEFAULTS;
    struct mrc_normalise_record found;
    if (mrc_evaluate_is_stored(l->options)) {
        if (domain != MRC_EVAL_RESULT || mrc_volume_provenance(vol)->bit_depth > 0)
            *out = (struct limits){0.0, range_of(l, vol)};
        return MRC_OK;
    }
    enum mrc_status status = mrc_slices_find_limits(&found, vol, path, &plain, err);
    if (status == MRC_OK) *out = (struct limits){found.lo, found.hi};
    return status;
}

/* From 0 to 1 between the limits; what is not finite is 0, and nothing is cut off: an intensity
 * beyond them is an error to be counted. */
static enum mrc_status add_between(struct mrc_eval_set *out, int domain, const struct loader *l,
                                   mrc_volume *vol, const char *path, struct limits limits,
                                   struct mrc_error *err) {
    const struct mrc_extent e = mrc_volume_extent(vol);
    const double range = limits.hi - limits.lo;
    float *v = mrc_volume_voxels(vol);
    if (!(range > 0.0))
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no intensity above 0, expected an image",
                        path);
    for (int64_t i = 0; i < mrc_extent_count(e); ++i)
        v[i] = isfinite(v[i]) ? (float)(((double)v[i] - limits.lo) / range) : 0.0f;
    return mrc_eval_set_add(out, domain, path, v, e.k, e.j, e.i, l->options->min_foreground, err);
}

/* The domain's n-th image on the grid of the truth; for the truth itself, `like` is NULL. */
static enum mrc_status load_image(struct mrc_eval_set *out, int domain, const struct loader *l,
                                  size_t n, const mrc_volume *like, mrc_volume **kept,
                                  struct limits *limits, struct mrc_error *err) {
    const char *path = l->lists[domain].items[n].path;
    mrc_volume *raw = NULL, *vol = NULL;
    enum mrc_status status = load_volume(&raw, l, &l->lists[domain].items[n], true, err);
    if (status == MRC_OK) status = find_limits(limits, l, domain, raw, path, err);
    if (status == MRC_OK && like != NULL)
        status = mrc_regrid_like(&vol, raw, like, path, err);
    else if (status == MRC_OK) {
        vol = raw;
        raw = NULL;
    }
    if (status == MRC_OK) status = add_between(out, domain, l, vol, path, *limits, err);
    mrc_volume_destroy(raw);
    if (status == MRC_OK && kept != NULL)
        *kept = vol;
    else
        mrc_volume_destroy(vol);
    return status;
}

static enum mrc_status load_three(struct mrc_eval_set *out, const struct loader *l, size_t n,
                                  struct mrc_error *err) {
    mrc_volume *truth = NULL;
    struct limits limits = {0}, of_source = {0};
    enum mrc_status status = load_image(out, MRC_EVAL_TO, l, n, NULL, &truth, &limits, err);
    if (status == MRC_OK && l->options->source != NULL)
        status = load_image(out, MRC_EVAL_FROM, l, n, truth, NULL, &of_source, err);
    if (status == MRC_OK && l->options->result != NULL)
        status = load_image(out, MRC_EVAL_RESULT, l, n, truth, NULL, &limits, err);
    mrc_volume_destroy(truth);
    return status;
}

enum mrc_status mrc_eval_set_load_folders(struct mrc_eval_set *out,
                                          const struct mrc_evaluate_options *options,
                                          const struct mrc_events *events, struct mrc_error *err) {
    struct loader l = {.options = options, .events = events};
    const char *const folders[MRC_EVAL_DOMAINS] = {options->source, options->truth,
                                                   options->result};
    enum mrc_status status = MRC_OK;
    *out = (struct mrc_eval_set){.paired = true};
    for (int d = 0; status == MRC_OK && d < MRC_EVAL_DOMAINS; ++d)
        if (folders[d] != NULL) status = scan(&l, d, folders[d], MRC_CONTRAST_UNKNOWN, err);
    const size_t count = l.lists[MRC_EVAL_TO].count;
    for (int d = 0; status == MRC_OK && d < MRC_EVAL_DOMAINS; ++d)
        if (folders[d] != NULL && l.lists[d].count != count)
            status = mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %zu images, expected %zu as in %s",
                              folders[d], l.lists[d].count, count, options->truth);
    for (size_t n = 0; status == MRC_OK && n < count; ++n) {
        status = load_three(out, &l, n, err);
        mrc_events_progress(events, "reading", (int64_t)n + 1, (int64_t)count);
        if (status == MRC_OK) status = check_cancelled(&l, err);
    }
    if (status == MRC_OK) mrc_eval_set_join_heads(out, options->min_foreground);
    if (status != MRC_OK) mrc_eval_set_clear(out);
    loader_clear(&l);
    return status;
}
