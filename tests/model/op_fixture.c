#include "model/op_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum mrc_status op_settle(struct mrc_node *node, struct mrc_site *site, const struct op_case *c,
                          struct mrc_error *err) {
    memset(node, 0, sizeof *node);
    memset(site, 0, sizeof *site);
    node->op = c->op;
    snprintf(node->name, sizeof node->name, "node");
    node->attr = c->attr;
    node->inputs = c->in[1].c != 0 ? 2 : 1;
    for (int i = 0; i < MRC_NODE_INPUTS; ++i) {
        site->in[i] = c->in[i];
        node->in_channels[i] = c->in[i].c;
    }
    enum mrc_status st = c->op->declare(node, err);
    return st != MRC_OK ? st : c->op->infer(site, node, err);
}

/* Normal numbers are made once and used again and again from different places; a prime number of
 * them, so that no two rows of a tensor are alike. */
enum { NORMALS = 65521 };
static float normals[NORMALS];

static void make_normals(void) {
    if (normals[0] != 0.0f) return;
    struct mrc_rng rng = mrc_rng_for(7, 0, 0, MRC_FOR_TEST);
    for (size_t i = 0; i < NORMALS; ++i) normals[i] = (float)mrc_rng_normal(&rng);
}

static float *random_floats(size_t count, uint64_t stream) {
    make_normals();
    size_t at = (size_t)(stream * 7919 % NORMALS);
    float *x = mrc_alloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; ++i) {
        x[i] = normals[at];
        at = at + 1 < NORMALS ? at + 1 : 0;
    }
    return x;
}

static float *nan_floats(size_t count) {
    float *x = mrc_alloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; ++i) x[i] = NAN;
    return x;
}

void op_fixture_init(struct op_fixture *f, const struct op_case *c) {
    struct mrc_error err = {0};
    memset(f, 0, sizeof *f);
    if (op_settle(&f->node, &f->site, c, &err) != MRC_OK) fail_msg("%s: %s", c->name, err.text);
    f->dst_count = mrc_shape_count(f->site.out);
    for (int i = 0; i < f->node.inputs; ++i) {
        f->src_count[i] = mrc_shape_count(f->site.in[i]);
        f->call.src[i] = f->src[i] = random_floats(f->src_count[i], (uint64_t)i);
        f->call.d_src[i] = f->d_src[i] = nan_floats(f->src_count[i]);
    }
    f->call.dst = f->dst = nan_floats(f->dst_count);
    f->call.d_dst = f->d_dst = random_floats(f->dst_count, 2);
    f->call.weight = f->weight = random_floats(f->node.weight_count, 3);
    f->call.bias = f->bias = random_floats(f->node.bias_count, 4);
    f->call.d_weight = f->d_weight = nan_floats(f->node.weight_count);
    f->call.d_bias = f->d_bias = nan_floats(f->node.bias_count);
    f->call.saved = mrc_alloc(f->site.saved_bytes, 1);
    f->call.scratch = mrc_alloc(f->site.scratch_bytes, 1);
    assert_non_null(f->call.saved);
    assert_non_null(f->call.scratch);
    memset(f->call.scratch, 0xff, f->site.scratch_bytes);
}

void op_fixture_clear(struct op_fixture *f) {
    for (int i = 0; i < MRC_NODE_INPUTS; ++i) {
        mrc_free(f->src[i]);
        mrc_free(f->d_src[i]);
    }
    mrc_free(f->dst);
    mrc_free(f->d_dst);
    mrc_free(f->weight);
    mrc_free(f->bias);
    mrc_free(f->d_weight);
    mrc_free(f->d_bias);
    mrc_free(f->call.saved);
    mrc_free(f->call.scratch);
}

void op_forward(struct op_fixture *f) {
    f->node.op->forward(&f->node, &f->site, &f->call);
    memset(f->call.scratch, 0xff, f->site.scratch_bytes); /* dead at return */
}

void op_backward(struct op_fixture *f, float start) {
    for (size_t i = 0; i < f->node.weight_count; ++i) f->d_weight[i] = start;
    for (size_t i = 0; i < f->node.bias_count; ++i) f->d_bias[i] = start;
    f->call.overwrite = isnan(start);
    f->node.op->backward(&f->node, &f->site, &f->call);
    memset(f->call.scratch, 0xff, f->site.scratch_bytes);
}
