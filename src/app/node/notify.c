/* notify.c: see the header. A datagram to a socket of the system's own; no library is needed. */
#include "app/node/notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

void mrc_notify(const char *words) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') to.sun_path[0] = '\0'; /* of no file */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out < 0) return;
    (void)!sendto(out, words, strlen(words), MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    (void)close(out);
}

void mrc_notify_reloading(void) {
    char words[80];
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    mrc_notify(words);
}

double mrc_notify_watchdog_s(void) {
    const char *period = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    int64_t us = 0, pid = 0;
    if (period == NULL || mrc_parse_i64(&us, period, 1, INT64_MAX / 2) != MRC_OK) return 0.0;
    bool ours = whose == NULL ||
                (mrc_parse_i64(&pid, whose, 1, INT32_MAX) == MRC_OK && pid == (int64_t)getpid());
    return ours ? (double)us / 2e6 : 0.0;
}
