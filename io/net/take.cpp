// take.cpp: see the header.
#include "io/net/take.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <dcmtk/dcmdata/dcostrma.h>
#include <dcmtk/dcmdata/dcostrmb.h>

#include "io/dcmtk/handle.hpp"

const char *const mrc_net_mr_classes[] = {UID_MRImageStorage, UID_EnhancedMRImageStorage,
                                          UID_LegacyConvertedEnhancedMRImageStorage};
/* In the order in which they are preferred; what io/dcmtk decodes, but not Deflated. */
const char *const mrc_net_syntaxes[] = {
    UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax,
    UID_BigEndianExplicitTransferSyntax,    UID_JPEGProcess14SV1TransferSyntax,
    UID_JPEGProcess14TransferSyntax,        UID_JPEGLSLosslessTransferSyntax,
    UID_JPEG2000LosslessOnlyTransferSyntax, UID_RLELosslessTransferSyntax,
    UID_JPEGLSLossyTransferSyntax,          UID_JPEG2000TransferSyntax,
    UID_JPEGProcess2_4TransferSyntax,       UID_JPEGProcess1TransferSyntax};
const int mrc_net_mr_class_count = sizeof mrc_net_mr_classes / sizeof *mrc_net_mr_classes;
const int mrc_net_syntax_count = sizeof mrc_net_syntaxes / sizeof *mrc_net_syntaxes;

namespace {

/* --- The file an object goes into --- */

/* Takes all that it is given, also when the disk is full or the object too long: the peer's words
 * are read to their end, and what went wrong is said in the answer. */
class sink : public DcmConsumer {
  public:
    sink(int descriptor, uint64_t most) : descriptor_(descriptor), left_(most) {}
    OFBool good() const override { return OFTrue; }
    OFCondition status() const override { return EC_Normal; }
    OFBool isFlushed() const override { return OFTrue; }
    offile_off_t avail() const override { return offile_off_t{1} << 30; }
    void flush() override {}
    offile_off_t write(const void *bytes, offile_off_t count) override {
        write_all(static_cast<const char *>(bytes), static_cast<uint64_t>(count));
        return count;
    }
    bool failed() const { return failed_; }
    bool too_long() const { return too_long_; }

  private:
    void write_all(const char *at, uint64_t count) {
        if (count > left_) too_long_ = true;
        while (count > 0 && !failed_ && !too_long_) {
            const ssize_t done = ::write(descriptor_, at, count);
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) {
                failed_ = true;
                return;
            }
            at += done;
            count -= static_cast<uint64_t>(done);
            left_ -= static_cast<uint64_t>(done);
        }
    }
    int descriptor_;
    uint64_t left_;
    bool failed_ = false, too_long_ = false;
};

class sink_stream : public DcmOutputStream {
  public:
    explicit sink_stream(DcmConsumer *end) : DcmOutputStream(end) {}
};

/* Preamble and group 2. */
void write_meta(sink &out, const T_DIMSE_C_StoreRQ &request, const char *syntax) {
    char room[2048] = {0};
    DcmMetaInfo meta;
    meta.putAndInsertUint16(DCM_FileMetaInformationGroupLength, 0);
    const Uint8 version[2] = {0, 1};
    meta.putAndInsertUint8Array(DCM_FileMetaInformationVersion, version, 2);
    meta.putAndInsertString(DCM_MediaStorageSOPClassUID, request.AffectedSOPClassUID);
    meta.putAndInsertString(DCM_MediaStorageSOPInstanceUID, request.AffectedSOPInstanceUID);
    meta.putAndInsertString(DCM_TransferSyntaxUID, syntax);
    meta.putAndInsertString(DCM_ImplementationClassUID, OFFIS_IMPLEMENTATION_CLASS_UID);
    meta.computeGroupLengthAndPadding(EGL_withGL, EPD_noChange, EXS_LittleEndianExplicit,
                                      EET_ExplicitLength);
    DcmOutputBufferStream buffer(room, sizeof room);
    meta.transferInit();
    (void)meta.write(buffer, EXS_LittleEndianExplicit, EET_ExplicitLength, nullptr);
    meta.transferEnd();
    void *bytes = nullptr;
    offile_off_t count = 0;
    buffer.flushBuffer(bytes, count);
    (void)out.write(bytes, count);
}

/* --- One object --- */

OFCondition skip_dataset(T_ASC_Association *association, const mrc_net_taking &taking) {
    DIC_UL bytes = 0, pdvs = 0;
    return DIMSE_ignoreDataSet(association, DIMSE_NONBLOCKING, taking.dimse_s, &bytes, &pdvs);
}

/* Reads the data set into the file; *answer is what went wrong with the file, or success. */
OFCondition receive_file(uint16_t &answer, T_ASC_Association *association,
                         const mrc_net_taking &taking, const T_DIMSE_C_StoreRQ &request,
                         T_ASC_PresentationContextID id, const char *syntax, const char *path) {
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        answer = MRC_NET_NO_RESOURCES;
        return skip_dataset(association, taking);
    }
    sink out(file, taking.max_object_bytes);
    write_meta(out, request, syntax);
    sink_stream stream(&out);
    OFCondition done = DIMSE_receiveDataSetInFile(association, DIMSE_NONBLOCKING, taking.dimse_s,
                                                  &id, &stream, nullptr, nullptr);
    answer = MRC_NET_SUCCESS;
    if (out.too_long()) answer = MRC_NET_NOT_UNDERSTOOD;
    if (out.failed()) answer = MRC_NET_NO_RESOURCES;
    const bool synced = done.bad() || answer != MRC_NET_SUCCESS || fsync(file) == 0;
    if (close(file) != 0 || !synced) answer = MRC_NET_NO_RESOURCES;
    if (done.bad() || answer != MRC_NET_SUCCESS) (void)unlink(path);
    return done;
}

} // namespace

OFCondition mrc_net_take_object(bool &stored, T_ASC_Association *association,
                                const mrc_net_taking &taking, const T_DIMSE_C_StoreRQ &request,
                                T_ASC_PresentationContextID id) {
    const mrc_net_receiver &receiver = taking.receiver;
    const mrc_net_object object = {request.AffectedSOPClassUID, request.AffectedSOPInstanceUID};
    T_ASC_PresentationContext context;
    OFCondition done = ASC_findAcceptedPresentationContext(association->params, id, &context);
    if (done.bad() || request.DataSetType == DIMSE_DATASET_NULL) return DIMSE_BADMESSAGE;
    uint16_t answer = MRC_NET_SUCCESS;
    const char *path = nullptr;
    if (std::strcmp(context.abstractSyntax, request.AffectedSOPClassUID) != 0)
        answer = MRC_NET_NOT_OF_CLASS;
    else
        answer = receiver.begin(receiver.context, &object, &path);
    if (answer != MRC_NET_SUCCESS)
        done = skip_dataset(association, taking);
    else
        done = receive_file(answer, association, taking, request, id,
                            context.acceptedTransferSyntax, path);
    if (done.bad()) return done;
    if (answer == MRC_NET_SUCCESS)
        answer = receiver.end(receiver.context, &object, path);
    else
        receiver.refuse(receiver.context, answer);
    stored = answer == MRC_NET_SUCCESS;
    T_DIMSE_C_StoreRSP response{};
    response.MessageIDBeingRespondedTo = request.MessageID;
    std::snprintf(response.AffectedSOPClassUID, sizeof response.AffectedSOPClassUID, "%s",
                  request.AffectedSOPClassUID);
    std::snprintf(response.AffectedSOPInstanceUID, sizeof response.AffectedSOPInstanceUID, "%s",
                  request.AffectedSOPInstanceUID);
    response.DataSetType = DIMSE_DATASET_NULL;
    response.DimseStatus = answer;
    response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
    return DIMSE_sendStoreResponse(association, id, &request, &response, nullptr);
}
