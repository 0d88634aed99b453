/* pairs.c: names without their contrast, and slices on one grid. */
#include "app/sets/pairs.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"

/* Is text[at …] the name of a contrast, with nothing of a word around it? Its length, or 0. */
static size_t contrast_word(const char *text, size_t at) {
    static const char *const words[] = {"t1w", "t2w", "pdw", "flair", "t1", "t2", "pd"};
    if (at > 0 && isalnum((unsigned char)text[at - 1])) return 0;
    for (size_t w = 0; w < sizeof words / sizeof *words; ++w) {
        size_t n = strlen(words[w]), same = 0;
        while (same < n && tolower((unsigned char)text[at + same]) == words[w][same]) ++same;
        if (same == n && !isalnum((unsigned char)text[at + n])) return n;
    }
    return 0;
}

char *mrc_pair_name(const char *path, const char *folder) {
    size_t skip = strlen(folder);
    const char *rest = strncmp(path, folder, skip) == 0 ? path + skip : path;
    while (*rest == '/') ++rest;
    char *name = mrc_strdup(rest);
    if (name == NULL) return NULL;
    size_t to = 0;
    for (size_t at = 0; rest[at] != '\0';) {
        size_t word = contrast_word(rest, at);
        name[to++] = word > 0 ? '*' : rest[at];
        at += word > 0 ? word : 1;
    }
    name[to] = '\0';
    return name;
}

/* --- Of a training set --- */

struct named {
    char *name;
    size_t image;
};
struct names {
    struct named *items;
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Preparing names a file after the series it came from, which no two series share. */
static void drop_acq(char *name) {
    for (char *at = strstr(name, "_acq-"); at != NULL; at = strstr(at, "_acq-")) {
        const char *rest = at + 5 + strcspn(at + 5, "_/.");
        memmove(at, rest, strlen(rest) + 1);
    }
}

static void names_clear(struct names *names) {
    for (size_t i = 0; i < names->count; ++i) mrc_free(names->items[i].name);
    mrc_free(names->items);
}

static enum mrc_status list_names(struct names *out, const struct mrc_dataset *dataset, int domain,
                                  const char *set, struct mrc_error *err) {
    const struct mrc_dataset_domain *d = &dataset->domains[domain];
    char *folder = dataset->is_prepared ? mrc_strdup(set)
                                        : mrc_path_join(set, mrc_dataset_contrast(dataset, domain));
    out->items = mrc_alloc(d->count, sizeof *out->items);
    bool whole = folder != NULL && out->items != NULL;
    for (size_t i = 0; whole && i < d->count; ++i) {
        char *name = mrc_pair_name(d->images[i].path, folder);
        whole = name != NULL;
        if (!whole) break;
        if (dataset->is_prepared) drop_acq(name);
        out->items[out->count++] = (struct named){name, i};
    }
    mrc_free(folder);
    if (!whole) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for pairs", set);
    qsort(out->items, out->count, sizeof *out->items, by_name);
    return MRC_OK;
}

static const struct named *find_only(const struct names *names, const struct named *wanted) {
    const struct named *found =
        bsearch(wanted, names->items, names->count, sizeof *names->items, by_name);
    if (found == NULL) return NULL;
    size_t at = (size_t)(found - names->items);
    bool alone = (at == 0 || by_name(found, found - 1) != 0) &&
                 (at + 1 == names->count || by_name(found, found + 1) != 0);
    return alone ? found : NULL;
}

/* The same slices of the same place, as far as headers tell. */
static bool on_one_grid(const struct mrc_dataset_image *a, const struct mrc_dataset_image *b) {
    static const double most_mm = 0.01;
    const struct mrc_square_record *p = &a->slices.record.square, *q = &b->slices.record.square;
    return a->slices.count == b->slices.count && a->geometry.physical == b->geometry.physical &&
           a->extent.i == b->extent.i && a->extent.j == b->extent.j && a->extent.k == b->extent.k &&
           !(mrc_geometry_distance(&a->geometry, &b->geometry, a->extent) > most_mm) &&
           fabs(p->side_mm - q->side_mm) <= most_mm &&
           fabs(p->offset_mm[0] - q->offset_mm[0]) <= most_mm &&
           fabs(p->offset_mm[1] - q->offset_mm[1]) <= most_mm;
}

/* Slices of the two images that are both trained on; places are in the order of images. */
static void add_slices(struct mrc_dataset *dataset, const size_t image[MRC_DOMAIN_COUNT]) {
    const struct mrc_dataset_domain *x = &dataset->domains[MRC_DOMAIN_X],
                                    *y = &dataset->domains[MRC_DOMAIN_Y];
    for (size_t i = 0; i < x->place_count; ++i) {
        if (x->places[i].image != image[0]) continue;
        for (size_t j = 0; j < y->place_count; ++j) {
            if (y->places[j].image != image[1] || y->places[j].k != x->places[i].k) continue;
            dataset->pairs[dataset->pair_count][0] = i;
            dataset->pairs[dataset->pair_count++][1] = j;
            break;
        }
    }
}

enum mrc_status mrc_image_pairs_find(struct mrc_image_pairs *out, const struct mrc_dataset *dataset,
                                     const char *set, struct mrc_error *err) {
    struct names names[MRC_DOMAIN_COUNT] = {0};
    enum mrc_status st = MRC_OK;
    *out = (struct mrc_image_pairs){0};
    for (int k = 0; st == MRC_OK && k < MRC_DOMAIN_COUNT; ++k)
        st = list_names(&names[k], dataset, k, set, err);
    out->images = mrc_alloc(dataset->domains[MRC_DOMAIN_X].count + 1, sizeof *out->images);
    if (st == MRC_OK && out->images == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for pairs", set);
    for (size_t n = 0; st == MRC_OK && n < names[0].count; ++n) {
        const struct named *x = find_only(&names[0], &names[0].items[n]);
        const struct named *y = x != NULL && x->name[0] != '\0' ? find_only(&names[1], x) : NULL;
        if (y == NULL || !on_one_grid(&dataset->domains[MRC_DOMAIN_X].images[x->image],
                                      &dataset->domains[MRC_DOMAIN_Y].images[y->image]))
            continue;
        out->images[out->count][0] = x->image;
        out->images[out->count++][1] = y->image;
    }
    for (int k = 0; k < MRC_DOMAIN_COUNT; ++k) names_clear(&names[k]);
    if (st != MRC_OK) mrc_image_pairs_clear(out);
    return st;
}

void mrc_image_pairs_clear(struct mrc_image_pairs *pairs) {
    mrc_free(pairs->images);
    *pairs = (struct mrc_image_pairs){0};
}

enum mrc_status mrc_pairs_find(struct mrc_dataset *dataset, const char *set,
                               const struct mrc_events *events, struct mrc_error *err) {
    struct mrc_image_pairs found;
    enum mrc_status st = mrc_image_pairs_find(&found, dataset, set, err);
    if (st != MRC_OK) return st;
    dataset->pair_count = 0;
    dataset->pairs = mrc_alloc(dataset->domains[MRC_DOMAIN_X].place_count, sizeof *dataset->pairs);
    if (dataset->pairs == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for pairs", set);
    for (size_t n = 0; st == MRC_OK && n < found.count; ++n) add_slices(dataset, found.images[n]);
    if (st == MRC_OK && dataset->pair_count == 0)
        st = mrc_fail(err, MRC_ERR_UNSUPPORTED,
                      "%s: no pairs, expected %s and %s images whose names agree but for the "
                      "contrast, on one grid",
                      set, mrc_dataset_contrast(dataset, MRC_DOMAIN_X),
                      mrc_dataset_contrast(dataset, MRC_DOMAIN_Y));
    if (st == MRC_OK)
        mrc_events_note(events, "pairs: %zu slices of %zu images in both contrasts",
                        dataset->pair_count, found.count);
    mrc_image_pairs_clear(&found);
    return st;
}
