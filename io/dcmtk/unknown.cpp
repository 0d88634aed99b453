// unknown.cpp: see unknown.hpp. An element is written as a data set of its own in implicit VR, with
// the reservation of its private block, walked over as every file is, and read by DCMTK.
#include "io/dcmtk/unknown.hpp"

#include "base/text.h"

namespace {

using bytes = std::vector<unsigned char>;

void put(bytes &out, uint32_t value, int count) {
    for (int b = 0; b < count; ++b)
        out.push_back(static_cast<unsigned char>(value >> 8 * b & 0xFF));
}

void put_element(bytes &out, const DcmTagKey &tag, const unsigned char *value, size_t count) {
    put(out, tag.getGroup(), 2);
    put(out, tag.getElement(), 2);
    put(out, static_cast<uint32_t>(count), 4);
    if (count > 0) out.insert(out.end(), value, value + count);
}

/* Who has reserved the block of a private element: (gggg,00bb) for (gggg,bbxx). */
void put_creator(bytes &out, DcmItem &item, const DcmTagKey &tag) {
    OFString creator;
    const DcmTagKey reservation(tag.getGroup(), static_cast<Uint16>(tag.getElement() >> 8));
    if (tag.getGroup() % 2 == 0 || reservation.getElement() < 0x10 ||
        item.findAndGetOFString(reservation, creator).bad())
        return;
    put_element(out, reservation, reinterpret_cast<const unsigned char *>(creator.data()),
                creator.size());
}

/* The raw value; false where there is none to be had. */
bool get_value(const unsigned char **value, size_t *count, DcmElement &element) {
    Uint8 *raw = nullptr;
    *count = element.getLength();
    *value = nullptr;
    if (*count == 0) return true;
    if (element.getUint8Array(raw).bad() || raw == nullptr) return false;
    *value = raw;
    return true;
}

/* Elements one after the other, nowhere too deep and none beyond the end. */
bool is_walkable(const bytes &set) {
    mrc_walk walk{};
    bool more = false;
    walk.encoding = MRC_WALK_IMPLICIT_LE;
    return mrc_walk_dataset(&walk, &more, set.data(), set.size(), set.size(), "", nullptr) ==
               MRC_OK &&
           !more && !walk.has_pixels && walk.header_end == set.size();
}

size_t number_bytes(DcmEVR vr) {
    switch (vr) {
    case EVR_US:
    case EVR_SS:
    case EVR_xs:
    case EVR_OW: return 2;
    case EVR_UL:
    case EVR_SL:
    case EVR_FL:
    case EVR_AT:
    case EVR_OF:
    case EVR_OL: return 4;
    case EVR_FD:
    case EVR_OD:
    case EVR_UV:
    case EVR_SV:
    case EVR_OV: return 8;
    default: return 1;
    }
}

/* Every value of a DS or IS that is not empty. */
bool are_numbers(DcmElement &element) {
    OFString value;
    for (unsigned long i = 0, count = element.getVM(); i < count; ++i) {
        double number = 0.0;
        if (element.getOFString(value, i).bad()) return false;
        const size_t begin = value.find_first_not_of(' ');
        if (begin == OFString_npos) continue;
        const std::string text(value.data() + begin, value.find_last_not_of(' ') + 1 - begin);
        if (mrc_parse_f64(&number, text.c_str(), -1e300, 1e300) != MRC_OK) return false;
    }
    return true;
}

/* Does a value of `count` bytes consist of whole numbers of that kind, or of a text of numbers? */
bool is_sound(DcmElement &element, size_t count) {
    const DcmEVR vr = element.getVR();
    if (element.ident() == EVR_SQ) return true;
    if (vr == EVR_DS || vr == EVR_IS) return are_numbers(element);
    return count % number_bytes(vr) == 0; // DCMTK cuts what is beyond
}

/* What the element is; null: its value cannot be interpreted. */
std::unique_ptr<DcmElement> interpret(DcmElement &element, DcmItem &item) {
    const DcmTagKey tag = element.getTag().getXTag();
    const unsigned char *value = nullptr;
    size_t count = 0;
    bytes alone;
    if (!get_value(&value, &count, element)) return nullptr;
    put_creator(alone, item, tag);
    put_element(alone, tag, value, count);
    DcmDataset set;
    if (!is_walkable(alone) || mrc_dcmtk_parse(set, alone.data(), alone.size(),
                                               EXS_LittleEndianImplicit, "", nullptr) != MRC_OK)
        return nullptr;
    std::unique_ptr<DcmElement> known(set.remove(tag));
    return known && is_sound(*known, count) ? std::move(known) : nullptr;
}

bool is_unknown(DcmObject &object) {
    return object.ident() != EVR_SQ && object.getVR() == EVR_UN;
}

void settle(DcmItem &item);

void settle_items(DcmSequenceOfItems &sequence) {
    for (DcmObject *item = sequence.nextInContainer(nullptr); item != nullptr;
         item = sequence.nextInContainer(item))
        settle(*static_cast<DcmItem *>(item));
}

void settle(DcmItem &item) {
    std::vector<DcmElement *> unknown;
    for (DcmObject *object = item.nextInContainer(nullptr); object != nullptr;
         object = item.nextInContainer(object)) {
        if (object->ident() == EVR_SQ)
            settle_items(*static_cast<DcmSequenceOfItems *>(object));
        else if (is_unknown(*object))
            unknown.push_back(static_cast<DcmElement *>(object));
    }
    for (DcmElement *element : unknown) {
        std::unique_ptr<DcmElement> known = interpret(*element, item);
        if (known && is_unknown(*known)) continue; // nor does the dictionary know it
        const std::unique_ptr<DcmElement> gone(item.remove(element));
        if (known && item.insert(known.get()).good()) (void)known.release();
    }
}

} // namespace

void mrc_dcmtk_settle_unknown(DcmItem &set) {
    settle(set);
}
