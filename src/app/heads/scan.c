/* scan.c: drawing an acquisition. */
#include "app/heads/scan.h"

#include <math.h>

static const struct {
    int axis[3], sign[3];
} planes[3] = {
    [MRC_AXIAL] = {{0, 1, 2}, {-1, -1, 1}},
    [MRC_SAGITTAL] = {{1, 2, 0}, {-1, -1, 1}},
    [MRC_CORONAL] = {{0, 2, 1}, {-1, -1, -1}},
};

void mrc_sim_grid_init(struct mrc_sim_grid *grid, enum mrc_orientation plane) {
    *grid = (struct mrc_sim_grid){.plane = plane};
    for (int a = 0; a < 3; ++a) {
        grid->axis[a] = planes[plane].axis[a];
        grid->sign[a] = planes[plane].sign[a];
    }
}

enum mrc_status mrc_sim_grid_geometry(struct mrc_geometry *out, const struct mrc_sim_grid *grid,
                                      struct mrc_error *err) {
    double m[3][4] = {{0}};
    for (int a = 0; a < 3; ++a) {
        m[grid->axis[a]][a] = grid->sign[a] * grid->spacing_mm[a];
        m[grid->axis[a]][3] = grid->first_mm[a];
    }
    return mrc_geometry_from_ras(out, m, "computed head", err);
}

#define OF(id)     mrc_sim_draw(rng, config, MRC_SIM_##id##_RANGE)
#define CHANCE(id) mrc_sim_chance(rng, config, MRC_SIM_##id##_RANGE)

/* Lays n voxels over lo … hi on the RAS axis of index axis a. */
static void lay(struct mrc_sim_grid *g, int a, double lo_mm, double hi_mm, double spacing_mm,
                int least) {
    const int n = (int)fmax(least, floor((hi_mm - lo_mm) / spacing_mm + 0.5));
    const double middle = 0.5 * (lo_mm + hi_mm), half = 0.5 * (n - 1) * spacing_mm;
    g->n[a] = n;
    g->spacing_mm[a] = spacing_mm;
    g->first_mm[a] = middle - g->sign[a] * half;
}

static void draw_grid(struct mrc_sim_scan *s, const struct mrc_sim_config *config,
                      const struct mrc_sim_anatomy *anatomy, const struct mrc_sim_map *map,
                      int plane, struct mrc_rng *rng) {
    enum { LEAST_SLICES = 8, LEAST_SIDE = 16 };
    const int kind = mrc_sim_choose(rng, config, MRC_SIM_AXIAL_RANGE, 4);
    const int any = (int)mrc_rng_below(rng, 3);
    const double pixel = OF(PIXEL), cube = OF(CUBE), spacing = OF(SPACING), fov = OF(FOV);
    const double low = OF(LOW_CUT), high = OF(HIGH_CUT), air = 12.0 + 18.0 * mrc_rng_uniform(rng);
    const double aside = 8.0 * mrc_rng_normal(rng), edge = 10.0 * mrc_rng_uniform(rng) - 4.0;
    double half[3];
    s->isotropic = kind == 3;
    mrc_sim_grid_init(&s->grid, (enum mrc_orientation)(plane >= 0     ? plane
                                                       : s->isotropic ? any
                                                                      : kind));
    for (int r = 0; r < 3; ++r)
        half[r] = 0.5 * (map->brain_hi[r] - map->brain_lo[r]) * map->spacing_mm[r] *
                  fabs(anatomy->to_image[r][r]);
    for (int a = 0; a < 2; ++a) {
        const int r = s->grid.axis[a];
        const double mm = s->isotropic ? cube : pixel;
        if (r == 2)
            lay(&s->grid, a, half[2] + air - fov, half[2] + air, mm, LEAST_SIDE);
        else
            lay(&s->grid, a, -0.5 * fov + (r == 1 ? 0.5 * aside : 0.0),
                0.5 * fov + (r == 1 ? 0.5 * aside : 0.0), mm, LEAST_SIDE);
    }
    const int r = s->grid.axis[2];
    const double lo = r == 2 ? low : -edge, hi = r == 2 ? high : edge;
    lay(&s->grid, 2, -half[r] + lo, half[r] + (r == 2 ? hi : hi), s->isotropic ? cube : spacing,
        LEAST_SLICES);
}

static void draw_images(struct mrc_sim_scan *s, const struct mrc_sim_config *config,
                        struct mrc_rng *rng) {
    const bool alike = mrc_rng_uniform(rng) < 0.6, strong = CHANCE(STRONG_BIAS);
    const double thickness = OF(THICKNESS);
    const double quiet = log(fmax(config->lo[MRC_SIM_NOISE_RANGE], 1e-6));
    const double loud = log(fmax(config->hi[MRC_SIM_NOISE_RANGE], 1e-6));
    for (int c = 0; c < MRC_SIM_CONTRASTS; ++c) {
        struct mrc_sim_image *m = &s->image[c];
        const double own = OF(THICKNESS);
        m->thickness = s->isotropic ? 1.1 : alike ? thickness : own;
        m->blur_mm = OF(BLUR);
        m->bias = OF(BIAS) * (strong ? 4.0 : 1.0);
        m->bias_turn = 0.8 * mrc_rng_normal(rng);
        m->noise = exp(quiet + (loud - quiet) * mrc_rng_uniform(rng));
        if (config->hi[MRC_SIM_NOISE_RANGE] <= 0.0) m->noise = 0.0;
        const bool rings = CHANCE(RINGING), ghost = CHANCE(GHOST);
        const int axis = (int)mrc_rng_below(rng, 2);
        m->ring_cut = 0.55 + 0.25 * mrc_rng_uniform(rng);
        m->ghost = OF(GHOST_BY);
        m->ring_axis = rings ? axis : -1;
        m->ghost_axis = ghost ? axis : -1;
    }
}

void mrc_sim_scan_draw(struct mrc_sim_scan *s, const struct mrc_sim_config *config,
                       const struct mrc_sim_anatomy *anatomy, const struct mrc_sim_map *map,
                       int plane, struct mrc_rng *rng) {
    *s = (struct mrc_sim_scan){.isotropic = false};
    draw_grid(s, config, anatomy, map, plane, rng);
    s->stripped = CHANCE(STRIP);
    s->masked = CHANCE(MASKED);
    s->strip_at = OF(STRIP_AT);
    s->bias_mm = OF(BIAS_MM);
    for (int f = 0; f < 3; ++f) s->texture_mm[f] = OF(TEXTURE_MM);
    draw_images(s, config, rng);
}
