/* test_pdu_cutter.c: what a peer says, cut into PDUs of one value each; byte by byte against a plain
 * reading of PS3.8 9.3, over random cuts. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "io/net/pdu_cutter.h"

enum { MOST = 1 << 14 };

struct bytes {
    unsigned char at[MOST];
    size_t size;
};

static void put_u32(struct bytes *b, size_t value) {
    for (int i = 3; i >= 0; --i) b->at[b->size++] = (unsigned char)(value >> (8 * i));
}

/* As a connection drives it: heads as they are wanted, the rest in pieces of at most `piece`. */
static void cut(struct bytes *out, const struct bytes *in, size_t piece) {
    struct mrc_pdu_cutter c = {.passing = 0};
    size_t at = 0;
    out->size = 0;
    while (!c.broken) {
        size_t wanted = mrc_pdu_cutter_wants(&c);
        if (wanted > 0) {
            if (in->size - at < wanted) return;
            mrc_pdu_cutter_head(&c, in->at + at);
            at += wanted;
        }
        while (c.head_at < c.head_size) out->at[out->size++] = c.head[c.head_at++];
        while (c.passing > 0 && at < in->size) {
            size_t count = c.passing < piece ? (size_t)c.passing : piece;
            if (count > in->size - at) count = in->size - at;
            memcpy(out->at + out->size, in->at + at, count);
            out->size += count;
            at += count;
            c.passing -= count;
        }
        if (c.passing > 0) return;
    }
}

/* A P-DATA-TF of `count` values of these lengths (with context and control byte); into `expected`
 * one PDU for each. */
static void put_data(struct bytes *in, struct bytes *expected, const size_t *lengths,
                     size_t count) {
    size_t total = 0;
    for (size_t v = 0; v < count; ++v) total += 4 + lengths[v];
    in->at[in->size++] = 4;
    in->at[in->size++] = 0;
    put_u32(in, total);
    for (size_t v = 0; v < count; ++v) {
        put_u32(in, lengths[v]);
        expected->at[expected->size++] = 4;
        expected->at[expected->size++] = 0;
        put_u32(expected, lengths[v] + 4);
        put_u32(expected, lengths[v]);
        for (size_t i = 0; i < lengths[v]; ++i) {
            unsigned char byte = (unsigned char)rand();
            in->at[in->size++] = byte;
            expected->at[expected->size++] = byte;
        }
    }
}

static void put_other(struct bytes *in, struct bytes *expected, unsigned char kind, size_t length) {
    for (struct bytes *b = in;; b = expected) {
        b->at[b->size++] = kind;
        b->at[b->size++] = 0;
        put_u32(b, length);
        memset(b->at + b->size, kind, length);
        b->size += length;
        if (b == expected) return;
    }
}

static void test_random_cuts(void **state) {
    (void)state;
    static struct bytes in, expected, out;
    srand(7);
    for (int round = 0; round < 2000; ++round) {
        in.size = expected.size = 0;
        put_other(&in, &expected, 1, (size_t)rand() % 300);
        for (int p = rand() % 6; p >= 0; --p) {
            size_t lengths[12], count = 1 + (size_t)rand() % 12;
            for (size_t v = 0; v < count; ++v) lengths[v] = 2 + (size_t)rand() % 100;
            put_data(&in, &expected, lengths, count);
        }
        put_other(&in, &expected, 5, 4);
        cut(&out, &in, 1 + (size_t)rand() % 50);
        assert_int_equal(out.size, expected.size);
        assert_memory_equal(out.at, expected.at, out.size);
    }
}

/* A value that is longer than its PDU, too short to be one, or leaves less than a head. */
static void test_contradictions(void **state) {
    (void)state;
    static const unsigned char cases[][14] = {{4, 0, 0, 0, 0, 8, 0, 0, 0, 5, 1, 2, 3, 4},
                                              {4, 0, 0, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4},
                                              {4, 0, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4},
                                              {4, 0, 0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 3, 4}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        struct mrc_pdu_cutter c = {.passing = 0};
        mrc_pdu_cutter_head(&c, cases[k]);
        assert_int_equal(mrc_pdu_cutter_wants(&c), 4);
        mrc_pdu_cutter_head(&c, cases[k] + 6);
        assert_true(c.broken);
        assert_int_equal(mrc_pdu_cutter_wants(&c), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_cuts),
                                       cmocka_unit_test(test_contradictions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
