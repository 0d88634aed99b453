/* survey.h: what lies there: images, checkpoints, and what is neither. */
#ifndef MRC_APP_INSPECT_SURVEY_H
#define MRC_APP_INSPECT_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

#include "app/common/events.h"
#include "base/status.h"
#include "base/text.h"
#include "io/contrast_map.h"
#include "io/image.h"
#include "model/files/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mrc_survey_checkpoint {
    char *path;
    struct mrc_checkpoint_info info;
};
/** Zero-initialise. */
struct mrc_survey {
    struct mrc_image_list images;
    struct mrc_survey_checkpoint *checkpoints;
    size_t checkpoint_count, checkpoint_capacity;
};

/** Adds what lies at a file or below a folder. An image is usable when mrc_translate_run takes it
 * without further options: of a contrast that the model translates, and axial or to be cut axially.
 * What is broken becomes a refusal; an error is a path that cannot be read at all (MRC_ERR_IO). */
MRC_STATUS mrc_survey_add(struct mrc_survey *survey, const char *path, struct mrc_error *err);
struct mrc_survey_options {
    size_t most_files;                   /* below one path; 0: 50,000 */
    const mrc_contrast_map *map;         /* overrules what is recognised; NULL: none */
    const struct mrc_contract *contract; /* its contrasts are of use; NULL: T1w and T2w */
};
/** The same; `options` and `events` may be NULL. */
MRC_STATUS mrc_survey_add_with(struct mrc_survey *survey, const char *path,
                               const struct mrc_survey_options *options,
                               const struct mrc_events *events, struct mrc_error *err);
MRC_API void mrc_survey_clear(struct mrc_survey *survey);
/** Is there an image translate can work on, or a checkpoint? */
MRC_API bool mrc_survey_is_useful(const struct mrc_survey *survey);
/** One JSON object: series, refused, checkpoints. No patient data but what stands in paths. With
 * `files` each series lists the paths of its files ("file_paths"). */
MRC_STATUS mrc_survey_print_json(struct mrc_text *out, const struct mrc_survey *survey, bool files,
                                 struct mrc_error *err);
/** The tables of a checkpoint's networks for one slice: operation, shape, bytes. */
MRC_STATUS mrc_survey_print_plans(struct mrc_text *out, const struct mrc_checkpoint_info *info,
                                  struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
