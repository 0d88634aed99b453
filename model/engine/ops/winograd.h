/* winograd.h: minimal filtering, the transforms. Winograd, "Arithmetic complexity of computations"
 * (1980); Lavin and Gray, "Fast algorithms for convolutional neural networks" (CVPR 2016).
 *
 * A filter of 2 taps makes m outputs y[i] = x[i] w[0] + x[i+1] w[1] from m + 1 inputs. F(m,2) does
 * it with m + 1 products: both sides are polynomials, evaluated at m + 1 points and multiplied
 * there,
 *     y = A' ((G w) . (B' x)).
 * In two dimensions each transform is applied to rows and columns: (m+1)^2 products instead of
 * 4 m^2. Products of many channels are one matrix product at each point, and the transforms between
 * them are these kernels. The adjoint of the whole thing runs the same way backwards: A, then
 * products with G w, then B.
 *
 * All kernels work on the channels begin … end-1 of runs. Each point has a run of its own, point p
 * at p * stride floats; what lies in space is a list of pointers to runs, rows before columns. */
#ifndef MRC_MODEL_ENGINE_OPS_WINOGRAD_H
#define MRC_MODEL_ENGINE_OPS_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

enum { MRC_WINOGRAD_MOST_OUTPUTS = 4, MRC_WINOGRAD_MOST_POINTS = 5 }; /* along one axis */

/** from [...] in space, to at the points; overwritten. */
typedef void mrc_winograd_to_points(float *to, int64_t stride, const float *const *from,
                                    int64_t begin, int64_t end);
/** to[i] = before[i] + what comes from the points; before[i] may be to[i]. */
typedef void mrc_winograd_from_points(float *const *to, const float *const *before,
                                      const float *from, int64_t stride, int64_t begin,
                                      int64_t end);

/** c [rows][columns] = (add ? c : 0) + a [rows][sum] * b [sum][columns]. Nothing is packed: b is
 * best a narrow block. Element (i, k) of a lies at i * a_row + k * a_column; b_row, c_row: floats
 * from one row to the next. */
struct mrc_winograd_product {
    float *c;
    const float *a, *b;
    int64_t rows, columns, sum;
    int64_t a_row, a_column, b_row, c_row;
    bool add;
};

struct mrc_winograd {
    int outputs, points;                     /* m and m + 1, along one axis */
    mrc_winograd_to_points *input;           /* B', from points^2 inputs */
    mrc_winograd_from_points *input_adjoint; /* B */
    mrc_winograd_from_points *output;        /* A', to outputs^2 */
    mrc_winograd_to_points *output_adjoint;  /* A */
    mrc_winograd_to_points *weights;         /* G, from 2x2 taps */
    mrc_winograd_from_points *weights_adjoint;
    /** to [columns][rows] = from [rows][columns], turned around; rows of both by their pitch. */
    void (*turn)(float *to, int64_t to_row, const float *from, int64_t from_row, int64_t rows,
                 int64_t columns);
    /** NULL: the BLAS is faster. */
    void (*multiply)(const struct mrc_winograd_product *product);
};

/** Instructions a kernel is written in. All give the same numbers but for rounding. */
enum mrc_winograd_lanes {
    MRC_WINOGRAD_BEST, /* the widest this processor has */
    MRC_WINOGRAD_PORTABLE,
    MRC_WINOGRAD_AVX2,
    MRC_WINOGRAD_AVX512,
    MRC_WINOGRAD_LANES
};

/** The kernels of F(outputs x outputs, 2x2), outputs 2 or 4; NULL where this processor cannot run
 * them. */
const struct mrc_winograd *mrc_winograd_kernels(int outputs, enum mrc_winograd_lanes lanes);

#endif
