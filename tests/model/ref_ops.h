/* ref_ops.h: the slow truth of each operation: plain loops in double, one position at a time, no
 * cleverness. Layouts as in model/engine/op.h: [n][d][h][w][c]; weights [kd][kh][kw][cin][cout],
 * transposed [kd][kh][kw][cout][cin]. */
#ifndef MRC_TESTS_MODEL_REF_OPS_H
#define MRC_TESTS_MODEL_REF_OPS_H

#include "model/engine/op.h"

/** dst of any operation, from doubles. */
void mrc_forward_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                     const double *const *src, const double *weight, const double *bias);

/** Gradients of the two convolutions: d_src overwritten, d_weight and d_bias added to. */
void mrc_conv_backward_ref(double *d_src, double *d_weight, double *d_bias,
                           const struct mrc_node *node, const struct mrc_site *site,
                           const double *d_dst, const double *src, const double *weight);

#endif
