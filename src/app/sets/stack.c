/* stack.c: neighbouring slices become channels. */
#include "app/sets/stack.h"

#include <string.h>

void mrc_stack_gather(float *dst, const float *pixels, int64_t count, int64_t size,
                      int64_t channels, int64_t k) {
    int64_t plane = size * size;
    if (channels == 1) {
        memcpy(dst, pixels + k * plane, (size_t)plane * sizeof *dst);
        return;
    }
    for (int64_t c = 0; c < channels; ++c) {
        int64_t neighbour = k + c - channels / 2;
        if (neighbour < 0) neighbour = 0;
        if (neighbour > count - 1) neighbour = count - 1;
        const float *src = pixels + neighbour * plane;
        for (int64_t p = 0; p < plane; ++p) dst[p * channels + c] = src[p];
    }
}

void mrc_stack_middle(float *dst, const float *src, int64_t size, int64_t channels) {
    for (int64_t p = 0; p < size * size; ++p) dst[p] = src[p * channels + channels / 2];
}
