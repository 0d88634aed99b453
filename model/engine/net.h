/* net.h: net -> plan -> pass (docs/architecture.md, "The model core").
 * A net is the list of operations and two flat blocks, parameters and gradients. A plan is a net
 * for one input shape: immutable, printable, all sizes settled. A pass is the memory of one
 * application: the same net may be applied several times in a training step, each application in
 * its own pass. */
#ifndef MRC_MODEL_ENGINE_NET_H
#define MRC_MODEL_ENGINE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/text.h"
#include "model/engine/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mrc_net mrc_net;
typedef struct mrc_plan mrc_plan;
typedef struct mrc_pass mrc_pass;

/* --- Building. An add returns the new node's index, or -1 once anything has failed: a builder
 * checks only its last call and mrc_net_finish reports the first failure. Node 0 is the input. ---
 */
MRC_STATUS mrc_net_create(mrc_net **out, int64_t in_channels, struct mrc_error *err);
MRC_API int mrc_net_add(mrc_net *net, const char *name, const struct mrc_op *op,
                        const struct mrc_attributes *attr, int in0, int in1);
/** From now on what is added is in `dims` dimensions: 2 (the plane, as at first) or 3. */
MRC_API void mrc_net_set_dims(mrc_net *net, int dims);
/** k x k in the plane or, in three dimensions, k x k x k. */
MRC_API int mrc_net_add_conv(mrc_net *net, const char *name, int in, int64_t channels, int64_t k,
                             int64_t stride, int64_t pad);
MRC_API int mrc_net_add_conv_transpose(mrc_net *net, const char *name, int in, int64_t channels,
                                       int64_t k, int64_t stride, int64_t pad);
MRC_API int mrc_net_add_norm(mrc_net *net, const char *name, int in); /* eps 1e-5 */
MRC_API int mrc_net_add_leaky_relu(mrc_net *net, const char *name, int in, float slope);
MRC_API int mrc_net_add_unary(mrc_net *net, const char *name, const struct mrc_op *op, int in);
MRC_API int mrc_net_add_binary(mrc_net *net, const char *name, const struct mrc_op *op, int a,
                               int b);
/** k x k of which neighbours lie `dilation` pixels apart, as many around as keep the sides. */
MRC_API int mrc_net_add_dilated(mrc_net *net, const char *name, int in, int64_t channels, int64_t k,
                                int64_t dilation);
MRC_API int mrc_net_add_depthwise(mrc_net *net, const char *name, int in, int64_t k,
                                  int64_t dilation);
/** side x side pixels to channels, or back (op.h). */
MRC_API int mrc_net_add_space_to_depth(mrc_net *net, const char *name, int in, int64_t side);
MRC_API int mrc_net_add_depth_to_space(mrc_net *net, const char *name, int in, int64_t side);
/** The last node is the output; every other must be read by a later one. Allocates the blocks,
 * zeroed. */
MRC_STATUS mrc_net_finish(mrc_net *net, struct mrc_error *err);
MRC_API void mrc_net_destroy(mrc_net *net);

/* --- Parameters --- */
struct mrc_parameter {
    char name[48]; /* "enc3.conv.weight" */
    int rank;      /* 1, or 4 for 2-D and 5 for 3-D kernels */
    int64_t
        shape[5]; /* PyTorch's order: [out][in][kh][kw], transposed convolution [in][out][kh][kw] */
    size_t offset, count; /* place in the flat blocks (in memory order) */
};
MRC_API size_t mrc_net_parameter_count(const mrc_net *net); /* tensors */
MRC_API const struct mrc_parameter *mrc_net_parameter(const mrc_net *net, size_t index);
MRC_API size_t mrc_net_size(const mrc_net *net); /* floats in a block, gaps between tensors too */
MRC_API size_t mrc_net_weights(const mrc_net *net); /* floats in the tensors: what is trained */
MRC_API float *mrc_net_values(mrc_net *net);
MRC_API float *mrc_net_gradients(mrc_net *net);
/** One tensor between a flat block in memory order and PyTorch's order. */
MRC_API void mrc_net_export(const mrc_net *net, size_t index, const float *block,
                            float *torch_order);
MRC_API void mrc_net_import(const mrc_net *net, size_t index, const float *torch_order,
                            float *block);
/** First weights of convolutions, by the names of CycleGAN's reference code. With fan_in and
 * fan_out as PyTorch counts them: NORMAL N(0, gain), XAVIER N(0, gain sqrt(2 / (fan_in + fan_out)))
 * (Glorot, Bengio 2010), KAIMING N(0, sqrt(2 / fan_in)) (He et al. 2015; no gain), ORTHOGONAL: as a
 * matrix [shape[0]][rest], rows or columns orthogonal and of length gain (Saxe et al. 2014). Gains
 * of norms N(1, 0.02), all biases 0. Keyed by (seed, stream, tensor). */
enum mrc_init_kind { MRC_INIT_NORMAL, MRC_INIT_XAVIER, MRC_INIT_KAIMING, MRC_INIT_ORTHOGONAL };
MRC_API const char *mrc_init_kind_name(enum mrc_init_kind kind); /* "normal", "xavier", ... */
MRC_STATUS mrc_init_kind_parse(enum mrc_init_kind *out, const char *text, struct mrc_error *err);
MRC_API void mrc_net_init(mrc_net *net, enum mrc_init_kind kind, double gain, uint64_t seed,
                          uint32_t stream);
/** PyTorch's default instead, for the convolutions of nodes whose name begins with `prefix`:
 * weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in)), fan_in = c_in times the taps. Other
 * tensors stay as they are. */
MRC_API void mrc_net_init_uniform(mrc_net *net, const char *prefix, uint64_t seed, uint32_t stream);
/** Makes the convolution of node `name` ("local1.conv") more of a copy: adds `gain` to the weight
 * of the middle tap from channel `from` + c to channel c, for each c that both sides have, and `shift`
 * to the biases. No such convolution does nothing. */
MRC_API void mrc_net_add_copy(mrc_net *net, const char *name, int64_t from, float gain,
                              float shift);
/** Gives a convolution's output channels, `times` runs of equally many, the weights of the first
 * run ("head.conv.weight"); no such name does nothing. */
MRC_API void mrc_net_repeat(mrc_net *net, const char *name, int64_t times);
/** Multiplies one tensor ("head.conv.weight"); no such name does nothing. */
MRC_API void mrc_net_scale(mrc_net *net, const char *name, float factor);
/** Node of a name, or -1. */
MRC_API int mrc_net_find(const mrc_net *net, const char *name);

/* --- Plans and passes --- */
enum mrc_plan_mode { MRC_PLAN_INFERENCE, MRC_PLAN_TRAINING };
MRC_STATUS mrc_plan_create(mrc_plan **out, const mrc_net *net, struct mrc_shape in,
                           enum mrc_plan_mode mode, struct mrc_error *err);
MRC_API void mrc_plan_destroy(mrc_plan *plan);
MRC_API struct mrc_shape mrc_plan_output(const mrc_plan *plan);
MRC_API size_t mrc_plan_pass_bytes(const mrc_plan *plan); /* memory of one pass */
MRC_API size_t
mrc_plan_scratch_bytes(const mrc_plan *plan); /* shared by all passes: op scratch and gradients */
/** A table: node, operation, shape, bytes. */
MRC_API void mrc_plan_print(struct mrc_text *out, const mrc_plan *plan, const mrc_net *net);

/** Memory of one application. `scratch` is the caller's, at least mrc_plan_scratch_bytes, and may
 * be shared by passes that do not run at the same time. Net and plan must outlive the pass.
 * MRC_ERR_NOMEM; MRC_ERR_NUMERIC after mrc_blas_require_check (model/engine/blas_select.h) alone. */
MRC_STATUS mrc_pass_create(mrc_pass **out, mrc_net *net, const mrc_plan *plan, void *scratch,
                           struct mrc_error *err);
MRC_API void mrc_pass_destroy(mrc_pass *pass);
/** src [n][d][h][w][c] must stay unchanged until backward. Returns the output, valid until the next
 * forward. Cannot fail. */
MRC_API const float *mrc_pass_forward(mrc_pass *pass, const float *src);
/** What a backward does with the gradients of the net's parameters. The first of a step overwrites
 * them, which spares a large net the zeros. */
enum mrc_gradients { MRC_GRADIENTS_NONE, MRC_GRADIENTS_SET, MRC_GRADIENTS_ADD };
/** d_out: gradient at the output. d_src overwritten, NULL skips. Training plans only, after
 * forward; may be called again with another d_out. */
MRC_API void mrc_pass_backward(mrc_pass *pass, const float *d_out, float *d_src,
                               enum mrc_gradients gradients);
/** Output of a node after a forward, for tests; NULL when its memory was used again or it was
 * never made. A training plan keeps what backward reads, and every plan the last node. */
MRC_API const float *mrc_pass_node(const mrc_pass *pass, int node, struct mrc_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
