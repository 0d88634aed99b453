/* plain.c: see the header. Bytes are copied before they are looked at: a bool that is neither 0
 * nor 1 may not be read as one. */
#include "base/plain.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/pseudonym.h"

static bool is_text(const char *at, size_t size) {
    return memchr(at, 0, size) != NULL;
}

static bool is_name(const char *at, size_t size) {
    static const char digits[] = "0123456789abcdef";
    return size >= MRC_PSEUDONYM_TEXT && is_text(at, MRC_PSEUDONYM_TEXT) &&
           strlen(at) == MRC_PSEUDONYM_TEXT - 1 && strspn(at, digits) == MRC_PSEUDONYM_TEXT - 1;
}

static bool is_code(const char *at, size_t size) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789 _-+*|.,/()\\";
    return is_text(at, size) && strspn(at, letters) == strlen(at);
}

static bool are_bools(const unsigned char *at, size_t size) {
    for (size_t i = 0; i < size; ++i)
        if (at[i] > 1) return false;
    return true;
}

static bool are_counts(const unsigned char *at, const struct mrc_plain_field *field) {
    for (size_t i = 0; i < field->size; i += sizeof(int64_t)) {
        int64_t value;
        memcpy(&value, at + i, sizeof value);
        if ((double)value < field->least || (double)value > field->most) return false;
    }
    return true;
}

static bool is_size(const unsigned char *at, double most) {
    size_t value;
    memcpy(&value, at, sizeof value);
    return (double)value <= most;
}

static bool is_enum(const unsigned char *at, double most) {
    unsigned value;
    memcpy(&value, at, sizeof value);
    return (double)value <= most;
}

static bool are_doubles(const unsigned char *at, size_t size, bool may_be_nan) {
    for (size_t i = 0; i < size; i += sizeof(double)) {
        double value;
        memcpy(&value, at + i, sizeof value);
        if (!isfinite(value) && !(may_be_nan && isnan(value))) return false;
    }
    return true;
}

static bool is_null(const unsigned char *at, size_t size) {
    for (size_t i = 0; i < size; ++i)
        if (at[i] != 0) return false;
    return true;
}

static bool holds(const unsigned char *at, const struct mrc_plain_field *field) {
    const char *text = (const char *)at;
    switch (field->kind) {
    case MRC_PLAIN_TEXT: return is_text(text, field->size);
    case MRC_PLAIN_NAME: return is_name(text, field->size);
    case MRC_PLAIN_CODE: return is_code(text, field->size);
    case MRC_PLAIN_BOOL: return are_bools(at, field->size);
    case MRC_PLAIN_ENUM: return is_enum(at, field->most);
    case MRC_PLAIN_COUNT: return are_counts(at, field);
    case MRC_PLAIN_SIZE: return is_size(at, field->most);
    case MRC_PLAIN_FINITE: return are_doubles(at, field->size, false);
    case MRC_PLAIN_NUMBER: return are_doubles(at, field->size, true);
    case MRC_PLAIN_NULL: return is_null(at, field->size);
    }
    return false;
}

bool mrc_plain_check(const void *record, const struct mrc_plain_field *fields, size_t count) {
    for (size_t f = 0; f < count; ++f)
        if (!holds((const unsigned char *)record + fields[f].offset, &fields[f])) return false;
    return true;
}
