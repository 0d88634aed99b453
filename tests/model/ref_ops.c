/* ref_ops.c: the slow truth of each operation. */
#include "model/ref_ops.h"

#include <math.h>
#include <string.h>

static int64_t index_of(struct mrc_shape s, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c) {
    return (((n * s.d + d) * s.h + h) * s.w + w) * s.c + c;
}

/* One multiplication of a convolution: indices into the in side, the out side and the weights. */
typedef void visit_fn(void *context, int64_t in, int64_t out, int64_t weight);

static void visit_taps(const struct mrc_attributes *a, struct mrc_shape in, struct mrc_shape out,
                       const int64_t at[4], int64_t o, visit_fn *visit, void *context) {
    for (int64_t kd = 0; kd < a->k[0]; ++kd)
        for (int64_t kh = 0; kh < a->k[1]; ++kh)
            for (int64_t kw = 0; kw < a->k[2]; ++kw)
                for (int64_t i = 0; i < in.c; ++i) {
                    int64_t d = at[1] * a->stride[0] - a->pad[0] + kd;
                    int64_t h = at[2] * a->stride[1] - a->pad[1] + kh;
                    int64_t w = at[3] * a->stride[2] - a->pad[2] + kw;
                    if (d < 0 || d >= in.d || h < 0 || h >= in.h || w < 0 || w >= in.w) continue;
                    int64_t tap = (kd * a->k[1] + kh) * a->k[2] + kw;
                    visit(context, index_of(in, at[0], d, h, w, i),
                          index_of(out, at[0], at[1], at[2], at[3], o),
                          (tap * in.c + i) * out.c + o);
                }
}

/* All multiplications of the convolution in -> out. */
static void visit_conv(const struct mrc_attributes *a, struct mrc_shape in, struct mrc_shape out,
                       visit_fn *visit, void *context) {
    for (int64_t n = 0; n < out.n; ++n)
        for (int64_t d = 0; d < out.d; ++d)
            for (int64_t h = 0; h < out.h; ++h)
                for (int64_t w = 0; w < out.w; ++w)
                    for (int64_t o = 0; o < out.c; ++o) {
                        const int64_t at[4] = {n, d, h, w};
                        visit_taps(a, in, out, at, o, visit, context);
                    }
}

struct products {
    double *in_sum, *out_sum, *weight_sum;
    const double *in, *out, *weight;
};

static void out_from_in(void *context, int64_t in, int64_t out, int64_t weight) {
    struct products *p = context;
    p->out_sum[out] += p->in[in] * p->weight[weight];
}

static void in_from_out(void *context, int64_t in, int64_t out, int64_t weight) {
    struct products *p = context;
    p->in_sum[in] += p->out[out] * p->weight[weight];
}

static void weight_from_both(void *context, int64_t in, int64_t out, int64_t weight) {
    struct products *p = context;
    p->weight_sum[weight] += p->in[in] * p->out[out];
}

static void conv_forward_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                             const double *src, const double *weight, const double *bias) {
    size_t count = mrc_shape_count(site->out);
    for (size_t i = 0; i < count; ++i) dst[i] = bias[i % (size_t)site->out.c];
    if (node->op == &mrc_op_conv) {
        struct products p = {.out_sum = dst, .in = src, .weight = weight};
        visit_conv(&node->attr, site->in[0], site->out, out_from_in, &p);
    } else {
        struct products p = {.in_sum = dst, .out = src, .weight = weight};
        visit_conv(&node->attr, site->out, site->in[0], in_from_out, &p);
    }
}

void mrc_conv_backward_ref(double *d_src, double *d_weight, double *d_bias,
                           const struct mrc_node *node, const struct mrc_site *site,
                           const double *d_dst, const double *src, const double *weight) {
    memset(d_src, 0, mrc_shape_count(site->in[0]) * sizeof *d_src);
    if (node->op == &mrc_op_conv) {
        struct products p = {
            .in_sum = d_src, .weight_sum = d_weight, .in = src, .out = d_dst, .weight = weight};
        visit_conv(&node->attr, site->in[0], site->out, in_from_out, &p);
        visit_conv(&node->attr, site->in[0], site->out, weight_from_both, &p);
    } else {
        struct products p = {
            .out_sum = d_src, .weight_sum = d_weight, .in = d_dst, .out = src, .weight = weight};
        visit_conv(&node->attr, site->out, site->in[0], out_from_in, &p);
        visit_conv(&node->attr, site->out, site->in[0], weight_from_both, &p);
    }
    size_t count = mrc_shape_count(site->out);
    for (size_t i = 0; i < count; ++i) d_bias[i % (size_t)site->out.c] += d_dst[i];
}

static void norm_forward_ref(double *dst, const struct mrc_node *node, struct mrc_shape s,
                             const double *src, const double *gain, const double *shift) {
    const int64_t pixels = s.d * s.h * s.w;
    for (int64_t n = 0; n < s.n; ++n)
        for (int64_t c = 0; c < s.c; ++c) {
            const double *x = src + n * pixels * s.c + c;
            double mean = 0.0, variance = 0.0;
            for (int64_t i = 0; i < pixels; ++i) mean += x[i * s.c] / (double)pixels;
            for (int64_t i = 0; i < pixels; ++i)
                variance += pow(x[i * s.c] - mean, 2.0) / (double)pixels;
            for (int64_t i = 0; i < pixels; ++i)
                dst[n * pixels * s.c + c + i * s.c] =
                    (x[i * s.c] - mean) / sqrt(variance + (double)node->attr.eps) * gain[c] +
                    shift[c];
        }
}

static void concat_forward_ref(double *dst, const struct mrc_site *site, const double *const *src) {
    const struct mrc_shape a = site->in[0], b = site->in[1];
    const int64_t pixels = a.n * a.d * a.h * a.w;
    for (int64_t i = 0; i < pixels; ++i)
        for (int64_t c = 0; c < a.c + b.c; ++c)
            dst[i * (a.c + b.c) + c] = c < a.c ? src[0][i * a.c + c] : src[1][i * b.c + c - a.c];
}

static void pad_forward_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                            const double *src) {
    const struct mrc_shape in = site->in[0];
    const int64_t *pad = node->attr.pad;
    memset(dst, 0, mrc_shape_count(site->out) * sizeof *dst);
    for (int64_t n = 0; n < in.n; ++n)
        for (int64_t d = 0; d < in.d; ++d)
            for (int64_t h = 0; h < in.h; ++h)
                for (int64_t w = 0; w < in.w; ++w)
                    for (int64_t c = 0; c < in.c; ++c)
                        dst[index_of(site->out, n, d + pad[0], h + pad[1], w + pad[2], c)] =
                            src[index_of(in, n, d, h, w, c)];
}

static double element_ref(const struct mrc_node *node, double a, double b) {
    if (node->op == &mrc_op_leaky_relu) return a > 0.0 ? a : (double)node->attr.slope * a;
    if (node->op == &mrc_op_sigmoid) return 1.0 / (1.0 + exp(-a));
    if (node->op == &mrc_op_tanh) return tanh(a);
    return a + b;
}

void mrc_forward_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                     const double *const *src, const double *weight, const double *bias) {
    if (node->op == &mrc_op_conv || node->op == &mrc_op_conv_transpose) {
        conv_forward_ref(dst, node, site, src[0], weight, bias);
    } else if (node->op == &mrc_op_instance_norm) {
        norm_forward_ref(dst, node, site->in[0], src[0], weight, bias);
    } else if (node->op == &mrc_op_concat) {
        concat_forward_ref(dst, site, src);
    } else if (node->op == &mrc_op_pad) {
        pad_forward_ref(dst, node, site, src[0]);
    } else {
        size_t count = mrc_shape_count(site->out);
        for (size_t i = 0; i < count; ++i)
            dst[i] = element_ref(node, src[0][i], node->inputs > 1 ? src[1][i] : 0.0);
    }
}
