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
                    int64_t d = at[1] * a->stride[0] - a->pad[0] + kd * mrc_dilation(a, 0);
                    int64_t h = at[2] * a->stride[1] - a->pad[1] + kh * mrc_dilation(a, 1);
                    int64_t w = at[3] * a->stride[2] - a->pad[2] + kw * mrc_dilation(a, 2);
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

static void conv_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                     const double *const *srcs, const double *weight, const double *bias) {
    const double *src = srcs[0];
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

/* Each channel is a convolution from itself to itself. */
static void depthwise_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                          const double *const *src, const double *weight, const double *bias) {
    const struct mrc_attributes *a = &node->attr;
    const struct mrc_shape in = site->in[0], out = site->out;
    const int64_t taps = a->k[0] * a->k[1] * a->k[2];
    for (int64_t i = 0; i < (int64_t)mrc_shape_count(out); ++i) {
        const int64_t c = i % out.c, w = i / out.c % out.w, h = i / out.c / out.w % out.h;
        const int64_t d = i / out.c / out.w / out.h % out.d, n = i / out.c / out.w / out.h / out.d;
        dst[i] = bias[c];
        for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t kw = tap % a->k[2], kh = tap / a->k[2] % a->k[1];
            const int64_t kd = tap / a->k[2] / a->k[1];
            const int64_t id = d * a->stride[0] - a->pad[0] + kd * mrc_dilation(a, 0);
            const int64_t ih = h * a->stride[1] - a->pad[1] + kh * mrc_dilation(a, 1);
            const int64_t iw = w * a->stride[2] - a->pad[2] + kw * mrc_dilation(a, 2);
            if (id < 0 || id >= in.d || ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
            dst[i] += src[0][index_of(in, n, id, ih, iw, c)] * weight[tap * in.c + c];
        }
    }
}

/* Norm of groups of channels: instance norm has as many as channels. */
static void norm_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                     const double *const *src, const double *gain, const double *shift) {
    const struct mrc_shape s = site->in[0];
    const int64_t groups = node->op == &mrc_op_group_norm ? node->attr.groups : s.c;
    const int64_t pixels = s.d * s.h * s.w, width = s.c / groups;
    const double values = (double)(pixels * width);
    for (int64_t n = 0; n < s.n; ++n)
        for (int64_t g = 0; g < groups; ++g) {
            const int64_t first = n * pixels * s.c + g * width;
            double mean = 0.0, variance = 0.0;
            for (int64_t i = 0; i < pixels * width; ++i)
                mean += src[0][first + i / width * s.c + i % width] / values;
            for (int64_t i = 0; i < pixels * width; ++i)
                variance += pow(src[0][first + i / width * s.c + i % width] - mean, 2.0) / values;
            for (int64_t i = 0; i < pixels * width; ++i) {
                const int64_t at = first + i / width * s.c + i % width, c = g * width + i % width;
                dst[at] = (src[0][at] - mean) / sqrt(variance + (double)node->attr.eps) * gain[c] +
                          shift[c];
            }
        }
}

static void concat_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                       const double *const *src, const double *weight, const double *bias) {
    (void)node, (void)weight, (void)bias;
    const struct mrc_shape a = site->in[0], b = site->in[1];
    const int64_t pixels = a.n * a.d * a.h * a.w;
    for (int64_t i = 0; i < pixels; ++i)
        for (int64_t c = 0; c < a.c + b.c; ++c)
            dst[i * (a.c + b.c) + c] = c < a.c ? src[0][i * a.c + c] : src[1][i * b.c + c - a.c];
}

/* Calls for every position of a shape. */
typedef void position_fn(void *context, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c);
static void each_position(struct mrc_shape s, position_fn *visit, void *context) {
    for (int64_t n = 0; n < s.n; ++n)
        for (int64_t d = 0; d < s.d; ++d)
            for (int64_t h = 0; h < s.h; ++h)
                for (int64_t w = 0; w < s.w; ++w)
                    for (int64_t c = 0; c < s.c; ++c) visit(context, n, d, h, w, c);
}

struct moved {
    double *dst;
    const double *src;
    const struct mrc_site *site;
    const struct mrc_attributes *attr;
};

static void pad_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c) {
    const struct moved *m = context;
    const int64_t *pad = m->attr->pad;
    m->dst[index_of(m->site->out, n, d + pad[0], h + pad[1], w + pad[2], c)] =
        m->src[index_of(m->site->in[0], n, d, h, w, c)];
}

/* The pixel (d, h, w) of what has pixels lies in the block of the pixel divided by the sides. */
static int64_t block_index(const struct moved *m, struct mrc_shape coarse, int64_t channels,
                           const int64_t at[5]) {
    const int64_t *b = m->attr->stride;
    const int64_t in_block = (at[1] % b[0] * b[1] + at[2] % b[1]) * b[2] + at[3] % b[2];
    return index_of(coarse, at[0], at[1] / b[0], at[2] / b[1], at[3] / b[2],
                    in_block * channels + at[4]);
}

static void to_depth_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w,
                              int64_t c) {
    const struct moved *m = context;
    const int64_t at[5] = {n, d, h, w, c};
    m->dst[block_index(m, m->site->out, m->site->in[0].c, at)] =
        m->src[index_of(m->site->in[0], n, d, h, w, c)];
}

static void to_space_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w,
                              int64_t c) {
    const struct moved *m = context;
    const int64_t at[5] = {n, d, h, w, c};
    m->dst[index_of(m->site->out, n, d, h, w, c)] =
        m->src[block_index(m, m->site->in[0], m->site->out.c, at)];
}

static void nearest_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c) {
    const struct moved *m = context;
    const int64_t *by = m->attr->stride;
    m->dst[index_of(m->site->out, n, d, h, w, c)] =
        m->src[index_of(m->site->in[0], n, d / by[0], h / by[1], w / by[2], c)];
}

/* The hat function of pixel i, at the place of output o, whose centre lies no further out than the
 * outermost centres. */
static double hat(int64_t o, int64_t i, int64_t factor, int64_t side) {
    double at = ((double)o + 0.5) / (double)factor - 0.5;
    at = fmin(fmax(at, 0.0), (double)(side - 1));
    return fmax(0.0, 1.0 - fabs(at - (double)i));
}

static void linear_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c) {
    const struct moved *m = context;
    const struct mrc_shape in = m->site->in[0];
    const int64_t *by = m->attr->stride;
    double sum = 0.0;
    for (int64_t i = 0; i < in.d * in.h * in.w; ++i) {
        const int64_t id = i / in.w / in.h, ih = i / in.w % in.h, iw = i % in.w;
        sum += hat(d, id, by[0], in.d) * hat(h, ih, by[1], in.h) * hat(w, iw, by[2], in.w) *
               m->src[index_of(in, n, id, ih, iw, c)];
    }
    m->dst[index_of(m->site->out, n, d, h, w, c)] = sum;
}

static void average_position(void *context, int64_t n, int64_t d, int64_t h, int64_t w, int64_t c) {
    const struct moved *m = context;
    const struct mrc_shape in = m->site->in[0];
    m->dst[n * in.c + c] += m->src[index_of(in, n, d, h, w, c)] / (double)(in.d * in.h * in.w);
}

static void moved_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                      const double *const *src, const double *weight, const double *bias) {
    (void)weight, (void)bias;
    static const struct {
        const struct mrc_op *op;
        position_fn *visit;
        bool of_input; /* visits the input's positions, else the output's */
    } kinds[] = {
        {&mrc_op_pad, pad_position, true},
        {&mrc_op_space_to_depth, to_depth_position, true},
        {&mrc_op_depth_to_space, to_space_position, false},
        {&mrc_op_upsample_nearest, nearest_position, false},
        {&mrc_op_upsample_linear, linear_position, false},
        {&mrc_op_global_average, average_position, true},
    };
    struct moved m = {.dst = dst, .src = src[0], .site = site, .attr = &node->attr};
    memset(dst, 0, mrc_shape_count(site->out) * sizeof *dst);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i)
        if (kinds[i].op == node->op)
            each_position(kinds[i].of_input ? site->in[0] : site->out, kinds[i].visit, &m);
}

static void scale_shift_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                            const double *const *src, const double *weight, const double *bias) {
    (void)node, (void)weight, (void)bias;
    const struct mrc_shape s = site->in[0];
    const int64_t floats = s.d * s.h * s.w * s.c;
    for (int64_t i = 0; i < s.n * floats; ++i) {
        const double *condition = src[1] + i / floats * 2 * s.c;
        dst[i] = src[0][i] * (1.0 + condition[i % s.c]) + condition[s.c + i % s.c];
    }
}

static void element_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                        const double *const *src, const double *weight, const double *bias) {
    (void)weight, (void)bias;
    for (size_t i = 0; i < mrc_shape_count(site->out); ++i) {
        const double a = src[0][i];
        if (node->op == &mrc_op_leaky_relu)
            dst[i] = a > 0.0 ? a : (double)node->attr.slope * a;
        else if (node->op == &mrc_op_sigmoid)
            dst[i] = 1.0 / (1.0 + exp(-a));
        else if (node->op == &mrc_op_tanh)
            dst[i] = tanh(a);
        else
            dst[i] = a + src[1][i];
    }
}

void mrc_forward_ref(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                     const double *const *src, const double *weight, const double *bias) {
    static const struct {
        const struct mrc_op *op;
        void (*forward)(double *dst, const struct mrc_node *node, const struct mrc_site *site,
                        const double *const *src, const double *weight, const double *bias);
    } refs[] = {
        {&mrc_op_conv, conv_ref},
        {&mrc_op_conv_transpose, conv_ref},
        {&mrc_op_conv_depthwise, depthwise_ref},
        {&mrc_op_instance_norm, norm_ref},
        {&mrc_op_group_norm, norm_ref},
        {&mrc_op_concat, concat_ref},
        {&mrc_op_pad, moved_ref},
        {&mrc_op_space_to_depth, moved_ref},
        {&mrc_op_depth_to_space, moved_ref},
        {&mrc_op_upsample_nearest, moved_ref},
        {&mrc_op_upsample_linear, moved_ref},
        {&mrc_op_global_average, moved_ref},
        {&mrc_op_scale_shift, scale_shift_ref},
        {&mrc_op_leaky_relu, element_ref},
        {&mrc_op_sigmoid, element_ref},
        {&mrc_op_tanh, element_ref},
        {&mrc_op_add, element_ref},
    };
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; ++i)
        if (refs[i].op == node->op) refs[i].forward(dst, node, site, src, weight, bias);
}
