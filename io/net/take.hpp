// take.hpp: an object that a peer sends becomes a file, byte by byte as it was sent; of an
// association that the peer has opened, or of one that it answers a C-GET in.
#ifndef MRC_IO_NET_TAKE_HPP
#define MRC_IO_NET_TAKE_HPP

#include "io/net/tls.hpp"

/* What is taken: MR images. */
extern const char *const mrc_net_mr_classes[];
extern const int mrc_net_mr_class_count;
/* In the order in which they are preferred; what io/dcmtk decodes, but not Deflated. */
extern const char *const mrc_net_syntaxes[];
extern const int mrc_net_syntax_count;

struct mrc_net_taking {
    const mrc_net_receiver &receiver;
    uint64_t max_object_bytes;
    int dimse_s;
};
/* Takes the object of a C-STORE request, and answers. */
OFCondition mrc_net_take_object(bool &stored, T_ASC_Association *association,
                                const mrc_net_taking &taking, const T_DIMSE_C_StoreRQ &request,
                                T_ASC_PresentationContextID id);

#endif
