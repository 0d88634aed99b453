/* test_parallel.c: every item once, chunks by size only, lanes never shared, the same sums on any
 * number of threads. */
#include "tests/support.h"

#include <stdatomic.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"

enum { ITEMS = 10007, GRAIN = 64 };

struct visit {
    unsigned char seen[ITEMS];
    atomic_int lane_busy[MRC_MAX_THREADS], shared_lanes, odd_chunks;
};

static void visit_range(void *context, size_t begin, size_t end, int lane) {
    struct visit *visit = context;
    if (atomic_fetch_add(&visit->lane_busy[lane], 1) != 0)
        atomic_fetch_add(&visit->shared_lanes, 1);
    if (begin % GRAIN != 0 || (end - begin != GRAIN && end != ITEMS))
        atomic_fetch_add(&visit->odd_chunks, 1);
    for (size_t i = begin; i < end; ++i) ++visit->seen[i];
    atomic_fetch_sub(&visit->lane_busy[lane], 1);
}

static void ask_threads(void *context, size_t begin, size_t end, int lane) {
    (void)begin, (void)end, (void)lane;
    *(int *)context = mrc_parallel_threads();
}

/* Before anybody has asked: the first of all loops, and one of a single chunk. */
static void test_threads_are_known_in_the_first_loop(void **state) {
    int threads = -1;
    (void)state;
    mrc_parallel_for(1, 1, ask_threads, &threads);
    assert_true(threads >= 1);
}

static void test_every_item_once(void **state) {
    (void)state;
    static struct visit visit;
    for (int threads = 1; threads <= 5; ++threads) {
        mrc_parallel_set_threads(threads);
        assert_int_equal(mrc_parallel_threads(), threads);
        for (int repeat = 0; repeat < 20; ++repeat) {
            memset(&visit, 0, sizeof visit);
            mrc_parallel_for(ITEMS, GRAIN, visit_range, &visit);
            for (size_t i = 0; i < ITEMS; ++i) assert_int_equal(visit.seen[i], 1);
            assert_int_equal(visit.shared_lanes, 0);
            assert_int_equal(visit.odd_chunks, 0);
        }
    }
    mrc_parallel_for(0, 1, visit_range, &visit);
}

static void inner(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    atomic_fetch_add((atomic_size_t *)context, end - begin);
}

static void outer(void *context, size_t begin, size_t end, int lane) {
    (void)lane;
    for (size_t i = begin; i < end; ++i) mrc_parallel_for(100, 7, inner, context);
}

static void test_loop_inside_a_loop(void **state) {
    (void)state;
    mrc_parallel_set_threads(3);
    atomic_size_t count = 0;
    mrc_parallel_for(50, 1, outer, &count);
    assert_int_equal(count, 5000);
}

static void test_sum_is_the_same_on_any_number_of_threads(void **state) {
    (void)state;
    enum { N = 2500001 };
    float *x = mrc_alloc(N, sizeof *x);
    assert_non_null(x);
    struct mrc_rng rng = mrc_rng_for(9, 0, 0, MRC_FOR_TEST);
    for (size_t i = 0; i < N; ++i) x[i] = (float)(mrc_rng_uniform(&rng) - 0.3);
    double first = 0.0;
    for (int threads = 1; threads <= 4; ++threads) {
        mrc_parallel_set_threads(threads);
        double sum = mrc_sum(x, N);
        if (threads == 1) first = sum;
        assert_memory_equal(&sum, &first, sizeof sum);
    }
    assert_true(first > 0.19 * N && first < 0.21 * N);
    mrc_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_are_known_in_the_first_loop), /* must be the first */
        cmocka_unit_test(test_every_item_once),
        cmocka_unit_test(test_loop_inside_a_loop),
        cmocka_unit_test(test_sum_is_the_same_on_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
