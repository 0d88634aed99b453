/* source.h: training samples without end: one slice of a head that nobody has seen before, in every
 * contrast, with its tissues and lesions, made when it is asked for.
 * A sample is a function of the seed and its number alone. So training that is stopped goes on bit
 * by bit by going on with the numbers, several threads may ask at once, and nothing is kept. Only
 * the slice is computed, never the volume around it. */
#ifndef MRC_APP_HEADS_SOURCE_H
#define MRC_APP_HEADS_SOURCE_H

#include "app/heads/physics.h"
#include "io/geometry.h"

struct mrc_sim_source_options {
    const char *const *maps; /* as of mrc_simulate_options */
    size_t map_count;
    const char *table;
    uint64_t seed;
    int64_t size; /* side of a sample in pixels, 16 … 1024: the field of view is fitted to it */
    unsigned planes; /* bit p: enum mrc_orientation p */
    bool stored;     /* intensities as they come, 1000 the brightest of brain and fluid; else: */
    double low_percentile, high_percentile; /* of the head's core, which become 0 and 1 / room */
    double room[MRC_SIM_CONTRASTS];         /* 1 or more */
    struct mrc_sim_config config;
};
/** Axial slices of 64 x 64, percentiles 0.5 and 95, the ranges' defaults. */
void mrc_sim_source_options_init(struct mrc_sim_source_options *options);

/** What a sample is; images are the caller's, [size][size], and may be NULL. */
struct mrc_sim_sample {
    float *image[MRC_SIM_CONTRASTS]; /* in [0,1], unless stored */
    float *truth[MRC_SIM_CONTRASTS]; /* the same anatomy with every tissue as bright as it usually
                                        is (struct mrc_sim_typical) and white matter as bright in
                                        every sample; sharp, even, without noise */
    float *tissue;                   /* enum mrc_sim_tissue */
    float *lesion;                   /* 0 or 1 */
    /* told: */
    size_t map;
    enum mrc_orientation plane;
    double position_mm; /* of the slice, from the brain's middle, along RAS+ */
    double pixel_mm, field_t;
    bool stripped;
    struct mrc_sim_sequence sequence[MRC_SIM_CONTRASTS];
};

typedef struct mrc_sim_source mrc_sim_source;
/** Reads all maps. */
MRC_MUST_CHECK enum mrc_status mrc_sim_source_create(mrc_sim_source **out,
                                                     const struct mrc_sim_source_options *options,
                                                     struct mrc_error *err);
void mrc_sim_source_destroy(mrc_sim_source *source);
/** SHA-256 of all that samples depend on, as 64 hexadecimal digits. */
MRC_MUST_CHECK enum mrc_status mrc_sim_source_hash(char out[65], const mrc_sim_source *source,
                                                   struct mrc_error *err);
/** Makes sample `number`. May be called from several threads at once. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_sim_source_fetch(const mrc_sim_source *source,
                                                    struct mrc_sim_sample *sample, uint64_t number,
                                                    struct mrc_error *err);
/** Makes samples number … number + count - 1 on all threads. */
MRC_MUST_CHECK enum mrc_status mrc_sim_source_fetch_batch(const mrc_sim_source *source,
                                                          struct mrc_sim_sample *samples,
                                                          size_t count, uint64_t number,
                                                          struct mrc_error *err);

#endif
