/* source.c: one slice of one new head.
 * A set is normalised by percentiles of each volume's core; there is no volume here. What they would
 * be is asked of a few thousand places in the core of the map: their tissues, with the texture,
 * receive field and noise that such places have, averaged over the size of a voxel. */
#include "app/heads/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/heads/grid.h"
#include "app/heads/head.h"
#include "app/heads/library.h"
#include "base/alloc.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/text.h"

enum { C = MRC_SIM_CONTRASTS, PLACES = 2000, CORE = 32, SLICE = 33 }; /* the latter: streams */

struct mrc_sim_source {
    struct mrc_sim_source_options options;
    struct mrc_sim_library library;
    struct mrc_sim_typical typical; /* grey values of true images */
};

void mrc_sim_source_options_init(struct mrc_sim_source_options *o) {
    *o = (struct mrc_sim_source_options){.seed = 1,
                                         .size = 64,
                                         .planes = 1u << MRC_AXIAL,
                                         .low_percentile = 0.5,
                                         .high_percentile = 95.0};
    for (int c = 0; c < C; ++c) o->room[c] = 1.0;
    mrc_sim_config_init(&o->config);
}

static enum mrc_status check(const struct mrc_sim_source_options *o, struct mrc_error *err) {
    if (o->size < 16 || o->size > 1024)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "samples of %lld pixels, expected 16 to 1024",
                        (long long)o->size);
    if ((o->planes & 7u) == 0 || o->planes > 7u)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "planes %u, expected axial, sagittal or coronal",
                        o->planes);
    return MRC_OK;
}

void mrc_sim_source_destroy(mrc_sim_source *s) {
    if (s == NULL) return;
    mrc_sim_library_clear(&s->library);
    mrc_free(s);
}

enum mrc_status mrc_sim_source_hash(char out[65], const mrc_sim_source *s, struct mrc_error *err) {
    const struct mrc_sim_source_options *o = &s->options;
    char maps[MRC_HASH_TEXT];
    uint8_t digest[MRC_HASH_BYTES];
    mrc_hash *hash = NULL;
    struct mrc_text text = {0};
    enum mrc_status st = mrc_sim_library_digest(maps, &s->library, err);
    if (st == MRC_OK) st = mrc_hash_create(&hash, err);
    if (st == MRC_OK) {
        mrc_text_appendf(&text, "%s %s %llu %lld %u %d %.17g %.17g %.17g %.17g %.17g %.17g\n",
                         MRC_VERSION, maps, (unsigned long long)o->seed, (long long)o->size,
                         o->planes, (int)o->stored, o->low_percentile, o->high_percentile,
                         o->room[0], o->room[1], o->room[2], o->room[3]);
        mrc_sim_config_append_json(&text, &o->config);
        if (text.failed)
            st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed samples");
        else
            mrc_hash_add_text(hash, text.data);
    }
    if (st == MRC_OK) {
        mrc_hash_finish(hash, digest);
        mrc_hash_print(out, digest);
    }
    mrc_hash_destroy(hash);
    mrc_text_clear(&text);
    return st;
}

/* --- Which slice --- */

static enum mrc_orientation choose_plane(unsigned planes, struct mrc_rng *rng) {
    int count = 0, found[3];
    for (int p = 0; p < 3; ++p)
        if (planes >> p & 1u) found[count++] = p;
    return (enum mrc_orientation)found[mrc_rng_below(rng, (uint64_t)count)];
}

/* The volume's grid, as simulate draws it, of which one slice is kept, but none of its ends, which
 * show little: a square of `size` pixels over the field of view. Noise that is averaged over pixels larger than the scanner's is less. */
static void choose_slice(struct mrc_sim_head *h, const struct mrc_sim_source_options *o,
                         struct mrc_rng *rng) {
    struct mrc_sim_grid *g = &h->scan.grid;
    const int size = (int)o->size;
    const int k = (int)((0.08 + 0.84 * mrc_rng_uniform(rng)) * g->n[2]);
    const double side = fmax(g->n[0] * g->spacing_mm[0], g->n[1] * g->spacing_mm[1]);
    const double pixel = side / size, averaged = fmin(1.0, g->spacing_mm[0] / pixel);
    for (int a = 0; a < 2; ++a) {
        const double middle = g->first_mm[a] + g->sign[a] * 0.5 * (g->n[a] - 1) * g->spacing_mm[a];
        g->n[a] = size;
        g->spacing_mm[a] = pixel;
        g->first_mm[a] = middle - g->sign[a] * 0.5 * (size - 1) * pixel;
    }
    g->first_mm[2] += g->sign[2] * k * g->spacing_mm[2];
    g->n[2] = 1;
    for (int c = 0; c < C; ++c) h->scan.image[c].noise *= averaged;
}

/* --- Which intensities are 0 and 1 --- */

static bool is_in_core(const struct mrc_sim_map *m, const int p[3]) {
    float at[3];
    for (int r = 0; r < 3; ++r) at[r] = (float)p[r] / m->coarse_step[r];
    return mrc_grid_sample(m->brain, m->m, at) > 160.0f;
}

/* The signed signals around one place, averaged over a voxel's thickness. */
static void signals_at(float out[C], const struct mrc_sim_head *h, const int p[3],
                       struct mrc_sim_stream *noise) {
    const struct mrc_sim_signals *g = &h->signals;
    const int axis = h->scan.grid.axis[2];
    const int reach = (int)(0.5 * h->scan.grid.spacing_mm[2] / h->map->spacing_mm[axis] + 0.5);
    float f[4];
    mrc_sim_normal4(f, noise);
    for (int c = 0; c < C; ++c) out[c] = 0.0f;
    for (int d = -reach; d <= reach; ++d) {
        int q[3] = {p[0], p[1], p[2]};
        q[axis] += d;
        if (q[axis] < 0 || q[axis] >= h->map->n[axis]) q[axis] = p[axis];
        const uint8_t code = h->settled[h->code[mrc_grid_at(h->map->n, q[0], q[1], q[2])] & 0x7f];
        const uint8_t tissue = code < MRC_SIM_TISSUES ? code : MRC_SIM_MUSCLE;
        for (int c = 0; c < C; ++c)
            out[c] += (g->value[tissue][c] + f[0] * g->slope[tissue][0][c] +
                       f[1] * g->slope[tissue][1][c] + f[2] * g->slope[tissue][2][c]) /
                      (float)(2 * reach + 1);
    }
}

static float seen(const struct mrc_sim_head *h, int c, float signal, struct mrc_sim_stream *noise) {
    float n[4];
    mrc_sim_normal4(n, noise);
    const struct mrc_sim_image *m = &h->scan.image[c];
    const float sigma = (float)m->noise * h->signals.white[c];
    const float real = signal * expf((float)m->bias * n[2]) + sigma * n[0], other = sigma * n[1];
    return 1000.0f * sqrtf(real * real + other * other);
}

/* Percentiles of the core; the air's level where that is lower. */
static enum mrc_status find_limits(double lo[C], double hi[C], const struct mrc_sim_head *h,
                                   const struct mrc_sim_source_options *o,
                                   struct mrc_sim_stream noise, struct mrc_error *err) {
    const struct mrc_sim_map *m = h->map;
    float *values = mrc_alloc(PLACES, C * sizeof *values), signal[C];
    if (values == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a sample");
    int found = 0;
    for (int t = 0; t < 8 * PLACES && found < PLACES; ++t) {
        const uint64_t bits = mrc_sim_bits(&noise);
        int p[3];
        for (int r = 0; r < 3; ++r) {
            const double part = (double)(bits >> (21 * r) & 0x1fffff) / 2097152.0;
            p[r] = (int)(m->brain_lo[r] + part * (m->brain_hi[r] - m->brain_lo[r]));
        }
        if (!is_in_core(m, p)) continue;
        signals_at(signal, h, p, &noise);
        for (int c = 0; c < C; ++c) values[c * PLACES + found] = seen(h, c, signal[c], &noise);
        ++found;
    }
    for (int c = 0; c < C; ++c) {
        float *v = values + (size_t)c * PLACES;
        qsort(v, (size_t)found, sizeof *v, mrc_ascending_float);
        const double last = found - 1;
        const bool silent = h->scan.stripped || h->scan.masked;
        const double air =
            silent ? 0.0
                   : 1177.4 * h->scan.image[c].noise * (double)h->signals.white[c]; /* Rayleigh */
        lo[c] = found > 0 ? fmin((double)v[lrint(o->low_percentile / 100.0 * last)], air) : 0.0;
        hi[c] = found > 0 ? (double)v[lrint(o->high_percentile / 100.0 * last)] : 1000.0;
    }
    mrc_free(values);
    return MRC_OK;
}

static void normalise(float *image, size_t pixels, double lo, double hi, double room) {
    const float scale = (float)(1.0 / fmax(room * (hi - lo), 1e-6)), zero = (float)lo;
    for (size_t p = 0; p < pixels; ++p) {
        const float x = (image[p] - zero) * scale;
        image[p] = x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
    }
}

/* --- One sample --- */

static void tell(struct mrc_sim_sample *s, const struct mrc_sim_head *h, size_t map) {
    s->map = map;
    s->plane = h->scan.grid.plane;
    s->position_mm = h->scan.grid.first_mm[2];
    s->pixel_mm = h->scan.grid.spacing_mm[0];
    s->field_t = h->physics.field_t;
    s->stripped = h->scan.stripped;
    memcpy(s->sequence, h->physics.sequence, sizeof s->sequence);
}

static enum mrc_status make(const mrc_sim_source *s, struct mrc_sim_sample *sample,
                            struct mrc_sim_head *h, struct mrc_error *err) {
    mrc_sim_scratch *scratch = NULL;
    double lo[C], hi[C];
    enum mrc_status st = mrc_sim_head_prepare(h, 0, 0, err);
    if (st == MRC_OK) st = mrc_sim_scratch_create(&scratch, h, err);
    if (st == MRC_OK && !s->options.stored)
        st = find_limits(lo, hi, h, &s->options, mrc_sim_stream_of(h->normals, h->key, CORE), err);
    if (st == MRC_OK) {
        const size_t pixels = (size_t)(s->options.size * s->options.size);
        mrc_sim_head_render(h, 0, scratch, sample->image, sample->tissue, sample->lesion);
        for (int c = 0; c < C && !s->options.stored; ++c)
            if (sample->image[c] != NULL)
                normalise(sample->image[c], pixels, lo[c], hi[c], s->options.room[c]);
        mrc_sim_head_render_truth(h, 0, scratch, &s->typical, sample->truth);
        for (int c = 0; c < C && !s->options.stored; ++c)
            if (sample->truth[c] != NULL) normalise(sample->truth[c], pixels, 0.0, 1.0, 1.0);
    }
    mrc_sim_scratch_destroy(scratch);
    return st;
}

enum mrc_status mrc_sim_source_fetch(const mrc_sim_source *s, struct mrc_sim_sample *sample,
                                     uint64_t number, struct mrc_error *err) {
    struct mrc_sim_head head = {.map = NULL};
    struct mrc_rng rng = mrc_rng_for(s->options.seed, SLICE, number, MRC_FOR_SIMULATE);
    const enum mrc_orientation plane = choose_plane(s->options.planes, &rng);
    const size_t map = mrc_sim_library_choose(&s->library, s->options.seed, number);
    enum mrc_status st =
        mrc_sim_head_init(&head, &s->options.config, s->library.map[map], &s->library.normals,
                          s->options.seed, number, (int)plane, err);
    if (st == MRC_OK) {
        choose_slice(&head, &s->options, &rng);
        tell(sample, &head, map);
        st = make(s, sample, &head, err);
    }
    mrc_sim_head_clear(&head);
    return st;
}

/* --- True images --- */

/* White matter's grey value in image c of some head. */
static enum mrc_status white_level(double out[C], const mrc_sim_source *s, uint64_t number,
                                   struct mrc_error *err) {
    const struct mrc_sim_source_options *o = &s->options;
    struct mrc_sim_config healthy = o->config;
    struct mrc_sim_head head = {.map = NULL};
    double lo[C], hi[C];
    healthy.lo[MRC_SIM_LESIONS_RANGE] = healthy.hi[MRC_SIM_LESIONS_RANGE] = 0.0;
    const struct mrc_sim_map *map = s->library.map[number % s->library.count];
    enum mrc_status st = mrc_sim_head_init(&head, &healthy, map, &s->library.normals, UINT64_MAX,
                                           number, MRC_AXIAL, err);
    if (st == MRC_OK)
        st = find_limits(lo, hi, &head, o, mrc_sim_stream_of(head.normals, head.key, CORE), err);
    for (int c = 0; st == MRC_OK && c < C; ++c) {
        const double white = 1000.0 * (double)head.signals.white[c];
        out[c] = o->stored ? white : (white - lo[c]) / fmax(o->room[c] * (hi[c] - lo[c]), 1e-6);
    }
    mrc_sim_head_clear(&head);
    return st;
}

static enum mrc_status settle_typical(mrc_sim_source *s, struct mrc_error *err) {
    enum { HEADS = 65 };
    double level[HEADS][C], one[HEADS];
    enum mrc_status st = mrc_sim_typical_find(&s->typical, &s->options.config, err);
    for (int n = 0; st == MRC_OK && n < HEADS; ++n) st = white_level(level[n], s, (uint64_t)n, err);
    for (int c = 0; st == MRC_OK && c < C; ++c) {
        for (int n = 0; n < HEADS; ++n) one[n] = level[n][c];
        qsort(one, HEADS, sizeof *one, mrc_ascending_double);
        for (int t = 0; t < MRC_SIM_TISSUES; ++t) {
            s->typical.value[t][c] *= (float)one[HEADS / 2];
            s->typical.slope[t][c] *= (float)one[HEADS / 2];
        }
    }
    return st;
}

enum mrc_status mrc_sim_source_create(mrc_sim_source **out,
                                      const struct mrc_sim_source_options *options,
                                      struct mrc_error *err) {
    *out = NULL;
    enum mrc_status st = check(options, err);
    if (st != MRC_OK) return st;
    mrc_sim_source *s = mrc_alloc(1, sizeof *s);
    if (s == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed samples");
    s->options = *options;
    st = mrc_sim_library_open(&s->library, options->maps, options->map_count, options->table, err);
    bool *all = st == MRC_OK ? mrc_alloc(s->library.count, sizeof *all) : NULL;
    if (st == MRC_OK && all == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed samples");
    if (st == MRC_OK) {
        memset(all, true, s->library.count * sizeof *all);
        st = mrc_sim_library_read(&s->library, all, err);
    }
    mrc_free(all);
    if (st == MRC_OK) st = settle_typical(s, err);
    s->options.maps = NULL; /* the library has its own */
    s->options.table = NULL;
    if (st == MRC_OK)
        *out = s;
    else
        mrc_sim_source_destroy(s);
    return st;
}

struct batch {
    const mrc_sim_source *source;
    struct mrc_sim_sample *samples;
    uint64_t number;
    struct mrc_error *errors;
    enum mrc_status *status;
};

static void fetch_some(void *context, size_t begin, size_t end, int lane) {
    const struct batch *b = context;
    (void)lane;
    for (size_t n = begin; n < end; ++n)
        b->status[n] =
            mrc_sim_source_fetch(b->source, &b->samples[n], b->number + n, &b->errors[n]);
}

enum mrc_status mrc_sim_source_fetch_batch(const mrc_sim_source *source,
                                           struct mrc_sim_sample *samples, size_t count,
                                           uint64_t number, struct mrc_error *err) {
    struct batch b = {.source = source, .samples = samples, .number = number};
    enum mrc_status st = MRC_OK;
    b.errors = mrc_alloc(count, sizeof *b.errors);
    b.status = mrc_alloc(count, sizeof *b.status);
    if (b.errors == NULL || b.status == NULL) {
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for computed samples");
    } else {
        mrc_parallel_for(count, 1, fetch_some, &b);
        for (size_t n = 0; n < count && st == MRC_OK; ++n)
            if (b.status[n] != MRC_OK) st = mrc_fail(err, b.status[n], "%s", b.errors[n].text);
    }
    mrc_free(b.errors);
    mrc_free(b.status);
    return st;
}
