/* order.h: orders for qsort. */
#ifndef MRC_BASE_ORDER_H
#define MRC_BASE_ORDER_H

static inline int mrc_ascending_float(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline int mrc_ascending_double(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
