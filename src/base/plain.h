/* plain.h: may a record of plain bytes that came from a process that strangers' bytes may have
 * taken over be used? A table says of each field what it can hold; what the table does not name is
 * not believed. */
#ifndef MRC_BASE_PLAIN_H
#define MRC_BASE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_plain_kind {
    MRC_PLAIN_TEXT,   /* char[]: ends inside the field */
    MRC_PLAIN_NAME,   /* char[]: a keyed name (pseudonym.h), which becomes part of a path */
    MRC_PLAIN_CODE,   /* char[]: letters, digits, spaces and _-+*|.,/()\ alone, or nothing */
    MRC_PLAIN_BOOL,   /* bool or bool[] */
    MRC_PLAIN_ENUM,   /* an enum from 0 to `most` */
    MRC_PLAIN_COUNT,  /* int64_t or int64_t[], from `least` to `most` */
    MRC_PLAIN_SIZE,   /* size_t, to `most` */
    MRC_PLAIN_FINITE, /* double or double[] */
    MRC_PLAIN_NUMBER, /* the same, or NAN for what is not said */
    MRC_PLAIN_NULL    /* a pointer: none */
};
struct mrc_plain_field {
    enum mrc_plain_kind kind;
    size_t offset, size;
    double least, most;
};
#define MRC_PLAIN_AT(kind_, type, member)                                                          \
    .kind = (kind_), .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/** Does every field hold what its row says? */
bool mrc_plain_check(const void *record, const struct mrc_plain_field *fields, size_t count);

#ifdef __cplusplus
}
#endif
#endif
