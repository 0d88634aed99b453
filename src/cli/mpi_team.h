/* mpi_team.h: the processes that mpirun started, as a team. */
#ifndef MRC_CLI_MPI_TEAM_H
#define MRC_CLI_MPI_TEAM_H

#include <stdbool.h>

#include "base/status.h"

/** Joins the team when mpirun started several of this program; MRC_ERR_UNSUPPORTED when this build
 * cannot (without MRC_MPI): as many programs would write the same folder. Alone: nothing to do. */
enum mrc_status mrc_mpi_begin(struct mrc_error *err);
/** Leaves the team. Not in `unison` (a process failed or is lost where the others go on): ends all
 * of them with exit_code, and does not return. */
void mrc_mpi_end(bool unison, int exit_code);

#endif
