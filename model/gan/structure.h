/* structure.h: losses that ask an output to have its edges where the source has them, whatever
 * their contrast. */
#ifndef MRC_MODEL_GAN_STRUCTURE_H
#define MRC_MODEL_GAN_STRUCTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** NGF: normalised gradient fields, squared and so blind to the sign of an edge (Haber,
 * Modersitzki: "Intensity gradient based registration and fusion of multi-modal images", MICCAI
 * 2006). MIND: modality independent neighbourhood descriptor (Heinrich et al., Medical Image
 * Analysis 2012), its absolute difference. Formulas in docs/model.md. */
enum mrc_structure_kind { MRC_STRUCTURE_NGF, MRC_STRUCTURE_MIND };
MRC_API const char *mrc_structure_kind_name(enum mrc_structure_kind kind); /* "ngf", "mind" */
MRC_STATUS mrc_structure_kind_parse(enum mrc_structure_kind *out, const char *text,
                                    struct mrc_error *err);

/** Doubles of spare room that mrc_loss_structure needs for images of this side. */
MRC_API size_t mrc_structure_spare(enum mrc_structure_kind kind, int64_t size);
/** Mean over all pixels and channels of output and source [count][size][size][channels]. To d, of
 * the same shape, weight times the gradient with respect to the output is added; NULL skips it. The
 * loss itself is returned without the weight. size >= 3. */
MRC_API double mrc_loss_structure(float *d, const float *output, const float *source, size_t count,
                                  int64_t size, int64_t channels, enum mrc_structure_kind kind,
                                  float weight, double *spare);

#ifdef __cplusplus
}
#endif
#endif
