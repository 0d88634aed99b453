/* alloc.h: the one door to the heap, and the arena that measures before it takes. */
#ifndef MRC_BASE_ALLOC_H
#define MRC_BASE_ALLOC_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** count * size zeroed bytes, 64-byte aligned; NULL on overflow or exhaustion. Zero bytes give a
 * valid pointer. Free with mrc_free. */
MRC_API void *mrc_alloc(size_t count, size_t size);
/** Frees what mrc_alloc, mrc_strdup or mrc_asprintf gave; NULL is fine. */
MRC_API void mrc_free(void *p);
/** A copy of text; NULL when memory is exhausted. */
MRC_API char *mrc_strdup(const char *text);
/** A formatted string on the heap; NULL when memory is exhausted. */
MRC_API MRC_PRINTF(1, 2) char *mrc_asprintf(const char *fmt, ...);
/** For tests: the n-th allocation from now fails, and only that one; 0 disarms. */
MRC_API void mrc_alloc_fail_after(long n);

/** Grows an array: *items (mrc_alloc'd or NULL) of *capacity elements gets room for at least
 * `needed`. Returns 0 and leaves all as it was when memory is exhausted, else 1. */
MRC_API int mrc_grow(void **items, size_t *capacity, size_t needed, size_t item_size);

/** Memory handed out front to back. With base == NULL nothing is handed out and `used` counts what
 * would be needed. */
struct mrc_arena {
    unsigned char *base;
    size_t size, used;
};

/** The next `bytes`, 64-byte aligned; NULL while measuring. Running over a measured size is a
 * caller's bug. */
static inline void *mrc_arena_take(struct mrc_arena *arena, size_t bytes) {
    size_t at = (arena->used + 63u) & ~(size_t)63u;
    arena->used = at + bytes;
    MRC_ASSERT(arena->base == NULL || arena->used <= arena->size);
    return arena->base != NULL ? arena->base + at : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
