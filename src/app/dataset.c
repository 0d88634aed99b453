/* dataset.c: scan, load, cut, choose. All slices of an image are kept, for a slice's neighbours may
 * be wanted as channels even where they are not shown themselves. */
#include "app/dataset.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/stack.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/image.h"

enum { MOST_NOTES = 8 };

struct loader {
    const struct mrc_dataset_options *options;
    const struct mrc_events *events;
    struct mrc_dataset *dataset;
    int domain, notes;
};

const char *mrc_dataset_domain_name(int domain) {
    return mrc_contrast_name(domain == MRC_DOMAIN_X ? MRC_CONTRAST_T1W : MRC_CONTRAST_T2W);
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
        mrc_events_note(l->events, "more notes on %s images are not shown",
                        mrc_dataset_domain_name(l->domain));
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

static enum mrc_status read_slices(struct mrc_slices *out, struct loader *l, const char *path,
                                   struct mrc_error *err) {
    struct mrc_image_options image = MRC_IMAGE_DEFAULTS;
    image.assume_ras = l->options->assume_ras;
    image.allow_synthetic = l->options->allow_synthetic;
    image.flat = true; /* what lies below is in the list by itself */
    struct mrc_slices_options cut = MRC_SLICES_DEFAULTS;
    cut.size = l->options->size;
    mrc_volume *vol = NULL;
    enum mrc_status status = mrc_image_load(&vol, path, &image, err);
    if (status == MRC_OK && l->options->stored)
        status = mrc_stored_range(&cut.stored_range, vol, path, err);
    if (status == MRC_OK) status = mrc_slices_from_volume(out, vol, path, &cut, err);
    const char *remark = status == MRC_OK ? mrc_volume_provenance(vol)->remark : "";
    if (remark[0] != '\0') note(l, "%s: %s", path, remark);
    mrc_volume_destroy(vol);
    return status;
}

/* Moves `slices` into the domain and lists those that show enough of the head. */
static enum mrc_status add_image(struct loader *l, const char *path, struct mrc_slices *slices,
                                 struct mrc_error *err) {
    struct mrc_dataset_domain *d = &l->dataset->domains[l->domain];
    void *images = d->images, *places = d->places;
    char *name = mrc_strdup(path);
    bool grown = name != NULL && mrc_grow(&images, &d->capacity, d->count + 1, sizeof *d->images);
    if (grown) d->images = images;
    grown = grown && mrc_grow(&places, &d->place_capacity, d->place_count + (size_t)slices->count,
                              sizeof *d->places);
    if (!grown) {
        mrc_free(name);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    d->places = places;
    struct mrc_dataset_image *image = &d->images[d->count];
    *image = (struct mrc_dataset_image){.path = name, .slices = *slices};
    *slices = (struct mrc_slices){0};
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

static enum mrc_status load_item(struct loader *l, const struct mrc_image_info *item,
                                 struct mrc_error *err) {
    enum mrc_contrast wanted = l->domain == MRC_DOMAIN_X ? MRC_CONTRAST_T1W : MRC_CONTRAST_T2W;
    bool marked = item->synthetic && l->options->allow_synthetic;
    if (!item->usable && !marked) {
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
    struct mrc_slices slices = {0};
    struct mrc_error own = {0};
    enum mrc_status status = read_slices(&slices, l, item->path, &own);
    if (status == MRC_OK) {
        status = add_image(l, item->path, &slices, err);
    } else if (is_of_the_image(status)) {
        leave_out(l, "", own.text);
        status = MRC_OK;
    } else {
        status = mrc_fail(err, status, "%s", own.text);
    }
    mrc_slices_clear(&slices);
    return status;
}

static enum mrc_status load_items(struct loader *l, const struct mrc_image_list *list,
                                  struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; i < list->refused_count; ++i)
        if (!list->refused[i].aside) leave_out(l, list->refused[i].path, list->refused[i].reason);
    for (size_t i = 0; status == MRC_OK && i < list->count; ++i) {
        status = load_item(l, &list->items[i], err);
        mrc_events_progress(l->events, mrc_dataset_domain_name(l->domain), (int64_t)i + 1,
                            (int64_t)list->count);
        if (status == MRC_OK && mrc_events_cancelled(l->events))
            status = mrc_fail(err, MRC_ERR_CANCELLED, "%s: stopped while reading", l->options->set);
    }
    return status;
}

static enum mrc_status load_domain(struct loader *l, struct mrc_error *err) {
    const char *name = mrc_dataset_domain_name(l->domain);
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

enum mrc_status mrc_dataset_load(struct mrc_dataset *out, const struct mrc_dataset_options *options,
                                 const struct mrc_events *events, struct mrc_error *err) {
    *out = (struct mrc_dataset){.size = options->size, .channels = options->channels};
    if (!mrc_path_is_dir(options->set))
        return mrc_fail(err, MRC_ERR_IO, "%s: not found, expected a folder with T1w and T2w inside",
                        options->set);
    enum mrc_status status = MRC_OK;
    for (int domain = 0; status == MRC_OK && domain < MRC_DOMAIN_COUNT; ++domain) {
        struct loader loader = {
            .options = options, .events = events, .dataset = out, .domain = domain};
        status = load_domain(&loader, err);
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

void mrc_dataset_clear(struct mrc_dataset *dataset) {
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        struct mrc_dataset_domain *d = &dataset->domains[domain];
        for (size_t i = 0; i < d->count; ++i) {
            mrc_free(d->images[i].path);
            mrc_slices_clear(&d->images[i].slices);
        }
        mrc_free(d->images);
        mrc_free(d->places);
    }
    *dataset = (struct mrc_dataset){0};
}

void mrc_dataset_fetch(void *context, float *dst, int domain, size_t index) {
    const struct mrc_dataset *dataset = context;
    const struct mrc_dataset_domain *d = &dataset->domains[domain];
    const struct mrc_dataset_place *place = &d->places[index];
    const struct mrc_slices *slices = &d->images[place->image].slices;
    mrc_stack_gather(dst, slices->pixels, slices->count, slices->size, dataset->channels, place->k);
}
