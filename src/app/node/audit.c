/* audit.c: see the header. */
#include "app/node/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

enum { MOST_WAITING = 1 << 20 };

cJSON *mrc_audit_begin(const char *event) {
    struct timespec now = {0};
    struct tm parts = {0};
    char text[64], whole[80];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(whole, sizeof whole, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
    cJSON *line = mrc_json_begin();
    cJSON_AddStringToObject(line, "time", whole);
    cJSON_AddStringToObject(line, "event", event);
    return line;
}

static bool write_all(int file, const char *at, size_t size) {
    while (size > 0) {
        ssize_t done = write(file, at, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        size -= (size_t)done;
    }
    return true;
}

/* What a full disk cut off is taken back, and a line that a crash cut off is ended: a reader finds
 * each line whole. Others wait meanwhile. */
static bool append(int file, const char *text, size_t size) {
    struct stat info;
    char last = '\n';
    int failed = flock(file, LOCK_EX);
    while (failed != 0 && errno == EINTR) failed = flock(file, LOCK_EX);
    if (failed != 0 || fstat(file, &info) != 0) return false;
    if (S_ISREG(info.st_mode) && info.st_size > 0 && pread(file, &last, 1, info.st_size - 1) != 1)
        return false;
    if ((last == '\n' || write_all(file, "\n", 1)) && write_all(file, text, size) &&
        (fdatasync(file) == 0 || errno == EINVAL))
        return true;
    if (S_ISREG(info.st_mode) && ftruncate(file, info.st_size) != 0) return false;
    return false;
}

static void add(struct mrc_audit *audit, cJSON *line) {
    char *text = mrc_json_print(line, false);
    if (text == NULL || audit->waiting.size > MOST_WAITING)
        ++audit->lost;
    else
        mrc_text_appendf(&audit->waiting, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(line);
}

void mrc_audit_end(cJSON *line, struct mrc_audit *audit) {
    add(audit, line);
    (void)mrc_audit_flush(audit);
}

bool mrc_audit_flush(struct mrc_audit *audit) {
    if (audit->waiting.size == 0) return true;
    int file = open(audit->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = file >= 0 && append(file, audit->waiting.data, audit->waiting.size);
    if (file >= 0) (void)close(file);
    if (!written) return false;
    mrc_text_clear(&audit->waiting);
    if (audit->lost == 0) return true;
    cJSON *line = mrc_audit_begin("lines_lost");
    cJSON_AddNumberToObject(line, "lines", (double)audit->lost);
    audit->lost = 0;
    add(audit, line);
    return mrc_audit_flush(audit);
}

void mrc_audit_deleted(struct mrc_audit *audit, const struct mrc_job *job, const char *reason) {
    cJSON *line = mrc_audit_begin("deleted");
    cJSON_AddStringToObject(line, "id", job->id);
    cJSON_AddStringToObject(line, "state", mrc_job_state_name(job->state));
    cJSON_AddStringToObject(line, "reason", reason);
    mrc_audit_end(line, audit);
}

void mrc_audit_clear(struct mrc_audit *audit) {
    mrc_text_clear(&audit->waiting);
}
