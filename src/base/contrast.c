/* contrast.c: names, as BIDS has them. */
#include "base/contrast.h"

#include <stddef.h>
#include <strings.h>

static const char *const names[MRC_CONTRASTS] = {
    [MRC_CONTRAST_UNKNOWN] = "unknown", [MRC_CONTRAST_T1W] = "T1w",
    [MRC_CONTRAST_T2W] = "T2w",         [MRC_CONTRAST_PDW] = "PDw",
    [MRC_CONTRAST_FLAIR] = "FLAIR",     [MRC_CONTRAST_T1W_CE] = "T1w-ce",
    [MRC_CONTRAST_T2STARW] = "T2starw", [MRC_CONTRAST_SWI] = "SWI"};

const char *mrc_contrast_name(enum mrc_contrast contrast) {
    bool known = contrast > MRC_CONTRAST_UNKNOWN && contrast < MRC_CONTRASTS;
    return names[known ? contrast : MRC_CONTRAST_UNKNOWN];
}

bool mrc_contrast_is_weighted(enum mrc_contrast contrast) {
    return contrast == MRC_CONTRAST_T1W || contrast == MRC_CONTRAST_T2W ||
           contrast == MRC_CONTRAST_PDW || contrast == MRC_CONTRAST_FLAIR;
}

enum mrc_status mrc_contrast_parse(enum mrc_contrast *out, const char *text,
                                   struct mrc_error *err) {
    static const char *const shorter[MRC_CONTRASTS] = {
        [MRC_CONTRAST_T1W] = "T1", [MRC_CONTRAST_T2W] = "T2", [MRC_CONTRAST_PDW] = "PD"};
    for (int c = MRC_CONTRAST_UNKNOWN + 1; c < MRC_CONTRASTS; ++c) {
        bool is_short = shorter[c] != NULL && strcasecmp(text, shorter[c]) == 0;
        if (strcasecmp(text, names[c]) != 0 && !is_short) continue;
        *out = (enum mrc_contrast)c;
        return MRC_OK;
    }
    return mrc_fail(err, MRC_ERR_ARGUMENT, "contrast \"%s\", expected T1w, T2w, PDw, FLAIR, ...",
                    text);
}
