/* test_isolate.c: jobs that behave, fail, crash, hang, fatten and vanish, and what is left of each.
 */
#include "tests/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/isolate.h"
#include "base/parallel.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { MOST = 3000 };

enum deed { GOOD, FAILS, ABORTS, SLEEPS, SPINS, FATTENS, QUITS, SAYS_AND_ABORTS, FAILS_MEMORY };

struct run {
    const enum deed *deeds; /* NULL: all good */
    int file;               /* that of the caller */
    size_t pieces[MOST], bytes[MOST], sum[MOST];
    enum mrc_status status[MOST];
    char why[MOST][120];
    int finished[MOST];
    bool ended[MOST];
    int stop_after, asked;
    pid_t caller;
};

static volatile size_t sink_of_work;

static enum mrc_status fatten(void) {
    for (;;) {
        char *more = malloc((size_t)8 << 20);
        if (more == NULL) return MRC_ERR_NOMEM;
        memset(more, 1, (size_t)8 << 20);
        sink_of_work += (size_t)more[77];
    }
}

static enum mrc_status do_deed(void *context, size_t job, mrc_isolate_sink *sink,
                               struct mrc_error *err) {
    struct run *run = context;
    unsigned char bytes[600];
    memset(bytes, (int)(job % 251), sizeof bytes);
    if (run->file > 0 && fcntl(run->file, F_GETFD) != -1)
        return mrc_fail(err, MRC_ERR_IO, "the caller's file is open");
    switch (run->deeds != NULL ? run->deeds[job] : GOOD) {
    case GOOD: break;
    case FAILS: return mrc_fail(err, MRC_ERR_UNSUPPORTED, "job %zu: not today", job);
    case ABORTS: abort();
    case SLEEPS:
        for (;;) pause();
    case SPINS:
        for (;;) ++sink_of_work;
    case FATTENS: return fatten();
    case QUITS: _exit(7);
    case SAYS_AND_ABORTS:
        if (mrc_isolate_send(sink, bytes, 10, err) == MRC_OK) abort();
        break;
    case FAILS_MEMORY: return mrc_fail(err, MRC_ERR_NOMEM, "out of memory");
    }
    enum mrc_status st = MRC_OK;
    for (size_t piece = 0; st == MRC_OK && piece <= job % 3; ++piece)
        st = mrc_isolate_send(sink, bytes, job % sizeof bytes, err);
    run->sum[job] = 1; /* of the child: the caller must not see it */
    return st;
}

static enum mrc_status take(void *context, size_t job, const void *bytes, size_t size,
                            struct mrc_error *err) {
    struct run *run = context;
    (void)err;
    ++run->pieces[job];
    run->bytes[job] += size;
    for (size_t i = 0; i < size; ++i)
        assert_int_equal(((const unsigned char *)bytes)[i], job % 251);
    return MRC_OK;
}

static enum mrc_status finish(void *context, size_t job, enum mrc_status status, const char *why,
                              bool ended, struct mrc_error *err) {
    struct run *run = context;
    (void)err;
    ++run->finished[job];
    run->status[job] = status;
    run->ended[job] = ended;
    snprintf(run->why[job], sizeof run->why[job], "%s", why != NULL ? why : "");
    assert_true((status == MRC_OK) == (why == NULL));
    assert_int_equal(run->caller, getpid());
    return MRC_OK;
}

static bool stop(void *context) {
    struct run *run = context;
    return run->stop_after > 0 && ++run->asked > run->stop_after;
}

static enum mrc_status run_all(struct run *run, size_t count,
                               const struct mrc_isolate_limits *limits, struct mrc_error *err) {
    const struct mrc_isolate_work work = {
        .context = run, .run = do_deed, .take = take, .finish = finish, .stop = stop};
    run->caller = getpid();
    return mrc_isolate_run(&work, count, limits, err);
}

static void assert_no_child_left(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_good_jobs(void **state) {
    (void)state;
    static struct run run;
    for (int processes = 0; processes <= 5; ++processes) {
        struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
        struct mrc_error err = {0};
        limits.processes = processes;
        memset(&run, 0, sizeof run);
        run.file = open("/dev/null", O_RDONLY);
        assert_ok(run_all(&run, MOST, &limits, &err), &err);
        for (size_t job = 0; job < MOST; ++job) {
            assert_int_equal(run.status[job], MRC_OK);
            assert_int_equal(run.finished[job], 1);
            assert_int_equal(run.pieces[job], job % 3 + 1);
            assert_int_equal(run.bytes[job], (job % 3 + 1) * (job % 600));
            assert_int_equal(run.sum[job], 0);
        }
        close(run.file);
        assert_no_child_left();
        assert_ok(run_all(&run, 0, &limits, &err), &err);
    }
}

static void test_bad_jobs_among_good_ones(void **state) {
    (void)state;
    static const enum deed deeds[] = {GOOD,  ABORTS, GOOD,  FAILS, SAYS_AND_ABORTS, GOOD,
                                      QUITS, SLEEPS, SPINS, GOOD,  FAILS_MEMORY,    ABORTS,
                                      GOOD,  GOOD,   QUITS, GOOD};
    enum { COUNT = sizeof deeds / sizeof *deeds };
    static struct run run;
    for (int processes = 1; processes <= 3; ++processes) {
        struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
        struct mrc_error err = {0};
        limits.processes = processes;
        limits.processor_s = 1.0;
        limits.elapsed_s = 2.0;
        memset(&run, 0, sizeof run);
        run.deeds = deeds;
        assert_ok(run_all(&run, COUNT, &limits, &err), &err);
        assert_no_child_left();
        for (size_t job = 0; job < COUNT; ++job) {
            assert_int_equal(run.finished[job], 1);
            bool own = deeds[job] == GOOD || deeds[job] == FAILS;
            assert_int_equal(run.ended[job], !own);
            switch (deeds[job]) {
            case GOOD: assert_int_equal(run.status[job], MRC_OK); break;
            case FAILS:
                assert_int_equal(run.status[job], MRC_ERR_UNSUPPORTED);
                assert_string_equal(run.why[job], "job 3: not today");
                break;
            case ABORTS:
            case SAYS_AND_ABORTS:
                assert_int_equal(run.status[job], MRC_ERR_FORMAT);
                assert_string_equal(run.why[job], "crashes its reader (signal 6)");
                break;
            case QUITS:
                assert_string_equal(run.why[job], "crashes its reader (it ended with code 7)");
                break;
            case SLEEPS:
                assert_int_equal(run.status[job], MRC_ERR_RANGE);
                assert_string_equal(run.why[job], "takes longer to read than 2 s");
                break;
            case SPINS:
                assert_int_equal(run.status[job], MRC_ERR_RANGE);
                assert_true(strncmp(run.why[job], "takes longer to read than", 25) == 0);
                break;
            case FAILS_MEMORY:
            case FATTENS:
                assert_int_equal(run.status[job], MRC_ERR_RANGE);
                assert_string_equal(run.why[job], "takes more memory to read than 1024 MiB");
                break;
            }
        }
    }
}

static void test_memory_is_bounded(void **state) {
    (void)state;
    static const enum deed deeds[] = {GOOD, FATTENS, GOOD};
    static struct run run;
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_error err = {0};
    if (SANITIZED) skip(); /* their shadow memory passes every limit */
    memset(&run, 0, sizeof run);
    run.deeds = deeds;
    limits.memory_bytes = (size_t)96 << 20;
    assert_ok(run_all(&run, 3, &limits, &err), &err);
    assert_int_equal(run.status[1], MRC_ERR_RANGE);
    assert_string_equal(run.why[1], "takes more memory to read than 96 MiB");
    assert_int_equal(run.status[0] + run.status[2], MRC_OK);
}

static void test_stops_when_asked(void **state) {
    (void)state;
    static struct run run;
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_error err = {0};
    memset(&run, 0, sizeof run);
    run.stop_after = 3;
    assert_int_equal(run_all(&run, MOST, &limits, &err), MRC_ERR_CANCELLED);
    assert_no_child_left();
}

static void test_piece_too_long(void **state) {
    (void)state;
    static struct run run;
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_error err = {0};
    memset(&run, 0, sizeof run);
    limits.piece_bytes = 5;
    assert_ok(run_all(&run, 7, &limits, &err), &err);
    assert_int_equal(run.status[5], MRC_OK);
    assert_int_equal(run.status[6], MRC_ERR_RANGE);
}

static void test_in_the_calling_process(void **state) {
    (void)state;
    static const enum deed deeds[] = {GOOD, FAILS, GOOD};
    static struct run run;
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_error err = {0};
    memset(&run, 0, sizeof run);
    run.deeds = deeds;
    mrc_isolate_disable(true);
    assert_ok(run_all(&run, 3, &limits, &err), &err);
    mrc_isolate_disable(false);
    assert_int_equal(run.sum[0] + run.sum[2], 2);
    assert_int_equal(run.status[1], MRC_ERR_UNSUPPORTED);
}

static void count_range(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    atomic_fetch_add((atomic_size_t *)context, end - begin);
}

/* The pool's threads are not in the child: a loop there must not wait for them. */
static enum mrc_status run_a_loop(void *context, size_t job, mrc_isolate_sink *sink,
                                  struct mrc_error *err) {
    atomic_size_t total = 0;
    (void)context;
    mrc_parallel_for(1000 + job, 10, count_range, &total);
    size_t count = total;
    return mrc_isolate_send(sink, &count, sizeof count, err);
}

static enum mrc_status take_count(void *context, size_t job, const void *bytes, size_t size,
                                  struct mrc_error *err) {
    size_t count = 0;
    (void)context;
    (void)err;
    assert_int_equal(size, sizeof count);
    memcpy(&count, bytes, size);
    assert_int_equal(count, 1000 + job);
    return MRC_OK;
}

static void test_parallel_loop_in_a_job(void **state) {
    (void)state;
    static struct run run;
    const struct mrc_isolate_work work = {
        .context = &run, .run = run_a_loop, .take = take_count, .finish = finish};
    struct mrc_isolate_limits limits = MRC_ISOLATE_DEFAULTS;
    struct mrc_error err = {0};
    memset(&run, 0, sizeof run);
    run.caller = getpid();
    mrc_parallel_set_threads(3);
    atomic_size_t count = 0;
    mrc_parallel_for(1000, 300, count_range, &count); /* the threads may run by now */
    limits.elapsed_s = 20.0;
    assert_ok(mrc_isolate_run(&work, 20, &limits, &err), &err);
    for (size_t job = 0; job < 20; ++job) assert_int_equal(run.status[job], MRC_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_jobs),
        cmocka_unit_test(test_bad_jobs_among_good_ones),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_stops_when_asked),
        cmocka_unit_test(test_piece_too_long),
        cmocka_unit_test(test_in_the_calling_process),
        cmocka_unit_test(test_parallel_loop_in_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
