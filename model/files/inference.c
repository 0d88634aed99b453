/* inference.c: one generator of a checkpoint, applied to any number of slices. */
#include <string.h>

#include "base/alloc.h"
#include "model/files/checkpoint.h"
#include "model/files/checkpoint_internal.h"
#include "model/gan/cyclegan_internal.h"

struct mrc_generator {
    mrc_net *net;
    mrc_plan *plan;
    mrc_pass *pass;
    void *scratch;
    float *stage; /* a batch that is mirrored, or the last and not full */
    int64_t size, channels, batch;
    bool mirror;
    size_t slice; /* floats */
};

static enum mrc_status settle_size(mrc_generator *g, int64_t size,
                                   const struct mrc_cyclegan_settings *settings,
                                   enum mrc_cyclegan_net which, const char *path,
                                   struct mrc_error *err) {
    g->size = size == 0 ? settings->size : size;
    if (mrc_cyclegan_takes_side(settings, which, g->size)) return MRC_OK;
    int64_t step = mrc_cyclegan_side_step(settings, which);
    if (step == 0)
        return mrc_fail(err, MRC_ERR_UNSUPPORTED,
                        "%s: a %s generator for slices of %lld x %lld, expected a local one for "
                        "%lld x %lld",
                        path, mrc_generator_kind_name(mrc_cyclegan_generator_of(settings, which)),
                        (long long)settings->size, (long long)settings->size, (long long)size,
                        (long long)size);
    return mrc_fail(
        err, MRC_ERR_ARGUMENT, "slices of %lld x %lld, expected %d to %d a side, in steps of %lld",
        (long long)size, (long long)size, MRC_SMALLEST_SIDE, MRC_LARGEST_SIDE, (long long)step);
}

static enum mrc_status prepare(mrc_generator *g, const struct mrc_cyclegan_settings *settings,
                               struct mrc_error *err) {
    struct mrc_shape in = {
        .n = g->batch, .c = settings->channels, .d = 1, .h = g->size, .w = g->size};
    g->slice = mrc_shape_count(in) / (size_t)g->batch;
    g->channels = settings->channels;
    enum mrc_status st = mrc_plan_create(&g->plan, g->net, in, MRC_PLAN_INFERENCE, err);
    if (st != MRC_OK) return st;
    g->scratch = mrc_alloc(mrc_plan_scratch_bytes(g->plan), 1);
    g->stage = mrc_alloc(mrc_shape_count(in), sizeof(float));
    if (g->scratch == NULL || g->stage == NULL)
        return mrc_fail(err, MRC_ERR_NOMEM, "out of memory to apply a generator");
    return mrc_pass_create(&g->pass, g->net, g->plan, g->scratch, err);
}

enum mrc_status mrc_generator_load(mrc_generator **out, struct mrc_checkpoint_info *info,
                                   const char *path, enum mrc_cyclegan_net which, int64_t size,
                                   int64_t batch, struct mrc_error *err) {
    MRC_ASSERT(out != NULL && info != NULL && path != NULL && size >= 0 && batch > 0);
    MRC_ASSERT(which == MRC_NET_G || which == MRC_NET_F);
    mrc_generator *g = mrc_alloc(1, sizeof(*g));
    if (g == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory", path);
    g->batch = batch;
    enum mrc_status st = checkpoint_load_generator(&g->net, info, path, which, err);
    if (st == MRC_OK) st = settle_size(g, size, &info->settings, which, path, err);
    if (st == MRC_OK) st = prepare(g, &info->settings, err);
    if (st != MRC_OK) {
        mrc_generator_destroy(g);
        return st;
    }
    *out = g;
    return MRC_OK;
}

int64_t mrc_generator_size(const mrc_generator *g) {
    return g->size;
}

void mrc_generator_set_mirror(mrc_generator *g, bool mirror) {
    MRC_ASSERT(g != NULL);
    g->mirror = mirror;
}

static void mirror_rows(float *dst, const float *src, int64_t rows, int64_t columns,
                        int64_t channels) {
    for (const float *end = dst + rows * columns * channels; dst < end; src += columns * channels)
        for (int64_t x = columns - 1; x >= 0; --x)
            for (int64_t c = 0; c < channels; ++c) *dst++ = src[x * channels + c];
}

/* dst = (dst + what was made of the mirrored slices, mirrored back) / 2. */
static void average_mirrored(float *dst, const float *mirrored, int64_t rows, int64_t columns,
                             int64_t channels) {
    for (int64_t row = 0; row < rows;
         ++row, dst += columns * channels, mirrored += columns * channels)
        for (int64_t x = 0; x < columns; ++x)
            for (int64_t c = 0; c < channels; ++c) {
                float *to = dst + x * channels + c;
                *to = 0.5f * (*to + mirrored[(columns - 1 - x) * channels + c]);
            }
}

void mrc_generator_apply(mrc_generator *g, float *dst, const float *src, int64_t count) {
    MRC_ASSERT(g != NULL && count >= 0 && (count == 0 || (dst != NULL && src != NULL)));
    for (int64_t done = 0; done < count; done += g->batch) {
        int64_t now = count - done < g->batch ? count - done : g->batch;
        size_t at = (size_t)done * g->slice, floats = (size_t)now * g->slice;
        const float *in = src + at;
        if (now < g->batch) { /* samples do not see each other: what else is in the batch does not
                                 matter */
            memcpy(g->stage, in, floats * sizeof(float));
            in = g->stage;
        }
        memcpy(dst + at, mrc_pass_forward(g->pass, in), floats * sizeof(float));
        if (!g->mirror) continue;
        mirror_rows(g->stage, src + at, now * g->size, g->size, g->channels);
        average_mirrored(dst + at, mrc_pass_forward(g->pass, g->stage), now * g->size, g->size,
                         g->channels);
    }
}

void mrc_generator_destroy(mrc_generator *g) {
    if (g == NULL) return;
    mrc_pass_destroy(g->pass);
    mrc_free(g->stage);
    mrc_free(g->scratch);
    mrc_plan_destroy(g->plan);
    mrc_net_destroy(g->net);
    mrc_free(g);
}
