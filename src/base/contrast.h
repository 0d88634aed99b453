/* contrast.h: the contrasts of brain MR that this house knows by name. */
#ifndef MRC_BASE_CONTRAST_H
#define MRC_BASE_CONTRAST_H

#include <stdbool.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_contrast {
    MRC_CONTRAST_UNKNOWN,
    MRC_CONTRAST_T1W,
    MRC_CONTRAST_T2W,
    MRC_CONTRAST_PDW,
    MRC_CONTRAST_FLAIR,
    MRC_CONTRAST_T1W_CE,
    MRC_CONTRAST_T2STARW,
    MRC_CONTRAST_SWI,
    MRC_CONTRASTS /* how many */
};
/** "T1w", "T2w", "PDw", "FLAIR", "T1w-ce", "T2starw", "SWI" or "unknown". */
MRC_API const char *mrc_contrast_name(enum mrc_contrast contrast);
/** Is it what models are made for: plain T1w, T2w, PDw or FLAIR? */
MRC_API bool mrc_contrast_is_weighted(enum mrc_contrast contrast);
/** One of these names but "unknown", or "T1", "T2", "PD" (case does not matter); anything else is MRC_ERR_ARGUMENT, and
 * *out is untouched. */
MRC_STATUS mrc_contrast_parse(enum mrc_contrast *out, const char *text, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
