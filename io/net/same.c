/* same.c: one instance in two encodings. A PACS sends on what it got in the transfer syntax that it
 * likes; the SOP Instance UID stays (PS3.5 10), and so does all that the image says. */
#include <string.h>

#include "base/alloc.h"
#include "io/dcmtk/bridge.h"
#include "io/net/net.h"

enum { PREAMBLE = 132, DEEPEST = 64 };

/* Bytes of a data set in explicit VR little endian, every length told. */
struct bytes {
    const unsigned char *at;
    size_t left;
};
struct element {
    uint32_t tag;
    bool is_sequence;
    struct bytes value;
};

static size_t number(const unsigned char *at, size_t bytes) {
    size_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value |= (size_t)at[i] << (8 * i);
    return value;
}

static bool has_long_length(const unsigned char *vr) {
    static const char vrs[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
    for (size_t i = 0; i + 1 < sizeof vrs; i += 3)
        if (memcmp(vr, vrs + i, 2) == 0) return true;
    return false;
}

static bool next(struct element *out, struct bytes *b) {
    if (b->left < 8) return false;
    bool is_item = b->at[0] == 0xfe && b->at[1] == 0xff; /* of a sequence: without a VR */
    size_t head = !is_item && has_long_length(b->at + 4) ? 12 : 8;
    if (b->left < head) return false;
    size_t length = is_item      ? number(b->at + 4, 4)
                    : head == 12 ? number(b->at + 8, 4)
                                 : number(b->at + 6, 2);
    if (length > b->left - head) return false;
    out->tag = MRC_TAG(number(b->at, 2), number(b->at + 2, 2));
    out->is_sequence = !is_item && memcmp(b->at + 4, "SQ", 2) == 0;
    out->value = (struct bytes){.at = b->at + head, .left = length};
    b->at += head + length;
    b->left -= head + length;
    return true;
}

/* What compression may change of the description, not of the image: DCMTK's, for one, notes itself
 * in DerivationDescription. */
static bool is_of_encoding(uint32_t tag) {
    static const uint32_t tags[] = {MRC_TAG(0x0008, 0x2111), MRC_TAG(0x0028, 0x0004),
                                    MRC_TAG(0x0028, 0x0006)};
    for (size_t t = 0; t < sizeof tags / sizeof *tags; ++t)
        if (tag == tags[t]) return true;
    return false;
}

static bool next_compared(struct element *out, struct bytes *b) {
    while (next(out, b))
        if (!is_of_encoding(out->tag)) return true;
    return false;
}

/* Without regard to VRs: those of an implicit file are the dictionary's. */
static bool are_equal(struct bytes a, struct bytes b, int depth) {
    struct element one, other;
    for (;;) {
        bool more = next_compared(&one, &a);
        if (next_compared(&other, &b) != more) return false;
        if (!more) return a.left == 0 && b.left == 0;
        if (one.tag != other.tag || one.is_sequence != other.is_sequence) return false;
        bool nests = one.is_sequence || one.tag == MRC_TAG(0xfffe, 0xe000);
        if (nests ? depth == DEEPEST || !are_equal(one.value, other.value, depth + 1)
                  : one.value.left != other.value.left ||
                        memcmp(one.value.at, other.value.at, one.value.left) != 0)
            return false;
    }
}

static bool have_equal_headers(mrc_dcmtk_file *a, mrc_dcmtk_file *b) {
    unsigned char *one = NULL, *other = NULL;
    size_t one_size = 0, other_size = 0;
    bool equal = mrc_dcmtk_encode(&one, &one_size, a, NULL) == MRC_OK &&
                 mrc_dcmtk_encode(&other, &other_size, b, NULL) == MRC_OK && one_size > PREAMBLE &&
                 other_size > PREAMBLE;
    if (equal)
        equal = are_equal((struct bytes){one + PREAMBLE, one_size - PREAMBLE},
                          (struct bytes){other + PREAMBLE, other_size - PREAMBLE}, 0);
    mrc_free(other);
    mrc_free(one);
    return equal;
}

static bool is_native(const char *syntax) {
    static const char *const native[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
                                         "1.2.840.10008.1.2.2"};
    for (size_t s = 0; s < sizeof native / sizeof *native; ++s)
        if (strcmp(syntax, native[s]) == 0) return true;
    return false;
}

static bool is_lossless(const char *syntax) {
    static const char *const lossless[] = {"1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57",
                                           "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
                                           "1.2.840.10008.1.2.5"};
    for (size_t s = 0; s < sizeof lossless / sizeof *lossless; ++s)
        if (strcmp(syntax, lossless[s]) == 0) return true;
    return is_native(syntax);
}

static bool have_equal_pixels(mrc_dcmtk_file *a, mrc_dcmtk_file *b) {
    int64_t frames = 1;
    bool equal = true;
    (void)mrc_dcmtk_integer(&frames, mrc_dcmtk_root(a), MRC_TAG(0x0028, 0x0008), 0);
    for (int64_t f = 0; equal && f < frames; ++f) {
        struct mrc_dcmtk_pixels one = {0}, other = {0};
        equal = mrc_dcmtk_read_frame(&one, a, (size_t)f, NULL) == MRC_OK &&
                mrc_dcmtk_read_frame(&other, b, (size_t)f, NULL) == MRC_OK &&
                one.size == other.size && memcmp(one.bytes, other.bytes, one.size) == 0;
        mrc_free(other.bytes);
        mrc_free(one.bytes);
    }
    return equal;
}

static bool are_one(mrc_dcmtk_file *a, mrc_dcmtk_file *b) {
    const char *one = mrc_dcmtk_transfer_syntax(a), *other = mrc_dcmtk_transfer_syntax(b);
    if (strcmp(one, other) == 0 || !is_lossless(one) || !is_lossless(other)) return false;
    if (!have_equal_headers(a, b)) return false;
    return !is_native(one) || !is_native(other) || have_equal_pixels(a, b);
}

bool mrc_net_is_recoded(const char *path, const char *other) {
    mrc_dcmtk_file *a = NULL, *b = NULL;
    bool same = mrc_dcmtk_open(&a, path, NULL) == MRC_OK &&
                mrc_dcmtk_open(&b, other, NULL) == MRC_OK && are_one(a, b);
    mrc_dcmtk_close(b);
    mrc_dcmtk_close(a);
    return same;
}
