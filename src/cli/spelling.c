/* spelling.c: beginnings of words, and Levenshtein's distance. */
#include "cli/spelling.h"

#include <string.h>

enum { LONGEST = 32, NEAR = 2 };

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Letters to insert, delete or change (Levenshtein). */
static int distance(const char *a, const char *b) {
    int row[LONGEST + 1];
    int n = (int)strlen(b);
    if (n > LONGEST || strlen(a) > LONGEST) return LONGEST;
    for (int j = 0; j <= n; ++j) row[j] = j;
    for (int i = 1; a[i - 1] != '\0'; ++i) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; ++j) {
            int changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(changed, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

int mrc_spelling_nearest(const char *typed, const char *const *words, size_t count) {
    int nearest = -1, least = NEAR + 1;
    size_t length = strlen(typed);
    for (size_t i = 0; i < count; ++i) {
        if (length > 0 && strncmp(words[i], typed, length) == 0) return (int)i;
        int letters = distance(typed, words[i]);
        if (letters >= least) continue;
        least = letters;
        nearest = (int)i;
    }
    return nearest;
}
