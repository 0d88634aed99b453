/* run_report.h: report.html of a run folder: how training went, on one page that needs no network.
 * Used by train.c only. */
#ifndef MRC_APP_TRAIN_RUN_REPORT_H
#define MRC_APP_TRAIN_RUN_REPORT_H

#include "base/status.h"

/** Writes <run>/report.html from what lies in the folder: log.csv, checks.csv, events.csv, the
 * sample sheets (the newest, and up to five before it, evenly spread) and settings.json. */
enum mrc_status mrc_run_report_save(const char *run, struct mrc_error *err);

#endif
