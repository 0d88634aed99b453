/* generator.h: the networks by kind: generators and the discriminator. */
#ifndef MRC_MODEL_NETS_GENERATOR_H
#define MRC_MODEL_NETS_GENERATOR_H

#include <stdint.h>

#include "base/status.h"
#include "model/engine/net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_generator_kind { MRC_GENERATOR_UNET, MRC_GENERATOR_LOCAL, MRC_GENERATOR_HYBRID };
MRC_API const char *mrc_generator_kind_name(
    enum mrc_generator_kind kind); /* "unet", "local", "hybrid" */
MRC_STATUS mrc_generator_kind_parse(enum mrc_generator_kind *out, const char *text,
                                    struct mrc_error *err);

/** Pixels a side of the images a generator may be made for. */
enum { MRC_SMALLEST_SIDE = 16, MRC_LARGEST_SIDE = 1024 };

/* The networks of docs/architecture.md. Weights are zero until one of the inits.
 * A block is named as in the table, its parts after it: "enc3.conv", "enc3.norm", "enc3.act",
 * "dec2.conv", "dec2.cat", "head.conv"; the local branch "local1" … "local5"; the discriminator
 * "conv1" … "conv5". So parameters are "enc3.conv.weight" and "enc3.norm.bias". A PyTorch module
 * with the plain names enc3, enc3_norm takes them by the renaming
 * ".conv." -> "." and ".norm." -> "_norm.". */
struct mrc_generator_settings {
    int64_t channels; /* in and out: 1 or 3 */
    int64_t size;     /* 64, 128, 256: a power of two, 16 or more; sets the depth */
    int64_t width;    /* base width w */
    int64_t depth;    /* of the U-Net, 2 or more; 0: down to one pixel */
};
MRC_STATUS mrc_unet_create(mrc_net **out, const struct mrc_generator_settings *settings,
                           struct mrc_error *err);
/** Four 3x3 convolutions of 24 channels and a 1x1, LeakyReLU, sigmoid. Any image size. */
MRC_STATUS mrc_local_create(mrc_net **out, const struct mrc_generator_settings *settings,
                            struct mrc_error *err);
/** sigmoid(local + U-Net without its sigmoid). */
MRC_STATUS mrc_hybrid_create(mrc_net **out, const struct mrc_generator_settings *settings,
                             struct mrc_error *err);
MRC_STATUS mrc_patchgan_create(mrc_net **out, int64_t channels, int64_t width,
                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
