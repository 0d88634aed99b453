/* io_fail.c: preloaded, lets the n-th of all calls that write to files fail, in whichever process of a run
 * it comes and whichever library makes it; or that one and all later ones.
 *   IO_FAIL_COUNT  a file of 16 bytes or more that all processes share: calls so far, failures so far
 *   IO_FAIL_AT     n; 0: none fails, they are counted    IO_FAIL_ERRNO  what it fails with
 *   IO_FAIL_ON     set: all later ones fail too */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct shared {
    atomic_long calls, failures;
};

static struct shared *shared;
static long fail_at;
static int fail_with;
static bool fail_on;

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("IO_FAIL_COUNT");
    int (*real_open)(const char *, int, ...);
    *(void **)(&real_open) = dlsym(RTLD_NEXT, "open");
    int file = path != NULL ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *map = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    fail_at = number_of("IO_FAIL_AT");
    fail_with = (int)number_of("IO_FAIL_ERRNO");
    fail_on = getenv("IO_FAIL_ON") != NULL;
    if (map != MAP_FAILED) shared = map;
}

static bool must_fail(void) {
    if (shared == NULL) return false;
    long call = atomic_fetch_add(&shared->calls, 1) + 1;
    if (fail_at <= 0 || call < fail_at || (call > fail_at && !fail_on)) return false;
    atomic_fetch_add(&shared->failures, 1);
    errno = fail_with;
    return true;
}

/* A file or folder of ours: no terminal, pipe or socket. */
static bool is_ours(int file) {
    struct stat info;
    return file > 2 && fstat(file, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

static bool is_written(int file) {
    int flags = fcntl(file, F_GETFL);
    return flags != -1 && (flags & O_ACCMODE) != O_RDONLY;
}

#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (real == NULL) *(void **)(&real) = dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    return is_ours(file) && must_fail() ? -1 : real(file, bytes, size);
}
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream) {
    REAL(size_t, fwrite, const void *, size_t, size_t, FILE *);
    if (is_ours(fileno(stream)) && must_fail()) {
        stream->_flags |= 0x20; /* glibc's mark of a stream that failed */
        return 0;
    }
    return real(bytes, size, count, stream);
}
int fflush(FILE *stream) {
    REAL(int, fflush, FILE *);
    bool ours = stream != NULL && is_ours(fileno(stream)) && is_written(fileno(stream));
    if (!ours || !must_fail()) return real(stream);
    stream->_flags |= 0x20;
    return EOF;
}
int fclose(FILE *stream) {
    REAL(int, fclose, FILE *);
    bool fails = is_ours(fileno(stream)) && is_written(fileno(stream)) && must_fail();
    int cause = errno, result = real(stream);
    if (!fails) return result;
    errno = cause;
    return EOF;
}
int close(int file) {
    REAL(int, close, int);
    bool fails = is_ours(file) && is_written(file) && must_fail();
    int cause = errno, result = real(file);
    if (!fails) return result;
    errno = cause;
    return -1;
}
int fsync(int file) {
    REAL(int, fsync, int);
    return is_ours(file) && must_fail() ? -1 : real(file);
}
int fdatasync(int file) {
    REAL(int, fdatasync, int);
    return is_ours(file) && must_fail() ? -1 : real(file);
}
int ftruncate(int file, off_t size) {
    REAL(int, ftruncate, int, off_t);
    return must_fail() ? -1 : real(file, size);
}
int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return must_fail() ? -1 : real(from, to);
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    return must_fail() ? -1 : real(from_dir, from, to_dir, to, flags);
}
int link(const char *from, const char *to) {
    REAL(int, link, const char *, const char *);
    return must_fail() ? -1 : real(from, to);
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    return must_fail() ? -1 : real(path, mode);
}
int open(const char *path, int flags, ...) {
    REAL(int, open, const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (flags & O_CREAT) != 0 && must_fail() ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(int, open64, const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (flags & O_CREAT) != 0 && must_fail() ? -1 : real(path, flags, mode);
}
FILE *fopen(const char *path, const char *mode) {
    REAL(FILE *, fopen, const char *, const char *);
    return mode[0] != 'r' && must_fail() ? NULL : real(path, mode);
}
