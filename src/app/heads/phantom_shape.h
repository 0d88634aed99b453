/* phantom_shape.h: the anatomy of a generated head: what tissue is at a point.
 * The head's own frame is RAS+ in mm with the anterior commissure near the origin. */
#ifndef MRC_APP_HEADS_PHANTOM_SHAPE_H
#define MRC_APP_HEADS_PHANTOM_SHAPE_H

#include <stdint.h>

enum mrc_tissue {
    MRC_TISSUE_AIR,
    MRC_TISSUE_CSF, /* around the brain */
    MRC_TISSUE_CORTEX,
    MRC_TISSUE_WHITE,
    MRC_TISSUE_DEEP_GREY,
    MRC_TISSUE_VENTRICLE,
    MRC_TISSUE_LESION,
    MRC_TISSUE_BONE,
    MRC_TISSUE_MARROW,
    MRC_TISSUE_FAT,
    MRC_TISSUE_MUSCLE, /* and skin */
    MRC_TISSUE_EYE,
    MRC_TISSUE_MARKER,
    MRC_TISSUE_PALLIDUM, /* dark in T2w: iron */
    MRC_TISSUES
};
/** "air", "CSF", "cortical grey matter", …; and a short form for tables: "CSF", "CGM". */
const char *mrc_tissue_name(enum mrc_tissue tissue);
const char *mrc_tissue_abbreviation(enum mrc_tissue tissue);

enum { MRC_MAX_LESIONS = 40 };

/** One person. Everything random is settled at init; afterwards it is only read. */
struct mrc_head {
    double to_head[3][3]; /* world mm less shift -> head mm: turn and size */
    double shift_mm[3];
    uint32_t folds, depths, bends, lumps, folia; /* seeds of the fields */
    double cortex_mm, sulcus_mm, skull_mm, scalp_mm, csf_mm;
    double ventricle[2];    /* size of the left and right lateral ventricle, 1 = usual */
    double marker_mm[2][3]; /* ends of the capsule's axis, on the patient's left */
    int lesions;
    double lesion_mm[MRC_MAX_LESIONS][4]; /* centre and radius */
};
/** `lesions` < 0: 0 to 4, by the seed. Reproducible: depends on seed, subject and lesions only. */
void mrc_head_init(struct mrc_head *head, uint64_t seed, int subject, int lesions);

/** Fractions (they add up to 1) of the tissues at a world position, with boundaries blurred over
 * width_mm. */
void mrc_head_at(double fraction[MRC_TISSUES], const struct mrc_head *head, const double ras_mm[3],
                 double width_mm);

/** The box in world coordinates, centred on the scanner's origin, that every head with its marker
 * fits into: Right-Left, Anterior-Posterior, Superior-Inferior. */
#define MRC_HEAD_BOX_MM                                                                            \
    { 210.0, 240.0, 172.5 }
/** Side of the marker in RAS+: the patient's left. */
#define MRC_MARKER_SIDE      (-1.0)
#define MRC_MARKER_RADIUS_MM 5.0

#endif
