/* test_contract.c: the words of a contract are read as they are written, and others are refused with
 * what was expected. */
#include <string.h>

#include "model/files/contract.h"
#include "support.h"

static struct mrc_contract of_volumes(void) {
    return (struct mrc_contract){
        .contrast_count = 3,
        .contrasts = {MRC_CONTRAST_FLAIR, MRC_CONTRAST_T1W, MRC_CONTRAST_PDW},
        .room = {1.5, 1.0, 2.25},
        .dims = 3,
        .sample = {1, 3, 48, 96, 64},
        .out_channels = 2,
        .channels = MRC_CHANNELS_CONTRASTS,
        .pixel_mm = 1.2,
        .planes = MRC_PLANE_AXIAL | MRC_PLANE_CORONAL,
        .low_percentile = 1.0,
        .high_percentile = 99.5};
}

static void assert_same(const struct mrc_contract *a, const struct mrc_contract *b) {
    assert_int_equal(a->contrast_count, b->contrast_count);
    for (int i = 0; i < a->contrast_count; ++i) {
        assert_int_equal(a->contrasts[i], b->contrasts[i]);
        assert_true(a->room[i] == b->room[i]);
    }
    assert_int_equal(a->dims, b->dims);
    assert_memory_equal(&a->sample, &b->sample, sizeof a->sample);
    assert_int_equal(a->out_channels, b->out_channels);
    assert_int_equal(a->channels, b->channels);
    assert_true(a->pixel_mm == b->pixel_mm);
    assert_int_equal(a->planes, b->planes);
    assert_int_equal(a->stored, b->stored);
    if (a->stored) return;
    assert_true(a->low_percentile == b->low_percentile);
    assert_true(a->high_percentile == b->high_percentile);
}

static void test_words_are_read_as_written(void **unused) {
    (void)unused;
    struct mrc_contract all[] = {of_volumes(), MRC_CONTRACT_DEFAULTS,
                                 mrc_contract_of_slices(128, 3, true),
                                 mrc_contract_of_slices(160, 1, false)}; /* not 1.6e2 */
    struct mrc_error err = {0};
    char words[MRC_CONTRACT_TEXT];
    for (size_t n = 0; n < sizeof all / sizeof *all; ++n) {
        struct mrc_contract read = MRC_CONTRACT_DEFAULTS;
        assert_ok(mrc_contract_check(&all[n], &err), &err);
        for (int key = 0; key < MRC_CONTRACT_KEYS; ++key) {
            mrc_contract_print(words, &all[n], (enum mrc_contract_key)key);
            assert_ok(mrc_contract_parse(&read, (enum mrc_contract_key)key, words, &err), &err);
        }
        assert_same(&read, &all[n]);
    }
}

static void test_words_are_plain(void **unused) {
    (void)unused;
    static const char *const expected[MRC_CONTRACT_KEYS] = {"FLAIR,T1w,PDw",
                                                            "3",
                                                            "3,48,96,64",
                                                            "2",
                                                            "contrasts",
                                                            "1.2",
                                                            "axial,coronal",
                                                            "1,99.5",
                                                            "FLAIR=1.5,T1w=1,PDw=2.25"};
    const struct mrc_contract contract = of_volumes();
    char words[MRC_CONTRACT_TEXT];
    for (int key = 0; key < MRC_CONTRACT_KEYS; ++key) {
        mrc_contract_print(words, &contract, (enum mrc_contract_key)key);
        assert_string_equal(words, expected[key]);
    }
}

static void test_other_words_are_refused(void **unused) {
    (void)unused;
    static const struct {
        enum mrc_contract_key key;
        const char *words;
    } bad[] = {{MRC_CONTRACT_LIST, "T1w,T3w"},
               {MRC_CONTRACT_LIST, ""},
               {MRC_CONTRACT_LIST, "T1w,,T2w"},
               {MRC_CONTRACT_DIMS, "two"},
               {MRC_CONTRACT_SAMPLE, "64,64"},
               {MRC_CONTRACT_SAMPLE, "1,1,64,4096"},
               {MRC_CONTRACT_CHANNELS, "slices"},
               {MRC_CONTRACT_PIXEL, "-1"},
               {MRC_CONTRACT_PLANES, "axial,oblique"},
               {MRC_CONTRACT_NORMALISE, "95,0.5"},
               {MRC_CONTRACT_NORMALISE, "5"},
               {MRC_CONTRACT_NORMALISE, "0.5,95,99"},
               {MRC_CONTRACT_ROOM, "T2w"},
               {MRC_CONTRACT_ROOM, "T2w=0.5"},
               {MRC_CONTRACT_ROOM, "FLAIR=2"},
               {MRC_CONTRACT_ROOM, "T2w=nan"}};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n) {
        struct mrc_contract contract = MRC_CONTRACT_DEFAULTS, plain = MRC_CONTRACT_DEFAULTS;
        struct mrc_error err = {0};
        assert_int_equal(mrc_contract_parse(&contract, bad[n].key, bad[n].words, &err),
                         MRC_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "expected"));
        assert_same(&contract, &plain);
    }
}

static void test_contradictions_are_refused(void **unused) {
    (void)unused;
    struct mrc_contract bad[10];
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n)
        bad[n] = (struct mrc_contract)MRC_CONTRACT_DEFAULTS;
    bad[0].contrast_count = 0;
    bad[1].contrasts[1] = MRC_CONTRAST_T1W;
    bad[2].room[0] = 0.9;
    bad[3].stored = true;
    bad[3].room[1] = 2.0;
    bad[4].dims = 4;
    bad[5].sample.d = 2; /* a slice is not deep */
    bad[6].sample.c = 3; /* nor has it neighbours */
    bad[7].pixel_mm = -1.0;
    bad[8].planes = 0;
    bad[9].low_percentile = 95.0;
    for (size_t n = 0; n < sizeof bad / sizeof *bad; ++n)
        assert_int_equal(mrc_contract_check(&bad[n], NULL), MRC_ERR_ARGUMENT);
}

static void test_what_is_plain(void **unused) {
    (void)unused;
    const struct mrc_contract plain = mrc_contract_of_slices(128, 3, false);
    struct mrc_contract other = plain;
    assert_true(mrc_contract_is_plain(&plain));
    other.room[1] = 2.2;
    assert_false(mrc_contract_is_plain(&other));
    other = plain;
    other.high_percentile = 99.0;
    assert_false(mrc_contract_is_plain(&other));
    assert_true(mrc_contract_room(&other, MRC_CONTRAST_T2W) == 1.0);
    assert_true(mrc_contract_room(&other, MRC_CONTRAST_FLAIR) == 1.0);
    assert_int_equal(mrc_contract_index(&other, MRC_CONTRAST_T2W), 1);
    assert_int_equal(mrc_contract_index(&other, MRC_CONTRAST_FLAIR), -1);
}

static void test_what_is_made_of_what(void **unused) {
    (void)unused;
    struct mrc_contract c = MRC_CONTRACT_DEFAULTS;
    enum mrc_contrast from = MRC_CONTRAST_UNKNOWN;
    struct mrc_error err = {0};
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_T1W, NULL), MRC_OK);
    assert_int_equal(from, MRC_CONTRAST_T2W);
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_T2W, NULL), MRC_ERR_ARGUMENT);
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_FLAIR, &err),
                     MRC_ERR_ARGUMENT);
    assert_string_equal(err.text, "translation to FLAIR, expected one of the model's, T1w,T2w");

    /* of three it has to be said */
    c.contrast_count = 3;
    c.contrasts[2] = MRC_CONTRAST_FLAIR;
    c.room[2] = 1.5;
    from = MRC_CONTRAST_UNKNOWN;
    err = (struct mrc_error){0};
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_T2W, &err), MRC_ERR_ARGUMENT);
    assert_string_equal(err.text, "translation from unknown, expected T1w or FLAIR, from which the "
                                  "model makes T2w");
    from = MRC_CONTRAST_FLAIR;
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_T2W, NULL), MRC_OK);
    assert_int_equal(from, MRC_CONTRAST_FLAIR);
    from = MRC_CONTRAST_PDW;
    assert_int_equal(mrc_contract_settle_from(&from, &c, MRC_CONTRAST_T2W, NULL), MRC_ERR_ARGUMENT);

    /* two of them keep their room */
    assert_int_equal(mrc_contract_parse(&c, MRC_CONTRACT_LIST, "FLAIR,PDw", NULL), MRC_OK);
    assert_true(c.room[0] == 1.5 && c.room[1] == 1.0);

    char words[MRC_CONTRACT_TEXT];
    assert_int_equal(mrc_contract_parse(&c, MRC_CONTRACT_LIST, "T1w,T2w,PDw,FLAIR", NULL), MRC_OK);
    mrc_contract_print_choice(words, &c, MRC_CONTRAST_UNKNOWN);
    assert_string_equal(words, "T1w, T2w, PDw or FLAIR");
    mrc_contract_print_choice(words, &c, MRC_CONTRAST_T2W);
    assert_string_equal(words, "T1w, PDw or FLAIR");
    c.contrast_count = 1;
    mrc_contract_print_choice(words, &c, MRC_CONTRAST_T1W);
    assert_string_equal(words, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_read_as_written),
        cmocka_unit_test(test_words_are_plain),
        cmocka_unit_test(test_other_words_are_refused),
        cmocka_unit_test(test_contradictions_are_refused),
        cmocka_unit_test(test_what_is_plain),
        cmocka_unit_test(test_what_is_made_of_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
