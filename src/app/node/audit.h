/* audit.h: who did what and when, as lines of JSON without patient data: addresses, AE titles, ids
 * of jobs, counts, states. Several processes share the file, and it is opened for each line, so
 * that it can be rotated. A link in its place is not followed: the log would be somebody else's. */
#ifndef MRC_APP_NODE_AUDIT_H
#define MRC_APP_NODE_AUDIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/node/queue.h"
#include "base/text.h"

/** The log at `path`, and the lines that it has not taken yet. Set the path, zero the rest. */
struct mrc_audit {
    const char *path;
    struct mrc_text waiting;
    int64_t lost; /* lines that came when too many were waiting; the log will say how many */
};

/** {"time": "2026-01-31T12:00:00.000Z", "event": event}, to which the caller adds. NULL when memory
 * is exhausted, which the other calls take. */
cJSON *mrc_audit_begin(const char *event);
/** Writes the line and frees it. A log that cannot be written does not stop the work: the line
 * waits for the next call of this or of mrc_audit_flush. */
void mrc_audit_end(cJSON *line, struct mrc_audit *audit);
/** Writes what waits; false: it still does. A line is written whole or not at all. */
bool mrc_audit_flush(struct mrc_audit *audit);
/** "deleted": the job's id, the state it was in, and why it went. */
void mrc_audit_deleted(struct mrc_audit *audit, const struct mrc_job *job, const char *reason);
void mrc_audit_clear(struct mrc_audit *audit);

#endif
