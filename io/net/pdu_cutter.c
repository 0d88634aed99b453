/* pdu_cutter.c: see pdu_cutter.h. */
#include "io/net/pdu_cutter.h"

#include <string.h>

enum { DATA_TF = 4, LEAST_VALUE = 2 }; /* a value begins with its context and its control byte */

static uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_u32(unsigned char *p, uint32_t value) {
    for (int b = 0; b < 4; ++b) p[b] = (unsigned char)(value >> (24 - 8 * b));
}

size_t mrc_pdu_cutter_wants(const struct mrc_pdu_cutter *c) {
    if (c->broken || c->head_at < c->head_size || c->passing > 0) return 0;
    return c->data_left > 0 ? MRC_PDV_HEAD : MRC_PDU_HEAD;
}

/* A PDU of another kind, and one of no length, goes through as it is. */
static void begin_pdu(struct mrc_pdu_cutter *c, const unsigned char *bytes) {
    uint32_t length = read_u32(bytes + 2);
    if (bytes[0] == DATA_TF && length > 0) {
        c->data_left = length;
        return;
    }
    memcpy(c->head, bytes, MRC_PDU_HEAD);
    c->head_size = MRC_PDU_HEAD;
    c->passing = length;
}

/* A value becomes a PDU of its own. */
static void begin_value(struct mrc_pdu_cutter *c, const unsigned char *bytes) {
    uint64_t length = read_u32(bytes);
    if (length < LEAST_VALUE || length + MRC_PDV_HEAD > c->data_left) {
        c->broken = true;
        return;
    }
    c->data_left -= length + MRC_PDV_HEAD;
    if (c->data_left > 0 && c->data_left < MRC_PDV_HEAD + LEAST_VALUE) c->broken = true;
    c->head[0] = DATA_TF;
    c->head[1] = 0;
    write_u32(c->head + 2, (uint32_t)length + MRC_PDV_HEAD);
    memcpy(c->head + MRC_PDU_HEAD, bytes, MRC_PDV_HEAD);
    c->head_size = MRC_PDU_HEAD + MRC_PDV_HEAD;
    c->passing = length;
}

void mrc_pdu_cutter_head(struct mrc_pdu_cutter *c, const unsigned char *bytes) {
    c->head_size = c->head_at = 0;
    if (c->data_left > 0)
        begin_value(c, bytes);
    else
        begin_pdu(c, bytes);
}
