/* fuzz_jpeg.c: the look at a JPEG's tables before DCMTK decodes it. */
#include <stdlib.h>

#include "io/dcmtk/jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_error err = {0};
    enum mrc_status st = mrc_jpeg_check(data, size, "fuzz.jpg", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    return 0;
}
