/* test_base.c: status, memory, random streams, text and hashes. */
#include "tests/support.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"

static void test_fail_records_first_failure_on_one_line(void **state) {
    (void)state;
    struct mrc_error err = {0};
    assert_int_equal(mrc_fail(&err, MRC_ERR_FORMAT, "a\nb %d", 3), MRC_ERR_FORMAT);
    assert_string_equal(err.text, "a?b 3");
    assert_int_equal(err.code, MRC_ERR_FORMAT);
    mrc_error_clear(&err);
    assert_int_equal(err.code, MRC_OK);
    assert_int_equal(mrc_fail(NULL, MRC_ERR_IO, "nobody listens"), MRC_ERR_IO);
}

static void test_alloc_is_aligned_zeroed_and_refuses_overflow(void **state) {
    (void)state;
    unsigned char *p = mrc_alloc(3, 33);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 99; ++i) assert_int_equal(p[i], 0);
    mrc_free(p);
    assert_null(mrc_alloc(SIZE_MAX / 2, 3));
    assert_null(mrc_alloc(SIZE_MAX, 1));
}

static void test_alloc_fails_when_told(void **state) {
    (void)state;
    mrc_alloc_fail_after(2);
    void *first = mrc_alloc(1, 1), *second = mrc_alloc(1, 1), *third = mrc_alloc(1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    mrc_free(first);
    mrc_free(third);
}

static void test_arena_measures_then_takes(void **state) {
    (void)state;
    struct mrc_arena measuring = {0};
    assert_null(mrc_arena_take(&measuring, 10));
    assert_null(mrc_arena_take(&measuring, 70));
    assert_int_equal(measuring.used, 64 + 70);
    struct mrc_arena arena = {.base = mrc_alloc(measuring.used, 1), .size = measuring.used};
    unsigned char *a = mrc_arena_take(&arena, 10), *b = mrc_arena_take(&arena, 70);
    assert_ptr_equal(b, a + 64);
    mrc_free(arena.base);
}

/* Known answers of Random123 (kat_vectors: philox4x32 10, counter 0, key 0). */
static void test_rng_is_philox(void **state) {
    (void)state;
    struct mrc_rng rng = {{0, 0}, 0, 0};
    assert_true(mrc_rng_u64(&rng) == UINT64_C(0xe169c58d6627e8d5));
    assert_true(mrc_rng_u64(&rng) == UINT64_C(0x9b00dbd8bc57ac4c));
}

static void test_rng_streams_differ_and_repeat(void **state) {
    (void)state;
    struct mrc_rng a = mrc_rng_for(7, 1, 2, MRC_FOR_INIT),
                   again = mrc_rng_for(7, 1, 2, MRC_FOR_INIT);
    struct mrc_rng others[] = {
        mrc_rng_for(8, 1, 2, MRC_FOR_INIT), mrc_rng_for(7, 2, 2, MRC_FOR_INIT),
        mrc_rng_for(7, 1, 3, MRC_FOR_INIT), mrc_rng_for(7, 1, 2, MRC_FOR_POOL)};
    uint64_t first = mrc_rng_u64(&a);
    assert_true(first == mrc_rng_u64(&again));
    for (size_t i = 0; i < 4; ++i) assert_true(first != mrc_rng_u64(&others[i]));
}

static void test_rng_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    struct mrc_rng rng = mrc_rng_for(1, 0, 0, MRC_FOR_TEST);
    double uniform = 0, normal = 0, square = 0, fourth = 0;
    for (int i = 0; i < N; ++i) uniform += mrc_rng_uniform(&rng);
    for (int i = 0; i < N; ++i) {
        double x = mrc_rng_normal(&rng);
        normal += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    assert_true(fabs(uniform / N - 0.5) < 0.003);
    assert_true(fabs(normal / N) < 0.01);
    assert_true(fabs(square / N - 1.0) < 0.02);
    assert_true(fabs(fourth / N - 3.0) < 0.15);
    int seen[6] = {0};
    for (int i = 0; i < 6000; ++i) ++seen[mrc_rng_below(&rng, 6)];
    for (int i = 0; i < 6; ++i) assert_in_range(seen[i], 850, 1150);
}

/* A normal number is of the next two draws, wherever the stream stands. */
static void test_rng_normal_is_of_two_draws(void **state) {
    (void)state;
    for (uint64_t ahead = 0; ahead < 4; ++ahead) {
        struct mrc_rng rng = mrc_rng_for(1, 2, 3, MRC_FOR_TEST), draws = rng;
        for (uint64_t i = 0; i < ahead; ++i) assert_true(mrc_rng_u64(&rng) == mrc_rng_u64(&draws));
        const double found = mrc_rng_normal(&rng);
        const double u = 1.0 - mrc_rng_uniform(&draws), v = mrc_rng_uniform(&draws);
        assert_true(fabs(found - sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v)) < 1e-12);
        assert_true(mrc_rng_u64(&rng) == mrc_rng_u64(&draws));
    }
}

static void test_rng_shuffle_is_a_permutation(void **state) {
    (void)state;
    size_t items[50], at_home = 0;
    int seen[50] = {0};
    for (size_t i = 0; i < 50; ++i) items[i] = i;
    struct mrc_rng rng = mrc_rng_for(3, 0, 0, MRC_FOR_SHUFFLE);
    mrc_rng_shuffle(&rng, items, 50);
    for (size_t i = 0; i < 50; ++i) {
        ++seen[items[i]];
        at_home += items[i] == i;
    }
    for (size_t i = 0; i < 50; ++i) assert_int_equal(seen[i], 1);
    assert_true(at_home < 10);
}

static void test_parse_numbers(void **state) {
    (void)state;
    int64_t i = -1;
    double x = -1;
    assert_int_equal(mrc_parse_i64(&i, " 42 ", 0, 100), MRC_OK);
    assert_int_equal(i, 42);
    const char *bad[] = {"", " ", "4x", "x", "101", "-1", "99999999999999999999", "1.5"};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) {
        assert_int_equal(mrc_parse_i64(&i, bad[n], 0, 100), MRC_ERR_ARGUMENT);
    }
    assert_int_equal(i, 42);
    assert_int_equal(mrc_parse_f64(&x, "2e-4", 0, 1), MRC_OK);
    assert_true(x == 2e-4);
    const char *bad_f[] = {"", "nan", "inf", "1,5", "2", "0.5.", "1e999"};
    for (size_t n = 0; n < sizeof bad_f / sizeof *bad_f; ++n) {
        assert_int_equal(mrc_parse_f64(&x, bad_f[n], 0, 1), MRC_ERR_ARGUMENT);
    }
}

static void test_decimals_fit_and_come_back(void **state) {
    (void)state;
    char text[17];
    const struct {
        double value;
        const char *text;
    } cases[] = {{0.0, "0"},       {-0.0, "0"},    {1.0, "1"},    {0.1, "0.1"},
                 {-12.5, "-12.5"}, {1e-5, "1e-5"}, {1e20, "1e20"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        mrc_print_decimal(text, sizeof text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
    struct mrc_rng rng = mrc_rng_for(5, 0, 0, MRC_FOR_TEST);
    for (int i = 0; i < 2000; ++i) {
        double value = mrc_rng_normal(&rng) * pow(10.0, mrc_rng_uniform(&rng) * 12 - 6), back = 0;
        mrc_print_decimal(text, sizeof text, value);
        assert_true(strlen(text) <= 16);
        assert_int_equal(mrc_parse_f64(&back, text, -DBL_MAX, DBL_MAX), MRC_OK);
        assert_true(fabs(back - value) <= 1e-9 * fabs(value));
    }
}

static void test_text_grows_and_reports_exhaustion(void **state) {
    (void)state;
    struct mrc_text text = {0};
    for (int i = 0; i < 100; ++i) mrc_text_appendf(&text, "%d,", i);
    assert_int_equal(text.size, 290);
    assert_int_equal(strlen(text.data), 290);
    mrc_text_clear(&text);
    mrc_alloc_fail_after(1);
    mrc_text_appendf(&text, "x");
    assert_true(text.failed);
    mrc_text_clear(&text);
    char plain[6];
    mrc_text_plain(plain, sizeof plain, "a\\b\ncdef");
    assert_string_equal(plain, "a_b_c");
}

/* FIPS 180-4's example. */
static void test_hash_is_sha256(void **state) {
    (void)state;
    struct mrc_error err = {0};
    mrc_hash *hash = NULL;
    uint8_t digest[MRC_HASH_BYTES];
    char text[MRC_HASH_TEXT];
    assert_ok(mrc_hash_create(&hash, &err), &err);
    mrc_hash_add(hash, "abc", 3);
    mrc_hash_finish(hash, digest);
    mrc_hash_destroy(hash);
    mrc_hash_print(text, digest);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_uid_is_the_decimal_of_a_uuid(void **state) {
    (void)state;
    uint8_t zero[MRC_HASH_BYTES] = {0}, ones[MRC_HASH_BYTES];
    memset(ones, 0xff, sizeof ones);
    char uid[MRC_UID_TEXT];
    mrc_hash_print_uid(uid, zero); /* 0x00000000000080008000000000000000 */
    assert_string_equal(uid, "2.25.604472133179351442128896");
    mrc_hash_print_uid(uid, ones); /* 0xffffffffffff8fffbfffffffffffffff */
    assert_string_equal(uid, "2.25.340282366920937934553716840013076889599");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_records_first_failure_on_one_line),
        cmocka_unit_test(test_alloc_is_aligned_zeroed_and_refuses_overflow),
        cmocka_unit_test(test_alloc_fails_when_told),
        cmocka_unit_test(test_arena_measures_then_takes),
        cmocka_unit_test(test_rng_is_philox),
        cmocka_unit_test(test_rng_streams_differ_and_repeat),
        cmocka_unit_test(test_rng_moments),
        cmocka_unit_test(test_rng_normal_is_of_two_draws),
        cmocka_unit_test(test_rng_shuffle_is_a_permutation),
        cmocka_unit_test(test_parse_numbers),
        cmocka_unit_test(test_decimals_fit_and_come_back),
        cmocka_unit_test(test_text_grows_and_reports_exhaustion),
        cmocka_unit_test(test_hash_is_sha256),
        cmocka_unit_test(test_uid_is_the_decimal_of_a_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
