/* pass.c: one application of a net: the memory of its plan, and the walk forward and backward
 * through the nodes. */
#include <string.h>

#include "base/parallel.h"
#include "model/engine/blas_select.h"
#include "model/engine/net_internal.h"

enum { ADD_GRAIN = 1 << 15 };

struct mrc_pass {
    mrc_net *net;
    const mrc_plan *plan;
    unsigned char *memory;  /* plan->pass_bytes */
    unsigned char *scratch; /* the caller's */
    const float *src;       /* of the last forward */
};

enum mrc_status mrc_pass_create(mrc_pass **out, mrc_net *net, const mrc_plan *plan, void *scratch,
                                struct mrc_error *err) {
    MRC_ASSERT(out != NULL && net != NULL && plan != NULL && net->values != NULL &&
               plan->count == net->node_count);
    MRC_ASSERT(net->gradients != NULL || plan->mode == MRC_PLAN_INFERENCE);
    MRC_ASSERT(scratch != NULL || plan->scratch_bytes == 0);
    if (!mrc_blas_may_compute())
        return mrc_fail(err, MRC_ERR_NUMERIC,
                        "OpenBLAS's kernel %s: its sums were not checked, expected mrc_blas_check "
                        "before a network is computed",
                        mrc_blas_kernel_name());
    mrc_pass *pass = mrc_alloc(1, sizeof(*pass));
    if (pass != NULL) pass->memory = mrc_alloc(plan->pass_bytes, 1);
    if (pass == NULL || pass->memory == NULL) {
        mrc_pass_destroy(pass);
        return mrc_fail(err, MRC_ERR_NOMEM,
                        "out of memory: one application of the network needs %zu bytes",
                        plan->pass_bytes);
    }
    pass->net = net;
    pass->plan = plan;
    pass->scratch = scratch;
    *out = pass;
    return MRC_OK;
}

void mrc_pass_destroy(mrc_pass *pass) {
    if (pass == NULL) return;
    mrc_free(pass->memory);
    mrc_free(pass);
}

static void *at(unsigned char *base, ptrdiff_t place) {
    return place == PLAN_NOWHERE ? NULL : base + place;
}

static const float *value_of(const mrc_pass *pass, int node) {
    return node == 0 ? pass->src : at(pass->memory, pass->plan->steps[node].value);
}

/* What forward and backward of a node have in common. */
static struct mrc_call call_of(const mrc_pass *pass, size_t index, ptrdiff_t scratch) {
    const struct mrc_node *node = &pass->net->nodes[index];
    const struct plan_step *step = &pass->plan->steps[index];
    struct mrc_call call = {.dst = at(pass->memory, step->value),
                            .saved = at(pass->memory, step->saved),
                            .scratch = at(pass->scratch, scratch)};
    for (int k = 0; k < step->inputs; ++k) call.src[k] = value_of(pass, step->in[k]);
    if (pass->plan->steps[index].leaks) {
        call.leaks = true;
        call.leak = pass->net->nodes[index + 1].attr.slope;
    }
    if (node->weight != MRC_NO_PARAMETER) call.weight = pass->net->values + node->weight;
    if (node->bias != MRC_NO_PARAMETER) call.bias = pass->net->values + node->bias;
    return call;
}

const float *mrc_pass_forward(mrc_pass *pass, const float *src) {
    MRC_ASSERT(pass != NULL && src != NULL);
    pass->src = src;
    const mrc_plan *plan = pass->plan;
    for (size_t i = 1; i < plan->count; ++i) {
        const struct mrc_node *node = &pass->net->nodes[i];
        if (plan->steps[i].done) continue;
        struct mrc_call call = call_of(pass, i, plan->steps[i].scratch_forward);
        node->op->forward(node, &plan->steps[i].site, &call);
    }
    return value_of(pass, (int)plan->count - 1);
}

struct add_task {
    float *dst;
    const float *src;
};

static void add_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct add_task *task = context;
    for (size_t i = begin; i < end; ++i) task->dst[i] += task->src[i];
}

/* Where the gradient of a node's output lies while backward runs; NULL only for the input when
 * nobody wants it. */
static float *gradient_of(const mrc_pass *pass, int node, float *d_src) {
    return node == 0 ? d_src : at(pass->scratch, pass->plan->steps[node].gradient);
}

static void backward_node(mrc_pass *pass, size_t index, const float *d_dst, float *d_src,
                          enum mrc_gradients gradients) {
    const struct mrc_node *node = &pass->net->nodes[index];
    const struct plan_step *step = &pass->plan->steps[index];
    struct mrc_call call = call_of(pass, index, step->scratch_backward);
    float *target[MRC_NODE_INPUTS] = {NULL};
    call.d_dst = d_dst;
    call.overwrite = gradients == MRC_GRADIENTS_SET;
    for (int k = 0; k < step->inputs; ++k) {
        target[k] = gradient_of(pass, step->in[k], d_src);
        call.d_src[k] =
            target[k] != NULL && step->add[k] ? at(pass->scratch, step->extra[k]) : target[k];
    }
    const bool wanted = gradients != MRC_GRADIENTS_NONE;
    if (wanted && node->weight != MRC_NO_PARAMETER)
        call.d_weight = pass->net->gradients + node->weight;
    if (wanted && node->bias != MRC_NO_PARAMETER) call.d_bias = pass->net->gradients + node->bias;
    node->op->backward(node, &step->site, &call);
    for (int k = 0; k < step->inputs; ++k) {
        if (target[k] == NULL || !step->add[k]) continue;
        struct add_task task = {.dst = target[k], .src = call.d_src[k]};
        mrc_parallel_for(mrc_shape_count(step->site.in[k]), ADD_GRAIN, add_range, &task);
    }
}

void mrc_pass_backward(mrc_pass *pass, const float *d_out, float *d_src,
                       enum mrc_gradients gradients) {
    MRC_ASSERT(pass != NULL && d_out != NULL && pass->src != NULL &&
               pass->plan->mode == MRC_PLAN_TRAINING);
    size_t last = pass->plan->count - 1;
    for (size_t i = last; i >= 1; --i)
        if (!pass->plan->steps[i].done)
            backward_node(pass, i, i == last ? d_out : gradient_of(pass, (int)i, d_src), d_src,
                          gradients);
}

const float *mrc_pass_node(const mrc_pass *pass, int node, struct mrc_shape *shape) {
    MRC_ASSERT(node > 0 && (size_t)node < pass->plan->count);
    const struct plan_step *step = &pass->plan->steps[node];
    if (shape != NULL) *shape = step->site.out;
    return step->kept ? value_of(pass, node) : NULL;
}
