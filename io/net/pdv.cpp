// pdv.cpp: see pdv.hpp.
#include "io/net/pdv.hpp"

#include <algorithm>
#include <cstring>

#include <dcmtk/dcmnet/dcmtrans.h>

#include "io/net/pdu_cutter.h"

namespace {

/* A connection whose bytes are read through a cutter. */
class cut_connection : public DcmTransportConnection {
  public:
    cut_connection(DcmTransportConnection *inner, DcmNativeSocketType socket)
        : DcmTransportConnection(socket), inner_(inner) {}
    ssize_t read(void *buffer, size_t most) override;
    OFBool networkDataAvailable(int timeout) override {
        if (cutter_.head_at < cutter_.head_size) return OFTrue;
        return inner_->networkDataAvailable(timeout);
    }
    OFBool isTransparentConnection() override { return OFFalse; } // more may be in hand than waits

    OFCondition serverSideHandshake() override { return inner_->serverSideHandshake(); }
    OFCondition clientSideHandshake() override { return inner_->clientSideHandshake(); }
    OFCondition renegotiate(const char *suite) override { return inner_->renegotiate(suite); }
    ssize_t write(void *buffer, size_t count) override { return inner_->write(buffer, count); }
    void close() override { inner_->close(); }
    void closeTransportConnection() override { inner_->closeTransportConnection(); }
    unsigned long getPeerCertificateLength() override { return inner_->getPeerCertificateLength(); }
    unsigned long getPeerCertificate(void *buffer, unsigned long most) override {
        return inner_->getPeerCertificate(buffer, most);
    }
    OFString &dumpConnectionParameters(OFString &text) override {
        return inner_->dumpConnectionParameters(text);
    }

  private:
    bool read_head(ssize_t &result);

    std::unique_ptr<DcmTransportConnection> inner_;
    mrc_pdu_cutter cutter_{};
    unsigned char gathered_[MRC_PDU_HEAD] = {0}; // of the head that is being read
    size_t gathered_size_ = 0;
};

/* Reads on until there is something to pass on; false: the connection is at its end, or says
 * nothing more (`result` is what DCMTK is told). */
bool cut_connection::read_head(ssize_t &result) {
    for (size_t wanted = mrc_pdu_cutter_wants(&cutter_); wanted > 0;
         wanted = mrc_pdu_cutter_wants(&cutter_)) {
        result = inner_->read(gathered_ + gathered_size_, wanted - gathered_size_);
        if (result <= 0) return false;
        gathered_size_ += static_cast<size_t>(result);
        if (gathered_size_ < wanted) continue;
        mrc_pdu_cutter_head(&cutter_, gathered_);
        gathered_size_ = 0;
    }
    result = 0; // as if the peer had gone: what it says cannot be understood any more
    return !cutter_.broken;
}

ssize_t cut_connection::read(void *buffer, size_t most) {
    ssize_t result = 0;
    if (most == 0) return 0;
    if (!read_head(result)) return result;
    if (cutter_.head_at < cutter_.head_size) {
        const size_t count = std::min(most, cutter_.head_size - cutter_.head_at);
        std::memcpy(buffer, cutter_.head + cutter_.head_at, count);
        cutter_.head_at += count;
        return static_cast<ssize_t>(count);
    }
    const auto count = static_cast<size_t>(std::min<uint64_t>(most, cutter_.passing));
    result = inner_->read(buffer, count);
    if (result > 0) cutter_.passing -= static_cast<uint64_t>(result);
    return result;
}

class cut_layer : public DcmTransportLayer {
  public:
    explicit cut_layer(DcmTransportLayer *inner) : inner_(inner) {}
    DcmTransportConnection *createConnection(DcmNativeSocketType socket, OFBool secure) override {
        DcmTransportConnection *connection = inner_ != nullptr
                                                 ? inner_->createConnection(socket, secure)
                                                 : new DcmTCPConnection(socket);
        return connection != nullptr ? new cut_connection(connection, socket) : nullptr;
    }

  private:
    DcmTransportLayer *inner_;
};

} // namespace

std::unique_ptr<DcmTransportLayer> mrc_net_cut_pdus(DcmTransportLayer *inner) {
    return std::make_unique<cut_layer>(inner);
}
