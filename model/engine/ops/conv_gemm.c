/* conv_gemm.c: convolution as patches times weights (im2col and sgemm), for every shape.
 *
 * Large maps are cut into bands of pixels whose patches stay in the L2 cache; each chunk makes its
 * own patches and multiplies them at once. Small maps with many channels (the deep layers) have few
 * pixels and large weights: there the patches of all pixels are made once, in memory shared by the
 * threads, and the product is cut over its columns too. All cuts follow from sizes, never from the
 * number of threads, and no two chunks write the same float. */
#include "model/engine/blas.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/conv_patch.h"
#include "model/engine/ops/op_tools.h"

enum {
    BAND_PIXELS = 256, /* rows of a product in L2: 256 x 512 floats are 512 KB */
    BAND_COLUMNS = 512,
    SMALL_MAP_PIXELS = 2048, /* fewer pixels than this: patches shared, product cut both ways */
    SHARED_FLOATS = 8 << 20, /* the most shared patches, 32 MB */
    SHARED_DATA_FLOATS =
        2 << 20, /* backward-data prefers slabs above this (8 MB: they no longer stay in L3) */
    NARROW_RUN =
        64, /* a kernel row of fewer floats than this is too thin for a product of its own */
    SLAB_PIXELS = 1024,         /* input pixels of a slab */
    PARTIAL_WEIGHTS = 32 << 10, /* weight gradients up to this size are summed over pixel chunks */
    PARTIAL_CHUNKS = 16,
    WEIGHT_ROWS = 256 /* rows of the weight gradient in a chunk */
};

/* How one kernel of one convolution is cut, and the scratch that takes, in floats. */
struct cut {
    bool shared;             /* patches of all pixels in one matrix per piece, else in each lane */
    int64_t rows, bands;     /* pixels of a chunk, chunks along pixels */
    int64_t columns, blocks; /* columns of a chunk, chunks along columns */
    struct mrc_piece_cut pieces;
    int64_t shared_floats, lane_floats;
};

struct job {
    const struct mrc_conv *c;
    const struct cut *cut;
    float *to;
    const float *from, *weight, *bias;
    float *shared, *lanes;
    bool add; /* backward-weights: `to` is added to, else overwritten */
};

static size_t cut_bytes(const struct cut *cut, int lanes) {
    return (size_t)(mrc_aligned_floats(cut->shared_floats) +
                    lanes * mrc_aligned_floats(cut->lane_floats)) *
           sizeof(float);
}

static struct job job_for(const struct mrc_conv *c, const struct cut *cut, float *to,
                          const float *from, void *scratch) {
    float *floats = scratch;
    return (struct job){.c = c,
                        .cut = cut,
                        .to = to,
                        .from = from,
                        .shared = floats,
                        .lanes = floats + mrc_aligned_floats(cut->shared_floats)};
}

static float *lane_of(const struct job *job, int lane) {
    return job->lanes + lane * mrc_aligned_floats(job->cut->lane_floats);
}

static int64_t live_columns(const struct mrc_conv *c) {
    int64_t columns = c->cin;
    for (int axis = 0; axis < 3; ++axis) columns *= c->hi[axis] - c->lo[axis];
    return columns;
}

/* --- Forward: dst [pixels][cout] = patches [pixels][K] * weight [K][cout] --- */

static struct cut cut_forward(const struct mrc_conv *c) {
    const int64_t pixels = mrc_conv_out_pixels(c), live = live_columns(c);
    const bool pointwise = mrc_conv_is_pointwise(c);
    struct cut cut = {.columns = c->cout};
    cut.shared = pixels < SMALL_MAP_PIXELS && pixels * live <= SHARED_FLOATS;
    if (cut.shared) {
        cut.rows = BAND_PIXELS;
        cut.columns = mrc_min_i64(c->cout, mrc_max_i64(64, c->cout / 4));
        cut.pieces = mrc_piece_cut_for(c, INT64_MAX);
        cut.shared_floats = pointwise ? 0 : pixels * live;
    } else {
        cut.rows = mrc_min_i64(BAND_PIXELS, mrc_max_i64(16, pixels / 8));
        cut.pieces = mrc_piece_cut_for(c, BAND_COLUMNS);
        cut.lane_floats = pointwise ? 0 : cut.rows * cut.pieces.widest;
    }
    cut.bands = mrc_parts(pixels, cut.rows);
    cut.blocks = mrc_parts(c->cout, cut.columns);
    return cut;
}

/* A band: patches piece by piece, each multiplied while it is in cache. */
static void forward_band(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t first = (int64_t)begin * job->cut->rows;
    const int64_t rows = mrc_min_i64(job->cut->rows, mrc_conv_out_pixels(c) - first);
    const bool pointwise = mrc_conv_is_pointwise(c);
    float *dst = job->to + first * c->cout, *patches = lane_of(job, lane);
    if (job->bias != NULL) mrc_fill_rows(dst, rows, c->cout, c->cout, job->bias);
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, i);
        if (!pointwise) mrc_patches_gather(patches, job->from, c, &piece, first, first + rows);
        mrc_sgemm(false, false, rows, c->cout, piece.columns,
                  pointwise ? job->from + first * c->cin : patches, piece.columns,
                  job->weight + piece.row * c->cout, c->cout,
                  i > 0 || job->bias != NULL ? 1.0f : 0.0f, dst, c->cout);
    }
}

enum { GATHER_ROWS = 16 };

static void forward_gather(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const int64_t pixels = mrc_conv_out_pixels(job->c), first = (int64_t)begin * GATHER_ROWS;
    const int64_t last = mrc_min_i64(pixels, first + GATHER_ROWS);
    float *patches = job->shared;
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(job->c, &job->cut->pieces, i);
        mrc_patches_gather(patches + first * piece.columns, job->from, job->c, &piece, first, last);
        patches += pixels * piece.columns;
    }
}

static void forward_block(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t pixels = mrc_conv_out_pixels(c);
    const int64_t first = (int64_t)begin / job->cut->blocks * job->cut->rows;
    const int64_t column = (int64_t)begin % job->cut->blocks * job->cut->columns;
    const int64_t rows = mrc_min_i64(job->cut->rows, pixels - first);
    const int64_t columns = mrc_min_i64(job->cut->columns, c->cout - column);
    float *dst = job->to + first * c->cout + column;
    const float *patches = mrc_conv_is_pointwise(c) ? job->from : job->shared;
    if (job->bias != NULL) mrc_fill_rows(dst, rows, columns, c->cout, job->bias + column);
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, i);
        mrc_sgemm(false, false, rows, columns, piece.columns, patches + first * piece.columns,
                  piece.columns, job->weight + piece.row * c->cout + column, c->cout,
                  i > 0 || job->bias != NULL ? 1.0f : 0.0f, dst, c->cout);
        patches += pixels * piece.columns;
    }
}

static void gemm_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                         const float *weight, const float *bias, void *scratch) {
    const struct cut cut = cut_forward(c);
    struct job job = job_for(c, &cut, dst[0], src[0], scratch);
    job.weight = weight;
    job.bias = bias;
    if (!cut.shared) {
        mrc_op_for(cut.bands, c->lanes, forward_band, &job);
        return;
    }
    if (!mrc_conv_is_pointwise(c))
        mrc_op_for(mrc_parts(mrc_conv_out_pixels(c), GATHER_ROWS), c->lanes, forward_gather, &job);
    mrc_op_for(cut.bands * cut.blocks, c->lanes, forward_block, &job);
}

/* --- Backward-data: patches [pixels][K] = d_dst [pixels][cout] * weight^T, summed back into d_src
 * --- */

static struct cut cut_backward_data(const struct mrc_conv *c) {
    const int64_t pixels = mrc_conv_out_pixels(c), live = live_columns(c);
    struct cut cut = {0};
    cut.shared = mrc_conv_is_pointwise(c) || pixels * live <= SHARED_DATA_FLOATS ||
                 (c->hi[2] - c->lo[2]) * c->cin < NARROW_RUN;
    cut.pieces = mrc_piece_cut_for(c, BAND_COLUMNS);
    if (cut.shared) {
        cut.rows = pixels <= BAND_PIXELS * 8 ? BAND_PIXELS : BAND_PIXELS * 4;
        cut.bands = mrc_parts(pixels, cut.rows);
        if (!mrc_conv_is_pointwise(c))
            cut.shared_floats = cut.pieces.count * pixels * cut.pieces.widest;
        return cut;
    }
    /* Slabs: `rows` rows of one plane of the input. Products of one kernel row, output rows of
     * about a band. */
    cut.rows = mrc_min_i64(c->in[1], mrc_max_i64(c->stride[1], mrc_parts(SLAB_PIXELS, c->in[2])));
    cut.bands = mrc_parts(c->in[1], cut.rows);
    struct mrc_conv row = *c;
    row.hi[0] = row.lo[0] + 1;
    row.hi[1] = row.lo[1] + 1;
    cut.pieces = mrc_piece_cut_for(&row, BAND_COLUMNS);
    cut.lane_floats = mrc_max_i64(BAND_PIXELS, c->out[2]) * cut.pieces.widest;
    return cut;
}

/* Output position that tap t of it reads input position `at`: (at + pad - t dilation) / stride, or -1 where
 * there is none. */
static int64_t output_of(const struct mrc_conv *c, int axis, int64_t at, int64_t t) {
    int64_t from = at + c->pad[axis] - t * c->dilation[axis];
    if (from < 0 || from % c->stride[axis] != 0) return -1;
    from /= c->stride[axis];
    return from < c->out[axis] ? from : -1;
}

/* One chunk of the shared patches: rows of one piece. Pointwise, the patches are d_src itself. */
static void data_product(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t pixels = mrc_conv_out_pixels(c);
    const int64_t index = (int64_t)begin / job->cut->bands;
    const int64_t first = (int64_t)begin % job->cut->bands * job->cut->rows;
    const int64_t rows = mrc_min_i64(job->cut->rows, pixels - first);
    const struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, index);
    float *patches = job->to + first * c->cin;
    if (!mrc_conv_is_pointwise(c))
        patches = job->shared + index * pixels * job->cut->pieces.widest + first * piece.columns;
    else if (job->bias != NULL)
        mrc_fill_rows(patches, rows, c->cin, c->cin, job->bias);
    mrc_sgemm(false, true, rows, piece.columns, c->cout, job->from + first * c->cout, c->cout,
              job->weight + piece.row * c->cout, c->cout,
              mrc_conv_is_pointwise(c) && job->bias != NULL ? 1.0f : 0.0f, patches, piece.columns);
}

/* Adds all shared patches that reach input row (n, d, h). */
static void data_sum_row(const struct job *job, float *row, int64_t n, int64_t d, int64_t h) {
    const struct mrc_conv *c = job->c;
    const int64_t pixels = mrc_conv_out_pixels(c);
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, i);
        const float *patches = job->shared + i * pixels * job->cut->pieces.widest;
        int64_t run = (piece.hi[2] - piece.lo[2]) * c->cin, column = 0;
        for (int64_t kd = piece.lo[0]; kd < piece.hi[0]; ++kd)
            for (int64_t kh = piece.lo[1]; kh < piece.hi[1]; ++kh, column += run) {
                int64_t od = output_of(c, 0, d, kd), oh = output_of(c, 1, h, kh);
                if (od < 0 || oh < 0) continue;
                int64_t pixel = ((n * c->out[0] + od) * c->out[1] + oh) * c->out[2];
                mrc_patches_scatter_row(row, patches + pixel * piece.columns, c, &piece, column);
            }
    }
}

/* Rows of the input summed by a chunk. */
static int64_t sum_rows(const struct mrc_conv *c) {
    return mrc_max_i64(1, 4096 / (c->in[2] * c->cin));
}

static void data_sum(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t first = (int64_t)begin * sum_rows(c);
    const int64_t last = mrc_min_i64(c->n * c->in[0] * c->in[1], first + sum_rows(c));
    for (int64_t at = first; at < last; ++at) {
        float *row = job->to + at * c->in[2] * c->cin;
        int64_t h = at % c->in[1], plane = at / c->in[1];
        mrc_fill_rows(row, c->in[2], c->cin, c->cin, job->bias);
        data_sum_row(job, row, plane / c->in[0], plane % c->in[0], h);
    }
}

/* Products of one piece (one kernel row) for output rows oh0 … oh1-1 of a plane, added to the
 * input's plane. */
static void slab_rows(const struct job *job, float *plane, const float *d_dst_plane,
                      const struct mrc_piece *piece, int64_t oh0, int64_t oh1, float *patches) {
    const struct mrc_conv *c = job->c;
    const int64_t band = mrc_max_i64(1, BAND_PIXELS / c->out[2]);
    for (int64_t oh = oh0; oh < oh1; oh += band) {
        int64_t count = mrc_min_i64(band, oh1 - oh);
        mrc_sgemm(false, true, count * c->out[2], piece->columns, c->cout,
                  d_dst_plane + oh * c->out[2] * c->cout, c->cout,
                  job->weight + piece->row * c->cout, c->cout, 0.0f, patches, piece->columns);
        for (int64_t i = 0; i < count; ++i) {
            int64_t h = (oh + i) * c->stride[1] - c->pad[1] + piece->lo[1] * c->dilation[1];
            mrc_patches_scatter_row(plane + h * c->in[2] * c->cin,
                                    patches + i * c->out[2] * piece->columns, c, piece, 0);
        }
    }
}

/* One slab: rows h0 … h1-1 of one plane of one sample. Each kernel row is applied to just the
 * output rows that reach it. */
static void data_slab(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t planes = (int64_t)begin / job->cut->bands, d = planes % c->in[0],
                  n = planes / c->in[0];
    const int64_t h0 = (int64_t)begin % job->cut->bands * job->cut->rows;
    const int64_t h1 = mrc_min_i64(c->in[1], h0 + job->cut->rows), stride = c->stride[1];
    float *plane = job->to + planes * c->in[1] * c->in[2] * c->cin;
    mrc_fill_rows(plane + h0 * c->in[2] * c->cin, (h1 - h0) * c->in[2], c->cin, c->cin, job->bias);
    for (int64_t kd = c->lo[0]; kd < c->hi[0]; ++kd) {
        int64_t od = output_of(c, 0, d, kd);
        if (od < 0) continue;
        const float *from = job->from + (n * c->out[0] + od) * c->out[1] * c->out[2] * c->cout;
        for (int64_t kh = c->lo[1]; kh < c->hi[1]; ++kh) {
            /* output rows whose tap kh lies in h0 … h1-1 */
            const int64_t reach = c->pad[1] - kh * c->dilation[1];
            int64_t oh0 = mrc_parts(mrc_max_i64(0, h0 + reach), stride);
            int64_t oh1 = mrc_parts(mrc_max_i64(0, h1 + reach), stride);
            oh1 = mrc_min_i64(oh1, c->out[1]);
            struct mrc_conv row = *c;
            row.lo[0] = kd, row.hi[0] = kd + 1;
            row.lo[1] = kh, row.hi[1] = kh + 1;
            for (int64_t i = 0; i < job->cut->pieces.count && oh0 < oh1; ++i) {
                struct mrc_piece piece = mrc_piece_at(&row, &job->cut->pieces, i);
                slab_rows(job, plane, from, &piece, oh0, oh1, lane_of(job, lane));
            }
        }
    }
}

static void gemm_backward_data(const struct mrc_conv *c, float *const *d_src,
                               const float *const *d_dst, const float *weight, const float *bias,
                               void *scratch) {
    const struct cut cut = cut_backward_data(c);
    struct job job = job_for(c, &cut, d_src[0], d_dst[0], scratch);
    job.weight = weight;
    job.bias = bias;
    if (!cut.shared) {
        mrc_op_for(c->n * c->in[0] * cut.bands, c->lanes, data_slab, &job);
        return;
    }
    mrc_op_for(cut.pieces.count * cut.bands, c->lanes, data_product, &job);
    if (!mrc_conv_is_pointwise(c))
        mrc_op_for(mrc_parts(c->n * c->in[0] * c->in[1], sum_rows(c)), c->lanes, data_sum, &job);
}

/* --- Backward-weights: d_weight [K][cout] += patches^T [K][pixels] * d_dst [pixels][cout] --- */

/* Large gradients are cut over their rows (pieces) and columns; each chunk makes the patches of its
 * own piece for all pixels, band by band. Small ones are cut over pixels: each chunk has a partial
 * gradient, and these are added in order. */
static struct cut cut_backward_weights(const struct mrc_conv *c) {
    const int64_t pixels = mrc_conv_out_pixels(c), live = live_columns(c);
    struct cut cut = {.columns = c->cout, .blocks = 1, .bands = 1};
    cut.shared = live * c->cout <= PARTIAL_WEIGHTS && pixels >= SMALL_MAP_PIXELS;
    cut.pieces = mrc_piece_cut_for(c, cut.shared ? BAND_COLUMNS : WEIGHT_ROWS);
    cut.rows = pixels;
    if (cut.shared) {
        cut.rows = mrc_max_i64(SMALL_MAP_PIXELS / 4, mrc_parts(pixels, PARTIAL_CHUNKS));
        cut.bands = mrc_parts(pixels, cut.rows);
        cut.shared_floats = cut.bands * live * c->cout;
    } else {
        int64_t wanted = mrc_parts(8, cut.pieces.count);
        cut.columns = mrc_min_i64(c->cout, mrc_max_i64(64, mrc_parts(c->cout, wanted)));
        cut.blocks = mrc_parts(c->cout, cut.columns);
    }
    if (!mrc_conv_is_pointwise(c))
        cut.lane_floats = mrc_min_i64(BAND_PIXELS, pixels) * cut.pieces.widest;
    return cut;
}

/* to [columns of the piece][…] (+)= the sum over pixels first … last-1, for `columns` columns of
 * d_dst from `column`. */
static void weights_sum(const struct job *job, float *to, int64_t stride, bool add,
                        const struct mrc_piece *piece, int64_t column, int64_t columns,
                        int64_t first, int64_t last, float *patches) {
    const struct mrc_conv *c = job->c;
    const bool pointwise = mrc_conv_is_pointwise(c);
    for (int64_t at = first; at < last; at += BAND_PIXELS) {
        int64_t rows = mrc_min_i64(BAND_PIXELS, last - at);
        if (!pointwise) mrc_patches_gather(patches, job->from, c, piece, at, at + rows);
        mrc_sgemm(true, false, piece->columns, columns, rows,
                  pointwise ? job->from + at * c->cin : patches, piece->columns,
                  job->weight + at * c->cout + column, c->cout, add || at > first ? 1.0f : 0.0f, to,
                  stride);
    }
}

static void weights_block(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const struct mrc_piece piece =
        mrc_piece_at(c, &job->cut->pieces, (int64_t)begin / job->cut->blocks);
    const int64_t column = (int64_t)begin % job->cut->blocks * job->cut->columns;
    const int64_t columns = mrc_min_i64(job->cut->columns, c->cout - column);
    weights_sum(job, job->to + piece.row * c->cout + column, c->cout, job->add, &piece, column,
                columns, 0, mrc_conv_out_pixels(c), lane_of(job, lane));
}

static void weights_partial(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t first = (int64_t)begin * job->cut->rows;
    const int64_t last = mrc_min_i64(mrc_conv_out_pixels(c), first + job->cut->rows);
    float *partial = job->shared + (int64_t)begin * live_columns(c) * c->cout;
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, i);
        weights_sum(job, partial, c->cout, false, &piece, 0, c->cout, first, last,
                    lane_of(job, lane));
        partial += piece.columns * c->cout;
    }
}

/* Adds the partial gradients in the order of their pixels. */
static void weights_reduce(const struct job *job) {
    const struct mrc_conv *c = job->c;
    const int64_t stride = live_columns(c) * c->cout;
    const float *piece_sums = job->shared;
    for (int64_t i = 0; i < job->cut->pieces.count; ++i) {
        struct mrc_piece piece = mrc_piece_at(c, &job->cut->pieces, i);
        float *to = job->to + piece.row * c->cout;
        const int64_t count = piece.columns * c->cout;
        for (int64_t at = 0; at < count; ++at) {
            double sum = 0.0;
            for (int64_t band = 0; band < job->cut->bands; ++band)
                sum += (double)piece_sums[band * stride + at];
            to[at] = (job->add ? to[at] : 0.0f) + (float)sum;
        }
        piece_sums += count;
    }
}

static void gemm_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                                  const float *const *src, const float *const *d_dst,
                                  void *scratch) {
    const struct cut cut = cut_backward_weights(c);
    struct job job = job_for(c, &cut, d_weight, src[0], scratch);
    job.weight = d_dst[0];
    job.add = add;
    if (!cut.shared) {
        mrc_op_for(cut.pieces.count * cut.blocks, c->lanes, weights_block, &job);
        return;
    }
    mrc_op_for(cut.bands, c->lanes, weights_partial, &job);
    weights_reduce(&job);
}

/* --- The row of the table --- */

/* A product with few rows waits for the weights: measured, as much as 18 rows more would take. */
static double gemm_cost(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    double pixels = (double)mrc_conv_out_pixels(c);
    if (direction != MRC_CONV_BACKWARD_WEIGHTS) pixels += 18.0;
    return pixels * (double)live_columns(c) * (double)c->cout;
}

static size_t gemm_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    struct cut cut = direction == MRC_CONV_FORWARD         ? cut_forward(c)
                     : direction == MRC_CONV_BACKWARD_DATA ? cut_backward_data(c)
                                                           : cut_backward_weights(c);
    return cut_bytes(&cut, c->lanes);
}

const struct mrc_conv_algorithm mrc_conv_gemm = {.name = "gemm",
                                                 .cost = gemm_cost,
                                                 .scratch_bytes = gemm_scratch_bytes,
                                                 .forward = gemm_forward,
                                                 .backward_data = gemm_backward_data,
                                                 .backward_weights = gemm_backward_weights};
