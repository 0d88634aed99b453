/* status_port.c: see the header. */
#include "app/node/status_port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/net/net.h"

static const double patience_s = 2.0;

static double now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

enum mrc_status mrc_status_port_open(struct mrc_status_port *out, int port, struct mrc_error *err) {
    *out = (struct mrc_status_port){.listener = -1};
    return port != 0 ? mrc_net_listen(&out->listener, "127.0.0.1", port, err) : MRC_OK;
}

int mrc_status_port_polls(struct pollfd *out, const struct mrc_status_port *port) {
    int count = 0;
    if (port->listener < 0) return 0;
    out[count++] = (struct pollfd){.fd = port->listener, .events = POLLIN};
    for (int c = 0; c < port->client_count; ++c)
        out[count++] = (struct pollfd){.fd = port->clients[c].socket, .events = POLLIN};
    return count;
}

static void take_clients(struct mrc_status_port *port) {
    char host[MRC_HOST_TEXT];
    int found = -1;
    while (port->client_count < MRC_STATUS_CLIENTS && mrc_net_next(&found, host, port->listener)) {
        int flags = fcntl(found, F_GETFL);
        if (flags < 0 || fcntl(found, F_SETFL, flags | O_NONBLOCK) != 0) {
            (void)close(found);
            continue;
        }
        port->clients[port->client_count++] =
            (struct mrc_status_client){.socket = found, .since_s = now_s()};
    }
}

static bool asks(const struct mrc_status_client *client, const char *what) {
    return strncmp(client->request, what, strlen(what)) == 0;
}

/* The page is small against a socket's buffer: what does not go at once is lost with the client. */
static void say(int to, const char *status, const char *kind, const struct mrc_text *page) {
    struct mrc_text words = {0};
    mrc_text_appendf(&words,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                     status, kind, page->size);
    if (page->size > 0) mrc_text_appendf(&words, "%s", page->data);
    if (!words.failed) (void)!send(to, words.data, words.size, MSG_NOSIGNAL);
    mrc_text_clear(&words);
}

static void answer(const struct mrc_status_client *client, const struct mrc_status_pages *pages) {
    static const char json[] = "application/json", text[] = "text/plain; charset=utf-8";
    struct mrc_text page = {0};
    if (asks(client, "GET /metrics ")) {
        pages->metrics(pages->context, &page);
        say(client->socket, "200 OK", "text/plain; version=0.0.4; charset=utf-8", &page);
    } else if (asks(client, "GET /health ")) {
        bool well = pages->health(pages->context, &page);
        say(client->socket, well ? "200 OK" : "503 Service Unavailable", json, &page);
    } else if (asks(client, "GET ")) {
        mrc_text_appendf(&page, "expected /health or /metrics\n");
        say(client->socket, "404 Not Found", text, &page);
    } else {
        mrc_text_appendf(&page, "expected GET\n");
        say(client->socket, "405 Method Not Allowed", text, &page);
    }
    mrc_text_clear(&page);
}

/* True: nothing more is to be expected of the client. */
static bool serve(struct mrc_status_client *client, const struct mrc_status_pages *pages) {
    size_t room = sizeof client->request - 1 - client->size;
    ssize_t got = recv(client->socket, client->request + client->size, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return now_s() - client->since_s > patience_s;
    if (got <= 0) return true;
    client->size += (size_t)got;
    client->request[client->size] = '\0';
    bool whole = strstr(client->request, "\r\n\r\n") != NULL;
    if (!whole && client->size + 1 < sizeof client->request)
        return now_s() - client->since_s > patience_s;
    answer(client, pages);
    return true;
}

void mrc_status_port_turn(struct mrc_status_port *port, const struct mrc_status_pages *pages) {
    if (port->listener < 0) return;
    take_clients(port);
    for (int c = 0; c < port->client_count;) {
        if (!serve(&port->clients[c], pages)) {
            ++c;
            continue;
        }
        (void)shutdown(port->clients[c].socket, SHUT_WR);
        (void)close(port->clients[c].socket);
        port->clients[c] = port->clients[--port->client_count];
    }
}

void mrc_status_port_close(struct mrc_status_port *port) {
    while (port->client_count > 0) (void)close(port->clients[--port->client_count].socket);
    if (port->listener >= 0) (void)close(port->listener);
    port->listener = -1;
}
