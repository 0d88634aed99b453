/* audit.c: see the header. */
#include "app/audit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

cJSON *mrc_audit_begin(const char *event) {
    struct timespec now = {0};
    struct tm parts = {0};
    char text[64], whole[80];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(whole, sizeof whole, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "time", whole);
    cJSON_AddStringToObject(line, "event", event);
    return line;
}

void mrc_audit_end(cJSON *line, const char *path) {
    char *text = line != NULL ? cJSON_PrintUnformatted(line) : NULL;
    char *whole = text != NULL ? mrc_asprintf("%s\n", text) : NULL;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0 && whole != NULL) {
        size_t size = strlen(whole);
        if (write(file, whole, size) == (ssize_t)size) (void)fdatasync(file);
    }
    if (file >= 0) (void)close(file);
    mrc_free(whole);
    cJSON_free(text);
    cJSON_Delete(line);
}
