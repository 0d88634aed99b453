/* made.h: volumes and files the tests of io make for themselves. */
#ifndef MRC_TESTS_IO_MADE_H
#define MRC_TESTS_IO_MADE_H

#include <stddef.h>

#include "io/dicom/derived.h"
#include "io/volume.h"

/** A folder of its own under $TMPDIR or /tmp; made_clear removes it with all in it. */
const char *made_dir(void);
void made_clear(void);
/** "dir/name"; good until 32 more were asked for. */
const char *made_path(const char *name);

/** A volume whose voxel (i, j, k) is `first` + i + 10 j + 100 k, on the given matrix; NULL: no
 * physical geometry. */
mrc_volume *made_volume(struct mrc_extent extent, double index_to_ras_mm[3][4], float first);
/** The same grid, voxels in [0,1]. */
mrc_volume *made_result(const mrc_volume *source);

/** Reads a file, at most 64 MiB. The bytes are the caller's (mrc_free). */
unsigned char *made_read(const char *path, size_t *size);
void made_write(const char *path, const void *data, size_t size);

/** From now on no file may grow beyond `bytes`: what a full disk looks like to a writer. 0: as
 * before. */
void made_limit_files(size_t bytes);

extern const struct mrc_derivation made_derivation;

#endif
