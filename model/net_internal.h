/* net_internal.h: what net.c, plan.c and pass.c know of each other, and the builders' lists of
 * layers. Not installed. */
#ifndef MRC_MODEL_NET_INTERNAL_H
#define MRC_MODEL_NET_INTERNAL_H

#include "model/cyclegan.h"
#include "model/net.h"

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

/* The lists of layers. They add nodes only; the blocks of parameters are allocated by
 * mrc_net_finish. */
void net_build_unet(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_local(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_hybrid(mrc_net *net, const struct mrc_generator_settings *settings);
void net_build_patchgan(mrc_net *net, int64_t width);

/* The branches of a generator, from node `in`, without the sigmoid. Each returns its last node, or
 * -1. */
int net_add_unet_logits(mrc_net *net, int in, const struct mrc_generator_settings *settings);
int net_add_local_logits(mrc_net *net, int in, int64_t channels);

/** Channels, size and width in their ranges? */
enum mrc_status net_check_generator(const struct mrc_generator_settings *settings,
                                    struct mrc_error *err);
/* Names and shapes of all tensors, checked; no memory for them yet. mrc_net_finish makes the net
 * usable. */
enum mrc_status net_declare_generator(mrc_net **out, enum mrc_generator_kind kind,
                                      const struct mrc_generator_settings *settings,
                                      struct mrc_error *err);
enum mrc_status net_declare_patchgan(mrc_net **out, int64_t channels, int64_t width,
                                     struct mrc_error *err);
/* How first weights are drawn: see mrc_net_init. */
struct net_init {
    enum mrc_init_kind kind;
    double gain;
    uint64_t seed;
    uint32_t stream;
};
/* The first weights of a finished generator; its local branch has a way of its own. */
void net_init_generator(mrc_net *net, enum mrc_generator_kind kind, const struct net_init *init);

#endif
