/* dataset.c: scan, load, cut, choose. All slices of an image are kept, for a slice's neighbours may
 * be wanted as channels even where they are not shown themselves. */
#include "app/sets/dataset.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/sets/class_balance.h"
#include "app/sets/cut.h"
#include "app/sets/pairs.h"
#include "app/sets/prepared.h"
#include "app/sets/stack.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "io/image.h"

enum { MOST_NOTES = 8 };

struct loader {
    const struct mrc_dataset_options *options;
    const struct mrc_events *events;
    struct mrc_dataset *dataset;
    int domain, notes;
};

const char *mrc_dataset_contrast(const struct mrc_dataset *dataset, int domain) {
    return mrc_contrast_name(dataset->contrasts[domain]);
}

static const char *name_of(const struct loader *l) {
    return mrc_dataset_contrast(l->dataset, l->domain);
}

static enum mrc_contrast contrast_of(const struct loader *l) {
    return l->dataset->contrasts[l->domain];
}

enum mrc_status mrc_stored_range(double *range, const mrc_volume *vol, const char *name,
                                 struct mrc_error *err) {
    int depth = mrc_volume_provenance(vol)->bit_depth;
    if (depth <= 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: intensities as stored need PNG pictures, expected one", name);
    *range = (double)((1 << depth) - 1);
    return MRC_OK;
}

/* The first few of a kind of images; then one line for all others. */
MRC_PRINTF(2, 3) static void note(struct loader *l, const char *fmt, ...) {
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (++l->notes <= MOST_NOTES)
        mrc_events_note(l->events, "%s", text);
    else if (l->notes == MOST_NOTES + 1)
        mrc_events_note(l->events, "more notes on %s images are not shown", name_of(l));
}

static void leave_out(struct loader *l, const char *path, const char *reason) {
    struct mrc_dataset_domain *domain = &l->dataset->domains[l->domain];
    ++domain->left_out_images;
    note(l, "left out: %s%s%s", path, path[0] != '\0' ? ": " : "", reason);
}

/* Failures that concern one image only. */
static bool is_of_the_image(enum mrc_status status) {
    return status == MRC_ERR_IO || status == MRC_ERR_FORMAT || status == MRC_ERR_UNSUPPORTED ||
           status == MRC_ERR_RANGE || status == MRC_ERR_ARGUMENT;
}

static void keep_grid(struct mrc_dataset_image *image, const mrc_volume *vol) {
    image->geometry = *mrc_volume_geometry(vol);
    image->extent = mrc_volume_extent(vol);
}

static enum mrc_status read_slices(struct mrc_dataset_image *out, struct loader *l,
                                   const struct mrc_image_info *item, struct mrc_error *err) {
    const char *path = item->path;
    struct mrc_image_options image = MRC_IMAGE_DEFAULTS;
    image.assume_ras = l->options->assume_ras;
    image.allow_synthetic = l->options->allow_synthetic;
    image.allow_derived = l->options->allow_derived;
    struct mrc_slices_options cut;
    mrc_volume *vol = NULL;
    enum mrc_status status = mrc_image_load_item(&vol, item, &image, err);
    if (status == MRC_OK)
        status = mrc_cut_options(&cut, &l->options->contract, contrast_of(l), vol, path, err);
    if (status == MRC_OK) status = mrc_slices_from_volume(&out->slices, vol, path, &cut, err);
    if (status == MRC_OK) keep_grid(out, vol);
    const char *remark = status == MRC_OK ? mrc_volume_provenance(vol)->remark : "";
    if (remark[0] != '\0') note(l, "%s: %s", path, remark);
    mrc_volume_destroy(vol);
    return status;
}

/* Moves the slices of `from` into the domain and lists those that show enough of the head. */
static enum mrc_status add_image(struct loader *l, const char *path, const char *label,
                                 struct mrc_dataset_image *from, struct mrc_error *err) {
    struct mrc_dataset_domain *d = &l->dataset->domains[l->domain];
    void *images = d->images, *places = d->places;
    char *name = mrc_strdup(path), *class_ = mrc_strdup(label);
    bool grown = name != NULL && class_ != NULL &&
                 mrc_grow(&images, &d->capacity, d->count + 1, sizeof *d->images);
    if (grown) d->images = images;
    grown = grown && mrc_grow(&places, &d->place_capacity,
                              d->place_count + (size_t)from->slices.count, sizeof *d->places);
    if (!grown) {
        mrc_free(class_);
        mrc_free(name);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    d->places = places;
    struct mrc_dataset_image *image = &d->images[d->count];
    *image = *from;
    image->path = name;
    image->label = class_;
    from->slices = (struct mrc_slices){0};
    for (int64_t k = 0; k < image->slices.count; ++k) {
        if ((double)image->slices.foreground[k] < l->options->min_foreground) {
            ++d->left_out_slices;
            continue;
        }
        d->places[d->place_count++] = (struct mrc_dataset_place){.image = d->count, .k = k};
        ++image->used;
    }
    ++d->count;
    return MRC_OK;
}

/* The folder below SET/T1w; "" for what lies there itself. Only the path of a NIfTI image is a
 * file. */
static void find_label(char out[MRC_DATASET_LABEL_TEXT], const struct loader *l,
                       const struct mrc_image_info *item) {
    char *folder = mrc_path_join(l->options->set, name_of(l));
    size_t length = folder != NULL ? strlen(folder) : 0, label = 0;
    const char *below = item->path;
    if (length > 0 && strncmp(below, folder, length) == 0 && below[length] == '/') {
        below += length + 1;
        label = strcspn(below, "/");
        if (below[label] == '\0' && item->kind == MRC_SOURCE_NIFTI) label = 0;
    }
    mrc_free(folder);
    snprintf(out, MRC_DATASET_LABEL_TEXT, "%.*s", (int)label, below);
}

static enum mrc_status load_item(struct loader *l, const struct mrc_image_info *item,
                                 struct mrc_error *err) {
    enum mrc_contrast wanted = contrast_of(l);
    bool marked = (item->synthetic && l->options->allow_synthetic) ||
                  (item->derived && l->options->allow_derived);
    if (!item->usable && !marked) {
        leave_out(l, item->path, item->reason);
        return MRC_OK;
    }
    if (item->unweighted && !l->options->force) { /* a map is none, whatever its folder is called */
        leave_out(l, item->path, item->reason);
        return MRC_OK;
    }
    if (item->contrast != MRC_CONTRAST_UNKNOWN && item->contrast != wanted && !l->options->force) {
        char reason[96];
        snprintf(reason, sizeof reason, "recognised as %s, expected %s",
                 mrc_contrast_name(item->contrast), mrc_contrast_name(wanted));
        leave_out(l, item->path, reason);
        return MRC_OK;
    }
    struct mrc_dataset_image image = {0};
    struct mrc_error own = {0};
    enum mrc_status status = read_slices(&image, l, item, &own);
    if (status == MRC_OK) {
        char label[MRC_DATASET_LABEL_TEXT];
        find_label(label, l, item);
        status = add_image(l, item->path, label, &image, err);
    } else if (is_of_the_image(status)) {
        leave_out(l, "", own.text);
        status = MRC_OK;
    } else {
        status = mrc_fail(err, status, "%s", own.text);
    }
    mrc_slices_clear(&image.slices);
    return status;
}

static enum mrc_status load_items(struct loader *l, const struct mrc_image_list *list,
                                  struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; i < list->refused_count; ++i)
        if (!list->refused[i].aside) leave_out(l, list->refused[i].path, list->refused[i].reason);
    for (size_t i = 0; status == MRC_OK && i < list->count; ++i) {
        status = load_item(l, &list->items[i], err);
        mrc_events_progress(l->events, name_of(l), (int64_t)i + 1, (int64_t)list->count);
        if (status == MRC_OK && mrc_events_cancelled(l->events))
            status = mrc_fail(err, MRC_ERR_CANCELLED, "%s: stopped while reading", l->options->set);
    }
    return status;
}

/* --- sets made by prepare --- */

/* A slice is what the manifest says it is. */
static enum mrc_status check_slice(const float *pixels, size_t count,
                                   const struct mrc_prepared_slice *row, const char *path,
                                   struct mrc_error *err) {
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    char text[MRC_HASH_TEXT];
    enum mrc_status status = mrc_hash_create(&hash, err);
    if (status != MRC_OK) return status;
    mrc_hash_add(hash, pixels, count * sizeof *pixels);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print(text, digest);
    if (strcmp(text, row->hash) == 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: slice %lld is not the one of the manifest", path,
                    (long long)row->index);
}

/* Slices and foreground of one file, whose rows are `count` of the manifest. */
static enum mrc_status read_prepared(struct mrc_dataset_image *image, struct loader *l,
                                     const char *path, const struct mrc_prepared_slice *rows,
                                     size_t count, struct mrc_error *err) {
    struct mrc_image_options reading = MRC_IMAGE_DEFAULTS;
    struct mrc_slices *out = &image->slices;
    reading.allow_synthetic = l->options->allow_synthetic;
    mrc_volume *vol = NULL;
    enum mrc_status status = mrc_image_load(&vol, path, &reading, err);
    struct mrc_extent e = status == MRC_OK ? mrc_volume_extent(vol) : (struct mrc_extent){0, 0, 0};
    size_t plane = (size_t)e.i * (size_t)e.j;
    const int64_t side = l->options->contract.sample.h;
    if (status == MRC_OK && (e.i != side || e.j != side))
        status =
            mrc_fail(err, MRC_ERR_FORMAT,
                     "%s: slices of %lld x %lld pixels, expected %lld as the set's contract says",
                     path, (long long)e.i, (long long)e.j, (long long)side);
    if (status == MRC_OK) {
        *out = (struct mrc_slices){.count = e.k, .size = e.i};
        out->pixels = mrc_alloc(plane * (size_t)e.k, sizeof *out->pixels);
        out->foreground = mrc_alloc((size_t)e.k, sizeof *out->foreground);
        if (out->pixels == NULL || out->foreground == NULL)
            status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    if (status == MRC_OK) {
        keep_grid(image, vol);
        memcpy(out->pixels, mrc_volume_voxels_const(vol), plane * (size_t)e.k * sizeof(float));
        out->record.normalise.lo = rows[0].low;
        out->record.normalise.hi = rows[0].high;
        out->record.normalise.room = mrc_contract_room(&l->options->contract, contrast_of(l));
        for (int64_t k = 0; k < e.k; ++k) out->foreground[k] = -1.0f; /* not in the manifest */
    }
    for (size_t i = 0; status == MRC_OK && i < count; ++i) {
        if (rows[i].index >= e.k)
            return mrc_volume_destroy(vol),
                   mrc_fail(err, MRC_ERR_FORMAT,
                            "%s: %lld slices, the "
                            "manifest has a number %lld",
                            path, (long long)e.k, (long long)rows[i].index);
        out->foreground[rows[i].index] = (float)rows[i].foreground;
        status =
            check_slice(out->pixels + (size_t)rows[i].index * plane, plane, &rows[i], path, err);
    }
    mrc_volume_destroy(vol);
    return status;
}

/* The slices of one side, as they are: preparing has chosen and normalised them. */
static enum mrc_status load_prepared_domain(struct loader *l, const struct mrc_prepared *p,
                                            struct mrc_error *err) {
    const char *name = name_of(l);
    const char *side = mrc_split_name(l->options->split);
    struct mrc_dataset_domain *d = &l->dataset->domains[l->domain];
    enum mrc_status status = MRC_OK;
    for (size_t i = 0, end; status == MRC_OK && i < p->count; i = end) {
        const struct mrc_prepared_slice *row = &p->slices[i];
        for (end = i + 1; end < p->count && strcmp(p->slices[end].file, row->file) == 0;) ++end;
        if (strcmp(row->contrast, name) != 0 || strcmp(row->split, side) != 0) continue;
        struct mrc_dataset_image image = {0};
        char *path = mrc_path_join(l->options->set, row->file);
        status = path != NULL ? read_prepared(&image, l, path, row, end - i, err)
                              : mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", l->options->set);
        if (status == MRC_OK) status = add_image(l, path, row->label, &image, err);
        mrc_slices_clear(&image.slices);
        mrc_free(path);
        mrc_events_progress(l->events, name, (int64_t)end, (int64_t)p->count);
        if (status == MRC_OK && mrc_events_cancelled(l->events))
            status = mrc_fail(err, MRC_ERR_CANCELLED, "%s: stopped while reading", l->options->set);
    }
    if (status == MRC_OK && d->place_count == 0 && !l->options->may_lack)
        status = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                          "%s: no %s slice on the side %s, expected at least one", l->options->set,
                          name, side);
    if (status == MRC_OK && d->place_count > 0)
        mrc_events_note(l->events, "%s: %zu series, %zu slices of the side %s", name, d->count,
                        d->place_count, side);
    return status;
}

static enum mrc_status load_prepared(struct mrc_dataset *out,
                                     const struct mrc_dataset_options *options,
                                     const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_prepared prepared;
    struct mrc_dataset_options chosen = *options;
    chosen.min_foreground = 0.0; /* preparing has judged */
    enum mrc_status status = mrc_prepared_contract(&chosen.contract, options->set, err);
    if (status == MRC_OK)
        status = mrc_cut_compare(&chosen.contract, &options->contract, options->set, err);
    if (status != MRC_OK) return status;
    status = mrc_prepared_read(&prepared, options->set, err);
    for (int domain = 0; status == MRC_OK && domain < MRC_DOMAIN_COUNT; ++domain) {
        struct loader loader = {
            .options = &chosen, .events = events, .dataset = out, .domain = domain};
        status = load_prepared_domain(&loader, &prepared, err);
    }
    mrc_prepared_clear(&prepared);
    return status;
}

static enum mrc_status load_domain(struct loader *l, struct mrc_error *err) {
    const char *name = name_of(l);
    const struct mrc_dataset_domain *d = &l->dataset->domains[l->domain];
    struct mrc_image_list list = {0};
    char *folder = mrc_path_join(l->options->set, name);
    enum mrc_status status = MRC_OK;
    if (folder == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", l->options->set);
    else if (!mrc_path_is_dir(folder))
        status = mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a folder of %s images", folder,
                          name);
    if (status == MRC_OK) status = mrc_image_list_scan(&list, folder, err);
    for (size_t i = 0; status == MRC_OK && i < list.count; ++i)
        (void)mrc_contrast_map_apply(l->options->map, &list.items[i]);
    if (status == MRC_OK) status = load_items(l, &list, err);
    if (status == MRC_OK && d->place_count == 0)
        status = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                          "%s: %zu usable image%s and no usable slice, expected at least one",
                          folder, d->count, d->count == 1 ? "" : "s");
    if (status == MRC_OK)
        mrc_events_note(l->events,
                        "%s: %zu image%s, %zu slices used, %lld left out (less than %.3g %% head)",
                        name, d->count, d->count == 1 ? "" : "s", d->place_count,
                        (long long)d->left_out_slices, l->options->min_foreground * 100.0);
    mrc_image_list_clear(&list);
    mrc_free(folder);
    return status;
}

static void take_contrast(struct mrc_dataset *out, const struct mrc_contract *contract,
                          int domain) {
    out->contrasts[domain] = contract->contrasts[domain];
    out->room[domain] = mrc_contract_room(contract, contract->contrasts[domain]);
}

void mrc_dataset_begin(struct mrc_dataset *out, const struct mrc_contract *contract) {
    *out = (struct mrc_dataset){.size = contract->sample.h, .channels = contract->sample.c};
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) take_contrast(out, contract, domain);
}

enum mrc_status mrc_dataset_add(struct mrc_dataset *dataset, int domain, const char *name,
                                struct mrc_slices *slices, struct mrc_error *err) {
    const struct mrc_dataset_options all = MRC_DATASET_DEFAULTS;
    struct mrc_dataset_options taken = all;
    taken.min_foreground = 0.0;
    struct loader loader = {.options = &taken, .dataset = dataset, .domain = domain};
    struct mrc_dataset_image image = {.slices = *slices};
    enum mrc_status status = add_image(&loader, name, "", &image, err);
    *slices = image.slices; /* nothing left where it was taken */
    return status;
}

enum mrc_status mrc_dataset_load(struct mrc_dataset *out, const struct mrc_dataset_options *options,
                                 const struct mrc_events *events, struct mrc_error *err) {
    mrc_dataset_begin(out, &options->contract);
    out->is_prepared = mrc_prepared_is_there(options->set);
    out->has_classes = options->balance == MRC_BALANCE_CLASS;
    if (!mrc_path_is_dir(options->set))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a folder with %s and %s inside",
                        options->set, mrc_dataset_contrast(out, MRC_DOMAIN_X),
                        mrc_dataset_contrast(out, MRC_DOMAIN_Y));
    const bool prepared = out->is_prepared;
    if (prepared && options->map != NULL)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: made by mrcycle prepare, which has named the contrasts; --map belongs "
                        "there",
                        options->set);
    enum mrc_status status = prepared ? load_prepared(out, options, events, err) : MRC_OK;
    for (int domain = 0; !prepared && status == MRC_OK && domain < MRC_DOMAIN_COUNT; ++domain) {
        struct loader loader = {
            .options = options, .events = events, .dataset = out, .domain = domain};
        status = load_domain(&loader, err);
    }
    if (status == MRC_OK && options->paired)
        status = mrc_pairs_find(out, options->set, events, err);
    if (status == MRC_ERR_UNSUPPORTED && options->paired && options->may_lack_pairs) {
        mrc_events_note(events, "%s", err->text);
        mrc_error_clear(err);
        status = MRC_OK;
    }
    if (status != MRC_OK) mrc_dataset_clear(out);
    return status;
}

size_t mrc_dataset_bytes(const struct mrc_dataset *dataset) {
    size_t pixels = 0;
    for (int d = 0; d < MRC_DOMAIN_COUNT; ++d)
        for (size_t i = 0; i < dataset->domains[d].count; ++i)
            pixels += (size_t)dataset->domains[d].images[i].slices.count;
    return pixels * (size_t)(dataset->size * dataset->size) * sizeof(float);
}

enum mrc_status mrc_dataset_hash(char out[MRC_DATASET_HASH_TEXT], const struct mrc_dataset *dataset,
                                 struct mrc_error *err) {
    size_t floats = (size_t)(dataset->size * dataset->size * dataset->channels);
    float *slice = mrc_alloc(floats, sizeof *slice);
    mrc_hash *hash = NULL;
    enum mrc_status status = slice != NULL ? mrc_hash_create(&hash, err)
                                           : mrc_fail(err, MRC_ERR_NOMEM, "set: out of memory");
    for (int domain = 0; status == MRC_OK && domain < MRC_DOMAIN_COUNT; ++domain) {
        mrc_hash_add_text(hash, mrc_dataset_contrast(dataset, domain));
        for (size_t i = 0; i < dataset->domains[domain].place_count; ++i) {
            mrc_dataset_fetch((void *)dataset, slice, domain, i);
            mrc_hash_add(hash, slice, floats * sizeof *slice);
            const struct mrc_dataset_domain *d = &dataset->domains[domain];
            if (dataset->has_classes) mrc_hash_add_text(hash, d->images[d->places[i].image].label);
        }
    }
    if (status == MRC_OK && dataset->watched[0] != '\0') mrc_hash_add_text(hash, dataset->watched);
    if (status == MRC_OK && dataset->computed[0] != '\0')
        mrc_hash_add_text(hash, dataset->computed);
    if (status == MRC_OK && dataset->pair_count > 0)
        mrc_hash_add(hash, dataset->pairs, dataset->pair_count * sizeof *dataset->pairs);
    if (status == MRC_OK) {
        uint8_t digest[MRC_HASH_BYTES];
        mrc_hash_finish(hash, digest);
        mrc_hash_print(out, digest);
    }
    mrc_hash_destroy(hash);
    mrc_free(slice);
    return status;
}

void mrc_dataset_clear(struct mrc_dataset *dataset) {
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        struct mrc_dataset_domain *d = &dataset->domains[domain];
        for (size_t i = 0; i < d->count; ++i) {
            mrc_free(d->images[i].path);
            mrc_free(d->images[i].label);
            mrc_slices_clear(&d->images[i].slices);
        }
        mrc_free(d->images);
        mrc_free(d->places);
    }
    mrc_free(dataset->pairs);
    *dataset = (struct mrc_dataset){0};
}

void mrc_dataset_fetch(void *context, float *dst, int domain, size_t index) {
    const struct mrc_dataset *dataset = context;
    const struct mrc_dataset_domain *d = &dataset->domains[domain];
    const struct mrc_dataset_place *place = &d->places[index];
    const struct mrc_slices *slices = &d->images[place->image].slices;
    mrc_stack_gather(dst, slices->pixels, slices->count, slices->size, dataset->channels, place->k);
}
