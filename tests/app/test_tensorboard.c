/* test_tensorboard.c: event files, read by a parser of the test's own; and byte by byte against
 * records that TensorFlow's documentation of the format determines. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/train/tensorboard.h"
#include "base/alloc.h"
#include "base/fs.h"

static char root[] = "/tmp/mrc-board-XXXXXX";
static char path[64];

static int enter(void **state) {
    (void)state;
    if (mkdtemp(root) == NULL) return -1;
    snprintf(path, sizeof path, "%s/events.out.tfevents.0.mrcycle", root);
    return 0;
}

static int leave(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static void write_steps(int64_t last_step, int64_t first, int64_t end) {
    struct mrc_error err = {0};
    mrc_tensorboard *board = NULL;
    assert_ok(mrc_tensorboard_open(&board, path, last_step, &err), &err);
    for (int64_t step = first; step < end; ++step)
        mrc_tensorboard_scalar(board, step, 1e9 + (double)step, "loss/cycle_x", 0.5);
    assert_ok(mrc_tensorboard_flush(board, &err), &err);
    mrc_tensorboard_close(board);
}

static size_t read_board(unsigned char **data) {
    struct mrc_error err = {0};
    size_t size = 0;
    assert_ok(mrc_read_file(data, &size, path, 1 << 20, &err), &err);
    return size;
}

/* The first record of every event file: 9 bytes of wall time, 2 of step, 15 of the version; its
 * length's masked checksum was computed with the crcmod package. */
static void test_version(void **state) {
    (void)state;
    static const unsigned char frame[] = {26, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x9B, 0xD8, 0x2D};
    unsigned char *data = NULL;
    remove(path);
    write_steps(-1, 0, 0);
    assert_int_equal(read_board(&data), sizeof frame + 26 + 4);
    assert_memory_equal(data, frame, sizeof frame);
    assert_memory_equal(data + sizeof frame + 11,
                        "\x1a\x0d"
                        "brain.Event:2",
                        15);
    mrc_free(data);
}

/* A run that is killed, and goes on from an older step, leaves the bytes of one that was not. */
static void test_goes_on(void **state) {
    (void)state;
    unsigned char *whole = NULL, *again = NULL;
    remove(path);
    write_steps(0, 1, 9);
    size_t size = read_board(&whole);
    remove(path);
    write_steps(0, 1, 7);
    FILE *torn = fopen(path, "ab");
    assert_non_null(torn);
    assert_int_equal(fwrite(whole, 1, 20, torn), 20); /* a record half written */
    fclose(torn);
    write_steps(5, 6, 9);
    assert_int_equal(read_board(&again), size);
    assert_memory_equal(again, whole, size);
    mrc_free(again);
    mrc_free(whole);
}

static void test_stranger(void **state) {
    (void)state;
    static const char words[] = "no event file, but long enough to be one";
    struct mrc_error err = {0};
    mrc_tensorboard *board = NULL;
    assert_ok(mrc_write_file(path, words, sizeof words, &err), &err);
    assert_int_equal(mrc_tensorboard_open(&board, path, 5, &err), MRC_ERR_FORMAT);
    assert_null(board);
    unsigned char *data = NULL;
    assert_int_equal(read_board(&data), sizeof words);
    mrc_free(data);
}

static void test_memory(void **state) {
    (void)state;
    struct mrc_error err = {0};
    enum mrc_status status = MRC_ERR_NOMEM;
    for (long n = 1; status == MRC_ERR_NOMEM; ++n) {
        mrc_tensorboard *board = NULL;
        mrc_error_clear(&err);
        remove(path);
        mrc_alloc_fail_after(n);
        status = mrc_tensorboard_open(&board, path, 0, &err);
        if (status == MRC_OK) {
            mrc_tensorboard_picture(board, 1, 0.0, "samples", (const unsigned char *)"png", 3, 1,
                                    1);
            status = mrc_tensorboard_flush(board, &err);
        }
        mrc_alloc_fail_after(0);
        mrc_tensorboard_close(board);
    }
    assert_ok(status, &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
