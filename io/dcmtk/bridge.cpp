// bridge.cpp: opening and asking. See bridge.h; writing is in writer.cpp, pixels in pixels.cpp.
#include "io/dcmtk/handle.hpp"
#include "io/dcmtk/unknown.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

#include <unistd.h>
#include <zlib.h>

#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include "base/text.h"

namespace {

constexpr size_t first_read_bytes = size_t{64} << 10;
constexpr size_t max_header_bytes = size_t{64} << 20;
constexpr size_t max_inflated_bytes = size_t{256}
                                      << 20; // a frame of 4096 x 4096 has at most 64 MiB

struct stream_closer {
    void operator()(std::FILE *stream) const { std::fclose(stream); }
};
using stream_ptr = std::unique_ptr<std::FILE, stream_closer>;

/* A program taken to a machine without DCMTK has the dictionary beside itself: bin/mrcycle,
 * share/mrcycle/dicom.dic. */
void load_dictionary_beside() {
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return;
    std::string path(program, static_cast<size_t>(length));
    for (int level = 0; level < 2 && !path.empty(); ++level) path.resize(path.rfind('/'));
    path += "/share/mrcycle/dicom.dic";
    if (access(path.c_str(), R_OK) != 0) return;
    dcmDataDict.wrlock().loadDictionary(path.c_str());
    dcmDataDict.wrunlock();
}

bool dictionary_loaded() {
    const bool loaded =
        dcmDataDict.rdlock().findEntry(DcmTagKey(0x0008, 0x0060), nullptr) != nullptr;
    dcmDataDict.rdunlock();
    return loaded;
}

void register_all() {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL); // the library never prints
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    if (!dictionary_loaded()) load_dictionary_beside();
}

mrc_status open_stream(stream_ptr &out, uint64_t &size, const char *path, mrc_error *err) {
    out.reset(std::fopen(path, "rb"));
    if (!out) return mrc_fail(err, MRC_ERR_IO, "%s: %s", path, std::strerror(errno));
    if (fseeko(out.get(), 0, SEEK_END) != 0 || ftello(out.get()) < 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s", path, std::strerror(errno));
    size = static_cast<uint64_t>(ftello(out.get()));
    std::rewind(out.get());
    return MRC_OK;
}

/* Lengthens `bytes` to what the walk asks for next: four times as much, at most the file. */
mrc_status read_on(std::vector<unsigned char> &bytes, std::FILE *stream, uint64_t file_bytes,
                   const char *path, mrc_error *err) {
    const size_t have = bytes.size();
    uint64_t want = have == 0 ? first_read_bytes : uint64_t{have} * 4;
    if (want > file_bytes) want = file_bytes;
    if (want > max_header_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: the header is longer than %zu MiB", path,
                        max_header_bytes >> 20);
    bytes.resize(static_cast<size_t>(want));
    if (std::fread(bytes.data() + have, 1, bytes.size() - have, stream) != bytes.size() - have)
        return mrc_fail(err, MRC_ERR_IO, "%s: cannot be read", path);
    return MRC_OK;
}

/* What a deflated file may become: an image packs 200 times at most, but for empty ones, which are
 * small. */
size_t inflated_limit(const mrc_dcmtk_file &file) {
    constexpr size_t slack = size_t{32} << 20, ratio = 200;
    return std::min(max_inflated_bytes, slack + static_cast<size_t>(file.file_bytes) * ratio);
}

/* Raw deflate (RFC 1951) of the data set, PS3.5 A.5, within the limit. */
mrc_status inflate_dataset(mrc_dcmtk_file &file, mrc_error *err) {
    std::vector<unsigned char> packed;
    const size_t most = inflated_limit(file);
    if (file.file_bytes > max_inflated_bytes)
        return mrc_fail(err, MRC_ERR_RANGE, "%s: a deflated file of more than %zu MiB",
                        file.path.c_str(), max_inflated_bytes >> 20);
    mrc_status st = mrc_dcmtk_read_range(packed, file, file.walk.dataset_at,
                                         file.file_bytes - file.walk.dataset_at, err);
    if (st != MRC_OK) return st;
    z_stream z{};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    z.next_in = packed.data();
    z.avail_in = static_cast<uInt>(packed.size());
    int result = Z_OK;
    std::vector<unsigned char> chunk(size_t{256} << 10);
    while (result == Z_OK && file.inflated.size() <= most) {
        z.next_out = chunk.data();
        z.avail_out = static_cast<uInt>(chunk.size());
        result = inflate(&z, Z_NO_FLUSH);
        file.inflated.insert(file.inflated.end(), chunk.data(), z.next_out);
    }
    inflateEnd(&z);
    if (file.inflated.size() > most)
        return mrc_fail(
            err, MRC_ERR_RANGE, "%s: %llu deflated bytes become more than %zu MiB, expected less",
            file.path.c_str(), static_cast<unsigned long long>(file.file_bytes), most >> 20);
    if (result != Z_STREAM_END)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: the deflated data set is broken or truncated",
                        file.path.c_str());
    return MRC_OK;
}

mrc_status walk_deflated(mrc_dcmtk_file &file, mrc_error *err) {
    mrc_status st = inflate_dataset(file, err);
    if (st != MRC_OK) return st;
    bool more = false;
    file.walk.dataset_at = 0;
    return mrc_walk_dataset(&file.walk, &more, file.inflated.data(), file.inflated.size(),
                            file.inflated.size(), file.path.c_str(), err);
}

/* Walks meta and data set, reading on as asked. `bytes` ends with the file's beginning up to the
 * pixels. */
mrc_status walk_file(mrc_dcmtk_file &file, std::vector<unsigned char> &bytes, std::FILE *stream,
                     uint32_t until, mrc_error *err) {
    bool more = true, in_dataset = false;
    mrc_status st = MRC_OK;
    while (st == MRC_OK && more) {
        st = read_on(bytes, stream, file.file_bytes, file.path.c_str(), err);
        if (st != MRC_OK) break;
        more = false;
        if (!in_dataset)
            st = mrc_walk_meta(&file.walk, &more, bytes.data(), bytes.size(), file.file_bytes,
                               file.path.c_str(), err);
        if (st != MRC_OK || more) continue;
        in_dataset = true;
        file.walk.until = until;
        if (file.walk.deflated) return walk_deflated(file, err);
        st = mrc_walk_dataset(&file.walk, &more, bytes.data(), bytes.size(), file.file_bytes,
                              file.path.c_str(), err);
    }
    return st;
}

E_TransferSyntax header_syntax(const mrc_walk &walk) {
    switch (walk.encoding) {
    case MRC_WALK_IMPLICIT_LE: return EXS_LittleEndianImplicit;
    case MRC_WALK_EXPLICIT_BE: return EXS_BigEndianExplicit;
    default: return EXS_LittleEndianExplicit; // also that of all encapsulated syntaxes
    }
}

mrc_status open_file(mrc_dcmtk_file **out, const char *path, uint32_t until, mrc_error *err) {
    mrc_status st = mrc_dcmtk_start(err);
    if (st != MRC_OK) return st;
    auto file = std::make_unique<mrc_dcmtk_file>();
    file->path = path;
    stream_ptr stream;
    std::vector<unsigned char> bytes;
    st = open_stream(stream, file->file_bytes, path, err);
    if (st == MRC_OK && file->file_bytes == 0)
        st = mrc_fail(err, MRC_ERR_FORMAT, "%s: the file is empty", path);
    if (st == MRC_OK) st = walk_file(*file, bytes, stream.get(), until, err);
    if (st != MRC_OK) return st;
    const std::vector<unsigned char> &set = file->walk.deflated ? file->inflated : bytes;
    st = mrc_dcmtk_parse(*file->format.getDataset(), set.data() + file->walk.dataset_at,
                         file->walk.header_end - file->walk.dataset_at, header_syntax(file->walk),
                         path, err);
    if (st != MRC_OK) return st;
    if (file->walk.has_unknown) mrc_dcmtk_settle_unknown(*file->format.getDataset());
    *out = file.release();
    return MRC_OK;
}

DcmElement *find(mrc_dcmtk_item *item, uint32_t tag) {
    DcmElement *element = nullptr;
    if (item == nullptr || to_dcm(item)->findAndGetElement(to_key(tag), element).bad())
        return nullptr;
    return element;
}

/* With a value that can be asked for: bytes of which nobody knows what they are have none. */
DcmElement *find_value(mrc_dcmtk_item *item, uint32_t tag) {
    DcmElement *element = find(item, tag);
    const bool unknown =
        element != nullptr && element->ident() != EVR_SQ && element->getVR() == EVR_UN;
    return unknown ? nullptr : element;
}

/* --- text in several bytes a character --- */

/* SpecificCharacterSet of the item, or of what it lies in; "" where none says it. */
OFString character_set(DcmItem *item) {
    OFString words;
    for (; item != nullptr; item = item->getParentItem())
        if (item->findAndGetOFStringArray(DCM_SpecificCharacterSet, words).good() && !words.empty())
            break;
    return words;
}

bool names(const OFString &words, const char *one, const char *other) {
    return words.find(one) != OFString_npos || words.find(other) != OFString_npos;
}

/* In Chinese and Japanese texts a byte 0x5C may be half of a character, and no end of a value (PS3.5
 * 6.1.2.5.3). */
size_t count_texts(const std::string &text, const OFString &set) {
    const bool chinese = names(set, "GB18030", "GBK"),
               japanese = names(set, "ISO 2022 IR 87", "ISO 2022 IR 159");
    bool pairs = false; /* after an escape sequence to a set of two bytes */
    size_t count = 1;
    for (size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (japanese && byte == 0x1B) { /* ESC $ B, ESC $ ( D; back: ESC ( B, ESC ( J */
            pairs = text.compare(at + 1, 1, "$") == 0;
            at += text.compare(at + 1, 2, "$(") == 0 ? 3 : 2;
        } else if ((chinese && byte >= 0x81) || (pairs && byte > 0x20 && byte < 0x7F))
            ++at;
        else if (byte == '\\')
            ++count;
    }
    return count;
}

/* --- private blocks --- */

/* The next block at or after `block` that the creator has reserved; 0: none. In one pass over the
 * elements: DCMTK makes one for each element that it is asked for. */
unsigned next_block(mrc_dcmtk_item *item, unsigned group, const char *creator, unsigned block) {
    char text[65];
    if (item == nullptr) return 0;
    for (DcmObject *object = to_dcm(item)->nextInContainer(nullptr); object != nullptr;
         object = to_dcm(item)->nextInContainer(object)) {
        const unsigned reserved = object->getETag();
        if (object->getGTag() == group && reserved >= block && reserved <= 0xFF &&
            mrc_dcmtk_text(text, sizeof text, item, MRC_TAG(group, reserved), 0) &&
            std::strcmp(text, creator) == 0)
            return reserved;
    }
    return 0;
}

/* The first value of raw bytes in implicit VR little endian. */
bool number_of(double *out, const unsigned char *raw, size_t count, const char *vr) {
    const bool text = std::strcmp(vr, "IS") == 0 || std::strcmp(vr, "DS") == 0;
    const size_t width = vr[0] == 'F' && vr[1] == 'D'                          ? 8
                         : vr[0] == 'F' || std::strchr("LV", vr[1]) != nullptr ? 4
                                                                               : 2;
    if (text) {
        std::string digits(reinterpret_cast<const char *>(raw), count);
        digits.resize(std::min(digits.size(), digits.find_first_of(std::string("\\\0", 2))));
        while (!digits.empty() && digits.back() == ' ') digits.pop_back();
        const size_t begin = std::min(digits.size(), digits.find_first_not_of(' '));
        return mrc_parse_f64(out, digits.c_str() + begin, -1e300, 1e300) == MRC_OK;
    }
    if (count == 0 || count % width != 0) return false;
    uint64_t bits = 0;
    for (size_t b = width; b > 0; --b) bits = bits << 8 | raw[b - 1];
    if (vr[0] == 'U') *out = static_cast<double>(bits);
    if (vr[0] == 'S')
        *out = width == 2 ? static_cast<double>(static_cast<int16_t>(bits))
                          : static_cast<double>(static_cast<int32_t>(bits));
    if (vr[0] == 'F' && width == 4) {
        const auto half = static_cast<uint32_t>(bits);
        float value = 0.0F;
        std::memcpy(&value, &half, sizeof value);
        *out = static_cast<double>(value);
    }
    if (vr[0] == 'F' && width == 8) std::memcpy(out, &bits, sizeof bits);
    return std::isfinite(*out);
}

/* An element whose bytes are of no known kind: UN, or what some make of it. */
bool is_raw(DcmElement &element) {
    return element.ident() != EVR_SQ && (element.getVR() == EVR_UN || element.getVR() == EVR_OB);
}

} // namespace

mrc_status mrc_dcmtk_start(mrc_error *err) {
    static std::once_flag once;
    std::call_once(once, register_all);
    if (dictionary_loaded()) return MRC_OK;
    return mrc_fail(err, MRC_ERR_IO,
                    "DCMTK found no DICOM dictionary; install dcmtk's dicom.dic or name it in "
                    "DCMDICTPATH");
}

const char *mrc_dcmtk_version(void) {
    return PACKAGE_VERSION;
}

void mrc_dcmtk_prepare(void) {
    (void)guarded_value(MRC_OK, [] { return mrc_dcmtk_start(nullptr); });
}

mrc_status mrc_dcmtk_read_range(std::vector<unsigned char> &out, const mrc_dcmtk_file &file,
                                uint64_t at, uint64_t count, mrc_error *err) {
    const char *path = file.path.c_str();
    stream_ptr stream;
    uint64_t size = 0;
    mrc_status st = open_stream(stream, size, path, err);
    if (st != MRC_OK) return st;
    if (at > size || count > size - at)
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: truncated: %llu bytes, expected %llu", path,
                        static_cast<unsigned long long>(size),
                        static_cast<unsigned long long>(at + count));
    out.resize(static_cast<size_t>(count));
    if (fseeko(stream.get(), static_cast<off_t>(at), SEEK_SET) != 0 ||
        std::fread(out.data(), 1, out.size(), stream.get()) != out.size())
        return mrc_fail(err, MRC_ERR_IO, "%s: cannot be read", path);
    return MRC_OK;
}

mrc_status mrc_dcmtk_parse(DcmDataset &out, const unsigned char *bytes, size_t size,
                           E_TransferSyntax syntax, const char *name, mrc_error *err) {
    if (size == 0) return MRC_OK;
    DcmInputBufferStream stream;
    stream.setBuffer(bytes, static_cast<offile_off_t>(size));
    stream.setEos();
    out.transferInit();
    const OFCondition result = out.read(stream, syntax, EGL_noChange, DCM_MaxReadLength);
    out.transferEnd();
    if (result.bad() && result != EC_EndOfStream)
        return mrc_fail(err, result == EC_MemoryExhausted ? MRC_ERR_NOMEM : MRC_ERR_FORMAT,
                        "%s: broken data set: %s", name, result.text());
    return MRC_OK;
}

extern "C" {

bool mrc_dcmtk_probe(const unsigned char *head, size_t head_bytes) {
    return mrc_walk_probe(head, head_bytes);
}

mrc_status mrc_dcmtk_open(mrc_dcmtk_file **out, const char *path, mrc_error *err) {
    *out = nullptr;
    return guarded(path, err, [&] { return open_file(out, path, 0, err); });
}

mrc_status mrc_dcmtk_open_beginning(mrc_dcmtk_file **out, const char *path, uint32_t until,
                                    mrc_error *err) {
    *out = nullptr;
    return guarded(path, err, [&] { return open_file(out, path, until, err); });
}

mrc_status mrc_dcmtk_create(mrc_dcmtk_file **out, mrc_error *err) {
    *out = nullptr;
    return guarded("new data set", err, [&] {
        mrc_status st = mrc_dcmtk_start(err);
        if (st == MRC_OK) *out = new mrc_dcmtk_file;
        return st;
    });
}

void mrc_dcmtk_close(mrc_dcmtk_file *file) {
    delete file;
}

mrc_dcmtk_item *mrc_dcmtk_root(mrc_dcmtk_file *file) {
    return from_dcm(file->format.getDataset());
}

const char *mrc_dcmtk_transfer_syntax(const mrc_dcmtk_file *file) {
    return file->walk.transfer_syntax;
}

bool mrc_dcmtk_has_pixels(const mrc_dcmtk_file *file) {
    return file->walk.has_pixels;
}

bool mrc_dcmtk_has(mrc_dcmtk_item *item, uint32_t tag) {
    return guarded_value(false, [&] { return find(item, tag) != nullptr; });
}

size_t mrc_dcmtk_count(mrc_dcmtk_item *item, uint32_t tag) {
    return guarded_value(size_t{0}, [&]() -> size_t {
        DcmElement *element = find_value(item, tag);
        if (element == nullptr) return 0;
        if (element->ident() == EVR_SQ) return static_cast<DcmSequenceOfItems *>(element)->card();
        if (element->getLength() == 0) return 0;
        const DcmEVR vr = element->ident();
        char *text = nullptr;
        Uint32 length = 0;
        const bool words = vr == EVR_LO || vr == EVR_PN || vr == EVR_SH || vr == EVR_UC;
        if (!words || element->getVM() == 1 || element->getString(text, length).bad() ||
            text == nullptr)
            return element->getVM();
        return count_texts(std::string(text, length), character_set(to_dcm(item)));
    });
}

bool mrc_dcmtk_text(char *out, size_t capacity, mrc_dcmtk_item *item, uint32_t tag, size_t index) {
    MRC_ASSERT(capacity > 0);
    out[0] = '\0';
    return guarded_value(false, [&] {
        DcmElement *element = find_value(item, tag);
        OFString value;
        if (element == nullptr || index >= 0xFFFF ||
            element->getOFString(value, static_cast<unsigned long>(index)).bad())
            return false;
        const size_t begin = value.find_first_not_of(' ');
        if (begin == OFString_npos) return false;
        const size_t end = value.find_last_not_of(' ') + 1;
        const size_t length = end - begin < capacity - 1 ? end - begin : capacity - 1;
        std::memcpy(out, value.data() + begin, length);
        out[length] = '\0';
        return out[0] != '\0';
    });
}

const char *mrc_dcmtk_raw(mrc_dcmtk_item *item, uint32_t tag, size_t *bytes) {
    *bytes = 0;
    return guarded_value(static_cast<const char *>(nullptr), [&]() -> const char * {
        DcmElement *element = find_value(item, tag);
        char *text = nullptr;
        Uint32 length = 0;
        if (element == nullptr || element->getString(text, length).bad() || text == nullptr ||
            length == 0)
            return nullptr;
        *bytes = length;
        return text;
    });
}

bool mrc_dcmtk_number(double *out, mrc_dcmtk_item *item, uint32_t tag, size_t index) {
    char text[65];
    double value = 0.0;
    if (!mrc_dcmtk_text(text, sizeof text, item, tag, index)) return false;
    if (mrc_parse_f64(&value, text, -1e300, 1e300) != MRC_OK || !std::isfinite(value)) return false;
    *out = value;
    return true;
}

bool mrc_dcmtk_integer(int64_t *out, mrc_dcmtk_item *item, uint32_t tag, size_t index) {
    char text[65];
    int64_t value = 0;
    if (!mrc_dcmtk_text(text, sizeof text, item, tag, index)) return false;
    if (mrc_parse_i64(&value, text, INT64_MIN, INT64_MAX) != MRC_OK) return false;
    *out = value;
    return true;
}

bool mrc_dcmtk_private_text(char *out, size_t capacity, mrc_dcmtk_item *item, uint16_t group,
                            const char *creator, uint8_t element) {
    out[0] = '\0';
    for (unsigned block = next_block(item, group, creator, 0x10); block != 0;
         block = next_block(item, group, creator, block + 1)) {
        const uint32_t tag = MRC_TAG(group, block << 8 | element);
        if (mrc_dcmtk_text(out, capacity, item, tag, 0)) return true;
    }
    return false;
}

bool mrc_dcmtk_private_number(double *out, mrc_dcmtk_item *item, uint16_t group,
                              const char *creator, uint8_t element, const char *vr) {
    return guarded_value(false, [&] {
        for (unsigned block = next_block(item, group, creator, 0x10); block != 0;
             block = next_block(item, group, creator, block + 1)) {
            const uint32_t tag = MRC_TAG(group, block << 8 | element);
            DcmElement *found = find(item, tag);
            Uint8 *raw = nullptr;
            if (found == nullptr) continue;
            if (!is_raw(*found)) return mrc_dcmtk_number(out, item, tag, 0);
            return found->getUint8Array(raw).good() && raw != nullptr &&
                   number_of(out, raw, found->getLength(), vr);
        }
        return false;
    });
}

mrc_dcmtk_item *mrc_dcmtk_child(mrc_dcmtk_item *item, uint32_t sequence, size_t index) {
    return guarded_value(static_cast<mrc_dcmtk_item *>(nullptr), [&]() -> mrc_dcmtk_item * {
        DcmElement *element = find(item, sequence);
        if (element == nullptr || element->ident() != EVR_SQ) return nullptr;
        auto *items = static_cast<DcmSequenceOfItems *>(element);
        if (index >= items->card()) return nullptr;
        return from_dcm(items->getItem(static_cast<unsigned long>(index)));
    });
}

const char *mrc_dcmtk_uid_name(const char *uid) {
    return guarded_value(static_cast<const char *>(nullptr),
                         [&] { return dcmFindNameOfUID(uid, nullptr); });
}

} // extern "C"
