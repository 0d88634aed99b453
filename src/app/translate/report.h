/* report.h: how far a translation can be trusted, as figures for programs (report.json) and as one
 * page for people (report.html). No patient data: no names, paths, identifiers or dates. */
#ifndef MRC_APP_TRANSLATE_REPORT_H
#define MRC_APP_TRANSLATE_REPORT_H

#include <stdbool.h>

#include "base/status.h"
#include "io/volume.h"
#include "model/files/checkpoint.h"
#include "preprocess/slices.h"

struct mrc_report {
    enum mrc_contrast from, to, recognised;
    bool of_pictures; /* which tell nothing of left and right */
    const char *version, *model_name, *model_hash, *steps, *settings;
    const struct mrc_slices *before, *after;          /* what the network saw and made */
    const struct mrc_trained_images *input, *trained; /* figures of either (likeness.h) */
    const struct mrc_calibration *calibration;        /* of the model, into `to` */
    double room, room_to; /* of the two contrasts (model/files/contract.h): errors are told, and
                             pictures shown, as if there were none */
    const struct mrc_slices *cycle; /* the way back of `after` by the other generator */
    /* from here on filled in by mrc_report_measure */
    double distance; /* of the two; NAN: it cannot be told */
    double *errors; /* [count]: mean |cycle - before| of each slice inside the head; NAN: no head */
    double error, worst;              /* over the whole head; of the worst slice */
    int64_t worst_slice, head_slices; /* slice from 0, -1: none; slices that show the head */
    double expected;                  /* the bound of the calibration; NAN: none */
    double saturated;                 /* part of the head that is 0 or 1 in `after` */
};

/** Cycle error: mean |x - F(G(x))| of normalised intensities. Large where the translation lost what
 * the source shows; small does not prove that it is right, nor
 * that the input is of a kind the model knows (Zhu et al., CycleGAN, ICCV 2017). */
enum mrc_status mrc_report_measure(struct mrc_report *report, struct mrc_error *err);
void mrc_report_clear(struct mrc_report *report);
/** Writes report.json and report.html into the existing folder. */
enum mrc_status mrc_report_write(const struct mrc_report *report, const char *folder,
                                 struct mrc_error *err);

/** The figure of the page as one picture, with words that say what it is: grey values, 0 black to
 * 255 white, [height][width], the caller's (mrc_free). *out NULL: nothing shows the head. */
enum mrc_status mrc_report_picture(uint16_t **out, int *width_px, int *height_px,
                                   const struct mrc_report *report, struct mrc_error *err);

#endif
