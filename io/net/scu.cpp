// scu.cpp: echo and store towards a peer, over DcmSCU.
#include "io/net/scu.hpp"

#include <cstdlib>
#include <cstring>

#include "io/dcmtk/handle.hpp"
#include "io/net/pdv.hpp"

/* DcmSCU keeps to itself why a peer rejected, and that decides whether to ask again. A member's
 * address may be named in an explicit instantiation, be it private or not. */
T_ASC_Parameters *parameters_of(const DcmSCU &scu);
T_ASC_Association *association_of(const DcmSCU &scu);
template <T_ASC_Association *DcmSCU::*member> struct reach_association {
    friend T_ASC_Association *association_of(const DcmSCU &scu) { return scu.*member; }
};
template struct reach_association<&DcmSCU::m_assoc>;
template <T_ASC_Parameters *DcmSCU::*member> struct reach {
    friend T_ASC_Parameters *parameters_of(const DcmSCU &scu) { return scu.*member; }
};
template struct reach<&DcmSCU::m_params>;

namespace {

constexpr Uint32 max_pdu_bytes = 65536;
constexpr size_t most_contexts = 127; // with Verification 128

/* Deflated counts as uncompressed: it is inflated and sent as little endian, for DCMTK 3.6.7 never
 * ends to send it (docs/network.md). */
bool is_native(const char *syntax) {
    const DcmXfer xfer(syntax);
    return xfer.getXfer() != EXS_Unknown && !xfer.isEncapsulated();
}

/* "" for all that is sent as little endian. */
const char *own_syntax(const mrc_net_need &need) {
    return is_native(need.transfer_syntax) ? "" : need.transfer_syntax;
}

mrc_status propose(DcmSCU &scu, const char *sop_class, const char *syntax) {
    OFList<OFString> syntaxes;
    if (syntax[0] != '\0') {
        syntaxes.push_back(syntax);
    } else {
        syntaxes.push_back(UID_LittleEndianExplicitTransferSyntax);
        syntaxes.push_back(UID_LittleEndianImplicitTransferSyntax);
    }
    return scu.addPresentationContext(sop_class, syntaxes).good() ? MRC_OK : MRC_ERR_NETWORK;
}

mrc_status propose_all(DcmSCU &scu, const mrc_net_need *needs, size_t count, mrc_error *err) {
    std::vector<std::string> proposed;
    mrc_status status =
        propose(scu, UID_VerificationSOPClass, UID_LittleEndianImplicitTransferSyntax);
    for (size_t i = 0; status == MRC_OK && i < count; ++i) {
        const char *syntax = own_syntax(needs[i]);
        const std::string both = std::string(needs[i].sop_class) + "\\" + syntax;
        bool known = false;
        for (const std::string &other : proposed) known = known || other == both;
        if (known) continue;
        if (proposed.size() == most_contexts)
            return mrc_fail(err, MRC_ERR_RANGE, "more than %zu kinds of object for one association",
                            most_contexts);
        proposed.push_back(both);
        status = propose(scu, needs[i].sop_class, syntax);
    }
    if (status != MRC_OK) return mrc_fail(err, status, "a presentation context cannot be proposed");
    return MRC_OK;
}

/* A peer that says no for good need not be asked again. */
mrc_status fail_association(const mrc_net_association &a, const OFCondition &why, mrc_error *err) {
    std::string words = mrc_net_words(why.text());
    bool for_good = why == NET_EC_NoAcceptablePresentationContexts;
    T_ASC_RejectParameters rejection{};
    if (why == DUL_ASSOCIATIONREJECTED &&
        ASC_getRejectParameters(parameters_of(a.scu), &rejection).good()) {
        OFString text;
        words = mrc_net_words(ASC_printRejectParameters(text, &rejection).c_str());
        for_good = rejection.result == ASC_RESULT_REJECTEDPERMANENT;
    }
    return mrc_fail(err, for_good ? MRC_ERR_PEER : MRC_ERR_NETWORK, "%s: no association: %s",
                    a.name.c_str(), words.c_str());
}

} // namespace

T_ASC_Association *mrc_net_raw(mrc_net_association &a) {
    return association_of(a.scu);
}

void mrc_net_prepare(mrc_net_association &a, const mrc_net_peer &peer) {
    mrc_net_scu &scu = a.scu;
    a.name = std::string(peer.called) + "@" + peer.host + ":" + std::to_string(peer.port);
    scu.setAETitle(peer.calling);
    scu.setPeerAETitle(peer.called);
    scu.setPeerHostName(peer.host);
    scu.setPeerPort(static_cast<Uint16>(peer.port));
    scu.setConnectionTimeout(peer.connect_s);
    scu.setACSETimeout(static_cast<Uint32>(peer.acse_s));
    scu.setDIMSEBlockingMode(DIMSE_NONBLOCKING);
    scu.setDIMSETimeout(static_cast<Uint32>(peer.dimse_s));
    scu.setMaxReceivePDULength(max_pdu_bytes);
    dcmSocketSendTimeout.set(peer.dimse_s);
    dcmSocketReceiveTimeout.set(peer.dimse_s);
    // DCMTK's own way to be told; else each image waits twice for a delayed acknowledgement
    (void)setenv("TCP_NODELAY", "1", 0);
}

mrc_status mrc_net_negotiate(mrc_net_association &a, const mrc_net_peer &peer, mrc_error *err) {
    mrc_net_scu &scu = a.scu;
    const mrc_status status = mrc_net_make_tls(a.tls, peer.tls, false, err);
    if (status != MRC_OK) return status;
    OFCondition done = scu.initNetwork();
    a.layer = mrc_net_cut_pdus(a.tls.get());
    if (done.good()) done = scu.useSecureConnection(a.layer.get()); // where there is no TLS, plain
    if (done.good()) done = scu.negotiateAssociation();
    return done.good() ? MRC_OK : fail_association(a, done, err);
}

namespace {

mrc_status connect(mrc_net_association &a, const mrc_net_peer &peer, const mrc_net_need *needs,
                   size_t count, mrc_error *err) {
    mrc_net_prepare(a, peer);
    const mrc_status status = propose_all(a.scu, needs, count, err);
    return status == MRC_OK ? mrc_net_negotiate(a, peer, err) : status;
}

/* The context in which a data set of this class and syntax may be sent, and as what; 0: none. */
T_ASC_PresentationContextID choose(DcmSCU &scu, const char *sop_class, const char *syntax,
                                   E_TransferSyntax &as) {
    if (!is_native(syntax)) {
        as = DcmXfer(syntax).getXfer();
        return scu.findPresentationContextID(sop_class, syntax);
    }
    as = EXS_LittleEndianExplicit;
    T_ASC_PresentationContextID id =
        scu.findPresentationContextID(sop_class, UID_LittleEndianExplicitTransferSyntax);
    if (id != 0) return id;
    as = EXS_LittleEndianImplicit;
    return scu.findPresentationContextID(sop_class, UID_LittleEndianImplicitTransferSyntax);
}

mrc_status store(uint16_t *answer, mrc_net_association &a, const char *path, mrc_error *err) {
    mrc_net_need need;
    char instance[MRC_NET_UID_TEXT];
    const mrc_status status = mrc_net_describe(&need, instance, path, err);
    if (status != MRC_OK) return status;
    E_TransferSyntax as = EXS_Unknown;
    const T_ASC_PresentationContextID context =
        choose(a.scu, need.sop_class, need.transfer_syntax, as);
    if (context == 0) {
        *answer = STATUS_STORE_Refused_SOPClassNotSupported;
        return MRC_OK;
    }
    DcmFileFormat file;
    if (file.loadFile(path).bad() || file.getDataset()->chooseRepresentation(as, nullptr).bad())
        return mrc_fail(err, MRC_ERR_FORMAT, "%s: cannot be read whole", path);
    T_DIMSE_Message message{}, answered{};
    message.CommandField = DIMSE_C_STORE_RQ;
    T_DIMSE_C_StoreRQ &request = message.msg.CStoreRQ;
    request.MessageID = ++a.scu.number;
    OFStandard::strlcpy(request.AffectedSOPClassUID, need.sop_class,
                        sizeof request.AffectedSOPClassUID);
    OFStandard::strlcpy(request.AffectedSOPInstanceUID, instance,
                        sizeof request.AffectedSOPInstanceUID);
    request.DataSetType = DIMSE_DATASET_PRESENT;
    request.Priority = DIMSE_PRIORITY_MEDIUM;
    OFCondition done = a.scu.ask(answered, context, message, file.getDataset());
    const T_DIMSE_C_StoreRSP &response = answered.msg.CStoreRSP;
    if (done.good() && (answered.CommandField != DIMSE_C_STORE_RSP ||
                        response.MessageIDBeingRespondedTo != request.MessageID))
        done = DIMSE_BADMESSAGE;
    if (done.bad())
        return mrc_fail(err, MRC_ERR_NETWORK, "%s: the association broke: %s", a.name.c_str(),
                        mrc_net_words(done.text()).c_str());
    *answer = response.DimseStatus;
    return MRC_OK;
}

mrc_status echo(mrc_net_association &a, mrc_error *err) {
    const T_ASC_PresentationContextID context = a.scu.findPresentationContextID(
        UID_VerificationSOPClass, UID_LittleEndianImplicitTransferSyntax);
    if (context == 0)
        return mrc_fail(err, MRC_ERR_PEER, "%s: no echo: it does not accept Verification",
                        a.name.c_str());
    T_DIMSE_Message message{}, answered{};
    message.CommandField = DIMSE_C_ECHO_RQ;
    T_DIMSE_C_EchoRQ &request = message.msg.CEchoRQ;
    request.MessageID = ++a.scu.number;
    request.DataSetType = DIMSE_DATASET_NULL;
    OFStandard::strlcpy(request.AffectedSOPClassUID, UID_VerificationSOPClass,
                        sizeof request.AffectedSOPClassUID);
    OFCondition done = a.scu.ask(answered, context, message, nullptr);
    const T_DIMSE_C_EchoRSP &response = answered.msg.CEchoRSP;
    if (done.good() && (answered.CommandField != DIMSE_C_ECHO_RSP ||
                        response.MessageIDBeingRespondedTo != request.MessageID))
        done = DIMSE_BADMESSAGE;
    if (done.bad())
        return mrc_fail(err, MRC_ERR_NETWORK, "%s: no echo: %s", a.name.c_str(),
                        mrc_net_words(done.text()).c_str());
    if (response.DimseStatus == STATUS_Success) return MRC_OK;
    return mrc_fail(err, MRC_ERR_PEER, "%s: echo answered with status %04X", a.name.c_str(),
                    static_cast<unsigned>(response.DimseStatus));
}

} // namespace

extern "C" {

mrc_status mrc_net_describe(mrc_net_need *need, char instance[MRC_NET_UID_TEXT], const char *path,
                            mrc_error *err) {
    mrc_dcmtk_file *file = nullptr;
    const mrc_status status = mrc_dcmtk_open(&file, path, err);
    if (status != MRC_OK) return status;
    mrc_dcmtk_item *root = mrc_dcmtk_root(file);
    const bool known =
        mrc_dcmtk_text(need->sop_class, sizeof need->sop_class, root, MRC_TAG(0x0008, 0x0016), 0) &&
        mrc_dcmtk_text(instance, MRC_NET_UID_TEXT, root, MRC_TAG(0x0008, 0x0018), 0);
    const char *syntax = mrc_dcmtk_transfer_syntax(file);
    std::strncpy(need->transfer_syntax, syntax, sizeof need->transfer_syntax - 1);
    need->transfer_syntax[sizeof need->transfer_syntax - 1] = '\0';
    mrc_dcmtk_close(file);
    return known ? MRC_OK
                 : mrc_fail(err, MRC_ERR_UNSUPPORTED,
                            "%s: has no SOP class or instance, expected an object to store", path);
}

mrc_status mrc_net_connect(mrc_net_association **out, const mrc_net_peer *peer,
                           const mrc_net_need *needs, size_t count, mrc_error *err) {
    *out = nullptr;
    return guarded(peer->host, err, [&] {
        mrc_status status = mrc_dcmtk_start(err);
        if (status != MRC_OK) return status;
        auto association = std::make_unique<mrc_net_association>();
        status = connect(*association, *peer, needs, count, err);
        if (status == MRC_OK) *out = association.release();
        return status;
    });
}

void mrc_net_disconnect(mrc_net_association *association) {
    if (association == nullptr) return;
    (void)guarded_value(0, [&] {
        if (association->scu.isConnected()) (void)association->scu.releaseAssociation();
        return 0;
    });
    delete association;
}

mrc_status mrc_net_echo(mrc_net_association *association, mrc_error *err) {
    return guarded(association->name.c_str(), err, [&] { return echo(*association, err); });
}

mrc_status mrc_net_store(uint16_t *status, mrc_net_association *association, const char *path,
                         mrc_error *err) {
    *status = 0;
    return guarded(path, err, [&] { return store(status, *association, path, err); });
}

} // extern "C"
