/* fuzz_text.c: numbers from text, text for messages. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_decimal(double value) {
    char text[17];
    double back = 0.0;
    mrc_print_decimal(text, sizeof text, value);
    if (strlen(text) > 16) abort();
    if (mrc_parse_f64(&back, text, -HUGE_VAL, HUGE_VAL) != MRC_OK) abort();
    if (fabs(back - value) > 1e-7 * fabs(value)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) return 0;
    char *text = mrc_alloc(size + 1, 1);
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    int64_t whole = 7;
    if (mrc_parse_i64(&whole, text, -100, 100) == MRC_OK ? whole < -100 || whole > 100 : whole != 7)
        abort();
    double real = 7.0;
    if (mrc_parse_f64(&real, text, -1e30, 1e30) != MRC_OK) real = 7.0;
    if (!(real >= -1e30 && real <= 1e30)) abort();
    if (real == 0.0 || fabs(real) > 1e-30) check_decimal(real);
    char plain[32];
    mrc_text_plain(plain, sizeof plain, text);
    if (strlen(plain) >= sizeof plain || strpbrk(plain, "\\\n\r\t\x1b") != NULL) abort();
    mrc_free(text);
    return 0;
}
