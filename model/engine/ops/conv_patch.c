/* conv_patch.c: patches of a map as rows of a matrix, and back. With channels last the taps of one
 * kernel row are one contiguous run of the map, so both ways are copies and sums of runs. */
#include "model/engine/ops/conv_patch.h"

#include <string.h>

#include "model/engine/ops/op_tools.h"

struct mrc_piece_cut mrc_piece_cut_for(const struct mrc_conv *c, int64_t target) {
    struct mrc_piece_cut cut = {.step = {1, 1, 1}, .count = 1};
    int64_t unit = c->cin; /* columns of one step along the axis looked at */
    bool whole = true; /* are all finer axes whole, so that steps along this one are contiguous? */
    for (int axis = 2; axis >= 0; --axis) {
        int64_t live = c->hi[axis] - c->lo[axis];
        if (whole) {
            int64_t step = mrc_max_i64(1, mrc_min_i64(live, target / unit));
            cut.step[axis] = mrc_parts(live, mrc_parts(live, step)); /* even steps */
        }
        cut.parts[axis] = mrc_parts(live, cut.step[axis]);
        cut.count *= cut.parts[axis];
        unit *= cut.step[axis];
        whole = whole && cut.step[axis] == c->k[axis];
    }
    cut.widest = unit;
    return cut;
}

struct mrc_piece mrc_piece_at(const struct mrc_conv *c, const struct mrc_piece_cut *cut,
                              int64_t index) {
    struct mrc_piece piece = {.columns = c->cin};
    for (int axis = 2; axis >= 0; --axis) {
        int64_t part = index % cut->parts[axis];
        index /= cut->parts[axis];
        piece.lo[axis] = c->lo[axis] + part * cut->step[axis];
        piece.hi[axis] = mrc_min_i64(c->hi[axis], piece.lo[axis] + cut->step[axis]);
        piece.columns *= piece.hi[axis] - piece.lo[axis];
    }
    piece.row = ((piece.lo[0] * c->k[1] + piece.lo[1]) * c->k[2] + piece.lo[2]) * c->cin;
    return piece;
}

bool mrc_conv_is_pointwise(const struct mrc_conv *c) {
    for (int axis = 0; axis < 3; ++axis)
        if (c->k[axis] != 1 || c->stride[axis] != 1 || c->pad[axis] != 0) return false;
    return true;
}

static void copy_run(float *to, const float *from, int64_t count) {
    if (count >= 16) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

static void zero_run(float *to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = 0.0f;
}

/* The same of taps that lie apart. */
static float *gather_apart(float *to, const float *row, const struct mrc_conv *c,
                           const struct mrc_piece *piece, int64_t column) {
    for (int64_t tap = piece->lo[2]; tap < piece->hi[2]; ++tap, to += c->cin) {
        const int64_t w = column + tap * c->dilation[2];
        if (w < 0 || w >= c->in[2])
            zero_run(to, c->cin);
        else
            copy_run(to, row + w * c->cin, c->cin);
    }
    return to;
}

/* One run: taps lo … hi-1 of a kernel row at input column `column` (of tap 0), from the map's row,
 * or zeros. */
static float *gather_run(float *to, const float *row, const struct mrc_conv *c,
                         const struct mrc_piece *piece, int64_t column) {
    if (c->dilation[2] > 1) return gather_apart(to, row, c, piece, column);
    int64_t taps = piece->hi[2] - piece->lo[2], begin = column + piece->lo[2];
    int64_t left = mrc_min_i64(taps, mrc_max_i64(0, -begin));
    int64_t right = mrc_min_i64(taps - left, mrc_max_i64(0, begin + taps - c->in[2]));
    if (left > 0) zero_run(to, left * c->cin);
    if (taps - left - right > 0)
        copy_run(to + left * c->cin, row + (begin + left) * c->cin, (taps - left - right) * c->cin);
    if (right > 0) zero_run(to + (taps - right) * c->cin, right * c->cin);
    return to + taps * c->cin;
}

/* The row of the map that tap (kd, kh) of output row (od, oh) reads, or NULL in the padding. image:
 * of one sample. */
static const float *input_row(const float *image, const struct mrc_conv *c, int64_t od, int64_t oh,
                              int64_t kd, int64_t kh) {
    int64_t d = od * c->stride[0] - c->pad[0] + kd * c->dilation[0];
    int64_t h = oh * c->stride[1] - c->pad[1] + kh * c->dilation[1];
    if (d < 0 || d >= c->in[0] || h < 0 || h >= c->in[1]) return NULL;
    return image + (d * c->in[1] + h) * c->in[2] * c->cin;
}

/* Output positions w0 … w1-1 of one output row, one (kd, kh) after the other. */
static void gather_row(float *patches, const float *image, const struct mrc_conv *c,
                       const struct mrc_piece *piece, int64_t od, int64_t oh, int64_t w0,
                       int64_t w1) {
    int64_t run = (piece->hi[2] - piece->lo[2]) * c->cin, at = 0;
    for (int64_t kd = piece->lo[0]; kd < piece->hi[0]; ++kd)
        for (int64_t kh = piece->lo[1]; kh < piece->hi[1]; ++kh, at += run) {
            const float *row = input_row(image, c, od, oh, kd, kh);
            float *to = patches + at;
            for (int64_t w = w0; w < w1; ++w, to += piece->columns) {
                if (row == NULL)
                    zero_run(to, run);
                else
                    gather_run(to, row, c, piece, w * c->stride[2] - c->pad[2]);
            }
        }
}

void mrc_patches_gather(float *patches, const float *src, const struct mrc_conv *c,
                        const struct mrc_piece *piece, int64_t first, int64_t last) {
    const int64_t image_floats = c->in[0] * c->in[1] * c->in[2] * c->cin;
    while (first < last) {
        int64_t w = first % c->out[2], row = first / c->out[2];
        int64_t oh = row % c->out[1], plane = row / c->out[1];
        int64_t od = plane % c->out[0], n = plane / c->out[0];
        int64_t count = mrc_min_i64(c->out[2] - w, last - first);
        gather_row(patches, src + n * image_floats, c, piece, od, oh, w, w + count);
        patches += count * piece->columns;
        first += count;
    }
}

static void add_run(float *to, const float *x, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += x[i];
}

/* One pixel's patch of taps that lie apart. */
static void scatter_apart(float *d_row, const float *patch, const struct mrc_conv *c,
                          const struct mrc_piece *piece, int64_t column) {
    for (int64_t tap = piece->lo[2]; tap < piece->hi[2]; ++tap, patch += c->cin) {
        const int64_t w = column + tap * c->dilation[2];
        if (w >= 0 && w < c->in[2]) add_run(d_row + w * c->cin, patch, c->cin);
    }
}

void mrc_patches_scatter_row(float *d_row, const float *patches, const struct mrc_conv *c,
                             const struct mrc_piece *piece, int64_t column) {
    const int64_t taps = piece->hi[2] - piece->lo[2];
    for (int64_t w = 0; w < c->out[2]; ++w) {
        const int64_t origin = w * c->stride[2] - c->pad[2];
        if (c->dilation[2] > 1) {
            scatter_apart(d_row, patches + w * piece->columns + column, c, piece, origin);
            continue;
        }
        int64_t begin = origin + piece->lo[2];
        int64_t from = mrc_max_i64(0, -begin), to = mrc_min_i64(taps, c->in[2] - begin);
        if (from >= to) continue;
        add_run(d_row + (begin + from) * c->cin,
                patches + w * piece->columns + column + from * c->cin, (to - from) * c->cin);
    }
}
