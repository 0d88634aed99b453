// tls.hpp: what the C++ files of this folder share.
#ifndef MRC_IO_NET_TLS_HPP
#define MRC_IO_NET_TLS_HPP

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmnet/dcmtrans.h>
#include <dcmtk/dcmnet/dimse.h>
#include <dcmtk/dcmtls/tlslayer.h>

#include <memory>
#include <string>

#include "io/net/net.h"

/* The transport layer for these files, or none where they do not ask for TLS. */
mrc_status mrc_net_make_tls(std::unique_ptr<DcmTLSTransportLayer> &out, const mrc_net_tls &tls,
                            bool server, mrc_error *err);

/* DCMTK's words on one line, in printable ASCII. */
std::string mrc_net_words(const char *text);

#endif
