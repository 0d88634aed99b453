/* conv_flipped.c: a convolution from many channels to few (the generator's head: 128 to 1). As
 * patches times weights it is a product with one column, which no BLAS is fast at. With stride 1 it
 * is also the adjoint of the convolution from the few channels to the many with the kernel mirrored
 * and padding k - 1 - pad: then the patches lie on the side with few channels, and the product is
 * [pixels][many] * [many][taps]. The three kernels change places; only the (small) weights are
 * copied. Forward to very few channels each output is a sum of its own over taps and channels,
 * which needs no patches at all. */
#include "model/engine/ops/conv_flipped.h"

#include <math.h>

#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/op_tools.h"

enum {
    DOTS = 8,       /* outputs of a row that are summed at once */
    MOST_DOTTED = 4 /* channels of the out side */
};

/* Is the gradient of an input with few channels such a sum, over the taps of the mirror image? */
static bool is_dotted_back(const struct mrc_conv *c) {
    return c->cin <= MOST_DOTTED && c->cin * 4 <= c->cout;
}

/* Where it can, it is better than any other; few channels are left out, where it gains nothing. */
static double flipped_cost(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    int64_t taps = 1;
    for (int axis = 0; axis < 3; ++axis) {
        if (c->stride[axis] != 1 || c->dilation[axis] != 1 || c->pad[axis] >= c->k[axis])
            return (double)INFINITY;
        taps *= c->k[axis];
    }
    const bool few = direction == MRC_CONV_BACKWARD_DATA && is_dotted_back(c);
    return taps > 1 && (few || c->cout * 4 <= c->cin) ? 0.0 : (double)INFINITY;
}

struct mrc_conv mrc_conv_mirror(const struct mrc_conv *c) {
    struct mrc_shape in = {c->n, c->cout, c->out[0], c->out[1], c->out[2]};
    struct mrc_shape out = {c->n, c->cin, c->in[0], c->in[1], c->in[2]};
    struct mrc_attributes attr = {.stride = {1, 1, 1}};
    for (int axis = 0; axis < 3; ++axis) {
        attr.k[axis] = c->k[axis];
        attr.dilation[axis] = c->dilation[axis];
        attr.pad[axis] = (c->k[axis] - 1) * c->dilation[axis] - c->pad[axis];
    }
    return mrc_conv_between(in, out, &attr, c->lanes);
}

static int64_t tap_count(const struct mrc_conv *c) {
    return c->k[0] * c->k[1] * c->k[2];
}

static int64_t aligned_count(const struct mrc_conv *c) {
    return mrc_aligned_floats(mrc_conv_weight_count(c));
}

/* Mirroring all axes of a box is counting its taps from the end. */
void mrc_conv_mirror_weights(float *to, const float *weight, const struct mrc_conv *c) {
    const int64_t taps = tap_count(c), plane = c->cin * c->cout;
    for (int64_t tap = 0; tap < taps; ++tap) {
        const float *from = weight + (taps - 1 - tap) * plane;
        for (int64_t o = 0; o < c->cout; ++o)
            for (int64_t i = 0; i < c->cin; ++i) *to++ = from[i * c->cout + o];
    }
}

static void mirror_gradient(float *d_weight, bool add, const float *mirrored,
                            const struct mrc_conv *c) {
    const int64_t taps = tap_count(c), plane = c->cin * c->cout;
    for (int64_t tap = 0; tap < taps; ++tap) {
        float *to = d_weight + (taps - 1 - tap) * plane;
        for (int64_t o = 0; o < c->cout; ++o)
            for (int64_t i = 0; i < c->cin; ++i) {
                float *at = to + i * c->cout + o;
                *at = (add ? *at : 0.0f) + *mirrored++;
            }
    }
}

static enum mrc_conv_direction mirrored_direction(enum mrc_conv_direction direction) {
    if (direction == MRC_CONV_FORWARD) return MRC_CONV_BACKWARD_DATA;
    return direction == MRC_CONV_BACKWARD_DATA ? MRC_CONV_FORWARD : MRC_CONV_BACKWARD_WEIGHTS;
}

/* --- Forward to very few channels --- */

/* Columns that the outputs of a row read, up to whole DOTS. */
static int64_t columns_of(const struct mrc_conv *c) {
    return mrc_parts(c->out[2], DOTS) * DOTS + c->k[2] - 1;
}

/* Pixels that the outputs of a row read. */
static int64_t row_pixels(const struct mrc_conv *c) {
    return c->k[0] * c->k[1] * columns_of(c);
}

/** sums[i] = the sum over kernel rows, kw and channels of from[part][row][kw + i][channel] *
 * weight[row][kw][channel]; from [parts][row_pixels], parts of the in side. */
typedef void dot_kernel(float sums[DOTS], const float *const *from, const float *weight,
                        const struct mrc_conv *c);

typedef float four_floats __attribute__((vector_size(16), aligned(4), may_alias));

#define LANES   4
#define NAME(x) x##_portable
#define TARGET
#include "model/engine/ops/dot_kernels.inc"

#if defined(__x86_64__)
#define LANES   8
#define NAME(x) x##_avx2
#define TARGET  __attribute__((target("avx2,fma")))
#include "model/engine/ops/dot_kernels.inc"

#define LANES   16
#define NAME(x) x##_avx512
#define TARGET  __attribute__((target("avx512f")))
#include "model/engine/ops/dot_kernels.inc"
#endif

static enum mrc_winograd_lanes forced_lanes = MRC_WINOGRAD_BEST;

void mrc_conv_flipped_force(enum mrc_winograd_lanes lanes) {
    forced_lanes = lanes;
}

static dot_kernel *dots_of(enum mrc_winograd_lanes lanes) {
#if defined(__x86_64__)
    const bool best = lanes == MRC_WINOGRAD_BEST;
    if ((best || lanes == MRC_WINOGRAD_AVX512) && __builtin_cpu_supports("avx512f"))
        return dots_avx512;
    if ((best || lanes == MRC_WINOGRAD_AVX2) && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        return dots_avx2;
#endif
    (void)lanes;
    return dots_portable;
}

struct dot_job {
    const struct mrc_conv *c;
    dot_kernel *dots;
    float *dst;
    const float *const *src;    /* of the parts */
    const float *weight, *bias; /* weight [cout][taps][cin]; bias: NULL, none */
    const float *zeros;         /* [cin] */
    const float **from;         /* [lanes][parts][row_pixels] */
};

/* The pixel of the input where the row begins that tap (kd, kh) of output row (plane, h) reads, or
 * -1 in the padding. */
static int64_t row_under(const struct mrc_conv *c, int64_t plane, int64_t h, int64_t kd,
                         int64_t kh) {
    const int64_t n = plane / c->out[0], d = plane % c->out[0] - c->pad[0] + kd;
    h += kh - c->pad[1];
    if (d < 0 || d >= c->in[0] || h < 0 || h >= c->in[1]) return -1;
    return ((n * c->in[0] + d) * c->in[1] + h) * c->in[2];
}

static void list_pixels(const float **from, const struct dot_job *job, int part, int64_t plane,
                        int64_t h) {
    const struct mrc_conv *c = job->c;
    const int64_t columns = columns_of(c);
    const int64_t channels = mrc_conv_part_of(c->in_first, c->cin, part).channels;
    for (int64_t i = 0; i < c->k[0] * c->k[1]; ++i, from += columns) {
        const int64_t row = row_under(c, plane, h, i / c->k[1], i % c->k[1]);
        for (int64_t at = 0; at < columns; ++at) {
            const int64_t w = at - c->pad[2];
            const bool outside = row < 0 || w < 0 || w >= c->in[2];
            from[at] = outside ? job->zeros : job->src[part] + (row + w) * channels;
        }
    }
}

/* The next row of outputs reads one new row of the input, whose pixels are a run: no processor
 * guesses that from what is read now. */
static void fetch_next(const struct dot_job *job, int64_t plane, int64_t h, int64_t w) {
    const struct mrc_conv *c = job->c;
    const int64_t row = row_under(c, plane, h + 1, c->k[0] - 1, c->k[1] - 1);
    if (row < 0 || w >= c->in[2]) return;
    for (int part = 0; part < mrc_conv_buffers(c->in_first); ++part) {
        const int64_t channels = mrc_conv_part_of(c->in_first, c->cin, part).channels;
        mrc_fetch(job->src[part] + (row + w) * channels,
                  mrc_min_i64(DOTS, c->in[2] - w) * channels);
    }
}

/* One row of outputs. */
static void dot_row(void *context, size_t begin, size_t end, int lane) {
    (void)end;
    const struct dot_job *job = context;
    const struct mrc_conv *c = job->c;
    const int64_t plane = (int64_t)begin / c->out[1], h = (int64_t)begin % c->out[1];
    const int parts = mrc_conv_buffers(c->in_first);
    const float **from = job->from + lane * parts * row_pixels(c);
    for (int part = 0; part < parts; ++part)
        list_pixels(from + part * row_pixels(c), job, part, plane, h);
    float *dst = job->dst + (int64_t)begin * c->out[2] * c->cout;
    for (int64_t w = 0; w < c->out[2]; w += DOTS) {
        fetch_next(job, plane, h, w);
        for (int64_t o = 0; o < c->cout; ++o) {
            float sums[DOTS];
            job->dots(sums, from + w, job->weight + o * tap_count(c) * c->cin, c);
            for (int64_t i = 0; i < mrc_min_i64(DOTS, c->out[2] - w); ++i)
                dst[(w + i) * c->cout + o] = sums[i] + (job->bias != NULL ? job->bias[o] : 0.0f);
        }
    }
}

static bool is_dotted(const struct mrc_conv *c) {
    return c->cout <= MOST_DOTTED;
}

static size_t dotted_bytes(const struct mrc_conv *c) {
    const int64_t pointers = c->lanes * mrc_conv_buffers(c->in_first) * row_pixels(c);
    return (size_t)(aligned_count(c) + mrc_aligned_floats(c->cin)) * sizeof(float) +
           (size_t)pointers * sizeof(const float *);
}

static void dotted_forward(const struct mrc_conv *c, float *dst, const float *const *src,
                           const float *weight, const float *bias, void *scratch) {
    const int64_t rows = tap_count(c) * c->cin;
    float *turned = scratch, *zeros = turned + aligned_count(c);
    for (int64_t o = 0; o < c->cout; ++o)
        for (int64_t row = 0; row < rows; ++row) turned[o * rows + row] = weight[row * c->cout + o];
    for (int64_t i = 0; i < c->cin; ++i) zeros[i] = 0.0f;
    struct dot_job job = {.c = c,
                          .dots = dots_of(forced_lanes),
                          .dst = dst,
                          .src = src,
                          .weight = turned,
                          .bias = bias,
                          .zeros = zeros,
                          .from = (const float **)(void *)(zeros + mrc_aligned_floats(c->cin))};
    mrc_op_for(c->n * c->out[0] * c->out[1], c->lanes, dot_row, &job);
}

/* --- The row of the table --- */

static bool flipped_takes_parts(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    return direction == MRC_CONV_FORWARD && is_dotted(c) && c->out_first == 0;
}

/* The algorithm of the mirror image, from few channels to many. */
static const struct mrc_conv_algorithm *of_mirror(const struct mrc_conv *m,
                                                  enum mrc_conv_direction direction) {
    const struct mrc_conv_algorithm *padded = &mrc_conv_padded;
    return isfinite(padded->cost(m, direction)) ? padded : &mrc_conv_gemm;
}

static size_t flipped_scratch_bytes(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    if (direction == MRC_CONV_FORWARD && is_dotted(c)) return dotted_bytes(c);
    const struct mrc_conv m = mrc_conv_mirror(c);
    const enum mrc_conv_direction its = mirrored_direction(direction);
    const bool few = direction == MRC_CONV_BACKWARD_DATA && is_dotted_back(c);
    return (size_t)aligned_count(c) * sizeof(float) +
           (few ? dotted_bytes(&m) : of_mirror(&m, its)->scratch_bytes(&m, its));
}

static void flipped_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                            const float *weight, const float *bias, void *scratch) {
    if (is_dotted(c)) {
        dotted_forward(c, dst[0], src, weight, bias, scratch);
        return;
    }
    struct mrc_conv m = mrc_conv_mirror(c);
    float *mirrored = scratch;
    mrc_conv_mirror_weights(mirrored, weight, c);
    mrc_conv_gemm.backward_data(&m, dst, src, mirrored, bias, mirrored + aligned_count(c));
}

static void flipped_backward_data(const struct mrc_conv *c, float *const *d_src,
                                  const float *const *d_dst, const float *weight, const float *bias,
                                  void *scratch) {
    struct mrc_conv m = mrc_conv_mirror(c);
    float *mirrored = scratch;
    mrc_conv_mirror_weights(mirrored, weight, c);
    if (is_dotted_back(c)) {
        dotted_forward(&m, d_src[0], d_dst, mirrored, bias, mirrored + aligned_count(c));
        return;
    }
    of_mirror(&m, MRC_CONV_FORWARD)
        ->forward(&m, d_src, d_dst, mirrored, bias, mirrored + aligned_count(c));
}

static void flipped_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                                     const float *const *src, const float *const *d_dst,
                                     void *scratch) {
    struct mrc_conv m = mrc_conv_mirror(c);
    float *mirrored = scratch;
    for (int64_t i = 0; i < mrc_conv_weight_count(c); ++i) mirrored[i] = 0.0f;
    of_mirror(&m, MRC_CONV_BACKWARD_WEIGHTS)
        ->backward_weights(&m, mirrored, true, d_dst, src, mirrored + aligned_count(c));
    mirror_gradient(d_weight, add, mirrored, c);
}

const struct mrc_conv_algorithm mrc_conv_flipped = {.name = "flipped",
                                                    .cost = flipped_cost,
                                                    .takes_parts = flipped_takes_parts,
                                                    .scratch_bytes = flipped_scratch_bytes,
                                                    .forward = flipped_forward,
                                                    .backward_data = flipped_backward_data,
                                                    .backward_weights = flipped_backward_weights};
