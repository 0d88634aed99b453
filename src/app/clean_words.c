/* clean_words.c: see clean_words.h. */
#include "app/clean_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SHORTEST_NAME = 3, WORD = 96 };

static const char small_letters[] = "abcdefghijklmnopqrstuvwxyz-";

/* Terms with capitals or digits that our messages use. */
static bool is_term(const char *word) {
    static const char *const terms[] = {"MR",
                                        "No",
                                        "Permission",
                                        "CT",
                                        "DICOM",
                                        "NIfTI",
                                        "NIfTI-1",
                                        "NIfTI-2",
                                        "PNG",
                                        "JPEG",
                                        "JPEG-LS",
                                        "RLE",
                                        "UID",
                                        "GiB",
                                        "MiB",
                                        "T1w",
                                        "T2w",
                                        "PDw",
                                        "FLAIR",
                                        "T1w-ce",
                                        "T2starw",
                                        "RGB",
                                        "PixelData",
                                        "I",
                                        "Modality",
                                        "ImageType",
                                        "Rows",
                                        "Columns",
                                        "BitsStored",
                                        "HighBit",
                                        "BitsAllocated",
                                        "Otsu's",
                                        "SopInstanceUID",
                                        "SOPInstanceUID",
                                        "SliceThickness",
                                        "PixelSpacing",
                                        "NaN",
                                        "XL",
                                        "HTJ2K",
                                        "ImagePositionPatient",
                                        "ImageOrientationPatient",
                                        "TR",
                                        "TE",
                                        "TI",
                                        "SyntheticData",
                                        "DERIVED",
                                        "SECONDARY"};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; ++i)
        if (strcmp(terms[i], word) == 0) return true;
    size_t length = strlen(word), tail = strlen("Storage"); /* names of SOP classes */
    return length > tail && strcmp(word + length - tail, "Storage") == 0 && length < 48 &&
           isupper((unsigned char)word[0]);
}

static bool is_tag(const char *word) {
    return strlen(word) == 9 && word[4] == ',' && strspn(word, "0123456789abcdefABCDEF") == 4 &&
           strspn(word + 5, "0123456789abcdefABCDEF") == 4;
}

static bool is_number(const char *word) {
    return strspn(word, "0123456789") > 0 && word[strspn(word, "0123456789.x%")] == '\0';
}

/* Is the word part of a name of the path, or the other way round? */
static bool is_in_path(const char *word, const char *path) {
    size_t length = strlen(word);
    if (length < SHORTEST_NAME) return false;
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t part = strcspn(at, "/ _.-^");
        if (part == length && strncasecmp(at, word, length) == 0) return true;
        at += part + (at[part] != '\0');
    }
    return false;
}

/* Words of our sentences that are no secret though files be called so. */
static bool is_common(const char *word) {
    static const char common[] =
        " expected image images file files slice slices series volume pixels header data brain "
        "head "
        "scan scans with from more than that the and for not are has does one two its this other "
        "unknown axial sagittal coronal oblique bytes element sequence test mask derived marked ";
    char spaced[WORD + 2];
    (void)snprintf(spaced, sizeof spaced, " %s ", word);
    return strstr(common, spaced) != NULL;
}

static bool is_name(const char *word, const char *path, const struct mrc_name_list *names) {
    if (is_common(word)) return false;
    if (is_in_path(word, path)) return true;
    for (size_t i = 0; names != NULL && i < names->count; ++i)
        if (is_in_path(word, mrc_path_name(names->names[i]))) return true;
    return false;
}

/* `next`: what follows, for a keyword stands before its tag. */
static bool may_stay(const char *word, const char *next, const char *path,
                     const struct mrc_name_list *names) {
    if (word[0] == '\0' || is_tag(word) || is_number(word) || is_term(word)) return true;
    bool keyword = isupper((unsigned char)word[0]) && next[0] == '(' && strlen(next) > 10 &&
                   next[5] == ',' && next[10] == ')';
    if (keyword) return true;
    return word[strspn(word, small_letters)] == '\0' && !is_name(word, path, names);
}

void mrc_clean_words(char *out, size_t capacity, const char *text, const char *path,
                     const struct mrc_name_list *names) {
    static const char marks[] = "()[],.;:'\"";
    size_t used = 0, length = strlen(path);
    if (length > 0 && strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    while (*text != '\0' && used + 2 < capacity) {
        size_t gap = strspn(text, " "), size;
        char word[WORD];
        if (gap > 0) out[used++] = ' ';
        text += gap;
        size = strcspn(text, " ");
        const char *begin = text, *end = text + size;
        const char *next = end + strspn(end, " ");
        text = end;
        while (begin < end && strchr(marks, *begin) != NULL && used + 2 < capacity)
            out[used++] = *begin++;
        const char *tail = end;
        while (tail > begin && strchr(marks, tail[-1]) != NULL) --tail;
        bool fits = (size_t)(tail - begin) < sizeof word;
        if (fits) (void)snprintf(word, sizeof word, "%.*s", (int)(tail - begin), begin);
        bool stays = fits && may_stay(word, next, path, names);
        int written = snprintf(out + used, capacity - used, "%s%.*s", stays ? word : "*",
                               (int)(end - tail), tail);
        used += (size_t)written < capacity - used ? (size_t)written : capacity - used - 1;
    }
    out[used < capacity ? used : capacity - 1] = '\0';
}
