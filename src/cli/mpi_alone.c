/* mpi_alone.c: mpi_team.h in a build without MPI: says so instead of training several times. */
#include <stdlib.h>

#include "base/text.h"
#include "cli/mpi_team.h"

enum mrc_status mrc_mpi_begin(struct mrc_error *err) {
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        const char *size = getenv(sizes[i]);
        int64_t count = 0;
        if (size == NULL || mrc_parse_i64(&count, size, 2, INT32_MAX) != MRC_OK) continue;
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "started by mpirun as one of %d, expected a build for several processes "
                        "(cmake --preset mpi)",
                        (int)count);
    }
    return MRC_OK;
}

void mrc_mpi_end(bool unison, int exit_code) {
    (void)unison;
    (void)exit_code;
}
