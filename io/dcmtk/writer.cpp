// writer.cpp: filling a new data set and turning it into the bytes of a file.
#include "io/dcmtk/handle.hpp"

#include <cstring>
#include <memory>

#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcwcache.h>

#include "base/alloc.h"

namespace {

constexpr size_t meta_room_bytes = 4096; // preamble and group 2

mrc_status fail_put(uint32_t tag, const char *why, mrc_error *err) {
    return mrc_fail(err, MRC_ERR_WRITE, "element (%04x,%04x) cannot be set: %s",
                    static_cast<unsigned>(tag >> 16), static_cast<unsigned>(tag & 0xFFFF), why);
}

DcmTag make_tag(uint32_t tag, const char *vr) {
    return vr != nullptr ? DcmTag(to_key(tag), DcmVR(vr)) : DcmTag(to_key(tag));
}

mrc_status put(mrc_dcmtk_item *item, uint32_t tag, const char *vr, const char *text,
               mrc_error *err) {
    const DcmTag full = make_tag(tag, vr);
    const OFCondition result = text[0] == '\0'
                                   ? to_dcm(item)->insertEmptyElement(full, OFTrue)
                                   : to_dcm(item)->putAndInsertString(full, text, OFTrue);
    return result.good() ? MRC_OK : fail_put(tag, result.text(), err);
}

void scrub_private(DcmItem &item);

void scrub_private(DcmElement &element) {
    if (element.ident() != EVR_SQ) return;
    auto &sequence = static_cast<DcmSequenceOfItems &>(element);
    for (unsigned long i = 0; i < sequence.card(); ++i) scrub_private(*sequence.getItem(i));
}

void scrub_private(DcmItem &item) {
    for (unsigned long i = item.card(); i > 0; --i) {
        DcmElement *element = item.getElement(i - 1);
        if (element->getGTag() % 2 == 1)
            delete item.remove(i - 1);
        else
            scrub_private(*element);
    }
}

/* A standard element whose VR went lost on the way (UN) is text again when the dictionary says so.
 */
mrc_status copy_unknown(mrc_dcmtk_item *to, DcmElement &element, uint32_t tag, mrc_error *err) {
    const DcmTag full(to_key(tag));
    Uint8 *bytes = nullptr;
    if (!full.getVR().isaString() || element.getUint8Array(bytes).bad() || bytes == nullptr)
        return MRC_OK;
    const OFCondition result = to_dcm(to)->putAndInsertString(
        full, reinterpret_cast<const char *>(bytes), element.getLength(), OFTrue);
    return result.good() ? MRC_OK : fail_put(tag, result.text(), err);
}

mrc_status copy(mrc_dcmtk_item *to, mrc_dcmtk_item *from, uint32_t tag, mrc_error *err) {
    DcmElement *element = nullptr;
    if (to_dcm(from)->findAndGetElement(to_key(tag), element).bad()) return MRC_OK;
    if (element->ident() == EVR_UN) return copy_unknown(to, *element, tag, err);
    std::unique_ptr<DcmElement> twin(static_cast<DcmElement *>(element->clone()));
    if (!twin) throw std::bad_alloc();
    scrub_private(*twin);
    const OFCondition result = to_dcm(to)->insert(twin.get(), OFTrue);
    if (result.bad()) return fail_put(tag, result.text(), err);
    (void)twin.release();
    return MRC_OK;
}

/* nnnD, nnnW, nnnM or nnnY; DCMTK lets "42" pass */
bool is_age(DcmElement &element) {
    OFString text;
    return element.getOFString(text, 0).good() && text.length() == 4 &&
           text.find_first_not_of("0123456789") == 3 && std::strchr("DWMY", text[3]) != nullptr;
}

/* Is every value (or, without `several`, the whole text) at most `most` bytes long? DCMTK does not
 * look. Bytes beyond ASCII are judged by no length: it counts letters, and these may take several
 * bytes. */
bool fits(DcmElement &element, size_t most, bool several) {
    char *text = nullptr;
    Uint32 length = 0;
    if (element.getString(text, length).bad() || text == nullptr) return true;
    size_t run = 0, longest = 0;
    for (Uint32 i = 0; i < length; ++i) {
        if (static_cast<unsigned char>(text[i]) >= 0x80) return true;
        run = several && text[i] == '\\' ? 0 : run + 1;
        if (run > longest && text[i] != ' ') longest = run; // padding does not count
    }
    return longest <= most;
}

bool is_valid(DcmItem &item);

bool is_valid(DcmElement &element) {
    if (element.ident() == EVR_SQ) {
        auto &sequence = static_cast<DcmSequenceOfItems &>(element);
        for (unsigned long i = 0; i < sequence.card(); ++i)
            if (!is_valid(*sequence.getItem(i))) return false;
        return true;
    }
    if (element.getLength() == 0) return true;
    switch (element.getVR()) {
    case EVR_AS: return is_age(element);
    case EVR_SH: return fits(element, 16, true);
    case EVR_LO: return fits(element, 64, true);
    case EVR_PN: return fits(element, 3 * 64 + 2, true);
    case EVR_ST: return fits(element, 1024, false);
    case EVR_LT: return fits(element, 10240, false);
    case EVR_AE:
    case EVR_CS:
    case EVR_DA:
    case EVR_DS:
    case EVR_DT:
    case EVR_IS:
    case EVR_TM:
    case EVR_UI: return element.checkValue("1-n", OFFalse).good();
    default: return true;
    }
}

bool is_valid(DcmItem &item) {
    for (unsigned long i = 0; i < item.card(); ++i) {
        DcmElement *element = item.getElement(i);
        if (element->getGTag() % 2 == 0 && !is_valid(*element)) return false;
    }
    return true;
}

/* A code above 16 bytes stands in LongCodeValue, or URNCodeValue (PS3.3 8.8). Tools write it into
 * CodeValue all the same, which makes the object invalid. */
void mend_codes(DcmItem &item) {
    DcmElement *code = nullptr;
    for (unsigned long i = 0; i < item.card(); ++i) {
        DcmElement *element = item.getElement(i);
        if (element->ident() != EVR_SQ) continue;
        auto &sequence = static_cast<DcmSequenceOfItems &>(*element);
        for (unsigned long k = 0; k < sequence.card(); ++k) mend_codes(*sequence.getItem(k));
    }
    if (item.findAndGetElement(DCM_CodeValue, code).bad() || fits(*code, 16, false)) return;
    OFString text;
    if (code->getOFString(text, 0).bad()) return;
    const bool urn = text.compare(0, 4, "urn:") == 0 || text.find("://") != OFString_npos;
    const DcmTag tag(urn ? DCM_URNCodeValue : DCM_LongCodeValue);
    if (!item.tagExists(tag) && item.putAndInsertOFStringArray(tag, text).good())
        item.findAndDeleteElement(DCM_CodeValue);
}

/* Of a sequence the valid items, none of it when there is none. */
mrc_status copy_valid(mrc_dcmtk_item *to, mrc_dcmtk_item *from, uint32_t tag, mrc_error *err) {
    DcmElement *element = nullptr;
    if (to_dcm(from)->findAndGetElement(to_key(tag), element).bad()) return MRC_OK;
    if (element->ident() != EVR_SQ) return is_valid(*element) ? copy(to, from, tag, err) : MRC_OK;
    std::unique_ptr<DcmSequenceOfItems> twin(static_cast<DcmSequenceOfItems *>(element->clone()));
    if (!twin) throw std::bad_alloc();
    scrub_private(*twin);
    for (unsigned long i = twin->card(); i > 0; --i) {
        mend_codes(*twin->getItem(i - 1));
        if (!is_valid(*twin->getItem(i - 1))) delete twin->remove(i - 1);
    }
    if (twin->card() == 0) return MRC_OK;
    const OFCondition result = to_dcm(to)->insert(twin.get(), OFTrue);
    if (result.bad()) return fail_put(tag, result.text(), err);
    (void)twin.release();
    return MRC_OK;
}

mrc_status append(mrc_dcmtk_item **out, mrc_dcmtk_item *item, uint32_t sequence, mrc_error *err) {
    DcmItem *child = nullptr;
    const OFCondition result =
        to_dcm(item)->findOrCreateSequenceItem(DcmTag(to_key(sequence)), child, -2);
    if (result.bad()) return fail_put(sequence, result.text(), err);
    *out = from_dcm(child);
    return MRC_OK;
}

mrc_status encode(unsigned char **out, size_t *size, mrc_dcmtk_file &file, mrc_error *err) {
    return mrc_dcmtk_encode_before(out, size, file, EXS_LittleEndianExplicit, 0, err);
}

} // namespace

mrc_status mrc_dcmtk_encode_before(unsigned char **out, size_t *size, mrc_dcmtk_file &file,
                                   E_TransferSyntax syntax, size_t more_bytes, mrc_error *err) {
    DcmDataset &set = *file.format.getDataset();
    const size_t room = set.calcElementLength(syntax, EET_ExplicitLength) + meta_room_bytes;
    auto *buffer = static_cast<unsigned char *>(mrc_alloc(room + more_bytes, 1));
    if (buffer == nullptr) throw std::bad_alloc();
    DcmOutputBufferStream stream(buffer, static_cast<offile_off_t>(room));
    OFCondition result = file.format.validateMetaInfo(syntax);
    if (result.good()) {
        DcmWriteCache cache;
        file.format.transferInit();
        result = file.format.write(stream, syntax, EET_ExplicitLength, &cache);
        file.format.transferEnd();
    }
    void *bytes = nullptr;
    offile_off_t length = 0;
    stream.flushBuffer(bytes, length);
    if (result.bad()) {
        mrc_free(buffer);
        return mrc_fail(err, MRC_ERR_WRITE, "a data set cannot be encoded: %s", result.text());
    }
    *out = buffer;
    *size = static_cast<size_t>(length);
    return MRC_OK;
}

extern "C" {

mrc_status mrc_dcmtk_put(mrc_dcmtk_item *item, uint32_t tag, const char *vr, const char *text,
                         mrc_error *err) {
    return guarded("new data set", err, [&] { return put(item, tag, vr, text, err); });
}

mrc_status mrc_dcmtk_put_words(mrc_dcmtk_item *item, uint32_t tag, const uint16_t *words,
                               size_t count, mrc_error *err) {
    return guarded("new data set", err, [&] {
        const OFCondition result = to_dcm(item)->putAndInsertUint16Array(
            DcmTag(to_key(tag), EVR_OW), words, static_cast<unsigned long>(count), OFTrue);
        return result.good() ? MRC_OK : fail_put(tag, result.text(), err);
    });
}

mrc_status mrc_dcmtk_copy(mrc_dcmtk_item *to, mrc_dcmtk_item *from, uint32_t tag, mrc_error *err) {
    return guarded("new data set", err, [&] { return copy(to, from, tag, err); });
}

mrc_status mrc_dcmtk_copy_valid(mrc_dcmtk_item *to, mrc_dcmtk_item *from, uint32_t tag,
                                mrc_error *err) {
    return guarded("new data set", err, [&] { return copy_valid(to, from, tag, err); });
}

mrc_status mrc_dcmtk_append(mrc_dcmtk_item **out, mrc_dcmtk_item *item, uint32_t sequence,
                            mrc_error *err) {
    *out = nullptr;
    return guarded("new data set", err, [&] { return append(out, item, sequence, err); });
}

mrc_status mrc_dcmtk_encode(unsigned char **out, size_t *size, mrc_dcmtk_file *file,
                            mrc_error *err) {
    *out = nullptr;
    *size = 0;
    return guarded("new data set", err, [&] { return encode(out, size, *file, err); });
}

} // extern "C"
