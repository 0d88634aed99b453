/* image_name.h: what file and folder names tell: the contrast, label maps, the order of numbered
 * slices. Names only confirm or fill gaps; a name that says two things says nothing. */
#ifndef MRC_IO_IMAGE_NAME_H
#define MRC_IO_IMAGE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "io/volume.h"

/** What a file's name (no folders) says of its image. */
struct mrc_file_name_said {
    enum mrc_contrast contrast;
    bool unweighted; /* it is no plain weighted image, whatever else is said of it */
    bool labels;     /* the name ends in a word for masks and segmentations */
    char veto[120];  /* by which word: "'pve', a mask …"; "" when it may be one */
};
/** By the entities and the suffix of BIDS ("sub-1_part-mag_T2w.nii.gz"), by prefixes of SPM, and by
 * words (name_words.h). */
void mrc_file_name_read(struct mrc_file_name_said *out, const char *name);

/** The contrast a name (no folders) speaks of: the BIDS suffix ("sub-1_T2w.nii.gz") when there is
 * one, else its words ("Subj4_T1.nii", "t2-flair", "T1 Gd"). Two different ones, or a word that says
 * that it is no plain weighted image: unknown. */
enum mrc_contrast mrc_contrast_from_name(const char *name);

/** Has the name a word for an object that is scanned in place of a patient: "phantom", "phantom01",
 * "ACR"? Of a patient (`who`) also "test", "QA", "fruit" and the like, with numbers or without. */
bool mrc_name_is_phantom(const char *name, bool who);

/** Has the name or path a word for those whose white matter is not yet myelinated: "infant",
 * "neonatal", "fetal" …? */
bool mrc_name_is_infant(const char *name);

/** How long a name is without its .nii or .nii.gz, in any case; strlen for a name with neither. */
size_t mrc_nifti_stem(const char *name);

/** Where the sidecar of a NIfTI file lies: the name without .nii, .nii.gz, .hdr or .img, and
 * ".json". The caller's (mrc_free); NULL when memory is exhausted. */
char *mrc_nifti_sidecar_path(const char *path);

/** "a.img" for "a.hdr" and the other way round, in the case of the name. The caller's; NULL: out of
 * memory. */
char *mrc_nifti_twin(const char *path);

/** The files that reading `path` may look at, by `which` from 0: itself, and of a NIfTI file its
 * sidecar and the other half of a pair. "" where there is none such; NULL: no more. What is neither
 * lies in *room, which is freed when the next is asked for. Start with *room NULL. */
const char *mrc_image_reads(char **room, const char *path, size_t which);
enum { MRC_IMAGE_READS = 3 };

/** strcmp, but runs of digits compare as numbers: "Image #2" comes before "Image #10". Equal only
 * for equal strings. */
int mrc_natural_compare(const char *a, const char *b);

#endif
