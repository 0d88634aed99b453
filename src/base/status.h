/* status.h: how a call says that it failed. The status tells the kind, the record the caller owns
 * tells the story. */
#ifndef MRC_BASE_STATUS_H
#define MRC_BASE_STATUS_H

#include <assert.h>

#include "base/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_status {
    MRC_OK = 0,
    MRC_ERR_NOMEM,       /* memory is exhausted, or a size overflows */
    MRC_ERR_ARGUMENT,    /* an option or value the user gave cannot be used */
    MRC_ERR_IO,          /* an input is missing or cannot be read */
    MRC_ERR_FORMAT,      /* an input is broken or contradicts itself */
    MRC_ERR_UNSUPPORTED, /* an input is valid, and refused: not what this program works on */
    MRC_ERR_RANGE,       /* an input exceeds a limit */
    MRC_ERR_WRITE,       /* an output cannot be written */
    MRC_ERR_NUMERIC,     /* the computation left the finite numbers */
    MRC_ERR_CANCELLED,   /* the caller asked to stop */
    MRC_ERR_NETWORK,     /* no connection, or it broke: may be tried again */
    MRC_ERR_PEER         /* the other side of a connection refused */
};

/** The first failure's kind and text. Zero-initialise before use: `struct mrc_error err = {0};`
 *  Text is one line, without a line feed; it names the thing, the fact found and the fact expected,
 * no patient data. */
struct mrc_error {
    enum mrc_status code;
    char text[512];
};

/** Records a failure and returns `code`, so that `return mrc_fail(err, …);` is the whole exit.
 *  err may be NULL. The first failure wins; recording a second one is a caller's bug that debug
 * builds report. Control characters in the text become '?'. */
MRC_API MRC_PRINTF(3, 4) enum mrc_status
    mrc_fail(struct mrc_error *err, enum mrc_status code, const char *fmt, ...);

/** Forgets a failure that has been handled. err may be NULL. */
MRC_API void mrc_error_clear(struct mrc_error *err);

/** "out of memory", "broken input", …: a short English name. Never NULL. */
MRC_API const char *mrc_status_name(enum mrc_status code);

/* A caller's bug stops a debug build; wrong data is never an assert. */
#define MRC_ASSERT(condition) assert(condition)

#ifdef __cplusplus
}
#endif
#endif
