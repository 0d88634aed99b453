/* mpi_team.c: a team (base/team.h) over MPI; built with MRC_MPI only.
 * MPI_Allreduce may choose its order of summing by message size, topology and version. Here every
 * rank sums one part of the values in the order of ranks, and all parts are shared: as few bytes on
 * the wire as the best all-reduce, the same bytes in every rank and every run. Calls do not block:
 * while a lost process is waited for, a signal from mpirun still ends the wait. */
#include "cli/mpi_team.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/team.h"
#include "cli/terminal.h"

enum { PIECE = 1 << 20, EAGER_POLLS = 20000 };

static const double patience_s = 0.5; /* after a signal: mpirun kills a second after it asks */

static struct mpi_team {
    struct mrc_team team;
    char *parts;  /* [count][PIECE / count]: one part from every rank */
    bool is_lost; /* a call failed: the others can no longer be reached */
} self;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum mrc_status lost(struct mrc_error *err) {
    self.is_lost = true;
    return mrc_fail(err, MRC_ERR_CANCELLED,
                    "rank %d of %d: another process of this training is lost or was stopped",
                    self.team.rank, self.team.count);
}

/* Polls, for a blocking call would not notice that mpirun asks to stop. */
static enum mrc_status wait_for(int code, MPI_Request *request, struct mrc_error *err) {
    const struct timespec pause = {.tv_nsec = 50000};
    double since = 0.0;
    int done = 0;
    for (long polls = 0; code == MPI_SUCCESS && !done; ++polls) {
        code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done || polls < EAGER_POLLS) continue;
        nanosleep(&pause, NULL);
        if (!mrc_terminal_interrupted()) continue;
        if (since == 0.0) since = now_s();
        if (now_s() - since > patience_s) return lost(err);
    }
    return code == MPI_SUCCESS ? MRC_OK : lost(err);
}

struct number {
    MPI_Datatype type;
    size_t bytes;
    void (*add)(void *sum, const void *more, size_t n);
};

static void add_doubles(void *sum, const void *more, size_t n) {
    double *to = sum;
    const double *from = more;
    for (size_t i = 0; i < n; ++i) to[i] += from[i];
}

static void add_floats(void *sum, const void *more, size_t n) {
    float *to = sum;
    const float *from = more;
    for (size_t i = 0; i < n; ++i) to[i] += from[i];
}

static const struct number doubles = {MPI_DOUBLE, sizeof(double), add_doubles},
                           floats = {MPI_FLOAT, sizeof(float), add_floats};

/* [count] counts and offsets, in numbers, of the parts of a piece of n. */
static void cut(int *counts, int *offsets, size_t n, int count) {
    for (int r = 0; r < count; ++r) {
        size_t begin = n * (size_t)r / (size_t)count, end = n * (size_t)(r + 1) / (size_t)count;
        counts[r] = (int)(end - begin);
        offsets[r] = (int)begin;
    }
}

static enum mrc_status sum_piece(char *values, size_t n, const struct number *number,
                                 struct mrc_error *err) {
    static int counts[MRC_TEAM_MOST], offsets[MRC_TEAM_MOST], mine[MRC_TEAM_MOST],
        places[MRC_TEAM_MOST];
    int count = self.team.count, own;
    MPI_Request request;
    cut(counts, offsets, n, count);
    own = counts[self.team.rank];
    for (int r = 0; r < count; ++r) {
        mine[r] = own;
        places[r] = r * own;
    }
    enum mrc_status status =
        wait_for(MPI_Ialltoallv(values, counts, offsets, number->type, self.parts, mine, places,
                                number->type, MPI_COMM_WORLD, &request),
                 &request, err);
    if (status != MRC_OK) return status;
    for (int r = 1; r < count; ++r)
        number->add(self.parts, self.parts + (size_t)(r * own) * number->bytes, (size_t)own);
    return wait_for(MPI_Iallgatherv(self.parts, own, number->type, values, counts, offsets,
                                    number->type, MPI_COMM_WORLD, &request),
                    &request, err);
}

static enum mrc_status sum_all(void *values, size_t n, const struct number *number,
                               struct mrc_error *err) {
    enum mrc_status status = MRC_OK;
    for (size_t done = 0; status == MRC_OK && done < n; done += PIECE) {
        size_t piece = n - done < PIECE ? n - done : PIECE;
        status = sum_piece((char *)values + done * number->bytes, piece, number, err);
    }
    return status;
}

static enum mrc_status sum_doubles(void *context, double *values, size_t n, struct mrc_error *err) {
    (void)context;
    return sum_all(values, n, &doubles, err);
}

static enum mrc_status sum_floats(void *context, float *values, size_t n, struct mrc_error *err) {
    (void)context;
    return sum_all(values, n, &floats, err);
}

enum mrc_status mrc_mpi_begin(struct mrc_error *err) {
    int code = MPI_Init(NULL, NULL);
    if (code != MPI_SUCCESS) return mrc_fail(err, MRC_ERR_IO, "MPI cannot be started");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &self.team.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &self.team.count);
    if (self.team.count == 1) return MRC_OK;
    if (self.team.count > MRC_TEAM_MOST)
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%d processes, expected at most %d", self.team.count,
                        MRC_TEAM_MOST);
    self.parts = mrc_alloc(PIECE + (size_t)self.team.count, sizeof(double));
    if (self.parts == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "out of memory for a team");
    self.team.sum = sum_doubles;
    self.team.sum_floats = sum_floats;
    mrc_team_join(&self.team);
    return MRC_OK;
}

void mrc_mpi_end(bool unison, int exit_code) {
    mrc_team_join(NULL);
    mrc_free(self.parts);
    bool alone = self.team.count == 1;
    if (!alone && (!unison || self.is_lost)) MPI_Abort(MPI_COMM_WORLD, exit_code);
    MPI_Finalize();
}
