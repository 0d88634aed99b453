/* fuzz_jpeg2000.c: a codestream into cells of a size that the caller gives. The first byte chooses
 * their bits and sides. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/dcmtk/jpeg2000.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int bits[] = {8, 16, 32, 16}, sides[] = {1, 8, 16, 64};
    struct mrc_error err = {0};
    if (size < 2) return 0;
    struct mrc_dcmtk_pixels p = {.rows = sides[data[0] >> 2 & 3],
                                 .columns = sides[data[0] >> 4 & 3],
                                 .samples = 1,
                                 .bits_allocated = bits[data[0] & 3],
                                 .bits_stored = bits[data[0] & 3],
                                 .high_bit = bits[data[0] & 3] - 1};
    p.size = (size_t)(p.rows * p.columns * p.bits_allocated / 8);
    p.bytes = mrc_alloc(p.size, 1);
    if (p.bytes == NULL) return 0;
    enum mrc_status st = mrc_jpeg2000_decode(&p, data + 1, size - 1, "fuzz.j2k", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st == MRC_OK && (p.bits_stored < 1 || p.bits_stored > p.bits_allocated)) abort();
    mrc_free(p.bytes);
    return 0;
}
