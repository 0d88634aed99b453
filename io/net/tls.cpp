// tls.cpp: the transport layer over TLS, and DCMTK's conditions as words.
#include "io/net/tls.hpp"

#include "io/dcmtk/handle.hpp"

namespace {

mrc_status fail_file(const char *what, const char *path, const OFCondition &why, mrc_error *err) {
    return mrc_fail(err, MRC_ERR_IO, "%s: no usable PEM file with the %s: %s", path, what,
                    mrc_net_words(why.text()).c_str());
}

mrc_status load(DcmTLSTransportLayer &layer, const mrc_net_tls &tls, mrc_error *err) {
    if (tls.ca[0] != '\0') {
        const OFCondition done = layer.addTrustedCertificateFile(tls.ca, DCF_Filetype_PEM);
        if (done.bad()) return fail_file("trusted certificates", tls.ca, done, err);
    }
    if (tls.cert[0] != '\0') {
        layer.setPrivateKeyPasswd(""); // else OpenSSL asks the terminal
        OFCondition done = layer.setPrivateKeyFile(tls.key, DCF_Filetype_PEM);
        if (done.bad()) return fail_file("key, without a password", tls.key, done, err);
        done = layer.setCertificateFile(tls.cert, DCF_Filetype_PEM);
        if (done.bad()) return fail_file("certificate", tls.cert, done, err);
        if (!layer.checkPrivateKeyMatchesCertificate())
            return mrc_fail(err, MRC_ERR_FORMAT, "%s: is not the certificate of the key %s",
                            tls.cert, tls.key);
    }
    if (layer.setTLSProfile(TSP_Profile_BCP195_ND).bad() || layer.activateCipherSuites().bad())
        return mrc_fail(err, MRC_ERR_NETWORK, "TLS: the ciphers of BCP 195 are not available");
    return MRC_OK;
}

} // namespace

std::string mrc_net_words(const char *text) {
    std::string words;
    for (const char *c = text; *c != '\0'; ++c) {
        if (*c >= ' ' && *c <= '~')
            words += *c;
        else if (!words.empty() && words.back() != ' ')
            words += ' ';
    }
    return words;
}

mrc_status mrc_net_make_tls(std::unique_ptr<DcmTLSTransportLayer> &out, const mrc_net_tls &tls,
                            bool server, mrc_error *err) {
    const bool wanted = server ? tls.cert[0] != '\0' : tls.ca[0] != '\0';
    if (!wanted) return MRC_OK;
    auto layer = std::make_unique<DcmTLSTransportLayer>(server ? NET_ACCEPTOR : NET_REQUESTOR,
                                                        nullptr, OFTrue);
    const mrc_status status = load(*layer, tls, err);
    if (status != MRC_OK) return status;
    layer->setCertificateVerification(server && tls.ca[0] == '\0' ? DCV_ignoreCertificate
                                                                  : DCV_requireCertificate);
    out = std::move(layer);
    return MRC_OK;
}

extern "C" mrc_status mrc_net_check_tls(const mrc_net_tls *tls, bool server, mrc_error *err) {
    return guarded("TLS", err, [&] {
        const mrc_status status = mrc_dcmtk_start(err);
        std::unique_ptr<DcmTLSTransportLayer> layer;
        return status == MRC_OK ? mrc_net_make_tls(layer, *tls, server, err) : status;
    });
}
