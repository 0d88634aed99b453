/* fault.h: in test builds (MRC_FAULT_HOOK), bytes that begin with certain words do to what reads
 * them what a hostile file may. */
#ifndef MRC_BASE_FAULT_H
#define MRC_BASE_FAULT_H

#include <stddef.h>

#ifdef MRC_FAULT_HOOK
#include <signal.h>
#include <string.h>
#include <unistd.h>

/** "fault:crash" crashes, "fault:hang" waits for ever, "fault:spin" computes for ever. */
static inline void mrc_fault_check(const void *bytes, size_t size) {
    static const char crash[] = "fault:crash", hang[] = "fault:hang", spin[] = "fault:spin";
    if (size >= sizeof crash - 1 && memcmp(bytes, crash, sizeof crash - 1) == 0)
        (void)raise(SIGSEGV);
    while (size >= sizeof hang - 1 && memcmp(bytes, hang, sizeof hang - 1) == 0) (void)pause();
    while (size >= sizeof spin - 1 && memcmp(bytes, spin, sizeof spin - 1) == 0) {}
}
#else
static inline void mrc_fault_check(const void *bytes, size_t size) {
    (void)bytes;
    (void)size;
}
#endif

#endif
