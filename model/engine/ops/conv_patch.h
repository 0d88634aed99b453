/* conv_patch.h: patches of a map as rows of a matrix, and back. A piece is a box of taps whose
 * weights are contiguous rows of the weight matrix; a patch matrix holds, for each output position,
 * the inputs under the taps of one piece. */
#ifndef MRC_MODEL_ENGINE_OPS_CONV_PATCH_H
#define MRC_MODEL_ENGINE_OPS_CONV_PATCH_H

#include <stdint.h>

#include "model/engine/ops/conv_kernel.h"

struct mrc_piece {
    int64_t lo[3], hi[3]; /* taps; hi excluded */
    int64_t columns;      /* taps * cin: columns of the patch matrix */
    int64_t row;          /* first row of the weight matrix */
};

/** The live taps cut into pieces of about `target` columns (at least one tap each). */
struct mrc_piece_cut {
    int64_t step[3], parts[3], count;
    int64_t widest; /* most columns of a piece */
};
struct mrc_piece_cut mrc_piece_cut_for(const struct mrc_conv *c, int64_t target);
struct mrc_piece mrc_piece_at(const struct mrc_conv *c, const struct mrc_piece_cut *cut,
                              int64_t index);

/** patches [last - first][columns]: what the piece's taps of output positions first … last-1
 * (counted over n d h w) read from src [n][d][h][w][cin]; zeros where they meet padding. */
void mrc_patches_gather(float *patches, const float *src, const struct mrc_conv *c,
                        const struct mrc_piece *piece, int64_t first, int64_t last);

/** Adds the piece's share of one output row back: patches [out w][columns] of the taps (kd, kh,
 * lo[2]…hi[2]) whose first column is `column`, into d_row [in w][cin], the row of the input those
 * taps read. */
void mrc_patches_scatter_row(float *d_row, const float *patches, const struct mrc_conv *c,
                             const struct mrc_piece *piece, int64_t column);

/** Is the patch matrix the map itself (1x1, stride 1, no padding)? */
bool mrc_conv_is_pointwise(const struct mrc_conv *c);

#endif
