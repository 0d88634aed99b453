/* watched.h: inner loops that AddressSanitizer and UndefinedBehaviorSanitizer need not watch access
 * by access, because all that they touch was looked at before them. A loop of vectors held in
 * registers takes fifty times as long when each load is asked for by itself, and tests would do
 * nothing else. Without sanitizers none of this is anything. */
#ifndef MRC_BASE_WATCHED_H
#define MRC_BASE_WATCHED_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MRC_WATCHES_ADDRESSES 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MRC_WATCHES_ADDRESSES 1
#endif

#if defined(MRC_WATCHES_ADDRESSES)
#include <sanitizer/asan_interface.h>

/** Of a function whose caller has looked at all that it touches. */
#define MRC_UNWATCHED __attribute__((no_sanitize("address", "undefined")))

/** Stops as a read there would, with AddressSanitizer's report, where a byte of these is not the
 * program's to use. */
static inline void mrc_watch(const void *from, size_t bytes) {
    const char *bad = __asan_region_is_poisoned((void *)(size_t)from, bytes);
    if (bad != NULL) (void)*(const volatile char *)bad;
}
#else
#define MRC_UNWATCHED
static inline void mrc_watch(const void *from, size_t bytes) {
    (void)from;
    (void)bytes;
}
#endif

#endif
