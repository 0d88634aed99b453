/* nifti_stream.c: zlib's gzread with its errors put into words. */
#include "io/nifti/nifti_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PORTION = 1 << 16, MAX_TRAILING = 1 << 20, DEFLATE_LIMIT = 1032 };

enum mrc_status mrc_nifti_stream_open(struct mrc_nifti_stream *out, const char *path,
                                      struct mrc_error *err) {
    *out = (struct mrc_nifti_stream){.path = path};
    struct stat info;
    if (stat(path, &info) != 0)
        return mrc_fail(err, MRC_ERR_IO, "%s: %s, expected a file", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) {
        return mrc_fail(err, MRC_ERR_IO, "%s: is no regular file, expected a NIfTI file", path);
    }
    errno = 0;
    gzFile file = gzopen(path, "rbe");
    if (file == NULL) {
        int cause = errno;
        return mrc_fail(err, cause != 0 ? MRC_ERR_IO : MRC_ERR_NOMEM, "%s: %s", path,
                        cause != 0 ? strerror(cause) : "out of memory for reading");
    }
    (void)gzbuffer(file, PORTION);
    out->file = file;
    out->packed = gzdirect(file) == 0;
    out->stored_bytes = (int64_t)info.st_size;
    return MRC_OK;
}

void mrc_nifti_stream_close(struct mrc_nifti_stream *s) {
    if (s->file != NULL) (void)gzclose_r(s->file);
    *s = (struct mrc_nifti_stream){0};
}

static enum mrc_status stream_error(const struct mrc_nifti_stream *s, struct mrc_error *err) {
    int code = Z_OK;
    const char *text = gzerror(s->file, &code);
    switch (code) {
    case Z_OK: return MRC_OK;
    case Z_MEM_ERROR:
        return mrc_fail(err, MRC_ERR_NOMEM, "%s: out of memory for unpacking", s->path);
    case Z_BUF_ERROR:
        return mrc_fail(err, MRC_ERR_FORMAT,
                        "%s: the gzip stream ends early after %lld bytes, expected a whole one",
                        s->path, (long long)s->stored_bytes);
    case Z_ERRNO:
        return mrc_fail(err, MRC_ERR_IO, "%s: %s while reading", s->path, strerror(errno));
    default: break;
    }
    /* zlib's text repeats the path: "path: incorrect data check" */
    size_t path_length = strlen(s->path);
    if (strncmp(text, s->path, path_length) == 0 && strncmp(text + path_length, ": ", 2) == 0)
        text += path_length + 2;
    return mrc_fail(err, MRC_ERR_FORMAT, "%s: the gzip stream is damaged (%s)", s->path, text);
}

enum mrc_status mrc_nifti_stream_read_some(struct mrc_nifti_stream *s, void *out, size_t capacity,
                                           size_t *size, struct mrc_error *err) {
    *size = 0;
    while (*size < capacity) {
        size_t left = capacity - *size;
        unsigned want = (unsigned)(left < PORTION ? left : PORTION);
        int got = gzread(s->file, (unsigned char *)out + *size, want);
        if (got > 0) *size += (size_t)got;
        if (got < (int)want) break;
    }
    return *size < capacity ? stream_error(s, err) : MRC_OK;
}

enum mrc_status mrc_nifti_stream_read(struct mrc_nifti_stream *s, void *out, size_t bytes,
                                      struct mrc_error *err) {
    size_t size = 0;
    enum mrc_status st = mrc_nifti_stream_read_some(s, out, bytes, &size, err);
    if (st == MRC_OK && size < bytes) {
        st = mrc_fail(
            err, MRC_ERR_FORMAT,
            "%s: the file ends after %lld %sbytes, expected all voxels its header declares",
            s->path, s->packed ? (long long)gztell(s->file) : (long long)s->stored_bytes,
            s->packed ? "unpacked " : "");
    }
    return st;
}

enum mrc_status mrc_nifti_stream_skip(struct mrc_nifti_stream *s, int64_t bytes,
                                      struct mrc_error *err) {
    unsigned char rest[4096];
    enum mrc_status st = MRC_OK;
    while (st == MRC_OK && bytes > 0) {
        size_t part = bytes < (int64_t)sizeof rest ? (size_t)bytes : sizeof rest;
        st = mrc_nifti_stream_read(s, rest, part, err);
        bytes -= (int64_t)part;
    }
    return st;
}

enum mrc_status mrc_nifti_stream_finish(struct mrc_nifti_stream *s, struct mrc_error *err) {
    if (!s->packed) return MRC_OK;
    unsigned char rest[4096];
    size_t size = 0, total = 0;
    do {
        enum mrc_status st = mrc_nifti_stream_read_some(s, rest, sizeof rest, &size, err);
        if (st != MRC_OK) return st;
        total += size;
        if (total > MAX_TRAILING) {
            return mrc_fail(err, MRC_ERR_RANGE,
                            "%s: more than %d bytes follow the voxels, expected the end", s->path,
                            MAX_TRAILING);
        }
    } while (size == sizeof rest);
    return MRC_OK;
}

bool mrc_nifti_stream_can_hold(const struct mrc_nifti_stream *s, int64_t bytes) {
    if (!s->packed) return bytes <= s->stored_bytes;
    return bytes / DEFLATE_LIMIT <= s->stored_bytes;
}

bool mrc_nifti_stream_tells_size(const struct mrc_nifti_stream *s, int64_t bytes) {
    unsigned char last[4] = {0};
    if (!s->packed) return true;
    int file = open(s->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool whole = s->stored_bytes >= (int64_t)sizeof last &&
                 pread(file, last, sizeof last, (off_t)(s->stored_bytes - 4)) == sizeof last;
    (void)close(file);
    uint32_t told = (uint32_t)last[0] | (uint32_t)last[1] << 8 | (uint32_t)last[2] << 16 |
                    (uint32_t)last[3] << 24;
    return whole && told - (uint32_t)bytes <= MAX_TRAILING; /* both are modulo 2^32 */
}

size_t mrc_nifti_unpack_head(unsigned char *out, size_t capacity, const unsigned char *packed,
                             size_t size) {
    if (size < 2 || packed[0] != 0x1f || packed[1] != 0x8b) return 0;
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)packed,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = (uInt)capacity};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return 0;
    int code = inflate(&z, Z_SYNC_FLUSH);
    size_t got = capacity - z.avail_out;
    (void)inflateEnd(&z);
    return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR ? got : 0;
}
