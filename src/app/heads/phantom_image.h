/* phantom_image.h: what a scanner would make of a generated head. */
#ifndef MRC_APP_HEADS_PHANTOM_IMAGE_H
#define MRC_APP_HEADS_PHANTOM_IMAGE_H

#include "app/heads/phantom.h"
#include "app/heads/phantom_shape.h"
#include "io/volume.h"

/** A pulse sequence: spin echo, with an inversion before it when inversion_time_ms > 0. */
struct mrc_phantom_sequence {
    enum mrc_contrast contrast;
    const char *description, *scanning_sequence;
    double repetition_time_ms, echo_time_ms, inversion_time_ms;
};
enum { MRC_PHANTOM_SEQUENCES = 4 };
extern const struct mrc_phantom_sequence mrc_phantom_sequences[MRC_PHANTOM_SEQUENCES];
#define MRC_PHANTOM_FIELD_T 1.5

/** Signal of one tissue as a fraction of its full magnetisation; negative where an inversion has
 * not recovered yet. */
double mrc_phantom_signal(enum mrc_tissue tissue, const struct mrc_phantom_sequence *sequence);

/** The grid of an acquisition: the whole head box, centred on the scanner's origin. Columns, rows
 * and slices run as scanners store them: axial to Left, Posterior, Superior; sagittal to Posterior,
 * Inferior, Right; coronal to Left, Inferior, Posterior. */
MRC_MUST_CHECK enum mrc_status mrc_phantom_grid(struct mrc_extent *extent,
                                                struct mrc_geometry *geometry,
                                                const struct mrc_phantom_options *options,
                                                struct mrc_error *err);

/** Images of subject 1 … of a set: image[c] in whole numbers (what 16 bits store), by sequence c,
 * and the tissue that fills most of each voxel (enum mrc_tissue). All five are the caller's; none
 * is made on failure. */
MRC_MUST_CHECK enum mrc_status mrc_phantom_render(mrc_volume *image[MRC_PHANTOM_SEQUENCES],
                                                  mrc_volume **tissue,
                                                  const struct mrc_phantom_options *options,
                                                  int subject, struct mrc_error *err);

#endif
