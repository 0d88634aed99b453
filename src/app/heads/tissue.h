/* tissue.h: what a computed head is made of, and what the numbers of a label map mean. */
#ifndef MRC_APP_HEADS_TISSUE_H
#define MRC_APP_HEADS_TISSUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum mrc_sim_tissue {
    MRC_SIM_AIR,
    MRC_SIM_WHITE,
    MRC_SIM_CORTEX, /* and all grey matter that a map does not tell apart */
    MRC_SIM_CEREBELLAR_WHITE,
    MRC_SIM_CEREBELLAR_CORTEX,
    MRC_SIM_THALAMUS,
    MRC_SIM_CAUDATE, /* and accumbens */
    MRC_SIM_PUTAMEN,
    MRC_SIM_PALLIDUM,
    MRC_SIM_BRAIN_STEM,
    MRC_SIM_HIPPOCAMPUS, /* and amygdala */
    MRC_SIM_VENTRAL_DC,
    MRC_SIM_VENTRICLE,
    MRC_SIM_FLUID, /* CSF around the brain */
    MRC_SIM_CHOROID,
    MRC_SIM_ARTERY,
    MRC_SIM_VEIN,
    MRC_SIM_EYE,
    MRC_SIM_LENS,
    MRC_SIM_OPTIC_NERVE,
    MRC_SIM_CORD,
    MRC_SIM_DURA,
    MRC_SIM_BONE,
    MRC_SIM_MARROW,
    MRC_SIM_FAT,
    MRC_SIM_MUSCLE,
    MRC_SIM_SKIN,
    MRC_SIM_MUCOSA,
    MRC_SIM_WHITE_LESION,
    MRC_SIM_TUMOUR,
    MRC_SIM_TUMOUR_RIM,
    MRC_SIM_OEDEMA,
    MRC_SIM_NECROSIS,
    MRC_SIM_CAVITY,
    MRC_SIM_INFARCT,
    MRC_SIM_HAEMORRHAGE,
    MRC_SIM_TISSUES
};

/** What a map holds besides tissues: settled head by head. */
enum {
    MRC_SIM_SOFT = MRC_SIM_TISSUES, /* muscle, fat or fascia: settled place by place */
    MRC_SIM_OUTER_FLUID,            /* the first of four shells of CSF, nearer and nearer the bone:
                                       CSF, or dura */
    MRC_SIM_CODES = MRC_SIM_OUTER_FLUID + 4
};

struct mrc_sim_tissue_record {
    const char *name, *abbreviation;
    bool brain;    /* what a tool that strips skulls keeps */
    bool fluid;    /* moves with the pulse */
    bool fat;      /* its signal is shifted along the frequency axis */
    bool lesion;   /* belongs to the mask of lesions */
    float texture; /* how uneven within: 1 is usual */
};
extern const struct mrc_sim_tissue_record mrc_sim_tissues[MRC_SIM_TISSUES];

/** What the numbers of a label map mean: rows of first … last number and code. */
struct mrc_sim_label {
    int32_t first, last;
    uint8_t code;
};
struct mrc_sim_table {
    char name[64];
    struct mrc_sim_label *rows;
    size_t count, capacity;
};
/** "freesurfer" (also SynthSeg), "brainweb", "phantom", or a file of lines "number<TAB>tissue" (a dseg.tsv of
 * this program is one; columns are named by its first line, or are the first two). Clear also after
 * a failure. */
MRC_MUST_CHECK enum mrc_status mrc_sim_table_load(struct mrc_sim_table *out, const char *name,
                                                  struct mrc_error *err);
void mrc_sim_table_clear(struct mrc_sim_table *table);
/** Code of a number, or -1. */
int mrc_sim_table_find(const struct mrc_sim_table *table, int64_t number);

#endif
