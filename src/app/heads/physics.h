/* physics.h: from relaxation times to signal: the equations of the sequences, and one person's
 * tissues and one session's sequences, drawn from their ranges. */
#ifndef MRC_APP_HEADS_PHYSICS_H
#define MRC_APP_HEADS_PHYSICS_H

#include "app/heads/config.h"
#include "app/heads/tissue.h"
#include "io/volume.h"

enum mrc_sim_sequence_kind {
    MRC_SIM_SE,      /* spin echo */
    MRC_SIM_FSE,     /* fast spin echo, by its effective echo time */
    MRC_SIM_IRFSE,   /* the same after an inversion (FLAIR) */
    MRC_SIM_MPRAGE_, /* gradient echoes after an inversion, in their steady state */
    MRC_SIM_SPGR     /* spoiled gradient echo */
};
struct mrc_sim_sequence {
    enum mrc_sim_sequence_kind kind;
    double tr_ms, te_ms, ti_ms, flip_deg, spacing_ms;
    int echoes;
};
/** "SE", "FSE", "IR-FSE", "MPRAGE", "SPGR". */
const char *mrc_sim_sequence_name(enum mrc_sim_sequence_kind kind);

struct mrc_sim_relaxation {
    double t1_ms, t2_ms, density;
};
/** Signal in parts of the full magnetisation of water; below 0 where an inversion has not recovered
 * yet. T2* of gradient echoes is taken as 0.7 T2. */
double mrc_sim_signal(const struct mrc_sim_sequence *sequence, const struct mrc_sim_relaxation *r);

enum { MRC_SIM_CONTRASTS = 4 };
/** T1w, T2w, PDw, FLAIR: the order of everything that is drawn for four contrasts. */
extern const enum mrc_contrast mrc_sim_contrasts[MRC_SIM_CONTRASTS];

/** One person at one scanner. */
struct mrc_sim_physics {
    double field_t, age; /* age from 0, young, to 1 */
    double texture;
    struct mrc_sim_relaxation tissue[MRC_SIM_TISSUES];
    struct mrc_sim_sequence sequence[MRC_SIM_CONTRASTS];
    double flair_fluid_t1_ms; /* of the fluid around the brain: flow shortens its T1 in T1w only */
    /* Besides the equations, per contrast: */
    double fat[MRC_SIM_CONTRASTS];       /* factor of fat's signal */
    int fat_shift_px[MRC_SIM_CONTRASTS]; /* along fat_axis (0: columns, 1: rows) */
    int fat_axis;
    double inflow;    /* artery in gradient echoes, parts of white matter */
    double floor;     /* T1w: part of the fluid's signal taken from all */
    double fluid_t1w; /* T1w: factor of the fluid's signal */
    double curve;     /* T1w: power of the grey values */
    double pulsation, pulsation_from;
};
void mrc_sim_physics_draw(struct mrc_sim_physics *out, const struct mrc_sim_config *config,
                          struct mrc_rng *rng);

/** Signals ready to be summed: value and its slopes by the three fields of texture, tissue by
 * tissue with the four contrasts side by side; scaled so that the brightest of white and grey
 * matter and fluid is 1. */
struct mrc_sim_signals {
    float value[MRC_SIM_TISSUES][MRC_SIM_CONTRASTS];
    float slope[MRC_SIM_TISSUES][3][MRC_SIM_CONTRASTS];
    float white[MRC_SIM_CONTRASTS]; /* magnitude */
};
void mrc_sim_signals_make(struct mrc_sim_signals *out, const struct mrc_sim_physics *physics);
/** What tissues usually look like: medians over many persons and sessions, in parts of white
 * matter's magnitude in the same image. slope: by the first field of texture, the one that both
 * relaxation times follow, for a texture of 1. */
struct mrc_sim_typical {
    float value[MRC_SIM_TISSUES][MRC_SIM_CONTRASTS], slope[MRC_SIM_TISSUES][MRC_SIM_CONTRASTS];
};
/** Depends on the ranges alone. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_sim_typical_find(struct mrc_sim_typical *out,
                                                    const struct mrc_sim_config *config,
                                                    struct mrc_error *err);
/** The same at one place: fields of texture f[3]; signed. */
double mrc_sim_tissue_signal(const struct mrc_sim_physics *physics, enum mrc_sim_tissue tissue,
                             int contrast, const double f[3]);

#endif
