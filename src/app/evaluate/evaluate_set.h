/* evaluate_set.h: the images an evaluation works on, in memory as stacks of slices in [0,1].
 * For the files of `evaluate` and their tests. */
#ifndef MRC_APP_EVALUATE_EVALUATE_SET_H
#define MRC_APP_EVALUATE_EVALUATE_SET_H

#include "app/evaluate/evaluate.h"
#include "base/export.h"
#include "model/files/contract.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One image of one contrast. */
struct mrc_eval_image {
    char *path;
    int64_t count, rows, columns;
    float *pixels; /* [count][rows][columns] in [0,1] */
    unsigned char
        *head; /* [count][rows][columns], 1 inside; of both images where they are paired */
    unsigned char *used; /* [count]: shows enough of the head */
};
enum { MRC_EVAL_FROM, MRC_EVAL_TO, MRC_EVAL_RESULT, MRC_EVAL_DOMAINS };
struct mrc_eval_domain {
    struct mrc_eval_image *images;
    size_t count, capacity;
};
struct mrc_eval_set {
    struct mrc_eval_domain domains[MRC_EVAL_DOMAINS]; /* set: the contract's two, none */
    bool paired; /* image n and slice k of each domain show the same */
};

/** Reads options->set (or another set with the same options), cut as the contract says. */
MRC_MUST_CHECK enum mrc_status mrc_eval_set_load(struct mrc_eval_set *out, const char *set,
                                                 const struct mrc_contract *contract,
                                                 const struct mrc_evaluate_options *options,
                                                 const struct mrc_events *events,
                                                 struct mrc_error *err);
/** Reads source, truth and result, each normalised to its head or as it is stored, on the grids of
 * the truth. Always paired; MRC_ERR_UNSUPPORTED when they do not agree in number or size. */
MRC_MUST_CHECK enum mrc_status mrc_eval_set_load_folders(struct mrc_eval_set *out,
                                                         const struct mrc_evaluate_options *options,
                                                         const struct mrc_events *events,
                                                         struct mrc_error *err);
/** A copy of pixels [count][rows][columns] as another image of the domain; its head is found. */
MRC_MUST_CHECK enum mrc_status mrc_eval_set_add(struct mrc_eval_set *set, int domain,
                                                const char *path, const float *pixels,
                                                int64_t count, int64_t rows, int64_t columns,
                                                double min_foreground, struct mrc_error *err);
/** Joins the heads of paired images: what is inside in either is inside in both. */
void mrc_eval_set_join_heads(struct mrc_eval_set *set, double min_foreground);
void mrc_eval_set_clear(struct mrc_eval_set *set);

#ifdef __cplusplus
}
#endif
#endif
