/* place.h: may something be written there? Checked before any work is done. */
#ifndef MRC_APP_COMMON_PLACE_H
#define MRC_APP_COMMON_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Absolute form of a path whose last parts need not exist yet; links in the part that exists are
 * followed. The caller's (mrc_free). MRC_ERR_RANGE when it exceeds PATH_MAX, MRC_ERR_IO when no
 * part of it can be resolved. */
MRC_MUST_CHECK enum mrc_status mrc_place_resolve(char **out, const char *path,
                                                 struct mrc_error *err);
/** *inside: `inner` is `outer` itself or lies below it. */
MRC_MUST_CHECK enum mrc_status mrc_place_is_inside(bool *inside, const char *inner,
                                                   const char *outer, struct mrc_error *err);
/** Writing `output` would overwrite `input` when that is or lies in it: MRC_ERR_ARGUMENT. */
MRC_MUST_CHECK enum mrc_status mrc_place_keep_input(const char *output, const char *input,
                                                    struct mrc_error *err);

/** A file may be written at `path`: nothing is there, or a file and `replace`. Else MRC_ERR_WRITE.
 */
MRC_MUST_CHECK enum mrc_status mrc_place_check_file(const char *path, bool replace,
                                                    struct mrc_error *err);
/** A folder may be written at `path`: nothing is there, or an empty folder, or `replace` and a
 * folder with no entries but files whose names end in one of `suffixes` (NULL-terminated), so that
 * a slip of the hand removes nothing else. Else MRC_ERR_WRITE. */
MRC_MUST_CHECK enum mrc_status mrc_place_check_folder(const char *path, bool replace,
                                                      const char *const *suffixes,
                                                      struct mrc_error *err);
/** What a folder of this program's making looks like: it holds the file `mark`, in which `words`
 * stand, and no file below it but such as one of the patterns fits ("samples/epoch_*.png"; fnmatch,
 * a star does not cross a slash; NULL-terminated). */
struct mrc_place_kind {
    const char *mark, *words;
    const char *const *patterns;
};
/** A folder of that kind may be written at `path`: nothing is there, or an empty folder, or
 * `replace` and a folder of the kind. Else MRC_ERR_WRITE, which names what is not of the kind. */
MRC_MUST_CHECK enum mrc_status mrc_place_check_kind(const char *path, bool replace,
                                                    const struct mrc_place_kind *kind,
                                                    struct mrc_error *err);
/** As mrc_place_check_file, and what is replaced is a colour PNG, as sheets are and scans are not.
 */
MRC_MUST_CHECK enum mrc_status mrc_place_check_sheet(const char *path, bool replace,
                                                     struct mrc_error *err);
/** As mrc_place_check_file, and what is replaced is a model or checkpoint of this program. */
MRC_MUST_CHECK enum mrc_status mrc_place_check_model(const char *path, bool replace,
                                                     struct mrc_error *err);
/** What lies at `path` (nothing, a file, or a folder of files) may be removed for a new result:
 * every image in it says that this program computed it, every sidecar (.json) that its image is
 * synthetic. Else MRC_ERR_WRITE: an acquired image is not replaced, whatever the options say. */
MRC_MUST_CHECK enum mrc_status mrc_place_check_replaced(const char *path, struct mrc_error *err);
/** Creates the folder `path` lies in, with its parents. */
MRC_MUST_CHECK enum mrc_status mrc_place_make_parent(const char *path, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
