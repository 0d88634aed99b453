/* global_average.c: the mean of each channel of each sample over its map, [n][c][1][1][1]. Sums run
 * in double in the order of the pixels. Backward spreads d / pixels over the map. */
#include "model/engine/ops/op_tools.h"

static enum mrc_status infer(struct mrc_site *site, const struct mrc_node *node,
                             struct mrc_error *err) {
    enum mrc_status st = mrc_infer_same(site, node, err);
    site->out.d = site->out.h = site->out.w = 1;
    return st;
}

struct job {
    const struct mrc_call *call;
    struct mrc_shape in;
};

static void forward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const int64_t pixels = mrc_map_pixels(job->in);
    const float *x = job->call->src[0] + at.offset;
    double sum[MRC_COLUMNS] = {0.0};
    for (int64_t i = 0; i < pixels; ++i, x += job->in.c)
        for (int64_t k = 0; k < at.count; ++k) sum[k] += (double)x[k];
    for (int64_t k = 0; k < at.count; ++k)
        job->call->dst[at.plane + k] = (float)(sum[k] / (double)pixels);
}

static void backward_chunk(void *context, size_t begin, size_t end, int lane) {
    (void)end, (void)lane;
    const struct job *job = context;
    const struct mrc_columns at = mrc_columns_at(job->in, begin);
    const int64_t pixels = mrc_map_pixels(job->in);
    float share[MRC_COLUMNS];
    for (int64_t k = 0; k < at.count; ++k)
        share[k] = job->call->d_dst[at.plane + k] / (float)pixels;
    float *d = job->call->d_src[0] + at.offset;
    for (int64_t i = 0; i < pixels; ++i, d += job->in.c)
        for (int64_t k = 0; k < at.count; ++k) d[k] = share[k];
}

static void forward(const struct mrc_node *node, const struct mrc_site *site,
                    const struct mrc_call *call) {
    (void)node;
    struct job job = {.call = call, .in = site->in[0]};
    mrc_parallel_for(mrc_columns_count(job.in), 1, forward_chunk, &job);
}

static void backward(const struct mrc_node *node, const struct mrc_site *site,
                     const struct mrc_call *call) {
    (void)node;
    struct job job = {.call = call, .in = site->in[0]};
    if (call->d_src[0] != NULL)
        mrc_parallel_for(mrc_columns_count(job.in), 1, backward_chunk, &job);
}

const struct mrc_op mrc_op_global_average = {.name = "global_average",
                                             .declare = mrc_declare_same,
                                             .infer = infer,
                                             .forward = forward,
                                             .backward = backward};
