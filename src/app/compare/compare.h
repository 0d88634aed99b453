/* compare.h: images of one head side by side: in a page to look at (view), and a result against the
 * truth in figures and in the same page (compare). */
#ifndef MRC_APP_COMPARE_COMPARE_H
#define MRC_APP_COMPARE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/text.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_VIEW_IMAGES = 9 };

struct mrc_view_options {
    const char *paths[MRC_VIEW_IMAGES]; /* of any kind mrc_image_load takes; synthetic ones too */
    size_t count;                       /* 1 or more */
    const char *output;                 /* the page */
    bool assume_ras, replace;
};
/** Writes a page that shows all images on an axial grid around the first, each from its darkest to
 * nearly its brightest voxel. No name, path or identifier stands in it: images are called A, B …,
 * with their contrast. MRC_ERR_UNSUPPORTED when they cannot be laid over each other. */
MRC_STATUS mrc_view_write(const struct mrc_view_options *options, struct mrc_error *err);

struct mrc_compare_options {
    const char *result, *truth;
    const char *source; /* shown in the page too; NULL: none */
    const char *output; /* a folder for compare.html and compare.json; NULL: none */
    bool assume_ras, replace;
};
/** Scores inside the head of the truth [0] and over the whole image [1]. The truth runs from 0 to 1
 * (the lowest half per cent of the image and the highest of its head are cut), the result through
 * the line slope * x + shift that brings it nearest to the truth inside the head (least squares), so
 * that units do not matter; a slope below 0 says that the contrast is inverted. SSIM is the mean of
 * the truth's slices that show the head. */
struct mrc_comparison {
    double slope, shift, correlation;
    double psnr_db[2], ssim[2], mae[2], nmi[2], sharpness[2]; /* NaN: cannot be told */
    bool resampled;                                           /* the result lay on another grid */
};
MRC_STATUS mrc_compare_run(struct mrc_comparison *out, const struct mrc_compare_options *options,
                           struct mrc_error *err);
/** A table for people, or one JSON object. */
MRC_API void mrc_comparison_print(struct mrc_text *out, const struct mrc_comparison *c);
MRC_STATUS mrc_comparison_print_json(struct mrc_text *out, const struct mrc_comparison *c,
                                     struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
