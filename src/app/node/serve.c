/* serve.c: the loop: peers, series, jobs. The process that loops reads no stranger's byte and
 * computes nothing; each association and each attempt at a job is a child, which may crash. All
 * that must survive is on the disk before the next step. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "app/node/serve.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "app/node/audit.h"
#include "app/node/notify.h"
#include "app/node/serve_parts.h"
#include "app/node/status_port.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"

enum {
    TICK_MS = 100,
    MOST_KNOCKS = 64,
    MOST_WAITING = 64,
    MOST_REFUSED = 64,
    MOST_CRASHES = 3,
    MAX_WHY = 4096
};
static const double look_s = 0.5, prune_s = 60.0, repeat_s = 60.0, farewell_s = 10.0;
static const double patience_s = 2.0; /* of one who waits, before another is sent away for him */
static const double refusals_s = 1.0; /* between two lines about refusals of one host */
static const size_t least_memory_bytes = (size_t)12 << 20;

struct peer {
    int pid, number;
    char host[MRC_HOST_TEXT];
    double since_s;
    atomic_llong *stored_ms; /* on server.board; as the child says, which may lie */
    bool sent_away;
    bool gone; /* its process has ended, and the queue does not know yet */
    int code;
};
/* One who was let in at the door while all associations were taken. */
struct waiting {
    int socket;
    char host[MRC_HOST_TEXT];
    double since_s;
};
/* Who was refused, and how often since that was last said. */
struct refused {
    const char *event;
    char host[MRC_HOST_TEXT];
    int64_t times;
    double said_s;
};
struct server {
    const struct mrc_serve_config *config;
    const struct mrc_events *events;
    mrc_queue *queue;
    struct mrc_audit audit;
    struct mrc_serve_watch watch;
    int listener; /* -1: none */
    struct peer peers[MRC_SERVE_MOST_PEERS];
    int peer_count, last_number;
    struct mrc_serve_board *board;
    struct mrc_serve_tally tally;
    struct mrc_status_port status;
    const struct mrc_serve_reload *reload; /* NULL: never */
    struct mrc_serve_config *reloaded;     /* what config points to; NULL: to the caller's */
    double watchdog_s, barked_s;           /* 0: nobody waits for it */
    struct waiting waiting[MOST_WAITING];
    int waiting_count;
    struct refused refused[MOST_REFUSED];
    int refused_count;
    struct mrc_serve_attempt attempt;
    int worker; /* its pid; 0: none */
    bool ended; /* the attempt is over, and its job not yet moved */
    int code;   /* how it went */
    double worker_since_s, looked_s, pruned_s, said_s;
    char said[sizeof((struct mrc_error *)NULL)->text];
};

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* What goes wrong on the side is said, not again and again, and tried again. */
static void complain(struct server *s, const struct mrc_error *why) {
    double now = now_s();
    if (strcmp(s->said, why->text) == 0 && now - s->said_s < repeat_s) return;
    snprintf(s->said, sizeof s->said, "%s", why->text);
    s->said_s = now;
    mrc_events_note(s->events, "%s", why->text);
}

static void log_event(struct server *s, const char *event, const char *key, const char *value) {
    cJSON *line = mrc_audit_begin(event);
    if (key != NULL) cJSON_AddStringToObject(line, key, value);
    mrc_audit_end(line, &s->audit);
}

static void log_job(struct server *s, const struct mrc_job *job, const char *cause) {
    cJSON *line = mrc_audit_begin("job");
    cJSON_AddStringToObject(line, "id", job->id);
    cJSON_AddStringToObject(line, "state", mrc_job_state_name(job->state));
    cJSON_AddNumberToObject(line, "attempts", job->attempts);
    if (job->source[0] == '\0') cJSON_AddNumberToObject(line, "images", (double)job->images);
    if (cause != NULL) cJSON_AddStringToObject(line, "cause", cause);
    /* the words for a watched image name it */
    if (job->source[0] == '\0' && job->why[0] != '\0')
        cJSON_AddStringToObject(line, "reason", job->why);
    if (job->rule[0] != '\0') cJSON_AddStringToObject(line, "rule", job->rule);
    if (job->supersedes[0] != '\0') cJSON_AddStringToObject(line, "supersedes", job->supersedes);
    if (job->absorbed[0] != '\0') cJSON_AddStringToObject(line, "absorbed", job->absorbed);
    mrc_audit_end(line, &s->audit);
}

static void log_deleted(void *server, const struct mrc_job *job, const char *reason) {
    struct server *s = server;
    ++s->tally.deleted;
    mrc_audit_deleted(&s->audit, job, reason);
}

/* --- Peers --- */

static bool host_is_allowed(const struct server *s, const char *host) {
    for (size_t i = 0; i < s->config->allowed_count; ++i)
        if (mrc_net_rule_fits(&s->config->allowed[i], NULL, host)) return true;
    return false;
}

static int associations_of(const struct server *s, const char *host) {
    int count = 0;
    for (int i = 0; i < s->peer_count; ++i) count += strcmp(s->peers[i].host, host) == 0;
    return count;
}

static int waiting_of(const struct server *s, const char *host) {
    int count = 0;
    for (int i = 0; i < s->waiting_count; ++i) count += strcmp(s->waiting[i].host, host) == 0;
    return count;
}

static void say_refused(struct server *s, struct refused *r, double now) {
    cJSON *line = mrc_audit_begin(r->event);
    cJSON_AddStringToObject(line, "host", r->host);
    cJSON_AddNumberToObject(line, "times", (double)r->times);
    mrc_audit_end(line, &s->audit);
    r->times = 0;
    r->said_s = now;
}

/* Said at once, and then in sums: who knocks a thousand times does not keep us writing. */
static void refuse(struct server *s, const char *event, const char *host) {
    double now = now_s();
    struct refused *r = NULL;
    for (int i = 0; i < s->refused_count && r == NULL; ++i)
        if (s->refused[i].event == event && strcmp(s->refused[i].host, host) == 0)
            r = &s->refused[i];
    if (r == NULL) {
        int at = s->refused_count < MOST_REFUSED ? s->refused_count++ : 0;
        r = &s->refused[at];
        if (r->times > 0) say_refused(s, r, now);
        *r = (struct refused){.event = event, .said_s = -refusals_s};
        snprintf(r->host, sizeof r->host, "%s", host);
    }
    ++r->times;
    ++s->tally.turned_away;
    if (now - r->said_s >= refusals_s) say_refused(s, r, now);
}

static void sum_refusals(struct server *s, double now) {
    for (int i = 0; i < s->refused_count; ++i)
        if (s->refused[i].times > 0 && now - s->refused[i].said_s >= refusals_s)
            say_refused(s, &s->refused[i], now);
}

static atomic_llong *take_slot(struct server *s) {
    for (int i = 0; i < MRC_SERVE_MOST_PEERS; ++i)
        if (atomic_load(&s->board->stored_ms[i]) < 0) return &s->board->stored_ms[i];
    return NULL; /* there are as many as peers: a child made itself free */
}

/* Each association has its share, so that all together have what the settings say. */
static size_t share_bytes(const struct mrc_serve_config *config) {
    size_t share = (size_t)(config->receive_memory_mb * 1048576.0) / (size_t)config->associations;
    return share > least_memory_bytes ? share : least_memory_bytes;
}

static const char *readable_file(void *context, size_t number) {
    const struct mrc_serve_config *config = context;
    const struct mrc_net_tls *tls = &config->node.tls;
    const char *const files[] = {"/etc", "/usr", tls->ca, tls->cert, tls->key};
    return number < sizeof files / sizeof *files ? files[number] : NULL;
}

static enum mrc_status start_child(int *pid, struct mrc_serve_peer *peer, struct mrc_error *err) {
    const struct mrc_serve_config *config = peer->config;
    char log_folder[MRC_SERVE_PATH];
    const char *const writable[] = {mrc_queue_dir(peer->queue), log_folder};
    const struct mrc_confine_files files = {.context = (void *)(uintptr_t)config,
                                            .read = readable_file,
                                            .write = writable,
                                            .write_count = 2};
    size_t folder = (size_t)(mrc_path_name(config->audit) - config->audit);
    snprintf(log_folder, sizeof log_folder, "%.*s", (int)folder, config->audit);
    if (folder == 0) snprintf(log_folder, sizeof log_folder, ".");
    const struct mrc_isolate_task task = {.run = mrc_serve_receive,
                                          .context = peer,
                                          .keep = peer->socket,
                                          .memory_bytes = share_bytes(config),
                                          .confined = &files,
                                          .nice = 5};
    return mrc_isolate_start(pid, &task, err);
}

static void start_peer(struct server *s, int socket, const char *host) {
    struct mrc_serve_peer peer = {.config = s->config,
                                  .queue = s->queue,
                                  .socket = socket,
                                  .number = ++s->last_number,
                                  .board = s->board,
                                  .stored_ms = take_slot(s)};
    snprintf(peer.host, sizeof peer.host, "%s", host);
    struct mrc_error why = {0};
    int pid = 0;
    if (peer.stored_ms == NULL) return;
    atomic_store(peer.stored_ms, 0);
    if (start_child(&pid, &peer, &why) != MRC_OK) {
        atomic_store(peer.stored_ms, -1);
        complain(s, &why);
        return;
    }
    struct peer *new = &s->peers[s->peer_count++];
    *new = (struct peer){
        .pid = pid, .number = peer.number, .since_s = now_s(), .stored_ms = peer.stored_ms};
    snprintf(new->host, sizeof new->host, "%s", host);
    ++s->tally.associations;
    s->tally.last_association = (int64_t)time(NULL);
}

static void forget_waiting(struct server *s, int i) {
    (void)close(s->waiting[i].socket);
    --s->waiting_count;
    memmove(&s->waiting[i], &s->waiting[i + 1],
            (size_t)(s->waiting_count - i) * sizeof *s->waiting);
}

/* The waiting room is full: of the host with most in it the last one goes, unless that is the one
 * who knocks. */
static bool make_room(struct server *s, const char *host) {
    int last = -1, most = waiting_of(s, host) + 1;
    for (int i = 0; i < s->waiting_count; ++i) {
        int count = waiting_of(s, s->waiting[i].host);
        if (count > most || (last >= 0 && count == most)) last = i, most = count;
    }
    if (last < 0) return false;
    refuse(s, "too_many_associations", s->waiting[last].host);
    forget_waiting(s, last);
    return true;
}

/* Everybody who may come waits, if only for a moment; who has too many himself is not let in. */
static void let_wait(struct server *s, int socket, const char *host) {
    const char *event = NULL;
    if (!host_is_allowed(s, host))
        event = "refused_host";
    else if (associations_of(s, host) + waiting_of(s, host) >= s->config->associations_per_host ||
             (s->waiting_count == MOST_WAITING && !make_room(s, host)))
        event = "too_many_associations";
    if (event != NULL) {
        refuse(s, event, host);
        (void)close(socket);
        return;
    }
    struct waiting *w = &s->waiting[s->waiting_count++];
    *w = (struct waiting){.socket = socket, .since_s = now_s()};
    snprintf(w->host, sizeof w->host, "%s", host);
}

/* Who waits and whose host has the fewest associations; of several who came first. */
static int first_waiting(const struct server *s) {
    int first = 0;
    for (int i = 1; i < s->waiting_count; ++i)
        if (associations_of(s, s->waiting[i].host) < associations_of(s, s->waiting[first].host))
            first = i;
    return first;
}

static long long last_stored(const struct peer *peer) {
    return peer->sent_away ? LLONG_MAX : atomic_load(peer->stored_ms);
}

/* The host with most associations gives one up for a host that has two fewer: the one that has
 * stored nothing for longest. What it stored is kept, and it may come again. */
static void send_one_away(struct server *s, const struct waiting *for_whom) {
    struct peer *chosen = NULL;
    int most = associations_of(s, for_whom->host) + 2;
    for (int i = 0; i < s->peer_count; ++i) {
        struct peer *peer = &s->peers[i];
        if (peer->sent_away && !peer->gone) return; /* one after the other */
        int count = associations_of(s, peer->host);
        if (count < most) continue;
        if (count > most || chosen == NULL || last_stored(peer) < last_stored(chosen))
            chosen = peer;
        most = count;
    }
    if (chosen == NULL) return;
    chosen->sent_away = true;
    log_event(s, "association_sent_away", "host", chosen->host);
    mrc_isolate_kill(chosen->pid);
}

static bool has_place(const struct server *s) {
    return s->peer_count < s->config->associations && s->peer_count < MRC_SERVE_MOST_PEERS;
}

static void welcome(struct server *s) {
    char host[MRC_HOST_TEXT];
    int socket = -1;
    for (int n = 0; n < MOST_KNOCKS && mrc_net_next(&socket, host, s->listener); ++n)
        let_wait(s, socket, host);
    while (s->waiting_count > 0 && has_place(s)) {
        int first = first_waiting(s);
        const struct waiting next = s->waiting[first];
        start_peer(s, next.socket, next.host);
        forget_waiting(s, first);
    }
    double now = now_s();
    for (int i = 0; i < s->waiting_count;) {
        if (now - s->waiting[i].since_s <= s->config->node.acse_s) {
            ++i;
            continue;
        }
        refuse(s, "too_many_associations", s->waiting[i].host);
        forget_waiting(s, i);
    }
    if (s->waiting_count == 0) return;
    const struct waiting *first = &s->waiting[first_waiting(s)];
    if (now - first->since_s > patience_s) send_one_away(s, first);
}

static void log_parting(struct server *s, const struct peer *peer) {
    if (peer->sent_away) return; /* that is said already */
    if (peer->code < 0 || peer->code >= MRC_PARTINGS)
        log_event(s, "association_killed", "host", peer->host);
    else if (peer->code >= MRC_PARTED_UNLOGGED)
        log_event(s, "association_unlogged", "host", peer->host);
}

/* One that the queue cannot be told of stays: its series would never be complete. */
static void reap_peers(struct server *s) {
    double now = now_s();
    for (int i = 0; i < s->peer_count;) {
        struct peer *peer = &s->peers[i];
        struct mrc_error why = {0};
        if (!peer->gone && mrc_isolate_ended(&peer->code, peer->pid)) {
            peer->gone = true;
            if (peer->code < 0) mrc_queue_drop_received(s->queue, peer->pid);
            log_parting(s, peer);
        }
        if (!peer->gone && now - peer->since_s > s->config->association_s)
            mrc_isolate_kill(peer->pid);
        bool released = peer->code >= 0 && peer->code % MRC_PARTED_UNLOGGED == MRC_PARTED_RELEASED;
        if (!peer->gone) {
            ++i;
        } else if (mrc_queue_end_peer(s->queue, peer->number, released, &why) == MRC_OK) {
            atomic_store(peer->stored_ms, -1);
            *peer = s->peers[--s->peer_count];
        } else {
            complain(s, &why);
            ++i;
        }
    }
}

/* --- Jobs --- */

static void collect(struct server *s) {
    const struct mrc_queue_patience patience = {.quiet_s = s->config->quiet_s,
                                                .broken_s = s->config->broken_quiet_s,
                                                .study_s = s->config->study_wait_s};
    struct mrc_error why = {0};
    struct mrc_job job;
    bool made = true;
    while (made) {
        if (mrc_queue_collect(&made, &job, s->queue, &patience, &why) != MRC_OK) {
            complain(s, &why);
            break;
        }
        if (made) log_job(s, &job, NULL);
    }
    if (s->config->watch[0] == '\0') return;
    mrc_error_clear(&why);
    for (made = true; made;) {
        if (mrc_serve_watch_look(&s->watch, &made, &job, s->queue, s->config, &why) != MRC_OK) {
            complain(s, &why);
            break;
        }
        if (made) log_job(s, &job, NULL);
    }
}

static void start_job(struct server *s) {
    struct mrc_error why = {0};
    bool found = false;
    s->attempt = (struct mrc_serve_attempt){.config = s->config, .queue = s->queue};
    struct mrc_job *job = &s->attempt.job;
    enum mrc_status status = mrc_queue_next(&found, job, s->queue, &why);
    if (status == MRC_OK && found) {
        ++job->attempts;
        status = mrc_queue_move(s->queue, job, MRC_JOB_RUNNING, &why);
    }
    bool taken = found && job->state == MRC_JOB_RUNNING; /* also when its move is not synced */
    if (taken) log_job(s, job, NULL);
    if (taken && status == MRC_OK) {
        const struct mrc_isolate_task task = {
            .run = mrc_serve_work, .context = &s->attempt, .keep = -1};
        s->worker_since_s = now_s();
        status = mrc_isolate_start(&s->worker, &task, &why);
    }
    if (status == MRC_OK) return;
    complain(s, &why);
    s->ended = taken; /* no attempt, and yet it is over */
    s->code = (int)status;
}

static void read_why(struct server *s) {
    struct mrc_job *job = &s->attempt.job;
    char path[MRC_JOB_PATH];
    unsigned char *text = NULL;
    size_t size = 0;
    snprintf(job->why, sizeof job->why, "%s",
             s->code < 0 ? "crashed, or took too long" : mrc_status_name((enum mrc_status)s->code));
    if (mrc_queue_path(path, s->queue, job, "why", NULL) != MRC_OK) return;
    if (s->code > 0 && mrc_read_file(&text, &size, path, MAX_WHY, NULL) == MRC_OK)
        snprintf(job->why, sizeof job->why, "%s", (const char *)text);
    (void)unlink(path);
    mrc_free(text);
}

/* What may pass by itself: no network, no room, no memory; and a crash, but not for ever. */
static bool may_pass(const struct server *s) {
    if (s->code < 0) return s->attempt.job.crashes < MOST_CRASHES;
    return s->code == MRC_ERR_NETWORK || s->code == MRC_ERR_WRITE || s->code == MRC_ERR_NOMEM;
}

static double wait_after(const struct mrc_serve_config *config, int attempts) {
    double wait = config->retry_wait_s;
    for (int i = 1; i < attempts && wait < config->retry_wait_max_s; ++i) wait *= 2.0;
    return wait < config->retry_wait_max_s ? wait : config->retry_wait_max_s;
}

static const char *cause_of(const struct server *s) {
    if (s->code == 0 || s->code == MRC_SERVE_SKIPPED) return NULL;
    return s->code < 0 ? "crashed" : mrc_status_name((enum mrc_status)s->code);
}

/* Where the job goes, and what it says of it. */
static enum mrc_job_state conclude(struct server *s) {
    struct mrc_job *job = &s->attempt.job;
    if (s->code < 0) ++job->crashes;
    job->not_before = 0;
    job->why[0] = '\0';
    (void)mrc_serve_job_rule(job->rule, s->queue, job);
    if (s->code == 0) return MRC_JOB_DONE;
    read_why(s);
    if (s->code == MRC_SERVE_SKIPPED) return MRC_JOB_SKIPPED;
    if (!may_pass(s) || job->attempts > s->config->retries) return MRC_JOB_FAILED;
    job->not_before = (int64_t)time(NULL) + (int64_t)wait_after(s->config, job->attempts);
    return MRC_JOB_NEW;
}

/* The attempt is over: where does its job go? Asked again when the disk does not take the answer.
 */
static void settle(struct server *s) {
    struct mrc_job *job = &s->attempt.job;
    struct mrc_error why = {0};
    struct mrc_job before = *job;
    enum mrc_job_state to = conclude(s);
    if (s->code < 0) mrc_queue_clean(s->queue, job);
    if (mrc_queue_move(s->queue, job, to, &why) != MRC_OK) complain(s, &why);
    if (job->state != to) {
        *job = before;
        return;
    }
    s->ended = false;
    ++s->tally.ended[to];
    log_job(s, job, cause_of(s));
    mrc_events_note(s->events, "job %s: %s%s%s", job->id,
                    to == MRC_JOB_NEW ? "will be tried again" : mrc_job_state_name(to),
                    job->why[0] != '\0' ? ": " : "", job->why);
}

static void reap_worker(struct server *s) {
    if (s->worker != 0 && mrc_isolate_ended(&s->code, s->worker)) {
        s->worker = 0;
        s->ended = true;
        s->tally.work_s += now_s() - s->worker_since_s;
    } else if (s->worker != 0 && now_s() - s->worker_since_s > s->config->job_s) {
        mrc_isolate_kill(s->worker);
    }
}

static struct mrc_queue_limit limit_of(double hours, double mb) {
    return (struct mrc_queue_limit){
        .holds = true, .age_s = hours * 3600.0, .bytes = mb * 1048576.0};
}

static void prune(struct server *s) {
    const struct mrc_serve_config *c = s->config;
    const struct mrc_queue_limit limits[MRC_JOB_STATES] = {
        [MRC_JOB_DONE] = limit_of(c->keep_done_h, c->keep_done_mb),
        [MRC_JOB_FAILED] = limit_of(c->keep_failed_h, c->keep_failed_mb),
        [MRC_JOB_SKIPPED] = limit_of(c->keep_skipped_h, c->keep_skipped_mb)};
    const struct mrc_queue_witness witness = {.context = s, .gone = log_deleted};
    mrc_queue_prune(s->queue, limits, &witness);
}

/* --- Other settings --- */

static enum mrc_status load_anew(struct mrc_serve_config **out, const struct server *s,
                                 struct mrc_error *err) {
    *out = mrc_alloc(1, sizeof **out);
    if (*out == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for the settings");
    enum mrc_status status = s->reload->load(s->reload->context, *out, err);
    if (status == MRC_OK) status = mrc_serve_config_can_follow(s->config, *out, err);
    if (status == MRC_OK) return MRC_OK;
    mrc_free(*out);
    return status;
}

/* Processes that run have the settings they began with. */
static void reload(struct server *s) {
    struct mrc_serve_config *new = NULL;
    struct mrc_error why = {0};
    mrc_notify_reloading();
    enum mrc_status status = load_anew(&new, s, &why);
    if (status == MRC_OK) {
        mrc_free(s->reloaded);
        s->config = s->reloaded = new;
        s->audit.path = new->audit;
        ++s->tally.reloads;
        mrc_events_note(s->events, "settings read anew");
    } else {
        mrc_events_note(s->events, "the settings stay as they are: %s", why.text);
    }
    log_event(s, "reload", "outcome", status == MRC_OK ? "done" : mrc_status_name(status));
    mrc_notify("READY=1");
}

/* --- The loop --- */

static void show_status(struct server *s) {
    struct mrc_serve_view view = {.config = s->config,
                                  .queue = s->queue,
                                  .board = s->board,
                                  .tally = s->tally,
                                  .open = s->peer_count,
                                  .log_waits = s->audit.waiting.size > 0};
    const struct mrc_status_pages pages = {
        .context = &view, .metrics = mrc_serve_metrics, .health = mrc_serve_health};
    mrc_status_port_turn(&s->status, &pages);
}

static void bark(struct server *s) {
    double now = now_s();
    if (s->watchdog_s <= 0.0 || now - s->barked_s < s->watchdog_s) return;
    s->barked_s = now;
    mrc_notify("WATCHDOG=1");
}

static void wait_for_somebody(struct server *s) {
    struct pollfd doors[MRC_STATUS_CLIENTS + 2];
    int count = mrc_status_port_polls(doors, &s->status);
    if (s->listener >= 0) doors[count++] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    (void)poll(doors, (nfds_t)count, TICK_MS);
}

static void turn(struct server *s) {
    wait_for_somebody(s);
    if (s->reload != NULL && s->reload->wanted(s->reload->context)) reload(s);
    bark(s);
    show_status(s);
    if (s->listener >= 0) welcome(s);
    reap_peers(s);
    reap_worker(s);
    double now = now_s();
    if (now - s->looked_s >= look_s) {
        s->looked_s = now;
        sum_refusals(s, now);
        (void)mrc_audit_flush(&s->audit);
        collect(s);
        if (s->ended) settle(s);
        if (s->worker == 0 && !s->ended) start_job(s);
    }
    if (now - s->pruned_s >= prune_s) {
        s->pruned_s = now;
        prune(s);
    }
}

/* Peers in the middle of a series may end it; a job is only done again. */
static void say_farewell(struct server *s) {
    double begin = now_s();
    if (s->listener >= 0) (void)close(s->listener);
    while (s->waiting_count > 0) forget_waiting(s, s->waiting_count - 1);
    if (s->worker != 0) mrc_isolate_kill(s->worker);
    while (s->peer_count > 0) {
        const struct timespec tick = {.tv_nsec = 20000000};
        if (now_s() - begin > farewell_s)
            for (int i = 0; i < s->peer_count; ++i) mrc_isolate_kill(s->peers[i].pid);
        (void)nanosleep(&tick, NULL);
        reap_peers(s);
    }
    for (int code = 0; s->worker != 0 && !mrc_isolate_ended(&code, s->worker);) {
        const struct timespec tick = {.tv_nsec = 5000000};
        (void)nanosleep(&tick, NULL);
    }
}

static enum mrc_status share_board(struct server *s, struct mrc_error *err) {
    void *board =
        mmap(NULL, sizeof *s->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a server's associations");
    s->board = board;
    for (int i = 0; i < MRC_SERVE_MOST_PEERS; ++i) atomic_init(&s->board->stored_ms[i], -1);
    return MRC_OK;
}

static enum mrc_status open_server(struct server *s, struct mrc_error *err) {
    const struct mrc_serve_config *config = s->config;
    int64_t again = 0;
    enum mrc_status status = share_board(s, err);
    if (status == MRC_OK) status = mrc_queue_open(&s->queue, config->queue, true, err);
    if (status == MRC_OK) status = mrc_queue_serve(s->queue, &again, err);
    if (status == MRC_OK && config->port != 0)
        status = mrc_net_listen(&s->listener, config->bind, config->port, err);
    if (status == MRC_OK) status = mrc_status_port_open(&s->status, config->status_port, err);
    if (status != MRC_OK) return status;
    s->tally.began = (int64_t)time(NULL);
    s->watchdog_s = mrc_notify_watchdog_s();
    log_event(s, "start", NULL, NULL);
    if (again > 0)
        mrc_events_note(s->events, "%lld interrupted job%s will be done again", (long long)again,
                        again == 1 ? "" : "s");
    if (config->port != 0)
        mrc_events_note(s->events, "%s listens at %s:%d", config->node.aet, config->bind,
                        config->port);
    if (config->watch[0] != '\0') mrc_events_note(s->events, "watching %s", config->watch);
    return MRC_OK;
}

enum mrc_status mrc_serve_run(const struct mrc_serve_config *config,
                              const struct mrc_serve_reload *reload,
                              const struct mrc_events *events, struct mrc_error *err) {
    struct server *s = mrc_alloc(1, sizeof *s);
    if (s == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a server");
    s->config = config;
    s->reload = reload;
    s->status.listener = -1;
    s->events = events;
    s->audit.path = config->audit;
    s->listener = -1;
    enum mrc_status status = open_server(s, err);
    if (status == MRC_OK) {
        mrc_notify("READY=1");
        while (!mrc_events_cancelled(events)) turn(s);
        mrc_notify("STOPPING=1");
        say_farewell(s);
        log_event(s, "stop", NULL, NULL);
    }
    mrc_audit_clear(&s->audit);
    mrc_serve_watch_clear(&s->watch);
    mrc_queue_close(s->queue);
    if (s->board != NULL) (void)munmap(s->board, sizeof *s->board);
    mrc_status_port_close(&s->status);
    mrc_free(s->reloaded);
    mrc_free(s);
    return status;
}
