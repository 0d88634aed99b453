/* conv_padded.c: convolutions with stride 1 and some channels on either side (the local branch:
 * 3x3, 24 to 24), without patches. What one kernel row reads of a row of the input, with zeros at
 * both ends, is a matrix as it lies: its row for output w begins at pixel w and is kw pixels long,
 * so that its rows overlap. Each row of outputs is a product for each kernel row, where taps lie
 * apart for each tap; backward-data is the same of the mirrored kernel, backward-weights the product of the transposed matrix with a row
 * of d_dst. OpenBLAS would pack these small matrices over and over, and patches are kh kw times as
 * large as what they are made from. */
#include <math.h>
#include <string.h>

#include "model/engine/ops/conv_flipped.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"
#include "model/engine/ops/winograd.h"

enum {
    BAND_PIXELS = 512,       /* outputs of a chunk, whole rows */
    LEAST_CHANNELS = 8,      /* of the out side, and of the in side but for few: half a vector */
    FEW_TO_MOST = 8,         /* forward from fewer: channels of the out side */
    MOST_WEIGHTS = 64 << 10, /* they stay in the second cache, 256 KB */
    PARTIAL_CHUNKS = 16      /* sums of backward-weights, added in order */
};

typedef void product_kernel(const struct mrc_winograd_product *product);

/* The products of minimal filtering; NULL: the BLAS is faster. */
static product_kernel *products(void) {
    return mrc_winograd_kernels(2, MRC_WINOGRAD_BEST)->multiply;
}

/* Rows of outputs of a chunk; of each plane of the input that they read, with the padding. */
static int64_t band_rows(const struct mrc_conv *c) {
    return mrc_min_i64(c->out[1], mrc_max_i64(1, BAND_PIXELS / c->out[2]));
}

static int64_t bands_of(const struct mrc_conv *c) {
    return mrc_parts(c->out[1], band_rows(c));
}

static int64_t read_rows(const struct mrc_conv *c) {
    return band_rows(c) + (c->k[1] - 1) * c->dilation[1];
}

/* Floats of a padded row, and of all rows that a band reads. */
static int64_t row_floats(const struct mrc_conv *c) {
    return (c->in[2] + 2 * c->pad[2]) * c->cin;
}

static int64_t band_floats(const struct mrc_conv *c) {
    return mrc_aligned_floats(c->k[0] * read_rows(c) * row_floats(c));
}

struct job {
    const struct mrc_conv *c;
    product_kernel *multiply;
    const float *src, *weight, *bias, *d_dst;
    float *dst, *sums; /* sums: of backward-weights, [chunks][weight_count] */
    float *lanes;      /* [lanes][band_floats] */
    int64_t chunks;
};

/* A band of one plane (n, d) of the outputs: its rows first … last-1. */
struct band {
    int64_t n, d, first, last;
    const float *rows; /* [kd][read_rows] padded rows; row i belongs to input row first - pad + i,
                          garbage outside */
};

/* The plane of one sample that tap kd of the band reads, or -1 in the padding. */
static int64_t plane_under(const struct mrc_conv *c, const struct band *band, int64_t kd) {
    const int64_t d = band->d - c->pad[0] + kd * c->dilation[0];
    return d < c->in[0] ? mrc_max_i64(d, -1) : -1;
}

static void pad_row(float *to, const float *from, const struct mrc_conv *c) {
    const size_t margin = (size_t)(c->pad[2] * c->cin), inside = (size_t)(c->in[2] * c->cin);
    memset(to, 0, margin * sizeof *to);
    memcpy(to + margin, from, inside * sizeof *to);
    memset(to + margin + inside, 0, margin * sizeof *to);
}

static struct band gather_band(const struct job *job, int64_t index, int lane) {
    const struct mrc_conv *c = job->c;
    const int64_t bands = bands_of(c), plane = index / bands;
    float *rows = job->lanes + lane * band_floats(c);
    struct band band = {.n = plane / c->out[0],
                        .d = plane % c->out[0],
                        .first = index % bands * band_rows(c),
                        .rows = rows};
    band.last = mrc_min_i64(c->out[1], band.first + band_rows(c));
    const int64_t count = band.last - band.first + (c->k[1] - 1) * c->dilation[1];
    for (int64_t kd = 0; kd < c->k[0]; ++kd) {
        const int64_t d = plane_under(c, &band, kd);
        const float *from = job->src + (band.n * c->in[0] + d) * c->in[1] * c->in[2] * c->cin;
        for (int64_t i = 0; d >= 0 && i < count; ++i) {
            const int64_t h = band.first - c->pad[1] + i;
            if (h >= 0 && h < c->in[1])
                pad_row(rows + (kd * read_rows(c) + i) * row_floats(c),
                        from + h * c->in[2] * c->cin, c);
        }
    }
    return band;
}

/* The padded row under kernel row (kd, kh) of output row h, or NULL in the padding. */
static const float *row_under(const struct mrc_conv *c, const struct band *band, int64_t h,
                              int64_t kd, int64_t kh) {
    const int64_t reach = kh * c->dilation[1], at = h - c->pad[1] + reach;
    if (plane_under(c, band, kd) < 0 || at < 0 || at >= c->in[1]) return NULL;
    return band->rows + (kd * read_rows(c) + h - band->first + reach) * row_floats(c);
}

/* Where output row h of the band's plane begins, in floats. */
static int64_t out_row(const struct mrc_conv *c, const struct band *band, int64_t h) {
    return ((band->n * c->out[0] + band->d) * c->out[1] + h) * c->out[2] * c->cout;
}

/* Taps of a kernel row in one product: all where they lie side by side, else one. */
static int64_t joined_taps(const struct mrc_conv *c) {
    return c->dilation[2] == 1 ? c->k[2] : 1;
}

/* Kernel rows, and the pieces of them that are a product each. */
static int64_t kernel_pieces(const struct mrc_conv *c) {
    return c->k[0] * c->k[1] * (c->k[2] / joined_taps(c));
}

/* What piece `index` reads for output row h, or NULL in the padding; its weights are the rows
 * index * joined_taps * cin … of the matrix. */
static const float *piece_under(const struct mrc_conv *c, const struct band *band, int64_t h,
                                int64_t index) {
    const int64_t parts = c->k[2] / joined_taps(c), row = index / parts;
    const float *from = row_under(c, band, h, row / c->k[1], row % c->k[1]);
    return from == NULL ? NULL : from + index % parts * c->dilation[2] * c->cin;
}

/* --- Forward --- */

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const struct band band = gather_band(job, (int64_t)begin, lane);
    struct mrc_winograd_product p = {.rows = c->out[2],
                                     .columns = c->cout,
                                     .sum = joined_taps(c) * c->cin,
                                     .a_row = c->cin,
                                     .a_column = 1,
                                     .b_row = c->cout,
                                     .c_row = c->cout,
                                     .add = true};
    for (int64_t h = band.first; h < band.last; ++h) {
        p.c = job->dst + out_row(c, &band, h);
        mrc_fill_rows(p.c, c->out[2], c->cout, c->cout, job->bias);
        for (int64_t i = 0; i < kernel_pieces(c); ++i) {
            p.a = piece_under(c, &band, h, i);
            p.b = job->weight + i * p.sum * c->cout;
            if (p.a != NULL) job->multiply(&p);
        }
    }
}

static void padded_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                           const float *weight, const float *bias, void *scratch) {
    struct job job = {.c = c,
                      .multiply = products(),
                      .src = src[0],
                      .weight = weight,
                      .bias = bias,
                      .dst = dst[0],
                      .lanes = scratch};
    mrc_op_for(c->n * c->out[0] * bands_of(c), c->lanes, forward_chunk, &job);
}

/* --- Backward-data: forward of the mirror image --- */

static void padded_backward_data(const struct mrc_conv *c, float *const *d_src,
                                 const float *const *d_dst, const float *weight, const float *bias,
                                 void *scratch) {
    const struct mrc_conv m = mrc_conv_mirror(c);
    float *mirrored = scratch;
    mrc_conv_mirror_weights(mirrored, weight, c);
    padded_forward(&m, d_src, d_dst, mirrored, bias,
                   mirrored + mrc_aligned_floats(mrc_conv_weight_count(c)));
}

/* --- Backward-weights --- */

static int64_t sum_chunks(const struct mrc_conv *c) {
    return mrc_min_i64(PARTIAL_CHUNKS, c->n * c->out[0] * bands_of(c));
}

static void sum_band(const struct job *job, float *sums, const struct band *band) {
    const struct mrc_conv *c = job->c;
    struct mrc_winograd_product p = {.rows = joined_taps(c) * c->cin,
                                     .columns = c->cout,
                                     .sum = c->out[2],
                                     .a_row = 1,
                                     .a_column = c->cin,
                                     .b_row = c->cout,
                                     .c_row = c->cout,
                                     .add = true};
    for (int64_t h = band->first; h < band->last; ++h) {
        p.b = job->d_dst + out_row(c, band, h);
        for (int64_t i = 0; i < kernel_pieces(c); ++i) {
            p.a = piece_under(c, band, h, i);
            p.c = sums + i * p.rows * c->cout;
            if (p.a != NULL) job->multiply(&p);
        }
    }
}

static void weights_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t all = c->n * c->out[0] * bands_of(c), chunk = (int64_t)begin;
    const int64_t first = chunk * all / job->chunks, last = (chunk + 1) * all / job->chunks;
    float *sums = job->sums + chunk * mrc_conv_weight_count(c);
    mrc_fill_rows(sums, 1, mrc_conv_weight_count(c), 0, NULL);
    for (int64_t i = first; i < last; ++i) {
        const struct band band = gather_band(job, i, lane);
        sum_band(job, sums, &band);
    }
}

static void padded_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                                    const float *const *src, const float *const *d_dst,
                                    void *scratch) {
    float *floats = scratch;
    struct job job = {.c = c,
                      .multiply = products(),
                      .src = src[0],
                      .d_dst = d_dst[0],
                      .lanes = floats,
                      .sums = floats + c->lanes * band_floats(c),
                      .chunks = sum_chunks(c)};
    mrc_op_for(job.chunks, c->lanes, weights_chunk, &job);
    const int64_t count = mrc_conv_weight_count(c);
    for (int64_t i = 0; i < count; ++i) {
        float sum = add ? d_weight[i] : 0.0f;
        for (int64_t chunk = 0; chunk < job.chunks; ++chunk) sum += job.sums[chunk * count + i];
        d_weight[i] = sum;
    }
}

/* --- The row of the table --- */

/* In multiplications and additions of a product of patches, as measured on the local branch. */
static double padded_cost(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    static const double product = 0.5;
    if (products() == NULL || c->k[2] == 1 || mrc_conv_has_dead_taps(c)) return (double)INFINITY;
    for (int axis = 0; axis < 3; ++axis)
        if (c->stride[axis] != 1 || c->pad[axis] > (c->k[axis] - 1) * c->dilation[axis])
            return (double)INFINITY;
    if (c->cout < LEAST_CHANNELS || mrc_conv_weight_count(c) > MOST_WEIGHTS)
        return (double)INFINITY;
    if (c->cin < LEAST_CHANNELS && (direction == MRC_CONV_BACKWARD_DATA ||
                                    (direction == MRC_CONV_FORWARD && c->cout > FEW_TO_MOST)))
        return (double)INFINITY;
    return product * (double)mrc_conv_out_pixels(c) * (double)mrc_conv_weight_count(c);
}

static size_t padded_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    const struct mrc_conv m = mrc_conv_mirror(c);
    int64_t floats = c->lanes * band_floats(c);
    if (direction == MRC_CONV_BACKWARD_WEIGHTS) floats += sum_chunks(c) * mrc_conv_weight_count(c);
    if (direction == MRC_CONV_BACKWARD_DATA)
        floats = mrc_aligned_floats(mrc_conv_weight_count(c)) + c->lanes * band_floats(&m);
    return (size_t)floats * sizeof(float);
}

const struct mrc_conv_algorithm mrc_conv_padded = {.name = "padded",
                                                   .cost = padded_cost,
                                                   .scratch_bytes = padded_scratch_bytes,
                                                   .forward = padded_forward,
                                                   .backward_data = padded_backward_data,
                                                   .backward_weights = padded_backward_weights};
