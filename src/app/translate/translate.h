/* translate.h: one image in, the other contrast out, on the input's own grid. */
#ifndef MRC_APP_TRANSLATE_TRANSLATE_H
#define MRC_APP_TRANSLATE_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/common/events.h"
#include "base/status.h"
#include "io/contrast_map.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mrc_grid {
    MRC_GRID_SOURCE, /* the input's rows, columns, slices and place in the patient */
    MRC_GRID_MODEL   /* the axial slices the model works on, laid over the input */
};

/** How an image on the source's grid gets from the slices' pixels to the source's. */
enum mrc_upsampling {
    MRC_UPSAMPLE_GUIDED, /* with the source's detail (mrc_slices_to_volume_detailed) */
    MRC_UPSAMPLE_CUBIC   /* Catmull-Rom alone: as smooth as the slices are */
};

struct mrc_translate_options {
    const char *input;  /* a DICOM folder, a NIfTI file, a folder of PNG slices */
    const char *output; /* a folder for DICOM and PNG, a file for NIfTI; with `bids` the folder of
                           a BIDS derivative, new or not, in which the NIfTI file gets its name */
    bool bids;
    bool
        deidentify; /* by the rules of mrc_dicom_deidentify: nothing of the patient but the image */
    const char *key; /* for `deidentify`: the key file, made when absent; NULL: beside the output,
                        its name without .nii.gz and ".key" */
    enum mrc_contrast to;   /* one of the model's */
    enum mrc_contrast from; /* MRC_CONTRAST_UNKNOWN: the other one that the model has */
    const char *model;      /* as mrc_model_file_find takes it; NULL: the shipped one */
    enum mrc_source_kind
        format; /* MRC_SOURCE_NONE: NIfTI when the output's name says so, else the input's */
    bool int16; /* NIfTI in int16 with a slope; else in float32 */
    enum mrc_grid grid;
    enum mrc_upsampling upsampling;
    int64_t size;   /* pixels a side of the slices worked on, as mrc_generator_load takes it; 0: on
                       the model's grid the model's, on the source's twice that where the model can */
    bool one_plane; /* also where slices of three planes could be fused */
    bool no_mirror; /* apply the generator once, not to each slice and its mirror image
                       (mrc_generator_set_mirror) */
    const char *sheet;  /* PNG of some slices, source beside result; NULL: none */
    const char *report; /* a folder for report.json and report.html (report.h); NULL: none */
    bool report_dicom;  /* and there report.dcm, its figure as a Secondary Capture of the source's
                                study: of a DICOM source, and not with `deidentify` */
    bool report_beside; /* without `report`: beside the output, its name without .nii.gz and
                                "_report" */
    const char *uncertainty; /* the cycle error of each voxel, written as `output` is, or as NIfTI
                                when the name says so; NULL: none */
    const char *truth;  /* an image of the contrast asked for, shown in the sheet; NULL: none */
    bool assume_ras;    /* NIfTI without sform and qform: take the axes as RAS+ */
    const char *series; /* of several DICOM series the one so called (mrc_image_options.series);
                           NULL:   there is one */
    int64_t
        volume; /* of a NIfTI file of several volumes the one to take, from 1; 0: there is one */
    const mrc_contrast_map *map; /* overrules what is recognised; NULL: none */
    bool allow_gaps;             /* fill in slices that are missing in a DICOM series */
    bool allow_synthetic;        /* work on what is marked as synthetic */
    bool allow_derived;          /* work on what was computed from acquired images */
    bool from_is_known; /* the caller says that the input is of the contrast `to` starts from: for
                           one that does not tell itself */
    bool force;         /* work on an input recognised as another contrast */
    bool replace;       /* earlier results at these places may be replaced; no scan is */
    int64_t batch;      /* slices translated at once; 0: by their size */
};
#define MRC_TRANSLATE_DEFAULTS                                                                     \
    { .to = MRC_CONTRAST_T2W, .batch = 0 }

enum { MRC_TRANSLATE_PATH = 4096 };

struct mrc_translate_report {
    char output[MRC_TRANSLATE_PATH]; /* where the result is */
    enum mrc_source_kind format;     /* written */
    enum mrc_contrast recognised;    /* of the input */
    struct mrc_extent extent;        /* written */
    int64_t slices;                  /* translated */
    char model_name[64];
};

/** Reads, translates, writes. Everything is written under a temporary name and renamed when whole;
 * a failure leaves nothing behind. `report` and `events` may be NULL. MRC_ERR_UNSUPPORTED when the
 * input was recognised as a contrast other than the one the direction starts from, or was not
 * recognised and neither from_is_known nor force is set. Report and uncertainty need the model's
 * way back too. */
MRC_STATUS mrc_translate_run(const struct mrc_translate_options *options,
                             struct mrc_translate_report *report, const struct mrc_events *events,
                             struct mrc_error *err);

/** The same of a volume in memory: *out on options->grid, in [0,1], the caller's. Of the options only
 * to, model, grid, upsampling, size, no_mirror and batch are heeded, and nothing is written. The
 * volume is taken as what `to` starts from. `events` may be NULL. */
MRC_STATUS mrc_translate_volume(mrc_volume **out, const mrc_volume *source,
                                const struct mrc_translate_options *options,
                                const struct mrc_events *events, struct mrc_error *err);

/** And of an array, for languages that call C: voxels [n[2]][n[1]][n[0]] (the first axis fastest)
 * that lie where the 3 x 4 matrix says, out as many, in [0,1]. `to`: a contrast of the model, "T2w"; model: NULL or
 * "" for the shipped one; size: 0 or pixels a side; cubic: 0 for guided up-sampling; mirror: 0 to
 * apply the generator once. Returns enum mrc_status; its words go to why[capacity]. */
MRC_API int mrc_translate_array(float *out, const float *voxels, const int64_t n[3],
                                const double index_to_ras_mm[12], const char *to, const char *model,
                                int64_t size, int cubic, int mirror, char *why, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
