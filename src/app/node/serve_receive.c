/* serve_receive.c: one association: images into the queue. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "app/node/audit.h"
#include "app/node/serve_parts.h"

enum { NAMED_SERIES = 64, LOG_ATTEMPTS = 10, MOST_DIFFERING = 100 };

struct receiving {
    const struct mrc_serve_peer *peer;
    char path[MRC_JOB_PATH];
    char calling[MRC_AET_TEXT];
    int64_t number, stored, known, differing, refused, full;
    char series[NAMED_SERIES][MRC_SERIES_TEXT];
    size_t series_count;
};

static bool admit(void *context, const char *calling) {
    struct receiving *r = context;
    const struct mrc_serve_config *config = r->peer->config;
    snprintf(r->calling, sizeof r->calling, "%s", calling);
    for (size_t i = 0; i < config->allowed_count; ++i)
        if (mrc_net_rule_fits(&config->allowed[i], calling, r->peer->host)) return true;
    return false;
}

static bool has_room(const struct receiving *r) {
    struct statvfs info;
    if (statvfs(mrc_queue_dir(r->peer->queue), &info) != 0) return false;
    double free_mb = (double)info.f_bavail * (double)info.f_frsize / 1048576.0;
    return free_mb >= r->peer->config->min_free_mb;
}

static uint16_t begin(void *context, const struct mrc_net_object *object, const char **path) {
    struct receiving *r = context;
    (void)object;
    if (!has_room(r) || mrc_queue_receiving(r->path, r->peer->queue, r->number++, NULL) != MRC_OK)
        return MRC_NET_NO_RESOURCES;
    *path = r->path;
    return MRC_NET_SUCCESS;
}

static void refuse(void *context, uint16_t answer) {
    struct receiving *r = context;
    bool full = answer == MRC_NET_NO_RESOURCES;
    ++*(full ? &r->full : &r->refused);
    atomic_fetch_add(full ? &r->peer->board->no_room : &r->peer->board->refused, 1);
}

static void name_series(struct receiving *r, const char *series) {
    for (size_t i = 0; i < r->series_count; ++i)
        if (strcmp(r->series[i], series) == 0) return;
    if (r->series_count == NAMED_SERIES) return;
    snprintf(r->series[r->series_count++], MRC_SERIES_TEXT, "%s", series);
}

static void note_time(const struct receiving *r) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(r->peer->stored_ms, (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Somebody says of an image that is here that it is another: told at once, but not without end. */
static void log_differing(const struct receiving *r, const char *series) {
    struct mrc_audit audit = {.path = r->peer->config->audit};
    if (r->differing > MOST_DIFFERING) return;
    cJSON *line = mrc_audit_begin("differing_duplicate");
    cJSON_AddStringToObject(line, "host", r->peer->host);
    cJSON_AddStringToObject(line, "calling", r->calling);
    cJSON_AddStringToObject(line, "series", series);
    mrc_audit_end(line, &audit);
    mrc_audit_clear(&audit);
}

/* Into the queue; the answer. */
static uint16_t place(struct receiving *r, const char *path,
                      const struct mrc_net_identity *identity) {
    const struct mrc_queue_peer peer = {
        .number = r->peer->number, .host = r->peer->host, .calling = r->calling};
    char series[MRC_SERIES_TEXT];
    enum mrc_placed how = MRC_PLACED;
    if (mrc_queue_place(&how, series, r->peer->queue, path, identity, &peer, NULL) != MRC_OK) {
        refuse(r, MRC_NET_NO_RESOURCES);
        return MRC_NET_NO_RESOURCES;
    }
    name_series(r, series);
    if (how == MRC_PLACED_DIFFERS) {
        ++r->differing;
        atomic_fetch_add(&r->peer->board->differing, 1);
        log_differing(r, series);
        return MRC_NET_DIFFERS;
    }
    bool known = how == MRC_PLACED_KNOWN;
    ++*(known ? &r->known : &r->stored);
    atomic_fetch_add(known ? &r->peer->board->known : &r->peer->board->stored, 1);
    note_time(r);
    return MRC_NET_SUCCESS;
}

static uint16_t end(void *context, const struct mrc_net_object *object, const char *path) {
    struct receiving *r = context;
    struct mrc_net_identity identity;
    uint16_t answer = MRC_NET_SUCCESS;
    if (mrc_net_identify(&identity, path, NULL) != MRC_OK)
        answer = MRC_NET_NOT_UNDERSTOOD;
    else if (strcmp(identity.sop_class, object->sop_class) != 0 ||
             strcmp(identity.instance, object->sop_instance) != 0)
        answer = MRC_NET_NOT_OF_CLASS;
    if (answer == MRC_NET_SUCCESS) return place(r, path, &identity);
    (void)unlink(path);
    refuse(r, answer);
    return answer;
}

/* What had no room is expected again: as if it had broken off. */
static bool has_all(const struct receiving *r) {
    return r->full == 0;
}

static void end_peer(const struct receiving *r, bool released) {
    if (mrc_queue_end_peer(r->peer->queue, r->peer->number, released, NULL) != MRC_OK)
        return; /* the server asks again until it succeeds */
}

/* Noted before the peer is told: what it knows to be sent is not waited for after a crash, and when
 * it comes again for what had no room, it finds its series broken off and not still open. */
static void release(void *context) {
    const struct receiving *r = context;
    end_peer(r, has_all(r));
}

static const char *outcome_of(enum mrc_status status, const char *calling) {
    if (status == MRC_OK) return "released";
    if (status == MRC_ERR_PEER) return "rejected";
    return calling[0] != '\0' ? "broken" : "no_association"; /* silence, or no DICOM */
}

/* False: the log did not take it, for a second. */
static bool log_end(const struct receiving *r, const char *calling, enum mrc_status status,
                    const char *why) {
    const struct timespec pause = {.tv_nsec = 100000000};
    struct mrc_audit audit = {.path = r->peer->config->audit};
    cJSON *line = mrc_audit_begin("association");
    cJSON_AddStringToObject(line, "host", r->peer->host);
    cJSON_AddStringToObject(line, "calling", calling);
    cJSON_AddStringToObject(line, "outcome", outcome_of(status, calling));
    if (status != MRC_OK) cJSON_AddStringToObject(line, "why", why);
    cJSON_AddNumberToObject(line, "stored", (double)r->stored);
    cJSON_AddNumberToObject(line, "known", (double)r->known);
    cJSON_AddNumberToObject(line, "differing", (double)r->differing);
    cJSON_AddNumberToObject(line, "refused", (double)r->refused);
    cJSON_AddNumberToObject(line, "no_room", (double)r->full);
    cJSON *series = cJSON_AddArrayToObject(line, "series");
    for (size_t i = 0; i < r->series_count; ++i)
        cJSON_AddItemToArray(series, cJSON_CreateString(r->series[i]));
    mrc_audit_end(line, &audit);
    bool written = mrc_audit_flush(&audit);
    for (int i = 0; !written && i < LOG_ATTEMPTS; ++i) {
        (void)nanosleep(&pause, NULL);
        written = mrc_audit_flush(&audit);
    }
    mrc_audit_clear(&audit);
    return written;
}

int mrc_serve_receive(void *context) {
    struct receiving r = {.peer = context};
    const struct mrc_net_receiver receiver = {.context = &r,
                                              .admit = admit,
                                              .begin = begin,
                                              .end = end,
                                              .refuse = refuse,
                                              .release = release};
    char calling[MRC_AET_TEXT];
    struct mrc_error why = {0};
    enum mrc_status status =
        mrc_net_accept(calling, r.peer->socket, &r.peer->config->node, &receiver, &why);
    int parting = status == MRC_OK && has_all(&r) ? MRC_PARTED_RELEASED : MRC_PARTED_BROKEN;
    if (status != MRC_OK) end_peer(&r, false); /* before the log, which may take its time */
    if (!log_end(&r, calling, status, why.text)) parting += MRC_PARTED_UNLOGGED;
    return parting;
}
