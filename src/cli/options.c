/* options.c: argp, with this program's one-line errors. */
#include "cli/options.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/spelling.h"
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
    const char *place = state->hook; /* of a preset */
    exit(mrc_terminal_usage(command_of(state), "%s%s%s", place != NULL ? place : "",
                            place != NULL ? ": " : "", text));
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

const char *mrc_option_contract(const struct argp_state *state, struct mrc_contract *contract,
                                enum mrc_contract_key key, const char *text) {
    struct mrc_error err = {0};
    if (mrc_contract_parse(contract, key, text, &err) == MRC_OK) return text;
    for (char *c = err.text; *c != '\0' && *c != ' '; ++c)
        if (*c == '_') *c = '-'; /* as options are spelt */
    mrc_option_fail(state, "--%s", err.text);
}

enum mrc_contrast mrc_option_contrast(const struct argp_state *state, const char *name,
                                      const char *text) {
    enum mrc_contrast contrast = MRC_CONTRAST_UNKNOWN;
    if (mrc_contrast_parse(&contrast, text, NULL) != MRC_OK)
        mrc_option_fail(state, "%s is '%s', expected a contrast such as T2w", name, text);
    return contrast;
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

/* --- The words of the command line, before argp reads them: it would say two lines --- */

enum { MOST_OPTIONS = 128 };

/* The options of one command, those for help among them. */
struct known {
    struct argp_option options[MOST_OPTIONS];
    const char *names[MOST_OPTIONS]; /* "--model" */
    char text[MOST_OPTIONS][40];
    size_t count;
};

static void know(struct known *known, const struct argp_option *table) {
    for (; !mrc_option_is_end(table); ++table) {
        if (table->name == NULL) continue; /* a heading */
        MRC_ASSERT(known->count < MOST_OPTIONS);
        size_t at = known->count++;
        known->options[at] = *table;
        snprintf(known->text[at], sizeof known->text[at], "--%s", table->name);
        known->names[at] = known->text[at];
    }
}

static const struct argp_option *find_letter(const struct known *known, char letter) {
    for (size_t i = 0; i < known->count; ++i)
        if (known->options[i].key == letter) return &known->options[i];
    return NULL;
}

/* The option that `word` ("--mod" or "--mod=x") names whole or begins; fails when none or several
 * do. */
static const struct argp_option *find_word(const struct argp_state *state,
                                           const struct known *known, const char *word) {
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const struct argp_option *found = NULL;
    char several[200] = "";
    size_t count = 0;
    for (size_t i = 0; i < known->count; ++i) {
        if (strcmp(known->names[i], name) == 0) return &known->options[i];
        if (strncmp(known->names[i], name, strlen(name)) != 0) continue;
        size_t used = strlen(several);
        snprintf(several + used, sizeof several - used, "%s%s", count++ > 0 ? ", " : "",
                 known->names[i]);
        found = &known->options[i];
    }
    if (count > 1) mrc_option_fail(state, "option '%s' may be one of %s", name, several);
    if (found != NULL) return found;
    int nearest = mrc_spelling_nearest(name, known->names, known->count);
    if (nearest >= 0)
        mrc_option_fail(state, "no option '%s', did you mean '%s'?", name, known->names[nearest]);
    mrc_option_fail(state, "no option '%s'", name);
}

static void need_value(const struct argp_state *state, const struct argp_option *option,
                       const char *value) {
    if (value != NULL) return;
    if (isgraph(option->key))
        mrc_option_fail(state, "-%c needs a value: -%c %s", option->key, option->key, option->arg);
    mrc_option_fail(state, "--%s needs a value: --%s %s", option->name, option->name, option->arg);
}

/* Returns how many words the option takes. */
static int check_long(const struct argp_state *state, const struct known *known, char **words) {
    const struct argp_option *option = find_word(state, known, words[0]);
    const char *equals = strchr(words[0], '=');
    if (option->arg == NULL && equals != NULL)
        mrc_option_fail(state, "--%s takes no value, found '%s'", option->name, equals + 1);
    if (option->arg == NULL || equals != NULL) return 1;
    need_value(state, option, words[1]);
    return 2;
}

static int check_letters(const struct argp_state *state, const struct known *known, char **words) {
    for (const char *letter = words[0] + 1; *letter != '\0'; ++letter) {
        const struct argp_option *option = find_letter(known, *letter);
        if (option == NULL) mrc_option_fail(state, "no option '-%c'", *letter);
        if (option->arg == NULL) continue;
        if (letter[1] != '\0') return 1;
        need_value(state, option, words[1]);
        return 2;
    }
    return 1;
}

/* --- Help --- */

static const struct argp_option help_table[] = {
    {.name = "help", .key = 'h', .doc = "Give this help list", .group = -1},
    {.name = "usage", .key = MRC_OPTION_USAGE, .doc = "Give a short usage message"},
    {0}};

static error_t parse_help(int key, char *value, struct argp_state *state) {
    (void)value;
    if (key == 'h')
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
    else if (key == MRC_OPTION_USAGE)
        argp_state_help(state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const char *example; /* of the command whose line is read */

/* The command's own filter; its input is what its parser has. */
static char *(*own_filter)(int key, const char *text, void *input);

/* Leaves out what argp says of every program, and ends with an example. argp frees what is new. */
static char *filter_help(int key, const char *text, void *input) {
    if (key == ARGP_KEY_HELP_DUP_ARGS_NOTE) return NULL;
    if (own_filter != NULL && key != ARGP_KEY_HELP_EXTRA) return own_filter(key, text, input);
    if (key != ARGP_KEY_HELP_EXTRA || example == NULL) return (char *)text;
    return mrc_asprintf("Example: %s", example); /* the heap is one, mrc_free is free */
}

/* Ends the program at the first option that argp would refuse. */
static void check_words(const struct argp *argp, int argc, char **argv) {
    const struct argp_state state = {.argc = argc, .argv = argv};
    struct known known = {.count = 0};
    know(&known, argp->options);
    know(&known, help_table);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0;) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            ++i;
        else
            i += argv[i][1] == '-' ? check_long(&state, &known, argv + i)
                                   : check_letters(&state, &known, argv + i);
    }
}

/* Commands own nothing yet when they read their line, so one can be left there. */
static mrc_option_teller *told_to;
static jmp_buf told;

int mrc_option_tell(mrc_command_fn *command, char **argv, mrc_option_teller *teller) {
    told_to = teller;
    int code = setjmp(told) == 0 ? (command(1, argv), MRC_EXIT_PROCESSING) : MRC_EXIT_OK;
    told_to = NULL;
    return code;
}

void mrc_option_parse(const struct argp *argp, int argc, char **argv, void *input) {
    static const struct argp help = {.options = help_table, .parser = parse_help};
    const struct argp_child children[] = {{.argp = &help}, {0}};
    struct argp whole = *argp;
    whole.children = children;
    own_filter = argp->help_filter;
    whole.help_filter = filter_help;
    argp_err_exit_status = MRC_EXIT_USAGE;
    if (told_to != NULL) {
        told_to(argp);
        longjmp(told, 1);
    }
    const struct argp_state state = {.argc = argc, .argv = argv};
    const char *command = command_of(&state);
    example = command != NULL ? mrc_command_example(command) : NULL;
    check_words(argp, argc, argv);
    if (argp_parse(&whole, argc, argv, ARGP_NO_HELP, NULL, input) != 0)
        exit(mrc_terminal_usage(NULL, "out of memory"));
}
