/* config.h: every range that heads are drawn from. One list makes the names of the file, the
 * defaults, and the constants of the code (docs/heads.md says where the numbers come from). */
#ifndef MRC_APP_HEADS_CONFIG_H
#define MRC_APP_HEADS_CONFIG_H

#include <stdbool.h>

#include "base/rng.h"
#include "base/status.h"
#include "base/text.h"

/* A section S("title"), a range R(constant, "name", low, high, least, most, "words"), drawn
 * uniformly, or a part P(constant, "name", value, most, "words"): a share of the heads, or a
 * weight among several. */
#define MRC_SIM_CONFIG_LIST(S, R, P)                                                               \
    S("Anatomy")                                                                                   \
    P(MIRRORED, "mirrored", 0.5, 1, "left and right exchanged")                                    \
    R(NOD, "nod-deg", -15, 15, -90, 90, "rotation about the axis from ear to ear")                 \
    R(TILT, "tilt-deg", -9, 9, -90, 90, "about the axis from front to back")                       \
    R(TURN, "turn-deg", -9, 9, -90, 90, "about the axis from foot to head")                        \
    R(SCALE, "scale", 0.86, 1.14, 0.5, 2, "size of the head")                                      \
    R(STRETCH, "stretch", 0.94, 1.06, 0.5, 2, "size along each axis, besides")                     \
    R(SHEAR, "shear", -0.03, 0.03, -0.3, 0.3, "")                                                  \
    R(COARSE, "coarse-mm", 0, 3.5, 0, 20, "coarse deformation, standard deviation")                \
    R(COARSE_GRID, "coarse-grid-mm", 25, 45, 10, 200, "size of its features")                      \
    R(FINE, "fine-mm", 0, 0.7, 0, 10, "fine deformation; more makes skulls wobble")                \
    R(FINE_GRID, "fine-grid-mm", 12, 16, 6, 100, "size of its features")                           \
    P(VENTRICLES, "ventricles", 0.6, 1, "ventricles made wider or narrower")                       \
    R(VENTRICLE_MM, "ventricle-mm", -1.5, 5, -5, 10, "by how much on each side")                   \
    R(SULCI, "sulci", 0.3, 1.6, 0.1, 10,                                                           \
      "fluid's vote against its neighbours where they meet: atrophy above 1, a tight brain below") \
    S("Soft tissue")                                                                               \
    R(FAT_MM, "fat-mm", 3, 8, 0, 30, "depth of the fat below the skin")                            \
    R(FAT_PATCH, "fat-patch", 1.0, 1.8, -5, 5,                                                     \
      "fat in patches where a field of deviation 1 exceeds this")                                  \
    R(SEPTA, "septa", 0.06, 0.3, 0, 2,                                                             \
      "fat in sheets between muscles: half their width, the same field")                           \
    P(DURA, "dura", 0.8, 1, "the outside of the fluid is dura where it touches bone")              \
    R(DURA_TOUCH, "dura-touch", 0.15, 0.45, 0, 1, "bone around, as a part, from which on it does") \
    S("Relaxation: times in ms, proton density 1 for water")                                       \
    R(FIELD, "field-t", 1.5, 3, 0.2, 7, "field strength in tesla")                                 \
    R(WHITE_T1, "white-t1", 620, 850, 100, 4000,                                                   \
      "white matter at the lowest … highest field strength")                                       \
    R(WHITE_T2, "white-t2", 64, 84, 10, 1000, "")                                                  \
    R(WHITE_PD, "white-pd", 0.66, 0.74, 0, 1.2, "")                                                \
    R(GREY_T1, "grey-t1", 1.28, 1.75, 0.2, 5, "cortex, in parts of white matter's")                \
    R(GREY_T2, "grey-t2", 1.06, 1.34, 0.2, 5, "in parts of white matter's")                        \
    R(GREY_PD, "grey-pd", 1.08, 1.22, 0.2, 2, "in parts of white matter's")                        \
    R(CAUDATE_T1, "caudate-t1", 0.75, 1.02, 0, 2, "way from white matter to cortex")               \
    R(CAUDATE_T2, "caudate-t2", 0.86, 1, 0.2, 5, "in parts of cortex")                             \
    R(PUTAMEN_T1, "putamen-t1", 0.65, 0.95, 0, 2, "way from white matter to cortex")               \
    R(PUTAMEN_T2, "putamen-t2", 0.8, 0.96, 0.2, 5, "in parts of cortex")                           \
    R(IRON_T2, "iron-t2", 0, 8, 0, 40,                                                             \
      "what age takes from pallidum's T2, and three quarters of it from putamen's")                \
    R(PALLIDUM_T1, "pallidum-t1", 0.1, 0.5, 0, 2, "way from white matter to cortex")               \
    R(PALLIDUM_T2, "pallidum-t2", 0.76, 0.94, 0.2, 5, "in parts of white matter")                  \
    R(PALLIDUM_PD, "pallidum-pd", 1, 1.03, 0.2, 2, "in parts of white matter")                     \
    R(VENTRAL_T1, "ventral-t1", 0.2, 0.5, 0, 2, "way from white matter to cortex")                 \
    R(VENTRAL_T2, "ventral-t2", 0.82, 1.02, 0.2, 5, "in parts of white matter")                    \
    R(THALAMUS_T1, "thalamus-t1", 0.35, 0.75, 0, 2, "way from white matter to cortex")             \
    R(THALAMUS_T2, "thalamus-t2", 0.2, 0.7, 0, 2, "way from white matter to cortex")               \
    R(STEM_T1, "stem-t1", 0.1, 0.4, 0, 2, "way from white matter to cortex")                       \
    R(STEM_T2, "stem-t2", 1, 1.12, 0.2, 5, "in parts of white matter")                             \
    R(HIPPOCAMPUS_T2, "hippocampus-t2", 1, 1.12, 0.2, 5, "in parts of cortex")                     \
    R(FLUID_T1, "fluid-t1", 3400, 4600, 500, 6000, "")                                             \
    R(FLUID_T2, "fluid-t2", 700, 2000, 50, 4000, "")                                               \
    R(SULCAL_T1, "sulcal-t1", 0.6, 1, 0.1, 1, "of it, around the brain")                           \
    R(SULCAL_T2, "sulcal-t2", 0.15, 0.8, 0.05, 1, "of it, around the brain")                       \
    R(SULCAL_PD, "sulcal-pd", 0.7, 0.96, 0.1, 1, "")                                               \
    R(CHOROID_T1, "choroid-t1", 1400, 2600, 100, 5000, "")                                         \
    R(CHOROID_T2, "choroid-t2", 120, 350, 10, 4000, "")                                            \
    R(FAT_T1, "fat-t1", 240, 380, 50, 4000, "")                                                    \
    R(FAT_T2, "fat-t2", 70, 150, 10, 1000, "")                                                     \
    R(FAT_PD, "fat-pd", 0.85, 1.05, 0, 1.2, "")                                                    \
    R(MUSCLE_T1, "muscle-t1", 900, 1200, 100, 4000, "at the lowest … highest field strength")      \
    R(MUSCLE_T2, "muscle-t2", 30, 46, 5, 1000, "")                                                 \
    R(MUSCLE_PD, "muscle-pd", 0.72, 0.85, 0, 1.2, "")                                              \
    R(SKIN_T1, "skin-t1", 500, 1000, 50, 4000, "")                                                 \
    R(SKIN_T2, "skin-t2", 30, 60, 5, 1000, "")                                                     \
    R(SKIN_PD, "skin-pd", 0.5, 0.8, 0, 1.2, "")                                                    \
    R(MARROW_T1, "marrow-t1", 330, 650, 50, 4000, "")                                              \
    R(MARROW_T2, "marrow-t2", 50, 110, 5, 1000, "")                                                \
    R(MARROW_PD, "marrow-pd", 0.35, 0.8, 0, 1.2, "")                                               \
    R(BONE_PD, "bone-pd", 0.03, 0.12, 0, 1.2, "T1 800, T2 15")                                     \
    R(DURA_T1, "dura-t1", 800, 1300, 50, 4000, "")                                                 \
    R(DURA_T2, "dura-t2", 25, 45, 5, 1000, "")                                                     \
    R(DURA_PD, "dura-pd", 0.4, 0.7, 0, 1.2, "")                                                    \
    R(MUCOSA_T1, "mucosa-t1", 1100, 2000, 50, 5000, "")                                            \
    R(MUCOSA_T2, "mucosa-t2", 80, 220, 5, 2000, "")                                                \
    R(VEIN_PD, "vein-pd", 0.1, 0.7, 0, 1.2, "what flow leaves of a vein's signal")                 \
    R(ARTERY_PD, "artery-pd", 0.03, 0.25, 0, 1.2, "of an artery's in spin echoes")                 \
    R(INFLOW, "inflow", 0.6, 1.8, 0, 5,                                                            \
      "an artery's signal in gradient echoes, in parts of white matter's")                         \
    R(LESION_T1, "lesion-t1", 1.3, 1.9, 0.2, 5, "white matter lesion, in parts of white matter")   \
    R(LESION_T2, "lesion-t2", 1.5, 2.4, 0.2, 10, "")                                               \
    P(HIDDEN, "hidden", 0.25, 1, "lesions whose T1 is nearly white matter's: invisible in T1w")    \
    R(TUMOUR_T1, "tumour-t1", 0.95, 1.6, 0.2, 5, "in parts of cortex")                             \
    R(TUMOUR_T2, "tumour-t2", 0.95, 2, 0.2, 10, "")                                                \
    R(OEDEMA_T1, "oedema-t1", 1.35, 2.1, 0.2, 5, "in parts of white matter")                       \
    R(OEDEMA_T2, "oedema-t2", 1.5, 2.6, 0.2, 10, "")                                               \
    R(NECROSIS_T1, "necrosis-t1", 1800, 3600, 100, 5000, "")                                       \
    R(NECROSIS_T2, "necrosis-t2", 180, 900, 10, 4000, "")                                          \
    R(BLOOD_T1, "blood-t1", 0.35, 1.3, 0.05, 5, "haemorrhage, in parts of cortex")                 \
    R(BLOOD_T2, "blood-t2", 0.25, 0.65, 0.05, 5, "")                                               \
    R(TEXTURE, "texture", 0.015, 0.07, 0, 0.5,                                                     \
      "unevenness of T1 within a tissue, standard deviation")                                      \
    R(TEXTURE_MM, "texture-mm", 4, 16, 4, 100, "size of its features")                             \
    S("Sequences: times in ms, angles in degrees")                                                 \
    P(SPIN_ECHO, "t1w-spin-echo", 0.45, 100, "weight among the kinds of T1w")                      \
    P(MPRAGE, "t1w-mprage", 0.35, 100, "")                                                         \
    P(SPOILED, "t1w-spoiled", 0.2, 100, "spoiled gradient echo")                                   \
    R(SE_TR, "se-tr", 400, 700, 50, 20000, "")                                                     \
    R(SE_TE, "se-te", 8, 20, 1, 500, "")                                                           \
    R(MPRAGE_TR, "mprage-tr", 1700, 2500, 500, 10000, "from inversion to inversion")               \
    R(MPRAGE_TI, "mprage-ti", 800, 1100, 100, 5000, "to the middle of the readout")                \
    R(MPRAGE_FLIP, "mprage-flip", 7, 12, 1, 90, "")                                                \
    R(MPRAGE_SPACING, "mprage-spacing", 6, 10, 1, 50, "between echoes")                            \
    R(MPRAGE_ECHOES, "mprage-echoes", 110, 200, 1, 1000, "of one readout")                         \
    R(SPGR_TR, "spgr-tr", 8, 28, 2, 1000, "")                                                      \
    R(SPGR_FLIP, "spgr-flip", 15, 30, 1, 90, "")                                                   \
    R(T2W_TR, "t2w-tr", 2500, 7000, 500, 20000, "")                                                \
    R(T2W_TE, "t2w-te", 75, 120, 10, 500, "")                                                      \
    R(PDW_TR, "pdw-tr", 2000, 5000, 500, 20000, "")                                                \
    R(PDW_TE, "pdw-te", 8, 30, 1, 200, "")                                                         \
    R(FLAIR_TR, "flair-tr", 7000, 11000, 1000, 20000, "")                                          \
    R(FLAIR_TE, "flair-te", 80, 140, 10, 500, "")                                                  \
    R(FLAIR_NULL, "flair-null", 0.9, 1.1, 0.2, 3,                                                  \
      "inversion time, in parts of the one that nulls CSF")                                        \
    P(STRONG, "t1w-strong", 0.35, 1, "T1w stretched so that fluid goes to black")                  \
    R(STRONG_BY, "t1w-strong-by", 0.2, 1.1, 0, 3, "by how much of the fluid's signal")             \
    P(BRIGHT, "t1w-bright-fluid", 0.25, 1, "T1w in which fluid is nearly grey")                    \
    R(BRIGHT_BY, "t1w-bright-by", 1.2, 2.8, 0.2, 5, "times its signal")                            \
    P(CURVED, "t1w-curved", 0.2, 1, "T1w with a power of its grey values")                         \
    R(CURVE, "t1w-curve", 0.75, 1.35, 0.2, 5, "the power")                                         \
    R(FAT_T1W, "fat-t1w", 0.6, 1.3, 0, 5, "fat's signal in T1w, times that of its relaxation")     \
    R(FAT_LONG, "fat-fse", 0.8, 2.2, 0, 5, "in the other sequences: echo trains keep it bright")   \
    P(FAT_OFF_T1W, "fat-suppressed-t1w", 0.08, 1, "")                                              \
    P(FAT_OFF, "fat-suppressed", 0.2, 1, "in the other sequences")                                 \
    R(FAT_LEFT, "fat-left", 0.08, 0.3, 0, 1, "what suppression leaves")                            \
    R(FAT_SHIFT, "fat-shift-px", -2, 2, -10, 10, "chemical shift")                                 \
    R(PULSATION, "pulsation", 0, 0.5, 0, 1, "what the pulse takes of fluid's T2w in places")       \
    R(PULSATION_FROM, "pulsation-from", 0.3, 2, -5, 5,                                             \
      "places: a field of deviation 1 above this")                                                 \
    S("Acquisition")                                                                               \
    P(AXIAL, "axial", 0.6, 100, "weight among the planes of slices")                               \
    P(SAGITTAL, "sagittal", 0.12, 100, "")                                                         \
    P(CORONAL, "coronal", 0.08, 100, "")                                                           \
    P(ISOTROPIC, "isotropic", 0.2, 100, "volumes of cubes, stored in any of the planes")           \
    R(PIXEL, "pixel-mm", 0.75, 1.05, 0.2, 5, "in the slice")                                       \
    R(SPACING, "spacing-mm", 3.2, 6, 0.3, 12, "between slices")                                    \
    R(THICKNESS, "thickness", 0.6, 1, 0.1, 2, "of a slice, in parts of the spacing")               \
    R(CUBE, "cube-mm", 0.9, 1.2, 0.3, 5, "side of isotropic voxels")                               \
    R(FOV, "fov-mm", 210, 256, 60, 400, "field of view")                                           \
    R(BLUR, "blur-mm", 0.25, 0.85, 0, 5, "in the slice, standard deviation")                       \
    R(BIAS, "bias", 0, 0.18, 0, 2, "receive field: standard deviation of its logarithm")           \
    R(BIAS_MM, "bias-mm", 70, 160, 20, 500, "size of its features")                                \
    P(STRONG_BIAS, "strong-bias", 0.1, 1, "four times as uneven")                                  \
    R(NOISE, "noise", 0.003, 0.06, 0, 1, "in parts of white matter; even in its logarithm")        \
    P(MASKED, "masked-background", 0.25, 1, "air set to 0, as some scanners do")                   \
    P(RINGING, "ringing", 0.1, 1, "Gibbs's ringing along one axis")                                \
    P(GHOST, "ghost", 0.08, 1, "a faint ghost along one axis: motion, flow")                       \
    R(GHOST_BY, "ghost-by", 0.01, 0.06, 0, 1, "its strength")                                      \
    P(STRIP, "stripped", 0.5, 1, "without skull")                                                  \
    R(STRIP_AT, "strip-at", 0.12, 0.42, 0, 1,                                                      \
      "the mask ends where a smoothed brain falls below this")                                     \
    R(LOW_CUT, "low-cut-mm", -30, 8, -200, 100,                                                    \
      "the lowest slice, above the brain's lowest point")                                          \
    R(HIGH_CUT, "high-cut-mm", 0, 14, -100, 100, "the highest, above the brain's highest")         \
    S("Pathology")                                                                                 \
    P(LESIONS, "lesions", 0.42, 1, "heads with pathology")                                         \
    P(HYPERINTENSITIES, "hyperintensities", 3, 100,                                                \
      "weight among the kinds: near the ventricles, of small vessels")                             \
    P(SCLEROSIS, "sclerosis", 2, 100, "plaques as of multiple sclerosis")                          \
    P(TUMOURS, "tumour", 3, 100, "with rim, necrosis, oedema and mass effect, or some of them")    \
    P(INFARCTS, "infarct", 1.2, 100, "")                                                           \
    P(HAEMORRHAGES, "haemorrhage", 0.6, 100, "dark in T2w")                                        \
    P(CAVITIES, "cavity", 0.8, 100, "of a resection")                                              \
    R(WMH_PART, "hyperintensities-part", 0.01, 0.12, 0, 1, "of white matter")                      \
    R(PLAQUES, "plaques", 4, 30, 1, 200, "number")                                                 \
    R(PLAQUE_MM, "plaque-mm", 1.5, 6, 0.5, 30, "radius")                                           \
    R(MASS_MM, "mass-mm", 7, 24, 1, 60, "radius of a tumour, haemorrhage or cavity")               \
    R(MASS_EFFECT, "mass-effect", 0, 0.4, 0, 0.8, "how far a mass pushes, in parts of its radius") \
    R(OEDEMA_MM, "oedema", 1.2, 2.6, 1, 5, "its radius in parts of the mass's")

enum mrc_sim_key {
#define MRC_SIM_SECTION(title)
#define MRC_SIM_RANGE(id, name, lo, hi, least, most, words) MRC_SIM_##id##_RANGE,
#define MRC_SIM_PART(id, name, value, most, words)          MRC_SIM_##id##_RANGE,
    MRC_SIM_CONFIG_LIST(MRC_SIM_SECTION, MRC_SIM_RANGE, MRC_SIM_PART)
#undef MRC_SIM_RANGE
#undef MRC_SIM_PART
#undef MRC_SIM_SECTION
        MRC_SIM_KEYS
};

struct mrc_sim_config {
    double lo[MRC_SIM_KEYS], hi[MRC_SIM_KEYS]; /* the same number twice for a part */
};
void mrc_sim_config_init(struct mrc_sim_config *config);

/** Reads a file over what is there: lines "name = low high", or "name = value" for a part and for a
 * range that is one number; "#" begins words. Errors name the file and the line. */
MRC_MUST_CHECK enum mrc_status mrc_sim_config_load(struct mrc_sim_config *config, const char *path,
                                                   struct mrc_error *err);
/** Appends a file of all ranges, with their words. */
void mrc_sim_config_append_text(struct mrc_text *text, const struct mrc_sim_config *config);
/** Appends every range as a member "name": [low, high] or "name": value, without braces. */
void mrc_sim_config_append_json(struct mrc_text *text, const struct mrc_sim_config *config);

/** One draw of a range; always one number of the stream. */
double mrc_sim_draw(struct mrc_rng *rng, const struct mrc_sim_config *config, enum mrc_sim_key key);
/** True in that part of all draws; always one number of the stream. */
bool mrc_sim_chance(struct mrc_rng *rng, const struct mrc_sim_config *config, enum mrc_sim_key key);
/** Which of the `count` weights from `first` on; always one number of the stream. */
int mrc_sim_choose(struct mrc_rng *rng, const struct mrc_sim_config *config, enum mrc_sim_key first,
                   int count);

#endif
