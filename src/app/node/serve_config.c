/* serve_config.c: one row of the table is one setting. */
#include "app/node/serve_config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/common/model_file.h"
#include "app/common/place.h"
#include "base/alloc.h"
#include "base/fs.h"
#include "base/text.h"
#include "model/files/checkpoint.h"

enum { MAX_CONFIG = 1 << 20 };

enum kind { TEXT, INTEGER, NUMBER, YES_NO, TITLE, CONTRAST, ALLOWED, PEER, CAPTURE };
struct setting {
    const char *name;
    enum kind kind;
    size_t offset, capacity; /* capacity: of TEXT */
    double lo, hi;
};
#define AT(member) offsetof(struct mrc_serve_config, member)
#define TEXT_AT(member)                                                                            \
    .kind = TEXT, .offset = AT(member),                                                            \
    .capacity = sizeof(((struct mrc_serve_config *)NULL)->member)

static const struct setting settings[] = {
    {.name = "queue", TEXT_AT(queue)},
    {.name = "audit", TEXT_AT(audit)},
    {.name = "bind", TEXT_AT(bind)},
    {.name = "port", .kind = INTEGER, .offset = AT(port), .lo = 1, .hi = 65535},
    {.name = "aet", .kind = TITLE, .offset = AT(node.aet)},
    {.name = "allow", .kind = ALLOWED},
    {.name = "tls_ca", TEXT_AT(node.tls.ca)},
    {.name = "tls_cert", TEXT_AT(node.tls.cert)},
    {.name = "tls_key", TEXT_AT(node.tls.key)},
    {.name = "associations", .kind = INTEGER, .offset = AT(associations), .lo = 1, .hi = 256},
    {.name = "associations_per_host",
     .kind = INTEGER,
     .offset = AT(associations_per_host),
     .lo = 1,
     .hi = 256},
    {.name = "association_s", .kind = NUMBER, .offset = AT(association_s), .lo = 1, .hi = 86400},
    {.name = "acse_timeout_s", .kind = INTEGER, .offset = AT(node.acse_s), .lo = 1, .hi = 3600},
    {.name = "dimse_timeout_s", .kind = INTEGER, .offset = AT(node.dimse_s), .lo = 1, .hi = 3600},
    {.name = "idle_timeout_s", .kind = NUMBER, .offset = AT(node.idle_s), .lo = 1, .hi = 86400},
    {.name = "min_rate_kb_s", .kind = NUMBER, .offset = AT(min_rate_kb_s), .lo = 0, .hi = 1e6},
    {.name = "receive_memory_mb",
     .kind = NUMBER,
     .offset = AT(receive_memory_mb),
     .lo = 64,
     .hi = 65536},
    {.name = "max_object_mb", .kind = NUMBER, .offset = AT(max_object_mb), .lo = 0.1, .hi = 65536},
    {.name = "min_free_mb", .kind = NUMBER, .offset = AT(min_free_mb), .lo = 0, .hi = 1e9},
    {.name = "quiet_s", .kind = NUMBER, .offset = AT(quiet_s), .lo = 0.1, .hi = 86400},
    {.name = "study_wait_s", .kind = NUMBER, .offset = AT(study_wait_s), .lo = 0, .hi = 86400},
    {.name = "broken_quiet_s", .kind = NUMBER, .offset = AT(broken_quiet_s), .lo = 0.1, .hi = 1e6},
    {.name = "to", .kind = CONTRAST, .offset = AT(to)},
    {.name = "model", TEXT_AT(model)},
    {.name = "unknown_contrast", .kind = YES_NO, .offset = AT(unknown_contrast)},
    {.name = "allow_gaps", .kind = YES_NO, .offset = AT(allow_gaps)},
    {.name = "report_dicom", .kind = CAPTURE, .offset = AT(report_dicom)},
    {.name = "threads", .kind = INTEGER, .offset = AT(threads), .lo = 1, .hi = 256},
    {.name = "job_s", .kind = NUMBER, .offset = AT(job_s), .lo = 1, .hi = 1e6},
    {.name = "pacs", .kind = PEER},
    {.name = "calling", .kind = TITLE, .offset = AT(calling)},
    {.name = "pacs_tls_ca", TEXT_AT(peer_tls.ca)},
    {.name = "pacs_tls_cert", TEXT_AT(peer_tls.cert)},
    {.name = "pacs_tls_key", TEXT_AT(peer_tls.key)},
    {.name = "retries", .kind = INTEGER, .offset = AT(retries), .lo = 0, .hi = 100000},
    {.name = "retry_wait_s", .kind = NUMBER, .offset = AT(retry_wait_s), .lo = 0.1, .hi = 86400},
    {.name = "retry_wait_max_s",
     .kind = NUMBER,
     .offset = AT(retry_wait_max_s),
     .lo = 0.1,
     .hi = 86400},
    {.name = "keep_done_h", .kind = NUMBER, .offset = AT(keep_done_h), .lo = 0, .hi = 1e6},
    {.name = "keep_failed_h", .kind = NUMBER, .offset = AT(keep_failed_h), .lo = 0, .hi = 1e6},
    {.name = "keep_skipped_h", .kind = NUMBER, .offset = AT(keep_skipped_h), .lo = 0, .hi = 1e6},
    {.name = "keep_done_mb", .kind = NUMBER, .offset = AT(keep_done_mb), .lo = 0, .hi = 1e9},
    {.name = "keep_failed_mb", .kind = NUMBER, .offset = AT(keep_failed_mb), .lo = 0, .hi = 1e9},
    {.name = "keep_skipped_mb", .kind = NUMBER, .offset = AT(keep_skipped_mb), .lo = 0, .hi = 1e9},
    {.name = "status_port", .kind = INTEGER, .offset = AT(status_port), .lo = 1, .hi = 65535},
    {.name = "watch", TEXT_AT(watch)},
    {.name = "output", TEXT_AT(output)},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

void mrc_serve_config_init(struct mrc_serve_config *config) {
    *config = (struct mrc_serve_config){
        .bind = "127.0.0.1",
        .node = {.aet = "MRCYCLE", .acse_s = 30, .dimse_s = 60, .idle_s = 120.0},
        .associations = 32,
        .associations_per_host = 16,
        .association_s = 3600.0,
        .min_rate_kb_s = 2.0,
        .receive_memory_mb = 512.0,
        .max_object_mb = 1024.0,
        .min_free_mb = 1024.0,
        .quiet_s = 30.0,
        .broken_quiet_s = 900.0,
        .study_wait_s = -1.0,
        .to = MRC_CONTRAST_T2W,
        .job_s = 3600.0,
        .retries = 200,
        .retry_wait_s = 10.0,
        .retry_wait_max_s = 1800.0,
        .keep_done_h = 24.0,
        .keep_failed_h = 720.0,
        .keep_skipped_h = 24.0,
        .keep_done_mb = 20480.0,
        .keep_failed_mb = 10240.0,
        .keep_skipped_mb = 64.0};
}

/* --- Values --- */

static enum mrc_status set_number(void *field, const struct setting *setting, const char *value,
                                  struct mrc_error *err) {
    int64_t whole = 0;
    double number = 0.0;
    bool integer = setting->kind == INTEGER;
    enum mrc_status status =
        integer ? mrc_parse_i64(&whole, value, (int64_t)setting->lo, (int64_t)setting->hi)
                : mrc_parse_f64(&number, value, setting->lo, setting->hi);
    if (status != MRC_OK)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is '%.80s', expected a %snumber from %g to %g",
                        setting->name, value, integer ? "whole " : "", setting->lo, setting->hi);
    if (integer)
        *(int *)field = (int)whole;
    else
        *(double *)field = number;
    return MRC_OK;
}

static enum mrc_status set_yes_no(bool *field, const char *name, const char *value,
                                  struct mrc_error *err) {
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s is '%.80s', expected yes or no", name, value);
    *field = value[0] == 'y';
    return MRC_OK;
}

static enum mrc_status set_capture(bool *field, const char *value, struct mrc_error *err) {
    *field = strcmp(value, "sc") == 0;
    if (*field || strcmp(value, "none") == 0) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "report_dicom is '%.80s', expected sc or none", value);
}

static enum mrc_status set_text(char *field, const struct setting *setting, const char *value,
                                struct mrc_error *err) {
    if (strlen(value) >= setting->capacity)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s has %zu characters, expected at most %zu",
                        setting->name, strlen(value), setting->capacity - 1);
    snprintf(field, setting->capacity, "%s", value);
    return MRC_OK;
}

static enum mrc_status add_allowed(struct mrc_serve_config *config, const char *value,
                                   struct mrc_error *err) {
    if (config->allowed_count == MRC_SERVE_ALLOWED)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d lines of allow", MRC_SERVE_ALLOWED);
    return mrc_net_parse_rule(&config->allowed[config->allowed_count++], value, err);
}

static enum mrc_status add_peer(struct mrc_serve_config *config, const char *value,
                                struct mrc_error *err) {
    if (config->peer_count == MRC_SERVE_PEERS)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d lines of pacs", MRC_SERVE_PEERS);
    struct mrc_net_peer *peer = &config->peers[config->peer_count++];
    *peer = (struct mrc_net_peer)MRC_NET_PEER_DEFAULTS;
    return mrc_net_parse_peer(peer, value, err);
}

static enum mrc_status set(struct mrc_serve_config *config, const struct setting *setting,
                           const char *value, struct mrc_error *err) {
    char *field = (char *)config + setting->offset;
    switch (setting->kind) {
    case TEXT: return set_text(field, setting, value, err);
    case INTEGER:
    case NUMBER: return set_number(field, setting, value, err);
    case YES_NO: return set_yes_no((bool *)field, setting->name, value, err);
    case CAPTURE: return set_capture((bool *)field, value, err);
    case TITLE: return mrc_net_parse_aet(field, value, err);
    case CONTRAST: return mrc_contrast_parse((enum mrc_contrast *)field, value, err);
    case ALLOWED: return add_allowed(config, value, err);
    case PEER: return add_peer(config, value, err);
    }
    return MRC_OK;
}

/* --- Lines --- */

static char *trim(char *text) {
    while (*text == ' ' || *text == '\t') ++text;
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL) text[--length] = '\0';
    return text;
}

/* What is read, and where: in the node's own settings, or in the block of the last rule. */
struct reading {
    struct mrc_serve_config *config;
    bool seen[SETTINGS];
};

/* "[rule NAME]" */
static enum mrc_status begin_rule(struct mrc_serve_config *config, char *line,
                                  struct mrc_error *err) {
    static const char word[] = "rule";
    size_t length = strlen(line);
    char *name = line + 1 + strspn(line + 1, " \t");
    if (line[length - 1] != ']' || strncmp(name, word, strlen(word)) != 0 ||
        strchr(" \t]", name[strlen(word)]) == NULL)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "'%.80s', expected [rule NAME]", line);
    line[length - 1] = '\0';
    name = trim(name + strlen(word));
    if (config->rule_count == MRC_RULES)
        return mrc_fail(err, MRC_ERR_RANGE, "more than %d rules", MRC_RULES);
    for (size_t r = 0; r < config->rule_count; ++r)
        if (strcmp(config->rules[r].name, name) == 0)
            return mrc_fail(err, MRC_ERR_ARGUMENT, "a second rule named %s", name);
    return mrc_rule_begin(&config->rules[config->rule_count++], name, err);
}

static enum mrc_status read_setting(struct reading *r, const char *name, const char *value,
                                    struct mrc_error *err) {
    for (size_t s = 0; s < SETTINGS; ++s) {
        if (strcmp(settings[s].name, name) != 0) continue;
        bool repeats = settings[s].kind == ALLOWED || settings[s].kind == PEER;
        if (r->seen[s] && !repeats)
            return mrc_fail(err, MRC_ERR_ARGUMENT, "%s for the second time", settings[s].name);
        r->seen[s] = true;
        return set(r->config, &settings[s], value, err);
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "no setting '%.80s'", name);
}

static enum mrc_status read_line(struct reading *r, char *line, struct mrc_error *err) {
    struct mrc_serve_config *config = r->config;
    char *equals = strchr(line, '='), *name = trim(line);
    if (name[0] == '\0' || name[0] == '#') return MRC_OK;
    if (name[0] == '[') return begin_rule(config, name, err);
    if (equals == NULL)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "'%.80s', expected key = value", name);
    *equals = '\0';
    name = trim(line);
    char *value = trim(equals + 1);
    if (value[0] == '\0') return mrc_fail(err, MRC_ERR_ARGUMENT, "%.80s has no value", name);
    if (config->rule_count > 0)
        return mrc_rule_set(&config->rules[config->rule_count - 1], name, value, err);
    return read_setting(r, name, value, err);
}

enum mrc_status mrc_serve_config_load(struct mrc_serve_config *config, const char *path,
                                      struct mrc_error *err) {
    unsigned char *text = NULL;
    size_t size = 0;
    struct reading reading = {.config = config};
    enum mrc_status status = mrc_read_file(&text, &size, path, MAX_CONFIG, err);
    int number = 1;
    for (char *line = (char *)text; status == MRC_OK && line != NULL; ++number) {
        char *end = strchr(line, '\n');
        struct mrc_error why = {0};
        if (end != NULL) *end = '\0';
        status = read_line(&reading, line, &why);
        if (status != MRC_OK) status = mrc_fail(err, status, "%s:%d: %s", path, number, why.text);
        line = end != NULL ? end + 1 : NULL;
    }
    mrc_free(text);
    return status;
}

/* --- The whole --- */

static enum mrc_status check_network(struct mrc_serve_config *config, struct mrc_error *err) {
    struct mrc_net_node *node = &config->node;
    if (config->port == 0) return MRC_OK;
    if (config->allowed_count == 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "port without allow: nobody could store here, expected allow = AET@host");
    if ((node->tls.cert[0] != '\0') != (node->tls.key[0] != '\0') ||
        (node->tls.ca[0] != '\0' && node->tls.cert[0] == '\0'))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "tls_cert and tls_key belong together, and tls_ca needs them");
    node->max_object_bytes = (uint64_t)(config->max_object_mb * 1048576.0);
    node->min_bytes_s = config->min_rate_kb_s * 1024.0;
    return node->tls.cert[0] != '\0' ? mrc_net_check_tls(&node->tls, true, err) : MRC_OK;
}

/* What all archives share. */
static void complete_peer(struct mrc_net_peer *peer, const struct mrc_serve_config *config) {
    peer->tls = config->peer_tls;
    peer->dimse_s = config->node.dimse_s;
    peer->acse_s = config->node.acse_s;
    snprintf(peer->calling, sizeof peer->calling, "%s",
             config->calling[0] != '\0' ? config->calling : config->node.aet);
}

static enum mrc_status check_peers(struct mrc_serve_config *config, struct mrc_error *err) {
    const struct mrc_net_tls *tls = &config->peer_tls;
    if ((tls->cert[0] != '\0') != (tls->key[0] != '\0') ||
        (tls->cert[0] != '\0' && tls->ca[0] == '\0'))
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "pacs_tls_cert and pacs_tls_key belong together and need pacs_tls_ca");
    for (size_t p = 0; p < config->peer_count; ++p) complete_peer(&config->peers[p], config);
    for (size_t r = 0; r < config->rule_count; ++r)
        for (size_t p = 0; p < config->rules[r].peer_count; ++p)
            complete_peer(&config->rules[r].peers[p], config);
    return tls->ca[0] != '\0' ? mrc_net_check_tls(tls, false, err) : MRC_OK;
}

struct mrc_serve_translation mrc_serve_config_translation(const struct mrc_serve_config *config,
                                                          const struct mrc_rule *rule) {
    struct mrc_serve_translation t = {.to = config->to,
                                      .model = config->model,
                                      .from_is_known = config->unknown_contrast,
                                      .allow_gaps = config->allow_gaps};
    if (rule != NULL) {
        if (rule->to != MRC_CONTRAST_UNKNOWN) t.to = rule->to;
        if (rule->model[0] != '\0') t.model = rule->model;
        if (rule->from != MRC_CONTRAST_UNKNOWN) t.from_is_known = true;
        if (rule->has_gaps) t.allow_gaps = rule->allow_gaps;
    }
    if (t.model[0] == '\0') t.model = NULL;
    return t;
}

enum mrc_status mrc_serve_config_source(enum mrc_contrast *from,
                                        const struct mrc_serve_config *config,
                                        const struct mrc_rule *rule, struct mrc_error *err) {
    const struct mrc_serve_translation t = mrc_serve_config_translation(config, rule);
    struct mrc_checkpoint_info info;
    char *path = NULL, words[MRC_CONTRACT_TEXT];
    enum mrc_status status = mrc_model_file_find(&path, t.model, err);
    if (status == MRC_OK) status = mrc_checkpoint_describe(&info, path, err);
    mrc_free(path);
    if (status != MRC_OK) return status;
    int to = mrc_contract_index(&info.contract, t.to);
    mrc_contract_print(words, &info.contract, MRC_CONTRACT_LIST);
    if (to < 0 || info.contract.contrast_count != 2)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "to is %s, expected one of the model's, %s",
                        mrc_contrast_name(t.to), words);
    *from = info.contract.contrasts[1 - to];
    if (rule == NULL || rule->from == MRC_CONTRAST_UNKNOWN || rule->from == *from) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "from is %s, expected %s, from which the model makes %s",
                    mrc_contrast_name(rule->from), mrc_contrast_name(*from),
                    mrc_contrast_name(t.to));
}

static bool is_checked_before(const struct mrc_serve_config *config, size_t rule) {
    for (size_t r = 0; r < rule; ++r)
        if (strcmp(config->rules[r].model, config->rules[rule].model) == 0) return true;
    return config->rules[rule].model[0] == '\0';
}

/* The node's own model is read even where each rule names another: late is worse. */
static enum mrc_status check_models(const struct mrc_serve_config *config, struct mrc_error *err) {
    enum mrc_contrast from;
    enum mrc_status status =
        mrc_model_file_check(config->model[0] != '\0' ? config->model : NULL, err);
    if (status == MRC_OK && config->rule_count == 0)
        status = mrc_serve_config_source(&from, config, NULL, err);
    for (size_t r = 0; status == MRC_OK && r < config->rule_count; ++r) {
        const struct mrc_rule *rule = &config->rules[r];
        struct mrc_error why = {0};
        if (rule->action != MRC_RULE_TRANSLATE) continue;
        if (!is_checked_before(config, r)) status = mrc_model_file_check(rule->model, err);
        if (status == MRC_OK && mrc_serve_config_source(&from, config, rule, &why) != MRC_OK)
            status = mrc_fail(err, why.code, "rule %s: %s", rule->name, why.text);
    }
    return status;
}

/* Has every rule that sends somewhere to send to? With a folder watched, results stay there. */
static enum mrc_status check_rules(const struct mrc_serve_config *config, struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t r = 0; status == MRC_OK && r < config->rule_count; ++r) {
        const struct mrc_rule *rule = &config->rules[r];
        bool sends = rule->action == MRC_RULE_ROUTE ||
                     (rule->action == MRC_RULE_TRANSLATE && config->port != 0);
        status = mrc_rule_check(rule, err);
        if (status == MRC_OK && sends && rule->peer_count + config->peer_count == 0)
            status =
                mrc_fail(err, MRC_ERR_ARGUMENT,
                         "rule %s: sends to nobody, expected pacs = AET@host:port", rule->name);
    }
    return status;
}

static enum mrc_status check_folders(const struct mrc_serve_config *config, struct mrc_error *err) {
    bool inside = false, around = false;
    if ((config->watch[0] != '\0') != (config->output[0] != '\0'))
        return mrc_fail(err, MRC_ERR_ARGUMENT, "watch and output belong together");
    if (config->watch[0] == '\0') return MRC_OK;
    if (!mrc_path_is_dir(config->watch))
        return mrc_fail(err, MRC_ERR_IO, "%s: no folder, expected one to watch", config->watch);
    enum mrc_status status = mrc_place_is_inside(&inside, config->output, config->watch, err);
    if (status == MRC_OK) status = mrc_place_is_inside(&around, config->queue, config->watch, err);
    if (status == MRC_OK && (inside || around))
        status = mrc_fail(err, MRC_ERR_ARGUMENT, "%s: output and queue must not lie in it",
                          config->watch);
    return status == MRC_OK ? mrc_make_dirs(config->output, err) : status;
}

enum mrc_status mrc_serve_config_name_log(struct mrc_serve_config *config, const char *queue,
                                          struct mrc_error *err) {
    int length = snprintf(config->audit, sizeof config->audit, "%s/audit.jsonl", queue);
    if (length > 0 && length < (int)sizeof config->audit) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "queue: too long a path");
}

/* A link would lead the log into a file of somebody else's. */
static enum mrc_status check_log(const struct mrc_serve_config *config, struct mrc_error *err) {
    struct stat info;
    if (lstat(config->audit, &info) != 0 || !S_ISLNK(info.st_mode)) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: is a link, expected a file of its own for the log",
                    config->audit);
}

enum mrc_status mrc_serve_config_check(struct mrc_serve_config *config, struct mrc_error *err) {
    if (config->queue[0] == '\0')
        return mrc_fail(err, MRC_ERR_ARGUMENT, "no queue, expected queue = FOLDER");
    if (config->port == 0 && config->watch[0] == '\0')
        return mrc_fail(err, MRC_ERR_ARGUMENT, "nothing to do, expected port or watch");
    if (config->port != 0 && config->peer_count == 0 && config->rule_count == 0)
        return mrc_fail(err, MRC_ERR_ARGUMENT,
                        "port without pacs: results would go nowhere, expected pacs = "
                        "AET@host:port");
    if (config->study_wait_s < 0.0) config->study_wait_s = 2.0 * config->quiet_s;
    enum mrc_status status = MRC_OK;
    if (config->audit[0] == '\0') status = mrc_serve_config_name_log(config, config->queue, err);
    if (status == MRC_OK) status = check_log(config, err);
    if (status == MRC_OK) status = check_rules(config, err);
    if (status == MRC_OK) status = check_network(config, err);
    if (status == MRC_OK) status = check_peers(config, err);
    if (status == MRC_OK) status = check_folders(config, err);
    return status == MRC_OK ? check_models(config, err) : status;
}

enum mrc_status mrc_serve_config_can_follow(const struct mrc_serve_config *old,
                                            const struct mrc_serve_config *new,
                                            struct mrc_error *err) {
    static const char *const fixed[] = {"queue", "audit",       "bind",  "port",
                                        "aet",   "status_port", "watch", "output"};
    for (size_t s = 0; s < SETTINGS; ++s) {
        const struct setting *setting = &settings[s];
        const char *a = (const char *)old + setting->offset,
                   *b = (const char *)new + setting->offset;
        bool is_fixed = false;
        for (size_t f = 0; f < sizeof fixed / sizeof *fixed; ++f)
            is_fixed = is_fixed || strcmp(setting->name, fixed[f]) == 0;
        if (!is_fixed) continue;
        bool same = setting->kind == INTEGER ? memcmp(a, b, sizeof(int)) == 0 : strcmp(a, b) == 0;
        if (!same)
            return mrc_fail(err, MRC_ERR_ARGUMENT, "%s has changed, which needs a new start",
                            setting->name);
    }
    return MRC_OK;
}
