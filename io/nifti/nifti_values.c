/* nifti_values.c: thresholds from what is found: of neighbours inside a head 0 to 40 % have the same
 * value (noise, 8 bits), inside label maps 80 % and more; of a normalised image at most a few per
 * cent lie at its end, of a tissue's probabilities a fifth and more. */
#include "io/nifti/nifti_values.h"

#include <math.h>

static const double most_same = 0.6, most_full = 0.15, least_numbers = 0.01;
enum { FEW = 100 }; /* pairs that tell nothing */

void mrc_nifti_values_see(struct mrc_nifti_values *seen, const float *values, size_t count) {
    float last = seen->last;
    for (size_t i = 0; i < count; ++i) {
        float v = values[i];
        if (!isfinite(v)) {
            ++seen->nonfinite;
            v = 0.0f;
        } else {
            bool first = seen->lo > seen->hi;
            seen->lo = first || v < seen->lo ? v : seen->lo;
            seen->hi = first || v > seen->hi ? v : seen->hi;
            seen->integers = seen->integers && v == rintf(v);
        }
        seen->inside += v != 0.0f;
        seen->full += v >= 0.98f;
        seen->pairs += v != 0.0f && last != 0.0f;
        seen->same += v != 0.0f && v == last;
        last = v;
    }
    seen->last = last;
    seen->count += (int64_t)count;
}

const char *mrc_nifti_values_objection(const struct mrc_nifti_values *seen) {
    if (seen->count == 0) return NULL; /* not read */
    double numbers = (double)(seen->count - seen->nonfinite);
    if (numbers < least_numbers * (double)seen->count)
        return "nearly all voxels are NaN or infinite, expected an image";
    bool patches = (double)seen->same > most_same * (double)seen->pairs && seen->pairs >= FEW;
    if (patches && seen->integers && seen->lo < seen->hi)
        return "a label map by its values: whole numbers, nearly all as their neighbours";
    bool parts = seen->lo >= 0.0f && seen->hi > 0.98f && seen->hi <= 1.001f;
    if (parts && (double)seen->full > most_full * (double)seen->inside && seen->inside >= FEW)
        return "a map of probabilities by its values: 0 to 1, and many at the end";
    return NULL;
}

float mrc_nifti_values_background(const struct mrc_nifti_values *seen) {
    return seen->lo <= seen->hi && seen->lo < 0.0f ? seen->lo : 0.0f;
}
