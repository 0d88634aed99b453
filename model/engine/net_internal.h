/* net_internal.h: what net.c, plan.c and pass.c know of each other. Not installed. */
#ifndef MRC_MODEL_ENGINE_NET_INTERNAL_H
#define MRC_MODEL_ENGINE_NET_INTERNAL_H

#include "model/engine/net.h"

struct net_parameter {
    struct mrc_parameter seen; /* what callers see */
    int node;
    bool is_weight;
};

struct mrc_net {
    struct mrc_node *nodes;
    size_t node_count, node_capacity;
    struct net_parameter *parameters;
    size_t parameter_count, parameter_capacity;
    size_t size; /* floats in a block; every tensor begins on a cache line, gaps stay zero */
    int dims;    /* of what is added: 2 or 3 */
    float *values, *gradients; /* NULL until mrc_net_finish; no gradients after net_finish_values */
    struct mrc_error failure;  /* the first one while building */
};

/* Where the bytes of one node lie: offsets into the memory of a pass or into the shared scratch. */
enum { PLAN_NOWHERE = -1 };
struct plan_step {
    struct mrc_site site;
    int inputs; /* the node's, or those of the concatenation it reads, as they lie */
    int in[MRC_NODE_INPUTS];
    bool skipped;    /* a concatenation that is never made */
    ptrdiff_t value; /* output, in the pass; shared with the input's when in place */
    bool in_place;   /* dst is src[0] */
    bool leaks;      /* does the LeakyReLU along that comes next */
    bool done;       /* by the node before */
    bool kept;       /* the output is still there after forward */
    ptrdiff_t saved; /* in the pass */
    ptrdiff_t scratch_forward, scratch_backward; /* in the scratch */
    ptrdiff_t gradient;        /* of the output, in the scratch; PLAN_NOWHERE for the last node: the
                                  caller's d_out */
    bool add[MRC_NODE_INPUTS]; /* backward: d_src goes to `extra` and is added, as a later reader
                                  wrote already */
    ptrdiff_t extra[MRC_NODE_INPUTS]; /* in the scratch */
};

struct mrc_plan {
    enum mrc_plan_mode mode;
    size_t count; /* nodes, the input included */
    struct plan_step
        *steps; /* steps[0]: only site.out and, where several nodes read the input, nothing else */
    size_t pass_bytes, scratch_bytes;
};

/** For tests: plans made from now on do every operation by itself. */
void plan_keep_apart(bool apart);

/** The first failure of building, or an output that nobody reads. */
enum mrc_status net_check(mrc_net *net, struct mrc_error *err);

/** mrc_net_finish without gradients: for a net that is only applied. */
enum mrc_status net_finish_values(mrc_net *net, struct mrc_error *err);

#endif
