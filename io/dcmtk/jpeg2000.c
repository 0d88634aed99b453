/* jpeg2000.c: see jpeg2000.h. OpenJPEG reads from memory through callbacks. */
#include "io/dcmtk/jpeg2000.h"

#include <openjpeg.h>
#include <string.h>

#include "base/alloc.h"

struct source {
    const uint8_t *data;
    size_t size, at;
};

static OPJ_SIZE_T read_bytes(void *out, OPJ_SIZE_T count, void *context) {
    struct source *s = context;
    size_t left = s->size - s->at;
    if (left == 0) return (OPJ_SIZE_T)-1;
    if (count > left) count = left;
    memcpy(out, s->data + s->at, count);
    s->at += count;
    return count;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T count, void *context) {
    struct source *s = context;
    if (count < 0 || (uint64_t)count > s->size - s->at) return -1;
    s->at += (size_t)count;
    return count;
}

static OPJ_BOOL seek_to(OPJ_OFF_T at, void *context) {
    struct source *s = context;
    if (at < 0 || (uint64_t)at > s->size) return OPJ_FALSE;
    s->at = (size_t)at;
    return OPJ_TRUE;
}

/* What the header says, before memory is taken for it. */
static enum mrc_status check_image(const opj_image_t *image, const struct mrc_dcmtk_pixels *layout,
                                   const char *name, struct mrc_error *err) {
    const opj_image_comp_t *c = image->comps;
    if (image->numcomps != 1 || layout->samples != 1)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the JPEG 2000 image has %u components, expected 1", name,
                        (unsigned)image->numcomps);
    int64_t width = (int64_t)image->x1 - image->x0, height = (int64_t)image->y1 - image->y0;
    if (width != layout->columns || height != layout->rows || c->dx != 1 || c->dy != 1)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the JPEG 2000 image has %lld x %lld pixels, expected %lld x %lld",
                        name, (long long)height, (long long)width, (long long)layout->rows,
                        (long long)layout->columns);
    if (c->prec < 1 || c->prec > layout->bits_allocated)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the JPEG 2000 image has %u bits a pixel, expected at most "
                        "BitsAllocated, %lld",
                        name, (unsigned)c->prec, (long long)layout->bits_allocated);
    return MRC_OK;
}

static void copy_cells(struct mrc_dcmtk_pixels *layout, const opj_image_comp_t *c) {
    size_t count = (size_t)layout->rows * (size_t)layout->columns;
    for (size_t i = 0; i < count; ++i) {
        uint32_t value = (uint32_t)c->data[i];
        if (layout->bits_allocated == 8)
            ((uint8_t *)layout->bytes)[i] = (uint8_t)value;
        else if (layout->bits_allocated == 16)
            ((uint16_t *)layout->bytes)[i] = (uint16_t)value;
        else
            ((uint32_t *)layout->bytes)[i] = value;
    }
    if ((int64_t)c->prec < layout->bits_stored) {
        layout->bits_stored = c->prec;
        layout->high_bit = (int64_t)c->prec - 1;
    }
}

static enum mrc_status decode(struct mrc_dcmtk_pixels *layout, opj_codec_t *codec,
                              opj_stream_t *stream, opj_image_t **image, const char *name,
                              struct mrc_error *err) {
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, image))
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: the JPEG 2000 header cannot be read", name);
    enum mrc_status st = check_image(*image, layout, name, err);
    if (st != MRC_OK) return st;
    bool whole = opj_decode(codec, stream, *image) && opj_end_decompress(codec, stream);
    const opj_image_comp_t *c = (*image)->comps;
    if (!whole || (*image)->numcomps != 1 || c->data == NULL || (int64_t)c->w != layout->columns ||
        (int64_t)c->h != layout->rows)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the JPEG 2000 image cannot be decoded, or is cut short", name);
    copy_cells(layout, c);
    return MRC_OK;
}

enum mrc_status mrc_jpeg2000_decode(struct mrc_dcmtk_pixels *layout, const uint8_t *data,
                                    size_t size, const char *name, struct mrc_error *err) {
    static const uint8_t codestream[4] = {0xFF, 0x4F, 0xFF, 0x51};
    struct source source = {.data = data, .size = size};
    bool bare = size >= sizeof codestream && memcmp(data, codestream, sizeof codestream) == 0;
    opj_codec_t *codec = opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    opj_image_t *image = NULL;
    enum mrc_status st = MRC_OK;
    if (codec == NULL || stream == NULL) {
        st = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for JPEG 2000", name);
    } else {
        opj_stream_set_read_function(stream, read_bytes);
        opj_stream_set_skip_function(stream, skip_bytes);
        opj_stream_set_seek_function(stream, seek_to);
        opj_stream_set_user_data(stream, &source, NULL);
        opj_stream_set_user_data_length(stream, size);
        st = decode(layout, codec, stream, &image, name, err);
    }
    opj_image_destroy(image);
    if (stream != NULL) opj_stream_destroy(stream);
    if (codec != NULL) opj_destroy_codec(codec);
    return st;
}

const char *mrc_jpeg2000_version(void) {
    return opj_version();
}
