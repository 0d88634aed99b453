/* test_dicom_walk.c: files made byte by byte, deep, cut and crooked, in front of DCMTK. */
#include "io/dicom_support.h"

#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "base/fs.h"
#include "io/dcmtk/bridge.h"
#include "io/dcmtk/walk.h"

/* Bytes that grow. */
struct bytes {
    unsigned char data[1 << 19];
    size_t size;
};

static void add(struct bytes *b, const void *data, size_t size) {
    assert_true(b->size + size <= sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void add_u16(struct bytes *b, unsigned value) {
    unsigned char le[2] = {(unsigned char)value, (unsigned char)(value >> 8)};
    add(b, le, 2);
}

static void add_u32(struct bytes *b, uint32_t value) {
    add_u16(b, value & 0xFFFF);
    add_u16(b, value >> 16);
}

static void add_tag(struct bytes *b, unsigned group, unsigned element) {
    add_u16(b, group);
    add_u16(b, element);
}

/* Preamble, and a group 2 that names the transfer syntax. */
static void begin_file(struct bytes *b, const char *syntax) {
    char uid[66] = "";
    size_t length = strlen(syntax);
    b->size = 0;
    memset(b->data, 0, 128);
    b->size = 128;
    add(b, "DICM", 4);
    (void)snprintf(uid, sizeof uid, "%s", syntax);
    add_tag(b, 0x0002, 0x0010);
    add(b, "UI", 2);
    add_u16(b, (unsigned)(length + length % 2));
    add(b, uid, length + length % 2);
}

static void add_modality(struct bytes *b, bool implicit) {
    add_tag(b, 0x0008, 0x0060);
    if (implicit) {
        add_u32(b, 2);
    } else {
        add(b, "CS", 2);
        add_u16(b, 2);
    }
    add(b, "MR", 2);
}

static enum mrc_status open_bytes(const struct bytes *b, struct mrc_error *err) {
    char *folder = folder_make();
    char *path = mrc_path_join(folder, "file.dcm");
    struct mrc_error none = {0};
    mrc_dcmtk_file *file = NULL;
    assert_ok(mrc_write_file(path, b->data, b->size, &none), &none);
    enum mrc_status st = mrc_dcmtk_open(&file, path, err);
    mrc_dcmtk_close(file);
    mrc_free(path);
    folder_remove(folder);
    return st;
}

static void expect_status(const struct bytes *b, enum mrc_status status, const char *words) {
    struct mrc_error err = {0};
    enum mrc_status st = open_bytes(b, &err);
    if (st != status)
        fail_msg("expected %s, found %s: %s", mrc_status_name(status), mrc_status_name(st),
                 err.text);
    if (strstr(err.text, words) == NULL) fail_msg("expected \"%s\" in: %s", words, err.text);
}

static struct bytes b; /* too large for the stack */

/* --- what the transfer syntax says --- */

/* ImageType, and Modality: first elements as scanners write them. */
static void add_elements(const char *encoding) {
    static const unsigned elements[] = {0x0008, 0x0060};
    const bool big = strcmp(encoding, "big") == 0;
    for (size_t e = 0; e < 2; ++e) {
        const unsigned char head[2][4] = {{8, 0, (unsigned char)elements[e], 0},
                                          {0, 8, 0, (unsigned char)elements[e]}};
        add(&b, head[big], 4);
        if (strcmp(encoding, "implicit") != 0) add(&b, "CS", 2);
        add(&b, big ? "\0\2" : "\2\0", 2);
        if (strcmp(encoding, "implicit") == 0) add(&b, "\0", 2);
        add(&b, "MR", 2);
    }
}

/* An archive that changes the one and not the other: told in one line, alike for every file. */
static void test_a_transfer_syntax_that_lies_is_told(void **state) {
    (void)state;
    static const struct {
        const char *syntax, *name, *encoding;
    } said[] = {{"1.2.840.10008.1.2", "implicit little endian", "implicit"},
                {"1.2.840.10008.1.2.1", "explicit little endian", "little"},
                {"1.2.840.10008.1.2.2", "explicit big endian", "big"},
                {"1.2.840.10008.1.2.4.70", "explicit little endian", "little"}};
    for (size_t s = 0; s < 4; ++s)
        for (size_t is = 0; is < 3; ++is) {
            struct mrc_error err = {0};
            char words[160];
            begin_file(&b, said[s].syntax);
            add_elements(said[is].encoding);
            if (strcmp(said[s].encoding, said[is].encoding) == 0) {
                assert_ok(open_bytes(&b, &err), &err);
                continue;
            }
            (void)snprintf(words, sizeof words,
                           ": TransferSyntaxUID (0002,0010) says %s, but the data set is %s",
                           said[s].name, said[is].name);
            expect_status(&b, MRC_ERR_FORMAT, words);
        }
    begin_file(&b, "1.2.840.10008.1.2.1.99");
    add_elements("little");
    expect_status(&b, MRC_ERR_FORMAT, "says deflated, but the data set is not");
}

/* --- nesting --- */

static const char explicit_le[] = "1.2.840.10008.1.2.1", implicit_le[] = "1.2.840.10008.1.2";

static void nest_open_ended(int depth, bool implicit, bool as_unknown) {
    begin_file(&b, implicit ? implicit_le : explicit_le);
    add_modality(&b, implicit);
    for (int d = 0; d < depth; ++d) {
        add_tag(&b, 0x0040, 0xA730);
        if (!implicit && !(as_unknown && d > 0)) {
            add(&b, as_unknown ? "UN" : "SQ", 2);
            add_u16(&b, 0);
        }
        add_u32(&b, UINT32_MAX);
        add_tag(&b, 0xFFFE, 0xE000);
        add_u32(&b, UINT32_MAX);
    }
    for (int d = 0; d < depth; ++d) {
        add_tag(&b, 0xFFFE, 0xE00D);
        add_u32(&b, 0);
        add_tag(&b, 0xFFFE, 0xE0DD);
        add_u32(&b, 0);
    }
}

/* Lengths known: each level takes 16 bytes (implicit) around the next. */
static void nest_measured(int depth) {
    begin_file(&b, implicit_le);
    add_modality(&b, true);
    for (int d = depth; d > 0; --d) {
        add_tag(&b, 0x0040, 0xA730);
        add_u32(&b, (uint32_t)(16 * d - 8));
        add_tag(&b, 0xFFFE, 0xE000);
        add_u32(&b, (uint32_t)(16 * d - 16));
    }
}

static void test_nesting_is_bounded(void **state) {
    (void)state;
    struct mrc_error err = {0};
    for (int implicit = 0; implicit < 2; ++implicit) {
        nest_open_ended(60, implicit == 1, false);
        assert_ok(open_bytes(&b, &err), &err);
        nest_open_ended(65, implicit == 1, false);
        expect_status(&b, MRC_ERR_RANGE, "nested more than 64 deep");
        nest_open_ended(10000, implicit == 1, false);
        expect_status(&b, MRC_ERR_RANGE, "nested more than 64 deep");
    }
    nest_open_ended(10000, false, true);
    expect_status(&b, MRC_ERR_RANGE, "nested more than 64 deep");
    nest_measured(60);
    assert_ok(open_bytes(&b, &err), &err);
    nest_measured(10000);
    expect_status(&b, MRC_ERR_RANGE, "nested more than 64 deep");
}

/* --- structure --- */

static void test_an_element_beyond_the_end(void **state) {
    (void)state;
    begin_file(&b, explicit_le);
    add_modality(&b, false);
    add_tag(&b, 0x0008, 0x103E);
    add(&b, "LO", 2);
    add_u16(&b, 100);
    add(&b, "short", 5);
    expect_status(&b, MRC_ERR_FORMAT, "truncated");
}

static void test_an_element_beyond_its_item(void **state) {
    (void)state;
    begin_file(&b, explicit_le);
    add_tag(&b, 0x0040, 0xA730);
    add(&b, "SQ", 2);
    add_u16(&b, 0);
    add_u32(&b, 18);
    add_tag(&b, 0xFFFE, 0xE000);
    add_u32(&b, 10);
    add_tag(&b, 0x0008, 0x0100);
    add(&b, "SH", 2);
    add_u16(&b, 50);
    add(&b, "xx", 2);
    for (int i = 0; i < 40; ++i) add(&b, "yy", 2);
    expect_status(&b, MRC_ERR_FORMAT, "longer than the sequence around it");
}

static void test_a_delimiter_without_a_sequence(void **state) {
    (void)state;
    begin_file(&b, explicit_le);
    add_modality(&b, false);
    add_tag(&b, 0xFFFE, 0xE0DD);
    add_u32(&b, 0);
    expect_status(&b, MRC_ERR_FORMAT, "delimiter stands outside");
}

static void test_an_unknown_value_representation(void **state) {
    (void)state;
    begin_file(&b, explicit_le);
    add_tag(&b, 0x0008, 0x0060);
    add(&b, "ZZ", 2);
    add_u16(&b, 2);
    add(&b, "MR", 2);
    expect_status(&b, MRC_ERR_FORMAT, "(0008,0060)");
}

static void test_an_open_sequence_at_the_end(void **state) {
    (void)state;
    begin_file(&b, explicit_le);
    add_tag(&b, 0x0040, 0xA730);
    add(&b, "SQ", 2);
    add_u16(&b, 0);
    add_u32(&b, UINT32_MAX);
    expect_status(&b, MRC_ERR_FORMAT, "truncated");
}

static void test_not_dicom(void **state) {
    (void)state;
    b.size = 0;
    for (int i = 0; i < 300; ++i) add(&b, "text", 4);
    assert_false(mrc_walk_probe(b.data, b.size));
    expect_status(&b, MRC_ERR_FORMAT, "not a DICOM file");
    b.size = 0;
    expect_status(&b, MRC_ERR_FORMAT, "empty");
    struct mrc_error err = {0};
    mrc_dcmtk_file *file = NULL;
    assert_int_equal(mrc_dcmtk_open(&file, "/nonexistent.dcm", &err), MRC_ERR_IO);
    assert_null(file);
}

/* Binary data of an implicit element that begins like an item and is none. */
static void test_data_that_looks_like_an_item(void **state) {
    (void)state;
    struct mrc_error err = {0};
    begin_file(&b, implicit_le);
    add_modality(&b, true);
    add_tag(&b, 0x0029, 0x1010);
    add_u32(&b, 20);
    add_tag(&b, 0xFFFE, 0xE000);
    add_u32(&b, 0x12345678);
    add(&b, "private data", 12);
    assert_ok(open_bytes(&b, &err), &err);
}

static void test_headers_longer_than_the_first_read(void **state) {
    (void)state;
    struct mrc_error err = {0};
    begin_file(&b, explicit_le);
    add_modality(&b, false);
    add_tag(&b, 0x0029, 0x1010);
    add(&b, "OB", 2);
    add_u16(&b, 0);
    add_u32(&b, 300000);
    for (int i = 0; i < 30000; ++i) add(&b, "0123456789", 10);
    assert_ok(open_bytes(&b, &err), &err);
    b.size -= 2;
    expect_status(&b, MRC_ERR_FORMAT, "truncated");
}

/* A file without preamble and group 2, in the three plain encodings. */
static void test_headerless(void **state) {
    (void)state;
    struct mrc_error err = {0};
    b.size = 0;
    add_modality(&b, false);
    while (b.size < 100) {
        add_tag(&b, 0x0010, 0x0020);
        add(&b, "LO", 2);
        add_u16(&b, 4);
        add(&b, "ID12", 4);
    }
    assert_true(mrc_walk_probe(b.data, b.size));
    assert_ok(open_bytes(&b, &err), &err);
    b.size = 0;
    add_modality(&b, true);
    while (b.size < 100) {
        add_tag(&b, 0x0010, 0x0020);
        add_u32(&b, 4);
        add(&b, "ID12", 4);
    }
    assert_ok(open_bytes(&b, &err), &err);
    b.size = 0;
    add(&b, "\x00\x08\x00\x60\x43\x53\x00\x02MR", 10);
    while (b.size < 100) add(&b, "\x00\x10\x00\x20LO\x00\x04ID12", 12);
    assert_ok(open_bytes(&b, &err), &err);
}

/* --- deflated --- */

/* The data set of a file as raw deflate behind its group 2 (PS3.5 A.5). */
static void deflate_dataset(void) {
    static unsigned char packed[1 << 16];
    z_stream z = {0};
    size_t dataset_at = b.size;
    add_modality(&b, false);
    for (int i = 0; i < 500; ++i) {
        add_tag(&b, 0x0010, (unsigned)(0x1000 + 2 * i));
        add(&b, "LO", 2);
        add_u16(&b, 4);
        add(&b, "text", 4);
    }
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = b.data + dataset_at;
    z.avail_in = (uInt)(b.size - dataset_at);
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = sizeof packed - z.avail_out;
    (void)deflateEnd(&z);
    b.size = dataset_at;
    add(&b, packed, size);
}

static void test_deflated(void **state) {
    (void)state;
    struct mrc_error err = {0};
    begin_file(&b, "1.2.840.10008.1.2.1.99");
    deflate_dataset();
    assert_ok(open_bytes(&b, &err), &err);
    b.size -= 20;
    expect_status(&b, MRC_ERR_FORMAT, "deflated data set is broken or truncated");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_transfer_syntax_that_lies_is_told),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_an_element_beyond_the_end),
        cmocka_unit_test(test_an_element_beyond_its_item),
        cmocka_unit_test(test_a_delimiter_without_a_sequence),
        cmocka_unit_test(test_an_unknown_value_representation),
        cmocka_unit_test(test_an_open_sequence_at_the_end),
        cmocka_unit_test(test_not_dicom),
        cmocka_unit_test(test_data_that_looks_like_an_item),
        cmocka_unit_test(test_headers_longer_than_the_first_read),
        cmocka_unit_test(test_headerless),
        cmocka_unit_test(test_deflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
