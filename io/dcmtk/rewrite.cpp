// rewrite.cpp: a new data set around the untouched pixels of another file.
#include "io/dcmtk/handle.hpp"

#include <cstring>

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

/* The fragments (PS3.5 A.4), item by item, up to and with the sequence delimiter. */
mrc_status copy_fragments(bytes &out, const mrc_dcmtk_file &from, mrc_error *err) {
    uint64_t at = from.walk.pixels_at;
    bytes part;
    for (;;) {
        mrc_status st = mrc_dcmtk_read_range(part, from, at, 8, err);
        if (st != MRC_OK) return st;
        const uint32_t length =
            static_cast<uint32_t>(part[4]) | static_cast<uint32_t>(part[5]) << 8 |
            static_cast<uint32_t>(part[6]) << 16 | static_cast<uint32_t>(part[7]) << 24;
        const bool end = std::memcmp(part.data(), "\xFE\xFF\xDD\xE0", 4) == 0;
        if (!end && std::memcmp(part.data(), "\xFE\xFF\x00\xE0", 4) != 0)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: broken pixel fragments", from.path.c_str());
        out.insert(out.end(), part.begin(), part.begin() + 4);
        put32(out, end ? 0 : length);
        at += 8;
        if (end) return MRC_OK;
        if (out.size() + length > max_pixel_bytes)
            return mrc_fail(err, MRC_ERR_RANGE, "%s: more than 2 GiB of pixels", from.path.c_str());
        st = mrc_dcmtk_read_range(part, from, at, length, err);
        if (st != MRC_OK) return st;
        out.insert(out.end(), part.begin(), part.end());
        at += length;
    }
}

mrc_status copy_native(bytes &out, mrc_dcmtk_file &from, mrc_error *err) {
    const uint64_t count = from.walk.pixels_bytes;
    bytes cells;
    if (count > max_pixel_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: more than 2 GiB of pixels", from.path.c_str());
    mrc_status st = mrc_dcmtk_read_native(cells, from, 0, count, err);
    if (st != MRC_OK) return st;
    if (cells.size() % 2 == 1) cells.push_back(0);
    put32(out, static_cast<uint32_t>(cells.size()));
    out.insert(out.end(), cells.begin(), cells.end());
    return MRC_OK;
}

/* The whole element, explicit VR little endian: (7FE0,0010), or one of floating-point numbers. */
mrc_status copy_pixels(bytes &out, mrc_dcmtk_file &from, mrc_error *err) {
    int64_t allocated = 16;
    (void)mrc_dcmtk_integer(&allocated, mrc_dcmtk_root(&from), MRC_TAG(0x0028, 0x0100), 0);
    const bool wide = !from.walk.encapsulated && allocated > 8;
    put16(out, 0x7FE0);
    put16(out, from.walk.pixel_element);
    out.push_back('O');
    out.push_back(from.walk.pixel_element == 0x0008   ? 'F'
                  : from.walk.pixel_element == 0x0009 ? 'D'
                  : wide                              ? 'W'
                                                      : 'B');
    put16(out, 0);
    if (!from.walk.encapsulated) return copy_native(out, from, err);
    put32(out, 0xFFFFFFFF);
    return copy_fragments(out, from, err);
}

mrc_status encode_around(unsigned char **out, size_t *size, mrc_dcmtk_file &file,
                         mrc_dcmtk_file &from, mrc_error *err) {
    mrc_status st = mrc_dcmtk_check_pixels(&from, err);
    if (st != MRC_OK) return st;
    bytes pixels;
    st = copy_pixels(pixels, from, err);
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
