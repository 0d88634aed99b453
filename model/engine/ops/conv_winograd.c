/* conv_winograd.c: 4x4 convolutions with stride 2 or 1 as four 2x2 filters by minimal filtering.
 *
 * With stride 2 and padding 1 such a convolution reads its input in four phases, the odd and even
 * rows and columns: tap t = 2a + p of output o reads position 2(o + a) - 1 + p, which is number
 * o + a of phase p. On each phase the kernel is a 2x2 filter of stride 1, and the four results add.
 * With stride 1 the kernel falls into its four quarters, tap t = a + 2p: again 2x2 filters of
 * stride 1, on the input moved by 2p. F(m x m, 2x2)
 * (winograd.h) makes m x m outputs of each from (m+1)^2 products, and because the phases may be
 * added before the way back, all of it is one matrix product at each of the (m+1)^2 points, M
 * [tiles][cout] = V [tiles][4 cin] * U [4 cin][cout]. Backward-data is its adjoint, M = D * U'
 * (windows of neighbouring tiles overlap, with stride 1 those of the phases too, and are added in
 * order), backward-weights is V' * D. With m = 4 that is 25 products where the sum over 16 taps has
 * 64; with m = 2, for small maps, 9 where it has 16.
 *
 * Transformed matrices are larger than what they are made from, so they are used while they are in
 * cache. Many tiles and small weights: U is made once, and each chunk takes a band of tiles through
 * all three stages. Few tiles and large weights: V is made once, and each chunk takes a block of
 * channels. All cuts follow from sizes, and no two chunks write the same float. */
#include "model/engine/ops/conv_winograd.h"

#include <math.h>

#include "model/engine/blas.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"
#include "model/engine/ops/winograd.h"

enum {
    PHASES = 4,
    TAPS = 16,
    WINDOW = MRC_WINOGRAD_MOST_POINTS * MRC_WINOGRAD_MOST_POINTS,
    BAND_TILES = 64,      /* most rows of a product of a band, but for whole planes */
    STRIP_TILES = 8,      /* rows that the products of the widest vectors take at once */
    BANDS_ROUND = 4,      /* with units enough bands come in fours: equal shares for 2, 4 threads */
    SLICE_TILES = 128,    /* rows of a product of a block */
    LARGEST_PLANE = 1024, /* tiles of a plane, which backward-data takes whole */
    BANDED_FLOATS = 4 << 20, /* the most transformed weights that bands share, 16 MB */
    BLOCK_COLUMNS = 64,      /* transformed weights of a block: 25 times 64 x 128 are 800 KB */
    BLOCK_SUM = 128,
    SLICE_FLOATS = 2 << 20, /* both sides of a slice of the sum of backward-weights, 8 MB */
    SUM_FLOATS = 1 << 20,   /* weights' sums up to this size are one matrix shared by the threads */
    SMALLEST_SIDE = 4,      /* of the out side, for backward-weights */
    GATHER_TILES = 2,
    GATHER_ROWS = 16,
    FETCHED_ROWS = 2 /* of weights, ahead of those being transformed */
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
    int64_t unit, units;             /* of a product: tiles that stay together, how many of those */
    int64_t band, bands;             /* most tiles of a chunk, chunks along the tiles */
    int64_t slice;                   /* tiles that all chunks work on before the next slice */
    struct channels in, out;         /* chunks along the channels: blocks of both */
    bool shared_sums;                /* backward-weights: sums of all chunks, else of a lane */
    int64_t run;                     /* floats of the longest run of channels */
    int64_t left, right, product;    /* floats of the matrices of a chunk or of all */
    int64_t shared_floats, lane_floats;
};

/* Floats from one row of a matrix to the next: an odd number of cache lines, or all rows would fall
 * into the same few sets of the cache; from one point's matrix to the next likewise. */
static int64_t pitch(int64_t columns) {
    return 16 * (mrc_parts(columns, 16) | 1);
}

static int64_t point_stride(int64_t rows, int64_t columns) {
    return 16 * (rows * pitch(columns) / 16 | 1);
}

/* A block of channels of both sides. */
struct block {
    int64_t in, ins, out, outs;
};

/* The right matrix of a block: [4 ins][outs] forward, [outs][4 ins] backwards. */
static int64_t right_stride(enum mrc_conv_direction direction, struct block b) {
    return direction == MRC_CONV_FORWARD ? point_stride(PHASES * b.ins, b.outs)
                                         : point_stride(b.outs, PHASES * b.ins);
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
    cut.run = mrc_aligned_floats(mrc_max_i64(c->cin, c->cout));
    return cut;
}

/* Forward and backward-data: bands of tiles where there are many, else blocks of channels. */
static struct cut cut_product(const struct mrc_conv *c, const struct mrc_winograd *w,
                              enum mrc_conv_direction direction) {
    struct cut cut = cut_tiles(c, w);
    const bool forward = direction == MRC_CONV_FORWARD;
    const int64_t weights = PHASES * c->cin * c->cout * cut.points;
    cut.unit = forward ? STRIP_TILES : cut.tiles_h * cut.tiles_w; /* backwards, whole planes */
    cut.units = mrc_parts(cut.tiles, cut.unit);
    if (cut.tiles >= BANDS_ROUND * BAND_TILES && weights <= BANDED_FLOATS) {
        cut.bands = mrc_parts(cut.tiles, BANDS_ROUND * BAND_TILES) * BANDS_ROUND;
        cut.bands = mrc_min_i64(cut.units, cut.bands);
        cut.band = mrc_parts(cut.units, cut.bands) * cut.unit;
    } else {
        const int64_t out = forward ? BLOCK_COLUMNS : BLOCK_SUM;
        const int64_t in = (forward ? BLOCK_SUM : BLOCK_COLUMNS) / PHASES;
        cut.out = blocks_of(c->cout, forward ? mrc_min_i64(out, c->cout / 4) : out);
        cut.in = blocks_of(c->cin, forward ? in : mrc_min_i64(in, c->cin / 4));
        cut.slice = mrc_min_i64(cut.tiles, mrc_max_i64(1, SLICE_TILES / cut.unit) * cut.unit);
        cut.band = cut.slice;
    }
    const int64_t k_in = PHASES * cut.in.width, k_out = cut.out.width;
    cut.left = cut.points * point_stride(cut.band, forward ? PHASES * c->cin : c->cout);
    const struct block b = {.ins = cut.in.width, .outs = cut.out.width};
    cut.right = cut.points * right_stride(direction, b);
    cut.product = cut.points * point_stride(cut.band, forward ? k_out : k_in);
    const bool banded = cut.bands > 1;
    const int64_t turned = forward ? 0 : TAPS * k_in / PHASES * (banded ? GATHER_ROWS : k_out);
    cut.shared_floats = banded ? cut.right : cut.left;
    cut.lane_floats = banded ? mrc_max_i64(cut.left + cut.product, mrc_aligned_floats(turned))
                             : cut.right + cut.product + mrc_aligned_floats(turned);
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
    const float *src, *weight, *bias; /* bias: zeros where there is none */
    const float *const *d_dst;        /* the out side may lie in two buffers */
    float *const *dst, *d_src, *d_weight;
    const float *zeros;
    float *shared, *lanes;
    int64_t slice; /* first tile of the slice */
    bool add;      /* d_weight is added to, else overwritten */
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

/* What lies between the positions of an axis, or the taps, of one phase and the next. */
static int64_t phase_step(const struct mrc_conv *c) {
    return c->stride[1] == 1 ? 2 : 1;
}

/* The pixels of the in side that a tile reads in one phase. */
static void in_window(int64_t offsets[WINDOW], const struct job *job, struct tile t, int phase) {
    const struct mrc_conv *c = job->c;
    const int points = job->cut->w->points;
    const int64_t stride = c->stride[1], step = phase_step(c);
    for (int i = 0; i < points; ++i)
        for (int j = 0; j < points; ++j)
            offsets[i * points + j] = offset_of(
                c->in, c->cin, t.plane, stride * (t.h + i) + step * (phase / 2) - c->pad[1],
                stride * (t.w + j) + step * (phase % 2) - c->pad[2]);
}

/* Is no earlier tile's or phase's window over number i of this one's, along one axis? first: of the
 * tile's outputs. */
static bool is_new(const struct job *job, int64_t first, int phase, int i) {
    if (job->c->stride[1] == 2) return first == 0 || i > 0;
    return phase == 0 ? first == 0 || i > 2 : i > job->cut->w->outputs - 2;
}

/* The outputs of a tile, in a buffer of so many channels. */
static void out_window(int64_t offsets[WINDOW], const struct job *job, struct tile t,
                       int64_t channels) {
    const int outputs = job->cut->w->outputs;
    for (int i = 0; i < outputs; ++i)
        for (int j = 0; j < outputs; ++j)
            offsets[i * outputs + j] = offset_of(job->c->out, channels, t.plane, t.h + i, t.w + j);
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

/* Block by block, as the products read them. */
static void transform_in_blocks(float *to, int64_t stride, const struct job *job, struct tile t) {
    const struct channels *in = &job->cut->in;
    for (int64_t k = 0; k < in->blocks; ++k)
        transform_in(to + PHASES * first_of(in, k), stride, job, t, first_of(in, k),
                     width_of(in, k));
}

static void transform_out(float *to, int64_t stride, const struct job *job, struct tile t) {
    const struct mrc_conv *c = job->c;
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    const float *from[WINDOW];
    for (int k = 0; k < mrc_conv_buffers(c->out_first); ++k) {
        const struct mrc_conv_part part = mrc_conv_part_of(c->out_first, c->cout, k);
        out_window(offsets, job, t, part.channels);
        for (int i = 0; i < w->outputs * w->outputs; ++i)
            from[i] = offsets[i] < 0 ? job->zeros : job->d_dst[k] + offsets[i];
        w->output_adjoint(to + part.first, stride, from, 0, part.channels);
    }
}

/* Channels first … first+width-1 of the out side. */
static void finish_out(const float *from, int64_t stride, const struct job *job, struct tile t,
                       int64_t first, int64_t width, float *unread) {
    const struct mrc_conv *c = job->c;
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    float *to[WINDOW];
    const float *before[WINDOW];
    for (int k = 0; k < mrc_conv_buffers(c->out_first); ++k) {
        const struct mrc_conv_part part = mrc_conv_part_of(c->out_first, c->cout, k);
        const int64_t begin = mrc_max_i64(first, part.first);
        const int64_t end = mrc_min_i64(first + width, part.first + part.channels);
        if (begin >= end) continue;
        out_window(offsets, job, t, part.channels);
        for (int i = 0; i < w->outputs * w->outputs; ++i) {
            to[i] = offsets[i] < 0 ? unread : job->dst[k] + offsets[i] + begin - part.first;
            before[i] = offsets[i] < 0 ? job->zeros : job->bias + begin;
        }
        w->output(to, before, from + begin - first, stride, 0, end - begin);
    }
}

/* Windows overlap: what came before is added to. */
static void finish_in(const float *from, int64_t stride, const struct job *job, struct tile t,
                      int64_t channel, int64_t width, float *unread) {
    const struct mrc_winograd *w = job->cut->w;
    int64_t offsets[WINDOW];
    float *to[WINDOW];
    const float *before[WINDOW];
    for (int phase = 0; phase < PHASES; ++phase, from += width) {
        in_window(offsets, job, t, phase);
        for (int i = 0; i < w->points * w->points; ++i) {
            const bool fresh = is_new(job, t.h, phase / 2, i / w->points) &&
                               is_new(job, t.w, phase % 2, i % w->points);
            to[i] = offsets[i] < 0 ? unread : job->d_src + offsets[i] + channel;
            before[i] = offsets[i] < 0 ? job->zeros : fresh ? job->bias + channel : to[i];
        }
        w->input_adjoint(to, before, from, stride, 0, width);
    }
}

static int64_t tap_of(const struct mrc_conv *c, int phase, int i) {
    const int64_t step = phase_step(c);
    const int64_t kh = c->stride[1] * (i / 2) + step * (phase / 2);
    const int64_t kw = c->stride[2] * (i % 2) + step * (phase % 2);
    return kh * 4 + kw;
}

/* turned [tap][outs][ins] of a block of weight [tap][cin][cout]. */
static void turn_block(float *turned, const struct job *job, struct block b) {
    const int64_t cin = job->c->cin, cout = job->c->cout;
    for (int64_t tap = 0; tap < TAPS; ++tap, turned += b.outs * b.ins)
        job->cut->w->turn(turned, b.ins, job->weight + (tap * cin + b.in) * cout + b.out, cout,
                          b.ins, b.outs);
}

/* The right matrix of a block forward, [4 ins][outs]; phases are phase_rows rows apart. */
static void transform_weights(float *to, int64_t stride, const struct job *job, struct block b,
                              int64_t phase_rows) {
    const struct mrc_conv *c = job->c;
    const float *from[4];
    for (int phase = 0; phase < PHASES; ++phase)
        for (int64_t i = 0; i < b.ins; ++i) {
            for (int k = 0; k < 4; ++k) {
                from[k] = job->weight + (tap_of(c, phase, k) * c->cin + b.in + i) * c->cout + b.out;
                if (i + FETCHED_ROWS < b.ins) mrc_fetch(from[k] + FETCHED_ROWS * c->cout, b.outs);
            }
            job->cut->w->weights(to + (phase * phase_rows + i) * pitch(b.outs), stride, from, 0,
                                 b.outs);
        }
}

/* The same backwards, [outs][4 ins], through the weights turned around. */
static void transform_turned(float *to, int64_t stride, const struct job *job, struct block b,
                             float *turned) {
    const float *from[4];
    turn_block(turned, job, b);
    for (int64_t i = 0; i < b.outs; ++i, to += pitch(PHASES * b.ins))
        for (int phase = 0; phase < PHASES; ++phase) {
            for (int k = 0; k < 4; ++k)
                from[k] = turned + (tap_of(job->c, phase, k) * b.outs + i) * b.ins;
            job->cut->w->weights(to + phase * b.ins, stride, from, 0, b.ins);
        }
}

static void finish_weights(const float *from, int64_t stride, const struct job *job, struct block b,
                           int64_t begin, int64_t end) {
    const struct mrc_conv *c = job->c;
    float *to[4];
    const float *before[4];
    for (int phase = 0; phase < PHASES; ++phase)
        for (int64_t i = begin; i < end; ++i) {
            for (int k = 0; k < 4; ++k) {
                to[k] = job->d_weight + (tap_of(c, phase, k) * c->cin + b.in + i) * c->cout + b.out;
                before[k] = job->add ? to[k] : job->zeros;
            }
            job->cut->w->weights_adjoint(to, before, from + (phase * b.ins + i) * pitch(b.outs),
                                         stride, 0, b.outs);
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
            transform_in_blocks(to, stride, job, t);
            to += pitch(PHASES * c->cin);
        } else {
            transform_out(to, stride, job, t);
            to += pitch(c->cout);
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
    make_left(job->shared + first * pitch(columns), left_stride(job), job, job->slice + first,
              job->slice + last);
}

static struct block all_weights(const struct mrc_conv *c) {
    return (struct block){.ins = c->cin, .outs = c->cout};
}

static int64_t summed_channels(const struct job *job) {
    return job->direction == MRC_CONV_FORWARD ? job->c->cin : job->c->cout;
}

/* Rows of the shared right matrix: those of some channels of the sum. */
static void gather_right(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const int64_t first = (int64_t)begin * GATHER_ROWS;
    const int64_t count = mrc_min_i64(GATHER_ROWS, summed_channels(job) - first);
    struct block b = all_weights(job->c);
    const int64_t stride = right_stride(job->direction, b);
    if (job->direction == MRC_CONV_FORWARD) {
        b.in = first, b.ins = count;
        transform_weights(job->shared + first * pitch(b.outs), stride, job, b, job->c->cin);
    } else {
        b.out = first, b.outs = count;
        transform_turned(job->shared + first * pitch(PHASES * b.ins), stride, job, b,
                         lane_of(job, lane));
    }
}

static struct block block_at(const struct cut *cut, int64_t in, int64_t out) {
    return (struct block){.in = first_of(&cut->in, in),
                          .ins = width_of(&cut->in, in),
                          .out = first_of(&cut->out, out),
                          .outs = width_of(&cut->out, out)};
}

static void multiply(const struct mrc_winograd *w, const struct mrc_winograd_product *p) {
    if (w->multiply != NULL) {
        w->multiply(p);
        return;
    }
    const bool transposed = p->a_row == 1 && p->a_column != 1;
    mrc_sgemm(transposed, false, p->rows, p->columns, p->sum, p->a,
              transposed ? p->a_column : p->a_row, p->b, p->b_row, p->add ? 1.0f : 0.0f, p->c,
              p->c_row);
}

/* Adds to the product of a chunk, at all points, what a block of the sum gives. */
static void multiply_block(const struct job *job, float *product, const float *left,
                           const float *right, struct block b, int64_t rows) {
    const bool forward = job->direction == MRC_CONV_FORWARD;
    struct mrc_winograd_product p = {.rows = rows, .a_column = 1};
    p.columns = forward ? b.outs : PHASES * b.ins;
    p.b_row = p.c_row = pitch(p.columns);
    p.sum = forward ? PHASES * b.ins : b.outs;
    p.a_row = pitch(forward ? PHASES * job->c->cin : job->c->cout);
    p.add = forward ? b.in > 0 : b.out > 0;
    left += forward ? PHASES * b.in : b.out;
    for (int64_t at = 0; at < job->cut->points; ++at) {
        p.a = left + at * left_stride(job);
        p.b = right + at * right_stride(job->direction, b);
        p.c = product + at * point_stride(rows, p.columns);
        multiply(job->cut->w, &p);
    }
}

static void finish_product(const struct job *job, const float *product, struct block b,
                           int64_t first, int64_t rows, int lane) {
    const bool forward = job->direction == MRC_CONV_FORWARD;
    const int64_t columns = forward ? b.outs : PHASES * b.ins;
    const int64_t stride = point_stride(rows, columns);
    for (int64_t i = 0; i < rows; ++i) {
        struct tile t = tile_at(job->cut, first + i);
        if (forward)
            finish_out(product + i * pitch(columns), stride, job, t, b.out, b.outs,
                       unread_of(job, lane));
        else
            finish_in(product + i * pitch(columns), stride, job, t, b.in, b.ins,
                      unread_of(job, lane));
    }
}

static void band_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct cut *cut = job->cut;
    const int64_t band = (int64_t)begin;
    const int64_t first = band * cut->units / cut->bands * cut->unit;
    const int64_t next = (band + 1) * cut->units / cut->bands * cut->unit;
    const int64_t rows = mrc_min_i64(next, cut->tiles) - first;
    float *left = lane_of(job, lane), *product = left + cut->left;
    make_left(left, left_stride(job), job, first, first + rows);
    multiply_block(job, product, left, job->shared, all_weights(job->c), rows);
    finish_product(job, product, all_weights(job->c), first, rows, lane);
}

/* A block of the channels of one side, summed over blocks of the other. */
static void block_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct cut *cut = job->cut;
    const bool forward = job->direction == MRC_CONV_FORWARD;
    const int64_t sums = forward ? cut->in.blocks : cut->out.blocks, rows = slice_rows(job);
    float *right = lane_of(job, lane), *product = right + cut->right;
    struct block b;
    for (int64_t k = 0; k < sums; ++k) {
        int64_t in = forward ? k : (int64_t)begin, out = forward ? (int64_t)begin : k;
        b = block_at(cut, in, out);
        if (forward)
            transform_weights(right, right_stride(job->direction, b), job, b, b.ins);
        else
            transform_turned(right, right_stride(job->direction, b), job, b,
                             product + cut->product);
        multiply_block(job, product, job->shared, right, b, rows);
    }
    finish_product(job, product, b, job->slice, rows, lane);
}

static void run_product(struct job *job) {
    const struct cut *cut = job->cut;
    const int lanes = job->c->lanes;
    const bool forward = job->direction == MRC_CONV_FORWARD;
    if (cut->bands > 1) {
        mrc_op_for(mrc_parts(summed_channels(job), GATHER_ROWS), lanes, gather_right, job);
        mrc_op_for(cut->bands, lanes, band_chunk, job);
        return;
    }
    for (job->slice = 0; job->slice < cut->tiles; job->slice += cut->slice) {
        mrc_op_for(mrc_parts(slice_rows(job), GATHER_TILES), lanes, gather_left, job);
        mrc_op_for(forward ? cut->out.blocks : cut->in.blocks, lanes, block_chunk, job);
    }
}

/* --- Backward-weights --- */

static float *slice_right(const struct job *job) {
    return job->shared + job->cut->left;
}

static float *slice_sums(const struct job *job) {
    return slice_right(job) + job->cut->right;
}

/* Both sides of a few tiles of the slice. */
static void gather_slice(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct cut *cut = job->cut;
    const int64_t first = (int64_t)begin * GATHER_TILES;
    const int64_t last = mrc_min_i64(slice_rows(job), first + GATHER_TILES);
    for (int64_t i = first; i < last; ++i) {
        struct tile t = tile_at(cut, job->slice + i);
        transform_in_blocks(job->shared + i * pitch(PHASES * job->c->cin), left_stride(job), job,
                            t);
        transform_out(slice_right(job) + i * pitch(job->c->cout), cut->right / cut->points, job, t);
    }
}

/* One point of one block of the sums. */
static void sum_point(const struct job *job, float *sums, struct block b, int64_t point) {
    const struct mrc_conv *c = job->c;
    const struct cut *cut = job->cut;
    const struct mrc_winograd_product p = {
        .c = sums + point * point_stride(PHASES * b.ins, b.outs),
        .a = job->shared + point * left_stride(job) + PHASES * b.in,
        .b = slice_right(job) + point * (cut->right / cut->points) + b.out,
        .rows = PHASES * b.ins,
        .columns = b.outs,
        .sum = slice_rows(job),
        .a_row = 1,
        .a_column = pitch(PHASES * c->cin),
        .b_row = pitch(c->cout),
        .c_row = pitch(b.outs),
        .add = job->slice > 0};
    multiply(cut->w, &p);
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
    const int64_t outs = job->cut->out.blocks;
    const struct block b = block_at(job->cut, (int64_t)begin / outs, (int64_t)begin % outs);
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

/* Where a gradient is exactly 0, what comes back from the points is the rounding of numbers that
 * cancel, and Adam makes a step of the learning rate of it. So no dead taps; and no gradient of the
 * weights on maps so small that the pixels of a channel which are not 0 (behind a relu) often all
 * lie where a tap meets padding. */
static bool is_able(const struct mrc_conv *c, const struct mrc_winograd *w,
                    enum mrc_conv_direction direction) {
    if (w == NULL || mrc_conv_is_dilated(c) || c->k[0] != 1 || c->stride[0] != 1 ||
        c->pad[0] != 0 || mrc_conv_has_dead_taps(c))
        return false;
    const int64_t stride = c->stride[1];
    for (int axis = 1; axis < 3; ++axis)
        if (c->k[axis] != 4 || c->stride[axis] != stride ||
            (stride == 2 ? c->pad[axis] != 1 : stride != 1))
            return false;
    if (direction == MRC_CONV_BACKWARD_WEIGHTS && mrc_min_i64(c->out[1], c->out[2]) < SMALLEST_SIDE)
        return false;
    return direction != MRC_CONV_BACKWARD_DATA ||
           mrc_parts(c->out[1], w->outputs) * mrc_parts(c->out[2], w->outputs) <= LARGEST_PLANE;
}

/* In multiplications and additions of a product of patches: those at the points, and for each
 * transformed float of the tiles and of the weights what it costs to make or finish it, as measured
 * on the layers of docs/performance.md. */
static double cost_of(const struct mrc_conv *c, const struct mrc_winograd *w,
                      enum mrc_conv_direction direction) {
    static const double tile_float[] = {[MRC_CONV_FORWARD] = 24.0,
                                        [MRC_CONV_BACKWARD_DATA] = 24.0,
                                        [MRC_CONV_BACKWARD_WEIGHTS] = 45.0};
    static const double product = 0.9, weight_float = 12.0, turned_float = 20.0;
    const struct cut cut = cut_tiles(c, w);
    const double tiles = (double)cut.tiles, in = PHASES * (double)c->cin, out = (double)c->cout;
    double cost =
        (double)cut.points * (product * tiles * in * out +
                              tile_float[direction] * tiles * (in + out) + weight_float * in * out);
    if (direction == MRC_CONV_BACKWARD_DATA) cost += turned_float * PHASES * in * out;
    return cost;
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

static const char *winograd_form(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    double cost;
    return choose(c, direction, &cost)->outputs == 4 ? "F(4x4,2x2)" : "F(2x2,2x2)";
}

static struct cut winograd_cut(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    double cost;
    const struct mrc_winograd *w = choose(c, direction, &cost);
    return direction == MRC_CONV_BACKWARD_WEIGHTS ? cut_weights(c, w)
                                                  : cut_product(c, w, direction);
}

static bool winograd_takes_parts(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    (void)direction;
    return c->in_first == 0;
}

static size_t winograd_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    const struct cut cut = winograd_cut(c, direction);
    return cut_bytes(&cut, c->lanes);
}

static void winograd_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                             const float *weight, const float *bias, void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_FORWARD);
    struct job job = job_for(c, &cut, MRC_CONV_FORWARD, bias, scratch);
    job.src = src[0];
    job.weight = weight;
    job.dst = dst;
    run_product(&job);
}

static void winograd_backward_data(const struct mrc_conv *c, float *const *d_src,
                                   const float *const *d_dst, const float *weight,
                                   const float *bias, void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_BACKWARD_DATA);
    struct job job = job_for(c, &cut, MRC_CONV_BACKWARD_DATA, bias, scratch);
    job.d_dst = d_dst;
    job.weight = weight;
    job.d_src = d_src[0];
    run_product(&job);
}

static void winograd_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                                      const float *const *src, const float *const *d_dst,
                                      void *scratch) {
    const struct cut cut = winograd_cut(c, MRC_CONV_BACKWARD_WEIGHTS);
    struct job job = job_for(c, &cut, MRC_CONV_BACKWARD_WEIGHTS, NULL, scratch);
    job.src = src[0];
    job.d_dst = d_dst;
    job.d_weight = d_weight;
    job.add = add;
    run_weights(&job);
}

const struct mrc_conv_algorithm mrc_conv_winograd = {.name = "winograd",
                                                     .cost = winograd_cost,
                                                     .form = winograd_form,
                                                     .takes_parts = winograd_takes_parts,
                                                     .scratch_bytes = winograd_scratch_bytes,
                                                     .forward = winograd_forward,
                                                     .backward_data = winograd_backward_data,
                                                     .backward_weights = winograd_backward_weights};
