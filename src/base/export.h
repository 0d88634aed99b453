/* export.h: the marks every public prototype carries. */
#ifndef MRC_BASE_EXPORT_H
#define MRC_BASE_EXPORT_H

#if defined(__GNUC__)
#define MRC_API               __attribute__((visibility("default")))
#define MRC_PRINTF(at, first) __attribute__((__format__(__printf__, at, first)))
#define MRC_MUST_CHECK        __attribute__((warn_unused_result))
#else
#define MRC_API
#define MRC_PRINTF(at, first)
#define MRC_MUST_CHECK
#endif

/** The return type of every public function that can fail: exported, and ignoring it is a warning.
 */
#define MRC_STATUS MRC_API MRC_MUST_CHECK enum mrc_status

#endif
