/* pdu_cutter.h: the PDUs of a peer as a stream of bytes, in which every P-DATA-TF PDU holds one
 * presentation data value (PS3.8 9.3.1, 9.3.5). Private to the package net. */
#ifndef MRC_IO_NET_PDU_CUTTER_H
#define MRC_IO_NET_PDU_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_PDU_HEAD = 6, MRC_PDV_HEAD = 4 };

/** Starts zeroed: at the beginning of a PDU. */
struct mrc_pdu_cutter {
    unsigned char
        head[MRC_PDU_HEAD + MRC_PDV_HEAD]; /* what is passed on before the bytes that follow */
    size_t head_size, head_at;
    uint64_t passing;   /* bytes that follow, passed on as they come */
    uint64_t data_left; /* of a P-DATA-TF PDU: bytes of the values that come after those */
    bool broken;        /* lengths that contradict each other: nothing more can be understood */
};
/** How many bytes of the peer are to be given to mrc_pdu_cutter_head next: the head of a PDU (6) or
 * of a value (4); 0: a head or bytes of a value are to be passed on first. */
size_t mrc_pdu_cutter_wants(const struct mrc_pdu_cutter *cutter);
/** Takes them: what is to be passed on stands in `head`, and `passing` says how much follows. */
void mrc_pdu_cutter_head(struct mrc_pdu_cutter *cutter, const unsigned char *bytes);

#ifdef __cplusplus
}
#endif
#endif
