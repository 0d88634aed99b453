/* status.c: the record of a failure. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

enum mrc_status mrc_fail(struct mrc_error *err, enum mrc_status code, const char *fmt, ...) {
    MRC_ASSERT(code != MRC_OK);
    if (err == NULL) return code;
    MRC_ASSERT(err->code == MRC_OK); /* the first failure wins; a second one was not looked at */
    if (err->code != MRC_OK) return code;
    err->code = code;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    for (char *c = err->text; *c != '\0'; ++c) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    return code;
}

void mrc_error_clear(struct mrc_error *err) {
    if (err == NULL) return;
    err->code = MRC_OK;
    err->text[0] = '\0';
}

const char *mrc_status_name(enum mrc_status code) {
    switch (code) {
    case MRC_OK: return "no error";
    case MRC_ERR_NOMEM: return "out of memory";
    case MRC_ERR_ARGUMENT: return "unusable argument";
    case MRC_ERR_IO: return "unreadable input";
    case MRC_ERR_FORMAT: return "broken input";
    case MRC_ERR_UNSUPPORTED: return "refused input";
    case MRC_ERR_RANGE: return "limit exceeded";
    case MRC_ERR_WRITE: return "output not written";
    case MRC_ERR_NUMERIC: return "computation failed";
    case MRC_ERR_CANCELLED: return "cancelled";
    case MRC_ERR_NETWORK: return "network failure";
    case MRC_ERR_PEER: return "refused by the peer";
    }
    return "unknown status";
}
