/* support.h: what every cmocka test of this project includes first. */
#ifndef MRC_TESTS_SUPPORT_H
#define MRC_TESTS_SUPPORT_H

/* cmocka wants these four before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/status.h"

/** The status must be MRC_OK; prints the error's text when it is not. */
#define assert_ok(status, err)                                                                     \
    do {                                                                                           \
        enum mrc_status st_ = (status);                                                            \
        if (st_ != MRC_OK) fail_msg("%s: %s", mrc_status_name(st_), (err)->text);                  \
    } while (0)

/** Runs `call` with its first, second, third … allocation failing until it no longer reports
 * MRC_ERR_NOMEM (conventions C25); `st` holds the last status. Leaks are for the address sanitizer
 * to find. */
#define MRC_TRY_EVERY_FAILURE(st, call)                                                            \
    do {                                                                                           \
        for (long n_ = 1; mrc_alloc_fail_after(n_), ((st) = (call)) == MRC_ERR_NOMEM; ++n_) {}     \
        mrc_alloc_fail_after(0);                                                                   \
    } while (0)

#endif
