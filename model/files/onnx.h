/* onnx.h: one generator as an ONNX model (opset 13), for onnxruntime and whatever else reads that.
 * Input "x" and output "y" are float32 [batch][channels][height][width] in [0,1], channels first;
 * the batch is free, and the sides are where the network takes others than its own. The metadata
 * say which model it is, what slices it wants, and that what it makes is synthetic. Written by hand,
 * not by protobuf: the dozen messages needed are two rules of encoding. */
#ifndef MRC_MODEL_FILES_ONNX_H
#define MRC_MODEL_FILES_ONNX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "model/gan/cyclegan.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Writes generator `which` (MRC_NET_G or MRC_NET_F) of the checkpoint, with the weights that
 * mrc_generator_load takes, whole or not at all. MRC_ERR_UNSUPPORTED: a network with an operation
 * that has no ONNX form here. */
MRC_STATUS mrc_onnx_save(const char *checkpoint, enum mrc_cyclegan_net which, const char *path,
                         struct mrc_error *err);
/** Is this, by its first bytes, a file that mrc_onnx_save wrote? */
MRC_API bool mrc_onnx_is_ours(const unsigned char *head, size_t size);

#ifdef __cplusplus
}
#endif
#endif
