/* fuzz_dicom_walk.c: the bounded walk in front of DCMTK, on a file known whole and on one known in
 * parts. What it says must lie inside the file. */
#include <stdlib.h>

#include "io/dcmtk/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a reader goes: more bytes until it says enough. */
static enum mrc_status walk(struct mrc_walk *out, const uint8_t *data, size_t size,
                            size_t at_first) {
    struct mrc_error err = {0};
    size_t known = at_first < size ? at_first : size;
    for (;;) {
        bool more = false;
        *out = (struct mrc_walk){0};
        enum mrc_status st = mrc_walk_meta(out, &more, data, known, size, "fuzz.dcm", &err);
        if (st == MRC_OK && !more && !out->deflated)
            st = mrc_walk_dataset(out, &more, data, known, size, "fuzz.dcm", &err);
        if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
        if (st != MRC_OK || !more) return st;
        if (known == size) abort(); /* asks for bytes beyond the end */
        known = size - known < known ? size : known * 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mrc_walk whole, parts;
    (void)mrc_walk_probe(data, size);
    if (size == 0) return 0;
    enum mrc_status st = walk(&whole, data, size, size);
    if (walk(&parts, data, size, 16) != st) abort();
    if (st != MRC_OK) return 0;
    if (whole.dataset_at > size || whole.header_end > size) abort();
    if (whole.header_end != parts.header_end || whole.pixels_at != parts.pixels_at) abort();
    if (whole.has_pixels && whole.pixels_at > size) abort();
    return 0;
}
