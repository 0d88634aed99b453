// rewrite.cpp: a new data set around the pixels of another file: its samples, and nothing else that
// lies in or between them.
#include "io/dcmtk/codestream.h"
#include "io/dcmtk/handle.hpp"

#include <cstring>

#include "base/alloc.h"

namespace {

constexpr uint64_t max_pixel_bytes = uint64_t{2} << 30;

using bytes = std::vector<unsigned char>;

void put16(bytes &out, unsigned value) {
    out.push_back(static_cast<unsigned char>(value & 0xFF));
    out.push_back(static_cast<unsigned char>(value >> 8 & 0xFF));
}

void put32(bytes &out, uint32_t value) {
    put16(out, value & 0xFFFF);
    put16(out, value >> 16);
}

/* --- bits beside those of the value, where old files keep overlays --- */

/* How a value lies in its cell: `width` bytes, the value's bits, and of a signed one its sign. */
struct cell_form {
    unsigned width;
    uint32_t value, sign;
};

cell_form form_of(const mrc_dcmtk_pixels &layout) {
    const auto low = static_cast<unsigned>(layout.high_bit - layout.bits_stored + 1);
    const uint32_t ones =
        layout.bits_stored >= 32 ? UINT32_MAX : (uint32_t{1} << layout.bits_stored) - 1;
    return {static_cast<unsigned>(layout.bits_allocated / 8), ones << low,
            layout.is_signed ? uint32_t{1} << layout.high_bit : 0};
}

uint32_t get_cell(const unsigned char *at, unsigned width) {
    uint32_t value = 0;
    for (unsigned b = width; b > 0; --b) value = value << 8 | at[b - 1];
    return value;
}

/* The cell with nothing in it but its value; of a signed one with the sign in the bits above. */
uint32_t clean_cell(uint32_t cell, const cell_form &form) {
    const uint32_t value = cell & form.value;
    if ((value & form.sign) == 0) return value;
    const uint32_t above = ~((form.sign << 1) - 1); // none where the sign is bit 31
    return (value | above) & (form.width == 4 ? UINT32_MAX : (uint32_t{1} << 8 * form.width) - 1);
}

/* Are all bits beside the values zero, or all of them copies of the sign? */
bool is_clean(const unsigned char *cells, size_t size, const cell_form &form) {
    bool zero = true, extended = true;
    for (size_t at = 0; at + form.width <= size && (zero || extended); at += form.width) {
        const uint32_t cell = get_cell(cells + at, form.width);
        zero = zero && (cell & ~form.value) == 0;
        extended = extended && form.sign != 0 && clean_cell(cell, form) == cell;
    }
    return zero || extended;
}

void clean(bytes &cells, const cell_form &form) {
    if (is_clean(cells.data(), cells.size(), form)) return;
    for (size_t at = 0; at + form.width <= cells.size(); at += form.width) {
        const uint32_t cell = clean_cell(get_cell(cells.data() + at, form.width), form);
        for (unsigned b = 0; b < form.width; ++b)
            cells[at + b] = static_cast<unsigned char>(cell >> 8 * b & 0xFF);
    }
}

/* Of compressed pixels such bits cannot be cut out without coding them anew. */
mrc_status check_clean(mrc_dcmtk_file &from, const mrc_dcmtk_pixels &layout, size_t frame,
                       mrc_error *err) {
    mrc_dcmtk_pixels decoded{};
    mrc_status st = mrc_dcmtk_read_frame(&decoded, &from, frame, err);
    if (st != MRC_OK) return st;
    bytes cells(decoded.size);
    const auto width = static_cast<size_t>(decoded.bits_allocated / 8);
    for (size_t at = 0; at + width <= decoded.size; at += width) { // in little endian
        uint32_t cell = 0;
        const unsigned char *p = static_cast<const unsigned char *>(decoded.bytes) + at;
        if (width == 1) cell = *p;
        if (width == 2) {
            uint16_t half = 0;
            std::memcpy(&half, p, sizeof half);
            cell = half;
        }
        if (width == 4) std::memcpy(&cell, p, sizeof cell);
        for (size_t b = 0; b < width; ++b)
            cells[at + b] = static_cast<unsigned char>(cell >> 8 * b & 0xFF);
    }
    mrc_free(decoded.bytes);
    if (decoded.bits_allocated == layout.bits_allocated &&
        is_clean(cells.data(), cells.size(), form_of(layout)))
        return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: bits beside the %lld of BitsStored (0028,0101) are used in compressed "
                    "pixels, expected none",
                    from.path.c_str(), static_cast<long long>(layout.bits_stored));
}

/* --- the pixels --- */

mrc_status append_frame(bytes &out, mrc_dcmtk_file &from, const mrc_dcmtk_pixels &layout,
                        size_t frame, mrc_error *err) {
    bytes stream;
    mrc_status st = mrc_dcmtk_read_stream(stream, from, frame, err);
    if (st != MRC_OK) return st;
    unsigned char *stripped = nullptr;
    size_t size = 0;
    int precision = 0;
    st = mrc_codestream_strip(
        &stripped, &size, &precision, mrc_codestream_of(from.walk.transfer_syntax), stream.data(),
        stream.size(), static_cast<size_t>(layout.rows) * static_cast<size_t>(layout.columns),
        from.path.c_str(), err);
    if (st != MRC_OK) return st;
    put32(out, 0xE000FFFE); // an item: FFFE,E000
    put32(out, static_cast<uint32_t>(size + size % 2));
    out.insert(out.end(), stripped, stripped + size);
    if (size % 2 == 1) out.push_back(0);
    mrc_free(stripped);
    const int64_t coded = precision > 0 ? precision : layout.bits_allocated;
    return coded > layout.bits_stored ? check_clean(from, layout, frame, err) : MRC_OK;
}

/* The fragments (PS3.5 A.4): an empty offset table, and of each frame its stream without anything
 * that is not of the picture, in one piece. */
mrc_status copy_fragments(bytes &out, mrc_dcmtk_file &from, const mrc_dcmtk_pixels &layout,
                          mrc_error *err) {
    const size_t frames = mrc_dcmtk_frames(from);
    put32(out, 0xE000FFFE);
    put32(out, 0);
    for (size_t frame = 0; frame < frames; ++frame) {
        mrc_status st = append_frame(out, from, layout, frame, err);
        if (st != MRC_OK) return st;
        if (out.size() > max_pixel_bytes)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: more than 2 GiB of pixels", from.path.c_str());
    }
    put32(out, 0xE0DDFFFE);
    put32(out, 0);
    return MRC_OK;
}

mrc_status copy_native(bytes &out, mrc_dcmtk_file &from, const mrc_dcmtk_pixels &layout,
                       mrc_error *err) {
    const uint64_t count = uint64_t{layout.size} * mrc_dcmtk_frames(from); // what pads it stays out
    bytes cells;
    if (count > max_pixel_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: more than 2 GiB of pixels", from.path.c_str());
    mrc_status st = mrc_dcmtk_read_native(cells, from, 0, count, err);
    if (st != MRC_OK) return st;
    if (!layout.is_float) clean(cells, form_of(layout));
    if (cells.size() % 2 == 1) cells.push_back(0);
    put32(out, static_cast<uint32_t>(cells.size()));
    out.insert(out.end(), cells.begin(), cells.end());
    return MRC_OK;
}

/* The whole element, explicit VR little endian: (7FE0,0010), or one of floating-point numbers. */
mrc_status copy_pixels(bytes &out, mrc_dcmtk_file &from, const mrc_dcmtk_pixels &layout,
                       mrc_error *err) {
    const bool wide = !from.walk.encapsulated && layout.bits_allocated > 8;
    put16(out, 0x7FE0);
    put16(out, from.walk.pixel_element);
    out.push_back('O');
    out.push_back(from.walk.pixel_element == 0x0008   ? 'F'
                  : from.walk.pixel_element == 0x0009 ? 'D'
                  : wide                              ? 'W'
                                                      : 'B');
    put16(out, 0);
    if (!from.walk.encapsulated) return copy_native(out, from, layout, err);
    put32(out, 0xFFFFFFFF);
    return copy_fragments(out, from, layout, err);
}

mrc_status encode_around(unsigned char **out, size_t *size, mrc_dcmtk_file &file,
                         mrc_dcmtk_file &from, mrc_error *err) {
    mrc_dcmtk_pixels layout{};
    mrc_status st = mrc_dcmtk_read_layout(layout, from, err);
    if (st != MRC_OK) return st;
    bytes pixels;
    st = copy_pixels(pixels, from, layout, err);
    if (st != MRC_OK) return st;
    const E_TransferSyntax syntax = from.walk.encapsulated
                                        ? DcmXfer(from.walk.transfer_syntax).getXfer()
                                        : EXS_LittleEndianExplicit;
    size_t head = 0;
    st = mrc_dcmtk_encode_before(out, &head, file, syntax, pixels.size(), err);
    if (st != MRC_OK) return st;
    std::memcpy(*out + head, pixels.data(), pixels.size());
    *size = head + pixels.size();
    return MRC_OK;
}

bool is_binary_number(mrc_dcmtk_item *item, uint32_t tag) {
    DcmElement *element = nullptr;
    if (to_dcm(item)->findAndGetElement(to_key(tag), element).bad()) return false;
    switch (element->getVR()) {
    case EVR_US:
    case EVR_SS:
    case EVR_UL:
    case EVR_SL:
    case EVR_FL:
    case EVR_FD:
    case EVR_AT: return true;
    default: return false;
    }
}

} // namespace

extern "C" {

bool mrc_dcmtk_is_binary_number(mrc_dcmtk_item *item, uint32_t tag) {
    return guarded_value(false, [&] { return is_binary_number(item, tag); });
}

bool mrc_dcmtk_has_vr(mrc_dcmtk_item *item, uint32_t tag, const char *vr) {
    return guarded_value(false, [&] {
        DcmElement *element = nullptr;
        return to_dcm(item)->findAndGetElement(to_key(tag), element).good() &&
               std::strcmp(DcmVR(element->getVR()).getVRName(), vr) == 0;
    });
}

mrc_status mrc_dcmtk_encode_around(unsigned char **out, size_t *size, mrc_dcmtk_file *file,
                                   mrc_dcmtk_file *pixels_of, mrc_error *err) {
    *out = nullptr;
    *size = 0;
    return guarded(pixels_of->path.c_str(), err,
                   [&] { return encode_around(out, size, *file, *pixels_of, err); });
}

} // extern "C"
