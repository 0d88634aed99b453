/* upsample.c: images enlarged by a whole factor along each axis (attr.stride: depth, height, width).
 * nearest: every pixel becomes a block. linear: between the centres of pixels, as they lie in the
 * image (PyTorch's align_corners=False): output o lies at (o + 1/2) / factor - 1/2 of the input,
 * beyond the first and last centre at these. Both are linear; the gradient is the adjoint. */
#include <inttypes.h>
#include <math.h>

#include "model/engine/ops/op_tools.h"

enum { LARGEST_FACTOR = 64 };

/* What one output reads along one axis: pixel `low` with weight 1 - part, pixel `high` with part. */
struct reach {
    int64_t low, high;
    float part;
};
typedef struct reach reach_fn(int64_t out, int64_t factor, int64_t side);

static struct reach reach_nearest(int64_t out, int64_t factor, int64_t side) {
    (void)side;
    return (struct reach){.low = out / factor, .high = out / factor};
}

static struct reach reach_linear(int64_t out, int64_t factor, int64_t side) {
    const double at = fmax(0.0, ((double)out + 0.5) / (double)factor - 0.5);
    const int64_t low = mrc_min_i64((int64_t)at, side - 1);
    return (struct reach){
        .low = low, .high = mrc_min_i64(low + 1, side - 1), .part = (float)(at - (double)low)};
}

/* The weight with which output `out` reads input `in`. */
static float weight_between(const struct reach *r, int64_t in) {
    return (r->low == in ? 1.0f - r->part : 0.0f) + (r->high == in ? r->part : 0.0f);
}

struct job {
    const struct mrc_call *call;
    struct mrc_shape in, out;
    int64_t factor[3];
    reach_fn *reach;
};

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    for (int axis = 0; axis < 3; ++axis)
        if (node->attr.stride[axis] < 1 || node->attr.stride[axis] > LARGEST_FACTOR)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: enlarging by %" PRId64 "x%" PRId64 "x%" PRId64
                            " (d h w), expected factors from 1 to %d",
                            node->name, node->attr.stride[0], node->attr.stride[1],
                            node->attr.stride[2], LARGEST_FACTOR);
    return mrc_declare_same(node, err);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    enum mrc_status st = mrc_infer_same(site, node, err);
    if (st != MRC_OK) return st;
    site->out.d *= node->attr.stride[0];
    site->out.h *= node->attr.stride[1];
    site->out.w *= node->attr.stride[2];
    return mrc_check_shape(site->out, node->name, "output", err);
}

/* A row of a shape, counted over n d h. */
struct row {
    int64_t n, d, h;
};
static struct row row_at(struct mrc_shape s, int64_t index) {
    return (struct row){index / s.h / s.d, index / s.h % s.d, index % s.h};
}

static int64_t row_offset(struct mrc_shape s, int64_t n, int64_t d, int64_t h) {
    return ((n * s.d + d) * s.h + h) * s.w * s.c;
}

/* to [c] += weight * from [c] */
static void add_pixel(float *restrict to, const float *restrict from, float weight, int64_t count) {
    for (int64_t c = 0; c < count; ++c) to[c] += weight * from[c];
}

/* One row of outputs reads the rows under it one after the other. */
static void forward_row(const struct job *job, float *to, const float *from, float weight) {
    const int64_t c = job->in.c;
    for (int64_t w = 0; w < job->out.w; ++w, to += c) {
        const struct reach r = job->reach(w, job->factor[2], job->in.w);
        add_pixel(to, from + r.low * c, weight * (1.0f - r.part), c);
        if (r.part > 0.0f) add_pixel(to, from + r.high * c, weight * r.part, c);
    }
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    for (int64_t i = (int64_t)begin; i < (int64_t)end; ++i) {
        const struct row row = row_at(job->out, i);
        const struct reach d = job->reach(row.d, job->factor[0], job->in.d);
        const struct reach h = job->reach(row.h, job->factor[1], job->in.h);
        float *to = job->call->dst + i * job->out.w * job->out.c;
        mrc_fill_rows(to, 1, job->out.w * job->out.c, 0, NULL);
        for (int64_t id = d.low; id <= d.high; ++id)
            for (int64_t ih = h.low; ih <= h.high; ++ih) {
                const float weight = weight_between(&d, id) * weight_between(&h, ih);
                if (weight > 0.0f)
                    forward_row(job, to, job->call->src[0] + row_offset(job->in, row.n, id, ih),
                                weight);
            }
    }
}

/* The outputs that may read input `in` along one axis. */
static int64_t first_reader(int64_t in, int64_t factor) {
    return mrc_max_i64(0, (in - 1) * factor);
}
static int64_t end_of_readers(int64_t in, int64_t factor, int64_t out_side) {
    return mrc_min_i64(out_side, (in + 2) * factor);
}

static void backward_row(const struct job *job, float *to, const float *from, float weight) {
    const int64_t c = job->in.c;
    for (int64_t w = 0; w < job->in.w; ++w, to += c) {
        const int64_t end = end_of_readers(w, job->factor[2], job->out.w);
        for (int64_t ow = first_reader(w, job->factor[2]); ow < end; ++ow) {
            const struct reach r = job->reach(ow, job->factor[2], job->in.w);
            const float part = weight_between(&r, w);
            if (part > 0.0f) add_pixel(to, from + ow * c, weight * part, c);
        }
    }
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct job *job = context;
    for (int64_t i = (int64_t)begin; i < (int64_t)end; ++i) {
        const struct row row = row_at(job->in, i);
        float *to = job->call->d_src[0] + i * job->in.w * job->in.c;
        mrc_fill_rows(to, 1, job->in.w * job->in.c, 0, NULL);
        const int64_t end_d = end_of_readers(row.d, job->factor[0], job->out.d);
        const int64_t end_h = end_of_readers(row.h, job->factor[1], job->out.h);
        for (int64_t od = first_reader(row.d, job->factor[0]); od < end_d; ++od)
            for (int64_t oh = first_reader(row.h, job->factor[1]); oh < end_h; ++oh) {
                const struct reach d = job->reach(od, job->factor[0], job->in.d);
                const struct reach h = job->reach(oh, job->factor[1], job->in.h);
                const float weight = weight_between(&d, row.d) * weight_between(&h, row.h);
                if (weight > 0.0f)
                    backward_row(job, to, job->call->d_dst + row_offset(job->out, row.n, od, oh),
                                 weight);
            }
    }
}

static void run(const struct mrc_node *node, const struct mrc_site *site,
                const struct mrc_call *call, struct mrc_shape rows_of, mrc_range_fn *fn,
                reach_fn *reach) {
    struct job job = {.call = call, .in = site->in[0], .out = site->out, .reach = reach};
    for (int axis = 0; axis < 3; ++axis) job.factor[axis] = node->attr.stride[axis];
    size_t grain = (size_t)mrc_max_i64(1, MRC_ELEMENT_CHUNK / (rows_of.w * rows_of.c));
    mrc_parallel_for((size_t)(rows_of.n * rows_of.d * rows_of.h), grain, fn, &job);
}

static void nearest_forward(const struct mrc_node *node, const struct mrc_site *site,
                            const struct mrc_call *call) {
    run(node, site, call, site->out, forward_chunk, reach_nearest);
}

static void nearest_backward(const struct mrc_node *node, const struct mrc_site *site,
                             const struct mrc_call *call) {
    if (call->d_src[0] != NULL) run(node, site, call, site->in[0], backward_chunk, reach_nearest);
}

static void linear_forward(const struct mrc_node *node, const struct mrc_site *site,
                           const struct mrc_call *call) {
    run(node, site, call, site->out, forward_chunk, reach_linear);
}

static void linear_backward(const struct mrc_node *node, const struct mrc_site *site,
                            const struct mrc_call *call) {
    if (call->d_src[0] != NULL) run(node, site, call, site->in[0], backward_chunk, reach_linear);
}

const struct mrc_op mrc_op_upsample_nearest = {.name = "upsample_nearest",
                                               .declare = declare,
                                               .infer = infer,
                                               .forward = nearest_forward,
                                               .backward = nearest_backward};
const struct mrc_op mrc_op_upsample_linear = {.name = "upsample_linear",
                                              .declare = declare,
                                              .infer = infer,
                                              .forward = linear_forward,
                                              .backward = linear_backward};
