/* fuzz_nifti_header.c: the check in front of niftilib, and what is done with a header that passed
 * it. */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/geometry.h"
#include "io/nifti_fields.h"
#include "io/nifti_header.h"
#include "io/nifti_stream.h"

static void must(int holds) {
    if (!holds) abort();
}

/* The promises of mrc_nifti_check_header. */
static void check_facts(const struct mrc_nifti_facts *f, int64_t file_bytes) {
    const int64_t sides[3] = {f->extent.i, f->extent.j, f->extent.k};
    for (int d = 0; d < 3; ++d) {
        must(sides[d] >= 3 && sides[d] <= 4096);
        must(f->spacing_mm[d] > 0.0 && f->spacing_mm[d] <= 100.0);
    }
    int64_t voxels = mrc_extent_count(f->extent);
    must(voxels > 0 && voxels <= INT64_C(1) << 29);
    must(f->voxel_bytes == mrc_nifti_type_bytes(f->datatype) && f->voxel_bytes > 0);
    must(f->data_bytes == voxels * (int64_t)f->voxel_bytes && f->data_bytes <= INT64_C(1) << 31);
    must(f->data_offset >= (f->pair ? 0 : (int64_t)f->header_bytes + 4));
    must(file_bytes < 0 || f->data_offset + f->data_bytes <= file_bytes);
    must(isfinite(f->slope) && f->slope != 0.0 && isfinite(f->inter));
    must(f->descrip[80] == '\0');
}

static void use_header(const struct mrc_nifti_facts *f, const uint8_t *data) {
    unsigned char raw[MRC_NIFTI2_BYTES], written[544];
    nifti_2_header fields;
    memcpy(raw, data, f->header_bytes);
    if (f->swapped) mrc_nifti_fields_swap(raw, f->header_bytes);
    mrc_nifti_fields_read(&fields, raw, f->header_bytes);
    double sform[3][4], qform[3][4];
    mrc_nifti_sform(sform, &fields);
    mrc_nifti_qform(qform, &fields);
    struct mrc_geometry g;
    if (mrc_geometry_from_ras(&g, sform, "fuzz", NULL) == MRC_OK) must(g.spacing_mm[0] > 0.0);
    if (mrc_geometry_from_ras(&g, qform, "fuzz", NULL) == MRC_OK) must(g.spacing_mm[0] > 0.0);
    size_t bytes = mrc_nifti_fields_write(written, &fields, f->version);
    must(bytes == f->header_bytes + 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int64_t lengths[] = {-1, (int64_t)size, INT64_C(1) << 40};
    for (int l = 0; l < 3; ++l) {
        struct mrc_nifti_facts facts;
        struct mrc_error err = {0};
        enum mrc_status st = mrc_nifti_check_header(&facts, data, size, lengths[l], "fuzz", &err);
        must(st == err.code);
        if (st != MRC_OK) continue;
        must(mrc_nifti_probe_header(data, size));
        check_facts(&facts, lengths[l]);
        use_header(&facts, data);
    }
    unsigned char head[MRC_NIFTI2_BYTES];
    must(mrc_nifti_unpack_head(head, sizeof head, data, size) <= sizeof head);
    return 0;
}
