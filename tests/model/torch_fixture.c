/* torch_fixture.c: see the header. */
#include "torch_fixture.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "support.h"

static unsigned char *read_whole(const char *folder, const char *name, size_t *size) {
    struct mrc_error err = {0};
    unsigned char *bytes = NULL;
    char *path = mrc_path_join(folder, name);
    assert_ok(mrc_read_file(&bytes, size, path, (size_t)1 << 30, &err), &err);
    mrc_free(path);
    return bytes;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static void read_tensor(struct fixture_tensor *t, const cJSON *item, const char *folder, char *file,
                        unsigned char **bytes, size_t *size) {
    (void)snprintf(t->name, sizeof(t->name), "%s",
                   cJSON_GetStringValue(cJSON_GetObjectItem(item, "name")));
    const char *in = cJSON_GetStringValue(cJSON_GetObjectItem(item, "file"));
    if (strcmp(in, file) != 0) {
        mrc_free(*bytes);
        *bytes = read_whole(folder, in, size);
        (void)snprintf(file, 64, "%s", in);
    }
    t->count = 1;
    const cJSON *side;
    cJSON_ArrayForEach(side, cJSON_GetObjectItem(item, "shape")) {
        assert_true(t->rank < 5);
        t->shape[t->rank++] = side->valueint;
        t->count *= (size_t)side->valueint;
    }
    size_t begin = (size_t)number(item, "offset_bytes");
    assert_true(begin + t->count * sizeof(float) <= *size);
    t->values = mrc_alloc(t->count, sizeof(float));
    assert_non_null(t->values);
    memcpy(t->values, *bytes + begin, t->count * sizeof(float));
    t->own_error = number(item, "f32_vs_f64_rel_l2");
    t->prenorm_bias = cJSON_IsTrue(cJSON_GetObjectItem(item, "prenorm_bias"));
}

bool fixture_open(struct fixture *out, const char *folder) {
    char path[512], file[64] = "";
    (void)snprintf(path, sizeof(path), "%s/manifest.json", folder);
    if (!mrc_path_exists(path)) return false;
    size_t size = 0;
    unsigned char *text = read_whole(folder, "manifest.json", &size), *bytes = NULL;
    cJSON *json = cJSON_Parse((const char *)text);
    mrc_free(text);
    assert_non_null(json);
    *out = (struct fixture){.json = json};
    out->width = (int64_t)number(json, "w");
    out->batch = (int64_t)number(json, "batch");
    out->side = isnan(number(json, "side")) ? 64 : (int64_t)number(json, "side");
    const cJSON *tensors = cJSON_GetObjectItem(json, "tensors"), *item;
    out->tensors = mrc_alloc((size_t)cJSON_GetArraySize(tensors), sizeof(*out->tensors));
    assert_non_null(out->tensors);
    cJSON_ArrayForEach(item, tensors)
        read_tensor(&out->tensors[out->count++], item, folder, file, &bytes, &size);
    mrc_free(bytes);
    return true;
}

void fixture_close(struct fixture *fixture) {
    for (size_t i = 0; i < fixture->count; ++i) mrc_free(fixture->tensors[i].values);
    mrc_free(fixture->tensors);
    cJSON_Delete(fixture->json);
}

const struct fixture_tensor *fixture_find(const struct fixture *fixture, const char *name) {
    for (size_t i = 0; i < fixture->count; ++i)
        if (strcmp(fixture->tensors[i].name, name) == 0) return &fixture->tensors[i];
    return NULL;
}

double fixture_loss(const struct fixture *fixture, const char *list, int step, const char *name) {
    const cJSON *losses = cJSON_GetObjectItem(fixture->json, list);
    if (step >= 0) losses = cJSON_GetArrayItem(losses, step);
    return number(losses, name);
}

void fixture_name(char *out, size_t capacity, const char *group, const char *net,
                  const char *parameter) {
    char layer[32], part[32], kind[32];
    assert_int_equal(sscanf(parameter, "%31[^.].%31[^.].%31s", layer, part, kind), 3);
    (void)snprintf(out, capacity, "%s/%s/%s%s.%s", group, net, layer,
                   strcmp(part, "norm") == 0 ? "_norm" : "", kind);
}

void fixture_to_memory(float *dst, const struct fixture_tensor *src) {
    assert_int_equal(src->rank, 4);
    size_t c = (size_t)src->shape[1], pixels = (size_t)(src->shape[2] * src->shape[3]);
    for (size_t n = 0; n < (size_t)src->shape[0]; ++n)
        for (size_t i = 0; i < c; ++i)
            for (size_t p = 0; p < pixels; ++p)
                dst[(n * pixels + p) * c + i] = src->values[(n * c + i) * pixels + p];
}
