/* spelling.h: the word that a mistyped one was meant to be. */
#ifndef MRC_CLI_SPELLING_H
#define MRC_CLI_SPELLING_H

#include <stddef.h>

/** The nearest of `count` words: the first that begins with `typed`, else the one fewest letters
 * (at most 2) away from it; -1 when none is near. */
int mrc_spelling_nearest(const char *typed, const char *const *words, size_t count);

#endif
