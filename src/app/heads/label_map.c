/* label_map.c: reading a label map, and deriving depth, nearness and smooth masks from it. */
#include "app/heads/label_map.h"

#include <math.h>
#include <string.h>

#include "app/heads/grid.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "io/image.h"

enum { MARGIN = 3, LARGEST_LABEL = 1000000 };
static const double COARSE_MM = 2.0;
static const double LEAST_BRAIN_CM3 = 50.0;

void mrc_sim_map_destroy(struct mrc_sim_map *map) {
    if (map == NULL) return;
    mrc_free(map->code);
    mrc_free(map->depth);
    mrc_free(map->eye);
    mrc_free(map->brain);
    mrc_free(map->ventricle);
    mrc_free(map);
}

/* --- Reading --- */

/* Which axis of the file runs along each of Right, Anterior, Superior, and which way. */
struct turning {
    int axis[3];
    bool reversed[3];
    int64_t side[3], step[3]; /* of the file */
};

static enum mrc_status find_turning(struct turning *t, const mrc_volume *vol, const char *name,
                                    struct mrc_error *err) {
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const struct mrc_extent e = mrc_volume_extent(vol);
    bool used[3] = {false, false, false};
    const int64_t side[3] = {e.i, e.j, e.k}, step[3] = {1, e.i, e.i * e.j};
    memcpy(t->side, side, sizeof side);
    memcpy(t->step, step, sizeof step);
    for (int r = 0; r < 3; ++r) {
        int best = 0;
        for (int a = 1; a < 3; ++a)
            if (fabs(g->index_to_ras_mm[r][a]) / g->spacing_mm[a] >
                fabs(g->index_to_ras_mm[r][best]) / g->spacing_mm[best])
                best = a;
        if (used[best])
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: too oblique, expected axes near the patient's", name);
        used[best] = true;
        t->axis[r] = best;
        t->reversed[r] = g->index_to_ras_mm[r][best] < 0.0;
    }
    return MRC_OK;
}

/* Codes by number, filled from a table; -1: unknown, -2: not asked yet. */
struct numbers {
    int16_t *code;
    int64_t count;
};

static enum mrc_status check_values(int64_t *largest, const mrc_volume *vol, const char *name,
                                    struct mrc_error *err) {
    const float *x = mrc_volume_voxels_const(vol);
    const int64_t count = mrc_extent_count(mrc_volume_extent(vol));
    *largest = 0;
    for (int64_t v = 0; v < count; ++v) {
        if (x[v] >= 0.0f && x[v] <= (float)LARGEST_LABEL && x[v] == floorf(x[v])) {
            if ((int64_t)x[v] > *largest) *largest = (int64_t)x[v];
            continue;
        }
        if (x[v] < 0.0f)
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: a value of %g, expected labels from 0 on", name, (double)x[v]);
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: a value of %g, expected whole labels up to %d", name, (double)x[v],
                        (int)LARGEST_LABEL);
    }
    return MRC_OK;
}

/* The first number of the map that the table does not know, or -1. */
static int64_t find_unknown(const bool *present, int64_t largest,
                            const struct mrc_sim_table *table) {
    for (int64_t label = 0; label <= largest; ++label)
        if (present[label] && mrc_sim_table_find(table, label) < 0) return label;
    return -1;
}

/* A table that knows all numbers: the given one, or the first of the program's own. */
static enum mrc_status choose_table(struct mrc_sim_table *out, const bool *present, int64_t largest,
                                    const struct mrc_sim_table *given, const char *name,
                                    struct mrc_error *err) {
    static const char *const own[] = {"freesurfer", "brainweb"};
    int64_t unknown = -1;
    *out = (struct mrc_sim_table){.rows = NULL};
    if (given != NULL) {
        unknown = find_unknown(present, largest, given);
        if (unknown < 0) return MRC_OK;
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: label %lld, which the table %s does not name", name,
                        (long long)unknown, given->name);
    }
    for (size_t n = 0; n < sizeof own / sizeof own[0]; ++n) {
        enum mrc_status st = mrc_sim_table_load(out, own[n], err);
        if (st != MRC_OK) return st;
        const int64_t first = find_unknown(present, largest, out);
        if (first < 0) return MRC_OK;
        if (unknown < 0) unknown = first;
        mrc_sim_table_clear(out);
    }
    return mrc_fail(
        err, MRC_ERR_UNSUPPORTED,
        "%s: label %lld, which neither FreeSurfer's nor BrainWeb's numbers have, expected "
        "--labels TABLE.tsv",
        name, (long long)unknown);
}

static enum mrc_status number_codes(uint8_t **out, const mrc_volume *vol,
                                    const struct mrc_sim_table *given, const char *name,
                                    struct mrc_error *err) {
    int64_t largest = 0;
    struct mrc_sim_table own;
    const float *x = mrc_volume_voxels_const(vol);
    const int64_t count = mrc_extent_count(mrc_volume_extent(vol));
    enum mrc_status st = check_values(&largest, vol, name, err);
    if (st != MRC_OK) return st;
    bool *present = mrc_alloc((size_t)largest + 1, sizeof *present);
    *out = mrc_alloc((size_t)largest + 1, 1);
    if (present == NULL || *out == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for its labels", name);
    for (int64_t v = 0; st == MRC_OK && v < count; ++v) present[(size_t)x[v]] = true;
    if (st == MRC_OK) {
        st = choose_table(&own, present, largest, given, name, err);
        const struct mrc_sim_table *table = given != NULL ? given : &own;
        for (int64_t l = 0; st == MRC_OK && l <= largest; ++l)
            if (present[l]) (*out)[l] = (uint8_t)mrc_sim_table_find(table, l);
        mrc_sim_table_clear(&own);
    }
    mrc_free(present);
    return st;
}

/* The place in the file of a place in the map's axes. */
static int64_t file_at(const struct turning *t, const int64_t p[3]) {
    int64_t at = 0;
    for (int r = 0; r < 3; ++r) {
        const int a = t->axis[r];
        at += t->step[a] * (t->reversed[r] ? t->side[a] - 1 - p[r] : p[r]);
    }
    return at;
}

/* The box of all that is not air, in the map's axes. */
static bool find_box(int64_t lo[3], int64_t hi[3], const mrc_volume *vol, const struct turning *t,
                     const uint8_t *code) {
    const float *x = mrc_volume_voxels_const(vol);
    int64_t p[3];
    for (int r = 0; r < 3; ++r) {
        lo[r] = INT64_MAX;
        hi[r] = -1;
    }
    for (p[2] = 0; p[2] < t->side[t->axis[2]]; ++p[2])
        for (p[1] = 0; p[1] < t->side[t->axis[1]]; ++p[1])
            for (p[0] = 0; p[0] < t->side[t->axis[0]]; ++p[0]) {
                if (code[(size_t)x[file_at(t, p)]] == MRC_SIM_AIR) continue;
                for (int r = 0; r < 3; ++r) {
                    if (p[r] < lo[r]) lo[r] = p[r];
                    if (p[r] > hi[r]) hi[r] = p[r];
                }
            }
    return hi[0] >= 0;
}

static enum mrc_status copy_codes(struct mrc_sim_map *m, const mrc_volume *vol,
                                  const struct turning *t, const uint8_t *code, const char *name,
                                  struct mrc_error *err) {
    const struct mrc_geometry *g = mrc_volume_geometry(vol);
    const float *x = mrc_volume_voxels_const(vol);
    int64_t lo[3], hi[3], p[3];
    if (!find_box(lo, hi, vol, t, code))
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: nothing but air, expected a head", name);
    for (int r = 0; r < 3; ++r) {
        m->n[r] = (int)(hi[r] - lo[r]) + 1 + 2 * MARGIN;
        m->spacing_mm[r] = g->spacing_mm[t->axis[r]];
    }
    m->code = mrc_alloc(mrc_grid_count(m->n), 1);
    if (m->code == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for the map", name);
    for (p[2] = lo[2]; p[2] <= hi[2]; ++p[2])
        for (p[1] = lo[1]; p[1] <= hi[1]; ++p[1]) {
            uint8_t *row = m->code + mrc_grid_at(m->n, MARGIN, (int)(p[1] - lo[1]) + MARGIN,
                                                 (int)(p[2] - lo[2]) + MARGIN);
            for (p[0] = lo[0]; p[0] <= hi[0]; ++p[0]) *row++ = code[(size_t)x[file_at(t, p)]];
        }
    return MRC_OK;
}

/* --- What is derived --- */

static bool is_tissue(uint8_t code) {
    return code < MRC_SIM_TISSUES;
}
static bool is_brain(uint8_t code) {
    return is_tissue(code) && mrc_sim_tissues[code].brain;
}
static bool is_bone(uint8_t code) {
    return code == MRC_SIM_BONE || code == MRC_SIM_MARROW;
}

static enum mrc_status measure_brain(struct mrc_sim_map *m, const char *name,
                                     struct mrc_error *err) {
    double sum[3] = {0, 0, 0}, count = 0.0, white = 0.0, grey = 0.0;
    const double cm3 = m->spacing_mm[0] * m->spacing_mm[1] * m->spacing_mm[2] / 1000.0;
    for (int r = 0; r < 3; ++r) {
        m->brain_lo[r] = m->n[r];
        m->brain_hi[r] = -1;
    }
    for (int k = 0; k < m->n[2]; ++k)
        for (int j = 0; j < m->n[1]; ++j)
            for (int i = 0; i < m->n[0]; ++i) {
                const uint8_t code = m->code[mrc_grid_at(m->n, i, j, k)];
                const double p[3] = {i, j, k};
                if (!is_brain(code)) continue;
                white += code == MRC_SIM_WHITE;
                grey += code == MRC_SIM_CORTEX;
                count += 1.0;
                for (int r = 0; r < 3; ++r) {
                    sum[r] += p[r];
                    m->brain_lo[r] = fmin(m->brain_lo[r], p[r]);
                    m->brain_hi[r] = fmax(m->brain_hi[r], p[r]);
                }
            }
    m->white_voxels = white;
    if (white * cm3 < LEAST_BRAIN_CM3 || grey * cm3 < LEAST_BRAIN_CM3)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: no brain: %.0f cm3 of white matter and %.0f of cortex, expected at "
                        "least %.0f of each",
                        name, white * cm3, grey * cm3, LEAST_BRAIN_CM3);
    for (int r = 0; r < 3; ++r) m->brain_mid[r] = 0.5 * (m->brain_lo[r] + m->brain_hi[r]);
    m->brain_mid[1] = sum[1] / count;
    return MRC_OK;
}

/* CSF in the neighbourhood of bone becomes one of four shells, by how much of what lies around is
 * bone: a Gaussian of 1.2 mm. */
static void shell_slices(struct mrc_sim_map *m) {

    enum { REACH = 2 };
    float weight[2 * REACH + 1];
    for (int d = -REACH; d <= REACH; ++d) weight[d + REACH] = expf(-(float)(d * d) / 2.88f);
    for (int k = 0; k < m->n[2]; ++k)
        for (int j = 0; j < m->n[1]; ++j)
            for (int i = 0; i < m->n[0]; ++i) {
                uint8_t *here = m->code + mrc_grid_at(m->n, i, j, k);
                float bone = 0.0f, all = 0.0f;
                if (*here != MRC_SIM_FLUID) continue;
                for (int dk = -REACH; dk <= REACH; ++dk)
                    for (int dj = -REACH; dj <= REACH; ++dj)
                        for (int di = -REACH; di <= REACH; ++di) {
                            const float w =
                                weight[dk + REACH] * weight[dj + REACH] * weight[di + REACH];
                            const uint8_t code = m->code[mrc_grid_at(m->n, i + di, j + dj, k + dk)];
                            all += w;
                            if (is_bone(code)) bone += w;
                        }
                const float part = bone / all;
                if (part > 0.15f)
                    *here = (uint8_t)(MRC_SIM_OUTER_FLUID + (part > 0.25f) + (part > 0.35f) +
                                      (part > 0.45f));
            }
}

/* Lenses: flat ellipsoids at the front of each eye. */
static void paint_lens(struct mrc_sim_map *m, int side) {
    double sum[3] = {0, 0, 0}, count = 0.0, front = -1.0;
    const int middle = (int)m->brain_mid[0];
    const int from = side == 0 ? 0 : middle, to = side == 0 ? middle : m->n[0];
    for (int pass = 0; pass < 2; ++pass)
        for (int k = 0; k < m->n[2]; ++k)
            for (int j = 0; j < m->n[1]; ++j)
                for (int i = from; i < to; ++i) {
                    uint8_t *here = m->code + mrc_grid_at(m->n, i, j, k);
                    if (*here != MRC_SIM_EYE) continue;
                    const double p[3] = {i, j, k};
                    if (pass == 0) {
                        for (int r = 0; r < 3; ++r) sum[r] += p[r];
                        count += 1.0;
                        front = fmax(front, j);
                        continue;
                    }
                    const double x = (p[0] - sum[0] / count) * m->spacing_mm[0] / 4.5;
                    const double y = (front - p[1]) * m->spacing_mm[1] / 2.0 - 2.0;
                    const double z = (p[2] - sum[2] / count) * m->spacing_mm[2] / 4.5;
                    if (x * x + y * y + z * z < 1.0) *here = MRC_SIM_LENS;
                }
}

/* Visits the coarse grid's places in the fine one. */
static size_t fine_at(const struct mrc_sim_map *m, int i, int j, int k) {
    int p[3] = {i, j, k};
    for (int r = 0; r < 3; ++r) {
        p[r] = (int)lrintf((float)p[r] * m->coarse_step[r]);
        if (p[r] >= m->n[r]) p[r] = m->n[r] - 1;
    }
    return mrc_grid_at(m->n, p[0], p[1], p[2]);
}

static uint8_t quarter_mm(float steps) {
    const float quarters = steps * (float)COARSE_MM * 4.0f;
    return (uint8_t)(quarters > 255.0f ? 255.0f : quarters);
}

struct coarse {
    uint8_t *mask;
    float *x;
};

#define EACH_COARSE(m, v, i, j, k)                                                                 \
    for (int k = 0; k < (m)->m[2]; ++k)                                                            \
        for (int j = 0; j < (m)->m[1]; ++j)                                                        \
            for (size_t i = 0, v = mrc_grid_at((m)->m, 0, j, k); i < (size_t)(m)->m[0]; ++i, ++v)

static enum mrc_status derive_depth(struct mrc_sim_map *m, struct coarse *c,
                                    struct mrc_error *err) {
    const size_t count = mrc_grid_count(m->m);
    EACH_COARSE(m, v, i, j, k) c->x[v] = m->code[fine_at(m, (int)i, j, k)] != MRC_SIM_AIR;
    enum mrc_status st = mrc_grid_smooth(c->x, m->m, 2.0, err); /* closes nose and sinuses */
    for (size_t v = 0; v < count; ++v) c->mask[v] = c->x[v] > 0.5f;
    if (st == MRC_OK) st = mrc_grid_distance(c->x, c->mask, m->m, err);
    for (size_t v = 0; v < count; ++v) m->depth[v] = quarter_mm(c->x[v]);
    return st;
}

static enum mrc_status derive_eye(struct mrc_sim_map *m, struct coarse *c, struct mrc_error *err) {
    const size_t count = mrc_grid_count(m->m);
    EACH_COARSE(m, v, i, j, k) c->mask[v] = m->code[fine_at(m, (int)i, j, k)] != MRC_SIM_EYE;
    enum mrc_status st = mrc_grid_distance(c->x, c->mask, m->m, err);
    for (size_t v = 0; v < count; ++v) m->eye[v] = quarter_mm(c->x[v]);
    return st;
}

static enum mrc_status derive_brain(struct mrc_sim_map *m, struct coarse *c,
                                    struct mrc_error *err) {
    const size_t count = mrc_grid_count(m->m);
    EACH_COARSE(m, v, i, j, k) c->x[v] = is_brain(m->code[fine_at(m, (int)i, j, k)]);
    enum mrc_status st = mrc_grid_smooth(c->x, m->m, 2.0, err);
    for (size_t v = 0; v < count; ++v) m->brain[v] = (uint8_t)lrintf(255.0f * c->x[v]);
    return st;
}

static enum mrc_status derive_ventricle(struct mrc_sim_map *m, struct mrc_error *err) {
    EACH_COARSE(m, v, i, j, k)
    m->ventricle[v] = m->code[fine_at(m, (int)i, j, k)] == MRC_SIM_VENTRICLE;
    enum mrc_status st = mrc_grid_smooth(m->ventricle, m->m, 2.5, err);
    const size_t step[3] = {1, (size_t)m->m[0], (size_t)m->m[0] * (size_t)m->m[1]};
    const size_t count = mrc_grid_count(m->m);
    float steepest = 0.0f;
    for (size_t v = step[2]; v + step[2] < count; ++v) {
        float square = 0.0f;
        for (int r = 0; r < 3; ++r) {
            const float d = (m->ventricle[v + step[r]] - m->ventricle[v - step[r]]) / 4.0f;
            square += d * d;
        }
        steepest = fmaxf(steepest, square);
    }
    m->ventricle_steepest = sqrtf(steepest);
    return st;
}

static enum mrc_status derive(struct mrc_sim_map *m, const char *name, struct mrc_error *err) {
    for (int r = 0; r < 3; ++r) {
        m->coarse_step[r] = (float)(COARSE_MM / m->spacing_mm[r]);
        m->m[r] = (int)ceilf((float)(m->n[r] - 1) / m->coarse_step[r]) + 1;
    }
    const size_t count = mrc_grid_count(m->m);
    struct coarse c = {.mask = mrc_alloc(count, 1), .x = mrc_alloc(count, sizeof(float))};
    m->depth = mrc_alloc(count, 1);
    m->eye = mrc_alloc(count, 1);
    m->brain = mrc_alloc(count, 1);
    m->ventricle = mrc_alloc(count, sizeof *m->ventricle);
    enum mrc_status st = MRC_OK;
    if (c.mask == NULL || c.x == NULL || m->depth == NULL || m->eye == NULL || m->brain == NULL ||
        m->ventricle == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for what is derived of it", name);
    if (st == MRC_OK) st = derive_depth(m, &c, err);
    if (st == MRC_OK) st = derive_eye(m, &c, err);
    if (st == MRC_OK) st = derive_brain(m, &c, err);
    if (st == MRC_OK) st = derive_ventricle(m, err);
    mrc_free(c.mask);
    mrc_free(c.x);
    return st;
}

static int clip(int x, int lo, int hi) {
    return x < lo ? lo : x > hi ? hi : x;
}

void mrc_sim_map_mark_borders(uint8_t *code, const int n[3], const int lo[3], const int hi[3]) {
    const size_t dj = (size_t)n[0], dk = (size_t)n[0] * (size_t)n[1];
    for (int k = clip(lo[2], 0, n[2] - 2); k <= clip(hi[2], 0, n[2] - 2); ++k)
        for (int j = clip(lo[1], 0, n[1] - 2); j <= clip(hi[1], 0, n[1] - 2); ++j)
            for (int i = clip(lo[0], 0, n[0] - 2); i <= clip(hi[0], 0, n[0] - 2); ++i) {
                uint8_t *c = code + mrc_grid_at(n, i, j, k);
                const uint8_t here = *c & 0x7f;
                const int others = (here ^ c[1]) | (here ^ c[dj]) | (here ^ c[dj + 1]) |
                                   (here ^ c[dk]) | (here ^ c[dk + 1]) | (here ^ c[dk + dj]) |
                                   (here ^ c[dk + dj + 1]);
                *c = (uint8_t)(here | ((others & 0x7f) != 0 ? MRC_SIM_BORDER : 0));
            }
}

static enum mrc_status build(struct mrc_sim_map *m, const mrc_volume *vol,
                             const struct mrc_sim_table *table, const char *name,
                             struct mrc_error *err) {
    struct turning turning;
    uint8_t *code = NULL;
    enum mrc_status st = find_turning(&turning, vol, name, err);
    if (st == MRC_OK) st = number_codes(&code, vol, table, name, err);
    if (st == MRC_OK) st = copy_codes(m, vol, &turning, code, name, err);
    mrc_free(code);
    if (st == MRC_OK) st = measure_brain(m, name, err);
    if (st == MRC_OK) st = derive(m, name, err);
    if (st != MRC_OK) return st;
    shell_slices(m);
    paint_lens(m, 0);
    paint_lens(m, 1);
    const int all[3] = {m->n[0], m->n[1], m->n[2]}, none[3] = {0, 0, 0};
    mrc_sim_map_mark_borders(m->code, m->n, none, all);
    return MRC_OK;
}

enum mrc_status mrc_sim_map_make(struct mrc_sim_map **out, const mrc_volume *vol,
                                 const struct mrc_sim_table *table, const char *name,
                                 struct mrc_error *err) {
    *out = NULL;
    struct mrc_sim_map *m = mrc_alloc(1, sizeof *m);
    if (m == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for the map", name);
    enum mrc_status st = build(m, vol, table, name, err);
    if (st == MRC_OK)
        *out = m;
    else
        mrc_sim_map_destroy(m);
    return st;
}

enum mrc_status mrc_sim_map_load(struct mrc_sim_map **out, const char *path,
                                 const struct mrc_sim_table *table, struct mrc_error *err) {
    mrc_volume *vol = NULL;
    struct mrc_image_options options = MRC_IMAGE_DEFAULTS;
    options.labels = true;
    options.allow_synthetic = options.allow_derived = true;
    *out = NULL;
    enum mrc_status st = mrc_image_load(&vol, path, &options, err);
    if (st == MRC_OK) st = mrc_sim_map_make(out, vol, table, path, err);
    mrc_volume_destroy(vol);
    return st;
}
