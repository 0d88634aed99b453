/* text.c: growing text; numbers in and out of text without the locale. */
#define _GNU_SOURCE /* newlocale's strtod_l */
#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static bool text_reserve(struct mrc_text *text, size_t needed) {
    void *data = text->data;
    if (!mrc_grow(&data, &text->capacity, needed, 1)) {
        text->failed = true;
        return false;
    }
    text->data = data;
    return true;
}

void mrc_text_appendf(struct mrc_text *text, const char *fmt, ...) {
    if (text->failed) return;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    if (length < 0) {
        text->failed = true;
    } else if (text_reserve(text, text->size + (size_t)length + 1)) {
        (void)vsnprintf(text->data + text->size, (size_t)length + 1, fmt, again);
        text->size += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void mrc_text_clear(struct mrc_text *text) {
    mrc_free(text->data);
    *text = (struct mrc_text){0};
}

static bool only_spaces(const char *text) {
    return text[strspn(text, " ")] == '\0';
}

enum mrc_status mrc_parse_i64(int64_t *out, const char *text, int64_t lo, int64_t hi) {
    text += strspn(text, " ");
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno != 0 || !only_spaces(end) || value < lo || value > hi)
        return MRC_ERR_ARGUMENT;
    *out = value;
    return MRC_OK;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

enum mrc_status mrc_parse_f64(double *out, const char *text, double lo, double hi) {
    pthread_once(&c_locale_once, make_c_locale);
    if (c_locale == (locale_t)0) return MRC_ERR_NOMEM;
    text += strspn(text, " ");
    char *end = NULL;
    errno = 0;
    double value = strtod_l(text, &end, c_locale);
    if (end == text || !only_spaces(end) || !isfinite(value) || value < lo || value > hi)
        return MRC_ERR_ARGUMENT;
    *out = value;
    return MRC_OK;
}

/* snprintf in the C locale, whatever the process uses. */
static int print_double(char *out, size_t capacity, int precision, double value) {
    pthread_once(&c_locale_once, make_c_locale);
    locale_t before = c_locale != (locale_t)0 ? uselocale(c_locale) : (locale_t)0;
    int length = snprintf(out, capacity, "%.*g", precision, value);
    if (before != (locale_t)0) (void)uselocale(before);
    return length;
}

/* "1e-05" -> "1e-5", "1e+20" -> "1e20": room for digits that matter. */
static void shorten_exponent(char *text) {
    char *e = strchr(text, 'e');
    if (e == NULL) return;
    char *from = e + 1, *to = e + 1;
    if (*from == '-') ++to;
    if (*from == '-' || *from == '+') ++from;
    while (*from == '0' && from[1] != '\0') ++from;
    memmove(to, from, strlen(from) + 1);
}

void mrc_print_decimal(char *out, size_t capacity, double value) {
    MRC_ASSERT(capacity >= 9 && isfinite(value));
    char text[64] = "0", best[64] = "0";
    double best_error = HUGE_VAL;
    if (value == 0.0) value = 0.0; /* no "-0" */
    for (int precision = 1; precision <= 17; ++precision) {
        (void)print_double(text, sizeof text, precision, value);
        shorten_exponent(text);
        if (strlen(text) >= capacity) continue;
        double back = 0.0;
        if (mrc_parse_f64(&back, text, -HUGE_VAL, HUGE_VAL) != MRC_OK) continue;
        double error = fabs(back - value);
        if (error < best_error) {
            best_error = error;
            memcpy(best, text, sizeof best);
        }
    }
    (void)snprintf(out, capacity, "%s",
                   best[0] == '-' && best[1] == '0' && best[2] == '\0' ? "0" : best);
}

void mrc_text_plain(char *out, size_t capacity, const char *text) {
    MRC_ASSERT(capacity > 0);
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < capacity; ++i) {
        unsigned char c = (unsigned char)text[i];
        out[i] = c < 0x20 || c == 0x7f || c == '\\' ? '_' : (char)c;
    }
    out[i] = '\0';
}
