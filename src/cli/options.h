/* options.h: what all subcommands share in reading their command line. A wrong value ends the
 * program with one line and exit code 1, and so does an option that does not exist. */
#ifndef MRC_CLI_OPTIONS_H
#define MRC_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/export.h"
#include "cli/command.h"
#include "model/files/contract.h"

/** Keys of options without a letter; each command's own begin at MRC_OPTION_OWN. */
enum {
    MRC_OPTION_THREADS = 0x100,
    MRC_OPTION_REPLACE,
    MRC_OPTION_ASSUME_RAS,
    MRC_OPTION_ALLOW_SYNTHETIC,
    MRC_OPTION_ALLOW_DERIVED,
    MRC_OPTION_FORCE,
    MRC_OPTION_MAP,
    MRC_OPTION_USAGE, /* every command has it */
    MRC_OPTION_OWN
};

/** The entry of --allow-derived in a command's table. */
#define MRC_OPTION_ALLOW_DERIVED_ENTRY                                                             \
    {                                                                                              \
        .name = "allow-derived", .key = MRC_OPTION_ALLOW_DERIVED,                                  \
        .doc = "Accept what a scanner or workstation computed from acquired images (MPR, maps)"    \
    }

/** The entry of --room in a command's table, under the command's own key. */
#define MRC_OPTION_ROOM_ENTRY(key_)                                                                \
    {                                                                                              \
        .name = "room", .key = (key_), .arg = "CONTRAST=X,...",                                    \
        .doc =                                                                                     \
            "Leave room above the high percentile: X times as far from the lower limit becomes "   \
            "1, so that what is brighter than brain is told apart; T2w=2.2 keeps fluid and "       \
            "eyes; default: 1, none"                                                               \
    }

/** The entry of --map in a command's table. */
#define MRC_OPTION_MAP_ENTRY                                                                       \
    {                                                                                              \
        .name = "map", .key = MRC_OPTION_MAP, .arg = "FILE.tsv",                                   \
        .doc = "Contrasts that overrule recognition: lines of field, pattern, contrast, apart by " \
               "tabs; fields are SeriesDescription, ProtocolName, SequenceName, SeriesNumber, "    \
               "Manufacturer, path"                                                                \
    }

/** Ends the program: "mrcycle: <command>: <text>"; with the place before the text when state->hook
 * points to one ("paper.conf:3"). */
MRC_PRINTF(2, 3)
_Noreturn void mrc_option_fail(const struct argp_state *state, const char *fmt, ...);
int64_t mrc_option_integer(const struct argp_state *state, const char *name, const char *text,
                           int64_t lo, int64_t hi);
double mrc_option_number(const struct argp_state *state, const char *name, const char *text,
                         double lo, double hi);
/** "512M", "1.5G", "800000K" (powers of 1024), or a number of bytes; at least 1. */
uint64_t mrc_option_bytes(const struct argp_state *state, const char *name, const char *text);
/** The words of a contract's key (model/files/contract.h), checked; `text` itself. */
const char *mrc_option_contract(const struct argp_state *state, struct mrc_contract *contract,
                                enum mrc_contract_key key, const char *text);
/** A contrast by its name, "T2w" or "t2". */
enum mrc_contrast mrc_option_contrast(const struct argp_state *state, const char *name,
                                      const char *text);
/** Index of `text` in the NULL-terminated list. */
int mrc_option_choice(const struct argp_state *state, const char *name, const char *text,
                      const char *const *choices);
/** Text of at most `most` printable ASCII characters: it goes into files that stay with the
 * patient. */
const char *mrc_option_words(const struct argp_state *state, const char *name, const char *text,
                             int most);
/** Ends a table: neither an option nor the heading of a group (a `doc` alone). */
static inline bool mrc_option_is_end(const struct argp_option *option) {
    return option->name == NULL && option->key == 0 && option->doc == NULL;
}
/** Runs the command until it reads its line, shows its table to `teller` in its stead, and comes
 * back. Exit code 80 when the command read none. */
typedef void mrc_option_teller(const struct argp *argp);
int mrc_option_tell(mrc_command_fn *command, char **argv, mrc_option_teller *teller);
/** Parses argv; ends the program after --help and on a wrong command line. */
void mrc_option_parse(const struct argp *argp, int argc, char **argv, void *input);

#endif
