/* dicom_pixels.c: from stored cells to rescaled values. PS3.3 C.7.6.3, C.11.1, C.7.5.1.1.2. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "io/dcmtk/bridge.h"
#include "io/dicom/dicom_slice.h"

/* Values that mean "outside the image", as stored. */
struct padding {
    bool present;
    int64_t lo, hi;
};

static struct padding read_padding(mrc_dcmtk_item *item, const struct mrc_dcmtk_pixels *pixels) {
    struct padding pad = {0};
    if (!mrc_dcmtk_integer(&pad.lo, item, MRC_TAG(0x0028, 0x0120), 0)) return pad;
    pad.hi = pad.lo;
    (void)mrc_dcmtk_integer(&pad.hi, item, MRC_TAG(0x0028, 0x0121), 0);
    if (pixels->is_signed) { /* implicit VR reads both as unsigned */
        if (pad.lo > INT16_MAX) pad.lo -= 65536;
        if (pad.hi > INT16_MAX) pad.hi -= 65536;
    }
    if (pad.lo > pad.hi) {
        int64_t swap = pad.lo;
        pad.lo = pad.hi;
        pad.hi = swap;
    }
    pad.present = true;
    return pad;
}

static uint32_t cell(const struct mrc_dcmtk_pixels *pixels, size_t i) {
    if (pixels->bits_allocated == 8) return ((const uint8_t *)pixels->bytes)[i];
    if (pixels->bits_allocated == 16) return ((const uint16_t *)pixels->bytes)[i];
    return ((const uint32_t *)pixels->bytes)[i];
}

/* Stored bits end at HighBit; what lies above and below may be overlays. */
static void convert_cells(float *out, const struct mrc_dcmtk_pixels *pixels, double slope,
                          double intercept, struct padding pad) {
    int shift = (int)(pixels->high_bit + 1 - pixels->bits_stored);
    uint32_t mask = pixels->bits_stored == 32 ? UINT32_MAX : (1u << pixels->bits_stored) - 1u;
    int64_t sign = pixels->is_signed ? INT64_C(1) << (pixels->bits_stored - 1) : 0;
    size_t count = (size_t)pixels->rows * (size_t)pixels->columns;
    for (size_t i = 0; i < count; ++i) {
        int64_t value = cell(pixels, i) >> shift & mask;
        if (value & sign) value -= sign * 2;
        bool outside = pad.present && value >= pad.lo && value <= pad.hi;
        out[i] = outside ? NAN : (float)((double)value * slope + intercept);
    }
}

static enum mrc_status open_file(struct mrc_dicom_reader *reader, const char *path,
                                 struct mrc_error *err) {
    if (reader->file != NULL && strcmp(reader->path, path) == 0) return MRC_OK;
    mrc_dicom_reader_close(reader);
    reader->path = path;
    return mrc_dcmtk_open(&reader->file, path, err);
}

/* Floating-point cells that are no number count as padding. */
static void convert_floats(float *out, const struct mrc_dcmtk_pixels *pixels, double slope,
                           double intercept) {
    size_t count = (size_t)pixels->rows * (size_t)pixels->columns;
    for (size_t i = 0; i < count; ++i) {
        double value = pixels->bits_allocated == 32 ? (double)((const float *)pixels->bytes)[i]
                                                    : ((const double *)pixels->bytes)[i];
        out[i] = isfinite(value) ? (float)(value * slope + intercept) : NAN;
    }
}

enum mrc_status mrc_dicom_reader_load(float *out, struct mrc_dicom_reader *reader,
                                      const struct mrc_dicom_slice *slice, struct mrc_error *err) {
    struct mrc_dcmtk_pixels pixels = {0};
    size_t frame = slice->frame > 0 ? (size_t)slice->frame - 1 : 0;
    enum mrc_status st = open_file(reader, slice->path, err);
    if (st == MRC_OK) st = mrc_dcmtk_read_frame(&pixels, reader->file, frame, err);
    if (st == MRC_OK) mrc_fault_check(pixels.bytes, pixels.size);
    if (st == MRC_OK &&
        (pixels.rows != slice->rows || pixels.columns != slice->columns || pixels.samples != 1))
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: changed while it was read", slice->path);
    if (st == MRC_OK && pixels.is_float)
        convert_floats(out, &pixels, slice->slope, slice->intercept);
    else if (st == MRC_OK)
        convert_cells(out, &pixels, slice->slope, slice->intercept,
                      read_padding(mrc_dcmtk_root(reader->file), &pixels));
    mrc_free(pixels.bytes);
    return st;
}

void mrc_dicom_reader_close(struct mrc_dicom_reader *reader) {
    mrc_dcmtk_close(reader->file);
    *reader = (struct mrc_dicom_reader){0};
}
