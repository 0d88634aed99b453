/* name_words.h: what words in the names of series and files mean. One table in several languages
 * (name_words.c), asked of SeriesDescription, ProtocolName, SequenceName, ImageType and file names
 * alike. Private to the package io. */
#ifndef MRC_IO_NAME_WORDS_H
#define MRC_IO_NAME_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "io/volume.h"

/** What a word says. The words of a name are a set. */
enum mrc_says {
    MRC_SAYS_NOTHING = 0, /* of a phrase: its words do not mean what they mean alone */
    MRC_SAYS_T1 = 1 << 0,
    MRC_SAYS_T2 = 1 << 1,
    MRC_SAYS_PD = 1 << 2,
    MRC_SAYS_FLAIR = 1 << 3,
    MRC_SAYS_STAR = 1 << 4, /* T2* */
    MRC_SAYS_SWI = 1 << 5,
    MRC_SAYS_AGENT = 1 << 6,       /* a contrast agent was given */
    MRC_SAYS_NO_AGENT = 1 << 7,    /* none was */
    MRC_SAYS_MAYBE_AGENT = 1 << 8, /* "inj", "IV": nobody knows */
    /* no plain weighted magnitude image, whatever its timing: */
    MRC_SAYS_MAP = 1 << 9,        /* a quantitative map, or an image that such a map is made of */
    MRC_SAYS_PART = 1 << 10,      /* phase, real or imaginary part */
    MRC_SAYS_SCOUT = 1 << 11,     /* a scout, survey or calibration */
    MRC_SAYS_WEIGHTING = 1 << 12, /* of another weighting: STIR, DIR, diffusion, angiography … */
    MRC_SAYS_COMPUTED = 1 << 13,  /* a projection, a difference, a fusion … */
    MRC_SAYS_LABELS = 1 << 14     /* a mask, a segmentation, the probability of a tissue */
};
#define MRC_SAYS_VETO                                                                              \
    ((unsigned)(MRC_SAYS_MAP | MRC_SAYS_PART | MRC_SAYS_SCOUT | MRC_SAYS_WEIGHTING |               \
                MRC_SAYS_COMPUTED | MRC_SAYS_LABELS))

/** Where a word means it. */
enum mrc_name_kind {
    MRC_NAME_OF_SERIES = 1, /* also a value of ImageType */
    MRC_NAME_OF_FILE = 2
};

/** A row of the table. In a pattern a space stands for the boundary of a word, which lies at
 * everything but letters and digits, and between letters and digits; '.' for one inside a run of
 * letters and digits ("t1.c" is T1C and not T1 C); '#' for a number. "T1", "B0" and their like are
 * one word; '*' is " star"; '+' is a word. Lower case, letters without accents. */
struct mrc_name_word {
    const char *pattern;
    unsigned says;
    unsigned where; /* of enum mrc_name_kind; 0: everywhere */
};
extern const struct mrc_name_word mrc_name_words[];
extern const size_t mrc_name_word_count;

/** What a name says, and the first pattern that says of it that it names no plain weighted image
 * (NULL: none). */
struct mrc_name_said {
    unsigned says;
    const struct mrc_name_word *veto;
};
/** The longest pattern counts at each place, and no word twice. Several calls add up. */
void mrc_name_listen(struct mrc_name_said *said, const char *name, enum mrc_name_kind kind);
/** The contrast that words name, without regard to vetoes and agents; unknown where they name none
 * or several. */
enum mrc_contrast mrc_name_contrast(unsigned says);
/** What kind of image a veto tells of: "a quantitative map". Static text. */
const char *mrc_name_veto_words(unsigned says);
/** The pattern for a message, without its marks: "t2 map". */
struct mrc_name_text {
    char text[48];
};
struct mrc_name_text mrc_name_word_text(const struct mrc_name_word *word);

/** The name as patterns see it; cut to capacity. */
void mrc_name_plain(char *out, size_t capacity, const char *name);

#endif
