/* op_tools.h: small things all operations share: cuts of the work, checks of shapes, common infers.
 */
#ifndef MRC_MODEL_ENGINE_OPS_OP_TOOLS_H
#define MRC_MODEL_ENGINE_OPS_OP_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "base/status.h"
#include "model/engine/op.h"

/** Floats a thread works through in one chunk of an element by element loop: 64 KB, so that the cut
 * costs nothing. */
enum { MRC_ELEMENT_CHUNK = 16384 };

/** Positions of a shape: n d h w. */
static inline int64_t mrc_shape_pixels(struct mrc_shape s) {
    return s.n * s.d * s.h * s.w;
}
static inline int64_t mrc_min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t mrc_max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}
/** a / b rounded up; a >= 0, b > 0. */
static inline int64_t mrc_parts(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

enum { MRC_CACHE_LINE_FLOATS = 16 };

/** Floats up to the next cache line. */
static inline int64_t mrc_aligned_floats(int64_t floats) {
    return mrc_parts(floats, MRC_CACHE_LINE_FLOATS) * MRC_CACHE_LINE_FLOATS;
}

/** Asks for `count` floats that will be read soon, where no processor would guess it. */
static inline void mrc_fetch(const float *from, int64_t count) {
    for (int64_t at = 0; at < count; at += MRC_CACHE_LINE_FLOATS) __builtin_prefetch(from + at);
}

/** rows of `width` floats, `stride` apart, each set to `row`, or to zeros where that is NULL. */
void mrc_fill_rows(float *to, int64_t rows, int64_t width, int64_t stride, const float *row);

/** Positions of one sample: d h w. */
static inline int64_t mrc_map_pixels(struct mrc_shape s) {
    return s.d * s.h * s.w;
}

/** Work cut into columns: some channels of one sample, down all pixels of its map. */
enum { MRC_COLUMNS = 16 };
struct mrc_columns {
    int64_t n, first, count; /* sample, first channel, channels */
    int64_t offset;          /* of its first pixel's first channel, in the map */
    int64_t plane;           /* of its first channel, in an array [n][c] */
};
static inline size_t mrc_columns_count(struct mrc_shape s) {
    return (size_t)(s.n * mrc_parts(s.c, MRC_COLUMNS));
}
struct mrc_columns mrc_columns_at(struct mrc_shape s, size_t chunk);

/** Runs fn once for each chunk 0 … chunks-1 (begin is the chunk, end is begin + 1). Lanes stay
 * below `lanes`: when the pool has grown since the scratch was measured, the loop runs serially in
 * lane 0, to the same bytes. */
void mrc_op_for(int64_t chunks, int lanes, mrc_range_fn *fn, void *context);

/** a * b, or -1 when a or b is negative or the product exceeds `limit`. */
int64_t mrc_checked_product(int64_t a, int64_t b, int64_t limit);
/** All of n c d h w positive, and their product small enough for any buffer of floats made from it:
 * else MRC_ERR_NOMEM (too large) or MRC_ERR_ARGUMENT (not positive). `what` names the shape in the
 * message. */
enum mrc_status mrc_check_shape(struct mrc_shape s, const char *node, const char *what,
                                struct mrc_error *err);
bool mrc_shape_equal(struct mrc_shape a, struct mrc_shape b);

/** The one input of an operation that may read it in two parts. */
static inline struct mrc_shape mrc_joined_input(const struct mrc_site *site) {
    struct mrc_shape joined = site->in[0];
    joined.c += site->in[1].c;
    return joined;
}
/** Channels of the first of the two parts; 0: it is one. */
static inline int64_t mrc_first_part(const struct mrc_site *site) {
    return site->in[1].c > 0 ? site->in[0].c : 0;
}

/** declare of operations without parameters whose output has the first input's channels. */
enum mrc_status mrc_declare_same(struct mrc_node *node, struct mrc_error *err);
/** infer of element by element operations of one input: out = in, nothing saved, no scratch. */
enum mrc_status mrc_infer_same(struct mrc_site *site, const struct mrc_node *node,
                               struct mrc_error *err);

#endif
