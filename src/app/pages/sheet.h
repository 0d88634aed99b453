/* sheet.h: a labelled grid of grey images as one PNG, for looking at results. */
#ifndef MRC_APP_PAGES_SHEET_H
#define MRC_APP_PAGES_SHEET_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_sheet {
    const char *title, *footer; /* NULL: none */
    size_t rows, columns;       /* of images */
    const float *const
        *images; /* [rows][columns] of [height][width] in [0,1]; NULL: cell stays empty */
    int64_t image_width, image_height; /* pixels of each image */
    int zoom;                          /* page pixels an image pixel, 1 … 16; scaled smoothly */
    const double *column_white;        /* [columns]: the value shown as white; NULL: 1 */
    const char *const *column_labels;  /* [columns], or NULL */
    const char *const *row_labels;     /* [rows], or NULL */
};
/** The sheet as PNG bytes, the caller's (mrc_free). MRC_ERR_RANGE when the page would exceed 32767
 * pixels a side. */
MRC_STATUS mrc_sheet_render(unsigned char **png, size_t *size_bytes, const struct mrc_sheet *sheet,
                            struct mrc_error *err);
/** The sheet as grey values, 0 black to 255 white, [height][width], the caller's (mrc_free). */
MRC_MUST_CHECK enum mrc_status mrc_sheet_values(uint16_t **out, int *width_px, int *height_px,
                                                const struct mrc_sheet *sheet,
                                                struct mrc_error *err);
/** The sheet as a file, whole or not at all. */
MRC_STATUS mrc_sheet_save(const struct mrc_sheet *sheet, const char *path, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
