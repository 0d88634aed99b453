/* render.c: from a head to the pixels of one slice.
 * Each slice is sampled in several sheets through its thickness, each shifted within the pixel, so
 * that borders carry partial volume in all directions. A sample finds its place in the label map by
 * the lattice, its tissue by a vote of the eight voxels around, and adds that tissue's signal in
 * the four contrasts, which lie side by side in memory. What follows is done once a slice: fat's
 * shift, resolution, receive field, noise, magnitude. */
#include <math.h>
#include <string.h>

#include "app/heads/grid.h"
#include "app/heads/head.h"
#include "base/alloc.h"

enum {
    PLACE = 0,
    TEXTURE = 3,
    PATCHES = 6,
    SEPTA = 7,
    PULSE = 8,
    FIELD = 9,
    SAMPLED = 9, /* channels that samples look at */
    C = MRC_SIM_CONTRASTS,
    MOST_SHEETS = 16,
    MOST_TAPS = 12
};
static const float GAIN = 1000.0f;

struct mrc_sim_scratch {
    int sheets;
    size_t pixels;
    float *water, *fat, *spare; /* [rows][columns][C] */
    uint8_t *code;              /* [sheets][rows][columns]: the tissue of each sample */
    uint8_t *kept;              /* samples that a stripped image keeps, or inside the head */
    float *plane, *line;        /* [channels][n1][n0], [channels][n0] of the lattice */
    float *sample;              /* [channels][columns] */
    int *cell;                  /* of the lattice, by column */
    int *first;                 /* column of each cell, and one more */
    float *part;
    uint8_t *raw; /* codes of one row */
};

/* At least four sheets, and no more than 1.5 mm between them. */
static int sheets_of(const struct mrc_sim_grid *g) {
    const int n = (int)ceil(g->spacing_mm[2] / 1.5);
    return n < 4 ? 4 : n > MOST_SHEETS ? MOST_SHEETS : n;
}

void mrc_sim_scratch_destroy(mrc_sim_scratch *s) {
    if (s == NULL) return;
    mrc_free(s->water);
    mrc_free(s->code);
    mrc_free(s->plane);
    mrc_free(s->cell);
    mrc_free(s);
}

enum mrc_status mrc_sim_scratch_create(mrc_sim_scratch **out, const struct mrc_sim_head *h,
                                       struct mrc_error *err) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    const size_t columns = (size_t)g->n[0],
                 square = (size_t)h->lattice.n[0] * (size_t)h->lattice.n[1];
    mrc_sim_scratch *s = mrc_alloc(1, sizeof *s);
    *out = s;
    if (s == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a slice");
    s->sheets = sheets_of(g);
    s->pixels = columns * (size_t)g->n[1];
    s->water = mrc_alloc(3 * C * s->pixels, sizeof(float));
    s->code = mrc_alloc((size_t)(s->sheets + 1) * s->pixels + columns, 1);
    s->plane =
        mrc_alloc(MRC_SIM_CHANNELS * (square + (size_t)h->lattice.n[0] + columns), sizeof(float));
    s->cell = mrc_alloc(2 * columns + (size_t)h->lattice.n[0] + 1, sizeof(int));
    if (s->water == NULL || s->code == NULL || s->plane == NULL || s->cell == NULL) {
        mrc_sim_scratch_destroy(s);
        *out = NULL;
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a slice");
    }
    s->fat = s->water + C * s->pixels;
    s->spare = s->fat + C * s->pixels;
    s->kept = s->code + (size_t)s->sheets * s->pixels;
    s->raw = s->kept + s->pixels;
    s->line = s->plane + MRC_SIM_CHANNELS * square;
    s->sample = s->line + MRC_SIM_CHANNELS * (size_t)h->lattice.n[0];
    s->first = s->cell + columns;
    s->part = (float *)(void *)(s->first + h->lattice.n[0] + 1);
    return MRC_OK;
}

/* --- The lattice, cut down to a plane, a line, a row of samples --- */

static int lattice_cell(float *part, double at_mm, const struct mrc_sim_lattice *l, int axis) {
    const double u = (at_mm - l->first_mm[axis]) / l->step_mm[axis];
    int cell = (int)floor(u);
    if (cell < 0) cell = 0;
    if (cell > l->n[axis] - 2) cell = l->n[axis] - 2;
    *part = (float)(u - cell);
    return cell;
}

static void blend(float *out, const float *a, const float *b, float part, size_t n) {
    for (size_t i = 0; i < n; ++i) out[i] = a[i] + (b[i] - a[i]) * part;
}

static void cut_plane(mrc_sim_scratch *s, const struct mrc_sim_head *h, double at_mm, int from,
                      int to) {
    float part;
    const int k = lattice_cell(&part, at_mm, &h->lattice, 2);
    const size_t square = (size_t)h->lattice.n[0] * (size_t)h->lattice.n[1];
    for (int c = from; c < to; ++c) {
        const float *a = h->channel[c] + (size_t)k * square;
        blend(s->plane + (size_t)c * square, a, a + square, part, square);
    }
}

static void cut_line(mrc_sim_scratch *s, const struct mrc_sim_head *h, double at_mm, int from,
                     int to) {
    float part;
    const int j = lattice_cell(&part, at_mm, &h->lattice, 1);
    const size_t n = (size_t)h->lattice.n[0], square = n * (size_t)h->lattice.n[1];
    for (int c = from; c < to; ++c) {
        const float *a = s->plane + (size_t)c * square + (size_t)j * n;
        blend(s->line + (size_t)c * n, a, a + n, part, n);
    }
}

static void set_columns(mrc_sim_scratch *s, const struct mrc_sim_head *h, double shift) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    int begun = 0; /* cells whose first column is known */
    for (int i = 0; i < g->n[0]; ++i) {
        s->cell[i] =
            lattice_cell(&s->part[i], g->first_mm[0] + g->sign[0] * (i + shift) * g->spacing_mm[0],
                         &h->lattice, 0);
        while (begun <= s->cell[i]) s->first[begun++] = i;
    }
    while (begun <= h->lattice.n[0]) s->first[begun++] = g->n[0];
}

/* The columns begin … end-1 that may lie in the part of the map that is looked at: those of cells
 * whose ends are not both on one side of it. */
static void find_columns(int *begin, int *end, const mrc_sim_scratch *s,
                         const struct mrc_sim_head *h) {
    const int n = h->lattice.n[0];
    *begin = h->scan.grid.n[0];
    *end = 0;
    for (int cell = 0; cell + 1 < n; ++cell) {
        bool outside = false;
        for (int r = 0; r < 3; ++r) {
            const float *x = s->line + r * n + cell;
            outside |= (x[0] < h->look_lo[r] && x[1] < h->look_lo[r]) ||
                       (x[0] > h->look_hi[r] && x[1] > h->look_hi[r]);
        }
        if (outside) continue;
        if (s->first[cell] < *begin) *begin = s->first[cell];
        if (s->first[cell + 1] > *end) *end = s->first[cell + 1];
    }
}

/* Channels along columns begin … end-1 of the row. */
static void sample_row(mrc_sim_scratch *s, const struct mrc_sim_head *h, int from, int to,
                       int begin, int end) {
    const size_t columns = (size_t)h->scan.grid.n[0], n = (size_t)h->lattice.n[0];
    for (int c = from; c < to; ++c) {
        const float *line = s->line + (size_t)c * n;
        float *out = s->sample + (size_t)c * columns;
        for (int i = begin; i < end;) {
            const int cell = s->cell[i];
            const float a = line[cell], slope = line[cell + 1] - line[cell];
            for (; i < end && s->cell[i] == cell; ++i) out[i] = a + slope * s->part[i];
        }
    }
}

/* --- Tissue at a place --- */

/* The tissue with most of the trilinear weights of the eight voxels; fluid's count `vote` times. */
static uint8_t vote(const struct mrc_sim_head *h, const uint8_t *corner, const float f[3]) {
    float ballot[MRC_SIM_CODES];
    uint8_t code[8];
    const size_t dj = (size_t)h->map->n[0], dk = dj * (size_t)h->map->n[1];
    const size_t step[8] = {0, 1, dj, dj + 1, dk, dk + 1, dk + dj, dk + dj + 1};
    const float x[2] = {1.0f - f[0], f[0]}, y[2] = {1.0f - f[1], f[1]}, z[2] = {1.0f - f[2], f[2]};
    for (int n = 0; n < 8; ++n) {
        code[n] = h->settled[corner[step[n]] & 0x7f];
        ballot[code[n]] = 0.0f;
    }
    for (int n = 0; n < 8; ++n) ballot[code[n]] += x[n & 1] * y[n >> 1 & 1] * z[n >> 2];
    ballot[MRC_SIM_FLUID] *= h->anatomy.fluid_vote;
    uint8_t best = code[0];
    for (int n = 1; n < 8; ++n)
        if (ballot[code[n]] > ballot[best]) best = code[n];
    return best;
}

/* Below the map's lowest slice the head goes on as it ends: a neck. */
static uint8_t code_at(const struct mrc_sim_head *h, float x, float y, float z) {
    static const float LOWEST = 4.0f;
    const float *lo = h->look_lo, *hi = h->look_hi;
    if (!(x >= lo[0] && x < hi[0] && y >= lo[1] && y < hi[1] && z >= lo[2] && z < hi[2]))
        return MRC_SIM_AIR;
    if (z < LOWEST) z = LOWEST;
    const int i = (int)x, j = (int)y, k = (int)z;
    const uint8_t *corner = h->code + mrc_grid_at(h->map->n, i, j, k);
    const float f[3] = {x - (float)i, y - (float)j, z - (float)k};
    return *corner & MRC_SIM_BORDER ? vote(h, corner, f) : h->settled[*corner];
}

/* What a sample of a row sees: its column of each channel. */
struct view {
    const float *channel[SAMPLED];
    int i;
};

static void coarse_place(float at[3], const struct mrc_sim_head *h, const struct view *v) {
    for (int r = 0; r < 3; ++r) at[r] = v->channel[PLACE + r][v->i] / h->map->coarse_step[r];
}

/* Skin, fat below it, around the eyes, in patches and in sheets between the muscles. */
static uint8_t soft_tissue(const struct mrc_sim_head *h, const struct view *v) {
    const struct mrc_sim_anatomy *a = &h->anatomy;
    const float patch = v->channel[PATCHES][v->i], septum = v->channel[SEPTA][v->i];
    float at[3];
    if (patch > (float)a->fat_patch || fabsf(septum) < (float)a->septa) return MRC_SIM_FAT;
    coarse_place(at, h, v);
    const float depth_mm = 0.25f * mrc_grid_sample(h->map->depth, h->map->m, at);
    if (depth_mm < 1.2f) return MRC_SIM_SKIN;
    if (depth_mm < (float)a->fat_mm * (1.0f + 0.25f * patch)) return MRC_SIM_FAT;
    const float eye_mm = 0.25f * mrc_grid_sample(h->map->eye, h->map->m, at);
    return eye_mm < 14.0f && patch < 1.0f ? MRC_SIM_FAT : MRC_SIM_MUSCLE;
}

/* Would a tool that strips the skull keep this? The brain, and what lies near it. */
static bool is_kept(const struct mrc_sim_head *h, const struct view *v, uint8_t tissue) {
    float at[3];
    if (mrc_sim_tissues[tissue].brain) return true;
    switch (tissue) {
    case MRC_SIM_FLUID:
    case MRC_SIM_DURA:
    case MRC_SIM_ARTERY:
    case MRC_SIM_VEIN:
    case MRC_SIM_OPTIC_NERVE:
    case MRC_SIM_CORD: break;
    default: return false;
    }
    coarse_place(at, h, v);
    const float brain = mrc_grid_sample(h->map->brain, h->map->m, at) / 255.0f;
    return brain > (float)h->scan.strip_at * (1.0f + 0.15f * v->channel[PATCHES][v->i]);
}

static bool is_inside_head(const struct mrc_sim_head *h, const struct view *v) {
    float at[3];
    coarse_place(at, h, v);
    for (int r = 0; r < 3; ++r)
        if (!(at[r] >= 0.0f && at[r] <= (float)(h->map->m[r] - 1))) return false;
    return mrc_grid_sample(h->map->depth, h->map->m, at) > 0.0f;
}

/* --- One sheet of samples --- */

struct sheet {
    int number;
    float weight[C]; /* of its signals; 0 where a contrast's slice is thinner */
};

/* Raw codes of the columns *begin … *end-1, which become those between which not all is air. */
static void find_codes(mrc_sim_scratch *s, const struct mrc_sim_head *h, int *begin, int *end) {
    const int columns = h->scan.grid.n[0], from = *begin, to = *end;
    const float *x = s->sample, *y = x + columns, *z = y + columns;
    *begin = columns;
    *end = 0;
    for (int i = from; i < to; ++i) {
        s->raw[i] = code_at(h, x[i], y[i], z[i]);
        if (s->raw[i] == MRC_SIM_AIR) continue;
        if (*begin > i) *begin = i;
        *end = i + 1;
    }
}

static void add_signal(float *to, const struct mrc_sim_head *h, const struct view *v,
                       uint8_t tissue, const float weight[C]) {
    const struct mrc_sim_signals *g = &h->signals;
    const float f0 = v->channel[TEXTURE][v->i], f1 = v->channel[TEXTURE + 1][v->i],
                f2 = v->channel[TEXTURE + 2][v->i];
    float signal[C];
    for (int c = 0; c < C; ++c)
        signal[c] = g->value[tissue][c] + f0 * g->slope[tissue][0][c] +
                    f1 * g->slope[tissue][1][c] + f2 * g->slope[tissue][2][c];
    if (mrc_sim_tissues[tissue].fluid) {
        const float pulse = v->channel[PULSE][v->i] - (float)h->physics.pulsation_from;
        if (pulse > 0.0f)
            signal[1] *= 1.0f - (float)h->physics.pulsation * (pulse < 1.0f ? pulse : 1.0f);
    }
    for (int c = 0; c < C; ++c) to[c] += weight[c] * signal[c];
}

static void add_row(mrc_sim_scratch *s, const struct mrc_sim_head *h, const struct sheet *sheet,
                    int j, double at_mm) {
    const int columns = h->scan.grid.n[0];
    const size_t first = (size_t)j * (size_t)columns;
    int begin, end;
    struct view v;
    for (int c = 0; c < SAMPLED; ++c) v.channel[c] = s->sample + (size_t)c * (size_t)columns;
    uint8_t *code = s->code + (size_t)sheet->number * s->pixels + first;
    memset(code, MRC_SIM_AIR, (size_t)columns);
    cut_line(s, h, at_mm, PLACE, TEXTURE);
    find_columns(&begin, &end, s, h);
    if (begin >= end) return;
    sample_row(s, h, PLACE, TEXTURE, begin, end);
    if (h->scan.masked && !h->scan.stripped)
        for (v.i = begin; v.i < end; ++v.i) s->kept[first + (size_t)v.i] += is_inside_head(h, &v);
    find_codes(s, h, &begin, &end);
    if (begin >= end) return;
    cut_line(s, h, at_mm, TEXTURE, SAMPLED);
    sample_row(s, h, TEXTURE, SAMPLED, begin, end);
    for (v.i = begin; v.i < end; ++v.i) {
        uint8_t tissue = s->raw[v.i];
        if (tissue == MRC_SIM_AIR) continue;
        if (tissue == MRC_SIM_SOFT) tissue = soft_tissue(h, &v);
        const size_t at = first + (size_t)v.i;
        code[v.i] = tissue;
        if (h->scan.stripped) s->kept[at] += is_kept(h, &v, tissue);
        add_signal((mrc_sim_tissues[tissue].fat ? s->fat : s->water) + C * at, h, &v, tissue,
                   sheet->weight);
    }
}

/* Where within the slice and the pixel sheet n of `sheets` lies: evenly through the thickness, and
 * by the plastic number's sequence across the pixel. */
static void sheet_place(double place[3], int n, int sheets) {
    place[0] = fmod(0.5 + 0.7548776662466927 * n, 1.0) - 0.5;
    place[1] = fmod(0.5 + 0.5698402909980532 * n, 1.0) - 0.5;
    place[2] = (n + 0.5) / sheets - 0.5;
}

/* Weights of the sheets of all contrasts: 1 within a slice's thickness. */
static void weigh_sheets(struct sheet *sheet, double *depth, const struct mrc_sim_head *h,
                         int sheets) {
    double all[C] = {0};
    *depth = 0.0;
    for (int c = 0; c < C; ++c) *depth = fmax(*depth, h->scan.image[c].thickness);
    for (int pass = 0; pass < 2; ++pass)
        for (int n = 0; n < sheets; ++n)
            for (int c = 0; c < C; ++c) {
                double place[3];
                sheet_place(place, n, sheets);
                const double beyond =
                    (fabs(place[2]) * *depth - 0.5 * h->scan.image[c].thickness) * sheets / *depth;
                const double weight = fmin(fmax(0.5 - beyond, 0.02), 1.0);
                if (pass == 0) all[c] += weight;
                sheet[n].weight[c] = (float)(weight / all[c]);
                sheet[n].number = n;
            }
}

static void add_sheets(mrc_sim_scratch *s, const struct mrc_sim_head *h, int k) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    struct sheet sheet[MOST_SHEETS];
    double depth, place[3];
    weigh_sheets(sheet, &depth, h, s->sheets);
    memset(s->water, 0, 2 * C * s->pixels * sizeof *s->water);
    memset(s->kept, 0, s->pixels);
    for (int n = 0; n < s->sheets; ++n) {
        sheet_place(place, n, s->sheets);
        cut_plane(s, h, g->first_mm[2] + g->sign[2] * (k + place[2] * depth) * g->spacing_mm[2], 0,
                  SAMPLED);
        set_columns(s, h, place[0]);
        for (int j = 0; j < g->n[1]; ++j)
            add_row(s, h, &sheet[n], j,
                    g->first_mm[1] + g->sign[1] * (j + place[1]) * g->spacing_mm[1]);
    }
}

/* --- Fat's shift, resolution --- */

/* Most of the fat's signal appears some pixels away. */
static void join_fat(mrc_sim_scratch *s, const struct mrc_sim_head *h) {
    static const float STAYS = 0.15f;
    const struct mrc_sim_grid *g = &h->scan.grid;
    const int axis = h->physics.fat_axis;
    for (int j = 0; j < g->n[1]; ++j)
        for (int i = 0; i < g->n[0]; ++i) {
            float *to = s->water + C * ((size_t)j * (size_t)g->n[0] + (size_t)i);
            const float *here = s->fat + C * ((size_t)j * (size_t)g->n[0] + (size_t)i);
            for (int c = 0; c < C; ++c) {
                const int shift = h->physics.fat_shift_px[c];
                const int fi = axis == 0 ? i - shift : i, fj = axis == 1 ? j - shift : j;
                to[c] += STAYS * here[c];
                if (fi < 0 || fj < 0 || fi >= g->n[0] || fj >= g->n[1]) continue;
                to[c] += (1.0f - STAYS) *
                         s->fat[C * ((size_t)fj * (size_t)g->n[0] + (size_t)fi) + (size_t)c];
            }
        }
}

struct kernel {
    int reach;
    float tap[MOST_TAPS + 1][C];
};

/* A Gaussian, or what is left of a point when high frequencies are cut off. */
static double tap_of(const struct mrc_sim_image *m, int axis, double pixel_mm, int t) {
    static const double PI = 3.14159265358979323846;
    const double sigma = m->blur_mm / pixel_mm;
    if (m->ring_axis != axis) return sigma < 0.05 ? t == 0 : exp(-0.5 * t * t / (sigma * sigma));
    const double hann = 0.5 + 0.5 * cos(PI * t / (MOST_TAPS + 1));
    return t == 0 ? m->ring_cut : hann * sin(PI * m->ring_cut * t) / (PI * t);
}

static void set_kernel(struct kernel *kernel, const struct mrc_sim_head *h, int axis) {
    const double pixel_mm = h->scan.grid.spacing_mm[axis];
    kernel->reach = 0;
    for (int c = 0; c < C; ++c) {
        const struct mrc_sim_image *m = &h->scan.image[c];
        const int reach = m->ring_axis == axis
                              ? MOST_TAPS
                              : (int)fmin(ceil(3.0 * m->blur_mm / pixel_mm), MOST_TAPS);
        double all = tap_of(m, axis, pixel_mm, 0);
        for (int t = 1; t <= reach; ++t) all += 2.0 * tap_of(m, axis, pixel_mm, t);
        for (int t = 0; t <= MOST_TAPS; ++t)
            kernel->tap[t][c] = t > reach ? 0.0f : (float)(tap_of(m, axis, pixel_mm, t) / all);
        if (reach > kernel->reach) kernel->reach = reach;
    }
}

static void add_scaled(float *to, const float *from, const float tap[C], size_t pixels) {
    for (size_t p = 0; p < pixels; ++p)
        for (int c = 0; c < C; ++c) to[C * p + (size_t)c] += tap[c] * from[C * p + (size_t)c];
}

/* Along rows (step 1) or columns; what lies outside is 0. */
static void filter(float *out, const float *in, const struct kernel *kernel, int columns, int rows,
                   int axis) {
    const size_t width = (size_t)columns;
    memset(out, 0, C * width * (size_t)rows * sizeof *out);
    for (int j = 0; j < rows; ++j)
        for (int t = -kernel->reach; t <= kernel->reach; ++t) {
            const float *tap = kernel->tap[t < 0 ? -t : t];
            float *to = out + C * width * (size_t)j;
            if (axis == 1) {
                if (j + t < 0 || j + t >= rows) continue;
                add_scaled(to, in + C * width * (size_t)(j + t), tap, width);
            } else {
                const float *from = in + C * width * (size_t)j;
                const int first = t < 0 ? -t : 0, last = t > 0 ? columns - t : columns;
                if (last <= first) continue;
                add_scaled(to + C * first, from + C * (first + t), tap, (size_t)(last - first));
            }
        }
}

static void blur(mrc_sim_scratch *s, const struct mrc_sim_head *h) {
    const int columns = h->scan.grid.n[0], rows = h->scan.grid.n[1];
    struct kernel kernel;
    set_kernel(&kernel, h, 0);
    filter(s->spare, s->water, &kernel, columns, rows, 0);
    set_kernel(&kernel, h, 1);
    filter(s->water, s->spare, &kernel, columns, rows, 1);
}

/* A faint copy, half the field of view away. */
static void add_ghost(mrc_sim_scratch *s, const struct mrc_sim_head *h, int c) {
    const int columns = h->scan.grid.n[0], rows = h->scan.grid.n[1];
    const struct mrc_sim_image *m = &h->scan.image[c];
    if (m->ghost_axis < 0) return;
    for (int j = 0; j < rows; ++j)
        for (int i = 0; i < columns; ++i) {
            const int gi = m->ghost_axis == 0 ? (i + columns / 2) % columns : i;
            const int gj = m->ghost_axis == 1 ? (j + rows / 2) % rows : j;
            s->spare[(size_t)j * (size_t)columns + (size_t)i] =
                (float)m->ghost *
                s->water[C * ((size_t)gj * (size_t)columns + (size_t)gi) + (size_t)c];
        }
    for (size_t p = 0; p < s->pixels; ++p) s->water[C * p + (size_t)c] += s->spare[p];
}

/* --- Receive field, noise, magnitude --- */

/* The plane's receive field of one contrast, at the lattice's places, over the first channel. */
static void set_field(mrc_sim_scratch *s, const struct mrc_sim_head *h, int c) {
    const struct mrc_sim_image *m = &h->scan.image[c];
    const size_t square = (size_t)h->lattice.n[0] * (size_t)h->lattice.n[1];
    const float *a = s->plane + (size_t)FIELD * square, *b = a + square;
    const float x = (float)(m->bias * cos(m->bias_turn)), y = (float)(m->bias * sin(m->bias_turn));
    for (size_t v = 0; v < square; ++v) s->plane[v] = expf(x * a[v] + y * b[v]);
}

/* Two pixels' noise at a time. */
static void finish_row(float *out, const float *in, const float *field, const uint8_t *kept,
                       int least, float sigma, struct mrc_sim_stream *noise, int columns) {
    for (int i = 0; i < columns; i += 2) {
        float n[4];
        mrc_sim_normal4(n, noise);
        for (int o = 0; o < 2 && i + o < columns; ++o) {
            const float real = field[i + o] * in[C * (i + o)] + sigma * n[2 * o];
            const float imaginary = sigma * n[2 * o + 1];
            const float value = GAIN * sqrtf(real * real + imaginary * imaginary) + 0.5f;
            const bool shown = kept == NULL || kept[i + o] >= least;
            out[i + o] = shown ? (float)(int)(value < 32767.0f ? value : 32767.0f) : 0.0f;
        }
    }
}

static void finish_image(float *out, mrc_sim_scratch *s, const struct mrc_sim_head *h, int k,
                         int c) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    const struct mrc_sim_image *m = &h->scan.image[c];
    struct mrc_sim_stream noise =
        mrc_sim_stream_of(h->normals, h->key, 1000 + (uint64_t)k * C + (uint64_t)c);
    const bool cut = h->scan.stripped || h->scan.masked;
    const int least = h->scan.stripped ? (s->sheets + 1) / 2 : 1;
    add_ghost(s, h, c);
    set_field(s, h, c);
    for (int j = 0; j < g->n[1]; ++j) {
        const size_t row = (size_t)j * (size_t)g->n[0];
        cut_line(s, h, g->first_mm[1] + g->sign[1] * j * g->spacing_mm[1], 0, 1);
        sample_row(s, h, 0, 1, 0, g->n[0]);
        finish_row(out + row, s->water + C * row + c, s->sample, cut ? s->kept + row : NULL, least,
                   (float)m->noise * h->signals.white[c], &noise, g->n[0]);
    }
}

/* --- What is true --- */

static uint8_t most_of(const uint8_t *code, size_t step, int sheets) {
    uint8_t best = code[0];
    int most = 0;
    for (int n = 0; n < sheets && most <= sheets / 2; ++n) {
        int count = 0;
        for (int o = n; o < sheets; ++o) count += code[(size_t)o * step] == code[(size_t)n * step];
        if (count <= most) continue;
        most = count;
        best = code[(size_t)n * step];
    }
    return best;
}

static void finish_truth(float *tissue, float *lesion, const mrc_sim_scratch *s,
                         const struct mrc_sim_head *h) {
    const int least = (s->sheets + 1) / 2;
    for (size_t p = 0; p < s->pixels; ++p) {
        int ill = 0;
        const bool shown = !h->scan.stripped || s->kept[p] >= least;
        for (int n = 0; n < s->sheets; ++n)
            ill += mrc_sim_tissues[s->code[(size_t)n * s->pixels + p]].lesion;
        if (tissue != NULL)
            tissue[p] = shown ? (float)most_of(s->code + p, s->pixels, s->sheets) : 0.0f;
        if (lesion != NULL) lesion[p] = shown && ill >= least ? 1.0f : 0.0f;
    }
}

void mrc_sim_head_render(const struct mrc_sim_head *h, int k, mrc_sim_scratch *s,
                         float *const image[MRC_SIM_CONTRASTS], float *tissue, float *lesion) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    add_sheets(s, h, k);
    join_fat(s, h);
    blur(s, h);
    cut_plane(s, h, g->first_mm[2] + g->sign[2] * k * g->spacing_mm[2], FIELD, MRC_SIM_CHANNELS);
    set_columns(s, h, 0.0);
    for (int c = 0; c < C; ++c)
        if (image[c] != NULL) finish_image(image[c], s, h, k, c);
    if (tissue != NULL || lesion != NULL) finish_truth(tissue, lesion, s, h);
}

/* A point's light, spread as little as pixels allow: one sheet in four or sixteen is seen at most. */
static const struct kernel sharp = {.reach = 1,
                                    .tap = {{0.8f, 0.8f, 0.8f, 0.8f}, {0.1f, 0.1f, 0.1f, 0.1f}}};

/* Signals of one row of a sheet, where the texture is f. */
static void add_typical(float *to, const uint8_t *code, const float *f, float part,
                        const struct mrc_sim_typical *typical, int columns) {
    for (int i = 0; i < columns; ++i)
        for (int c = 0; c < C; ++c)
            to[C * i + c] +=
                part * (typical->value[code[i]][c] + f[i] * typical->slope[code[i]][c]);
}

void mrc_sim_head_render_truth(const struct mrc_sim_head *h, int k, mrc_sim_scratch *s,
                               const struct mrc_sim_typical *typical, float *const truth[C]) {
    const struct mrc_sim_grid *g = &h->scan.grid;
    const int least = (s->sheets + 1) / 2, columns = g->n[0], rows = g->n[1];
    if (truth[0] == NULL && truth[1] == NULL && truth[2] == NULL && truth[3] == NULL) return;
    memset(s->water, 0, C * s->pixels * sizeof *s->water);
    cut_plane(s, h, g->first_mm[2] + g->sign[2] * k * g->spacing_mm[2], TEXTURE, TEXTURE + 1);
    set_columns(s, h, 0.0);
    float *f = s->sample + TEXTURE * columns;
    for (int j = 0; j < rows; ++j) {
        const size_t row = (size_t)j * (size_t)columns;
        cut_line(s, h, g->first_mm[1] + g->sign[1] * j * g->spacing_mm[1], TEXTURE, TEXTURE + 1);
        sample_row(s, h, TEXTURE, TEXTURE + 1, 0, columns);
        for (int i = 0; i < columns; ++i) f[i] *= (float)h->physics.texture;
        for (int n = 0; n < s->sheets; ++n)
            add_typical(s->water + C * row, s->code + (size_t)n * s->pixels + row, f,
                        1.0f / (float)s->sheets, typical, columns);
    }
    filter(s->spare, s->water, &sharp, columns, rows, 0);
    filter(s->water, s->spare, &sharp, columns, rows, 1);
    for (int c = 0; c < C; ++c)
        for (size_t p = 0; truth[c] != NULL && p < s->pixels; ++p)
            truth[c][p] = h->scan.stripped && s->kept[p] < least
                              ? 0.0f
                              : fmaxf(s->water[C * p + (size_t)c], 0.0f);
}
