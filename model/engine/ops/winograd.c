/* winograd.c: the transforms in each width of lanes, and the choice by what the processor can do.
 * One text (winograd_kernels.inc) in vectors of the compiler, so that the widths cannot differ but
 * in rounding: where there is a fused multiplication and addition, it is used. */
#include "model/engine/ops/winograd.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/watched.h"

enum { SUM_BLOCK = 256 };

/* Rows of floats that a product reads or writes, `pitch` apart in one array. */
static void watch_rows(const float *at, int64_t rows, int64_t pitch, int64_t floats) {
    if (rows > 0) mrc_watch(at, (size_t)((rows - 1) * pitch + floats) * sizeof *at);
}

/* All that a product touches, so that its strips need not be watched. */
static void watch_product(const struct mrc_winograd_product *p) {
    watch_rows(p->c, p->rows, p->c_row, p->columns);
    watch_rows(p->b, p->sum, p->b_row, p->columns);
    watch_rows(p->a, p->rows, p->a_row, (p->sum - 1) * p->a_column + 1);
}

#define LANES         1
#define STRIP_ROWS    6
#define TALL_ROWS     12
#define STRIP_VECTORS 2
#define NAME(x)       x##_single
#define TARGET
#include "model/engine/ops/winograd_kernels.inc"

#define LANES         4
#define STRIP_ROWS    6
#define TALL_ROWS     12
#define STRIP_VECTORS 2
#define NAME(x)       x##_portable
#define TARGET
#define TAIL(x) x##_single
#include "model/engine/ops/winograd_kernels.inc"

#if defined(__x86_64__)
#define LANES         8
#define STRIP_ROWS    6
#define TALL_ROWS     12
#define STRIP_VECTORS 2
#define NAME(x)       x##_avx2
#define TARGET        __attribute__((target("avx2,fma")))
#define TAIL(x)       x##_single
#include "model/engine/ops/winograd_kernels.inc"

#define LANES         16
#define STRIP_ROWS    8
#define TALL_ROWS     12
#define STRIP_VECTORS 3
#define NAME(x)       x##_avx512
#define TARGET        __attribute__((target("avx512f")))
#define TAIL(x)       x##_avx2
#include "model/engine/ops/winograd_kernels.inc"
#endif

static const struct mrc_winograd *table_of(enum mrc_winograd_lanes lanes) {
#if defined(__x86_64__)
    if (lanes == MRC_WINOGRAD_AVX512 && __builtin_cpu_supports("avx512f")) return kernels_avx512;
    if (lanes == MRC_WINOGRAD_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        return kernels_avx2;
#endif
    return lanes == MRC_WINOGRAD_PORTABLE ? kernels_portable : NULL;
}

const struct mrc_winograd *mrc_winograd_kernels(int outputs, enum mrc_winograd_lanes lanes) {
    const struct mrc_winograd *table = NULL;
    if (lanes != MRC_WINOGRAD_BEST)
        table = table_of(lanes);
    else
        for (int i = MRC_WINOGRAD_AVX512; table == NULL && i >= MRC_WINOGRAD_PORTABLE; --i)
            table = table_of((enum mrc_winograd_lanes)i);
    return table != NULL ? &table[outputs == 4] : NULL;
}
