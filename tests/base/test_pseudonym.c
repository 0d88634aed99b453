/* test_pseudonym.c: names under a key, against RFC 4231's numbers, and the file the key is in. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/pseudonym.h"

static char root[64], path[96];

static int set_up(void **state) {
    (void)state;
    strcpy(root, "/tmp/mrc-test-key-XXXXXX");
    if (mkdtemp(root) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/key", root);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mrc_remove_tree(root);
    return 0;
}

static void test_hmac_is_rfc_4231(void **state) {
    (void)state;
    static const char expected[] =
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; /* case 2 */
    uint8_t digest[MRC_HASH_BYTES];
    char text[MRC_HASH_TEXT];
    const char *data = "what do ya want for nothing?";
    struct mrc_error err = {0};
    assert_ok(mrc_hash_keyed(digest, "Jefe", 4, data, strlen(data), &err), &err);
    mrc_hash_print(text, digest);
    assert_string_equal(text, expected);
}

static void test_key_is_made_once_and_private(void **state) {
    (void)state;
    struct mrc_pseudonym_key first, second;
    struct mrc_error err = {0};
    struct stat facts;
    bool created = false;
    assert_ok(mrc_pseudonym_key_load(&first, &created, path, &err), &err);
    assert_true(created);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_ok(mrc_pseudonym_key_load(&second, &created, path, &err), &err);
    assert_false(created);
    assert_memory_equal(first.bytes, second.bytes, sizeof first.bytes);
    assert_ok(mrc_pseudonym_key_try(&second, path, &err), &err);
    assert_memory_equal(first.bytes, second.bytes, sizeof first.bytes);
}

static void test_key_of_others_is_refused(void **state) {
    (void)state;
    struct mrc_pseudonym_key key;
    struct mrc_error err = {0};
    bool created = false;
    assert_ok(mrc_pseudonym_key_load(&key, &created, path, &err), &err);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mrc_pseudonym_key_load(&key, &created, path, &err), MRC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "mode 0640, expected 0600"));
}

static void test_what_is_no_key_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"", "abc", "zz", "\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        struct mrc_pseudonym_key key;
        struct mrc_error err = {0};
        bool created = false;
        assert_ok(mrc_write_file(path, texts[i], strlen(texts[i]), &err), &err);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(mrc_pseudonym_key_load(&key, &created, path, &err), MRC_ERR_FORMAT);
    }
}

static void test_names_depend_on_key_and_purpose(void **state) {
    (void)state;
    struct mrc_pseudonym_key one = {{1}}, two = {{2}};
    char a[MRC_PSEUDONYM_TEXT], b[MRC_PSEUDONYM_TEXT], c[MRC_PSEUDONYM_TEXT];
    char u[MRC_UID_TEXT], v[MRC_UID_TEXT];
    struct mrc_error err = {0};
    assert_ok(mrc_pseudonym_name(a, &one, "subject", "4711", &err), &err);
    assert_ok(mrc_pseudonym_name(b, &two, "subject", "4711", &err), &err);
    assert_ok(mrc_pseudonym_name(c, &one, "session", "4711", &err), &err);
    assert_int_equal(strlen(a), 16);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    assert_ok(mrc_pseudonym_name(b, &one, "subject", "4711", &err), &err);
    assert_string_equal(a, b);
    assert_ok(mrc_pseudonym_uid(u, &one, "1.2.3", &err), &err);
    assert_ok(mrc_pseudonym_uid(v, &one, "1.2.4", &err), &err);
    assert_string_not_equal(u, v);
    assert_int_equal(strncmp(u, "2.25.", 5), 0);
    assert_int_equal(strspn(u, "0123456789."), strlen(u));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_is_rfc_4231),
        cmocka_unit_test_setup_teardown(test_key_is_made_once_and_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_of_others_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_key_is_refused, set_up, tear_down),
        cmocka_unit_test(test_names_depend_on_key_and_purpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
