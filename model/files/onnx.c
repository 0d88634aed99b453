/* onnx.c: the messages of onnx.proto (https://onnx.ai), as far as a generator needs them. A field is
 * its number and wire type, then a varint, four bytes, or a length and as many bytes. */
#include "model/files/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "model/engine/net_internal.h"
#include "model/files/checkpoint.h"
#include "model/files/checkpoint_internal.h"

/* --- Bytes --- */

struct bytes {
    unsigned char *data;
    size_t count, capacity;
    bool failed; /* no memory */
};

static void bytes_clear(struct bytes *b) {
    mrc_free(b->data);
    *b = (struct bytes){0};
}

static void put(struct bytes *b, const void *data, size_t count) {
    if (b->failed || count == 0) return;
    if (b->capacity - b->count < count) {
        size_t capacity = b->capacity + b->capacity / 2 + count + 64;
        unsigned char *grown = mrc_alloc(capacity, 1);
        if (grown == NULL) {
            b->failed = true;
            return;
        }
        if (b->count > 0) memcpy(grown, b->data, b->count);
        mrc_free(b->data);
        b->data = grown;
        b->capacity = capacity;
    }
    memcpy(b->data + b->count, data, count);
    b->count += count;
}

static void put_varint(struct bytes *b, uint64_t value) {
    unsigned char digits[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) digits[n++] = (unsigned char)(value | 0x80);
    digits[n++] = (unsigned char)value;
    put(b, digits, n);
}

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FOUR = 5 };

static void put_integer(struct bytes *b, unsigned field, int64_t value) {
    put_varint(b, field << 3 | WIRE_VARINT);
    put_varint(b, (uint64_t)value);
}

static void put_block(struct bytes *b, unsigned field, const void *data, size_t count) {
    put_varint(b, field << 3 | WIRE_BYTES);
    put_varint(b, count);
    put(b, data, count);
}

static void put_text(struct bytes *b, unsigned field, const char *text) {
    put_block(b, field, text, strlen(text));
}

static void put_little_endian(unsigned char *out, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int n = 0; n < 4; ++n) out[n] = (unsigned char)(bits >> (8 * n));
}

static void put_number(struct bytes *b, unsigned field, float value) {
    unsigned char four[4];
    put_little_endian(four, value);
    put_varint(b, field << 3 | WIRE_FOUR);
    put(b, four, sizeof four);
}

/* A finished message as a field of another; the message is cleared. */
static void put_message(struct bytes *b, unsigned field, struct bytes *message) {
    b->failed = b->failed || message->failed;
    put_block(b, field, message->data, message->count);
    bytes_clear(message);
}

/* --- Attributes (AttributeProto: name 1, f 2, i 3, ints 8, type 20) --- */

enum { ATTRIBUTE = 5, FLOAT = 1, INTEGER = 2, INTEGERS = 7 };

static void add_float(struct bytes *node, const char *name, float value) {
    struct bytes a = {0};
    put_text(&a, 1, name);
    put_number(&a, 2, value);
    put_integer(&a, 20, FLOAT);
    put_message(node, ATTRIBUTE, &a);
}

static void add_integer(struct bytes *node, const char *name, int64_t value) {
    struct bytes a = {0};
    put_text(&a, 1, name);
    put_integer(&a, 3, value);
    put_integer(&a, 20, INTEGER);
    put_message(node, ATTRIBUTE, &a);
}

static void add_integers(struct bytes *node, const char *name, const int64_t *values, int count) {
    struct bytes a = {0};
    put_text(&a, 1, name);
    for (int n = 0; n < count; ++n) put_integer(&a, 8, values[n]);
    put_integer(&a, 20, INTEGERS);
    put_message(node, ATTRIBUTE, &a);
}

/* --- Operations --- */

static void add_convolution(struct bytes *out, const struct mrc_attributes *a) {
    const int64_t pads[] = {a->pad[1], a->pad[2], a->pad[1], a->pad[2]};
    add_integers(out, "kernel_shape", a->k + 1, 2);
    add_integers(out, "strides", a->stride + 1, 2);
    add_integers(out, "pads", pads, 4);
    const int64_t dilations[] = {mrc_dilation(a, 1), mrc_dilation(a, 2)};
    if (dilations[0] > 1 || dilations[1] > 1) add_integers(out, "dilations", dilations, 2);
}

static void add_depthwise(struct bytes *out, const struct mrc_attributes *a) {
    add_convolution(out, a);
    add_integer(out, "group", a->channels);
}

/* Both in the order that ONNX calls DCR, its default; blocks are squares. */
static void add_block(struct bytes *out, const struct mrc_attributes *a) {
    add_integer(out, "blocksize", a->stride[1]);
}

static void add_epsilon(struct bytes *out, const struct mrc_attributes *a) {
    add_float(out, "epsilon", a->eps);
}

static void add_slope(struct bytes *out, const struct mrc_attributes *a) {
    add_float(out, "alpha", a->slope);
}

static void add_channel_axis(struct bytes *out, const struct mrc_attributes *a) {
    (void)a;
    add_integer(out, "axis", 1);
}

static void add_nothing(struct bytes *out, const struct mrc_attributes *a) {
    (void)out, (void)a;
}

static const struct form {
    const struct mrc_op *op;
    const char *type;
    void (*attributes)(struct bytes *out, const struct mrc_attributes *a);
} forms[] = {
    {&mrc_op_conv, "Conv", add_convolution},
    {&mrc_op_conv_transpose, "ConvTranspose", add_convolution},
    {&mrc_op_conv_depthwise, "Conv", add_depthwise},
    {&mrc_op_space_to_depth, "SpaceToDepth", add_block},
    {&mrc_op_depth_to_space, "DepthToSpace", add_block},
    {&mrc_op_instance_norm, "InstanceNormalization", add_epsilon},
    {&mrc_op_leaky_relu, "LeakyRelu", add_slope},
    {&mrc_op_sigmoid, "Sigmoid", add_nothing},
    {&mrc_op_tanh, "Tanh", add_nothing},
    {&mrc_op_concat, "Concat", add_channel_axis},
    {&mrc_op_add, "Add", add_nothing},
};

static const struct form *form_of(const struct mrc_node *node) {
    const int64_t *block = node->attr.stride;
    const bool moves = node->op == &mrc_op_space_to_depth || node->op == &mrc_op_depth_to_space;
    if (moves && (block[0] != 1 || block[1] != block[2])) return NULL; /* ONNX's are square */
    for (size_t n = 0; n < sizeof forms / sizeof *forms; ++n)
        if (forms[n].op == node->op) return &forms[n];
    return NULL;
}

/* --- The graph (GraphProto: node 1, name 2, initializer 5, input 11, output 12) --- */

static const char *value_name(const mrc_net *net, int node) {
    return node == 0 ? "x" : (size_t)node + 1 == net->node_count ? "y" : net->nodes[node].name;
}

/* NodeProto: input 1, output 2, name 3, op_type 4. */
static void add_node(struct bytes *graph, const mrc_net *net, int index) {
    const struct mrc_node *node = &net->nodes[index];
    const struct form *form = form_of(node);
    struct bytes out = {0};
    for (int n = 0; n < node->inputs; ++n) put_text(&out, 1, value_name(net, node->in[n]));
    for (size_t n = 0; n < net->parameter_count; ++n) /* weight, then bias, as declared */
        if (net->parameters[n].node == index) put_text(&out, 1, net->parameters[n].seen.name);
    put_text(&out, 2, value_name(net, index));
    put_text(&out, 3, node->name);
    put_text(&out, 4, form->type);
    form->attributes(&out, &node->attr);
    put_message(graph, 1, &out);
}

/* TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
static void add_tensor(struct bytes *graph, const mrc_net *net, size_t index) {
    const struct mrc_parameter *p = mrc_net_parameter(net, index);
    float *values = mrc_alloc(p->count, sizeof *values);
    unsigned char *raw = mrc_alloc(p->count, 4);
    struct bytes out = {.failed = values == NULL || raw == NULL};
    for (int n = 0; n < p->rank; ++n) put_integer(&out, 1, p->shape[n]);
    put_integer(&out, 2, 1);
    put_text(&out, 8, p->name);
    if (!out.failed) {
        mrc_net_export(net, index, net->values, values);
        for (size_t n = 0; n < p->count; ++n) put_little_endian(raw + 4 * n, values[n]);
        put_block(&out, 9, raw, 4 * p->count);
    }
    mrc_free(raw);
    mrc_free(values);
    put_message(graph, 5, &out);
}

/* TensorShapeProto.Dimension: dim_value 1, dim_param 2. */
static void add_side(struct bytes *shape, int64_t value, const char *name) {
    struct bytes side = {0};
    if (value > 0)
        put_integer(&side, 1, value);
    else
        put_text(&side, 2, name);
    put_message(shape, 1, &side);
}

/* ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 } }. side 0: free. */
static void add_value(struct bytes *graph, unsigned field, const char *name, int64_t channels,
                      int64_t side) {
    struct bytes shape = {0}, tensor = {0}, type = {0}, value = {0};
    add_side(&shape, 0, "batch");
    add_side(&shape, channels, "");
    add_side(&shape, side, "height");
    add_side(&shape, side, "width");
    put_integer(&tensor, 1, 1);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(graph, field, &value);
}

static void add_graph(struct bytes *model, const mrc_net *net, int64_t side) {
    struct bytes graph = {0};
    for (size_t n = 1; n < net->node_count; ++n) add_node(&graph, net, (int)n);
    put_text(&graph, 2, "mrcycle generator");
    for (size_t n = 0; n < net->parameter_count; ++n) add_tensor(&graph, net, n);
    add_value(&graph, 11, "x", net->nodes[0].channels, side);
    add_value(&graph, 12, "y", net->nodes[net->node_count - 1].channels, side);
    put_message(model, 7, &graph);
}

/* --- The model (ModelProto: ir_version 1, producer 2 and 3, graph 7, opset 8, metadata 14) --- */

enum { IR_VERSION = 7, OPSET = 13 };

static void add_metadata(struct bytes *model, const char *key, const char *value) {
    struct bytes entry = {0};
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put_message(model, 14, &entry);
}

static void add_count(struct bytes *model, const char *key, int64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    add_metadata(model, key, text);
}

/* "T1w to T2w" */
static void add_direction(struct bytes *model, const struct mrc_contract *contract,
                          enum mrc_cyclegan_net which) {
    char words[80];
    const int to = which == MRC_NET_G;
    (void)snprintf(words, sizeof words, "%s to %s", mrc_contrast_name(contract->contrasts[1 - to]),
                   mrc_contrast_name(contract->contrasts[to]));
    add_metadata(model, "mrcycle.direction", words);
}

static void add_all_metadata(struct bytes *model, const struct mrc_checkpoint_info *info,
                             enum mrc_cyclegan_net which) {
    const struct mrc_cyclegan_settings *s = &info->settings;
    add_metadata(model, "mrcycle.name", info->name);
    add_metadata(model, "mrcycle.hash", info->hash);
    add_metadata(model, "mrcycle.net", mrc_cyclegan_net_name(which));
    add_direction(model, &info->contract, which);
    add_metadata(model, "mrcycle.kind",
                 mrc_generator_kind_name(mrc_cyclegan_generator_of(s, which)));
    add_count(model, "mrcycle.channels", s->channels);
    add_count(model, "mrcycle.size", s->size);
    add_count(model, "mrcycle.side_step", mrc_cyclegan_side_step(s, which));
    add_metadata(model, "mrcycle.input",
                 "slices, axial ones with rows from anterior to posterior and columns from the "
                 "patient's right to the left, head in the middle, [0,1]");
    add_metadata(model, "mrcycle.normalisation",
                 info->contract.stored ? "as the pictures store them, black 0, white 1"
                                       : "percentiles of the head to 0 and 1, "
                                         "docs/preprocessing.md; see mrcycle.contract.normalise");
    for (int key = 0; key < MRC_CONTRACT_KEYS; ++key) {
        char name[64], words[MRC_CONTRACT_TEXT];
        (void)snprintf(name, sizeof name, "mrcycle.contract.%s",
                       mrc_contract_key_name((enum mrc_contract_key)key));
        mrc_contract_print(words, &info->contract, (enum mrc_contract_key)key);
        add_metadata(model, name, words);
    }
    add_metadata(model, "mrcycle.mirror",
                 "mrcycle translate takes the mean of y(x) and of y(x mirrored left to right), "
                 "mirrored back");
    add_metadata(model, "mrcycle.warning", "output is synthetic, not for diagnosis");
}

bool mrc_onnx_is_ours(const unsigned char *head, size_t size) {
    static const unsigned char begin[] = {0x08, IR_VERSION, 0x12, 7,   'm', 'r',
                                          'c',  'y',        'c',  'l', 'e'};
    return size >= sizeof begin && memcmp(head, begin, sizeof begin) == 0;
}

static enum mrc_status check(const mrc_net *net, const char *file, struct mrc_error *err) {
    for (size_t n = 1; n < net->node_count; ++n)
        if (form_of(&net->nodes[n]) == NULL)
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: operation %s of %s has no ONNX form here, expected others", file,
                            net->nodes[n].op->name, net->nodes[n].name);
    for (size_t n = 0; n < net->parameter_count; ++n)
        if (net->parameters[n].seen.rank == 5)
            return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: a network of volumes, expected one of slices for ONNX", file);
    return MRC_OK;
}

static enum mrc_status write(const mrc_net *net, const struct mrc_checkpoint_info *info,
                             enum mrc_cyclegan_net which, const char *path, struct mrc_error *err) {
    const struct mrc_cyclegan_settings *s = &info->settings;
    struct bytes model = {0}, opset = {0};
    put_integer(&model, 1, IR_VERSION);
    put_text(&model, 2, "mrcycle");
    put_text(&model, 3, MRC_VERSION);
    add_graph(&model, net, mrc_cyclegan_side_step(s, which) > 0 ? 0 : s->size);
    put_text(&opset, 1, "");
    put_integer(&opset, 2, OPSET);
    put_message(&model, 8, &opset);
    add_all_metadata(&model, info, which);
    enum mrc_status st = model.failed ? mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path)
                                      : mrc_write_file(path, model.data, model.count, err);
    bytes_clear(&model);
    return st;
}

enum mrc_status mrc_onnx_save(const char *checkpoint, enum mrc_cyclegan_net which, const char *path,
                              struct mrc_error *err) {
    struct mrc_checkpoint_info info;
    mrc_net *net = NULL;
    enum mrc_status st = checkpoint_load_generator(&net, &info, checkpoint, which, err);
    if (st == MRC_OK) st = check(net, checkpoint, err);
    if (st == MRC_OK) st = write(net, &info, which, path, err);
    mrc_net_destroy(net);
    return st;
}
