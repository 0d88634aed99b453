/* regrid.c: index of one grid -> patient -> index of the other, as one affine map. */
#include "preprocess/regrid.h"

#include <math.h>

#include "base/parallel.h"

/* The map from indices of `to` to indices of `from`: inverse(from) * to. Geometries are checked to
 * be invertible. */
static void index_map(double map[3][4], const struct mrc_geometry *from,
                      const struct mrc_geometry *to) {
    const double(*a)[4] = from->index_to_ras_mm;
    const double(*b)[4] = to->index_to_ras_mm;
    double inverse[3][3];
    double det = 0.0;
    for (int c = 0; c < 3; ++c)
        det += a[0][c] *
               (a[1][(c + 1) % 3] * a[2][(c + 2) % 3] - a[1][(c + 2) % 3] * a[2][(c + 1) % 3]);
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 3; ++c) {
            int r1 = (c + 1) % 3, r2 = (c + 2) % 3, c1 = (r + 1) % 3, c2 = (r + 2) % 3;
            inverse[r][c] = (a[r1][c1] * a[r2][c2] - a[r1][c2] * a[r2][c1]) / det;
        }
    }
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c) {
            map[r][c] = 0.0;
            for (int m = 0; m < 3; ++m)
                map[r][c] += inverse[r][m] * (b[m][c] - (c == 3 ? a[m][3] : 0.0));
        }
    }
}

struct job {
    double map[3][4];
    const float *src;
    float *dst, outside;
    struct mrc_extent from, to;
};

/* Value at a fractional index; neighbours off the grid count as `outside`. */
static float sample(const struct job *job, const double at[3]) {
    const int64_t sides[3] = {job->from.i, job->from.j, job->from.k};
    int64_t base[3];
    double part[3];
    for (int a = 0; a < 3; ++a) {
        if (!(at[a] > -1.0 && at[a] < (double)sides[a])) return job->outside;
        base[a] = (int64_t)floor(at[a]);
        part[a] = at[a] - (double)base[a];
    }
    double sum = 0.0;
    for (int corner = 0; corner < 8; ++corner) {
        int64_t index[3];
        double weight = 1.0;
        bool inside = true;
        for (int a = 0; a < 3; ++a) {
            int up = corner >> a & 1;
            index[a] = base[a] + up;
            weight *= up ? part[a] : 1.0 - part[a];
            inside = inside && index[a] >= 0 && index[a] < sides[a];
        }
        if (weight == 0.0) continue;
        float value = inside ? job->src[(index[2] * sides[1] + index[1]) * sides[0] + index[0]]
                             : job->outside;
        sum += weight * (double)value;
    }
    return (float)sum;
}

static void regrid_slices(void *context, size_t begin, size_t end, int lane) {
    const struct job *job = context;
    (void)lane;
    for (int64_t k = (int64_t)begin; k < (int64_t)end; ++k) {
        for (int64_t j = 0; j < job->to.j; ++j) {
            for (int64_t i = 0; i < job->to.i; ++i) {
                double at[3];
                for (int a = 0; a < 3; ++a)
                    at[a] = job->map[a][0] * (double)i + job->map[a][1] * (double)j +
                            job->map[a][2] * (double)k + job->map[a][3];
                job->dst[(k * job->to.j + j) * job->to.i + i] = sample(job, at);
            }
        }
    }
}

void mrc_regrid(float *dst, struct mrc_extent to, const struct mrc_geometry *to_geometry,
                const float *src, struct mrc_extent from, const struct mrc_geometry *from_geometry,
                float outside) {
    struct job job = {.src = src, .dst = dst, .outside = outside, .from = from, .to = to};
    index_map(job.map, from_geometry, to_geometry);
    mrc_parallel_for((size_t)to.k, 1, regrid_slices, &job);
}
