/* test_settings.c: each row of the tables prints what it parses, keeps to its range, and has all it
 * takes to be an option. */
#include <string.h>

#include "model/gan/settings.h"
#include "support.h"

static void test_rows_print_what_they_parse(void **unused) {
    (void)unused;
    const struct mrc_cyclegan_settings defaults = MRC_CYCLEGAN_DEFAULTS;
    char words[MRC_SETTING_TEXT], again[MRC_SETTING_TEXT];
    for (size_t i = 0; i < MRC_CYCLEGAN_SETTING_COUNT; ++i) {
        const struct mrc_setting *s = mrc_cyclegan_setting(i);
        struct mrc_cyclegan_settings read = defaults;
        struct mrc_error err = {0};
        assert_ok(mrc_setting_check(&defaults, s, &err), &err);
        mrc_setting_print(words, &defaults, s);
        assert_ok(mrc_setting_parse(&read, s, words, &err), &err);
        mrc_setting_print(again, &read, s);
        assert_string_equal(words, again);
        if (s->before != NULL) assert_ok(mrc_setting_parse(&read, s, s->before, &err), &err);
        assert_true(s->option == NULL || s->help != NULL);
        for (size_t j = 0; j < i; ++j) { /* no two are called alike */
            assert_string_not_equal(s->key, mrc_cyclegan_setting(j)->key);
            assert_string_not_equal(s->json, mrc_cyclegan_setting(j)->json);
        }
    }
}

static void test_other_words_are_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *key, *words, *says;
    } bad[] = {{"batch", "0", "batch is '0', expected a whole number from 1 to 4096"},
               {"batch", "1.5", "whole number"},
               {"beta1", "1", "expected a number from 0 to"},
               {"learning_rate", "nan", "lr is 'nan'"},
               {"seed", "-1", "expected a whole number from 0"},
               {"generator", "local,vnet", "expected unet, local, hybrid"},
               {"gan_mode", "wgan", "expected vanilla, lsgan or hinge"},
               {"diff_augment", "blur", "expected none, or color"},
               {"init_type", "zeros", "expected normal, xavier"}};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) {
        struct mrc_cyclegan_settings settings = MRC_CYCLEGAN_DEFAULTS;
        struct mrc_error err = {0};
        size_t i = 0;
        while (strcmp(mrc_cyclegan_setting(i)->key, bad[n].key) != 0) ++i;
        assert_int_equal(mrc_setting_parse(&settings, mrc_cyclegan_setting(i), bad[n].words, &err),
                         MRC_ERR_ARGUMENT);
        if (strstr(err.text, bad[n].says) == NULL) fail_msg("%s", err.text);
    }
}

static void test_two_generators(void **unused) {
    (void)unused;
    struct mrc_cyclegan_settings s = MRC_CYCLEGAN_DEFAULTS;
    struct mrc_error err = {0};
    char words[MRC_SETTING_TEXT];
    assert_ok(mrc_setting_parse(&s, mrc_cyclegan_setting(0), "local,hybrid", &err), &err);
    assert_int_equal(s.generator, MRC_GENERATOR_LOCAL);
    assert_int_equal(s.generator_f, 1 + MRC_GENERATOR_HYBRID);
    mrc_setting_print(words, &s, mrc_cyclegan_setting(1));
    assert_string_equal(words, "hybrid");
    assert_ok(mrc_setting_parse(&s, mrc_cyclegan_setting(0), "unet", &err), &err);
    mrc_setting_print(words, &s, mrc_cyclegan_setting(1));
    assert_string_equal(words, "unet");
}

static void test_losses(void **unused) {
    (void)unused;
    struct mrc_losses losses = {0};
    for (size_t i = 0; i < MRC_LOSS_COUNT; ++i) mrc_loss_set(&losses, i, 1.0 + (double)i);
    for (size_t i = 0; i < MRC_LOSS_COUNT; ++i)
        assert_true(mrc_loss_value(&losses, i) == 1.0 + (double)i);
    assert_string_equal(mrc_loss_row(0)->name, "adversarial_g");
    assert_true(losses.adversarial_g == 1.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_print_what_they_parse),
        cmocka_unit_test(test_other_words_are_refused),
        cmocka_unit_test(test_two_generators),
        cmocka_unit_test(test_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
