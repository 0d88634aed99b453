/* likeness.h: how like an input is to the images a model was trained on, as far as a few figures of
 * the inside of the head can tell. */
#ifndef MRC_APP_SETS_LIKENESS_H
#define MRC_APP_SETS_LIKENESS_H

#include "app/sets/dataset.h"
#include "base/status.h"
#include "model/files/checkpoint.h"
#include "preprocess/slices.h"

/** Skewness, interquartile range, correlation of neighbours, correlation of grey value and local
 * spread, skewness of the difference of two blurs: of the core of the head, in slices halved until
 * they are at most 64 wide. *slices: those that counted; 0, and figures of 0, when there is no
 * core. */
MRC_MUST_CHECK enum mrc_status mrc_likeness_measure(struct mrc_trained_images *out,
                                                    const struct mrc_slices *slices,
                                                    struct mrc_error *err);
/** The mean over the slices of a set's images of one contrast. */
MRC_MUST_CHECK enum mrc_status mrc_likeness_of_domain(struct mrc_trained_images *out,
                                                      const struct mrc_dataset_domain *domain,
                                                      struct mrc_error *err);

/** The largest difference of a figure from the trained one, in units of what heads from other
 * scanners, with and without skull, with tumours and as averages of many, differ by
 * (docs/model.md): below 1 an input is as like as those are. `contrast` is what both are of. NAN
 * when the model does not record its images, or the input has no core. */
double mrc_likeness_distance(const struct mrc_trained_images *input,
                             const struct mrc_trained_images *trained, enum mrc_contrast contrast);
/** From here on an input is called far from the training images. */
#define MRC_LIKENESS_FAR 1.25

#endif
