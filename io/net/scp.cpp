// scp.cpp: one association of a peer that stores here. DCMTK's own DcmSCP and its pool are not
// used: in 3.6.7 they do not reject a wrong called title, and one process would serve all peers.
#include "io/net/tls.hpp"

#include <cstdio>
#include <cstring>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/status.h"
#include "io/dcmtk/handle.hpp"
#include "io/net/guard.hpp"
#include "io/net/pdv.hpp"
#include "io/net/take.hpp"

namespace {

constexpr long max_pdu_bytes = 65536;

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
        params, verification, 1, const_cast<const char **>(mrc_net_syntaxes), 2);
    if (done.good())
        done = ASC_acceptContextsWithPreferredTransferSyntaxes(
            params, const_cast<const char **>(mrc_net_mr_classes), mrc_net_mr_class_count,
            const_cast<const char **>(mrc_net_syntaxes), mrc_net_syntax_count);
    if (done.good()) done = ASC_acknowledgeAssociation(s.association);
    return done.good() ? MRC_OK
                       : mrc_fail(err, MRC_ERR_NETWORK, "%s", mrc_net_words(done.text()).c_str());
}

OFCondition answer_store(session &s, const T_DIMSE_C_StoreRQ &request,
                         T_ASC_PresentationContextID id) {
    const mrc_net_taking taking{s.receiver, s.node.max_object_bytes, s.node.dimse_s};
    bool stored = false;
    const OFCondition done = mrc_net_take_object(stored, s.association, taking, request, id);
    if (stored) s.guard.stored();
    return done;
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
