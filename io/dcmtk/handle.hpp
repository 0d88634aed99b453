/* handle.hpp: what a file handle holds, shared by the C++ files of this folder. */
#ifndef MRC_IO_DCMTK_HANDLE_HPP
#define MRC_IO_DCMTK_HANDLE_HPP

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "io/dcmtk/bridge.h"
#include "io/dcmtk/walk.h"

/* A piece of compressed pixels, in bytes of the file. */
struct mrc_dcmtk_fragment {
    uint64_t at;
    uint32_t length;
};

struct mrc_dcmtk_file {
    DcmFileFormat format;
    std::string path;
    std::vector<unsigned char> inflated; // deflated files: the data set as explicit little endian
    mrc_walk walk{};
    uint64_t file_bytes = 0;
    std::unique_ptr<DcmDataset> decoded; // with pixels as DCMTK decompressed them, once asked for
    mrc_dcmtk_pixels decoded_layout{};
    std::vector<mrc_dcmtk_fragment> fragments; // the first is the offset table
};

inline DcmItem *to_dcm(mrc_dcmtk_item *item) {
    return reinterpret_cast<DcmItem *>(item);
}
inline mrc_dcmtk_item *from_dcm(DcmItem *item) {
    return reinterpret_cast<mrc_dcmtk_item *>(item);
}
inline DcmTagKey to_key(uint32_t tag) {
    return DcmTagKey(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag & 0xFFFF));
}

/* The wall: no exception leaves a function whose body is given as `body`. */
template <class Body> mrc_status guarded(const char *name, mrc_error *err, Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", name);
    } catch (const std::exception &e) {
        return mrc_fail(err, MRC_ERR_IO, "%s: %s", name, e.what());
    } catch (...) {
        return mrc_fail(err, MRC_ERR_IO, "%s: unknown exception", name);
    }
}

template <class T, class Body> T guarded_value(T otherwise, Body body) noexcept {
    try {
        return body();
    } catch (...) {
        return otherwise;
    }
}

/* Dictionary, codecs and log, once a process. */
mrc_status mrc_dcmtk_start(mrc_error *err);

/* Reads bytes at..at+count of the handle's file. */
mrc_status mrc_dcmtk_read_range(std::vector<unsigned char> &out, const mrc_dcmtk_file &file,
                                uint64_t at, uint64_t count, mrc_error *err);

/* Reads bytes at..at+count of uncompressed pixels, little endian whatever the file is. */
mrc_status mrc_dcmtk_read_native(std::vector<unsigned char> &out, mrc_dcmtk_file &file, uint64_t at,
                                 uint64_t count, mrc_error *err);

/* Checks the pixels and tells how they lie, without reading one. */
mrc_status mrc_dcmtk_read_layout(mrc_dcmtk_pixels &out, mrc_dcmtk_file &file, mrc_error *err);

size_t mrc_dcmtk_frames(const mrc_dcmtk_file &file);

/* The compressed bytes of a frame, counted from 0, of a file whose pixels were checked. */
mrc_status mrc_dcmtk_read_stream(std::vector<unsigned char> &out, const mrc_dcmtk_file &file,
                                 size_t frame, mrc_error *err);

/* Gives bytes of a data set to DCMTK. */
mrc_status mrc_dcmtk_parse(DcmDataset &out, const unsigned char *bytes, size_t size,
                           E_TransferSyntax syntax, const char *name, mrc_error *err);

/* A new file as bytes (mrc_free), with room behind them for `more_bytes` that are not counted in
 * *size: pixels that another file holds already encoded. */
mrc_status mrc_dcmtk_encode_before(unsigned char **out, size_t *size, mrc_dcmtk_file &file,
                                   E_TransferSyntax syntax, size_t more_bytes, mrc_error *err);

#endif
