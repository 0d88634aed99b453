/* test_name_words.c: the table of words, word by word with a timing that would speak for a weighted
 * image, and series names of the world with their verdicts. */
#include "support.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "io/dicom/dicom_slice.h"
#include "io/image_name.h"
#include "io/name_words.h"

struct timing {
    const char *name, *sequence, *variant;
    double tr, te, ti, flip, etl;
};
static const struct timing timings[] = {{"T1SE", "SE", "SK", 600, 12, NAN, 90, 1},
                                        {"T1GR", "GR", "SP", 20, 4, NAN, 25, NAN},
                                        {"MPR", "GR\\IR", "SP\\MP", 2300, 3, 900, 9, NAN},
                                        {"T1FL", "SE\\IR", "SK", 2200, 9, 860, 90, 8},
                                        {"T2", "SE", "SK", 4000, 100, NAN, 150, 15},
                                        {"PD", "SE", "SK", 3000, 15, NAN, 90, 4},
                                        {"FLAIR", "SE\\IR", "SK", 9000, 120, 2500, 150, 15},
                                        {"STIR", "SE\\IR", "SK", 4500, 50, 150, 150, 15},
                                        {"T2S", "GR", "SP", 700, 20, NAN, 20, NAN},
                                        {"EPI", "EP", "SK", 3000, 80, NAN, 90, NAN},
                                        {"none", "", "", NAN, NAN, NAN, NAN, NAN}};

static const struct timing *find_timing(const char *name) {
    for (size_t t = 0; t < sizeof timings / sizeof *timings; ++t)
        if (strcmp(timings[t].name, name) == 0) return &timings[t];
    fail_msg("no timing %s", name);
    return NULL;
}

static enum mrc_contrast verdict(char reason[160], const char *series, const struct timing *t) {
    struct mrc_dicom_physics p = {.repetition_ms = t->tr,
                                  .echo_ms = t->te,
                                  .inversion_ms = t->ti,
                                  .flip_deg = t->flip,
                                  .echo_train = t->etl};
    bool unweighted = false;
    (void)snprintf(p.sequence, sizeof p.sequence, "%s", t->sequence);
    (void)snprintf(p.variant, sizeof p.variant, "%s", t->variant);
    (void)snprintf(p.series_description, sizeof p.series_description, "%s", series);
    return mrc_dicom_contrast(reason, 160, &unweighted, &p);
}

/* A name made of a pattern: "t1.c" as "t1c", " b.#" as "b1200". */
static void write_out(char *out, size_t capacity, const char *pattern) {
    size_t size = 0;
    for (const char *c = pattern; *c != '\0' && size + 5 < capacity; ++c) {
        if (*c == '#')
            size += (size_t)snprintf(out + size, capacity - size, "1200");
        else if (*c != '.' && (*c != ' ' || (size > 0 && c[1] != '\0')))
            out[size++] = *c;
    }
    out[size] = '\0';
}

static enum mrc_name_kind kind_of(const struct mrc_name_word *word) {
    return word->where == MRC_NAME_OF_FILE ? MRC_NAME_OF_FILE : MRC_NAME_OF_SERIES;
}

/* No row hides behind another, and a phrase that says nothing does say nothing. */
static void test_every_row_is_heard(void **state) {
    (void)state;
    char name[64];
    for (size_t w = 0; w < mrc_name_word_count; ++w) {
        const struct mrc_name_word *word = &mrc_name_words[w];
        struct mrc_name_said said = {0};
        write_out(name, sizeof name, word->pattern);
        mrc_name_listen(&said, name, kind_of(word));
        if ((said.says & word->says) != word->says || (word->says == 0 && said.says != 0))
            fail_msg("row %zu \"%s\" as \"%s\" says %x, expected %x", w, word->pattern, name,
                     said.says, word->says);
        for (size_t other = 0; other < w; ++other)
            if (strcmp(mrc_name_words[other].pattern, word->pattern) == 0)
                fail_msg("\"%s\" stands twice in the table", word->pattern);
    }
}

/* The word in the forms in which technicians put it into a name. */
static void put_into_name(char *out, size_t capacity, int form, const char *word) {
    static const char *const forms[] = {"T1 %s",  "%s T1",   "T1_%s_tra", "%s_t1_se",  "ax+%s+T1",
                                        "T1-%s",  "T1 (%s)", "T1_%s2",    "%s T2",     "T2_%s",
                                        "tse_%s", "%s",      "T2/%s/tra", "WIP %s T2w"};
    assert_true((size_t)form < sizeof forms / sizeof *forms);
    (void)snprintf(out, capacity, forms[form], word);
}
enum { FORMS = 14, WITH_DIGIT = 7 };

/* "c2" is a name of its own, as "t1" is. */
static bool takes_digit(const char *word) {
    size_t length = strlen(word);
    if (strcmp(word, "fa") == 0 || strcmp(word, "sub") == 0) return false; /* flip angle, subject */
    return length > 1 && isalpha((unsigned char)word[length - 1]) &&
           isalpha((unsigned char)word[length - 2]);
}

/* Whatever stands around a word that is no plain weighting, and however plausible the timing. */
static void test_vetoes_hold(void **state) {
    (void)state;
    static const char *const plausible[] = {"T1SE", "T1GR", "MPR", "T2"};
    char word[64], name[128], reason[160];
    for (size_t w = 0; w < mrc_name_word_count; ++w) {
        const struct mrc_name_word *row = &mrc_name_words[w];
        if ((row->says & MRC_SAYS_VETO) == 0 || row->where == MRC_NAME_OF_FILE) continue;
        write_out(word, sizeof word, row->pattern);
        for (int form = 0; form < FORMS; ++form)
            for (size_t t = form == WITH_DIGIT && !takes_digit(word) ? 4 : 0;
                 t < sizeof plausible / sizeof *plausible; ++t) {
                put_into_name(name, sizeof name, form, word);
                enum mrc_contrast found = verdict(reason, name, find_timing(plausible[t]));
                if (found != MRC_CONTRAST_UNKNOWN)
                    fail_msg("\"%s\" with the timing of %s is %s (%s)", name, plausible[t],
                             mrc_contrast_name(found), reason);
            }
    }
}

/* And in capitals: a name has no case. */
static void test_agents_are_heard(void **state) {
    (void)state;
    char word[64], name[128], reason[160];
    for (size_t w = 0; w < mrc_name_word_count; ++w) {
        const struct mrc_name_word *row = &mrc_name_words[w];
        if ((row->says & (MRC_SAYS_AGENT | MRC_SAYS_MAYBE_AGENT)) == 0 ||
            row->where == MRC_NAME_OF_FILE)
            continue;
        write_out(word, sizeof word, row->pattern);
        for (char *c = word; *c != '\0'; ++c) *c = (char)toupper((unsigned char)*c);
        for (int form = 0; form <= WITH_DIGIT - !takes_digit(word); ++form) {
            put_into_name(name, sizeof name, form, word);
            enum mrc_contrast found = verdict(reason, name, find_timing("T1SE"));
            if (found == MRC_CONTRAST_T1W || found == MRC_CONTRAST_T2W)
                fail_msg("\"%s\" is %s (%s)", name, mrc_contrast_name(found), reason);
        }
    }
}

static void test_who_says_without(void **state) {
    (void)state;
    char word[64], name[128], reason[160];
    for (size_t w = 0; w < mrc_name_word_count; ++w) {
        const struct mrc_name_word *row = &mrc_name_words[w];
        if ((row->says & MRC_SAYS_NO_AGENT) == 0 || row->where == MRC_NAME_OF_FILE) continue;
        write_out(word, sizeof word, row->pattern);
        (void)snprintf(name, sizeof name, "T1 %s", word);
        assert_int_equal(verdict(reason, name, find_timing("T1SE")), MRC_CONTRAST_T1W);
    }
}

/* Files of FSL, ANTs, FreeSurfer, SPM, dcm2niix and BIDS. */
static void test_file_names(void **state) {
    (void)state;
    static const char *const none[] = {"sub-01_part-phase_T1w.nii.gz",
                                       "sub-01_part-real_T2w.nii",
                                       "sub-01_label-GM_probseg.nii.gz",
                                       "sub-01_T1map.nii.gz",
                                       "sub-01_inv-1_MP2RAGE.nii.gz",
                                       "sub-01_UNIT1.nii.gz",
                                       "sub-01_desc-brain_mask.nii.gz",
                                       "sub-01_acq-x_T2map.nii",
                                       "sub-01_desc-adc_T2w.nii",
                                       "sub-01_seg-aparc_T1w.nii",
                                       "t1_gre_5_ph.nii",
                                       "t1_gre_6_e1_ph.nii.gz",
                                       "t1_7_real.nii",
                                       "t1_8_imaginary.nii",
                                       "T1_brain_pve_0.nii.gz",
                                       "T1_pveseg.nii.gz",
                                       "T1_fast_bias.nii",
                                       "T1_jac.nii.gz",
                                       "T1_mixeltype.nii",
                                       "T1_brain_mask.nii",
                                       "T1_roi.nii",
                                       "T1_BrainSegmentationPosteriors1.nii.gz",
                                       "T1_BrainExtractionMask.nii.gz",
                                       "T1_1Warp.nii.gz",
                                       "T1_CorticalThickness.nii.gz",
                                       "T1_aparc+aseg.nii.gz",
                                       "aseg_T1.nii",
                                       "c1sub-01_T1w.nii",
                                       "mwc2sub-01_T1w.nii",
                                       "mwp1T1.nii",
                                       "rc3T2.nii",
                                       "y_T1.nii",
                                       "wj_T1.nii",
                                       "BiasField_T1.nii",
                                       "T1_ribbon.nii",
                                       "T1_lesion.nii.gz",
                                       "T1_SyN_Jacobian.nii"};
    static const struct {
        const char *name;
        enum mrc_contrast contrast;
    } plain[] = {{"sub-01_part-mag_T1w.nii.gz", MRC_CONTRAST_T1W},
                 {"sub-01_desc-preproc_T1w.nii.gz", MRC_CONTRAST_T1W},
                 {"sub-01_dir-AP_T2w.nii.gz", MRC_CONTRAST_T2W},
                 {"sub-map_ses-scout_T2w.nii.gz", MRC_CONTRAST_T2W},
                 {"sub-01_ce-none_T1w.nii.gz", MRC_CONTRAST_T1W},
                 {"sub-01_space-MNI152NLin2009cAsym_T1w.nii", MRC_CONTRAST_T1W},
                 {"T1_biascorr_brain.nii.gz", MRC_CONTRAST_T1W},
                 {"T1_brain_restore.nii.gz", MRC_CONTRAST_T1W},
                 {"T1_noskull.nii", MRC_CONTRAST_T1W},
                 {"T1_skull_stripped.nii", MRC_CONTRAST_T1W},
                 {"c1_T1w.nii", MRC_CONTRAST_T1W}, /* the first control, by hand */
                 {"mT1.nii", MRC_CONTRAST_UNKNOWN},
                 {"BraTS-GLI-00001-000-t1n.nii.gz", MRC_CONTRAST_T1W},
                 {"BraTS-GLI-00001-000-t1c.nii.gz", MRC_CONTRAST_T1W_CE},
                 {"BraTS-GLI-00001-000-t2w.nii.gz", MRC_CONTRAST_T2W},
                 {"BraTS-GLI-00001-000-t2f.nii.gz", MRC_CONTRAST_FLAIR},
                 {"T1_post.nii.gz", MRC_CONTRAST_T1W_CE},
                 {"sub01_T1.nii.gz", MRC_CONTRAST_T1W}};
    for (size_t n = 0; n < sizeof none / sizeof *none; ++n) {
        struct mrc_file_name_said said;
        mrc_file_name_read(&said, none[n]);
        if (said.contrast != MRC_CONTRAST_UNKNOWN || !said.unweighted || said.veto[0] == '\0')
            fail_msg("%s: %s, expected to be no plain weighted image", none[n],
                     mrc_contrast_name(said.contrast));
    }
    for (size_t n = 0; n < sizeof plain / sizeof *plain; ++n)
        if (mrc_contrast_from_name(plain[n].name) != plain[n].contrast)
            fail_msg("%s: %s", plain[n].name,
                     mrc_contrast_name(mrc_contrast_from_name(plain[n].name)));
}

/* series_names.tsv: at least 200 names. */
static void test_names_of_the_world(void **state) {
    (void)state;
    unsigned char *text = NULL;
    size_t size = 0, names = 0, wrong = 0;
    struct mrc_error err = {0};
    char reason[160], *rest = NULL;
    assert_ok(mrc_read_file(&text, &size, MRC_TEST_DIR "/io/series_names.tsv", 1 << 20, &err),
              &err);
    for (char *line = strtok_r((char *)text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *columns = NULL;
        if (*line == '#') continue;
        const char *name = strtok_r(line, "\t", &columns), *timing = strtok_r(NULL, "\t", &columns),
                   *expected = strtok_r(NULL, "\t", &columns);
        assert_true(name != NULL && timing != NULL && expected != NULL);
        enum mrc_contrast found = verdict(reason, name, find_timing(timing));
        ++names;
        if (strcmp(mrc_contrast_name(found), expected) == 0) continue;
        ++wrong;
        print_message("\"%s\" (%s): %s, expected %s (%s)\n", name, timing, mrc_contrast_name(found),
                      expected, reason);
    }
    mrc_free(text);
    assert_true(names >= 200);
    assert_int_equal(wrong, 0);
}

/* ProtocolName: of a series, or (GE) of the whole examination. */
static void test_protocols(void **state) {
    (void)state;
    struct mrc_dicom_physics p = {
        .repetition_ms = 600, .echo_ms = 12, .inversion_ms = NAN, .flip_deg = 90};
    char reason[160];
    bool unweighted = false;
    (void)snprintf(p.sequence, sizeof p.sequence, "SE");
    (void)snprintf(p.series_description, sizeof p.series_description, "Ax T1");
    (void)snprintf(p.protocol_name, sizeof p.protocol_name, "BRAIN+MRA W/WO CONTRAST");
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                     MRC_CONTRAST_UNKNOWN);
    assert_true(unweighted);
    p.protocol_is_of_exam = true;
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p), MRC_CONTRAST_T1W);
    assert_false(unweighted);
    p.protocol_is_of_exam = false;
    (void)snprintf(p.protocol_name, sizeof p.protocol_name, "t1_se_KM");
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                     MRC_CONTRAST_T1W_CE);
    (void)snprintf(p.series_description, sizeof p.series_description, "Ax T1 pre");
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p), MRC_CONTRAST_T1W);
    p.contrast_agent = true; /* the header and the name disagree */
    assert_int_equal(mrc_dicom_contrast(reason, sizeof reason, &unweighted, &p),
                     MRC_CONTRAST_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_heard), cmocka_unit_test(test_vetoes_hold),
        cmocka_unit_test(test_agents_are_heard),   cmocka_unit_test(test_who_says_without),
        cmocka_unit_test(test_file_names),         cmocka_unit_test(test_names_of_the_world),
        cmocka_unit_test(test_protocols)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
