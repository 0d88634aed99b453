/* test_fs.c: files and folders appear whole or not at all. */
#include "tests/support.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

static char root[64];

static const char *at(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, 256, "%s/%s", root, name);
    return path;
}

static int set_up(void **state) {
    (void)state;
    strcpy(root, "/tmp/mrc-test-fs-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return mrc_path_exists(root);
}

static size_t entries(const char *dir) {
    struct mrc_name_list names = {0};
    struct mrc_error err = {0};
    assert_ok(mrc_list_dir(&names, dir, &err), &err);
    size_t count = names.count;
    mrc_name_list_clear(&names);
    return count;
}

static void test_file_appears_at_commit_only(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output out;
    assert_ok(mrc_output_open_file(&out, at("a.bin"), &err), &err);
    assert_int_equal(fwrite("hello", 1, 5, out.stream), 5);
    assert_false(mrc_path_exists(at("a.bin")));
    assert_ok(mrc_output_commit(&out, &err), &err);
    unsigned char *data = NULL;
    size_t size = 0;
    assert_ok(mrc_read_file(&data, &size, at("a.bin"), 100, &err), &err);
    assert_int_equal(size, 5);
    assert_string_equal((char *)data, "hello");
    mrc_free(data);
    assert_int_equal(entries(root), 1);
    assert_int_equal(mrc_read_file(&data, &size, at("a.bin"), 4, &err), MRC_ERR_RANGE);
    assert_non_null(strstr(err.text, "expected at most 4"));
}

static void test_discarded_file_leaves_what_was_there(void **state) {
    (void)state;
    struct mrc_error err = {0};
    assert_ok(mrc_write_file(at("a"), "old", 3, &err), &err);
    struct mrc_output out;
    assert_ok(mrc_output_open_file(&out, at("a"), &err), &err);
    (void)fputs("new", out.stream);
    mrc_output_discard(&out);
    mrc_output_discard(&out);
    unsigned char *data = NULL;
    size_t size = 0;
    assert_ok(mrc_read_file(&data, &size, at("a"), 100, &err), &err);
    assert_memory_equal(data, "old", 3);
    mrc_free(data);
    assert_int_equal(entries(root), 1);
}

static void test_full_disk_is_reported(void **state) {
    (void)state;
    if (!mrc_path_exists("/dev/full")) skip();
    struct mrc_error err = {0};
    struct mrc_output out;
    assert_ok(mrc_output_open_file(&out, at("full"), &err), &err);
    assert_non_null(freopen("/dev/full", "wb", out.stream));
    (void)fputs("lost", out.stream);
    assert_int_equal(mrc_output_commit(&out, &err), MRC_ERR_WRITE);
    assert_int_equal(entries(root), 0);
}

static void test_folder_replaces_only_when_asked(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output out;
    char inside[512];
    for (int round = 0; round < 2; ++round) {
        assert_ok(mrc_output_open_dir(&out, at("dir"), round > 0, &err), &err);
        (void)snprintf(inside, sizeof inside, "%s/file%d", out.temporary, round);
        assert_ok(mrc_write_file(inside, "x", 1, &err), &err);
        assert_ok(mrc_output_commit(&out, &err), &err);
        assert_int_equal(entries(at("dir")), 1);
    }
    assert_true(mrc_path_exists(at("dir/file1")));
    assert_int_equal(mrc_output_open_dir(&out, at("dir"), false, &err), MRC_ERR_WRITE);
    mrc_output_discard(&out);
    assert_int_equal(entries(root), 1);
}

static int mode_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (int)(info.st_mode & 0777) : -1;
}

static void test_modes_are_what_the_umask_allows(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output out;
    mode_t before = umask(027);
    assert_ok(mrc_write_file(at("file"), "x", 1, &err), &err);
    assert_ok(mrc_output_open_dir(&out, at("folder"), false, &err), &err);
    assert_int_equal(mode_of(out.temporary), 0750);
    assert_ok(mrc_output_commit(&out, &err), &err);
    umask(before);
    assert_int_equal(mode_of(at("file")), 0640);
    assert_int_equal(mode_of(at("folder")), 0750);
}

/* Two that belong together: both whole, then both in place. */
static void test_flushed_outputs_can_still_be_discarded(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output one, two;
    assert_ok(mrc_output_open_file(&one, at("one"), &err), &err);
    assert_ok(mrc_output_open_file(&two, at("two"), &err), &err);
    (void)fputs("text", one.stream);
    assert_ok(mrc_output_flush(&one, &err), &err);
    assert_ok(mrc_output_flush(&two, &err), &err);
    assert_int_equal(entries(root), 2);
    assert_false(mrc_path_exists(at("one")));
    assert_ok(mrc_output_commit(&one, &err), &err);
    mrc_output_discard(&two);
    assert_int_equal(entries(root), 1);
    unsigned char head[8];
    size_t size = 0;
    assert_ok(mrc_read_head(head, sizeof head, &size, at("one"), &err), &err);
    assert_int_equal(size, 4);
}

static void expect_text(const char *name, const char *expected) {
    unsigned char *text = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    assert_ok(mrc_read_file(&text, &size, at(name), 100, &err), &err);
    assert_string_equal((char *)text, expected);
    mrc_free(text);
}

/* Several that belong together: where one cannot be placed, what the others replaced comes back. */
static void test_placed_outputs_are_taken_back(void **state) {
    (void)state;
    struct mrc_error err = {0};
    for (int commit = 0; commit < 2; ++commit) {
        struct mrc_output file, folder, fresh;
        char inside[512];
        assert_ok(mrc_write_file(at("file"), "old", 3, &err), &err);
        assert_ok(mrc_make_dirs(at("folder"), &err), &err);
        assert_ok(mrc_write_file(at("folder/a"), "old", 3, &err), &err);
        assert_ok(mrc_output_open_file(&file, at("file"), &err), &err);
        assert_ok(mrc_output_open_file(&fresh, at("fresh"), &err), &err);
        assert_ok(mrc_output_open_dir(&folder, at("folder"), true, &err), &err);
        (void)fputs("new", file.stream);
        (void)snprintf(inside, sizeof inside, "%s/a", folder.temporary);
        assert_ok(mrc_write_file(inside, "new", 3, &err), &err);
        assert_ok(mrc_output_place(&file, &err), &err);
        assert_ok(mrc_output_place(&folder, &err), &err);
        assert_ok(mrc_output_place(&fresh, &err), &err);
        expect_text("file", "new");
        expect_text("folder/a", "new");
        assert_true(mrc_path_exists(at("fresh")));
        if (commit) {
            assert_ok(mrc_output_commit(&file, &err), &err);
            assert_ok(mrc_output_commit(&folder, &err), &err);
            assert_ok(mrc_output_commit(&fresh, &err), &err);
        }
        mrc_output_discard(&fresh);
        mrc_output_discard(&folder);
        mrc_output_discard(&file);
        expect_text("file", commit ? "new" : "old");
        expect_text("folder/a", commit ? "new" : "old");
        assert_int_equal(entries(root), commit ? 3 : 2);
        assert_int_equal(entries(at("folder")), 1);
    }
}

/* A process that dies with a file and a folder half written. */
static void leave_temporaries(void) {
    pid_t child = fork();
    if (child == 0) {
        struct mrc_output file, folder;
        if (mrc_output_open_file(&file, at("a"), NULL) != MRC_OK ||
            mrc_output_open_dir(&folder, at("a"), false, NULL) != MRC_OK)
            _exit(1);
        (void)raise(SIGKILL);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFSIGNALED(ended));
}

static void test_what_killed_processes_left_is_cleaned(void **state) {
    (void)state;
    struct mrc_error err = {0};
    static const char *const others[] = {"a.tmp-0123456",   "a.tmp-0123456g", "a.tmp-012345678",
                                         "aa.tmp-01234567", "a.tmp",          "a"};
    const size_t count = sizeof others / sizeof *others;
    for (size_t i = 0; i < count; ++i) assert_ok(mrc_write_file(at(others[i]), "", 0, &err), &err);
    assert_int_equal(unlink(at("a")), 0);
    leave_temporaries();
    assert_int_equal(entries(root), count + 1);
    struct mrc_output alive;
    assert_ok(mrc_output_open_file(&alive, at("a"), &err), &err);
    assert_ok(mrc_output_flush(&alive, &err), &err);
    assert_ok(mrc_output_clean(at("a"), &err), &err);
    assert_int_equal(entries(root), count); /* the others, and the one whose process lives */
    assert_true(mrc_path_exists(alive.temporary));
    leave_temporaries();
    assert_int_equal(symlink(at("aa.tmp-01234567"), at("a.tmp-aaaaaaaa")), 0);
    assert_ok(mrc_output_clean(at("a/"), &err), &err);
    assert_int_equal(entries(root), count + 1); /* a link is none */
    assert_ok(mrc_output_commit(&alive, &err), &err);
    assert_int_equal(unlink(at("a")), 0);
    leave_temporaries();
    struct mrc_output folder;
    assert_ok(mrc_output_open_dir(&folder, at("a"), false, &err), &err);
    assert_int_equal(entries(root), count + 1);
    assert_ok(mrc_output_commit(&folder, &err), &err);
    assert_ok(mrc_output_clean(at("no/such"), &err), &err);
}

static void test_what_came_meanwhile_stays(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output one, two;
    assert_ok(mrc_output_open_file(&one, at("a"), &err), &err);
    assert_ok(mrc_output_open_file(&two, at("a"), &err), &err);
    (void)fputs("first", one.stream);
    assert_ok(mrc_output_commit(&one, &err), &err);
    assert_int_equal(mrc_output_commit(&two, &err), MRC_ERR_WRITE);
    assert_non_null(strstr(err.text, "a: File exists"));
    assert_int_equal(entries(root), 1);
    mrc_error_clear(&err);
    assert_ok(mrc_write_file(at("a"), "second", 6, &err), &err); /* it was there: it is replaced */
    unsigned char head[8];
    size_t size = 0;
    assert_ok(mrc_read_head(head, sizeof head, &size, at("a"), &err), &err);
    assert_int_equal(size, 6);
}

static void test_folder_takes_the_place_of_another(void **state) {
    (void)state;
    struct mrc_error err = {0};
    for (int n = 0; n < 2; ++n) { /* the first time nothing is there */
        assert_ok(mrc_make_dirs(at("set.partial"), &err), &err);
        assert_ok(
            mrc_write_file(n == 0 ? at("set.partial/old") : at("set.partial/new"), "", 0, &err),
            &err);
        assert_ok(mrc_replace_dir(at("set.partial"), n == 0 ? at("set") : at("set/"), &err), &err);
        assert_int_equal(entries(root), 1);
    }
    assert_int_equal(entries(at("set")), 1);
    assert_true(mrc_path_exists(at("set/new")));
    assert_ok(mrc_write_file(at("file"), "", 0, &err), &err);
    assert_int_equal(mrc_replace_dir(at("set"), at("file"), &err), MRC_ERR_WRITE);
    assert_true(mrc_path_exists(at("set/new")));
}

static void test_private_file_removes_what_the_killed_left(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct stat facts;
    struct mrc_output living;
    assert_ok(mrc_write_file(at("key.tmp-00000001"), "half", 4, &err), &err);
    assert_ok(mrc_write_file(at("keyring.tmp-00000001"), "", 0, &err), &err);
    assert_ok(mrc_output_open_file(&living, at("key"), &err), &err);
    assert_int_equal(flock(fileno(living.stream), LOCK_EX), 0);
    assert_ok(mrc_write_private_file(at("key"), "whole", 5, &err), &err);
    assert_int_equal(stat(at("key"), &facts), 0);
    assert_int_equal(facts.st_mode & 07777u, 0600);
    assert_int_equal(facts.st_size, 5);
    assert_int_equal(entries(root), 3); /* that of another process, and of another name */
    assert_true(mrc_path_exists(living.temporary));
    mrc_output_discard(&living);
}

static void test_link_to_a_folder_stands_for_it(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output out;
    char inside[512];
    assert_ok(mrc_make_dirs(at("real"), &err), &err);
    assert_int_equal(symlink("real", at("link")), 0);
    assert_ok(mrc_output_open_dir(&out, at("link"), false, &err), &err);
    (void)snprintf(inside, sizeof inside, "%s/file", out.temporary);
    assert_ok(mrc_write_file(inside, "x", 1, &err), &err);
    assert_ok(mrc_output_commit(&out, &err), &err);
    assert_int_equal(entries(at("real")), 1);
    assert_int_equal(entries(root), 2);
}

static void test_folder_name_with_slash_and_empty_folder(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_output out;
    assert_ok(mrc_make_dirs(at("x/y/z"), &err), &err);
    assert_ok(mrc_output_open_dir(&out, at("x/y/z/"), false, &err), &err);
    assert_ok(mrc_output_commit(&out, &err), &err);
    assert_int_equal(entries(at("x/y")), 1);
}

static void test_errors_name_the_path(void **state) {
    (void)state;
    struct mrc_error err = {0};
    unsigned char *data = NULL;
    size_t size = 0;
    assert_int_equal(mrc_read_file(&data, &size, at("missing"), 10, &err), MRC_ERR_IO);
    assert_non_null(strstr(err.text, "missing: "));
    mrc_error_clear(&err);
    assert_int_equal(mrc_read_file(&data, &size, root, 10, &err), MRC_ERR_IO);
    mrc_error_clear(&err);
    struct mrc_output out;
    assert_int_equal(mrc_output_open_file(&out, at("no/such/dir/file"), &err), MRC_ERR_WRITE);
    mrc_output_discard(&out);
}

static void test_tree_is_sorted_and_does_not_follow_links(void **state) {
    (void)state;
    struct mrc_error err = {0};
    assert_ok(mrc_make_dirs(at("t/b"), &err), &err);
    assert_ok(mrc_write_file(at("t/b/2"), "", 0, &err), &err);
    assert_ok(mrc_write_file(at("t/a"), "", 0, &err), &err);
    assert_int_equal(symlink("..", at("t/loop")), 0);
    struct mrc_tree tree;
    struct mrc_name_list names = {0};
    assert_ok(mrc_tree_list(&tree, at("t"), 10, &err), &err);
    assert_int_equal(tree.files.count, 2);
    assert_string_equal(tree.files.names[0], at("t/a"));
    assert_string_equal(tree.files.names[1], at("t/b/2"));
    assert_int_equal(tree.odd_count, 1);
    assert_string_equal(tree.odd[0].path, at("t/loop"));
    assert_int_equal(tree.odd[0].kind, MRC_ODD_LINK);
    mrc_tree_clear(&tree);
    assert_int_equal(mrc_list_tree(&names, at("t"), 1, &err), MRC_ERR_RANGE);
    mrc_error_clear(&err);
    /* A pipe would block whoever opens it; a link without its file is a file that is missing. */
    assert_int_equal(mkfifo(at("t/pipe"), 0600), 0);
    assert_int_equal(symlink("gone", at("t/c")), 0);
    assert_ok(mrc_list_tree(&names, at("t"), 10, &err), &err);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[2], at("t/c"));
    mrc_name_list_clear(&names);
    unsigned char byte;
    size_t size = 0;
    assert_int_equal(mrc_read_head(&byte, 1, &size, at("t/pipe"), NULL), MRC_ERR_IO);
}

static const struct mrc_oddity *find_oddity(const struct mrc_tree *tree, const char *path) {
    for (size_t i = 0; i < tree->odd_count; ++i)
        if (strcmp(tree->odd[i].path, path) == 0) return &tree->odd[i];
    fail_msg("%s is not among the oddities", path);
    return NULL;
}

/* Whatever lies in the way, the rest of the tree is listed. */
static void test_tree_of_oddities(void **state) {
    (void)state;
    struct mrc_error err = {0};
    struct mrc_tree tree;
    char deep[1024];
    snprintf(deep, sizeof deep, "%s", at("o/deep"));
    for (int i = 0; i < 70; ++i) strncat(deep, "/d", sizeof deep - strlen(deep) - 1);
    assert_ok(mrc_make_dirs(deep, &err), &err);
    assert_ok(mrc_make_dirs(at("o/shut"), &err), &err);
    assert_ok(mrc_write_file(at("o/shut/in"), "", 0, &err), &err);
    assert_ok(mrc_write_file(at("o/z"), "", 0, &err), &err);
    assert_int_equal(mkfifo(at("o/pipe"), 0600), 0);
    assert_int_equal(symlink("/dev/null", at("o/null")), 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", at("o/socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    bool bound = strlen(at("o/socket")) < sizeof name.sun_path &&
                 bind(listener, (const struct sockaddr *)&name, sizeof name) == 0;
    assert_int_equal(chmod(at("o/shut"), 0), 0);
    assert_ok(mrc_tree_list(&tree, at("o"), 10, &err), &err);
    assert_string_equal(tree.files.names[tree.files.count - 1], at("o/z"));
    assert_string_equal(find_oddity(&tree, at("o/pipe"))->why, "a pipe, expected a file");
    assert_string_equal(find_oddity(&tree, at("o/null"))->why,
                        "a link to a device, expected a file");
    if (bound)
        assert_string_equal(find_oddity(&tree, at("o/socket"))->why, "a socket, expected a file");
    deep[strlen(at("o/deep")) + 2 * 64] = '\0'; /* "deep" is the first below the top */
    assert_int_equal(find_oddity(&tree, deep)->kind, MRC_ODD_DEEP);
    if (geteuid() != 0) { /* root reads everything */
        assert_int_equal(tree.files.count, 1);
        assert_int_equal(find_oddity(&tree, at("o/shut"))->kind, MRC_ODD_UNREADABLE);
    }
    mrc_tree_clear(&tree);
    struct mrc_name_list names = {0};
    assert_int_equal(mrc_list_tree(&names, at("o"), 10, &err), MRC_ERR_RANGE);
    assert_int_equal(chmod(at("o/shut"), 0700), 0);
    close(listener);
}

static enum mrc_status write_tree(void) {
    struct mrc_output out;
    struct mrc_error err = {0};
    enum mrc_status st = mrc_output_open_dir(&out, at("d"), true, &err);
    if (st == MRC_OK) st = mrc_make_dirs(out.temporary, &err);
    if (st == MRC_OK)
        st = mrc_output_commit(&out, &err);
    else
        mrc_output_discard(&out);
    return st;
}

static void test_allocation_failures(void **state) {
    (void)state;
    enum mrc_status st;
    MRC_TRY_EVERY_FAILURE(st, write_tree());
    assert_int_equal(st, MRC_OK);
    assert_int_equal(entries(root), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file_appears_at_commit_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_discarded_file_leaves_what_was_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk_is_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_replaces_only_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes_are_what_the_umask_allows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_placed_outputs_are_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_killed_processes_left_is_cleaned, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_flushed_outputs_can_still_be_discarded, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_came_meanwhile_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_takes_the_place_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_private_file_removes_what_the_killed_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_link_to_a_folder_stands_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_name_with_slash_and_empty_folder, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_errors_name_the_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree_of_oddities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree_is_sorted_and_does_not_follow_links, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_allocation_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
