/* team.c: who is in the team, and means over it. */
#include "base/team.h"

static const struct mrc_team alone = {.rank = 0, .count = 1};
static const struct mrc_team *current = &alone;

void mrc_team_join(const struct mrc_team *team) {
    current = team != NULL ? team : &alone;
    MRC_ASSERT(current->count >= 1 && current->rank >= 0 && current->rank < current->count);
    MRC_ASSERT(current->count <= MRC_TEAM_MOST);
}

const struct mrc_team *mrc_team_current(void) {
    return current;
}

enum mrc_status mrc_team_mean(double *values, size_t n, struct mrc_error *err) {
    if (current->count == 1) return MRC_OK;
    enum mrc_status status = current->sum(current->context, values, n, err);
    for (size_t i = 0; status == MRC_OK && i < n; ++i) values[i] /= (double)current->count;
    return status;
}

enum mrc_status mrc_team_mean_floats(float *values, size_t n, struct mrc_error *err) {
    if (current->count == 1) return MRC_OK;
    enum mrc_status status = current->sum_floats(current->context, values, n, err);
    const float part = 1.0f / (float)current->count;
    for (size_t i = 0; status == MRC_OK && i < n; ++i) values[i] *= part;
    return status;
}

/* Each process fills its own place of a row of zeros; the sum of the rows has them all. */
enum mrc_status mrc_team_largest(double *value, struct mrc_error *err) {
    if (current->count == 1) return MRC_OK;
    double values[MRC_TEAM_MOST] = {0};
    values[current->rank] = *value;
    enum mrc_status status = current->sum(current->context, values, (size_t)current->count, err);
    for (int r = 0; status == MRC_OK && r < current->count; ++r)
        if (values[r] > *value) *value = values[r];
    return status;
}
