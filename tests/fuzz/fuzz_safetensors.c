/* fuzz_safetensors.c: the header of a checkpoint. Whatever is accepted must hold what the reader
 * relies on: tensors sorted by name, within the file, and their metadata readable. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/files/checkpoint.h"
#include "model/files/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensors(const mrc_safetensors *file, size_t size) {
    size_t bytes = 0;
    for (size_t i = 0; i < mrc_safetensors_count(file); ++i) {
        const struct mrc_tensor *tensor = mrc_safetensors_tensor(file, i);
        bytes += mrc_tensor_bytes(tensor);
        if (tensor->begin + mrc_tensor_bytes(tensor) > size) abort();
        if (mrc_safetensors_find(file, tensor->name) != tensor) abort();
    }
    if (bytes > size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mrc_safetensors *file = NULL;
    struct mrc_error err = {0};
    (void)mrc_checkpoint_probe(data, size);
    enum mrc_status st = mrc_safetensors_parse(&file, data, size, size, "fuzz", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st == MRC_OK) {
        check_tensors(file, size);
        (void)mrc_safetensors_metadata(file, "format");
    }
    mrc_safetensors_close(file);
    return 0;
}
