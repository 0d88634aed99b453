/* sampler.c: inference passes of both generators over fixed slices, made once. */
#include "app/train/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/pages/sheet.h"
#include "app/sets/stack.h"
#include "base/alloc.h"

enum { SAMPLES = 4, SHEET_COLUMNS = 6, NETS = 4 };

struct mrc_sampler {
    mrc_cyclegan *gan;
    struct mrc_dataset *dataset;
    mrc_plan *plans[NETS]; /* of G, F, D_Y, D_X */
    mrc_pass *passes[NETS];
    void *scratch;
    float *kept[2]; /* the live weights while the moving averages stand in; NULL without averages */
    float *images;  /* [SHEET_COLUMNS][SAMPLES][size][size][channels], columns as on the sheet */
    float *shown;   /* [SAMPLES][SHEET_COLUMNS][size][size] */
    size_t bytes;
};

static const enum mrc_cyclegan_net nets[NETS] = {MRC_NET_G, MRC_NET_F, MRC_NET_D_Y, MRC_NET_D_X};

static size_t column_floats(const struct mrc_sampler *s) {
    return (size_t)(SAMPLES * s->dataset->size * s->dataset->size * s->dataset->channels);
}

static enum mrc_status make_passes(struct mrc_sampler *s, struct mrc_error *err) {
    struct mrc_shape in = {SAMPLES, s->dataset->channels, 1, s->dataset->size, s->dataset->size};
    size_t scratch_bytes = 0;
    enum mrc_status status = MRC_OK;
    for (int g = 0; status == MRC_OK && g < NETS; ++g) {
        mrc_net *net = mrc_cyclegan_net_of(s->gan, nets[g]);
        status = mrc_plan_create(&s->plans[g], net, in, MRC_PLAN_INFERENCE, err);
        if (status == MRC_OK && mrc_plan_scratch_bytes(s->plans[g]) > scratch_bytes)
            scratch_bytes = mrc_plan_scratch_bytes(s->plans[g]);
    }
    s->bytes += scratch_bytes;
    for (int g = 0; status == MRC_OK && g < NETS; ++g) s->bytes += mrc_plan_pass_bytes(s->plans[g]);
    if (status == MRC_OK && (s->scratch = mrc_alloc(scratch_bytes, 1)) == NULL)
        status = mrc_fail(err, MRC_ERR_NOMEM, "samples: out of memory");
    for (int g = 0; status == MRC_OK && g < NETS; ++g)
        status = mrc_pass_create(&s->passes[g], mrc_cyclegan_net_of(s->gan, nets[g]), s->plans[g],
                                 s->scratch, err);
    return status;
}

static enum mrc_status make_buffers(struct mrc_sampler *s, struct mrc_error *err) {
    bool averages = mrc_cyclegan_get_settings(s->gan)->ema_decay > 0.0;
    size_t shown = (size_t)(SAMPLES * SHEET_COLUMNS * s->dataset->size * s->dataset->size);
    s->bytes += (SHEET_COLUMNS * column_floats(s) + shown) * sizeof(float);
    bool complete = (s->images = mrc_alloc(SHEET_COLUMNS * column_floats(s), sizeof(float))) &&
                    (s->shown = mrc_alloc(shown, sizeof(float)));
    for (int g = 0; complete && averages && g < 2; ++g) {
        size_t n = mrc_net_size(mrc_cyclegan_net_of(s->gan, nets[g]));
        s->bytes += n * sizeof(float);
        complete = (s->kept[g] = mrc_alloc(n, sizeof(float))) != NULL;
    }
    return complete ? MRC_OK : mrc_fail(err, MRC_ERR_NOMEM, "samples: out of memory");
}

static void fetch_real(struct mrc_sampler *s) {
    size_t image = column_floats(s) / SAMPLES;
    for (int domain = 0; domain < MRC_DOMAIN_COUNT; ++domain) {
        size_t count = s->dataset->domains[domain].place_count;
        float *column = s->images + (domain == MRC_DOMAIN_X ? 0 : 3) * column_floats(s);
        for (size_t n = 0; n < SAMPLES; ++n)
            mrc_dataset_fetch(s->dataset, column + n * image, domain,
                              (2 * n + 1) * count / (2 * SAMPLES));
    }
}

enum mrc_status mrc_sampler_create(mrc_sampler **out, mrc_cyclegan *gan,
                                   struct mrc_dataset *dataset, struct mrc_error *err) {
    struct mrc_sampler *s = mrc_alloc(1, sizeof *s);
    if (s == NULL) return mrc_fail(err, MRC_ERR_NOMEM, "samples: out of memory");
    s->gan = gan;
    s->dataset = dataset;
    enum mrc_status status = make_passes(s, err);
    if (status == MRC_OK) status = make_buffers(s, err);
    if (status != MRC_OK) {
        mrc_sampler_destroy(s);
        return status;
    }
    fetch_real(s);
    *out = s;
    return MRC_OK;
}

size_t mrc_sampler_bytes(const mrc_sampler *sampler) {
    return sampler->bytes;
}

void mrc_sampler_destroy(mrc_sampler *sampler) {
    if (sampler == NULL) return;
    for (int g = 0; g < NETS; ++g) {
        mrc_pass_destroy(sampler->passes[g]);
        mrc_plan_destroy(sampler->plans[g]);
    }
    for (int g = 0; g < 2; ++g) mrc_free(sampler->kept[g]);
    mrc_free(sampler->scratch);
    mrc_free(sampler->images);
    mrc_free(sampler->shown);
    mrc_free(sampler);
}

/* Puts the weights one would use into the nets, and back. */
static void use_best_weights(struct mrc_sampler *s, bool use) {
    for (int g = 0; g < 2; ++g) {
        if (s->kept[g] == NULL) continue;
        mrc_net *net = mrc_cyclegan_net_of(s->gan, nets[g]);
        size_t bytes = mrc_net_size(net) * sizeof(float);
        if (use) {
            memcpy(s->kept[g], mrc_net_values(net), bytes);
            memcpy(mrc_net_values(net), mrc_cyclegan_best_weights(s->gan, nets[g]), bytes);
        } else {
            memcpy(mrc_net_values(net), s->kept[g], bytes);
        }
    }
}

static void apply(struct mrc_sampler *s, int generator, int to_column, int from_column) {
    size_t floats = column_floats(s);
    const float *made =
        mrc_pass_forward(s->passes[generator], s->images + (size_t)from_column * floats);
    memcpy(s->images + (size_t)to_column * floats, made, floats * sizeof(float));
}

void mrc_sampler_apply(mrc_sampler *s, int generator, float *dst, const float *src, int64_t count) {
    size_t floats = column_floats(s);
    MRC_ASSERT(count % SAMPLES == 0);
    use_best_weights(s, true);
    for (size_t done = 0; done < (size_t)count / SAMPLES; ++done)
        memcpy(dst + done * floats, mrc_pass_forward(s->passes[generator], src + done * floats),
               floats * sizeof(float));
    use_best_weights(s, false);
}

static double mean_verdict(struct mrc_sampler *s, int judge, const float *images, int64_t count) {
    const enum mrc_gan_mode mode = mrc_cyclegan_get_settings(s->gan)->gan_mode;
    size_t map = mrc_shape_count(mrc_plan_output(s->plans[judge])), floats = column_floats(s);
    double sum = 0.0;
    for (size_t done = 0; done < (size_t)count / SAMPLES; ++done) {
        const float *verdict = mrc_pass_forward(s->passes[judge], images + done * floats);
        for (size_t i = 0; i < map; ++i) {
            double v = (double)verdict[i];
            if (mode == MRC_GAN_HINGE) v = 0.5 * (v + 1.0); /* from -1 and 1 to 0 and 1 */
            sum += mode == MRC_GAN_BCE ? 1.0 / (1.0 + exp(-v)) : fmin(fmax(v, 0.0), 1.0);
        }
    }
    return sum / ((double)map * (double)count / SAMPLES);
}

void mrc_sampler_judge(mrc_sampler *s, double gap[2], const float *const fake[2],
                       const float *const real[2], int64_t count) {
    MRC_ASSERT(count % SAMPLES == 0);
    for (int k = 0; k < 2; ++k)
        gap[k] =
            mean_verdict(s, 2 + k, real[1 - k], count) - mean_verdict(s, 2 + k, fake[k], count);
}

enum mrc_status mrc_sampler_save(mrc_sampler *s, const char *title, const char *path,
                                 struct mrc_error *err) {
    static const char *const kinds[3] = {"real", "fake", "reconstructed"};
    char texts[SHEET_COLUMNS][40];
    const char *labels[SHEET_COLUMNS];
    for (int c = 0; c < SHEET_COLUMNS; ++c) {
        int domain = (c / 3 + c % 3) % 2; /* x, G(x), F(G(x)); y, F(y), G(F(y)) */
        snprintf(texts[c], sizeof texts[c], "%s %s", mrc_dataset_contrast(s->dataset, domain),
                 kinds[c % 3]);
        labels[c] = texts[c];
    }
    use_best_weights(s, true);
    apply(s, 0, 1, 0);
    apply(s, 1, 2, 1);
    apply(s, 1, 4, 3);
    apply(s, 0, 5, 4);
    use_best_weights(s, false);

    int64_t size = s->dataset->size, channels = s->dataset->channels;
    const float *images[SAMPLES * SHEET_COLUMNS];
    const double x = 1.0 / s->dataset->room[MRC_DOMAIN_X], y = 1.0 / s->dataset->room[MRC_DOMAIN_Y];
    const double white[SHEET_COLUMNS] = {x, y, x, y, x, y};
    for (int64_t n = 0; n < SAMPLES; ++n) {
        for (int64_t c = 0; c < SHEET_COLUMNS; ++c) {
            float *shown = s->shown + (n * SHEET_COLUMNS + c) * size * size;
            const float *made = s->images + (c * SAMPLES + n) * size * size * channels;
            mrc_stack_middle(shown, made, size, channels);
            images[n * SHEET_COLUMNS + c] = shown;
        }
    }
    struct mrc_sheet sheet = {.title = title,
                              .footer = "fake and reconstructed images are synthetic",
                              .rows = SAMPLES,
                              .columns = SHEET_COLUMNS,
                              .images = images,
                              .image_width = size,
                              .image_height = size,
                              .zoom = size > 128 ? 1 : 2,
                              .column_white = white,
                              .column_labels = labels};
    return mrc_sheet_save(&sheet, path, err);
}
