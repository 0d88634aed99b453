/* op_tools.c: cuts of the work, checks of shapes, common infers. */
#include "model/engine/ops/op_tools.h"

#include <inttypes.h>
#include <string.h>

void mrc_fill_rows(float *to, int64_t rows, int64_t width, int64_t stride, const float *row) {
    for (int64_t i = 0; i < rows; ++i, to += stride) {
        if (row != NULL)
            memcpy(to, row, (size_t)width * sizeof *to);
        else
            memset(to, 0, (size_t)width * sizeof *to);
    }
}

struct mrc_columns mrc_columns_at(struct mrc_shape s, size_t chunk) {
    const int64_t blocks = mrc_parts(s.c, MRC_COLUMNS), n = (int64_t)chunk / blocks;
    const int64_t first = (int64_t)chunk % blocks * MRC_COLUMNS;
    return (struct mrc_columns){.n = n,
                                .first = first,
                                .count = mrc_min_i64(MRC_COLUMNS, s.c - first),
                                .offset = n * mrc_map_pixels(s) * s.c + first,
                                .plane = n * s.c + first};
}

void mrc_op_for(int64_t chunks, int lanes, mrc_range_fn *fn, void *context) {
    if (mrc_parallel_threads() <= lanes) {
        mrc_parallel_for((size_t)chunks, 1, fn, context);
        return;
    }
    for (size_t chunk = 0; chunk < (size_t)chunks; ++chunk) fn(context, chunk, chunk + 1, 0);
}

int64_t mrc_checked_product(int64_t a, int64_t b, int64_t limit) {
    if (a < 0 || b < 0) return -1;
    if (b != 0 && a > limit / b) return -1;
    return a * b;
}

/* Room for a patch matrix and for the size in bytes beyond the product itself. */
static const int64_t largest_count = INT64_MAX / 1024;

enum mrc_status mrc_check_shape(struct mrc_shape s, const char *node, const char *what,
                                struct mrc_error *err) {
    const int64_t sides[5] = {s.n, s.c, s.d, s.h, s.w};
    int64_t count = 1;
    for (int i = 0; i < 5; ++i) {
        if (sides[i] <= 0)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "%s: %s is %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64
                            " (n c d h w), expected positive sides",
                            node, what, s.n, s.c, s.d, s.h, s.w);
        count = sides[i] > INT32_MAX ? -1 : mrc_checked_product(count, sides[i], largest_count);
        if (count < 0)
            return mrc_fail(err, MRC_ERR_NOMEM,
                            "%s: %s of %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64
                            " (n c d h w) is too large",
                            node, what, s.n, s.c, s.d, s.h, s.w);
    }
    return MRC_OK;
}

bool mrc_shape_equal(struct mrc_shape a, struct mrc_shape b) {
    return a.n == b.n && a.c == b.c && a.d == b.d && a.h == b.h && a.w == b.w;
}

enum mrc_status mrc_declare_same(struct mrc_node *node, struct mrc_error *err) {
    (void)err;
    node->channels = node->in_channels[0];
    node->weight = node->bias = MRC_NO_PARAMETER;
    node->weight_count = node->bias_count = 0;
    return MRC_OK;
}

enum mrc_status mrc_infer_same(struct mrc_site *site, const struct mrc_node *node,
                               struct mrc_error *err) {
    site->out = site->in[0];
    site->saved_bytes = site->scratch_bytes = 0;
    site->threads = mrc_parallel_threads();
    return mrc_check_shape(site->in[0], node->name, "input", err);
}
