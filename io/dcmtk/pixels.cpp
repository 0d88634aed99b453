// pixels.cpp: from the bytes behind (7FE0,0010) to stored values of one frame.
#include "io/dcmtk/handle.hpp"
#include "io/dcmtk/jpeg.h"
#include "io/dcmtk/jpeg2000.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <dcmtk/dcmdata/dcpixel.h>

#include "base/alloc.h"

namespace {

constexpr uint64_t max_native_bytes = uint64_t{1} << 32;
constexpr uint64_t max_encoded_bytes = uint64_t{1} << 30;
constexpr uint64_t max_decoded_bytes = uint64_t{1} << 31; // DCMTK 3.6.7 overruns buffers from 4 GiB

/* Those DCMTK 3.6.7 can decode. */
const char *const decodable[] = {
    UID_RLELosslessTransferSyntax,      UID_JPEGProcess1TransferSyntax,
    UID_JPEGProcess2_4TransferSyntax,   UID_JPEGProcess6_8TransferSyntax,
    UID_JPEGProcess10_12TransferSyntax, UID_JPEGProcess14TransferSyntax,
    UID_JPEGProcess14SV1TransferSyntax, UID_JPEGLSLosslessTransferSyntax,
    UID_JPEGLSLossyTransferSyntax,
};

/* And OpenJPEG: lossless, and maybe lossy. */
const char *const jpeg2000[] = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"};

/* Names for those they cannot, also newer than DCMTK's own table, and what can. By the beginning of
 * the UID; the first that fits. */
const char by_gdcm[] = "decompress with: gdcmconv --raw";
const char by_pydicom[] = "decompress with pydicom and pylibjpeg-openjpeg";
const char by_export[] = "export the series uncompressed";
const char as_images[] = "a film, expected images";
const char elsewhere[] = "they lie on a server, export the series with its pixels";
const struct undecodable_syntax {
    const char *uid, *name, *remedy;
} undecodable[] = {
    {"1.2.840.10008.1.2.1.98", "encapsulated uncompressed", by_export},
    {"1.2.840.10008.1.2.4.92", "JPEG 2000 part 2 lossless", by_gdcm},
    {"1.2.840.10008.1.2.4.93", "JPEG 2000 part 2", by_gdcm},
    {"1.2.840.10008.1.2.4.94", "JPIP", elsewhere},
    {"1.2.840.10008.1.2.4.95", "JPIP deflated", elsewhere},
    {"1.2.840.10008.1.2.4.110", "JPEG XL lossless", by_export},
    {"1.2.840.10008.1.2.4.111", "JPEG XL recompression", by_export},
    {"1.2.840.10008.1.2.4.112", "JPEG XL", by_export},
    {"1.2.840.10008.1.2.4.201", "HTJ2K lossless", by_pydicom},
    {"1.2.840.10008.1.2.4.202", "HTJ2K lossless RPCL", by_pydicom},
    {"1.2.840.10008.1.2.4.203", "HTJ2K", by_pydicom},
    {"1.2.840.10008.1.2.4.204", "JPIP HTJ2K", elsewhere},
    {"1.2.840.10008.1.2.4.205", "JPIP HTJ2K deflated", elsewhere},
    {"1.2.840.10008.1.2.4.107", "HEVC", as_images},
    {"1.2.840.10008.1.2.4.108", "HEVC", as_images},
    {"1.2.840.10008.1.2.4.100", "MPEG2", as_images},
    {"1.2.840.10008.1.2.4.101", "MPEG2", as_images},
    {"1.2.840.10008.1.2.4.10", "MPEG-4", as_images},
    {"1.2.840.10008.1.2.7.", "SMPTE ST 2110", as_images},
    {"1.2.840.10008.1.2.8.1", "deflated frames", by_export},
    {"1.2.840.10008.1.2.4.", "an old kind of JPEG", by_export},
    {"", "unknown", by_export},
};

bool is_jpeg2000(const mrc_dcmtk_file &file) {
    for (const char *uid : jpeg2000)
        if (std::strcmp(uid, file.walk.transfer_syntax) == 0) return true;
    return false;
}

/* NULL: it can be decoded. */
const undecodable_syntax *obstacle(const mrc_dcmtk_file &file) {
    const char *uid = file.walk.transfer_syntax;
    if (!file.walk.encapsulated || is_jpeg2000(file)) return nullptr;
    for (const char *known : decodable)
        if (std::strcmp(known, uid) == 0) return nullptr;
    const undecodable_syntax *found = undecodable;
    while (std::strncmp(found->uid, uid, std::strlen(found->uid)) != 0) ++found;
    return found;
}

mrc_status check_syntax(const mrc_dcmtk_file &file, mrc_error *err) {
    const undecodable_syntax *found = obstacle(file);
    if (found == nullptr) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                    "%s: the pixels are in transfer syntax %s (%s), which cannot be decoded here; "
                    "%s",
                    file.path.c_str(), found->name, file.walk.transfer_syntax, found->remedy);
}

mrc_status check_bits(const mrc_dcmtk_pixels &out, const char *path, mrc_error *err) {
    const auto allocated = static_cast<long long>(out.bits_allocated);
    if (out.is_float ? allocated != 32 && allocated != 64
                     : allocated != 8 && allocated != 16 && allocated != 32)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: BitsAllocated (0028,0100) is %lld, expected %s", path, allocated,
                        out.is_float ? "32 or 64" : "8, 16 or 32");
    if (out.is_float) return MRC_OK;
    if (out.bits_stored < 1 || out.bits_stored > out.bits_allocated ||
        out.high_bit < out.bits_stored - 1 || out.high_bit >= out.bits_allocated)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: BitsAllocated %lld, BitsStored %lld and HighBit %lld contradict each "
                        "other",
                        path, allocated, static_cast<long long>(out.bits_stored),
                        static_cast<long long>(out.high_bit));
    return MRC_OK;
}

mrc_status read_layout(mrc_dcmtk_pixels &out, mrc_dcmtk_item *item, const char *path,
                       mrc_error *err) {
    int64_t representation = 0;
    out.samples = 1;
    (void)mrc_dcmtk_integer(&out.samples, item, MRC_TAG(0x0028, 0x0002), 0);
    const bool whole = mrc_dcmtk_integer(&out.rows, item, MRC_TAG(0x0028, 0x0010), 0) &&
                       mrc_dcmtk_integer(&out.columns, item, MRC_TAG(0x0028, 0x0011), 0) &&
                       mrc_dcmtk_integer(&out.bits_allocated, item, MRC_TAG(0x0028, 0x0100), 0);
    if (!whole)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: Rows, Columns or BitsAllocated is missing", path);
    out.bits_stored = out.bits_allocated;
    (void)mrc_dcmtk_integer(&out.bits_stored, item, MRC_TAG(0x0028, 0x0101), 0);
    out.high_bit = out.bits_stored - 1;
    (void)mrc_dcmtk_integer(&out.high_bit, item, MRC_TAG(0x0028, 0x0102), 0);
    (void)mrc_dcmtk_integer(&representation, item, MRC_TAG(0x0028, 0x0103), 0);
    out.is_signed = representation == 1;
    if (out.rows < 1 || out.columns < 1 || out.samples < 1 || out.samples > 4)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: an image of %lld x %lld pixels and %lld samples",
                        path, static_cast<long long>(out.rows), static_cast<long long>(out.columns),
                        static_cast<long long>(out.samples));
    mrc_status st = check_bits(out, path, err);
    if (st != MRC_OK) return st;
    out.size = static_cast<size_t>(out.rows) * static_cast<size_t>(out.columns) *
               static_cast<size_t>(out.samples) * static_cast<size_t>(out.bits_allocated / 8);
    return MRC_OK;
}

int64_t frame_count(mrc_dcmtk_item *item) {
    int64_t frames = 1;
    (void)mrc_dcmtk_integer(&frames, item, MRC_TAG(0x0028, 0x0008), 0);
    return frames < 1 ? 1 : frames;
}

uint64_t stored_file_bytes(const mrc_dcmtk_file &file) {
    return file.walk.deflated ? file.inflated.size() : file.file_bytes;
}

/* Uncompressed: the length must be that of the frames, one byte of padding aside, and the file must
 * hold it. */
mrc_status check_native(const mrc_dcmtk_file &file, uint64_t expected, mrc_error *err) {
    const uint64_t there = stored_file_bytes(file) - file.walk.pixels_at;
    uint64_t found = file.walk.pixels_bytes;
    if (found != MRC_WALK_UNDEFINED && found > there) {
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: truncated: PixelData (7FE0,0010) has %llu of %llu bytes",
                        file.path.c_str(), static_cast<unsigned long long>(there),
                        static_cast<unsigned long long>(found));
    }
    if (found == expected || (found == expected + 1 && expected % 2 == 1)) return MRC_OK;
    if (found == MRC_WALK_UNDEFINED)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: PixelData (7FE0,0010) has no length, expected %llu bytes",
                        file.path.c_str(), static_cast<unsigned long long>(expected));
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: PixelData (7FE0,0010) has %llu bytes, expected %llu",
                    file.path.c_str(), static_cast<unsigned long long>(found),
                    static_cast<unsigned long long>(expected));
}

/* Encapsulated: items from pixels_at to a sequence delimiter (PS3.5 A.4). Reads the eight bytes
 * before each only. */
mrc_status index_fragments(mrc_dcmtk_file &file, mrc_error *err) {
    const char *path = file.path.c_str();
    uint64_t at = file.walk.pixels_at;
    std::vector<unsigned char> head;
    if (!file.fragments.empty()) return MRC_OK;
    std::vector<mrc_dcmtk_fragment> found;
    for (;;) {
        if (file.file_bytes - at < 8) break;
        mrc_status st = mrc_dcmtk_read_range(head, file, at, 8, err);
        if (st != MRC_OK) return st;
        const uint32_t length =
            static_cast<uint32_t>(head[4]) | static_cast<uint32_t>(head[5]) << 8 |
            static_cast<uint32_t>(head[6]) << 16 | static_cast<uint32_t>(head[7]) << 24;
        if (std::memcmp(head.data(), "\xFE\xFF\xDD\xE0", 4) == 0) {
            if (found.size() < 2)
                return mrc_fail(err, MRC_ERR_FORMAT, "%s: compressed pixels without a fragment",
                                path);
            file.fragments = std::move(found);
            return MRC_OK;
        }
        if (std::memcmp(head.data(), "\xFE\xFF\x00\xE0", 4) != 0)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: broken pixel fragments at byte %llu", path,
                            static_cast<unsigned long long>(at));
        at += 8;
        if (length > file.file_bytes - at) break;
        found.push_back({at, length});
        at += length;
    }
    return mrc_fail(err, MRC_ERR_FORMAT,
                    "%s: truncated: the file ends inside the compressed pixels", path);
}

mrc_status check(mrc_dcmtk_pixels &layout, mrc_dcmtk_file &file, mrc_error *err) {
    const char *path = file.path.c_str();
    mrc_status st = check_syntax(file, err);
    if (st != MRC_OK) return st;
    if (!mrc_dcmtk_has_pixels(&file))
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: no PixelData (7FE0,0010)", path);
    layout.is_float = file.walk.pixel_element != 0x0010;
    st = read_layout(layout, mrc_dcmtk_root(&file), path, err);
    if (st != MRC_OK) return st;
    if (file.walk.encoding == MRC_WALK_EXPLICIT_BE && file.walk.pixels_are_bytes &&
        layout.bits_allocated > 8)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: pixels of %lld bits as a stream of bytes (OB) in a big-endian file, "
                        "whose order nobody knows, expected words (OW)",
                        path, static_cast<long long>(layout.bits_allocated));
    const auto frames = static_cast<uint64_t>(frame_count(mrc_dcmtk_root(&file)));
    const uint64_t most = file.walk.encapsulated ? max_decoded_bytes : max_native_bytes;
    if (frames > 65536 || uint64_t{layout.size} * frames > most)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: %llu frames of %zu bytes are more than %llu GiB",
                        path, static_cast<unsigned long long>(frames), layout.size,
                        static_cast<unsigned long long>(most >> 30));
    if (!file.walk.encapsulated) return check_native(file, layout.size * frames, err);
    if (file.walk.pixels_bytes != MRC_WALK_UNDEFINED || layout.is_float)
        return mrc_fail(
            err, MRC_ERR_FORMAT,
            "%s: the pixels are not compressed, as TransferSyntaxUID (0002,0010) says they are",
            path);
    return index_fragments(file, err);
}

/* --- by DCMTK's codecs: all frames at once --- */

bool is_jpeg(const mrc_dcmtk_file &file) {
    static const char *const syntaxes[] = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51",
                                           "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"};
    for (const char *uid : syntaxes)
        if (std::strcmp(file.walk.transfer_syntax, uid) == 0) return true;
    return false;
}

/* Of the data set's bytes those of the fragments, one after the other. */
mrc_status check_jpeg(const mrc_dcmtk_file &file, const std::vector<unsigned char> &bytes,
                      mrc_error *err) {
    std::vector<unsigned char> stream;
    for (size_t f = 1; f < file.fragments.size(); ++f) {
        const uint64_t at = file.fragments[f].at - file.walk.dataset_at;
        const uint64_t length = file.fragments[f].length;
        if (at > bytes.size() || length > bytes.size() - at)
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: a fragment is cut off", file.path.c_str());
        stream.insert(stream.end(), bytes.data() + at, bytes.data() + at + length);
    }
    return mrc_jpeg_check(stream.data(), stream.size(), file.path.c_str(), err);
}

/* The codec may change the cells' description: it is read again. */
mrc_status decode_all(mrc_dcmtk_file &file, const mrc_dcmtk_pixels &layout, mrc_error *err) {
    const char *path = file.path.c_str();
    std::vector<unsigned char> bytes;
    if (file.decoded) return MRC_OK;
    if (file.file_bytes > max_encoded_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: larger than %llu MiB", path,
                        static_cast<unsigned long long>(max_encoded_bytes >> 20));
    mrc_status st = mrc_dcmtk_read_range(bytes, file, file.walk.dataset_at,
                                         file.file_bytes - file.walk.dataset_at, err);
    if (st == MRC_OK && is_jpeg(file)) st = check_jpeg(file, bytes, err);
    if (st != MRC_OK) return st;
    auto set = std::make_unique<DcmDataset>();
    const E_TransferSyntax syntax = DcmXfer(file.walk.transfer_syntax).getXfer();
    st = mrc_dcmtk_parse(*set, bytes.data(), bytes.size(), syntax, path, err);
    if (st != MRC_OK) return st;
    const OFCondition result = set->chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (result.bad())
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: the pixels cannot be decompressed: %s", path,
                        result.text());
    mrc_dcmtk_pixels found{};
    st = read_layout(found, from_dcm(set.get()), path, err);
    if (st != MRC_OK) return st;
    if (found.rows != layout.rows || found.columns != layout.columns)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: the compressed image has another size", path);
    file.decoded_layout = found;
    file.decoded = std::move(set);
    return MRC_OK;
}

/* The decompressed pixels of all frames, *length bytes; NULL: there are none. */
const void *decoded_bytes(const mrc_dcmtk_file &file, uint64_t *length) {
    DcmElement *element = nullptr;
    Uint8 *narrow = nullptr;
    Uint16 *wide = nullptr;
    if (file.decoded->findAndGetElement(DCM_PixelData, element).bad()) return nullptr;
    *length = element->getLength();
    if (element->getVR() == EVR_OW && element->getUint16Array(wide).good()) return wide;
    return element->getUint8Array(narrow).good() ? narrow : nullptr;
}

mrc_status decode(mrc_dcmtk_pixels &out, mrc_dcmtk_file &file, size_t frame, mrc_error *err) {
    const char *path = file.path.c_str();
    mrc_status st = decode_all(file, out, err);
    if (st != MRC_OK) return st;
    uint64_t length = 0;
    const void *pixels = decoded_bytes(file, &length);
    out = file.decoded_layout;
    const uint64_t skipped = uint64_t{out.size} * frame;
    if (pixels == nullptr || length < skipped + out.size)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: the decompressed pixels are not %llu bytes", path,
                        static_cast<unsigned long long>(skipped + out.size));
    out.bytes = mrc_alloc(out.size, 1);
    if (out.bytes == nullptr) throw std::bad_alloc();
    std::memcpy(out.bytes, static_cast<const unsigned char *>(pixels) + skipped, out.size);
    return MRC_OK;
}

/* --- the stream of one frame --- */

bool begins_image(const mrc_dcmtk_file &file, const mrc_dcmtk_fragment &fragment) {
    static const unsigned char codestream[] = {0xFF, 0x4F, 0xFF, 0x51};
    static const unsigned char box[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    static const unsigned char jpeg[] = {0xFF, 0xD8, 0xFF};
    std::vector<unsigned char> head;
    if (fragment.length < sizeof box ||
        mrc_dcmtk_read_range(head, file, fragment.at, sizeof box, nullptr) != MRC_OK)
        return false;
    return std::memcmp(head.data(), codestream, sizeof codestream) == 0 ||
           std::memcmp(head.data(), box, sizeof box) == 0 ||
           std::memcmp(head.data(), jpeg, sizeof jpeg) == 0;
}

/* Indices of the fragments a frame begins with, one for each frame and the end. One fragment a
 * frame is the rule; else each fragment that begins as an image does begins a frame. */
mrc_status frame_starts(std::vector<size_t> &starts, const mrc_dcmtk_file &file, mrc_error *err) {
    const size_t frames = mrc_dcmtk_frames(file), count = file.fragments.size();
    for (size_t f = 1; f < count; ++f)
        if (frames + 1 == count || (frames == 1 ? f == 1 : begins_image(file, file.fragments[f])))
            starts.push_back(f);
    if (starts.size() != frames || starts[0] != 1)
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: %zu images in the compressed pixels of %zu frames", file.path.c_str(),
                        starts.size(), frames);
    starts.push_back(count);
    return MRC_OK;
}

mrc_status decode_jpeg2000(mrc_dcmtk_pixels &out, const mrc_dcmtk_file &file, size_t frame,
                           mrc_error *err) {
    std::vector<unsigned char> stream;
    mrc_status st = mrc_dcmtk_read_stream(stream, file, frame, err);
    if (st != MRC_OK) return st;
    out.bytes = mrc_alloc(out.size, 1);
    if (out.bytes == nullptr) throw std::bad_alloc();
    return mrc_jpeg2000_decode(&out, stream.data(), stream.size(), file.path.c_str(), err);
}

mrc_status read_frame(mrc_dcmtk_pixels &out, mrc_dcmtk_file &file, size_t frame, mrc_error *err) {
    mrc_status st = check(out, file, err);
    if (st != MRC_OK) return st;
    const auto frames = static_cast<size_t>(frame_count(mrc_dcmtk_root(&file)));
    if (frame >= frames)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: frame %zu of an image of %zu frames",
                        file.path.c_str(), frame + 1, frames);
    if (is_jpeg2000(file)) return decode_jpeg2000(out, file, frame, err);
    if (file.walk.encapsulated) return decode(out, file, frame, err);
    out.bytes = mrc_alloc(out.size, 1);
    if (out.bytes == nullptr) throw std::bad_alloc();
    std::vector<unsigned char> bytes;
    st = mrc_dcmtk_read_native(bytes, file, uint64_t{out.size} * frame, out.size, err);
    if (st == MRC_OK) std::memcpy(out.bytes, bytes.data(), out.size);
    return st;
}

} // namespace

size_t mrc_dcmtk_frames(const mrc_dcmtk_file &file) {
    return static_cast<size_t>(
        frame_count(from_dcm(const_cast<mrc_dcmtk_file &>(file).format.getDataset())));
}

mrc_status mrc_dcmtk_read_layout(mrc_dcmtk_pixels &out, mrc_dcmtk_file &file, mrc_error *err) {
    return check(out, file, err);
}

mrc_status mrc_dcmtk_read_stream(std::vector<unsigned char> &out, const mrc_dcmtk_file &file,
                                 size_t frame, mrc_error *err) {
    std::vector<size_t> starts;
    std::vector<unsigned char> piece;
    out.clear();
    mrc_status st = frame_starts(starts, file, err);
    for (size_t f = st == MRC_OK ? starts[frame] : 0; st == MRC_OK && f < starts[frame + 1]; ++f) {
        st = mrc_dcmtk_read_range(piece, file, file.fragments[f].at, file.fragments[f].length, err);
        out.insert(out.end(), piece.begin(), piece.end());
    }
    return st;
}

/* Of 8 bits in words, the bytes of each word trade places. */
mrc_status mrc_dcmtk_read_native(std::vector<unsigned char> &out, mrc_dcmtk_file &file, uint64_t at,
                                 uint64_t count, mrc_error *err) {
    if (file.walk.deflated) { // little endian
        const auto begin =
            file.inflated.begin() + static_cast<std::ptrdiff_t>(file.walk.pixels_at + at);
        out.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
        return MRC_OK;
    }
    if (file.walk.encoding != MRC_WALK_EXPLICIT_BE || file.walk.pixels_are_bytes)
        return mrc_dcmtk_read_range(out, file, file.walk.pixels_at + at, count, err);
    int64_t bits = 16;
    (void)mrc_dcmtk_integer(&bits, mrc_dcmtk_root(&file), MRC_TAG(0x0028, 0x0100), 0);
    const auto width = static_cast<uint64_t>(bits > 16 ? bits / 8 : 2);
    const uint64_t lead = at % width;
    uint64_t end = at + count + width - 1;
    end = std::min(end - end % width, file.walk.pixels_bytes);
    mrc_status st =
        mrc_dcmtk_read_range(out, file, file.walk.pixels_at + at - lead, end - (at - lead), err);
    if (st != MRC_OK) return st;
    for (auto cell = out.begin(); static_cast<uint64_t>(out.end() - cell) >= width;
         cell += static_cast<std::ptrdiff_t>(width))
        std::reverse(cell, cell + static_cast<std::ptrdiff_t>(width));
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(lead));
    out.resize(static_cast<size_t>(count));
    return MRC_OK;
}

extern "C" {

bool mrc_dcmtk_pixels_are_elsewhere(const mrc_dcmtk_file *file) {
    const undecodable_syntax *found = obstacle(*file);
    return found != nullptr && found->remedy == elsewhere;
}

mrc_status mrc_dcmtk_check_pixels(mrc_dcmtk_file *file, mrc_error *err) {
    mrc_dcmtk_pixels layout{};
    return guarded(file->path.c_str(), err, [&] { return check(layout, *file, err); });
}

mrc_status mrc_dcmtk_read_frame(mrc_dcmtk_pixels *out, mrc_dcmtk_file *file, size_t frame,
                                mrc_error *err) {
    *out = mrc_dcmtk_pixels{};
    mrc_status st =
        guarded(file->path.c_str(), err, [&] { return read_frame(*out, *file, frame, err); });
    if (st != MRC_OK) {
        mrc_free(out->bytes);
        out->bytes = nullptr;
    }
    return st;
}

} // extern "C"
