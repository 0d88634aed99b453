/* model_file.h: which file holds the model. */
#ifndef MRC_APP_COMMON_MODEL_FILE_H
#define MRC_APP_COMMON_MODEL_FILE_H

#include "base/status.h"
#include "model/files/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Path of the model to use, the caller's (mrc_free).
 *  `given`: a safetensors file, the folder of a training run (its model.safetensors), or the name
 * of a model that came with the program, such as t1w-t2w-64. NULL: brain-contrast. Those that came
 * with it lie in $MRCYCLE_MODEL_DIR when that is set; else they are looked for in
 * share/mrcycle/models beside the program's bin folder, or the library's lib folder, and in the source
 * tree it was built from.
 * MRC_ERR_IO when there is none. */
MRC_STATUS mrc_model_file_find(char **out, const char *given, struct mrc_error *err);
/** And what it says about itself, as mrc_checkpoint_describe. */
MRC_STATUS mrc_model_file_describe(struct mrc_checkpoint_info *info, const char *given,
                                   struct mrc_error *err);
/** The complete checkpoint of a training run that has made most steps, or the file itself. */
MRC_STATUS mrc_model_file_find_complete(char **out, const char *given, struct mrc_error *err);
/** Can the model that mrc_model_file_find finds be used? Reads both generators, their hash too, in
 * a child process: a file that crashes its reader is one that cannot. */
MRC_MUST_CHECK enum mrc_status mrc_model_file_check(const char *given, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
