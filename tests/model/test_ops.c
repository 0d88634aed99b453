/* test_ops.c: every operation, from one table of cases, against four checks (conventions C24): the
 * slow reference, central differences, the adjoint identity where linear, and the same bytes on any
 * number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "model/engine/ops/conv_flipped.h"
#include "model/engine/ops/conv_kernel.h"
#include "model/engine/ops/conv_winograd.h"
#include "model/engine/ops/instance_norm.h"
#include "model/op_fixture.h"
#include "model/ref_ops.h"

/* Errors relative to the largest magnitude of the tensor. Sums of K products of float carry about
 * sqrt(K) roundings. */
static const double float_tolerance = 2e-6;
/* Minimal filtering multiplies and divides by small numbers on its way, and so rounds a few times
 * as much. */
static const double winograd_tolerance = 1e-5;
/* Central differences in double with a step of 1e-4: the third derivative's share and the
 * gradient's own float rounding. */
static const double difference_tolerance = 2e-5;
static const double difference_step = 1e-4;
enum { DIFFERENCES_PER_TENSOR = 16, DIFFERENCES_WORK = 40000 };

#define PLANE(side, step, zeros)                                                                   \
    .k = {1, side, side}, .stride = {1, step, step}, .pad = {0, zeros, zeros}
#define CUBE(side, step, zeros)                                                                    \
    .k = {side, side, side}, .stride = {step, step, step}, .pad = {zeros, zeros, zeros}
#define CONV      &mrc_op_conv
#define TRANSPOSE &mrc_op_conv_transpose
#define DEPTHWISE &mrc_op_conv_depthwise
#define APART(by) .dilation = {1, by, by}

static const struct op_case cases[] = {
    /* convolutions: kernels, strides, borders */
    {"stem 7x7", CONV, {.channels = 4, PLANE(7, 1, 3)}, {{1, 1, 1, 9, 11}}},
    {"3x3", CONV, {.channels = 5, PLANE(3, 1, 1)}, {{3, 4, 1, 7, 6}}},
    {"3x3 without padding", CONV, {.channels = 5, PLANE(3, 1, 0)}, {{2, 4, 1, 7, 6}}},
    {"3x3 with wide padding", CONV, {.channels = 2, PLANE(3, 1, 4)}, {{1, 3, 1, 3, 2}}},
    {"stride 2, odd sides", CONV, {.channels = 5, PLANE(3, 2, 1)}, {{2, 3, 1, 15, 13}}},
    {"stride 3, unread border", CONV, {.channels = 3, PLANE(3, 3, 0)}, {{2, 3, 1, 11, 8}}},
    {"stride 3, kernel 2", CONV, {.channels = 3, PLANE(2, 3, 1)}, {{2, 3, 1, 11, 8}}},
    {"4x4 stride 2", CONV, {.channels = 6, PLANE(4, 2, 1)}, {{5, 3, 1, 8, 8}}},
    {"4x4 stride 2, bands of planes", CONV, {.channels = 5, PLANE(4, 2, 1)}, {{66, 2, 1, 12, 10}}},
    {"uneven kernel",
     CONV,
     {.channels = 3, .k = {1, 2, 5}, .stride = {1, 2, 1}, .pad = {0, 0, 2}},
     {{2, 3, 1, 6, 9}}},
    {"pointwise", CONV, {.channels = 7, PLANE(1, 1, 0)}, {{2, 5, 1, 6, 5}}},
    {"pointwise to one", CONV, {.channels = 1, PLANE(1, 1, 0)}, {{2, 24, 1, 6, 5}}},
    {"pointwise, stride 2", CONV, {.channels = 7, PLANE(1, 2, 0)}, {{2, 5, 1, 6, 5}}},
    {"padding only", CONV, {.channels = 2, PLANE(1, 5, 1)}, {{1, 2, 1, 2, 2}}},
    /* deep layers */
    {"2x2 to 1x1", CONV, {.channels = 40, PLANE(4, 2, 1)}, {{3, 70, 1, 2, 2}}},
    {"4x4 to 2x2", CONV, {.channels = 150, PLANE(4, 2, 1)}, {{2, 33, 1, 4, 4}}},
    {"1x1 map", CONV, {.channels = 5, PLANE(3, 1, 1)}, {{5, 6, 1, 1, 1}}},
    {"kernel row cut", CONV, {.channels = 70, PLANE(4, 2, 1)}, {{1, 300, 1, 4, 4}}},
    /* one channel on a side, few of many */
    {"one to one", CONV, {.channels = 1, PLANE(3, 1, 1)}, {{2, 1, 1, 5, 5}}},
    {"head 3x3 to 1", CONV, {.channels = 1, PLANE(3, 1, 1)}, {{2, 32, 1, 9, 8}}},
    {"head 3x3 to 3", CONV, {.channels = 3, PLANE(3, 1, 1)}, {{2, 16, 1, 9, 8}}},
    {"patch map 4x4 to 1", CONV, {.channels = 1, PLANE(4, 1, 0)}, {{2, 20, 1, 9, 9}}},
    {"37 channels to 1, broken runs", CONV, {.channels = 1, PLANE(3, 1, 1)}, {{1, 37, 1, 5, 19}}},
    {"head 3x3 to 5", CONV, {.channels = 5, PLANE(3, 1, 1)}, {{1, 20, 1, 6, 7}}},
    {"volume to 1", CONV, {.channels = 1, CUBE(3, 1, 1)}, {{1, 8, 4, 5, 3}}},
    {"to 1, padding as wide as the kernel",
     CONV,
     {.channels = 1, PLANE(3, 1, 3)},
     {{1, 8, 1, 4, 3}}},
    /* some channels on either side, stride 1: rows that overlap */
    {"local 3x3", CONV, {.channels = 24, PLANE(3, 1, 1)}, {{2, 24, 1, 30, 40}}},
    {"local 3x3, odd channels", CONV, {.channels = 19, PLANE(3, 1, 0)}, {{2, 9, 1, 6, 9}}},
    {"local, uneven kernel, wide padding",
     CONV,
     {.channels = 8, .k = {1, 2, 5}, .stride = {1, 1, 1}, .pad = {0, 1, 4}},
     {{2, 11, 1, 7, 3}}},
    {"local, planes of a volume", CONV, {.channels = 10, PLANE(3, 1, 1)}, {{2, 8, 3, 5, 6}}},
    {"local, volume", CONV, {.channels = 10, CUBE(3, 1, 1)}, {{2, 9, 4, 6, 7}}},
    {"local, volume without padding", CONV, {.channels = 8, CUBE(3, 1, 0)}, {{1, 8, 4, 5, 9}}},
    {"local, bands of volumes", CONV, {.channels = 16, CUBE(3, 1, 1)}, {{1, 16, 3, 30, 40}}},
    {"up, local volume", TRANSPOSE, {.channels = 9, CUBE(3, 1, 1)}, {{1, 8, 3, 5, 6}}},
    {"up, local", TRANSPOSE, {.channels = 24, PLANE(3, 1, 1)}, {{2, 24, 1, 21, 30}}},
    /* large maps: bands, slabs, partial sums */
    {"bands", CONV, {.channels = 8, PLANE(3, 1, 1)}, {{2, 2, 1, 40, 41}}},
    {"bands, pointwise", CONV, {.channels = 3, PLANE(1, 1, 0)}, {{2, 4, 1, 40, 41}}},
    {"bands, head", CONV, {.channels = 1, PLANE(3, 1, 1)}, {{1, 24, 1, 50, 51}}},
    {"slabs, stride 2", CONV, {.channels = 3, PLANE(4, 2, 1)}, {{1, 66, 1, 97, 95}}},
    {"slabs, wide rows",
     CONV,
     {.channels = 2, .k = {1, 1, 4}, .stride = {1, 1, 1}, .pad = {0, 0, 2}},
     {{2, 70, 1, 3, 1300}}},
    {"slabs, volume", CONV, {.channels = 2, CUBE(3, 1, 1)}, {{1, 26, 10, 20, 17}}},
    {"gradient in blocks", CONV, {.channels = 260, PLANE(3, 1, 1)}, {{2, 20, 1, 6, 6}}},
    /* volumes */
    {"volume", CONV, {.channels = 3, CUBE(3, 1, 1)}, {{1, 2, 5, 6, 7}}},
    {"volume, stride 2", CONV, {.channels = 3, CUBE(4, 2, 1)}, {{2, 2, 4, 6, 7}}},
    {"volume, mixed",
     CONV,
     {.channels = 3, .k = {3, 1, 2}, .stride = {1, 2, 1}, .pad = {1, 0, 1}},
     {{2, 2, 4, 5, 6}}},
    /* transposed */
    {"up 4x4 stride 2", TRANSPOSE, {.channels = 3, PLANE(4, 2, 1)}, {{2, 5, 1, 4, 6}}},
    {"up 1x1 to 2x2", TRANSPOSE, {.channels = 33, PLANE(4, 2, 1)}, {{3, 40, 1, 1, 1}}},
    {"up 3x3 stride 1", TRANSPOSE, {.channels = 5, PLANE(3, 1, 1)}, {{2, 4, 1, 5, 7}}},
    {"up 3x3 stride 2", TRANSPOSE, {.channels = 5, PLANE(3, 2, 1)}, {{2, 4, 1, 5, 7}}},
    {"up, stride over the kernel", TRANSPOSE, {.channels = 2, PLANE(2, 3, 0)}, {{1, 3, 1, 3, 4}}},
    {"up from one channel", TRANSPOSE, {.channels = 16, PLANE(3, 1, 1)}, {{2, 1, 1, 5, 7}}},
    {"up pointwise", TRANSPOSE, {.channels = 4, PLANE(1, 1, 0)}, {{2, 6, 1, 5, 7}}},
    {"up, slabs", TRANSPOSE, {.channels = 40, PLANE(4, 2, 1)}, {{1, 4, 1, 60, 61}}},
    {"up, volume", TRANSPOSE, {.channels = 2, CUBE(4, 2, 1)}, {{1, 3, 2, 3, 4}}},
    {"up, volume slabs", TRANSPOSE, {.channels = 20, CUBE(4, 2, 1)}, {{1, 2, 8, 14, 15}}},
    /* minimal filtering: whole and broken tiles, odd sides, bands, slices, blocks */
    {"4x4 stride 2, whole tiles", CONV, {.channels = 24, PLANE(4, 2, 1)}, {{2, 20, 1, 16, 8}}},
    {"4x4 stride 2, odd sides", CONV, {.channels = 17, PLANE(4, 2, 1)}, {{2, 19, 1, 13, 23}}},
    {"4x4 stride 2, planes of a volume",
     CONV,
     {.channels = 5, PLANE(4, 2, 1)},
     {{2, 3, 3, 10, 12}}},
    {"4x4 stride 2, bands", CONV, {.channels = 10, PLANE(4, 2, 1)}, {{5, 6, 1, 66, 64}}},
    {"4x4 stride 2, blocks", CONV, {.channels = 200, PLANE(4, 2, 1)}, {{2, 180, 1, 8, 10}}},
    {"4x4 stride 1, whole tiles", CONV, {.channels = 24, PLANE(4, 1, 0)}, {{2, 20, 1, 15, 11}}},
    {"4x4 stride 1, broken tiles", CONV, {.channels = 17, PLANE(4, 1, 1)}, {{2, 19, 1, 8, 13}}},
    {"4x4 stride 1, wide padding", CONV, {.channels = 18, PLANE(4, 1, 3)}, {{1, 17, 1, 6, 9}}},
    {"4x4 stride 1, bands", CONV, {.channels = 10, PLANE(4, 1, 0)}, {{5, 6, 1, 35, 34}}},
    {"4x4 stride 1, blocks", CONV, {.channels = 200, PLANE(4, 1, 0)}, {{2, 180, 1, 8, 10}}},
    {"4x4, strides 1 and 2",
     CONV,
     {.channels = 6, .k = {1, 4, 4}, .stride = {1, 1, 2}, .pad = {0, 1, 1}},
     {{1, 5, 1, 8, 8}}},
    {"up 4x4 stride 1", TRANSPOSE, {.channels = 20, PLANE(4, 1, 1)}, {{3, 21, 1, 8, 5}}},
    {"up 4x4 stride 2, tiles", TRANSPOSE, {.channels = 20, PLANE(4, 2, 1)}, {{3, 21, 1, 8, 5}}},
    {"up 4x4 stride 2, blocks", TRANSPOSE, {.channels = 100, PLANE(4, 2, 1)}, {{1, 330, 1, 4, 4}}},
    /* the others */
    {"norm", &mrc_op_instance_norm, {.eps = 1e-5f}, {{2, 5, 1, 7, 6}}},
    {"norm, many channels", &mrc_op_instance_norm, {.eps = 1e-5f}, {{5, 130, 1, 3, 3}}},
    {"norm, volume", &mrc_op_instance_norm, {.eps = 1e-3f}, {{1, 3, 4, 3, 5}}},
    {"norm 2x2", &mrc_op_instance_norm, {.eps = 1e-1f}, {{3, 17, 1, 2, 2}}},
    {"norm 1x1", &mrc_op_instance_norm, {.eps = 1e-1f}, {{3, 4, 1, 1, 1}}},
    {"leaky relu", &mrc_op_leaky_relu, {.slope = 0.2f}, {{3, 7, 1, 31, 43}}},
    {"relu", &mrc_op_leaky_relu, {.slope = 0.0f}, {{1, 3, 2, 5, 4}}},
    {"sigmoid", &mrc_op_sigmoid, {0}, {{2, 1, 1, 9, 9}}},
    {"tanh", &mrc_op_tanh, {0}, {{2, 3, 1, 5, 9}}},
    {"concat", &mrc_op_concat, {0}, {{2, 3, 1, 40, 70}, {2, 5, 1, 40, 70}}},
    {"concat, volume", &mrc_op_concat, {0}, {{2, 1, 3, 4, 5}, {2, 2, 3, 4, 5}}},
    {"add", &mrc_op_add, {0}, {{2, 5, 1, 60, 70}, {2, 5, 1, 60, 70}}},
    {"pad", &mrc_op_pad, {.pad = {0, 1, 1}}, {{2, 9, 1, 45, 47}}},
    {"pad, volume", &mrc_op_pad, {.pad = {2, 0, 3}}, {{2, 2, 3, 2, 4}}},
    /* taps that lie apart */
    {"dilated 3x3", CONV, {.channels = 10, PLANE(3, 1, 2), APART(2)}, {{2, 9, 1, 7, 9}}},
    {"dilated 3x3, wide", CONV, {.channels = 5, PLANE(3, 1, 8), APART(8)}, {{2, 4, 1, 9, 23}}},
    {"dilated beyond the map", CONV, {.channels = 3, PLANE(3, 1, 9), APART(9)}, {{2, 4, 1, 5, 6}}},
    {"dilated, no padding", CONV, {.channels = 8, PLANE(3, 1, 0), APART(2)}, {{2, 8, 1, 9, 12}}},
    {"dilated, stride 2", CONV, {.channels = 6, PLANE(3, 2, 3), APART(3)}, {{2, 5, 1, 13, 10}}},
    {"dilated to one", CONV, {.channels = 1, PLANE(3, 1, 2), APART(2)}, {{2, 16, 1, 9, 8}}},
    {"dilated 4x4 stride 2", CONV, {.channels = 8, PLANE(4, 2, 1), APART(2)}, {{2, 8, 1, 12, 16}}},
    {"dilated, slabs", CONV, {.channels = 24, PLANE(3, 1, 4), APART(4)}, {{2, 24, 1, 60, 58}}},
    {"dilated, blocks", CONV, {.channels = 90, PLANE(3, 1, 2), APART(2)}, {{1, 300, 1, 4, 5}}},
    {"dilated, uneven",
     CONV,
     {.channels = 9, .k = {1, 3, 2}, .stride = {1, 1, 1}, .pad = {0, 3, 2}, .dilation = {1, 3, 4}},
     {{2, 8, 1, 7, 11}}},
    {"dilated, volume",
     CONV,
     {.channels = 9, CUBE(3, 1, 2), .dilation = {2, 2, 2}},
     {{1, 8, 5, 6, 7}}},
    {"dilated, up", TRANSPOSE, {.channels = 9, PLANE(3, 1, 2), APART(2)}, {{2, 8, 1, 7, 9}}},
    {"dilated, up stride 2",
     TRANSPOSE,
     {.channels = 3, PLANE(3, 2, 1), APART(2)},
     {{2, 4, 1, 5, 6}}},
    /* each channel by itself */
    {"depthwise", DEPTHWISE, {.channels = 21, PLANE(3, 1, 1)}, {{2, 21, 1, 9, 8}}},
    {"depthwise, stride 2", DEPTHWISE, {.channels = 5, PLANE(4, 2, 1)}, {{2, 5, 1, 9, 8}}},
    {"depthwise 7x7", DEPTHWISE, {.channels = 3, PLANE(7, 1, 3)}, {{1, 3, 1, 5, 4}}},
    {"depthwise, dilated",
     DEPTHWISE,
     {.channels = 4, PLANE(3, 1, 2), APART(2)},
     {{2, 4, 1, 20, 19}}},
    {"depthwise, one pixel", DEPTHWISE, {.channels = 4, PLANE(3, 1, 1)}, {{2, 4, 1, 1, 1}}},
    {"depthwise, rows", DEPTHWISE, {.channels = 40, PLANE(3, 1, 1)}, {{2, 40, 1, 40, 30}}},
    {"depthwise, volume", DEPTHWISE, {.channels = 3, CUBE(3, 1, 1)}, {{2, 3, 4, 3, 5}}},
    /* pixels and channels */
    {"space to depth", &mrc_op_space_to_depth, {.stride = {1, 4, 4}}, {{3, 1, 1, 12, 20}}},
    {"space to depth, uneven", &mrc_op_space_to_depth, {.stride = {1, 3, 2}}, {{2, 5, 2, 9, 8}}},
    {"space to depth, volume", &mrc_op_space_to_depth, {.stride = {2, 2, 2}}, {{2, 9, 4, 6, 2}}},
    {"depth to space", &mrc_op_depth_to_space, {.stride = {1, 4, 4}}, {{2, 48, 1, 5, 7}}},
    {"depth to space, uneven", &mrc_op_depth_to_space, {.stride = {1, 3, 2}}, {{2, 12, 2, 3, 4}}},
    {"depth to space, volume", &mrc_op_depth_to_space, {.stride = {2, 1, 2}}, {{1, 36, 2, 3, 2}}},
    {"nearest", &mrc_op_upsample_nearest, {.stride = {1, 2, 2}}, {{2, 5, 1, 7, 6}}},
    {"nearest, volume", &mrc_op_upsample_nearest, {.stride = {2, 1, 3}}, {{2, 3, 3, 4, 2}}},
    {"linear", &mrc_op_upsample_linear, {.stride = {1, 2, 2}}, {{2, 5, 1, 7, 6}}},
    {"linear, one pixel", &mrc_op_upsample_linear, {.stride = {1, 2, 5}}, {{2, 3, 1, 1, 2}}},
    {"linear, volume", &mrc_op_upsample_linear, {.stride = {2, 1, 3}}, {{2, 3, 3, 4, 2}}},
    {"nearest by one", &mrc_op_upsample_nearest, {.stride = {1, 1, 1}}, {{2, 3, 1, 4, 2}}},
    /* conditions, and norms of groups */
    {"average", &mrc_op_global_average, {0}, {{3, 37, 1, 5, 9}}},
    {"average, volume", &mrc_op_global_average, {0}, {{2, 3, 2, 3, 4}}},
    {"scale and shift", &mrc_op_scale_shift, {0}, {{3, 37, 1, 5, 9}, {3, 74, 1, 1, 1}}},
    {"scale and shift, volume", &mrc_op_scale_shift, {0}, {{2, 3, 2, 3, 4}, {2, 6, 1, 1, 1}}},
    {"layer norm", &mrc_op_group_norm, {.eps = 1e-5f, .groups = 1}, {{2, 37, 1, 5, 4}}},
    {"group norm", &mrc_op_group_norm, {.eps = 1e-3f, .groups = 4}, {{3, 36, 1, 3, 5}}},
    {"group norm, volume", &mrc_op_group_norm, {.eps = 1e-3f, .groups = 2}, {{1, 6, 2, 3, 5}}},
    {"group norm, one each", &mrc_op_group_norm, {.eps = 1e-1f, .groups = 5}, {{2, 5, 1, 3, 2}}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static bool is_conv(const struct mrc_op *op) {
    return op == CONV || op == TRANSPOSE;
}

/* The operation is linear in its inputs once the bias is zero. */
static bool is_linear(const struct mrc_op *op) {
    static const struct mrc_op *const others[] = {
        DEPTHWISE,
        &mrc_op_concat,
        &mrc_op_add,
        &mrc_op_pad,
        &mrc_op_space_to_depth,
        &mrc_op_depth_to_space,
        &mrc_op_upsample_nearest,
        &mrc_op_upsample_linear,
        &mrc_op_global_average,
    };
    bool found = is_conv(op);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) found = found || op == others[i];
    return found;
}

/* --- Ways to compute a convolution: every algorithm, wherever it can, chosen or not --- */

static const struct way {
    const char *name;
    const struct mrc_conv_algorithm *algorithm; /* NULL: the table's choice, and all operations */
    int outputs;
    enum mrc_winograd_lanes lanes;
} ways[] = {
    {"", NULL, 0, MRC_WINOGRAD_BEST},
    {", gemm", &mrc_conv_gemm, 0, MRC_WINOGRAD_BEST},
    {", flipped", &mrc_conv_flipped, 0, MRC_WINOGRAD_BEST},
    {", padded", &mrc_conv_padded, 0, MRC_WINOGRAD_BEST},
    {", F(2x2)", &mrc_conv_winograd, 2, MRC_WINOGRAD_BEST},
    {", F(4x4)", &mrc_conv_winograd, 4, MRC_WINOGRAD_BEST},
    /* other instructions for the same: the reference is enough */
    {", flipped portable", &mrc_conv_flipped, 0, MRC_WINOGRAD_PORTABLE},
    {", flipped AVX2", &mrc_conv_flipped, 0, MRC_WINOGRAD_AVX2},
    {", flipped AVX-512", &mrc_conv_flipped, 0, MRC_WINOGRAD_AVX512},
    {", F(2x2) portable", &mrc_conv_winograd, 2, MRC_WINOGRAD_PORTABLE},
    {", F(4x4) portable", &mrc_conv_winograd, 4, MRC_WINOGRAD_PORTABLE},
    {", F(2x2) AVX2", &mrc_conv_winograd, 2, MRC_WINOGRAD_AVX2},
    {", F(4x4) AVX2", &mrc_conv_winograd, 4, MRC_WINOGRAD_AVX2},
    {", F(2x2) AVX-512", &mrc_conv_winograd, 2, MRC_WINOGRAD_AVX512},
    {", F(4x4) AVX-512", &mrc_conv_winograd, 4, MRC_WINOGRAD_AVX512},
};
enum { WAYS = 6, ALL_WAYS = sizeof ways / sizeof ways[0] };

static struct mrc_conv conv_of(const struct op_case *c) {
    struct mrc_node node;
    struct mrc_site site;
    struct mrc_error err = {0};
    assert_int_equal(op_settle(&node, &site, c, &err), MRC_OK);
    return c->op == CONV ? mrc_conv_between(site.in[0], site.out, &node.attr, site.threads)
                         : mrc_conv_between(site.out, site.in[0], &node.attr, site.threads);
}

/* Does the algorithm compute anything of the case, as the table stands now? */
static bool goes_by(const struct op_case *c, const struct mrc_conv_algorithm *algorithm) {
    const struct mrc_conv conv = conv_of(c);
    for (int i = MRC_CONV_FORWARD; i <= MRC_CONV_BACKWARD_WEIGHTS; ++i)
        if (mrc_conv_algorithm_for(&conv, (enum mrc_conv_direction)i) == algorithm) return true;
    return false;
}

static int leave(void **state) {
    (void)state;
    mrc_conv_force(NULL);
    mrc_conv_winograd_force(0, MRC_WINOGRAD_BEST);
    mrc_conv_flipped_force(MRC_WINOGRAD_BEST);
    return 0;
}

/* Takes the way, and says whether it shows anything that the table's choice did not. `name` gets
 * both names. */
static bool enter(const struct way *way, const struct op_case *c, char name[96]) {
    snprintf(name, 96, "%s%s", c->name, way->name);
    (void)leave(NULL);
    if (way->algorithm == NULL) return true;
    if (!is_conv(c->op)) return false;
    if (way->algorithm != &mrc_conv_winograd && !goes_by(c, &mrc_conv_winograd) &&
        !goes_by(c, &mrc_conv_flipped) && !goes_by(c, &mrc_conv_padded))
        return false; /* gemm in any case */
    mrc_conv_force(way->algorithm);
    mrc_conv_winograd_force(way->outputs, way->lanes);
    mrc_conv_flipped_force(way->lanes);
    return goes_by(c, way->algorithm);
}

static double tolerance_of(const struct op_case *c) {
    bool winograd = is_conv(c->op) && goes_by(c, &mrc_conv_winograd);
    return winograd ? winograd_tolerance : float_tolerance;
}

static double *to_double(const float *x, size_t count) {
    double *out = mrc_alloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; ++i) out[i] = (double)x[i];
    return out;
}

static double dot(const float *a, const float *b, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void check_near(const char *name, const char *what, const float *found,
                       const double *expected, size_t count, double tolerance) {
    double scale = 1e-3;
    for (size_t i = 0; i < count; ++i) scale = fmax(scale, fabs(expected[i]));
    for (size_t i = 0; i < count; ++i)
        if (!(fabs((double)found[i] - expected[i]) <= tolerance * scale))
            fail_msg("%s: %s[%zu] is %.9g, expected %.9g (largest %.3g)", name, what, i,
                     (double)found[i], expected[i], scale);
}

/* Doubles of everything an operation reads. */
struct doubles {
    double *src[MRC_NODE_INPUTS], *weight, *bias, *dst;
};

static void doubles_init(struct doubles *d, const struct op_fixture *f) {
    memset(d, 0, sizeof *d);
    for (int i = 0; i < f->node.inputs; ++i) d->src[i] = to_double(f->src[i], f->src_count[i]);
    d->weight = to_double(f->weight, f->node.weight_count);
    d->bias = to_double(f->bias, f->node.bias_count);
    d->dst = to_double(f->dst, f->dst_count);
}

static void doubles_clear(struct doubles *d) {
    for (int i = 0; i < MRC_NODE_INPUTS; ++i) mrc_free(d->src[i]);
    mrc_free(d->weight);
    mrc_free(d->bias);
    mrc_free(d->dst);
}

static void run_ref(struct doubles *d, const struct op_fixture *f) {
    const double *src[MRC_NODE_INPUTS] = {d->src[0], d->src[1]};
    mrc_forward_ref(d->dst, &f->node, &f->site, src, d->weight, d->bias);
}

/* --- Check 1: the reference --- */

/* What the reference makes of a case. */
struct truth {
    struct op_fixture f;
    struct doubles d;
    double *d_src, *d_weight, *d_bias;
};

static void truth_init(struct truth *t, const struct op_case *c) {
    op_fixture_init(&t->f, c);
    doubles_init(&t->d, &t->f);
    run_ref(&t->d, &t->f);
    t->d_src = mrc_alloc(t->f.src_count[0], sizeof *t->d_src);
    t->d_weight = mrc_alloc(t->f.node.weight_count, sizeof *t->d_weight);
    t->d_bias = mrc_alloc(t->f.node.bias_count, sizeof *t->d_bias);
    if (!is_conv(c->op)) return;
    double *d_dst = to_double(t->f.d_dst, t->f.dst_count);
    for (size_t i = 0; i < t->f.node.weight_count; ++i) t->d_weight[i] = 0.5;
    for (size_t i = 0; i < t->f.node.bias_count; ++i) t->d_bias[i] = 0.5;
    mrc_conv_backward_ref(t->d_src, t->d_weight, t->d_bias, &t->f.node, &t->f.site, d_dst,
                          t->d.src[0], t->d.weight);
    mrc_free(d_dst);
}

static void truth_clear(struct truth *t) {
    mrc_free(t->d_src);
    mrc_free(t->d_weight);
    mrc_free(t->d_bias);
    doubles_clear(&t->d);
    op_fixture_clear(&t->f);
}

static void check_against(const char *name, const struct truth *t, const struct op_case *c) {
    const double tolerance = tolerance_of(c);
    struct op_fixture f;
    op_fixture_init(&f, c);
    op_forward(&f);
    op_backward(&f, 0.5f);
    check_near(name, "dst", f.dst, t->d.dst, f.dst_count, tolerance);
    if (is_conv(c->op)) {
        check_near(name, "d_src", f.d_src[0], t->d_src, f.src_count[0], tolerance);
        check_near(name, "d_weight", f.d_weight, t->d_weight, f.node.weight_count, tolerance);
        check_near(name, "d_bias", f.d_bias, t->d_bias, f.node.bias_count, float_tolerance);
    }
    op_fixture_clear(&f);
}

static void test_against_reference(void **state) {
    (void)state;
    char name[96];
    for (size_t i = 0; i < CASES; ++i) {
        struct truth t;
        truth_init(&t, &cases[i]);
        for (size_t k = 0; k < ALL_WAYS; ++k)
            if (enter(&ways[k], &cases[i], name)) check_against(name, &t, &cases[i]);
        truth_clear(&t);
    }
}

/* --- Check 2: central differences of <dst, d_dst> --- */

static double loss_of(struct doubles *d, const struct op_fixture *f) {
    run_ref(d, f);
    double sum = 0.0;
    for (size_t i = 0; i < f->dst_count; ++i) sum += d->dst[i] * (double)f->d_dst[i];
    return sum;
}

static void check_differences(const char *name, const char *what, struct doubles *d,
                              const struct op_fixture *f, double *x, const float *gradient,
                              size_t count) {
    double scale = 1e-2;
    for (size_t i = 0; i < count; ++i) scale = fmax(scale, fabs((double)gradient[i]));
    struct mrc_rng rng = mrc_rng_for(11, 0, 0, MRC_FOR_TEST);
    size_t checks = count < DIFFERENCES_PER_TENSOR ? count : DIFFERENCES_PER_TENSOR;
    for (size_t k = 0; k < checks; ++k) {
        size_t i = count <= DIFFERENCES_PER_TENSOR ? k : mrc_rng_below(&rng, count);
        double at = x[i];
        x[i] = at + difference_step;
        double up = loss_of(d, f);
        x[i] = at - difference_step;
        double down = loss_of(d, f);
        x[i] = at;
        double expected = (up - down) / (2.0 * difference_step);
        if (!(fabs((double)gradient[i] - expected) <= difference_tolerance * scale))
            fail_msg("%s: %s[%zu] is %.9g, central difference %.9g (largest %.3g)", name, what, i,
                     (double)gradient[i], expected, scale);
    }
}

static void test_central_differences(void **state) {
    (void)state;
    char name[96];
    for (size_t i = 0; i < WAYS * CASES; ++i) {
        const struct op_case *c = &cases[i % CASES];
        struct op_fixture f;
        struct doubles d;
        if (!enter(&ways[i / CASES], c, name)) continue;
        op_fixture_init(&f, c);
        size_t work =
            f.dst_count * (is_conv(c->op) ? f.node.weight_count / (size_t)f.site.out.c : 1);
        if (work <= DIFFERENCES_WORK) { /* the larger ones have the reference's gradients */
            op_forward(&f);
            op_backward(&f, NAN);
            doubles_init(&d, &f);
            const char *names[MRC_NODE_INPUTS] = {"d_src", "d_src1"};
            for (int k = 0; k < f.node.inputs; ++k)
                check_differences(name, names[k], &d, &f, d.src[k], f.d_src[k], f.src_count[k]);
            check_differences(name, "d_weight", &d, &f, d.weight, f.d_weight, f.node.weight_count);
            check_differences(name, "d_bias", &d, &f, d.bias, f.d_bias, f.node.bias_count);
            doubles_clear(&d);
        }
        op_fixture_clear(&f);
    }
}

/* --- Check 3: <A x, y> = <x, A' y>, and = <w, d_w> for the convolutions --- */

static void test_adjoint(void **state) {
    (void)state;
    char name[96];
    for (size_t i = 0; i < WAYS * CASES; ++i) {
        const struct op_case *c = &cases[i % CASES];
        struct op_fixture f;
        if (!is_linear(c->op) || !enter(&ways[i / CASES], c, name)) continue;
        const double tolerance = tolerance_of(c);
        op_fixture_init(&f, c);
        memset(f.bias, 0, f.node.bias_count * sizeof *f.bias);
        op_forward(&f);
        op_backward(&f, NAN);
        double left = dot(f.dst, f.d_dst, f.dst_count), right = 0.0;
        double scale =
            sqrt(dot(f.dst, f.dst, f.dst_count) * dot(f.d_dst, f.d_dst, f.dst_count)) + 1e-3;
        for (int k = 0; k < f.node.inputs; ++k) right += dot(f.src[k], f.d_src[k], f.src_count[k]);
        if (!(fabs(left - right) <= tolerance * scale))
            fail_msg("%s: <Ax, y> is %.9g, <x, A'y> is %.9g", name, left, right);
        if (f.node.weight_count > 0) right = dot(f.weight, f.d_weight, f.node.weight_count);
        if (!(fabs(left - right) <= tolerance * scale))
            fail_msg("%s: <Ax, y> is %.9g, <w, dw> is %.9g", name, left, right);
        op_fixture_clear(&f);
    }
}

/* --- Check 4: the same bytes on any number of threads --- */

static void check_same(const char *name, const char *what, const float *a, const float *b,
                       size_t count) {
    if (memcmp(a, b, count * sizeof *a) != 0)
        fail_msg("%s: %s is not the same to the byte", name, what);
}

static void check_same_fixture(const char *name, const struct op_fixture *a,
                               const struct op_fixture *b) {
    check_same(name, "dst", a->dst, b->dst, a->dst_count);
    for (int k = 0; k < a->node.inputs; ++k)
        check_same(name, "d_src", a->d_src[k], b->d_src[k], a->src_count[k]);
    check_same(name, "d_weight", a->d_weight, b->d_weight, a->node.weight_count);
    check_same(name, "d_bias", a->d_bias, b->d_bias, a->node.bias_count);
}

static void test_threads(void **state) {
    (void)state;
    static const int planned[] = {2, 3, 1},
                     running[] = {2, 3, 3}; /* the last: more threads than scratch lanes */
    char name[96];
    for (size_t i = 0; i < WAYS * CASES; ++i) {
        const struct op_case *c = &cases[i % CASES];
        struct op_fixture one;
        mrc_parallel_set_threads(1);
        if (!enter(&ways[i / CASES], c, name)) continue;
        op_fixture_init(&one, c);
        op_forward(&one);
        op_backward(&one, 0.0f);
        for (size_t k = 0; k < sizeof planned / sizeof planned[0]; ++k) {
            struct op_fixture more;
            mrc_parallel_set_threads(planned[k]);
            op_fixture_init(&more, c);
            assert_int_equal(more.site.threads, planned[k]);
            mrc_parallel_set_threads(running[k]);
            op_forward(&more);
            op_backward(&more, 0.0f);
            check_same_fixture(name, &one, &more);
            op_fixture_clear(&more);
        }
        op_fixture_clear(&one);
    }
    mrc_parallel_set_threads(0);
}

/* --- Cuts that only large layers meet: minimal filtering against the product of patches --- */

static void check_close(const char *name, const char *what, const float *found,
                        const float *expected, size_t count) {
    double *doubles = to_double(expected, count);
    check_near(name, what, found, doubles, count, winograd_tolerance);
    mrc_free(doubles);
}

static void test_winograd_on_large_layers(void **state) {
    (void)state;
    static const struct op_case large[] = {
        {"bands", CONV, {.channels = 48, PLANE(4, 2, 1)}, {{5, 32, 1, 64, 62}}},
        {"slices", CONV, {.channels = 210, PLANE(4, 2, 1)}, {{66, 210, 1, 12, 10}}},
        {"slices of the sum", CONV, {.channels = 64, PLANE(4, 2, 1)}, {{9, 64, 1, 64, 64}}},
        {"up, slices", TRANSPOSE, {.channels = 210, PLANE(4, 2, 1)}, {{66, 210, 1, 6, 5}}},
    };
    for (size_t i = 0; i < sizeof large / sizeof large[0]; ++i)
        for (int outputs = 2; outputs <= 4; outputs += 2) {
            struct op_fixture expected, found;
            mrc_conv_force(&mrc_conv_gemm);
            op_fixture_init(&expected, &large[i]);
            op_forward(&expected);
            op_backward(&expected, 0.0f);
            mrc_conv_force(&mrc_conv_winograd);
            mrc_conv_winograd_force(outputs, MRC_WINOGRAD_BEST);
            op_fixture_init(&found, &large[i]);
            op_forward(&found);
            op_backward(&found, 0.0f);
            const char *name = large[i].name;
            check_close(name, "dst", found.dst, expected.dst, found.dst_count);
            check_close(name, "d_src", found.d_src[0], expected.d_src[0], found.src_count[0]);
            check_close(name, "d_weight", found.d_weight, expected.d_weight,
                        found.node.weight_count);
            op_fixture_clear(&expected);
            op_fixture_clear(&found);
        }
}

/* --- An input that lies in two buffers: the bytes of one --- */

/* The fixture of the concatenation, with its input and that input's gradient taken apart. */
struct parts {
    struct op_fixture f;
    float *src[MRC_NODE_INPUTS], *d_src[MRC_NODE_INPUTS];
    size_t pixels;
};

static void split(struct parts *p, int64_t first) {
    p->pixels = p->f.src_count[0] / (size_t)p->f.site.in[0].c;
    p->f.site.in[1] = p->f.site.in[0];
    p->f.site.in[0].c = first;
    p->f.site.in[1].c -= first;
    const float *from = p->f.src[0];
    for (int k = 0; k < MRC_NODE_INPUTS; ++k) {
        size_t channels = (size_t)p->f.site.in[k].c;
        p->src[k] = mrc_alloc(p->pixels * channels, sizeof(float));
        p->d_src[k] = mrc_alloc(p->pixels * channels, sizeof(float));
        assert_non_null(p->src[k]);
        assert_non_null(p->d_src[k]);
        for (size_t i = 0; i < p->pixels * channels; ++i) p->d_src[k][i] = NAN;
        p->f.call.src[k] = p->src[k];
        p->f.call.d_src[k] = p->d_src[k];
    }
    for (size_t pixel = 0; pixel < p->pixels; ++pixel)
        for (int k = 0; k < MRC_NODE_INPUTS; ++k) {
            size_t channels = (size_t)p->f.site.in[k].c;
            memcpy(p->src[k] + pixel * channels, from, channels * sizeof(float));
            from += channels;
        }
}

/* Infers anew, and measures the scratch anew. */
static void resettle(struct op_fixture *f) {
    struct mrc_error err = {0};
    assert_int_equal(f->node.op->infer(&f->site, &f->node, &err), MRC_OK);
    mrc_free(f->call.scratch);
    f->call.scratch = mrc_alloc(f->site.scratch_bytes, 1);
    assert_non_null(f->call.scratch);
    memset(f->call.scratch, 0xff, f->site.scratch_bytes);
}

static void join_gradient(struct parts *p) {
    float *to = p->f.d_src[0];
    for (size_t pixel = 0; pixel < p->pixels; ++pixel)
        for (int k = 0; k < MRC_NODE_INPUTS; ++k) {
            size_t channels = (size_t)p->f.site.in[k].c;
            memcpy(to, p->d_src[k] + pixel * channels, channels * sizeof(float));
            to += channels;
        }
}

static void test_input_in_two_parts(void **state) {
    (void)state;
    static const struct op_case joined[] = {
        {"up", TRANSPOSE, {.channels = 20, PLANE(4, 2, 1)}, {{3, 37, 1, 6, 5}}},
        {"up, bands", TRANSPOSE, {.channels = 6, PLANE(4, 2, 1)}, {{5, 50, 1, 32, 31}}},
        {"up, blocks", TRANSPOSE, {.channels = 70, PLANE(4, 2, 1)}, {{2, 300, 1, 4, 4}}},
        {"stride 1", TRANSPOSE, {.channels = 20, PLANE(4, 1, 1)}, {{3, 37, 1, 6, 5}}},
        {"head", CONV, {.channels = 1, PLANE(3, 1, 1)}, {{2, 50, 1, 7, 19}}},
        {"head of three", CONV, {.channels = 3, PLANE(3, 1, 1)}, {{2, 48, 1, 9, 6}}},
        {"head, not padded",
         CONV,
         {.channels = 1, .k = {2, 3, 2}, .stride = {1, 1, 1}},
         {{2, 50, 3, 7, 9}}},
    };
    enum { JOINED = sizeof joined / sizeof joined[0] };
    int taken[JOINED] = {0};
    char name[96];
    for (size_t i = 0; i < ALL_WAYS * JOINED; ++i) {
        const size_t which = i % JOINED;
        const struct op_case *c = &joined[which];
        if (!enter(&ways[i / JOINED], c, name)) continue;
        for (int64_t first = 16; first < c->in[0].c; first += 16) {
            struct op_fixture whole;
            struct parts p;
            op_fixture_init(&whole, c);
            op_fixture_init(&p.f, c);
            split(&p, first);
            const bool both_ways = c->op->takes_parts(&p.f.node, &p.f.site, true);
            if (both_ways || c->op->takes_parts(&p.f.node, &p.f.site, false)) {
                ++taken[which];
                resettle(&p.f);
                op_forward(&whole);
                op_forward(&p.f);
                check_same(name, "dst", whole.dst, p.f.dst, whole.dst_count);
            }
            if (both_ways) {
                op_backward(&whole, 0.5f);
                op_backward(&p.f, 0.5f);
                join_gradient(&p);
                check_same_fixture(name, &whole, &p.f);
            }
            p.f.site.in[0].c += 1; /* not in whole vectors */
            p.f.site.in[1].c -= 1;
            assert_false(c->op->takes_parts(&p.f.node, &p.f.site, false));
            for (int k = 0; k < MRC_NODE_INPUTS; ++k) {
                mrc_free(p.src[k]);
                mrc_free(p.d_src[k]);
            }
            op_fixture_clear(&p.f);
            op_fixture_clear(&whole);
        }
    }
    for (size_t i = 0; i < JOINED; ++i) assert_true(taken[i] > 0);
}

/* A tap that meets only padding and zeros has a gradient of exactly 0: Adam makes whole steps of
 * anything else. Here only the first row of a 2x2 map is not 0, which tap 0 reads padding for. */
static void test_gradient_of_zeros_is_zero(void **state) {
    (void)state;
    static const struct op_case c = {
        "zeros", TRANSPOSE, {.channels = 40, PLANE(4, 2, 1)}, {{9, 50, 1, 2, 2}}};
    char name[96];
    for (size_t k = 0; k < ALL_WAYS; ++k) {
        struct op_fixture f;
        if (!enter(&ways[k], &c, name)) continue;
        op_fixture_init(&f, &c);
        const size_t row = 2 * 50;
        for (size_t i = 0; i < f.src_count[0]; ++i)
            if (i / row % 2 == 1) f.src[0][i] = 0.0f;
        op_backward(&f, NAN);
        for (size_t i = 0; i < f.node.weight_count / 4; ++i)
            if (f.d_weight[i] != 0.0f)
                fail_msg("%s: d_weight[%zu] is %g, expected 0", name, i, (double)f.d_weight[i]);
        op_fixture_clear(&f);
    }
}

/* --- The manners every operation has --- */

static void test_null_gradients_are_skipped(void **state) {
    (void)state;
    static const unsigned masks[] = {1, 2, 4, 8, 13, 14}; /* outputs left out */
    for (size_t i = 0; i < CASES; ++i)
        for (size_t m = 0; m < sizeof masks / sizeof masks[0]; ++m) {
            const unsigned mask = masks[m];
            struct op_fixture all, some;
            if (mrc_shape_count(cases[i].in[0]) > 3000) continue;
            op_fixture_init(&all, &cases[i]);
            op_fixture_init(&some, &cases[i]);
            op_forward(&all);
            op_forward(&some);
            op_backward(&all, 0.25f);
            if (mask & 1) some.call.d_src[0] = NULL;
            if (mask & 2) some.call.d_src[1] = NULL;
            if (mask & 4) some.call.d_weight = NULL;
            if (mask & 8) some.call.d_bias = NULL;
            op_backward(&some, 0.25f);
            for (int k = 0; k < some.node.inputs; ++k)
                if (some.call.d_src[k] != NULL)
                    check_same(cases[i].name, "d_src", all.d_src[k], some.d_src[k],
                               all.src_count[k]);
            if (some.call.d_weight != NULL)
                check_same(cases[i].name, "d_weight", all.d_weight, some.d_weight,
                           all.node.weight_count);
            if (some.call.d_bias != NULL)
                check_same(cases[i].name, "d_bias", all.d_bias, some.d_bias, all.node.bias_count);
            for (size_t k = 0; (mask & 4) && k < some.node.weight_count; ++k)
                assert_true(some.d_weight[k] == 0.25f);
            op_fixture_clear(&all);
            op_fixture_clear(&some);
        }
}

/* An operation works in place where it says so, and reads in backward only what it says. */
static void test_flags(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; ++i) {
        const struct mrc_op *op = cases[i].op;
        struct op_fixture apart, f;
        op_fixture_init(&apart, &cases[i]);
        op_forward(&apart);
        op_backward(&apart, 0.0f);
        op_fixture_init(&f, &cases[i]);
        float *dst = f.call.dst;
        if (op->in_place) f.call.dst = f.src[0];
        op_forward(&f);
        if (op->in_place)
            check_same(cases[i].name, "dst in place", apart.dst, f.src[0], f.dst_count);
        if (op->in_place && op->backward_reads_src) { /* so not before a backward */
            f.call.dst = dst;
            memcpy(f.src[0], apart.src[0], f.src_count[0] * sizeof *f.dst);
            op_forward(&f);
        }
        if (op->in_place) {
            memcpy(f.d_src[0], f.d_dst, f.dst_count * sizeof *f.dst);
            f.call.d_dst = f.d_src[0];
        }
        for (int k = 0; k < f.node.inputs; ++k)
            for (size_t at = 0;
                 !op->backward_reads_src && f.src[k] != f.call.dst && at < f.src_count[k]; ++at)
                f.src[k][at] = NAN;
        for (size_t at = 0; !op->backward_reads_dst && at < f.dst_count; ++at) f.call.dst[at] = NAN;
        op_backward(&f, NAN);
        for (int k = 0; k < f.node.inputs; ++k)
            check_same(cases[i].name, "d_src", apart.d_src[k], f.d_src[k], f.src_count[k]);
        op_fixture_clear(&apart);
        op_fixture_clear(&f);
    }
}

/* Norm and LeakyReLU as one operation, in every width of vectors: the bytes of the two. */
static void test_norm_with_leak(void **state) {
    (void)state;
    static const float slope = 0.2f;
    static const struct mrc_shape shape = {3, 77, 1, 6, 5};
    const struct op_case norm = {"norm", &mrc_op_instance_norm, {.eps = 1e-5f}, {shape}};
    const struct op_case leak = {"leak", &mrc_op_leaky_relu, {.slope = slope}, {shape}};
    struct op_fixture first, second, both;
    op_fixture_init(&first, &norm);
    op_fixture_init(&second, &leak);
    assert_true(mrc_instance_norm_force(MRC_WINOGRAD_PORTABLE));
    op_forward(&first);
    memcpy(second.src[0], first.dst, first.dst_count * sizeof *first.dst);
    op_forward(&second);
    op_backward(&second, 0.0f);
    memcpy(first.d_dst, second.d_src[0], first.dst_count * sizeof *first.dst);
    op_backward(&first, 0.0f);
    for (int lanes = MRC_WINOGRAD_BEST; lanes < MRC_WINOGRAD_LANES; ++lanes) {
        if (!mrc_instance_norm_force((enum mrc_winograd_lanes)lanes)) continue;
        op_fixture_init(&both, &norm);
        both.call.leaks = true;
        both.call.leak = slope;
        memcpy(both.d_dst, second.d_dst, both.dst_count * sizeof *both.dst);
        op_forward(&both);
        op_backward(&both, 0.0f);
        check_same("both", "dst", second.dst, both.dst, both.dst_count);
        check_same("both", "d_src", first.d_src[0], both.d_src[0], both.src_count[0]);
        check_same("both", "d_weight", first.d_weight, both.d_weight, both.node.weight_count);
        check_same("both", "d_bias", first.d_bias, both.d_bias, both.node.bias_count);
        op_fixture_clear(&both);
    }
    assert_true(mrc_instance_norm_force(MRC_WINOGRAD_BEST));
    op_fixture_clear(&first);
    op_fixture_clear(&second);
}

static void test_norm_of_constant_and_shifted_maps(void **state) {
    (void)state;
    const struct op_case c = {"norm", &mrc_op_instance_norm, {.eps = 1e-5f}, {{1, 2, 1, 30, 30}}};
    struct op_fixture f;
    op_fixture_init(&f, &c);
    for (size_t i = 0; i < f.src_count[0]; i += 2)
        f.src[0][i] = 12345.678f; /* constant: y = shift, exactly */
    for (size_t i = 1; i < f.src_count[0]; i += 2)
        f.src[0][i] = 4096.0f + (float)(i % 8 < 4) * 0.25f;
    f.weight[1] = 1.0f;
    f.bias[1] = 0.0f;
    op_forward(&f);
    for (size_t i = 0; i < f.dst_count; i += 2) assert_true(f.dst[i] == f.bias[0]);
    for (size_t i = 1; i < f.dst_count; i += 2) {
        double expected = (i % 8 < 4 ? 0.125 : -0.125) / sqrt(0.015625 + 1e-5);
        assert_true(fabs((double)f.dst[i] - expected) <
                    2e-3); /* the mean itself is rounded to float */
    }
    op_fixture_clear(&f);
}

static void test_extremes_of_unary_operations(void **state) {
    (void)state;
    static const float x[] = {-1e30f, -100.0f, 0.0f, 100.0f, 1e30f};
    static const float sigmoids[] = {0.0f, 3.72e-44f, 0.5f, 1.0f, 1.0f},
                       tanhs[] = {-1.0f, -1.0f, 0.0f, 1.0f, 1.0f};
    struct op_case c = {"sigmoid", &mrc_op_sigmoid, {.slope = 0.25f}, {{1, 1, 1, 1, 5}}};
    struct op_fixture f;
    for (int k = 0; k < 3; ++k) {
        c.op = k == 0 ? &mrc_op_sigmoid : k == 1 ? &mrc_op_tanh : &mrc_op_leaky_relu;
        op_fixture_init(&f, &c);
        memcpy(f.src[0], x, sizeof x);
        op_forward(&f);
        op_backward(&f, NAN);
        for (int i = 0; i < 5; ++i) {
            float expected = k == 0   ? sigmoids[i]
                             : k == 1 ? tanhs[i]
                                      : x[i] * (x[i] > 0.0f ? 1.0f : 0.25f);
            assert_true(fabsf(f.dst[i] - expected) <= 1e-6f * fabsf(expected) + 1e-42f);
            assert_true(isfinite(f.d_src[0][i]));
        }
        if (k == 2)
            assert_true(f.d_src[0][2] == 0.25f * f.d_dst[2]); /* the derivative at 0 is the slope */
        op_fixture_clear(&f);
    }
}

/* --- What infer and declare refuse --- */

struct bad_case {
    struct op_case c;
    enum mrc_status status;
    const char *words;
};

static const struct bad_case bad_cases[] = {
    {{"", CONV, {.channels = 0, PLANE(3, 1, 1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "2 -> 0 channels"},
    {{"", CONV, {.channels = -3, PLANE(3, 1, 1)}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "channels"},
    {{"", CONV, {.channels = 2, PLANE(0, 1, 1)}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "kernel 0"},
    {{"", CONV, {.channels = 2, PLANE(3, 0, 1)}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "stride 0"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, -1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "padding -1"},
    {{"", CONV, {.channels = 2, PLANE(7, 1, 1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "height is 6 with padding, expected at least the kernel's 7"},
    {{"", CONV, {.channels = 2, CUBE(3, 1, 0)}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "depth is 1"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1)}, {{1, 2, 1, 0, 4}}},
     MRC_ERR_ARGUMENT,
     "positive sides"},
    {{"", CONV, {.channels = 1 << 20, PLANE(64, 1, 1)}, {{1, 1 << 20, 1, 64, 64}}},
     MRC_ERR_NOMEM,
     "too large"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1)}, {{1, 2, 1, INT64_C(1) << 40, 4}}},
     MRC_ERR_NOMEM,
     "too large"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1)}, {{1 << 20, 2, 1, 1 << 20, 4}}},
     MRC_ERR_NOMEM,
     "too many"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, INT32_MAX)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_NOMEM,
     "output"},
    {{"", TRANSPOSE, {.channels = 0, PLANE(3, 1, 1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "channels"},
    {{"", TRANSPOSE, {.channels = 2, PLANE(2, 1, 3)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "output is 1x2x1x-1x-1"},
    {{"", TRANSPOSE, {.channels = 2, PLANE(2, INT32_MAX, 0)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_NOMEM,
     "output"},
    {{"", TRANSPOSE, {.channels = 2, PLANE(2, 2, 0)}, {{1, 2, 1, -4, 4}}},
     MRC_ERR_ARGUMENT,
     "positive sides"},
    {{"", &mrc_op_instance_norm, {.eps = 0.0f}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "eps is 0"},
    {{"", &mrc_op_leaky_relu, {.slope = -0.1f}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "slope is -0.1"},
    {{"", &mrc_op_add, {0}, {{1, 2, 1, 4, 4}, {1, 3, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "adding 3 to 2 channels"},
    {{"", &mrc_op_add, {0}, {{1, 2, 1, 4, 4}, {1, 2, 1, 4, 5}}},
     MRC_ERR_ARGUMENT,
     "expected the same shape"},
    {{"", &mrc_op_concat, {0}, {{1, 2, 1, 4, 4}, {1, 2, 1, 4, 5}}},
     MRC_ERR_ARGUMENT,
     "expected the same sides"},
    {{"", &mrc_op_pad, {.pad = {0, -1, 0}}, {{1, 2, 1, 4, 4}}}, MRC_ERR_ARGUMENT, "padding of -1"},
    {{"", &mrc_op_sigmoid, {0}, {{1, 2, 1, 0, 4}}}, MRC_ERR_ARGUMENT, "positive sides"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1), APART(-1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "dilation -1"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1), APART(3)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "height is 6 with padding, expected at least the kernel's 7"},
    {{"", CONV, {.channels = 2, PLANE(3, 1, 1), APART(INT32_MAX)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "dilation 2147483647"},
    {{"", DEPTHWISE, {.channels = 3, PLANE(3, 1, 1)}, {{1, 2, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "2 -> 3 channels, expected the same number"},
    {{"", &mrc_op_space_to_depth, {.stride = {1, 4, 4}}, {{1, 2, 1, 8, 6}}},
     MRC_ERR_ARGUMENT,
     "input of 1x8x6 (d h w), expected multiples of 1x4x4"},
    {{"", &mrc_op_space_to_depth, {.stride = {1, 0, 4}}, {{1, 2, 1, 8, 8}}},
     MRC_ERR_ARGUMENT,
     "a block of 1x0x4 pixels"},
    {{"", &mrc_op_depth_to_space, {.stride = {1, 4, 4}}, {{1, 24, 1, 8, 6}}},
     MRC_ERR_ARGUMENT,
     "24 channels, expected a multiple of the block's 16 pixels"},
    {{"", &mrc_op_upsample_nearest, {.stride = {1, 2, 65}}, {{1, 2, 1, 8, 8}}},
     MRC_ERR_ARGUMENT,
     "enlarging by 1x2x65"},
    {{"", &mrc_op_scale_shift, {0}, {{2, 3, 1, 4, 4}, {2, 3, 1, 1, 1}}},
     MRC_ERR_ARGUMENT,
     "a condition of 3 channels for 3"},
    {{"", &mrc_op_scale_shift, {0}, {{2, 3, 1, 4, 4}, {2, 6, 1, 1, 2}}},
     MRC_ERR_ARGUMENT,
     "conditions of 2 samples and 1x1x2 positions"},
    {{"", &mrc_op_group_norm, {.eps = 1e-5f, .groups = 4}, {{1, 6, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "6 channels in 4 groups"},
    {{"", &mrc_op_group_norm, {.eps = 0.0f, .groups = 1}, {{1, 6, 1, 4, 4}}},
     MRC_ERR_ARGUMENT,
     "eps is 0"},
};

static void test_bad_settings(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof bad_cases[0]; ++i) {
        struct mrc_node node;
        struct mrc_site site;
        struct mrc_error err = {0};
        enum mrc_status st = op_settle(&node, &site, &bad_cases[i].c, &err);
        if (st != bad_cases[i].status || err.code != st ||
            strstr(err.text, bad_cases[i].words) == NULL || strncmp(err.text, "node: ", 6) != 0)
            fail_msg("bad case %zu: status %d, text \"%s\", expected \"%s\"", i, (int)st, err.text,
                     bad_cases[i].words);
    }
}

static void test_channels_of_input_must_match(void **state) {
    (void)state;
    const struct mrc_op *ops[] = {CONV, TRANSPOSE};
    for (size_t i = 0; i < 2; ++i) {
        const struct op_case c = {"", ops[i], {.channels = 2, PLANE(3, 1, 1)}, {{1, 2, 1, 4, 4}}};
        struct mrc_node node;
        struct mrc_site site;
        struct mrc_error err = {0};
        assert_int_equal(op_settle(&node, &site, &c, &err), MRC_OK);
        site.in[0].c = 3;
        assert_int_equal(c.op->infer(&site, &node, &err), MRC_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "3 input channels, expected 2"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_against_reference, leave),
        cmocka_unit_test_teardown(test_central_differences, leave),
        cmocka_unit_test_teardown(test_adjoint, leave),
        cmocka_unit_test_teardown(test_threads, leave),
        cmocka_unit_test_teardown(test_winograd_on_large_layers, leave),
        cmocka_unit_test_teardown(test_input_in_two_parts, leave),
        cmocka_unit_test_teardown(test_gradient_of_zeros_is_zero, leave),
        cmocka_unit_test(test_null_gradients_are_skipped),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_norm_with_leak),
        cmocka_unit_test(test_norm_of_constant_and_shifted_maps),
        cmocka_unit_test(test_extremes_of_unary_operations),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_channels_of_input_must_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
