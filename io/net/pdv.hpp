/* pdv.hpp: a transport layer that hands DCMTK one presentation data value (PDV) a PDU.
 * Why: a P-DATA-TF PDU may hold several PDVs of any length (PS3.8 9.3.5.1); DCMTK 3.6.7 takes the
 * length of the first for all that follow, and crashes or reads beyond its buffer. The PDUs of a
 * peer are cut anew as they are read; what is sent is not touched. */
#ifndef MRC_IO_NET_PDV_HPP
#define MRC_IO_NET_PDV_HPP

#include <memory>

#include <dcmtk/dcmnet/dcmlayer.h>

#include "io/dcmtk/handle.hpp"

/* Connections are those of `inner`, which stays the caller's and outlives the layer; null: plain
 * ones. Give it to ASC_setTransportLayer or DcmSCU::useSecureConnection, also where there is no TLS,
 * and say then that connections are secure: so it is asked for them. */
std::unique_ptr<DcmTransportLayer> mrc_net_cut_pdus(DcmTransportLayer *inner);

#endif
