/* png_codec.c: libpng behind two functions that cannot jump out.
 * What a long jump may pass over: nothing is allocated between setjmp and the end of a section;
 * rows are read into a buffer that was made before, and everything that is looked at after a jump
 * lives in a record the caller of the section owns, not in a local variable. */
#include "io/png/png_codec.h"

#include <math.h>
#include <png.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/fault.h"

enum { MAX_SIDE = 4096, MAX_CHUNK_BYTES = 8 << 20, MAX_TEXT_CHUNKS = 64 };
static const char synthetic_key[] = "SyntheticData";

/* All that one reading needs; outlives the jumps. */
struct decoder {
    png_structp png;
    png_infop info;
    const unsigned char *data;
    size_t size, at;
    const char *name;
    char failure[128]; /* libpng's words, or ours */
    enum mrc_status status;
    struct mrc_png_facts facts;
    unsigned char *raw; /* [rows][row_bytes] */
    size_t row_bytes;
};

static void on_error(png_structp png, png_const_charp text) {
    struct decoder *d = png_get_error_ptr(png);
    (void)snprintf(d->failure, sizeof d->failure, "%s", text);
    png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text; /* libpng goes on, and so do we */
}

static void take_bytes(png_structp png, png_bytep out, size_t bytes) {
    struct decoder *d = png_get_io_ptr(png);
    if (bytes > d->size - d->at) png_error(png, "the file ends early");
    memcpy(out, d->data + d->at, bytes);
    d->at += bytes;
}

static size_t read_u32(const unsigned char *at) {
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | (size_t)at[3];
}

/* Do the chunks (length, type, data, checksum) lie inside the file up to IEND? libpng makes room
 * for a chunk by its length before it has seen that the file goes on, and its limit is only a
 * warning. */
static enum mrc_status check_chunks(const unsigned char *data, size_t size, const char *name,
                                    struct mrc_error *err) {
    size_t at = 8;
    bool last = false;
    while (!last) {
        if (size - at < 12 || read_u32(data + at) > size - at - 12) {
            return mrc_fail(err, MRC_ERR_FORMAT,
                            "%s: broken PNG (ends after %zu bytes inside a chunk)", name, size);
        }
        last = memcmp(data + at + 4, "IEND", 4) == 0;
        at += 12 + read_u32(data + at);
    }
    return MRC_OK;
}

static enum mrc_status decoder_open(struct decoder *d, const unsigned char *data, size_t size,
                                    const char *name, struct mrc_error *err) {
    *d = (struct decoder){.data = data, .size = size, .name = name, .status = MRC_ERR_FORMAT};
    if (!mrc_png_probe_bytes(data, size))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: no PNG signature", name);
    enum mrc_status st = check_chunks(data, size, name, err);
    if (st != MRC_OK) return st;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    if (d->png != NULL) d->info = png_create_info_struct(d->png);
    if (d->info == NULL) {
        png_destroy_read_struct(&d->png, NULL, NULL);
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for libpng", name);
    }
    return MRC_OK;
}

static void decoder_close(struct decoder *d) {
    png_destroy_read_struct(&d->png, &d->info, NULL);
    mrc_free(d->raw);
}

/* The signature has been seen; a jump leads to false. */
static bool read_info(struct decoder *d) {
    if (setjmp(png_jmpbuf(d->png)) != 0) return false;
    png_set_read_fn(d->png, d, take_bytes);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    png_set_chunk_malloc_max(d->png, MAX_CHUNK_BYTES);
    png_set_chunk_cache_max(d->png, MAX_TEXT_CHUNKS);
    png_read_info(d->png, d->info);
    return true;
}

static bool read_rows(struct decoder *d) {
    if (setjmp(png_jmpbuf(d->png)) != 0) return false;
    int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != d->row_bytes) png_error(d->png, "odd row length");
    for (int pass = 0; pass < passes; ++pass) {
        for (int64_t row = 0; row < d->facts.rows; ++row)
            png_read_row(d->png, d->raw + (size_t)row * d->row_bytes, NULL);
    }
    png_read_end(d->png, NULL);
    return true;
}

static enum mrc_status refuse_broken(const struct decoder *d, struct mrc_error *err) {
    bool memory = strcmp(d->failure, "Out of memory") == 0;
    return mrc_fail(err, memory ? MRC_ERR_NOMEM : MRC_ERR_FORMAT, "%s: broken PNG (%s)", d->name,
                    d->failure);
}

/* "RGB colour" and so on, or NULL for what is read. */
static const char *refused_kind(const struct decoder *d) {
    switch (png_get_color_type(d->png, d->info)) {
    case PNG_COLOR_TYPE_GRAY:
        return png_get_valid(d->png, d->info, PNG_INFO_tRNS) != 0 ? "grey with transparency" : NULL;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return "grey with transparency";
    case PNG_COLOR_TYPE_PALETTE: return "a palette image";
    case PNG_COLOR_TYPE_RGB: return "a colour image";
    case PNG_COLOR_TYPE_RGB_ALPHA: return "a colour image with transparency";
    default: return "an unknown colour type";
    }
}

static bool says_synthetic(const struct decoder *d) {
    png_textp texts = NULL;
    int count = 0;
    (void)png_get_text(d->png, d->info, &texts, &count);
    for (int t = 0; t < count; ++t) {
        if (texts[t].key != NULL && texts[t].text != NULL &&
            strcmp(texts[t].key, synthetic_key) == 0 && strcasecmp(texts[t].text, "YES") == 0)
            return true;
    }
    return false;
}

static enum mrc_status decoder_inspect(struct decoder *d, struct mrc_error *err) {
    if (!read_info(d)) return refuse_broken(d, err);
    const char *refused = refused_kind(d);
    if (refused != NULL)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %s, expected greyscale", d->name, refused);
    d->facts.columns = png_get_image_width(d->png, d->info);
    d->facts.rows = png_get_image_height(d->png, d->info);
    d->facts.bit_depth = png_get_bit_depth(d->png, d->info);
    if (d->facts.bit_depth != 8 && d->facts.bit_depth != 16) {
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: %d bits a pixel, expected 8 or 16", d->name,
                        d->facts.bit_depth);
    }
    d->facts.synthetic = says_synthetic(d);
    return MRC_OK;
}

bool mrc_png_probe_bytes(const unsigned char *data, size_t size) {
    return size >= 8 && png_sig_cmp(data, 0, 8) == 0;
}

enum mrc_status mrc_png_inspect(struct mrc_png_facts *out, const unsigned char *data, size_t size,
                                const char *name, struct mrc_error *err) {
    struct decoder d;
    enum mrc_status st = decoder_open(&d, data, size, name, err);
    if (st != MRC_OK) return st;
    st = decoder_inspect(&d, err);
    *out = d.facts;
    decoder_close(&d);
    return st;
}

static void unpack(float *pixels, const struct decoder *d) {
    size_t columns = (size_t)d->facts.columns, rows = (size_t)d->facts.rows;
    for (size_t r = 0; r < rows; ++r) {
        const unsigned char *row = d->raw + r * d->row_bytes;
        for (size_t c = 0; c < columns; ++c) {
            pixels[r * columns + c] = d->facts.bit_depth == 8
                                          ? (float)row[c]
                                          : (float)((row[2 * c] << 8) | row[2 * c + 1]);
        }
    }
}

static enum mrc_status check_alike(const struct mrc_png_facts *f, const struct mrc_png_facts *like,
                                   const char *name, struct mrc_error *err) {
    if (f->columns == like->columns && f->rows == like->rows && f->bit_depth == like->bit_depth)
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_FORMAT,
                    "%s: %lld x %lld pixels of %d bits, expected %lld x %lld of %d as the first",
                    name, (long long)f->columns, (long long)f->rows, f->bit_depth,
                    (long long)like->columns, (long long)like->rows, like->bit_depth);
}

enum mrc_status mrc_png_decode(float *pixels, const struct mrc_png_facts *expected,
                               const unsigned char *data, size_t size, const char *name,
                               struct mrc_error *err) {
    struct decoder d;
    enum mrc_status st = decoder_open(&d, data, size, name, err);
    if (st != MRC_OK) return st;
    st = decoder_inspect(&d, err);
    if (st == MRC_OK) st = check_alike(&d.facts, expected, name, err);
    if (st == MRC_OK) {
        d.row_bytes = (size_t)d.facts.columns * (size_t)(d.facts.bit_depth / 8);
        d.raw = mrc_alloc((size_t)d.facts.rows, d.row_bytes);
        if (d.raw == NULL) st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", name);
    }
    if (st == MRC_OK && !read_rows(&d)) st = refuse_broken(&d, err);
    if (st == MRC_OK) mrc_fault_check(d.raw, (size_t)d.facts.rows * d.row_bytes);
    if (st == MRC_OK) unpack(pixels, &d);
    decoder_close(&d);
    return st;
}

/* --- encoding --- */

struct encoder {
    png_structp png;
    png_infop info;
    FILE *stream;
    const float *pixels;
    int64_t columns, rows;
    int bit_depth;
    const struct mrc_png_text *texts;
    size_t text_count;
    unsigned char *row;
};

static void on_write_error(png_structp png, png_const_charp text) {
    (void)text;
    png_longjmp(png, 1);
}
static void put_bytes(png_structp png, png_bytep data, size_t bytes) {
    if (fwrite(data, 1, bytes, png_get_io_ptr(png)) != bytes) png_error(png, "not written");
}
static void flush_bytes(png_structp png) {
    (void)png; /* the commit flushes */
}

static void pack_row(unsigned char *row, const float *pixels, int64_t columns, int bit_depth) {
    float scale = bit_depth == 8 ? 255.0f : 65535.0f;
    for (int64_t c = 0; c < columns; ++c) {
        float x = pixels[c] > 0.0f ? pixels[c] : 0.0f; /* NaN too */
        unsigned value = (unsigned)lrintf((x < 1.0f ? x : 1.0f) * scale);
        if (bit_depth == 8) {
            row[c] = (unsigned char)value;
        } else {
            row[2 * c] = (unsigned char)(value >> 8);
            row[2 * c + 1] = (unsigned char)(value & 0xff);
        }
    }
}

static bool write_all(struct encoder *e) {
    if (setjmp(png_jmpbuf(e->png)) != 0) return false;
    png_set_write_fn(e->png, e->stream, put_bytes, flush_bytes);
    png_set_IHDR(e->png, e->info, (png_uint_32)e->columns, (png_uint_32)e->rows, e->bit_depth,
                 PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    for (size_t t = 0; t < e->text_count; ++t) {
        png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE,
                         .key = (png_charp)(uintptr_t)e->texts[t].key,
                         .text = (png_charp)(uintptr_t)e->texts[t].value};
        png_set_text(e->png, e->info, &text, 1);
    }
    png_write_info(e->png, e->info);
    for (int64_t r = 0; r < e->rows; ++r) {
        pack_row(e->row, e->pixels + r * e->columns, e->columns, e->bit_depth);
        png_write_row(e->png, e->row);
    }
    png_write_end(e->png, e->info);
    return true;
}

enum mrc_status mrc_png_encode(FILE *stream, const float *pixels, int64_t columns, int64_t rows,
                               int bit_depth, const struct mrc_png_text *texts, size_t text_count,
                               const char *name, struct mrc_error *err) {
    MRC_ASSERT((bit_depth == 8 || bit_depth == 16) && columns > 0 && rows > 0);
    struct encoder e = {.stream = stream,
                        .pixels = pixels,
                        .columns = columns,
                        .rows = rows,
                        .bit_depth = bit_depth,
                        .texts = texts,
                        .text_count = text_count};
    enum mrc_status st = MRC_OK;
    e.row = mrc_alloc((size_t)columns, (size_t)(bit_depth / 8));
    if (e.row != NULL)
        e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_write_error, on_warning);
    if (e.png != NULL) e.info = png_create_info_struct(e.png);
    if (e.info == NULL)
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for writing", name);
    else if (!write_all(&e))
        st = mrc_fail(err, MRC_ERR_WRITE, "%s: the picture could not be written", name);
    png_destroy_write_struct(&e.png, &e.info);
    mrc_free(e.row);
    return st;
}

const char *mrc_png_version(void) {
    return png_get_libpng_ver(NULL);
}

const char *mrc_png_zlib_version(void) {
    return zlibVersion();
}
