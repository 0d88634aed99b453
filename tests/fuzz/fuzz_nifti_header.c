/* fuzz_nifti_header.c: the bounded check in front of niftilib. Any status will do; a crash, or a
 * header that passes with facts beyond the limits, will not. The first two bytes choose the length
 * of the file the header pretends to lie in. A header that passes is put through all that is done
 * with one afterwards. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/nifti/nifti_fields.h"
#include "io/nifti/nifti_header.h"
#include "io/nifti/nifti_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_header(const struct mrc_nifti_facts *f, const uint8_t *data) {
    unsigned char raw[MRC_NIFTI2_BYTES], written[544];
    nifti_2_header fields;
    memcpy(raw, data, f->header_bytes);
    if (f->swapped) mrc_nifti_fields_swap(raw, f->header_bytes);
    mrc_nifti_fields_read(&fields, raw, f->header_bytes);
    double matrices[2][3][4];
    mrc_nifti_sform(matrices[0], &fields);
    mrc_nifti_qform(matrices[1], &fields);
    for (int m = 0; m < 2; ++m) {
        struct mrc_geometry g;
        if (mrc_geometry_from_ras(&g, matrices[m], "fuzz", NULL) != MRC_OK) continue;
        if (!(g.spacing_mm[0] > 0.0)) abort();
    }
    if (mrc_nifti_fields_write(written, &fields, f->version) != f->header_bytes + 4) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    int64_t file_bytes = (int64_t)(data[0] | data[1] << 8) * 64 - 1;
    data += 2;
    size -= 2;
    struct mrc_nifti_facts facts = {0};
    struct mrc_error err = {0};
    bool probed = mrc_nifti_probe_header(data, size);
    unsigned char head[MRC_NIFTI2_BYTES];
    if (mrc_nifti_unpack_head(head, sizeof head, data, size) > sizeof head) abort();
    enum mrc_status st = mrc_nifti_check_header(&facts, data, size, file_bytes, "fuzz.nii", &err);
    if ((st == MRC_OK) != (err.text[0] == '\0')) abort();
    if (st != MRC_OK) return 0;
    if (!probed) abort();
    int64_t count = mrc_extent_count(facts.extent);
    if (count < 1 || count > (int64_t)1 << 29) abort();
    if (facts.data_bytes != count * (int64_t)facts.voxel_bytes) abort();
    if (facts.data_offset < 0) abort();
    if (file_bytes >= 0 && facts.data_offset + facts.data_bytes * facts.volumes > file_bytes)
        abort();
    for (int a = 0; a < 3; ++a)
        if (!(facts.spacing_mm[a] > 0.0)) abort();
    if (!isfinite(facts.slope) || facts.slope == 0.0 || !isfinite(facts.inter)) abort();
    use_header(&facts, data);
    return 0;
}
