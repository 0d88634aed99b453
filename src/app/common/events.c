/* events.c: the callbacks of events.h, each of which may be missing. */
#include "app/common/events.h"

#include <stdarg.h>
#include <stdio.h>

void mrc_events_note(const struct mrc_events *events, const char *fmt, ...) {
    if (events == NULL || events->note == NULL) return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    events->note(events->context, text);
}

void mrc_events_progress(const struct mrc_events *events, const char *stage, int64_t done,
                         int64_t total) {
    if (events != NULL && events->progress != NULL)
        events->progress(events->context, stage, done, total);
}

bool mrc_events_cancelled(const struct mrc_events *events) {
    return events != NULL && events->cancelled != NULL && events->cancelled(events->context);
}
