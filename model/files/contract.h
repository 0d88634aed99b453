/* contract.h: what a model takes and gives. Written once, by `prepare` into a set or from the
 * options of `train`, and from there into every checkpoint; read by all that cut slices for the
 * model or make images of what it gives. So nobody who applies a model has to know, or can get
 * wrong, how its training images were made.
 * In files it is a row of words a key (docs/model.md, "The contract"), the same in a model's
 * metadata and in a prepared set's contract.json. */
#ifndef MRC_MODEL_FILES_CONTRACT_H
#define MRC_MODEL_FILES_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/contrast.h"
#include "base/status.h"
#include "model/engine/net.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the channels of an input are: one slice; a slice between its neighbours; red, green, blue;
 * one slice of each contrast. */
enum mrc_channels {
    MRC_CHANNELS_SLICE,
    MRC_CHANNELS_NEIGHBOURS,
    MRC_CHANNELS_COLOURS,
    MRC_CHANNELS_CONTRASTS
};
/** Planes of the patient, as bits. */
enum { MRC_PLANE_AXIAL = 1, MRC_PLANE_SAGITTAL = 2, MRC_PLANE_CORONAL = 4, MRC_PLANES_ALL = 7 };

enum { MRC_CONTRACT_CONTRASTS = 8 };
/** Intensities: with `stored` as pictures store them, 0 to the largest as 0 to 1. Else a volume's
 * limits are found in the core of its head: lo and p_high, its low and high percentile
 * (preprocess/slices.h), and 0 … 1 of the model is lo … lo + room (p_high - lo). `room` is a
 * contrast's own: 1 cuts at p_high, more leaves room for what is brighter than brain, such as the
 * fluid and the eyes of a T2w. */
struct mrc_contract {
    int64_t contrast_count;                              /* 1 to 8 */
    enum mrc_contrast contrasts[MRC_CONTRACT_CONTRASTS]; /* in order; no two alike */
    double room[MRC_CONTRACT_CONTRASTS];                 /* 1 to 10, of each */
    int64_t dims;                                        /* 2: slices, 3: volumes */
    struct mrc_shape sample;                             /* c d h w that training saw; n is 1 */
    int64_t out_channels;
    enum mrc_channels channels;
    double pixel_mm; /* 0: the field of view is fitted to h x w; 0.1 to 10: it is cut or padded to
                        h x w pixels of this size */
    unsigned planes; /* MRC_PLANE_…: trained on */
    bool stored;
    double low_percentile, high_percentile; /* without `stored` */
};
/** What a model without a contract was trained on: T1w and T2w, axial slices of 64 x 64 that the
 * field of view is fitted to, percentiles 0.5 and 95. */
#define MRC_CONTRACT_DEFAULTS                                                                      \
    {                                                                                              \
        .contrast_count = 2, .contrasts = {MRC_CONTRAST_T1W, MRC_CONTRAST_T2W},                    \
        .room = {1.0, 1.0}, .dims = 2, .sample = {1, 1, 1, 64, 64}, .out_channels = 1,             \
        .channels = MRC_CHANNELS_SLICE, .planes = MRC_PLANE_AXIAL, .low_percentile = 0.5,          \
        .high_percentile = 95.0                                                                    \
    }

/** The defaults for slices of size x size, one (1) or with its neighbours (3). */
MRC_API struct mrc_contract mrc_contract_of_slices(int64_t size, int64_t channels, bool stored);
/** Every value in its range, and none contradicting another. MRC_ERR_ARGUMENT says which. */
MRC_STATUS mrc_contract_check(const struct mrc_contract *contract, struct mrc_error *err);
/** Does it say what mrc_contract_of_slices says? Then a file may leave it out. */
MRC_API bool mrc_contract_is_plain(const struct mrc_contract *contract);
/** Where the contrast stands in the list; -1: it is none of the model's. */
MRC_API int mrc_contract_index(const struct mrc_contract *contract, enum mrc_contrast contrast);
/** Is it a translation of the model: from one of its contrasts to another of them? *from may be
 * MRC_CONTRAST_UNKNOWN: then it becomes the only other one. MRC_ERR_ARGUMENT says what the model has. */
MRC_STATUS mrc_contract_settle_from(enum mrc_contrast *from, const struct mrc_contract *contract,
                                    enum mrc_contrast to, struct mrc_error *err);
/** Its room; 1 for a contrast that is none of the model's. */
MRC_API double mrc_contract_room(const struct mrc_contract *contract, enum mrc_contrast contrast);

/* --- In words --- */

/** In this order in files, for the words of one may need those before it. */
enum mrc_contract_key {
    MRC_CONTRACT_LIST,      /* contrasts     "T1w,T2w" */
    MRC_CONTRACT_DIMS,      /* dims          "2" */
    MRC_CONTRACT_SAMPLE,    /* sample        "1,1,64,64": channels, depth, height, width */
    MRC_CONTRACT_OUT,       /* out_channels  "1" */
    MRC_CONTRACT_CHANNELS,  /* channel_kind  "slice", "neighbours", "colours", "contrasts" */
    MRC_CONTRACT_PIXEL,     /* pixel_mm      "0" */
    MRC_CONTRACT_PLANES,    /* planes        "axial,sagittal,coronal" */
    MRC_CONTRACT_NORMALISE, /* normalise     "0.5,95", or "stored" */
    MRC_CONTRACT_ROOM,      /* room          "T1w=1,T2w=2.2"; a contrast that is left out: 1 */
    MRC_CONTRACT_KEYS
};
enum { MRC_CONTRACT_TEXT = 160 };
/** "T1w, PDw or FLAIR": its contrasts but `except` (MRC_CONTRAST_UNKNOWN: all), for sentences. */
MRC_API void mrc_contract_print_choice(char out[MRC_CONTRACT_TEXT],
                                       const struct mrc_contract *contract,
                                       enum mrc_contrast except);
MRC_API const char *mrc_contract_key_name(enum mrc_contract_key key);
MRC_API void mrc_contract_print(char out[MRC_CONTRACT_TEXT], const struct mrc_contract *contract,
                                enum mrc_contract_key key);
/** Sets what the key is about. MRC_ERR_ARGUMENT for words that are none of its. */
MRC_STATUS mrc_contract_parse(struct mrc_contract *contract, enum mrc_contract_key key,
                              const char *text, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
