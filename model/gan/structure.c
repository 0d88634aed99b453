/* structure.c: squared normalised gradient fields, and MIND. A plane is one channel of one image:
 * [size][size] with a stride between pixels. */
#include "model/gan/structure.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Gradients below this, per pixel, are noise and no edge. */
static const double EDGE = 0.05;
/* Added to MIND's estimate of the local variance: that of noise of 1 % of the range. */
static const double LEAST_VARIANCE = 1e-4;
enum { NEIGHBOURS = 4, MIND_PLANES = 2 * NEIGHBOURS + 1 };

static const char *const names[] = {[MRC_STRUCTURE_NGF] = "ngf", [MRC_STRUCTURE_MIND] = "mind"};

const char *mrc_structure_kind_name(enum mrc_structure_kind kind) {
    MRC_ASSERT((size_t)kind < sizeof(names) / sizeof(names[0]));
    return names[kind];
}

enum mrc_status mrc_structure_kind_parse(enum mrc_structure_kind *out, const char *text,
                                         struct mrc_error *err) {
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (enum mrc_structure_kind)i;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "structure loss \"%s\" is unknown, expected ngf or mind",
                    text);
}

struct planes {
    const float *output, *source;
    float *d; /* NULL: no gradient */
    int64_t size, stride;
    double scale; /* of the gradient */
};

/* --- Normalised gradient fields --- */

/* Pixels at the border have no central differences and do not count. */
static double ngf(const struct planes *p) {
    const int64_t row = p->size * p->stride, step = p->stride;
    double sum = 0.0;
    for (int64_t y = 1; y + 1 < p->size; ++y)
        for (int64_t x = 1; x + 1 < p->size; ++x) {
            const float *b = p->output + y * row + x * step, *a = p->source + y * row + x * step;
            double ax = 0.5 * ((double)a[step] - (double)a[-step]);
            double ay = 0.5 * ((double)a[row] - (double)a[-row]);
            double bx = 0.5 * ((double)b[step] - (double)b[-step]);
            double by = 0.5 * ((double)b[row] - (double)b[-row]);
            double square_a = ax * ax + ay * ay + EDGE * EDGE;
            double square_b = bx * bx + by * by + EDGE * EDGE;
            double dot = ax * bx + ay * by, both = square_a * square_b;
            sum += 1.0 - dot * dot / both;
            if (p->d == NULL) continue;
            /* of 1 - dot^2 / both, with respect to (bx, by); a pixel is half a difference */
            double along_a = -2.0 * dot / both, along_b = 2.0 * dot * dot / (both * square_b);
            double dx = 0.5 * p->scale * (along_a * ax + along_b * bx);
            double dy = 0.5 * p->scale * (along_a * ay + along_b * by);
            float *d = p->d + y * row + x * step;
            d[step] += (float)dx, d[-step] -= (float)dx;
            d[row] += (float)dy, d[-row] -= (float)dy;
        }
    return sum;
}

/* --- MIND --- */

static const int offsets[NEIGHBOURS][2] = {{0, 1}, {0, -1}, {1, 0}, {-1, 0}}; /* y, x */

/* A Gaussian patch of 3x3 pixels, deviation 0.5, as in the authors' code; 0 beyond the border, so
 * that it is its own adjoint. */
static void smooth(double *dst, const double *src, int64_t size) {
    const double side = exp(-2.0), total = 1.0 + 2.0 * side;
    const double w[3] = {side / total, 1.0 / total, side / total};
    for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x) {
            double sum = 0.0;
            for (int64_t v = y > 0 ? -1 : 0; v <= (y + 1 < size ? 1 : 0); ++v)
                for (int64_t u = x > 0 ? -1 : 0; u <= (x + 1 < size ? 1 : 0); ++u)
                    sum += w[v + 1] * w[u + 1] * src[(y + v) * size + x + u];
            dst[y * size + x] = sum;
        }
}

/* Pixels from (y, x) to its n-th neighbour; beyond the border it is its own. */
static int64_t neighbour(int64_t y, int64_t x, int n, int64_t size) {
    int64_t to_y = y + offsets[n][0], to_x = x + offsets[n][1];
    bool inside = to_y >= 0 && to_y < size && to_x >= 0 && to_x < size;
    return inside ? to_y * size + to_x : y * size + x;
}

static double step_to(const float *image, int64_t from, int64_t to, int64_t stride) {
    return (double)image[to * stride] - (double)image[from * stride];
}

/* distance[n][pixel]: of the patch from the one at the n-th neighbour. */
static void find_distances(double *distance, double *spare, const float *image,
                           const struct planes *p) {
    const size_t plane = (size_t)(p->size * p->size);
    for (int n = 0; n < NEIGHBOURS; ++n) {
        for (int64_t y = 0; y < p->size; ++y)
            for (int64_t x = 0; x < p->size; ++x) {
                double step =
                    step_to(image, y * p->size + x, neighbour(y, x, n, p->size), p->stride);
                spare[y * p->size + x] = step * step;
            }
        smooth(distance + (size_t)n * plane, spare, p->size);
    }
}

struct descriptor {
    double value[NEIGHBOURS], above[NEIGHBOURS], variance; /* above: distance less the least */
    int least;
};

static struct descriptor describe(const double *distance, size_t plane, size_t pixel) {
    struct descriptor m = {.variance = LEAST_VARIANCE};
    for (int n = 0; n < NEIGHBOURS; ++n) {
        double here = distance[(size_t)n * plane + pixel];
        m.variance += here / NEIGHBOURS;
        if (here < distance[(size_t)m.least * plane + pixel]) m.least = n;
    }
    for (int n = 0; n < NEIGHBOURS; ++n) {
        m.above[n] =
            distance[(size_t)n * plane + pixel] - distance[(size_t)m.least * plane + pixel];
        m.value[n] = exp(-m.above[n] / m.variance);
    }
    return m;
}

/* The gradient at the distances takes their place. */
static double compare_descriptors(double *distance, const double *source, const struct planes *p) {
    const size_t plane = (size_t)(p->size * p->size);
    double sum = 0.0;
    for (size_t i = 0; i < plane; ++i) {
        struct descriptor of_output = describe(distance, plane, i),
                          of_source = describe(source, plane, i);
        double at_least = 0.0, at_variance = 0.0, d[NEIGHBOURS];
        for (int n = 0; n < NEIGHBOURS; ++n) {
            double difference = of_output.value[n] - of_source.value[n];
            double slope = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
            double along = slope * p->scale / NEIGHBOURS * of_output.value[n] / of_output.variance;
            sum += fabs(difference) / NEIGHBOURS;
            d[n] = -along;
            at_least += along;
            at_variance += along * of_output.above[n] / of_output.variance;
        }
        d[of_output.least] += at_least;
        for (int n = 0; n < NEIGHBOURS; ++n)
            distance[(size_t)n * plane + i] = d[n] + at_variance / NEIGHBOURS;
    }
    return sum;
}

static double mind(const struct planes *p, double *spare) {
    const size_t plane = (size_t)(p->size * p->size);
    double *source = spare, *distance = spare + NEIGHBOURS * plane;
    double *one = distance + NEIGHBOURS * plane;
    find_distances(source, one, p->source, p);
    find_distances(distance, one, p->output, p);
    double sum = compare_descriptors(distance, source, p);
    for (int n = 0; p->d != NULL && n < NEIGHBOURS; ++n) {
        smooth(one, distance + (size_t)n * plane, p->size);
        for (int64_t y = 0; y < p->size; ++y)
            for (int64_t x = 0; x < p->size; ++x) {
                int64_t from = y * p->size + x, to = neighbour(y, x, n, p->size);
                float d = (float)(2.0 * one[from] * step_to(p->output, from, to, p->stride));
                p->d[to * p->stride] += d;
                p->d[from * p->stride] -= d;
            }
    }
    return sum;
}

size_t mrc_structure_spare(enum mrc_structure_kind kind, int64_t size) {
    return kind == MRC_STRUCTURE_MIND ? MIND_PLANES * (size_t)(size * size) : 0;
}

double mrc_loss_structure(float *d, const float *output, const float *source, size_t count,
                          int64_t size, int64_t channels, enum mrc_structure_kind kind,
                          float weight, double *spare) {
    MRC_ASSERT(count > 0 && size >= 3);
    const int64_t side = kind == MRC_STRUCTURE_NGF ? size - 2 : size;
    const double pixels = (double)count * (double)(channels * side * side);
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            size_t at = i * (size_t)(size * size * channels) + (size_t)c;
            struct planes p = {.output = output + at,
                               .source = source + at,
                               .d = d != NULL ? d + at : NULL,
                               .size = size,
                               .stride = channels,
                               .scale = (double)weight / pixels};
            sum += kind == MRC_STRUCTURE_NGF ? ngf(&p) : mind(&p, spare);
        }
    return sum / pixels;
}
