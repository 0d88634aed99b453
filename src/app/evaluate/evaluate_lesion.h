/* evaluate_lesion.h: does a lesion survive translation? A CycleGAN may paint over what its training
 * set did not show (Cohen, Luck, Honari, MICCAI 2018). A soft disc is added to the source in the
 * middle of tissue; what appears in the translation at its place is the difference to the
 * translation without it. For the files of `evaluate` and their tests. */
#ifndef MRC_APP_EVALUATE_EVALUATE_LESION_H
#define MRC_APP_EVALUATE_EVALUATE_LESION_H

#include "app/evaluate/evaluate_set.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Means over the lesions pasted: one darker and one brighter in up to five slices of an image. */
struct mrc_lesion_score {
    size_t lesions;
    double contrast_in;  /* mean |difference inside| pasted */
    double contrast_out; /* mean |difference inside| in the translation */
    double kept;         /* share of lesions with at least a fifth of the contrast left */
    double
        spill; /* mean |difference| in the translation beyond twice the radius, over contrast_in */
};

/** dst, src [count][size][size]; translates a stack. */
typedef void mrc_lesion_translate_fn(void *context, float *dst, const float *src, int64_t count,
                                     int64_t size);
/** All zero where no slice has room. Images are square. MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_lesion_test(struct mrc_lesion_score *out,
                                               const struct mrc_eval_domain *sources,
                                               mrc_lesion_translate_fn *translate, void *context,
                                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
