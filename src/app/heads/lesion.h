/* lesion.h: pathology: what is painted into one person's copy of a label map. */
#ifndef MRC_APP_HEADS_LESION_H
#define MRC_APP_HEADS_LESION_H

#include "app/heads/anatomy.h"

enum mrc_sim_lesion_kind {
    MRC_SIM_HEALTHY,
    MRC_SIM_KIND_HYPERINTENSITIES,
    MRC_SIM_KIND_SCLEROSIS,
    MRC_SIM_KIND_TUMOUR,
    MRC_SIM_KIND_INFARCT,
    MRC_SIM_KIND_HAEMORRHAGE,
    MRC_SIM_KIND_CAVITY,
    MRC_SIM_LESION_KINDS
};
/** "none", "hyperintensities", "sclerosis", "tumour", … as in the configuration. */
const char *mrc_sim_lesion_name(enum mrc_sim_lesion_kind kind);

/** Healthy, or one of the kinds, by their share and weights. */
enum mrc_sim_lesion_kind mrc_sim_lesion_choose(const struct mrc_sim_config *config,
                                               struct mrc_rng *rng);
/** Paints lesions of that kind into `code` (a copy of map->code), and sets the mass of `anatomy`
 * where they push. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_sim_lesion_paint(
    uint8_t *code, struct mrc_sim_anatomy *anatomy, enum mrc_sim_lesion_kind kind,
    const struct mrc_sim_map *map, const struct mrc_sim_config *config, struct mrc_rng *rng,
    const struct mrc_sim_normals *normals, uint64_t key, struct mrc_error *err);

#endif
