/* plan.c: a net for one input shape. Every buffer gets a place by its lifetime, so that what is
 * dead is used again.
 *
 * Time runs forward through the nodes 1 … N-1, node i at time i, then backward, node i at time 2N -
 * i. A buffer is alive from the time that writes it to the last that reads it. Two blocks are laid
 * out so: the memory of one pass (outputs and what operations save) and the scratch that all passes
 * share (scratch of operations, gradients). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/engine/net_internal.h"

enum { ALIGNMENT = 64 };

/* --- Placing buffers by lifetime --- */

struct item {
    size_t bytes, first, last; /* alive at the times first … last */
    ptrdiff_t *place;          /* written */
};

struct layout {
    struct item *items;
    size_t count;
    size_t bytes; /* of the whole block, once placed */
};

static void layout_add(struct layout *layout, size_t bytes, size_t first, size_t last,
                       ptrdiff_t *place) {
    *place = PLAN_NOWHERE;
    if (bytes == 0) return;
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    layout->items[layout->count++] =
        (struct item){.bytes = rounded, .first = first, .last = last, .place = place};
}

static int larger_first(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* The first item among those placed that stands in the way at [at, at + bytes), or NULL. */
static const struct item *obstacle(const struct layout *layout, size_t placed,
                                   const struct item *item, size_t at) {
    for (size_t i = 0; i < placed; ++i) {
        const struct item *other = &layout->items[i];
        bool in_time = other->first <= item->last && item->first <= other->last;
        size_t begin = (size_t)*other->place;
        if (in_time && begin < at + item->bytes && at < begin + other->bytes) return other;
    }
    return NULL;
}

/* Largest first, each at the lowest place that is free for its whole life. */
static void layout_place(struct layout *layout) {
    qsort(layout->items, layout->count, sizeof(*layout->items), larger_first);
    for (size_t i = 0; i < layout->count; ++i) {
        struct item *item = &layout->items[i];
        size_t best = SIZE_MAX;
        for (size_t j = 0; j <= i; ++j) {
            size_t at = j == i ? 0 : (size_t)*layout->items[j].place + layout->items[j].bytes;
            if (at < best && obstacle(layout, i, item, at) == NULL) best = at;
        }
        *item->place = (ptrdiff_t)best;
        if (best + item->bytes > layout->bytes) layout->bytes = best + item->bytes;
    }
}

/* --- What is alive when --- */

struct planning {
    const mrc_net *net;
    mrc_plan *plan;
    struct layout pass, scratch;
    size_t *root;        /* node whose buffer a node's output shares: itself unless in place */
    size_t *last_reader; /* last node that reads the output; the node itself when none */
};

/* Of an output; none where it is never made, and so no place. */
static size_t value_bytes(const struct planning *p, size_t node) {
    if (p->plan->steps[node].skipped) return 0;
    return mrc_shape_count(p->plan->steps[node].site.out) * sizeof(float);
}

static size_t forward_end(const struct planning *p) {
    return p->plan->count;
}

static size_t backward_time(const struct planning *p, size_t node) {
    return 2 * p->plan->count - node;
}

static bool reads(const struct plan_step *step, size_t node) {
    for (int k = 0; k < step->inputs; ++k)
        if ((size_t)step->in[k] == node) return true;
    return false;
}

/* Is the output of `node` needed by any backward: its own, or that of a reader? */
static bool needed_backward(const struct planning *p, size_t node) {
    const mrc_net *net = p->net;
    if (node == 0) return false;
    if (net->nodes[node].op->backward_reads_dst) return true;
    for (size_t r = node + 1; r < net->node_count; ++r)
        if (reads(&p->plan->steps[r], node) && net->nodes[r].op->backward_reads_src) return true;
    return false;
}

/* May `node` write over its first input? Not over the caller's image, not before the last reader,
 * and in training not over what a backward still reads. */
static bool may_be_in_place(const struct planning *p, size_t node) {
    const struct plan_step *step = &p->plan->steps[node];
    size_t src = (size_t)step->in[0];
    if (!p->net->nodes[node].op->in_place || src == 0 || p->last_reader[src] != node) return false;
    if (step->inputs == 2 && (size_t)step->in[1] == src) return false;
    for (size_t other = 1; other < node;
         ++other) /* others that share the buffer must be done with it */
        if (p->root[other] == p->root[src] && p->last_reader[other] > node) return false;
    if (p->plan->mode == MRC_PLAN_INFERENCE) return true;
    return !needed_backward(p, src);
}

static void find_readers(struct planning *p) {
    for (size_t i = 0; i < p->net->node_count; ++i) p->last_reader[i] = i;
    for (size_t i = 1; i < p->plan->count; ++i)
        for (int k = 0; k < p->plan->steps[i].inputs; ++k)
            p->last_reader[p->plan->steps[i].in[k]] = i;
}

static void plan_values(struct planning *p) {
    mrc_plan *plan = p->plan;
    for (size_t i = 0; i < plan->count; ++i) {
        p->root[i] = i;
        if (i == 0 || !may_be_in_place(p, i)) continue;
        plan->steps[i].in_place = true;
        p->root[i] = p->root[plan->steps[i].in[0]];
    }
    for (size_t i = 1; i < plan->count; ++i) {
        if (p->root[i] != i) continue;
        size_t last = i;
        for (size_t j = i; j < plan->count; ++j) {
            if (p->root[j] != i) continue;
            if (p->last_reader[j] > last) last = p->last_reader[j];
            bool kept = plan->mode == MRC_PLAN_TRAINING && needed_backward(p, j);
            if (kept || j == plan->count - 1) last = forward_end(p);
        }
        layout_add(&p->pass, value_bytes(p, i), i, last, &plan->steps[i].value);
        if (last < forward_end(p)) continue;
        size_t owner = i; /* the last that writes into a kept buffer can be seen */
        for (size_t j = i; j < plan->count; ++j)
            if (p->root[j] == i) owner = j;
        plan->steps[owner].kept = true;
    }
}

static bool apart = false;

void plan_keep_apart(bool keep) {
    apart = keep;
}

/* A LeakyReLU in the buffer of the operation before, which only it reads: one pass over memory
 * instead of two. Backward has its gradients in one buffer too. */
static void plan_leaks(struct planning *p) {
    for (size_t i = 2; i + 1 < p->plan->count && !apart; ++i) {
        const struct mrc_node *node = &p->net->nodes[i];
        if (node->op != &mrc_op_leaky_relu || (size_t)node->in[0] != i - 1 ||
            !p->net->nodes[i - 1].op->takes_leak || !p->plan->steps[i].in_place)
            continue;
        p->plan->steps[i - 1].leaks = true;
        p->plan->steps[i].done = true;
    }
}

static void plan_saved(struct planning *p) {
    bool training = p->plan->mode == MRC_PLAN_TRAINING;
    for (size_t i = 1; i < p->plan->count; ++i) {
        struct plan_step *step = &p->plan->steps[i];
        layout_add(&p->pass, step->site.saved_bytes, i, training ? forward_end(p) : i,
                   &step->saved);
        layout_add(&p->scratch, step->site.scratch_bytes, i, i, &step->scratch_forward);
        size_t back = backward_time(p, i);
        size_t back_bytes = training ? step->site.scratch_bytes : 0;
        layout_add(&p->scratch, back_bytes, back, back, &step->scratch_backward);
    }
}

/* The gradient of node i lives from the backward of its last reader, which writes it, to its own.
 * Where several nodes read one output, the readers before the last write theirs into `extra`, to be
 * added. An operation that may work in place hands its own gradient's buffer down. */
static void plan_gradients(struct planning *p) {
    mrc_plan *plan = p->plan;
    size_t *root = p->root; /* used again: whose gradient buffer a node's gradient shares */
    for (size_t i = 0; i < plan->count; ++i) {
        root[i] = i;
        plan->steps[i].gradient = PLAN_NOWHERE;
        for (int k = 0; k < MRC_NODE_INPUTS; ++k) plan->steps[i].extra[k] = PLAN_NOWHERE;
    }
    for (size_t i = plan->count - 1; i >= 1; --i) {
        struct plan_step *step = &plan->steps[i];
        for (int k = 0; k < step->inputs; ++k) {
            size_t src = (size_t)step->in[k];
            bool first = p->last_reader[src] == i && !(k == 1 && (size_t)step->in[0] == src);
            step->add[k] = !first;
            if (!first)
                layout_add(&p->scratch, value_bytes(p, src), backward_time(p, i),
                           backward_time(p, i), &step->extra[k]);
            if (first && k == 0 && p->net->nodes[i].op->in_place && src != 0 &&
                i != plan->count - 1)
                root[src] = root[i];
        }
    }
    for (size_t i = plan->count - 2; i >= 1; --i) {
        if (root[i] != i) continue;
        size_t end = i;
        for (size_t j = 1; j < i; ++j)
            if (root[j] == i && j < end) end = j;
        layout_add(&p->scratch, value_bytes(p, i), backward_time(p, p->last_reader[i]),
                   backward_time(p, end), &plan->steps[i].gradient);
    }
}

/* Nodes that share a buffer learn where it was placed. `root` must be the one of that kind of
 * buffer. */
static void share_values(struct planning *p) {
    for (size_t i = 1; i < p->plan->count; ++i)
        if (p->root[i] != i) p->plan->steps[i].value = p->plan->steps[p->root[i]].value;
}

static void share_gradients(struct planning *p) {
    for (size_t i = 1; i < p->plan->count; ++i)
        if (p->root[i] != i) p->plan->steps[i].gradient = p->plan->steps[p->root[i]].gradient;
}

/* --- Creating --- */

static enum mrc_status infer_shapes(mrc_plan *plan, const mrc_net *net, struct mrc_shape in,
                                    struct mrc_error *err) {
    plan->steps[0].site.out = in;
    enum mrc_status st = MRC_OK;
    for (size_t i = 1; st == MRC_OK && i < plan->count; ++i) {
        const struct mrc_node *node = &net->nodes[i];
        struct plan_step *step = &plan->steps[i];
        step->inputs = node->inputs;
        for (int k = 0; k < node->inputs; ++k) {
            step->in[k] = node->in[k];
            step->site.in[k] = plan->steps[node->in[k]].site.out;
        }
        st = node->op->infer(&step->site, node, err);
    }
    return st;
}

/* The only node that reads the output of `node`; 0: none, or several. */
static size_t only_reader(const mrc_plan *plan, size_t node) {
    size_t reader = 0;
    for (size_t i = node + 1; i < plan->count; ++i) {
        if (!reads(&plan->steps[i], node)) continue;
        if (reader != 0) return 0;
        reader = i;
    }
    return reader;
}

/* A concatenation whose only reader can as well read what it is made of: nothing is copied, neither
 * forward nor, its gradient, backward. */
static enum mrc_status read_parts(mrc_plan *plan, const mrc_net *net, struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    for (size_t i = 1; st == MRC_OK && i < plan->count && !apart; ++i) {
        struct plan_step *cat = &plan->steps[i];
        const size_t reader = net->nodes[i].op == &mrc_op_concat ? only_reader(plan, i) : 0;
        if (reader == 0 || cat->in[0] == cat->in[1]) continue;
        if (reads(cat, 0)) continue; /* whose gradient may not be wanted: parts are both or none */
        const struct mrc_node *node = &net->nodes[reader];
        struct plan_step *step = &plan->steps[reader];
        struct plan_step joined = *step;
        joined.inputs = cat->inputs;
        memcpy(joined.in, cat->in, sizeof joined.in);
        memcpy(joined.site.in, cat->site.in, sizeof joined.site.in);
        if (step->inputs != 1 || node->op->takes_parts == NULL ||
            !node->op->takes_parts(node, &joined.site, plan->mode == MRC_PLAN_TRAINING))
            continue;
        st = node->op->infer(&joined.site, node, err); /* its scratch may be another */
        *step = joined;
        cat->inputs = 0;
        cat->skipped = cat->done = true;
    }
    return st;
}

static void settle(struct planning *p) {
    find_readers(p);
    plan_values(p);
    plan_leaks(p);
    plan_saved(p);
    layout_place(&p->pass);
    share_values(p);
    if (p->plan->mode == MRC_PLAN_TRAINING) plan_gradients(p);
    layout_place(&p->scratch);
    if (p->plan->mode == MRC_PLAN_TRAINING) share_gradients(p);
    p->plan->pass_bytes = p->pass.bytes;
    p->plan->scratch_bytes = p->scratch.bytes;
}

enum mrc_status mrc_plan_create(mrc_plan **out, const mrc_net *net, struct mrc_shape in,
                                enum mrc_plan_mode mode, struct mrc_error *err) {
    MRC_ASSERT(out != NULL && net != NULL && in.c == net->nodes[0].channels && net->node_count > 1);
    size_t n = net->node_count;
    enum {
        ITEMS_A_NODE = 6
    }; /* value, saved, two scratches, gradient, extras come instead of a first gradient */
    struct planning p = {.net = net, .plan = mrc_alloc(1, sizeof(mrc_plan))};
    p.pass.items = mrc_alloc(ITEMS_A_NODE * n, sizeof(struct item));
    p.scratch.items = mrc_alloc(ITEMS_A_NODE * n, sizeof(struct item));
    p.root = mrc_alloc(n, sizeof(size_t));
    p.last_reader = mrc_alloc(n, sizeof(size_t));
    if (p.plan != NULL) {
        p.plan->mode = mode;
        p.plan->count = n;
        p.plan->steps = mrc_alloc(n, sizeof(struct plan_step));
    }
    enum mrc_status st = MRC_OK;
    if (p.plan == NULL || p.plan->steps == NULL || p.pass.items == NULL ||
        p.scratch.items == NULL || p.root == NULL || p.last_reader == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a plan");
    if (st == MRC_OK) st = infer_shapes(p.plan, net, in, err);
    if (st == MRC_OK) st = read_parts(p.plan, net, err);
    if (st == MRC_OK) settle(&p);

    mrc_free(p.last_reader);
    mrc_free(p.root);
    mrc_free(p.scratch.items);
    mrc_free(p.pass.items);
    if (st != MRC_OK) {
        mrc_plan_destroy(p.plan);
        return st;
    }
    *out = p.plan;
    return MRC_OK;
}

void mrc_plan_destroy(mrc_plan *plan) {
    if (plan == NULL) return;
    mrc_free(plan->steps);
    mrc_free(plan);
}

struct mrc_shape mrc_plan_output(const mrc_plan *plan) {
    return plan->steps[plan->count - 1].site.out;
}

size_t mrc_plan_pass_bytes(const mrc_plan *plan) {
    return plan->pass_bytes;
}

size_t mrc_plan_scratch_bytes(const mrc_plan *plan) {
    return plan->scratch_bytes;
}

static size_t kib(size_t bytes) {
    return (bytes + 1023) / 1024;
}

void mrc_plan_print(struct mrc_text *out, const mrc_plan *plan, const mrc_net *net) {
    MRC_ASSERT(plan->count == net->node_count);
    mrc_text_appendf(out, "%-12s %-14s %-14s %8s %7s %8s %s\n", "node", "operation",
                     "shape n c d h w", "output", "saved", "scratch",
                     plan->mode == MRC_PLAN_TRAINING ? "algorithm, of gradients by input, weights"
                                                     : "algorithm");
    for (size_t i = 0; i < plan->count; ++i) {
        const struct mrc_node *node = &net->nodes[i];
        const struct plan_step *step = &plan->steps[i];
        struct mrc_shape s = step->site.out;
        char shape[128], bytes[32], algorithm[64] = "";
        (void)snprintf(shape, sizeof(shape),
                       "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, s.n, s.c, s.d,
                       s.h, s.w);
        (void)snprintf(bytes, sizeof(bytes), "%zu", kib(mrc_shape_count(s) * sizeof(float)));
        const char *output = i == 0           ? "caller's"
                             : step->skipped  ? "not made"
                             : step->in_place ? "in place"
                                              : bytes;
        if (i > 0 && node->op->describe != NULL)
            node->op->describe(algorithm, sizeof algorithm, node, &step->site,
                               plan->mode == MRC_PLAN_TRAINING);
        mrc_text_appendf(out, "%-12s %-14s %-14s %8s %7zu %8zu%s%s\n", node->name,
                         i == 0 ? "-" : node->op->name, shape, output, kib(step->site.saved_bytes),
                         kib(step->site.scratch_bytes), algorithm[0] != '\0' ? " " : "", algorithm);
    }
    mrc_text_appendf(out, "all in KiB; one pass %zu, shared scratch %zu, parameters %zu\n",
                     kib(plan->pass_bytes), kib(plan->scratch_bytes),
                     kib(net->size * sizeof(float)));
}
