/* fuzz_png.c: pictures from bytes, up to 64 Ki pixels. */
#include "fuzz.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/png_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_png_facts facts;
    if (mrc_png_inspect(&facts, data, size, "fuzz", NULL) != MRC_OK) return 0;
    if (facts.columns <= 0 || facts.rows <= 0 || facts.columns > 4096 || facts.rows > 4096) abort();
    if (facts.columns * facts.rows > 65536) return 0;
    float *pixels = mrc_alloc((size_t)(facts.columns * facts.rows), sizeof *pixels);
    if (pixels == NULL) return 0;
    float limit = facts.bit_depth == 8 ? 255.0f : 65535.0f;
    if (mrc_png_decode(pixels, &facts, data, size, "fuzz", NULL) == MRC_OK) {
        for (int64_t p = 0; p < facts.columns * facts.rows; ++p) {
            if (!(pixels[p] >= 0.0f && pixels[p] <= limit)) abort();
        }
    }
    mrc_free(pixels);
    return 0;
}
