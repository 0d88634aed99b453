/* preset.h: recipes of training, as files of options. A line is an option's name, and " = " and its
 * value where it has one; # begins a comment. The files of share/presets are inside the program. */
#ifndef MRC_CLI_PRESET_H
#define MRC_CLI_PRESET_H

#include <argp.h>
#include <stddef.h>

/** The files of share/presets; the last has no name. */
extern const struct mrc_preset_file { const char *name, *text; } mrc_preset_files[];

/** What stands in the program under this name; NULL: nothing. The text of the file in
 * share/presets. */
const char *mrc_preset_text(const char *name);

/** Calls parser(key, value, state) for each line of the preset, a name of the program's or a file.
 * `table` has the options a preset may hold; names in `never` (up to NULL) are refused. Ends the
 * program with one line that names file and line. `state` comes back as it was. The values stay in
 * memory until the program ends. */
void mrc_preset_apply(const char *preset, const struct argp_option *table, const char *const *never,
                      argp_parser_t parser, struct argp_state *state);

#endif
