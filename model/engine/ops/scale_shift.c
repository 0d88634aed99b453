/* scale_shift.c: a map under a condition: y = x (1 + scale) + shift, one scale and one shift for each
 * channel of each sample. The second input is the condition, [n][2c][1][1][1]: scales, then shifts.
 * Perez et al.: "FiLM: visual reasoning with a general conditioning layer" (AAAI 2018).
 *     d_x = d (1 + scale),   d_scale = sum of d x over the map,   d_shift = sum of d */
#include <inttypes.h>

#include "model/engine/ops/op_tools.h"

static enum mrc_status declare(struct mrc_node *node, struct mrc_error *err) {
    if (node->in_channels[1] != 2 * node->in_channels[0])
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: a condition of %" PRId64 " channels for %" PRId64
                        ", expected a scale and a shift for each",
                        node->name, node->in_channels[1], node->in_channels[0]);
    return mrc_declare_same(node, err);
}

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    const struct mrc_shape condition = site->in[1];
    if (condition.n != site->in[0].n || mrc_map_pixels(condition) != 1)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "%s: conditions of %" PRId64 " samples and %" PRId64 "x%" PRId64 "x%" PRId64
                        " positions (d h w), expected %" PRId64 " of one",
                        node->name, condition.n, condition.d, condition.h, condition.w,
                        site->in[0].n);
    return mrc_infer_same(site, node, err);
}

struct job {
    const struct mrc_call *call;
    struct mrc_shape in;
};

/* Where the scales of some columns lie in the condition; their shifts lie c further. */
static int64_t scales_at(const struct job *job, const struct mrc_columns *at) {
    return 2 * at->n * job->in.c + at->first;
}

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const float *scale = job->call->src[1] + scales_at(job, &at), *shift = scale + job->in.c;
    const float *x = job->call->src[0] + at.offset;
    float *y = job->call->dst + at.offset;
    for (int64_t i = 0; i < mrc_map_pixels(job->in); ++i, x += job->in.c, y += job->in.c)
        for (int64_t k = 0; k < at.count; ++k) y[k] = x[k] * (1.0f + scale[k]) + shift[k];
}

/* The gradient of x may lie where d does: sums come first. */
static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const int64_t pixels = mrc_map_pixels(job->in), c = job->in.c;
    const float *scale = job->call->src[1] + scales_at(job, &at);
    const float *x = job->call->src[0] + at.offset, *d = job->call->d_dst + at.offset;
    if (job->call->d_src[1] != NULL) {
        float *d_scale = job->call->d_src[1] + scales_at(job, &at);
        double sum[MRC_COLUMNS] = {0.0}, product[MRC_COLUMNS] = {0.0};
        for (int64_t i = 0; i < pixels; ++i)
            for (int64_t k = 0; k < at.count; ++k) {
                sum[k] += (double)d[i * c + k];
                product[k] += (double)d[i * c + k] * (double)x[i * c + k];
            }
        for (int64_t k = 0; k < at.count; ++k) {
            d_scale[k] = (float)product[k];
            d_scale[c + k] = (float)sum[k];
        }
    }
    if (job->call->d_src[0] == NULL) return;
    float *d_x = job->call->d_src[0] + at.offset;
    for (int64_t i = 0; i < pixels; ++i)
        for (int64_t k = 0; k < at.count; ++k) d_x[i * c + k] = d[i * c + k] * (1.0f + scale[k]);
}

static void run(const struct mrc_site *site, const struct mrc_call *call, mrc_range_fn *fn) {
    struct job job = {.call = call, .in = site->in[0]};
    mrc_parallel_for(mrc_columns_count(job.in), 1, fn, &job);
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    (void)node;
    run(site, call, forward_chunk);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    (void)node;
    run(site, call, backward_chunk);
}

const struct mrc_op mrc_op_scale_shift = {.name = "scale_shift",
                                          .in_place = true,
                                          .backward_reads_src = true,
                                          .declare = declare,
                                          .infer = infer,
                                          .forward = forward,
                                          .backward = backward};
