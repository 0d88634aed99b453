/* torch_fixture.h: reads the folder that PyTorch made (manifest.json and *.f32). */
#ifndef MRC_TESTS_TORCH_FIXTURE_H
#define MRC_TESTS_TORCH_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/gan/cyclegan.h"

struct fixture_tensor {
    char name[80];
    int rank;
    int64_t shape[5];
    size_t count;
    float *values;     /* PyTorch's order */
    double own_error;  /* PyTorch's float32 against its float64, relative */
    bool prenorm_bias; /* true gradient 0 */
};
struct fixture {
    int64_t width, side, batch;
    struct fixture_tensor *tensors;
    size_t count;
    void *json;
};
/** Fails the test when the folder is broken; false when it is not there. */
bool fixture_open(struct fixture *out, const char *folder);
void fixture_close(struct fixture *fixture);
const struct fixture_tensor *fixture_find(const struct fixture *fixture,
                                          const char *name); /* NULL */
/** One loss: list "losses_f32", index of the step or -1 for a list that is one object, name
 * "adv_G". NAN when missing. */
double fixture_loss(const struct fixture *fixture, const char *list, int step, const char *name);
/** "grad", "DX", "conv2.norm.weight" -> "grad/DX/conv2_norm.weight": our names to the fixture's
 * plain module names. */
void fixture_name(char *out, size_t capacity, const char *group, const char *net,
                  const char *parameter);
/** An image or map between PyTorch's [n][c][h][w] and ours [n][h][w][c]; not in place. */
void fixture_to_memory(float *dst, const struct fixture_tensor *src);

#endif
