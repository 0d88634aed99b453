/* library.h: the label maps that heads are computed from, each read once. */
#ifndef MRC_APP_HEADS_LIBRARY_H
#define MRC_APP_HEADS_LIBRARY_H

#include "app/heads/label_map.h"
#include "app/heads/noise.h"
#include "base/hash.h"

struct mrc_sim_library {
    char **paths; /* sorted */
    size_t count, capacity;
    struct mrc_sim_map **map; /* NULL until read */
    struct mrc_sim_table table;
    bool has_table;
    struct mrc_sim_normals normals;
};
/** Finds the maps: files, and all *.nii and *.nii.gz below folders; "phantom" stands for eight
 * generated heads, "phantom:5" for that of seed 5. Reads none of them. `table` may be NULL. Clear also after a failure. */
MRC_MUST_CHECK enum mrc_status mrc_sim_library_open(struct mrc_sim_library *out,
                                                    const char *const *paths, size_t count,
                                                    const char *table, struct mrc_error *err);
void mrc_sim_library_clear(struct mrc_sim_library *library);
/** Which map head `number` of `seed` is made of. */
size_t mrc_sim_library_choose(const struct mrc_sim_library *library, uint64_t seed,
                              uint64_t number);
/** Reads the maps that are wanted and not read yet, several at a time. The first failure in the
 * order of the maps is told. */
MRC_MUST_CHECK enum mrc_status mrc_sim_library_read(struct mrc_sim_library *library,
                                                    const bool *wanted, struct mrc_error *err);
/** SHA-256 of the bytes of all maps, in their order, and of the table. */
MRC_MUST_CHECK enum mrc_status mrc_sim_library_digest(char out[MRC_HASH_TEXT],
                                                      const struct mrc_sim_library *library,
                                                      struct mrc_error *err);

#endif
