/* scan.h: what a scanner makes of a head: the grid of the acquisition, and its faults. */
#ifndef MRC_APP_HEADS_SCAN_H
#define MRC_APP_HEADS_SCAN_H

#include "app/heads/anatomy.h"
#include "app/heads/physics.h"
#include "io/geometry.h"

/** A grid along the patient's axes. Index axis a runs along RAS axis axis[a], towards its positive
 * end where sign[a] is 1; voxel 0 lies at first_mm[a] on that axis. Columns, rows and slices run as
 * scanners store them: axial to Left, Posterior, Superior; sagittal to Posterior, Inferior, Right;
 * coronal to Left, Inferior, Posterior. */
struct mrc_sim_grid {
    enum mrc_orientation plane;
    int n[3];
    double spacing_mm[3], first_mm[3];
    int axis[3], sign[3];
};
/** Sets axis and sign by the plane; the rest is 0. */
void mrc_sim_grid_init(struct mrc_sim_grid *grid, enum mrc_orientation plane);
MRC_MUST_CHECK enum mrc_status mrc_sim_grid_geometry(struct mrc_geometry *out,
                                                     const struct mrc_sim_grid *grid,
                                                     struct mrc_error *err);

/** One contrast's image. */
struct mrc_sim_image {
    double thickness;       /* of its slices, in parts of the spacing */
    double blur_mm;         /* in the slice */
    double bias, bias_turn; /* receive field: strength, and which mixture of two fields */
    double noise;           /* in parts of white matter's signal */
    int ring_axis;          /* 0, 1: ringing along columns, rows; -1: none */
    int ghost_axis;         /* -1: none */
    double ghost;
    double ring_cut; /* of the frequencies that the grid holds, the part that is kept */
};
struct mrc_sim_scan {
    struct mrc_sim_grid grid;
    bool isotropic, stripped, masked;
    double strip_at, bias_mm, texture_mm[3];
    struct mrc_sim_image image[MRC_SIM_CONTRASTS];
};
/** `plane`: enum mrc_orientation; less than 0: drawn. */
void mrc_sim_scan_draw(struct mrc_sim_scan *out, const struct mrc_sim_config *config,
                       const struct mrc_sim_anatomy *anatomy, const struct mrc_sim_map *map,
                       int plane, struct mrc_rng *rng);

#endif
