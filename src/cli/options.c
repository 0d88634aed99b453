/* options.c: argp, with this program's one-line errors. */
#include "cli/options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/terminal.h"

/* "translate" of "mrcycle translate". */
static const char *command_of(const struct argp_state *state) {
    const char *space = strrchr(state->argv[0], ' ');
    return space != NULL ? space + 1 : NULL;
}

void mrc_option_fail(const struct argp_state *state, const char *fmt, ...) {
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    exit(mrc_terminal_usage(command_of(state), "%s", text));
}

int64_t mrc_option_integer(const struct argp_state *state, const char *name, const char *text,
                           int64_t lo, int64_t hi) {
    int64_t value = 0;
    if (mrc_parse_i64(&value, text, lo, hi) != MRC_OK)
        mrc_option_fail(state, "%s is '%s', expected a whole number from %lld to %lld", name, text,
                        (long long)lo, (long long)hi);
    return value;
}

double mrc_option_number(const struct argp_state *state, const char *name, const char *text,
                         double lo, double hi) {
    double value = 0.0;
    if (mrc_parse_f64(&value, text, lo, hi) != MRC_OK)
        mrc_option_fail(state, "%s is '%s', expected a number from %g to %g", name, text, lo, hi);
    return value;
}

uint64_t mrc_option_bytes(const struct argp_state *state, const char *name, const char *text) {
    static const char units[] = "KMGT";
    static const double most = 1ull << 62;
    char digits[40];
    double unit = 1.0, value = 0.0;
    size_t length = strlen(text);
    const char *letter =
        length > 0 ? strchr(units, toupper((unsigned char)text[length - 1])) : NULL;
    if (letter != NULL)
        for (const char *u = units; u <= letter; ++u) unit *= 1024.0;
    snprintf(digits, sizeof digits, "%.*s", (int)(length - (letter != NULL)), text);
    if (length >= sizeof digits || mrc_parse_f64(&value, digits, 1.0 / unit, most / unit) != MRC_OK)
        mrc_option_fail(state, "%s is '%s', expected a size such as 512M or 2G", name, text);
    return (uint64_t)(value * unit);
}

int mrc_option_choice(const struct argp_state *state, const char *name, const char *text,
                      const char *const *choices) {
    char list[120] = "";
    for (int i = 0; choices[i] != NULL; ++i) {
        if (strcmp(text, choices[i]) == 0) return i;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", choices[i]);
    }
    mrc_option_fail(state, "%s is '%s', expected one of %s", name, text, list);
}

const char *mrc_option_words(const struct argp_state *state, const char *name, const char *text,
                             int most) {
    for (const char *c = text; *c != '\0'; ++c)
        if (*c < ' ' || *c > '~' || *c == '\\')
            mrc_option_fail(state, "%s holds a character other than printable ASCII", name);
    if (strlen(text) > (size_t)most)
        mrc_option_fail(state, "%s has %zu characters, expected at most %d", name, strlen(text),
                        most);
    return text;
}

void mrc_option_parse(const struct argp *argp, int argc, char **argv, void *input) {
    argp_err_exit_status = MRC_EXIT_USAGE;
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0)
        exit(mrc_terminal_usage(NULL, "out of memory"));
}
