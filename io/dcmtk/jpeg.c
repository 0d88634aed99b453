/* jpeg.c: see jpeg.h. Markers are FF and a byte that is neither 0 nor FF; most begin a segment with
 * its length. */
#include "io/dcmtk/jpeg.h"

#include <stdbool.h>

enum {
    TEM = 0x01,
    DHT = 0xC4,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    CODES = 16,
    MOST_BITS = 16
};

static bool stands_alone(uint8_t marker) {
    return marker == TEM || (marker >= RST0 && marker <= EOI);
}

/* Several tables in one segment: class and number, 16 counts, as many values (B.2.4.2). Those of
 * class 0 are categories of differences: 0 to 16 bits (H.1.2.2). */
static enum mrc_status check_tables(const uint8_t *at, size_t left, const char *name,
                                    struct mrc_error *err) {
    while (left > 0) {
        size_t values = 0;
        if (left < 1 + CODES)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: a Huffman table is cut off", name);
        for (int i = 1; i <= CODES; ++i) values += at[i];
        if (values > left - 1 - CODES)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: a Huffman table of %zu values is cut off",
                            name, values);
        for (size_t v = 0; at[0] >> 4 == 0 && v < values; ++v)
            if (at[1 + CODES + v] > MOST_BITS)
                return mrc_fail(
                    err, MRC_ERR_FORMAT,
                    "%s: a Huffman table with differences of %u bits, expected at most %d", name,
                    (unsigned)at[1 + CODES + v], MOST_BITS);
        at += 1 + CODES + values;
        left -= 1 + CODES + values;
    }
    return MRC_OK;
}

/* The place behind the next marker; `size` when there is none. */
static size_t next_marker(const uint8_t *data, size_t size, size_t at) {
    for (; at + 1 < size; ++at)
        if (data[at] == 0xFF && data[at + 1] != 0 && data[at + 1] != 0xFF) return at + 2;
    return size;
}

enum mrc_status mrc_jpeg_check(const uint8_t *data, size_t size, const char *name,
                               struct mrc_error *err) {
    enum mrc_status st = MRC_OK;
    size_t at = next_marker(data, size, 0);
    while (st == MRC_OK && at < size) {
        uint8_t marker = data[at - 1];
        size_t length = 0;
        if (!stands_alone(marker)) {
            length = size - at >= 2 ? (size_t)(data[at] << 8 | data[at + 1]) : 0;
            if (length < 2 || length > size - at)
                return mrc_fail(err, MRC_ERR_FORMAT, "%s: a JPEG segment at byte %zu is cut off",
                                name, at);
        }
        if (marker == DHT) st = check_tables(data + at + 2, length - 2, name, err);
        at = next_marker(data, size, at + length);
    }
    return st;
}
