/* isolate.c: a pool of forked children. Each has one socket: job numbers go down, pieces and ends
 * come up. A child does its jobs in the order in which it got them, so the one at the head of its
 * queue is the one that killed it; the others are given to its successor. Forked and not executed
 * anew: whatever program links this library can do it, and the dictionary and tables that the
 * parsers need are loaded once. */
#define _GNU_SOURCE /* close_range */
#include "base/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/confine.h"
#include "base/parallel.h"
#include "base/text.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { MAX_WORKERS = 16, QUEUE = 4, READ_BYTES = 1 << 18, TICK_MS = 200 };

/* What goes up: this, then `size` bytes. */
enum message_kind { MESSAGE_PIECE = 1, MESSAGE_END = 2 };
struct message {
    uint32_t kind, status;
    uint64_t size;
};

static bool disabled;
static bool in_child;

void mrc_isolate_disable(bool off) {
    disabled = off;
}

struct mrc_isolate_sink {
    int socket; /* in a child; -1: in the calling process */
    const struct mrc_isolate_work *work;
    size_t job, piece_bytes;
};

/* --- the child --- */

static bool write_all(int socket, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = send(socket, at, size, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        size -= (size_t)done;
    }
    return true;
}

static void send_up(int socket, enum message_kind kind, enum mrc_status status, const void *bytes,
                    size_t size) {
    struct message head = {.kind = kind, .status = (uint32_t)status, .size = size};
    if (!write_all(socket, &head, sizeof head) || !write_all(socket, bytes, size))
        _exit(0); /* nobody listens any more */
}

enum mrc_status mrc_isolate_send(mrc_isolate_sink *sink, const void *bytes, size_t size,
                                 struct mrc_error *err) {
    if (size > sink->piece_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%zu bytes at once, expected at most %zu", size,
                        sink->piece_bytes);
    if (sink->socket < 0) return sink->work->take(sink->work->context, sink->job, bytes, size, err);
    send_up(sink->socket, MESSAGE_PIECE, MRC_OK, bytes, size);
    return MRC_OK;
}

/* Bytes of address space in use, or 0 where the system does not say. */
static size_t address_space(void) {
    char text[128] = "";
    int64_t pages = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t size = read(file, text, sizeof text - 1);
    (void)close(file);
    text[size > 0 ? size : 0] = '\0';
    text[strcspn(text, " ")] = '\0';
    if (mrc_parse_i64(&pages, text, 0, INT64_MAX / 65536) != MRC_OK) return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, rlim_t most) {
    struct rlimit now;
    if (getrlimit(resource, &now) != 0) return;
    now.rlim_cur = now.rlim_max == RLIM_INFINITY || most < now.rlim_max ? most : now.rlim_max;
    (void)setrlimit(resource, &now);
}

/* From now on the job may use this much more of the processor. */
static void limit_processor(double seconds) {
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0) return;
    double sum = (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
                 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    limit(RLIMIT_CPU, (rlim_t)ceil(sum + seconds));
}

/* Signals as in a new program, but for those that a terminal sends to all: the caller decides. */
static void reset_signals(void) {
    static const int usual[] = {SIGABRT, SIGBUS,  SIGFPE,  SIGILL,
                                SIGSEGV, SIGTERM, SIGXCPU, SIGXFSZ};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; ++i) {
        bool sanitizers = usual[i] == SIGBUS || usual[i] == SIGFPE || usual[i] == SIGSEGV;
        if (!SANITIZED || !sanitizers) (void)sigaction(usual[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing is said: parsers that print would do so into the caller's terminal. Sanitizers may speak.
 */
static void fall_silent(int keep) {
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; nowhere >= 0 && i <= (SANITIZED ? 1 : 2); ++i)
        if (i != keep) (void)dup2(nowhere, i);
}

/* Nothing of the caller stays open. */
static void drop_files(int keep) {
    if (keep > 3) (void)close_range(3, (unsigned)keep - 1, 0);
    (void)close_range(keep < 3 ? 3u : (unsigned)keep + 1, ~0u, 0);
}

static void begin_child(int keep, pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(0);
    reset_signals();
    fall_silent(keep);
    limit(RLIMIT_CORE, 0); /* a core dump would hold the patient's data */
}

static void limit_memory(size_t bytes) {
    size_t used = address_space();
    if (!SANITIZED && used > 0 && bytes < SIZE_MAX - used) limit(RLIMIT_AS, (rlim_t)(used + bytes));
}

/* Reads one job number; false: there are no more. */
static bool next_job(uint64_t *job, int socket) {
    char *at = (char *)job;
    size_t left = sizeof *job;
    while (left > 0) {
        ssize_t got = recv(socket, at, left, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        left -= (size_t)got;
    }
    return true;
}

static void be_child(int socket, const struct mrc_isolate_work *work,
                     const struct mrc_isolate_limits *limits, int ruleset, pid_t parent) {
    struct mrc_isolate_sink sink = {
        .socket = socket, .work = work, .piece_bytes = limits->piece_bytes};
    uint64_t job = 0;
    in_child = true;
    mrc_alloc_fail_after(0);
    mrc_parallel_forget_threads();
    begin_child(socket, parent);
    limit_memory(limits->memory_bytes);
    if (!SANITIZED) limit(RLIMIT_FSIZE, 0);
    (void)mrc_confine(MRC_CONFINE_DECODER, ruleset);
    drop_files(socket);
    while (next_job(&job, socket)) {
        struct mrc_error why = {0};
        sink.job = (size_t)job;
        limit_processor(limits->processor_s);
        enum mrc_status status = work->run(work->context, (size_t)job, &sink, &why);
        send_up(socket, MESSAGE_END, status, why.text, strlen(why.text));
    }
    _exit(0);
}

/* --- the caller --- */

struct worker {
    pid_t pid; /* 0: none runs */
    int socket;
    size_t queue[QUEUE], queued; /* jobs it has, in order */
    double waited_s;             /* on the first of them */
    unsigned char *bytes;        /* what came and is not yet whole */
    size_t used, capacity;
};

struct pool {
    const struct mrc_isolate_work *work;
    const struct mrc_isolate_limits *limits;
    struct worker workers[MAX_WORKERS];
    int count;
    int ruleset; /* of the files that the children may read; -1: the kernel has no such thing */
    size_t jobs, next, finished;
};

static enum mrc_status start(struct pool *p, struct worker *w, struct mrc_error *err) {
    int pair[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return mrc_fail(err, MRC_ERR_NOMEM, "no socket for a child process: %s", strerror(errno));
    w->pid = fork();
    if (w->pid == 0) be_child(pair[1], p->work, p->limits, p->ruleset, parent);
    (void)close(pair[1]);
    if (w->pid < 0) {
        w->pid = 0;
        (void)close(pair[0]);
        return mrc_fail(err, MRC_ERR_NOMEM, "no child process can be started: %s", strerror(errno));
    }
    w->socket = pair[0];
    w->used = 0;
    w->waited_s = 0.0;
    for (size_t i = 0; i < w->queued; ++i) { /* what its predecessor left */
        uint64_t job = w->queue[i];
        (void)write_all(w->socket, &job, sizeof job);
    }
    return MRC_OK;
}

/* Ends the child, waits for it, and gives how it went. */
static int stop(struct worker *w, bool kill_it) {
    int how = 0;
    if (w->pid == 0) return 0;
    (void)close(w->socket);
    if (kill_it) (void)kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &how, 0) < 0 && errno == EINTR) {}
    w->pid = 0;
    return how;
}

static enum mrc_status finish_first(struct pool *p, struct worker *w, enum mrc_status status,
                                    const char *why, bool ended, struct mrc_error *err) {
    size_t job = w->queue[0];
    memmove(w->queue, w->queue + 1, --w->queued * sizeof *w->queue);
    w->waited_s = 0.0;
    ++p->finished;
    return p->work->finish(p->work->context, job, status, why, ended, err);
}

/* The child is gone though it had a job. */
static enum mrc_status bury(struct pool *p, struct worker *w, bool late, struct mrc_error *err) {
    char why[120];
    int how = stop(w, true);
    enum mrc_status status = MRC_ERR_FORMAT;
    if (w->queued == 0) return MRC_OK;
    if (late || (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU)) {
        status = MRC_ERR_RANGE;
        (void)snprintf(why, sizeof why, "takes longer to read than %g s",
                       late ? p->limits->elapsed_s : p->limits->processor_s);
    } else if (WIFSIGNALED(how)) {
        (void)snprintf(why, sizeof why, "crashes its reader (signal %d)", WTERMSIG(how));
    } else {
        (void)snprintf(why, sizeof why, "crashes its reader (it ended with code %d)",
                       WIFEXITED(how) ? WEXITSTATUS(how) : -1);
    }
    return finish_first(p, w, status, why, true, err);
}

static enum mrc_status end_job(struct pool *p, struct worker *w, const struct message *head,
                               const unsigned char *text, struct mrc_error *err) {
    char why[sizeof((struct mrc_error *)0)->text];
    (void)snprintf(why, sizeof why, "%.*s", (int)head->size, (const char *)text);
    if (head->status == MRC_ERR_NOMEM) { /* of the child, which is held short */
        (void)snprintf(why, sizeof why, "takes more memory to read than %zu MiB",
                       p->limits->memory_bytes >> 20);
        return finish_first(p, w, MRC_ERR_RANGE, why, true, err);
    }
    enum mrc_status status = (enum mrc_status)head->status;
    return finish_first(p, w, status, status != MRC_OK ? why : NULL, false, err);
}

/* Is the message one that our child sends? It may have written over its own memory. */
static bool is_sane(const struct pool *p, const struct worker *w, const struct message *head) {
    if (w->queued == 0) return false;
    if (head->kind == MESSAGE_PIECE) return head->size <= p->limits->piece_bytes;
    return head->kind == MESSAGE_END && head->status <= MRC_ERR_PEER &&
           head->size < sizeof((struct mrc_error *)0)->text;
}

/* Handles the whole messages that came. */
static enum mrc_status digest(struct pool *p, struct worker *w, struct mrc_error *err) {
    size_t at = 0;
    enum mrc_status st = MRC_OK;
    while (st == MRC_OK && w->used - at >= sizeof(struct message)) {
        struct message head;
        memcpy(&head, w->bytes + at, sizeof head);
        if (!is_sane(p, w, &head)) return bury(p, w, false, err);
        if (w->used - at - sizeof head < head.size) break;
        const unsigned char *body = w->bytes + at + sizeof head;
        st = head.kind == MESSAGE_PIECE
                 ? p->work->take(p->work->context, w->queue[0], body, (size_t)head.size, err)
                 : end_job(p, w, &head, body, err);
        at += sizeof head + (size_t)head.size;
    }
    memmove(w->bytes, w->bytes + at, w->used - at);
    w->used -= at;
    return st;
}

/* Reads what came; the end of the stream is the end of the child. */
static enum mrc_status receive(struct pool *p, struct worker *w, struct mrc_error *err) {
    void *bytes = w->bytes;
    if (!mrc_grow(&bytes, &w->capacity, w->used + READ_BYTES, 1))
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for what a child process sends");
    w->bytes = bytes;
    ssize_t got = recv(w->socket, w->bytes + w->used, w->capacity - w->used, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return MRC_OK;
    if (got <= 0) return bury(p, w, false, err);
    w->used += (size_t)got;
    return digest(p, w, err);
}

/* Starts children while there is work for them, and keeps their queues filled. */
static enum mrc_status feed(struct pool *p, struct mrc_error *err) {
    for (int i = 0; i < p->count; ++i) {
        struct worker *w = &p->workers[i];
        if (w->pid == 0 && (w->queued > 0 || p->next < p->jobs)) {
            enum mrc_status st = start(p, w, err);
            if (st != MRC_OK) return st;
        }
    }
    for (size_t depth = 1; depth <= QUEUE; ++depth) /* in turn, so that few jobs are shared out */
        for (int i = 0; i < p->count; ++i) {
            struct worker *w = &p->workers[i];
            if (w->pid == 0 || w->queued >= depth || p->next >= p->jobs) continue;
            uint64_t job = p->next;
            if (w->queued == 0) w->waited_s = 0.0;
            w->queue[w->queued++] = p->next++;
            (void)write_all(w->socket, &job, sizeof job); /* the dead are found by receive */
        }
    return MRC_OK;
}

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits for any child. Time while this process itself did not run is not the child's. */
static enum mrc_status wait_and_take(struct pool *p, struct mrc_error *err) {
    struct pollfd polls[MAX_WORKERS];
    for (int i = 0; i < p->count; ++i)
        polls[i] = (struct pollfd){.fd = p->workers[i].pid != 0 ? p->workers[i].socket : -1,
                                   .events = POLLIN};
    double before = now_s();
    (void)poll(polls, (nfds_t)p->count, TICK_MS);
    double waited = fmin(now_s() - before, 2e-3 * TICK_MS);
    enum mrc_status st = MRC_OK;
    for (int i = 0; st == MRC_OK && i < p->count; ++i) {
        struct worker *w = &p->workers[i];
        if (w->pid == 0) continue;
        w->waited_s += waited;
        if (polls[i].revents != 0)
            st = receive(p, w, err);
        else if (w->queued > 0 && w->waited_s > p->limits->elapsed_s)
            st = bury(p, w, true, err);
    }
    return st;
}

static enum mrc_status run_here(const struct mrc_isolate_work *work, size_t count,
                                const struct mrc_isolate_limits *limits, struct mrc_error *err) {
    struct mrc_isolate_sink sink = {.socket = -1, .work = work, .piece_bytes = limits->piece_bytes};
    for (sink.job = 0; sink.job < count; ++sink.job) {
        struct mrc_error why = {0};
        if (work->stop != NULL && work->stop(work->context))
            return mrc_fail(err, MRC_ERR_CANCELLED, "stopped");
        enum mrc_status st = work->run(work->context, sink.job, &sink, &why);
        if (st == MRC_ERR_NOMEM) return mrc_fail(err, st, "%s", why.text);
        st = work->finish(work->context, sink.job, st, st != MRC_OK ? why.text : NULL, false, err);
        if (st != MRC_OK) return st;
    }
    return MRC_OK;
}

/* Test builds only: $MRC_FAULT_SECONDS instead of limits that no test can wait for. */
static void shorten(struct mrc_isolate_limits *limits) {
#ifdef MRC_FAULT_HOOK
    const char *text = getenv("MRC_FAULT_SECONDS");
    int64_t seconds = 0;
    if (text == NULL || mrc_parse_i64(&seconds, text, 1, 1000) != MRC_OK) return;
    limits->processor_s = fmin(limits->processor_s, (double)seconds);
    limits->elapsed_s = fmin(limits->elapsed_s, (double)seconds);
#else
    (void)limits;
#endif
}

enum mrc_status mrc_isolate_run(const struct mrc_isolate_work *work, size_t count,
                                const struct mrc_isolate_limits *limits, struct mrc_error *err) {
    if (disabled || in_child) return run_here(work, count, limits, err);
    struct mrc_isolate_limits held = *limits;
    shorten(&held);
    struct pool p = {.work = work, .limits = &held, .jobs = count};
    int wanted = limits->processes > 0 ? limits->processes : mrc_parallel_threads();
    p.count = wanted < MAX_WORKERS ? wanted : MAX_WORKERS;
    if ((size_t)p.count > count) p.count = (int)count;
    const struct mrc_confine_files files = {.context = work->context, .read = work->file};
    p.ruleset = mrc_confine_ruleset(MRC_CONFINE_DECODER, &files);
    enum mrc_status st = MRC_OK;
    while (st == MRC_OK && p.finished < count) {
        if (work->stop != NULL && work->stop(work->context))
            st = mrc_fail(err, MRC_ERR_CANCELLED, "stopped");
        if (st == MRC_OK) st = feed(&p, err);
        if (st == MRC_OK) st = wait_and_take(&p, err);
    }
    for (int i = 0; i < p.count; ++i) {
        (void)stop(&p.workers[i], true);
        mrc_free(p.workers[i].bytes);
    }
    if (p.ruleset >= 0) (void)close(p.ruleset);
    return st;
}

/* --- a child of its own --- */

static void be_task(const struct mrc_isolate_task *task, pid_t parent) {
    begin_child(task->keep, parent);
    drop_files(task->keep);
    if (task->nice > 0) (void)setpriority(PRIO_PROCESS, 0, task->nice);
    if (task->memory_bytes > 0) limit_memory(task->memory_bytes);
    if (task->confined != NULL)
        (void)mrc_confine(MRC_CONFINE_RECEIVER,
                          mrc_confine_ruleset(MRC_CONFINE_RECEIVER, task->confined));
    _exit(task->run(task->context) & 0xff);
}

enum mrc_status mrc_isolate_start(int *pid, const struct mrc_isolate_task *task,
                                  struct mrc_error *err) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        return mrc_fail(err, MRC_ERR_NOMEM, "no child process can be started: %s", strerror(errno));
    if (child == 0) be_task(task, parent);
    *pid = (int)child;
    return MRC_OK;
}

bool mrc_isolate_ended(int *code, int pid) {
    int how = 0;
    pid_t ended = waitpid((pid_t)pid, &how, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    *code = ended > 0 && WIFEXITED(how) ? WEXITSTATUS(how) : ended > 0 ? -WTERMSIG(how) : -SIGKILL;
    return true;
}

void mrc_isolate_kill(int pid) {
    (void)kill((pid_t)pid, SIGKILL);
}

static int try_confinement(void *context) {
    const struct mrc_confine_files none = {.context = context};
    struct mrc_confined held =
        mrc_confine(MRC_CONFINE_DECODER, mrc_confine_ruleset(MRC_CONFINE_DECODER, &none));
    return (held.calls ? 1 : 0) | (held.files ? 2 : 0);
}

struct mrc_confined mrc_isolate_probe(void) {
    const struct mrc_isolate_task task = {.run = try_confinement, .keep = -1};
    const struct timespec pause = {.tv_nsec = 1000000};
    int pid = 0, code = 0;
    if (mrc_isolate_start(&pid, &task, NULL) != MRC_OK) return (struct mrc_confined){0};
    while (!mrc_isolate_ended(&code, pid)) (void)nanosleep(&pause, NULL);
    code = code > 0 ? code : 0;
    return (struct mrc_confined){.calls = (code & 1) != 0, .files = (code & 2) != 0};
}
