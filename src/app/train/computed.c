/* computed.c: see computed.h. */
#include "app/train/computed.h"

#include <stdio.h>
#include <string.h>

#include "app/heads/source.h"
#include "base/alloc.h"

enum { WATCHED = 64 };                            /* slices that checks are made on */
static const uint64_t FIRST_WATCHED = 1ull << 62; /* training never comes to that number */

struct mrc_computed {
    mrc_sim_source *source;
    struct mrc_contract contract;
    int at[MRC_DOMAIN_COUNT]; /* of X and Y, among the contrasts that are computed */
};

static enum mrc_status find_contrasts(mrc_computed *c, struct mrc_error *err) {
    for (int d = 0; d < MRC_DOMAIN_COUNT; ++d) {
        const enum mrc_contrast wanted = c->contract.contrasts[d];
        c->at[d] = -1;
        for (int n = 0; n < MRC_SIM_CONTRASTS; ++n)
            if (mrc_sim_contrasts[n] == wanted) c->at[d] = n;
        if (c->at[d] < 0)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "--simulate computes T1w, T2w, PDw and FLAIR, expected none of %s",
                            mrc_contrast_name(wanted));
    }
    if (c->contract.channels == MRC_CHANNELS_SLICE) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "--simulate computes single slices, expected --channels 1");
}

/* The paths between commas. `list` is broken into them. */
static enum mrc_status split_paths(const char ***out, size_t *count, char *list,
                                   struct mrc_error *err) {
    size_t most = 1;
    for (const char *c = list; *c != '\0'; ++c) most += *c == ',';
    const char **paths = mrc_alloc(most, sizeof *paths);
    *count = 0;
    *out = paths;
    if (paths == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for label maps");
    for (char *rest = NULL, *path = strtok_r(list, ",", &rest); path != NULL;
         path = strtok_r(NULL, ",", &rest))
        paths[(*count)++] = path;
    return MRC_OK;
}

static enum mrc_status open_source(mrc_computed *c, const struct mrc_train_options *o,
                                   struct mrc_error *err) {
    struct mrc_sim_source_options source;
    mrc_sim_source_options_init(&source);
    source.table = o->simulate_labels[0] != '\0' ? o->simulate_labels : NULL;
    source.seed = o->model.seed;
    source.size = c->contract.sample.h;
    source.planes = c->contract.planes; /* bits in the same order */
    source.stored = c->contract.stored;
    source.low_percentile = c->contract.low_percentile;
    source.high_percentile = c->contract.high_percentile;
    for (int n = 0; n < MRC_SIM_CONTRASTS; ++n)
        source.room[n] = mrc_contract_room(&c->contract, mrc_sim_contrasts[n]);
    char *list = mrc_strdup(o->simulate);
    const char **paths = NULL;
    enum mrc_status status = list != NULL
                                 ? split_paths(&paths, &source.map_count, list, err)
                                 : mrc_fail(err, MRC_ERR_NOMEM, "out of memory for label maps");
    source.maps = paths;
    if (status == MRC_OK && o->simulate_config[0] != '\0')
        status = mrc_sim_config_load(&source.config, o->simulate_config, err);
    if (status == MRC_OK) status = mrc_sim_source_create(&c->source, &source, err);
    mrc_free((void *)paths);
    mrc_free(list);
    return status;
}

enum mrc_status mrc_computed_create(mrc_computed **out, const struct mrc_train_options *options,
                                    struct mrc_error *err) {
    mrc_computed *c = mrc_alloc(1, sizeof *c);
    *out = c;
    if (c == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed heads");
    c->contract = options->data.contract;
    enum mrc_status status = find_contrasts(c, err);
    if (status == MRC_OK && c->contract.stored)
        status = mrc_fail(err, MRC_ERR_ARGUMENT,
                          "--simulate computes no pictures, expected --intensities head");
    if (status == MRC_OK) status = open_source(c, options, err);
    if (status != MRC_OK) {
        mrc_computed_destroy(c);
        *out = NULL;
    }
    return status;
}

void mrc_computed_destroy(mrc_computed *c) {
    if (c == NULL) return;
    mrc_sim_source_destroy(c->source);
    mrc_free(c);
}

enum mrc_status mrc_computed_hash(char out[MRC_DATASET_HASH_TEXT], const mrc_computed *c,
                                  struct mrc_error *err) {
    return mrc_sim_source_hash(out, c->source, err);
}

enum mrc_status mrc_computed_make(void *maker, float *const image[MRC_DOMAIN_COUNT],
                                  float *const truth[MRC_DOMAIN_COUNT], uint64_t number,
                                  struct mrc_error *err) {
    const mrc_computed *c = maker;
    struct mrc_sim_sample sample = {.tissue = NULL};
    for (int d = 0; d < MRC_DOMAIN_COUNT; ++d) {
        sample.image[c->at[d]] = image[d];
        sample.truth[c->at[d]] = truth[d];
    }
    return mrc_sim_source_fetch(c->source, &sample, number, err);
}

/* --- What checks are made on --- */

static enum mrc_status begin_slice(struct mrc_slices *out, int64_t size, struct mrc_error *err) {
    *out = (struct mrc_slices){.count = 1, .size = size};
    out->pixels = mrc_alloc((size_t)(size * size), sizeof *out->pixels);
    out->foreground = mrc_alloc(1, sizeof *out->foreground);
    if (out->pixels == NULL || out->foreground == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed slices");
    out->foreground[0] = 1.0f;
    return MRC_OK;
}

static enum mrc_status add_pair(struct mrc_dataset *out, const mrc_computed *c, uint64_t number,
                                struct mrc_error *err) {
    struct mrc_slices slices[MRC_DOMAIN_COUNT] = {{.pixels = NULL}};
    float *const none[MRC_DOMAIN_COUNT] = {NULL, NULL};
    char name[40];
    snprintf(name, sizeof name, "computed %d", (int)(number - FIRST_WATCHED));
    enum mrc_status status = MRC_OK;
    for (int d = 0; status == MRC_OK && d < MRC_DOMAIN_COUNT; ++d)
        status = begin_slice(&slices[d], c->contract.sample.h, err);
    if (status == MRC_OK) {
        float *const image[MRC_DOMAIN_COUNT] = {slices[0].pixels, slices[1].pixels};
        status = mrc_computed_make((void *)c, image, none, number, err);
    }
    for (int d = 0; d < MRC_DOMAIN_COUNT; ++d) {
        slices[d].record.normalise.hi = 1.0;
        slices[d].record.normalise.room = out->room[d];
        if (status == MRC_OK) status = mrc_dataset_add(out, d, name, &slices[d], err);
        mrc_slices_clear(&slices[d]);
    }
    return status;
}

enum mrc_status mrc_computed_watched(struct mrc_dataset *out, const mrc_computed *c,
                                     struct mrc_error *err) {
    mrc_dataset_begin(out, &c->contract);
    enum mrc_status status = MRC_OK;
    for (uint64_t n = 0; status == MRC_OK && n < WATCHED; ++n)
        status = add_pair(out, c, FIRST_WATCHED + n, err);
    return status;
}
