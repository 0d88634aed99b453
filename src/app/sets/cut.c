/* cut.c: see cut.h. */
#include "app/sets/cut.h"

#include <string.h>

#include "app/sets/dataset.h"

enum mrc_status mrc_cut_check(const struct mrc_contract *c, const char *name,
                              struct mrc_error *err) {
    const char *wrong = NULL;
    if (c->dims != 2)
        wrong = "volumes";
    else if ((c->planes & MRC_PLANE_AXIAL) == 0)
        wrong = "slices other than axial";
    else if (c->channels != MRC_CHANNELS_SLICE && c->channels != MRC_CHANNELS_NEIGHBOURS)
        wrong = "colours or several contrasts at once";
    else if (c->sample.h != c->sample.w)
        wrong = "slices that are not square";
    if (wrong == NULL) return MRC_OK;
    return mrc_fail(err, MRC_ERR_UNSUPPORTED, "%s: made for %s, expected square axial slices", name,
                    wrong);
}

enum mrc_status mrc_cut_options(struct mrc_slices_options *out, const struct mrc_contract *contract,
                                enum mrc_contrast contrast, const mrc_volume *as_stored,
                                const char *name, struct mrc_error *err) {
    *out = (struct mrc_slices_options)MRC_SLICES_DEFAULTS;
    out->size = contract->sample.h;
    out->low_percentile = contract->low_percentile;
    out->high_percentile = contract->high_percentile;
    out->room = mrc_contract_room(contract, contrast);
    out->field_mm = contract->pixel_mm * (double)contract->sample.h;
    enum mrc_status status = mrc_cut_check(contract, name, err);
    if (status == MRC_OK && contract->stored)
        status = mrc_stored_range(&out->stored_range, as_stored, name, err);
    return status;
}

/* Of more contrasts than are expected those alone, in that order. */
static struct mrc_contract of_contrasts(const struct mrc_contract *has,
                                        const struct mrc_contract *expected) {
    struct mrc_contract out = *has;
    if (has->contrast_count <= expected->contrast_count) return out;
    out.contrast_count = 0;
    for (int i = 0; i < expected->contrast_count; ++i) {
        const int own = mrc_contract_index(has, expected->contrasts[i]);
        if (own < 0) continue;
        out.contrasts[out.contrast_count] = has->contrasts[own];
        out.room[out.contrast_count++] = has->room[own];
    }
    return out;
}

enum mrc_status mrc_cut_compare(const struct mrc_contract *has, const struct mrc_contract *expected,
                                const char *name, struct mrc_error *err) {
    static const enum mrc_contract_key keys[] = {MRC_CONTRACT_LIST,      MRC_CONTRACT_DIMS,
                                                 MRC_CONTRACT_PIXEL,     MRC_CONTRACT_PLANES,
                                                 MRC_CONTRACT_NORMALISE, MRC_CONTRACT_ROOM};
    const struct mrc_contract part = of_contrasts(has, expected);
    char own[MRC_CONTRACT_TEXT], other[MRC_CONTRACT_TEXT];
    for (size_t k = 0; k < sizeof keys / sizeof *keys; ++k) {
        mrc_contract_print(own, &part, keys[k]);
        mrc_contract_print(other, expected, keys[k]);
        if (strcmp(own, other) == 0) continue;
        if (keys[k] == MRC_CONTRACT_LIST) mrc_contract_print(own, has, keys[k]);
        return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: made with %s %s, expected %s", name,
                        mrc_contract_key_name(keys[k]), own, other);
    }
    if (has->sample.h == expected->sample.h && has->sample.w == expected->sample.w) return MRC_OK;
    return mrc_fail(err, MRC_ERR_ARGUMENT, "%s: slices of %lld x %lld pixels, expected %lld x %lld",
                    name, (long long)has->sample.w, (long long)has->sample.h,
                    (long long)expected->sample.w, (long long)expected->sample.h);
}
