/* npy.c: the header is a Python dictionary with three known keys in any order. */
#include "app/evaluate/npy.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"

enum { MAGIC = 8, LIMIT = 1 << 30 };

struct layout {
    size_t item; /* bytes of a number */
    bool big_endian;
    size_t rows, columns, begin;
};

/* What follows "'key':" in the header, or NULL. */
static const char *find_value(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (at == NULL) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':') ++at;
    return at;
}

static bool parse_side(size_t *out, const char **text) {
    char digits[20];
    size_t n = 0;
    int64_t side = 0;
    while (**text == ' ') ++*text;
    while (isdigit((unsigned char)**text) && n + 1 < sizeof digits) digits[n++] = *(*text)++;
    digits[n] = '\0';
    if (n == 0 || mrc_parse_i64(&side, digits, 1, LIMIT) != MRC_OK) return false;
    *out = (size_t)side;
    return true;
}

static bool parse_header(struct layout *l, const char *header) {
    const char *type = find_value(header, "'descr'"),
               *order = find_value(header, "'fortran_order'");
    const char *shape = find_value(header, "'shape'");
    if (type == NULL || order == NULL || shape == NULL) return false;
    if (type[0] != '\'' || (type[1] != '<' && type[1] != '>') || type[2] != 'f') return false;
    if ((type[3] != '4' && type[3] != '8') || type[4] != '\'') return false;
    l->item = type[3] == '4' ? 4 : 8;
    l->big_endian = type[1] == '>';
    if (strncmp(order, "False", 5) != 0 || *shape++ != '(') return false;
    if (!parse_side(&l->rows, &shape) || *shape++ != ',') return false;
    if (!parse_side(&l->columns, &shape)) return false;
    while (*shape == ' ') ++shape;
    return *shape == ')';
}

/* Version 1 has two bytes for the header's length, version 2 four. */
static bool find_layout(struct layout *l, const unsigned char *data, size_t size) {
    static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    char header[1024];
    if (size < MAGIC + 4 || memcmp(data, magic, sizeof magic) != 0) return false;
    bool long_form = data[6] == 2;
    if (data[6] != 1 && data[6] != 2) return false;
    size_t length = (size_t)data[8] | (size_t)data[9] << 8;
    if (long_form) length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    l->begin = MAGIC + (long_form ? 4u : 2u) + length;
    if (length >= sizeof header || l->begin > size) return false;
    memcpy(header, data + l->begin - length, length);
    header[length] = '\0';
    return parse_header(l, header);
}

static double number_at(const unsigned char *at, const struct layout *l) {
    uint64_t bits = 0;
    for (size_t b = 0; b < l->item; ++b) {
        size_t place = l->big_endian ? l->item - 1 - b : b;
        bits |= (uint64_t)at[b] << (8 * place);
    }
    if (l->item == 4) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum mrc_status mrc_npy_load(double **values, size_t *rows, size_t *columns, const char *path,
                             struct mrc_error *err) {
    unsigned char *data = NULL;
    size_t size = 0;
    struct layout l = {0};
    enum mrc_status status = mrc_read_file(&data, &size, path, LIMIT, err);
    if (status == MRC_OK && !find_layout(&l, data, size))
        status =
            mrc_fail(err, MRC_ERR_FORMAT,
                     "%s: expected a .npy table of float32 or float64, [images][features] in C "
                     "order",
                     path);
    if (status == MRC_OK && (size - l.begin) / l.item / l.columns != l.rows)
        status =
            mrc_fail(err, MRC_ERR_FORMAT, "%s: %zu bytes of numbers, expected %zu x %zu of %zu",
                     path, size - l.begin, l.rows, l.columns, l.item);
    if (status == MRC_OK) {
        *values = mrc_alloc(l.rows * l.columns, sizeof **values);
        if (*values == NULL) status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    }
    for (size_t i = 0; status == MRC_OK && i < l.rows * l.columns; ++i)
        (*values)[i] = number_at(data + l.begin + i * l.item, &l);
    *rows = l.rows;
    *columns = l.columns;
    mrc_free(data);
    return status;
}
