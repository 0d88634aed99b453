/* manual.c: a command's table of options is seen where the command would read its line
 * (mrc_option_tell), and written in another form than --help: roff, bash, zsh, fish. */
#include "cli/manual.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/terminal.h"

static const struct mrc_command *telling; /* whose options are told */

/* The option at `o` or the first after it that is shown; NULL: no more. Headings only where asked.
 */
static const struct argp_option *shown(const struct argp_option *o, bool headings) {
    while (!mrc_option_is_end(o) &&
           ((o->flags & OPTION_HIDDEN) != 0 || (o->name == NULL && !headings)))
        ++o;
    return mrc_option_is_end(o) ? NULL : o;
}

static bool has_letter(const struct argp_option *option) {
    return option->key > 0 && option->key < 128 && isgraph(option->key);
}

static int tell(const struct mrc_command *command, mrc_option_teller *teller) {
    char name[64], *argv[] = {name, NULL};
    snprintf(name, sizeof name, "mrcycle %s", command->name);
    telling = command;
    return mrc_option_tell(command->run, argv, teller);
}

/* --- roff --- */

/* Words of a page: '-' as it is typed, a '.' or quote at the beginning of a line as a letter. Ends
 * at \v. */
static void print_roff(const char *text) {
    bool begins = true;
    for (; *text != '\0' && *text != '\v'; ++text) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        begins = *text == '\n';
        if (*text == '-' || *text == '\\')
            printf(*text == '-' ? "\\-" : "\\e");
        else
            putchar(*text);
    }
}

static void print_line(const char *text) {
    print_roff(text);
    putchar('\n');
}

static void print_upper(const char *text) {
    for (; *text != '\0'; ++text) putchar(toupper((unsigned char)*text));
}

static void print_title(const char *command) {
    printf(".TH MRCYCLE");
    if (command[0] != '\0') putchar('-');
    print_upper(command);
    printf(" 1 \"\" \"mrcycle %s\" \"mrcycle\"\n.SH NAME\nmrcycle%s%s \\- ", MRC_VERSION,
           command[0] != '\0' ? "\\-" : "", command);
}

static void print_example(const struct mrc_command *command) {
    printf(".PP\n.nf\n.RS 4\n");
    print_line(command->example);
    printf(".RE\n.fi\n");
}

static void print_option_roff(const struct argp_option *o) {
    if (o->name == NULL) {
        printf(".SS ");
        print_line(o->doc);
        return;
    }
    printf(".TP\n");
    if (has_letter(o)) printf("\\fB\\-%c\\fR, ", o->key);
    printf("\\fB\\-\\-");
    print_roff(o->name);
    printf("\\fR");
    if (o->arg != NULL) {
        printf("=\\fI");
        print_roff(o->arg);
        printf("\\fR");
    }
    putchar('\n');
    print_line(o->doc);
}

/* "INPUT -o OUTPUT\n--repeat RUN": two ways to call it. */
static void print_synopsis(const char *name, const char *uses) {
    const char *end;
    for (; *uses != '\0'; uses = *end == '\n' ? end + 1 : end) {
        char use[256];
        end = uses + strcspn(uses, "\n");
        snprintf(use, sizeof use, "%.*s", (int)(end - uses), uses);
        printf(".br\n\\fBmrcycle %s\\fR [\\fIOPTION\\fR...] ", name);
        print_line(use);
    }
}

static void tell_roff(const struct argp *argp) {
    const char *more = strchr(argp->doc, '\v');
    print_title(telling->name);
    print_line(telling->summary);
    printf(".SH SYNOPSIS\n");
    print_synopsis(telling->name, argp->args_doc != NULL ? argp->args_doc : "");
    printf(".SH DESCRIPTION\n");
    print_line(argp->doc);
    if (more != NULL) {
        printf(".PP\n");
        print_line(more + 1);
    }
    printf(".SH OPTIONS\n");
    for (const struct argp_option *o = argp->options; (o = shown(o, true)) != NULL; ++o)
        print_option_roff(o);
    printf(".SH EXAMPLE\n");
    print_example(telling);
    printf(".SH EXIT STATUS\nSee\n.BR mrcycle (1).\n"
           ".SH NOTES\nWhat mrcycle writes is synthetic and not for diagnosis.\n"
           ".SH SEE ALSO\n.BR mrcycle (1)\n");
}

int mrc_manual_print_command(const struct mrc_command *command) {
    return tell(command, tell_roff);
}

void mrc_manual_print_program(const struct mrc_command *commands, size_t count) {
    print_title("");
    printf("synthetic T2\\-weighted from T1\\-weighted brain MR images, and back\n"
           ".SH SYNOPSIS\n\\fBmrcycle\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
           "[\\fIARGUMENT\\fR...]\n"
           ".SH DESCRIPTION\n"
           "Makes of a T1w brain MR scan a synthetic T2w scan, or the other way round, on the "
           "scan's own grid: DICOM, NIfTI or PNG. What it writes is synthetic, says so in its "
           "header, and is not for diagnosis.\n.SH COMMANDS\n");
    for (size_t i = 0; i < count; ++i) {
        printf(".TP\n.BR mrcycle\\-%s (1)\n", commands[i].name);
        print_line(commands[i].summary);
    }
    printf(".SH EXAMPLE\n");
    print_example(&commands[0]);
    printf(".SH EXIT STATUS\nResults go to standard output, words to standard error.\n");
    for (const struct mrc_exit_meaning *m = mrc_exit_meanings; m->words != NULL; ++m) {
        printf(".TP\n.B %d\n", m->code);
        print_line(m->words);
    }
    printf(".SH ENVIRONMENT\n.TP\n.B MRCYCLE_MODEL_DIR\n"
           "Folder that the shipped model is taken from, and from nowhere else.\n"
           ".TP\n.B NO_COLOR\nSet to anything: no bar and no escape sequences in a terminal, but "
           "the lines that a log file gets.\n");
}

/* --- Shells --- */

/* "T2w|T1w" of an option's argument are the words to choose from. */
static bool has_choices(const struct argp_option *option) {
    return option->arg != NULL && strchr(option->arg, '|') != NULL;
}

static void print_choices(const char *arg) {
    for (; *arg != '\0'; ++arg) putchar(*arg == '|' ? ' ' : *arg);
}

/* Up to the first stop, without what the shells' quotes would take amiss. */
static void print_brief(const char *doc) {
    size_t length = strcspn(doc, ":;(");
    for (size_t i = 0; i < length && doc[i] != '\0'; ++i)
        if (strchr("'\"[]\\$`", doc[i]) == NULL) putchar(doc[i]);
}

static void tell_bash(const struct argp *argp) {
    printf("    %s)\n        flags='--help", telling->name);
    for (const struct argp_option *o = argp->options; (o = shown(o, false)) != NULL; ++o)
        printf(" --%s", o->name);
    printf("'\n        case $previous in\n");
    for (const struct argp_option *o = argp->options; (o = shown(o, false)) != NULL; ++o) {
        if (o->arg == NULL) continue;
        printf("        --%s", o->name);
        if (has_letter(o)) printf(" | -%c", o->key);
        if (has_choices(o)) {
            printf(") words='");
            print_choices(o->arg);
            printf("' ;;\n");
        } else {
            printf(") files=1 ;;\n");
        }
    }
    printf("        esac ;;\n");
}

static void print_bash_begin(const struct mrc_command *commands, size_t count) {
    printf("# Completion of mrcycle for bash.\n_mrcycle() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local flags='' words='' files=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W 'help --version");
    for (size_t i = 0; i < count; ++i) printf(" %s", commands[i].name);
    printf("' -- \"$current\")\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n    help)\n"
           "        words='");
    for (size_t i = 0; i < count; ++i) printf("%s%s", i > 0 ? " " : "", commands[i].name);
    printf("' ;;\n");
}

static void print_bash_end(void) {
    printf("    esac\n"
           "    if [ -n \"$words\" ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    elif [ -z \"$files\" ] && [ \"${current:0:1}\" = - ]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$current\")\n"
           "    else\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
           "    fi\n}\ncomplete -F _mrcycle mrcycle\n");
}

static void print_option_zsh(const struct argp_option *o) {
    printf("        '--%s%s[", o->name, o->arg != NULL ? "=" : "");
    print_brief(o->doc);
    printf("]");
    if (has_choices(o)) {
        printf(":%s:(", o->name);
        print_choices(o->arg);
        printf(")");
    } else if (o->arg != NULL) {
        printf(":%s:_files", o->name);
    }
    printf("' \\\n");
}

static void tell_zsh(const struct argp *argp) {
    printf("    %s) _arguments \\\n", telling->name);
    for (const struct argp_option *o = argp->options; (o = shown(o, false)) != NULL; ++o)
        print_option_zsh(o);
    printf("        '--help[Give this help list]' \\\n        '*:file:_files' ;;\n");
}

static void print_zsh_begin(const struct mrc_command *commands, size_t count) {
    printf("#compdef mrcycle\n# Completion of mrcycle for zsh.\n_mrcycle() {\n"
           "    local -a commands=(\n");
    for (size_t i = 0; i < count; ++i) {
        printf("        '%s:", commands[i].name);
        print_brief(commands[i].summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
           "    case $command in\n    help) _describe command commands ;;\n");
}

static void print_zsh_end(void) {
    printf("    esac\n}\n_mrcycle \"$@\"\n");
}

static void print_option_fish(const struct argp_option *o) {
    printf("complete -c mrcycle -n '__fish_seen_subcommand_from %s' -l %s", telling->name, o->name);
    if (has_letter(o)) printf(" -s %c", o->key);
    if (has_choices(o)) {
        printf(" -x -a '");
        print_choices(o->arg);
        printf("'");
    } else if (o->arg != NULL) {
        printf(" -r -F");
    }
    printf(" -d '");
    print_brief(o->doc);
    printf("'\n");
}

static void tell_fish(const struct argp *argp) {
    for (const struct argp_option *o = argp->options; (o = shown(o, false)) != NULL; ++o)
        print_option_fish(o);
}

static void print_fish_begin(const struct mrc_command *commands, size_t count) {
    printf("# Completion of mrcycle for fish.\n");
    for (size_t i = 0; i < count; ++i) {
        printf("complete -c mrcycle -n __fish_use_subcommand -f -a %s -d '", commands[i].name);
        print_brief(commands[i].summary);
        printf("'\n");
    }
}

static void print_fish_end(void) {}

static const struct shell {
    const char *name;
    void (*begin)(const struct mrc_command *commands, size_t count);
    mrc_option_teller *tell;
    void (*end)(void);
} shells[] = {
    {"bash", print_bash_begin, tell_bash, print_bash_end},
    {"zsh", print_zsh_begin, tell_zsh, print_zsh_end},
    {"fish", print_fish_begin, tell_fish, print_fish_end},
};

int mrc_manual_print_completion(const char *name, const struct mrc_command *commands,
                                size_t count) {
    const struct shell *shell = NULL;
    for (size_t i = 0; i < sizeof shells / sizeof *shells; ++i)
        if (strcmp(shells[i].name, name) == 0) shell = &shells[i];
    if (shell == NULL)
        return mrc_terminal_usage("help", "--completion is '%.40s', expected bash, zsh or fish",
                                  name);
    shell->begin(commands, count);
    for (size_t i = 0; i < count; ++i) {
        int code = tell(&commands[i], shell->tell);
        if (code != MRC_EXIT_OK) return code;
    }
    shell->end();
    return MRC_EXIT_OK;
}
