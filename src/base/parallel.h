/* parallel.h: loops over fixed chunks on a process-wide pool of threads.
 * Work is cut by `grain`, never by the number of threads, so a loop whose chunks write disjoint
 * results gives the same bytes on any number of threads. */
#ifndef MRC_BASE_PARALLEL_H
#define MRC_BASE_PARALLEL_H

#include <stddef.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_MAX_THREADS = 64 };

/** Number of threads of later loops; 0 or less means all cores this process may use. Not during a
 * loop. */
MRC_API void mrc_parallel_set_threads(int threads);
MRC_API int mrc_parallel_threads(void);

/** One chunk: items begin … end-1. lane: 0 … threads-1, no two chunks run in the same lane at once
 * (for scratch memory). */
typedef void mrc_range_fn(void *context, size_t begin, size_t end, int lane);

/** Runs fn over 0 … count-1 in chunks of `grain` (> 0) items, and returns when all are done. A loop
 * inside a loop runs in the calling lane, serially. */
MRC_API void mrc_parallel_for(size_t count, size_t grain, mrc_range_fn *fn, void *context);

/** In a forked child, where the pool's threads do not exist: later loops run in the calling thread.
 */
void mrc_parallel_forget_threads(void);

/** Sum in double of chunks of 4,096 floats, added in order. */
MRC_API double mrc_sum(const float *x, size_t n);

#ifdef __cplusplus
}
#endif
#endif
