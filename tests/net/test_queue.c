/* test_queue.c: jobs of a queue: bursts of one series, studies, what goes by age and size. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/node/queue.h"
#include "base/fs.h"

static const struct mrc_queue_patience at_once = {.quiet_s = 0.0};

struct fixture {
    char dir[64];
    mrc_queue *queue;
    int64_t files;
    int peer;
};

static void open_fixture(struct fixture *f) {
    struct mrc_error err = {0};
    int64_t again = 0;
    *f = (struct fixture){.dir = "/tmp/mrc_queue_XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    assert_ok(mrc_queue_open(&f->queue, f->dir, true, &err), &err);
    assert_ok(mrc_queue_serve(f->queue, &again, &err), &err);
}

static void close_fixture(struct fixture *f) {
    mrc_queue_close(f->queue);
    mrc_remove_tree(f->dir);
}

/* One association that brings one image. */
static void bring(struct fixture *f, const char *study, const char *series, int instance,
                  bool released) {
    struct mrc_error err = {0};
    char path[MRC_JOB_PATH], name[MRC_SERIES_TEXT];
    struct mrc_net_identity identity = {0};
    enum mrc_placed how;
    const struct mrc_queue_peer peer = {
        .number = ++f->peer, .host = "10.0.0.1", .calling = "SCANNER 1"};
    snprintf(identity.study, sizeof identity.study, "%s", study);
    snprintf(identity.series, sizeof identity.series, "%s", series);
    snprintf(identity.instance, sizeof identity.instance, "%s.%d", series, instance);
    assert_ok(mrc_queue_receiving(path, f->queue, f->files++, &err), &err);
    assert_ok(mrc_write_file(path, identity.instance, strlen(identity.instance), &err), &err);
    assert_ok(mrc_queue_place(&how, name, f->queue, path, &identity, &peer, &err), &err);
    assert_int_equal(how, MRC_PLACED);
    if (released) assert_ok(mrc_queue_end_peer(f->queue, peer.number, true, &err), &err);
}

static bool collect(struct fixture *f, struct mrc_job *job,
                    const struct mrc_queue_patience *patience) {
    struct mrc_error err = {0};
    bool made = false;
    assert_ok(mrc_queue_collect(&made, job, f->queue, patience, &err), &err);
    return made;
}

static size_t count_state(struct fixture *f, enum mrc_job_state state) {
    struct mrc_job_list list = {0};
    struct mrc_error err = {0};
    size_t count = 0;
    assert_ok(mrc_queue_list(&list, f->queue, &err), &err);
    for (size_t i = 0; i < list.count; ++i) count += list.jobs[i].state == state;
    mrc_job_list_clear(&list);
    return count;
}

static void rest(double seconds) {
    const struct timespec pause = {.tv_sec = (time_t)seconds,
                                   .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    (void)nanosleep(&pause, NULL);
}

/* A job knows who brought it. */
static void test_origin(void **state) {
    struct fixture f;
    struct mrc_job job;
    (void)state;
    open_fixture(&f);
    bring(&f, "1.2", "1.2.1", 1, true);
    assert_true(collect(&f, &job, &at_once));
    assert_string_equal(job.host, "10.0.0.1");
    assert_string_equal(job.calling, "SCANNER 1");
    close_fixture(&f);
}

/* The second burst of a series whose job has not begun takes that over; of one that has it makes
 * another job of all images. */
static void test_second_burst(void **state) {
    struct fixture f;
    struct mrc_job one, two, three, four;
    struct mrc_error err = {0};
    (void)state;
    open_fixture(&f);
    bring(&f, "1.2", "1.2.1", 1, true);
    assert_true(collect(&f, &one, &at_once));
    bring(&f, "1.2", "1.2.1", 2, true);
    assert_true(collect(&f, &two, &at_once));
    assert_int_equal(two.images, 2);
    assert_string_equal(two.absorbed, one.id);
    assert_int_equal(count_state(&f, MRC_JOB_NEW), 1);
    two.attempts = 1;
    assert_ok(mrc_queue_move(f.queue, &two, MRC_JOB_RUNNING, &err), &err);
    bring(&f, "1.2", "1.2.1", 3, true);
    assert_true(collect(&f, &three, &at_once));
    assert_int_equal(three.images, 3);
    assert_string_equal(three.absorbed, "");
    assert_string_equal(three.supersedes, "");
    assert_int_equal(count_state(&f, MRC_JOB_RUNNING), 1);
    assert_ok(mrc_queue_move(f.queue, &two, MRC_JOB_DONE, &err), &err);
    bring(&f, "1.2", "1.2.1", 4, true);
    assert_true(collect(&f, &four, &at_once));
    assert_int_equal(four.images, 4);
    assert_string_equal(four.absorbed, three.id);
    assert_string_equal(four.supersedes, two.id);
    close_fixture(&f);
}

/* A series that is quiet waits for others of its study, but not for ever, and not for other
 * studies. */
static void test_study(void **state) {
    const struct mrc_queue_patience patience = {.quiet_s = 0.3, .study_s = 0.9};
    struct fixture f;
    struct mrc_job job;
    (void)state;
    open_fixture(&f);
    bring(&f, "1.2", "1.2.1", 1, true);
    bring(&f, "1.2", "1.2.2", 1, false); /* somebody is about to bring more of it */
    bring(&f, "1.3", "1.3.1", 1, true);
    assert_false(collect(&f, &job, &patience));
    rest(0.5);
    assert_true(collect(&f, &job, &patience)); /* that of the other study */
    assert_false(collect(&f, &job, &patience));
    assert_int_equal(count_state(&f, MRC_JOB_ARRIVING), 2);
    rest(0.9);
    assert_true(collect(&f, &job, &patience));
    assert_false(collect(&f, &job, &patience));
    assert_int_equal(count_state(&f, MRC_JOB_ARRIVING), 1);
    close_fixture(&f);
}

struct seen {
    size_t count;
    char reasons[256];
};

static void note_gone(void *context, const struct mrc_job *job, const char *reason) {
    struct seen *seen = context;
    size_t length = strlen(seen->reasons);
    (void)job;
    ++seen->count;
    snprintf(seen->reasons + length, sizeof seen->reasons - length, "%s ", reason);
}

static struct seen prune(struct fixture *f, enum mrc_job_state state, double age_s, double bytes) {
    struct mrc_queue_limit limits[MRC_JOB_STATES] = {{.holds = false}};
    struct seen seen = {0};
    const struct mrc_queue_witness witness = {.context = &seen, .gone = note_gone};
    limits[state] = (struct mrc_queue_limit){.holds = true, .age_s = age_s, .bytes = bytes};
    mrc_queue_prune(f->queue, limits, &witness);
    return seen;
}

/* Puts jobs of `images` images each into a state; the size of the last. */
static double fill(struct fixture *f, enum mrc_job_state to, int jobs, int images) {
    struct mrc_error err = {0};
    struct mrc_job job = {.bytes = 0};
    char series[32], folder[MRC_JOB_PATH];
    for (int j = 0; j < jobs; ++j) {
        snprintf(series, sizeof series, "1.%d.%d", (int)to, j);
        for (int i = 0; i < images; ++i) bring(f, "1.2", series, i, true);
        assert_true(collect(f, &job, &at_once));
        assert_ok(mrc_queue_move(f->queue, &job, to, &err), &err);
        assert_ok(mrc_queue_path(folder, f->queue, &job, "images", &err), &err);
        assert_int_equal(mrc_path_is_dir(folder), to != MRC_JOB_SKIPPED);
    }
    return (double)job.bytes;
}

static void test_prune(void **state) {
    struct fixture f;
    (void)state;
    open_fixture(&f);
    fill(&f, MRC_JOB_DONE, 3, 1);
    double bytes = fill(&f, MRC_JOB_FAILED, 3, 1);
    assert_true(bytes > 0.0);
    fill(&f, MRC_JOB_SKIPPED, 2, 2);
    assert_int_equal(prune(&f, MRC_JOB_DONE, 3600.0, 0.0).count, 0);
    rest(1.2); /* ages are whole seconds */
    assert_int_equal(prune(&f, MRC_JOB_DONE, 0.0, 0.0).count, 3);
    assert_int_equal(count_state(&f, MRC_JOB_FAILED), 3);
    struct seen seen = prune(&f, MRC_JOB_FAILED, 3600.0, 2.5 * bytes);
    assert_string_equal(seen.reasons, "size ");
    assert_int_equal(count_state(&f, MRC_JOB_FAILED), 2);
    assert_int_equal(count_state(&f, MRC_JOB_SKIPPED), 2);
    close_fixture(&f);
}

static void test_find_and_delete(void **state) {
    struct fixture f;
    struct mrc_job job, other;
    struct mrc_error err = {0};
    (void)state;
    open_fixture(&f);
    bring(&f, "1.2", "1.2.1", 1, true);
    assert_true(collect(&f, &job, &at_once));
    assert_ok(mrc_queue_find(&other, f.queue, job.id, &err), &err);
    char beginning[6];
    snprintf(beginning, sizeof beginning, "%.5s", job.id);
    assert_ok(mrc_queue_find(&other, f.queue, beginning, &err), &err);
    assert_string_equal(other.id, job.id);
    assert_int_equal(mrc_queue_find(&other, f.queue, "../x", &err), MRC_ERR_ARGUMENT);
    assert_ok(mrc_queue_move(f.queue, &job, MRC_JOB_RUNNING, &err), &err);
    mrc_error_clear(&err);
    assert_int_equal(mrc_queue_delete(f.queue, &job, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    other.state = MRC_JOB_NEW; /* as it was a moment ago */
    assert_int_equal(mrc_queue_delete(f.queue, &other, &err), MRC_ERR_ARGUMENT);
    mrc_error_clear(&err);
    assert_ok(mrc_queue_move(f.queue, &job, MRC_JOB_FAILED, &err), &err);
    assert_ok(mrc_queue_delete(f.queue, &job, &err), &err);
    assert_int_equal(count_state(&f, MRC_JOB_FAILED), 0);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_origin),
                                       cmocka_unit_test(test_second_burst),
                                       cmocka_unit_test(test_study), cmocka_unit_test(test_prune),
                                       cmocka_unit_test(test_find_and_delete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
