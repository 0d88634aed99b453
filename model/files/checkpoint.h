/* checkpoint.h: weights in safetensors files. Tensor names are "<net>.<parameter>", e.g.
 * "G.enc3.conv.weight", in PyTorch's shapes; metadata is a map of strings. Half precision (F16) is
 * for models that are shipped. */
#ifndef MRC_MODEL_FILES_CHECKPOINT_H
#define MRC_MODEL_FILES_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/files/contract.h"
#include "model/gan/cyclegan.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the slices of one contrast that were trained on look like: figures that this file keeps and
 * does not understand. slices 0: not recorded, as in files of earlier versions. */
enum { MRC_TRAINED_FIGURES = 5 };
struct mrc_trained_images {
    int64_t slices;
    double figures[MRC_TRAINED_FIGURES];
};

/** How far translations into one contrast lay from the truth on heads the model was not trained on:
 * of each head one figure (metrics/conformal.h). This file keeps them and does not understand them.
 * count 0: not calibrated. */
enum { MRC_CALIBRATION_HEADS = 64 };
#define MRC_CALIBRATION_COVERAGE 0.9 /* of heads, and of the voxels of each */
struct mrc_calibration {
    int64_t count;
    double errors[MRC_CALIBRATION_HEADS]; /* 0 … 1 */
};

/** What a checkpoint says about itself; every field is a string in the file's metadata. */
struct mrc_checkpoint_info {
    char format[32];  /* "mrcycle-1"; "mrcycle-2" with a contract that is not plain, which
                         readers of "mrcycle-1" would not heed */
    char name[64];    /* "t1w-t2w-64" */
    char version[32]; /* of the program that wrote it */
    char data[256];   /* words about the training data */
    char hash[65]; /* SHA-256 over names, shapes and values of the weights of G and F, as stored */
    int64_t step, epoch, epochs;
    int64_t rollbacks; /* each has halved the learning rate (app/train/train.h) */
    int64_t finest; /* pixels a side of slices that it is known to be good for too; 0: not known */
    bool complete;  /* all four networks and Adam's moments, else the generators; known when read */
    /* of the contract's contrasts, and of translations into them */
    struct mrc_trained_images trained[MRC_CONTRACT_CONTRASTS];
    struct mrc_calibration calibration[MRC_CONTRACT_CONTRASTS];
    struct mrc_contract contract; /* its sample has the settings' size and channels; to the writer
                                     one without contrasts is the plain one */
    struct mrc_cyclegan_settings settings;
};

/** The generator that makes `to`, one of the contract's two contrasts, of the other. */
MRC_API enum mrc_cyclegan_net mrc_checkpoint_generator(const struct mrc_checkpoint_info *info,
                                                       enum mrc_contrast to);

/** Writes all four networks in float32 with the Adam moments ("G.adam_m.…") when `complete`, else G
 * and F only: the moving averages where there are any, in F16 when `half`. The format, hash, step
 * and settings are filled in by the writer, and the sides and channels of the contract follow the
 * settings. */
struct mrc_checkpoint_options {
    bool complete, half;
};
MRC_STATUS mrc_checkpoint_save(const mrc_cyclegan *gan, const struct mrc_checkpoint_info *info,
                               const struct mrc_checkpoint_options *options, const char *path,
                               struct mrc_error *err);
/** Reads the header only; the hash is compared with the weights by the two loaders, not here.
 * MRC_ERR_FORMAT says why a file is not ours. A contract of more contrasts than two is described; the
 * loaders, whose two generators translate between two, give MRC_ERR_UNSUPPORTED. */
MRC_STATUS mrc_checkpoint_describe(struct mrc_checkpoint_info *out, const char *path,
                                   struct mrc_error *err);
/** Writes the weights of the file `from`, byte by byte, with what *info says of them: of it the
 * name, the data, the contract, the trained images, the calibration and `finest` may be others than
 * that file's. */
MRC_STATUS mrc_checkpoint_rewrite(const char *from, const struct mrc_checkpoint_info *info,
                                  const char *path, struct mrc_error *err);
/** Is this a safetensors file by its first bytes? */
MRC_API bool mrc_checkpoint_probe(const unsigned char *head, size_t size);
/** Replaces the weights of networks that were just created by those of the file, which must be of the
 * same kind and shape: G and F, the averages where there are any; D_X and D_Y where the file is
 * complete, else they stay. Moments and steps stay 0. MRC_ERR_ARGUMENT for other networks. */
MRC_STATUS mrc_checkpoint_begin_with(mrc_cyclegan *gan, struct mrc_checkpoint_info *info,
                                     const char *path, struct mrc_error *err);
/** Restores a complete checkpoint: weights, moments, step, averages. Another content is
 * MRC_ERR_UNSUPPORTED. */
MRC_STATUS mrc_checkpoint_load(mrc_cyclegan **out, struct mrc_checkpoint_info *info,
                               const char *path, struct mrc_error *err);

/** One generator, ready to apply. */
typedef struct mrc_generator mrc_generator;
/** which: MRC_NET_G (from the contract's first contrast to the second) or MRC_NET_F (back). size: pixels a side of the slices; 0:
 * what it was trained on. Others are 16 to 1024, in steps of mrc_cyclegan_side_step; without such a
 * step they are MRC_ERR_UNSUPPORTED. batch: slices applied at once (8 to 32 are good choices). */
MRC_STATUS mrc_generator_load(mrc_generator **out, struct mrc_checkpoint_info *info,
                              const char *path, enum mrc_cyclegan_net which, int64_t size,
                              int64_t batch, struct mrc_error *err);
/** Pixels a side of the slices it takes. */
MRC_API int64_t mrc_generator_size(const mrc_generator *generator);
/** true: what is made of a slice is the mean of the generator's output for it and of its output for
 * the slice mirrored left to right (the last spatial axis), mirrored back; so mirrored slices give
 * exactly the mirrored result, at twice the time. false at first. */
MRC_API void mrc_generator_set_mirror(mrc_generator *generator, bool mirror);
/** dst, src [count][size][size][channels] in [0,1]; not the same buffer. Any count. Cannot fail. */
MRC_API void mrc_generator_apply(mrc_generator *generator, float *dst, const float *src,
                                 int64_t count);
MRC_API void mrc_generator_destroy(mrc_generator *generator);

#ifdef __cplusplus
}
#endif
#endif
