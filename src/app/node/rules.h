/* rules.h: which series are wanted, and what becomes of them. A rule is a block of a node's
 * settings: what a series must be, and what is done with it. The first that fits an image counts;
 * what no rule fits is not wanted, and not kept. */
#ifndef MRC_APP_NODE_RULES_H
#define MRC_APP_NODE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/contrast.h"
#include "base/status.h"
#include "io/image.h"
#include "io/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MRC_RULES = 64,
    MRC_RULE_NAME = 33,
    MRC_RULE_PATTERNS = 8,
    MRC_RULE_PATTERN = 129,
    MRC_RULE_PEERS = 8,
    MRC_RULE_PATH = 1024
};

/** What a series is asked for. */
enum mrc_rule_field {
    MRC_RULE_CALLING,     /* the AE title that brought it */
    MRC_RULE_STATION,     /* StationName */
    MRC_RULE_MODALITY,    /* Modality */
    MRC_RULE_DESCRIPTION, /* SeriesDescription */
    MRC_RULE_PROTOCOL,    /* ProtocolName */
    MRC_RULE_BODY_PART,   /* BodyPartExamined */
    MRC_RULE_CONTRAST,    /* as recognised */
    MRC_RULE_PLANE,       /* axial, sagittal, coronal, oblique */
    MRC_RULE_FIELDS
};
enum mrc_rule_action {
    MRC_RULE_UNSAID,
    MRC_RULE_TRANSLATE, /* to another contrast, and the result is sent */
    MRC_RULE_ROUTE,     /* the images are sent as they came */
    MRC_RULE_IGNORE     /* as if no rule fitted */
};
/** "translate", … */
const char *mrc_rule_action_name(enum mrc_rule_action action);

/** Patterns are those of a shell, for the whole value, in any case of letters; of several one must
 * fit. */
struct mrc_rule_patterns {
    char texts[MRC_RULE_PATTERNS][MRC_RULE_PATTERN];
    size_t count;
};
struct mrc_rule {
    char name[MRC_RULE_NAME]; /* letters, digits, '-', '_', '.' */
    struct mrc_rule_patterns fields[MRC_RULE_FIELDS];
    int64_t least_slices, most_slices; /* most 0: any number */
    enum mrc_rule_action action;
    /* of a translation; unset: as the node's own settings */
    enum mrc_contrast from, to;
    char model[MRC_RULE_PATH];
    bool has_gaps, allow_gaps;
    /* where it goes; none: where the node's own settings say */
    struct mrc_net_peer peers[MRC_RULE_PEERS];
    size_t peer_count;
};

/** The name of a rule, in `text`, makes a new one. MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_rule_begin(struct mrc_rule *rule, const char *text,
                                              struct mrc_error *err);
/** One line of its block. MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_rule_set(struct mrc_rule *rule, const char *name,
                                            const char *value, struct mrc_error *err);
/** Is it whole, and of one piece? MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_rule_check(const struct mrc_rule *rule, struct mrc_error *err);

/** Does the rule fit the image that this AE title brought? What is synthetic or derived fits none
 * that translates. */
bool mrc_rule_fits(const struct mrc_rule *rule, const struct mrc_image_info *image,
                   const char *calling);
/** The first that fits, or NULL. */
const struct mrc_rule *mrc_rules_find(const struct mrc_rule *rules, size_t count,
                                      const struct mrc_image_info *image, const char *calling);

/** What becomes of a series, of which there may be several images (echoes, time points …). */
struct mrc_rule_verdict {
    const struct mrc_rule *rule;        /* NULL: none wants it */
    const struct mrc_image_info *image; /* that is translated; NULL: none alone */
    char why[200];                      /* in words, without patient data */
};
/** Of the images that a rule wants those of the first such rule are followed. One that is to be
 * translated must be the only one of its series; MRC_ERR_UNSUPPORTED when it is not. */
MRC_MUST_CHECK enum mrc_status mrc_rules_judge(struct mrc_rule_verdict *out,
                                               const struct mrc_rule *rules, size_t count,
                                               const struct mrc_image_info *const *images,
                                               size_t image_count, const char *calling,
                                               struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
