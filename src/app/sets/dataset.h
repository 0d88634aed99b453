/* dataset.h: a training set in memory. SET was made by `mrcycle prepare`, and what stands on its
 * training side is taken as it is; or it holds two folders, called as the contrasts; each holds images of any
 * supported kind at any depth. An image is normalised as a whole and becomes axial slices; slices
 * with little of the head in them are left out. */
#ifndef MRC_APP_SETS_DATASET_H
#define MRC_APP_SETS_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "app/sets/split.h"
#include "base/status.h"
#include "io/contrast_map.h"
#include "model/files/contract.h"
#include "preprocess/slices.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_DOMAIN_X, MRC_DOMAIN_Y, MRC_DOMAIN_COUNT }; /* the contract's first two contrasts */

struct mrc_dataset_options {
    const char *set;
    struct mrc_contract contract; /* how images are cut; a prepared set must have been cut so */
    double min_foreground;        /* smallest fraction of a slice inside the head */
    bool assume_ras, allow_synthetic, allow_derived;
    int64_t balance;             /* enum mrc_class_balance; the hash covers classes it uses */
    const mrc_contrast_map *map; /* overrules what is recognised; NULL: none */
    bool paired;                 /* find pairs; they are in the hash */
    bool may_lack_pairs;         /* none is no failure */
    int split;                   /* of a prepared set: MRC_SPLIT_TRAIN, … */
    bool may_lack;               /* a contrast without a slice is no failure */
    bool force; /* take images recognised as another contrast than their folder's */
};
#define MRC_DATASET_DEFAULTS                                                                       \
    { .contract = MRC_CONTRACT_DEFAULTS, .min_foreground = 0.08 }

struct mrc_dataset_image {
    char *path;
    char *label; /* the first folder below T1w or T2w, or `class` of the manifest; "": none */
    struct mrc_slices slices;
    struct mrc_geometry geometry; /* of the source's grid */
    struct mrc_extent extent;
    int64_t used; /* slices taken */
};
struct mrc_dataset_place {
    size_t image;
    int64_t k;
};
struct mrc_dataset_domain {
    struct mrc_dataset_image *images;
    size_t count, capacity;
    struct mrc_dataset_place *places; /* of the slices taken */
    size_t place_count, place_capacity;
    int64_t left_out_slices, left_out_images;
};
struct mrc_dataset {
    int64_t size, channels;
    enum mrc_contrast contrasts[MRC_DOMAIN_COUNT];
    double room[MRC_DOMAIN_COUNT]; /* of each contrast, for showing its slices */
    bool has_classes;              /* labels count: they are in the hash */
    bool is_prepared;
    char
        watched[65]; /* hash of the side that decides what is best, and in the hash of this one; "":
                         none */
    char computed[65]; /* hash of what computes further pairs, and in the hash of this one; "": none
                        */
    size_t (*pairs)[MRC_DOMAIN_COUNT]; /* places in X and Y that show the same (app/sets/pairs.h) */
    size_t pair_count;
    struct mrc_dataset_domain domains[MRC_DOMAIN_COUNT];
};

/** Reads the set. What cannot be used is left out with a note; MRC_ERR_UNSUPPORTED when a domain is
 * left without a slice, MRC_ERR_IO when a folder is missing. */
MRC_STATUS mrc_dataset_load(struct mrc_dataset *out, const struct mrc_dataset_options *options,
                            const struct mrc_events *events, struct mrc_error *err);
/** An empty set of the contract's contrasts and samples, to be added to. */
MRC_API void mrc_dataset_begin(struct mrc_dataset *out, const struct mrc_contract *contract);
/** Adds an image of X or Y, all of whose slices are taken; `slices` moves into the set. */
MRC_STATUS mrc_dataset_add(struct mrc_dataset *dataset, int domain, const char *name,
                           struct mrc_slices *slices, struct mrc_error *err);
/** Bytes of its slices. */
MRC_API size_t mrc_dataset_bytes(const struct mrc_dataset *dataset);
MRC_API void mrc_dataset_clear(struct mrc_dataset *dataset);
/** *range: the largest intensity that pictures of their kind can store. MRC_ERR_UNSUPPORTED for
 * images that are no pictures and so have none; `name` is for the message. */
MRC_STATUS mrc_stored_range(double *range, const mrc_volume *vol, const char *name,
                            struct mrc_error *err);
enum { MRC_DATASET_HASH_TEXT = 65, MRC_DATASET_LABEL_TEXT = 256 };
/** SHA-256 of all slices that are trained on, in their order, as 64 hexadecimal digits: whatever
 * may change a run is in it, and no name. */
MRC_STATUS mrc_dataset_hash(char out[MRC_DATASET_HASH_TEXT], const struct mrc_dataset *dataset,
                            struct mrc_error *err);
/** The name of X's or Y's contrast, "T1w". */
MRC_API const char *mrc_dataset_contrast(const struct mrc_dataset *dataset, int domain);
/** dst [size][size][channels]: one of place_count slices. The shape mrc_slice_source asks for;
 * context is the dataset. May be called from several threads. */
MRC_API void mrc_dataset_fetch(void *context, float *dst, int domain, size_t index);

#ifdef __cplusplus
}
#endif
#endif
