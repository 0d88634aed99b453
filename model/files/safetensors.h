/* safetensors.h: the file format part of checkpoints: 8 bytes little-endian length, a JSON header
 * of that length, then the tensors' bytes without gaps (https://github.com/huggingface/safetensors,
 * "Format"). Only F32 and F16 are read and written. Not installed. */
#ifndef MRC_MODEL_FILES_SAFETENSORS_H
#define MRC_MODEL_FILES_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { MRC_TENSOR_RANK = 8, MRC_TENSOR_NAME = 96 };
enum mrc_tensor_type { MRC_TENSOR_F32, MRC_TENSOR_F16 };

/** One tensor of a file. */
struct mrc_tensor {
    char name[MRC_TENSOR_NAME];
    enum mrc_tensor_type type;
    int rank; /* 0: one number */
    int64_t shape[MRC_TENSOR_RANK];
    uint64_t begin; /* first byte, counted from the end of the header */
};
/** Numbers in a tensor, and its bytes. */
size_t mrc_tensor_count(const struct mrc_tensor *tensor);
size_t mrc_tensor_bytes(const struct mrc_tensor *tensor);
/** "F32" or "F16". */
const char *mrc_tensor_type_name(enum mrc_tensor_type type);

/** IEEE 754 binary16; to half rounds to nearest, ties to even; beyond 65504 becomes infinite, NaN
 * stays NaN. */
uint16_t mrc_half_from_float(float value);
float mrc_half_to_float(uint16_t half);
/** Between floats and a tensor's bytes; `count` numbers. */
void mrc_tensor_encode(unsigned char *bytes, const float *values, size_t count,
                       enum mrc_tensor_type type);
void mrc_tensor_decode(float *values, const unsigned char *bytes, size_t count,
                       enum mrc_tensor_type type);

/* --- Reading --- */
typedef struct mrc_safetensors mrc_safetensors;
/** Reads a header from bytes 0 … size-1 of a file of file_bytes bytes. `file` names it in messages.
 * All is checked: the header's length, names (no two alike), types, shapes, and that the tensors
 * cover the rest of the file without gap or overlap. MRC_ERR_FORMAT, MRC_ERR_RANGE (header beyond
 * 100 MB), MRC_ERR_UNSUPPORTED (other types), MRC_ERR_NOMEM. */
MRC_MUST_CHECK enum mrc_status mrc_safetensors_parse(mrc_safetensors **out,
                                                     const unsigned char *bytes, size_t size,
                                                     uint64_t file_bytes, const char *file,
                                                     struct mrc_error *err);
/** Opens a file, reads its header and keeps it open for mrc_safetensors_read. */
MRC_MUST_CHECK enum mrc_status mrc_safetensors_open(mrc_safetensors **out, const char *path,
                                                    struct mrc_error *err);
void mrc_safetensors_close(mrc_safetensors *file);
/** Tensors are sorted by name. */
size_t mrc_safetensors_count(const mrc_safetensors *file);
const struct mrc_tensor *mrc_safetensors_tensor(const mrc_safetensors *file, size_t index);
/** NULL when there is none of that name. */
const struct mrc_tensor *mrc_safetensors_find(const mrc_safetensors *file, const char *name);
/** A string of the metadata, or NULL. */
const char *mrc_safetensors_metadata(const mrc_safetensors *file, const char *key);
/** The bytes of one tensor of an opened file: mrc_tensor_bytes of them. */
MRC_MUST_CHECK enum mrc_status mrc_safetensors_read(mrc_safetensors *file,
                                                    const struct mrc_tensor *tensor,
                                                    unsigned char *bytes, struct mrc_error *err);

/* --- Writing --- */
struct mrc_metadata {
    const char *key, *value; /* UTF-8 */
};
/** What to write. Tensors must be sorted by name; their `begin` is settled by the writer. */
struct mrc_safetensors_content {
    const struct mrc_metadata *metadata;
    size_t metadata_count;
    struct mrc_tensor *tensors;
    size_t tensor_count;
    /** Writes the mrc_tensor_bytes bytes of tensor `index`. */
    void (*fill)(void *context, size_t index, unsigned char *bytes);
    void *context;
};
/** Writes the file, whole or not at all. The header is padded with spaces so that the data begin at
 * a multiple of 8. */
MRC_MUST_CHECK enum mrc_status mrc_safetensors_save(struct mrc_safetensors_content *content,
                                                    const char *path, struct mrc_error *err);

#endif
