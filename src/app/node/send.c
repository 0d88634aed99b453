/* send.c: what is to be sent, attempts, and the list of what was. */
#include "app/node/send_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"

enum { MAX_FILES = 50000, CHUNK = 1 << 16 };
static const size_t max_list_bytes = (size_t)64 << 20;
static const double longest_wait_s = 60.0;

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the files to send");
}

/* --- What is to be sent --- */

static enum mrc_status add_file(struct mrc_sending *s, const char *path, bool asked_for,
                                struct mrc_error *err) {
    void *entries = s->entries;
    if (!mrc_grow(&entries, &s->capacity, s->count + 1, sizeof *s->entries)) return no_memory(err);
    s->entries = entries;
    struct mrc_send_entry entry = {.path = mrc_strdup(path), .asked_for = asked_for};
    if (entry.path == NULL) return no_memory(err);
    s->entries[s->count++] = entry;
    return MRC_OK;
}

static enum mrc_status add_path(struct mrc_sending *s, const char *path, struct mrc_error *err) {
    if (!mrc_path_is_dir(path)) return add_file(s, path, true, err);
    struct mrc_name_list files = {0};
    enum mrc_status status = mrc_list_tree(&files, path, MAX_FILES, err);
    for (size_t i = 0; status == MRC_OK && i < files.count; ++i)
        status = add_file(s, files.names[i], false, err);
    mrc_name_list_clear(&files);
    return status;
}

static void drop_left_out(struct mrc_sending *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; ++i) {
        if (s->entries[i].fate == MRC_SEND_LEFT_OUT)
            mrc_free(s->entries[i].path);
        else
            s->entries[kept++] = s->entries[i];
    }
    s->left_out = (int64_t)(s->count - kept);
    s->count = kept;
}

static enum mrc_status gather(struct mrc_sending *s, struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < s->options->path_count; ++i)
        status = add_path(s, s->options->paths[i], err);
    if (status == MRC_OK) status = mrc_send_describe(s, err);
    if (status != MRC_OK) return status;
    drop_left_out(s);
    if (s->left_out > 0)
        mrc_events_note(s->events, "%lld file%s left out: not DICOM objects",
                        (long long)s->left_out, s->left_out == 1 ? "" : "s");
    if (s->count == 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no DICOM object to send",
                        s->options->paths[0]);
    return MRC_OK;
}

/* --- The list --- */

static enum mrc_status make_key(struct mrc_sending *s, struct mrc_send_entry *entry,
                                struct mrc_error *err) {
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
static enum mrc_status skip_stored(struct mrc_sending *s, char *text, struct mrc_error *err) {
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
        if (bsearch(&key, keys, count, sizeof *keys, by_key) != NULL)
            s->entries[i].fate = MRC_SEND_SKIPPED;
    }
    mrc_free(keys);
    return status;
}

static enum mrc_status open_list(struct mrc_sending *s, struct mrc_error *err) {
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

static enum mrc_status note_fate(struct mrc_sending *s, const struct mrc_send_entry *entry,
                                 uint16_t answer, struct mrc_error *err) {
    static const char *const words[] = {"", "stored", "warning", "refused"};
    if (s->list == NULL) return MRC_OK;
    if (fprintf(s->list, "%s\t%04X\t%s\n", words[entry->fate], (unsigned)answer, entry->key) > 0 &&
        fflush(s->list) == 0 && fdatasync(fileno(s->list)) == 0)
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s while writing", s->options->list, strerror(errno));
}

/* --- Attempts --- */

static void wait(const struct mrc_sending *s, double seconds) {
    const struct timespec tick = {.tv_nsec = 100000000};
    for (; seconds > 0.0 && !mrc_events_cancelled(s->events); seconds -= 0.1)
        (void)nanosleep(&tick, NULL);
}

static enum mrc_status send_all(struct mrc_sending *s, struct mrc_error *err) {
    const struct mrc_send_options *o = s->options;
    double pause = o->wait_s;
    enum mrc_status status = MRC_OK;
    for (int left = o->retries;;) {
        int64_t before = mrc_send_count(s, MRC_SEND_PENDING);
        if (before == 0) return MRC_OK;
        status = mrc_send_attempt(s, note_fate, err);
        int64_t after = mrc_send_count(s, MRC_SEND_PENDING);
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

static enum mrc_status conclude(const struct mrc_sending *s, const struct mrc_send_report *r,
                                struct mrc_error *err) {
    int64_t pending = mrc_send_count(s, MRC_SEND_PENDING);
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
    struct mrc_sending s = {.options = options, .events = events};
    enum mrc_status status = gather(&s, err);
    if (status == MRC_OK) status = open_list(&s, err);
    if (status == MRC_OK) status = send_all(&s, err);
    struct mrc_send_report r = {.stored = mrc_send_count(&s, MRC_SEND_STORED),
                                .warned = mrc_send_count(&s, MRC_SEND_WARNED),
                                .refused = mrc_send_count(&s, MRC_SEND_REFUSED),
                                .skipped = mrc_send_count(&s, MRC_SEND_SKIPPED),
                                .unsent = mrc_send_count(&s, MRC_SEND_PENDING) +
                                          mrc_send_count(&s, MRC_SEND_UNREADABLE)};
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
