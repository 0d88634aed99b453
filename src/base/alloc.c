/* alloc.c: the one door to the heap. Every allocation passes mrc_alloc, so that tests can make the
 * n-th one fail. */
#define _DEFAULT_SOURCE /* MADV_DONTNEED */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };
/* glibc takes blocks of this size from the system afresh and gives them back when freed. */
enum { LARGE_BYTES = 32 << 20 };

static atomic_long fail_after; /* 0: disarmed; 1: the next allocation fails */

void mrc_alloc_fail_after(long n) {
    atomic_store(&fail_after, n);
}

static int must_fail(void) {
    long left = atomic_load(&fail_after);
    if (left <= 0) return 0;
    return atomic_fetch_sub(&fail_after, 1) == 1;
}

/* Zeroes a block. The whole pages of a large one are given back, to come as zeros when they are
 * first used: writing to them here would touch each twice, and once more where a child process that
 * was forked in between shares them. */
static void clear(unsigned char *block, size_t bytes) {
    if (bytes >= LARGE_BYTES) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t begin = (page - (uintptr_t)block % page) % page;
        size_t whole = (bytes - begin) / page * page;
        if (madvise(block + begin, whole, MADV_DONTNEED) == 0) {
            memset(block, 0, begin);
            memset(block + begin + whole, 0, bytes - begin - whole);
            return;
        }
    }
    memset(block, 0, bytes);
}

void *mrc_alloc(size_t count, size_t size) {
    if (must_fail()) return NULL;
    if (size != 0 && count > (SIZE_MAX - ALIGNMENT) / size) return NULL;
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes == 0) bytes = ALIGNMENT;
    void *p = aligned_alloc(ALIGNMENT, bytes);
    if (p != NULL) clear(p, bytes);
    return p;
}

void mrc_free(void *p) {
    free(p);
}

char *mrc_strdup(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = mrc_alloc(bytes, 1);
    if (copy != NULL) memcpy(copy, text, bytes);
    return copy;
}

char *mrc_asprintf(const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    char *text = length >= 0 ? mrc_alloc((size_t)length + 1, 1) : NULL;
    if (text != NULL) (void)vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

int mrc_grow(void **items, size_t *capacity, size_t needed, size_t item_size) {
    if (needed <= *capacity) return 1;
    size_t larger = *capacity < 8 ? 8 : *capacity;
    while (larger < needed) {
        if (larger > SIZE_MAX / 2) return 0;
        larger *= 2;
    }
    void *moved = mrc_alloc(larger, item_size);
    if (moved == NULL) return 0;
    if (*items != NULL) memcpy(moved, *items, *capacity * item_size);
    mrc_free(*items);
    *items = moved;
    *capacity = larger;
    return 1;
}
