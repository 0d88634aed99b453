/* conv_kernel.c: sizes of a convolution, the choice of its algorithm, and the sums of the bias. */
#include "model/engine/ops/conv_kernel.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/engine/ops/op_tools.h"

static const char *const axis_names[3] = {"depth", "height", "width"};

/* The BLAS counts in 32 bits: rows and columns of every matrix stay below. */
static const int64_t largest_side = INT32_MAX;

enum mrc_status mrc_conv_check_node(size_t *weight_count, const struct mrc_node *node,
                                    struct mrc_error *err) {
    const struct mrc_attributes *attr = &node->attr;
    if (attr->channels <= 0 || node->in_channels[0] <= 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: %" PRId64 " -> %" PRId64 " channels, expected positive numbers",
                        node->name, node->in_channels[0], attr->channels);
    int64_t rows = 1;
    for (int axis = 0; axis < 3; ++axis) {
        if (attr->k[axis] <= 0 || attr->stride[axis] <= 0 || attr->pad[axis] < 0 ||
            attr->k[axis] > largest_side || attr->stride[axis] > largest_side ||
            attr->pad[axis] > largest_side || attr->dilation[axis] < 0 ||
            attr->dilation[axis] > largest_side || mrc_conv_span(attr, axis) > largest_side)
            return mrc_fail(
                err, MRC_ERR_ARGUMENT,
                "%s: kernel %" PRId64 ", stride %" PRId64 ", padding %" PRId64 ", dilation %" PRId64
                " along %s, expected a kernel and a stride of 1 or more and neither negative "
                "padding nor negative dilation",
                node->name, attr->k[axis], attr->stride[axis], attr->pad[axis],
                attr->dilation[axis], axis_names[axis]);
        if (rows > 0) rows = mrc_checked_product(rows, attr->k[axis], largest_side);
    }
    /* Either side may be the rows' channels. */
    int64_t wider = mrc_max_i64(node->in_channels[0], attr->channels);
    int64_t narrower = mrc_min_i64(node->in_channels[0], attr->channels);
    int64_t side =
        rows < 0 || wider > largest_side ? -1 : mrc_checked_product(rows, wider, largest_side);
    if (side < 0 || mrc_checked_product(side, narrower, INT64_MAX / 1024) < 0)
        return mrc_fail(err, MRC_ERR_NOMEM,
                        "%s: a kernel of %" PRId64 "x%" PRId64 "x%" PRId64 " with %" PRId64
                        " channels is too large",
                        node->name, attr->k[0], attr->k[1], attr->k[2], wider);
    *weight_count = (size_t)(side * narrower);
    return MRC_OK;
}

/* Taps that meet the input for at least one output position. The tap t of output o reads position
 * o*stride - pad + t*dilation: the smallest live tap is live at the last output, the largest at the
 * first.
 */
static void find_live_taps(struct mrc_conv *c) {
    for (int axis = 0; axis < 3; ++axis) {
        int64_t last = (c->out[axis] - 1) * c->stride[axis] - c->pad[axis];
        c->lo[axis] = mrc_parts(mrc_max_i64(0, -last), c->dilation[axis]);
        c->hi[axis] =
            mrc_min_i64(c->k[axis], mrc_parts(c->in[axis] + c->pad[axis], c->dilation[axis]));
        if (c->lo[axis] >=
            c->hi[axis]) { /* an output of padding only: keep one tap, its sums are zero */
            c->lo[axis] = mrc_min_i64(c->lo[axis], c->k[axis] - 1);
            c->hi[axis] = c->lo[axis] + 1;
        }
    }
}

bool mrc_conv_is_dilated(const struct mrc_conv *c) {
    return c->dilation[0] > 1 || c->dilation[1] > 1 || c->dilation[2] > 1;
}

bool mrc_conv_has_dead_taps(const struct mrc_conv *c) {
    for (int axis = 0; axis < 3; ++axis)
        if (c->lo[axis] > 0 || c->hi[axis] < c->k[axis]) return true;
    return false;
}

struct mrc_conv mrc_conv_between(struct mrc_shape in, struct mrc_shape out,
                                 const struct mrc_attributes *attr, int lanes) {
    struct mrc_conv c = {.n = in.n,
                         .cin = in.c,
                         .cout = out.c,
                         .in = {in.d, in.h, in.w},
                         .out = {out.d, out.h, out.w},
                         .lanes = lanes};
    memcpy(c.k, attr->k, sizeof c.k);
    memcpy(c.stride, attr->stride, sizeof c.stride);
    memcpy(c.pad, attr->pad, sizeof c.pad);
    for (int axis = 0; axis < 3; ++axis) c.dilation[axis] = mrc_dilation(attr, axis);
    find_live_taps(&c);
    return c;
}

enum mrc_status mrc_conv_settle(struct mrc_conv *c, struct mrc_shape in, int64_t cout,
                                const struct mrc_node *node, struct mrc_error *err) {
    enum mrc_status st = mrc_check_shape(in, node->name, "input", err);
    if (st != MRC_OK) return st;
    const struct mrc_attributes *attr = &node->attr;
    const int64_t sides[3] = {in.d, in.h, in.w};
    int64_t out[3];
    for (int axis = 0; axis < 3; ++axis) {
        int64_t padded = sides[axis] + 2 * attr->pad[axis], span = mrc_conv_span(attr, axis);
        if (padded < span)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: the %s is %" PRId64
                            " with padding, expected at least the kernel's %" PRId64,
                            node->name, axis_names[axis], padded, span);
        out[axis] = (padded - span) / attr->stride[axis] + 1;
    }
    struct mrc_shape to = {in.n, cout, out[0], out[1], out[2]};
    st = mrc_check_shape(to, node->name, "output", err);
    if (st != MRC_OK) return st;
    *c = mrc_conv_between(in, to, attr, mrc_parallel_threads());
    int64_t taps = attr->k[0] * attr->k[1] * attr->k[2];
    int64_t pixels = mrc_max_i64(mrc_conv_in_pixels(c), mrc_conv_out_pixels(c));
    int64_t patches = mrc_checked_product(taps * mrc_max_i64(c->cin, cout), pixels, INT64_MAX / 64);
    if (pixels > largest_side || patches < 0)
        return mrc_fail(err, MRC_ERR_NOMEM,
                        "%s: %" PRId64 " positions of %" PRId64 " taps are too many", node->name,
                        pixels, taps);
    return MRC_OK;
}

/* --- Choice --- */

static const struct mrc_conv_algorithm *const algorithms[] = {&mrc_conv_gemm, &mrc_conv_flipped,
                                                              &mrc_conv_padded, &mrc_conv_winograd};
static const struct mrc_conv_algorithm *forced = NULL;

void mrc_conv_force(const struct mrc_conv_algorithm *algorithm) {
    forced = algorithm;
}

const struct mrc_conv_algorithm *mrc_conv_algorithm_for(const struct mrc_conv *c,
                                                        enum mrc_conv_direction direction) {
    if (forced != NULL && isfinite(forced->cost(c, direction))) return forced;
    const struct mrc_conv_algorithm *best = algorithms[0];
    double least = best->cost(c, direction);
    for (size_t i = 1; i < sizeof algorithms / sizeof algorithms[0]; ++i) {
        double cost = algorithms[i]->cost(c, direction);
        if (cost >= least) continue;
        best = algorithms[i];
        least = cost;
    }
    return best;
}

void mrc_conv_describe(char *out, size_t capacity, const struct mrc_conv *c,
                       const enum mrc_conv_direction *directions, int count) {
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < count && used < capacity; ++i) {
        const struct mrc_conv_algorithm *a = mrc_conv_algorithm_for(c, directions[i]);
        const char *name = a->form != NULL ? a->form(c, directions[i]) : a->name;
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", i > 0 ? ", " : "", name);
    }
}

size_t mrc_conv_scratch_bytes(const struct mrc_conv *c) {
    size_t most = 0;
    for (int i = MRC_CONV_FORWARD; i <= MRC_CONV_BACKWARD_WEIGHTS; ++i) {
        enum mrc_conv_direction direction = (enum mrc_conv_direction)i;
        size_t bytes = mrc_conv_algorithm_for(c, direction)->scratch_bytes(c, direction);
        if (bytes > most) most = bytes;
    }
    return most;
}

static bool takes_parts(const struct mrc_conv *c, enum mrc_conv_direction direction) {
    if (c->in_first == 0 && c->out_first == 0) return true;
    const struct mrc_conv_algorithm *a = mrc_conv_algorithm_for(c, direction);
    return c->in_first % MRC_PART_UNIT == 0 && c->out_first % MRC_PART_UNIT == 0 &&
           a->takes_parts != NULL && a->takes_parts(c, direction);
}

bool mrc_conv_takes_parts(const struct mrc_conv *c, const enum mrc_conv_direction *directions,
                          int count) {
    for (int i = 0; i < count; ++i)
        if (!takes_parts(c, directions[i])) return false;
    return true;
}

void mrc_conv_forward(const struct mrc_conv *c, float *const *dst, const float *const *src,
                      const float *weight, const float *bias, void *scratch) {
    MRC_ASSERT(takes_parts(c, MRC_CONV_FORWARD));
    mrc_conv_algorithm_for(c, MRC_CONV_FORWARD)->forward(c, dst, src, weight, bias, scratch);
}

void mrc_conv_backward_data(const struct mrc_conv *c, float *const *d_src,
                            const float *const *d_dst, const float *weight, const float *bias,
                            void *scratch) {
    MRC_ASSERT(takes_parts(c, MRC_CONV_BACKWARD_DATA));
    mrc_conv_algorithm_for(c, MRC_CONV_BACKWARD_DATA)
        ->backward_data(c, d_src, d_dst, weight, bias, scratch);
}

void mrc_conv_backward_weights(const struct mrc_conv *c, float *d_weight, bool add,
                               const float *const *src, const float *const *d_dst, void *scratch) {
    MRC_ASSERT(takes_parts(c, MRC_CONV_BACKWARD_WEIGHTS));
    if (!add && mrc_conv_has_dead_taps(c)) {
        memset(d_weight, 0, (size_t)mrc_conv_weight_count(c) * sizeof(float));
        add = true;
    }
    mrc_conv_algorithm_for(c, MRC_CONV_BACKWARD_WEIGHTS)
        ->backward_weights(c, d_weight, add, src, d_dst, scratch);
}

/* --- Bias --- */

struct bias_job {
    const float *x;
    double *sums; /* [chunks][channels] */
    int64_t pixels, channels, rows;
};

/* Rows of a chunk: about 32 Ki floats, and at most 256 chunks. */
static int64_t bias_rows(int64_t pixels, int64_t channels) {
    return mrc_max_i64(mrc_max_i64(1, 32768 / channels), mrc_parts(pixels, 256));
}

static void bias_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct bias_job *job = context;
    int64_t first = (int64_t)begin * job->rows;
    int64_t last = mrc_min_i64(job->pixels, first + job->rows);
    double *sums = job->sums + (int64_t)begin * job->channels;
    for (int64_t i = 0; i < job->channels; ++i) sums[i] = 0.0;
    for (int64_t row = first; row < last; ++row) {
        const float *x = job->x + row * job->channels;
        for (int64_t i = 0; i < job->channels; ++i) sums[i] += (double)x[i];
    }
}

size_t mrc_conv_bias_scratch_bytes(int64_t pixels, int64_t channels) {
    int64_t chunks = mrc_parts(pixels, bias_rows(pixels, channels));
    return (size_t)(chunks * channels) * sizeof(double);
}

void mrc_conv_backward_bias(float *d_bias, bool add, const float *x, int64_t pixels,
                            int64_t channels, int lanes, void *scratch) {
    struct bias_job job = {.x = x,
                           .sums = scratch,
                           .pixels = pixels,
                           .channels = channels,
                           .rows = bias_rows(pixels, channels)};
    int64_t chunks = mrc_parts(pixels, job.rows);
    mrc_op_for(chunks, lanes, bias_chunk, &job);
    for (int64_t i = 0; i < channels; ++i) {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += job.sums[chunk * channels + i];
        d_bias[i] = (add ? d_bias[i] : 0.0f) + (float)sum;
    }
}
