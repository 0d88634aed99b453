/* listen.c: the port that peers knock at, and who may. IPv4, as DCMTK 3.6.7 expects of a socket
 * that it is given. */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "io/net/net.h"

enum { BACKLOG = 64 };

static enum mrc_status resolve(struct in_addr *out, const char *host, struct mrc_error *err) {
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);
    if (failed != 0)
        return mrc_fail(err, MRC_ERR_NETWORK, "%s: %s, expected an IPv4 address or a host's name",
                        host, gai_strerror(failed));
    struct sockaddr_in address;
    memcpy(&address, found->ai_addr, sizeof address);
    *out = address.sin_addr;
    freeaddrinfo(found);
    return MRC_OK;
}

enum mrc_status mrc_net_listen(int *out, const char *host, int port, struct mrc_error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int yes = 1;
    enum mrc_status status = resolve(&address.sin_addr, host, err);
    if (status != MRC_OK) return status;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, BACKLOG) == 0) {
        *out = listener;
        return MRC_OK;
    }
    int cause = errno;
    if (listener >= 0) (void)close(listener);
    return mrc_fail(err, MRC_ERR_NETWORK, "%s:%d: %s, expected to listen there", host, port,
                    strerror(cause));
}

bool mrc_net_next(int *out, char host[MRC_HOST_TEXT], int listener) {
    const int yes = 1;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int found = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    if (found < 0) return false;
    host[0] = '\0';
    (void)inet_ntop(AF_INET, &peer.sin_addr, host, MRC_HOST_TEXT);
    (void)setsockopt(found, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    /* a command and its data set are several writes: none waits for a delayed acknowledgement */
    (void)setsockopt(found, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    *out = found;
    return true;
}

enum mrc_status mrc_net_parse_rule(struct mrc_net_rule *rule, const char *text,
                                   struct mrc_error *err) {
    char title[64], host[MRC_HOST_TEXT];
    int64_t bits = 32;
    const char *at = strrchr(text, '@');
    const char *slash = at != NULL ? strchr(at, '/') : NULL;
    size_t title_size = at != NULL ? (size_t)(at - text) : 0;
    size_t host_size = slash != NULL ? (size_t)(slash - at) - 1 : at != NULL ? strlen(at + 1) : 0;
    if (title_size == 0 || title_size >= sizeof title || host_size == 0 ||
        host_size >= sizeof host ||
        (slash != NULL && mrc_parse_i64(&bits, slash + 1, 0, 32) != MRC_OK))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "'%.80s', expected AET@host or AET@address/bits, either may be *", text);
    snprintf(title, sizeof title, "%.*s", (int)title_size, text);
    snprintf(host, sizeof host, "%.*s", (int)host_size, at + 1);
    *rule = (struct mrc_net_rule){0};
    if (strcmp(title, "*") != 0) {
        enum mrc_status status = mrc_net_parse_aet(rule->calling, title, err);
        if (status != MRC_OK) return status;
    }
    if (strcmp(host, "*") == 0) return MRC_OK;
    struct in_addr address = {0};
    enum mrc_status status = resolve(&address, host, err);
    if (status != MRC_OK) return status;
    rule->mask = bits == 0 ? 0 : (uint32_t)(0xffffffffu << (32 - bits));
    rule->address = ntohl(address.s_addr) & rule->mask;
    return MRC_OK;
}

bool mrc_net_rule_fits(const struct mrc_net_rule *rule, const char *calling, const char *host) {
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) != 1) return false;
    if ((ntohl(address.s_addr) & rule->mask) != rule->address) return false;
    return calling == NULL || rule->calling[0] == '\0' || strcmp(rule->calling, calling) == 0;
}
