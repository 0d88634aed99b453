/* net.c: the list of operations, the flat blocks of parameters and gradients, and the first
 * weights. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "model/engine/net_internal.h"

enum { CACHE_LINE_FLOATS = 16, INIT_CHUNK = 4096 };

/* --- Building --- */

static enum mrc_status out_of_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a network");
}

static struct mrc_node *push_node(mrc_net *net) {
    void *nodes = net->nodes;
    int grown = mrc_grow(&nodes, &net->node_capacity, net->node_count + 1, sizeof(*net->nodes));
    net->nodes = nodes;
    if (!grown) {
        (void)out_of_memory(&net->failure);
        return NULL;
    }
    struct mrc_node *node = &net->nodes[net->node_count++];
    *node = (struct mrc_node){.weight = MRC_NO_PARAMETER, .bias = MRC_NO_PARAMETER};
    return node;
}

enum mrc_status mrc_net_create(mrc_net **out, int64_t in_channels, struct mrc_error *err) {
    MRC_ASSERT(out != NULL && in_channels > 0);
    mrc_net *net = mrc_alloc(1, sizeof(*net));
    if (net == NULL) return out_of_memory(err);
    struct mrc_node *input = push_node(net);
    if (input == NULL) {
        mrc_net_destroy(net);
        return out_of_memory(err);
    }
    (void)snprintf(input->name, sizeof(input->name), "input");
    input->channels = in_channels;
    net->dims = 2;
    *out = net;
    return MRC_OK;
}

void mrc_net_destroy(mrc_net *net) {
    if (net == NULL) return;
    mrc_free(net->gradients);
    mrc_free(net->values);
    mrc_free(net->parameters);
    mrc_free(net->nodes);
    mrc_free(net);
}

/* PyTorch's shape of a kernel: [out][in] or, transposed, [in][out], and the kernel, of two dimensions
 * without a depth of 1. */
static void set_kernel_shape(struct mrc_parameter *p, const struct mrc_node *node, int dims) {
    const bool transposed = node->op == &mrc_op_conv_transpose;
    p->shape[0] = transposed ? node->in_channels[0] : node->channels;
    p->shape[1] = transposed ? node->channels : node->in_channels[0];
    if (node->op == &mrc_op_conv_depthwise) p->shape[1] = 1;
    p->rank = 2;
    for (int axis = 0; axis < 3; ++axis)
        if (axis > 0 || dims == 3 || node->attr.k[0] > 1) p->shape[p->rank++] = node->attr.k[axis];
}

static bool is_kernel(const struct mrc_node *node) {
    return node->op == &mrc_op_conv || node->op == &mrc_op_conv_transpose ||
           node->op == &mrc_op_conv_depthwise;
}

/* Gives one tensor its place in the blocks. Returns the offset, or MRC_NO_PARAMETER when memory is
 * exhausted. */
static ptrdiff_t push_parameter(mrc_net *net, size_t node_index, bool is_weight, size_t count) {
    void *parameters = net->parameters;
    int grown = mrc_grow(&parameters, &net->parameter_capacity, net->parameter_count + 1,
                         sizeof(*net->parameters));
    net->parameters = parameters;
    if (!grown) {
        (void)out_of_memory(&net->failure);
        return MRC_NO_PARAMETER;
    }
    const struct mrc_node *node = &net->nodes[node_index];
    struct net_parameter *p = &net->parameters[net->parameter_count++];
    *p = (struct net_parameter){.node = (int)node_index, .is_weight = is_weight};
    (void)snprintf(p->seen.name, sizeof(p->seen.name), "%s.%s", node->name,
                   is_weight ? "weight" : "bias");
    p->seen.rank = 1;
    p->seen.shape[0] = (int64_t)count;
    if (is_weight && is_kernel(node)) set_kernel_shape(&p->seen, node, net->dims);
    p->seen.offset = net->size;
    p->seen.count = count;
    net->size += (count + CACHE_LINE_FLOATS - 1) / CACHE_LINE_FLOATS * CACHE_LINE_FLOATS;
    return (ptrdiff_t)p->seen.offset;
}

static void check_name(mrc_net *net, const char *name) {
    if (strlen(name) >= sizeof(net->nodes[0].name)) {
        (void)mrc_fail(&net->failure, MRC_ERR_ARGUMENT,
                       "node name %s has %zu characters, at most %zu are allowed", name,
                       strlen(name), sizeof(net->nodes[0].name) - 1);
    } else if (mrc_net_find(net, name) >= 0) {
        (void)mrc_fail(&net->failure, MRC_ERR_ARGUMENT, "two nodes of a network are named %s",
                       name);
    }
}

int mrc_net_add(mrc_net *net, const char *name, const struct mrc_op *op,
                const struct mrc_attributes *attr, int in0, int in1) {
    MRC_ASSERT(net != NULL && name != NULL && op != NULL && net->values == NULL);
    if (net->failure.code != MRC_OK) return -1;
    MRC_ASSERT(in0 >= 0 && (size_t)in0 < net->node_count && in1 < (int)net->node_count);
    check_name(net, name);
    if (net->failure.code != MRC_OK) return -1;

    size_t index = net->node_count;
    struct mrc_node *node = push_node(net);
    if (node == NULL) return -1;
    node->op = op;
    (void)snprintf(node->name, sizeof(node->name), "%s", name);
    node->inputs = in1 >= 0 ? 2 : 1;
    node->in[0] = in0;
    node->in[1] = in1;
    for (int i = 0; i < node->inputs; ++i) node->in_channels[i] = net->nodes[node->in[i]].channels;
    if (attr != NULL) node->attr = *attr;

    if (op->declare(node, &net->failure) != MRC_OK) return -1;
    if (node->weight_count > 0) node->weight = push_parameter(net, index, true, node->weight_count);
    if (node->bias_count > 0) node->bias = push_parameter(net, index, false, node->bias_count);
    return net->failure.code == MRC_OK ? (int)index : -1;
}

void mrc_net_set_dims(mrc_net *net, int dims) {
    MRC_ASSERT(dims == 2 || dims == 3);
    net->dims = dims;
}

/* The same along all axes of the net; in the plane, depth stays as it is. */
static struct mrc_attributes along_axes(const mrc_net *net, int64_t k, int64_t stride, int64_t pad,
                                        int64_t dilation) {
    struct mrc_attributes attr = {.k = {1, k, k},
                                  .stride = {1, stride, stride},
                                  .pad = {0, pad, pad},
                                  .dilation = {1, dilation, dilation}};
    if (net->dims == 3) {
        attr.k[0] = k;
        attr.stride[0] = stride;
        attr.pad[0] = pad;
        attr.dilation[0] = dilation;
    }
    return attr;
}

int mrc_net_add_conv(mrc_net *net, const char *name, int in, int64_t channels, int64_t k,
                     int64_t stride, int64_t pad) {
    struct mrc_attributes attr = along_axes(net, k, stride, pad, 1);
    attr.channels = channels;
    return mrc_net_add(net, name, &mrc_op_conv, &attr, in, -1);
}

int mrc_net_add_conv_transpose(mrc_net *net, const char *name, int in, int64_t channels, int64_t k,
                               int64_t stride, int64_t pad) {
    struct mrc_attributes attr = along_axes(net, k, stride, pad, 1);
    attr.channels = channels;
    return mrc_net_add(net, name, &mrc_op_conv_transpose, &attr, in, -1);
}

int mrc_net_add_dilated(mrc_net *net, const char *name, int in, int64_t channels, int64_t k,
                        int64_t dilation) {
    struct mrc_attributes attr = along_axes(net, k, 1, k / 2 * dilation, dilation);
    attr.channels = channels;
    return mrc_net_add(net, name, &mrc_op_conv, &attr, in, -1);
}

int mrc_net_add_depthwise(mrc_net *net, const char *name, int in, int64_t k, int64_t dilation) {
    struct mrc_attributes attr = along_axes(net, k, 1, k / 2 * dilation, dilation);
    attr.channels = in >= 0 ? net->nodes[in].channels : 0;
    return mrc_net_add(net, name, &mrc_op_conv_depthwise, &attr, in, -1);
}

int mrc_net_add_space_to_depth(mrc_net *net, const char *name, int in, int64_t side) {
    const struct mrc_attributes attr = along_axes(net, 1, side, 0, 1);
    return mrc_net_add(net, name, &mrc_op_space_to_depth, &attr, in, -1);
}

int mrc_net_add_depth_to_space(mrc_net *net, const char *name, int in, int64_t side) {
    const struct mrc_attributes attr = along_axes(net, 1, side, 0, 1);
    return mrc_net_add(net, name, &mrc_op_depth_to_space, &attr, in, -1);
}

int mrc_net_add_norm(mrc_net *net, const char *name, int in) {
    struct mrc_attributes attr = {.eps = 1e-5f};
    return mrc_net_add(net, name, &mrc_op_instance_norm, &attr, in, -1);
}

int mrc_net_add_leaky_relu(mrc_net *net, const char *name, int in, float slope) {
    struct mrc_attributes attr = {.slope = slope};
    return mrc_net_add(net, name, &mrc_op_leaky_relu, &attr, in, -1);
}

int mrc_net_add_unary(mrc_net *net, const char *name, const struct mrc_op *op, int in) {
    return mrc_net_add(net, name, op, NULL, in, -1);
}

int mrc_net_add_binary(mrc_net *net, const char *name, const struct mrc_op *op, int a, int b) {
    MRC_ASSERT(b >= 0 || net->failure.code != MRC_OK);
    return mrc_net_add(net, name, op, NULL, a, b);
}

/* Every output but the last must be read: an unread one has no gradient. */
static void check_readers(mrc_net *net) {
    for (size_t i = 0; i + 1 < net->node_count && net->failure.code == MRC_OK; ++i) {
        bool read = false;
        for (size_t j = i + 1; j < net->node_count; ++j)
            for (int k = 0; k < net->nodes[j].inputs; ++k)
                read = read || (size_t)net->nodes[j].in[k] == i;
        if (!read)
            (void)mrc_fail(&net->failure, MRC_ERR_ARGUMENT,
                           "no later node of the network reads node %s", net->nodes[i].name);
    }
}

enum mrc_status net_check(mrc_net *net, struct mrc_error *err) {
    if (net->failure.code == MRC_OK) check_readers(net);
    if (net->failure.code != MRC_OK)
        return mrc_fail(err, net->failure.code, "%s", net->failure.text);
    return MRC_OK;
}

enum mrc_status net_finish_values(mrc_net *net, struct mrc_error *err) {
    MRC_ASSERT(net != NULL && net->values == NULL);
    enum mrc_status st = net_check(net, err);
    if (st != MRC_OK) return st;
    net->values = mrc_alloc(net->size, sizeof(float));
    return net->values != NULL ? MRC_OK : out_of_memory(err);
}

enum mrc_status mrc_net_finish(mrc_net *net, struct mrc_error *err) {
    enum mrc_status st = net_finish_values(net, err);
    if (st != MRC_OK) return st;
    net->gradients = mrc_alloc(net->size, sizeof(float));
    return net->gradients != NULL ? MRC_OK : out_of_memory(err);
}

int mrc_net_find(const mrc_net *net, const char *name) {
    for (size_t i = 0; i < net->node_count; ++i)
        if (strcmp(net->nodes[i].name, name) == 0) return (int)i;
    return -1;
}

/* --- Parameters --- */

size_t mrc_net_parameter_count(const mrc_net *net) {
    return net->parameter_count;
}

size_t mrc_net_weights(const mrc_net *net) {
    size_t weights = 0;
    for (size_t i = 0; i < mrc_net_parameter_count(net); ++i)
        weights += mrc_net_parameter(net, i)->count;
    return weights;
}

const struct mrc_parameter *mrc_net_parameter(const mrc_net *net, size_t index) {
    MRC_ASSERT(index < net->parameter_count);
    return &net->parameters[index].seen;
}

size_t mrc_net_size(const mrc_net *net) {
    return net->size;
}

float *mrc_net_values(mrc_net *net) {
    return net->values;
}

float *mrc_net_gradients(mrc_net *net) {
    return net->gradients;
}

/* Memory order is [taps][a][b], PyTorch's is [b][a][taps]: for a convolution a is c_in and b is
 * c_out, for a transposed one a is c_out and b is c_in. So both are the same permutation of (taps,
 * shape[1], shape[0]). */
struct kernel_order {
    size_t taps, a, b;
};

static struct kernel_order kernel_order(const struct net_parameter *p) {
    struct kernel_order order = {.taps = 1, .a = 1, .b = (size_t)p->seen.shape[0]};
    if (p->seen.rank > 1) order.a = (size_t)p->seen.shape[1];
    for (int i = 2; i < p->seen.rank; ++i) order.taps *= (size_t)p->seen.shape[i];
    return order;
}

struct reordering {
    struct kernel_order order;
    const float *src; /* one in memory order, one in PyTorch's */
    float *dst;
    bool to_torch;
};

/* Columns begin … end-1 of b, few at a time: whole cache lines of memory order, and as many streams
 * of PyTorch's. */
static void reorder_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct reordering *r = context;
    const struct kernel_order o = r->order;
    for (size_t a = 0; a < o.a; ++a)
        for (size_t t = 0; t < o.taps; ++t) {
            const size_t row = (t * o.a + a) * o.b, column = a * o.taps + t;
            for (size_t b = begin; b < end; ++b) {
                const size_t in_memory = row + b, in_torch = b * o.a * o.taps + column;
                if (r->to_torch)
                    r->dst[in_torch] = r->src[in_memory];
                else
                    r->dst[in_memory] = r->src[in_torch];
            }
        }
}

enum { REORDER_GRAIN = 16 };

void mrc_net_export(const mrc_net *net, size_t index, const float *block, float *torch_order) {
    MRC_ASSERT(index < net->parameter_count);
    struct reordering r = {.order = kernel_order(&net->parameters[index]),
                           .src = block + net->parameters[index].seen.offset,
                           .dst = torch_order,
                           .to_torch = true};
    mrc_parallel_for(r.order.b, REORDER_GRAIN, reorder_range, &r);
}

void mrc_net_import(const mrc_net *net, size_t index, const float *torch_order, float *block) {
    MRC_ASSERT(index < net->parameter_count);
    struct reordering r = {.order = kernel_order(&net->parameters[index]),
                           .src = torch_order,
                           .dst = block + net->parameters[index].seen.offset};
    mrc_parallel_for(r.order.b, REORDER_GRAIN, reorder_range, &r);
}

/* --- First weights --- */

enum init_law { INIT_NORMAL, INIT_UNIFORM };

struct init_task {
    float *values;
    uint64_t seed;
    uint32_t stream;
    size_t tensor, count;
    enum init_law law;
    double centre, spread; /* mean and deviation, or middle and half width */
};

/* Chunks have streams of their own, so a tensor's values do not depend on the number of threads. */
static void init_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct init_task *task = context;
    uint64_t sample = ((uint64_t)task->tensor << 32) | (begin / INIT_CHUNK);
    struct mrc_rng rng = mrc_rng_for(task->seed, task->stream, sample, MRC_FOR_INIT);
    for (size_t i = begin; i < end; ++i) {
        double draw =
            task->law == INIT_NORMAL ? mrc_rng_normal(&rng) : 2.0 * mrc_rng_uniform(&rng) - 1.0;
        task->values[i] = (float)(task->centre + task->spread * draw);
    }
}

static void init_tensor(mrc_net *net, size_t tensor, uint64_t seed, uint32_t stream,
                        enum init_law law, double centre, double spread) {
    const struct mrc_parameter *p = &net->parameters[tensor].seen;
    struct init_task task = {.values = net->values + p->offset,
                             .seed = seed,
                             .stream = stream,
                             .tensor = tensor,
                             .count = p->count,
                             .law = law,
                             .centre = centre,
                             .spread = spread};
    mrc_parallel_for(p->count, INIT_CHUNK, init_range, &task);
}

static const char *const init_kinds[] = {[MRC_INIT_NORMAL] = "normal",
                                         [MRC_INIT_XAVIER] = "xavier",
                                         [MRC_INIT_KAIMING] = "kaiming",
                                         [MRC_INIT_ORTHOGONAL] = "orthogonal"};

const char *mrc_init_kind_name(enum mrc_init_kind kind) {
    MRC_ASSERT((size_t)kind < sizeof(init_kinds) / sizeof(init_kinds[0]));
    return init_kinds[kind];
}

enum mrc_status mrc_init_kind_parse(enum mrc_init_kind *out, const char *text,
                                    struct mrc_error *err) {
    for (size_t i = 0; i < sizeof(init_kinds) / sizeof(init_kinds[0]); ++i) {
        if (strcmp(text, init_kinds[i]) != 0) continue;
        *out = (enum mrc_init_kind)i;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT,
                    "initialisation \"%s\" is unknown, expected normal, xavier, kaiming or "
                    "orthogonal",
                    text);
}

/* Vectors of a matrix, made orthonormal in place. Element i of vector v: at[v * apart + i * step].
 */
struct vectors {
    float *at;
    size_t count, length, apart, step;
    size_t done; /* of these the last is taken from those that follow */
};

enum { VECTOR_GRAIN = 64 };

static void take_from_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    const struct vectors *v = context;
    const float *unit = v->at + (v->done - 1) * v->apart;
    double along[VECTOR_GRAIN];
    for (size_t first = begin; first < end; first += VECTOR_GRAIN) {
        size_t count = end - first < VECTOR_GRAIN ? end - first : VECTOR_GRAIN;
        float *others = v->at + (v->done + first) * v->apart;
        for (size_t k = 0; k < count; ++k) along[k] = 0.0;
        for (size_t i = 0; i < v->length; ++i)
            for (size_t k = 0; k < count; ++k)
                along[k] += (double)unit[i * v->step] * (double)others[k * v->apart + i * v->step];
        for (size_t i = 0; i < v->length; ++i)
            for (size_t k = 0; k < count; ++k)
                others[k * v->apart + i * v->step] -= (float)(along[k] * (double)unit[i * v->step]);
    }
}

/* Modified Gram-Schmidt, which is the Q of a QR decomposition whose R has a positive diagonal; the
 * second time takes away what rounding left. */
static void orthonormalise(struct vectors *v) {
    for (int again = 0; again < 2; ++again)
        for (v->done = 1; v->done <= v->count; ++v->done) {
            float *unit = v->at + (v->done - 1) * v->apart;
            double squares = 0.0;
            for (size_t i = 0; i < v->length; ++i)
                squares += (double)unit[i * v->step] * (double)unit[i * v->step];
            const double scale = squares > 0.0 ? 1.0 / sqrt(squares) : 0.0;
            for (size_t i = 0; i < v->length; ++i)
                unit[i * v->step] = (float)(scale * (double)unit[i * v->step]);
            mrc_parallel_for(v->count - v->done, VECTOR_GRAIN, take_from_range, v);
        }
}

static void init_orthogonal(mrc_net *net, size_t tensor, double gain, uint64_t seed,
                            uint32_t stream) {
    const struct net_parameter *p = &net->parameters[tensor];
    struct kernel_order o = kernel_order(p);
    init_tensor(net, tensor, seed, stream, INIT_NORMAL, 0.0, 1.0);
    struct vectors rows = {.at = net->values + p->seen.offset,
                           .count = o.b,
                           .length = o.taps * o.a,
                           .apart = 1,
                           .step = o.b};
    struct vectors columns = {.at = rows.at,
                              .count = rows.length,
                              .length = rows.count,
                              .apart = rows.step,
                              .step = rows.apart};
    orthonormalise(rows.count <= rows.length ? &rows : &columns);
    for (size_t i = 0; i < p->seen.count; ++i)
        net->values[p->seen.offset + i] = (float)(gain * (double)net->values[p->seen.offset + i]);
}

void mrc_net_init(mrc_net *net, enum mrc_init_kind kind, double gain, uint64_t seed,
                  uint32_t stream) {
    static const double of_norms = 0.02;
    MRC_ASSERT(net->values != NULL);
    for (size_t i = 0; i < net->parameter_count; ++i) {
        const struct net_parameter *p = &net->parameters[i];
        if (!p->is_weight || !is_kernel(&net->nodes[p->node])) {
            init_tensor(net, i, seed, stream, INIT_NORMAL, p->is_weight ? 1.0 : 0.0,
                        p->is_weight ? of_norms : 0.0);
            continue;
        }
        struct kernel_order o = kernel_order(p);
        const double fan_in = (double)(o.a * o.taps), fan_out = (double)(o.b * o.taps);
        double deviation = gain;
        if (kind == MRC_INIT_XAVIER) deviation = gain * sqrt(2.0 / (fan_in + fan_out));
        if (kind == MRC_INIT_KAIMING) deviation = sqrt(2.0 / fan_in);
        if (kind == MRC_INIT_ORTHOGONAL)
            init_orthogonal(net, i, gain, seed, stream);
        else
            init_tensor(net, i, seed, stream, INIT_NORMAL, 0.0, deviation);
    }
}

void mrc_net_init_uniform(mrc_net *net, const char *prefix, uint64_t seed, uint32_t stream) {
    MRC_ASSERT(net->values != NULL);
    for (size_t i = 0; i < net->parameter_count; ++i) {
        const struct net_parameter *p = &net->parameters[i];
        const struct mrc_node *node = &net->nodes[p->node];
        if (strncmp(node->name, prefix, strlen(prefix)) != 0 || !is_kernel(node)) continue;
        const int64_t read = node->op == &mrc_op_conv_depthwise ? 1 : node->in_channels[0];
        double fan_in = (double)(read * node->attr.k[0] * node->attr.k[1] * node->attr.k[2]);
        init_tensor(net, i, seed, stream, INIT_UNIFORM, 0.0, 1.0 / sqrt(fan_in));
    }
}

void mrc_net_add_copy(mrc_net *net, const char *name, int64_t from, float gain, float shift) {
    MRC_ASSERT(net->values != NULL);
    int found = mrc_net_find(net, name);
    if (found < 0 || net->nodes[found].op != &mrc_op_conv) return;
    const struct mrc_node *node = &net->nodes[found];
    const int64_t *k = node->attr.k, in = node->in_channels[0], out = node->channels;
    int64_t middle = (k[0] / 2 * k[1] + k[1] / 2) * k[2] + k[2] / 2;
    float *tap = net->values + node->weight + middle * in * out; /* [in][out] */
    for (int64_t c = 0; from + c < in && c < out; ++c) tap[(from + c) * out + c] += gain;
    for (int64_t c = 0; c < out; ++c) net->values[node->bias + c] += shift;
}

static const struct net_parameter *find_parameter(const mrc_net *net, const char *name) {
    for (size_t i = 0; i < net->parameter_count; ++i)
        if (strcmp(net->parameters[i].seen.name, name) == 0) return &net->parameters[i];
    return NULL;
}

void mrc_net_repeat(mrc_net *net, const char *name, int64_t times) {
    const struct net_parameter *p = find_parameter(net, name);
    if (p == NULL || net->nodes[p->node].op != &mrc_op_conv || !p->is_weight) return;
    const int64_t out = net->nodes[p->node].channels, run = out / times;
    float *row = net->values + p->seen.offset;
    for (const float *end = row + p->seen.count; row < end; row += out)
        for (int64_t i = run; i < run * times; ++i) row[i] = row[i - run];
}

void mrc_net_scale(mrc_net *net, const char *name, float factor) {
    const struct net_parameter *p = find_parameter(net, name);
    if (p == NULL) return;
    for (size_t j = 0; j < p->seen.count; ++j) net->values[p->seen.offset + j] *= factor;
}
