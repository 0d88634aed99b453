/* generated_map.c: the procedural head as a label map, so that heads can be computed where there is
 * no data at all. */
#include "app/heads/label_map.h"
#include "app/heads/phantom_shape.h"
#include "base/parallel.h"

static const double VOXEL_MM = 1.5, BLUR_MM = 0.5;

struct painting {
    struct mrc_head head;
    mrc_volume *vol;
};

static float most_of(const double fraction[MRC_TISSUES]) {
    int best = 0;
    for (int t = 1; t < MRC_TISSUES; ++t)
        if (fraction[t] > fraction[best]) best = t;
    return (float)best;
}

static void paint_slices(void *context, size_t begin, size_t end, int lane) {
    const struct painting *p = context;
    const struct mrc_extent e = mrc_volume_extent(p->vol);
    const struct mrc_geometry *g = mrc_volume_geometry(p->vol);
    (void)lane;
    for (size_t k = begin; k < end; ++k) {
        float *voxel = mrc_volume_voxels(p->vol) + (int64_t)k * e.i * e.j;
        for (int64_t j = 0; j < e.j; ++j)
            for (int64_t i = 0; i < e.i; ++i) {
                double ras_mm[3], fraction[MRC_TISSUES];
                mrc_geometry_position(ras_mm, g, (double)i, (double)j, (double)k);
                mrc_head_at(fraction, &p->head, ras_mm, BLUR_MM);
                *voxel++ = most_of(fraction);
            }
    }
}

static enum mrc_status create_volume(mrc_volume **out, struct mrc_error *err) {
    static const double box_mm[3] = MRC_HEAD_BOX_MM;
    double m[3][4] = {{0}};
    int64_t side[3];
    struct mrc_geometry geometry;
    for (int r = 0; r < 3; ++r) {
        side[r] = (int64_t)(box_mm[r] / VOXEL_MM);
        m[r][r] = VOXEL_MM;
        m[r][3] = -0.5 * VOXEL_MM * (double)(side[r] - 1);
    }
    enum mrc_status st = mrc_geometry_from_ras(&geometry, m, "generated head", err);
    if (st != MRC_OK) return st;
    return mrc_volume_create(out, (struct mrc_extent){side[0], side[1], side[2]}, &geometry, err);
}

enum mrc_status mrc_sim_map_generate(struct mrc_sim_map **out, uint64_t seed,
                                     struct mrc_error *err) {
    struct painting p = {.vol = NULL};
    struct mrc_sim_table table = {.rows = NULL};
    *out = NULL;
    enum mrc_status st = create_volume(&p.vol, err);
    if (st == MRC_OK) {
        mrc_head_init(&p.head, seed, 1, 0);
        mrc_parallel_for((size_t)mrc_volume_extent(p.vol).k, 1, paint_slices, &p);
        st = mrc_sim_table_load(&table, "phantom", err);
    }
    if (st == MRC_OK) st = mrc_sim_map_make(out, p.vol, &table, "generated head", err);
    mrc_sim_table_clear(&table);
    mrc_volume_destroy(p.vol);
    return st;
}
