/* codestream.c: see codestream.h. Each kind is read marker by marker and written anew; what is
 * entropy-coded is copied. Why an allow-list: names are put into segments nobody has heard of. */
#include "io/dcmtk/codestream.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { SLACK = 32, RLE_HEADER = 64, RLE_SEGMENTS = 15 };

/* Bytes that are read, and what is written of them. */
struct strip {
    const uint8_t *in;
    size_t count, at;
    unsigned char *out;
    size_t size;
    int precision;
    const char *name;
    struct mrc_error *err;
};

static enum mrc_status broken(const struct strip *s, const char *what) {
    return mrc_fail(s->err, MRC_ERR_FORMAT,
                    "%s: the compressed pixels cannot be cleaned: %s at byte %zu", s->name, what,
                    s->at);
}

static bool has(const struct strip *s, size_t count) {
    return count <= s->count - s->at;
}

static void keep(struct strip *s, size_t count) {
    memcpy(s->out + s->size, s->in + s->at, count);
    s->size += count;
    s->at += count;
}

static void put(struct strip *s, unsigned char byte) {
    s->out[s->size++] = byte;
}

static uint32_t big(const uint8_t *p, int bytes) {
    uint32_t value = 0;
    for (int b = 0; b < bytes; ++b) value = value << 8 | p[b];
    return value;
}

static uint32_t little(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Marker at s->at, with the fill bytes before it passed over; -1: none stands there. */
static int next_marker(struct strip *s) {
    if (!has(s, 2) || s->in[s->at] != 0xFF) return -1;
    while (has(s, 3) && s->in[s->at + 1] == 0xFF) ++s->at;
    return s->in[s->at + 1] == 0xFF ? -1 : s->in[s->at + 1];
}

/* The length of the segment whose marker stands at s->at, with the marker; 0: it is not whole. */
static size_t segment_bytes(const struct strip *s) {
    if (!has(s, 4)) return 0;
    size_t length = big(s->in + s->at + 2, 2);
    return length >= 2 && has(s, length + 2) ? length + 2 : 0;
}

/* --- JPEG and JPEG-LS --- */

/* DHT: tables of 17 bytes and as many values as those say. */
static bool huffman_fits(const uint8_t *at, size_t bytes) {
    while (bytes >= 17) {
        size_t values = 0;
        for (int i = 1; i <= 16; ++i) values += at[i];
        if (values > 256 || values + 17 > bytes) return false;
        at += values + 17;
        bytes -= values + 17;
    }
    return bytes == 0;
}

/* DQT: tables of 1 + 64 or 1 + 128 bytes. */
static bool quantiser_fits(const uint8_t *at, size_t bytes) {
    while (bytes > 0) {
        size_t table = (at[0] >> 4) == 0 ? 65 : 129;
        if (table > bytes) return false;
        at += table;
        bytes -= table;
    }
    return true;
}

static bool is_frame(int marker) {
    return (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
            marker != 0xCC) ||
           marker == 0xF7 || marker == 0xDE;
}

/* Has a segment of a picture exactly what such a segment holds? `at`: behind its length. */
static bool segment_fits(int marker, const uint8_t *at, size_t bytes) {
    if (is_frame(marker)) return bytes >= 6 && bytes == 6 + 3 * (size_t)at[5];
    switch (marker) {
    case 0xC4: return huffman_fits(at, bytes);
    case 0xDB: return quantiser_fits(at, bytes);
    case 0xCC: return bytes % 2 == 0 && bytes <= 64;
    case 0xDA: return bytes >= 4 && bytes == 4 + 2 * (size_t)at[0];
    case 0xDC:
    case 0xDD: return bytes == 2;
    case 0xDF: return bytes == 1;
    case 0xF8: return bytes == 11 && at[0] == 1; /* LSE: preset thresholds */
    default: return false;
    }
}

/* Entropy-coded bytes, up to the next marker. In JPEG-LS a zero bit is stuffed behind FF, in JPEG a
 * zero byte. */
static void keep_scan(struct strip *s, bool ls) {
    while (has(s, 2)) {
        const uint8_t *p = s->in + s->at;
        bool restart = p[0] == 0xFF && p[1] >= 0xD0 && p[1] <= 0xD7;
        bool stuffed = p[0] == 0xFF && (ls ? p[1] < 0x80 : p[1] == 0);
        if (p[0] == 0xFF && !restart && !stuffed) return;
        keep(s, p[0] == 0xFF ? 2 : 1);
    }
}

static enum mrc_status strip_segment(struct strip *s, int marker, bool ls) {
    size_t bytes = segment_bytes(s);
    if (bytes == 0) return broken(s, "a segment is cut");
    bool dropped = marker == 0xFE || (marker >= 0xE0 && marker <= 0xEF);
    if (!dropped && !segment_fits(marker, s->in + s->at + 4, bytes - 4))
        return broken(s, "a segment that is unknown or holds more than it may");
    if (is_frame(marker)) s->precision = s->in[s->at + 4];
    if (dropped)
        s->at += bytes;
    else
        keep(s, bytes);
    if (marker == 0xDA) keep_scan(s, ls);
    return MRC_OK;
}

static enum mrc_status strip_jpeg(struct strip *s, bool ls) {
    if (next_marker(s) != 0xD8) return broken(s, "no beginning of an image");
    keep(s, 2);
    for (;;) {
        int marker = next_marker(s);
        if (marker < 0) return broken(s, "no marker, or no end of the image");
        if (marker == 0xD9) {
            keep(s, 2);
            return s->precision > 0 ? MRC_OK : broken(s, "no frame");
        }
        enum mrc_status st = strip_segment(s, marker, ls);
        if (st != MRC_OK) return st;
    }
}

/* --- JPEG 2000 --- */

/* Passes over the boxes of a JP2 file to the codestream in it. */
static bool enter_box(struct strip *s) {
    static const uint8_t signature[8] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    if (!has(s, 12) || memcmp(s->in, signature, sizeof signature) != 0) return true;
    while (has(s, 8)) {
        size_t length = big(s->in + s->at, 4);
        bool codestream = memcmp(s->in + s->at + 4, "jp2c", 4) == 0;
        if (length == 0) length = s->count - s->at; /* up to the end */
        if (length < 8 || !has(s, length)) return false;
        if (codestream) {
            s->count = s->at + length;
            s->at += 8;
            return true;
        }
        s->at += length;
    }
    return false;
}

enum { KEEP, DROP, UNKNOWN };
static int main_header_rule(int marker) {
    switch (marker) {
    case 0x50: /* CAP */
    case 0x51: /* SIZ */
    case 0x52: /* COD */
    case 0x53: /* COC */
    case 0x57: /* PLM */
    case 0x59: /* CPF */
    case 0x5C: /* QCD */
    case 0x5D: /* QCC */
    case 0x5E: /* RGN */
    case 0x5F: /* POC */
    case 0x60: /* PPM */
    case 0x63: /* CRG */ return KEEP;
    case 0x55: /* TLM: lengths of tile-parts, which change */
    case 0x64: /* COM */ return DROP;
    default: return UNKNOWN;
    }
}

static int tile_header_rule(int marker) {
    switch (marker) {
    case 0x52:
    case 0x53:
    case 0x58: /* PLT */
    case 0x5C:
    case 0x5D:
    case 0x5E:
    case 0x5F:
    case 0x61: /* PPT */ return KEEP;
    case 0x64: return DROP;
    default: return UNKNOWN;
    }
}

/* SIZ: 38 bytes and three for each component, of which all have one precision here. */
static enum mrc_status read_size(struct strip *s, size_t bytes) {
    const uint8_t *p = s->in + s->at;
    if (bytes < 40 || bytes != 40 + 3 * (size_t)big(p + 38, 2) || big(p + 38, 2) == 0)
        return broken(s, "a size segment of another length");
    s->precision = (p[40] & 0x7F) + 1;
    return MRC_OK;
}

/* Segments up to the marker `end`. */
static enum mrc_status strip_headers(struct strip *s, int end, int end_too,
                                     int (*rule)(int marker)) {
    for (;;) {
        if (!has(s, 2) || s->in[s->at] != 0xFF) return broken(s, "no marker");
        int marker = s->in[s->at + 1];
        if (marker == end || marker == end_too) return MRC_OK;
        size_t bytes = segment_bytes(s);
        int what = rule(marker);
        if (bytes == 0) return broken(s, "a segment is cut");
        if (what == UNKNOWN) return broken(s, "a segment that is unknown");
        if (marker == 0x51) {
            enum mrc_status st = read_size(s, bytes);
            if (st != MRC_OK) return st;
        }
        if (what == DROP)
            s->at += bytes;
        else
            keep(s, bytes);
    }
}

/* Coded bytes never hold FF90 or above: so the end of the image is found also where the last
 * tile-part does not say how long it is. */
static size_t end_of_data(const struct strip *s) {
    size_t at = s->at;
    while (at + 1 < s->count && !(s->in[at] == 0xFF && s->in[at + 1] == 0xD9)) ++at;
    return at;
}

/* SOT, its header, SOD, data; Psot is written anew. */
static enum mrc_status strip_tile_part(struct strip *s) {
    size_t began = s->at, written = s->size;
    if (!has(s, 12) || big(s->in + s->at + 2, 2) != 10) return broken(s, "a tile-part is cut");
    size_t length = big(s->in + s->at + 6, 4);
    if (length != 0 && (length < 14 || !has(s, length)))
        return broken(s, "a tile-part is longer than the stream");
    keep(s, 12);
    enum mrc_status st = strip_headers(s, 0x93, 0x93, tile_header_rule);
    if (st != MRC_OK) return st;
    size_t end = length != 0 ? began + length : end_of_data(s);
    if (end < s->at + 2 || end > s->count) return broken(s, "a tile-part is cut");
    keep(s, end - s->at);
    size_t now = s->size - written;
    for (int b = 0; b < 4; ++b)
        s->out[written + 6 + (size_t)b] = (unsigned char)(now >> (24 - 8 * b));
    return MRC_OK;
}

static enum mrc_status strip_jpeg2000(struct strip *s) {
    if (!enter_box(s) || !has(s, 2) || s->in[s->at] != 0xFF || s->in[s->at + 1] != 0x4F)
        return broken(s, "no beginning of an image");
    keep(s, 2);
    enum mrc_status st = strip_headers(s, 0x90, 0xD9, main_header_rule);
    while (st == MRC_OK && has(s, 2) && s->in[s->at] == 0xFF && s->in[s->at + 1] == 0x90)
        st = strip_tile_part(s);
    if (st != MRC_OK) return st;
    bool ended = has(s, 2) && s->in[s->at] == 0xFF && s->in[s->at + 1] == 0xD9;
    bool padded = !has(s, 2) && (!has(s, 1) || s->in[s->at] == 0); /* some leave the end out */
    if (!ended && !padded) return broken(s, "no end of the image");
    put(s, 0xFF);
    put(s, 0xD9);
    return s->precision > 0 ? MRC_OK : broken(s, "no size");
}

/* --- RLE --- */

/* PackBits until `samples` bytes are told; false: the segment ends before, or tells more. */
static bool keep_packed(struct strip *s, size_t end, size_t samples) {
    while (samples > 0) {
        if (s->at >= end) return false;
        unsigned control = s->in[s->at];
        size_t told = control < 128 ? control + 1 : control > 128 ? 257 - control : 0;
        size_t bytes = control < 128 ? control + 2 : 2;
        if (control == 128) {
            ++s->at;
            continue;
        }
        if (told > samples || bytes > end - s->at) return false;
        keep(s, bytes);
        samples -= told;
    }
    return true;
}

static enum mrc_status strip_rle(struct strip *s, size_t samples) {
    size_t segments = s->count >= RLE_HEADER ? little(s->in) : 0;
    if (segments < 1 || segments > RLE_SEGMENTS) return broken(s, "no header of run lengths");
    memset(s->out, 0, RLE_HEADER);
    s->out[0] = (unsigned char)segments;
    s->size = RLE_HEADER;
    for (size_t g = 0; g < segments; ++g) {
        size_t begin = little(s->in + 4 * (g + 1));
        size_t end = g + 1 < segments ? little(s->in + 4 * (g + 2)) : s->count;
        if (begin < RLE_HEADER || begin > end || end > s->count)
            return broken(s, "a segment of run lengths is cut");
        for (int b = 0; b < 4; ++b)
            s->out[4 * (g + 1) + (size_t)b] = (unsigned char)(s->size >> (8 * b));
        s->at = begin;
        if (!keep_packed(s, end, samples))
            return broken(s, "run lengths that are not those of the image");
        if (s->size % 2 == 1) put(s, 0);
    }
    return MRC_OK;
}

/* --- all --- */

enum mrc_codestream mrc_codestream_of(const char *transfer_syntax) {
    static const struct {
        const char *uid;
        enum mrc_codestream kind;
    } kinds[] = {{"1.2.840.10008.1.2.4.80", MRC_CODESTREAM_JPEG_LS},
                 {"1.2.840.10008.1.2.4.81", MRC_CODESTREAM_JPEG_LS},
                 {"1.2.840.10008.1.2.4.90", MRC_CODESTREAM_JPEG2000},
                 {"1.2.840.10008.1.2.4.91", MRC_CODESTREAM_JPEG2000},
                 {"1.2.840.10008.1.2.5", MRC_CODESTREAM_RLE}};
    static const char jpeg[] = "1.2.840.10008.1.2.4.";
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; ++k)
        if (strcmp(kinds[k].uid, transfer_syntax) == 0) return kinds[k].kind;
    size_t length = sizeof jpeg - 1; /* .50 to .70 are those of T.81 */
    bool old = strncmp(transfer_syntax, jpeg, length) == 0 &&
               strlen(transfer_syntax) == length + 2 &&
               (transfer_syntax[length] == '5' || transfer_syntax[length] == '6' ||
                strcmp(transfer_syntax + length, "70") == 0);
    return old ? MRC_CODESTREAM_JPEG : MRC_CODESTREAM_NONE;
}

enum mrc_status mrc_codestream_strip(unsigned char **out, size_t *size, int *precision,
                                     enum mrc_codestream kind, const uint8_t *bytes, size_t count,
                                     size_t plane_bytes, const char *name, struct mrc_error *err) {
    struct strip s = {.in = bytes, .count = count, .name = name, .err = err};
    *out = NULL;
    *size = 0;
    *precision = 0;
    s.out = mrc_alloc(count + SLACK + RLE_HEADER, 1);
    if (s.out == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", name);
    enum mrc_status st = MRC_OK;
    switch (kind) {
    case MRC_CODESTREAM_JPEG: st = strip_jpeg(&s, false); break;
    case MRC_CODESTREAM_JPEG_LS: st = strip_jpeg(&s, true); break;
    case MRC_CODESTREAM_JPEG2000: st = strip_jpeg2000(&s); break;
    case MRC_CODESTREAM_RLE: st = strip_rle(&s, plane_bytes); break;
    case MRC_CODESTREAM_NONE: st = broken(&s, "a kind that is unknown"); break;
    }
    if (st != MRC_OK) {
        mrc_free(s.out);
        return st;
    }
    *out = s.out;
    *size = s.size;
    *precision = s.precision;
    return MRC_OK;
}
