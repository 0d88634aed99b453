/* fuzz_png.c: a picture from hostile bytes. What inspect promises, decode must fit into. */
#include <stdlib.h>

#include "base/alloc.h"
#include "io/png/png_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_png_facts facts = {0};
    struct mrc_error err = {0};
    if (mrc_png_inspect(&facts, data, size, "fuzz.png", &err) != MRC_OK) return 0;
    if (facts.columns < 1 || facts.columns > 4096 || facts.rows < 1 || facts.rows > 4096) abort();
    if (facts.columns * facts.rows > 256 * 256) return 0; /* large ones are slow, not interesting */
    float *pixels = mrc_alloc((size_t)(facts.columns * facts.rows), sizeof *pixels);
    if (pixels == NULL) return 0;
    enum mrc_status st = mrc_png_decode(pixels, &facts, data, size, "fuzz.png", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    float largest = facts.bit_depth == 8 ? 255.0f : 65535.0f;
    for (int64_t i = 0; st == MRC_OK && i < facts.columns * facts.rows; ++i)
        if (!(pixels[i] >= 0.0f && pixels[i] <= largest)) abort();
    mrc_free(pixels);
    return 0;
}
