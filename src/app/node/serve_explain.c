/* serve_explain.c: what a node would do with the series of a folder, and why. */
#include <stdio.h>
#include <string.h>

#include "app/node/serve.h"
#include "base/alloc.h"

struct explaining {
    struct mrc_text *out;
    const struct mrc_serve_config *config;
    const char *folder, *calling;
};

/* Why the translation would fail; "" it would not, as far as headers tell. */
static enum mrc_status find_objection(char *why, size_t capacity, const struct explaining *e,
                                      const struct mrc_rule *rule,
                                      const struct mrc_image_info *image, struct mrc_error *err) {
    const struct mrc_serve_translation how = mrc_serve_config_translation(e->config, rule);
    enum mrc_contrast from;
    enum mrc_status status = mrc_serve_config_source(&from, e->config, rule, err);
    if (status != MRC_OK) return status;
    why[0] = '\0';
    bool unknown = image->contrast == MRC_CONTRAST_UNKNOWN;
    if (!image->usable && !(image->unnamed && how.from_is_known))
        snprintf(why, capacity, "%s", image->reason);
    else if (unknown ? !how.from_is_known : image->contrast != from)
        snprintf(why, capacity, "recognised as %s, expected %s", mrc_contrast_name(image->contrast),
                 mrc_contrast_name(from));
    return MRC_OK;
}

static void append_peers(const struct explaining *e, const struct mrc_rule *rule) {
    const bool own = rule != NULL && rule->peer_count > 0;
    const struct mrc_net_peer *peers = own ? rule->peers : e->config->peers;
    const size_t count = own ? rule->peer_count : e->config->peer_count;
    for (size_t p = 0; p < count; ++p)
        mrc_text_appendf(e->out, "%s%s@%s:%d", p == 0 ? ", to " : ", ", peers[p].called,
                         peers[p].host, peers[p].port);
}

static enum mrc_status explain_image(const struct explaining *e, const struct mrc_rule *rule,
                                     const struct mrc_image_info *image, struct mrc_error *err) {
    char why[200];
    const struct mrc_serve_translation how = mrc_serve_config_translation(e->config, rule);
    if (rule != NULL && rule->action == MRC_RULE_ROUTE) {
        mrc_text_appendf(e->out, "route");
        append_peers(e, rule);
        return MRC_OK;
    }
    enum mrc_status status = find_objection(why, sizeof why, e, rule, image, err);
    if (status != MRC_OK) return status;
    mrc_text_appendf(e->out, "translate to %s", mrc_contrast_name(how.to));
    append_peers(e, rule);
    if (why[0] != '\0') mrc_text_appendf(e->out, "; would fail: %s", why);
    return MRC_OK;
}

/* What becomes of the series, said of one of its images. */
static enum mrc_status explain_in_series(const struct explaining *e,
                                         const struct mrc_rule_verdict *verdict,
                                         const struct mrc_image_info *image,
                                         struct mrc_error *err) {
    const struct mrc_serve_config *config = e->config;
    if (config->rule_count == 0) return explain_image(e, NULL, image, err);
    const struct mrc_rule *own =
        mrc_rules_find(config->rules, config->rule_count, image, e->calling);
    if (own == NULL || own->action == MRC_RULE_IGNORE) {
        mrc_text_appendf(e->out, "skip: %s%s", own != NULL ? "rule " : "no rule wants it",
                         own != NULL ? own->name : "");
        return MRC_OK;
    }
    if (own != verdict->rule) {
        mrc_text_appendf(e->out, "skip: rule %s, for another image of its series", own->name);
        return MRC_OK;
    }
    mrc_text_appendf(e->out, "rule %s: ", own->name);
    return explain_image(e, own, image, err);
}

static bool are_of_one_series(const struct mrc_image_info *one,
                              const struct mrc_image_info *other) {
    return one == other ||
           (one->series_uid[0] != '\0' && strcmp(one->series_uid, other->series_uid) == 0);
}

static enum mrc_status explain_series(const struct explaining *e, const struct mrc_image_list *list,
                                      size_t first, const struct mrc_image_info **room,
                                      struct mrc_error *err) {
    struct mrc_rule_verdict verdict;
    struct mrc_error why = {0};
    size_t count = 0;
    for (size_t i = first; i < list->count; ++i)
        if (are_of_one_series(&list->items[first], &list->items[i]))
            room[count++] = &list->items[i];
    enum mrc_status judged = mrc_rules_judge(&verdict, e->config->rules, e->config->rule_count,
                                             room, count, e->calling, &why);
    enum mrc_status status = MRC_OK;
    for (size_t i = 0; status == MRC_OK && i < count; ++i) {
        const char *plane = room[i]->physical ? mrc_orientation_name(room[i]->orientation) : "-";
        mrc_text_appendf(e->out, "%-8s %-8s %-9s %6lld  ",
                         room[i]->selector[0] != '\0' ? room[i]->selector : "-",
                         mrc_contrast_name(room[i]->contrast), plane, (long long)room[i]->slices);
        status = explain_in_series(e, &verdict, room[i], err);
        if (judged != MRC_OK) mrc_text_appendf(e->out, "; would fail: %s", why.text);
        mrc_text_appendf(e->out, "\n%-8s %s\n", "", room[i]->path);
    }
    return status;
}

static bool is_first_of_series(const struct mrc_image_list *list, size_t item) {
    for (size_t i = 0; i < item; ++i)
        if (are_of_one_series(&list->items[i], &list->items[item])) return false;
    return true;
}

static enum mrc_status explain_all(const struct explaining *e, const struct mrc_image_list *list,
                                   struct mrc_error *err) {
    if (list->count == 0 && list->refused_count > 0)
        return mrc_fail(err, list->refused[0].status, "%s: %s", list->refused[0].path,
                        list->refused[0].reason);
    if (list->count == 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: holds no series", e->folder);
    const struct mrc_image_info **room = mrc_alloc(list->count, sizeof *room);
    enum mrc_status status = MRC_OK;
    if (room == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", e->folder);
    mrc_text_appendf(e->out, "%-8s %-8s %-9s %6s  %s\n", "SERIES", "CONTRAST", "PLANE", "SLICES",
                     "WOULD");
    for (size_t i = 0; status == MRC_OK && i < list->count; ++i)
        if (is_first_of_series(list, i)) status = explain_series(e, list, i, room, err);
    mrc_free(room);
    if (status == MRC_OK && e->out->failed)
        status = mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", e->folder);
    return status;
}

enum mrc_status mrc_serve_explain(struct mrc_text *out, const struct mrc_serve_config *config,
                                  const char *folder, const char *calling, struct mrc_error *err) {
    const struct explaining e = {
        .out = out, .config = config, .folder = folder, .calling = calling};
    struct mrc_image_list list = {0};
    enum mrc_status status = mrc_image_list_scan(&list, folder, err);
    if (status == MRC_OK) status = explain_all(&e, &list, err);
    mrc_image_list_clear(&list);
    return status;
}
