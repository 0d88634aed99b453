/* test_nifti_header.c: the check in front of niftilib, header by header, in both versions and both
 * byte orders. Each case is one field changed in a good header. */
#include "support.h"

#include <math.h>
#include <nifti/nifti1.h>
#include <nifti/nifti2.h>
#include <string.h>

#include "io/nifti/nifti_fields.h"
#include "io/nifti/nifti_header.h"

/* The fields a case may change; written into either version. */
struct fields {
    int sizeof_hdr;
    int64_t dim[8];
    int datatype, bitpix, units;
    double pixdim[8], vox_offset, slope, inter;
    const char *magic;
};
static const struct fields good = {.sizeof_hdr = 0,
                                   .dim = {3, 4, 5, 6, 1, 1, 1, 1},
                                   .datatype = MRC_NIFTI_INT16,
                                   .bitpix = 16,
                                   .units = 2,
                                   .pixdim = {1, 2, 3, 4, 1, 1, 1, 1},
                                   .vox_offset = 0,
                                   .slope = 1,
                                   .inter = 0,
                                   .magic = NULL};

static size_t make_1(unsigned char *raw, const struct fields *f) {
    struct nifti_1_header h = {.sizeof_hdr = f->sizeof_hdr != 0 ? f->sizeof_hdr : 348,
                               .datatype = (short)f->datatype,
                               .bitpix = (short)f->bitpix,
                               .vox_offset = f->vox_offset != 0 ? (float)f->vox_offset : 352.0f,
                               .scl_slope = (float)f->slope,
                               .scl_inter = (float)f->inter,
                               .xyzt_units = (char)f->units};
    for (int d = 0; d < 8; ++d) {
        h.dim[d] = (short)f->dim[d];
        h.pixdim[d] = (float)f->pixdim[d];
    }
    memcpy(h.magic, f->magic != NULL ? f->magic : "n+1", 4);
    memcpy(raw, &h, sizeof h);
    return sizeof h;
}

static size_t make_2(unsigned char *raw, const struct fields *f) {
    struct nifti_2_header h = {.sizeof_hdr = f->sizeof_hdr != 0 ? f->sizeof_hdr : 540,
                               .datatype = (int16_t)f->datatype,
                               .bitpix = (int16_t)f->bitpix,
                               .vox_offset = f->vox_offset != 0 ? (int64_t)f->vox_offset : 544,
                               .scl_slope = f->slope,
                               .scl_inter = f->inter,
                               .xyzt_units = f->units};
    for (int d = 0; d < 8; ++d) {
        h.dim[d] = f->dim[d];
        h.pixdim[d] = f->pixdim[d];
    }
    memcpy(h.magic, "n+2\0\r\n\032\n", 8);
    if (f->magic != NULL) memcpy(h.magic, f->magic, 4);
    memcpy(raw, &h, sizeof h);
    return sizeof h;
}

enum { IN_1 = 1, IN_2 = 2, IN_BOTH = 3 };
struct header_case {
    const char *name;
    struct fields f;
    int versions;
    enum mrc_status status;
    const char *words;
};
#define GOOD                                                                                       \
    .dim = {3, 4, 5, 6, 1, 1, 1, 1}, .datatype = 4, .bitpix = 16, .units = 2,                      \
    .pixdim = {1, 2, 3, 4, 1, 1, 1, 1}
#define DIMS(...)                                                                                  \
    {                                                                                              \
        .dim = {__VA_ARGS__}, .datatype = 4, .bitpix = 16, .units = 2, .pixdim = {                 \
            1,                                                                                     \
            2,                                                                                     \
            3,                                                                                     \
            4,                                                                                     \
            1,                                                                                     \
            1,                                                                                     \
            1,                                                                                     \
            1                                                                                      \
        }                                                                                          \
    }
#define TYPE(type, bits)                                                                           \
    {                                                                                              \
        .dim = {3, 4, 5, 6, 1, 1, 1, 1}, .datatype = (type), .bitpix = (bits), .units = 2,         \
        .pixdim = {                                                                                \
            1,                                                                                     \
            2,                                                                                     \
            3,                                                                                     \
            4,                                                                                     \
            1,                                                                                     \
            1,                                                                                     \
            1,                                                                                     \
            1                                                                                      \
        }                                                                                          \
    }
#define SPACING(unit, x)                                                                           \
    {                                                                                              \
        .dim = {3, 4, 5, 6, 1, 1, 1, 1}, .datatype = 4, .bitpix = 16, .units = (unit), .pixdim = { \
            1,                                                                                     \
            (x),                                                                                   \
            (x),                                                                                   \
            (x),                                                                                   \
            1,                                                                                     \
            1,                                                                                     \
            1,                                                                                     \
            1                                                                                      \
        }                                                                                          \
    }
static const struct header_case cases[] = {
    {"good", {GOOD}, IN_BOTH, MRC_OK, ""},
    {"sizeof_hdr", {GOOD, .sizeof_hdr = 349}, IN_BOTH, MRC_ERR_FORMAT, "sizeof_hdr is 349"},
    {"magic", {GOOD, .magic = "n-1"}, IN_BOTH, MRC_ERR_FORMAT, "magic is wrong"},
    {"analyze", {GOOD, .magic = "\0\0\0"}, IN_1, MRC_ERR_UNSUPPORTED, "ANALYZE 7.5"},
    {"pair", {GOOD, .magic = "ni1", .vox_offset = 352}, IN_1, MRC_OK, ""},
    {"no dims", DIMS(0), IN_BOTH, MRC_ERR_FORMAT, "dim[0] is 0"},
    {"8 dims", DIMS(8, 4, 5, 6, 1, 1, 1, 1), IN_BOTH, MRC_ERR_FORMAT, "dim[0] is 8"},
    {"-200 dims", DIMS(-200, 4, 5, 6), IN_BOTH, MRC_ERR_FORMAT, "dim[0] is -200"},
    {"2^62 dims", DIMS(INT64_C(1) << 62), IN_2, MRC_ERR_FORMAT, "dim[0] is 4611686018427387904"},
    {"7 dims of one", DIMS(7, 4, 5, 6, 1, 1, 1, 1), IN_BOTH, MRC_OK, ""},
    {"too many volumes", DIMS(5, 4, 5, 6, 3000, 3000), IN_BOTH, MRC_ERR_RANGE, "9000000 volumes"},
    {"flat", DIMS(2, 4, 5, 6), IN_BOTH, MRC_ERR_UNSUPPORTED, "4 x 5 x 1 voxels"},
    {"two slices", DIMS(3, 4, 5, 2), IN_BOTH, MRC_ERR_UNSUPPORTED, "4 x 5 x 2 voxels"},
    {"a line", DIMS(1, 4), IN_BOTH, MRC_ERR_UNSUPPORTED, "4 x 1 x 1 voxels"},
    {"side 0", DIMS(3, 4, 0, 6), IN_BOTH, MRC_ERR_FORMAT, "dim[2] is 0"},
    {"side -1", DIMS(3, 4, 5, -1), IN_BOTH, MRC_ERR_FORMAT, "dim[3] is -1"},
    {"side 4097", DIMS(3, 4097, 5, 6), IN_BOTH, MRC_ERR_RANGE, "dim[1] is 4097"},
    {"sides 2^62", DIMS(3, INT64_C(1) << 62, INT64_C(1) << 62, INT64_C(1) << 62), IN_2,
     MRC_ERR_RANGE, "dim[1] is 4611686018427387904"},
    {"2^36 voxels", DIMS(3, 4096, 4096, 4096), IN_BOTH, MRC_ERR_RANGE, "at most 2^29 voxels"},
    {"float64", TYPE(64, 64), IN_BOTH, MRC_OK, ""},
    {"uint64", TYPE(1280, 64), IN_BOTH, MRC_OK, ""},
    {"bits", TYPE(1, 1), IN_BOTH, MRC_ERR_UNSUPPORTED, "1-bit voxels"},
    {"complex64", TYPE(32, 64), IN_BOTH, MRC_ERR_UNSUPPORTED, "complex voxels"},
    {"complex256", TYPE(2048, 256), IN_BOTH, MRC_ERR_UNSUPPORTED, "complex voxels"},
    {"RGB", TYPE(128, 24), IN_BOTH, MRC_ERR_UNSUPPORTED, "RGB colour"},
    {"RGBA", TYPE(2304, 32), IN_BOTH, MRC_ERR_UNSUPPORTED, "RGBA colour"},
    {"float128", TYPE(1536, 128), IN_BOTH, MRC_ERR_UNSUPPORTED, "128-bit float"},
    {"type 0", TYPE(0, 0), IN_BOTH, MRC_ERR_FORMAT, "datatype 0 is none"},
    {"type 3", TYPE(3, 16), IN_BOTH, MRC_ERR_FORMAT, "datatype 3 is none"},
    {"type -4", TYPE(-4, 16), IN_BOTH, MRC_ERR_FORMAT, "datatype -4 is none"},
    {"bitpix", TYPE(4, 8), IN_BOTH, MRC_ERR_FORMAT, "bitpix is 8, expected 16"},
    {"offset 10", {GOOD, .vox_offset = 10}, IN_BOTH, MRC_ERR_FORMAT, "vox_offset is 10"},
    {"offset -1", {GOOD, .vox_offset = -1}, IN_BOTH, MRC_ERR_FORMAT, "vox_offset is -1"},
    {"offset 352.5", {GOOD, .vox_offset = 352.5}, IN_1, MRC_ERR_FORMAT, "vox_offset is 352.5"},
    {"offset NaN", {GOOD, .vox_offset = NAN}, IN_1, MRC_ERR_FORMAT, "vox_offset is"},
    {"offset inf", {GOOD, .vox_offset = INFINITY}, IN_1, MRC_ERR_FORMAT, "vox_offset is inf"},
    {"offset 1e9", {GOOD, .vox_offset = 1e9}, IN_BOTH, MRC_ERR_RANGE, "vox_offset is 1000000000"},
    {"offset 2^62", {GOOD, .vox_offset = 0x1p62}, IN_BOTH, MRC_ERR_RANGE, "vox_offset is 46116860"},
    {"offset 1300", {GOOD, .vox_offset = 1300}, IN_BOTH, MRC_ERR_FORMAT, "expected 1540 (240 of"},
    {"slope 1", {GOOD, .slope = 1.0}, IN_BOTH, MRC_OK, ""},
    {"slope 0", {GOOD, .slope = 0.0, .inter = 5}, IN_BOTH, MRC_OK, ""},
    {"slope inf", {GOOD, .slope = INFINITY}, IN_BOTH, MRC_OK, ""},
    {"inter NaN", {GOOD, .slope = 2.0, .inter = NAN}, IN_BOTH, MRC_ERR_FORMAT, "scl_inter is"},
    {"spacing 0", SPACING(2, 0), IN_BOTH, MRC_ERR_FORMAT, "spacing of 0 mm"},
    {"spacing -1", SPACING(2, -1), IN_BOTH, MRC_ERR_FORMAT, "spacing of -1 mm"},
    {"spacing NaN", SPACING(2, NAN), IN_BOTH, MRC_ERR_FORMAT, "pixdim[1]"},
    {"spacing inf", SPACING(2, INFINITY), IN_BOTH, MRC_ERR_FORMAT, "spacing of inf mm"},
    {"spacing 101 mm", SPACING(2, 101), IN_BOTH, MRC_ERR_FORMAT, "spacing of 101 mm"},
    {"spacing 1 m", SPACING(1, 1), IN_BOTH, MRC_ERR_FORMAT, "spacing of 1000 mm"},
    {"spacing 0.001 m", SPACING(1, 0.001), IN_BOTH, MRC_OK, ""},
    {"spacing 1000 um", SPACING(3, 1000), IN_BOTH, MRC_OK, ""},
    {"units and time", SPACING(10, 1), IN_BOTH, MRC_OK, ""},
    {"unit 5", SPACING(5, 1), IN_BOTH, MRC_ERR_FORMAT, "spatial unit code 5"},
};

/* As long as the good file is, in its version. */
static void check(const struct header_case *c, int version, bool swapped) {
    unsigned char raw[544] = {0};
    struct fields f = c->f;
    size_t bytes = version == 1 ? make_1(raw, &f) : make_2(raw, &f);
    int64_t file_bytes = (int64_t)bytes + 4 + 240 * 4;
    if (swapped) mrc_nifti_fields_swap(raw, bytes);
    struct mrc_nifti_facts facts;
    struct mrc_error err = {0};
    bool foreign = f.sizeof_hdr != 0 && swapped; /* an unknown size reads as another number */
    enum mrc_status st = mrc_nifti_check_header(&facts, raw, sizeof raw, file_bytes, "x.nii", &err);
    bool right = st == c->status && (foreign || strstr(err.text, c->words) != NULL) &&
                 (st == MRC_OK || strncmp(err.text, "x.nii: ", 7) == 0);
    if (!right)
        fail_msg("%s, version %d: %s \"%s\"", c->name, version, mrc_status_name(st), err.text);
    if (st != MRC_OK) return;
    assert_int_equal(facts.version, version);
    assert_int_equal(facts.swapped, swapped);
    assert_int_equal(facts.pair, f.magic != NULL);
    assert_true(facts.extent.i == 4 && facts.extent.j == 5 && facts.extent.k == 6);
    assert_true(facts.slope == 1.0 && facts.inter == 0.0);
    for (size_t cut = 0; cut < bytes; cut += 7) /* never a word beyond the size that is given */
        assert_int_equal(mrc_nifti_check_header(&facts, raw, cut, -1, "x", NULL), MRC_ERR_FORMAT);
}

static void test_cases(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        for (int version = 1; version <= 2; ++version) {
            if ((cases[c].versions & version) == 0) continue;
            check(&cases[c], version, false);
            check(&cases[c], version, true);
        }
    }
}

static void test_file_lengths(void **state) {
    (void)state;
    unsigned char raw[544] = {0};
    struct mrc_nifti_facts facts;
    (void)make_1(raw, &good);
    assert_int_equal(mrc_nifti_check_header(&facts, raw, 352, 352 + 240, "x", NULL), MRC_OK);
    assert_int_equal(mrc_nifti_check_header(&facts, raw, 352, 352 + 239, "x", NULL),
                     MRC_ERR_FORMAT);
    assert_int_equal(mrc_nifti_check_header(&facts, raw, 352, -1, "x", NULL), MRC_OK);
    assert_true(facts.data_offset == 352 && facts.data_bytes == 240 && facts.voxel_bytes == 2);
    assert_true(facts.spacing_mm[0] == 2.0 && facts.spacing_mm[2] == 4.0);
}

static void test_probe(void **state) {
    (void)state;
    unsigned char raw[544] = {0};
    size_t bytes = make_1(raw, &good);
    assert_true(mrc_nifti_probe_header(raw, bytes));
    assert_false(mrc_nifti_probe_header(raw, bytes - 1));
    mrc_nifti_fields_swap(raw, bytes);
    assert_true(mrc_nifti_probe_header(raw, bytes));
    raw[344] = 'x';
    assert_false(mrc_nifti_probe_header(raw, bytes));
    bytes = make_2(raw, &good);
    assert_true(mrc_nifti_probe_header(raw, 8));
    assert_false(mrc_nifti_probe_header(raw, 7));
    assert_false(mrc_nifti_probe_header(raw, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_file_lengths),
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
