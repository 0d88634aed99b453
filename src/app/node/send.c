/* send.c: what is to be sent, attempts, and the list of what was. */
#include "app/node/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"

enum { MAX_FILES = 50000, CHUNK = 1 << 16, PATIENCE = 3 };
static const size_t max_list_bytes = (size_t)64 << 20;
static const double longest_wait_s = 60.0;

enum fate { PENDING, STORED, WARNED, REFUSED, SKIPPED, UNREADABLE };
struct entry {
    char *path;
    struct mrc_net_need need;
    char key[MRC_HASH_TEXT]; /* "" without a list */
    enum fate fate;
};
struct sending {
    const struct mrc_send_options *options;
    const struct mrc_events *events;
    struct entry *entries;
    size_t count, capacity;
    int64_t left_out;
    size_t first; /* the attempts begin with this one, so that no single one holds up the others */
    uint16_t first_refusal;
    FILE *list;
    struct mrc_error last;       /* of the last attempt */
    struct mrc_error unreadable; /* of the first file that cannot be read whole */
};

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the files to send");
}

/* --- What is to be sent --- */

static enum mrc_status add_file(struct sending *s, const char *path, bool asked_for,
                                struct mrc_error *err) {
    struct entry entry = {.fate = PENDING};
    char instance[MRC_NET_UID_TEXT];
    struct mrc_error why = {0};
    enum mrc_status status = mrc_net_describe(&entry.need, instance, path, &why);
    if (status == MRC_ERR_NOMEM || (status != MRC_OK && asked_for))
        return mrc_fail(err, status, "%s", why.text);
    if (status != MRC_OK) {
        ++s->left_out;
        return MRC_OK;
    }
    void *entries = s->entries;
    if (!mrc_grow(&entries, &s->capacity, s->count + 1, sizeof *s->entries)) return no_memory(err);
    s->entries = entries;
    entry.path = mrc_strdup(path);
    if (entry.path == NULL) return no_memory(err);
    s->entries[s->count++] = entry;
    return MRC_OK;
}

static enum mrc_status add_path(struct sending *s, const char *path, struct mrc_error *err) {
    if (!mrc_path_is_dir(path)) return add_file(s, path, true, err);
    struct mrc_name_list files = {0};
    enum mrc_status status = mrc_list_tree(&files, path, MAX_FILES, err);
    for (size_t i = 0; status == MRC_OK && i < files.count; ++i)
        status = add_file(s, files.names[i], false, err);
    mrc_name_list_clear(&files);
    return status;
}

static enum mrc_status gather(struct sending *s, struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < s->options->path_count; ++i)
        status = add_path(s, s->options->paths[i], err);
    if (status != MRC_OK) return status;
    if (s->left_out > 0)
        mrc_events_note(s->events, "%lld file%s left out: not DICOM objects",
                        (long long)s->left_out, s->left_out == 1 ? "" : "s");
    if (s->count == 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no DICOM object to send",
                        s->options->paths[0]);
    return MRC_OK;
}

/* --- The list --- */

static enum mrc_status make_key(struct sending *s, struct entry *entry, struct mrc_error *err) {
    const struct mrc_net_peer *peer = &s->options->peer;
    char text[MRC_HOST_TEXT + 64];
    unsigned char *chunk = mrc_alloc(CHUNK, 1);
    mrc_hash *hash = NULL;
    FILE *file = NULL;
    enum mrc_status status = chunk != NULL ? mrc_hash_create(&hash, err) : no_memory(err);
    if (status == MRC_OK && (file = fopen(entry->path, "rb")) == NULL)
        status = mrc_fail(err, MRC_ERR_IO, "%s: %s", entry->path, strerror(errno));
    if (status == MRC_OK) {
        snprintf(text, sizeof text, "%s@%s:%d", peer->called, peer->host, peer->port);
        mrc_hash_add_text(hash, text);
        for (size_t got; (got = fread(chunk, 1, CHUNK, file)) > 0;) mrc_hash_add(hash, chunk, got);
        if (ferror(file)) status = mrc_fail(err, MRC_ERR_IO, "%s: cannot be read", entry->path);
        uint8_t digest[MRC_HASH_BYTES];
        mrc_hash_finish(hash, digest);
        mrc_hash_print(entry->key, digest);
    }
    if (file != NULL) (void)fclose(file);
    mrc_hash_destroy(hash);
    mrc_free(chunk);
    return status;
}

static int by_key(const void *a, const void *b) {
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* Marks what the list says is stored. */
static enum mrc_status skip_stored(struct sending *s, char *text, struct mrc_error *err) {
    const char **keys = NULL;
    size_t count = 0, capacity = 0;
    enum mrc_status status = MRC_OK;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *key = strrchr(line, '\t');
        bool stored = strncmp(line, "stored\t", 7) == 0 || strncmp(line, "warning\t", 8) == 0;
        if (!stored || strlen(key + 1) != MRC_HASH_TEXT - 1) continue;
        void *grown = keys;
        if (!mrc_grow(&grown, &capacity, count + 1, sizeof *keys)) {
            status = no_memory(err);
            break;
        }
        keys = grown;
        keys[count++] = key + 1;
    }
    if (count > 1) qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; status == MRC_OK && count > 0 && i < s->count; ++i) {
        const char *key = s->entries[i].key;
        if (bsearch(&key, keys, count, sizeof *keys, by_key) != NULL) s->entries[i].fate = SKIPPED;
    }
    mrc_free(keys);
    return status;
}

static enum mrc_status open_list(struct sending *s, struct mrc_error *err) {
    const char *path = s->options->list;
    unsigned char *text = NULL;
    size_t size = 0;
    enum mrc_status status = MRC_OK;
    if (path == NULL) return MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < s->count; ++i)
        status = make_key(s, &s->entries[i], err);
    if (status == MRC_OK && mrc_path_exists(path)) {
        status = mrc_read_file(&text, &size, path, max_list_bytes, err);
        if (status == MRC_OK) status = skip_stored(s, (char *)text, err);
    }
    mrc_free(text);
    if (status != MRC_OK) return status;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    s->list = file >= 0 ? fdopen(file, "a") : NULL;
    if (s->list == NULL) {
        if (file >= 0) (void)close(file);
        return mrc_fail(err, MRC_ERR_WRITE, "%s: %s", path, strerror(errno));
    }
    /* a line cut off by a crash ends here */
    if (size > 0) (void)fputc('\n', s->list);
    return MRC_OK;
}

static enum mrc_status note_fate(struct sending *s, const struct entry *entry, uint16_t answer,
                                 struct mrc_error *err) {
    static const char *const words[] = {"", "stored", "warning", "refused", "", ""};
    if (s->list == NULL) return MRC_OK;
    if (fprintf(s->list, "%s\t%04X\t%s\n", words[entry->fate], (unsigned)answer, entry->key) > 0 &&
        fflush(s->list) == 0 && fdatasync(fileno(s->list)) == 0)
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s while writing", s->options->list, strerror(errno));
}

/* --- Attempts --- */

static int64_t count_fate(const struct sending *s, enum fate fate) {
    int64_t count = 0;
    for (size_t i = 0; i < s->count; ++i) count += s->entries[i].fate == fate;
    return count;
}

/* *patience: how often more it may be told to come again before the attempt is over. */
static enum mrc_status store_one(struct sending *s, mrc_net_association *association,
                                 struct entry *entry, int *patience, struct mrc_error *err) {
    uint16_t answer = 0;
    struct mrc_error why = {0};
    enum mrc_status status = mrc_net_store(&answer, association, entry->path, &why);
    if (status == MRC_ERR_NETWORK) {
        s->last = why;
        *patience = 0;
        return MRC_OK;
    }
    if (status == MRC_ERR_NOMEM) return mrc_fail(err, status, "%s", why.text);
    if (status != MRC_OK) {
        if (s->unreadable.code == MRC_OK) s->unreadable = why;
        entry->fate = UNREADABLE;
        return MRC_OK;
    }
    switch (mrc_net_outcome_of(answer)) {
    case MRC_NET_STORED: entry->fate = STORED; break;
    case MRC_NET_STORED_WARNING: entry->fate = WARNED; break;
    case MRC_NET_REFUSED: entry->fate = REFUSED; break;
    case MRC_NET_RETRY:
        mrc_error_clear(&s->last);
        (void)mrc_fail(&s->last, MRC_ERR_NETWORK, "%s: answered %04X, which may pass",
                       s->options->peer.called, (unsigned)answer);
        --*patience;
        return MRC_OK;
    }
    if (entry->fate == REFUSED && s->first_refusal == 0) s->first_refusal = answer;
    *patience = PATIENCE;
    return note_fate(s, entry, answer, err);
}

/* One association: as much as goes. s->last says why it ended before the end. */
static enum mrc_status attempt(struct sending *s, struct mrc_error *err) {
    struct mrc_net_need *needs = mrc_alloc(s->count, sizeof *needs);
    size_t pending = 0;
    if (needs == NULL) return no_memory(err);
    for (size_t i = 0; i < s->count; ++i)
        if (s->entries[i].fate == PENDING) needs[pending++] = s->entries[i].need;
    mrc_net_association *association = NULL;
    mrc_error_clear(&s->last);
    enum mrc_status status =
        mrc_net_connect(&association, &s->options->peer, needs, pending, &s->last);
    mrc_free(needs);
    if (status != MRC_OK)
        return status == MRC_ERR_NETWORK ? MRC_OK : mrc_fail(err, status, "%s", s->last.text);
    int patience = PATIENCE;
    size_t begin = s->first;
    for (size_t n = 0; status == MRC_OK && patience > 0 && n < s->count; ++n) {
        size_t i = (begin + n) % s->count;
        if (s->entries[i].fate != PENDING) continue;
        if (mrc_events_cancelled(s->events)) break;
        s->first = (i + 1) % s->count;
        status = store_one(s, association, &s->entries[i], &patience, err);
        mrc_events_progress(s->events, "sending", (int64_t)s->count - count_fate(s, PENDING),
                            (int64_t)s->count);
    }
    mrc_net_disconnect(association);
    return status;
}

static void wait(const struct sending *s, double seconds) {
    const struct timespec tick = {.tv_nsec = 100000000};
    for (; seconds > 0.0 && !mrc_events_cancelled(s->events); seconds -= 0.1)
        (void)nanosleep(&tick, NULL);
}

static enum mrc_status send_all(struct sending *s, struct mrc_error *err) {
    const struct mrc_send_options *o = s->options;
    double pause = o->wait_s;
    enum mrc_status status = MRC_OK;
    for (int left = o->retries;;) {
        int64_t before = count_fate(s, PENDING);
        if (before == 0) return MRC_OK;
        status = attempt(s, err);
        int64_t after = count_fate(s, PENDING);
        if (mrc_events_cancelled(s->events) && status == MRC_OK && after > 0)
            return mrc_fail(err, MRC_ERR_CANCELLED, "stopped with %lld of %zu not sent",
                            (long long)after, s->count);
        if (status != MRC_OK || after == 0) return status;
        if (after < before) left = o->retries, pause = o->wait_s; /* it goes on */
        if (left-- == 0) return MRC_OK;
        mrc_events_note(s->events, "%s; again in %.0f s", s->last.text, pause);
        wait(s, pause);
        pause = pause * 2.0 < longest_wait_s ? pause * 2.0 : longest_wait_s;
    }
}

static enum mrc_status conclude(const struct sending *s, const struct mrc_send_report *r,
                                struct mrc_error *err) {
    int64_t pending = count_fate(s, PENDING);
    if (pending > 0)
        return mrc_fail(err, MRC_ERR_NETWORK, "%lld of %zu not sent: %s", (long long)pending,
                        s->count, s->last.text);
    if (s->unreadable.code != MRC_OK)
        return mrc_fail(err, s->unreadable.code, "%s", s->unreadable.text);
    if (r->refused > 0)
        return mrc_fail(err, MRC_ERR_PEER, "%s: %lld of %zu refused, the first with status %04X",
                        s->options->peer.called, (long long)r->refused, s->count,
                        (unsigned)s->first_refusal);
    return MRC_OK;
}

enum mrc_status mrc_send_run(const struct mrc_send_options *options, struct mrc_send_report *report,
                             const struct mrc_events *events, struct mrc_error *err) {
    struct sending s = {.options = options, .events = events};
    enum mrc_status status = gather(&s, err);
    if (status == MRC_OK) status = open_list(&s, err);
    if (status == MRC_OK) status = send_all(&s, err);
    struct mrc_send_report r = {.stored = count_fate(&s, STORED),
                                .warned = count_fate(&s, WARNED),
                                .refused = count_fate(&s, REFUSED),
                                .skipped = count_fate(&s, SKIPPED),
                                .unsent = count_fate(&s, PENDING) + count_fate(&s, UNREADABLE)};
    if (status == MRC_OK) status = conclude(&s, &r, err);
    if (report != NULL) *report = r;
    if (s.list != NULL) (void)fclose(s.list);
    for (size_t i = 0; i < s.count; ++i) mrc_free(s.entries[i].path);
    mrc_free(s.entries);
    return status;
}

enum mrc_status mrc_send_echo(const struct mrc_net_peer *peer, struct mrc_error *err) {
    mrc_net_association *association = NULL;
    enum mrc_status status = mrc_net_connect(&association, peer, NULL, 0, err);
    if (status == MRC_OK) status = mrc_net_echo(association, err);
    mrc_net_disconnect(association);
    return status;
}
