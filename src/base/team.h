/* team.h: the processes that train one model together. A program that is one of several says so
 * once, with a record of how sums over all of them are made; everybody else is a team of one. Only
 * the record's maker knows how the processes talk (src/cli/mpi_team.c). */
#ifndef MRC_BASE_TEAM_H
#define MRC_BASE_TEAM_H

#include <stddef.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MRC_TEAM_MOST = 4096 };

/** A call of either sum is made by all processes in the same order with the same n. The result is
 * the same to the bit in all of them, and in every run of as many processes. MRC_ERR_CANCELLED when
 * a process is lost or all are asked to stop. */
struct mrc_team {
    int rank, count; /* 0 <= rank < count <= MRC_TEAM_MOST */
    void *context;
    enum mrc_status (*sum)(void *context, double *values, size_t n, struct mrc_error *err);
    enum mrc_status (*sum_floats)(void *context, float *values, size_t n, struct mrc_error *err);
};

/** Whole process, like the number of threads; the record is kept by address. NULL: alone again. */
MRC_API void mrc_team_join(const struct mrc_team *team);
/** Never NULL; count is 1 for a program that is alone. */
MRC_API const struct mrc_team *mrc_team_current(void);

/** values[n] become their mean over the team. Nothing to do for one. */
MRC_STATUS mrc_team_mean(double *values, size_t n, struct mrc_error *err);
MRC_STATUS mrc_team_mean_floats(float *values, size_t n, struct mrc_error *err);
/** value >= 0 becomes the largest of the team's. */
MRC_STATUS mrc_team_largest(double *value, struct mrc_error *err);

#ifdef __cplusplus
}
#endif
#endif
