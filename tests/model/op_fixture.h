/* op_fixture.h: one operation with all its buffers, each exactly as large as promised (so that ASan
 * sees any step beyond), filled with keyed random numbers. */
#ifndef MRC_TESTS_MODEL_OP_FIXTURE_H
#define MRC_TESTS_MODEL_OP_FIXTURE_H

#include "model/engine/op.h"

struct op_case {
    const char *name;
    const struct mrc_op *op;
    struct mrc_attributes attr;
    struct mrc_shape in[MRC_NODE_INPUTS]; /* the second is all zeros where there is one input */
};

struct op_fixture {
    struct mrc_node node;
    struct mrc_site site;
    struct mrc_call call;
    float *src[MRC_NODE_INPUTS], *d_src[MRC_NODE_INPUTS];
    float *dst, *d_dst, *weight, *bias, *d_weight, *d_bias;
    size_t src_count[MRC_NODE_INPUTS], dst_count;
};

/** declare and infer only; the status of the first that fails. */
enum mrc_status op_settle(struct mrc_node *node, struct mrc_site *site, const struct op_case *c,
                          struct mrc_error *err);
/** Settles (must succeed) and fills. Buffers that are to be overwritten hold NaN. */
void op_fixture_init(struct op_fixture *f, const struct op_case *c);
void op_fixture_clear(struct op_fixture *f);
void op_forward(struct op_fixture *f);
/** Parameter gradients are set to `start` first, and added to; NAN: they are overwritten. */
void op_backward(struct op_fixture *f, float start);

#endif
