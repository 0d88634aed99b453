/* diff_augment.c: brightness, contrast, translation, cutout, in the order of the authors' code. */
#include "model/gan/diff_augment.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

/* The authors' strengths; their brightness of 0.5 is for images from -1 to 1. */
static const double BRIGHTNESS = 0.25, CONTRAST = 0.5, TRANSLATION = 0.125, CUTOUT = 0.5;

static const struct {
    const char *name;
    int64_t policy;
} names[] = {{"color", MRC_DIFF_COLOR}, /* what fits first is printed */
             {"brightness", MRC_DIFF_BRIGHTNESS},
             {"contrast", MRC_DIFF_CONTRAST},
             {"translation", MRC_DIFF_TRANSLATION},
             {"cutout", MRC_DIFF_CUTOUT}};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

void mrc_diff_augment_print(char out[MRC_DIFF_AUGMENT_TEXT], int64_t policy) {
    size_t used = 0;
    (void)snprintf(out, MRC_DIFF_AUGMENT_TEXT, "none");
    for (size_t i = 0; i < NAMES; ++i) {
        if ((policy & names[i].policy) != names[i].policy) continue;
        policy &= ~names[i].policy;
        int length = snprintf(out + used, MRC_DIFF_AUGMENT_TEXT - used, "%s%s", used > 0 ? "," : "",
                              names[i].name);
        MRC_ASSERT(length > 0 && used + (size_t)length < MRC_DIFF_AUGMENT_TEXT);
        used += (size_t)length;
    }
}

/* 0: no such name. */
static int64_t policy_of(const char *word, size_t length) {
    for (size_t i = 0; i < NAMES; ++i)
        if (strlen(names[i].name) == length && strncmp(word, names[i].name, length) == 0)
            return names[i].policy;
    return 0;
}

enum mrc_status mrc_diff_augment_parse(int64_t *out, const char *text, struct mrc_error *err) {
    int64_t policy = 0;
    const char *word = strcmp(text, "none") == 0 ? NULL : text;
    while (word != NULL) {
        size_t length = strcspn(word, ",");
        int64_t more = policy_of(word, length);
        if (more == 0)
            return mrc_fail(err, MRC_ERR_ARGUMENT,
                            "DiffAugment policy \"%.40s\", expected none or some of color, "
                            "brightness, contrast, translation, cutout with commas between",
                            text);
        policy |= more;
        word = word[length] == ',' ? word + length + 1 : NULL;
    }
    *out = policy;
    return MRC_OK;
}

static int64_t clip(int64_t at, int64_t size) {
    return at < 0 ? 0 : at > size ? size : at;
}

/* What is drawn does not depend on which of the changes are switched on. */
struct mrc_diff_draw mrc_diff_augment_draw(int64_t policy, int64_t size, struct mrc_rng *rng) {
    const int64_t reach = (int64_t)((double)size * TRANSLATION + 0.5);
    const int64_t side = (int64_t)((double)size * CUTOUT + 0.5);
    double brightness = BRIGHTNESS * (2.0 * mrc_rng_uniform(rng) - 1.0);
    double contrast = 1.0 + CONTRAST * (2.0 * mrc_rng_uniform(rng) - 1.0);
    int64_t shift[2], first[2];
    for (int i = 0; i < 2; ++i)
        shift[i] = (int64_t)mrc_rng_below(rng, (uint64_t)(2 * reach + 1)) - reach;
    for (int i = 0; i < 2; ++i)
        first[i] = (int64_t)mrc_rng_below(rng, (uint64_t)(size + 1 - side % 2)) - side / 2;
    struct mrc_diff_draw draw = {.contrast = 1.0};
    if ((policy & MRC_DIFF_BRIGHTNESS) != 0) draw.brightness = brightness;
    if ((policy & MRC_DIFF_CONTRAST) != 0) draw.contrast = contrast;
    if ((policy & MRC_DIFF_TRANSLATION) != 0) {
        draw.shift_y = shift[0];
        draw.shift_x = shift[1];
    }
    if ((policy & MRC_DIFF_CUTOUT) != 0) {
        draw.cut_top = clip(first[0], size);
        draw.cut_bottom = clip(first[0] + side, size);
        draw.cut_left = clip(first[1], size);
        draw.cut_right = clip(first[1] + side, size);
    }
    return draw;
}

/* Whether (y, x) of what is seen shows a pixel of the image, and which. */
static bool is_shown(int64_t *from, int64_t y, int64_t x, int64_t size,
                     const struct mrc_diff_draw *draw) {
    int64_t from_y = y - draw->shift_y, from_x = x - draw->shift_x;
    *from = from_y * size + from_x;
    bool is_cut =
        y >= draw->cut_top && y < draw->cut_bottom && x >= draw->cut_left && x < draw->cut_right;
    return !is_cut && from_y >= 0 && from_y < size && from_x >= 0 && from_x < size;
}

void mrc_diff_augment_apply(float *dst, const float *src, int64_t size, int64_t channels,
                            const struct mrc_diff_draw *draw) {
    const int64_t count = size * size * channels;
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += (double)src[i];
    const double added = (1.0 - draw->contrast) * sum / (double)count + draw->brightness;
    for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x) {
            int64_t from;
            float *to = dst + (y * size + x) * channels;
            bool shown = is_shown(&from, y, x, size, draw);
            for (int64_t c = 0; c < channels; ++c)
                to[c] = shown ? (float)(draw->contrast * (double)src[from * channels + c] + added)
                              : 0.0f;
        }
}

void mrc_diff_augment_backward(float *d, const float *d_seen, int64_t size, int64_t channels,
                               const struct mrc_diff_draw *draw) {
    const int64_t count = size * size * channels;
    double sum = 0.0;
    for (int64_t y = 0; y < size; ++y)
        for (int64_t x = 0; x < size; ++x) {
            int64_t from;
            if (!is_shown(&from, y, x, size, draw)) continue;
            for (int64_t c = 0; c < channels; ++c) {
                double at = (double)d_seen[(y * size + x) * channels + c];
                d[from * channels + c] += (float)(draw->contrast * at);
                sum += at;
            }
        }
    const float of_mean = (float)((1.0 - draw->contrast) * sum / (double)count);
    for (int64_t i = 0; i < count; ++i) d[i] += of_mean;
}
