/* anatomy.c: pose, smooth deformation, wider ventricles and the push of a mass, one after another,
 * settled on a lattice of some millimetres. */
#include "app/heads/anatomy.h"

#include <math.h>
#include <string.h>

#include "app/heads/grid.h"
#include "base/alloc.h"

static const double RADIANS = 0.017453292519943295;

/* --- Pose --- */

static void multiply(double out[3][3], double a[3][3], double b[3][3]) {
    double product[3][3];
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) {
            product[r][c] = 0.0;
            for (int n = 0; n < 3; ++n) product[r][c] += a[r][n] * b[n][c];
        }
    memcpy(out, product, sizeof product);
}

static void rotate(double m[3][3], int axis, double degrees) {
    const double c = cos(degrees * RADIANS), s = sin(degrees * RADIANS);
    const int a = (axis + 1) % 3, b = (axis + 2) % 3;
    double turn[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    turn[a][a] = turn[b][b] = c;
    turn[a][b] = -s;
    turn[b][a] = s;
    multiply(m, m, turn);
}

static void invert(double out[3][3], double m[3][3]) {
    double minor[3][3];
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) {
            const int a = (r + 1) % 3, b = (r + 2) % 3, d = (c + 1) % 3, e = (c + 2) % 3;
            minor[r][c] = m[a][d] * m[b][e] - m[a][e] * m[b][d];
        }
    const double det = m[0][0] * minor[0][0] + m[0][1] * minor[0][1] + m[0][2] * minor[0][2];
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) out[c][r] = minor[r][c] / det;
}

#define OF(id) mrc_sim_draw(rng, config, MRC_SIM_##id##_RANGE)

static void draw_pose(struct mrc_sim_anatomy *a, const struct mrc_sim_config *config,
                      struct mrc_rng *rng) {
    double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
           slant[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    a->mirrored = mrc_sim_chance(rng, config, MRC_SIM_MIRRORED_RANGE);
    if (a->mirrored) m[0][0] = -1.0;
    rotate(m, 0, OF(NOD));
    rotate(m, 1, OF(TILT));
    rotate(m, 2, OF(TURN));
    const double scale = OF(SCALE);
    for (int r = 0; r < 3; ++r) slant[r][r] = 1.0 / (scale * OF(STRETCH));
    for (int r = 0; r < 3; ++r)
        for (int c = r + 1; c < 3; ++c) slant[r][c] = OF(SHEAR);
    multiply(a->to_map, m, slant);
    invert(a->to_image, a->to_map);
    for (int r = 0; r < 3; ++r) a->shift_mm[r] = 3.0 * mrc_rng_normal(rng);
}

void mrc_sim_anatomy_draw(struct mrc_sim_anatomy *a, const struct mrc_sim_config *config,
                          struct mrc_rng *rng) {
    *a = (struct mrc_sim_anatomy){.mirrored = false};
    draw_pose(a, config, rng);
    a->coarse_mm = OF(COARSE);
    a->coarse_grid_mm = OF(COARSE_GRID);
    a->fine_mm = OF(FINE);
    a->fine_grid_mm = OF(FINE_GRID);
    const bool ventricles = mrc_sim_chance(rng, config, MRC_SIM_VENTRICLES_RANGE);
    const double wider = OF(VENTRICLE_MM);
    a->ventricle_mm = ventricles ? wider : 0.0;
    a->fluid_vote = (float)OF(SULCI);
    a->fat_mm = OF(FAT_MM);
    a->fat_patch = OF(FAT_PATCH);
    a->septa = OF(SEPTA);
    const bool dura = mrc_sim_chance(rng, config, MRC_SIM_DURA_RANGE);
    const double touch = OF(DURA_TOUCH);
    a->dura_touch = dura ? touch : 2.0;
}

/* --- Deformation --- */

/* One lattice being placed. */
struct placing {
    const struct mrc_sim_anatomy *anatomy;
    const struct mrc_sim_map *map;
    const struct mrc_sim_lattice *lattice;
    const int *axis;
    float *shift[3]; /* of the smooth deformation, along the RAS axes, mm */
    double part;     /* of every deformation that is applied */
};

static void position(double p[3], const struct placing *g, int i, int j, int k) {
    const int at[3] = {i, j, k};
    for (int a = 0; a < 3; ++a)
        p[g->axis[a]] = g->lattice->first_mm[a] + g->lattice->step_mm[a] * at[a];
}

/* Climbs the smoothed ventricles in short steps, so that no two places ever meet. */
static void widen_ventricles(float q[3], const struct placing *g) {
    enum { STEPS = 6 };
    const struct mrc_sim_map *m = g->map;
    const double whole = g->part * g->anatomy->ventricle_mm;
    if (whole == 0.0 || m->ventricle_steepest <= 0.0f) return;
    for (int s = 0; s < STEPS; ++s) {
        float c[3], gradient[3];
        for (int r = 0; r < 3; ++r) c[r] = q[r] / m->coarse_step[r];
        if (mrc_grid_sample_float(m->ventricle, m->m, c) < 1e-3f) return;
        for (int r = 0; r < 3; ++r) {
            float up[3] = {c[0], c[1], c[2]}, down[3] = {c[0], c[1], c[2]};
            up[r] += 0.5f;
            down[r] -= 0.5f;
            gradient[r] = (mrc_grid_sample_float(m->ventricle, m->m, up) -
                           mrc_grid_sample_float(m->ventricle, m->m, down)) /
                          2.0f; /* a millimetre */
        }
        for (int r = 0; r < 3; ++r)
            q[r] += (float)(whole / STEPS / m->spacing_mm[r]) * gradient[r] / m->ventricle_steepest;
    }
}

/* A mass: what is around it is drawn from nearer its middle, less and less with the distance. */
static void push(float q[3], const struct placing *g) {
    const struct mrc_sim_anatomy *a = g->anatomy;
    double square = 0.0, d[3];
    if (a->mass_push == 0.0) return;
    for (int r = 0; r < 3; ++r) {
        d[r] = (double)q[r] - a->mass_at[r];
        square += d[r] * d[r] * g->map->spacing_mm[r] * g->map->spacing_mm[r];
    }
    const double reach = 1.8 * a->mass_mm;
    const double shrink = 1.0 - g->part * a->mass_push * exp(-square / (reach * reach));
    for (int r = 0; r < 3; ++r) q[r] = (float)(a->mass_at[r] + d[r] * shrink);
}

static void place_one(float q[3], const struct placing *g, int i, int j, int k) {
    double p[3];
    const size_t v = mrc_grid_at(g->lattice->n, i, j, k);
    position(p, g, i, j, k);
    for (int r = 0; r < 3; ++r) p[r] += g->part * (double)g->shift[r][v] - g->anatomy->shift_mm[r];
    for (int r = 0; r < 3; ++r) {
        double mm = 0.0;
        for (int c = 0; c < 3; ++c) mm += g->anatomy->to_map[r][c] * p[c];
        q[r] = (float)(g->map->brain_mid[r] + mm / g->map->spacing_mm[r]);
    }
    widen_ventricles(q, g);
    push(q, g);
}

static void place_all(float *x[3], const struct placing *g) {
    const int *n = g->lattice->n;
    for (int k = 0; k < n[2]; ++k)
        for (int j = 0; j < n[1]; ++j)
            for (int i = 0; i < n[0]; ++i) {
                float q[3];
                place_one(q, g, i, j, k);
                for (int r = 0; r < 3; ++r) x[r][mrc_grid_at(n, i, j, k)] = q[r];
            }
}

static enum mrc_status draw_shift(struct placing *g, const struct mrc_sim_normals *normals,
                                  uint64_t key, struct mrc_error *err) {
    const struct mrc_sim_anatomy *a = g->anatomy;
    const size_t count = mrc_grid_count(g->lattice->n);
    enum mrc_status st = MRC_OK;
    float *fine = mrc_alloc(count, sizeof *fine);
    if (fine == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a deformation");
    for (int r = 0; r < 3 && st == MRC_OK; ++r) {
        const uint64_t number = 2 * (uint64_t)r;
        st = mrc_sim_field(g->shift[r], g->lattice, a->coarse_grid_mm,
                           mrc_sim_stream_of(normals, key, number), err);
        if (st == MRC_OK)
            st = mrc_sim_field(fine, g->lattice, a->fine_grid_mm,
                               mrc_sim_stream_of(normals, key, number + 1), err);
        for (size_t v = 0; st == MRC_OK && v < count; ++v)
            g->shift[r][v] = (float)a->coarse_mm * g->shift[r][v] + (float)a->fine_mm * fine[v];
    }
    mrc_free(fine);
    return st;
}

/* --- Is anything folded? --- */

/* Change of the place along one edge of the lattice, seen from the image: without deformation a
 * unit vector. */
static void edge(double out[3], float *const x[3], const struct placing *g, int axis, size_t v,
                 size_t step) {
    double mm[3];
    for (int r = 0; r < 3; ++r)
        mm[r] = ((double)x[r][v + step] - (double)x[r][v]) * g->map->spacing_mm[r] /
                g->lattice->step_mm[axis];
    for (int r = 0; r < 3; ++r) {
        out[r] = 0.0;
        for (int c = 0; c < 3; ++c) out[r] += g->anatomy->to_image[r][c] * mm[c];
    }
}

/* Within a cell the derivative along an axis is a mean of its four edges along that axis, so bounds
 * over the edges hold everywhere in it. By Gershgorin's circles the symmetric part of the
 * derivative is positive definite when the result is above 0; then no two places are one. */
static double cell_stretch(float *const x[3], const struct placing *g, size_t v,
                           const size_t step[3]) {
    double straight[3], across[3][3] = {{0}}, least = HUGE_VAL;
    for (int a = 0; a < 3; ++a) {
        const int ras = g->axis[a], b = (a + 1) % 3, c = (a + 2) % 3;
        straight[ras] = HUGE_VAL;
        for (int corner = 0; corner < 4; ++corner) {
            double d[3];
            edge(d, x, g, a, v + (corner & 1 ? step[b] : 0) + (corner & 2 ? step[c] : 0), step[a]);
            straight[ras] = fmin(straight[ras], d[ras]);
            for (int r = 0; r < 3; ++r) across[r][ras] = fmax(across[r][ras], fabs(d[r]));
        }
    }
    for (int r = 0; r < 3; ++r) {
        double circle = 0.0;
        for (int c = 0; c < 3; ++c)
            if (c != r) circle += 0.5 * (across[r][c] + across[c][r]);
        least = fmin(least, straight[r] - circle);
    }
    return least;
}

static double least_stretch(float *const x[3], const struct placing *g) {
    const int *n = g->lattice->n;
    const size_t step[3] = {1, (size_t)n[0], (size_t)n[0] * (size_t)n[1]};
    double least = HUGE_VAL;
    for (int k = 0; k + 1 < n[2]; ++k)
        for (int j = 0; j + 1 < n[1]; ++j)
            for (int i = 0; i + 1 < n[0]; ++i)
                least = fmin(least, cell_stretch(x, g, mrc_grid_at(n, i, j, k), step));
    return least;
}

double mrc_sim_anatomy_least_stretch(float *const x[3], const struct mrc_sim_anatomy *anatomy,
                                     const struct mrc_sim_map *map,
                                     const struct mrc_sim_lattice *lattice, const int axis[3]) {
    const struct placing g = {
        .anatomy = anatomy, .map = map, .lattice = lattice, .axis = axis, .part = 1.0};
    return least_stretch(x, &g);
}

enum mrc_status mrc_sim_anatomy_place(float *x[3], double *kept,
                                      const struct mrc_sim_anatomy *anatomy,
                                      const struct mrc_sim_map *map,
                                      const struct mrc_sim_lattice *lattice, const int axis[3],
                                      const struct mrc_sim_normals *normals, uint64_t key,
                                      struct mrc_error *err) {
    static const double SAFE = 0.05;
    const size_t count = mrc_grid_count(lattice->n);
    float *shift = mrc_alloc(count, 3 * sizeof *shift);
    if (shift == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a deformation");
    struct placing g = {.anatomy = anatomy,
                        .map = map,
                        .lattice = lattice,
                        .axis = axis,
                        .shift = {shift, shift + count, shift + 2 * count},
                        .part = 1.0};
    enum mrc_status st = draw_shift(&g, normals, key, err);
    while (st == MRC_OK) {
        place_all(x, &g);
        if (least_stretch(x, &g) > SAFE || g.part == 0.0) break;
        g.part = g.part > 0.1 ? 0.8 * g.part : 0.0;
    }
    *kept = g.part;
    mrc_free(shift);
    return st;
}
