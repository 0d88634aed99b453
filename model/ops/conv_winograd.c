/* conv_winograd.c: 4x4 convolutions with stride 2 and padding 1 by polyphase minimal filtering.
 *
 * Such a convolution reads its input in four phases, the odd and even rows and columns: tap
 * t = 2a + p of output o reads position 2(o + a) - 1 + p, which is number o + a of phase p. On each
 * phase the kernel is a 2x2 filter of stride 1, and the four results add. F(m x m, 2x2)
 * (winograd.h) makes m x m outputs of each from (m+1)^2 products, and because the phases may be
 * added before the way back, all of it is one matrix product at each of the (m+1)^2 points, M
 * [tiles][cout] = V [tiles][4 cin] * U [4 cin][cout]. Backward-data is its adjoint, M = D * U'
 * (windows of neighbouring tiles overlap by one, and are added in order), backward-weights is V' *
 * D. With m = 4 that is 25 products where the sum over 16 taps has 64; with m = 2, for small maps,
 * 9 where it has 16.
 *
 * Transformed matrices are larger than what they are made from, so they are used while they are in
 * cache. Many tiles and small weights: U is made once, and each chunk takes a band of tiles through
 * all three stages. Few tiles and large weights: V is made once, and each chunk takes a block of
 * channels. All cuts follow from sizes, and no two chunks write the same float. */
#include "model/ops/conv_winograd.h"

#include <math.h>

#include "model/blas.h"
#include "model/ops/conv_kernel.h"
#include "model/ops/op_tools.h"
#include "model/ops/winograd.h"

enum {
    PHASES = 4,
    WINDOW = MRC_WINOGRAD_MOST_POINTS * MRC_WINOGRAD_MOST_POINTS,
    BAND_TILES = 64,        /* rows of a product of a band */
    SLICE_TILES = 256,      /* rows of a product of a block */
    LARGEST_PLANE = 1024,   /* tiles of a plane, which backward-data takes whole */
    BLOCK_FLOATS = 1 << 19, /* transformed weights of a block, 2 MB */
    SLICE_FLOATS = 2 << 20, /* both sides of a slice of the sum of backward-weights, 8 MB */
    SUM_FLOATS = 1 << 20,   /* weights' sums up to this size are one matrix shared by the threads */
    GATHER_TILES = 2,
    GATHER_ROWS = 4
};

static enum mrc_winograd_lanes forced_lanes = MRC_WINOGRAD_BEST;
static int forced_outputs = 0;

void mrc_conv_winograd_force(int outputs, enum mrc_winograd_lanes lanes) {
    forced_outputs = outputs;
    forced_lanes = lanes;
}

/* --- Cuts --- */

/* Channels in blocks of equal width, the last may be narrower. */
struct channels {
    int64_t count, width, blocks;
};

/* How one kernel of one convolution is cut. */
struct cut {
    const struct mrc_winograd *w;
    int64_t points;                  /* of a tile */
    int64_t tiles_h, tiles_w, tiles; /* of a plane; of all planes */
    int64_t band, bands;             /* tiles of a chunk, chunks along the tiles */
    int64_t slice;                   /* tiles that all chunks work on before the next slice */
    struct channels in, out;         /* chunks along the channels: blocks of both */
    bool shared_sums;                /* backward-weights: sums of all chunks, else of a lane */
    int64_t run;                     /* floats of the longest run of channels */
    int64_t left, right, product;    /* floats of the matrices of a chunk or of all */
    int64_t shared_floats, lane_floats;
};

static int64_t aligned(int64_t floats) {
    return (floats + 15) / 16 * 16;
}

/* From one point's matrix to the next: never a multiple of 4096 bytes, or all points would fall
 * into the same few lines of the cache. */
static int64_t point_stride(int64_t rows, int64_t columns) {
    return aligned(rows * columns) + 16;
}

static struct channels whole(int64_t count) {
    return (struct channels){.count = count, .width = count, .blocks = 1};
}

/* Even blocks of about `target` channels, a multiple of 16. */
static struct channels blocks_of(int64_t count, int64_t target) {
    int64_t width = mrc_parts(count, mrc_parts(count, mrc_max_i64(16, target)));
    width = mrc_min_i64(count, mrc_parts(width, 16) * 16);
    return (struct channels){.count = count, .width = width, .blocks = mrc_parts(count, width)};
}

static int64_t first_of(const struct channels *channels, int64_t block) {
    return block * channels->width;
}

static int64_t width_of(const struct channels *channels, int64_t block) {
    return mrc_min_i64(channels->width, channels->count - first_of(channels, block));
}

static struct cut cut_tiles(const struct mrc_conv *c, const struct mrc_winograd *w) {
    struct cut cut = {.w = w, .points = w->points * w->points};
    cut.tiles_h = mrc_parts(c->out[1], w->outputs);
    cut.tiles_w = mrc_parts(c->out[2], w->outputs);
    cut.tiles = c->n * c->out[0] * cut.tiles_h * cut.tiles_w;
    cut.band = cut.slice = cut.tiles;
    cut.bands = 1;
    cut.in = whole(c->cin);
    cut.out = whole(c->cout);
    cut.run = aligned(mrc_max_i64(c->cin, c->cout));
    return cut;
}

/* Forward and backward-data: bands of tiles where there are many, else blocks of channels. */
static struct cut cut_product(const struct mrc_conv *c, const struct mrc_winograd *w,
                              enum mrc_conv_direction direction) {
    struct cut cut = cut_tiles(c, w);
    const bool forward = direction == MRC_CONV_FORWARD;
    const int64_t weights = PHASES * c->cin * c->cout * cut.points;
    const int64_t unit = forward ? 1 : cut.tiles_h * cut.tiles_w; /* backwards planes stay whole */
    if (cut.tiles >= 4 * BAND_TILES && weights <= 8 * BLOCK_FLOATS) {
        cut.band = mrc_max_i64(1, BAND_TILES / unit) * unit;
        cut.bands = mrc_parts(cut.tiles, cut.band);
    } else {
        struct channels *side = forward ? &cut.out : &cut.in;
        int64_t target = side->count * BLOCK_FLOATS / weights;
        *side = blocks_of(side->count, mrc_min_i64(target, side->count / 4));
        cut.slice = mrc_min_i64(cut.tiles, mrc_max_i64(1, SLICE_TILES / unit) * unit);
        cut.band = cut.slice;
    }
    const int64_t k_in = PHASES * cut.in.width, k_out = cut.out.width;
    cut.left = cut.points * point_stride(cut.band, forward ? PHASES * c->cin : c->cout);
    cut.right = cut.points * point_stride(k_in, k_out);
    cut.product = cut.points * point_stride(cut.band, forward ? k_out : k_in);
    cut.shared_floats = cut.bands > 1 ? cut.right : cut.left;
    cut.lane_floats = cut.product + (cut.bands > 1 ? cut.left : cut.right);
    return cut;
}

/* Backward-weights: slices of the tiles one after the other, both sides of one in cache. Small sums
 * are one matrix, and a chunk is a point of it; large ones are cut into blocks. */
static struct cut cut_weights(const struct mrc_conv *c, const struct mrc_winograd *w) {
    struct cut cut = cut_tiles(c, w);
    const int64_t sides = cut.points * (PHASES * c->cin + c->cout);
    const int64_t sums = cut.points * PHASES * c->cin * c->cout;
    cut.shared_sums = sums <= SUM_FLOATS || sides * cut.tiles > 4 * SLICE_FLOATS;
    if (cut.shared_sums) {
        int64_t slices = mrc_parts(sides * cut.tiles, SLICE_FLOATS);
        cut.slice = mrc_parts(cut.tiles, slices);
    } else {
        cut.in = blocks_of(c->cin, 32);
        cut.out = blocks_of(c->cout, 128);
    }
    cut.left = cut.points * point_stride(cut.slice, PHASES * c->cin);
    cut.right = cut.points * point_stride(cut.slice, c->cout);
    cut.product = cut.points * point_stride(PHASES * cut.in.width, cut.out.width);
    cut.shared_floats = cut.left + cut.right + (cut.shared_sums ? cut.product : 0);
    cut.lane_floats = cut.shared_sums ? 0 : cut.product;
    return cut;
}

/* Scratch: a run of zeros, the shared matrices, and for each lane a run that is never read and its
 * matrices. */
static size_t cut_bytes(const struct cut *cut, int lanes) {
    int64_t floats = cut->run + cut->shared_floats + lanes * (cut->run + cut->lane_floats);
    return (size_t)floats * sizeof(float);
}

struct job {
    const struct mrc_conv *c;
    const struct cut *cut;
    enum mrc_conv_direction direction;
    const float *src, *d_dst, *weight, *bias; /* bias: zeros where there is none */
    float *dst, *d_src, *d_weight;
    const float *zeros;
    float *shared, *lanes;
    int64_t slice; /* first tile of the slice */
};

static struct job job_for(const struct mrc_conv *c, const struct cut *cut,
                          enum mrc_conv_direction direction, const float *bias, void *scratch) {
    float *floats = scratch;
    for (int64_t i = 0; i < cut->run; ++i) floats[i] = 0.0f;
    return (struct job){.c = c,
                        .cut = cut,
                        .direction = direction,
                        .bias = bias != NULL ? bias : floats,
                        .zeros = floats,
                        .shared = floats + cut->run,
                        .lanes = floats + cut->run + cut->shared_floats};
}

static float *unread_of(const struct job *job, int lane) {
    return job->lanes + lane * (job->cut->run + job->cut->lane_floats);
}

static float *lane_of(const struct job *job, int lane) {
    return unread_of(job, lane) + job->cut->run;
}

/* --- Tiles and windows --- */

struct tile {
    int64_t plane, h, w; /* h, w: first output */
};

static struct tile tile_at(const struct cut *cut, int64_t index) {
    int64_t row = index / cut->tiles_w;
    return (struct tile){.plane = row / cut->tiles_h,
                         .h = row % cut->tiles_h * cut->w->outputs,
                         .w = index % cut->tiles_w * cut->w->outputs};
}

/* Offset of a pixel, in floats, or -1 outside. */
static int64_t offset_of(const int64_t sides[3], int64_t channels, int64_t plane, int64_t h,
                         int64_t w) {
    if (h < 0 || h >= sides[1] || w < 0 || w >= sides[2]) return -1;
    return ((plane * sides[1] + h) * sides[2] + w) * channels;
}

/* The pixels of the in side that a tile reads in one phase. */
static void in_window(int64_t offsets[WINDOW], const struct job *job, struct tile t, int phase) {
    const int points = job->cut->w->points;
    for (int i = 0; i < points; ++i)
        for (int j = 0; j < points; ++j)
            offsets[i * points + j] =
                offset_of(job->c->in, job->c->cin, t.plane, 2 * (t.h + i) - 1 + phase / 2,
                          2 * (t.w + j) - 1 + phase % 2);
}

static void out_window(int64_t offsets[WINDOW], const struct job *job, struct tile t) {
    const int outputs = job->cut->w->outputs;
    for (int i = 0; i < outputs; ++i)
        for (int j = 0; j < outputs; ++j)
            offsets[i * outputs + j] =
                offset_of(job->c->out, job->c->cout, t.plane, t.h + i, t.w + j);
}

/* --- The transforms of one tile. Runs of a matrix's row: of the in side the phases of a block of
 * channels one after the other. --- */

static void transform_in(float *to, int64_t stride, const struct job *job, struct tile t,
                         int64_t channel, int64_t width) {
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    const float *from[WINDOW];
    for (int phase = 0; phase < PHASES; ++phase, to += width) {
        in_window(offsets, job, t, phase);
        for (int i = 0; i < w->points * w->points; ++i)
            from[i] = offsets[i] < 0 ? job->zeros : job->src + offsets[i] + channel;
        w->input(to, stride, from, 0, width);
    }
}

static void transform_out(float *to, int64_t stride, const struct job *job, struct tile t) {
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    const float *from[WINDOW];
    out_window(offsets, job, t);
    for (int i = 0; i < w->outputs * w->outputs; ++i)
        from[i] = offsets[i] < 0 ? job->zeros : job->d_dst + offsets[i];
    w->output_adjoint(to, stride, from, 0, job->c->cout);
}

static void finish_out(const float *from, int64_t stride, const struct job *job, struct tile t,
                       int64_t channel, int64_t width, float *unread) {
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    float *to[WINDOW];
    const float *before[WINDOW];
    out_window(offsets, job, t);
    for (int i = 0; i < w->outputs * w->outputs; ++i) {
        to[i] = offsets[i] < 0 ? unread : job->dst + offsets[i] + channel;
        before[i] = offsets[i] < 0 ? job->zeros : job->bias + channel;
    }
    w->output(to, before, from, stride, 0, width);
}

/* The first row and column of a window are the last of the tiles above and to the left, which came
 * before. */
static void finish_in(const float *from, int64_t stride, const struct job *job, struct tile t,
                      int64_t channel, int64_t width, float *unread) {
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    float *to[WINDOW];
    const float *before[WINDOW];
    for (int phase = 0; phase < PHASES; ++phase, from += width) {
        in_window(offsets, job, t, phase);
        for (int i = 0; i < w->points * w->points; ++i) {
            bool begun = (t.h > 0 && i < w->points) || (t.w > 0 && i % w->points == 0);
            to[i] = offsets[i] < 0 ? unread : job->d_src + offsets[i] + channel;
            before[i] = offsets[i] < 0 ? job->zeros : begun ? to[i] : job->bias + channel;
        }
        w->input_adjoint(to, before, from, stride, 0, width);
    }
}

/* Weights of input channel `channel` of a block, for `outs` output channels from `out`. */
static void taps_of(int64_t offsets[4], const struct mrc_conv *c, int phase, int64_t channel,
                    int64_t out) {
    for (int i = 0; i < 4; ++i) {
        int64_t kh = 2 * (i / 2) + phase / 2, kw = 2 * (i % 2) + phase % 2;
        offsets[i] = ((kh * 4 + kw) * c->cin + channel) * c->cout + out;
    }
}

/* A block of weights; `to` is the row of its first channel in phase 0. */
struct block {
    int64_t in, ins, out, outs;
};

static void transform_weights(float *to, int64_t stride, const struct job *job, struct block b,
                              int64_t begin, int64_t end) {
    int64_t offsets[4];
    const float *from[4];
    for (int phase = 0; phase < PHASES; ++phase)
        for (int64_t i = begin; i < end; ++i) {
            taps_of(offsets, job->c, phase, b.in + i, b.out);
            for (int tap = 0; tap < 4; ++tap) from[tap] = job->weight + offsets[tap];
            job->cut->w->weights(to + (phase * b.ins + i) * b.outs, stride, from, 0, b.outs);
        }
}

static void finish_weights(const float *from, int64_t stride, const struct job *job, struct block b,
                           int64_t begin, int64_t end) {
    int64_t offsets[4];
    float *to[4];
    for (int phase = 0; phase < PHASES; ++phase)
        for (int64_t i = begin; i < end; ++i) {
            taps_of(offsets, job->c, phase, b.in + i, b.out);
            for (int tap = 0; tap < 4; ++tap) to[tap] = job->d_weight + offsets[tap];
            job->cut->w->weights_adjoint(to, (const float *const *)to,
                                         from + (phase * b.ins + i) * b.outs, stride, 0, b.outs);
        }
}

/* --- Forward and backward-data --- */

/* Rows of the left matrix: tiles first … last-1, the first of them in row 0 of `to`. */
static void make_left(float *to, int64_t stride, const struct job *job, int64_t first,
                      int64_t last) {
    const struct mrc_conv *c = job->c;
    for (int64_t at = first; at < last; ++at) {
        struct tile t = tile_at(job->cut, at);
        if (job->direction == MRC_CONV_FORWARD) {
            transform_in(to, stride, job, t, 0, c->cin);
            to += PHASES * c->cin;
        } else {
            transform_out(to, stride, job, t);
            to += c->cout;
        }
    }
}

static int64_t left_stride(const struct job *job) {
    return job->cut->left / job->cut->points;
}

static int64_t slice_rows(const struct job *job) {
    return mrc_min_i64(job->cut->slice, job->cut->tiles - job->slice);
}

static void gather_left(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const int64_t columns =
        job->direction == MRC_CONV_FORWARD ? PHASES * job->c->cin : job->c->cout;
    const int64_t first = (int64_t)begin * GATHER_TILES;
    const int64_t last = mrc_min_i64(slice_rows(job), first + GATHER_TILES);
    make_left(job->shared + first * columns, left_stride(job), job, job->slice + first,
              job->slice + last);
}

static struct block all_weights(const struct mrc_conv *c) {
    return (struct block){.ins = c->cin, .outs = c->cout};
}

static void gather_right(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const int64_t first = (int64_t)begin * GATHER_ROWS;
    const int64_t last = mrc_min_i64(job->c->cin, first + GATHER_ROWS);
    transform_weights(job->shared, point_stride(PHASES * job->c->cin, job->c->cout), job,
                      all_weights(job->c), first, last);
}

static struct block block_at(const struct cut *cut, int64_t index) {
    int64_t in = index / cut->out.blocks, out = index % cut->out.blocks;
    return (struct block){.in = first_of(&cut->in, in),
                          .ins = width_of(&cut->in, in),
                          .out = first_of(&cut->out, out),
                          .outs = width_of(&cut->out, out)};
}

/* A band or a block: what of it is not shared is made, multiplied point by point, and finished. */
static void product_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct cut *cut = job->cut;
    const bool forward = job->direction == MRC_CONV_FORWARD, banded = cut->bands > 1;
    const int64_t first = banded ? (int64_t)begin * cut->band : job->slice;
    const int64_t rows = mrc_min_i64(cut->band, cut->tiles - first);
    const struct block b = banded ? all_weights(job->c) : block_at(cut, (int64_t)begin);
    float *made = lane_of(job, lane), *product = made + (banded ? cut->left : cut->right);
    const float *left = banded ? made : job->shared, *right = banded ? job->shared : made;
    const int64_t right_stride = point_stride(PHASES * b.ins, b.outs);
    if (banded)
        make_left(made, left_stride(job), job, first, first + rows);
    else
        transform_weights(made, right_stride, job, b, 0, b.ins);
    const int64_t columns = forward ? b.outs : PHASES * b.ins;
    const int64_t sum = forward ? PHASES * job->c->cin : job->c->cout;
    const int64_t stride = point_stride(rows, columns);
    for (int64_t p = 0; p < cut->points; ++p)
        mrc_sgemm(false, !forward, rows, columns, sum, left + p * left_stride(job), sum,
                  right + p * right_stride, b.outs, 0.0f, product + p * stride, columns);
    float *unread = unread_of(job, lane);
    for (int64_t i = 0; i < rows; ++i) {
        struct tile t = tile_at(cut, first + i);
        if (forward)
            finish_out(product + i * columns, stride, job, t, b.out, b.outs, unread);
        else
            finish_in(product + i * columns, stride, job, t, b.in, b.ins, unread);
    }
}

static void run_product(struct job *job) {
    const struct cut *cut = job->cut;
    const int lanes = job->c->lanes;
    if (cut->bands > 1) {
        mrc_op_for(mrc_parts(job->c->cin, GATHER_ROWS), lanes, gather_right, job);
        mrc_op_for(cut->bands, lanes, product_chunk, job);
        return;
    }
    for (job->slice = 0; job->slice < cut->tiles; job->slice += cut->slice) {
        mrc_op_for(mrc_parts(slice_rows(job), GATHER_TILES), lanes, gather_left, job);
        mrc_op_for(cut->in.blocks * cut->out.blocks, lanes, product_chunk, job);
    }
}

/* --- Backward-weights --- */

static float *slice_right(const struct job *job) {
    return job->shared + job->cut->left;
}

static float *slice_sums(const struct job *job) {
    return slice_right(job) + job->cut->right;
}

/* Both sides of a few tiles of the slice; the in side block by block, as its products read it. */
static void gather_slice(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct cut *cut = job->cut;
    const int64_t first = (int64_t)begin * GATHER_TILES;
    const int64_t last = mrc_min_i64(slice_rows(job), first + GATHER_TILES);
    for (int64_t i = first; i < last; ++i) {
        struct tile t = tile_at(cut, job->slice + i);
        float *to = job->shared + i * PHASES * job->c->cin;
        for (int64_t k = 0; k < cut->in.blocks; ++k) {
            int64_t channel = first_of(&cut->in, k);
            transform_in(to + PHASES * channel, left_stride(job), job, t, channel,
                         width_of(&cut->in, k));
        }
        transform_out(slice_right(job) + i * job->c->cout, cut->right / cut->points, job, t);
    }
}

/* One point of one block of the sums. */
static void sum_point(const struct job *job, float *sums, struct block b, int64_t point) {
    const struct mrc_conv *c = job->c;
    const struct cut *cut = job->cut;
    mrc_sgemm(true, false, PHASES * b.ins, b.outs, slice_rows(job),
              job->shared + point * left_stride(job) + PHASES * b.in, PHASES * c->cin,
              slice_right(job) + point * (cut->right / cut->points) + b.out, c->cout,
              job->slice > 0 ? 1.0f : 0.0f, sums + point * point_stride(PHASES * b.ins, b.outs),
              b.outs);
}

static void sum_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    sum_point(job, slice_sums(job), all_weights(job->c), (int64_t)begin);
}

static void finish_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct block b = all_weights(job->c);
    const int64_t first = (int64_t)begin * GATHER_ROWS;
    const int64_t last = mrc_min_i64(job->c->cin, first + GATHER_ROWS);
    finish_weights(slice_sums(job), point_stride(PHASES * b.ins, b.outs), job, b, first, last);
}

static void weights_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct block b = block_at(job->cut, (int64_t)begin);
    float *sums = lane_of(job, lane);
    for (int64_t p = 0; p < job->cut->points; ++p) sum_point(job, sums, b, p);
    finish_weights(sums, point_stride(PHASES * b.ins, b.outs), job, b, 0, b.ins);
}

static void run_weights(struct job *job) {
    const struct cut *cut = job->cut;
    const int lanes = job->c->lanes;
    for (job->slice = 0; job->slice < cut->tiles; job->slice += cut->slice) {
        mrc_op_for(mrc_parts(slice_rows(job), GATHER_TILES), lanes, gather_slice, job);
        if (cut->shared_sums)
            mrc_op_for(cut->points, lanes, sum_chunk, job);
        else
            mrc_op_for(cut->in.blocks * cut->out.blocks, lanes, weights_chunk, job);
    }
    if (cut->shared_sums) mrc_op_for(mrc_parts(job->c->cin, GATHER_ROWS), lanes, finish_chunk, job);
}

/* --- The row of the table --- */

/* No dead taps: theirs would be a gradient of rounding errors instead of none. */
static bool is_able(const struct mrc_conv *c, const struct mrc_winograd *w,
                    enum mrc_conv_direction direction) {
    if (w == NULL || c->k[0] != 1 || c->stride[0] != 1 || c->pad[0] != 0) return false;
    for (int axis = 1; axis < 3; ++axis)
        if (c->k[axis] != 4 || c->stride[axis] != 2 || c->pad[axis] != 1 || c->lo[axis] != 0 ||
            c->hi[axis] != 4)
            return false;
    return direction != MRC_CONV_BACKWARD_DATA ||
           mrc_parts(c->out[1], w->outputs) * mrc_parts(c->out[2], w->outputs) <= LARGEST_PLANE;
}

/* In multiplications and additions of a large product: those of the product, and for each
 * transformed float of the tiles and of the weights what it costs to make or finish it, as measured
 * on the layers of docs/performance.md. */
static double cost_of(const struct mrc_conv *c, const struct mrc_winograd *w,
                      enum mrc_conv_direction direction) {
    static const double tile_float[] = {[MRC_CONV_FORWARD] = 20.0,
                                        [MRC_CONV_BACKWARD_DATA] = 32.0,
                                        [MRC_CONV_BACKWARD_WEIGHTS] = 40.0};
    static const double weight_float = 10.0;
    const struct cut cut = cut_tiles(c, w);
    const double tiles = (double)cut.tiles, in = PHASES * (double)c->cin, out = (double)c->cout;
    return (double)cut.points * (tiles * in * out + tile_float[direction] * tiles * (in + out) +
                                 weight_float * in * out);
}

static const struct mrc_winograd *choose(const struct mrc_conv *c,
                                         enum mrc_conv_direction direction, double *cost) {
    const struct mrc_winograd *best = NULL;
    *cost = (double)INFINITY;
    for (int outputs = 2; outputs <= MRC_WINOGRAD_MOST_OUTPUTS; outputs += 2) {
        const struct mrc_winograd *w = mrc_winograd_kernels(outputs, forced_lanes);
        if (!is_able(c, w, direction) || (forced_outputs != 0 && outputs != forced_outputs))
            continue;
        double its = cost_of(c, w, direction);
        if (its >= *cost) continue;
        best = w;
        *cost = its;
    }
    return best;
}

static double winograd_cost(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    double cost;
    (void)choose(c, direction, &cost);
    return cost;
}

static struct cut winograd_cut(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    double cost;
    const struct mrc_winograd *w = choose(c, direction, &cost);
    return direction == MRC_CONV_BACKWARD_WEIGHTS ? cut_weights(c, w)
                                                  : cut_product(c, w, direction);
}

static size_t winograd_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    const struct cut cut = winograd_cut(c, direction);
    return cut_bytes(&cut, c->lanes);
}

static void winograd_forward(const struct mrc_conv *c, float *dst, const float *src,
                             const float *weight, const float *bias, void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_FORWARD);
    struct job job = job_for(c, &cut, MRC_CONV_FORWARD, bias, scratch);
    job.src = src;
    job.weight = weight;
    job.dst = dst;
    run_product(&job);
}

static void winograd_backward_data(const struct mrc_conv *c, float *d_src, const float *d_dst,
                                   const float *weight, const float *bias, void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_BACKWARD_DATA);
    struct job job = job_for(c, &cut, MRC_CONV_BACKWARD_DATA, bias, scratch);
    job.d_dst = d_dst;
    job.weight = weight;
    job.d_src = d_src;
    run_product(&job);
}

static void winograd_backward_weights(const struct mrc_conv *c, float *d_weight, const float *src,
                                      const float *d_dst, void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_BACKWARD_WEIGHTS);
    struct job job = job_for(c, &cut, MRC_CONV_BACKWARD_WEIGHTS, NULL, scratch);
    job.src = src;
    job.d_dst = d_dst;
    job.d_weight = d_weight;
    run_weights(&job);
}

const struct mrc_conv_algorithm mrc_conv_winograd = {.name = "winograd",
                                                     .cost = winograd_cost,
                                                     .scratch_bytes = winograd_scratch_bytes,
                                                     .forward = winograd_forward,
                                                     .backward_data = winograd_backward_data,
                                                     .backward_weights = winograd_backward_weights};
