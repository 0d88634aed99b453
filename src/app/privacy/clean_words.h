/* clean_words.h: messages that may leave the house. An error text is written for the person at the
 * machine: it names files, and quotes what a header says. In reports that travel with data only
 * such words stay that cannot come from either. */
#ifndef MRC_APP_PRIVACY_CLEAN_WORDS_H
#define MRC_APP_PRIVACY_CLEAN_WORDS_H

#include "base/fs.h"

/** Copies `text` into out[capacity], without a leading "path: ", and with a star for each word that
 * is neither among the words of this program's messages, nor a number of at most six digits, nor a
 * tag, or that is part of a name in `path` or among `names` (NULL: none). */
void mrc_clean_words(char *out, size_t capacity, const char *text, const char *path,
                     const struct mrc_name_list *names);

#endif
