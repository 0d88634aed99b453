/* split.h: the sides of a set. What was learned from is never what is scored. */
#ifndef MRC_APP_SETS_SPLIT_H
#define MRC_APP_SETS_SPLIT_H

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_SPLIT_TRAIN, MRC_SPLIT_VAL, MRC_SPLIT_TEST, MRC_SPLITS };
/** "train", "val" or "test". */
MRC_API const char *mrc_split_name(int split);

#ifdef __cplusplus
}
#endif
#endif
