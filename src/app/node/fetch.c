/* fetch.c: what is wanted, what is missing of it, and attempts. An archive is a stranger: one child
 * asks it what it has, and writes that on a board of fixed size; others, for a part of a series
 * each, take what comes into the folder. The caller reads nothing but UIDs, letter by letter. */
#define _GNU_SOURCE /* FNM_CASEFOLD, MAP_ANONYMOUS */
#include "app/node/fetch.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/isolate.h"
#include "base/text.h"
#include "io/image.h"

enum {
    NAME = 17,          /* of a series or an instance: 16 hexadecimal digits */
    MOST_SERIES = 512,  /* that are looked into */
    MOST_STUDIES = 256, /* of a patient */
    PORTION = 100,      /* instances asked for at once */
    MOST_GUESTS = 16,   /* associations of an archive that brings */
    TICK_MS = 20,
    ENDED = 100 /* ENDED + status: an exit code that no crash has */
};
static const size_t most_memory_bytes = (size_t)1 << 30;
static const uint64_t most_object_bytes = UINT64_C(1) << 30;
static const double longest_wait_s = 60.0, longest_portion_s = 3600.0, farewell_s = 10.0;

/* --- What an archive has --- */

struct found_series {
    char study[MRC_NET_UID_TEXT], uid[MRC_NET_UID_TEXT];
    size_t first, count; /* instances */
};
/* Shared with the child that asks. */
struct board {
    struct mrc_error err;
    size_t series_count, instance_count, most;
    size_t untold; /* series of which the archive does not tell what was asked for */
    struct found_series series[MOST_SERIES];
    char instances[][MRC_NET_UID_TEXT];
};

struct fetching {
    const struct mrc_fetch_options *options;
    const struct mrc_events *events;
    struct board *board;
    size_t board_bytes;
    int listener; /* -1: none */
    char staging[32];
    struct mrc_error last; /* of the last attempt */
};

/* --- Places --- */

static void name_uid(char out[NAME], const char *uid) {
    uint8_t digest[MRC_HASH_BYTES] = {0};
    char text[MRC_HASH_TEXT];
    mrc_hash *hash = NULL;
    if (mrc_hash_create(&hash, NULL) == MRC_OK) {
        mrc_hash_add_text(hash, uid);
        mrc_hash_finish(hash, digest);
    }
    mrc_hash_destroy(hash);
    mrc_hash_print(text, digest);
    snprintf(out, NAME, "%.16s", text);
}

/* "OUTPUT/SERIES", or "OUTPUT/SERIES/INSTANCE.dcm"; NULL: no memory. */
static char *place_of(const struct fetching *f, const char *series, const char *instance) {
    char folder[NAME], file[NAME];
    name_uid(folder, series);
    if (instance == NULL) return mrc_asprintf("%s/%s", f->options->output, folder);
    name_uid(file, instance);
    return mrc_asprintf("%s/%s/%s.dcm", f->options->output, folder, file);
}

static bool is_here(const struct fetching *f, const struct found_series *s, size_t instance) {
    char *path = place_of(f, s->uid, f->board->instances[instance]);
    bool here = path != NULL && mrc_path_exists(path);
    mrc_free(path);
    return here;
}

static enum mrc_status no_memory(struct mrc_error *err) {
    return mrc_fail(err, MRC_ERR_NOMEM, "out of memory to fetch");
}

static enum mrc_status make_folder(const char *path, struct mrc_error *err) {
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && mrc_path_is_dir(path))) return MRC_OK;
    return mrc_fail(err, MRC_ERR_WRITE, "%s: %s, expected to make a folder there", path,
                    strerror(errno));
}

/* --- Asking, in a child --- */

struct asking {
    struct fetching *f;
    char studies[MOST_STUDIES][MRC_NET_UID_TEXT];
    size_t study_count;
};

static bool is_uid(const char *text) {
    size_t length = strnlen(text, MRC_NET_UID_TEXT);
    return length > 0 && length < MRC_NET_UID_TEXT && strspn(text, "0123456789.") == length;
}

static enum mrc_status take_study(void *context, const struct mrc_net_match *match,
                                  struct mrc_error *err) {
    struct asking *a = context;
    if (!is_uid(match->study)) return MRC_OK;
    if (a->study_count == MOST_STUDIES)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d studies", MOST_STUDIES);
    memcpy(a->studies[a->study_count++], match->study, MRC_NET_UID_TEXT);
    return MRC_OK;
}

static bool is_wanted(const struct mrc_fetch_options *o, const struct mrc_net_match *match,
                      size_t *untold) {
    bool told = (o->modality == NULL || match->modality[0] != '\0') &&
                (o->description == NULL || match->description[0] != '\0');
    if (!told) ++*untold;
    if (o->modality != NULL && strcmp(o->modality, match->modality) != 0) return false;
    return o->description == NULL || fnmatch(o->description, match->description, FNM_CASEFOLD) == 0;
}

static enum mrc_status take_series(void *context, const struct mrc_net_match *match,
                                   struct mrc_error *err) {
    struct asking *a = context;
    struct board *b = a->f->board;
    if (!is_uid(match->series) || !is_wanted(a->f->options, match, &b->untold)) return MRC_OK;
    for (size_t s = 0; s < b->series_count; ++s)
        if (strcmp(b->series[s].uid, match->series) == 0) return MRC_OK;
    if (b->series_count == MOST_SERIES)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d series", MOST_SERIES);
    struct found_series *new = &b->series[b->series_count++];
    memcpy(new->study, a->studies[a->study_count - 1], sizeof new->study);
    memcpy(new->uid, match->series, sizeof new->uid);
    return MRC_OK;
}

static enum mrc_status take_instance(void *context, const struct mrc_net_match *match,
                                     struct mrc_error *err) {
    struct board *b = ((struct asking *)context)->f->board;
    if (!is_uid(match->instance)) return MRC_OK;
    if (b->instance_count == b->most)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %zu images (--most)", b->most);
    memcpy(b->instances[b->instance_count++], match->instance, MRC_NET_UID_TEXT);
    return MRC_OK;
}

static enum mrc_status ask_series(struct asking *a, mrc_net_association *association,
                                  struct mrc_error *err) {
    size_t count = a->study_count;
    enum mrc_status status = MRC_OK;
    for (size_t s = 0; status == MRC_OK && s < count; ++s) {
        a->study_count = s + 1; /* take_series looks there */
        status = mrc_net_find_below(association, a->studies[s], NULL, 16 * MOST_SERIES, take_series,
                                    a, err);
    }
    return status;
}

static enum mrc_status ask_all(struct asking *a, mrc_net_association *association,
                               struct mrc_error *err) {
    struct board *b = a->f->board;
    enum mrc_status status = mrc_net_find_studies(association, &a->f->options->query,
                                                  16 * MOST_STUDIES, take_study, a, err);
    if (status == MRC_OK) status = ask_series(a, association, err);
    for (size_t s = 0; status == MRC_OK && s < b->series_count; ++s) {
        struct found_series *series = &b->series[s];
        series->first = b->instance_count;
        status = mrc_net_find_below(association, series->study, series->uid, (int64_t)b->most + 1,
                                    take_instance, a, err);
        series->count = b->instance_count - series->first;
    }
    return status;
}

/* What an association needs that begins only afterwards. */
static const char *readable_file(void *context, size_t number) {
    const struct mrc_net_tls *tls = context;
    const char *const files[] = {"/etc", "/usr", tls->ca, tls->cert, tls->key};
    return number < sizeof files / sizeof *files ? files[number] : NULL;
}

/* From now on the process writes below the output folder, and makes no socket. */
static void give_up_rights(const struct fetching *f) {
    const char *const writable[] = {f->options->output};
    const struct mrc_confine_files files = {.context = (void *)(uintptr_t)&f->options->peer.tls,
                                            .read = readable_file,
                                            .write = writable,
                                            .write_count = 1};
    (void)mrc_confine(MRC_CONFINE_RECEIVER, mrc_confine_ruleset(MRC_CONFINE_RECEIVER, &files));
}

static int ask_in_child(void *context) {
    struct fetching *f = context;
    struct asking *a = mrc_alloc(1, sizeof *a);
    mrc_net_association *association = NULL;
    if (a == NULL) return ENDED + MRC_ERR_NOMEM;
    a->f = f;
    enum mrc_status status =
        mrc_net_connect_query(&association, &f->options->peer, f->options->move, &f->board->err);
    if (status == MRC_OK) {
        give_up_rights(f);
        status = ask_all(a, association, &f->board->err);
    }
    mrc_net_disconnect(association);
    mrc_free(a);
    return ENDED + (int)status;
}

/* --- Taking, in children --- */

/* A part of a series: for the child that asks for it, and for those that take what an archive
 * brings. */
struct portion {
    struct fetching *f;
    const struct found_series *series;
    const char *instances[PORTION];
    size_t count;
    struct mrc_net_rule archive; /* who may bring */
    int socket;                  /* of one who takes */
    char host[MRC_HOST_TEXT];
    char *path; /* of the object on its way */
    int64_t files;
};

static bool admit(void *context, const char *calling) {
    const struct portion *p = context;
    return mrc_net_rule_fits(&p->archive, calling, p->host);
}

static uint16_t begin(void *context, const struct mrc_net_object *object, const char **path) {
    struct portion *p = context;
    (void)object;
    mrc_free(p->path);
    p->path = mrc_asprintf("%s/%s/%ld-%lld", p->f->options->output, p->f->staging, (long)getpid(),
                           (long long)p->files++);
    if (p->path == NULL) return MRC_NET_NO_RESOURCES;
    *path = p->path;
    return MRC_NET_SUCCESS;
}

/* What was not asked for may be another patient's. */
static bool is_of_portion(const struct portion *p, const struct mrc_net_identity *identity) {
    if (strcmp(identity->series, p->series->uid) != 0) return false;
    for (size_t i = 0; i < p->count; ++i)
        if (strcmp(p->instances[i], identity->instance) == 0) return true;
    return false;
}

static uint16_t place(const struct portion *p, const char *path,
                      const struct mrc_net_identity *identity) {
    char *folder = place_of(p->f, identity->series, NULL);
    char *target = place_of(p->f, identity->series, identity->instance);
    bool placed = folder != NULL && target != NULL && make_folder(folder, NULL) == MRC_OK &&
                  (link(path, target) == 0 || errno == EEXIST) &&
                  mrc_sync_dir(folder, NULL) == MRC_OK;
    mrc_free(target);
    mrc_free(folder);
    return placed ? MRC_NET_SUCCESS : MRC_NET_NO_RESOURCES;
}

static uint16_t end(void *context, const struct mrc_net_object *object, const char *path) {
    const struct portion *p = context;
    struct mrc_net_identity identity;
    uint16_t answer = MRC_NET_NOT_UNDERSTOOD;
    if (mrc_net_identify(&identity, path, NULL) == MRC_OK) {
        bool same = strcmp(identity.sop_class, object->sop_class) == 0 &&
                    strcmp(identity.instance, object->sop_instance) == 0;
        answer =
            same && is_of_portion(p, &identity) ? place(p, path, &identity) : MRC_NET_NOT_OF_CLASS;
    }
    (void)unlink(path);
    return answer;
}

static void refuse(void *context, uint16_t answer) {
    (void)context, (void)answer; /* what is missing at the end is seen */
}

static void release(void *context) {
    (void)context;
}

static struct mrc_net_receiver receiver_of(struct portion *p) {
    return (struct mrc_net_receiver){.context = p,
                                     .admit = admit,
                                     .begin = begin,
                                     .end = end,
                                     .refuse = refuse,
                                     .release = release};
}

static int ask_for_portion(void *context) {
    struct portion *p = context;
    struct fetching *f = p->f;
    const struct mrc_fetch_options *o = f->options;
    const struct mrc_net_receiver receiver = receiver_of(p);
    const struct mrc_net_wanted wanted = {.study = p->series->study,
                                          .series = p->series->uid,
                                          .instances = p->instances,
                                          .count = p->count};
    struct mrc_error *err = &f->board->err;
    mrc_net_association *association = NULL;
    enum mrc_status status = mrc_net_connect_query(&association, &o->peer, o->move, err);
    if (status == MRC_OK) {
        give_up_rights(f);
        status = o->move ? mrc_net_move(association, &wanted, o->peer.calling, err)
                         : mrc_net_get(association, &wanted, &receiver, most_object_bytes, err);
    }
    mrc_net_disconnect(association);
    mrc_free(p->path);
    return ENDED + (int)status;
}

static int take_from_archive(void *context) {
    struct portion *p = context;
    const struct mrc_net_peer *peer = &p->f->options->peer;
    struct mrc_net_node node = {.tls = peer->tls,
                                .acse_s = peer->acse_s,
                                .dimse_s = peer->dimse_s,
                                .idle_s = 2.0 * peer->dimse_s,
                                .max_object_bytes = most_object_bytes};
    const struct mrc_net_receiver receiver = receiver_of(p);
    char calling[MRC_AET_TEXT];
    memcpy(node.aet, peer->calling, sizeof node.aet);
    if (peer->tls.cert[0] == '\0') node.tls = (struct mrc_net_tls){.ca = ""};
    give_up_rights(p->f);
    enum mrc_status status = mrc_net_accept(calling, p->socket, &node, &receiver, NULL);
    mrc_free(p->path);
    return (int)status;
}

/* --- The caller: children and their ends --- */

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct children {
    int asker; /* 0: it has ended */
    int code;
    int guests[MOST_GUESTS];
    int guest_count;
};

static void welcome(struct children *c, struct portion *p) {
    int socket = -1;
    struct mrc_isolate_task task = {
        .run = take_from_archive, .context = p, .memory_bytes = most_memory_bytes};
    while (p->f->listener >= 0 && mrc_net_next(&socket, p->host, p->f->listener)) {
        p->socket = task.keep = socket;
        bool may_come =
            c->guest_count < MOST_GUESTS && mrc_net_rule_fits(&p->archive, NULL, p->host);
        if (may_come && mrc_isolate_start(&c->guests[c->guest_count], &task, NULL) == MRC_OK)
            ++c->guest_count;
        (void)close(socket);
    }
}

static void reap(struct children *c) {
    if (c->asker != 0 && mrc_isolate_ended(&c->code, c->asker)) c->asker = 0;
    for (int g = 0; g < c->guest_count;) {
        int code = 0;
        if (mrc_isolate_ended(&code, c->guests[g]))
            c->guests[g] = c->guests[--c->guest_count];
        else
            ++g;
    }
}

static void kill_all(const struct children *c) {
    if (c->asker != 0) mrc_isolate_kill(c->asker);
    for (int g = 0; g < c->guest_count; ++g) mrc_isolate_kill(c->guests[g]);
}

/* Until the child that asks has ended, and soon after those that take have. */
static void wait_for_children(struct children *c, struct portion *p, const struct fetching *f) {
    double begun = now_s(), ended = 0.0;
    while (c->asker != 0 || c->guest_count > 0) {
        struct pollfd door = {.fd = f->listener, .events = POLLIN};
        (void)poll(&door, f->listener >= 0 ? 1 : 0, TICK_MS);
        if (p != NULL && c->asker != 0) welcome(c, p);
        reap(c);
        if (c->asker == 0 && ended <= 0.0) ended = now_s();
        bool late =
            now_s() - begun > longest_portion_s || (ended > 0.0 && now_s() - ended > farewell_s);
        if (late || mrc_events_cancelled(f->events)) kill_all(c);
    }
}

/* Runs a child that asks; its status, or why it crashed. */
static enum mrc_status run_child(struct fetching *f, int (*run)(void *), void *context,
                                 struct portion *p, struct mrc_error *err) {
    struct children c = {.asker = 0};
    char words[sizeof f->board->err.text];
    const struct mrc_isolate_task task = {
        .run = run, .context = context, .keep = -1, .memory_bytes = most_memory_bytes};
    f->board->err = (struct mrc_error){.code = MRC_OK};
    enum mrc_status status = mrc_isolate_start(&c.asker, &task, err);
    if (status != MRC_OK) return status;
    wait_for_children(&c, p, f);
    if (mrc_events_cancelled(f->events)) return mrc_fail(err, MRC_ERR_CANCELLED, "stopped");
    if (c.code == ENDED) return MRC_OK;
    if (c.code < ENDED || c.code > ENDED + MRC_ERR_PEER)
        return mrc_fail(err, MRC_ERR_NETWORK, "%s: what it says crashes its reader",
                        f->options->peer.called);
    f->board->err.text[sizeof f->board->err.text - 1] = '\0';
    mrc_text_plain(words, sizeof words, f->board->err.text);
    return mrc_fail(err, (enum mrc_status)(c.code - ENDED), "%s", words);
}

/* --- Finding --- */

/* The child may have been taken over: nothing on the board is believed. */
static enum mrc_status check_board(const struct fetching *f, struct mrc_error *err) {
    struct board *b = f->board;
    bool odd = b->series_count > MOST_SERIES || b->most != (size_t)f->options->most_images ||
               b->instance_count > b->most;
    for (size_t s = 0; !odd && s < b->series_count; ++s)
        odd = !is_uid(b->series[s].study) || !is_uid(b->series[s].uid) ||
              b->series[s].first > b->instance_count ||
              b->series[s].count > b->instance_count - b->series[s].first;
    for (size_t i = 0; !odd && i < b->instance_count; ++i) odd = !is_uid(b->instances[i]);
    return odd ? mrc_fail(err, MRC_ERR_FORMAT, "%s: answered what cannot be",
                          f->options->peer.called)
               : MRC_OK;
}

static void wait(const struct fetching *f, double seconds) {
    const struct timespec tick = {.tv_nsec = 100000000};
    for (; seconds > 0.0 && !mrc_events_cancelled(f->events); seconds -= 0.1)
        (void)nanosleep(&tick, NULL);
}

/* True: to be tried again, after a pause. */
static bool try_again(struct fetching *f, int *left, double *pause, const struct mrc_error *why) {
    if (mrc_events_cancelled(f->events) || (*left)-- <= 0) return false;
    mrc_events_note(f->events, "%s; again in %.0f s", why->text, *pause);
    wait(f, *pause);
    *pause = *pause * 2.0 < longest_wait_s ? *pause * 2.0 : longest_wait_s;
    return true;
}

static enum mrc_status find(struct fetching *f, struct mrc_error *err) {
    double pause = f->options->wait_s;
    int left = f->options->retries;
    for (;;) {
        struct mrc_error why = {0};
        f->board->series_count = f->board->instance_count = f->board->untold = 0;
        enum mrc_status status = run_child(f, ask_in_child, f, NULL, &why);
        if (status == MRC_ERR_NETWORK && try_again(f, &left, &pause, &why)) continue;
        if (status != MRC_OK) return mrc_fail(err, status, "%s", why.text);
        status = check_board(f, err);
        if (status == MRC_OK && f->board->untold > 0)
            mrc_events_note(f->events,
                            "%zu series left out: the archive does not tell their description or "
                            "modality",
                            f->board->untold);
        if (status == MRC_OK && f->board->instance_count == 0)
            status = mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: has nothing of the kind",
                              f->options->peer.called);
        return status;
    }
}

/* --- Bringing --- */

static int64_t count_here(const struct fetching *f) {
    int64_t count = 0;
    for (size_t s = 0; s < f->board->series_count; ++s)
        for (size_t i = 0; i < f->board->series[s].count; ++i)
            count += is_here(f, &f->board->series[s], f->board->series[s].first + i);
    return count;
}

static void choose_portion(struct portion *out, struct fetching *f, const struct found_series *s,
                           size_t *at) {
    *out = (struct portion){.f = f, .series = s, .archive = out->archive};
    for (; *at < s->count && out->count < PORTION; ++*at)
        if (!is_here(f, s, s->first + *at))
            out->instances[out->count++] = f->board->instances[s->first + *at];
}

/* All that is missing, once. What may pass goes to f->last. */
static enum mrc_status bring_all(struct fetching *f, const struct mrc_net_rule *archive,
                                 struct mrc_error *err) {
    struct board *b = f->board;
    enum mrc_status status = MRC_OK;
    for (size_t s = 0; status == MRC_OK && s < b->series_count; ++s) {
        for (size_t at = 0; status == MRC_OK && at < b->series[s].count;) {
            struct portion p = {.archive = *archive};
            struct mrc_error why = {0};
            choose_portion(&p, f, &b->series[s], &at);
            if (p.count == 0) continue;
            status = run_child(f, ask_for_portion, &p, &p, &why);
            mrc_events_progress(f->events, "fetching", count_here(f), (int64_t)b->instance_count);
            if (status == MRC_ERR_NETWORK) {
                f->last = why;
                return MRC_OK;
            }
            if (status != MRC_OK) return mrc_fail(err, status, "%s", why.text);
        }
    }
    return status;
}

static enum mrc_status resolve_archive(struct mrc_net_rule *out, const struct fetching *f,
                                       struct mrc_error *err) {
    const struct mrc_net_peer *peer = &f->options->peer;
    *out = (struct mrc_net_rule){.mask = ~0u};
    if (!f->options->move) return MRC_OK;
    char *text = mrc_asprintf("%s@%s", peer->called, peer->host);
    enum mrc_status status = text != NULL ? mrc_net_parse_rule(out, text, err) : no_memory(err);
    mrc_free(text);
    return status;
}

static enum mrc_status bring(struct fetching *f, int64_t *fetched, struct mrc_error *err) {
    const int64_t wanted = (int64_t)f->board->instance_count, before = count_here(f);
    struct mrc_net_rule archive;
    double pause = f->options->wait_s;
    int left = f->options->retries;
    enum mrc_status status = resolve_archive(&archive, f, err);
    for (int64_t have = before; status == MRC_OK && have < wanted;) {
        mrc_error_clear(&f->last);
        status = bring_all(f, &archive, err);
        int64_t now = count_here(f);
        *fetched = now - before;
        if (status != MRC_OK || now == wanted) break;
        if (f->last.code == MRC_OK)
            (void)mrc_fail(&f->last, MRC_ERR_NETWORK, "%s: did not give all",
                           f->options->peer.called);
        if (now > have) left = f->options->retries, pause = f->options->wait_s;
        have = now;
        if (!try_again(f, &left, &pause, &f->last))
            status = mrc_fail(err, MRC_ERR_NETWORK, "%lld of %lld not fetched: %s",
                              (long long)(wanted - now), (long long)wanted, f->last.text);
    }
    return status;
}

/* --- The whole --- */

static enum mrc_status make_places(const struct fetching *f, struct mrc_error *err) {
    char *staging = mrc_asprintf("%s/%s", f->options->output, f->staging);
    enum mrc_status status =
        staging != NULL ? mrc_make_dirs(f->options->output, err) : no_memory(err);
    if (status == MRC_OK) status = make_folder(staging, err);
    mrc_free(staging);
    return status;
}

static enum mrc_status open_fetching(struct fetching *f, struct mrc_error *err) {
    const struct mrc_fetch_options *o = f->options;
    f->board_bytes = sizeof *f->board + (size_t)o->most_images * MRC_NET_UID_TEXT;
    void *room =
        mmap(NULL, f->board_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return no_memory(err);
    f->board = room;
    f->board->most = (size_t)o->most_images;
    snprintf(f->staging, sizeof f->staging, ".incoming-%ld", (long)getpid());
    mrc_image_prepare();
    enum mrc_status status = make_places(f, err);
    if (status == MRC_OK && o->move) status = mrc_net_listen(&f->listener, o->bind, o->port, err);
    return status;
}

static void close_fetching(struct fetching *f) {
    char *staging = mrc_asprintf("%s/%s", f->options->output, f->staging);
    if (f->listener >= 0) (void)close(f->listener);
    if (staging != NULL && f->staging[0] != '\0') mrc_remove_tree(staging);
    if (f->board != NULL) (void)munmap(f->board, f->board_bytes);
    mrc_free(staging);
}

enum mrc_status mrc_fetch_run(const struct mrc_fetch_options *options,
                              struct mrc_fetch_report *report, const struct mrc_events *events,
                              struct mrc_error *err) {
    struct fetching f = {.options = options, .events = events, .listener = -1};
    struct mrc_fetch_report r = {.series = 0};
    enum mrc_status status = open_fetching(&f, err);
    if (status == MRC_OK) status = find(&f, err);
    if (status == MRC_OK) {
        r.series = (int64_t)f.board->series_count;
        r.images = (int64_t)f.board->instance_count;
        r.before = count_here(&f);
        status = bring(&f, &r.fetched, err);
    }
    close_fetching(&f);
    if (report != NULL) *report = r;
    return status;
}
