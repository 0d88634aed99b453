// scu.hpp: an association that we open, for those who store and those who ask.
#ifndef MRC_IO_NET_SCU_HPP
#define MRC_IO_NET_SCU_HPP

#include "io/net/tls.hpp"

#include <dcmtk/dcmnet/scu.h>

struct mrc_net_scu : DcmSCU {
    using DcmSCU::useSecureConnection;
    Uint16 number = 0; // of the last message

    /* DcmSCU's own requests take the answer to any message for theirs. */
    OFCondition ask(T_DIMSE_Message &answer, T_ASC_PresentationContextID context,
                    T_DIMSE_Message &request, DcmDataset *dataset) {
        DcmDataset *detail = nullptr;
        OFCondition done = sendDIMSEMessage(context, &request, dataset);
        if (done.good()) done = receiveDIMSECommand(&context, &answer, &detail);
        delete detail;
        return done;
    }
};

struct mrc_net_association {
    std::unique_ptr<DcmTLSTransportLayer> tls; // these outlive the SCU that knows them
    std::unique_ptr<DcmTransportLayer> layer;
    mrc_net_scu scu;
    std::string name; // "AET@host:port"
};

/* Who speaks to whom, and how long at most; contexts are proposed after it. */
void mrc_net_prepare(mrc_net_association &a, const mrc_net_peer &peer);
/* Connects and negotiates. */
mrc_status mrc_net_negotiate(mrc_net_association &a, const mrc_net_peer &peer, mrc_error *err);
/* What DcmSCU keeps to itself. */
T_ASC_Association *mrc_net_raw(mrc_net_association &a);

#endif
