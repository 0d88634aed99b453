/* send_parts.h: what the files of `send` share. Used by send*.c only. */
#ifndef MRC_APP_NODE_SEND_PARTS_H
#define MRC_APP_NODE_SEND_PARTS_H

#include <stdio.h>

#include "app/node/send.h"
#include "base/hash.h"

enum mrc_send_fate {
    MRC_SEND_PENDING,
    MRC_SEND_STORED,
    MRC_SEND_WARNED,
    MRC_SEND_REFUSED,
    MRC_SEND_SKIPPED,
    MRC_SEND_UNREADABLE,
    MRC_SEND_LEFT_OUT /* no DICOM object */
};
struct mrc_send_entry {
    char *path;
    bool asked_for; /* by its own name: it must be one to send */
    struct mrc_net_need need;
    char key[MRC_HASH_TEXT]; /* "" without a list */
    enum mrc_send_fate fate;
};
struct mrc_sending {
    const struct mrc_send_options *options;
    const struct mrc_events *events;
    struct mrc_send_entry *entries;
    size_t count, capacity;
    int64_t left_out;
    size_t first; /* the attempts begin with this one, so that no single one holds up the others */
    uint16_t first_refusal;
    FILE *list;
    struct mrc_error last;       /* of the last attempt */
    struct mrc_error unreadable; /* of the first file that cannot be read whole */
};

/** Sets what each entry needs, or that it is left out. In child processes (base/isolate.h): the
 * files may be anything. */
enum mrc_status mrc_send_describe(struct mrc_sending *s, struct mrc_error *err);
/** One association, in a child process that from the first file on reads the files and nothing
 * else, and makes no socket: as much as goes. s->last says why it ended before the end. `note` is
 * called in the caller for each answer, as it comes. */
enum mrc_status mrc_send_attempt(struct mrc_sending *s,
                                 enum mrc_status (*note)(struct mrc_sending *s,
                                                         const struct mrc_send_entry *entry,
                                                         uint16_t answer, struct mrc_error *err),
                                 struct mrc_error *err);
/** How many have this fate. */
int64_t mrc_send_count(const struct mrc_sending *s, enum mrc_send_fate fate);

#endif
