/* nifti_stream.h: the bytes of a file that may be gzip-compressed, by its content and not its name,
 * read front to back. A stream that ends early or fails its checksum is an error that names the
 * file. */
#ifndef MRC_IO_NIFTI_NIFTI_STREAM_H
#define MRC_IO_NIFTI_NIFTI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mrc_nifti_stream {
    void *file;           /* zlib's gzFile */
    const char *path;     /* the caller's; must outlive the stream */
    bool packed;          /* gzip-compressed */
    int64_t stored_bytes; /* length of the file as it lies on disk */
};

enum mrc_status mrc_nifti_stream_open(struct mrc_nifti_stream *out, const char *path,
                                      struct mrc_error *err);
/** Closing a closed (zeroed) stream does nothing. */
void mrc_nifti_stream_close(struct mrc_nifti_stream *s);
/** Up to `capacity` bytes; fewer only where the file ends. */
enum mrc_status mrc_nifti_stream_read_some(struct mrc_nifti_stream *s, void *out, size_t capacity,
                                           size_t *size, struct mrc_error *err);
/** Exactly `bytes`, or MRC_ERR_FORMAT. */
enum mrc_status mrc_nifti_stream_read(struct mrc_nifti_stream *s, void *out, size_t bytes,
                                      struct mrc_error *err);
enum mrc_status mrc_nifti_stream_skip(struct mrc_nifti_stream *s, int64_t bytes,
                                      struct mrc_error *err);
/** Reads a compressed stream to its end, so that its checksum has been compared: at most 1 MiB
 * more, else MRC_ERR_RANGE. What follows in a plain file is not looked at. */
enum mrc_status mrc_nifti_stream_finish(struct mrc_nifti_stream *s, struct mrc_error *err);
/** False when deflate cannot pack `bytes` into what is stored (its limit is 1032 to 1): known
 * before memory is taken. */
bool mrc_nifti_stream_can_hold(const struct mrc_nifti_stream *s, int64_t bytes);

/** Does the last word of a compressed file (ISIZE, RFC 1952) tell `bytes`, or up to the 1 MiB more
 * that mrc_nifti_stream_finish allows? True of a plain file. False: the file was cut, or has
 * several members as some packers make them; unpacking it tells which. True of a file that is
 * damaged in between. */
bool mrc_nifti_stream_tells_size(const struct mrc_nifti_stream *s, int64_t bytes);

/** Unpacks the beginning of a gzip stream from memory: bytes written to out (0: not gzip, or
 * broken). */
size_t mrc_nifti_unpack_head(unsigned char *out, size_t capacity, const unsigned char *packed,
                             size_t size);

#endif
