/* serve.c: the loop: peers, series, jobs. The process that loops reads no stranger's byte and
 * computes nothing; each association and each attempt at a job is a child, which may crash. All
 * that must survive is on the disk before the next step. */
#include "app/node/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/node/audit.h"
#include "app/node/serve_parts.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/isolate.h"

enum { TICK_MS = 100, MOST_PEERS = 256, MOST_KNOCKS = 64, MOST_CRASHES = 3, MAX_WHY = 4096 };
static const double look_s = 0.5, prune_s = 60.0, repeat_s = 60.0, farewell_s = 10.0;
static const size_t peer_memory_bytes = (size_t)1 << 30;

struct peer {
    int pid, number;
    char host[MRC_HOST_TEXT];
    double since_s;
    bool gone; /* its process has ended, and the queue does not know yet */
    int code;
};
struct server {
    const struct mrc_serve_config *config;
    const struct mrc_events *events;
    mrc_queue *queue;
    struct mrc_audit audit;
    struct mrc_serve_watch watch;
    int listener; /* -1: none */
    struct peer peers[MOST_PEERS];
    int peer_count, last_number;
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
    mrc_audit_end(line, &s->audit);
}

/* --- Peers --- */

static bool host_is_allowed(const struct server *s, const char *host) {
    for (size_t i = 0; i < s->config->rule_count; ++i)
        if (mrc_net_rule_fits(&s->config->rules[i], NULL, host)) return true;
    return false;
}

static int count_from(const struct server *s, const char *host) {
    int count = 0;
    for (int i = 0; i < s->peer_count; ++i) count += strcmp(s->peers[i].host, host) == 0;
    return count;
}

static void start_peer(struct server *s, int socket, const char *host) {
    struct mrc_serve_peer peer = {
        .config = s->config, .queue = s->queue, .socket = socket, .number = ++s->last_number};
    snprintf(peer.host, sizeof peer.host, "%s", host);
    struct mrc_isolate_task task = {.run = mrc_serve_receive,
                                    .context = &peer,
                                    .keep = socket,
                                    .memory_bytes =
                                        peer_memory_bytes + s->config->node.max_object_bytes};
    struct mrc_error why = {0};
    int pid = 0;
    if (mrc_isolate_start(&pid, &task, &why) != MRC_OK) {
        complain(s, &why);
        return;
    }
    struct peer *new = &s->peers[s->peer_count++];
    *new = (struct peer){.pid = pid, .number = peer.number, .since_s = now_s()};
    snprintf(new->host, sizeof new->host, "%s", host);
}

/* Those who knock while all associations are taken wait; who has too many himself, or may not come,
 * is not let in. */
static void welcome(struct server *s) {
    char host[MRC_HOST_TEXT];
    int socket = -1;
    for (int n = 0; n < MOST_KNOCKS && s->peer_count < s->config->associations &&
                    s->peer_count < MOST_PEERS && mrc_net_next(&socket, host, s->listener);
         ++n) {
        if (!host_is_allowed(s, host))
            log_event(s, "refused_host", "host", host);
        else if (count_from(s, host) >= s->config->associations_per_host)
            log_event(s, "too_many_associations", "host", host);
        else
            start_peer(s, socket, host);
        (void)close(socket);
    }
}

static void log_parting(struct server *s, const struct peer *peer) {
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
                                                .broken_s = s->config->broken_quiet_s};
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

/* The attempt is over: where does its job go? Asked again when the disk does not take the answer.
 */
static void settle(struct server *s) {
    struct mrc_job *job = &s->attempt.job;
    struct mrc_error why = {0};
    enum mrc_job_state to = MRC_JOB_DONE;
    struct mrc_job before = *job;
    if (s->code < 0) ++job->crashes;
    job->not_before = 0;
    if (s->code == 0) {
        job->why[0] = '\0';
    } else {
        read_why(s);
        to = may_pass(s) && job->attempts <= s->config->retries ? MRC_JOB_NEW : MRC_JOB_FAILED;
        if (to == MRC_JOB_NEW)
            job->not_before = (int64_t)time(NULL) + (int64_t)wait_after(s->config, job->attempts);
    }
    if (s->code < 0) mrc_queue_clean(s->queue, job);
    if (mrc_queue_move(s->queue, job, to, &why) != MRC_OK) complain(s, &why);
    if (job->state != to) {
        *job = before;
        return;
    }
    s->ended = false;
    log_job(s, job,
            s->code == 0  ? NULL
            : s->code < 0 ? "crashed"
                          : mrc_status_name((enum mrc_status)s->code));
    mrc_events_note(s->events, "job %s: %s%s%s", job->id,
                    to == MRC_JOB_NEW ? "will be tried again" : mrc_job_state_name(to),
                    s->code == 0 ? "" : ": ", s->code == 0 ? "" : job->why);
}

static void reap_worker(struct server *s) {
    if (s->worker != 0 && mrc_isolate_ended(&s->code, s->worker)) {
        s->worker = 0;
        s->ended = true;
    } else if (s->worker != 0 && now_s() - s->worker_since_s > s->config->job_s) {
        mrc_isolate_kill(s->worker);
    }
}

/* --- The loop --- */

static void turn(struct server *s) {
    struct pollfd listener = {.fd = s->listener, .events = POLLIN};
    bool room = s->peer_count < s->config->associations && s->peer_count < MOST_PEERS;
    (void)poll(&listener, s->listener >= 0 && room ? 1 : 0, TICK_MS);
    if (s->listener >= 0) welcome(s);
    reap_peers(s);
    reap_worker(s);
    double now = now_s();
    if (now - s->looked_s >= look_s) {
        s->looked_s = now;
        (void)mrc_audit_flush(&s->audit);
        collect(s);
        if (s->ended) settle(s);
        if (s->worker == 0 && !s->ended) start_job(s);
    }
    if (now - s->pruned_s >= prune_s) {
        s->pruned_s = now;
        mrc_queue_prune(s->queue, s->config->keep_done_h * 3600.0);
    }
}

/* Peers in the middle of a series may end it; a job is only done again. */
static void say_farewell(struct server *s) {
    double begin = now_s();
    if (s->listener >= 0) (void)close(s->listener);
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

static enum mrc_status open_server(struct server *s, struct mrc_error *err) {
    const struct mrc_serve_config *config = s->config;
    int64_t again = 0;
    enum mrc_status status = mrc_queue_open(&s->queue, config->queue, true, err);
    if (status == MRC_OK) status = mrc_queue_serve(s->queue, &again, err);
    if (status == MRC_OK && config->port != 0)
        status = mrc_net_listen(&s->listener, config->bind, config->port, err);
    if (status != MRC_OK) return status;
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
                              const struct mrc_events *events, struct mrc_error *err) {
    struct server *s = mrc_alloc(1, sizeof *s);
    if (s == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a server");
    s->config = config;
    s->events = events;
    s->audit.path = config->audit;
    s->listener = -1;
    enum mrc_status status = open_server(s, err);
    if (status == MRC_OK) {
        while (!mrc_events_cancelled(events)) turn(s);
        say_farewell(s);
        log_event(s, "stop", NULL, NULL);
    }
    mrc_audit_clear(&s->audit);
    mrc_serve_watch_clear(&s->watch);
    mrc_queue_close(s->queue);
    mrc_free(s);
    return status;
}
