/* audit.h: who did what and when, as lines of JSON without patient data: addresses, AE titles, ids
 * of jobs, counts, states. One write a line, so that several processes can share the file, and the
 * file is opened for each, so that it can be rotated. */
#ifndef MRC_APP_AUDIT_H
#define MRC_APP_AUDIT_H

#include <cjson/cJSON.h>

/** {"time": "2026-01-31T12:00:00.000Z", "event": event}, to which the caller adds. NULL when memory
 * is exhausted, which the other calls take. */
cJSON *mrc_audit_begin(const char *event);
/** Writes the line and frees it. A log that cannot be written does not stop the work. */
void mrc_audit_end(cJSON *line, const char *path);

#endif
