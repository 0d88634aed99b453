/* test_clean_words.c: what stays of a reason in a report that travels, and what is starred. */
#include "support.h"

#include <string.h>

#include "app/privacy/clean_words.h"

static const struct {
    const char *text, *expected;
} reasons[] = {
    {"/x/Doe/1.dcm: Modality is CT, expected MR", "Modality is CT, expected MR"},
    {"/x/Doe/1.dcm: Modality is DOE, expected MR", "Modality is *, expected MR"},
    {"a Siemens mosaic, expected one slice an image",
     "a Siemens mosaic, expected one slice an image"},
    {"derived: ImageType (0008,0008) is DERIVED\\SECONDARY\\MPR, expected an acquired image",
     "derived: ImageType (0008,0008) is DERIVED\\SECONDARY\\MPR, expected an acquired image"},
    {"derived: ImageType (0008,0008) is DERIVED\\DOE\\MPR, expected an acquired image",
     "derived: ImageType (0008,0008) is *, expected an acquired image"},
    {"PhotometricInterpretation is RGB, expected MONOCHROME1 or MONOCHROME2",
     "PhotometricInterpretation is RGB, expected MONOCHROME1 or MONOCHROME2"},
    {"pixdim[2] gives a spacing of -4 mm, expected more than 0 and at most 100",
     "pixdim[2] gives a spacing of -4 mm, expected more than 0 and at most 100"},
    {"doe[2] is 12 x 13 voxels, 19870613 of them", "*] is 12 x 13 voxels, * of them"},
    {"the pixels are in transfer syntax HTJ2K lossless RPCL (1.2.840.10008.1.2.4.202), which "
     "cannot be decoded here; decompress with pydicom and pylibjpeg-openjpeg",
     "the pixels are in transfer syntax HTJ2K lossless RPCL (*), which cannot be decoded here; "
     "decompress with pydicom and pylibjpeg-openjpeg"},
    {"contrast not recognised, expected T1w or T2w (--map overrules)",
     "contrast not recognised, expected T1w or T2w (--map overrules)"},
    {"slices magic-doe and IM0002 lie 10.50 mm apart", "slices * and * lie 10.50 mm apart"},
};

static void test_words(void **state) {
    (void)state;
    char out[300];
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; ++i) {
        mrc_clean_words(out, sizeof out, reasons[i].text, "/x/Doe/1.dcm", NULL);
        assert_string_equal(out, reasons[i].expected);
    }
}

/* A word of ours that is somebody's name, too. */
static void test_names(void **state) {
    (void)state;
    char out[300], *names[] = {(char *)"Long_Head.dcm"};
    struct mrc_name_list list = {.names = names, .count = 1};
    mrc_clean_words(out, sizeof out, "the head is long, magic is wrong", "/x/Magic^John", &list);
    assert_string_equal(out, "the head is *, * is wrong");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
