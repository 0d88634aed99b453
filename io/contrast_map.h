/* contrast_map.h: the user's word on which series has which contrast, where recognition errs or
 * knows nothing. A text file, three columns apart by tabs:
 *
 *     # field            pattern          contrast
 *     SeriesDescription  *ax t1 cor*      T1w
 *     ProtocolName       hemo?            T2starw
 *     path               *_fl.nii.gz      FLAIR
 *
 * A field is SeriesDescription, ProtocolName, SequenceName, SeriesNumber, Manufacturer or path. A
 * pattern is that of a shell (*, ?, [a-z]; '*' also passes over '/'), for the whole value, in any
 * case of letters. The first line that fits counts. Lines that are empty or begin with '#' do not.
 */
#ifndef MRC_IO_CONTRAST_MAP_H
#define MRC_IO_CONTRAST_MAP_H

#include <stdbool.h>

#include "base/status.h"
#include "io/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mrc_contrast_map mrc_contrast_map;

/** MRC_ERR_IO, or MRC_ERR_ARGUMENT that names the line. */
MRC_STATUS mrc_contrast_map_load(mrc_contrast_map **out, const char *path, struct mrc_error *err);
/** NULL is fine. */
MRC_API void mrc_contrast_map_destroy(mrc_contrast_map *map);
/** Gives the image the contrast of the first line that fits, and says so in its reason where it is
 * usable. Returns whether one fits. map may be NULL: none does. */
MRC_API bool mrc_contrast_map_apply(const mrc_contrast_map *map, struct mrc_image_info *image);

#ifdef __cplusplus
}
#endif
#endif
