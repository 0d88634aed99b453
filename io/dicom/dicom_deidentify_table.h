/* dicom_deidentify_table.h: which elements may enter a de-identified data set, and in which form.
 * Private to the package io. */
#ifndef MRC_IO_DICOM_DICOM_DEIDENTIFY_TABLE_H
#define MRC_IO_DICOM_DICOM_DEIDENTIFY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mrc_deidentify_action {
    MRC_DEIDENTIFY_NUMBERS,   /* K: kept when every value is a number */
    MRC_DEIDENTIFY_WORDS,     /* K: values of the list are kept, others dropped */
    MRC_DEIDENTIFY_TYPE,      /* K: ImageType: as words, but places keep their meaning */
    MRC_DEIDENTIFY_MAKER,     /* C: the maker's name, of a closed list */
    MRC_DEIDENTIFY_KNOWN_UID, /* K: a UID of the standard (1.2.840.10008…) */
    MRC_DEIDENTIFY_UID,       /* U: a keyed UID */
    MRC_DEIDENTIFY_FRAME_UID, /* U: the same, but for the standard's own frames of reference */
    MRC_DEIDENTIFY_DATE_TIME, /* D: 1 January 1900, where enhanced images must have one */
    MRC_DEIDENTIFY_DUMMY,     /* D: the fixed text in `words`, where the element is there */
    MRC_DEIDENTIFY_CODE,      /* C: a code by value and scheme; its meaning from our own list */
    MRC_DEIDENTIFY_SEQUENCE,  /* each item by the same table */
    MRC_DEIDENTIFY_PROGRAM    /* items that this program wrote of itself, by the same table */
};

struct mrc_deidentify_rule {
    uint32_t tag;
    enum mrc_deidentify_action action;
    const char *words;    /* of MRC_DEIDENTIFY_WORDS, _TYPE, _DUMMY: "A|B|C" */
    const char *fallback; /* written when nothing of the value may enter; NULL: nothing is */
    bool empty;           /* an element without value is written empty (type 2) */
};

extern const struct mrc_deidentify_rule mrc_deidentify_rules[];
extern const size_t mrc_deidentify_rule_count;

#endif
