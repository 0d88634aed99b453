// scp.cpp: one association of a peer that stores here. DCMTK's own DcmSCP and its pool are not
// used: in 3.6.7 they do not reject a wrong called title, and one process would serve all peers.
#include "io/net/tls.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <dcmtk/dcmdata/dcostrma.h>
#include <dcmtk/dcmdata/dcostrmb.h>

#include "base/status.h"
#include "io/dcmtk/handle.hpp"
#include "io/net/guard.hpp"
#include "io/net/pdv.hpp"

namespace {

constexpr long max_pdu_bytes = 65536;

const char *const mr_classes[] = {UID_MRImageStorage, UID_EnhancedMRImageStorage,
                                  UID_LegacyConvertedEnhancedMRImageStorage};
/* In the order in which they are preferred; what io/dcmtk decodes, but not Deflated. */
const char *const syntaxes[] = {
    UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax,
    UID_BigEndianExplicitTransferSyntax,    UID_JPEGProcess14SV1TransferSyntax,
    UID_JPEGProcess14TransferSyntax,        UID_JPEGLSLosslessTransferSyntax,
    UID_JPEG2000LosslessOnlyTransferSyntax, UID_RLELosslessTransferSyntax,
    UID_JPEGLSLossyTransferSyntax,          UID_JPEG2000TransferSyntax,
    UID_JPEGProcess2_4TransferSyntax,       UID_JPEGProcess1TransferSyntax};

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

/* --- One association --- */

struct session {
    const mrc_net_node &node;
    const mrc_net_receiver &receiver;
    mrc_net_guard &guard;
    T_ASC_Association *association = nullptr;
};

/* What the guard ended it for says more than what DCMTK then found. */
mrc_status fail_end(session &s, const char *what, const OFCondition &end, mrc_error *err) {
    const std::string why = s.guard.why();
    return mrc_fail(err, MRC_ERR_NETWORK, "%s: %s", what,
                    why.empty() ? mrc_net_words(end.text()).c_str() : why.c_str());
}

OFCondition reject(session &s, T_ASC_RejectParametersReason reason) {
    const T_ASC_RejectParameters why = {ASC_RESULT_REJECTEDPERMANENT, ASC_SOURCE_SERVICEUSER,
                                        reason};
    return ASC_rejectAssociation(s.association, &why);
}

/* As printable ASCII, for it is a stranger's word and goes into the log. */
std::string trimmed(const char *title) {
    std::string text(title, strnlen(title, 16));
    for (char &c : text)
        if (c < ' ' || c > '~') c = '?';
    const size_t begin = text.find_first_not_of(' ');
    const size_t end = text.find_last_not_of(' ');
    return begin == std::string::npos ? std::string() : text.substr(begin, end - begin + 1);
}

mrc_status negotiate(char calling[MRC_AET_TEXT], session &s, mrc_error *err) {
    char context[DUL_LEN_NAME + 1] = "";
    const DUL_ASSOCIATESERVICEPARAMETERS &said = s.association->params->DULparams;
    std::snprintf(calling, MRC_AET_TEXT, "%s", trimmed(said.callingAPTitle).c_str());
    const bool named =
        ASC_getApplicationContextName(s.association->params, context, sizeof context).good();
    // of a peer that went without a word DCMTK makes an association in which nothing was said
    if (!named || context[0] == '\0') {
        calling[0] = '\0';
        return mrc_fail(err, MRC_ERR_NETWORK, "no association: nothing was asked for");
    }
    if (std::strcmp(context, UID_StandardApplicationContext) != 0) {
        (void)reject(s, ASC_REASON_SU_APPCONTEXTNAMENOTSUPPORTED);
        return mrc_fail(err, MRC_ERR_PEER, "rejected: unknown application context");
    }
    if (trimmed(said.calledAPTitle) != s.node.aet) {
        (void)reject(s, ASC_REASON_SU_CALLEDAETITLENOTRECOGNIZED);
        return mrc_fail(err, MRC_ERR_PEER, "rejected: called another AE title than %s", s.node.aet);
    }
    if (!s.receiver.admit(s.receiver.context, calling)) {
        (void)reject(s, ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED);
        return mrc_fail(err, MRC_ERR_PEER, "rejected: calling AE title and host are not allowed");
    }
    T_ASC_Parameters *params = s.association->params;
    const char *verification[] = {UID_VerificationSOPClass};
    OFCondition done = ASC_acceptContextsWithPreferredTransferSyntaxes(
        params, verification, 1, const_cast<const char **>(syntaxes), 2);
    if (done.good())
        done = ASC_acceptContextsWithPreferredTransferSyntaxes(
            params, const_cast<const char **>(mr_classes), sizeof mr_classes / sizeof *mr_classes,
            const_cast<const char **>(syntaxes), sizeof syntaxes / sizeof *syntaxes);
    if (done.good()) done = ASC_acknowledgeAssociation(s.association);
    return done.good() ? MRC_OK
                       : mrc_fail(err, MRC_ERR_NETWORK, "%s", mrc_net_words(done.text()).c_str());
}

OFCondition skip_dataset(session &s) {
    DIC_UL bytes = 0, pdvs = 0;
    return DIMSE_ignoreDataSet(s.association, DIMSE_NONBLOCKING, s.node.dimse_s, &bytes, &pdvs);
}

/* Reads the data set into the file; *answer is what went wrong with the file, or success. */
OFCondition receive_file(uint16_t &answer, session &s, const T_DIMSE_C_StoreRQ &request,
                         T_ASC_PresentationContextID id, const char *syntax, const char *path) {
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        answer = MRC_NET_NO_RESOURCES;
        return skip_dataset(s);
    }
    sink out(file, s.node.max_object_bytes);
    write_meta(out, request, syntax);
    sink_stream stream(&out);
    OFCondition done = DIMSE_receiveDataSetInFile(s.association, DIMSE_NONBLOCKING, s.node.dimse_s,
                                                  &id, &stream, nullptr, nullptr);
    answer = MRC_NET_SUCCESS;
    if (out.too_long()) answer = MRC_NET_NOT_UNDERSTOOD;
    if (out.failed()) answer = MRC_NET_NO_RESOURCES;
    const bool synced = done.bad() || answer != MRC_NET_SUCCESS || fsync(file) == 0;
    if (close(file) != 0 || !synced) answer = MRC_NET_NO_RESOURCES;
    if (done.bad() || answer != MRC_NET_SUCCESS) (void)unlink(path);
    return done;
}

OFCondition answer_store(session &s, const T_DIMSE_C_StoreRQ &request,
                         T_ASC_PresentationContextID id) {
    const mrc_net_object object = {request.AffectedSOPClassUID, request.AffectedSOPInstanceUID};
    T_ASC_PresentationContext context;
    OFCondition done = ASC_findAcceptedPresentationContext(s.association->params, id, &context);
    if (done.bad() || request.DataSetType == DIMSE_DATASET_NULL) return DIMSE_BADMESSAGE;
    uint16_t answer = MRC_NET_SUCCESS;
    const char *path = nullptr;
    if (std::strcmp(context.abstractSyntax, request.AffectedSOPClassUID) != 0)
        answer = MRC_NET_NOT_OF_CLASS;
    else
        answer = s.receiver.begin(s.receiver.context, &object, &path);
    if (answer != MRC_NET_SUCCESS)
        done = skip_dataset(s);
    else
        done = receive_file(answer, s, request, id, context.acceptedTransferSyntax, path);
    if (done.bad()) return done;
    if (answer == MRC_NET_SUCCESS)
        answer = s.receiver.end(s.receiver.context, &object, path);
    else
        s.receiver.refuse(s.receiver.context, answer);
    if (answer == MRC_NET_SUCCESS) s.guard.stored();
    T_DIMSE_C_StoreRSP response{};
    response.MessageIDBeingRespondedTo = request.MessageID;
    std::snprintf(response.AffectedSOPClassUID, sizeof response.AffectedSOPClassUID, "%s",
                  request.AffectedSOPClassUID);
    std::snprintf(response.AffectedSOPInstanceUID, sizeof response.AffectedSOPInstanceUID, "%s",
                  request.AffectedSOPInstanceUID);
    response.DataSetType = DIMSE_DATASET_NULL;
    response.DimseStatus = answer;
    response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
    return DIMSE_sendStoreResponse(s.association, id, &request, &response, nullptr);
}

/* Commands until the association ends; how it ended. */
OFCondition answer_commands(session &s) {
    OFCondition done = EC_Normal;
    while (done.good()) {
        T_ASC_PresentationContextID id = 0;
        T_DIMSE_Message message{};
        DcmDataset *detail = nullptr;
        done = DIMSE_receiveCommand(s.association, DIMSE_NONBLOCKING, s.node.dimse_s, &id, &message,
                                    &detail);
        delete detail;
        if (done.bad()) break;
        if (message.CommandField == DIMSE_C_ECHO_RQ)
            done = DIMSE_sendEchoResponse(s.association, id, &message.msg.CEchoRQ, STATUS_Success,
                                          nullptr);
        else if (message.CommandField == DIMSE_C_STORE_RQ)
            done = answer_store(s, message.msg.CStoreRQ, id);
        else
            done = DIMSE_BADCOMMANDTYPE;
    }
    return done;
}

mrc_status converse(char calling[MRC_AET_TEXT], session &s, mrc_error *err) {
    const mrc_status status = negotiate(calling, s, err);
    if (status != MRC_OK) return status;
    s.guard.associated();
    const OFCondition end = answer_commands(s);
    if (end == DUL_PEERREQUESTEDRELEASE) {
        s.receiver.release(s.receiver.context);
        (void)ASC_acknowledgeRelease(s.association);
        return MRC_OK;
    }
    if (end != DUL_PEERABORTEDASSOCIATION) (void)ASC_abortAssociation(s.association);
    return fail_end(s, "broken off", end, err);
}

mrc_status accept_peer(char calling[MRC_AET_TEXT], int socket, session &s, mrc_error *err) {
    T_ASC_Network *network = nullptr;
    std::unique_ptr<DcmTLSTransportLayer> tls;
    mrc_status status = mrc_net_make_tls(tls, s.node.tls, true, err);
    if (status != MRC_OK) return status;
    dcmDisableGethostbyaddr.set(OFTrue); // no name server is waited for
    dcmExternalSocketHandle.set(socket);
    dcmSocketSendTimeout.set(s.node.dimse_s);
    dcmSocketReceiveTimeout.set(s.node.acse_s); // until there is an association
    OFCondition done = ASC_initializeNetwork(NET_ACCEPTOR, 0, s.node.acse_s, &network);
    const auto layer = mrc_net_cut_pdus(&s.guard.layer(tls.get())); // outlives the association
    if (done.good()) done = ASC_setTransportLayer(network, layer.get(), 0);
    if (done.good())
        done = ASC_receiveAssociation(network, &s.association, max_pdu_bytes, nullptr, nullptr,
                                      tls ? OFTrue : OFFalse, DUL_NOBLOCK, s.node.acse_s);
    const timeval patience{s.node.dimse_s, 0};
    (void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (done.good())
        status = converse(calling, s, err);
    else
        status = fail_end(s, "no association", done, err);
    if (s.association != nullptr) {
        (void)ASC_dropSCPAssociation(s.association, 1);
        (void)ASC_destroyAssociation(&s.association);
    }
    if (network != nullptr) (void)ASC_dropNetwork(&network);
    return status;
}

} // namespace

extern "C" mrc_status mrc_net_accept(char calling[MRC_AET_TEXT], int socket,
                                     const mrc_net_node *node, const mrc_net_receiver *receiver,
                                     mrc_error *err) {
    calling[0] = '\0';
    return guarded("association", err, [&] {
        const mrc_status status = mrc_dcmtk_start(err);
        mrc_net_guard guard(socket, *node);
        session s{*node, *receiver, guard};
        return status == MRC_OK ? accept_peer(calling, socket, s, err) : status;
    });
}
