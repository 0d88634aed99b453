/* preset.c: recipes of training, as files of options. */
#include "cli/preset.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal.h"

enum { MAX_PRESET_BYTES = 1 << 16 };

const char *mrc_preset_text(const char *name) {
    for (const struct mrc_preset_file *file = mrc_preset_files; file->name != NULL; ++file)
        if (strcmp(file->name, name) == 0) return file->text;
    return NULL;
}

/* The text to read, which lasts as long as the program: options keep pointers to their values. */
static char *open_preset(const char *preset, const struct argp_state *state) {
    static char *kept = NULL;
    const char *inside = mrc_preset_text(preset);
    unsigned char *text = NULL;
    size_t size = 0;
    struct mrc_error err = {0};
    if (inside == NULL && !mrc_path_exists(preset))
        mrc_option_fail(
            state, "--preset is '%s', expected mrcycle, paired, computed, paper or a file", preset);
    if (inside == NULL && mrc_read_file(&text, &size, preset, MAX_PRESET_BYTES, &err) != MRC_OK)
        mrc_option_fail(state, "%s", err.text);
    mrc_free(kept);
    kept = inside != NULL ? mrc_strdup(inside) : mrc_asprintf("%.*s", (int)size, (char *)text);
    mrc_free(text);
    if (kept == NULL) mrc_option_fail(state, "%s: out of memory", preset);
    return kept;
}

/* Without the space around it. */
static char *trim(char *text) {
    while (isspace((unsigned char)*text)) ++text;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text;
}

static bool is_among(const char *name, const char *const *names) {
    for (; *names != NULL; ++names)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static void apply_line(char *line, const struct argp_option *table, const char *const *never,
                       argp_parser_t parser, struct argp_state *state) {
    line[strcspn(line, "#")] = '\0';
    char *equals = strchr(line, '='), *value = NULL;
    if (equals != NULL) {
        *equals = '\0';
        value = trim(equals + 1);
    }
    char *name = trim(line);
    if (*name == '\0' && value == NULL) return;
    while (!mrc_option_is_end(table) && (table->name == NULL || strcmp(table->name, name) != 0))
        ++table;
    if (table->name == NULL || is_among(name, never))
        mrc_option_fail(state, "'%.40s' is no option of a preset", name);
    if (table->arg == NULL && value != NULL)
        mrc_option_fail(state, "%s takes no value, found '%.40s'", name, value);
    if (table->arg != NULL && (value == NULL || *value == '\0'))
        mrc_option_fail(state, "%s needs a value: %s = %s", name, name, table->arg);
    (void)parser(table->key, value, state);
}

void mrc_preset_apply(const char *preset, const struct argp_option *table, const char *const *never,
                      argp_parser_t parser, struct argp_state *state) {
    char *text = open_preset(preset, state), place[200];
    void *hook = state->hook;
    state->hook = place;
    for (int number = 1; text != NULL; ++number) {
        char *line = text, *end = strchr(text, '\n');
        text = end != NULL ? end + 1 : NULL;
        if (end != NULL) *end = '\0';
        snprintf(place, sizeof place, "%.180s:%d", preset, number);
        apply_line(line, table, never, parser, state);
    }
    state->hook = hook;
}
