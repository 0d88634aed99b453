/* image.h: the one way in. A path of any supported kind becomes a volume, or a line about what lies
 * there. A format is one file with one constant record (conventions C14); image.c holds the table
 * of them and nothing else. */
#ifndef MRC_IO_IMAGE_H
#define MRC_IO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One series, NIfTI file or folder of pictures, described without reading its voxels. Texts are
 * owned by the record. */
struct mrc_image_info {
    char *path; /* the folder (DICOM: around all of its files; PNG) or file (NIfTI) */
    enum mrc_source_kind kind;
    char modality[17]; /* "MR", "CT", … ; "" where the format does not say */
    enum mrc_contrast contrast;
    bool unweighted; /* something says that it is no plain weighted image: a map, a scout …;
                               its contrast is unknown then */
    bool usable;     /* it can be loaded */
    enum mrc_status status; /* MRC_OK when usable; else what loading it would fail with */
    bool unnamed;           /* not usable only because nothing tells its contrast */
    bool doubted;           /* not usable only for what its name or values look like: a contrast
                               that the user's map gives it makes it so */
    char reason[200];       /* why not, or how the contrast was recognised; no patient data */
    int64_t files, slices, rows, columns;
    double spacing_mm[3]; /* between rows, between columns, between slices */
    enum mrc_orientation orientation;
    int64_t volumes;              /* NIfTI: in the file (4-D); one must be chosen to load it */
    bool physical;                /* spacing and orientation mean something */
    struct mrc_geometry geometry; /* of the grid, k along the slices; zero where not physical */
    char manufacturer[65];
    char series_uid[65]; /* DICOM only; for choosing, never for printing unless asked */
    char series_description[65], protocol_name[65], sequence_name[17]; /* as the file has them: to
                                                          choose by, never to print */
    char station[17], body_part[17];                                   /* DICOM: the same */
    int64_t series_number;                                             /* DICOM; 0: not said */
    char selector[24]; /* DICOM: what chooses it among all it was found with (options.series): "4",
                          or "4:2" for the second volume of the series numbered 4; "" elsewhere */
    char **members;    /* DICOM, and a .hdr/.img pair: its files, each once; else NULL */
    size_t member_count;
    int64_t frame;  /* DICOM: that of its first slice in members[0]; 0: no multi-frame file */
    bool synthetic; /* marked as computed by a network or the like, not acquired */
    bool derived; /* computed from acquired images: MPR, maps … ; never true of a synthetic one */
    bool phantom; /* of an object and no patient, by its header or name; not of a generated head */
    bool infant;  /* younger than two years, by its header, name or path: contrasts are nearly an
                     adult's reversed */
};
struct mrc_image_refusal {
    char *path;
    enum mrc_status status; /* what loading it would fail with */
    char reason[300];
    bool aside; /* what usually lies beside images: nothing is lost with it */
};
struct mrc_image_list {
    struct mrc_image_info *items;
    size_t count, capacity;
    struct mrc_image_refusal *refused;
    size_t refused_count, refused_capacity;
};
/** Folders of which each has another part of one series (the same SeriesInstanceUID, no
 * SOPInstanceUID twice) are described as one; copies of a series are not.
 *
 * Adds what lies at `path` (a file, or a folder searched to the bottom) to the list. Every file
 * below it goes into exactly one item or one refusal, and what is no file and no folder to look
 * into (links to folders, pipes, unreadable folders) into a refusal. Broken files are refusals, not
 * errors, be it that they crash their reader; an error is a path that does not exist or cannot be
 * read at all. Only headers are read, several files at a time, in child processes. */
MRC_STATUS mrc_image_list_scan(struct mrc_image_list *list, const char *path,
                               struct mrc_error *err);
/** The same; `options` may be NULL. */
struct mrc_scan_options {
    size_t most_files; /* more are MRC_ERR_RANGE; 0: 50,000 */
    void *context;     /* of the callbacks, each of which may be NULL */
    void (*progress)(void *context, int64_t done, int64_t total); /* files */
    bool (*cancelled)(void *context); /* true: ends with MRC_ERR_CANCELLED */
};
MRC_STATUS mrc_image_list_scan_with(struct mrc_image_list *list, const char *path,
                                    const struct mrc_scan_options *options, struct mrc_error *err);
MRC_API void mrc_image_list_clear(struct mrc_image_list *list);
/** Loads what readers need of the system, such as the DICOM dictionary: to be called before child
 * processes read, which see the files they read and nothing else. */
void mrc_image_prepare(void);

/** What mrc_image_list_scan says of each of these files by itself, though all headers are read in
 * one go. `take` is called once a file, folder by folder and by name within each; a failure ends
 * it. */
MRC_STATUS mrc_image_scan_each(char *const *paths, size_t count,
                               enum mrc_status (*take)(void *context, const char *path,
                                                       const struct mrc_image_list *list,
                                                       struct mrc_error *err),
                               void *context, struct mrc_error *err);

struct mrc_contrast_map; /* io/contrast_map.h */
struct mrc_image_options {
    bool assume_ras; /* NIfTI without sform and qform: take the axes as RAS+ instead of refusing */
    bool allow_synthetic; /* accept what is marked as synthetic */
    bool allow_derived;   /* accept what was computed from acquired images */
    bool labels;     /* a map of labels is wanted: accept what by name, header or values is one */
    bool flat;       /* of a folder: its own files only, none of the folders below */
    int64_t volume;  /* NIfTI of several volumes (4-D): the one to load, from 1; 0: there is one */
    bool allow_gaps; /* DICOM: fill slices that are missing in between, instead of refusing */
    const char *series; /* DICOM: only the one so called: SeriesNumber "4", or "4:2" for the second
                         * volume of it, or the beginning of a SeriesInstanceUID, which has a point;
                         * NULL: any */
    const char *member; /* DICOM: only the volume that holds this file (mrc_image_load sets it when
                         * it is given a file); NULL: any */
    int64_t frame;      /* and this frame of it; 0: any */
    const struct mrc_contrast_map *map; /* overrules the contrast that is recognised; NULL: none */
    enum mrc_contrast wanted; /* of several images that can be used the only one of this contrast;
                                 unknown: there must be one */
};
#define MRC_IMAGE_DEFAULTS                                                                         \
    {                                                                                              \
        .assume_ras = false, .allow_synthetic = false, .allow_derived = false, .labels = false,    \
        .flat = false, .volume = 0, .allow_gaps = false, .series = NULL, .member = NULL,           \
        .frame = 0, .map = NULL, .wanted = MRC_CONTRAST_UNKNOWN                                    \
    }

/** Loads the one image at `path`: a DICOM folder with exactly one usable series (or one DICOM
 * file's series folder), a NIfTI file, a folder of PNG slices or one PNG. Several usable series are
 * an error that lists how many and asks for one folder. `options` may be NULL. */
MRC_STATUS mrc_image_load(mrc_volume **out, const char *path,
                          const struct mrc_image_options *options, struct mrc_error *err);

/** Loads what an item of a list describes, from its own files and no others: how its folder was
 * searched and what lies beside it has been judged when it was listed. `options` as above (`flat`,
 * `series`, `member` and `frame` are not used); NULL: defaults. */
MRC_STATUS mrc_image_load_item(mrc_volume **out, const struct mrc_image_info *item,
                               const struct mrc_image_options *options, struct mrc_error *err);

/* --- Formats (conventions C14) --- */

struct mrc_probe {
    const char *path;
    const unsigned char *head; /* the first bytes of the file, read once for all formats */
    size_t head_bytes;
};
/** One file, and what its header says. */
struct mrc_image_file {
    char *path;
    const struct mrc_format *format; /* that claims it; NULL: nobody's */
    enum mrc_status status;          /* of reading its header */
    char *reason;                    /* why that failed, without the path; else NULL */
    void *record;                    /* what it says, as the format keeps it; NULL when it failed */
    size_t record_bytes;
    bool probed;  /* its first bytes could be read */
    bool no_text; /* empty, or with zeros at its beginning, as damaged images are */
    bool ended;   /* its reader crashed, or took too long or too much memory */
    bool odd;     /* its reader sent what is no record */
};
struct mrc_format {
    const char *name;
    enum mrc_source_kind kind;
    /** Strict and silent: is this file mine? */
    bool (*probe)(const struct mrc_probe *file);
    /** Reads one file's header into a record of plain bytes (mrc_alloc, no pointers that matter):
     * runs in a child process. */
    enum mrc_status (*read)(void **record, size_t *bytes, const char *path, struct mrc_error *err);
    /** Can these bytes be such a record, whatever happened to the process that sent them? */
    bool (*check)(const void *record, size_t bytes);
    /** Of which whole is the file a part, be it spread over folders, and of which part is it the
     * image: texts inside the record. False: its folder is all it belongs to. NULL: so for all. */
    bool (*part_of)(const char **whole, const char **part, const struct mrc_image_file *file);
    /** Describes the files of one folder that probed as this format (by name). DICOM groups them
     * into series, PNG makes one stack, NIfTI makes one item a file. What cannot be used is
     * appended to `refused`. */
    enum mrc_status (*scan)(struct mrc_image_list *list, const struct mrc_image_file *const *files,
                            size_t count, struct mrc_error *err);
    /** Is `load` to be called in a child process (io/apart.h)? False: it keeps the files' bytes in
     * children itself. */
    bool load_apart;
    /** Loads the one image made of these files. */
    enum mrc_status (*load)(mrc_volume **out, const struct mrc_image_file *const *files,
                            size_t count, const struct mrc_image_options *options,
                            struct mrc_error *err);
};
extern const struct mrc_format mrc_format_nifti, mrc_format_dicom, mrc_format_png;

/** For the formats: a new zeroed item / a refusal with a formatted reason. */
enum mrc_status mrc_image_list_add(struct mrc_image_list *list, struct mrc_image_info **item,
                                   struct mrc_error *err);
MRC_PRINTF(5, 6)
enum mrc_status mrc_image_list_refuse(struct mrc_image_list *list, const char *path,
                                      enum mrc_status why, struct mrc_error *err, const char *fmt,
                                      ...);

#ifdef __cplusplus
}
#endif
#endif
