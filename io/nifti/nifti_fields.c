/* nifti_fields.c: NIfTI-1 header <-> NIfTI-2 header, field by field. */
#include "io/nifti/nifti_fields.h"

#include <nifti/nifti2_io.h>
#include <string.h>

#include "base/status.h"
#include "io/nifti/nifti_header.h"

static void widen_geometry(nifti_2_header *to, const nifti_1_header *from) {
    for (int d = 0; d < 8; ++d) {
        to->dim[d] = from->dim[d];
        to->pixdim[d] = (double)from->pixdim[d];
    }
    to->qform_code = from->qform_code;
    to->sform_code = from->sform_code;
    to->quatern_b = (double)from->quatern_b;
    to->quatern_c = (double)from->quatern_c;
    to->quatern_d = (double)from->quatern_d;
    to->qoffset_x = (double)from->qoffset_x;
    to->qoffset_y = (double)from->qoffset_y;
    to->qoffset_z = (double)from->qoffset_z;
    for (int c = 0; c < 4; ++c) {
        to->srow_x[c] = (double)from->srow_x[c];
        to->srow_y[c] = (double)from->srow_y[c];
        to->srow_z[c] = (double)from->srow_z[c];
    }
}

static void widen(nifti_2_header *to, const nifti_1_header *from) {
    *to = (nifti_2_header){.sizeof_hdr = MRC_NIFTI2_BYTES};
    widen_geometry(to, from);
    to->datatype = from->datatype;
    to->bitpix = from->bitpix;
    to->intent_p1 = (double)from->intent_p1;
    to->intent_p2 = (double)from->intent_p2;
    to->intent_p3 = (double)from->intent_p3;
    to->scl_slope = (double)from->scl_slope;
    to->scl_inter = (double)from->scl_inter;
    to->cal_max = (double)from->cal_max;
    to->cal_min = (double)from->cal_min;
    to->slice_duration = (double)from->slice_duration;
    to->toffset = (double)from->toffset;
    to->slice_start = from->slice_start;
    to->slice_end = from->slice_end;
    to->slice_code = from->slice_code;
    to->xyzt_units = from->xyzt_units;
    to->intent_code = from->intent_code;
    to->dim_info = from->dim_info;
    memcpy(to->descrip, from->descrip, sizeof to->descrip);
    memcpy(to->aux_file, from->aux_file, sizeof to->aux_file);
    memcpy(to->intent_name, from->intent_name, sizeof to->intent_name);
}

static void narrow_geometry(nifti_1_header *to, const nifti_2_header *from) {
    for (int d = 0; d < 8; ++d) {
        to->dim[d] = (short)from->dim[d];
        to->pixdim[d] = (float)from->pixdim[d];
    }
    to->qform_code = (short)from->qform_code;
    to->sform_code = (short)from->sform_code;
    to->quatern_b = (float)from->quatern_b;
    to->quatern_c = (float)from->quatern_c;
    to->quatern_d = (float)from->quatern_d;
    to->qoffset_x = (float)from->qoffset_x;
    to->qoffset_y = (float)from->qoffset_y;
    to->qoffset_z = (float)from->qoffset_z;
    for (int c = 0; c < 4; ++c) {
        to->srow_x[c] = (float)from->srow_x[c];
        to->srow_y[c] = (float)from->srow_y[c];
        to->srow_z[c] = (float)from->srow_z[c];
    }
}

static void narrow(nifti_1_header *to, const nifti_2_header *from) {
    *to = (nifti_1_header){.sizeof_hdr = MRC_NIFTI1_BYTES, .regular = 'r'};
    narrow_geometry(to, from);
    to->datatype = from->datatype;
    to->bitpix = from->bitpix;
    to->intent_p1 = (float)from->intent_p1;
    to->intent_p2 = (float)from->intent_p2;
    to->intent_p3 = (float)from->intent_p3;
    to->scl_slope = (float)from->scl_slope;
    to->scl_inter = (float)from->scl_inter;
    to->cal_max = (float)from->cal_max;
    to->cal_min = (float)from->cal_min;
    to->slice_duration = (float)from->slice_duration;
    to->toffset = (float)from->toffset;
    to->slice_start = (short)from->slice_start;
    to->slice_end = (short)from->slice_end;
    to->slice_code = (char)from->slice_code;
    to->xyzt_units = (char)from->xyzt_units;
    to->intent_code = (short)from->intent_code;
    to->dim_info = from->dim_info;
    memcpy(to->descrip, from->descrip, sizeof to->descrip);
    memcpy(to->aux_file, from->aux_file, sizeof to->aux_file);
    memcpy(to->intent_name, from->intent_name, sizeof to->intent_name);
}

void mrc_nifti_fields_read(nifti_2_header *out, const unsigned char *raw, size_t bytes) {
    MRC_ASSERT(bytes == sizeof(nifti_1_header) || bytes == sizeof(nifti_2_header));
    if (bytes == sizeof(nifti_1_header)) {
        nifti_1_header first;
        memcpy(&first, raw, sizeof first);
        widen(out, &first);
    } else {
        memcpy(out, raw, sizeof *out);
    }
}

void mrc_nifti_fields_swap(unsigned char *raw, size_t bytes) {
    MRC_ASSERT(bytes == sizeof(nifti_1_header) || bytes == sizeof(nifti_2_header));
    if (bytes == sizeof(nifti_1_header)) {
        nifti_1_header first;
        memcpy(&first, raw, sizeof first);
        nifti_swap_as_nifti1(&first);
        memcpy(raw, &first, sizeof first);
    } else {
        nifti_2_header second;
        memcpy(&second, raw, sizeof second);
        nifti_swap_as_nifti2(&second);
        memcpy(raw, &second, sizeof second);
    }
}

size_t mrc_nifti_fields_write(unsigned char raw[544], const nifti_2_header *fields, int version) {
    memset(raw, 0, 544);
    size_t bytes = version == 2 ? sizeof(nifti_2_header) : sizeof(nifti_1_header);
    size_t offset = bytes + 4; /* four zeros: no extension follows */
    if (version == 2) {
        nifti_2_header second = *fields;
        second.sizeof_hdr = (int32_t)bytes;
        second.vox_offset = (int64_t)offset;
        memcpy(second.magic, "n+2\0\r\n\032\n", sizeof second.magic);
        memset(second.unused_str, 0, sizeof second.unused_str);
        memcpy(raw, &second, bytes);
    } else {
        nifti_1_header first;
        narrow(&first, fields);
        first.vox_offset = (float)offset;
        memcpy(first.magic, "n+1", sizeof first.magic);
        memcpy(raw, &first, bytes);
    }
    return offset;
}

void mrc_nifti_sform(double matrix[3][4], const nifti_2_header *fields) {
    for (int c = 0; c < 4; ++c) {
        matrix[0][c] = fields->srow_x[c];
        matrix[1][c] = fields->srow_y[c];
        matrix[2][c] = fields->srow_z[c];
    }
}

void mrc_nifti_qform(double matrix[3][4], const nifti_2_header *fields) {
    double qfac = fields->pixdim[0] < 0.0 ? -1.0 : 1.0;
    nifti_dmat44 m =
        nifti_quatern_to_dmat44(fields->quatern_b, fields->quatern_c, fields->quatern_d,
                                fields->qoffset_x, fields->qoffset_y, fields->qoffset_z,
                                fields->pixdim[1], fields->pixdim[2], fields->pixdim[3], qfac);
    for (int r = 0; r < 3; ++r) {
        for (int c = 0; c < 4; ++c) matrix[r][c] = m.m[r][c];
    }
}
