/* lesion.c: lesions as regions of a label map, with borders roughened by a smooth field. */
#include "app/heads/lesion.h"

#include <math.h>
#include <stdlib.h>

#include "app/heads/grid.h"
#include "base/alloc.h"
#include "base/order.h"

static const double FIELD_STEP_MM = 4.0;

const char *mrc_sim_lesion_name(enum mrc_sim_lesion_kind kind) {
    static const char *const names[MRC_SIM_LESION_KINDS] = {
        "none", "hyperintensities", "sclerosis", "tumour", "infarct", "haemorrhage", "cavity"};
    return names[kind];
}

enum mrc_sim_lesion_kind mrc_sim_lesion_choose(const struct mrc_sim_config *config,
                                               struct mrc_rng *rng) {
    const bool any = mrc_sim_chance(rng, config, MRC_SIM_LESIONS_RANGE);
    const int kind =
        mrc_sim_choose(rng, config, MRC_SIM_HYPERINTENSITIES_RANGE, MRC_SIM_LESION_KINDS - 1);
    return any ? (enum mrc_sim_lesion_kind)(kind + 1) : MRC_SIM_HEALTHY;
}

/* What is being painted. */
struct canvas {
    uint8_t *code;
    const struct mrc_sim_map *map;
    const struct mrc_sim_config *config;
    struct mrc_rng *rng;
    struct mrc_sim_lattice lattice;
    float *rough; /* a smooth field over the map, deviation 1 */
    int lo[3], hi[3];
};

static double of(struct canvas *c, enum mrc_sim_key key) {
    return mrc_sim_draw(c->rng, c->config, key);
}
#define OF(id) of(c, MRC_SIM_##id##_RANGE)

static uint8_t code_at(const struct canvas *c, const int p[3]) {
    return c->code[mrc_grid_at(c->map->n, p[0], p[1], p[2])] & 0x7f;
}

static void paint(struct canvas *c, const int p[3], enum mrc_sim_tissue tissue) {
    c->code[mrc_grid_at(c->map->n, p[0], p[1], p[2])] = (uint8_t)tissue;
    for (int r = 0; r < 3; ++r) {
        if (p[r] < c->lo[r]) c->lo[r] = p[r];
        if (p[r] > c->hi[r]) c->hi[r] = p[r];
    }
}

static float roughness(const struct canvas *c, const int p[3]) {
    float at[3];
    for (int r = 0; r < 3; ++r) at[r] = (float)(p[r] * c->map->spacing_mm[r] / FIELD_STEP_MM);
    return mrc_grid_sample_float(c->rough, c->lattice.n, at);
}

static float near_ventricle(const struct canvas *c, const int p[3]) {
    float at[3];
    for (int r = 0; r < 3; ++r) at[r] = (float)p[r] / c->map->coarse_step[r];
    return mrc_grid_sample_float(c->map->ventricle, c->map->m, at);
}

static enum mrc_status canvas_open(struct canvas *c, double feature_mm,
                                   const struct mrc_sim_normals *normals, uint64_t key,
                                   struct mrc_error *err) {
    const struct mrc_sim_map *m = c->map;
    for (int r = 0; r < 3; ++r) {
        c->lattice.n[r] = (int)ceil(m->n[r] * m->spacing_mm[r] / FIELD_STEP_MM) + 1;
        c->lattice.first_mm[r] = -m->brain_mid[r] * m->spacing_mm[r];
        c->lattice.step_mm[r] = FIELD_STEP_MM;
        c->lo[r] = m->n[r];
        c->hi[r] = -1;
    }
    c->rough = mrc_alloc(mrc_grid_count(c->lattice.n), sizeof *c->rough);
    if (c->rough == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a lesion");
    return mrc_sim_field(c->rough, &c->lattice, feature_mm, mrc_sim_stream_of(normals, key, 100),
                         err);
}

static bool is_white(uint8_t code) {
    return code == MRC_SIM_WHITE || code == MRC_SIM_CEREBELLAR_WHITE;
}
static bool is_solid_brain(uint8_t code) {
    return code < MRC_SIM_TISSUES && mrc_sim_tissues[code].brain && code != MRC_SIM_VENTRICLE &&
           code != MRC_SIM_CHOROID;
}

/* A place of the given tissue, anywhere in the brain's box; the middle when luck fails. */
static void find_place(int p[3], struct canvas *c, enum mrc_sim_tissue tissue) {
    enum { TRIES = 4000 };
    const struct mrc_sim_map *m = c->map;
    for (int t = 0; t < TRIES; ++t) {
        for (int r = 0; r < 3; ++r)
            p[r] =
                (int)(m->brain_lo[r] + (m->brain_hi[r] - m->brain_lo[r]) * mrc_rng_uniform(c->rng));
        if (code_at(c, p) == tissue) return;
    }
    for (int r = 0; r < 3; ++r) p[r] = (int)m->brain_mid[r];
}

/* --- Hyperintensities: the largest values of a field that grows towards the ventricles --- */

#define EACH_BRAIN_VOXEL(c, p, stride)                                                             \
    for (int p[3] = {0, 0, (int)(c)->map->brain_lo[2]}; p[2] <= (int)(c)->map->brain_hi[2];        \
         p[2] += (stride))                                                                         \
        for (p[1] = (int)(c)->map->brain_lo[1]; p[1] <= (int)(c)->map->brain_hi[1];                \
             p[1] += (stride))                                                                     \
            for (p[0] = (int)(c)->map->brain_lo[0]; p[0] <= (int)(c)->map->brain_hi[0];            \
                 p[0] += (stride))

static float burden(const struct canvas *c, const int p[3], double pull) {
    return roughness(c, p) + (float)pull * fminf(near_ventricle(c, p), 0.4f);
}

static enum mrc_status paint_hyperintensities(struct canvas *c, struct mrc_error *err) {
    enum { STRIDE = 4, MOST = 60000 };
    const double part = OF(WMH_PART), pull = 3.0 + 5.0 * mrc_rng_uniform(c->rng);
    float *values = mrc_alloc(MOST, sizeof *values);
    size_t count = 0;
    if (values == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for lesions");
    EACH_BRAIN_VOXEL(c, p, STRIDE)
    if (code_at(c, p) == MRC_SIM_WHITE && count < MOST) values[count++] = burden(c, p, pull);
    if (count > 0) {
        qsort(values, count, sizeof *values, mrc_ascending_float);
        const float least = values[(size_t)((1.0 - part) * (double)(count - 1))];
        EACH_BRAIN_VOXEL(c, p, 1)
        if (code_at(c, p) == MRC_SIM_WHITE && burden(c, p, pull) > least)
            paint(c, p, MRC_SIM_WHITE_LESION);
    }
    mrc_free(values);
    return MRC_OK;
}

/* --- Regions around a place --- */

/* An ellipsoid whose radius a field roughens. */
struct region {
    int at[3];
    double radius_mm, stretch[3], rough;
};

static struct region region_at(struct canvas *c, const int at[3], double radius_mm, double uneven,
                               double rough) {
    struct region g = {.at = {at[0], at[1], at[2]}, .radius_mm = radius_mm, .rough = rough};
    for (int r = 0; r < 3; ++r) g.stretch[r] = exp(uneven * mrc_rng_normal(c->rng));
    return g;
}

/* Distance from its middle in parts of the radius. */
static double region_part(const struct canvas *c, const struct region *g, const int p[3]) {
    double square = 0.0;
    for (int r = 0; r < 3; ++r) {
        const double d = (p[r] - g->at[r]) * c->map->spacing_mm[r] / g->stretch[r];
        square += d * d;
    }
    return sqrt(square) / g->radius_mm * (1.0 + g->rough * (double)roughness(c, p));
}

typedef void paint_fn(struct canvas *c, const int p[3], double part, const void *with);

static void visit(struct canvas *c, const struct region *g, double reach, paint_fn *fn,
                  const void *with) {
    int lo[3], hi[3], p[3];
    for (int r = 0; r < 3; ++r) {
        const int half = (int)ceil(reach * g->radius_mm * g->stretch[r] / (1.0 - 2.0 * g->rough) /
                                   c->map->spacing_mm[r]);
        lo[r] = g->at[r] - half < 1 ? 1 : g->at[r] - half;
        hi[r] = g->at[r] + half > c->map->n[r] - 2 ? c->map->n[r] - 2 : g->at[r] + half;
    }
    for (p[2] = lo[2]; p[2] <= hi[2]; ++p[2])
        for (p[1] = lo[1]; p[1] <= hi[1]; ++p[1])
            for (p[0] = lo[0]; p[0] <= hi[0]; ++p[0]) {
                const double part = region_part(c, g, p);
                if (part < reach) fn(c, p, part, with);
            }
}

static void paint_plaque(struct canvas *c, const int p[3], double part, const void *with) {
    const uint8_t code = code_at(c, p);
    (void)with;
    if (part < 1.0 && (is_white(code) || code == MRC_SIM_BRAIN_STEM))
        paint(c, p, MRC_SIM_WHITE_LESION);
}

/* Plaques: most near the ventricles, longest away from the midline. */
static void paint_sclerosis(struct canvas *c) {
    const int count = (int)OF(PLAQUES);
    for (int n = 0; n < count; ++n) {
        int best[3], other[3];
        find_place(best, c, MRC_SIM_WHITE);
        const int candidates = mrc_rng_uniform(c->rng) < 0.7 ? 5 : 0;
        for (int t = 0; t < candidates; ++t) {
            find_place(other, c, MRC_SIM_WHITE);
            if (near_ventricle(c, other) <= near_ventricle(c, best)) continue;
            for (int r = 0; r < 3; ++r) best[r] = other[r];
        }
        struct region g = region_at(c, best, OF(PLAQUE_MM), 0.2, 0.2);
        g.stretch[0] *= 1.0 + 0.8 * mrc_rng_uniform(c->rng);
        visit(c, &g, 1.0, paint_plaque, NULL);
    }
}

/* What a mass is made of, from inside out; parts of its radius. */
struct mass {
    double necrosis, core, oedema;
    enum mrc_sim_tissue core_tissue, rim_tissue;
    double rim; /* from here to the core's end */
};

static void paint_mass(struct canvas *c, const int p[3], double part, const void *with) {
    const struct mass *m = with;
    const uint8_t code = code_at(c, p);
    if (!is_solid_brain(code)) return;
    if (part < m->necrosis)
        paint(c, p, MRC_SIM_NECROSIS);
    else if (part < m->rim)
        paint(c, p, m->core_tissue);
    else if (part < m->core)
        paint(c, p, m->rim_tissue);
    else if (part < m->oedema && (is_white(code) || code == MRC_SIM_BRAIN_STEM))
        paint(c, p, MRC_SIM_OEDEMA);
}

static void set_push(struct mrc_sim_anatomy *a, const struct region *g, double push) {
    for (int r = 0; r < 3; ++r) a->mass_at[r] = g->at[r];
    a->mass_mm = g->radius_mm;
    a->mass_push = push;
}

static void paint_tumour(struct canvas *c, struct mrc_sim_anatomy *a) {
    int at[3];
    find_place(at, c, MRC_SIM_WHITE);
    const struct region g = region_at(c, at, OF(MASS_MM), 0.2, 0.22);
    const double kind = mrc_rng_uniform(c->rng), inner = 0.3 + 0.45 * mrc_rng_uniform(c->rng);
    const double oedema = OF(OEDEMA_MM), push = OF(MASS_EFFECT), rim = mrc_rng_uniform(c->rng);
    const struct mass m = {.necrosis = kind < 0.5 ? inner : 0.0,
                           .core = kind < 0.85 ? 1.0 : 0.0,
                           .rim = kind < 0.85 ? (rim < 0.5 ? 1.0 : 0.8) : 0.0,
                           .oedema = kind < 0.7 || kind >= 0.85 ? oedema : 1.0,
                           .core_tissue = MRC_SIM_TUMOUR,
                           .rim_tissue = MRC_SIM_TUMOUR_RIM};
    visit(c, &g, fmax(oedema, 1.0), paint_mass, &m);
    set_push(a, &g, push);
}

static void paint_haemorrhage(struct canvas *c, struct mrc_sim_anatomy *a) {
    int at[3];
    find_place(at, c, MRC_SIM_WHITE);
    const struct region g = region_at(c, at, 0.7 * OF(MASS_MM), 0.25, 0.2);
    const double push = OF(MASS_EFFECT);
    const struct mass m = {.core = 1.0,
                           .rim = 1.0,
                           .oedema = 1.0 + 0.5 * mrc_rng_uniform(c->rng),
                           .core_tissue = MRC_SIM_HAEMORRHAGE,
                           .rim_tissue = MRC_SIM_HAEMORRHAGE};
    visit(c, &g, m.oedema, paint_mass, &m);
    set_push(a, &g, push);
}

static void paint_infarct_at(struct canvas *c, const int p[3], double part, const void *with) {
    const int *side = with; /* the midline, and on which side of it */
    const uint8_t code = code_at(c, p);
    if (part >= 1.0 || (p[0] - side[0]) * side[1] < 1) return;
    if (is_white(code) || code == MRC_SIM_CORTEX || code == MRC_SIM_CAUDATE ||
        code == MRC_SIM_PUTAMEN || code == MRC_SIM_CEREBELLAR_CORTEX)
        paint(c, p, MRC_SIM_INFARCT);
}

/* A territory: on one side, grey and white matter alike. */
static void paint_infarct(struct canvas *c) {
    int at[3];
    const bool small = mrc_rng_uniform(c->rng) < 0.35;
    find_place(at, c, small ? MRC_SIM_WHITE : MRC_SIM_CORTEX);
    const double radius =
        small ? 3.0 + 5.0 * mrc_rng_uniform(c->rng) : 12.0 + 22.0 * mrc_rng_uniform(c->rng);
    const struct region g = region_at(c, at, radius, 0.3, 0.25);
    const int middle = (int)c->map->brain_mid[0];
    const int side[2] = {middle, at[0] > middle ? 1 : -1};
    visit(c, &g, 1.0, paint_infarct_at, side);
}

static void paint_cavity_at(struct canvas *c, const int p[3], double part, const void *with) {
    const double *scar = with;
    const uint8_t code = code_at(c, p);
    if (!is_solid_brain(code)) return;
    if (part < 1.0)
        paint(c, p, MRC_SIM_CAVITY);
    else if (part < *scar && is_white(code))
        paint(c, p, MRC_SIM_OEDEMA);
}

static void paint_cavity(struct canvas *c) {
    int at[3];
    find_place(at, c, MRC_SIM_CORTEX);
    const struct region g = region_at(c, at, 0.9 * OF(MASS_MM), 0.2, 0.15);
    const double scar = 1.0 + 0.5 * mrc_rng_uniform(c->rng);
    visit(c, &g, scar, paint_cavity_at, &scar);
}

enum mrc_status mrc_sim_lesion_paint(uint8_t *code, struct mrc_sim_anatomy *anatomy,
                                     enum mrc_sim_lesion_kind kind, const struct mrc_sim_map *map,
                                     const struct mrc_sim_config *config, struct mrc_rng *rng,
                                     const struct mrc_sim_normals *normals, uint64_t key,
                                     struct mrc_error *err) {
    static const double feature_mm[MRC_SIM_LESION_KINDS] = {8, 7, 8, 14, 12, 12, 14};
    struct canvas canvas = {.code = code, .map = map, .config = config, .rng = rng}, *c = &canvas;
    if (kind == MRC_SIM_HEALTHY) return MRC_OK;
    enum mrc_status st = canvas_open(c, feature_mm[kind], normals, key, err);
    if (st == MRC_OK) {
        switch (kind) {
        case MRC_SIM_KIND_HYPERINTENSITIES: st = paint_hyperintensities(c, err); break;
        case MRC_SIM_KIND_SCLEROSIS: paint_sclerosis(c); break;
        case MRC_SIM_KIND_TUMOUR: paint_tumour(c, anatomy); break;
        case MRC_SIM_KIND_INFARCT: paint_infarct(c); break;
        case MRC_SIM_KIND_HAEMORRHAGE: paint_haemorrhage(c, anatomy); break;
        case MRC_SIM_KIND_CAVITY: paint_cavity(c); break;
        default: break;
        }
    }
    if (st == MRC_OK && c->hi[0] >= 0) {
        for (int r = 0; r < 3; ++r) --c->lo[r];
        mrc_sim_map_mark_borders(code, map->n, c->lo, c->hi);
    }
    mrc_free(c->rough);
    return st;
}
