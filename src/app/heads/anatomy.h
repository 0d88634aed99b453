/* anatomy.h: one person's shape: how places of an image are places of a label map. */
#ifndef MRC_APP_HEADS_ANATOMY_H
#define MRC_APP_HEADS_ANATOMY_H

#include "app/heads/config.h"
#include "app/heads/label_map.h"
#include "app/heads/noise.h"

struct mrc_sim_anatomy {
    double to_map[3][3]; /* millimetres of the image (RAS, the brain's middle is 0) to the map's */
    double to_image[3][3]; /* the inverse */
    double shift_mm[3];    /* of the image's middle */
    bool mirrored;
    double coarse_mm, coarse_grid_mm, fine_mm, fine_grid_mm;
    double ventricle_mm; /* how much wider on each side */
    float fluid_vote;    /* of CSF against its neighbours where they meet */
    double fat_mm, fat_patch, septa;
    double dura_touch;                     /* shells of CSF above are dura; above 1: none */
    double mass_at[3], mass_mm, mass_push; /* in the map's voxels; push 0: none */
};
void mrc_sim_anatomy_draw(struct mrc_sim_anatomy *out, const struct mrc_sim_config *config,
                          struct mrc_rng *rng);

/** Where each place of the lattice lies in the map, in voxels: x, y, z [n2][n1][n0]. axis[a] says
 * which RAS axis the lattice's axis a runs along. Between the places trilinear; nowhere folded:
 * deformations that would fold are made smaller until they do not (*kept says how much of them is
 * left: 1, all). `key` names the person's fields. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_sim_anatomy_place(
    float *x[3], double *kept, const struct mrc_sim_anatomy *anatomy, const struct mrc_sim_map *map,
    const struct mrc_sim_lattice *lattice, const int axis[3], const struct mrc_sim_normals *normals,
    uint64_t key, struct mrc_error *err);
/** A lower bound of how the map stretches, over all directions and places: above 0 nothing is
 * folded. */
double mrc_sim_anatomy_least_stretch(float *const x[3], const struct mrc_sim_anatomy *anatomy,
                                     const struct mrc_sim_map *map,
                                     const struct mrc_sim_lattice *lattice, const int axis[3]);

#endif
