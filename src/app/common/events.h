/* events.h: how a long piece of work speaks while it runs. The caller decides where words go. */
#ifndef MRC_APP_COMMON_EVENTS_H
#define MRC_APP_COMMON_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Each callback may be NULL, and so may the record. All are called on the thread that started the
 * work. */
struct mrc_events {
    void *context;
    /** One line the user should read; no line feed, no patient data. */
    void (*note)(void *context, const char *text);
    /** `done` of `total` of the named stage ("reading", "translating"). */
    void (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    /** true: stop as soon as nothing is left half-done. */
    bool (*cancelled)(void *context);
};

MRC_API MRC_PRINTF(2, 3) void mrc_events_note(const struct mrc_events *events, const char *fmt,
                                              ...);
MRC_API void mrc_events_progress(const struct mrc_events *events, const char *stage, int64_t done,
                                 int64_t total);
MRC_API bool mrc_events_cancelled(const struct mrc_events *events);

#ifdef __cplusplus
}
#endif
#endif
