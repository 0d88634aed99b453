/* peer.c: who is spoken to, from text; and what the answers mean. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/net/net.h"

enum mrc_status mrc_net_parse_aet(char out[MRC_AET_TEXT], const char *text, struct mrc_error *err) {
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ') --length;
    while (length > 0 && *text == ' ') ++text, --length;
    if (length == 0 || length >= MRC_AET_TEXT)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "AE title of %zu characters, expected 1 to 16 besides spaces", length);
    for (size_t i = 0; i < length; ++i)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '\\')
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "AE title with a character other than printable ASCII");
    snprintf(out, MRC_AET_TEXT, "%.*s", (int)length, text);
    return MRC_OK;
}

enum mrc_status mrc_net_parse_peer(struct mrc_net_peer *peer, const char *text,
                                   struct mrc_error *err) {
    const char *at = strrchr(text, '@'), *colon = at != NULL ? strrchr(at, ':') : NULL;
    char aet[64];
    int64_t port = 0;
    size_t host = colon != NULL ? (size_t)(colon - at) - 1 : 0;
    if (colon == NULL || host == 0 || host >= MRC_HOST_TEXT || strcspn(at + 1, " /") < host ||
        (size_t)(at - text) >= sizeof aet || mrc_parse_i64(&port, colon + 1, 1, 65535) != MRC_OK)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "'%.80s', expected AET@host:port", text);
    snprintf(aet, sizeof aet, "%.*s", (int)(at - text), text);
    enum mrc_status status = mrc_net_parse_aet(peer->called, aet, err);
    if (status != MRC_OK) return status;
    snprintf(peer->host, sizeof peer->host, "%.*s", (int)host, at + 1);
    peer->port = (int)port;
    return MRC_OK;
}

enum mrc_net_outcome mrc_net_outcome_of(uint16_t status) {
    if (status == MRC_NET_SUCCESS) return MRC_NET_STORED;
    if (status >> 12 == 0xB || status == 0x0001 || status == 0x0111) return MRC_NET_STORED_WARNING;
    if (status >> 8 == 0xA7 || status == 0x0110 || status == 0x0213) return MRC_NET_RETRY;
    return MRC_NET_REFUSED;
}
