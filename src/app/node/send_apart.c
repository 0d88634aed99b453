/* send_apart.c: the files to be sent are anybody's: they are parsed in child processes, first each
 * header, and then the whole in the process that sends them. What a child says is looked at before
 * it is believed. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "app/node/send_parts.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/isolate.h"
#include "base/plain.h"
#include "base/text.h"
#include "io/image.h"

enum { PATIENCE = 3, ENDED = 100 };         /* ENDED + status: an exit code that no crash has */
static const double longest_file_s = 300.0; /* besides what the network takes */
static const size_t most_memory_bytes = (size_t)4 << 30;

int64_t mrc_send_count(const struct mrc_sending *s, enum mrc_send_fate fate) {
    int64_t count = 0;
    for (size_t i = 0; i < s->count; ++i) count += s->entries[i].fate == fate;
    return count;
}

/* In test builds a preamble, of which DICOM says nothing, may ask for a crash: while the header is
 * read (at 0), or the whole (at 64). */
static void check_fault(const char *path, size_t at) {
#ifdef MRC_FAULT_HOOK
    unsigned char head[128];
    size_t size = 0;
    if (mrc_read_head(head, sizeof head, &size, path, NULL) == MRC_OK && size > at)
        mrc_fault_check(head + at, size - at);
#else
    (void)path, (void)at;
#endif
}

/* --- What the files need --- */

static enum mrc_status describe(void *context, size_t job, mrc_isolate_sink *sink,
                                struct mrc_error *err) {
    const struct mrc_sending *s = context;
    struct mrc_net_need need = {.sop_class = ""};
    char instance[MRC_NET_UID_TEXT];
    check_fault(s->entries[job].path, 0);
    enum mrc_status status = mrc_net_describe(&need, instance, s->entries[job].path, err);
    return status == MRC_OK ? mrc_isolate_send(sink, &need, sizeof need, err) : status;
}

static enum mrc_status take_need(void *context, size_t job, const void *bytes, size_t size,
                                 struct mrc_error *err) {
#define FIELD(member) MRC_PLAIN_AT(MRC_PLAIN_CODE, struct mrc_net_need, member)
    static const struct mrc_plain_field fields[] = {{FIELD(sop_class)}, {FIELD(transfer_syntax)}};
#undef FIELD
    struct mrc_sending *s = context;
    if (size != sizeof s->entries[job].need ||
        !mrc_plain_check(bytes, fields, sizeof fields / sizeof *fields))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: its reader sent what is no description",
                        s->entries[job].path);
    memcpy(&s->entries[job].need, bytes, size);
    return MRC_OK;
}

static enum mrc_status finish_need(void *context, size_t job, enum mrc_status status,
                                   const char *why, bool ended, struct mrc_error *err) {
    struct mrc_sending *s = context;
    struct mrc_send_entry *entry = &s->entries[job];
    if (status == MRC_OK) return MRC_OK;
    if (status == MRC_ERR_NOMEM || entry->asked_for)
        return mrc_fail(err, status, "%s%s%s", ended ? entry->path : "", ended ? ": " : "", why);
    entry->fate = MRC_SEND_LEFT_OUT;
    return MRC_OK;
}

static const char *file_of(void *context, size_t number) {
    const struct mrc_sending *s = context;
    return number < s->count ? s->entries[number].path : NULL;
}

static bool is_stopped(void *context) {
    const struct mrc_sending *s = context;
    return mrc_events_cancelled(s->events);
}

enum mrc_status mrc_send_describe(struct mrc_sending *s, struct mrc_error *err) {
    const struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    const struct mrc_isolate_work work = {.context = s,
                                          .run = describe,
                                          .take = take_need,
                                          .finish = finish_need,
                                          .stop = is_stopped,
                                          .file = file_of};
    mrc_image_prepare();
    return s->count > 0 ? mrc_isolate_run(&work, s->count, &limits, err) : MRC_OK;
}

/* --- The process that sends --- */

struct answer {
    size_t entry;
    enum mrc_send_fate fate;
    uint16_t answer;
};
/* Shared with the child, which writes: answers, then their count. */
struct board {
    atomic_size_t count, begun; /* answers; files begun */
    atomic_bool stop;           /* the caller's wish */
    size_t current;             /* the file begun last */
    struct mrc_error last, unreadable;
    struct answer answers[];
};
struct child {
    const struct mrc_sending *s;
    struct board *board;
};

static void answer(struct board *board, size_t entry, enum mrc_send_fate fate, uint16_t status) {
    size_t count = atomic_load(&board->count);
    board->answers[count] = (struct answer){.entry = entry, .fate = fate, .answer = status};
    atomic_store(&board->count, count + 1);
}

/* *patience: how often more it may be told to come again before the attempt is over. */
static enum mrc_status store_one(struct child *c, mrc_net_association *association, size_t i,
                                 int *patience) {
    static const enum mrc_send_fate fates[] = {[MRC_NET_STORED] = MRC_SEND_STORED,
                                               [MRC_NET_STORED_WARNING] = MRC_SEND_WARNED,
                                               [MRC_NET_REFUSED] = MRC_SEND_REFUSED};
    uint16_t status = 0;
    struct mrc_error why = {0};
    check_fault(c->s->entries[i].path, 64);
    enum mrc_status done = mrc_net_store(&status, association, c->s->entries[i].path, &why);
    if (done == MRC_ERR_NETWORK || done == MRC_ERR_NOMEM) {
        c->board->last = why;
        *patience = 0;
        return done == MRC_ERR_NOMEM ? done : MRC_OK;
    }
    if (done != MRC_OK) {
        if (c->board->unreadable.code == MRC_OK) c->board->unreadable = why;
        answer(c->board, i, MRC_SEND_UNREADABLE, 0);
        return MRC_OK;
    }
    enum mrc_net_outcome outcome = mrc_net_outcome_of(status);
    if (outcome == MRC_NET_RETRY) {
        mrc_error_clear(&c->board->last);
        (void)mrc_fail(&c->board->last, MRC_ERR_NETWORK, "%s: answered %04X, which may pass",
                       c->s->options->peer.called, (unsigned)status);
        --*patience;
        return MRC_OK;
    }
    answer(c->board, i, fates[outcome], status);
    *patience = PATIENCE;
    return MRC_OK;
}

static enum mrc_status connect(mrc_net_association **out, struct child *c) {
    const struct mrc_sending *s = c->s;
    struct mrc_net_need *needs = mrc_alloc(s->count, sizeof *needs);
    size_t pending = 0;
    if (needs == NULL) return mrc_fail(&c->board->last, MRC_ERR_NOMEM, "out of memory to send");
    for (size_t i = 0; i < s->count; ++i)
        if (s->entries[i].fate == MRC_SEND_PENDING) needs[pending++] = s->entries[i].need;
    enum mrc_status status =
        mrc_net_connect(out, &s->options->peer, needs, pending, &c->board->last);
    mrc_free(needs);
    return status;
}

/* What is needed of the network is there before the first file is opened. */
static int send_in_child(void *context) {
    struct child *c = context;
    const struct mrc_sending *s = c->s;
    const struct mrc_confine_files files = {.context = (void *)(uintptr_t)s, .read = file_of};
    mrc_net_association *association = NULL;
    enum mrc_status status = connect(&association, c);
    int patience = PATIENCE;
    if (status != MRC_OK) return ENDED + (int)status;
    (void)mrc_confine(MRC_CONFINE_RECEIVER, mrc_confine_ruleset(MRC_CONFINE_RECEIVER, &files));
    for (size_t n = 0; status == MRC_OK && patience > 0 && n < s->count; ++n) {
        size_t i = (s->first + n) % s->count;
        if (s->entries[i].fate != MRC_SEND_PENDING) continue;
        if (atomic_load(&c->board->stop)) break;
        c->board->current = i;
        atomic_fetch_add(&c->board->begun, 1);
        status = store_one(c, association, i, &patience);
    }
    mrc_net_disconnect(association);
    return ENDED + (int)status;
}

/* --- The caller --- */

struct watching {
    struct mrc_sending *s;
    struct board *board;
    size_t taken, begun;
    double moved_s;
};

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Words of the child's, on one line that ends. */
static void take_words(struct mrc_error *out, struct mrc_error *said, enum mrc_status code) {
    char words[sizeof said->text];
    said->text[sizeof said->text - 1] = '\0';
    mrc_text_plain(words, sizeof words, said->text);
    mrc_error_clear(out);
    (void)mrc_fail(out, code, "%s", words);
}

static enum mrc_status take_answers(struct watching *w,
                                    enum mrc_status (*note)(struct mrc_sending *,
                                                            const struct mrc_send_entry *, uint16_t,
                                                            struct mrc_error *),
                                    struct mrc_error *err) {
    struct mrc_sending *s = w->s;
    enum mrc_status status = MRC_OK;
    size_t count = atomic_load(&w->board->count);
    for (; status == MRC_OK && w->taken < count && w->taken < s->count; ++w->taken) {
        const struct answer given = w->board->answers[w->taken];
        bool known = given.entry < s->count && s->entries[given.entry].fate == MRC_SEND_PENDING;
        bool sent = given.fate >= MRC_SEND_STORED && given.fate <= MRC_SEND_REFUSED;
        if (!known || (!sent && given.fate != MRC_SEND_UNREADABLE))
            return mrc_fail(err, MRC_ERR_FORMAT, "the process that sends said what cannot be");
        struct mrc_send_entry *entry = &s->entries[given.entry];
        entry->fate = given.fate;
        s->first = (given.entry + 1) % s->count;
        if (given.fate == MRC_SEND_REFUSED && s->first_refusal == 0)
            s->first_refusal = given.answer;
        if (sent) status = note(s, entry, given.answer, err);
        mrc_events_progress(s->events, "sending",
                            (int64_t)s->count - mrc_send_count(s, MRC_SEND_PENDING),
                            (int64_t)s->count);
    }
    return status;
}

/* It crashed, or was too long about one file: that one is not tried again. */
static void blame_file(struct watching *w, const char *what) {
    struct mrc_sending *s = w->s;
    size_t current = w->board->current;
    bool begun = atomic_load(&w->board->begun) > 0;
    if (!begun || current >= s->count || s->entries[current].fate != MRC_SEND_PENDING) {
        (void)mrc_fail(&s->last, MRC_ERR_NETWORK, "the process that sends %s", what);
        return;
    }
    s->entries[current].fate = MRC_SEND_UNREADABLE;
    if (s->unreadable.code == MRC_OK)
        (void)mrc_fail(&s->unreadable, MRC_ERR_FORMAT, "%s: %s its reader",
                       s->entries[current].path, what);
}

static bool is_too_long(struct watching *w) {
    size_t begun = atomic_load(&w->board->begun) + atomic_load(&w->board->count);
    const struct mrc_net_peer *peer = &w->s->options->peer;
    if (begun != w->begun) {
        w->begun = begun;
        w->moved_s = now_s();
    }
    return now_s() - w->moved_s >
           longest_file_s + peer->connect_s + peer->acse_s + 2.0 * peer->dimse_s;
}

static enum mrc_status conclude(struct watching *w, int code, bool stuck, struct mrc_error *err) {
    struct mrc_sending *s = w->s;
    mrc_error_clear(&s->last);
    if (w->board->unreadable.code != MRC_OK && s->unreadable.code == MRC_OK)
        take_words(&s->unreadable, &w->board->unreadable, MRC_ERR_FORMAT);
    if (code < ENDED || code > ENDED + MRC_ERR_PEER) {
        blame_file(w, stuck ? "hangs" : "crashes");
        return MRC_OK;
    }
    code -= ENDED;
    if (code == MRC_OK || code == MRC_ERR_NETWORK) {
        if (w->board->last.text[0] != '\0') take_words(&s->last, &w->board->last, MRC_ERR_NETWORK);
        return MRC_OK;
    }
    struct mrc_error words = {0};
    take_words(&words, &w->board->last, MRC_ERR_PEER);
    return mrc_fail(err, (enum mrc_status)code, "%s", words.text);
}

static enum mrc_status watch(struct watching *w, int pid,
                             enum mrc_status (*note)(struct mrc_sending *,
                                                     const struct mrc_send_entry *, uint16_t,
                                                     struct mrc_error *),
                             struct mrc_error *err) {
    const struct timespec tick = {.tv_nsec = 5000000};
    enum mrc_status status = MRC_OK;
    bool ended = false, stuck = false;
    int code = 0;
    while (!ended) {
        ended = mrc_isolate_ended(&code, pid); /* before its last answers are looked for */
        if (status == MRC_OK) status = take_answers(w, note, err);
        if (status != MRC_OK || mrc_events_cancelled(w->s->events))
            atomic_store(&w->board->stop, true);
        stuck = stuck || is_too_long(w);
        if (stuck && !ended) mrc_isolate_kill(pid);
        if (!ended) (void)nanosleep(&tick, NULL);
    }
    return status == MRC_OK ? conclude(w, code, stuck, err) : status;
}

enum mrc_status mrc_send_attempt(struct mrc_sending *s,
                                 enum mrc_status (*note)(struct mrc_sending *s,
                                                         const struct mrc_send_entry *entry,
                                                         uint16_t answer, struct mrc_error *err),
                                 struct mrc_error *err) {
    size_t size = sizeof(struct board) + s->count * sizeof(struct answer);
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the files to send");
    struct child child = {.s = s, .board = room};
    struct watching w = {.s = s, .board = room, .moved_s = now_s()};
    const struct mrc_isolate_task task = {
        .run = send_in_child, .context = &child, .keep = -1, .memory_bytes = most_memory_bytes};
    int pid = 0;
    enum mrc_status status = mrc_isolate_start(&pid, &task, err);
    if (status == MRC_OK) status = watch(&w, pid, note, err);
    (void)munmap(room, size);
    return status;
}
