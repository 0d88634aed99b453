/* head.h: inputs for tests of whole commands: a simple head with one bright ball on the patient's
 * left, in front and above, and a model that keeps brightness order. */
#ifndef MRC_TESTS_APP_HEAD_H
#define MRC_TESTS_APP_HEAD_H

#include "base/status.h"
#include "io/dicom/derived.h"
#include "io/volume.h"

/** RAS+ position of the ball's centre, mm. */
extern const double head_marker_ras_mm[3];

/** Stored axes by where they run: "LPS" axial, "PIL" sagittal, "LIP" coronal; any of R/L, A/P, S/I
 * once. 3 mm a voxel; `tilt_deg` turns the grid about the patient's right-left axis and a little
 * about the others. */
enum mrc_status head_create(mrc_volume **out, const char *axes, double tilt_deg,
                            struct mrc_error *err);
/** Keeps every `step`-th slice, where it was: for tests that look at other things than slices. */
enum mrc_status head_thin(mrc_volume **vol, int64_t step, struct mrc_error *err);
/** The head as a DICOM series of the given contrast in the existing folder `dir`. */
enum mrc_status head_save_dicom(const mrc_volume *vol, enum mrc_contrast contrast, const char *dir,
                                struct mrc_error *err);
/** Centre of gravity, RAS+ mm, of the voxels above `threshold`; false when there are none. */
bool head_find_marker(double ras_mm[3], const mrc_volume *vol, float threshold);

/** Generators that map x to sigmoid(8 x - 4), pixel by pixel, in a local network of one channel or
 * of three (whose middle one is taken), for images of `size` pixels. */
enum mrc_status head_save_model(const char *path, int64_t size, int64_t channels,
                                struct mrc_error *err);

#endif
