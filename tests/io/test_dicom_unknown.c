/* test_dicom_unknown.c: elements of VR UN against what PS3.5 6.2.2 says of them; random bytes against
 * a reading of our own; private blocks wherever they lie; sequences, whole and broken. */
#include "io/dicom_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

enum { MOST = 4096 };

/* A data set in explicit VR little endian, without a preamble, that grows. */
struct set {
    unsigned char bytes[MOST];
    size_t size;
};

static void put(struct set *s, const void *bytes, size_t count) {
    assert_true(s->size + count <= MOST);
    memcpy(s->bytes + s->size, bytes, count);
    s->size += count;
}

static void put_number(struct set *s, uint64_t value, int count) {
    for (int b = 0; b < count; ++b) put(s, &(unsigned char){(unsigned char)(value >> 8 * b)}, 1);
}

static void put_tag(struct set *s, uint32_t tag) {
    put_number(s, tag >> 16, 2);
    put_number(s, tag & 0xFFFF, 2);
}

static void put_text(struct set *s, uint32_t tag, const char *vr, const char *text) {
    put_tag(s, tag);
    put(s, vr, 2);
    put_number(s, strlen(text), 2);
    put(s, text, strlen(text));
}

static void put_unknown(struct set *s, uint32_t tag, const void *value, size_t count) {
    put_tag(s, tag);
    put(s, "UN\0\0", 4);
    put_number(s, count, 4);
    put(s, value, count);
}

static void begin(struct set *s) {
    s->size = 0;
    put_text(s, MRC_TAG(0x0008, 0x0005), "CS", "ISO_IR 100");
    put_text(s, MRC_TAG(0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.4\0");
    put_text(s, MRC_TAG(0x0008, 0x0060), "CS", "MR");
    put_text(s, MRC_TAG(0x0008, 0x103E), "LO", "behind it come unknown ones, at length");
}

static char *folder;

static mrc_dcmtk_file *open_set(const struct set *s) {
    struct mrc_error err = {0};
    mrc_dcmtk_file *file = NULL;
    char *path = mrc_path_join(folder, "un.dcm");
    assert_ok(mrc_write_file(path, s->bytes, s->size, &err), &err);
    assert_ok(mrc_dcmtk_open(&file, path, &err), &err);
    mrc_free(path);
    return file;
}

static bool has_number(double *out, const struct set *s, uint32_t tag) {
    mrc_dcmtk_file *file = open_set(s);
    bool found = mrc_dcmtk_number(out, mrc_dcmtk_root(file), tag, 0);
    mrc_dcmtk_close(file);
    return found;
}

static void test_by_the_dictionary(void **state) {
    (void)state;
    static const struct {
        uint32_t tag;
        const char *bytes;
        size_t count;
        double expected; /* NAN: nothing that can be interpreted */
    } cases[] = {
        {MRC_TAG(0x0018, 0x0050), "4.0 ", 4, 4.0},
        {MRC_TAG(0x0018, 0x0087), "3", 1, 3.0},
        {MRC_TAG(0x0018, 0x0080), "5\\x", 3, (double)NAN},
        {MRC_TAG(0x0018, 0x9087), "\0\0\0\0\0\x40\x8f\x40", 8, 1000.0},
        {MRC_TAG(0x0018, 0x9087), "\0\0\x8f\x40", 4, (double)NAN},
        {MRC_TAG(0x0028, 0x0010), "\x00\x01", 2, 256.0},
        {MRC_TAG(0x0018, 0x0050), "\x00\x00\x80\x40", 4, (double)NAN},
        {MRC_TAG(0x0018, 0x0050), "", 0, (double)NAN},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        static struct set s;
        double found = (double)NAN;
        begin(&s);
        put_unknown(&s, cases[c].tag, cases[c].bytes, cases[c].count);
        bool any = has_number(&found, &s, cases[c].tag);
        if (any != !isnan(cases[c].expected) || (any && found != cases[c].expected))
            fail_msg("case %zu: %d, %g, expected %g", c, any, found, cases[c].expected);
    }
}

/* Random lengths and bytes: a binary number is there exactly when its length is one of whole
 * values, and is that of its first bytes. Nothing crashes, whatever the tag. */
static void test_random_bytes(void **state) {
    (void)state;
    static const struct {
        uint32_t tag;
        size_t width;
        char kind;
    } known[] = {{MRC_TAG(0x0028, 0x0010), 2, 'U'}, {MRC_TAG(0x0020, 0x9162), 2, 'U'},
                 {MRC_TAG(0x0020, 0x9228), 4, 'U'}, {MRC_TAG(0x0018, 0x9087), 8, 'F'},
                 {MRC_TAG(0x5200, 0x9230), 0, 'Q'}, {MRC_TAG(0x0018, 0x0050), 0, 'T'},
                 {MRC_TAG(0x0008, 0x1140), 0, 'Q'}, {MRC_TAG(0x0019, 0x100A), 0, 'Q'}};
    static struct set s;
    srand(11);
    for (int round = 0; round < 2000; ++round) {
        size_t k = (size_t)rand() % (sizeof known / sizeof *known), count = (size_t)rand() % 20 * 2;
        unsigned char value[40];
        double found = 0.0;
        for (size_t i = 0; i < count; ++i) value[i] = (unsigned char)rand();
        if (known[k].kind == 'Q' && count >= 8 && rand() % 2 == 0) {
            memcpy(value, "\xFE\xFF\x00\xE0", 4); /* as if an item began: of a megabyte, */
            if (round % 50 > 0) value[6] &= 15;   /* or some of up to 4 GB */
            if (round % 50 > 0) value[7] = 0;
        }
        begin(&s);
        put_unknown(&s, known[k].tag, value, count);
        put_text(&s, MRC_TAG(0x7000, 0x0010), "LO", "END ");
        bool any = has_number(&found, &s, known[k].tag);
        if (known[k].width == 0) continue;
        bool whole = count > 0 && count % known[k].width == 0;
        uint64_t bits = 0;
        for (size_t b = whole ? known[k].width : 0; b > 0; --b) bits = bits << 8 | value[b - 1];
        double expected = (double)bits;
        if (known[k].kind == 'F') memcpy(&expected, &bits, sizeof expected);
        whole = whole && isfinite(expected) && fabs(expected) <= 1e300;
        if (any != whole) fail_msg("round %d: %zu bytes, there: %d", round, count, any);
        if (any && fabs(found - expected) > 1e-9 * fabs(expected))
            fail_msg("round %d: %g, expected %g", round, found, expected);
    }
}

/* (0020,9228) UL and (0018,9087) FD in an item, in implicit VR. */
static size_t make_item(unsigned char *out, bool undefined) {
    static struct set s;
    s.size = 0;
    put_tag(&s, MRC_TAG(0xFFFE, 0xE000));
    put_number(&s, undefined ? 0xFFFFFFFF : 16, 4);
    put_tag(&s, MRC_TAG(0x0018, 0x9087));
    put_number(&s, 8, 4);
    put(&s, "\0\0\0\0\0\x40\x8f\x40", 8);
    if (undefined) put_tag(&s, MRC_TAG(0xFFFE, 0xE00D));
    if (undefined) put_number(&s, 0, 4);
    memcpy(out, s.bytes, s.size);
    return s.size;
}

static void test_sequences(void **state) {
    (void)state;
    const uint32_t sequence = MRC_TAG(0x0018, 0x9117), b = MRC_TAG(0x0018, 0x9087);
    static struct set s;
    unsigned char item[64];
    double found = 0.0;
    for (int undefined = 0; undefined < 2; ++undefined) {
        size_t count = make_item(item, undefined == 1);
        begin(&s);
        put_unknown(&s, sequence, item, count);
        mrc_dcmtk_file *file = open_set(&s);
        assert_int_equal(mrc_dcmtk_count(mrc_dcmtk_root(file), sequence), 1);
        assert_true(
            mrc_dcmtk_number(&found, mrc_dcmtk_child(mrc_dcmtk_root(file), sequence, 0), b, 0));
        assert_true(found == 1000.0);
        mrc_dcmtk_close(file);
        begin(&s); /* cut short it is nothing, and what follows is read */
        put_unknown(&s, sequence, item, count - 3);
        put_text(&s, MRC_TAG(0x0020, 0x4000), "LT", "behind");
        file = open_set(&s);
        char text[16];
        assert_int_equal(mrc_dcmtk_count(mrc_dcmtk_root(file), sequence), 0);
        assert_true(
            mrc_dcmtk_text(text, sizeof text, mrc_dcmtk_root(file), MRC_TAG(0x0020, 0x4000), 0));
        mrc_dcmtk_close(file);
    }
}

/* A maker's block at any place, its elements as they are and as UN. */
static void test_private_blocks(void **state) {
    (void)state;
    for (unsigned block = 0x10; block <= 0xFF; block += 0x29)
        for (int unknown = 0; unknown < 2; ++unknown) {
            static struct set s;
            double kind = 0.0;
            begin(&s);
            put_text(&s, MRC_TAG(0x0043, block), "LO", "GEMS_PARM_01");
            uint32_t tag = MRC_TAG(0x0043, block << 8 | 0x2F);
            if (unknown) put_unknown(&s, tag, "\xFE\xFF", 2);
            if (!unknown) put_tag(&s, tag);
            if (!unknown) put(&s, "SS\x02\0\xFE\xFF", 6);
            mrc_dcmtk_file *file = open_set(&s);
            mrc_dcmtk_item *root = mrc_dcmtk_root(file);
            assert_true(mrc_dcmtk_private_number(&kind, root, 0x0043, "GEMS_PARM_01", 0x2F, "SS"));
            assert_true(kind == -2.0);
            assert_false(mrc_dcmtk_private_number(&kind, root, 0x0043, "OTHER", 0x2F, "SS"));
            mrc_dcmtk_close(file);
        }
}

static int make(void **state) {
    (void)state;
    folder = folder_make();
    return 0;
}

static int clear(void **state) {
    (void)state;
    folder_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_the_dictionary), cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_sequences), cmocka_unit_test(test_private_blocks)};
    return cmocka_run_group_tests(tests, make, clear);
}
