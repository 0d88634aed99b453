/* head.c: drawing one head: each part from its own stream, so that one more number in one of them
 * changes nothing elsewhere. */
#include "app/heads/head.h"

#include <math.h>
#include <string.h>

#include "app/heads/grid.h"
#include "base/alloc.h"

enum part { ANATOMY, PHYSICS, SCAN, LESION, FIELDS };

static struct mrc_rng stream(uint64_t seed, uint64_t number, enum part part) {
    return mrc_rng_for(seed, (uint32_t)part, number, MRC_FOR_SIMULATE);
}

static void settle_codes(struct mrc_sim_head *h) {
    static const double shell[4] = {0.15, 0.25, 0.35, 0.45};
    for (int c = 0; c < MRC_SIM_CODES; ++c) h->settled[c] = (uint8_t)c;
    for (int n = 0; n < 4; ++n)
        h->settled[MRC_SIM_OUTER_FLUID + n] =
            shell[n] >= h->anatomy.dura_touch - 0.05 ? MRC_SIM_DURA : MRC_SIM_FLUID;
}

/* All of the map, and a neck below; or the brain and what stripping may leave of its surroundings. */
static void set_look(struct mrc_sim_head *h) {
    static const double AROUND_MM = 12.0, NECK_MM = 200.0;
    for (int r = 0; r < 3; ++r) {
        const double mm = h->map->spacing_mm[r], last = h->map->n[r] - 1;
        double lo = r == 2 ? -NECK_MM / mm : 0.0, hi = last;
        if (h->scan.stripped) {
            lo = fmax(h->map->brain_lo[r] - AROUND_MM / mm, 0.0);
            hi = fmin(h->map->brain_hi[r] + AROUND_MM / mm, last);
        }
        h->look_lo[r] = (float)lo;
        h->look_hi[r] = (float)hi;
    }
}

enum mrc_status mrc_sim_head_init(struct mrc_sim_head *h, const struct mrc_sim_config *config,
                                  const struct mrc_sim_map *map,
                                  const struct mrc_sim_normals *normals, uint64_t seed,
                                  uint64_t number, int plane, struct mrc_error *err) {
    *h = (struct mrc_sim_head){.map = map, .normals = normals};
    struct mrc_rng rng = stream(seed, number, FIELDS);
    h->key = mrc_rng_u64(&rng);
    rng = stream(seed, number, ANATOMY);
    mrc_sim_anatomy_draw(&h->anatomy, config, &rng);
    rng = stream(seed, number, PHYSICS);
    mrc_sim_physics_draw(&h->physics, config, &rng);
    mrc_sim_signals_make(&h->signals, &h->physics);
    rng = stream(seed, number, SCAN);
    mrc_sim_scan_draw(&h->scan, config, &h->anatomy, map, plane, &rng);
    rng = stream(seed, number, LESION);
    h->lesion = mrc_sim_lesion_choose(config, &rng);
    settle_codes(h);
    set_look(h);
    h->code = map->code;
    if (h->lesion == MRC_SIM_HEALTHY) return MRC_OK;
    const size_t count = mrc_grid_count(map->n);
    h->own = mrc_alloc(count, 1);
    if (h->own == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a head");
    memcpy(h->own, map->code, count);
    h->code = h->own;
    return mrc_sim_lesion_paint(h->own, &h->anatomy, h->lesion, map, config, &rng, normals, h->key,
                                err);
}

void mrc_sim_head_clear(struct mrc_sim_head *h) {
    mrc_free(h->own);
    mrc_free(h->channel[0]);
    h->own = NULL;
    h->code = NULL;
    memset(h->channel, 0, sizeof h->channel);
}

/* A lattice of about 4 mm over the slices, with room for samples beside the voxels' middles. */
static void lay_lattice(struct mrc_sim_lattice *l, const struct mrc_sim_grid *g, int first,
                        int last) {
    static const double STEP_MM = 4.0;
    for (int a = 0; a < 3; ++a) {
        const double from = a == 2 ? first : 0, to = a == 2 ? last : g->n[a] - 1;
        const double margin = 1.5 * g->spacing_mm[a];
        const double length = (to - from) * g->spacing_mm[a] + 2.0 * margin;
        l->n[a] = (int)ceil(length / STEP_MM) + 1;
        l->step_mm[a] = g->sign[a] * length / (l->n[a] - 1);
        l->first_mm[a] = g->first_mm[a] + g->sign[a] * (from * g->spacing_mm[a] - margin);
    }
}

enum mrc_status mrc_sim_head_prepare(struct mrc_sim_head *h, int first, int last,
                                     struct mrc_error *err) {
    static const int PLACES = 3;
    const struct mrc_sim_scan *s = &h->scan;
    const double feature_mm[MRC_SIM_CHANNELS] = {
        0,   0,    0,    s->texture_mm[0], s->texture_mm[1], s->texture_mm[2],
        9.0, 11.0, 20.0, s->bias_mm,       s->bias_mm};
    lay_lattice(&h->lattice, &s->grid, first, last);
    const size_t count = mrc_grid_count(h->lattice.n);
    mrc_free(h->channel[0]);
    h->channel[0] = mrc_alloc(count, MRC_SIM_CHANNELS * sizeof(float));
    if (h->channel[0] == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a head");
    for (int c = 1; c < MRC_SIM_CHANNELS; ++c) h->channel[c] = h->channel[0] + (size_t)c * count;
    enum mrc_status st =
        mrc_sim_anatomy_place(h->channel, &h->deformation_kept, &h->anatomy, h->map, &h->lattice,
                              s->grid.axis, h->normals, h->key, err);
    for (int c = PLACES; c < MRC_SIM_CHANNELS && st == MRC_OK; ++c)
        st = mrc_sim_field(h->channel[c], &h->lattice, feature_mm[c],
                           mrc_sim_stream_of(h->normals, h->key, 10 + (uint64_t)c), err);
    return st;
}
