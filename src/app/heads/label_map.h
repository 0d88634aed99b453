/* label_map.h: one anatomy: what is where in a head, and what is derived from that once. */
#ifndef MRC_APP_HEADS_LABEL_MAP_H
#define MRC_APP_HEADS_LABEL_MAP_H

#include <stdint.h>

#include "app/heads/tissue.h"
#include "io/volume.h"

/** Codes on a grid whose axes run to Right, Anterior, Superior, cut to the head with a margin of
 * air. Coarse maps have a step of about 2 mm; a place `at` in voxels is at / coarse_step there. */
struct mrc_sim_map {
    int n[3];
    double spacing_mm[3];
    uint8_t *code; /* enum mrc_sim_tissue and the codes after it; MRC_SIM_BORDER is set where not
                      all eight corners from here on are the same */
    int m[3];
    float coarse_step[3];     /* in voxels */
    uint8_t *depth;           /* below the outside of the head, in quarter millimetres */
    uint8_t *eye;             /* distance from the eyes, the same */
    uint8_t *brain;           /* smoothed brain, 0 … 255 */
    float *ventricle;         /* smoothed ventricles, 0 … 1 */
    float ventricle_steepest; /* largest change of it a millimetre */
    double brain_lo[3], brain_hi[3], brain_mid[3]; /* in voxels */
    double white_voxels;
};
enum { MRC_SIM_BORDER = 0x80 };

/** Reads a label map. `table` NULL: the first of the program's own tables that knows all of its
 * numbers. Errors name the file: not whole numbers, below 0, unknown, no brain, four dimensions. */
MRC_MUST_CHECK enum mrc_status mrc_sim_map_load(struct mrc_sim_map **out, const char *path,
                                                const struct mrc_sim_table *table,
                                                struct mrc_error *err);
/** The same of a volume in memory. */
MRC_MUST_CHECK enum mrc_status mrc_sim_map_make(struct mrc_sim_map **out, const mrc_volume *vol,
                                                const struct mrc_sim_table *table, const char *name,
                                                struct mrc_error *err);
/** The generated head (phantom_shape.h) of that seed, without lesions, as a map of 1.5 mm: label
 * maps for those who have none. */
MRC_MUST_CHECK enum mrc_status mrc_sim_map_generate(struct mrc_sim_map **out, uint64_t seed,
                                                    struct mrc_error *err);
/** NULL is fine. */
void mrc_sim_map_destroy(struct mrc_sim_map *map);

/** Sets or clears MRC_SIM_BORDER of the voxels lo … hi (inclusive, cut to the map). */
void mrc_sim_map_mark_borders(uint8_t *code, const int n[3], const int lo[3], const int hi[3]);

#endif
