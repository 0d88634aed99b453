/* fuzz_nifti_header.c: the bounded check in front of niftilib. Any status will do; a crash, or a
 * header that passes with facts beyond the limits, will not. The first two bytes choose the length
 * of the file the header pretends to lie in. */
#include <stdlib.h>

#include "io/nifti_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    int64_t file_bytes = (int64_t)(data[0] | data[1] << 8) * 64 - 1;
    data += 2;
    size -= 2;
    struct mrc_nifti_facts facts = {0};
    struct mrc_error err = {0};
    (void)mrc_nifti_probe_header(data, size);
    enum mrc_status st = mrc_nifti_check_header(&facts, data, size, file_bytes, "fuzz.nii", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st != MRC_OK) return 0;
    int64_t count = mrc_extent_count(facts.extent);
    if (count < 1 || count > (int64_t)1 << 29) abort();
    if (facts.data_bytes != count * (int64_t)facts.voxel_bytes) abort();
    if (facts.data_offset < 0) abort();
    if (file_bytes >= 0 && facts.data_offset + facts.data_bytes > file_bytes) abort();
    for (int a = 0; a < 3; ++a)
        if (!(facts.spacing_mm[a] > 0.0)) abort();
    return 0;
}
