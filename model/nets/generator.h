/* generator.h: the networks by kind: generators and the discriminator. */
#ifndef MRC_MODEL_NETS_GENERATOR_H
#define MRC_MODEL_NETS_GENERATOR_H

#include <stdint.h>

#include "base/status.h"
#include "model/engine/net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_generator_kind {
    MRC_GENERATOR_UNET,
    MRC_GENERATOR_LOCAL,
    MRC_GENERATOR_HYBRID,
    MRC_GENERATOR_SHUFFLE,
    MRC_GENERATOR_RESNET,
    MRC_GENERATOR_MESH,
    MRC_GENERATOR_SEPARABLE,
    MRC_GENERATOR_KINDS
};
MRC_API const char *mrc_generator_kind_name(
    enum mrc_generator_kind kind); /* "unet", "local", "hybrid", ... */
MRC_STATUS mrc_generator_kind_parse(enum mrc_generator_kind *out, const char *text,
                                    struct mrc_error *err);

/** Pixels a side of the images a generator may be made for. */
enum { MRC_SMALLEST_SIDE = 16, MRC_LARGEST_SIDE = 1024 };
/** Channels an image may have, in or out. */
enum { MRC_MOST_CHANNELS = 64 };

/* The networks of docs/architecture.md. Weights are zero until one of the inits.
 * A block is named as in the table, its parts after it: "enc3.conv", "enc3.norm", "enc3.act",
 * "dec2.conv", "dec2.cat", "head.conv"; the local branch "local1" … "local5" (of shuffle "local1" … "local4"); the discriminator
 * "conv1" … "conv5". So parameters are "enc3.conv.weight" and "enc3.norm.bias". A PyTorch module
 * with the plain names enc3, enc3_norm takes them by the renaming
 * ".conv." -> "." and ".norm." -> "_norm.". */
struct mrc_generator_settings {
    int64_t channels;    /* of what it makes */
    int64_t in_channels; /* of what it reads: neighbouring slices, other contrasts; 0: as many */
    int64_t h, w;        /* sides in pixels, multiples of mrc_generator_step */
    int64_t width;       /* base width */
    int64_t depth; /* blocks of the U-Net on the way down, 2 or more; 0: unet and hybrid down to one
                      pixel, shuffle 4. Of resnet and separable the residual blocks, 0: 9 */
    int64_t d;     /* 0 or 1: of images; else the depth of volumes, for which all is made in three
                      dimensions */
};
/** What the sides of images for a generator are multiples of: 1 for local and mesh, 2^(depth - 1) for
 * a U-Net, four times that for shuffle, 4 for resnet and separable. 0: it takes the sides of its settings only, which are
 * equal and a power of two. */
MRC_API int64_t mrc_generator_step(enum mrc_generator_kind kind,
                                   const struct mrc_generator_settings *settings);
/** local: four 3x3 convolutions of 24 channels and a 1x1. hybrid: sigmoid(local + U-Net without its
 * sigmoid). shuffle: a U-Net on blocks of 4x4 pixels as channels, joined with a short branch of full
 * size. resnet: residual blocks at a quarter of the sides. mesh: dilated convolutions of full size.
 * separable: residual blocks of depthwise convolutions on blocks of 4x4 pixels. MRC_ERR_ARGUMENT for
 * settings out of range. */
MRC_STATUS mrc_generator_net_create(mrc_net **out, enum mrc_generator_kind kind,
                                    const struct mrc_generator_settings *settings,
                                    struct mrc_error *err);
/** Of images (dims 2) or volumes (dims 3). */
MRC_STATUS mrc_patchgan_create(mrc_net **out, int dims, int64_t channels, int64_t width,
                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
