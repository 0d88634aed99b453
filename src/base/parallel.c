/* parallel.c: one pool of threads a process. The calling thread is lane 0 and works along; helpers
 * are started at the first loop. Each lane has a run of the chunks, so that what it wrote in one
 * loop it mostly reads in the next, from its own cache; a lane that is done helps the others. Which
 * lane computes a chunk never matters.
 *
 * A training step is some thousand loops with little between them, and to wake a sleeping thread
 * takes about as long as the shorter ones. So whoever waits looks again and again for a moment
 * before it sleeps. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/status.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct helper {
        pthread_t thread;
        unsigned long started_after; /* loop */
    } helpers[MRC_MAX_THREADS];
    int wanted;        /* lanes, the caller's included; 0: not asked yet */
    int started;       /* helpers that run */
    int asleep;        /* helpers that must be woken */
    atomic_ulong loop; /* number of the current loop; helpers wait for it to grow */
    atomic_int busy;   /* helpers still in the current loop */
    atomic_bool quit;
    mrc_range_fn *fn;
    void *context;
    size_t count, grain;
    struct share { /* the chunks of one lane, on a cache line of its own */
        _Alignas(64) atomic_size_t next;
        size_t end;
    } shares[MRC_MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static pthread_mutex_t one_loop =
    PTHREAD_MUTEX_INITIALIZER;              /* held by the thread whose loop runs */
static _Thread_local int current_lane = -1; /* -1: not inside a loop */

/* Deals the chunks out in as many runs as there are lanes. */
static void deal(int lanes) {
    size_t chunks = pool.count / pool.grain + (pool.count % pool.grain != 0);
    for (int lane = 0; lane < lanes; ++lane) {
        struct share *share = &pool.shares[lane];
        size_t n = (size_t)lane, all = (size_t)lanes;
        atomic_store(&share->next, chunks / all * n + chunks % all * n / all);
        share->end = chunks / all * (n + 1) + chunks % all * (n + 1) / all;
    }
}

/* First its own, then what the others have left. */
static void run_chunks(int lane) {
    const int lanes = pool.started + 1;
    current_lane = lane;
    for (int i = 0; i < lanes; ++i) {
        struct share *share = &pool.shares[(lane + i) % lanes];
        for (;;) {
            size_t chunk = atomic_fetch_add(&share->next, 1);
            if (chunk >= share->end) break;
            size_t begin = chunk * pool.grain;
            size_t end = pool.count - begin < pool.grain ? pool.count : begin + pool.grain;
            pool.fn(pool.context, begin, end, lane);
        }
    }
    current_lane = -1;
}

enum { LOOKS = 1000 }; /* about 20 to 50 microseconds */

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool has_begun(unsigned long seen) {
    return atomic_load(&pool.loop) != seen || atomic_load(&pool.quit);
}

/* Waits for the loop after `seen`. False: there will be none. */
static bool await_loop(unsigned long seen) {
    for (int i = 0; i < LOOKS && !has_begun(seen); ++i) pause_briefly();
    if (!has_begun(seen)) {
        pthread_mutex_lock(&pool.lock);
        ++pool.asleep;
        while (!has_begun(seen)) pthread_cond_wait(&pool.work, &pool.lock);
        --pool.asleep;
        pthread_mutex_unlock(&pool.lock);
    }
    return !atomic_load(&pool.quit);
}

static void await_helpers(void) {
    for (int i = 0; i < LOOKS && atomic_load(&pool.busy) > 0; ++i) pause_briefly();
    if (atomic_load(&pool.busy) == 0) return;
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.busy) > 0) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void *helper_main(void *argument) {
    const struct helper *self = argument;
    const int lane = (int)(self - pool.helpers) + 1;
    unsigned long seen = self->started_after;
    while (await_loop(seen)) {
        seen = atomic_load(&pool.loop); /* the next begins only after all helpers are done */
        run_chunks(lane);
        if (atomic_fetch_sub(&pool.busy, 1) > 1) continue;
        pthread_mutex_lock(&pool.lock);
        pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

static void stop_helpers(void) {
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.quit, true);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < pool.started; ++i) pthread_join(pool.helpers[i].thread, NULL);
    pool.started = 0;
    atomic_store(&pool.quit, false);
    atomic_store(&pool.loop, 0);
}

static int available_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int cores = CPU_COUNT(&set);
    return cores < 1 ? 1 : cores > MRC_MAX_THREADS ? MRC_MAX_THREADS : cores;
}

void mrc_parallel_set_threads(int threads) {
    MRC_ASSERT(current_lane < 0);
    pthread_mutex_lock(&one_loop);
    stop_helpers();
    pool.wanted = threads <= 0                ? available_cores()
                  : threads > MRC_MAX_THREADS ? MRC_MAX_THREADS
                                              : threads;
    pthread_mutex_unlock(&one_loop);
}

int mrc_parallel_threads(void) {
    if (current_lane >= 0) return pool.wanted;
    pthread_mutex_lock(&one_loop);
    if (pool.wanted == 0) pool.wanted = available_cores();
    int threads = pool.wanted;
    pthread_mutex_unlock(&one_loop);
    return threads;
}

/* A helper that cannot be started is no failure: the others do its work. */
static void start_helpers(void) {
    if (pool.wanted == 0) pool.wanted = available_cores();
    while (pool.started < pool.wanted - 1) {
        struct helper *helper = &pool.helpers[pool.started];
        helper->started_after = atomic_load(&pool.loop);
        if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) break;
        ++pool.started;
    }
}

static void run_serially(size_t count, size_t grain, mrc_range_fn *fn, void *context, int lane) {
    for (size_t begin = 0; begin < count; begin += grain) {
        fn(context, begin, count - begin < grain ? count : begin + grain, lane);
        if (count - begin <= grain) break;
    }
}

void mrc_parallel_for(size_t count, size_t grain, mrc_range_fn *fn, void *context) {
    MRC_ASSERT(grain > 0);
    if (count == 0) return;
    if (current_lane >= 0) {
        run_serially(count, grain, fn, context, current_lane);
        return;
    }
    pthread_mutex_lock(&one_loop);
    if (pool.wanted == 0) pool.wanted = available_cores();
    if (count <= grain || pool.wanted == 1) {
        current_lane = 0;
        run_serially(count, grain, fn, context, 0);
        current_lane = -1;
        pthread_mutex_unlock(&one_loop);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    start_helpers();
    pool.fn = fn;
    pool.context = context;
    pool.count = count;
    pool.grain = grain;
    deal(pool.started + 1);
    atomic_store(&pool.busy, pool.started);
    atomic_fetch_add(&pool.loop, 1);
    if (pool.asleep > 0) pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    run_chunks(0);
    await_helpers();
    pthread_mutex_unlock(&one_loop);
}

void mrc_parallel_forget_threads(void) {
    if (pool.wanted == 0) pool.wanted = available_cores();
    current_lane = 0; /* as inside a loop */
}

enum { SUM_CHUNK = 4096, SUM_PARTS = 256 };

struct sum_job {
    const float *x;
    size_t n;
    double parts[SUM_PARTS];
};

static double sum_chunk(const float *x, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; ++i) sum += (double)x[i];
    return sum;
}

static void sum_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    struct sum_job *job = context;
    for (size_t part = begin; part < end; ++part) {
        size_t at = part * SUM_CHUNK, left = job->n - at;
        job->parts[part] = sum_chunk(job->x + at, left < SUM_CHUNK ? left : SUM_CHUNK);
    }
}

double mrc_sum(const float *x, size_t n) {
    double total = 0.0;
    for (size_t at = 0; at < n; at += (size_t)SUM_CHUNK * SUM_PARTS) {
        size_t left = n - at;
        struct sum_job job = {
            .x = x + at,
            .n = left < (size_t)SUM_CHUNK * SUM_PARTS ? left : (size_t)SUM_CHUNK * SUM_PARTS};
        size_t parts = (job.n + SUM_CHUNK - 1) / SUM_CHUNK;
        mrc_parallel_for(parts, 8, sum_range, &job);
        for (size_t part = 0; part < parts; ++part) total += job.parts[part];
    }
    return total;
}
