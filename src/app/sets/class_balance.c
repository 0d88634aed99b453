/* class_balance.c: names of classes, and numbers for those that are drawn. */
#include "app/sets/class_balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { TENTHS = 10 };

const char *const mrc_class_balance_names[] = {[MRC_BALANCE_NONE] = "none",
                                               [MRC_BALANCE_IMAGE] = "image",
                                               [MRC_BALANCE_CLASS] = "class",
                                               [MRC_BALANCE_POSITION] = "position",
                                               NULL};

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Different names in order; those of images of which slices are used. */
static size_t list_names(const char **out, const struct mrc_dataset_domain *d) {
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < d->count; ++i)
        if (d->images[i].used > 0) out[count++] = d->images[i].label;
    if (count > 1) qsort((void *)out, count, sizeof *out, by_text);
    for (size_t i = 0; i < count; ++i)
        if (i == 0 || strcmp(out[i], out[i - 1]) != 0) out[kept++] = out[i];
    return kept;
}

static size_t keep_common(const char **a, size_t a_count, const char **b, size_t b_count) {
    size_t kept = 0;
    for (size_t i = 0; i < a_count; ++i)
        if (bsearch(&a[i], (const void *)b, b_count, sizeof *b, by_text) != NULL) a[kept++] = a[i];
    return kept;
}

static enum mrc_status number_labels(struct mrc_slice_source *source,
                                     const struct mrc_dataset *dataset, const char *set,
                                     const struct mrc_events *events, struct mrc_error *err) {
    const char **names[MRC_DOMAIN_COUNT];
    size_t counts[MRC_DOMAIN_COUNT], unused[MRC_DOMAIN_COUNT] = {0};
    enum mrc_status st = MRC_OK;
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k) {
        names[k] = mrc_alloc(dataset->domains[k].count + 1, sizeof **names);
        if (names[k] == NULL)
            st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for classes", set);
        else
            counts[k] = list_names(names[k], &dataset->domains[k]);
        if (st != MRC_OK) break;
    }
    size_t common = st == MRC_OK ? keep_common(names[0], counts[0], names[1], counts[1]) : 0;
    if (st == MRC_OK && common == 0)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: no class has images of both contrasts, expected folders of the same "
                      "names below %s and %s",
                      set, mrc_dataset_contrast(dataset, MRC_DOMAIN_X),
                      mrc_dataset_contrast(dataset, MRC_DOMAIN_Y));
    for (int k = 0; st == MRC_OK && k < MRC_DOMAIN_COUNT; ++k) {
        const struct mrc_dataset_domain *d = &dataset->domains[k];
        source->class_count[k] = common;
        for (size_t i = 0; i < d->place_count; ++i) {
            const char *label = d->images[d->places[i].image].label;
            const char **found =
                bsearch(&label, (const void *)names[0], common, sizeof label, by_text);
            source->classes[k][i] = found != NULL ? (uint32_t)(found - names[0]) : MRC_NO_CLASS;
            unused[k] += found == NULL;
        }
    }
    if (st == MRC_OK)
        mrc_events_note(events,
                        "classes: %zu of both contrasts, drawn equally often; not drawn, because "
                        "the other contrast lacks their class: %zu %s and %zu %s slices",
                        common, unused[0], mrc_dataset_contrast(dataset, MRC_DOMAIN_X), unused[1],
                        mrc_dataset_contrast(dataset, MRC_DOMAIN_Y));
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k) mrc_free((void *)names[k]);
    return st;
}

/* A slice's place among those of its image that are used. */
static void number_tenths(uint32_t *classes, const struct mrc_dataset_domain *d) {
    int64_t rank = 0;
    for (size_t i = 0; i < d->place_count; ++i) {
        size_t image = d->places[i].image;
        rank = i > 0 && d->places[i - 1].image == image ? rank + 1 : 0;
        classes[i] = (uint32_t)(rank * TENTHS / d->images[image].used);
    }
}

/* Tenths that one contrast has no slice of, in an image of fewer than ten, are left out of both. */
static void drop_empty_tenths(struct mrc_slice_source *source) {
    size_t filled[MRC_DOMAIN_COUNT][TENTHS] = {{0}};
    uint32_t number[TENTHS], count = 0;
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k)
        for (size_t i = 0; i < source->count[k]; ++i) ++filled[k][source->classes[k][i]];
    for (int t = 0; t < TENTHS; ++t)
        number[t] = filled[0][t] > 0 && filled[1][t] > 0 ? count++ : MRC_NO_CLASS;
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k) {
        source->class_count[k] = count;
        for (size_t i = 0; i < source->count[k]; ++i)
            source->classes[k][i] = number[source->classes[k][i]];
    }
}

/* Pairs lie image by image. */
static enum mrc_status number_pairs(struct mrc_slice_source *source,
                                    const struct mrc_dataset *dataset, const char *set,
                                    struct mrc_error *err) {
    const struct mrc_dataset_domain *x = &dataset->domains[MRC_DOMAIN_X];
    uint32_t number = 0;
    if (source->pair_count == 0) return MRC_OK;
    source->pair_classes = mrc_alloc(source->pair_count, sizeof *source->pair_classes);
    if (source->pair_classes == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for classes", set);
    for (size_t p = 0; p < source->pair_count; ++p) {
        number += p > 0 && x->places[source->pairs[p][MRC_DOMAIN_X]].image !=
                               x->places[source->pairs[p - 1][MRC_DOMAIN_X]].image;
        source->pair_classes[p] = number;
    }
    source->pair_class_count = (size_t)number + 1;
    return MRC_OK;
}

enum mrc_status mrc_class_balance_find(struct mrc_slice_source *source,
                                       const struct mrc_dataset *dataset,
                                       enum mrc_class_balance balance, const char *set,
                                       const struct mrc_events *events, struct mrc_error *err) {
    if (balance == MRC_BALANCE_NONE) return MRC_OK;
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k) {
        const struct mrc_dataset_domain *d = &dataset->domains[k];
        source->classes[k] = mrc_alloc(d->place_count, sizeof *source->classes[k]);
        if (source->classes[k] == NULL)
            return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for classes", set);
        if (balance == MRC_BALANCE_POSITION) number_tenths(source->classes[k], d);
        if (balance != MRC_BALANCE_IMAGE) continue;
        uint32_t number = 0;
        for (size_t i = 0; i < d->place_count; ++i) {
            number += i > 0 && d->places[i - 1].image != d->places[i].image;
            source->classes[k][i] = number;
        }
        source->class_count[k] = (size_t)number + 1;
    }
    source->matched = balance != MRC_BALANCE_IMAGE;
    if (balance == MRC_BALANCE_IMAGE) return number_pairs(source, dataset, set, err);
    if (balance == MRC_BALANCE_POSITION) drop_empty_tenths(source);
    return balance == MRC_BALANCE_CLASS ? number_labels(source, dataset, set, events, err) : MRC_OK;
}
