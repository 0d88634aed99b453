/* text.h: text that grows, and the one door from text to numbers. */
#ifndef MRC_BASE_TEXT_H
#define MRC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A string that grows. Zero-initialise; data is NULL or NUL-terminated. `failed` stays set once
 * memory ran out, so a chain of appends is checked once at its end. */
struct mrc_text {
    char *data;
    size_t size, capacity;
    bool failed;
};
MRC_API MRC_PRINTF(2, 3) void mrc_text_appendf(struct mrc_text *text, const char *fmt, ...);
MRC_API void mrc_text_clear(struct mrc_text *text);

/** The whole text is a number in lo … hi, or MRC_ERR_ARGUMENT and *out is untouched. Surrounding
 * spaces are allowed. */
MRC_STATUS mrc_parse_i64(int64_t *out, const char *text, int64_t lo, int64_t hi);
MRC_STATUS mrc_parse_f64(double *out, const char *text, double lo, double hi);

/** Shortest decimal text of at most `capacity`-1 characters that reads back as near to `value` as
 * that room allows (DICOM DS: capacity 17). Always the C locale's point. */
MRC_API void mrc_print_decimal(char *out, size_t capacity, double value);

/** Copies text into out[capacity], control characters and backslashes as '_', cut at the end. For
 * names in messages. */
MRC_API void mrc_text_plain(char *out, size_t capacity, const char *text);

#ifdef __cplusplus
}
#endif
#endif
