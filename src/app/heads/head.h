/* head.h: one computed head: drawn from a seed and a number, then rendered slice by slice in every
 * contrast at once. */
#ifndef MRC_APP_HEADS_HEAD_H
#define MRC_APP_HEADS_HEAD_H

#include "app/heads/lesion.h"
#include "app/heads/scan.h"

enum {
    MRC_SIM_CHANNELS = 11 /* fields on the lattice: places x 3, texture x 3, patches, septa,
                             pulsation, receive field x 2 */
};

struct mrc_sim_head {
    const struct mrc_sim_map *map;
    const struct mrc_sim_normals *normals;
    uint64_t key;
    enum mrc_sim_lesion_kind lesion;
    struct mrc_sim_anatomy anatomy;
    struct mrc_sim_physics physics;
    struct mrc_sim_signals signals;
    struct mrc_sim_scan scan;
    double deformation_kept;
    const uint8_t *code;            /* the map's, or own */
    uint8_t *own;                   /* a copy with lesions; NULL in a healthy head */
    uint8_t settled[MRC_SIM_CODES]; /* what codes mean in this head */
    float look_lo[3], look_hi[3];   /* the part of the map that can be seen, in voxels */
    struct mrc_sim_lattice lattice;
    float *channel[MRC_SIM_CHANNELS]; /* all in one block, channel[0] */
};

/** Draws head `number` of `seed`. `plane`: of its slices, enum mrc_orientation; less than 0: drawn.
 * The map must outlive it. Clear also after a failure. */
MRC_MUST_CHECK enum mrc_status mrc_sim_head_init(struct mrc_sim_head *head,
                                                 const struct mrc_sim_config *config,
                                                 const struct mrc_sim_map *map,
                                                 const struct mrc_sim_normals *normals,
                                                 uint64_t seed, uint64_t number, int plane,
                                                 struct mrc_error *err);
/** Prepares slices first … last of the head's grid (scan.grid) for rendering; what was prepared
 * before goes. */
MRC_MUST_CHECK enum mrc_status mrc_sim_head_prepare(struct mrc_sim_head *head, int first, int last,
                                                    struct mrc_error *err);
void mrc_sim_head_clear(struct mrc_sim_head *head);

/** Memory for rendering one slice, one a thread. */
typedef struct mrc_sim_scratch mrc_sim_scratch;
MRC_MUST_CHECK enum mrc_status mrc_sim_scratch_create(mrc_sim_scratch **out,
                                                      const struct mrc_sim_head *head,
                                                      struct mrc_error *err);
void mrc_sim_scratch_destroy(mrc_sim_scratch *scratch);

/** Renders slice k: image[c][rows][columns], 1000 is the brightest of white and grey matter and
 * fluid; tissue: enum mrc_sim_tissue that fills most of each voxel; lesion: 0 or 1. Any of them may
 * be NULL. Cannot fail. */
void mrc_sim_head_render(const struct mrc_sim_head *head, int k, mrc_sim_scratch *scratch,
                         float *const image[MRC_SIM_CONTRASTS], float *tissue, float *lesion);

/** Of slice k, rendered last with that scratch: tissues as bright as they typically are, with the
 * slice's partial volume and the texture that shows in all contrasts, and nothing that a scanner
 * adds: no receive field, noise, ghost or shift. Any of `truth` may be NULL; air is 0. */
void mrc_sim_head_render_truth(const struct mrc_sim_head *head, int k, mrc_sim_scratch *scratch,
                               const struct mrc_sim_typical *typical,
                               float *const truth[MRC_SIM_CONTRASTS]);

#endif
