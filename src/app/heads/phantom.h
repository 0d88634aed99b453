/* phantom.h: generated patients with a known answer: heads whose tissues, sides and contrasts are
 * known exactly. */
#ifndef MRC_APP_HEADS_PHANTOM_H
#define MRC_APP_HEADS_PHANTOM_H

#include <stdbool.h>
#include <stdint.h>

#include "app/common/events.h"
#include "base/status.h"
#include "io/geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_phantom_options {
    uint64_t seed;
    int subjects;                     /* 1 … 999 */
    int lesions;                      /* per head, 0 … 40; below 0: 0 to 4, by the seed */
    enum mrc_orientation acquisition; /* the plane of the stored slices; not oblique */
    double voxel_mm[3];               /* between columns, rows, slices; 0.5 … 10 */
    double noise; /* standard deviation, as a part of grey matter's signal; Rician; 0 … 1 */
    double bias;  /* the receive field varies by about +- this part; 0 … 1 */
    bool replace; /* earlier phantoms in the folder may be replaced; nothing else is */
};
#define MRC_PHANTOM_DEFAULTS                                                                       \
    {                                                                                              \
        .seed = 1, .subjects = 1, .lesions = -1, .acquisition = MRC_AXIAL,                         \
        .voxel_mm = {1.25, 1.25, 1.25}, .noise = 0.03, .bias = 0.15, .replace = false              \
    }

/** Writes a folder, whole or not at all:
 *    dataset_description.json, participants.tsv, dseg.tsv, README, .bidsignore
 *    sub-01/anat/sub-01_T1w.nii.gz, _T2w, _PDw, _FLAIR with JSON beside them, and
 * sub-01_dseg.nii.gz (dseg.tsv names its labels) sub-01/dicom/T1w/IM0001.dcm …, T2w, PDw, FLAIR:
 * the same images as series of one study On each head's left stands a capsule that is bright in all
 * images. Same options, same bytes, on any number of threads. `dir` must not exist or be empty,
 * unless options->replace. events may be NULL; cancelling is MRC_ERR_CANCELLED. */
MRC_STATUS mrc_phantom_write(const char *dir, const struct mrc_phantom_options *options,
                             const struct mrc_events *events, struct mrc_error *err);
/** MRC_ERR_ARGUMENT names the first option that cannot be used. */
MRC_STATUS mrc_phantom_check(const struct mrc_phantom_options *options, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
